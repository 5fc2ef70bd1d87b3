"""One's own account: password, second factor, sign-ins, roles, events; and how
somebody new becomes a resident."""

import concurrent.futures
import uuid

import psycopg2
import pytest

import harness
import phones
import samples
import story
import totp
from phones import client
from story import refused
from test_logins import by_wechat, forgive


def sign_in(world, tokens, **more):
    return world.client().post("/v1/sessions", {"login": tokens["login"], "password": "linli-demo", **more})


def alive(world, tokens):
    return client(world, tokens).get("/v1/me").status_code == 200


# Password -----------------------------------------------------------------------

def test_a_new_password_ends_the_other_sessions(shared):
    """security 14"""
    mine = samples.person(shared, "resident")
    other = sign_in(shared, mine).json()
    refused(client(shared, mine).post("/v1/me/password", {"old_password": "wrong", "new_password": "linli-new"}),
            401, "login_failed")
    assert client(shared, mine).post("/v1/me/password", {
        "old_password": "linli-demo", "new_password": "linli-new"}).status_code == 204
    assert alive(shared, mine) and not alive(shared, other)
    refused(shared.client().post("/v1/sessions/refresh", {"refresh_token": other["refresh_token"]}),
            401, "session_revoked")
    refused(sign_in(shared, mine), 401, "login_failed")
    assert sign_in(shared, mine, password="linli-new").status_code == 201


def test_the_old_password_cannot_be_guessed(shared):
    mine = samples.person(shared, "resident")
    codes = [client(shared, mine).post("/v1/me/password", {
        "old_password": "wrong", "new_password": "linli-new"}).status_code for _ in range(11)]
    assert codes == [401] * 10 + [429]


def test_a_password_is_reset_by_the_bound_phone(shared):
    """security 14, 15"""
    forgive(shared)
    mine, phone = samples.person(shared, "community"), phones.new()
    assert client(shared, mine).post("/v1/me/logins/phone", phones.proof(shared, phone, "bind")).status_code == 201
    forgive(shared)
    good = {**phones.proof(shared, phone, "reset"), "new_password": "linli-new"}
    assert shared.client().post("/v1/logins/password", good).status_code == 204
    assert not alive(shared, mine)
    refused(sign_in(shared, mine), 401, "login_failed")
    assert sign_in(shared, mine, password="linli-new").status_code == 201
    refused(shared.client().post("/v1/logins/password", good), 401, "code_wrong")


def test_who_is_barred_gets_in_by_no_login(shared):
    """security 14"""
    mine, who = samples.person(shared, "resident"), uuid.uuid4().hex[:12]
    assert client(shared, mine).post("/v1/me/logins/wechat", {"code": f"login-{who}-0"}).status_code == 201
    other = by_wechat(shared, code=f"login-{who}-1").json()
    harness.run_linlid(shared.settings, "user", "disable", "--login", mine["login"])
    assert not alive(shared, mine) and not alive(shared, other)
    refused(by_wechat(shared, code=f"login-{who}-2"), 403, "account_disabled")
    harness.run_linlid(shared.settings, "user", "enable", "--login", mine["login"])
    assert by_wechat(shared, code=f"login-{who}-3").json()["account_id"] == mine["account_id"]
    # who has no name to sign in by is called by the account's id
    nameless = by_wechat(shared).json()
    assert harness.run_linlid(shared.settings, "user", "disable", "--login", nameless["account_id"].upper()) == "1\n"
    assert not alive(shared, nameless)
    with pytest.raises(RuntimeError, match="account_unknown"):
        harness.run_linlid(shared.settings, "user", "disable", "--login", mine["account_id"])


def test_without_a_password_there_is_none_to_change(shared):
    me = client(shared, by_wechat(shared).json())
    refused(me.post("/v1/me/password", {"old_password": "linli-demo", "new_password": "linli-new"}),
            409, "password_not_set")


# Second factor ------------------------------------------------------------------

def enrolled(world, role="street"):
    tokens = samples.person(world, role)
    secret, recovery = samples.second_factor(client(world, tokens))
    return tokens, secret, recovery


