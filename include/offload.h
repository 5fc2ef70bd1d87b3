/* A bounded pool of threads for work that must not run on the event loop
 * (argon2id, photos). done() runs on the loop. */
#ifndef LINLI_OFFLOAD_H
#define LINLI_OFFLOAD_H
#include <event2/event.h>
#include <stdbool.h>

bool offload_start(struct event_base *base, int threads, int max_queue);
/* work(arg) on a thread, then done(arg) on the loop. False: queue full. */
bool offload(void (*work)(void *arg), void (*done)(void *arg), void *arg)
	__attribute__((warn_unused_result));
/* For work(): is somebody waiting for it to end? */
bool offload_stopping(void);
/* Waits for running work; done() of what is queued is never called. */
void offload_stop(void);
#endif
