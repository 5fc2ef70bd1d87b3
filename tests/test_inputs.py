"""What clients may put in, generated from the contract: fields that are not
theirs, types that are nearly right, texts that mean something elsewhere,
requests for too much."""

import copy
import json
import re
import urllib.parse
import uuid

import pytest

import contract
import faults
import harness
import raw
import samples
from conftest import World

SPEC = contract.Contract(harness.TOP / "build/openapi.json")
WITH_BODY = sorted((op for op in SPEC.operations if op.body), key=lambda op: op.id)
LISTS = sorted((op for op in SPEC.operations if any(p["name"] == "limit" for p in op.params)), key=lambda op: op.id)


def every(operations):
    return pytest.mark.parametrize("op", operations, ids=lambda op: op.id)


def role_of(op):
    return op.roles[0] if op.roles else None


def client_of(world, op):
    return getattr(world, samples.PERSON[role_of(op)]) if op.roles else world.client()


def post_text(world, op, text, template_ids=None, headers=None):
    """The operation with a body written by hand."""
    path = re.sub(r"\{(\w+)\}", lambda m: (template_ids or {}).get(m[1]) or str(uuid.uuid4()), op.template)
    head = {"Content-Type": "application/json", **({"If-Match": '"1"'} if op.method == "PUT" else {}), **(headers or {})}
    return client_of(world, op)(op.method, path, data=text.encode() if isinstance(text, str) else text, headers=head)


def pointers(reply):
    return {e["pointer"] for e in reply.json()["errors"]}


# Fields that are not the client's ------------------------------------------------

FOREIGN = ("id", "role", "roles", "status", "street_id", "account_id", "owner_id", "created_by", "submitted_by",
           "created_at", "updated_at", "version", "number", "points", "verified", "is_admin", "mine", "actor_id", "path",
           "ticket_id", "session_id", "password_hash", "epoch", "support_count", "_location", "__proto__", "grid_id",
           "grid_ids", "photo_id", "group_id")


def everything(world):
    """All rows of all tables, but not what every request leaves behind, nor
    what the job process tells meanwhile, or takes back of a term that ended."""
    return dict(world.sql(
        "select c.oid::regclass::text, md5(query_to_xml(format('select to_jsonb(x) - ''released_at'' from %s x order by 1',"
        " case c.relname when 'event' then '(select * from core.event where actor_id is not null)'"
        " else c.oid::regclass::text end),"
        " true, false, '')::text) from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind = 'r' and n.nspname in ('core', 'grid', 'ticket', 'identity') and c.relname <> 'attempt'"))


@every(WITH_BODY)
def test_fields_that_are_not_the_clients_change_nothing(shared, op):
    """security 4, 6: beside a body that is right, in a request that would do.
    Among them ids that contradict the path's."""
    known = set(SPEC.resolve(op.body).get("properties", {}))
    foreign = {n: str(uuid.uuid4()) if n.endswith("id") else "zqforeign" for n in FOREIGN if n not in known}
    need = samples.needs(shared, op, role_of(op))
    good = {**(op.example or {}), **need.get("body", {})}
    before = everything(shared)
    reply = samples.call(shared, op, role_of(op), need={**need, "body": {**good, **foreign}})
    if op.id in GEOJSON:  # not read, then
        assert reply.status_code == op.status and not [v for v in foreign.values() if v in reply.text]
        return
    assert reply.status_code == 422 and pointers(reply) == {"/" + n for n in foreign}, reply.text
    for name in sorted(foreign)[:3]:
        reply = samples.call(shared, op, role_of(op), need={**need, "body": {**good, name: None}})
        assert reply.status_code == 422 and pointers(reply) == {"/" + name}, reply.text
    assert everything(shared) == before
    assert samples.call(shared, op, role_of(op), need=need).status_code == op.status, "without them it does"


# RFC 7946, 6.1: readers pass over members they do not know.
GEOJSON = ("previewBoundaries",)


