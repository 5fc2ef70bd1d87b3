"""三率: call-backs, appeals, the tally against a model of its own, the board."""

import collections
import datetime
import random
import uuid

import pytest

import harness
import samples
import story
import test_whistle
from story import A, B, C, MASTER, GENERAL, ROOT, do, jump

ALWAYS = {"from_on": "2020-01-01", "to_on": "2090-01-01"}
COUNTS = ("dispatched", "contacted", "called", "reached", "resolved", "satisfied", "excluded")
TALLY = ("select json_agg(t order by grain, from_on, path, category, org_id)::text from rate.tally t",
         "select json_agg(t order by ticket_id, day, path, org_id, called)::text from rate.share t",
         "select json_agg(t order by ticket_id, account_id, day, path)::text from rate.voice t")


def settle(world):
    """All events that there are, are in the tally."""
    harness.wait_for(lambda: world.sql(
        "select not exists (select from core.event e left join rate.mark m using (street_id)"
        " where m.street_id is null or (e.xact, e.id) > (m.xact, m.event_id))") == [(True,)], "the tally to follow")


def rates(world, client, **query):
    settle(world)
    reply = client.get("/v1/rates", params={**ALWAYS, **query})
    assert reply.status_code == 200, reply.text
    return reply.json()


def submit(client, **fields):
    reply = client.post("/v1/tickets", {**samples.TICKET, **fields})
    assert reply.status_code == 201, reply.text
    return reply.json()["id"]


def call(client, ticket, status=201, **body):
    reply = client.post(f"/v1/tickets/{ticket}/callbacks", body)
    assert reply.status_code == status, reply.text
    return reply.json() if status == 201 else reply.json()["code"]


def handle(world, ticket):
    """Accepted, contacted, done and replied to."""
    do(world.lead, ticket, "accept")
    assert world.lead.post(f"/v1/tickets/{ticket}/comments", {"text": "马上来看。"}).status_code == 201
    do(world.lead, ticket, "start")
    do(world.lead, ticket, "resolve", note="已处理")
    do(world.community, ticket, "reply", text="已处理，请评价。")


def test_rule_8(world):
    """20 dispatched, 18 contacted in time, 16 gave a verdict and 2 could not be
    reached, 12 resolved, 13 satisfied."""
    tickets = [submit(world.resident) for _ in range(20)]
    for n, ticket in enumerate(tickets[:18]):
        handle(world, ticket)
        if n < 10:
            do(world.resident, ticket, "rate", stars=4, resolved=n < 8, satisfied=n < 9)
        elif n < 16:
            call(world.community, ticket, reached=False)
            call(world.community, ticket, reached=True, resolved=n < 14, satisfied=n < 14, note="电话13812345678")
        else:
            call(world.community, ticket, reached=False, note="无人接听")
    jump(world, "20 days")
    assert call(world.community, tickets[0], 409, reached=True, resolved=True, satisfied=True) == "verdict_given"
    line, = rates(world, world.street, by="community")["items"]
    assert line["name"] == "双福路社区" and line["key"] == "1/1/"
    assert [line["figures"][name] for name in COUNTS] == [20, 18, 18, 16, 12, 13, 0]
    text = world.street.get("/v1/rates", params=ALWAYS).text
    assert '"response_rate":90.00,"resolution_rate":75.00,"satisfaction_rate":81.25' in text.replace(" ", "")
    # Who was called when, and what they said.
    said = story.walk(world.lead, f"/v1/tickets/{tickets[12]}/callbacks")
    assert [(c["reached"], c["resolved"], c["note"]) for c in said] == [(False, None, None), (True, True, "电话138****5678")]
    # Of nothing there is no rate.
    none = rates(world, world.street, under=story.D)
    assert none["items"] == [] and none["total"]["dispatched"] == 0
    assert [none["total"][r] for r in ("response_rate", "resolution_rate", "satisfaction_rate", "response_minutes")] == [None] * 4


