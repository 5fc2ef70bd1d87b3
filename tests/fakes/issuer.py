"""An outside issuer: its keys, and ID tokens signed with them."""

import base64
import json
import time
import uuid

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from fakes.server import Fake


def padded(number):
    number = base64.urlsafe_b64decode(number + "==").rjust(32, b"\0")
    return base64.urlsafe_b64encode(number).rstrip(b"=").decode()


def public(key, kid):
    kind = jwt.algorithms.ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else jwt.algorithms.RSAAlgorithm
    made = kind.to_jwk(key.public_key())
    made = made if isinstance(made, dict) else json.loads(made)
    # RFC 7518, 6.2.1.2: always 32 bytes; python3-jwt drops leading zeros.
    whole = {n: padded(made[n]) for n in ("x", "y") if n in made}
    return {**made, **whole, "kid": kid, "use": "sig"}


class Issuer(Fake):
    """Group wnc-street stands for the street, wnc-law for its department."""

    name = "https://id.example.org"

    def __init__(self, certificate=None):
        self.keys = {}
        self.rotate()
        super().__init__(certificate)

    def rotate(self, kind="ec"):
        self.kid = uuid.uuid4().hex[:8]
        self.keys = {self.kid: ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)}

    def answer(self, path, query, body):
        return 200, {"keys": [public(key, kid) for kid, key in self.keys.items()]}

    def known_to(self, world):
        world.sql("set role linli_owner; select identity.put_issuer(%s, 'linli-app', %s, '市统一身份'),"
                  " identity.map_claim(%s, 'groups', 'wnc-street', 'street', 1, '1/', null),"
                  " identity.map_claim(%s, 'groups', 'wnc-law', 'department', 1, '1/', '01900000-0000-8001-8000-600000000001'),"
                  " identity.map_claim(%s, 'unit', 'hongqiao', 'community', 1, '1/2/', null)",
                  self.name, self.url + "/keys", self.name, self.name, self.name)
        return self

    def claims(self, **more):
        now = int(time.time())
        made = {"iss": self.name, "sub": "u-1", "aud": "linli-app", "iat": now, "exp": now + 300, "name": "余文心", **more}
        return {k: v for k, v in made.items() if v is not None}

    def token(self, key=None, headers=None, alg=None, **more):
        key = key or self.keys[self.kid]
        alg = alg or ("ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256")
        return jwt.encode(self.claims(**more), key, alg, headers={"kid": self.kid, **(headers or {})})
