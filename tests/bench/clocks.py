"""A million open clocks: what the job pays while none is due, and how late it
is when a thousand are due at once; so are alarms, and equipment on its day."""

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
# People to be seen and pieces that expire soon, all of them in four seconds.
DAY = f"""
set session_replication_role = replica;
with p as (insert into people.person (street_id, id, path, dwelling_id, name)
	select 1 + i % {STREETS}, core.new_id(1 + i % {STREETS}), 1 + i % {STREETS} || '/', gen_random_uuid(), '老人'
	from generate_series(1, {AT_ONCE}) i returning street_id, id, path)
insert into care.watch (street_id, person_id, path, days, seen_at, due_at)
select street_id, id, path, 7, now(), now() + interval '4 seconds' from p;
insert into field.equipment (street_id, id, kind, serial, place, grid_id, path, expires_on)
select g.street_id, core.new_id(g.street_id), 'aed', i::text, 'x', g.id, g.path, core.today() + 31
from generate_series(1, {AT_ONCE}) i join grid.grid g on g.kind = 'street' and g.street_id = 1 + i % {STREETS};
"""
BEGINS = "update field.equipment set expires_on = expires_on - 1"
SAID = "select count(*), extract(epoch from max(at) - %s)::float8 from core.event where action = %s"


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
    cluster.psql(DATABASE, "-c", DAY)
    due, = cluster.execute(DATABASE, "select max(due_at)::text from care.watch")[0]
    harness.wait_for(lambda: cluster.execute(DATABASE, SAID, due, "raise")[0][0] == AT_ONCE, "all alarms", 120)
    bench.fact(f"{AT_ONCE} alarms due at once: the last is late by", cluster.execute(DATABASE, SAID, due, "raise")[0][1], "s", 5)
    begun, = cluster.execute(DATABASE, BEGINS + " returning now()::text")[0]
    harness.wait_for(lambda: cluster.execute(DATABASE, SAID, begun, "expiring")[0][0] == AT_ONCE, "all reminders", 120)
    bench.fact(f"{AT_ONCE} pieces of equipment to be told of at once: the last is late by",
               cluster.execute(DATABASE, SAID, begun, "expiring")[0][1], "s", 5)
    server.stop()
