"""One ticket with many outside numbers: 12345, WeCom, Open311, 综治平台."""

import pytest

import samples
import story
import test_clients
from story import actions, answer, do, read, submit, timeline, together, walk

SCOPES = ["tickets:write", "tickets:read", "tickets:join", "changes:read"]
NOISE = {"kind": "problem", "category": "noise", "title": "夜间施工", "description": "十点以后还在施工，请打 13812345678。",
         "position": {"lon": 104.085, "lat": 30.66, "crs": "wgs84"}}


def program(world, *systems, scopes=SCOPES):
    made = test_clients.make(world, name=systems[0], scopes=scopes, systems=list(systems))
    return test_clients.token(world, made, test_clients.secret(world, made))


@pytest.fixture
def hotline(world):
    return program(world, "12345")


@pytest.fixture
def open311(world):
    return program(world, "open311")


def bring(client, known_as, expect=200, /, **fields):
    return answer(client.post("/v1/source-tickets", {**NOISE, "source_id": known_as, **fields}), expect)


def join(client, known_as, expect=200, /, **same):
    return answer(client.post("/v1/source-tickets/join", {"source_id": known_as, "same_as": same}), expect)


def update(client, known_as, sequence, expect=200, /, **fields):
    return answer(client.post("/v1/source-updates", {"source_id": known_as, "update_id": sequence, "kind": "supplement", **fields}), expect)


def numbers(client, **query):
    return [(n["system"], n["source_id"]) for n in walk(client, "/v1/source-tickets", **query)]


def test_a_number_is_one_ticket(world, hotline):
    """Row 001-05: brought again, however often, it is the ticket it was."""
    first = bring(hotline, "JY-1", contact_name="陈女士", contact_phone="13812345678")
    assert (first["system"], first["source_id"], first["status"], first["grid_id"]) == ("12345", "JY-1", "submitted", samples.GRID)
    assert bring(hotline, "JY-1", title="又来一次") == first
    assert bring(hotline, "JY-2")["ticket_id"] != first["ticket_id"]
    ticket = first["ticket_id"]
    assert bring(hotline, "x", 422, position=None) == ("grid_required", "/grid_id")
    assert bring(hotline, "x", 422, grid_id="01900000-0000-8002-8000-100000000012") == ("grid_not_found", "/grid_id")
    assert bring(hotline, "x", 422, system="wecom") == ("system_not_yours", "/system")
    do(world.lead, ticket, "accept")
    assert world.lead.get(f"/v1/tickets/{ticket}/contact").json()["contact_phone"] == "13812345678"
    seen = read(hotline, ticket)
    assert (seen["status"], seen["mine"], seen["contact_phone_mask"], seen["actions"]) == ("accepted", True, "138****5678", [])
    assert numbers(hotline, source_id="x") == [] and numbers(hotline) == [("12345", "JY-1"), ("12345", "JY-2")]
    world.settle()
    assert [(e["subject_id"], e["action"]) for e in story.feed(hotline)[0] if e["subject_id"] == ticket] == [
        (ticket, "submit"), (ticket, "accept")], "what is between staff is not told"


def test_12345_says_how_long_it_may_take(world, hotline):
    """咨询 3, 求助 7, 投诉举报 15 working days."""
    for kind, days in (("consult", 3), ("help", 7), ("complaint", 15)):
        ticket = bring(hotline, kind, hotline_class=kind)["ticket_id"]
        assert do(world.lead, ticket, "accept")["hotline_class"] == kind
        clock, = [c for c in world.street.get("/v1/clocks", params={"subject_id": ticket}).json()["items"] if c["stage"] == "resolve"]
        assert (clock["unit"], clock["amount"]) == ("working_days", days)
    late = world.resident.post("/v1/tickets", {**samples.TICKET, "hotline_class": "help"})
    assert (late.status_code, late.json()["code"]) == (422, "staff_only")


def test_two_programs_of_one_system_and_one_of_two(world, hotline):
    """A number belongs to its system, whichever program brings it."""
    ticket = bring(hotline, "JY-1")["ticket_id"]
    heir, hub = program(world, "12345"), program(world, "wecom", "12345")
    assert bring(heir, "JY-1")["ticket_id"] == ticket and numbers(heir) == [("12345", "JY-1")]
    assert bring(hub, "JY-1", 422) == ("system_not_yours", "/system"), "which of the two"
    assert bring(hub, "JY-1", system="12345")["ticket_id"] == ticket
    assert bring(hub, "JY-1", system="wecom")["ticket_id"] != ticket
    assert heir.get(f"/v1/tickets/{ticket}").status_code == 404, "it is told what became of it, no more"


def test_fifty_arrivals_at_once(shared):
    """One number from fifty places: one ticket, and no number of ours lost by the others."""
    clients = [program(shared, "12345") for _ in range(4)]
    for n in range(2):
        found = together(50, lambda i: bring(clients[i % 4], f"rush-{n}")["ticket_id"])
        assert len(set(found)) == 1
        assert len(shared.sql("select id from ticket.source where source_id = %s", f"rush-{n}")) == 1
        assert len(shared.sql("select id from core.event where subject = 'ticket' and action = 'submit' and subject_id = %s", found[0])) == 1
    assert len(shared.sql("select id from ticket.ticket where title = %s", NOISE["title"])) == 2
    ours = sorted(n for n, in shared.sql("select split_part(number, '-', 3)::int from ticket.ticket where street_id = 1"))
    assert ours == list(range(1, len(ours) + 1))


