"""Clients that keep a journal of their own: each request is on disk before it
is sent, its reply right after. What they wrote is all the oracle knows of what
was promised; it shares no code with the server."""

import hashlib
import http.client
import json
import multiprocessing
import os
import pathlib
import random
import select
import string
import threading
import time
import uuid

import samples

TIMEOUT = 20       # seconds a client waits for a reply
HOMES = {1: {"residents": ["resident", "resident2"], "leads": ["lead", "lead2"],
             "community": "community"},
         2: {"residents": ["resident_far"], "leads": ["lead_far"], "community": "community_far"}}
# 5xx that promise that nothing has happened.
REFUSALS = {"database_unavailable", "overloaded", "storage_unavailable"}


class Journal:
    """Lines of JSON, each durable before the next thing happens."""

    def __init__(self, path):
        self.file = open(path, "ab", buffering=0)

    def write(self, **entry):
        self.file.write(json.dumps({"at": time.time(), **entry}).encode() + b"\n")
        os.fdatasync(self.file.fileno())


def verdict(status, code):
    """What a reply says of the effect: yes, no or unknown."""
    if status is None:
        return "unknown"
    if 200 <= status < 300:
        return "yes"
    if status < 500 or code in REFUSALS:
        return "no"
    return "unknown"


def ended(sock):
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return poll.poll(0)


class Wire:
    """One keep-alive connection, made anew when it breaks."""

    def __init__(self, address, timeout=TIMEOUT):
        self.address, self.timeout, self.connection = address, timeout, None

    def start(self, method, path, body, headers):
        """None, or why it failed; True in self.sent when bytes may have left."""
        self.sent = False
        try:
            if self.connection and ended(self.connection.sock):
                self.broken(None)  # the server has closed it while it was idle
            if not self.connection:
                self.connection = http.client.HTTPConnection(*self.address, timeout=self.timeout)
                self.connection.connect()
            self.sent = True
            self.connection.request(method, path, body, headers)
        except (OSError, http.client.HTTPException) as e:
            return self.broken(e)

    def broken(self, error):
        if self.connection:
            self.connection.close()
        self.connection = None
        return type(error).__name__

    def finish(self):
        """(status, code, body) or (None, why, None)."""
        try:
            reply = self.connection.getresponse()
            body = reply.read()
            if reply.getheader("Connection", "").lower() == "close":
                self.broken(reply)
        except (OSError, http.client.HTTPException) as e:
            return None, self.broken(e), None
        code = None
        if reply.status >= 400:
            try:
                code = json.loads(body).get("code")
            except ValueError:
                code = "no problem+json"
        return reply.status, code, body.decode(errors="replace")

    def __call__(self, method, path, body=None, headers=None):
        why = self.start(method, path, body, headers or {})
        return (None, why, None) if why else self.finish()


def marker():
    """A key, and a text no other request has; no digits, which might be masked."""
    return "".join(random.choices(string.ascii_lowercase, k=20))


class Ticket:
    def __init__(self, id_, owner):
        self.id, self.owner, self.state, self.supported = id_, owner, "submitted", False


