/*
 * Photos: taken in by any of the ways clients send them, re-encoded without
 * what the camera wrote into them, and given out again to those who may read
 * what they belong to (sql/queries/photos.sql decides that).
 *
 * C is here because bytes are: the database keeps only their hashes.
 */
#include <string.h>

#include "linli.h"

#define DROP_IDLE_SECONDS 3600
/* One of the store's 256 folders at a time: all of them in an hour. The clock
 * says which, so that a new job process goes on where the old one was. */
#define SWEEP_US ((int64_t)14 * 1000 * 1000)
#define SWEEP_FOLDER(now) ((unsigned char)((now) / SWEEP_US))
/* Whoever had to wait for so long has given up, or should. */
#define PATIENCE_US ((int64_t)10 * 1000 * 1000)

struct upload {
	struct request *rq;
	const unsigned char *bytes; /* in rq->raw */
	size_t len;
	const char *why; /* problem code, NULL = stored */
	char photo_hash[65], thumb_hash[65];
	size_t photo_len;
	int width, height;
};

/* The one file among a form's parts; mini-programs send fields beside it. */
static const char *
file_of_form(struct upload *u)
{
	struct request *rq = u->rq;
	const char *header = evhttp_find_header(
		evhttp_request_get_input_headers(rq->ev), "Content-Type");
	struct part parts[MULTIPART_MAX];
	const char *why;
	size_t count, files = 0;

	if (!multipart_parse(rq->arena, header, rq->raw, rq->raw_len, parts,
			     &count, &why))
		return why;
	for (size_t i = 0; i < count; i++) {
		if (!parts[i].filename)
			continue;
		u->bytes = parts[i].bytes;
		u->len = parts[i].len;
		files++;
	}
	return files == 1 ? NULL : "one_photo_expected";
}

static const char *
find_file(struct upload *u)
{
	struct request *rq = u->rq;
	const char *why = NULL;

	u->bytes = rq->raw;
	u->len = rq->raw_len;
	if (strcmp(rq->content_type, "multipart/form-data") == 0)
		why = file_of_form(u);
	if (!why && u->len == 0)
		why = "one_photo_expected";
	if (!why && u->len > (size_t)config.max_photo_bytes)
		why = "body_too_large";
	return why;
}

static void
upload_work(void *arg_)
{
	struct upload *u = arg_;
	struct image image;

	if (monotonic_us() > u->rq->start_us + PATIENCE_US) {
		u->why = "overloaded";
		return;
	}
	u->why = image_convert(u->bytes, u->len, config.max_photo_pixels,
			       &image);
	if (u->why)
		return;
	u->width = image.width;
	u->height = image.height;
	u->photo_len = image.photo_len;
	/* Stored before the row exists: a file without a row wastes room, a row
	 * without a file would be a lie. */
	if (!blob_put(image.photo, image.photo_len, u->photo_hash) ||
	    !blob_put(image.thumb, image.thumb_len, u->thumb_hash))
		u->why = "storage_unavailable";
	image_free(&image);
}

static void
bind_number(struct request *rq, const char *name, size_t number)
{
	request_bind(rq, name, arena_printf(rq->arena, "%zu", number));
}

static void
upload_done(void *arg_)
{
	struct upload *u = arg_;
	struct request *rq = u->rq;

	if (u->why) {
		fail(rq, u->why);
		return;
	}
	request_bind(rq, "photo_hash", u->photo_hash);
	request_bind(rq, "thumb_hash", u->thumb_hash);
	bind_number(rq, "width", (size_t)u->width);
	bind_number(rq, "height", (size_t)u->height);
	bind_number(rq, "bytes", u->photo_len);
	request_resume(rq);
}

/* The session holds and there is room: now it is worth the work. */
static int
upload_allowed(struct request *rq, PGresult *res)
{
	(void)res;
	if (!offload(upload_work, upload_done, rq->hook_data))
		return fail(rq, "overloaded");
	return PENDING;
}

static int
upload_before(struct request *rq)
{
	struct upload *u = arena_alloc(rq->arena, sizeof(*u));

	u->rq = rq;
	u->why = find_file(u);
	if (u->why)
		return fail(rq, u->why);
	rq->hook_data = u;
	return request_query(rq, "uploadRoom", upload_allowed);
}

/* The row says which blob; no row, no photo. */
static int
download_reply(struct request *rq, PGresult *res)
{
	const char *hash = encode_meta(res, "hash");
	const char *known = arg(rq, "if_none_match"), *etag;
	size_t size;
	int fd;

	if (!hash)
		return fail(rq, "not_found");
	/* 128 bits of it tell pictures apart, and stay a short header. */
	etag = arena_printf(rq->arena, "\"%.32s\"", hash);
	reply_header(rq, "ETag", etag);
	if (reply_not_modified(rq, known, etag))
		return reply_empty(rq, 304);
	fd = blob_open(hash, &size);
	/* Takes the descriptor over; the file goes out without passing here. */
	if (fd < 0 || evbuffer_add_file(rq->out, fd, 0, (ev_off_t)size)) {
		log_event(LOG_ERROR_, "blob_missing", "%s", hash);
		return fail(rq, "storage_unavailable");
	}
	reply_header(rq, "Cache-Control", "private, max-age=3600");
	reply_header(rq, "Content-Disposition",
		     "inline; filename=\"photo.jpg\"");
	return reply_bytes(rq, rq->op->status, "image/jpeg", "", 0);
}

/* jobDropPhotos: the rows are hashes no row names any more. If we end before
 * the last is deleted, the rest is waste, not a fault. */
static void
drop_bytes(const PGresult *res)
{
	for (int i = 0; i < PQntuples(res); i++)
		blob_delete(PQgetvalue(res, i, 0), DROP_IDLE_SECONDS);
}

static void
add_hash(const char *hash, void *list)
{
	evbuffer_add_printf(list, "%s%s",
			    evbuffer_get_length(list) > 1 ? "," : "", hash);
}

/* The next folder's old files as an array literal; NULL: not yet, or none. */
static const char *
sweep_hashes(void)
{
	static struct evbuffer *list;
	static int64_t due_us;
	int64_t now = monotonic_us();

	if (now < due_us)
		return NULL;
	due_us = now + SWEEP_US;
	list = list ? list : evbuffer_new();
	evbuffer_drain(list, evbuffer_get_length(list));
	evbuffer_add(list, "{", 1);
	blob_each(SWEEP_FOLDER(now), DROP_IDLE_SECONDS, add_hash, list);
	if (evbuffer_get_length(list) == 1)
		return NULL;
	evbuffer_add(list, "}", 2);
	return (const char *)evbuffer_pullup(list, -1);
}

const struct job_hook photos_job_hooks[] = {
	{ .query = "jobDropPhotos", .done = drop_bytes },
	{ .query = "jobSweepPhotos",
	  .bind = sweep_hashes,
	  .done = drop_bytes },
	{ 0 },
};

const struct hook photos_hooks[] = {
	{ .operation = "uploadPhoto",
	  .binds = { "photo_hash", "thumb_hash", "width", "height", "bytes" },
	  .before = upload_before },
	{ .operation = "downloadPhoto", .reply = download_reply },
	{ .operation = "downloadDispatchPhoto", .reply = download_reply },
	{ .operation = "downloadHazardPhoto", .reply = download_reply },
	{ .operation = "downloadEquipmentPhoto", .reply = download_reply },
	{ 0 },
};
