/*
 * Sessions: a login name and a password for tokens, and a refresh token for
 * new ones.
 *
 * The database keeps accounts, the throttle and the refresh families
 * (sql/migrations/0002_sessions.sql). C is here because the signing key never
 * leaves this process, because passwords never reach the database, and
 * because argon2id takes tens of milliseconds and 64 MiB: a thread's work.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linli.h"

#define REFRESH_BYTES 32

struct login {
	struct request *rq;
	const char *password, *hash, *account; /* account NULL: no such login */
	bool good;
};

static const char *
sha256_hex(struct request *rq, const char *text)
{
	unsigned char digest[crypto_hash_sha256_BYTES];
	char *hex = arena_alloc(rq->arena, 2 * sizeof(digest) + 1);

	crypto_hash_sha256(digest, (const unsigned char *)text, strlen(text));
	hex_encode(hex, digest, sizeof(digest));
	return hex;
}

/* A new refresh token: the client gets it, the database its hash. */
static void
bind_refresh(struct request *rq, const char *name)
{
	unsigned char bytes[REFRESH_BYTES];
	char *token = arena_alloc(rq->arena, 4 * (REFRESH_BYTES + 2) / 3 + 1);

	randombytes_buf(bytes, sizeof(bytes));
	base64url_encode(token, bytes, sizeof(bytes));
	request_bind(rq, name, sha256_hex(rq, token));
	request_bind(rq, "refresh_seconds",
		     arena_printf(rq->arena, "%ld",
				  config.refresh_token_seconds));
	rq->hook_data = token;
}

/* "2026-12-22 06:43:14.123+00", as db.c's connections write it. */
static const char *
rfc3339(struct request *rq, const char *time)
{
	size_t n = strlen(time) - strlen("+00");
	char *out = arena_printf(rq->arena, "%.*sZ", (int)n, time);

	out[strlen("2026-12-22")] = 'T';
	return out;
}

static void
copy_claim(char *to, size_t size, const PGresult *res, const char *column)
{
	const char *text = encode_meta(res, column);

	if (!text || strlen(text) >= size)
		abort(); /* our own query's column */
	strcpy(to, text);
}

/* The reply of both: tokens for the session in the row. */
static int
reply_tokens(struct request *rq, const PGresult *res)
{
	struct claims c = {.iat = clock_ms() / 1000};
	char *token;
	json_t *body;

	if (PQntuples(res) != 1)
		return fail(rq, "internal_error");
	c.exp = c.iat + config.access_token_seconds;
	c.street = atol(encode_meta(res, "street_id"));
	c.epoch = atol(encode_meta(res, "epoch"));
	copy_claim(c.session, sizeof(c.session), res, "session_id");
	copy_claim(c.account, sizeof(c.account), res, "account_id");
	copy_claim(c.role, sizeof(c.role), res, "role");
	token = token_sign(&c, config.issuer, config.audience);
	if (!token)
		return fail(rq, "internal_error");
	body = json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:I}",
			 "access_token", token, "token_type", "Bearer",
			 "expires_in", (json_int_t)(c.exp - c.iat),
			 "refresh_token", rq->hook_data, "refresh_expires_at",
			 rfc3339(rq, encode_meta(res, "expires_at")),
			 "session_id", c.session, "account_id", c.account,
			 "name", encode_meta(res, "name"), "role", c.role,
			 "street_id", (json_int_t)c.street);
	free(token);
	return reply_json(rq, rq->op->status, body);
}

/* createSession ----------------------------------------------------------- */

static bool
unbase64(const char *text, unsigned char *out, size_t size)
{
	size_t n;

	return sodium_base642bin(
		       out, size, text, strlen(text), NULL, &n, NULL,
		       sodium_base64_VARIANT_ORIGINAL_NO_PADDING) == 0 &&
	       n == size;
}

/* Not crypto_pwhash_str_verify(): to it, no memory is a wrong password. */
static bool
password_good(const char *stored, const char *password)
{
	unsigned char salt[crypto_pwhash_SALTBYTES], want[32], got[32];
	char salt_text[32], want_text[64];
	unsigned long kib, steps;

	if (sscanf(stored, "$argon2id$v=19$m=%lu,t=%lu,p=1$%31[^$]$%63[^$]",
		   &kib, &steps, salt_text, want_text) != 4 ||
	    !unbase64(salt_text, salt, sizeof(salt)) ||
	    !unbase64(want_text, want, sizeof(want)))
		return false;
	if (crypto_pwhash(got, sizeof(got), password, strlen(password), salt,
			  steps, kib * 1024,
			  crypto_pwhash_ALG_ARGON2ID13) != 0)
		abort();
	return sodium_memcmp(got, want, sizeof(got)) == 0;
}

static void
verify_work(void *arg_)
{
	struct login *l = arg_;

	l->good = password_good(l->hash, l->password);
}

static void
verify_done(void *arg_)
{
	struct login *l = arg_;
	struct request *rq = l->rq;

	/* One answer for both mistakes, so nobody can probe for accounts; an
	 * unknown login has cost a verification too. */
	if (!l->good || !l->account) {
		fail(rq, "login_failed");
		return;
	}
	request_bind(rq, "account", l->account);
	request_bind(rq, "password_hash", l->hash);
	bind_refresh(rq, "refresh_hash");
	request_resume(rq);
}

static int
login_begun(struct request *rq, PGresult *res)
{
	struct login *l;
	const char *account;

	if (strcmp(encode_meta(res, "verdict"), "ok") != 0) {
		reply_header(rq, "Retry-After",
			     encode_meta(res, "retry_after"));
		return fail(rq, "too_many_attempts");
	}
	l = arena_alloc(rq->arena, sizeof(*l));
	l->rq = rq;
	l->password = arg(rq, "password");
	/* The row goes when we return. */
	account = encode_meta(res, "account_id");
	l->hash = arena_strdup(rq->arena, encode_meta(res, "password_hash"));
	l->account = account ? arena_strdup(rq->arena, account) : NULL;
	if (!offload(verify_work, verify_done, l))
		return fail(rq, "overloaded");
	return PENDING;
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
		     sha256_hex(rq, arg(rq, "refresh_token")));
	bind_refresh(rq, "new_refresh_hash");
	return NEXT;
}

/* A verdict, not an error: the end of a stolen family must be committed. */
static int
refresh_reply(struct request *rq, PGresult *res)
{
	const char *verdict = encode_meta(res, "verdict");

	if (strcmp(verdict, "ok") == 0)
		return reply_tokens(rq, res);
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

static int
create_reply(struct request *rq, PGresult *res)
{
	return reply_tokens(rq, res);
}

const struct hook sessions_hooks[] = {
	{ .operation = "createSession",
	  .binds = { "account", "password_hash", "refresh_hash",
		     "refresh_seconds" },
	  .before = create_before,
	  .reply = create_reply },
	{ .operation = "refreshSession",
	  .binds = { "refresh_hash", "new_refresh_hash", "refresh_seconds" },
	  .before = refresh_before,
	  .reply = refresh_reply },
	{ 0 },
};
