"""The bench: everybody alternately, on one database, on one machine. What it
measures and how to read it is told in run.sh."""

import json
import os
import pathlib
import shutil
import statistics
import sys
import time

import clocks
import load
import people
import rates
import report
import signin
import stack
import work
from stack import TOP, harness

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "3"))
CLIENTS = 32
CITY_TICKETS = int(os.environ.get("CITY_TICKETS", "1000000"))
STREETS = list(range(1, 65))  # of the city, those whose residents ask

# design.md: rate of linlid over the rate of each, at least.
ROWS = {
    "ticket": ("one ticket by id", {"pgbench": 1.0, "go": 2.5, "fastify": 5}),
    "list": ("list of 20", {"pgbench": 1.2, "go": 3, "fastify": 5}),
    "create": ("create a ticket", {"pgbench": 0.9}),
    "locate": ("the grid of a position", {"pgbench": 1.0}),
    "login": ("sign in by password, 4 at a time: argon2id of 64 MiB, off the loop", {}),
    "refresh": ("a session goes on: its refresh token for the next pair", {}),
    "refused": ("constant reply with token: verified, then limit=0 refused without the database",
                {"evhttp": 0.5}),
    "health": ("constant reply, public: /healthz, the token sent but not asked for", {"evhttp": 0.5}),
}


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Bench:
    def __init__(self, folder):
        self.folder = folder
        self.facts, self.stops, self.missing = [], [], {}
        self.found, self.verdicts, self.growth = {}, {}, {}
        self.cluster = stack.Cluster(folder / "pg")
        self.stops.append(self.cluster.stop)
        self.postgres = self.cluster.pid()
        self.keys = folder / "keys"
        self.count = int(time.time() * 1000)

    def close(self):
        for stop in reversed(self.stops):
            try:
                stop()
            except (OSError, RuntimeError, AssertionError) as why:
                say(f"stopping: {why}")

    def fact(self, what, value, unit, most=None):
        self.facts.append((what, value, unit, most))

    # One street: the demo, with all its 34,000 residents.
    def street(self):
        self.conf = conf = stack.settings(self.folder / "street", self.cluster, "linli", self.keys)
        harness.run_linlid(conf, "keys", "new")
        self.fact("migrations", stack.seconds(harness.run_linlid, conf, "migrate"), "s")
        files = [x for f in sorted(TOP.glob("sql/demo/[0-9]*.sql")) for x in ("-f", str(f))]
        say("loading the demo")
        self.fact("loading the demo", stack.seconds(
            self.cluster.psql, "linli", "-1", *files), "s")
        # The new tickets' positions are far apart: the community's map is drawn larger.
        west, south, east, north = work.GROUND
        self.cluster.psql("linli", "-c", f"""update grid.boundary b set geom = st_affine(b.geom,
            {east - west} / x.w, 0, 0, {north - south} / x.h, {west} - x.west * {east - west} / x.w,
            {south} - x.south * {north - south} / x.h)
            from (select min_lon as west, min_lat as south, max_lon - min_lon as w, max_lat - min_lat as h
                from grid.boundary where street_id = 1 and path = '1/1/') x
            where b.street_id = 1 and b.path ^@ '1/1/'""", "-c", "vacuum analyze", "-c", "checkpoint")
        people = work.actors(conf, work.residents(self.cluster, "linli", [1], 32))
        # Nobody's is the only session of the street.
        work.sign_in(self.cluster, "linli", "r.role = 'resident'")
        self.cluster.psql("linli", "-c", "vacuum analyze identity.session")
        self.work = work.Work(self.folder / "street", people, {
            1: work.tickets(self.cluster, "linli", 1, 500)})
        self.scripts = self.work.scripts()
        signs = [f"signs-in{n}" for n in range(32)]
        for login in signs:
            harness.run_linlid(conf, "user", "add", "--login", login, "--name", "测试", "--password-stdin", stdin="a real one\n")
            harness.run_linlid(conf, "user", "grant", "--login", login, "--role", "resident", "--street", "1")
        self.work.signs_in(self.cluster, "linli", signs, "a real one")
        self.start_times(conf)
        self.linlid = self.serve(conf)
        for i, pid in enumerate(self.linlid.workers()):
            self.fact(f"worker {i} fresh: Pss", load.kilobytes(pid, "Pss") / 1024, "MB", 12)
        self.peers, self.missing = stack.start_peers(
            self.folder, self.cluster, "linli", self.keys, work.peer_sql(), work.schemas())
        self.stops += [p.stop for p in self.peers.values()]
        for name, why in self.missing.items():
            say(f"without {name}: {why}")
        self.compare()

    def serve(self, conf):
        self.count += 1
        server = stack.Linlid(conf, conf.path.with_suffix(f".log{self.count}"))
        self.stops.append(server.stop)
        return server

    def start_times(self, conf):
        """From exec to the first 200 of /readyz."""
        taken = []
        for _ in range(5):
            begin = time.monotonic()
            server = stack.Linlid(conf, conf.path.with_suffix(".start.log"))
            try:
                harness.wait_for(lambda: stack.ask(server.port, "/readyz")[0] == 200, "readiness")
                taken.append(time.monotonic() - begin)
            finally:
                server.stop()
            server.log.unlink()
        self.fact("start, from exec to ready on an existing database",
                  statistics.median(taken), "s", 0.3)

    def people(self):
        say("importing 170,000 persons, twice")
        people.build(self.cluster, "linli", people.PERSONS)
        token = harness.run_linlid(self.conf, "token", "--account", "community", "--role", "community", "--ttl", "86400").strip()
        ticket, = self.cluster.execute("linli", "select id::text from ticket.ticket where street_id = 1 and is_public limit 1")[0]
        found, alone, meanwhile = people.imports(self.linlid.port, token, self.work.people[0].token, f"/v1/tickets/{ticket}")
        for name, reported, committed in found:
            self.fact(f"import of {people.PERSONS} persons, all {name}: to the report", reported, "s")
            self.fact(f"import of {people.PERSONS} persons, all {name}: to the end of the commit", reported + committed, "s", 60)
        self.fact("p99 of one ticket meanwhile", meanwhile / alone, "times alone", 2)
        grid, = self.cluster.execute("linli", "select id::text from grid.grid where street_id = 1 and path = '1/1/'")[0]
        for way, ms in people.searches(self.linlid.port, token, grid).items():
            self.fact(f"person search among {people.PERSONS}, by {way}: p99", ms, "ms", 50)

    def signin(self):
        """Read p, not the gap: both wait for the same cores."""
        login = "signs-in"  # nobody of the others: a new password ends sessions
        harness.run_linlid(self.conf, "user", "add", "--login", login, "--name", "测试", "--password-stdin", stdin="a real one\n")
        known, unknown, p = signin.timing(self.linlid.port, login, lambda: self.cluster.psql(
            "linli", "-c", "delete from identity.attempt"))
        self.fact("refused sign-in of a known account", known, "ms")
        self.fact("refused sign-in of an unknown one", unknown, "ms")
        self.fact("difference of the two", abs(known - unknown), "ms", 2)
        self.fact("Mann-Whitney p of the two (below 0.01 they differ)", p, "")

    # A peer that answers less than linlid would be no measure.
    def compare(self):
        for name in ("ticket", "list"):
            _, target, token, _ = self.work.files[name].read_text().split("\n")[0].split("\t")
            ours = json.loads(stack.ask(self.linlid.port, target, token)[1])
            for peer in set(self.peers) - {"evhttp"}:
                status, body = stack.ask(self.peers[peer].port, target, token)
                if status != 200 or shape(json.loads(body)) != shape(ours):
                    raise RuntimeError(f"{peer} {target}: {status}\n{body.decode()}\nlinlid: {ours}")

    def one(self, row, who, seconds=SECONDS):
        """One round of somebody at one row of the table."""
        self.count += 1
        if who.startswith("pgbench"):
            return load.pgbench(self.cluster.conninfo("linli", "linli_app"), self.scripts[row],
                                int(who.split()[1]), seconds, {"s": 0, "base": self.count},
                                self.postgres, self.folder / "log")
        server = {"linlid": self.linlid, **self.peers}.get(who)
        requests = self.work.fresh() if row == "refresh" else self.work.files[row]
        if who == "city":
            server, requests = self.city_linlid, self.city_work.files[row]
        clients = 4 if row == "login" else CLIENTS
        return load.wrk(f"http://127.0.0.1:{server.port}", requests, clients, seconds,
                        self.count * 997, server.root, self.postgres,
                        refused=row == "refused" and who == "linlid")

    def measure(self, row, names):
        rounds = {name: [] for name in names}
        for name in names:
            if not name.startswith("pgbench"):  # those warm up each time
                self.one(row, name)
        for i in range(ROUNDS):
            # Nobody is always the one after the same other.
            for name in names[i % len(names):] + names[:i % len(names)]:
                rounds[name].append(self.one(row, name))
        return rounds

    def rows(self):
        """Each is printed when it is there: a run cut short has told something."""
        for row, (title, promises) in ROWS.items():
            say(title)
            names = ["linlid", *(n for n in ("evhttp", "go", "fastify")
                                 if n in promises and n in self.peers)]
            if "pgbench" in promises:
                names += ["pgbench 8", "pgbench 32"]
            self.found[row] = self.measure(row, names)
            self.verdicts[row] = report.verdicts(self.found[row], promises)
            report.print_row(title, self.found[row], self.verdicts[row])

    # A city, in another database of the same cluster.
    def city(self):
        say("making a city, which takes some minutes")
        self.cluster.make("linli_city")
        conf = stack.settings(self.folder / "city", self.cluster, "linli_city", self.keys)
        harness.run_linlid(conf, "migrate")
        here = pathlib.Path(__file__).resolve().parent
        self.fact("making the city", stack.seconds(
            self.cluster.psql, "linli_city", "-v", f"tickets={CITY_TICKETS}",
            "-v", "csv=" + (here / "city.csv").read_text(), "-f", str(here / "city.sql")), "s")
        people = work.actors(conf, work.residents(self.cluster, "linli_city", STREETS, 1))
        self.city_work = work.Work(self.folder / "city", people, {
            s: work.tickets(self.cluster, "linli_city", s, 32) for s in STREETS})
        self.city_linlid = self.serve(conf)
        for row in ("ticket", "list", "create"):
            say(ROWS[row][0] + ", in a street and in the city")
            rounds = self.measure(row, ["linlid", "city"])
            self.growth[row] = rounds["linlid"], rounds["city"]
        report.print_growth(self.growth)

    def memory(self):
        # Connections go to whoever accepts first: an even share is 1 of so many.
        spent = [load.cpu_us(pid) for pid in self.linlid.workers()]
        self.fact(f"share of the busiest of {len(spent)} workers in the processor time",
                  100 * max(spent) / sum(spent), "%")
        for i, pid in enumerate(self.linlid.workers()):
            self.fact(f"worker {i} after the load: Pss", load.kilobytes(pid, "Pss") / 1024, "MB", 12)
            self.fact(f"worker {i} after the load: Rss", load.kilobytes(pid, "Rss") / 1024, "MB")
        fresh = self.serve(self.conf)
        pids = fresh.workers()

        def now():
            return [load.kilobytes(pid, "Pss") for pid in pids]
        before = now()
        n, after = load.idle_clients(fresh.port, 10000, now)
        self.fact(f"{n} idle keep-alive connections, each",
                  (sum(after) - sum(before)) / n, "KB", 12)

    def crowd(self):
        """What people with a normal connection feel of many that are not."""
        say("a crowd of idle and slow connections")
        server = self.serve(self.conf)

        def p99():
            rounds = []
            for _ in range(ROUNDS):
                self.count += 1
                rounds.append(load.wrk(f"http://127.0.0.1:{server.port}", self.work.files["ticket"], CLIENTS,
                                       SECONDS, self.count * 997, server.root, self.postgres))
            return report.median(rounds, "p99")
        alone = p99()
        n, crowded = load.idle_clients(server.port, 10000, lambda: load.slow_clients(
            server.port, 1000, p99))
        self.fact(f"p99 of one ticket beside {n} idle and 1000 slow connections",
                  crowded / alone, "times alone", 2)


