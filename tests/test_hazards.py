"""隐患: from found to closed, with everything that makes one go to the street."""

import datetime
import uuid

import pytest

import harness
import samples
import story
from story import A, B, D, at, do, feed, read, submit, together, upload, walk

SHOP, BUREAU = samples.ORGS["merchant"], samples.ORGS["department"]
FOUND = {"kind": "fire", "title": "楼道灭火器过期", "description": "压力不足，联系人13812345678。"}


def due(days):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days)).isoformat()


def find(client, status=201, **fields):
    reply = client.post("/v1/hazards", {**FOUND, **fields})
    assert reply.status_code == status, reply.text
    return reply.json()["id"] if status < 300 else reply.json()["code"]


def act(client, hazard, action, status=200, **body):
    """An act on a hazard, which must end so; the hazard, or the problem's code."""
    reply = client.post(f"/v1/hazards/{hazard}/{action}", body or None)
    assert reply.status_code == status, f"{action}: {reply.status_code} {reply.text}"
    return reply.json() if status < 300 else reply.json()["code"]


def see(client, hazard):
    reply = client.get(f"/v1/hazards/{hazard}")
    return reply.json() if reply.status_code == 200 else reply.status_code


def notice(world, grade="general", org=SHOP, days=7, **fields):
    """A confirmed one, put to its duty party."""
    h = find(world.lead, grid_id=A, **fields)
    act(world.lead, h, "confirm", grade=grade)
    act(world.lead, h, "issue_notice", org_id=org, due_at=due(days))
    return h


def rectify(world, h, who="merchant", status=200):
    client = getattr(world, who)
    if "start" in see(client, h)["actions"]:
        act(client, h, "start")
    return act(client, h, "submit", status, note="已更换", photo_ids=[upload(client)])


def timeline(client, h):
    return walk(client, f"/v1/hazards/{h}/events")


def told(client, h):
    return [e["action"] for e in timeline(client, h)]


# The plain way -----------------------------------------------------------------

def test_from_found_to_closed(shared):
    h = find(shared.resident)
    first = see(shared.resident, h)
    assert (first["status"], first["grade"], first["mine"], first["actions"]) == ("found", None, True, [])
    assert first["number"].startswith("WNC-YH-") and first["grid_id"] == A
    assert act(shared.lead, h, "confirm", grade="serious", note="已核实")["grade"] == "serious"
    put = act(shared.community, h, "issue_notice", org_id=SHOP, due_at=due(3), note="请更换")
    assert (put["status"], put["org_name"], put["overdue"]) == ("notice_issued", "双福路粮油店", False)
    assert act(shared.merchant, h, "start")["status"] == "rectifying"
    assert act(shared.merchant, h, "submit", 422, note="好了") == "photo_required"
    assert rectify(shared, h)["status"] == "submitted_for_recheck"
    assert act(shared.merchant, h, "verify", 403) == "role_not_allowed"
    assert act(shared.lead, h, "verify", note="压力正常", photo_ids=[upload(shared.lead)])["photo_count"] == 2
    assert act(shared.lead, h, "close", 403) == "role_not_allowed"
    closed = act(shared.community, h, "close")
    assert (closed["status"], closed["actions"]) == ("closed", ["report_authority"])  # of a shop
    assert closed["closed_at"] and see(shared.resident, h)["status"] == "closed"
    assert told(shared.community, h) == ["report", "confirm", "issue_notice", "start", "submit", "verify", "close"]
    assert told(shared.resident, h) == told(shared.community, h)
    shared.settle()
    assert [e["action"] for e in feed(shared.resident)[0] if e["subject_id"] == h][0] == "report"


def test_none_it_is(shared):
    h = find(shared.lead, grid_id=A)
    assert act(shared.lead, h, "dismiss", 403, reason="不是隐患") == "role_not_allowed"
    assert act(shared.community, h, "dismiss", 422) == "invalid_request"
    gone = act(shared.community, h, "dismiss", reason="临时堆放，已清走")
    assert (gone["status"], gone["actions"]) == ("dismissed", [])
    assert timeline(shared.lead, h)[-1]["data"]["text"] == "临时堆放，已清走"


