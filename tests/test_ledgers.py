"""三本两表一册: ledgers of what was entered already, in the columns a street
wants, read and printed; and what is missing where."""

import io
import zipfile

import pytest

import samples
import story
from test_diary import write
from test_equipment import day
from test_exports import ask, fetch, made, read_xlsx, state
from test_people import enter, home
from test_visits import mark, plan, report, visits

NAMES = {"diary": ("book", "民情日记本"), "rounds": ("book", "巡查走访本"), "worklog": ("book", "工作日志本"),
         "grids": ("form", "网格基本情况表"), "checks": ("form", "重点人群、隐患排查表"), "persons": ("register", "居民花名册")}


def ledgers(client):
    reply = client.get("/v1/ledgers")
    return {x["ledger"]: x for x in reply.json()["ledgers"]}, reply.headers["ETag"]


def put(world, *templates, status=200, tag=None):
    reply = world.street.put("/v1/ledgers", {"ledgers": templates}, headers={"If-Match": tag or ledgers(world.street)[1]})
    assert reply.status_code == status, reply.text
    return reply.json() if status == 200 else (reply.json()["code"], [e["pointer"] for e in reply.json().get("errors", [])])


def template(ledger, title="台账", monthly=0, **columns):
    return {"ledger": ledger, "title": title, "monthly": monthly,
            "columns": [{"field": f, "heading": h} for f, h in columns.items()]}


def rows(client, ledger, limit=100, **query):
    """Lines as dicts by field."""
    fields = [c["field"] for c in ledgers(client)[0][ledger]["columns"]]
    return [dict(zip(fields, r["cells"], strict=True)) for r in
            story.walk(client, "/v1/ledger-rows", limit, ledger=ledger, **query)]


def books(client, **query):
    reply = client.get("/v1/ledger-completeness", params=query)
    assert reply.status_code == 200, reply.text
    return reply.json()


def of(seen, grid):
    """wanted, entered, missing of each ledger of a grid."""
    item, = [i for i in seen["items"] if i["grid_id"] == grid]
    return {x["ledger"]: (x["wanted"], x["entered"], x["missing"]) for x in item["ledgers"]}, item["complete"]


@pytest.fixture(scope="module")
def ledger(shared):
    """A diary entry, a visit made, a hazard, somebody of the 四必去 and a patrol walked in micro-grid A."""
    elder = enter(shared.community, home(shared), name="李大爷家")["id"]
    write(shared.lead, person_id=elder, text="路灯坏了，电话 13812345678", topic="care")
    mark(shared, "difficult", [h for h, in shared.sql("select household_id::text from people.person where id = %s", elder)])
    made_plan = plan(shared.community, due_on=day(1))
    report(shared.lead, visits(shared.lead, plan_id=made_plan["id"])[0]["id"], note="身体好")
    samples.hazard(shared)
    point = samples.patrol_point(shared, "grid_lead")
    samples.act(shared, "lead", "checkInPatrol", point["ids"], {**point["body"], "note": "门锁完好"})
    samples.ticket(shared, "accepted")
    return shared


def test_they_are_all_there_by_their_names(ledger):
    """Row 002-10"""
    for who in (ledger.lead, ledger.community, ledger.street):
        seen = ledgers(who)[0]
        assert {code: (x["part"], x["name"]) for code, x in seen.items()} == NAMES
        assert [sum(x["part"] == part for x in seen.values()) for part in ("book", "form", "register")] == [3, 2, 1]
        assert all(x["columns"] == x["fields"] and x["version"] == 0 and x["title"] == x["name"] for x in seen.values())


