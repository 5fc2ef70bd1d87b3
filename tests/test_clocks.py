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
