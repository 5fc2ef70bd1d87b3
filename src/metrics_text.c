/*
 * Prometheus' text exposition format 0.0.4: for each family HELP, TYPE and
 * its samples. Series whose labels are known appear from the start, with 0.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "text.h"
#include "metrics_internal.h"
#include "supervise.h"

typedef unsigned long long ull;

static ull
get(const atomic_ullong *from)
{
	return atomic_load_explicit((atomic_ullong *)from,
				    memory_order_relaxed);
}

static void
family(struct evbuffer *out, const char *name, const char *type,
       const char *help)
{
	evbuffer_add_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help,
			    name, type);
}

void
metrics_label(struct evbuffer *out, const char *key, const char *value)
{
	evbuffer_add_printf(out, "%s=\"", key);
	for (const char *c = value; *c; c++) {
		if (*c == '\n')
			evbuffer_add(out, "\\n", 2);
		else if (*c == '"' || *c == '\\')
			evbuffer_add_printf(out, "\\%c", *c);
		else
			evbuffer_add(out, c, 1);
	}
	evbuffer_add(out, "\"", 1);
}

/* name{key="value"} */
static void
series(struct evbuffer *out, const char *name, const char *key,
       const char *value)
{
	evbuffer_add_printf(out, "%s{", name);
	metrics_label(out, key, value);
	evbuffer_add(out, "} ", 2);
}

static void
count(struct evbuffer *out, const char *name, const char *key,
      const char *value, ull n)
{
	series(out, name, key, value);
	evbuffer_add_printf(out, "%llu\n", n);
}

static void
seconds(struct evbuffer *out, const char *name, const char *key,
	const char *value, ull us)
{
	series(out, name, key, value);
	evbuffer_add_printf(out, "%llu.%06llu\n", us / 1000000, us % 1000000);
}

/* ---- requests ---- */

#define OVER_SLOTS(sum, field) \
	ull sum = 0; \
	for (int s_ = 0; s_ < metrics.slots; s_++) \
		sum += get(&metrics_cell(s_, op)->field)

static const char *
op_name(size_t op)
{
	return op < metrics.contract->operation_count
		       ? metrics.contract->operations[op].id
		       : "none";
}

static size_t
op_count(void)
{
	return metrics.contract->operation_count + 1;
}

static void
write_statuses(struct evbuffer *out, size_t op)
{
	const struct contract *c = metrics.contract;
	int usual = op < c->operation_count ? c->operations[op].status : 404;

	for (int i = 0; i < METRICS_STATUSES; i++) {
		char status[8] = "other";
		OVER_SLOTS(n, status[i]);

		if (n == 0 && metrics.statuses[i] != usual)
			continue;
		if (i < metrics.status_count)
			snprintf(status, sizeof(status), "%d",
				 metrics.statuses[i]);
		evbuffer_add_printf(out, "linli_requests_total{");
		metrics_label(out, "operation", op_name(op));
		evbuffer_add_printf(out, ",status=\"%s\"} %llu\n", status, n);
	}
}

static void
write_histogram(struct evbuffer *out, size_t op)
{
	const char *name = "linli_request_duration_seconds";
	OVER_SLOTS(us, us);
	ull below = 0;

	for (int i = 0; i <= METRICS_BUCKETS; i++) {
		OVER_SLOTS(n, bucket[i]);

		below += n;
		evbuffer_add_printf(out, "%s_bucket{", name);
		metrics_label(out, "operation", op_name(op));
		if (i < METRICS_BUCKETS)
			evbuffer_add_printf(
				out, ",le=\"%g\"} %llu\n",
				(double)metrics_bounds_us[i] / 1e6, below);
		else
			evbuffer_add_printf(out, ",le=\"+Inf\"} %llu\n",
					    below);
	}
	seconds(out, "linli_request_duration_seconds_sum", "operation",
		op_name(op), us);
	count(out, "linli_request_duration_seconds_count", "operation",
	      op_name(op), below);
}

static void
write_requests(struct evbuffer *out)
{
	family(out, "linli_requests_total", "counter",
	       "Requests answered, by operation and HTTP status.");
	for (size_t op = 0; op < op_count(); op++)
		write_statuses(out, op);
	family(out, "linli_request_duration_seconds", "histogram",
	       "From a whole request to its reply being handed over.");
	for (size_t op = 0; op < op_count(); op++)
		write_histogram(out, op);
	family(out, "linli_request_database_seconds_total", "counter",
	       "Of that, waiting for the database.");
	for (size_t op = 0; op < op_count(); op++) {
		OVER_SLOTS(us, db_us);

		seconds(out, "linli_request_database_seconds_total",
			"operation", op_name(op), us);
	}
}

