/* How often somebody may ask: a table in shared memory that all workers count
 * in. GCRA: of each caller one time is kept, when all it has taken would be
 * given back at the allowed rate. No locks, no allocation, no wall clock. */
#ifndef LINLI_LIMIT_H
#define LINLI_LIMIT_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMIT_SETS 32768
#define LIMIT_WAYS 8 /* words of a cache line */

/* Zeroed memory is an empty one; limit_open() gives it its secret. */
struct limit_table {
	int64_t epoch_us;
	unsigned char secret[16]; /* nobody can choose whom to collide with */
	_Alignas(64) atomic_ullong words[LIMIT_SETS][LIMIT_WAYS];
};

struct limit_rate {
	long burst;          /* at once */
	int64_t interval_us; /* then one in each; 0 = no limit */
};

struct limit_answer {
	bool allowed;
	long left;       /* that could follow at once */
	int64_t full_us; /* until all of the burst is there again */
	int64_t wait_us; /* until the next is allowed; 0 when it is now */
};

/* Times are monotonic_us(). */
void limit_open(struct limit_table *t, int64_t now_us);
/* minute: so many a minute, 0 = no limit. */
struct limit_rate limit_rate(long minute, long burst);
/* Takes one for the caller named by the key, unless it has none left. */
struct limit_answer limit_take(struct limit_table *t,
			       const struct limit_rate *rate, const void *key,
			       size_t len, int64_t now_us);
#endif
