"""网格: everybody reads the tree, community and street keep it, and who leads
what decides at once who may act."""

import pytest

import samples
from story import (A, B, C, COMPOUND, D, GENERAL, MASTER, MASTER2, ROOT, SPECIAL, do, feed, sign_in,
                   submit, together, walk)

FAR = "01900000-0000-8002-8000-100000000012"
GROUP = "01900000-0000-8001-8000-500000000001"
GENERAL2 = "01900000-0000-8001-8000-100000000021"
EVERYBODY = ("resident", "lead", "lead_ended", "community", "community2", "street")


def create(client, status=201, **fields):
    reply = client.post("/v1/grids", {"parent_id": GENERAL, "kind": "micro", "name": "新微网格", **fields})
    assert reply.status_code == status, reply.text
    return reply.json() if status < 300 else reply.json()["code"]


def change(client, grid, status=200, tag=None, **fields):
    path = f"/v1/grids/{grid}"
    body = {"name": "改名", "household_count": 50, "person_count": 120, **fields}
    reply = client.put(path, body, headers={"If-Match": tag or client.get(path).headers["ETag"]})
    assert reply.status_code == status, reply.text
    return reply.json() if status < 300 else reply.json()["code"]


def assign(client, grid, status=201, **fields):
    reply = client.post(f"/v1/grids/{grid}/assignments", {"login": "newcomer", "lead_kind": "micro", **fields})
    assert reply.status_code == status, reply.text
    return reply.json() if status < 300 else reply.json()["code"]


# Reading -----------------------------------------------------------------------

def test_everybody_reads_the_whole_tree(world):
    trees = [walk(getattr(world, who), "/v1/grids", limit=5) for who in EVERYBODY]
    assert all(tree == trees[0] for tree in trees)
    tree = {g["id"]: g for g in trees[0]}
    assert len(tree) == 12 and FAR not in tree
    assert [g["kind"] for g in trees[0][:4]] == ["street", "master", "general", "micro"]
    above = {g["id"]: g["parent_id"] for g in trees[0]}
    assert (above[A], above[GENERAL], above[MASTER], above[ROOT]) == (GENERAL, MASTER, ROOT, None)
    assert above[SPECIAL] == MASTER, "special grids hang beside the general ones"
    # 30 to 100 households of a micro-grid, 300 to 500 of a general one
    assert {tree[g]["household_range"] for g in (A, B, C, D, GENERAL)} == {"within"}
    assert tree[ROOT]["household_range"] is None
    assert tree[A]["leads"] == [{"name": "彭晓敏", "lead_kind": "micro"}, {"name": "蒋明华", "lead_kind": "micro"}], \
        "not whose time is over"
    assert [g["id"] for g in walk(world.resident, "/v1/grids", parent_id=GENERAL)] == [A, B]
    assert [g["id"] for g in walk(world.resident, "/v1/grids", kind="special")] == [SPECIAL]
    assert {g["id"] for g in walk(world.resident, "/v1/grids", compound_id=COMPOUND)} == {A, B}
    assert len(walk(world.resident, "/v1/grids", under=MASTER2)) == 4
    assert walk(world.resident, "/v1/grids", under=FAR) == []
    for who in ("resident_far", "street_far"):
        assert getattr(world, who).get(f"/v1/grids/{A}").status_code == 404
        assert {g["id"] for g in walk(getattr(world, who), "/v1/grids")}.isdisjoint(tree)


def test_a_grid_has_its_etag(shared):
    first = shared.resident.get(f"/v1/grids/{C}")
    tag = first.headers["ETag"]
    assert shared.resident.get(f"/v1/grids/{C}", headers={"If-None-Match": tag}).status_code == 304
    lead = assign(shared.community, C)
    again = shared.resident.get(f"/v1/grids/{C}", headers={"If-None-Match": tag})
    assert again.status_code == 200 and again.json()["leads"] == [{"name": "谢天宇", "lead_kind": "micro"}]
    # a new lead is no new version: who fetched before may still write
    change(shared.community, C, tag=tag, name="福林一微网格", household_count=48)
    assert change(shared.community, C, 412, tag=tag) == "version_conflict"
    assert shared.community.post(f"/v1/assignments/{lead['id']}/end").status_code == 200


