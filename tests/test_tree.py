"""Scopes in a tree of three streets, each of three communities, each of three
grids: whoever answers for a node reaches what is below it and nothing else."""

import json
import re

import pytest

import harness
import raw
import samples
from story import together

STREETS = (101, 102, 103)
COMMUNITIES = [f"{s}/{c}/" for s in STREETS for c in (1, 2, 3)]
LEAVES = [f"{c}{g}/" for c in COMMUNITIES for g in (1, 2, 3)]
NODES = [f"{s}/" for s in STREETS] + COMMUNITIES + LEAVES


def role_at(path):
    return {1: "street", 2: "community", 3: "grid_lead"}[path.count("/")]


def uid(kind, path):
    street, *rest = path.strip("/").split("/")
    return f"01900000-0000-8{int(street):03x}-8000-{kind}{''.join(rest):0>11}"


def plant(world):
    for street in STREETS:
        world.sql("insert into grid.street values (%s, %s, %s, %s)", street, str(990000 + street), f"第{street}街道",
                  "T" + "ABC"[street - 101] + "X")
    for path in NODES:
        street, kind = int(path.split("/")[0]), {1: "street", 2: "master", 3: "special"}[path.count("/")]
        parent = re.sub(r"\d+/$", "", path) or None
        world.sql("insert into grid.grid (street_id, id, parent_id, kind, serial, path, code, name, valid_from)"
                  " values (%s, %s, %s, %s, %s, %s, %s, %s, '2024-01-01')", street, uid(1, path), parent and uid(1, parent), kind,
                  int(path.strip("/").split("/")[-1]), path, "T" + path.replace("/", ""), "网格" + path)
        person(world, login(path), role_at(path), street, path)
        if role_at(path) == "grid_lead":
            world.sql("insert into grid.assignment (street_id, id, grid_id, grid_kind, path, account_id, name, lead_kind, from_on)"
                      " select %s, %s, %s, 'special', %s, id, 'x', 'special', '2024-01-01' from identity.account where login = %s",
                      street, uid(4, path), uid(1, path), path, login(path))
    for street in STREETS:
        person(world, f"tree-resident-{street}", "resident", street, f"{street}/1/1/")


def login(path):
    return "tree-" + path.strip("/").replace("/", "-")


def token(world, name):
    return samples.login(world, name)["access_token"]


def person(world, name, role, street, path):
    world.sql("with a as (insert into identity.account (id, login, display_name, password_hash) select gen_random_uuid(), %s, '某某',"
              " password_hash from identity.account where login = 'resident' returning id)"
              " insert into identity.account_role (account_id, role, street_id, path, from_on)"
              " select id, %s, %s, %s, '2024-01-01' from a", name, role, street, path if role != "grid_lead" else f"{street}/")


@pytest.fixture(scope="module")
def tree(shared):
    plant(shared)
    shared.people = dict(zip(NODES, together(len(NODES), lambda i: token(shared, login(NODES[i])))))
    shared.tickets = {}
    for street in STREETS:
        resident = harness.Client(shared.server.url, token(shared, f"tree-resident-{street}"), shared.spec.check_reply)
        for path in (p for p in LEAVES if p.startswith(f"{street}/")):
            reply = resident.post("/v1/tickets", {**samples.TICKET, "grid_id": uid(1, path), "public": False})
            assert reply.status_code == 201, reply.text
            shared.tickets[path] = reply.json()["id"]
    return shared


def ask(connection, token, target):
    reply = connection.request("GET", target, {"Authorization": "Bearer " + token})
    return reply.status, json.loads(reply.body)


def test_scope_reaches_down_and_nowhere_else(tree):
    """security 3: every node's person at every leaf's ticket, list, count and
    assignments."""
    def one(i):
        mine, wrong = NODES[i], []
        below = sorted(t for p, t in tree.tickets.items() if p.startswith(mine))
        with raw.Connection(tree.server.url) as c:
            def check(what, target, want):
                status, body = ask(c, tree.people[mine], target)
                if status != want:
                    wrong.append(f"{mine} {what}: {status}")
                return body
            for path, ticket in tree.tickets.items():
                check(path, f"/v1/tickets/{ticket}", 200 if path.startswith(mine) else 404)
            for path in NODES:
                check("leads of " + path, f"/v1/grids/{uid(1, path)}/assignments", 200 if path.startswith(mine) else 404)
                listed = check("under " + path, f"/v1/tickets?limit=100&under={uid(1, path)}", 200)["items"]
                if sorted(t["id"] for t in listed) != sorted(t for p, t in tree.tickets.items()
                                                              if p.startswith(mine) and p.startswith(path)):
                    wrong.append(f"{mine} under {path}: {len(listed)}")
            if sorted(t["id"] for t in check("list", "/v1/tickets?limit=100", 200)["items"]) != below:
                wrong.append(f"{mine} list")
            if check("summary", "/v1/tickets/summary", 200)["total"] != len(below):
                wrong.append(f"{mine} summary")
        return wrong
    assert sum(together(len(NODES), one), []) == []
    assert len(NODES) == 39 and len(tree.tickets) == 27


def test_what_went_up_still_belongs_below(tree):
    """security 3: escalated to the community, a ticket stays the lead's to read
    and becomes no other lead's; the street reads it, no other community does."""
    path = LEAVES[0]
    ticket = tree.tickets[path]
    for person, action in ((path, "accept"), (path, "escalate"), (path[:-2], "start")):
        with raw.Connection(tree.server.url) as c:
            body = json.dumps({"note": "请社区看看"}).encode() if action == "escalate" else b""
            reply = c.request("POST", f"/v1/tickets/{ticket}/{action}", {
                "Authorization": "Bearer " + tree.people[person], **({"Content-Type": "application/json"} if body else {})}, body)
        assert reply.status == 200, f"{action}: {reply.body}"
    with raw.Connection(tree.server.url) as c:
        seen = {p for p in NODES if ask(c, tree.people[p], f"/v1/tickets/{ticket}")[0] == 200}
    assert seen == {path, path[:-2], path[:-4]}