def test_no_body_is_open(shared):
    """security 6: no schema a client sends against lets unknown fields in, but
    GeoJSON's and those of keys (RFC 7517, 4: members not understood are ignored).
    The answers to a category's questions are checked against those."""
    open_, seen = [], []

    def walk(node, at):
        node = SPEC.resolve(node)
        seen.append(at)
        if node.get("additionalProperties"):
            open_.append(at)
        for name, sub in node.get("properties", {}).items():
            walk(sub, f"{at}/{name}")
        for sub in [*node.get("oneOf", []), *([node["items"]] if "items" in node else [])]:
            walk(sub, at)
    for op in WITH_BODY:
        walk(op.body, op.id)
    assert [at for at in open_ if at.split("/")[0] not in GEOJSON and not at.endswith(("/jwks", "/answers"))] == ["sync/items/body"]
    assert {at for at in open_ if at.endswith("/answers")} >= {"submitTicket/answers", "updateTicket/answers"}
    assert len(seen) > 60
    for answers in ({"nosuch": True}, {"overflowing": True, "role": "street"}, {"overflowing": "true"}):
        body = {**SPEC.by_id["submitTicket"].example, "answers": answers}
        reply = shared.resident.post("/v1/tickets", body)
        assert reply.status_code == 422 and all(p.startswith("/answers") for p in pointers(reply)), reply.text


TWO_IDS = [op for op in SPEC.operations if op.template.count("{") > 1]


@every(TWO_IDS)
def test_a_photo_is_found_below_what_it_hangs_on(shared, op):
    """security 4; test_photos_need_their_own_ticket asks it of strangers, too."""
    one, other = (samples.needs(shared, op, role_of(op))["ids"] for _ in range(2))
    assert set(one) == {"id", "photo_id"} and one["id"] != other["id"]
    assert client_of(shared, op).get(op.template.format(**one)).status_code == 200
    assert client_of(shared, op).get(op.template.format(id=one["id"], photo_id=other["photo_id"])).status_code == 404


# Other spellings of methods and paths ----------------------------------------------

def test_methods_in_headers_are_not_read(shared):
    """security 5: only the request line's counts, and only of the contract's."""
    ticket = samples.ticket(shared)
    auth = {"Authorization": "Bearer " + shared.site.tokens["resident"]}
    before = everything(shared)
    for header in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"):
        for method, target, says in (("GET", f"/v1/tickets/{ticket}", "DELETE"), ("GET", f"/v1/tickets/{ticket}", "PUT"),
                                     ("GET", f"/v1/tickets/{ticket}", f"/v1/tickets/{ticket}/withdraw"),
                                     ("GET", "/v1/me", "POST"), ("HEAD", f"/v1/tickets/{ticket}", "POST")):
            assert raw.exchange(shared.server.url, method, target, {**auth, header: says}).status == 200
        refused = raw.exchange(shared.server.url, "POST", f"/v1/tickets/{ticket}", {**auth, header: "GET"})
        assert refused.status == 405, header
        refused = raw.exchange(shared.server.url, "GET", f"/v1/tickets/{ticket}/withdraw", {**auth, header: "POST"})
        assert refused.status == 405, header
    for target in (f"/v1/tickets/{ticket}?_method=DELETE", f"/v1/tickets/{ticket}?method=PUT"):
        assert raw.exchange(shared.server.url, "GET", target, auth).status == 400
    for method in ("FOO", "PROPFIND", "CONNECT", "TRACE", "TRACK", "LINK", "PATCH", "get", "Get", "DELETEX"):
        reply = raw.exchange(shared.server.url, method, f"/v1/tickets/{ticket}", auth)
        assert reply.status in (400, 405, 501) and reply.header("Content-Type") == "application/problem+json", method
    assert everything(shared) == before