def shape(value):
    """A reply without its times and cursors (their precision differs)."""
    if isinstance(value, dict):
        return {k: shape(v) if not k.endswith("_at") and k != "next" else v is None for k, v in value.items()}
    return [shape(v) for v in value] if isinstance(value, list) else value


def main():
    print(f"{stack.PROCESSES} cores, {CLIENTS} clients, {ROUNDS} rounds of {SECONDS} s; "
          "ratios are medians of the rounds side by side", flush=True)
    folder = harness.temporary_folder()
    bench = None
    try:
        bench = Bench(folder)
        bench.street()
        bench.rows()
        if os.environ.get("CITY"):
            bench.city()
        say("a million clocks")
        clocks.measure(bench)
        say("the rates of a year")
        rates.measure(bench)
        bench.memory()
        bench.signin()
        bench.people()
        bench.crowd()
    finally:
        if bench:
            report.print_facts(bench.facts)
            keep(bench)
            bench.close()
        shutil.rmtree(folder, ignore_errors=True)


def keep(bench):
    out = TOP / "var/bench.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({
        "cores": stack.PROCESSES, "clients": CLIENTS, "rounds": ROUNDS, "seconds": SECONDS,
        "rows": bench.found, "verdicts": bench.verdicts, "growth": bench.growth,
        "facts": bench.facts, "missing": bench.missing}, indent=1) + "\n")
    print(f"\nall figures: {out.relative_to(TOP)}", flush=True)


if __name__ == "__main__":
    main()
