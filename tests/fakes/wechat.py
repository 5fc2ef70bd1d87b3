"""WeChat, as far as a mini-program's server asks it: jscode2session, token,
getuserphonenumber. A code names the person it stands for."""

import json

from fakes.server import Fake


class Wechat(Fake):
    """Codes: login-<who>-<n> and phone-<digits>-<n>, each good once."""

    def __init__(self, app="wx-test", secret="wechat-test-secret", **kw):
        self.app, self.secret = app, secret
        self.used, self.tokens, self.errcodes = set(), 0, {}
        self.life = 7200
        super().__init__(**kw)

    def take(self, code, kind):
        if not code.startswith(kind + "-"):
            return {"errcode": 40029, "errmsg": "invalid code"}
        with self.lock:
            if code in self.used:
                return {"errcode": 40163, "errmsg": "code been used"}
            self.used.add(code)
        return None

    def answer(self, path, query, body):
        known = query.get("appid") == self.app and query.get("secret") == self.secret
        if self.errcodes.get(path):
            return 200, {"errcode": self.errcodes[path], "errmsg": "as told"}
        if path == "/sns/jscode2session":
            if not known or query.get("grant_type") != "authorization_code":
                return 200, {"errcode": 40125, "errmsg": "invalid appsecret"}
            who = query["js_code"].split("-")
            return 200, self.take(query["js_code"], "login") or {
                "openid": "o" + who[1].ljust(27, "_"), "session_key": "c2Vzc2lvbi1rZXktY2FuYXJ5",
                **({"unionid": "u" + who[1]} if len(who) > 3 else {})}
        if path == "/cgi-bin/token":
            if not known or query.get("grant_type") != "client_credential":
                return 200, {"errcode": 40125, "errmsg": "invalid appsecret"}
            with self.lock:
                self.tokens += 1
                return 200, {"access_token": f"token-{self.tokens}", "expires_in": self.life}
        if path == "/wxa/business/getuserphonenumber":
            if query.get("access_token") != f"token-{self.tokens}":
                return 200, {"errcode": 40001, "errmsg": "invalid credential, access_token is not latest"}
            code = json.loads(body)["code"]
            digits = code.split("-")[1] if "-" in code else ""
            return 200, self.take(code, "phone") or {"errcode": 0, "errmsg": "ok", "phone_info": {
                "phoneNumber": digits, "purePhoneNumber": digits, "countryCode": "86"}}
        return 404, {}
