/* Codes by SMS: through the gateway of sms_url, or into a file to try it. */
#ifndef LINLI_SMS_H
#define LINLI_SMS_H
#include <stdbool.h>
#include "arena.h"

enum { SMS_MINUTES = 10 }; /* life of a code */

struct sms {
	const char *id, *phone, *code, *purpose;
	/* On the loop, once, perhaps before sms_send() returns. */
	void (*done)(void *arg, bool sent);
	void *arg;
};

/* Why a value of setting sms_body will not do, or NULL. */
const char *sms_body_fault(const char *value);
void sms_send(struct arena *a, const struct sms *sms);
#endif
