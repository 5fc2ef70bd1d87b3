"""Who works here: roles given and taken within one's reach, terms, first
passwords, and a lead replaced in the middle of open work."""

import uuid

import pytest

import harness
import phones
import samples
from story import refused

GRID, GRID_NEXT, GRID_D = (f"01900000-0000-8001-8000-1000000000{n}" for n in (12, 13, 22))
MASTER, MASTER2 = (f"01900000-0000-8001-8000-1000000000{n}" for n in (10, 20))
DEPARTMENT, MERCHANT = (f"01900000-0000-8001-8000-60000000000{n}" for n in (1, 2))
ASSIGNMENT = "01900000-0000-8001-8000-400000000001"  # of lead, in GRID


def account(n):
    return f"01900000-0000-8000-8000-3{n:011d}"


def create(world, by, role, status=201, **fields):
    body = {"login": "n" + uuid.uuid4().hex[:12], "name": "新人", "staff_role": role, **fields}
    reply = getattr(world, by).post("/v1/staff", body)
    assert reply.status_code == status, reply.text
    return reply.json() if status == 201 else reply


def sign_in(world, made, **more):
    reply = world.client().post("/v1/sessions", {"login": made["login"], "password": made["password"], **more})
    return phones.client(world, reply.json()) if reply.status_code == 201 else reply


def test_an_appointed_lead_signs_in_and_leads(world):
    made = create(world, "community", "grid_lead", grid_id=GRID_NEXT, post={"position": "微网格员", "grade": 2})
    lead = sign_in(world, made)
    me = lead.get("/v1/me").json()
    assert (me["role"], me["lead_kinds"], [s["grid_id"] for s in me["scopes"]]) == ("grid_lead", ["micro"], [GRID_NEXT])
    seen = world.community.get(f"/v1/staff/{made['account_id']}").json()
    assert (seen["position"], seen["grade"]) == ("微网格员", 2)
    assert [a["grid_id"] for a in seen["assignments"]] == [GRID_NEXT] and seen["roles"][0]["active"]
    kinds = [k for k, in world.sql("select kind from identity.event where account_id = %s order by id", made["account_id"])]
    assert kinds == ["created", "role_granted", "login"]
    assert made["password"] not in world.server.log.read_text()


@pytest.mark.parametrize("by, role, fields, status, code, pointer", [
    ("community", "community", {"grid_id": MASTER}, 403, "role_not_allowed", None),
    ("community", "merchant", {"org_id": MERCHANT}, 403, "role_not_allowed", None),
    ("community", "grid_lead", {"grid_id": GRID_D}, 422, "grid_not_found", "/grid_id"),
    ("community", "grid_lead", {}, 422, "grid_not_found", "/grid_id"),
    ("community", "grid_lead", {"grid_id": GRID, "org_id": MERCHANT}, 422, "org_not_found", "/org_id"),
    ("street", "grid_lead", {"grid_id": "01900000-0000-8001-8000-100000000001"}, 422, "grid_kind_mismatch", "/grid_id"),
    ("street", "community", {"grid_id": GRID}, 422, "grid_kind_mismatch", "/grid_id"),
    ("street", "community", {"grid_id": "01900000-0000-8002-8000-100000000010"}, 422, "grid_not_found", "/grid_id"),
    ("street", "department", {"org_id": MERCHANT}, 422, "org_not_found", "/org_id"),
    ("street", "merchant", {"org_id": "01900000-0000-8002-8000-600000000001"}, 422, "org_not_found", "/org_id"),
    ("street", "merchant", {"org_id": MERCHANT, "grid_id": GRID}, 422, "grid_not_found", "/grid_id"),
    ("street", "community", {"grid_id": MASTER, "to_on": "2020-01-01"}, 422, "dates_invalid", "/to_on"),
    ("street", "community", {"grid_id": MASTER, "login": "RESIDENT"}, 409, "login_name_taken", "/login"),
    ("street", "street", {}, 422, "invalid_request", "/staff_role")])
def test_nobody_gives_more_than_is_theirs(shared, by, role, fields, status, code, pointer):
    """security 5, 6"""
    before = shared.sql("select count(*) from identity.account"), shared.sql("select count(*) from identity.account_role")
    refused(create(shared, by, role, status, **fields), status, code, pointer)
    assert before == (shared.sql("select count(*) from identity.account"), shared.sql("select count(*) from identity.account_role"))


