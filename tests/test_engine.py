"""What the engine promises whatever the domain: addresses, repeats, versions,
cursors, languages, sessions."""

import concurrent.futures
import json
import re
import uuid

import pytest

import harness
import raw
import samples

A_GRID = "01900000-0000-8001-8000-100000000012"


def in_parallel(n, call):
    """call(i) for each i, all at once; what they returned."""
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        return list(pool.map(call, range(n)))


# Addresses ------------------------------------------------------------------

BAD_TARGETS = [
    ("/v1/grids?limit=%00", "bad_uri"), ("/v1/grids?limit=5%001", "bad_uri"), ("/v1/grids?limit=%zz", "bad_uri"),
    ("/v1/grids?limit=%5", "bad_uri"), ("/v1/grids?limit=%", "bad_uri"), ("/v1/grids?a", "bad_query"),
    ("/v1/grids?limit=5&a", "bad_query"), ("/v1/grids?=5", "bad_query"), ("/v1/grids?&", "bad_query"),
    ("/v1/grids?limit=1&limit=2", "repeated_parameter"), ("/v1/grids?limit=5&%6Cimit=5", "repeated_parameter"),
    ("/v1/grids?limit=%FF", "bad_uri"), ("/v1/grids?limit=%C0%80", "bad_uri"), ("/v1/grids?limit=%0A", "bad_uri"),
    ("/v1/grids?limit=%ED%A0%80", "bad_uri"), ("/v1/grids?q=<x>", "bad_uri"), ('/v1/grids?q="x"', "bad_uri"),
    ("/v1//grids", "bad_uri"), ("/v1/grids/", "bad_uri"), ("/v1/./grids", "bad_uri"), ("/v1/../v1/grids", "bad_uri"),
    ("/v1/%2e%2e/grids", "bad_uri"), ("/v1%2Fgrids", "bad_uri"), ("//v1/grids", "bad_uri"), ("/v1/grids%00", "bad_uri"),
    ("/v1/grids\\", "bad_uri"), ("/v1/grids^", "bad_uri"), ("/v1/{grids}", "bad_uri"), ("/v1/grids|", "bad_uri"),
    ("/v1/grids?" + "&".join(f"p{i}=1" for i in range(33)), "too_many_parameters"),
]


@pytest.mark.parametrize("target, code", BAD_TARGETS)
def test_bad_addresses_are_400(shared, target, code):
    reply = raw.exchange(shared.server.url, "GET", target,
                         {"Authorization": "Bearer " + shared.site.tokens["lead"]})
    assert reply.status == 400, f"{reply.status} {reply.body}"
    assert json.loads(reply.body)["code"] == code


@pytest.mark.parametrize("target", [
    "/v1/grids?limit=%35", "/v1/%67rids?limit=5", "http://example.org/v1/grids?limit=5",
    "/v1/grids?limit=5&kind=micro"])
def test_other_spellings_of_the_same_address_are_served(shared, target):
    reply = raw.exchange(shared.server.url, "GET", target,
                         {"Authorization": "Bearer " + shared.site.tokens["lead"]})
    assert reply.status == 200, reply.body
    assert len(json.loads(reply.body)["items"]) <= 5


def test_plus_is_a_plus(shared):
    found = shared.lead.get("/v1/tickets?q=a%2Bb").request.url
    assert found.endswith("a%2Bb")
    reply = shared.lead.get("/v1/tickets?updated_after=2026-11-22T08:00:00+08:00")
    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize("method, name, value", [("POST", "Idempotency-Key", "k-4711"), ("PUT", "If-Match", '"1"')])
def test_a_header_of_the_contract_comes_once(shared, method, name, value):
    path = "/v1/tickets" + ("" if method == "POST" else "/" + samples.ticket(shared))
    with raw.Connection(shared.server.url) as c:
        c.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n{name}: {value}\r\n"
               f"{name.lower()}: {value}\r\nAuthorization: Bearer {shared.site.tokens['resident']}\r\n\r\n".encode())
        reply = c.read()
    faults = {(e["pointer"], e["code"]) for e in json.loads(reply.body)["errors"]}
    assert reply.status == 422 and faults == {("/" + name, "repeated"), ("", "required")}


