"""openapi/bundle.py: merging, and refusing with file and line."""

import json
import pathlib
import subprocess

BUNDLE = pathlib.Path(__file__).parents[1] / "openapi" / "bundle.py"
CORE = """\
openapi: 3.1.0
info: {title: 邻里, version: "1"}
components:
  schemas:
    Day: {type: string, enum: [no, 2026-11-22]}
"""
TICKETS = """\
paths:
  /v1/tickets:
    get:
      operationId: listTickets
      responses:
        200: {$ref: '#/components/responses/Ok'}
components:
  responses:
    Ok: {description: ok}
"""
PROBLEMS = ("x-problems:\n  not_found: {status: 404, zh: 没有。, en: None.}\n"
            "  fault.type: {status: 422, zh: 不对。, en: Wrong.}\n")


def bundle(folder, **files):
    files = {"linli": CORE, "tickets": TICKETS, "problems": PROBLEMS} | files
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return subprocess.run([BUNDLE, folder], capture_output=True, text=True,
                          timeout=30)


def refused(folder, why, **files):
    done = bundle(folder, **files)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.splitlines() == [why]


def test_merges_deterministically(tmp_path):
    text = bundle(tmp_path).stdout
    assert text == bundle(tmp_path).stdout
    assert "邻里" in text and '":' in text and '": ' not in text
    doc = json.loads(text)
    assert list(doc)[:2] == ["openapi", "info"]
    op = doc["paths"]["/v1/tickets"]["get"]
    assert op["x-source"] == "tickets.yaml:3"
    assert list(op["responses"]) == ["200"]
    assert doc["components"]["schemas"]["Day"]["enum"] == ["no", "2026-11-22"]
    assert list(doc["components"]["responses"]) == ["Ok"]
    assert doc["x-problems"]["not_found"]["zh"] == "没有。"
    assert doc["x-problems"]["fault.type"]["status"] == 422


def test_one_path_may_be_split_by_method(tmp_path):
    done = bundle(tmp_path, more="paths:\n  /v1/tickets:\n    post:\n"
                                 "      operationId: createTicket\n")
    assert set(json.loads(done.stdout)["paths"]["/v1/tickets"]) == {
        "get", "post"}


def test_duplicate_component(tmp_path):
    refused(tmp_path, "zones.yaml:3: #/components/schemas/Day stands already "
            "at linli.yaml:5",
            zones="components:\n  schemas:\n    Day: {type: string}\n")


def test_duplicate_operation_id(tmp_path):
    refused(tmp_path, "zones.yaml:4: operationId listTickets stands already "
            "at tickets.yaml:4",
            zones="paths:\n  /v1/zones:\n    get:\n"
                  "      operationId: listTickets\n")


def test_duplicate_route(tmp_path):
    refused(tmp_path, "zones.yaml:3: get of /v1/tickets stands already at "
            "tickets.yaml:3",
            zones="paths:\n  /v1/tickets:\n    get:\n"
                  "      operationId: listZones\n")


def test_duplicate_key(tmp_path):
    refused(tmp_path, "zones.yaml:5: key 'type' stands already at "
            "zones.yaml:4",
            zones="components:\n  schemas:\n    Z:\n      type: string\n"
                  "      type: integer\n")


def test_dangling_reference(tmp_path):
    refused(tmp_path, "zones.yaml:3: reference to #/components/schemas/Nope, "
            "which does not exist",
            zones="components:\n  schemas:\n"
                  "    Z: {$ref: '#/components/schemas/Nope'}\n")


def test_dangling_mapping(tmp_path):
    refused(tmp_path, "zones.yaml:3: reference to #/x, which does not exist",
            zones="components:\n  schemas:\n    Z: {discriminator: "
                  "{propertyName: k, mapping: {a: '#/x'}}}\n")


def test_reference_to_a_file(tmp_path):
    refused(tmp_path, "zones.yaml:3: reference 'linli.yaml#/x' must begin "
            "with #/",
            zones="components:\n  schemas:\n    Z: {$ref: 'linli.yaml#/x'}\n")


def test_no_operation_id(tmp_path):
    refused(tmp_path, "zones.yaml:3: no operationId",
            zones="paths:\n  /v1/zones:\n    get: {security: []}\n")


def test_global_keys_only_in_linli(tmp_path):
    refused(tmp_path, "zones.yaml:1: 'servers' belongs in linli.yaml; a "
            "domain's file has paths, components, tags", zones="servers: []\n")


def test_yaml_error(tmp_path):
    refused(tmp_path, "zones.yaml:2: expected the node content, but found "
            "'<stream end>'", zones="paths: [\n")


def test_bad_problem(tmp_path):
    done = bundle(tmp_path, problems="x-problems:\n"
                                     "  Bad: {status: 200, zh: x, foo: 1}\n")
    assert done.stderr.splitlines() == [
        "problems.yaml:2: problem 'Bad' must be snake_case",
        "problems.yaml:2: problem Bad: status must be 400..599",
        "problems.yaml:2: problem Bad: no sentence in en",
        "problems.yaml:2: problem Bad: unknown key 'foo'"]


def test_all_faults_at_once(tmp_path):
    done = bundle(tmp_path, a="servers: []\n", b="servers: []\n")
    assert len(done.stderr.splitlines()) == 2
