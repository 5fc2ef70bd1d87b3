/*
 * TLS by OpenSSL under a bufferevent. TLS 1.2 with forward secrecy and AEAD
 * only, and 1.3; HTTP/1.1 is the one protocol offered.
 *
 * The supervisor loads before it forks, so all workers know each other's
 * session tickets; a reload by each worker keeps the tickets' key.
 */
#include "tls.h"

#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "config.h"
#include "file.h"
#include "text.h"

#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define TICK_US (500 * 1000)
#define TICKET_KEY_BYTES 80

/* A connection that has not finished its handshake yet. */
struct handshake {
	TAILQ_ENTRY(handshake) link;
	SSL *ssl;
	int64_t begun_us;
};

static struct {
	SSL_CTX *ctx;
	unsigned char tickets[TICKET_KEY_BYTES];
	int slot; /* of the handshake in an SSL */
	TAILQ_HEAD(, handshake) waiting; /* oldest first */
	struct event *ticks;
} tls;

/* ---- loading ---- */

static char *
openssl_why(const char *path, const char *what)
{
	unsigned long error = ERR_peek_last_error();
	const char *reason = error ? ERR_reason_error_string(error) : NULL;

	ERR_clear_error();
	return xprintf("%s: %s: %s", path, what, reason ? reason : "no PEM");
}

static int
no_password(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return 0;
}

/* The key's file, when only those may read it who should. */
static FILE *
key_open(const char *path, char **why)
{
	struct stat st;
	FILE *file = fopen(path, "re");

	if (!file || fstat(fileno(file), &st) != 0)
		*why = xprintf("%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		*why = xprintf("%s: not a file", path);
	else if (st.st_mode & S_IRWXO)
		*why = xprintf("%s: everybody may read it (chmod o= makes it "
				"a secret)",
				path);
	else
		return file;
	if (file)
		fclose(file);
	return NULL;
}

static bool
key_use(SSL_CTX *ctx, const char *path, char **why)
{
	FILE *file = key_open(path, why);
	EVP_PKEY *key;

	if (!file)
		return false;
	key = PEM_read_PrivateKey(file, NULL, no_password, NULL);
	fclose(file);
	if (!key || SSL_CTX_use_PrivateKey(ctx, key) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		*why = openssl_why(path, "is not the certificate's key");
	EVP_PKEY_free(key);
	return !*why;
}

/* We speak nothing else; who offers only others must not go on guessing. */
static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *len,
		const unsigned char *offered, unsigned offered_len, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";

	(void)ssl;
	(void)arg;
	return SSL_select_next_proto((unsigned char **)out, len,
				     ours, sizeof(ours) - 1, offered,
				     offered_len) == OPENSSL_NPN_NEGOTIATED ?
		       SSL_TLSEXT_ERR_OK :
		       SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL_CTX *
ctx_new(void)
{
	static const unsigned char name[] = "linli";
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, CIPHERS) != 1 ||
	    SSL_CTX_set_tlsext_ticket_keys(ctx, tls.tickets,
					   sizeof(tls.tickets)) != 1 ||
	    SSL_CTX_set_session_id_context(ctx, name, sizeof(name) - 1) != 1)
		abort();
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* Idle connections give their buffers back. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	return ctx;
}

/* Called with the SSL's end, whoever ends it. */
static void
handshake_forget(void *ssl, void *handshake, CRYPTO_EX_DATA *data, int slot,
		 long n, void *arg)
{
	struct handshake *h = handshake;

	(void)ssl;
	(void)data;
	(void)slot;
	(void)n;
	(void)arg;
	if (!h)
		return;
	if (h->ssl)
		TAILQ_REMOVE(&tls.waiting, h, link);
	free(h);
}

static void
tls_open(void)
{
	TAILQ_INIT(&tls.waiting);
	tls.slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, handshake_forget);
	if (tls.slot < 0 || RAND_bytes(tls.tickets, sizeof(tls.tickets)) != 1)
		abort();
}

bool
tls_load(const char *certificate, const char *key, char **why)
{
	SSL_CTX *ctx;

	if (!*certificate && !*key)
		return true;
	if (!*certificate || !*key) {
		*why = xprintf("tls_certificate and tls_key go together");
		return false;
	}
	if (!tls.ctx)
		tls_open();
	ERR_clear_error();
	ctx = ctx_new();
	if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
		*why = openssl_why(certificate, "holds no certificate");
	if (*why || !key_use(ctx, key, why)) {
		SSL_CTX_free(ctx);
		return false;
	}
	SSL_CTX_free(tls.ctx); /* open connections hold their own share */
	tls.ctx = ctx;
	return true;
}

bool
tls_on(void)
{
	return tls.ctx != NULL;
}

/* ---- connections ---- */

static void
tick(evutil_socket_t fd, short what, void *arg)
{
	int64_t since = monotonic_us() - config.head_timeout_s * 1000000;
	struct handshake *h, *next;

	(void)fd;
	(void)what;
	(void)arg;
	for (h = TAILQ_FIRST(&tls.waiting); h && h->begun_us <= since;
	     h = next) {
		next = TAILQ_NEXT(h, link);
		/* The bufferevent sees the end and all goes its usual way. */
		if (!SSL_is_init_finished(h->ssl))
			shutdown(SSL_get_fd(h->ssl), SHUT_RDWR);
		TAILQ_REMOVE(&tls.waiting, h, link);
		h->ssl = NULL;
	}
}

void
tls_watch(struct event_base *base)
{
	const struct timeval every = { 0, TICK_US };

	if (!tls_on())
		return;
	tls.ticks = event_new(base, -1, EV_PERSIST, tick, NULL);
	if (!tls.ticks || event_add(tls.ticks, &every) != 0)
		abort();
}

void
tls_unwatch(void)
{
	if (tls.ticks)
		event_free(tls.ticks);
	tls.ticks = NULL;
}

struct bufferevent *
tls_accept(struct event_base *base)
{
	struct handshake *h = xmalloc(sizeof(*h));
	struct bufferevent *bev;

	h->ssl = SSL_new(tls.ctx);
	h->begun_us = monotonic_us();
	if (!h->ssl || SSL_set_ex_data(h->ssl, tls.slot, h) != 1)
		abort();
	TAILQ_INSERT_TAIL(&tls.waiting, h, link);
	bev = bufferevent_openssl_socket_new(base, -1, h->ssl,
					     BUFFEREVENT_SSL_ACCEPTING,
					     BEV_OPT_CLOSE_ON_FREE);
	if (!bev)
		abort();
	/* Where a message ends the guard knows better than a close_notify. */
	bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

void
tls_goodbye(struct bufferevent *bev)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);

	ERR_clear_error();
	if (ssl && SSL_is_init_finished(ssl))
		(void)SSL_shutdown(ssl);
	ERR_clear_error();
}

ssize_t
tls_send(struct bufferevent *bev, const void *bytes, size_t n)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);
	ssize_t sent;

	if (!ssl)
		return send(bufferevent_getfd(bev), bytes, n,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	ERR_clear_error();
	sent = SSL_is_init_finished(ssl) ? SSL_write(ssl, bytes, (int)n) : -1;
	ERR_clear_error();
	return sent;
}
