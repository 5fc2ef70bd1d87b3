"""Places: boundaries that change over time, positions that find their grid,
addresses, region codes, Party organisations."""

import json

import harness
import pytest
import samples
from story import (A, B, C, COMPOUND, D, GENERAL, MASTER, ROOT, SPECIAL, actions, box, commit, feature,
                   preview, read, redraw, shape, sign_in, submit, together, walk)

GENERAL2, GENERAL3 = "01900000-0000-8001-8000-100000000014", "01900000-0000-8001-8000-100000000021"
SOUTH, MIDDLE, NORTH = 30.655, 30.6625, 30.67
WEST, LINE, EAST = 104.08, 104.0925, 104.1  # of A and B


def locate(client, lon, lat, crs="wgs84"):
    reply = client.get("/v1/grids/locate", params={"lon": lon, "lat": lat, "crs": crs})
    assert reply.status_code in (200, 404), reply.text
    return reply.json()["grid_id"] if reply.status_code == 200 else reply.json()["code"]


def boundaries(client, **query):
    reply = client.get("/v1/boundaries", params={"crs": "wgs84", **query})
    assert reply.status_code == 200, reply.text
    return reply.json()["features"]


def ring(geometry):
    return [tuple(p) for p in geometry["coordinates"][0][0]]


def turn(points):
    """Twice the signed area: above zero = counter-clockwise."""
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(points, points[1:]))


# Where is this -----------------------------------------------------------------

def test_a_position_has_one_grid(shared):
    assert locate(shared.resident, 104.085, 30.66) == A
    assert locate(shared.resident, 104.095, 30.66) == B
    assert locate(shared.resident, 104.09, 30.672) == SPECIAL, "no micro-grid there"
    assert locate(shared.resident, 104.2, 30.66) == "no_grid_here"
    assert locate(shared.resident_far, 104.085, 30.66) == "no_grid_here", "another street's"
    # on an edge, and on the corner of four: always the first of the tree
    assert {locate(shared.resident, LINE, 30.655 + i / 1000) for i in range(16)} == {A}
    assert {locate(c, EAST, NORTH) for c in (shared.lead, shared.community, shared.street) for _ in range(5)} == {B}
    place = shared.resident.get("/v1/grids/locate", params={"lon": 104.085, "lat": 30.66, "crs": "wgs84"}).json()
    assert place["leads"] == shared.resident.get(f"/v1/grids/{A}").json()["leads"] != []
    assert [a["grid_id"] for a in place["above"]] == [ROOT, MASTER, GENERAL]
    assert place["position"] == {"lon": 104.085, "lat": 30.66, "crs": "wgs84"}


def test_both_systems_meet_within_half_a_metre(shared):
    """What is given in one comes back in the other, and finds the same grid."""
    for i in range(40):
        lon, lat = 104.081 + i * 0.0006, 30.656 + i * 0.0003
        here = {"lon": lon, "lat": lat}
        there = shared.resident.get("/v1/grids/locate", params={**here, "crs": "wgs84"}).json()
        moved = there["position_gcj02"]
        back = shared.resident.get("/v1/grids/locate", params=moved).json()
        assert back["grid_id"] == there["grid_id"]
        assert abs(back["position"]["lon"] - lon) * 95_800 < 0.25 and abs(back["position"]["lat"] - lat) * 110_900 < 0.25
        assert 100 < abs(moved["lon"] - lon) * 95_800 < 500, "GCJ-02 is hundreds of metres off"
    # by the line, the system decides: the same figures are two grids
    assert locate(shared.resident, LINE + 0.001, 30.66, "wgs84") == B
    assert locate(shared.resident, LINE + 0.001, 30.66, "gcj02") == A


def test_a_ticket_finds_its_grid(world):
    in_b = {"lon": 104.095, "lat": 30.66, "crs": "wgs84"}
    ticket = {**samples.TICKET, "position": in_b}
    assert submit(world.resident, **ticket)["grid_id"] == B, "not home, where the phone is"
    assert submit(world.resident, **ticket, grid_id=C)["grid_id"] == C, "who names a grid means it"
    assert submit(world.resident, **samples.TICKET)["grid_id"] == A, "at home without a position"
    outside = {**ticket, "position": {**in_b, "lon": 104.2}}
    refused = submit(world.resident, 422, **outside)
    assert (refused["code"], refused["errors"][0]["pointer"]) == ("position_outside", "/position")
    assert submit(world.resident, **outside, grid_id=A)["grid_id"] == A
    by_lead = {**ticket, "on_behalf": {"name": "张婆婆"}}
    assert submit(world.lead, 422, **by_lead)["code"] == "grid_not_found", "a lead writes down what is in reach"
    assert submit(world.lead_next, **by_lead)["grid_id"] == B
    # a phone's GCJ-02 by the line
    phone = {**samples.TICKET, "position": {"lon": LINE + 0.001, "lat": 30.66, "crs": "gcj02"}}
    assert submit(world.resident, **phone)["grid_id"] == A
    # a street without a map has nothing to hold a position against
    world.sql("delete from grid.boundary where street_id = 1")
    assert submit(world.resident, **outside)["grid_id"] == A


# Maps --------------------------------------------------------------------------

