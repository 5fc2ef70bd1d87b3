"""A strict reader of Prometheus' text format 0.0.4: what it returns can be
trusted, what it does not understand it refuses."""

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)?\}})? (\S+)")
TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}


def unescape(text):
    return re.sub(r'\\(.)', lambda m: "\n" if m.group(1) == "n" else m.group(1), text)


class Family:
    def __init__(self, name, help_):
        self.name, self.help, self.type, self.samples = name, help_, None, {}

    def owns(self, name):
        if self.type == "histogram":
            return name in (self.name + "_bucket", self.name + "_sum", self.name + "_count")
        return name == self.name


def parse(text):
    """{family name: Family}; samples by (name, frozenset of labels)."""
    assert text.endswith("\n")
    families, current = {}, None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            _, _, name, help_ = line.split(" ", 3)
            assert re.fullmatch(NAME, name) and name not in families, line
            current = families[name] = Family(name, help_)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert current and name == current.name and kind in TYPES and not current.type, line
            current.type = kind
        else:
            add(current, line)
    for family in families.values():
        assert family.type, family.name
        assert family.type != "counter" or family.name.endswith("_total"), family.name
        if family.type == "histogram":
            check_histogram(family)
    return families


def add(family, line):
    found = SAMPLE.fullmatch(line)
    assert found and family and family.owns(found.group(1)), line
    labels = [(k, unescape(v)) for k, v in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found.group(2) or "")]
    key = (found.group(1), frozenset(labels))
    assert len(dict(labels)) == len(labels) and key not in family.samples, line
    family.samples[key] = float(found.group(3))
    assert family.type == "gauge" or family.samples[key] >= 0, line


def check_histogram(family):
    """Buckets rise to +Inf, which is the count."""
    series = {}
    for (name, labels), value in family.samples.items():
        rest = frozenset(l for l in labels if l[0] != "le")
        of = series.setdefault(rest, {"buckets": [], "_sum": None, "_count": None})
        if name.endswith("_bucket"):
            of["buckets"].append((float(dict(labels)["le"]), value))
        else:
            of[name.removeprefix(family.name)] = value
    for rest, of in series.items():
        bounds, counts = zip(*of["buckets"])
        assert list(bounds) == sorted(set(bounds)) and bounds[-1] == float("inf"), rest
        assert list(counts) == sorted(counts) and counts[-1] == of["_count"], rest
        assert of["_sum"] is not None, rest


def value(families, name, **labels):
    """The sum of the samples called name whose labels include these."""
    family = next(f for f in families.values() if f.owns(name))
    wanted = set(labels.items())
    return sum(v for (n, have), v in family.samples.items() if n == name and wanted <= have)
