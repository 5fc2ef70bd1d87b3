/*
 * The heads of the audit chains leave the database: into the log, and into
 * the file of setting audit_heads when there is one. What has not changed
 * since this process wrote it is not written again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "linli.h"

static struct seen {
	int street;
	long long seq;
} *seen;
static size_t count;

static struct seen *
seen_of(int street)
{
	for (size_t i = 0; i < count; i++)
		if (seen[i].street == street)
			return &seen[i];
	seen = xrealloc(seen, (count + 1) * sizeof(*seen));
	seen[count] = (struct seen){ .street = street };
	return &seen[count++];
}

/* Appended and synced: a head that may be lost proves nothing. */
static bool
keep(const char *path, const char *line)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	bool done = fd >= 0 && file_write_all(fd, line, strlen(line)) &&
		    fsync(fd) == 0;

	if (!done)
		log_event(LOG_ERROR_, "audit_head_lost", "%s: %s", path,
			  strerror(errno));
	if (fd >= 0)
		close(fd);
	return done;
}

static void
heads_seen(const PGresult *res)
{
	struct arena *a = arena_new();
	char *why = NULL;

	if (!seal_load(config.keys_dir, &why))
		log_event(LOG_ERROR_, "audit_head_lost", "%s", why);
	for (int i = 0; !why && i < PQntuples(res); i++) {
		struct head h = { .street = PQgetvalue(res, i, 0),
				  .seq = PQgetvalue(res, i, 1),
				  .hash = PQgetvalue(res, i, 2),
				  .at = PQgetvalue(res, i, 3) };
		struct seen *s = seen_of(atoi(h.street));
		const char *line = head_write(a, &h);

		if (s->seq == atoll(h.seq))
			continue;
		if (*config.audit_heads &&
		    !keep(config.audit_heads, arena_printf(a, "%s\n", line)))
			continue;
		log_event(LOG_INFO_, "audit_head", "%s", line);
		s->seq = atoll(h.seq);
	}
	free(why);
	arena_free(a);
}

const struct job_hook audit_job_hooks[] = {
	{ .query = "jobAuditHeads", .every_s = 60, .done = heads_seen },
	{ 0 },
};
