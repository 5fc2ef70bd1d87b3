/* Tokens for who has proven who they are, however they did. */
#include "session.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "encode.h"
#include "seal.h"
#include "text.h"
#include "totp.h"

#define REFRESH_BYTES 32
#define TOTP_CONTEXT "totp_secret"
#define RECOVERY_CONTEXT "recovery_code"

const char *
session_hash(struct request *rq, const char *token)
{
	unsigned char digest[crypto_hash_sha256_BYTES];
	char *hex = arena_alloc(rq->arena, 2 * sizeof(digest) + 1);

	crypto_hash_sha256(digest, (const unsigned char *)token, strlen(token));
	hex_encode(hex, digest, sizeof(digest));
	return hex;
}

/* A new refresh token: the client gets it, the database its hash. */
void
session_bind(struct request *rq, const char *name)
{
	unsigned char bytes[REFRESH_BYTES];
	char *token = arena_alloc(rq->arena, 4 * (REFRESH_BYTES + 2) / 3 + 1);

	randombytes_buf(bytes, sizeof(bytes));
	base64url_encode(token, bytes, sizeof(bytes));
	request_bind(rq, name, session_hash(rq, token));
	request_bind(rq, "refresh_seconds",
		     arena_printf(rq->arena, "%ld",
				  config.refresh_token_seconds));
	request_bind(rq, "street_totp", config.street_totp ? "true" : "false");
	rq->hook_data = token;
}

/* ---- second factor ---- */

const char *
session_recovery(struct request *rq, const char *code)
{
	return blind_index(rq->arena, code, RECOVERY_CONTEXT);
}

const char *
session_totp(struct request *rq, const char *sealed, const char *used_step)
{
	const char *code = arg(rq, "totp");
	unsigned char *secret;
	char *text;
	int64_t step;
	size_t len;

	if (!code)
		return "totp_required";
	if (strchr(code, '-')) {
		request_bind(rq, "recovery", session_recovery(rq, code));
		return NULL;
	}
	text = unseal(rq->arena, sealed, TOTP_CONTEXT);
	if (!text || !base64url_decode(rq->arena, text, strlen(text), &secret,
				       &len))
		return "internal_error";
	step = totp_match(rq->arena, secret, len, code, clock_ms() / 1000,
			  atoll(used_step));
	if (step < 0)
		return "totp_wrong";
	request_bind(rq, "totp_step", arena_printf(rq->arena, "%lld",
						   (long long)step));
	return NULL;
}

const char *
session_second(struct request *rq, const PGresult *begin)
{
	const char *sealed = encode_meta(begin, "totp_secret");

	return sealed ? session_totp(rq, sealed,
				     encode_meta(begin, "totp_used"))
		      : NULL;
}

/* ---- refusals ---- */

static int
refused(struct request *rq, PGresult *res)
{
	(void)res;
	return fail(rq, rq->hook_data);
}

int
session_refuse(struct request *rq, const char *account, const char *how,
	       const char *code)
{
	request_bind(rq, "account", account);
	request_bind(rq, "how", how);
	request_bind(rq, "why", code);
	rq->hook_data = arena_strdup(rq->arena, code);
	return request_query(rq, "loginRefused", refused);
}

int
session_throttled(struct request *rq, const PGresult *res)
{
	reply_header(rq, "Retry-After", encode_meta(res, "retry_after"));
	return fail(rq, "too_many_attempts");
}

/* ---- tokens ---- */

/* "2026-12-22 06:43:14.123+00", as db.c's connections write it. */
static const char *
rfc3339(struct request *rq, const char *time)
{
	size_t n = strlen(time) - strlen("+00");
	char *out = arena_printf(rq->arena, "%.*sZ", (int)n, time);

	out[strlen("2026-12-22")] = 'T';
	return out;
}

void
session_copy(char *to, size_t size, const PGresult *res, const char *column)
{
	const char *text = encode_meta(res, column);

	if (!text || strlen(text) >= size)
		abort();
	strcpy(to, text);
}

struct claims
session_claims(const PGresult *res)
{
	struct claims c = { .iat = clock_ms() / 1000 };

	c.exp = c.iat + config.access_token_seconds;
	c.street = atol(encode_meta(res, "street_id"));
	c.epoch = atol(encode_meta(res, "epoch"));
	session_copy(c.session, sizeof(c.session), res, "session_id");
	session_copy(c.account, sizeof(c.account), res, "account_id");
	session_copy(c.role, sizeof(c.role), res, "role");
	return c;
}

int
session_reply(struct request *rq, PGresult *res)
{
	struct claims c;
	char *token;
	json_t *body;

	if (PQntuples(res) != 1)
		return fail(rq, "internal_error");
	c = session_claims(res);
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
