"""Exports: whose rows, what stands in the files, and when they are gone."""

import contextlib
import csv
import io
import os
import pathlib
import signal
import uuid
import xml.etree.ElementTree
import zipfile

import psycopg2
import pytest

import harness
import plants
import samples
import story
from test_people import enter, home

GUARDED = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# Names as somebody writes them who thinks of the spreadsheet they end in.
NASTY = ["=HYPERLINK(\"http://x.test\",\"点我\")", "+1+1", "-2+3", "@SUM(A1)", "＝1+1", "＋1", "－1", "＠x", "'=1", "'普通",
         "说\"引号\",逗号", "张 三", "上\n下", "=cmd|' /C calc'!A0", "a=b", "😀表情"]


def folder(world):
    return pathlib.Path(world.settings.values["data_dir"]) / "exports"


def ask(client, what="persons", format="csv", answer=202, **filter):
    reply = client.post("/v1/exports", {"what": what, "format": format, "filter": filter, "reason": "年度核对"})
    assert reply.status_code == answer, reply.text
    return reply.json()["id"] if answer == 202 else reply.json()["code"]


def state(client, export, *states):
    """Waits until it is in one of these states; all that is known of it."""
    def look():
        seen = client.get(f"/v1/exports/{export}").json()
        return seen if seen["state"] in states else None
    return harness.wait_for(look, f"{export} to be {states}")


def fetch(client, export):
    reply = client.get(f"/v1/exports/{export}/file")
    assert reply.status_code == 200, reply.text
    return reply


def read_csv(reply):
    """Titles and rows, the guards taken off."""
    assert reply.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(reply.content.decode("utf-8-sig"), newline=""), strict=True))
    for cell in (c for row in rows for c in row):
        assert not cell.startswith(GUARDED), cell
    return rows[0], [[c[1:] if c.startswith("'") else c for c in row] for row in rows[1:]]


def read_xlsx(reply):
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(io.BytesIO(reply.content)) as z:
        assert z.testzip() is None and not [n for n in z.namelist() if "vba" in n or "external" in n]
        root = xml.etree.ElementTree.fromstring(z.read("xl/worksheets/sheet1.xml"))
    assert root.find(f".//{space}f") is None and root.find(f".//{space}hyperlink") is None
    rows = []
    for row in root.iter(space + "row"):
        cells = {}
        for c in row:
            at = 0
            for letter in c.get("r").rstrip("0123456789"):
                at = at * 26 + ord(letter) - 64
            cells[at] = "".join(t.text or "" for t in c.iter(space + "t")) if c.get("t") == "inlineStr" else c.find(space + "v").text
        rows.append(cells)
    width = max(rows[0])
    return [rows[0][i] for i in range(1, width + 1)], [[r.get(i, "") for i in range(1, width + 1)] for r in rows[1:]]


def made(client, what="persons", format="csv", **filter):
    export = ask(client, what, format, **filter)
    state(client, export, "done")
    titles, rows = (read_csv if format == "csv" else read_xlsx)(fetch(client, export))
    return [dict(zip(titles, row)) for row in rows]


# What stands in the file --------------------------------------------------------

@pytest.fixture(scope="module")
def nasty(shared):
    dwelling = home(shared)
    shared.nasty = {enter(shared.community, dwelling, name=name)["id"]: name for name in NASTY}
    return shared


@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_a_name_is_never_a_formula_and_comes_back_as_it_was(nasty, format):
    """security 30"""
    rows = {r["编号"]: r["姓名"] for r in made(nasty.community, format=format, grid_id=story.A)}
    assert {i: rows[i] for i in nasty.nasty} == nasty.nasty