def test_where_it_lies(shared):
    assert see(shared.lead, find(shared.lead))["grid_id"] == A
    here = {"lon": 104.095, "lat": 30.66, "crs": "wgs84"}
    h = see(shared.street, find(shared.street, position=here))
    assert (h["grid_id"], h["position"]) == (B, here)
    assert find(shared.community, 422) == "grid_required"
    assert find(shared.community, 422, grid_id=D) == "grid_not_found"
    assert find(shared.lead, 422, grid_id=B) == "grid_not_found"
    assert find(shared.resident, 422, grid_id="01900000-0000-8002-8000-100000000012") == "grid_not_found"


# Who sees it -------------------------------------------------------------------

def test_the_duty_party_sees_its_own_only(shared):
    """security 2"""
    picture = upload(shared.lead)
    h = find(shared.lead, grid_id=A, photo_ids=[picture])
    act(shared.lead, h, "confirm", grade="general", note="业主王先生13912345678说的")
    photo = f"/v1/hazards/{h}/photos/{picture}"
    for who in (shared.merchant, shared.department, shared.resident, shared.lead_next, shared.community2, shared.street_far):
        assert see(who, h) == 404 and who.get(photo).status_code == 404
        assert who.get(f"/v1/hazards/{h}/events").status_code == 404
    act(shared.lead, h, "issue_notice", org_id=SHOP, due_at=due(1), note="问13912345678")
    seen = see(shared.merchant, h)
    assert (seen["description"], seen["actions"]) == ("压力不足，联系人138****5678。", ["start"])
    assert see(shared.lead, h)["description"] == FOUND["description"]
    assert see(shared.department, h) == 404
    assert h in [x["id"] for x in walk(shared.merchant, "/v1/hazards")]
    assert h not in [x["id"] for x in walk(shared.department, "/v1/hazards")]
    # what came since the notice, and nobody of those who found it
    assert [(e["action"], e["actor_id"], e["data"]["text"]) for e in timeline(shared.merchant, h)] == [
        ("issue_notice", None, "问139****5678")]
    assert shared.merchant.get(photo).status_code == 200 and shared.department.get(photo).status_code == 404
    assert shared.merchant.get(f"/v1/tickets/{h}/photos/{picture}").status_code == 403
    assert shared.lead.get(f"/v1/tickets/{h}/photos/{picture}").status_code == 404


def test_another_party_takes_over(shared):
    """A second notice to somebody else: the first sees it no more, and what it failed at is not counted."""
    h = notice(shared)
    rectify(shared, h)
    act(shared.lead, h, "fail_recheck", reason="仍过期", due_at=due(3))
    rectify(shared, h)
    assert act(shared.lead, h, "fail_recheck", reason="仍过期", due_at=due(3))["status"] == "escalated"
    put = act(shared.street, h, "issue_notice", org_id=BUREAU, due_at=due(3))
    assert (put["failed_count"], put["org_id"]) == (0, BUREAU)
    assert see(shared.merchant, h) == 404 and "start" in see(shared.department, h)["actions"]
    assert {p["stage"] for p in walk(shared.department, f"/v1/hazards/{h}/photos")} == {"rectify"}


# To the street -------------------------------------------------------------------

def test_an_immediate_one_goes_to_the_street_at_once(shared):
    h = find(shared.lead, grid_id=A)
    up = act(shared.lead, h, "confirm", grade="immediate")
    assert (up["status"], up["escalated_for"], up["actions"]) == ("escalated", "immediate", [])
    assert [(e["action"], e["actor_role"], e["from_state"], e["to_state"]) for e in timeline(shared.street, h)][1:] == [
        ("confirm", "grid_lead", "found", "confirmed"), ("escalate_immediate", "system", "confirmed", "escalated")]
    assert see(shared.department, h) == 404
    assert act(shared.street, h, "assign", 422, org_id=SHOP) == "org_not_found"  # no department
    assert act(shared.street, h, "assign", org_id=BUREAU)["enforcer_name"] == "综合执法队"
    assert see(shared.department, h)["actions"] == ["issue_notice", "submit"]
    assert told(shared.department, h) == ["report", "confirm", "escalate_immediate", "assign"]
    act(shared.department, h, "issue_notice", org_id=SHOP, due_at=due(1))
    assert act(shared.department, h, "start", 403) == "not_duty_party"
    rectify(shared, h)
    assert act(shared.street, h, "verify")["status"] == "verified"


