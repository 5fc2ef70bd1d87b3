/* Personal fields: sealed with a key the database does not have
 * (XChaCha20-Poly1305, key <keys_dir>/data.key, 32 bytes, mode 0600). */
#ifndef LINLI_SEAL_H
#define LINLI_SEAL_H
#include <stdbool.h>
#include <stddef.h>
#include "arena.h"

bool seal_load(const char *dir, char **why); /* creates nothing */
bool seal_new(const char *dir, char **why);  /* O_EXCL */
/* "v1." base64url(nonce ‖ box); context (e.g. "contact_phone") is bound in. */
char *seal(struct arena *a, const char *text, const char *context);
/* NULL: forged, or sealed for another context. */
char *unseal(struct arena *a, const char *sealed, const char *context);
/* 13812345678 → 138****5678; shorter ones keep the last two only. */
char *mask_phone(struct arena *a, const char *phone);
/* Whole files: malloc'd, *len in and out; unseal NULL as above. */
unsigned char *seal_bytes(const unsigned char *bytes, size_t *len,
			  const char *context);
unsigned char *unseal_bytes(const unsigned char *sealed, size_t *len,
			    const char *context);
/* Keyed hash of any text, hex: tells the same text again, and nothing else. */
char *keyed_hash(struct arena *a, const char *text, const char *context);
/* Keyed blind index: hex HMAC of the normalised value, for exact look-up. */
char *blind_index(struct arena *a, const char *text, const char *context);
#endif
