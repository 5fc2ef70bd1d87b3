/*
 * Signing in with the token of an outside issuer (OpenID Connect).
 *
 * C is here because the token is verified here, with keys fetched from the
 * issuer; of the person the database gets a blind index and what is sealed,
 * and of the claims only those that its roles hang on.
 */
#include <stdlib.h>
#include <string.h>

#include "linli.h"

#define SUB_MAX 255
/* A token is for signing in now, not for keeping. */
#define AGE_MAX 600

struct oidc {
	const char *token, *issuer, *audience, *acr;
	json_t *names; /* of the claims that roles hang on */
};

static bool
same(const json_t *v, const char *text)
{
	return json_is_string(v) && strcmp(json_string_value(v), text) == 0;
}

/* OpenID Connect Core, 3.1.3.7: with several audiences azp must name us. */
static bool
is_for_us(const json_t *payload, const char *audience)
{
	const json_t *aud = json_object_get(payload, "aud"), *one;
	const json_t *azp = json_object_get(payload, "azp");
	bool named = same(aud, audience);
	size_t i;

	json_array_foreach(aud, i, one)
		named = named || same(one, audience);
	if (azp || json_array_size(aud) > 1)
		return named && same(azp, audience);
	return named;
}

static const char *
fault_of(const struct oidc *o, const json_t *payload)
{
	const json_t *exp = json_object_get(payload, "exp");
	const json_t *iat = json_object_get(payload, "iat");
	const json_t *nbf = json_object_get(payload, "nbf");
	const char *sub =
		json_string_value(json_object_get(payload, "sub"));
	int64_t now = clock_ms() / 1000;

	if (!same(json_object_get(payload, "iss"), o->issuer) ||
	    !is_for_us(payload, o->audience) || !sub || !*sub ||
	    strlen(sub) > SUB_MAX)
		return "token_invalid";
	if (!json_is_integer(exp) || !json_is_integer(iat) ||
	    (nbf && !json_is_integer(nbf)) ||
	    json_integer_value(iat) > now + TOKEN_LEEWAY ||
	    (nbf && json_integer_value(nbf) > now + TOKEN_LEEWAY))
		return "token_invalid";
	if (json_integer_value(exp) <= now - TOKEN_LEEWAY ||
	    json_integer_value(iat) < now - AGE_MAX)
		return "token_expired";
	return NULL;
}

static const char *
name_of(const json_t *payload)
{
	const char *name =
		json_string_value(json_object_get(payload, "name"));

	return name && name[strspn(name, " \t\r\n")] &&
			       utf8_length(name, strlen(name)) <= 64
		       ? name
		       : "外部用户";
}

/* Did the issuer ask for more than a password? By the acr it is known to say
 * then, else by amr (RFC 8176). */
static bool
is_strong(const struct oidc *o, const json_t *payload)
{
	static const char *const methods[] = { "mfa", "otp", "hwk", "sc" };
	const json_t *amr = json_object_get(payload, "amr"), *one;
	size_t i;

	if (o->acr)
		return same(json_object_get(payload, "acr"), o->acr);
	json_array_foreach(amr, i, one)
		for (size_t j = 0; j < sizeof(methods) / sizeof(*methods); j++)
			if (same(one, methods[j]))
				return true;
	return false;
}

static void
bind_person(struct request *rq, const struct oidc *o, const json_t *payload)
{
	const char *sub = json_string_value(json_object_get(payload, "sub"));
	const char *who = arena_printf(rq->arena, "%s\n%s", o->issuer, sub);
	char *hex = arena_alloc(rq->arena, 2 * strlen(who) + 1), *text;
	json_t *claims = json_object(), *name;
	size_t i;

	json_array_foreach(o->names, i, name)
		json_object_set(claims, json_string_value(name),
				json_object_get(payload,
						json_string_value(name)));
	text = json_dumps(claims, JSON_COMPACT);
	json_decref(claims);
	/* As hex the index takes it byte for byte. */
	hex_encode(hex, who, strlen(who));
	request_bind(rq, "subject_index",
		     blind_index(rq->arena, hex, "oidc_subject"));
	request_bind(rq, "subject", seal(rq->arena, who, "oidc_subject"));
	request_bind(rq, "name", name_of(payload));
	request_bind(rq, "claims", text);
	request_bind(rq, "second", is_strong(o, payload) ? "true" : "false");
	free(text);
}

static void
verified(void *arg_, const json_t *payload, const char *why)
{
	struct request *rq = arg_;
	struct oidc *o = rq->hook_data;

	why = why ? why : fault_of(o, payload);
	if (why) {
		if (strcmp(why, "issuer_unavailable") == 0)
			reply_header(rq, "Retry-After", "5");
		session_refuse(rq, NULL, "oidc", why);
		return;
	}
	bind_person(rq, o, payload);
	session_bind(rq, "refresh_hash");
	request_resume(rq);
}

static void
drop_json(void *json)
{
	json_decref(json);
}

static int
issuer_found(struct request *rq, PGresult *res)
{
	struct oidc *o = rq->hook_data;
	const char *url = encode_meta(res, "jwks_url");

	if (!url)
		return session_refuse(rq, NULL, "oidc", "token_invalid");
	o->audience = arena_strdup(rq->arena, encode_meta(res, "audience"));
	o->acr = encode_meta(res, "acr");
	o->acr = o->acr ? arena_strdup(rq->arena, o->acr) : NULL;
	o->names = json_loads(encode_meta(res, "claims"), 0, NULL);
	arena_defer(rq->arena, drop_json, o->names);
	oidc_verify(rq->arena, url, o->token, verified, rq);
	return PENDING;
}

static int
oidc_before(struct request *rq)
{
	struct oidc *o = arena_alloc(rq->arena, sizeof(*o));

	o->token = arg(rq, "id_token");
	o->issuer = jws_claim(rq->arena, o->token, "iss");
	if (!o->issuer || !*o->issuer)
		return session_refuse(rq, NULL, "oidc", "token_malformed");
	rq->hook_data = o;
	request_bind(rq, "issuer", o->issuer);
	return request_query(rq, "issuerFind", issuer_found);
}

/* A verdict, not an error: what an issuer takes away must be committed. */
static int
oidc_reply(struct request *rq, PGresult *res)
{
	if (strcmp(encode_meta(res, "verdict"), "ok") == 0)
		return session_reply(rq, res);
	if (strcmp(encode_meta(res, "verdict"), "weak") == 0)
		return fail(rq, "second_factor_missing");
	return fail(rq, "role_not_granted");
}

const struct hook issuers_hooks[] = {
	{ .operation = "createOidcSession",
	  .binds = { "issuer", "subject_index", "subject", "name", "claims",
		     "second", "refresh_hash", "refresh_seconds",
		     "street_totp" },
	  .before = oidc_before,
	  .reply = oidc_reply },
	{ 0 },
};
