/*
 * WeChat mini-programs: a code for who it is, another for their phone.
 *
 * C is here because WeChat is asked, and because openid and phone reach the
 * database only sealed and as blind indexes. The session_key is not kept at
 * all. One access_token serves all workers, for a new one voids the old: it
 * stands sealed in the database, and who holds its lease fetches the next.
 */
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#include "linli.h"

#define WAIT_MS 100
#define OPENID_MAX 128
#define TOKEN_MAX 1024
#define SEALED_TOKEN "wechat_token"

/* What a client is told when the next token does no better. */
static const char token_refused[] = "wechat_unavailable";

struct wechat {
	const char *phone_code;
	const char *token;
	const char *generation, *stale; /* of our token; of one refused */
	int waits;
	void (*then)(struct request *rq); /* when all is known */
};

static json_int_t
errcode(const json_t *answer)
{
	return json_integer_value(json_object_get(answer, "errcode"));
}

/* What WeChat said went wrong; NULL: nothing. -1 is its own trouble. */
static const char *
problem_of(const json_t *answer)
{
	if (!answer)
		return "wechat_unavailable";
	switch (errcode(answer)) {
	case 0:
		return NULL;
	case 40029: case 40163: /* unknown, dead or used */
	case 40226:             /* barred by WeChat */
		return "wechat_code_invalid";
	case 40001: case 40014: case 42001:
		return token_refused;
	case 45011: /* too often */
		return "wechat_busy";
	default:
		return "wechat_unavailable";
	}
}

static const char *
answer_text(const json_t *answer, const char *name, size_t max)
{
	const char *s = json_string_value(json_object_get(answer, name));

	return s && *s && strlen(s) <= max ? s : NULL;
}

static int
give_up(struct request *rq, const char *code)
{
	reply_header(rq, "Retry-After", "5");
	return fail(rq, code);
}

static char *
encoded(struct request *rq, const char *text)
{
	char *escaped = evhttp_encode_uri(text);
	char *kept = arena_strdup(rq->arena, escaped);

	free(escaped);
	return kept;
}

static void
ask(struct request *rq, const char *url, const char *body,
    void (*done)(void *arg, const struct outbound_reply *reply))
{
	const struct outbound_call call = {
		.service = OUTBOUND_WECHAT, .url = url, .body = body,
		.done = done, .arg = rq,
	};

	outbound(&call);
}

/* path with "appid" and "secret" as WeChat wants them, in the query. */
static const char *
app_url(struct request *rq, const char *path)
{
	const char *secret = secret_text(SECRET_WECHAT);

	return arena_printf(rq->arena, "%s%s&appid=%s&secret=%s",
			    config.wechat_url, path,
			    encoded(rq, config.wechat_app_id),
			    encoded(rq, secret ? secret : ""));
}

static void
log_odd(const char *call, const struct outbound_reply *reply,
	const json_t *answer)
{
	if (!answer || errcode(answer))
		log_event(LOG_WARN_, "wechat", "%s: %s %d, errcode %lld", call,
			  outbound_end_name(reply->end), reply->status,
			  (long long)errcode(answer));
}

/* The phone ---------------------------------------------------------------- */

static void token_get(struct request *rq);

/* openid and phone have no spaces or dashes to be forgiven: as hex the index
 * takes them byte for byte. */
static const char *
exact_index(struct request *rq, const char *text, const char *context)
{
	char *hex = arena_alloc(rq->arena, 2 * strlen(text) + 1);

	hex_encode(hex, text, strlen(text));
	return blind_index(rq->arena, hex, context);
}

/* As if it had been given as field phone. */
static bool
bind_phone(struct request *rq, const json_t *answer)
{
	const char *phone = answer_text(json_object_get(answer, "phone_info"),
					"phoneNumber", 20);

	if (!phone || strspn(phone, "+0123456789") != strlen(phone))
		return false;
	request_bind(rq, "wechat_phone", seal(rq->arena, phone, "phone"));
	request_bind(rq, "wechat_phone_mask", mask_phone(rq->arena, phone));
	request_bind(rq, "wechat_phone_index",
		     blind_index(rq->arena, phone, "phone"));
	return true;
}

