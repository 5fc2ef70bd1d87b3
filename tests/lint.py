"""Lints a machine can do: layers, codes, settings, contract style, sizes.

Prints "ok name" or "not ok name" with the places, like everything here."""

import ast
import fnmatch
import json
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
failures = 0


def report(name, faults):
    global failures
    print(("not ok " if faults else "ok ") + name)
    for fault in faults:
        failures += 1
        print("    " + str(fault))


def files(*patterns):
    return sorted(f for p in patterns for f in TOP.glob(p))


def lines(*patterns):
    for f in files(*patterns):
        for number, line in enumerate(f.read_text().splitlines(), 1):
            yield f"{f.relative_to(TOP)}:{number}", line


def contract():
    return json.loads((TOP / "build/openapi.json").read_text())


def operations():
    for path, item in contract()["paths"].items():
        for method, op in item.items():
            if method in ("get", "post", "put", "delete", "patch"):
                yield method.upper(), path, op


def domain_sees_only_linli_h():
    """src/domain knows the core through linli.h; the core never knows a domain."""
    faults = [f"{at}: {line}" for at, line in lines("src/domain/*.c")
              if re.match(r'#include "(?!linli\.h")', line)]
    faults += [f"{at}: {line}" for at, line in lines("src/*.c", "include/*.h")
               if re.match(r'#include ".*domain/', line)]
    return faults


def problem_codes():
    """Raised codes are in the catalogue, and the catalogue holds no dead ones."""
    catalogue, faults = contract()["x-problems"], []
    for f in files("sql/migrations/*.sql", "sql/queries/*.sql"):
        for status, code in re.findall(r"core\.(?:fail|must)\([^;]*?\b([45]\d\d),\s*'(\w+)'", f.read_text()):
            if catalogue.get(code, {}).get("status") != int(status):
                faults.append(f"{f.name}: {status} {code} is not in openapi/problems.yaml")
    for f in files("src/*.c", "src/domain/*.c"):
        for args in re.findall(r"\b(?:fail|fail_at|problem_send|request_turn_away)\(\s*rq,(.*?)\);", f.read_text(), re.S):
            faults += [f"{f.name}: {code} is not in openapi/problems.yaml"
                       for code in re.findall(r'"(\w+)"', args) if code not in catalogue]
    text = "".join(f.read_text() for f in files(
        "sql/migrations/*.sql", "sql/queries/*.sql", "src/*.c", "src/domain/*.c"))
    for code in sorted(catalogue):
        name = code.removeprefix("fault.")
        # also as '409 name', the way guards say it
        if not re.search(rf"[\"' ]{name}[\"']", text):
            faults.append(f"openapi/problems.yaml: nothing raises {code}")
    return faults


def settings_documented():
    """config.c's table, the sample and the README name the same settings."""
    table = set(re.findall(r"^\t[TNLJ]\((\w+),", (TOP / "src/config.c").read_text(), re.M))
    sample = set(re.findall(r"^#?\s?(\w+) = ", (TOP / "systemd/linlid.conf").read_text(), re.M))
    readme = set(re.findall(r"^\| `(\w+)` \|", (TOP / "README.md").read_text(), re.M))
    faults = [] if table else ["src/config.c: no settings found"]
    faults += [f"systemd/linlid.conf: {s}" for s in sorted(table ^ sample)]
    faults += [f"README.md: {s}" for s in sorted(table ^ readme)]
    return faults


def contract_style():
    """Every operation says what it does, who may, and what its parts mean."""
    faults = []
    for method, path, op in operations():
        name = f"{op['x-source']}: {op['operationId']}"
        if method == "PATCH":
            faults.append(name + ": PATCH is never the only way, so there is none")
        for key in ("summary", "description"):
            if key in op:
                break
        else:
            faults.append(name + ": no description")
        for p in op.get("parameters", []):
            if "$ref" not in p and "description" not in p:
                faults.append(f"{name}: parameter {p['name']} has no description")
        body = op.get("requestBody", {}).get("content", {}).get("application/json")
        if body is not None and "example" not in body:
            faults.append(name + ": the request body has no example")
        refs = [p.get("$ref", "") for p in op.get("parameters", [])]
        # an upload twice is two photos, and what nobody attaches goes by itself
        upload = op.get("requestBody", {}).get("content", {}).keys() - {"application/json"}
        # a search whose words have no business in an address changes nothing
        # and each call that is brought along brings its own key
        plain = op["security"] and not upload and not op.get("x-secret") and not path.startswith(("/v1/search/", "/v1/me/sync"))
        if method == "POST" and plain and not any(
                r.endswith("/IdempotencyKey") for r in refs):
            faults.append(name + ": a POST takes an Idempotency-Key")
        if method == "PUT" and not any(r.endswith("/IfMatch") for r in refs):
            faults.append(name + ": a PUT takes If-Match")
    return faults


