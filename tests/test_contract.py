"""Every operation of the contract against the running server, generated: who
may, what is refused and how it is said, what a good request gets."""

import json
import re
import urllib.parse
import uuid

import jsonschema
import pytest
import requests

import contract
import faults
import harness
import raw
import samples

SPEC = contract.Contract(harness.TOP / "build/openapi.json")
OPERATIONS = sorted(SPEC.operations, key=lambda op: op.id)
PERSON = {"resident": "resident", "grid_lead": "lead", "community": "community", "street": "street",
          "visitor": "visitor", "department": "department", "merchant": "merchant", "client": "program"}
EXPECTED = json.loads((harness.TOP / "tests/roles.json").read_text())


def every(operations=OPERATIONS):
    return pytest.mark.parametrize("op", operations, ids=lambda op: op.id)


def of(kind):
    """Operations that have parameters of a kind, or a JSON body."""
    if kind == "body":
        return [op for op in OPERATIONS if op.body]
    return [op for op in OPERATIONS if any(p["in"] == kind for p in op.params)]


def person_for(op):
    return PERSON[op.roles[0]] if op.roles else None


def send(world, op, person=None, query=None, headers=None, **kw):
    """A request with everything right that is not given: ids that exist
    nowhere, headers that are required."""
    path = op.template
    for p in op.params:
        schema = SPEC.resolve(p["schema"])
        if p["in"] == "path":
            value = str(uuid.uuid4()) if schema.get("format") == "uuid" else \
                faults.sample(SPEC.resolve, schema)
            path = path.replace("{%s}" % p["name"], str(value))
        elif p["in"] == "query" and p.get("required") and p["name"] not in dict(query or {}):
            given = query.items() if isinstance(query, dict) else query or []
            query = [*given, (p["name"], faults.sample(SPEC.resolve, schema))]
        elif p["in"] == "header" and p.get("required"):
            headers = {p["name"]: '"1"', **(headers or {})}
    client = getattr(world, person) if person else world.client()
    # %20 for a space: a plus is a plus here
    text = "?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote) if query else ""
    return client(op.method, path + text, headers=headers, **kw)


def reported(reply):
    return [(e["pointer"], e["code"]) for e in reply.json()["errors"]]


def assert_faults(reply, expected, sent):
    """Exactly the broken places are named, each with its own reason."""
    found = reported(reply)
    assert {p for p, _ in found} == set(expected), f"{sent}\n{reply.text}"
    missing = set(expected.items()) - set(found)
    assert not missing, f"{sent}\n{missing} not in {reply.text}"
    for e in reply.json()["errors"]:
        assert e["detail"] and "{" not in e["detail"], e


# Who may -----------------------------------------------------------------

ROLES = sorted(PERSON)


def test_every_operation_is_in_the_role_table():
    """security 5, 50"""
    assert sorted(EXPECTED) == [op.id for op in OPERATIONS]


@every()
def test_contract_agrees_with_the_role_table(op):
    """security 5, 50"""
    assert op.public == (EXPECTED[op.id] == "public")
    if not op.public:
        assert op.roles == sorted(EXPECTED[op.id])


PROTECTED = [op for op in OPERATIONS if EXPECTED.get(op.id) != "public"]
REFUSED = [(op, role) for op in PROTECTED for role in ROLES if role not in EXPECTED.get(op.id, [])]


@every(PROTECTED)
def test_no_token_is_401(shared, op):
    """security 5, 9"""
    reply = send(shared, op)
    assert (reply.status_code, reply.json()["code"]) == (401, "unauthenticated")
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


@every(PROTECTED)
def test_bad_tokens_are_401(shared, op):
    good = shared.site.tokens[person_for(op)]
    head, claims, signature = good.split(".")
    swapped = shared.site.tokens["street_far"].split(".")[1]
    for token in ("x", good[:-8] + "AAAAAAAA", f"{head}.{swapped}.{signature}",
                  f"eyJhbGciOiJub25lIn0.{claims}.", good + "." + signature):
        reply = send(shared, op, headers={"Authorization": f"Bearer {token}"})
        assert reply.status_code == 401 and reply.json()["code"].startswith("token_"), token
    reply = send(shared, op, headers={"Authorization": "Basic cmVzaWRlbnQ6eA=="})
    assert reply.json()["code"] == "unauthenticated"


@pytest.mark.parametrize("op, role", REFUSED, ids=lambda v: v if isinstance(v, str) else v.id)
def test_other_roles_are_403(shared, op, role):
    """security 5"""
    reply = send(shared, op, PERSON[role], json=op.example)
    assert (reply.status_code, reply.json()["code"]) == (403, "role_not_allowed")


# What is right -------------------------------------------------------------