def test_fifty_times_the_same_update(shared):
    caller = program(shared, "12345")
    ticket = bring(caller, "told")["ticket_id"]
    replies = together(50, lambda _: update(caller, "told", "7", text="还在响")["id"])
    assert len(set(replies)) == 1
    assert actions(shared.street, ticket).count("outside_supplement") == 1


def test_updates_from_outside(world, hotline):
    """Status, supplement, reply, attachments: each once by its own id, on the timeline of the staff."""
    ticket = bring(hotline, "JY-1")["ticket_id"]
    files = [{"name": "录音.amr", "media_type": "audio/amr", "bytes": 20480, "url": "https://12345.example.org/f/2", "sha256": "ab" * 32}]
    said = update(hotline, "JY-1", "1", text="昨晚到一点，请打 13912345678", files=files)
    assert (said["update_id"], said["ticket_id"], said["files"]) == ("1", ticket, files)
    assert update(hotline, "JY-1", "1", text="别的话", kind="reply") == said, "the first counts"
    update(hotline, "JY-1", "3", kind="status", status="已转办", at="2026-01-02T10:00:00Z")
    update(hotline, "JY-1", "2", kind="status", status="已受理", at="2026-01-01T10:00:00Z")
    update(hotline, "JY-1", "4", kind="reply", text="已答复来电人")
    known, = walk(world.lead, "/v1/source-tickets", ticket_id=ticket)
    assert (known["outside_status"], known["outside_at"]) == ("已转办", "2026-01-02T10:00:00Z"), "the older came later"
    told = [(e["action"], e["data"].get("text"), e["data"].get("status"), e["data"].get("files")) for e in timeline(world.lead, ticket)[1:]]
    assert told == [("outside_supplement", "昨晚到一点，请打 139****5678", None, 1), ("outside_status", None, "已转办", None),
                    ("outside_status", None, "已受理", None), ("outside_reply", "已答复来电人", None, None)]
    assert [u["update_id"] for u in walk(world.community, "/v1/source-updates", ticket_id=ticket)] == ["1", "3", "2", "4"]
    assert walk(hotline, "/v1/source-updates", source_id="JY-1")[0]["text"] == "昨晚到一点，请打 13912345678"
    before = read(world.street, ticket)
    assert update(hotline, "none", "1", 422, text="x") == ("source_unknown", "/source_id")
    assert update(hotline, "JY-1", "5", 422) == ("update_empty", "/text")
    assert update(hotline, "JY-1", "5", 422, text="x", at="2099-01-01T00:00:00Z") == ("time_in_future", "/at")
    assert update(hotline, "JY-1", "5", 422, files=[{"name": "x", "url": "http://x.example"}])[1] == "/files/0/url"
    assert read(world.street, ticket) == before
    update(hotline, "JY-1", "5", text="x")
    assert read(world.street, ticket)["updated_at"] > before["updated_at"]
    for stranger in (world.lead_next, world.community2, world.street_far):
        assert numbers(stranger) == [] and walk(stranger, "/v1/source-updates") == []


def test_a_second_system_joins(world, hotline, open311):
    """By our number, or by another system's; what it is told is how it went, and nothing of people."""
    ticket = submit(world.resident, **{**samples.TICKET, "public": False, "description": "住三单元，请打 13812345678"})
    assert join(hotline, "JY-1", number=ticket["number"])["ticket_id"] == ticket["id"]
    other = join(open311, "88001", system="12345", source_id="JY-1")
    assert (other["ticket_id"], other["number"], other["reply"]) == (ticket["id"], ticket["number"], None)
    assert join(open311, "88001", system="12345", source_id="JY-1") == other, "the same again"
    assert actions(world.street, ticket["id"]) == ["submit", "outside_number", "outside_number"]
    assert actions(world.resident, ticket["id"]) == ["submit"], "between staff"
    assert numbers(world.lead, ticket_id=ticket["id"]) == [("12345", "JY-1"), ("open311", "88001")]
    assert numbers(world.street, source_id="88001") == [("open311", "88001")], "found by its number"
    assert numbers(open311) == [("open311", "88001")] and open311.get(f"/v1/tickets/{ticket['id']}").status_code == 404
    update(open311, "88001", "1", text="还是很吵")
    assert walk(hotline, "/v1/source-updates") == [], "another's words"
    do(world.lead, ticket["id"], "accept")
    do(world.lead, ticket["id"], "start")
    do(world.lead, ticket["id"], "resolve", note="已劝阻")
    do(world.community, ticket["id"], "reply", text="已劝阻，请打 13812345678")
    for caller in (hotline, open311):
        seen, = walk(caller, "/v1/source-tickets", updated_after=other["updated_at"])
        assert (seen["status"], seen["reply"]) == ("replied", "已劝阻，请打 138****5678")
    world.settle()
    told = story.feed(open311)[0]
    assert [e["action"] for e in told] == ["submit", "accept", "start", "resolve", "reply"], "not what is between staff"
    assert [e["data"] for e in told] == [None] * 4 + [{"text": "已劝阻，请打 138****5678"}] and {e["actor_id"] for e in told} == {None}
    late = do(world.resident, ticket["id"], "rate", stars=5, resolved=True, satisfied=True)
    assert join(open311, "88002", 409, number=late["number"]) == "target_not_open"
    assert join(open311, "88001", number=late["number"])["status"] == "closed", "which it has"


