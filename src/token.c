/*
 * Access tokens. libjwt checks the signature and nothing more may be left to
 * it: it takes "none", other algorithms, sloppy base64url, duplicate names,
 * unknown "crit" and expired tokens. So header and payload are read here,
 * strictly, and libjwt only sees what has already the one allowed shape.
 */
#include "token.h"

#include <errno.h>
#include <jansson.h>
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "contract.h"
#include "keys.h"
#include "memory.h"
#include "text.h"

#define TOKEN_MAX 4096
#define SIGNATURE_BYTES 64
/* No token of ours lives longer (demo tokens do for a day). */
#define LIFETIME_MAX (31L * 24 * 60 * 60)
#define EXACT_MAX (INT64_C(1) << 53)

static const char malformed[] = "token_malformed";
static const char invalid[] = "token_invalid";
static const char expired[] = "token_expired";

struct pieces {
	const char *start[3];
	size_t len[3];
};

/* Exactly two dots, and nothing but base64url between them. */
static bool
split(const char *token, size_t len, struct pieces *p)
{
	size_t n = 0;

	*p = (struct pieces){.start = {token}};
	if (len == 0 || len > TOKEN_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = token[i];

		if (c == '.') {
			if (++n == 3)
				return false;
			p->start[n] = token + i + 1;
		} else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			   (c >= '0' && c <= '9') || c == '-' || c == '_') {
			p->len[n]++;
		} else {
			return false;
		}
	}
	return n == 2;
}

/* One JSON object without byte 0, duplicates or anything after it. */
static json_t *
piece_object(struct arena *a, const char *s, size_t len)
{
	unsigned char *text;
	size_t n;
	json_t *object;

	if (!base64url_decode(a, s, len, &text, &n) || n == 0 ||
	    memchr(text, 0, n))
		return NULL;
	object = json_loadb((char *)text, n, JSON_REJECT_DUPLICATES, NULL);
	if (object && !json_is_object(object)) {
		json_decref(object);
		object = NULL;
	}
	return object;
}

static const char *
string_of(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s ? s : "";
}

/* The key the header asks for, or NULL when it asks for anything odd. Keys
 * come from our own folder only, never from where the token points. */
static const struct key *
header_key(const json_t *header)
{
	static const char *const refused[] = {
		"crit", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "zip",
		"enc", "b64",
	};
	json_t *typ = json_object_get(header, "typ");
	const char *type = json_string_value(typ);

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (json_object_get(header, refused[i]))
			return NULL;
	if (strcmp(string_of(header, "alg"), "ES256") != 0)
		return NULL;
	if (typ && (!type || strcmp(type, "JWT") != 0))
		return NULL;
	return keys_find(string_of(header, "kid"));
}

static bool
signature_good(const char *token, size_t len, const struct key *key)
{
	char *text = xmalloc(len + 1); /* libjwt wants the end marked */
	jwt_t *jwt = NULL;
	bool good;

	memcpy(text, token, len);
	errno = 0;
	good = jwt_decode(&jwt, text, (const unsigned char *)key->public_pem,
			  (int)strlen(key->public_pem)) == 0 &&
	       jwt && jwt_get_alg(jwt) == JWT_ALG_ES256;
	if (!good)
		memory_check();
	jwt_free(jwt);
	free(text);
	return good;
}

/* A whole number from 0 to 2^53, written as one; absent is -1 if allowed. */
static bool
integer_of(const json_t *object, const char *name, bool optional, int64_t *out)
{
	json_t *v = json_object_get(object, name);

	if (!v) {
		*out = -1;
		return optional;
	}
	if (!json_is_integer(v))
		return false;
	*out = json_integer_value(v);
	return *out >= 0 && *out <= EXACT_MAX;
}

static bool
uuid_of(const json_t *object, const char *name, char out[37])
{
	const char *s = string_of(object, name);

	if (!uuid_valid(s))
		return false;
	memcpy(out, s, 37);
	return true;
}