static void
phone_answered(void *arg_, const struct outbound_reply *reply)
{
	struct request *rq = arg_;
	struct wechat *w = rq->hook_data;
	json_t *answer = outbound_json(reply);
	const char *problem = problem_of(answer);

	log_odd("getuserphonenumber", reply, answer);
	if (problem == token_refused && !w->stale) {
		json_decref(answer);
		w->stale = w->generation;
		token_get(rq);
		return;
	}
	if (!problem && !bind_phone(rq, answer))
		problem = "wechat_unavailable";
	json_decref(answer);
	if (problem)
		give_up(rq, problem);
	else
		w->then(rq);
}

static void
phone_get(struct request *rq)
{
	struct wechat *w = rq->hook_data;

	const char *url = arena_printf(
		rq->arena, "%s/wxa/business/getuserphonenumber?access_token=%s",
		config.wechat_url, encoded(rq, w->token));

	ask(rq, url,
	    arena_printf(rq->arena, "{\"code\":\"%s\"}", w->phone_code),
	    phone_answered);
}

/* The token ---------------------------------------------------------------- */

static int
token_put(struct request *rq, PGresult *res)
{
	struct wechat *w = rq->hook_data;

	if (!w->token)
		return give_up(rq, "wechat_unavailable");
	w->generation = arena_strdup(rq->arena, encode_meta(res, "generation"));
	phone_get(rq);
	return PENDING;
}

static void
token_fetched(void *arg_, const struct outbound_reply *reply)
{
	struct request *rq = arg_;
	struct wechat *w = rq->hook_data;
	json_t *answer = outbound_json(reply);
	const char *token = answer_text(answer, "access_token", TOKEN_MAX);
	json_int_t life =
		json_integer_value(json_object_get(answer, "expires_in"));

	log_odd("token", reply, answer);
	w->token = token && life > 0 ? arena_strdup(rq->arena, token) : NULL;
	json_decref(answer);
	request_bind(rq, "token", w->token ? seal(rq->arena, w->token,
						  SEALED_TOKEN) : NULL);
	request_bind(rq, "token_seconds",
		     arena_printf(rq->arena, "%d",
				  life > 0 && life < 86400 ? (int)life : 0));
	request_query(rq, "wechatTokenPut", token_put);
}

static void
token_again(evutil_socket_t fd, short what, void *rq)
{
	(void)fd, (void)what;
	token_get(rq);
}

static int
token_wait(struct request *rq)
{
	static const struct timeval pause = { 0, WAIT_MS * 1000 };
	struct wechat *w = rq->hook_data;

	if (++w->waits * WAIT_MS > config.outbound_timeout_ms)
		return give_up(rq, "wechat_unavailable");
	event_base_once(rq->worker->base, -1, EV_TIMEOUT, token_again, rq,
			&pause);
	return PENDING;
}

static int
token_got(struct request *rq, PGresult *res)
{
	struct wechat *w = rq->hook_data;
	const char *verdict;

	verdict = encode_meta(res, "verdict");
	if (strcmp(verdict, "wait") == 0)
		return token_wait(rq);
	if (strcmp(verdict, "refresh") == 0) {
		ask(rq, app_url(rq, "/cgi-bin/token?grant_type="
				    "client_credential"),
		    NULL, token_fetched);
		return PENDING;
	}
	w->generation = arena_strdup(rq->arena, encode_meta(res, "generation"));
	w->token = unseal(rq->arena, encode_meta(res, "sealed"), SEALED_TOKEN);
	if (!w->token)
		return fail(rq, "internal_error");
	phone_get(rq);
	return PENDING;
}

