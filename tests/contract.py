"""The contract as a test tool: every reply of every test is held to it."""

import json
import re

import jsonschema


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
                    self.operations.append(Operation(self, method.upper(), template, op))
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
        if reply.status_code >= 400:
            assert reply.headers["Content-Type"] == "application/problem+json", \
                f"{method} {path}: {reply.status_code} {reply.text[:300]}"
            problem = reply.json()
            assert problem["status"] == reply.status_code
            assert problem["code"] in self.doc["x-problems"], problem
            return
        op = self.find(method, path)
        if op is None or reply.status_code == 304:
            return
        assert reply.status_code == op.status, f"{op.id}: {reply.status_code}, contract says {op.status}"
        if op.reply is not None:
            self.validate(op.reply, reply.json())


class Operation:
    def __init__(self, contract, method, template, op):
        self.method, self.template, self.op = method, template, op
        self.id = op["operationId"]
        self.pattern = re.compile(re.sub(r"\\{\w+\\}|\{\w+\}", r"[^/]+", template))
        self.params = [contract.resolve(p) for p in op.get("parameters", [])]
        self.roles = sorted(r for s in op["security"] for r in s.get("jwt", []))
        self.public = op["security"] == []
        statuses = [s for s in op["responses"] if s.startswith("2")]
        self.status = int(statuses[0])
        content = contract.resolve(op["responses"][statuses[0]]).get("content", {})
        self.reply = content.get("application/json", {}).get("schema")
        body = contract.resolve(op.get("requestBody", {}))
        self.media = body.get("content", {})
        self.body = self.media.get("application/json", {}).get("schema")
        self.example = self.media.get("application/json", {}).get("example")