def test_a_second_factor_is_asked_for_and_taken_once(shared):
    tokens, secret, recovery = enrolled(shared)
    refused(sign_in(shared, tokens), 401, "totp_required")
    wrong = f"{(int(totp.code(secret, 1)) + 1) % 10**6:06d}"
    refused(sign_in(shared, tokens, totp=wrong), 401, "totp_wrong")
    # the step that confirmed it is used up; the next one is good, once
    refused(sign_in(shared, tokens, totp=totp.code(secret, -1)), 401, "totp_wrong")
    coming = totp.code(secret, 1)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda _: sign_in(shared, tokens, totp=coming), range(6)))
    assert sorted(r.status_code for r in replies) == [201] + [401] * 5
    assert len(recovery) == len(set(recovery)) == 10
    assert sign_in(shared, tokens, totp=recovery[0]).status_code == 201
    refused(sign_in(shared, tokens, totp=recovery[0]), 401, "totp_wrong")
    refused(sign_in(shared, tokens, password="wrong", totp=recovery[1]), 401, "login_failed")
    assert sign_in(shared, tokens, totp=recovery[1]).status_code == 201, "a wrong password does not use one up"
    stored = str(shared.sql("select json_agg(t), (select json_agg(r) from identity.recovery_code r)"
                            " from identity.totp t"))
    assert not [c for c in recovery if c in stored or c.replace("-", "") in stored]


def test_confirming_ends_the_sessions_without_it(shared):
    tokens = samples.person(shared, "street")
    other = sign_in(shared, tokens).json()
    me = client(shared, tokens)
    refused(me.post("/v1/me/totp/confirm", {"totp": "000000"}), 409, "totp_not_enrolled_yet")
    secret = totp.secret(me.post("/v1/me/totp").json()["uri"])
    assert sign_in(shared, tokens).status_code == 201, "not yet in force"
    refused(me.post("/v1/me/totp/confirm", {"totp": f"{(int(totp.code(secret)) + 1) % 10**6:06d}"}),
            401, "totp_wrong")
    assert me.post("/v1/me/totp/confirm", {"totp": totp.code(secret)}).status_code == 200
    assert alive(shared, tokens) and not alive(shared, other)
    refused(me.post("/v1/me/totp"), 409, "totp_enrolled")
    refused(me.post("/v1/me/totp/confirm", {"totp": totp.code(secret, 1)}), 409, "totp_not_enrolled_yet")


def test_guessing_is_throttled_whatever_one_signs_in_with(shared):
    forgive(shared)
    who = uuid.uuid4().hex[:12]
    tokens = by_wechat(shared, code=f"login-{who}-0").json()
    secret, recovery = samples.second_factor(client(shared, tokens))
    refused(by_wechat(shared, code=f"login-{who}-x"), 401, "totp_required")
    statuses = [by_wechat(shared, code=f"login-{who}-{n}", totp="000000").status_code for n in range(1, 11)]
    assert statuses == [401] * 9 + [429]
    refused(by_wechat(shared, code=f"login-{who}-y", totp=recovery[0]), 429, "too_many_attempts")
    forgive(shared)
    assert by_wechat(shared, code=f"login-{who}-z", totp=recovery[0]).status_code == 201


def test_an_administrator_helps_who_lost_it(shared):
    tokens, _, recovery = enrolled(shared)
    harness.run_linlid(shared.settings, "user", "no-totp", "--login", tokens["login"])
    assert not alive(shared, tokens)
    assert sign_in(shared, tokens).status_code == 201


def test_one_ends_it_oneself(shared):
    tokens, secret, recovery = enrolled(shared)
    me = client(shared, tokens)
    refused(me.post("/v1/me/totp/drop", {"totp": "000000"}), 401, "totp_wrong")
    assert me.post("/v1/me/totp/drop", {"totp": recovery[0]}).status_code == 204
    assert sign_in(shared, tokens).status_code == 201
    refused(me.post("/v1/me/totp/drop", {"totp": recovery[1]}), 409, "totp_not_enrolled_yet")


def test_the_street_needs_one_where_it_is_set_so(world):
    world.settings.values["street_totp"] = 1
    world.settings.write()
    world.server.process.send_signal(1)
    harness.wait_for(lambda: len(world.server.lines("reloaded")) == 2, "the workers to reload")
    name = {"login": "street", "password": "linli-demo"}
    refused(world.client().post("/v1/sessions", name), 403, "totp_not_enrolled")
    assert samples.login(world, "community")["role"] == "community", "others do not"
    visiting = world.client().post("/v1/sessions", {**name, "role": "visitor"}).json()
    me = client(world, visiting)
    refused(me.post("/v1/sessions/switch", {"role": "street"}), 403, "totp_not_enrolled")
    samples.second_factor(me)
    acting = me.post("/v1/sessions/switch", {"role": "street"})
    assert acting.status_code == 201 and acting.json()["role"] == "street"
    assert client(world, acting.json()).get("/v1/tickets").status_code == 200


# Sign-ins, roles, events -----------------------------------------------------------

