/*
 * Personal fields. The data key stands beside the signing keys, never in the
 * database; a key of its own is derived for each use.
 */
#include "seal.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "file.h"
#include "text.h"

#define KEY_FILE "data.key"
#define PREFIX "v1."
#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG crypto_aead_xchacha20poly1305_ietf_ABYTES

enum { FOR_SEALING = 1, FOR_INDEX = 2 };

static unsigned char sealing_key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
static unsigned char index_key[crypto_auth_hmacsha256_KEYBYTES];
static bool loaded;

bool
seal_load(const char *path, char **why)
{
	int dir = file_dir(path, false, why);
	unsigned char *key = NULL;
	size_t len = 0;

	if (dir < 0)
		return false;
	if (sodium_init() < 0)
		abort();
	*why = NULL;
	key = file_read_secret(dir, KEY_FILE, crypto_kdf_KEYBYTES, &len, why);
	close(dir);
	if (key && len != crypto_kdf_KEYBYTES)
		*why = xprintf(KEY_FILE ": not %d bytes", crypto_kdf_KEYBYTES);
	if (key && !*why) {
		crypto_kdf_derive_from_key(sealing_key, sizeof(sealing_key),
					   FOR_SEALING, "linliPII", key);
		crypto_kdf_derive_from_key(index_key, sizeof(index_key),
					   FOR_INDEX, "linliPII", key);
		loaded = true;
	}
	if (key)
		sodium_memzero(key, len);
	free(key);
	return !*why;
}

bool
seal_new(const char *path, char **why)
{
	unsigned char key[crypto_kdf_KEYBYTES];
	int dir = file_dir(path, true, why);
	bool done;

	if (dir < 0)
		return false;
	if (sodium_init() < 0)
		abort();
	crypto_kdf_keygen(key);
	done = file_write(dir, KEY_FILE, key, sizeof(key), false);
	if (!done)
		*why = xprintf("%s/" KEY_FILE ": %s", path, strerror(errno));
	sodium_memzero(key, sizeof(key));
	close(dir);
	return done;
}

char *
seal(struct arena *a, const char *text, const char *context)
{
	size_t len = strlen(text);
	unsigned char *bytes = arena_alloc(a, NONCE + len + TAG);
	char *out = arena_alloc(a, sizeof(PREFIX) +
					   4 * ((NONCE + len + TAG + 2) / 3));

	if (!loaded)
		abort();
	randombytes_buf(bytes, NONCE);
	/* Bound to its field: a sealed name never opens as a phone. */
	crypto_aead_xchacha20poly1305_ietf_encrypt(
		bytes + NONCE, NULL, (const unsigned char *)text, len,
		(const unsigned char *)context, strlen(context), NULL, bytes,
		sealing_key);
	memcpy(out, PREFIX, strlen(PREFIX));
	base64url_encode(out + strlen(PREFIX), bytes, NONCE + len + TAG);
	return out;
}

char *
unseal(struct arena *a, const char *sealed, const char *context)
{
	unsigned char *bytes;
	size_t len;
	char *text;

	if (!loaded)
		abort();
	if (strncmp(sealed, PREFIX, strlen(PREFIX)) != 0)
		return NULL;
	sealed += strlen(PREFIX);
	if (!base64url_decode(a, sealed, strlen(sealed), &bytes, &len) ||
	    len < NONCE + TAG)
		return NULL;
	text = arena_alloc(a, len - NONCE - TAG + 1);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(
		    (unsigned char *)text, NULL, NULL, bytes + NONCE,
		    len - NONCE, (const unsigned char *)context,
		    strlen(context), bytes, sealing_key))
		return NULL;
	return text;
}

unsigned char *
seal_bytes(const unsigned char *bytes, size_t *len, const char *context)
{
	unsigned char *out = xmalloc(NONCE + *len + TAG);

	if (!loaded)
		abort();
	randombytes_buf(out, NONCE);
	crypto_aead_xchacha20poly1305_ietf_encrypt(
		out + NONCE, NULL, bytes, *len, (const unsigned char *)context,
		strlen(context), NULL, out, sealing_key);
	*len += NONCE + TAG;
	return out;
}

unsigned char *
unseal_bytes(const unsigned char *sealed, size_t *len, const char *context)
{
	unsigned char *out;

	if (!loaded)
		abort();
	if (*len < NONCE + TAG)
		return NULL;
	*len -= NONCE + TAG;
	out = xmalloc(*len + 1);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(
		    out, NULL, NULL, sealed + NONCE, *len + TAG,
		    (const unsigned char *)context, strlen(context), sealed,
		    sealing_key)) {
		free(out);
		return NULL;
	}
	return out;
}

/* Bytes, not characters: phones are ASCII by their format; anything else is
 * hidden all the same, only less evenly. */
char *
mask_phone(struct arena *a, const char *phone)
{
	size_t len = strlen(phone);
	size_t head = len >= 11 ? 3 : 0;
	size_t tail = len >= 11 ? 4 : len > 2 ? 2 : 0;
	char *out = arena_strdup(a, phone);

	memset(out + head, '*', len - head - tail);
	return out;
}

/* +86 138-1234-5678 and 13812345678 are one phone: only its digits count,
 * without the country's 86 before eleven of them. */
static char *
normalise(struct arena *a, const char *text)
{
	char *out = arena_alloc(a, strlen(text) + 1);
	size_t n = 0;

	for (const char *s = text; *s; s++)
		if (*s != ' ' && *s != '-' && *s != '(' && *s != ')')
			out[n++] = *s;
	out[n] = '\0';
	if (n == 3 + 11 && memcmp(out, "+86", 3) == 0)
		return out + 3;
	if (n == 4 + 11 && memcmp(out, "0086", 4) == 0)
		return out + 4;
	return out;
}

char *
keyed_hash(struct arena *a, const char *text, const char *context)
{
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
	char *out = arena_alloc(a, 2 * sizeof(mac) + 1);
	crypto_auth_hmacsha256_state state;

	if (!loaded)
		abort();
	crypto_auth_hmacsha256_init(&state, index_key, sizeof(index_key));
	/* The NUL between them keeps context and text apart. */
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)context,
				      strlen(context) + 1);
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)text,
				      strlen(text));
	crypto_auth_hmacsha256_final(&state, mac);
	hex_encode(out, mac, sizeof(mac));
	return out;
}

char *
blind_index(struct arena *a, const char *text, const char *context)
{
	return keyed_hash(a, normalise(a, text), context);
}
