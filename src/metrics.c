/*
 * Counting. Every slot has one writer, so adding is a load and a store without
 * a locked instruction; readers see each number whole, if perhaps not all of
 * one moment.
 */
#include "metrics_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "arena.h"
#include "log.h"
#include "query.h"
#include "text.h"

struct metrics metrics;

const int64_t metrics_bounds_us[METRICS_BUCKETS] = {
	250,	500,	1000,	2500,	 5000,	  10000,   25000,   50000,
	100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000,
};

static int mine = -1; /* slot of this process, -1 = counts nothing */
static unsigned char status_at[600];

static void
add(atomic_ullong *to, unsigned long long n)
{
	atomic_store_explicit(
		to, atomic_load_explicit(to, memory_order_relaxed) + n,
		memory_order_relaxed);
}

static void
set(atomic_ullong *to, unsigned long long n)
{
	atomic_store_explicit(to, n, memory_order_relaxed);
}

/* ---- opening ---- */

static void
status_known(int status)
{
	if (status < 100 || status >= 600 || status_at[status] ||
	    metrics.status_count == METRICS_STATUSES - 1)
		return;
	metrics.statuses[metrics.status_count++] = (short)status;
	status_at[status] = (unsigned char)metrics.status_count;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All that the contract can answer, and what the core adds to it. */
static void
learn_contract(const struct contract *c)
{
	json_t *problems = json_object_get(c->doc, "x-problems"), *p;
	const char *code;

	metrics.contract = c;
	metrics.codes = xmalloc((json_object_size(problems) + 1) *
				sizeof(*metrics.codes));
	status_known(200);
	status_known(204);
	status_known(304);
	for (size_t i = 0; i < c->operation_count; i++)
		status_known(c->operations[i].status);
	json_object_foreach (problems, code, p) {
		if (strncmp(code, "fault.", 6) == 0)
			continue;
		status_known((int)json_integer_value(
			json_object_get(p, "status")));
		metrics.codes[metrics.code_count++] = code;
	}
	qsort(metrics.codes, metrics.code_count, sizeof(*metrics.codes),
	      by_text);
}

static void
learn_jobs(void)
{
	const struct query *q;
	const char **names = NULL;
	size_t n = 0;

	for (size_t i = 0; (q = query_at(i)); i++) {
		if (!q->helper || strncmp(q->name, "job", 3) != 0)
			continue;
		names = xrealloc(names, (n + 1) * sizeof(*names));
		names[n++] = q->name;
	}
	metrics.job_names = names;
	metrics.job_count = n;
}

static size_t
padded(size_t size)
{
	return (size + 63) & ~(size_t)63;
}

static void *
shared_memory(size_t size)
{
	void *p = mmap(NULL, padded(size ? size : 1), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	return p;
}

void
metrics_open(const struct contract *c, int workers)
{
	size_t n = (size_t)workers + 1;

	free(metrics.codes);
	free(metrics.job_names);
	metrics = (struct metrics){ .slots = workers + 1,
				    .begun_ms = clock_ms() };
	memset(status_at, 0, sizeof(status_at));
	learn_contract(c);
	learn_jobs();
	metrics.slot = shared_memory(n * sizeof(*metrics.slot));
	metrics.cells = shared_memory(n * (c->operation_count + 1) *
				      sizeof(*metrics.cells));
	metrics.problems = shared_memory(n * metrics.code_count *
					 sizeof(*metrics.problems));
	metrics.refused = shared_memory(n * metrics.code_count *
					sizeof(*metrics.refused));
	metrics.jobs = shared_memory(metrics.job_count *
				     sizeof(*metrics.jobs));
	metrics.backlogs = shared_memory(METRICS_BACKLOGS *
					 sizeof(*metrics.backlogs));
	metrics.backlog_count = shared_memory(sizeof(atomic_int));
	metrics.round_ms = shared_memory(sizeof(atomic_llong));
	*metrics.round_ms = metrics.begun_ms;
	for (size_t i = 0; i < metrics.job_count; i++)
		metrics.jobs[i].success_ms = metrics.begun_ms;
}

void
metrics_attach(int index)
{
	mine = metrics.slot ? index + 1 : -1;
}

/* ---- requests ---- */

struct metrics_cell *
metrics_cell(int slot, size_t op)
{
	size_t row = metrics.contract->operation_count + 1;

	return &metrics.cells[(size_t)slot * row + op];
}

void
metrics_request(const struct operation *op, int status, int64_t us,
		int64_t db_us)
{
	struct metrics_cell *cell;
	int at = 0;

	if (mine < 0)
		return;
	cell = metrics_cell(mine, op ? op->index
				     : metrics.contract->operation_count);
	while (at < METRICS_BUCKETS && us > metrics_bounds_us[at])
		at++;
	add(&cell->bucket[at], 1);
	add(&cell->us, us > 0 ? (unsigned long long)us : 0);
	add(&cell->db_us, db_us > 0 ? (unsigned long long)db_us : 0);
	at = status >= 100 && status < 600 ? status_at[status] : 0;
	add(&cell->status[at ? at - 1 : METRICS_STATUSES - 1], 1);
}

static void
count_code(atomic_ullong *table, const char *code)
{
	const char **found;

	if (mine < 0)
		return;
	found = bsearch(&code, metrics.codes, metrics.code_count,
			sizeof(*metrics.codes), by_text);
	if (found)
		add(&table[(size_t)mine * metrics.code_count +
			   (size_t)(found - metrics.codes)],
		    1);
}

void
metrics_problem(const char *code)
{
	count_code(metrics.problems, code);
}

void
metrics_refused(const char *code)
{
	count_code(metrics.refused, code);
}

void
metrics_limited(enum metrics_limit limit)
{
	if (mine >= 0)
		add(&metrics.slot[mine].limited[limit], 1);
}

void
metrics_token(enum metrics_token result)
{
	if (mine >= 0)
		add(&metrics.slot[mine].tokens[result], 1);
}

void
metrics_outbound(enum outbound_service service, enum outbound_end end,
		 int64_t us)
{
	if (mine < 0)
		return;
	add(&metrics.slot[mine].outbound[service][end], 1);
	add(&metrics.slot[mine].outbound_us[service],
	    (unsigned long long)us);
}

/* ---- once a second ---- */

static unsigned long long
resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long pages = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	fclose(f);
	return (unsigned long long)pages *
	       (unsigned long long)sysconf(_SC_PAGESIZE);
}

static unsigned long long
micros(const struct timeval *tv)
{
	return (unsigned long long)tv->tv_sec * 1000000 +
	       (unsigned long long)tv->tv_usec;
}

void
metrics_sample(const struct db_pool *pool)
{
	static unsigned long reconnects; /* told already */
	struct metrics_slot *s;
	struct db_pool_stats db;
	struct rusage use;

	if (mine < 0)
		return;
	s = &metrics.slot[mine];
	getrusage(RUSAGE_SELF, &use);
	set(&s->cpu_us, micros(&use.ru_utime) + micros(&use.ru_stime));
	set(&s->resident, resident_bytes());
	if (!pool)
		return;
	db_stats(pool, &db);
	set(&s->connections, (unsigned long long)db.connections);
	set(&s->ready, (unsigned long long)db.ready);
	set(&s->queued, (unsigned long long)db.queued);
	add(&s->reconnects, db.reconnects - reconnects);
	reconnects = db.reconnects;
}

/* ---- jobs ---- */

static struct metrics_job *
job_find(const char *name)
{
	for (size_t i = 0; i < metrics.job_count; i++)
		if (strcmp(metrics.job_names[i], name) == 0)
			return &metrics.jobs[i];
	return NULL;
}

void
metrics_round(void)
{
	if (mine >= 0)
		atomic_store(metrics.round_ms, clock_ms());
}

void
metrics_job(const char *name, long rows, int64_t us)
{
	struct metrics_job *j = mine < 0 ? NULL : job_find(name);

	if (!j)
		return;
	add(&j->runs, 1);
	add(&j->us, (unsigned long long)us);
	if (rows < 0) {
		add(&j->failures, 1);
		add(&j->in_a_row, 1);
		return;
	}
	add(&j->rows, (unsigned long long)rows);
	set(&j->in_a_row, 0);
	atomic_store(&j->success_ms, clock_ms());
}

static struct metrics_backlog *
backlog_find(const char *name)
{
	int n = atomic_load(metrics.backlog_count);
	struct metrics_backlog *b = metrics.backlogs;

	for (int i = 0; i < n; i++, b++)
		if (strcmp(b->name, name) == 0)
			return b;
	if (n == METRICS_BACKLOGS)
		return NULL;
	snprintf(b->name, sizeof(b->name), "%s", name);
	atomic_store(metrics.backlog_count, n + 1);
	return b;
}

void
metrics_backlog(const char *name, long waiting, double oldest_s)
{
	struct metrics_backlog *b = mine < 0 ? NULL : backlog_find(name);

	if (!b)
		return;
	atomic_store(&b->waiting, waiting);
	atomic_store(&b->oldest_ms, (long long)(oldest_s * 1000));
}

static void
worse(double *seconds, int64_t ms)
{
	if ((double)ms / 1000 > *seconds)
		*seconds = (double)ms / 1000;
}

void
metrics_jobs(struct metrics_jobs *out)
{
	int64_t now = clock_ms();
	int n = metrics.backlog_count ? atomic_load(metrics.backlog_count) : 0;

	*out = (struct metrics_jobs){ 0 };
	if (metrics.round_ms)
		worse(&out->lag_s, now - atomic_load(metrics.round_ms));
	for (size_t i = 0; i < metrics.job_count; i++) {
		struct metrics_job *j = &metrics.jobs[i];
		unsigned long long failures = atomic_load(&j->in_a_row);

		out->failing += failures >= 3;
		if (failures)
			worse(&out->lag_s, now - atomic_load(&j->success_ms));
	}
	for (int i = 0; i < n; i++)
		worse(&out->backlog_s,
		      atomic_load(&metrics.backlogs[i].oldest_ms));
}
