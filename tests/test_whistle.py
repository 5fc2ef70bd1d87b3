"""网格呼叫、街道处置、部门报到: from the call to the caller's evaluation."""

import datetime

import pytest

import samples
import story
import test_clients
import test_teams
from story import PHYSICAL, actions, add_people, at, do, jump, read, submit, timeline, together, upload, walk

BUREAU, SHOP = samples.ORGS["department"], samples.ORGS["merchant"]
HERE = {"lon": 104.085, "lat": 30.66, "crs": "wgs84"}


@pytest.fixture
def water(world):
    return department(world, "water", "排水所")


def department(world, login, name):
    """Another department of the street, and somebody of it: (its id, client)."""
    org = world.street.post("/v1/orgs", {"kind": "department", "name": name}).json()["id"]
    world.sql("with a as (insert into identity.account (id, login, display_name) values (core.new_id(1), %s, %s) returning id)"
              " insert into identity.account_role (account_id, role, street_id, path, org_id, from_on)"
              " select id, 'department', 1, '1/', %s, '2024-01-01' from a", login, name, org)
    return org, story.sign_in(world, login, "department")


def called(world, **fields):
    t = submit(world.resident, **{**samples.TICKET, **fields})["id"]
    do(world.lead, t, "accept")
    do(world.lead, t, "escalate", note="涉及三栋楼96户")
    return do(world.community, t, "call", note="公共管网，需部门到场")["id"]


def send(world, t, status=200, **to):
    reply = world.street.post(f"/v1/tickets/{t}/dispatch", to)
    assert reply.status_code == status, reply.text
    return reply.json() if status < 300 else (reply.json()["code"], reply.json()["errors"][0]["pointer"])


def parts(client, t):
    return walk(client, "/v1/dispatches", ticket_id=t)


def part(client, t):
    return parts(client, t)[0]["id"]


def act(client, d, action, status=200, **body):
    reply = client.post(f"/v1/dispatches/{d}/{action}", body or None)
    assert reply.status_code == status, f"{action}: {reply.status_code} {reply.text}"
    return reply.json() if status < 300 else reply.json()["code"]


def see(client, d):
    reply = client.get(f"/v1/dispatches/{d}")
    return reply.json() if reply.status_code == 200 else reply.status_code


def do_part(client, d, **fields):
    act(client, d, "report_in")
    act(client, d, "start")
    return act(client, d, "finish", note="已处置完毕", **fields)


def clocks(world, subject):
    return {c["stage"]: c for c in world.street.get("/v1/clocks", params={"subject_id": subject}).json()["items"]}


