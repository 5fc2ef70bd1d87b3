"""Faults while deadlines pass."""

import time

import requests

import harness
import samples
from acts_process import DAEMON_LIMIT
from acts_database import DATABASE_LIMIT

CLOCKS = 3000
# Each clock's three moments lie within the act, within the hour it is set
# forward, or beyond.
DRILL = """
insert into clock.clock (street_id, id, subject, subject_id, stage, path, unit, amount, on_overdue, started_at,
	half_at, late_at, due_at, provisional)
select 1 + i %% 2, core.new_id(1 + i %% 2), 'drill', gen_random_uuid(), 'drill', 1 + i %% 2 || '/', 'wall_minutes', 1, '', now(),
	m[1], m[2], m[3], false
from generate_series(1, %s) i, lateral (select array_agg(now() + x order by x) as m
	from (select case i / 2 %% 3 when 0 then random() * %s * interval '1 second'
		when 1 then interval '10 minutes' + random() * interval '30 minutes'
		else interval '3 hours' + random() * interval '1 hour' end as x from generate_series(1, 3 + i * 0)) r) x
"""


def waiting(s, ahead):
    return s.sql("select count(*) from clock.clock where next_at <= now() + %s::interval", ahead)[0][0]


def jump(s, offset):
    """The job's connections see it from the next one on."""
    s.faults += 1
    s.sql(f"alter database {s.database} set linli.clock_offset = '{offset}'")
    s.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'linli_job' and datname = %s", s.database)


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
    """Job process and PostgreSQL killed, the clock an hour forward and back:
    every deadline fires once, none before its time, none is forgotten."""
    with p.act(load=False) as s:
        seconds = max(20, p.options.seconds)
        tickets = [requests.post(f"http://127.0.0.1:{s.daemon.port}/v1/tickets", json={**samples.TICKET, "urgency": "critical"},
                                 headers=s.token("resident"), timeout=10).json()["id"] for _ in range(20)]
        s.sql(DRILL, CLOCKS, seconds)
        break_things(p, s, seconds / 2)
        jump(s, "1 hour")
        s.kill("job")
        harness.wait_for(lambda: not waiting(s, "1 hour"), "what an hour brings to be announced", 60)
        jump(s, "-1 hour")
        break_things(p, s, seconds / 4)
        jump(s, "0")
        break_things(p, s, seconds / 4)
        harness.wait_for(lambda: not waiting(s, "0"), "what is due to be announced", 60)
        unequal = s.sql("select count(*) from clock.clock c left join lateral (select count(*) as n from core.event e"
                        " where e.subject_id = c.subject_id and e.action ~ '^clock_' and e.data ->> 'stage' = c.stage) e on true"
                        " left join lateral (select count(*) as n from clock.mark m where m.clock_id = c.id) m on true"
                        " where c.mark <> e.n or c.mark <> m.n")[0][0]
        s.expect(unequal == 0, f"{unequal} clocks announced something more or less often than once")
        early = s.sql("select count(*) from clock.mark where fired_at < due_at")[0][0]
        s.expect(early == 0, f"{early} fired before their time")
        fired, beyond = s.sql("select count(*) filter (where mark = 3), count(*) filter (where mark > 0 and"
                              " started_at + interval '2 hours' < due_at) from clock.clock where subject = 'drill'")[0]
        s.expect((fired, beyond) == (CLOCKS * 2 // 3, 0), f"{fired} of {CLOCKS} fired, {beyond} of those that are not due")
        moved = s.sql("select count(*) from ticket.ticket where id = any (%s::uuid[]) and status = 'escalated_community'", tickets)[0][0]
        s.expect(moved == len(tickets), f"{moved} of {len(tickets)} tickets were escalated")
        s.note(f"{s.sql('select count(*) from clock.mark')[0][0]} moments announced")


ACTS = {"deadlines": deadlines}
