/*
 * Access tokens: a byte for what is done with the rest. It is a token as it
 * stands, which nobody can make without our key; or header and payload, a line
 * each (@ stands for our key's id), signed by our key whatever they say. Then
 * a valid token says what its payload says, and no other token says it.
 */
#include <openssl/pem.h>
#include <unistd.h>

#include "config.h"
#include "forge.h"
#include "keys.h"
#include "token.h"

#define NOW INT64_C(1795000000)
#define ISS "linli"
#define AUD "linli"

static struct arena *a;
static EVP_PKEY *pkey;

static void
open_keys(void)
{
	char dir[] = "/tmp/linli-fuzz-XXXXXX", *why = NULL, *command;
	BIO *bio;

	must(mkdtemp(dir));
	must(keys_new(dir, &why) && keys_load(dir, &why));
	command = xprintf("rm -r %s", dir);
	must(system(command) == 0);
	free(command);
	bio = BIO_new_mem_buf(keys_current()->private_pem, -1);
	pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	must(pkey);
	config.issuer = config.audience = (char *)ISS;
}

/* The cache never changes the answer, and a refusal fills in nothing. */
static const char *
verify(const char *token, size_t n, struct claims *c)
{
	static const struct claims none;
	struct claims again = { 0 };
	const char *why, *cached;

	memset(c, 0, sizeof(*c));
	why = token_verify(token, n, ISS, AUD, NOW, c);
	must(!why || strcmp(why, "token_malformed") == 0 ||
	     strcmp(why, "token_invalid") == 0 ||
	     strcmp(why, "token_expired") == 0);
	must(!why || memcmp(c, &none, sizeof(none)) == 0);
	for (int i = 0; i < 2; i++) {
		cached = token_verify_cached(token, n, NOW, &again);
		must(why ? cached && strcmp(cached, why) == 0 : !cached);
		must(memcmp(c, &again, sizeof(again)) == 0);
	}
	return why;
}

static json_int_t
number(const json_t *o, const char *name)
{
	must(json_is_integer(json_object_get(o, name)));
	return json_integer_value(json_object_get(o, name));
}

static bool
says(const json_t *o, const char *name, const char *text)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s && strcmp(s, text) == 0;
}

static void
check_claims(const struct claims *c, const char *header,
	     const uint8_t *payload, size_t n)
{
	json_t *h = json_loads(header, JSON_REJECT_DUPLICATES, NULL);
	json_t *o = json_loadb((const char *)payload, n,
			       JSON_REJECT_DUPLICATES, NULL);

	must(h && says(h, "alg", "ES256"));
	must(says(h, "kid", keys_current()->kid));
	must(!json_object_get(h, "crit") && !json_object_get(h, "jwk"));
	must(o && says(o, "iss", ISS) && says(o, "aud", AUD));
	must(says(o, "sub", c->account) && uuid_valid(c->account));
	must(says(o, "sid", c->session) && uuid_valid(c->session));
	must(says(o, "role", c->role) && *c->role);
	must(number(o, "street") == c->street);
	must(number(o, "epoch") == c->epoch);
	must(number(o, "iat") == c->iat && number(o, "exp") == c->exp);
	must(c->street >= 1 && c->street <= 65535 && c->epoch >= 0);
	must(c->iat < c->exp && c->iat <= NOW + TOKEN_LEEWAY);
	must(c->exp + TOKEN_LEEWAY > NOW);
	must(!json_object_get(o, "nbf") ||
	     number(o, "nbf") <= NOW + TOKEN_LEEWAY);
	json_decref(h);
	json_decref(o);
}

/* Signed anew it says the same; with one digit changed it says nothing. */
static void
check_token(const struct claims *c, const char *token, uint8_t where)
{
	char *own = token_sign(c, ISS, AUD), *bad = arena_strdup(a, token);
	size_t at = where * strlen(bad) / 256;
	struct claims again;

	must(own && !verify(own, strlen(own), &again));
	must(memcmp(c, &again, sizeof(again)) == 0);
	free(own);
	bad[at] = bad[at] == 'A' ? 'B' : 'A';
	must(verify(bad, strlen(bad), &again));
	must(verify(token, strlen(token) - 1, &again));
}

/* security 51 */
int
LLVMFuzzerTestOneInput(const uint8_t *s, size_t n)
{
	char *header, *token;
	struct claims c;
	uint8_t where;

	if (!pkey)
		open_keys();
	if (!n)
		return 0;
	a = arena_new();
	where = *s++;
	n--;
	if (where == 0) {
		must(verify((const char *)s, n, &c));
	} else {
		header = fuzz_cut(a, &s, &n, '\n');
		if (strchr(header, '@'))
			header = arena_printf(
				a, "%.*s%s%s", (int)strcspn(header, "@"),
				header, keys_current()->kid,
				strchr(header, '@') + 1);
		token = forge_token(a, pkey, header, s, n);
		if (!verify(token, strlen(token), &c)) {
			check_claims(&c, header, s, n);
			check_token(&c, token, where);
		}
	}
	arena_free(a);
	return 0;
}
