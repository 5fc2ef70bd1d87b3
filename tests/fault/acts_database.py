"""Faults of PostgreSQL."""

import os
import signal
import threading
import time

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


ACTS = {"crash": crash, "backend_killed": backend_killed, "lost_replies": lost_replies}
