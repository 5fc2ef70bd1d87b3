"""Access tokens nobody issued, over HTTP. Wherever it can be each is signed
with the server's own key, so that what is refused is refused for its content."""

import base64
import hashlib
import hmac
import json
import pathlib
import time

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

import raw

STRANGER = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(token, i):
    text = token.split(".")[i]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def es256(key, text):
    r, s = utils.decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def text_of(value):
    return value if isinstance(value, str) else json.dumps(value)


class Forge:
    """A real session's token to alter, and the key that signed it."""

    def __init__(self, world):
        self.good = world.site.tokens["lead"]
        self.header, self.claims = part(self.good, 0), part(self.good, 1)
        pem = pathlib.Path(world.site.keys, self.header["kid"] + ".pem").read_bytes()
        self.key = serialization.load_pem_private_key(pem, None)
        self.public = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def two(self, header, claims):
        return b64(text_of(header).encode()) + "." + b64(text_of(claims).encode())

    def sign(self, header=None, claims=None, key=None):
        text = self.two(header if header is not None else self.header, claims if claims is not None else self.claims)
        return text + "." + es256(key or self.key, text)

    def with_header(self, **more):
        return self.sign({**self.header, **more})

    def with_claim(self, name, value):
        """value as JSON text, which Python would not always write."""
        left = {n: v for n, v in self.claims.items() if n != name}
        return self.sign(claims=json.dumps(left)[:-1] + ("" if value is None else f', "{name}": {value}') + "}")

    def without_signature(self, alg):
        return self.two({**self.header, "alg": alg}, self.claims) + "."

    def hmac(self, alg, secret):
        text = self.two({**self.header, "alg": alg}, self.claims)
        return text + "." + b64(hmac.digest(secret, text.encode(), hashlib.sha256))

    def rsa(self):
        text = self.two({**self.header, "alg": "RS256"}, self.claims)
        return text + "." + b64(RSA.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))


@pytest.fixture(scope="module")
def forge(shared):
    return Forge(shared)


def ask(world, token):
    """Status and code of a request with exactly this behind "Bearer "."""
    reply = raw.exchange(world.server.url, "GET", "/v1/me", {"Authorization": "Bearer " + token})
    if reply.status == 401:
        assert reply.header("WWW-Authenticate").startswith("Bearer")
    return reply.status, json.loads(reply.body).get("code")


def all_refused(world, tokens):
    for name, token in tokens.items():
        for _ in range(2):  # the second time it could come out of a cache
            status, code = ask(world, token)
            assert status == 401 and code.startswith("token_"), f"{name}: {status} {code}"
    assert ask(world, world.site.tokens["lead"]) == (200, None), "none of them in the way of the good one"


def test_a_forged_good_token_is_good(shared, forge):
    """Else all the refusals below would prove nothing."""
    assert ask(shared, forge.sign()) == (200, None)
    assert ask(shared, forge.with_claim("note", '"x"')) == (200, None)


