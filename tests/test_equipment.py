"""The register of extinguishers and other equipment: what expires, who looks
at it, and the story of 泉水社区第九网格."""

import datetime
import os
import signal
import uuid

import harness
import samples
import story
from story import A, B, together, upload, walk
from test_hazards import BUREAU, SHOP, act, due, told


def day(n):
    today = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=8))).date()
    return (today + datetime.timedelta(n)).isoformat()


def enter(client, status=201, **fields):
    reply = client.post("/v1/equipment", {"kind": "extinguisher", "serial": uuid.uuid4().hex, "place": "3栋2单元5楼",
                                          "grid_id": A, "org_id": SHOP, **fields})
    assert reply.status_code == status, reply.text
    return reply.json()["id"] if status < 300 else reply.json()["code"]


def go(client, piece, verb, status=200, **body):
    reply = client.post(f"/v1/equipment/{piece}/{verb}", body)
    assert reply.status_code == status, reply.text
    return reply.json() if status < 300 else reply.json()["code"]


def show(client, piece):
    reply = client.get(f"/v1/equipment/{piece}")
    return reply.json() if reply.status_code == 200 else reply.status_code


def events(world, piece):
    return [a for a, in world.sql("select action from core.event where subject_id = %s order by xact, id", piece)]


# 泉水社区第九网格 ------------------------------------------------------------------

def test_the_expired_extinguisher_of_quanshui(shared):
    """Article 002: in the ninth grid of 泉水社区 the stewards of the 小巷管家 see that
    the extinguisher in a stairwell has expired, and get the property company to replace it."""
    made = lambda operation, **body: samples.act(shared, "street", operation, body=body)
    ninth = made("createGrid", parent_id="01900000-0000-8001-8000-100000000020", kind="general", name="第九网格", serial=9)["id"]
    lane = made("createGrid", parent_id=ninth, kind="micro", name="小巷管家微网格")["id"]
    property_company = made("createOrg", kind="property", name="泉水物业")["id"]

    def hire(role, **where):
        login = "q" + uuid.uuid4().hex[:10]
        given = made("createStaff", login=login, name="小巷管家" if role == "grid_lead" else "物业经理", staff_role=role, **where)
        token = shared.client().post("/v1/sessions", {"login": login, "password": given["password"], "role": role}).json()
        return harness.Client(shared.server.url, token["access_token"], shared.spec.check_reply)
    steward, manager = hire("grid_lead", grid_id=lane), hire("merchant", org_id=property_company)

    piece = enter(steward, kind="extinguisher", serial="MFZ/ABC4-0917", place="泉水小区9栋楼道", grid_id=lane,
                  org_id=property_company, made_on=day(-1900), expires_on=day(-1), inspect_days=30)
    assert show(steward, piece)["expired"] and show(manager, piece)["expired"] and show(shared.merchant, piece) == 404
    assert [p["id"] for p in walk(steward, "/v1/equipment", expired="true")] == [piece]

    h = go(steward, piece, "hazard", 201, due_at=due(3), note="请更换")
    assert (h["title"], h["status"], h["grade"], h["kind"]) == ("灭火器过期", "notice_issued", "general", "fire")
    assert (h["org_name"], h["source"], h["source_id"], h["address"]) == ("泉水物业", "equipment", piece, "泉水小区9栋楼道")
    assert told(steward, h["id"]) == ["report", "confirm", "issue_notice"] and told(manager, h["id"]) == ["issue_notice"]
    assert go(steward, piece, "hazard", 409, due_at=due(3)) == "hazard_open"

    act(manager, h["id"], "start")
    new = go(manager, piece, "replace", 201, serial="MFZ/ABC4-1203", made_on=day(-30), expires_on=day(1795))
    assert (new["place"], new["org_id"], new["expired"], new["installed_on"]) == (
        "泉水小区9栋楼道", property_company, False, day(0))
    assert (show(steward, piece)["status"], show(steward, piece)["replaced_by"]) == ("replaced", new["id"])
    act(manager, h["id"], "submit", note="已更换", photo_ids=[upload(manager)])
    act(steward, h["id"], "verify", note="压力正常")
    assert act(shared.community2, h["id"], "close")["status"] == "closed"
    assert walk(steward, "/v1/equipment", expired="true") == []
    assert [e for e in events(shared, piece) if e != "expired"] == ["create", "hazard", "replace"]


