/* One JSON object a line on stderr. Never bodies, never tokens. */
#ifndef LINLI_LOG_H
#define LINLI_LOG_H
#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_ERROR_, LOG_WARN_, LOG_INFO_, LOG_DEBUG_ };

/* process: "main", "worker-0", "job"; level: error|warn|info|debug. */
void log_open(const char *process, const char *level);
/* {"time":…,"level":…,"process":…,"pid":…,"event":event,"message":…}; the
 * message is escaped, whatever bytes it holds, so a line stays a line. */
void log_event(enum log_level level, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* For lines with fields of their own: is the level on; the common beginning
 * (an open object, event is the last field so far); its length. */
bool log_wants(enum log_level level);
size_t log_begin(char *out, size_t cap, enum log_level level,
		 const char *event);
/* Writes one finished JSON object (no newline) as a line, in one write(2). */
void log_raw(const char *json, size_t len);
/* From now on the lines of one turn of this loop go out together, but for
 * warnings and errors, which are written at once with what is before them.
 * NULL: each by itself again, before the base goes. */
void log_gather(struct event_base *base);
void log_flush(void);
/* Appends s[0..n) to out as a quoted JSON string, at most cap bytes in all;
 * controls, quotes, DEL, U+2028/9 and invalid UTF-8 escaped. Returns length. */
size_t log_quote(char *out, size_t cap, const char *s, size_t n);
/* error to stderr as a plain sentence, exit 1. For start-up and subcommands. */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
#endif
