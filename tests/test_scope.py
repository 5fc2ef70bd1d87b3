"""Nothing out of scope, in any reply, for anybody: every person of the test
world against every operation that names or lists something."""

import concurrent.futures
import json
import random
import re
import urllib.parse
import uuid

import pytest

import contract
import harness
import plants as plant_module
import raw
import samples
import story
from plants import GRIDS, WHO, grid_id

SPEC = contract.Contract(harness.TOP / "build/openapi.json")
PEOPLE = sorted(WHO)
GETS = sorted((op for op in SPEC.operations if op.method == "GET" and not op.public), key=lambda op: op.id)
RESIDENT_NAMES = {"resident": "陈淑芳", "resident2": "何建国", "resident_far": "曾德福"}
ACCOUNTS = {"resident": 1, "resident2": 2, "lead": 3, "lead2": 4, "lead_next": 5, "lead_general": 6, "lead_ended": 7,
            "community": 8, "community2": 9, "street": 10, "resident_far": 11, "lead_far": 12, "community_far": 13,
            "street_far": 14, "visitor": 16, "department": 17, "merchant": 18, "program": 19}
ORGS = {s: [f"01900000-0000-800{s}-8000-60000000000{n}" for n in range(1, 4 - s)] for s in (1, 2)}

# What must stand in the query.
REQUIRED = {"listLedgerRows": {"ledger": "rounds"}, "listSimilarTickets": {"category": "oil_smoke"}, "listBoundaries": {"crs": "gcj02"},
            "listGridBoundaries": {"crs": "wgs84"}, "locateGrid": {"lon": 104.085, "lat": 30.66, "crs": "wgs84"}}

# What ids a filter takes that is not of grids.
OF_CARE = {"plan_id": "visit-plans", "pairing_id": "pairings", "person_id": "persons", "helper_id": "persons", "recipient_id": "persons"}

# Who sees anything by place.
INSIDE = [name for name in PEOPLE if WHO[name][0] not in ("visitor", "department", "merchant", "client")]

def patrol_words(ids, mark):
    """What tells of a route, and what of its task; a task names its route and plan."""
    return {"patrol-routes": [mark + "r"], "patrol-tasks": [ids["patrol-tasks"], mark + "t", mark + "c"]}


# What a department or partner reads of what is put to it.
PUT_TO_ORGS = {"listAdmissions", "getAdmission", "listGridTasks", "getGridTask", "listChanges", "getChangesHead", "listDispatches", "getDispatch", "listDispatchPhotos", "downloadDispatchPhoto",
               "listHazards", "getHazard", "listHazardEvents", "listHazardPhotos", "downloadHazardPhoto",
               "listEquipment", "getEquipment", "listEquipmentInspections", "listReadings", "listEquipmentPhotos", "downloadEquipmentPhoto",
               "listSafetyTeams", "getSafetyTeam", "listSafetyInspections"}

everybody = pytest.mark.parametrize("name", PEOPLE)
everybody_inside = pytest.mark.parametrize("name", INSIDE)


def test_everybody_of_the_fixture_is_in_the_table():
    assert sorted(harness.PEOPLE) == PEOPLE


@pytest.fixture(scope="module")
def planted(shared):
    shared.plants = plant_module.plant_all(shared)
    shared.dispatched = [plant_module.plant_dispatch(shared, shared.plants[n], org) for n, org in ((3, "department"), (2, None))]
    shared.houses = plant_module.plant_houses(shared)
    shared.areas = plant_module.plant_duty_areas(shared)
    shared.clients, shared.sources = plant_module.plant_clients(shared), plant_module.plant_sources(shared)
    shared.redraws = plant_module.plant_redraws(shared)
    shared.people = plant_module.plant_people(shared)
    shared.exports = plant_module.plant_exports(shared)
    shared.care = plant_module.plant_care(shared)
    shared.imports = plant_module.plant_imports(shared)
    shared.admissions = plant_module.plant_admissions(shared)
    shared.hazards, shared.equipment = plant_module.plant_hazards(shared), plant_module.plant_equipment(shared)
    shared.diary = plant_module.plant_diary(shared)
    shared.cases = plant_module.plant_mediation(shared)
    shared.reviews = plant_module.plant_reviews(shared)
    shared.patrols, shared.teams = plant_module.plant_patrols(shared), plant_module.plant_teams(shared)
    shared.claims, shared.login = plant_module.plant_claims(shared), plant_module.plant_login(shared)
    shared.settle()
    return shared


# Reading everything ---------------------------------------------------------

def kind_of(op):
    """persons of /v1/persons/{id}/tags."""
    return op.template.split("/")[2]


