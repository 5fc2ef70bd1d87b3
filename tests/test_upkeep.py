"""Restoring a backup into a new cluster, and replacing the program while it
serves."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading

import pytest

import harness
import raw
import samples
from conftest import World
from test_operations import Notified

started = []


def keep(server):
    """Ended after the test, with all it has started, however the test ends."""
    started.append(server.process.pid)
    return server


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    while started:
        try:
            os.killpg(started.pop(), signal.SIGKILL)
        except ProcessLookupError:
            pass


# Backup and restore -------------------------------------------------------------

COUNTS = ("select schemaname || '.' || relname, (xpath('/row/n/text()', query_to_xml(format("
          "'select count(*) as n from %I.%I', schemaname, relname), false, true, '')))[1]::text::int"
          " from pg_stat_user_tables where schemaname in ('core', 'identity', 'grid', 'ticket')")
ORDER = "select id from core.event where street_id = 1 order by xact, id"


def live(world):
    """A few of everything: people act at once, photos, what is sealed."""
    def one(i):
        photo = samples.photo(world, "resident", samples.png(8 + i if i else 1200, 900))
        return samples.ticket(world, ("submitted", "in_progress", "closed")[i % 3], photo_ids=[photo],
                              contact_phone="13812340000")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(one, range(9)))


def burn(cluster, database, count):
    """Transaction numbers go by, as they do in a year."""
    cluster.execute(database, "do $$ begin for i in 1..%s loop perform pg_current_xact_id(); commit;"
                              " end loop; end $$" % count)


def feed(client, after=None):
    found = []
    while True:
        page = client.get("/v1/changes", params={"limit": 100, **({"after": after} if after else {})}).json()
        found += [e["id"] for e in page["items"]]
        after = page["next"]
        if not page["items"]:
            return found, after


class Restored(World):
    """What README tells to do, step by step."""

    def __init__(self, old, site, folder, dump):
        self.site, self.spec, self.folder, self.database = site, old.spec, folder, "linli"
        superuser = site.cluster.superuser("linli")
        subprocess.run(["pg_restore", "--exit-on-error", "-d", superuser, str(dump)],
                       check=True, timeout=120)
        shutil.copytree(old.folder / "kept-keys", folder / "keys")
        shutil.copytree(old.folder / "kept-data", folder / "data")
        self.settings = harness.Settings(folder, site.cluster, "linli", folder / "keys")

    def serve(self):
        self.server = keep(harness.Server(self.settings, self.folder / "log"))


def refused(settings, *args):
    done = subprocess.run([str(harness.LINLID), *args], capture_output=True, text=True, timeout=30, env={
        **os.environ, "LINLI_CONFIG": str(settings.path), "ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode == 1, done
    return done.stderr


@pytest.fixture
def elsewhere():
    """A cluster that knows nothing yet."""
    folder = harness.temporary_folder()
    cluster = harness.Cluster(folder / "pg")
    yield type("Site", (), {"cluster": cluster, "folder": folder})
    cluster.stop()
    shutil.rmtree(folder)


def test_restore_into_a_new_cluster(world, elsewhere, tmp_path):
    old_cluster = world.site.cluster
    burn(old_cluster, world.database, 20000)
    tickets = live(world)
    token = samples.login(world)["access_token"]
    world.settle()  # another test of this cluster may hold the horizon back
    before, cursor = feed(world.client("street"))
    contact = world.lead.get(f"/v1/tickets/{tickets[1]}").json()
    # the database first: bytes of photos are there before their rows are
    dump = tmp_path / "linli.dump"
    subprocess.run(["pg_dump", "-Fc", "-f", str(dump), "-d", old_cluster.superuser(world.database)],
                   check=True, timeout=120)
    shutil.copytree(world.settings.values["data_dir"], tmp_path / "kept-data")
    shutil.copytree(world.site.keys, tmp_path / "kept-keys")
    counts, order = dict(world.sql(COUNTS)), world.sql(ORDER)
    burn(old_cluster, world.database, 5000)
    lost = samples.ticket(world)
    world.settle()
    _, late = feed(world.client("street"))

    folder = tmp_path / "new"
    folder.mkdir()
    new = Restored(world, elsewhere, folder, dump)
    assert "another cluster" in refused(new.settings, "check")
    assert "another cluster" in refused(new.settings, "serve")
    assert "new era" in harness.run_linlid(new.settings, "migrate")
    assert "new era" not in harness.run_linlid(new.settings, "migrate")
    assert "agree" in harness.run_linlid(new.settings, "check")

    assert dict(new.sql(COUNTS)) == counts and counts["ticket.photo"] == 9
    assert new.sql(ORDER) == order
    numbers = [n for n, in new.sql("select number from ticket.ticket where street_id = 1")]
    assert len(set(numbers)) == len(numbers)
    named = {h for row in new.sql("select hash, thumb_hash from ticket.photo") for h in row}
    stored = {p.name: p for p in (folder / "data").rglob("*") if p.is_file()}
    assert len(named) > 9, "one is large enough to have a thumbnail"
    for h in named:
        file = stored.get(h) or stored[h[2:]]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == h

    new.serve()
    new.client = lambda name=None: harness.Client(
        new.server.url, world.site.tokens[name] if name else None, new.spec.check_reply)
    # who was signed in still is; what was sealed opens; the feed says the same
    assert new.client().get("/v1/me", headers={"Authorization": "Bearer " + token}).status_code == 200
    assert new.client("lead").get(f"/v1/tickets/{tickets[1]}").json() == contact
    assert contact["contact_phone_mask"] == "138****0000"
    assert new.client("lead").get(f"/v1/tickets/{lost}").status_code == 404
    again, _ = feed(new.client("street"))
    assert again == before
    # and goes on, also for those who come with an old cursor
    made = samples.ticket(new)
    event, = new.sql("select id from core.event where subject_id = %s", made)[0]
    harness.wait_for(lambda: feed(new.client("street"))[0] == before + [event], "the new event, last")
    assert feed(new.client("street"), cursor)[0] == [event]
    assert feed(new.client("street"), late)[0] == [event], "nor for those who saw what was lost"
    number, = new.sql("select number from ticket.ticket where id = %s", made)[0]
    assert number > max(numbers)
    assert new.server.stop() == 0


# Replacing the program ------------------------------------------------------------

class Load:
    """Clients that go on until told; half of them keep their connection."""

    def __init__(self, url, token, clients=8):
        self.url, self.headers = url, {"Authorization": "Bearer " + token}
        self.done, self.failed, self.answered = threading.Event(), [], 0
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(clients)]
        for t in self.threads:
            t.start()

    def run(self, number):
        while not self.done.is_set() and len(self.failed) < 10:
            try:
                with raw.Connection(self.url) as c:
                    self.use(c, 10**6 if number % 2 else 3)
            except (OSError, AssertionError, AttributeError) as e:
                self.failed.append(f"{type(e).__name__} {e}")

    def use(self, c, times):
        while times and not self.done.is_set():
            reply = c.request("GET", "/v1/me", self.headers)
            if reply.status != 200:
                self.failed.append(reply.status)
            self.answered += 1
            times -= 1
            if (reply.header("Connection") or "").lower() == "close":
                return

    def more(self, count=300):
        at = self.answered
        harness.wait_for(lambda: self.failed or self.answered > at + count, "load")

    def stop(self):
        self.done.set()
        for t in self.threads:
            t.join(30)
        assert not any(t.is_alive() for t in self.threads)
        return self.failed


class Activated(harness.Server):
    """Started as systemd does it, with a socket that is open already."""

    def __init__(self, settings, log, listening, env=None):
        self.settings, self.log = settings, log

        def in_child():
            os.dup2(listening.fileno(), 3)
            os.set_inheritable(3, True)
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                [*harness.TIED, "sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" serve', str(harness.LINLID)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                preexec_fn=in_child, pass_fds=(3,),
                env={**os.environ, "LINLI_CONFIG": str(settings.path), **(env or {})})
        self.url = self.wait_ready()


@pytest.fixture
def database(site):
    name = site.cluster.fresh()
    yield name
    site.cluster.drop(name)


def test_a_socket_of_systemds_outlives_the_program(site, database, tmp_path):
    """Two generations on one socket, three times: not one request fails."""
    settings = harness.Settings(tmp_path, site.cluster, database, site.keys,
                                metrics_listen=f"127.0.0.1:{harness.free_port()}")
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        old = keep(Activated(settings, tmp_path / "log0", listening))
        load = Load(old.url, site.tokens["lead"])
        load.more()
        for n in range(1, 4):
            new = keep(Activated(settings, tmp_path / f"log{n}", listening))
            assert new.url == old.url
            load.more()
            assert old.stop() == 0
            load.more()
            old = new
        assert load.stop() == []
        assert old.stop() == 0


def test_restart_on_a_socket_of_systemds_only_delays(site, database, tmp_path):
    """systemctl restart: stopped first, then started; clients wait in the queue."""
    settings = harness.Settings(tmp_path, site.cluster, database, site.keys)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        server = keep(Activated(settings, tmp_path / "log0", listening))
        load = Load(server.url, site.tokens["lead"])
        load.more()
        assert server.stop() == 0
        server = keep(Activated(settings, tmp_path / "log1", listening))
        load.more()
        assert load.stop() == []
        assert server.stop() == 0


class Heir(harness.Server):
    """The program that took over; another's child, so known by its pid."""

    def __init__(self, pid, log, url):
        self.pid_, self.log, self.url = pid, log, url

    def stop(self):
        os.kill(self.pid_, signal.SIGTERM)
        harness.wait_for(lambda: not pathlib.Path(f"/proc/{self.pid_}").exists() or
                         ") Z " in pathlib.Path(f"/proc/{self.pid_}/stat").read_text(), "its end")


