"""Faults of the daemon's own processes."""

import os
import signal
import time

DAEMON_LIMIT = 5   # seconds; promise of recovery


def quiet(p):
    """No fault at all: the oracle finds nothing where nothing went wrong."""
    with p.act():
        time.sleep(min(10, p.options.seconds))


def kills(p):
    """kill -9 of a random worker, the job process or the supervisor: all is well
    within 5 s, what was in flight is unknown and settles."""
    with p.act() as s:
        time.sleep(1)
        for _ in range(p.options.kills):
            what = s.random.choices(("worker", "job", "supervisor"), (6, 2, 2))[0]
            since = s.kill(what)
            s.await_recovery(since, DAEMON_LIMIT)
            time.sleep(s.random.uniform(0.1, 1.0))


def stopped_worker(p):
    """SIGSTOP of a worker: its requests wait or are lost, nothing happens
    twice when it wakes."""
    with p.act() as s:
        for _ in range(max(1, p.options.seconds // 30)):
            time.sleep(1)
            pid = s.daemon.pid("worker")
            os.kill(pid, signal.SIGSTOP)
            s.faults += 1
            time.sleep(min(15, p.options.seconds))
            os.kill(pid, signal.SIGCONT)
            s.await_recovery(time.monotonic(), DAEMON_LIMIT)


ACTS = {"quiet": quiet, "kills": kills, "stopped_worker": stopped_worker}
