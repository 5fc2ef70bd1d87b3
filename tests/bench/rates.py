"""The three rates over a year of a city's events: what a reader waits for."""

import statistics
import time

import stack
from stack import harness

TICKETS = 1000000  # of a year
STREETS = 64
GRIDS = 480  # a street
RESIDENTS = 40000  # of the street that reads
ROUNDS = 15
DATABASE = "linli_rates"

SPREAD = ("lateral (select 1 + i % {0} as s, (i / {0}::bigint * 7919 % {1})::integer as g,"
          " (i / {0}::bigint * 104729 % 365)::integer as d, i / {0} * 31 % 18 as k) x").format(STREETS, GRIDS)
PATH = "s || '/' || 1 + g % 8 || '/' || 1 + g / 8 % 6 || '/' || g || '/'"
FILL = f"""
reset role;
set session_replication_role = replica;
insert into rate.share (street_id, ticket_id, day, path, category, org_id, part, dispatched, contacted, answered, seconds)
select s, ('00000000-0000-8000-9000-' || lpad(i::text, 12, '0'))::uuid, '2026-01-01'::date + d, {PATH}, c.code,
	rate.nobody(), 'dispatch', 1, 1, 1, 3000
from generate_series(1, {TICKETS}) i, {SPREAD}
join (select code, row_number() over (order by code) - 1 as n from ticket.category) c on c.n = x.k;
insert into rate.voice (street_id, ticket_id, account_id, day, path)
select s, gen_random_uuid(), ('00000000-0000-8000-8000-' || lpad((i % 300000)::text, 12, '0'))::uuid,
	'2026-01-01'::date + d, {PATH}
from generate_series(1, {TICKETS}) i, {SPREAD};
insert into people.person (street_id, id, path, dwelling_id, name)
select 1, gen_random_uuid(), {PATH}, gen_random_uuid(), '居民' from generate_series(1, {RESIDENTS}) i,
	lateral (select 1 as s, i % {GRIDS} as g) x"""
SUM = """begin; select core.enter_system({0});
	select rate.move('{{}}', array(select x from rate.lines(array(select ticket_id from rate.share where street_id = {0})) x));
	commit"""


def measure(bench):
    cluster = bench.cluster
    cluster.make(DATABASE)
    conf = stack.settings(bench.folder / "rates", cluster, DATABASE, bench.keys)
    harness.run_linlid(conf, "migrate")
    cluster.psql(DATABASE, "-c", f"set role linli_owner; select grid.add_street(i, (999000 + i)::text, '街道' || i, "
                 f"'Z' || chr(65 + i / 26) || chr(65 + i % 26)) from generate_series(1, {STREETS}) i", "-c", FILL, "-c", "vacuum analyze")
    for street in range(1, STREETS + 1):
        cluster.psql(DATABASE, "-c", SUM.format(street))
    cluster.psql(DATABASE, "-c", "vacuum analyze rate.tally")
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