def test_the_septic_tank_through_street_and_department(world, water):
    """Row 001-01 and 001-09: 落虹桥街6号院, 96 households, units 1 and 2 low-lying;
    call, dispatch, report-in, evidence, reply, rating, evaluation, every clock."""
    drains, plumber = water
    t = submit(world.resident, **PHYSICAL, urgency="urgent", position=HERE, address="一单元门前，请打13912345678",
               photo_ids=[upload(world.resident)], )["id"]
    neighbours = add_people(world, "septic", 3)
    together(3, lambda i: do(neighbours[i], t, "support"))
    do(world.lead, t, "accept")
    world.lead.post(f"/v1/tickets/{t}/comments", {"text": "已到现场，正在联系"})
    do(world.lead, t, "escalate", note="96户受影响")
    assert do(world.community, t, "call", note="主管堵塞，需要排水所")["status"] == "called"
    assert "dispatch" in read(world.street, t)["actions"] and read(world.resident, t)["status"] == "called"
    assert send(world, t, org_id=drains, co_org_ids=[BUREAU], note="今天到场")["status"] == "dispatched"
    theirs, helps = part(plumber, t), part(world.department, t)
    case = see(plumber, theirs)
    assert (case["lead"], case["org_name"], case["status"], case["ticket_status"]) == (True, "排水所", "dispatched", "dispatched")
    assert case["address"] == "一单元门前，请打139****5678" and case["position"] == HERE and case["answers"] == {"overflowing": True}
    assert not see(world.department, helps)["lead"] and see(world.department, theirs) == see(plumber, helps) == 404
    clock = clocks(world, theirs)["report_in"]
    assert (clock["subject"], clock["state"], clock["unit"], clock["amount"]) == ("dispatch", "running", "working_minutes", 60)
    assert case["due_at"] == clock["due_at"]
    came = act(plumber, theirs, "report_in", note="四人到场", position={**HERE, "lat": 30.661})
    assert (came["status"], came["due_at"], came["distance"]) == ("reported_in", None, 111) and came["reported_at"]
    assert came["reported_position"] == {**HERE, "lat": 30.661}
    assert clocks(world, theirs)["report_in"]["in_time"] and read(world.resident, t)["status"] == "reported_in"
    act(plumber, theirs, "start")
    assert act(plumber, theirs, "finish", 422, note="已疏通") == "photo_required"
    picture = upload(plumber)
    assert act(plumber, theirs, "finish", note="主管已疏通", photo_ids=[picture])["status"] == "done"
    assert read(world.street, t)["status"] == "in_progress", "the other is not done"
    assert do(world.lead, t, "resolve", 409, note="好了", photo_ids=[upload(world.lead)]) == "parts_open"
    assert do_part(world.department, helps, photo_ids=[upload(world.department)])["ticket_status"] == "resolved"
    ran = clocks(world, t)
    assert {s: c["state"] for s, c in ran.items()} == {
        "accept": "stopped", "first_contact": "stopped", "resolve": "stopped", "reply": "running"}
    do(world.community, t, "reply", text="已疏掏，三个月巡查一次")
    assert clocks(world, t)["reply"]["in_time"]
    do(world.resident, t, "rate", stars=5, resolved=True, satisfied=True)
    assert act(world.community, theirs, "evaluate", stars=5, text="一小时内到场")["stars"] == 5
    assert act(world.community, theirs, "evaluate", 409, stars=1) == "already_evaluated"
    assert see(plumber, theirs)["verdict"] == "一小时内到场"
    hops = [a for a in actions(world.resident, t) if a not in ("support", "comment")]
    assert hops == ["submit", "accept", "escalate", "call", "dispatch", "report_in", "start", "finish", "report_in", "start",
                    "finish", "reply", "rate", "evaluate"]
    told = {e["action"]: e for e in timeline(world.resident, t)}
    assert told["dispatch"]["data"]["departments"] == ["排水所", "综合执法队"] and told["dispatch"]["to_state"] == "dispatched"
    assert told["finish"]["to_state"] == "resolved" and told["finish"]["data"]["department"] == "综合执法队"
    assert timeline(world.resident2, t)[5]["data"] is None, "the public reads the role"
    assert plumber.get(f"/v1/dispatches/{theirs}/photos/{picture}").status_code == 200
    assert len(walk(world.department, f"/v1/dispatches/{helps}/photos")) == 3


def test_five_working_days_to_give_it_back(world, water):
    """Rule 15. Friday evening is the fifth; then no more."""
    jump(world, until("2026-11-20 10:00"))
    kept, late = called(world), called(world)
    for t in (kept, late):
        send(world, t, org_id=BUREAU)
    d = see(world.department, part(world.department, late))
    assert at(d["return_by"]).isoformat() == "2026-11-27T09:00:00+00:00"
    jump(world, until("2026-11-27 16:59"))
    assert act(world.department, part(world.department, kept), "return", reason="属排水所")["status"] == "returned"
    assert read(world.street, kept)["status"] == "called" and actions(world.lead, kept)[-1] == "return"
    jump(world, until("2026-11-27 17:01"))
    assert act(world.department, d["id"], "return", 409, reason="属排水所") == "return_too_late"
    assert see(world.department, d["id"])["actions"] == ["report_in"]


def until(text):
    """How far the clock is from a time in Chengdu."""
    then = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone(datetime.timedelta(hours=8)))
    return f"{(then - datetime.datetime.now(datetime.timezone.utc)).total_seconds():.0f} s"


def test_the_second_return_is_ruled_on(world, water):
    """Rule 15: whoever gives it back second asks; refused, it is theirs for good."""
    drains, plumber = water
    t = called(world, address="三栋楼下")
    send(world, t, org_id=BUREAU)
    first = part(world.department, t)
    act(world.department, first, "return", reason="属排水所")
    gone = see(world.department, first)
    assert (gone["address"], gone["position"], gone["actions"], gone["title"]) == (None, None, [], samples.TICKET["title"])
    assert clocks(world, first)["report_in"]["state"] == "dropped"
    send(world, t, org_id=drains)
    second = part(plumber, t)
    assert act(plumber, second, "return", reason="属执法队")["status"] == "return_asked"
    assert read(world.street, t)["status"] == "dispatched" and clocks(world, second)["report_in"]["state"] == "paused"
    assert act(plumber, second, "report_in", 409) == "wrong_state"
    assert see(world.street, second)["actions"] == ["refuse", "uphold"]
    assert act(world.street, second, "refuse", reason="属贵所")["ruling"] == "refused"
    assert see(plumber, second)["status"] == "dispatched" and clocks(world, second)["report_in"]["state"] == "running"
    assert act(plumber, second, "return", 409, reason="还是不属") == "return_ruled"
    do_part(plumber, second)
    assert read(world.street, t)["status"] == "resolved"
    other = called(world)
    for org, who in ((BUREAU, world.department), (drains, plumber)):
        send(world, other, org_id=org)
        act(who, part(who, other), "return", reason="不属本单位")
    asked = part(plumber, other)
    assert act(world.street, asked, "uphold", reason="由街道自行处置")["status"] == "returned"
    assert read(world.street, other)["status"] == "called"
    send(world, other, own_staff=True)
    own = part(world.street, other)
    assert see(world.street, own)["org_id"] is None and see(world.department, own) == 404
    do_part(world.street, own)
    assert read(world.community, other)["status"] == "resolved"


