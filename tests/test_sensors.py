"""Programs as sensors: what a detector, a door or a manhole tells becomes a
hazard or an alarm in the right grid, once."""

import uuid

import pytest

import harness
import samples
import story
from test_clients import make, secret, token
from test_equipment import enter, go, show
from test_people import enter as person_in, home
from test_visits import report

AT = "2026-01-02T03:04:05Z"


def hang(world, kind, by="community", **fields):
    """A sensor of the program's; its id and serial."""
    serial = "YG-" + uuid.uuid4().hex[:8]
    return enter(getattr(world, by), kind=kind, serial=serial, **{"client_id": samples.PROGRAM, **fields}), serial


def tell(client, device, event="e1", status=201, state="alarm", at=AT, **more):
    reply = client.post("/v1/readings", {"device_id": device, "event_id": event, "state": state, "at": at, **more})
    assert reply.status_code == status, reply.text
    return reply.json() if status == 201 else (reply.json()["code"], [e["pointer"] for e in reply.json().get("errors", [])])


def hazards(client, piece):
    return story.walk(client, "/v1/hazards", source_id=piece)


@pytest.mark.parametrize("kind, becomes, title", [
    ("smoke_alarm", "fire", "烟感报警器报警"), ("gas_alarm", "gas", "燃气报警器报警"), ("water_sensor", "water", "水浸传感器报警"),
    ("manhole_sensor", "traffic", "井盖传感器报警"), ("sos_button", "other", "求助按钮报警")])
def test_an_alarm_is_a_hazard_where_the_sensor_hangs(shared, kind, becomes, title):
    piece, device = hang(shared, kind, grid_id=story.B, place="地下车库入口")
    told = tell(shared.program, device, text="浓度超限，电话 13812345678")
    assert (told["outcome"], told["hazard_id"], told["device_id"], told["text"]) == ("hazard", None, device, "浓度超限，电话 138****5678")
    found, = hazards(shared.lead_next, piece)
    assert (found["kind"], found["title"], found["grid_id"], found["status"], found["source"], found["address"]) == (
        becomes, title, story.B, "found", "sensor", "地下车库入口")
    assert hazards(shared.lead, piece) == hazards(shared.community2, piece) == []
    reading, = story.walk(shared.community, f"/v1/equipment/{piece}/readings")
    assert (reading["hazard_id"], reading["event_id"], reading["state"]) == (found["id"], "e1", "alarm")
    assert found["actions"] == ["confirm"]


def test_the_same_event_is_one_and_an_open_hazard_is_told_of_again(shared):
    piece, device = hang(shared, "smoke_alarm")
    replies = story.together(8, lambda n: tell(shared.program, device, f"e{n % 2}"))
    assert {r["id"] for r in replies} == {r["id"] for r in story.walk(shared.community, f"/v1/equipment/{piece}/readings")}
    assert len({r["id"] for r in replies}) == 2
    found, = hazards(shared.community, piece)
    told = [e["action"] for e in story.walk(shared.community, f"/v1/hazards/{found['id']}/events")]
    assert told == ["report", "sensor"]
    # what is told otherwise under the same id changes nothing, and that it is over is noted only
    assert tell(shared.program, device, "e0", state="clear")["state"] == "alarm"
    assert tell(shared.program, device, "e9", state="clear")["outcome"] == "noted"
    assert len(hazards(shared.community, piece)) == 1 == len(story.walk(shared.community, "/v1/hazards", source_id=piece, status="found"))
    samples.act(shared, "community", "dismissHazard", {"id": found["id"]}, {"reason": "误报"})
    assert tell(shared.program, device, "e10")["outcome"] == "hazard"
    assert len(hazards(shared.community, piece)) == 2


def test_a_door_that_was_not_opened_is_an_alarm_about_who_lives_there(world):
    """Once, until it is dismissed or somebody has been there; the program learns nobody's name."""
    dwelling = home(world)
    elder = person_in(world.community, dwelling, name="独居的赵大爷")["id"]
    piece, device = hang(world, "door_sensor", dwelling_id=dwelling)
    assert show(world.lead, piece)["dwelling_id"] == dwelling and show(world.lead, piece)["grid_id"] == story.A
    assert tell(world.program, device, "before")["outcome"] == "hazard", "nobody is watched over yet"
    samples.act(world, "community", "tagPerson", {"id": elder}, {"code": "solitary_elder"})
    told = tell(world.program, device, "now")
    assert told["outcome"] == "alarm" and elder not in str(told) and "赵" not in str(told)
    assert tell(world.program, device, "again")["outcome"] == "alarm"
    alarm, = story.walk(world.lead, "/v1/visit-alarms")
    assert (alarm["person_id"], alarm["cause"], alarm["state"]) == (elder, "sensor", "open")
    assert story.walk(world.lead_next, "/v1/visit-alarms") == []
    assert len(hazards(world.community, piece)) == 1
    visit = world.community.post("/v1/visits", {"person_id": elder, "due_on": "2099-01-01"}).json()["id"]
    report(world.lead, visit)
    assert story.walk(world.lead, "/v1/visit-alarms")[0]["state"] == "cleared"
    assert tell(world.program, device, "later")["outcome"] == "alarm"
    assert [a["state"] for a in story.walk(world.lead, "/v1/visit-alarms")] == ["cleared", "open"]


