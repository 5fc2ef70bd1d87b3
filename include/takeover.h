/* A newer program takes the place of a running one on the same listening
 * socket: it is started beside it and, when it serves, says so; then the old
 * one drains. Nothing is refused in between, and a newer one that does not
 * come up changes nothing. */
#ifndef LINLI_TAKEOVER_H
#define LINLI_TAKEOVER_H
#include <stdbool.h>
#include <sys/types.h>
#include "listen.h"

/* Early: remembers how this program was called, and who called it. True when
 * it is to take over a socket that is not systemd's. */
bool takeover_open(void);
/* The old one: starts what now lies at the program's path; its pid, 0 when
 * that failed (said in the log). */
pid_t takeover_start(const struct listener *l);
/* The new one, when it serves: TAKEOVER_SIGNAL to the old one, once. */
void takeover_tell(void);

#define TAKEOVER_SIGNAL SIGUSR1
#endif
