"""安全监督员: a team inspects when all four kinds of member are there."""

import samples
from story import A, B, C, D, walk
from test_hazards import act, see

MASTER = "01900000-0000-8001-8000-100000000010"
FOUR = {"merchant": "enterprise", "department": "emergency_office", "lead_general": "grid_staff", "lead": "micro_member"}


def body(members=FOUR, **fields):
    return {"name": "双福路安全监督队", "grid_id": MASTER, "members": [
        {"login": login, "kind": kind, **({"qualification": "退休电工"} if kind == "micro_member" else {})}
        for login, kind in members.items()], **fields}


def team(client, members=FOUR, status=201, **fields):
    reply = client.post("/v1/safety-teams", body(members, **fields))
    assert reply.status_code == status, reply.text
    return reply.json() if status < 300 else (reply.json()["code"], reply.json()["errors"][0]["pointer"])


def inspect(client, made, status=201, **fields):
    reply = client.post(f"/v1/safety-teams/{made['id']}/inspections", {"grid_id": A, "place": "双福路沿街餐饮", **fields})
    assert reply.status_code == status, reply.text
    return reply.json() if status < 300 else reply.json()["code"]


GAS = {"kind": "gas", "title": "燃气软管老化", "description": "软管超过使用年限"}


def test_three_kinds_of_four_are_no_team(shared):
    """Article 001: enterprise professionals, the street's emergency office, the community's
    grid staff and micro-grid members who know the trade together."""
    whole = team(shared.community)
    assert (whole["complete"], whole["missing"], len(whole["members"])) == (True, [], 4)
    for login, kind in FOUR.items():
        three = team(shared.community, {k: v for k, v in FOUR.items() if k != login})
        assert (three["complete"], three["missing"]) == (False, [kind])
        other = next(k for k in FOUR if k != login)
        assert inspect(getattr(shared, other), three, 409, hazards=[GAS]) == "team_incomplete"
    assert inspect(shared.merchant, whole, hazards=[GAS])["hazard_count"] == 1


def test_who_leaves_their_post_leaves_a_gap(shared):
    made = team(shared.community)
    shared.sql("update identity.account_role set to_on = current_date where role = 'merchant' and account_id ="
               " (select id from identity.account where login = 'merchant')")
    seen = shared.community.get(f"/v1/safety-teams/{made['id']}").json()
    assert (seen["complete"], seen["missing"]) == (False, ["enterprise"])
    assert inspect(shared.lead, made, 409) == "team_incomplete"
    assert made["id"] in [t["id"] for t in walk(shared.community, "/v1/safety-teams", complete="false")]
    shared.sql("update identity.account_role set to_on = null where role = 'merchant'")
    assert inspect(shared.lead, made)["hazard_count"] == 0
    shared.community.put(f"/v1/safety-teams/{made['id']}", body(closed=True), headers={
        "If-Match": shared.community.get(f"/v1/safety-teams/{made['id']}").headers["ETag"]})
    assert inspect(shared.lead, made, 409) == "team_incomplete"


def test_a_member_is_what_they_are_entered_as(shared):
    for members, fault in (({"resident": "enterprise"}, ("member_kind_mismatch", "/members/0/kind")),
                           ({"merchant": "enterprise", "lead": "grid_staff"}, ("member_kind_mismatch", "/members/1/kind")),
                           ({"lead_general": "micro_member"}, ("member_kind_mismatch", "/members/0/kind")),
                           ({"street_far": "emergency_office"}, ("member_kind_mismatch", "/members/0/kind")),
                           ({"nobody-here": "enterprise"}, ("account_unknown", "/members/0/login"))):
        assert team(shared.community, members, 422) == fault
    reply = shared.community.post("/v1/safety-teams", {**body(), "members": [{"login": "lead", "kind": "micro_member"}]})
    assert reply.json()["code"] == "qualification_required"
    twice = [{"login": "merchant", "kind": "enterprise"}] * 2
    assert shared.community.post("/v1/safety-teams", {**body(), "members": twice}).json()["code"] == "account_unknown"
    assert team(shared.community, FOUR, 422, grid_id=A) == ("grid_kind_mismatch", "/grid_id")
    assert team(shared.community2, FOUR, 422) == ("grid_not_found", "/grid_id")


def test_what_a_team_finds_is_followed_up(shared):
    made = team(shared.community)
    # a lead of one micro-grid inspects another of the community with the team
    done = inspect(shared.lead, made, grid_id=C, hazards=[GAS, {**GAS, "kind": "electricity", "title": "私拉电线"}])
    found = walk(shared.community, "/v1/hazards", source_id=done["id"])
    assert {(h["title"], h["source"], h["grid_id"], h["address"], h["status"]) for h in found} == {
        ("燃气软管老化", "inspection", C, "双福路沿街餐饮", "found"), ("私拉电线", "inspection", C, "双福路沿街餐饮", "found")}
    assert see(shared.lead, found[0]["id"]) == 404  # in a grid not theirs
    assert act(shared.community, found[0]["id"], "confirm", grade="serious")["status"] == "confirmed"
    # who found it for an enterprise follows it
    mine = inspect(shared.merchant, made, hazards=[GAS])
    assert [h["mine"] for h in walk(shared.merchant, "/v1/hazards", source_id=mine["id"])] == [True]
    assert walk(shared.department, "/v1/hazards", source_id=mine["id"]) == []
    assert [i["id"] for i in walk(shared.department, f"/v1/safety-teams/{made['id']}/inspections")] == [done["id"], mine["id"]]


def test_only_members_inspect_and_only_their_community(shared):
    made = team(shared.community)
    assert inspect(shared.community, made, 403) == "not_assigned"
    assert inspect(shared.lead2, made, 404) == "not_found" == inspect(shared.community2, made, 404)
    for grid in (D, MASTER, "01900000-0000-8002-8000-100000000012"):
        assert inspect(shared.lead, made, 422, grid_id=grid) == "grid_not_found"
    assert samples.act(shared, "street", "getSafetyTeam", {"id": made["id"]})["mine"] is False
    assert inspect(shared.lead, made, grid_id=B)["mine"] is True
