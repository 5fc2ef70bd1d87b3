"""走访: the 四必去 of 水碾河路北, who lives alone, and the doors of a campaign."""

import datetime
import random

import pytest

import harness
import samples
import story
from test_people import agree, born, enter, home, link, steps, where

FOUR = ["difficult", "party", "dispute", "special_group"]
LATER = "2099-01-01"


def households(world, count, path="1/1/1/1/"):
    """So many more in one dwelling of a grid: their ids."""
    dwelling = home(world, path)
    return [i for i, in world.sql(
        "with h as (insert into people.household (street_id, id, dwelling_id, path) select 1, core.new_id(1), %s, %s"
        " from generate_series(1, %s) returning id) select id::text from h", dwelling, path, count)]


def mark(world, code, ids, path="1/1/1/1/"):
    world.sql("insert into people.tag (street_id, id, code, household_id, path, reason) select 1, core.new_id(1), %s, h, %s, 'x'"
              " from unnest(%s::uuid[]) h", code, path, ids)


def plan(client, status=201, **fields):
    reply = client.post("/v1/visit-plans", {"name": "四必去", "grid_id": story.A, "to_on": LATER, **fields})
    assert reply.status_code == status, reply.text
    return reply.json() if status < 300 else reply.json()["code"]


def report(client, visit, outcome="done", status=200, **more):
    reply = client.post(f"/v1/visits/{visit}/report", {"outcome": outcome, **more})
    assert reply.status_code == status, reply.text
    return reply.json() if status < 300 else reply.json()["code"]


def figures(client, made, *names):
    seen = client.get(f"/v1/visit-plans/{made['id']}").json()
    return tuple(seen[n] for n in names)


def visits(client, **query):
    return story.walk(client, "/v1/visits", **query)


# 四必去 ---------------------------------------------------------------------------

def test_the_four_that_must_be_visited(world):
    """domain rule 14, 水碾河路北: 30 + 50 + 10 + 20 tags with 15 overlaps are 95
    households; 76 visited are 80.0 %; a refused door and a call are no visit."""
    ids = households(world, 96)
    for code, slots in zip(FOUR, (ids[:30], ids[15:65], ids[65:75], ids[75:95])):
        mark(world, code, slots)
    made = plan(world.community, tags=FOUR)
    assert figures(world.lead, made, "households", "visited", "coverage") == (95, 0, 0)
    listed = visits(world.lead, plan_id=made["id"])
    assert len({v["household_id"] for v in listed}) == 95 and ids[95] not in {v["household_id"] for v in listed}
    overlap = next(v for v in listed if v["household_id"] == ids[20])
    assert {t["code"] for t in overlap["tags"]} == {"difficult", "party"}

    def knock(n):
        return report(world.lead if n % 2 else world.community, listed[n]["id"], "done" if n < 76 else
                      ("refused", "by_phone", "not_home")[n % 3], note="电话 13812345678")
    reports = story.together(86, knock)
    assert reports[0]["note"] == "电话 138****5678" and reports[0]["reported_name"] == "李文静"
    for client in (world.lead, world.lead_general, world.community, world.street):
        assert figures(client, made, "households", "visited", "coverage", "refused", "by_phone", "not_home", "planned") == (
            95, 76, 80, 3, 4, 3, 9)
    assert world.lead_next.get(f"/v1/visit-plans/{made['id']}").status_code == 404
    # who refused may open the next time
    refused = next(v for v in reports if v["state"] == "refused")
    for client, more in ((world.lead, []), (world.community, ["cancel"])):
        assert sorted(client.get(f"/v1/visits/{refused['id']}").json()["actions"]) == sorted(["by_phone", "done", "not_home", "refused"] + more)
    assert report(world.lead, refused["id"])["attempts"] == 2
    assert figures(world.lead, made, "visited", "refused") == (77, 2)
    assert report(world.lead, refused["id"], status=409) == "wrong_state"
    # a visit beside the plan is the plan's too
    planned = visits(world.lead, plan_id=made["id"], state="planned")[0]
    beside = samples.act(world, "lead", "createVisit", body={"household_id": planned["household_id"], "outcome": "done"})
    assert world.lead.get(f"/v1/visits/{planned['id']}").json()["settled_by"] == beside["id"]
    summary = world.community.get("/v1/visits/summary", params={"under": story.A}).json()
    assert (summary["visits"], summary["households"], summary["planned"], summary["refused"]) == (78, 78, 17, 2)
    assert [(g["grid_id"], g["visits"], g["planned"]) for g in summary["by_grid"]] == [(story.A, 78, 17)]
    assert {x["name"]: x["planned"] for x in summary["by_lead"]} == {"彭晓敏": 17, "蒋明华": 17}
    assert world.street.get("/v1/visits/summary").json()["visits"] == 78
    assert world.lead_next.get("/v1/visits/summary").json()["visits"] == 0