@every(SPEC.operations)
def test_other_spellings_of_a_path_reach_nothing(shared, op):
    """security 5: also with a token that may, and ids that exist."""
    target = re.sub(r"\{\w+\}", samples.GRID, op.template)
    pieces = target.strip("/").split("/")
    bad = [target + "/", "/" + target, target.replace("/", "//"), target + "/.", target + "/..", target + "%2F",
           "/" + "%2F".join(pieces), "/" + "%2f".join(pieces), target + "%00", target + ".", target + ";",
           "/x/.." + target, "/%2e" + target, target.replace("/", "\\")]
    bad += ["/" + "/".join([*pieces[:i], changed, *pieces[i + 1:]]) for i, p in enumerate(pieces)
            for changed in {p.upper(), p.capitalize()} - {p} if not re.fullmatch(r"[0-9a-f-]{36}", p)]
    auth = {"Authorization": "Bearer " + shared.site.tokens[samples.PERSON[role_of(op) or "street"]]}
    for spelling in set(bad) - {target}:
        reply = raw.exchange(shared.server.url, op.method, spelling, auth)
        assert reply.header("Content-Type") == "application/problem+json"
        # What has another case is an id beside it, not for everybody to ask for.
        assert (reply.status, json.loads(reply.body)["code"]) in (
            (400, "bad_uri"), (400, "bad_framing"), (404, "not_found"), (403, "role_not_allowed")), f"{op.method} {spelling}"


# JSON ---------------------------------------------------------------------------

# Each is forbidden by a rule of RFC 8259 (or 3629 for the bytes).
FORBIDDEN = [b"", b"\t", b",", b":", b"[", b"]", b"{", b"}", b"[]]", b"{}}", b"[}", b"{]", b"[1,]", b"[,1]", b"[1,,2]", b"[1 2]",
             b"[1;2]", b"[:]", b"[1:2]", b'{"a"}', b'{"a":}', b'{"a" 1}', b'{"a":1 "b":2}', b'{"a":1,}', b'{,"a":1}',
             b'{"a":1,,"b":2}', b"{1:1}", b"{null:1}", b"{a:1}", b"{'a':1}", b"[a]", b"[nul]", b"[nulll]", b"[NULL]", b"[True]",
             b"[tRue]", b"[undefined]", b"[NaN]", b"[-NaN]", b"[Infinity]", b"[-Infinity]", b"[inf]", b"[01]", b"[-01]", b"[00]",
             b"[1.]", b"[.1]", b"[-.1]", b"[1.e1]", b"[1e]", b"[1e+]", b"[1E-]", b"[1ee1]", b"[1e1.0]", b"[0x1]", b"[0b1]", b"[0o1]",
             b"[1_000]", b"[1,000]"[:4] + b"[", b"[+1]", b"[--1]", b"[-]", b"[- 1]", b"[1-1]", b"[1 .0]", b"[$1]", b"[1n]",
             "[１]".encode(), b'["a]', b"['a']", b'["a\nb"]', b'["a\tb"]', b'["\x1f"]', b'["\\a"]', b'["\\x41"]', b'["\\\'"]', b'["\\u12"]',
             b'["\\u00g0"]', b'["\\U0041"]', b'["\\"]', b'["\\u{41}"]', b'["a" "b"]', b'["a"+"b"]', b"[1]//", b"/**/[1]", b"[1]#", b"[/**/1]",
             b"[\x0b1]", b"[\x0c1]", b"[\xc2\xa01]", b"\xe2\x81\xa0[1]", b"\xef\xbb\xbf[1]", b'["\x80"]', b'["\xff"]', b'["\xc0\xaf"]',
             b'["\xe0\x80\xaf"]', b'["\xf0\x80\x80\xaf"]', b'["\xf4\x90\x80\x80"]', b'["\xed\xa0\x80"]', b'["\xed\xbf\xbf"]', b'["\xe4\xb8"]',
             b'["\xf8\x88\x80\x80\x80"]', "[1]".encode("utf-16"), "[1]".encode("utf-16-le"), "[1]".encode("utf-32"), b"[1]\0", b"\0[1]",
             b"[\x001]", b"[1]\x1a", b"[1][2]", b"1 2", b"{}{}", b'{"a":1}"b"', b"*", b"<a/>", b"a=1", b"---\n- 1", b"[1]\xff"]
# And these are allowed, if they are not what the operation wants.
ALLOWED = [b"[]", b" [] ", b"\r\n\t[ ]\n", b"null", b"true", b"0", b"-0", b"-0.0", b"1E+2", b"1e-2", b"0.1e1", b'""', b'"\\/\\b\\f\\n\\r\\t\\"\\\\"',
           b'"\\u4e07"', b'"\\uD83D\\uDE00"', "\"万 😀\u2028\x7f\"".encode(), b'{"":0}', b"[[[[[[[[[[]]]]]]]]]]", b"[1,[2],{\"a\":[]}]",
           b"[" * 31 + b"]" * 31, b'{"a":' * 31 + b"1" + b"}" * 31]


