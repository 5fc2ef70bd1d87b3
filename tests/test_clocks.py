"""Days that are odd, and clocks that jump."""

import datetime
import uuid

import pytest

import harness
import samples
from story import at, feed

CHENGDU = datetime.timezone(datetime.timedelta(hours=8))


def go_to(world, text):
    """Sets the database's clock to a time in Chengdu, and signs everybody in
    anew: sessions do not outlive a jump of years."""
    then = datetime.datetime.fromisoformat(text).replace(tzinfo=CHENGDU)
    world.set_clock(f"{(then - datetime.datetime.now(datetime.timezone.utc)).total_seconds():.0f} s")
    return {n: harness.Client(world.server.url, samples.login(world, n)["access_token"], world.spec.check_reply)
            for n in ("resident", "lead", "community")}


@pytest.mark.parametrize("before, after, numbers, days", [
    ("2028-02-28 23:59", "2028-02-29 00:01", ("2028-000001", "2028-000002"), ("2028-02-28", "2028-02-29")),
    ("2028-02-29 23:59", "2028-03-01 00:01", ("2028-000001", "2028-000002"), ("2028-02-29", "2028-03-01")),
    ("2027-12-31 23:59", "2028-01-01 00:01", ("2027-000001", "2028-000001"), ("2027-12-31", "2028-01-01"))],
    ids=["into a leap day", "out of it", "into a year"])
def test_midnight_is_chengdus(world, before, after, numbers, days):
    """security 42: numbers and days turn at 00:00 +08:00, sixteen hours UTC."""
    for when, number, day in zip((before, after), numbers, days):
        people = go_to(world, when)
        made = people["resident"].post("/v1/tickets", samples.TICKET).json()
        assert made["number"] == "WNC-" + number
        assert at(made["created_at"]).astimezone(CHENGDU).date().isoformat() == day
        path = f"/v1/grids/{samples.GRID_FREE}/assignments"
        lead = people["community"].post(path, {"login": "lead2", "lead_kind": "micro"}).json()
        assert (lead["from_on"], lead["active"]) == (day, True)
        assert people["community"].post(f"/v1/assignments/{lead['id']}/end").status_code == 200
        assert people["lead"].post(f"/v1/tickets/{made['id']}/accept").status_code == 200


def test_set_back_an_hour_nothing_lives_again(world):
    """security 42: what was ended, spent or seen to be over stays so; a key has
    one effect; the feed goes on in order; ids too."""
    logged_out, disabled, spent, old = (samples.login(world, n) for n in ("lead", "resident2", "community", "street"))
    again = samples.login(world, "street")
    auth = lambda tokens: {"Authorization": "Bearer " + tokens["access_token"]}
    refresh = lambda tokens: world.client().post("/v1/sessions/refresh", {"refresh_token": tokens["refresh_token"]})
    key = {"Idempotency-Key": uuid.uuid4().hex}
    assert world.client().delete("/v1/sessions/current", headers=auth(logged_out)).status_code == 204
    harness.run_linlid(world.settings, "user", "disable", "--login", "resident2")
    assert refresh(spent).status_code == 200
    world.sql("update identity.refresh_token set spent_at = spent_at - interval '6 seconds'")
    head = world.lead.get("/v1/changes/head").json()["next"]
    first = world.resident.post("/v1/tickets", samples.TICKET, headers=key)
    world.set_clock("-1 hour")
    for tokens in (logged_out, disabled):
        assert world.client().get("/v1/me", headers=auth(tokens)).status_code == 401
    for tokens in (logged_out, disabled, spent):
        assert refresh(tokens).status_code == 401
    replay = world.resident.post("/v1/tickets", samples.TICKET, headers=key)
    assert (replay.status_code, replay.content) == (201, first.content)
    second = world.resident.post("/v1/tickets", samples.TICKET).json()
    assert second["id"] > first.json()["id"] and at(second["created_at"]) < at(first.json()["created_at"])
    world.settle()
    assert [e["subject_id"] for e in feed(world.lead, head)[0]] == [first.json()["id"], second["id"]]
    # A month goes by: a refresh token is seen to have expired.
    world.set_clock("31 days")
    assert refresh(old).status_code == 401
    world.set_clock("0 s")
    assert refresh(old).status_code == world.client().get("/v1/me", headers=auth(old)).status_code == 401
    assert refresh(again).status_code == 200, "the others live"


