"""A PostgreSQL with a synchronous standby: the leader dies, hangs, hands over;
the standby is away. Whoever runs one has a manager that promotes (Patroni, or
a person); here it is the act, so what it takes to notice is left out."""

import concurrent.futures
import contextlib
import os
import shutil
import signal
import subprocess
import time
import types

import acts_points
import acts_power
import acts_sabotage
import harness
import journal
import samples
import stage

LIMIT = 30         # seconds from the leader's end until all is well
WRITE_LIMIT = 8    # seconds; a write nobody confirms is given up


class Standby(stage.DurableCluster):
    def start(self):
        self.socket = self.find_socket()
        self.begin()


def make_standby(leader, folder, wait):
    """A copy that streams from it, and that its commits wait for, or not."""
    with open(leader.folder / "data/pg_hba.conf", "a") as f:
        f.write("local replication all trust\n")
    leader.execute("postgres", "select pg_reload_conf()")
    for part in (folder, folder / "socket"):
        part.mkdir()
        part.chmod(0o700)
        if os.getuid() == 0:
            shutil.chown(part, "postgres", "postgres")
    subprocess.run([*stage.AS_POSTGRES, str(stage.PG_BIN / "pg_basebackup"), "-R", "-c", "fast", "-h", leader.socket,
                    "-U", "postgres", "-D", str(folder / "data")], check=True, timeout=120, cwd="/")
    standby = Standby(folder)
    leader.configure(synchronous_standby_names="*" if wait else "")
    wait_in_step(leader, "sync" if wait else "async")
    return standby


def wait_in_step(leader, state="sync"):
    harness.wait_for(lambda: leader.execute("postgres", "select sync_state from pg_stat_replication"
                                            " where state = 'streaming'") == [(state,)], "the standby to be in step")


@contextlib.contextmanager
def pair(p, wait=True):
    """(stage, leader, standby) of an act; the daemon knows both."""
    before, folder = p.site, p.act_folder.parent / (p.act_folder.name + "-pair")
    folder.mkdir()
    folder.chmod(0o755)
    with contextlib.ExitStack() as clusters:
        p.site = site = harness.make_site(folder, stage.DurableCluster)
        leader, database = site.cluster, site.cluster.fresh()
        clusters.callback(end, leader)
        try:
            standby = make_standby(leader, folder / "standby", wait)
            clusters.callback(end, standby)
            where = (f"host={leader.socket},{standby.socket} dbname={database}"
                     " target_session_attrs=read-write user=")
            with p.act(existing=database, database=where + "linli_app", database_jobs=where + "linli_job") as s:
                time.sleep(4)
                yield s, leader, standby
        finally:
            p.site = before


def end(cluster):
    with contextlib.suppress(OSError):
        acts_power.stand_still(acts_power.writers(cluster), signal.SIGCONT)
    cluster.pg_ctl("-m", "immediate", "stop", check=False)


def promote(s, standby):
    standby.pg_ctl("promote")
    s.site = types.SimpleNamespace(**{**vars(s.site), "cluster": standby})


def await_writes(s, since):
    """Reads may go on where nothing can be written any more."""
    person = acts_points.Person(s, "writes")
    key = journal.marker()
    person.insist("submit", "resident", "/v1/tickets", {**samples.TICKET, "title": key}, key)
    s.recoveries.append(time.monotonic() - since)
    s.expect(s.recoveries[-1] <= LIMIT, f"nothing could be written for {s.recoveries[-1]:.1f} s")
    s.await_recovery(since, LIMIT)


def failover(p):
    """The leader is killed, the standby promoted: nothing acknowledged is
    lost, and the daemon finds the new one by itself."""
    with pair(p) as (s, leader, standby):
        s.faults += 1
        since = time.monotonic()
        acts_power.stand_still(acts_power.writers(leader), signal.SIGKILL)
        promote(s, standby)
        promoted = time.monotonic()
        await_writes(s, since)
        s.note(f"promoted after {promoted - since:.1f} s; the slowest answer"
               f" {s.probe.longest(since, promoted + 10):.1f} s")