def test_the_street_appoints_communities_and_organisations(world):
    community = sign_in(world, create(world, "street", "community", grid_id=MASTER2))
    assert [s["grid_id"] for s in community.get("/v1/me").json()["scopes"]] == [MASTER2]
    for role, org in (("department", DEPARTMENT), ("merchant", MERCHANT)):
        me = sign_in(world, create(world, "street", role, org_id=org)).get("/v1/me").json()
        assert (me["role"], me["org_id"], me["scopes"]) == (role, org, [])


def test_a_closed_organisation_has_nobody(world):
    """security 8"""
    made = create(world, "street", "merchant", org_id=MERCHANT)
    merchant = sign_in(world, made)
    got = world.street.get(f"/v1/orgs/{MERCHANT}")
    body = {"kind": "merchant", "name": got.json()["name"], "closed": True}
    closed = world.street.put(f"/v1/orgs/{MERCHANT}", body, headers={"If-Match": got.headers["ETag"]})
    assert closed.json()["closed"] is True
    refused(merchant.get("/v1/me"), 401, "session_revoked")
    refused(world.merchant.get("/v1/me"), 401, "session_revoked")
    refused(sign_in(world, made), 403, "role_not_granted")
    refused(create(world, "street", "merchant", 422, org_id=MERCHANT), 422, "org_not_found")
    kind = {**body, "kind": "department"}
    refused(world.street.put(f"/v1/orgs/{MERCHANT}", kind, headers={"If-Match": closed.headers["ETag"]}), 422, "org_kind_fixed")


def test_one_person_for_two_organisations_chooses(world):
    made = create(world, "street", "merchant", org_id=MERCHANT)
    second = samples.act(world, "street", "createOrg")["id"]
    samples.act(world, "street", "grantStaffRole", {"id": made["account_id"]}, {"staff_role": "merchant", "org_id": second})
    first = sign_in(world, made)
    roles = first.get("/v1/me/roles").json()["items"]
    assert {r["org_id"] for r in roles} == {MERCHANT, second}
    for org in (second, MERCHANT):
        tokens = first.post("/v1/sessions/switch", {"role": "merchant", "org_id": org})
        first = phones.client(world, tokens.json())
        assert first.get("/v1/me").json()["org_id"] == org
    refused(first.post("/v1/sessions/switch", {"role": "merchant", "org_id": DEPARTMENT}), 403, "role_not_granted")


def test_a_role_taken_away_bites_at_once(world):
    """security 8"""
    made = create(world, "community", "grid_lead", grid_id=GRID_NEXT)
    lead = sign_in(world, made)
    role, = world.community.get(f"/v1/staff/{made['account_id']}").json()["roles"]
    assert world.community.post(f"/v1/staff-roles/{role['id']}/end").status_code == 204
    refused(lead.get("/v1/me"), 401, "session_revoked")
    refused(sign_in(world, made), 403, "role_not_granted")
    after = world.community.get(f"/v1/staff/{made['account_id']}").json()
    assert not after["roles"][0]["active"] and not after["assignments"][0]["active"]
    refused(world.community.post(f"/v1/staff-roles/{role['id']}/end"), 409, "role_ended")


def test_a_lead_of_two_communities_is_the_streets(world):
    made = create(world, "community", "grid_lead", grid_id=GRID_NEXT)
    samples.act(world, "street", "grantStaffRole", {"id": made["account_id"]}, {"staff_role": "grid_lead", "grid_id": GRID_D})
    role, = world.community.get(f"/v1/staff/{made['account_id']}").json()["roles"]
    refused(world.community.post(f"/v1/staff-roles/{role['id']}/end"), 409, "assigned_elsewhere")
    assert len(sign_in(world, made).get("/v1/me").json()["scopes"]) == 2, "refused, nothing of it happened"
    assert world.street.post(f"/v1/staff-roles/{role['id']}/end").status_code == 204
    for by, own in (("community", account(8)), ("street", account(10))):
        role = getattr(world, by).get(f"/v1/staff/{own}").json()["roles"][0]
        refused(getattr(world, by).post(f"/v1/staff-roles/{role['id']}/end"), 403, "role_not_allowed")


