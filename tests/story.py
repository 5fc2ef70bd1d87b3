"""What the stories share: people beside the fixture's, pictures, timelines."""

import concurrent.futures
import datetime
import io
import urllib.parse

from PIL import Image

import harness

A, B, C, SPECIAL, D = (f"01900000-0000-8001-8000-1000000000{n}" for n in (12, 13, 15, 16, 22))
GENERAL, MASTER, MASTER2, ROOT = (
    f"01900000-0000-8001-8000-1000000000{n}" for n in ("11", "10", "20", "01"))
COMPOUND = "01900000-0000-8001-8000-200000000001"
PHYSICAL = {"kind": "problem", "category": "drain_blocked", "title": "下水道堵了",
            "description": "院坝的下水道返水。", "answers": {"overflowing": True}}


def at(text):
    """The moment an RFC 3339 text means; its fraction may have any length."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def together(count, work):
    """work(0 … count-1) on a few threads; their results in order."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(work, range(count)))


def sign_in(world, login, role, ttl=86400):
    token = harness.run_linlid(world.settings, "token", "--account", login, "--role", role,
                               "--ttl", str(ttl)).strip()
    return harness.Client(world.server.url, token, world.spec.check_reply)


def add_people(world, prefix, count, path="1/1/1/1/"):
    """So many residents more: prefix1, prefix2 … Each one's client."""
    world.sql("with a as (insert into identity.account (id, login, display_name, password_hash, password_at)"
              " select core.new_id(1), %s || n, '邻居' || n, f.password_hash, now()"
              " from generate_series(1, %s) n, identity.account f where f.login = 'resident'"
              " returning id)"
              " insert into identity.account_role (account_id, role, street_id, path, from_on)"
              " select id, 'resident', 1, %s, '2024-01-01' from a", prefix, count, path)
    return together(count, lambda i: sign_in(world, f"{prefix}{i + 1}", "resident"))


def do(client, ticket, action, status=200, **body):
    """An act on a ticket, which must end so; the ticket, or the problem's code."""
    reply = client.post(f"/v1/tickets/{ticket}/{action}", body or None)
    assert reply.status_code == status, f"{action}: {reply.status_code} {reply.text}"
    return reply.json() if status < 300 else reply.json()["code"]


def jump(world, offset):
    """The clock so far ahead, and nobody's session over by it."""
    world.sql("update identity.session set expires_at = expires_at + interval '1 year' where revoked_at is null")
    world.set_clock(offset)


def submit(client, status=201, **fields):
    reply = client.post("/v1/tickets", fields)
    assert reply.status_code == status, reply.text
    return reply.json()


def read(client, ticket):
    reply = client.get(f"/v1/tickets/{ticket}")
    assert reply.status_code == 200, reply.text
    return reply.json()


def walk(client, path, limit=100, **query):
    """All items of a list, page by page."""
    items, after = [], None
    while True:
        asked = {"limit": limit, **query, **({"after": after} if after else {})}
        reply = client.get(f"{path}?{urllib.parse.urlencode(asked, quote_via=urllib.parse.quote)}")
        assert reply.status_code == 200, reply.text
        page = reply.json()
        items += page["items"]
        after = page["next"]
        if after is None:
            return items
        assert len(page["items"]) == limit and len(items) < 5000


def shape(*corners):
    """A polygon in GeoJSON by its corners, lon and lat in turn."""
    ring = [list(p) for p in zip(corners[::2], corners[1::2])]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


def box(west, south, east, north):
    return shape(west, south, east, south, east, north, west, north)


def feature(grid, geometry, **properties):
    """Of a redraw: a grid by its id, or a new one by its properties."""
    return {"type": "Feature", "id": grid, "geometry": geometry, "properties": properties or None}


def preview(client, *features, status=201, crs="wgs84", **fields):
    reply = client.post("/v1/boundaries/preview", {"type": "FeatureCollection", "features": features, **fields},
                        params={"crs": crs})
    assert reply.status_code == status, reply.text
    if status < 300:
        return reply.json()
    fault = reply.json().get("errors")
    return (reply.json()["code"], fault[0]["pointer"]) if fault else reply.json()["code"]


def commit(client, seen, status=200):
    reply = client.post("/v1/boundaries", {"preview_id": seen["id"], "fingerprint": seen["fingerprint"]})
    assert reply.status_code == status, reply.text
    return reply.json() if status < 300 else reply.json()["code"]


def redraw(client, *features, **fields):
    return commit(client, preview(client, *features, **fields))


def timeline(client, ticket):
    return walk(client, f"/v1/tickets/{ticket}/events")


def actions(client, ticket):
    return [e["action"] for e in timeline(client, ticket)]


def feed(client, after=None, wait=0):
    """Everything of the change feed since a cursor, and where to go on."""
    items = []
    while True:
        query = {"limit": 100, "wait": 0 if items else wait, **({"after": after} if after else {})}
        page = client.get("/v1/changes", params=query)
        assert page.status_code == 200, page.text
        if not page.json()["items"]:
            return items, page.json()["next"]
        items += page.json()["items"]
        after = page.json()["next"]


def jpeg(width=64, height=48, colour="white", corner=None, exif=None, form="JPEG"):
    """A picture of one colour, its upper left quarter of another."""
    image = Image.new("RGB", (width, height), colour)
    if corner:
        image.paste(Image.new("RGB", (width // 2, height // 2), corner), (0, 0))
    out = io.BytesIO()
    image.save(out, form, quality=95, **({"exif": exif} if exif else {}))
    return out.getvalue()


def upload(client, data=None, media="image/jpeg"):
    reply = client.post("/v1/photos", data=data or jpeg(), headers={"Content-Type": media})
    assert reply.status_code == 201, reply.text
    return reply.json()["id"]


def refused(reply, status, code, pointer=None):
    assert (reply.status_code, reply.json()["code"]) == (status, code), reply.text
    if pointer:
        assert [e["pointer"] for e in reply.json()["errors"]] == [pointer]


def answer(reply, expect):
    """The body of a reply as expected; of one that refuses the code, and at what if it says so."""
    assert reply.status_code == expect, reply.text
    if expect < 300:
        return reply.json()
    fault = reply.json().get("errors")
    return (reply.json()["code"], fault[0]["pointer"]) if fault else reply.json()["code"]
