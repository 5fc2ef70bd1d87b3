"""What stands at the door: every malformed message gets
one problem and a closed connection, at once, byte by byte, and behind a good
request; what is legal goes through however it is cut."""

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import time

import pytest

import conftest
import harness
import raw

HOST = "Host: linli.example\r\n"
GOOD = f"GET /healthz HTTP/1.1\r\n{HOST}\r\n"
# Reaches the check of the body, needs nobody's token and changes nothing.
BODY = '{"nosuch":1}'
POST = f"POST /v1/sessions HTTP/1.1\r\n{HOST}Content-Type: application/json\r\n"
CHUNKED = POST + "Transfer-Encoding: chunked\r\n\r\n"
SIZED = f"Content-Length: {len(BODY)}\r\n"


def get(head="", target="/healthz", version="HTTP/1.1", host=HOST, method="GET"):
    return f"{method} {target} {version}\r\n{host}{head}\r\n"


FAULTS = {
    "no host": get(host=""),
    "two hosts": get(HOST),
    "empty host": get(host="Host:\r\n"),
    "host with a space": get(host="Host: a b\r\n"),
    "host with a path": get(host="Host: a/b\r\n"),
    "host with a user": get(host="Host: u@a\r\n"),
    "host with a bad port": get(host="Host: a:8x\r\n"),
    "host with a huge port": get(host="Host: a:65536\r\n"),
    "host of bad bytes": get(host="Host: \xe9\r\n"),
    "space in a name": get("X Y: 1\r\n"),
    "space after a name": get("X : 1\r\n"),
    "illegal byte in a name": get("X@: 1\r\n"),
    "UTF-8 in a name": get("X\xc3\xa9: 1\r\n"),
    "no name": get(": 1\r\n"),
    "no colon": get("X\r\n"),
    "folded value": get("X: a\r\n b\r\n"),
    "folded by a tab": get("X: a\r\n\tb\r\n"),
    "space before the first header": get(host=" X: 1\r\n" + HOST),
    "NUL in a value": get("X: a\0b\r\n"),
    "control in a value": get("X: a\x01b\r\n"),
    "escape in a value": get("X: \x1b[2J\r\n"),
    "DEL in a value": get("X: \x7f\r\n"),
    "NUL in a name": get("X\0: 1\r\n"),
    "bare LF in the request line": f"GET /healthz HTTP/1.1\n{HOST}\r\n",
    "bare LF in a header": get(host="Host: a\n"),
    "bare LF at the end": f"GET /healthz HTTP/1.1\r\n{HOST}\n",
    "bare CR in a header": get("X: a\rY: b\r\n"),
    "bare CR in the request line": f"GET /healthz HTTP/1.1\r{HOST}\r\n",
    "two empty lines before": "\r\n\r\n" + GOOD,
    "bare LF before": "\n" + GOOD,
    "lower-case method": get(method="get"),
    "mixed method": get(method="Get"),
    "unknown method": get(method="PROPFIND"),
    "CONNECT": get(method="CONNECT", target="a:443"),
    "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "raw space in the target": get(target="/healthz x"),
    "raw UTF-8 in the target": get(target="/h\xe9\x82\xbb"),
    "NUL in the target": get(target="/healthz\0"),
    "two slashes": get(target="//a/healthz"),
    "authority-form": get(target="linli.example:80"),
    "asterisk for GET": get(target="*"),
    "unknown scheme": get(target="ftp://a/healthz"),
    "absolute with a user": get(target="http://u:p@a/healthz"),
    "no target": f"GET HTTP/1.1\r\n{HOST}\r\n",
    "HTTP/0.9": "GET /healthz\r\n",
    "HTTP/2.0": get(version="HTTP/2.0"),
    "HTTP/1.2": get(version="HTTP/1.2"),
    "huge version": get(version="HTTP/4294967297.1"),
    "lower-case version": get(version="http/1.1"),
    "two lengths": POST + f"Content-Length: 3\r\n{SIZED}\r\n{BODY}",
    "two equal lengths": POST + SIZED + SIZED + "\r\n" + BODY,
    "list of lengths": POST + f"Content-Length: {len(BODY)}, {len(BODY)}\r\n\r\n{BODY}",
    "signed length": POST + f"Content-Length: +{len(BODY)}\r\n\r\n{BODY}",
    "negative length": POST + "Content-Length: -1\r\n\r\n",
    "empty length": POST + "Content-Length:\r\n\r\n",
    "hex length": POST + f"Content-Length: 0xc\r\n\r\n{BODY}",
    "endless length": POST + "Content-Length: 18446744073709551628\r\n\r\n" + BODY,
    "length and chunks": POST + SIZED + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + "Transfer-Encoding: chunked\r\n" + SIZED + "\r\n0\r\n\r\n",
    "space before the coding's colon": POST + "Transfer-Encoding : chunked\r\n" + SIZED + "\r\n" + BODY,
    "another coding": POST + "Transfer-Encoding: gzip\r\n\r\n",
    "two codings": POST + "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    "two coding headers": POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": POST.replace("1.1", "1.0") + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size 0x3": CHUNKED + "0xc\r\n" + BODY + "\r\n0\r\n\r\n",
    "chunk size +3": CHUNKED + "+c\r\n" + BODY + "\r\n0\r\n\r\n",
    "chunk size with a space": CHUNKED + " c\r\n" + BODY + "\r\n0\r\n\r\n",
    "overlong chunk size": CHUNKED + "0000000000000000c\r\n" + BODY + "\r\n0\r\n\r\n",
    "no chunk size": CHUNKED + "\r\n" + BODY + "\r\n0\r\n\r\n",
    "bare LF after a chunk size": CHUNKED + "c\n" + BODY + "\r\n0\r\n\r\n",
    "bare LF after a chunk": CHUNKED + "c\r\n" + BODY + "\n0\r\n\r\n",
    "bare LF in an extension": CHUNKED + "c;a\nb\r\n" + BODY + "\r\n0\r\n\r\n",
    "chunk longer than its size": CHUNKED + "b\r\n" + BODY + "\r\n0\r\n\r\n",
    "no final chunk": CHUNKED + "c\r\n" + BODY + "\r\n" + GOOD,
    "no end of the trailer": CHUNKED + "c\r\n" + BODY + "\r\n0\r\n" + GOOD,
    "length in the trailer": CHUNKED + "c\r\n" + BODY + "\r\n0\r\nContent-Length: 1\r\n\r\n",
    "folded trailer": CHUNKED + "c\r\n" + BODY + "\r\n0\r\nX: a\r\n b\r\n\r\n",
    "body on HEAD": get(SIZED, method="HEAD") + BODY,
}
# Other answers than 400 bad_framing.
OTHERS = {
    "two slashes": (400, "bad_uri"),
    "long target": (414, "uri_too_long"),
    "endless request line": (414, "uri_too_long"),
    "long header": (431, "headers_too_large"),
    "many headers": (431, "headers_too_large"),
    "long extensions": (431, "headers_too_large"),
    "long trailer": (431, "headers_too_large"),
    "large length": (413, "body_too_large"),
    "large chunk": (413, "body_too_large"),
    "many chunks": (413, "body_too_large"),
    "another expectation": (417, "expectation_failed"),
}
LARGE = {
    "long target": get(target="/" + "a" * 8192),
    "endless request line": "GET /" + "a" * 9000,
    "long header": get("X: " + "a" * 16384 + "\r\n"),
    "many headers": get("X: 1\r\n" * 64),
    "long extensions": CHUNKED + ("1;" + "a" * 2000 + "\r\nx\r\n") * 9,
    "long trailer": CHUNKED + "0\r\nX: " + "a" * 16384 + "\r\n\r\n",
    "large length": POST + "Content-Length: 262145\r\n\r\n",
    "large chunk": CHUNKED + "40001\r\n",
    "many chunks": CHUNKED + ("4000\r\n" + "a" * 0x4000 + "\r\n") * 16 + "1\r\n",
    "another expectation": POST + SIZED + "Expect: 200-ok\r\n\r\n" + BODY,
}

