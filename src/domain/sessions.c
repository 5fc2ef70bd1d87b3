/*
 * Sessions: a login name and a password for tokens, a refresh token for new
 * ones, and the same person in another role.
 *
 * The database keeps accounts, the throttle and the refresh families
 * (sql/migrations/0002_sessions.sql). C is here because the signing key never
 * leaves this process, and because passwords never reach the database.
 */
#include <string.h>

#include "linli.h"

struct login {
	const char *hash, *account; /* account NULL: no such login */
	const char *second;         /* what is wrong with the second factor */
};

/* createSession ----------------------------------------------------------- */

static void
verified(struct request *rq, bool good)
{
	const struct login *l = rq->hook_data;

	/* One answer for both mistakes, so nobody can probe for accounts; an
	 * unknown login has cost a verification too. */
	if (!good || !l->account) {
		session_refuse(rq, l->account, "password", "login_failed");
		return;
	}
	if (l->second) {
		session_refuse(rq, l->account, "password", l->second);
		return;
	}
	request_bind(rq, "account", l->account);
	request_bind(rq, "password_hash", l->hash);
	session_bind(rq, "refresh_hash");
	request_resume(rq);
}

static int
login_begun(struct request *rq, PGresult *res)
{
	struct login *l;
	const char *account;

	if (strcmp(encode_meta(res, "verdict"), "ok") != 0)
		return session_throttled(rq, res);
	l = arena_alloc(rq->arena, sizeof(*l));
	/* The row goes when we return. */
	account = encode_meta(res, "account_id");
	l->hash = arena_strdup(rq->arena, encode_meta(res, "password_hash"));
	l->account = account ? arena_strdup(rq->arena, account) : NULL;
	l->second = session_second(rq, res);
	rq->hook_data = l;
	return password_verify_async(rq, arg(rq, "password"), l->hash,
				     verified);
}

static int
create_before(struct request *rq)
{
	request_bind(rq, "login", arg(rq, "login"));
	return request_query(rq, "loginBegin", login_begun);
}

/* refreshSession ---------------------------------------------------------- */

static int
refresh_before(struct request *rq)
{
	request_bind(rq, "refresh_hash",
		     session_hash(rq, arg(rq, "refresh_token")));
	session_bind(rq, "new_refresh_hash");
	return NEXT;
}

/* A verdict, not an error: the end of a stolen family must be committed. */
static int
refresh_reply(struct request *rq, PGresult *res)
{
	const char *verdict = encode_meta(res, "verdict");

	if (strcmp(verdict, "ok") == 0)
		return session_reply(rq, res);
	if (strcmp(verdict, "expired") == 0)
		return fail(rq, "token_expired");
	if (strcmp(verdict, "unknown") == 0)
		return fail(rq, "token_invalid");
	if (strcmp(verdict, "repeated") == 0)
		return fail(rq, "refresh_repeated");
	if (strcmp(verdict, "reused") == 0)
		log_event(LOG_WARN_, "refresh_reused",
			  "a spent refresh token ended its session");
	return fail(rq, "session_revoked");
}

/* switchSession ----------------------------------------------------------- */

static int
switch_before(struct request *rq)
{
	request_bind(rq, "wanted_role", arg(rq, "role"));
	session_bind(rq, "refresh_hash");
	return NEXT;
}

const struct hook sessions_hooks[] = {
	{ .operation = "createSession",
	  .binds = { "account", "password_hash", "refresh_hash",
		     "refresh_seconds", "street_totp", "totp_step",
		     "recovery" },
	  .before = create_before,
	  .reply = session_reply },
	{ .operation = "refreshSession",
	  .binds = { "refresh_hash", "new_refresh_hash", "refresh_seconds" },
	  .before = refresh_before,
	  .reply = refresh_reply },
	{ .operation = "switchSession",
	  .binds = { "wanted_role", "refresh_hash", "refresh_seconds",
		     "street_totp" },
	  .before = switch_before,
	  .reply = session_reply },
	{ 0 },
};
