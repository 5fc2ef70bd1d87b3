/*
 * Whole requests, from the head's lines to what the database is asked: a byte
 * for the caller, then the request with plain line ends. Whatever comes is
 * answered once, in clean JSON, and never with a fault of ours; nobody gets
 * past the door without the role for it.
 */
#include "door.h"
#include "guard.h"
#include "proxy.h"

static const char *const roles[] = { NULL, "resident", "grid_lead",
				     "community", "street" };
static const char *const peers[] = { "", "192.0.2.1", "10.0.0.1" };

static struct door d;

static void
looks(struct request *rq)
{
	must(rq->op);
	must(rq->op->public_ ||
	     (rq->has_actor && (role_bit(rq->actor.role) & rq->op->roles)));
	for (size_t i = 0; i < rq->op->param_count; i++)
		must(rq->param_values[i] || !rq->op->params[i].required);
	must(!rq->op->conditional || arg(rq, "if_match"));
	must(!rq->op->body_required || rq->raw_len);
}

static uint64_t
any_body(void *arg_, const char *method, const char *path)
{
	(void)arg_;
	(void)method;
	(void)path;
	return 0;
}

/* The guard stands before us: only what it lets through comes here. */
static bool
guarded(struct arena *a, const char *head)
{
	static const struct guard_rules rules = { 8192, 16384, 64, any_body,
						  NULL };
	struct guard *g = guard_new(&rules);
	char *text = arena_printf(a, "%s\r\n", head);
	size_t len = strlen(text), used = 0, at = 0;
	bool passed = true;

	while (passed && at < len) {
		passed = guard_feed(g, (unsigned char *)text + at, len - at,
				    &used) == GUARD_PASS;
		at += used;
	}
	passed = passed && guard_count(g) == 1;
	guard_free(g);
	return passed;
}

/* "Name: value" as evhttp takes it apart. */
static void
take_field(char *line, size_t i)
{
	char *colon = strchr(line, ':'), *value = colon + 1, *end;

	*colon = '\0';
	value += strspn(value, " \t");
	for (end = value + strlen(value);
	     end > value && strchr(" \t", end[-1]);)
		*--end = '\0';
	d.headers[i] = line;
	d.headers[i + 1] = value;
}

static bool
take_head(struct arena *a, const uint8_t **s, size_t *n)
{
	char *line = fuzz_cut(a, s, n, '\n'), *head, *lines[15];
	size_t count = 0, space = strcspn(line, " ");

	head = arena_printf(a, "%s HTTP/1.1\r\nHost: a\r\n", line);
	while (*n && **s != '\n' && count < 15) {
		lines[count] = fuzz_cut(a, s, n, '\n');
		head = arena_printf(a, "%s%s\r\n", head, lines[count++]);
	}
	fuzz_cut(a, s, n, '\n');
	if (!guarded(a, head))
		return false;
	line[space] = '\0';
	d.method = line;
	d.target = line + space + 1;
	for (size_t i = 0; i < count; i++)
		take_field(lines[i], 2 * i);
	return true;
}

static void
check_answer(void)
{
	must(d.status >= 200 && d.status < 600);
	must(d.status != 500);
	/* 503: our database is away, and so are the jobs */
	if (d.status >= 500)
		must(d.asked || strcmp(d.target, "/readyz") == 0 ||
		     strncmp(d.target, "/readyz?", 8) == 0 || !d.code);
	must(d.status < 400 || !d.reply || d.code || d.status == 503);
}

/* security 51 */
int
LLVMFuzzerTestOneInput(const uint8_t *s, size_t n)
{
	struct arena *a = arena_new();
	uint8_t who = n ? *s : 0;

	door_contract();
	proxy_trust("10.0.0.0/8 unix");
	door_looks = looks;
	memset(&d, 0, sizeof(d));
	d.role = roles[who % 5];
	d.peer = peers[who / 5 % 3];
	s += n > 0;
	n -= n > 0;
	if (take_head(a, &s, &n)) {
		d.body = s;
		d.body_len = n;
		door_ask(&d);
		check_answer();
		door_close(&d);
	}
	arena_free(a);
	return 0;
}
