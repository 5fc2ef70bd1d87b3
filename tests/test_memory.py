"""Memory runs out: one allocation after the other fails, our code's or a
library's, over a start and over a request of each kind. Whoever is refused
memory may end by abort(); nobody may crash in another way, lie, or lose or
double a write. A short form here, `make sweep` (LINLI_SWEEP=all) tries all: each
place (fault/nomem.c) of a start; of a request that writes, and of what reads or
signs in each that none of them had before."""

import concurrent.futures
import contextlib
import gzip
import itertools
import json
import mmap
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import time
import types
import urllib.parse
import uuid

import jwt
import pytest
import requests

import conftest
import harness
import phones
import raw
import samples
import test_exports
import test_imports
import test_tls

ALL = os.environ.get("LINLI_SWEEP") == "all"
WORKERS = 24 if ALL else 6  # one that died young is started again with a pause
EVERY = -1      # as a process: each
NEVER = 1 << 60
PLACES, NEW_PLACES = 1, 2
FLEX = re.compile(r"out of dynamic memory in yy\w+\(\)\n")

# As struct control in fault/nomem.c: at, places, seen, failed; pids; known, refused.
HEAD, PIDS, TABLE = struct.Struct("4q"), 64, 8 << 16
KNOWN = HEAD.size + 8 * PIDS
REFUSED, SIZE = KNOWN + TABLE, KNOWN + 2 * TABLE