@pytest.mark.parametrize("op, role", [(op, role) for op in OPERATIONS for role in op.roles or [None]],
                         ids=lambda v: v if isinstance(v, str) else v.id if v else "anyone")
def test_example_works(shared, op, role):
    """The contract's own example, as each role that may; conftest's client
    holds the reply to the schema."""
    reply = samples.call(shared, op, role)
    assert reply.status_code == op.status, f"{op.id}: {reply.status_code} {reply.text[:500]}"


@every([op for op in of("body") if op.example])
def test_greatest_values_are_taken(shared, op):
    """What the schema allows, no column or function behind it refuses."""
    body = faults.at_bounds(SPEC.resolve, op.body, op.example)
    reply = samples.call(shared, op, op.roles[0] if op.roles else None, body=body)
    assert reply.status_code < 500, reply.text
    if reply.status_code >= 400:
        assert reply.json()["code"] not in ("invalid_request", "invalid_value"), reply.text


@every([op for op in OPERATIONS if op.method == "GET"])
def test_head_is_get_without_body(shared, op):
    role = op.roles[0] if op.roles else None
    get, head = samples.call(shared, op, role), samples.call(shared, op, role, method="HEAD")
    assert head.status_code == get.status_code and head.content == b""
    assert set(head.headers) | {"Transfer-Encoding"} == set(get.headers) | {"Transfer-Encoding"}
    assert head.headers["Content-Length"].isdigit()


# What is wrong -------------------------------------------------------------

@every(of("body"))
def test_every_bad_field_is_named(shared, op):
    """security 6, 20"""
    count = 0
    for body, expected in faults.rounds(SPEC.resolve, op.body, op.example):
        reply = send(shared, op, person_for(op), json=body)
        assert reply.status_code == 422, f"{json.dumps(body, ensure_ascii=False)[:500]}\n{reply.text}"
        assert reply.json()["code"] == "invalid_request"
        assert_faults(reply, expected, json.dumps(body, ensure_ascii=False)[:2000])
        count += 1
    assert count > 1


@every(of("body"))
def test_body_must_be_an_object(shared, op):
    for bad in (None, [], "x", 7, True):
        reply = send(shared, op, person_for(op), data=json.dumps(bad),
                     headers={"Content-Type": "application/json"})
        assert reply.status_code == 422, f"{bad}: {reply.text}"
        assert [p for p, _ in reported(reply)] == [""]
    reply = send(shared, op, person_for(op))
    required = SPEC.resolve(op.op["requestBody"]).get("required")
    if required:
        assert (reply.status_code, reported(reply)) == (422, [("", "required")])


@every([op for op in OPERATIONS if any(p["in"] in ("query", "path") for p in op.params)])
def test_unknown_and_repeated_query_parameters_are_400(shared, op):
    known = [p for p in op.params if p["in"] == "query"]
    reply = send(shared, op, person_for(op), query={"nosuch": "1", "Limit": "5"}, json=op.example)
    if any(p["in"] == "path" for p in op.params) and reply.status_code == 404:
        pytest.fail("an unknown parameter was ignored")
    assert reply.status_code in (400, 422)
    assert {("/nosuch", "unknown_parameter"), ("/Limit", "unknown_parameter")} <= set(reported(reply))
    if known:
        name, good = known[0]["name"], faults.sample(SPEC.resolve, known[0]["schema"]) if known[0].get("required") else "1"
        reply = send(shared, op, person_for(op), query=[(name, good), (name, good)], json=op.example)
        assert (reply.status_code, reply.json()["code"]) == (400, "repeated_parameter")


def some_body(op):
    """Its example; of an upload some bytes that are taken for a file."""
    files = sorted(op.media.keys() - {"application/json", "multipart/form-data"})
    return {"json": op.example} if op.example or not files else {"data": b"x", "headers": {"Content-Type": files[0]}}


@every(of("query"))
def test_every_bad_query_parameter_is_named(shared, op):
    """security 21"""
    lists = {p["name"]: list(faults.text_faults(SPEC.resolve, p["schema"]))
             for p in op.params if p["in"] == "query"}
    for n in range(max(map(len, lists.values()))):
        query = {name: found[n][0] for name, found in lists.items() if n < len(found)}
        reply = send(shared, op, person_for(op), query=query, **some_body(op))
        assert (reply.status_code, reply.json()["code"]) == (400, "invalid_parameter"), \
            f"{query}: {reply.text}"
        for name in query:
            codes = [e["code"] for e in reply.json()["errors"]
                     if e["pointer"].split("/")[1] == name and (e["in"], e["name"]) == ("query", name)]
            assert lists[name][n][1] in codes, f"{query}: {reply.text}"


