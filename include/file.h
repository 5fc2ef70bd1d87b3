/* Whole files, read and written the careful way. */
#ifndef LINLI_FILE_H
#define LINLI_FILE_H
#include <stdbool.h>
#include <stddef.h>

/* Opens (and with create makes, mode 0700) a folder; -1 with *why (malloc). */
int file_dir(const char *path, bool create, char **why);

/* A secret: regular file, not readable by group or others, not empty, at
 * most max bytes. malloc'd and NUL-terminated; NULL with *why (malloc). */
unsigned char *file_read_secret(int dir, const char *name, size_t max,
				size_t *len, char **why);
/* Complete and durable or not there at all: temporary file, fsync, rename,
 * fsync of the folder. Mode 0600. An existing name is an error unless
 * replace. False with errno set. */
bool file_write(int dir, const char *name, const void *bytes, size_t len,
		bool replace);
/* All of it, through short writes and EINTR. */
bool file_write_all(int fd, const void *bytes, size_t len);
#endif
