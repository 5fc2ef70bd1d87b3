/*
 * linlid regions: the statistical division codes of a CSV file (code, level,
 * name) into the database. What is new, renamed or gone is for SQL to say.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static int
usage(void)
{
	fputs("usage: linlid regions load FILE [--on DATE]\n"
	      "  FILE: CSV of code,level,name with this first line; - is "
	      "standard input\n"
	      "  DATE: the day from which it holds, else today\n", stderr);
	return 2;
}

static int
load(const char *path, const char *on)
{
	char *text = cli_read_file(path);
	const char *params[] = { text, on };
	PGresult *res;

	if (!text)
		return 1;
	res = cli_query("select added, renamed, ended, kept "
			"from core.load_regions($1, $2::date)", 2, params);
	free(text);
	if (!res)
		return 1;
	printf("%s new, %s renamed, %s ended, %s as before\n",
	       PQgetvalue(res, 0, 0), PQgetvalue(res, 0, 1),
	       PQgetvalue(res, 0, 2), PQgetvalue(res, 0, 3));
	PQclear(res);
	return 0;
}

int
cmd_regions(int argc, char **argv)
{
	static const struct option options[] = {
		{ "on", required_argument, NULL, 'o' }, { NULL, 0, NULL, 0 } };
	const char *on = NULL;
	int c;

	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'o')
			return usage();
		on = optarg;
	}
	if (argc - optind != 2 || strcmp(argv[optind], "load") != 0)
		return usage();
	return load(argv[optind + 1], on);
}
