/*
 * Accounts of those who work in a street.
 *
 * C is here because the first password is drawn here: it reaches the database
 * as a hash only, and nobody but the one who is told can know it.
 */
#include <sodium.h>

#include "linli.h"

#define PASSWORD_BYTES 10

static void
hashed(struct request *rq, const char *hash)
{
	request_bind(rq, "password_hash", hash);
	request_resume(rq);
}

static int
draw(struct request *rq)
{
	unsigned char bytes[PASSWORD_BYTES];
	char *text;

	randombytes_buf(bytes, sizeof(bytes));
	text = base32_encode(rq->arena, bytes, sizeof(bytes));
	rq->hook_data = arena_printf(rq->arena, "%.4s-%.4s-%.4s-%.4s", text,
				     text + 4, text + 8, text + 12);
	return password_hash_async(rq, rq->hook_data, hashed);
}

static int
tell(struct request *rq, PGresult *res)
{
	return reply_json(rq, rq->op->status,
			  json_pack("{s:s, s:s, s:s}", "account_id",
				    encode_meta(res, "account_id"), "login",
				    encode_meta(res, "account_login"),
				    "password", rq->hook_data));
}

const struct hook staff_hooks[] = {
	{ .operation = "createStaff",
	  .binds = { "password_hash" },
	  .before = draw,
	  .reply = tell },
	{ .operation = "resetStaffPassword",
	  .binds = { "password_hash" },
	  .before = draw,
	  .reply = tell },
	{ 0 },
};
