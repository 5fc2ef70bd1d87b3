/*
 * A word is 40 bits of the address's hash over 24 bits of count. The hash also
 * names the set of eight words, one cache line, where alone it may stand. The
 * table is so wide that a set is hardly ever full; what finds it full is not
 * limited by address, only with all others together.
 */
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>

#include "log.h"

#define WAYS 8
#define SET_SHARE 2 /* connections a set, when there are as many as may be */
#define COUNT_BITS 24
#define COUNT_MASK (((unsigned long long)1 << COUNT_BITS) - 1)

typedef atomic_ullong set[WAYS];

static struct {
	set *sets; /* a worker's after the other's */
	uint64_t per_worker; /* a power of two */
	int workers, mine;
	unsigned char secret[crypto_shorthash_KEYBYTES];
} table;

void
peer_open(int workers, long connections)
{
	size_t size;

	table.workers = workers;
	for (table.per_worker = 256;
	     table.per_worker < (uint64_t)connections / SET_SHARE;)
		table.per_worker *= 2;
	size = (size_t)workers * table.per_worker * sizeof(set);
	table.sets = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (table.sets == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	randombytes_buf(table.secret, sizeof(table.secret));
}

void
peer_attach(int worker)
{
	table.mine = worker;
}

void
peer_forget(int worker)
{
	memset(&table.sets[(uint64_t)worker * table.per_worker], 0,
	       table.per_worker * sizeof(set));
}

/* An IPv4 address, also one mapped into IPv6, or an IPv6 network of /64. */
static bool
peer_key(const char *address, unsigned char key[8])
{
	struct in6_addr six;
	struct in_addr four;

	memset(key, 0, 8);
	if (inet_pton(AF_INET, address, &four) == 1) {
		memcpy(key, &four, 4);
		return true;
	}
	if (inet_pton(AF_INET6, address, &six) != 1)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&six))
		memcpy(key, six.s6_addr + 12, 4);
	else
		memcpy(key, six.s6_addr, 8);
	return true;
}

static atomic_ullong *
set_of(int worker, uint64_t hash)
{
	return table.sets[(uint64_t)worker * table.per_worker +
			  (hash & (table.per_worker - 1))];
}

static bool
is_of(unsigned long long word, uint64_t hash)
{
	return (word & COUNT_MASK) &&
	       word >> COUNT_BITS == hash >> COUNT_BITS;
}

/* Only this worker writes here: no need to compare and swap. */
bool
peer_enter(struct peer *p, const char *address)
{
	unsigned char key[8];
	atomic_ullong *words, *spare = NULL;

	p->word = NULL;
	if (!peer_key(address, key))
		return false;
	crypto_shorthash((unsigned char *)&p->hash, key, sizeof(key),
			 table.secret);
	words = set_of(table.mine, p->hash);
	for (int i = 0; i < WAYS && !p->word; i++) {
		if (is_of(words[i], p->hash))
			p->word = &words[i];
		else if (!(words[i] & COUNT_MASK))
			spare = &words[i];
	}
	if (!p->word && spare) {
		p->word = spare;
		atomic_store(spare, p->hash >> COUNT_BITS << COUNT_BITS);
	}
	if (p->word)
		atomic_fetch_add(p->word, 1);
	return p->word;
}

long
peer_count(const struct peer *p)
{
	long count = 0;

	for (int w = 0; w < table.workers; w++) {
		atomic_ullong *words = set_of(w, p->hash);

		for (int i = 0; i < WAYS; i++) {
			unsigned long long word = words[i];

			if (is_of(word, p->hash))
				count += (long)(word & COUNT_MASK);
		}
	}
	return count;
}

void
peer_leave(struct peer *p)
{
	if (p->word)
		atomic_fetch_sub(p->word, 1);
	p->word = NULL;
}
