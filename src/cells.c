/*
 * Cells as people fill them in.
 */
#include "cells.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema.h"

struct word {
	const char *said, *meant;
};

static bool
holds(const char *format, const char *text)
{
	return schema_format_find(format)(text, strlen(text));
}

/* U+FF01–U+FF5E are EF BC 81 – EF BD 9E. */
static int
half_width(const unsigned char *s)
{
	if (s[0] != 0xEF || (s[1] != 0xBC && s[1] != 0xBD))
		return 0;
	if (s[1] == 0xBC && s[2] >= 0x81)
		return s[2] - 0x81 + '!';
	if (s[1] == 0xBD && s[2] <= 0x9E)
		return s[2] - 0x80 + '`';
	return 0;
}

char *
cell_plain(struct arena *a, const char *text)
{
	char *out = arena_alloc(a, strlen(text) + 1);
	size_t n = 0;

	for (const unsigned char *s = (const unsigned char *)text; *s; s++) {
		int c = half_width(s);

		if (c) {
			out[n++] = (char)c;
			s += 2;
		} else if (!isspace(*s) && !(*s == '\'' && n == 0)) {
			out[n++] = (char)*s;
		}
	}
	out[n] = '\0';
	return out;
}

/* Days since 1970-01-01 as a date (proleptic Gregorian). */
static const char *
date_of_days(struct arena *a, long days)
{
	long z = days + 719468, era = z / 146097, d = z % 146097;
	long y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
	long in_year = d - (365 * y + y / 4 - y / 100);
	long m = (5 * in_year + 2) / 153;

	return arena_printf(a, "%04ld-%02ld-%02ld",
			    y + era * 400 + (m >= 10),
			    m < 10 ? m + 3 : m - 9,
			    in_year - (153 * m + 2) / 5 + 1);
}

/* A spreadsheet's day: 1 is 1900-01-01 and 60 a day that never was, or 0 is
 * 1904-01-01. Only from 1906 on, so that no year looks like one. */
static const char *
date_of_serial(struct arena *a, const char *text, enum table_days days)
{
	char *end;
	double v = strtod(text, &end);

	if (*end || v < 2193 || v > 80000)
		return NULL;
	return date_of_days(a, (long)v - (days == TABLE_DAYS_1904 ? 24107
								   : 25569));
}

const char *
cell_date(struct arena *a, const char *text, enum table_days days)
{
	const char *s = cell_plain(a, text);
	int y, m, d, n = 0;
	char *made;

	if (strlen(s) == 8 && strspn(s, "0123456789") == 8)
		made = arena_printf(a, "%.4s-%.2s-%.2s", s, s + 4, s + 6);
	else if ((sscanf(s, "%4d-%2d-%2d%n", &y, &m, &d, &n) == 3 ||
		  sscanf(s, "%4d/%2d/%2d%n", &y, &m, &d, &n) == 3 ||
		  sscanf(s, "%4d.%2d.%2d%n", &y, &m, &d, &n) == 3 ||
		  sscanf(s, "%4d年%2d月%2d日%n", &y, &m, &d, &n) == 3) &&
		 /* a time of day may follow */
		 strspn(s + n, "T:.0123456789Z") == strlen(s + n) && y > 0)
		made = arena_printf(a, "%04d-%02d-%02d", y, abs(m), abs(d));
	else
		return date_of_serial(a, s, days);
	return holds("date", made) ? made : NULL;
}

const char *
cell_phone(struct arena *a, const char *text)
{
	char *s = cell_plain(a, text), *digits = arena_alloc(a, strlen(s) + 1);
	size_t n = 0, area;

	for (const char *c = s; *c; c++)
		if (*c != '-' && *c != '(' && *c != ')')
			digits[n++] = *c;
	digits[n] = '\0';
	if (strncmp(digits, "+86", 3) == 0)
		digits += 3;
	else if (strncmp(digits, "0086", 4) == 0)
		digits += 4;
	else if (n == 13 && strncmp(digits, "86", 2) == 0)
		digits += 2;
	if (holds("phone", digits))
		return digits;
	/* A landline without the dash: 010 and 02x have three digits. */
	area = digits[0] == '0' && (digits[1] == '1' || digits[1] == '2') ? 3
									  : 4;
	if (strlen(digits) < area)
		return NULL;
	s = arena_printf(a, "%.*s-%s", (int)area, digits, digits + area);
	return holds("phone", s) ? s : NULL;
}

const char *
cell_id_number(struct arena *a, const char *text)
{
	char *s = cell_plain(a, text);

	if (!holds("resident-id", s))
		return NULL;
	s[17] = (char)toupper((unsigned char)s[17]);
	return s;
}

static const char *
find_word(struct arena *a, const char *text, const struct word *words)
{
	char *s = cell_plain(a, text);

	for (char *c = s; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	for (; words->said; words++)
		if (strcmp(s, words->said) == 0)
			return words->meant;
	return NULL;
}

const char *
cell_sex(struct arena *a, const char *text)
{
	static const struct word words[] = {
		{ "男", "male" },     { "男性", "male" },
		{ "male", "male" },   { "m", "male" },
		{ "1", "male" },      { "女", "female" },
		{ "女性", "female" }, { "female", "female" },
		{ "f", "female" },    { "2", "female" },
		{ NULL, NULL },
	};

	return find_word(a, text, words);
}

const char *
cell_kind(struct arena *a, const char *text)
{
	static const struct word words[] = {
		{ "业主", "owner" },	 { "户主", "owner" },
		{ "自有", "owner" },	 { "自住", "owner" },
		{ "产权人", "owner" },	 { "owner", "owner" },
		{ "家属", "family" },	 { "家庭成员", "family" },
		{ "亲属", "family" },	 { "成员", "family" },
		{ "family", "family" },	 { "租户", "tenant" },
		{ "租客", "tenant" },	 { "租住", "tenant" },
		{ "租赁", "tenant" },	 { "承租人", "tenant" },
		{ "tenant", "tenant" },	 { "借住", "guest" },
		{ "暂住", "guest" },	 { "寄住", "guest" },
		{ "guest", "guest" },	 { NULL, NULL },
	};

	return find_word(a, text, words);
}