class Reader:
    """Everything one person may ask, and what came back."""

    def __init__(self, world, name):
        self.world, self.name, self.role = world, name, WHO[name][0]
        self.client, self.text, self.calls = getattr(world, name), [], 0

    def get(self, op, path, **query):
        reply = self.client.get(path, params=query)
        self.calls += 1
        words = reply.content.decode("latin-1" if op.cacheable else "utf-8") + str(reply.headers)
        self.text.append((f"{op.id} {path} {query} {reply.status_code}", words))
        return reply

    def may(self, op):
        return self.role in op.roles

    def pages(self, op, path, **query):
        after, pages = None, 0
        while pages < 200:
            reply = self.get(op, path, **query, **({"after": after} if after else {}))
            page = reply.json() if reply.status_code == 200 else {}
            pages += 1
            if after == page.get("next") or not page.get("next"):
                return
            after = page["next"]

    def read_lists(self, op):
        names = {p["name"]: SPEC.resolve(p["schema"]) for p in op.params if p["in"] == "query"}
        fixed = REQUIRED.get(op.id, {})
        many = {"limit": 100} if "limit" in names else {}
        self.pages(op, op.template, **fixed, **many)
        for name, schema in names.items():
            for value in self.values(name, schema):
                self.get(op, op.template, **{**fixed, **many, **self.beside(op, name), name: value})

    def beside(self, op, name):
        if op.id != "listSimilarTickets":
            return {}
        if name in ("lon", "lat", "crs"):
            return {"lon": 104.1005, "lat": 30.66, "crs": "wgs84"}
        return {"compound_id": "01900000-0000-8001-8000-200000000001", "building": "zz01buildingzz"}

    def values(self, name, schema):
        if name == "q":
            marks = [m for p in self.world.plants for m in p.marks if re.search("title|address|^137", m)]
            return marks + ["zz", "油烟", "%%", "__", "WNC-2026", "LJ-2026"]
        if name in OF_CARE:
            return [ids[OF_CARE[name]] for those in (self.world.people, self.world.care) for ids in those.values() if OF_CARE[name] in ids]
        if name == "ticket_id":
            return [plant.id for _, plant, _ in self.world.dispatched] + [plant.id for plant, _, _ in self.world.sources]
        if name == "source_id":
            return [mark for _, _, mark in self.world.sources]
        if name == "lead_id":
            return [account_id(n) for n in ("lead", "lead_next", "lead_far")]
        if schema.get("format") == "uuid":
            return [grid_id(p) for p in GRIDS] + [p.id for p in self.world.plants[:3]] + [
                f"01900000-0000-800{s}-8000-20000000000{n}" for s in (1, 2) for n in (1, 2)]
        if schema.get("format") == "date-time":
            return ["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"]
        schema = SPEC.resolve(schema.get("items", schema))
        if "enum" in schema:
            return [v for v in schema["enum"] if v is not None]
        return {"boolean": ["true", "false"]}.get(schema.get("type"), [])

    def read_ids(self, op):
        if "/tickets/" in op.template:
            for p in self.world.plants:
                for photo in (p.photo, p.internal_photo):
                    for size in ("full", "thumb"):
                        if "photo_id" in op.template or (photo, size) == (p.photo, "full"):
                            query = {"size": size} if "photo_id" in op.template else {}
                            self.get(op, op.template.format(id=p.id, photo_id=photo), **query)
        elif "/dispatches/" in op.template:
            for part, plant, _ in self.world.dispatched:
                for photo in (plant.photo, plant.internal_photo):
                    self.get(op, op.template.format(id=part, photo_id=photo))
        elif "/hazards/" in op.template:
            for hazard, photo, *_ in self.world.hazards:
                self.get(op, op.template.format(id=hazard, photo_id=photo))
        elif "/safety-teams/" in op.template:
            for made, *_ in self.world.teams:
                self.get(op, op.template.format(id=made))
        elif kind_of(op).startswith("patrol-"):
            for ids, *_ in self.world.patrols:
                self.get(op, op.template.format(id=ids[kind_of(op)]))
        elif "/equipment/" in op.template:
            for piece, photo, *_ in self.world.equipment:
                self.get(op, op.template.format(id=piece, photo_id=photo))
        elif "/grids/" in op.template:
            for path in GRIDS:
                self.get(op, op.template.format(id=grid_id(path)), **REQUIRED.get(op.id, {}))
        elif "/redraws/" in op.template:
            for redraw in self.world.redraws.values():
                self.get(op, op.template.format(id=redraw))
        elif "/duty-areas/" in op.template:
            for area in self.world.areas.values():
                self.get(op, op.template.format(id=area))
        elif kind_of(op) in next(iter(self.world.people.values())):
            for ids in self.world.people.values():
                self.get(op, op.template.format(id=ids[kind_of(op)]))
        elif kind_of(op) == "mediations":
            for case, _ in self.world.cases.values():
                self.get(op, op.template.format(id=case))
        elif kind_of(op) == "grid-reviews":
            for review, _ in self.world.reviews.values():
                self.get(op, op.template.format(id=review))
        elif kind_of(op) == "review-campaigns":
            for campaign in self.world.review_campaigns.values():
                self.get(op, op.template.format(id=campaign))
        elif kind_of(op) in ("admissions", "grid-tasks"):
            for admission, task, *_ in self.world.admissions:
                self.get(op, op.template.format(id=admission if kind_of(op) == "admissions" else task or admission))
        elif kind_of(op) == "diary":
            for entry, _ in self.world.diary.values():
                self.get(op, op.template.format(id=entry))
        elif kind_of(op) in next(iter(self.world.care.values())):
            for ids in self.world.care.values():
                self.get(op, op.template.format(id=ids[kind_of(op)]))
        elif "/compounds/" in op.template:
            for place in plant_module.COMPOUND_PATHS:
                self.get(op, op.template.format(id=plant_module.compound_id(*place)))
        elif "/buildings/" in op.template or "/dwellings/" in op.template:
            for building, dwelling, _ in self.world.houses.values():
                self.get(op, op.template.format(id=building if "/buildings/" in op.template else dwelling))
        elif "/exports/" in op.template:
            for export in self.world.exports.values():
                self.get(op, op.template.format(id=export))
        elif "/imports/" in op.template:
            for made, _ in self.world.imports.values():
                self.get(op, op.template.format(id=made))
        elif "/clients/" in op.template:
            for client, _ in self.world.clients.values():
                self.get(op, op.template.format(id=client))
        elif "/orgs/" in op.template:
            for org in ORGS[1] + ORGS[2]:
                self.get(op, op.template.format(id=org))
        elif "/staff/" in op.template:
            for name in PEOPLE:
                self.get(op, op.template.format(id=account_id(name)))
        else:
            for street in (1, 2):
                self.get(op, op.template.format(id=f"01900000-0000-800{street}-8000-500000000001"))

    def ask_for_people(self):
        """What is read by POST: searches by each mark, and unmasking."""
        search, unmask = SPEC.by_id["searchPersons"], SPEC.by_id["unmaskPerson"]
        for ids in self.world.people.values():
            n = ids["n"]
            for asked in ({"q": f"person{n}"}, {"q": f"minor{n}"}, {"phone": f"158{n:08d}"}, {"phone": f"159{n:08d}"},
                          {"id_number": plant_module.id_number(n)}):
                self.post(search, search.template, asked)
            for field in ("name", "born_on", "phone", "id_number"):
                self.post(unmask, unmask.template.format(id=ids["persons"]), {"fields": [field], "reason": "核实"})
        for tag in ("disabled", "special_group"):
            self.post(search, search.template, {"tag": tag})

    def post(self, op, path, body):
        if self.may(op):
            reply = self.client.post(path, body)
            self.calls += 1
            self.text.append((f"{op.id} {path} {body} {reply.status_code}", reply.text))

    def read_all(self):
        self.ask_for_people()
        # contacts last: looking at them writes to the timelines of the others
        for op in sorted(GETS, key=lambda op: op.id == "getTicketContact"):
            if self.may(op):
                (self.read_ids if "{" in op.template else self.read_lists)(op)
        return self


