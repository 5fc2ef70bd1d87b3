"""The loop in smaller stories: families merged, races, other grids and
second thoughts."""

import itertools

import pytest

import samples
from story import (A, B, D, GENERAL, PHYSICAL, SPECIAL, actions, add_people, do, feed, read,
                   sign_in, submit, timeline, together, upload, walk)


def loop(world, t, reply="办好了"):
    """From submitted (or reopened) to replied."""
    do(world.lead, t, "accept")
    do(world.lead, t, "start")
    do(world.lead, t, "resolve", note="已处理")
    do(world.community, t, "reply", text=reply)


# 合并: five of one house report the same ----------------------------------------

families = itertools.count()


@pytest.fixture
def family(shared):
    """Five reporters, the tickets of four merged into the first's."""
    reporters = add_people(shared, f"family{next(families)}_", 5)
    ids = [submit(r, **{**samples.TICKET, "contact_phone": f"1380000000{i}"})["id"]
           for i, r in enumerate(reporters)]
    for t in ids[1:]:
        merged = do(shared.community, t, "merge", target_id=ids[0], reason="同一件事")
        assert (merged["status"], merged["merged_into"]) == ("merged", ids[0])
    return reporters, ids


def test_each_of_a_merged_family_of_five_gets_a_reply(shared, family):
    reporters, ids = family
    assert read(shared.community, ids[0])["merged_count"] == 4
    assert actions(shared.community, ids[0]) == ["submit"] + ["merged_here"] * 4
    assert do(reporters[0], ids[0], "withdraw", 409) == "others_joined"
    assert do(reporters[1], ids[1], "withdraw", 409) == "wrong_state"
    loop(shared, ids[0], "五户的事一起办好了，请拨13911112222")
    shared.settle()
    for reporter, t in zip(reporters, ids):
        seen = read(reporter, t)
        assert (seen["status"], seen["reply"]) == ("replied", "五户的事一起办好了，请拨13911112222")
        assert {"rate", "reopen"} <= set(seen["actions"]) and seen["replied_at"]
        assert actions(reporter, t)[-1] == "reply"
        assert [e["action"] for e in feed(reporter)[0] if e["subject_id"] == t][-1] == "reply"
        others = [o for o in ids if o != t]
        assert do(reporter, others[0], "rate", 403, stars=1, resolved=False, satisfied=False) == "not_reporter"
    # each has the last word on their own
    for stars, (reporter, t) in enumerate(zip(reporters[:4], ids), 1):
        closed = do(reporter, t, "rate", stars=stars, resolved=True, satisfied=stars > 2)
        assert (closed["status"], closed["stars"]) == ("closed", stars)
    again = do(reporters[4], ids[4], "reopen", reason="我家还没有好")
    assert (again["status"], again["reopened_count"]) == ("reopened", 1)
    assert [read(shared.community, t)["status"] for t in ids] == ["closed"] * 4 + ["reopened"]
    loop(shared, ids[4], "最后一户也好了")
    assert [read(shared.community, t)["reply"][:2] for t in ids] == ["五户"] * 4 + ["最后"]


def test_rejecting_a_parent_tells_the_children(shared, family):
    reporters, ids = family
    do(shared.lead, ids[0], "reject", reason="不属于社区受理范围")
    for reporter, t in zip(reporters, ids):
        last = timeline(reporter, t)[-1]
        assert (read(reporter, t)["status"], last["action"]) == ("rejected", "reject")
        assert last["data"]["text"] == "不属于社区受理范围"


def test_a_parent_takes_its_children_along(shared, family):
    reporters, ids = family
    other = submit(shared.resident, **samples.TICKET)["id"]
    do(shared.community, ids[0], "merge", target_id=other)
    assert read(shared.community, other)["merged_count"] == 5
    assert [read(shared.community, t)["merged_count"] for t in ids] == [0] * 5
    # handed to the next grid, the whole family goes
    do(shared.community, other, "transfer", grid_id=B, reason="在隔壁")
    assert {read(shared.lead_next, t)["grid_id"] for t in [other, *ids]} == {B}
    assert [shared.lead.get(f"/v1/tickets/{t}").status_code for t in ids] == [404] * 5
    do(shared.lead_next, other, "accept")
    do(shared.lead_next, other, "start")
    do(shared.lead_next, other, "resolve", note="好了")
    do(shared.community, other, "reply", text="都好了")
    assert [read(r, t)["reply"] for r, t in zip(reporters, ids)] == ["都好了"] * 5


