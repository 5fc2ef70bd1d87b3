"""Rule 15 with random numbers against a model of its own: who is first, how long
one may give back, when more time may be asked for, and who gets a reply."""

import datetime
import random

import pytest

import samples
from story import add_people, at, do, jump, read, submit, together
from test_calendar import USUAL, Model
from test_clocks import back, minutes
from test_whistle import BUREAU, act, called, part, see, send, until

DAY = datetime.timedelta(days=1)


def test_of_many_leads_one_accepts(world):
    dice = random.Random(15)
    for _ in range(6):
        t = submit(world.resident, **samples.TICKET)["id"]
        who = [dice.choice(["lead", "lead2"]) for _ in range(dice.randrange(2, 7))]
        got = together(len(who), lambda n: getattr(world, who[n]).post(f"/v1/tickets/{t}/accept"))
        assert sorted(r.status_code for r in got) == [200] + [409] * (len(who) - 1)
        assert {r.json()["code"] for r in got if r.status_code == 409} == {"already_accepted"}
        winner, = [who[n] for n, r in enumerate(got) if r.status_code == 200]
        assert "start" in read(getattr(world, winner), t)["actions"]


def test_returns_before_and_after_five_working_days(world):
    """2026 with its holidays: sent at any minute, given back about the last one."""
    model, dice = Model([(datetime.date.min, USUAL)]), random.Random(15)
    sends = sorted(datetime.datetime(2026, 12, 1) + datetime.timedelta(minutes=dice.randrange(25 * 1440)) for _ in range(5))
    acts = []
    for n, sent in enumerate(sends):
        last = datetime.datetime.combine(model.add_days(sent.date(), 5), datetime.time(17))
        acts += [(sent, n, None), (last + datetime.timedelta(minutes=dice.choice([-2, 2]) * dice.randrange(1, 600)), n, last)]
    made = {}
    for moment, n, last in sorted(acts, key=lambda a: a[0]):
        jump(world, until(moment.isoformat()))
        if last is None:
            t = called(world)
            send(world, t, org_id=BUREAU)
            made[n] = part(world.department, t)
            continue
        in_time = moment < last
        by = at(see(world.department, made[n])["return_by"]).astimezone(datetime.timezone(8 * datetime.timedelta(hours=1)))
        assert by.replace(tzinfo=None) == last, (moment, n)
        got = act(world.department, made[n], "return", 200 if in_time else 409, reason="不属本单位")
        assert got["status"] == "returned" if in_time else got == "return_too_late", (moment, last)
    assert len(made) == 5


@pytest.mark.parametrize("seed", range(2))
def test_more_time_at_random(world, seed):
    """Asked before it is due, once, answered one level up, and never after."""
    minutes(world, 60)
    dice = random.Random(150 + seed)
    level = {"lead": 1, "community": 2, "street": 3}
    may = {"ask": ["lead", "community"], "grant": ["community", "street"], "refuse": ["community", "street"]}
    clocks = []
    for _ in range(4):
        t = samples.ticket(world, "accepted")
        clock, = world.lead.get("/v1/clocks", params={"subject_id": t, "stage": "resolve"}).json()["items"]
        clocks.append({"ticket": t, "id": clock["id"], "left": 60, "by": None, "answer": None})
    for _ in range(70):
        c, who, verb = dice.choice(clocks), dice.choice(list(level)), dice.choice([*may, "wait"])
        if verb == "wait":
            spent = 7 * dice.randrange(1, 4)  # never nearly all of it
            back(world, c["ticket"], f"{spent} minutes")
            c["left"] -= spent
            continue
        if who not in may[verb]:
            want = "role_not_allowed"
        elif c["left"] <= 0:
            want = "clock_overdue"
        elif c["answer"] or verb == "ask" and c["by"]:
            want = "extension_used"
        elif verb != "ask" and not c["by"]:
            want = "extension_not_requested"
        else:
            want = None if verb == "ask" or level[who] == level[c["by"]] + 1 else "role_not_allowed"
        reply = getattr(world, who).post(f"/v1/clocks/{c['id']}/extension" + ("" if verb == "ask" else "/" + verb),
                                         {"ask": {"amount": 30, "reason": "等设备"}, "grant": None, "refuse": {"reason": "不必"}}[verb])
        assert (reply.json()["code"] if want else reply.status_code < 300) == (want or True), (c, who, verb, reply.text)
        if want is None:
            c["by"], c["answer"] = (who, None) if verb == "ask" else (c["by"], verb)
            c["left"] += 30 * (verb == "grant")
    assert "grant" in {c["answer"] for c in clocks} and min(c["left"] for c in clocks) <= 0


def test_families_of_any_size(world):
    """However they were merged, one after the other or in a chain, each reporter
    gets the reply on a ticket of their own, under its own number."""
    dice = random.Random(5)
    reporters = add_people(world, "kin", 7)
    for size in (2, 4, 7):
        own = [submit(r, **samples.TICKET) for r in reporters[:size]]
        alive = [t["id"] for t in own]
        while len(alive) > 1:
            child, parent = dice.sample(alive, 2)
            do(world.community, child, "merge", target_id=parent, reason="同一件事")
            alive.remove(child)
        last, = alive
        for verb, who, body in (("accept", world.lead, {}), ("start", world.lead, {}), ("resolve", world.lead, {"note": "好了"}),
                                ("reply", world.community, {"text": f"{size}户一起办好"})):
            do(who, last, verb, **body)
        seen = [read(r, t["id"]) for r, t in zip(reporters, own)]
        assert [(s["number"], s["status"], s["reply"]) for s in seen] == [(t["number"], "replied", f"{size}户一起办好") for t in own]
        assert len({s["number"] for s in seen}) == size
