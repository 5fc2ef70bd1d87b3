/* Signed tokens of others (RFC 7515): ES256 and RS256 by their JWKS. Strict as
 * token.c, which reads our own with the same two functions. */
#ifndef LINLI_JWS_H
#define LINLI_JWS_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "arena.h"

struct jws_pieces {
	const char *start[3];
	size_t len[3];
};

/* Exactly two dots, and nothing but base64url between them. */
bool jws_split(const char *token, size_t len, size_t max,
	       struct jws_pieces *p);
/* One JSON object without byte 0, duplicates or anything after it; NULL when
 * it is none. The caller frees. */
json_t *jws_object(struct arena *a, const char *s, size_t len);
/* Does the header ask for anything that a token must not choose: keys of its
 * own, extensions, encryption? */
bool jws_odd(const json_t *header);

enum jws_verdict { JWS_GOOD, JWS_BAD, JWS_NO_KEY };
/* *payload is set when the signature is that of a key of the set; NO_KEY: none
 * fits, though a newer set might. */
enum jws_verdict jws_verify(struct arena *a, const char *token,
			    const json_t *jwks, json_t **payload);
/* A text of the payload as it stands, unproven; empty when it has none, NULL
 * when there is no payload. */
const char *jws_claim(struct arena *a, const char *token, const char *name);
/* Why a set will not do as a client's: no key we could verify with, weak or
 * private ones. NULL: fine. */
const char *jws_set_fault(struct arena *a, const json_t *jwks);
#endif