def no_wait(p):
    """Commits that wait for no standby, and one that lags: the oracle must find
    what the new leader does not have."""
    with pair(p, wait=False) as (s, leader, standby):
        s.faults += 1
        receiver, = standby.execute("postgres", "select pid from pg_stat_wal_receiver")[0]
        os.kill(receiver, signal.SIGSTOP)
        time.sleep(3)
        since = time.monotonic()
        acts_power.stand_still(acts_power.writers(leader), signal.SIGKILL)
        os.kill(receiver, signal.SIGKILL)
        harness.wait_for(lambda: not standby.running() or standby.execute(
            "postgres", "select pg_is_in_recovery()"), "the standby's crash")
        harness.wait_for(standby.running, "the standby")
        promote(s, standby)
        await_writes(s, since)
    acts_sabotage.must_find(s, "acknowledged, but there: 0")


def old_leader(p):
    """The leader hangs, is given up, and wakes: what it was doing is not
    acknowledged, and nobody is told that it can still write."""
    with pair(p) as (s, leader, standby):
        s.faults += 1
        since = time.monotonic()
        frozen = acts_power.writers(leader)
        acts_power.stand_still(frozen, signal.SIGSTOP)
        time.sleep(1)
        promote(s, standby)
        await_writes(s, since)
        acts_power.stand_still(frozen, signal.SIGCONT)
        late = [*stage.AS_POSTGRES, str(stage.PG_BIN / "psql"), "-X", "-h", leader.socket, "-U", "postgres", "-c",
                "create table late (i int)", "postgres"]
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(late, capture_output=True, timeout=5, cwd="/")
            s.expect(done.returncode, "the old leader acknowledges a write of its own")
        since = time.monotonic()
        leader.pg_ctl("-m", "immediate", "stop")
        await_writes(s, since)


def switchover(p):
    """The leader stops writing, the standby takes over: 25006 is a reason to
    go elsewhere, not an error."""
    with pair(p) as (s, leader, standby):
        s.faults += 1
        since = time.monotonic()
        leader.configure(default_transaction_read_only="on")
        time.sleep(1)
        promote(s, standby)
        await_writes(s, since)
        said = s.daemon.log_text()
        s.expect("cannot execute" in said, "nobody met the read-only leader")


def standby_gone(p):
    """Nobody confirms a commit: it is not acknowledged, neither at once nor,
    once an operator has cancelled the wait, when it is asked again."""
    with pair(p) as (s, leader, standby):
        s.faults += 1
        standby.pg_ctl("-m", "fast", "stop")
        time.sleep(1)
        gone = time.time()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            answers = [pool.submit(write, s, n) for n in range(4)]
            time.sleep(8)
            leader.execute("postgres", "select pg_cancel_backend(pid) from pg_stat_activity"
                           " where wait_event = 'SyncRep' and usename = 'linli_app'")
            for answer in answers:
                said, status, code, took = answer.result()
                s.expect(said != "yes" and status == 503 and took <= WRITE_LIMIT,
                         f"a write: {status} {code} after {took:.1f} s")
        time.sleep(6)
        waiting, = leader.execute("postgres", "select count(*) from pg_stat_activity where wait_event = 'SyncRep'")[0]
        back = time.time()
        since = time.monotonic()
        standby.begin()
        wait_in_step(leader)
        await_writes(s, since)
        good = journal.acknowledged(s.folder, gone, back)
        s.note(f"{waiting} sessions of PostgreSQL were waiting when the standby came back")
        s.expect(not good, f"acknowledged without a standby: {len(good)}, of them {good[:2]}")


def write(s, number):
    """(verdict, status, code, seconds) of one."""
    person, key, begin = acts_points.Person(s, f"write-{number}"), journal.marker(), time.monotonic()
    said, (status, code, _) = person.ask("submit", "resident", "/v1/tickets", {**samples.TICKET, "title": key}, key)
    return said, status, code, time.monotonic() - begin


ACTS = {"failover": failover, "old_leader": old_leader, "switchover": switchover, "standby_gone": standby_gone,
        "sabotage_no_wait": no_wait}
