#include "verify.h"

#include <stdio.h>
#include <string.h>

#include "config.h"
#include "db.h"
#include "embed.h"
#include "log.h"
#include "query.h"
#include "request.h"
#include "supervise.h"

#define QUERIES "queries/"

static bool
load_queries(void)
{
	bool fine = true;

	for (const struct embedded *f = embedded_files; f->name; f++)
		if (strncmp(f->name, QUERIES, strlen(QUERIES)) == 0 &&
		    !query_load(f->name, f->start,
				(size_t)(f->end - f->start)))
			fine = false;
	return fine;
}

/* The job process has no request to take a :name from; a hook may give it one,
 * for the first statement. */
static bool
jobs_are_closed(void)
{
	const struct job_hook *hook;
	const struct query *q;
	bool fine = true;

	for (size_t i = 0; (q = query_at(i)); i++) {
		if (!q->helper || strncmp(q->name, "job", 3) != 0)
			continue;
		hook = job_hook_find(q->name);
		for (size_t j = 0; j < q->statement_count; j++) {
			if (q->statements[j].bind_count <=
			    (j == 0 && hook && hook->bind))
				continue;
			fprintf(stderr, "%s:%d: %s: a job knows no :%s\n",
				q->file, q->line, q->name,
				q->statements[j].binds[0].name);
			fine = false;
		}
	}
	return fine;
}

struct contract *
verify_contract(void)
{
	const struct embedded *file = embedded_find("openapi.json");
	struct contract *c;
	bool fine;

	if (!file)
		die("this program was built without its contract");
	c = contract_load(file->start, (size_t)(file->end - file->start));
	if (!c || !load_queries())
		return NULL;
	request_register();
	/* Both, so that one run shows all there is to mend. */
	fine = hook_attach(c);
	fine = query_attach(c) && fine;
	fine = jobs_are_closed() && fine;
	return fine ? c : NULL;
}

int
verify_database(struct contract *c, const char **why)
{
	/* First what explains the rest; db_verify says if it is away. */
	if (migrate_verify(config.database) == 0)
		return 0;
	return db_verify(config.database, query_check_reply, c, why);
}
