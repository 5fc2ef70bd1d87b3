/*
 * Packing by gzip. BREACH reads a secret out of the lengths of packed replies:
 * it needs a browser that asks again and again with the victim's credentials,
 * and a reply that holds both the secret and text of the attacker's. Here no
 * browser adds a token by itself (there are no cookies), and the only replies
 * that hold secrets, new tokens (x-secret), go out plain.
 */
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "etag.h"
#include "gzip.h"
#include "request_internal.h"

/* Below that, what is saved is hardly a packet. */
#define PACK_LEAST 1024
/* Of what is packed once and for all. */
#define PACK_ONCE_LEVEL 6

void
reply_vary(struct request *rq, const char *name)
{
	const char *had = evhttp_find_header(
		evhttp_request_get_output_headers(rq->ev), "Vary");

	if (had && strstr(had, name))
		return;
	reply_header(rq, "Vary",
		     had ? arena_printf(rq->arena, "%s, %s", had, name) : name);
}

static bool
is_text(const char *type)
{
	const char *mark = type ? strstr(type, "json") : NULL;

	return mark && mark[strlen("json")] == '\0';
}

/* Would be packed for some, and is to be for this one. */
static bool
wanted(struct request *rq, const char *type, size_t len)
{
	bool twice;
	const char *accept;

	if (!config.gzip_level || len < PACK_LEAST || !is_text(type) ||
	    (rq->op && rq->op->secret))
		return false;
	reply_vary(rq, "Accept-Encoding");
	accept = request_header(rq, "Accept-Encoding", &twice);
	return !twice && gzip_asked(accept);
}

static void
mark(struct request *rq)
{
	const char *etag = evhttp_find_header(
		evhttp_request_get_output_headers(rq->ev), "ETag");

	reply_header(rq, "Content-Encoding", "gzip");
	if (etag)
		reply_header(rq, "ETag", etag_packed(rq->arena, etag));
}

void
reply_pack(struct request *rq, const char *type, struct evbuffer *out)
{
	if (evhttp_find_header(evhttp_request_get_output_headers(rq->ev),
			       "Content-Encoding") ||
	    !wanted(rq, type, evbuffer_get_length(out)))
		return;
	gzip_buffer(out, (int)config.gzip_level);
	mark(rq);
}

bool
reply_not_modified(struct request *rq, const char *known, const char *etag)
{
	enum etag_match match = etag_match(known, etag);

	if (match == ETAG_SAME_PACKED)
		reply_header(rq, "ETag", etag_packed(rq->arena, etag));
	if (match != ETAG_OTHER && config.gzip_level && rq->op->reply)
		reply_vary(rq, "Accept-Encoding");
	return match != ETAG_OTHER;
}

static void
pack_once(struct fixed *f)
{
	struct evbuffer *buf = evbuffer_new();
	unsigned char *packed;

	evbuffer_add_reference(buf, f->bytes, f->len, NULL, NULL);
	gzip_buffer(buf, PACK_ONCE_LEVEL);
	f->packed_len = evbuffer_get_length(buf);
	packed = xmalloc(f->packed_len);
	evbuffer_remove(buf, packed, f->packed_len);
	f->packed = packed;
	evbuffer_free(buf);
}

int
reply_fixed(struct request *rq, int status, const char *type, struct fixed *f)
{
	if (!wanted(rq, type, f->len)) {
		evbuffer_add_reference(rq->out, f->bytes, f->len, NULL, NULL);
		return reply_send(rq, status, type, rq->out);
	}
	if (!f->packed)
		pack_once(f);
	evbuffer_add_reference(rq->out, f->packed, f->packed_len, NULL, NULL);
	mark(rq);
	return reply_send(rq, status, type, rq->out);
}