class Client(threading.Thread):
    """One person's worth of load, until told to stop."""

    def __init__(self, place, number, journal):
        super().__init__(daemon=True)
        self.place, self.number = place, number
        self.journal = Journal(journal)
        self.wires = [Wire(place.address), Wire(place.address)]
        self.random = random.Random(f"{place.seed}-{number}")
        self.home = self.random.choice((1, 1, 2))
        self.people = HOMES[self.home]
        self.tickets = []    # only this client moves them
        self.photos = {}     # owner → id, not attached yet

    def run(self):
        try:
            self.load()
        except Exception as e:
            self.place.count(None, f"client died: {e!r}")
            raise

    def load(self):
        while not self.place.stop.is_set():
            turn = self.random.choices(
                (self.submit, self.comment, self.support, self.advance, self.photo, self.bad, self.read),
                (30, 20, 10, 25, 5, 4, 6))[0]
            turn()
            self.place.pause()

    # -- one request ---------------------------------------------------------

    def note_send(self, op, actor, path, body, key, ticket):
        text = json.dumps(body) if body is not None else None
        number = str(uuid.uuid4())
        self.journal.write(e="send", n=number, op=op, actor=actor, key=key, path=path, body=text,
                           ticket=ticket, hash=hashlib.sha256((text or "").encode()).hexdigest())
        headers = {"Authorization": "Bearer " + self.place.tokens[actor], "Accept-Language": "en"}
        if text is not None:
            headers["Content-Type"] = "application/json"
        if key:
            headers["Idempotency-Key"] = key
        return number, text, headers

    def note_reply(self, number, reply):
        status, code, body = reply
        self.journal.write(e="reply", n=number, status=status, code=code, body=body)
        self.place.count(status, code)

    def once(self, op, actor, path, body, key, ticket=None, twice=False):
        """Sends it (twice at the same time, when asked); the replies."""
        asked = [self.note_send(op, actor, path, body, key, ticket) for _ in range(2 if twice else 1)]
        started = [w.start("POST", path, text, headers)
                   for w, (_, text, headers) in zip(self.wires, asked)]
        replies = []
        for wire, (number, _, _), why in zip(self.wires, asked, started):
            replies.append((None, why, None) if why else wire.finish())
            self.note_reply(number, replies[-1])
        return replies

    def insist(self, op, actor, path, body, key, ticket=None, twice=False):
        """With the same key until the outcome is certain; its reply or None."""
        while True:
            for status, code, text in self.once(op, actor, path, body, key, ticket, twice):
                if verdict(status, code) == "yes":
                    return json.loads(text)
                if status is not None and status < 500 and not twice:
                    return None
            if not key or self.place.stop.is_set():
                return None
            time.sleep(self.random.uniform(0.02, 0.3))
            twice = False

    # -- what people do ------------------------------------------------------

    def submit(self):
        actor = self.random.choice(self.people["residents"])
        key = marker()
        body = {**samples.TICKET, "title": key}
        if actor in self.photos:
            body["photo_ids"] = [self.photos.pop(actor)]
        keyed = self.random.random() < 0.9
        made = self.insist("submit", actor, "/v1/tickets", body, key if keyed else None,
                           twice=keyed and self.random.random() < 0.15)
        if made:
            self.tickets.append(Ticket(made["id"], actor))
            del self.tickets[:-30]

    def bad(self):
        """Fails at the end of its transaction: nothing of it may stay."""
        key = marker()
        self.insist("submit", self.people["residents"][0], "/v1/tickets",
                    {**samples.TICKET, "title": key, "photo_ids": [str(uuid.uuid4())]}, key)

    def comment(self):
        if self.tickets:
            t, key = self.random.choice(self.tickets), marker()
            self.insist("comment", t.owner, f"/v1/tickets/{t.id}/comments", {"text": key}, key, t.id)

    def support(self):
        others = [(t, who) for t in self.tickets for who in self.people["residents"]
                  if who != t.owner and not t.supported and t.state in ("submitted", "accepted")]
        if others:
            t, who = self.random.choice(others)
            t.supported = True
            self.insist("support", who, f"/v1/tickets/{t.id}/support", None, marker(), t.id)

    STEPS = {"submitted": ("accept", "accepted", None), "accepted": ("start", "in_progress", None),
             "in_progress": ("resolve", "resolved", "note"), "resolved": ("reply", "replied", "text")}

    def advance(self):
        moving = [t for t in self.tickets if t.state in self.STEPS]
        if not moving:
            return
        t = self.random.choice(moving)
        action, state, field = self.STEPS[t.state]
        actor = self.people["community"] if action == "reply" else self.people["leads"][0]
        key = marker()
        path = f"/v1/tickets/{t.id}/{action}"
        if action == "accept" and len(self.people["leads"]) > 1:
            self.race(t)
        elif self.insist(action, actor, path, {field: key} if field else None, key, t.id):
            t.state = state
        else:
            self.tickets.remove(t)

    def race(self, t):
        """Two leads take one ticket at once: one wins."""
        asked = [(lead, *self.note_send("accept", lead, f"/v1/tickets/{t.id}/accept", None, marker(), t.id))
                 for lead in self.people["leads"]]
        started = [w.start("POST", f"/v1/tickets/{t.id}/accept", None, headers)
                   for w, (_, _, _, headers) in zip(self.wires, asked)]
        wins = []
        for wire, (lead, number, _, _), why in zip(self.wires, asked, started):
            reply = (None, why, None) if why else wire.finish()
            self.note_reply(number, reply)
            wins.append(verdict(*reply[:2]))
        if "yes" in wins:
            t.state = "accepted"
        else:
            self.tickets.remove(t)

    def photo(self):
        actor = self.random.choice(self.people["residents"])
        if actor in self.photos:
            return
        picture = samples.png(16, 16, self.random.randbytes(3))
        body, media = samples.upload_body(picture)
        number, _, headers = self.note_send("photo", actor, "/v1/photos", None, None, None)
        reply = self.wires[0]("POST", "/v1/photos", body, {**headers, "Content-Type": media})
        self.note_reply(number, reply)
        if verdict(*reply[:2]) == "yes":
            self.photos[actor] = json.loads(reply[2])["id"]

    def read(self):
        path = "/v1/tickets?limit=5"
        reply = self.wires[0]("GET", path, None, {
            "Authorization": "Bearer " + self.place.tokens[self.people["residents"][0]]})
        self.place.count(reply[0], reply[1])


