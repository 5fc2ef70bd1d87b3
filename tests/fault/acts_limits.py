"""Something runs out: connections, locks, descriptors, memory; and
clients that are slow or many."""

import contextlib
import multiprocessing
import os
import pathlib
import re
import resource
import socket
import threading
import time

import psycopg2

import journal

DATABASE_LIMIT = 30


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0


def timed(s, path, person="lead", seconds=2, threads=4):
    """(status, seconds) of as many GETs as fit, on keep-alive connections."""
    seen, end = [], time.monotonic() + seconds

    def run():
        wire = journal.Wire(s.address)
        while time.monotonic() < end:
            begin = time.monotonic()
            status, _, _ = wire("GET", path, None, {"Authorization": "Bearer " + s.site.tokens[person]})
            seen.append((status, time.monotonic() - begin))
    running = [threading.Thread(target=run) for _ in range(threads)]
    for t in running:
        t.start()
    for t in running:
        t.join()
    return seen


def p99_ms(seen):
    return percentile([t for s, t in seen if s == 200], 0.99) * 1000


# Of the database -----------------------------------------------------------------

def no_connections(p):
    """Somebody else holds all of PostgreSQL's connections: 503 within 5 s, and
    back by itself."""
    with p.act() as s:
        time.sleep(2)
        held = []
        s.faults += 1
        end, still = time.monotonic() + 15, 0
        while time.monotonic() < end and still < 5:
            s.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"
                  " and usename in ('linli_app', 'linli_job')", s.database)
            before = len(held)
            with contextlib.suppress(psycopg2.OperationalError):
                while True:
                    held.append(psycopg2.connect(s.site.cluster.conninfo(s.database, "linli_owner")))
            # A backend that is ended frees its place somewhat later, and one
            # that starts has its place before anybody sees it.
            still = still + 1 if len(held) == before and not s.site.cluster.backends(s.database) else 0
            time.sleep(0.1)
        seen = timed(s, "/v1/me", seconds=2)
        worst = max(t for _, t in seen)
        s.expect({st for st, _ in seen} <= {503}, f"without connections: {({st for st, _ in seen})}")
        s.expect(worst < 5, f"a 503 took {worst:.1f} s")
        s.note(f"without connections: {len(seen)} answers, the slowest after {worst:.2f} s")
        for c in held:
            c.close()
        s.await_recovery(time.monotonic(), DATABASE_LIMIT)


def locked(p):
    """LOCK TABLE ticket.ticket: what touches no ticket still answers."""
    with p.act() as s:
        base = p99_ms(timed(s, "/v1/me"))
        c = s.site.cluster.connect(s.database)
        c.autocommit = False
        with c.cursor() as cur:
            cur.execute("lock table ticket.ticket in access exclusive mode")
        s.faults += 1
        time.sleep(5)  # until all who were on their way have given up
        seen = timed(s, "/v1/me", seconds=6)
        good = sum(st == 200 for st, _ in seen)
        bad = sorted({st for st, _ in seen if st != 200}, key=str)
        worst = max(t for _, t in seen)
        s.note(f"/v1/me: p99 {base:.0f} ms; while tickets were locked {p99_ms(seen):.0f} ms, {good} good,"
               f" {len(seen) - good} of {bad}, the slowest {worst:.1f} s")
        s.expect(good >= 0.9 * len(seen), "a locked table keeps requests from answering that do not use it")
        c.rollback()
        c.close()
        s.await_recovery(time.monotonic(), 10)


# Of the process ------------------------------------------------------------------

def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def set_limit(pid, which, soft):
    hard = resource.prlimit(pid, which)[1]
    resource.prlimit(pid, which, (soft, hard))


def descriptors(p):
    """Workers with room for a few files: accepting pauses without a spin."""
    with p.act(clients=10) as s:
        time.sleep(1)
        workers = [pid for name, pid in s.daemon.named().items() if name.startswith("worker")]
        for pid in workers:
            set_limit(pid, resource.RLIMIT_NOFILE, 48)
        s.faults += 1
        crowd = []
        for _ in range(200):
            with contextlib.suppress(OSError):
                crowd.append(socket.create_connection(s.address, 2))
        before = [cpu_seconds(pid) for pid in workers]
        time.sleep(3)
        used = max(cpu_seconds(pid) - b for pid, b in zip(workers, before)) / 3
        s.note(f"out of descriptors a worker used {used:.0%} of a processor")
        for c in crowd:
            c.close()
        for pid in workers:
            set_limit(pid, resource.RLIMIT_NOFILE, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1])
        s.expect("accept_failed" in s.daemon.log_text(), "nobody ran out of descriptors")
        s.expect(used < 0.5, f"out of descriptors a worker spins: {used:.0%}")
        s.await_recovery(time.monotonic(), 5)


