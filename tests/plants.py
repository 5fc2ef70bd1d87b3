"""Tickets with a marker in every text, planted in every grid of both streets,
and people with one in every field; and who may see which marker: written here
by hand, from domain.md's matrix."""

import datetime

import harness
import samples

# Who stands where in tests/fixture.sql: role, street, grid paths answered for.
WHO = {
    "resident": ("resident", 1, []), "resident2": ("resident", 1, []), "resident_far": ("resident", 2, []),
    "lead": ("grid_lead", 1, ["1/1/1/1/"]), "lead2": ("grid_lead", 1, ["1/1/1/1/"]),
    "lead_next": ("grid_lead", 1, ["1/1/1/2/"]), "lead_general": ("grid_lead", 1, ["1/1/1/"]),
    "lead_ended": ("grid_lead", 1, []), "lead_far": ("grid_lead", 2, ["2/1/1/1/"]),
    "community": ("community", 1, ["1/1/"]), "community2": ("community", 1, ["1/2/"]),
    "community_far": ("community", 2, ["2/1/"]),
    "visitor": ("visitor", 0, []),
    "department": ("department", 1, []), "merchant": ("merchant", 1, []), "program": ("client", 1, []),
    "street": ("street", 1, ["1/"]), "street_far": ("street", 2, ["2/"]),
}
NEIGHBOUR = ("resident", 1, [])  # anybody else, who has reported nothing
GRIDS = {
    "1/": 1, "1/1/": 10, "1/1/1/": 11, "1/1/1/1/": 12, "1/1/1/2/": 13, "1/1/2/": 14, "1/1/2/1/": 15,
    "1/1/3/": 16, "1/2/": 20, "1/2/1/": 21, "1/2/1/1/": 22, "1/2/1/2/": 23, "2/": 1, "2/1/": 10, "2/1/1/": 11,
    "2/1/1/1/": 12, "2/1/1/2/": 13, "2/2/": 20, "2/2/1/": 21, "2/2/1/1/": 22,
}
# Who reports, where, and whether the neighbours may see it.
PLANTED = [
    ("resident", "1/1/1/1/", True), ("resident", "1/1/1/1/", False), ("resident2", "1/1/1/1/", True),
    ("resident2", "1/1/1/1/", False), ("lead", "1/1/1/1/", True), ("lead", "1/1/1/1/", False),
    ("resident", "1/1/1/2/", False), ("lead_next", "1/1/1/2/", True), ("lead_next", "1/1/1/2/", False),
    ("resident2", "1/1/2/1/", False), ("resident2", "1/1/3/", False), ("resident", "1/2/1/1/", True),
    ("resident2", "1/2/1/1/", False), ("resident2", "1/2/1/2/", False),
    ("resident_far", "2/1/1/1/", True), ("resident_far", "2/1/1/1/", False), ("lead_far", "2/1/1/1/", False),
    ("resident_far", "2/1/1/2/", False), ("resident_far", "2/2/1/1/", False),
]


def grid_id(path):
    return f"01900000-0000-800{path[0]}-8000-1000000000{GRIDS[path]:02d}"


class Plant:
    def __init__(self, number, by, path, public):
        self.number, self.by, self.path, self.public = number, by, path, public
        self.street = int(path[0])
        self.owner = by if by.startswith("resident") else None
        self.id = self.photo = self.internal_photo = None
        self.marks = {}  # text → who may read it

    def mark(self, kind, who):
        text = f"zz{self.number:02d}{kind}zz"
        self.marks[text] = who
        return text

    def in_scope(self, name):
        role, street, paths = WHO.get(name, NEIGHBOUR)
        return street == self.street and any(self.path.startswith(p) for p in paths)

    def seen_by(self, name):
        """The ticket itself, with what is public of it."""
        role, street, _ = WHO.get(name, NEIGHBOUR)
        if role == "resident":
            return name == self.owner or (self.public and street == self.street)
        return self.in_scope(name)

    def known_to(self, name):
        """What is not for the public: the reporter and the staff in charge."""
        return name == self.owner or self.in_scope(name)

    def staff(self, name):
        return self.in_scope(name)

    def may_call(self, name):
        return self.in_scope(name) and WHO[name][0] in ("grid_lead", "community")


