/*
 * What the world sees of the signing keys (RFC 7517, RFC 7638).
 */
#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "keys.h"
#include "text.h"

#define COORDINATE 32

static bool
is_p256(EVP_PKEY *pkey)
{
	char group[32];
	size_t len;

	return EVP_PKEY_get_base_id(pkey) == EVP_PKEY_EC &&
	       EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) &&
	       strcmp(group, "prime256v1") == 0;
}

static bool
coordinate(EVP_PKEY *pkey, const char *name, char out[44])
{
	unsigned char bytes[COORDINATE];
	BIGNUM *bn = NULL;
	bool done;

	/* Padded: a coordinate may start with zero bytes. */
	done = EVP_PKEY_get_bn_param(pkey, name, &bn) &&
	       BN_bn2binpad(bn, bytes, COORDINATE) == COORDINATE;
	BN_free(bn);
	if (done)
		base64url_encode(out, bytes, COORDINATE);
	return done;
}

bool
jwks_describe(EVP_PKEY *pkey, struct key *out)
{
	unsigned char digest[crypto_hash_sha256_BYTES];
	char text[256];
	int n;

	if (!is_p256(pkey) ||
	    !coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_X, out->x) ||
	    !coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, out->y))
		return false;
	/* RFC 7638: exactly these members, in this order, without spaces. */
	n = snprintf(text, sizeof(text),
		     "{\"crv\":\"P-256\",\"kty\":\"EC\","
		     "\"x\":\"%s\",\"y\":\"%s\"}",
		     out->x, out->y);
	crypto_hash_sha256(digest, (unsigned char *)text, (size_t)n);
	base64url_encode(out->kid, digest, sizeof(digest));
	return true;
}

char *
jwks_text(const struct key *first)
{
	json_t *keys = json_array(), *doc = json_pack("{s:o}", "keys", keys);
	char *text;

	for (const struct key *k = first; k; k = k->next)
		json_array_append_new(
			keys, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}",
					"kty", "EC", "crv", "P-256", "x", k->x,
					"y", k->y, "kid", k->kid, "alg",
					"ES256", "use", "sig"));
	text = json_dumps(doc, JSON_COMPACT);
	json_decref(doc);
	if (!text)
		abort();
	return text;
}
