/*
 * What single header fields say, each against a second opinion or a law: a
 * line with one text, then another.
 */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <regex.h>
#include <strings.h>
#include <zlib.h>

#include "cors.h"
#include "etag.h"
#include "fuzz.h"
#include "gzip.h"
#include "proxy.h"
#include "text.h"
#include "trace.h"

#define TRUSTED "10.0.0.0/8 ::1, 2001:db8::/33 unix"

static void
check_trace(const char *text)
{
	static regex_t shape;
	static bool compiled;
	struct trace t;
	bool fine, zero;

	if (!compiled && regcomp(&shape, "^(00-[0-9a-f]{32}-[0-9a-f]{16}-"
				 "[0-9a-f]{2}|[0-9a-f]{2}-[0-9a-f]{32}-"
				 "[0-9a-f]{16}-[0-9a-f]{2}(-.*)?)$",
				 REG_EXTENDED | REG_NOSUB))
		abort();
	compiled = true;
	fine = regexec(&shape, text, 0, NULL, 0) == 0 &&
	       strncmp(text, "ff", 2) != 0 &&
	       !(strncmp(text, "00", 2) == 0 && strlen(text) > 55);
	zero = fine && (strspn(text + 3, "0") >= 32 ||
			strspn(text + 36, "0") >= 16);
	must(trace_parse(text, &t) == (fine && !zero));
	if (fine && !zero)
		must(strlen(t.id) == 32 && strlen(t.parent) == 16 &&
		     memcmp(t.id, text + 3, 32) == 0 &&
		     memcmp(t.parent, text + 36, 16) == 0);
}

/* Our tags are without commas, blanks and quotes. */
static void
check_etag(struct arena *a, const char *text, const char *list)
{
	const char *ours = arena_printf(a, "\"%s\"", text), *version;
	const char *packed = etag_packed(a, ours);
	bool usable = *text && !strpbrk(text, ", \t\"");
	size_t n = strlen(text);

	version = etag_version(a, text);
	must(!version || !strchr(version, '"'));
	if (!usable)
		return;
	if (n > 5 && strcmp(text + n - 5, "-gzip") == 0)
		return;
	must(strcmp(etag_version(a, ours), text) == 0);
	must(strcmp(etag_version(a, packed), text) == 0);
	must(etag_match(ours, ours) == ETAG_SAME);
	must(etag_match(packed, ours) == ETAG_SAME_PACKED);
	must(etag_match(arena_printf(a, "%s, W/%s", list, ours), ours) !=
	     ETAG_OTHER);
	/* Whoever is no "*" and does not hold the text cannot name it. */
	if (strcmp(list, "*") != 0 && !strstr(list, text))
		must(etag_match(list, ours) == ETAG_OTHER);
}

/* Letters count as one, empty members not at all; an order last counts. */
static void
check_gzip(struct arena *a, const char *text)
{
	char *upper = arena_strdup(a, text);
	bool asked = gzip_asked(text);

	for (char *c = upper; *c; c++)
		*c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
	must(gzip_asked(upper) == asked);
	must(gzip_asked(arena_printf(a, " ,\t,%s, ,", text)) == asked);
	must(!gzip_asked(arena_printf(a, "%s, gzip;q=0", text)));
	if (!strcasestr(text, "identity"))
		must(gzip_asked(arena_printf(a, "%s, gzip", text)));
	if (asked)
		must(strcasestr(text, "gzip") || strchr(text, '*'));
}

static void
check_packing(const uint8_t *s, size_t n)
{
	static uint8_t out[1 << 16];
	struct evbuffer *buf = evbuffer_new();
	z_stream z = { .next_out = out, .avail_out = sizeof(out) };

	/* in pieces, as replies are */
	evbuffer_add_reference(buf, s, n / 3, NULL, NULL);
	evbuffer_add(buf, s + n / 3, n - n / 3);
	gzip_buffer(buf, 1);
	z.avail_in = (uInt)evbuffer_get_length(buf);
	z.next_in = evbuffer_pullup(buf, -1);
	must(inflateInit2(&z, 15 + 16) == Z_OK);
	must(inflate(&z, Z_FINISH) == Z_STREAM_END && !z.avail_in);
	must(z.total_out == n && memcmp(out, s, n) == 0);
	inflateEnd(&z);
	evbuffer_free(buf);
}