def test_only_its_own_program_tells_of_a_sensor(world):
    piece, device = hang(world, "smoke_alarm")
    strange, unbound = hang(world, "smoke_alarm", by="street", client_id=make(world, scopes=["sensors:write"]))[1], hang(world, "gas_alarm", client_id=None)[1]
    for unknown in ("nosuch", strange, unbound):
        assert tell(world.program, unknown, status=422) == ("device_unknown", ["/device_id"])
    assert tell(world.program, device, status=422, at="2099-01-01T00:00:00Z") == ("time_in_future", ["/at"])
    narrow = make(world, scopes=["grids:read"])
    assert tell(token(world, narrow, secret(world, narrow)), device, status=403)[0] == "insufficient_scope"
    assert tell(world.community, device, status=403)[0] == "role_not_allowed"
    for wrong, told in (({"client_id": story.A}, "client_unknown"), ({"client_id": "01900000-0000-8000-8000-300000000010"}, "client_unknown"),
                        ({"dwelling_id": home(world, "1/2/1/1/")}, "dwelling_not_found")):
        assert enter(world.community, 422, **wrong) == told
    assert enter(world.community, 409, kind="gas_alarm", serial=device, client_id=samples.PROGRAM) == "serial_taken"
    go(world.community, piece, "retire", reason="拆除")
    assert tell(world.program, device, "e2", status=422)[0] == "device_unknown"
    assert hazards(world.community, piece) == []


def test_a_program_that_tells_too_much_is_held_to_its_rate(world):
    """Its own limit: another's is not touched, and what was refused comes through later."""
    loud = make(world, scopes=["sensors:write"], per_minute=12, burst=3)
    device = hang(world, "smoke_alarm", by="street", client_id=loud)[1]
    program, other = token(world, loud, secret(world, loud)), hang(world, "smoke_alarm")[1]
    codes = [program.post("/v1/readings", {"device_id": device, "event_id": f"e{n}", "state": "alarm", "at": AT}) for n in range(8)]
    refused = [r for r in codes if r.status_code == 429]
    assert {r.status_code for r in codes} == {201, 429} and len(refused) >= 3 and refused[0].headers["Retry-After"]
    assert tell(world.program, other)["outcome"] == "hazard"
    last = f"e{max(n for n, r in enumerate(codes) if r.status_code == 429)}"
    harness.wait_for(lambda: program.post("/v1/readings", {
        "device_id": device, "event_id": last, "state": "clear", "at": AT}).status_code == 201, "its turn")


def test_a_sensor_goes_along_when_its_dwelling_does(world):
    """And a new piece in its place is told of by nobody until somebody says so."""
    dwelling = home(world)
    piece, device = hang(world, "smoke_alarm", dwelling_id=dwelling)
    tell(world.program, device, "a")
    now = world.community.get(f"/v1/dwellings/{dwelling}")
    assert world.community.put(f"/v1/dwellings/{dwelling}", {"number": "502", "grid_id": story.B},
                               headers={"If-Match": now.headers["ETag"]}).status_code == 200
    assert show(world.lead, piece) == 404 and show(world.lead_next, piece)["grid_id"] == story.B
    assert [r["event_id"] for r in story.walk(world.lead_next, f"/v1/equipment/{piece}/readings")] == ["a"]
    samples.act(world, "community", "dismissHazard", {"id": hazards(world.community, piece)[0]["id"]}, {"reason": "误报"})
    tell(world.program, device, "moved")
    assert [h["grid_id"] for h in hazards(world.lead_next, piece)] == [story.B]
    new = go(world.community, piece, "replace", 201, serial="YG-NEW-" + uuid.uuid4().hex[:6])["id"]
    assert show(world.community, new)["dwelling_id"] == dwelling and show(world.community, new)["client_id"] is None
    assert tell(world.program, device, "b", status=422)[0] == "device_unknown"
