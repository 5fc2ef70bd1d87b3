/* The subcommands of linlid. main.c has read the global options and loaded
 * the configuration; argv[0] is the subcommand's own name. Each returns the
 * exit code: 0 done, 1 failed (said on stderr), 2 wrong usage (said too). */
#ifndef LINLI_CLI_H
#define LINLI_CLI_H
#include <libpq-fe.h>
#include <stdbool.h>

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

/* One statement as linli_owner. NULL on failure, said on stderr. */
PGresult *cli_query(const char *sql, int count, const char *const *params);
/* A whole number from min to max. */
bool cli_number(const char *text, long min, long max, long *out);
/* A text file, - for standard input: malloc'd; NULL when it cannot be read, is
 * empty or too long, said on stderr. */
char *cli_read_file(const char *path);
#endif
