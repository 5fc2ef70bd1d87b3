/* Reading SQL text just far enough to know what is not code: strings, quoted
 * names, dollar-quoted bodies and comments. */
#ifndef LINLI_SQLTEXT_H
#define LINLI_SQLTEXT_H
#include <stdbool.h>

/* s < end. The end of the token at s: of a whole string ('…', E'…'), quoted
 * name, dollar-quoted body, comment (blocks nest) or word; else one byte on.
 * NULL when it is left open. */
const char *sqltext_skip(const char *s, const char *end);
/* The token at s is a comment or white space. */
bool sqltext_is_blank(const char *s, const char *end);
/* First byte of the next statement (blanks and empty statements skipped), or
 * end. NULL when a comment is left open. */
const char *sqltext_start(const char *s, const char *end);
/* s at a statement's first byte: its ";" or end. NULL when something in it is
 * left open. */
const char *sqltext_stop(const char *s, const char *end);
#endif
