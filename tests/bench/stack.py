"""What is measured: a durable cluster, its databases, linlid and the peers."""

import http.client
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))

import harness  # noqa: E402

PEERS = pathlib.Path(__file__).resolve().parent / "peers"
PROCESSES = len(os.sched_getaffinity(0))

# A small server's settings; whatever is not here is PostgreSQL's default, so
# that a commit is on disk before it is answered.
POSTGRESQL = """
shared_buffers = 256MB
effective_cache_size = 2GB
work_mem = 8MB
maintenance_work_mem = 512MB
max_wal_size = 4GB
checkpoint_timeout = 15min
random_page_cost = 1.1
max_connections = 200
"""


class Cluster(harness.Cluster):
    """Unlike the tests' one it keeps what it promised."""

    def start(self):
        self.sh("start")
        conf = self.folder / "data/postgresql.conf"
        if "shared_buffers = 256MB" not in conf.read_text():
            with open(conf, "a") as out:
                out.write(POSTGRESQL)
            self.sh("stop")
            self.sh("start")

    def pid(self):
        return int((self.folder / "data/postmaster.pid").read_text().split("\n")[0])

    def psql(self, database, *args):
        subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1",
                        "-d", self.superuser(database), *args],
                       check=True, stdout=subprocess.DEVNULL)

    def make(self, database):
        """A database of its own beside the cluster's first."""
        self.execute("postgres", f"create database {database} template template0 owner linli_owner")
        self.psql(database, "-f", str(TOP / "sql/setup.sql"))


def settings(folder, cluster, database, keys):
    """The daemon as it is installed, but for how much one address may ask:
    the limits count all the same."""
    folder.mkdir(exist_ok=True)
    return harness.Settings(
        folder, cluster, database, keys, workers=PROCESSES, job_interval_ms=1000,
        actor_per_minute=60000000, actor_burst=100000, address_per_minute=60000000,
        address_burst=100000, max_connections=20000, max_connections_per_address=0,
        idle_timeout_s=600)


def ask(port, target, token=None):
    """Status and body of one GET; status 0 when nobody is there yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", target, headers={
            "Authorization": "Bearer " + token} if token else {})
        reply = connection.getresponse()
        return reply.status, reply.read()
    except OSError:
        return 0, b""
    finally:
        connection.close()


class Linlid(harness.Server):
    def __init__(self, conf, log):
        super().__init__(conf, log)
        self.port = int(self.url.rsplit(":", 1)[1])
        self.root = self.process.pid

    def workers(self):
        return [self.pid(f"worker-{i}") for i in range(PROCESSES)]


class Peer:
    """Somebody else's server, started until it answers at all."""

    def __init__(self, command, port, log):
        self.port = port
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env={**os.environ, "TZ": "UTC", "NODE_ENV": "production"})
        self.root = self.process.pid

        def answers():
            if self.process.poll() is not None:
                raise RuntimeError(f"{command[0]} ended: " + pathlib.Path(log).read_text()[-2000:])
            return ask(port, "/v1/tickets")[0]
        harness.wait_for(answers, f"{command[0]} to answer")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def public_key(keys, folder):
    """The verifying half of the daemon's signing key, as peers are given it."""
    kid = (keys / "current").read_text().strip()
    pem = folder / "public.pem"
    subprocess.run(["openssl", "pkey", "-in", str(keys / f"{kid}.pem"), "-pubout",
                    "-out", str(pem)], check=True)
    return pem


def build_evhttp(folder):
    binary = folder / "evhttp"
    subprocess.run(["gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-o", str(binary),
                    str(PEERS / "evhttp.c"), "-levent"], check=True)
    return binary


def build_go(folder):
    binary = folder / "go-peer"
    subprocess.run(["go", "build", "-o", str(binary), str(PEERS / "main.go")], check=True,
                   env={**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode",
                        "GOCACHE": str(folder / "go-cache"), "GOFLAGS": ""})
    return binary


def build_node(folder):
    """Needs node 20 and npm (Debian 12 has node 18), and their registry."""
    for name in ("node", "npm"):
        if not shutil.which(name):
            raise RuntimeError(f"{name} is not installed")
    for name in ("package.json", "server.js"):
        shutil.copy(PEERS / name, folder)
    done = subprocess.run(["npm", "install", "--omit=dev", "--no-audit", "--no-fund",
                           "--cache", str(folder / "npm-cache")],
                          cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError("npm install: " + done.stderr[-300:])
    return folder / "server.js"


def start_peers(folder, cluster, database, keys, sql, schemas):
    """Name → running peer; name → reason for those that could not be had."""
    port, running, missing = harness.free_port(), {}, {}
    running["evhttp"] = Peer([str(build_evhttp(folder)), str(port), str(PROCESSES)],
                             port, folder / "evhttp.log")
    pem = public_key(keys, folder)
    options = "-c plan_cache_mode=force_generic_plan"  # as linlid's connections
    common = {"public_key": str(pem), "sql": sql, "schemas": schemas, "processes": PROCESSES}
    more = {"go": {"dsn": cluster.conninfo(database, "linli_app")
                   + f" pool_max_conns=10 options='{options}'"},
            "fastify": {"pool": {"host": cluster.socket, "database": database,
                                 "user": "linli_app", "options": options}}}
    for name, build, run in (("go", build_go, []), ("fastify", build_node, ["node"])):
        home = folder / name
        home.mkdir()
        port = harness.free_port()
        conf = home / "settings.json"
        conf.write_text(json.dumps({**common, **more[name], "port": port}))
        try:
            running[name] = Peer([*run, str(build(home)), str(conf)], port, home / "log")
        except (RuntimeError, OSError, subprocess.SubprocessError) as reason:
            missing[name] = str(reason)
    return running, missing


def seconds(fn, *args):
    begin = time.monotonic()
    fn(*args)
    return time.monotonic() - begin