def test_what_is_not_json_is_refused(shared):
    """security 19: whatever the content of the body would have been."""
    op = SPEC.by_id["submitTicket"]
    for text in FORBIDDEN:
        with pytest.raises(ValueError):
            strict_json(text)
        reply = post_text(shared, op, text)
        want = (422, "invalid_request") if text == b"" else (400, "invalid_json")
        assert (reply.status_code, reply.json()["code"]) == want, f"{text}: {reply.text}"
        inside = post_text(shared, op, b'{"title":' + text + b"}")
        assert text in (b"", b":") or inside.status_code in (400, 422), f"{text}: {inside.text}"
    for text in ALLOWED:
        reply = post_text(shared, op, text)
        assert (reply.status_code, reply.json()["code"]) == (422, "invalid_request"), f"{text}: {reply.text}"
    for deep in (b"[" * 33 + b"]" * 33, b'{"a":' * 33 + b"1" + b"}" * 33, b"[" * 100000, b'{"a":' * 40000,
                 b"[" * 16 + b'{"a":' * 17 + b"1" + b"}" * 17 + b"]" * 16):
        assert post_text(shared, op, deep).json()["code"] == "invalid_json"
    for twice in (b'{"a":1,"a":1}', b'{"title":"x","kind":"y","title":"x"}', b'{"a":1,"\\u0061":2}',
                  b'{"answers":{"x":1,"x":1}}', b'[{"a":1,"a":2}]'):
        assert post_text(shared, op, twice).json()["code"] == "invalid_json", twice


def strict_json(text):
    """Python's reader, without what it adds to RFC 8259."""
    def never(word):
        raise ValueError(word)
    return json.loads(text.decode("utf-8", "strict"), parse_constant=never)


def test_too_much_is_refused_before_it_is_read(shared):
    """security 19: with a length that says so nothing of the body is waited for,
    and without one only as much as is allowed."""
    head = "POST /v1/tickets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with raw.Connection(shared.server.url) as c:
        c.send((head + "Content-Length: 1000000000\r\n\r\n{").encode())
        reply = c.read()
        assert (reply.status, json.loads(reply.body)["code"]) == (413, "body_too_large")
    with raw.Connection(shared.server.url) as c:
        c.send((head + "Transfer-Encoding: chunked\r\n\r\n").encode())
        sent, piece = 0, b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        c.socket.settimeout(0.05)
        while not c.data and sent < 64:
            try:
                c.send(piece)
                sent += 1
                c.more()
            except (TimeoutError, ConnectionError):
                pass
        c.socket.settimeout(20)
        assert c.read().status == 413 and sent < 64


# Types ---------------------------------------------------------------------------

TEXTS = ["null", '"1"', "1.0", "1e2", "true", "false", "[]", "{}", "2147483648", "9007199254740993", "-0", '"NaN"', '"null"',
         "-1", "0.5", '""', "[null]", '{"":1}', '[["x"]]']


def literal(schema, text):
    """False: the schema has no place for this text. None: the type fits, the
    rest is the schema's business. Counts 1.0 as no integer: the contract does."""
    schema, nullable = faults.unwrap(SPEC.resolve, schema)
    value = json.loads(text)
    if value is None:
        return nullable or False
    kinds = [b.get("type") for b in map(SPEC.resolve, schema.get("oneOf", []))] + faults.kinds(schema)
    if not any(k and faults.is_of(k, value) for k in kinds if isinstance(k, str)):
        return False
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return None if schema.get("minimum", value) <= value <= schema.get("maximum", value) else False
    return None


def places(schema, example, at=""):
    """(pointer, schema) of every field of a body, objects' own members too."""
    schema, _ = faults.unwrap(SPEC.resolve, schema)
    for name, sub in schema.get("properties", {}).items():
        yield f"{at}/{name}", sub
        inner, _ = faults.unwrap(SPEC.resolve, sub)
        if inner.get("properties"):
            yield from places(inner, (example or {}).get(name), f"{at}/{name}")