def test_keys_and_algorithms_are_ours(shared, forge):
    """security 10"""
    tokens = {"stranger's key": forge.sign(key=STRANGER), "no signature": forge.good.rsplit(".", 1)[0] + ".",
              "RS256": forge.rsa(), "zeros": forge.good.rsplit(".", 1)[0] + "." + "A" * 86}
    for alg in ("none", "NONE", "nOnE", "None", "", "ES256", "HS256"):
        tokens["empty " + alg] = forge.without_signature(alg)
    for secret in (forge.public, forge.public.strip(), b"", b"secret", forge.header["kid"].encode()):
        tokens[f"HS256 by {secret[:12]}"] = forge.hmac("HS256", secret)
        tokens[f"ES256 by {secret[:12]}"] = forge.hmac("ES256", secret)
    for alg in ("none", "HS256", "RS256", "PS256", "ES384", "ES512", "EdDSA", "es256", "ES256 ", "", None, 1, ["ES256"]):
        tokens[f"alg {alg}"] = forge.with_header(alg=alg)
    for kid in ("", "nobody", "../keys/" + forge.header["kid"], "/etc/passwd", "../../../../dev/null",
                forge.header["kid"] + ".pem", forge.header["kid"] + "\0", "' or '1'='1", "x'; drop table identity.session; --",
                "x" * 1000, None, 1, True, [forge.header["kid"]], {"kid": forge.header["kid"]}):
        tokens[f"kid {kid}"] = forge.with_header(kid=kid)
        tokens[f"stranger's kid {kid}"] = forge.sign({**forge.header, "kid": kid}, key=STRANGER)
    numbers = STRANGER.public_key().public_numbers()
    jwk = {"kty": "EC", "crv": "P-256", "x": b64(numbers.x.to_bytes(32, "big")), "y": b64(numbers.y.to_bytes(32, "big"))}
    for name, value in {"jwk": jwk, "jku": "http://127.0.0.1:1/jwks.json", "x5u": "http://127.0.0.1:1/x",
                        "x5c": ["MIIB"], "x5t": "x", "crit": ["exp"], "zip": "DEF", "b64": False}.items():
        tokens[name] = forge.with_header(**{name: value})
        tokens["stranger's " + name] = forge.sign({**forge.header, name: value}, key=STRANGER)
    tokens["no kid"] = forge.sign({"alg": "ES256"})
    tokens["no alg"] = forge.sign({"kid": forge.header["kid"]})
    all_refused(shared, tokens)


def test_claims_and_times_are_exact(shared, forge):
    """security 11"""
    now, tokens = int(time.time()), {}
    never = (f'"{now + 600}"', f"{now + 600}.0", f"{(now + 600) / 1e9:.9f}e9", "-1", "9223372036854775807",
             "9223372036854775808", "1e400", "null", "true", "[]", "{}")
    for name in ("exp", "iat", "nbf"):
        for value in never:
            tokens[f"{name} {value}"] = forge.with_claim(name, value)
    for name in ("iat", "nbf"):
        tokens[f"{name} tomorrow"] = forge.with_claim(name, now + 86400)
    for value in (None, 0, 1, now - 3600, forge.claims["iat"], now + 10 * 366 * 86400):
        tokens[f"exp {value}"] = forge.with_claim("exp", value)
    for name in ("iss", "aud"):
        for value in (None, '"other"', '""', "null", f'["{forge.claims[name]}"]', f'"{forge.claims[name]} "', "1"):
            tokens[f"{name} {value}"] = forge.with_claim(name, value)
    for name, values in {"sub": (None, '"1"', '""', "null", "1"), "sid": (None, '""', '"x"'),
                         "role": (None, '"system"', '"admin"', '""', '["street"]'),
                         "street": (None, "0", "65536", '"1"', "1.0", "-1"),
                         "epoch": (None, '"1"', "1.0", "-1", "true")}.items():
        tokens.update({f"{name} {v}": forge.with_claim(name, v) for v in values})
    for typ in ("refresh", "refresh+jwt", "JWE", 1, None):
        tokens[f"typ {typ}"] = forge.with_header(typ=typ)
    all_refused(shared, tokens)


def test_another_identity_in_a_real_session_is_nobody(shared, forge):
    """security 11: signed by the server's key, and still not a session of theirs."""
    other = part(shared.site.tokens["street"], 1)
    for changed in ({"sub": other["sub"]}, {"role": "street"}, {"street": 2}, {"epoch": forge.claims["epoch"] + 1},
                    {"sid": other["sid"]}, {"sid": "01900000-0000-8001-8000-900000000001"}):
        status, code = ask(shared, forge.sign(claims={**forge.claims, **changed}))
        assert (status, code) == (401, "session_revoked"), changed


@pytest.mark.parametrize("name, good, bad, code", [
    ("exp", -59, -61, "token_expired"), ("nbf", 59, 61, "token_invalid"), ("iat", 59, 61, "token_invalid")])
