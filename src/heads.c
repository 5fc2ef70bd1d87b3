/*
 * Heads of the audit chains outside the database: who may write the database
 * still cannot make one.
 */
#include "heads.h"

#include <sodium.h>
#include <string.h>

#include "seal.h"

/* Digits and hex only, so that nothing of it is normalised away. */
static const char *
head_mac(struct arena *a, const struct head *h)
{
	return blind_index(a, arena_printf(a, "%s/%s/%s/%s", h->street, h->seq,
					   h->hash, h->at), "audit_head");
}

char *
head_write(struct arena *a, const struct head *h)
{
	return arena_printf(a, "%s %s %s %s %s", h->street, h->seq, h->hash,
			    h->at, head_mac(a, h));
}

bool
head_read(struct arena *a, const char *line, struct head *h)
{
	const char *fields[5];
	char *rest = arena_strdup(a, line), *save = NULL, *field;
	const char *mac;
	size_t n = 0;

	for (field = strtok_r(rest, " \r\n", &save); field;
	     field = strtok_r(NULL, " \r\n", &save)) {
		if (n == 5 || field[strspn(field, "0123456789abcdef")])
			return false;
		fields[n++] = field;
	}
	if (n != 5)
		return false;
	*h = (struct head){ .street = fields[0], .seq = fields[1],
			    .hash = fields[2], .at = fields[3] };
	mac = head_mac(a, h);
	return strlen(fields[4]) == strlen(mac) &&
	       sodium_memcmp(fields[4], mac, strlen(mac)) == 0;
}
