"""和事佬嬢 of 巷子树, 迎江小法庭: for those who have a part in a case, and for nobody else."""

import harness
import samples
import story
from test_people import enter, home, link, steps, where

DRIP = {"kind": "neighbour", "grid_id": story.A, "title": "空调滴水", "text": "楼上空调滴水，电话 13812345678",
        "parties": [{"name": "楼上住户", "side": "respondent"}, {"name": "楼下住户", "side": "applicant"}]}


def account(world, login):
    return world.sql("select id::text from identity.account where login = %s", login)[0][0]


def open_case(client, status=201, **fields):
    reply = client.post("/v1/mediations", {**DRIP, **fields})
    assert reply.status_code == status, reply.text
    return reply.json() if status < 300 else reply.json()["code"]


def act(client, case, verb, status=200, **body):
    reply = client.post(f"/v1/mediations/{case}/{verb}", body or None)
    assert reply.status_code == status, reply.text
    return reply.json() if status == 200 else reply.json()["code"] if status > 299 else None


def test_a_quarrel_from_ticket_to_closed(world):
    """Rows 004-08, 004-21: out of a dispute ticket in one call, sat over, agreed, looked after."""
    upstairs = enter(world.community, home(world), name="楼上何家")["id"]
    downstairs = enter(world.community, home(world), name="楼下陈家")["id"]
    link(world, upstairs, "resident2")
    link(world, downstairs, "resident")
    ticket = samples.act(world, "resident", "submitTicket", body={
        **samples.TICKET, "kind": "dispute", "category": "neighbour_dispute", "title": "空调滴水", "description": "楼上滴水到我家雨棚"})["id"]
    made = world.lead.post("/v1/mediations", {"kind": "neighbour", "ticket_id": ticket, "parties": [
        {"person_id": upstairs, "side": "respondent"}]}).json()
    assert (made["title"], made["text"], made["state"], made["ticket_id"], made["mediator_name"]) == (
        "空调滴水", "楼上滴水到我家雨棚", "opened", ticket, "彭晓敏")
    assert {(p["side"], p["name"], p["person_id"]) for p in made["parties"]} == {
        ("respondent", "楼上何家", upstairs), ("applicant", "楼下陈家", downstairs)}
    assert world.community.post("/v1/mediations", {"kind": "neighbour", "ticket_id": ticket}).json()["code"] == "mediation_open"
    case = made["id"]
    assert [m["id"] for m in story.walk(world.community, "/v1/mediations", ticket_id=ticket)] == [case]
    act(world.lead, case, "accept")
    assert act(world.lead, case, "agree", 409, agreement="x") == "wrong_state"
    act(world.lead, case, "sessions", place="迎江小法庭", note="何家同意，打 13812345678")
    assert act(world.lead, case, "agree", 422, agreement="x", follow_up_on="2020-01-01") == "date_passed"
    secret = "何家一周内加装接水管，陈家补贴二百元，联系 13912345678"
    agreed = act(world.lead, case, "agree", agreement=secret, follow_up_on="2099-01-01")
    assert (agreed["state"], agreed["agreement"], agreed["sessions"][0]["note"]) == ("agreed", secret, "何家同意，打 138****5678")
    # sealed: the database does not know what was agreed
    assert where(world, "接水管", "13912345678") == []
    assert world.sql("select agreement ~ '^v1[.]' from care.mediation") == [(True,)]
    for client in (world.resident, world.resident2):
        mine = client.get(f"/v1/mediations/{case}").json()
        assert (mine["agreement"], mine["mediator_name"], mine["actions"]) == (secret, "彭晓敏", [])
        assert [mine[f] for f in ("text", "ticket_id", "outcome", "follow_up")] == [None] * 4
        assert mine["sessions"][0]["note"] is None and mine["sessions"][0]["place"] == "迎江小法庭"
        assert {p["person_id"] for p in mine["parties"]} == {None}
    assert len(story.walk(world.lead, "/v1/mediations", due="due")) == 1
    story.jump(world, "1 day")
    world.sql("update care.mediation set follow_up_on = core.today() - 1")
    assert story.walk(world.community, "/v1/mediations", due="overdue")[0]["overdue"] is True
    act(world.community, case, "follow-up", kept=True, note="接水管已装好")
    assert act(world.lead, case, "close")["state"] == "closed"
    assert world.community.get(f"/v1/mediations/{case}").json()["kept"] is True
    assert world.sql("select count(*) from audit.entry where subject = 'mediation' and action = 'view'") == [(1,)]


