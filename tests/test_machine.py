"""Every state × action × person, over HTTP, against a table written by hand
from the rules; and `actions` must say the same."""

import pytest

import samples
from story import B, do, read, sign_in, submit, together

# Who may do what in which state.
TABLE = {
    "submitted": {"reporter": "withdraw edit urge", "street": "supervise", "neighbour": "support", "supporter": "unsupport",
                  "lead": "accept reject transfer", "community": "reject transfer merge"},
    "accepted": {"reporter": "withdraw urge", "street": "supervise", "neighbour": "support", "supporter": "unsupport",
                 "lead": "start escalate"},
    "in_progress": {"reporter": "withdraw urge", "street": "supervise dispatch", "neighbour": "support", "supporter": "unsupport",
                    "lead": "resolve escalate", "community": "resolve suspend"},
    "escalated_community": {"reporter": "withdraw urge", "street": "supervise", "neighbour": "support", "supporter": "unsupport",
                            "community": "start call"},
    **{s: {"reporter": "withdraw urge", "street": "supervise dispatch", "neighbour": "support", "supporter": "unsupport"}
       for s in ("called", "dispatched", "reported_in")},
    "suspended": {"reporter": "withdraw", "street": "supervise", "neighbour": "support", "supporter": "unsupport",
                  "community": "resume"},
    "resolved": {"reporter": "thank urge", "street": "supervise", "neighbour": "thank", "supporter": "thank",
                 "community": "send_back reply"},
    "replied": {"reporter": "rate reopen thank", "neighbour": "thank", "supporter": "thank"},
    "closed": {"reporter": "thank", "neighbour": "thank", "supporter": "thank"},
    "reopened": {"reporter": "withdraw urge", "street": "supervise", "neighbour": "support",
                 "supporter": "unsupport", "lead": "accept"},
    "rejected": {}, "withdrawn": {}, "merged": {},
}
ALWAYS = {"reporter": "comment", "neighbour": "comment", "supporter": "comment",
          "lead": "comment contact", "community": "comment contact", "street": "comment"}

# Which roles may ever do it: others are told so whatever the ticket.
ROLES = {
    "accept": "grid_lead", "reject": "grid_lead community", "transfer": "grid_lead community",
    "merge": "community", "start": "grid_lead community", "escalate": "grid_lead",
    "suspend": "community", "resume": "community", "resolve": "grid_lead community",
    "send_back": "community", "reply": "community", "rate": "resident", "reopen": "resident",
    "withdraw": "resident", "support": "resident", "unsupport": "resident", "thank": "resident",
    "edit": "resident", "comment": "resident grid_lead community street", "contact": "grid_lead community",
    "urge": "resident", "supervise": "street", "call": "community", "dispatch": "street",
}
REPORTERS_OWN = ("withdraw", "edit", "rate", "reopen", "urge")
STAYS = ("edit", "support", "unsupport", "thank", "comment", "contact", "urge", "supervise")

# Where it leads.
TO = {"accept": "accepted", "reject": "rejected", "transfer": "submitted", "merge": "merged",
      "start": "in_progress", "escalate": "escalated_community", "suspend": "suspended",
      "resume": "in_progress", "call": "called", "dispatch": "dispatched", "resolve": "resolved", "send_back": "in_progress", "reply": "replied",
      "rate": "closed", "reopen": "reopened", "withdraw": "withdrawn"}

# More departments come; it stays with those who have it.
REMAINS = [(s, "dispatch") for s in ("dispatched", "reported_in", "in_progress")]

PERSONS = {"reporter": "resident", "neighbour": "resident", "supporter": "resident", "lead": "grid_lead",
           "community": "community", "street": "street"}
OUTSIDERS = {"resident_far": "resident", "lead_next": "grid_lead", "lead_ended": "grid_lead",
             "lead_far": "grid_lead", "community2": "community", "community_far": "community",
             "street_far": "street"}


def allowed(status, person):
    return f"{TABLE[status].get(person, '')} {ALWAYS[person]}".split()


