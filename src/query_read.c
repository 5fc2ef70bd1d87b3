/*
 * Reads query files: markers, statements, :names.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "memory.h"
#include "query_internal.h"
#include "sqltext.h"

/* Two are kept free for the Idempotency-Key and its hash; calls for the trace,
 * core.enter() and settling. */
#define MAX_BINDS (DB_MAX_PARAMS - 2)
#define MAX_STATEMENTS (DB_MAX_CALLS - 3)

struct reader {
	const char *file;
	const char *start, *end;
	struct query *query; /* the one being read, or the case of it */
	struct query *named; /* the one with a name that it belongs to */
	size_t cases;
};

static int
line_at(const struct reader *r, const char *at)
{
	int line = 1;

	for (const char *p = r->start; p < at; p++)
		line += *p == '\n';
	return line;
}

static bool
fault_at(const struct reader *r, const char *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static bool
fault_at(const struct reader *r, const char *at, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%d: ", r->file, line_at(r, at));
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return false;
}

static struct query *
new_query(struct reader *r, const char *at, bool helper, const char *name,
	  size_t len)
{
	struct query *q = xmalloc(sizeof(*q));

	q->name = xprintf("%.*s", (int)len, name);
	q->file = xstrdup(r->file);
	q->line = line_at(r, at);
	q->helper = helper;
	return r->query = q;
}

static bool
has_statement(const struct query *q)
{
	return !q || q->statement_count > 0 ||
	       query_fault(q, "has no statement");
}

/* "-- for: resident without q", alone on its line. */
static bool
read_case(struct reader *r, const char *s, const char *end)
{
	struct query *last = r->query, *q;

	if (!last)
		return fault_at(r, s, "-- for: before the first -- name:");
	if (!has_statement(last))
		return false;
	q = last->next_case = new_query(r, s, r->named->helper, r->named->name,
					strlen(r->named->name));
	r->cases++;
	return query_case_read(q, s + strlen("-- for:"), end);
}

static bool
is_marker(const char *s)
{
	return strncmp(s, "-- name:", 8) == 0 ||
	       strncmp(s, "-- helper:", 10) == 0 ||
	       strncmp(s, "-- for:", 7) == 0;
}

static bool
ends_in(const char *s, const char **end, const char *word)
{
	size_t n = strlen(word);

	if (*end - s < (ptrdiff_t)n || memcmp(*end - n, word, n) != 0)
		return false;
	*end -= n;
	return true;
}

/* "-- name: getTicket" or "-- helper: findAccount", alone on its line. */
static bool
read_marker(struct reader *r, const char *s, const char *end, bool *is_one)
{
	const char *at = s;
	bool helper = strncmp(s, "-- helper:", 10) == 0, numbered;
	const char *name;

	*is_one = is_marker(s);
	if (!*is_one)
		return true;
	if (strncmp(s, "-- for:", 7) == 0)
		return read_case(r, s, end);
	s += helper ? 10 : 8;
	while (s < end && *s == ' ')
		s++;
	for (name = s; s < end && isalnum((unsigned char)*s);)
		s++;
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	numbered = !helper && ends_in(s, &end, " numbered");
	if (s == name || s != end || s - name > 52)
		return fault_at(r, at, "not a query's name");
	if (!has_statement(r->query))
		return false;
	r->cases = 0;
	r->named = new_query(r, at, helper, name, (size_t)(s - name));
	r->named->numbered = numbered;
	return query_add(r->named);
}

/* $n of :name, the same for each time it stands in the statement. */
static size_t
bind_number(struct statement *st, const char *name, size_t len)
{
	for (size_t i = 0; i < st->bind_count; i++)
		if (strlen(st->binds[i].name) == len &&
		    memcmp(st->binds[i].name, name, len) == 0)
			return i + 1;
	st->binds = xrealloc(st->binds,
			     (st->bind_count + 1) * sizeof(*st->binds));
	st->binds[st->bind_count] = (struct bind){
		.name = xprintf("%.*s", (int)len, name),
	};
	return ++st->bind_count;
}

static const char *
skip_name(const char *s, const char *end)
{
	while (s < end && (islower((unsigned char)*s) ||
			   isdigit((unsigned char)*s) || *s == '_'))
		s++;
	return s;
}

/* s at ":". Copies "::" and ":=" as they are, else replaces :name by its $n.
 * NULL: printed. */
static const char *
read_colon(struct reader *r, struct statement *st, const char *s,
	   const char *end, FILE *out)
{
	const char *after = skip_name(s + 1, end);

	if (end - s > 1 && (s[1] == ':' || s[1] == '=')) {
		fprintf(out, "%.2s", s);
		return s + 2;
	}
	if (after == s + 1 || isdigit((unsigned char)s[1])) {
		fputc(':', out);
		return s + 1;
	}
	/* Without a cast the server would guess, and guess differently after
	 * the next change of the statement. */
	if (end - after < 2 || memcmp(after, "::", 2) != 0) {
		fault_at(r, s, "%.*s lacks a cast (%.*s::text)",
			 (int)(after - s), s, (int)(after - s), s);
		return NULL;
	}
	fprintf(out, "$%zu", bind_number(st, s + 1, (size_t)(after - s - 1)));
	return after;
}

static bool
copy_statement(struct reader *r, struct statement *st, const char *s,
	       const char *end, FILE *out)
{
	bool blank = false;

	while (s < end) {
		const char *next = sqltext_skip(s, end);

		if (sqltext_is_blank(s, end)) {
			blank = true;
			s = next;
			continue;
		}
		if (blank)
			fputc(' ', out);
		blank = false;
		if (*s == '$' && end - s > 1 && isdigit((unsigned char)s[1]))
			return fault_at(r, s, "use :name, not $1");
		if (*s == ':') {
			s = read_colon(r, st, s, end, out);
			if (!s)
				return false;
			continue;
		}
		fwrite(s, 1, (size_t)(next - s), out);
		s = next;
	}
	return true;
}

/* What would end the transaction, or outlive it, is not for a query. */
static bool
is_allowed(const char *s, const char *end)
{
	static const char *const words[] = { "select", "with", "insert",
					     "update", "delete", "merge",
					     "values" };
	size_t n = (size_t)(sqltext_skip(s, end) - s);

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == n && strncasecmp(words[i], s, n) == 0)
			return true;
	return false;
}

