"""网格长的一天: everything that waits, each thing done with one call."""

import samples
import story
from test_hazards import SHOP
from test_equipment import day, enter as hang
from test_people import enter, home
from test_visits import mark, plan


def today(client, **query):
    reply = client.get("/v1/me/today", params=query)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_a_day(world):
    """What is shown can be done with its id and the action alone, and is gone or moved on after it."""
    assert today(world.lead)["total"] == 0
    ticket = story.submit(world.resident, **{**samples.TICKET, "title": "化粪池堵塞"})["id"]
    elder = enter(world.community, home(world), name="李大爷家")
    household = world.sql("select household_id::text from people.person where id = %s", elder["id"])[0][0]
    mark(world, "difficult", [household])
    plan(world.community, due_on=day(1))
    piece = hang(world.lead, expires_on=day(-1), made_on="2020-01-01")
    seen = {i["kind"]: i for i in today(world.lead)["items"]}
    assert set(seen) == {"ticket", "visit", "equipment"}
    assert (seen["ticket"]["id"], seen["ticket"]["title"], seen["ticket"]["mine"]) == (ticket, "化粪池堵塞", False)
    assert (seen["equipment"]["id"], seen["equipment"]["colour"], seen["equipment"]["overdue"]) == (piece, "red", True)
    assert seen["visit"]["title"] == "李大爷家" and seen["visit"]["grid_id"] == story.A
    for kind, item in seen.items():
        whole = world.lead.get(f"/v1/{ {'ticket': 'tickets', 'visit': 'visits'}.get(kind, kind)}/{item['id']}").json()
        assert item["actions"] == whole.get("actions", item["actions"]), kind
    assert world.lead.post(f"/v1/tickets/{ticket}/accept").status_code == 200
    assert world.lead.post(f"/v1/visits/{seen['visit']['id']}/report", {"outcome": "done"}).status_code == 200
    assert "hazard" in seen["equipment"]["actions"]
    reply = world.lead.post(f"/v1/equipment/{piece}/hazard", {"org_id": SHOP, "due_at": f"{day(3)}T10:00:00+08:00"})
    assert reply.status_code == 201, reply.text
    later = today(world.lead)
    assert {i["kind"]: i["mine"] for i in later["items"]} == {"ticket": True, "hazard": True, "equipment": False}
    assert "hazard" not in next(i for i in later["items"] if i["kind"] == "equipment")["actions"]
    assert [c for c in later["counts"] if c["total"]] == [
        {"kind": "ticket", "total": 1, "overdue": 0}, {"kind": "hazard", "total": 1, "overdue": 0},
        {"kind": "equipment", "total": 1, "overdue": 1}]
    assert (later["total"], later["overdue"], later["items"][0]["kind"]) == (3, 1, "equipment")
    assert len(today(world.community, limit=1)["items"]) == 1 and today(world.community, limit=1)["total"] == 3
    assert today(world.lead_next)["total"] == 0 and today(world.community_far)["total"] == 0