/* ---- refusals ---- */

static void
write_codes(struct evbuffer *out, const char *name, const atomic_ullong *table)
{
	for (size_t i = 0; i < metrics.code_count; i++) {
		ull n = 0;

		for (int s = 0; s < metrics.slots; s++)
			n += get(&table[(size_t)s * metrics.code_count + i]);
		if (n)
			count(out, name, "code", metrics.codes[i], n);
	}
}

/* The three of each slot's limited or tokens. */
static void
write_three(struct evbuffer *out, const char *name, const char *key,
	    const char *const values[3], size_t offset)
{
	for (size_t i = 0; i < 3; i++) {
		ull n = 0;

		for (int s = 0; s < metrics.slots; s++)
			n += get((const atomic_ullong *)(const void *)(
					 (const char *)&metrics.slot[s] +
					 offset) +
				 i);
		count(out, name, key, values[i], n);
	}
}

static void
write_refusals(struct evbuffer *out)
{
	static const char *const limits[] = { "actor", "address", "login" };
	static const char *const tokens[] = { "cached", "verified",
					      "refused" };

	family(out, "linli_problems_total", "counter",
	       "Replies that are problems, by code.");
	write_codes(out, "linli_problems_total", metrics.problems);
	family(out, "linli_guard_refusals_total", "counter",
	       "Connections closed before a request was understood, by code.");
	write_codes(out, "linli_guard_refusals_total", metrics.refused);
	family(out, "linli_rate_limited_total", "counter",
	       "Requests answered 429, by the limit they met.");
	write_three(out, "linli_rate_limited_total", "limit", limits,
		    offsetof(struct metrics_slot, limited));
	family(out, "linli_tokens_total", "counter",
	       "Access tokens looked at, by what became of them.");
	write_three(out, "linli_tokens_total", "result", tokens,
		    offsetof(struct metrics_slot, tokens));
}

/* ---- processes ---- */

enum process_value {
	UP, RESTARTS, BEAT, CONNECTIONS, IN_FLIGHT, DB, DB_READY, DB_QUEUE,
	DB_RECONNECTS, RESIDENT, CPU,
};

static void
write_process(struct evbuffer *out, const char *name, const char *process,
	      const struct slot *s, const struct metrics_slot *m,
	      enum process_value which)
{
	int64_t age = clock_ms() - atomic_load((atomic_llong *)&s->beat_ms);
	const ull values[] = {
		[UP] = s->pid > 0 && s->serving,
		[RESTARTS] = s->restarts,
		[BEAT] = (ull)(age > 0 ? age : 0) * 1000,
		[CONNECTIONS] = (ull)s->connections,
		[IN_FLIGHT] = (ull)s->inflight,
		[DB] = get(&m->connections),
		[DB_READY] = get(&m->ready),
		[DB_QUEUE] = get(&m->queued),
		[DB_RECONNECTS] = get(&m->reconnects),
		[RESIDENT] = get(&m->resident),
		[CPU] = get(&m->cpu_us),
	};

	if (which == CPU || which == BEAT)
		seconds(out, name, "process", process, values[which]);
	else
		count(out, name, "process", process, values[which]);
}

static void
write_processes(struct evbuffer *out, const struct shared *shared)
{
	static const struct {
		const char *name, *type, *help;
	} families[] = {
		[UP] = { "linli_process_up", "gauge",
			 "1 while the process serves." },
		[RESTARTS] = { "linli_process_restarts_total", "counter",
			       "Times the process was started again." },
		[BEAT] = { "linli_process_beat_age_seconds", "gauge",
			   "Since the last turn of the process' loop." },
		[CONNECTIONS] = { "linli_connections", "gauge",
				  "Open client connections." },
		[IN_FLIGHT] = { "linli_requests_in_flight", "gauge",
				"Requests begun and not answered." },
		[DB] = { "linli_database_connections", "gauge",
			 "Database connections configured." },
		[DB_READY] = { "linli_database_connections_ready", "gauge",
			       "Of them prepared and usable." },
		[DB_QUEUE] = { "linli_database_queue", "gauge",
			       "Transactions sent or waiting." },
		[DB_RECONNECTS] = { "linli_database_reconnects_total",
				    "counter",
				    "Times a database connection was lost." },
		[RESIDENT] = { "linli_process_resident_bytes", "gauge",
			       "Resident memory." },
		[CPU] = { "linli_process_cpu_seconds_total", "counter",
			  "Processor time." },
	};
	char process[24];

	for (size_t f = 0; f < sizeof(families) / sizeof(*families); f++) {
		family(out, families[f].name, families[f].type,
		       families[f].help);
		write_process(out, families[f].name, "job", &shared->job,
			      &metrics.slot[0], f);
		for (int w = 0; w < shared->worker_count; w++) {
			snprintf(process, sizeof(process), "worker-%d", w);
			write_process(out, families[f].name, process,
				      &shared->workers[w],
				      &metrics.slot[w + 1], f);
		}
	}
}

