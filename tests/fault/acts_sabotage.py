"""Proof that the oracle can fail: servers that break a promise on purpose.
Each of these acts passes when the oracle finds the fault."""

import pathlib
import shutil
import subprocess
import time

import harness

# Answered when the statements have run, before COMMIT: what the results of a
# pipeline look like to those who do not wait for the Sync.
EARLY = [("	fault_point(\"before_sync\");\n", "	PQsendFlushRequest(c->pg);\n"),
         ("		c->seen++;\n", """		c->seen++;
		struct segment *s = &c->ring[c->head];
		if (c->seen == s->calls && s->job) {
			struct db_job *job = s->job;

			s->job = NULL;
			c->last = NULL;
			db_deliver(job, DB_OK, r, NULL);
		}
""")]

# A key is written down and looked up, but two may hold the same one.
NO_UNIQUE = """
alter table core.idempotency drop constraint idempotency_pkey;
create or replace function core.idem_put(key text, hash text, status integer, reply json) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	insert into core.idempotency as i (street_id, actor_id, key, hash, status, reply)
	values (core.street(), core.actor(), $1, $2, $3, $4);
end $$"""


def build(folder, file, changes=(), added=""):
    """linlid from a copy of the sources: one file with changes, or a new one."""
    tree = pathlib.Path(folder) / "tree"
    for part in ("src", "include", "openapi", "sql"):
        shutil.copytree(harness.TOP / part, tree / part)
    shutil.copy(harness.TOP / "Makefile", tree)
    shutil.copytree(harness.BUILD, tree / "build" / harness.BUILD.name)
    text = added or (tree / file).read_text()
    for old, new in changes:
        assert text.count(old) == 1, f"{file} has changed: {old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    (tree / file).write_text(text)
    flags = {"san": ["SAN=1"], "rel": [], "rel-faults": ["FAULTS=1"]}[harness.BUILD.name]
    subprocess.run(["make", "-s", "-C", str(tree), *flags, "all"], check=True, timeout=300,
                   stdout=subprocess.DEVNULL)
    return tree / "build" / harness.BUILD.name / "linlid"


def must_find(s, *words):
    """The findings are what was wanted; anything else is a fault."""
    found = [f for f in s.findings if any(w in f for w in words)]
    s.note(f"the oracle found {len(found)}, as it must: {found[0][:90] if found else ''}")
    s.findings = [] if found else [f"the oracle saw nothing wrong; other findings: {s.findings[:3]}"]


def crash_again(p, s, times):
    for _ in range(times):
        time.sleep(3)
        s.faults += 1
        p.site.cluster.crash()
        p.site.cluster.begin()
        s.await_recovery(time.monotonic(), 30)


def early_ack(p):
    """A build that answers before the Sync, and a PostgreSQL that dies."""
    right = harness.LINLID
    p.act_folder.mkdir()
    harness.LINLID = build(p.act_folder, "src/db_pipe.c", EARLY)
    p.site.cluster.configure(commit_delay=100000, commit_siblings=0)
    try:
        with p.act(name="run") as s:
            crash_again(p, s, 5)
    finally:
        harness.LINLID = right
        p.site.cluster.configure(commit_delay=0, commit_siblings=5)
    must_find(s, "acknowledged, but there: 0", "unknown")


def no_unique_key(p):
    """A database whose idempotency keys are not unique."""
    database = p.site.cluster.fresh()
    p.site.cluster.execute(database, NO_UNIQUE)
    with p.act(existing=database) as s:
        end = time.monotonic() + 4
        while time.monotonic() < end:
            time.sleep(0.2)
            s.faults += 1
            s.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"
                  " and usename = 'linli_app' order by random() limit 2", s.database)
    must_find(s, "there: 2 times", "2 rows")


def lazy_commit(p):
    """A PostgreSQL that acknowledges what is not on the disk, and dies."""
    p.site.cluster.configure(synchronous_commit="off", wal_writer_delay="10s", wal_writer_flush_after="1GB")
    try:
        with p.act() as s:
            crash_again(p, s, 2)
    finally:
        p.site.cluster.configure(synchronous_commit="on", wal_writer_delay="200ms", wal_writer_flush_after="1MB")
    must_find(s, "acknowledged, but there: 0")


ACTS = {"sabotage_early_ack": early_ack, "sabotage_no_unique_key": no_unique_key,
        "sabotage_lazy_commit": lazy_commit}
