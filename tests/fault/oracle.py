"""Compares the clients' journals with the database and the files. Each finding
is one line; none means that every promise was kept."""

import collections
import hashlib
import pathlib
import time

import journal

# Invariants that hold in every database, whoever wrote it: rows are findings.
INVARIANTS = {
    "ticket numbers: doubled or with gaps": """
        select t.street_id, split_part(t.number, '-', 2) as year, count(*),
            count(distinct t.number), max(split_part(t.number, '-', 3)::int), max(c.value)
        from ticket.ticket t left join core.counter c on c.street_id = t.street_id
            and c.name = 'ticket' and c.year = split_part(t.number, '-', 2)::int
        group by 1, 2
        having count(*) <> count(distinct t.number)
            or count(*) <> max(split_part(t.number, '-', 3)::int)
            or count(*) <> coalesce(max(c.value), 0)""",
    "status is not the last event's to_state": """
        select t.id, t.status, e.to_state from ticket.ticket t
        left join lateral (select e.to_state from core.event e where e.street_id = t.street_id
            and e.subject_id = t.id and e.to_state is not null
            order by e.xact desc, e.id desc limit 1) e on true
        where t.status is distinct from e.to_state""",
    "an event does not begin where the one before ended": """
        select * from (select subject_id, id, action, from_state, lag(to_state) over (
                partition by street_id, subject_id order by xact, id) as before
            from core.event where subject = 'ticket' and to_state is not null) x
        where from_state is distinct from before""",
    "a ticket without exactly one submit event": """
        select t.id, count(e.id) from ticket.ticket t left join core.event e
            on e.street_id = t.street_id and e.subject_id = t.id and e.action = 'submit'
        group by t.id having count(e.id) <> 1""",
    "events of tickets that are not there": """
        select e.id from core.event e left join ticket.ticket t
            on t.street_id = e.street_id and t.id = e.subject_id
        where e.subject = 'ticket' and t.id is null""",
    "support_count": """
        select t.id, t.support_count, count(s.*) from ticket.ticket t left join ticket.supporter s
            on s.street_id = t.street_id and s.ticket_id = t.id
        group by t.id, t.support_count having t.support_count <> count(s.*)""",
    "comment_count": """
        select t.id, t.comment_count, count(c.*) from ticket.ticket t left join ticket.comment c
            on c.street_id = t.street_id and c.ticket_id = t.id and not c.internal
        group by t.id, t.comment_count having t.comment_count <> count(c.*)""",
    "photo_count": """
        select t.id, t.photo_count, count(f.*) from ticket.ticket t left join ticket.photo f
            on f.street_id = t.street_id and f.ticket_id = t.id and not f.internal
        group by t.id, t.photo_count having t.photo_count <> count(f.*)""",
    "a ticket without its private half": """
        select t.id from ticket.ticket t left join ticket.private p
            on p.street_id = t.street_id and p.ticket_id = t.id where p.ticket_id is null""",
    "accepted more often than submitted and reopened": """
        select subject_id from core.event group by 1 having count(*) filter (where action = 'accept')
            > count(*) filter (where action in ('submit', 'reopen'))""",
}


