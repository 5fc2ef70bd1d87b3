"""Faults while deadlines pass."""

import time

import requests

import harness
import samples
from acts_process import DAEMON_LIMIT
from acts_database import DATABASE_LIMIT

CLOCKS = 3000
PEOPLE = 600  # watched over; half as many pieces of equipment and plans
MOMENT = """case i / 2 %% 3 when 0 then random() * {seconds} * interval '1 second'
	when 1 then interval '10 minutes' + random() * interval '30 minutes'
	else interval '3 hours' + random() * interval '1 hour' end"""
# Each clock's three moments lie within the act, within the hour it is set
# forward, or beyond; so does the day on which somebody must have been seen.
DRILL = f"""
insert into clock.clock (street_id, id, subject, subject_id, stage, path, unit, amount, on_overdue, started_at,
	half_at, late_at, due_at, provisional)
select 1 + i %% 2, core.new_id(1 + i %% 2), 'drill', gen_random_uuid(), 'drill', 1 + i %% 2 || '/', 'wall_minutes', 1, '', core.now(),
	m[1], m[2], m[3], false
from generate_series(1, {{clocks}}) i, lateral (select array_agg(core.now() + x order by x) as m
	from (select {MOMENT} as x from generate_series(1, 3 + i * 0)) r) x;
set session_replication_role = replica;
with p as (insert into people.person (street_id, id, path, dwelling_id, name)
	select 1, core.new_id(1), '1/1/1/1/', gen_random_uuid(), '老人' from generate_series(1, {{people}}) returning id)
insert into care.watch (street_id, person_id, path, days, seen_at, due_at)
select 1, id, '1/1/1/1/', 7, core.now(), core.now() + {MOMENT} from (select id, row_number() over () as i from p) x;
"""
# The day that begins within the act: from it on one piece in three expires
# soon, one is to be inspected, and each plan begins anew; the third waits.
DAYS = """
set session_replication_role = replica;
insert into field.equipment (street_id, id, kind, serial, place, grid_id, path, entered_on, expires_on, inspect_days)
select 1, core.new_id(1), 'aed', 'drill ' || i, 'x', g.id, g.path, core.today(),
	case i %% 3 when 0 then core.today() + 31 when 2 then core.today() + 32 end, case i %% 3 when 1 then 1 end
from generate_series(1, %s) i, grid.grid g where g.street_id = 1 and g.path = '1/1/1/1/';
insert into care.plan (street_id, id, grid_id, path, name, tags, from_on, to_on, due_on, repeats)
select 1, core.new_id(1), g.id, g.path, 'drill', '{party}', core.today() - 30, core.today() + 1, core.today(), 'month'
from generate_series(1, %s) i, grid.grid g where g.street_id = 1 and g.path = '1/1/1/1/'
"""
WAITING = """
select (select count(*) from clock.clock where next_at <= core.now())
	+ (select count(*) from care.watch where alarm_id is null and due_at <= core.now())
	+ (select count(*) from field.equipment where remind_on <= core.today())
	+ (select count(*) from care.plan where state = 'active' and filled_on < core.today())
"""
# Which of these are said more or less often than they should be, each query a
# count that must be 0.
WRONG = {
    "clocks announced something more or less often than once":
        "select count(*) from clock.clock c left join lateral (select count(*) as n from core.event e"
        " where e.subject_id = c.subject_id and e.action ~ '^clock_' and e.data ->> 'stage' = c.stage) e on true"
        " left join lateral (select count(*) as n from clock.mark m where m.clock_id = c.id) m on true"
        " where c.mark <> e.n or c.mark <> m.n",
    "clocks fired before their time": "select count(*) from clock.mark where fired_at < due_at",
    "people have more or fewer than one alarm each for a day that passed":
        "select count(*) from care.watch w left join lateral (select count(*) as n, count(e.id) as told from care.alarm a"
        " left join core.event e on e.subject_id = a.id and e.action = 'raise' where a.person_id = w.person_id) a on true"
        " where (a.n, a.told) <> ((w.alarm_id is not null)::int, (w.alarm_id is not null)::int)",
    "alarms came before their time": "select count(*) from care.watch w join care.alarm a on a.id = w.alarm_id where a.raised_at < w.due_at",
    "pieces of equipment were told of more or less often than once":
        "select count(*) from field.equipment e left join lateral (select array_agg(x.action) as told from core.event x"
        " where x.subject_id = e.id) x on true where e.serial ~ '^drill' and x.told is distinct from"
        " case substr(e.serial, 7)::int % 3 when 0 then '{expiring}'::text[] when 1 then '{inspection_due}' end",
    "plans have more or fewer than one after them":
        "select count(*) from care.plan p where p.name = 'drill' and p.previous_id is null and (p.state <> 'ended'"
        " or (select count(*) from care.plan q where q.previous_id = p.id and q.state = 'active') <> 1)",
}


