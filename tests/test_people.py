"""人房: who lives where, who may know what of them, and what they may ask."""

import contextlib
import datetime
import json
import os
import pathlib
import time
import uuid

import pytest

import harness
import plants
import samples
import story

CHENGDU = datetime.timezone(datetime.timedelta(hours=8))
NAME, PHONE, ID_NUMBER = "欧阳春晓", "13987654321", "11010519491231002X"


def home(world, path="1/1/1/1/"):
    """A new dwelling of a grid; its id and building."""
    by = "street" if path[0] == "1" else "street_far"
    street, compound = plants.HOUSES[path]
    building = samples.act(world, by, "createBuilding", {"id": plants.compound_id(street, compound)},
                           {"name": uuid.uuid4().hex[:10]})["id"]
    return samples.act(world, by, "createDwelling", {"id": building}, {
        "number": "502", "grid_id": plants.grid_id(path)})["id"]


def enter(client, dwelling, status=201, **fields):
    reply = client.post("/v1/persons", {"name": NAME, "born_on": "1958-03-07", "dwelling_id": dwelling, **fields})
    assert reply.status_code == status, reply.text
    return reply.json() if status < 300 else reply.json()["code"]


def find(client, **asked):
    reply = client.post("/v1/search/persons", asked)
    assert reply.status_code == 200, reply.text
    return [p["id"] for p in reply.json()["items"]]


def born(years, days=0):
    """Of whom so many years and days ago was the day of birth."""
    day = datetime.datetime.now(CHENGDU).date() - datetime.timedelta(days)
    return day.replace(year=day.year - years, day=28 if (day.month, day.day) == (2, 29) else day.day).isoformat()


def link(world, person, name="resident"):
    account, = world.sql("select id::text from identity.account where login = %s", name)[0]
    samples.act(world, "community", "linkPerson", {"id": person}, {"account_id": account})


def agree(world, person, purpose="health", by="community"):
    """A consent on paper; its id."""
    return samples.act(world, by, "giveConsent", {"id": person}, {
        "purpose": purpose, "text_version": "1", "given_by": person})["id"]


def steps(world, request, *names):
    for name in names:
        samples.act(world, "community", name + "DataRequest", {"id": request})


def another(world, role, path):
    """Somebody more of the staff."""
    login = "z" + uuid.uuid4().hex[:10]
    harness.run_linlid(world.settings, "user", "add", "--login", login, "--name", "值班二")
    harness.run_linlid(world.settings, "user", "grant", "--login", login, "--role", role, "--street", "1", "--path", path)
    return story.sign_in(world, login, role)


def where(world, *words):
    """Every table and column's text searched by the superuser: where a word stands."""
    tables = world.sql("select format('%I.%I', nspname, relname) from pg_class c join pg_namespace n"
                       " on n.oid = c.relnamespace where relkind = 'r' and nspname !~ '^(pg_|information|public)'")
    assert len(tables) > 40
    return sorted({(t, w) for t, in tables for w in words if world.sql(
        f"select exists (select from {t} x where strpos(x::text, %s) > 0)", w) == [(True,)]})


# Who sees which field: the table is in plants.py, held to in test_scope.py ------------------------------------------------------------

FULL = {"name": NAME, "sex": "female", "born_on": "1949-12-31", "birth_year": 1949, "phone_mask": "139****4321",
        "id_number_mask": "110***************"}
@pytest.fixture(scope="module")
def known(shared):
    """One person with everything, in micro-grid A, of account resident."""
    shared.person = enter(shared.community, home(shared), sex="female", born_on=None, phone=PHONE, id_number=ID_NUMBER)["id"]
    link(shared, shared.person)
    agree(shared, shared.person)
    for code in ("chronic_illness", "solitary_elder"):
        samples.act(shared, "community", "tagPerson", {"id": shared.person}, {"code": code, "reason": "随访 13512345678"})
    return shared