def test_boundaries_as_geojson(shared):
    found = {f["id"]: f for f in boundaries(shared.resident)}
    assert len(found) == 12 and found[A]["properties"]["kind"] == "micro"
    assert all(f["geometry"]["type"] == "MultiPolygon" and turn(ring(f["geometry"])) > 0 for f in found.values())
    assert "crs" not in json.dumps(list(found.values()))
    lons, lats = zip(*ring(found[A]["geometry"]))
    assert (min(lons), max(lons), min(lats), max(lats)) == (WEST, LINE, SOUTH, NORTH)
    assert found[A]["properties"]["area_m2"] == pytest.approx(12.5 * 15 * 95.8 * 110.9, rel=0.01)
    assert {f["id"] for f in boundaries(shared.resident, kind="micro", under=GENERAL)} == {A, B}
    assert {f["id"] for f in boundaries(shared.lead, kind="micro", bbox="104.101,30.656,104.109,30.66")} == {C}
    assert {f["id"] for f in boundaries(shared.resident, kind="micro", bbox="104.09,30.656,104.093,30.66")} == {A, B}
    assert boundaries(shared.resident, on_date="2023-12-31") == []
    page = shared.street.get("/v1/boundaries?crs=wgs84&limit=3").json()
    assert len(page["features"]) == 3 and page["truncated"]
    assert {f["id"] for f in boundaries(shared.resident_far)}.isdisjoint(found)


def test_maps_are_cheap_to_ask_again(shared):
    path = "/v1/boundaries?crs=gcj02&kind=micro&zoom=14"
    first = shared.resident.get(path)
    again = shared.lead.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    other = shared.resident.get(path.replace("gcj02", "wgs84"))
    assert other.headers["ETag"] != first.headers["ETag"]


def test_lines_get_simpler_with_the_zoom(world):
    """A jagged line of 400 corners, of no use to a map of the city."""
    top = [c for i in range(200) for c in (LINE - i * 0.00006, NORTH - 0.0003 * (i % 2) - 0.0001 * (i % 3))]
    redraw(world.community, feature(A, shape(WEST, SOUTH, LINE, SOUTH, LINE, NORTH - 0.001, *top, WEST, NORTH - 0.001)))
    corners = [len(ring(boundaries(world.resident, kind="micro", bbox="104.085,30.656,104.086,30.657", zoom=z)[0]
                        ["geometry"])) for z in (18, 14, 11, 5)]
    assert corners[0] > 180 and corners[0] > corners[1] > corners[2] >= corners[3] >= 4, corners


# What is refused -----------------------------------------------------------------

def refused(client, geometry, grid=A, crs="wgs84"):
    return preview(client, feature(grid, geometry), status=422, crs=crs)


@pytest.mark.parametrize("geometry, code", [
    (shape(104.081, 30.656, 104.09, 30.66, 104.09, 30.656, 104.081, 30.66), "boundary_crosses_itself"),
    ({"type": "Point", "coordinates": [104.085, 30.66]}, "boundary_malformed"),
    ({"type": "Polygon", "coordinates": "x"}, "boundary_malformed"),
    ({"type": "Polygon", "coordinates": []}, "boundary_malformed"),
    ({"type": "Polygon", "coordinates": [[[104.081, 30.656], [104.09]]]}, "boundary_malformed"),
    ({"type": "Polygon", "coordinates": [[["a", "b"], [104.09, 30.66], [104.085, 30.66], ["a", "b"]]]}, "boundary_malformed"),
    ({"type": "Polygon", "coordinates": [[[1e300, 1e300], [104.09, 30.66], [104.085, 30.66], [1e300, 1e300]]]},
     "boundary_malformed"),
    ({"type": "Polygon"}, "boundary_malformed"), ({}, "boundary_malformed"), (None, None),
    ({"type": "Polygon", "coordinates": [[[104.081, 30.656], [104.09, 30.656], [104.09, 30.66], [104.081, 30.66]]]},
     "boundary_open_ring"),
    ({"type": "Polygon", "coordinates": [*box(104.081, 30.656, 104.083, 30.658)["coordinates"],
                                         *box(104.085, 30.656, 104.087, 30.658)["coordinates"]]}, "boundary_rings_misplaced"),
    (shape(*[c for i in range(5001) for c in (104.081 + i * 1e-6, 30.656 + (i % 2) * 1e-5)], 104.09, 30.669),
     "boundary_too_detailed"),
    (box(WEST, SOUTH, 104.093, NORTH), "boundary_overlaps"),
    (box(104.07, SOUTH, LINE, NORTH), "boundary_outside_parent"),
    ({**box(WEST, SOUTH, LINE, NORTH), "crs": {"type": "name"}}, "boundary_malformed"),
])
def test_what_is_no_boundary(shared, geometry, code):
    if code:
        assert refused(shared.community, geometry) == (code, "/features/0/geometry")
        reply = shared.community.post("/v1/boundaries/preview?crs=wgs84", {
            "type": "FeatureCollection", "features": [feature(A, geometry)]}, headers={"Accept-Language": "zh"})
        assert "ST_" not in reply.text and "ontainer" not in reply.text
    else:
        # no geometry and nothing that came before: the ground it has
        assert preview(shared.community, feature(A, None))["moves"] == []


def test_a_parent_must_still_hold_its_children(shared):
    assert refused(shared.street, box(WEST, SOUTH, 104.098, NORTH), GENERAL) == ("boundary_leaves_child", "/features/0/geometry")


def test_slivers_do_not_count(world):
    """How people draw: a corner 2 cm off is no overlap, no overhang, no gap."""
    off = 2e-7
    seen = preview(world.community, feature(A, box(WEST - off, SOUTH - off, LINE + off, NORTH)))
    assert seen["gaps"] == []
    assert refused(world.community, box(WEST, SOUTH, LINE + 1e-5, NORTH))[0] == "boundary_overlaps"
    assert commit(world.community, seen)["state"] == "done"
    assert locate(world.resident, LINE, 30.66) == A