def begin_upload(s, crowd, size):
    """All but the last bytes of a large one; it waits in the worker's memory."""
    c = crowd.enter_context(socket.create_connection(s.address, 2))
    c.sendall(b"POST /v1/photos HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nAuthorization: Bearer "
              + s.site.tokens["street"].encode() + b"\r\nContent-Length: %d\r\n\r\n" % (size + 9) + b"x" * size)


def memory(p):
    """Workers that may not grow: one that is refused memory dies and is replaced
    within 5 s."""
    with p.act() as s:
        for _ in range(max(1, p.options.seconds // 10)):
            time.sleep(1)
            pid = s.daemon.pid("worker")
            size = int(re.search(r"VmSize:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))
            set_limit(pid, resource.RLIMIT_AS, size * 1024 + 65536)
            s.faults += 1
            since = time.monotonic()
            with contextlib.ExitStack() as crowd:
                for _ in range(24):
                    with contextlib.suppress(OSError):
                        begin_upload(s, crowd, 8 << 20)
                time.sleep(1)
            with contextlib.suppress(ProcessLookupError, OSError):
                set_limit(pid, resource.RLIMIT_AS, resource.RLIM_INFINITY)
            s.await_recovery(since, 5)
        died = s.daemon.log_text().count('"child_died"')
        s.note(f"{s.faults} times short of memory, {died} workers died of it")


# Of the clients' number -------------------------------------------------------------

class Crowd:
    """Connections that are open and say little or nothing."""

    def __init__(self, address, count, data=b""):
        self.sockets = []
        for i in range(count):
            # Of many addresses: each may hold only so many.
            c = socket.socket()
            c.bind((f"127.0.{1 + i // 500}.1", 0))
            c.connect(address)
            if data:
                c.sendall(data)
            self.sockets.append(c)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for c in self.sockets:
            c.close()


def drip(address, count, opened, let_go):
    """A process of slow clients: a byte of a header twice a second, for as long
    as they are let."""
    with Crowd(address, count, b"GET /v1/me HTTP/1.1\r\nHost: x\r\n") as crowd:
        opened.set()
        while any([open_(c) for c in crowd.sockets]):
            for c in crowd.sockets:
                with contextlib.suppress(OSError):
                    c.send(b"X")
            time.sleep(0.5)
    let_go.set()


def slow_clients(p):
    """security 22: 1,000 clients who send a byte now and then: everybody else hardly notices."""
    opened, let_go = multiprocessing.Event(), multiprocessing.Event()
    with p.act(load=False, head_timeout_s=10) as s:
        timed(s, "/v1/me", seconds=1)
        base = p99_ms(timed(s, "/v1/me", seconds=5))
        before = s.resident_bytes()
        crowd = multiprocessing.Process(target=drip, args=(s.address, 1000, opened, let_go), daemon=True)
        crowd.start()
        try:
            assert opened.wait(30), "the slow clients do not come in"
            s.faults, begun = 1000, time.monotonic()
            during = p99_ms(timed(s, "/v1/me", seconds=6))
            grown = s.resident_bytes() - before
            s.expect(let_go.wait(30), "slow clients are let go after head_timeout_s")
        finally:
            crowd.kill()
        s.note(f"p99 {base:.1f} ms alone, {during:.1f} ms beside 1,000 slow clients ({during / base:.1f}-fold);"
               f" {grown // 1024} KiB more memory; all let go {time.monotonic() - begun:.0f} s after they came")


def open_(c):
    try:
        c.setblocking(False)
        c.recv(4096)
        return False  # an answer, or the end
    except BlockingIOError:
        return True
    except OSError:
        return False


def idle_clients(p):
    """10,000 idle connections: memory bounded, normal clients well."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with p.act(load=False, max_connections=20000) as s:
        timed(s, "/v1/me", seconds=1)
        base = p99_ms(timed(s, "/v1/me", seconds=3))
        before = s.resident_bytes()
        with Crowd(s.address, 10000):
            s.faults += 10000
            during = p99_ms(timed(s, "/v1/me", seconds=3))
            grown = s.resident_bytes() - before
        s.note(f"10,000 idle connections: {grown / 10000 / 1024:.1f} KiB each, {s.resident_bytes() >> 20} MiB in all;"
               f" p99 {base:.1f} → {during:.1f} ms")
        s.expect(grown < 10000 * 32 * 1024, f"an idle connection costs {grown / 10000:.0f} bytes")


ACTS = {f.__name__: f for f in (no_connections, locked, descriptors, memory, slow_clients, idle_clients)}
