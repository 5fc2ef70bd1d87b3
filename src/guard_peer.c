/* How many connections each client address holds: a small hash table. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "guard_conn_internal.h"

#define BUCKETS 4096

struct peer {
	struct peer *next;
	unsigned char key[8];
	unsigned bucket;
	long count;
};

struct peers {
	struct peer *buckets[BUCKETS];
};

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

static unsigned
peer_bucket(const unsigned char key[8])
{
	uint64_t all;

	memcpy(&all, key, sizeof(all));
	return (unsigned)((all * 0x9e3779b97f4a7c15u) >> 52);
}

struct peers *
peers_new(void)
{
	return xmalloc(sizeof(struct peers));
}

void
peers_free(struct peers *ps)
{
	free(ps);
}

struct peer *
peers_enter(struct peers *ps, const char *address)
{
	unsigned char key[8];
	struct peer *p;
	unsigned bucket;

	if (!peer_key(address, key))
		return NULL;
	bucket = peer_bucket(key);
	for (p = ps->buckets[bucket]; p; p = p->next) {
		if (memcmp(p->key, key, sizeof(key)) == 0) {
			p->count++;
			return p;
		}
	}
	p = xmalloc(sizeof(*p));
	memcpy(p->key, key, sizeof(key));
	p->bucket = bucket;
	p->count = 1;
	p->next = ps->buckets[bucket];
	ps->buckets[bucket] = p;
	return p;
}

long
peer_count(const struct peer *p)
{
	return p->count;
}

void
peers_leave(struct peers *ps, struct peer *p)
{
	struct peer **at = &ps->buckets[p->bucket];

	if (--p->count > 0)
		return;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	free(p);
}
