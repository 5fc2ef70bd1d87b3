/* Web pages of other origins: they may call when their origin is configured. */
#ifndef LINLI_CORS_H
#define LINLI_CORS_H
#include <stdbool.h>

/* list: scheme://host[:port], between them commas or spaces. NULL when it can
 * be read, else the reason. */
const char *cors_list_fault(const char *list);
/* Is the origin one of the list? */
bool cors_listed(const char *list, const char *origin);
#endif