def expected(status, action, person):
    """HTTP status and code."""
    role = {**PERSONS, **OUTSIDERS}[person]
    if role not in ROLES[action].split():
        return 403, "role_not_allowed"
    if person in OUTSIDERS:
        return 404, "not_found"
    if action in allowed(status, person):
        return (201 if action == "comment" else 200), None
    if action == "start" and status in ("accepted", "escalated_community", "reported_in"):
        return 403, "role_not_allowed"  # the other role's turn
    if action in REPORTERS_OWN and action in allowed(status, "reporter"):
        return 403, "not_reporter"
    if action in ("support", "unsupport") and "support" in allowed(status, "neighbour"):
        return 409, ("not_supported" if action == "unsupport" else
                     {"reporter": "own_ticket", "supporter": "already_supported"}[person])
    if (status, action) == ("accepted", "accept"):
        return 409, "already_accepted"
    return 409, "wrong_state"


class Stage:
    """Tickets in any state, with the same people around each."""

    def __init__(self, world):
        self.world = world
        self.people = {p: getattr(world, p) for p in ("lead", "community", "street", *OUTSIDERS)}
        self.people.update(reporter=world.resident, neighbour=world.resident2,
                           supporter=sign_in(world, "newcomer", "resident"))
        self.target = samples.ticket(world, "accepted")

    def ticket(self, status):
        t = submit(self.people["reporter"], **samples.TICKET)["id"]
        do(self.people["supporter"], t, "support")
        if status == "merged":
            do(self.people["community"], t, "merge", target_id=self.target)
        for person, operation in samples.STEPS.get(status, []):
            samples.step(self.world, person, operation, t)
        return t

    def attempt(self, t, action, person):
        client, path = self.people[person], f"/v1/tickets/{t}"
        if action == "edit":
            tag = client.get(path).headers.get("ETag", '"1"') if person == "reporter" else '"1"'
            return client.put(path, samples.TICKET, headers={"If-Match": tag})
        if action == "contact":
            return client.get(f"{path}/contact")
        if action == "comment":
            return client.post(f"{path}/comments", {"text": "看到了"})
        operation = {"send_back": "sendBack"}.get(action, action) + "Ticket"
        body = {**(samples.plain_body(self.world, operation) or {})}
        body.update({"transfer": {"grid_id": B}, "merge": {"target_id": self.target}}.get(action, {}))
        if action == "dispatch":
            body = {"own_staff": True}
        return client.post(f"{path}/{action}", body or None)


@pytest.fixture(scope="module")
def stage(shared):
    return Stage(shared)


@pytest.mark.parametrize("status", TABLE)
def test_every_action_of_everybody(stage, status):
    """security 39"""
    standing = stage.ticket(status)
    told = {p: set(read(stage.people[p], standing)["actions"]) for p in PERSONS}
    assert told == {p: set(allowed(status, p)) for p in PERSONS}

    cases = [(a, p) for a in ROLES for p in (*PERSONS, *OUTSIDERS)]
    moves = [(a, p) for a, p in cases if p in PERSONS and a in allowed(status, p) and a not in STAYS]
    stays = [(a, p) for a, p in cases if p in PERSONS and a in allowed(status, p) and a in STAYS]
    refused = [c for c in cases if c not in moves + stays]
    before = read(stage.people["street"], standing)
    check(stage, status, [(standing, *c) for c in refused])
    assert read(stage.people["street"], standing) == before, "what was refused left a trace"
    for case in stays:  # one by one: each makes a new version
        check(stage, status, [(standing, *case)])
    assert read(stage.people["street"], standing)["status"] == status

    fresh = together(len(moves), lambda i: stage.ticket(status))
    check(stage, status, [(t, *c) for t, c in zip(fresh, moves)])
    for t, (action, _) in zip(fresh, moves):
        assert read(stage.people["street"], t)["status"] == (status if (status, action) in REMAINS else TO[action]), action


def check(stage, status, cases):
    def one(i):
        t, action, person = cases[i]
        reply = stage.attempt(t, action, person)
        code = reply.json()["code"] if reply.status_code >= 400 else None
        want = expected(status, action, person)
        return (reply.status_code, code) == want or f"{status} {action} {person}: {reply.status_code} {code}, not {want}"
    assert [x for x in together(len(cases), one) if x is not True] == []