def test_gaps_are_told(world):
    seen = redraw(world.community, feature(A, box(WEST, SOUTH, 104.09, NORTH)))
    gap, = seen["gaps"]
    assert (gap["grid_id"], gap["area_m2"]) == (GENERAL, pytest.approx(2.5 * 15 * 95.8 * 110.9, rel=0.01))
    lons, _ = zip(*ring(gap["geometry"]))
    assert (min(lons), max(lons)) == (104.09, LINE)
    assert locate(world.resident, 104.091, 30.66) == "no_grid_here"


def test_which_redraws_make_no_sense(shared):
    here = box(WEST, SOUTH, LINE, NORTH)
    both = [feature(A, here), feature(A, here)]
    assert preview(shared.community, *both, status=422) == ("feature_repeated", "/features/1/id")
    assert preview(shared.community, feature(A, here), close=[A], status=422) == ("feature_repeated", "/close")
    assert preview(shared.community, status=422) == ("redraw_empty", "/features")
    assert preview(shared.community, feature(A, here), from_on="2020-01-01", status=422) == ("date_passed", "/from_on")
    odd = shared.community.post("/v1/boundaries/preview?crs=wgs84", {
        "type": "FeatureCollection", "features": [feature(A, here)],
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4547"}}})
    assert (odd.status_code, odd.json()["code"]) == (422, "boundary_crs")
    usual = shared.community.post("/v1/boundaries/preview?crs=wgs84", {
        "type": "FeatureCollection", "name": "export", "features": [{**feature(A, here), "bbox": [1, 2, 3, 4]}],
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}})
    assert usual.status_code == 201, "as GDAL writes it"
    new = {"parent_id": GENERAL, "kind": "micro", "name": "新微网格"}
    for broken, fault in [({"parent_id": "01900000-0000-8002-8000-100000000011"}, ("grid_not_found", "parent_id")),
                          ({"parent_id": GENERAL3}, ("grid_not_found", "parent_id")),
                          ({"kind": "general"}, ("grid_kind_mismatch", "kind")),
                          ({"name": "  "}, ("grid_name_required", "name")),
                          ({"predecessors": [D]}, ("grid_not_found", "predecessors"))]:
        assert preview(shared.community, feature(None, here, **{**new, **broken}), status=422) == (
            fault[0], f"/features/0/properties/{fault[1]}"), broken
    assert preview(shared.community, feature(D, here), status=422) == ("grid_not_found", "/features/0/id")
    assert preview(shared.community, close=[D], status=422) == ("grid_not_found", "/close/0")
    assert preview(shared.street, close=[GENERAL], status=422) == ("grid_has_children", "/close")



# Addresses ---------------------------------------------------------------------

def build(client, name, lon=None, lat=30.66, compound=COMPOUND, **fields):
    position = {"lon": lon, "lat": lat, "crs": "wgs84"} if lon else None
    reply = client.post(f"/v1/compounds/{compound}/buildings", {"name": name, "position": position, **fields})
    assert reply.status_code == 201, reply.text
    return reply.json()["id"]


def fill(client, building, status=200, units=1, floors=6, per_floor=2, **fields):
    reply = client.post(f"/v1/buildings/{building}/fill", {
        "units": units, "floors": floors, "per_floor": per_floor, **fields})
    assert reply.status_code == status, reply.text
    return (reply.json()["created"], reply.json()["kept"]) if status == 200 else reply.json()["code"]


def house(client, building, status=201, **fields):
    reply = client.post(f"/v1/buildings/{building}/dwellings", fields)
    assert reply.status_code == status, reply.text
    return reply.json() if status == 201 else reply.json()["code"]


def test_a_yard_of_96_households_is_typed_in_once(world):
    """落虹桥街6号院: two buildings, 96 dwellings, nobody types them one by one."""
    one, two = build(world.community, "1栋", 104.085), build(world.community, "2栋", 104.095)
    assert fill(world.community, one, units=4, floors=6, per_floor=2, area=6875) == (48, 0)
    assert house(world.community, two, unit="2单元", number="302", area=7001)["grid_id"] == B
    assert fill(world.community, two, units=4) == (47, 1), "who was there stays as he was"
    assert fill(world.community, two, units=4) == (0, 48)
    found = walk(world.community, "/v1/dwellings", limit=30, compound_id=COMPOUND)
    assert len(found) == 96 == len({(d["building_id"], d["unit"], d["number"]) for d in found})
    assert {(d["grid_id"], d["area"]) for d in found} == {(A, 6875), (B, None), (B, 7001)}
    assert {len(walk(c, "/v1/dwellings")) for c in (world.lead, world.lead2, world.lead_next)} == {48}
    assert len(walk(world.lead_general, "/v1/dwellings", limit=7)) == 96
    assert walk(world.community2, "/v1/dwellings") == [] == walk(world.lead_ended, "/v1/dwellings")
    assert world.resident.get("/v1/dwellings").status_code == 403
    first = world.resident.get(f"/v1/compounds/{COMPOUND}/buildings").json()["items"]
    assert [(b["name"], b["serial"], len(b["units"])) for b in first] == [("1栋", 1, 4), ("2栋", 2, 4)]


def test_what_addresses_refuse(shared):
    nowhere = build(shared.community, "无名楼")
    assert fill(shared.community, nowhere, 422) == "grid_required"
    assert fill(shared.community, nowhere, 422, grid_id=D) == "grid_not_found", "another community's"
    assert fill(shared.community, nowhere, 422, grid_id=GENERAL) == "grid_not_for_tickets"
    assert fill(shared.community, nowhere, 422, units=20, floors=99, per_floor=40) == "too_many_dwellings"
    assert house(shared.community, nowhere, number="101", grid_id=A)["grids"][0]["grid_id"] == A
    assert house(shared.community, nowhere, 409, number="101", grid_id=A) == "dwelling_number_taken"
    assert house(shared.community, nowhere, unit="2单元", number="101", grid_id=A)["unit"] == "2单元"
    taken = shared.community.post(f"/v1/compounds/{COMPOUND}/buildings", {"name": "无名楼"})
    assert (taken.status_code, taken.json()["code"]) == (409, "building_name_taken")
    taken = shared.community.post(f"/v1/compounds/{COMPOUND}/buildings", {"name": "x", "serial": 1})
    assert (taken.status_code, taken.json()["code"]) == (409, "building_serial_taken")
    assert shared.community2.post(f"/v1/compounds/{COMPOUND}/buildings", {"name": "x"}).status_code == 404


def test_an_address_is_edited_safely(shared):
    home = house(shared.community, build(shared.community, "改房楼", 104.085), number="201", floor=2)
    path = f"/v1/dwellings/{home['id']}"
    tag = shared.community.get(path).headers["ETag"]
    body = {"number": "201", "area": 8888, "grid_id": B}
    moved = shared.community.put(path, body, headers={"If-Match": tag})
    assert moved.status_code == 200 and (moved.json()["grid_id"], moved.json()["floor"]) == (B, None)
    assert [g["grid_id"] for g in moved.json()["grids"]] == [B], "who moves twice in a day was never in between"
    assert shared.community.put(path, body, headers={"If-Match": tag}).status_code == 412
    assert shared.lead.get(path).status_code == 404 and shared.lead_next.get(path).status_code == 200
    kept = shared.community.put(path, {"number": "201"}, headers={"If-Match": moved.headers["ETag"]}).json()
    assert (kept["grid_id"], kept["area"]) == (B, None)


# The ground changes hands --------------------------------------------------------

TWELVE = 104.091  # the line moves here; the building of the twelve households is at 104.0915
CUT = (feature(A, box(WEST, SOUTH, TWELVE, NORTH)), feature(B, box(TWELVE, SOUTH, EAST, NORTH)))


def settle_twelve(world):
    """A building of 12 households by the line, one of 4 far from it, and
    tickets: open and closed ones by the line, one from the depth of A."""
    strip, deep = build(world.community, "12户楼", 104.0915), build(world.community, "深院", 104.083)
    assert fill(world.community, strip) == (12, 0) and fill(world.community, deep, floors=2) == (4, 0)
    by_line = {"lon": 104.0915, "lat": 30.66, "crs": "wgs84"}
    make = lambda state, **f: samples.ticket(world, state, **f)  # noqa: E731
    return {"open": make("accepted", position=by_line), "closed": make("closed", position=by_line),
            "deep": make("accepted", position={**by_line, "lon": 104.083}), "plain": make("accepted"),
            # named A, though the phone was in B: no line that moves between them passes over it
            "named": make("accepted", position={**by_line, "lon": 104.098}, grid_id=A)}


def check_moved(world, t):
    """What rule 13 says of a boundary that moved."""
    assert len(walk(world.lead, "/v1/dwellings")) == 4 and len(walk(world.lead_next, "/v1/dwellings")) == 12
    assert world.lead.get(f"/v1/tickets/{t['open']}").status_code == 404, "A's lead loses what moved"
    assert read(world.lead_next, t["open"])["grid_id"] == B
    assert actions(world.resident, t["open"]).count("transfer") == 1
    for stays in ("closed", "deep", "plain", "named"):
        assert read(world.lead, t[stays])["grid_id"] == A, stays
    new = submit(world.resident, **{**samples.TICKET, "position": {"lon": 104.0915, "lat": 30.66, "crs": "wgs84"}})
    assert new["grid_id"] == B
    # statistics: what was over before that day stays with A
    figures = {g: world.community.get("/v1/tickets/summary", params={"under": g}).json() for g in (A, B)}
    assert [(f["total"], f["open"]) for f in figures.values()] == [(4, 3), (2, 2)]
    assert world.lead.get(f"/v1/tickets/{new['id']}").status_code == 404
    assert read(world.lead_next, new["id"])["id"] == new["id"]


def test_twelve_households_between_two_micro_grids(world):
    """边界调整: twelve households go from A to B, seen before it is done."""
    t = settle_twelve(world)
    seen = preview(world.community, *CUT, note="12户楼划归二微网格")
    assert (seen["state"], seen["needs_street"], seen["gaps"]) == ("preview", False, [])
    assert seen["moves"] == [{
        "from_grid_id": A, "from_name": "双福苑一微网格", "to_grid_id": B, "to_name": "双福苑二微网格",
        "dwellings": 12, "households": 12, "open_tickets": 1}]
    assert [(e["name"], e["effect"]) for e in seen["leads"]] == [
        ("彭晓敏", "loses"), ("蒋明华", "loses"), ("罗玉琴", "gains")]
    assert [(g["change"], g["area_m2"] < g["area_before_m2"]) for g in seen["grids"]] == [("set", True), ("set", False)]
    # nothing has changed yet
    assert len(walk(world.lead, "/v1/dwellings")) == 16 and read(world.lead, t["open"])["grid_id"] == A
    assert locate(world.resident, 104.0915, 30.66) == A
    done = commit(world.community, seen)
    assert (done["state"], done["moves"]) == ("done", seen["moves"])
    check_moved(world, t)
    twelve = walk(world.community, "/v1/dwellings", under=B)[0]
    assert twelve["grids"][-1] == {"grid_id": B, "from_on": done["from_on"], "to_on": None}
    old, new = world.resident.get(f"/v1/grids/{A}/boundaries?crs=wgs84").json()["features"]
    assert old["properties"]["to_on"] == new["properties"]["from_on"] == done["from_on"]
    assert commit(world.community, seen, 409) == "redraw_committed"


def test_a_redraw_of_tomorrow_waits_for_its_day(world):
    for name in ("resident", "lead", "lead_next", "community"):  # who are still there tomorrow
        setattr(world, name, sign_in(world, *harness.PEOPLE[name], ttl=3 * 86400))
    t = settle_twelve(world)
    today, tomorrow = world.sql("select core.today()::text, (core.today() + 1)::text")[0]
    seen = preview(world.community, *CUT, from_on=tomorrow)
    assert commit(world.community, seen)["state"] == "scheduled"
    assert locate(world.resident, 104.0915, 30.66) == A and len(walk(world.lead, "/v1/dwellings")) == 16
    assert boundaries(world.resident, kind="micro", under=B, on_date=tomorrow) != boundaries(
        world.resident, kind="micro", under=B)
    # nobody may draw what this one would be laid over
    assert preview(world.community, *CUT, status=409) == ("redraw_before_another", "/from_on")
    # a new dwelling in between moves too, and the job does it once
    assert house(world.community, walk(world.community, "/v1/dwellings", under=A)[-1]["building_id"],
                 number="999", unit="9单元", position={"lon": 104.092, "lat": 30.66, "crs": "wgs84"})["grid_id"] == A
    world.set_clock("1 day")
    ran = together(4, lambda i: world.sql("select grid.run_redraws()")[0][0])
    done = harness.wait_for(lambda: (r := world.community.get(f"/v1/redraws/{seen['id']}").json()).get("state") == "done"
                            and r, "the job to do it")
    assert done["moves"][0]["dwellings"] == 13
    world.sql("delete from grid.dwelling_grid where dwelling_id in (select id from grid.dwelling where number = '999')")
    world.sql("delete from grid.dwelling where number = '999'")
    check_moved(world, t)
    first = [g["from_on"] for g in walk(world.community, "/v1/dwellings", under=B)[0]["grids"]]
    assert first == [today, tomorrow]
    def by_job():
        return [e["message"] for e in world.server.lines("job") if "jobRedraw" in e["message"]]
    harness.wait_for(lambda: sum(ran) + len(by_job()) == 1, "the line of who did it")
    assert by_job() in ([], ["jobRedraw: 1"])
    assert world.sql("select count(*) from core.event where subject_id = %s and action = 'done'", seen["id"]) == [(1,)]


def test_a_redraw_of_tomorrow_is_taken_back(world):
    tomorrow, = world.sql("select (core.today() + 1)::text")[0]
    before = boundaries(world.resident, on_date=tomorrow)
    half = box(WEST, SOUTH, 104.086, NORTH), box(104.086, SOUTH, LINE, NORTH)
    new = {"parent_id": GENERAL, "kind": "micro", "predecessors": [A]}
    seen = preview(world.community, *(feature(None, g, **new, name=f"新{i}") for i, g in enumerate(half)),
                   close=[A], from_on=tomorrow)
    assert commit(world.community, seen)["state"] == "scheduled"
    assert world.resident.get(f"/v1/grids/{A}").json()["valid_to"] == tomorrow
    assert world.community2.post(f"/v1/redraws/{seen['id']}/cancel").status_code == 404
    assert world.community.post(f"/v1/redraws/{seen['id']}/cancel").json()["state"] == "cancelled"
    assert boundaries(world.resident, on_date=tomorrow) == before
    assert world.resident.get(f"/v1/grids/{A}").json()["valid_to"] is None
    assert {g["id"] for g in walk(world.resident, "/v1/grids", parent_id=GENERAL) if g["valid_to"] is None} == {A, B}
    again = world.community.post(f"/v1/redraws/{seen['id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "redraw_over")
    assert redraw(world.community, *CUT)["state"] == "done"


def test_a_micro_grid_is_split(world):
    """A closes; two new ones take its place, numbered from north to south."""
    t = settle_twelve(world)
    world.community.put(f"/v1/grids/{A}/party-org", {"name": "一微党小组", "member_count": 7}, headers={"If-Match": '"0"'})
    south, north = box(WEST, SOUTH, LINE, MIDDLE), box(WEST, MIDDLE, LINE, NORTH)
    new = {"parent_id": GENERAL, "kind": "micro", "predecessors": [A]}
    assert preview(world.community, close=[A], status=422) == ("successor_missing", "/close")
    seen = preview(world.community, feature(None, south, name="南", **new), feature(None, north, name="北", **new), close=[A])
    south_id, north_id = seen["grids"][0]["grid_id"], seen["grids"][1]["grid_id"]
    assert {(m["to_name"], m["dwellings"], m["open_tickets"]) for m in seen["moves"]} == {("南", 16, 4)}
    assert {e["effect"] for e in seen["leads"]} == {"ends"}
    commit(world.community, seen)
    numbers = {g["id"]: g["serial"] for g in walk(world.resident, "/v1/grids", parent_id=GENERAL)}
    assert numbers == {B: 2, north_id: 3, south_id: 4}
    # what stood on A stands on those that came after it
    group, = world.community.get("/v1/grid-groups").json()["items"]
    assert {g["id"] for g in group["grids"]} == {B, north_id, south_id}
    assert [(p["grid_id"], p["name"]) for p in walk(world.community, "/v1/party-orgs") if p["kind"] == "group"] == [
        (south_id, "一微党小组")]
    # A's leads see nothing any more, and keep no right; A's past is A's
    assert world.lead.get("/v1/me").json()["scopes"] == [] and walk(world.lead, "/v1/dwellings") == []
    assert world.lead.get(f"/v1/tickets/{t['closed']}").status_code == 404
    assert read(world.community, t["closed"])["grid_id"] == A
    assert read(world.community, t["plain"])["grid_id"] == south_id, "without a position: to the first successor"
    # who lived in A is at home in the first successor
    assert submit(world.resident, **samples.TICKET)["grid_id"] == south_id
    assert submit(world.resident, 422, **samples.TICKET, grid_id=A)["code"] == "grid_not_found"


def test_areas_of_duty_follow_a_split(world):
    area = world.community.post("/v1/duty-areas", {"login": "community", "grid_ids": [GENERAL, SPECIAL]}).json()["id"]
    new = {"parent_id": MASTER, "kind": "special", "predecessors": [SPECIAL]}
    done = redraw(world.community, feature(None, box(104.08, NORTH, 104.095, 30.675), name="西", **new),
                  feature(None, box(104.095, NORTH, 104.11, 30.675), name="东", **new), close=[SPECIAL])
    now = {g["grid_id"] for g in world.community.get(f"/v1/duty-areas/{area}").json()["grids"]}
    assert now == {GENERAL, *(g["grid_id"] for g in done["grids"][:2])}


def test_a_lead_proposes_and_the_community_decides(world):
    seen = preview(world.lead, *CUT, note="12户楼在二网格的院坝里")
    assert seen["state"] == "preview" and world.lead.get(f"/v1/redraws/{seen['id']}").status_code == 200
    assert commit(world.lead, seen, 403) == "role_not_allowed"
    assert world.lead2.get(f"/v1/redraws/{seen['id']}").status_code == 404, "of the same grid, but not theirs"
    assert world.community2.get(f"/v1/redraws/{seen['id']}").status_code == 404
    assert preview(world.lead, feature(D, box(WEST, SOUTH, LINE, NORTH)), status=422) == ("grid_not_found", "/features/0/id")
    assert preview(world.lead, feature(GENERAL, box(WEST, SOUTH, EAST, NORTH)), status=422)[0] == "grid_not_found"
    assert preview(world.lead_ended, *CUT, status=403) == "role_not_allowed"
    assert [r["note"] for r in walk(world.community, "/v1/redraws", state="preview")] == ["12户楼在二网格的院坝里"]
    assert commit(world.community, seen)["state"] == "done"


def test_two_micro_grids_become_one(world):
    t = settle_twelve(world)
    seen = preview(world.community, feature(B, None, predecessors=[A], keep_leads=True), close=[A])
    assert seen["gaps"] == [] and seen["moves"][0]["dwellings"] == 16
    assert seen["grids"][0]["area_m2"] == pytest.approx(20 * 15 * 95.8 * 110.9, rel=0.01)
    assert [(e["name"], e["effect"]) for e in seen["leads"]] == [("彭晓敏", "follows"), ("蒋明华", "follows"), ("罗玉琴", "gains")]
    commit(world.community, seen)
    assert locate(world.resident, 104.083, 30.66) == B
    for who in (world.lead, world.lead2, world.lead_next):
        assert len(walk(who, "/v1/dwellings")) == 16 and read(who, t["deep"])["grid_id"] == B
    assert read(world.community, t["closed"])["grid_id"] == A


def test_a_micro_grid_goes_under_another_general_grid(world):
    """Re-parenting: a grid never moves, so a new one takes its place."""
    t = settle_twelve(world)
    generals = (feature(GENERAL, box(LINE, SOUTH, EAST, NORTH)),
                feature(GENERAL2, shape(EAST, SOUTH, 104.11, SOUTH, 104.11, NORTH, EAST, NORTH)))
    new = feature(None, None, parent_id=GENERAL2, kind="micro", name="双福苑一微网格", predecessors=[A], keep_leads=True)
    assert preview(world.street, new, close=[A], status=422)[0] == "boundary_outside_parent"
    two = {"type": "MultiPolygon", "coordinates": [box(WEST, SOUTH, LINE, NORTH)["coordinates"],
                                                   generals[1]["geometry"]["coordinates"]]}
    parts = generals[0], feature(GENERAL2, two), new
    asked = preview(world.community, *parts, close=[A])
    assert asked["needs_street"] and commit(world.community, asked, 403) == "redraw_needs_street"
    assert [r["id"] for r in walk(world.street, "/v1/redraws", state="preview")] == [asked["id"]], "proposed"
    done = commit(world.street, asked)
    now = done["grids"][2]["grid_id"]
    assert locate(world.resident, 104.083, 30.66) == now
    assert world.lead.get("/v1/me").json()["scopes"] != [] and read(world.lead, t["open"])["grid_id"] == now
    assert len(walk(world.lead2, "/v1/dwellings")) == 16
    assert world.resident.get(f"/v1/grids/{now}").json()["parent_id"] == GENERAL2


def test_two_redraws_at_once_never_overlap(world):
    """Eight previews of new grids on the same ground, committed together."""
    room = box(WEST, SOUTH, 104.09, NORTH)
    redraw(world.community, feature(A, room))
    new = {"parent_id": GENERAL, "kind": "micro"}
    seen = [preview(world.community, feature(None, box(104.0901 + i * 1e-5, SOUTH, LINE, NORTH), name=f"新{i}", **new))
            for i in range(8)]

    def go(i):
        reply = world.community.post("/v1/boundaries", {"preview_id": seen[i]["id"], "fingerprint": seen[i]["fingerprint"]})
        return reply.status_code, reply.json().get("code")
    found = together(8, go)
    assert sorted(found)[:1] == [(200, None)] and set(found[1:] + found[:1]) == {(200, None), (409, "redraw_stale")}
    assert sum(f[0] == 200 for f in found) == 1
    overlaps, = world.sql("select count(*) from grid.boundary a join grid.boundary b on a.street_id = b.street_id"
                          " and a.kind = b.kind and a.grid_id < b.grid_id and a.to_on is null and b.to_on is null"
                          " and st_area(st_intersection(a.geom, b.geom)::geography) > 10")[0]
    assert overlaps == 0
    # and what was seen before somebody else drew is not committed either
    stale = preview(world.community, feature(A, box(WEST, SOUTH, 104.0895, NORTH)))
    redraw(world.community, feature(A, box(WEST, SOUTH, 104.089, NORTH)))
    assert commit(world.community, stale, 409) == "redraw_stale"


def test_a_closed_grid_gives_its_ground_free(world):
    """Also one that was closed by hand: nobody is there any more."""
    today, = world.sql("select core.today()::text")[0]
    grid = world.community.get(f"/v1/grids/{A}")
    body = {"name": "A", "household_count": 60, "person_count": 150, "valid_to": today}
    assert world.community.put(f"/v1/grids/{A}", body, headers={"If-Match": grid.headers["ETag"]}).status_code == 200
    assert locate(world.resident, 104.083, 30.66) == "no_grid_here"
    assert A not in {f["id"] for f in boundaries(world.resident)}
    assert preview(world.community, feature(A, box(WEST, SOUTH, LINE, NORTH)), status=409) == ("grid_closed", "/features/0/id")
    assert redraw(world.community, feature(B, box(WEST, SOUTH, EAST, NORTH)))["gaps"] == []
    assert locate(world.resident, 104.083, 30.66) == B


def test_a_map_goes_out_and_comes_back(world):
    """Export in GCJ-02, import the same: nothing moves, by more than a hair."""
    settle_twelve(world)
    out = world.street.get("/v1/boundaries?crs=gcj02").json()
    reply = world.street.post("/v1/boundaries/preview?crs=gcj02", out)
    assert reply.status_code == 201, reply.text
    back = reply.json()
    assert (back["moves"], back["gaps"], len(back["grids"])) == ([], [], 12)
    assert all(abs(g["area_m2"] - g["area_before_m2"]) < 20 for g in back["grids"])
    assert commit(world.street, back)["state"] == "done"
    same = {f["id"]: ring(f["geometry"]) for f in boundaries(world.street)}
    assert all(abs(x - y) < 5e-7 for x, y in zip(sorted(same[A])[0], (WEST, SOUTH)))
    # a first map names its grids by their codes
    world.sql("update grid.grid set code = '510108011009001' where id = %s", GENERAL)
    by_code = {**feature(None, box(WEST, SOUTH, EAST, NORTH)), "properties": {"code": "510108011009001"}}
    assert preview(world.street, by_code)["grids"][0]["grid_id"] == GENERAL


# Division codes -------------------------------------------------------------------

CODES = "code,level,name\n510199,district,试验区\n510199001,street,甲街道\n510199001001,community,一社区\n"


def load_codes(world, text, *args):
    return harness.run_linlid(world.settings, "regions", "load", "-", *args, stdin=text).strip()


def regions(client, **query):
    return walk(client, "/v1/regions", **query)


def test_division_codes_change_over_time(world):
    assert load_codes(world, CODES, "--on", "2025-01-01") == "3 new, 0 renamed, 0 ended, 0 as before"
    assert load_codes(world, "\ufeff" + CODES.replace("\n", "\r\n"), "--on", "2025-06-01") == \
        "0 new, 0 renamed, 0 ended, 3 as before"
    later = CODES.replace("甲街道", "乙街道").replace("510199001001,community,一社区", "510199001002,community,二社区")
    assert load_codes(world, later, "--on", "2026-01-01") == "1 new, 1 renamed, 1 ended, 1 as before"
    now = regions(world.resident, q="510199")
    assert [(r["code"], r["name"]) for r in now] == [
        ("510199", "试验区"), ("510199001", "乙街道"), ("510199001002", "二社区")]
    assert now[2]["parent_code"] == "510199001" and now[1]["parent_code"] == "510199"
    then = regions(world.resident, q="510199", on_date="2025-12-31", limit=1)
    assert [(r["name"], r["valid_to"]) for r in then] == [
        ("试验区", None), ("甲街道", "2026-01-01"), ("一社区", "2026-01-01")]
    assert [r["name"] for r in regions(world.resident, q="二社")] == ["二社区"]
    assert [r["code"] for r in regions(world.resident, level="community", parent_code="510199001")] == ["510199001002"]
    assert regions(world.resident, q="万年场")[0]["code"] == "510108011", "other districts are left alone"


@pytest.mark.parametrize("line", ["510199,street,x", "5101x9,district,x", "510199,district,", "510199,district",
                                  "510199,city,x", "510199,district,a,b", '510199,district,"x"', "510199,district,试验区"])
def test_a_bad_line_of_codes_is_named(shared, line):
    with pytest.raises(RuntimeError, match="refused: region_line_invalid at 5"):
        load_codes(shared, CODES + line + "\n")
    assert regions(shared.resident, q="510199") == []


def test_the_codes_of_chengdu_load_by_one_command(world):
    done = harness.run_linlid(world.settings, "regions", "load", str(harness.TOP / "sql/data/chengdu.csv"))
    new, rest = done.split(" new, ")
    assert int(new) > 3000 and rest.startswith("4 renamed, 0 ended"), "the fixture has short names"
    assert regions(world.resident, level="district", q="510108")[0]["name"] == "成华区"
    assert len(regions(world.resident, level="district")) == 20


def test_codes_of_grids_have_their_length(shared):
    for kind, parent, good, bad in (("master", ROOT, "510108011077", "51010801107"),
                                    ("general", MASTER, "510108011009077", "5101080110090771"),
                                    ("micro", GENERAL, "51010801100900177", "510108011009001"[:14])):
        body = {"parent_id": parent, "kind": kind, "name": "编号"}
        refused = shared.street.post("/v1/grids", {**body, "code": bad})
        assert (refused.status_code, refused.json()["code"]) == (422, "grid_code_invalid")
        assert refused.json()["errors"][0]["pointer"] == "/code"
        assert shared.street.post("/v1/grids", {**body, "code": good}).status_code == 201
    assert shared.street.post("/v1/grids", {"parent_id": GENERAL, "kind": "micro", "name": "旧号", "code": "WH-7"}).status_code == 201


# The Party's side, and who answers -------------------------------------------------

def party(client, grid, name, tag='"0"', status=200, **fields):
    reply = client.put(f"/v1/grids/{grid}/party-org", {"name": name, **fields}, headers={"If-Match": tag})
    assert reply.status_code == status, reply.text
    return reply


def test_three_levels_of_party_organisations(world):
    """总网格党委 — 网格党支部 — 微网格党小组, of the kind each grid asks for."""
    assert world.resident.get(f"/v1/grids/{A}/party-org").status_code == 404
    committee = party(world.community, MASTER, "双福路社区党委", member_count=210).json()
    party(world.community, GENERAL, "第一网格党支部", founded_on="2023-03-01")
    group = party(world.community, A, "一微网格党小组", member_count=7)
    party(world.community, SPECIAL, "银龄党支部")
    found = {o["grid_id"]: (o["kind"], o["parent_grid_id"]) for o in walk(world.resident, "/v1/party-orgs", limit=2)}
    assert found == {MASTER: ("committee", None), GENERAL: ("branch", MASTER), A: ("group", GENERAL),
                     SPECIAL: ("branch", MASTER)}
    assert committee["member_count"] == 210
    party(world.community, A, "又一个党小组", status=412)  # 0..1
    party(world.community, A, "一微网格党小组", tag=group.headers["ETag"], member_count=9)
    assert world.lead.get(f"/v1/grids/{A}/party-org").json()["member_count"] == 9
    for who, grid in (("community", ROOT), ("community", D), ("community2", A)):
        party(getattr(world, who), grid, "x", status=404)
    assert [o["grid_id"] for o in walk(world.resident, "/v1/party-orgs", under=GENERAL)] == [GENERAL, A]


def test_committee_members_answer_for_areas(world):
    """两委包片: an account and the general grids it answers for; no right by it."""
    body = {"login": "newcomer", "grid_ids": [GENERAL, GENERAL2]}
    made = world.community.post("/v1/duty-areas", body)
    assert made.status_code == 201 and made.json()["active"]
    assert [g["grid_id"] for g in made.json()["grids"]] == [GENERAL, GENERAL2] and made.json()["name"] == "谢天宇"
    for change, code in (({"grid_ids": [A]}, "grid_not_general"), ({"grid_ids": [GENERAL3]}, "grid_not_found"),
                         ({"login": "nobody"}, "account_unknown"),
                         ({"from_on": "2026-02-01", "to_on": "2026-01-01"}, "dates_invalid")):
        reply = world.community.post("/v1/duty-areas", {**body, **change})
        assert (reply.status_code, reply.json()["code"]) == (422, code)
    across = world.street.post("/v1/duty-areas", {**body, "grid_ids": [GENERAL, GENERAL3]})
    assert across.json()["code"] == "grid_not_found", "an area is one community's"
    path = f"/v1/duty-areas/{made.json()['id']}"
    today, = world.sql("select core.today()::text")[0]
    ended = world.community.put(path, {**body, "to_on": today}, headers={"If-Match": made.headers["ETag"]})
    assert ended.status_code == 200 and not ended.json()["active"]
    assert world.community.put(path, body, headers={"If-Match": made.headers["ETag"]}).status_code == 412
    assert walk(world.community2, "/v1/duty-areas") == [] and len(walk(world.street, "/v1/duty-areas")) == 1
    assert sign_in(world, "newcomer", "resident").get("/v1/dwellings").status_code == 403
