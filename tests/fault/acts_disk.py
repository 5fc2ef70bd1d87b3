"""A disk that is full, or that fails."""

import contextlib
import os
import subprocess
import time

import psycopg2

import harness
import journal
import samples
import stage

DATABASE_LIMIT = 30


@contextlib.contextmanager
def small_disk(folder, size):
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder):
    """All the room there is left; the file that takes it."""
    path = folder / "filler"
    with open(path, "ab", buffering=0) as f, contextlib.suppress(OSError):
        while True:
            f.write(b"\0" * 65536)
    with open(path, "ab", buffering=0) as f, contextlib.suppress(OSError):
        while True:
            f.write(b"\0" * 512)
    return path


def photo_disk_full(p):
    """No room for photos: uploads are refused, nothing half-written stays."""
    with small_disk(p.act_folder.parent / "photos", "4m") as disk:
        with p.act(data_dir=str(disk)) as s:
            time.sleep(3)
            s.faults += 1
            filler = fill(disk)
            time.sleep(3)
            filler.unlink()
            since = time.monotonic()
            harness.wait_for(lambda: upload(s) == 201, "a photo after there is room")
            s.recoveries.append(time.monotonic() - since)
        refused = sum(n for name, n in s.counts.items() if "storage_unavailable" in name)
        s.expect(refused > 0, "no upload met the full disk")
        s.note(f"{refused} uploads refused")
        left = [f for f in disk.rglob(".new-*")]
        s.expect(not left, f"half-written files are left: {left}")


def upload(s):
    body, media = samples.upload_body(samples.png(16, 16, os.urandom(3)))
    return journal.Wire(s.address)("POST", "/v1/photos", body, {
        "Authorization": "Bearer " + s.site.tokens["street"], "Content-Type": media})[0]


def use_up_wal(s):
    """One segment of it after the other, until the server ends it."""
    with contextlib.closing(s.site.cluster.connect(s.database)) as c:
        try:
            for _ in range(100):
                c.cursor().execute("select pg_logical_emit_message(true, 'x', 'x'), pg_switch_wal()")
        except psycopg2.OperationalError:
            return True
    return False


def database_disk_full(p):
    """No room for the WAL: PostgreSQL panics; when there is room again all is
    well within 30 s."""
    before = p.site
    with small_disk(p.act_folder.parent / "pgdisk", "400m") as disk:
        os.chmod(disk, 0o755)
        p.site = harness.make_site(disk, stage.DurableCluster)
        try:
            with p.act() as s:
                time.sleep(3)
                s.faults += 1
                filler = fill(disk)
                s.expect(use_up_wal(s), "there was room for the WAL")
                harness.wait_for(lambda: s.daemon.get("/readyz")[0] == 503, "/readyz to say so")
                time.sleep(1)
                s.expect(s.daemon.get("/healthz")[0] == 200, "/healthz does not depend on the database")
                filler.unlink()
                if not p.site.cluster.running():
                    s.note("PostgreSQL went down, as it does without room for its WAL")
                    p.site.cluster.pg_ctl("-m", "immediate", "stop", check=False)
                    p.site.cluster.begin()
                s.await_recovery(time.monotonic(), DATABASE_LIMIT)
        finally:
            p.site.cluster.halt()
            p.site = before


def io_errors(p):
    """Writing, or fsync of a photo or of its folder, fails: no such upload is
    acknowledged, and nothing of it stays."""
    p.act_folder.mkdir()
    library, when, photos = p.act_folder / "eio.so", p.act_folder / "when", p.act_folder / "photos"
    photos.mkdir()
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(harness.TOP / "tests/fault/eio.c")],
                   check=True, timeout=60)
    with p.act(name="run", data_dir=str(photos), env={"LD_PRELOAD": str(library), "EIO_WHEN": str(when),
                                          "EIO_WHERE": str(photos)}) as s:
        for what in ("write", "file", "folder"):
            time.sleep(1)
            when.write_text(what)
            s.faults += 1
            time.sleep(1)  # what was under way before
            begin, before = time.time(), files(photos)
            said = upload(s)
            s.expect(said == 503, f"{what} fails: an upload gets {said}")
            time.sleep(2)
            good = [a for a in journal.acknowledged(s.folder, begin, time.time()) if a[0] == "photo"]
            s.expect(not good, f"{what} fails: {len(good)} uploads were acknowledged")
            s.expect(files(photos) <= before, f"{what} fails: {len(files(photos) - before)} files are left")
            when.unlink()
            since = time.monotonic()
            harness.wait_for(lambda: upload(s) == 201, "a photo after the disk is well")
            s.recoveries.append(time.monotonic() - since)


def files(folder):
    """Whole ones; those being written have another name."""
    return {f for f in folder.rglob("*") if len(f.name) == 62}


ACTS = {f.__name__: f for f in (photo_disk_full, database_disk_full, io_errors)}
