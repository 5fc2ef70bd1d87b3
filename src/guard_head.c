/*
 * The lines of a head, and of a chunked body's trailer: name, colon, value,
 * CRLF; no folding, no space around the name, no controls.
 */
#include "guard_internal.h"

static guard_state name, value_start, value_lf, head_lf;

bool
guard_head_count(struct guard *g, size_t n)
{
	g->header_bytes += n;
	if (g->header_bytes <= g->rules->header_bytes)
		return true;
	guard_refuse(g, "headers_too_large", "header fields too long");
	return false;
}

/* RFC 9110, 5.6.2: letters, digits and !#$%&'*+-.^_`|~ */
static bool
is_token(unsigned char c)
{
	static const uint32_t set[4] = { 0, 0x03ff6cfa, 0xc7fffffe,
					 0x57ffffff };

	return c < 128 && (set[c / 32] >> (c % 32) & 1);
}

static const char *
why_not_name(unsigned char c)
{
	switch (c) {
	case ' ':
	case '\t':
		return "white space before or in a header name";
	case '\n':
		return "LF without CR";
	case ':':
		return "header without a name";
	default:
		return "illegal byte in a header name";
	}
}

enum guard_verdict
guard_field_start(struct guard *g, unsigned char c)
{
	if (!guard_head_count(g, 1))
		return GUARD_REFUSE;
	if (c == '\r') {
		g->state = head_lf;
		return GUARD_PASS;
	}
	if (!is_token(c))
		return guard_bad(g, why_not_name(c));
	if (++g->headers > g->rules->headers)
		return guard_refuse(g, "headers_too_large",
				    "too many header fields");
	g->name[0] = guard_lower(c);
	g->name_length = 1;
	g->state = name;
	return GUARD_PASS;
}

static enum guard_verdict
name(struct guard *g, unsigned char c)
{
	if (!guard_head_count(g, 1))
		return GUARD_REFUSE;
	if (c == ':') {
		g->name[g->name_length] = '\0';
		g->field = guard_field_find(g->name, g->trailer);
		g->value_length = 0;
		g->value_cut = false;
		g->state = value_start;
		return GUARD_PASS;
	}
	if (!is_token(c))
		return guard_bad(g, why_not_name(c));
	/* A name that long is none of ours, and the last byte tells it from
	 * those that are. */
	if (g->name_length < sizeof(g->name) - 1)
		g->name[g->name_length++] = guard_lower(c);
	return GUARD_PASS;
}

static enum guard_verdict
value_start(struct guard *g, unsigned char c)
{
	if (c == ' ' || c == '\t')
		return guard_head_count(g, 1) ? GUARD_PASS : GUARD_REFUSE;
	g->state = guard_value;
	return guard_value(g, c);
}

enum guard_verdict
guard_value(struct guard *g, unsigned char c)
{
	if (!guard_head_count(g, 1))
		return GUARD_REFUSE;
	if (c == '\r') {
		g->state = value_lf;
		return GUARD_PASS;
	}
	if (!guard_is_text(c))
		return guard_bad(g, c == '\n' ? "LF without CR" :
						"control in a header value");
	if (g->field && g->value_length < sizeof(g->value) - 1)
		g->value[g->value_length++] = (char)c;
	else
		g->value_cut = true;
	return GUARD_PASS;
}

static enum guard_verdict
value_lf(struct guard *g, unsigned char c)
{
	if (!guard_head_count(g, 1))
		return GUARD_REFUSE;
	if (c != '\n')
		return guard_bad(g, "CR without LF");
	g->state = guard_field_start;
	if (!g->field)
		return GUARD_PASS;
	while (g->value_length && (g->value[g->value_length - 1] == ' ' ||
				   g->value[g->value_length - 1] == '\t'))
		g->value_length--;
	g->value[g->value_length] = '\0';
	return g->field->done(g);
}

static enum guard_verdict
head_lf(struct guard *g, unsigned char c)
{
	if (!guard_head_count(g, 1))
		return GUARD_REFUSE;
	if (c != '\n')
		return guard_bad(g, "CR without LF");
	if (!g->trailer)
		return guard_head_done(g);
	guard_message_done(g);
	return GUARD_PASS;
}
