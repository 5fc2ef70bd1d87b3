"""任务准入: no department pushes work to the grids past the street, and no lead gets more than they can do."""

import samples
import story
from story import A, B, GENERAL, MASTER, answer, feed, together, walk
from test_places import LINE, MIDDLE, NORTH, SOUTH, WEST

WORK = {"title": "入户排查燃气软管", "description": "逐户查看软管是否过期并登记。", "grid_kind": "micro", "due_on": "2099-12-31"}


def propose(client, *grids, expect=201, **fields):
    return answer(client.post("/v1/admissions", {**WORK, "grid_ids": grids, **fields}), expect)


def decide(client, made, verb, expect=200):
    return answer(client.post(f"/v1/admissions/{made['id']}/{verb}", None if verb == "approve" else {"reason": "改为联合检查"}), expect)


def see(client, made):
    return client.get(f"/v1/admissions/{made['id']}").json()


def tasks(client, **query):
    return walk(client, "/v1/grid-tasks", **query)


def finish(client, task, expect=200):
    return answer(client.post(f"/v1/grid-tasks/{task['id']}/finish", {"note": "已查38户"}), expect)


def test_from_the_proposal_to_the_last_grid(world):
    """Rows 2.1 准入制度: proposed, admitted, each grid its task, done grid by grid; nobody sees it early."""
    made = propose(world.department, GENERAL)
    assert (made["status"], made["org_name"], made["grids"], made["completion"], made["actions"]) == (
        "proposed", "综合执法队", 0, None, ["withdraw"])
    assert tasks(world.lead) == tasks(world.community) == tasks(world.department) == []
    for reader in (world.lead, world.community):
        assert reader.get(f"/v1/admissions/{made['id']}").status_code == 403
    assert see(world.street, made)["actions"] == ["approve", "refuse"]
    decide(world.street, made, "approve")
    mine, = tasks(world.lead)
    assert (mine["grid_id"], mine["org_name"], mine["title"], mine["status"], mine["actions"]) == (
        A, "综合执法队", WORK["title"], "open", ["finish"])
    every = tasks(world.department, admission_id=made["id"])
    assert {t["grid_id"] for t in every} == {A, B} and {tuple(t["actions"]) for t in every} == {()}
    assert tasks(world.community2) == [] and world.lead_next.get(f"/v1/grid-tasks/{mine['id']}").status_code == 404
    due, = [i for i in world.lead.get("/v1/me/today").json()["items"] if i["kind"] == "task"]
    assert (due["id"], due["title"], due["actions"], due["grid_id"]) == (mine["id"], WORK["title"], ["finish"], A)
    assert finish(world.lead, mine)["note"] == "已查38户" and finish(world.lead2, mine, 409) == "wrong_state"
    half = see(world.department, made)
    assert (half["grids"], half["done"], half["completion"], half["status"]) == (2, 1, 50, "approved")
    assert [t["grid_id"] for t in tasks(world.street, admission_id=made["id"], status="open")] == [B]
    finish(world.community, tasks(world.community, status="open")[0])
    assert see(world.street, made)["status"] == "done" and decide(world.department, made, "withdraw", 409) == "wrong_state"
    world.settle()
    told = [(e["subject"], e["action"], e["to_state"]) for e in feed(world.department)[0]]
    assert told[:2] == [("admission", "propose", "proposed"), ("admission", "approve", "approved")]
    assert sorted(told[2:]) == [("admission", "finish", "done"), *[("grid_task", "admit", "open")] * 2, *[("grid_task", "finish", "done")] * 2]
    assert [(e["subject"], e["action"]) for e in feed(world.lead)[0] if e["subject"] != "ticket"] == [("grid_task", "admit"), ("grid_task", "finish")]


def test_refused_and_withdrawn(world):
    no = propose(world.department, A)
    assert decide(world.street, no, "refuse")["reason"] == "改为联合检查" and decide(world.street, no, "approve", 409) == "wrong_state"
    gone = propose(world.department, MASTER)
    assert decide(world.street, gone, "withdraw", 403) == "not_your_proposal"
    decide(world.street, gone, "approve")
    done = tasks(world.lead)[0]
    finish(world.lead, done)
    assert decide(world.department, gone, "withdraw")["status"] == "withdrawn"
    assert {t["status"] for t in tasks(world.street)} == {"done", "withdrawn"} and tasks(world.lead)[0]["status"] == "done"
    assert finish(world.lead_next, tasks(world.lead_next)[0], 409) == "wrong_state"
    own = propose(world.street, A)
    assert decide(world.street, own, "approve", 403) == "own_proposal" and see(world.department, own).get("code") == "not_found"
    assert decide(world.street, own, "withdraw")["status"] == "withdrawn"


