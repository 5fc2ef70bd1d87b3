"""Two records of one person: found, told apart, merged, and parted again."""

import json
import uuid

import pytest

import samples
import story
from test_people import enter, find, home, link

ID_NUMBER = "11010519491231002X"
CARE = ("visit", "watch", "alarm", "pairing")
TABLES = ("person", "secret", "gram", "residence", "ownership", "guardianship", "tag", "health_tag", "consent",
          "approval", "data_request", "household")
# What a change leaves behind although it is undone: so that no old ETag fits again.
COUNTS = ("version", "updated_at", "updated_by")


def merge(client, person, into, answer=200, **more):
    reply = client.post(f"/v1/persons/{person}/merge", {"into": into, "reason": "重复建档", **more})
    assert reply.status_code == answer, reply.text
    return reply.json() if answer == 200 else reply.json()["code"]


def unmerge(client, person, answer=200):
    reply = client.post(f"/v1/persons/{person}/unmerge", {"reason": "并非一人"})
    assert reply.status_code == answer, reply.text
    return reply.json()["conflicts"] if answer == 200 else reply.json()["code"]


def other_number():
    """A valid one of somebody born on 1950-01-01, a woman."""
    digits = "11010519500101002"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return digits + "10X98765432"[sum(int(d) * w for d, w in zip(digits, weights)) % 11]


def dump(world, *ids):
    """Every row of people that names one of them, or belongs to one that does."""
    found = {}
    for table in ["people." + t for t in TABLES] + ["care." + t for t in CARE]:
        rows = world.sql(f"select to_jsonb(x) - %s::text[] from {table} x where x::text ~ %s", list(COUNTS), "|".join(ids))
        found[table] = sorted(json.dumps(row, sort_keys=True) for row, in rows)
    return found


@pytest.fixture
def two(world):
    """The same woman twice, in two dwellings, with all that hangs on a person."""
    world.first, world.second = home(world), home(world, "1/1/1/2/")
    world.old = enter(world.community, world.first, name="欧阳春晓", phone="13987654321", sex=None)["id"]
    world.new = enter(world.community, world.second, name="欧阳春曉", phone="13987650000", born_on=None, id_number=ID_NUMBER)["id"]
    child = enter(world.community, world.first, name="欧阳小", born_on="2009-05-01")["id"]
    samples.act(world, "lead", "requestApproval", {"id": child})
    ward = enter(world.community, world.first, name="老欧阳", born_on="1940-01-01")["id"]
    world.ward = ward
    for person in (world.old, world.new):
        ids = {"id": person}
        samples.act(world, "community", "createGuardianship", {"id": ward}, {"guardian_id": person, "kinship": "child"})
        samples.act(world, "community", "tagPerson", ids, {"code": "veteran"})
        samples.act(world, "community", "giveConsent", ids, {"purpose": "health", "text_version": "x", "given_by": person})
        samples.act(world, "community", "tagPerson", ids, {"code": "disabled", "reason": "证件"})
        samples.act(world, "street", "requestApproval", ids)
        samples.act(world, "community", "fileDataRequest", ids, {"kind": "copy"})
    ids = {"id": world.new}
    samples.act(world, "community", "tagPerson", ids, {"code": "volunteer"})
    samples.act(world, "community", "tagPerson", ids, {"code": "solitary_elder"})
    world.sql("insert into care.alarm (street_id, id, person_id, path, seen_at) select 1, core.new_id(1), person_id, path, seen_at"
              " from care.watch where person_id = %s", world.new)
    world.sql("update care.watch set seen_at = seen_at + interval '1 hour', due_at = due_at + interval '1 hour' where person_id = %s", world.new)
    samples.act(world, "community", "giveConsent", ids, {"purpose": "contact", "text_version": "x", "given_by": world.new})
    world.sql("update people.person set source = '台账', source_id = '7' where id = %s", world.new)
    samples.act(world, "community", "createOwnership", {"id": world.second}, {"person_id": world.new, "share": 1, "shares": 2})
    link(world, world.new)
    return world


# Merging and parting ---------------------------------------------------------------

@pytest.mark.parametrize("fields", [[], ["name", "phone", "verified", "residence"], ["sex", "born_on", "id_number"]])
def test_merged_and_parted_they_are_as_they_were(two, fields):
    before = dump(two, two.old, two.new, two.ward)
    merge(two.community, two.new, two.old, fields=fields)
    assert dump(two, two.old, two.new, two.ward) != before
    assert unmerge(two.community, two.new) == []
    assert dump(two, two.old, two.new, two.ward) == before
    assert two.sql("select count(*) from people.merge_row") == [(0,)]
    # and again, the other way round
    merge(two.community, two.old, two.new, fields=fields)
    assert unmerge(two.community, two.old) == []
    assert dump(two, two.old, two.new, two.ward) == before


