/* Tokens signed by keys of this run, and those keys as others publish them. */
#ifndef FORGE_H
#define FORGE_H
#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "fuzz.h"
#include "text.h"

static inline char *
forge_b64(struct arena *a, const void *bytes, size_t n)
{
	char *out = arena_alloc(a, 4 * ((n + 2) / 3) + 1);

	base64url_encode(out, bytes, n);
	return out;
}

/* Of a DER signature, r and s as RFC 7518 wants them. */
static inline size_t
forge_raw(unsigned char *sig, size_t len)
{
	const unsigned char *p = sig;
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &p, (long)len);

	must(BN_bn2binpad(ECDSA_SIG_get0_r(pair), sig, 32) == 32);
	must(BN_bn2binpad(ECDSA_SIG_get0_s(pair), sig + 32, 32) == 32);
	ECDSA_SIG_free(pair);
	return 64;
}

static inline char *
forge_token(struct arena *a, EVP_PKEY *key, const char *header,
	    const void *payload, size_t n)
{
	unsigned char sig[256];
	size_t len = sizeof(sig);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	char *text = arena_printf(a, "%s.%s",
				  forge_b64(a, header, strlen(header)),
				  forge_b64(a, payload, n));

	must(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1);
	must(EVP_DigestSign(ctx, sig, &len, (unsigned char *)text,
			    strlen(text)) == 1);
	EVP_MD_CTX_free(ctx);
	if (EVP_PKEY_is_a(key, "EC"))
		len = forge_raw(sig, len);
	return arena_printf(a, "%s.%s", text, forge_b64(a, sig, len));
}

static inline char *
forge_number(struct arena *a, EVP_PKEY *key, const char *name, int size)
{
	unsigned char bytes[256];
	BIGNUM *n = NULL;

	must(EVP_PKEY_get_bn_param(key, name, &n) == 1);
	size = size ? size : BN_num_bytes(n);
	must(BN_bn2binpad(n, bytes, size) == size);
	BN_free(n);
	return forge_b64(a, bytes, (size_t)size);
}

/* The one number that no other key has. */
static inline char *
forge_own(struct arena *a, EVP_PKEY *key)
{
	return EVP_PKEY_is_a(key, "EC")
		       ? forge_number(a, key, OSSL_PKEY_PARAM_EC_PUB_X, 32)
		       : forge_number(a, key, OSSL_PKEY_PARAM_RSA_N, 0);
}

/* Members of a JWK. */
static inline char *
forge_jwk(struct arena *a, EVP_PKEY *key)
{
	if (!EVP_PKEY_is_a(key, "EC"))
		return arena_printf(
			a, "\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"",
			forge_own(a, key),
			forge_number(a, key, OSSL_PKEY_PARAM_RSA_E, 0));
	return arena_printf(
		a, "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"",
		forge_own(a, key),
		forge_number(a, key, OSSL_PKEY_PARAM_EC_PUB_Y, 32));
}

/* ---- three of them: two EC, one RSA ---- */

static EVP_PKEY *forge_keys[3];

static inline void
forge_open(void)
{
	if (forge_keys[0])
		return;
	forge_keys[0] = EVP_EC_gen("P-256");
	forge_keys[1] = EVP_EC_gen("P-256");
	forge_keys[2] = EVP_RSA_gen(2048);
	must(forge_keys[0] && forge_keys[1] && forge_keys[2]);
}

/* @0, @1 and @2 in a text stand for what is public of them. */
static inline char *
forge_set(struct arena *a, const char *text)
{
	char *out = arena_strdup(a, "");

	for (const char *at; (at = strchr(text, '@')); text = at) {
		out = arena_printf(a, "%s%.*s", out, (int)(at - text), text);
		at++;
		if (*at >= '0' && *at <= '2')
			out = arena_printf(a, "%s%s", out,
					   forge_jwk(a, forge_keys[*at++ - '0']));
	}
	return arena_printf(a, "%s%s", out, text);
}

/* How many keys of a set are this one. */
static inline int
forge_count(struct arena *a, const json_t *jwks, EVP_PKEY *key)
{
	const char *name = EVP_PKEY_is_a(key, "EC") ? "x" : "n", *s;
	const json_t *jwk;
	size_t i;
	int count = 0;

	json_array_foreach(json_object_get(jwks, "keys"), i, jwk)
	{
		s = json_string_value(json_object_get(jwk, name));
		count += s && strcmp(s, forge_own(a, key)) == 0;
	}
	return count;
}
#endif
