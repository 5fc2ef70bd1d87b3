"""The database stands under a name, and the resolver is away, slow or wrong."""

import contextlib
import os
import socket
import struct
import threading
import time

NAME = "database.linli.test"
HEALTH_LIMIT = 1    # seconds; /healthz needs no name
ANSWER_LIMIT = 5    # seconds until a request is told that there is no database
HEAL_LIMIT = 15     # seconds; the resolver's own time-out is 5


class Resolver(threading.Thread):
    """A name server for one name. mode: answer, silent, slow, none (NXDOMAIN),
    astray (an address where nobody listens)."""

    def __init__(self, here, there):
        super().__init__(daemon=True)
        self.there, self.mode, self.asked = there, "answer", 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((here, 53))

    def run(self):
        with contextlib.suppress(OSError):  # closed
            while True:
                query, peer = self.socket.recvfrom(512)
                self.asked += 1
                if self.mode != "silent":
                    wait = 4 if self.mode == "slow" else 0
                    threading.Timer(wait, self.answer, (query, peer, self.mode)).start()

    def answer(self, query, peer, mode):
        end = query.index(b"\0", 12) + 5
        wanted = struct.unpack("!H", query[end - 4:end - 2])[0] == 1 and mode != "none"
        header = query[:2] + struct.pack("!HHHHH", 0x8183 if mode == "none" else 0x8180, 1, wanted, 0, 0)
        there = "127.0.0.254" if mode == "astray" else self.there
        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 0, 4) + socket.inet_aton(there) if wanted else b""
        with contextlib.suppress(OSError):
            self.socket.sendto(header + query[12:end] + record, peer)


@contextlib.contextmanager
def database_on(cluster, address):
    """PostgreSQL on a loopback address too."""
    with open(cluster.folder / "data/pg_hba.conf", "a") as f:
        f.write("host all all 127.0.0.0/8 trust\n")
    cluster.pg_ctl("-m", "fast", "stop")
    cluster.begin(options=f"-c listen_addresses={address}")
    try:
        yield
    finally:
        cluster.pg_ctl("-m", "fast", "stop")
        cluster.begin()


def names(p):
    """The database's name is not to be resolved, or only slowly, or wrongly: the
    loop goes on, 503 within 5 s, and back by itself."""
    number = os.getpid() % 250 + 1
    resolver = Resolver(f"127.0.53.{number}", f"127.0.54.{number}")
    resolver.start()
    p.act_folder.mkdir()
    conf = p.act_folder / "resolv.conf"
    conf.write_text(f"nameserver 127.0.53.{number}\n")
    prefix = ("unshare", "-m", "sh", "-c", f'mount --bind {conf} /etc/resolv.conf && exec "$@"', "sh")
    try:
        with database_on(p.site.cluster, resolver.there):
            database = p.site.cluster.fresh()
            where = f"host={NAME} dbname={database} user="
            with p.act(name="run", existing=database, prefix=prefix, database=where + "linli_app",
                       database_jobs=where + "linli_job") as s:
                for mode in ("silent", "slow", "none", "astray"):
                    lost(s, resolver, mode)
    finally:
        resolver.socket.close()


def lost(s, resolver, mode):
    """All connections end while the resolver is so; then it is well again."""
    asked = resolver.asked
    resolver.mode = mode
    s.faults += 1
    begun = time.monotonic()
    s.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"
          " and usename in ('linli_app', 'linli_job')", s.database)
    slowest = 0
    while time.monotonic() < begun + 10:
        before = time.monotonic()
        status, _ = s.daemon.get("/healthz")
        slowest = max(slowest, time.monotonic() - before)
        s.expect(status == 200, f"{mode}: /healthz {status}")
        time.sleep(0.05)
    api, said = s.probe.longest(begun, begun + 10), s.probe.statuses(begun + 2, begun + 10)
    ready, _ = s.daemon.get("/readyz")
    healed = time.monotonic()
    resolver.mode = "answer"
    s.expect(resolver.asked > asked, f"{mode}: nobody asked the resolver")
    s.expect(slowest < HEALTH_LIMIT, f"{mode}: /healthz took {slowest:.1f} s: the loop was held up")
    s.expect(api <= ANSWER_LIMIT, f"{mode}: an answer took {api:.1f} s")
    if mode != "slow":  # slow names are found in the end
        s.expect(said <= {503}, f"{mode}: without a database: {said}")
        s.expect(ready == 503, f"{mode}: /readyz says {ready}")
    s.note(f"resolver {mode}: /healthz within {slowest * 1000:.0f} ms, answers within {api:.1f} s")
    s.await_recovery(healed, HEAL_LIMIT)


ACTS = {"names": names}
