"""TLS on the listener: what is spoken, what is refused, a new certificate
without a lost connection, and the guard seeing what was encrypted."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

import harness
import raw
from conftest import World


def certify(folder, name="linli.test"):
    """A self-signed certificate and its key, in place of what was there."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", folder / "key.new", "-out", folder / "cert.new"],
                   check=True, capture_output=True, timeout=30)
    os.chmod(folder / "key.new", 0o640)
    for part in ("key", "cert"):
        os.replace(folder / f"{part}.new", folder / f"{part}.pem")
    return {"tls_certificate": str(folder / "cert.pem"), "tls_key": str(folder / "key.pem")}


@pytest.fixture
def secure(site, spec, tmp_path):
    made = World(site, spec, tmp_path, **certify(tmp_path / "tls"))
    yield made
    made.close()


def context(world, **kw):
    made = ssl.create_default_context(cafile=world.settings.values["tls_certificate"])
    made.set_alpn_protocols(["http/1.1"])
    for name, value in kw.items():
        setattr(made, name, value)
    return made


class Secure(raw.Connection):
    """raw.Connection, encrypted."""

    def __init__(self, world, tls=None, **kw):
        super().__init__(world.server.url)
        try:
            self.socket = (tls or context(world)).wrap_socket(self.socket, server_hostname="127.0.0.1", **kw)
        except BaseException:
            self.socket.close()
            raise

    def subject(self):
        return dict(pair[0] for pair in self.socket.getpeercert()["subject"])["commonName"]


def status(world, path="/healthz", who=None):
    with Secure(world) as c:
        headers = {"Authorization": "Bearer " + world.site.tokens[who]} if who else {}
        return c.request("GET", path, {"Connection": "close", **headers}).status


def descriptors(world):
    return {name: len(os.listdir(f"/proc/{world.server.pid(name)}/fd")) for name in ("worker-0", "worker-1")}


# What is spoken ---------------------------------------------------------------

def test_requests_over_tls(secure):
    assert secure.server.url.startswith("https://")
    with Secure(secure) as c:
        assert c.socket.version() == "TLSv1.3"
        assert c.socket.selected_alpn_protocol() == "http/1.1"
        for _ in range(3):
            assert c.request("GET", "/v1/me", {"Authorization": "Bearer " + secure.site.tokens["lead"]}).status == 200
        # large both ways, and packed
        assert len(c.request("GET", "/openapi.json").body) > 50000
        assert c.request("GET", "/openapi.json", {"Accept-Encoding": "gzip"}).header("Content-Encoding") == "gzip"
        body = json.dumps({"login": "x" * 60, "password": "y" * 200}).encode()
        assert c.request("POST", "/v1/sessions", {"Content-Type": "application/json"}, body).status == 401


