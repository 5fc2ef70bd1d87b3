"""Imports of persons: two steps, each row once, whatever ends in between."""

import csv
import datetime
import io
import json
import os
import pathlib
import signal
import sys
import time
import uuid
import zipfile

import openpyxl
import pytest

import conftest
import harness
import phones
import plants
import samples

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "fault"))
import stage

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


def build(world):
    """A building of 2 units, 5 floors and 2 dwellings on each, in micro-grid A."""
    name = uuid.uuid4().hex[:6]
    made = samples.act(world, "street", "createBuilding", {"id": samples.COMPOUND}, {"name": name + "栋"})["id"]
    samples.act(world, "street", "fillBuilding", {"id": made}, {
        "units": 2, "floors": 5, "per_floor": 2, "use": "residence", "ownership_kind": "private",
        "grid_id": plants.grid_id("1/1/1/1/")})
    return name + "栋"


@pytest.fixture
def house(world):
    return build(world)


def person(house, n, **more):
    """A row of somebody in one of its twenty dwellings."""
    base = {"人员编号": f"P{n}", "姓名": "欧阳" + "一二三四五六七八九十"[n % 10] + "春夏秋冬"[n // 10 % 4], "性别": "", "出生日期": "",
            "手机号码": f"139{n:08d}", "身份证号码": samples.id_number(n), "小区": "双福苑", "楼栋": house, "单元": f"{n % 2 + 1}",
            "房号": f"{n // 2 % 5 + 1}0{n // 10 % 2 + 1}", "居住类型": "家属", "入住日期": "2020/1/5", "标签": ""}
    return [{**base, **more}[h] for h in HEADERS]


def people(world):
    return world.sql("select count(*) from people.person where source is not null")[0][0]


def as_xlsx(rows, headers=HEADERS):
    """As a spreadsheet program saves it; numbers and days in their own types."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(headers)
    for row in rows:
        sheet.append([datetime.date(2020, 1, 5) if c == "2020/1/5" else int(c) if c.isdigit() and len(c) == 11 else c for c in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def zipped(**parts):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, text in parts.items():
            z.writestr({"sheet": "xl/worksheets/sheet1.xml", "shared": "xl/sharedStrings.xml"}[name], text)
    return out.getvalue()


@pytest.mark.parametrize("form", ["utf-8", "utf-8-sig", "gb18030", "xlsx"])
def test_a_file_arrives_twice(world, house, form):
    """Nothing is entered before the commit, everything is by it, and the second
    time all is known."""
    rows = [person(house, n) for n in range(60)]
    data = as_xlsx(rows) if form == "xlsx" else as_csv(rows, form)
    made = read(world.community, data)
    assert (made["state"], made["rows"], made["counts"]["new"]) == ("ready", 60, 60), report(world.community, made)[:2]
    assert people(world) == 0
    assert commit(world.community, made)["counts"]["new"] == people(world) == 60
    again = read(world.community, data)
    assert again["counts"] == {"new": 0, "changed": 0, "unchanged": 60, "duplicate": 0, "error": 0}
    commit(world.community, again)
    assert people(world) == 60
    one = world.community.post("/v1/search/persons", {"id_number": samples.id_number(7)}).json()["items"][0]
    assert (one["name"], one["born_on"], one["sex"], one["phone_mask"]) == ("欧阳八春", "1958-03-07", "male", "139****0007")
    assert one["address"].startswith("双福苑" + house)
    plain = world.community.post(f"/v1/persons/{one['id']}/unmask", {"fields": ["phone", "id_number"], "reason": "核对"}).json()
    assert (plain["phone"], plain["id_number"]) == ("13900000007", samples.id_number(7))
    assert world.sql("select kind, from_on::text from people.residence where person_id = %s", one["id"]) == [("family", "2020-01-05")]


def test_what_the_file_says_anew_is_changed_and_nothing_else(world, house):
    commit(world.community, read(world.community, as_csv([person(house, n) for n in range(3)])))
    ids = dict(world.sql("select source_id, id::text from people.person where source = '社智在线'"))
    seen = world.community.get(f"/v1/persons/{ids['P1']}")
    fixed = world.community.put(f"/v1/persons/{ids['P1']}", {"name": "欧阳二春", "phone": "13811112222"},
                                headers={"If-Match": seen.headers["ETag"]})
    assert fixed.status_code == 200, fixed.text
    made = read(world.community, as_csv([
        person(house, 0, 姓名="欧阳新", 标签="独居老人、退役军人"), person(house, 1), person(house, 2, 房号="502", 手机号码="")]))
    assert (made["counts"]["changed"], made["counts"]["unchanged"]) == (2, 1)
    assert [(r["source_id"], r["fields"], r["person_id"]) for r in report(world.community, made, outcome="changed")] == [
        ("P0", ["name", "tags"], ids["P0"]), ("P2", ["address"], ids["P2"])]
    commit(world.community, made)
    zero, one, two = (world.community.get(f"/v1/persons/{ids[f'P{n}']}").json() for n in range(3))
    assert (zero["name"], {t["code"] for t in zero["tags"]}) == ("欧阳新", {"solitary_elder", "veteran"})
    assert one["phone_mask"] == "138****2222", "what was corrected here stays while the source says nothing new"
    assert (two["address"], two["phone_mask"]) == (f"双福苑{house}1单元502", "139****0002")
    assert world.sql("select count(*), count(to_on) from people.residence where person_id = %s", ids["P2"]) == [(2, 1)]
    found = world.community.post("/v1/search/persons", {"q": "阳新"}).json()["items"]
    assert [p["id"] for p in found] == [ids["P0"]]


def test_each_fault_names_its_column(world, house):
    child = f"{datetime.date.today().year - 5}-06-01"
    wrong = [(person(house, 1, 人员编号=""), "source_id", "cell_required"), (person(house, 2, 姓名=" "), "name", "cell_required"),
             (person(house, 3, 手机号码="12345"), "phone", "phone_invalid"),
             (person(house, 4, 身份证号码="51010819580307123X"), "id_number", "id_number_invalid"),
             (person(house, 5, 出生日期="1958-02-30"), "born_on", "date_invalid"),
             (person(house, 6, 出生日期="1958-03-08"), "born_on", "id_number_mismatch"),
             (person(house, 8, 性别="男"), "sex", "id_number_mismatch"), (person(house, 9, 性别="甲"), "sex", "sex_unknown"),
             (person(house, 10, 居住类型="甲"), "kind", "kind_unknown"), (person(house, 11, 房号="999"), "address", "dwelling_not_found"),
             (person(house, 12, 标签="甲"), "tags", "tag_unknown"), (person(house, 13, 标签="慢性病"), "tags", "tag_health"),
             (person(house, 14, 身份证号码=""), "born_on", "born_on_required"),
             (person(house, 15, 身份证号码="", 出生日期="2999-01-01"), "born_on", "born_in_future"),
             (person(house, 16, 身份证号码="", 出生日期=child), "born_on", "guardian_consent_required"),
             (person(house, 17, 入住日期="2999/1/1"), "from_on", "date_in_future"),
             (person(house, 18, 姓名="欧阳\n换行"), "name", "cell_invalid"), (person(house, 19, 房号="", 单元=""), "address", "cell_required"),
             (person(house, 21, 人员编号="P20"), "source_id", "source_id_repeated")]
    made = read(world.community, as_csv([person(house, 20), *(row for row, _, _ in wrong)]))
    assert (made["counts"]["error"], made["counts"]["new"]) == (len(wrong), 1)
    rows = report(world.community, made, outcome="error")
    assert [(r["field"], r["code"]) for r in rows] == [(field, code) for _, field, code in wrong]
    assert all(r["message_zh"] and r["message_en"] for r in rows)
    kept = "".join(map(str, world.sql("select to_jsonb(r) - 'source_id' - 'import_id' from transfer.import_row r where outcome = 'error'")))
    assert "欧阳" not in kept and child not in kept and "v1." not in kept, "of who is not imported nothing is kept"
    commit(world.community, made)
    assert people(world) == 1


def test_duplicates_say_of_whom(world, house):
    commit(world.community, read(world.community, as_csv([person(house, n) for n in range(3)])))
    ids = dict(world.sql("select source_id, id::text from people.person where source = '社智在线'"))
    rows = [person(house, 0, 人员编号="Q0", 姓名="甲", 手机号码="", 房号="301"),             # the same ID number
            person(house, 1, 人员编号="Q1", 身份证号码="", 出生日期="1958-03-07", 房号="301"),  # phone and name
            person(house, 2, 人员编号="Q2", 身份证号码="", 出生日期="1958-03-07", 手机号码=""),  # address and name
            person(house, 1, 人员编号="Q3", 身份证号码=samples.id_number(77), 手机号码=""),         # another ID number: another person
            person(house, 30, 人员编号="Q4"), person(house, 31, 人员编号="Q5", 身份证号码=samples.id_number(30))]
    made = read(world.community, as_csv(rows), source="另一系统")
    assert (made["counts"]["duplicate"], made["counts"]["new"]) == (4, 2)
    assert [(r["source_id"], r["why"], r["person_id"], r["of_line"]) for r in report(world.community, made, outcome="duplicate")] == [
        ("Q0", "id_number", ids["P0"], None), ("Q1", "phone_name", ids["P1"], None),
        ("Q2", "address_name", ids["P2"], None), ("Q5", "id_number", None, 6)]
    by_street = report(world.street, made, outcome="duplicate")
    assert [r["person_id"] for r in by_street] == [None] * 4, "the street reads no persons"
    commit(world.community, made)
    assert people(world) == 5


def test_who_appears_between_report_and_commit_is_not_entered_twice(world, house):
    made = read(world.community, as_csv([person(house, n) for n in range(2)]))
    home = world.sql("select id::text from grid.dwelling where number = '101' order by id desc limit 1")[0][0]
    samples.person_in(world, home, name="别名", id_number=samples.id_number(1), born_on="1958-03-07", sex=None)
    assert commit(world.community, made)["counts"] == {"new": 1, "changed": 0, "unchanged": 0, "duplicate": 1, "error": 0}


@pytest.mark.parametrize("data, problem, detail", [
    (b"", None, None), ("姓名,地址\n甲,乙\n".encode(), "import_column_missing", "source_id"),
    ("编号,姓名\n1,乙\n".encode(), "import_column_missing", "address"),
    ("编号,姓名,地址,住址\n".encode(), "import_column_twice", "address"), ("编号,姓名,地址\n".encode(), "import_empty", None),
    ('编号,姓名,地址\n1,"乙,丙\n'.encode(), "import_csv_quotes", None), ("编号,姓名,地址\n".encode("utf-16"), "import_encoding", None),
    (b"\xd0\xcf\x11\xe0" + bytes(600), "import_old_excel", None), (b"PK\x03\x04" + b"x" * 600, "import_unreadable", None),
    (",".join(map(str, range(65))).encode(), "import_too_wide", None), (b"a," + b"b" * 1025, "import_cell_too_long", None),
    (zipped(sheet="<!DOCTYPE x [<!ENTITY a 'b'>]><worksheet/>"), "import_unreadable", None),
    (zipped(sheet="<worksheet><sheetData><row><c t='s'><v>9</v></c></row></sheetData></worksheet>"), "import_unreadable", None),
    (zipped(sheet="<worksheet/>", shared="<sst>" + "<si><t>" + "x" * 4000 + "</t></si>" * 1), "import_unreadable", None),
    (zipped(sheet="<worksheet/>", shared="<sst>" + ("<si><t>" + "x" * 4000 + "</t></si>") * 40000 + "</sst>"), "import_unpacks_too_large", None)],
    ids=lambda v: v if isinstance(v, str) else None)
def test_what_cannot_be_read_says_why(shared, data, problem, detail):
    shared.sql("update transfer.import set state = 'dropped' where state in ('reading', 'checking', 'ready')")
    if not problem:
        assert upload(shared.community, data, status=422)["code"] == "one_file_expected"
        return
    made = read(shared.community, data)
    assert (made["state"], made["problem"], made["problem_detail"]) == ("failed", problem, detail)
    assert made["problem_zh"] and made["problem_en"]


def test_headers_may_be_named(world, house):
    names = [f"列{n}" for n in range(len(HEADERS))]
    columns = {"列0": "source_id", "列1": "name", "列3": "born_on", "列6": "compound", "列7": "building", "列8": "unit", "列9": "number"}
    data = as_csv([person(house, 1, 出生日期="1958-03-07")], headers=names)
    made = read(world.community, data, columns=columns)
    assert made["counts"]["new"] == 1 and made["columns"] == {**dict.fromkeys(names), **columns}
    for bad in ({"列0": "salary"}, {"列0": 1}, ["x"]):
        assert upload(world.community, data, status=422, columns=bad)["code"] == "columns_invalid"


def test_only_ones_own_ground(world, house):
    """security 1, 2: a foreign import is no import, and a foreign house no house."""
    rows = as_csv([person(house, 1)])
    made = read(world.community, rows)
    for name in ("community2", "community_far", "street_far"):
        client = getattr(world, name)
        for method, path in (("GET", ""), ("GET", "/rows"), ("POST", "/commit"), ("POST", "/drop")):
            assert client(method, f"/v1/imports/{made['id']}{path}").status_code == 404, (name, path)
        assert client.get("/v1/imports").json()["items"] == []
    assert upload(world.community, rows, status=422, grid_id=plants.grid_id("1/2/"))["code"] == "grid_not_found"
    other = read(world.community2, rows)
    assert [r["code"] for r in report(world.community2, other)] == ["dwelling_not_found"]
    home, = world.sql("select id::text from grid.dwelling where number = '101' order by id desc limit 1")[0]
    by_id = read(world.community2, as_csv([["X", "甲", "1958-03-07", home]], headers=["编号", "姓名", "出生日期", "dwelling_id"]))
    assert [(r["field"], r["code"]) for r in report(world.community2, by_id)] == [("dwelling_id", "dwelling_not_found")]
    by_street = read(world.street, rows, grid_id=plants.grid_id("1/1/"))
    assert by_street["counts"]["new"] == 1 and world.community.get(f"/v1/imports/{by_street['id']}").status_code == 200
    commit(world.street, by_street)
    assert commit(world.community, made)["counts"]["unchanged"] == 1, "entered meanwhile under the very key"
    assert world.sql("select action, data ->> 'source' from audit.entry where subject = 'import' and subject_id = %s order by seq",
                     made["id"]) == [("import_upload", "社智在线"), ("import_commit", "社智在线")]


def program(world, scopes=("people:import",), by="street"):
    made = samples.act(world, by, "createClient", body={"name": "社智在线", "scopes": list(scopes)})["id"]
    given = samples.act(world, by, "addClientSecret", {"id": made})["client_secret"]
    reply = world.client().post("/oauth/token", data={"grant_type": "client_credentials", "client_id": made, "client_secret": given})
    assert reply.status_code == 200, reply.text
    return made, phones.client(world, reply.json())


def test_a_program_brings_persons_by_itself(world, house):
    """By its scope, into its street; it learns what became of its rows, not of whom."""
    client, me = program(world)
    samples.person_in(world, name="欧阳二春", id_number=samples.id_number(1), born_on="1958-03-07", sex=None)
    made = read(me, as_csv([person(house, n) for n in range(3)] + [person("9栋", 3)]))
    assert (made["grid_id"], made["by_name"]) == (plants.grid_id("1/"), "社智在线")
    assert [(r["outcome"], r["code"], r["person_id"]) for r in report(me, made)] == [
        ("new", None, None), ("duplicate", None, None), ("new", None, None), ("error", "dwelling_not_found", None)]
    assert commit(me, made)["counts"]["new"] == people(world) == 2
    assert world.sql("select action, actor_role, actor_id::text from audit.entry where subject_id = %s order by seq", made["id"]) == [
        ("import_upload", "client", client), ("import_commit", "client", client)]
    assert [i["id"] for i in world.street.get("/v1/imports").json()["items"]] == [made["id"]]
    found = world.community.post("/v1/search/persons", {"id_number": samples.id_number(2)}).json()["items"]
    assert [p["name"] for p in found] == ["欧阳三春"]
    for method, path in (("POST", "/v1/search/persons"), ("GET", f"/v1/persons/{found[0]['id']}")):
        assert me(method, path, {"q": "欧阳"} if method == "POST" else None).json()["code"] == "role_not_allowed"


def test_a_program_keeps_to_its_scope_street_and_limits(world, house):
    rows = as_csv([person(house, 1)])
    _, me = program(world)
    _, other = program(world)
    _, far = program(world, by="street_far")
    _, reader = program(world, ["people:aggregate"])
    assert upload(reader, rows, status=403)["code"] == "insufficient_scope"
    made = read(me, rows, grid_id=plants.grid_id("1/1/"))
    assert world.community.get(f"/v1/imports/{made['id']}").status_code == 200
    for client in (other, far, world.community2):
        for method, path in (("GET", ""), ("GET", "/rows"), ("POST", "/commit"), ("POST", "/drop")):
            assert client(method, f"/v1/imports/{made['id']}{path}").status_code == 404, path
        assert client.get("/v1/imports").json()["items"] == []
    by_street = read(world.street, rows)
    assert me.get(f"/v1/imports/{by_street['id']}").status_code == 404, "what the street brings is not the program's"
    assert upload(me, rows, status=422, grid_id=plants.grid_id("2/1/"))["code"] == "grid_not_found"
    assert [r["code"] for r in report(far, read(far, rows))] == ["dwelling_not_found"]
    for _ in range(2):
        read(me, rows)
    assert upload(me, rows, status=409)["code"] == "import_quota"
    assert me.post(f"/v1/imports/{made['id']}/drop").json()["state"] == "dropped"
    read(me, rows)


def test_dropped_rows_and_files_go(world, house):
    made = read(world.community, as_csv([person(house, n) for n in range(5)]))
    reply = world.community.post(f"/v1/imports/{made['id']}/drop")
    assert (reply.status_code, reply.json()["state"]) == (200, "dropped")
    harness.wait_for(lambda: world.sql("select count(*) from transfer.import_row") == [(0,)], "the rows to go")
    again = world.community.post(f"/v1/imports/{made['id']}/commit")
    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")
    vault = pathlib.Path(world.settings.values["data_dir"]) / "vault"
    assert list(vault.iterdir()) == [], "a file goes as soon as it is read"
    assert people(world) == 0


def test_three_are_open_at_most(world, house):
    rows = as_csv([person(house, 1)])
    made = [read(world.community, rows) for _ in range(3)]
    assert upload(world.community, rows, status=409)["code"] == "import_quota"
    world.community.post(f"/v1/imports/{made[0]['id']}/drop")
    read(world.community, rows)


def killed_on_its_way(world, house, count, most, kill):
    """Read, judged and committed while somebody kills at each step, so many
    times at most: the import resumes, and each person is there once."""
    rows = [person(house, n, 姓名=f"欧阳{n}", 身份证号码=samples.id_number(n % 1000, f"19{50 + n // 1000}0307")) for n in range(count)]
    made = upload(world.community, as_csv(rows))

    def look():
        reply = world.community.get(f"/v1/imports/{made['id']}")
        return reply.json() if reply.status_code == 200 else None

    def step(*fields, states):
        last, kills, begun = None, 0, time.monotonic()
        while True:
            it = harness.wait_for(look, "the import to be seen")
            assert time.monotonic() - begun < 10 * harness.WAIT, it
            now = [it[f] for f in fields]
            if it["state"] in states:
                assert kills >= 2
                return it
            if last is not None and now != last and kills < most:
                kill(kills)
                kills += 1
            last = now
            time.sleep(0.01)

    ready = step("rows", "checked", states=("ready", "failed"))
    assert (ready["state"], ready["rows"], ready["counts"]["new"]) == ("ready", count, count), ready
    assert people(world) == 0, "entered before the commit"
    reply = world.community.post(f"/v1/imports/{made['id']}/commit")
    assert reply.status_code == 200
    done = step("committed", states=("done",))
    assert done["counts"] == {"new": count, "changed": 0, "unchanged": 0, "duplicate": 0, "error": 0}
    whole = world.sql(
        "select count(*), count(distinct p.source_id), count(s.person_id), count(r.person_id), count(p.household_id)"
        " from people.person p left join people.secret s on s.street_id = 1 and s.person_id = p.id and s.phone is not null"
        " left join people.residence r on r.street_id = 1 and r.person_id = p.id where p.source = '社智在线'")
    assert whole == [(count,) * 5]
    assert world.sql("select count(*) from core.event where subject = 'person' and action = 'create'") == [(count,)]


def test_killed_in_the_middle_each_row_once(world, house):
    """The job process by SIGKILL and its backend by the database."""
    def kill(n):
        job = world.server.pid("job")
        if n % 2:
            world.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and usename = 'linli_job'", world.database)
        elif job:
            os.kill(job, signal.SIGKILL)
    killed_on_its_way(world, house, 9000, 9, kill)


def test_a_dead_database_comes_back_and_so_does_the_import(spec, tmp_path):
    """PostgreSQL by SIGKILL, all of it or a backend of it, on a cluster of its
    own that keeps its commits on disk."""
    site = stage.make_site()
    world = conftest.World(site, spec, tmp_path)
    data = site.cluster.folder / "data"

    def kill(n):
        # Stopped meanwhile: it must not be done before anybody looks again.
        job = world.server.pid("job")
        os.kill(job, signal.SIGSTOP)
        backends = site.cluster.backends(world.database, "linli_job")
        if n % 2 and backends:
            os.kill(backends[0], signal.SIGKILL)
        else:
            os.kill(int((data / "postmaster.pid").read_text().split("\n")[0]), signal.SIGKILL)
            harness.wait_for(lambda: site.cluster.begin(check=False).returncode == 0, "PostgreSQL to start")
        harness.wait_for(site.cluster.running, "PostgreSQL to recover")
        harness.wait_for(lambda: world.community.get("/v1/me").status_code == 200, "the workers to connect")
        os.kill(job, signal.SIGCONT)
    try:
        killed_on_its_way(world, build(world), 5000, 3, kill)
        world.close()
    finally:
        world.server.kill()
        stage.remove_site(site)