/* ---- jobs ---- */

enum job_value { RUNS, FAILURES, ROWS, IN_A_ROW, TIME, SUCCESS };

static void
write_job(struct evbuffer *out, const char *name, size_t i,
	  enum job_value which)
{
	const struct metrics_job *j = &metrics.jobs[i];
	const char *job = metrics.job_names[i];
	const atomic_ullong *counts[] = {
		[RUNS] = &j->runs,
		[FAILURES] = &j->failures,
		[ROWS] = &j->rows,
		[IN_A_ROW] = &j->in_a_row,
	};

	if (which == TIME)
		seconds(out, name, "job", job, get(&j->us));
	else if (which == SUCCESS)
		seconds(out, name, "job", job,
			(ull)atomic_load((atomic_llong *)&j->success_ms) *
				1000);
	else
		count(out, name, "job", job, get(counts[which]));
}

static void
write_jobs(struct evbuffer *out)
{
	static const struct {
		const char *name, *type, *help;
	} families[] = {
		[RUNS] = { "linli_job_runs_total", "counter",
			   "Runs of the job." },
		[FAILURES] = { "linli_job_failures_total", "counter",
			       "Of them failed." },
		[ROWS] = { "linli_job_rows_total", "counter",
			   "Things the job has done." },
		[IN_A_ROW] = { "linli_job_failures_in_a_row", "gauge",
			       "Failures since the last success." },
		[TIME] = { "linli_job_seconds_total", "counter",
			   "Time its runs took." },
		[SUCCESS] = { "linli_job_last_success_timestamp_seconds",
			      "gauge",
			      "When it last succeeded; before the first, "
			      "when the server started." },
	};

	for (size_t f = 0; f < sizeof(families) / sizeof(*families); f++) {
		family(out, families[f].name, families[f].type,
		       families[f].help);
		for (size_t i = 0; i < metrics.job_count; i++)
			write_job(out, families[f].name, i, f);
	}
}

static void
moment(struct evbuffer *out, const char *name, const char *help, int64_t ms)
{
	family(out, name, "gauge", help);
	evbuffer_add_printf(out, "%s %" PRId64 ".%03d\n", name, ms / 1000,
			    (int)(ms % 1000));
}

static void
write_backlogs(struct evbuffer *out)
{
	struct metrics_backlog *b = metrics.backlogs;
	int n = atomic_load(metrics.backlog_count);

	family(out, "linli_backlog", "gauge",
	       "Things that wait for a job or a person.");
	for (int i = 0; i < n; i++)
		count(out, "linli_backlog", "queue", b[i].name,
		      (ull)atomic_load(&b[i].waiting));
	family(out, "linli_backlog_lag_seconds", "gauge",
	       "How long the oldest of them is overdue.");
	for (int i = 0; i < n; i++)
		seconds(out, "linli_backlog_lag_seconds", "queue", b[i].name,
			(ull)atomic_load(&b[i].oldest_ms) * 1000);
}

void
metrics_write(struct evbuffer *out, const struct shared *shared)
{
	write_requests(out);
	write_refusals(out);
	write_processes(out, shared);
	write_jobs(out);
	write_backlogs(out);
	metrics_write_outbound(out);
	family(out, "linli_draining", "gauge", "1 while the server stops.");
	evbuffer_add_printf(out, "linli_draining %d\n",
			    atomic_load((atomic_int *)&shared->draining));
	moment(out, "linli_start_time_seconds", "When the server started.",
	       metrics.begun_ms);
	moment(out, "linli_job_round_timestamp_seconds",
	       "When all jobs last had their turn.",
	       atomic_load(metrics.round_ms));
}
