"""How much of src/ the last tests ran, from what gcov counted.

    /usr/bin/python3 tests/coverage/report.py build/cov [file …]

With files: what of them was not run, line by line. Nothing is left out of the
figures: what no test reaches counts as not reached, whatever the reason."""

import collections
import json
import pathlib
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
LEAST = {"lines": 90.0, "branches": 80.0}  # per cent of all of src/
SHOWN = 12


class File:
    def __init__(self):
        self.lines = collections.Counter()     # number → passes
        self.branches = collections.Counter()  # (number, which) → passes

    def add(self, line):
        number = line["line_number"]
        self.lines[number] += line["count"]
        for which, branch in enumerate(line["branches"]):
            self.branches[number, which] += branch["count"]

    def of(self, kind):
        counts = getattr(self, kind).values()
        return sum(map(bool, counts)), len(counts)


def read(build):
    """File name → what was counted in it. A header's lines are in many objects;
    an object may be of a file that is gone."""
    notes = sorted(str(n) for n in (TOP / build / "src").rglob("*.gcno")
                   if (TOP / n.relative_to(TOP / build).with_suffix(".c")).exists())
    done = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", *notes],
                          capture_output=True, text=True, check=True, cwd=TOP)
    files = collections.defaultdict(File)
    for text in done.stdout.splitlines():
        for found in json.loads(text)["files"]:
            path = pathlib.Path(found["file"])
            if path.is_relative_to(TOP / "src"):
                for line in found["lines"]:
                    files[str(path.relative_to(TOP))].add(line)
    return files


def percent(run, of):
    return 100 * run / of if of else 100.0


def missing(name, file):
    source = (TOP / name).read_text().splitlines()
    for number, passes in sorted(file.lines.items()):
        taken = [bool(n) for (at, _), n in sorted(file.branches.items()) if at == number]
        if passes and all(taken):
            continue
        what = "".join("+" if t else "-" for t in taken) if passes else "never"
        print(f"{name}:{number}: {what:8} {source[number - 1].strip()}")


def summary(files):
    table = {name: {kind: percent(*file.of(kind)) for kind in LEAST} for name, file in files.items()}
    print(f"the {SHOWN} files of src/ with the least, per cent of lines and branches:")
    for name, row in sorted(table.items(), key=lambda item: sum(item[1].values()))[:SHOWN]:
        print(f"  {row['lines']:5.1f} {row['branches']:5.1f}  {name}")
    enough = True
    for kind, least in LEAST.items():
        run, of = map(sum, zip(*(file.of(kind) for file in files.values())))
        enough &= percent(run, of) >= least
        print(f"{kind}: {run} of {of}, {percent(run, of):.1f} % (at least {least:.0f} %)")
    return enough


def main():
    files = read(sys.argv[1])
    for name in sys.argv[2:]:
        missing(name, files[name])
    return 0 if sys.argv[2:] or summary(files) else 1


if __name__ == "__main__":
    sys.exit(main())
