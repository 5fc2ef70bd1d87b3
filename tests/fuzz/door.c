/*
 * Stands in for the wire (evhttp_…), the database (db_…), the servers of others
 * (outbound), the clock and the token's signature: the linker hands their
 * callers these (Makefile, WRAPS). All that lies between is the server's own.
 */
#include "door.h"

#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <sys/queue.h>
#include <unistd.h>

#include "config.h"
#include "log.h"
#include "seal.h"
#include "supervise.h"
#include "text.h"
#include "verify.h"

void __wrap_evhttp_send_reply(struct evhttp_request *ev, int status,
			      const char *reason, struct evbuffer *out);
void __wrap_evhttp_connection_get_peer(struct evhttp_connection *conn,
				       char **address, ev_uint16_t *port);
void __wrap_db_submit(struct db_pool *p, struct db_job *job);
bool __wrap_db_ready(const struct db_pool *p);
void __wrap_db_stats(const struct db_pool *p, struct db_pool_stats *out);
const char *__wrap_token_verify_cached(const char *token, size_t len,
				       int64_t now, struct claims *out);
const char *__real_token_verify_cached(const char *token, size_t len,
				       int64_t now, struct claims *out);
void __wrap_outbound(const struct outbound_call *call);
int64_t __wrap_monotonic_us(void);
int64_t __real_monotonic_us(void);

void (*door_looks)(struct request *rq);
void (*door_calls)(const struct outbound_call *call);
bool (*door_waits)(void);
int64_t door_time_us;

static struct worker worker = { .verified = true };
static struct door *now; /* being asked */
static struct db_job *submitted;

/* ---- in their places ---- */

static char *
copy_of(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

void
__wrap_evhttp_send_reply(struct evhttp_request *ev, int status,
			 const char *reason, struct evbuffer *out)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(ev);
	const char *type = evhttp_find_header(headers, "Content-Type");
	const char *packed = evhttp_find_header(headers, "Content-Encoding");
	size_t n = out ? evbuffer_get_length(out) : 0;
	struct evkeyval *h;

	(void)reason;
	must(now && !now->status);
	now->status = status;
	now->link = copy_of(evhttp_find_header(headers, "Link"));
	/* evhttp drops a header that would end its own line. */
	TAILQ_FOREACH (h, headers, next)
		must(!strpbrk(h->key, "\r\n") && !strpbrk(h->value, "\r\n"));
	/* The contract itself is large, and the same every time. */
	if (n && n < 100000 && type && strstr(type, "json") && !packed) {
		const char *text = (char *)evbuffer_pullup(out, -1);

		must(utf8_valid(text, n));
		now->reply = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
		must(now->reply);
		now->code = copy_of(json_string_value(
			json_object_get(now->reply, "code")));
	}
}

void
__wrap_evhttp_connection_get_peer(struct evhttp_connection *conn,
				  char **address, ev_uint16_t *port)
{
	(void)conn;
	*address = (char *)now->peer;
	*port = 0;
}

/* As db.c promises: done() comes later, and once. */
void
__wrap_db_submit(struct db_pool *p, struct db_job *job)
{
	(void)p;
	must(!submitted);
	submitted = job;
}

bool
__wrap_db_ready(const struct db_pool *p)
{
	(void)p;
	return true;
}

void
__wrap_db_stats(const struct db_pool *p, struct db_pool_stats *out)
{
	(void)p;
	*out = (struct db_pool_stats){ .ready = 1 };
}

/* A program may do all that programs may. */
static void
all_scopes(char *to, size_t room)
{
	const struct contract *c = worker.contract;

	for (size_t i = 0; i < c->operation_count; i++) {
		const char *scope = c->operations[i].scope;
		size_t n = strlen(to);

		if (!scope || strstr(to, scope))
			continue;
		must(n + strlen(scope) + 2 <= room);
		sprintf(to + n, "%s%s", n ? " " : "", scope);
	}
}

/* Whoever says what he is, is it. */
const char *
__wrap_token_verify_cached(const char *token, size_t len, int64_t time,
			   struct claims *out)
{
	if (!now) /* tokens themselves are what is tried */
		return __real_token_verify_cached(token, len, time, out);
	if (!role_bit(token))
		return "token_malformed";
	*out = (struct claims){ .street = 1, .epoch = 1 };
	strcpy(out->role, token);
	all_scopes(out->scope, sizeof(out->scope));
	uuid_make(out->account, 1);
	uuid_make(out->session, 1);
	return NULL;
}

