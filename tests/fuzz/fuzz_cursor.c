/*
 * Cursors: a byte that picks a list, then a row's text. What a page hands out
 * as next, in its body and in Link, brings exactly this text to the database;
 * as a client's own, it is refused unless it is what we would have written.
 */
#include "door.h"
#include "text.h"

#define TEXT_OID 25

static struct arena *a;
static const char *row_text, *heard;
static bool has_heard;

static void
looks(struct request *rq)
{
	const char *after = arg(rq, "after");

	has_heard = after != NULL;
	heard = after ? arena_strdup(a, after) : "";
}

/* One row more than the page takes. */
static PGresult *
rows(struct request *rq)
{
	PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc columns[] = {
		{ .name = (char *)"note", .typid = TEXT_OID },
		{ .name = (char *)"_cursor", .typid = TEXT_OID },
	};

	(void)rq;
	must(PQsetResultAttrs(res, 2, columns));
	for (int i = 0; i < 4; i++)
		must(PQsetvalue(res, i / 2, i % 2, (char *)row_text,
				(int)strlen(row_text)));
	return res;
}

/* Pages that go on by a target and ask for nothing else in it; a search's
 * cursor is in its body. */
static bool
is_paged(const struct operation *op)
{
	bool paged = false;

	if (strcmp(op->method, "GET") != 0)
		return false;
	for (size_t i = 0; i < op->param_count; i++) {
		const struct param *p = &op->params[i];

		if (p->required && p->in == IN_QUERY)
			return false;
		paged = paged || strcmp(p->bind, "after") == 0;
	}
	return paged;
}

static const struct operation *
pick(unsigned n)
{
	const struct contract *c = door_contract();
	static const struct operation *all[256];
	static size_t count;

	for (size_t i = 0; !door_looks && i < c->operation_count; i++)
		if (is_paged(&c->operations[i]) && count < 256)
			all[count++] = &c->operations[i];
	door_looks = looks;
	return all[n % count];
}

static struct door
door_of(const struct operation *op, const char *target)
{
	return (struct door){ .method = "GET", .target = target, .peer = "",
			      .role = op->public_ ?
			      NULL : role_name(op->roles & -op->roles) };
}

static char *
target_of(const struct operation *op, const char *query)
{
	char *target = arena_strdup(a, "");

	for (size_t i = 0; i < op->segment_count; i++)
		target = arena_printf(a, "%s/%s", target, op->segments[i] ?
				      op->segments[i] :
				      "019a5c1e-0000-8001-8000-000000000001");
	return arena_printf(a, "%s%s", target, query);
}

/* Goes on from a page as a client does; false where it ended. */
static bool
goes_on(const struct operation *op, const char *target)
{
	struct door d = door_of(op, target);

	has_heard = false;
	door_ask(&d);
	must(d.asked ? d.status == 503 : d.status == 400);
	door_close(&d);
	return has_heard;
}

static void
check_page(const struct operation *op)
{
	struct door d = door_of(op, target_of(op, "?limit=1"));
	json_t *item;
	const char *next;
	char *link;

	d.rows = rows;
	door_ask(&d);
	must(d.status == 200 && d.reply);
	item = json_object_get(d.reply, "items");
	must(json_is_array(item));
	item = json_object_get(json_array_get(item, 0), "note");
	must(strcmp(json_string_value(item), row_text) == 0);
	next = json_string_value(json_object_get(d.reply, "next"));
	must(next);
	if (*next && strlen(next) <= 256) {
		must(goes_on(op, target_of(op, arena_printf(a, "?after=%s",
							    next))));
		must(strcmp(heard, row_text) == 0);
		if (d.link) {
			link = arena_strdup(a, d.link + 1);
			*strchr(link, '>') = '\0';
			must(goes_on(op, link));
			must(strcmp(heard, row_text) == 0);
		}
	}
	door_close(&d);
}

/* Any byte can be written in a target. */
static void
check_own(const struct operation *op)
{
	char *query = arena_alloc(a, 3 * strlen(row_text) + 8), *back;
	char *p = query + sprintf(query, "?after=");

	for (const char *s = row_text; *s; s++)
		p += sprintf(p, "%%%02X", (unsigned char)*s);
	if (!goes_on(op, target_of(op, query)))
		return;
	back = arena_alloc(a, 2 * strlen(heard) + 8);
	base64url_encode(back, heard, strlen(heard));
	must(strcmp(back, row_text) == 0);
}

static void
check_code(const uint8_t *s, size_t n)
{
	char *text = arena_alloc(a, 2 * n + 8);
	size_t len = base64url_encode(text, s, n), back_len;
	unsigned char *back;

	must(len == strlen(text));
	must(base64url_decode(a, text, len, &back, &back_len));
	must(back_len == n && memcmp(back, s, n) == 0);
	if (!base64url_decode(a, (const char *)s, n, &back, &back_len))
		return;
	len = base64url_encode(text, back, back_len);
	must(len == n && memcmp(text, s, n) == 0);
}

/* security 51 */
int
LLVMFuzzerTestOneInput(const uint8_t *s, size_t n)
{
	const struct operation *op;

	if (!n)
		return 0;
	a = arena_new();
	op = pick(*s++);
	check_code(s, --n);
	row_text = fuzz_cut(a, &s, &n, '\0');
	check_own(op);
	if (utf8_valid(row_text, strlen(row_text)))
		check_page(op);
	arena_free(a);
	return 0;
}
