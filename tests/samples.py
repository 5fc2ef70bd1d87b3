"""Good requests: people signed in, tickets in any state, photos, and for every
operation of the contract a call that must work."""

import base64
import datetime
import json
import struct
import uuid
import zlib

import harness
import phones
import totp

# A ticket that needs neither photo nor answers and that neighbours may see.
TICKET = {"kind": "problem", "category": "pets", "urgency": "normal",
          "title": "流浪猫在单元门口", "description": "三只小猫住在单元门口的纸箱里，天冷了需要帮助。"}

# The steps from a submitted ticket to each state: person, operation.
STEPS = {
    "submitted": [],
    "accepted": [("lead", "acceptTicket")],
    "rejected": [("lead", "rejectTicket")],
    "withdrawn": [("resident", "withdrawTicket")],
    "in_progress": [("lead", "acceptTicket"), ("lead", "startTicket")],
    "escalated_community": [("lead", "acceptTicket"), ("lead", "escalateTicket")],
}
STEPS["called"] = STEPS["escalated_community"] + [("community", "callTicket")]
STEPS["dispatched"] = STEPS["called"] + [("street", "dispatchTicket")]
STEPS["reported_in"] = STEPS["dispatched"] + [("department", "reportInDispatch")]
STEPS["suspended"] = STEPS["in_progress"] + [("community", "suspendTicket")]
STEPS["resolved"] = STEPS["in_progress"] + [("lead", "resolveTicket")]
STEPS["replied"] = STEPS["resolved"] + [("community", "replyTicket")]
STEPS["closed"] = STEPS["replied"] + [("resident", "rateTicket")]
STEPS["reopened"] = STEPS["replied"] + [("resident", "reopenTicket")]


def login(world, name="resident", password="linli-demo", status=201):
    reply = world.client().post("/v1/sessions", {"login": name, "password": password})
    assert reply.status_code == status, reply.text
    return reply.json()


def kid(token):
    head = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


def png(width=8, height=8, colour=b"\x20\x80\x40"):
    """A picture of one colour."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = (b"\0" + colour * width) * height
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def upload_body(picture=None):
    """multipart/form-data with one file, as mini-programs send it."""
    edge = "----linli" + uuid.uuid4().hex
    body = (f"--{edge}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"photo.png\"\r\n"
            "Content-Type: image/png\r\n\r\n").encode() + (picture or png()) + f"\r\n--{edge}--\r\n".encode()
    return body, f"multipart/form-data; boundary={edge}"


def act(world, person, operation, ids=None, body=None, **kw):
    """Calls an operation by name; must succeed. Its reply's JSON."""
    op = world.spec.by_id[operation]
    path = op.template.format(**(ids or {}))
    if body is None:
        body = op.example
    reply = getattr(world, person)(op.method, path, json=body, **kw)
    assert reply.status_code == op.status, f"{operation}: {reply.status_code} {reply.text}"
    return reply.json() if reply.content else None


def ticket(world, state="submitted", by="resident", **fields):
    """The id of a new ticket of a resident's in micro-grid A, brought to a state."""
    made = act(world, by, "submitTicket", body={**TICKET, **fields})["id"]
    for person, operation in STEPS[state]:
        step(world, person, operation, made)
    return made


def part(world, ticket):
    """The id of what it was dispatched to last."""
    return world.street.get("/v1/dispatches", params={"ticket_id": ticket}).json()["items"][0]["id"]


def step(world, person, operation, ticket):
    """An act on a ticket, or on its part, with the example."""
    where = part(world, ticket) if "/dispatches/" in world.spec.by_id[operation].template else ticket
    act(world, person, operation, {"id": where}, body=plain_body(world, operation))


def plain_body(world, operation):
    """The example without photos, which somebody would have to upload first."""
    example = world.spec.by_id[operation].example
    return {k: v for k, v in example.items() if k != "photo_ids"} if example else None


def photo(world, person, picture=None):
    body, media = upload_body(picture)
    reply = getattr(world, person).post("/v1/photos", data=body, headers={"Content-Type": media})
    assert reply.status_code == 201, reply.text
    return reply.json()["id"]


# A good call of every operation ------------------------------------------------
# What an operation needs beside its example: ids in its path, and what of the
# body or query depends on them. Each is made anew, as person may be told.

PERSON = {"resident": "resident", "grid_lead": "lead", "community": "community", "street": "street",
          "visitor": "visitor", "department": "department", "merchant": "merchant", "client": "program"}
GRID, GRID_NEXT, GRID_FREE = (f"01900000-0000-8001-8000-1000000000{n}" for n in (12, 13, 15))
GROUP = "01900000-0000-8001-8000-500000000001"


def in_state(state, **fields):
    return lambda world, role: {"ids": {"id": ticket(world, state, **fields)}}


COMPOUND = "01900000-0000-8001-8000-200000000001"


def building(world, role):
    """A new one, in the community of everybody who may touch it."""
    return {"ids": {"id": act(world, "street", "createBuilding", {"id": COMPOUND}, body={
        "name": uuid.uuid4().hex[:12], "position": {"lon": 104.085, "lat": 30.66, "crs": "wgs84"}})["id"]}}


def dwelling(world, role):
    return {"ids": {"id": act(world, "street", "createDwelling", building(world, role)["ids"])["id"]}}


def party_org(world, role):
    need = new_grid(world, role)
    path = f"/v1/grids/{need['ids']['id']}/party-org"
    reply = world.street.put(path, world.spec.by_id["putPartyOrg"].example, headers={"If-Match": '"0"'})
    assert reply.status_code == 200, reply.text
    return need


def duty_area(world, role):
    return {"ids": {"id": act(world, "street", "createDutyArea")["id"]}}


