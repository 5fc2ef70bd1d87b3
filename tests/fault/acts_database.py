"""Faults of PostgreSQL."""

import json
import os
import signal
import time

import acts_points
import journal
import samples

DATABASE_LIMIT = 30   # seconds; promise of recovery
STATEMENT_LIMIT = 8   # seconds; statement_timeout_ms, and some


def crash(p):
    """pg_ctl -m immediate stop, a pause, start: all is well within 30 s."""
    with p.act() as s:
        for _ in range(max(1, p.options.seconds // 15)):
            time.sleep(2)
            s.faults += 1
            p.site.cluster.crash()
            time.sleep(s.random.uniform(0, 2))
            p.site.cluster.begin()
            s.await_recovery(time.monotonic(), DATABASE_LIMIT)


def backend_killed(p):
    """kill -9 of one backend, and PostgreSQL throws all of them out: all is well
    within 30 s."""
    with p.act() as s:
        for _ in range(max(1, p.options.seconds // 10)):
            time.sleep(2)
            pids = p.site.cluster.backends(s.database)
            if pids:
                s.faults += 1
                since = time.monotonic()
                os.kill(s.random.choice(pids), signal.SIGKILL)
                s.await_recovery(since, DATABASE_LIMIT)


def stopped_backend(p):
    """SIGSTOP of backends: whoever waits for one is answered in time, and what
    it does when it wakes is not done twice."""
    with p.act() as s:
        for _ in range(max(1, p.options.seconds // 30)):
            time.sleep(2)
            pids = s.random.sample(p.site.cluster.backends(s.database), 2)
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
                s.faults += 1
            time.sleep(15)
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            s.await_recovery(time.monotonic(), 5)
    slowest = journal.slowest(s.folder)
    s.note(f"the slowest answer: {slowest:.1f} s")
    s.expect(slowest < STATEMENT_LIMIT, f"an answer took {slowest:.1f} s")


def lost_replies(p):
    """pg_terminate_backend in a loop: what was committed and never answered is
    answered when it is asked again."""
    with p.act() as s:
        end = time.monotonic() + min(20, p.options.seconds)
        while time.monotonic() < end:
            time.sleep(s.random.uniform(0.02, 0.3))
            s.faults += 1
            s.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"
                  " and usename = 'linli_app' order by random() limit 2", s.database)
        s.await_recovery(time.monotonic(), 5)


def head_after_crash(p):
    """A cursor of now, and numbers of transactions that a crash gives out
    again: what happens after the crash is after the cursor."""
    p.site.cluster.configure(wal_writer_delay="10s")
    try:
        with p.act(load=False) as s:
            with s.site.cluster.connect(s.database).cursor() as cur:
                for _ in range(200):  # none of them ever reaches the disk
                    cur.execute("begin; select pg_current_xact_id(); rollback")
            after = head(s, "street")
            p.site.cluster.crash()
            p.site.cluster.begin()
            s.faults += 1
            s.await_recovery(time.monotonic(), DATABASE_LIMIT)
            person, key = acts_points.Person(s, 0), journal.marker()
            person.insist("submit", "resident", "/v1/tickets", {**samples.TICKET, "title": key}, key)
            _, body = s.daemon.get(f"/v1/changes?wait=2&after={after}", s.token("street"))
            s.expect(len(json.loads(body)["items"]) == 1, f"the event after the crash is missed: {body}")
    finally:
        p.site.cluster.configure(wal_writer_delay="200ms")


def head(s, person):
    return json.loads(s.daemon.get("/v1/changes/head", s.token(person))[1])["next"]


ACTS = {"head_after_crash": head_after_crash, "crash": crash, "backend_killed": backend_killed, "stopped_backend": stopped_backend,
        "lost_replies": lost_replies}
