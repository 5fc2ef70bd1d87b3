/* Who the client is when a proxy we trust stands between. */
#ifndef LINLI_PROXY_H
#define LINLI_PROXY_H
#include <stdbool.h>
#include "arena.h"

/* list: addresses and nets (10.0.0.0/8, ::1), "unix" for those who come over
 * a unix socket; between them commas or spaces. NULL when it can be read, else
 * the reason. */
const char *proxy_list_fault(const char *list);
/* From now on these are trusted; list has no fault. */
void proxy_trust(const char *list);
/* peer: as evhttp names it, "localhost" or "" for a unix socket. */
bool proxy_trusted(const char *peer);
/* The client's address in its usual spelling, "local" when it has none.
 * forwarded: all of X-Forwarded-For in its order, joined by commas, or NULL. */
const char *proxy_client(struct arena *a, const char *peer,
			 const char *forwarded);
/* Does a client's address stand in one of these nets? list has no fault. */
bool proxy_within(const char *list, const char *client);
/* What stands for the client in a table of addresses: IPv6 counts by /64,
 * which is what one client gets. */
void proxy_key(const char *client, unsigned char key[16]);
#endif
