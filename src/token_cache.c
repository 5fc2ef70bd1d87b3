/*
 * Verified tokens, kept until they expire: a signature costs as much as some
 * thousand look-ups. A fixed table: a new token takes the place of the one
 * of its bucket that was used least lately, so memory is bounded and nothing
 * needs to be swept. With one place a bucket, two people whose tokens fell on
 * it were verified at every request.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "config.h"
#include "keys.h"
#include "metrics.h"
#include "token.h"

#define BUCKETS 512
#define WAYS 8

struct cached {
	char *token; /* NULL = free */
	size_t len;
	unsigned long used; /* the higher, the later */
	struct claims claims;
};

static struct cached buckets[BUCKETS][WAYS];
static unsigned long uses;
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
	for (size_t i = 0; i < BUCKETS; i++)
		for (size_t j = 0; j < WAYS; j++)
			forget(&buckets[i][j]);
	crypto_shorthash_keygen(secret);
	filled_at = keys_generation();
}

static struct cached *
bucket_of(const char *token, size_t len)
{
	union {
		unsigned char bytes[crypto_shorthash_BYTES];
		uint64_t number;
	} hash;

	/* Keyed, so that nobody can aim tokens at another's bucket. */
	crypto_shorthash(hash.bytes, (const unsigned char *)token, len, secret);
	return buckets[hash.number % BUCKETS];
}

/* The whole text is compared: a hash is not a proof. */
static bool
holds(const struct cached *c, const char *token, size_t len)
{
	return c->token && c->len == len && memcmp(c->token, token, len) == 0;
}

/* The token's place, or the one it may have. */
static struct cached *
place_of(const char *token, size_t len)
{
	struct cached *bucket = bucket_of(token, len), *oldest = bucket;

	for (size_t i = 0; i < WAYS; i++) {
		struct cached *c = &bucket[i];

		if (holds(c, token, len))
			return c;
		if (c->used < oldest->used)
			oldest = c;
	}
	return oldest;
}

const char *
token_verify_cached(const char *token, size_t len, int64_t now,
		    struct claims *out)
{
	struct cached *c;
	const char *why;

	renew();
	c = place_of(token, len);
	if (holds(c, token, len)) {
		if (now < c->claims.exp + TOKEN_LEEWAY) {
			*out = c->claims;
			c->used = ++uses;
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
	c->used = ++uses;
	c->claims = *out;
	return NULL;
}