static void
token_get(struct request *rq)
{
	const struct wechat *w = rq->hook_data;

	request_bind(rq, "app", config.wechat_app_id);
	request_bind(rq, "stale", w->stale);
	request_query(rq, "wechatToken", token_got);
}

/* Who it is ---------------------------------------------------------------- */

static bool
bind_openid(struct request *rq, const json_t *answer)
{
	const char *openid = answer_text(answer, "openid", OPENID_MAX);
	const char *unionid = answer_text(answer, "unionid", OPENID_MAX);

	if (!openid)
		return false;
	request_bind(rq, "openid", seal(rq->arena, openid, "openid"));
	request_bind(rq, "openid_index",
		     exact_index(rq, arena_printf(rq->arena, "%s:%s",
						  config.wechat_app_id, openid),
				 "openid"));
	request_bind(rq, "union_index",
		     unionid ? exact_index(rq, unionid, "unionid") : NULL);
	return true;
}

static void
openid_answered(void *arg_, const struct outbound_reply *reply)
{
	struct request *rq = arg_;
	const struct wechat *w = rq->hook_data;
	json_t *answer = outbound_json(reply);
	const char *problem = problem_of(answer);

	log_odd("jscode2session", reply, answer);
	if (!problem && !bind_openid(rq, answer))
		problem = "wechat_unavailable";
	json_decref(answer);
	if (problem)
		give_up(rq, problem);
	else if (w->phone_code)
		token_get(rq);
	else
		w->then(rq);
}

/* code, phone_code: one of them may be NULL. */
static int
begin(struct request *rq, const char *code, const char *phone_code,
      void (*then)(struct request *rq))
{
	struct wechat *w = arena_alloc(rq->arena, sizeof(*w));

	if (!*config.wechat_app_id)
		return fail(rq, "wechat_off");
	w->phone_code = phone_code;
	w->then = then;
	rq->hook_data = w;
	if (code)
		ask(rq, app_url(rq, arena_printf(rq->arena,
				"/sns/jscode2session?grant_type="
				"authorization_code&js_code=%s", code)),
		    NULL, openid_answered);
	else
		token_get(rq);
	return PENDING;
}

/* Operations --------------------------------------------------------------- */

static int
login_begun(struct request *rq, PGresult *res)
{
	const char *wrong;

	if (strcmp(encode_meta(res, "retry_after"), "0") != 0)
		return session_throttled(rq, res);
	wrong = session_second(rq, res);
	if (wrong)
		return session_refuse(rq, encode_meta(res, "account_id"),
				      "wechat", wrong);
	session_bind(rq, "refresh_hash");
	request_resume(rq);
	return PENDING;
}

static void
login_known(struct request *rq)
{
	request_query(rq, "wechatBegin", login_begun);
}

static int
login_before(struct request *rq)
{
	return begin(rq, arg(rq, "code"), arg(rq, "phone_code"), login_known);
}

static int
bind_before(struct request *rq)
{
	return begin(rq, arg(rq, "code"), NULL, request_resume);
}

static int
bind_phone_before(struct request *rq)
{
	return begin(rq, NULL, arg(rq, "code"), request_resume);
}

const struct hook wechat_hooks[] = {
	{ .operation = "createWechatSession",
	  .binds = { "openid", "openid_index", "union_index", "wechat_phone",
		     "wechat_phone_mask", "wechat_phone_index", "refresh_hash",
		     "refresh_seconds", "street_totp", "totp_step",
		     "recovery" },
	  .before = login_before,
	  .reply = session_reply },
	{ .operation = "bindWechat",
	  .binds = { "openid", "openid_index", "union_index" },
	  .before = bind_before },
	{ .operation = "bindWechatPhone",
	  .binds = { "wechat_phone", "wechat_phone_mask",
		     "wechat_phone_index" },
	  .before = bind_phone_before },
	{ 0 },
};
