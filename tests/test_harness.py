"""What the tests themselves owe to whoever runs them."""

import json
import os
import pathlib
import signal
import subprocess
import textwrap

import pytest

import harness

INNER = """
    import json, pathlib, signal
    import pytest
    import conftest, harness

    @pytest.fixture
    def broken(site, spec, tmp_path):
        conftest.World(site, spec, tmp_path)
        raise RuntimeError("after its daemon has started")

    def test_broken(broken):
        pass

    def test_killed(world):
        cluster = harness.Cluster(harness.temporary_folder() / "pg")
        first, second = harness.Server.started
        note = {"left": first.process.poll() is None, "folder": str(cluster.folder.parent), "pids": [
            second.process.pid, int((cluster.folder / "data/postmaster.pid").read_text().split()[0])]}
        (pathlib.Path(__file__).parent / "note.new").write_text(json.dumps(note))
        (pathlib.Path(__file__).parent / "note.new").rename(pathlib.Path(__file__).parent / "note")
        signal.pause()
"""


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_the_tests(site, tmp_path, by):
    """Neither a fixture that failed half way nor a signal leaves a daemon or a
    cluster behind."""
    (tmp_path / "test_inner.py").write_text(textwrap.dedent(INNER))
    with open(tmp_path / "said", "wb") as said:
        inner = subprocess.Popen(
            [*harness.TIED, "/usr/bin/python3", "-m", "pytest", "-q", "-p", "conftest", "-p", "no:cacheprovider",
             "--rootdir", str(tmp_path), str(tmp_path / "test_inner.py")], stdout=said, stderr=said, cwd=tmp_path,
            env={**os.environ, "LINLI_SITE": str(site.folder), "PYTHONPATH": str(harness.TOP / "tests")})
    note = tmp_path / "note"
    # two daemons and a new cluster
    harness.wait_for(lambda: note.exists() or inner.poll() is not None, "the inner tests", 4 * harness.WAIT)
    assert note.exists(), (tmp_path / "said").read_text()
    note = json.loads(note.read_text())
    assert not note["left"]
    inner.send_signal(by)
    inner.wait(harness.WAIT)
    harness.wait_for(lambda: not any(pathlib.Path(f"/proc/{p}").exists() for p in note["pids"]), "their ends")
    harness.wait_for(lambda: not pathlib.Path(note["folder"]).exists(), "the folder to go")