def test_nothing_is_typed_twice(ledger):
    """Each book, form and register holds what its own operations gave, masked as they mask."""
    entry, = [r for r in made(ledger.community, "diary") if r["涉及居民"] == "李大爷家"]
    assert (entry["内容"], entry["主题"], entry["记录人"]) == ("路灯坏了，电话 138****5678", "关爱", "彭晓敏")
    both = made(ledger.community, "rounds")
    visit, = [r for r in both if r["对象"] == "李大爷家"]
    assert (visit["类别"], visit["结果"], visit["记录"], visit["完成人"]) == ("走访", "完成", "身体好", "彭晓敏")
    walk, = [r for r in both if r["类别"] == "巡查" and r["记录"]]
    assert (walk["记录"], walk["完成人"]) == ("门锁完好", "彭晓敏") and walk["次数或点数"].startswith("1/")
    checks = made(ledger.community, "checks")
    looked_after, = [r for r in checks if r["类别"] == "重点人群"]
    assert (looked_after["名称"], looked_after["类型"]) == ("李大爷家", "困难户")
    assert {r["类型"] for r in checks if r["类别"] == "隐患"}
    sheet = {r["网格"]: r for r in made(ledger.community, "grids")}
    name, = ledger.sql("select name from grid.grid where id = %s", story.A)[0]
    people, = ledger.sql("select count(*) from people.person where path = '1/1/1/1/' and status = 'active'")[0]
    assert int(sheet[name]["人"]) == people > 0 and int(sheet[name]["未结隐患"]) == len(checks) - 1 > 0
    assert "彭晓敏" in sheet[name]["网格长"]
    assert [r["姓名"] for r in made(ledger.community, "persons")].count("李大爷家") == 1


def test_a_leads_day_is_written_by_itself(ledger):
    """工作日志: of what they did and of nothing else; the other lead of the grid did nothing."""
    today, = rows(ledger.community, "worklog")
    assert (today["name"], today["on_date"]) == ("彭晓敏", day(0))
    assert [today[k] for k in ("visits", "patrols", "diary", "mediations")] == ["1", "1", "1", "0"]
    numbers = [n for n, in ledger.sql("select distinct t.number from core.event e join ticket.ticket t on t.id = e.subject_id"
                                      " where e.actor_role = 'grid_lead' order by 1")]
    assert today["tickets"] == str(len(numbers)) and today["numbers"] == "、".join(numbers) and numbers
    assert today["first_at"] <= today["last_at"]
    assert rows(ledger.lead, "worklog") == [today]
    assert rows(ledger.lead_next, "worklog") == rows(ledger.community2, "worklog") == rows(ledger.community, "worklog", to_on=day(0)) == []
    assert rows(ledger.community, "worklog", from_on=day(0), to_on=day(1)) == [today]
    ledger.sql("update core.event set at = at - interval '1 day' where actor_role = 'grid_lead' and subject = 'diary'")
    try:
        before, after = rows(ledger.community, "worklog", limit=1)
        assert [before[k] for k in ("on_date", "diary", "visits")] == [day(-1), "1", "0"]
        assert [after[k] for k in ("on_date", "diary", "visits")] == [day(0), "0", "1"]
    finally:
        ledger.sql("update core.event set at = at + interval '1 day' where actor_role = 'grid_lead' and subject = 'diary'")


@pytest.mark.parametrize("what", NAMES)
def test_of_ones_own_ground_and_printable(ledger, what):
    """As XLSX what the read gives; another community has none of it, the street asks for none, a narrower grid narrows."""
    ledger.sql("update transfer.export set created_at = created_at - interval '1 day'")  # so many a day
    done = ask(ledger.community, what, "xlsx")
    state(ledger.community, done, "done")
    reply = fetch(ledger.community, done)
    titles, lines = read_xlsx(reply)
    with zipfile.ZipFile(io.BytesIO(reply.content)) as z:
        sheet, book = z.read("xl/worksheets/sheet1.xml").decode(), z.read("xl/workbook.xml").decode()
    assert f"<oddHeader>&amp;C{NAMES[what][1]}</oddHeader>" in sheet and 'orientation="landscape"' in sheet
    assert "_xlnm.Print_Titles" in book
    ours = rows(ledger.community, what)
    assert [[c or "" for c in r.values()] for r in ours] == lines and ours
    assert rows(ledger.community, what, limit=1) == ours
    assert titles == [c["heading"] for c in ledgers(ledger.community)[0][what]["columns"]]
    assert ask(ledger.street, what, answer=403) == "export_not_allowed"
    assert rows(ledger.community, what, under=story.A)
    assert rows(ledger.community, what, under=story.B) == [] or what == "grids"
    assert not [r for r in rows(ledger.community2, what) if r in ours]
    for who, grid in (("lead", story.B), ("community", story.D), ("community2", story.A)):
        reply = getattr(ledger, who).get("/v1/ledger-rows", params={"ledger": what, "under": grid})
        assert (reply.status_code, reply.json()["code"]) == (422, "grid_not_found")
    if what in ("grids", "persons"):
        reply = ledger.community.get("/v1/ledger-rows", params={"ledger": what, "from_on": day(0)})
        assert (reply.json()["code"], reply.json()["errors"][0]["pointer"]) == ("filter_unfit", "/from_on")
    else:
        assert rows(ledger.community, what, from_on=day(-9), to_on=day(9)) == ours
        assert rows(ledger.community, what, from_on=day(9)) == rows(ledger.community, what, to_on=day(-9)) == []