def test_what_cannot_be_joined(shared):
    hotline, open311 = program(shared, "12345"), program(shared, "open311")
    mine, far = bring(hotline, "j-1"), submit(shared.resident_far, **samples.TICKET)
    bring(open311, "o-1")
    assert join(open311, "o-2", 422, number=far["number"]) == ("target_unknown", "/same_as"), "another street's"
    assert join(open311, "o-2", 422, number="WNC-2026-999999") == ("target_unknown", "/same_as")
    assert join(open311, "o-2", 422, system="12345", source_id="nope") == ("target_unknown", "/same_as")
    for same in ({}, {"system": "12345"}, {"source_id": "j-1"}, {"number": mine["number"], "source_id": "j-1"}):
        assert join(open311, "o-2", 422, **same) == ("same_as_unclear", "/same_as")
    assert join(open311, "o-1", 409, number=mine["number"]) == ("source_id_taken", "/source_id")
    narrow = program(shared, "wecom", scopes=["tickets:write", "tickets:read"])
    assert join(narrow, "w-1", 403, number=mine["number"]) == "insufficient_scope"
    together(20, lambda _: join(open311, "o-3", number=mine["number"]))
    assert actions(shared.street, mine["ticket_id"]).count("outside_number") == 1


def test_a_manager_joins(world, hotline, open311):
    """Two arrivals of one event: the suggestion names the first, a merge takes the numbers along, a call enters one by hand."""
    first = bring(hotline, "JY-1")["ticket_id"]
    do(world.lead, first, "accept")
    second = bring(open311, "88001")["ticket_id"]
    update(open311, "88001", "1", text="同一处")
    assert [s["id"] for s in read(world.community, second)["similar"]] == [first]
    do(world.community, second, "merge", target_id=first)
    seen, = walk(open311, "/v1/source-tickets")
    assert (seen["ticket_id"], seen["status"]) == (first, "accepted")
    assert read(open311, second)["status"] == "merged"
    assert bring(open311, "88001")["ticket_id"] == first, "once more: no new ticket"
    update(open311, "88001", "2", text="还在响")
    assert actions(world.street, first)[-2:] == ["merged_here", "outside_supplement"]
    assert [u["update_id"] for u in walk(world.lead, "/v1/source-updates", ticket_id=first)] == ["1", "2"]

    def enter(client, number, status=200, ticket=first):
        return answer(client.post(f"/v1/tickets/{ticket}/numbers", {"system": "zongzhi", "source_id": number}), status)
    assert enter(world.community, "ZZ-7")["ticket_id"] == first
    assert enter(world.street, "ZZ-7")["ticket_id"] == first
    other = submit(world.resident, **samples.TICKET)["id"]
    assert enter(world.street, "ZZ-7", 409, other) == ("source_id_taken", "/source_id")
    assert enter(world.community2, "ZZ-8", 404) == enter(world.street_far, "ZZ-8", 404) == "not_found"
    assert enter(world.lead, "ZZ-8", 403) == "role_not_allowed"
    assert numbers(program(world, "zongzhi")) == [("zongzhi", "ZZ-7")]
    do(world.community, other, "reject", reason="重复")
    assert enter(world.street, "ZZ-9", 409, other) == "target_not_open"


def test_the_number_goes_where_the_ticket_goes(world, hotline):
    ticket = bring(hotline, "JY-1")["ticket_id"]
    update(hotline, "JY-1", "1", text="x")
    do(world.lead, ticket, "transfer", grid_id=samples.GRID_NEXT, reason="在隔壁")
    assert numbers(world.lead) == [] and walk(world.lead, "/v1/source-updates") == []
    assert numbers(world.lead_next) == [("12345", "JY-1")] and len(walk(world.lead_next, "/v1/source-updates")) == 1
    assert walk(hotline, "/v1/source-tickets")[0]["grid_id"] == samples.GRID_NEXT


def test_what_is_between_staff_stays_there(world, hotline):
    """A transfer writes the publicity of a public ticket's events anew."""
    ticket = submit(world.resident, **samples.TICKET)
    join(hotline, "JY-1", number=ticket["number"])
    update(hotline, "JY-1", "1", text="来电人住三单元")
    do(world.lead, ticket["id"], "transfer", grid_id=samples.GRID_NEXT, reason="在隔壁")
    assert actions(world.resident2, ticket["id"]) == actions(world.resident, ticket["id"]) == ["submit", "transfer"]
    world.settle()
    assert {e["action"] for e in story.feed(world.resident2)[0]} <= {"submit", "transfer"}
