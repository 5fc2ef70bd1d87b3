"""民情日记: 嬢嬢民情日记 of 巷子树, 李姐的民情笔记本 of 双福路."""

import pytest

import harness
import samples
import story
from test_people import born, enter, home, link, steps, where

TICKET = {"kind": "problem", "category": "street_light", "title": "路灯不亮"}


def write(client, status=201, **fields):
    reply = client.post("/v1/diary", {"topic": "opinion", "text": "院坝里都在说路灯。", **fields})
    assert reply.status_code == status, reply.text
    return reply.json() if status < 300 else reply.json()["code"]


def listed(client, **query):
    return [d["id"] for d in story.walk(client, "/v1/diary", **query)]


def test_an_entry_and_the_ticket_of_it(world):
    """Row 004-10: in one step, linked both ways, or nothing happens."""
    elder = enter(world.community, home(world), name="李大爷家")["id"]
    entry = write(world.lead, person_id=elder, text="李大爷家说路灯坏了，电话 13812345678", ticket={**TICKET, "urgency": "urgent"})
    assert (entry["text"], entry["name"], entry["author_name"], entry["grid_id"]) == (
        "李大爷家说路灯坏了，电话 138****5678", "李大爷家", "彭晓敏", story.A)
    ticket = story.read(world.lead, entry["ticket_id"])
    assert (ticket["number"], ticket["status"]) == (entry["ticket_number"], entry["ticket_status"])
    assert (ticket["title"], ticket["urgency"], ticket["contact_name"], ticket["on_behalf_note"], ticket["grid_id"]) == (
        "路灯不亮", "urgent", "李大爷家", "民情日记", story.A)
    assert ticket["description"] == entry["text"]
    told = next(e for e in story.timeline(world.community, ticket["id"]) if e["action"] == "from_diary")
    assert told["data"] == {"diary_id": entry["id"]}
    assert listed(world.community, ticket_id=ticket["id"]) == [entry["id"]]
    assert world.lead.post(f"/v1/diary/{entry['id']}/ticket", {**TICKET, "on_behalf": {"name": "x"}}).json()["code"] == "ticket_raised"
    count = "select (select count(*) from care.diary), (select count(*) from ticket.ticket), (select count(*) from core.event)"
    before = world.sql(count)
    assert write(world.lead, 422, ticket=TICKET) == "on_behalf_required"
    assert write(world.lead, 422, ticket={**TICKET, "category": "nosuch", "on_behalf": {"name": "x"}}) == "category_unknown"
    assert world.sql(count) == before
    # what is written first may be raised later, once, whoever is quicker
    plain = write(world.lead)
    assert plain["actions"] == ["edit", "raise"]
    codes = story.together(6, lambda _: world.lead.post(f"/v1/diary/{plain['id']}/ticket", {
        **TICKET, "on_behalf": {"name": "周婆婆"}}).status_code)
    assert sorted(codes) == [200] + [409] * 5
    assert world.sql("select count(*) from ticket.ticket") == [(2,)]


def test_who_reads_it(shared):
    """Domain.md 3c: the author, who leads above, the community; not the neighbour of the same grid."""
    entry = write(shared.lead, text="zzsecretzz")["id"]
    for name in ("lead", "lead_general", "community"):
        assert entry in listed(getattr(shared, name)), name
        assert getattr(shared, name).get(f"/v1/diary/{entry}").json()["text"] == "zzsecretzz"
    for name in ("lead2", "lead_next", "lead_ended", "lead_far", "community2", "community_far"):
        assert entry not in listed(getattr(shared, name)), name
        assert getattr(shared, name).get(f"/v1/diary/{entry}").status_code == 404
    for name in ("resident", "street", "department"):
        assert getattr(shared, name).get(f"/v1/diary/{entry}").status_code == 403
    assert shared.lead_general.post(f"/v1/diary/{entry}/ticket", {**TICKET, "on_behalf": {"name": "x"}}).json()["code"] == "not_author"
    reply = shared.lead_general.get(f"/v1/diary/{entry}")
    assert reply.json()["actions"] == []
    assert shared.lead_general.put(f"/v1/diary/{entry}", {"topic": "care", "text": "x"},
                                   headers={"If-Match": reply.headers["ETag"]}).json()["code"] == "not_author"


