"""Secrets that can be recognised, through everything the server does; then
every place is searched where one could have been left."""

import base64
import os
import pathlib
import pwd
import re
import resource
import shutil
import signal
import subprocess
import uuid

import harness
import phones
import samples
import totp
from conftest import World

PASSWORD, WRONG, DSN, PHONE = "zqcanary-password", "zqcanary-wrong", "zqcanary-dsn", "13877770047"
OWN_PHONE, LOGIN_PHONE, WECHAT_PHONE, ID_NUMBER, OPENID = (
    "13877770048", "13877770049", "13877770050", "510108195706144727", "zqcanaryopenid")


class Collector:
    """A client whose replies are all kept."""

    def __init__(self, world):
        self.world, self.texts = world, []

    def __call__(self, method, path, who=None, token=None, headers_=None, **kw):
        client = self.world.client(who)
        headers = {**({"Authorization": "Bearer " + token} if token else {}), **(headers_ or {})}
        reply = client(method, path, headers=headers, **kw)
        self.texts.append(f"{reply.headers} {reply.text}")
        return reply


def own_keys(site, folder):
    shutil.copytree(site.keys, folder / "keys")
    return folder / "keys"


def secrets_of(keys):
    """Each spelling in which a key's bytes could be written down."""
    found = {}
    for pem in keys.glob("*.pem"):
        for n, line in enumerate(pem.read_text().splitlines()[1:-1]):
            found[f"{pem.name}:{n}"] = line.encode()
    data = (keys / "data.key").read_bytes().strip()
    for name, text in {"raw": data, "hex": data.hex().encode(), "base64": base64.b64encode(data).rstrip(b"="),
                       "base64url": base64.urlsafe_b64encode(data).rstrip(b"=")}.items():
        found["data.key " + name] = text
    return found


def everything_done(world, ask):
    """Good and bad, with a secret wherever one may be put; the tokens."""
    harness.run_linlid(world.settings, "user", "password", "--login", "resident", "--password-stdin", stdin=PASSWORD + "\n")
    tokens = ask("POST", "/v1/sessions", json={"login": "resident", "password": PASSWORD}).json()
    ask.texts.clear()  # this one is meant to hold them
    assert ask("POST", "/v1/sessions", json={"login": "resident", "password": WRONG}).status_code == 401
    assert ask("POST", "/v1/sessions", json={"login": "resident", "password": PASSWORD, "role": "x"}).status_code == 422
    assert ask("POST", "/v1/sessions", data=f'{{"password":"{PASSWORD}"').status_code in (400, 415)
    assert ask("POST", "/v1/sessions", json={"login": PASSWORD, "password": PASSWORD}).status_code == 401
    access = tokens["access_token"]
    filed = ask("POST", "/v1/tickets", token=access, json={**samples.TICKET, "contact_phone": PHONE})
    assert filed.status_code == 201
    assert ask("POST", "/v1/tickets", token=access, json={**samples.TICKET, "contact_phone": PHONE + "x"}).status_code == 422
    assert ask("PUT", f"/v1/tickets/{filed.json()['id']}", token=access, json={**samples.TICKET, "contact_phone": PHONE}).status_code == 428
    for who in ("resident2", "lead", "community", "street"):
        ask("GET", "/v1/tickets", who)
        ask("GET", f"/v1/tickets/{filed.json()['id']}/events", who)
        ask("GET", f"/v1/tickets?q={PHONE}", who)
        assert ask("GET", f"/v1/tickets/{uuid.uuid4()}", who).status_code == 404
    assert ask("GET", "/v1/me", token=access + "x").status_code == 401
    for path in ("/openapi.json", "/healthz", "/readyz", "/.well-known/jwks.json", "/nosuch"):
        ask("GET", path)
    spent = world.client().post("/v1/sessions/refresh", {"refresh_token": tokens["refresh_token"]}).json()
    ask("POST", "/v1/sessions/refresh", json={"refresh_token": tokens["refresh_token"]})
    ask("POST", "/v1/sessions/refresh", json={"refresh_token": WRONG})
    ask("DELETE", "/v1/sessions/current", token=access)
    assert world.client("lead").get(f"/v1/tickets/{filed.json()['id']}/contact").json()["contact_phone"] == PHONE
    return {name + " " + key: t[key].encode() for name, t in (("first", tokens), ("second", spent))
            for key in ("access_token", "refresh_token")}


