/*
 * Files of persons are taken in: sealed and stored under the id of their row,
 * for the job process to read (imports_job.c).
 *
 * C is here because bytes are, and because the key is not the database's.
 */
#include <string.h>

#include "linli.h"

#define COLUMNS_BYTES 8192

struct intake {
	struct request *rq;
	const unsigned char *bytes; /* in rq->raw */
	size_t len;
	const char *name, *given;
	bool stored;
};

/* {"header": "field"}, null for one to be left out. */
static const char *
read_columns(struct intake *in, const struct part *p)
{
	json_t *given = p->len <= COLUMNS_BYTES
				? json_loadb((const char *)p->bytes, p->len,
					     JSON_REJECT_DUPLICATES, NULL)
				: NULL;
	bool good = json_is_object(given);
	const char *header;
	json_t *field;

	json_object_foreach(given, header, field)
		good = good && (json_is_null(field) ||
				(json_is_string(field) &&
				 roster_field(json_string_value(field)) >= 0));
	json_decref(given);
	in->given = arena_strndup(in->rq->arena, (const char *)p->bytes,
				  p->len);
	return good ? NULL : "columns_invalid";
}

static const char *
file_of_form(struct intake *in)
{
	struct request *rq = in->rq;
	const char *header = evhttp_find_header(
		evhttp_request_get_input_headers(rq->ev), "Content-Type");
	struct part parts[MULTIPART_MAX];
	const char *why;
	size_t count, files = 0;

	if (!multipart_parse(rq->arena, header, rq->raw, rq->raw_len, parts,
			     &count, &why))
		return why;
	for (size_t i = 0; i < count; i++) {
		if (parts[i].filename) {
			in->bytes = parts[i].bytes;
			in->len = parts[i].len;
			in->name = parts[i].filename;
			files++;
		} else if (strcmp(parts[i].name, "columns") == 0 &&
			   (why = read_columns(in, &parts[i]))) {
			return why;
		}
	}
	return files == 1 ? NULL : "one_file_expected";
}

static const char *
find_file(struct intake *in)
{
	struct request *rq = in->rq;
	const char *why = NULL;

	in->bytes = rq->raw;
	in->len = rq->raw_len;
	if (strcmp(rq->content_type, "multipart/form-data") == 0)
		why = file_of_form(in);
	return !why && !in->len ? "one_file_expected" : why;
}

static void
store(void *arg_)
{
	struct intake *in = arg_;

	in->stored = vault_put(in->rq->new_id, in->bytes, in->len);
}

static void
stored(void *arg_)
{
	struct intake *in = arg_;
	struct request *rq = in->rq;

	if (!in->stored) {
		fail(rq, "storage_unavailable");
		return;
	}
	request_bind(rq, "file_name", in->name);
	request_bind(rq, "given", in->given);
	request_bind(rq, "bytes", arena_printf(rq->arena, "%zu", in->len));
	request_resume(rq);
}

static int
allowed(struct request *rq, PGresult *res)
{
	(void)res;
	if (!offload(store, stored, rq->hook_data))
		return fail(rq, "overloaded");
	return PENDING;
}

static int
upload_before(struct request *rq)
{
	struct intake *in = arena_alloc(rq->arena, sizeof(*in));
	const char *why;

	in->rq = rq;
	why = find_file(in);
	if (why)
		return fail(rq, why);
	/* A file without a row is swept; a row without a file would fail. */
	uuid_make(rq->new_id, (unsigned)rq->actor.street);
	rq->hook_data = in;
	request_bind(rq, "grid_id", arg(rq, "grid_id"));
	return request_query(rq, "importRoom", allowed);
}

const struct hook imports_hooks[] = {
	{ .operation = "uploadImport",
	  .binds = { "file_name", "bytes", "given" },
	  .before = upload_before },
	{ 0 },
};