def test_repeated_headers_are_400(shared):
    """security 12"""
    token = shared.site.tokens["lead"]
    with raw.Connection(shared.server.url) as c:
        c.send(f"GET /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
               f"authorization: Bearer {token}\r\n\r\n".encode())
        reply = c.read()
    assert (reply.status, json.loads(reply.body)["code"]) == (400, "repeated_header")


def test_an_empty_object_is_no_body(shared):
    """Mini-programs send it where nothing is meant."""
    path = f"/v1/tickets/{samples.ticket(shared)}/accept"
    assert shared.lead.post(path, []).json()["code"] == "unexpected_body"
    assert shared.lead.post(path, {}).status_code == 200


# What nobody foresaw -------------------------------------------------------------

@pytest.mark.parametrize("statement, event, logged", [
    ("perform core.fail(409, 'no_such_code')", "unknown_problem", "no_such_code"),
    ("perform secret()", "sql_error", "42883 "), ("raise 'secret %', 42", "sql_error", "P0001 "),
])
def test_what_the_database_says_unasked_stays_in_the_log(world, statement, event, logged):
    world.sql("create or replace function identity.me() returns table (account_id uuid, login text, name text)"
              f" language plpgsql stable security definer as $$begin {statement}; end$$")
    reply = raw.exchange(world.server.url, "GET", "/v1/me",
                         {"Authorization": "Bearer " + world.site.tokens["lead"], "Accept-Language": "en"})
    problem = json.loads(reply.body)
    assert (reply.status, problem["code"]) == (500, "internal_error")
    for word in ("no_such", "secret", "42883", "PL/pgSQL"):
        assert word not in reply.body.decode()
    line, = world.server.lines(event)
    assert line["message"].startswith(logged)


@pytest.mark.parametrize("failures, status", [(3, 200), (4, 503)])
def test_a_deadlock_is_tried_again_three_times(world, failures, status):
    world.sql("create sequence tries; grant usage on sequence tries to public")
    world.sql("create or replace function identity.me() returns table (account_id uuid, login text, name text)"
              f" language plpgsql volatile security definer as $$begin if nextval('public.tries') <= {failures} then"
              " raise 'a deadlock' using errcode = '40P01'; end if; return query select a.id, a.login, a.display_name"
              " from identity.account a where a.id = core.actor(); end$$")
    reply = raw.exchange(world.server.url, "GET", "/v1/me", {"Authorization": "Bearer " + world.site.tokens["lead"]})
    assert reply.status == status and world.sql("select last_value from tries") == [(4,)]
    if status == 503:
        assert json.loads(reply.body)["code"] == "overloaded" and reply.header("Retry-After") == "1"


# Languages --------------------------------------------------------------------

@pytest.mark.parametrize("accept, lang", [
    (None, "zh-CN"), ("zh-CN,zh;q=0.9", "zh-CN"), ("en-US,en;q=0.5", "en"), ("fr", "zh-CN"),
    ("zh-CN,en;q=0.8", "zh-CN"), ("en,zh;q=0.8", "en"), ("*", "zh-CN")])
def test_problems_speak_the_callers_language(shared, accept, lang):
    problems = shared.spec.doc["x-problems"]
    for method, path, code in (("GET", "/v1/me", "unauthenticated"), ("GET", "/nosuch", "not_found"),
                               ("DELETE", "/healthz", "method_not_allowed")):
        headers = {"Accept-Language": accept} if accept else {}
        reply = raw.exchange(shared.server.url, method, path, headers)
        problem = json.loads(reply.body)
        assert problem["code"] == code
        assert problem["title"] == problems[code]["en" if lang == "en" else "zh"]
        assert reply.header("Content-Language") == lang


def test_faults_speak_the_callers_language(shared):
    def detail(lang):
        reply = shared.lead.get("/v1/grids?limit=0", headers={"Accept-Language": lang})
        return reply.json()["errors"][0]["detail"]
    assert detail("en") == "Must be at least 1."
    assert detail("zh-CN") == "不能小于 1。"


# Idempotency-Key ---------------------------------------------------------------

def tickets(world):
    return world.sql("select count(*) from ticket.ticket")[0][0]