def take_over(server_pid, log):
    """SIGUSR2; the pid of the next generation once it has the place."""
    started = len([1 for e in entries(log) if e["event"] == "takeover_started"])
    os.kill(server_pid, signal.SIGUSR2)
    line = harness.wait_for(lambda: [e for e in entries(log) if e["event"] == "takeover_started"][started:],
                            "the next one")[0]
    return int(line["message"].rsplit(" ", 1)[1])


def entries(log):
    return [json.loads(line) for line in log.read_text(errors="replace").splitlines() if line.startswith("{")]


@pytest.fixture
def own_program(tmp_path):
    """A copy of linlid that may be replaced."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("linlid", "linlid-image"):
        shutil.copy(harness.BUILD / name, folder / name)
    return folder / "linlid"


def replace(program, source):
    """As install does: a new file under the old name."""
    fresh = program.with_suffix(".new")
    shutil.copy(source, fresh)
    fresh.chmod(0o755)
    os.replace(fresh, program)


def test_takeover_without_systemd(site, database, tmp_path, own_program, monkeypatch):
    """SIGUSR2: the new file starts on the same socket, then the old one drains."""
    # Whoever starts it may have left a descriptor open where the socket is to go.
    starter = tmp_path / "start"
    starter.write_text(f'#!/bin/sh\nexec 3</dev/null\nexec {own_program} "$@"\n')
    starter.chmod(0o755)
    monkeypatch.setattr(harness, "LINLID", starter)
    settings = harness.Settings(tmp_path, site.cluster, database, site.keys,
                                metrics_listen=f"127.0.0.1:{harness.free_port()}")
    told = Notified(tmp_path)
    server = keep(harness.Server(settings, tmp_path / "log",
                                 {"NOTIFY_SOCKET": told.path, "WATCHDOG_USEC": "30000000"}))
    load = Load(server.url, site.tokens["lead"])
    load.more()
    pids = [server.process.pid]
    for _ in range(2):
        replace(own_program, harness.BUILD / "linlid")
        pids.append(take_over(pids[-1], server.log))
        old = pathlib.Path(f"/proc/{pids[-2]}/stat")
        assert "STOPPING=1" not in told.wait(f"MAINPID={pids[-1]}"), "the service goes on"
        harness.wait_for(lambda: server.process.poll() is not None and (
            not old.exists() or ") Z " in old.read_text()), "the old one's end")
        load.more()
    assert load.stop() == []
    assert server.process.returncode == 0
    Heir(pids[-1], server.log, server.url).stop()
    text = server.log.read_text(errors="replace")
    assert "Sanitizer" not in text and "runtime error" not in text
    with pytest.raises(ConnectionRefusedError):
        raw.Connection(server.url)


def test_takeover_of_a_socket_of_systemds(site, database, tmp_path, own_program, monkeypatch):
    """Nobody closes it: whoever comes after the last of them waits for the next."""
    monkeypatch.setattr(harness, "LINLID", own_program)
    settings = harness.Settings(tmp_path, site.cluster, database, site.keys)
    told = Notified(tmp_path)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        server = keep(Activated(settings, tmp_path / "log", listening, {"NOTIFY_SOCKET": told.path}))
        load = Load(server.url, site.tokens["lead"])
        load.more()
        heir = take_over(server.process.pid, server.log)
        told.wait(f"MAINPID={heir}")
        assert server.process.wait(harness.WAIT) == 0
        load.more()
        assert load.stop() == []
        Heir(heir, server.log, server.url).stop()
        raw.Connection(server.url).socket.close()


def test_a_new_program_that_fails_changes_nothing(site, database, tmp_path, own_program, monkeypatch):
    monkeypatch.setattr(harness, "LINLID", own_program)
    server = keep(harness.Server(harness.Settings(tmp_path, site.cluster, database, site.keys), tmp_path / "log"))
    load = Load(server.url, site.tokens["lead"])
    children = server.children()
    for count, broken in enumerate(("/bin/false", __file__), 1):
        replace(own_program, broken)
        take_over(server.process.pid, server.log)
        harness.wait_for(lambda: len(server.lines("takeover_failed")) == count, "the failure to be noticed")
    # nobody else may say that they have taken over
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    replace(own_program, slow)
    pid = take_over(server.process.pid, server.log)
    os.kill(server.process.pid, signal.SIGUSR1)
    load.more()
    os.kill(pid, signal.SIGKILL)
    harness.wait_for(lambda: len(server.lines("takeover_failed")) == 3, "the failure to be noticed")
    assert load.stop() == [] and server.children() == children
    replace(own_program, harness.BUILD / "linlid")
    pid = take_over(server.process.pid, server.log)
    harness.wait_for(lambda: server.process.poll() is not None, "the place to be taken")
    Heir(pid, server.log, server.url).stop()


def test_a_newer_program_migrates_while_we_serve(world):
    """What a migration may do, under load: no request fails, a new start of
    this program still fits."""
    token = world.site.tokens["lead"]
    load = Load(world.server.url, token)
    writers = threading.Event()
    statuses = []

    def write():
        client = world.client("resident")
        while not writers.is_set():
            statuses.append(client.post("/v1/tickets", samples.TICKET).status_code)
    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    load.more()
    owner = world.site.cluster.connect(world.database, "linli_owner")
    steps = ["alter table ticket.ticket add column later text",
             "alter table identity.account add column later text",
             "create index later on ticket.ticket (street_id, later)",
             "create or replace view ticket.comment_view with (security_invoker = true) as "
             + world.sql("select pg_get_viewdef('ticket.comment_view'::regclass)")[0][0],
             world.sql("select pg_get_functiondef('core.feed(text, integer)'::regprocedure)")[0][0],
             "insert into core.migration (version, name, checksum) values (9999, 'later', 'x')"]
    with owner.cursor() as cur:
        for step in steps:
            cur.execute("begin; set local lock_timeout = '3s'; " + step.rstrip().rstrip(";") + "; commit")
            load.more(60)
    owner.close()
    writers.set()
    thread.join(30)
    assert load.stop() == [] and set(statuses) == {201}
    assert "agree" in harness.run_linlid(world.settings, "check")
