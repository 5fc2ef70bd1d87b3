/*
 * Values in PostgreSQL's binary format, as its text format has them: it is
 * cheaper to write them here than there.
 */
#include "encode.h"

#include <stdint.h>

#include "encode_internal.h"

#define DAY_US 86400000000LL
#define DAYS_TO_2000 730425 /* from 0000-03-01 to 2000-01-01 */

enum { BOOL = 16, INT8 = 20, INT2 = 21, INT4 = 23, TEXT = 25, JSON = 114,
       VARCHAR = 1043, TIMESTAMPTZ = 1184, UUID = 2950 };

bool
encode_knows_binary(Oid type)
{
	switch (type) {
	case BOOL:
	case INT2:
	case INT4:
	case INT8:
	case TEXT:
	case JSON:
	case VARCHAR:
	case TIMESTAMPTZ:
	case UUID:
		return true;
	default:
		return false;
	}
}

bool
encode_can(const PGresult *res)
{
	for (int i = 0; i < PQnfields(res); i++)
		if (PQfformat(res, i) && !encode_knows_binary(PQftype(res, i)))
			return false;
	return true;
}

bool
encode_is_plain(Oid type)
{
	return type == TEXT || type == VARCHAR || type == JSON;
}

/* Network order; shorter ones are signed, too. */
static int64_t
integer_of(const char *s, size_t n)
{
	uint64_t x = n > 0 && (*s & 0x80) ? UINT64_MAX : 0;

	for (size_t i = 0; i < n; i++)
		x = x << 8 | (unsigned char)s[i];
	return (int64_t)x;
}

static size_t
put_integer(char *out, int64_t value)
{
	uint64_t x = value < 0 ? -(uint64_t)value : (uint64_t)value;
	char digits[20];
	size_t n = 0, len = 0;

	if (value >= 0 && value < 10) {
		*out = (char)('0' + value);
		return 1;
	}
	do
		digits[n++] = (char)('0' + x % 10);
	while (x /= 10);
	if (value < 0)
		out[len++] = '-';
	while (n > 0)
		out[len++] = digits[--n];
	return len;
}

/* Two characters for each number: at 2 * n. */
static const char tens[] =
	"00010203040506070809101112131415161718192021222324252627282930313233"
	"34353637383940414243444546474849505152535455565758596061626364656667"
	"6869707172737475767778798081828384858687888990919293949596979899";

static inline char *
put_two(char *out, uint32_t x)
{
	memcpy(out, &tens[2 * x], 2);
	return out + 2;
}

/* Eight digits of a half at once: each nibble in a byte of its own, the lowest
 * first; what is above 9 gets the distance from '9' + 1 to 'a'. */
static void
put_hex(char *out, uint32_t x)
{
	const uint64_t nibbles = 0x0f0f0f0f0f0f0f0fu;
	uint64_t y = x;

	y = (y | y << 16) & 0x0000ffff0000ffffu;
	y = (y | y << 8) & 0x00ff00ff00ff00ffu;
	y = (y | y << 4) & nibbles;
	y += 0x3030303030303030u +
	     ((y + 0x0606060606060606u) >> 4 & 0x0101010101010101u) * 39;
	for (int i = 8; i-- > 0; y >>= 8)
		out[i] = (char)y;
}

static size_t
put_uuid(char *out, const char *s)
{
	char hex[32];

	for (int i = 0; i < 4; i++) {
		const unsigned char *at = (const unsigned char *)s + 4 * i;

		put_hex(hex + 8 * i, (uint32_t)at[0] << 24 | at[1] << 16 |
					     at[2] << 8 | at[3]);
	}
	memcpy(out, hex, 8);
	memcpy(out + 9, hex + 8, 4);
	memcpy(out + 14, hex + 12, 4);
	memcpy(out + 19, hex + 16, 4);
	memcpy(out + 24, hex + 20, 12);
	out[8] = out[13] = out[18] = out[23] = '-';
	return 36;
}

/* A day since 2000-01-01, by years that begin in March, so that the leap day
 * is their last, and eras of 400 years, which are all alike. */
static char *
put_date(char *p, int64_t days)
{
	uint32_t z = (uint32_t)(days + DAYS_TO_2000);
	uint32_t era = z / 146097, day = z % 146097;
	uint32_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	uint32_t month;

	day -= 365 * year + year / 4 - year / 100;
	month = (5 * day + 2) / 153;
	day -= (153 * month + 2) / 5;
	year += era * 400 + (month >= 10);
	month = month < 10 ? month + 3 : month - 9;
	p = put_two(put_two(p, year / 100), year % 100);
	*p++ = '-';
	p = put_two(p, month);
	*p++ = '-';
	return put_two(p, day + 1);
}

static char *
put_clock(char *p, int64_t us)
{
	uint32_t s = (uint32_t)(us / 1000000), rest = (uint32_t)(us % 1000000);

	p = put_two(p, s / 3600);
	*p++ = ':';
	p = put_two(p, s / 60 % 60);
	*p++ = ':';
	p = put_two(p, s % 60);
	if (rest == 0)
		return p;
	*p++ = '.';
	p = put_two(put_two(put_two(p, rest / 10000), rest / 100 % 100),
		    rest % 100);
	while (p[-1] == '0')
		p--;
	return p;
}

/* In UTC. What JSON cannot take (put_time() of encode_text.c) is 0 long. */
static size_t
put_time(char *out, int64_t us)
{
	const int64_t first = -730119, end = 2921940; /* years 1 and 10000 */
	int64_t day = us / DAY_US, rest = us % DAY_US;
	char *p = out;

	if (rest < 0) {
		day--;
		rest += DAY_US;
	}
	if (day < first || day >= end)
		return 0;
	p = put_date(p, day);
	*p++ = ' ';
	p = put_clock(p, rest);
	memcpy(p, "+00", 3);
	return (size_t)(p + 3 - out);
}

size_t
encode_plain(char out[ENCODE_PLAIN], Oid type, const char *s, size_t n)
{
	switch (type) {
	case BOOL:
		*out = n == 1 && *s ? 't' : 'f';
		return 1;
	case UUID:
		return n == 16 ? put_uuid(out, s) : 0;
	case TIMESTAMPTZ:
		return n == 8 ? put_time(out, integer_of(s, n)) : 0;
	default:
		return put_integer(out, integer_of(s, n));
	}
}
