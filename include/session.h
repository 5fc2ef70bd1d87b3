/* What every way to sign in ends with: tokens, and before them the second
 * factor. The query of such an operation answers one row: session_id,
 * account_id, name, role, street_id, epoch, expires_at. */
#ifndef LINLI_SESSION_H
#define LINLI_SESSION_H
#include <libpq-fe.h>
#include "request.h"
#include "token.h"

/* Binds name (the hash of a new refresh token), refresh_seconds and
 * street_totp. */
void session_bind(struct request *rq, const char *name);
/* Verifies the body's totp, which is due when the row of the sign-in's begin
 * has a totp_secret; binds totp_step or recovery. NULL: fine; else the code of
 * the problem. */
const char *session_second(struct request *rq, const PGresult *begin);
/* The same for a code in field totp and the secret of a row; due or not. */
const char *session_totp(struct request *rq, const char *sealed,
			 const char *used_step);
/* The index a recovery code is kept under. */
const char *session_recovery(struct request *rq, const char *code);
/* Records the refusal, then fails with code. account NULL: nobody's. */
int session_refuse(struct request *rq, const char *account, const char *how,
		   const char *code);
/* 429 too_many_attempts with the row's retry_after. */
int session_throttled(struct request *rq, const PGresult *res);
/* Of a row that begins a session: whose it is, in which role and where. */
struct claims session_claims(const PGresult *res);
/* A column of such a row, which must fit: it is our own query's. */
void session_copy(char *to, size_t size, const PGresult *res,
		  const char *column);
int session_reply(struct request *rq, PGresult *res);
const char *session_hash(struct request *rq, const char *token);
#endif