def body(plant):
    n = plant.number
    made = {
        "kind": "problem", "category": "oil_smoke", "urgency": "normal", "public": plant.public,
        "title": "油烟 " + plant.mark("title", plant.seen_by),
        "description": plant.mark("description", plant.seen_by) + f" 请打 137{n:08d}",
        "contact_phone": f"139{n:08d}", "address": plant.mark("address", plant.known_to),
        "building": plant.mark("building", plant.known_to),
        "compound_id": f"01900000-0000-800{plant.street}-8000-200000000001",
        "position": {"lon": 104.1 + n / 100000, "lat": 30.66, "crs": "wgs84"},
        "answers": {"shop": plant.mark("answer", plant.known_to)}, "grid_id": grid_id(plant.path),
    }
    plant.marks[f"137{n:08d}"] = plant.known_to
    plant.marks[f"139****{n:04d}"] = plant.known_to
    plant.marks[f"139{n:08d}"] = plant.may_call
    if plant.owner:
        made["contact_name"] = plant.mark("contact", plant.known_to)
    else:
        made["on_behalf"] = {"name": plant.mark("contact", plant.known_to),
                             "note": plant.mark("behalf", plant.known_to)}
    return made


def comment(world, plant):
    staff = "street" if plant.street == 1 else "street_far"
    ids = {"id": plant.id}
    samples.act(world, plant.by, "addTicketComment", ids,
                {"text": plant.mark("comment", plant.seen_by) + f" 电话 136{plant.number:08d}"})
    author = plant.by
    plant.marks[f"136{plant.number:08d}"] = lambda name: plant.known_to(name) or (
        name == author and plant.seen_by(name))
    plant.internal_photo = samples.photo(world, staff)
    samples.act(world, staff, "addTicketComment", ids, {
        "text": plant.mark("internal", plant.staff), "internal": True, "photo_ids": [plant.internal_photo]})


def work(world, plant):
    """The whole loop, with a marker at each step."""
    ids = {"id": plant.id}
    steps = [("lead", "acceptTicket", None),
             ("lead", "escalateTicket", {"note": plant.mark("escalate", plant.known_to)}),
             ("community", "startTicket", None),
             ("community", "suspendTicket", {"reason": plant.mark("suspend", plant.known_to)}),
             ("community", "resumeTicket", None),
             ("lead", "resolveTicket", {"note": plant.mark("resolve", plant.known_to),
                                        "photo_ids": [samples.photo(world, "lead")]}),
             ("community", "replyTicket", {"text": plant.mark("reply", plant.seen_by) + " 13512345678"}),
             (plant.by, "rateTicket", {"stars": 4, "resolved": True, "satisfied": True,
                                       "text": plant.mark("rating", plant.known_to)})]
    for person, operation, given in steps:
        samples.act(world, person, operation, ids, given)
    thanks = plant.mark("thanks", plant.seen_by)
    samples.act(world, "resident2" if plant.public else plant.by, "thankTicket", ids, {"text": thanks})


def plant_all(world):
    plants = []
    for number, (by, path, public) in enumerate(PLANTED, 1):
        plant = Plant(number, by, path, public)
        plant.photo = samples.photo(world, by)
        plant.id = samples.act(world, by, "submitTicket",
                               body={**body(plant), "photo_ids": [plant.photo]})["id"]
        plants.append(plant)
        comment(world, plant)
    work(world, plants[0])
    work(world, plants[1])
    return plants


