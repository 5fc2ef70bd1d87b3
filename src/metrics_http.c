/*
 * The listener of the metrics, in the job process: what a scraper sends meets
 * neither the API's workers nor the supervisor.
 */
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <string.h>

#include "metrics.h"

#define TIMEOUT_S 5
#define HEADER_BYTES 8192

static void
on_scrape(struct evhttp_request *ev, void *arg)
{
	struct evbuffer *out = evbuffer_new();

	if (!out)
		abort();
	metrics_write(out, arg);
	evhttp_add_header(evhttp_request_get_output_headers(ev),
			  "Content-Type",
			  "text/plain; version=0.0.4; charset=utf-8");
	evhttp_send_reply(ev, 200, NULL, out);
	evbuffer_free(out);
}

static void
on_other(struct evhttp_request *ev, void *arg)
{
	(void)arg;
	evhttp_send_error(ev, 404, NULL);
}

struct evhttp *
metrics_serve(struct event_base *base, int fd, const struct shared *shared)
{
	struct evhttp *http = evhttp_new(base);

	if (!http || evhttp_accept_socket(http, fd) != 0)
		abort();
	evhttp_set_timeout(http, TIMEOUT_S);
	evhttp_set_max_headers_size(http, HEADER_BYTES);
	evhttp_set_max_body_size(http, 0);
	evhttp_set_allowed_methods(http, EVHTTP_REQ_GET);
	evhttp_set_cb(http, "/metrics", on_scrape, (void *)shared);
	evhttp_set_gencb(http, on_other, NULL);
	return http;
}