def test_versions_and_ciphers(secure):
    old = context(secure, maximum_version=ssl.TLSVersion.TLSv1_2)
    with Secure(secure, old) as c:
        name, version, _ = c.socket.cipher()
        assert version == "TLSv1.2" and name.startswith("ECDHE-") and ("GCM" in name or "POLY1305" in name)
        assert c.request("GET", "/healthz").status == 200
    for ciphers in ("AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384:AES256-SHA"):
        weak = context(secure, maximum_version=ssl.TLSVersion.TLSv1_2)
        weak.set_ciphers(ciphers + ":@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            Secure(secure, weak)
    for option in ("-tls1", "-tls1_1"):
        refused = subprocess.run(
            ["openssl", "s_client", "-connect", secure.server.url[8:], option, "-cipher", "ALL:@SECLEVEL=0"],
            input="", capture_output=True, text=True, timeout=20)
        assert "Cipher is (NONE)" in refused.stdout
    assert status(secure) == 200


def test_another_protocol_is_refused_and_none_is_fine(secure):
    other = context(secure)
    other.set_alpn_protocols(["h2"])
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Secure(secure, other)
    both = context(secure)
    both.set_alpn_protocols(["h2", "http/1.1"])
    with Secure(secure, both) as c:
        assert c.socket.selected_alpn_protocol() == "http/1.1"
    silent = ssl.create_default_context(cafile=secure.settings.values["tls_certificate"])
    with Secure(secure, silent) as c:
        assert c.request("GET", "/healthz").status == 200


def test_sessions_resume_with_any_worker(secure):
    tls = context(secure, maximum_version=ssl.TLSVersion.TLSv1_2)
    with Secure(secure, tls) as c:
        assert c.request("GET", "/healthz").status == 200
        session = c.socket.session
    resumed = []
    for _ in range(12):
        with Secure(secure, tls, session=session) as c:
            resumed.append(c.socket.session_reused)
    assert all(resumed)


def test_a_bad_token_disturbs_nobody(secure):
    """What one request leaves in OpenSSL's list of errors must not end
    another's connection."""
    token = secure.site.tokens["lead"]
    forged = token[:-6] + ("AAAAAA" if token[-6:] != "AAAAAA" else "BBBBBB")
    connections = [Secure(secure) for _ in range(8)]
    with contextlib.ExitStack() as stack:
        for c in connections:
            stack.enter_context(c)
        for _ in range(3):
            for c in connections:
                assert c.request("GET", "/v1/me", {"Authorization": "Bearer " + forged}).status == 401
                assert c.request("GET", "/v1/me", {"Authorization": "Bearer " + token}).status == 200


# What the guard sees ---------------------------------------------------------------

def test_the_guard_sees_what_was_encrypted(secure):
    """security 18: behind a pipelined good request too."""
    with Secure(secure) as c:
        c.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
               b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabc")
        assert c.read().status == 200
        refused = c.read()
        assert refused.status == 400 and json.loads(refused.body)["code"] == "bad_framing"
        assert c.closed()
    with Secure(secure) as c:
        for byte in b"GET /healthz HTTP/1.1\r\nHost: x\r\nX y: 1\r\n\r\n":
            try:
                c.send(bytes([byte]))
            except OSError:
                break
        assert c.read().status == 400


def test_pipelined_requests_are_answered_in_order(secure):
    one = ("GET /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
           + secure.site.tokens["lead"] + "\r\n\r\n").encode()
    with Secure(secure) as c:
        c.send(one * 10 + b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
        assert [c.read().status for _ in range(11)] == [200] * 10 + [404]


def test_a_message_cut_short_tells_no_secret_in_clear(secure):
    """The last word to a client that hung up is encrypted as well."""
    plain = socket.create_connection(("127.0.0.1", int(secure.server.url.rsplit(":", 1)[1])), 20)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context(secure).wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with plain:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
                incoming.write(plain.recv(65536))
        tls.write(b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        plain.sendall(outgoing.read())
        plain.shutdown(socket.SHUT_WR)
        seen = b""
        while data := plain.recv(65536):
            seen += data
    assert b"HTTP/1.1" not in seen and b"problem" not in seen


# Who does not finish ---------------------------------------------------------------

def test_handshakes_have_a_deadline(site, spec, tmp_path):
    """security 22: neither silence nor half a hello keeps a descriptor."""
    world = World(site, spec, tmp_path, **certify(tmp_path / "tls"), head_timeout_s=1, idle_timeout_s=60)
    try:
        before = descriptors(world)
        port = int(world.server.url.rsplit(":", 1)[1])
        hello = ssl.MemoryBIO()
        with contextlib.suppress(ssl.SSLWantReadError):
            context(world).wrap_bio(ssl.MemoryBIO(), hello, server_hostname="x").do_handshake()
        half = hello.read()[:100]
        with contextlib.ExitStack() as stack:
            slow = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 20)) for _ in range(20)]
            for s in slow[10:]:
                s.sendall(half)
            begun = time.monotonic()
            for s in slow:
                assert s.recv(100) == b""
            assert time.monotonic() - begun < 10
            with Secure(world) as c:
                harness.wait_for(lambda: sum(descriptors(world).values()) <= sum(before.values()) + 1, "no leak")
                # whoever has finished it may take longer
                assert c.request("GET", "/healthz").status == 200
    finally:
        world.close()


def test_no_descriptor_is_lost(secure):
    before = descriptors(secure)  # what a start needs for a moment counted in: far below sixty
    for i in range(60):
        if i % 3 == 0:
            status(secure)
        elif i % 3 == 1:
            raw_socket = socket.create_connection(("127.0.0.1", int(secure.server.url.rsplit(":", 1)[1])), 20)
            raw_socket.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")  # no TLS at all
            with contextlib.suppress(ConnectionError):
                assert b"HTTP" not in raw_socket.recv(1000)
            raw_socket.close()
        else:
            Secure(secure).socket.close()

    def lost():
        return {name for name, count in descriptors(secure).items() if count > before[name]}

    harness.wait_for(lambda: not lost(), "no more descriptors than before")


# Operating ---------------------------------------------------------------