@pytest.fixture(scope="module")
def readers(planted):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return dict(zip(PEOPLE, pool.map(lambda name: Reader(planted, name).read_all(), PEOPLE)))


def sees_house(name, path):
    role, _, paths = WHO[name]
    return role != "resident" and any(path.startswith(own) for own in paths)


def sees_person(name, path):
    """Names are for the community and the leads, and whose they are."""
    return plant_module.viewer(name, path) not in (None, "street")


def person_marks(planted, name):
    """Of all planted people: what somebody finds, and what not."""
    both = [plant_module.person_marks(ids["n"], name, path, ids["asked_by"]) for path, ids in planted.people.items()]
    return set().union(*(found for found, _ in both)), set().union(*(not_found for _, not_found in both))


def sees_care(name, path):
    """What is done for people is for the community and the leads."""
    return sees_house(name, path) and WHO[name][0] in ("grid_lead", "community")


def sees_plan(name, path):
    """Nobody is named in it: who answers for its ground or for ground in it."""
    return sees_house(name, path) or WHO[name][0] in ("grid_lead", "community") and any(
        own.startswith(path) for own in WHO[name][2])


def sees_redraw(name, path):
    role, _, paths = WHO[name]
    return role in ("community", "street") and any(path.startswith(own) for own in paths)


def readable(plant, mark, who, name):
    return plant.seen_by(name) and who(name)


@everybody
def test_no_marker_out_of_scope_in_any_reply(readers, planted, name):
    """security 2"""
    reader, leaks = readers[name], []
    hidden = [m for p in planted.plants for m, who in p.marks.items() if not readable(p, m, who, name)]
    hidden += [p.id for p in planted.plants if not p.seen_by(name)]
    hidden += [i for p in planted.plants for i, who in
               ((p.photo, p.seen_by), (p.internal_photo, p.staff)) if not who(name)]
    hidden += [word for path, (_, dwelling, mark) in planted.houses.items()
               if not sees_house(name, path) and not sees_person(name, path) for word in (dwelling, mark)]
    hidden += [f"zzclient{street}zz" for street in (1, 2) if WHO[name][:2] != ("street", street)]
    hidden += [word for hazard, photo, mark, *whose in planted.hazards + planted.equipment if not plant_module.sees_hazard(name, *whose)
               for word in (hazard, photo, mark)]
    hidden += [word for made, mark, *whose in planted.teams if not plant_module.sees_team(name, *whose) for word in (made, mark)]
    hidden += [word for ids, mark, *whose in planted.patrols for kind, words in patrol_words(ids, mark).items()
               if not plant_module.sees_patrol(name, kind, *whose) for word in words]
    # the street reads in its log that there was one
    hidden += [e for owner, e in planted.exports.items() if owner != name and WHO[name][:2] != ("street", WHO[owner][1])]
    hidden += [mark for path, (_, mark) in planted.cases.items() if not plant_module.sees_case(name, path)]
    hidden += [mark for path, (_, mark) in planted.reviews.items() if not plant_module.sees_review(name, path)]
    # that there is one its community reads in the feed
    hidden += [campaign for path, campaign in planted.review_campaigns.items() if not sees_plan(name, path)]
    # that there is an entry the street reads in the feed
    hidden += [word for path, words in planted.diary.items() if not plant_module.sees_diary(name, path)
               for word in words if word == words[1] or name != ("street", "street_far")[path[0] == "2"]]
    hidden += [ids["mark"] + kind for path, ids in planted.care.items() for kind in "vkpd"
               if not (sees_care if kind in "vk" else sees_plan)(name, path)]
    hidden += [i for those in (planted.redraws, planted.areas) for path, i in those.items()
               if not sees_redraw(name, path)]
    hidden += person_marks(planted, name)[1]
    hidden += [ids["persons"] for path, ids in planted.people.items() if plant_module.viewer(name, path) is None]
    hidden += [word for path, words in planted.imports.items() if not sees_redraw(name, path) for word in words]
    hidden += [part for part, plant, _ in planted.dispatched if not plant.known_to(name)]
    hidden += [word for admission, task, mark, path, by in planted.admissions for word in (mark, admission, task)
               if word and not plant_module.sees_task(name, task, path, by)
               and not (word != mark and plant_module.knows_admission(name, by))]
    hidden += [mark for plant, system, mark in planted.sources if not plant_module.sees_source(name, plant, system)]
    hidden = set(hidden) - {word for case in planted.dispatched for word in plant_module.of_case(name, *case)}
    if name == "program":
        hidden -= {plant.id for plant, system, _ in planted.sources if plant_module.sees_source(name, plant, system)}
    for where, text in reader.text:
        # what one asks for comes back in no list; an echo of the address would be one
        leaks += [f"{mark} in {where}" for mark in hidden if mark in text]
    assert not leaks, "\n".join(leaks[:20])
    assert reader.calls > (100 if name in INSIDE else 10)


@everybody
def test_every_marker_in_scope_is_found(readers, planted, name):
    """The other direction: so that the test above cannot pass on empty replies."""
    everything = "".join(text for _, text in readers[name].text)
    visible = [m for p in planted.plants for m, who in p.marks.items() if readable(p, m, who, name)]
    visible += [planted.exports[name]] if name in planted.exports else []
    visible += [f"zzclient{street}zz" for street in (1, 2) if WHO[name][:2] == ("street", street)]
    visible += [mark for path, (_, _, mark) in planted.houses.items() if sees_house(name, path) or sees_person(name, path)]
    visible += person_marks(planted, name)[0]
    visible += [ids["persons"] for path, ids in planted.people.items() if sees_person(name, path)]
    visible += [word for made, mark, *whose in planted.teams if plant_module.sees_team(name, *whose) for word in (made, mark)]
    visible += [word for ids, mark, *whose in planted.patrols for kind, words in patrol_words(ids, mark).items()
                if plant_module.sees_patrol(name, kind, *whose) for word in words]
    visible += [word for hazard, photo, mark, *whose in planted.hazards + planted.equipment if plant_module.sees_hazard(name, *whose)
                for word in (hazard, photo, mark, mark + "d")]
    visible += [mark for path, (_, mark) in planted.cases.items() if plant_module.sees_case(name, path)]
    visible += [mark for path, (_, mark) in planted.reviews.items() if plant_module.sees_review(name, path)]
    visible += [campaign for path, campaign in planted.review_campaigns.items() if sees_plan(name, path)]
    visible += [mark for path, (_, mark) in planted.diary.items() if plant_module.sees_diary(name, path)]
    visible += [ids["mark"] + kind for path, ids in planted.care.items() for kind in "vkpd"
                if (sees_care if kind in "vk" else sees_plan)(name, path)]
    visible += [word for path, words in planted.imports.items() if sees_redraw(name, path) for word in words]
    visible += [word for _, task, mark, path, by in planted.admissions for word in (mark, mark + "d", task)
                if word and plant_module.sees_task(name, task, path, by)]
    visible += [mark for plant, system, mark in planted.sources if plant_module.sees_source(name, plant, system)]
    visible += [word for case in planted.dispatched for word in plant_module.of_case(name, *case)]
    assert [m for m in visible if m not in everything] == []
    assert visible or name in ("lead_ended", "visitor")