def test_the_street_counts_and_asks(known):
    assert known.street.get(f"/v1/persons/{known.person}").status_code == 403
    figures = known.street.get("/v1/persons/summary", params={"under": story.A}).json()
    assert figures["persons"] >= 1 and {"code": "solitary_elder", "count": 1} in figures["tags"]
    assert "illness" not in json.dumps(figures) and NAME not in json.dumps(figures)
    assert known.lead.get("/v1/persons/summary", params={"under": story.B}).status_code == 422
    ask = {"fields": ["phone"], "reason": f"核实{NAME}的诉求"}
    url = f"/v1/persons/{known.person}"
    assert known.street.post(url + "/unmask", ask).json()["code"] == "approval_required"
    approval = samples.act(known, "street", "requestApproval", {"id": known.person}, ask)
    assert NAME not in approval["reason"]
    assert known.street_far.post(url + "/access-requests", ask).status_code == 404
    assert known.community2.post(f"/v1/access-requests/{approval['id']}/approve", {"hours": 8}).status_code == 404
    samples.act(known, "community", "approveApproval", {"id": approval["id"]})
    assert known.street.post(url + "/unmask", ask).json()["phone"] == PHONE
    assert known.street.post(url + "/unmask", {**ask, "fields": ["id_number"]}).json()["code"] == "approval_required"


def test_unmasking_takes_a_reason_and_the_person_sees_it(known):
    url = f"/v1/persons/{known.person}/unmask"
    assert known.community.post(url, {"fields": ["phone"]}).status_code == 422
    assert known.lead.post(url, {"fields": ["phone"], "reason": "停水"}).status_code == 403
    assert known.community2.post(url, {"fields": ["phone"], "reason": "停水"}).status_code == 404
    full = known.community.post(url, {"fields": ["phone", "id_number"], "reason": "停水通知"}).json()
    assert (full["phone"], full["id_number"], full["name"]) == (PHONE, ID_NUMBER, None)
    mine = story.walk(known.resident, "/v1/me/accesses")
    assert {"action": "unmask", "by_name": "李文静", "by_role": "community", "fields": ["phone", "id_number"],
            "reason": "停水通知"}.items() <= next(a for a in mine if a["reason"] == "停水通知").items()
    assert {a["person_id"] for a in mine} == {known.person}
    assert story.walk(known.resident2, "/v1/me/accesses") == []


def test_a_look_is_logged_and_not_without_log(known):
    """security 46"""
    before, = known.sql("select count(*) from audit.entry where action = 'view'")[0]
    assert known.lead.get(f"/v1/persons/{known.person}").status_code == 200
    known.resident.get(f"/v1/persons/{known.person}")  # their own: no access of staff
    assert known.sql("select count(*) from audit.entry where action = 'view'") == [(before + 1,)]
    known.sql("alter table audit.entry add constraint full_disk check (action <> 'view') not valid")
    try:
        reply = known.lead.get(f"/v1/persons/{known.person}")
        assert reply.status_code >= 400 and NAME not in reply.text
    finally:
        known.sql("alter table audit.entry drop constraint full_disk")


@pytest.mark.parametrize("asked, field", [({"phone": PHONE}, "phone"), ({"id_number": ID_NUMBER.lower()}, "id_number")])
def test_who_looks_for_a_number_is_logged(known, asked, field):
    assert find(known.community, **asked) == [known.person]
    assert {"action": "search", "fields": [field]}.items() <= story.walk(known.resident, "/v1/me/accesses")[0].items()
    # a neighbour may not ask whose ID number it is
    assert find(known.lead, **asked) == ([known.person] if field == "phone" else [])


def test_phone_and_number_are_sealed(known):
    """security 49"""
    assert where(known, PHONE, ID_NUMBER) == []
    sealed = known.sql("select phone, id_number from people.secret where person_id = %s", known.person)
    assert all(t.startswith("v1.") for t in sealed[0])


def test_neighbours_write_only_the_basics(known):
    reply = known.lead.get(f"/v1/persons/{known.person}")
    url, tag = f"/v1/persons/{known.person}", {"If-Match": reply.headers["ETag"]}
    for field, value in (("id_number", ID_NUMBER), ("born_on", "1950-01-01"), ("name", "别名")):
        refused = known.lead.put(url, {"name": NAME, field: value}, headers=tag).json()
        assert (refused["code"], refused["errors"][0]["pointer"]) == ("field_not_allowed", "/" + field)
    assert known.lead.put(url, {"name": NAME, "phone": PHONE, "verified": "verified"}, headers=tag).json()["verified"] == "verified"
    assert known.lead.put(url, {"name": NAME}, headers=tag).status_code == 412
    illness = {"code": "disabled", "reason": "证件"}
    assert known.lead.post(url + "/tags", illness).json()["code"] == "field_not_allowed"
    assert known.lead.post(url + "/tags", {"code": "special_group"}).json()["code"] == "reason_required"
    assert known.lead.post(url + "/tags", {"code": "solitary_elder"}).json()["code"] == "tag_set"
    assert known.lead.post(url + "/tags", {"code": "difficult", "reason": "x"}).json()["code"] == "tag_unknown"


