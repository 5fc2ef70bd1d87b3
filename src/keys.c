/*
 * The folder of signing keys: <kid>.pem each, and `current` naming the one
 * that signs. The loaded set is replaced whole or not at all.
 */
#include "keys.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "file.h"
#include "token.h"

#define PEM_MAX 4096

struct ring {
	struct key *first, *current;
	char *jwks;
};

static struct ring ring;
static unsigned long generation;

static void
key_free(struct key *k)
{
	if (k->private_pem)
		sodium_memzero(k->private_pem, strlen(k->private_pem));
	free(k->private_pem);
	free(k->public_pem);
	free(k);
}

static void
ring_free(struct ring *r)
{
	struct key *next;

	for (struct key *k = r->first; k; k = next) {
		next = k->next;
		key_free(k);
	}
	free(r->jwks);
	*r = (struct ring){0};
}

static const struct key *
ring_find(const struct ring *r, const char *kid)
{
	const struct key *k = r->first;

	while (k && strcmp(k->kid, kid) != 0)
		k = k->next;
	return k;
}

const struct key *
keys_find(const char *kid)
{
	return ring_find(&ring, kid);
}

const struct key *
keys_current(void)
{
	return ring.current;
}

unsigned long
keys_generation(void)
{
	return generation;
}

const char *
keys_jwks(size_t *len)
{
	const char *text = ring.jwks ? ring.jwks : "{\"keys\":[]}";

	*len = strlen(text);
	return text;
}

static char *
pem_text(EVP_PKEY *pkey, bool private)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL, *bytes;
	long len;

	if (bio && (private ? PEM_write_bio_PKCS8PrivateKey(
				      bio, pkey, NULL, NULL, 0, NULL, NULL) :
			      PEM_write_bio_PUBKEY(bio, pkey))) {
		len = BIO_get_mem_data(bio, &bytes);
		text = xmalloc((size_t)len + 1);
		memcpy(text, bytes, (size_t)len);
	}
	BIO_free(bio);
	return text;
}

/* Fills what follows from the key itself; false if it is not one of ours. */
static bool
key_fill(struct key *k, EVP_PKEY *pkey)
{
	if (!pkey || !jwks_describe(pkey, k))
		return false;
	k->private_pem = pem_text(pkey, true);
	k->public_pem = pem_text(pkey, false);
	return k->private_pem && k->public_pem;
}

/* An encrypted key must not make the daemon ask at a terminal. */
static int
no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf, (void)size, (void)rwflag, (void)arg;
	return -1;
}

static struct key *
key_read(int dir, const char *name, char **why)
{
	struct key *k = NULL;
	EVP_PKEY *pkey;
	struct stat st;
	size_t len;
	unsigned char *pem = file_read_secret(dir, name, PEM_MAX, &len, why);
	BIO *bio;

	if (!pem)
		return NULL;
	bio = BIO_new_mem_buf(pem, (int)len);
	pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) :
		     NULL;
	k = xmalloc(sizeof(*k));
	if (!key_fill(k, pkey))
		*why = xprintf("%s: not a private P-256 key", name);
	else if (strncmp(k->kid, name, KID_LENGTH) != 0)
		*why = xprintf("%s: the key's thumbprint is %s", name, k->kid);
	else if (fstatat(dir, name, &st, 0) == 0)
		k->created = st.st_mtime;
	if (*why) {
		key_free(k);
		k = NULL;
	}
	EVP_PKEY_free(pkey);
	BIO_free(bio);
	sodium_memzero(pem, len);
	free(pem);
	return k;
}

static int
only_pem(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > 4 && strcmp(entry->d_name + n - 4, ".pem") == 0;
}