def test_a_lead_reads_what_a_lead_sees(ledger):
    """The register without the numbers, nothing of the next grid."""
    ours = rows(ledger.lead, "persons")
    assert "李大爷家" in [r["name"] for r in ours] and {r["id_number_mask"] for r in ours} == {None}
    assert rows(ledger.lead_next, "persons") == rows(ledger.lead_next, "diary") == []
    assert [r["name"] for r in rows(ledger.lead, "grids")] == [n for n, in ledger.sql("select name from grid.grid where id = %s", story.A)]


# Templates ------------------------------------------------------------------------

def test_a_street_says_how_a_ledger_looks(world):
    """Columns, order, headings and title as data: in the read and in what is printed; kept by version, who and when."""
    write(world.lead, text="路灯坏了", topic="care")
    old = ask(world.community, "diary")
    state(world.community, old, "done")
    wish = template("diary", "嬢嬢的日记 & 账", 4, author_name="谁记的", text="听到什么", on_date="日子")
    now = {x["ledger"]: x for x in put(world, wish)["ledgers"]}
    assert (now["diary"]["version"], now["diary"]["title"], now["diary"]["columns"]) == (1, wish["title"], wish["columns"])
    assert now["rounds"]["version"] == 0 and now["diary"]["name"] == "民情日记本" and len(now["diary"]["fields"]) == 7
    assert made(world.community, "diary") == [{"谁记的": "彭晓敏", "听到什么": "路灯坏了", "日子": day(0)}]
    assert rows(world.lead, "diary") == [{"author_name": "彭晓敏", "text": "路灯坏了", "on_date": day(0)}]
    done = ask(world.community, "diary", "xlsx")
    state(world.community, done, "done")
    with zipfile.ZipFile(io.BytesIO(fetch(world.community, done).content)) as z:
        assert "<oddHeader>&amp;C嬢嬢的日记 &amp;&amp; 账</oddHeader>" in z.read("xl/worksheets/sheet1.xml").decode()
    log = world.sql("select action, fields from audit.entry where subject_id = %s order by seq", done)
    assert {tuple(fields) for _, fields in log} == {("author_name", "text", "on_date")}
    assert "涉及居民" in fetch(world.community, old).text
    # the same again is no version; another street has its own
    put(world, wish)
    put(world, {**wish, "title": "民情日记"}, template("checks", "排查", number="号"))
    versions = story.walk(world.community, "/v1/ledger-versions", limit=1)
    assert [(v["ledger"], v["version"], v["title"]) for v in versions] == [
        ("checks", 1, "排查"), ("diary", 1, wish["title"]), ("diary", 2, "民情日记")]
    assert {v["written_name"] for v in versions} == {"吴志强"} and versions[1]["columns"] == wish["columns"]
    assert [v["version"] for v in story.walk(world.street, "/v1/ledger-versions", ledger="diary")] == [1, 2]
    assert {x["version"] for x in ledgers(world.street_far)[0].values()} == {0}
    assert story.walk(world.street_far, "/v1/ledger-versions") == []