@pytest.mark.parametrize("fields, told", [
    ({"sex": "male", "id_number": "110105194912310004"}, "invalid_request"), ({"born_on": "1949-12-30"}, "id_number_mismatch"),
    ({"sex": "male"}, "id_number_mismatch"), ({}, "person_exists"), ({"id_number": None, "born_on": None}, "born_on_required"),
    ({"id_number": None, "born_on": "2100-01-01"}, "born_in_future")])
def test_the_id_number_is_checked_at_the_door(known, fields, told):
    status = {"person_exists": 409}.get(told, 422)
    assert enter(known.community, home(known), status, **{"born_on": None, "id_number": ID_NUMBER, **fields}) == told


# Finding --------------------------------------------------------------------------

def test_people_are_found_in_each_way_and_only_on_ones_ground(shared):
    dwelling, far = home(shared), home(shared, "1/2/1/1/")
    one = enter(shared.community, dwelling, name="司徒玉兰", phone="13911112222")["id"]
    other = enter(shared.community2, far, name="司徒玉兰", phone="13911112222")["id"]
    address = shared.community.get(f"/v1/persons/{one}").json()["address"]
    for asked in ({"q": "司徒"}, {"q": "玉兰"}, {"q": "徒玉"}, {"q": " 司徒玉兰"}, {"phone": "13911112222"},
                  {"address": address}, {"address": address[:-3]}, {"dwelling_id": dwelling},
                  {"q": "玉兰", "under": story.A}):
        assert find(shared.lead, **asked) == [one], asked
        assert find(shared.community, **asked) == [one], asked
        assert find(shared.community2, **asked) == ([other] if not {"address", "dwelling_id", "under"} & set(asked) else [])
        assert find(shared.lead_next, **asked) == []
    samples.act(shared, "community", "tagPerson", {"id": one}, {"code": "veteran"})
    assert find(shared.lead, tag="veteran") == [one] and find(shared.community2, tag="veteran") == []
    assert shared.community.post("/v1/search/persons", {"q": "兰"}).status_code == 422
    assert find(shared.community, q="玉兰", phone="13900000000") == []


def test_pages_go_on_where_the_last_ended(shared):
    dwelling = home(shared)
    made = {enter(shared.community, dwelling, name=f"诸葛第{n}")["id"] for n in range(7)}
    seen, after = [], None
    while True:
        page = shared.lead.post("/v1/search/persons", {"q": "诸葛"}, params={
            "limit": 3, **({"after": after} if after else {})}).json()
        seen += [p["id"] for p in page["items"]]
        after = page["next"]
        if not after:
            break
        assert len(page["items"]) == 3
    assert len(seen) == 7 and set(seen) == made


# Who lives where -----------------------------------------------------------------------

def test_moving_and_owning(shared):
    first, second = home(shared), home(shared, "1/1/1/2/")
    person = enter(shared.community, first)["id"]
    assert shared.lead.get(f"/v1/persons/{person}").status_code == 200
    moved = samples.act(shared, "community", "movePerson", {"id": person}, {"dwelling_id": second, "kind": "tenant"})
    assert moved["dwelling_id"] == second
    assert shared.lead.get(f"/v1/persons/{person}").status_code == 404
    assert shared.lead_next.get(f"/v1/persons/{person}").status_code == 200
    assert shared.community.post(f"/v1/persons/{person}/move", {
        "dwelling_id": home(shared, "1/2/1/1/"), "kind": "tenant"}).json()["code"] == "dwelling_not_found"
    url = f"/v1/dwellings/{first}/owners"
    third = {"person_id": person, "share": 1, "shares": 3}
    others = [enter(shared.community, first)["id"] for _ in range(3)]
    codes = [shared.community.post(url, {**third, "person_id": p}).status_code for p in (person, *others)]
    assert codes == [201, 201, 201, 409]  # three thirds are one, exactly
    owners = shared.lead.get(url).json()["items"]
    assert [o["name"] for o in owners] == ["欧**晓"] * 3
    samples.act(shared, "community", "moveOutPerson", {"id": person}, {"on_date": None})
    assert shared.community.post(f"/v1/persons/{person}/move-out", {}).json()["code"] == "not_resident"


