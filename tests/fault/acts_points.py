"""The daemon ends at each named point around commit and reply (include/
fault.h): with a retry under the same key there is one effect, and one reply."""

import random

import harness
import journal
import samples

# point → has the first attempt had an effect? None: who knows.
POINTS = {"before_send": False, "before_sync": False, "after_send": None, "before_reply": True,
          "after_reply": True}
PHOTO_POINTS = ("before_rename", "after_blob")
# A request of each kind of write: one row, many rows, one that moves a state.
OPERATIONS = ("submit", "comment", "accept")


def armed(p, name, body):
    """A stage whose workers die once, at that point, when body arms it."""
    arm = p.act_folder / f"arm-{name}"
    p.act_folder.mkdir(exist_ok=True)
    stage = p.act(env={"FAULT": f"{name}:1", "FAULT_ARM": str(arm)}, load=False, name=name,
                  job_interval_ms=3600000)
    with stage as s:
        s.probe.done.set()
        s.probe.join()
        body(s, arm)


def hit(s, arm):
    s.faults += 1
    s.expect(not arm.exists(), f"{arm.name}: never passed")
    arm.unlink(missing_ok=True)


class Person:
    """A client of the journal, led by hand."""

    def __init__(self, s, number):
        place = journal.Place(s.address, s.site.tokens, s.folder.name, None, journal.Counts({}), 0)
        self.client = journal.Client(place, number, s.folder / f"journal-{number}")
        self.wire = self.client.wires[0]

    def ask(self, op, actor, path, body, key, ticket=None):
        """Once; (verdict, reply)."""
        reply, = self.client.once(op, actor, path, body, key, ticket)
        return journal.verdict(*reply[:2]), reply

    def insist(self, *request):
        harness.wait_for(lambda: self.ask(*request)[0] == "yes", "a good reply")

    def photo(self, actor):
        """Once; its verdict."""
        body, media = samples.upload_body(samples.png(16, 16, random.randbytes(3)))
        number, _, headers = self.client.note_send("photo", actor, "/v1/photos", None, None, None)
        reply = self.wire("POST", "/v1/photos", body, {**headers, "Content-Type": media})
        self.client.note_reply(number, reply)
        return journal.verdict(*reply[:2])


def crash_and_retry(s, arm, person, effect, *request):
    before = events(s)
    arm.touch()
    said, _ = person.ask(*request)
    s.expect(said == "unknown", f"{s.folder.name} {request[0]}: answered before it died: {said}")
    hit(s, arm)
    if effect is not None:
        s.expect(events(s) == before + effect, f"{s.folder.name} {request[0]}: {events(s) - before} effects")
    person.insist(*request)
    s.expect(events(s) == before + 1, f"{s.folder.name} {request[0]}: one event after the retry")


def events(s):
    return s.sql("select count(*) from core.event")[0][0]


def point(effect):
    def body(s, arm):
        person = Person(s, 0)
        key = journal.marker()
        _, reply = person.ask("submit", "resident", "/v1/tickets", {**samples.TICKET, "title": key}, key)
        ticket = journal.json.loads(reply[2])["id"]
        for op in OPERATIONS:
            key = journal.marker()
            actor, path, content = {
                "submit": ("resident", "/v1/tickets", {**samples.TICKET, "title": key}),
                "comment": ("resident", f"/v1/tickets/{ticket}/comments", {"text": key}),
                "accept": ("lead", f"/v1/tickets/{ticket}/accept", None)}[op]
            crash_and_retry(s, arm, person, effect, op, actor, path, content, key, ticket)
    return body


def photo_point(s, arm):
    """Bytes without a row are waste; a row without bytes would be a lie."""
    person = Person(s, 0)
    for _ in range(2):
        arm.touch()
        said = person.photo("resident")
        s.expect(said == "unknown", f"{s.folder.name}: answered before it died: {said}")
        hit(s, arm)
        harness.wait_for(lambda: person.photo("resident") == "yes", "a good upload")


def points(p):
    """security 38: the daemon ends at each named point, and the retry has one
    effect, and one reply."""
    for name, effect in POINTS.items():
        armed(p, name, point(effect))
    for name in PHOTO_POINTS:
        armed(p, name, photo_point)


ACTS = {"points": points}
