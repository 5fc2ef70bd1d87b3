/*
 * linlid: one program, a few subcommands. The table below is both what is
 * dispatched and what --help prints.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "cli.h"
#include "config.h"
#include "log.h"
#include "memory.h"
#include "seal.h"
#include "secret.h"
#include "supervise.h"
#include "tls.h"
#include "token.h"
#include "verify.h"

#define VERSION "0.1.0"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage, *help;
} commands[] = {
	{ "serve", cmd_serve, "[--settings]",
	  "serve the API; --settings prints all settings instead" },
	{ "migrate", cmd_migrate, "[--status]",
	  "bring the database up to this program's version" },
	{ "check", cmd_check, "",
	  "check contract, queries, keys and database, then end" },
	{ "token", cmd_token,
	  "--account LOGIN --role ROLE [--street N] [--ttl SECONDS]",
	  "open a session and print its access token" },
	{ "keys", cmd_keys, "new|rotate|list",
	  "make, rotate or list the signing keys" },
	{ "user", cmd_user, "add|grant|disable|password …",
	  "make accounts and change what they may" },
	{ "issuer", cmd_issuer, "add|map|unmap|list|remove …",
	  "say whose people may sign in, and as what" },
	{ "regions", cmd_regions, "load FILE [--on DATE]",
	  "load division codes from a CSV file" },
	{ "calendar", cmd_calendar, "load FILE",
	  "load a year's public holidays from a CSV file" },
	{ "audit", cmd_audit, "verify [--street N] [--heads FILE]",
	  "hold the audit log against its hashes and kept heads" },
	{ "version", cmd_version, "", "print the version" },
};
#define COUNT (sizeof(commands) / sizeof(*commands))

static void
usage_line(FILE *out, const struct command *c)
{
	fprintf(out, "  %s%s%s\n      %s\n", c->name, *c->usage ? " " : "",
		c->usage, c->help);
}

static int
usage(FILE *out)
{
	fputs("linlid [--config FILE] COMMAND …\n\n", out);
	for (size_t i = 0; i < COUNT; i++)
		usage_line(out, &commands[i]);
	fputs("\nThe settings file is --config FILE or $LINLI_CONFIG; without "
	      "one, these hold:\n\n",
	      out);
	config_describe(out);
	return out == stdout ? 0 : 2;
}

int
cmd_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	puts("linlid " VERSION);
	return 0;
}

/* Said here once and clearly; each worker loads its own keys again. */
static void
need_keys(void)
{
	char *why = NULL;

	if (!secret_load_all(config.keys_dir, &why))
		die("%s (\"linlid keys new\" makes the first keys)", why);
}

static void
need_tls(void)
{
	char *why = NULL;

	if (!tls_load(config.tls_certificate, config.tls_key, &why))
		die("%s", why);
}

/* A mismatch ends the program; a database that is away does not: the workers
 * answer 503 until it comes, and check then. */
static bool
need_database(struct contract *contract)
{
	const char *why = NULL;
	int found = verify_database(contract, &why);

	if (found == 0)
		die("the database does not fit this program; has \"linlid "
		    "migrate\" been run?");
	if (found < 0)
		log_event(LOG_WARN_, "database_away", "%s", why);
	return found > 0;
}

int
cmd_serve(int argc, char **argv)
{
	struct contract *contract;

	if (argc == 2 && strcmp(argv[1], "--settings") == 0) {
		config_describe(stdout);
		return 0;
	}
	if (argc > 1) {
		fprintf(stderr, "linlid serve: unknown argument %s\n",
			argv[1]);
		return 2;
	}
	log_open("main", config.log_level);
	contract = verify_contract();
	if (!contract)
		return 1;
	need_keys();
	need_tls();
	return supervise(contract, need_database(contract));
}

int
cmd_check(int argc, char **argv)
{
	struct contract *contract;
	const char *why = NULL;
	int found;

	(void)argv;
	if (argc > 1) {
		fputs("linlid check takes no arguments\n", stderr);
		return 2;
	}
	contract = verify_contract();
	if (!contract)
		return 1;
	need_keys();
	need_tls();
	found = verify_database(contract, &why);
	contract_free(contract);
	if (found < 0)
		die("the database is away: %s", why);
	if (found)
		puts("contract, queries, keys and database agree");
	return found ? 0 : 1;
}

/* Takes "--config FILE" out of argv, wherever it stands. */
static const char *
take_config(int *argc, char **argv)
{
	const char *path = getenv("LINLI_CONFIG");
	int kept = 1;

	for (int i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "--config") != 0) {
			argv[kept++] = argv[i];
			continue;
		}
		if (++i == *argc)
			die("--config needs a file name");
		path = argv[i];
	}
	argv[kept] = NULL;
	*argc = kept;
	return path && *path ? path : NULL;
}

static bool
wants_help(const char *arg)
{
	return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

static int
run(const struct command *c, int argc, char **argv, const char *path)
{
	if (argc > 1 && wants_help(argv[1])) {
		usage_line(stdout, c);
		return 0;
	}
	return config_load(path) ? c->run(argc, argv) : 1;
}

int
main(int argc, char **argv)
{
	const char *path = take_config(&argc, argv);

	memory_open();
	/* Keys and tokens pass through: no core dumps, no ptrace. */
	prctl(PR_SET_DUMPABLE, 0);
	if (argc > 1 && wants_help(argv[1]))
		return usage(stdout);
	for (size_t i = 0; argc > 1 && i < COUNT; i++)
		if (strcmp(commands[i].name, argv[1]) == 0)
			return run(&commands[i], argc - 1, argv + 1, path);
	if (argc > 1)
		fprintf(stderr, "linlid: unknown command %s\n", argv[1]);
	return usage(stderr);
}