def test_who_moves_to_another_community_is_taken_over(world):
    """By ID number and name: then the new one sees them and the old no more; both logs tell."""
    person = enter(world.community, home(world), name="上官云", id_number=ID_NUMBER, born_on=None)["id"]
    new = home(world, "1/2/1/1/")
    url, body = f"/v1/dwellings/{new}/take-over", {"id_number": ID_NUMBER, "name": "上官云", "kind": "tenant", "reason": "上官云已迁入"}
    assert world.community.post(url, body).status_code == 404, "the dwelling is not theirs"
    assert world.community2.get(f"/v1/persons/{person}").status_code == 404
    for wrong in ({"name": "上官雨"}, {"id_number": "11010519491231004X"}):
        refused = world.community2.post(url, {**body, **wrong})
        assert refused.status_code == 422, refused.text
    seen = world.community2.post(url, body)
    assert seen.status_code == 200 and seen.json()["id"] == person and seen.json()["dwelling_id"] == new
    assert world.community2.get(f"/v1/persons/{person}").json()["name"] == "上官云"
    assert world.community.get(f"/v1/persons/{person}").status_code == 404 and find(world.community, q="上官") == []
    for client in (world.community, world.community2):
        entry, = [e for e in story.walk(client, "/v1/audit") if e["action"] == "take_over"]
        assert entry["person_id"] == person and "上官云" not in entry["reason"]


def test_a_minor_is_taken_over_after_a_guardian(world):
    """domain rule 9: whoever has a child's number and name does not get the child;
    the consent goes along, and with it the record."""
    mother_number, number = samples.id_number(1, "19880307"), samples.id_number(2, born(12).replace("-", ""))
    mother = enter(world.community, home(world), name="上官云", id_number=mother_number, born_on=None)["id"]
    child = enter(world.community, home(world), name="上官小雨", id_number=number, born_on=None, guardian_id=mother,
                  kinship="parent", consent_text="minor-2026-1")["id"]
    url = f"/v1/dwellings/{home(world, '1/2/1/1/')}/take-over"
    body = {"id_number": number, "name": "上官小雨", "kind": "family", "reason": "随母亲迁入"}
    assert world.community2.post(url, body).json()["code"] == "approval_required"
    assert world.community2.post(url, {**body, "name": "上官大雨"}).json()["code"] == "person_not_found", "or one could try names"
    assert world.sql("select path from people.person where id = %s", child) == [("1/1/1/1/",)]
    assert world.community2.post(url, {**body, "id_number": mother_number, "name": "上官云"}).json()["id"] == mother
    taken = world.community2.post(url, body)
    assert taken.status_code == 200 and taken.json()["id"] == child and taken.json()["withheld"], taken.text
    assert world.community.get(f"/v1/persons/{child}").status_code == 404
    consent, = world.community2.get(f"/v1/persons/{child}/consents").json()["items"]
    assert (consent["purpose"], consent["given_by"]) == ("minor", mother)
    assert world.community.post(f"/v1/consents/{consent['id']}/withdraw").status_code == 404
    samples.act(world, "community2", "withdrawConsent", {"id": consent["id"]})
    back = f"/v1/dwellings/{home(world)}/take-over"
    assert world.community.post(back, body).json()["code"] == "person_not_found" and where(world, "上官小雨") == []


def test_who_is_tied_to_an_account_is_untied_first(world):
    """Else the one who saw the record would lose it without a word."""
    person = enter(world.community, home(world))["id"]
    url, ids = f"/v1/persons/{person}/link", dict(world.sql("select login, id::text from identity.account where login ~ '^resident'"))
    link(world, person)
    link(world, person)
    again = world.community.post(url, {"account_id": ids["resident2"]})
    assert (again.status_code, again.json()["code"]) == (409, "person_linked")
    assert world.resident.get(f"/v1/persons/{person}").status_code == 200
    assert world.resident2.get(f"/v1/persons/{person}").status_code == 404
    samples.act(world, "community", "linkPerson", {"id": person}, {"account_id": None})
    link(world, person, "resident2")
    assert world.resident.get(f"/v1/persons/{person}").status_code == 404
    assert world.resident2.get(f"/v1/persons/{person}").status_code == 200


