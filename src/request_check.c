/*
 * Authentication and the contract at the door: parameters and headers against
 * the operation, then the body (request_body.c), every fault in one reply.
 */
#include <event2/keyvalq_struct.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "config.h"
#include "etag.h"
#include "proxy.h"
#include "request_internal.h"
#include "text.h"

static bool
has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = words; *at; at += strspn(at, " ")) {
		size_t len = strcspn(at, " ");

		if (len == n && memcmp(at, word, n) == 0)
			return true;
		at += len;
	}
	return false;
}

/* A program: its scopes (RFC 6750) and the networks it calls from. */
static int
client_may(struct request *rq)
{
	if (rq->op->scope && !has_word(rq->actor.scope, rq->op->scope)) {
		reply_header(rq, "WWW-Authenticate",
			     arena_printf(rq->arena,
				"Bearer error=\"insufficient_scope\", "
				"scope=\"%s\"", rq->op->scope));
		return request_turn_away(rq, "insufficient_scope");
	}
	if (*rq->actor.nets && !proxy_within(rq->actor.nets, rq->address))
		return request_turn_away(rq, "address_not_allowed");
	return 0;
}

int
request_authenticate(struct request *rq)
{
	const char *header, *token, *why;
	bool twice;

	if (rq->op->public_)
		return 0;
	header = request_header(rq, "Authorization", &twice);
	if (twice)
		return request_turn_away(rq, "repeated_header");
	if (!header || strncasecmp(header, "Bearer ", 7) != 0)
		return request_turn_away(rq, "unauthenticated");
	token = header + 7;
	why = token_verify_cached(token, strlen(token), clock_ms() / 1000,
				  &rq->actor);
	if (why)
		return request_turn_away(rq, why);
	rq->has_actor = true;
	if (!(role_bit(rq->actor.role) & rq->op->roles))
		return request_turn_away(rq, "role_not_allowed");
	return role_bit(rq->actor.role) == ROLE_CLIENT ? client_may(rq) : 0;
}

static const struct param *
find_query_param(const struct operation *op, const char *name)
{
	for (size_t i = 0; i < op->param_count; i++)
		if (op->params[i].in == IN_QUERY &&
		    strcmp(op->params[i].name, name) == 0)
			return &op->params[i];
	return NULL;
}

static void
unknown_query_params(struct request *rq, struct faults *fs)
{
	for (size_t i = 0; i < rq->uri.param_count; i++) {
		const char *name = rq->uri.params[i].name;

		if (!find_query_param(rq->op, name))
			faults_add(rq, fs, arena_printf(rq->arena, "?%s", name),
			    "unknown_parameter", NULL);
	}
}

static const char *
header_text(struct request *rq, const struct param *p, struct faults *fs)
{
	bool twice;
	const char *text = request_header(rq, p->name, &twice);

	if (twice)
		faults_add(rq, fs, p->pointer, "repeated", NULL);
	if (text && strcasecmp(p->name, "If-Match") == 0) {
		text = etag_version(rq->arena, text);
		if (!text)
			faults_add(rq, fs, p->pointer, "format", "entity tag");
	}
	return text;
}

static const char *
query_text(struct request *rq, const struct param *p)
{
	for (size_t i = 0; i < rq->uri.param_count; i++)
		if (strcmp(rq->uri.params[i].name, p->name) == 0)
			return rq->uri.params[i].value;
	return NULL;
}

/* The path's values are in the order of the path; so are its parameters
 * looked up by counting those before. */
static const char *
path_text(struct request *rq, const struct param *p)
{
	size_t seen = 0;

	for (const struct param *q = rq->op->params; q != p; q++)
		if (q->in == IN_PATH)
			seen++;
	return rq->path_values[seen];
}

static void
release_value(void *value)
{
	json_decref(value);
}

/* A cursor travels as base64url; the query sees its text. */
static bool
decode_cursor(struct request *rq, json_t **value)
{
	const char *text = json_string_value(*value);
	unsigned char *out;
	size_t n;

	if (!base64url_decode(rq->arena, text, strlen(text), &out, &n) ||
	    !utf8_valid((const char *)out, n) || memchr(out, 0, n))
		return false;
	json_decref(*value);
	*value = json_stringn((const char *)out, n);
	return *value != NULL;
}

