"""Signing in by SMS and WeChat, and the logins of an account: what a code is
good for, what it is not, and whose an openid is."""

import concurrent.futures
import uuid

import harness
import phones
from story import refused


def by_sms(world, fields, **more):
    return world.client().post("/v1/sessions/sms", {**fields, **more})


def forgive(world):
    world.sql("delete from identity.attempt")


def other_code(code):
    return f"{(int(code) + 1) % 10**6:06d}"


def together(count, work):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


# Codes by SMS -----------------------------------------------------------------

def test_a_phone_and_a_code_make_an_account(shared):
    phone = phones.new()
    tokens = phones.sign_in(shared, phone)
    assert (tokens["role"], tokens["street_id"]) == ("visitor", 0)
    me = phones.client(shared, tokens).get("/v1/me").json()
    assert me["role"] == "visitor" and me["login"] is None and me["street_name"] is None and me["scopes"] == []
    forgive(shared)
    assert phones.sign_in(shared, phone)["account_id"] == tokens["account_id"], "the second time it is the same"


def test_a_code_is_good_once_and_for_one_thing(shared):
    """security 15: single use, bound to request, phone and purpose."""
    phone, other = phones.new(), phones.new()
    good, elsewhere = phones.proof(shared, phone), phones.proof(shared, other)
    for wrong in ({"phone": other}, {"code_id": elsewhere["code_id"]}, {"code_id": str(uuid.uuid4())}):
        refused(by_sms(shared, {**good, **wrong}), 401, "code_wrong")
    forgive(shared)
    refused(by_sms(shared, phones.proof(shared, phone, "bind")), 401, "code_wrong")
    assert by_sms(shared, good).status_code == 201
    refused(by_sms(shared, good), 401, "code_wrong")


def test_codes_are_drawn_and_kept_well(shared):
    """security 15: six digits, no two alike by more than chance, only a keyed
    hash in the database."""
    forgive(shared)
    made = [phones.proof(shared, phones.new()) for _ in range(40)]
    assert all(len(p["code"]) == 6 and p["code"].isdigit() for p in made)
    assert len({p["code"] for p in made}) >= 38
    for table in ("sms_code", "event", "attempt", "login", "account"):
        text = shared.sql(f"select coalesce(json_agg(t)::text, '') from identity.{table} t")[0][0]
        for p in made:
            assert p["phone"] not in text and f'"{p["code"]}"' not in text, table
    hashes = [h for h, in shared.sql("select code_hash from identity.sms_code")]
    assert len(set(hashes)) == len(hashes)
    forgive(shared)


def test_five_tries_and_no_more(shared):
    """security 15"""
    good = phones.proof(shared, phones.new())
    for _ in range(5):
        refused(by_sms(shared, {**good, "code": other_code(good["code"])}), 401, "code_wrong")
    refused(by_sms(shared, good), 401, "code_wrong")


def test_a_hundred_at_once_are_one_sign_in_at_most(shared):
    """security 15: right and wrong codes in parallel; tries are counted whatever
    happens beside them."""
    for right in (1, 0.5):
        good = phones.proof(shared, phones.new())
        bad = {**good, "code": other_code(good["code"])}
        replies = together(20, lambda n: [by_sms(shared, good if n % 2 < 2 * right else bad) for _ in range(5)])
        statuses = [r.status_code for some in replies for r in some]
        assert set(statuses) <= {201, 401} and statuses.count(201) <= 1
        assert statuses.count(201) == 1 or right < 1
        tries, = shared.sql("select tries from identity.sms_code where id = %s", good["code_id"])[0]
        assert 1 <= tries <= 5
        left = shared.sql("select count(*) from identity.login l join identity.session s using (account_id)"
                          " where l.label = %s", good["phone"][:3] + "****" + good["phone"][-4:])[0][0]
        assert left == statuses.count(201)


def test_a_code_dies_after_ten_minutes(world):
    """security 15"""
    early, late = phones.proof(world, phones.new()), phones.proof(world, phones.new())
    world.set_clock("9 minutes 30 seconds")
    assert by_sms(world, early).status_code == 201
    world.set_clock("10 minutes 1 second")
    refused(by_sms(world, late), 401, "code_wrong")


