/*
 * JSON bodies: a byte that picks an operation, then its body. What RFC 8259
 * forbids, and what we forbid besides, is refused, nothing else; what is taken
 * is taken once and for all: checked again, with its defaults, it is the same.
 */
#include "door.h"
#include "text.h"

#define DEPTH 32

/* ---- the grammar, read by the RFC ---- */

struct name {
	const uint8_t *start;
	size_t len;
};

static struct {
	const uint8_t *p, *end;
	int depth, deepest;
	bool twice; /* a name in one object, byte for byte */
	bool odd;   /* an escape, or a number that may not fit */
	struct name names[4096];
	size_t name_count;
} in;

static bool value(void);

static int
peek(void)
{
	return in.p < in.end ? *in.p : -1;
}

static bool
take(int c)
{
	bool here = peek() == c;

	in.p += here;
	return here;
}

static void
space(void)
{
	while (peek() != -1 && strchr(" \t\n\r", peek()) && peek())
		in.p++;
}

static bool
word(const char *text)
{
	for (; *text; text++)
		if (!take(*text))
			return false;
	return true;
}

static bool
digits(void)
{
	const uint8_t *start = in.p;

	while (peek() >= '0' && peek() <= '9')
		in.p++;
	in.odd = in.odd || in.p - start > 18;
	return in.p > start;
}

static bool
number(void)
{
	take('-');
	if (!take('0') && !digits())
		return false;
	if (take('.') && !digits())
		return false;
	if (!take('e') && !take('E'))
		return true;
	in.odd = true;
	if (!take('+'))
		take('-');
	return digits();
}

static bool
escape(void)
{
	in.odd = true;
	if (!take('u'))
		return peek() > 0 && strchr("\"\\/bfnrt", *in.p++);
	for (int i = 0; i < 4; i++)
		if (peek() <= 0 || !strchr("0123456789abcdefABCDEF", *in.p++))
			return false;
	return true;
}

static bool
string(void)
{
	if (!take('"'))
		return false;
	while (!take('"')) {
		if (peek() < 0x20)
			return false;
		if (!take('\\'))
			in.p++;
		else if (!escape())
			return false;
	}
	return true;
}

static bool
member(size_t first)
{
	const uint8_t *start = in.p;
	struct name n;

	if (!string())
		return false;
	n = (struct name){ start, (size_t)(in.p - start) };
	for (size_t i = first; i < in.name_count; i++)
		in.twice = in.twice ||
			   (in.names[i].len == n.len &&
			    memcmp(in.names[i].start, start, n.len) == 0);
	in.names[in.name_count++] = n;
	space();
	return take(':') && value();
}

static bool
items(int end, bool named)
{
	size_t first = in.name_count;
	bool fine;

	if (++in.depth > in.deepest)
		in.deepest = in.depth;
	in.p++;
	space();
	if (!take(end)) {
		do {
			space();
			fine = named ? member(first) : value();
			space();
		} while (fine && take(','));
		if (!fine || !take(end))
			return false;
	}
	in.depth--;
	in.name_count = first;
	return true;
}

static bool
value(void)
{
	space();
	switch (peek()) {
	case '{':
		return items('}', true);
	case '[':
		return items(']', false);
	case '"':
		return string();
	case 't':
		return word("true");
	case 'f':
		return word("false");
	case 'n':
		return word("null");
	default:
		return number();
	}
}

static bool
grammar(const uint8_t *s, size_t n)
{
	in.p = s;
	in.end = s + n;
	in.depth = in.deepest = 0;
	in.twice = in.odd = false;
	in.name_count = 0;
	if (!utf8_valid((const char *)s, n) || !value())
		return false;
	space();
	return in.p == in.end;
}

/* ---- the server ---- */

static bool
has_personal(const struct schema *s)
{
	for (size_t i = 0; i < schema_property_count(s); i++)
		if (schema_extension(
			    schema_property(s, schema_property_name(s, i)),
			    "x-personal"))
			return true;
	return false;
}

static void
looks(struct request *rq)
{
	const struct schema *s = rq->op->body;
	json_t *again;

	must(rq->body);
	if (has_personal(s)) /* sealed by now */
		return;
	again = json_deep_copy(rq->body);
	must(!schema_check(s, &again, rq->arena));
	must(json_equal(again, rq->body));
	json_decref(again);
}

/* Those that take JSON, each by its number. */
static const struct operation *
pick(unsigned n)
{
	const struct contract *c = door_contract();
	static const struct operation *all[256];
	static size_t count;

	for (size_t i = 0; !door_looks && i < c->operation_count; i++)
		if (c->operations[i].body && count < 256)
			all[count++] = &c->operations[i];
	door_looks = looks;
	return all[n % count];
}

static char *
target_of(struct arena *a, const struct operation *op)
{
	char *target = arena_strdup(a, "");

	for (size_t i = 0; i < op->segment_count; i++)
		target = arena_printf(a, "%s/%s", target, op->segments[i] ?
				      op->segments[i] :
				      "019a5c1e-0000-8001-8000-000000000001");
	return target;
}

static void
check_answer(const struct door *d, bool fine)
{
	bool refused = d->code && strcmp(d->code, "invalid_json") == 0;

	must(d->status == (d->asked ? 503 : refused ? 400 : 422));
	if (!fine || in.twice || in.deepest > DEPTH)
		must(refused);
	else if (!in.odd)
		must(!refused);
}

/* security 19, 51 */
int
LLVMFuzzerTestOneInput(const uint8_t *s, size_t n)
{
	struct door d = { .peer = "", .headers = { "Content-Type",
			  "application/json", "If-Match", "\"1\"" } };
	struct arena *a = arena_new();
	const struct operation *op;

	if (n < 2 || n > 4096) {
		arena_free(a);
		return 0;
	}
	op = pick(*s);
	d.method = op->method;
	d.target = target_of(a, op);
	d.role = op->public_ ? NULL : role_name(op->roles & -op->roles);
	d.body = s + 1;
	d.body_len = n - 1;
	door_ask(&d);
	check_answer(&d, grammar(d.body, d.body_len));
	door_close(&d);
	arena_free(a);
	return 0;
}
