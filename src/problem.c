/*
 * RFC 9457 problems in the caller's language, and the one table from what
 * PostgreSQL says to what we say. The sentences stand in
 * openapi/problems.yaml; nothing of the server's own text gets out.
 */
#include "problem.h"

#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "log.h"
#include "metrics.h"
#include "request_internal.h"
#include "supervise.h"

static void
add_field(struct evbuffer *out, const char *before, const char *text)
{
	evbuffer_add(out, before, strlen(before));
	encode_string(out, text, strlen(text));
}

/* The fault's sentence; "{limit}" in it stands for the bound concerned. */
static void
add_sentence(struct request *rq, struct evbuffer *out, const struct fault *f)
{
	const char *sentence = NULL, *mark, *limit = f->limit ? f->limit : "";
	char *key = arena_printf(rq->arena, "fault.%s", f->code);
	int status;

	if (!contract_problem(rq->worker->contract, key, &status, rq->lang,
			      &sentence))
		return;
	mark = strstr(sentence, "{limit}");
	if (mark)
		sentence = arena_printf(rq->arena, "%.*s%s%s",
					(int)(mark - sentence), sentence, limit,
					mark + strlen("{limit}"));
	add_field(out, ",\"detail\":", sentence);
}

static void
add_fault(struct request *rq, struct evbuffer *out, const struct fault *f)
{
	static const struct {
		char mark;
		const char *in;
	} places[] = { { ':', "path" }, { '?', "query" }, { '@', "header" } };

	evbuffer_add(out, "{", 1);
	for (size_t i = 0; i < 3; i++) {
		if (f->pointer[0] != places[i].mark)
			continue;
		add_field(out, "\"in\":", places[i].in);
		/* of an item of a list, the list's */
		add_field(out, ",\"name\":",
			  arena_strndup(rq->arena, f->pointer + 1,
					strcspn(f->pointer + 1, "/")));
		evbuffer_add(out, ",", 1);
	}
	if (f->pointer[0] && strchr(":?@", f->pointer[0]))
		add_field(out, "\"pointer\":",
			  arena_printf(rq->arena, "/%s", f->pointer + 1));
	else
		add_field(out, "\"pointer\":", f->pointer);
	add_field(out, ",\"code\":", f->code);
	add_sentence(rq, out, f);
	evbuffer_add(out, "}", 1);
}

void
problem_begin(struct evbuffer *out, const char *code, int status,
	      const char *sentence, const char *id)
{
	evbuffer_add_printf(out, "{\"type\":\"urn:linli:problem:%s\"", code);
	add_field(out, ",\"title\":", sentence);
	evbuffer_add_printf(out, ",\"status\":%d", status);
	add_field(out, ",\"code\":", code);
	if (id)
		evbuffer_add_printf(out, ",\"instance\":\"urn:uuid:%s\"", id);
}

/* A 404 says nothing that differs between an id that is not there and one
 * that is not the caller's; all else names the request for the support, unless
 * it is within another's, which is the same when it is repeated. */
static void
write_problem(struct request *rq, const char *code, int status,
	      const char *sentence, const struct fault *faults)
{
	struct evbuffer *out = rq->out;
	bool named = status != 404 && !rq->outer;

	evbuffer_drain(out, evbuffer_get_length(out));
	problem_begin(out, code, status, sentence, named ? rq->id : NULL);
	if (named)
		add_field(out, ",\"trace_id\":", rq->trace.id);
	if (faults) {
		evbuffer_add_printf(out, ",\"errors\":[");
		for (const struct fault *f = faults; f; f = f->next) {
			add_fault(rq, out, f);
			if (f->next)
				evbuffer_add(out, ",", 1);
		}
		evbuffer_add(out, "]", 1);
	}
	evbuffer_add(out, "}", 1);
}

int
problem_send(struct request *rq, const char *code, const struct fault *faults)
{
	const char *sentence;
	int status;

	if (!contract_problem(rq->worker->contract, code, &status, rq->lang,
			      &sentence)) {
		log_event(LOG_ERROR_, "unknown_problem", "%s", code);
		code = "internal_error";
		status = 500;
		sentence = "Internal error.";
		faults = NULL; /* their codes and pointers came with it */
	}
	write_problem(rq, code, status, sentence, faults);
	rq->code = arena_strdup(rq->arena, code);
	metrics_problem(rq->code);
	if (status == 401)
		reply_header(rq, "WWW-Authenticate", "Bearer");
	/* What is gone may say what stands for it. */
	if (status == 410 && faults)
		reply_header(rq, "Location", faults->pointer);
	reply_header(rq, "Content-Language",
		     strcmp(rq->lang, "en") == 0 ? "en" : "zh-CN");
	return reply_send(rq, status, "application/problem+json", rq->out);
}

int
fail(struct request *rq, const char *code)
{
	return problem_send(rq, code, NULL);
}

int
fail_at(struct request *rq, const char *code, const char *pointer)
{
	struct fault f = { .pointer = pointer, .code = code };

	return problem_send(rq, code, &f);
}

/* First row whose prefix fits, so the exact codes stand before classes. */
static const struct {
	const char *sqlstate;
	const char *code;
	bool retry;
	int retry_after;
} table[] = {
	{ "23505", "conflict", false, 0 },
	{ "23P01", "conflict", false, 0 },
	{ "23503", "conflict", false, 0 },
	{ "23", "invalid_value", false, 0 },
	{ "22", "invalid_value", false, 0 },
	{ "40001", "overloaded", true, 1 },
	{ "40P01", "overloaded", true, 1 },
	{ "55P03", "overloaded", false, 1 },
	{ "57014", "overloaded", false, 1 },
	{ "53", "overloaded", false, 2 },
	{ "57P", "database_unavailable", false, 1 },
	{ "25006", "database_unavailable", false, 1 },
	/* not prepared: behind a lock, or at the wrong moment of a migration */
	{ "26000", "database_unavailable", true, 1 },
	{ "08", "database_unavailable", false, 1 },
	{ "42501", "role_not_allowed", false, 0 },
};

static struct problem
problem_of_rule(struct arena *a, const PGresult *error)
{
	const char *code = PQresultErrorField(error, PG_DIAG_MESSAGE_PRIMARY);
	const char *hint = PQresultErrorField(error, PG_DIAG_MESSAGE_HINT);

	return (struct problem){
		.code = arena_strdup(a, code ? code : "internal_error"),
		.pointer = hint && *hint ? arena_strdup(a, hint) : NULL,
	};
}

struct problem
problem_of_sql(struct arena *a, const PGresult *error)
{
	const char *state = PQresultErrorField(error, PG_DIAG_SQLSTATE);

	if (state && strncmp(state, "LN", 2) == 0)
		return problem_of_rule(a, error);
	for (size_t i = 0; state && i < sizeof(table) / sizeof(*table); i++)
		if (strncmp(state, table[i].sqlstate,
			    strlen(table[i].sqlstate)) == 0)
			return (struct problem){
				.code = table[i].code,
				.retry = table[i].retry,
				.retry_after = table[i].retry_after,
			};
	/* A fault of ours: for the log, never for the client. */
	log_event(LOG_ERROR_, "sql_error", "%s %s", state ? state : "?",
		  error ? PQresultErrorMessage(error) : "");
	return (struct problem){ .code = "internal_error" };
}
