/*
 * The guard against a second opinion: a parser that sees the whole input at
 * once, line by line, written without looking at the machine. Also: cutting
 * the input anywhere must not change the outcome.
 */
#include <arpa/inet.h>
#include <regex.h>
#include <strings.h>

#include "fuzz.h"
#include "guard.h"

#define LINE 256
#define HEADERS 8
#define BYTES 400
#define BODY 64

static uint64_t
body_limit(void *arg, const char *method, const char *path)
{
	(void)arg;
	(void)method;
	if (strlen(path) >= LINE)
		abort();
	return BODY;
}

static const struct guard_rules rules = { LINE, BYTES, HEADERS, body_limit,
					  NULL };

struct result {
	unsigned char *out; /* what the parser behind sees */
	size_t length;
	unsigned long count;
	enum { MORE, CLOSED, BAD } end;
};

static void
put(struct result *r, const void *bytes, size_t n)
{
	memcpy(r->out + r->length, bytes, n);
	r->length += n;
}

/* ---- the second opinion ---- */

static bool
matches(const char *pattern, const char *text)
{
	static struct {
		const char *pattern;
		regex_t compiled;
	} cache[16];
	size_t i = 0;

	while (cache[i].pattern && cache[i].pattern != pattern)
		i++;
	if (!cache[i].pattern) {
		if (regcomp(&cache[i].compiled, pattern,
			    REG_EXTENDED | REG_NOSUB | REG_ICASE))
			abort();
		cache[i].pattern = pattern;
	}
	return regexec(&cache[i].compiled, text, 0, NULL, 0) == 0;
}

/* The line at s without its CRLF, as a string; NULL with *bad or without:
 * broken, or not all there. */
static char *
line_at(const unsigned char *s, size_t n, bool *bad)
{
	const unsigned char *lf = memchr(s, '\n', n);
	char *line;
	size_t length;

	*bad = false;
	if (!lf)
		return NULL;
	length = (size_t)(lf - s);
	*bad = length == 0 || s[length - 1] != '\r' ||
	       memchr(s, '\r', length - 1) || memchr(s, 0, length);
	if (*bad)
		return NULL;
	line = strndup((const char *)s, length - 1);
	return line;
}

static bool
host_fine(const char *host)
{
	static const char name[] =
		"^([-a-z0-9._~!$&'()*+,;=]|%[0-9a-f][0-9a-f])+(:[0-9]{0,5})?$";
	static const char literal[] = "^\\[[0-9a-f:.]+](:[0-9]{0,5})?$";
	const char *port = strrchr(host, ':');
	char inner[300];
	struct in6_addr in6;

	if (strlen(host) > 271)
		return false;
	if (host[0] != '[')
		return matches(name, host) && (!port || atol(port + 1) < 65536);
	if (!matches(literal, host) || strlen(host) >= sizeof(inner))
		return false;
	strcpy(inner, host + 1);
	*strchr(inner, ']') = '\0';
	port = strchr(host, ']') + 1;
	return inet_pton(AF_INET6, inner, &in6) == 1 &&
	       (!*port || atol(port + 1) < 65536);
}

/* Rewrites an absolute target; false when it is no target at all. */
static bool
target_fine(const char *method, const char *target, char *out)
{
	const char *rest, *host;
	char authority[300];
	size_t n;

	for (const char *c = target; *c; c++)
		if (*c < 0x21 || *c > 0x7e)
			return false;
	strcpy(out, target);
	if (strcmp(target, "*") == 0)
		return strcmp(method, "OPTIONS") == 0;
	if (target[0] == '/')
		return target[1] != '/';
	if (strncasecmp(target, "http://", 7) != 0 &&
	    strncasecmp(target, "https://", 8) != 0)
		return false;
	host = strstr(target, "//") + 2;
	n = strcspn(host, "/?");
	if (n >= sizeof(authority))
		return false;
	memcpy(authority, host, n);
	authority[n] = '\0';
	if (!host_fine(authority))
		return false;
	rest = host + n;
	sprintf(out, "%s%s", rest[0] == '/' ? "" : "/", rest);
	return out[1] != '/';
}

struct message {
	char method[300], version;
	int hosts, lengths, codings;
	bool close, keep;
	long long length;
	size_t bytes;
	int fields;
};