def new_building(world, role):
    return {"ids": {"id": COMPOUND}, "body": {
        **world.spec.by_id["createBuilding"].example, "name": uuid.uuid4().hex[:12]}}


WGS84 = {"query": {"crs": "wgs84"}}


def redraw(world, role):
    """A preview that this role may commit: the example moves one line."""
    made = getattr(world, PERSON[role]).post("/v1/boundaries/preview", world.spec.by_id["previewBoundaries"].example,
                                             params=WGS84["query"])
    assert made.status_code == 201, made.text
    return made.json()


def with_if_match(path, make):
    def prepare(world, role):
        need = make(world, role)
        client = getattr(world, PERSON[role])
        need["headers"] = {"If-Match": client.get(path.format(**need["ids"])).headers["ETag"]}
        return need
    return prepare


def new_grid(world, role):
    return {"ids": {"id": act(world, "street", "createGrid", body={
        "parent_id": "01900000-0000-8001-8000-100000000011", "kind": "micro",
        "name": "新微网格"})["id"]}}


def assignment(world, role):
    need = new_grid(world, role)
    return {"ids": {"id": act(world, "street", "createAssignment", need["ids"])["id"]}}


def refresh_token(world, role):
    return {"body": {"refresh_token": login(world)["refresh_token"]}}


def own_session(world, role):
    # a program does not sign in like people
    token = one_time_token(world, role) if role == "client" else person(world, role)["access_token"]
    return {"headers": {"Authorization": "Bearer " + token}}


def one_time_token(world, role):
    return harness.run_linlid(world.settings, "token", "--account", PERSON[role], "--role", role).strip()


# Accounts of one's own, for what ends sessions or binds logins.

PLACES = {"resident": "1/1/1/1/", "grid_lead": "1/", "community": "1/1/", "street": "1/", "department": "1/",
          "merchant": "1/", "client": "1/"}
ORGS = {"department": "01900000-0000-8001-8000-600000000001", "merchant": "01900000-0000-8001-8000-600000000002"}


def person(world, role):
    """Tokens of somebody new in that role, with the fixture's password."""
    name = "p" + uuid.uuid4().hex[:12]
    account, = world.sql("insert into identity.account (id, login, display_name, password_hash, password_at)"
                         " select core.new_id(0), %s, '新人', f.password_hash, now() from identity.account f"
                         " where f.login = 'resident' returning id", name)[0]
    if role in PLACES:
        world.sql("insert into identity.account_role (account_id, role, street_id, path, org_id) values (%s, %s, 1, %s, %s)",
                  account, role, PLACES[role], ORGS.get(role))
    reply = world.client().post("/v1/sessions", {"login": name, "password": "linli-demo", "role": role})
    assert reply.status_code == 201, reply.text
    return {**reply.json(), "login": name}


def by_somebody(make=None):
    """What make(world, client, tokens) needs, done by somebody new."""
    def prepare(world, role):
        tokens = person(world, role or "visitor")
        need = make(world, phones.client(world, tokens), tokens) if make else {}
        return {**need, "headers": {"Authorization": "Bearer " + tokens["access_token"]}}
    return prepare


def bound_login(world, client, tokens):
    login, = world.sql("insert into identity.login (id, account_id, kind, subject, sealed, label) values"
                       " (core.new_id(0), %s, 'phone', %s, 'x', 'x') returning id",
                       tokens["account_id"], uuid.uuid4().hex * 2)[0]
    return {"ids": {"id": login}}


def second_factor(client):
    """Enrols and confirms; the secret and the recovery codes."""
    secret = totp.secret(client.post("/v1/me/totp").json()["uri"])
    reply = client.post("/v1/me/totp/confirm", {"totp": totp.code(secret)})
    assert reply.status_code == 200, reply.text
    return secret, reply.json()["recovery_codes"]


def unconfirmed(world, client, tokens):
    return {"body": {"totp": totp.code(totp.secret(client.post("/v1/me/totp").json()["uri"]))}}


CLAIM = {"street_id": 1, "grid_id": GRID, "name": "谢小雨", "address": "3栋2单元501", "tenure": "tenant"}


def claim(world, client, tokens=None):
    reply = client.post("/v1/claims", CLAIM)
    assert reply.status_code == 201, reply.text
    return {"ids": {"id": reply.json()["id"]}}


def claimed(world, role):
    return claim(world, phones.client(world, person(world, "visitor")))


def submit(world, role):
    body = dict(world.spec.by_id["submitTicket"].example)
    if role == "grid_lead":
        body["on_behalf"] = {"name": "独居老人张婆婆", "note": "上门走访时说起"}
    return {"body": body}


def brought(world, role):
    """What a program brings, under a new id of its own."""
    return {"body": {**world.spec.by_id["submitSourceTicket"].example, "source_id": uuid.uuid4().hex}}


def known(world, role):
    """An update of a ticket a program brought."""
    body = brought(world, role)["body"]
    act(world, "program", "submitSourceTicket", body=body)
    return {"body": {**world.spec.by_id["updateSourceTicket"].example, "source_id": body["source_id"]}}


def same_event(world, role):
    return {"body": {"source_id": uuid.uuid4().hex, "same_as": {"number": world.street.get(f"/v1/tickets/{ticket(world)}").json()["number"]}}}


def numbered(world, role):
    return {"ids": {"id": ticket(world)}, "body": {"system": "wecom", "source_id": uuid.uuid4().hex}}


def start(world, role):
    return in_state("accepted" if role == "grid_lead" else "escalated_community")(world, role)


def transfer(world, role):
    return {"ids": {"id": ticket(world)}, "body": {"grid_id": GRID_NEXT, "reason": "属于相邻微网格。"}}