def test_what_one_gave_back_is_not_done_by_the_other(world, water):
    """Joint handling closes when all parts are done, by whomever."""
    drains, plumber = water
    t = called(world)
    send(world, t, org_id=drains, co_org_ids=[BUREAU])
    act(world.department, part(world.department, t), "return", reason="与本队无关")
    assert read(world.street, t)["status"] == "dispatched"
    do_part(plumber, part(plumber, t))
    assert read(world.street, t)["status"] == "called" and do(world.lead, t, "resolve", 409, note="好了") == "wrong_state"
    send(world, t, own_staff=True)
    do_part(world.street, part(world.street, t))
    assert read(world.street, t)["status"] == "resolved"
    do(world.community, t, "send_back", reason="仍有积水")
    assert [(p["status"], p["org_id"]) for p in parts(world.street, t) if p["lead"]] == [("in_progress", None), ("done", drains)]


def test_who_may_be_sent(shared):
    """One lead; departments of the street, open, each once."""
    t = called(shared)
    assert send(shared, t, 422) == ("dispatch_lead_required", "/org_id")
    assert send(shared, t, 422, co_org_ids=[BUREAU]) == ("dispatch_lead_required", "/org_id")
    assert send(shared, t, 422, org_id=BUREAU, own_staff=True) == ("dispatch_lead_required", "/org_id")
    for org in (SHOP, "01900000-0000-8002-8000-600000000001"):
        assert send(shared, t, 422, org_id=org) == ("org_not_found", "/org_id")
        assert send(shared, t, 422, own_staff=True, co_org_ids=[org]) == ("org_not_found", "/co_org_ids/0")
    assert parts(shared.street, t) == [] and read(shared.street, t)["status"] == "called"
    send(shared, t, own_staff=True)
    send(shared, t, co_org_ids=[BUREAU])
    assert send(shared, t, 409, co_org_ids=[BUREAU]) == ("already_dispatched", "/co_org_ids/0")
    assert [(p["org_id"], p["lead"]) for p in parts(shared.street, t)] == [(BUREAU, False), (None, True)]
    send(shared, called(shared), org_id=BUREAU)


def test_two_report_in_at_once(shared):
    """Two of one department: one 200, one 409; the clock stops once."""
    for _ in range(3):
        t = called(shared)
        send(shared, t, org_id=BUREAU)
        d = part(shared.department, t)
        replies = together(2, lambda _: shared.department.post(f"/v1/dispatches/{d}/report_in"))
        assert sorted(r.status_code for r in replies) == [200, 409]
        assert actions(shared.street, t).count("report_in") == 1


def test_taken_back_while_they_work(shared):
    t = called(shared)
    send(shared, t, org_id=BUREAU)
    d = part(shared.department, t)
    act(shared.department, d, "report_in")
    do(shared.resident, t, "withdraw")
    assert (see(shared.department, d)["status"], act(shared.department, d, "start", 409)) == ("cancelled", "wrong_state")


def test_a_case_is_nobody_elses(world, water):
    """security 1, 2: a foreign department, neighbours, the reporter, other grids."""
    _, plumber = water
    t = called(world, photo_ids=[upload(world.resident)])
    send(world, t, org_id=BUREAU)
    d = part(world.department, t)
    for who in (plumber, world.community2, world.lead_next, world.street_far):
        assert see(who, d) == 404 and parts(who, t) == []
        assert who.get(f"/v1/dispatches/{d}/photos").status_code == 404
    assert plumber.post(f"/v1/dispatches/{d}/report_in").status_code == 404
    for who in (world.resident, world.merchant):
        assert who.get(f"/v1/dispatches/{d}").status_code == 403
    assert see(world.program, d)["actions"] == [], "of the department itself"
    assert world.department.get(f"/v1/tickets/{t}").status_code == 403
    assert see(world.lead, d)["actions"] == [] and see(world.community, d)["org_name"] == "综合执法队"
    assert world.lead.get(f"/v1/dispatches/{d}/photos").status_code == 200


