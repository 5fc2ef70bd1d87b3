/*
 * linlid calendar: public holidays and make-up working days of a CSV file
 * (date, name, off) into the database, and what rests on them reckoned anew.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

int
cmd_calendar(int argc, char **argv)
{
	const char *params[1];
	char *text;
	PGresult *res;

	if (argc != 3 || strcmp(argv[1], "load") != 0) {
		fputs("usage: linlid calendar load FILE\n"
		      "  FILE: CSV of date,name,off with this first line (off "
		      "1, make-up working day 0);\n"
		      "  it stands for the whole of each year whose 1 January "
		      "it names; - is standard input\n", stderr);
		return 2;
	}
	params[0] = text = cli_read_file(argv[2]);
	if (!text)
		return 1;
	res = cli_query("select days, changed, array_to_string(years, ' '), "
			"moved from clock.publish($1)", 1, params);
	free(text);
	if (!res)
		return 1;
	printf("%s days, %s changed; published: %s; "
	       "%s clocks reckoned anew\n",
	       PQgetvalue(res, 0, 0), PQgetvalue(res, 0, 1),
	       PQgetvalue(res, 0, 2), PQgetvalue(res, 0, 3));
	PQclear(res);
	return 0;
}
