#include "keys_dir.h"
#include "../../src/metrics_internal.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

static EVP_PKEY *
current_pkey(void)
{
	BIO *bio = BIO_new_mem_buf(keys_current()->private_pem, -1);
	EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	BIO_free(bio);
	return pkey;
}

/* Signs any two texts, however wrong, with a real key: what is refused is
 * refused for its content. */
static char *
forge_bytes(EVP_PKEY *pkey, const char *header, const char *payload,
	    size_t payload_len)
{
	unsigned char der[160], raw[64];
	const unsigned char *p = der;
	size_t len = sizeof(der);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	ECDSA_SIG *sig;
	char *text = arena_printf(a, "%s.%s", b64(header, strlen(header)),
				  b64(payload, payload_len));

	assert_true(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey));
	assert_true(EVP_DigestSign(ctx, der, &len, (unsigned char *)text,
				   strlen(text)));
	EVP_MD_CTX_free(ctx);
	sig = d2i_ECDSA_SIG(NULL, &p, (long)len);
	assert_non_null(sig);
	BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32);
	ECDSA_SIG_free(sig);
	return arena_printf(a, "%s.%s", text, b64(raw, sizeof(raw)));
}

static char *
forge_with(EVP_PKEY *pkey, const char *header, const char *payload)
{
	return forge_bytes(pkey, header, payload, strlen(payload));
}

static char *
forge(const char *header, const char *payload)
{
	EVP_PKEY *pkey = current_pkey();
	char *token = forge_with(pkey, header, payload);

	EVP_PKEY_free(pkey);
	return token;
}

static char *
header(const char *more)
{
	return arena_printf(a, "{\"alg\":\"ES256\",\"kid\":\"%s\"%s}",
			    keys_current()->kid, more);
}

/* A good payload with name set to the JSON text value (NULL: left out). */
static char *
payload(const char *name, const char *value)
{
	static const char *const fields[][2] = {
		{"iss", "\"" ISS "\""},	 {"aud", "\"" AUD "\""},
		{"sub", "\"" UUID_A "\""}, {"sid", "\"" UUID_B "\""},
		{"role", "\"resident\""}, {"street", "7"},
		{"epoch", "3"},		 {"iat", "1795000000"},
		{"exp", "1795000900"},
	};
	char *out = arena_strdup(a, "");
	const char *separator = "{";
	bool seen = false;

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		const char *v = fields[i][1];

		if (name && strcmp(name, fields[i][0]) == 0) {
			v = value;
			seen = true;
		}
		if (!v)
			continue;
		out = arena_printf(a, "%s%s\"%s\":%s", out, separator,
				   fields[i][0], v);
		separator = ",";
	}
	if (name && !seen)
		out = arena_printf(a, "%s,\"%s\":%s", out, name, value);
	return arena_printf(a, "%s}", out);
}

static const char *
verify_at(const char *token, int64_t now)
{
	struct claims c;

	return token_verify(token, strlen(token), ISS, AUD, now, &c);
}

static void
expect(const char *token, const char *code)
{
	const char *got = verify_at(token, NOW);

	if (!code ? got != NULL : !got || strcmp(got, code) != 0)
		fail_msg("%s instead of %s: %s", got ? got : "valid",
			 code ? code : "valid", token);
}

static void
test_round_trip(void **state)
{
	const char *token = signed_token();
	struct claims c = {0};

	(void)state;
	assert_null(token_verify(token, strlen(token), ISS, AUD, NOW, &c));
	assert_string_equal(c.account, UUID_A);
	assert_string_equal(c.session, UUID_B);
	assert_string_equal(c.role, "grid_lead");
	assert_int_equal(c.street, 65535);
	assert_int_equal(c.epoch, 4);
	assert_int_equal(c.iat, NOW);
	assert_int_equal(c.exp, NOW + 900);
	expect(forge(header(""), payload(NULL, NULL)), NULL);
}

