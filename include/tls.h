/* TLS on the listener, for those without a proxy before it. */
#ifndef LINLI_TLS_H
#define LINLI_TLS_H
#include <event2/bufferevent.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Reads certificate chain and key; from then on new connections use them, and
 * those that are open go on as they are. Both empty: TLS stays as it is, off
 * unless it was on. False with *why (malloc'd), and nothing changed. */
bool tls_load(const char *certificate, const char *key, char **why);
bool tls_on(void);
/* Whoever has not finished the handshake after so long is closed. In each
 * worker, once, until it ends. */
void tls_watch(struct event_base *base);
void tls_unwatch(void);
/* evhttp's bevcb: the server's end of a connection to come. */
struct bufferevent *tls_accept(struct event_base *base);

/* Of plain connections too: */
/* Tells the client that no more will come, before the socket closes. */
void tls_goodbye(struct bufferevent *bev);
/* Writes past the bufferevent, when it is being given up. */
ssize_t tls_send(struct bufferevent *bev, const void *bytes, size_t n);
#endif