def test_it_is_changed_on_its_day_only(world):
    entry = write(world.lead)["id"]
    url, body = f"/v1/diary/{entry}", {"topic": "service", "text": "打 13812345678"}
    tag = {"If-Match": world.lead.get(url).headers["ETag"]}
    assert world.lead.put(url, body, headers=tag).json()["text"] == "打 138****5678"
    assert world.lead.put(url, body, headers=tag).status_code == 412
    story.jump(world, "1 day")
    tag = {"If-Match": world.lead.get(url).headers["ETag"]}
    assert world.lead.get(url).json()["actions"] == ["raise"]
    assert world.lead.put(url, body, headers=tag).json()["code"] == "diary_closed"


def test_words_find_it(shared):
    one = write(shared.lead, text="楼下餐馆油烟太大，晚上更甚", topic="hazard", on_date="2026-01-20")["id"]
    other = write(shared.lead, text="油烟机坏了")["id"]
    assert set(listed(shared.community, q="油烟")) == {one, other}
    assert listed(shared.community, q="油烟 晚上") == [one] == listed(shared.lead, q="油烟", topic="hazard")
    assert listed(shared.lead, from_on="2026-01-01", to_on="2026-02-01") == [one]
    assert listed(shared.lead, from_on="2026-01-21", to_on="2026-02-01", q="油烟") == []
    order = listed(shared.lead, q="油烟", limit=1)
    assert order == [other, one]  # the latest day first
    assert listed(shared.community2, q="油烟") == []


@pytest.mark.parametrize("fields, told", [
    ({"on_date": "2099-01-01"}, "date_in_future"), ({"grid_id": story.B}, "grid_not_found"),
    ({"person_id": "01900000-0000-8001-8000-900000000001"}, "person_not_found")])
def test_entries_that_cannot_be(shared, fields, told):
    assert write(shared.lead, 422, **fields) == told


def test_a_minor_and_who_has_moved(world):
    """domain rule 9, 13: the entry stays where it was heard; its person is seen where they live."""
    minor = enter(world.community, home(world), name="小石头", born_on=born(15))["id"]
    assert write(world.lead, 403, person_id=minor) == "approval_required"
    person = enter(world.community, home(world), name="搬家的人")["id"]
    entry = write(world.lead, person_id=person)["id"]
    samples.act(world, "community", "movePerson", {"id": person}, {"dwelling_id": home(world, "1/1/1/2/"), "kind": "tenant"})
    assert world.lead.get(f"/v1/diary/{entry}").json()["name"] is None
    assert world.community.get(f"/v1/diary/{entry}").json()["name"] == "搬家的人"


def test_who_is_deleted_is_no_longer_named(world):
    """security 49: in the entry, and in the ticket that came of it once it is closed."""
    person = enter(world.community, home(world), name="司徒青云")["id"]
    link(world, person)
    entry = write(world.lead, person_id=person, text="司徒青云说漏水", ticket={**TICKET, "title": "司徒青云家漏水"})
    ask = f"/v1/persons/{person}/data-requests"
    gone = world.resident.post(ask, {"kind": "delete"}).json()["id"]
    steps(world, gone, "verify", "start")
    assert world.community.post(f"/v1/data-requests/{gone}/fulfil").json()["state"] == "restricted"
    samples.act(world, "lead", "rejectTicket", {"id": entry["ticket_id"]}, {"reason": "已处理"})
    harness.wait_for(lambda: world.sql("select state from people.data_request where id = %s", gone) == [("fulfilled",)], "the deletion")
    assert where(world, "司徒青云") == []