/* security 12 */
static void
test_shape(void **state)
{
	const char *good = signed_token();
	size_t n = strlen(good);
	char *longest = arena_alloc(a, 5000), *other;
	struct claims c;

	(void)state;
	expect("", "token_malformed");
	expect(".", "token_malformed");
	expect("..", "token_malformed");
	expect("a.b.c", "token_malformed");
	expect(arena_printf(a, "%s.", good), "token_malformed");
	expect(arena_printf(a, "%s.e30", good), "token_malformed");
	expect(arena_printf(a, "%s=", good), "token_malformed");
	expect(arena_printf(a, " %s", good), "token_malformed");
	expect(arena_printf(a, "%s\n", good), "token_malformed");
	expect(arena_strndup(a, good, n - 1), "token_malformed");
	expect(arena_strndup(a, good, (size_t)(strrchr(good, '.') - good)),
	       "token_malformed");
	memset(longest, 'a', 4097);
	memcpy(longest, good, n);
	expect(longest, "token_malformed");
	/* The last digit of 64 bytes carries 2 bits; others must be zero. */
	other = arena_strdup(a, good);
	assert_non_null(strchr("AQgw", good[n - 1]));
	other[n - 1]++;
	expect(other, "token_malformed");
	/* Byte 0 ends a C string, not a token. */
	other = arena_strndup(a, good, n + 4);
	assert_string_equal(token_verify(other, n + 4, ISS, AUD, NOW, &c),
			    "token_malformed");
}

/* security 12: real signatures, only the size decides. */
static void
test_size(void **state)
{
	char note[4001];

	(void)state;
	memset(note, 'n', sizeof(note));
	for (int n = 2400; n <= 2800; n += 20) {
		char *value = arena_printf(a, "\"%.*s\"", n, note);
		char *token = forge(header(""), payload("note", value));

		expect(token, strlen(token) > 4096 ? "token_malformed" : NULL);
	}
	/* Byte 0 would end the JSON for one reader and not for another. */
	for (size_t more = 0; more < 2; more++) {
		EVP_PKEY *pkey = current_pkey();
		char *text = payload(NULL, NULL);

		expect(forge_bytes(pkey, header(""), text, strlen(text) + more),
		       more ? "token_malformed" : NULL);
		EVP_PKEY_free(pkey);
	}
}

static void
test_signature(void **state)
{
	char *good = signed_token(), *bad = arena_strdup(a, good);
	size_t sig = (size_t)(strrchr(good, '.') - good) + 1;
	EVP_PKEY *stranger = EVP_EC_gen("P-256");

	(void)state;
	bad[sig] = bad[sig] == 'A' ? 'B' : 'A';
	expect(bad, "token_invalid");
	expect(arena_strndup(a, good, sig), "token_invalid");
	expect(arena_printf(a, "%.*sAAAA", (int)sig, good), "token_invalid");
	/* r = s = 0 */
	memset(bad + sig, 'A', 86);
	expect(bad, "token_invalid");
	expect(forge_with(stranger, header(""), payload(NULL, NULL)),
	       "token_invalid");
	EVP_PKEY_free(stranger);
}

/* security 10 */
static void
test_algorithms(void **state)
{
	static const char *const algs[] = {
		"none",	 "None",  "nOnE",  "NONE",  "",	     "HS256", "HS384",
		"RS256", "ES384", "ES512", "PS256", "EdDSA", "es256", "ES256 ",
	};
	const char *pem = keys_current()->public_pem;
	unsigned char mac[32];
	char *h, *text;

	(void)state;
	for (size_t i = 0; i < sizeof(algs) / sizeof(*algs); i++) {
		h = arena_printf(a, "{\"alg\":\"%s\",\"kid\":\"%s\"}", algs[i],
				 keys_current()->kid);
		expect(forge(h, payload(NULL, NULL)), "token_invalid");
		/* and with no signature at all */
		text = arena_printf(a, "%s.%s.", b64(h, strlen(h)),
				    b64(payload(NULL, NULL),
					strlen(payload(NULL, NULL))));
		expect(text, "token_invalid");
	}
	expect(forge(arena_printf(a, "{\"kid\":\"%s\"}", keys_current()->kid),
		     payload(NULL, NULL)), "token_invalid");
	/* The public key is no secret: HMAC with it proves nothing. */
	h = arena_printf(a, "{\"alg\":\"HS256\",\"kid\":\"%s\"}",
			 keys_current()->kid);
	text = arena_printf(a, "%s.%s", b64(h, strlen(h)),
			    b64(payload(NULL, NULL),
				strlen(payload(NULL, NULL))));
	HMAC(EVP_sha256(), pem, (int)strlen(pem), (unsigned char *)text,
	     strlen(text), mac, NULL);
	expect(arena_printf(a, "%s.%s", text, b64(mac, 32)), "token_invalid");
}