def test_five_merged_are_five_callers(world):
    people = [world.resident, world.resident2, *story.add_people(world, "caller", 4)]
    one, *others = [submit(client) for client in people]
    for ticket in others:
        do(world.community, ticket, "merge", target_id=one, reason="同一件事")
    total = lambda: [rates(world, world.community)["total"][name] for name in COUNTS]
    assert total() == [6, 0, 0, 0, 0, 0, 0]
    handle(world, one)
    assert total() == [6, 6, 0, 0, 0, 0, 0], "the handler's own resolved is nobody's verdict"
    for n, (client, ticket) in enumerate(zip(people[1:], others)):
        do(client, ticket, "rate", stars=3, resolved=n > 0, satisfied=n > 1)
    assert total() == [6, 6, 5, 5, 4, 3, 0]


def test_reopened_stays_unresolved_and_the_work_is_not_asked_by_who_did_it(world):
    ticket = submit(world.resident)
    handle(world, ticket)
    do(world.resident, ticket, "reopen", reason="又来了")
    figures = lambda: [rates(world, world.community)["total"][name] for name in COUNTS]
    assert figures() == [1, 1, 1, 1, 0, 0, 0]
    assert call(world.community, ticket, 409, reached=False) == "wrong_state"
    handle(world, ticket)
    call(world.community, ticket, reached=True, resolved=True, satisfied=True)
    assert figures() == [1, 1, 1, 1, 0, 1, 0]
    # By the community itself, which then may not ask.
    own = submit(world.resident)
    do(world.lead, own, "accept"), do(world.lead, own, "escalate", note="要社区协调"), do(world.community, own, "start")
    do(world.community, own, "resolve", note="好了"), do(world.community, own, "reply", text="好了")
    assert call(world.community, own, 403, reached=True, resolved=True, satisfied=True) == "handler_cannot_rate"
    for body, at in (({"reached": True, "resolved": True}, "/satisfied"), ({"reached": False, "satisfied": True}, "/satisfied"),
                     ({"reached": True, "satisfied": True}, "/resolved")):
        problem = world.community.post(f"/v1/tickets/{own}/callbacks", body).json()
        assert (problem["code"], problem["errors"][0]["pointer"]) == ("verdict_invalid", at)


def test_appeals(world):
    fair, unfair, none = [submit(world.resident) for _ in range(3)]
    for ticket in (fair, unfair, none):
        handle(world, ticket)
    appeal = lambda client, ticket, verb="", **body: client.post(
        f"/v1/tickets/{ticket}/appeal{verb}", {"reason": "产权属供电公司", **body})
    for ticket in (fair, unfair):
        do(world.resident, ticket, "rate", stars=1, resolved=False, satisfied=False)
        made = appeal(world.community, ticket)
        assert (made.status_code, made.json()["state"]) == (201, "filed")
    assert appeal(world.community, none).json()["code"] == "nothing_to_appeal"
    assert appeal(world.community, fair).json()["code"] == "appeal_exists"
    assert appeal(world.lead, fair).status_code == 403
    assert [a["ticket_id"] for a in story.walk(world.street, "/v1/appeals", state="filed")] == [fair, unfair]
    assert story.walk(world.street, "/v1/appeals")[0]["actions"] == ["refuse", "uphold"]
    assert [rates(world, world.street)["total"][n] for n in COUNTS] == [3, 3, 2, 2, 0, 0, 0]
    assert appeal(world.street, unfair, "/uphold").json()["state"] == "upheld"
    assert appeal(world.street, fair, "/refuse", reason="居民说得对").json()["answer"] == "居民说得对"
    assert appeal(world.street, fair, "/uphold").json()["code"] == "wrong_state"
    assert [rates(world, world.street)["total"][n] for n in COUNTS] == [3, 3, 2, 1, 0, 0, 1]
    told = [e["action"] for e in story.walk(world.street, f"/v1/tickets/{unfair}/events")]
    assert told[-2:] == ["appeal", "appeal_upheld"]
    assert not {"appeal", "appeal_upheld"} & {e["action"] for e in story.walk(world.resident, f"/v1/tickets/{unfair}/events")}
    assert [a["state"] for a in story.walk(world.lead, "/v1/appeals")] == ["refused", "upheld"]
    assert story.walk(world.lead_next, "/v1/appeals") == []


