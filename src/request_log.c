/* One JSON line a request: what was asked, by whom, how it ended, how long it
 * took. Never a path with its values, a body or a token. */
#include <stdio.h>

#include "log.h"
#include "request_internal.h"

void
request_log(struct request *rq, int64_t us)
{
	char line[1024], actor[128] = "", code[128] = "";
	char parent[40] = "";
	size_t n;

	if (!log_wants(LOG_INFO_))
		return;
	if (rq->has_actor)
		snprintf(actor, sizeof(actor),
			 ",\"actor\":\"%s\",\"role\":\"%s\"", rq->actor.account,
			 rq->actor.role);
	if (rq->code)
		snprintf(code, sizeof(code), ",\"code\":\"%s\"", rq->code);
	if (*rq->trace.parent)
		snprintf(parent, sizeof(parent), ",\"parent\":\"%s\"",
			 rq->trace.parent);
	n = log_begin(line, sizeof(line), LOG_INFO_, "request");
	n += (size_t)snprintf(line + n, sizeof(line) - n,
			      ",\"req\":\"%s\",\"trace\":\"%s\"%s,"
			      "\"method\":\"%s\",\"op\":\"%s\","
			      "\"status\":%d,\"from\":\"%s\"%s%s,"
			      "\"db_ms\":%lld.%02d,\"ms\":%lld.%02d}",
			      rq->id, rq->trace.id, parent, rq->method,
			      rq->op ? rq->op->id : "-",
			      rq->status, rq->address, code, actor,
			      (long long)rq->db_us / 1000,
			      (int)(rq->db_us % 1000 / 10),
			      (long long)us / 1000, (int)(us % 1000 / 10));
	if (n < sizeof(line))
		log_raw(line, n);
}
