/* How the shared memory is laid out; for the metrics files alone. */
#ifndef LINLI_METRICS_INTERNAL_H
#define LINLI_METRICS_INTERNAL_H
#include <stdatomic.h>
#include "metrics.h"

#define METRICS_BUCKETS 16
#define METRICS_STATUSES 40 /* the last one: any other */
#define METRICS_BACKLOGS 16

/* An operation's in one slot. */
struct metrics_cell {
	atomic_ullong status[METRICS_STATUSES];
	atomic_ullong bucket[METRICS_BUCKETS + 1];
	atomic_ullong us, db_us;
};

struct metrics_slot {
	_Alignas(64) atomic_ullong limited[3], tokens[3], reconnects;
	atomic_ullong outbound[OUTBOUND_SERVICES][OUTBOUND_ENDS];
	atomic_ullong outbound_us[OUTBOUND_SERVICES];
	/* now, not counted */
	atomic_ullong connections, ready, queued, resident, cpu_us;
};

struct metrics_job {
	atomic_ullong runs, failures, rows, us;
	atomic_llong success_ms; /* the last */
	atomic_ullong in_a_row;  /* failures since */
};

struct metrics_backlog {
	char name[32];
	atomic_llong waiting, oldest_ms;
};

/* Filled before the fork, all but the pointed-to numbers constant since. */
struct metrics {
	const struct contract *contract;
	int slots; /* the jobs' and each worker's */
	int64_t begun_ms;
	int status_count;
	short statuses[METRICS_STATUSES];
	size_t code_count;
	const char **codes; /* of problems, sorted */
	size_t job_count;
	const char **job_names;
	/* in shared memory */
	struct metrics_slot *slot;
	struct metrics_cell *cells;      /* [slots][operations + 1] */
	atomic_ullong *problems;         /* [slots][codes] */
	atomic_ullong *refused;          /* [slots][codes] */
	struct metrics_job *jobs;
	struct metrics_backlog *backlogs;
	atomic_int *backlog_count;
	atomic_llong *round_ms;
};

extern struct metrics metrics; /* metrics.c */
extern const int64_t metrics_bounds_us[METRICS_BUCKETS];

struct metrics_cell *metrics_cell(int slot, size_t op);
#endif
