"""One's own data over all domains: in the copy what is theirs, after erasure
a pseudonym, wherever somebody wrote of them."""

import harness
import samples
import story
from test_diary import write
from test_mediation import act as mediate, open_case
from test_pairings import pair
from test_people import enter, home, link, steps, where
from test_visits import mark, plan, report, visits

NAME, OTHER, SECRET = "司徒青云", "慕容白", "慕容白欠了三万元"


def copy_of(world, person):
    asked = world.resident.post(f"/v1/persons/{person}/data-requests", {"kind": "copy"}).json()["id"]
    steps(world, asked, "verify", "start", "fulfil")
    reply = world.resident.get(f"/v1/data-requests/{asked}/copy")
    assert reply.status_code == 200, reply.text
    return reply


def erase(world, person):
    gone = world.resident.post(f"/v1/persons/{person}/data-requests", {"kind": "delete"}).json()["id"]
    steps(world, gone, "verify", "start")
    assert world.community.post(f"/v1/data-requests/{gone}/fulfil").json()["state"] == "fulfilled"


def known(world):
    """Somebody of whom every domain knows something, beside somebody else in the same things."""
    dwelling = home(world)
    person = enter(world.community, dwelling, name=NAME)["id"]
    other = enter(world.community, dwelling, name=OTHER)["id"]
    link(world, person)
    ticket = samples.ticket(world, "in_progress", title=f"{NAME}家漏水", contact_name=NAME)
    world.resident.post(f"/v1/tickets/{ticket}/comments", {"text": f"{NAME}补充：还在漏"})
    samples.act(world, "resident", "reportHazard", body={"kind": "fire", "title": f"{NAME}看到的", "description": "楼道堆物",
                                                        "grid_id": story.A, "address": f"{NAME}家门口"})
    household = world.community.get(f"/v1/persons/{other}").json()["household_id"]
    mark(world, "difficult", [household, world.community.get(f"/v1/persons/{person}").json()["household_id"]])
    for visit in visits(world.lead, plan_id=plan(world.community)["id"]):
        report(world.lead, visit["id"], note=SECRET)
    made = world.community.post("/v1/visits", {"person_id": person, "due_on": "2099-01-01"}).json()["id"]
    report(world.lead, made, note=f"{NAME}身体好")
    samples.act(world, "community", "tagPerson", {"id": person}, {"code": "solitary_elder"})
    world.sql("update care.watch set due_at = now() - interval '1 second' where person_id = %s", person)
    alarm = harness.wait_for(lambda: world.sql("select id from care.alarm where person_id = %s", person), "the alarm")[0][0]
    samples.act(world, "community", "dismissVisitAlarm", {"id": alarm}, {"reason": f"{NAME}在医院"})
    pairing = pair(world.community, person, other)["id"]
    samples.act(world, "community", "endPairing", {"id": pairing}, {"reason": f"{NAME}搬走"})
    write(world.lead, person_id=person, text=f"{NAME}说路灯坏了", topic="service")
    write(world.lead, person_id=other, text=SECRET)
    case = open_case(world.lead, title=f"{OTHER}与{NAME}", text=SECRET, mediator_id=None, parties=[
        {"person_id": person, "side": "applicant"}, {"person_id": other, "side": "respondent"}])["id"]
    mediate(world.lead, case, "accept")
    mediate(world.lead, case, "sessions", place="院坝", note=SECRET)
    mediate(world.lead, case, "agree", agreement=SECRET, follow_up_on="2099-01-01")
    point = samples.patrol_point(world, "resident")
    samples.act(world, "resident", "checkInPatrol", point["ids"], {**point["body"], "note": f"{NAME}巡过"})
    return person, ticket, case


