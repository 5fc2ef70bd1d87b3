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
#include "jws.h"
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
	json_t *typ = json_object_get(header, "typ");
	const char *type = json_string_value(typ);

	if (jws_odd(header) || strcmp(string_of(header, "alg"), "ES256") != 0)
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

/* A text that may be missing. */
static bool
text_of(const json_t *payload, const char *name, char *out, size_t size)
{
	const json_t *v = json_object_get(payload, name);
	const char *s = v ? json_string_value(v) : "";

	if (!s || strlen(s) >= size)
		return false;
	strcpy(out, s);
	return true;
}

/* What a program may do, from where and how often. */
static bool
client_of(const json_t *payload, struct claims *out)
{
	int64_t minute, burst;

	if (strcmp(out->role, "client") != 0)
		return true;
	if (!text_of(payload, "scope", out->scope, sizeof(out->scope)) ||
	    !text_of(payload, "nets", out->nets, sizeof(out->nets)) ||
	    !integer_of(payload, "per_minute", false, &minute) ||
	    !integer_of(payload, "burst", false, &burst))
		return false;
	out->per_minute = (long)minute;
	out->burst = (long)burst;
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
	snprintf(out->claim, sizeof(out->claim), "%s %s %ld %ld", out->account,
		 out->role, out->street, out->epoch);
	return client_of(payload, out);
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
	struct jws_pieces p;
	const char *why;
	size_t n;

	if (!jws_split(token, len, TOKEN_MAX, &p) ||
	    !base64url_decode(a, p.start[2], p.len[2], &signature, &n))
		return malformed;
	header = jws_object(a, p.start[0], p.len[0]);
	payload = jws_object(a, p.start[1], p.len[1]);
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

static bool
add_client(jwt_t *jwt, const struct claims *c)
{
	return strcmp(c->role, "client") != 0 ||
	       (!jwt_add_grant(jwt, "scope", c->scope) &&
		!jwt_add_grant(jwt, "nets", c->nets) &&
		!jwt_add_grant_int(jwt, "per_minute", c->per_minute) &&
		!jwt_add_grant_int(jwt, "burst", c->burst));
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
	    !jwt_add_grant_int(jwt, "exp", (long)c->exp) && add_client(jwt, c))
		token = jwt_encode_str(jwt);
	if (!token)
		memory_check();
	jwt_free(jwt);
	return token;
}
