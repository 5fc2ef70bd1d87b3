"""The daemon's processes: what dies is replaced, what stops loses nothing,
what does not fit does not start."""

import contextlib
import datetime
import email.utils
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import stat
import struct
import subprocess
import threading
import time
import uuid

import pytest

import harness
import raw
import samples
from conftest import World


def fresh_get(world, path="/healthz", token=None):
    """One request on a connection of its own; its status."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return raw.exchange(world.server.url, "GET", path, headers).status


def serves(world, times=20):
    return all(fresh_get(world, "/v1/me", world.site.tokens["lead"]) == 200 for _ in range(times))


# Something dies --------------------------------------------------------------

def kill_and_wait(world, name):
    old = harness.wait_for(lambda: world.server.pid(name), name)
    count = len(world.server.children())
    os.kill(old, signal.SIGKILL)
    assert serves(world, 30), "the others serve on"
    new = harness.wait_for(
        lambda: world.server.pid(name) not in (None, old) and world.server.pid(name), name + "'s return")
    harness.wait_for(lambda: len(world.server.children()) == count, "as many as before")
    died = world.server.lines("child_died")[-1]
    assert name in died["message"] and "9" in died["message"]
    return new


def test_killed_worker_is_replaced(world):
    for name in ("worker-0", "worker-1", "worker-0"):
        kill_and_wait(world, name)
    assert serves(world)


def test_killed_job_process_is_replaced(world):
    kill_and_wait(world, "job")
    harness.wait_for(lambda: world.client().get("/readyz").status_code == 200, "ready again")


def test_killed_worker_costs_only_its_own_requests(world):
    """Clients of the other worker see nothing of it."""
    results = []

    def client():
        with raw.Connection(world.server.url) as c:
            try:
                while not done.is_set():
                    results.append(c.request("GET", "/healthz").status)
            except (ConnectionError, AttributeError, AssertionError):
                results.append("lost")

    done = threading.Event()
    threads = [threading.Thread(target=client) for _ in range(8)]
    for t in threads:
        t.start()
    harness.wait_for(lambda: len(results) > 200, "load")
    os.kill(world.server.pid("worker-0"), signal.SIGKILL)
    at = len(results)
    harness.wait_for(lambda: len(results) > at + 200 or "lost" in results[at:], "load to go on")
    done.set()
    for t in threads:
        t.join(20)
    assert results.count("lost") <= 8 and set(results) <= {200, "lost"}
    assert serves(world)


def test_supervisor_killed_takes_its_children_along(world):
    children = world.server.children()
    world.server.process.kill()
    world.server.process.wait()
    harness.wait_for(lambda: not any(alive(p) for p in children), "the children to end")
    world.server = harness.Server(world.settings, world.folder / "log2")
    assert fresh_get(world) == 200


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


# Stopping and reloading -----------------------------------------------------

class Load:
    """Keep-alive clients that go on until nobody accepts them; counts what
    was asked and not properly answered."""

    def __init__(self, world, clients=8):
        self.world, self.answered, self.failed = world, 0, []
        self.token = world.site.tokens["lead"]
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(clients)]
        for t in self.threads:
            t.start()

    def connect(self):
        try:
            return raw.Connection(self.world.server.url)
        except ConnectionRefusedError:
            return None

    def run(self, number):
        while (c := self.connect()) is not None:
            with c:
                self.use(c, number)
            if len(self.failed) > 20:
                return

    def use(self, c, number):
        headers = {"Authorization": "Bearer " + self.token}
        # Some come anew often; half of them leave only when they are told to.
        for i in range(5 + number * 40 if number % 2 else 10**6):
            try:
                reply = c.request("GET", "/v1/me", headers)
            except (OSError, AssertionError) as e:
                self.failed.append(f"{type(e).__name__} {e} at request {i}")
                return
            if reply is None or reply.status != 200:
                self.failed.append(f"{reply and reply.status} at request {i}")
                return
            self.answered += 1
            if (reply.header("Connection") or "").lower() == "close":
                return

    def join(self):
        for t in self.threads:
            t.join(60)
        assert not any(t.is_alive() for t in self.threads)


def test_sigterm_under_load_loses_no_request(site, spec, tmp_path):
    for round_ in range(3):
        folder = tmp_path / str(round_)
        folder.mkdir()
        world = World(site, spec, folder)
        load = Load(world)
        harness.wait_for(lambda: load.answered > 200, "load")
        world.server.process.send_signal(signal.SIGTERM)
        load.join()
        world.server.process.wait(harness.WAIT)
        world.close()
        assert load.failed == []


def refused(world):
    try:
        raw.Connection(world.server.url).socket.close()
        return False
    except ConnectionRefusedError:
        return True


def test_sigterm_waits_for_a_slow_request(world):
    """A body that is still arriving when the drain begins is answered."""
    body = json.dumps({"login": "resident", "password": "wrong"}).encode()
    with raw.Connection(world.server.url) as c:
        c.send(b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
               + b"Content-Length: %d\r\n\r\n" % len(body) + body[:5])
        harness.wait_for(lambda: fresh_get(world) == 200, "the server")
        world.server.process.send_signal(signal.SIGTERM)
        harness.wait_for(lambda: refused(world), "the drain to close the door")
        c.send(body[5:])
        assert c.read().status == 401
    world.server.process.wait(harness.WAIT)


def own_keys(site, folder):
    keys = folder / "keys"
    shutil.copytree(site.keys, keys)
    for f in [keys, *keys.iterdir()]:
        f.chmod(stat.S_IMODE((site.keys / f.relative_to(keys)).stat().st_mode))
    return keys


def kids(world):
    with raw.Connection(world.server.url) as c:
        reply = c.request("GET", "/.well-known/jwks.json")
    return {k["kid"] for k in json.loads(reply.body)["keys"]}


def test_sighup_takes_a_rotated_key_into_use(site, spec, tmp_path):
    """security 17"""
    world = World(site, spec, tmp_path, keys_dir=str(own_keys(site, tmp_path)))
    old = kids(world)
    assert len(old) == 1 and samples.kid(samples.login(world)["access_token"]) in old
    harness.run_linlid(world.settings, "keys", "rotate")
    assert kids(world) == old, "nothing changes before SIGHUP"
    world.server.process.send_signal(signal.SIGHUP)
    harness.wait_for(lambda: len(world.server.lines("reloaded")) >= 2, "both workers")
    both = kids(world)
    assert len(both) == 2 and old < both
    assert serves(world), "tokens of the old key are good on"
    tokens = samples.login(world)
    assert samples.kid(tokens["access_token"]) in both - old
    new = {"Authorization": "Bearer " + tokens["access_token"]}
    assert world.client("lead").get("/v1/me", headers=new).json()["login"] == "resident"
    # a key taken away takes its tokens along, however often they were good
    (tmp_path / "keys" / f"{old.copy().pop()}.pem").unlink()
    world.server.process.send_signal(signal.SIGHUP)
    harness.wait_for(lambda: len(world.server.lines("reloaded")) >= 4, "both workers")
    assert {fresh_get(world, "/v1/me", world.site.tokens["lead"]) for _ in range(20)} == {401}
    assert world.client("lead").get("/v1/me", headers=new).status_code == 200
    world.close()


@pytest.mark.parametrize("spoil, who", [
    (lambda world, keys: (keys / "current").write_text("nonsense\n"), {"worker-0", "worker-1"}),
    (lambda world, keys: world.settings.path.write_text("nosuch = 1\n"), {"main", "job", "worker-0", "worker-1"}),
], ids=["keys", "settings"])
def test_sighup_with_a_broken_file_keeps_the_old_settings(site, spec, tmp_path, spoil, who):
    keys = own_keys(site, tmp_path)
    world = World(site, spec, tmp_path, keys_dir=str(keys))
    spoil(world, keys)
    world.server.process.send_signal(signal.SIGHUP)
    harness.wait_for(lambda: {e["process"] for e in world.server.lines("reload_failed")} == who, "the refusals")
    assert serves(world)
    assert samples.kid(samples.login(world)["access_token"]) in kids(world)
    world.close()


def test_sighup_while_a_child_starts_is_not_its_end(world):
    def died():
        return [e["message"] for e in world.server.lines("child_died")]
    for name in ("worker-0", "job") * 3:
        before, old = len(died()), world.server.pid(name)
        os.kill(old, signal.SIGKILL)
        while world.server.pid(name) in (None, old) or not serves(world, 1):
            world.server.process.send_signal(signal.SIGHUP)
        harness.wait_for(lambda: len(died()) > before, "its end told")
        assert len(died()) == before + 1, died()[before:]
    harness.wait_for(lambda: world.client().get("/readyz").status_code == 200, "ready again")


# Stopping in spite of somebody ------------------------------------------------

@contextlib.contextmanager
def held_open(site, spec, folder, **settings):
    """A daemon with a request that does not come to its end."""
    world = World(site, spec, folder, **settings)
    try:
        with raw.Connection(world.server.url) as c:
            c.send(b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                   b"Content-Length: 50\r\n\r\n{")
            assert serves(world)
            yield world
    finally:
        if world.server.process.poll() is None:
            world.server.process.kill()
            world.server.process.wait()
        site.cluster.drop(world.database)


def test_the_drain_has_an_end(site, spec, tmp_path):
    """A request that does not end is cut; a worker that does not turn, killed."""
    with held_open(site, spec, tmp_path, drain_seconds=1) as world:
        children = world.server.children()
        stuck = world.server.pid("job")
        os.kill(stuck, signal.SIGSTOP)
        world.server.process.send_signal(signal.SIGTERM)
        assert world.server.process.wait(harness.WAIT) == 0
        assert not any(alive(p) for p in children)
        cut, = world.server.lines("drain_cut")
        assert "1 connections were still open" in cut["message"]
        assert world.server.lines("child_died")[-1]["message"] == "job: signal 9"


def test_what_the_drain_cuts_is_answered(site, spec, tmp_path):
    """Requests that the database still has: nobody knows, and the worker ends well."""
    world = World(site, spec, tmp_path, workers=1, drain_seconds=1)
    with contextlib.ExitStack() as stack, raw.Connection(world.server.url) as waits:
        assert fresh_get(world, "/v1/me", site.tokens["lead"]) == 200
        for pid in world.backends():
            os.kill(pid, signal.SIGSTOP)
            stack.callback(os.kill, pid, signal.SIGCONT)
        waits.send(f"GET /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.tokens['lead']}\r\n\r\n".encode())
        assert fresh_get(world) == 200  # came behind it
        world.server.process.send_signal(signal.SIGTERM)
        assert waits.read().status == 503
        assert world.server.process.wait(harness.WAIT) == 0
        assert world.server.lines("drain_cut") and not world.server.lines("child_died")


def test_asked_twice_it_ends_at_once(site, spec, tmp_path):
    with held_open(site, spec, tmp_path, drain_seconds=600) as world:
        children = world.server.children()
        world.server.process.send_signal(signal.SIGTERM)
        harness.wait_for(lambda: world.server.lines("stopping"), "the drain")
        world.server.process.send_signal(signal.SIGTERM)
        assert world.server.process.wait(harness.WAIT) == 1
        assert not any(alive(p) for p in children)


def test_out_of_descriptors_waits_and_serves_on(site, spec, tmp_path):
    world = World(site, spec, tmp_path, workers=1)
    worker = world.server.pid("worker-0")
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(raw.Connection(world.server.url))
        assert first.request("GET", "/healthz").status == 200
        used = len(os.listdir(f"/proc/{worker}/fd"))
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 3, used + 3))
        rest = [stack.enter_context(raw.Connection(world.server.url)) for _ in range(6)]
        harness.wait_for(lambda: world.server.lines("accept_failed"), "the refusal")
        assert first.request("GET", "/v1/me", {"Authorization": "Bearer " + world.site.tokens["lead"]}).status == 200
        before = len(world.server.lines("accept_failed"))
        for c in rest[:3]:
            assert c.request("GET", "/healthz").status == 200
            c.socket.close()
        for c in rest[3:]:
            assert c.request("GET", "/healthz").status == 200, "who waited in the queue gets a turn"
        assert len(world.server.lines("accept_failed")) - before < 50, "it does not spin"
    world.close()


# Not starting ----------------------------------------------------------------

class Refused:
    """How it ended and what it said. A program that gives up frees nothing."""

    def __init__(self, settings, *args):
        done = subprocess.run([str(harness.LINLID), *(args or ("serve",))], capture_output=True, text=True,
                              timeout=20,
                              env={**os.environ, "LINLI_CONFIG": str(settings.path),
                                   "ASAN_OPTIONS": "detect_leaks=0"})
        self.code, self.text = done.returncode, done.stdout + done.stderr
        assert "Sanitizer" not in self.text and "runtime error" not in self.text, self.text
        assert self.code not in (0, None) and self.code > 0, self.text


@pytest.fixture
def idle(site, tmp_path):
    """A database and settings without a server."""
    database = site.cluster.fresh()
    keys = own_keys(site, tmp_path)
    yield harness.Settings(tmp_path, site.cluster, database, keys, keys_dir=str(keys))
    site.cluster.drop(database)


def test_start_refuses_a_key_others_can_read(idle):
    """security 17"""
    keys = pathlib.Path(idle.values["keys_dir"])
    pem = next(keys.glob("*.pem"))
    for file, mode in ((pem, 0o644), (pem, 0o640), (keys / "current", 0o664)):
        was = stat.S_IMODE(file.stat().st_mode)
        file.chmod(mode)
        if file == pem or mode & 0o022:
            assert file.name in Refused(idle).text, f"{file.name} {mode:o}"
        file.chmod(was)


def test_start_refuses_keys_of_other_kinds(idle):
    """security 17: RSA of any length, other curves, a secret for HMAC, a locked
    key; a data key that is too short or too long."""
    keys = pathlib.Path(idle.values["keys_dir"])

    def made(*args):
        return subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=60).stdout
    locked = made("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-aes256", "-pass", "pass:secret")
    for name, text in {"rsa1024.pem": made("genrsa", "1024"), "rsa2048.pem": made("genrsa", "2048"), "locked.pem": locked,
                       "p384.pem": made("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
                       "hmac.pem": os.urandom(31), "long.pem": os.urandom(64), "empty.pem": b""}.items():
        (keys / name).write_bytes(text)
        (keys / name).chmod(0o600)
        assert name in Refused(idle).text, name
        (keys / name).unlink()
    data = (keys / "data.key").read_bytes()
    for text in (data[:-1], data[:16], b"", data + data):
        (keys / "data.key").write_bytes(text)
        assert "data.key" in Refused(idle).text, len(text)


def test_start_refuses_a_folder_without_keys(idle):
    for pem in pathlib.Path(idle.values["keys_dir"]).glob("*.pem"):
        pem.unlink()
    assert "no keys" in Refused(idle).text


def test_start_refuses_an_altered_migration(idle, site):
    database = re.search(r"dbname=(\S+)", idle.values["database"]).group(1)
    site.cluster.execute(database, "update core.migration set checksum = 'x' where version = 2")
    for command in ("serve", "check", "migrate"):
        assert re.search(r"0002_\w+\.sql", Refused(idle, command).text), command


def test_start_refuses_a_database_that_lacks_a_migration(idle, site):
    database = re.search(r"dbname=(\S+)", idle.values["database"]).group(1)
    site.cluster.execute(database, "delete from core.migration where version ="
                         " (select max(version) from core.migration)")
    assert re.search(r"\d{4}_\w+\.sql: not applied", Refused(idle).text)


def test_start_refuses_a_database_of_another_shape(idle, site):
    """A query that does not prepare is named with its file."""
    database = re.search(r"dbname=(\S+)", idle.values["database"]).group(1)
    site.cluster.execute(database, "alter function identity.me() rename to them")
    refused = Refused(idle).text
    assert "sessions.sql: getMe" in refused and "migrate" in refused, refused


def test_start_refuses_a_port_in_use(idle):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        idle.values["listen"] = f"127.0.0.1:{port}"
        idle.write()
        refused = Refused(idle).text
    assert f":{port}: another program is already listening" in refused, refused


def test_start_refuses_settings_it_does_not_know(idle):
    lines = len(idle.path.read_text().splitlines())
    for bad in ("nosuch = 1", "workers = 65", "workers = many", 'log_level = "loud"'):
        idle.write()
        idle.path.write_text(idle.path.read_text() + bad + "\n")
        refused = Refused(idle).text
        assert f"{idle.path}:{lines + 1}" in refused, refused


# Clients that go away ----------------------------------------------------------

def reset(sock):
    """Closes with RST, as a phone that lost its network does."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def pieces(world):
    token = world.site.tokens["resident"].encode()
    auth = b"Authorization: Bearer " + token + b"\r\nHost: x\r\n"
    body = json.dumps(samples.TICKET).encode()
    upload, media = samples.upload_body()
    post = b"POST /v1/tickets HTTP/1.1\r\n" + auth + b"Content-Type: application/json\r\n"
    photo = b"POST /v1/photos HTTP/1.1\r\n" + auth + b"Content-Type: " + media.encode() + b"\r\n"
    yield b"GET"
    yield b"GET /v1/me HTTP/1.1\r\nAuth"
    yield b"GET /v1/me HTTP/1.1\r\n" + auth + b"\r\n"
    yield b"GET /v1/changes?wait=20 HTTP/1.1\r\n" + auth + b"\r\n"
    yield post + b"Content-Length: %d\r\n\r\n" % len(body) + body[:9]
    yield post + b"Content-Length: %d\r\n\r\n" % len(body) + body
    yield post + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"tit"
    yield photo + b"Content-Length: %d\r\n\r\n" % len(upload) + upload[:len(upload) // 2]
    yield photo + b"Content-Length: %d\r\n\r\n" % len(upload) + upload


def test_clients_that_hang_up_anywhere(world):
    pids = sorted(world.server.children())
    for _ in range(10):
        for data in pieces(world):
            for end in (reset, socket.socket.close):
                c = raw.Connection(world.server.url)
                c.send(data)
                end(c.socket)
    assert serves(world)
    assert sorted(world.server.children()) == pids, world.server.tail()
    harness.wait_for(lambda: world.sql(
        "select count(*) from pg_stat_activity where datname = %s and usename = 'linli_app'"
        " and state <> 'idle'", world.database) == [(0,)], "no transaction left open")
    left = [p for p in pathlib.Path(world.settings.values["data_dir"]).rglob("*")
            if p.is_file() and ("tmp" in p.name or ".new" in p.name)]
    assert left == []


def polls_answered(world):
    return sum(e["op"] == "listChanges" for e in world.server.lines("request"))


@pytest.mark.parametrize("end", [reset, socket.socket.close], ids=["reset", "close"])
def test_a_parked_poll_ends_with_its_client(world, end):
    """Long before its wait is over; and the worker does not spin on it."""
    head = world.lead.get("/v1/changes/head").json()["next"]
    open_ = []
    for _ in range(4):
        c = raw.Connection(world.server.url)
        c.send(f"GET /v1/changes?wait=60&after={head} HTTP/1.1\r\nHost: x\r\n"
               f"Authorization: Bearer {world.site.tokens['lead']}\r\n\r\n".encode())
        open_.append(c.socket)
    assert serves(world) and polls_answered(world) == 0
    for s in open_:
        end(s)
    harness.wait_for(lambda: polls_answered(world) == 4, "the end of the polls", 10)


# The database goes away ---------------------------------------------------------

@pytest.fixture
def apart(spec, tmp_path):
    """A world with a PostgreSQL of its own, to be stopped at will."""
    folder = harness.temporary_folder()
    site = harness.make_site(folder)
    try:
        world = World(site, spec, tmp_path)
        yield world
        world.server.stop()
    finally:
        site.cluster.stop()
        shutil.rmtree(folder)


def test_database_away_is_503_and_back_by_itself(apart):
    assert serves(apart)
    apart.site.cluster.halt()
    for method, path, body in (("GET", "/v1/me", None), ("POST", "/v1/tickets", samples.TICKET),
                               ("POST", "/v1/sessions", {"login": "lead", "password": "linli-demo"})):
        person = "resident" if path == "/v1/tickets" else "lead"
        reply = apart.client(person)(method, path, json=body)
        assert reply.status_code == 503, reply.text
        assert reply.json()["code"] in ("database_unavailable", "outcome_unknown")
        assert 1 <= int(reply.headers["Retry-After"]) <= 60
    assert apart.client().get("/healthz").status_code == 200
    ready = apart.client().get("/readyz")
    assert ready.status_code == 503 and not ready.json()["database"]
    apart.site.cluster.start()
    harness.wait_for(lambda: apart.client("lead").get("/v1/me").status_code == 200, "the return")
    harness.wait_for(lambda: serves(apart), "every worker's return")
    harness.wait_for(lambda: apart.client().get("/readyz").status_code == 200, "ready")


def asked_twice(world):
    """With one key: one ticket, one reply, whichever worker it is."""
    for _ in range(8):
        key = {"Idempotency-Key": str(uuid.uuid4())}
        replies = [world.client("resident").post("/v1/tickets", json=samples.TICKET, headers=key) for _ in range(2)]
        assert [r.status_code for r in replies] == [201, 201] and replies[0].json() == replies[1].json()


def starts_without_database(world):
    world.server.stop()
    world.site.cluster.halt()
    world.server = harness.Server(world.settings, world.folder / "log2")
    assert world.client().get("/healthz").status_code == 200
    assert world.client("lead").get("/v1/me").status_code == 503
    world.site.cluster.start()


def both_have_checked(world):
    harness.wait_for(lambda: {world.server.pid(name) for name in ("worker-0", "worker-1")}
                     <= {line["pid"] for line in world.server.lines("verified")}, "both workers")


def test_start_without_database_waits_for_it(apart):
    starts_without_database(apart)
    both_have_checked(apart)
    asked_twice(apart)
    for name in ("worker-0", "worker-1"):
        kill_and_wait(apart, name)
    both_have_checked(apart)
    asked_twice(apart)


def test_what_the_start_could_not_check_is_checked_until_it_is(apart):
    """The database is back, and has no connection left for that: no request
    is taken up before, whose reply could not be repeated."""
    apart.sql("alter role linli_app connection limit 1")
    try:
        starts_without_database(apart)
        harness.wait_for(lambda: apart.server.lines("database_ready"), "a connection")
        assert fresh_get(apart, "/readyz") == 503
        assert fresh_get(apart, "/v1/me", apart.site.tokens["lead"]) == 503
    finally:
        apart.sql("alter role linli_app connection limit -1")
    both_have_checked(apart)
    asked_twice(apart)


def test_a_database_that_comes_late_and_does_not_fit_ends_the_program(site, tmp_path):
    """What the start refuses is refused later too, before the first request."""
    late = f"late{os.getpid()}"
    server = harness.Server(harness.Settings(tmp_path, site.cluster, late, site.keys), tmp_path / "log")
    assert raw.exchange(server.url, "GET", "/readyz").status == 503
    odd = site.cluster.fresh()
    site.cluster.execute(odd, "update core.migration set checksum = 'x' where version = 2")
    site.cluster.execute("postgres", f'alter database "{odd}" rename to "{late}"')
    try:
        assert server.process.wait(harness.WAIT) == 1
        assert "0002" in server.tail() and server.lines("mismatch")
        assert not server.lines("database_ready")
    finally:
        server.stop()
        site.cluster.drop(late)


@contextlib.contextmanager
def by_tcp(socket_path):
    """A port that leads to PostgreSQL's socket file."""
    def pump(a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                near, _ = door.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(socket_path)
                ends.extend((near, far))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    ends = []
    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield door.getsockname()[1]
        door.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    for end in ends:
        end.close()


def test_a_database_on_another_machine(site, spec, tmp_path):
    """Reached by TCP, whose connecting takes more turns than a socket file's."""
    with by_tcp(f"{site.cluster.socket}/.s.PGSQL.5432") as port:
        database = site.cluster.fresh()
        settings = harness.Settings(tmp_path, site.cluster, database, site.keys)
        for name in ("database", "database_jobs", "database_owner"):
            settings.values[name] = settings.values[name].replace(
                f"host={site.cluster.socket}", f"host=127.0.0.1 port={port}")
        settings.write()
        assert "agree" in harness.run_linlid(settings, "check")
        server = harness.Server(settings, tmp_path / "log")
        bearer = {"Authorization": "Bearer " + site.tokens["lead"]}
        harness.wait_for(lambda: raw.exchange(server.url, "GET", "/readyz").status == 200, "ready")
        assert {raw.exchange(server.url, "GET", "/v1/me", bearer).status for _ in range(20)} == {200}
        assert server.stop() == 0
    site.cluster.drop(database)


def test_terminated_connections_are_replaced(world):
    """Every backend of the daemon is cut under load: no 5xx but 503, no reply
    twice, and all well after."""
    statuses = []

    def client():
        c = world.client("lead")
        while not done.is_set():
            statuses.append(c.get("/v1/me").status_code)

    done = threading.Event()
    threads = [threading.Thread(target=client) for _ in range(4)]
    for t in threads:
        t.start()
    for n in range(5):
        harness.wait_for(lambda: statuses[n * 40:].count(200) > 40, "good replies")
        world.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"
                  " and usename = 'linli_app'", world.database)
    done.set()
    for t in threads:
        t.join(20)
    assert set(statuses) <= {200, 503}
    harness.wait_for(lambda: serves(world), "all well")


# What the log holds ---------------------------------------------------------------

HOSTILE = ("\r\n{\"event\":\"forged\"}", "\x1b[31mred\x1b[0m", "\u2028\u2029", "\"}\n", "%n%s%x", "\udcff", "\0")


def test_log_lines_are_json_whatever_comes(world):
    """security 25"""
    world.client().get("/healthz")
    for bad in HOSTILE:
        text = bad.encode("utf-8", "surrogateescape")
        quoted = b"".join(b"%%%02X" % c for c in text)
        for target in (b"/v1/" + quoted, b"/v1/me?" + quoted + b"=1", b"/v1/tickets?q=" + quoted, b"/" + text):
            with raw.Connection(world.server.url) as c:
                c.request("GET", target, {"Authorization": "Bearer " + world.site.tokens["lead"]})
        for field in ("login", "password"):
            body = {"login": "a", "password": "b", field: bad.replace("\udcff", "\ufffd")}
            world.client().post("/v1/sessions", body)
        with raw.Connection(world.server.url) as c:
            c.send(b"GET /v1/me HTTP/1.1\r\nHost: x\r\nUser-Agent: " + text + b"\r\nX-Request-Id: "
                   + text + b"\r\nAuthorization: Bearer " + text + b"\r\n\r\n")
            c.read()
    serves(world)
    lines = world.server.log.read_bytes().split(b"\n")
    assert lines.pop() == b""
    for line in lines:
        entry = json.loads(line)
        assert {"time", "level", "process", "pid", "event"} <= set(entry) and entry["event"] != "forged"
        assert not re.search(rb"[\x00-\x1f\x7f]|\xe2\x80[\xa8\xa9]", line), line
    assert len(lines) > 50


def test_times_are_of_the_moment(world):
    """The Date of a reply and the time of a log line, also when the second changes."""
    seen = {}
    def both():
        begin = time.time()
        reply = raw.exchange(world.server.url, "GET", "/healthz")
        date = email.utils.parsedate_to_datetime(reply.header("Date")).timestamp()
        assert int(begin - 0.1) <= date <= time.time(), "the kernel's second changes a tick late"
        seen[reply.header("X-Request-Id")] = begin, time.time(), date
        return len({date for _, _, date in seen.values()}) == 3
    harness.wait_for(both, "two changes of the second")
    harness.wait_for(lambda: seen.keys() <= {e["req"] for e in world.server.lines("request")}, "the lines")
    for line in world.server.lines("request"):
        if line["req"] in seen:
            begin, end, _ = seen[line["req"]]
            logged = datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp()
            assert begin - 0.001 <= logged <= end


def test_requests_are_not_logged_below_their_level(world):
    """A worker's lines come in their order, the last ones a moment after the
    answer; so of twenty requests a worker tells most, or none."""
    def ask():
        return {raw.exchange(world.server.url, "GET", "/healthz").header("X-Request-Id") for _ in range(20)}

    def told(asked):
        return len(asked & {e["req"] for e in world.server.lines("request")})

    def set_level(level):
        world.settings.values["log_level"] = level
        world.settings.write()
        world.server.process.send_signal(signal.SIGHUP)
    first = ask()
    harness.wait_for(lambda: told(first) == 20, "all of them")
    set_level("warn")
    # one worker may get none of twenty, and have its signal still before it
    harness.wait_for(lambda: all(told(ask()) == 0 for _ in range(4)), "silence")
    quiet = ask()
    set_level("info")
    harness.wait_for(lambda: told(ask()) >= 18, "both workers")
    assert told(quiet) == 0


def test_no_secret_in_the_log(site, spec, tmp_path):
    """security 47"""
    world = World(site, spec, tmp_path, log_level="debug")
    tokens = samples.login(world)
    samples.login(world, password="canary-password-4711", status=401)
    world.client().post("/v1/sessions/refresh", {"refresh_token": tokens["refresh_token"]})
    world.client().post("/v1/sessions/refresh", {"refresh_token": "canary-refresh-4711"})
    world.client().get("/v1/me", headers={"Authorization": "Bearer canary.token.4711"})
    world.resident.post("/v1/tickets", {**samples.TICKET, "contact_phone": "13812344711"})
    world.resident.post("/v1/tickets", {**samples.TICKET, "contact_phone": "13812344711x"})
    world.lead.get("/v1/tickets?q=13812344711")
    serves(world)
    world.close()
    text = world.server.log.read_text()
    for secret in ("canary", "13812344711", "linli-demo", "argon2id", "BEGIN", tokens["refresh_token"],
                   tokens["access_token"], tokens["access_token"].split(".")[2], site.tokens["lead"]):
        assert secret not in text, secret


def test_a_burst_of_connections_is_shared(world):
    """Whoever wakes first must not keep all of them for as long as they live."""
    for child in world.server.children():
        os.kill(child, signal.SIGSTOP)
    links = [raw.Connection(world.server.url) for _ in range(40)]
    for child in world.server.children():
        os.kill(child, signal.SIGCONT)
    try:
        for link in links:
            link.send(b"GET /v1/grids?limit=1 HTTP/1.1\r\nHost: linli\r\n\r\n")
        def served():
            lines = [e["process"] for e in world.server.lines("request") if e["op"] == "listGrids"]
            return lines if len(lines) == 40 else None
        lines = harness.wait_for(served, "40 answers")
        counts = {name: lines.count(name) for name in lines}
        assert len(counts) == 2 and min(counts.values()) >= 10, counts
    finally:
        for link in links:
            link.__exit__()