def waiting(s):
    return s.sql(WAITING)[0][0]


def jump(s, offset, users="{linli_job}"):
    """So many seconds from now; these see it from their next connection on."""
    s.faults += 1
    s.sql(f"alter database {s.database} set linli.clock_offset = '{offset} seconds'")
    s.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = any (%s) and datname = %s", users, s.database)


def midnight(s):
    """Seconds from now to the nearest beginning of a day in Chengdu."""
    seconds, = s.sql("select extract(epoch from date_trunc('day', at) + interval '1 day' - at)::int"
                     " from (select now() at time zone 'Asia/Shanghai') x (at)")[0]
    return seconds if seconds < 43200 else seconds - 86400


def submit(s):
    """A ticket's id, as soon as the workers are connected again."""
    def post():
        reply = requests.post(f"http://127.0.0.1:{s.daemon.port}/v1/tickets", json={**samples.TICKET, "urgency": "critical"},
                              headers=s.token("resident"), timeout=10)
        return reply.status_code == 201 and reply.json()["id"]
    return harness.wait_for(post, "a ticket")


def break_things(p, s, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(s.random.uniform(0.2, 1.5))
        if s.random.random() < 0.6:
            s.await_recovery(s.kill("job"), DAEMON_LIMIT)
            continue
        s.faults += 1
        p.site.cluster.crash()
        p.site.cluster.begin()
        s.await_recovery(time.monotonic(), DATABASE_LIMIT)


def deadlines(p):
    """Job process and PostgreSQL killed, a day that begins, the clock an hour
    forward and back: every deadline fires once, none before its time, none is
    forgotten; of clocks, of who is to be seen, of equipment and of plans."""
    with p.act(load=False) as s:
        seconds = max(20, p.options.seconds)
        base = midnight(s) - seconds // 4
        jump(s, base, "{linli_job,linli_app}")
        tickets = [submit(s) for _ in range(20)]
        s.sql(DRILL.format(seconds=seconds, clocks=CLOCKS, people=PEOPLE).replace("%%", "%"))
        s.sql(DAYS, PEOPLE // 2, PEOPLE // 2)
        break_things(p, s, seconds / 2)
        jump(s, base + 3600)
        s.kill("job")
        harness.wait_for(lambda: not waiting(s), "what an hour brings to be announced", 60)
        jump(s, base - 3600)
        break_things(p, s, seconds / 4)
        jump(s, base)
        break_things(p, s, seconds / 4)
        harness.wait_for(lambda: not waiting(s), "what is due to be announced", 60)
        for what, count in WRONG.items():
            n = s.sql(count)[0][0]
            s.expect(n == 0, f"{n} {what}")
        fired, beyond = s.sql("select count(*) filter (where mark = 3), count(*) filter (where mark > 0 and"
                              " started_at + interval '2 hours' < due_at) from clock.clock where subject = 'drill'")[0]
        s.expect((fired, beyond) == (CLOCKS * 2 // 3, 0), f"{fired} of {CLOCKS} fired, {beyond} of those that are not due")
        alarms = s.sql("select count(*) from care.alarm where person_id in (select person_id from care.watch)")[0][0]
        s.expect(alarms == PEOPLE * 2 // 3, f"{alarms} alarms about {PEOPLE} people")
        moved = s.sql("select count(*) from ticket.ticket where id = any (%s::uuid[]) and status = 'escalated_community'", tickets)[0][0]
        s.expect(moved == len(tickets), f"{moved} of {len(tickets)} tickets were escalated")
        s.note(f"{s.sql('select count(*) from clock.mark')[0][0]} moments announced, {alarms} alarms, {PEOPLE // 2} pieces and as many plans")


ACTS = {"deadlines": deadlines}