def plant_dispatch(world, plant, org):
    """A ticket that goes to the department, or the street's own staff: (its part, the ticket, whose)."""
    ids = {"id": plant.id}
    for name, operation in (("lead", "acceptTicket"), ("lead", "escalateTicket"), ("community", "callTicket")):
        samples.act(world, name, operation, ids, {"note": plant.mark(operation, plant.known_to)} if name != "lead" else None)
    samples.act(world, "street", "dispatchTicket", ids, {
        "org_id": samples.ORGS.get(org), "own_staff": org is None, "note": plant.mark("dispatch", plant.known_to)})
    return samples.part(world, plant.id), plant, org


def of_case(name, part, plant, org):
    """What a department reads of the ticket it was sent to: no contact, no comments."""
    if name != org and (name, org) != ("program", "department"):
        return []
    return [part, plant.id, *([plant.photo] if name == org else []), *(f"zz{plant.number:02d}{kind}zz" for kind in (
        "title", "description", "address", "building", "answer", "dispatch"))]


def plant_redraws(world):
    """A preview in each community, by the path it lies under."""
    made = {}
    for name, path, micro in (("community", "1/1/", "1/1/1/1/"), ("community2", "1/2/", "1/2/1/1/"),
                              ("street", "1/", "1/2/"), ("community_far", "2/1/", "2/1/1/1/")):
        as_is = getattr(world, name).get(f"/v1/grids/{grid_id(micro)}/boundaries?crs=wgs84").json()["features"][0]
        made[path] = samples.act(world, name, "previewBoundaries", params={"crs": "wgs84"}, body={
            "type": "FeatureCollection", "features": [as_is]})["id"]
    return made


HOUSES = {"1/1/1/1/": (1, 1), "1/1/1/2/": (1, 1), "1/1/2/1/": (1, 2), "1/2/1/1/": (1, 3),
          "2/1/1/1/": (2, 1), "2/2/1/1/": (2, 2)}  # grid: street and compound
COMPOUND_PATHS = {(1, 1): "1/1/", (1, 2): "1/1/", (1, 3): "1/2/", (2, 1): "2/1/", (2, 2): "2/2/"}


def compound_id(street, number):
    return f"01900000-0000-800{street}-8000-20000000000{number}"


def plant_houses(world):
    """In each of these grids a building with one dwelling, its number a mark:
    path → (building, dwelling, mark)."""
    made = {}
    for n, (path, (street, compound)) in enumerate(HOUSES.items()):
        by = "street" if street == 1 else "street_far"
        building = samples.act(world, by, "createBuilding", {"id": compound_id(street, compound)},
                               {"name": f"{n + 40}栋", "serial": n + 40})["id"]
        dwelling = samples.act(world, by, "createDwelling", {"id": building},
                               {"number": f"zzhouse{n}zz", "grid_id": grid_id(path)})["id"]
        made[path] = building, dwelling, f"zzhouse{n}zz"
    return made


CLAIMED = ["1/1/1/1/", "1/1/1/2/", "1/1/", "1/2/1/1/", "2/1/1/1/"]


def plant_claims(world):
    """Strangers who want to join, one in each place: id, path, marker."""
    made = []
    for n, path in enumerate(CLAIMED):
        mark = f"zz{n}claimzz"
        found = world.sql(
            "with a as (insert into identity.account (id, display_name) values (core.new_id(0), '生人') returning id)"
            " insert into identity.claim (id, account_id, street_id, path, place, name, address, tenure)"
            " select core.new_id(0), a.id, %s, %s, 'x', %s, 'x', 'tenant' from a returning id",
            int(path[0]), path, mark)
        made.append((found[0][0], path, mark))
    return made


def plant_login(world):
    """The resident's second way to sign in; its id."""
    return world.sql("insert into identity.login (id, account_id, kind, subject, sealed, label) values"
                     " (core.new_id(0), '01900000-0000-8000-8000-300000000001', 'phone', repeat('a', 64), 'x', 'x')"
                     " returning id")[0][0]


def plant_duty_areas(world):
    """One in each of three communities, by its path."""
    return {path: samples.act(world, name, "createDutyArea", body={
        "login": name, "grid_ids": [grid_id(general)]})["id"] for name, path, general in (
            ("community", "1/1/", "1/1/1/"), ("community2", "1/2/", "1/2/1/"), ("community_far", "2/1/", "2/1/1/"))}


