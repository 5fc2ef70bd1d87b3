/* One-time passwords of RFC 6238: HMAC-SHA-1, 30 s, six digits, which is what
 * every authenticator app can do. */
#ifndef LINLI_TOTP_H
#define LINLI_TOTP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "arena.h"

enum { TOTP_SECRET = 20, TOTP_STEP_S = 30 };

/* The step's number modulo 10^digits, as text. */
char *totp_code(struct arena *a, const void *secret, size_t len, int64_t step,
		int digits);
/* The step of code around now (one before, one after), above after (the last
 * one used); -1 when it is none of these. */
int64_t totp_match(struct arena *a, const void *secret, size_t len,
		   const char *code, int64_t now_s, int64_t after);
/* RFC 4648 without padding. */
char *base32_encode(struct arena *a, const void *bytes, size_t len);
#endif