def test_what_no_ledger_can_be(world):
    tag = ledgers(world.street)[1]
    for wrong, told in ((template("diary", phone="电话"), ("column_unknown", "columns/0/field")),
                        (template("grids", name="网格", monthly=3), ("monthly_unfit", "monthly"))):
        good = template("worklog", name="谁")
        assert put(world, good, wrong, status=422) == (told[0], [f"/ledgers/1/{told[1]}"])
    twice = {**template("diary", text="一"), "columns": [{"field": "text", "heading": h} for h in "一二"]}
    assert put(world, twice, status=422) == ("column_twice", ["/ledgers/0/columns/1/field"])
    assert ledgers(world.street)[1] == tag
    put(world, template("diary", text="听到什么"), tag=tag)
    assert put(world, template("diary", text="x"), status=412, tag=tag)[0] == "version_conflict"
    codes = story.together(4, lambda n: world.street.put("/v1/ledgers", {"ledgers": [template("diary", f"第{n}版", text="x")]},
                           headers={"If-Match": ledgers(world.community)[1]}).status_code)
    kept = len(story.walk(world.street, "/v1/ledger-versions", ledger="diary"))
    assert codes.count(200) == kept - 1 >= 1 and set(codes) <= {200, 412}


# Completeness ---------------------------------------------------------------------

def test_what_is_missing_where(world):
    """By micro-grid and month, in one read, of what was entered elsewhere."""
    everything = books(world.street)
    assert everything["grids"] == len(world.sql("select 1 from grid.grid where street_id = 1 and kind = 'micro'")) and everything["month"] == day(0)[:7]
    seen, complete = of(books(world.community), story.A)
    assert set(seen) == set(NAMES) and not complete
    assert (seen["diary"], seen["worklog"], seen["rounds"], seen["checks"]) == ((4, 0, 4), (8, 0, 8), (0, 0, 0), (0, 0, 0))
    # each rule by what satisfies it
    put(world, template("diary", monthly=2, text="x"), template("worklog", monthly=1, name="x"), template("rounds", monthly=1, name="x"))
    person = enter(world.community, home(world), name="赵大爷", verified="unverified")["id"]
    first = write(world.lead, text="一")
    mark(world, "difficult", [h for h, in world.sql("select household_id::text from people.person where id = %s", person)])
    to_make = visits(world.lead, plan_id=plan(world.community, due_on=day(0))["id"])[0]["id"]
    hazard = samples.hazard(world)
    world.sql("update field.hazard set status = 'confirmed', grade = 'general', due_at = now() where id = %s", hazard)
    seen, _ = of(books(world.lead), story.A)
    assert (seen["diary"], seen["worklog"], seen["rounds"], seen["checks"]) == ((2, 1, 1), (1, 1, 0), (1, 0, 1), (1, 0, 1))
    assert seen["persons"] == (1, 0, 1) and seen["grids"][0] == 3
    write(world.lead, text="二")
    report(world.lead, to_make)
    world.sql("update field.hazard set status = 'closed' where id = %s", hazard)
    world.sql("update people.person set verified = 'verified' where id = %s", person)
    facts = seen["grids"][2]
    seen, complete = of(books(world.community), story.A)
    assert {code: missing for code, (_, _, missing) in seen.items()} == {**dict.fromkeys(NAMES, 0), "grids": facts}
    assert complete == (facts == 0)
    total = books(world.community)
    assert total["complete"] == sum(i["complete"] for i in total["items"]) and total["coverage"] == round(100 * total["complete"] / total["grids"], 1)
    assert {x["ledger"]: x["complete"] for x in total["ledgers"]}["diary"] == 1
    # whose it is, and when
    assert [i["grid_id"] for i in books(world.lead)["items"]] == [story.A] == [i["grid_id"] for i in books(world.street, under=story.A)["items"]]
    assert books(world.community2, under=story.A)["items"] == [] and story.A not in str(books(world.community2))
    world.sql("update care.diary set on_date = on_date - 40 where id = %s", first["id"])
    assert of(books(world.community), story.A)[0]["diary"] == (2, 1, 1)
    assert of(books(world.community, month=day(-40)[:7]), story.A)[0]["diary"] == (2, 1, 1)
