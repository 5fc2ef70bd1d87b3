"""巡查: routes, plans over holidays, proof of presence, what is found on the way."""

import datetime
import os
import signal
import uuid

import pytest

import harness
from story import A, B, MASTER, SPECIAL, at, read, sign_in, together, walk
from test_hazards import see

CHENGDU = datetime.timezone(datetime.timedelta(hours=8))
GATE, SHED = (104.0851, 30.6601), (104.0861, 30.6611)


def this_day():
    return datetime.datetime.now(CHENGDU).date()


def spot(lon, lat, crs="wgs84"):
    return {"lon": lon, "lat": lat, "crs": crs}


def route(client, grid=A, points=(GATE, SHED), radius=50):
    reply = client.post("/v1/patrol-routes", {"name": "和善平安行", "grid_id": grid, "checkpoints": [
        {"name": f"点{n}", "position": spot(*p), "radius": radius} for n, p in enumerate(points)]})
    assert reply.status_code == 201, reply.text
    return reply.json()["id"]


def plan(client, way, status=201, **fields):
    """All day, every day, unless told otherwise."""
    reply = client.post("/v1/patrol-plans", {"route_id": way, "name": "平安嬢嬢日", "rule": "FREQ=DAILY", "start_on": this_day().isoformat(),
                                             "from_minute": 0, "to_minute": 1440, **fields})
    assert reply.status_code == status, reply.text
    return reply.json()["id"] if status < 300 else reply.json()["code"]


def tasks(client, made, count, **query):
    return harness.wait_for(lambda: (found := walk(client, "/v1/patrol-tasks", plan_id=made, **query)) and len(found) >= count and found,
                            "the tasks of a plan")


def today(world, client=None, **fields):
    """Today's task of a new plan in micro-grid A."""
    return tasks(client or world.lead, plan(world.community, route(world.community), **fields), 8)[0]


def check_in(client, task, n, status=200, where=None, **fields):
    c = task["checkpoints"][n]
    reply = client.post(f"/v1/patrol-tasks/{task['id']}/check_ins", {
        "checkpoint_id": c["id"], "position": where or c["position"], **fields})
    assert reply.status_code == status, reply.text
    return reply.json() if status < 300 else reply.json()["code"]


def events(world, task):
    return [a for a, in world.sql("select action from core.event where subject_id = %s order by xact, id", task)]


# 每周二平安嬢嬢日 ---------------------------------------------------------------------

def set_day(world, day, hour=9):
    moment = datetime.datetime(*map(int, day.split("-")), hour, tzinfo=CHENGDU)
    world.set_clock(f"{int((moment - datetime.datetime.now(CHENGDU)).total_seconds())} seconds")


@pytest.mark.parametrize("on_holiday, days", [
    ("next_workday", ["2026-02-10", "2026-02-24", "2026-03-03"]),
    ("keep", ["2026-02-10", "2026-02-17", "2026-02-24", "2026-03-03"]),
    ("prev_workday", ["2026-02-10", "2026-02-14", "2026-02-24", "2026-03-03"])])