static void
check_param(struct request *rq, size_t i, struct faults *fs)
{
	const struct param *p = &rq->op->params[i];
	const char *text = p->in == IN_PATH    ? path_text(rq, p)
			   : p->in == IN_QUERY ? query_text(rq, p)
					       : header_text(rq, p, fs);
	json_t *value = NULL;
	struct fault *f;

	if (!text) {
		value = json_incref(schema_default(p->schema));
		if (p->required && p->in != IN_HEADER)
			faults_add(rq, fs, p->pointer, "required", NULL);
	} else {
		f = schema_check_text(p->schema, text, p->pointer, &value,
				      rq->arena);
		faults_append(fs, f);
		if (!f && strcmp(p->bind, "after") == 0 &&
		    !decode_cursor(rq, &value))
			faults_add(rq, fs, p->pointer, "cursor", NULL);
	}
	rq->param_values[i] = value;
	if (value)
		arena_defer(rq->arena, release_value, value);
}

static void
check_params(struct request *rq, struct faults *fs)
{
	const struct operation *op = rq->op;

	rq->param_values = arena_alloc(
		rq->arena, (op->param_count + 1) * sizeof(json_t *));
	unknown_query_params(rq, fs);
	for (size_t i = 0; i < op->param_count; i++)
		check_param(rq, i, fs);
}

static bool
has_path_fault(const struct faults *fs)
{
	for (const struct fault *f = fs->first; f; f = f->next)
		if (f->pointer[0] == ':')
			return true;
	return false;
}

/* A form's boundary is new with every try of the same upload, so it does not
 * count: the body is hashed in the pieces between. */
static void
hash_form(crypto_hash_sha256_state *st, const struct request *rq,
	  const char *boundary, size_t len)
{
	const unsigned char *at = rq->raw, *end = rq->raw + rq->raw_len, *hit;

	while (len && (hit = memmem(at, (size_t)(end - at), boundary, len))) {
		crypto_hash_sha256_update(st, at, (size_t)(hit - at));
		at = hit + len;
	}
	crypto_hash_sha256_update(st, at, (size_t)(end - at));
}

static void
hash_body(crypto_hash_sha256_state *st, struct request *rq)
{
	bool twice;
	const char *type = request_header(rq, "Content-Type", &twice);
	const char *boundary = type ? strcasestr(type, "boundary=") : NULL;

	if (!rq->raw_len)
		return;
	if (!boundary || strncasecmp(type, "multipart/", 10) != 0) {
		crypto_hash_sha256_update(st, rq->raw, rq->raw_len);
		return;
	}
	boundary += strlen("boundary=");
	boundary += *boundary == '"';
	hash_form(st, rq, boundary, strcspn(boundary, "\"; \t"));
}

/* What a repeated Idempotency-Key must agree with: method, target, body. */
static void
hash_request(struct request *rq)
{
	unsigned char digest[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state st;
	const char *target = rq->target;

	crypto_hash_sha256_init(&st);
	crypto_hash_sha256_update(&st, (const unsigned char *)rq->method,
				  strlen(rq->method) + 1);
	crypto_hash_sha256_update(&st, (const unsigned char *)target,
				  strlen(target) + 1);
	hash_body(&st, rq);
	crypto_hash_sha256_final(&st, digest);
	hex_encode(rq->idem_hash, digest, sizeof(digest));
}

int
request_check(struct request *rq)
{
	struct faults fs = { NULL, &fs.first, false };
	int answered;

	check_params(rq, &fs);
	/* An id that cannot be is an id that is not there. */
	if (has_path_fault(&fs))
		return fail(rq, "not_found");
	answered = request_check_body(rq, &fs);
	if (answered)
		return answered;
	if (fs.first)
		return problem_send(rq,
				    fs.in_body ? "invalid_request"
					       : "invalid_parameter",
				    fs.first);
	if (rq->op->conditional && !arg(rq, "if_match"))
		return fail(rq, "precondition_required");
	if (rq->op->idempotent) {
		rq->idem_key = arg(rq, "idempotency_key");
		if (rq->idem_key)
			hash_request(rq);
	}
	if (rq->body && rq->op->body)
		request_seal_personal(rq);
	return 0;
}
