/*
 * OAuth 2.0 client credentials (RFC 6749 section 4.4) for programs, proven by
 * a secret in the header or the body, or by a signed assertion (RFC 7523).
 *
 * C is here because the protocol is not ours: a form comes in, errors go out
 * in its own JSON, and the token is signed with a key that never leaves this
 * process.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "linli.h"

#define SECRET_BYTES 32
#define ASSERTION_SECONDS 300
#define ASSERTION_TYPE \
	"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

/* ---- the protocol's answers ---- */

static int
answer(struct request *rq, int status, const char *error, const char *why)
{
	reply_header(rq, "Cache-Control", "no-store");
	reply_header(rq, "Pragma", "no-cache");
	if (status == 401)
		reply_header(rq, "WWW-Authenticate", "Basic realm=\"linli\"");
	return reply_json(rq, status, json_pack("{s:s, s:s}", "error", error,
						"error_description", why));
}

static int
bad_request(struct request *rq, const char *why)
{
	return answer(rq, 400, "invalid_request", why);
}

static int
bad_client(struct request *rq)
{
	/* Whatever is wrong: who asks learns nothing about a client. */
	return answer(rq, 401, "invalid_client",
		      "unknown client, or not proven");
}

/* ---- who asks ---- */

/* Basic: both halves are form-encoded before they are joined (RFC 6749, 2.3.1).
 * False: there is a header and it is none. */
static bool
basic_read(struct request *rq, const char **id, const char **secret)
{
	struct evkeyvalq *headers = evhttp_request_get_input_headers(rq->ev);
	const char *header = evhttp_find_header(headers, "Authorization");
	char pair[512], *colon;
	size_t n;

	if (!header)
		return true;
	if (strncasecmp(header, "Basic ", 6) != 0 ||
	    sodium_base642bin((unsigned char *)pair, sizeof(pair) - 1,
			      header + 6, strlen(header + 6), NULL, &n, NULL,
			      sodium_base64_VARIANT_ORIGINAL) != 0)
		return false;
	pair[n] = '\0';
	colon = strchr(pair, ':');
	if (!colon || strlen(pair) != n)
		return false;
	*id = form_decode(rq->arena, pair, (size_t)(colon - pair));
	*secret = form_decode(rq->arena, colon + 1, strlen(colon + 1));
	sodium_memzero(pair, sizeof(pair));
	return *id && *secret;
}

/* ---- a signed assertion ---- */

static bool
is_for_us(const json_t *aud)
{
	const json_t *one;
	size_t i;

	if (json_is_string(aud))
		return strcmp(json_string_value(aud), config.issuer) == 0;
	json_array_foreach(aud, i, one)
		if (json_is_string(one) && is_for_us(one))
			return true;
	return false;
}

static bool
is_client(const json_t *payload, const char *name, const char *client)
{
	const char *s = json_string_value(json_object_get(payload, name));

	return s && strcmp(s, client) == 0;
}

/* RFC 7523, 3: made by the client for us, of now, good once. */
static bool
assertion_fits(struct request *rq, const json_t *payload, const char *client)
{
	int64_t now = clock_ms() / 1000;
	const json_t *exp = json_object_get(payload, "exp");
	const json_t *nbf = json_object_get(payload, "nbf");
	const char *jti = json_string_value(json_object_get(payload, "jti"));
	int64_t end = json_integer_value(exp);

	if (!is_client(payload, "iss", client) ||
	    !is_client(payload, "sub", client) ||
	    !is_for_us(json_object_get(payload, "aud")))
		return false;
	if (!json_is_integer(exp) || end <= now - TOKEN_LEEWAY ||
	    end > now + ASSERTION_SECONDS + TOKEN_LEEWAY)
		return false;
	if (nbf && (!json_is_integer(nbf) ||
		    json_integer_value(nbf) > now + TOKEN_LEEWAY))
		return false;
	if (!jti || !*jti || strlen(jti) > 128)
		return false;
	request_bind(rq, "jti", jti);
	request_bind(rq, "jti_end", arena_printf(rq->arena, "%lld",
						 (long long)end));
	return true;
}

static int
keys_found(struct request *rq, PGresult *res)
{
	const char *assertion = rq->hook_data, *text = encode_meta(res, "jwks");
	json_t *jwks = text ? json_loads(text, 0, NULL) : NULL, *payload;
	bool good = jws_verify(rq->arena, assertion, jwks, &payload) ==
			    JWS_GOOD &&
		    assertion_fits(rq, payload, rq->actor.account);

	json_decref(payload);
	json_decref(jwks);
	if (!good)
		return bad_client(rq);
	request_resume(rq);
	return PENDING;
}

/* ---- issueToken ---- */

/* "{a,b}", NULL when there is no such parameter. */
static const char *
scope_array(struct request *rq, const char *words)
{
	char *out;

	if (!words)
		return NULL;
	out = arena_printf(rq->arena, "{%s}", words);
	for (char *c = out; *c; c++)
		if (*c == ' ')
			*c = ',';
	return out;
}

static bool
scope_fits(const char *words)
{
	return !words || (strlen(words) < 512 && *words != ' ' &&
			  !strstr(words, "  ") &&
			  words[strlen(words) - 1] != ' ' &&
			  strspn(words, "abcdefghijklmnopqrstuvwxyz_: ") ==
				  strlen(words));
}

