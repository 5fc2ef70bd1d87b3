/* Content-addressed storage of bytes; a folder today, an object store later.
 * Blocking: call from an offload thread. */
#ifndef LINLI_BLOB_H
#define LINLI_BLOB_H
#include <stdbool.h>
#include <stddef.h>

/* Stores under hex SHA-256; durable (file and folder fsynced) on true. */
bool blob_put(const void *bytes, size_t len, char hash[65]);
/* Opens for reading; -1 when absent. *size in bytes. */
int blob_open(const char *hash, size_t *size);
/* Only what nobody has stored again within idle_seconds: a row naming it may be
 * on its way. */
bool blob_delete(const char *hash, long idle_seconds);
/* Calls each() with every hash that begins with byte first and was not stored
 * again within idle_seconds. */
void blob_each(unsigned char first, long idle_seconds,
	       void (*each)(const char *hash, void *arg), void *arg);
#endif
