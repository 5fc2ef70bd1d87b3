/*
 * The guard's frame: runs of bytes through the states of guard_line.c,
 * guard_head.c and guard_body.c, message after message.
 *
 * evhttp takes many a malformed message for a good one, each time another
 * than a proxy in front of it would; see tests/test_guard.py for the list.
 */
#include "guard.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "guard_internal.h"

static void
message_reset(struct guard *g)
{
	g->phase = GUARD_IDLE;
	g->state = guard_start;
	g->blank = false;
	g->line = g->header_bytes = g->at = 0;
	g->headers = 0;
	g->path_length = 0;
	g->in_path = g->path_cut = false;
	g->http10 = g->close = g->keep_alive = g->trailer = false;
	g->seen = 0;
	g->length = g->body = 0;
	g->lang = "zh";
}

struct guard *
guard_new(const struct guard_rules *rules)
{
	struct guard *g = xmalloc(sizeof(*g));

	g->rules = rules;
	message_reset(g);
	return g;
}

void
guard_free(struct guard *g)
{
	free(g);
}

/* ---- faults and ends ---- */

static enum guard_verdict
refused(struct guard *g, unsigned char c)
{
	(void)g;
	(void)c;
	return GUARD_REFUSE;
}

static enum guard_verdict
closed(struct guard *g, unsigned char c)
{
	(void)g;
	(void)c;
	return GUARD_DROP;
}

enum guard_verdict
guard_refuse(struct guard *g, const char *code, const char *reason)
{
	g->code = code;
	g->reason = reason;
	g->phase = GUARD_REFUSED;
	g->state = refused;
	return GUARD_REFUSE;
}

enum guard_verdict
guard_bad(struct guard *g, const char *reason)
{
	return guard_refuse(g, "bad_framing", reason);
}

void
guard_message_done(struct guard *g)
{
	bool last = g->close || (g->http10 && !g->keep_alive);

	g->count++;
	message_reset(g);
	if (last) {
		g->phase = GUARD_CLOSED;
		g->state = closed;
	}
}

/* ---- before a message ---- */

static enum guard_verdict
blank_lf(struct guard *g, unsigned char c)
{
	if (c != '\n')
		return guard_bad(g, "CR without LF");
	g->state = guard_start;
	return GUARD_DROP;
}

/* One empty line is forgiven (RFC 9112, 2.2); evhttp would not. */
enum guard_verdict
guard_start(struct guard *g, unsigned char c)
{
	if (c == '\r' && !g->blank) {
		g->blank = true;
		g->state = blank_lf;
		return GUARD_DROP;
	}
	g->phase = GUARD_HEAD;
	return guard_line_begin(g, c);
}

/* ---- runs of bytes ---- */

/* Eight bytes at once: none below a space, none DEL. A tab has to go the long
 * way. */
static bool
is_plain_word(const unsigned char *bytes)
{
	const uint64_t ones = UINT64_MAX / 255, high = ones * 0x80;
	uint64_t word, del;

	memcpy(&word, bytes, sizeof(word));
	del = word ^ (ones * 0x7f);
	return !(((word - ones * 0x20) & ~word & high) |
		 ((del - ones) & ~del & high));
}

static size_t
text_run(const unsigned char *bytes, size_t n)
{
	size_t i = 0;

	while (n - i >= 8 && is_plain_word(bytes + i))
		i += 8;
	while (i < n && guard_is_text(bytes[i]))
		i++;
	return i;
}

/* Plain bytes of a state that takes many of a kind, without a call each;
 * 0 when the next byte needs its state's eye. */
static size_t
plain_run(struct guard *g, const unsigned char *bytes, size_t n)
{
	size_t i = 0;

	if (g->state == guard_body || g->state == guard_chunk_data) {
		/* The last byte is the state's own. */
		i = g->left - 1 < n ? (size_t)(g->left - 1) : n;
		g->left -= i;
	} else if (g->state == guard_value && !g->field) {
		size_t room = g->rules->header_bytes - g->header_bytes;

		i = text_run(bytes, n < room ? n : room);
		g->header_bytes += i;
	}
	return i;
}

enum guard_verdict
guard_feed(struct guard *g, const unsigned char *bytes, size_t n, size_t *used)
{
	enum guard_verdict run = g->ahead_verdict, v;
	size_t i = g->ahead ? 1 : 0;

	for (g->ahead = false; i < n; i++) {
		if (i == 0 || run == GUARD_PASS) {
			size_t plain = plain_run(g, bytes + i, n - i);

			if (plain) {
				run = GUARD_PASS;
				i += plain - 1;
				continue;
			}
		}
		v = g->state(g, bytes[i]);
		if (i == 0)
			run = v;
		if (v == run && v != GUARD_REFUSE)
			continue;
		g->ahead = v != GUARD_REFUSE;
		g->ahead_verdict = v;
		break;
	}
	*used = i;
	return i == 0 ? GUARD_REFUSE : run;
}

/* ---- what is known ---- */

const char *
guard_code(const struct guard *g)
{
	return g->code;
}

const char *
guard_reason(const struct guard *g)
{
	return g->reason;
}

const char *
guard_lang(const struct guard *g)
{
	return g->lang;
}

enum guard_phase
guard_phase(const struct guard *g)
{
	return g->phase;
}

unsigned long
guard_count(const struct guard *g)
{
	return g->count;
}
