"""Photos: uploaded in every way clients have, kept clean, read only through a
ticket one may read."""

import concurrent.futures
import hashlib
import io
import json
import os
import pathlib
import shutil
import signal
import struct
import time
import zlib

import pytest
from PIL import Image

import conftest
import harness
import raw
import samples
import story

FORM = "multipart/form-data; boundary=xYz"


def named(value):
    """Bytes make no name of a case."""
    return f"{len(value)}B" if isinstance(value, bytes) else str(value)


def jpeg(width=60, height=40, colour="red", **options):
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "JPEG", **options)
    return out.getvalue()


def upload(world, data, media="image/jpeg", who="resident", **headers):
    return getattr(world, who).post("/v1/photos", data=data, headers={"Content-Type": media, **headers})


def part(name, data, filename=None):
    filename = f'; filename="{filename}"' if filename is not None else ""
    return (f'--xYz\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n').encode() + data + b"\r\n"


def form(*parts):
    return b"".join(parts) + b"--xYz--\r\n"


def blobs(world):
    return [p for p in pathlib.Path(world.settings.values["data_dir"]).rglob("*") if p.is_file()]


def attached(world, picture, **fields):
    """A ticket with this photo; the path of its bytes."""
    photo = samples.photo(world, "resident", picture)
    ticket = samples.ticket(world, photo_ids=[photo], **fields)
    return f"/v1/tickets/{ticket}/photos/{photo}"


def test_upload_in_every_way(shared):
    for data, media in [(jpeg(), "image/jpeg"), (samples.png(), "image/png"),
                        (form(part("file", jpeg(), "a.jpg")), FORM),
                        (form(part("note", b"hello"), part("picture", jpeg(), "")), FORM)]:
        reply = upload(shared, data, media)
        assert reply.status_code == 201, reply.text
        assert reply.json()["stage"] is None and reply.json()["mine"] is True
    assert (reply.json()["width"], reply.json()["height"]) == (60, 40)


# A name is only what somebody said: the content decides.
def test_content_decides(shared):
    assert upload(shared, samples.png(), "image/jpeg").status_code == 201
    assert upload(shared, form(part("file", jpeg(), "../../evil.html")), FORM).status_code == 201