# Reminders -----------------------------------------------------------------------------

def test_each_date_is_told_of_once(world):
    """By the job, whatever becomes of it between."""
    soon, gone, fine = enter(world.lead, expires_on=day(31)), enter(world.lead, expires_on=day(-1)), enter(world.lead)
    looked = enter(world.lead, inspect_days=2, installed_on=day(-1))
    harness.wait_for(lambda: "expired" in events(world, gone), "the job")
    assert [events(world, p) for p in (soon, gone, fine, looked)] == [["create"], ["create", "expired"], ["create"], ["create"]]
    world.set_clock("1 day")
    harness.wait_for(lambda: "expiring" in events(world, soon) and "inspection_due" in events(world, looked), "the job")
    job = world.server.pid("job")
    os.kill(job, signal.SIGKILL)
    harness.wait_for(lambda: world.server.pid("job") not in (None, job), "another job process")
    world.set_clock("32 days")
    harness.wait_for(lambda: "expired" in events(world, soon), "the job")
    assert [events(world, p) for p in (soon, gone, fine, looked)] == [
        ["create", "expiring", "expired"], ["create", "expired"], ["create"], ["create", "inspection_due"]]
    # another date is another matter
    world.sql("update field.equipment set expires_on = expires_on + 2 where id = %s", gone)
    harness.wait_for(lambda: events(world, gone).count("expired") == 2, "the job")
    assert world.sql("select count(*) from core.event where action in ('expiring', 'expired', 'inspection_due')")[0][0] == 5


def test_borders_of_days(shared):
    """Good through its last day; spoken of thirty days before."""
    today = shared.sql("select field.remind_on(%s, null, null, null, null)::text", day(0))[0][0]
    assert today == day(-30)
    told = lambda told: shared.sql("select field.remind_on(%s, %s, %s, %s, %s)::text", day(9), day(20), *told)[0][0]
    assert (told((None, None, None)), told((day(9), None, None)), told((day(9), day(9), None)),
            told((day(9), day(9), day(20))), told((day(8), day(9), day(20)))) == (day(-21), day(10), day(20), None, day(-21))
    assert show(shared.lead, enter(shared.lead, expires_on=day(0)))["expired"] is False
    assert show(shared.lead, enter(shared.lead, expires_on=day(-1)))["expired"] is True


# Inspections -------------------------------------------------------------------------

def test_inspections_put_off_the_next(shared):
    piece = enter(shared.lead, installed_on=day(-40), inspect_days=30)
    assert (show(shared.lead, piece)["inspect_on"], show(shared.lead, piece)["inspection_overdue"]) == (day(-10), True)
    picture = upload(shared.merchant)
    done = go(shared.merchant, piece, "inspections", 201, ok=True, note="正常", photo_ids=[picture])
    assert (done["on_day"], done["role"], done["mine"]) == (day(0), "merchant", True)
    assert (show(shared.lead, piece)["inspect_on"], show(shared.lead, piece)["inspection_overdue"]) == (day(30), False)
    # one entered late changes nothing
    go(shared.lead, piece, "inspections", 201, ok=False, on_day=day(-5))
    assert (show(shared.lead, piece)["inspected_on"], show(shared.lead, piece)["inspected_ok"]) == (day(0), True)
    assert go(shared.lead, piece, "inspections", 422, ok=True, on_day=day(1)) == "time_ahead"
    assert [i["ok"] for i in walk(shared.lead, f"/v1/equipment/{piece}/inspections", limit=1)] == [True, False]
    photo = f"/v1/equipment/{piece}/photos/{picture}"
    assert [w.get(photo).status_code for w in (shared.lead, shared.merchant, shared.department, shared.lead_next)] == [200, 200, 404, 404]
    assert [p["stage"] for p in walk(shared.lead, f"/v1/equipment/{piece}/photos")] == ["inspect"]


def test_what_is_in_order_is_no_hazard(shared):
    piece = enter(shared.lead, expires_on=day(9), org_id=None)
    assert go(shared.lead, piece, "hazard", 409, due_at=due(3)) == "equipment_in_order"
    go(shared.lead, piece, "inspections", 201, ok=False, note="喷管破裂")
    assert go(shared.lead, piece, "hazard", 422, due_at=due(3)) == "org_not_found"  # whose is it
    assert go(shared.lead, piece, "hazard", 422, due_at=due(-3), org_id=BUREAU) == "deadline_past"
    assert go(shared.street, piece, "hazard", 403, due_at=due(3)) == "role_not_allowed"
    assert walk(shared.lead, "/v1/hazards", source_id=piece) == []
    h = go(shared.community, piece, "hazard", 201, due_at=due(3), org_id=BUREAU, grade="serious")
    assert (h["title"], h["grade"], h["org_id"]) == ("灭火器检查不合格", "serious", BUREAU)