def test_how_much_one_lead_may_have(world):
    """Over the limit it is refused, and says for whom; what is done makes room."""
    assert world.community.get("/v1/task-limit").json() == {"per_lead": 5, "updated_at": None}
    samples.set_limit(world, 2)
    made = [propose(world.department, A) for _ in range(3)]
    for m in made[:2]:
        decide(world.street, m, "approve")
    assert decide(world.street, made[2], "approve", 409) == "lead_overloaded"
    over = see(world.street, made[2])
    leads = {a["account_id"]: a["name"] for a in world.community.get(f"/v1/grids/{A}/assignments").json()["items"] if not a["to_on"]}
    assert {(x["lead_id"], x["name"], x["load"], x["more"], x["limit"]) for x in over["over_limit"]} == {
        (who, name, 2, 1, 2) for who, name in leads.items()} and len(leads) == 2
    assert over["actions"] == ["refuse"] and see(world.department, made[2])["over_limit"] == []
    loads = {(x["load"], x["limit"]) for x in walk(world.community, "/v1/task-loads") if x["load"]}
    assert loads == {(2, 2)} and walk(world.community2, "/v1/task-loads") == []
    finish(world.lead, tasks(world.lead, status="open")[0])
    decide(world.street, made[2], "approve")
    stale = world.street.put("/v1/task-limit", {"per_lead": 9}, headers={"If-Match": '"0"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_conflict")


def test_admitted_at_once_they_do_not_pass_the_limit(world):
    samples.set_limit(world, 3)
    made = [propose(world.department, A) for _ in range(12)]
    codes = together(12, lambda i: world.street.post(f"/v1/admissions/{made[i]['id']}/approve").status_code)
    assert sorted(codes) == [200] * 3 + [409] * 9 and len(tasks(world.lead)) == 3


def test_finished_at_once_it_is_done(world):
    """The last two grids in the same moment: it is done once."""
    for _ in range(4):
        made = propose(world.department, A, B)
        decide(world.street, made, "approve")
        both = [(world.lead, tasks(world.lead, admission_id=made["id"])[0]), (world.lead_next, tasks(world.lead_next, admission_id=made["id"])[0])]
        together(2, lambda i: finish(*both[i]))
        assert see(world.department, made)["status"] == "done"
        assert len(world.sql("select id from core.event where subject_id = %s and action = 'finish'", made["id"])) == 1


def test_what_can_be_proposed(shared):
    assert propose(shared.department, A, "01900000-0000-8002-8000-100000000012", expect=422) == ("grid_not_found", "/grid_ids/1")
    assert propose(shared.department, A, grid_kind="general", expect=422) == ("grid_not_found", "/grid_kind")
    assert propose(shared.department, A, due_on="2020-01-01", expect=422) == ("date_passed", "/due_on")
    assert propose(shared.lead, A, expect=403) == propose(shared.program, A, expect=403) == "role_not_allowed"
    assert see(shared.street_far, propose(shared.department, A))["code"] == "not_found"


def test_tasks_go_with_the_ground(world):
    """A split gives each half the task, a merge leaves one, a grid that ends with nobody after it none."""
    made, both = propose(world.department, A), propose(world.department, A, B)
    for m in (made, both):
        decide(world.street, m, "approve")
    new = {"parent_id": GENERAL, "kind": "micro", "predecessors": [A]}
    done = story.redraw(world.community, story.feature(None, story.box(WEST, SOUTH, LINE, MIDDLE), name="南", **new),
                        story.feature(None, story.box(WEST, MIDDLE, LINE, NORTH), name="北", **new), close=[A])
    south, north = (g["grid_id"] for g in done["grids"][:2])
    open_at = lambda m: sorted(t["grid_id"] for t in tasks(world.department, admission_id=m["id"], status="open"))  # noqa: E731
    assert open_at(made) == sorted([south, north]) and open_at(both) == sorted([B, south, north])
    assert tasks(world.lead) == [] and see(world.street, made)["grids"] == 2
    story.redraw(world.community, story.feature(B, None, predecessors=[south, north]), close=[south, north])
    assert open_at(made) == open_at(both) == [B]
    one, = tasks(world.lead_next, admission_id=made["id"], status="open")
    finish(world.lead_next, one)
    seen = see(world.department, made)
    assert (seen["grids"], seen["done"], seen["completion"], seen["status"]) == (1, 1, 100, "done")
