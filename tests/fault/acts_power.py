"""The power fails: what was never fsynced is gone.

PostgreSQL and the photos stand on a file system inside a file. What that file
holds at one moment, while all that writes stands still, is what a disk would
hold after a power cut: the page cache above it is left out."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

import acts_sabotage
import harness
import stage

LIMIT = 30


class Disk:
    """with Disk(folder, where) as d: d.cut() loses what was not fsynced."""

    def __init__(self, folder):
        folder.mkdir(parents=True)
        self.image, self.mount = folder / "image", folder / "mount"
        self.mount.mkdir()

    def __enter__(self):
        subprocess.run(["truncate", "-s", "1G", str(self.image)], check=True)
        subprocess.run(["mkfs.ext4", "-q", str(self.image)], check=True, timeout=60)
        self.attach()
        os.chmod(self.mount, 0o755)
        return self

    def attach(self):
        # The file system's own regular commit would save what nobody synced.
        subprocess.run(["mount", "-o", "loop,commit=300", str(self.image), str(self.mount)], check=True, timeout=60)

    def detach(self):
        def gone():
            return subprocess.run(["umount", str(self.mount)], capture_output=True).returncode == 0
        harness.wait_for(gone, "the disk to be let go")

    def __exit__(self, *_):
        with contextlib.suppress(AssertionError):
            self.detach()

    def sync(self):
        subprocess.run(["sync", "-f", str(self.mount)], check=True)

    def picture(self):
        """What is really on it by now; nothing may be writing."""
        subprocess.run(["cp", "--sparse=always", str(self.image), str(self.image) + ".cut"], check=True)

    def restore(self):
        os.replace(str(self.image) + ".cut", self.image)


def writers(cluster):
    """Every process of this PostgreSQL."""
    master = int((cluster.folder / "data/postmaster.pid").read_text().split()[0])
    children = pathlib.Path(f"/proc/{master}/task/{master}/children").read_text().split()
    return [master, *map(int, children)]


def stand_still(pids, sig):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sig)


def power(p, **settings):
    before = p.site
    with Disk(p.act_folder.parent / (p.act_folder.name + "-disk")) as disk:
        cluster_folder = disk.mount / "site"
        cluster_folder.mkdir()
        p.site = harness.make_site(cluster_folder, stage.DurableCluster)
        p.site.cluster.configure(**settings)
        try:
            data = disk.mount / "photos"
            data.mkdir()
            with p.act(data_dir=str(data)) as s:
                time.sleep(1)
                disk.sync()
                time.sleep(min(8, p.options.seconds))
                cut_and_return(p, s, disk)
        finally:
            with contextlib.suppress(RuntimeError):
                p.site.cluster.halt()
            p.site = before
    return s


def cut_and_return(p, s, disk):
    cluster = p.site.cluster
    s.faults += 1
    children = s.daemon.children()
    stopped = [*writers(cluster), s.daemon.process.pid, *children]
    stand_still(stopped, signal.SIGSTOP)
    time.sleep(0.5)  # system calls that were under way end
    disk.picture()
    # What answers now answers from beyond the cut: nobody may.
    stand_still([s.daemon.process.pid, *children, *stopped], signal.SIGKILL)
    s.daemon.process.wait()
    disk.detach()
    disk.restore()
    disk.attach()
    # After a power cut no process has an old one's number; here they have.
    for lock in (cluster.folder / "data/postmaster.pid", pathlib.Path(cluster.socket) / ".s.PGSQL.5432.lock"):
        lock.unlink(missing_ok=True)
    since = time.monotonic()
    cluster.sh("start")
    s.daemon.start()
    s.await_recovery(since, LIMIT)


def power_cut(p):
    """fsync as it should be: nothing acknowledged is lost."""
    power(p)


def no_fsync(p):
    """fsync off: the oracle must find what was lost, if PostgreSQL comes back
    at all."""
    try:
        s = power(p, fsync="off")
    except (RuntimeError, AssertionError) as e:
        p.stage.findings, p.stage.load = [], None
        p.stage.note(f"PostgreSQL did not come back: {str(e).splitlines()[0][:90]}")
        return
    acts_sabotage.must_find(s, "acknowledged, but there: 0")


ACTS = {"power_cut": power_cut, "sabotage_no_fsync": no_fsync}
