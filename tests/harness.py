"""Real parts for tests: a private PostgreSQL cluster, databases copied from a
template, a linlid of one's own. Everything started is stopped by its own id."""

import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import types

import psycopg2
import requests

TOP = pathlib.Path(__file__).resolve().parent.parent
BUILD = TOP / os.environ.get("LINLI_BUILD", "build/san")
LINLID = BUILD / "linlid"
# `make valgrind`: in front of what is to run under memcheck, which then says
# nothing, or "==pid== …" on standard error.
MEMCHECK = os.environ.get("LINLI_MEMCHECK", "").split()
# In front of what is to end with the thread that starts it, however that ends.
TIED = ["setpriv", "--pdeathsig", "TERM", "--"]
WAIT = 300 if MEMCHECK else 30  # seconds; the most a test waits for a condition


def wait_for(condition, what, seconds=WAIT):
    """Polls until condition() is true; its value is returned."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s for {what}")


def memchecked(text):
    """What memcheck said in it, in any process; "" for nothing."""
    return "".join(re.findall(r"^==\d+==.*\n", text, re.M))


class Cluster:
    """One PostgreSQL for the whole run, in a folder of its own."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.count = 0
        if not self.running():
            self.start()
            self.socket = self.find_socket()

    def find_socket(self):
        return re.search(r"host=(\S+)", self.sh("conninfo")).group(1)

    def running(self):
        if not self.folder.exists():
            return False
        self.socket = self.find_socket()
        try:
            return self.execute("postgres", "select true") == [(True,)]
        except psycopg2.OperationalError:
            return False

    def start(self):
        self.sh("start", "--fast")

    def halt(self):
        """Stops it, keeps the data."""
        self.sh("stop")

    def sh(self, *args):
        done = subprocess.run(
            ["sh", str(TOP / "sql/cluster.sh"), args[0], str(self.folder), *args[1:]],
            capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise RuntimeError(f"cluster.sh {args}: {done.stdout}{done.stderr}")
        return done.stdout

    def conninfo(self, database, user):
        return f"host={self.socket} dbname={database} user={user}"

    def superuser(self, database):
        return self.conninfo(database, "postgres")

    def connect(self, database, user="postgres"):
        connection = psycopg2.connect(self.conninfo(database, user))
        connection.autocommit = True
        return connection

    def execute(self, database, sql, *args):
        # closing(): psycopg2's own `with c` opens a transaction and leaves c open.
        with contextlib.closing(self.connect(database)) as c, c.cursor() as cur:
            cur.execute(sql, args or None)
            return cur.fetchall() if cur.description else None

    def create(self, name, template="linli_template"):
        self.execute("postgres", f'create database "{name}" template "{template}" owner linli_owner')
        self.execute("postgres", f'revoke all on database "{name}" from public;'
                     f'grant connect on database "{name}" to linli_app, linli_job;'
                     f'grant connect, create on database "{name}" to linli_owner')

    def drop(self, name):
        self.execute("postgres", f'drop database if exists "{name}" with (force)')

    def fresh(self):
        self.count += 1
        name = f"t{os.getpid()}_{self.count}"
        self.create(name)
        return name

    def stop(self):
        self.halt()
        shutil.rmtree(self.folder, ignore_errors=True)


class Settings:
    """The config file of one daemon."""

    def __init__(self, folder, cluster, database, keys, **more):
        data = folder / "data"
        data.mkdir(exist_ok=True)
        self.path = folder / "linlid.conf"
        self.values = {
            "listen": "127.0.0.1:0", "workers": 2, "keys_dir": str(keys),
            "data_dir": str(data), "log_level": "info", "job_interval_ms": 200,
            "sms_url": f"file:{folder}/sms", "sms_per_hour": 0, "issuer_private": 1,
            "actor_per_minute": 0, "address_per_minute": 0, "login_per_minute": 0,
            "database": cluster.conninfo(database, "linli_app"),
            "database_owner": cluster.conninfo(database, "linli_owner"),
            "database_jobs": cluster.conninfo(database, "linli_job"), **more}
        self.write()

    def write(self):
        self.path.write_text("".join(
            f"{k} = {json.dumps(v) if isinstance(v, str) else v}\n"
            for k, v in self.values.items()))


def run_linlid(settings, *args, stdin=None):
    """A subcommand; its standard output."""
    done = subprocess.run([str(LINLID), *args], input=stdin, text=True,
                          capture_output=True, timeout=60,
                          env={**os.environ, "LINLI_CONFIG": str(settings.path)})
    if done.returncode:
        raise RuntimeError(f"linlid {args}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Server:
    """A running linlid: supervisor, workers, job process."""

    started = []

    def __init__(self, settings, log, env=None):
        self.settings = settings
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(
                [*TIED, *MEMCHECK, str(LINLID), "serve"], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
                env={**os.environ, "LINLI_CONFIG": str(settings.path), **(env or {})})
        self.url = self.wait_ready()

    def lines(self, event=None):
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if event is None or entry.get("event") == event:
                found.append(entry)
        return found

    def wait_ready(self):
        self.started.append(self)

        def ready():
            if self.process.poll() is not None:
                raise AssertionError("linlid ended: " + self.log.read_text(errors="replace")[-4000:])
            for entry in self.lines("ready"):
                found = re.search(r"https?://\S+:\d+|unix:\S+", entry.get("message", ""))
                if found:
                    return found.group(0)
            return None
        return wait_for(ready, "linlid to be ready")

    def pid(self, name):
        """The living process called worker-0, job …; None when there is none."""
        living = set(self.children())
        found = [e["pid"] for e in self.lines() if e.get("process") == name and e.get("pid") in living]
        return found[-1] if found else None

    def children(self):
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return [int(p) for p in pathlib.Path(path).read_text().split()]

    def stop(self):
        """SIGTERM; what the sanitizers found, and how it ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(WAIT)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError("linlid did not end after SIGTERM:\n" + self.tail())
        text = self.log.read_text(errors="replace")
        assert "Sanitizer" not in text and "runtime error:" not in text, self.tail()
        assert not memchecked(text), memchecked(text)[:6000]
        return self.process.returncode

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def tail(self):
        return self.log.read_text(errors="replace")[-6000:]


class Client:
    """HTTP as one person: token and base URL filled in. Answers are checked
    against the contract wherever they come from (see conftest)."""

    def __init__(self, url, token=None, check=None):
        self.url, self.token, self.check = url, token, check
        self.session = requests.Session()
        self.session.trust_env = False  # nobody's proxy, and no look for one

    def __call__(self, method, path, json=None, headers=None, **kw):
        merged = {"Accept-Language": "en", **(headers or {})}
        if self.token and "Authorization" not in merged:
            merged["Authorization"] = "Bearer " + self.token
        reply = self.session.request(method, self.url + path, json=json, headers=merged,
                                     timeout=40, **kw)
        reply.encoding = "utf-8"  # instead of a guess, which takes longer than the request
        if self.check:
            self.check(method, path, reply)
        return reply

    def get(self, path, **kw):
        return self("GET", path, **kw)

    def post(self, path, json=None, **kw):
        return self("POST", path, json=json, **kw)

    def put(self, path, json=None, **kw):
        return self("PUT", path, json=json, **kw)

    def delete(self, path, **kw):
        return self("DELETE", path, **kw)


# Who is who in tests/fixture.sql: name → (login, role).
PEOPLE = {
    "resident": ("resident", "resident"),
    "resident2": ("resident2", "resident"),
    "resident_far": ("resident_far", "resident"),
    "lead": ("lead", "grid_lead"),
    "lead2": ("lead2", "grid_lead"),
    "lead_next": ("lead_next", "grid_lead"),
    "lead_general": ("lead_general", "grid_lead"),
    "lead_ended": ("lead_ended", "grid_lead"),
    "lead_far": ("lead_far", "grid_lead"),
    "community": ("community", "community"),
    "community2": ("community2", "community"),
    "community_far": ("community_far", "community"),
    "street": ("street", "street"),
    "street_far": ("street_far", "street"),
    "visitor": ("visitor", "visitor"),
    "department": ("department", "department"),
    "merchant": ("merchant", "merchant"),
    "program": ("program", "client"),
}


def make_template(cluster, folder):
    """Migrates and fills linli_template, makes keys and everybody's tokens."""
    folder = pathlib.Path(folder)
    cluster.execute("postgres", "create database linli_template owner linli_owner")
    setup = ["psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", cluster.superuser("linli_template")]
    subprocess.run([*setup, "-f", str(TOP / "sql/setup.sql")], check=True, timeout=60)
    settings = Settings(folder, cluster, "linli_template", folder / "keys")
    run_linlid(settings, "keys", "new")
    for name in ("wechat", "sms"):
        secret = folder / "keys" / f"{name}.secret"
        secret.touch(mode=0o600)
        secret.write_text(f"{name}-test-secret\n")
    run_linlid(settings, "migrate")
    subprocess.run([*setup, "-f", str(TOP / "tests/fixture.sql")], check=True, timeout=60,
                   stdout=subprocess.DEVNULL)
    tokens = {name: run_linlid(settings, "token", "--account", login, "--role", role,
                               "--ttl", "86400").strip()
              for name, (login, role) in PEOPLE.items()}
    (folder / "tokens.json").write_text(json.dumps(tokens))


def make_site(folder, kind=Cluster):
    """Cluster, template, keys and tokens in a folder; what is there is used."""
    folder = pathlib.Path(folder)
    cluster = kind(folder / "pg")
    if not (folder / "tokens.json").exists():
        make_template(cluster, folder)
    return types.SimpleNamespace(cluster=cluster, folder=folder, keys=folder / "keys",
                                 tokens=json.loads((folder / "tokens.json").read_text()))


# Waits for the end of the process that holds its standard input.
AFTERWARDS = """read -r _
for data in "$1"/*/data/; do
	[ ! -e "$data/postmaster.pid" ] || sh "$0" stop "${data%/data/}"
done
rm -rf "$1" """
HELD = []


def free_port():
    """Below those the kernel gives to connections: nobody takes it meanwhile."""
    for _ in range(100):
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", random.randrange(20000, 32000)))
            return s.getsockname()[1]
    raise RuntimeError("no port is free")


def temporary_folder():
    """A short path: the socket inside must stay below 108 bytes. It goes, and
    clusters right below it stop, when this process ends, however that ends."""
    folder = tempfile.mkdtemp(prefix="linli-", dir="/tmp")
    os.chmod(folder, 0o755)
    HELD.append(subprocess.Popen(["sh", "-c", AFTERWARDS, str(TOP / "sql/cluster.sh"), folder], stdin=subprocess.PIPE,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True))
    return pathlib.Path(folder)