def test_a_household_shows_its_members_and_tags(shared):
    dwelling = home(shared)
    head = enter(shared.community, dwelling)
    enter(shared.community, dwelling, name="欧阳小", household_id=head["household_id"])
    ids = {"id": head["household_id"]}
    samples.act(shared, "community", "tagHousehold", ids, {"code": "difficult", "reason": "低保"})
    seen = shared.lead.get(f"/v1/households/{ids['id']}").json()
    assert [m["name"] for m in seen["members"]] == [NAME, "欧阳小"] and seen["head_id"] == head["id"]
    assert [t["code"] for t in seen["tags"]] == ["difficult"] and seen["tags"][0]["set_by"] == "李文静"
    assert find(shared.lead, tag="difficult") and find(shared.lead_next, tag="difficult") == []
    samples.act(shared, "community", "clearTag", {"id": seen["tags"][0]["id"]})
    assert shared.lead.get(f"/v1/households/{ids['id']}").json()["tags"] == []


def test_people_move_with_the_boundary(world):
    """domain rule 13: A's lead loses the persons that move, with all that hangs on them."""
    dwelling = home(world)
    person = enter(world.community, dwelling, phone=PHONE)
    tag = samples.act(world, "community", "tagPerson", {"id": person["id"]}, {"code": "veteran"})["tags"][0]["id"]
    reply = world.community.get(f"/v1/dwellings/{dwelling}")
    moved = world.community.put(f"/v1/dwellings/{dwelling}", {"number": "502", "grid_id": story.B},
                                headers={"If-Match": reply.headers["ETag"]})
    assert moved.status_code == 200 and moved.json()["grid_id"] == story.B
    for path in (f"/v1/persons/{person['id']}", f"/v1/households/{person['household_id']}"):
        assert world.lead.get(path).status_code == 404 and world.lead_next.get(path).status_code == 200
    for asked in ({"q": "春晓"}, {"phone": PHONE}, {"tag": "veteran"}):
        assert find(world.lead, **asked) == [] and find(world.lead_next, **asked) == [person["id"]]
    assert world.lead.post(f"/v1/tags/{tag}/clear", {"reason": "x"}).status_code == 404
    assert world.sql("select distinct path from (select path from people.person union all select path from people.secret"
                     " union all select path from people.residence union all select path from people.gram"
                     " union all select path from people.tag union all select path from people.household) x") == [("1/1/1/2/",)]


# Minors ------------------------------------------------------------------------------------

def test_under_fourteen_nothing_is_stored_without_the_guardian(shared):
    """domain rule 9"""
    dwelling = home(shared)
    count = "select (select count(*) from people.person), (select count(*) from people.household), (select count(*) from people.secret)"
    before = shared.sql(count)
    for fields in ({}, {"consent_text": "minor-2026-1"}):
        assert enter(shared.community, dwelling, 403, name="小石榴", born_on=born(12), **fields) == "guardian_consent_required"
    assert shared.sql(count) == before and where(shared, "小石榴") == []
    mother = enter(shared.community, dwelling)["id"]
    child = enter(shared.community, dwelling, name="小石榴", born_on=born(12), guardian_id=mother, kinship="parent",
                  consent_text="minor-2026-1")["id"]
    assert enter(shared.community, dwelling, name="大石榴", born_on=born(15))["is_minor"]
    assert enter(shared.community, dwelling, 422, name="石榴", guardian_id=child) == "guardian_not_found"


def test_staff_need_a_managers_leave_for_a_minor(shared):
    """domain rule 9: each look with it is logged, and it ends."""
    dwelling = home(shared)
    minor = enter(shared.community, dwelling, name="东方小雨", born_on=born(16), phone="13955556666")["id"]
    url, unmask = f"/v1/persons/{minor}", {"fields": ["name"], "reason": "家访"}
    for client in (shared.lead, shared.community):
        seen = client.get(url)
        assert seen.json()["withheld"] and [f for f in (*FULL, "address") if seen.json()[f] is not None] == []
        assert find(client, q="东方") == [] == find(client, phone="13955556666")
        assert minor in find(client, dwelling_id=dwelling)
    assert shared.community.post(url + "/unmask", unmask).json()["code"] == "approval_required"
    assert shared.community.put(url, {"name": "x"}, headers={"If-Match": '"1"'}).json()["code"] == "approval_required"
    asked = samples.act(shared, "lead", "requestApproval", {"id": minor}, unmask)["id"]
    own = samples.act(shared, "community", "requestApproval", {"id": minor}, unmask)["id"]
    assert shared.community.post(f"/v1/access-requests/{own}/approve", {"hours": 1}).json()["code"] == "own_request"
    samples.act(shared, "community", "approveApproval", {"id": asked})
    assert shared.lead.get(url).json()["name"] == "东方小雨" and find(shared.lead, q="东方") == [minor]
    logged = shared.sql("select actor_role, action from audit.entry where person_id = %s and data::text ~ 'minor'", minor)
    assert logged.count(("grid_lead", "view")) == 2
    assert shared.lead2.get(url).json()["withheld"]
    second = another(shared, "community", "1/1/")
    assert second.post(f"/v1/access-requests/{own}/approve", {"hours": 1}).status_code == 200
    assert shared.community.post(url + "/unmask", unmask).json()["name"] == "东方小雨"
    shared.sql("update people.approval set expires_at = now() - interval '1 second' where person_id = %s", minor)
    assert shared.lead.get(url).json()["withheld"] and find(shared.lead, q="东方") == []


