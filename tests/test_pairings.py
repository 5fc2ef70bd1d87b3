"""绿丝带: who cares for whom, and the visits of the seasons."""

import collections
import random

import pytest

import harness
import samples
import story
from test_people import born, enter, home


def pair(client, helper, recipient, status=201, **more):
    reply = client.post("/v1/pairings", {"helper_id": helper, "recipient_id": recipient, **more})
    assert reply.status_code == status, reply.text
    return reply.json() if status < 300 else reply.json()["code"]


def people(world, count, path="1/1/1/1/", **fields):
    """So many persons in households of their own."""
    dwelling = home(world, path)
    return [enter(world.community, dwelling, **{"name": f"邻里{n}", **fields})["id"] for n in range(count)]


def test_never_oneself_nor_ones_own_household(shared):
    """domain rule 14"""
    helper, other = people(shared, 2)
    mine = shared.community.get(f"/v1/persons/{helper}").json()
    kin = enter(shared.community, mine["dwelling_id"], name="同户", household_id=mine["household_id"])["id"]
    child, = people(shared, 1, born_on=born(16))
    far, = people(shared, 1, "1/1/1/2/")
    assert pair(shared.lead, helper, helper, 422) == "pairing_self"
    assert pair(shared.lead, helper, kin, 422) == "pairing_household" == pair(shared.community, kin, helper, 422)
    assert pair(shared.lead, child, other, 422) == "helper_minor"
    assert pair(shared.lead, other, child, 403) == "approval_required"
    assert pair(shared.lead, helper, far, 422) == "person_not_found" == pair(shared.lead_next, far, other, 422)
    made = pair(shared.community, helper, far)
    assert (made["helper_name"], made["recipient_name"], made["grid_id"], made["actions"]) == ("邻*0", "邻里0", story.B, ["end"])
    assert pair(shared.community, helper, far, 409) == "pairing_exists"
    assert shared.lead.get(f"/v1/pairings/{made['id']}").status_code == 404
    assert shared.lead_next.get(f"/v1/pairings/{made['id']}").json()["recipient_id"] == far


def test_a_helper_cares_for_five_at_most(shared):
    """Whatever comes at the same time."""
    helper, *elders = people(shared, 9)
    replies = story.together(8, lambda n: (shared.lead, shared.community)[n % 2].post(
        "/v1/pairings", {"helper_id": helper, "recipient_id": elders[n]}))
    assert sorted(r.status_code for r in replies) == [201] * 5 + [409] * 3
    assert {r.json()["code"] for r in replies if r.status_code == 409} == {"helper_full"}
    first = next(r.json()["id"] for r in replies if r.status_code == 201)
    left = next(e for e, r in zip(elders, replies) if r.status_code == 409)
    ended = samples.act(shared, "lead", "endPairing", {"id": first}, {"reason": "改由 13812345678 照顾"})
    assert (ended["state"], ended["ended_reason"], ended["actions"]) == ("ended", "改由 138****5678 照顾", [])
    pair(shared.lead, helper, left)
    assert pair(shared.lead, helper, next(e for e, r in zip(elders, replies) if r.status_code == 409 and e != left), 409) == "helper_full"
    assert len(story.walk(shared.lead, "/v1/pairings", helper_id=helper, state="active")) == 5
    assert shared.lead.post(f"/v1/pairings/{first}/end", {"reason": "x"}).json()["code"] == "wrong_state"


