"""Signing in by SMS: what a code is good for, and what it is not."""

import concurrent.futures
import uuid

import pytest

import harness
import phones


def refused(reply, status, code):
    assert (reply.status_code, reply.json()["code"]) == (status, code), reply.text


def attempt(world, fields, **more):
    return world.client().post("/v1/sessions/sms", {**fields, **more})


def test_a_phone_and_a_code_make_an_account(world):
    phone = phones.new()
    tokens = phones.sign_in(world, phone)
    assert (tokens["role"], tokens["street_id"]) == ("visitor", 0)
    me = phones.client(world, tokens).get("/v1/me").json()
    assert me["role"] == "visitor" and me["login"] is None and me["street_name"] is None and me["scopes"] == []
    world.sql("delete from identity.attempt")
    assert phones.sign_in(world, phone)["account_id"] == tokens["account_id"], "the second time it is the same"


def test_a_code_is_good_once_and_for_one_thing(world):
    """security 15: single use, bound to request, phone and purpose."""
    phone, other = phones.new(), phones.new()
    good = phones.proof(world, phone)
    elsewhere = phones.proof(world, other)
    for wrong in ({"phone": other}, {"code_id": elsewhere["code_id"]}, {"code_id": str(uuid.uuid4())}):
        refused(attempt(world, {**good, **wrong}), 401, "code_wrong")
    world.sql("delete from identity.attempt")
    bound = phones.proof(world, phone, "bind")
    refused(attempt(world, bound), 401, "code_wrong")
    assert attempt(world, good).status_code == 201
    refused(attempt(world, good), 401, "code_wrong")
