/* The subcommands of linlid. main.c has read the global options and loaded
 * the configuration; argv[0] is the subcommand's own name. Each returns the
 * exit code: 0 done, 1 failed (said on stderr), 2 wrong usage (said too). */
#ifndef LINLI_CLI_H
#define LINLI_CLI_H

int cmd_serve(int argc, char **argv);
int cmd_migrate(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_token(int argc, char **argv);
int cmd_keys(int argc, char **argv);
int cmd_user(int argc, char **argv);
int cmd_version(int argc, char **argv);
#endif
