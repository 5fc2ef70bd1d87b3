"""Signing in with ID tokens of an outside issuer, who may also be slow, wrong,
away, or change its keys."""

import concurrent.futures
import signal
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import fakes.issuer
import harness
import phones
from conftest import World
from story import refused
from test_outbound import certify

PAUSE = 0.5  # instead of OIDC_PAUSE_S


@pytest.fixture
def outside(site, spec, tmp_path):
    """A world of one worker with an issuer of its own, to be broken."""
    issuer = fakes.issuer.Issuer()
    world = World(site, spec, tmp_path, env={"OIDC_PAUSE_MS": f"{PAUSE * 1000:.0f}"}, workers=1, outbound_timeout_ms=1500)
    world.issuer = issuer.known_to(world)
    yield world
    world.close()
    issuer.stop()


def ask(world, token=None, **more):
    return world.client().post("/v1/sessions/oidc", {"id_token": token or world.issuer.token(groups=["wnc-street"]), **more})


def sign_in(world, token=None, **more):
    reply = ask(world, token, **more)
    assert reply.status_code == 201, reply.text
    return phones.client(world, reply.json())


def test_claims_become_roles_and_a_session_of_our_own(outside):
    issuer = outside.issuer
    me = sign_in(outside).get("/v1/me").json()
    assert (me["role"], me["street_id"], me["name"], me["login"]) == ("street", 1, "余文心", None)
    again = sign_in(outside, issuer.token(groups=["x", "wnc-law", "wnc-street"], unit="hongqiao"), role="department").get("/v1/me").json()
    assert (again["account_id"], again["org_name"]) == (me["account_id"], "综合执法队")
    community = sign_in(outside, issuer.token(unit="hongqiao", groups=["wnc-law"], sub="u-2")).get("/v1/me").json()
    assert community["role"] == "community" and community["account_id"] != me["account_id"]
    assert len(issuer.asked) == 1, "its keys are fetched once"
    subject, sealed, label = outside.sql("select subject, sealed, label from identity.login where kind = 'oidc' order by id limit 1")[0]
    assert "u-1" not in subject + sealed and label == "市统一身份"


def test_what_the_issuer_no_longer_says_ends(outside):
    """security 8"""
    street = sign_in(outside)
    nobody = ask(outside, outside.issuer.token(groups=["elsewhere"]))
    refused(nobody, 403, "role_not_granted")
    refused(street.get("/v1/me"), 401, "session_revoked")
    refused(ask(outside, outside.issuer.token(groups={"wnc-street": True})), 403, "role_not_granted")
    department = sign_in(outside, outside.issuer.token(groups="wnc-law"))
    assert department.get("/v1/me").json()["role"] == "department"
    refused(ask(outside, outside.issuer.token(groups="wnc-law"), role="street"), 403, "role_not_granted")
    assert sign_in(outside).get("/v1/me").json()["role"] == "street"


def test_a_role_given_here_is_not_the_issuers_to_take(outside):
    account = sign_in(outside).get("/v1/me").json()["account_id"]
    outside.sql("insert into identity.account_role (account_id, role, street_id, path) values (%s, 'community', 1, '1/2/')", account)
    sign_in(outside, outside.issuer.token(groups="wnc-law"))
    assert outside.sql("select role from identity.account_role where account_id = %s and to_on is null order by role", account) == [
        ("community",), ("department",)]


