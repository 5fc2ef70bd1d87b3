/*
 * Tokens and key sets of others: a byte for who signs, then header and payload,
 * a line each, then the set (see forge.h for @). Or, signed by nobody, a token
 * as it stands. A good one was signed by the key of the set that it names, and
 * says what its payload says; no other token says it.
 */
#include "forge.h"
#include "jws.h"

#define NOBODY 3

static struct arena *a;

static bool
says(const json_t *o, const char *name, const char *text)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s && strcmp(s, text) == 0;
}

static json_t *
object_of(const char *text)
{
	json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(o))
		return o;
	json_decref(o);
	return NULL;
}

static bool
is_good(const char *token, const json_t *jwks)
{
	json_t *payload;
	enum jws_verdict verdict = jws_verify(a, token, jwks, &payload);

	must((verdict == JWS_GOOD) == (payload != NULL));
	json_decref(payload);
	return verdict == JWS_GOOD;
}

static void
check_header(const char *header, const json_t *jwks, EVP_PKEY *key)
{
	json_t *h = object_of(header);

	must(h && says(h, "alg", EVP_PKEY_is_a(key, "EC") ? "ES256" : "RS256"));
	must(!json_object_get(h, "crit") && !json_object_get(h, "jwk"));
	must(!json_object_get(h, "jku") && !json_object_get(h, "x5u"));
	must(forge_count(a, jwks, key) > 0);
	json_decref(h);
}

/* With one digit changed, or one less, it says nothing. */
static void
check_changed(const char *token, const json_t *jwks, uint8_t where)
{
	char *bad = arena_strdup(a, token);
	size_t at = where * strlen(bad) / 256;

	bad[at] = bad[at] == 'A' ? 'B' : 'A';
	must(!is_good(bad, jwks));
	bad = arena_strndup(a, token, strlen(token) - 1);
	must(!is_good(bad, jwks));
}

static void
check_claim(const char *token, const char *payload)
{
	const char *iss = jws_claim(a, token, "iss");
	json_t *o = object_of(payload);

	must(!o == !iss);
	must(!o || !json_is_string(json_object_get(o, "iss")) ||
	     says(o, "iss", iss));
	json_decref(o);
}

/* Whatever object is signed by a good set's key is taken. */
static void
check_made(const char *payload, uint8_t where)
{
	json_t *o = object_of(payload), *said, *jwks;
	unsigned n = where % 3;
	char *token = forge_token(
		a, forge_keys[n],
		arena_printf(a, "{\"alg\":\"%s\",\"kid\":\"k%u\"}",
			     n == 2 ? "RS256" : "ES256", n),
		payload, strlen(payload));

	jwks = object_of(forge_set(
		a, "{\"keys\":[{\"kid\":\"k0\",@0},{\"kid\":\"k1\",@1},"
		   "{\"kid\":\"k2\",@2,\"use\":\"sig\"}]}"));
	must(!jws_set_fault(a, jwks));
	must(is_good(token, jwks) == (o != NULL));
	if (o) {
		must(jws_verify(a, token, jwks, &said) == JWS_GOOD);
		must(json_equal(said, o));
		json_decref(said);
		check_changed(token, jwks, where);
	}
	check_claim(token, payload);
	json_decref(jwks);
	json_decref(o);
}

/* To the power of one anybody can sign. */
static bool
is_one(const char *e)
{
	unsigned char *bytes;
	size_t n;

	must(base64url_decode(a, e, strlen(e), &bytes, &n) && n > 0);
	while (n > 1 && !*bytes)
		bytes++, n--;
	return n == 1 && *bytes == 1;
}

/* What a client may register: public keys, none of them weak. */
static void
check_set(const json_t *jwks)
{
	const json_t *keys = json_object_get(jwks, "keys"), *jwk;
	size_t i;

	if (jws_set_fault(a, jwks))
		return;
	must(json_array_size(keys) > 0);
	json_array_foreach(keys, i, jwk)
	{
		must(!json_object_get(jwk, "d"));
		must(!json_object_get(jwk, "use") || !says(jwk, "use", "enc"));
		if (says(jwk, "kty", "EC")) {
			must(says(jwk, "crv", "P-256"));
			continue;
		}
		must(says(jwk, "kty", "RSA"));
		must(!is_one(json_string_value(json_object_get(jwk, "e"))));
		must(json_string_length(json_object_get(jwk, "n")) >= 342);
	}
}

/* security 17, 51 */
int
LLVMFuzzerTestOneInput(const uint8_t *s, size_t n)
{
	char *header, *payload, *token;
	uint8_t where, who;
	json_t *jwks;

	if (!n)
		return 0;
	forge_open();
	a = arena_new();
	where = *s++, n--;
	who = where % 4;
	header = fuzz_cut(a, &s, &n, '\n');
	payload = fuzz_cut(a, &s, &n, '\n');
	jwks = json_loads(forge_set(a, fuzz_cut(a, &s, &n, '\0')), 0, NULL);
	check_set(jwks);
	if (who == NOBODY) {
		must(!is_good(header, jwks));
		jws_claim(a, header, "iss");
	} else {
		token = forge_token(a, forge_keys[who], header, payload,
				    strlen(payload));
		if (is_good(token, jwks)) {
			check_header(header, jwks, forge_keys[who]);
			check_changed(token, jwks, where);
		}
		check_made(payload, where);
	}
	json_decref(jwks);
	arena_free(a);
	return 0;
}