def merge(world, role):
    return {"ids": {"id": ticket(world)}, "body": {"target_id": ticket(world, "accepted")}}


def supported(world, role):
    need = in_state("submitted", by="resident2")(world, role)
    act(world, PERSON[role], "supportTicket", need["ids"])
    return need


def photo_of_ticket(world, role):
    picture = photo(world, "resident")
    return {"ids": {"id": ticket(world, photo_ids=[picture]), "photo_id": picture}}


def upload(world, role):
    body, media = upload_body()
    world.sql("delete from ticket.photo where subject is null")  # the quota of the many tests
    return {"data": body, "headers": {"Content-Type": media}}


def reset(world):
    """What proves the phone of somebody with a password."""
    tokens, phone = person(world, "visitor"), phones.new()
    reply = phones.client(world, tokens).post("/v1/me/logins/phone", phones.proof(world, phone, "bind"))
    assert reply.status_code == 201, reply.text
    world.sql("delete from identity.attempt where kind = 'sms_minute'")
    return {**phones.proof(world, phone, "reset"), "new_password": "linli-new"}


ORG = ORGS["merchant"]


def lead_of(world, role):
    """Somebody new who leads a new grid: their account."""
    need = new_grid(world, role)
    return act(world, "street", "createStaff", body={
        "login": "s" + uuid.uuid4().hex[:12], "name": "新人", "staff_role": "grid_lead",
        "grid_id": need["ids"]["id"]})["account_id"]


def staff(world, role):
    return {"ids": {"id": lead_of(world, role)}}


def held_role(world, role):
    return {"ids": {"id": act(world, "street", "getStaff", staff(world, role)["ids"])["roles"][0]["id"]}}


def own_org(world, role):
    return {"ids": {"id": act(world, "street", "createOrg")["id"]}}


# People: the community of the fixture keeps them, in a new dwelling each.

LAN = {"name": "唐小兰", "sex": "female", "born_on": "1958-03-07", "phone": "13800001234", "kind": "owner"}


def person_in(world, dwelling_id=None, by="community", **fields):
    """The id of somebody new in a dwelling of micro-grid A."""
    return act(world, by, "createPerson", body={
        **LAN, "dwelling_id": dwelling_id or dwelling(world, None)["ids"]["id"], **fields})["id"]


def id_number(n, born="19580307"):
    """The n-th of those born that day."""
    head = f"510108{born}{n % 1000:03d}"
    rest = 0
    for c in head:
        rest = (rest + int(c)) * 2 % 11
    return head + "0123456789X"[(12 - rest) % 11]


def own_person(world, name="resident"):
    """The record of a resident's account."""
    mine = getattr(world, name).get("/v1/me/persons").json()["items"]
    if mine:
        return next(p["id"] for p in mine if not p["is_minor"])
    made = person_in(world)
    account, = world.sql("select id::text from identity.account where login = %s", name)[0]
    act(world, "community", "linkPerson", {"id": made}, {"account_id": account})
    return made


def taken_over(world, role):
    """Who lived elsewhere, by an ID number nobody else has."""
    number = world.spec.by_id["takeOverPerson"].example["id_number"]
    world.sql("update people.secret set id_number = null, id_number_index = null")
    person_in(world, name=LAN["name"], born_on=None, sex=None, id_number=number)
    return dwelling(world, role)


def somebody(world, role):
    return {"ids": {"id": own_person(world) if role == "resident" else person_in(world)}}


def household(world, role):
    return {"ids": {"id": act(world, "community", "createHousehold", dwelling(world, role)["ids"])["id"]}}


def share(world, role):
    home = dwelling(world, role)["ids"]
    return {"ids": home, "body": {"person_id": person_in(world, home["id"]), "share": 1, "shares": 2}}


def ward_of(world, role):
    home = dwelling(world, role)["ids"]["id"]
    return {"ids": {"id": person_in(world, home)}, "body": {"guardian_id": person_in(world, home), "kinship": "child"}}


def made_of(operation, make):
    """The id of what an operation of the community's makes."""
    def prepare(world, role):
        need = make(world, role)
        return {"ids": {"id": act(world, "community", operation, need["ids"], need.get("body"))["id"]}}
    return prepare


def tagged(world, role):
    ids = {"id": person_in(world)}
    return {"ids": {"id": act(world, "community", "tagPerson", ids)["tags"][0]["id"]}}


def consent(world, role):
    need = somebody(world, role)
    return {**need, "body": {"purpose": "share", "recipient": uuid.uuid4().hex, "text_version": "share-2026-1",
                             **({} if role == "resident" else {"given_by": need["ids"]["id"]})}}


def given(world, role):
    need = consent(world, role)
    return {"ids": {"id": act(world, PERSON[role], "giveConsent", need["ids"], need["body"])["id"]}}


def asked_for(world, role, by="lead"):
    return {"ids": {"id": act(world, by, "requestApproval", {"id": person_in(world)})["id"]}}


def unmasked(world, role):
    ids = {"id": person_in(world)}
    if role == "street":
        asked = act(world, "street", "requestApproval", ids, {"fields": ["phone"], "reason": "核实"})["id"]
        act(world, "community", "approveApproval", {"id": asked})
    return {"ids": ids}


def to_ask(world, role):
    world.sql("delete from people.data_request")  # one of each kind at a time
    return somebody(world, role)


def data_request(state, kind="restrict"):
    def prepare(world, role):
        world.sql("delete from people.data_request")
        ids = {"id": act(world, "resident", "fileDataRequest", {"id": own_person(world)}, {"kind": kind})["id"]}
        for step in ("verify", "start", "fulfil")[:("filed", "identity_verified", "processing", "fulfilled").index(state)]:
            act(world, "community", step + "DataRequest", ids)
        return {"ids": ids}
    return prepare


