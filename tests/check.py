"""All tests, with one count at the end: lints, C units, SQL, HTTP.

    /usr/bin/python3 tests/check.py [part …]      parts: lint unit fuzz sql http
"""

import concurrent.futures
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness

PYTHON = "/usr/bin/python3"
tests = harness.TOP / "tests"
FUZZ_RUNS = 5000  # some seconds in all; make fuzz is for more


class Count:
    passed = failed = 0

    def add(self, passed, failed, output, name):
        self.passed += passed
        self.failed += failed
        if failed:
            print(output)
        print(f"{'ok  ' if not failed else 'FAIL'} {name}: {passed} passed, {failed} failed", flush=True)


def run(command, **env):
    """Exit code and all output; a part that hangs is ended, not waited for."""
    done = subprocess.run([*harness.TIED, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", timeout=3000, cwd=harness.TOP,
                          env={**os.environ, **env})
    return done.returncode, done.stdout


def lint(count, site):
    code, out = run([PYTHON, str(tests / "lint.py")])
    passed = len(re.findall(r"^ok ", out, re.M))
    failed = len(re.findall(r"^not ok ", out, re.M))
    count.add(passed, failed or (1 if code else 0), out, "lint")


def unit(count, site):
    site.cluster.execute("postgres", "create database unit")
    for source in sorted((tests / "unit").glob("test_*.c")):
        program = harness.BUILD / "unit" / source.stem
        code, out = run([*harness.MEMCHECK, str(program)], PGTEST=site.cluster.superuser("unit"))
        # cmocka: "[  PASSED  ] 12 test(s)." and "[  FAILED  ] 1 test(s), …"
        passed = sum(map(int, re.findall(r"\[  PASSED  \] (\d+) test", out)))
        failed = sum(map(int, re.findall(r"\[  FAILED  \] (\d+) test", out)))
        if harness.MEMCHECK:  # its verdict alone, on children too: it computes long double as double
            failed, code = 0, harness.memchecked(out) or code == 99
        count.add(passed, failed or (1 if code or not passed else 0), out, source.stem)


def fuzz(count, site):
    """Each target over its corpus and as many changed copies, the same ones every time."""
    def replay(target):
        return run([str(harness.BUILD / "fuzz" / target), f"-runs={FUZZ_RUNS}", f"tests/fuzz/corpus/{target}"])

    targets = [source.stem.removeprefix("fuzz_") for source in sorted((tests / "fuzz").glob("fuzz_*.c"))]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for target, (code, out) in zip(targets, pool.map(replay, targets)):
            count.add(int(not code), int(code != 0), out, f"fuzz/{target}")


def sql(count, site):
    for source in sorted((tests / "sql").glob("*.sql")):
        name = site.cluster.fresh()
        # a row of several tests is a line of each
        code, out = run(["psql", "-X", "-q", "-A", "-t", "-F", "\n", "-v", "ON_ERROR_STOP=1", "-d",
                         site.cluster.superuser(name), "-f", str(source)])
        site.cluster.drop(name)
        passed = len(re.findall(r"^ok \d", out, re.M))
        failed = len(re.findall(r"^not ok \d", out, re.M))
        plan = re.search(r"^1\.\.(\d+)$", out, re.M)
        if not failed and (code or not plan or int(plan.group(1)) != passed):
            failed = 1
        count.add(passed, failed, out, f"sql/{source.stem}")


def pytest(source, site):
    code, out = run([PYTHON, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", str(source)],
                    LINLI_SITE=str(site.folder))
    tail = out.strip().splitlines()[-1] if out.strip() else ""
    passed = sum(map(int, re.findall(r"(\d+) passed", tail)))
    failed = sum(map(int, re.findall(r"(\d+) (?:failed|error|skipped)", tail)))
    return passed, failed or (1 if code or not passed else 0), out


def http(count, site):
    """Two files at a time: they wait for conditions more than they compute."""
    sources = sorted(tests.glob("test_*.py"))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda source: pytest(source, site), sources)
        for source, (passed, failed, out) in zip(sources, results):
            count.add(passed, failed, out, source.stem)


PARTS = {"lint": lint, "unit": unit, "fuzz": fuzz, "sql": sql, "http": http}


def main():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # what it has started ends with it, see harness.TIED
    wanted = sys.argv[1:] or list(PARTS)
    count, begun = Count(), time.monotonic()
    site = harness.make_site(harness.temporary_folder()) if set(wanted) - {"lint", "fuzz"} else None
    try:
        for name in wanted:
            PARTS[name](count, site)
    finally:
        if site:
            site.cluster.stop()
            subprocess.run(["rm", "-rf", str(site.folder)], check=False)
    print(f"in {time.monotonic() - begun:.0f} s")
    print(f"{count.passed} passed, {count.failed} failed")
    return 1 if count.failed or not count.passed else 0


if __name__ == "__main__":
    sys.exit(main())
