"""A million open clocks: what the job pays while none is due, and how late it
is when a thousand are due at once."""

import load
import stack
from stack import harness

CLOCKS = 1000000
STREETS = 64
AT_ONCE = 1000
TICKS = 500
DATABASE = "linli_clocks"

# Over the streets of a city, due from tomorrow on.
OPEN = f"""
insert into clock.clock (street_id, id, subject, subject_id, stage, path, unit, amount, on_overdue,
	started_at, half_at, late_at, due_at, provisional)
select s, core.new_id(s), 'drill', gen_random_uuid(), 'drill', s || '/', 'wall_minutes', 1, '', now(), m, m, m, false
from generate_series(1, {CLOCKS}) i, lateral (select 1 + i % {STREETS} as s,
	now() + interval '1 day' + i * interval '1 second' as m) x"""
DUE = f"""
with chosen as (select street_id, id from clock.clock where state = 'running' and mark = 0 order by id limit {AT_ONCE})
update clock.clock c set half_at = now() + interval '4 seconds', late_at = now() + interval '4 seconds',
	due_at = now() + interval '4 seconds' from chosen s where c.street_id = s.street_id and c.id = s.id"""


def tick(cluster):
    """Milliseconds of processor one costs PostgreSQL, as the job runs it."""
    connection = cluster.connect(DATABASE, "linli_job")
    pid = connection.info.backend_pid
    with connection.cursor() as cur:
        cur.execute("select clock.tick(1000)")  # plans and caches
        begin = load.cpu_us(pid)
        for _ in range(TICKS):
            cur.execute("select clock.tick(1000)")
        spent = load.cpu_us(pid) - begin
    connection.close()
    return spent / TICKS / 1000


def measure(bench):
    cluster = bench.cluster
    cluster.make(DATABASE)
    conf = stack.settings(bench.folder / "clocks", cluster, DATABASE, bench.keys)
    harness.run_linlid(conf, "migrate")
    cluster.psql(DATABASE, "-c", f"set role linli_owner; select grid.add_street(i, (999000 + i)::text, '街道' || i, "
                 f"'Z' || chr(65 + i / 26) || chr(65 + i % 26)) from generate_series(1, {STREETS}) i")
    bench.fact(f"a tick of the job, {STREETS} streets without a clock", tick(cluster), "ms")
    cluster.psql(DATABASE, "-c", OPEN, "-c", "vacuum analyze clock.clock")
    bench.fact(f"a tick of the job, {CLOCKS} open clocks and none due", tick(cluster), "ms", 10)
    server = bench.serve(conf)
    cluster.psql(DATABASE, "-c", DUE)
    count = "select count(*), extract(epoch from max(fired_at - due_at))::float8 from clock.mark"
    harness.wait_for(lambda: cluster.execute(DATABASE, count)[0][0] == 3 * AT_ONCE, "all to be announced", 120)
    bench.fact(f"{AT_ONCE} clocks due at once, three moments each: the last is late by",
               cluster.execute(DATABASE, count)[0][1], "s", 5)
    server.stop()