def test_the_department_in_charge_may_do_it_itself(shared):
    h = find(shared.lead, grid_id=A)
    act(shared.lead, h, "confirm", grade="immediate")
    act(shared.street, h, "assign", org_id=BUREAU)
    assert rectify(shared, h, "department")["status"] == "submitted_for_recheck"
    assert act(shared.lead, h, "verify")["status"] == "verified"


def test_graded_anew(shared):
    h = notice(shared)
    assert act(shared.community, h, "regrade", grade="serious")["status"] == "notice_issued"
    assert act(shared.lead, h, "regrade", 403, grade="general") == "role_not_allowed"
    up = act(shared.community, h, "regrade", grade="immediate", note="有明火")
    assert (up["status"], up["escalated_for"]) == ("escalated", "immediate")


def test_two_failed_rechecks_go_to_the_street(shared):
    h = notice(shared)
    rectify(shared, h)
    once = act(shared.lead, h, "fail_recheck", reason="仍过期", due_at=(again := due(5)))
    assert (once["status"], once["failed_count"]) == ("recheck_failed", 1)
    assert datetime.timedelta() <= at(once["due_at"]) - at(again) <= datetime.timedelta(minutes=1)  # whole minutes from now
    rectify(shared, h)
    twice = act(shared.lead, h, "fail_recheck", reason="还是过期", due_at=due(5))
    assert (twice["status"], twice["escalated_for"], twice["failed_count"]) == ("escalated", "failed_twice", 2)
    assert told(shared.street, h)[-2:] == ["fail_recheck", "escalate_failed"]
    # put right after all
    assert rectify(shared, h)["status"] == "submitted_for_recheck"


def test_what_is_late_goes_to_the_street_once(world):
    """The job does it when the deadline passes, and once, though the clock goes on."""
    hours = lambda n: n / 24 - 1 / 1440  # a deadline is whole minutes away
    late, in_time, early = notice(world, days=hours(2)), notice(world, days=hours(2)), notice(world, days=hours(9))
    rectify(world, in_time)
    world.set_clock("2 hours")
    harness.wait_for(lambda: see(world.street, late)["status"] == "escalated", "the job")
    assert see(world.street, late)["escalated_for"] == "overdue"
    assert see(world.lead, in_time)["status"] == "submitted_for_recheck" and see(world.lead, early)["status"] == "notice_issued"
    act(world.street, late, "issue_notice", due_at=due(hours(4)))
    again = see(world.street, late)
    assert (again["status"], again["overdue"], again["org_id"]) == ("notice_issued", False, SHOP)
    world.set_clock("10 hours")
    harness.wait_for(lambda: see(world.street, early)["status"] == "escalated", "the job")
    harness.wait_for(lambda: see(world.street, late)["status"] == "escalated", "the job")
    assert told(world.street, late).count("escalate_overdue") == 2 == told(world.street, late).count("issue_notice")
    assert told(world.street, early).count("escalate_overdue") == 1 == told(world.street, early).count("clock_overdue")
    # half and three quarters were announced, to the duty party too
    assert told(world.merchant, early).count("clock_warning") == 2
    clocks = lambda h: [(c["state"], c["in_time"]) for c in walk(world.street, "/v1/clocks", subject_id=h)]
    assert [clocks(h) for h in (late, in_time, early)] == [[("stopped", False)] * 2, [("stopped", True)], [("stopped", False)]]


