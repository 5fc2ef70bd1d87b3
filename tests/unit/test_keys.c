#include "keys_dir.h"

#include <jansson.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/stat.h>

static const char *
verdict(const char *token)
{
	struct claims c;

	return token_verify(token, strlen(token), ISS, AUD, NOW, &c);
}

/* security 17 */
static void
test_rotation(void **state)
{
	char *old = signed_token(), *why = NULL;
	char first[KID_LENGTH + 1];

	(void)state;
	strcpy(first, keys_current()->kid);
	must(keys_rotate(dir, &why), &why);
	must(keys_load(dir, &why), &why);
	assert_string_not_equal(keys_current()->kid, first);
	assert_null(verdict(old));
	assert_null(verdict(signed_token()));
	run("test -z \"$(ls -A %s | grep -v -e pem -e current)\"%s", "");
	run("rm %s/%s.pem", first);
	must(keys_load(dir, &why), &why);
	assert_string_equal(verdict(old), "token_invalid");
	fails(keys_new(dir, &why), &why, "already");
}

/* security 17 */
static void
test_key_files(void **state)
{
	const char *kid = keys_current()->kid;
	char *pem = in_dir(arena_printf(a, "%s.pem", kid)), *why = NULL;
	char *good = signed_token();
	struct stat st;

	(void)state;
	assert_int_equal(stat(pem, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(in_dir("current"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	for (int mode = 0604; mode <= 0640; mode += 0640 - 0604) {
		chmod(pem, (mode_t)mode);
		fails(keys_load(dir, &why), &why, "open to group or others");
	}
	chmod(pem, 0600);
	must(keys_load(dir, &why), &why);
	/* under another name */
	run("mv %s/*.pem %s/x.pem", dir);
	fails(keys_load(dir, &why), &why, "thumbprint");
	assert_int_equal(rename(in_dir("x.pem"), pem), 0);
	/* a link to a key is not a key */
	run("mv %s/*.pem %s/x", dir);
	assert_int_equal(symlink("x", pem), 0);
	fails(keys_load(dir, &why), &why, "levels of symbolic links");
	assert_int_equal(rename(in_dir("x"), pem), 0);
	/* current missing, then pointing nowhere */
	assert_int_equal(rename(in_dir("current"), in_dir("c")), 0);
	fails(keys_load(dir, &why), &why, "current");
	run("(umask 077; echo nobody > %s/current)%s", "");
	fails(keys_load(dir, &why), &why, "nobody");
	/* every failure left the old set in place */
	assert_null(verdict(good));
	run("rm %s/*%s", "");
	fails(keys_load(dir, &why), &why, "no keys");
	fails(keys_rotate(dir, &why), &why, "no keys");
	assert_null(verdict(good));
}

static void
write_key(EVP_PKEY *pkey, const char *passphrase)
{
	FILE *f = fopen(in_dir("odd.pem"), "w");

	assert_non_null(f);
	fchmod(fileno(f), 0600);
	assert_true(PEM_write_PKCS8PrivateKey(
		f, pkey, passphrase ? EVP_aes_256_cbc() : NULL, passphrase,
		passphrase ? (int)strlen(passphrase) : 0, NULL, NULL));
	fclose(f);
	EVP_PKEY_free(pkey);
}

/* security 17 */
static void
test_other_keys(void **state)
{
	char *why = NULL;

	(void)state;
	write_key(EVP_EC_gen("P-384"), NULL);
	fails(keys_load(dir, &why), &why, "not a private P-256 key");
	write_key(EVP_EC_gen("secp256k1"), NULL);
	fails(keys_load(dir, &why), &why, "not a private P-256 key");
	write_key(EVP_RSA_gen(1024), NULL);
	fails(keys_load(dir, &why), &why, "not a private P-256 key");
	write_key(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL);
	fails(keys_load(dir, &why), &why, "not a private P-256 key");
	/* must not ask at the terminal */
	write_key(EVP_EC_gen("P-256"), "secret");
	fails(keys_load(dir, &why), &why, "not a private P-256 key");
	run("cp %s/odd.pem %s/odd.pem.bak", dir);
	run("(umask 077; echo nonsense > %s/odd.pem)%s", "");
	fails(keys_load(dir, &why), &why, "not a private P-256 key");
}

static void
test_jwks(void **state)
{
	char *why = NULL, *canonical;
	unsigned char digest[32];
	size_t len;
	json_t *doc, *keys, *key, *x, *y;

	(void)state;
	must(keys_rotate(dir, &why), &why);
	must(keys_load(dir, &why), &why);
	doc = json_loads(keys_jwks(&len), 0, NULL);
	assert_int_equal(len, strlen(keys_jwks(&len)));
	keys = json_object_get(doc, "keys");
	assert_int_equal(json_array_size(keys), 2);
	key = json_array_get(keys, 1);
	/* RFC 7638: required members only, sorted, no spaces. */
	x = json_object_get(key, "x");
	y = json_object_get(key, "y");
	canonical = arena_printf(a, "{\"crv\":\"P-256\",\"kty\":\"EC\","
				 "\"x\":\"%s\",\"y\":\"%s\"}",
				 json_string_value(x), json_string_value(y));
	EVP_Digest(canonical, strlen(canonical), digest, NULL, EVP_sha256(),
		   NULL);
	assert_string_equal(json_string_value(json_object_get(key, "kid")),
			    b64(digest, 32));
	assert_int_equal(json_string_length(x), 43);
	assert_int_equal(json_string_length(y), 43);
	assert_null(json_object_get(key, "d"));
	assert_string_equal(json_string_value(json_object_get(key, "alg")),
			    "ES256");
	json_decref(doc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rotation),
		TEST(test_key_files),
		TEST(test_other_keys),
		TEST(test_jwks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