LEGAL = {
    "plain": (GOOD, [200]),
    "an empty line before": ("\r\n" + GOOD, [200]),
    "pipelined": (GOOD * 5, [200] * 5),
    "HTTP/1.0": (get(version="HTTP/1.0", host=""), [200]),
    "HTTP/1.0 kept alive": (get("Connection: keep-alive\r\n", version="HTTP/1.0", host="") + GOOD, [200, 200]),
    "close in a list": (get("Connection: x, Close\r\n") + GOOD, [200]),
    "values with tabs and UTF-8": (get("X: \ta \xe9\x82\xbb\t\r\nY:\r\n"), [200]),
    "OPTIONS": (get(method="OPTIONS") + GOOD, [204, 200]),
    "OPTIONS of the server": (get(target="*", method="OPTIONS") + GOOD, [204, 200]),
    "TRACE": (get(method="TRACE") + GOOD, [405, 200]),
    "absolute-form": (get(target="http://linli.example/healthz") + GOOD, [200, 200]),
    "absolute-form with a query": (get(target="HTTPS://[::1]:80/v1/grids?limit=1") + GOOD, [401, 200]),
    "sized body": (POST + SIZED + "\r\n" + BODY + GOOD, [422, 200]),
    "chunked body": (CHUNKED + "5\r\n{\"nos\r\n7\r\nuch\":1}\r\n0\r\n\r\n" + GOOD, [422, 200]),
    "extensions and trailers": (
        CHUNKED + "5;a\r\n{\"nos\r\n07 ;b=\"c;d\";e\r\nuch\":1}\r\n0;z\r\nX-Sum: 1\r\nY:\r\n\r\n" + GOOD, [422, 200]),
    "bytes like a head in a body": (POST + f"Content-Length: {len(GOOD) + 2}\r\n\r\n\"{GOOD}\"" + GOOD, [400, 200]),
    "expectation with the body": (POST + SIZED + "Expect: 100-continue\r\n\r\n" + BODY + GOOD, [422, 200]),
    "expectation in HTTP/1.0": (POST.replace("1.1", "1.0") + SIZED + "Expect: x\r\n\r\n" + BODY, [422]),
}

