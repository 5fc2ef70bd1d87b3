/*
 * Codes by SMS: sent, tried, used up.
 *
 * C is here because codes are drawn and hashed with the data key, which the
 * database does not have, and because a gateway sends them. A code is tried
 * in a transaction of its own, so that the try counts, and used up in that of
 * its effect, so that of many at once one succeeds.
 */
#include <sodium.h>
#include <string.h>

#include "linli.h"

struct trial {
	/* The try was good; the row is sms_try()'s. */
	int (*then)(struct request *rq, const PGresult *res);
};

/* Keyed, and bound to the request it was sent for. */
static void
bind_code(struct request *rq, const char *id, const char *code,
	  const char *purpose)
{
	char *text = arena_printf(rq->arena, "%s:%s", id, code);

	request_bind(rq, "sms_id", id);
	request_bind(rq, "purpose", purpose);
	request_bind(rq, "code_hash", blind_index(rq->arena, text, "sms_code"));
	request_bind(rq, "phone_index", arg(rq, "phone_index"));
}

/* requestSmsCode ---------------------------------------------------------- */

static int
unsent(struct request *rq, PGresult *res)
{
	(void)res;
	reply_header(rq, "Retry-After", "10");
	return fail(rq, "sms_unavailable");
}

static void
sent(void *arg_, bool good)
{
	struct request *rq = arg_;
	const struct sms *m = rq->hook_data;

	if (!good) {
		request_query(rq, "smsUnsent", unsent);
		return;
	}
	reply_json(rq, rq->op->status,
		   json_pack("{s:s, s:i}", "code_id", m->id, "expires_in",
			     SMS_MINUTES * 60));
}

static int
request_begun(struct request *rq, PGresult *res)
{
	if (strcmp(encode_meta(res, "verdict"), "ok") != 0)
		return session_throttled(rq, res);
	sms_send(rq->arena, rq->hook_data);
	return PENDING;
}

static int
request_before(struct request *rq)
{
	struct sms *m = arena_alloc(rq->arena, sizeof(*m));
	char *id = arena_alloc(rq->arena, 37);

	if (!*config.sms_url)
		return fail(rq, "sms_unavailable");
	uuid_make(id, 0);
	m->id = id;
	m->phone = unseal(rq->arena, arg(rq, "phone"), "phone");
	m->code = arena_printf(rq->arena, "%06u", randombytes_uniform(1000000));
	m->purpose = arg(rq, "purpose");
	m->done = sent;
	m->arg = rq;
	rq->hook_data = m;
	bind_code(rq, id, m->code, m->purpose);
	request_bind(rq, "sms_per_hour",
		     arena_printf(rq->arena, "%ld", config.sms_per_hour));
	return request_query(rq, "smsBegin", request_begun);
}

/* Trying a code ----------------------------------------------------------- */

static int
tried(struct request *rq, PGresult *res)
{
	const struct trial *t = rq->hook_data;
	const char *verdict;

	verdict = encode_meta(res, "verdict");
	if (strcmp(verdict, "throttled") == 0)
		return session_throttled(rq, res);
	if (strcmp(verdict, "ok") != 0)
		return fail(rq, "code_wrong");
	return t->then(rq, res);
}

static int
try(struct request *rq, const char *purpose,
    int (*then)(struct request *rq, const PGresult *res))
{
	struct trial *t = arena_alloc(rq->arena, sizeof(*t));

	t->then = then;
	rq->hook_data = t;
	bind_code(rq, arg(rq, "code_id"), arg(rq, "code"), purpose);
	return request_query(rq, "smsTry", tried);
}

static int
login_tried(struct request *rq, const PGresult *res)
{
	const char *wrong = session_second(rq, res);

	if (wrong)
		return session_refuse(rq, encode_meta(res, "account_id"),
				      "phone", wrong);
	session_bind(rq, "refresh_hash");
	request_resume(rq);
	return PENDING;
}

static int
login_before(struct request *rq)
{
	return try(rq, "login", login_tried);
}

static int
bind_tried(struct request *rq, const PGresult *res)
{
	(void)res;
	request_resume(rq);
	return PENDING;
}

static int
bind_before(struct request *rq)
{
	return try(rq, "bind", bind_tried);
}

/* resetPassword ----------------------------------------------------------- */

static void
hashed(struct request *rq, const char *hash)
{
	request_bind(rq, "new_hash", hash);
	request_resume(rq);
}

static int
reset_tried(struct request *rq, const PGresult *res)
{
	request_bind(rq, "account", encode_meta(res, "account_id"));
	return password_hash_async(rq, arg(rq, "new_password"), hashed);
}

static int
reset_before(struct request *rq)
{
	return try(rq, "reset", reset_tried);
}

const struct hook sms_hooks[] = {
	{ .operation = "requestSmsCode", .before = request_before },
	{ .operation = "createSmsSession",
	  .binds = { "code_hash", "refresh_hash", "refresh_seconds",
		     "street_totp", "totp_step", "recovery" },
	  .before = login_before,
	  .reply = session_reply },
	{ .operation = "bindPhone",
	  .binds = { "code_hash" },
	  .before = bind_before },
	{ .operation = "resetPassword",
	  .binds = { "code_hash", "account", "new_hash" },
	  .before = reset_before },
	{ 0 },
};