# The register --------------------------------------------------------------------------

def test_the_record_and_its_rules(shared):
    serial = uuid.uuid4().hex
    piece = enter(shared.lead, serial=serial)
    assert enter(shared.lead, 409, serial=serial) == "serial_taken"
    assert show(shared.lead, enter(shared.lead, serial=serial, kind="aed"))["kind"] == "aed"
    for wrong in ({"made_on": day(0), "installed_on": day(-1)}, {"made_on": day(0), "expires_on": day(0)}):
        assert enter(shared.lead, 422, **wrong) == "dates_invalid"
    assert enter(shared.lead, 422, grid_id=B) == "grid_not_found"
    assert enter(shared.lead, 422, org_id="01900000-0000-8002-8000-600000000001") == "org_not_found"
    body = {"kind": "extinguisher", "serial": serial, "place": "4楼", "grid_id": A}
    etag = shared.lead.get(f"/v1/equipment/{piece}").headers["ETag"]
    put = lambda: shared.lead.put(f"/v1/equipment/{piece}", body, headers={"If-Match": etag})
    assert put().json()["org_id"] is None and put().status_code == 412
    assert show(shared.merchant, piece) == 404
    assert go(shared.lead, piece, "retire", reason="已拆除")["status"] == "retired"
    assert go(shared.lead, piece, "retire", 409, reason="已拆除") == "equipment_not_in_use"
    assert go(shared.lead, piece, "replace", 409, serial="x", expires_on=day(9)) == "equipment_not_in_use"
    assert go(shared.lead, enter(shared.lead), "replace", 422, serial="y", expires_on=day(0)) == "dates_invalid"


def test_two_replace_it_at_once(shared):
    clients = [shared.client("lead"), shared.client("merchant")]
    for _ in range(4):
        piece = enter(shared.lead)
        replies = together(2, lambda i: clients[i].post(f"/v1/equipment/{piece}/replace", {
            "serial": uuid.uuid4().hex, "expires_on": day(900)}))
        assert sorted(r.status_code for r in replies) == [201, 409]


def test_what_is_due_first_comes_first(world):
    pieces = [enter(world.lead, expires_on=day(50)), enter(world.lead), enter(world.lead, expires_on=day(9)),
              enter(world.lead, installed_on=day(0), inspect_days=20, expires_on=day(99)), enter(world.lead_next, grid_id=B, expires_on=day(1))]
    listed = lambda who, **q: [pieces.index(p["id"]) for p in walk(who, "/v1/equipment", limit=2, **q)]
    assert listed(world.community) == [4, 2, 3, 0, 1] and listed(world.lead) == [2, 3, 0, 1] == listed(world.community, under=A)
    assert listed(world.community, due_before=day(20)) == [4, 2] == listed(world.community, due_before=day(10))
    assert listed(world.merchant) == [4, 2, 3, 0, 1] and listed(world.department) == listed(world.community2) == []
    go(world.lead, pieces[2], "retire", reason="已拆除")
    assert listed(world.community, status="in_use") == [4, 3, 0, 1] and listed(world.street, status="retired") == [2]
    assert listed(world.street, kind="aed") == [] == listed(world.street, expired="true")
    assert listed(world.street, q=world.sql("select serial from field.equipment where id = %s", pieces[1])[0][0]) == [1]


def test_it_goes_along_when_its_ground_changes_hands(world):
    piece = enter(world.lead, grid_id=None, position={"lon": 104.092, "lat": 30.66, "crs": "wgs84"})
    go(world.lead, piece, "inspections", 201, ok=True)
    story.redraw(world.community, story.feature(A, story.box(104.08, 30.655, 104.09, 30.67)),
                 story.feature(B, story.box(104.09, 30.655, 104.1, 30.67)))
    assert show(world.lead, piece) == 404 and show(world.lead_next, piece)["grid_id"] == B
    assert len(walk(world.lead_next, f"/v1/equipment/{piece}/inspections")) == 1