def test_the_rules_of_fields_are_those_written_by_hand(planted):
    """security 7: people.field_rule against domain.md 3c."""
    rules = {(v, f): rule for v, f, *rule in planted.sql("select viewer, field, sight, unmask, edit from people.field_rule")}
    assert rules == {(v, f): [sight, "no" if sight == "plain" else unmask, f in edits.split()]
                     for v, (sights, unmask, edits) in plant_module.SIGHTS.items()
                     for f, sight in zip(plant_module.FIELDS, sights.split())}
    assert {plant_module.viewer(name, path) for name in PEOPLE for path in planted.people} == {
        None, "self", "lead_micro", "lead_general", "community", "street"}


@everybody
def test_claims_are_for_the_staff_in_charge(readers, planted, name):
    """security 2"""
    everything = "".join(text for _, text in readers[name].text)
    role, _, paths = WHO[name]
    for _, path, mark in planted.claims:
        assert (mark in everything) == any(path.startswith(own) for own in paths), mark


@everybody
def test_nobody_but_staff_learns_who_the_neighbours_are(readers, name):
    others = [n for person, n in RESIDENT_NAMES.items() if person != name]
    own, street = ACCOUNTS[name], WHO[name][1]
    allowed = {own} if WHO[name][0] == "resident" else {
        n for person, n in ACCOUNTS.items() if WHO[person][1] == street}
    for where, text in readers[name].text:
        # Who mediates, and the community, know who is in the case.
        assert WHO[name][0] != "resident" and "Mediation" in where or not [n for n in others if n in text], where
        ids = {int(n) for n in re.findall(r"01900000-0000-8000-8000-3(\d{11})", text)}
        assert ids <= allowed, f"{where}: accounts {ids - allowed}"


@everybody_inside
def test_counts_are_of_what_one_sees(planted, name):
    """security 2"""
    client = getattr(planted, name)
    visible = [p for p in planted.plants if p.seen_by(name)]
    listed = client.get("/v1/tickets?limit=100").json()["items"]
    assert sorted(t["id"] for t in listed) == sorted(p.id for p in visible)
    summary = client.get("/v1/tickets/summary").json()
    assert summary["total"] == len(visible) == sum(s["count"] for s in summary["by_status"])
    for path in GRIDS:
        below = [p.id for p in visible if p.path.startswith(path)]
        found = client.get("/v1/tickets", params={"limit": 100, "under": grid_id(path)}).json()["items"]
        assert sorted(t["id"] for t in found) == sorted(below), path
        counted = client.get("/v1/tickets/summary", params={"under": grid_id(path)}).json()
        assert counted["total"] == len(below), path
        assert sum(g["count"] for g in counted["by_grid"]) <= len(below)


@everybody_inside
def test_the_feed_tells_of_visible_tickets_only(planted, name):
    """security 2"""
    planted.settle()
    seen, after = set(), None
    while True:
        page = getattr(planted, name).get("/v1/changes", params={"limit": 100, **({"after": after} if after else {})})
        seen |= {e["subject_id"] for e in page.json()["items"] if e["subject"] == "ticket"}
        if not page.json()["items"]:
            break
        after = page.json()["next"]
    assert seen == {p.id for p in planted.plants if p.seen_by(name)}


def account_id(name):
    return f"01900000-0000-8000-8000-3{ACCOUNTS[name]:011d}"


def administers(name, other):
    """May name administer the account of other: leads by where they lead or led."""
    (role, street, paths), (role2, street2, paths2) = WHO[name], WHO[other]
    if role2 in ("visitor", "resident", "client") or street2 != street:
        return False
    return role == "street" or any(p.startswith(paths[0]) for p in (["1/1/1/1/"] if other == "lead_ended" else paths2))


@everybody
def test_staff_are_listed_for_who_administers_them(planted, name):
    """security 2, 3"""
    if WHO[name][0] in ("community", "street"):
        listed = {s["login"] for s in getattr(planted, name).get("/v1/staff?limit=100").json()["items"]}
        assert listed == {other for other in PEOPLE if administers(name, other)} and listed
        orgs = {o["id"] for o in getattr(planted, name).get("/v1/orgs").json()["items"]}
        assert orgs == set(ORGS[WHO[name][1]])
    else:
        assert getattr(planted, name).get("/v1/staff").status_code == 403