def test_tuesdays_patrol_over_the_spring_festival(world, on_holiday, days):
    """Article 004: 巷子树's 平安嬢嬢日 is each Tuesday. 17 February 2026 lies in the Spring
    Festival (15 to 23 February are off): moved on it falls on the next Tuesday's own patrol,
    moved back on Saturday the 14th, which is worked; it shifts no other."""
    set_day(world, "2026-02-08")
    # a token of another year is not good in this one
    who = sign_in(world, "community", "community")
    made = plan(who, route(who), rule="FREQ=WEEKLY;BYDAY=TU", on_holiday=on_holiday, start_on="2026-01-06", from_minute=540, to_minute=1080)
    seen = {}
    for day in ("2026-02-08", "2026-02-13", "2026-02-19", "2026-02-26"):
        set_day(world, day)
        who = sign_in(world, "community", "community")
        goal = (datetime.date.fromisoformat(day) + datetime.timedelta(7)).isoformat()
        harness.wait_for(lambda: who.get(f"/v1/patrol-plans/{made}").json()["planned_to"] == goal, "the job")
        seen.update({t["id"]: t for t in walk(who, "/v1/patrol-tasks", plan_id=made)})
    assert sorted(t["on_day"] for t in seen.values()) == days
    first = next(t for t in seen.values() if t["on_day"] == "2026-02-10")
    assert (first["opens_at"][:16], first["closes_at"][:16]) == ("2026-02-10T01:00", "2026-02-10T10:00")
    moved = {t["nominal_on"]: t["on_day"] for t in seen.values() if t["nominal_on"] != t["on_day"]}
    assert moved == ({"2026-02-17": "2026-02-14"} if on_holiday == "prev_workday" else {})
    # walked by nobody they are missed, each once, and the last is still to come
    assert {t["on_day"]: t["status"] for t in walk(who, "/v1/patrol-tasks", plan_id=made)}["2026-03-03"] == "open"
    harness.wait_for(lambda: len(walk(who, "/v1/patrol-tasks", plan_id=made, status="missed")) == len(days) - 1, "the job")
    assert all(events(world, t).count("planned") == 1 and events(world, t).count("miss") <= 1 for t in seen)


def test_tasks_are_made_once_though_the_job_dies(world):
    made = [plan(world.community, route(world.community)) for _ in range(3)]
    for _ in range(3):
        job = world.server.pid("job")
        if job:
            os.kill(job, signal.SIGKILL)
        world.sql("update field.patrol_plan set planned_to = current_date - 2")
        harness.wait_for(lambda: world.sql("select min(planned_to) > current_date from field.patrol_plan")[0][0], "the job")
    for p in made:
        assert [t["on_day"] for t in tasks(world.community, p, 8)] == [
            (this_day() + datetime.timedelta(n)).isoformat() for n in range(8)]
    assert world.sql("select count(*) from core.event where action = 'planned'")[0][0] == 24


# Proof of presence -------------------------------------------------------------------------

def test_who_is_there_is_done(shared):
    t = today(shared)
    assert (t["status"], t["done"], t["total"], t["mine"]) == ("open", 0, 2, False)
    north = GATE[1] + 0.0004  # some 44 m
    half = check_in(shared.lead, t, 0, where=spot(GATE[0], north))
    assert (half["status"], half["done"]) == ("open", 1)
    assert 40 <= half["checkpoints"][0]["distance"] <= 48 and half["checkpoints"][0]["offline"] is False
    assert check_in(shared.lead, t, 0, 409) == "already_checked_in"
    whole = check_in(shared.lead2, t, 1)
    assert (whole["status"], whole["done"]) == ("done", 2) and whole["checkpoints"][1]["checked_at"]
    assert events(shared, t["id"]) == ["planned", "check_in", "check_in", "complete"]


def test_too_far_is_too_far(shared):
    """The database computes the distance, in either system."""
    t = today(shared)
    assert check_in(shared.lead, t, 0, 422, where=spot(GATE[0], GATE[1] + 0.0005)) == "too_far"  # some 56 m
    assert check_in(shared.lead, t, 0, 422, where={**t["checkpoints"][0]["position_gcj02"], "crs": "wgs84"}) == "too_far"
    assert check_in(shared.lead, t, 0, where=t["checkpoints"][0]["position_gcj02"])["checkpoints"][0]["distance"] <= 1
    assert check_in(shared.lead, t, 1, 422, where=t["checkpoints"][0]["position"]) == "too_far"
    assert shared.sql("select count(*) from field.check_in where task_id = %s", t["id"])[0][0] == 1


def test_of_two_at_once_one_checks_in(shared):
    t, clients = today(shared), [shared.client("lead"), shared.client("lead2")]
    body = {"checkpoint_id": t["checkpoints"][0]["id"], "position": t["checkpoints"][0]["position"]}
    replies = together(2, lambda i: clients[i].post(f"/v1/patrol-tasks/{t['id']}/check_ins", body))
    assert sorted(r.status_code for r in replies) == [200, 409]


