"""A short form of `make fault`: a few faults under load on a PostgreSQL of its
own, and the proof that the oracle would have seen a broken promise."""

import pathlib
import shutil
import sys
import types

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "fault"))
import acts
import harness
import run
import stage


@pytest.fixture(scope="module")
def programme():
    folder = harness.temporary_folder()
    options = types.SimpleNamespace(kills=6, seconds=6, clients=12, seed=1)
    made = run.Programme(options, folder)
    yield made
    if made.site:
        stage.remove_site(made.site)
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["kills", "crash", "head_after_crash", "lost_replies", "locked", "points",
                                  "sabotage_no_unique_key", "sabotage_lazy_commit"])
def test_fault(programme, name, capsys):
    """security 38: "points" is a crash between commit and reply, "lost_replies" its news that never came."""
    before = programme.passed
    programme.run(name, acts.ACTS[name])
    assert programme.passed == before + 1, capsys.readouterr().out
