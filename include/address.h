/* Which addresses are the whole world's. Servers that others name to us may
 * not be in our own network: a name can lead anywhere. */
#ifndef LINLI_ADDRESS_H
#define LINLI_ADDRESS_H
#include <stdbool.h>
#include <sys/socket.h>

/* False for loopback, private, link-local, shared, multicast, reserved and
 * translated addresses (RFC 6890), and for what is no IP address. */
bool address_is_public(const struct sockaddr *address);
#endif