# Care: visits, doors, pairings. What role None would do the community does.

def own_plan(world, role):
    return {"ids": {"id": act(world, PERSON[role] if role == "grid_lead" else "community", "createVisitPlan", body={
        "name": "四必去", "grid_id": GRID, "to_on": "2099-01-01"})["id"]}}


def visit_of(person_id):
    return {"person_id": person_id, "due_on": "2099-01-01"}


def own_visit(world, role):
    return {"ids": {"id": act(world, "community", "createVisit", body=visit_of(person_in(world)))["id"]}}


def raised_alarm(world, role):
    """Of somebody nobody has seen for a week and more: the job raises it."""
    who = person_in(world)
    act(world, "community", "tagPerson", {"id": who}, {"code": "solitary_elder"})
    world.sql("update care.watch set due_at = now() - interval '1 second' where person_id = %s", who)
    return {"ids": {"id": harness.wait_for(lambda: world.sql(
        "select id from care.alarm where person_id = %s", who), "the alarm")[0][0]}}


def own_campaign(world, role):
    return {"ids": {"id": act(world, "community", "createDoorCampaign")["id"]}}


def knocked(world, role):
    return {**own_campaign(world, role), "body": {
        "dwelling_id": dwelling(world, role)["ids"]["id"], "outcome": "answered"}}


def own_diary(world, role):
    return {"ids": {"id": act(world, "lead", "writeDiary", body={"topic": "opinion", "text": "李大爷说路灯坏了三天。"})["id"]}}


MEDIATORS = {"resident": "01900000-0000-8000-8000-300000000001", "grid_lead": "01900000-0000-8000-8000-300000000003",
             "community": "01900000-0000-8000-8000-300000000008"}


def own_case(*steps):
    """A case of the caller's to mediate, brought along by these acts."""
    def prepare(world, role):
        ids = {"id": act(world, "community", "openMediation", body={
            **world.spec.by_id["openMediation"].example, "mediator_id": MEDIATORS[role or "community"]})["id"]}
        for step in steps:
            act(world, PERSON[role or "community"], step + "Mediation", ids)
        return {"ids": ids}
    return prepare


def to_withdraw(world, role):
    """By a party: the community may, and a resident who is one; a lead's account may be one too."""
    made = own_case()(world, "community")
    if role != "community":
        world.sql("update care.mediation set accounts = accounts || %s::uuid where id = %s", MEDIATORS[role], made["ids"]["id"])
    return made


def appealed(world, role):
    """A rated ticket whose rating the community finds unfair."""
    made = in_state("closed")(world, role)
    act(world, "community", "appealRating", made["ids"])
    return made


def two_people(world, role):
    return {"body": {"helper_id": person_in(world), "recipient_id": person_in(world)}}


def own_pairing(world, role):
    return {"ids": {"id": act(world, "community", "createPairing", body=two_people(world, role)["body"])["id"]}}


# Files of persons.

def table_upload(world, role, data="人员编号,姓名,地址\nP1,唐小兰,双福苑3栋2单元502\n"):
    """An account has three open at most."""
    world.sql("update transfer.import set state = 'dropped' where state in ('reading', 'checking', 'ready')")
    return {"query": {"source": "社智在线"}, "data": data.encode(), "headers": {"Content-Type": "text/csv"}}


def table_import(world, role):
    need = table_upload(world, role)
    reply = getattr(world, PERSON[role]).post("/v1/imports", params=need["query"], data=need["data"], headers=need["headers"])
    assert reply.status_code == 201, reply.text
    path = f"/v1/imports/{reply.json()['id']}"
    harness.wait_for(lambda: world.street.get(path).json()["state"] == "ready", "a report")
    return {"ids": {"id": reply.json()["id"]}}


def own_client(world, role):
    return {"ids": {"id": act(world, "street", "createClient")["id"]}}


def client_secret(world, role):
    made = act(world, "street", "addClientSecret", own_client(world, role)["ids"])
    return {"ids": {"id": made["id"]}, "secret": made}


def client_form(world, role):
    made = client_secret(world, role)["secret"]
    return {"data": {"grant_type": "client_credentials", "client_id": made["client_id"],
                     "client_secret": made["client_secret"]}}


# Hazards, put to the role's own organisation.

def later(days=1):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days)).isoformat()


def hazard(world, state="found", org=None, grade="general"):
    """The id of a new one in micro-grid A, brought to a state."""
    org = org or ORGS["merchant"]
    party = "department" if org == ORGS["department"] else "merchant"
    ids = {"id": act(world, "lead", "reportHazard")["id"]}
    steps = {
        "confirmed": [("lead", "confirmHazard", {"grade": grade})],
        "notice_issued": [("lead", "issueHazardNotice", {"org_id": org, "due_at": later()})],
        "rectifying": [(party, "startHazard", None)],
        "submitted_for_recheck": [(party, "submitHazard", {"note": "已整改", "photo_ids": None})],
        "verified": [("lead", "verifyHazard", {})],
    }
    for reached, acts in steps.items() if state != "found" else []:
        for person, operation, body in acts:
            if operation == "submitHazard":
                body = {**body, "photo_ids": [photo(world, person)]}
            act(world, person, operation, ids, body)
        if reached == state:
            break
    return ids["id"]


# Parts of tickets, the department's; the street's own are its staff's.

PART_STEPS = {"dispatched": [], "reported_in": ["reportInDispatch"]}
PART_STEPS["in_progress"] = PART_STEPS["reported_in"] + ["startDispatch"]
PART_STEPS["done"] = PART_STEPS["in_progress"] + ["finishDispatch"]
PART_STEPS["return_asked"] = ["returnDispatch"]


