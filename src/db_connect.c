/*
 * Connecting blocks: libpq looks names up, reads files and may ask a Kerberos
 * server on its way, and a resolver that does not answer takes seconds. So it
 * runs on a thread of its own, and the loop hears of it by an eventfd.
 *
 * Whoever lets go last, thread or loop, frees: the loop may end before a name
 * is found. libpq's connect_timeout and the resolver's own bound the thread.
 */
#include "db_internal.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "arena.h"

#define STACK_BYTES (1024 * 1024)

struct db_connect {
	struct db_params *params;
	PGconn *pg;
	int done; /* eventfd */
	atomic_int holders;
};

static void
release(struct db_connect *a)
{
	if (atomic_fetch_sub(&a->holders, 1) > 1)
		return;
	PQfinish(a->pg);
	if (a->done >= 0)
		close(a->done);
	db_params_free(a->params);
	free(a);
}

static void *
thread_main(void *arg)
{
	struct db_connect *a = arg;
	const uint64_t one = 1;

	a->pg = PQconnectdbParams(a->params->keywords, a->params->values, 1);
	(void)!write(a->done, &one, sizeof(one));
	release(a);
	return NULL;
}

/* Signals are for the loop's thread alone. */
static bool
start_thread(struct db_connect *a)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	error = pthread_create(&thread, &attr, thread_main, a);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return error == 0;
}

struct db_connect *
db_connect_start(const struct db_pool *p, int *fd)
{
	struct db_connect *a = xmalloc(sizeof(*a));

	a->params = db_params_new(p->params->conninfo,
				  p->params->statement_timeout_ms);
	a->done = *fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	a->holders = 2;
	if (a->done >= 0 && start_thread(a))
		return a;
	a->holders = 1;
	release(a);
	return NULL;
}

PGconn *
db_connect_end(struct db_connect *a)
{
	uint64_t count;
	PGconn *pg = NULL;

	if (!a)
		return NULL;
	if (read(a->done, &count, sizeof(count)) == sizeof(count)) {
		pg = a->pg;
		a->pg = NULL;
	}
	release(a);
	return pg;
}