/* security 10, 11 */
static void
test_header(void **state)
{
	static const char *const refused[] = {
		",\"crit\":[\"exp\"],\"exp\":1", ",\"crit\":[]",
		",\"jku\":\"https://evil.test/jwks.json\"",
		",\"x5u\":\"https://evil.test/cert\"", ",\"x5c\":[\"MII=\"]",
		",\"jwk\":{\"kty\":\"EC\"}", ",\"typ\":\"refresh\"",
		",\"typ\":\"jwt\"", ",\"typ\":\"at+jwt\"", ",\"typ\":1", ",\"typ\":null",
		",\"zip\":\"DEF\"", ",\"b64\":false",
	};
	static const char *const kids[] = {
		"\"\"", "\"nobody\"", "\"../../etc/passwd\"", "null", "1",
		"\"' or '1'='1\"", "[\"a\"]",
	};
	char *good = payload(NULL, NULL);

	(void)state;
	expect(forge(header(",\"typ\":\"JWT\""), good), NULL);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		expect(forge(header(refused[i]), good), "token_invalid");
	for (size_t i = 0; i < sizeof(kids) / sizeof(*kids); i++)
		expect(forge(arena_printf(a, "{\"alg\":\"ES256\",\"kid\":%s}",
					  kids[i]), good), "token_invalid");
	expect(forge("{\"alg\":\"ES256\"}", good), "token_invalid");
	expect(forge(header(",\"alg\":\"ES256\""), good), "token_malformed");
	expect(forge("[]", good), "token_malformed");
	expect(forge("\"ES256\"", good), "token_malformed");
	expect(forge("{\"alg\":\"ES256\"", good), "token_malformed");
	expect(forge(arena_printf(a, "%s{}", header("")), good),
	       "token_malformed");
	expect(forge(header(""), "null"), "token_malformed");
	expect(forge(header(""), arena_printf(a, "%s ]", good)),
	       "token_malformed");
}

