"""The next version comes while this one serves."""

import os
import shutil
import socket
import time

import acts_sabotage
import harness
import journal

# What the next version's migration may do while this one serves.
MIGRATION = """
alter table ticket.ticket add column later text;
alter table core.event add column later integer not null default 7;
create index ticket_later on ticket.ticket (street_id, later);
alter table ticket.private add constraint later check (length(title) > 0) not valid;
create or replace function core.today() returns date language sql stable parallel safe
return (core.now() at time zone 'Asia/Shanghai')::date;
alter table ticket.comment add column later text;
"""


def nobody_failed(s):
    """But for photos that waited too long for a busy machine, and were told so."""
    for r in journal.read_requests(s.folder).values():
        failed = [(status, code) for status, code in r["codes"] if (status is None or status >= 500)
                  and (r["op"], code) != ("photo", "overloaded")]
        s.expect(not failed, f"{r['op']} failed: {failed}")


def upgrade(p):
    """SIGTERM, and a new one on the same socket, again and again under load:
    not one request fails."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        with p.act(listener=listener) as s:
            for _ in range(max(2, p.options.seconds // 10)):
                time.sleep(2)
                s.faults += 1
                s.daemon.process.terminate()
                s.expect(s.daemon.process.wait(60) == 0, "it did not end well")
                s.daemon.start()  # who came meanwhile waited in the socket's queue
            time.sleep(1)
    nobody_failed(s)


def next_version(p):
    """linlid with one migration more: it migrates while the old one serves,
    the old one serves on, SIGUSR2 brings the new one: not one request fails."""
    right, own = harness.LINLID, p.act_folder / "bin/linlid"
    own.parent.mkdir(parents=True)
    for name in ("linlid", "linlid-image"):
        shutil.copy(right.parent / name, own.parent)
    number = max(f.name[:4] for f in (harness.TOP / "sql/migrations").glob("*.sql"))
    later = acts_sabotage.build(p.act_folder, f"sql/migrations/{int(number) + 1:04}_later.sql", added=MIGRATION)
    harness.LINLID = own
    try:
        with p.act(name="run") as s:
            time.sleep(3)
            tries = migrate(s, later)
            time.sleep(3)
            shutil.copy(later, own.with_suffix(".new"))
            os.replace(own.with_suffix(".new"), own)
            s.faults += 1
            s.expect(s.daemon.take_over() == 0, "the old one did not end well")
            program = os.readlink(f"/proc/{s.daemon.process.pid}/exe")
            s.expect(program == str(own), f"what serves now is {program}")
            time.sleep(3)
    finally:
        harness.LINLID = right
    s.note(f"migrated at the {tries}. try")
    nobody_failed(s)


def migrate(s, program):
    """It gives up a lock it does not get soon; then again. How often."""
    tries, serving = [], harness.LINLID

    def migrated():
        harness.LINLID = program
        try:
            tries.append(1)
            s.faults += 1
            harness.run_linlid(s.settings, "migrate")
            return True
        except RuntimeError as e:
            assert "lock" in str(e), e
        finally:
            harness.LINLID = serving
    harness.wait_for(migrated, "the migration", 60)
    return len(tries)


ACTS = {"upgrade": upgrade, "next_version": next_version}