def logins_done(world, ask):
    """Codes, a second factor, WeChat, a program; what each of them gave."""
    proof = phones.proof(world, LOGIN_PHONE)
    me = world.client().post("/v1/sessions/sms", proof).json()
    assert ask("POST", "/v1/sessions/sms", json=proof).status_code == 401, "once"
    assert ask("POST", "/v1/sessions/sms", json={**proof, "phone": LOGIN_PHONE + "x"}).status_code == 422
    secret = totp.secret(phones.client(world, me).post("/v1/me/totp").json()["uri"])
    confirmed = phones.client(world, me).post("/v1/me/totp/confirm", {"totp": totp.code(secret)})
    assert ask("POST", "/v1/me/totp/confirm", token=me["access_token"], json={"totp": totp.code(secret)}).status_code >= 400
    code = f"login-{OPENID}-"
    wechat = world.client().post("/v1/sessions/wechat", {"code": code + "1", "phone_code": f"phone-{WECHAT_PHONE}-1"}).json()
    assert ask("POST", "/v1/sessions/wechat", json={"code": code + "1"}).status_code == 401
    client = samples.act(world, "street", "createClient", body={"name": "平台", "scopes": ["grids:read"]})["id"]
    given = samples.act(world, "street", "addClientSecret", {"id": client})["client_secret"]
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": given}
    token = world.client().post("/oauth/token", data=form).json()
    assert ask("POST", "/oauth/token", data={**form, "client_secret": given + "x"}).status_code == 401
    assert ask("POST", "/oauth/token", data={**form, "scope": "tickets:read"}).status_code == 400
    for who in ("street", "community"):
        ask("GET", "/v1/clients" if who == "street" else "/v1/staff", who)
    for each in (me, wechat):
        ask("GET", "/v1/me/logins", token=each["access_token"])
        ask("GET", "/v1/me/events", token=each["access_token"])
    return {"TOTP": secret, "TOTP in hex": secret.hex().encode(), "TOTP in base32": base64.b32encode(secret),
            "SMS code": re.compile(rf"(?<![0-9a-fA-F.-]){proof['code']}(?![0-9a-fA-F.-])".encode()),
            **{f"recovery code {n}": c.encode() for n, c in enumerate(confirmed.json()["recovery_codes"])},
            "client secret": given.encode(), "client's token": token["access_token"].encode(),
            "session of SMS": me["refresh_token"].encode(), "session of WeChat": wechat["refresh_token"].encode(),
            "token of WeChat": wechat["access_token"].encode(), "phone of SMS": LOGIN_PHONE.encode(),
            "phone of WeChat": WECHAT_PHONE.encode(), "openid": b"o" + OPENID.ljust(27, "_").encode(),
            "session_key": b"c2Vzc2lvbi1rZXktY2FuYXJ5", "secret of WeChat": b"wechat-test-secret"}


def people_done(world, ask):
    """A person with everything, found, changed, unmasked, and refused."""
    numbers = {"phone": OWN_PHONE, "id_number": ID_NUMBER}
    made = ask("POST", "/v1/persons", "community", json={
        "name": "唐小兰", "dwelling_id": samples.dwelling(world, None)["ids"]["id"], **numbers}).json()
    url = f"/v1/persons/{made['id']}"
    assert ask("POST", "/v1/persons", "community", json={
        "name": "唐小兰", "dwelling_id": made["dwelling_id"], **numbers}).status_code == 409
    assert ask("POST", "/v1/persons", "community", json={
        "name": "唐小兰", "dwelling_id": made["dwelling_id"], "id_number": ID_NUMBER[:-1] + "0"}).status_code == 422
    world.sql("alter table people.secret add constraint full_disk check (phone_index is null) not valid")
    assert ask("PUT", url, "community", json={"name": "唐小兰", **numbers}, headers_={"If-Match": '"1"'}).status_code == 400
    world.sql("alter table people.secret drop constraint full_disk")
    for who in ("lead", "community", "resident"):
        ask("GET", url, who)
        for field, number in numbers.items():
            ask("POST", "/v1/search/persons", who, json={field: number})
    plain = world.community.post(url + "/unmask", {"fields": list(numbers), "reason": "停水通知"},
                                 headers={"Idempotency-Key": "zq-unmask"})
    assert {f: plain.json()[f] for f in numbers} == numbers
    assert ask("POST", url + "/unmask", "lead", json={"fields": ["phone"], "reason": "停水通知"}).status_code == 403
    for path in ("/v1/audit", "/v1/changes"):
        ask("GET", path, "community")
    return {"person's phone": OWN_PHONE.encode(), "ID number": ID_NUMBER.encode()}


def processes(server):
    return [server.process.pid, *server.children()]


