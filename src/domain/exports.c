/*
 * Exports: files of tables. The database hands out lines in the context of
 * who asked (transfer.export_step); here they are gathered in a file, id.lines,
 * of which a thread makes the one to be fetched, id.csv or id.xlsx.
 *
 * The row counts the bytes that are good, so whoever comes after us goes on
 * there; a lock on the file keeps out whoever came before.
 *
 * C is here because bytes are.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "linli.h"

#define FOLDER "exports"

enum { ID, FORMAT, PHASE, ROWS, BYTES, CURSOR, LINE, TITLE }; /* jobExport's */

/* For the thread. */
struct making {
	const struct table_format *format;
	char *folder, *lines, *path, *head, *title;
	long long bytes; /* of what was made; -1 = nothing was */
	const char *why;
};

/* The one at hand. */
static struct {
	char id[37];	       /* "" = none */
	int fd;		       /* id.lines, locked */
	json_t *news;	       /* for the database; NULL = none */
	struct making *making; /* the thread has it */
	bool more;
} now;

static char *
path_of(const char *id, const char *suffix)
{
	return xprintf("%s/" FOLDER "/%s.%s", config.data_dir, id, suffix);
}

static bool
sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool done = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return done;
}

static void
let_go(void)
{
	if (*now.id)
		close(now.fd);
	*now.id = '\0';
}

static void
tell(json_t *news)
{
	json_decref(now.news);
	now.news = news;
}

/* Making ------------------------------------------------------------------ */

static bool
make_file(struct making *m)
{
	char *fresh = xprintf("%s.new", m->path);
	bool done = false;
	struct stat st;
	FILE *lines;

	unlink(fresh); /* of a crash */
	errno = 0;
	lines = fopen(m->lines, "re");
	if (!lines)
		memory_check();
	m->why = strerror(errno);
	if (lines) {
		done = table_write(m->format, fresh, m->title, m->head, lines,
				   offload_stopping, &m->why);
		fclose(lines);
	}
	if (done && (stat(fresh, &st) || rename(fresh, m->path) ||
		     !sync_folder(m->folder))) {
		m->why = strerror(errno);
		done = false;
	}
	if (done)
		m->bytes = (long long)st.st_size;
	free(fresh);
	return done;
}

static void
make_work(void *arg_)
{
	struct making *m = arg_;

	m->bytes = -1;
	if (make_file(m))
		unlink(m->lines);
}

static void
making_free(void)
{
	struct making *m = now.making;

	now.making = NULL;
	free(m->folder);
	free(m->lines);
	free(m->path);
	free(m->head);
	free(m->title);
	free(m);
}

static void
make_done(void *arg_)
{
	struct making *m = arg_;

	now.more = true;
	if (m->bytes >= 0) {
		tell(json_pack("{s:s, s:I}", "id", now.id, "made",
			       (json_int_t)m->bytes));
	} else {
		log_event(LOG_ERROR_, "export_failed", "%s: %s", now.id,
			  m->why);
		tell(json_pack("{s:s, s:b}", "id", now.id, "failed", 1));
	}
	let_go();
	making_free();
}

static void
make(const char *format, const char *head, const char *title)
{
	struct making *m = xmalloc(sizeof(*m));

	m->format = table_format(format);
	m->folder = xprintf("%s/" FOLDER, config.data_dir);
	m->lines = path_of(now.id, "lines");
	m->path = path_of(now.id, format);
	m->head = xstrdup(head);
	m->title = xstrdup(title);
	now.making = m;
	if (!m->format || !offload(make_work, make_done, m))
		making_free();
}

/* Gathering --------------------------------------------------------------- */

/* Opens and locks its lines. */
static bool
take(const char *id)
{
	char *path = path_of(id, "lines"), *folder = path_of("", "");

	if (strcmp(now.id, id) == 0) {
		free(path);
		free(folder);
		return true;
	}
	let_go();
	*strrchr(folder, '/') = '\0';
	if (mkdir(folder, 0700) == 0)
		sync_folder(config.data_dir);
	now.fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (now.fd < 0)
		log_event(LOG_ERROR_, "export_failed", "%s: %s", path,
			  strerror(errno));
	else if (flock(now.fd, LOCK_EX | LOCK_NB))
		close(now.fd);
	else
		memcpy(now.id, id, sizeof(now.id));
	free(path);
	free(folder);
	return *now.id;
}

static void
tell_written(long long rows, long long bytes, const char *cursor)
{
	tell(json_pack("{s:s, s:I, s:I, s:s?}", "id", now.id, "rows",
		       (json_int_t)rows, "bytes", (json_int_t)bytes, "cursor",
		       cursor));
}

