/* The hooks of every domain, tied to the contract's operations by name. */
#include <stdio.h>
#include <string.h>

#include "linli.h"

extern const struct hook changes_hooks[], exports_hooks[], imports_hooks[],
	issuers_hooks[], oauth_hooks[], ops_hooks[], photos_hooks[],
	second_hooks[], sessions_hooks[], sms_hooks[], staff_hooks[],
	sync_hooks[], wechat_hooks[];

const struct hook *const all_hooks[] = {
	changes_hooks, exports_hooks, imports_hooks, issuers_hooks, oauth_hooks,
	ops_hooks,     photos_hooks,  second_hooks,  sessions_hooks,
	sms_hooks,     staff_hooks,   sync_hooks,    wechat_hooks,  NULL,
};

extern const struct job_hook audit_job_hooks[], exports_job_hooks[],
	imports_job_hooks[], ops_job_hooks[], photos_job_hooks[];

/* What comes due for many at once, with a day or an hour, is done at once. */
static const struct job_hook due_job_hooks[] = {
	{ .query = "jobAlarms", .eager = true },
	{ .query = "jobCare", .eager = true },
	{ .query = "jobRemindEquipment", .eager = true },
	{ .query = "jobPlanPatrols", .eager = true },
	{ .query = "jobMissPatrols", .eager = true },
	{ 0 },
};

const struct job_hook *const all_job_hooks[] = {
	audit_job_hooks,
	due_job_hooks,
	exports_job_hooks,
	imports_job_hooks,
	ops_job_hooks,
	photos_job_hooks,
	NULL,
};

static bool
attach(struct contract *c, const struct hook *h)
{
	for (size_t i = 0; i < c->operation_count; i++) {
		if (strcmp(c->operations[i].id, h->operation) != 0)
			continue;
		c->operations[i].hook = h;
		return true;
	}
	fprintf(stderr, "hook %s: no such operation in the contract\n",
		h->operation);
	return false;
}

bool
hook_attach(struct contract *c)
{
	bool ok = true;

	for (size_t i = 0; all_hooks[i]; i++)
		for (const struct hook *h = all_hooks[i]; h->operation; h++)
			ok = attach(c, h) && ok;
	return ok;
}