def filled(op):
    """A body with every object there, so that its members can be reached."""
    def fill(schema, value):
        schema, _ = faults.unwrap(SPEC.resolve, schema)
        if not schema.get("properties"):
            return value if value is not None else faults.sample(SPEC.resolve, schema)
        return {n: fill(s, (value or {}).get(n)) for n, s in schema["properties"].items()}
    return fill(op.body, op.example)


@every(WITH_BODY)
def test_fields_take_their_own_type_only(shared, op):
    """security 20: each field, also within objects, with each text; those that
    do not fit are named, all of them, and those that fit are not."""
    base, all_places = filled(op), list(places(op.body, op.example))
    depths = {p.count("/") for p, _ in all_places}
    for text in TEXTS:
        for depth in depths:
            body, wrong, right = copy.deepcopy(base), set(), set()
            for pointer, schema in (p for p in all_places if p[0].count("/") == depth):
                *parents, last = pointer[1:].split("/")
                node = body
                for name in parents:
                    node = node[name]
                node[last] = "@@"
                (wrong if literal(schema, text) is False else right).add(pointer)
            reply = post_text(shared, op, json.dumps(body).replace('"@@"', text))
            assert reply.status_code < 500, f"{text}: {reply.text}"
            found = pointers(reply) if reply.status_code == 422 and "errors" in reply.json() else set()
            assert wrong <= found, f"{text}: {wrong - found} not in {reply.text}"
            codes = {e["pointer"]: e["code"] for e in reply.json().get("errors", [])} if found else {}
            assert not [p for p in right if codes.get(p) in ("type", "null")], f"{text}: {reply.text}"


# How much ---------------------------------------------------------------------------

def limit_of(op):
    return next(SPEC.resolve(p["schema"]) for p in op.params if p["name"] == "limit")


# As many as there are of their kind, and nobody can make more of them.
WHOLE = ("listCategories", "listSimilarTickets", "listMyRoles", "listStreets", "getRates", "getLedgerCompleteness", "sync")


def test_every_list_has_a_bound():
    """security 21"""
    for op in SPEC.operations:
        if op.reply and "items" in SPEC.resolve(op.reply).get("properties", {}):
            assert op in LISTS or op.id in WHOLE, op.id
    for op in LISTS:
        limit, most = limit_of(op), 2000 if op.id == "listBoundaries" else 100  # a community's map at once
        assert 1 <= limit["minimum"] <= limit["default"] <= limit["maximum"] <= most, op.id


@pytest.fixture(scope="module")
def crowded(site, spec, tmp_path_factory):
    """300 tickets of the longest sort, and a database that gives each statement
    a second and writes it down."""
    world = World(site, spec, tmp_path_factory.mktemp("crowded"), statement_timeout_ms=1000)
    world.sql(f"alter database {world.database} set log_statement = 'all'")
    world.set_clock("0 s")
    one = samples.ticket(world, title="长" * 60, description="述" * 1900)
    columns = world.sql("select string_agg(quote_ident(attname), ', ') from pg_attribute where attrelid ="
                        " 'ticket.ticket'::regclass and attnum > 0 and attgenerated = ''"
                        " and attname not in ('id', 'number', 'created_at')")[0][0]
    world.sql(f"insert into ticket.ticket (id, number, created_at, {columns}) select core.new_id(1), number || '-' || n,"
              f" created_at - n * interval '1 s', {columns} from ticket.ticket, generate_series(1, 300) n where id = %s", one)
    yield world
    world.close()


