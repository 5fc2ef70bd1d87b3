"""What operators need: numbers, traces, readiness that says what is wrong,
packaging. Restoring and upgrading: test_upkeep.py."""

import json
import os
import re
import signal
import socket
import subprocess
import uuid

import pytest
import requests

import exposition
import harness
import raw
import samples
from conftest import World

SYSTEMD = harness.TOP / "systemd"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def seen(site, spec, tmp_path_factory):
    """A world that is measured."""
    made = World(site, spec, tmp_path_factory.mktemp("seen"), metrics_listen=f"127.0.0.1:{harness.free_port()}")
    yield made
    made.close()


def scrape(world):
    reply = requests.get(f"http://{world.settings.values['metrics_listen']}/metrics", timeout=20)
    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return exposition.parse(reply.text)


class Change:
    """How much a sample has grown since."""

    def __init__(self, world):
        self.world, self.before = world, scrape(world)

    def __call__(self, name, **labels):
        return exposition.value(scrape(self.world), name, **labels) - exposition.value(self.before, name, **labels)


# Metrics ----------------------------------------------------------------------

@pytest.mark.parametrize("bad", [
    "a_total 1", "# TYPE a_total counter\na_total 1\n", "# HELP a x\n# TYPE a counter\na 1\n",
    "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"c\nd\"} 1\n",
    "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"c\\d\"} 1\n",
    "# HELP a_total x\n# TYPE a_total counter\na_total 1\na_total 1\n",
    "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
    "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 1\n"])
def test_the_reader_of_the_format_is_strict(bad):
    with pytest.raises(AssertionError):
        exposition.parse(bad)


def test_every_request_is_counted_once(seen):
    change = Change(seen)
    for _ in range(7):
        assert seen.lead.get("/v1/me").status_code == 200
    for _ in range(3):
        assert seen.lead.get("/v1/tickets?limit=0").status_code == 400
    assert seen.lead.get("/nowhere").status_code == 404
    assert seen.client().get("/v1/me").status_code == 401
    assert change("linli_requests_total", operation="getMe", status="200") == 7
    assert change("linli_requests_total", operation="getMe", status="401") == 1
    assert change("linli_requests_total", operation="listTickets", status="400") == 3
    assert change("linli_requests_total", operation="none", status="404") == 1
    assert change("linli_requests_total") == 12
    assert change("linli_request_duration_seconds_count", operation="getMe") == 8
    assert 0 < change("linli_request_duration_seconds_sum", operation="getMe") < 8 * 5
    spent = change("linli_request_database_seconds_total", operation="getMe")
    assert 0 < spent <= change("linli_request_duration_seconds_sum", operation="getMe")
    assert change("linli_request_database_seconds_total", operation="listTickets") == 0
    assert change("linli_problems_total", code="invalid_parameter") == 3
    assert change("linli_problems_total", code="unauthenticated") == 1


def test_every_operation_is_there_from_the_start(seen):
    families = scrape(seen)
    named = {dict(labels)["operation"] for name, labels in families["linli_requests_total"].samples}
    assert named == {op.id for op in seen.spec.operations} | {"none"}