def test_a_department_follows_its_parts(world, water):
    """Each hop of its own in the feed, in order, no other's; and what waits for it in its day."""
    drains, plumber = water
    t = called(world, title="化粪池堵了，请打13912345678", photo_ids=[upload(world.resident)])
    waiting = plumber.get("/v1/changes/head").json()["next"]
    send(world, t, org_id=drains, co_org_ids=[BUREAU], note="今天到场，请打13912345678")
    theirs, helps = part(plumber, t), part(world.department, t)
    world.settle()
    first, = story.feed(plumber, waiting)[0]
    assert (first["subject"], first["subject_id"], first["action"], first["to_state"], first["actor_id"], first["data"]) == (
        "dispatch", theirs, "dispatch", "dispatched", None, {"ticket_id": t, "text": "今天到场，请打139****5678"})
    due, = plumber.get("/v1/me/today").json()["items"]
    assert (due["kind"], due["id"], due["title"], due["actions"], due["colour"], due["mine"]) == (
        "dispatch", theirs, "化粪池堵了，请打139****5678", ["report_in", "return"], "green", True)
    act(world.department, helps, "return", reason="与本队无关")
    do_part(plumber, theirs)
    assert plumber.get("/v1/me/today").json()["items"] == world.department.get("/v1/me/today").json()["items"] == []
    send(world, t, own_staff=True)
    do_part(world.street, part(world.street, t))
    rate, = [i for i in world.community.get("/v1/me/today").json()["items"] if i["kind"] == "dispatch" and i["id"] == theirs]
    assert rate["actions"] == ["evaluate"]
    act(world.community, theirs, "evaluate", stars=4)
    assert theirs not in [i["id"] for i in world.community.get("/v1/me/today").json()["items"]]
    do(world.community, t, "send_back", reason="仍有积水")
    world.settle()
    assert [(e["action"], e["to_state"]) for e in story.feed(plumber, waiting)[0]] == [
        ("dispatch", "dispatched"), ("report_in", "reported_in"), ("start", "in_progress"), ("finish", "done"), ("evaluate", "done")]
    assert [(e["action"], e["to_state"]) for e in story.feed(world.department)[0]] == [("dispatch", "dispatched"), ("return", "returned")]
    assert {e["subject_id"] for e in story.feed(plumber)[0]} == {theirs}
    assert world.merchant.get("/v1/changes").status_code == 403


def test_a_departments_program_follows_too(world, water):
    """As far as the department itself, and no act."""
    drains, plumber = water
    body = {"name": "排水调度", "scopes": ["tickets:read", "changes:read"], "org_id": drains}
    made = test_clients.make(world, **body)
    pump = test_clients.token(world, made, test_clients.secret(world, made))
    t, other = called(world), called(world)
    send(world, t, org_id=drains)
    send(world, other, org_id=BUREAU)
    d = part(plumber, t)
    world.settle()
    assert [(e["subject"], e["subject_id"]) for e in story.feed(pump)[0]] == [("dispatch", d)]
    assert [p["id"] for p in walk(pump, "/v1/dispatches")] == [d] and see(pump, d)["actions"] == []
    assert see(pump, part(world.department, other)) == 404 and pump.post(f"/v1/dispatches/{d}/report_in").status_code == 403
    assert [e["subject_id"] for e in story.feed(world.program)[0]] == [part(world.department, other)]


def test_nobody_reports_in_and_the_street_hears(world):
    """The arrival clock is fired once, on the ticket's timeline."""
    t = called(world)
    send(world, t, org_id=BUREAU)
    d = part(world.department, t)
    world.sql("update clock.clock set half_at = now() - interval '3 s', late_at = now() - interval '2 s',"
              " due_at = now() - interval '1 s' where subject_id = %s", d)
    world.sql("update ticket.dispatch set due_at = now() - interval '1 s', warn_at = now() - interval '3 s' where id = %s", d)
    story.harness.wait_for(lambda: "clock_overdue" in actions(world.street, t), "the street to hear")
    late = [e for e in timeline(world.street, t) if e["action"].startswith("clock_")]
    assert [(e["action"], e["data"]["stage"], e["data"].get("raised_to"), e["data"]["dispatch_id"]) for e in late] == [
        ("clock_warning", "report_in", None, d)] * 2 + [("clock_overdue", "report_in", "street", d)]
    world.settle()
    assert [e["action"] for e in story.feed(world.department)[0]] == ["dispatch", "clock_warning", "clock_warning", "clock_overdue"]
    assert see(world.department, d)["colour"] == "red" and "clock_overdue" not in actions(world.resident, t)
    assert act(world.department, d, "report_in")["status"] == "reported_in"
    assert clocks(world, d)["report_in"]["in_time"] is False


