#include "takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "log.h"

#define ARGS_MAX 16
/* "pid" or "pid own": the socket is ours, not systemd's. */
#define FROM "LINLI_TAKES_OVER"

static struct {
	char program[PATH_MAX]; /* before another file lies there */
	char text[4096];        /* of the arguments */
	char *args[ARGS_MAX + 1];
	pid_t from; /* 0 = nobody, or told already */
} self;

static void
read_args(void)
{
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, self.text, sizeof(self.text) - 1);
	int count = 0;

	if (fd >= 0)
		close(fd);
	for (char *s = self.text; s < self.text + n && count < ARGS_MAX;
	     s += strlen(s) + 1)
		self.args[count++] = s;
	self.args[count] = NULL;
}

bool
takeover_open(void)
{
	const char *from = getenv(FROM);
	ssize_t n = readlink("/proc/self/exe", self.program,
			     sizeof(self.program) - 1);
	bool own;

	self.program[n > 0 ? n : 0] = '\0';
	read_args();
	if (!from)
		return false;
	self.from = (pid_t)atol(from);
	own = strstr(from, " own");
	unsetenv(FROM);
	return own;
}

/* Runs in the child, which has nothing to lose but itself. */
static _Noreturn void
become(const struct listener *l, pid_t from)
{
	char text[32];
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (l->fd == SD_LISTEN_FDS_START)
		fcntl(l->fd, F_SETFD, 0);
	else if (dup2(l->fd, SD_LISTEN_FDS_START) < 0)
		_exit(1);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDS", "1", 1);
	if (getenv("WATCHDOG_USEC"))
		setenv("WATCHDOG_PID", text, 1);
	snprintf(text, sizeof(text), "%d%s", (int)from,
		 l->adopted ? "" : " own");
	setenv(FROM, text, 1);
	execv(self.program, self.args);
	_exit(1);
}

pid_t
takeover_start(const struct listener *l)
{
	pid_t from = getpid(), pid = -1;

	if (*self.program && self.args[0])
		pid = fork();
	if (pid == 0)
		become(l, from);
	if (pid < 0)
		log_event(LOG_ERROR_, "takeover_failed", "%s",
			  strerror(errno));
	else
		log_event(LOG_INFO_, "takeover_started", "%s as process %d",
			  self.program, (int)pid);
	return pid < 0 ? 0 : pid;
}

void
takeover_tell(void)
{
	/* Only the parent: the pid may have become somebody else's. */
	if (self.from && self.from == getppid())
		kill(self.from, TAKEOVER_SIGNAL);
	self.from = 0;
}