def test_offline_it_is_synced_with_its_own_time(world):
    t = today(world)
    now = lambda hours=0: (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)).isoformat()
    begun = now()
    assert check_in(world.lead, t, 0, 422, offline=True) == "time_outside"
    assert check_in(world.lead, t, 0, 422, offline=True, at=now(1)) == "time_outside"
    assert check_in(world.lead, t, 0, 422, offline=True, at=now(-30)) == "time_outside"  # the day before
    # too far away then: kept, flagged, and not counted
    far = check_in(world.lead, t, 0, offline=True, at=begun, where=spot(104.09, 30.665))
    assert (far["done"], far["checkpoints"][0]["checked_at"]) == (0, None)
    assert world.sql("select too_far, distance > 500 from field.check_in where task_id = %s", t["id"]) == [(True, True)]
    # the day is over, the task missed, and the phone finds a network
    world.set_clock("26 hours")
    lead = sign_in(world, "lead", "grid_lead")
    harness.wait_for(lambda: lead.get(f"/v1/patrol-tasks/{t['id']}").json()["status"] == "missed", "the job")
    assert check_in(lead, t, 0, 409) == "patrol_not_now"
    done = check_in(lead, t, 0, offline=True, at=begun)
    assert (done["done"], done["checkpoints"][0]["offline"], at(done["checkpoints"][0]["checked_at"])) == (1, True, at(begun))
    assert check_in(lead, t, 1, offline=True, at=begun)["status"] == "done"
    assert events(world, t["id"]) == ["planned", "check_in", "miss", "check_in", "check_in", "complete"]
    world.set_clock("74 hours")
    late = tasks(sign_in(world, "community", "community"), t["plan_id"], 1, from_on=t["on_day"])[0]
    assert check_in(sign_in(world, "lead", "grid_lead"), {**t, "id": late["id"]}, 0, 422, offline=True, at=begun) == "time_outside"


# Who walks --------------------------------------------------------------------------------------

def test_only_those_named_walk_and_see_it(shared):
    """和善嬢嬢 are residents: who is named sees the task, wherever they live, and no route or plan."""
    t = today(shared, shared.resident, assignees=["resident"])
    assert t["mine"] and [x["id"] for x in walk(shared.resident, "/v1/patrol-tasks", mine="true", plan_id=t["plan_id"])][0] == t["id"]
    for who, status in ((shared.resident2, 404), (shared.lead_next, 404), (shared.community2, 404), (shared.street_far, 404),
                        (shared.lead, 200), (shared.community, 200), (shared.street, 200)):
        assert who.get(f"/v1/patrol-tasks/{t['id']}").status_code == status
        assert (t["id"] in [x["id"] for x in walk(who, "/v1/patrol-tasks")]) == (status == 200)
    assert check_in(shared.lead, t, 0, 403) == "not_assigned" == check_in(shared.community, t, 0, 403)
    assert check_in(shared.resident2, t, 0, 404) == "not_found" == check_in(shared.lead_next, t, 0, 404)
    assert check_in(shared.street, t, 0, 403) == "role_not_allowed"
    assert check_in(shared.resident, t, 0)["done"] == 1


def test_found_on_the_way(shared):
    """A hazard or a ticket in one call, by who walks."""
    t = today(shared)
    found = {"title": "配电房门没有锁", "description": "小孩可以进去", "position": spot(*SHED)}
    post = lambda who, what, status=201, **more: (lambda r: (r.status_code == status or pytest.fail(r.text)) and r.json())(
        who.post(f"/v1/patrol-tasks/{t['id']}/{what}", {**found, **more}))
    h = post(shared.lead, "hazard", kind="electricity")
    assert (h["source"], h["source_id"], h["grid_id"], see(shared.community, h["id"])["status"]) == ("patrol", t["id"], A, "found")
    made = post(shared.lead, "ticket", category="street_light")
    assert (made["status"], made["grid_id"], read(shared.lead, made["id"])["contact_name"]) == ("submitted", A, "平安嬢嬢日")
    assert post(shared.lead_next, "hazard", 404, kind="fire")["code"] == "not_found"
    assert events(shared, t["id"]) == ["planned", "hazard", "ticket"]
    assert post(shared.lead, "hazard", 422, kind="fire", grid_id=B)["code"] == "grid_not_found"
    mine = today(shared, shared.resident, assignees=["resident"])
    t = mine
    assert see(shared.resident, post(shared.resident, "hazard", kind="fire")["id"])["mine"]
    assert read(shared.resident, post(shared.resident, "ticket", category="street_light")["id"])["mine"]