def test_nobody_else_knows_of_it(shared):
    """security 2: not the other leads of the same grid, not the lead above, nor the street."""
    case = open_case(shared.community, title="zztitlezz", mediator_id=account(shared, "lead"))["id"]
    for name in ("lead", "community"):
        assert case in {m["id"] for m in story.walk(getattr(shared, name), "/v1/mediations")}
    unknown = shared.lead2.get("/v1/mediations/01900000-0000-8001-8000-900000000001").json()
    for name in ("lead2", "lead_next", "lead_general", "lead_ended", "lead_far", "community2", "community_far", "resident", "resident2", "resident_far"):
        client = getattr(shared, name)
        assert "zztitlezz" not in client.get("/v1/mediations?limit=100").text
        reply = client.get(f"/v1/mediations/{case}")
        assert (reply.status_code, reply.json()["code"]) == (404, unknown["code"]), name
        if name != "community2" and not name.startswith("community"):
            assert act(client, case, "accept", 404) == "not_found"
    assert shared.street.get(f"/v1/mediations/{case}").status_code == 403
    # who declines looks no longer, nor does who is replaced
    shared.lead.post(f"/v1/mediations/{case}/decline")
    assert shared.lead.get(f"/v1/mediations/{case}").status_code == 404
    act(shared.community, case, "assign", mediator_id=account(shared, "resident2"))
    assert act(shared.resident2, case, "accept")["state"] == "accepted"
    act(shared.community, case, "assign", mediator_id=account(shared, "lead2"))
    assert shared.resident2.get(f"/v1/mediations/{case}").status_code == 404
    assert shared.lead2.get(f"/v1/mediations/{case}").json()["actions"] == ["accept", "add_party", "decline"]


def test_who_mediates_is_no_party_and_no_kin(shared):
    person = enter(shared.community, home(shared), name="彭家人")
    link(shared, person["id"], "resident2")
    kin = enter(shared.community, person["dwelling_id"], name="彭家亲属", household_id=person["household_id"])["id"]
    mine = account(shared, "resident2")
    for who, told in ((person["id"], "mediator_party"), (kin, "mediator_kin")):
        parties = [{"person_id": who, "side": "respondent"}]
        assert open_case(shared.community, 409, mediator_id=mine, parties=parties) == told
    case = open_case(shared.community, mediator_id=mine)["id"]
    assert act(shared.community, case, "parties", 409, person_id=kin, side="other") == "mediator_kin"
    # both at once: whichever comes second sees the first
    case = open_case(shared.community)["id"]
    codes = story.together(2, lambda n: shared.community.post(f"/v1/mediations/{case}/" + ("assign", "parties")[n], (
        {"mediator_id": mine}, {"person_id": kin, "side": "other"})[n]).status_code)
    assert sorted(codes) == [200, 409]
    assert open_case(shared.community, 422, ticket_id=samples.ticket(shared)) == "not_a_dispute"
    assert open_case(shared.lead, 422, grid_id=story.B) == "grid_not_found"
    assert open_case(shared.community, 422, title=None) == "case_unclear"
    alone = open_case(shared.lead, parties=[{"name": "一方", "side": "applicant"}])["id"]
    act(shared.lead, alone, "accept")
    act(shared.lead, alone, "sessions", place="院坝")
    assert act(shared.lead, alone, "agree", 409, agreement="x") == "parties_missing"


def test_a_party_is_forgotten_when_it_is_closed(world):
    """security 49; domain rule 15"""
    person = enter(world.community, home(world), name="司徒青云")["id"]
    link(world, person)
    case = open_case(world.community, title="司徒青云与邻居", text="司徒青云说", parties=[
        {"person_id": person, "side": "applicant"}, {"name": "邻居", "side": "respondent"}])["id"]
    gone = world.resident.post(f"/v1/persons/{person}/data-requests", {"kind": "delete"}).json()["id"]
    steps(world, gone, "verify", "start")
    assert world.community.post(f"/v1/data-requests/{gone}/fulfil").json()["state"] == "restricted"
    assert act(world.resident, case, "withdraw", reason="司徒青云自行和解")["state"] == "withdrawn"
    harness.wait_for(lambda: world.sql("select state from people.data_request where id = %s", gone) == [("fulfilled",)], "the deletion")
    assert where(world, "司徒青云") == []
