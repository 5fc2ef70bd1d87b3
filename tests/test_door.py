"""The door behind the guard: how often one may ask, who the client is, pages
of other origins, packed replies."""

import concurrent.futures
import contextlib
import gzip
import io
import json
import os
import re
import signal
import socket
import time

import PIL.Image
import pytest

import harness
import raw
import samples
from conftest import World

PAGE = "https://pages.example"


@pytest.fixture
def door(site, spec, tmp_path):
    """Makes worlds with settings of their own."""
    made = []

    def make(**settings):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(World(site, spec, folder, **settings))
        return made[-1]

    yield make
    for world in made:
        world.close()


def ask(world, path="/v1/me", who=None, method="GET", headers=None, body=b""):
    """One request on a connection of its own, so any worker may get it."""
    all_headers = {"Authorization": f"Bearer {world.site.tokens[who]}"} if who else {}
    return raw.exchange(world.server.url, method, path, {**all_headers, **(headers or {})}, body)


def field(reply, name):
    """'"actor";r=3;t=2' → ("actor", {"r": 3, "t": 2})."""
    found = re.fullmatch(r'"(\w+)"((?:;\w+=\d+)*)', reply.header(name) or "")
    assert found, f"{name}: {reply.header(name)}"
    return found[1], {k: int(v) for k, v in re.findall(r";(\w+)=(\d+)", found[2])}


def change(world, **settings):
    world.settings.values.update(settings)
    world.settings.write()
    before = len(world.server.lines("reloaded"))
    world.server.process.send_signal(signal.SIGHUP)
    harness.wait_for(lambda: len(world.server.lines("reloaded"))
                     == before + world.settings.values["workers"], "the workers to reload")


# How often ------------------------------------------------------------------

def flood(world, who, seconds, threads=8):
    """Everybody asks as fast as it goes; statuses and the time it took."""
    statuses, begun = [], time.monotonic()

    def run():
        while time.monotonic() - begun < seconds:
            statuses.append(ask(world, who=who).status)

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(run) for _ in range(threads)]:
            done.result()
    return statuses, time.monotonic() - begun


def test_four_workers_count_as_one(door):
    """security 21: burst and rate hold exactly, whichever worker is asked."""
    world = door(workers=4, actor_per_minute=600, actor_burst=40)
    statuses, took = flood(world, "lead", 3)
    assert set(statuses) == {200, 429}
    assert 40 + 10 * 3 - 2 <= statuses.count(200) <= 40 + 10 * took + 2
    assert statuses.count(429) > 20, "it was a flood"
    harness.wait_for(lambda: len({e["process"] for e in world.server.lines("request")}) == 4, "a part of each in it")
    # others are not concerned
    assert ask(world, who="lead2").status == 200


def test_fields_tell_what_is_left_and_when(door):
    world = door(actor_per_minute=12, actor_burst=3)  # four of them are quicker than one in five seconds
    for left in (2, 1, 0):
        reply = ask(world, who="lead")
        assert reply.status == 200 and reply.header("Retry-After") is None
        assert field(reply, "RateLimit-Policy") == ("actor", {"q": 3, "w": 15})
        name, says = field(reply, "RateLimit")
        assert name == "actor" and says["r"] == left and says["t"] <= 15
    refused = ask(world, who="lead")
    assert refused.status == 429 and field(refused, "RateLimit")[1]["r"] == 0
    problem = json.loads(refused.body)
    assert problem["code"] == "rate_limited" and problem["status"] == 429
    wait = int(refused.header("Retry-After"))
    assert 1 <= wait <= 5
    time.sleep(wait)
    assert ask(world, who="lead").status == 200, "waiting so long is enough"


def test_without_a_token_the_address_counts(door):
    """Also for those who are turned away: 401, 404, 405, bad addresses."""
    world = door(address_per_minute=1, address_burst=5)
    asked = [ask(world), ask(world, "/nowhere"), ask(world, "/v1/me", method="DELETE"),
             ask(world, "/v1/%zz"), ask(world, headers={"Authorization": "Bearer a.b.c"})]
    assert [r.status for r in asked] == [401, 404, 405, 400, 401]
    assert [field(r, "RateLimit")[1]["r"] for r in asked] == [4, 3, 2, 1, 0]
    for path in ("/v1/me", "/nowhere", "/openapi.json", "/.well-known/jwks.json"):
        assert ask(world, path).status == 429
    # a token is somebody, wherever it comes from
    assert ask(world, who="lead").status == 200
    # and whoever watches the server always gets through
    for path in ("/healthz", "/readyz"):
        reply = ask(world, path)
        assert reply.status == 200 and reply.header("RateLimit") is None


