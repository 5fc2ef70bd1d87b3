/* The listening socket: made by us or handed over by systemd. */
#ifndef LINLI_LISTEN_H
#define LINLI_LISTEN_H
#include <stdbool.h>
#include <stddef.h>

struct listener {
	int fd;
	bool adopted;  /* others hold it open too: systemd, or the next of us */
	char url[160]; /* where clients reach it: http://127.0.0.1:8080 */
};

/* spec: "host:port", "[v6]:port", "unix:/path". Ends the program with a
 * sentence when it cannot. */
void listen_open(const char *spec, struct listener *out);
/* For what is not the API: two servers may have it open while the one takes
 * over from the other. */
int listen_aside(const char *spec);
/* Lets no new TCP connection begin, while those half-way in still finish:
 * the kernel drops SYN segments. Best effort. */
void listen_quiesce(const struct listener *l);
/* Closes, and removes the file of a unix socket we made. */
void listen_close(struct listener *l);
#endif
