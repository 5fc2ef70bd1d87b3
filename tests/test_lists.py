"""Lists and counts against a model: what the API told of each ticket, filtered
and sorted here by the rules."""

import random

import pytest

import samples
from story import (A, B, C, D, GENERAL, MASTER, ROOT, SPECIAL, PHYSICAL, at, do, read, submit,
                   together, walk)

PATHS = {ROOT: "1/", MASTER: "1/1/", GENERAL: "1/1/1/", A: "1/1/1/1/", B: "1/1/1/2/",
         C: "1/1/2/1/", SPECIAL: "1/1/3/", D: "1/2/1/1/"}
REACH = {"resident": "1/", "resident2": "1/", "lead": PATHS[A], "lead_next": PATHS[B],
         "lead_general": PATHS[GENERAL], "community": PATHS[MASTER], "community2": "1/2/", "street": "1/"}
OPEN = ("submitted", "accepted", "in_progress", "escalated_community", "called", "dispatched", "reported_in", "suspended",
        "resolved", "reopened")
WORDS = ["油烟扰民", "化粪池堵塞", "楼道堆物", "路灯不亮", "灭火器过期", "广场舞噪声"]
CASES = 220


@pytest.fixture(scope="module")
def street(shared):
    """Sixty tickets of every sort; each as the street reads it."""
    random.seed(4)
    states = [s for s in samples.STEPS if s != "submitted"]

    def one(i):
        by = ("resident", "resident2")[i % 2]
        state = states[i % len(states)] if i % 3 == 0 else "submitted"
        fields = {"title": f"{WORDS[i % 6]}第{i}件", "description": f"{WORDS[(i + 1) % 6]}，请拨138000000{i:02}",
                  "kind": ("problem", "suggestion", "dispute", "consultation", "praise")[i % 5],
                  "category": ("pets", "noise", "community_life")[i % 3],
                  "urgency": ("normal", "urgent", "critical")[i % 4 % 3],
                  "public": False if i % 7 == 0 or i % 5 == 2 else None,
                  "grid_id": (A, B, C, SPECIAL, D)[i % 5]}
        if state != "submitted":
            return samples.ticket(shared, state, **{**fields, "grid_id": A})
        t = submit(getattr(shared, by), **{**samples.TICKET, **fields})["id"]
        if i % 4 == 1:
            shared.resident2.post(f"/v1/tickets/{t}/support")
        return t
    # one after the other: filters by time need times to differ
    ids = [one(i) for i in range(60)]
    return [read(shared.street, t) for t in ids]


@pytest.fixture(scope="module")
def known(shared, street):
    """For each person the tickets they may see, as they read them in lists."""
    owner = {str(t): login for t, login in shared.sql(
        "select t.id, a.login from ticket.ticket t join identity.account a on a.id = t.owner_id")}
    supporters = {str(t) for t, in shared.sql("select ticket_id from ticket.supporter")}
    seen = {}
    for person, reach in REACH.items():
        seen[person] = [
            {**t, "owner": owner[t["id"]], "backed": person == "resident2" and t["id"] in supporters}
            for t in street if PATHS[t["grid_id"]].startswith(reach)
            and (not person.startswith("resident") or t["public"] or owner[t["id"]] == person)]
    return seen


def matches(t, person, status=None, kind=None, category=None, urgency=None, under=None, created_from=None,
            created_to=None, updated_after=None, mine=None, supported=None, q=None):
    text = f"{t['number']} {t['title']} {t['description']}".lower()
    return ((status is None or t["status"] in status.split(",")) and (kind is None or t["kind"] == kind)
            and (category is None or t["category"] == category) and (urgency is None or t["urgency"] == urgency)
            and (under is None or PATHS[t["grid_id"]].startswith(PATHS[under]))
            and (created_from is None or at(t["created_at"]) >= at(created_from))
            and (created_to is None or at(t["created_at"]) < at(created_to))
            and (updated_after is None or at(t["updated_at"]) > at(updated_after))
            and (mine is None or t["owner"] == person) and (supported is None or t["backed"])
            and (q is None or all(w in text for w in q.lower().split())))


def random_query(rng, street):
    some = rng.choice(street)
    choices = {
        "status": lambda: rng.choice([some["status"], ",".join(rng.sample(OPEN, 3)), ",".join(OPEN), "submitted,closed"]),
        "kind": lambda: some["kind"], "category": lambda: some["category"], "urgency": lambda: some["urgency"],
        "under": lambda: rng.choice([ROOT, MASTER, GENERAL, A, B, C, D, SPECIAL]),
        "created_from": lambda: some["created_at"], "created_to": lambda: some["created_at"],
        "updated_after": lambda: some["updated_at"], "mine": lambda: "true", "supported": lambda: "true",
        "q": lambda: rng.choice(["油烟", "堵塞", "路灯 灭火", "灭火器过期", "广场舞噪声", "不存", some["number"],
                                 some["number"].lower(), "第7", "路灯 化粪池", "粪池堵"]),
    }
    return {name: choices[name]() for name in rng.sample(sorted(choices), rng.choice([0, 1, 1, 2, 2, 3, 4]))}