@pytest.mark.parametrize("seed", range(3))
def test_coverage_against_a_model(world, seed):
    """domain rule 14 with random figures: a model that knows nothing of linli's."""
    dice = random.Random(14 + seed)
    ids = households(world, dice.randrange(20, 40))
    carried = {h: set(dice.sample(FOUR + ["newcomer"], dice.choice([0, 1, 1, 2, 3]))) for h in ids}
    for code in FOUR + ["newcomer"]:
        mark(world, code, [h for h in ids if code in carried[h]])
    wanted = dice.sample(FOUR, dice.randrange(1, 5))
    made = plan(world.community, tags=wanted)
    goals = {h for h in ids if carried[h] & set(wanted)}
    visit = {v["household_id"]: v["id"] for v in visits(world.community, plan_id=made["id"])}
    assert set(visit) == goals
    last = {}
    for _ in range(60):
        h = dice.choice(sorted(ids))
        outcome = dice.choice(["done", "refused", "not_home", "by_phone"])
        if h in goals and last.get(h) != "done" and dice.random() < 0.7:
            report(world.lead, visit[h], outcome)
            last[h] = outcome
        else:
            samples.act(world, "lead", "createVisit", body={"household_id": h, "outcome": outcome})
            if outcome == "done" and h in goals:
                last[h] = "done"
    seen = world.lead.get(f"/v1/visit-plans/{made['id']}").json()
    covered = sum(last.get(h) == "done" for h in goals)
    assert (seen["households"], seen["visited"]) == (len(goals), covered)
    assert seen["coverage"] == (float(f"{100 * covered / len(goals) + 1e-9:.1f}") if goals else None)
    for outcome in ("refused", "not_home", "by_phone"):
        assert seen[outcome] == sum(last.get(h) == outcome for h in goals)


def test_due_and_overdue(world):
    """Row 003-05: by grid and by lead, and each day a day."""
    ids = households(world, 3)
    mark(world, "difficult", ids)
    mark(world, "difficult", households(world, 1, "1/1/1/2/"), "1/1/1/2/")
    today = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=8))).date()
    made = plan(world.community, grid_id=story.GENERAL, to_on=(today + datetime.timedelta(20)).isoformat(),
                due_on=(today + datetime.timedelta(3)).isoformat(), repeats="month")
    assert len(visits(world.community, due="due")) == 4 and visits(world.community, due="overdue") == []
    assert len(visits(world.lead, due="due")) == 3 and len(visits(world.lead_next, due="due")) == 1
    accounts = dict(world.sql("select login, id::text from identity.account where login in ('lead', 'lead_next')"))
    assert [len(visits(world.community, lead_id=accounts[n])) for n in ("lead", "lead_next")] == [3, 1]
    report(world.lead, visits(world.lead)[0]["id"])
    story.jump(world, "4 days")
    assert len(visits(world.lead, due="overdue")) == 2 and visits(world.lead, due="due") == []
    assert figures(world.community, made, "overdue", "coverage") == (3, 25)
    late = {x["name"]: x["overdue"] for x in world.community.get("/v1/visits/summary").json()["by_lead"]}
    assert late == {"彭晓敏": 2, "蒋明华": 2, "罗玉琴": 1}
    # the month is over: the job begins the next
    story.jump(world, "20 days")
    following = harness.wait_for(lambda: [p for p in world.community.get("/v1/visit-plans?state=active").json()["items"]
                                          if p["id"] != made["id"]], "the next month's plan")
    assert [(p["from_on"], p["households"], p["visited"]) for p in following] == [(made["to_on"], 4, 0)]
    assert figures(world.community, made, "state", "missed", "visited") == ("ended", 3, 1)


