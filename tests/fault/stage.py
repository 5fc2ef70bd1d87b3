"""One act of the fault programme: a database, a daemon on a port that stays,
load with its journal, the feed's readers, a probe that times recoveries; at
the end everything heals, settles and is compared."""

import collections
import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import threading
import time

import psycopg2

import harness
import journal
import oracle

PG_BIN = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"] \
    if os.getuid() == 0 else []


class DurableCluster(harness.Cluster):
    """As in production: what is committed is on the disk."""

    def start(self):
        self.sh("start")

    def pg_ctl(self, *args, check=True, prefix=()):
        done = subprocess.run([*prefix, *AS_POSTGRES, str(PG_BIN / "pg_ctl"), "-D", str(self.folder / "data"), "-w",
                               "-t", "60", *args], cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=90)
        if check and done.returncode:
            raise RuntimeError(done.stdout)
        return done

    def begin(self, check=True, prefix=(), options=""):
        with contextlib.suppress(FileNotFoundError):
            os.chmod(self.folder / "log", 0o666)
        return self.pg_ctl("-l", str(self.folder / "log"), "-o", f"-k '{self.socket}' {options}", "start",
                           check=check, prefix=prefix)

    def crash(self):
        """Every process of it ends at once, without a checkpoint."""
        self.pg_ctl("-m", "immediate", "stop")

    def configure(self, **settings):
        for name, value in settings.items():
            self.execute("postgres", f"alter system set {name} = '{value}'")
        self.execute("postgres", "select pg_reload_conf()")

    def backends(self, database, user="linli_app"):
        return [pid for pid, in self.execute("postgres", "select pid from pg_stat_activity"
                                             " where datname = %s and usename = %s", database, user)]


class Heir:
    """A process whose parent has ended and left it to us."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None

    def poll(self):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout=harness.WAIT):
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.02)
        return self.returncode

    def send_signal(self, sig):
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


class Daemon:
    """linlid as an init system runs it: started again, on the same port,
    whenever its supervisor ends."""

    def __init__(self, settings, folder, env=None, listener=None, prefix=()):
        self.settings, self.folder, self.env, self.listener = settings, folder, env or {}, listener
        self.prefix = prefix
        self.host, port = settings.values["listen"].rsplit(":", 1)
        self.port, self.starts, self.logs = int(port), 0, []
        self.start()

    def command(self):
        """With a listening socket to adopt, as an init system hands it over."""
        if not self.listener:
            return [*self.prefix, str(harness.LINLID), "serve"]
        return ["sh", "-c", 'exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" serve',
                str(harness.LINLID)]

    def start(self):
        end = time.monotonic() + 60
        while True:
            self.starts += 1
            log = self.folder / f"log-{self.starts}"
            with open(log, "ab") as out:
                self.process = subprocess.Popen(
                    self.command(), stdin=self.listener or subprocess.DEVNULL, stdout=out, stderr=out,
                    start_new_session=True,
                    env={**os.environ, "LINLI_CONFIG": str(self.settings.path), **self.env})
            self.logs.append(log)
            while self.process.poll() is None:
                if self.answers():
                    return
                assert time.monotonic() < end, "linlid does not come up: " + log.read_text()[-3000:]
                time.sleep(0.02)
            # The port may be held by children of the one before, who drain.
            assert time.monotonic() < end, "linlid does not start: " + log.read_text()[-3000:]
            time.sleep(0.1)

    def answers(self, path="/healthz"):
        """By this one's own children, not by a predecessor's."""
        return self.get(path)[0] == 200 and len(self.children()) >= 2

    def get(self, path, headers=None, timeout=10):
        c = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            c.request("GET", path, None, headers or {})
            r = c.getresponse()
            return r.status, r.read()
        except (OSError, http.client.HTTPException) as e:
            return None, type(e).__name__.encode()
        finally:
            c.close()

    def children(self):
        path = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            return [int(p) for p in path.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            return []

    def named(self):
        """{name: pid} of the living children, by what they log first."""
        living, found = set(self.children()), {}
        with open(self.logs[-1], "rb") as log:
            for line in log:
                if b'"started"' not in line:
                    continue
                entry = json.loads(line)
                if entry.get("event") == "started" and entry["pid"] in living:
                    found[entry["process"]] = entry["pid"]
        return found

    def pid(self, kind):
        """Some worker's, or the job process's, once there is one."""
        def look():
            return [p for n, p in self.named().items() if n.startswith(kind)]
        return random.choice(harness.wait_for(look, kind))

    def log_text(self):
        return "".join(log.read_text(errors="replace") for log in self.logs)

    def take_over(self):
        """SIGUSR2: what lies under the program's name now takes its place."""
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: the next one becomes ours
        try:
            self.process.send_signal(signal.SIGUSR2)
            pid = int(harness.wait_for(lambda: re.search(r"as process (\d+)", self.log_text()),
                                       "the next one").group(1))
            code = self.process.wait(60)
        finally:
            libc.prctl(36, 0, 0, 0, 0)
        self.process = Heir(pid)
        return code

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(harness.WAIT)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
                raise AssertionError("linlid did not end after SIGTERM")
        text = self.log_text()
        assert "Sanitizer" not in text and "runtime error:" not in text, text[-4000:]