# Deadlines --------------------------------------------------------------------

def minutes(world, amount, **rule):
    """A street whose stages take so many minutes around the clock."""
    tag = world.street.get("/v1/clock-policies").headers["ETag"]
    reply = world.street.put("/v1/clock-policies", {"rules": [
        {"subject": "ticket", "stage": s, "unit": "wall_minutes", "amount": amount, "on_overdue": to, **rule}
        for s, to in (("accept", "community"), ("resolve", "street"), ("reply", "street"))]}, headers={"If-Match": tag})
    assert reply.status_code == 200, reply.text
    return tag


def back(world, ticket, by):
    """The ticket's clocks began so much earlier: waiting without a wait."""
    world.sql("update clock.clock set started_at = started_at - %s::interval, half_at = half_at - %s::interval,"
              " late_at = late_at - %s::interval, due_at = due_at - %s::interval where subject_id = %s", by, by, by, by, ticket)
    world.sql("update ticket.ticket set due_at = due_at - %s::interval, warn_at = warn_at - %s::interval where id = %s",
              by, by, ticket)


def told(client, ticket):
    """What the timeline says of deadlines."""
    return [(e["action"], e["data"]["stage"], e["data"]["mark"]) for e in
            client.get(f"/v1/tickets/{ticket}/events").json()["items"] if e["action"].startswith("clock_")]


def read(client, ticket):
    return client.get(f"/v1/tickets/{ticket}").json()


def test_a_deadline_passes_and_the_community_has_it(world):
    """Rule 7 and the escalation by itself: green, yellow, red; each moment told
    once; what no lead accepts goes to the community, what it does not resolve
    to the street's eyes."""
    minutes(world, 60)
    t = samples.ticket(world)
    assert read(world.resident, t)["colour"] == "green"
    tag = world.resident.get(f"/v1/tickets/{t}").headers["ETag"]
    back(world, t, "31 minutes")
    harness.wait_for(lambda: told(world.lead, t), "the first warning")
    assert told(world.lead, t) == [("clock_warning", "accept", "half")] and told(world.resident, t) == []
    assert world.resident.get(f"/v1/tickets/{t}", headers={"If-None-Match": tag}).json()["colour"] == "yellow"
    listed = next(i for i in world.lead.get("/v1/tickets").json()["items"] if i["id"] == t)
    assert (listed["colour"], listed["due_at"]) == ("yellow", read(world.lead, t)["due_at"])
    back(world, t, "30 minutes")
    harness.wait_for(lambda: read(world.lead, t)["status"] == "escalated_community", "the escalation")
    assert told(world.lead, t) == [("clock_warning", "accept", "half"), ("clock_warning", "accept", "three_quarters"),
                                   ("clock_overdue", "accept", "due")]
    assert told(world.resident, t) == [("clock_overdue", "accept", "due")]
    assert world.lead.post(f"/v1/tickets/{t}/accept").json()["code"] == "wrong_state"
    samples.act(world, "community", "startTicket", {"id": t})
    accept, resolve = world.community.get("/v1/clocks", params={"subject_id": t}).json()["items"]
    assert (accept["stage"], accept["state"], accept["in_time"], accept["raised_to"]) == ("accept", "stopped", False, "community")
    assert (resolve["stage"], resolve["state"], resolve["colour"]) == ("resolve", "running", "green")
    back(world, t, "2 hours")
    harness.wait_for(lambda: len(told(world.street, t)) == 6, "all of the second clock")
    late = world.street.get("/v1/clocks", params={"overdue": "true"}).json()["items"]
    assert [(c["subject_id"], c["raised_to"], c["colour"]) for c in late] == [(t, "street", "red")]
    assert world.community2.get("/v1/clocks").json()["items"] == []
    assert read(world.community, t)["colour"] == "red"