def test_a_mother_signs_for_her_twelve_year_old_and_withdraws(world):
    mother = enter(world.community, home(world))["id"]
    child = {"name": "小柠檬", "born_on": born(12), "phone": PHONE, "kinship": "parent", "consent_text": "minor-2026-1"}
    assert world.resident.post("/v1/me/wards", child).json()["code"] == "person_unknown"
    link(world, mother)
    assert world.resident.post("/v1/me/wards", {**child, "born_on": born(20)}).json()["code"] == "not_a_minor"
    ward = world.resident.post("/v1/me/wards", child).json()["id"]
    assert {p["name"] for p in world.resident.get("/v1/me/persons").json()["items"]} == {NAME, "小柠檬"}
    assert world.resident2.get(f"/v1/persons/{ward}").status_code == 404
    assert world.lead.get(f"/v1/persons/{ward}").json()["withheld"]
    samples.act(world, "community", "tagPerson", {"id": mother}, {"code": "veteran"})
    consents = world.resident.get(f"/v1/persons/{ward}/consents").json()["items"]
    assert [(c["purpose"], c["given_by"], c["channel"]) for c in consents] == [("minor", mother, "online")]
    assert world.resident2.post(f"/v1/consents/{consents[0]['id']}/withdraw").status_code == 404
    assert world.resident.post(f"/v1/consents/{consents[0]['id']}/withdraw").status_code == 204
    for name in ("resident", "lead", "community"):
        assert getattr(world, name).get(f"/v1/persons/{ward}").status_code == 404
    # only what must be kept is: that there was a consent, and who looked
    assert where(world, "小柠檬", PHONE) == []
    tables = {t for t, _ in where(world, ward)}
    assert tables == {"people.person", "people.consent", "people.guardianship", "people.residence", "core.event"} \
        | ({"audit.entry"} & tables)
    assert world.sql("select withdrawn_at is not null from people.consent where person_id = %s", ward) == [(True,)]
    assert [p["name"] for p in world.resident.get("/v1/me/persons").json()["items"]] == [NAME]


def test_who_is_grown_has_no_guardian_any_more(world):
    mother = enter(world.community, home(world))["id"]
    link(world, mother)
    ward = world.resident.post("/v1/me/wards", {"name": "小柠檬", "born_on": born(18, -1), "kinship": "parent",
                                                "consent_text": "minor-2026-1"}).json()["id"]
    accounts = lambda: world.sql("select cardinality(accounts) from people.person where id = %s", ward)
    assert accounts() == [(1,)] and world.resident.get(f"/v1/persons/{ward}").status_code == 200
    world.set_clock("3 days")
    harness.wait_for(lambda: accounts() == [(0,)], "the guardianship to end")
    assert world.sql("select to_on = until_on from people.guardianship") == [(True,)]


# One's own data -----------------------------------------------------------------------------