# Who sees what of a person: domain.md 3c, written by hand; people.field_rule is
# held against it, and so is every reply. Then who may have it unmasked, and
# which fields they may write.
FIELDS = ("name", "sex", "born_on", "phone", "id_number", "health")
SIGHTS = {
    "self": ("plain plain plain masked masked plain", "no", ""),
    "guardian": ("plain plain plain masked masked plain", "no", ""),
    "lead_micro": ("plain plain masked masked none none", "no", "sex phone"),
    "lead_special": ("plain plain masked masked none none", "no", "sex phone"),
    "lead_general": ("plain plain masked masked masked plain", "no", "name sex phone"),
    "community": ("plain plain plain masked masked plain", "reason", "name sex born_on phone id_number health"),
    "street": ("masked plain masked masked masked none", "approval", ""),
}
# Whose record the plant of a grid is.
RECORD_OF = {"1/1/1/1/": "resident", "2/1/1/1/": "resident_far"}


def viewer(name, path):
    """As what somebody looks at a person there; None = not at all."""
    role, _, paths = WHO[name]
    if role == "resident":
        return "self" if RECORD_OF.get(path) == name else None
    if role not in ("grid_lead", "community", "street") or not any(path.startswith(own) for own in paths):
        return None
    return role if role != "grid_lead" else "lead_micro" if path in paths else "lead_general"


def person_marks(n, name, path, asked_by):
    """What somebody finds of the plant of a grid in all replies together, and
    what they must not: two sets of words."""
    shown = {"name": {"plain": [f"zzperson{n}zz"]},
             "born_on": {"plain": [f"190{n}-05-0{n + 1}"], "masked": [f'"birth_year":190{n}']},
             "phone": {"plain": [f"158{n:08d}"], "masked": [f"158****{n:04d}"]},
             "id_number": {"plain": [id_number(n)], "masked": [f"1{n}0***************"]},
             "health": {"plain": [f"zzhealth{n}zz"]}}
    words = {w for sights in shown.values() for some in sights.values() for w in some}
    seer = viewer(name, path)
    found = set()
    if seer and seer != "street":  # which has no list and no page of persons
        for field, sight in zip(FIELDS, SIGHTS[seer][0].split()):
            found |= set(shown.get(field, {}).get(sight, []))
        found |= {f'"birth_year":190{n}'} | ({w for f in ("phone", "id_number") for w in shown[f]["plain"]}
                                            if seer == "community" else set())  # it unmasks them
    others = {f"zztag{n}zz": seer not in (None, "street"), f"zzconsent{n}zz": seer in ("self", "community"),
              f"zzwish{n}zz": seer in ("self", "community"), f"zzunmask{n}zz": seer in ("self", "community", "street"),
              f"zzask{n}zz": seer == "community" or name == asked_by, f"zzminor{n}zz": seer == "self", f"159****{n:04d}": seer == "self",
              f"159{n:08d}": False}
    found |= {w for w, seen in others.items() if seen}
    return found, (words | set(others)) - found


def id_number(n):
    """Of somebody born in 190n, by GB 11643."""
    head = f"1{n}0105190{n}050{n + 1}002"
    return head + "10X98765432"[sum(int(d) * 2 ** (17 - i) for i, d in enumerate(head)) % 11]


