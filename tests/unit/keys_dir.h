/* A temporary folder of signing keys around each test, and what tests of keys
 * and tokens share. */
#ifndef KEYS_DIR_H
#define KEYS_DIR_H
#include "token.h"

#include "config.h"
#include "keys.h"
#include "temp_dir.h"
#include "text.h"

#define NOW INT64_C(1795000000)
#define ISS "https://linli.test"
#define AUD "linli"
#define UUID_A "019a5c1e-0000-8001-8000-000000000001"
#define UUID_B "019a5c1e-0000-8001-8000-000000000002"

static inline void
run(const char *fmt, const char *arg)
{
	assert_int_equal(system(arena_printf(a, fmt, dir, arg)), 0);
}

static inline char *
in_dir(const char *name)
{
	return arena_printf(a, "%s/%s", dir, name);
}

static inline void
must(bool ok, char **why)
{
	if (!ok)
		fail_msg("%s", *why);
}

static inline void
fails(bool ok, char **why, const char *expected)
{
	assert_false(ok);
	assert_non_null(*why);
	if (!strstr(*why, expected))
		fail_msg("\"%s\" does not say \"%s\"", *why, expected);
	free(*why);
}

static inline int
setup(void **state)
{
	char *why = NULL;

	(void)state;
	make_dir();
	config.issuer = (char *)ISS;
	config.audience = (char *)AUD;
	must(keys_new(dir, &why), &why);
	must(keys_load(dir, &why), &why);
	return 0;
}

/* base64url in the arena. */
static inline char *
b64(const void *bytes, size_t n)
{
	char *out = arena_alloc(a, 4 * ((n + 2) / 3) + 1);

	base64url_encode(out, bytes, n);
	return out;
}

static inline char *
signed_token(void)
{
	struct claims c = {
		.account = UUID_A, .session = UUID_B, .role = "grid_lead",
		.street = 65535, .epoch = 4, .iat = NOW, .exp = NOW + 900,
	};
	char *token = token_sign(&c, ISS, AUD), *copy;

	assert_non_null(token);
	copy = arena_strdup(a, token);
	free(token);
	return copy;
}
#endif
