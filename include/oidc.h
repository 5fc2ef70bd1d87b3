/* Tokens of outside issuers against the key set at a URL. */
#ifndef LINLI_OIDC_H
#define LINLI_OIDC_H
#include <jansson.h>
#include "arena.h"

#define OIDC_PAUSE_S 5 /* between two fetches, whatever is asked of us */

/* payload: of a token whose signature is good, else NULL and why a problem's
 * code. Perhaps before oidc_verify() returns. */
typedef void oidc_done(void *arg, const json_t *payload, const char *why);
/* token and what arg points to must live as long as a, which the wait holds. */
void oidc_verify(struct arena *a, const char *url, const char *token,
		 oidc_done *done, void *arg);
#endif