def test_a_wrong_role_counts_for_the_account(door):
    world = door(actor_per_minute=1, actor_burst=2)
    statuses = [ask(world, "/v1/tickets/" + "0" * 8 + "-0000-8000-8000-" + "0" * 12 + "/accept",
                    "resident", "POST").status for _ in range(3)]
    assert statuses == [403, 403, 429]


def test_sign_in_is_stricter(door):
    world = door(login_per_minute=1, login_burst=2, address_per_minute=600)
    body = json.dumps({"login": "nobody", "password": "wrong"}).encode()

    def sign_in():
        return ask(world, "/v1/sessions", None, "POST", {"Content-Type": "application/json"}, body)

    replies = [sign_in() for _ in range(3)]
    assert [r.status for r in replies] == [401, 401, 429]
    assert json.loads(replies[2].body)["code"] == "rate_limited"
    assert field(replies[2], "RateLimit")[0] == "login"
    assert ask(world, "/openapi.json").status == 200, "only signing in is"


def test_zero_is_no_limit_and_sighup_changes_it(door):
    world = door(actor_per_minute=0)
    assert {ask(world, who="lead").status for _ in range(30)} == {200}
    assert ask(world, who="lead").header("RateLimit") is None
    change(world, actor_per_minute=1, actor_burst=2)
    assert [ask(world, who="lead").status for _ in range(3)] == [200, 200, 429]
    change(world, actor_per_minute=0)
    assert ask(world, who="lead").status == 200


def test_a_new_worker_knows_who_has_asked(door):
    world = door(workers=1, actor_per_minute=1, actor_burst=2)
    assert [ask(world, who="lead").status for _ in range(3)] == [200, 200, 429]
    old = world.server.pid("worker-0")
    os.kill(old, signal.SIGKILL)
    harness.wait_for(lambda: world.server.pid("worker-0") not in (None, old), "another worker")
    assert ask(world, who="lead").status == 429


# Who the client is ----------------------------------------------------------

def seen_as(world, *forwarded):
    """The address the daemon takes the client for."""
    with raw.Connection(world.server.url) as c:
        c.send(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
               + b"".join(b"X-Forwarded-For: %s\r\n" % f for f in forwarded) + b"\r\n")
        request = c.read().header("X-Request-Id")
    return harness.wait_for(lambda: [e for e in world.server.lines("request") if e["req"] == request],
                            "the log line")[0]["from"]


def test_forwarded_for_of_strangers_is_not_read(door):
    """security 26"""
    world = door(address_per_minute=1, address_burst=4)
    assert seen_as(world) == "127.0.0.1"
    assert seen_as(world, b"198.51.100.7") == "127.0.0.1"
    # forging a new address each time does not help either
    statuses = [ask(world, headers={"X-Forwarded-For": f"198.51.100.{i}"}).status for i in range(4)]
    assert statuses == [401, 401, 429, 429]


def test_forwarded_for_of_a_trusted_proxy(door):
    """security 26: the last hop that is not ours, never what that one claims."""
    world = door(trusted_proxies="127.0.0.1, 10.0.0.0/8", address_per_minute=1, address_burst=9)
    assert seen_as(world) == "127.0.0.1"
    assert seen_as(world, b"198.51.100.7") == "198.51.100.7"
    assert seen_as(world, b"203.0.113.9, 198.51.100.7, 10.1.1.1") == "198.51.100.7"
    assert seen_as(world, b"203.0.113.9", b"198.51.100.7", b"10.1.1.1") == "198.51.100.7"
    assert seen_as(world, b"2001:DB8::0:7") == "2001:db8::7"
    assert seen_as(world, b"198.51.100.7, nonsense") == "127.0.0.1"
    assert seen_as(world, b"198.51.100.7", b"") == "127.0.0.1"
    change(world, address_burst=2, trusted_proxies="127.0.0.1")
    assert seen_as(world, b"203.0.113.9, 10.1.1.1") == "10.1.1.1"
    forged = [ask(world, headers={"X-Forwarded-For": f"203.0.113.{i}, 192.0.2.1"}).status
              for i in range(4)]
    assert forged == [401, 401, 429, 429]
    assert ask(world, headers={"X-Forwarded-For": "192.0.2.2"}).status == 401


