"""全域网格提能行动: what hurts in every grid, and what becomes of a 金点子."""

import samples
import story

LATER = "2099-12-31"
ASKED = {"problem": "电动车进楼道 13812345678", "advice": "在院门口建车棚", "owner": "物业", "due_on": LATER, "help": "协调用地"}


def campaign(client, status=201, **fields):
    reply = client.post("/v1/review-campaigns", {"name": "提能行动", "grid_id": samples.COMMUNITY, "grid_kind": "micro",
                                                 "due_on": LATER, **fields})
    assert reply.status_code == status, reply.text
    return reply.json() if status < 300 else reply.json()["code"]


def reviews(client, made, **query):
    return story.walk(client, "/v1/grid-reviews", campaign_id=made["id"], **query)


def write(client, review, *problems, status=200):
    path = f"/v1/grid-reviews/{review['id']}"
    reply = client.put(path, {"problems": problems}, headers={"If-Match": client.get(path).headers.get("ETag", '"1"')})
    assert reply.status_code == status, reply.text
    return reply.json() if status < 300 else reply.json()["code"]


def go(client, review, verb, status=200, **body):
    reply = client.post(f"/v1/grid-reviews/{review['id']}/{verb}", body or None)
    assert reply.status_code == status, reply.text
    return reply.json() if status < 300 else reply.json()["code"]


def figures(client, made, *names):
    seen = next(c for c in story.walk(client, "/v1/review-campaigns") if c["id"] == made["id"])
    return tuple(seen[n] for n in names)


def test_98_of_98_grids(world):
    """Row 002-01, 九江街道: each of its 98 grids got its problems and what is done about them."""
    here = len(world.sql("select id from grid.grid where street_id = 1 and kind = 'micro' and path ^@ '1/1/' and valid_to is null"))
    for n in range(98 - here):
        samples.act(world, "street", "createGrid", body={
            "parent_id": "01900000-0000-8001-8000-100000000011", "kind": "micro", "name": f"第{n}微网格"})
    made = campaign(world.community)
    assert (made["grids"], made["covered"], made["coverage"]) == (98, 0, 0)
    mine = reviews(world.lead, made)
    assert [r["grid_id"] for r in mine] == [story.A] and figures(world.lead, made, "grids") == (1,)
    every = reviews(world.community, made)
    assert len({r["grid_id"] for r in every}) == 98
    # of one whose lead has not yet said who does it
    half = write(world.lead, mine[0], {"problem": "电动车进楼道"})
    assert half["actions"] == ["write"] and go(world.lead, half, "submit", 409) == "review_incomplete"
    for r in every:
        whole = write(world.community, r, ASKED)
        assert whole["problems"][0]["problem"] == "电动车进楼道 138****5678"
        go(world.community, r, "submit")
    assert figures(world.community, made, "grids", "submitted", "covered", "problems", "help") == (98, 98, 0, 98, 98)
    for r in every[:97]:
        go(world.community, r, "confirm")
    assert figures(world.street, made, "covered", "coverage") == (97, 99)
    assert go(world.street, every[97], "return", reason="请再看看")["reason"] == "请再看看"
    go(world.community, every[97], "submit")
    go(world.street, every[97], "confirm")
    assert figures(world.street, made, "grids", "covered", "coverage", "done") == (98, 98, 100, 0)
    problem = reviews(world.lead, made)[0]["problems"][0]
    settled = go(world.lead, mine[0], "settle", problem_id=problem["id"], note="车棚已建成")
    assert (settled["problems"][0]["done"], settled["problems"][0]["note"]) == (True, "车棚已建成")
    assert figures(world.community, made, "done") == (1,)
    assert go(world.lead, mine[0], "settle", 422, problem_id=made["id"], note="x") == "problem_unknown"


def test_a_suggestion_becomes_a_problem_or_waits(world):
    """Row 002-02: 金点子 → a problem of its grid's review, or marked for a later project; once, and the reporter hears."""
    def idea(**fields):
        return story.submit(world.resident, **{**samples.TICKET, "kind": "suggestion", "title": "建一个车棚", **fields})["id"]

    def take(client, ticket, status=200, **body):
        reply = client.post(f"/v1/tickets/{ticket}/suggestion", body)
        assert reply.status_code == status, reply.text
        return reply.json() if status < 300 else reply.json()["code"]
    made = campaign(world.community)
    review, = reviews(world.lead, made)
    other = next(r for r in reviews(world.community, made) if r["grid_id"] != story.A)
    first, second = idea(), idea()
    assert take(world.community, first, 422, becomes="review", review_id=other["id"]) == "review_not_found"
    taken = take(world.lead, first, becomes="review", review_id=review["id"], advice="院门口", owner="物业", due_on=LATER)
    assert (taken["id"], taken["becomes"], taken["review_id"], taken["title"]) == (first, "review", review["id"], "建一个车棚")
    problem = reviews(world.lead, made)[0]["problems"][0]
    assert (problem["problem"], problem["ticket_id"]) == ("建一个车棚", first)
    assert take(world.community, first, 409, becomes="project") == "suggestion_taken"
    codes = story.together(6, lambda _: world.community.post(
        f"/v1/tickets/{second}/suggestion", {"becomes": "project"}).status_code)
    assert sorted(codes) == [200] + [409] * 5
    assert [s["id"] for s in story.walk(world.lead, "/v1/suggestions", becomes="project")] == [second]
    assert story.walk(world.lead_next, "/v1/suggestions") == []
    assert [e["data"] for e in story.timeline(world.resident, second) if e["action"] == "suggestion"] == [{"becomes": "project"}]
    assert take(world.lead, story.submit(world.resident, **samples.TICKET)["id"], 409, becomes="project") == "not_a_suggestion"
    # somebody waits to hear of it: it is not written away, but may be written otherwise
    assert write(world.lead, review, ASKED, status=409) == "suggestion_kept"
    kept = write(world.lead, review, ASKED, {**ASKED, "id": problem["id"]})["problems"]
    assert [p["ticket_id"] for p in kept] == [None, first] and kept[1]["id"] == problem["id"]


