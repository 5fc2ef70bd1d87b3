/*
 * linlid audit verify: walks the hash chains (audit.verify() names the rows at
 * fault) and holds them against the heads kept outside the database.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "cli.h"
#include "config.h"
#include "heads.h"
#include "seal.h"

struct audit {
	struct arena *arena;
	const char *street; /* NULL = all */
	const char *heads;  /* NULL = none */
	long faults;
};

static int
usage(void)
{
	fputs("usage: linlid audit verify [--street N] [--heads FILE]\n"
	      "  FILE: what setting audit_heads names, or a copy of it\n",
	      stderr);
	return 2;
}

static bool
parse(int argc, char **argv, struct audit *v)
{
	static const struct option options[] = {
		{"street", required_argument, NULL, 's'},
		{"heads", required_argument, NULL, 'h'},
		{0},
	};
	long street;
	int c;

	if (argc < 2 || strcmp(argv[1], "verify") != 0)
		return false;
	optind = 2;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's' && cli_number(optarg, 1, 65535, &street))
			v->street = optarg;
		else if (c == 'h')
			v->heads = optarg;
		else
			return false;
	}
	return optind == argc;
}

/* Rows of (street, row, what is wrong). */
static bool
faults_print(struct audit *v, PGresult *res)
{
	if (!res)
		return false;
	for (int i = 0; i < PQntuples(res); i++)
		printf("street %s row %s %s\n", PQgetvalue(res, i, 0),
		       PQgetvalue(res, i, 1), PQgetvalue(res, i, 2));
	v->faults += PQntuples(res);
	PQclear(res);
	return true;
}

static bool
verify_chains(struct audit *v)
{
	const char *params[] = { v->street };

	return faults_print(v, cli_query(
		"select s.id, x.seq, x.fault from grid.street s"
		" cross join lateral audit.verify(s.id) x"
		" where $1::int is null or s.id = $1::int"
		" order by 1, 2", 1, params));
}

/* What of the file is ours, line by line; the rest is a fault. */
static char *
heads_read(struct audit *v, FILE *in)
{
	char line[512], *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct head h;

	if (!out)
		abort();
	for (long number = 1; fgets(line, sizeof(line), in); number++) {
		if (head_read(v->arena, line, &h)) {
			fputs(line, out);
		} else {
			printf("%s:%ld is no head this server wrote\n",
			       v->heads, number);
			v->faults++;
		}
	}
	fclose(out);
	return text;
}

static bool
verify_heads(struct audit *v)
{
	char *text, *why = NULL;
	FILE *in = fopen(v->heads, "r");
	bool done;

	if (!in || !seal_load(config.keys_dir, &why)) {
		if (why)
			fprintf(stderr, "linlid audit: %s\n", why);
		else
			perror(v->heads);
		free(why);
		if (in)
			fclose(in);
		return false;
	}
	text = heads_read(v, in);
	fclose(in);
	done = faults_print(v, cli_query(
		"select x.street_id, x.seq, x.fault"
		" from audit.hold_against($1) x"
		" where $2::int is null or x.street_id = $2::int", 2,
		(const char *[]){ text, v->street }));
	free(text);
	return done;
}

int
cmd_audit(int argc, char **argv)
{
	struct audit v = { 0 };
	bool done;

	if (!parse(argc, argv, &v))
		return usage();
	v.arena = arena_new();
	done = verify_chains(&v) && (!v.heads || verify_heads(&v));
	arena_free(v.arena);
	if (!done)
		return 1;
	if (!v.faults)
		puts("the audit log is whole");
	return v.faults ? 1 : 0;
}
