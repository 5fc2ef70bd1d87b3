/* The start-up check: contract, queries, hooks and database agree. Every
 * disagreement is printed with file and line. */
#ifndef LINLI_VERIFY_H
#define LINLI_VERIFY_H
#include "contract.h"

/* Loads what is embedded and ties it together; NULL when it does not fit. */
struct contract *verify_contract(void);
/* 1: every statement prepares and answers what the contract promises; 0: not
 * so; -1: the database is away, *why. */
int verify_database(struct contract *c, const char **why);
/* The same of the migrations alone: all applied, none altered. migrate.c */
int migrate_verify(const char *conninfo);
#endif
