/*
 * What WeChat answers: a byte for the operation and for how our token stands,
 * then a line for each answer, its first letter saying how it came. Whatever it
 * is, the client hears of it once and in words of ours, WeChat is not asked for
 * ever, and what goes to the database is sealed or an index.
 */
#include "config.h"
#include "door.h"
#include "query.h"
#include "seal.h"

#define TEXT_OID 25
#define CALLS 5 /* who, token, phone, and the last two once more */

static const struct {
	const char *target, *body;
} asks[] = {
	{ "/v1/sessions/wechat", "{\"code\":\"c\"}" },
	{ "/v1/sessions/wechat", "{\"code\":\"c\",\"phone_code\":\"p\"}" },
	{ "/v1/me/logins/wechat", "{\"code\":\"c\"}" },
	{ "/v1/me/logins/wechat-phone", "{\"code\":\"p\"}" },
};

static struct arena *a;
static const uint8_t *left;
static size_t left_len;
static struct outbound_call call; /* .done: under way */
static int calls;
static bool fresh; /* the token in the database */

static void
called(const struct outbound_call *c)
{
	must(!call.done && c->service == OUTBOUND_WECHAT);
	must(strncmp(c->url, config.wechat_url, strlen(config.wechat_url)) ==
	     0);
	must(!c->body || strcmp(c->body, "{\"code\":\"p\"}") == 0);
	must(!strpbrk(c->url, " \r\n\"{}"));
	must(++calls <= CALLS);
	call = *c;
}

static bool
answers(void)
{
	struct outbound_call c = call;
	char *line = fuzz_cut(a, &left, &left_len, '\n');
	struct outbound_reply r = { .end = OUTBOUND_ANSWERED, .status = 200 };

	if (!c.done)
		return false;
	call.done = NULL;
	if (*line == 's')
		r.status = 500;
	else if (*line != 'a')
		r.end = 1 + (unsigned char)*line % (OUTBOUND_ENDS - 1);
	if (r.end == OUTBOUND_ANSWERED) {
		r.body = line + 1;
		r.len = strlen(r.body);
	}
	c.done(c.arg, &r);
	return true;
}

static bool
runs(const struct request *rq, const char *name)
{
	return rq->job.calls[rq->job.call_count - 1].statement ==
	       query_find(name)->statements[0].db_index;
}

static PGresult *
row(int n, const char *const *names, const char *const *texts)
{
	PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc columns[4];

	for (int i = 0; i < n; i++)
		columns[i] = (PGresAttDesc){ .name = (char *)names[i],
					     .typid = TEXT_OID };
	must(PQsetResultAttrs(res, n, columns));
	for (int i = 0; i < n; i++)
		must(PQsetvalue(res, 0, i, (char *)texts[i],
				texts[i] ? (int)strlen(texts[i]) : -1));
	return res;
}

static PGresult *
rows(struct request *rq)
{
	static const char *const token[] = { "verdict", "sealed",
					     "generation" };
	static const char *const put[] = { "generation" };
	const char *stale = rq->job.calls[rq->job.call_count - 1].params[1];

	if (runs(rq, "wechatToken"))
		return row(3, token,
			   (const char *[]){
				   fresh && !stale ? "ok" : "refresh",
				   fresh ? seal(a, "t", "wechat_token") : NULL,
				   "1" });
	return runs(rq, "wechatTokenPut")
		       ? row(1, put, (const char *[]){ "2" })
		       : NULL;
}

/* Sealed: nothing of the answer as it came. */
static void
looks(struct request *rq)
{
	const struct db_call *last = &rq->job.calls[rq->job.call_count - 1];

	must(calls > 0 || runs(rq, "wechatToken"));
	for (int i = 0; i < last->param_count; i++)
		must(!last->params[i] || !strstr(last->params[i], "plain-openid"));
}

/* security 34, 51 */
int
LLVMFuzzerTestOneInput(const uint8_t *s, size_t n)
{
	uint8_t what = n ? *s : 0;
	struct door d = { .method = "POST", .target = asks[what % 4].target,
			  .peer = "", .rows = rows };

	a = arena_new();
	door_contract();
	if (!door_calls) {
		free(config.wechat_app_id);
		config.wechat_app_id = xstrdup("app");
	}
	door_calls = called;
	door_waits = answers;
	door_looks = looks;
	left = s + (n > 0);
	left_len = n - (n > 0);
	calls = 0;
	call.done = NULL;
	fresh = what / 4 % 2;
	d.role = what % 4 < 2 ? NULL : "resident";
	d.headers[0] = "Content-Type";
	d.headers[1] = "application/json";
	d.body = (const uint8_t *)asks[what % 4].body;
	d.body_len = strlen(asks[what % 4].body);
	door_ask(&d);
	must(d.status == 401 || d.status == 429 || d.status == 503);
	must(d.code);
	door_close(&d);
	arena_free(a);
	return 0;
}