MODES = ("whole", "bytes", "behind")


def send(c, text, mode, token):
    data = text.encode("latin-1")
    c.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if mode == "behind":
        # One whose reply takes a while: it waits for the database.
        data = get(f"Authorization: Bearer {token}\r\n", target="/v1/grids?limit=1").encode() + data
    # The server may be through with us before all has gone out.
    with contextlib.suppress(ConnectionError):
        if mode != "bytes":
            c.send(data)
        else:
            for i in range(len(data)):
                c.send(data[i:i + 1])


def is_refused(c, status, code):
    """The one problem, then the end; nothing sent later is answered."""
    reply = c.read()
    assert reply is not None, "closed without a word"
    assert (reply.status, reply.header("Connection")) == (status, "close")
    assert reply.header("Content-Type") == "application/problem+json"
    assert reply.header("Date") and reply.header("X-Request-Id")
    problem = json.loads(reply.body)
    assert (problem["status"], problem["code"]) == (status, code), problem
    with contextlib.suppress(ConnectionError):
        c.send(GOOD.encode())
    assert c.closed(), c.data


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FAULTS)
def test_malformed_messages_are_refused(shared, name, mode):
    """security 18"""
    with raw.Connection(shared.server.url) as c:
        send(c, FAULTS[name], mode, shared.site.tokens["lead"])
        if mode == "behind":
            assert c.read().status == 200
        is_refused(c, *OTHERS.get(name, (400, "bad_framing")))


