/*
 * Every gateway wants other words: the body is a template of the settings. In
 * it the values stand as they are, for none of them holds anything but digits,
 * letters, '+' and '-'.
 */
#include "sms.h"

#include <event2/buffer.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "file.h"
#include "log.h"
#include "outbound.h"
#include "secret.h"
#include "text.h"

#define FILE_SCHEME "file:"
#define NAMES 5

/* The value of the {name} at s, and the name's length; NULL: none. */
static const char *
value_at(const struct sms *m, const char *s, size_t *len)
{
	static const char life[] = { '0' + SMS_MINUTES / 10,
				     '0' + SMS_MINUTES % 10, '\0' };
	const char *const pairs[NAMES][2] = {
		{ "{phone}", m->phone },     { "{code}", m->code },
		{ "{purpose}", m->purpose }, { "{id}", m->id },
		{ "{minutes}", life },
	};

	for (size_t i = 0; i < NAMES; i++) {
		*len = strlen(pairs[i][0]);
		if (strncmp(s, pairs[i][0], *len) == 0)
			return pairs[i][1];
	}
	return NULL;
}

static char *
fill(struct arena *a, const struct sms *m, const char *s)
{
	struct evbuffer *out = evbuffer_new();
	const char *value;
	char *text;
	size_t len;

	while (*s) {
		value = value_at(m, s, &len);
		if (value) {
			evbuffer_add(out, value, strlen(value));
			s += len;
		} else {
			evbuffer_add(out, s++, 1);
		}
	}
	text = arena_strndup(a, (const char *)evbuffer_pullup(out, -1),
			     evbuffer_get_length(out));
	evbuffer_free(out);
	return text;
}

const char *
sms_body_fault(const char *value)
{
	const struct sms sample = { .id = "x", .phone = "1", .code = "1",
				    .purpose = "x" };
	struct arena *a = arena_new();
	json_t *json = json_loads(*value ? fill(a, &sample, value) : "", 0,
				  NULL);
	bool fine = json_is_object(json);

	json_decref(json);
	arena_free(a);
	if (!fine)
		return "not a JSON object once {phone} and the others are set";
	return strstr(value, "{code}") && strstr(value, "{phone}")
		       ? NULL
		       : "{phone} and {code} must be in it";
}

static void
to_file(struct arena *a, const struct sms *m)
{
	const char *path = config.sms_url + strlen(FILE_SCHEME);
	char *line = arena_printf(a, "%s\n", fill(a, m, config.sms_body));
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	bool sent = fd >= 0 && file_write_all(fd, line, strlen(line));

	if (fd >= 0)
		close(fd);
	m->done(m->arg, sent);
}

static void
answered(void *arg, const struct outbound_reply *reply)
{
	const struct sms *m = arg;
	bool sent = reply->end == OUTBOUND_ANSWERED && reply->status / 100 == 2;

	if (!sent)
		log_event(LOG_WARN_, "sms_failed", "%s %d",
			  outbound_end_name(reply->end), reply->status);
	m->done(m->arg, sent);
}

/* Signed as Standard Webhooks 1.0 says: id.time.body. */
static void
sign(struct arena *a, const struct sms *m, const char *secret,
     struct outbound_call *call)
{
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
	char base64[sodium_base64_ENCODED_LEN(sizeof(mac),
					      sodium_base64_VARIANT_ORIGINAL)];
	long now = (long)(clock_ms() / 1000);
	char *text = arena_printf(a, "%s.%ld.%s", m->id, now, call->body);
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, (const unsigned char *)secret,
				    strlen(secret));
	crypto_auth_hmacsha256_update(&state, (unsigned char *)text,
				      strlen(text));
	crypto_auth_hmacsha256_final(&state, mac);
	sodium_bin2base64(base64, sizeof(base64), mac, sizeof(mac),
			  sodium_base64_VARIANT_ORIGINAL);
	call->headers[0] = arena_printf(a, "webhook-id: %s", m->id);
	call->headers[1] = arena_printf(a, "webhook-timestamp: %ld", now);
	call->headers[2] = arena_printf(a, "webhook-signature: v1,%s", base64);
}

void
sms_send(struct arena *a, const struct sms *sms)
{
	const char *secret = secret_text(SECRET_SMS);
	struct sms *copy = arena_alloc(a, sizeof(*copy));
	struct outbound_call call = { .service = OUTBOUND_SMS,
				      .url = config.sms_url,
				      .done = answered,
				      .arg = copy };

	*copy = *sms;
	if (strncmp(config.sms_url, FILE_SCHEME, strlen(FILE_SCHEME)) == 0) {
		to_file(a, sms);
		return;
	}
	call.body = fill(a, sms, config.sms_body);
	if (secret && strcmp(config.sms_auth, "token") == 0)
		call.headers[0] = arena_printf(a, "Authorization: Bearer %s",
					       secret);
	if (secret && strcmp(config.sms_auth, "hmac") == 0)
		sign(a, sms, secret, &call);
	outbound(&call);
}