def properties_described():
    faults = []

    def walk(node, at):
        if isinstance(node, dict):
            inside = node.get("properties")
            inside = inside if isinstance(inside, dict) else {}
            for name, sub in inside.items():
                if isinstance(sub, dict) and "$ref" not in sub and "description" not in sub:
                    faults.append(f"{at}/{name}")
                walk(sub, f"{at}/properties/{name}")
            for key, sub in node.items():
                if key not in ("example", "properties"):
                    walk(sub, f"{at}/{key}")
        elif isinstance(node, list):
            for i, sub in enumerate(node):
                walk(sub, f"{at}/{i}")

    walk(contract()["components"].get("schemas", {}), "components/schemas")
    walk(contract()["paths"], "paths")
    return faults


def resolve(node):
    while "$ref" in node:
        target = contract()
        for part in node["$ref"][2:].split("/"):
            target = target[part]
        node = target
    return node


def unbounded(node, at):
    """What a client may send without an end to it."""
    node = resolve(node)
    kinds = node["type"] if isinstance(node.get("type"), list) else [node.get("type")]
    if "enum" in node or "const" in node:
        return
    if "string" in kinds and "maxLength" not in node and node.get("format") not in ("uuid", "date", "date-time"):
        yield f"{at}: a text without maxLength"
    if {"integer", "number"} & set(kinds) and not {"minimum", "maximum"} <= set(node):
        yield f"{at}: a number without minimum and maximum"
    if "array" in kinds:
        if "maxItems" not in node:
            yield f"{at}: a list without maxItems"
        yield from unbounded(node["items"], at + "/0")
    for branch in node.get("oneOf", []):
        yield from unbounded(branch, at)
    for name, sub in node.get("properties", {}).items():
        yield from unbounded(sub, f"{at}/{name}")


def inputs_bounded():
    faults = []
    for _, _, op in operations():
        name = f"{op['x-source']}: {op['operationId']}"
        for p in map(resolve, op.get("parameters", [])):
            faults += unbounded(p["schema"], f"{name}: {p['name']}")
        body = op.get("requestBody", {}).get("content", {}).get("application/json")
        if body:
            faults += unbounded(body["schema"], name)
    return faults


def sizes():
    return [f"{f.relative_to(TOP)}: {n} lines" for f in files("src/**/*.[ch]", "include/*.h")
            if (n := len(f.read_text().splitlines())) > 400]


def long_lines():
    faults = []
    for at, line in lines("src/**/*.[ch]", "include/*.h"):
        if len(line.expandtabs(8)) > 80 and "http" not in line:
            faults.append(at)
    return faults


def top_level():
    tracked = subprocess.run(["git", "ls-files"], cwd=TOP, capture_output=True, text=True).stdout
    allowed = {"Makefile", "README.md", "LICENSE", "openapi", "sql", "include", "src", "tests", "systemd"}
    names = {t.split("/")[0] for t in tracked.split()}
    return sorted(n for n in names if n not in allowed and not n.startswith("."))


def paths_served():
    """What README tells to call is in the contract."""
    plain = lambda path: re.sub(r"\{[^}]*\}|\$\w+", "{}", path.rstrip("/"))
    served = {plain(path) for path in contract()["paths"]}
    return [f"README.md: {path}" for path in sorted(set(re.findall(r"/v1/[\w{}$/-]+", (TOP / "README.md").read_text())))
            if plain(path) not in served]