@pytest.mark.parametrize("name", ["department", "merchant", "program"])
def test_who_acts_for_an_organisation_sees_the_tree_and_no_more(readers, planted, name):
    """security 2, 5: own account, grids, categories and what is put to it; no other operation."""
    called = {where.split()[0] for where, _ in readers[name].text}
    own = {op.id for op in GETS if "/me" in op.template}
    assert called - own == {"listGrids", "getGrid", "listCategories"} | (
        {"getTicket", "listDispatches", "getDispatch", "listSourceTickets", "listSourceUpdates", "listImports", "getImport", "listImportRows", "listChanges", "getChangesHead", "getPersonSummary"} if name == "program" else
        {"listMyClaims", "listStreets", "listJoinableGrids"} - own | {o for o in PUT_TO_ORGS if name in SPEC.by_id[o].roles})
    me = getattr(planted, name).get("/v1/me").json()
    assert (me["role"], me["scopes"], me["street_id"]) == (WHO[name][0], [], 1)
    assert me["org_name"] == {"department": "综合执法队", "merchant": "双福路粮油店", "program": "综合执法队"}[name]
    grids = getattr(planted, name).get("/v1/grids?limit=100").json()["items"]
    assert {g["id"] for g in grids} == {grid_id(p) for p in GRIDS if p.startswith("1/")}
    with planted.site.cluster.connect(planted.database, "linli_app") as c, c.cursor() as cur:
        cur.execute("begin")
        cur.execute("select core.enter(s.id, s.account_id, s.role, s.street_id, s.epoch) from (select %s::uuid as id, %s::uuid"
                    " as account_id, %s as role, 1 as street_id, 1 as epoch) s",
                    (*planted.sql("select id, account_id from identity.session where account_id = %s and revoked_at is null limit 1",
                                  account_id(name))[0], WHO[name][0]))
        for table in ("ticket.ticket", "ticket.private", "ticket.comment", "grid.dwelling"):
            cur.execute(f"select count(*) from {table}")
            assert cur.fetchone() == (0,), table
        cur.execute("select distinct subject from core.event order by 1")
        assert [s for s, in cur.fetchall()] == ([] if name == "merchant" else ["admission", "dispatch", "grid_task"])
        cur.execute("rollback")
    c.close()


# A hidden id is an unknown id ----------------------------------------------------

def grid_writes(name):
    """Grids a person may change: a community those under its own."""
    role, _, paths = WHO[name]
    return [p for p in GRIDS if role == "street" and p.startswith(paths[0])
            or role == "community" and p.startswith(paths[0]) and p != paths[0]]


def hidden_ids(world, op, name):
    """Ids that exist and must not exist for this person in this operation."""
    role, street, paths = WHO[name]
    if "/tickets/" in op.template:
        return [p.id for p in world.plants if not p.seen_by(name)]
    if "/dispatches/" in op.template:
        return [part for part, plant, org in world.dispatched if not plant_module.of_case(name, part, plant, org) and not plant.in_scope(name)]
    if "/hazards/" in op.template:
        return [hazard for hazard, _, _, *whose in world.hazards if not plant_module.sees_hazard(name, *whose)]
    if "/clocks/" in op.template:
        return [i for p in world.plants if not p.seen_by(name)
                for i, in world.sql("select id from clock.clock where subject_id = %s", p.id)]
    if "/safety-teams/" in op.template:
        return [made for made, _, *whose in world.teams if not plant_module.sees_team(name, *whose)]
    if kind_of(op).startswith("patrol-"):
        return [ids[kind_of(op)] for ids, _, *whose in world.patrols if not plant_module.sees_patrol(name, kind_of(op), *whose)]
    if "/equipment/" in op.template:
        return [piece for piece, _, _, *whose in world.equipment if not plant_module.sees_hazard(name, *whose)]
    if "/claims/" in op.template:
        return [i for i, path, _ in world.claims
                if op.id == "withdrawClaim" or not any(path.startswith(own) for own in paths)]
    if "/me/sessions/" in op.template:
        return [i for i, in world.sql("select id from identity.session where account_id <> %s limit 5",
                                      f"01900000-0000-8000-8000-3{ACCOUNTS[name]:011d}")]
    if "/me/logins/" in op.template:
        return [world.login] if name != "resident" else []
    if "/exports/" in op.template:
        return [e for owner, e in world.exports.items() if owner != name]
    if "/orgs/" in op.template:
        return ORGS[3 - street]
    if "/clients/" in op.template:
        return [world.clients[3 - street][0], account_id("street"), *([account_id("program")] if street == 2 else [])]
    if "/client-secrets/" in op.template:
        return [world.clients[3 - street][1]]
    if "/staff/" in op.template:
        return [account_id(other) for other in PEOPLE if not administers(name, other)]
    if "/staff-roles/" in op.template:
        return [r for other in PEOPLE if not administers(name, other) for r, in world.sql(
            "select id from identity.account_role where account_id = %s", account_id(other))]
    if op.id == "updateGrid":
        open_to = grid_writes(name)
    elif op.id == "putPartyOrg":
        open_to = grid_writes(name) + paths
    elif op.id in ("createAssignment", "listAssignments"):
        open_to = [p for p in GRIDS if any(p.startswith(own) for own in paths)]
    else:
        open_to = [p for p in GRIDS if p.startswith(f"{street}/")]
    if "/grids/" in op.template:
        return [grid_id(p) for p in GRIDS if p not in open_to]
    if "/duty-areas/" in op.template:
        return [a for path, a in world.areas.items() if not sees_redraw(name, path)]
    if "/imports/" in op.template:
        return [i for path, (i, _) in world.imports.items() if not sees_redraw(name, path)]
    if "/redraws/" in op.template:
        return [r for path, r in world.redraws.items() if not sees_redraw(name, path)]
    if "/compounds/" in op.template or "/buildings/" in op.template or op.method == "PUT" and "/dwellings/" in op.template:
        whose = {compound: path for compound, path in plant_module.COMPOUND_PATHS.items() if not (
            any(path.startswith(own) for own in paths) if op.method != "GET" else compound[0] == street)}
        if "/compounds/" in op.template:
            return [plant_module.compound_id(*compound) for compound in whose]
        return [(building, dwelling)["/dwellings/" in op.template] for path, (building, dwelling, _) in
                world.houses.items() if plant_module.HOUSES[path] in whose]
    if "/dwellings/" in op.template:
        return [dwelling for path, (_, dwelling, _) in world.houses.items() if not sees_house(name, path)]
    if kind_of(op) in next(iter(world.people.values())):
        # the street may ask about anybody in it
        reach = (lambda name, path: path[0] == str(street)) if role == "street" else sees_person
        return [ids[kind_of(op)] for path, ids in world.people.items() if not reach(name, path)]
    if kind_of(op) == "mediations":
        return [case for path, (case, _) in world.cases.items() if not plant_module.sees_case(name, path)]
    if kind_of(op) == "grid-reviews":
        return [review for path, (review, _) in world.reviews.items() if not plant_module.sees_review(name, path)]
    if kind_of(op) == "review-campaigns":
        reach = sees_plan if op.method == "GET" else sees_redraw
        return [campaign for path, campaign in world.review_campaigns.items() if not reach(name, path)]
    if kind_of(op) == "admissions":
        return [admission for admission, *_, by in world.admissions if not plant_module.sees_admission(name, by)]
    if kind_of(op) == "grid-tasks":
        return [task for _, task, _, path, by in world.admissions if task and not plant_module.sees_task(name, task, path, by)]
    if kind_of(op) == "diary":
        return [entry for path, (entry, _) in world.diary.items() if not plant_module.sees_diary(name, path)]
    if kind_of(op) in next(iter(world.care.values())):
        reach = sees_plan if kind_of(op) in ("visit-plans", "door-campaigns") else sees_care
        return [ids[kind_of(op)] for path, ids in world.care.items() if not reach(name, path)]
    if "/assignments/" in op.template:
        places = {1: ["1/1/1/1/", "1/1/1/1/", "1/1/1/2/", "1/1/1/"], 2: ["2/1/1/1/"]}
        return [f"01900000-0000-800{s}-8000-40000000000{n}" for s, at in places.items()
                for n, path in enumerate(at, 1) if not any(path.startswith(own) for own in paths)]
    assert "/grid-groups/" in op.template, op.template
    groups = {1: "1/1/", 2: "2/1/"}
    mine = [s for s, path in groups.items() if s == street and (
        op.method == "GET" or any(path.startswith(own) for own in paths))]
    return [f"01900000-0000-800{s}-8000-500000000001" for s in groups if s not in mine]