def test_two_who_report_at_once(shared):
    """One visit, done once: by the database."""
    mark(shared, "difficult", households(shared, 1))
    made = plan(shared.community)
    visit, = visits(shared.lead, plan_id=made["id"])
    codes = story.together(8, lambda n: (shared.lead, shared.lead2)[n % 2].post(
        f"/v1/visits/{visit['id']}/report", {"outcome": "done"}).status_code)
    assert sorted(codes) == [200] + [409] * 7
    assert shared.lead.get(f"/v1/visits/{visit['id']}").json()["attempts"] == 1


@pytest.mark.parametrize("fields, told, pointer", [
    ({"grid_id": story.B}, "grid_not_found", "/grid_id"), ({"tags": ["nosuch"]}, "tag_unknown", "/tags"),
    ({"to_on": "2020-01-01"}, "dates_invalid", "/to_on"), ({"from_on": "2020-01-01", "to_on": "2020-02-01"}, "date_passed", "/to_on"),
    ({"due_on": LATER}, "dates_invalid", "/due_on"), ({"tags": ["disabled"]}, "field_not_allowed", "/tags")])
def test_plans_that_cannot_be(shared, fields, told, pointer):
    reply = shared.lead.post("/v1/visit-plans", {"name": "x", "grid_id": story.A, "to_on": LATER, **fields})
    assert (reply.json()["code"], reply.json()["errors"][0]["pointer"]) == (told, pointer)


# Health -----------------------------------------------------------------------------

def test_what_tells_of_health_is_not_for_neighbours(shared):
    """security 7: the visit planned because of it, its note, the tag in others' lists, the feed."""
    ill = enter(shared.community, home(shared), name="zzillzz")
    agree(shared, ill["id"])
    samples.act(shared, "community", "tagPerson", {"id": ill["id"]}, {"code": "chronic_illness", "reason": "zzreasonzz"})
    made = plan(shared.community, tags=["chronic_illness"], name="慢病随访")
    planned, = visits(shared.community, plan_id=made["id"])
    own = samples.act(shared, "community", "createVisit", body={
        "person_id": ill["id"], "health": True, "outcome": "done", "note": "zzinsulinzz"})
    plain = samples.act(shared, "lead", "createVisit", body={"person_id": ill["id"], "outcome": "done"})
    assert shared.lead.post("/v1/visits", {"person_id": ill["id"], "health": True}).json()["code"] == "field_not_allowed"
    for client, sees in ((shared.lead, False), (shared.lead2, False), (shared.lead_general, True), (shared.community, True)):
        lists = [client.get(f"/v1/visits?limit=100{q}").text for q in (
            "", "&kind=plan", "&kind=other", f"&plan_id={made['id']}", f"&person_id={ill['id']}", "&state=done")]
        for word in ("chronic_illness", "zzinsulinzz", "zzreasonzz", own["id"], planned["id"]):
            assert any(word in text for text in lists) == sees, word
        assert plain["id"] in lists[0] and "zzillzz" in lists[0]
        assert client.get(f"/v1/visits/{own['id']}").status_code == (200 if sees else 404)
        assert client.post(f"/v1/visits/{planned['id']}/report", {"outcome": "refused"}).status_code in ((200, 409) if sees else (404,))
        assert figures(client, made, "households") == (int(sees),)
    shared.settle()
    for client, sees in ((shared.lead, False), (shared.lead_general, True)):
        told = {e["subject_id"] for e in story.feed(client)[0]}
        assert plain["id"] in told and (own["id"] in told, planned["id"] in told) == (sees, sees)


# Persons, and what becomes of them -------------------------------------------------------

