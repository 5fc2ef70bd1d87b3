/* What people write into the cells of a table, made plain. Each gives NULL
 * when it cannot be what it should be. */
#ifndef LINLI_CELLS_H
#define LINLI_CELLS_H
#include "arena.h"
#include "table.h"

/* Full-width ASCII made half-width, without spaces and the apostrophe of
 * spreadsheets in front. */
char *cell_plain(struct arena *a, const char *text);
/* 2024-3-1, 2024/03/01, 2024年3月1日, 20240301, a serial number → 2024-03-01 */
const char *cell_date(struct arena *a, const char *text, enum table_days days);
const char *cell_phone(struct arena *a, const char *text);
const char *cell_id_number(struct arena *a, const char *text);
const char *cell_sex(struct arena *a, const char *text);  /* male, female */
const char *cell_kind(struct arena *a, const char *text); /* owner … */
#endif