def test_fifty_parallel_submits_make_one_ticket(shared):
    """security 38"""
    before, key = tickets(shared), uuid.uuid4().hex
    replies = in_parallel(50, lambda _: shared.client("resident").post(
        "/v1/tickets", samples.TICKET, headers={"Idempotency-Key": key}))
    assert {r.status_code for r in replies} == {201}, {r.status_code: r.text for r in replies}
    assert len({r.content for r in replies}) == 1
    assert len({r.headers["Location"] for r in replies}) == 1
    assert tickets(shared) == before + 1


def test_a_key_is_written_with_its_effect(shared):
    """security 38: by one transaction, so that none is there without the other."""
    key = uuid.uuid4().hex
    made = shared.resident.post("/v1/tickets", samples.TICKET, headers={"Idempotency-Key": key}).json()
    assert shared.sql("select i.xmin = t.xmin, i.xmin::text = (e.xact::text::bigint & 4294967295)::text"
                      " from core.idempotency i, ticket.ticket t, core.event e"
                      " where i.key = %s and t.id = %s and e.subject_id = t.id", key, made["id"]) == [(True, True)]


def test_same_key_with_another_request_is_422(shared):
    """security 38"""
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first = shared.resident.post("/v1/tickets", samples.TICKET, headers=key)
    assert first.status_code == 201
    before = tickets(shared)
    other = shared.resident.post("/v1/tickets", {**samples.TICKET, "title": "另一件事"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    path = f"/v1/tickets/{first.json()['id']}/comments"
    other = shared.resident.post(path, {"text": "另一条路"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    again = shared.resident.post("/v1/tickets", samples.TICKET, headers=key)
    assert again.content == first.content and tickets(shared) == before


def test_keys_of_two_users_are_apart(shared):
    """security 38"""
    key = {"Idempotency-Key": uuid.uuid4().hex}
    one = shared.resident.post("/v1/tickets", samples.TICKET, headers=key).json()
    two = shared.resident2.post("/v1/tickets", samples.TICKET, headers=key).json()
    assert one["id"] != two["id"]


def test_a_replay_survives_a_later_change(shared):
    """The stored reply comes again, not what the ticket has become."""
    key = {"Idempotency-Key": uuid.uuid4().hex}
    ticket = samples.ticket(shared, "submitted")
    first = shared.lead.post(f"/v1/tickets/{ticket}/accept", headers=key)
    assert first.status_code == 200, first.text
    assert shared.lead.post(f"/v1/tickets/{ticket}/start").status_code == 200
    again = shared.lead.post(f"/v1/tickets/{ticket}/accept", headers=key)
    assert (again.status_code, again.content) == (200, first.content)


def test_a_failed_request_does_not_use_up_its_key(shared):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    ticket = samples.ticket(shared, "submitted")
    bad = shared.lead.post(f"/v1/tickets/{ticket}/start", headers=key)
    assert (bad.status_code, bad.json()["code"]) == (409, "wrong_state")
    assert shared.lead.post(f"/v1/tickets/{ticket}/accept").status_code == 200
    assert shared.lead.post(f"/v1/tickets/{ticket}/start", headers=key).status_code == 200


def test_a_key_lives_24_hours(world):
    """security 38"""
    key = {"Idempotency-Key": "the-key"}
    first = world.resident.post("/v1/tickets", samples.TICKET, headers=key)
    world.set_clock("23 hours 59 minutes")
    tokens = samples.login(world)
    headers = {**key, "Authorization": "Bearer " + tokens["access_token"]}
    assert world.client().post("/v1/tickets", samples.TICKET, headers=headers).content == first.content
    world.set_clock("24 hours 1 minute")
    tokens = samples.login(world)
    headers["Authorization"] = "Bearer " + tokens["access_token"]
    later = world.client().post("/v1/tickets", samples.TICKET, headers=headers)
    assert later.status_code == 201 and later.json()["id"] != first.json()["id"]
    assert tickets(world) == 2


# Versions ------------------------------------------------------------------------

def test_etag_304_412_428(shared):
    """security 39"""
    path = f"/v1/grids/{A_GRID}"
    first = shared.community.get(path)
    tag = first.headers["ETag"]
    same = shared.community.get(path, headers={"If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    assert shared.community.get(path, headers={"If-None-Match": '"nosuch"'}).status_code == 200
    body = {"name": first.json()["name"], "household_count": 61, "person_count": 150}
    assert shared.community.put(path, body).status_code == 428
    changed = shared.community.put(path, body, headers={"If-Match": tag})
    assert changed.status_code == 200 and changed.headers["ETag"] != tag
    stale = shared.community.put(path, body, headers={"If-Match": tag})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_conflict")
    assert shared.community.get(path, headers={"If-None-Match": tag}).json()["household_count"] == 61


def test_of_two_writers_one_is_told(shared):
    """security 39"""
    path = f"/v1/grids/{A_GRID}"
    first = shared.community.get(path)
    body = {"name": first.json()["name"], "household_count": 62, "person_count": 150}
    replies = in_parallel(8, lambda i: shared.client("community").put(
        path, {**body, "person_count": 150 + i}, headers={"If-Match": first.headers["ETag"]}))
    assert sorted(r.status_code for r in replies) == [200] + [412] * 7


def test_two_leads_accept_at_once(shared):
    """security 39"""
    for _ in range(10):
        ticket = samples.ticket(shared, "submitted")
        replies = in_parallel(2, lambda i: shared.client(("lead", "lead2")[i]).post(
            f"/v1/tickets/{ticket}/accept"))
        assert sorted(r.status_code for r in replies) == [200, 409]
        lost = max(replies, key=lambda r: r.status_code)
        assert lost.json()["code"] == "already_accepted"


# Cursors -----------------------------------------------------------------------

def walk(client, path, limit, **query):
    """Every page to the end; the items' ids."""
    ids, after, pages = [], None, 0
    while True:
        params = {"limit": limit, **query, **({"after": after} if after else {})}
        page = client.get(path, params=params).json()
        assert len(page["items"]) <= limit
        ids += [i["id"] for i in page["items"]]
        after, pages = page["next"], pages + 1
        if after is None:
            return ids, pages
        assert page["items"] and pages < 1000


@pytest.mark.parametrize("path, table", [
    ("/v1/grids", "grid.grid"), ("/v1/compounds", "grid.compound"), ("/v1/tickets", "ticket.ticket")])
def test_cursors_walk_everything_once(shared, path, table):
    for _ in range(7):
        samples.ticket(shared, "submitted")
    expected = {r[0] for r in shared.sql(f"select id::text from {table} where street_id = 1")}
    for limit in (1, 2, 3, 100):
        ids, pages = walk(shared.street, path, limit)
        assert len(ids) == len(set(ids)) and set(ids) == expected
        assert pages == -(-len(expected) // limit)


def test_a_list_growing_while_walked_repeats_nothing(shared):
    page = shared.street.get("/v1/tickets?limit=2").json()
    seen = [i["id"] for i in page["items"]]
    before = {r[0] for r in shared.sql("select id::text from ticket.ticket where street_id = 1")}
    while page["next"]:
        samples.ticket(shared, "submitted")
        page = shared.street.get("/v1/tickets", params={"limit": 5, "after": page["next"]}).json()
        seen += [i["id"] for i in page["items"]]
        assert len(seen) < 500
    assert len(seen) == len(set(seen)) and before <= set(seen)


@pytest.mark.parametrize("cursor", ["x", "AAAA", "bnVsbA", "Jw", "MSBvciAxPTE", "%2Fw", "a" * 512])
def test_foreign_cursors_are_400(shared, cursor):
    for path in ("/v1/grids", "/v1/tickets", "/v1/compounds", "/v1/grid-groups"):
        reply = shared.street.get(f"{path}?after={cursor}")
        assert reply.status_code in (200, 400), reply.text
        if reply.status_code == 200:
            assert reply.json()["next"] is None or reply.json()["items"]


# Sessions ----------------------------------------------------------------------

def bearer(tokens):
    return {"Authorization": "Bearer " + tokens["access_token"]}


def me(world, tokens):
    return world.client().get("/v1/me", headers=bearer(tokens)).status_code


def refresh(world, tokens):
    return world.client().post("/v1/sessions/refresh", {"refresh_token": tokens["refresh_token"]})


def age_spent(world):
    """The five seconds' grace for a client that called twice is over."""
    world.sql("update identity.refresh_token set spent_at = spent_at - interval '6 seconds'")


def test_refresh_reuse_kills_the_family(shared):
    """security 13"""
    first = samples.login(shared)
    second = refresh(shared, first).json()
    third = refresh(shared, second).json()
    assert me(shared, third) == 200
    age_spent(shared)
    reused = refresh(shared, first)
    assert (reused.status_code, reused.json()["code"]) == (401, "session_revoked")
    for tokens in (first, second, third):
        assert me(shared, tokens) == 401
        assert refresh(shared, tokens).status_code == 401
    assert shared.sql("select count(*) from identity.session where id = %s and revoked_at is null",
                      first["session_id"]) == [(0,)]
    assert any("refresh" in e["event"] for e in shared.server.lines())


def test_a_session_that_was_left_alone_expires(shared):
    tokens = samples.login(shared)
    shared.sql("update identity.refresh_token set expires_at = core.now() where session_id = %s", tokens["session_id"])
    reply = refresh(shared, tokens)
    assert (reply.status_code, reply.json()["code"]) == (401, "token_expired")


def test_refresh_called_twice_in_a_moment_is_only_refused(shared):
    first = samples.login(shared)
    second = refresh(shared, first).json()
    again = refresh(shared, first)
    assert (again.status_code, again.json()["code"]) == (409, "refresh_repeated")
    assert refresh(shared, second).status_code == 200


def test_fifty_parallel_refreshes_have_one_success(shared):
    """security 13"""
    first = samples.login(shared)
    replies = in_parallel(50, lambda _: refresh(shared, first))
    good = [r for r in replies if r.status_code == 200]
    assert len(good) == 1, [r.status_code for r in replies]
    assert {r.json()["code"] for r in replies if r.status_code != 200} == {"refresh_repeated"}
    assert shared.sql("select count(*) from identity.refresh_token where session_id = %s and spent_at is null",
                      first["session_id"]) == [(1,)]
    assert me(shared, good[0].json()) == 200


def test_refresh_token_is_no_access_token(shared):
    """security 11"""
    tokens = samples.login(shared)
    assert me(shared, {"access_token": tokens["refresh_token"]}) == 401
    reply = shared.client().post("/v1/sessions/refresh", {"refresh_token": tokens["access_token"][:256]})
    assert reply.status_code == 401


def test_refresh_tokens_are_stored_hashed(shared):
    tokens = samples.login(shared)
    stored = shared.sql("select hash from identity.refresh_token where session_id = %s", tokens["session_id"])
    assert len(stored) == 1 and tokens["refresh_token"] not in stored[0][0] and len(stored[0][0]) == 64


def test_logout_bites_at_once(shared):
    """security 14"""
    tokens, other = samples.login(shared), samples.login(shared)
    assert shared.client().delete("/v1/sessions/current", headers=bearer(tokens)).status_code == 204
    assert me(shared, tokens) == 401 and refresh(shared, tokens).status_code == 401
    assert me(shared, other) == 200, "another session of the same person lives on"


def test_disabled_account_is_out_at_once(world):
    """security 14"""
    tokens = samples.login(world, "resident2")
    assert me(world, tokens) == 200
    harness.run_linlid(world.settings, "user", "disable", "--login", "resident2")
    assert me(world, tokens) == 401 and refresh(world, tokens).status_code == 401
    reply = world.client().post("/v1/sessions", {"login": "resident2", "password": "linli-demo"})
    assert (reply.status_code, reply.json()["code"]) == (403, "account_disabled")
    reply = world.client().post("/v1/sessions", {"login": "resident2", "password": "wrong"})
    assert (reply.status_code, reply.json()["code"]) == (401, "login_failed"), "only who knows the password learns"


def test_new_password_ends_sessions(world):
    """security 14"""
    tokens = samples.login(world, "resident2")
    harness.run_linlid(world.settings, "user", "password", "--login", "resident2", "--password-stdin",
                       stdin="a new password\n")
    assert me(world, tokens) == 401
    samples.login(world, "resident2", status=401)
    samples.login(world, "resident2", "a new password")


def test_ended_role_and_assignment_bite_at_once(world):
    """security 8"""
    tokens, lead = samples.login(world, "community"), samples.login(world, "lead")
    ticket = samples.ticket(world, "submitted")
    assert world.client().get(f"/v1/tickets/{ticket}", headers=bearer(lead)).status_code == 200
    world.sql("select identity.end_role('community', 'community', 1, '1/1/')")
    assert me(world, tokens) == 401
    ids = [a["id"] for a in world.street.get(f"/v1/grids/{A_GRID}/assignments?active=true").json()["items"]
           if a["name"] == "彭晓敏"]
    assert world.street.post(f"/v1/assignments/{ids[0]}/end").status_code == 200
    assert world.client().get(f"/v1/tickets/{ticket}", headers=bearer(lead)).status_code in (401, 404)
    assert world.lead2.get(f"/v1/tickets/{ticket}").status_code == 200


def test_a_demoted_persons_next_write_is_refused(world):
    """security 8: with the token from before, on any worker, at once; the role
    given again does not bring the old sessions back."""
    ticket = samples.ticket(world, "escalated_community")
    person = ("--login", "community", "--role", "community", "--street", "1", "--path", "1/1/")
    tokens = samples.login(world, "community")
    assert world.client().post(f"/v1/tickets/{ticket}/comments", {"text": "看到了"}, headers=bearer(tokens)).status_code == 201

    def writes():
        """Connections of their own: both workers are asked."""
        return {(r.status, json.loads(r.body)["code"]) for r in (raw.exchange(
            world.server.url, "POST", f"/v1/tickets/{ticket}/start", {**bearer(tokens), "Connection": "close"}) for _ in range(8))}
    harness.run_linlid(world.settings, "user", "revoke", *person)
    assert writes() == {(401, "session_revoked")}
    assert refresh(world, tokens).status_code == 401
    samples.login(world, "community", status=403)
    harness.run_linlid(world.settings, "user", "grant", "--login", "community", "--role", "resident", "--street", "1", "--path", "1/1/1/1/")
    lower = samples.login(world, "community")
    reply = world.client().post(f"/v1/tickets/{ticket}/start", headers=bearer(lower))
    assert (reply.status_code, reply.json()["code"]) == (403, "role_not_allowed")
    harness.run_linlid(world.settings, "user", "grant", *person)
    assert writes() == {(401, "session_revoked")}
    assert world.sql("select status from ticket.ticket where id = %s", ticket) == [("escalated_community",)]
    fresh = samples.login(world, "community")
    assert world.client().post(f"/v1/tickets/{ticket}/start", headers=bearer(fresh)).status_code == 200


def test_login_is_throttled(world):
    for _ in range(10):
        samples.login(world, "lead", "wrong", 401)
    reply = world.client().post("/v1/sessions", {"login": "lead", "password": "linli-demo"})
    assert (reply.status_code, reply.json()["code"]) == (429, "too_many_attempts")
    assert 0 < int(reply.headers["Retry-After"]) <= 15 * 60
    samples.login(world, "lead2")
    world.set_clock("16 minutes")
    samples.login(world, "lead")


def test_unknown_login_and_wrong_password_look_alike(world):
    """security 16: byte for byte, to the header; known, unknown, disabled,
    without a password, and throttled like one another."""
    world.sql("update identity.account set disabled_at = now() where login = 'resident2'")
    world.sql("update identity.account set password_hash = null where login = 'lead2'")
    logins = ("lead", "nobody", "street", "o'brien; --", "resident2", "lead2", "LEAD_FAR")

    def attempt(login):
        body = json.dumps({"login": login, "password": "wrong"}).encode()
        reply = raw.exchange(world.server.url, "POST", "/v1/sessions", {"Content-Type": "application/json"}, body)
        varying = {"Date": "", "X-Request-Id": ""}
        text = re.sub(rb'"(instance|trace_id|retry_after)":"[^"]*"', b"", reply.body)
        return reply.status, [(n, varying.get(n, v)) for n, v in reply.headers if n != "Retry-After"], text
    for status in (401, 429):
        answers = [attempt(login) for login in logins]
        assert answers.count(answers[0]) == len(logins) and answers[0][0] == status, answers
        counted = world.sql("update identity.attempt set count = 10 where kind = 'login' returning count")
        assert len(counted) == len(logins), "each is counted, whoever it is"


def test_login_takes_the_role_asked_for(shared):
    tokens = samples.login(shared, "lead")
    assert (tokens["role"], tokens["street_id"], tokens["token_type"]) == ("grid_lead", 1, "Bearer")
    for body, code in (({"role": "street"}, "role_not_granted"), ({"street_id": 2}, "role_not_granted")):
        reply = shared.client().post("/v1/sessions", {"login": "lead", "password": "linli-demo", **body})
        assert (reply.status_code, reply.json()["code"]) == (403, code)
