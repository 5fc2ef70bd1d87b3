#include "address.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

struct block {
	unsigned char base[16];
	int bits;
};

static const struct block four[] = {
	{ { 0 }, 8 },
	{ { 10 }, 8 },
	{ { 100, 64 }, 10 },
	{ { 127 }, 8 },
	{ { 169, 254 }, 16 },
	{ { 172, 16 }, 12 },
	{ { 192, 0, 0 }, 24 },
	{ { 192, 0, 2 }, 24 },
	{ { 192, 88, 99 }, 24 },
	{ { 192, 168 }, 16 },
	{ { 198, 18 }, 15 },
	{ { 198, 51, 100 }, 24 },
	{ { 203, 0, 113 }, 24 },
	{ { 224 }, 3 },
};

/* What carries an IPv4 address inside could lead to one of the above. */
static const struct block six[] = {
	{ { 0 }, 80 },                   /* ::, ::1, ::ffff:0:0/96 */
	{ { 0, 0x64, 0xff, 0x9b }, 32 }, /* NAT64 */
	{ { 1 }, 64 },                   /* discard */
	{ { 0x20, 1, 0 }, 23 },          /* Teredo, ORCHID */
	{ { 0x20, 1, 0x0d, 0xb8 }, 32 }, /* documentation */
	{ { 0x20, 2 }, 16 },             /* 6to4 */
	{ { 0xfc }, 7 },
	{ { 0xfe, 0x80 }, 9 },
	{ { 0xff }, 8 },
};

static bool
within(const unsigned char *address, const struct block *b)
{
	size_t bytes = (size_t)b->bits / 8;
	unsigned mask = 0xff00u >> b->bits % 8 & 0xff;

	return memcmp(address, b->base, bytes) == 0 &&
	       ((address[bytes] ^ b->base[bytes]) & mask) == 0;
}

static bool
is_listed(const unsigned char *address, const struct block *blocks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (within(address, &blocks[i]))
			return true;
	return false;
}

bool
address_is_public(const struct sockaddr *address)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (address->sa_family == AF_INET) {
		memcpy(&in, address, sizeof(in));
		return !is_listed((const unsigned char *)&in.sin_addr, four,
				  sizeof(four) / sizeof(*four));
	}
	if (address->sa_family == AF_INET6) {
		memcpy(&in6, address, sizeof(in6));
		return !is_listed(in6.sin6_addr.s6_addr, six,
				  sizeof(six) / sizeof(*six));
	}
	return false;
}
