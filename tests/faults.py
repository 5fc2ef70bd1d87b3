"""From a JSON Schema, the ways to break it: what the contract tests send.

Every top-level field gets its own list of faults; round n breaks each field in
its n-th way, all in one request, so that one reply must name them all."""

import copy
import re

ABSENT = object()

# Names that clients like to add where they have no business.
FOREIGN = ("role", "status", "id", "created_by", "street_id", "points", "verified")

OF_TYPE = {"string": str, "boolean": bool, "array": list, "object": dict}
VALUES = (None, "1", 7, 1.0, 1e2, 1.5, True, [], {}, 2**53 + 1)

BAD_FORMAT = {
    "uuid": "018f2a3c-0000-8000-8000-00000000000g",
    "date": "2026-02-29",
    "date-time": "2026-11-22 08:00:00",
    "uri": "://x",
    "phone": "12345678901",
    "resident-id": "110105194912310021",
}


class Fault:
    """One bad value: where it goes, the pointer and code the reply must hold."""

    def __init__(self, label, value, code, below=""):
        self.label, self.value, self.code, self.below = label, value, code, below


def is_of(kind, value):
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "null":
        return value is None
    return isinstance(value, OF_TYPE[kind])


def kinds(schema):
    kind = schema.get("type", [])
    return kind if isinstance(kind, list) else [kind]


def unwrap(resolve, schema):
    """The schema behind $ref and "X or null", and whether null is allowed."""
    nullable = False
    while "$ref" in schema or "oneOf" in schema:
        if "$ref" in schema:
            schema = resolve(schema)
            continue
        branches = [b for b in schema["oneOf"] if b.get("type") != "null"]
        nullable = nullable or len(branches) < len(schema["oneOf"])
        if len(branches) != 1:
            return {"oneOf": branches, **schema}, nullable
        schema = branches[0]
    return schema, nullable or "null" in kinds(schema)


def type_faults(schema, nullable):
    allowed = kinds(schema)
    if not allowed:
        return
    for value in VALUES:
        if value is None and nullable or any(is_of(k, value) for k in allowed):
            continue
        yield Fault(f"type {value!r}", value, "null" if value is None else "type")


def string_faults(schema, value=None):
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if "enum" in schema:
        yield Fault("enum", "no such value", "enum")
        return
    if "const" in schema:
        yield Fault("const", "no such value", "const")
        return
    if least:
        yield Fault("too short", "x" * (least - 1), "too_short")
    if most is not None:
        yield Fault("too long", "长" * (most + 1), "too_long")
    if "format" in schema:
        yield Fault("format", BAD_FORMAT[schema["format"]], "format")
    if "pattern" in schema:
        bad = broken_pattern(schema)
        if bad is not None:
            yield Fault("pattern", bad, "pattern")
        if schema["pattern"].endswith("$") and isinstance(value, str):
            yield Fault("newline at the end", value + "\n", "pattern")


