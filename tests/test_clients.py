"""Programs: how they get a token, what it is good for, and how it ends."""

import base64
import concurrent.futures
import hashlib
import json
import time
import uuid

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import phones
import samples
import story

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def make(world, by="street", **fields):
    return samples.act(world, by, "createClient", body={"name": "城运平台", "scopes": ["grids:read"], **fields})["id"]


def secret(world, client):
    return samples.act(world, "street", "addClientSecret", {"id": client})["client_secret"]


def ask(world, client=None, given=None, auth=None, **more):
    form = {"grant_type": "client_credentials", **({"client_id": client} if client else {}),
            **({"client_secret": given} if given else {}), **more}
    headers = {"Authorization": "Basic " + base64.b64encode(":".join(auth).encode()).decode()} if auth else {}
    return world.client().post("/oauth/token", data={k: v for k, v in form.items() if v is not None}, headers=headers)


def token(world, client, given, **more):
    reply = ask(world, client, given, **more)
    assert reply.status_code == 200, reply.text
    return phones.client(world, reply.json())


def refused(reply, status, error):
    assert (reply.status_code, reply.json()["error"]) == (status, error), reply.text
    assert reply.json()["error_description"] and reply.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in reply.headers) == (status == 401)


def test_a_program_gets_a_token_and_uses_it(world):
    client = make(world, scopes=["grids:read", "tickets:read"])
    given = secret(world, client)
    reply = ask(world, client, given)
    body = reply.json()
    assert (reply.status_code, body["token_type"], body["scope"]) == (200, "Bearer", "grids:read tickets:read")
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert reply.headers["Cache-Control"] == "no-store" and reply.headers["Pragma"] == "no-cache"
    program = phones.client(world, body)
    me = program.get("/v1/me").json()
    assert (me["account_id"], me["role"], me["scopes"], me["login"]) == (client, "client", [], None)
    assert program.get("/v1/grids").json()["items"] and program.get("/v1/categories").status_code == 200
    story.refused(program.get("/v1/tickets"), 403, "role_not_allowed")
    assert ask(world, auth=(client, given)).status_code == 200, "HTTP Basic"
    assert ask(world, client, auth=(client, given)).status_code == 200, "and its name in both places"
    assert given not in world.server.log.read_text()
    found, = world.sql("select count(*) from identity.client_secret where hash = %s", hashlib.sha256(given.encode()).hexdigest())
    assert found == (1,)


def test_scopes_are_asked_for_and_held_to(world):
    client = make(world, scopes=["grids:read", "tickets:read"])
    given = secret(world, client)
    narrow = token(world, client, given, scope="grids:read")
    assert narrow.get("/v1/grids").status_code == 200
    reply = narrow.get("/v1/categories")
    story.refused(reply, 403, "insufficient_scope")
    assert reply.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="tickets:read"'
    for scope in ("people:aggregate", "grids:read people:aggregate", "nosuch", "grids:read  tickets:read", '"', "{}"):
        refused(ask(world, client, given, scope=scope), 400, "invalid_scope")


def test_a_program_counts_no_few_people(world):
    """k = 5: of fewer nothing is told, and of no tag of fewer."""
    client = make(world, scopes=["people:aggregate"])
    me = token(world, client, secret(world, client))
    figures = lambda who=me: who.get("/v1/persons/summary", params={"under": samples.GRID}).json()  # noqa: E731
    homes = [samples.person_in(world) for _ in range(4)]
    for person in homes:
        samples.act(world, "community", "tagPerson", {"id": person}, {"code": "veteran"})
    assert figures() == {"grid_id": samples.GRID, "persons": None, "households": None, "minors": None, "verified": None, "tags": []}
    assert figures(world.community)["persons"] == 4
    samples.person_in(world)
    assert figures() == {"grid_id": samples.GRID, "persons": 5, "households": 5, "minors": 0, "verified": 0, "tags": []}
    samples.act(world, "community", "tagPerson", {"id": samples.person_in(world)}, {"code": "veteran"})
    assert figures()["tags"] == [{"code": "veteran", "count": 5}]
    story.refused(me.get("/v1/persons/summary", params={"under": "01900000-0000-8002-8000-100000000012"}), 422, "grid_not_found")
    for path in ("/v1/dwellings", f"/v1/persons/{homes[0]}", f"/v1/households/{homes[0]}"):
        story.refused(me.get(path), 403, "role_not_allowed")


@pytest.mark.parametrize("form, status, error", [
    (b"", 400, "invalid_request"), (b"grant_type", 400, "invalid_request"), (b"grant_type=", 400, "invalid_request"),
    (b"grant_type=password&username=a&password=b", 400, "unsupported_grant_type"),
    (b"grant_type=client_credentials", 401, "invalid_client"),
    (b"grant_type=client_credentials&grant_type=client_credentials", 400, "invalid_request"),
    (b"grant_type=client_credentials&client_id=x&client_secret=y", 401, "invalid_client"),
    (b"grant_type=client_credentials&client_id=%zz", 400, "invalid_request"),
    (b"grant_type=client_credentials&client_id=%00", 400, "invalid_request"),
    (b"grant_type=client_credentials&client_id=\xff", 400, "invalid_request"),
    (b"&".join(b"a%d=1" % n for n in range(20)), 400, "invalid_request"),
    (b"grant_type=client_credentials&client_assertion=x&client_secret=y", 400, "invalid_request"),
    (b"grant_type=client_credentials&client_assertion=x", 400, "invalid_request")])
