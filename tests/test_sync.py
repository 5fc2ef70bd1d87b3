"""What was done offline comes in one go: each item alone, in order, safely again."""

import samples
import story

T = {"method": "POST", "path": "/v1/tickets", "body": samples.TICKET}


def sync(client, *items, status=200):
    reply = client.post("/v1/me/sync", {"items": [{"key": f"k{n}", **i} for n, i in enumerate(items)]})
    assert reply.status_code == status, reply.text
    return reply


def test_conflicts_are_each_items_own(world):
    """After hours offline: two leads took the same ticket; what failed undoes and stops nothing."""
    mine, taken = (story.submit(world.resident, **samples.TICKET)["id"] for _ in range(2))
    story.do(world.lead2, taken, "accept")
    act = lambda ticket, verb, **body: {"method": "POST", "path": f"/v1/tickets/{ticket}/{verb}", **({"body": body} if body else {})}
    items = [act(taken, "accept"), act(mine, "accept"), act(mine, "start"), act(mine, "start"),
             act(mine, "resolve", note=7), act(mine, "nosuch"), act(mine, "resolve", note="已疏通")]
    first = sync(world.lead, *items)
    answers = first.json()["items"]
    assert [(a["n"], a["key"]) for a in answers] == [(n, f"k{n}") for n in range(7)]
    assert [a["status"] for a in answers] == [409, 200, 200, 409, 422, 404, 200]
    assert [answers[n]["body"]["code"] for n in (0, 3, 4, 5)] == ["already_accepted", "wrong_state", "invalid_request", "not_found"]
    assert answers[6]["body"] == story.read(world.lead, mine) and answers[6]["etag"]
    assert story.read(world.lead, mine)["status"] == "resolved"
    # again: the answer was lost on the way
    before = world.sql("select count(*) from core.event")
    assert sync(world.lead, *items).content == first.content
    assert world.sql("select count(*) from core.event") == before
    # a key used for something else is refused, alone
    other = sync(world.lead, act(mine, "start"), {**act(taken, "accept"), "key": "k1"}).json()["items"]
    assert [(a["status"], a["body"]["code"]) for a in other] == [(409, "wrong_state"), (422, "idempotency_mismatch")]
    alone = world.lead.post(f"/v1/tickets/{mine}/accept", headers={"Idempotency-Key": "k1"})
    assert alone.status_code == 200 and alone.json() == answers[1]["body"]


def test_the_same_way_as_one_by_one(shared):
    """Rights, checks and If-Match are the operation's; nothing is to be had in a batch that is not to be had alone."""
    made = sync(shared.resident, T).json()["items"][0]
    assert (made["status"], made["location"]) == (201, f"/v1/tickets/{made['body']['id']}")
    put = {"method": "PUT", "path": f"/v1/tickets/{made['body']['id']}", "body": {**samples.TICKET, "title": "改过的标题"}}
    answers = sync(shared.resident, {**put, "key": "p1"}, {**put, "key": "p2", "if_match": '"99-x"'},
                   {**put, "key": "p3", "if_match": shared.resident.get(made["location"]).headers["ETag"]}).json()["items"]
    assert [a["status"] for a in answers] == [428, 412, 200]
    refused = [
        (404, {"path": f"/v1/tickets/{made['body']['id']}/accept", "method": "POST"}, shared.lead_far),
        (403, {"path": f"/v1/tickets/{made['body']['id']}/accept", "method": "POST"}, shared.resident2),
        (422, {"path": "/v1/me/sync", "method": "POST", "body": {"items": []}}, shared.lead),
        (422, {"path": "/v1/sessions/switch", "method": "POST", "body": {"role": "grid_lead"}}, shared.lead),
        (422, {"path": "/v1/sessions", "method": "POST", "body": {"login": "x", "password": "y"}}, shared.lead),
        (404, {"path": "/v1/nosuch", "method": "POST"}, shared.lead),
        (405, {"path": "/v1/tickets", "method": "DELETE"}, shared.lead),
        (400, {"path": "/v1/tickets?x=%zz", "method": "POST"}, shared.lead),
        (415, {"path": "/v1/photos", "method": "POST", "body": {}}, shared.lead),
    ]
    for status, item, who in refused:
        answer = sync(who, item).json()["items"][0]
        assert answer["status"] == status, answer
        assert not {"instance", "trace_id"} & set(answer["body"])


def test_fifty_at_once_and_no_more(shared):
    """Those refused at the door and those that wait for the database, mixed."""
    items = [T if n % 3 else {**T, "body": {}} for n in range(50)]
    answers = sync(shared.resident2, *items).json()["items"]
    assert [a["status"] for a in answers] == [201 if n % 3 else 422 for n in range(50)]
    assert len({a["body"]["id"] for a in answers if a["status"] == 201}) == 33
    sync(shared.resident2, *items, T, status=422)
