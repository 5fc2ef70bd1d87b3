#!/bin/sh
# make bench: the promises on speed, memory and start, measured.
#
#   make bench                 about 6 minutes
#   make bench CITY=1          and the growth row: some minutes more
#   CITY_TICKETS=1000000       of two years in the city
#   BENCH_ROUNDS=5 BENCH_SECONDS=3   of each of them at each row
#
# Everybody works on the same database (the demo: one street of 40,000 people),
# in a throw-away cluster that keeps its commits on disk, one after the other
# in short rounds, in an order that turns. A ratio compares rounds side by side
# and is the median of them; beside it the span. So a busy machine widens the
# span but hardly moves the ratio. Read ratios, not rates: all share the cores
# with the load.
#
# The rivals do the same work:
#   pgbench   the statements linlid sends for the operation (sql/queries), in
#             BEGIN … COMMIT after core.enter(), prepared, same ids and people
#             (a new ticket commits early and settles, as in linlid),
#             with linlid's planner settings; the faster of 8 and 32 clients
#             counts. For the list it makes the JSON in SQL.
#   evhttp    a constant reply and nothing else
#   go        net/http, pgx, golang-jwt with a token cache, zerolog
#   fastify   Fastify, node-postgres, fast-jwt with its cache; needs node 20 and
#             npm, and fetches its pinned packages. Without it: not measured.
# Both check token and parameters, run enter() and query in a transaction, give
# the same JSON (compared before the measuring) and log a line a request.
#
# µs are processor time per request: of the server's processes, and of all of
# PostgreSQL's. The load generator's own is in neither. p50 and p99 are what a
# client saw, 32 at a time without a pause; so they follow the rate.
#
# Rows are printed as they come; var/bench.json has every round, also of a run
# that was interrupted.
set -eu
cd "$(dirname "$0")/../.."
LINLI_BUILD=$1 exec /usr/bin/python3 tests/bench/bench.py