class Probe(threading.Thread):
    """Asks for something out of the database, ten times a second, each time on
    a connection of its own; remembers when that worked and how long it took."""

    def __init__(self, daemon, token):
        super().__init__(daemon=True)
        self.server, self.headers = daemon, {"Authorization": "Bearer " + token}
        self.seen, self.done = [], threading.Event()   # (begin, end, status)

    def run(self):
        while not self.done.wait(0.1):
            begin = time.monotonic()
            status, _ = self.server.get("/v1/me", self.headers)
            self.seen.append((begin, time.monotonic(), status))

    def recovery(self, since):
        """Seconds from then until three good answers in a row."""
        good = [e for e in self.seen if e[1] >= since]
        for i in range(len(good) - 2):
            if all(s == 200 for _, _, s in good[i:i + 3]):
                return max(0.0, good[i][1] - since) if any(
                    s != 200 for _, _, s in good[:i]) else 0.0
        return None

    def longest(self, since, until):
        return max((e - b for b, e, _ in self.seen if since <= b <= until), default=0)

    def statuses(self, since, until):
        return {s for b, _, s in self.seen if since <= b <= until}


class Stage:
    """with Stage(site, folder, seed) as s: … ; s.findings afterwards."""

    def __init__(self, site, folder, seed, clients=50, processes=4, pace=0.05, env=None, load=True,
                 listener=None, host="127.0.0.1", existing=None, prefix=(), **settings):
        self.site, self.folder = site, pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.random = random.Random(seed)
        self.database = existing or site.cluster.fresh()
        self.settings = harness.Settings(self.folder, site.cluster, self.database, site.keys)
        port = listener.getsockname()[1] if listener else harness.free_port()
        self.settings.values.update(listen=f"{host}:{port}", **settings)
        self.settings.write()
        self.data_dir = self.settings.values["data_dir"]
        self.daemon = Daemon(self.settings, self.folder, env, listener, prefix)
        self.address = (host, self.daemon.port)
        self.probe = Probe(self.daemon, site.tokens["lead"])
        self.probe.start()
        self.load = journal.Load(self.address, site.tokens, self.folder, seed, clients,
                                 processes, pace) if load else None
        self.faults, self.counts, self.findings, self.notes = 0, collections.Counter(), [], []
        self.recoveries, self.tally = [], collections.Counter()

    def take_over(self, other):
        """What the stage before in the same act found."""
        self.faults, self.findings, self.notes = other.faults, other.findings, other.notes
        self.recoveries, self.tally, self.counts = other.recoveries, other.tally, other.counts

    def sql(self, text, *args):
        return self.site.cluster.execute(self.database, text, *args)

    def token(self, person):
        return {"Authorization": "Bearer " + self.site.tokens[person]}

    def note(self, text):
        self.notes.append(text)

    def expect(self, ok, text):
        """A promise of this act's own."""
        if not ok:
            self.findings.append(text)

    def await_recovery(self, since, limit):
        """After a fault: how long until it worked again."""
        def recovered():
            return self.probe.recovery(since) is not None
        try:
            harness.wait_for(recovered, "recovery", limit + 30)
        except AssertionError:
            self.findings.append(f"no recovery within {limit + 30} s")
            return
        took = self.probe.recovery(since)
        self.recoveries.append(took)
        self.expect(took <= limit, f"recovery took {took:.1f} s, more than {limit} s")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.settle()
        finally:
            self.close()

    def settle(self):
        if self.load:
            self.counts.update(self.load.stop())
            self.findings += [name for name in self.counts if "client died" in name]
        self.ready()
        journal.settle(self.address, self.site.tokens, self.folder)
        if self.load:
            self.load.finish_reading()
        self.probe.done.set()
        self.oracle = oracle.Oracle(self.sql, self.folder, self.data_dir, self.database)
        self.findings += self.oracle.check()
        self.tally.update(self.oracle.tally)

    def ready(self):
        harness.wait_for(lambda: self.daemon.get("/readyz")[0] == 200, "readiness", 60)

    def close(self):
        self.probe.done.set()
        if self.load:
            self.load.stopped.set()
            for p in self.load.processes + self.load.readers:
                p.join(1)
                if p.is_alive():
                    p.kill()
        try:
            self.daemon.stop()
        except AssertionError as e:
            self.findings.append(str(e))
        with contextlib.suppress(psycopg2.OperationalError):  # a cluster beyond repair
            self.site.cluster.drop(self.database)

    # -- faults many acts need ------------------------------------------------

    def kill(self, what):
        """kill -9 of a worker, the job process or the supervisor."""
        self.faults += 1
        since = time.monotonic()
        if what == "supervisor":
            self.daemon.process.kill()
            self.daemon.process.wait()
            self.daemon.start()
        else:
            os.kill(self.daemon.pid(what), signal.SIGKILL)
        return since

    def resident_bytes(self):
        total = 0
        for pid in [self.daemon.process.pid, *self.daemon.children()]:
            with contextlib.suppress(OSError):
                text = pathlib.Path(f"/proc/{pid}/status").read_text()
                total += int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) * 1024
        return total


def make_site():
    return harness.make_site(harness.temporary_folder(), DurableCluster)


def remove_site(site):
    with contextlib.suppress(RuntimeError):
        site.cluster.halt()
    shutil.rmtree(site.folder, ignore_errors=True)