def test_merge_has_its_limits(shared):
    mine, open_, done = (samples.ticket(shared, s) for s in ("submitted", "accepted", "closed"))
    secret = submit(shared.resident, grid_id=D, **samples.TICKET)["id"]
    merge = lambda target, status: do(shared.community, mine, "merge", status, target_id=target)
    assert merge(mine, 422) == "target_unknown"
    assert merge(secret, 422) == "target_unknown"  # of another community
    assert merge("01900000-0000-8001-8000-300000000001", 422) == "target_unknown"
    assert merge(done, 409) == "target_not_open"
    assert do(shared.community, open_, "merge", 409, target_id=mine) == "wrong_state"
    assert do(shared.lead, mine, "merge", 403, target_id=open_) == "role_not_allowed"


def test_two_merge_into_each_other_at_once(shared):
    for _ in range(5):
        pair = [samples.ticket(shared) for _ in range(2)]
        replies = together(2, lambda i: shared.client("community").post(
            f"/v1/tickets/{pair[i]}/merge", {"target_id": pair[1 - i]}))
        assert sorted(r.status_code for r in replies) == [200, 409]
        assert sorted(read(shared.community, t)["status"] for t in pair) == ["merged", "submitted"]


# 接单: who comes first ----------------------------------------------------------

def test_of_three_leads_one_accepts(shared):
    people = ("lead", "lead2", "lead_general")
    clients = [shared.client(p) for p in people]
    for round_ in range(12):
        t = samples.ticket(shared)
        replies = together(3, lambda i: clients[(i + round_) % 3].post(f"/v1/tickets/{t}/accept"))
        assert sorted(r.status_code for r in replies) == [200, 409, 409]
        assert {r.json()["code"] for r in replies if r.status_code == 409} == {"already_accepted"}
        assert actions(shared.lead, t) == ["submit", "accept"]


def test_who_wrote_it_down_may_accept_but_nobody_rates_own_work(shared):
    """何建国 also leads for a while: what he handled he cannot rate."""
    reply = shared.community.post(f"/v1/grids/{B}/assignments", {"login": "resident2", "lead_kind": "micro"})
    assert reply.status_code == 201
    as_lead = sign_in(shared, "resident2", "grid_lead")
    t = submit(shared.resident2, grid_id=B, **samples.TICKET)["id"]
    do(as_lead, t, "accept")
    do(as_lead, t, "start")
    do(as_lead, t, "resolve", note="自己办了")
    do(shared.community, t, "reply", text="办好了")
    assert do(shared.resident2, t, "rate", 403, stars=5, resolved=True, satisfied=True) == "handler_cannot_rate"
    assert do(as_lead, t, "rate", 403, stars=5, resolved=True, satisfied=True) == "role_not_allowed"
    assert "rate" not in read(shared.resident2, t)["actions"]
    assert do(shared.resident2, t, "reopen", reason="其实没好")["status"] == "reopened"
    ended = shared.community.post(f"/v1/assignments/{reply.json()['id']}/end")
    assert ended.status_code == 200
    assert as_lead.get(f"/v1/tickets/{t}").status_code == 404


# 转派 --------------------------------------------------------------------------

def test_transfer_to_the_neighbouring_grid(shared):
    t = submit(shared.resident, **{**samples.TICKET, "contact_name": "陈女士", "public": False})["id"]
    shared.lead.post(f"/v1/tickets/{t}/comments", {"text": "门牌是隔壁的", "internal": True})
    _, start = feed(shared.lead)
    assert shared.lead_next.get(f"/v1/tickets/{t}").status_code == 404
    move = lambda who, grid, status=200: do(who, t, "transfer", status, grid_id=grid, reason="属于相邻微网格")
    assert move(shared.lead, A, 422) == "same_grid"
    assert move(shared.lead, GENERAL, 422) == "grid_not_for_tickets"
    assert move(shared.lead, D, 422) == "grid_not_found"  # another community is the community's to call
    moved = move(shared.lead, B)
    assert (moved["grid_id"], moved["status"], moved["grid_name"]) == (B, "submitted", "双福苑二微网格")

    for path in ("", "/comments", "/events", "/photos", "/contact"):
        assert shared.lead.get(f"/v1/tickets/{t}{path}").status_code == 404
    assert do(shared.lead, t, "accept", 404) == "not_found"
    shared.settle()
    left = [e for e in feed(shared.lead, start)[0] if e["subject_id"] == t]
    assert [(e["action"], e["data"]) for e in left] == [("handed_over", None)]

    seen = read(shared.lead_next, t)
    assert (seen["contact_name"], seen["number"]) == ("陈女士", moved["number"])
    assert actions(shared.lead_next, t) == ["submit", "comment_internal", "transfer"]
    last = timeline(shared.lead_next, t)[-1]["data"]
    assert (last["text"], last["from_grid_id"], last["to_grid_id"]) == ("属于相邻微网格", A, B)
    assert [c["text"] for c in walk(shared.lead_next, f"/v1/tickets/{t}/comments")] == ["门牌是隔壁的"]
    assert actions(shared.resident, t) == ["submit", "transfer"]
    # the community sends it on to another community, and is out of it
    assert move(shared.community, D)["grid_id"] == D
    assert shared.community.get(f"/v1/tickets/{t}").status_code == 404
    assert read(shared.community2, t)["grid_id"] == D and read(shared.resident, t)["grid_id"] == D
    do(shared.community2, t, "transfer", grid_id=A, reason="退回")
    assert actions(shared.lead, t) == ["submit", "comment_internal", "transfer", "transfer", "transfer"]


