"""Faults of PostgreSQL."""

import contextlib
import json
import os
import signal
import time

import psycopg2

import acts_points
import harness
import journal
import samples

DATABASE_LIMIT = 30   # seconds; promise of recovery


def crash(p):
    """pg_ctl -m immediate stop, a pause, start."""
    with p.act() as s:
        for _ in range(max(1, p.options.seconds // 15)):
            time.sleep(2)
            s.faults += 1
            p.site.cluster.crash()
            time.sleep(s.random.uniform(0, 2))
            p.site.cluster.begin()
            s.await_recovery(time.monotonic(), DATABASE_LIMIT)


def backend_killed(p):
    """kill -9 of one backend: PostgreSQL throws all of them out and recovers."""
    with p.act() as s:
        for _ in range(max(1, p.options.seconds // 10)):
            time.sleep(2)
            pids = p.site.cluster.backends(s.database)
            if pids:
                s.faults += 1
                since = time.monotonic()
                os.kill(s.random.choice(pids), signal.SIGKILL)
                s.await_recovery(since, DATABASE_LIMIT)


def lost_replies(p):
    """pg_terminate_backend in a loop: commits whose news never arrives."""
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


# What the next version's migration may do while this one serves.
MIGRATION = ("alter table ticket.ticket add column later text",
             "alter table core.event add column later integer not null default 7",
             "create index ticket_later on ticket.ticket (street_id, later)",
             "alter table ticket.private add constraint later check (length(title) > 0) not valid",
             "alter table ticket.private validate constraint later",
             "create or replace function core.today() returns date language sql stable parallel safe"
             " return (core.now() at time zone 'Asia/Shanghai')::date",
             "alter table ticket.comment add column later text")


def migration(p):
    """The next version's migration runs while this one serves: no request
    fails."""
    with p.act() as s:
        for statement in MIGRATION:
            time.sleep(1)
            s.faults += 1
            harness.wait_for(lambda: migrate(s, statement), "the lock for " + statement)
        time.sleep(1)
    failed = {n: c for n, c in s.counts.items() if n.startswith(("5", "none"))}
    s.expect(not failed, f"requests failed: {failed}")


def migrate(s, statement):
    """As `linlid migrate` does: it gives up a lock it does not get soon."""
    try:
        with contextlib.closing(s.site.cluster.connect(s.database, "linli_owner")) as c:
            c.cursor().execute(f"set lock_timeout = '500ms'; {statement}")
        return True
    except psycopg2.errors.LockNotAvailable:
        return False


def head(s, person):
    return json.loads(s.daemon.get("/v1/changes/head", s.token(person))[1])["next"]


ACTS = {"head_after_crash": head_after_crash, "crash": crash, "backend_killed": backend_killed, "lost_replies": lost_replies,
        "migration": migration}