def test_baseline_and_participation(world):
    """004-13: 70 minutes to the first contact became 50: 40 % faster."""
    def contacted_after(minutes, hours):
        ticket = submit(world.resident)
        world.set_clock(f"{hours} hours {minutes} minutes")
        do(world.lead, ticket, "accept")
        assert world.lead.post(f"/v1/tickets/{ticket}/comments", {"text": "来了"}).status_code == 201
        return ticket
    contacted_after(70, 0)
    day = world.sql("select (at at time zone 'Asia/Shanghai')::date::text from core.event order by id limit 1")[0][0]
    jump(world, "240 hours")
    later = contacted_after(50, 240)
    assert world.resident2.post(f"/v1/tickets/{later}/support").status_code == 200
    next_day = world.sql("select (%s::date + 1)::text", day)[0][0]
    got = rates(world, world.community, from_on=next_day, base_from=day, base_to=next_day)["total"]
    assert (round(got["response_minutes"]), round(got["baseline_minutes"])) == (50, 70)
    assert abs(got["speed_up"] - 40) < 1
    problem = world.community.get("/v1/rates", params={"base_from": day}).json()
    assert problem["code"] == "baseline_invalid"
    for _ in range(4):
        samples.person_in(world)
    got = rates(world, world.community, by="micro", from_on=next_day)["items"]
    people = dict(world.sql("select path, count(*) from people.person where path ^@ '1/1/' group by 1"))
    assert {i["key"]: (i["figures"]["participants"], i["figures"]["residents"]) for i in got} == {
        path: (2 if path == "1/1/1/1/" else 0, n) for path, n in {"1/1/1/1/": 0, **people}.items()}
    line = next(i for i in got if i["key"] == "1/1/1/1/")["figures"]
    assert line["participation_rate"] == (round(200 / line["residents"], 2) if line["residents"] else None)
    do(world.resident2, later, "unsupport")
    assert rates(world, world.community, from_on=next_day)["total"]["participants"] == 1


class Model:
    """What a ticket counts for, as written down while it happened."""

    def __init__(self):
        self.tickets = {}

    def expect(self):
        lines = collections.defaultdict(collections.Counter)
        for t in self.tickets.values():
            if t["withdrawn"] and t["verdict"] is None and not t["unreached"]:
                continue
            answers_for = self.tickets[t["merged"]] if t["merged"] else t
            lines[t["path"]].update(dispatched=1, contacted=int(answers_for["contacted"]))
            if t["verdict"] is not None or t["unreached"]:
                reached = t["verdict"] is not None and not t["struck"]
                solved, content = t["verdict"] or (False, False)
                lines[t["path"]].update(called=1, reached=int(reached), resolved=int(reached and solved and not t["reopened"]),
                                        satisfied=int(reached and content), excluded=int(t["struck"]))
        return {path: [counter[name] for name in COUNTS] for path, counter in lines.items()}


NEXT = {"submitted": ["accept", "merge"], "reopened": ["accept"], "accepted": ["start", "comment"], "in_progress": ["resolve"],
        "resolved": ["reply"], "replied": ["rate", "call", "call", "reopen"], "closed": ["appeal", "uphold"]}
ANY = "accept comment start resolve reply rate reopen call appeal uphold withdraw transfer merge reject".split()


