/* Between roster.c and roster_row.c. */
#ifndef LINLI_ROSTER_INTERNAL_H
#define LINLI_ROSTER_INTERNAL_H
#include "roster.h"

enum field {
	NAME, SEX, BORN_ON, PHONE, ID_NUMBER, DWELLING_ID, ADDRESS, COMPOUND,
	BUILDING, UNIT, NUMBER, KIND, FROM_ON, TAGS, TAG_REASON, SOURCE_ID,
};
_Static_assert(SOURCE_ID + 1 == ROSTER_FIELDS, "one column a field");

const char *roster_name(enum field f);
#endif