@pytest.mark.parametrize("mode", ("whole", "behind"))
@pytest.mark.parametrize("name", LARGE)
def test_what_is_too_much_is_refused(shared, name, mode):
    with raw.Connection(shared.server.url) as c:
        send(c, LARGE[name], mode, shared.site.tokens["lead"])
        if mode == "behind":
            assert c.read().status == 200
        is_refused(c, *OTHERS[name])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", LEGAL)
def test_legal_messages_pass(shared, name, mode):
    text, statuses = LEGAL[name]
    with raw.Connection(shared.server.url) as c:
        send(c, text, mode, shared.site.tokens["lead"])
        for status in [200] * (mode == "behind") + statuses:
            reply = c.read()
            while reply.status == 100:
                reply = c.read()
            assert reply.status == status, reply.body
            if status == 422:
                assert "/nosuch" in [e["pointer"] for e in json.loads(reply.body)["errors"]], reply.body


def test_limits_are_exact(shared):
    """The last allowed byte passes: 8 KiB, 16 KiB and 64 are the settings."""
    line = "GET /healthz?x={} HTTP/1.1"
    with raw.Connection(shared.server.url) as c:
        c.send((line.format("a" * (8194 - len(line))) + "\r\n" + HOST + "\r\n").encode())
        assert c.read().status == 400  # no such parameter, says the handler
        c.send(get("X: " + "a" * (16384 - len(HOST) - 7) + "\r\n").encode())
        assert c.read().status == 200
        c.send(get("X: 1\r\n" * 63).encode())
        assert c.read().status == 200


def test_absent_host_reads_as_a_problem_in_both_languages(shared):
    for lang, sentence in (("en-GB", "not well-formed"), ("zh-CN", "HTTP 规范"), ("fr", "HTTP 规范")):
        with raw.Connection(shared.server.url) as c:
            c.send(get(f"Accept-Language: {lang}\r\n", host="").encode())
            reply = c.read()
            assert sentence in json.loads(reply.body)["title"]
            assert reply.header("Content-Language") == ("en" if lang == "en-GB" else "zh-CN")


def test_head_has_no_body_and_the_next_request_is_read(shared):
    with raw.Connection(shared.server.url) as c:
        c.send(get(method="HEAD").encode() + GOOD.encode())
        assert c.read("HEAD").status == 200
        assert c.read().body


def test_expectation_is_answered_before_the_body(shared):
    with raw.Connection(shared.server.url) as c:
        c.send((POST + SIZED + "Expect: 100-continue\r\n\r\n").encode())
        assert c.read().status == 100
        c.send(BODY.encode())
        assert c.read().status == 422
    with raw.Connection(shared.server.url) as c:
        c.send((POST + "Content-Length: 9999999\r\nExpect: 100-continue\r\n\r\n").encode())
        is_refused(c, 413, "body_too_large")


def test_body_limit_is_the_operations_own(shared):
    """security 19: Known from the head alone: nothing of the body has been sent."""
    most = shared.spec.by_id["uploadPhoto"].op["x-max-body"]
    head = ("POST /v1/photos HTTP/1.1\r\n" + HOST + "Content-Type: image/png\r\n"
            "Content-Length: {}\r\nExpect: 100-continue\r\n\r\n")
    with raw.Connection(shared.server.url) as c:
        c.send(head.format(most).encode())
        assert c.read().status == 100
    with raw.Connection(shared.server.url) as c:
        c.send(head.format(most + 1).encode())
        is_refused(c, 413, "body_too_large")


def test_refused_upload_can_read_why(shared):
    """The reply comes through while the client goes on sending, and its
    connection ends in order: a reset could cost it the reply."""
    with raw.Connection(shared.server.url) as c:
        c.send((POST + "Content-Length: 4000000\r\n\r\n").encode())
        for _ in range(40):
            c.send(b" " * 100000)
        assert c.read().status == 413
        assert c.socket.recv(1) == b""


