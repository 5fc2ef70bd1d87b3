/* Small text and byte helpers. All strict: a fault is false, never a guess. */
#ifndef LINLI_TEXT_H
#define LINLI_TEXT_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "arena.h"

bool utf8_valid(const char *s, size_t n);
size_t utf8_length(const char *s, size_t n); /* in characters (code points) */

/* base64url without padding; decode refuses any other byte and non-zero
 * trailing bits. out of encode: 4*((n+2)/3)+1 bytes, NUL-terminated. */
size_t base64url_encode(char *out, const void *in, size_t n);
bool base64url_decode(struct arena *a, const char *s, size_t n,
		      unsigned char **out, size_t *out_len);

void hex_encode(char *out, const void *in, size_t n); /* 2n+1 bytes */

/* UUIDv8: 48 bits of Unix milliseconds, street in 16 bits (12 after the
 * version, 4 after the variant), 10 bits of microseconds, so that ids made one
 * after the other sort so, 48 random. Lower case, 37 bytes with NUL. */
void uuid_make(char out[37], unsigned street);
bool uuid_valid(const char *s); /* exactly 8-4-4-4-12 lower or upper hex */
unsigned uuid_street(const char *uuid);

/* Of an Accept-Language (NULL: none), ours: "zh" or "en". */
const char *language_pick(const char *accept);

/* The wall clock, ms since 1970. It never goes back: after it was set back it
 * goes on from where it was, in all processes that share the memory. */
int64_t clock_ms(void);
void clock_share(atomic_llong *memory);
int64_t monotonic_us(void); /* for durations only */
#endif