static bool
request_line(struct message *m, const char *line, struct result *r)
{
	char target[300], out[300], line_out[700], junk;

	if (strlen(line) > LINE)
		return false;
	if (sscanf(line, "%299[A-Z] %299[^ ] HTTP/1.%c%c", m->method, target,
		   &m->version, &junk) != 3 ||
	    (m->version != '0' && m->version != '1') ||
	    !matches("^(GET|PUT|POST|HEAD|DELETE|OPTIONS|PATCH|TRACE)$",
		     m->method))
		return false;
	sprintf(line_out, "%s %s HTTP/1.%c", m->method, target, m->version);
	if (strcmp(line_out, line) != 0 ||
	    !target_fine(m->method, target, out))
		return false;
	sprintf(line_out, "%s %s HTTP/1.%c\r\n", m->method, out, m->version);
	put(r, line_out, strlen(line_out));
	return true;
}

static void
connection(struct message *m, char *value)
{
	for (char *t = strtok(value, ", \t"); t; t = strtok(NULL, ", \t")) {
		m->close |= strcasecmp(t, "close") == 0;
		m->keep |= strcasecmp(t, "keep-alive") == 0;
	}
}

static bool
field(struct message *m, char *line, bool trailer)
{
	char *colon = strchr(line, ':'), *value, *end;

	if (!colon)
		return false;
	*colon = '\0';
	if (++m->fields > HEADERS ||
	    !matches("^[-!#$%&'*+.^_`|~0-9a-z]+$", line))
		return false;
	for (unsigned char *c = (unsigned char *)colon + 1; *c; c++)
		if ((*c < 0x20 && *c != '\t') || *c == 0x7f)
			return false;
	value = colon + 1 + strspn(colon + 1, " \t");
	end = value + strlen(value);
	if (end - value > 271)
		m->close |= strcasecmp(line, "connection") == 0;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	if (strcasecmp(line, "host") == 0)
		return !trailer && !m->hosts++ && host_fine(value);
	if (strcasecmp(line, "content-length") == 0) {
		m->length = atoll(value);
		return !trailer && !m->lengths++ &&
		       matches("^[0-9]{1,18}$", value);
	}
	if (strcasecmp(line, "transfer-encoding") == 0)
		return !trailer && !m->codings++ && m->version == '1' &&
		       strcasecmp(value, "chunked") == 0;
	if (trailer)
		return true;
	if (strcasecmp(line, "connection") == 0)
		connection(m, value);
	if (strcasecmp(line, "expect") == 0 && m->version == '1')
		return strcasecmp(value, "100-continue") == 0;
	return true;
}

/* Lines up to the empty one; bytes taken, 0 = more to come, -1 = bad. */
static long
fields(struct message *m, const unsigned char *s, size_t n, bool trailer,
       struct result *r)
{
	size_t at = 0;
	bool bad;

	for (;;) {
		char *line = line_at(s + at, n - at, &bad);
		size_t length;
		bool fine;

		if (!line)
			return bad ? -1 : 0;
		length = strlen(line);
		fine = length == 0 || field(m, line, trailer);
		free(line);
		m->bytes += length + 2;
		if (!fine || m->bytes > BYTES)
			return -1;
		put(r, s + at, length + 2);
		at += length + 2;
		if (length == 0)
			return (long)at;
	}
}

static long
chunks(struct message *m, const unsigned char *s, size_t n, struct result *r)
{
	size_t at = 0, total = 0;
	bool bad;
	long done;

	for (;;) {
		char *line = line_at(s + at, n - at, &bad), size_text[20];
		unsigned long long size;
		size_t digits, all;

		if (!line)
			return bad ? -1 : 0;
		all = strlen(line);
		digits = strspn(line, "0123456789abcdefABCDEF");
		snprintf(size_text, sizeof(size_text), "%.*s", (int)digits,
			 line);
		bad = digits == 0 || digits > 16 ||
		      (line[digits] && !matches("^[ \t]*;", line + digits));
		for (char *c = line + digits; *c; c++)
			bad |= ((unsigned char)*c < 0x20 && *c != '\t') ||
			       *c == 0x7f;
		free(line);
		m->bytes += all - digits;
		size = strtoull(size_text, NULL, 16);
		if (bad || m->bytes > BYTES || size > BODY - total)
			return -1;
		put(r, size_text, digits);
		put(r, "\r\n", 2);
		at += all + 2;
		total += size;
		if (size == 0)
			break;
		if (n - at < size + 2) {
			size_t have = n - at;

			if (have > size && s[at + size] != '\r')
				return -1;
			return 0;
		}
		if (memcmp(s + at + size, "\r\n", 2) != 0)
			return -1;
		put(r, s + at, size + 2);
		at += size + 2;
	}
	done = fields(m, s + at, n - at, true, r);
	return done > 0 ? (long)at + done : done;
}