def act_at_random(world, dice, model):
    """One thing somebody does; what is refused is not written down."""
    paths = {A: "1/1/1/1/", B: "1/1/1/2/"}
    leads = {"1/1/1/1/": world.lead, "1/1/1/2/": world.lead_next}
    if len(model.tickets) < 4 or dice.random() < 0.06:
        grid = dice.choice(list(paths))
        who = dice.choice([world.resident, world.resident2])
        ticket = submit(who, grid_id=grid)
        model.tickets[ticket] = {"by": who, "path": paths[grid], "merged": None, "contacted": False, "verdict": None,
                                 "unreached": False, "struck": False, "reopened": False, "withdrawn": False}
        return
    ticket, t = dice.choice(list(model.tickets.items()))
    lead, yes = leads[t["path"]], lambda: dice.random() < 0.7
    tell = lambda client, verb, **body: client.post(f"/v1/tickets/{ticket}/{verb}", body or None).status_code in (200, 201)
    status = world.sql("select status from ticket.ticket where id = %s", ticket)[0][0]
    match dice.choice(NEXT.get(status, ANY) if dice.random() < 0.6 else ANY):
        case "accept": tell(lead, "accept")
        case "comment":
            t["contacted"] |= tell(lead, "comments", text="在办") and status in ("accepted", "in_progress")
        case "start": tell(lead, "start")
        case "resolve": t["contacted"] |= tell(lead, "resolve", note="好了")
        case "reply": tell(world.community, "reply", text="请评价")
        case "rate":
            verdict = (yes(), yes())
            if tell(t["by"], "rate", stars=3, resolved=verdict[0], satisfied=verdict[1]):
                t["verdict"] = verdict
        case "reopen":
            if tell(t["by"], "reopen", reason="没好"):
                t["reopened"], t["verdict"] = True, (False, False)
        case "call":
            verdict = (yes(), yes())
            if yes() and tell(world.community, "callbacks", reached=True, resolved=verdict[0], satisfied=verdict[1]):
                t["verdict"] = verdict
            elif tell(world.community, "callbacks", reached=False):
                t["unreached"] = True
        case "appeal": tell(world.community, "appeal", reason="不公")
        case "uphold": t["struck"] |= tell(world.street, "appeal/uphold", reason="属实")
        case "withdraw": t["withdrawn"] |= tell(t["by"], "withdraw")
        case "reject": t["contacted"] |= dice.random() < 0.2 and tell(lead, "reject", reason="不属受理范围")
        case "transfer":
            to = B if t["path"] == paths[A] else A
            if tell(lead, "transfer", grid_id=to, reason="在隔壁"):
                for x in [t] + [x for x in model.tickets.values() if x["merged"] == ticket]:
                    x["path"] = paths[to]
        case "merge":
            target = dice.choice(list(model.tickets))
            if target != ticket and tell(world.community, "merge", target_id=target, reason="同一件"):
                for x in [t] + [x for x in model.tickets.values() if x["merged"] == ticket]:
                    x["merged"] = target


@pytest.mark.parametrize("seed", range(3))
def test_random_against_a_model_and_from_scratch(world, seed):
    """Whatever happens, in any order, the tally is what the model says, and a
    tally made from scratch is the same to the last line."""
    dice, model = random.Random(seed), Model()
    for step in range(260):
        act_at_random(world, dice, model)
        if step % 130 == 129:
            got = rates(world, world.community, by="micro")
            assert {i["key"]: [i["figures"][n] for n in COUNTS] for i in got["items"]} == model.expect(), f"seed {seed}, {step}"
    assert any(t["merged"] for t in model.tickets.values()) and any(t["verdict"] for t in model.tickets.values())
    assert sum(world.sql("select sum(contacted), sum(reached) from rate.tally")[0]) > 3
    grown = [world.sql(q) for q in TALLY]
    world.sql("select core.enter_system(1), rate.forget()")
    settle(world)
    assert [world.sql(q) for q in TALLY] == grown and grown[0][0][0]


