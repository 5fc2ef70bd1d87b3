/*
 * Signatures of others: clients that prove themselves by a key, and outside
 * issuers. Keys come from a set we keep or have fetched ourselves, never from
 * where a token points; the key says which algorithm may be used with it, so
 * that no token can talk us into another.
 */
#include "jws.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

#include "text.h"

#define TOKEN_MAX 8192
#define COORDINATE 32
#define RSA_MIN 256 /* bytes of modulus */
#define RSA_MAX 512

bool
jws_split(const char *token, size_t len, size_t max, struct jws_pieces *p)
{
	size_t n = 0;

	*p = (struct jws_pieces){ .start = { token } };
	if (len == 0 || len > max)
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

json_t *
jws_object(struct arena *a, const char *s, size_t len)
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

bool
jws_odd(const json_t *header)
{
	static const char *const refused[] = {
		"crit", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "zip",
		"enc", "b64",
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (json_object_get(header, refused[i]))
			return true;
	return false;
}

static const char *
text_of(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s ? s : "";
}

/* A number of a key; NULL when it is not from min to max bytes long. */
static unsigned char *
number_of(struct arena *a, const json_t *jwk, const char *name, size_t min,
	  size_t max, size_t *len)
{
	const char *s = text_of(jwk, name);
	unsigned char *bytes;

	if (!base64url_decode(a, s, strlen(s), &bytes, len) || *len < min ||
	    *len > max)
		return NULL;
	return bytes;
}

static EVP_PKEY *
key_from(const char *type, OSSL_PARAM_BLD *build)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY *key = NULL;

	if (!ctx || !params || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static EVP_PKEY *
ec_key(struct arena *a, const json_t *jwk)
{
	unsigned char point[1 + 2 * COORDINATE] = { 4 }, *x, *y;
	OSSL_PARAM_BLD *build;
	EVP_PKEY *key;
	size_t n;

	x = number_of(a, jwk, "x", COORDINATE, COORDINATE, &n);
	y = number_of(a, jwk, "y", COORDINATE, COORDINATE, &n);
	if (strcmp(text_of(jwk, "crv"), "P-256") != 0 || !x || !y)
		return NULL;
	memcpy(point + 1, x, COORDINATE);
	memcpy(point + 1 + COORDINATE, y, COORDINATE);
	build = OSSL_PARAM_BLD_new();
	OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME,
					"prime256v1", 0);
	OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point,
					 sizeof(point));
	key = key_from("EC", build);
	OSSL_PARAM_BLD_free(build);
	return key;
}

static EVP_PKEY *
rsa_key(struct arena *a, const json_t *jwk)
{
	OSSL_PARAM_BLD *build;
	unsigned char *n, *e;
	size_t n_len, e_len;
	uint32_t exponent = 0;
	BIGNUM *bn, *be;
	EVP_PKEY *key;

	n = number_of(a, jwk, "n", RSA_MIN, RSA_MAX, &n_len);
	e = number_of(a, jwk, "e", 1, 4, &e_len);
	for (size_t i = 0; e && i < e_len; i++)
		exponent = exponent << 8 | e[i];
	/* A leading zero would make a short modulus look long; to the power of
	 * one anybody can sign. */
	if (!n || !(n[0] & 0x80) || exponent < 3 || !(exponent & 1))
		return NULL;
	bn = BN_bin2bn(n, (int)n_len, NULL);
	be = BN_bin2bn(e, (int)e_len, NULL);
	build = OSSL_PARAM_BLD_new();
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, bn);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, be);
	key = key_from("RSA", build);
	OSSL_PARAM_BLD_free(build);
	BN_free(bn);
	BN_free(be);
	return key;
}

static EVP_PKEY *
key_of(struct arena *a, const json_t *jwk)
{
	const char *type = text_of(jwk, "kty"), *use = text_of(jwk, "use");

	if (*use && strcmp(use, "sig") != 0)
		return NULL;
	if (strcmp(type, "EC") == 0)
		return ec_key(a, jwk);
	return strcmp(type, "RSA") == 0 ? rsa_key(a, jwk) : NULL;
}