def change(client, made, status=200, tag=None, **fields):
    path = f"/v1/review-campaigns/{made['id']}"
    now = client.get(path)
    body = {**{k: now.json().get(k) for k in ("name", "due_on", "questions")}, **fields}
    reply = client.put(path, body, headers={"If-Match": tag or now.headers.get("ETag", '"1"')})
    assert reply.status_code == status, reply.text
    return reply.json() if status == 200 else reply.json()["code"]


def end(client, made, status=200):
    reply = client.post(f"/v1/review-campaigns/{made['id']}/end")
    assert reply.status_code == status, reply.text
    return reply.json() if status == 200 else reply.json()["code"]


def test_a_campaign_asks_and_is_changed_while_it_is_open(world):
    """Questions are answered by problems; what was answered stays asked, what was confirmed stays confirmed."""
    made = campaign(world.community, questions=[{"text": "痛点是什么？"}, {"text": "难点是什么？ 13812345678"}])
    pain, hard = made["questions"]
    assert (pain["text"], hard["text"], made["state"], made["actions"]) == ("痛点是什么？", "难点是什么？ 138****5678", "open", ["edit", "end"])
    assert world.lead.get(f"/v1/review-campaigns/{made['id']}").json()["actions"] == []
    review, = reviews(world.lead, made)
    assert write(world.lead, review, {**ASKED, "question_id": review["id"]}, status=422) == "question_unknown"
    half = write(world.lead, review, {**ASKED, "question_id": pain["id"]})
    assert half["actions"] == ["write"] and go(world.lead, review, "submit", 409) == "review_incomplete"
    assert change(world.community, made, 409, questions=[hard]) == "question_answered"
    tag = world.community.get(f"/v1/review-campaigns/{made['id']}").headers["ETag"]
    now = change(world.community, made, name="提能二", due_on="2098-01-01", questions=[{"text": "还有呢？"}, {**pain, "text": "痛点？"}])
    assert (now["name"], now["due_on"], now["questions"][1]) == ("提能二", "2098-01-01", {"id": pain["id"], "text": "痛点？"})
    assert change(world.community, made, 412, tag=tag) == "version_conflict"
    assert change(world.street, made, 422, due_on="2020-01-01") == "date_passed"
    change(world.street, made, questions=[pain])
    go(world.lead, review, "submit")
    go(world.community, review, "confirm")
    change(world.community, made, questions=[pain, {"text": "一个更晚的问题"}])
    assert reviews(world.lead, made)[0]["state"] == "confirmed"


def test_a_campaign_ends_when_nobody_waits(world):
    """What is confirmed is kept and may be settled; what was not submitted is missed, with what was written."""
    made = campaign(world.community)
    mine, = reviews(world.lead, made)
    other = next(r for r in reviews(world.community, made) if r["grid_id"] != story.A)
    idea = story.submit(world.resident, **{**samples.TICKET, "kind": "suggestion"})["id"]
    samples.act(world, "lead", "takeSuggestion", {"id": idea}, {"becomes": "review", "review_id": mine["id"]})
    assert end(world.community, made, 409) == "suggestions_waiting"
    taken = reviews(world.lead, made)[0]["problems"][0]["id"]
    write(world.lead, mine, {**ASKED, "id": taken})
    go(world.lead, mine, "submit")
    assert end(world.community, made, 409) == "reviews_waiting"
    go(world.community, mine, "confirm")
    write(world.community, other, {"problem": "没写完"})
    assert end(world.community2, made, 404) == end(world.community_far, made, 404) == "not_found"
    codes = story.together(4, lambda _: world.community.post(f"/v1/review-campaigns/{made['id']}/end").status_code)
    assert sorted(codes) == [200, 409, 409, 409]
    now = world.community.get(f"/v1/review-campaigns/{made['id']}").json()
    assert (now["state"], now["covered"], now["missed"], now["actions"]) == ("ended", 1, now["grids"] - 1, []) and now["ended_at"]
    assert change(world.community, made, 409) == "wrong_state"
    kept = next(r for r in reviews(world.community, made) if r["id"] == other["id"])
    assert (kept["state"], kept["problems"][0]["problem"], kept["actions"]) == ("missed", "没写完", [])
    assert write(world.community, kept, ASKED, status=409) == go(world.community, kept, "submit", 409) == "wrong_state"
    assert go(world.lead, mine, "settle", problem_id=taken, note="车棚已建成")["problems"][0]["done"]
