/*
 * Bare evhttp: what the HTTP library costs when nothing else is done. A few
 * processes on one socket, one constant reply.
 *
 *	evhttp PORT PROCESSES
 */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <unistd.h>

static void
answer(struct evhttp_request *rq, void *arg)
{
	static const char body[] = "{\"status\":\"ok\"}";
	struct evbuffer *out = evbuffer_new();

	(void)arg;
	evhttp_add_header(evhttp_request_get_output_headers(rq),
			  "Content-Type", "application/json");
	evbuffer_add(out, body, sizeof(body) - 1);
	evhttp_send_reply(rq, 200, "OK", out);
	evbuffer_free(out);
}

static int
listen_on(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((unsigned short)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(fd, 1024) != 0) {
		perror("evhttp");
		exit(1);
	}
	return fd;
}

int
main(int argc, char **argv)
{
	struct event_base *base;
	struct evhttp *http;
	int fd;

	if (argc != 3)
		return 2;
	fd = listen_on(atoi(argv[1]));
	for (int i = atoi(argv[2]); i > 1; i--)
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			break;
		}
	base = event_base_new();
	http = evhttp_new(base);
	evhttp_set_gencb(http, answer, NULL);
	evhttp_accept_socket(http, fd);
	return event_base_dispatch(base);
}