def ask(world, name, op, target):
    """The raw reply, less what differs from one moment to the next."""
    body = json.dumps(op.example).encode() if op.example else b""
    headers = {"Authorization": "Bearer " + world.site.tokens[name], "Accept-Language": "en"}
    if body:
        headers["Content-Type"] = "application/json"
    if op.method == "PUT":
        headers["If-Match"] = '"1"'
    if op.id in REQUIRED:
        target += "?" + urllib.parse.urlencode(REQUIRED[op.id])
    reply = raw.exchange(world.server.url, op.method, target, headers, body)
    varying = ("date", "x-request-id", "ratelimit")
    return reply.status, [(n, v if n.lower() not in varying else "") for n, v in reply.headers], reply.body


WITH_ID = sorted((op for op in SPEC.operations if "{id}" in op.template), key=lambda op: op.id)


def state(world):
    return world.sql(
        "select (select json_agg((id, version, status, path) order by id) from ticket.ticket)::text,"
        " (select count(*) from core.event), (select json_agg((id, version) order by id) from grid.grid)::text,"
        " (select json_agg((id, to_on) order by id) from grid.assignment)::text,"
        " (select json_agg((id, version) order by id) from grid.grid_group)::text,"
        " (select json_agg((id, version) order by id) from ticket.dispatch)::text,"
        " (select json_agg((id, version) order by id) from field.hazard)::text,"
        " (select json_agg((id, version) order by id) from field.equipment)::text,"
        " (select json_agg((id, version) order by id) from field.route)::text,"
        " (select json_agg((id, version) order by id) from field.safety_team)::text, (select count(*) from field.safety_inspection),"
        " (select json_agg((id, version) order by id) from field.patrol_plan)::text,"
        " (select json_agg((id, version) order by id) from field.patrol_task)::text,"
        " (select json_agg((id, state) order by id) from grid.redraw)::text,"
        " (select json_agg((id, version) order by id) from grid.building)::text,"
        " (select json_agg((id, version) order by id) from grid.dwelling)::text,"
        " (select count(*) from identity.session where revoked_at is null),"
        " (select json_agg((id, status) order by id) from identity.claim)::text,"
        " (select count(*) from identity.login), (select json_agg((id, version) order by id) from identity.org)::text,"
        " (select json_agg((id, to_on) order by id) from identity.account_role)::text, (select count(*) from identity.post),"
        " (select count(*) from identity.account where disabled_at is not null),"
        " (select json_agg((account_id, version, disabled_at) order by account_id) from identity.client)::text,"
        " (select json_agg((id, state, attempts) order by id) from care.visit)::text, (select json_agg((id, state) order by id) from care.pairing)::text,"
        " (select json_agg((id, state) order by id) from care.alarm)::text, (select sum(attempts) from care.knock),"
        " (select json_agg((id, version) order by id) from care.diary)::text, (select json_agg((id, version) order by id) from care.mediation)::text,"
        " (select count(*) from ticket.source), (select json_agg((id, version) order by id) from duty.admission)::text,"
        " (select json_agg((id, version) order by id) from duty.grid_task)::text, (select json_agg((id, version) order by id) from duty.review)::text, (select json_agg((id, version) order by id) from duty.review_campaign)::text, (select count(*) from duty.suggestion),"
        " (select json_agg((id, revoked_at) order by id) from identity.client_secret)::text, (select count(*) from transfer.export), (select count(*) from ticket.comment), (select count(*) from ticket.supporter)")


@pytest.mark.parametrize("op", WITH_ID, ids=lambda op: op.id)
def test_hidden_ids_are_404_byte_for_byte(planted, op):
    """security 1"""
    before, asked = state(planted), 0
    for name in PEOPLE:
        if WHO[name][0] not in op.roles:
            continue
        unknown = op.template.format(id=uuid.uuid4(), photo_id=uuid.uuid4())
        reference = ask(planted, name, op, unknown)
        assert reference[0] == 404 and json.loads(reference[2])["code"] == "not_found"
        photos = {**{p.id: p.photo for p in planted.plants}, **{h: photo for h, photo, *_ in planted.hazards + planted.equipment}}
        for hidden in hidden_ids(planted, op, name):
            target = op.template.format(id=hidden, photo_id=photos.get(hidden))
            assert ask(planted, name, op, target) == reference, f"{name} {op.method} {target}"
            asked += 1
    assert asked > 0 and state(planted) == before