def part_in(state, **fields):
    def made(world, role):
        own = role == "street" and state != "return_asked"
        t = ticket(world, "called", **fields)
        sent = {"own_staff": True} if own else {"org_id": ORGS["department"]}
        if state == "return_asked":  # the second: the first goes back at once
            act(world, "street", "dispatchTicket", {"id": t}, sent)
            step(world, "department", "returnDispatch", t)
        act(world, "street", "dispatchTicket", {"id": t}, sent)
        for operation in PART_STEPS[state]:
            step(world, "street" if own else "department", operation, t)
        return {"ids": {"id": part(world, t)}}
    return made


def part_shown(world, role):
    picture = photo(world, "resident")
    return {"ids": {**part_in("dispatched", photo_ids=[picture])(world, "department")["ids"], "photo_id": picture}}


def hazard_in(state, **fields):
    return lambda world, role: {"ids": {"id": hazard(world, state, ORGS.get(role), **fields)}}


def hazard_escalated(world, role):
    return hazard_in("confirmed", grade="immediate")(world, role)


def hazard_to_order(world, role):
    if role in ("grid_lead", "community"):
        return hazard_in("confirmed")(world, role)
    need = hazard_escalated(world, role)
    act(world, "street", "assignHazard", need["ids"])
    return need


def hazard_rectified(world, role):
    return {**hazard_in("rectifying")(world, role), "body": {"note": "已更换", "photo_ids": [photo(world, PERSON[role])]}}


def hazard_at_business(world, role):
    ids = {"id": hazard(world)}
    act(world, "lead", "confirmHazard", ids, {"grade": "general", "at_business": True})
    return {"ids": ids}


def hazard_shown(world, role):
    """One that the role sees, with a photo."""
    by = "resident" if role == "resident" else "lead"
    picture = photo(world, by)
    ids = {"id": act(world, by, "reportHazard", body={
        **world.spec.by_id["reportHazard"].example, "photo_ids": [picture]})["id"]}
    if role in ORGS:
        act(world, "lead", "confirmHazard", ids, {"grade": "general"})
        act(world, "lead", "issueHazardNotice", ids, {"org_id": ORGS[role], "due_at": later()})
    return {"ids": {**ids, "photo_id": picture}}


def export(world, role):
    """One that is done."""
    made = act(world, PERSON[role], "createExport")["id"]
    harness.wait_for(lambda: getattr(world, PERSON[role]).get(f"/v1/exports/{made}").json()["state"] == "done", "the file")
    return {"ids": {"id": made}}


def twins(world, role):
    home = dwelling(world, role)["ids"]["id"]
    return {"ids": {"id": person_in(world, home)}, "body": {"into": person_in(world, home), "reason": "重复建档"}}


def merged(world, role):
    need = twins(world, role)
    act(world, "community", "mergePerson", need["ids"], need["body"])
    return {"ids": need["ids"]}


def alike(world, role):
    need = twins(world, role)
    return {"ids": need["ids"], "body": {"other_id": need["body"]["into"]}}


def clock_of(world, role):
    """The resolve clock of a new ticket."""
    made = ticket(world, "accepted")
    return {"ids": {"id": act(world, "lead", "listClocks", params={"subject_id": made, "stage": "resolve"})["items"][0]["id"]}}


def asked_extension(world, role):
    need = clock_of(world, role)
    act(world, "lead" if role == "community" else "community", "requestExtension", need["ids"])
    return need


def equipment(world, role, **fields):
    """A piece of the role's own organisation's."""
    return {"ids": {"id": act(world, "lead", "createEquipment", body={
        **world.spec.by_id["createEquipment"].example, "serial": uuid.uuid4().hex,
        "org_id": ORGS.get(role, ORGS["merchant"]), **fields})["id"]}}


def equipment_shown(world, role):
    """One that somebody has looked at, with a photo."""
    need, picture = equipment(world, role), photo(world, "lead")
    act(world, "lead", "inspectEquipment", need["ids"], {"ok": True, "photo_ids": [picture]})
    return {"ids": {**need["ids"], "photo_id": picture}}


PROGRAM = "01900000-0000-8000-8000-300000000019"


def sensor(world, role, **fields):
    """A piece the program may tell of, and what it tells."""
    serial = uuid.uuid4().hex
    ids = equipment(world, role, kind="smoke_alarm", serial=serial, client_id=PROGRAM, **fields)["ids"]
    return {"ids": ids, "body": {**world.spec.by_id["reportReading"].example, "device_id": serial}}


def with_serial(operation, make=lambda world, role: {}):
    return lambda world, role: {**make(world, role), "body": {
        **world.spec.by_id[operation].example, "serial": uuid.uuid4().hex}}


def patrol_route(world, role):
    return {"ids": {"id": act(world, "community", "createPatrolRoute")["id"]}}


def new_plan(world, role):
    return {"body": {**world.spec.by_id["createPatrolPlan"].example, "route_id": patrol_route(world, role)["ids"]["id"]}}


def patrol_plan(world, role):
    need = new_plan(world, role)
    return {**need, "ids": {"id": act(world, "community", "createPatrolPlan", body=need["body"])["id"]}}


def patrol_task(world, role):
    """Today's, all day, of a plan in micro-grid A; residents walk where they are named."""
    today = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=8))).date().isoformat()
    made = act(world, "community", "createPatrolPlan", body={
        **new_plan(world, role)["body"], "rule": "FREQ=DAILY", "start_on": today, "from_minute": 0, "to_minute": 1440,
        "assignees": ["resident"] if role == "resident" else []})["id"]
    tasks = harness.wait_for(lambda: act(world, "community", "listPatrolTasks", params={"plan_id": made})["items"], "a task")
    return {"ids": {"id": tasks[0]["id"]}, "checkpoint": tasks[0]["checkpoints"][0]["id"]}


