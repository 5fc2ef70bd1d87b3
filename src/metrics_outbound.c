/* Calls to servers of others, in Prometheus' text format. */
#include "metrics_internal.h"

typedef unsigned long long ull;

#define OVER_SLOTS(sum, field) \
	ull sum = 0; \
	for (int s_ = 0; s_ < metrics.slots; s_++) \
		sum += atomic_load_explicit(&metrics.slot[s_].field, \
					    memory_order_relaxed)

static void
write_ends(struct evbuffer *out, enum outbound_service service)
{
	for (int end = 0; end < OUTBOUND_ENDS; end++) {
		OVER_SLOTS(n, outbound[service][end]);

		evbuffer_add_printf(out, "linli_outbound_total{service=\"%s\","
					 "end=\"%s\"} %llu\n",
				    outbound_service_name(service),
				    outbound_end_name(end), n);
	}
}

void
metrics_write_outbound(struct evbuffer *out)
{
	evbuffer_add_printf(out,
			    "# HELP linli_outbound_total Calls to servers of "
			    "others, by how they ended.\n"
			    "# TYPE linli_outbound_total counter\n");
	for (int service = 0; service < OUTBOUND_SERVICES; service++)
		write_ends(out, service);
	evbuffer_add_printf(out,
			    "# HELP linli_outbound_seconds_total Time those "
			    "calls took.\n"
			    "# TYPE linli_outbound_seconds_total counter\n");
	for (int service = 0; service < OUTBOUND_SERVICES; service++) {
		OVER_SLOTS(us, outbound_us[service]);

		evbuffer_add_printf(out, "linli_outbound_seconds_total{"
					 "service=\"%s\"} %llu.%06llu\n",
				    outbound_service_name(service),
				    us / 1000000, us % 1000000);
	}
}