def test_no_token_but_the_issuers_is_taken(outside):
    """security 10, 11, 12"""
    issuer, now = outside.issuer, int(time.time())
    group = {"groups": ["wnc-street"]}
    for change in (dict(aud="other"), dict(aud=None), dict(aud=["linli-app", "other"]), dict(azp="other"), dict(sub=None), dict(sub=""),
                   dict(sub="x" * 256), dict(exp=None), dict(iat=None), dict(iat=now + 120), dict(exp=str(now + 60)), dict(nbf=now + 120)):
        refused(ask(outside, issuer.token(**group, **change)), 401, "token_invalid")
    for change in (dict(exp=now - 61), dict(iat=now - 700)):
        refused(ask(outside, issuer.token(**group, **change)), 401, "token_expired")
    refused(ask(outside, issuer.token(**group, iss="https://evil.example.org")), 401, "token_invalid")
    refused(ask(outside, issuer.token(**group, iss=None)), 401, "token_malformed")
    other = ec.generate_private_key(ec.SECP256R1())
    for bad in (issuer.token(key=other, **group), issuer.token(headers={"crit": ["x"]}, **group),
                issuer.token(headers={"jwk": fakes.issuer.public(other, "x")}, key=other, **group),
                jwt.encode(issuer.claims(**group), None, "none"), jwt.encode(issuer.claims(**group), "x" * 32, "HS256"),
                outside.site.tokens["street"]):
        reply = ask(outside, bad)
        assert reply.status_code == 401, reply.text
    for bad in ("x", "a.b.c", ".."):
        refused(ask(outside, bad), 401, "token_malformed")
    assert sign_in(outside, issuer.token(**group, aud=["linli-app", "other"], azp="linli-app")).get("/v1/me").status_code == 200
    assert outside.sql("select count(*) from identity.login where kind = 'oidc'") == [(1,)]


def test_acting_for_a_street_takes_a_second_factor_there_too(outside):
    """Where street_totp says so: by amr (RFC 8176), or by the acr that is known to mean it."""
    outside.settings.values["street_totp"] = 1
    outside.settings.write()
    outside.server.process.send_signal(signal.SIGHUP)
    harness.wait_for(lambda: outside.server.lines("reloaded"), "the worker to reload")
    street = lambda **more: outside.issuer.token(groups=["wnc-street"], unit="hongqiao", **more)  # noqa: E731
    for weak in ({}, {"amr": ["pwd"]}, {"amr": "mfa"}, {"acr": "gold"}):
        refused(ask(outside, street(**weak)), 403, "second_factor_missing")
    community = sign_in(outside, street(), role="community")
    refused(community.post("/v1/sessions/switch", {"role": "street"}), 403, "totp_not_enrolled")
    assert sign_in(outside, street(amr=["pwd", "otp"])).get("/v1/me").json()["role"] == "street"
    issuer(outside, "add", "--issuer", outside.issuer.name, "--audience", "linli-app", "--keys", outside.issuer.url + "/keys",
           "--label", "市统一身份", "--acr", "gold")
    refused(ask(outside, street(amr=["mfa"], acr="silver")), 403, "second_factor_missing")
    assert sign_in(outside, street(acr="gold")).get("/v1/me").json()["role"] == "street"


def issuer(world, *args):
    return harness.run_linlid(world.settings, "issuer", *args)


def test_an_issuer_is_entered_and_taken_out_by_command(outside):
    name, group = outside.issuer.name, {"groups": ["wnc-street"]}
    session = sign_in(outside)
    assert [line.split("\t")[5] for line in issuer(outside, "list").splitlines()] == [
        "groups=wnc-law → department 1/ 01900000-0000-8001-8000-600000000001", "groups=wnc-street → street 1/",
        "unit=hongqiao → community 1/2/"]
    of_street = ("--issuer", name, "--claim", "groups", "--value", "wnc-street", "--role", "street", "--street", "1")
    assert issuer(outside, "unmap", *of_street) == ""
    refused(ask(outside, outside.issuer.token(**group)), 403, "role_not_granted")
    refused(session.get("/v1/me"), 401, "session_revoked")
    issuer(outside, "map", *of_street)
    session = sign_in(outside)
    assert issuer(outside, "remove", "--issuer", name) == "" and "\toff\t" in issuer(outside, "list")
    refused(session.get("/v1/me"), 401, "session_revoked")
    refused(ask(outside), 401, "token_invalid")
    for args, says in ((("remove", "--issuer", "x"), "issuer_unknown"), (("unmap", *of_street[:-1], "2"), "claim_unmapped"),
                       (("map", *of_street, "--path", "1/99/"), "grid_not_found"), (("map", "--issuer", "x", *of_street[2:]), "issuer_unknown"),
                       (("map", *of_street, "--org", "01900000-0000-8002-8000-600000000001"), "org_not_found"),
                       (("add", "--issuer", name), "usage"), (("list", "--issuer", name), "usage"), (("map", *of_street[:-1], "x"), "usage"),
                       (("map", *of_street[:-3], "king", "--street", "1"), "usage"), ((), "usage"), (("add", "more"), "usage"),
                       (("add", "--issuer", name, "--audience", "a", "--keys", "ftp://x/", "--label", "x"), "not allowed"),
                       (("add", "--issuer", name, "--audience", "a", "--keys", "https://a@b/", "--label", "x"), "not allowed")):
        with pytest.raises(RuntimeError, match=says):
            issuer(outside, *args)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:127.0.0.1]"])