def test_own_sessions_are_seen_and_ended(shared):
    """security 14"""
    first = samples.person(shared, "resident")
    second, third = (sign_in(shared, first).json() for _ in range(2))
    me = client(shared, first)
    listed = me.get("/v1/me/sessions").json()["items"]
    assert {s["id"] for s in listed} == {t["session_id"] for t in (first, second, third)}
    assert [s["id"] for s in listed if s["current"]] == [first["session_id"]]
    assert all(s["address"] == "127.0.0.1" and s["role"] == "resident" for s in listed)
    assert me.post(f"/v1/me/sessions/{second['session_id']}/revoke").status_code == 204
    assert not alive(shared, second) and alive(shared, third)
    stranger = client(shared, samples.person(shared, "resident"))
    refused(stranger.post(f"/v1/me/sessions/{third['session_id']}/revoke"), 404, "not_found")
    assert alive(shared, third)
    assert me.post("/v1/me/sessions/revoke-others").json() == {"revoked": 1}
    assert alive(shared, first) and not alive(shared, third)


def test_one_person_in_several_roles(shared):
    """security 8"""
    tokens = samples.person(shared, "resident")
    for role, street, path in (("community", 1, "1/2/"), ("resident", 2, "2/1/1/1/")):
        shared.sql("insert into identity.account_role (account_id, role, street_id, path) values (%s, %s, %s, %s)",
                   tokens["account_id"], role, street, path)
    me = client(shared, tokens)
    roles = me.get("/v1/me/roles").json()["items"]
    assert [(r["role"], r["street_id"], r["grid_name"], r["current"]) for r in roles] == [
        ("resident", 1, "双福苑一微网格", True), ("community", 1, "红桥社区", False),
        ("resident", 2, "巷子里一微网格", False)]
    refused(me.post("/v1/sessions/switch", {"role": "street"}), 403, "role_not_granted")
    refused(me.post("/v1/sessions/switch", {"role": "community", "grid_id": samples.GRID}), 403, "role_not_granted")
    assert alive(shared, tokens), "what is refused ends nothing"
    acting = me.post("/v1/sessions/switch", {"role": "community", "grid_id": roles[1]["grid_id"]})
    assert acting.status_code == 201 and acting.json()["role"] == "community"
    assert not alive(shared, tokens), "the old session has ended"
    refused(shared.client().post("/v1/sessions/refresh", {"refresh_token": tokens["refresh_token"]}),
            401, "session_revoked")
    scopes = client(shared, acting.json()).get("/v1/me").json()["scopes"]
    assert [s["name"] for s in scopes] == ["红桥社区"]
    far = client(shared, acting.json()).post("/v1/sessions/switch", {"role": "resident", "street_id": 2}).json()
    assert client(shared, far).get("/v1/me").json()["street_name"] == "柳江街道"
    shared.sql("update identity.account_role set to_on = core.today() where account_id = %s and role = 'community'",
               tokens["account_id"])
    refused(client(shared, far).post("/v1/sessions/switch", {"role": "community"}), 403, "role_not_granted")


def test_everything_is_an_event_and_one_reads_ones_own(shared):
    """security 13, 46"""
    tokens = samples.person(shared, "resident")
    me = client(shared, tokens)
    sign_in(shared, tokens, password="wrong")
    second = sign_in(shared, tokens).json()
    client(shared, second).delete("/v1/sessions/current")
    spent = sign_in(shared, tokens).json()
    again = {"refresh_token": spent["refresh_token"]}
    assert shared.client().post("/v1/sessions/refresh", again).status_code == 200
    shared.sql("update identity.refresh_token set spent_at = spent_at - interval '1 minute' where session_id = %s",
               spent["session_id"])
    refused(shared.client().post("/v1/sessions/refresh", again), 401, "session_revoked")
    found = me.get("/v1/me/events").json()["items"]
    assert [(e["kind"], e["ok"]) for e in found] == [
        ("refresh_reused", False), ("login", True), ("logout", True), ("login", True), ("login", False),
        ("login", True)]
    assert all(e["address"] == "127.0.0.1" for e in found)
    assert found[4]["data"]["why"] == "login_failed" and found[5]["data"]["session"] == tokens["session_id"]
    assert not [e for e in shared.resident.get("/v1/me/events").json()["items"] if e["id"] in
                {x["id"] for x in found}]
    pages = me.get("/v1/me/events?limit=4").json()
    rest = me.get("/v1/me/events", params={"limit": 4, "after": pages["next"]}).json()
    assert pages["items"] + rest["items"] == found and rest["next"] is None


