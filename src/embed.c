#include "embed.h"

#include <string.h>

const struct embedded *
embedded_find(const char *name)
{
	const struct embedded *file;

	for (file = embedded_files; file->name; file++)
		if (strcmp(file->name, name) == 0)
			return file;
	return NULL;
}
