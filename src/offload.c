/*
 * Threads of their own for slow work. Results come back over an eventfd, so
 * that done() runs on the loop like everything else.
 */
#include "offload.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "arena.h"

struct task {
	void (*work)(void *arg);
	void (*done)(void *arg);
	void *arg;
	struct task *next;
};

struct queue {
	struct task *first, **tail;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static struct queue waiting, finished; /* under lock */
static int waiting_count, waiting_max;
static bool stopping;
static pthread_t *threads;
static int thread_count;
static int notify_fd = -1;
static struct event *notify_event;

static void
queue_clear(struct queue *q)
{
	q->first = NULL;
	q->tail = &q->first;
}

static void
queue_put(struct queue *q, struct task *t)
{
	t->next = NULL;
	*q->tail = t;
	q->tail = &t->next;
}

static struct task *
queue_take(struct queue *q)
{
	struct task *t = q->first;

	if (t && !(q->first = t->next))
		q->tail = &q->first;
	return t;
}

static void
queue_free(struct queue *q)
{
	struct task *t;

	while ((t = queue_take(q)))
		free(t);
}

static void
notify(void)
{
	uint64_t one = 1;

	/* A full counter (EAGAIN) means the loop is told already. */
	while (write(notify_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* The next task, waiting for one; NULL when the pool stops. */
static struct task *
next_task(void)
{
	struct task *t = NULL;

	pthread_mutex_lock(&lock);
	while (!stopping && !(t = queue_take(&waiting)))
		pthread_cond_wait(&wake, &lock);
	if (t)
		waiting_count--;
	pthread_mutex_unlock(&lock);
	return t;
}

static void *
thread_main(void *unused)
{
	struct task *t;

	(void)unused;
	while ((t = next_task())) {
		t->work(t->arg);
		pthread_mutex_lock(&lock);
		queue_put(&finished, t);
		pthread_mutex_unlock(&lock);
		notify();
	}
	return NULL;
}

/* On the loop: what has finished since. A done() may offload again. */
static void
on_notify(evutil_socket_t fd, short what, void *unused)
{
	struct queue batch;
	struct task *t;
	uint64_t count;

	(void)what, (void)unused;
	if (read(fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&lock);
	batch = finished;
	if (!batch.first)
		batch.tail = &batch.first;
	queue_clear(&finished);
	pthread_mutex_unlock(&lock);
	while ((t = queue_take(&batch))) {
		t->done(t->arg);
		free(t);
	}
}

/* Signals are for the loop's thread alone. */
static bool
start_threads(int count)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	threads = xmalloc((size_t)count * sizeof(*threads));
	for (thread_count = 0; thread_count < count; thread_count++)
		if (pthread_create(&threads[thread_count], NULL, thread_main,
				   NULL))
			break;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return thread_count > 0;
}

bool
offload_start(struct event_base *base, int count, int max_queue)
{
	queue_clear(&waiting);
	queue_clear(&finished);
	waiting_count = 0;
	waiting_max = max_queue;
	stopping = false;
	notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (notify_fd < 0)
		return false;
	notify_event = event_new(base, notify_fd, EV_READ | EV_PERSIST,
				 on_notify, NULL);
	if (notify_event && event_add(notify_event, NULL) == 0 &&
	    start_threads(count))
		return true;
	offload_stop();
	return false;
}

bool
offload(void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
	struct task *t;
	bool room;

	pthread_mutex_lock(&lock);
	room = !stopping && threads && waiting_count < waiting_max;
	if (room) {
		t = xmalloc(sizeof(*t));
		t->work = work;
		t->done = done;
		t->arg = arg;
		queue_put(&waiting, t);
		waiting_count++;
		pthread_cond_signal(&wake);
	}
	pthread_mutex_unlock(&lock);
	return room;
}

bool
offload_stopping(void)
{
	bool now;

	pthread_mutex_lock(&lock);
	now = stopping;
	pthread_mutex_unlock(&lock);
	return now;
}

void
offload_stop(void)
{
	pthread_mutex_lock(&lock);
	stopping = true;
	pthread_cond_broadcast(&wake);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < thread_count; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	threads = NULL;
	thread_count = 0;
	queue_free(&waiting);
	queue_free(&finished);
	if (notify_event)
		event_free(notify_event);
	notify_event = NULL;
	if (notify_fd >= 0)
		close(notify_fd);
	notify_fd = -1;
}