def test_no_secret_is_left_anywhere(site, spec, tmp_path, wechat):
    """security 47: log at its loudest, replies, arguments, PostgreSQL's log, its
    WAL, a dump of the database."""
    keys = own_keys(site, tmp_path)
    world, places = World(site, spec, tmp_path, keys_dir=str(keys), log_level="debug", wechat_url=wechat.url,
                          wechat_app_id=wechat.app), {}
    try:
        for name in ("database", "database_jobs"):
            world.settings.values[name] += f" password={DSN}"
        world.settings.write()
        world.server.stop()
        postgres_log = site.cluster.folder / "log"
        at = postgres_log.stat().st_size
        world.server = harness.Server(world.settings, world.folder / "log2")
        ask = Collector(world)
        secrets = {**secrets_of(keys), "password": PASSWORD.encode(), "wrong password": WRONG.encode(), "DSN": DSN.encode(),
                   "phone": PHONE.encode(), "hash": b"argon2id", "PEM": b"PRIVATE KEY", **everything_done(world, ask),
                   **logins_done(world, ask), **people_done(world, ask)}
        places["replies"] = "\n".join(ask.texts).encode()
        places["arguments"] = b"".join(pathlib.Path(f"/proc/{p}/cmdline").read_bytes() for p in processes(world.server))
        with open(postgres_log, "rb") as f:
            f.seek(at)
            places["PostgreSQL's log"] = f.read()
        places["WAL"] = b"".join(f.read_bytes() for f in sorted((site.cluster.folder / "data/pg_wal").glob("0*")))
        places["dump"] = subprocess.run(["pg_dump", "-d", site.cluster.superuser(world.database)], capture_output=True, check=True,
                                        timeout=120).stdout
    finally:
        world.close()
    places["log"] = (world.folder / "log").read_bytes() + (world.folder / "log2").read_bytes()
    # What a place is for. The hash of a password lives in the database.
    # The WAL is binary and long: some six digits stand there by chance.
    meant = {("hash", "WAL"), ("hash", "dump"), ("SMS code", "WAL")}
    stands = lambda secret, text: secret in text if isinstance(secret, bytes) else secret.search(text)  # noqa: E731
    left = [f"{name} in {place}" for place, text in places.items() for name, secret in secrets.items()
            if stands(secret, text) and (name, place) not in meant]
    assert left == []
    assert all(len(s) >= 8 for s in secrets.values() if isinstance(s, bytes)) and len(secrets) > 30
    assert stands(secrets["SMS code"], (world.folder / "sms").read_bytes()), "what is sent is found there"
    assert b"linli" in places["arguments"] and len(places["WAL"]) > 1 << 20 and b"ticket" in places["dump"]
    assert samples.TICKET["title"].encode() in places["WAL"], "what is stored in clear is found there"


def as_nobody():
    """How to run as somebody without rights, and whose files are theirs."""
    if os.getuid():
        return harness.TIED, os.getuid()
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *harness.TIED], pwd.getpwnam("nobody").pw_uid


def cores():
    """Of a process: as large as may be."""
    most = resource.getrlimit(resource.RLIMIT_CORE)[1] if os.getuid() else resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


def writes_cores():
    """Does this machine put them where the process stands, and let us have them."""
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
    return pattern.startswith("core") and (os.getuid() == 0 or resource.getrlimit(resource.RLIMIT_CORE)[1] != 0)


def test_nobody_else_reads_the_memory(site):
    """security 47: not even a process of the same user: neither environment nor
    memory, and no core is written; all processes of the daemon."""
    run_as, uid = as_nobody()
    folder = harness.temporary_folder()
    try:
        program = shutil.copy(harness.LINLID, folder / "linlid")
        keys = own_keys(site, folder)
        settings = harness.Settings(folder, site.cluster, "nosuch", keys, keys_dir=str(keys))
        for f in [folder, *folder.rglob("*")]:
            os.chown(f, uid, -1)
        with open(folder / "log", "wb") as log:
            server = subprocess.Popen([*run_as, str(program), "serve"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
                                      preexec_fn=cores,
                                      env={"LINLI_CONFIG": str(settings.path), "CANARY": "zqcanary", "PATH": os.environ["PATH"],
                                           "ASAN_OPTIONS": "detect_leaks=0:disable_coredump=0:handle_segv=0"})
        plain = subprocess.Popen([*run_as, "sleep", "600"], cwd=folder, preexec_fn=cores)
        try:
            harness.wait_for(lambda: b'"ready"' in (folder / "log").read_bytes(), "linlid to be ready")
            harness.wait_for(lambda: pathlib.Path(f"/proc/{plain.pid}/comm").read_text() == "sleep\n", "sleep")
            children = pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
            assert len(children) == 3

            def reads(pid, name):
                done = subprocess.run([*run_as, "head", "-c", "1", f"/proc/{pid}/{name}"], capture_output=True, timeout=20)
                return done.returncode == 0 and done.stdout != b""
            assert reads(plain.pid, "environ"), "an ordinary process of the same user can be read"
            for pid in (server.pid, *children):
                assert re.search(rf"^Uid:\t{uid}\t", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)
                for name in ("environ", "mem", "maps"):
                    assert not reads(pid, name), f"{pid} {name}"
            for pid in map(int, children):
                os.kill(pid, signal.SIGSEGV)
                harness.wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "it to be gone")  # noqa: B023
            assert list(folder.glob("core*")) == []
            plain.send_signal(signal.SIGSEGV)
            plain.wait(harness.WAIT)
            if writes_cores():
                assert list(folder.glob("core*")), "an ordinary process leaves one here"
        finally:
            for p in (server, plain):
                p.terminate()
                p.wait(harness.WAIT)
    finally:
        shutil.rmtree(folder)
