/* Subcommands that are tables of statements: options in, rows out. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "contract.h"

static int
usage(const struct cli_table *t)
{
	for (size_t i = 0; i < t->count; i++)
		fprintf(stderr, "%s linlid %s %s %s\n",
			i ? "      " : "usage:", t->name, t->rows[i].name,
			t->rows[i].usage);
	fputs(t->legend, stderr);
	return 2;
}

static bool
parse(const struct cli_table *t, int argc, char **argv,
      const char *fields[CLI_FIELDS])
{
	long street;
	int c;

	optind = 1;
	while ((c = getopt_long(argc, argv, "", t->options, NULL)) != -1) {
		if (c < 0 || c >= CLI_FIELDS)
			return false;
		fields[c] = optarg ? optarg : "";
	}
	return optind == argc &&
	       (!fields[t->role] || role_bit(fields[t->role])) &&
	       (!fields[t->street] ||
		cli_number(fields[t->street], 1, 65535, &street));
}

/* Exactly what the row takes, and all it needs. */
static bool
fits(const struct cli_row *row, const char *const fields[CLI_FIELDS])
{
	bool takes[CLI_FIELDS] = { false };

	for (int i = 0; i < row->count; i++) {
		takes[row->params[i]] = true;
		if (i < row->required && !fields[row->params[i]])
			return false;
	}
	for (int i = 0; i < CLI_FIELDS; i++)
		if (fields[i] && !takes[i])
			return false;
	return true;
}

static int
run(const struct cli_row *row, const char *const fields[CLI_FIELDS])
{
	const char *params[CLI_PARAMS];
	PGresult *res;

	for (int i = 0; i < row->count; i++)
		params[i] = fields[row->params[i]];
	res = cli_query(row->sql, row->count, params);
	if (!res)
		return 1;
	for (int i = 0; i < PQntuples(res); i++) {
		if (!*PQgetvalue(res, i, 0))
			continue;
		for (int j = 0; j < PQnfields(res); j++)
			printf("%s%s", j ? "\t" : "", PQgetvalue(res, i, j));
		putchar('\n');
	}
	PQclear(res);
	return 0;
}

int
cli_table_run(const struct cli_table *t, int argc, char **argv)
{
	const char *fields[CLI_FIELDS] = { NULL };
	const struct cli_row *row = NULL;

	for (size_t i = 0; argc > 1 && i < t->count; i++)
		if (strcmp(argv[1], t->rows[i].name) == 0)
			row = &t->rows[i];
	if (!row || !parse(t, argc - 1, argv + 1, fields) ||
	    !fits(row, fields))
		return usage(t);
	return t->ready(fields) ? run(row, fields) : 1;
}
