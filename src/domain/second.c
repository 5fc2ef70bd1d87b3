/*
 * The own password and second factor.
 *
 * C is here because secrets are sealed and verified with keys the database
 * does not have.
 */
#include <sodium.h>
#include <string.h>

#include "linli.h"

#define RECOVERY_CODES 10
#define RECOVERY_BYTES 8 /* 60 bits of it are shown */

/* changePassword ---------------------------------------------------------- */

static void
hashed(struct request *rq, const char *hash)
{
	request_bind(rq, "new_hash", hash);
	request_resume(rq);
}

static void
verified(struct request *rq, bool good)
{
	const char *new_password = arg(rq, "new_password");

	if (good)
		password_hash_async(rq, new_password, hashed);
	else
		session_refuse(rq, rq->actor.account, "change_password",
			       "login_failed");
}

static int
password_begun(struct request *rq, PGresult *res)
{
	const char *hash;

	if (strcmp(encode_meta(res, "verdict"), "ok") != 0)
		return session_throttled(rq, res);
	hash = encode_meta(res, "password_hash");
	request_bind(rq, "password_hash", hash);
	return password_verify_async(rq, arg(rq, "old_password"), hash,
				     verified);
}

static int
change_before(struct request *rq)
{
	return request_query(rq, "passwordBegin", password_begun);
}

/* enrolTotp --------------------------------------------------------------- */

static int
enrol_before(struct request *rq)
{
	unsigned char secret[TOTP_SECRET];
	char text[4 * (TOTP_SECRET + 2) / 3 + 1];

	randombytes_buf(secret, sizeof(secret));
	base64url_encode(text, secret, sizeof(secret));
	request_bind(rq, "totp_secret", seal(rq->arena, text, "totp_secret"));
	rq->hook_data = base32_encode(rq->arena, secret, sizeof(secret));
	sodium_memzero(secret, sizeof(secret));
	return NEXT;
}

static int
enrol_reply(struct request *rq, PGresult *res)
{
	const char *secret = rq->hook_data;
	char *uri = arena_printf(rq->arena,
				 "otpauth://totp/linli:%.8s?secret=%s&issuer="
				 "linli&algorithm=SHA1&digits=6&period=30",
				 rq->actor.account, secret);

	(void)res;
	return reply_json(rq, rq->op->status, json_pack("{s:s}", "uri", uri));
}

/* confirmTotp, dropTotp --------------------------------------------------- */

static int
totp_begun(struct request *rq, PGresult *res)
{
	const char *sealed, *wrong;

	if (strcmp(encode_meta(res, "retry_after"), "0") != 0)
		return session_throttled(rq, res);
	sealed = encode_meta(res, "totp_secret");
	if (!sealed)
		return fail(rq, "totp_not_enrolled_yet");
	wrong = session_totp(rq, sealed, encode_meta(res, "totp_used"));
	if (wrong)
		return session_refuse(rq, rq->actor.account, "totp", wrong);
	request_resume(rq);
	return PENDING;
}

/* ABCD-EFGH-IJKL */
static const char *
recovery_code(struct request *rq)
{
	unsigned char bytes[RECOVERY_BYTES];
	char *text;

	randombytes_buf(bytes, sizeof(bytes));
	text = base32_encode(rq->arena, bytes, sizeof(bytes));
	return arena_printf(rq->arena, "%.4s-%.4s-%.4s", text, text + 4,
			    text + 8);
}

static void
drop_json(void *codes)
{
	json_decref(codes);
}

static int
confirm_before(struct request *rq)
{
	json_t *codes = json_array();
	const char *code, *hashes = "";

	for (int i = 0; i < RECOVERY_CODES; i++) {
		code = recovery_code(rq);
		hashes = arena_printf(rq->arena, "%s%s%s", hashes,
				      *hashes ? "," : "",
				      session_recovery(rq, code));
		json_array_append_new(codes, json_string(code));
	}
	request_bind(rq, "recovery_hashes",
		     arena_printf(rq->arena, "{%s}", hashes));
	request_bind(rq, "confirmed", "false");
	arena_defer(rq->arena, drop_json, codes);
	rq->hook_data = codes;
	return request_query(rq, "totpBegin", totp_begun);
}

static int
confirm_reply(struct request *rq, PGresult *res)
{
	json_t *codes = rq->hook_data;

	(void)res;
	return reply_json(rq, rq->op->status,
			  json_pack("{s:O}", "recovery_codes", codes));
}

static int
drop_before(struct request *rq)
{
	request_bind(rq, "confirmed", "true");
	return request_query(rq, "totpBegin", totp_begun);
}

const struct hook second_hooks[] = {
	{ .operation = "changePassword",
	  .binds = { "password_hash", "new_hash" },
	  .before = change_before },
	{ .operation = "enrolTotp",
	  .binds = { "totp_secret" },
	  .before = enrol_before,
	  .reply = enrol_reply },
	{ .operation = "confirmTotp",
	  .binds = { "totp_step", "recovery_hashes" },
	  .before = confirm_before,
	  .reply = confirm_reply },
	{ .operation = "dropTotp",
	  .binds = { "totp_step", "recovery" },
	  .before = drop_before },
	{ 0 },
};
