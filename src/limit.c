/*
 * A word of the table is 16 bits of a caller's hash over 48 bits of time in
 * µs since the table was opened (8 years). A caller looks only into the set
 * of eight words its hash names, so all it touches is one cache line.
 *
 * A time that has passed says nothing any more: the word is as good as empty
 * and needs no sweeping. Where all eight are alive, the one nearest to its
 * end makes room: that caller is forgiven a little early. Two callers whose
 * 31 bits are the same share one allowance.
 */
#include "limit.h"

#include <sodium.h>

#define TIME_BITS 48
#define TIME_MASK (((uint64_t)1 << TIME_BITS) - 1)
#define MINUTE_US ((int64_t)60 * 1000 * 1000)

_Static_assert(crypto_shorthash_KEYBYTES ==
		       sizeof(((struct limit_table *)0)->secret),
	       "the secret is a hash key");

void
limit_open(struct limit_table *t, int64_t now_us)
{
	t->epoch_us = now_us;
	randombytes_buf(t->secret, sizeof(t->secret));
}

struct limit_rate
limit_rate(long minute, long burst)
{
	return (struct limit_rate){
		.burst = burst,
		.interval_us = minute > 0 ? MINUTE_US / minute : 0,
	};
}

/* The caller's word, else the one it may have; *seen is what stands there. */
static atomic_ullong *
find(atomic_ullong *set, uint64_t tag, unsigned long long *seen)
{
	atomic_ullong *spare = &set[0];
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < LIMIT_WAYS; i++) {
		unsigned long long word = atomic_load_explicit(
			&set[i], memory_order_relaxed);

		if (word >> TIME_BITS == tag && word) {
			*seen = word;
			return &set[i];
		}
		if ((word & TIME_MASK) < least) {
			least = word & TIME_MASK;
			spare = &set[i];
			*seen = word;
		}
	}
	return spare;
}

struct limit_answer
limit_take(struct limit_table *t, const struct limit_rate *rate,
	   const void *key, size_t len, int64_t now_us)
{
	struct limit_answer a = { .allowed = true };
	int64_t now = now_us - t->epoch_us, busy, full;
	unsigned long long seen;
	atomic_ullong *word;
	uint64_t hash, tag;

	crypto_shorthash((unsigned char *)&hash, key, len, t->secret);
	tag = hash >> TIME_BITS;
	full = rate->burst * rate->interval_us;
	do {
		word = find(t->words[hash % LIMIT_SETS], tag, &seen);
		busy = seen >> TIME_BITS == tag ? (int64_t)(seen & TIME_MASK)
						: 0;
		busy = busy > now ? busy - now : 0;
		if (busy + rate->interval_us > full) {
			a.allowed = false;
			a.full_us = busy;
			a.wait_us = busy + rate->interval_us - full;
			return a;
		}
		busy += rate->interval_us;
		/* Lost against another worker: look again. */
	} while (!atomic_compare_exchange_weak_explicit(
		word, &seen, tag << TIME_BITS | (uint64_t)(now + busy),
		memory_order_relaxed, memory_order_relaxed));
	a.left = (long)((full - busy) / rate->interval_us);
	a.full_us = busy;
	return a;
}