def test_every_filter_for_everybody(shared, street, known):
    rng = random.Random(15)
    cases = [(rng.choice(sorted(REACH)), random_query(rng, street), rng.choice([1, 3, 7, 100])) for _ in range(CASES)]

    def one(i):
        person, query, limit = cases[i]
        found = [t for t in known[person] if matches(t, person, **query)]
        key = "updated_at" if "updated_after" in query else "created_at"
        found.sort(key=lambda t: (at(t[key]), t["id"]), reverse=key == "created_at")
        got = walk(shared.client(person), "/v1/tickets", limit=max(limit, 1 + len(found) // 5), **query)
        return [t["id"] for t in got] == [t["id"] for t in found] or f"{cases[i]}: {len(got)} for {len(found)}"
    results = together(CASES, one)
    assert not [r for r in results if r is not True], "\n".join(r for r in results if r is not True)


def test_what_is_masked_is_not_to_be_found(shared, street):
    assert "13800000004" in street[4]["description"]
    for client in (shared.resident, shared.resident2, shared.street):
        assert walk(client, "/v1/tickets", q="13800000004") == []


def test_counts_are_those_of_the_lists(shared, street, known):
    rng = random.Random(6)
    paths = {str(g): p for g, p in shared.sql("select id, path from grid.grid where street_id = 1")}
    for person in sorted(REACH):
        for _ in range(6):
            query = random_query(rng, street)
            query = {k: v for k, v in query.items()
                     if k in ("kind", "category", "urgency", "under", "created_from", "created_to")}
            found = [t for t in known[person] if matches(t, person, **query)]
            got = getattr(shared, person).get("/v1/tickets/summary", params=query).json()
            where = (person, query)
            assert (got["total"], got["open"]) == (len(found), sum(t["status"] in OPEN for t in found)), where
            counts = {s: sum(t["status"] == s for t in found) for s in {t["status"] for t in found}}
            assert {x["status"]: x["count"] for x in got["by_status"]} == counts, where
            assert [x["count"] for x in got["by_status"]] == sorted(counts.values(), reverse=True)
            assert sum(x["count"] for x in got["by_grid"]) == len(found), where
            for x in got["by_grid"]:
                under = [t for t in found if PATHS[t["grid_id"]].startswith(paths[x["grid_id"]])]
                assert (x["count"], x["open"]) == (len(under), sum(t["status"] in OPEN for t in under)), where


def test_brief_and_whole_agree(shared, street, known):
    for person in ("resident2", "lead", "street"):
        briefs = {b["id"]: b for b in walk(getattr(shared, person), "/v1/tickets")}
        assert set(briefs) == {t["id"] for t in known[person]}
        for t in list(briefs)[:12]:
            whole = read(getattr(shared, person), t)
            assert {k: whole[k] for k in briefs[t] if k not in ("title", "description")} == {
                k: v for k, v in briefs[t].items() if k != "title"}


@pytest.mark.parametrize("query, status", [
    ("q=%E6%B2%B9", 400), ("status=", 400), ("status=submitted,submitted", 400), ("status=lost", 400),
    ("kind=quarrel", 400), ("mine=yes", 400), ("created_from=yesterday", 400), ("under=1", 400),
    ("limit=0", 400), ("limit=101", 400), ("under=01900000-0000-8002-8000-100000000012", 200)])
def test_filters_are_checked(shared, street, query, status):
    reply = shared.street.get(f"/v1/tickets?{query}")
    assert reply.status_code == status
    assert status == 400 or reply.json()["items"] == [], "a grid of another street holds nothing"


def test_pages_lose_nothing_while_others_write(shared, street):
    """Four writers while the list is walked: all that was there is met once."""
    before = {t["id"] for t in walk(shared.street, "/v1/tickets")}

    def work(i):
        if i == 0:
            return [t["id"] for t in walk(shared.client("street"), "/v1/tickets", limit=2)]
        client = shared.client("resident")
        for _ in range(8):
            t = submit(client, **samples.TICKET)["id"]
            do(client, t, "withdraw")
    seen = together(5, work)[0]
    assert len(seen) == len(set(seen)) and before <= set(seen)


def test_what_changed_since(shared, street):
    last = max((t["updated_at"] for t in walk(shared.street, "/v1/tickets")), key=at)
    changed = [samples.ticket(shared, "accepted"), submit(shared.resident, **PHYSICAL)["id"]]
    do(shared.resident2, changed[0], "support")
    got = walk(shared.street, "/v1/tickets", updated_after=last, limit=1)
    assert [t["id"] for t in got] == [changed[1], changed[0]]
