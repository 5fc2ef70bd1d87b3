"""The audit log: nothing read without an entry, no entry changed unseen."""

import subprocess

import pytest

import harness
import samples
from story import together

WHOLE = "the audit log is whole\n"


def verify(world, *args):
    """Exit code and words of linlid audit verify."""
    done = subprocess.run([str(harness.LINLID), "audit", "verify", *args], text=True, capture_output=True,
                          timeout=60, env={"LINLI_CONFIG": str(world.settings.path), "PATH": "/usr/bin"})
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def look(world, times=1):
    """So many accesses by a lead of micro-grid A; the ticket looked at."""
    ticket = samples.ticket(world)
    for _ in range(times):
        assert world.lead.get(f"/v1/tickets/{ticket}/contact").status_code == 200
    return ticket


@pytest.fixture(scope="module")
def logged(shared):
    """Five accesses and no more."""
    shared.ticket = look(shared, 5)
    assert verify(shared) == (0, WHOLE)
    return shared


def rewrite(world, statement):
    """As the database's superuser, who alone can; then it is as before."""
    world.sql("create table public.kept as table audit.entry")
    try:
        world.sql(statement)
        return verify(world)
    finally:
        world.sql("delete from audit.entry; insert into audit.entry table public.kept; drop table public.kept")
        assert verify(world) == (0, WHOLE)


def test_an_access_says_who_when_what_and_where(logged):
    found = logged.community.get("/v1/audit").json()["items"]
    assert [e["seq"] for e in found] == [5, 4, 3, 2, 1]
    assert {(e["actor_role"], e["actor_name"], e["action"], e["subject"], e["subject_id"]) for e in found} == {
        ("grid_lead", "彭晓敏", "contact", "ticket", logged.ticket)}
    assert found[0]["fields"] == ["contact_name", "contact_phone"]
    assert len(logged.street.get("/v1/audit", params={"subject_id": logged.ticket}).json()["items"]) == 5
    for name in ("community2", "street_far", "community_far"):
        assert getattr(logged, name).get("/v1/audit").json()["items"] == []
    first = logged.street.get("/v1/audit?limit=2").json()
    rest = logged.street.get("/v1/audit", params={"after": first["next"]}).json()["items"]
    assert [e["seq"] for e in first["items"] + rest] == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("change, told", [
    ("update audit.entry set actor_role = 'street' where seq = 3", "street 1 row 3 altered\n"),
    ("update audit.entry set at = at + interval '1 microsecond' where seq = 1", "street 1 row 1 altered\n"),
    ("delete from audit.entry where seq = 3", "street 1 row 4 follows a gap: what stood after 2 is deleted\n"),
    ("delete from audit.entry where seq = 1", "street 1 row 2 follows a gap: what stood after 0 is deleted\n"),
    ("update audit.entry set seq = 107 - seq where seq in (3, 4);"
     "update audit.entry set seq = seq - 100 where seq = 103; update audit.entry set seq = 4 where seq = 104",
     "street 1 row 3 altered\nstreet 1 row 4 altered\nstreet 1 row 5 does not follow the row before it\n"),
    ("delete from audit.entry where seq = 5", "street 1 row 4 is the last row, but the chain counts 5\n"),
    ("update audit.entry e set reason = 'x' where seq = 3;"
     "update audit.entry e set hash = audit.digest(e) where seq = 3",
     "street 1 row 4 does not follow the row before it\n"),
], ids=["altered", "another time", "deleted", "the first deleted", "reordered", "cut off", "altered with its hash"])
def test_the_verifier_names_the_row(logged, change, told):
    """security 46"""
    assert rewrite(logged, change) == (1, told)


def test_nobody_of_the_daemon_may_rewrite_it(logged):
    """security 46"""
    import psycopg2
    for role in ("linli_owner", "linli_app", "linli_job"):
        for statement in ("update audit.entry set reason = 'x'", "delete from audit.entry", "truncate audit.entry"):
            with logged.site.cluster.connect(logged.database, role) as c, c.cursor() as cur:
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cur.execute(statement)
            c.close()


def test_the_kept_head_catches_what_the_chain_cannot(site, spec, tmp_path):
    """security 46: a tail cut off with the chain's own count, and a chain written anew."""
    from conftest import World
    heads = tmp_path / "heads"
    world = World(site, spec, tmp_path, audit_heads=str(heads))
    try:
        look(world, 4)
        world.server.stop()
        world.server = harness.Server(world.settings, tmp_path / "log2")  # its first round writes the heads
        kept = harness.wait_for(lambda: heads.exists() and [
            h for h in heads.read_text().splitlines() if h.startswith("1 4 ")], "the head of row 4")
        harness.wait_for(lambda: kept[0] in [e["message"] for e in world.server.lines("audit_head")], "it in the log")
        assert verify(world, "--heads", str(heads)) == (0, WHOLE)
        heads.write_text(kept[0] + "\n")  # and none between
        world.sql("delete from audit.entry where seq > 2;"
                  "update audit.chain c set seq = 2, hash = (select e.hash from audit.entry e where e.seq = 2)")
        assert verify(world) == (0, WHOLE)
        assert verify(world, "--street", "1", "--heads", str(heads)) == (
            1, "street 1 row 4 is missing: its head was kept\n")
        world.lead, world.resident = world.client("lead"), world.client("resident")
        look(world, 2)
        assert verify(world, "--heads", str(heads)) == (1, "street 1 row 4 is not the one whose head was kept\n")
        forged = tmp_path / "forged"
        forged.write_text(kept[0].replace("1 4 ", "1 3 ") + "\n")
        assert verify(world, "--heads", str(forged)) == (1, f"{forged}:1 is no head this server wrote\n")
    finally:
        world.close()


def test_fifty_at_once_make_one_chain(world):
    """security 46: no fork under concurrency."""
    ticket = samples.ticket(world)
    codes = together(50, lambda i: world.client("lead" if i % 2 else "lead2").get(
        f"/v1/tickets/{ticket}/contact").status_code)
    assert codes == [200] * 50
    assert world.sql("select count(*), max(seq), count(distinct prev) from audit.entry") == [(50, 50, 50)]
    assert verify(world) == (0, WHOLE)


def test_what_cannot_be_logged_is_refused(world):
    """security 46: and nothing of it is shown."""
    ticket = look(world)
    world.sql("alter table audit.entry add constraint full_disk check (seq < 2)")
    reply = world.lead.get(f"/v1/tickets/{ticket}/contact")
    assert reply.status_code >= 400 and "contact_phone" not in reply.text
    assert world.sql("select count(*) from core.event where action = 'contact_viewed'") == [(1,)]
    world.sql("alter table audit.entry drop constraint full_disk")
    assert world.lead.get(f"/v1/tickets/{ticket}/contact").status_code == 200


@pytest.mark.parametrize("args", [[], ["look"], ["verify", "--street", "0"], ["verify", "more"], ["verify", "--x"]])
def test_wrong_usage(shared, args):
    done = subprocess.run([str(harness.LINLID), "audit", *args], text=True, capture_output=True, timeout=60,
                          env={"LINLI_CONFIG": str(shared.settings.path), "PATH": "/usr/bin"})
    assert done.returncode == 2 and "usage" in done.stderr
