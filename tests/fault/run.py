"""The fault programme: every fault under load, each act checked against the
clients' own journals.

    python3 tests/fault/run.py [--kills N] [--seconds N] [--clients N] [--seed N] [ACT …]
"""

import argparse
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parent.parent)]
import acts
import stage


ACT_LIMIT = 600  # seconds; one that takes longer has failed


def too_long(*_):
    raise TimeoutError("the act takes too long")


def row(*cells):
    widths = (24, 6, 7, 7, 7, 7, 8)
    print("  ".join(str(c).ljust(w) if i == 0 else str(c).rjust(w)
                    for i, (c, w) in enumerate(zip(cells, widths))), *cells[len(widths):], flush=True)


class Programme:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.passed = self.failed = 0
        self.site = None

    def run(self, name, act):
        begun = time.monotonic()
        self.act_folder = self.folder / name
        self.seed = f"{self.options.seed}-{name}"
        random.seed(self.seed)
        self.stage = None
        signal.signal(signal.SIGALRM, too_long)
        signal.alarm(ACT_LIMIT + 10 * self.options.kills)
        try:
            if not self.site:
                self.site = stage.make_site()
            findings = act(self) or []
        except Exception:
            findings = [traceback.format_exc()]
        finally:
            signal.alarm(0)
        self.report(name, findings, time.monotonic() - begun)

    def act(self, name=None, **settings):
        """A stage; those of an act with several are reported together."""
        before, folder = self.stage, self.act_folder / name if name else self.act_folder
        self.stage = stage.Stage(self.site, folder, self.seed,
                                 **{"clients": self.options.clients, **settings})
        if before:
            self.stage.take_over(before)
        return self.stage

    def report(self, name, findings, seconds):
        s = self.stage
        findings = findings + (s.findings if s else [])
        tally = s.tally if s else {}
        worst = f"{max(s.recoveries):.1f} s" if s and s.recoveries else "-"
        row(name, s.faults if s else "-", sum(s.counts.values()) if s else "-", *(tally.get(said, 0) for said in ("yes", "no", "unknown")), worst,
            ("ok" if not findings else "FAIL") + f" ({seconds:.0f} s)")
        print("    " + " ".join(acts.ACTS[name].__doc__.split()))
        if findings and s and s.counts:
            print("    replies: " + ", ".join(f"{c} of {n}" for n, c in sorted(s.counts.items())))
        for note in s.notes if s else []:
            print("    " + note)
        for finding in findings[:8]:
            print("    FAIL " + finding)
        self.passed += not findings
        self.failed += bool(findings)
        if findings and s:
            print(f"    what was left: {s.folder}")


def options():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--kills", type=int, default=100, help="kill -9 in the act of random kills")
    p.add_argument("--seconds", type=int, default=60, help="length of an act that has no end of its own")
    p.add_argument("--clients", type=int, default=50)
    p.add_argument("--seed", type=int, default=None)
    p.add_argument("acts", nargs="*", metavar="ACT", help=" ".join(acts.ACTS))
    given = p.parse_args()
    if given.seed is None:
        given.seed = random.randrange(10**6)
    unknown = set(given.acts) - set(acts.ACTS)
    if unknown:
        p.error("no such act: " + " ".join(sorted(unknown)))
    return given


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    given = options()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="linli-fault-", dir="/tmp"))
    os.chmod(folder, 0o755)
    names = given.acts or list(acts.ACTS)
    minutes = (len(names) * 25 + given.seconds * 3 + given.kills * 1.5 * ("kills" in names)) / 60
    print(f"seed {given.seed}, {given.kills} kills, {given.seconds} s, {given.clients} clients; {len(names)} acts,"
          f" about {minutes:.0f} minutes on a quiet machine")
    row("act", "faults", "replies", "acked", "refused", "unknown", "recovery", "verdict")
    programme = Programme(given, folder)
    try:
        for name in names:
            programme.run(name, acts.ACTS[name])
    finally:
        if programme.site:
            stage.remove_site(programme.site)
    if not programme.failed:
        shutil.rmtree(folder)
    print(f"{programme.passed} passed, {programme.failed} failed")
    return 1 if programme.failed or not programme.passed else 0


if __name__ == "__main__":
    sys.exit(main())