def plant_people(world):
    """In each dwelling of the plants somebody with a mark in every field, a
    ward, and all that hangs on them: path → ids by what they are of."""
    made = {}
    for n, (path, (_, dwelling, _)) in enumerate(world.houses.items()):
        by = {"1/1/": "community", "1/2/": "community2", "2/1/": "community_far"}.get(path[:4])
        if not by:
            continue  # a community without anybody in the fixture
        lead = {"1/1/1/1/": "lead", "2/1/1/1/": "lead_far"}.get(path, by)
        ids = {"id": samples.act(world, by, "createPerson", body={
            **samples.LAN, "born_on": None, "name": f"zzperson{n}zz", "phone": f"158{n:08d}", "id_number": id_number(n),
            "dwelling_id": dwelling})["id"]}
        guardian = samples.act(world, by, "createPerson", body={
            **samples.LAN, "name": f"zzguardian{n}zz", "dwelling_id": dwelling})["id"]
        samples.act(world, by, "createPerson", body={
            **samples.LAN, "name": f"zzminor{n}zz", "phone": f"159{n:08d}", "dwelling_id": dwelling, "kinship": "parent",
            "guardian_id": ids["id"], "born_on": datetime.date.today().replace(day=1).replace(
                year=datetime.date.today().year - 15).isoformat()})
        if path in RECORD_OF:
            account, = world.sql("select id::text from identity.account where login = %s", RECORD_OF[path])[0]
            samples.act(world, by, "linkPerson", ids, {"account_id": account})
        consent = {"text_version": "x", "given_by": ids["id"]}
        samples.act(world, by, "giveConsent", ids, {**consent, "purpose": "health"})
        samples.act(world, by, "tagPerson", ids, {"code": "disabled", "reason": f"zzhealth{n}zz"})
        tags = samples.act(world, by, "tagPerson", ids, {"code": "special_group", "reason": f"zztag{n}zz"})["tags"]
        samples.act(world, by, "unmaskPerson", ids, {"fields": ["born_on"], "reason": f"zzunmask{n}zz"})
        made[path] = {
            "n": n, "asked_by": lead, "persons": ids["id"], "households": getattr(world, by).get(
                f"/v1/persons/{ids['id']}").json()["household_id"],
            "tags": next(t["id"] for t in tags if t["code"] == "special_group"),
            "guardianships": samples.act(world, by, "createGuardianship", ids, {
                "guardian_id": guardian, "kinship": "child"})["id"],
            "ownerships": samples.act(world, by, "createOwnership", {"id": dwelling}, {
                "person_id": ids["id"], "share": 1, "shares": 3})["id"],
            "consents": samples.act(world, by, "giveConsent", ids, {
                **consent, "purpose": "share", "recipient": f"zzconsent{n}zz"})["id"],
            "access-requests": samples.act(world, lead, "requestApproval", ids, {
                "fields": ["name"], "reason": f"zzask{n}zz"})["id"],
            "data-requests": samples.act(world, by, "fileDataRequest", ids, {"kind": "copy", "wish": f"zzwish{n}zz"})["id"]}
    return made


def plant_care(world):
    """To the people of the plants a visit, a pairing, a campaign …, marked: path →
    ids by what they are of. Their texts are for the staff in charge."""
    made = {}
    for n, (path, ids) in enumerate(world.people.items()):
        by = {"1/1/": "community", "1/2/": "community2", "2/1/": "community_far"}[path[:4]]
        who, mark = ids["persons"], f"zzcare{n}zz"
        helper = samples.act(world, by, "createPerson", body={
            **samples.LAN, "name": mark + "h", "dwelling_id": world.houses[path][1]})["id"]
        plan = {"name": mark + "p", "grid_id": grid_id(path), "to_on": "2099-01-01"}
        samples.act(world, by, "tagPerson", {"id": who}, {"code": "solitary_elder"})
        world.sql("update care.watch set due_at = now() - interval '1 second' where person_id = %s", who)
        made[path] = {
            "mark": mark, "visit-plans": samples.act(world, by, "createVisitPlan", body=plan)["id"],
            "visits": samples.act(world, by, "createVisit", body={"person_id": who, "outcome": "refused", "note": mark + "v"})["id"],
            "visit-alarms": harness.wait_for(lambda: world.sql(
                "select id from care.alarm where person_id = %s", who), "the alarm")[0][0],
            "door-campaigns": samples.act(world, by, "createDoorCampaign", body={**plan, "name": mark + "d"})["id"],
            "pairings": samples.act(world, by, "createPairing", body={"helper_id": helper, "recipient_id": who})["id"]}
        samples.act(world, by, "recordDoorKnock", {"id": made[path]["door-campaigns"]}, {
            "dwelling_id": world.houses[path][1], "outcome": "answered", "note": mark + "k"})
    return made