def test_terms_begin_and_end_by_themselves(world):
    today, = world.sql("select core.today()")[0]
    days = [(world.sql("select (%s::date + %s)::text", today, n)[0][0]) for n in (1, 2)]
    made = create(world, "street", "community", grid_id=MASTER2, from_on=days[0], to_on=days[1])
    refused(sign_in(world, made), 403, "role_not_granted")
    world.set_clock("1 day")
    assert not isinstance(sign_in(world, made), harness.requests.Response)
    world.set_clock("2 days")
    refused(sign_in(world, made), 403, "role_not_granted")


def test_barred_and_let_in_again(world):
    """security 14"""
    made = create(world, "street", "grid_lead", grid_id=GRID_NEXT)
    lead = sign_in(world, made)
    path = f"/v1/staff/{made['account_id']}"
    assert world.street.post(path + "/disable").json()["disabled"] is True
    refused(lead.get("/v1/me"), 401, "session_revoked")
    refused(sign_in(world, made), 403, "account_disabled")
    assert world.street.post(path + "/enable").json()["disabled"] is False
    lead = sign_in(world, made)
    again = world.street.post(path + "/password").json()
    refused(lead.get("/v1/me"), 401, "session_revoked")
    refused(sign_in(world, made), 401, "login_failed")
    assert sign_in(world, again).get("/v1/me").status_code == 200


def test_who_also_works_elsewhere_is_not_ours_to_bar(world):
    """security 5"""
    made = create(world, "street", "grid_lead", grid_id=GRID_NEXT)
    world.sql("insert into identity.account_role (account_id, role, street_id, path) values (%s, 'community', 2, '2/1/')",
              made["account_id"])
    for verb in ("disable", "enable", "password"):
        refused(world.street.post(f"/v1/staff/{made['account_id']}/{verb}"), 403, "staff_elsewhere")
        refused(world.street.post(f"/v1/staff/{account(10)}/{verb}"), 403, "staff_elsewhere")
    assert sign_in(world, made, role="grid_lead").get("/v1/me").status_code == 200


def test_posts_are_a_record(world):
    made = create(world, "street", "community", grid_id=MASTER2, from_on="2024-01-01", post={"position": "网格员", "grade": 1})
    path = f"/v1/staff/{made['account_id']}"
    for position, grade, day in (("主办", 2, "2025-01-01"), ("副主任", None, "2026-01-01"), ("主任", 5, "2026-01-01")):
        assert world.street.post(path + "/posts", {"position": position, "grade": grade, "from_on": day}).status_code == 201
    posts = world.street.get(path + "/posts").json()["items"]
    assert [(p["position"], p["grade"], p["from_on"], p["to_on"]) for p in posts] == [
        ("网格员", 1, "2024-01-01", "2025-01-01"), ("主办", 2, "2025-01-01", "2026-01-01"), ("主任", 5, "2026-01-01", None)]
    page = world.street.get(path + "/posts?limit=2").json()
    assert world.street.get(path + "/posts", params={"after": page["next"]}).json()["items"] == posts[2:]
    seen = world.street.get(path).json()
    assert (seen["position"], seen["grade"], seen["post_since"]) == ("主任", 5, "2026-01-01")


# A lead is replaced in the middle of open work -------------------------------------

def in_hand(world, ticket):
    return world.community.get(f"/v1/tickets/{ticket}").json()["handler_id"]