def test_how_many_codes_are_sent(world):
    """security 15: per phone, per address, and all together."""
    phone = phones.new()
    phones.ask(world, phone)
    reply = world.client().post("/v1/logins/sms", {"phone": phone, "purpose": "bind"})
    refused(reply, 429, "too_many_attempts")
    assert 0 < int(reply.headers["Retry-After"]) <= 60
    world.sql("delete from identity.attempt where kind = 'sms_minute'")
    sent = 1
    for hour in range(3):
        for _ in range(6):
            sent += world.client().post("/v1/logins/sms", {"phone": phone, "purpose": "login"}).status_code == 202
            world.sql("delete from identity.attempt where kind = 'sms_minute'")
        assert sent == min(5 * (hour + 1), 10)
        world.sql("delete from identity.attempt where kind = 'sms_hour'")
    world.sql("update identity.attempt set count = 100 where kind = 'sms_address'")
    refused(world.client().post("/v1/logins/sms", {"phone": phones.new(), "purpose": "login"}),
            429, "too_many_attempts")
    forgive(world)
    world.settings.values["sms_per_hour"] = 2
    world.settings.write()
    world.server.process.send_signal(1)
    harness.wait_for(lambda: len(world.server.lines("reloaded")) == 2, "the workers to reload")
    assert [world.client().post("/v1/logins/sms", {"phone": phones.new(), "purpose": "login"}).status_code
            for _ in range(3)] == [202, 202, 429]


def test_known_and_unknown_phones_answer_alike(shared):
    """security 16"""
    known, unknown = phones.new(), phones.new()
    phones.sign_in(shared, known)
    forgive(shared)
    for purpose in ("login", "bind", "reset"):
        replies = [shared.client().post("/v1/logins/sms", {"phone": p, "purpose": purpose}) for p in (known, unknown)]
        assert replies[0].status_code == replies[1].status_code == 202
        assert sorted(replies[0].headers) == sorted(replies[1].headers)
        assert [sorted(r.json()) for r in replies] == [["code_id", "expires_in"]] * 2
        forgive(shared)
    # neither has a password: the right code says no more than a wrong one
    answers = []
    for phone in (known, unknown):
        reply = shared.client().post("/v1/logins/password", {
            **phones.proof(shared, phone, "reset"), "new_password": "a-new-password"})
        answers.append((reply.status_code, reply.json()["code"]))
        forgive(shared)
    assert answers == [(401, "code_wrong")] * 2


# WeChat -----------------------------------------------------------------------

def code(who=None, kind="login"):
    return f"{kind}-{who or uuid.uuid4().hex[:12]}-{uuid.uuid4().hex[:8]}"


def by_wechat(world, **fields):
    return world.client().post("/v1/sessions/wechat", {"code": code(), **fields})


def test_wechat_makes_an_account_and_finds_it_again(shared):
    who = uuid.uuid4().hex[:12]
    first, second = by_wechat(shared, code=code(who)).json(), by_wechat(shared, code=code(who)).json()
    assert first["account_id"] == second["account_id"] and first["role"] == "visitor"
    assert by_wechat(shared).json()["account_id"] != first["account_id"]
    text = "".join(str(shared.sql(f"select json_agg(t) from identity.{t} t")) for t in
                   ("login", "account", "event", "session"))
    assert "o" + who not in text and "c2Vzc2lvbi1rZXktY2FuYXJ5" not in text, "openid sealed, session_key not kept"


def test_a_code_of_wechat_is_good_once(shared):
    once = code()
    assert by_wechat(shared, code=once).status_code == 201
    refused(by_wechat(shared, code=once), 401, "wechat_code_invalid")
    refused(by_wechat(shared, code="nonsense"), 401, "wechat_code_invalid")


def test_wechats_own_troubles(shared, wechat):
    """security 34"""
    for errcode, status, problem in ((40029, 401, "wechat_code_invalid"), (45011, 429, "wechat_busy"),
                                     (-1, 503, "wechat_unavailable"), (40125, 503, "wechat_unavailable")):
        wechat.errcodes["/sns/jscode2session"] = errcode
        try:
            reply = by_wechat(shared)
        finally:
            wechat.errcodes.clear()
        refused(reply, status, problem)


def test_many_first_sign_ins_are_one_account(shared):
    who = uuid.uuid4().hex[:12]
    replies = together(8, lambda n: by_wechat(shared, code=code(who)))
    assert {r.status_code for r in replies} == {201} and len({r.json()["account_id"] for r in replies}) == 1