def test_more_time_is_asked_for_and_granted(shared):
    """The clock of a notice is like any other: the lead asks, the community grants, the deadline moves."""
    h = notice(shared)
    clock, = walk(shared.lead, "/v1/clocks", subject_id=h)
    before = at(see(shared.merchant, h)["due_at"])
    assert (clock["stage"], clock["state"], at(clock["due_at"])) == ("rectify", "running", before)
    for who, verb, body in ((shared.lead, "", {"amount": 60, "reason": "等配件到货"}), (shared.community, "/grant", None)):
        reply = who.post(f"/v1/clocks/{clock['id']}/extension{verb}", body)
        assert reply.status_code == 200, reply.text
    assert at(see(shared.merchant, h)["due_at"]) - before == datetime.timedelta(hours=1)


# The law ---------------------------------------------------------------------------

def test_at_a_business_it_is_reported_to_the_authority(shared):
    """安全生产法 art. 75: what is found at a business shall be reported."""
    before = {x["id"] for x in walk(shared.community, "/v1/hazards", report_outstanding="true")}
    at_home, known = notice(shared, org=BUREAU), find(shared.lead, grid_id=A)
    assert see(shared.community, known)["report_outstanding"] is False  # nobody says yet that it is one
    act(shared.lead, known, "confirm", grade="general", at_business=True)
    by_notice = notice(shared)  # put to a shop
    listed = {x["id"] for x in walk(shared.community, "/v1/hazards", report_outstanding="true")} - before
    assert listed == {known, by_notice}
    assert act(shared.community, at_home, "report_authority", 409, authority="区应急管理局") == "not_at_business"
    assert act(shared.lead, known, "report_authority", 403, authority="区应急管理局") == "role_not_allowed"
    assert act(shared.community, known, "report_authority", 422, authority="区应急管理局", at=due(1)) == "time_ahead"
    when = due(-1)
    done = act(shared.community, known, "report_authority", authority="区应急管理局", at=when, note="电话")
    assert (done["reported_to"], done["report_outstanding"], at(done["reported_at"])) == ("区应急管理局", False, at(when))
    said = timeline(shared.community, known)[-1]["data"]
    assert (said["authority"], at(said["reported_at"]), said["text"]) == ("区应急管理局", at(when), "电话")
    assert act(shared.community, known, "report_authority", 409, authority="区应急管理局") == "authority_told"
    assert known not in {x["id"] for x in walk(shared.community, "/v1/hazards", report_outstanding="true")}
    assert "report_authority" not in told(shared.merchant, by_notice)


# Races and second hats ----------------------------------------------------------------

def test_two_inspectors_at_once(shared):
    clients = [shared.client(p) for p in ("lead", "lead2", "lead_general")]
    for round_ in range(6):
        h = notice(shared)
        rectify(shared, h)
        bodies = [("verify", {}), ("fail_recheck", {"reason": "不行", "due_at": due(2)}), ("verify", {})]
        replies = together(3, lambda i: clients[(i + round_) % 3].post(f"/v1/hazards/{h}/{bodies[i][0]}", bodies[i][1]))
        assert sorted(r.status_code for r in replies) == [200, 409, 409]
        assert {r.json()["code"] for r in replies if r.status_code == 409} == {"wrong_state"}
        assert len([a for a in told(shared.community, h) if a in ("verify", "fail_recheck")]) == 1


def test_who_rectified_does_not_recheck(shared):
    """彭晓敏 leads the grid, and works for the shop on the side."""
    shared.sql("insert into identity.account_role (account_id, role, street_id, path, org_id) select id, 'merchant', 1, '1/', %s"
               " from identity.account where login = 'lead'", SHOP)
    h = notice(shared)
    rectify(shared, h)
    assert see(shared.lead, h)["actions"] == []
    assert act(shared.lead, h, "verify", 403) == "rectifier_cannot_recheck"
    shared.sql("delete from identity.account_role where role = 'merchant' and account_id ="
               " (select id from identity.account where login = 'lead')")
    assert see(shared.lead, h)["actions"] == ["fail_recheck", "verify"]
    act(shared.lead2, h, "verify")


# Out of a ticket -----------------------------------------------------------------------

