/* The subcommands of linlid. main.c has read the global options and loaded
 * the configuration; argv[0] is the subcommand's own name. Each returns the
 * exit code: 0 done, 1 failed (said on stderr), 2 wrong usage (said too). */
#ifndef LINLI_CLI_H
#define LINLI_CLI_H
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

int cmd_serve(int argc, char **argv);
int cmd_migrate(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_token(int argc, char **argv);
int cmd_keys(int argc, char **argv);
int cmd_user(int argc, char **argv);
int cmd_issuer(int argc, char **argv);
int cmd_regions(int argc, char **argv);
int cmd_calendar(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_version(int argc, char **argv);

/* A subcommand that is a table of statements ("linlid user add …"). Fields are
 * its options by getopt's val, the empty string for one that takes no value. */
enum { CLI_FIELDS = 16, CLI_PARAMS = 8 };
struct option;
struct cli_table {
	const char *name;
	const struct option *options; /* vals from 0, below CLI_FIELDS */
	int role, street; /* fields: must be a role, a street's number */
	const char *legend; /* what stands below the usage of its rows */
	const struct cli_row {
		const char *name, *usage, *sql;
		int params[CLI_PARAMS]; /* the fields of $1…, and no others */
		int count, required; /* of params; the first are required */
	} *rows;
	size_t count;
	/* The last word on the fields; false, with the reason said: exit 1. */
	bool (*ready)(const char *fields[CLI_FIELDS]);
};
/* Prints what the statement returns: a line a row with tabs between, nothing
 * for a row whose first column is empty. */
int cli_table_run(const struct cli_table *table, int argc, char **argv);
/* One statement as linli_owner. NULL on failure, said on stderr. */
PGresult *cli_query(const char *sql, int count, const char *const *params);
/* A whole number from min to max. */
bool cli_number(const char *text, long min, long max, long *out);
/* A text file, - for standard input: malloc'd; NULL when it cannot be read, is
 * empty or too long, said on stderr. */
char *cli_read_file(const char *path);
#endif