@every(of("path"))
def test_impossible_path_values_are_404(shared, op):
    for bad in ("1", "0", "-1", "null", "018F2A3C-0000-8000-8000-00000000000G", "%E4%B8%87", "a%20b"):
        path = re.sub(r"\{\w+\}", bad, op.template)
        client = getattr(shared, person_for(op)) if op.roles else shared.client()
        headers = {"If-Match": '"1"'} if op.method == "PUT" else None
        reply = client(op.method, path, json=op.example, headers=headers)
        assert reply.status_code in (404, 405), f"{path}: {reply.text}"


@every(of("header"))
def test_bad_headers_are_refused(shared, op):
    for p in (p for p in op.params if p["in"] == "header"):
        bad = ["a" * 65] + (["", "a b", "a/b", "ä"] if p["name"] == "Idempotency-Key" else
                            ["1", '"', '""', 'W/"1"', '"1", "2"'] if p["name"] == "If-Match" else [])
        for text in bad:
            body = some_body(op)
            headers = {**body.pop("headers", {}), p["name"]: text.encode()}
            reply = send(shared, op, person_for(op), headers=headers, **body)
            assert reply.status_code == 400, f"{p['name']}: {text}: {reply.text}"
            assert reply.json()["errors"][0]["name"] == p["name"]
            assert reply.json()["errors"][0]["in"] == "header"


@every([op for op in OPERATIONS if any(p["name"] == "If-Match" for p in op.params)])
def test_change_without_if_match_is_428(shared, op):
    reply = samples.call(shared, op, op.roles[0], headers={"If-Match": None})
    assert (reply.status_code, reply.json()["code"]) == (428, "precondition_required")


@every([op for op in OPERATIONS if op.media])
def test_other_media_types_are_415(shared, op):
    for media in ("text/plain", "application/xml", "application/jsonx", "application/x-www-form-urlencoded",
                  "application/json; charset=gbk", None):
        if media in op.media:
            continue
        reply = send(shared, op, person_for(op), data=b'{"a":1}', headers={"Content-Type": media})
        assert (reply.status_code, reply.json()["code"]) == (415, "unsupported_media_type"), media


@every([op for op in OPERATIONS if not op.media])
def test_body_where_none_is_taken_is_400(shared, op):
    if op.method == "GET":
        return
    reply = send(shared, op, person_for(op), json={"status": "closed"})
    assert (reply.status_code, reply.json()["code"]) == (400, "unexpected_body")


TRAPS = [b'{"a":1}\0', b'{"a":"\0"}', b'{"a":1,"a":2}', b"[" * 33 + b"]" * 33,
         b'{"a":' * 33 + b"1" + b"}" * 33, b'{"a":1e400}', b'{"a":-1e400}', b'{"a":NaN}', b'{"a":Infinity}',
         b'{"a":9223372036854775808}', b'{"a":01}', b'{"a":1.}', b'{"a":.5}', b'{"a":+1}', b'{"a":0x1}',
         b'{"a":"\xff"}', b'{"a":"\xc0\x80"}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\\ud800"}',
         b'{"a":"\\u0000"}', b'{"a":"\x01"}', b'{"a":"\\x"}', b"{'a':1}", b"{a:1}", b'{"a":1,}', b'{"a":1}{}',
         b'\xef\xbb\xbf{"a":1}', b'\xff\xfe{\0}\0', b'{"a":1} x', b"{", b'{"a"', b" ", b"\n", b"nul", b"//\n{}"]


@every(of("body"))
def test_json_traps_are_400(shared, op):
    """security 19"""
    for text in TRAPS:
        reply = send(shared, op, person_for(op), data=text, headers={"Content-Type": "application/json"})
        assert (reply.status_code, reply.json()["code"]) == (400, "invalid_json"), f"{text}: {reply.text}"


@every(of("body"))
def test_too_large_a_body_is_413(shared, op):
    """security 19"""
    most = op.op.get("x-max-body", 262144)
    reply = send(shared, op, person_for(op), data=b'{"a":"' + b"x" * most + b'"}',
                 headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["code"]) == (413, "body_too_large")


# What exists at all --------------------------------------------------------

PATHS = sorted({op.template for op in OPERATIONS})
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "TRACE")


@pytest.mark.parametrize("path", PATHS)
def test_options_and_other_methods(shared, path):
    """security 5, 26"""
    allowed = {op.method for op in OPERATIONS if op.template == path}
    target = re.sub(r"\{\w+\}", str(uuid.uuid4()), path)
    options = shared.client()("OPTIONS", target)
    assert options.status_code == 204
    names = set(options.headers["Allow"].split(", "))
    assert names == allowed | {"OPTIONS"} | ({"HEAD"} if "GET" in allowed else set())
    for method in set(METHODS) - allowed:
        headers = {"Authorization": "Bearer " + shared.site.tokens["street"]}
        reply = raw.exchange(shared.server.url, method, target, headers)
        assert reply.status == 405, f"{method} {target}: {reply.status}"
        assert set(reply.header("Allow").split(", ")) == names
        assert json.loads(reply.body)["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", PATHS)