static bool
who_of(const json_t *payload, struct claims *out)
{
	const char *role = string_of(payload, "role");
	int64_t street, epoch;

	if (!uuid_of(payload, "sub", out->account) ||
	    !uuid_of(payload, "sid", out->session) || !role_bit(role) ||
	    strlen(role) >= sizeof(out->role) ||
	    !integer_of(payload, "street", false, &street) ||
	    street < (strcmp(role, "visitor") == 0 ? 0 : 1) ||
	    street > 65535 || !integer_of(payload, "epoch", false, &epoch))
		return false;
	strcpy(out->role, role);
	out->street = (long)street;
	out->epoch = (long)epoch;
	return true;
}

static const char *
when_of(const json_t *payload, int64_t now, struct claims *out)
{
	int64_t nbf;

	if (!integer_of(payload, "iat", false, &out->iat) ||
	    !integer_of(payload, "exp", false, &out->exp) ||
	    !integer_of(payload, "nbf", true, &nbf))
		return invalid;
	if (out->exp <= out->iat || out->exp - out->iat > LIFETIME_MAX)
		return invalid;
	if (out->iat > now + TOKEN_LEEWAY || nbf > now + TOKEN_LEEWAY)
		return invalid;
	return now >= out->exp + TOKEN_LEEWAY ? expired : NULL;
}

static const char *
claims_of(const json_t *payload, const char *issuer, const char *audience,
	  int64_t now, struct claims *out)
{
	if (strcmp(string_of(payload, "iss"), issuer) != 0 ||
	    strcmp(string_of(payload, "aud"), audience) != 0 ||
	    !who_of(payload, out))
		return invalid;
	return when_of(payload, now, out);
}

static const char *
verify(struct arena *a, const char *token, size_t len, const char *issuer,
       const char *audience, int64_t now, struct claims *out)
{
	json_t *header, *payload;
	const struct key *key;
	unsigned char *signature;
	struct pieces p;
	const char *why;
	size_t n;

	if (!split(token, len, &p) ||
	    !base64url_decode(a, p.start[2], p.len[2], &signature, &n))
		return malformed;
	header = piece_object(a, p.start[0], p.len[0]);
	payload = piece_object(a, p.start[1], p.len[1]);
	key = header ? header_key(header) : NULL;
	if (!header || !payload)
		why = malformed;
	else if (!key || n != SIGNATURE_BYTES ||
		 !signature_good(token, len, key))
		why = invalid;
	else
		why = claims_of(payload, issuer, audience, now, out);
	json_decref(header);
	json_decref(payload);
	return why;
}

const char *
token_verify(const char *token, size_t len, const char *issuer,
	     const char *audience, int64_t now, struct claims *out)
{
	struct arena *a = arena_new();
	struct claims claims = {0};
	const char *why = verify(a, token, len, issuer, audience, now, &claims);

	if (!why)
		*out = claims;
	arena_free(a);
	return why;
}

char *
token_sign(const struct claims *c, const char *issuer, const char *audience)
{
	const struct key *key = keys_current();
	jwt_t *jwt = NULL;
	char *token = NULL;

	if (!key)
		return NULL;
	errno = 0;
	if (jwt_new(&jwt) != 0)
		abort();
	if (!jwt_set_alg(jwt, JWT_ALG_ES256,
			 (const unsigned char *)key->private_pem,
			 (int)strlen(key->private_pem)) &&
	    !jwt_add_header(jwt, "kid", key->kid) &&
	    !jwt_add_grant(jwt, "iss", issuer) &&
	    !jwt_add_grant(jwt, "aud", audience) &&
	    !jwt_add_grant(jwt, "sub", c->account) &&
	    !jwt_add_grant(jwt, "sid", c->session) &&
	    !jwt_add_grant(jwt, "role", c->role) &&
	    !jwt_add_grant_int(jwt, "street", c->street) &&
	    !jwt_add_grant_int(jwt, "epoch", c->epoch) &&
	    !jwt_add_grant_int(jwt, "iat", (long)c->iat) &&
	    !jwt_add_grant_int(jwt, "exp", (long)c->exp))
		token = jwt_encode_str(jwt);
	if (!token)
		memory_check();
	jwt_free(jwt);
	return token;
}