def test_message_cut_short_by_the_client(shared):
    for text in ("GET /hea", get(host="Host: a")[:-2], POST + SIZED + "\r\n" + BODY[:-1],
                 CHUNKED + "c\r\n" + BODY + "\r\n", CHUNKED + "c\r\n" + BODY + "\r\n0\r\n"):
        for before in ("", GOOD):
            with raw.Connection(shared.server.url) as c:
                c.send((before + text).encode())
                c.socket.shutdown(socket.SHUT_WR)
                if before:
                    assert c.read().status == 200
                reply = c.read()
                assert reply and reply.status == 400, text
                assert json.loads(reply.body)["code"] == "bad_framing"
                assert c.closed()


def test_half_closed_client_gets_all_its_replies(shared):
    with raw.Connection(shared.server.url) as c:
        c.send(GOOD.encode() * 50)
        c.socket.shutdown(socket.SHUT_WR)
        assert [c.read().status for _ in range(50)] == [200] * 50
        assert c.closed()
    # More than one write takes, so that the end is there to be read meanwhile.
    with raw.Connection(shared.server.url) as c:
        c.send(get(target="/openapi.json").encode() * 20)
        c.socket.shutdown(socket.SHUT_WR)
        bodies = [c.read().body for _ in range(20)]
        assert len(set(bodies)) == 1 and json.loads(bodies[0])


def test_long_pipeline_is_answered_in_order(shared):
    """More than the buffers hold, read only when all is sent."""
    paths = [f"/v1/nosuch{i}" if i % 3 else "/healthz" for i in range(3000)]
    with raw.Connection(shared.server.url) as c:
        c.send("".join(get(target=p) for p in paths).encode())
        assert [c.read().status for _ in paths] == [404 if "nosuch" in p else 200 for p in paths]


def test_nothing_behind_a_closing_request_is_answered(shared):
    for text in (get("Connection: close\r\n"), get(version="HTTP/1.0"), get("Connection: te\r\nConnection: close\r\n")):
        with raw.Connection(shared.server.url) as c:
            c.send((text + GOOD).encode())
            assert c.read().status == 200
            assert c.closed()


# Deadlines and limits ---------------------------------------------------------

@pytest.fixture(scope="module")
def hasty(site, spec, tmp_path_factory):
    made = conftest.World(site, spec, tmp_path_factory.mktemp("hasty"), workers=1, head_timeout_s=1, body_timeout_s=1,
                          body_min_rate=1000, idle_timeout_s=2, max_connections=6, max_connections_per_address=4)
    yield made
    made.close()


def connect(world, address="127.0.0.1"):
    """From another address of ours, so that it counts by itself."""
    c = raw.Connection.__new__(raw.Connection)
    host, port = world.server.url.removeprefix("http://").split(":")
    c.host, c.data = host, b""
    c.socket = socket.create_connection((host, int(port)), 20, source_address=(address, 0))
    return c


@pytest.mark.parametrize("text", ["G", get()[:-2], POST + SIZED + "\r\n" + BODY[:-1], CHUNKED + "c\r\n" + BODY])
def test_slow_messages_time_out(hasty, text):
    """security 22"""
    with connect(hasty) as c:
        c.send(text.encode())
        is_refused(c, 408, "request_timeout")
    with connect(hasty) as c:
        c.send((GOOD + text).encode())
        assert c.read().status == 200
        is_refused(c, 408, "request_timeout")


def test_patience_ends_unasked(tmp_path):
    """security 22: what holds where nobody has set anything."""
    (tmp_path / "empty.conf").write_text("")
    said = subprocess.run([harness.LINLID, "--config", tmp_path / "empty.conf", "serve", "--settings"], capture_output=True, text=True,
                          check=True, timeout=20).stdout
    for name, least, most in (("head_timeout_s", 1, 10), ("max_connections_per_address", 1, 5000), ("max_connections", 1, 100000),
                              ("idle_timeout_s", 1, 120), ("body_timeout_s", 1, 120), ("statement_timeout_ms", 1, 10000),
                              ("address_per_minute", 1, 6000), ("login_per_minute", 1, 120)):
        value, = re.findall(rf"^{name} = (\d+)", said, re.M)
        assert least <= int(value) <= most, f"{name} = {value}"