def test_photos_need_their_own_ticket(planted):
    """security 4, 9: A photo's id below another ticket, or another's internal photo: 404."""
    op = SPEC.by_id["downloadPhoto"]
    mine, other = planted.plants[0], planted.plants[2]
    reference = ask(planted, "resident", op, op.template.format(id=mine.id, photo_id=uuid.uuid4()))
    assert reference[0] == 404
    for ticket, photo in ((mine.id, other.photo), (other.id, mine.photo), (mine.id, mine.internal_photo),
                          (planted.plants[14].id, planted.plants[14].photo)):
        assert ask(planted, "resident", op, op.template.format(id=ticket, photo_id=photo)) == reference
    assert planted.resident.get(op.template.format(id=mine.id, photo_id=mine.photo)).status_code == 200


def same(world, name, operation, ids, body, field, hidden):
    """A hidden id in a body answers as an unknown one does."""
    op, replies = SPEC.by_id[operation], []
    for value in (str(uuid.uuid4()), hidden):
        given = {**body, field: [value] if field.endswith("_ids") else value}
        reply = getattr(world, name)(op.method, op.template.format(**ids), json=given)
        problem = reply.json()
        for own in "instance", "trace_id":
            problem.pop(own, None)
        replies.append((reply.status_code, problem))
    assert replies[0] == replies[1], f"{operation} {field} {hidden}"
    assert replies[0][0] == 422 and replies[0][1]["errors"], replies[0]


def test_hidden_ids_in_bodies_are_unknown_ids(planted):
    """security 1"""
    before = state(planted)
    far, own = planted.plants[14], samples.TICKET
    mine = samples.ticket(planted)
    in_d = planted.plants[12].id
    photo = samples.photo(planted, "resident2")
    same(planted, "resident", "submitTicket", {}, own, "grid_id", grid_id("2/1/1/1/"))
    same(planted, "lead", "submitTicket", {}, {**own, "on_behalf": {"name": "x"}}, "grid_id", grid_id("1/1/1/2/"))
    same(planted, "resident", "submitTicket", {}, own, "compound_id", "01900000-0000-8002-8000-200000000001")
    for taken in (photo, planted.plants[0].photo, far.photo, planted.plants[3].photo):
        same(planted, "resident", "submitTicket", {}, own, "photo_ids", taken)
    same(planted, "lead", "transferTicket", {"id": mine}, {"reason": "xx"}, "grid_id", grid_id("1/2/1/1/"))
    same(planted, "community", "transferTicket", {"id": mine}, {"reason": "xx"}, "grid_id", grid_id("2/1/1/1/"))
    for hidden in (in_d, far.id):
        same(planted, "community", "mergeTicket", {"id": mine}, {}, "target_id", hidden)
    grid = {"kind": "micro", "name": "x", "parent_id": grid_id("1/1/1/")}
    for hidden in ("1/2/1/", "2/1/1/"):
        same(planted, "community", "createGrid", {}, grid, "parent_id", grid_id(hidden))
    same(planted, "street", "createGrid", {}, grid, "parent_id", grid_id("2/1/1/"))
    same(planted, "street", "createGrid", {}, grid, "compound_id", "01900000-0000-8002-8000-200000000001")
    same(planted, "community", "issueHazardNotice", {"id": samples.hazard(planted, "confirmed")},
         {"due_at": samples.later()}, "org_id", "01900000-0000-8002-8000-600000000001")
    to_send = samples.ticket(planted, "called")
    same(planted, "street", "dispatchTicket", {"id": to_send}, {}, "org_id", "01900000-0000-8002-8000-600000000001")
    same(planted, "street", "dispatchTicket", {"id": to_send}, {"own_staff": True}, "co_org_ids", "01900000-0000-8002-8000-600000000001")
    samples.act(planted, "resident", "withdrawTicket", {"id": to_send})
    found = {"kind": "fire", "title": "xx", "description": "xx"}
    same(planted, "resident", "reportHazard", {}, found, "grid_id", grid_id("2/1/1/1/"))
    same(planted, "lead", "reportHazard", {}, found, "grid_id", grid_id("1/1/1/2/"))
    same(planted, "community", "reportHazard", {}, found, "grid_id", grid_id("1/2/1/1/"))
    same(planted, "resident", "reportHazard", {}, {**found, "grid_id": grid_id("1/1/1/1/")}, "photo_ids", photo)
    group = {"name": "x"}
    ours = grid_id("1/1/1/1/")
    op = SPEC.by_id["createGridGroup"]
    answers = [planted.community.post(op.template, {**group, "grid_ids": [ours, other]})
               for other in (str(uuid.uuid4()), grid_id("1/2/1/1/"), grid_id("2/1/1/1/"))]
    assert {(a.status_code, a.json()["code"]) for a in answers} == {(422, "grid_not_found")}
    planted.sql("delete from ticket.photo where id = %s", photo)
    samples.act(planted, "resident", "withdrawTicket", {"id": mine})
    assert state(planted)[0][2:5] == before[0][2:5]


@pytest.mark.parametrize("field, path, hidden", [
    ("under", "/v1/grids", grid_id("2/1/")), ("parent_id", "/v1/grids", grid_id("2/1/")),
    ("compound_id", "/v1/grids", "01900000-0000-8002-8000-200000000001"), ("under", "/v1/compounds", grid_id("2/1/")),
    ("under", "/v1/boundaries?crs=wgs84", grid_id("2/1/")),
    ("under", "/v1/grid-groups", grid_id("2/1/")), ("grid_id", "/v1/grid-groups", grid_id("2/1/1/1/")),
    ("under", "/v1/hazards", grid_id("2/1/")), ("under", "/v1/equipment", grid_id("2/1/")), ("under", "/v1/patrol-routes", grid_id("2/1/")),
    ("under", "/v1/patrol-plans", grid_id("2/1/")), ("under", "/v1/patrol-tasks", grid_id("2/1/")), ("org_id", "/v1/hazards", "01900000-0000-8002-8000-600000000001"),
    ("under", "/v1/tickets", grid_id("2/1/")), ("under", "/v1/tickets/summary", grid_id("2/1/"))])
def test_hidden_ids_in_queries_are_unknown_ids(planted, field, path, hidden):
    """security 1"""
    for name in ("resident", "lead", "community", "street"):
        if WHO[name][0] not in SPEC.find("GET", path).roles:
            continue
        replies = [getattr(planted, name).get(path, params={field: v}) for v in (str(uuid.uuid4()), hidden)]
        assert replies[0].json() == replies[1].json() and replies[0].status_code == replies[1].status_code


# What neighbours see -----------------------------------------------------------