@pytest.mark.parametrize("trusted, client", [("unix", "198.51.100.7"), ("127.0.0.1", "local")])
def test_a_proxy_on_a_unix_socket(door, site, trusted, client):
    path = f"{site.folder}/{trusted[:4]}.sock"
    world = door(listen="unix:" + path, trusted_proxies=trusted, address_per_minute=1, address_burst=2)
    statuses = []
    for _ in range(3):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
            s.connect(path)
            s.sendall(b"GET /v1/me HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.7\r\nConnection: close\r\n\r\n")
            statuses.append(s.recv(1000).split()[1])
    assert statuses == [b"401", b"401", b"429"]
    harness.wait_for(lambda: len(world.server.lines("request")) == 3, "the log")
    assert {e["from"] for e in world.server.lines("request")} == {client}


def test_sessions_remember_the_clients_address(door):
    world = door(trusted_proxies="127.0.0.1")
    reply = world.client().post("/v1/sessions", {"login": "resident", "password": "linli-demo"},
                                headers={"X-Forwarded-For": "203.0.113.9, 198.51.100.7"})
    assert world.sql("select address from identity.session where id = %s",
                     reply.json()["session_id"]) == [("198.51.100.7",)]


def test_connections_of_a_trusted_proxy_are_not_counted_by_address(door):
    """It carries everybody's."""
    for trusted, served in (("", 3), ("127.0.0.1", 9)):
        world = door(workers=1, max_connections_per_address=3, trusted_proxies=trusted)
        with contextlib.ExitStack() as stack:
            held = [stack.enter_context(raw.Connection(world.server.url)) for _ in range(9)]
            statuses = []
            for c in held:
                with contextlib.suppress(OSError):
                    statuses.append(c.request("GET", "/healthz").status)
            assert statuses.count(200) == served


def test_settings_that_cannot_be_are_refused(door):
    world = door()
    for name, value in (("trusted_proxies", "everybody"), ("trusted_proxies", "0.0.0.0/0"),
                        ("cors_origins", "*"), ("cors_origins", "https://a.example/x")):
        world.settings.values[name] = value
        world.settings.write()
        with pytest.raises(RuntimeError, match=name):
            harness.run_linlid(world.settings, "check")
        del world.settings.values[name]


# Pages of other origins -----------------------------------------------------

def test_a_page_of_a_configured_origin_may_call(door):
    """security 26"""
    world = door(cors_origins=PAGE + ", http://localhost:3000")
    for origin in (PAGE, "http://localhost:3000"):
        reply = ask(world, who="lead", headers={"Origin": origin})
        assert reply.header("Access-Control-Allow-Origin") == origin
        assert "Origin" in reply.header("Vary")
        assert {"ETag", "Location", "Link", "Retry-After", "RateLimit", "X-Request-Id"} <= set(
            reply.header("Access-Control-Expose-Headers").split(", "))
        assert reply.header("Access-Control-Allow-Credentials") is None
    # the page must be able to read why not, too
    assert ask(world, headers={"Origin": PAGE}).header("Access-Control-Allow-Origin") == PAGE
    assert ask(world, "/nowhere", headers={"Origin": PAGE}).header("Access-Control-Allow-Origin") == PAGE