def test_dripping_head_times_out(hasty):
    """security 22: A byte now and then does not put the deadline off."""
    with connect(hasty) as c:
        c.socket.settimeout(0.2)
        for byte in b"GET /aaaaaaaaaaaaaaaaaaaa":
            c.send(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                c.more()
                break
        else:
            pytest.fail("the deadline was put off")
        c.socket.settimeout(20)
        is_refused(c, 408, "request_timeout")


def test_flowing_body_gets_more_time(hasty):
    """2,000 bytes a second for three times the deadline."""
    with connect(hasty) as c:
        c.send((POST + "Content-Length: 12000\r\n\r\n").encode())
        c.socket.settimeout(0.25)
        for _ in range(12):
            c.send(b" " * 500)
            with pytest.raises(TimeoutError):
                c.more()
        c.socket.settimeout(20)
        c.send(b" " * 6000)
        assert c.read().status == 400  # invalid_json: it came through whole


SPEC = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"


def thirsty(world, count):
    """Asks for more than the kernel holds for it."""
    c = connect(world)
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    c.send(SPEC * count)
    return c


def test_slow_reader_is_let_go(hasty):
    """Some bytes now and then do not keep a reply in the server's memory: what
    the kernel holds still comes, and then the end."""
    with thirsty(hasty, 80) as c:
        begin, got = time.monotonic(), 0
        with contextlib.suppress(ConnectionResetError):
            while time.monotonic() < begin + 3:
                got += len(c.socket.recv(50))
                time.sleep(0.1)
            while data := c.socket.recv(65536):
                got += len(data)
        assert got < 40 * len(shared_spec(hasty)), "all came, or nearly"


def test_flowing_reader_gets_more_time(hasty):
    with thirsty(hasty, 80) as c:
        begin = time.monotonic()
        while time.monotonic() < begin + 3:
            c.data += c.socket.recv(8000)
            time.sleep(0.1)
        for _ in range(80):
            assert c.read().body == shared_spec(hasty)


def shared_spec(world):
    with connect(world) as c:
        return c.request("GET", "/openapi.json").body


def test_idle_connection_closes_without_a_word(hasty):
    for before in ("", GOOD):
        with connect(hasty) as c:
            c.send(before.encode())
            assert not before or c.read().status == 200
            assert c.closed()


def test_connections_from_one_address_are_limited(hasty):
    """security 22"""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connect(hasty, "127.0.0.2")) for _ in range(4)]
        for c in held:
            assert c.request("GET", "/healthz").status == 200
        with connect(hasty, "127.0.0.2") as c:
            is_refused(c, 503, "overloaded")
        with connect(hasty, "127.0.0.3") as c:
            assert c.request("GET", "/healthz").status == 200
        held.pop().socket.close()

        def again():
            with connect(hasty, "127.0.0.2") as c:
                return c.request("GET", "/healthz").status == 200
        harness.wait_for(again, "the closed one's place")


@pytest.fixture
def crowded(site, spec, tmp_path):
    """Three workers with one account of who is there."""
    made = conftest.World(site, spec, tmp_path, workers=3, max_connections=8, max_connections_per_address=5)
    yield made
    made.close()


def fill(world, stack, addresses, room):
    """As many as there is room for, whoever takes them, once those who were
    there before have gone; the next is refused."""
    def enter(address):
        c = connect(world, address)
        c.send(GOOD.encode() + b"GET /healthz HTTP/1.1\r\n")  # it may not be closed to make room
        with contextlib.suppress(OSError):
            if c.read().status == 200:
                return c
        c.socket.close()
    for i in range(room):
        stack.enter_context(harness.wait_for(lambda: enter(addresses[i % len(addresses)]), "a place"))
    with connect(world, addresses[0]) as c:
        is_refused(c, 503, "overloaded")