@pytest.mark.parametrize("data, media, status, code", [
    (b"GIF89a" + b"\0" * 40, "image/jpeg", 415, "photo_unsupported"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/png", 415, "photo_unsupported"),
    (jpeg()[:300], "image/jpeg", 422, "photo_damaged"),
    (jpeg(), "image/gif", 415, "unsupported_media_type"),
    (jpeg(), "text/html", 415, "unsupported_media_type"),
    (form(part("file", jpeg())), FORM, 422, "one_photo_expected"),
    (form(part("a", jpeg(), "a"), part("b", jpeg(), "b")), FORM, 422, "one_photo_expected"),
    (form(part("file", b"", "a.jpg")), FORM, 422, "one_photo_expected"),
    (form(part("file", jpeg(), "a.jpg"))[:-6], FORM, 400, "bad_multipart"),
    (form(part("file", jpeg(), "a.jpg")), "multipart/form-data", 400, "bad_multipart"),
    (form(*[part("n", b"")] * 17), FORM, 400, "too_many_parts"),
], ids=named)
def test_refused(shared, data, media, status, code):
    reply = upload(shared, data, media)
    assert (reply.status_code, reply.json()["code"]) == (status, code)


def huge():
    """A PNG of 60,000 × 60,000 pixels, as it says: a few bytes."""
    head = samples.png(8, 8)
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return head[:12] + ihdr + struct.pack(">I", zlib.crc32(ihdr)) + head[33:]


def test_huge_by_its_head_is_refused_without_being_decoded(shared):
    began = time.monotonic()
    reply = upload(shared, huge(), "image/png")
    assert (reply.status_code, reply.json()["code"]) == (413, "photo_too_many_pixels")
    assert time.monotonic() - began < 5


PAGE = b"<!DOCTYPE html><html><script>alert(1)</script></html>"


@pytest.mark.parametrize("data", [PAGE, b"\n" + PAGE, b"%PDF-1.7\n" + jpeg(), b"BM" + b"\0" * 60,
                                  b"II*\0" + b"\0" * 60, b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 30, b"", b"\xff\xd8"], ids=named)
def test_only_photos_are_photos(shared, data):
    reply = upload(shared, form(part("file", data, "a.jpg")), FORM)
    assert (reply.status_code, reply.json()["code"]) in [
        (415, "photo_unsupported"), (422, "photo_damaged"), (422, "one_photo_expected")]


# As mini-programs send it: wx.uploadFile with formData, one file in between.
def test_form_data_around_the_file(shared):
    body = form(part("ticket", "化粪池".encode()), part("file", jpeg(70, 50), "wxfile://tmp_1.jpg"), part("n", b"1"))
    reply = upload(shared, body, FORM)
    assert (reply.status_code, reply.json()["width"]) == (201, 70), reply.text


@pytest.mark.parametrize("kind, media", [("WEBP", "image/webp"), ("PNG", "image/png"), ("JPEG", "image/jpeg")])
def test_a_page_behind_a_picture_does_not_come_out(shared, kind, media):
    picture = story.jpeg(64, 48, "green", form=kind) + PAGE
    reply = upload(shared, picture, media)
    assert reply.status_code == 201, reply.text
    ticket = samples.ticket(shared, photo_ids=[reply.json()["id"]])
    for size in ("full", "thumb"):
        served = shared.resident2.get(f"/v1/tickets/{ticket}/photos/{reply.json()['id']}?size={size}")
        assert served.headers["Content-Type"] == "image/jpeg" and b"script" not in served.content
        assert served.content.startswith(b"\xff\xd8") and served.content.endswith(b"\xff\xd9")


def test_limits(site, spec, tmp_path):
    world = conftest.World(site, spec, tmp_path, max_photo_bytes=20000, max_photo_pixels=10000)
    try:
        assert upload(world, jpeg(100, 100)).status_code == 201
        reply = upload(world, jpeg(101, 100))
        assert (reply.status_code, reply.json()["code"]) == (413, "photo_too_many_pixels")
        reply = upload(world, jpeg(100, 100) + b"\0" * 20000)
        assert (reply.status_code, reply.json()["code"]) == (413, "body_too_large")
    finally:
        world.close()


def test_what_is_served_is_clean_and_cached(shared):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "MakerSecret"
    exif[0x8825] = {1: "N", 2: (30.0, 40.0, 5.0)}
    path = attached(shared, jpeg(800, 600, exif=exif))
    for size, width, height in (("full", 600, 800), ("thumb", 300, 400)):
        reply = shared.resident.get(f"{path}?size={size}")
        assert reply.status_code == 200
        assert reply.headers["Content-Type"] == "image/jpeg"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Cache-Control"].startswith("private")
        assert reply.headers["Content-Disposition"].startswith("inline")
        assert reply.headers["ETag"] == f'"{hashlib.sha256(reply.content).hexdigest()[:32]}"'
        image = Image.open(io.BytesIO(reply.content))
        assert image.size == (width, height) and not image.getexif() and b"Secret" not in reply.content
        head = shared.resident("HEAD", f"{path}?size={size}")
        assert (head.content, head.headers["Content-Length"]) == (b"", str(len(reply.content)))
        again = shared.resident.get(f"{path}?size={size}", headers={"If-None-Match": reply.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_a_files_name_goes_nowhere(shared):
    """security 25: neither into a header nor into the log, in any spelling."""
    before = len(shared.server.log.read_bytes())
    for name in ('a\\"; evil=\\"1', "../../zqname.jpg", "zqname%0d%0aX-Evil: 1", "zqname\u2028.jpg", "\u202egpj.zqname", "zqname\t.jpg",
                 "é" * 80 + "zqname", "zqname=?utf-8?Q?x?="):
        reply = upload(shared, form(part("file", jpeg(colour="green"), name)), FORM)
        assert reply.status_code in (201, 400, 415), f"{name}: {reply.text}"
        assert "zqname" not in str(reply.headers) + reply.text and "X-Evil" not in reply.headers
        if reply.status_code == 201:
            ticket = samples.ticket(shared, photo_ids=[reply.json()["id"]])
            served = shared.resident.get(f"/v1/tickets/{ticket}/photos/{reply.json()['id']}")
            assert served.headers["Content-Disposition"] == 'inline; filename="photo.jpg"'
    assert b"zqname" not in shared.server.log.read_bytes()[before:]
    assert not [p for p in blobs(shared) if "zqname" in str(p)]


def test_only_through_a_ticket_one_may_read(shared):
    """security 9"""
    path = attached(shared, jpeg(colour="blue"))
    other = samples.ticket(shared)
    for size in ("full", "thumb"):
        assert shared.client().get(f"{path}?size={size}").status_code == 401
        for who in ("resident_far", "lead_next", "community2", "street_far"):
            reply = getattr(shared, who).get(f"{path}?size={size}")
            unknown = getattr(shared, who).get(path[:-12] + "0" * 12)
            assert reply.status_code == unknown.status_code == 404
            assert {**reply.json(), "instance": 0} == {**unknown.json(), "instance": 0}
        for who in ("resident", "lead", "community", "street"):
            assert getattr(shared, who).get(f"{path}?size={size}").status_code == 200
    # the right photo under another ticket is no photo
    elsewhere = f"/v1/tickets/{other}/photos/{path.rsplit('/', 1)[1]}"
    assert shared.resident.get(elsewhere).status_code == 404


def test_only_ones_own_unused_photos_come_along(shared):
    mine, theirs = (samples.photo(shared, p) for p in ("resident", "resident2"))
    ticket = samples.ticket(shared, photo_ids=[mine])
    for ids, at in [([theirs], 0), ([mine], 0), ([story.upload(shared.resident), theirs], 1),
                    (["01900000-0000-8001-8000-700000000001"], 0)]:
        problem = story.submit(shared.resident, 422, **samples.TICKET, photo_ids=ids)
        assert (problem["code"], problem["errors"][0]["pointer"]) == ("photo_unknown", f"/photo_ids/{at}")
        reply = shared.resident.post(f"/v1/tickets/{ticket}/comments", {"text": "看", "photo_ids": ids})
        assert reply.json()["code"] == "photo_unknown"
    assert [p["id"] for p in story.walk(shared.resident, f"/v1/tickets/{ticket}/photos")] == [mine]
    reply = shared.resident.post("/v1/tickets", {**samples.TICKET, "photo_ids": [theirs, theirs]})
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_request")


def test_photos_of_an_internal_comment_stay_between_staff(shared):
    ticket, photos = samples.ticket(shared), {}
    for internal in (False, True):
        photos[internal] = story.upload(shared.lead, jpeg(64 + internal))
        reply = shared.lead.post(f"/v1/tickets/{ticket}/comments", {
            "text": "现场", "internal": internal, "photo_ids": [photos[internal]]})
        assert reply.json()["photo_ids"] == [photos[internal]]
    for client, internal in [(shared.resident, False), (shared.resident2, False), (shared.community, True)]:
        listed = [p["id"] for p in story.walk(client, f"/v1/tickets/{ticket}/photos")]
        assert listed == [photos[False]] + [photos[True]] * internal
        reply = client.get(f"/v1/tickets/{ticket}/photos/{photos[True]}")
        assert reply.status_code == (200 if internal else 404)
        assert story.read(client, ticket)["photo_count"] == 1


def test_twenty_unused_photos_are_enough(world):
    ids = [story.upload(world.resident, jpeg(50 + i)) for i in range(20)]
    reply = upload(world, jpeg())
    assert (reply.status_code, reply.json()["code"]) == (409, "photo_quota")
    assert upload(world, jpeg(), who="resident2").status_code == 201
    samples.ticket(world, photo_ids=ids[:9])
    assert upload(world, jpeg()).status_code == 201


def test_same_picture_is_stored_once(world):
    for _ in range(3):
        assert upload(world, jpeg(500, 500, "green")).status_code == 201
    assert len(blobs(world)) == 2  # photo and thumbnail
    for file in blobs(world):
        assert file.parent.name + file.name == hashlib.sha256(file.read_bytes()).hexdigest()
        assert file.stat().st_mode & 0o777 == 0o600


def test_replay_gives_the_same_photo(world):
    first = upload(world, jpeg(), **{"Idempotency-Key": "photo-1"})
    again = upload(world, jpeg(), **{"Idempotency-Key": "photo-1"})
    assert first.content == again.content


def test_a_repeated_form_may_have_another_boundary(world):
    """Every wx.uploadFile makes up its own; the photo is still the same."""
    sent = form(part("file", jpeg(), "a.jpg"))
    first = upload(world, sent, FORM, **{"Idempotency-Key": "again"})
    second = upload(world, sent.replace(b"xYz", b"----zZ"), FORM.replace("xYz", "----zZ"), **{"Idempotency-Key": "again"})
    assert (first.status_code, first.content) == (201, second.content)
    other = upload(world, form(part("file", jpeg(colour="blue"), "a.jpg")), FORM, **{"Idempotency-Key": "again"})
    assert other.status_code == 422 and other.json()["code"] == "idempotency_mismatch"


def test_many_at_once(world):
    """Each is stored, or told to come again; none is lost or mixed up."""
    def one(i):
        return i, upload(world, jpeg(50 + i, 40), who=("resident", "lead", "community", "street")[i % 4])
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(one, range(32)))
    for i, reply in replies:
        assert reply.status_code == 201 or reply.json()["code"] == "overloaded"
        if reply.status_code == 201:
            assert reply.json()["width"] == 50 + i


def test_a_client_gone_in_the_middle_leaves_nothing(world):
    pids = [world.server.pid(f"worker-{i}") for i in range(2)]
    files = lambda: sum(len(os.listdir(f"/proc/{p}/fd")) for p in pids)
    assert upload(world, jpeg(500, 500)).status_code == 201
    before, kept = files(), blobs(world)
    assert len(kept) == 2
    whole = form(part("file", jpeg(900, 900, quality=100), "a.jpg"))
    head = (f"POST /v1/photos HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.resident.token}\r\n"
            f"Content-Type: {FORM}\r\nContent-Length: {len(whole)}\r\n\r\n").encode()
    for cut in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        with raw.Connection(world.server.url) as c:
            c.send(head + whole[:cut])
    harness.wait_for(lambda: files() <= before, "their connections to end")
    assert blobs(world) == kept
    # all of it sent, but nobody waits for the answer: a photo, or nothing
    with raw.Connection(world.server.url) as c:
        c.send(head + whole)
    harness.wait_for(lambda: files() <= before, "the last connection to end")
    known = lambda: {h for row in world.sql("select hash, thumb_hash from ticket.photo") for h in row}
    harness.wait_for(lambda: {f.parent.name + f.name for f in blobs(world)} == known(), "no file without its photo", 10)


def test_no_room_is_503_and_leaves_nothing(world):
    data = pathlib.Path(world.settings.values["data_dir"])
    data.rmdir()
    data.write_bytes(b"")
    reply = upload(world, jpeg())
    assert (reply.status_code, reply.json()["code"]) == (503, "storage_unavailable")
    assert world.sql("select count(*) from ticket.photo")[0][0] == 0
    data.unlink()
    data.mkdir()
    assert upload(world, jpeg()).status_code == 201


def test_a_lost_file_is_503_and_said(world):
    """From a backup without data_dir, say: the client may try again later."""
    path = attached(world, jpeg())
    for blob in blobs(world):
        blob.unlink()
    reply = world.resident.get(path)
    assert (reply.status_code, reply.json()["code"]) == (503, "storage_unavailable")
    assert world.server.lines("blob_missing")


@pytest.mark.parametrize("script, status, code", [
    ("exit 1", 503, "overloaded"), ("exit 4", 422, "photo_damaged"), ("kill -9 $$", 422, "photo_damaged"),
    ("exit 0", 500, "internal_error"), ("echo big; echo x >&4; echo x >&5", 500, "internal_error"),
    (None, 503, "overloaded")], ids=["trouble", "damaged", "killed", "silent", "senseless", "missing"])
def test_whatever_becomes_of_the_converter(other_converter, script, status, code):
    world, program = other_converter
    program.unlink(missing_ok=True)
    if script:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    reply = raw.exchange(world.server.url, "POST", "/v1/photos", {
        "Authorization": "Bearer " + world.site.tokens["resident"], "Content-Type": "image/jpeg"}, jpeg())
    assert (reply.status, json.loads(reply.body)["code"]) == (status, code)
    assert world.sql("select count(*) from ticket.photo") == [(0,)] and not blobs(world)


@pytest.fixture(scope="module")
def other_converter(site, spec, tmp_path_factory):
    """A daemon beside which another linlid-image may be put."""
    folder = tmp_path_factory.mktemp("converter")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness, "LINLID", folder / "linlid")
        shutil.copy(harness.BUILD / "linlid", folder / "linlid")
        made = conftest.World(site, spec, folder)
    yield made, folder / "linlid-image"
    made.close()


def test_bytes_of_dropped_photos_go(world):
    kept = attached(world, jpeg(500, 500, "yellow"))
    assert upload(world, jpeg(500, 500, "black")).status_code == 201
    assert len(blobs(world)) == 4
    for file in blobs(world):
        os.utime(file, (0, 0))
    world.set_clock("25 hours")
    harness.wait_for(lambda: len(blobs(world)) == 2, "the job to delete the bytes nobody used")
    assert world.sql("select count(*) from ticket.photo where subject is null")[0][0] == 0
    names = {f.parent.name + f.name for f in blobs(world)}
    assert names == set(world.sql("select hash, thumb_hash from ticket.photo")[0])
    assert kept


def test_bytes_no_row_ever_named_go(world):
    """An upload that died between its bytes and its row leaves nothing for good."""
    kept = attached(world, jpeg(500, 500, "green"))
    assert upload(world, jpeg(90, 90, "navy")).status_code == 201
    store = pathlib.Path(world.settings.values["data_dir"]) / "photos"
    known, left = set(blobs(world)), []
    for turn in range(4):  # the next minute's folders
        folder = store / f"{(int(time.monotonic() / 14) + turn) % 256:02x}"
        folder.mkdir(exist_ok=True)
        left.append([folder / ("1" * 62), folder / ".new-1"])
        for file in left[-1]:
            file.write_bytes(b"x")
            os.utime(file, (0, 0))
    # A new job process looks at once, and where the clock says.
    for child in world.server.children():
        os.kill(child, signal.SIGKILL)
    harness.wait_for(lambda: [f for f in left if not f[0].exists() and not f[1].exists()], "the sweep of a folder")
    assert known <= set(blobs(world))
    assert kept


def test_a_full_account_leaves_no_bytes(world):
    for i in range(20):
        assert upload(world, jpeg(20 + i, 20)).status_code == 201
    before = set(blobs(world))
    reply = upload(world, jpeg(300, 300, "black"))
    assert (reply.status_code, reply.json()["code"]) == (409, "photo_quota")
    assert set(blobs(world)) == before


def test_nothing_is_left_in_the_worker(world):
    """Descriptors and children of a worker stay as many as they were."""
    def state():
        pids = [world.server.pid(f"worker-{i}") for i in range(2)]
        return [(len(os.listdir(f"/proc/{p}/fd")),
                 pathlib.Path(f"/proc/{p}/task/{p}/children").read_text()) for p in pids]
    for n in range(4):
        upload(world, jpeg(50 + n))
        upload(world, b"nothing")
    before = state()
    for n in range(8):
        upload(world, jpeg(60 + n))
        upload(world, b"nothing")
    assert state() == before
