"""Servers of others that are slow, silent, wrong, endless or not who they say:
whoever signs in through them gets a clear answer, everybody else notices
nothing."""

import base64
import concurrent.futures
import hashlib
import hmac
import socket
import subprocess
import time
import uuid

import pytest

import fakes.gateway
import fakes.wechat
import harness
import phones
from conftest import World

WAIT_MS = 1500


@pytest.fixture
def outside(site, spec, tmp_path):
    """Makes a world with gateways of its own; both end with the test."""
    made = []

    def make(certificate=None, **settings):
        gateway, wechat = fakes.gateway.Gateway(certificate), fakes.wechat.Wechat(certificate=certificate)
        made.extend((gateway, wechat))
        folder = tmp_path / str(len(made))
        folder.mkdir()
        world = World(site, spec, folder, **{
            "sms_url": gateway.url + "/send", "wechat_url": wechat.url, "wechat_app_id": wechat.app,
            "outbound_timeout_ms": WAIT_MS, **settings})
        world.gateway, world.wechat = gateway, wechat
        made.append(world)
        return world

    yield make
    for thing in reversed(made):
        (thing.close if isinstance(thing, World) else thing.stop)()


def certify(folder, name):
    """An authority of its own that vouches for name: (certificate, key)."""
    folder.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, capture_output=True, timeout=30)
    return str(folder / "cert.pem"), str(folder / "key.pem")


def code(world):
    return world.client().post("/v1/logins/sms", {"phone": phones.new(), "purpose": "login"})


def by_wechat(world):
    return world.client().post("/v1/sessions/wechat", {"code": f"login-{uuid.uuid4().hex}"})


FAULTS = ["silent", "slow", "status", "garbage", "huge", "redirect", "drop"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_server_is_a_clear_503_and_holds_up_nobody(outside, fault):
    """security 34"""
    world = outside(workers=1)
    world.gateway.fault = world.wechat.fault = fault
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(ask, world) for ask in (code, by_wechat) * 4]
        # the one worker has all of them under way, and serves on
        harness.wait_for(lambda: world.gateway.asked and world.wechat.asked, "both to be asked")
        begun, served = time.monotonic(), 0
        while not all(w.done() for w in waiting) and time.monotonic() < begun + 1:
            assert world.resident.get("/v1/me").status_code == 200
            served += 1
        assert served or fault not in ("silent", "slow")
        replies = [w.result() for w in waiting]
    # what a gateway says is not read, only whether it took the message
    taken = fault == "garbage"
    for n, reply in enumerate(replies):
        if n % 2 == 0 and taken:
            assert reply.status_code == 202
            continue
        expected = "wechat_unavailable" if n % 2 else "sms_unavailable"
        assert (reply.status_code, reply.json()["code"]) == (503, expected)
        assert int(reply.headers["Retry-After"]) > 0
    assert not [path for path, *_ in world.gateway.asked + world.wechat.asked if path == "/elsewhere"]
    world.gateway.fault = world.wechat.fault = None
    assert code(world).status_code == 202 and by_wechat(world).status_code == 201, "all is well again"


def test_a_server_that_is_away_is_a_503(outside):
    """security 34"""
    world = outside()
    world.gateway.stop(), world.wechat.stop()
    assert code(world).json()["code"] == "sms_unavailable"
    assert by_wechat(world).json()["code"] == "wechat_unavailable"
    # nobody to stop twice
    world.gateway.stop = world.wechat.stop = lambda: None


def test_a_phone_need_not_wait_for_what_was_not_sent(outside):
    world = outside()
    phone = phones.new()
    world.gateway.fault = "status"
    phones.ask(world, phone, status=503)
    assert world.sql("select count(*) from identity.sms_code") == [(0,)]
    world.gateway.fault = None
    phones.ask(world, phone)
    phones.ask(world, phone, status=429)


def test_only_who_the_certificate_names_is_asked(outside, tmp_path):
    """security 34"""
    ours, other = certify(tmp_path / "ours", "localhost"), certify(tmp_path / "other", "elsewhere.test")
    trusted = outside(ours, outbound_ca_file=ours[0])
    assert code(trusted).status_code == 202 and by_wechat(trusted).status_code == 201
    for certificate, authority in ((ours, other[0]), (other, other[0]), (ours, "")):
        world = outside(certificate, outbound_ca_file=authority)
        assert code(world).status_code == 503 and by_wechat(world).status_code == 503
        assert world.gateway.asked == world.wechat.asked == []


def test_how_the_gateway_knows_us(outside):
    token = outside()
    assert code(token).status_code == 202
    (path, _, body, headers), = token.gateway.asked
    assert path == "/send" and headers["Authorization"] == "Bearer sms-test-secret"
    assert headers["Content-Type"] == "application/json"

    signed = outside(sms_auth="hmac",
                     sms_body='{"mobile": ["{phone}"], "text": "code {code}, {minutes} min", "for": "{purpose}"}')
    assert code(signed).status_code == 202
    (_, _, body, headers), = signed.gateway.asked
    assert "Authorization" not in headers
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.digest(b"sms-test-secret", content, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == "v1," + mac
    sent, = signed.gateway.codes()
    assert sent["text"].endswith(", 10 min") and sent["for"] == "login" and sent["mobile"][0].startswith("139")


def test_without_a_gateway_there_is_no_code(outside):
    world = outside(sms_url="", wechat_app_id="")
    assert code(world).json()["code"] == "sms_unavailable"
    reply = by_wechat(world)
    assert (reply.status_code, reply.json()["code"]) == (403, "wechat_off")


def test_calls_are_counted(outside, tmp_path):
    world = outside(workers=1, metrics_listen=f"unix:{tmp_path}/m")
    assert code(world).status_code == 202
    world.wechat.fault = "drop"
    assert by_wechat(world).status_code == 503
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(f"{tmp_path}/m")
        s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = s.makefile("rb").read().decode()
    assert 'linli_outbound_total{service="sms",end="answered"} 1\n' in text
    assert 'linli_outbound_total{service="wechat",end="unreachable"} 1\n' in text


def test_nothing_of_it_stands_in_the_log(outside):
    """security 47"""
    world = outside(log_level="debug")
    assert code(world).status_code == 202 and by_wechat(world).status_code == 201
    reply = world.client().post("/v1/sessions/wechat", {
        "code": "login-canary-1", "phone_code": "phone-13700000001-1"})
    assert reply.status_code == 201
    world.gateway.fault = world.wechat.fault = "status"
    assert code(world).status_code == 503 and by_wechat(world).status_code == 503
    sent = world.gateway.codes()
    secrets = ["sms-test-secret", "wechat-test-secret", "canary", "13700000001", "token-1", "c2Vzc2lvbi1rZXktY2FuYXJ5",
               *(s["phone"] for s in sent), *(f'"{s["code"]}"' for s in sent)]
    text = world.server.log.read_text()
    assert world.server.lines("sms_failed") and world.server.lines("wechat")
    assert [s for s in secrets if s in text] == []