def test_a_minute_of_clock_difference(shared, forge, name, good, bad, code):
    """security 11: 59 seconds are forgiven, 61 are not."""
    for seconds, want in ((good, (200, None)), (bad, (401, code))):
        while True:  # the second must not turn between making and asking
            now = int(time.time())
            answer = ask(shared, forge.sign(claims={**forge.claims, "iat": now - 3600, name: now + seconds}))
            if int(time.time()) == now:
                break
        assert answer == want, f"{name} {seconds}"


def test_tokens_have_one_shape(shared, forge):
    """security 12"""
    good = forge.good
    head, claims, signature = good.split(".")
    signed = b64(json.dumps(forge.claims).encode())
    padded = signed + "=" * (-len(signed) % 4)
    tokens = {
        "9 KiB": forge.with_claim("note", '"' + "x" * 9000 + '"'), "15 KiB of nothing": "a" * 15000,
        "4 parts": good + "." + signature, "4 parts, one empty": good + ".", "5 parts": f"{good}..",
        "2 parts": f"{head}.{claims}", "1 part": head, "empty parts": "..", "a dot": ".",
        "padding": good + "=", "padding inside": f"{head}.{padded}=.{es256(forge.key, f'{head}.{padded}=')}",
        "space inside": f"{head}. {claims}.{signature}", "tab inside": f"{head}.\t{claims}.{signature}",
        "two tokens": f"{good} {good}", "a list": f"{good}, Bearer {good}", "a comma": good + ",",
        "base64, not base64url": good.replace("-", "+").replace("_", "/") + ("+" if "-" not in good else ""),
        "quoted": f'"{good}"', "percent": good.replace(".", "%2E"), "cut short": good[:-1], "longer": good + "A",
        "claim twice": forge.sign(claims=json.dumps(forge.claims)[:-1] + f', "exp": {forge.claims["exp"]}}}'),
        "role twice": forge.sign(claims=json.dumps(forge.claims)[:-1] + ', "role": "street"}'),
        "kid twice": forge.sign(json.dumps(forge.header)[:-1] + f', "kid": "{forge.header["kid"]}"}}'),
        "alg twice": forge.sign(json.dumps(forge.header)[:-1] + ', "alg": "none"}'),
        "claims not an object": forge.sign(claims="[]"), "something after": forge.sign(claims=json.dumps(forge.claims) + " 1"),
        "byte 0 after": forge.sign(claims=json.dumps(forge.claims) + "\0"), "header not an object": forge.sign('"ES256"'),
    }
    all_refused(shared, tokens)
    for scheme in ("Basic ", "bearer:", "Token ", "Bearer\t", "", "Bearer="):
        reply = raw.exchange(shared.server.url, "GET", "/v1/me", {"Authorization": scheme + good})
        assert reply.status == 401, scheme


def test_two_authorizations_are_none(shared):
    """security 12: the same twice, the good one first or last, in any case."""
    good = f"Bearer {shared.site.tokens['lead']}"
    for first, second in ((good, good), (good, "Bearer x"), ("Bearer x", good), ("", good), (good, "")):
        for name in ("Authorization", "authorization", "AUTHORIZATION"):
            with raw.Connection(shared.server.url) as c:
                c.send(f"GET /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: {first}\r\n{name}: {second}\r\n\r\n".encode())
                reply = c.read()
            assert (reply.status, json.loads(reply.body)["code"]) == (400, "repeated_header")


def test_tokens_in_other_places_are_not_read(shared):
    """security 12"""
    token = shared.site.tokens["lead"]
    for headers in ({"Cookie": f"access_token={token}"}, {"X-Authorization": "Bearer " + token},
                    {"Proxy-Authorization": "Bearer " + token}):
        assert raw.exchange(shared.server.url, "GET", "/v1/me", headers).status == 401
    assert raw.exchange(shared.server.url, "GET", f"/v1/me?access_token={token}").status in (400, 401)
