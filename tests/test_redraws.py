"""What hangs on a grid goes with its ground: routes, plans, teams, hazards and
equipment after a split, a merge, a change of parent and a line that moves."""

import samples
import test_equipment
import test_hazards
import test_patrols
import test_reviews
import test_teams
import test_visits
from story import A, B, D, GENERAL, MASTER, MASTER2, box, feature, redraw, shape, walk
from test_places import EAST, GENERAL2, GENERAL3, LINE, MIDDLE, NORTH, SOUTH, WEST, build, house

N, S = 30.668, 30.657  # two yards of A


def yard(world, lat, lon=104.083):
    """A dwelling there, whose household is in difficulties."""
    place = house(world.community, build(world.community, f"{lat} {lon}", lon, lat), number="1")["id"]
    household, = world.sql("insert into people.household (street_id, id, dwelling_id, path)"
                           " select street_id, core.new_id(1), id, path from grid.dwelling where id = %s returning id::text", place)[0]
    test_visits.mark(world, "difficult", [household])
    return place, household


def settle(world, lon=104.083):
    """In both yards of A: all that a grid has."""
    spot = lambda lat: {"lon": lon, "lat": lat, "crs": "wgs84"}
    t = {"north": yard(world, N, lon), "south": yard(world, S, lon)}
    for name, lats in (("north", [N, N + 0.0003, S]), ("south", [S, S + 0.0003])):
        way = test_patrols.route(world.community, points=[(lon, lat) for lat in lats])
        made = test_patrols.plan(world.community, way)
        days = test_patrols.tasks(world.lead, made, 8)
        t[name + " route"] = way, made, days[0]["id"], days[3]["id"]
        t[name + " hazard"] = test_hazards.find(world.lead, position=spot(N if name == "north" else S))
        t[name + " piece"] = test_equipment.enter(world.lead, grid_id=None, position=spot(N if name == "north" else S))
    today = world.lead.get(f"/v1/patrol-tasks/{t['south route'][2]}").json()
    for n in (0, 1):
        assert test_patrols.check_in(world.lead, today, n)["status"] == ("open", "done")[n]
    t["plan"] = test_visits.plan(world.community, tags=["difficult"], to_on=test_equipment.day(60))["id"]
    t["visits"] = {v["household_id"]: v["id"] for v in test_visits.visits(world.lead, plan_id=t["plan"])}
    test_visits.report(world.lead, t["visits"][t["north"][1]])
    t["doors"] = samples.act(world, "community", "createDoorCampaign", body={
        "name": "敲门行动", "grid_id": A, "to_on": test_equipment.day(30)})["id"]
    for where in ("north", "south"):
        samples.act(world, "lead", "recordDoorKnock", {"id": t["doors"]}, {"dwelling_id": t[where][0], "outcome": "answered"})
    return t


def where(world, t, name):
    """The grids of what is in a yard, after a redraw: one, and everything's."""
    way, made, today, later = t[name + " route"]
    own = dict(world.sql("select path, id::text from grid.grid where street_id = 1"))
    one = {world.community.get(f"/v1/patrol-routes/{way}").json()["grid_id"],
           world.community.get(f"/v1/hazards/{t[name + ' hazard']}").json()["grid_id"],
           world.community.get(f"/v1/equipment/{t[name + ' piece']}").json()["grid_id"],
           *(own[p] for p, in world.sql("select path from field.patrol_plan where id = %s union select path from field.patrol_task"
                                        " where id = %s union select path from care.visit where id = %s union select path from grid.dwelling where id = %s",
                                        made, later, t["visits"][t[name][1]], t[name][0]))}
    assert len(one) == 1, (name, one)
    return one.pop()


def plan_of(world, t, name):
    """The visit of a yard: its plan's grid, figures and state, and the visit's own."""
    row, = world.sql("select plan_id::text, state from care.visit where id = %s", t["visits"][t[name][1]])
    seen = world.community.get(f"/v1/visit-plans/{row[0]}").json()
    return seen["grid_id"], seen["state"], (seen["households"], seen["visited"]), row[1]


