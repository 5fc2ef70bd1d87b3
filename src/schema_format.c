/*
 * The formats, each a plain function, and patterns by PCRE2.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema_internal.h"
#include "text.h"

/* Exactly `digits` digits at s as a number, or -1. */
static int
number_at(const char *s, int digits)
{
	int value = 0;

	for (int i = 0; i < digits; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		value = value * 10 + (s[i] - '0');
	}
	return value;
}

static bool
is_uuid(const char *s, size_t n)
{
	return n == 36 && uuid_valid(s);
}

/* A day that exists; PostgreSQL knows no year 0. */
static bool
is_date(const char *s, size_t n)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30,
				    31, 31, 30, 31, 30, 31 };
	int y, m, d;
	bool leap;

	if (n != 10 || s[4] != '-' || s[7] != '-')
		return false;
	y = number_at(s, 4);
	m = number_at(s + 5, 2);
	d = number_at(s + 8, 2);
	if (y < 1 || m < 1 || m > 12 || d < 1)
		return false;
	leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	return d <= days[m - 1] + (m == 2 && leap);
}

/* "Z" or ±hh:mm in minutes. Up to ±15:59, which is what PostgreSQL takes. */
static bool
read_offset(const char *s, size_t n, int *minutes)
{
	int hh, mm;

	*minutes = 0;
	if (n == 1)
		return *s == 'Z' || *s == 'z';
	if (n != 6 || (*s != '+' && *s != '-') || s[3] != ':')
		return false;
	hh = number_at(s + 1, 2);
	mm = number_at(s + 4, 2);
	*minutes = (*s == '-' ? -1 : 1) * (hh * 60 + mm);
	return hh >= 0 && hh <= 15 && mm >= 0 && mm <= 59;
}

/* RFC 3339, offset required, up to nanoseconds; second 60 only where leap
 * seconds are put, the end of a UTC day. */
static bool
is_date_time(const char *s, size_t n)
{
	size_t end = 19;
	int hh, mm, ss, offset;

	if (n < 20 || !is_date(s, 10) || (s[10] != 'T' && s[10] != 't') ||
	    s[13] != ':' || s[16] != ':')
		return false;
	hh = number_at(s + 11, 2);
	mm = number_at(s + 14, 2);
	ss = number_at(s + 17, 2);
	if (hh < 0 || hh > 23 || mm < 0 || mm > 59 || ss < 0 || ss > 60)
		return false;
	if (s[end] == '.') {
		for (end++; end < n && isdigit((unsigned char)s[end]);)
			end++;
		if (end == 20 || end > 29)
			return false;
	}
	if (!read_offset(s + end, n - end, &offset))
		return false;
	return ss < 60 || (hh * 60 + mm - offset + 2 * 1440) % 1440 == 1439;
}

/* An absolute URI: a scheme, then RFC 3986 characters and whole escapes. */
static bool
is_uri(const char *s, size_t n)
{
	size_t i = 0;

	if (!n || !isalpha((unsigned char)s[0]))
		return false;
	while (i < n &&
	       (isalnum((unsigned char)s[i]) || (s[i] && strchr("+-.", s[i]))))
		i++;
	if (i == n || s[i] != ':' || ++i == n)
		return false;
	for (; i < n; i++) {
		if (s[i] == '%') {
			if (n - i < 3 || !isxdigit((unsigned char)s[i + 1]) ||
			    !isxdigit((unsigned char)s[i + 2]))
				return false;
			i += 2;
		} else if (!isalnum((unsigned char)s[i]) &&
			   (!s[i] || !strchr("-._~:/?#[]@!$&'()*+,;=", s[i]))) {
			return false;
		}
	}
	return true;
}

static bool
all_digits(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return true;
}

/* Mainland: a mobile (13812345678), or a landline with its area code
 * (028-85551234, 0816-2345678). */
static bool
is_phone(const char *s, size_t n)
{
	size_t area = n > 3 && s[3] == '-' ? 3 : 4, local = n - area - 1;

	if (n == 11 && s[0] == '1')
		return s[1] >= '3' && s[1] <= '9' && all_digits(s, n);
	if (n < area + 8 || s[0] != '0' || s[1] == '0' || s[area] != '-')
		return false;
	return (local == 7 || local == 8) && all_digits(s, area) &&
	       all_digits(s + area + 1, local) && s[area + 1] > '1';
}

/* GB 11643: six digits of a division, a day of birth, three digits, and a
 * check character by ISO 7064 MOD 11-2 over all before it. */
static bool
is_resident_id(const char *s, size_t n)
{
	int rest = 0;
	char born[11];

	if (n != 18 || s[0] == '0' || !all_digits(s, 17))
		return false;
	snprintf(born, sizeof(born), "%.4s-%.2s-%.2s", s + 6, s + 10, s + 12);
	if (!is_date(born, 10) || number_at(born, 4) < 1800)
		return false;
	for (int i = 0; i < 17; i++)
		rest = (rest + (s[i] - '0')) * 2 % 11;
	rest = (12 - rest) % 11;
	return rest == 10 ? s[17] == 'X' || s[17] == 'x' : s[17] == '0' + rest;
}

bool (*schema_format_find(const char *name))(const char *, size_t)
{
	static const struct {
		const char *name;
		bool (*check)(const char *, size_t);
	} formats[] = {
		{ "uuid", is_uuid },   { "date", is_date },
		{ "uri", is_uri },     { "date-time", is_date_time },
		{ "phone", is_phone }, { "resident-id", is_resident_id },
	};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(formats[i].name, name) == 0)
			return formats[i].check;
	return NULL;
}

/* DOLLAR_ENDONLY: else ^[a-z]+$ would let a trailing newline through. */
pcre2_code *
schema_pattern_compile(const char *text, char why[128])
{
	int number;
	PCRE2_SIZE at;
	pcre2_code *code = pcre2_compile(
		(PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
		PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C,
		&number, &at, NULL);

	if (!code)
		pcre2_get_error_message(number, (PCRE2_UCHAR *)why, 128);
	else
		pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	return code;
}

/* A match that needs more than this many steps counts as none: no text may
 * hold the event loop for longer than some milliseconds. */
#define MATCH_STEPS 100000

bool
schema_pattern_match(const pcre2_code *code, const char *text, size_t n)
{
	static _Thread_local pcre2_match_context *limits;
	static _Thread_local pcre2_match_data *data;
	pcre2_jit_stack *stack;
	int found;

	if (!data) {
		limits = pcre2_match_context_create(NULL);
		data = pcre2_match_data_create(1, NULL);
		stack = pcre2_jit_stack_create(32 * 1024, 512 * 1024, NULL);
		if (!limits || !data || !stack)
			abort();
		pcre2_set_match_limit(limits, MATCH_STEPS);
		pcre2_set_depth_limit(limits, MATCH_STEPS);
		pcre2_set_heap_limit(limits, 16 * 1024); /* KiB */
		pcre2_jit_stack_assign(limits, NULL, stack);
	}
	found = pcre2_match(code, (PCRE2_SPTR)text, n, 0, 0, data, limits);
	if (found == PCRE2_ERROR_NOMEMORY)
		abort();
	return found >= 0;
}