def test_bad_forms_are_refused_in_the_rfcs_words(shared, form, status, error):
    reply = shared.client().post("/oauth/token", data=form, headers={"Content-Type": "application/x-www-form-urlencoded"})
    if form:
        refused(reply, status, error)
    else:
        assert reply.status_code in (400, 422)


def test_who_is_not_proven_learns_nothing(shared):
    """security 16"""
    client = make(shared)
    given = secret(shared, client)
    replies = [ask(shared, client, given[:-1] + ("A" if given[-1] != "A" else "B")), ask(shared, str(uuid.uuid4()), given),
               ask(shared, auth=(client, "x")), ask(shared, client, "'; --"),
               ask(shared, "01900000-0000-8000-8000-300000000001", given), ask(shared, make(shared), given)]
    for reply in replies:
        refused(reply, 401, "invalid_client")
    assert len({r.content for r in replies}) == 1
    refused(ask(shared, str(uuid.uuid4()), auth=(client, given)), 400, "invalid_request")
    refused(ask(shared, client, given, auth=(client, given)), 400, "invalid_request")
    for bad in ("Bearer x", "Basic !!", "Basic " + base64.b64encode(b"nocolon").decode(), "Basic " + "A" * 2000):
        refused(shared.client().post("/oauth/token", data={"grant_type": "client_credentials"},
                                     headers={"Authorization": bad}), 401, "invalid_client")


def test_secrets_change_over_without_a_gap(world):
    """security 17"""
    client = make(world)
    old, new = secret(world, client), secret(world, client)
    story.refused(world.street.post(f"/v1/clients/{client}/secrets"), 409, "two_secrets_live")
    with_old, with_new = token(world, client, old), token(world, client, new)
    first, _ = world.street.get(f"/v1/clients/{client}").json()["secrets"]
    assert world.street.post(f"/v1/client-secrets/{first['id']}/revoke").status_code == 204
    refused(ask(world, client, old), 401, "invalid_client")
    story.refused(with_old.get("/v1/me"), 401, "session_revoked")
    story.refused(with_new.get("/v1/me"), 401, "session_revoked")
    assert token(world, client, new).get("/v1/me").status_code == 200
    secret(world, client)


def test_what_is_taken_from_a_program_bites_at_once(world):
    """security 8, 14"""
    client = make(world)
    given = secret(world, client)
    program = token(world, client, given)
    got = world.street.get(f"/v1/clients/{client}")
    changed = world.street.put(f"/v1/clients/{client}", {"name": "新名", "scopes": ["tickets:read"]},
                               headers={"If-Match": got.headers["ETag"]})
    assert changed.json()["scopes"] == ["tickets:read"]
    story.refused(program.get("/v1/grids"), 401, "session_revoked")
    program = token(world, client, given)
    story.refused(program.get("/v1/grids"), 403, "insufficient_scope")
    assert world.street.post(f"/v1/clients/{client}/disable").json()["disabled"] is True
    story.refused(program.get("/v1/me"), 401, "session_revoked")
    refused(ask(world, client, given), 401, "invalid_client")
    assert world.street.post(f"/v1/clients/{client}/enable").json()["disabled"] is False
    assert token(world, client, given).delete("/v1/sessions/current").status_code == 204
    kinds = {k for k, in world.sql("select kind from identity.event where account_id = %s", client)}
    assert {"created", "client_secret_added", "client_token", "client_changed", "disabled", "enabled", "logout"} <= kinds


def test_from_where_a_program_may_call(site, spec, tmp_path):
    from conftest import World
    world = World(site, spec, tmp_path, trusted_proxies="127.0.0.1")
    try:
        client = make(world, nets=["192.0.2.0/24", "2001:db8::/32"])
        given = secret(world, client)
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": given}

        def at(address, path="/oauth/token", method="POST", **kw):
            return world.client()(method, path, headers={"X-Forwarded-For": address, **kw.pop("headers", {})}, **kw)
        for outside in ("192.0.3.1", "2001:db9::1", "127.0.0.1"):
            refused(at(outside, data=form), 400, "unauthorized_client")
        for inside in ("192.0.2.77", "2001:db8:5::1"):
            bearer = {"Authorization": "Bearer " + at(inside, data=form).json()["access_token"]}
            assert at(inside, "/v1/me", "GET", headers=bearer).status_code == 200
            story.refused(at("198.51.100.1", "/v1/me", "GET", headers=bearer), 403, "address_not_allowed")
        for bad in (["0.0.0.0/0"], ["10.0.0.1/8"], ["1.2.3.4.5"], ["::/0"]):
            story.refused(world.street.post("/v1/clients", {"name": "x", "scopes": ["grids:read"], "nets": bad}), 422, "net_invalid")
    finally:
        world.close()