def patrol_point(world, role):
    need = patrol_task(world, role)
    return {**need, "body": {**world.spec.by_id["checkInPatrol"].example, "checkpoint_id": need["checkpoint"]}}


def safety_team(world, role):
    """One in which every role has a member."""
    example = world.spec.by_id["createSafetyTeam"].example
    return {"ids": {"id": act(world, "community", "createSafetyTeam", body={**example, "members": example["members"] + [
        {"login": "community", "kind": "grid_staff"}, {"login": "street", "kind": "emergency_office"}]})["id"]}}


COMMUNITY = "01900000-0000-8001-8000-100000000010"


def review(*steps):
    """The review of micro-grid A in a new campaign, written and brought along by these acts."""
    def prepare(world, role):
        made = act(world, "community", "startReviewCampaign")["id"]
        ids = {"id": act(world, "lead", "listGridReviews", params={"campaign_id": made})["items"][0]["id"]}
        whole = act(world, "lead", "writeGridReview", ids, headers={"If-Match": '"1"'})
        for step in steps:
            act(world, "community", step + "GridReview", ids)
        return {"ids": ids, "problem": whole["problems"][0]["id"]}
    return prepare


def review_campaign(world, role):
    return {"ids": {"id": act(world, "community", "startReviewCampaign")["id"]}}


def settled(world, role):
    need = review("submit", "confirm")(world, role)
    return {**need, "body": {"problem_id": need["problem"], "note": "车棚已建成"}}


def set_limit(world, per_lead):
    tag = world.street.get("/v1/task-limit").headers["ETag"]
    return act(world, "street", "putTaskLimit", body={"per_lead": per_lead}, headers={"If-Match": tag})


def admission(*steps):
    """Work proposed by the department, or to withdraw it by the caller, and brought along by the street."""
    def prepare(world, role):
        set_limit(world, 1000)
        ids = {"id": act(world, "street" if role == "street" and steps == ("own",) else "department", "createAdmission")["id"]}
        for step in steps:
            if step != "own":
                act(world, "street", step, ids)
        return {"ids": ids}
    return prepare


def grid_task(world, role):
    made = admission("approveAdmission")(world, role)["ids"]["id"]
    return {"ids": {"id": act(world, "lead", "listGridTasks", params={"admission_id": made})["items"][0]["id"]}}