def test_the_phone_wechat_knows_joins_the_accounts(shared):
    phone, who = phones.new(), uuid.uuid4().hex[:12]
    by_phone = phones.sign_in(shared, phone)
    reply = by_wechat(shared, code=code(who), phone_code=code(phone, "phone"))
    assert reply.status_code == 201 and reply.json()["account_id"] == by_phone["account_id"]
    assert by_wechat(shared, code=code(who)).json()["account_id"] == by_phone["account_id"], "from now on without"
    logins = phones.client(shared, reply.json()).get("/v1/me/logins").json()["items"]
    assert sorted((x["kind"], x["label"]) for x in logins) == [
        ("phone", phone[:3] + "****" + phone[-4:]), ("wechat", "微信")]
    # somebody else's WeChat does not get in by naming a phone that is taken
    stranger = by_wechat(shared).json()
    assert stranger["account_id"] != by_phone["account_id"]


def test_one_access_token_for_all_workers(shared, wechat):
    """A new one voids the old: so it is fetched once, by one of all who need
    it, and again when WeChat no longer takes it."""
    before = wechat.tokens
    shared.sql("delete from identity.wechat_token")
    replies = together(10, lambda n: by_wechat(shared, phone_code=code(phones.new(), "phone")))
    assert {r.status_code for r in replies} == {201} and wechat.tokens == before + 1
    assert "token-" not in str(shared.sql("select json_agg(t) from identity.wechat_token t"))
    wechat.tokens += 1  # somebody fetched one elsewhere: ours is void
    assert by_wechat(shared, phone_code=code(phones.new(), "phone")).status_code == 201
    assert wechat.tokens == before + 3, "one retry, with a new one"
    wechat.errcodes["/wxa/business/getuserphonenumber"] = 40001
    try:
        refused(by_wechat(shared, phone_code=code(phones.new(), "phone")), 503, "wechat_unavailable")
    finally:
        wechat.errcodes.clear()
    # five minutes before its end the next one is fetched, while the old is good
    shared.sql("update identity.wechat_token set expires_at = clock_timestamp() + interval '4 minutes'")
    had = wechat.tokens
    assert by_wechat(shared, phone_code=code(phones.new(), "phone")).status_code == 201
    assert wechat.tokens == had + 1


def test_who_fetches_a_token_and_dies_holds_up_nobody_for_long(shared, wechat):
    shared.sql("update identity.wechat_token set expires_at = clock_timestamp() - interval '1 minute',"
               " lease_until = clock_timestamp() + interval '1 second'")
    assert by_wechat(shared, phone_code=code(phones.new(), "phone")).status_code == 201


# Logins of an account -----------------------------------------------------------

def test_binding_and_unbinding(shared):
    forgive(shared)
    phone, who = phones.new(), uuid.uuid4().hex[:12]
    tokens = phones.sign_in(shared, phone)
    me = phones.client(shared, tokens)
    mine, = me.get("/v1/me/logins").json()["items"]
    refused(me.post(f"/v1/me/logins/{mine['id']}/unbind"), 409, "last_login")
    bound = me.post("/v1/me/logins/wechat", {"code": code(who)})
    assert bound.status_code == 201 and bound.json()["kind"] == "wechat"
    assert by_wechat(shared, code=code(who)).json()["account_id"] == tokens["account_id"]
    second = phones.new()
    assert me.post("/v1/me/logins/phone", phones.proof(shared, second, "bind")).status_code == 201
    third = me.post("/v1/me/logins/wechat-phone", {"code": code(phones.new(), "phone")})
    assert third.status_code == 201 and third.json()["kind"] == "phone"
    # what is somebody's does not become another's
    other = phones.client(shared, by_wechat(shared).json())
    refused(other.post("/v1/me/logins/wechat", {"code": code(who)}), 409, "login_taken")
    forgive(shared)
    refused(other.post("/v1/me/logins/phone", phones.proof(shared, second, "bind")), 409, "login_taken")
    refused(other.post(f"/v1/me/logins/{mine['id']}/unbind"), 404, "not_found")
    assert me.post(f"/v1/me/logins/{mine['id']}/unbind").status_code == 204
    forgive(shared)
    assert phones.sign_in(shared, phone)["account_id"] != tokens["account_id"], "the phone is anybody's again"


def test_two_at_once_do_not_take_the_last_login(shared):
    tokens = by_wechat(shared).json()
    me = phones.client(shared, tokens)
    assert me.post("/v1/me/logins/wechat", {"code": code()}).status_code == 201
    for _ in range(5):
        ids = [x["id"] for x in me.get("/v1/me/logins").json()["items"]]
        replies = together(2, lambda n: phones.client(shared, tokens).post(f"/v1/me/logins/{ids[n]}/unbind"))
        assert sorted(r.status_code for r in replies) == [204, 409]
        assert me.post("/v1/me/logins/wechat", {"code": code()}).status_code == 201