def test_one_record_stands_for_both(two):
    assert two.community.get(f"/v1/persons/{two.new}").status_code == 200
    assert two.community.get(f"/v1/persons/{two.old}").status_code == 200
    seen = merge(two.community, two.new, two.old)
    assert (seen["id"], seen["name"], seen["phone_mask"], seen["id_number_mask"], seen["born_on"], seen["dwelling_id"]) == (
        two.old, "欧阳春晓", "139****4321", "110***************", "1949-12-31", two.first)
    assert seen["has_account"] and {t["code"] for t in seen["tags"]} == {"veteran", "volunteer", "disabled", "solitary_elder"}
    assert two.resident.get("/v1/me/persons").json()["items"][0]["id"] == two.old
    assert find(two.community, id_number=ID_NUMBER) == [two.old] == find(two.community, q="欧阳春")
    assert find(two.community, dwelling_id=two.second) == []
    owners = two.community.get(f"/v1/dwellings/{two.second}/owners").json()["items"]
    assert [o["person_id"] for o in owners] == [two.old]
    assert two.sql("select id::text from people.person where source_id = '7'") == [(two.old,)]
    # nothing else names the one that went
    assert {t for t, rows in dump(two, two.new).items() if rows} == {"people.person"}
    # and the person sees who looked at either record
    assert {a["person_id"] for a in story.walk(two.resident, "/v1/me/accesses")} >= {two.old, two.new}
    log = two.sql("select action, person_id::text, subject_id::text, reason from audit.entry where action = 'merge'")
    assert log == [("merge", two.old, two.new, "重复建档")]


def test_the_record_that_went_says_where(two):
    merge(two.community, two.new, two.old)
    url = f"/v1/persons/{two.new}"
    for reply in (two.community.get(url), two.lead_general.get(url), two.resident.get(url),
                  two.community.post(url + "/tags", {"code": "party"}),
                  two.community.put(url, {"name": "x"}, headers={"If-Match": '"1"'}),
                  two.community.post(url + "/merge", {"into": two.ward, "reason": "重复"})):
        assert (reply.status_code, reply.json()["code"]) == (410, "person_merged")
        assert reply.headers["Location"] == f"/v1/persons/{two.old}" == reply.json()["errors"][0]["pointer"]
    # who does not see the survivor, or did not see the one that went
    for other in (two.lead, two.lead_next, two.community2, two.community_far, two.resident2):
        assert other.get(url).status_code == 404
    assert merge(two.community, two.ward, two.new, 422) == "person_not_found"
    # through a chain
    third = enter(two.community, two.first, name="欧阳春晓三")["id"]
    merge(two.community, two.old, third)
    assert two.community.get(url).headers["Location"] == f"/v1/persons/{third}"
    assert unmerge(two.community, two.new, 409) == "merged_further"
    assert unmerge(two.community, two.old) == [] and unmerge(two.community, two.new) == []


def test_what_came_since_stays_and_is_told(two):
    url = f"/v1/persons/{two.old}"
    aside, = two.sql("select id::text from people.residence where person_id = %s", two.new)[0]
    merge(two.community, two.new, two.old, fields=["phone"])
    tag = samples.act(two, "community", "tagPerson", {"id": two.old}, {"code": "newcomer"})
    etag = two.community.get(url).headers["ETag"]
    assert two.community.put(url, {"name": "欧阳春晓", "phone": "13911110000"}, headers={"If-Match": etag}).status_code == 200
    # somebody has entered the one residence again, as the other's
    two.sql("insert into people.residence select r.street_id, core.new_id(1), %s, r.dwelling_id, r.household_id, r.path, r.accounts,"
            " r.kind, r.from_on, r.to_on from people.residence r where r.person_id = %s", two.new, two.old)
    told = [(c["what"], c["id"]) for c in unmerge(two.community, two.new)]
    assert told == [("phone", two.old), ("residence", aside)]
    old, new = (two.community.get(f"/v1/persons/{p}").json() for p in (two.old, two.new))
    assert (old["phone_mask"], new["phone_mask"]) == ("139****0000", "139****0000") and tag
    assert "newcomer" in {t["code"] for t in old["tags"]} and "newcomer" not in {t["code"] for t in new["tags"]}


def test_a_number_that_is_somebody_elses_by_now_does_not_come_back(two):
    merge(two.community, two.new, two.old)
    url = f"/v1/persons/{two.old}"
    etag = two.community.get(url).headers["ETag"]
    assert two.community.put(url, {"name": "欧阳春晓", "born_on": "1950-01-01", "id_number": other_number()},
                             headers={"If-Match": etag}).status_code == 200
    enter(two.community, two.first, name="另一人", id_number=ID_NUMBER, born_on=None)
    samples.act(two, "community", "linkPerson", {"id": two.old}, {"account_id": None})
    link(two, two.old, "resident2")
    told = {(c["what"], c["id"]) for c in unmerge(two.community, two.new)}
    assert told == {("born_on", two.old), ("id_number", two.old), ("id_number", two.new), ("account_id", two.old)}
    assert two.community.get(f"/v1/persons/{two.new}").json()["id_number_mask"] is None
    assert two.community.get(f"/v1/persons/{two.new}").json()["has_account"]