def test_rows_are_those_of_the_api(nasty):
    """security 30: who is in it, and what of them, is what the same caller reads; no number in full."""
    person = enter(nasty.community, home(nasty), name="令狐冲", phone="13977776666", id_number="11010519491231002X", born_on=None)["id"]
    child = enter(nasty.community, home(nasty), name="小朋友", born_on="2010-03-01")["id"]
    other = enter(nasty.community2, home(nasty, "1/2/1/1/"), name="邻社区人")["id"]
    samples.act(nasty, "community", "tagPerson", {"id": person}, {"code": "veteran"})
    export = ask(nasty.community)
    state(nasty.community, export, "done")
    reply = fetch(nasty.community, export)
    assert reply.headers["Content-Disposition"].startswith('attachment; filename="persons-')
    assert reply.headers["Cache-Control"] == "no-store" and reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    for secret in ("13977776666", "11010519491231002X", "小朋友", other, "邻社区人"):
        assert secret not in reply.text
    titles, rows = read_csv(reply)
    rows = {r["编号"]: r for r in (dict(zip(titles, row)) for row in rows)}
    seen = nasty.community.get(f"/v1/persons/{person}").json()
    assert (rows[person]["姓名"], rows[person]["手机"], rows[person]["身份证号"], rows[person]["标签"], rows[person]["地址"]) == (
        "令狐冲", seen["phone_mask"], seen["id_number_mask"], "退役军人", seen["address"])
    assert rows[child]["未成年人信息未授权"] == "是" and rows[child]["姓名"] == ""
    assert set(rows) == {i for i, in nasty.sql("select id::text from people.person where path like '1/1/%%'")}
    assert [r["编号"] for r in made(nasty.community, tag="veteran")] == [person]


def test_every_kind_in_both_formats(nasty):
    ticket = samples.ticket(nasty, "accepted", title="=标题")
    for what, key in (("households", "编号"), ("dwellings", "编号"), ("tickets", "标题")):
        one = made(nasty.community, what, "csv")
        assert one and one == made(nasty.community, what, "xlsx"), what
        assert all(r[key] for r in one)
    rows = made(nasty.street, "tickets", status=["accepted"])
    assert [r["标题"] for r in rows] == ["=标题"] and rows[0]["状态"] == "accepted"
    assert made(nasty.street, "tickets", **{"from": "2099-01-01T00:00:00Z"}) == []
    assert ticket


@pytest.mark.parametrize("who, what, filter, told", [
    ("street", "persons", {}, "export_not_allowed"), ("street", "households", {}, "export_not_allowed"),
    ("community", "dwellings", {"tag": "veteran"}, "filter_unfit"), ("community", "persons", {"tag": "nope"}, "tag_unknown"),
    ("community", "persons", {"grid_id": plants.grid_id("1/2/1/1/")}, "grid_not_found"),
    ("community", "tickets", {"grid_id": plants.grid_id("2/1/")}, "grid_not_found")])
def test_what_is_not_given_out(shared, who, what, filter, told):
    status = 403 if told == "export_not_allowed" else 422
    assert ask(getattr(shared, who), what, answer=status, **filter) == told


def test_an_export_is_its_askers(shared):
    """security 1, 30"""
    export = ask(shared.community)
    state(shared.community, export, "done")
    for other in ("community2", "street", "community_far"):
        for url in (f"/v1/exports/{export}", f"/v1/exports/{export}/file"):
            assert getattr(shared, other).get(url).status_code == 404
        assert getattr(shared, other).delete(f"/v1/exports/{export}").status_code == 404
        assert export not in getattr(shared, other).get("/v1/exports?limit=100").text
    assert export in shared.community.get("/v1/exports?limit=100").text


def test_asking_and_fetching_are_logged(shared):
    """security 30"""
    export = ask(shared.community)
    rows = state(shared.community, export, "done")["rows"]
    fetch(shared.community, export)
    fetch(shared.community, export)
    log = shared.sql("select action, actor_role, reason, 'phone_mask' = any (fields), data ->> 'what', data ->> 'rows'"
                     " from audit.entry where subject_id = %s order by seq", export)
    assert log == [("export_request", "community", "年度核对", True, "persons", None),
                   ("export", "community", "年度核对", True, "persons", str(rows)),
                   ("export_download", "community", "年度核对", True, "persons", str(rows)),
                   ("export_download", "community", "年度核对", True, "persons", str(rows))]
    assert shared.community.get(f"/v1/exports/{export}").json()["downloads"] == 2
    shared.sql("alter table audit.entry add constraint full_disk check (action <> 'export_download') not valid")
    try:
        assert shared.community.get(f"/v1/exports/{export}/file").status_code >= 400
    finally:
        shared.sql("alter table audit.entry drop constraint full_disk")