def test_refusals_are_counted_by_their_reason(seen):
    change = Change(seen)
    for _ in range(2):
        with raw.Connection(seen.server.url) as c:
            c.send(b"GET /v1/me HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
            assert c.read().status == 400
    assert change("linli_guard_refusals_total", code="bad_framing") == 2
    assert change("linli_requests_total") == 0
    token = samples.login(seen)["access_token"]
    for _ in range(4):
        # one worker, so that it has seen the token before
        with raw.Connection(seen.server.url) as c:
            for _ in range(2):
                assert c.request("GET", "/v1/me", {"Authorization": "Bearer " + token}).status == 200
    assert change("linli_tokens_total", result="cached") >= 4
    assert 1 <= change("linli_tokens_total", result="verified") <= 2
    assert change("linli_tokens_total") == 8
    seen.client().get("/v1/me", headers={"Authorization": "Bearer x" + token})
    assert change("linli_tokens_total", result="refused") == 1


def test_limits_are_counted_by_who_met_them(site, spec, tmp_path):
    world = World(site, spec, tmp_path, metrics_listen=f"unix:{tmp_path}/m", login_per_minute=1, login_burst=1)
    bad = {"login": "lead", "password": "wrong"}
    statuses = [world.client().post("/v1/sessions", bad).status_code for _ in range(3)]
    assert statuses == [401, 429, 429]
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(f"{tmp_path}/m")
        s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        with s.makefile("rb") as f:
            head, text = f.read().split(b"\r\n\r\n", 1)
    families = exposition.parse(text.decode())
    assert exposition.value(families, "linli_rate_limited_total", limit="login") == 2
    assert exposition.value(families, "linli_rate_limited_total") == 2
    world.close()


def test_processes_and_pool(seen):
    families = harness.wait_for(
        lambda: (f := scrape(seen)) and exposition.value(f, "linli_database_connections_ready") == 9 and f, "samples")
    assert exposition.value(families, "linli_process_up") == 3
    assert exposition.value(families, "linli_database_connections", process="worker-0") == 4
    for process in ("worker-0", "worker-1", "job"):
        assert exposition.value(families, "linli_process_resident_bytes", process=process) > 1e6
        assert exposition.value(families, "linli_process_cpu_seconds_total", process=process) > 0
        assert exposition.value(families, "linli_process_beat_age_seconds", process=process) < 10
    with raw.Connection(seen.server.url) as c:
        c.request("GET", "/healthz")
        assert exposition.value(scrape(seen), "linli_connections") >= 1
        harness.wait_for(lambda: exposition.value(scrape(seen), "linli_requests_in_flight") == 0, "none in flight")
        head = seen.lead.get("/v1/changes/head").json()["next"]
        c.send(f"GET /v1/changes?wait=20&after={head} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
               f"{seen.site.tokens['lead']}\r\n\r\n".encode())
        harness.wait_for(lambda: exposition.value(scrape(seen), "linli_requests_in_flight") == 1, "one in flight")


def test_counters_outlive_a_worker_and_the_job_process(seen):
    for _ in range(10):
        seen.lead.get("/v1/me")
    change = Change(seen)
    for name in ("worker-0", "worker-1", "job"):
        old = seen.server.pid(name)
        os.kill(old, signal.SIGKILL)
        harness.wait_for(lambda: seen.server.pid(name) not in (None, old), name + "'s return")
    harness.wait_for(lambda: seen.client().get("/readyz").status_code == 200, "ready")

    def counted():
        try:
            return all(change("linli_process_restarts_total", process=p) == 1
                       for p in ("worker-0", "worker-1", "job"))
        except requests.ConnectionError:
            return False
    harness.wait_for(counted, "the restarts")
    assert change("linli_requests_total", operation="getMe", status="200") == 0, "nothing was forgotten"
    assert exposition.value(change.before, "linli_requests_total", operation="getMe", status="200") >= 10


def test_metrics_are_not_on_the_api_nor_the_api_there(seen):
    """security 50"""
    assert seen.client().get("/metrics").status_code == 404
    there = f"http://{seen.settings.values['metrics_listen']}"
    for path in ("/", "/v1/me", "/healthz", "/metrics/x", "/openapi.json"):
        assert requests.get(there + path, timeout=20).status_code == 404
    assert requests.post(there + "/metrics", timeout=20).status_code in (405, 501)


# Traces -----------------------------------------------------------------------

def logged(world, reply):
    wanted = reply.headers["X-Request-Id"]
    return harness.wait_for(lambda: next((e for e in world.server.lines("request") if e["req"] == wanted), None),
                            "the line")


def test_a_trace_goes_through_log_and_problem(seen):
    reply = seen.lead.get("/v1/tickets?limit=0", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    line = logged(seen, reply)
    assert (line["trace"], line["parent"]) == (TRACE, PARENT)
    assert reply.json()["trace_id"] == TRACE
    assert reply.json()["instance"] == "urn:uuid:" + reply.headers["X-Request-Id"]


@pytest.mark.parametrize("bad", [
    "", "00", f"00-{TRACE}-{PARENT}", f"ff-{TRACE}-{PARENT}-01", f"00-{TRACE.upper()}-{PARENT}-01",
    f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE}-{PARENT}-01-x",
    f"00-{TRACE}-{PARENT}-0g", f"00-{TRACE}_{PARENT}-01", f"01-{TRACE}-{PARENT}-01x"])
def test_a_bad_trace_is_none(seen, bad):
    reply = seen.lead.get("/v1/tickets?limit=0", headers={"traceparent": bad})
    line = logged(seen, reply)
    assert line["trace"] == uuid.UUID(reply.headers["X-Request-Id"]).hex and "parent" not in line
    assert reply.json()["trace_id"] == line["trace"]


def test_two_traces_are_none_and_a_later_version_is_one(seen):
    two = f"GET /v1/me HTTP/1.1\r\nHost: x\r\ntraceparent: 00-{TRACE}-{PARENT}-01\r\n" * 1
    with raw.Connection(seen.server.url) as c:
        c.send((two + f"traceparent: 00-{TRACE}-{PARENT}-01\r\n\r\n").encode())
        assert json.loads(c.read().body)["trace_id"] != TRACE
        reply = c.request("GET", "/v1/me", {"Traceparent": f"cc-{TRACE}-{PARENT}-01-what-comes-later"})
        assert json.loads(reply.body)["trace_id"] == TRACE


def test_the_database_can_know_the_trace(site, spec, tmp_path):
    world = World(site, spec, tmp_path, trace_database=1)
    with world.site.cluster.connect(world.database) as lock, lock.cursor() as cur:
        lock.autocommit = False
        cur.execute("lock table ticket.ticket in access exclusive mode")
        with raw.Connection(world.server.url) as c:
            c.send(f"GET /v1/tickets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.tokens['lead']}\r\n"
                   f"traceparent: 00-{TRACE}-{PARENT}-01\r\n\r\n".encode())
            harness.wait_for(lambda: world.sql("select 1 from pg_stat_activity where application_name = %s"
                                               " and wait_event_type = 'Lock'", "linlid " + TRACE), "the name")
            lock.rollback()
            assert c.read().status == 200
    assert world.sql("select 1 from pg_stat_activity where application_name = %s", "linlid " + TRACE) == []
    world.close()


def test_server_timing_when_asked_for(seen, site, spec, tmp_path):
    assert "Server-Timing" not in seen.lead.get("/v1/me").headers
    world = World(site, spec, tmp_path, server_timing=1)
    for path, some in (("/v1/me", True), ("/healthz", False)):
        header = world.lead.get(path).headers["Server-Timing"]
        db, total = map(float, re.fullmatch(r"db;dur=(\d+\.\d\d), total;dur=(\d+\.\d\d)", header).groups())
        assert total >= db and (db > 0) == some
    world.close()


# Readiness ----------------------------------------------------------------------

BREAK = """create or replace function ticket.{name}(batch integer) returns {result}
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$ begin raise exception 'broken on purpose'; end $$"""


def readiness(world):
    reply = world.client().get("/readyz")
    return {**reply.json(), "http": reply.status_code}


def test_a_failing_job_degrades_and_is_named(site, spec, tmp_path):
    world = World(site, spec, tmp_path, job_interval_ms=50, metrics_listen=f"127.0.0.1:{harness.free_port()}")
    harness.wait_for(lambda: readiness(world)["status"] == "ready", "ready")
    good, = world.sql("select pg_get_functiondef('ticket.close_silent(integer)'::regprocedure)")[0]
    world.sql(BREAK.format(name="close_silent", result="integer"))
    state = harness.wait_for(lambda: (s := readiness(world))["status"] == "degraded" and s, "degraded")
    assert state["http"] == 200 and state["jobs_failing"] == 1 and state["jobs"]
    families = scrape(world)
    assert exposition.value(families, "linli_job_failures_in_a_row", job="jobCloseSilent") >= 3
    assert exposition.value(families, "linli_job_failures_in_a_row", job="jobDropIdempotency") == 0
    assert exposition.value(families, "linli_job_failures_total", job="jobCloseSilent") >= 3
    change = Change(world)
    world.sql(good)
    harness.wait_for(lambda: readiness(world)["status"] == "ready", "ready again")
    last = "linli_job_last_success_timestamp_seconds"
    assert change(last, job="jobCloseSilent") > 0
    assert exposition.value(scrape(world), "linli_job_failures_in_a_row") == 0
    world.close()


def test_what_waits_too_long_degrades(site, spec, tmp_path):
    world = World(site, spec, tmp_path, metrics_listen=f"127.0.0.1:{harness.free_port()}")
    samples.photo(world, "resident")
    world.server.stop()
    world.sql(BREAK.format(name="drop_photos", result="table (hash text)"))
    world.sql("update ticket.photo set created_at = created_at - interval '25 hours'")
    world.server = harness.Server(world.settings, world.folder / "log2")
    state = harness.wait_for(lambda: (s := readiness(world))["backlog_lag_seconds"] and s, "the backlog")
    assert state["status"] == "degraded" and 3500 < state["backlog_lag_seconds"] < 3700
    families = scrape(world)
    assert exposition.value(families, "linli_backlog", queue="photos_unattached") == 1
    assert 3500 < exposition.value(families, "linli_backlog_lag_seconds", queue="photos_unattached") < 3700
    assert exposition.value(families, "linli_backlog", queue="tickets_silent") == 0
    world.close()


def test_a_stuck_job_process_is_not_ready(world):
    harness.wait_for(lambda: readiness(world)["status"] == "ready", "ready")
    job = harness.wait_for(lambda: world.server.pid("job"), "job")
    os.kill(job, signal.SIGSTOP)
    try:
        state = harness.wait_for(lambda: (s := readiness(world))["http"] == 503 and s, "not ready", 45)
        assert state["status"] == "not_ready" and not state["jobs"] and state["database"]
    finally:
        os.kill(job, signal.SIGCONT)
    harness.wait_for(lambda: readiness(world)["status"] == "ready", "ready again")


# systemd, dashboard, install --------------------------------------------------------

class Notified:
    """systemd's end of sd_notify."""

    def __init__(self, folder):
        self.path = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(harness.WAIT)

    def wait(self, wanted):
        while True:
            lines = self.socket.recv(4096).decode().split("\n")
            assert "STOPPING=1" not in lines or wanted == "STOPPING=1"
            if any(line.startswith(wanted) for line in lines):
                return lines


def test_systemd_is_told(site, spec, tmp_path):
    told = Notified(tmp_path)
    settings = harness.Settings(tmp_path, site.cluster, site.cluster.fresh(), site.keys)
    server = harness.Server(settings, tmp_path / "log", {"NOTIFY_SOCKET": told.path, "WATCHDOG_USEC": "400000"})
    told.wait("READY=1")
    for _ in range(3):
        told.wait("WATCHDOG=1")
    server.process.send_signal(signal.SIGHUP)
    told.wait("RELOADING=1")
    told.wait("READY=1")
    server.process.send_signal(signal.SIGTERM)
    told.wait("STOPPING=1")
    server.process.wait(harness.WAIT)
    assert server.stop() == 0


def test_the_unit_is_hardened_and_whole(tmp_path):
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                           str(SYSTEMD / "linlid.service")], capture_output=True, text=True, timeout=60)
    level = re.search(r"Overall exposure level for linlid.service: (\d+\.\d)", done.stdout)
    assert level and float(level.group(1)) <= 1.5, done.stdout + done.stderr
    for name in ("linlid.service", "linlid.socket"):
        text = (SYSTEMD / name).read_text().replace("/usr/local/bin/linlid", "/bin/true")
        (tmp_path / name).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.glob("linlid.*")))],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr


