/*
 * What an operation takes and what it gives.
 */
#include <stdlib.h>
#include <string.h>

#include "contract_internal.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define JSON_MEDIA "application/json"
#define GEO_MEDIA "application/geo+json" /* RFC 7946 */

static void
add_media(struct loader *l, const char *type)
{
	struct operation *op = l->op;

	if (op->media_count == COUNT(op->media)) {
		contract_fault(l, "more than %zu media types",
			       COUNT(op->media));
		return;
	}
	if (type[strcspn(type, "ABCDEFGHIJKLMNOPQRSTUVWXYZ; *")] ||
	    !strchr(type, '/'))
		contract_fault(l, "media type '%s' must be plain, lower case",
			       type);
	op->media[op->media_count++] = type;
}

void
contract_body(struct loader *l)
{
	static const char *const known[] = { "description", "required",
					     "content", NULL };
	json_t *body = json_object_get(l->node, "requestBody"), *media;
	const char *type;

	if (!body)
		return;
	body = contract_deref(l, body);
	contract_members(l, body, "requestBody", known);
	l->op->has_body = true;
	l->op->body_required = json_is_true(json_object_get(body, "required"));
	if (strcmp(l->op->method, "GET") == 0)
		contract_fault(l, "a GET has no body");
	if (json_object_size(json_object_get(body, "content")) == 0)
		contract_fault(l, "requestBody without content");
	json_object_foreach(json_object_get(body, "content"), type, media)
	{
		if (strcmp(type, JSON_MEDIA) == 0)
			l->op->body = contract_schema(
				l, json_object_get(media, "schema"),
				"requestBody");
		else
			add_media(l, type);
	}
}

/* {items: […], next} and nothing else is a list; all else a plain object. */
static void
note_list(struct operation *op)
{
	const struct schema *items;

	if (!schema_has_type(op->reply, "object") ||
	    schema_property_count(op->reply) != 2 ||
	    !schema_property(op->reply, "next"))
		return;
	items = schema_property(op->reply, "items");
	if (!items || !schema_items(items))
		return;
	op->reply_list = true;
	op->reply_item = schema_items(items);
}

static void
note_row(struct operation *op)
{
	const struct schema *row;

	note_list(op);
	row = op->reply_list ? op->reply_item : op->reply;
	if (schema_any_extension(row, "x-personal"))
		op->reply_sealed = row;
}

/* The key of the one 2xx reply, NULL with a fault when there is not one. */
static const char *
find_success(struct loader *l, json_t *responses)
{
	const char *found = NULL, *key;
	json_t *response;

	json_object_foreach(responses, key, response)
	{
		char *end;
		long status = strtol(key, &end, 10);

		if (strcmp(key, "default") != 0 &&
		    (*end || status < 200 || status > 599))
			contract_fault(l, "response '%s' is no status", key);
		if (key[0] != '2')
			continue;
		if (found)
			contract_fault(l, "replies %s and %s: only one 2xx",
				       found, key);
		found = key;
	}
	if (!found)
		contract_fault(l, "no 2xx reply");
	return found;
}

void
contract_reply(struct loader *l)
{
	json_t *responses = json_object_get(l->node, "responses");
	const char *key = find_success(l, responses);
	json_t *response, *content, *media;

	if (!key)
		return;
	l->op->status = (int)strtol(key, NULL, 10);
	response = contract_deref(l, json_object_get(responses, key));
	content = json_object_get(response, "content");
	l->op->reply_media =
		json_object_get(content, GEO_MEDIA) ? GEO_MEDIA : JSON_MEDIA;
	media = json_object_get(content, l->op->reply_media);
	if (l->op->status == 204) {
		if (content)
			contract_fault(l, "a 204 has no content");
		return;
	}
	if (json_object_size(content) == 0)
		contract_fault(l, "reply %s without content", key);
	if (!media)
		return;
	l->op->reply =
		contract_schema(l, json_object_get(media, "schema"), "reply");
	if (l->op->reply)
		note_row(l->op);
}