# Plans ----------------------------------------------------------------------------------------------

def test_plans_and_their_rules(shared):
    way = route(shared.lead)
    for fields, code in (({"rule": "FREQ=HOURLY"}, "rule_unknown"), ({"rule": "FREQ=WEEKLY;BYDAY=XX"}, "rule_unknown"),
                         ({"end_on": "2020-01-01"}, "dates_invalid"), ({"from_minute": 600, "to_minute": 600}, "dates_invalid"),
                         ({"assignees": ["lead", "nobody-here"]}, "account_unknown"), ({"assignees": ["resident_far"]}, "account_unknown"),
                         ({"route_id": str(uuid.uuid4())}, "route_unknown")):
        assert plan(shared.lead, **{"way": way, "status": 422, **{k: v for k, v in fields.items() if k != "route_id"},
                                    **({"way": fields["route_id"]} if "route_id" in fields else {})}) == code, fields
    assert plan(shared.lead_next, way, 422) == "route_unknown"  # not theirs to see
    reply = shared.lead.post("/v1/patrol-routes", {"name": "x", "grid_id": MASTER, "checkpoints": [{"name": "x", "position": spot(*GATE)}]})
    assert reply.json()["code"] == "grid_not_found"
    special = shared.community.get(f"/v1/patrol-routes/{route(shared.community, SPECIAL)}").json()
    assert [(c["name"], c["radius"], c["position"]) for c in special["checkpoints"]] == [
        ("点0", 50, spot(*GATE)), ("点1", 50, spot(*SHED))]


def test_a_changed_plan_is_planned_anew(shared):
    made = plan(shared.lead, route(shared.lead))
    first = tasks(shared.lead, made, 8)
    check_in(shared.lead, first[0], 0)
    url = f"/v1/patrol-plans/{made}"
    body = {k: v for k, v in shared.lead.get(url).json().items() if k in (
        "route_id", "name", "start_on", "rule", "from_minute", "to_minute")}
    etag = shared.lead.get(url).headers["ETag"]
    end = (this_day() + datetime.timedelta(2)).isoformat()
    assert shared.lead.put(url, {**body, "end_on": end}, headers={"If-Match": etag}).status_code == 200
    assert shared.lead.put(url, body, headers={"If-Match": etag}).status_code == 412
    harness.wait_for(lambda: shared.lead.get(url).json()["planned_to"] > end, "the job")
    left = tasks(shared.lead, made, 3)
    assert [t["on_day"] for t in left] == [(this_day() + datetime.timedelta(n)).isoformat() for n in range(3)]
    assert (left[0]["id"], left[0]["done"]) == (first[0]["id"], 1)  # what has begun stays


def test_a_route_changes_and_its_tasks_do_not(shared):
    t = today(shared)
    url = f"/v1/patrol-routes/{t['route_id']}"
    now = {"name": "新路线", "grid_id": A, "checkpoints": [{"name": "南门", "position": spot(104.087, 30.658)}]}
    put = shared.lead.put(url, now, headers={"If-Match": shared.lead.get(url).headers["ETag"]})
    assert [c["name"] for c in put.json()["checkpoints"]] == ["南门"]
    assert shared.lead.get(f"/v1/patrol-tasks/{t['id']}").json()["total"] == 2
    assert check_in(shared.lead, {**t, "checkpoints": put.json()["checkpoints"]}, 0, 422) == "checkpoint_unknown"
    shared.lead.put(url, {**now, "closed": True}, headers={"If-Match": put.headers["ETag"]})
    assert plan(shared.lead, t["route_id"], 422) == "route_unknown"
