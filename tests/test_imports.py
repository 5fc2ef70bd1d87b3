"""Imports of persons: two steps, each row once, whatever ends in between."""

import csv
import io
import json
import uuid

import pytest

import harness
import plants
import samples

HEADERS = ["人员编号", "姓名", "性别", "出生日期", "手机号码", "身份证号码", "小区", "楼栋", "单元", "房号", "居住类型", "入住日期", "标签"]


def as_csv(rows, encoding="utf-8", headers=HEADERS):
    out = io.StringIO()
    csv.writer(out).writerows([headers, *rows])
    return out.getvalue().encode(encoding)


def upload(client, data, source="社智在线", status=201, columns=None, name="人房.csv", **query):
    files = {"file": (name, data, "application/octet-stream")}
    reply = client.post("/v1/imports", params={"source": source, **query}, files=files,
                        data={"columns": json.dumps(columns)} if columns else None)
    assert reply.status_code == status, reply.text
    return reply.json()


def settled(client, made, *states):
    def now():
        it = client.get(f"/v1/imports/{made['id']}").json()
        return it if it["state"] in states else None
    return harness.wait_for(now, f"import {states}")


def report(client, made, **query):
    rows, after = [], {}
    while True:
        page = client.get(f"/v1/imports/{made['id']}/rows", params={"limit": 100, **query, **after})
        assert page.status_code == 200, page.text
        rows += page.json()["items"]
        if not page.json()["next"]:
            return rows
        after = {"after": page.json()["next"]}


def read(client, data, **kw):
    return settled(client, upload(client, data, **kw), "ready", "failed")


def commit(client, made):
    reply = client.post(f"/v1/imports/{made['id']}/commit")
    assert reply.status_code == 200, reply.text
    return settled(client, made, "done")


def id_number(n, born="19580307"):
    head = f"510108{born}{n % 1000:03d}"
    rest = 0
    for c in head:
        rest = (rest + int(c)) * 2 % 11
    return head + "0123456789X"[(12 - rest) % 11]


@pytest.fixture
def house(world):
    """A building of 2 units, 5 floors and 2 dwellings on each, in micro-grid A."""
    name = uuid.uuid4().hex[:6]
    made = samples.act(world, "street", "createBuilding", {"id": samples.COMPOUND}, {"name": name + "栋"})["id"]
    samples.act(world, "street", "fillBuilding", {"id": made}, {
        "units": 2, "floors": 5, "per_floor": 2, "use": "residence", "ownership_kind": "private",
        "grid_id": plants.grid_id("1/1/1/1/")})
    return name + "栋"


def person(house, n, **more):
    """A row of somebody in one of its twenty dwellings."""
    base = {"人员编号": f"P{n}", "姓名": "欧阳" + "一二三四五六七八九十"[n % 10] + "春夏秋冬"[n // 10 % 4], "性别": "", "出生日期": "",
            "手机号码": f"139{n:08d}", "身份证号码": id_number(n), "小区": "双福苑", "楼栋": house, "单元": f"{n % 2 + 1}",
            "房号": f"{n // 2 % 5 + 1}0{n // 10 % 2 + 1}", "居住类型": "家属", "入住日期": "2020/1/5", "标签": ""}
    return [{**base, **more}[h] for h in HEADERS]


def test_two_steps(world, house):
    made = read(world.community, as_csv([person(house, n) for n in range(30)]))
    assert (made["state"], made["rows"], made["counts"]["new"]) == ("ready", 30, 30), (made, report(world.community, made)[:2])
    assert world.sql("select count(*) from people.person where source = '社智在线'") == [(0,)]
    done = commit(world.community, made)
    assert done["counts"]["new"] == 30
    assert world.sql("select count(*) from people.person where source = '社智在线'") == [(30,)]