def broken_pattern(schema):
    """A text of allowed length that the pattern refuses, or None."""
    # Python's $ lets a newline pass; the contract's means the very end.
    pattern = re.compile(re.sub(r"\$$", r"\\Z", schema["pattern"]))
    least, most = schema.get("minLength", 0), schema.get("maxLength", 10**6)
    for text in ("!", " ", "长", "A", "0", "'\"<>"):
        text = text * max(1, -(-least // len(text)))
        if len(text) <= most and not pattern.search(text):
            return text
    return None


def number_faults(schema):
    if "enum" in schema:
        yield Fault("enum", max(v for v in schema["enum"] if v is not None) + 1, "enum")
    if "minimum" in schema:
        yield Fault("minimum", schema["minimum"] - 1, "minimum")
    if "maximum" in schema:
        yield Fault("maximum", schema["maximum"] + 1, "maximum")
    if "exclusiveMinimum" in schema:
        yield Fault("exclusive minimum", schema["exclusiveMinimum"], "exclusive_minimum")
    if "exclusiveMaximum" in schema:
        yield Fault("exclusive maximum", schema["exclusiveMaximum"], "exclusive_maximum")


def array_faults(resolve, schema, value):
    item = value[0] if value else sample(resolve, schema["items"])
    if schema.get("minItems"):
        yield Fault("too few", [item] * (schema["minItems"] - 1), "too_few")
    if "maxItems" in schema:
        yield Fault("too many", [item] * (schema["maxItems"] + 1), "too_many")
    if schema.get("uniqueItems"):
        yield Fault("repeated", [item, item], "not_unique", "/1")
    for f in faults(resolve, schema["items"], item):
        if f.value is not ABSENT:
            yield Fault(f"item {f.label}", [f.value, *(value or [])[1:]], f.code, "/0" + f.below)


def object_faults(resolve, schema, value):
    """Each with a single member broken, so that the pointer is one."""
    if not isinstance(value, dict):
        value = sample(resolve, schema)
    properties = schema.get("properties", {})
    for name, sub in properties.items():
        for f in member_faults(resolve, schema, name, sub, value.get(name)):
            yield Fault(f"{name} {f.label}", put(value, name, f.value), f.code,
                        f"/{name}{f.below}")
    if properties and not schema.get("additionalProperties"):
        yield Fault("unknown member", put(value, "nosuch", 1), "unknown_field", "/nosuch")


def put(value, name, new):
    made = copy.deepcopy(value)
    if new is ABSENT:
        made.pop(name, None)
    else:
        made[name] = new
    return made


def member_faults(resolve, schema, name, sub, value):
    if name in schema.get("required", []) and "default" not in sub:
        yield Fault("missing", ABSENT, "required")
    yield from faults(resolve, sub, value)


def faults(resolve, schema, value):
    """Every way to break one value."""
    schema, nullable = unwrap(resolve, schema)
    if "oneOf" in schema:
        for bad in (7, "x", []):
            yield Fault(f"type {bad!r}", bad, "type")
        return
    yield from type_faults(schema, nullable)
    for kind in kinds(schema):
        if kind == "string":
            yield from string_faults(schema, value)
        elif kind in ("integer", "number"):
            yield from number_faults(schema)
        elif kind == "array":
            yield from array_faults(resolve, schema, value)
        elif kind == "object":
            yield from object_faults(resolve, schema, value)


def sample(resolve, schema):
    """Some value of the right shape; not always one the pattern takes."""
    schema, nullable = unwrap(resolve, schema)
    for key in ("example", "default", "const"):
        if key in schema:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    kind = next((k for k in kinds(schema) if k != "null"), "null")
    if kind == "string":
        return {"uuid": "018f2a3c-0000-8000-8000-000000000000", "date": "2026-11-22",
                "date-time": "2026-11-22T00:00:00Z", "phone": "13800000000",
                "resident-id": "11010519491231002X", "uri": "https://example.org/"}.get(
                    schema.get("format"), "x" * max(1, schema.get("minLength", 1)))
    if kind in ("integer", "number"):
        return schema.get("minimum", schema.get("maximum", 1))
    if kind == "array":
        return [sample(resolve, schema["items"])] * max(1, schema.get("minItems", 0))
    if kind == "object":
        return {n: sample(resolve, s) for n, s in schema.get("properties", {}).items()
                if n in schema.get("required", [])}
    return True if kind == "boolean" else None


def rounds(resolve, schema, example):
    """(body, {pointer: code}) until every field has been broken in every way."""
    schema, _ = unwrap(resolve, schema)
    lists = {name: list(member_faults(resolve, schema, name, sub, (example or {}).get(name)))
             for name, sub in schema.get("properties", {}).items()}
    for n in range(max(map(len, lists.values()), default=0)):
        body, expected = copy.deepcopy(example or {}), {}
        for name, found in lists.items():
            if n < len(found):
                body = put(body, name, found[n].value)
                expected[f"/{name}{found[n].below}"] = found[n].code
        yield body, expected
    foreign = [n for n in FOREIGN if n not in schema.get("properties", {})]
    if not schema.get("additionalProperties"):
        yield ({**(example or {}), **{n: "x" for n in foreign}},
               {f"/{n}": "unknown_field" for n in foreign})


def at_bounds(resolve, schema, value):
    """The longest and greatest that the schema takes."""
    schema, _ = unwrap(resolve, schema)
    if value is None or "enum" in schema or "const" in schema or "oneOf" in schema:
        return value
    if isinstance(value, dict):
        return {n: at_bounds(resolve, schema.get("properties", {}).get(n, {}), v)
                for n, v in value.items()}
    if isinstance(value, str) and "maxLength" in schema and not (
            {"pattern", "format"} & set(schema)):
        return "长" * schema["maxLength"]
    if is_of("number", value) and "maximum" in schema:
        return schema["maximum"]
    return value


def text_faults(resolve, schema):
    """Bad spellings of a parameter: (text, code)."""
    schema, _ = unwrap(resolve, schema)
    kind = next((k for k in kinds(schema) if k != "null"), "string")
    if kind in ("integer", "number"):
        for text in ("abc", "", "+5", "007", "0x10", "1e400", "NaN", " 5", "99999999999999999999"):
            if kind == "integer" or text != "99999999999999999999":
                yield text, "type"
        if kind == "integer":
            yield "1.0", "type"
            yield "1e2", "type"
        for f in number_faults(schema):
            yield str(f.value), f.code
    elif kind == "boolean":
        for text in ("True", "1", "yes", ""):
            yield text, "type"
    elif kind == "array":
        yield from list_faults(resolve, schema)
    else:
        for f in string_faults(schema):
            yield f.value, f.code


def list_faults(resolve, schema):
    item = str(sample(resolve, schema["items"]))
    if schema.get("minItems"):
        yield "", "too_few"
    if "maxItems" in schema:
        yield ",".join([item] * (schema["maxItems"] + 1)), "too_many"
    if schema.get("uniqueItems"):
        yield f"{item},{item}", "not_unique"
    for text, code in text_faults(resolve, schema["items"]):
        if text and "," not in text:
            yield text, code
            yield f"{item},{text}", code
