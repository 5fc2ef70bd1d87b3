#include "sqltext.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

static bool
word_byte(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (c & 0x80);
}

/* The closing quote doubled stands for itself; in E'' a backslash escapes. */
static const char *
skip_quoted(const char *s, const char *end, bool backslash)
{
	char quote = *s++;

	for (; s < end; s++) {
		if (*s == quote && (s + 1 == end || s[1] != quote))
			return s + 1;
		if (*s == quote || (backslash && *s == '\\'))
			s++;
	}
	return NULL;
}

static const char *
skip_block_comment(const char *s, const char *end)
{
	int depth = 0;

	for (; s + 1 < end; s++) {
		if (s[0] == '/' && s[1] == '*') {
			depth++;
			s++;
		} else if (s[0] == '*' && s[1] == '/') {
			s++;
			if (--depth == 0)
				return s + 1;
		}
	}
	return NULL;
}

static const char *
skip_line(const char *s, const char *end)
{
	const char *newline = memchr(s, '\n', (size_t)(end - s));

	return newline ? newline + 1 : end;
}

/* $tag$ … $tag$; a lone "$1" is a parameter. */
static const char *
skip_dollar(const char *s, const char *end)
{
	const char *p = s + 1;
	size_t tag;

	if (p < end && isdigit((unsigned char)*p))
		return p;
	while (p < end && word_byte(*p))
		p++;
	if (p == end || *p != '$')
		return s + 1;
	tag = (size_t)(++p - s);
	p = memmem(p, (size_t)(end - p), s, tag);
	return p ? p + tag : NULL;
}

static const char *
skip_word(const char *s, const char *end)
{
	const char *start = s;

	/* A $ inside a name belongs to it and opens no body. */
	while (s < end && (word_byte(*s) || *s == '$'))
		s++;
	if (s - start == 1 && s < end && *s == '\'' && (*start | 32) == 'e')
		return skip_quoted(s, end, true);
	return s;
}

const char *
sqltext_skip(const char *s, const char *end)
{
	if (*s == '\'' || *s == '"')
		return skip_quoted(s, end, false);
	if (*s == '$')
		return skip_dollar(s, end);
	if (s + 1 < end && s[0] == '-' && s[1] == '-')
		return skip_line(s, end);
	if (s + 1 < end && s[0] == '/' && s[1] == '*')
		return skip_block_comment(s, end);
	if (word_byte(*s))
		return skip_word(s, end);
	return s + 1;
}

bool
sqltext_is_blank(const char *s, const char *end)
{
	return isspace((unsigned char)*s) ||
	       (s + 1 < end && (memcmp(s, "--", 2) == 0 ||
				memcmp(s, "/*", 2) == 0));
}

const char *
sqltext_start(const char *s, const char *end)
{
	while (s && s < end && (*s == ';' || sqltext_is_blank(s, end)))
		s = sqltext_skip(s, end);
	return s;
}

const char *
sqltext_stop(const char *s, const char *end)
{
	while (s && s < end && *s != ';')
		s = sqltext_skip(s, end);
	return s;
}