def test_half_the_clocks_stand_still_for_a_suspension(world):
    """Rule 7: while it is suspended nothing is due, and no deadline passes."""
    minutes(world, 60)
    t = samples.ticket(world, "in_progress")
    samples.act(world, "community", "suspendTicket", {"id": t})
    assert (read(world.lead, t)["due_at"], read(world.lead, t)["colour"]) == (None, None)
    world.sql("update clock.clock set started_at = started_at - interval '3 hours', pauses ="
              " tstzmultirange(tstzrange(lower(pauses) - interval '3 hours', null)) where subject_id = %s and state = 'paused'", t)
    samples.act(world, "community", "resumeTicket", {"id": t})
    resolve, = world.lead.get("/v1/clocks", params={"subject_id": t, "stage": "resolve"}).json()["items"]
    spent = at(resolve["due_at"]) - at(resolve["started_at"])
    assert datetime.timedelta(hours=4) <= spent < datetime.timedelta(hours=4, minutes=1), "one hour to work, three of pause"
    assert told(world.lead, t) == [] and read(world.lead, t)["colour"] == "green"


def test_more_time_is_granted_one_level_up_and_once(world):
    """Rule 15: asked before due, approved one level up, once."""
    minutes(world, 60)
    t = samples.ticket(world, "accepted")
    clock, = world.lead.get("/v1/clocks", params={"subject_id": t, "stage": "resolve"}).json()["items"]
    path, ask = f"/v1/clocks/{clock['id']}", {"amount": 30, "reason": "等设备到场"}
    assert clock["actions"] == ["request_extension"] and world.street.get(path).json()["actions"] == []
    asked = world.lead.post(path + "/extension", ask).json()
    assert asked["extension"]["asked_role"] == "grid_lead" and asked["due_at"] == clock["due_at"]
    assert world.lead.post(path + "/extension", ask).json()["code"] == "extension_used"
    assert world.street.post(path + "/extension/grant").json()["code"] == "role_not_allowed"
    assert world.community.get(path).json()["actions"] == ["grant_extension", "refuse_extension"]
    granted = world.community.post(path + "/extension/grant").json()
    assert at(granted["due_at"]) - at(clock["due_at"]) == datetime.timedelta(minutes=30) and granted["extra"] == 30
    assert world.community.post(path + "/extension", ask).json()["code"] == "extension_used"
    other = samples.ticket(world, "accepted")
    back(world, other, "61 minutes")
    late, = world.lead.get("/v1/clocks", params={"subject_id": other, "stage": "resolve"}).json()["items"]
    assert world.lead.post(f"/v1/clocks/{late['id']}/extension", ask).json()["code"] == "clock_overdue"
    assert world.lead_next.post(f"/v1/clocks/{late['id']}/extension", ask).status_code == 404


def test_urged_and_supervised(world):
    t = samples.ticket(world, "accepted")
    assert samples.act(world, "resident", "urgeTicket", {"id": t})["urged_count"] == 1
    assert world.resident.post(f"/v1/tickets/{t}/urge").json()["code"] == "urged_already"
    assert world.resident2.post(f"/v1/tickets/{t}/urge").json()["code"] == "not_reporter"
    assert samples.act(world, "street", "superviseTicket", {"id": t})["supervised_at"]


def test_a_street_sets_its_rules_and_hours(world):
    """A rule that says more counts; a stale ETag writes nothing; hours are of days to come."""
    stale = minutes(world, 90, category="pets")
    t = world.resident.post("/v1/tickets", samples.TICKET).json()
    assert at(t["due_at"]) - at(t["created_at"]) == datetime.timedelta(minutes=90)
    reply = world.street.put("/v1/clock-policies", {"rules": []}, headers={"If-Match": stale})
    assert reply.json()["code"] == "version_conflict"
    rules = world.community.get("/v1/clock-policies").json()
    assert len(rules["rules"]) == 3 and len(rules["defaults"]) > 15
    twice = {"rules": rules["rules"][:1] * 2}
    tag = world.street.get("/v1/clock-policies").headers["ETag"]
    fault = world.street.put("/v1/clock-policies", twice, headers={"If-Match": tag}).json()
    assert (fault["code"], fault["errors"][0]["pointer"]) == ("rule_twice", "/rules/1")
    hours = {"from_on": "2040-01-02", "spans": [{"from": "08:30", "to": "24:00"}]}
    assert world.street.post("/v1/office-hours", hours).json()["office_hours"] == [hours]
    year = world.resident.get("/v1/calendar", params={"year": 2026}).json()
    assert year["published"] and {"day": "2026-09-20", "name": "国庆节", "works": True} in year["days"]
    assert not world.resident.get("/v1/calendar", params={"year": 2027}).json()["published"]