def test_only_so_many_a_day(world):
    """security 30"""
    world.sql("update transfer.export_kind set per_day = 2")
    replies = story.together(4, lambda _: world.community.post(
        "/v1/exports", {"what": "dwellings", "format": "csv", "reason": "核对"}).status_code)
    assert sorted(replies) == [202, 202, 429, 429]
    assert ask(world.community, answer=429) == "exports_exhausted"
    ask(world.street, "dwellings")


# How long it lasts ----------------------------------------------------------------

def test_files_are_for_nobody_else_and_go_when_nobody_needs_them(world):
    exports = [ask(world.community, "dwellings", f) for f in ("csv", "xlsx", "csv")]
    for export in exports:
        state(world.community, export, "done")
    files = sorted(f.name for f in folder(world).iterdir())
    assert files == sorted([f"{exports[0]}.csv", f"{exports[1]}.xlsx", f"{exports[2]}.csv"])
    assert {f.stat().st_mode & 0o777 for f in folder(world).iterdir()} == {0o600} and folder(world).stat().st_mode & 0o777 == 0o700
    for stray in (f"{uuid.uuid4()}.csv", f"{exports[0]}.lines", f"{uuid.uuid4()}.lines"):
        (folder(world) / stray).touch()
    assert world.community.delete(f"/v1/exports/{exports[0]}").status_code == 204
    assert world.community.get(f"/v1/exports/{exports[0]}/file").status_code == 404
    world.sql("update transfer.export set expires_at = now() where id = %s", exports[1])
    assert world.community.get(f"/v1/exports/{exports[1]}").json()["state"] == "expired"
    assert world.community.get(f"/v1/exports/{exports[1]}/file").json()["code"] == "export_gone"
    harness.wait_for(lambda: [f.name for f in folder(world).iterdir()] == [f"{exports[2]}.csv"], "the rest to go")
    kept = world.community.get(f"/v1/exports/{exports[2]}").json()
    assert (story.at(kept["expires_at"]) - story.at(kept["done_at"])).total_seconds() == 24 * 3600


def test_who_is_erased_is_in_no_file(world):
    """security 49: exports of persons go with the first erasure after them, at whatever stage."""
    person = enter(world.community, home(world))["id"]
    exports = [ask(world.community, "persons"), ask(world.community, "dwellings")]
    for export in exports:
        state(world.community, export, "done")
    request = samples.act(world, "community", "fileDataRequest", {"id": person}, {"kind": "delete"})["id"]
    world.sql("update people.data_request set filed_by = core.new_id(0) where id = %s", request)
    for step in ("verify", "start", "fulfil"):
        samples.act(world, "community", step + "DataRequest", {"id": request})
    assert state(world.community, exports[0], "dropped")
    assert world.community.get(f"/v1/exports/{exports[0]}/file").json()["code"] == "export_gone"
    fetch(world.community, exports[1])
    harness.wait_for(lambda: [f.name for f in folder(world).iterdir()] == [f"{exports[1]}.csv"], "the file to go")
    assert person not in {r["编号"] for r in made(world.community)}


# Who asked ------------------------------------------------------------------------

def stopped(world):
    """Stops the job process, and starts it again."""
    pid = world.server.pid("job")
    os.kill(pid, signal.SIGSTOP)
    return lambda: os.kill(pid, signal.SIGCONT)


def new_staff(world):
    tokens = samples.person(world, "community")
    return harness.Client(world.server.url, tokens["access_token"], world.spec.check_reply)


