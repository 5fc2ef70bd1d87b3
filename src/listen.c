#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "tls.h"

#define BACKLOG 1024
#define BIND_TRIES 20
#define BIND_PAUSE_NS 50000000

static void
set_option(int fd, int level, int name)
{
	int on = 1;

	if (setsockopt(fd, level, name, &on, sizeof(on)) != 0)
		die("cannot set up the listening socket: %s", strerror(errno));
}

/* A killed supervisor's workers let go of the port only when they notice, so
 * a port in use is tried again for a second. */
static void
bind_patiently(int fd, const struct sockaddr *sa, socklen_t len,
	       const char *spec)
{
	const struct timespec pause = { .tv_nsec = BIND_PAUSE_NS };

	for (int i = 0; bind(fd, sa, len) != 0; i++) {
		if (errno != EADDRINUSE)
			die("cannot listen on %s: %s", spec, strerror(errno));
		if (i == BIND_TRIES)
			die("cannot listen on %s: another program is already "
			    "listening there",
			    spec);
		nanosleep(&pause, NULL);
	}
}

/* Names what the kernel has bound: port 0 became a real one. */
static void
name_socket(struct listener *l)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);
	char host[64], port[8];
	int wrong;

	if (getsockname(l->fd, (struct sockaddr *)&sa, &len) != 0)
		die("getsockname: %s", strerror(errno));
	if (sa.ss_family == AF_UNIX) {
		snprintf(l->url, sizeof(l->url), "unix:%.*s",
			 (int)(len - offsetof(struct sockaddr_un, sun_path)),
			 ((struct sockaddr_un *)&sa)->sun_path);
		return;
	}
	wrong = getnameinfo((struct sockaddr *)&sa, len, host, sizeof(host),
			    port, sizeof(port),
			    NI_NUMERICHOST | NI_NUMERICSERV);
	if (wrong)
		die("getnameinfo: %s", gai_strerror(wrong));
	snprintf(l->url, sizeof(l->url),
		 sa.ss_family == AF_INET6 ? "%s://[%s]:%s" : "%s://%s:%s",
		 tls_on() ? "https" : "http", host, port);
}

/* A socket file left by a killed process refuses connections: take it away. */
static void
remove_stale(const struct sockaddr_un *sa, int fd)
{
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0)
		die("cannot listen on unix:%s: another program is already "
		    "listening there",
		    sa->sun_path);
	if (errno == ECONNREFUSED)
		unlink(sa->sun_path);
}

static int
listen_unix(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(sa.sun_path))
		die("the path of a unix socket has at most %zu bytes: %s",
		    sizeof(sa.sun_path) - 1, path);
	strcpy(sa.sun_path, path);
	remove_stale(&sa, fd);
	bind_patiently(fd, (struct sockaddr *)&sa, sizeof(sa), path);
	return fd;
}

/* Splits "host:port" and "[v6]:port". */
static void
split(const char *spec, char *host, size_t cap, const char **port)
{
	const char *colon = strrchr(spec, ':');
	size_t len = colon ? (size_t)(colon - spec) : 0;

	if (!colon || len >= cap)
		die("listen: \"%s\" is not host:port, [v6]:port or unix:/path",
		    spec);
	if (len > 1 && spec[0] == '[' && spec[len - 1] == ']') {
		spec++;
		len -= 2;
	}
	memcpy(host, spec, len);
	host[len] = '\0';
	*port = colon + 1;
}

static int
listen_tcp(const char *spec, int option)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	struct addrinfo *found;
	char host[256];
	const char *port;
	int fd, wrong;

	split(spec, host, sizeof(host), &port);
	wrong = getaddrinfo(*host ? host : NULL, port, &hints, &found);
	if (wrong)
		die("cannot listen on %s: %s", spec, gai_strerror(wrong));
	fd = socket(found->ai_family,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("cannot listen on %s: %s", spec, strerror(errno));
	set_option(fd, SOL_SOCKET, option);
	bind_patiently(fd, found->ai_addr, found->ai_addrlen, spec);
	/* Accepted sockets inherit it, which saves a call on each. */
	set_option(fd, IPPROTO_TCP, TCP_NODELAY);
	freeaddrinfo(found);
	return fd;
}

/* A file under another name first: to those who connect, the path is there
 * all the time. Nobody removes it in the end, for it may be the next one's. */
static int
listen_over(const char *path)
{
	char fresh[sizeof(((struct sockaddr_un *)0)->sun_path) + 16];
	int fd;

	snprintf(fresh, sizeof(fresh), "%s.%d", path, (int)getpid());
	fd = listen_unix(fresh);
	if (rename(fresh, path) != 0)
		die("cannot listen on unix:%s: %s", path, strerror(errno));
	return fd;
}

int
listen_aside(const char *spec)
{
	int fd = strncmp(spec, "unix:", 5) == 0
			 ? listen_over(spec + 5)
			 : listen_tcp(spec, SO_REUSEPORT);

	if (listen(fd, BACKLOG) != 0)
		die("cannot listen on %s: %s", spec, strerror(errno));
	return fd;
}

void
listen_open(const char *spec, struct listener *out)
{
	int given = sd_listen_fds(1);

	memset(out, 0, sizeof(*out));
	if (given > 1)
		die("systemd handed over %d sockets; one is expected", given);
	out->adopted = given == 1;
	if (out->adopted) {
		out->fd = SD_LISTEN_FDS_START;
		fcntl(out->fd, F_SETFL,
		      fcntl(out->fd, F_GETFL) | O_NONBLOCK);
	} else if (strncmp(spec, "unix:", 5) == 0) {
		out->fd = listen_unix(spec + 5);
	} else {
		out->fd = listen_tcp(spec, SO_REUSEADDR);
	}
	if (!out->adopted && listen(out->fd, BACKLOG) != 0)
		die("cannot listen on %s: %s", spec,
		    errno == EADDRINUSE ? "another program is already "
					  "listening there" :
					  strerror(errno));
	name_socket(out);
}

void
listen_quiesce(const struct listener *l)
{
	/* The filter sees the TCP header: drop when SYN without ACK. Accepted
	 * sockets are not concerned, they meet no more SYN. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
	};
	const struct sock_fprog program = {
		.len = sizeof(code) / sizeof(*code),
		.filter = code,
	};

	/* systemd's socket goes on queueing for the next of us. */
	if (!l->adopted && strncmp(l->url, "http", 4) == 0)
		(void)!setsockopt(l->fd, SOL_SOCKET, SO_ATTACH_FILTER,
				  &program, sizeof(program));
}

void
listen_close(struct listener *l)
{
	if (!l->adopted && strncmp(l->url, "unix:", 5) == 0)
		unlink(l->url + 5);
	close(l->fd);
	l->fd = -1;
}