def turned(world):
    """The plans have been held against the tags again, and nothing came of it."""
    before = world.sql("select id, state, plan_id, path from care.visit order by id")
    world.sql("select core.enter_system(1), care.fill(id) from care.plan where street_id = 1 and state = 'active'")
    assert world.sql("select id, state, plan_id, path from care.visit order by id") == before


def test_a_split_gives_each_half_its_own(world):
    t = settle(world)
    new = {"parent_id": GENERAL, "kind": "micro", "predecessors": [A]}
    done = redraw(world.community, feature(None, box(WEST, SOUTH, LINE, MIDDLE), name="南", **new),
                  feature(None, box(WEST, MIDDLE, LINE, NORTH), name="北", **new), close=[A])
    south, north = (g["grid_id"] for g in done["grids"][:2])
    assert (where(world, t, "south"), where(world, t, "north")) == (south, north)
    assert world.sql("select status, path = '1/1/1/1/' from field.patrol_task where id = %s", t["south route"][2]) == [("done", True)]
    # The plan went south, the north has one like it with the visit that was made.
    assert plan_of(world, t, "south") == (south, "active", (1, 0), "planned")
    assert plan_of(world, t, "north") == (north, "active", (1, 1), "done")
    doors = {c["grid_id"]: (c["state"], c["answered"], c["dwellings"]) for c in walk(world.community, "/v1/door-campaigns")}
    assert doors == {south: ("active", 1, 1), north: ("active", 1, 1)}
    turned(world)
    for name in ("visit-plans", "patrol-routes", "hazards", "equipment", "patrol-tasks"):
        assert [x for x in walk(world.lead, "/v1/" + name)] == [], f"A's lead sees no {name} any more"


def test_a_merge_takes_all(world):
    t = settle(world)
    redraw(world.community, feature(B, None, predecessors=[A]), close=[A])
    assert where(world, t, "south") == where(world, t, "north") == B
    assert plan_of(world, t, "south") == (B, "active", (2, 1), "planned") == (*plan_of(world, t, "north")[:3], "planned")
    assert [(c["grid_id"], c["answered"]) for c in walk(world.lead_next, "/v1/door-campaigns")] == [(B, 2)]
    turned(world)
    # The one who leads there now walks and visits.
    later = world.lead_next.get(f"/v1/patrol-tasks/{t['north route'][2]}").json()
    assert test_patrols.check_in(world.lead_next, later, 0)["status"] == "open"
    test_visits.report(world.lead_next, t["visits"][t["south"][1]])
    assert plan_of(world, t, "south")[2] == (2, 2)


def test_a_merge_into_a_grid_with_a_plan_of_its_own(world):
    t = settle(world)
    own = test_visits.plan(world.community, grid_id=B, tags=["difficult"], to_on=test_equipment.day(90))["id"]
    redraw(world.community, feature(B, None, predecessors=[A]), close=[A])
    assert world.sql("select plan_id::text, state from care.visit order by state") == [(own, "done"), (own, "planned")]
    assert world.community.get(f"/v1/visit-plans/{t['plan']}").json()["state"] == "ended"
    turned(world)


def test_under_another_parent(world):
    t = settle(world)
    two = {"type": "MultiPolygon", "coordinates": [box(WEST, SOUTH, LINE, NORTH)["coordinates"],
                                                   shape(EAST, SOUTH, 104.11, SOUTH, 104.11, NORTH, EAST, NORTH)["coordinates"]]}
    done = redraw(world.street, feature(GENERAL, box(LINE, SOUTH, EAST, NORTH)), feature(GENERAL2, two),
                  feature(None, None, parent_id=GENERAL2, kind="micro", name="一", predecessors=[A], keep_leads=True), close=[A])
    now = done["grids"][2]["grid_id"]
    assert where(world, t, "south") == where(world, t, "north") == now
    assert plan_of(world, t, "south") == (now, "active", (2, 1), "planned")
    assert {c["grid_id"] for c in walk(world.lead, "/v1/door-campaigns")} == {now}
    turned(world)
    test_visits.report(world.lead, t["visits"][t["south"][1]])