AUTHORS = {"1/1/1/1/": "lead", "1/1/1/2/": "lead_next", "2/1/1/1/": "lead_far"}


def sees_diary(name, path):
    """Its author, the leads above and the community; not who leads the same grid."""
    role, _, paths = WHO[name]
    return name == AUTHORS[path] or role in ("grid_lead", "community") and any(
        path.startswith(own) and path != own for own in paths)


def plant_diary(world):
    """An entry of each of these leads, marked: path → id, mark."""
    return {path: (samples.act(world, by, "writeDiary", body={"topic": "care", "text": f"zzdiary{n}zz"})["id"], f"zzdiary{n}zz")
            for n, (path, by) in enumerate(AUTHORS.items())}


MEDIATORS = {"1/1/1/1/": ("community", "lead"), "1/2/1/1/": ("community2", "resident2"), "2/1/1/1/": ("community_far", "lead_far")}


def sees_case(name, path):
    """Who mediates, who is a party, and the community."""
    by, mediator = MEDIATORS[path]
    return name in (by, mediator, RECORD_OF.get(path))


def sees_review(name, path):
    role, _, paths = WHO[name]
    return role in ("grid_lead", "community", "street") and any(path.startswith(own) for own in paths)


def plant_reviews(world):
    """A campaign in each street, a problem marked in the review of each of these grids: path → id, mark; campaigns: path → id."""
    made = {}
    world.review_campaigns = {f"{street}/": samples.act(world, by, "startReviewCampaign", body={
        "name": "提能", "grid_id": grid_id(f"{street}/"), "grid_kind": "micro", "due_on": "2099-12-31"})["id"]
        for street, by in ((1, "street"), (2, "street_far"))}
    world.review_campaigns["1/2/"] = samples.act(world, "community2", "startReviewCampaign", body={
        "name": "提能", "grid_id": grid_id("1/2/"), "grid_kind": "general", "due_on": "2099-12-31"})["id"]
    for path, by in {**AUTHORS, "1/2/1/1/": "community2"}.items():
        review, = world.sql("select id::text from duty.review where path = %s", path)[0]
        made[path] = review, "zzreview" + path.replace("/", "") + "zz"
        samples.act(world, by, "writeGridReview", {"id": review}, {"problems": [{"problem": made[path][1]}]}, headers={"If-Match": '"1"'})
    return made


def plant_mediation(world):
    """A case in each of these grids, the person of the plants a party where that has an account: path → id, mark."""
    made = {}
    for n, (path, (by, mediator)) in enumerate(MEDIATORS.items()):
        account, = world.sql("select id::text from identity.account where login = %s", mediator)[0]
        made[path] = samples.act(world, by, "openMediation", body={
            "kind": "other", "grid_id": grid_id(path), "title": f"zzcase{n}zz", "text": "x", "mediator_id": account,
            "parties": [{"person_id": world.people[path]["persons"], "side": "applicant"} if path in RECORD_OF else
                        {"name": "外地人", "side": "applicant"}]})["id"], f"zzcase{n}zz"
    return made


def plant_clients(world):
    """A program with a secret in each street: street → (client, secret)."""
    made = {}
    for street, by in ((1, "street"), (2, "street_far")):
        client = samples.act(world, by, "createClient", body={
            "name": f"zzclient{street}zz", "scopes": ["grids:read"]})["id"]
        made[street] = client, samples.act(world, by, "addClientSecret", {"id": client})["id"]
    return made


