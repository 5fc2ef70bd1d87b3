"""The three rates over a year of a city's events: what a reader waits for."""

import statistics
import time

import stack
from stack import harness

TICKETS = 400000  # of a year, in one street: as if a city were one
GRIDS = 480
ROUNDS = 15
DATABASE = "linli_rates"

SHARES = f"""
select core.enter_system(1);
insert into rate.tally (street_id, path, day, category, org_id, dispatched, contacted, answered, seconds, called, reached,
	resolved, satisfied, struck)
select 1, '1/' || 1 + g % 8 || '/' || 1 + g / 8 % 6 || '/' || g || '/', '2026-01-01'::date + d, c.code, rate.nobody(),
	count(*), count(*), count(*), 3000 * count(*), count(*), count(*), count(*), count(*), 0
from generate_series(1, {TICKETS}) i, lateral (select i * 7919 % {GRIDS} as g, i * 104729 % 365 as d, i * 31 % 18 as k) x
join (select code, row_number() over (order by code) - 1 as n from ticket.category) c on c.n = x.k
group by g, d, c.code;
insert into rate.voice (street_id, ticket_id, account_id, day, path)
select 1, gen_random_uuid(), ('00000000-0000-8000-8000-' || lpad((i % 20000)::text, 12, '0'))::uuid,
	'2026-01-01'::date + i * 104729 % 365, '1/' || 1 + g % 8 || '/' || 1 + g / 8 % 6 || '/' || g || '/'
from generate_series(1, {TICKETS} / 10) i, lateral (select i * 7919 % {GRIDS} as g) x"""


def measure(bench):
    cluster = bench.cluster
    cluster.make(DATABASE)
    conf = stack.settings(bench.folder / "rates", cluster, DATABASE, bench.keys)
    harness.run_linlid(conf, "migrate")
    cluster.psql(DATABASE, "-c", "set role linli_owner; select grid.add_street(1, '999001', '甲街道', 'ZZ')", "-c", SHARES,
                 "-c", "vacuum analyze rate.tally", "-c", "vacuum analyze rate.voice")
    connection = cluster.connect(DATABASE, "postgres")
    with connection.cursor() as cur:
        cur.execute("set role linli_app; select set_config('linli.role', 'street', false), set_config('linli.street', '1', false)")
        for by in ("community", "micro", "category", "month"):
            took = []
            for _ in range(ROUNDS):
                begin = time.monotonic()
                cur.execute("select * from rate.read(%s, '2026-01-01', '2027-01-01', null, null, null)", (by,))
                cur.fetchall()
                took.append((time.monotonic() - begin) * 1000)
            bench.fact(f"the three rates of a year of a city's events ({TICKETS}) by {by}", statistics.median(took), "ms", 100)
    connection.close()
