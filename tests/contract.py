"""The contract as a test tool: every reply of every test is held to it."""

import base64
import json
import re

import jsonschema

# A ticket's fields that are for its reporter and the staff in charge.
PRIVATE = ("contact_name", "contact_phone_mask", "address", "compound_id", "building", "position", "position_gcj02",
           "answers", "rating", "on_behalf_note", "handler_id")
NUMBERS = re.compile(r"(?<![0-9a-f-])(1[3-9]\d{9}|[1-9]\d{5}(19|20)\d{9}[\dXx])(?![0-9a-f-])")


def role_of(reply):
    """Of who asked, as their token says; None without a readable one."""
    try:
        claims = reply.request.headers["Authorization"].split(".")[1]
        return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["role"]
    except (KeyError, IndexError, ValueError):
        return None


def exposed(role, node):
    """What of a reply is not for this role, wherever in it."""
    if isinstance(node, list):
        return [f for n in node for f in exposed(role, n)]
    if not isinstance(node, dict):
        return []
    found = [f for n in node.values() for f in exposed(role, n)]
    mask = node.get("contact_phone_mask")
    if mask and not re.fullmatch(r"\d{3,4}\*{4}\d{4}", mask):
        found.append(f"contact_phone_mask {mask}")
    if role == "resident" and "contact_phone" in node:
        found.append("contact_phone")
    if role == "resident" and node.get("internal"):
        found.append("an internal comment")
    if role == "resident" and node.get("mine") is False:
        found += [f"{f} {node[f]}" for f in PRIVATE if node.get(f) is not None]
        found += [f"{f} {v}" for f, v in node.items() if isinstance(v, str) and NUMBERS.search(v)]
    return found


def _strict(node):
    """JSON Schema as linlid reads it: unknown fields are faults unless said."""
    if isinstance(node, list):
        return [_strict(n) for n in node]
    if not isinstance(node, dict):
        return node
    made = {k: _strict(v) for k, v in node.items()}
    if "properties" in made and "additionalProperties" not in made:
        made["additionalProperties"] = False
    return made


class Contract:
    def __init__(self, path):
        self.doc = json.loads(path.read_text())
        self.components = {"components": _strict(self.doc["components"])}
        self.operations = []
        for template, item in self.doc["paths"].items():
            for method, op in item.items():
                if method in ("get", "post", "put", "delete"):
                    shared = item.get("parameters", [])
                    self.operations.append(Operation(self, method.upper(), template, op, shared))
        self.by_id = {op.id: op for op in self.operations}
        # literal segments win over parameters
        self.operations.sort(key=lambda op: op.template.count("{"))
        self.validators = {}

    def resolve(self, node):
        while "$ref" in node:
            target = self.doc
            for part in node["$ref"][2:].split("/"):
                target = target[part]
            node = target
        return node

    def find(self, method, path):
        path = path.split("?")[0]
        for op in self.operations:
            if op.method == method and op.pattern.fullmatch(path):
                return op
        return None

    def validate(self, schema, value):
        key = json.dumps(schema, sort_keys=True)
        if key not in self.validators:
            self.validators[key] = jsonschema.Draft202012Validator(
                {**self.components, **_strict(schema)})
        self.validators[key].validate(value)

    def check_reply(self, method, path, reply):
        """One place for what holds of every answer to every test."""
        op = self.find("GET" if method == "HEAD" else method, path)
        where = f"{method} {path}: {reply.status_code} {reply.text[:300]}"
        assert reply.status_code != 500, where
        self.check_headers(op, where, reply)
        if method in ("HEAD", "OPTIONS") or reply.status_code == 304:
            assert not reply.content, where
        elif op and op.documented(self, reply.status_code) is not None:
            assert reply.headers["Content-Type"] in self.resolve(op.responses[str(reply.status_code)])["content"], where
            self.validate(op.documented(self, reply.status_code), reply.json())
        elif reply.status_code >= 400:
            self.check_problem(where, reply)
        elif op:
            assert reply.status_code == op.status, where
        if "json" in reply.headers.get("Content-Type", "") and reply.content and op and not op.public:
            assert exposed(role_of(reply), reply.json()) == [], where

    def check_headers(self, op, where, reply):
        assert "Server" not in reply.headers and "Set-Cookie" not in reply.headers, where
        assert reply.headers["X-Content-Type-Options"] == "nosniff", where
        assert reply.headers.get("X-Request-Id"), where
        if op and not op.public and reply.status_code != 304:
            assert "no-store" in reply.headers.get("Cache-Control", "") or op.status == 204 \
                or op.cacheable, where

    def check_problem(self, where, reply):
        assert reply.headers["Content-Type"] == "application/problem+json", where
        problem = reply.json()
        self.validate({"$ref": "#/components/schemas/Problem"}, problem)
        assert problem["status"] == reply.status_code, where
        known = self.doc["x-problems"].get(problem["code"])
        assert known and known["status"] == reply.status_code, where
        for word in ("SELECT", "select ", "linli_", "ERROR", "pg_", ".sql", ".c:", "relation"):
            assert word not in reply.text, f"{where} holds {word}"


def _json(content):
    return (content.get("application/json") or content.get("application/geo+json") or {}).get("schema")


class Operation:
    def __init__(self, contract, method, template, op, shared):
        self.method, self.template, self.op = method, template, op
        self.id = op["operationId"]
        self.pattern = re.compile(re.sub(r"\\{\w+\\}", r"[^/]+", re.escape(template)))
        self.params = [contract.resolve(p) for p in shared + op.get("parameters", [])]
        self.roles = sorted(r for s in op["security"] for r in s.get("jwt", []))
        self.public = op["security"] == []
        statuses = [s for s in op["responses"] if s.startswith("2")]
        self.status = int(statuses[0])
        content = contract.resolve(op["responses"][statuses[0]]).get("content", {})
        self.reply = _json(content)
        self.cacheable = not self.reply
        self.responses = op["responses"]
        body = contract.resolve(op.get("requestBody", {}))
        self.media = body.get("content", {})
        self.body = self.media.get("application/json", {}).get("schema")
        self.example = self.media.get("application/json", {}).get("example")

    def documented(self, contract, status):
        """The schema of this very status, when the operation names it."""
        response = contract.resolve(self.responses.get(str(status), {}))
        return _json(response.get("content", {}))