def stems_mapped():
    """README's code map names each file of the core, and none that is gone."""
    rows = re.findall(r"^\| `([^`]+)` \|", (TOP / "README.md").read_text().split("| stems in `src/`")[1].split("\n\n")[0], re.M)
    known, there = [k for row in rows for k in row.split()], [f.stem for f in files("src/*.c")]
    return ([f"src/{stem}.c: not in README's code map" for stem in there if not any(fnmatch.fnmatch(stem, k) for k in known)]
            + [f"README's code map: no src/{k}.c" for k in known if not fnmatch.filter(there, k)])


def only_bound_sql():
    """No statement text is built from values; migrate.c runs embedded files, and
    core.era_begin() and ticket.gather_offers() write a constant into a function;
    people.rename() and its way back name the columns of a table of the schema's own;
    transfer.add_new() and settle() execute a constant, to have it planned anew."""
    known = re.compile(r"create or replace function (core.era|ticket.(plain_)?offers)\(\) returns|update %s x set %I = |execute \$query\$$")
    faults = [f"{at}: {line.strip()}" for at, line in lines("src/*.c", "src/domain/*.c")
              if re.search(r"PQexec\(|PQsendQuery\(", line) and "migrate.c" not in at]
    return faults + [f"{at}: {line.strip()}" for at, line in lines("sql/migrations/*.sql", "sql/queries/*.sql")
                     if re.match(r"\s*(return query )?execute\b", line, re.I) and not known.search(line)]


def documented_tests():
    """Each test's name and the words that stand at it: docstring or comment."""
    for f in files("tests/test_*.py", "tests/fault/acts_*.py"):
        for node in ast.walk(ast.parse(f.read_text())):
            if isinstance(node, ast.FunctionDef) and (node.name.startswith("test_") or "fault" in f.parts):
                yield f"{f.name}::{node.name}", ast.get_docstring(node) or ""
    for f in files("tests/unit/*.c", "tests/fuzz/*.c"):
        for words, name in re.findall(r"/\*((?:[^*]|\*(?!/))*)\*/\n(?:static )?\w+\n(test_\w+|LLVMFuzzer\w+)\(", f.read_text()):
            yield f"{f.name}::{name}", words
    for f in files("tests/sql/*.sql"):
        for words, test in re.findall(r"^((?:--.*\n)+)select (?:is|is_empty|ok|cmp_ok|throws_ok|\w+_ok)\((.*)", f.read_text(), re.M):
            yield f"{f.name}::{test[:40]}", words


def security_has_tests():
    """Each requirement of tests/security.json has a test that names its number:
    "security 12" (or "security 12, 17") in its docstring or the comment above."""
    wanted, named = json.loads((TOP / "tests/security.json").read_text()), {}
    for test, words in documented_tests():
        for numbers in re.findall(r"\bsecurity (\d+(?:, \d+)*)", words):
            for number in numbers.split(", "):
                named.setdefault(number, []).append(test)
    if "--security" in sys.argv:
        for number in wanted:
            print(f"{number:>3}  {wanted[number]}\n     " + "\n     ".join(named.get(number, [])))
    return ([f"security {n}: no test names it ({wanted[n]})" for n in wanted if n not in named]
            + [f"{', '.join(named[n])}: security {n} is not in tests/security.json" for n in named if n not in wanted])


def fuzz_targets_are_whole():
    """make fuzz wants of each target what it may begin with: a corpus and a dictionary."""
    return [f"tests/fuzz/{missing}" for f in files("tests/fuzz/fuzz_*.c") for name in [f.stem.removeprefix("fuzz_")]
            for missing in (f"{name}.dict", f"corpus/{name}") if not (f.parent / missing).exists()]


def memory_is_checked():
    """Memory comes from arena.h, whose functions never give NULL."""
    asks = re.compile(r"\b(?:malloc|calloc|realloc|strdup|strndup|v?asprintf)\(")
    return [f"{at}: {line.strip()}" for at, line in lines("src/*.c", "src/domain/*.c")
            if asks.search(line) and not line.startswith(" *")
            and not at.startswith(("src/arena.c", "src/memory.c"))]


def main():
    for check in (domain_sees_only_linli_h, problem_codes, settings_documented, contract_style,
                  properties_described, inputs_bounded, sizes, long_lines, top_level, stems_mapped, paths_served,
                  only_bound_sql, security_has_tests, memory_is_checked, fuzz_targets_are_whole):
        report(check.__name__, check())
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