class Control:
    """Which allocation of which processes fails, and what came of it."""

    def __init__(self, folder):
        self.path = folder / "nomem"
        self.path.write_bytes(bytes(SIZE))
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), SIZE)
        self.env = {"LD_PRELOAD": str(harness.BUILD / "nomem.so"), "NOMEM": str(self.path),
                    "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def arm(self, at, pids, places=0, known=bytes(TABLE)):
        self.disarm()
        struct.pack_into(f"{PIDS}q", self.map, HEAD.size, *(list(pids) + [0] * PIDS)[:PIDS])
        struct.pack_into("3q", self.map, 8, places, 0, 0)
        self.map[KNOWN:REFUSED] = known
        struct.pack_into("q", self.map, 0, at)

    def disarm(self):
        """How many allocations there were, and whether one failed."""
        struct.pack_into("q", self.map, 0, 0)
        _, _, seen, failed = HEAD.unpack_from(self.map)
        return seen, failed > 0

    def known(self):
        return self.map[KNOWN:REFUSED]

    def forget(self):
        self.map[REFUSED:] = bytes(TABLE)


def word():
    """Letters only: in a title digits may look like a phone's, and be masked."""
    return uuid.uuid4().hex.translate(str.maketrans("0123456789", "ghijklmnop"))


def some(total, count):
    """count numbers of 1 … total, evenly."""
    return sorted({1 + i * (total - 1) // max(1, count - 1) for i in range(count)})


@contextlib.contextmanager
def gathered(wrong):
    """What does not hold is kept for the end: one sweep shows it all."""
    try:
        yield
    except AssertionError as e:
        wrong.append(str(e))


# A sanitizer that got no memory for itself, in a thread's start, ends it with 1.
ITS_OWN = re.compile(r"AddressSanitizer: CHECK failed: .*pthread_getattr_np.*\(0xc, 0x0\).*\n")


def unsound(said):
    """What a sanitizer found."""
    return re.search("Sanitizer|runtime error", ITS_OWN.sub("", said))


# A start ----------------------------------------------------------------------------

class Start:
    """linlid check or serve with one place's first allocation refused."""
    known = bytes(TABLE)  # places that were tried already

    def __init__(self, site, folder):
        self.folder, self.database = folder, site.cluster.fresh()
        tls = test_tls.certify(folder / "tls")
        self.settings = harness.Settings(folder, site.cluster, self.database, site.keys, workers=1,
                                         metrics_listen="127.0.0.1:0", **tls)

    def run(self, command, at):
        """(seen, failed, exit code, whether it came up, what it said)"""
        folder = self.folder / f"{command}-{at}"
        folder.mkdir()
        control = Control(folder)
        control.arm(at, [EVERY], PLACES, self.known)
        log = folder / "said"
        with open(log, "wb") as out:
            process = subprocess.Popen([*harness.TIED, "env", *(f"{k}={v}" for k, v in control.env.items()),
                                        str(harness.LINLID), command], stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=out, start_new_session=True,
                                       env={**os.environ, "LINLI_CONFIG": str(self.settings.path)})
        up = False
        try:
            def settled():
                nonlocal up
                up = b'"event":"ready"' in log.read_bytes()
                return up or process.poll() is not None
            harness.wait_for(settled, f"{command} to start or to end, {at} failing")
            seen, failed = control.disarm()
            self.seen = control.known()
            if process.poll() is None:
                process.terminate()
            process.wait(harness.WAIT)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        said = log.read_text(errors="replace")
        shutil.rmtree(folder)
        return seen, failed, process.returncode, up, said


def judge_start(command, at, failed, code, up, said):
    where = f"{command}, place {at}: {'up, ' if up else ''}exit {code}\n{said[-3000:]}"
    assert not unsound(said), where
    # 2: libconfuse's scanner, which says so and ends itself
    assert code in (0, 1, -signal.SIGABRT) or code == 2 and FLEX.fullmatch(said), where
    # 15: one that was just started, before it could say what SIGTERM means to it
    assert all(m in ("6", "15") for m in re.findall(r"child_died.*?signal (\d+)", said)), where
    if not up and command == "serve" or code == 1:
        assert code != 0 and (said.strip() or code == -signal.SIGABRT), where
    if not failed:
        assert code == 0, where


@pytest.mark.parametrize("command", ["check", "serve"])
def test_start(site, tmp_path, command):
    """security 51: it comes up, ends with a message, or aborts."""
    start = Start(site, tmp_path)
    if command == "serve":  # which checks first
        start.run("check", NEVER)
        start.known = start.seen
    total, failed, code, up, said = start.run(command, NEVER)
    judge_start(command, 0, failed, code, up, said)
    assert total > 100, "the allocations are not counted"
    wrong = []

    def one(at):
        _, failed, code, up, said = start.run(command, at)
        with gathered(wrong):
            judge_start(command, at, failed, code, up, said)
        return failed

    with concurrent.futures.ThreadPoolExecutor(2 * os.cpu_count()) as pool:
        refused = sum(pool.map(one, range(1, total + 1) if ALL else some(total, 5)))
    assert refused > 0 and not wrong, "\n".join(wrong)
    site.cluster.drop(start.database)


# A request --------------------------------------------------------------------------

class Short(conftest.World):
    """A daemon whose workers, or whose job process, can be refused memory."""

    def __init__(self, site, spec, folder, **settings):
        self.control = Control(folder)
        super().__init__(site, spec, folder, env=self.control.env, workers=WORKERS, database_connections=1,
                         metrics_listen=f"unix:{folder}/m", cors_origins="https://page.example", **settings)
        self.read, self.ready, self.excused = 0, set(), 0

    def news(self):
        """What the daemon has said since; and who of its workers has a database."""
        with open(self.server.log, "rb") as log:
            log.seek(self.read)
            text = log.read()
        text = text[:text.rfind(b"\n") + 1]
        self.read += len(text)
        for line in text.splitlines():
            if b'"database_ready"' in line:
                self.ready.add(json.loads(line)["pid"])
        return text.decode(errors="replace")

    def judge(self, where):
        said = self.news()
        assert not unsound(said), f"{where}\n{said}"
        # A sanitizer's last words may come a round before the end they tell of.
        self.excused += len(ITS_OWN.findall(said))
        for died in re.findall(r"child_died.*", said):
            self.excused -= "exit code 1" in died
            assert "signal 6" in died or "exit code 1" in died and self.excused >= 0, f"{where}\n{said}"
        assert self.server.process.poll() is None, f"{where}: the supervisor ended\n{said}"

    def close(self):
        """As every world, which knows of no sanitizer that ran short itself."""
        log = self.server.log
        log.write_text(ITS_OWN.sub("", log.read_text(errors="replace")))
        super().close()

    def able(self):
        """Pids of the living workers that have a database."""
        self.news()
        return list(self.ready & set(self.server.children()))


class Seen:
    """A reply as contract.check_reply wants it, with its packing undone."""

    def __init__(self, reply, sent):
        self.request = types.SimpleNamespace(headers=sent)
        self.status_code, self.headers = reply.status, dict(reply.headers)
        self.content = gzip.decompress(reply.body) if self.headers.get("Content-Encoding") == "gzip" else reply.body

    @property
    def text(self):
        return self.content.decode(errors="replace")

    def json(self):
        return json.loads(self.content)


class Kind:
    """A request of some kind, and what shows that its effect is there once."""
    method, path, status, body = "GET", "", 200, b""
    writes = False  # then all its places are tried, whoever had them before

    def __init__(self, world):
        self.world, self.first = world, None

    def headers(self):
        return self.as_("resident")

    def as_(self, name, **more):
        return {"Authorization": "Bearer " + self.world.site.tokens[name], **more}

    def pids(self):
        return self.world.able()

    def connect(self):
        return raw.Connection(self.world.server.url)

    def renew(self):
        """Before each round: what must not be the round before's."""

    def send(self):
        """Its reply; None when the connection ended before the whole of it."""
        try:
            with self.connect() as c:
                try:
                    sent = self.headers()
                    reply = c.request(self.method, self.path, sent, self.body)
                except AssertionError:  # the end, in the middle of a reply
                    return None
                return reply and Seen(reply, sent)
        except (ConnectionError, ssl.SSLError):
            return None

    def good(self, reply, where):
        """Right, or 503, or none; true when it is right."""
        if reply is None:
            return False
        self.world.spec.check_reply(self.method, self.path, reply)
        if reply.status_code == 503 and self.status != 503:
            return False
        assert reply.status_code == self.status, f"{where}: {reply.status_code} {reply.text}"
        shape = self.shape(reply)
        self.first = self.first or shape
        assert shape == self.first, f"{where}: {shape}, not {self.first}"
        return True

    def shape(self, reply):
        """What is the same in every good reply."""
        return sorted(reply.headers.keys() - {"Date"}), reply.json().keys() if reply.content[:1] == b"{" else None

    def effect(self, right, where):
        """After each round, what it did is as the reply said, and once."""


class Me(Kind):
    path = "/v1/me"

    def shape(self, reply):
        return super().shape(reply), reply.content


class Cold(Me):
    """On a connection that has prepared nothing yet."""

    def renew(self):
        backends, old = self.world.backends, self.world.backends()
        self.world.sql("select pg_terminate_backend(pid) from unnest(%s) as pid", list(old))
        harness.wait_for(lambda: len(backends() - old) == WORKERS, "new connections")


class NewToken(Me):
    """That no worker has verified before."""

    def __init__(self, world):
        super().__init__(world)
        token = world.site.tokens["resident"]
        self.claims = jwt.decode(token, options={"verify_signature": False})
        self.kid = samples.kid(token)
        self.key = (world.site.keys / f"{self.kid}.pem").read_text()

    def renew(self):
        self.claims["exp"] -= 1

    def headers(self):
        return {"Authorization": "Bearer " + jwt.encode(self.claims, self.key, "ES256", headers={"kid": self.kid})}


class GetOne(Me):
    def __init__(self, world):
        super().__init__(world)
        self.path = "/v1/tickets/" + samples.ticket(world)


class List(Me):
    def __init__(self, world):
        super().__init__(world)
        for _ in range(4):
            samples.ticket(world)
        self.path = "/v1/tickets?limit=2"

    def headers(self):
        return self.as_("resident", **{"If-None-Match": '"x"'})


class Packed(List):
    def headers(self):
        return self.as_("resident", **{"Accept-Encoding": "gzip"})


class Spec(Me):
    """Packed once and kept."""
    path = "/openapi.json"

    def headers(self):
        return {"Accept-Encoding": "gzip"}


class Create(Kind):
    writes = True
    method, path, status, key = "POST", "/v1/tickets", 201, ""
    by, field, fields, table = "resident", "title", samples.TICKET, "ticket.ticket"

    def renew(self):
        self.key = word()
        self.body = json.dumps({**self.fields, self.field: self.key}).encode()

    def headers(self):
        return self.as_(self.by, **{"Content-Type": "application/json", "Idempotency-Key": self.key})

    def good(self, reply, where):
        right = super().good(reply, where)
        assert not right or reply.json()[self.field] == self.key, f"{where}: {reply.text}, not {self.key}"
        return right

    def effect(self, right, where):
        query = f"select count(*) from {self.table} where {self.field} = '{self.key}'"
        assert self.world.sql(query)[0][0] in ([1] if right else [0, 1]), where
        harness.wait_for(lambda: self.good(self.send(), where), f"the same again after {where}")
        assert self.world.sql(query)[0][0] == 1, where


class Replay(Create):
    """The second time with the same key."""

    def renew(self):
        super().renew()
        harness.wait_for(lambda: self.good(self.send(), "first"), "the first of two")


class Enter(Create):
    """A person, with what is sealed of them."""
    path, by, field, table = "/v1/persons", "community", "name", "people.person"

    def __init__(self, world):
        super().__init__(world)
        self.fields = {**samples.LAN, "dwelling_id": samples.dwelling(world, None)["ids"]["id"]}


class Sync(Create):
    """Requests within a request: one that is good, one that is not."""
    path, status = "/v1/me/sync", 200

    def renew(self):
        super().renew()
        self.body = json.dumps({"items": [
            {"key": self.key, "method": "POST", "path": "/v1/tickets", "body": json.loads(self.body)},
            {"key": self.key + "-", "method": "POST", "path": "/v1/tickets", "body": {}}]}).encode()

    def headers(self):
        return self.as_(self.by, **{"Content-Type": "application/json"})

    def good(self, reply, where):
        if not Kind.good(self, reply, where):
            return False
        made, refused = reply.json()["items"]
        if 503 in (made["status"], refused["status"]):
            return False
        assert (made["status"], made["body"].get("title"), refused["status"]) == (201, self.key, 422), f"{where}: {reply.text}"
        return True


class Refused(Kind):
    """A body that the contract does not take."""
    method, path, status = "POST", "/v1/tickets", 422
    body = json.dumps({**samples.TICKET, "category": 5, "phone": "1"}).encode()

    def headers(self):
        return self.as_("resident", **{"Content-Type": "application/json", "Idempotency-Key": "refused"})


class Upload(Kind):
    writes = True
    method, path, status = "POST", "/v1/photos", 201

    def renew(self):
        self.world.sql("delete from ticket.photo where subject is null")
        self.body, self.media = samples.upload_body(samples.png(16, 16, os.urandom(3)))

    def headers(self):
        return self.as_("resident", **{"Content-Type": self.media})

    def good(self, reply, where):
        right = super().good(reply, where)
        if right:
            assert self.world.sql("select count(*) from ticket.photo where id = %s", reply.json()["id"]) == [(1,)]
        return right


class Download(Me):
    def __init__(self, world):
        super().__init__(world)
        picture = samples.photo(world, "resident")
        self.path = f"/v1/tickets/{samples.ticket(world, photo_ids=[picture])}/photos/{picture}"


class Login(Kind):
    method, path, status = "POST", "/v1/sessions", 201
    body = b'{"login": "resident", "password": "linli-demo"}'

    def renew(self):
        """One whose answer was lost is an attempt too; there may be only so many."""
        self.world.sql("delete from identity.attempt")

    def headers(self):
        return {"Content-Type": "application/json"}

    def good(self, reply, where):
        right = super().good(reply, where)
        if right:
            known = Me(self.world)
            known.headers = lambda: {"Authorization": "Bearer " + reply.json()["access_token"]}
            harness.wait_for(lambda: known.good(known.send(), where), f"the new token after {where}")
        return right


class WrongPassword(Login):
    status = 401
    body = b'{"login": "resident", "password": "linli-dem0"}'

    def good(self, reply, where):
        return Kind.good(self, reply, where)


class Code(Login):
    """By SMS; the sender writes into a file."""
    path, status = "/v1/logins/sms", 202

    def renew(self):
        super().renew()
        self.phone = phones.new()
        self.body = json.dumps({"phone": self.phone, "purpose": "login"}).encode()

    def good(self, reply, where):
        return Kind.good(self, reply, where)

    def sent(self):
        return [c for c in phones.codes(self.world) if c["phone"] == self.phone]

    def effect(self, right, where):
        assert len(self.sent()) in ([1] if right else [0, 1]), where


class SmsLogin(Login):
    path = "/v1/sessions/sms"

    def proof(self):
        code = Code(self.world)
        code.renew()
        reply = code.send()
        return code.good(reply, "a code") and {"phone": code.phone, "code_id": reply.json()["code_id"],
                                               "code": code.sent()[0]["code"]}

    def renew(self):
        super().renew()
        self.body = json.dumps(harness.wait_for(self.proof, "a code")).encode()


class WechatLogin(Login):
    path = "/v1/sessions/wechat"

    def renew(self):
        super().renew()
        self.body = json.dumps({"code": f"login-{uuid.uuid4().hex}"}).encode()


class OidcLogin(Login):
    path = "/v1/sessions/oidc"

    def __init__(self, world):
        super().__init__(world)
        world.issuer.known_to(world)

    def renew(self):
        super().renew()
        self.body = json.dumps({"id_token": self.world.issuer.token(groups=["wnc-street"])}).encode()


class ProgramLogin(Login):
    path, status = "/oauth/token", 200

    def __init__(self, world):
        super().__init__(world)
        self.body = urllib.parse.urlencode(samples.client_form(world, None)["data"]).encode()

    def headers(self):
        return {"Content-Type": "application/x-www-form-urlencoded"}


class Search(Me):
    """By a number: a blind index, and a line in the log."""
    method, path = "POST", "/v1/search/persons"
    body = json.dumps({"phone": samples.LAN["phone"]}).encode()

    def __init__(self, world):
        super().__init__(world)
        samples.person_in(world)

    def headers(self):
        return self.as_("community", **{"Content-Type": "application/json"})


class Unmask(Search):
    def __init__(self, world):
        super().__init__(world)
        self.path = f"/v1/persons/{samples.person_in(world)}/unmask"
        self.body = json.dumps({"fields": ["phone"], "reason": "通知停水"}).encode()


class Feed(Kind):
    path = "/v1/changes?limit=3"


class Update(Kind):
    writes = True
    method, status, etag, late = "PUT", 200, "", False

    def __init__(self, world):
        super().__init__(world)
        self.path = "/v1/tickets/" + samples.ticket(world)

    def renew(self):
        self.body = json.dumps({**samples.TICKET, "title": word()}).encode()
        self.etag = harness.wait_for(lambda: harness.Client(
            self.world.server.url, self.world.site.tokens["resident"]).get(self.path).headers.get("ETag"), "ETag")

    def headers(self):
        return self.as_("resident", **{"Content-Type": "application/json", "If-Match": self.etag})

    def good(self, reply, where):
        """The one before, whose worker died, may arrive after ours was read."""
        late, self.late = self.late, reply is None
        return not (late and reply and reply.status_code == 412) and super().good(reply, where)

    def effect(self, right, where):
        if right:
            assert self.world.sql("select count(*) from ticket.ticket where title = %s",
                                  json.loads(self.body)["title"]) == [(1,)], where


class Missing(Me):
    path, status = "/v1/nothing/here", 404

    def shape(self, reply):
        return Kind.shape(self, reply)


class Preflight(Me):
    method, path, status = "OPTIONS", "/v1/tickets", 204

    def headers(self):
        return {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}


class BadFraming(Missing):
    """What the guard answers itself."""
    method, path, status = "POST", "/v1/tickets", 400

    def headers(self):
        return {"Transfer-Encoding": "chunked"}


class Job(Kind):
    """What the job process does."""
    job, since = None, 0

    def pids(self):
        """A second old, for the same reason as WORKERS."""
        job = self.world.server.pid("job")
        if job != self.job:
            self.job, self.since = job, time.monotonic()
        return [job] if job and time.monotonic() > self.since + 1 else []


class Numbers(Job):
    """Prometheus."""
    path = "/metrics"

    def connect(self):
        return UnixConnection(self.world.settings.values["metrics_listen"])

    def good(self, reply, where):
        if reply is None or reply.status_code == 503:
            return False
        assert reply.status_code == 200 and reply.text.endswith("\n"), f"{where}: {reply.status_code} {reply.text}"
        names = set(re.findall(r"^# TYPE (\S+)", reply.text, re.M))
        self.first = self.first or names
        assert names == self.first, f"{where}: without {self.first - names}"
        return True


class Import(Job):
    """A file of persons, read and committed; it takes as long as it takes."""
    writes, form, numbers = True, staticmethod(test_imports.as_csv), itertools.count()

    def __init__(self, world):
        super().__init__(world)
        self.house = test_imports.build(world)

    def renew(self):
        self.number = next(self.numbers)
        self.name = "欧阳" + word()[:8]
        self.file = self.form([test_imports.person(self.house, self.number, 姓名=self.name)])

    def send(self):
        return test_imports.commit(self.world.community, test_imports.read(self.world.community, self.file))

    def good(self, made, where):
        assert (made["state"], made["counts"]["new"]) == ("done", 1), f"{where}: {made}"
        return True

    def effect(self, right, where):
        assert self.world.sql("select p.source_id, r.from_on::text from people.person p join people.residence r on r.person_id = p.id"
                              " where p.name = %s", self.name) == [(f"P{self.number}", "2020-01-05")], where


class ImportXlsx(Import):
    form = staticmethod(test_imports.as_xlsx)


class Export(Job):
    """A file of dwellings; the same each time."""
    writes, format = True, "csv"

    def __init__(self, world):
        super().__init__(world)
        test_imports.build(world)

    def send(self):
        self.world.sql("delete from transfer.export")  # there may be so many a day
        return test_exports.made(self.world.community, "dwellings", self.format)

    def good(self, rows, where):
        self.first = self.first or rows
        assert rows and rows == self.first, where
        return True


class ExportXlsx(Export):
    format = "xlsx"


class UnixConnection(raw.Connection):
    def __init__(self, where):
        self.host, self.data = "x", b""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(where.removeprefix("unix:"))


class Tls(Kind):
    """From the handshake on."""
    path = "/v1/me"

    def connect(self):
        return test_tls.Secure(self.world)


KINDS = {k.__name__: k for k in (Me, Cold, NewToken, GetOne, List, Packed, Spec, Create, Replay, Enter, Sync, Refused, Upload,
                                 Download, Login, WrongPassword, Code, SmsLogin, WechatLogin, OidcLogin, ProgramLogin,
                                 Search, Unmask, Feed, Update, Missing, Preflight, BadFraming, Numbers,
                                 Import, ImportXlsx, Export, ExportXlsx)}


@pytest.fixture(scope="module")
def short(site, spec, tmp_path_factory, wechat, issuer):
    made = Short(site, spec, tmp_path_factory.mktemp("short"), wechat_url=wechat.url, wechat_app_id=wechat.app)
    made.issuer = issuer
    yield made
    made.close()


def round_(kind, at, places):
    """One request with its at-th allocation refused: (how many there were,
    whether one was refused, whether the reply was right)."""
    world, where = kind.world, f"{type(kind).__name__}, allocation {at}"
    kind.renew()
    pids = harness.wait_for(kind.pids, f"a process before {where}")
    world.control.arm(at, pids, places)
    reply = kind.send()
    seen, failed = world.control.disarm()
    right = kind.good(reply, where)
    kind.effect(right, where)
    world.judge(where)
    return seen, failed, right


def untouched(kind):
    """How many places a good one takes."""
    for _ in range(100):
        seen, _, right = round_(kind, NEVER, PLACES)
        if right and seen:  # none: by a worker that was just started
            return seen
    raise AssertionError("never a good reply")


def tried(kind, at, places, wrong):
    """Whether one was refused, and whether the reply was right."""
    failed = right = True
    with gathered(wrong):
        _, failed, right = round_(kind, at, places)
    return failed, right


def sweep_some(kind, wrong):
    """Three of them, evenly; how many were refused."""
    total = min(untouched(kind) for _ in range(3))
    # a worker that is not counted yet may have answered: then again
    return sum(any(tried(kind, at, PLACES, wrong)[0] for _ in range(8)) for at in some(total, 3))


def sweep_all(kind, wrong):
    """The first place that was never refused, until there has been none for a
    while: a worker that is new, or not counted yet, has places of its own."""
    refused = quiet = 0
    while quiet < 5 and len(wrong) < 10:
        failed, right = tried(kind, 1, NEW_PLACES, wrong)
        refused += failed
        quiet = 0 if failed else quiet + right
    return refused


def sweep(kind):
    if kind.writes:
        kind.world.control.forget()
    untouched(kind)
    wrong = []
    refused = (sweep_all if ALL else sweep_some)(kind, wrong)
    print(f"{refused} places refused")
    assert not wrong, "\n".join(wrong)
    assert refused or ALL and not kind.writes
    untouched(kind)


def prepared(kind, world):
    """What it needs is made by requests, and a worker may still be dying of the kind before."""
    with contextlib.suppress(requests.ConnectionError):
        return kind(world)


@pytest.mark.parametrize("name", KINDS)
def test_request(short, name):
    """security 51: the right reply, a 503, or none; and each write once."""
    sweep(harness.wait_for(lambda: prepared(KINDS[name], short), "its needs"))


def test_handshake(site, spec, tmp_path):
    """security 51: the same, from the first byte of TLS on."""
    world = Short(site, spec, tmp_path, **test_tls.certify(tmp_path / "tls"))
    try:
        sweep(Tls(world))
    finally:
        world.close()