# Keeping -----------------------------------------------------------------------

def test_who_may_add_a_grid(shared):
    made = create(shared.community, name="落虹桥街6号院", household_count=96, person_count=240, compound_id=COMPOUND)
    assert (made["parent_id"], made["serial"], made["household_range"]) == (GENERAL, 3, "within")
    assert create(shared.street)["serial"] == 4
    assert create(shared.community, serial=9)["serial"] == 9 and create(shared.community)["serial"] == 10
    assert create(shared.community, 409, serial=9) == "grid_serial_taken"
    assert create(shared.street, parent_id=ROOT, kind="master", code="510108011007")["kind"] == "master"
    assert create(shared.street, 409, parent_id=ROOT, kind="master", code="510108011007") == "grid_code_taken"
    assert [create(shared.community, parent_id=MASTER, kind=k)["kind"] for k in ("general", "special")] == [
        "general", "special"]
    for who in ("resident", "lead", "lead_general"):
        assert create(getattr(shared, who), 403) == "role_not_allowed"
    for fields, code in [({"parent_id": GENERAL2}, "grid_not_found"),  # another community's
                         ({"parent_id": FAR}, "grid_not_found"),
                         ({"parent_id": ROOT, "kind": "master"}, "grid_not_found"),
                         ({"parent_id": MASTER}, "grid_kind_mismatch"),
                         ({"kind": "general"}, "grid_kind_mismatch"),
                         ({"parent_id": A}, "grid_kind_mismatch"),
                         ({"compound_id": FAR}, "compound_not_found")]:
        assert create(shared.community, 422, **fields) == code, fields
    shared.settle()
    assert "create" in [e["action"] for e in feed(shared.resident)[0] if e["subject_id"] == made["id"]]


@pytest.mark.parametrize("households, said", [(29, "below"), (30, "within"), (100, "within"), (101, "above")])
def test_thirty_to_a_hundred_households(shared, households, said):
    assert create(shared.community, household_count=households)["household_range"] == said


def test_who_may_change_a_grid(shared):
    grid = create(shared.community)["id"]
    assert change(shared.community, grid, name="甲", household_count=97)["household_count"] == 97
    assert change(shared.street, grid, name="乙")["name"] == "乙"
    assert change(shared.community2, grid, 404, tag='"1"') == "not_found"
    assert change(shared.street_far, grid, 404, tag='"1"') == "not_found"
    assert change(shared.community, MASTER, 404, tag='"1"') == "not_found", "its own master grid is the street's"
    for who in ("resident", "lead"):
        assert change(getattr(shared, who), grid, 403, tag='"1"') == "role_not_allowed"
    reply = shared.community.put(f"/v1/grids/{grid}", {"name": "x", "household_count": 1, "person_count": 1})
    assert (reply.status_code, reply.json()["code"]) == (428, "precondition_required")
    assert change(shared.community, grid, 422, valid_to="2020-01-01") == "dates_invalid"


def test_a_code_begins_with_the_communitys(shared):
    """GB/T 34300: the twelve digits of the community, three of the grid."""
    assert create(shared.community, 422, code="510108011008001") == "grid_code_foreign", "of the community next door"
    made = create(shared.community, code="510108011009701")
    assert change(shared.community, made["id"], 422, code="510104036008701") == "grid_code_foreign"
    assert change(shared.community, made["id"], code="51010801100970101")["code"].startswith("510108011009")
    assert change(shared.street, MASTER, 422, code="510108011010") == "grid_code_foreign", "those below keep theirs"
    change(shared.community, made["id"], code=None)
    assert change(shared.street, MASTER, 422, code="510104036010") == "grid_code_foreign", "another street's"