def test_public_view_holds_nothing_private(planted):
    """security 7"""
    for plant in (p for p in planted.plants if p.public):
        for name in PEOPLE:
            if not plant.seen_by(name):
                continue
            ticket = getattr(planted, name).get(f"/v1/tickets/{plant.id}").json()
            filled = [f for f in contract.PRIVATE if ticket[f] is not None]
            if plant.known_to(name):
                assert {"contact_name", "contact_phone_mask", "address", "position"} <= set(filled), name
            else:
                assert filled == [] and ticket["mine"] is False, f"{name} {plant.number}: {filled}"
                assert "***" in ticket["description"] and not ticket["similar"]
                events = getattr(planted, name).get(f"/v1/tickets/{plant.id}/events?limit=100").json()["items"]
                assert all(e["actor_id"] is None or e["actor_role"] == "resident" for e in events)
                assert {e["action"] for e in events if e["data"]} <= {"reply", "thank"}


def test_internal_comments_are_for_staff(planted):
    for plant in planted.plants:
        for name in PEOPLE:
            if plant.seen_by(name):
                found = getattr(planted, name).get(f"/v1/tickets/{plant.id}/comments").json()["items"]
                assert any(c["internal"] for c in found) == plant.staff(name)
    reply = planted.resident.post(f"/v1/tickets/{planted.plants[0].id}/comments", {"text": "x", "internal": True})
    assert (reply.status_code, reply.json()["code"]) == (422, "staff_only")


def test_a_handed_over_ticket_leaves_its_old_grid(planted):
    ticket = samples.ticket(planted)
    moved = samples.act(planted, "lead", "transferTicket", {"id": ticket},
                        {"grid_id": grid_id("1/1/1/2/"), "reason": "zzhandoverzz"})
    assert moved["grid_id"] == grid_id("1/1/1/2/")
    unknown = planted.lead.get(f"/v1/tickets/{uuid.uuid4()}").content
    assert planted.lead.get(f"/v1/tickets/{ticket}").content == unknown
    assert planted.lead_next.get(f"/v1/tickets/{ticket}").status_code == 200
    assert "zzhandoverzz" in planted.lead_next.get(f"/v1/tickets/{ticket}/events").text
    planted.settle()
    after, left = None, []
    while True:
        page = planted.lead.get("/v1/changes", params={"limit": 100, **({"after": after} if after else {})})
        assert "zzhandoverzz" not in page.text
        left += [e["action"] for e in page.json()["items"] if e["subject_id"] == ticket]
        if not page.json()["items"]:
            break
        after = page.json()["next"]
    assert left == ["handed_over"]
    samples.act(planted, "resident", "withdrawTicket", {"id": ticket})


def test_a_lead_whose_assignment_ended_sees_nothing(planted):
    assert planted.lead_ended.get("/v1/me").json()["scopes"] == []
    assert planted.lead_ended.get("/v1/tickets").json() == {"items": [], "next": None}
    summary = planted.lead_ended.get("/v1/tickets/summary").json()
    assert (summary["total"], summary["open"], summary["by_status"], summary["by_grid"]) == (0, 0, [], [])


# Many people through one daemon ----------------------------------------------------

def test_interleaved_requests_stay_apart(planted):
    """security 45: 1,000 requests of 20 people at once, good ones and errors mixed,
    some cut off: no reply holds what is not the caller's."""
    choices = random.Random(45)
    more = {f"neighbour{n + 1}": client.token for n, client in enumerate(story.add_people(planted, "neighbour", 6))}
    tokens, people = {**planted.site.tokens, **more}, [*INSIDE, *more]
    assert len(people) == 20
    work = [(choices.choice(people), choices.choice(planted.plants), choices.randrange(9)) for _ in range(1000)]

    def one(job):
        name, plant, kind = job
        token = {"Authorization": "Bearer " + tokens[name]}
        target = [f"/v1/tickets/{plant.id}", f"/v1/tickets/{plant.id}/comments", "/v1/tickets?limit=100",
                  f"/v1/tickets/{plant.id}/events", "/v1/tickets?q=zz&limit=100", "/v1/me",
                  "/v1/tickets?after=AAAA", f"/v1/tickets/{plant.id}", f"/v1/tickets/{plant.id}/start"][kind]
        with raw.Connection(planted.server.url) as c:
            if kind == 7:
                c.send(f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {token['Authorization']}\r\n\r\n".encode())
                return name, target, ""
            reply = c.request("POST" if kind == 8 else "GET", target, token)
        if kind in (0, 1, 3):
            assert reply.status == (200 if plant.seen_by(name) else 404), f"{name} {target} {reply.status}"
        if kind == 8:
            assert reply.status in (403, 404, 409), f"{name} {target} {reply.status}"
        if kind == 5:
            assert json.loads(reply.body)["login"] == name
        return name, target, reply.body.decode()

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        results = list(pool.map(one, work))
    hidden = {n: [m for p in planted.plants for m, who in p.marks.items() if not readable(p, m, who, n)]
              for n in people}
    assert not [f"{m}: {n} {t}" for n, t, text in results for m in hidden[n] if m in text]


def test_errors_leave_no_context_behind(planted):
    """After a storm of errors every connection is idle, without a transaction;
    and without a context the app role sees no row of any scoped table."""
    for _ in range(30):
        planted.lead.post(f"/v1/tickets/{planted.plants[0].id}/accept")
        planted.community.post("/v1/grids", {"kind": "micro", "name": "x", "parent_id": str(uuid.uuid4())})
        planted.client().get("/v1/me", headers={"Authorization": "Bearer x"})
    harness.wait_for(lambda: {s for s, in planted.sql(
        "select state from pg_stat_activity where datname = %s and usename = 'linli_app'",
        planted.database)} == {"idle"}, "idle connections")
    tables = planted.sql("select format('%I.%I', nspname, relname) from pg_class c join pg_namespace n"
                         " on n.oid = c.relnamespace where relkind = 'r' and relrowsecurity"
                         " and has_table_privilege('linli_app', c.oid, 'select')")
    assert len(tables) > 8
    with planted.site.cluster.connect(planted.database, "linli_app") as c, c.cursor() as cur:
        for table, in tables:
            cur.execute(f"select count(*) from {table}")
            assert cur.fetchone() == (0,), table
    c.close()