static int
proven_by_key(struct request *rq, const struct form *form, const char *id,
	      const char *assertion)
{
	const char *type = form_value(form, "client_assertion_type");

	if (!type || strcmp(type, ASSERTION_TYPE) != 0)
		return bad_request(rq, "unknown client_assertion_type");
	rq->hook_data = arena_strdup(rq->arena, assertion);
	if (!id)
		id = jws_claim(rq->arena, assertion, "sub");
	if (!id || !uuid_valid(id))
		return bad_client(rq);
	/* Not yet anybody: has_actor stays false. */
	memcpy(rq->actor.account, id, sizeof(rq->actor.account));
	request_bind(rq, "client", id);
	return request_query(rq, "clientKeys", keys_found);
}

static int
issue_before(struct request *rq)
{
	struct form form = { .count = 0 };
	const char *grant, *id = NULL, *secret = NULL, *assertion;

	if (!form_read(rq->arena, rq->raw, rq->raw_len, &form))
		return bad_request(rq, "the form is not well formed");
	grant = form_value(&form, "grant_type");
	if (!grant)
		return bad_request(rq, "grant_type is missing");
	if (strcmp(grant, "client_credentials") != 0)
		return answer(rq, 400, "unsupported_grant_type",
			      "only client_credentials");
	if (!scope_fits(form_value(&form, "scope")))
		return answer(rq, 400, "invalid_scope", "unknown scope");
	if (!basic_read(rq, &id, &secret))
		return bad_client(rq);
	assertion = form_value(&form, "client_assertion");
	if (!!secret + !!form_value(&form, "client_secret") + !!assertion > 1)
		return bad_request(rq, "more than one way to prove the client");
	if (id && form_value(&form, "client_id") &&
	    strcmp(id, form_value(&form, "client_id")) != 0)
		return bad_request(rq, "two client_ids");
	id = id ? id : form_value(&form, "client_id");
	secret = secret ? secret : form_value(&form, "client_secret");
	request_bind(rq, "wanted_scope",
		     scope_array(rq, form_value(&form, "scope")));
	request_bind(rq, "token_seconds",
		     arena_printf(rq->arena, "%ld",
				  config.access_token_seconds));
	if (assertion)
		return proven_by_key(rq, &form, id, assertion);
	if (!id || !secret || !uuid_valid(id))
		return bad_client(rq);
	request_bind(rq, "client", id);
	request_bind(rq, "secret_hash", session_hash(rq, secret));
	return NEXT;
}

static int
give(struct request *rq, const PGresult *res)
{
	struct claims c = session_claims(res);
	json_t *body;
	char *token;

	c.per_minute = atol(encode_meta(res, "per_minute"));
	c.burst = atol(encode_meta(res, "burst"));
	session_copy(c.scope, sizeof(c.scope), res, "scope");
	session_copy(c.nets, sizeof(c.nets), res, "nets");
	token = token_sign(&c, config.issuer, config.audience);
	if (!token)
		return fail(rq, "internal_error");
	body = json_pack("{s:s, s:s, s:I, s:s}", "access_token", token,
			 "token_type", "Bearer", "expires_in",
			 (json_int_t)(c.exp - c.iat), "scope", c.scope);
	free(token);
	reply_header(rq, "Pragma", "no-cache");
	return reply_json(rq, rq->op->status, body);
}

static int
issue_reply(struct request *rq, PGresult *res)
{
	const char *verdict = encode_meta(res, "verdict");

	if (strcmp(verdict, "ok") == 0)
		return give(rq, res);
	if (strcmp(verdict, "invalid_client") == 0)
		return bad_client(rq);
	return answer(rq, 400, arena_strdup(rq->arena, verdict),
		      strcmp(verdict, "invalid_scope") == 0
			      ? "a scope this client does not have"
			      : "not from this address");
}

/* ---- secrets ---- */

static int
secret_before(struct request *rq)
{
	unsigned char bytes[SECRET_BYTES];
	char text[4 * (SECRET_BYTES + 2) / 3 + 1];

	randombytes_buf(bytes, sizeof(bytes));
	base64url_encode(text, bytes, sizeof(bytes));
	rq->hook_data = arena_strdup(rq->arena, text);
	request_bind(rq, "secret_hash", session_hash(rq, text));
	return NEXT;
}

static int
secret_reply(struct request *rq, PGresult *res)
{
	return reply_json(rq, rq->op->status,
			  json_pack("{s:s, s:s, s:s}", "id",
				    encode_meta(res, "id"), "client_id",
				    encode_meta(res, "client_id"),
				    "client_secret", rq->hook_data));
}

/* ---- clients ---- */

static int
client_before(struct request *rq)
{
	const json_t *jwks = arg_json(rq, "jwks");
	const char *why = NULL;

	if (jwks && !json_is_null(jwks))
		why = jws_set_fault(rq->arena, jwks);
	return why ? fail_at(rq, why, "/jwks") : NEXT;
}

const struct hook oauth_hooks[] = {
	{ .operation = "issueToken",
	  .binds = { "client", "secret_hash", "jti", "jti_end", "wanted_scope",
		     "token_seconds" },
	  .before = issue_before,
	  .reply = issue_reply },
	{ .operation = "addClientSecret",
	  .binds = { "secret_hash" },
	  .before = secret_before,
	  .reply = secret_reply },
	{ .operation = "createClient", .before = client_before },
	{ .operation = "updateClient", .before = client_before },
	{ 0 },
};