def test_each_program_has_its_own_limit(world):
    """security 21"""
    few, many = (make(world, per_minute=1, burst=n) for n in (3, 50))
    clients = [token(world, c, secret(world, c)) for c in (few, many)]
    statuses = [[c.get("/v1/me").status_code for _ in range(6)] for c in clients]
    assert statuses == [[200] * 3 + [429] * 3, [200] * 6]


# Assertions (RFC 7523) -------------------------------------------------------------

def jwk(key, kid):
    kind = jwt.algorithms.ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else jwt.algorithms.RSAAlgorithm
    made = kind.to_jwk(key.public_key())
    return {**(made if isinstance(made, dict) else json.loads(made)), "kid": kid}


EC, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)


def claims(client, **more):
    now = int(time.time())
    made = {"iss": client, "sub": client, "aud": "linli", "iat": now, "exp": now + 120, "jti": uuid.uuid4().hex, **more}
    return {k: v for k, v in made.items() if v is not None}


def prove(world, payload, key=EC, alg="ES256", headers=None, client=None):
    signed = payload if isinstance(payload, str) else jwt.encode(payload, key, alg, headers=headers or {"kid": "one"})
    return ask(world, client, client_assertion_type=ASSERTION, client_assertion=signed)


@pytest.fixture(scope="module")
def keyed(shared):
    return make(shared, jwks={"keys": [jwk(EC, "one"), jwk(RSA, "two")]})


def test_a_program_proves_itself_by_a_key(shared, keyed):
    assert prove(shared, claims(keyed)).status_code == 200
    assert prove(shared, claims(keyed), RSA, "RS256", {"kid": "two"}).status_code == 200
    assert prove(shared, claims(keyed, aud=["other", "linli"]), client=keyed).status_code == 200
    refused(ask(shared, keyed, "x"), 401, "invalid_client")


def test_an_assertion_is_good_once(shared, keyed):
    """security 13"""
    signed = jwt.encode(claims(keyed), EC, "ES256", headers={"kid": "one"})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: prove(shared, signed).status_code, range(8)))
    assert sorted(replies) == [200] + [401] * 7


def test_no_assertion_of_its_own_making_is_taken(shared, keyed):
    """security 10, 11"""
    now = int(time.time())
    other = make(shared)
    bad = [dict(iss=other), dict(sub=other), dict(iss=None), dict(aud="elsewhere"), dict(aud=None), dict(aud=[]), dict(exp=None),
           dict(exp=now - 61), dict(exp=now + 3600), dict(exp=str(now + 60)), dict(exp=now + 60.5), dict(nbf=now + 120),
           dict(jti=None), dict(jti=""), dict(jti="x" * 129), dict(jti=7)]
    for change in bad:
        refused(prove(shared, claims(keyed, **change)), 401, "invalid_client")
    refused(prove(shared, claims(keyed), OTHER), 401, "invalid_client")
    refused(prove(shared, claims(keyed), EC, "ES256", {"kid": "two"}), 401, "invalid_client")
    for header in ({"kid": "one", "crit": ["x"]}, {"kid": "one", "jwk": jwk(OTHER, "one")}, {"kid": "one", "jku": "http://x"}):
        refused(prove(shared, claims(keyed), EC, "ES256", header), 401, "invalid_client")
    none = jwt.encode(claims(keyed), None, "none")
    public = jwk(RSA, "two")["n"]
    for signed in (none, none + "AAAA", "x", "a.b", "a.b.c.d", "..", jwt.encode(claims(keyed), public, "HS256", headers={"kid": "two"}),
                   jwt.encode(claims(keyed), RSA, "RS512", headers={"kid": "two"}), jwt.encode(claims(keyed), RSA, "PS256", headers={"kid": "two"})):
        refused(prove(shared, signed, client=keyed), 401, "invalid_client")


@pytest.mark.parametrize("jwks", [
    {}, {"keys": []}, {"keys": {}}, {"keys": [{"kty": "oct", "k": "AAAA"}]}, {"keys": ["x"]},
    {"keys": [{**jwk(EC, "one"), "crv": "P-384"}]}, {"keys": [{**jwk(EC, "one"), "y": jwk(OTHER, "x")["y"]}]},
    {"keys": [{**jwk(EC, "one"), "d": "AAAA"}]}, {"keys": [{**jwk(EC, "one"), "use": "enc"}]},
    {"keys": [{**jwk(RSA, "two"), "e": "AAAB"}]}, {"keys": [jwk(rsa.generate_private_key(65537, 1024), "weak")]}])
def test_weak_and_wrong_keys_are_refused(shared, jwks):
    """security 17"""
    reply = shared.street.post("/v1/clients", {"name": "x", "scopes": ["grids:read"], "jwks": jwks})
    story.refused(reply, 422, "jwks_invalid")
    assert reply.json()["errors"][0]["pointer"] == "/jwks"
