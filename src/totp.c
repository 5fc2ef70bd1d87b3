#include "totp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS 6

char *
totp_code(struct arena *a, const void *secret, size_t len, int64_t step,
	  int digits)
{
	unsigned char counter[8], mac[EVP_MAX_MD_SIZE];
	unsigned int mac_len = 0, at;
	uint32_t number, modulus = 1;

	for (int i = 0; i < 8; i++)
		counter[i] = (unsigned char)((uint64_t)step >> (56 - 8 * i));
	if (!HMAC(EVP_sha1(), secret, (int)len, counter, sizeof(counter), mac,
		  &mac_len))
		abort();
	at = mac[mac_len - 1] & 15;
	number = (uint32_t)(mac[at] & 127) << 24 | (uint32_t)mac[at + 1] << 16 |
		 (uint32_t)mac[at + 2] << 8 | mac[at + 3];
	for (int i = 0; i < digits; i++)
		modulus *= 10;
	return arena_printf(a, "%0*u", digits, number % modulus);
}

int64_t
totp_match(struct arena *a, const void *secret, size_t len, const char *code,
	   int64_t now_s, int64_t after)
{
	int64_t now = now_s / TOTP_STEP_S, found = -1;

	if (strlen(code) != DIGITS)
		return -1;
	/* All three are made and compared in constant time. */
	for (int64_t step = now - 1; step <= now + 1; step++)
		if (sodium_memcmp(totp_code(a, secret, len, step, DIGITS), code,
				  DIGITS) == 0 &&
		    step > after)
			found = step;
	return found;
}

char *
base32_encode(struct arena *a, const void *bytes, size_t len)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	const unsigned char *b = bytes;
	char *out = arena_alloc(a, (len * 8 + 4) / 5 + 1), *at = out;
	unsigned int bits = 0;
	uint32_t held = 0;

	for (size_t i = 0; i < len; i++) {
		held = held << 8 | b[i];
		for (bits += 8; bits >= 5; bits -= 5)
			*at++ = alphabet[held >> (bits - 5) & 31];
	}
	if (bits)
		*at++ = alphabet[held << (5 - bits) & 31];
	*at = '\0';
	return out;
}