/* RFC 7518: r and s side by side; OpenSSL wants them in DER. NULL: not so. */
static unsigned char *
der_of(struct arena *a, const unsigned char *raw, size_t len, size_t *out_len)
{
	ECDSA_SIG *sig;
	unsigned char *der = NULL, *copy;
	int n;

	if (len != (size_t)2 * COORDINATE)
		return NULL;
	sig = ECDSA_SIG_new();
	if (!ECDSA_SIG_set0(sig, BN_bin2bn(raw, COORDINATE, NULL),
			    BN_bin2bn(raw + COORDINATE, COORDINATE, NULL)))
		abort();
	n = i2d_ECDSA_SIG(sig, &der);
	ECDSA_SIG_free(sig);
	if (n <= 0)
		return NULL;
	copy = arena_alloc(a, (size_t)n);
	memcpy(copy, der, (size_t)n);
	OPENSSL_free(der);
	*out_len = (size_t)n;
	return copy;
}

static bool
signed_by(struct arena *a, const struct jws_pieces *p, EVP_PKEY *key)
{
	size_t text_len = p->len[0] + 1 + p->len[1], len;
	EVP_MD_CTX *ctx;
	unsigned char *sig;
	bool good;

	if (!base64url_decode(a, p->start[2], p->len[2], &sig, &len))
		return false;
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC)
		sig = der_of(a, sig, len, &len);
	if (!sig)
		return false;
	ctx = EVP_MD_CTX_new();
	good = EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	       EVP_DigestVerify(ctx, sig, len,
				(const unsigned char *)p->start[0],
				text_len) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

/* The key of the set the header names, or the only one of its type. */
static const json_t *
pick(const json_t *jwks, const json_t *header, const char *type)
{
	const char *kid = text_of(header, "kid");
	const json_t *jwk, *found = NULL;
	size_t i;

	json_array_foreach(json_object_get(jwks, "keys"), i, jwk)
	{
		if (strcmp(text_of(jwk, "kty"), type) != 0)
			continue;
		if (*kid && strcmp(text_of(jwk, "kid"), kid) != 0)
			continue;
		if (found)
			return NULL;
		found = jwk;
	}
	return found;
}

static enum jws_verdict
judge(struct arena *a, const struct jws_pieces *p, const json_t *header,
      const json_t *jwks)
{
	const char *alg = text_of(header, "alg");
	const char *type = strcmp(alg, "ES256") == 0   ? "EC"
			   : strcmp(alg, "RS256") == 0 ? "RSA"
						       : NULL;
	enum jws_verdict verdict;
	const json_t *jwk;
	EVP_PKEY *key;

	if (!type || jws_odd(header))
		return JWS_BAD;
	jwk = pick(jwks, header, type);
	if (!jwk)
		return JWS_NO_KEY;
	key = key_of(a, jwk);
	verdict = key && signed_by(a, p, key) ? JWS_GOOD : JWS_BAD;
	EVP_PKEY_free(key);
	return verdict;
}

enum jws_verdict
jws_verify(struct arena *a, const char *token, const json_t *jwks,
	   json_t **payload)
{
	enum jws_verdict verdict = JWS_BAD;
	struct jws_pieces p;
	json_t *header;

	*payload = NULL;
	if (!jws_split(token, strlen(token), TOKEN_MAX, &p))
		return JWS_BAD;
	header = jws_object(a, p.start[0], p.len[0]);
	if (header)
		verdict = judge(a, &p, header, jwks);
	json_decref(header);
	if (verdict == JWS_GOOD)
		*payload = jws_object(a, p.start[1], p.len[1]);
	return verdict == JWS_GOOD && !*payload ? JWS_BAD : verdict;
}

const char *
jws_claim(struct arena *a, const char *token, const char *name)
{
	struct jws_pieces p;
	json_t *payload;
	char *text;

	if (!jws_split(token, strlen(token), TOKEN_MAX, &p))
		return NULL;
	payload = jws_object(a, p.start[1], p.len[1]);
	if (!payload)
		return NULL;
	text = arena_strdup(a, text_of(payload, name));
	json_decref(payload);
	return text;
}

const char *
jws_set_fault(struct arena *a, const json_t *jwks)
{
	json_t *keys = json_object_get(jwks, "keys"), *jwk;
	EVP_PKEY *key;
	size_t i;

	if (!json_array_size(keys))
		return "jwks_invalid";
	json_array_foreach(keys, i, jwk)
	{
		key = json_object_get(jwk, "d") ? NULL : key_of(a, jwk);
		if (!key)
			return "jwks_invalid";
		EVP_PKEY_free(key);
	}
	return NULL;
}