void
__wrap_outbound(const struct outbound_call *call)
{
	must(door_calls);
	door_calls(call);
}

int64_t
__wrap_monotonic_us(void)
{
	return door_time_us ? door_time_us : __real_monotonic_us();
}

/* ---- the request ---- */

/* What goes to the database is text PostgreSQL can read. */
static void
check_params(const struct db_job *job)
{
	must(job->call_count > 0 && job->call_count <= DB_MAX_CALLS);
	for (int i = 0; i < job->call_count; i++)
		for (int j = 0; j < job->calls[i].param_count; j++) {
			const char *text = job->calls[i].params[j];

			must(!text || utf8_valid(text, strlen(text)));
		}
}

static void
answer(struct db_job *job)
{
	struct request *rq = job->data;
	PGresult *last;

	check_params(job);
	now->asked = true;
	if (door_looks)
		door_looks(rq);
	job->last = last = now->rows ? now->rows(rq) : NULL;
	job->outcome = last ? DB_OK : DB_AWAY;
	job->done(job);
	PQclear(last);
}

static struct evhttp_request *
request_of(const struct door *d)
{
	static const struct {
		const char *name;
		enum evhttp_cmd_type type;
	} methods[] = {
		{ "GET", EVHTTP_REQ_GET },     { "PUT", EVHTTP_REQ_PUT },
		{ "POST", EVHTTP_REQ_POST },   { "HEAD", EVHTTP_REQ_HEAD },
		{ "PATCH", EVHTTP_REQ_PATCH }, { "TRACE", EVHTTP_REQ_TRACE },
		{ "DELETE", EVHTTP_REQ_DELETE },
		{ "OPTIONS", EVHTTP_REQ_OPTIONS },
	};
	struct evhttp_request *ev = evhttp_request_new(NULL, NULL);
	struct evkeyvalq *headers = evhttp_request_get_input_headers(ev);

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (strcmp(methods[i].name, d->method) == 0)
			ev->type = methods[i].type;
	ev->uri = strdup(d->target);
	for (size_t i = 0; d->headers[i]; i += 2)
		evhttp_add_header(headers, d->headers[i], d->headers[i + 1]);
	if (d->role) {
		char *value = xprintf("Bearer %s", d->role);

		evhttp_add_header(headers, "Authorization", value);
		free(value);
	}
	evbuffer_add(evhttp_request_get_input_buffer(ev), d->body, d->body_len);
	return ev;
}

void
door_ask(struct door *d)
{
	struct evhttp_request *ev = request_of(d);

	now = d;
	request_begin(ev, &worker);
	while (submitted || (!d->status && door_waits && door_waits())) {
		struct db_job *job = submitted;

		if (!job)
			continue;
		/* The job lies in the request, which may end. */
		submitted = NULL;
		answer(job);
	}
	must(d->status);
	must(worker.inflight == 0);
	evhttp_request_free(ev);
	now = NULL;
}

void
door_close(struct door *d)
{
	json_decref(d->reply);
	free(d->link);
	free(d->code);
}

/* ---- opening ---- */

static void
open_keys(void)
{
	char dir[] = "/tmp/linli-fuzz-XXXXXX", *why = NULL, *command;

	must(mkdtemp(dir));
	must(keys_new(dir, &why) && keys_load(dir, &why));
	must(seal_new(dir, &why) && seal_load(dir, &why));
	command = xprintf("rm -r %s", dir);
	must(system(command) == 0);
	free(command);
}

const struct contract *
door_contract(void)
{
	static struct shared *shared;

	if (worker.contract)
		return worker.contract;
	must(config_load(NULL));
	config.actor_per_minute = config.address_per_minute = 0;
	config.login_per_minute = 0;
	free(config.cors_origins);
	config.cors_origins = xstrdup("https://a.example");
	log_open("fuzz", "error");
	open_keys();
	shared = xmalloc(sizeof(*shared));
	worker.shared = shared;
	worker.slot = &shared->workers[0];
	worker.contract = verify_contract();
	must(worker.contract);
	return worker.contract;
}