def test_nobody_gets_more_than_a_page(crowded):
    """security 21: neither many at once nor by walking far; a reply has an end."""
    for op in LISTS:
        if "{" in op.template:
            continue
        for bad in ("-1", "0", str(limit_of(op)["maximum"] + 1), "1000000000", '"10"', "1e2", "10.0", "9223372036854775808", "NaN", "", "all", "10,10"):
            reply = client_of(crowded, op)(op.method, op.template, params={"limit": bad}, json=op.example)
            assert reply.status_code == 400, f"{op.id} {bad}: {reply.status_code}"
        for name in ("offset", "page", "per_page", "page_size", "fields", "sort", "expand"):
            assert client_of(crowded, op)(op.method, op.template, params={name: "1000000"}, json=op.example).status_code == 400, name
    pages, after = 0, None
    while pages == 0 or after:
        reply = crowded.street.get("/v1/tickets", params={"limit": 100, **({"after": after} if after else {})})
        assert reply.status_code == 200 and len(reply.json()["items"]) <= 100 and len(reply.content) < 1 << 20
        after, pages = reply.json()["next"], pages + 1
    assert pages == 4
    for query in ("status=" + ",".join(["submitted"] * 5000), "status=" + ",".join(f"x{i}" for i in range(500)),
                  "q=" + "%E9%95%BF" * 41, "after=" + "A" * 2000):
        assert crowded.street.get("/v1/tickets?" + query).status_code in (400, 414), query[:40]
    far = {"category": "pets", "crs": "wgs84"}
    for lon, lat in ((104.1, 30.66), (-180, -90), (180, 90), (0, 0)):
        reply = crowded.resident.get("/v1/tickets/similar", params={**far, "lon": lon, "lat": lat})
        assert reply.status_code in (200, 400, 422) and len(reply.content) < 1 << 16


def test_a_statement_has_a_time(crowded):
    """security 21: one that takes long is ended, one that waits for a lock too."""
    good, = crowded.sql("select pg_get_functiondef('identity.me()'::regprocedure)")[0]
    crowded.sql("create or replace function identity.me() returns table (account_id uuid, login text, name text)"
                " language plpgsql security definer as $$ begin perform pg_sleep(60); end $$")
    slow = crowded.lead.get("/v1/me")
    crowded.sql(good)
    with crowded.site.cluster.connect(crowded.database) as lock, lock.cursor() as cur:
        lock.autocommit = False
        cur.execute("lock table ticket.ticket in access exclusive mode")
        waiting = crowded.lead.get("/v1/tickets")
        lock.rollback()
    for reply in (slow, waiting):
        assert reply.status_code == 503 and reply.json()["code"] == "overloaded", reply.text
        assert int(reply.headers["Retry-After"]) >= 1
    assert crowded.lead.get("/v1/me").status_code == crowded.lead.get("/v1/tickets").status_code == 200


# Texts that mean something elsewhere ---------------------------------------------------

MARK = "zqinject"
HOSTILE = ["' or '1'='1", "'; drop table ticket.ticket; --", "\\'; select pg_sleep(9); --", "' union select login from identity.account --",
           '" or ""="', "$$; drop schema core cascade; $$", "$1", "%s%n", "{{7*7}}", "${jndi:ldap://127.0.0.1/x}", "E'\\x27'", "';\n--\n",
           "\u02bc or 1=1", "＇；ｄｒｏｐ", "linli.role", "' || set_config('linli.role','system',false) || '", "<script>alert(1)</script>",
           "../../etc/passwd", "=cmd|' /C calc'!A0", "\\", "\\\\'", "'", '"', "%", "_", "(((", "|&!<->:*", "[a-z]*", "null", "\u2028\u202e"]


def text_places(schema, at=""):
    """Pointers of all fields that take free text."""
    schema, _ = faults.unwrap(SPEC.resolve, schema)
    for name, sub in schema.get("properties", {}).items():
        inner, _ = faults.unwrap(SPEC.resolve, sub)
        if "string" in faults.kinds(inner) and not {"enum", "format", "const"} & set(inner):
            yield f"{at}/{name}", inner.get("maxLength", 10**6)
        yield from text_places(inner, f"{at}/{name}")


def put_text(body, pointer, text):
    *parents, last = pointer[1:].split("/")
    for name in parents:
        body = body.setdefault(name, {}) if isinstance(body.get(name, {}), dict) else {}
    body[last] = text


class Statements:
    """What PostgreSQL wrote down of one database since, entry by entry."""

    def __init__(self, world):
        self.path, self.world = world.site.cluster.folder / "log", world
        self.at = self.path.stat().st_size

    def entries(self):
        with open(self.path, "rb") as f:
            f.seek(self.at)
            text = f.read().decode(errors="replace")
        found = re.split(r"^\d{4}-\d\d-\d\d [\d:.]+ \w+ \[\d+\] (\w+):  ", text, flags=re.M)
        return list(zip(found[1::2], found[2::2]))


