/*
 * Bodies: by Content-Length, or in chunks. Chunk extensions are dropped, for
 * evhttp refuses every one of them.
 */
#include "guard_internal.h"

static guard_state extension_space, extension, size_lf, data_cr, data_lf;

/* Most of it goes by in guard.c's runs. */
enum guard_verdict
guard_body(struct guard *g, unsigned char c)
{
	(void)c;
	if (--g->left == 0)
		guard_message_done(g);
	return GUARD_PASS;
}

static int
hex_value(unsigned char c)
{
	if (guard_is_digit(c))
		return c - '0';
	c = (unsigned char)guard_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum guard_verdict
guard_chunk_size(struct guard *g, unsigned char c)
{
	int value = hex_value(c);

	if (value >= 0) {
		if (++g->digits > 16)
			return guard_bad(g, "chunk size too long");
		g->left = g->left * 16 + (uint64_t)value;
		return GUARD_PASS;
	}
	if (g->digits == 0)
		return guard_bad(g, "malformed chunk size");
	switch (c) {
	case '\r':
		g->state = size_lf;
		return GUARD_PASS;
	case ' ':
	case '\t':
		g->state = extension_space;
		return extension_space(g, c);
	case ';':
		g->state = extension;
		return extension(g, c);
	default:
		return guard_bad(g, c == '\n' ? "LF without CR" :
						"malformed chunk size");
	}
}

/* White space that only a ";" may follow. */
static enum guard_verdict
extension_space(struct guard *g, unsigned char c)
{
	if (c == ';') {
		g->state = extension;
		return extension(g, c);
	}
	if (c != ' ' && c != '\t')
		return guard_bad(g, "malformed chunk size");
	return guard_head_count(g, 1) ? GUARD_DROP : GUARD_REFUSE;
}

static enum guard_verdict
extension(struct guard *g, unsigned char c)
{
	if (c == '\r') {
		g->state = size_lf;
		return GUARD_PASS;
	}
	if (!guard_is_text(c))
		return guard_bad(g, c == '\n' ? "LF without CR" :
						"control in a chunk extension");
	return guard_head_count(g, 1) ? GUARD_DROP : GUARD_REFUSE;
}

static enum guard_verdict
size_lf(struct guard *g, unsigned char c)
{
	if (c != '\n')
		return guard_bad(g, "CR without LF");
	if (g->left > g->body_max - g->body)
		return guard_refuse(g, "body_too_large", "chunks");
	g->body += g->left;
	g->digits = 0;
	g->trailer = g->left == 0;
	g->state = g->trailer ? guard_field_start : guard_chunk_data;
	return GUARD_PASS;
}

enum guard_verdict
guard_chunk_data(struct guard *g, unsigned char c)
{
	(void)c;
	if (--g->left == 0)
		g->state = data_cr;
	return GUARD_PASS;
}

static enum guard_verdict
data_cr(struct guard *g, unsigned char c)
{
	if (c != '\r')
		return guard_bad(g, "chunk longer than its size");
	g->state = data_lf;
	return GUARD_PASS;
}

static enum guard_verdict
data_lf(struct guard *g, unsigned char c)
{
	if (c != '\n')
		return guard_bad(g, "CR without LF");
	g->state = guard_chunk_size;
	return GUARD_PASS;
}
