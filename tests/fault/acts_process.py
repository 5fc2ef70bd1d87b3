"""Faults of the daemon's own processes."""

import os
import signal
import socket
import time

DAEMON_LIMIT = 5   # seconds; promise of recovery


def quiet(p):
    """No fault at all: the oracle finds nothing where nothing went wrong."""
    with p.act():
        time.sleep(min(10, p.options.seconds))


def kills(p):
    """kill -9 of a random worker, the job process or the supervisor."""
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
        for _ in range(max(1, p.options.seconds // 15)):
            time.sleep(1)
            pid = s.daemon.pid("worker")
            os.kill(pid, signal.SIGSTOP)
            s.faults += 1
            time.sleep(min(8, p.options.seconds / 4))
            os.kill(pid, signal.SIGCONT)
            s.await_recovery(time.monotonic(), DAEMON_LIMIT)


def upgrade(p):
    """SIGTERM, and a new one on the same socket, again and again under load:
    not one request fails."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        with p.act(listener=listener) as s:
            for _ in range(max(2, p.options.seconds // 10)):
                time.sleep(2)
                s.faults += 1
                s.daemon.process.terminate()
                s.expect(s.daemon.process.wait(60) == 0, "it did not end well")
                s.daemon.start()  # who came meanwhile waited in the socket's queue
            time.sleep(1)
    failed = {n: c for n, c in s.counts.items() if n.startswith(("5", "none"))}
    s.expect(not failed, f"requests failed: {failed}")


ACTS = {"quiet": quiet, "kills": kills, "stopped_worker": stopped_worker, "upgrade": upgrade}
