/*
 * Verified tokens, kept until they expire: a signature costs about 100 µs, a
 * look-up less than one. A fixed table: a newer token takes its place's
 * older one, so memory is bounded and nothing needs to be swept.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "config.h"
#include "keys.h"
#include "metrics.h"
#include "token.h"

#define SLOTS 4096

struct cached {
	char *token; /* NULL = free */
	size_t len;
	struct claims claims;
};

static struct cached slots[SLOTS];
static unsigned char secret[crypto_shorthash_KEYBYTES];
static unsigned long filled_at; /* keys_generation() of the content */

static void
forget(struct cached *c)
{
	free(c->token);
	*c = (struct cached){0};
}

/* A reload of the keys may have taken one away. */
static void
renew(void)
{
	if (filled_at == keys_generation())
		return;
	for (size_t i = 0; i < SLOTS; i++)
		forget(&slots[i]);
	crypto_shorthash_keygen(secret);
	filled_at = keys_generation();
}

static struct cached *
slot_of(const char *token, size_t len)
{
	union {
		unsigned char bytes[crypto_shorthash_BYTES];
		uint64_t number;
	} hash;

	/* Keyed, so that nobody can aim tokens at another's place. */
	crypto_shorthash(hash.bytes, (const unsigned char *)token, len, secret);
	return &slots[hash.number % SLOTS];
}

const char *
token_verify_cached(const char *token, size_t len, int64_t now,
		    struct claims *out)
{
	struct cached *c;
	const char *why;

	renew();
	c = slot_of(token, len);
	/* The whole text is compared: a hash is not a proof. */
	if (c->token && c->len == len && memcmp(c->token, token, len) == 0) {
		if (now < c->claims.exp + TOKEN_LEEWAY) {
			*out = c->claims;
			metrics_token(TOKEN_CACHED);
			return NULL;
		}
		forget(c);
		metrics_token(TOKEN_REFUSED);
		return "token_expired";
	}
	why = token_verify(token, len, config.issuer, config.audience, now,
			   out);
	metrics_token(why ? TOKEN_REFUSED : TOKEN_VERIFIED);
	if (why)
		return why;
	forget(c);
	c->token = xmalloc(len);
	memcpy(c->token, token, len);
	c->len = len;
	c->claims = *out;
	return NULL;
}