def test_photos_go_along_to_the_next_grid(shared):
    picture = upload(shared.resident)
    t = submit(shared.resident, **{**samples.TICKET, "photo_ids": [picture], "public": False})["id"]
    path = f"/v1/tickets/{t}/photos/{picture}"
    assert [w.get(path).status_code for w in (shared.lead, shared.lead_next)] == [200, 404]
    do(shared.lead, t, "transfer", grid_id=B, reason="在隔壁")
    assert [w.get(path).status_code for w in (shared.lead, shared.lead_next)] == [404, 200]


# Back and forth ----------------------------------------------------------------

def test_reopened_once_with_the_same_number(shared):
    first = submit(shared.resident, **samples.TICKET)
    t = first["id"]
    loop(shared, t)
    again = do(shared.resident, t, "reopen", reason="下雨后又堵了")
    assert (again["number"], again["created_at"]) == (first["number"], first["created_at"])
    assert again["status"] == "reopened" and t in {
        x["id"] for x in walk(shared.lead, "/v1/tickets", status="reopened")}
    loop(shared, t, "再次办好")
    seen = read(shared.resident, t)
    assert (seen["reply"], seen["reopened_count"]) == ("再次办好", 1)
    assert "reopen" not in seen["actions"] and "rate" in seen["actions"]
    assert do(shared.resident, t, "reopen", 409, reason="还是不行") == "reopen_used"
    do(shared.resident, t, "rate", stars=2, resolved=False, satisfied=False)
    assert actions(shared.resident, t) == ["submit", "accept", "start", "resolve", "reply", "reopen",
                                           "accept", "start", "resolve", "reply", "rate"]


def test_paused_and_sent_back(shared):
    t = samples.ticket(shared, "in_progress")
    assert do(shared.lead, t, "suspend", 403, reason="等配件") == "role_not_allowed"
    assert do(shared.community, t, "suspend", reason="等排水公司")["status"] == "suspended"
    assert do(shared.lead, t, "resolve", 409, note="好了") == "wrong_state"
    assert do(shared.community, t, "resume")["status"] == "in_progress"
    do(shared.lead, t, "resolve", note="好了")
    assert do(shared.community, t, "send_back", reason="仍有积水")["status"] == "in_progress"
    do(shared.community, t, "resolve", note="真好了")
    told = {e["action"]: (e["data"] or {}).get("text") for e in timeline(shared.resident, t)}
    assert (told["suspend"], told["send_back"], told["resolve"]) == ("等排水公司", "仍有积水", "真好了")


def test_escalated_from_the_middle_of_the_work(shared):
    t = samples.ticket(shared, "in_progress")
    do(shared.lead, t, "escalate", note="要社区出面")
    assert do(shared.lead, t, "resolve", 409, note="好了") == "wrong_state"
    assert do(shared.community, t, "start")["status"] == "in_progress"
    assert do(shared.lead, t, "resolve", note="好了")["status"] == "resolved"


def test_a_thing_takes_a_photo_each_time_it_is_resolved(shared):
    t = submit(shared.resident, **PHYSICAL)["id"]
    do(shared.lead, t, "accept")
    do(shared.lead, t, "start")
    assert do(shared.lead, t, "resolve", 422, note="通了") == "photo_required"
    theirs = upload(shared.lead2)
    assert do(shared.lead, t, "resolve", 422, note="通了", photo_ids=[theirs]) == "photo_unknown"
    do(shared.lead, t, "resolve", note="通了", photo_ids=[upload(shared.lead)])
    do(shared.community, t, "send_back", reason="仍有积水")
    assert do(shared.lead, t, "resolve", 422, note="又通了") == "photo_required"
    do(shared.lead, t, "resolve", note="又通了", photo_ids=[upload(shared.lead)])
    do(shared.community, t, "reply", text="通了")
    do(shared.resident, t, "reopen", reason="下雨后又堵了")
    do(shared.lead, t, "accept")
    do(shared.lead, t, "start")
    assert do(shared.lead, t, "resolve", 422, note="第三次", photo_ids=[]) == "photo_required"
    assert read(shared.resident, t)["photo_count"] == 2