/* One message; bytes taken, 0 = more to come, -1 = bad. */
static long
message(const unsigned char *s, size_t n, struct message *m, struct result *r)
{
	size_t at = n >= 2 && s[0] == '\r' && s[1] == '\n' ? 2 : 0;
	bool bad;
	char *line = line_at(s + at, n - at, &bad);
	long done;

	if (!line)
		return bad ? -1 : 0;
	bad = !request_line(m, line, r);
	at += strlen(line) + 2;
	free(line);
	if (bad)
		return -1;
	done = fields(m, s + at, n - at, false, r);
	if (done <= 0)
		return done;
	at += (size_t)done;
	if ((m->version == '1' && !m->hosts) || (m->lengths && m->codings))
		return -1;
	if ((m->codings || m->length > 0) &&
	    (!strcmp(m->method, "HEAD") || !strcmp(m->method, "TRACE")))
		return -1;
	if (m->codings) {
		done = chunks(m, s + at, n - at, r);
		return done > 0 ? (long)at + done : done;
	}
	if (m->length > BODY)
		return -1;
	if ((long long)(n - at) < m->length)
		return 0;
	put(r, s + at, (size_t)m->length);
	return (long)at + m->length;
}

static void
second_opinion(const unsigned char *s, size_t n, struct result *r)
{
	while (n) {
		struct message m = { .version = 0 };
		size_t mark = r->length;
		long done = message(s, n, &m, r);

		if (done <= 0) {
			r->length = mark;
			r->end = done ? BAD : MORE;
			return;
		}
		r->count++;
		s += done;
		n -= (size_t)done;
		if (m.close || (m.version == '0' && !m.keep)) {
			r->end = CLOSED;
			return;
		}
	}
}

/* ---- the guard ---- */

static void
first_opinion(const unsigned char *s, size_t n, size_t step, size_t *whole,
	      struct result *r)
{
	struct guard *g = guard_new(&rules);
	bool refused = false;

	for (size_t at = 0; at < n && !refused;) {
		size_t used = 0, some = step && step < n - at ? step : n - at;
		unsigned long before = guard_count(g);
		enum guard_verdict v = guard_feed(g, s + at, some, &used);

		refused = v == GUARD_REFUSE;
		if (refused ? used != 0 : used == 0 || used > some)
			abort();
		if (v == GUARD_PASS)
			put(r, s + at, used);
		at += used;
		if (step == 1 && guard_count(g) != before)
			*whole = r->length;
	}
	if (refused != (guard_phase(g) == GUARD_REFUSED))
		abort();
	if (refused && (!guard_code(g) || !guard_reason(g)))
		abort();
	r->count = guard_count(g);
	r->end = refused				? BAD :
		 guard_phase(g) == GUARD_CLOSED		? CLOSED :
							  MORE;
	guard_free(g);
}

static void
differ(const char *what)
{
	fprintf(stderr, "the outcomes differ: %s\n", what);
	abort();
}

/* security 51 */
int
LLVMFuzzerTestOneInput(const unsigned char *s, size_t n)
{
	struct result bytes = { .out = malloc(n + 1) };
	struct result cut = { .out = malloc(n + 1) };
	struct result ref = { .out = malloc(n + 64) };
	size_t whole = 0, ignored, step = 0;

	for (size_t i = 0; i < n; i++)
		step += s[i];
	first_opinion(s, n, 1, &whole, &bytes);
	first_opinion(s, n, step % 32, &ignored, &cut);
	second_opinion(s, n, &ref);
	if (bytes.count != cut.count || bytes.end != cut.end ||
	    bytes.length != cut.length ||
	    memcmp(bytes.out, cut.out, cut.length) != 0)
		differ("cut");
	/* The guard sees a fault as soon as it is there; the other one only
	 * once the line is. */
	if (bytes.count != ref.count)
		differ("count");
	if (bytes.end != ref.end && !(bytes.end == BAD && ref.end == MORE))
		differ("end");
	if (whole != ref.length || memcmp(bytes.out, ref.out, whole) != 0)
		differ("passed");
	free(bytes.out);
	free(cut.out);
	free(ref.out);
	return 0;
}