def test_events_are_kept_for_a_year_and_never_less_than_six_months(world):
    """security 49: logs of six months at least (CSL 21); people.retention_rule says a year."""
    phones.sign_in(world, phones.new())
    count = "select count(*) from identity.event"
    kept = world.sql(count)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        world.sql("set role linli_owner; update identity.event set ok = true")
    world.sql("set role linli_owner; delete from identity.event")
    assert world.sql(count) == kept != [(0,)], "young ones cannot be deleted"
    world.set_clock("11 months")
    world.sql("select people.sweep()")
    assert world.sql(count) == kept
    world.set_clock("13 months")
    harness.wait_for(lambda: world.sql(count) == [(0,)], "the job to delete them")


# Joining ------------------------------------------------------------------------

def test_a_visitor_sees_only_the_own_account(shared):
    """security 3"""
    me = client(shared, by_wechat(shared).json())
    for path in ("/v1/tickets", "/v1/grids", "/v1/changes", "/v1/claims", "/v1/compounds"):
        refused(me.get(path), 403, "role_not_allowed")
    assert me.get("/v1/joinable-grids").json()["items"] == []
    found = me.get("/v1/joinable-grids", params={"street_id": 1, "q": "红桥"}).json()["items"]
    assert {p["community_name"] for p in found} == {"红桥社区"} and len(found) == 2
    assert {s["name"] for s in me.get("/v1/streets").json()["items"]} >= {"万年场街道", "柳江街道"}


def test_a_resident_joins_by_wechat_and_reports_from_where_the_phone_is(shared):
    """The story: WeChat, a claim, the lead's word, the role, a ticket by a
    position in gcj02 that finds its grid itself."""
    tokens = by_wechat(shared).json()
    me = client(shared, tokens)
    place, = me.get("/v1/joinable-grids", params={"street_id": 1, "q": "双福苑一微"}).json()["items"]
    claim = me.post("/v1/claims", {"street_id": 1, "grid_id": place["id"], "name": "谢小雨",
                                   "address": "3栋2单元501", "tenure": "tenant"}).json()
    assert claim["status"] == "pending" and claim["place"] == "双福苑一微网格"
    refused(me.post("/v1/claims", samples.CLAIM), 409, "claim_pending")
    refused(me.post("/v1/sessions/switch", {"role": "resident"}), 403, "role_not_granted")
    # not the lead next door, nor another community, nor the claimant
    for who in (shared.lead_next, shared.community2, shared.community_far):
        refused(who.post(f"/v1/claims/{claim['id']}/approve"), 404, "not_found")
    waiting = shared.lead.get("/v1/claims?status=pending&limit=100").json()["items"]
    assert claim["id"] in [c["id"] for c in waiting]
    approved = shared.lead.post(f"/v1/claims/{claim['id']}/approve", {"reason": "欢迎"})
    assert approved.status_code == 200 and approved.json()["status"] == "approved"
    refused(shared.community.post(f"/v1/claims/{claim['id']}/reject", {"reason": "x"}), 409, "wrong_state")
    shared.settle()
    for who, seen in ((shared.lead, ["submit", "approve"]), (shared.lead_next, []), (shared.resident, [])):
        assert [e["action"] for e in story.feed(who)[0] if e["subject_id"] == claim["id"]] == seen
    mine, = me.get("/v1/me/claims").json()["items"]
    assert (mine["status"], mine["reason"]) == ("approved", "欢迎")
    at_home = client(shared, me.post("/v1/sessions/switch", {"role": "resident", "street_id": 1}).json())
    who = at_home.get("/v1/me").json()
    assert who["name"] == "谢小雨" and [s["name"] for s in who["scopes"]] == ["双福苑一微网格"]
    here = shared.lead.get(f"/v1/grids/{place['id']}/boundaries?crs=gcj02").json()["features"][0]
    lon, lat = inner_point(here["geometry"])
    ticket = at_home.post("/v1/tickets", {
        "kind": "problem", "category": "pets", "title": "流浪猫在单元门口", "description": "三只小猫住在纸箱里。",
        "position": {"lon": lon, "lat": lat, "crs": "gcj02"}})
    assert ticket.status_code == 201 and ticket.json()["grid_id"] == place["id"]
    assert shared.lead.get(f"/v1/tickets/{ticket.json()['id']}").status_code == 200


def inner_point(geometry):
    """The middle of the first ring's bounds; the fixture's grids are boxes."""
    ring = geometry["coordinates"][0][0]
    return [round((min(p[i] for p in ring) + max(p[i] for p in ring)) / 2, 7) for i in (0, 1)]


