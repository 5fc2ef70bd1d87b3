/* Access tokens: ES256 JWT by libjwt behind checks it lacks (measured.md's
 * list), plus our signing keys and their JWKS. */
#ifndef LINLI_TOKEN_H
#define LINLI_TOKEN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct claims {
	char account[37]; /* sub */
	char session[37]; /* sid */
	char role[16];
	long street;
	long epoch;
	char claim[96];   /* account, role, street and epoch as core.enter()
			     compares them; of a verified token only */
	int64_t iat, exp; /* seconds */
	/* Of the role client only: */
	char scope[192]; /* words of ClientScope */
	char nets[400];  /* from where; empty: from anywhere */
	long per_minute, burst;
};

enum {
	TOKEN_LEEWAY = 60, /* seconds of clock difference forgiven */
};

/* Keys live as <dir>/<kid>.pem (EC P-256 private, mode 0600), the one that
 * signs named by <dir>/current; older ones still verify until deleted.
 * Refuses world- or group-readable files, other curves, kid ≠ RFC 7638
 * thumbprint. False: *why. Reload-safe: on failure the old set stays. */
bool keys_load(const char *dir, char **why);
bool keys_new(const char *dir, char **why);    /* first key; error if any */
bool keys_rotate(const char *dir, char **why); /* new current, old verify */
bool keys_list(const char *dir, char **why);   /* prints kid, state, created */
const char *keys_jwks(size_t *len);            /* JSON of the public set */

/* Signs with the current key; malloc'd compact JWS, NULL on failure. */
char *token_sign(const struct claims *c, const char *issuer,
		 const char *audience);
/* NULL = valid, claims filled; else a stable problem code: token_malformed,
 * token_expired, token_invalid. Leeway 60 s on iat, nbf (forwards) and exp. */
const char *token_verify(const char *token, size_t len, const char *issuer,
			 const char *audience, int64_t now, struct claims *out);
/* The same with a per-process cache of verified tokens, until exp or
 * keys_load(). */
const char *token_verify_cached(const char *token, size_t len, int64_t now,
				struct claims *out);
#endif