def routes(world, status=200, *rules):
    tag = world.street.get("/v1/ticket-routes").headers["ETag"]
    reply = world.street.put("/v1/ticket-routes", {"rules": [{"co_org_ids": [], **r} for r in rules]}, headers={"If-Match": tag})
    assert reply.status_code == status, reply.text
    return tag if status < 300 else (reply.json()["code"], reply.json()["errors"][0]["pointer"])


def test_the_rules_suggest_whom_to_send(world, water):
    """The nearest place first, then the category, then the urgency; nothing is sent by itself."""
    drains, _ = water
    t = called(world, urgency="urgent")

    def suggested(client=world.street):
        got = client.get(f"/v1/tickets/{t}/route").json()
        return got["known"], got["org_name"], got["own_staff"], [o["name"] for o in got["co_orgs"]]

    assert suggested() == (False, None, False, [])
    routes(world, 200, {})
    assert suggested(world.community) == (True, None, True, [])
    both = [{}, {"category": "noise", "org_id": BUREAU}, {"urgency": "urgent", "org_id": drains}]
    routes(world, 200, *both)
    assert suggested() == (True, "排水所", False, [])
    routes(world, 200, *both, {"category": "pets", "org_id": BUREAU, "co_org_ids": [drains]})
    assert suggested() == (True, "综合执法队", False, ["排水所"])
    stale = routes(world, 200, *both, {"category": "pets", "org_id": BUREAU}, {"grid_id": story.MASTER, "org_id": drains},
                   {"grid_id": story.D, "org_id": BUREAU})
    assert suggested() == (True, "排水所", False, [])
    org = world.street.get(f"/v1/orgs/{drains}")
    closed = world.street.put(f"/v1/orgs/{drains}", {"kind": "department", "name": "排水所", "closed": True},
                              headers={"If-Match": org.headers["ETag"]})
    assert closed.status_code == 200 and suggested() == (True, "综合执法队", False, [])
    assert read(world.street, t)["status"] == "called" and world.community2.get(f"/v1/tickets/{t}/route").status_code == 404
    old = world.street.put("/v1/ticket-routes", {"rules": []}, headers={"If-Match": stale})
    assert (old.status_code, old.json()["code"]) == (412, "version_conflict")
    for rule, fault in (({"category": "none_such"}, ("category_unknown", "/rules/0/category")),
                        ({"org_id": SHOP}, ("org_not_found", "/rules/0/org_id")),
                        ({"co_org_ids": [drains]}, ("org_not_found", "/rules/0/co_org_ids/0")),
                        ({"grid_id": "01900000-0000-8002-8000-100000000012"}, ("grid_not_found", "/rules/0/grid_id"))):
        assert routes(world, 422, rule) == fault
    assert routes(world, 422, {}, {}) == ("rule_twice", "/rules/1")


def test_a_team_is_suggested(world):
    """The rule names a safety team instead of a department; one that is closed is passed over."""
    t = called(world)
    made = test_teams.team(world.community, {k: v for k, v in test_teams.FOUR.items() if k != "lead"})
    suggested = lambda: world.street.get(f"/v1/tickets/{t}/route").json()  # noqa: E731
    routes(world, 200, {"org_id": BUREAU}, {"category": "pets", "team_id": made["id"], "co_org_ids": [BUREAU]})
    got = suggested()
    assert (got["known"], got["org_id"], got["own_staff"], got["team_id"], got["team_name"], got["team_missing"]) == (
        True, None, False, made["id"], "双福路安全监督队", ["micro_member"])
    assert [o["id"] for o in got["co_orgs"]] == [BUREAU]
    assert world.street.get("/v1/ticket-routes").json()["rules"][1] == {"category": "pets", "team_id": made["id"], "co_org_ids": [BUREAU]}
    assert routes(world, 422, {"team_id": BUREAU}) == ("team_not_found", "/rules/0/team_id")
    assert routes(world, 422, {"team_id": made["id"], "org_id": BUREAU}) == ("target_twice", "/rules/0/team_id")
    tag = world.community.get(f"/v1/safety-teams/{made['id']}").headers["ETag"]
    closed = world.community.put(f"/v1/safety-teams/{made['id']}", test_teams.body(closed=True), headers={"If-Match": tag})
    assert closed.status_code == 200, closed.text
    got = suggested()
    assert (got["org_id"], got["team_id"], got["team_missing"]) == (BUREAU, None, None)
