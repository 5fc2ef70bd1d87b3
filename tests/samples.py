"""Good requests: people signed in, tickets in any state, photos, and for every
operation of the contract a call that must work."""

import base64
import json
import struct
import uuid
import zlib

import faults

# A ticket that needs neither photo nor answers and that neighbours may see.
TICKET = {"kind": "problem", "category": "pets", "urgency": "normal",
          "title": "流浪猫在单元门口", "description": "三只小猫住在单元门口的纸箱里，天冷了需要帮助。"}

# The steps from a submitted ticket to each state: person, operation.
STEPS = {
    "submitted": [],
    "accepted": [("lead", "acceptTicket")],
    "rejected": [("lead", "rejectTicket")],
    "withdrawn": [("resident", "withdrawTicket")],
    "in_progress": [("lead", "acceptTicket"), ("lead", "startTicket")],
    "escalated_community": [("lead", "acceptTicket"), ("lead", "escalateTicket")],
}
STEPS["suspended"] = STEPS["in_progress"] + [("community", "suspendTicket")]
STEPS["resolved"] = STEPS["in_progress"] + [("lead", "resolveTicket")]
STEPS["replied"] = STEPS["resolved"] + [("community", "replyTicket")]
STEPS["closed"] = STEPS["replied"] + [("resident", "rateTicket")]
STEPS["reopened"] = STEPS["replied"] + [("resident", "reopenTicket")]


def login(world, name="resident", password="linli-demo", status=201):
    reply = world.client().post("/v1/sessions", {"login": name, "password": password})
    assert reply.status_code == status, reply.text
    return reply.json()


def kid(token):
    head = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


def png(width=8, height=8, colour=b"\x20\x80\x40"):
    """A picture of one colour."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = (b"\0" + colour * width) * height
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def upload_body(picture=None):
    """multipart/form-data with one file, as mini-programs send it."""
    edge = "----linli" + uuid.uuid4().hex
    body = (f"--{edge}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"photo.png\"\r\n"
            "Content-Type: image/png\r\n\r\n").encode() + (picture or png()) + f"\r\n--{edge}--\r\n".encode()
    return body, f"multipart/form-data; boundary={edge}"


def act(world, person, operation, ids=None, body=None, **kw):
    """Calls an operation by name; must succeed. Its reply's JSON."""
    op = world.spec.by_id[operation]
    path = op.template.format(**(ids or {}))
    if body is None:
        body = op.example
    reply = getattr(world, person)(op.method, path, json=body, **kw)
    assert reply.status_code == op.status, f"{operation}: {reply.status_code} {reply.text}"
    return reply.json() if reply.content else None


def ticket(world, state="submitted", by="resident", **fields):
    """The id of a new ticket of a resident's in micro-grid A, brought to a state."""
    made = act(world, by, "submitTicket", body={**TICKET, **fields})["id"]
    for person, operation in STEPS[state]:
        act(world, person, operation, {"id": made}, body=plain_body(world, operation))
    return made


def plain_body(world, operation):
    """The example without photos, which somebody would have to upload first."""
    example = world.spec.by_id[operation].example
    return {k: v for k, v in example.items() if k != "photo_ids"} if example else None


def photo(world, person, picture=None):
    body, media = upload_body(picture)
    reply = getattr(world, person).post("/v1/photos", data=body, headers={"Content-Type": media})
    assert reply.status_code == 201, reply.text
    return reply.json()["id"]
