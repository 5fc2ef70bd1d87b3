"""Places: boundaries that change over time, positions that find their grid,
addresses, region codes, Party organisations."""

import json

import harness
import pytest
import samples
from story import (A, B, C, COMPOUND, D, GENERAL, MASTER, MASTER2, ROOT, SPECIAL, actions, box, commit, do, feature,
                   preview, read, redraw, shape, sign_in, submit, timeline, together, walk)

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

