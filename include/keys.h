/* The signing keys as token.c and jwks.c see them; token.h has the rest. */
#ifndef LINLI_KEYS_H
#define LINLI_KEYS_H
#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>

#define KID_LENGTH 43 /* base64url of SHA-256 */

struct key {
	char kid[KID_LENGTH + 1];
	char x[44], y[44];          /* public point, base64url */
	char *private_pem, *public_pem;
	long created;               /* seconds since 1970 */
	struct key *next;
};

/* NULL = unknown. */
const struct key *keys_find(const char *kid);
const struct key *keys_current(void);
/* Grows by one with every keys_load(): what was verified before is void. */
unsigned long keys_generation(void);

/* Public point and RFC 7638 thumbprint of a P-256 key; false if it is not. */
bool jwks_describe(EVP_PKEY *pkey, struct key *out);
/* {"keys":[…]}, malloc'd. */
char *jwks_text(const struct key *first);
#endif