def test_who_lost_the_session_or_the_role_gets_nothing(world):
    """security 8, 30: before it ran, and before it is fetched."""
    leaver, mover = new_staff(world), new_staff(world)
    cont = stopped(world)
    export = ask(leaver, "dwellings")
    assert leaver.delete("/v1/sessions/current").status_code == 204
    cont()
    harness.wait_for(lambda: world.sql("select state from transfer.export where id = %s", export) == [("refused",)], "a refusal")
    done = ask(mover, "dwellings")
    state(mover, done, "done")
    # the same account, in the same role, elsewhere
    world.sql("update transfer.export set scopes = '{1/2/}' where id = %s", done)
    assert mover.get(f"/v1/exports/{done}/file").json()["code"] == "export_out_of_scope"


# Large ones, and misfortunes -------------------------------------------------------

def test_who_is_erased_while_a_file_is_made_is_in_no_file(world):
    """security 49: the name stands in what is written already, and perhaps in the
    piece on its way; no more is made of it, and both go."""
    name = "司马相逢"
    person = enter(world.community, home(world), name=name)["id"]
    world.sql("insert into people.person (street_id, id, path, dwelling_id, name, born_on) select 1, core.new_id(1), p.path, p.dwelling_id,"
              " '路人' || n, '1960-01-01' from people.person p, generate_series(1, 3000) n where p.id = %s", person)
    request = samples.act(world, "community", "fileDataRequest", {"id": person}, {"kind": "delete"})["id"]
    world.sql("update people.data_request set filed_by = core.new_id(0) where id = %s", request)
    for step in ("verify", "start"):
        samples.act(world, "community", step + "DataRequest", {"id": request})
    export = ask(world.community, "persons")
    with midway(world, export):
        assert name in (folder(world) / f"{export}.lines").read_text()
        cont = stopped(world)
    try:
        samples.act(world, "community", "fulfilDataRequest", {"id": request})
    finally:
        cont()
    assert state(world.community, export, "dropped", "done")["state"] == "dropped"
    harness.wait_for(lambda: list(folder(world).iterdir()) == [], "the lines to go")
    assert name not in str(made(world.community))


MANY = 6000


def crowd(world):
    """Many dwellings in micro-grid A."""
    home(world)
    world.sql("insert into grid.dwelling (street_id, id, building_id, number, grid_id, path)"
              " select d.street_id, core.new_id(1), d.building_id, 'N' || n, d.grid_id, d.path"
              " from (select * from grid.dwelling where street_id = 1 limit 1) d, generate_series(1, %s) n", MANY)


def numbers(reply):
    return [row[3] for row in (read_csv(reply) if reply.content.startswith(b"\xef") else read_xlsx(reply))[1]]


@contextlib.contextmanager
def midway(world, export):
    """Nothing more of it is written while this lasts; what was, is some but not all."""
    with contextlib.closing(psycopg2.connect(world.site.cluster.superuser(world.database))) as c, c.cursor() as cur:
        def held():
            cur.execute("select rows from transfer.export where id = %s for update", (export,))
            rows, = cur.fetchone()
            if not rows:
                c.rollback()
            return rows
        assert harness.wait_for(held, "the first rows") < MANY
        yield
        c.rollback()


@pytest.mark.parametrize("format", ["csv", "xlsx"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_process_that_ends_midway_is_made_good(world, how, format):
    """Each row once, whatever of it was written."""
    crowd(world)
    export = ask(world.community, "dwellings", format)
    with midway(world, export):
        os.kill(world.server.pid("job"), how)
    seen = state(world.community, export, "done")
    found = numbers(fetch(world.community, export))
    assert len(found) == len(set(found)) == MANY + 1 == seen["rows"]
    harness.wait_for(lambda: [f.name for f in folder(world).iterdir()] == [f"{export}.{format}"], "nothing else")


def test_lines_that_are_lost_are_written_anew(world):
    """As after a power cut, or a backup of the database alone."""
    crowd(world)
    export = ask(world.community, "dwellings")
    with midway(world, export):
        os.kill(world.server.pid("job"), signal.SIGKILL)
        (folder(world) / f"{export}.lines").unlink()
    state(world.community, export, "done")
    assert len(set(numbers(fetch(world.community, export)))) == MANY + 1