class Oracle:
    def __init__(self, sql, folder, data_dir, database):
        self.sql, self.folder, self.database = sql, folder, database
        self.data_dir = pathlib.Path(data_dir)
        self.findings = []

    def find(self, what, *where):
        self.findings.append(": ".join((what, " ".join(str(w) for w in where))))

    def check(self, grace=3600):
        self.requests = journal.read_requests(self.folder)
        self.accounts = dict(self.sql("select login, id::text from identity.account"))
        for what, query in INVARIANTS.items():
            for row in self.sql(query)[:5]:
                self.find(what, *row)
        self.check_effects()
        self.check_idempotency()
        self.check_replies()
        self.check_feed()
        self.check_photos(grace)
        self.check_connections()
        return self.findings

    def effects(self):
        """How often each request's effect is in the database."""
        def count(query):
            return collections.Counter({row[:-1] if len(row) > 2 else row[0]: row[-1]
                                        for row in self.sql(query)})
        titles = count("select title, count(*) from ticket.private group by 1")
        comments = count("select text, count(*) from ticket.comment group by 1")
        events = count("select subject_id::text, action, actor_id::text, count(*) from core.event"
                       " where subject = 'ticket' group by 1, 2, 3")
        texts = count("select data ->> 'text', count(*) from core.event"
                      " where action in ('resolve', 'reply') group by 1")
        photos = count("select id::text, count(*) from ticket.photo group by 1")

        def effect(r):
            if r["op"] == "submit":
                return titles[self.text_of(r, "title")]
            if r["op"] == "comment":
                return comments[self.text_of(r, "text")]
            if r["op"] in ("resolve", "reply"):
                return texts[self.text_of(r, "note" if r["op"] == "resolve" else "text")]
            if r["op"] == "photo":
                return photos[journal.json.loads(r["bodies"][0])["id"]] if r["bodies"] else None
            return events[(r["ticket"], r["op"], self.accounts[r["actor"]])]
        return effect

    @staticmethod
    def text_of(r, field):
        return journal.json.loads(r["body"])[field]

    def check_effects(self):
        self.tally, effect = collections.Counter(), self.effects()
        for r in self.requests.values():
            times, said = effect(r), self.outcome(r)
            self.tally[said] += 1
            if said == "yes" and times != 1:
                self.find("acknowledged, but there", times, "times:", r["op"], r["actor"], r["key"],
                          r["codes"])
            elif said == "no" and times:
                self.find("refused, but there", times, "times:", r["op"], r["key"], r["codes"])
            elif said == "unknown" and times not in (0, 1, None):
                self.find("unknown, and there", times, "times:", r["op"], r["key"])
        if self.requests and not self.tally["yes"]:
            self.find("the journals hold no acknowledged request: nothing was tested")

    @staticmethod
    def outcome(r):
        for said in ("yes", "unknown"):
            if said in r["verdicts"]:
                return said
        return "no"

    def check_idempotency(self):
        """A key has a row if and only if its effect was acknowledged; no row
        is nobody's."""
        rows = self.sql("select a.login, i.key, count(*) from core.idempotency i"
                        " join identity.account a on a.id = i.actor_id group by 1, 2")
        rows = {(login, key): n for login, key, n in rows}
        for name, r in self.requests.items():
            if not r["key"]:
                continue
            n, said = rows.pop(name, 0), self.outcome(r)
            if n > 1 or (said == "yes" and n != 1) or (said == "no" and n):
                self.find("idempotency key", r["key"], said, "but", n, "rows")
            elif said == "unknown" and n != (self.effect_of(r) or 0):
                self.find("key without effect or effect without key", r["op"], r["key"])
        for name in list(rows)[:5]:
            self.find("a key nobody sent", *name)

    def effect_of(self, r):
        self.effect_ = getattr(self, "effect_", None) or self.effects()
        return self.effect_(r)

    def check_replies(self):
        """However often it was asked: the same bytes."""
        for r in self.requests.values():
            if r["key"] and len(set(r["bodies"])) > 1:
                self.find("one key, different replies", r["op"], r["key"], *r["bodies"])
            if any(s and s >= 500 and c not in journal.REFUSALS and c != "outcome_unknown"
                   for s, c in r["codes"]):
                self.find("an answer that should not be", r["op"], r["codes"])

    def check_feed(self):
        for street in (1, 2):
            if not (pathlib.Path(self.folder) / f"feed-{street}").exists():
                continue  # nobody read it
            got = journal.read_feed(self.folder, street)
            want = [i for i, in self.sql("select id::text from core.event where street_id = %s"
                                         " order by xact, id", street)]
            if got == want:
                continue
            missed, extra = set(want) - set(got), len(got) - len(set(got))
            self.find(f"change feed of street {street}", f"{len(want)} events, {len(got)} delivered,"
                      f" {len(missed)} missed, {extra} twice, {len(set(got) - set(want))} unknown")

    def check_photos(self, grace):
        rows = self.sql("select hash from ticket.photo union select thumb_hash from ticket.photo")
        wanted = {h for h, in rows}
        folder = self.data_dir / "photos"
        for h in wanted:
            path = folder / h[:2] / h[2:]
            if not path.exists():
                self.find("a photo's row without its bytes", h)
            elif hashlib.sha256(path.read_bytes()).hexdigest() != h:
                self.find("a photo's bytes are not what its name says", h)
        self.orphans = [p for p in folder.rglob("*") if p.is_file() and p.parent.name + p.name not in wanted]
        for p in self.orphans:
            if p.stat().st_mtime < time.time() - grace:
                self.find("an old file nobody names", p.name)

    def check_connections(self):
        """At rest: every connection of the daemon idle, outside a transaction."""
        end = time.monotonic() + 5
        while True:
            busy = self.sql("select pid, state, query from pg_stat_activity where datname = %s"
                            " and usename = 'linli_app' and state <> 'idle'", self.database)
            if not busy or time.monotonic() > end:
                break
            time.sleep(0.1)
        for row in busy:
            self.find("a connection is not idle", *row)
        for row in self.sql("select gid from pg_prepared_xacts"):
            self.find("a prepared transaction", *row)