def dashboard_words():
    """Every expression's metric names, and with which labels."""
    board = json.loads((SYSTEMD / "linli-dashboard.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"]


def test_the_dashboard_shows_what_there_is(seen):
    families = scrape(seen)
    series = {name for f in families.values() for suffix in ("", "_bucket", "_sum", "_count")
              if f.owns(name := f.name + suffix)}
    used, count = set(), 0
    for title, expr in dashboard_words():
        names = re.findall(r"\blinli_\w+", expr)
        assert names and set(names) <= series, f"{title}: {set(names) - series}"
        used |= set(names)
        labels = {k for f in families.values() if any(f.owns(n) for n in names)
                  for _, have in f.samples for k, _ in have}
        for group in re.findall(r"by \(([^)]*)\)", expr):
            for label in group.split(", "):
                wanted = {"code", "queue"} | labels  # these come with their first sample
                assert label in wanted, f"{title}: {label}"
        count += 1
    assert count > 30
    unused = [f.name for f in families.values() if not any(f.owns(name) for name in used)]
    assert unused == [], "a number nobody looks at"


def test_make_install(tmp_path, site):
    def install(*more):
        subprocess.run(["make", "-s", "install", f"DESTDIR={tmp_path}", *more,
                        *{"san": ["SAN=1"], "cov": ["COV=1"]}.get(harness.BUILD.name, [])],
                       cwd=harness.TOP, check=True, timeout=300, capture_output=True)
    install("PREFIX=/usr")
    found = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert found == {"usr/bin/linlid", "usr/bin/linlid-image", "usr/share/linli/setup.sql",
                     "usr/share/linli/data/chengdu.csv", "usr/share/linli/linlid.conf", "usr/share/linli/linli-dashboard.json",
                     "usr/lib/systemd/system/linlid.service", "usr/lib/systemd/system/linlid.socket",
                     "usr/lib/sysusers.d/linlid.conf", "etc/linli/linlid.conf"}
    unit = (tmp_path / "usr/lib/systemd/system/linlid.service").read_text()
    program = re.search(r"^ExecStart=(\S+) serve$", unit, re.M).group(1)
    config = re.search(r"^Environment=LINLI_CONFIG=(\S+)$", unit, re.M).group(1)
    for inside in (program, config):
        assert (tmp_path / inside.lstrip("/")).exists(), inside
    done = subprocess.run([f"{tmp_path}{program}", "--config", f"{tmp_path}{config}", "version"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and done.stdout.startswith("linlid "), done
    own = tmp_path / "etc/linli/linlid.conf"
    own.write_text("workers = 3\n")
    install("PREFIX=/usr")
    assert own.read_text() == "workers = 3\n", "a second time keeps the settings"
