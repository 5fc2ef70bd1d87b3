#!/usr/bin/python3
"""Merges the contract's YAML files into one OpenAPI 3.1 document.

usage: bundle.py FOLDER > openapi.json

linli.yaml comes first, then the domains' files by name. Components share one
namespace. Each operation gets x-source, the place it was written at. The
output is one line of compact JSON, the same for the same input. What is wrong
is printed to stderr as file:line: why, all of it, and nothing to stdout.
"""

import json
import os
import re
import sys

import yaml

METHODS = ("get", "put", "post", "delete", "patch", "options", "head", "trace")
DOMAIN_KEYS = ("paths", "components", "tags")

INT = re.compile(r"[-+]?[0-9]+\Z")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
CODE = re.compile(r"(fault\.)?[a-z][a-z0-9_]*\Z")


class Bundle:
    def __init__(self):
        self.errors = []
        self.doc = {}
        self.where = {}  # id(dict or list) -> {key or index: "file:line"}
        self.seen = {}   # what must be unique -> "file:line"

    def error(self, place, why):
        self.errors.append(f"{place}: {why}")

    def once(self, what, place):
        """False, with an error, when `what` was there before."""
        if what in self.seen:
            self.error(place, f"{what} stands already at {self.seen[what]}")
            return False
        self.seen[what] = place
        return True

    # YAML to plain JSON values, remembering lines. Only JSON's own types are
    # recognised: 2026-11-22 and `no` are strings, as in every JSON reader.

    def load(self, path):
        name = os.path.basename(path)
        try:
            with open(path, encoding="utf-8") as f:
                node = yaml.compose(f, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as e:
            line = e.problem_mark.line + 1 if e.problem_mark else 1
            self.error(f"{name}:{line}", e.problem)
            return {}
        except (yaml.YAMLError, UnicodeDecodeError) as e:
            self.error(f"{name}:1", " ".join(str(e).split()))
            return {}
        if node is None:
            return {}
        value = self.value(name, node)
        if not isinstance(value, dict):
            self.error(f"{name}:1", "not a mapping")
            return {}
        return value

    def value(self, name, node):
        if isinstance(node, yaml.MappingNode):
            return self.mapping(name, node)
        if isinstance(node, yaml.SequenceNode):
            value = [self.value(name, n) for n in node.value]
            self.where[id(value)] = {
                i: place(name, n) for i, n in enumerate(node.value)}
            return value
        return scalar(node)

    def mapping(self, name, node):
        value, where = {}, {}
        for key, child in node.value:
            here = place(name, key)
            if not isinstance(key, yaml.ScalarNode):
                self.error(here, "a key must be plain text")
            elif key.value == "<<":
                self.error(here, "merge keys are not JSON: use $ref")
            elif key.value in value:
                self.error(here, f"key '{key.value}' stands already at "
                                 f"{where[key.value]}")
            else:
                value[key.value] = self.value(name, child)
                where[key.value] = here
        self.where[id(value)] = where
        return value

    # Merging

    def add_file(self, path):
        name = os.path.basename(path)
        part = self.load(path)
        for key, value in part.items():
            here = self.where[id(part)][key]
            if name == "problems.yaml":
                self.add_problems(key, value, here)
            elif key == "paths":
                self.each(value, here, self.add_path)
            elif key == "components":
                self.each(value, here, self.add_section)
            elif key == "tags":
                self.add_tags(value, here)
            elif name != "linli.yaml":
                self.error(here, f"'{key}' belongs in linli.yaml; a domain's "
                                 f"file has {', '.join(DOMAIN_KEYS)}")
            else:
                self.doc[key] = value

    def each(self, value, here, add):
        if value is None:
            return
        if not isinstance(value, dict):
            self.error(here, "must be a mapping")
            return
        for key, child in value.items():
            place_ = self.where[id(value)][key]
            if isinstance(child, dict):
                add(key, child, place_)
            else:
                self.error(place_, f"'{key}' must be a mapping")

    def add_path(self, path, item, here):
        target = self.doc.setdefault("paths", {}).setdefault(path, {})
        if not path.startswith("/"):
            self.error(here, f"path '{path}' must begin with /")
        for key, value in item.items():
            at = self.where[id(item)][key]
            if not self.once(f"{key} of {path}", at):
                continue
            if key in METHODS:
                value = self.operation(value, at)
            elif key not in ("parameters", "summary", "description") \
                    and not key.startswith("x-"):
                self.error(at, f"unknown method '{key}'")
            target[key] = value

    def operation(self, value, here):
        if not isinstance(value, dict):
            self.error(here, "an operation must be a mapping")
            return value
        name = value.get("operationId")
        if not isinstance(name, str):
            self.error(here, "no operationId")
        else:
            self.once(f"operationId {name}",
                      self.where[id(value)]["operationId"])
        if "x-source" in value:
            self.error(here, "x-source is written by the bundler")
        value["x-source"] = here
        return value

    def add_section(self, section, members, here):
        target = self.doc.setdefault("components", {}).setdefault(section, {})
        for name, value in members.items():
            at = self.where[id(members)][name]
            if self.once(f"#/components/{section}/{name}", at):
                target[name] = value

    def add_tags(self, tags, here):
        if not isinstance(tags, list):
            self.error(here, "tags must be a list")
            return
        for i, tag in enumerate(tags):
            at = self.where[id(tags)][i]
            if not isinstance(tag, dict) or not isinstance(
                    tag.get("name"), str):
                self.error(at, "a tag must have a name")
            elif self.once(f"tag {tag['name']}", at):
                self.doc.setdefault("tags", []).append(tag)

    def add_problems(self, key, problems, here):
        if key != "x-problems":
            self.error(here, "problems.yaml has x-problems and nothing else")
            return
        self.each(problems, here, self.add_problem)

    def add_problem(self, code, value, here):
        status = value.get("status")
        if not CODE.match(code):
            self.error(here, f"problem '{code}' must be snake_case")
        if type(status) is not int or not 400 <= status <= 599:
            self.error(here, f"problem {code}: status must be 400..599")
        for lang in ("zh", "en"):
            if not isinstance(value.get(lang), str) or not value[lang].strip():
                self.error(here, f"problem {code}: no sentence in {lang}")
        for key in value:
            if key not in ("status", "zh", "en"):
                self.error(here, f"problem {code}: unknown key '{key}'")
        self.doc.setdefault("x-problems", {})[code] = value

    # References

    def check_refs(self, value, in_mapping=False):
        if isinstance(value, dict):
            for key, child in value.items():
                if key in ("example", "examples", "default", "const", "enum"):
                    continue
                if key == "$ref" or (in_mapping and isinstance(child, str)):
                    self.check_ref(child, self.where[id(value)][key])
                self.check_refs(child, key == "mapping")
        elif isinstance(value, list):
            for child in value:
                self.check_refs(child)

    def check_ref(self, ref, here):
        if not isinstance(ref, str) or not ref.startswith("#/"):
            self.error(here, f"reference {ref!r} must begin with #/")
            return
        target = self.doc
        for step in ref[2:].split("/"):
            step = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(target, dict) or step not in target:
                self.error(here, f"reference to {ref}, which does not exist")
                return
            target = target[step]


def place(name, node):
    return f"{name}:{node.start_mark.line + 1}"


def scalar(node):
    text = node.value
    if node.style in ("'", '"', "|", ">"):
        return text
    if text in ("null", "~", ""):
        return None
    if text in ("true", "false"):
        return text == "true"
    if INT.match(text):
        return int(text)
    if FLOAT.match(text):
        return float(text)
    return text


def bundle(folder):
    b = Bundle()
    names = sorted(n for n in os.listdir(folder) if n.endswith(".yaml"))
    names.sort(key=lambda n: (n != "linli.yaml", n == "problems.yaml"))
    for name in names:
        b.add_file(os.path.join(folder, name))
    for key in ("openapi", "info", "paths"):
        if key not in b.doc:
            b.error("linli.yaml:1", f"no '{key}' in the whole contract")
    b.check_refs(b.doc)
    return b.doc, b.errors


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: bundle.py FOLDER > openapi.json")
    doc, errors = bundle(sys.argv[1])
    if errors:
        sys.exit("\n".join(errors))
    sys.stdout.buffer.write(json.dumps(
        doc, ensure_ascii=False, separators=(",", ":"),
        allow_nan=False).encode("utf-8") + b"\n")


if __name__ == "__main__":
    main()
