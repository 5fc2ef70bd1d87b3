"""The sample configurations of the proxies in front, run as they are but for
ports, paths and users."""

import contextlib
import io
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import PIL.Image
import pytest
import yaml

import harness
import raw
import samples
from conftest import World
from test_tls import certify


def put(text, pairs):
    """Each old text is there and becomes the new one."""
    for old, new in pairs:
        assert old in text, f"the sample has no {old!r}"
        text = text.replace(old, new)
    return text


class Front:
    """A proxy made from its sample, before a daemon."""

    def __init__(self, kind, folder, world):
        self.kind, self.folder, self.world = kind, folder, world
        self.port, self.plain = harness.free_port(), harness.free_port()
        tls = certify(folder / "tls")
        self.ca = tls["tls_certificate"]
        upstream = world.server.url[len("http://"):]
        sample = (harness.TOP / "systemd" / {"haproxy": "haproxy.cfg", "nginx": "nginx.conf"}[kind]).read_text()
        self.file = folder / "proxy.conf"
        self.file.write_text(getattr(self, kind)(sample, upstream, tls))
        with open(folder / "proxy.log", "ab") as log:
            self.process = subprocess.Popen([*harness.TIED, *self.command()], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            harness.wait_for(self.answers, f"{kind} to answer")
        except BaseException:
            self.stop()
            raise

    def haproxy(self, sample, upstream, tls):
        both = self.folder / "site.pem"
        both.write_text(pathlib.Path(tls["tls_certificate"]).read_text() + pathlib.Path(tls["tls_key"]).read_text())
        return put(sample, [("\tuser haproxy\n\tgroup haproxy\n", ""), ("bind :443", f"bind 127.0.0.1:{self.port}"),
                            ("/etc/linli/site.pem", str(both)), ("bind :80", f"bind 127.0.0.1:{self.plain}"),
                            ("127.0.0.1:8080", upstream), ("maxconn 20000", "maxconn 1000")])

    def nginx(self, sample, upstream, tls):
        temporary = "".join(f"{n}_temp_path {self.folder}/{n};\n"
                            for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;\n" if os.getuid() == 0 else ""
        return put(sample, [("user www-data;\n", user), ("/run/nginx.pid", f"{self.folder}/nginx.pid"),
                            ("worker_processes auto", "worker_processes 1"),
                            ("listen 443", f"listen 127.0.0.1:{self.port}"), ("listen 80", f"listen 127.0.0.1:{self.plain}"),
                            ("/etc/linli/site.pem", tls["tls_certificate"]), ("/etc/linli/site.key", tls["tls_key"]),
                            ("127.0.0.1:8080", upstream), ("http {\n", "http {\n" + temporary)])

    def command(self):
        found = shutil.which(self.kind, path=os.environ["PATH"] + ":/usr/sbin")
        assert found, f"{self.kind} is not installed (sh .ci/deps check)"
        if self.kind == "haproxy":
            return [found, "-db", "-f", str(self.file)]
        return [found, "-c", str(self.file), "-p", str(self.folder), "-e", "stderr", "-g", "daemon off;"]

    def answers(self):
        assert self.process.poll() is None, (self.folder / "proxy.log").read_text()
        with contextlib.suppress(OSError, AssertionError):
            with self.connect() as c:
                return c.request("GET", "/readyz").status == 200

    def connect(self, source="127.0.0.2"):
        return Client(self, source)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Client(raw.Connection):
    """A client elsewhere: all of 127.0.0.0/8 is here."""

    def __init__(self, front, source):
        self.host, self.data = f"127.0.0.1:{front.port}", b""
        plain = socket.create_connection(("127.0.0.1", front.port), 20, (source, 0))
        tls = ssl.create_default_context(cafile=front.ca)
        tls.set_alpn_protocols(["http/1.1"])
        self.socket = tls.wrap_socket(plain, server_hostname="127.0.0.1")


def token(front, who="lead"):
    return {"Authorization": "Bearer " + front.world.site.tokens[who]}


@pytest.fixture(scope="module", params=["haproxy", "nginx"])
def front(request, site, spec, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    world = World(site, spec, folder, trusted_proxies="127.0.0.1", address_per_minute=6, address_burst=4)
    with contextlib.closing(world):
        made = Front(request.param, folder, world)
        yield made
        made.stop()


def problem(reply, status, code):
    assert reply.status == status and reply.header("Content-Type") == "application/problem+json"
    said = json.loads(reply.body)
    catalogue = yaml.safe_load((harness.TOP / "openapi/problems.yaml").read_text())["x-problems"]
    assert said["code"] == code and said["status"] == status
    assert said["title"] in (catalogue[code]["zh"], catalogue[code]["en"])


def test_requests_pass(front):
    with front.connect() as c:
        for _ in range(3):
            assert c.request("GET", "/v1/me", token(front)).status == 200
        made = c.request("POST", "/v1/tickets", {**token(front, "resident"), "Content-Type": "application/json",
                                                 "Idempotency-Key": "front-1"}, json.dumps(samples.TICKET).encode())
        assert made.status == 201 and made.header("Location")
        assert made.header("Strict-Transport-Security")
        path = made.header("Location")
        tag = c.request("GET", path, token(front, "resident")).header("ETag")
        packed = c.request("GET", path, {**token(front, "resident"), "Accept-Encoding": "gzip"})
        if packed.header("Content-Encoding"):
            assert packed.header("ETag") == tag[:-1] + '-gzip"', "the proxy leaves it alone"
        assert c.request("GET", path, {**token(front, "resident"), "If-None-Match": tag}).status == 304
        # Chinese and odd paths arrive byte for byte
        assert c.request("GET", "/v1/tickets?q=%E6%B2%B9%E7%83%9F", token(front)).status == 200
        assert json.loads(c.request("GET", "/v1//tickets", token(front)).body)["code"] in ("not_found", "bad_uri")
        big = c.request("GET", "/openapi.json", {"Accept-Encoding": "gzip", **token(front)})
        assert big.status == 200 and big.header("Content-Encoding") == "gzip"


def test_plain_http_is_sent_to_tls(front):
    with contextlib.closing(socket.create_connection(("127.0.0.1", front.plain), 20)) as s:
        s.sendall(b"GET /v1/me HTTP/1.1\r\nHost: linli.test\r\nConnection: close\r\n\r\n")
        answer = b""
        while data := s.recv(65536):
            answer += data
    assert b" 308 " in answer.splitlines()[0] and b"https://linli.test/v1/me" in answer


def test_the_daemon_sees_the_client_not_the_proxy(front):
    """security 26: whatever the client writes into X-Forwarded-For."""
    seen = []
    for source, forged in (("127.0.0.2", None), ("127.0.0.3", "198.51.100.9"),
                           ("127.0.0.4", "198.51.100.9, 127.0.0.1")):
        with front.connect(source) as c:
            headers = {"X-Forwarded-For": forged} if forged else {}
            request = c.request("GET", "/healthz", headers).header("X-Request-Id")
        line = harness.wait_for(lambda: [e for e in front.world.server.lines("request") if e["req"] == request], "it")
        seen.append(line[0]["from"])
    assert seen == ["127.0.0.2", "127.0.0.3", "127.0.0.4"]


def test_each_client_has_its_own_allowance(front):
    def statuses(source):
        with front.connect(source) as c:
            return [c.request("GET", "/v1/me", {"X-Forwarded-For": f"192.0.2.{i}"}).status for i in range(6)]

    assert statuses("127.0.0.10") == [401] * 4 + [429] * 2
    assert statuses("127.0.0.11") == [401] * 4 + [429] * 2


def upstream_connections(front):
    """Connections to the daemon, those just closed included."""
    port = int(front.world.server.url.rsplit(":", 1)[1])
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(1 for r in rows if port in (int(end.split(":")[1], 16) for end in r[1:3]))


def test_connections_to_the_daemon_are_kept(front):
    before = upstream_connections(front)
    with front.connect() as c:
        for _ in range(60):
            assert c.request("GET", "/v1/me", token(front)).status == 200
    assert upstream_connections(front) - before < 30


def test_photos_pass_and_more_does_not(front):
    noise = io.BytesIO()
    PIL.Image.frombytes("RGB", (1200, 1200), os.urandom(1200 * 1200 * 3)).save(noise, "PNG")
    body, kind = samples.upload_body(noise.getvalue())
    assert len(body) > 4 << 20
    with front.connect() as c:
        done = c.request("POST", "/v1/photos", {**token(front), "Content-Type": kind}, body)
        assert done.status == 201, done.body
    with front.connect() as c:
        c.send(b"POST /v1/photos HTTP/1.1\r\nHost: x\r\nAuthorization: "
               + token(front)["Authorization"].encode() + b"\r\nContent-Type: image/png\r\n"
               + b"Content-Length: %d\r\n\r\n" % (20 << 20) + b"x" * 1000)
        problem(c.read(), 413, "body_too_large")


def test_a_long_poll_passes(front):
    with front.connect() as c:
        head = json.loads(c.request("GET", "/v1/changes/head", token(front)).body)["next"]
        result = []

        def wait():
            result.append(c.request("GET", f"/v1/changes?after={head}&wait=20", token(front)))

        thread = threading.Thread(target=wait)
        thread.start()
        front.world.resident.post("/v1/tickets", samples.TICKET)
        thread.join(20)
        assert result and result[0].status == 200 and json.loads(result[0].body)["items"]


def test_timeouts_outlast_the_longest_poll(front, spec):
    """Read from the samples: seconds are not waited for."""
    longest = max(p["schema"]["maximum"] for p in spec.by_id["listChanges"].params if p["name"] == "wait")
    text = front.file.read_text()
    found = re.findall(r"(?:timeout server|proxy_read_timeout) (\d+)s", text)
    assert found and all(int(f) > longest + 5 for f in found)
    idle = int(harness.run_linlid(front.world.settings, "serve", "--settings").split("idle_timeout_s = ")[1].split()[0])
    kept = re.findall(r"(?:pool-purge-delay|upstream linlid.*?keepalive_timeout) (\d+)s", text, re.S)
    assert kept and all(int(k) < idle for k in kept)


def test_nginx_lets_the_largest_body_pass(spec):
    text = (harness.TOP / "systemd/nginx.conf").read_text()
    usual = int(re.search(r"client_max_body_size (\d+)m;", text)[1]) << 20
    own = {path: int(m) << 20 for path, m in re.findall(r"location = (\S+) \{\s+client_max_body_size (\d+)m;", text)}
    assert own
    for op in spec.operations:
        assert op.op.get("x-max-body", 0) <= own.get(op.template, usual), op.id


def get(front, path="/v1/me"):
    with front.connect() as c:
        return c.request("GET", path, token(front))


def test_a_daemon_that_is_away_is_a_problem_in_our_shape(site, spec, front, tmp_path):
    world = World(site, spec, tmp_path)
    made = Front(front.kind, tmp_path, world)
    try:
        assert get(made).status == 200
        assert world.server.stop() == 0
        away = get(made)
        assert away.header("Retry-After") and away.status == 503
        problem(away, 503, json.loads(away.body)["code"])
        world.settings.values["listen"] = world.server.url[len("http://"):]
        world.settings.write()
        world.server = harness.Server(world.settings, tmp_path / "log2")
        harness.wait_for(lambda: get(made).status == 200, "it to be found again")
    finally:
        made.stop()
        world.close()


def test_a_daemon_that_is_not_ready_gets_no_requests(site, spec, tmp_path):
    """HAProxy asks /readyz; nginx cannot."""
    world = World(site, spec, tmp_path)
    made = Front("haproxy", tmp_path, world)
    cluster, name = site.cluster, world.database
    try:
        assert get(made, "/openapi.json").status == 200
        cluster.execute("postgres", f'alter database "{name}" with allow_connections false')
        cluster.execute("postgres", "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", name)
        harness.wait_for(lambda: get(made, "/openapi.json").status == 503, "the server to be taken out")
        problem(get(made, "/openapi.json"), 503, "database_unavailable")
        cluster.execute("postgres", f'alter database "{name}" with allow_connections true')
        harness.wait_for(lambda: get(made, "/openapi.json").status == 200, "its return")
    finally:
        cluster.execute("postgres", f'alter database "{name}" with allow_connections true')
        made.stop()
        world.close()