def test_preflight(door):
    world = door(cors_origins=PAGE)
    asks = {"Origin": PAGE, "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,idempotency-key"}
    reply = ask(world, "/v1/tickets", None, "OPTIONS", asks)
    assert reply.status == 204 and reply.body == b""
    assert reply.header("Access-Control-Allow-Origin") == PAGE
    assert {"GET", "POST"} <= set(reply.header("Access-Control-Allow-Methods").split(", "))
    allowed = {h.lower() for h in reply.header("Access-Control-Allow-Headers").split(", ")}
    assert {"authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "traceparent"} <= allowed
    assert int(reply.header("Access-Control-Max-Age")) > 0
    assert "Origin" in reply.header("Vary")
    # OPTIONS that is no preflight
    plain = ask(world, "/v1/tickets", None, "OPTIONS", {"Origin": PAGE})
    assert plain.status == 204 and "POST" in plain.header("Allow")
    assert plain.header("Access-Control-Allow-Methods") is None


@pytest.mark.parametrize("origin", ["https://evil.example", "null", PAGE + ".evil.example", PAGE + ":444",
                                    PAGE.replace("https", "http"), PAGE.upper(), ""])
def test_other_origins_get_nothing(origins, origin):
    """security 26"""
    for method, path in (("GET", "/v1/me"), ("OPTIONS", "/v1/tickets")):
        reply = ask(origins, path, "lead", method,
                    {"Origin": origin, "Access-Control-Request-Method": "POST"})
        assert not [n for n, _ in reply.headers if n.lower().startswith("access-control")]
        assert "Origin" in reply.header("Vary"), "a cache must not mix them up"


@pytest.fixture(scope="module")
def origins(site, spec, tmp_path_factory):
    made = World(site, spec, tmp_path_factory.mktemp("origins"), cors_origins=PAGE)
    yield made
    made.close()


def test_two_origins_are_none(origins):
    with raw.Connection(origins.server.url) as c:
        c.send(f"GET /healthz HTTP/1.1\r\nHost: x\r\nOrigin: {PAGE}\r\nOrigin: https://b\r\n\r\n".encode())
        assert c.read().header("Access-Control-Allow-Origin") is None


def test_nothing_when_not_configured(shared):
    reply = ask(shared, "/v1/tickets", None, "OPTIONS",
                {"Origin": PAGE, "Access-Control-Request-Method": "POST"})
    assert reply.status == 204 and "POST" in reply.header("Allow")
    names = [n.lower() for n, _ in reply.headers]
    assert "vary" not in names and not [n for n in names if n.startswith("access-control")]


# Packed replies -------------------------------------------------------------

@pytest.fixture(scope="module")
def packing(site, spec, tmp_path_factory):
    made = World(site, spec, tmp_path_factory.mktemp("packing"), workers=1)
    for _ in range(6):
        made.resident.post("/v1/tickets", samples.TICKET)
    yield made
    made.close()


def both(world, path, who="lead", status=200):
    """The same asked plainly and packed; the packed reply's bytes unpacked."""
    plain = ask(world, path, who)
    packed = ask(world, path, who, headers={"Accept-Encoding": "gzip, br"})
    assert plain.status == packed.status == status
    assert plain.header("Content-Encoding") is None and packed.header("Content-Encoding") == "gzip"
    assert "Accept-Encoding" in plain.header("Vary") and "Accept-Encoding" in packed.header("Vary")
    return plain, packed, gzip.decompress(packed.body)


def test_lists_are_packed_for_those_who_ask(packing):
    plain, packed, body = both(packing, "/v1/tickets")
    assert body == plain.body and len(packed.body) < len(plain.body) / 2
    assert packed.header("Content-Type") == "application/json"


def test_problems_are_packed_too(packing):
    path = "/v1/tickets?" + "&".join(f"unknown_{i}=1" for i in range(20))
    plain, packed, body = both(packing, path, status=400)
    assert packed.header("Content-Type") == "application/problem+json"
    assert json.loads(body)["errors"] == json.loads(plain.body)["errors"]


def test_a_cache_is_told_of_all_that_the_reply_hangs_on(door):
    world = door(cors_origins=PAGE)
    path = "/v1/tickets?" + "&".join(f"unknown_{i}=1" for i in range(20))
    for accept in ("gzip", "identity"):
        reply = ask(world, path, "lead", headers={"Origin": PAGE, "Accept-Encoding": accept})
        assert reply.header("Vary") == "Origin, Accept-Encoding"


def test_the_contract_is_packed_once(packing):
    plain, packed, body = both(packing, "/openapi.json", None)
    assert body == plain.body and len(packed.body) < len(plain.body) / 4
    pid = packing.server.pid("worker-0")

    def cpu():
        with open(f"/proc/{pid}/stat") as f:
            return sum(map(int, f.read().split(")")[1].split()[11:13]))

    before = cpu()
    with raw.Connection(packing.server.url) as c:
        for _ in range(100):
            assert c.request("GET", "/openapi.json", {"Accept-Encoding": "gzip"}).body == packed.body
    assert cpu() - before < 60, "packed anew each time it would take seconds"


def test_what_does_not_pay_is_left(packing):
    asking = {"Accept-Encoding": "gzip"}
    assert ask(packing, "/healthz", headers=asking).header("Content-Encoding") is None
    noise = io.BytesIO()
    PIL.Image.frombytes("RGB", (64, 64), os.urandom(64 * 64 * 3)).save(noise, "PNG")
    body, kind = samples.upload_body(noise.getvalue())
    photo = packing.resident.session.post(packing.server.url + "/v1/photos", data=body, headers={
        "Authorization": "Bearer " + packing.site.tokens["resident"], "Content-Type": kind}).json()["id"]
    ticket = packing.resident.post("/v1/tickets", {**samples.TICKET, "photo_ids": [photo]}).json()["id"]
    picture = ask(packing, f"/v1/tickets/{ticket}/photos/{photo}", "resident", headers=asking)
    assert picture.status == 200 and len(picture.body) > 1024
    assert picture.header("Content-Encoding") is None
    assert picture.header("Vary") is None


@pytest.mark.parametrize("accept", ["", "identity", "gzip;q=0", "br", "gzip;q=0.3, identity", "*;q=0"])
def test_who_does_not_ask_gets_it_plain(packing, accept):
    reply = ask(packing, "/openapi.json", headers={"Accept-Encoding": accept})
    assert reply.header("Content-Encoding") is None and json.loads(reply.body)


def test_head_tells_the_packed_length(packing):
    asking = {"Accept-Encoding": "gzip"}
    get = ask(packing, "/v1/tickets", "lead", headers=asking)
    head = ask(packing, "/v1/tickets", "lead", "HEAD", asking)
    assert head.header("Content-Encoding") == "gzip"
    assert abs(int(head.header("Content-Length")) - len(get.body)) < 8


def long_ticket(world):
    made = world.resident.post("/v1/tickets", {**samples.TICKET, "description": "猫" * 900})
    return "/v1/tickets/" + made.json()["id"]


def test_etags_of_both_forms_name_the_version(packing):
    """The packed form has a tag of its own; either serves for 304 and If-Match."""
    path = long_ticket(packing)
    plain, packed, body = both(packing, path, "resident")
    assert body == plain.body
    one, two = plain.header("ETag"), packed.header("ETag")
    assert one != two and not two.startswith("W/")
    for known, accept in ((one, ""), (two, "gzip"), (one, "gzip"), (two, ""), (f'"x", {two}', "gzip"),
                          ("W/" + one, "")):
        reply = ask(packing, path, "resident",
                    headers={"If-None-Match": known, "Accept-Encoding": accept})
        assert reply.status == 304 and reply.header("ETag") in known
        assert "Accept-Encoding" in reply.header("Vary")
    assert ask(packing, path, "resident", headers={"If-None-Match": '"x-gzip"'}).status == 200


def test_a_packed_copys_etag_serves_an_edit(packing):
    grids = packing.community.get("/v1/grids").json()["items"]
    grid = next(g for g in grids if g["kind"] == "micro")
    path = "/v1/grids/" + grid["id"]
    etag = ask(packing, path, "community").header("ETag")
    body = {"name": grid["name"], "household_count": 61, "person_count": 150}
    marked = etag[:-1] + '-gzip"'
    done = packing.community.put(path, body, headers={"If-Match": marked})
    assert done.status_code == 200, done.text
    again = packing.community.put(path, body, headers={"If-Match": marked})
    assert again.status_code == 412


def test_new_tokens_are_never_packed(packing):
    """No length of a packed reply tells of a secret (BREACH)."""
    packing.sql("update identity.account set display_name = repeat(chr(1), 63) || 'x' where login = 'resident2'")
    body = json.dumps({"login": "resident2", "password": "linli-demo"}).encode()
    reply = ask(packing, "/v1/sessions", None, "POST",
                {"Content-Type": "application/json", "Accept-Encoding": "gzip"}, body)
    assert reply.status == 201 and len(reply.body) > 1024
    assert reply.header("Content-Encoding") is None and reply.header("Vary") is None
    assert packing.spec.doc["paths"]["/v1/sessions"]["post"]["x-secret"] is True
    assert packing.spec.doc["paths"]["/v1/sessions/refresh"]["post"]["x-secret"] is True


def test_packing_can_be_switched_off(packing):
    change(packing, gzip_level=0)
    reply = ask(packing, "/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert reply.header("Content-Encoding") is None and reply.header("Vary") is None
    change(packing, gzip_level=4)
    both(packing, "/openapi.json", None)
