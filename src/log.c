/*
 * Log lines: one JSON object each on stderr, written with one write(2) so
 * that lines of several processes never mix.
 */
#include "log.h"

#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "text.h"

#define LINE_MAX_ 4096
/* What goes into a pipe whole. */
#define GATHER_MAX PIPE_BUF

static const char *const levels[] = { "error", "warn", "info", "debug" };
static enum log_level threshold = LOG_INFO_;
static char process[32] = "main";
static int pid; /* asking costs a system call each time */

/* The lines of one turn of the loop, until it is over. */
static struct {
	struct event *over;
	pthread_t thread; /* the loop's; others write at once */
	size_t used;
	char lines[GATHER_MAX];
} turn;

void
log_open(const char *name, const char *level)
{
	snprintf(process, sizeof(process), "%s", name);
	pid = (int)getpid();
	for (int i = 0; i < 4; i++)
		if (strcmp(level, levels[i]) == 0)
			threshold = i;
}

/* Length of the well-formed UTF-8 sequence at s, 0 if there is none. */
static size_t
sequence(const char *s, size_t n)
{
	unsigned char lead = (unsigned char)*s;
	size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

	return len <= n && utf8_valid(s, len) ? len : 0;
}

/* U+2028 and U+2029: JSON allows them, yet some readers break lines there. */
static bool
line_break(const char *s, size_t len)
{
	return len == 3 && memcmp(s, "\xe2\x80", 2) == 0 &&
	       ((unsigned char)s[2] | 1) == 0xa9;
}

/* Writes what stands for the character at s into form; returns how many
 * bytes of s it covers. */
static size_t
escape(const char *s, size_t n, char form[8])
{
	size_t len = sequence(s, n);

	if (len == 0)
		strcpy(form, "\\ufffd");
	else if (line_break(s, len))
		strcpy(form, (unsigned char)s[2] == 0xa8 ? "\\u2028" :
							   "\\u2029");
	else if (*s == '"' || *s == '\\')
		sprintf(form, "\\%c", *s);
	else if (len == 1 && ((unsigned char)*s < 0x20 || *s == 0x7f))
		sprintf(form, "\\u%04x", (unsigned)(unsigned char)*s);
	else
		sprintf(form, "%.*s", (int)len, s);
	return len ? len : 1;
}

size_t
log_quote(char *out, size_t cap, const char *s, size_t n)
{
	size_t used = 1, took;
	char form[8];

	if (cap < 2)
		return 0;
	out[0] = '"';
	for (size_t i = 0; i < n; i += took) {
		took = escape(s + i, n - i, form);
		if (used + strlen(form) + 1 > cap)
			break;
		memcpy(out + used, form, strlen(form));
		used += strlen(form);
	}
	out[used++] = '"';
	return used;
}

/* A full or closed log must not stop the service. */
static void
write_out(const char *lines, size_t len)
{
	ssize_t done = write(STDERR_FILENO, lines, len);

	(void)done;
}

void
log_flush(void)
{
	size_t len = turn.used;

	turn.used = 0;
	if (len > 0)
		write_out(turn.lines, len);
}

static void
on_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	log_flush();
}

void
log_gather(struct event_base *base)
{
	log_flush();
	if (turn.over)
		event_free(turn.over);
	turn.over = base ? event_new(base, -1, 0, on_over, NULL) : NULL;
	turn.thread = pthread_self();
}

static bool
gathers(size_t len)
{
	return turn.over && len <= sizeof(turn.lines) &&
	       pthread_equal(turn.thread, pthread_self());
}

void
log_raw(const char *json, size_t len)
{
	char small[LINE_MAX_ + 1], *line;

	if (gathers(len + 1)) {
		if (turn.used + len + 1 > sizeof(turn.lines))
			log_flush();
		if (turn.used == 0)
			event_active(turn.over, EV_TIMEOUT, 0);
		memcpy(turn.lines + turn.used, json, len);
		turn.used += len;
		turn.lines[turn.used++] = '\n';
		return;
	}
	line = len < sizeof(small) ? small : xmalloc(len + 1);
	memcpy(line, json, len);
	line[len] = '\n';
	write_out(line, len + 1);
	if (line != small)
		free(line);
}

/* "…T06:43:14", made once a second. */
static const char *
second_text(time_t second)
{
	static _Thread_local char text[32];
	static _Thread_local time_t of;
	struct tm tm;

	if (second != of) {
		gmtime_r(&second, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
		of = second;
	}
	return text;
}

bool
log_wants(enum log_level level)
{
	return level <= threshold;
}

size_t
log_begin(char *out, size_t cap, enum log_level level, const char *event)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (size_t)snprintf(out, cap,
				"{\"time\":\"%s.%03ldZ\",\"level\":\"%s\","
				"\"process\":\"%s\",\"pid\":%d,"
				"\"event\":\"%s\"",
				second_text(now.tv_sec), now.tv_nsec / 1000000,
				levels[level], process,
				pid ? pid : (int)getpid(), event);
}

void
log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	char message[LINE_MAX_ / 2], line[LINE_MAX_];
	va_list args;
	size_t n;

	if (!log_wants(level))
		return;
	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	n = log_begin(line, sizeof(line), level, event);
	n += (size_t)snprintf(line + n, sizeof(line) - n, ",\"message\":");
	n += log_quote(line + n, sizeof(line) - n - 1, message,
		       strlen(message));
	line[n++] = '}';
	log_raw(line, n);
	if (level < LOG_INFO_)
		log_flush();
}

void
die(const char *fmt, ...)
{
	va_list args;

	fputs("linlid: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}
