/* Files that hold personal data, sealed with the data key: what is imported
 * and what is exported, under the id of the row that owns them. Blocking:
 * call from a thread. */
#ifndef LINLI_VAULT_H
#define LINLI_VAULT_H
#include <stdbool.h>
#include <stddef.h>

/* Durable (file and folder fsynced) on true. */
bool vault_put(const char *id, const unsigned char *bytes, size_t len);
/* malloc'd; NULL when absent, altered or sealed with another key. */
unsigned char *vault_get(const char *id, size_t *len);
void vault_delete(const char *id);
/* Calls each() with the id of every file not written within idle_seconds. */
void vault_each(long idle_seconds, void (*each)(const char *id, void *arg),
		void *arg);
#endif
