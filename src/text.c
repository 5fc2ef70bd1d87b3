#include "text.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static const char hex_digits[] = "0123456789abcdef";

/* Length of the well-formed sequence at s (Unicode 15, table 3-7), or 0. */
static size_t
utf8_sequence(const unsigned char *s, size_t n)
{
	unsigned char lo = 0x80, hi = 0xBF;
	size_t len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xC2 || s[0] > 0xF4)
		return 0;
	len = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
	if (len > n)
		return 0;
	switch (s[0]) {
	case 0xE0:
		lo = 0xA0;
		break; /* overlong */
	case 0xED:
		hi = 0x9F;
		break; /* surrogates */
	case 0xF0:
		lo = 0x90;
		break; /* overlong */
	case 0xF4:
		hi = 0x8F;
		break; /* beyond U+10FFFF */
	}
	if (s[1] < lo || s[1] > hi)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (s[i] < 0x80 || s[i] > 0xBF)
			return 0;
	return len;
}

bool
utf8_valid(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t len;

	for (size_t i = 0; i < n; i += len) {
		len = utf8_sequence(p + i, n - i);
		if (!len)
			return false;
	}
	return true;
}

size_t
utf8_length(const char *s, size_t n)
{
	size_t length = 0;

	for (size_t i = 0; i < n; i++)
		length += ((unsigned char)s[i] & 0xC0) != 0x80;
	return length;
}

size_t
base64url_encode(char *out, const void *in, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789-_";
	const unsigned char *p = in;
	unsigned bits = 0, acc = 0;
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		acc = acc << 8 | p[i];
		for (bits += 8; bits >= 6; bits -= 6)
			out[len++] = digits[acc >> (bits - 6) & 63];
		acc &= (1u << bits) - 1;
	}
	if (bits)
		out[len++] = digits[acc << (6 - bits) & 63];
	out[len] = '\0';
	return len;
}

static int
base64url_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool
base64url_decode(struct arena *a, const char *s, size_t n, unsigned char **out,
		 size_t *out_len)
{
	unsigned bits = 0, acc = 0;
	size_t len = 0;

	if (n % 4 == 1)
		return false;
	*out = arena_alloc(a, n / 4 * 3 + 3);
	for (size_t i = 0; i < n; i++) {
		int digit = base64url_digit(s[i]);

		if (digit < 0)
			return false;
		acc = acc << 6 | (unsigned)digit;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			(*out)[len++] = (unsigned char)(acc >> bits);
			acc &= (1u << bits) - 1;
		}
	}
	*out_len = len;
	return acc == 0; /* else two texts would stand for the same bytes */
}

void
hex_encode(char *out, const void *in, size_t n)
{
	const unsigned char *p = in;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = hex_digits[p[i] >> 4];
		out[2 * i + 1] = hex_digits[p[i] & 15];
	}
	out[2 * n] = '\0';
}

/* A forked child must not hand out its parent's next ids: each fork raises
 * the generation, and a buffer of an older one is thrown away. */
static atomic_uint fork_generation = 1;

static void
after_fork(void)
{
	atomic_fetch_add(&fork_generation, 1);
}

static void
watch_forks(void)
{
	if (pthread_atfork(NULL, NULL, after_fork))
		abort();
}

static void
random_fill(unsigned char *out, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = getrandom(out + done, n - done, 0);

		if (got < 0 && errno != EINTR)
			abort();
		if (got > 0)
			done += (size_t)got;
	}
}

/* By how much the wall clock was ever ahead of the monotonic one. */
static atomic_llong own_lead, *lead = &own_lead;

void
clock_share(atomic_llong *memory)
{
	atomic_store(memory, atomic_load(lead));
	lead = memory;
}

/* What was must not come again when the clock is set back: expired tokens
 * would live once more, new ids sort before old ones. */
static int64_t
clock_us(void)
{
	long long most = atomic_load(lead), now;
	int64_t mono;
	struct timespec t;

	/* In this order: a pause between the two never adds to the lead. */
	clock_gettime(CLOCK_REALTIME, &t);
	mono = monotonic_us();
	now = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 - mono;
	while (now > most && !atomic_compare_exchange_weak(lead, &most, now))
		;
	return mono + (now > most ? now : most);
}

/* Kernel randomness by the page, a system call for every 512 ids. */
static void
random_take(unsigned char out[8])
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static _Thread_local unsigned char buffer[4096];
	static _Thread_local size_t used = sizeof(buffer);
	static _Thread_local unsigned generation;
	unsigned now;

	pthread_once(&once, watch_forks);
	now = atomic_load(&fork_generation);
	if (used == sizeof(buffer) || generation != now) {
		random_fill(buffer, sizeof(buffer));
		generation = now;
		used = 0;
	}
	memcpy(out, buffer + used, 8);
	memset(buffer + used, 0, 8);
	used += 8;
}

void
uuid_make(char out[37], unsigned street)
{
	unsigned char b[16];
	uint64_t now = (uint64_t)clock_us(), ms = now / 1000;
	unsigned us = (unsigned)(now % 1000);
	char *p = out;

	random_take(b + 8);
	for (int i = 0; i < 6; i++)
		b[i] = (unsigned char)(ms >> (40 - 8 * i));
	b[6] = (unsigned char)(0x80 | (street >> 8 & 0x0F));
	b[7] = (unsigned char)street;
	b[8] = (unsigned char)(0x80 | (street >> 12 & 0x0F) << 2 | us >> 8);
	b[9] = (unsigned char)us;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex_digits[b[i] >> 4];
		*p++ = hex_digits[b[i] & 15];
	}
	*p = '\0';
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
uuid_valid(const char *s)
{
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : hex_value(s[i]) < 0)
			return false;
	}
	return s[36] == '\0';
}

unsigned
uuid_street(const char *uuid)
{
	unsigned low = 0, high;

	for (int i = 15; i < 18; i++)
		low = low << 4 | (unsigned)hex_value(uuid[i]);
	high = (unsigned)hex_value(uuid[19]) << 4 |
	       (unsigned)hex_value(uuid[20]);
	return (high >> 2 & 0x0F) << 12 | low;
}

/* "zh" unless English is asked for before any Chinese: our readers' own
 * language is the default, and a quality list rarely matters here. */
const char *
language_pick(const char *accept)
{
	const char *en = accept ? strcasestr(accept, "en") : NULL;
	const char *zh = accept ? strcasestr(accept, "zh") : NULL;

	return en && (!zh || en < zh) ? "en" : "zh";
}

int64_t
clock_ms(void)
{
	return clock_us() / 1000;
}

int64_t
monotonic_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}