def test_no_text_becomes_sql(crowded):
    """security 23: into every text of every body, query and header; it arrives
    as a bound value or not at all, and what is stored is what was sent."""
    seen, tables = Statements(crowded), len(everything(crowded))
    asked = stored = 0
    for op in WITH_BODY:
        if op.id == "switchSession":  # has no free text, and the asker would be gone
            continue
        free = list(text_places(op.body))
        for n in range(0, len(HOSTILE), 1 if op.id in ("submitTicket", "addTicketComment") else 10):
            body = copy.deepcopy(op.example or {})
            for i, (pointer, most) in enumerate(free):
                put_text(body, pointer, (MARK + HOSTILE[(n + i) % len(HOSTILE)])[:most])
            reply = post_text(crowded, op, json.dumps(body), headers={"User-Agent": MARK + HOSTILE[n].encode("ascii", "ignore").decode(
                ).replace("\n", "")})
            assert reply.status_code < 500, reply.text
            asked += 1
    for text in HOSTILE:
        made = crowded.resident.post("/v1/tickets", {**samples.TICKET, "title": MARK + text, "description": MARK + text + " 描述"})
        if made.status_code == 201:
            assert made.json()["title"] == MARK + text
            comment = crowded.resident.post(f"/v1/tickets/{made.json()['id']}/comments", {"text": MARK + text})
            assert comment.status_code == 201 and comment.json()["text"] == MARK + text
            stored += 1
        else:
            assert made.status_code == 422, made.text
        for op in (op for op in SPEC.operations if op.method == "GET" and not op.public):
            for p in (p for p in op.params if p["in"] == "query"):
                schema = SPEC.resolve(p["schema"])
                if "string" in faults.kinds(schema) and (p["name"] in ("q", "building") or text == HOSTILE[0]):
                    path = re.sub(r"\{\w+\}", samples.GRID, op.template)
                    word = urllib.parse.quote((MARK + text)[:schema.get("maxLength", 512)], safe="")
                    reply = client_of(crowded, op).get(f"{path}?{p['name']}={word}")
                    assert reply.status_code in (200, 400, 404, 422), f"{op.id} {p['name']} {text}: {reply.text}"
                    asked += 1
    entries = harness.wait_for(lambda: (e := seen.entries()) and MARK in "".join(t for _, t in e) and e, "the log")
    outside = [f"{kind}: {text[:300]}" for kind, text in entries
               if MARK in text and not (kind == "DETAIL" and text.startswith("parameters: "))]
    assert outside == [], outside[:3]
    assert sum(MARK in text for _, text in entries) > 100 and asked > 200 and stored > 20
    assert len(everything(crowded)) == tables


def test_searches_take_every_character_as_itself(shared):
    """security 24: no error, and never more than what holds it."""
    odd = ["%%", "__", "\\\\", "(((", "[a", "*?", "a|b", "a&b", "!!", ":*", "<->", "''", '""', "$$", "^x", "x$", "..", "%_", "a'b", "\\%",
           "{1", "+?", "@@", "||", "&&", "#>", "->", "()"]
    ids = {t: samples.ticket(shared, title=f"折扣{t}多少") for t in odd if t.strip()}
    for text in odd:
        found = shared.resident.get("/v1/tickets?limit=100&q=" + urllib.parse.quote(text, safe=""))
        assert found.status_code == 200, f"{text}: {found.text}"
        words = [w for w in text.lower().split() if w]
        listed = {i["id"]: i for i in found.json()["items"]}
        for i, item in listed.items():
            whole = shared.resident.get(f"/v1/tickets/{i}").json()
            shown = f"{whole['number']} {whole['title']} {whole['description']}".lower()
            assert all(w in shown for w in words), f"{text} found {shown}"
        near = shared.resident.get("/v1/tickets?limit=100&q=" + urllib.parse.quote(f"折扣{text}多少", safe="")).json()["items"]
        assert {i["id"] for i in near} >= {ids[text]}, text
    for text in ("% ", "_", "\\", "%"):
        assert shared.resident.get("/v1/tickets?q=" + urllib.parse.quote(text, safe="")).status_code == 400, "too short"