@pytest.mark.parametrize("told", ["both_have_accounts", "id_numbers_differ", "guardian_of_each_other", "ownership_overlaps"])
def test_what_is_nobodys_mistake(two, told):
    before = dump(two, two.old, two.new)
    if told == "both_have_accounts":
        link(two, two.old, "resident2")
    elif told == "id_numbers_differ":
        etag = two.community.get(f"/v1/persons/{two.old}").headers["ETag"]
        reply = two.community.put(f"/v1/persons/{two.old}", {"name": "欧阳春晓", "born_on": "1950-01-01", "id_number": other_number()},
                                  headers={"If-Match": etag})
        assert reply.status_code == 200, reply.text
    elif told == "guardian_of_each_other":
        samples.act(two, "community", "createGuardianship", {"id": two.old}, {"guardian_id": two.new, "kinship": "child"})
    else:
        samples.act(two, "community", "createOwnership", {"id": two.second}, {"person_id": two.old, "share": 1, "shares": 2})
    before = dump(two, two.old, two.new)
    assert merge(two.community, two.new, two.old, 409) == told
    assert dump(two, two.old, two.new) == before


def test_on_ones_own_ground_only(two):
    """security 1, 3"""
    far = enter(two.community2, home(two, "1/2/1/1/"), name="欧阳春晓")["id"]
    for stranger in (far, str(uuid.uuid4())):
        assert merge(two.community, two.old, stranger, 422) == "person_not_found"
        assert merge(two.community, stranger, two.old, 404) == "not_found"
        assert unmerge(two.community, stranger, 404) == "not_found"
        assert two.community.post(f"/v1/persons/{two.old}/not-same", {"other_id": stranger}).status_code == 422
    assert merge(two.community, two.old, two.old, 422) == "person_not_found"
    assert unmerge(two.community, two.old, 409) == "not_merged"
    child = enter(two.community, two.first, name="小欧阳", born_on="2009-05-01")["id"]
    assert merge(two.community, child, two.old, 403) == "approval_required"


def test_of_two_merges_at_once_one_wins(two):
    """security 39"""
    both = ((two.new, two.old), (two.old, two.new))
    for _ in range(4):
        codes = story.together(2, lambda i: two.community.post(
            f"/v1/persons/{both[i][0]}/merge", {"into": both[i][1], "reason": "重复"}).status_code)
        assert sorted(codes) in ([200, 410], [200, 422])
        unmerge(two.community, both[codes.index(200)][0])
    done = story.together(3, lambda _: two.community.post(
        f"/v1/persons/{two.new}/merge", {"into": two.old, "reason": "重复"}).status_code)
    assert sorted(done) == [200, 410, 410]
    assert sorted(story.together(3, lambda _: two.community.post(
        f"/v1/persons/{two.new}/unmerge", {"reason": "不是"}).status_code)) == [200, 409, 409]


def test_erasing_the_survivor_erases_both(two):
    """security 49"""
    merge(two.community, two.new, two.old)
    samples.act(two, "community", "endGuardianship", {"id": two.sql(
        "select id::text from people.guardianship where guardian_id = %s", two.old)[0][0]})
    request = samples.act(two, "resident", "fileDataRequest", {"id": two.old}, {"kind": "delete"})["id"]
    for step in ("verify", "start", "fulfil"):
        samples.act(two, "community", step + "DataRequest", {"id": request})
    assert two.sql("select id::text, status from people.person where id in (%s, %s) order by 1", two.old, two.new) == sorted(
        [(two.old, "erased"), (two.new, "erased")])
    for table in ("person", "secret", "merge", "merge_row", "gram"):
        assert two.sql(f"select 1 from people.{table} x where x::text ~ '欧阳春|13987654321|139\\*\\*\\*\\*4321'") == []
    assert unmerge(two.community, two.new, 404) == "not_found"


# Finding pairs ---------------------------------------------------------------------

def pairs(client, **query):
    return [(d["id"], d["other_id"], d["why"]) for d in story.walk(client, "/v1/duplicates", **query)]


def test_pairs_are_found_until_somebody_says_no(world):
    dwelling, other, far = home(world), home(world), home(world, "1/2/1/1/")
    names = [(dwelling, "司徒 玉兰", "13911112222"), (other, "司徒玉兰", "13911112222"), (dwelling, "司徒玉兰", None),
             (other, "司徒玉", "13911112222"), (dwelling, "別人", None)]
    a, b, c, d, e = (enter(world.community, at, name=name, phone=phone)["id"] for at, name, phone in names)
    twin = enter(world.community2, far, name="司徒玉兰", phone="13911112222")["id"]
    assert pairs(world.community) == [(a, b, "phone_name"), (a, c, "address_name")] and d and e and twin
    assert pairs(world.community, limit=1) == pairs(world.community)
    assert pairs(world.community2) == []
    shown = world.community.get("/v1/duplicates").json()["items"][0]
    assert (shown["person"]["name"], shown["other"]["name"], shown["person"]["phone_mask"]) == ("司徒 玉兰", "司徒玉兰", "139****2222")
    assert world.community.post(f"/v1/persons/{c}/not-same", {"other_id": a}).status_code == 204
    assert pairs(world.community) == [(a, b, "phone_name")]
    merge(world.community, b, a)
    assert pairs(world.community) == []
    unmerge(world.community, b)
    assert pairs(world.community) == [(a, b, "phone_name")]