def test_a_claim_by_the_phones_position(shared):
    here = shared.lead.get(f"/v1/grids/{samples.GRID}/boundaries?crs=gcj02").json()["features"][0]
    lon, lat = inner_point(here["geometry"])
    me = client(shared, samples.person(shared, "visitor"))
    body = {**samples.CLAIM, "grid_id": None, "position": {"lon": lon, "lat": lat, "crs": "gcj02"}}
    refused(me.post("/v1/claims", {**body, "grid_id": samples.GRID}), 422, "claim_place")
    refused(me.post("/v1/claims", {**body, "position": {"lon": 80, "lat": 20, "crs": "wgs84"}}),
            422, "claim_place_unknown")
    made = me.post("/v1/claims", body)
    assert made.status_code == 201 and made.json()["grid_id"] == samples.GRID
    assert shared.lead.post(f"/v1/claims/{made.json()['id']}/approve").status_code == 200


def test_a_claim_for_a_compound_is_the_communitys(shared):
    tokens = samples.person(shared, "visitor")
    me = client(shared, tokens)
    body = {**samples.CLAIM, "grid_id": None, "compound_id": "01900000-0000-8001-8000-200000000001"}
    refused(me.post("/v1/claims", {**body, "compound_id": None}), 422, "claim_place")
    refused(me.post("/v1/claims", {**body, "grid_id": samples.GRID}), 422, "claim_place")
    for unknown in (str(uuid.uuid4()), "01900000-0000-8002-8000-200000000001"):
        refused(me.post("/v1/claims", {**body, "compound_id": unknown}), 422, "claim_place_unknown")
    claim = me.post("/v1/claims", body).json()["id"]
    refused(shared.lead.post(f"/v1/claims/{claim}/approve", {"grid_id": samples.GRID}), 404, "not_found")
    refused(shared.community.post(f"/v1/claims/{claim}/approve"), 422, "grid_not_found")
    refused(shared.community.post(f"/v1/claims/{claim}/approve", {"grid_id": "01900000-0000-8001-8000-100000000022"}),
            422, "grid_not_found")
    done = shared.community.post(f"/v1/claims/{claim}/approve", {"grid_id": samples.GRID_NEXT})
    assert done.status_code == 200 and done.json()["grid_id"] == samples.GRID_NEXT
    assert [r["grid_id"] for r in me.get("/v1/me/roles").json()["items"]] == [samples.GRID_NEXT]


def test_a_claim_is_approved_with_the_record_of_the_person(shared):
    """The community knows who it is: the record is theirs from then on."""
    person, far = samples.person_in(shared), str(uuid.uuid4())
    tokens = samples.person(shared, "visitor")
    me = client(shared, tokens)
    claim = samples.claim(shared, me)["ids"]["id"]
    approve = f"/v1/claims/{claim}/approve"
    refused(shared.lead.post(approve, {"person_id": person}), 403, "role_not_allowed")
    refused(shared.community.post(approve, {"person_id": far}), 422, "person_not_found")
    assert me.get("/v1/me/roles").json()["items"] == [], "refused, nothing of it happened"
    assert shared.community.post(approve, {"person_id": person}).status_code == 200
    at_home = client(shared, me.post("/v1/sessions/switch", {"role": "resident", "street_id": 1}).json())
    assert [p["id"] for p in at_home.get("/v1/me/persons").json()["items"]] == [person]
    second = samples.claim(shared, client(shared, samples.person(shared, "visitor")))["ids"]["id"]
    assert shared.community.post(f"/v1/claims/{second}/approve", {"person_id": person}).json()["code"] == "person_linked"


def test_claims_are_refused_taken_back_and_never_ones_own(shared):
    me = client(shared, samples.person(shared, "visitor"))
    first = samples.claim(shared, me)["ids"]["id"]
    assert me.post(f"/v1/claims/{first}/withdraw").json()["status"] == "withdrawn"
    refused(shared.lead.post(f"/v1/claims/{first}/approve"), 409, "wrong_state")
    second = samples.claim(shared, me)["ids"]["id"]
    no = shared.community.post(f"/v1/claims/{second}/reject", {"reason": "查无此户"})
    assert no.json()["status"] == "rejected" and me.get("/v1/me/roles").json()["items"] == []
    own = samples.claim(shared, shared.lead)["ids"]["id"]
    refused(shared.lead.post(f"/v1/claims/{own}/approve"), 403, "own_claim")
    assert shared.lead2.post(f"/v1/claims/{own}/approve").status_code == 200
    refused(me.post(f"/v1/claims/{own}/withdraw"), 404, "not_found")