def test_reviews_of_grids_that_close(world):
    """What is open each grid that comes after has to answer, once."""
    asked = test_reviews.campaign(world.community)
    mine, = test_reviews.reviews(world.lead, asked)
    test_reviews.write(world.lead, mine, test_reviews.ASKED)
    new = {"parent_id": GENERAL, "kind": "micro", "predecessors": [A]}
    done = redraw(world.community, feature(None, box(WEST, SOUTH, LINE, MIDDLE), name="南", **new),
                  feature(None, box(WEST, MIDDLE, LINE, NORTH), name="北", **new), close=[A])
    south, north = (g["grid_id"] for g in done["grids"][:2])
    told = lambda: {r["grid_id"]: len(r["problems"]) for r in test_reviews.reviews(world.street, asked) if r["grid_id"] in (south, north, A, B)}
    assert told() == {south: 1, north: 0, B: 0}
    redraw(world.community, feature(B, None, predecessors=[south, north]), close=[south, north])
    assert told() == {B: 1}, "what hurt in any of them"


def test_a_line_that_moves(world):
    """Only what it passes over changes hands; who was to be visited there still is."""
    t, stays = settle(world, lon=104.0915), yard(world, N)
    world.sql("select core.enter_system(1), care.fill(%s)", t["plan"])
    redraw(world.community, feature(A, box(WEST, SOUTH, 104.091, NORTH)), feature(B, box(104.091, SOUTH, EAST, NORTH)))
    assert where(world, t, "south") == where(world, t, "north") == B
    assert world.sql("select plan_id, kind, state from care.visit where id = %s", t["visits"][t["south"][1]]) == [(None, "other", "planned")]
    assert world.sql("select plan_id::text, state from care.visit where household_id = %s", stays[1]) == [(t["plan"], "planned")]
    assert t["visits"][t["south"][1]] in {v["id"] for v in test_visits.visits(world.lead_next)}
    assert [v["household_id"] for v in test_visits.visits(world.lead, state="planned")] == [stays[1]]
    turned(world)


def test_a_line_that_moves_into_ground_with_a_plan(world):
    t = settle(world, lon=104.0915)
    own = test_visits.plan(world.community, grid_id=B, tags=["difficult"], to_on=test_equipment.day(90))["id"]
    redraw(world.community, feature(A, box(WEST, SOUTH, 104.091, NORTH)), feature(B, box(104.091, SOUTH, EAST, NORTH)))
    assert world.sql("select plan_id::text, kind from care.visit where id = %s", t["visits"][t["south"][1]]) == [(own, "plan")]


def test_two_communities_become_one(world):
    """Teams, and what hangs on a general grid, go with their own kind."""
    made = test_teams.team(world.community2, {"merchant": "enterprise", "department": "emergency_office"}, grid_id=MASTER2)["id"]
    way = test_patrols.route(world.community2, grid=GENERAL3, points=[(104.114, 30.66), (104.122, 30.66)])
    general = test_visits.plan(world.community2, grid_id=GENERAL3, tags=["difficult"])["id"]
    both = lambda west, east: box(west, 30.655, east, 30.675)
    new = {"parent_id": GENERAL2, "kind": "micro"}
    wide = shape(EAST, SOUTH, 104.11, SOUTH, 104.125, SOUTH, 104.125, 30.675, 104.11, 30.675, 104.11, NORTH, EAST, NORTH)
    other, = world.sql("select id::text from grid.grid where path = '1/2/1/2/'")[0]
    redraw(world.street, feature(MASTER, both(104.08, 104.125), predecessors=[MASTER2]), feature(GENERAL2, wide, predecessors=[GENERAL3]),
           feature(None, both(104.11, 104.1175), name="红桥一", predecessors=[D], **new),
           feature(None, both(104.1175, 104.125), name="红桥二", predecessors=[other], **new), close=[MASTER2, GENERAL3, D, other])
    assert world.community.get(f"/v1/safety-teams/{made}").json()["grid_id"] == MASTER
    assert world.community.get(f"/v1/patrol-routes/{way}").json()["grid_id"] == GENERAL2, "not in one of its micro-grids"
    assert world.community.get(f"/v1/visit-plans/{general}").json()["grid_id"] == GENERAL2
    assert walk(world.community2, "/v1/safety-teams") == []