def test_any_period_by_anything(world):
    """What is put together from months and days is what it is line by line."""
    dice = random.Random(14)
    paths = ["1/", "1/1/", "1/1/1/", "1/1/1/1/", "1/1/1/2/", "1/1/2/1/", "1/2/1/1/"]
    start = datetime.date(2024, 11, 20)
    day = lambda most: start + datetime.timedelta(days=dice.randrange(most))
    org = world.sql("insert into identity.org (street_id, id, kind, name) values (1, gen_random_uuid(), 'department', '排水所')"
                    " returning id::text")[0][0]
    nobody = world.sql("select rate.nobody()::text")[0][0]
    shares = [(str(uuid.UUID(int=n)), day(500), dice.choice(paths), dice.choice(["noise", "pets", "other"]), dice.choice([nobody, org]),
               dice.randrange(2), dice.randrange(2)) for n in range(400)]
    voices = [(str(uuid.UUID(int=n)), str(uuid.UUID(int=dice.randrange(40))), day(500), dice.choice(paths)) for n in range(300)]
    for ticket, on, path, category, who, contacted, called in shares:
        world.sql("insert into rate.share (street_id, ticket_id, day, path, category, org_id, part, dispatched, contacted, called)"
                  " values (1, %s, %s, %s, %s, %s, 'dispatch', 1, %s, %s)", ticket, on, path, category, who, contacted, called)
    for voice in voices:
        world.sql("insert into rate.voice (street_id, ticket_id, account_id, day, path) values (1, %s, %s, %s, %s)", *voice)
    world.sql("select core.enter_system(1), rate.move('{}', array(select x from rate.lines(array(select ticket_id from rate.share)) x))")
    assert len({x[2] for x in world.sql("select 1, 1, grain from rate.tally")}) == 9
    readers = [(world.street, "1/", None), (world.community, "1/1/", None), (world.lead, "1/1/1/1/", None), (world.lead_general, "1/1/1/", None),
               (world.street, "1/1/1/", GENERAL), (world.street, "1/2/1/1/", story.D)]
    steps = {"street": 1, "community": 2, "grid": 3, "micro": 4}
    for n in range(60):
        reader, own, under = dice.choice(readers)
        by = dice.choice([*steps, "category", "department", "month"])
        since = day(500)
        until = dice.choice([since, day(500), since + datetime.timedelta(days=1), since.replace(day=1), day(500).replace(day=1)])
        head = lambda path: "/".join(path.split("/")[:min(steps[by], path.count("/"))]) + "/"
        key = lambda on, path, category, who: (head(path) if by in steps else category if by == "category" else who
                                               if by == "department" else on.strftime("%Y-%m"))
        lines, speak = collections.defaultdict(collections.Counter), collections.defaultdict(set)
        for _, on, path, category, who, contacted, called in shares:
            if path.startswith(own) and since <= on < until:
                if (who == nobody) == (by != "department"):
                    lines[key(on, path, category, who)].update(dispatched=1, contacted=contacted, called=called)
                if who == nobody:
                    lines[None].update(dispatched=1, contacted=contacted, called=called)
        for _, account, on, path in voices:
            if path.startswith(own) and since <= on < until:
                speak[None].add(account)
                if by in steps:
                    speak[head(path)].add(account)
        got = rates(world, reader, by=by, from_on=since, to_on=until, **({"under": under} if under else {}))
        say = lambda f: (f["dispatched"], f["contacted"], f["called"], f["participants"])
        want = lambda k: (*(lines[k][c] for c in ("dispatched", "contacted", "called")), len(speak[k]) if k is None or by in steps else None)
        assert {i["key"]: say(i["figures"]) for i in got["items"]} == {k: want(k) for k in {*lines, *speak} - {None}}, (n, by, own, since, until)
        assert say(got["total"]) == want(None), (n, by, own, since, until)


def test_a_killed_step_leaves_nothing_and_small_steps_come_to_the_same(world):
    for ticket in [submit(world.resident) for _ in range(3)]:
        handle(world, ticket)
        do(world.resident, ticket, "rate", stars=5, resolved=True, satisfied=True)
    settle(world)
    grown = [world.sql(q) for q in TALLY]
    world.server.stop()
    connection = world.site.cluster.connect(world.database, "linli_job")
    world.sql("select core.enter_system(1), rate.forget()")
    n = steps = 0
    with connection.cursor() as cur:
        while True:
            for end in ("rollback", "commit"):
                cur.execute("begin")
                cur.execute("select rate.follow(4)")
                n = cur.fetchone()[0]
                cur.execute(end)
            if n == 0:
                break
            steps += 1
    connection.close()
    assert steps >= 5 and [world.sql(q) for q in TALLY] == grown


def test_what_happened_stays_with_the_grid_of_its_time(world):
    """Rule 13: a ticket open at a redraw goes to the new grid; its dispatch was
    the old one's, the verdict is the new one's."""
    done, open_ = submit(world.resident), submit(world.resident)
    for ticket in (done, open_):
        do(world.lead, ticket, "accept")
        assert world.lead.post(f"/v1/tickets/{ticket}/comments", {"text": "来了"}).status_code == 201
    do(world.lead, done, "start"), do(world.lead, done, "resolve", note="好了"), do(world.community, done, "reply", text="好了")
    do(world.resident, done, "rate", stars=5, resolved=True, satisfied=True)
    world.sql("select core.enter_system(1), ticket.hand_over(%s, %s, '1/1/1/2/', 'system', '调整网格')", open_, B)
    do(world.lead_next, open_, "accept", 409)
    world.sql("update ticket.ticket set handler_id = (select id from identity.account where login = 'lead_next') where id = %s", open_)
    do(world.lead_next, open_, "start"), do(world.lead_next, open_, "resolve", note="好了"), do(world.community, open_, "reply", text="好了")
    do(world.resident, open_, "rate", stars=2, resolved=False, satisfied=True)
    got = {i["key"]: [i["figures"][n] for n in COUNTS] for i in rates(world, world.community, by="micro")["items"]}
    assert got == {"1/1/1/1/": [2, 2, 1, 1, 1, 1, 0], "1/1/1/2/": [0, 0, 1, 1, 0, 1, 0]}