def plant_sources(world):
    """Outside numbers of tickets: (the ticket, the system, number, what was said of it)."""
    made = []
    for n, (number, by, system) in enumerate(((6, "street", "12345"), (7, "street", "wecom"), (13, "street", "12345"),
                                              (16, "street_far", "12345"))):
        plant, mark = world.plants[number - 1], f"zznumber{n}zz"
        samples.act(world, by, "joinTicketNumber", {"id": plant.id}, {"system": system, "source_id": mark})
        if by == "street" and system == "12345":
            samples.act(world, "program", "updateSourceTicket", body={
                "source_id": mark, "update_id": "1", "kind": "supplement", "text": mark + "text"})
        made.append((plant, system, mark))
    return made


def sees_source(name, plant, system):
    """The staff in scope, and the programs of its system."""
    return plant.staff(name) or name == "program" and (plant.street, system) == (1, "12345")


def plant_admissions(world):
    """Work for grids, admitted; the last one is not: (proposal, its task, mark, path, by)."""
    made = []
    samples.set_limit(world, 1000)
    for n, (path, by) in enumerate((("1/1/1/1/", "department"), ("1/1/1/2/", "department"), ("1/1/1/1/", "department"))):
        ids = {"id": samples.act(world, by, "createAdmission", body={
            "title": f"zzadmission{n}zz", "description": f"zzadmission{n}zzd", "grid_kind": "micro", "grid_ids": [grid_id(path)],
            "due_on": "2099-12-31"})["id"]}
        if n < 2:
            samples.act(world, "street", "approveAdmission", ids)
        task = world.sql("select id from duty.grid_task where admission_id = %s", ids["id"])
        made.append((ids["id"], task[0][0] if task else None, f"zzadmission{n}zz", path, by))
    return made


def sees_admission(name, by):
    return name in ("street", by)


def knows_admission(name, by):
    """In its feed, the program of who proposed it, too."""
    return sees_admission(name, by) or (name, by) == ("program", "department")


def sees_task(name, task, path, by):
    """Who leads there, once it is admitted; the street and who proposed it, always."""
    return sees_admission(name, by) or task is not None and WHO[name][0] in ("grid_lead", "community") and any(
        path.startswith(own) for own in WHO[name][2])


# Where a hazard lies, who reported it, to which organisation it is put.
HAZARDS = [("1/1/1/1/", "resident", None), ("1/1/1/2/", "lead_next", "merchant"), ("1/2/1/1/", "community2", "department"),
           ("2/1/1/1/", "resident_far", None)]


def plant_hazards(world):
    """One in each place: (id, photo, mark, path, by, org)."""
    made = []
    for n, (path, by, org) in enumerate(HAZARDS):
        picture, mark = samples.photo(world, by), f"zzhazard{n}zz"
        ids = {"id": samples.act(world, by, "reportHazard", body={
            "kind": "fire", "title": mark, "description": mark + "d", "grid_id": grid_id(path), "photo_ids": [picture]})["id"]}
        if org:
            staff = "community" if path.startswith("1/1/") else "community2"
            samples.act(world, staff, "confirmHazard", ids, {"grade": "general"})
            samples.act(world, staff, "issueHazardNotice", ids, {"org_id": samples.ORGS[org], "due_at": samples.later()})
        made.append((ids["id"], picture, mark, path, by, org))
    return made


def sees_hazard(name, path, by, org):
    role, street, paths = WHO[name]
    return name == by or role == org and street == 1 or any(path.startswith(own) for own in paths)


def plant_exports(world):
    """Somebody's export of all they may have: who → id."""
    made = {name: samples.act(world, name, "createExport", body={"what": what, "format": "csv", "reason": "核对"})["id"]
            for name, what in (("community", "persons"), ("community2", "persons"), ("community_far", "households"),
                               ("street", "tickets"), ("street_far", "dwellings"))}
    for name, export in made.items():
        harness.wait_for(lambda: getattr(world, name).get(f"/v1/exports/{export}").json()["state"] == "done", "a file")
    return made