def test_keys_are_not_fetched_from_our_own_network(site, spec, tmp_path, host):
    """security 31: only by https, and from no address of ours, however it is written."""
    ours = certify(tmp_path / "ca", "localhost")
    fake = fakes.issuer.Issuer(ours)
    world = World(site, spec, tmp_path, workers=1, outbound_ca_file=ours[0], issuer_private=0)
    try:
        world.issuer = fake.known_to(world)
        port = fake.httpd.server_port
        for url in (f"https://{host}:{port}/keys", f"http://{host}:{port}/keys"):
            world.sql("set role linli_owner; select identity.put_issuer(%s, 'linli-app', %s, 'x')", fake.name, url)
            refused(ask(world), 503, "issuer_unavailable")
        assert fake.asked == []
        with pytest.raises(RuntimeError, match="https://"):
            issuer(world, "add", "--issuer", "x", "--audience", "x", "--keys", f"http://{host}/", "--label", "x")
        if host == "localhost":  # who the certificate names: with leave it is asked
            world.settings.values["issuer_private"] = 1
            world.settings.write()
            world.server.process.send_signal(signal.SIGHUP)
            fake.known_to(world)
            harness.wait_for(lambda: ask(world).status_code == 201, "it to be asked")
    finally:
        world.close()
        fake.stop()


def test_new_keys_are_fetched_when_a_token_names_one(outside):
    """security 17"""
    issuer, begun = outside.issuer, time.monotonic()
    sign_in(outside)
    old = issuer.token(groups=["wnc-street"])
    issuer.rotate("rsa")
    harness.wait_for(lambda: ask(outside).status_code == 201, "the new key to be known")
    assert len(issuer.asked) == 2, "asked for once, after a pause"
    refused(ask(outside, old), 401, "token_invalid")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        strange = [pool.submit(ask, outside, issuer.token(headers={"kid": f"k{n}"}, groups=["wnc-street"])) for n in range(30)]
        assert {s.result().status_code for s in strange} == {401}
    assert len(issuer.asked) <= 1 + (time.monotonic() - begun) / PAUSE, "strangers cannot make us ask on and on"


@pytest.mark.parametrize("fault", ["silent", "slow", "status", "garbage", "huge", "redirect", "drop"])
def test_a_bad_issuer_is_a_clear_503_and_holds_up_nobody(outside, fault):
    """security 34"""
    outside.issuer.fault = fault
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(ask, outside) for _ in range(4)]
        harness.wait_for(lambda: outside.issuer.asked, "it to be asked")
        assert outside.resident.get("/v1/me").status_code == 200
        for reply in (w.result() for w in waiting):
            refused(reply, 503, "issuer_unavailable")
            assert int(reply.headers["Retry-After"]) > 0
    assert not [path for path, *_ in outside.issuer.asked if path == "/elsewhere"]
    outside.issuer.fault = None
    harness.wait_for(lambda: ask(outside).status_code == 201, "it to be well again")


def test_known_keys_serve_while_the_issuer_is_away(outside):
    sign_in(outside)
    outside.issuer.fault = "drop"
    issuer = outside.issuer
    strange = issuer.token(headers={"kid": "strange"}, groups=["wnc-street"])
    harness.wait_for(lambda: ask(outside, strange).status_code == 401 and len(issuer.asked) > 1, "it to be asked in vain")
    sign_in(outside)