def test_a_copy_tells_of_every_domain_and_no_others_secret(world):
    """PIPL art. 45; domain rule 15"""
    person, ticket, case = known(world)
    reply = copy_of(world, person)
    copy = reply.json()
    number, = world.sql("select number from ticket.ticket where id = %s", ticket)[0]
    assert [(t["number"], t["title"]) for t in copy["tickets"]] == [(number, f"{NAME}家漏水")]
    assert [c["text"] for c in copy["comments"]] == [f"{NAME}补充：还在漏"]
    assert [(h["title"], h["address"]) for h in copy["hazards"]] == [(f"{NAME}看到的", f"{NAME}家门口")]
    assert {(v["state"], v["note"]) for v in copy["visits"]} == {("done", f"{NAME}身体好"), ("done", None)}
    assert [(a["state"], a["reason"]) for a in copy["alarms"]] == [("dismissed", f"{NAME}在医院")]
    assert [(p["as"], p["state"]) for p in copy["pairings"]] == [("helper", "ended")]
    assert [d["text"] for d in copy["diary"]] == [f"{NAME}说路灯坏了"]
    assert [(m["id"], m["side"], m["state"]) for m in copy["mediations"]] == [(case, "applicant", "agreed")]
    assert [(i["note"], round(i["lon"])) for i in copy["check_ins"]] == [(f"{NAME}巡过", 104)]
    assert OTHER not in reply.text and SECRET not in reply.text
    assert world.resident2.get(reply.url.removeprefix(world.server.url)).status_code == 404


def test_who_is_erased_is_nowhere_in_any_domain(world):
    """security 49: also in what others wrote about what they reported, and where they signed."""
    person, ticket, case = known(world)
    # what departments, callers and reviews say of the ticket, each with the name
    samples.act(world, "lead", "resolveTicket", {"id": ticket}, {"note": f"{NAME}家修好"})
    samples.act(world, "community", "replyTicket", {"id": ticket})
    samples.act(world, "community", "createCallback", {"id": ticket}, {"reached": False, "note": f"{NAME}不在"})
    samples.act(world, "resident", "rateTicket", {"id": ticket})
    samples.act(world, "community", "followUpMediation", {"id": case}, {"kept": True, "note": f"{NAME}守约"})
    samples.act(world, "community", "closeMediation", {"id": case})
    idea = samples.act(world, "resident", "submitTicket", body={**samples.TICKET, "kind": "suggestion", "title": f"{NAME}的金点子"})["id"]
    samples.act(world, "community", "startReviewCampaign")
    review = samples.act(world, "lead", "listGridReviews")["items"][0]["id"]
    samples.act(world, "lead", "takeSuggestion", {"id": idea}, {
        "becomes": "review", "review_id": review, "advice": f"问{NAME}", "note": f"{NAME}的主意"})
    samples.act(world, "resident", "withdrawTicket", {"id": idea})
    world.sql("update clock.clock set asked_reason = %s where subject_id = %s", f"等{NAME}", ticket)
    world.sql("insert into rate.appeal (street_id, ticket_id, path, reason, filed_by) values (1, %s, '1/1/1/1/', %s, core.new_id(1))"
              " on conflict do nothing", ticket, f"{NAME}误评")
    team = samples.act(world, "community", "createSafetyTeam")["id"]
    account, = world.sql("select id::text from identity.account where login = 'resident'")[0]
    world.sql("update identity.account set display_name = %s where id = %s", NAME, account)
    world.sql("update field.safety_team set members = jsonb_build_array(jsonb_build_object('account_id', %s, 'name', %s)),"
              " accounts = array[%s::uuid] where id = %s", account, NAME, account, team)
    for table, who, signed in (("care.visit", "reported_by", "reported_name"), ("care.mediation", "mediator_id", "mediator_name"),
                               ("care.diary", "author_id", "author_name"), ("people.tag", "set_by", "set_by_name"),
                               ("grid.assignment", "account_id", "name")):
        world.sql(f"update {table} set {signed} = %s, {who} = %s where ctid = (select min(ctid) from {table} where street_id = 1)", NAME, account)
    assert len(where(world, NAME)) > 20
    erase(world, person)
    assert where(world, NAME) == []
    assert world.sql("select count(*) from care.watch where person_id = %s", person) == [(0,)]
    assert OTHER in "".join(world.sql("select title from care.mediation where id = %s", case)[0])
