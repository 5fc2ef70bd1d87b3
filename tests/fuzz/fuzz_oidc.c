/*
 * An outside issuer's key set over time: a line each for what happens.
 *   a<n><kid>   somebody asks with a token signed by key n (see forge.h)
 *   t<n>        time goes by
 *   r<set>      the issuer answers
 *   f<n>        it does not, in some way
 * It is asked once at a time and not too often; who asked is told, once; what
 * is good was signed by a key of the latest set, which counts for a day.
 */
#include "door.h"
#include "forge.h"
#include "log.h"
#include "oidc.h"
#include "outbound.h"

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)

static struct arena *a;
static struct outbound_call call; /* .done: under way */
static int64_t called_us;	  /* the latest, of this input */
static json_t *known;		  /* the latest set */
static int64_t known_us;
static int waiting, asked;

struct asker {
	EVP_PKEY *key;
	const char *kid;
	int number;
	bool told;
};

static void
calls(const struct outbound_call *c)
{
	must(!call.done && c->service == OUTBOUND_OIDC && !c->body);
	must(!called_us ||
	     door_time_us - called_us >= OIDC_PAUSE_S * SECOND);
	call = *c;
	called_us = door_time_us;
}

/* The set is this key alone, by the name the token has for it. */
static bool
is_plain(const struct asker *who)
{
	const json_t *keys = json_object_get(known, "keys");
	json_t *jwk = json_loads(
		arena_printf(a, "{%s}", forge_jwk(a, who->key)), 0, NULL);
	bool plain;

	json_object_set_new(jwk, "kid", json_string(who->kid));
	plain = *who->kid && json_array_size(keys) == 1 &&
		json_equal(jwk, json_array_get(keys, 0));
	json_decref(jwk);
	return plain;
}

static void
told(void *arg, const json_t *payload, const char *why)
{
	struct asker *who = arg;
	bool usable = known && door_time_us - known_us < DAY;

	must(!who->told && !payload == (why != NULL));
	who->told = true;
	waiting--;
	if (payload) {
		must(usable && forge_count(a, known, who->key) > 0);
		must(json_integer_value(json_object_get(payload, "n")) ==
		     who->number);
	} else {
		must(strcmp(why, usable ? "token_invalid" :
					  "issuer_unavailable") == 0);
		must(!usable || !is_plain(who));
	}
}

static void
ask(const char *line)
{
	struct asker *who = arena_alloc(a, sizeof(*who));
	unsigned n = (unsigned char)*line % 3;
	const char *kid = *line ? line + 1 : line;
	json_t *header = json_pack("{s:s, s:s*}", "alg",
				   n == 2 ? "RS256" : "ES256", "kid",
				   *kid ? kid : NULL);
	char *text = header ? json_dumps(header, JSON_COMPACT) : NULL, *payload;

	json_decref(header);
	if (!text)
		return; /* no UTF-8 */
	*who = (struct asker){ .key = forge_keys[n], .kid = kid,
			       .number = ++asked };
	payload = arena_printf(a, "{\"n\":%d}", who->number);
	waiting++;
	oidc_verify(a, "https://id.example.org/keys",
		    forge_token(a, who->key, text, payload, strlen(payload)),
		    told, who);
	must(who->told || call.done);
	free(text);
}

static void
answer(const struct outbound_reply *reply)
{
	struct outbound_call now = call;
	json_t *set = outbound_json(reply);

	if (!now.done) {
		json_decref(set);
		return;
	}
	call.done = NULL;
	if (json_is_array(json_object_get(set, "keys"))) {
		json_decref(known);
		known = json_incref(set);
		known_us = door_time_us;
	}
	json_decref(set);
	now.done(now.arg, reply);
	must(waiting == 0 && !call.done);
}

static void
step(const char *line)
{
	static const int64_t times[] = { 1, OIDC_PAUSE_S - 1, OIDC_PAUSE_S,
					 3600, 86399, 86400 };
	unsigned n = *line ? (unsigned char)line[1] % 6 : 0;
	struct outbound_reply r = { .end = OUTBOUND_ANSWERED, .status = 200 };

	switch (*line) {
	case 'a':
		ask(line + 1);
		return;
	case 't':
		door_time_us += times[n] * SECOND;
		return;
	case 'r':
		r.body = forge_set(a, line + 1);
		r.len = strlen(r.body);
		answer(&r);
		return;
	case 'f':
		r.end = n < OUTBOUND_ENDS ? n : OUTBOUND_ANSWERED;
		r.status = n < OUTBOUND_ENDS ? 0 : 500;
		answer(&r);
	}
}

/* security 17, 51 */
int
LLVMFuzzerTestOneInput(const uint8_t *s, size_t n)
{
	if (!door_calls) {
		forge_open();
		log_open("fuzz", "error");
		door_calls = calls;
		door_time_us = DAY;
	}
	a = arena_new();
	door_time_us += 2 * DAY; /* what is left of the last input is too old */
	called_us = 0;
	while (n)
		step(fuzz_cut(a, &s, &n, '\n'));
	step("f");
	must(waiting == 0);
	arena_free(a);
	return 0;
}
