"""`make run`: the demo community loads, is served, and the walk it prints works
as printed, in a copy of what it needs and with a cluster of its own."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

import harness

# What the walk shows being refused: a second lead, another street, another lead.
REFUSED = ["already_accepted", "not_found", "not_found"]


@pytest.fixture(scope="module")
def demo():
    """The folder it runs in, and what it printed."""
    top = pathlib.Path(tempfile.mkdtemp(prefix="linli-demo-"))
    top.chmod(0o755)  # the user root lends it to looks in
    try:
        shutil.copytree(harness.TOP / "sql", top / "sql")
        (top / "build").mkdir()
        for name in ("linlid", "linlid-image"):
            shutil.copy(harness.BUILD / name, top / "build")
        with serving(top) as told:
            yield top, told
    finally:
        shutil.rmtree(top)


@contextlib.contextmanager
def serving(top):
    told = top / "told"
    with told.open("w") as out:
        run = subprocess.Popen([*harness.TIED, "sh", "sql/demo/run.sh", "build"], cwd=top, stdout=out,
                               stderr=subprocess.STDOUT, env={**os.environ, "PORT": str(harness.free_port())})
    try:
        harness.wait_for(lambda: "/v1/sessions/switch" in told.read_text() or run.poll() is not None, "the demo", 240)
        assert run.poll() is None, told.read_text()
        yield told.read_text()
    finally:
        run.send_signal(signal.SIGTERM)
        run.wait(60)
    assert run.returncode == 0, "asked to stop, it stops well"


def replies(top, walk):
    done = subprocess.run(["bash", "-eu"], input=walk, cwd=top, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]


def test_the_walk_works_as_printed(demo):
    top, told = demo
    said = replies(top, told[told.index(". var/demo.env"):])
    codes = [r["code"] for r in said if str(r.get("type")).startswith("urn:linli:problem")]
    assert codes == REFUSED, codes
    closed = [r for r in said if r.get("category") == "drain_blocked" and r.get("status") == "closed"]
    assert closed, "the septic tank's ticket was rated by its reporter"
    today = next(r for r in said if "counts" in r)
    assert {c["kind"] for c in today["counts"] if c["total"]} >= {"visit", "patrol"}
    assert len(said) == len(re.findall(r"^(?:as|json|anyone|curl) ", told, re.M)), "each step answered, with JSON"