def test_a_lead_is_replaced_in_the_middle_of_open_work(world):
    """security 8"""
    new, accepted, worked, done, others = (samples.ticket(world, s) for s in (
        "submitted", "accepted", "in_progress", "closed", "submitted"))
    samples.act(world, "lead2", "acceptTicket", {"id": others})
    assert [in_hand(world, t) for t in (new, accepted, worked, done, others)] == [
        None, account(3), account(3), account(3), account(4)]
    refused(world.community.post(f"/v1/assignments/{ASSIGNMENT}/hand_over", {"to_account": account(11)}), 422,
            "account_unknown", "/to_account")
    refused(world.community.post(f"/v1/assignments/{ASSIGNMENT}/hand_over", {"to_account": account(3)}), 422, "same_person")
    assert world.lead.get(f"/v1/tickets/{accepted}").status_code == 200, "refused, nothing of it happened"
    assert in_hand(world, accepted) == account(3)
    moved = world.community.post(f"/v1/assignments/{ASSIGNMENT}/hand_over", {"to_account": account(15)},
                                 headers={"Idempotency-Key": "leaves"})
    assert moved.json() == {"tickets": 2}
    assert [in_hand(world, t) for t in (new, accepted, worked, done, others)] == [
        None, account(15), account(15), account(3), account(4)]
    assert world.lead.get(f"/v1/tickets/{accepted}").status_code == 404
    assert world.lead.post(f"/v1/tickets/{worked}/resolve", {"note": "还是我"}).status_code == 404
    successor = phones.client(world, samples.login(world, "newcomer"))
    assert successor.get("/v1/me").json()["role"] == "grid_lead"
    assert successor.post(f"/v1/tickets/{worked}/resolve", {"note": "处理好了。"}).status_code == 200
    for ticket, told in ((accepted, 1), (worked, 1), (new, 0), (done, 0), (others, 0)):
        events = world.community.get(f"/v1/tickets/{ticket}/events").json()["items"]
        assert [e["data"] for e in events if e["action"] == "pass_on"] == [
            {"from_account": account(3), "to_account": account(15)}] * told
    refused(world.community.post(f"/v1/assignments/{ASSIGNMENT}/hand_over", {"to_account": account(15)}), 409, "assignment_ended")


def test_who_leads_there_already_only_takes_the_work(world):
    ticket = samples.ticket(world, "accepted")
    assert world.community.post(f"/v1/assignments/{ASSIGNMENT}/hand_over", {"to_account": account(4)}).json() == {"tickets": 1}
    assert in_hand(world, ticket) == account(4)
    assert world.sql("select count(*) from grid.assignment where account_id = %s", account(4)) == [(1,)]


def test_work_that_nobody_takes_over_goes_back_to_the_grid(world):
    ours, later = samples.ticket(world, "in_progress"), samples.ticket(world, "accepted")
    done = samples.ticket(world, "closed")
    assert world.community.post(f"/v1/assignments/{ASSIGNMENT}/end").status_code == 200
    assert [in_hand(world, t) for t in (ours, later, done)] == [None, None, account(3)]
    events = world.community.get(f"/v1/tickets/{ours}/events").json()["items"]
    assert [e["data"] for e in events if e["action"] == "pass_on"] == [{"from_account": account(3), "to_account": None}]
    assert world.lead2.post(f"/v1/tickets/{ours}/resolve", {"note": "我来办好了。"}).status_code == 200, "any lead of the grid goes on"


def test_who_still_leads_there_keeps_the_work(world):
    """Of the micro-grid no longer, but of the general grid above it."""
    general = "01900000-0000-8001-8000-100000000011"
    ticket = samples.ticket(world, "accepted")
    above = world.community.post(f"/v1/grids/{general}/assignments", {"login": "lead", "lead_kind": "general"}).json()["id"]
    assert world.community.post(f"/v1/assignments/{ASSIGNMENT}/end").status_code == 200
    assert in_hand(world, ticket) == account(3)
    assert world.community.post(f"/v1/assignments/{above}/end").status_code == 200
    assert in_hand(world, ticket) is None


def test_a_term_that_ends_gives_the_work_back(world):
    """By the job, without anybody's doing."""
    world.sql("update grid.assignment set to_on = core.today() + 1 where id = %s", ASSIGNMENT)
    ticket = samples.ticket(world, "accepted")
    handler = lambda: world.sql("select handler_id::text from ticket.ticket where id = %s", ticket)[0][0]  # noqa: E731
    assert handler() == account(3)
    world.set_clock("1 day")
    harness.wait_for(lambda: handler() is None, "the work to go back")
    harness.wait_for(lambda: world.sql("select released_at is not null from grid.assignment where id = %s", ASSIGNMENT) == [(True,)],
                     "the assignment to be done with")


def test_an_assignment_of_another_community_is_not_found(world):
    """security 1"""
    refused(world.community2.post(f"/v1/assignments/{ASSIGNMENT}/hand_over", {"to_account": account(15)}), 404, "not_found")
    assert world.lead.get("/v1/me").json()["scopes"]