def test_a_copy_and_then_deletion_with_a_case_open(world):
    """security 49; domain rule 15: restricted while the case is open, then only a pseudonym."""
    person = enter(world.community, home(world), name="陈淑芳", sex="female", phone=PHONE, id_number=ID_NUMBER, born_on=None)["id"]
    link(world, person)
    agree(world, person)
    samples.act(world, "community", "tagPerson", {"id": person}, {"code": "disabled", "reason": "陈淑芳持证"})
    photo = samples.photo(world, "resident")
    ticket = world.resident.post("/v1/tickets", {**samples.TICKET, "title": "陈淑芳家漏水", "photo_ids": [photo],
        "description": f"我是陈淑芳，电话{PHONE}", "contact_name": "陈淑芳", "contact_phone": PHONE, "address": "陈淑芳家"},
        headers={"Idempotency-Key": "canary"}).json()["id"]
    world.resident.post(f"/v1/tickets/{ticket}/comments", {"text": f"陈淑芳补充：{PHONE}"})
    samples.act(world, "community", "unmaskPerson", {"id": person}, {"fields": ["phone"], "reason": "联系陈淑芳"})
    ask = f"/v1/persons/{person}/data-requests"
    asked = world.resident.post(ask, {"kind": "copy"}).json()
    assert asked["due_on"] == (datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=8))).date()
                               + datetime.timedelta(15)).isoformat() and not asked["overdue"]
    assert world.resident.post(ask, {"kind": "copy"}).json()["code"] == "request_pending"
    assert world.resident.get(f"/v1/data-requests/{asked['id']}/copy").status_code == 404
    assert world.community.post(f"/v1/data-requests/{asked['id']}/fulfil").json()["code"] == "wrong_state"
    steps(world, asked["id"], "verify", "start", "fulfil")
    copy = world.resident.get(f"/v1/data-requests/{asked['id']}/copy").json()
    assert (copy["name"], copy["phone"], copy["id_number"]) == ("陈淑芳", PHONE, ID_NUMBER)
    assert copy["accesses"] >= 1 and [t["code"] for t in copy["tags"]] == ["disabled"]

    figures = lambda: world.community.get("/v1/persons/summary").json()
    before = figures()
    gone = world.resident.post(ask, {"kind": "delete", "wish": "请删除陈淑芳的信息"}).json()["id"]
    steps(world, gone, "verify", "start")
    assert world.community.post(f"/v1/data-requests/{gone}/fulfil").json()["state"] == "restricted"
    assert find(world.community, q="陈淑芳") == find(world.community, phone=PHONE) == find(world.lead, tag="disabled") == []
    assert world.community.get(f"/v1/persons/{person}").status_code == 404
    assert figures() == before
    assert world.sql("select name from people.person where id = %s", person) == [("陈淑芳",)]

    store = pathlib.Path(world.settings.values["data_dir"]) / "photos"
    pictures = [f for f in store.rglob("*") if f.is_file()]
    for f in pictures:  # younger than an hour they would stay, for an upload under way
        os.utime(f, (time.time() - 7200,) * 2)
    assert pictures
    said = {"resolveTicket": {"note": "已为陈淑芳修好"}, "rateTicket": {"text": f"陈淑芳很满意 {PHONE}"}}
    for name, operation in samples.STEPS["closed"]:
        body = samples.plain_body(world, operation)
        samples.act(world, name, operation, {"id": ticket}, {**body, **said[operation]} if operation in said else body)
    harness.wait_for(lambda: world.sql("select state from people.data_request where id = %s", gone) == [("fulfilled",)],
                     "the job to delete")
    sealed = world.sql("select count(*) from people.secret")
    assert sealed == [(0,)] and where(world, "陈淑芳", PHONE, ID_NUMBER) == []
    assert world.sql("select status, title from ticket.ticket where id = %s", ticket)[0] == (
        "closed", "居民" + person[-6:].upper() + "家漏水")
    assert world.resident.get("/v1/me").status_code == 401
    harness.wait_for(lambda: not [f for f in store.rglob("*") if f.is_file()], "the photo's files to go")
    assert world.sql("select count(*) from audit.entry where person_id = %s", person)[0][0] >= 3
    assert harness.run_linlid(world.settings, "audit", "verify") == "the audit log is whole\n"


@contextlib.contextmanager
def held(world, function, account):
    """Somebody else's transaction, open."""
    with contextlib.closing(world.site.cluster.connect(world.database)) as c, c.cursor() as cursor:
        cursor.execute("begin")
        cursor.execute(f"select {function}(%s)", (account,))
        yield