def test_rejected_and_withdrawn(shared):
    t = samples.ticket(shared)
    assert shared.lead.post(f"/v1/tickets/{t}/reject", {"reason": " "}).status_code == 422
    do(shared.lead, t, "reject", reason="请拨12345")
    assert read(shared.resident, t)["status"] == "rejected" and read(shared.resident, t)["closed_at"]
    assert timeline(shared.resident, t)[-1]["data"] == {"text": "请拨12345"}
    # the public is not told why
    assert timeline(shared.resident2, t)[-1]["data"] is None
    for state in ("submitted", "accepted", "in_progress", "escalated_community", "suspended", "reopened"):
        t = samples.ticket(shared, state)
        assert do(shared.resident2, t, "withdraw", 403) == "not_reporter"
        assert do(shared.resident, t, "withdraw")["status"] == "withdrawn"


# 代报 and grids ----------------------------------------------------------------

def test_where_and_for_whom_a_ticket_may_be_written(shared):
    body = samples.TICKET
    elder = {"name": "周婆婆", "note": "敲门行动"}
    for who, fields, code in [
            (shared.lead, {}, "on_behalf_required"),
            (shared.resident, {"on_behalf": elder}, "on_behalf_not_allowed"),
            (shared.lead, {"on_behalf": elder, "grid_id": B}, "grid_not_found"),
            (shared.lead_general, {"on_behalf": elder}, "grid_required"),  # leads no micro-grid of its own
            (shared.lead_ended, {"on_behalf": elder}, "grid_required"),
            (shared.lead_ended, {"on_behalf": elder, "grid_id": A}, "grid_not_found"),
            (shared.resident, {"grid_id": GENERAL}, "grid_not_for_tickets"),
            (shared.resident, {"grid_id": "01900000-0000-8002-8000-100000000012"}, "grid_not_found"),
            (shared.resident, {"category": "no_such"}, "category_unknown"),
            (shared.resident, {"kind": "dispute", "public": True}, "dispute_not_public"),
            (shared.resident, {"compound_id": "01900000-0000-8002-8000-200000000001"}, "compound_not_found"),
            (shared.resident, {"answers": {"x": 1}}, "answer_unknown")]:
        assert submit(who, 422, **{**body, **fields})["code"] == code, fields
    assert submit(shared.lead_general, **body, on_behalf=elder, grid_id=B)["grid_id"] == B
    assert submit(shared.resident, **body)["grid_id"] == A
    assert submit(shared.resident, **body, grid_id=SPECIAL)["grid_id"] == SPECIAL
    assert not submit(shared.resident, **{**body, "kind": "dispute"})["public"]
    assert [submit(shared.resident, **{**body, "kind": k})["kind"]
            for k in ("problem", "suggestion", "consultation", "praise")][-1] == "praise"


def test_numbers_count_up_without_gap_in_each_street(world):
    numbers = together(40, lambda i: submit(world.client("resident"), **samples.TICKET)["number"])
    far = submit(world.resident_far, **samples.TICKET)["number"]
    year = numbers[0].split("-")[1]
    assert sorted(numbers) == [f"WNC-{year}-{n:06}" for n in range(1, 41)]
    assert far == f"LJ-{year}-000001"


# Editing -----------------------------------------------------------------------

def test_edited_while_nobody_took_it_up(shared):
    pictures = [upload(shared.resident) for _ in range(2)]
    t = submit(shared.resident, **{**samples.TICKET, "contact_phone": "13812345678", "address": "1栋",
                                   "photo_ids": pictures[:1]})["id"]
    path = f"/v1/tickets/{t}"
    first = shared.resident.get(path)
    tag = first.headers["ETag"]
    assert shared.resident.get(path, headers={"If-None-Match": tag}).status_code == 304
    body = {**samples.TICKET, "title": "小猫已经五只", "public": False, "photo_ids": pictures[1:]}
    assert read(shared.resident2, t)["title"] == samples.TICKET["title"]
    edited = shared.resident.put(path, body, headers={"If-Match": tag})
    assert edited.status_code == 200 and edited.headers["ETag"] != tag
    assert (edited.json()["title"], edited.json()["contact_phone_mask"]) == ("小猫已经五只", "138****5678")
    assert edited.json()["address"] is None and edited.json()["photo_count"] == 2
    assert shared.resident.get(path, headers={"If-None-Match": tag}).status_code == 200
    # no longer public: gone for the neighbours, with its past
    for part in ("", "/events", "/comments", f"/photos/{pictures[0]}"):
        assert shared.resident2.get(path + part).status_code == 404
    shared.settle()
    assert t not in str(feed(shared.resident2)[0])
    stale = shared.resident.put(path, body, headers={"If-Match": tag})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_conflict")
    assert actions(shared.resident, t) == ["submit", "edit"]
    do(shared.lead, t, "accept")
    now = shared.resident.get(path).headers["ETag"]
    late = shared.resident.put(path, body, headers={"If-Match": now})
    assert (late.status_code, late.json()["code"]) == (409, "wrong_state")