/* security 11 */
static void
test_claims(void **state)
{
	static const char *const cases[][2] = {
		{"iss", NULL}, {"iss", "\"" ISS "/\""}, {"iss", "1"},
		{"aud", NULL}, {"aud", "\"other\""}, {"aud", "[\"" AUD "\"]"},
		{"sub", NULL}, {"sub", "\"7\""}, {"sub", "7"},
		{"sub", "\"" UUID_A " \""}, {"sid", NULL}, {"sid", "\"\""},
		{"role", NULL}, {"role", "\"admin\""}, {"role", "\"system\""},
		{"role", "\"\""}, {"role", "[\"resident\"]"},
		{"street", NULL}, {"street", "0"}, {"street", "65536"},
		{"street", "-1"}, {"street", "\"7\""}, {"street", "7.0"},
		{"epoch", NULL}, {"epoch", "3.5"}, {"epoch", "-1"},
		{"epoch", "\"3\""}, {"epoch", "true"},
		{"exp", NULL}, {"exp", "\"1795000900\""},
		{"exp", "1795000900.0"}, {"exp", "1.7950009e9"},
		{"exp", "-1"}, {"exp", "9007199254740993"},
		{"exp", "9223372036854775807"}, {"exp", "null"},
		{"exp", "1795000000"}, {"exp", "1799000000"},
		{"iat", NULL}, {"iat", "\"1795000000\""}, {"iat", "1795000000.5"},
		{"iat", "-5"}, {"iat", "1795000900"},
		{"nbf", "\"1795000000\""}, {"nbf", "1795000000.5"},
		{"nbf", "-1"}, {"nbf", "null"}, {"nbf", "9007199254740993"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		expect(forge(header(""), payload(cases[i][0], cases[i][1])),
		       "token_invalid");
	/* Beyond 64 bits Jansson itself gives up. */
	expect(forge(header(""), payload("exp", "9223372036854775808")),
	       "token_malformed");
	expect(forge(header(""), payload("exp", "1795000900,\"exp\":1795009999")),
	       "token_malformed");
	expect(forge(header(""), payload("note", "\"kept out of the way\"")),
	       NULL);
}

/* security 11: a minute either way, to the second. */
static void
test_times(void **state)
{
	const char *token = forge(header(""), payload(NULL, NULL));
	const char *late = forge(header(""), payload("nbf", "1795000300"));
	const int64_t exp = NOW + 900, nbf = NOW + 300;

	(void)state;
	assert_null(verify_at(token, NOW - 59));
	assert_string_equal(verify_at(token, NOW - 61), "token_invalid");
	assert_null(verify_at(token, exp + 59));
	assert_string_equal(verify_at(token, exp + 61), "token_expired");
	assert_null(verify_at(late, nbf - 59));
	assert_string_equal(verify_at(late, nbf - 61), "token_invalid");
}

static const char *
cached(const char *token, int64_t now)
{
	struct claims c;

	return token_verify_cached(token, strlen(token), now, &c);
}

static void
test_cache(void **state)
{
	char *one = signed_token(), *why = NULL;
	char *bad = arena_strdup(a, one);
	struct claims c = {0};

	(void)state;
	bad[strlen(bad) - 20] ^= 1;
	assert_null(cached(one, NOW));
	assert_null(token_verify_cached(one, strlen(one), NOW, &c));
	assert_string_equal(c.account, UUID_A);
	assert_int_equal(c.street, 65535);
	assert_non_null(cached(bad, NOW));
	assert_non_null(cached(bad, NOW));
	assert_null(cached(one, NOW + 900 + 59));
	assert_string_equal(cached(one, NOW + 900 + 61), "token_expired");
	assert_string_equal(cached(one, NOW + 900 + 61), "token_expired");
	/* A key taken away takes its tokens along, cached or not. */
	assert_null(cached(one, NOW));
	run("rm %s/*.pem %s/current", dir);
	must(keys_new(dir, &why), &why);
	assert_null(cached(one, NOW));
	must(keys_load(dir, &why), &why);
	assert_string_equal(cached(one, NOW), "token_invalid");
}

/* Of many people at once each is verified once, whoever shares a bucket. */
static void
test_cache_shared(void **state)
{
	static struct metrics_slot counts[2];
	char *tokens[256];

	(void)state;
	metrics.slot = counts;
	metrics_attach(0);
	for (int i = 0; i < 256; i++)
		tokens[i] = signed_token();
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 256; i++)
			assert_null(cached(tokens[i], NOW));
	assert_int_equal(counts[1].tokens[TOKEN_VERIFIED], 256);
	assert_int_equal(counts[1].tokens[TOKEN_CACHED], 512);
	metrics.slot = NULL;
	metrics_attach(-1);
}

/* Many more tokens than places: each still gets its own answer. */
static void
test_cache_overflow(void **state)
{
	char *token = signed_token(), *other;
	size_t n = strlen(token);
	char text[32];
	struct claims c;

	(void)state;
	assert_null(cached(token, NOW));
	for (int i = 0; i < 10000; i++) {
		int len = snprintf(text, sizeof(text), "a%d.b.c", i);

		assert_non_null(token_verify_cached(text, (size_t)len, NOW, &c));
	}
	assert_null(token_verify_cached(token, n, NOW, &c));
	/* As long as a good one, and some of so many in its very place. */
	other = arena_strdup(a, token);
	for (int i = 0; i < 40000; i++) {
		snprintf(text, sizeof(text), "!%06d", i);
		memcpy(other, text, 7);
		assert_non_null(token_verify_cached(other, n, NOW, &c));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip), TEST(test_shape), TEST(test_size),
		TEST(test_signature),  TEST(test_algorithms),
		TEST(test_header),     TEST(test_claims),
		TEST(test_times),      TEST(test_cache), TEST(test_cache_shared),
		TEST(test_cache_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