@pytest.mark.parametrize("seed", range(2))
def test_random_pairings_against_a_model(world, seed):
    """domain rule 14 with random people: a model that knows nothing of linli's."""
    dice = random.Random(14 + seed)
    most = dice.choice([2, 3])
    world.sql("update care.pairing_rule set most = %s where code = 'green_ribbon'", most)
    grown, child = people(world, 7), people(world, 1, born_on=born(16))
    first = world.community.get(f"/v1/persons/{grown[0]}").json()
    grown.append(enter(world.community, first["dwelling_id"], name="同户", household_id=first["household_id"])["id"])
    one_home = {grown[0], grown[-1]}
    active, visits = {}, collections.Counter()
    for _ in range(110):
        helper, recipient = dice.choice(grown + child), dice.choice(grown)
        who = dice.choice([world.lead, world.community])
        busy = sum(h == helper for h, _ in active)
        if dice.random() < 0.15 and active:
            over = dice.choice(sorted(active))
            samples.act(world, "lead", "endPairing", {"id": active.pop(over)})
            continue
        if dice.random() < 0.35 and active:
            pairing, outcome = dice.choice(sorted(active)), dice.choice(["done", "refused", "not_home", "by_phone"])
            samples.act(world, "lead", "createVisit", body={"pairing_id": active[pairing], "outcome": outcome})
            visits[pairing[1]] += outcome == "done"
            continue
        want = ("pairing_self" if helper == recipient else "pairing_household" if {helper, recipient} == one_home
                else "helper_minor" if helper in child else "pairing_exists" if (helper, recipient) in active
                else "helper_full" if busy >= most else None)
        got = pair(who, helper, recipient, 201 if want is None else 409 if want in ("pairing_exists", "helper_full") else 422)
        assert got == want if want else got["state"] == "active"
        if want is None:
            active[helper, recipient] = got["id"]
    assert {p["id"] for p in story.walk(world.lead, "/v1/pairings", state="active")} == set(active.values())
    seen = world.community.get("/v1/visits/summary?kind=pairing").json()
    assert (seen["visits"], seen["persons"]) == (sum(visits.values()), sum(n > 0 for n in visits.values()))
    assert seen["visits"] > seen["persons"] > 1


def test_person_times_and_persons(world):
    """巷子树, row 004-05: 绿丝带 in three years; person-times are not persons."""
    helpers, elders = people(world, 4), people(world, 8)
    made = [pair(world.lead, helpers[n % 4], elder, visits_per_season=2) for n, elder in enumerate(elders)]
    season = story.walk(world.lead, "/v1/visits", kind="pairing")
    assert len(season) == 16 and {v["state"] for v in season} == {"planned"}
    assert {v["theme"] for v in season} < {"春送健康", "夏送清凉", "秋送关怀", "冬送温暖"}
    for n, pairing in enumerate(made[:7]):
        for _ in range(3 + (n == 0)):
            samples.act(world, "lead", "createVisit", body={"pairing_id": pairing["id"], "outcome": "done"})
    samples.act(world, "lead", "createVisit", body={"pairing_id": made[7]["id"], "outcome": "not_home"})
    first = story.walk(world.lead, "/v1/visits", pairing_id=made[0]["id"], state="planned")[0]
    samples.act(world, "lead", "reportVisit", {"id": first["id"]}, {"outcome": "done"})
    for client in (world.lead, world.community, world.street):
        seen = client.get("/v1/visits/summary?kind=pairing").json()
        assert (seen["visits"], seen["persons"], seen["not_home"]) == (23, 7, 1)
    assert world.lead.get(f"/v1/pairings/{made[0]['id']}").json()["visits"] == 5
    # four seasons make four times as many planned, each planned once
    story.jump(world, "100 days")
    harness.wait_for(lambda: world.sql("select count(*) from care.visit where kind = 'pairing' and created_at > now() + interval '90 days'")
                     == [(16,)], "the next season's visits")
    samples.act(world, "community", "endPairing", {"id": made[1]["id"]})
    left = story.walk(world.lead, "/v1/visits", pairing_id=made[1]["id"])
    assert {v["state"] for v in left} == {"done", "cancelled"}
    assert world.lead.post("/v1/visits", {"pairing_id": made[1]["id"], "outcome": "done"}).json()["code"] == "pairing_not_found"
    assert len(world.lead.get("/v1/care-seasons").json()["items"]) == 4