/* Every key of the folder in order of kid, so that all processes agree. */
static bool
ring_read_keys(struct ring *r, int dir, char **why)
{
	struct dirent **names;
	int n = scandirat(dir, ".", &names, only_pem, alphasort);
	struct key **tail = &r->first;

	if (n < 0)
		*why = xprintf("keys: %s", strerror(errno));
	for (int i = 0; i < n; i++) {
		if (!*why && (*tail = key_read(dir, names[i]->d_name, why)))
			tail = &(*tail)->next;
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return !*why;
}

static bool
ring_read_current(struct ring *r, int dir, char **why)
{
	size_t len;
	char *kid;

	kid = (char *)file_read_secret(dir, "current", KID_LENGTH + 1, &len,
				       why);
	if (!kid)
		return false;
	kid[strcspn(kid, "\n")] = '\0';
	r->current = (struct key *)ring_find(r, kid);
	if (!r->current)
		*why = xprintf("current: names %s, which is not there", kid);
	free(kid);
	return r->current != NULL;
}

static bool
ring_read(struct ring *r, const char *path, char **why)
{
	int dir = file_dir(path, false, why);
	bool done;

	*r = (struct ring){0};
	done = dir >= 0 && ring_read_keys(r, dir, why);
	if (done && !r->first) {
		*why = xprintf("no keys (linlid keys new makes the first)");
		done = false;
	}
	done = done && ring_read_current(r, dir, why);
	if (dir >= 0)
		close(dir);
	if (!done)
		ring_free(r);
	return done;
}

bool
keys_load(const char *path, char **why)
{
	struct ring fresh;

	*why = NULL;
	if (!ring_read(&fresh, path, why))
		return false;
	fresh.jwks = jwks_text(fresh.first);
	ring_free(&ring);
	ring = fresh;
	generation++;
	return true;
}

static bool
key_write(int dir, const struct key *k)
{
	char name[KID_LENGTH + sizeof(".pem")], current[KID_LENGTH + 2];

	snprintf(name, sizeof(name), "%s.pem", k->kid);
	snprintf(current, sizeof(current), "%s\n", k->kid);
	return file_write(dir, name, k->private_pem, strlen(k->private_pem),
			  false) &&
	       file_write(dir, "current", current, strlen(current), true);
}

static bool
key_make(int dir, char **why)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	struct key *k = xmalloc(sizeof(*k));
	bool done = false;

	if (!key_fill(k, pkey))
		*why = xprintf("a key could not be made");
	else if (!(done = key_write(dir, k)))
		*why = xprintf("a key could not be written: %s",
				strerror(errno));
	key_free(k);
	EVP_PKEY_free(pkey);
	return done;
}

/* Two commands at once must not both find the folder empty: one waits. */
static bool
make(const char *path, bool first, char **why)
{
	struct ring old = {0};
	bool done = false;
	int dir;

	*why = NULL;
	dir = file_dir(path, first, why);
	if (dir < 0)
		return false;
	if (flock(dir, LOCK_EX))
		*why = xprintf("%s: %s", path, strerror(errno));
	else if (!ring_read_keys(&old, dir, why))
		;
	else if (first && old.first)
		*why = xprintf("%s: there are keys already "
				"(linlid keys rotate adds one)", path);
	else if (!first && !old.first)
		*why = xprintf("%s: there are no keys "
				"(linlid keys new makes the first)", path);
	else
		done = key_make(dir, why);
	ring_free(&old);
	close(dir);
	return done;
}

bool
keys_new(const char *path, char **why)
{
	return make(path, true, why);
}

bool
keys_rotate(const char *path, char **why)
{
	return make(path, false, why);
}

bool
keys_list(const char *path, char **why)
{
	struct ring r;

	*why = NULL;
	if (!ring_read(&r, path, why))
		return false;
	for (const struct key *k = r.first; k; k = k->next) {
		char when[32];
		struct tm tm;
		time_t created = k->created;

		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ",
			 gmtime_r(&created, &tm));
		printf("%s  %-7s  %s\n", k->kid,
		       k == r.current ? "signs" : "checks", when);
	}
	ring_free(&r);
	return true;
}
