#include "password.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "offload.h"
#include "request.h"

_Static_assert(PASSWORD_HASH == crypto_pwhash_STRBYTES, "libsodium's size");

struct work {
	struct request *rq;
	const char *password, *known;
	char hash[PASSWORD_HASH];
	bool good;
	void (*verified)(struct request *rq, bool good);
	void (*hashed)(struct request *rq, const char *hash);
};

bool
password_hash(char *out, const char *password)
{
	return crypto_pwhash_str(out, password, strlen(password),
				 crypto_pwhash_OPSLIMIT_INTERACTIVE,
				 crypto_pwhash_MEMLIMIT_INTERACTIVE) == 0;
}

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
work(void *arg_)
{
	struct work *w = arg_;

	w->good = w->known ? password_good(w->known, w->password)
			   : password_hash(w->hash, w->password);
}

static void
done(void *arg_)
{
	struct work *w = arg_;

	if (w->known)
		w->verified(w->rq, w->good);
	else if (w->good)
		w->hashed(w->rq, w->hash);
	else
		fail(w->rq, "overloaded");
}

static int
begin(struct request *rq, struct work w)
{
	struct work *kept = arena_alloc(rq->arena, sizeof(*kept));

	*kept = w;
	kept->rq = rq;
	return offload(work, done, kept) ? PENDING : fail(rq, "overloaded");
}

int
password_verify_async(struct request *rq, const char *password,
		      const char *hash,
		      void (*then)(struct request *rq, bool good))
{
	return begin(rq, (struct work){ .password = password,
					.known = arena_strdup(rq->arena, hash),
					.verified = then });
}

int
password_hash_async(struct request *rq, const char *password,
		    void (*then)(struct request *rq, const char *hash))
{
	return begin(rq, (struct work){ .password = password, .hashed = then });
}
