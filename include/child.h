/* The supervisor's children: started, counted, started again. */
#ifndef LINLI_CHILD_H
#define LINLI_CHILD_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "supervise.h"

struct child {
	struct slot *slot;
	int index; /* of the worker; -1 = the job process */
	pid_t pid; /* 0 = not running */
	int64_t started_us, due_us, pause_us;
};

struct children {
	struct child list[65];
	int count;
	int (*run)(int index); /* a child's whole life; its exit code */
};

/* In a child: its handler of SIGHUP stands; one sent since its start comes
 * now. */
void child_hears(void);

void children_add(struct children *cs, struct slot *slot, int index);
/* Starts those that do not run and whose time has come. */
void children_start_due(struct children *cs, int64_t now);
/* Takes note of those that ended. stopping: an end is no misfortune then.
 * True when one said CHILD_UNFIT. */
bool children_reap(struct children *cs, bool stopping);
void children_signal(const struct children *cs, int sig);
int children_alive(const struct children *cs);
/* When the next is due to start; later than now + an hour if none is. */
int64_t children_next_due(const struct children *cs, int64_t now);
#endif