/* What the rows hold, after the bytes that are good. */
static bool
add_lines(const PGresult *res, long long *rows, long long *bytes)
{
	struct evbuffer *out = evbuffer_new();
	size_t len;
	bool done;

	if (!out)
		abort();
	for (int i = 0; i < PQntuples(res); i++) {
		if (PQgetisnull(res, i, LINE))
			continue;
		evbuffer_add_printf(out, "%s\n", PQgetvalue(res, i, LINE));
		++*rows;
	}
	len = evbuffer_get_length(out);
	done = ftruncate(now.fd, *bytes) == 0 &&
	       lseek(now.fd, 0, SEEK_END) == *bytes &&
	       file_write_all(now.fd, evbuffer_pullup(out, -1), len) &&
	       fdatasync(now.fd) == 0;
	*bytes += (long long)len;
	evbuffer_free(out);
	if (!done)
		log_event(LOG_ERROR_, "export_failed", "%s: %s", now.id,
			  strerror(errno));
	return done;
}

/* jobExport: what is next. */
static void
step_done(const PGresult *res)
{
	long long rows, bytes;
	struct stat st;

	tell(NULL);
	now.more = false;
	if (PQntuples(res) == 0) {
		let_go();
		return;
	}
	if (!take(PQgetvalue(res, 0, ID)))
		return;
	rows = atoll(PQgetvalue(res, 0, ROWS));
	bytes = atoll(PQgetvalue(res, 0, BYTES));
	if (fstat(now.fd, &st) || st.st_size < bytes) {
		tell_written(0, 0, NULL); /* lost: begin again */
	} else if (strcmp(PQgetvalue(res, 0, PHASE), "make") == 0) {
		make(PQgetvalue(res, 0, FORMAT), PQgetvalue(res, 0, LINE),
		     PQgetvalue(res, 0, TITLE));
		return;
	} else if (add_lines(res, &rows, &bytes)) {
		tell_written(rows, bytes,
			     PQgetvalue(res, PQntuples(res) - 1, CURSOR));
	} else {
		return;
	}
	now.more = true;
}

static const char *
step_bind(void)
{
	static char *text;

	if (now.making)
		return NULL;
	free(text);
	text = now.news ? json_dumps(now.news, JSON_COMPACT) : xstrdup("{}");
	return text;
}

static bool
step_more(void)
{
	return now.more && !now.making;
}

/* Sweeping ---------------------------------------------------------------- */

/* Names in the folder as an array literal: ours have nothing to be quoted. */
static const char *
sweep_bind(void)
{
	static struct evbuffer *list;
	char *folder = xprintf("%s/" FOLDER, config.data_dir);
	DIR *dir = opendir(folder);
	struct dirent *entry;

	list = list ? list : evbuffer_new();
	evbuffer_drain(list, evbuffer_get_length(list));
	evbuffer_add(list, "{", 1);
	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (name[strspn(name, "0123456789abcdefghijklmnopqrstuvwxyz"
				      "-.")] ||
		    *name == '.')
			continue;
		if (now.making && strncmp(name, now.id, 36) == 0)
			continue;
		evbuffer_add_printf(list, "%s%s",
				    evbuffer_get_length(list) > 1 ? "," : "",
				    name);
	}
	if (dir)
		closedir(dir);
	free(folder);
	evbuffer_add(list, "}", 2);
	return (const char *)evbuffer_pullup(list, -1);
}

static void
sweep_done(const PGresult *res)
{
	for (int i = 0; i < PQntuples(res); i++) {
		char *path = xprintf("%s/" FOLDER "/%s", config.data_dir,
				     PQgetvalue(res, i, 0));

		unlink(path);
		free(path);
	}
}

/* Fetching ---------------------------------------------------------------- */

static int
download_reply(struct request *rq, PGresult *res)
{
	const char *id = encode_meta(res, "file"), *name, *format;
	char *path;
	struct stat st;
	int fd;

	if (!id)
		return fail(rq, "not_found");
	format = encode_meta(res, "format");
	name = encode_meta(res, "name");
	path = path_of(id, format);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	free(path);
	/* Takes the descriptor over; the file goes out without passing here. */
	if (fd < 0 || fstat(fd, &st) ||
	    evbuffer_add_file(rq->out, fd, 0, st.st_size)) {
		log_event(LOG_ERROR_, "export_missing", "%s", id);
		if (fd >= 0)
			close(fd);
		return fail(rq, "storage_unavailable");
	}
	reply_header(
		rq, "Content-Disposition",
		arena_printf(rq->arena, "attachment; filename=\"%s\"", name));
	return reply_bytes(rq, rq->op->status, table_format(format)->media_type,
			   "", 0);
}

const struct job_hook exports_job_hooks[] = {
	{ .query = "jobExport",
	  .bind = step_bind,
	  .done = step_done,
	  .more = step_more },
	{ .query = "jobSweepExports", .bind = sweep_bind, .done = sweep_done },
	{ 0 },
};

const struct hook exports_hooks[] = {
	{ .operation = "downloadExport", .reply = download_reply },
	{ 0 },
};