static bool
read_statement(struct reader *r, const char *s, const char *end)
{
	struct query *q = r->query;
	struct statement st = { 0 };
	char *text = NULL, *comment;
	size_t len;
	FILE *out;
	bool ok;

	if (!q)
		return fault_at(r, s, "statement before the first -- name:");
	if (!is_allowed(s, end))
		return fault_at(r, s, "not a statement of a query: %.*s",
				(int)(sqltext_skip(s, end) - s), s);
	if (q->statement_count == MAX_STATEMENTS)
		return fault_at(r, s, "more than %d statements",
				MAX_STATEMENTS);
	out = open_memstream(&text, &len);
	if (!out)
		abort();
	comment = query_comment(q, "");
	fputs(comment, out);
	free(comment);
	ok = copy_statement(r, &st, s, end, out);
	memory_stream_end(out, &text);
	if (ok && st.bind_count > MAX_BINDS)
		ok = fault_at(r, s, "more than %d names", MAX_BINDS);
	st.sql = text;
	if (q == r->named)
		snprintf(st.name, sizeof(st.name), "%s_%zu", q->name,
			 q->statement_count + 1);
	else
		snprintf(st.name, sizeof(st.name), "%s_%zu_for%zu", q->name,
			 q->statement_count + 1, r->cases);
	q->statements = xrealloc(q->statements, (q->statement_count + 1) *
				 sizeof(*q->statements));
	q->statements[q->statement_count++] = st;
	return ok;
}

/* Blanks between statements, with the markers in them. */
static const char *
read_blanks(struct reader *r, const char *s, bool *ok)
{
	while (s < r->end && sqltext_is_blank(s, r->end)) {
		const char *next = sqltext_skip(s, r->end);
		bool marker;

		if (!next) {
			*ok = fault_at(r, s, "comment without end");
			return r->end;
		}
		if (!read_marker(r, s, next, &marker)) {
			*ok = false;
			return r->end;
		}
		s = next;
	}
	return s;
}

/* A marker inside a statement means the one before lacks its ";". */
static bool
holds_marker(const char *s, const char *end)
{
	for (; s < end; s = sqltext_skip(s, end))
		if (is_marker(s))
			return true;
	return false;
}

bool
query_load(const char *file, const char *text, size_t len)
{
	const char *base = strrchr(file, '/');
	struct reader r = {
		.file = base ? base + 1 : file,
		.start = text,
		.end = text + len,
	};
	bool ok = true;
	const char *s = read_blanks(&r, text, &ok), *stop;

	while (ok && s < r.end) {
		stop = sqltext_stop(s, r.end);
		if (!stop)
			return fault_at(&r, s, "something is left open here");
		if (stop == r.end || holds_marker(s, stop))
			return fault_at(&r, s, "statement without \";\"");
		if (stop == s)
			return fault_at(&r, s, "empty statement");
		if (!read_statement(&r, s, stop))
			return false;
		s = read_blanks(&r, stop + 1, &ok);
	}
	return ok && has_statement(r.query);
}
