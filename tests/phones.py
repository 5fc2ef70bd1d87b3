"""Phones for tests, and the codes the demo's file sender wrote down for them."""

import itertools
import json

import harness

_count = itertools.count(1)


def new():
    return f"139{next(_count):08d}"


def codes(world):
    path = world.folder / "sms"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def ask(world, phone, purpose="login", status=202):
    reply = world.client().post("/v1/logins/sms", {"phone": phone, "purpose": purpose})
    assert reply.status_code == status, reply.text
    return reply.json()


def proof(world, phone, purpose="login"):
    """Has a code sent and reads it: the fields that prove the phone."""
    request = ask(world, phone, purpose)["code_id"]
    sent = [c for c in codes(world) if c["id"] == request]
    assert len(sent) == 1 and sent[0]["phone"] == phone and sent[0]["purpose"] == purpose
    return {"phone": phone, "code_id": request, "code": sent[0]["code"]}


def sign_in(world, phone, status=201, **more):
    reply = world.client().post("/v1/sessions/sms", {**proof(world, phone), **more})
    assert reply.status_code == status, reply.text
    return reply.json()


def client(world, tokens):
    """Somebody with the tokens of a sign-in."""
    return harness.Client(world.server.url, tokens["access_token"], world.spec.check_reply)
