"""Two stories of the articles, told through the API with each one's own token."""

import datetime
import io

import pytest
from PIL import Image

import harness
from story import (A, COMPOUND, GENERAL, add_people, at, box, do, feature, feed, jpeg, read, redraw, shape,
                   sign_in, submit, timeline, together, upload, walk)

HOUSEHOLDS = 96
POSITION = {"lon": 104.0921, "lat": 30.6604, "crs": "gcj02"}
HIDDEN = ("contact_name", "contact_phone_mask", "address", "compound_id", "building",
          "position", "position_gcj02", "answers", "on_behalf_note", "rating")


def muddy_photo():
    """As a phone takes it: lying on its side, with place and maker inside.
    Upright, its upper right quarter is red."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "MakerSecret"
    exif.get_ifd(0x8825).update({1: "N", 2: (30.0, 39.0, 37.0), 3: "E", 4: (104.0, 5.0, 31.0)})
    return jpeg(400, 300, "blue", corner="red", exif=exif)


def check_clean(reply, width, height):
    image = Image.open(io.BytesIO(reply.content))
    assert image.format == "JPEG" and image.size == (width, height)
    assert not image.getexif() and b"MakerSecret" not in reply.content and b"Exif" not in reply.content
    red, blue = image.getpixel((width * 3 // 4, height // 4)), image.getpixel((width // 4, height // 4))
    assert red[0] > 200 > 60 > red[2] and blue[2] > 200 > 60 > blue[0]


class Yard:
    """落虹桥街6号院: built in 1989, 96 households, units 1 and 2 low-lying."""

    def __init__(self, world):
        self.world = world
        world.sql("insert into grid.compound (street_id, id, path, name, address, household_count)"
                  " values (1, %s, '1/1/', '6号院', '落虹桥街6号', 96)", COMPOUND[:-1] + "9")
        self.compound = COMPOUND[:-1] + "9"
        # cut out of the micro-grid it lay in, where POSITION is
        done = redraw(world.community,
                      feature(A, shape(104.08, 30.655, 104.0925, 30.655, 104.0925, 30.66, 104.088, 30.66, 104.088,
                                       30.665, 104.0925, 30.665, 104.0925, 30.67, 104.08, 30.67)),
                      feature(None, box(104.088, 30.66, 104.0925, 30.665), parent_id=GENERAL, kind="micro",
                              name="落虹桥街6号院", household_count=HOUSEHOLDS, person_count=240,
                              compound_id=self.compound))
        assert done["state"] == "done"
        self.grid = done["grids"][1]["grid_id"]
        assert world.community.get(f"/v1/grids/{self.grid}").json()["household_range"] == "within"
        path, = world.sql("select path from grid.grid where id = %s", self.grid)[0]
        harness.run_linlid(world.settings, "user", "add", "--login", "peng", "--name", "彭晓梅",
                           "--password-stdin", stdin="linli-demo\n")
        reply = world.community.post(f"/v1/grids/{self.grid}/assignments", {"login": "peng", "lead_kind": "micro"})
        assert reply.status_code == 201 and reply.json()["active"]
        self.lead = sign_in(world, "peng", "grid_lead")
        self.reporter, *self.neighbours = add_people(world, "yard", HOUSEHOLDS, path)

    def report(self, **fields):
        return {"kind": "problem", "category": "drain_blocked", "urgency": "urgent",
                "title": "化粪池堵塞污水外溢", "description": "1、2单元地势低，污水漫到院坝，急找13700002222。",
                "contact_name": "陈秀英", "contact_phone": "13812345678", "address": "落虹桥街6号院1单元",
                "compound_id": self.compound, "building": "1单元", "position": POSITION, **fields}


def test_septic_tank_of_the_yard_of_96_households(world):
    yard = Yard(world)
    lead, reporter, neighbours = yard.lead, yard.reporter, yard.neighbours

    # 列单: the category has its questions
    category = next(c for c in reporter.get("/v1/categories").json()["items"] if c["code"] == "drain_blocked")
    assert category["physical"] and category["extra_questions"]["required"] == ["overflowing"]
    problem = submit(reporter, 422, **yard.report())
    assert (problem["code"], problem["errors"][0]["pointer"]) == ("answer_required", "/answers/overflowing")
    ticket = submit(reporter, **yard.report(answers={"overflowing": True, "households": HOUSEHOLDS},
                                            photo_ids=[upload(reporter, muddy_photo())]))
    t = ticket["id"]
    assert ticket["number"].startswith("WNC-") and ticket["status"] == "submitted"
    assert (ticket["grid_id"], ticket["contact_phone_mask"]) == (yard.grid, "138****5678")
    assert ticket["position_gcj02"] == POSITION and ticket["position"]["lon"] < POSITION["lon"]

    second_thoughts(yard, t)

    # 我也遇到: the other 95 households, once each
    replies = together(95, lambda i: neighbours[i].post(f"/v1/tickets/{t}/support"))
    assert {r.status_code for r in replies} == {200}
    assert do(neighbours[0], t, "support", 409) == "already_supported"
    assert do(reporter, t, "support", 409) == "own_ticket"
    assert read(reporter, t)["support_count"] == 95 == HOUSEHOLDS - 1

    # opinions
    together(12, lambda i: neighbours[i].post(f"/v1/tickets/{t}/comments", {"text": f"{i + 1}号住户：管道太窄，每月都堵。"}))

    # 接单 within the hour
    world.set_clock("50 minutes")
    accepted = do(lead, t, "accept")
    waited = at(accepted["accepted_at"]) - at(accepted["created_at"])
    assert datetime.timedelta(minutes=50) <= waited < datetime.timedelta(hours=1)
    assert lead.get(f"/v1/tickets/{t}/contact").json() == {"contact_name": "陈秀英", "contact_phone": "13812345678"}

    # the collected opinion goes up to the community
    opinions = walk(lead, f"/v1/tickets/{t}/comments", limit=5)
    assert [o["text"].split("：")[1] for o in opinions] == ["管道太窄，每月都堵。"] * 12
    assert not any(o["by_reporter"] or o["internal"] for o in opinions)
    lead.post(f"/v1/tickets/{t}/comments", {"text": "物业说没有经费，请社区出面。", "internal": True})
    do(lead, t, "escalate", note=f"96户中{len(opinions)}户提了意见：整修1、2单元管道。")
    assert do(lead, t, "start", 403) == "role_not_allowed"
    do(world.community, t, "start")

    # 办结 takes a photo of what was done
    note = "管道已整修，化粪池已清掏。"
    assert do(world.community, t, "resolve", 422, note=note) == "photo_required"
    done = upload(world.community, muddy_photo())
    do(world.community, t, "resolve", note=note, photo_ids=[done])
    check_clean(reporter.get(f"/v1/tickets/{t}/photos/{done}"), 300, 400)
    check_clean(neighbours[3].get(f"/v1/tickets/{t}/photos/{done}?size=thumb"), 300, 400)
    assert [p["stage"] for p in walk(reporter, f"/v1/tickets/{t}/photos")] == ["report", "resolve"]

    # 回单, the verdict, and the neighbours' praise
    assert do(lead, t, "reply", 403, text="修好了") == "role_not_allowed"
    do(world.community, t, "reply", text="管道已整修完毕，有事请打13900001111。")
    closed = do(reporter, t, "rate", stars=5, resolved=True, satisfied=True, text="生活变得更好了！")
    assert (closed["status"], closed["stars"]) == ("closed", 5)
    assert closed["rating"] == {"stars": 5, "resolved": True, "satisfied": True, "text": "生活变得更好了！"}
    replies = together(60, lambda i: neighbours[i].post(f"/v1/tickets/{t}/thank", {"text": "谢谢彭大姐"}))
    assert {r.status_code for r in replies} == {200}
    assert do(neighbours[7], t, "thank", 409) == "already_thanked"
    assert read(lead, t)["thank_count"] == 60

    check_timeline(yard, t)
    check_everyones_view(yard, t)


def second_thoughts(yard, t):
    """Who is about to report the same is shown what was reported already."""
    near = {"category": "drain_blocked", "compound_id": yard.compound, "building": "1单元"}
    there = {"category": "drain_blocked", "lon": 104.0926, "lat": 30.6604, "crs": "gcj02"}  # 48 m
    ask = yard.neighbours[0].get
    for query in (near, there):
        offered = ask("/v1/tickets/similar", params=query).json()["items"]
        assert [s["id"] for s in offered] == [t] and offered[0]["distance"] is None
    assert ask("/v1/tickets/similar", params=near).json()["items"][0]["same_building"]
    assert 30 < yard.lead.get("/v1/tickets/similar", params=there).json()["items"][0]["distance"] < 60
    for other in ({**near, "building": "3单元"}, {**there, "lon": 104.0935}, {**near, "category": "oil_smoke"},
                  {**there, "crs": "wgs84"}):  # the same figures mean a place hundreds of metres off
        assert ask("/v1/tickets/similar", params=other).json()["items"] == []
    # whoever submits all the same is told with the answer; and takes it back
    again = submit(yard.neighbours[0], **yard.report(answers={"overflowing": True}))
    assert [s["id"] for s in again["similar"]] == [t]
    assert [s["id"] for s in read(yard.reporter, t)["similar"]] == [again["id"]]
    assert do(yard.neighbours[0], again["id"], "withdraw", reason="已有人反映")["status"] == "withdrawn"
    assert read(yard.reporter, t)["similar"] == []


def told(client, t):
    """Without what the clocks say, which is by the hour at which this runs."""
    return [e for e in timeline(client, t) if not e["action"].startswith("clock_")]


def check_timeline(yard, t):
    events = told(yard.world.community, t)
    main = [e for e in events if e["action"] not in ("support", "comment", "thank")]
    assert [(e["action"], e["actor_role"], e["to_state"]) for e in main] == [
        ("submit", "resident", "submitted"), ("accept", "grid_lead", "accepted"),
        ("contact_viewed", "grid_lead", None), ("comment_internal", "grid_lead", None),
        ("escalate", "grid_lead", "escalated_community"), ("start", "community", "in_progress"),
        ("resolve", "community", "resolved"), ("reply", "community", "replied"), ("rate", "resident", "closed")]
    for before, after in zip([e for e in main if e["to_state"]], [e for e in main if e["to_state"]][1:]):
        assert after["from_state"] == before["to_state"] and at(after["at"]) >= at(before["at"])
    count = {a: sum(e["action"] == a for e in events) for a in ("support", "comment", "thank")}
    assert count == {"support": 95, "comment": 12, "thank": 60}
    assert len({e["id"] for e in events}) == len(events)
    assert all(e["actor_id"] for e in events)
    # the reporter reads all but what is between staff, and not which neighbours
    own = told(yard.reporter, t)
    staff = {"contact_viewed", "comment_internal"}
    assert [e["id"] for e in own] == [e["id"] for e in events if e["action"] not in staff]
    assert {e["action"] for e in own if e["actor_id"]} == {"submit", "rate"}
    assert next(e for e in own if e["action"] == "escalate")["data"]["text"].startswith("96户中12户")


def check_everyones_view(yard, t):
    world, stranger = yard.world, yard.world.resident2
    secrets = ("13700002222", "13812345678", "138****5678", "陈秀英", "1单元", "落虹桥街6号院1", "没有经费", "13900001111", "更好了")
    seen = read(stranger, t)
    assert not seen["mine"] and all(seen[f] is None for f in HIDDEN)
    assert (seen["stars"], seen["support_count"], seen["thank_count"], seen["comment_count"]) == (5, 95, 60, 12)
    texts = [stranger.get(f"/v1/tickets{p}").text for p in ("", f"/{t}", f"/{t}/comments", f"/{t}/events")]
    world.settle()
    texts.append(str(feed(stranger)[0]))
    for secret in secrets:
        assert not [x[:80] for x in texts if secret in x], secret
    assert "139****1111" in texts[1] and "137****2222" in texts[1] and "1、2单元地势低" in texts[1]
    public = timeline(stranger, t)
    assert not any(e["actor_id"] for e in public)
    assert {e["action"] for e in public if e["data"]} == {"reply", "thank"}
    # the staff in charge and the street see it whole, others not at all
    for client in (yard.lead, world.lead_general, world.community, world.street, yard.reporter):
        seen = read(client, t)
        assert seen["contact_name"] == "陈秀英" and seen["building"] == "1单元" and seen["rating"]
    for client in (yard.lead, world.community, world.street):
        assert any(c["internal"] for c in walk(client, f"/v1/tickets/{t}/comments"))
    for client in (world.lead, world.community2, world.resident_far, world.street_far):
        assert client.get(f"/v1/tickets/{t}").status_code == 404
        assert t not in client.get("/v1/tickets").text and t not in str(feed(client)[0])


@pytest.fixture
def smoke(world):
    """The oil smoke below 锦云府, told by an old man without a phone on two
    evenings: the older ticket was answered two hours before the other."""
    def loop(shop, title):
        t = submit(world.lead, kind="problem", category="oil_smoke", title=title,
                   description="楼下餐馆的油烟飘进家里，窗户都不敢开。", answers={"shop": shop, "hours": "晚"},
                   address="锦云府3栋", building="3栋2单元", compound_id=COMPOUND,
                   on_behalf={"name": "张大爷", "note": "上门走访时说起，老人没有手机"})
        assert t["on_behalf"] and not t["mine"] and t["contact_name"] == "张大爷"
        do(world.lead2, t["id"], "accept")
        do(world.lead2, t["id"], "start")
        reply = world.resident2.post(f"/v1/tickets/{t['id']}/comments", {"text": "我是店主，油烟净化器已经订了。"})
        assert reply.status_code == 201
        do(world.lead2, t["id"], "resolve", note="净化器已装好，烟道已清洗。", photo_ids=[upload(world.lead2)])
        do(world.community, t["id"], "reply", text="餐馆已安装净化器，油烟问题已解决。")
        return t["id"]
    first = loop("锅锅香", "楼下餐馆油烟扰民")
    world.set_clock("2 hours")
    return first, loop("面面俱到", "又一家餐馆的油烟")


def test_oil_smoke_below_an_old_mans_window(world, smoke):
    older, newer = smoke
    # nobody may rate in his place
    assert do(world.lead, newer, "rate", 403, stars=5, resolved=True, satisfied=True) == "role_not_allowed"
    assert do(world.resident2, newer, "rate", 403, stars=5, resolved=True, satisfied=True) == "not_reporter"
    seen = read(world.resident2, newer)
    assert seen["on_behalf"] and all(seen[f] is None for f in HIDDEN)
    assert "张大爷" not in world.resident2.get(f"/v1/tickets/{newer}").text
    assert [t["id"] for t in walk(world.lead, "/v1/tickets", mine="true")] == [newer, older]

    # The run that closes the older one, at 7 days 1 hour, meets the newer one at 6 days 23 hours.
    world.set_clock("7 days 1 hour")
    status = "select status from ticket.ticket where id = %s"
    harness.wait_for(lambda: world.sql(status, older) == [("closed",)], "the silent ticket to close")
    assert world.sql(status, newer) == [("replied",)]
    world.set_clock("7 days 2 hours 1 minute")
    harness.wait_for(lambda: world.sql(status, newer) == [("closed",)], "the newer one to close")

    lead = sign_in(world, "lead", "grid_lead")
    closed = read(lead, newer)
    assert (closed["stars"], closed["rating"]) == (None, None) and closed["closed_at"]
    last = timeline(lead, newer)[-1]
    assert (last["action"], last["from_state"], last["actor_role"], last["actor_id"]) == (
        "close", "replied", "system", None)
    assert do(sign_in(world, "resident2", "resident"), newer, "thank")["thank_count"] == 1
