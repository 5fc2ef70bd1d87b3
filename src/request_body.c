/*
 * The body at the door: media type, JSON text, schema. What Jansson lets pass
 * is refused here, and personal fields leave this file as ciphertext.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "request_internal.h"
#include "seal.h"

#define MAX_DEPTH 32

void
faults_append(struct faults *fs, struct fault *f)
{
	*fs->end = f;
	while (*fs->end)
		fs->end = &(*fs->end)->next;
}

void
faults_add(struct request *rq, struct faults *fs, const char *pointer,
	   const char *code, const char *limit)
{
	struct fault *f = arena_alloc(rq->arena, sizeof(*f));

	f->pointer = pointer;
	f->code = code;
	f->limit = limit;
	faults_append(fs, f);
}

/* Sets content_type, lower case, without parameters; false when there is none,
 * or JSON in another charset than UTF-8. */
static bool
media_type(struct request *rq)
{
	bool twice;
	const char *header = request_header(rq, "Content-Type", &twice);
	const char *charset;
	char *type;

	if (!header || twice)
		return false;
	type = arena_strndup(rq->arena, header, strcspn(header, "; \t"));
	for (char *c = type; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	rq->content_type = type;
	charset = strcasestr(header, "charset=");
	if (!charset || strcmp(type, "application/json") != 0)
		return true;
	charset += strlen("charset=");
	charset += *charset == '"';
	return strncasecmp(charset, "utf-8", 5) == 0;
}

/* Jansson accepts text behind a NUL and nests 2048 deep: look before it does.
 * NULL when fine, else a fault code. */
static const char *
json_prescan(const unsigned char *s, size_t n)
{
	int depth = 0;
	bool quoted = false;

	if (memchr(s, 0, n))
		return "nul_byte";
	for (size_t i = 0; i < n; i++) {
		unsigned char c = s[i];

		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
			continue;
		}
		if (c == '"')
			quoted = true;
		else if ((c == '{' || c == '[') && ++depth > MAX_DEPTH)
			return "too_deep";
		else if (c == '}' || c == ']')
			depth--;
	}
	return NULL;
}

static int
parse_json(struct request *rq)
{
	const char *why = json_prescan(rq->raw, rq->raw_len);
	json_error_t error;
	struct fault *f;

	if (!why)
		rq->body = json_loadb((const char *)rq->raw, rq->raw_len,
				      JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
				      &error);
	if (rq->body)
		return 0;
	f = arena_alloc(rq->arena, sizeof(*f));
	f->pointer = "";
	f->code = why ? why : "syntax";
	f->limit = why ? NULL
		       : arena_printf(rq->arena, "%d:%d", error.line,
				      error.column);
	return problem_send(rq, "invalid_json", f);
}

static bool
accepts_media(const struct request *rq)
{
	const struct operation *op = rq->op;

	for (size_t i = 0; i < op->media_count; i++)
		if (strcmp(op->media[i], rq->content_type) == 0)
			return true;
	return false;
}

static bool
is_kind(json_t *kind, const char *name)
{
	const char *text = json_string_value(kind);

	return text && strcmp(text, name) == 0;
}

static void
body_put(struct request *rq, const char *name, const char *suffix,
	 const char *text)
{
	json_object_set_new(rq->body, arena_printf(rq->arena, "%s%s", name,
						   suffix), json_string(text));
}

/* What an ID number tells beside itself, before it is sealed: the day of
 * birth and the sex (GB 11643: the digit before the last is odd for men). */
static void
put_id_number(struct request *rq, const char *name, const char *id)
{
	body_put(rq, name, "_born",
		 arena_printf(rq->arena, "%.4s-%.2s-%.2s", id + 6, id + 10,
			      id + 12));
	body_put(rq, name, "_sex", (id[16] - '0') % 2 ? "male" : "female");
	body_put(rq, name, "_mask",
		 arena_printf(rq->arena, "%.3s***************", id));
}

/* Personal fields never reach the database in clear: the field becomes its
 * ciphertext, with its mask and its blind index beside it. */
void
request_seal_personal(struct request *rq)
{
	size_t n = schema_property_count(rq->op->body);

	for (size_t i = 0; i < n; i++) {
		const char *name = schema_property_name(rq->op->body, i);
		const struct schema *s = schema_property(rq->op->body, name);
		json_t *kind = schema_extension(s, "x-personal");
		const char *text =
			json_string_value(json_object_get(rq->body, name));
		char *plain;

		if (!text || !kind)
			continue;
		plain = arena_strdup(rq->arena, text);
		if (is_kind(kind, "id_number")) {
			/* Its format makes sure of its 18 characters; the
			 * last may be typed either way. */
			if (plain[17] == 'x')
				plain[17] = 'X';
			put_id_number(rq, name, plain);
		} else if (!is_kind(kind, "text")) {
			body_put(rq, name, "_mask",
				 mask_phone(rq->arena, plain));
		}
		/* Nobody looks for a whole text. */
		if (!is_kind(kind, "text"))
			body_put(rq, name, "_index",
				 blind_index(rq->arena, plain, name));
		body_put(rq, name, "", seal(rq->arena, plain, name));
	}
}

int
request_check_body(struct request *rq, struct faults *fs)
{
	const struct operation *op = rq->op;
	struct fault *f;
	int answered;

	if (!op->has_body) {
		/* wx.request sends "{}" where nothing is meant. */
		if (rq->raw_len && !(rq->raw_len == 2 &&
				     memcmp(rq->raw, "{}", 2) == 0))
			return fail(rq, "unexpected_body");
		return 0;
	}
	if (!rq->raw_len) {
		if (op->body_required) {
			faults_add(rq, fs, "", "required", NULL);
			fs->in_body = true;
		}
		return 0;
	}
	if (!media_type(rq))
		return fail(rq, "unsupported_media_type");
	if (!op->body || strcmp(rq->content_type, "application/json") != 0)
		return accepts_media(rq) ? 0
					 : fail(rq, "unsupported_media_type");
	answered = parse_json(rq);
	if (answered)
		return answered;
	f = schema_check(op->body, &rq->body, rq->arena);
	fs->in_body = fs->in_body || f;
	faults_append(fs, f);
	return 0;
}