def test_a_closed_grid_takes_nothing_more(shared):
    grid = create(shared.community)["id"]
    today, = shared.sql("select core.today()::text")[0]
    assert change(shared.community, grid, valid_to=today)["valid_to"] == today
    assert grid not in {g["id"] for g in walk(shared.resident, "/v1/grids")}
    assert grid in {g["id"] for g in walk(shared.resident, "/v1/grids", closed="true")}
    assert assign(shared.community, grid, 409) == "grid_closed"
    assert submit(shared.resident, 422, **samples.TICKET, grid_id=grid)["code"] == "grid_not_found"
    t = samples.ticket(shared)
    assert do(shared.lead, t, "transfer", 422, grid_id=grid, reason="在那边") == "grid_not_found"


# Who leads ---------------------------------------------------------------------

def test_assigned_and_ended(world):
    t = samples.ticket(world)
    assert world.resident.get(f"/v1/grids/{A}/assignments").status_code == 403
    assert len(walk(world.community, f"/v1/grids/{A}/assignments")) == 3
    given = assign(world.community, A)
    assert (given["name"], given["active"], given["to_on"]) == ("谢天宇", True, None)
    newcomer = sign_in(world, "newcomer", "grid_lead")
    assert do(newcomer, t, "accept")["status"] == "accepted"
    assert assign(world.community, A, 409) == "assignment_overlaps"
    ended = world.community.post(f"/v1/assignments/{given['id']}/end")
    assert (ended.status_code, ended.json()["active"]) == (200, False)
    for action in ("start", "escalate"):
        assert do(newcomer, t, action, 404, **({"note": "请看"} if action == "escalate" else {})) == "not_found"
    assert walk(newcomer, "/v1/tickets") == []
    again = world.community.post(f"/v1/assignments/{given['id']}/end")
    assert (again.status_code, again.json()["code"]) == (409, "assignment_ended")
    active = {a["id"] for a in walk(world.community, f"/v1/grids/{A}/assignments", active="true")}
    over = {a["id"] for a in walk(world.community, f"/v1/grids/{A}/assignments", active="false")}
    assert given["id"] in over and len(active) == 2 and len(over) == 2
    assert assign(world.community, A)["active"], "and again the same day"


def test_who_may_assign(shared):
    own = create(shared.community)["id"]
    theirs = create(shared.street, parent_id=GENERAL2)["id"]
    assert assign(shared.community, theirs, 404) == "not_found"
    assert assign(shared.street_far, own, 404) == "not_found"
    given = assign(shared.street, own)
    for who, status in [("community2", 404), ("street_far", 404), ("lead", 403), ("resident", 403)]:
        assert getattr(shared, who).post(f"/v1/assignments/{given['id']}/end").status_code == status
    for who in ("resident", "lead", "lead_general"):
        assert assign(getattr(shared, who), own, 403) == "role_not_allowed"
    for grid, fields, code in [(own, {"lead_kind": "general"}, "lead_kind_mismatch"),
                               (GENERAL, {"lead_kind": "micro"}, "lead_kind_mismatch"),
                               (own, {"login": "nobody"}, "account_unknown"),
                               (own, {"from_on": "2027-03-02", "to_on": "2027-03-02"}, "dates_invalid")]:
        assert assign(shared.community, grid, 422, **fields) == code, fields
    assert assign(shared.community, GENERAL, lead_kind="general")["lead_kind"] == "general"
    assert assign(shared.community, SPECIAL, lead_kind="special", login="resident2")["lead_kind"] == "special"
    # leads read who leads within their own reach
    assert shared.lead_general.get(f"/v1/grids/{A}/assignments").status_code == 200
    assert shared.lead.get(f"/v1/grids/{B}/assignments").status_code == 404
    assert shared.community2.get(f"/v1/grids/{A}/assignments").status_code == 404


def test_assigned_twice_at_once(shared):
    grid = create(shared.community)["id"]
    got = together(6, lambda i: shared.client("community").post(
        f"/v1/grids/{grid}/assignments", {"login": "newcomer", "lead_kind": "micro"}).status_code)
    assert sorted(got) == [201] + [409] * 5