def test_who_writes_is_erased_before_or_after_and_never_meanwhile(world):
    """A word said while the job erases would keep the name it says."""
    person = enter(world.community, home(world))["id"]
    link(world, person)
    gone = world.resident.post(f"/v1/persons/{person}/data-requests", {"kind": "delete"}).json()["id"]
    steps(world, gone, "verify", "start")
    account, = world.sql("select id::text from identity.account where login = 'resident'")[0]
    with held(world, "core.hold", account):
        refused = world.community.post(f"/v1/data-requests/{gone}/fulfil")
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded") and "Retry-After" in refused.headers
    with held(world, "core.hold_alone", account):
        assert world.resident.get("/v1/me").status_code == 200
        assert world.resident.post("/v1/tickets", samples.TICKET, headers={"Idempotency-Key": "meanwhile"}).status_code == 503
    assert world.community.post(f"/v1/data-requests/{gone}/fulfil").json()["state"] == "fulfilled"
    assert world.resident.post("/v1/tickets", samples.TICKET, headers={"Idempotency-Key": "after"}).status_code == 401


def test_a_refusal_has_a_reason_and_restriction_hides(shared):
    person = enter(shared.community, home(shared), name="慕容小桃")["id"]
    link(shared, person, "resident2")
    ask = f"/v1/persons/{person}/data-requests"
    first = shared.resident2.post(ask, {"kind": "restrict"}).json()["id"]
    assert shared.resident2.post(f"/v1/data-requests/{first}/verify").status_code == 403
    assert shared.community2.post(f"/v1/data-requests/{first}/verify").status_code == 404
    refused = shared.community.post(f"/v1/data-requests/{first}/refuse", {"reason": "身份不符"}).json()
    assert (refused["state"], refused["refused_reason"]) == ("refused", "身份不符")
    second = shared.resident2.post(ask, {"kind": "restrict"}).json()["id"]
    steps(shared, second, "verify", "start", "fulfil")
    assert find(shared.community, q="慕容") == [] and shared.lead.get(f"/v1/persons/{person}").status_code == 404
    assert shared.resident2.get(f"/v1/persons/{person}").json()["name"] == "慕容小桃"
    own = samples.act(shared, "community", "fileDataRequest", {"id": enter(shared.community, home(shared))["id"]}, {"kind": "correct"})
    assert shared.community.post(f"/v1/data-requests/{own['id']}/verify").json()["code"] == "own_request"


def test_what_rests_on_a_consent_ends_with_it(shared):
    person = enter(shared.community, home(shared), phone="13933334444")["id"]
    illness = {"code": "disabled", "reason": "证"}
    refused = shared.community.post(f"/v1/persons/{person}/tags", illness)
    assert (refused.status_code, refused.json()["code"]) == (403, "consent_required"), "PIPL 29"
    made = {purpose: agree(shared, person, purpose) for purpose in ("health", "contact")}
    samples.act(shared, "community", "tagPerson", {"id": person}, illness)
    assert find(shared.community, phone="13933334444") == [person]
    url = f"/v1/persons/{person}/consents"
    assert shared.community.post(url, {"purpose": "share", "text_version": "1", "given_by": person}).json()["code"] == "recipient_required"
    assert shared.community.post(url, {"purpose": "health", "text_version": "1", "given_by": person}).json()["code"] == "consent_given"
    stranger = enter(shared.community, home(shared))["id"]
    assert shared.community.post(url, {"purpose": "record", "text_version": "1", "given_by": stranger}).status_code == 403
    for purpose in made:
        assert shared.community.post(f"/v1/consents/{made[purpose]}/withdraw").status_code == 204
    seen = shared.community.get(f"/v1/persons/{person}").json()
    assert seen["tags"] == [] and seen["phone_mask"] is None and find(shared.community, phone="13933334444") == []
    assert shared.community.post(f"/v1/persons/{person}/tags", illness).json()["code"] == "consent_required"


def test_what_was_kept_long_enough_goes(world):
    """People.retention_rule, by the job: three years after it was withdrawn a consent, two without home a person."""
    person = enter(world.community, home(world), name="百里清")["id"]
    consent = world.community.post(f"/v1/persons/{person}/consents", {
        "purpose": "record", "text_version": "1", "given_by": person}).json()["id"]
    world.community.post(f"/v1/consents/{consent}/withdraw")
    samples.act(world, "community", "moveOutPerson", {"id": person}, {"on_date": None})
    world.set_clock("23 months")
    name = lambda: world.sql("select name from people.person where id = %s", person)
    assert name() == [("百里清",)]
    world.set_clock("25 months")
    harness.wait_for(lambda: name() != [("百里清",)], "the person to go")
    assert world.sql("select count(*) from people.consent") == [(1,)]
    world.set_clock("37 months")
    harness.wait_for(lambda: world.sql("select count(*) from people.consent") == [(0,)], "the consent to go")
