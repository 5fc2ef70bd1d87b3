"""Networks that swallow packets, between the daemon and its database and
between a client and the daemon; and clocks that jump."""

import contextlib
import os
import pathlib
import subprocess
import time

import acts_database
import harness
import net

HEALTH_LIMIT = 5   # seconds until a partition is answered with 503


@contextlib.contextmanager
def far_database(p):
    """PostgreSQL in a namespace of its own, reached over TCP."""
    with net.Namespace() as ns:
        cluster = p.site.cluster
        data = cluster.folder / "data"
        with open(data / "pg_hba.conf", "a") as f:
            f.write(f"host all all {ns.here}/32 trust\n")
        cluster.pg_ctl("-m", "fast", "stop")
        cluster.begin(prefix=ns.inside, options=f"-c listen_addresses={ns.there}")
        try:
            yield ns, {name: f"host={ns.there} dbname=%s user={user}" for name, user in (
                ("database", "linli_app"), ("database_jobs", "linli_job"))}
        finally:
            cluster.pg_ctl("-m", "fast", "stop")
            cluster.begin()


def far_act(p, ns, conninfos, **more):
    database = p.site.cluster.fresh()
    return p.act(existing=database, **{n: c % database for n, c in conninfos.items()}, **more)


def partition(p):
    """Packets between daemon and database vanish: 503 within 5 s, and back by
    itself within 10."""
    with far_database(p) as (ns, conninfos), far_act(p, ns, conninfos) as s:
        for hook in ("input output", "input", "output"):
            time.sleep(3)
            s.faults += 1
            cut = time.monotonic()
            ns.drop(hook)
            time.sleep(12)
            slowest = s.probe.longest(cut, cut + 12)
            later = s.probe.statuses(cut + 7, time.monotonic() - 2)
            ns.heal()
            s.expect(later <= {503}, f"{hook}: a cut database is answered {later}")
            s.expect(slowest <= HEALTH_LIMIT, f"{hook}: an answer took {slowest:.1f} s")
            s.note(f"packets lost ({hook}): the slowest answer came after {slowest:.1f} s")
            s.await_recovery(time.monotonic(), 10)


def loss(p):
    """One packet in twenty is lost: slower, never wrong."""
    with far_database(p) as (ns, conninfos), far_act(p, ns, conninfos) as s:
        time.sleep(1)
        ns.lose(5)
        s.faults += 1
        time.sleep(min(15, p.options.seconds))
        ns.heal()
        s.await_recovery(time.monotonic(), 10)


def half_open(p):
    """Clients that vanish without a FIN: their connections are let go."""
    with net.Namespace() as ns, p.act(load=False, host=ns.here, idle_timeout_s=4) as s:
        s.probe.done.set()  # so that all that comes and goes is ours
        s.probe.join()
        before = connections(s)
        code = ("import socket, sys\n"
                f"cs = [socket.create_connection(('{ns.here}', {s.daemon.port})) for _ in range(100)]\n"
                "for c in cs[:50]: c.sendall(b'GET /healthz HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); c.recv(1000)\n"
                "print('open', flush=True); sys.stdin.read()\n")
        client = subprocess.Popen([*ns.inside, "/usr/bin/python3", "-c", code], text=True,
                                              stdin=-1, stdout=-1)
        try:
            assert client.stdout.readline() == "open\n"
            harness.wait_for(lambda: connections(s) >= before + 90, "the clients to be seen")
            ns.drop()
            s.faults += 100
            cut = time.monotonic()
            harness.wait_for(lambda: connections(s) <= before + 1, "half-open connections to go", 30)
            s.note(f"100 half-open connections were let go after {time.monotonic() - cut:.1f} s")
        finally:
            client.kill()
            client.wait()


def connections(s):
    """Sockets that the daemon's workers hold on its port; those to the database come when they come."""
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ours = {f"socket:[{row[9]}]" for row in rows if int(row[1].split(":")[1], 16) == s.daemon.port}
    count = 0
    for pid in s.daemon.children():
        for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                count += os.readlink(fd) in ours
    return count


def clock(p):
    """security 42: the daemon's wall clock jumps: nobody's request fails for it, timers
    that are monotonic go on."""
    now = p.act_folder.parent / "wall"
    now.write_text("+0")
    library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    with p.act(env={"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(now),
                    "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}) as s:
        for offset in ("+1800", "-30", "+3600", "+0"):
            time.sleep(2)
            now.write_text(offset)
            s.faults += 1
            begin = time.monotonic()
            status, _ = s.daemon.get("/v1/changes?wait=2&after=" + acts_database.head(s, "lead_far"),
                                     s.token("lead_far"), timeout=20)
            took = time.monotonic() - begin
            s.expect(status == 200 and took < 6, f"{offset}: a poll of 2 s: {status} after {took:.1f} s")
            s.await_recovery(begin, 5)
    refused = {n: c for n, c in s.counts.items() if n.startswith(("401", "429", "5"))}
    s.expect(not refused, f"requests failed for the clock: {refused}")


ACTS = {"partition": partition, "loss": loss, "half_open": half_open, "clock": clock}