def test_limits_are_of_all_workers(crowded):
    with contextlib.ExitStack() as stack:
        fill(crowded, stack, ["127.0.0.2"], 5)
        fill(crowded, stack, ["127.0.0.3", "127.0.0.4"], 3)


def test_the_dead_hold_no_place(crowded):
    for _ in range(3):
        with contextlib.ExitStack() as stack:
            fill(crowded, stack, ["127.0.0.2"], 5)
            deaths = len(crowded.server.lines("child_died"))
            for i in range(3):
                os.kill(crowded.server.pid(f"worker-{i}"), signal.SIGKILL)
            harness.wait_for(lambda: len(crowded.server.lines("child_died")) >= deaths + 3, "their end to be seen")
            harness.wait_for(lambda: all(crowded.server.pid(f"worker-{i}") for i in range(3)), "others")
    with contextlib.ExitStack() as stack:
        fill(crowded, stack, ["127.0.0.2"], 5)


def test_idle_connections_make_room(hasty):
    with contextlib.ExitStack() as stack:
        held = []
        for i in range(6):
            c = stack.enter_context(connect(hasty, f"127.0.0.{10 + i}"))
            assert c.request("GET", "/healthz").status == 200
            held.append(c)
        with connect(hasty, "127.0.0.30") as c:
            assert c.request("GET", "/healthz").status == 200
            assert held[0].closed()
            assert held[1].request("GET", "/healthz").status == 200


def test_busy_connections_keep_their_place(hasty):
    with contextlib.ExitStack() as stack:
        held = []
        for i in range(6):
            c = stack.enter_context(connect(hasty, f"127.0.0.{10 + i}"))
            c.send(GOOD.encode() + b"GET /healthz HTTP/1.1\r\n")
            assert c.read().status == 200
            held.append(c)
        with connect(hasty, "127.0.0.30") as c:
            is_refused(c, 503, "overloaded")
        for c in held:
            c.send((HOST + "\r\n").encode())
            assert c.read().status == 200


# Anything -----------------------------------------------------------------------

def mutate(rng, text):
    data = bytearray(text.encode("latin-1"))
    for _ in range(rng.randint(1, 4)):
        at, kind = rng.randrange(len(data)), rng.randrange(5)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            del data[at:at + rng.randint(1, 8)]
        elif kind == 2:
            data[at:at] = rng.choice((b"\r", b"\n", b"\r\n", b" ", b"\0", b":", b",", b"0", b"chunked", b"close"))
        elif kind == 3:
            data[at:at] = data[at:at + rng.randint(1, 40)]
        else:
            data[at:at] = rng.choice(list(FAULTS.values())).encode("latin-1")[:60]
        if not data:
            data = bytearray(b"x")
    return bytes(data)


def test_whatever_comes_the_answer_is_ours(shared):
    """security 18: 2,000 seeded mutations: no page of evhttp's, no mismatch, no crash, and
    at most one refusal, the last."""
    rng = random.Random(18)
    sources = [text for text, _ in LEGAL.values()]
    for i in range(2000):
        data = mutate(rng, rng.choice(sources))
        with raw.Connection(shared.server.url) as c:
            with contextlib.suppress(OSError):
                for piece in (data,) if i % 2 else (data[:len(data) // 2], data[len(data) // 2:]):
                    c.send(piece)
                c.socket.shutdown(socket.SHUT_WR)
            refused = False
            while (reply := c.read()) is not None:
                assert not refused, data
                kind = reply.header("Content-Type") or ""
                assert "html" not in kind and b"<HTML" not in reply.body, (data, reply.body)
                if reply.status >= 400:
                    assert kind == "application/problem+json", data
                    refused = reply.header("Connection") == "close" and json.loads(reply.body)["code"] in (
                        "bad_framing", "uri_too_long", "headers_too_large", "expectation_failed")
                assert reply.status < 500, data
    assert not shared.server.lines("guard_mismatch")
