/* How many connections each client address holds, over all workers. Every
 * worker counts in a part of shared memory that only it writes, so that one
 * that dies takes nobody's count with it: the supervisor empties its part. */
#ifndef LINLI_PEER_H
#define LINLI_PEER_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A connection's share of the count. */
struct peer {
	atomic_ullong *word; /* NULL: not counted */
	uint64_t hash;
};

/* Before any worker starts: room for so many connections in each. */
void peer_open(int workers, long connections);
/* In a worker: which part is its own. */
void peer_attach(int worker);
/* The worker has ended. */
void peer_forget(int worker);

/* Counts one more of the address. False: it is no IP address, or the table is
 * crowded at this place. IPv6 counts by /64, which is what one client gets. */
bool peer_enter(struct peer *p, const char *address);
/* Of all workers. */
long peer_count(const struct peer *p);
void peer_leave(struct peer *p);
#endif
