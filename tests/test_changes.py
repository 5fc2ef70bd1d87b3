"""The change feed: nothing missed, nothing twice, in an order that stays, in
time, and only one's own."""

import json
import os
import threading
import time
import urllib.parse

import pytest

import harness
import samples
from raw import Connection
from story import B, D, actions, do, feed, submit, walk

REACH = {"lead": "1/1/1/1/", "lead_next": "1/1/1/2/", "lead_general": "1/1/1/", "community": "1/1/",
         "community2": "1/2/", "street": "1/"}
PARKED = "select count(*) from pg_stat_activity where datname = %s and query like '%%changed_streets%%'"


class Follower(threading.Thread):
    """Follows the feed from now on by long polls, until told that all is done."""

    def __init__(self, world, person, limit):
        super().__init__()
        self.client, self.limit = world.client(person), limit
        self.after = self.client.get("/v1/changes/head").json()["next"]
        self.done, self.seen, self.failure = threading.Event(), [], None

    def run(self):
        try:
            while True:
                last = self.done.is_set()
                page = self.client.get("/v1/changes", params={
                    "after": self.after, "limit": self.limit, "wait": 0 if last else 5}).json()
                self.after = page["next"]
                self.seen += page["items"]
                assert len(page["items"]) <= self.limit
                if last and not page["items"]:
                    return
        except Exception as failure:
            self.failure = failure


def visible(world, person, since):
    """What the person must see of what happened, in order, by the rules."""
    owner, = world.sql("select id from identity.account where login = %s", person)[0]
    return [str(i) for i, path, of, public in world.sql(
        "select id, path, owner_id, is_public from core.event"
        " where street_id = 1 and xact >= %s::xid8 order by xact, id", since)
        if (path.startswith(REACH[person]) if person in REACH else public or of == owner)]


def test_followers_miss_nothing_while_eight_write(world):
    since, = world.sql("select pg_current_xact_id()::text")[0]
    followers = [Follower(world, p, n) for p, n in [
        ("resident", 7), ("resident2", 100), ("lead", 3), ("lead_general", 20), ("lead_next", 50),
        ("community", 10), ("community2", 100), ("street", 5), ("street_far", 100)]]
    for f in followers:
        f.start()

    def write(n):
        resident, lead, community = (world.client(p) for p in ("resident", "lead", "community"))
        for i in range(6):
            t = submit(resident, **{**samples.TICKET, "public": i % 3 != 0})["id"]
            submit(resident, **samples.TICKET, grid_id=(B, D)[n % 2])
            do(lead, t, "accept")
            lead.post(f"/v1/tickets/{t}/comments", {"text": "看过了", "internal": i % 2 == 0})
            do(lead, t, "start")
            do(lead, t, "resolve", note="好了")
            do(community, t, "reply", text="好了")
            do(resident, t, "rate" if i % 2 else "reopen",
               **({"stars": 5, "resolved": True, "satisfied": True} if i % 2 else {"reason": "没好"}))
    writers = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for w in writers:
        w.start()
    for w in writers:
        w.join()
    world.settle()
    for f in followers:
        f.done.set()
    for f in followers:
        f.join(60)
        assert not f.is_alive() and f.failure is None, f.failure

    assert world.sql("select count(*) from core.event where street_id = 1")[0][0] == 8 * 6 * 8
    for f in followers[:-1]:
        person = next(p for p in harness.PEOPLE if world.site.tokens[p] == f.client.token)
        got = [e["id"] for e in f.seen]
        assert len(got) == len(set(got)), f"{person}: repeated"
        assert got == visible(world, person, since), f"{person}: missed or in another order"
    assert followers[-1].seen == []
    # and whoever begins at the beginning reads the same
    assert [e["id"] for e in feed(world.community)[0]] == visible(world, "community", "0")


def test_an_open_transaction_delays_and_loses_nothing(shared):
    head = shared.street.get("/v1/changes/head").json()["next"]
    slow = shared.site.cluster.connect(shared.database, "linli_owner")
    slow.autocommit = False
    try:
        with slow.cursor() as c:
            c.execute("select core.enter_system(1)")
            c.execute("select core.put_event('ticket', core.new_id(1), 'early', null, null, '1/1/1/1/', null, true)")
        late = samples.ticket(shared)
        assert actions(shared.street, late) == ["submit"]  # the timeline does not wait
        page = shared.street.get("/v1/changes", params={"after": head, "wait": 1}).json()
        assert page == {"items": [], "next": head}
        waiting = Poll(shared, "street", head)
        waiting.parked()
    finally:
        slow.commit()
        slow.close()
    assert waiting.seconds_since() < 3
    shared.settle()
    got, after = feed(shared.street, head)
    assert [e["action"] for e in got] == ["early", "submit"] and got[1]["subject_id"] == late
    assert feed(shared.street, after)[0] == []