/* One entry as an address in its usual spelling, "" for anything else. */
static void
hop_of(const char *s, size_t n, char out[INET6_ADDRSTRLEN])
{
	char text[64] = "", *colon;
	struct in6_addr six;
	struct in_addr four;

	*out = '\0';
	for (; n && (*s == ' ' || *s == '\t'); n--)
		s++;
	while (n && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	if (n < INET6_ADDRSTRLEN + 8)
		memcpy(text, s, n);
	if (*text == '[') {
		text[strcspn(text, "]")] = '\0';
		memmove(text, text + 1, strlen(text));
		if (!strchr(text, ':'))
			return;
	} else if ((colon = strchr(text, ':')) == strrchr(text, ':') && colon) {
		*colon = '\0';
	}
	if (inet_pton(AF_INET, text, &four) == 1) {
		inet_ntop(AF_INET, &four, out, INET6_ADDRSTRLEN);
	} else if (inet_pton(AF_INET6, text, &six) == 1) {
		if (IN6_IS_ADDR_V4MAPPED(&six))
			inet_ntop(AF_INET, six.s6_addr + 12, out,
				  INET6_ADDRSTRLEN);
		else
			inet_ntop(AF_INET6, &six, out, INET6_ADDRSTRLEN);
	}
}

/* Of TRUSTED, by the usual spelling. */
static bool
trusted(const char *address)
{
	struct in6_addr six;

	if (strchr(address, '.') && !strchr(address, ':'))
		return strncmp(address, "10.", 3) == 0;
	must(inet_pton(AF_INET6, address, &six) == 1);
	return strcmp(address, "::1") == 0 ||
	       (memcmp(six.s6_addr, "\x20\x01\x0d\xb8", 4) == 0 &&
		six.s6_addr[4] < 0x80);
}

/* From the end, for as long as those who wrote it are trusted. */
static void
check_proxy(struct arena *a, const char *list)
{
	char client[INET6_ADDRSTRLEN] = "::1", hop[INET6_ADDRSTRLEN];
	const char *end = list + strlen(list), *from, *got;
	unsigned char one[16], two[16];

	for (bool more = *list; more; end = from - 1) {
		for (from = end; from > list && from[-1] != ',';)
			from--;
		hop_of(from, (size_t)(end - from), hop);
		if (!*hop)
			break;
		strcpy(client, hop);
		more = from > list && trusted(hop);
	}
	got = proxy_client(a, "::1", list);
	must(strcmp(got, client) == 0);
	proxy_key(got, one);
	proxy_key(client, two);
	must(memcmp(one, two, 16) == 0);
	/* Nobody hears those who are not trusted. */
	must(strcmp(proxy_client(a, "192.0.2.1", list), "192.0.2.1") == 0);
	got = proxy_client(a, "", list);
	must(strcmp(got, "local") == 0 || strcmp(got, client) == 0);
}

static void
check_lists(struct arena *a, const char *list, const char *word)
{
	if (!proxy_list_fault(list)) {
		proxy_trust(list);
		(void)proxy_trusted(word);
		(void)proxy_client(a, word, list);
	}
	proxy_trust(TRUSTED);
	if (cors_listed(list, word))
		must(strstr(list, word));
	if (!cors_list_fault(list))
		must(!strchr(list, '*') && !cors_listed(list, "null"));
}

/* security 51 */
int
LLVMFuzzerTestOneInput(const uint8_t *s, size_t n)
{
	struct arena *a = arena_new();
	char *one, *two;
	const char *lang;

	check_packing(s, n);
	one = fuzz_cut(a, &s, &n, '\n');
	two = fuzz_cut(a, &s, &n, '\n');
	check_lists(a, one, two);
	check_trace(one);
	check_etag(a, two, one);
	check_gzip(a, one);
	check_proxy(a, one);
	lang = language_pick(one);
	must(strcmp(lang, "zh") == 0 || strcmp(lang, "en") == 0);
	arena_free(a);
	return 0;
}
