"""三本两表一册: ledgers of what was entered already, printed through exports."""

import pytest

import samples
import story
from test_diary import write
from test_equipment import day
from test_exports import ask, fetch, made, read_xlsx, state
from test_people import enter, home
from test_visits import mark, plan, report, visits


@pytest.fixture(scope="module")
def ledger(shared):
    """A diary entry, a visit made, a hazard and a patrol in micro-grid A."""
    elder = enter(shared.community, home(shared), name="李大爷家")["id"]
    write(shared.lead, person_id=elder, text="路灯坏了，电话 13812345678", topic="care")
    mark(shared, "difficult", [h for h, in shared.sql("select household_id::text from people.person where id = %s", elder)])
    made_plan = plan(shared.community, due_on=day(1))
    report(shared.lead, visits(shared.lead, plan_id=made_plan["id"])[0]["id"], note="身体好")
    samples.hazard(shared)
    samples.patrol_task(shared, "grid_lead")
    return shared


def test_nothing_is_typed_twice(ledger):
    """Each book, form and register holds what its own operations gave, masked as they mask."""
    entry, = [r for r in made(ledger.community, "diary") if r["涉及居民"] == "李大爷家"]
    assert (entry["内容"], entry["主题"], entry["记录人"]) == ("路灯坏了，电话 138****5678", "关爱", "彭晓敏")
    visit, = [r for r in made(ledger.community, "visits") if r["姓名"] == "李大爷家"]
    assert (visit["结果"], visit["记录"], visit["走访人"]) == ("已访", "身体好", "彭晓敏")
    assert {r["类型"] for r in made(ledger.community, "hazards")} and made(ledger.community, "patrols")[0]["状态"] == "待巡"
    sheet = {r["网格"]: r for r in made(ledger.community, "grids")}
    name, = ledger.sql("select name from grid.grid where id = %s", story.A)[0]
    people, = ledger.sql("select count(*) from people.person where path = '1/1/1/1/' and status = 'active'")[0]
    assert int(sheet[name]["人"]) == people > 0 and int(sheet[name]["未结隐患"]) == len(made(ledger.community, "hazards")) > 0
    assert "彭晓敏" in sheet[name]["网格长"]


@pytest.mark.parametrize("what", ["diary", "visits", "patrols", "hazards", "grids"])
def test_of_ones_own_ground_and_printable(ledger, what):
    """As XLSX; another community has none of it, nobody but a community asks, a narrower grid narrows."""
    ledger.sql("update transfer.export set created_at = created_at - interval '1 day'")  # so many a day
    done = ask(ledger.community, what, "xlsx")
    state(ledger.community, done, "done")
    assert len(read_xlsx(fetch(ledger.community, done))) > 0
    assert ask(ledger.street, what, answer=403) == "export_not_allowed"
    ours = made(ledger.community, what)
    assert ours and made(ledger.community, what, grid_id=story.A)
    assert made(ledger.community, what, grid_id=story.B) == [] or what == "grids"
    assert not [r for r in made(ledger.community2, what) if r in ours]