NEEDS = {
    "getAdmission": admission(), "approveAdmission": admission(), "refuseAdmission": admission(), "withdrawAdmission": admission("own"),
    "getGridTask": grid_task, "finishGridTask": grid_task, "putTaskLimit": with_if_match("/v1/task-limit", lambda world, role: {"ids": {}}),
    "getGridReview": review(), "writeGridReview": with_if_match("/v1/grid-reviews/{id}", review()), "submitGridReview": review(),
    "returnGridReview": review("submit"), "confirmGridReview": review("submit"), "settleGridReview": settled,
    "getReviewCampaign": review_campaign, "endReviewCampaign": review_campaign,
    "updateReviewCampaign": with_if_match("/v1/review-campaigns/{id}", review_campaign),
    "takeSuggestion": in_state("submitted", kind="suggestion"),
    "getSafetyTeam": safety_team, "updateSafetyTeam": with_if_match("/v1/safety-teams/{id}", safety_team),
    "listSafetyInspections": safety_team, "inspectBySafetyTeam": safety_team,
    "getPatrolRoute": patrol_route, "updatePatrolRoute": with_if_match("/v1/patrol-routes/{id}", patrol_route),
    "createPatrolPlan": new_plan, "getPatrolPlan": lambda world, role: {"ids": patrol_plan(world, role)["ids"]},
    "updatePatrolPlan": with_if_match("/v1/patrol-plans/{id}", patrol_plan), "getPatrolTask": patrol_task,
    "checkInPatrol": patrol_point, "createHazardFromPatrol": patrol_task, "createTicketFromPatrol": patrol_task,
    "putClockPolicies": with_if_match("/v1/clock-policies", lambda world, role: {"ids": {}}),
    "getClock": clock_of, "requestExtension": clock_of,
    "grantExtension": asked_extension, "refuseExtension": asked_extension,
    "createEquipment": with_serial("createEquipment"), "replaceEquipment": with_serial("replaceEquipment", equipment),
    "updateEquipment": with_if_match("/v1/equipment/{id}", with_serial("updateEquipment", equipment)),
    "getEquipment": equipment, "retireEquipment": equipment, "inspectEquipment": equipment,
    "reportReading": lambda world, role: {"body": sensor(world, "merchant")["body"]}, "listReadings": equipment,
    "listEquipmentInspections": equipment_shown, "listEquipmentPhotos": equipment_shown,
    "downloadEquipmentPhoto": equipment_shown,
    "createHazardFromEquipment": lambda world, role: equipment(world, role, expires_on="2022-01-01"),
    "mergePerson": twins, "unmergePerson": merged, "tellPersonsApart": alike,
    "getHazard": hazard_shown, "listHazardEvents": hazard_shown, "listHazardPhotos": hazard_shown,
    "downloadHazardPhoto": hazard_shown, "issueHazardNotice": hazard_to_order, "assignHazard": hazard_escalated,
    "submitHazard": hazard_rectified, "reportHazardToAuthority": hazard_at_business,
    "confirmHazard": hazard_in("found"), "dismissHazard": hazard_in("found"), "regradeHazard": hazard_in("confirmed"),
    "startHazard": hazard_in("notice_issued"), "verifyHazard": hazard_in("submitted_for_recheck"),
    "failHazard": hazard_in("submitted_for_recheck"), "closeHazard": hazard_in("verified"),
    "createHazardFromTicket": in_state("accepted"),
    "putLedgers": with_if_match("/v1/ledgers", lambda world, role: {"ids": {}}),
    "listLedgerRows": lambda world, role: {"query": {"ledger": "rounds"}},
    "callTicket": in_state("escalated_community"), "dispatchTicket": in_state("called"),
    "getDispatch": part_in("dispatched"), "reportInDispatch": part_in("dispatched"), "startDispatch": part_in("reported_in"),
    "finishDispatch": part_in("in_progress"), "returnDispatch": part_in("dispatched"), "upholdDispatchReturn": part_in("return_asked"),
    "refuseDispatchReturn": part_in("return_asked"), "evaluateDispatch": part_in("done"),
    "getTicketRoute": in_state("called"), "putTicketRoutes": with_if_match("/v1/ticket-routes", lambda world, role: {"ids": {}}),
    "listDispatchPhotos": part_shown, "downloadDispatchPhoto": part_shown,
    "getExport": export, "deleteExport": export, "downloadExport": export,
    "issueToken": client_form,
    "createOidcSession": lambda world, role: {"body": {"id_token": world.issuer.known_to(world).token(groups=["wnc-street"])}},
    "getClient": own_client,
    "updateClient": with_if_match("/v1/clients/{id}", own_client),
    "addClientSecret": own_client,
    "revokeClientSecret": client_secret,
    "disableClient": own_client,
    "enableClient": own_client,
    "getOrg": lambda world, role: {"ids": {"id": ORG}},
    "updateOrg": with_if_match("/v1/orgs/{id}", own_org),
    "getStaff": staff,
    "createStaff": lambda world, role: {"body": {
        **world.spec.by_id["createStaff"].example, "login": "s" + uuid.uuid4().hex[:12]}},
    "grantStaffRole": staff,
    "endStaffRole": held_role,
    "disableStaff": staff,
    "enableStaff": staff,
    "resetStaffPassword": staff,
    "listStaffPosts": staff,
    "putStaffPost": staff,
    "handOverAssignment": lambda world, role: {
        **assignment(world, role), "body": {"to_account": "01900000-0000-8000-8000-300000000004"}},
    "createPerson": lambda world, role: {"body": {
        **world.spec.by_id["createPerson"].example, "dwelling_id": dwelling(world, role)["ids"]["id"]}},
    "getPerson": somebody,
    "updatePerson": with_if_match("/v1/persons/{id}", somebody),
    "unmaskPerson": unmasked,
    "createWard": lambda world, role: own_person(world) and {},
    "takeOverPerson": taken_over,
    "movePerson": lambda world, role: {**somebody(world, role), "body": {
        "dwelling_id": dwelling(world, role)["ids"]["id"], "kind": "tenant"}},
    "moveOutPerson": somebody, "linkPerson": somebody, "tagPerson": somebody, "listConsents": somebody,
    "requestApproval": somebody, "fileDataRequest": to_ask,
    "createHousehold": dwelling, "getHousehold": household, "tagHousehold": household,
    "updateHousehold": with_if_match("/v1/households/{id}", household),
    "listDwellingResidents": dwelling, "listDwellingOwners": dwelling,
    "createOwnership": share, "endOwnership": made_of("createOwnership", share),
    "createGuardianship": ward_of, "endGuardianship": made_of("createGuardianship", ward_of),
    "clearTag": tagged, "giveConsent": consent, "withdrawConsent": given,
    "approveApproval": asked_for, "refuseApproval": asked_for,
    "getDataRequest": data_request("filed"), "getDataCopy": data_request("fulfilled", "copy"),
    "verifyDataRequest": data_request("filed"), "startDataRequest": data_request("identity_verified"),
    "fulfilDataRequest": data_request("processing", "copy"), "refuseDataRequest": data_request("filed"),
    "getVisitPlan": own_plan, "endVisitPlan": own_plan,
    "createVisit": lambda world, role: {"body": visit_of(person_in(world))},
    "getVisit": own_visit, "reportVisit": own_visit, "cancelVisit": own_visit,
    "getVisitAlarm": raised_alarm, "dismissVisitAlarm": raised_alarm,
    "getDoorCampaign": own_campaign, "endDoorCampaign": own_campaign, "listDoorKnocks": own_campaign,
    "recordDoorKnock": knocked,
    "getDiary": own_diary, "raiseDiary": own_diary, "updateDiary": with_if_match("/v1/diary/{id}", own_diary),
    "getMediation": own_case(), "addMediationParty": own_case(), "assignMediator": own_case(), "acceptMediation": own_case(),
    "declineMediation": own_case(), "withdrawMediation": to_withdraw, "holdMediation": own_case("accept"),
    "failMediation": own_case("accept"), "agreeMediation": own_case("accept", "hold"),
    "followUpMediation": own_case("accept", "hold", "agree"), "closeMediation": own_case("accept", "hold", "agree", "followUp"),
    "getGridBoard": lambda world, role: {"ids": {"id": GRID}},
    "createCallback": in_state("replied"), "listCallbacks": in_state("replied"), "appealRating": in_state("closed"),
    "getAppeal": appealed, "upholdAppeal": appealed, "refuseAppeal": appealed,
    "createPairing": two_people, "getPairing": own_pairing, "endPairing": own_pairing,
    "uploadImport": table_upload, "getImport": table_import, "listImportRows": table_import,
    "commitImport": table_import, "dropImport": table_import,
    "createSession": lambda world, role: {"body": {"login": "resident", "password": "linli-demo"}},
    "refreshSession": refresh_token,
    "deleteSession": own_session,
    "requestSmsCode": lambda world, role: {"body": {"phone": phones.new(), "purpose": "login"}},
    "createSmsSession": lambda world, role: {"body": phones.proof(world, phones.new())},
    "createWechatSession": lambda world, role: {"body": {"code": f"login-{uuid.uuid4().hex}"}},
    "resetPassword": lambda world, role: {"body": reset(world)},
    "switchSession": by_somebody(),
    "changePassword": by_somebody(),
    "unbindLogin": by_somebody(bound_login),
    "bindPhone": by_somebody(lambda world, client, tokens: {"body": phones.proof(world, phones.new(), "bind")}),
    "bindWechat": by_somebody(lambda *_: {"body": {"code": f"login-{uuid.uuid4().hex}"}}),
    "bindWechatPhone": by_somebody(lambda *_: {"body": {"code": f"phone-{phones.new()}-{uuid.uuid4().hex}"}}),
    "enrolTotp": by_somebody(),
    "confirmTotp": by_somebody(unconfirmed),
    "dropTotp": by_somebody(lambda world, client, tokens: {"body": {"totp": second_factor(client)[1][0]}}),
    "revokeSession": by_somebody(lambda world, client, tokens: {"ids": {"id": tokens["session_id"]}}),
    "revokeOtherSessions": by_somebody(),
    "submitClaim": by_somebody(),
    "withdrawClaim": by_somebody(claim),
    "approveClaim": claimed,
    "rejectClaim": claimed,
    "getGrid": lambda world, role: {"ids": {"id": GRID}},
    "updateGrid": with_if_match("/v1/grids/{id}", new_grid),
    "listAssignments": lambda world, role: {"ids": {"id": GRID}},
    "createAssignment": new_grid,
    "endAssignment": assignment,
    "locateGrid": lambda world, role: {"query": {"lon": 104.085, "lat": 30.66, "crs": "wgs84"}},
    "listBoundaries": lambda world, role: WGS84,
    "listGridBoundaries": lambda world, role: {"ids": {"id": GRID}, **WGS84},
    "previewBoundaries": lambda world, role: WGS84,
    "commitBoundaries": lambda world, role: {"body": {
        "preview_id": (made := redraw(world, role))["id"], "fingerprint": made["fingerprint"]}},
    "getRedraw": lambda world, role: {"ids": {"id": redraw(world, role)["id"]}},
    "cancelRedraw": lambda world, role: {"ids": {"id": redraw(world, role)["id"]}},
    "listBuildings": lambda world, role: {"ids": {"id": COMPOUND}},
    "createBuilding": new_building,
    "getBuilding": building,
    "updateBuilding": with_if_match("/v1/buildings/{id}", lambda world, role: {
        **building(world, role), "body": {"name": uuid.uuid4().hex[:12]}}),
    "fillBuilding": building,
    "createDwelling": building,
    "getDwelling": dwelling,
    "updateDwelling": with_if_match("/v1/dwellings/{id}", dwelling),
    "getPartyOrg": party_org,
    "putPartyOrg": with_if_match("/v1/grids/{id}/party-org", party_org),
    "getDutyArea": duty_area,
    "updateDutyArea": with_if_match("/v1/duty-areas/{id}", duty_area),
    "getGridGroup": lambda world, role: {"ids": {"id": GROUP}},
    "updateGridGroup": with_if_match("/v1/grid-groups/{id}", lambda world, role: {"ids": {"id": GROUP}}),
    "listSimilarTickets": lambda world, role: {"query": {
        "category": "pets", "lon": 104.1, "lat": 30.66, "crs": "wgs84"}},
    "submitTicket": submit,
    "submitSourceTicket": brought, "updateSourceTicket": known, "joinSourceTicket": same_event, "joinTicketNumber": numbered,
    "updateTicket": with_if_match("/v1/tickets/{id}", in_state("submitted")),
    "startTicket": start,
    "transferTicket": transfer,
    "mergeTicket": merge,
    "supportTicket": in_state("submitted", by="resident2"),
    "unsupportTicket": supported,
    "getTicket": lambda world, role: {"ids": {"id": act(world, "program", "submitSourceTicket", body=brought(world, role)["body"])[
        "ticket_id"]}} if role == "client" else in_state("submitted")(world, role),
    "uploadPhoto": upload,
    "downloadPhoto": photo_of_ticket,
    **{operation: in_state(state) for operation, state in {
        "acceptTicket": "submitted", "rejectTicket": "submitted",
        "escalateTicket": "accepted", "suspendTicket": "in_progress", "resumeTicket": "suspended",
        "resolveTicket": "in_progress", "sendBackTicket": "resolved", "replyTicket": "resolved",
        "rateTicket": "replied", "reopenTicket": "replied", "withdrawTicket": "submitted",
        "thankTicket": "replied", "listTicketComments": "submitted", "addTicketComment": "submitted",
        "listTicketEvents": "submitted", "getTicketContact": "submitted", "listTicketPhotos": "submitted",
        "urgeTicket": "submitted", "superviseTicket": "submitted",
    }.items()},
}


def needs(world, op, role):
    """What the operation needs beside its example, made."""
    return NEEDS.get(op.id, lambda world, role: {})(world, role)


def call(world, op, role, body=None, method=None, headers=None, need=None):
    """The operation with everything right, by somebody in that role. body
    replaces the example's fields, a header of None is left out."""
    need = needs(world, op, role) if need is None else need
    client = getattr(world, PERSON[role]) if role else world.client()
    path = op.template.format(**need.get("ids", {}))
    sent = need.get("body", op.example)
    if body is not None:
        sent = {**body, **{k: v for k, v in need.get("body", {}).items() if k.endswith(("_id", "_token"))}}
    merged = {**need.get("headers", {}), **(headers or {})}
    return client(method or op.method, path, json=None if "data" in need else sent, data=need.get("data"),
                  params=need.get("query"), headers={k: v for k, v in merged.items() if v is not None})