def test_sighup_brings_a_new_certificate_and_drops_nobody(secure):
    folder = pathlib.Path(secure.settings.values["tls_key"]).parent
    stop, lost, count = threading.Event(), [], [0]

    def client():
        with Secure(secure) as c:
            while not stop.is_set():
                reply = c.request("GET", "/healthz")
                if reply is None or reply.status != 200:
                    lost.append(reply)
                    return
                count[0] += 1

    threads = [threading.Thread(target=client) for _ in range(4)]
    for t in threads:
        t.start()
    with Secure(secure) as held:
        assert held.subject() == "linli.test"
        certify(folder, "new.linli.test")
        with pytest.raises(ssl.SSLError):
            status(secure)  # the old one is still shown, and no longer known
        secure.server.process.send_signal(signal.SIGHUP)
        harness.wait_for(lambda: len(secure.server.lines("reloaded")) >= 2, "both workers")
        for _ in range(8):
            with Secure(secure) as c:
                assert c.subject() == "new.linli.test"
        at = count[0]
        harness.wait_for(lambda: count[0] > at + 100, "the others to go on")
        assert held.request("GET", "/healthz").status == 200, "the old connection lives"
    stop.set()
    for t in threads:
        t.join(20)
    assert not lost
    # a worker started later has it, too
    old = secure.server.pid("worker-0")
    os.kill(old, signal.SIGKILL)
    harness.wait_for(lambda: secure.server.pid("worker-0") not in (None, old), "another worker")
    assert {status(secure) for _ in range(10)} == {200}


def test_a_bad_new_certificate_changes_nothing(secure):
    path = pathlib.Path(secure.settings.values["tls_certificate"])
    good = path.read_text()
    path.write_text("nonsense")
    secure.server.process.send_signal(signal.SIGHUP)
    harness.wait_for(lambda: len(secure.server.lines("reload_failed")) >= 2, "the refusals")
    path.write_text(good)
    assert {status(secure) for _ in range(6)} == {200}


def test_sigterm_drains(secure):
    """A reply under way is finished, idle connections are told goodbye."""
    exact = context(secure)
    exact.options &= ~0x80  # SSL_OP_IGNORE_UNEXPECTED_EOF, which Python sets
    with Secure(secure, exact, suppress_ragged_eofs=False) as idle, Secure(secure) as busy:
        assert idle.request("GET", "/healthz").status == 200
        body = json.dumps({"login": "resident", "password": "wrong"}).encode()
        busy.send(b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  + b"Content-Length: %d\r\n\r\n" % len(body) + body[:5])
        assert status(secure) == 200
        secure.server.process.send_signal(signal.SIGTERM)
        harness.wait_for(lambda: secure.server.lines("stopping"), "the drain")
        assert idle.socket.recv(10) == b"", "a clean end, by close_notify"
        busy.send(body[5:])
        assert busy.read().status == 401
    secure.server.process.wait(harness.WAIT)


def encrypt(key):
    subprocess.run(["openssl", "pkey", "-in", key, "-out", key.with_suffix(".new"), "-aes256",
                    "-passout", "pass:secret"], check=True, capture_output=True, timeout=30)
    os.replace(key.with_suffix(".new"), key)


@pytest.mark.parametrize("spoil, said", [
    (lambda t: os.chmod(t / "key.pem", 0o644), "everybody may read it"),
    (lambda t: os.chmod(t / "key.pem", 0o602), "everybody may read it"),
    (lambda t: (t / "key.pem").unlink(), "No such file"),
    (lambda t: (t / "cert.pem").write_text("x"), "holds no certificate"),
    (lambda t: (t / "key.pem").write_text("x"), "is not the certificate's key"),
    (lambda t: os.rename(certify(t / "b")["tls_key"], t / "key.pem"), "is not the certificate's key"),
    (lambda t: encrypt(t / "key.pem"), "is not the certificate's key"),  # and nobody is asked for a password
    (lambda t: ((t / "key.pem").unlink(), (t / "key.pem").mkdir(0o700)), "key.pem: not a file"),
])
def test_what_does_not_fit_does_not_start(site, tmp_path, spoil, said):
    """security 17: a world-readable key is refused."""
    tls = tmp_path / "tls"
    settings = harness.Settings(tmp_path, site.cluster, "linli_template", site.keys, **certify(tls))
    harness.run_linlid(settings, "check")
    spoil(tls)
    with pytest.raises(RuntimeError, match=said):
        harness.run_linlid(settings, "check")


def test_certificate_and_key_go_together(site, tmp_path):
    both = certify(tmp_path / "tls")
    for left in both:
        settings = harness.Settings(tmp_path, site.cluster, "linli_template", site.keys, **{left: both[left]})
        with pytest.raises(RuntimeError, match="go together"):
            harness.run_linlid(settings, "check")
