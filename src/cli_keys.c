/* linlid keys: the signing keys, and with the first of them the data key. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "config.h"
#include "seal.h"
#include "token.h"

/* A data key that is there already stays: every sealed field hangs on it. */
static bool
new_keys(const char *dir, char **why)
{
	char *absent = NULL;

	if (seal_load(dir, &absent))
		return keys_new(dir, why);
	free(absent);
	return seal_new(dir, why) && keys_new(dir, why);
}

static bool
rotate(const char *dir, char **why)
{
	if (!keys_rotate(dir, why))
		return false;
	fputs("linlid keys: send SIGHUP to linlid; an old key may be deleted "
	      "once its tokens have expired\n", stderr);
	return true;
}

int
cmd_keys(int argc, char **argv)
{
	static const struct {
		const char *name;
		bool (*run)(const char *dir, char **why);
	} commands[] = {
		{"new", new_keys}, {"rotate", rotate}, {"list", keys_list},
	};
	char *why = NULL;

	for (size_t i = 0; argc == 2 && i < 3; i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		if (commands[i].run(config.keys_dir, &why))
			return 0;
		fprintf(stderr, "linlid keys: %s\n", why);
		free(why);
		return 1;
	}
	fputs("usage: linlid keys new|rotate|list\n", stderr);
	return 2;
}