class Poll(threading.Thread):
    """One long poll, which says when it was answered."""

    def __init__(self, world, person, after, wait=25):
        super().__init__()
        self.world, self.query = world, {"after": after, "wait": wait}
        self.client, self.reply = world.client(person), None
        self.began = time.monotonic()
        self.start()

    def run(self):
        self.reply = self.client.get("/v1/changes", params=self.query)
        self.ended = time.monotonic()

    def parked(self):
        """Until the daemon asks, for those who wait, what changed."""
        harness.wait_for(lambda: self.world.sql(PARKED, self.world.database)[0][0], "the poll to be parked")
        assert self.reply is None

    def seconds_since(self):
        """From when there is something to be heard of: other databases of the
        cluster, just being made, hold the horizon back, too."""
        self.world.settle()
        now = time.monotonic()
        self.join(30)
        return self.ended - now


def test_a_waiting_client_hears_within_a_second(world):
    head = world.lead.get("/v1/changes/head").json()["next"]
    poll = Poll(world, "lead", head)
    poll.parked()
    t = samples.ticket(world)
    assert poll.seconds_since() < 1.5  # a second, and some for a busy machine
    assert [(e["action"], e["subject_id"]) for e in poll.reply.json()["items"]] == [("submit", t)]
    # what is not one's own wakes nobody up
    head = poll.reply.json()["next"]
    poll = Poll(world, "lead", head, wait=2)
    poll.parked()
    submit(world.resident, **samples.TICKET, grid_id=D)
    submit(world.resident_far, **samples.TICKET)
    poll.join(30)
    assert 1.9 < poll.ended - poll.began < 5
    assert poll.reply.json() == {"items": [], "next": head}


def test_the_deadline_is_kept(shared):
    head = shared.resident.get("/v1/changes/head").json()["next"]
    for wait in (0, 1):
        poll = Poll(shared, "resident", head, wait)
        poll.join(30)
        assert wait <= poll.ended - poll.began < wait + 2
        assert poll.reply.json() == {"items": [], "next": head}
    assert shared.resident.get("/v1/changes?wait=61").status_code == 400


def test_hanging_up_while_parked(world):
    head = world.street.get("/v1/changes/head").json()["next"]
    pids = [world.server.pid(f"worker-{i}") for i in range(2)]
    open_files = lambda: sum(len(os.listdir(f"/proc/{p}/fd")) for p in pids)
    before = open_files()
    target = f"/v1/changes?after={head}&wait=60"
    clients = [Connection(world.server.url) for _ in range(30)]
    for c in clients:
        c.send(f"GET {target} HTTP/1.1\r\nHost: {c.host}\r\nAuthorization: Bearer {world.street.token}\r\n\r\n".encode())
    harness.wait_for(lambda: open_files() >= before + 30, "thirty to be connected")
    Poll(world, "street", head, wait=1).parked()
    for c in clients[:29]:
        c.socket.close()
    harness.wait_for(lambda: open_files() <= before + 2, "their ends to be closed")
    t = samples.ticket(world)
    with clients[29] as last:  # who stayed is answered
        reply = last.read()
        assert reply.status == 200 and json.loads(reply.body)["items"][0]["subject_id"] == t
    assert [world.server.pid(f"worker-{i}") for i in range(2)] == pids
    assert world.client().get("/readyz").status_code == 200


def test_head_then_list_then_follow_misses_nothing(shared):
    head = shared.community.get("/v1/changes/head").json()["next"]
    t = samples.ticket(shared)
    copy = {x["id"] for x in walk(shared.community, "/v1/tickets")}
    do(shared.lead, t, "accept")
    shared.settle()
    got = [e["action"] for e in feed(shared.community, head)[0] if e["subject_id"] == t]
    assert t in copy and got == ["submit", "accept"]


def test_everybody_reads_as_much_as_they_may(shared):
    t = submit(shared.resident, **{**samples.TICKET, "public": False})["id"]
    do(shared.lead, t, "accept")
    shared.lead.get(f"/v1/tickets/{t}/contact")
    do(shared.lead, t, "escalate", note="请社区看看")
    shared.settle()
    of = lambda person: [e for e in feed(getattr(shared, person))[0] if e["subject_id"] == t]
    everything = ["submit", "accept", "contact_viewed", "escalate"]
    for person in ("lead", "lead2", "lead_general", "community", "street"):
        assert [e["action"] for e in of(person)] == everything
        assert all(e["actor_id"] for e in of(person))
    mine = of("resident")
    assert [(e["action"], e["actor_id"] is None) for e in mine] == [
        ("submit", False), ("accept", True), ("escalate", True)]
    assert mine[2]["data"] == {"text": "请社区看看"}
    for person in ("resident2", "lead_next", "lead_ended", "community2", "resident_far", "lead_far", "street_far"):
        assert of(person) == []


@pytest.mark.parametrize("after", ["x", "1:2", "-1:", "a" * 300], ids=range(4))
def test_foreign_cursors_are_refused(shared, after):
    reply = shared.street.get("/v1/changes?after=" + urllib.parse.quote(after))
    assert reply.status_code == 400