def test_who_counts_what(world):
    for who, grid in ((world.resident, A), (world.resident, B), (world.resident, C), (world.resident, story.D)):
        submit(who, grid_id=grid)
    count = lambda client, **query: {i["key"]: i["figures"]["dispatched"] for i in rates(world, client, **query)["items"]}
    every = {"1/1/1/1/": 1, "1/1/1/2/": 1, "1/1/2/1/": 1, "1/2/1/1/": 1}
    own = lambda path: {k: n for k, n in every.items() if k.startswith(path)}
    for client, path in ((world.street, "1/"), (world.community, "1/1/"), (world.community2, "1/2/"), (world.lead, "1/1/1/1/"),
                         (world.lead_general, "1/1/1/"), (world.resident, "1/1/"), (story.sign_in(world, "newcomer", "resident"), "1/1/"),
                         (world.resident_far, "2/"), (world.street_far, "2/"), (world.lead_far, "2/1/1/1/")):
        assert count(client, by="micro") == own(path), path
        assert count(client, by="micro", under=story.D) == {k: n for k, n in own(path).items() if k.startswith("1/2/1/1/")}
    assert count(world.street, by="grid") == {"1/1/1/": 2, "1/1/2/": 1, "1/2/1/": 1}
    assert count(world.street, by="street") == {"1/": 4} and count(world.street, by="category") == {"pets": 4}
    assert count(world.street, by="department") == {} and list(count(world.street, by="month").values()) == [4]
    assert rates(world, world.lead, by="category", under=B)["items"] == [], "next door is not theirs"


def test_departments(world):
    """Who was sent there and did not give it back: in time is reported in in
    time, the verdict is the reporter's."""
    water, clerk = test_whistle.department(world, "water", "排水所")
    one, other = test_whistle.called(world), test_whistle.called(world)
    for ticket in (one, other):
        test_whistle.send(world, ticket, org_id=water)
    test_whistle.act(clerk, test_whistle.part(clerk, one), "report_in", note="已到场", position=test_whistle.HERE)
    line, = rates(world, world.street, by="department")["items"]
    assert (line["key"], line["name"]) == (water, "排水所")
    assert [line["figures"][n] for n in COUNTS] == [2, 1, 0, 0, 0, 0, 0]
    part, = [p["id"] for p in test_whistle.parts(clerk, other)]
    test_whistle.act(clerk, part, "return", reason="不属本部门职责")
    assert rates(world, world.street, by="department")["items"][0]["figures"]["dispatched"] == 1
    assert rates(world, world.street)["total"]["dispatched"] == 2, "once each, whoever worked on it"


def test_board(world):
    """002-09: the five blocks of a grid, for whoever answers for it."""
    submit(world.resident), submit(world.resident, kind="suggestion")
    assert world.lead.post("/v1/diary", {"topic": "opinion", "text": "路灯坏了"}).status_code == 201
    world.sql("insert into grid.party_org (street_id, grid_id, path, grid_kind, kind, name, member_count)"
              " select street_id, id, path, kind, 'group', '双福苑党小组', 9 from grid.grid where street_id = 1 and path = '1/1/1/1/'")
    board = world.lead.get(f"/v1/grids/{A}/board").json()
    assert board["party"] == {"organisations": 1, "members": 9, "own": "双福苑党小组"}
    assert board["feelings"] == {"tickets_open": 2, "tickets_recent": 2, "suggestions_recent": 1, "diary_recent": 1}
    assert board["resources"]["leads"] == 2 and board["disputes"]["open"] == 0 and board["services"]["visits_overdue"] == 0
    assert world.community.get(f"/v1/grids/{MASTER}/board").json()["resources"]["leads"] == 4
    assert world.street.get(f"/v1/grids/{ROOT}/board").json()["feelings"]["tickets_open"] == 2
    for client, grid in ((world.lead, B), (world.lead, GENERAL), (world.community2, A), (world.community, ROOT), (world.street_far, A)):
        assert client.get(f"/v1/grids/{grid}/board").status_code == 404
