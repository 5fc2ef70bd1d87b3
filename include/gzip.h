/* Packing replies for those who ask. */
#ifndef LINLI_GZIP_H
#define LINLI_GZIP_H
#include <event2/buffer.h>
#include <stdbool.h>

/* Accept-Encoding (NULL: absent) likes gzip at least as much as plain. */
bool gzip_asked(const char *accept_encoding);
/* Replaces what is in the buffer by the packed form; level 1..9. */
void gzip_buffer(struct evbuffer *buf, int level);
#endif