def test_a_ticket_becomes_a_hazard(shared):
    t = submit(shared.resident, **{**samples.TICKET, "address": "双福路1号", "building": "3栋", "public": False,
                                   "position": {"lon": 104.0851, "lat": 30.6601, "crs": "wgs84"}})["id"]
    turn = lambda who, status=201, **body: (lambda r: (r.status_code == status or pytest.fail(r.text)) and r.json())(
        who.post(f"/v1/tickets/{t}/hazard", {"kind": "falling", **body}))
    assert shared.resident.post(f"/v1/tickets/{t}/hazard", {"kind": "fire"}).status_code == 403
    assert turn(shared.lead_next, 404)["code"] == "not_found"
    made = turn(shared.lead, grade="serious", note="花盆随时会掉")
    assert (made["status"], made["source"], made["source_id"], made["grade"]) == ("confirmed", "ticket", t, "serious")
    assert (made["title"], made["address"], made["grid_id"]) == (samples.TICKET["title"], "双福路1号 3栋", A)
    assert made["position"] == {"lon": 104.0851, "lat": 30.6601, "crs": "wgs84"}
    # each names the other, and the reporter follows both
    link = [e["data"] for e in walk(shared.resident, f"/v1/tickets/{t}/events") if e["action"] == "hazard"]
    assert link == [{"hazard_id": made["id"]}]
    assert [x["id"] for x in walk(shared.resident, "/v1/hazards", source_id=t)] == [made["id"]]
    assert see(shared.resident, made["id"])["mine"] and read(shared.resident, t)["status"] == "submitted"
    assert turn(shared.community, 409)["code"] == "hazard_open"
    act(shared.community, made["id"], "dismiss", reason="已加固，不构成隐患")
    assert turn(shared.community)["status"] == "found"
    do(shared.resident, t, "withdraw")
    assert turn(shared.lead, 409)["code"] == "wrong_state"


def test_two_turn_a_ticket_into_a_hazard_at_once(shared):
    clients = [shared.client("lead"), shared.client("community")]
    for _ in range(5):
        t = samples.ticket(shared)
        replies = together(2, lambda i: clients[i].post(f"/v1/tickets/{t}/hazard", {"kind": "fire"}))
        assert sorted(r.status_code for r in replies) == [201, 409]
        assert len(walk(shared.lead, "/v1/hazards", source_id=t)) == 1


# Lists ---------------------------------------------------------------------------------

def test_lists_and_filters(shared):
    mine = [notice(shared), find(shared.lead, grid_id=A, kind="gas"), find(shared.lead_next, grid_id=B, kind="gas")]
    listed = lambda who, **q: [x["id"] for x in walk(who, "/v1/hazards", limit=7, **q) if x["id"] in mine]
    assert listed(shared.community) == mine[::-1]
    assert listed(shared.community, status="found,closed", kind="gas") == [mine[2], mine[1]]
    assert listed(shared.community, under=A) == [mine[1], mine[0]] and listed(shared.lead) == [mine[1], mine[0]]
    assert listed(shared.street, org_id=SHOP) == [mine[0]] == listed(shared.street, grade="general")
    assert listed(shared.community2) == [] == listed(shared.street, overdue="true") == listed(shared.resident)
    assert listed(shared.street, updated_after="2099-01-01T00:00:00Z") == []
    assert listed(shared.street, under=str(uuid.uuid4())) == []


def test_it_goes_along_when_its_ground_changes_hands(world):
    """domain.md rule 13: a boundary moves over an open hazard, the new lead sees it and the old one does not."""
    h = find(world.lead, position={"lon": 104.092, "lat": 30.66, "crs": "wgs84"})
    done = find(world.lead, position={"lon": 104.092, "lat": 30.66, "crs": "wgs84"})
    act(world.community, done, "dismiss", reason="不是隐患")
    assert see(world.lead_next, h) == 404
    story.redraw(world.community, story.feature(A, story.box(104.08, 30.655, 104.09, 30.67)),
                 story.feature(B, story.box(104.09, 30.655, 104.1, 30.67)))
    assert see(world.lead, h) == 404 and world.lead.get(f"/v1/hazards/{h}/events").status_code == 404
    assert see(world.lead_next, h)["grid_id"] == B and told(world.lead_next, h) == ["report", "transfer"]
    assert see(world.lead, done)["status"] == "dismissed"