def test_a_look_at_somebodys_visit_is_logged(shared):
    """security 46"""
    person = enter(shared.community, home(shared))["id"]
    link(shared, person, "resident2")
    visit = samples.act(shared, "lead", "createVisit", body={"person_id": person})["id"]
    shared.lead.get(f"/v1/visits/{visit}")
    assert {"action": "view", "by_name": "彭晓敏", "person_id": person}.items() <= story.walk(shared.resident2, "/v1/me/accesses")[0].items()
    assert shared.resident2.get(f"/v1/visits/{visit}").status_code == 403
    for body in ({}, {"person_id": person, "household_id": person}):
        assert shared.lead.post("/v1/visits", body).json()["code"] == "visit_subject"
    assert shared.lead.post("/v1/visits", {"person_id": person, "outcome": "done", "at": LATER + "T00:00:00Z"}).json()["code"] == "date_in_future"
    assert shared.lead_next.post("/v1/visits", {"person_id": person}).json()["code"] == "person_not_found"


def test_a_minor_is_visited_with_leave_only(shared):
    """domain rule 9"""
    minor = enter(shared.community, home(shared), name="东方小雨", born_on=born(16))["id"]
    assert shared.lead.post("/v1/visits", {"person_id": minor}).json()["code"] == "approval_required"
    asked = samples.act(shared, "lead", "requestApproval", {"id": minor}, {"fields": ["name"], "reason": "家访"})["id"]
    samples.act(shared, "community", "approveApproval", {"id": asked})
    visit = samples.act(shared, "lead", "createVisit", body={"person_id": minor})
    assert visit["name"] == "东方小雨"
    assert shared.lead2.get(f"/v1/visits/{visit['id']}").json()["name"] is None


def test_visits_move_with_the_boundary(world):
    """domain rule 13: what is to be done goes along, what was done counts where it was."""
    dwelling = home(world)
    person = enter(world.community, dwelling)
    done = samples.act(world, "lead", "createVisit", body={"household_id": person["household_id"], "outcome": "done"})["id"]
    waits = samples.act(world, "lead", "createVisit", body={"person_id": person["id"], "due_on": LATER})["id"]
    reply = world.community.get(f"/v1/dwellings/{dwelling}")
    assert world.community.put(f"/v1/dwellings/{dwelling}", {"number": "502", "grid_id": story.B},
                               headers={"If-Match": reply.headers["ETag"]}).status_code == 200
    for visit in (done, waits):
        assert world.lead.get(f"/v1/visits/{visit}").status_code == 404
        assert world.lead_next.get(f"/v1/visits/{visit}").json()["grid_id"] == story.B
    by_grid = {g["grid_id"]: (g["visits"], g["planned"]) for g in world.community.get("/v1/visits/summary").json()["by_grid"]}
    assert by_grid == {story.A: (1, 0), story.B: (0, 1)}


def test_who_is_deleted_is_no_longer_named(world):
    """security 49: nor in what was noted at their door."""
    dwelling = home(world)
    person = enter(world.community, dwelling, name="司徒青云")
    link(world, person["id"])
    for subject in ({"person_id": person["id"]}, {"household_id": person["household_id"]}):
        samples.act(world, "lead", "createVisit", body={**subject, "outcome": "done", "note": "司徒青云说屋顶漏水"})
    campaign = samples.act(world, "community", "createDoorCampaign")["id"]
    samples.act(world, "lead", "recordDoorKnock", {"id": campaign}, {"dwelling_id": dwelling, "outcome": "answered", "note": "司徒青云在家"})
    open_visit = samples.act(world, "lead", "createVisit", body={"person_id": person["id"]})["id"]
    asked = world.resident.post(f"/v1/persons/{person['id']}/data-requests", {"kind": "delete"}).json()["id"]
    steps(world, asked, "verify", "start", "fulfil")
    assert where(world, "司徒青云") == []
    assert world.sql("select state from care.visit where id = %s", open_visit) == [("cancelled",)]


# Who lives alone ---------------------------------------------------------------------------