def test_paths_close_to_one_are_not_it(shared, path):
    """security 5: No other spelling of a path reaches a handler: 400 or 404, never 401."""
    target = re.sub(r"\{\w+\}", str(uuid.uuid4()), path)
    head, tail = target[1:].rsplit("/", 1) if target.count("/") > 1 else ("", target[1:])
    for bad in (target + "/", "/" + target, target + "/x", target.upper(), target.replace("/", "/./", 1),
                target + "%2F", target + "%00", target + ";a=b", f"/{head}%2F{tail}", target + "//",
                target + "/..", target + "%20", target + ".json", target[:-1]):
        if SPEC.find("GET", bad) or any(SPEC.find(m, bad) for m in METHODS) and "%" not in bad:
            continue  # another path of the contract
        for method in sorted({op.method for op in OPERATIONS if op.template == path}):
            reply = raw.exchange(shared.server.url, method, bad)
            assert reply.status in (400, 404), f"{method} {bad}: {reply.status} {reply.body}"
            assert reply.header("Content-Type") == "application/problem+json"


def test_method_override_is_ignored(shared):
    reply = shared.client().get("/healthz", headers={"X-HTTP-Method-Override": "DELETE"})
    assert reply.status_code == 200


@every()
def test_headers_of_every_reply(shared, op):
    """security 26: whatever the answer: nothing kept that is somebody's, no
    guessing of types, no word of what runs here."""
    person = person_for(op)
    path = re.sub(r"\{\w+\}", samples.GRID, op.template)
    auth = {"Authorization": "Bearer " + shared.site.tokens[person]} if person else {}
    for method, headers in ((op.method, auth), (op.method, {}), (op.method, {**auth, "Content-Type": "text/plain"}), ("TRACE", auth)):
        reply = raw.exchange(shared.server.url, method, path, {**headers, "X-Evil": "zqecho"})
        assert reply.header("X-Content-Type-Options") == "nosniff"
        kept = reply.header("Cache-Control")
        assert kept == "no-store" or op.public and reply.status == 200 and kept.startswith("public"), kept
        names = {n.lower() for n, _ in reply.headers}
        assert not names & {"server", "x-powered-by", "via", "set-cookie", "access-control-allow-origin"}, names
        text = " ".join(v for n, v in reply.headers if n not in ("Date", "ETag"))
        assert not re.search(r"(?i)libevent|evhttp|postgres|openssl|debian|linlid|\d+\.\d+\.\d+", text), text
        assert method != "TRACE" or reply.status == 405 and b"zqecho" not in reply.body


def test_every_reply_is_looked_through(shared):
    """security 7: by conftest's client, which all tests use. It sees a field too
    many, a number in clear, and what is private in a resident's reply."""
    mine, theirs = {"mine": True, "address": "1 号"}, {"mine": False, "address": None}
    for role, node in (("resident", {**theirs, "address": "1 号"}), ("resident", [{"x": {**theirs, "position": {}}}]),
                       ("resident", {**theirs, "title": "打 13812345678"}), ("resident", {**theirs, "title": "51010419900101123X"}),
                       ("resident", {"internal": True}), ("resident", {"contact_phone": None}), ("lead", {"contact_phone_mask": "13812345678"})):
        assert contract.exposed(role, node), node
    for role, node in (("resident", mine), ("resident", theirs), ("street", {**theirs, "address": "1 号"}), ("grid_lead", {"internal": True}),
                       ("resident", {"contact_phone_mask": "138****5678", "id": "01900000-0000-8001-8000-13812345678a"})):
        assert not contract.exposed(role, node), node
    reply = shared.resident.get("/v1/me")
    assert contract.role_of(reply) == "resident"
    for broken in ({"extra": 1}, {"login": 7}):
        changed = requests.Response()
        changed.status_code, changed.headers, changed.request = 200, reply.headers, reply.request
        changed._content = json.dumps({**reply.json(), **broken}).encode()
        with pytest.raises(jsonschema.ValidationError):
            SPEC.check_reply("GET", "/v1/me", changed)


def test_served_contract_is_the_bundle(shared):
    """security 50"""
    reply = shared.client().get("/openapi.json")
    assert reply.content == (harness.TOP / "build/openapi.json").read_bytes()
    assert reply.headers["Content-Type"] == "application/json"


@every()
def test_operation_is_served(shared, op):
    """security 50: The routes are the contract's: a call reaches the operation it names."""
    reply = send(shared, op, person_for(op), json=op.example)
    harness.wait_for(lambda: any(
        e["req"] == reply.headers["X-Request-Id"] and e["op"] == op.id
        for e in shared.server.lines("request")), "the log line of " + op.id, 5)