def plant_imports(world):
    """In three communities a file with a mark: path → (id, mark)."""
    made = {}
    for n, (name, path) in enumerate((("community", "1/1/"), ("community2", "1/2/"), ("community_far", "2/1/"))):
        mark = f"zzimport{n}zz"
        reply = getattr(world, name).post("/v1/imports", params={"source": mark}, headers={"Content-Type": "text/csv"},
                                          data=f"source_id,name,address\n{mark},x,x\n")
        assert reply.status_code == 201, reply.text
        made[path] = reply.json()["id"], mark
    harness.wait_for(lambda: world.sql("select count(*) from transfer.import where state = 'ready'") == [(3,)], "their reports")
    return made


# Where a piece of equipment is, who entered it, whose it is.
EQUIPMENT = [("1/1/1/1/", "lead", "merchant"), ("1/1/1/2/", "lead_next", "department"), ("1/2/1/1/", "community2", None),
             ("2/1/1/1/", "lead_far", None)]


def plant_equipment(world):
    """One in each place: (id, photo, mark, path, nobody, org)."""
    made = []
    for n, (path, by, org) in enumerate(EQUIPMENT):
        picture, mark = samples.photo(world, by), f"zzequipment{n}zz"
        ids = {"id": samples.act(world, by, "createEquipment", body={
            "kind": "aed", "serial": mark, "place": mark + "p", "grid_id": grid_id(path), "org_id": samples.ORGS.get(org)})["id"]}
        samples.act(world, by, "inspectEquipment", ids, {"ok": True, "note": mark + "d", "photo_ids": [picture]})
        made.append((ids["id"], picture, mark, path, None, org))
    return made


# Where a route lies, who made it, who is named to walk it.
PATROLS = [("1/1/1/1/", "community", "resident"), ("1/1/1/2/", "community", None), ("1/2/1/1/", "community2", None),
           ("2/1/1/1/", "community_far", "resident_far")]


def plant_patrols(world):
    """A route, a plan and its task in each place: (ids by their paths, mark, path, walker)."""
    made = []
    for n, (path, by, walker) in enumerate(PATROLS):
        mark = f"zzpatrol{n}zz"
        route = samples.act(world, by, "createPatrolRoute", body={
            "name": mark + "r", "grid_id": grid_id(path), "checkpoints": [
                {"name": mark + "c", "position": {"lon": 104.1, "lat": 30.66, "crs": "wgs84"}}]})["id"]
        plan = samples.act(world, by, "createPatrolPlan", body={
            "route_id": route, "name": mark + "t", "rule": "FREQ=DAILY", "start_on": "2026-01-01", "from_minute": 0,
            "to_minute": 1440, "assignees": [walker] if walker else []})["id"]
        tasks = harness.wait_for(lambda: samples.act(world, by, "listPatrolTasks", params={"plan_id": plan})["items"], "tasks")
        made.append(({"patrol-routes": route, "patrol-plans": plan, "patrol-tasks": tasks[0]["id"]}, mark, path, walker))
    return made


def sees_patrol(name, kind, path, walker):
    role, _, paths = WHO[name]
    return any(path.startswith(own) for own in paths) or kind == "patrol-tasks" and name == walker


# A community's grid, who made its team, who is in it and as what.
TEAMS = [("1/1/", "community", {"merchant": "enterprise", "department": "emergency_office", "lead_general": "grid_staff",
                                "lead": "micro_member"}),
         ("1/2/", "community2", {"community2": "grid_staff"}), ("2/1/", "community_far", {"lead_far": "micro_member"})]


def plant_teams(world):
    """(id, mark, path, members) in each of three communities."""
    made = []
    for n, (path, by, members) in enumerate(TEAMS):
        mark = f"zzteam{n}zz"
        made.append((samples.act(world, by, "createSafetyTeam", body={
            "name": mark, "grid_id": grid_id(path), "members": [
                {"login": login, "kind": kind, "qualification": "电工"} for login, kind in members.items()]})["id"], mark, path, members))
    return made


def sees_team(name, path, members):
    return name in members or any(path.startswith(own) for own in WHO[name][2])