def test_an_alarm_is_raised_once(world):
    """By the job process and as many others as there are at the same time."""
    alone = enter(world.community, home(world), name="独孤老人")["id"]
    samples.act(world, "community", "tagPerson", {"id": alone}, {"code": "solitary_elder"})
    assert story.walk(world.lead, "/v1/visit-alarms") == []
    story.jump(world, "7 days 1 minute")

    def turn(_):
        connection = world.site.cluster.connect(world.database, "linli_job")
        with connection.cursor() as cur:
            cur.execute("select care.raise_alarms(100)")
        connection.close()
    story.together(8, turn)
    alarms = harness.wait_for(lambda: story.walk(world.lead, "/v1/visit-alarms"), "the alarm")
    assert [(a["person_id"], a["name"], a["state"], a["grid_id"]) for a in alarms] == [(alone, "独孤老人", "open", story.A)]
    assert world.sql("select count(*) from core.event where subject = 'visit_alarm' and action = 'raise'") == [(1,)]
    assert story.walk(world.lead_next, "/v1/visit-alarms") == [] == story.walk(world.community2, "/v1/visit-alarms")
    samples.act(world, "lead", "createVisit", body={"person_id": alone, "outcome": "by_phone"})
    assert world.lead.get(f"/v1/visit-alarms/{alarms[0]['id']}").json()["state"] == "open"
    visit = samples.act(world, "lead", "createVisit", body={"person_id": alone, "outcome": "done"})["id"]
    cleared = world.lead.get(f"/v1/visit-alarms/{alarms[0]['id']}").json()
    assert (cleared["state"], cleared["visit_id"]) == ("cleared", visit)
    # a process that dies in the middle leaves the next one its work
    story.jump(world, "14 days 2 minutes")
    harness.wait_for(lambda: len(story.walk(world.lead, "/v1/visit-alarms")) == 2, "the second alarm")
    second = story.walk(world.lead, "/v1/visit-alarms", state="open")[0]["id"]
    assert world.lead.post(f"/v1/visit-alarms/{second}/dismiss", {"reason": "住院"}).status_code == 403
    assert samples.act(world, "community", "dismissVisitAlarm", {"id": second})["state"] == "dismissed"
    assert world.community.post(f"/v1/visit-alarms/{second}/dismiss", {"reason": "x"}).json()["code"] == "wrong_state"


# Doors ---------------------------------------------------------------------------------------

def test_a_campaign_at_every_door(world):
    """Row 004-13, 敲门行动: coverage in each grid, of doors behind which somebody lives."""
    doors = [home(world) for _ in range(5)] + [home(world, "1/1/1/2/")]
    campaign = samples.act(world, "community", "createDoorCampaign")["id"]
    url = f"/v1/door-campaigns/{campaign}/knocks"
    for door, outcome in zip(doors, ("answered", "refused", "nobody", "vacant")):
        world.lead.post(url, {"dwelling_id": door, "outcome": outcome, "note": "反映油烟 13812345678"})
    assert world.lead.post(url, {"dwelling_id": doors[0], "outcome": "nobody"}).json()["outcome"] == "answered"
    assert world.lead.post(url, {"dwelling_id": doors[5], "outcome": "answered"}).json()["code"] == "dwelling_not_found"
    seen = world.community.get(f"/v1/door-campaigns/{campaign}").json()
    assert [seen[k] for k in ("dwellings", "answered", "refused", "nobody", "vacant", "coverage")] == [6, 1, 1, 1, 1, 20]
    assert {g["grid_id"]: (g["dwellings"], g["coverage"]) for g in seen["by_grid"]} == {story.A: (5, 25), story.B: (1, 0)}
    assert world.lead.get(f"/v1/door-campaigns/{campaign}").json()["dwellings"] == 5
    assert world.street.get(f"/v1/door-campaigns/{campaign}").json()["dwellings"] == 6
    listed = story.walk(world.lead, url, limit=2)
    assert [(d["outcome"], d["attempts"]) for d in listed] == [("answered", 2), ("refused", 1), ("nobody", 1), ("vacant", 1), ("waiting", 0)]
    assert listed[0]["note"] == "反映油烟 138****5678" and [d["dwelling_id"] for d in story.walk(world.lead, url, outcome="waiting")] == [doors[4]]
    assert world.community2.get(url).status_code == 404
    assert world.lead.post(f"/v1/door-campaigns/{campaign}/end").status_code == 403
    samples.act(world, "community", "endDoorCampaign", {"id": campaign})
    assert world.lead.post(url, {"dwelling_id": doors[4], "outcome": "answered"}).json()["code"] == "wrong_state"