def test_a_lead_from_tomorrow_and_one_whose_time_is_over(world):
    tomorrow, = world.sql("select (core.today() + 1)::text")[0]
    reply = world.community.post(f"/v1/grids/{A}/assignments", {
        "login": "newcomer", "lead_kind": "micro", "from_on": tomorrow})
    assert reply.status_code == 201 and not reply.json()["active"]
    newcomer = sign_in(world, "newcomer", "grid_lead", ttl=300000)
    t = samples.ticket(world)
    world.settle()
    for lead in (newcomer, world.lead_ended):
        assert lead.get(f"/v1/tickets/{t}").status_code == 404
        assert do(lead, t, "accept", 404) == "not_found"
        assert walk(lead, "/v1/tickets") == [] and feed(lead)[0] == []
        assert lead.get("/v1/tickets/summary").json()["total"] == 0
    world.set_clock("1 day")
    assert [x["id"] for x in walk(newcomer, "/v1/tickets")] == [t]
    assert do(newcomer, t, "accept")["status"] == "accepted"


def test_a_lead_of_a_grid_and_of_one_within_it_sees_each_thing_once(world):
    reply = world.community.post(f"/v1/grids/{A}/assignments", {"login": "lead_general", "lead_kind": "micro"})
    assert reply.status_code == 201
    here, next_door = samples.ticket(world), samples.ticket(world, grid_id=B)
    elsewhere = samples.ticket(world, grid_id=C)
    lead = world.lead_general
    for query in ({}, {"status": "submitted"}, {"updated_after": "2020-01-01T00:00:00Z"}, {"under": GENERAL}):
        assert sorted(x["id"] for x in walk(lead, "/v1/tickets", **query)) == sorted([here, next_door]), query
    assert lead.get("/v1/tickets/summary").json()["total"] == 2
    world.settle()
    assert sorted(e["subject_id"] for e in feed(lead)[0] if e["subject"] == "ticket") == sorted([here, next_door])
    assert lead.get(f"/v1/tickets/{elsewhere}").status_code == 404


# 联合体 ------------------------------------------------------------------------

def test_groups_of_micro_grids(shared):
    body = {"name": "檐里联合体", "purpose": "共建一条花径", "grid_ids": [A, C]}
    made = shared.community.post("/v1/grid-groups", body)
    assert made.status_code == 201
    group = made.json()
    assert {g["id"] for g in group["grids"]} == {A, C}
    assert group["household_count"] == sum(g["household_count"] for g in group["grids"])
    path = f"/v1/grid-groups/{group['id']}"
    first = shared.resident.get(path)
    assert first.status_code == 200 and group["id"] in {
        g["id"] for g in walk(shared.resident, "/v1/grid-groups", grid_id=C)}
    tag = {"If-Match": first.headers["ETag"]}
    assert shared.community2.put(path, body, headers=tag).status_code == 404
    assert shared.lead.put(path, body, headers=tag).status_code == 403
    changed = shared.community.put(path, {**body, "grid_ids": [A, B, C]}, headers=tag)
    assert changed.status_code == 200 and len(changed.json()["grids"]) == 3
    assert shared.community.put(path, body, headers=tag).status_code == 412
    for who, ids, code in [("community", [A, D], "grid_not_found"), ("community", [A, GENERAL], "grid_not_micro"),
                           ("street", [A, FAR], "grid_not_found")]:
        reply = getattr(shared, who).post("/v1/grid-groups", {**body, "grid_ids": ids})
        assert (reply.status_code, reply.json()["code"]) == (422, code)
    across = shared.street.post("/v1/grid-groups", {**body, "grid_ids": [A, D]})
    assert across.status_code == 201, "the street may join grids of two communities"
    assert shared.community.put(f"/v1/grid-groups/{across.json()['id']}", body,
                                headers={"If-Match": '"1"'}).status_code == 404
    assert shared.resident.post("/v1/grid-groups", body).status_code == 403
    assert shared.resident_far.get(path).status_code == 404
