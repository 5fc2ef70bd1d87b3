/* Passwords: argon2id on the thread pool, for it takes tens of milliseconds
 * and 64 MiB. */
#ifndef LINLI_PASSWORD_H
#define LINLI_PASSWORD_H
#include <stdbool.h>

struct request;

enum { PASSWORD_MIN = 8, PASSWORD_MAX = 256, PASSWORD_HASH = 128 };

/* argon2id of it into out[PASSWORD_HASH]; false: no memory. Blocks. */
bool password_hash(char *out, const char *password);
/* Both call then(rq) on the loop and return PENDING, or fail(rq, …). */
int password_verify_async(struct request *rq, const char *password,
			  const char *hash,
			  void (*then)(struct request *rq, bool good));
int password_hash_async(struct request *rq, const char *password,
			void (*then)(struct request *rq, const char *hash));
#endif