class Place:
    """What the clients of one process share."""

    def __init__(self, address, tokens, seed, stop, counts, pace):
        self.address, self.tokens, self.seed = address, tokens, seed
        self.stop, self.counts, self.pace = stop, counts, pace

    def pause(self):
        if self.pace:
            time.sleep(random.expovariate(1 / self.pace))

    def count(self, status, code):
        name = f"none {code}" if status is None else str(status) + (f" {code}" if status >= 500 else "")
        with self.counts.lock:
            self.counts.values[name] = self.counts.values.get(name, 0) + 1


class Counts:
    def __init__(self, values):
        self.values, self.lock = values, threading.Lock()


def process_main(number, threads, address, tokens, seed, stop, folder, pace, results):
    counts = Counts({})
    place = Place(address, tokens, f"{seed}-{number}", stop, counts, pace)
    clients = [Client(place, i, folder / f"journal-{number}-{i}") for i in range(threads)]
    for c in clients:
        c.start()
    for c in clients:
        c.join()
    results.put(counts.values)


class Load:
    """Clients in several processes, and readers of both streets' feeds."""

    def __init__(self, address, tokens, folder, seed, clients=50, processes=4, pace=0.05):
        self.folder = pathlib.Path(folder)
        context = multiprocessing.get_context("fork")
        self.stopped, self.results = context.Event(), context.Queue()
        self.settled = context.Event()
        each = max(1, clients // processes)
        self.processes = [context.Process(target=process_main, daemon=True, args=(
            n, each, address, tokens, seed, self.stopped, self.folder, pace, self.results))
            for n in range(processes)]
        self.readers = [context.Process(target=follow, daemon=True, args=(
            address, tokens[name], self.folder / f"feed-{street}", self.settled))
            for street, name in ((1, "street"), (2, "street_far"))]
        for p in self.processes + self.readers:
            p.start()

    def stop(self):
        """Counts of replies by status, once every client has come to rest."""
        self.stopped.set()
        counts = {}
        for _ in self.processes:
            for name, n in self.results.get(timeout=120).items():
                counts[name] = counts.get(name, 0) + n
        for p in self.processes:
            p.join(10)
        return counts

    def finish_reading(self):
        self.settled.set()
        for p in self.readers:
            p.join(60)
            if p.is_alive():
                p.kill()


def follow(address, token, path, settled):
    """The change feed from its beginning; ends at the first empty answer after
    all is settled."""
    wire, journal, after = Wire(address, 30), Journal(path), None
    while True:
        last = settled.is_set()
        query = "limit=100" + (f"&after={after}" if after else "") + ("" if last else "&wait=2")
        status, _, body = wire("GET", "/v1/changes?" + query, None, {"Authorization": "Bearer " + token})
        if status != 200:
            time.sleep(0.1)
            continue
        page = json.loads(body)
        journal.write(ids=[e["id"] for e in page["items"]])
        after = page["next"] or after
        if last and not page["items"]:
            return


def read_requests(folder):
    """{request: {op, actor, key, …, verdicts, bodies}} of all journals; one
    with a key is the same however often it was sent."""
    requests = {}
    for path in sorted(pathlib.Path(folder).glob("journal-*")):
        sent = {}
        for line in path.read_bytes().splitlines():
            entry = json.loads(line)
            if entry["e"] == "send":
                name = (entry["actor"], entry["key"]) if entry["key"] else entry["n"]
                r = requests.setdefault(name, {**entry, "verdicts": [], "bodies": [], "codes": []})
                sent[entry["n"]] = r
                r["verdicts"].append("unknown")
            else:
                r = sent[entry["n"]]
                r["verdicts"].remove("unknown")
                r["verdicts"].append(verdict(entry["status"], entry["code"]))
                r["codes"].append((entry["status"], entry["code"]))
                if r["verdicts"][-1] == "yes":
                    r["bodies"].append(entry["body"])
    return requests


def read_feed(folder, street):
    path = pathlib.Path(folder) / f"feed-{street}"
    return [i for line in path.read_bytes().splitlines() for i in json.loads(line)["ids"]]


def acknowledged(folder, begin, end_):
    """(op, sent, …) of what was first said to be done between then and then."""
    known, found = set(), []
    for path in pathlib.Path(folder).glob("journal-*"):
        sent = {}
        for line in path.read_bytes().splitlines():
            entry = json.loads(line)
            if entry["e"] == "send":
                sent[entry["n"]] = entry
                continue
            request = sent[entry["n"]]
            name = (request["actor"], request["key"] or entry["n"])
            if verdict(entry["status"], entry["code"]) == "yes" and name not in known:
                known.add(name)
                if begin < entry["at"] < end_:
                    found.append((request["op"], round(entry["at"] - begin, 1), request["key"]))
    return found


def slowest(folder):
    """Seconds of the longest request; photos wait for their turn, too."""
    longest = 0
    for path in pathlib.Path(folder).glob("journal-*"):
        sent = {}
        for line in path.read_bytes().splitlines():
            entry = json.loads(line)
            if entry["e"] == "send":
                sent[entry["n"]] = entry
            elif sent[entry["n"]]["op"] != "photo":
                longest = max(longest, entry["at"] - sent[entry["n"]]["at"])
    return longest


def settle(address, tokens, folder, sample=100):
    """Sends again, with their keys, all requests of unknown outcome and some
    of known; writes what came to a journal of its own."""
    journal = Journal(pathlib.Path(folder) / "journal-settle")
    wire, requests = Wire(address), read_requests(folder)
    keyed = [r for r in requests.values() if r["key"]]
    unknown = [r for r in keyed if "yes" not in r["verdicts"] and "unknown" in r["verdicts"]]
    known = [r for r in keyed if "yes" in r["verdicts"]]
    for r in unknown + random.Random(1).sample(known, min(sample, len(known))):
        if not settle_one(wire, tokens, journal, r):
            break
    return len(unknown)


def settle_one(wire, tokens, journal, r):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        number = str(uuid.uuid4())
        journal.write(e="send", n=number, **{k: r[k] for k in (
            "op", "actor", "key", "path", "body", "ticket", "hash")})
        headers = {"Authorization": "Bearer " + tokens[r["actor"]], "Idempotency-Key": r["key"],
                   "Accept-Language": "en"}
        if r["body"] is not None:
            headers["Content-Type"] = "application/json"
        status, code, body = wire("POST", r["path"], r["body"], headers)
        journal.write(e="reply", n=number, status=status, code=code, body=body)
        if status is not None and status < 500:
            return True
        time.sleep(0.1)
    return False
