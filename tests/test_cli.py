"""linlid token, keys and user: what they do, say and refuse."""

import base64
import json
import os
import stat
import subprocess
import time

import pytest

import harness


@pytest.fixture(scope="module")
def database(site):
    """For all: each only adds to it."""
    name = site.cluster.fresh()
    yield name
    site.cluster.drop(name)


@pytest.fixture
def cli(site, tmp_path, database):
    """A folder of keys of one's own; call it like the program."""
    settings = harness.Settings(tmp_path, site.cluster, database, tmp_path / "keys")

    def call(*args, stdin=""):
        done = subprocess.run([str(harness.LINLID), *args], input=stdin, text=True, capture_output=True,
                              timeout=60, env={**os.environ, "LINLI_CONFIG": str(settings.path)})
        assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
        return done.returncode, done.stdout, done.stderr
    call.keys = tmp_path / "keys"
    call.sql = lambda text, *a: site.cluster.execute(database, text, *a)
    return call


def part(token, i):
    text = token.split(".")[i]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


# keys -----------------------------------------------------------------------

def test_keys(cli):
    assert cli("keys", "list")[0] == 1
    assert cli("keys", "rotate")[0] == 1
    assert not cli.keys.exists()
    assert cli("keys", "new") == (0, "", "")
    names = sorted(os.listdir(cli.keys))
    assert len(names) == 3 and {"current", "data.key"} < set(names)
    assert stat.S_IMODE(cli.keys.stat().st_mode) == 0o700
    for name in names:
        assert stat.S_IMODE((cli.keys / name).stat().st_mode) == 0o600
    data = (cli.keys / "data.key").read_bytes()
    code, _, why = cli("keys", "new")
    assert code == 1 and "already" in why
    first = (cli.keys / "current").read_text().strip()
    code, out, why = cli("keys", "rotate")
    assert (code, out) == (0, "") and "SIGHUP" in why
    second = (cli.keys / "current").read_text().strip()
    assert first != second
    code, out, _ = cli("keys", "list")
    assert {line.split()[0]: line.split()[1] for line in out.splitlines()} == {first: "checks", second: "signs"}
    assert (cli.keys / "data.key").read_bytes() == data


def test_keys_need_a_place(cli, tmp_path):
    conf = tmp_path / "linlid.conf"
    conf.write_text(conf.read_text() + 'keys_dir = "/nonexistent/keys"\n')
    for command in ("new", "rotate"):
        code, out, why = cli("keys", command)
        assert (code, out) == (1, "") and "/nonexistent/keys: No such file" in why


def test_a_data_key_is_never_replaced(cli):
    """Every sealed field hangs on it, whatever is wrong with the file."""
    cli("keys", "new")
    for file in cli.keys.glob("*.pem"):
        file.unlink()
    (cli.keys / "data.key").chmod(0o644)
    data = (cli.keys / "data.key").read_bytes()
    code, _, why = cli("keys", "new")
    assert code == 1 and "data.key: File exists" in why
    (cli.keys / "data.key").chmod(0o600)
    assert cli("keys", "new")[0] == 0
    assert (cli.keys / "data.key").read_bytes() == data


@pytest.mark.parametrize("args", [(), ("old",), ("new", "x"), ("--help-me",)])
def test_keys_usage(cli, args):
    code, out, why = cli("keys", *args)
    assert (code, out) == (2, "") and why.startswith("usage: linlid keys")


# token ----------------------------------------------------------------------

def test_token(cli):
    cli("keys", "new")
    code, out, why = cli("token", "--account", "lead", "--role", "grid_lead", "--street", "1", "--ttl", "60")
    assert (code, why) == (0, "") and out.endswith("\n") and out.count("\n") == 1
    claims = part(out.strip(), 1)
    assert (claims["role"], claims["street"]) == ("grid_lead", 1)
    assert claims["exp"] - claims["iat"] == 60 and abs(claims["iat"] - time.time()) < 60
    row = cli.sql("select account_id::text, role, street_id, epoch from identity.session where id = %s", claims["sid"])
    assert row == [(claims["sub"], "grid_lead", 1, claims["epoch"])]


def test_token_defaults(cli):
    cli("keys", "new")
    code, out, _ = cli("token", "--account", "street")
    claims = part(out.strip(), 1)
    assert code == 0 and claims["role"] == "street" and claims["exp"] - claims["iat"] == 900


@pytest.mark.parametrize("args, code, says", [
    (("--account", "nobody"), 1, "account_unknown"),
    (("--account", "resident", "--role", "street"), 1, "role_not_granted"),
    (("--account", "resident", "--street", "2"), 1, "role_not_granted"),
    ((), 2, "usage"), (("--role", "resident"), 2, "usage"),
    (("--account", "resident", "--role", "admin"), 2, "usage"),
    (("--account", "resident", "--street", "0"), 2, "usage"),
    (("--account", "resident", "--street", "65536"), 2, "usage"),
    (("--account", "resident", "--ttl", "0"), 2, "usage"), (("--account", "resident", "--ttl", "-5"), 2, "usage"),
    (("--account", "resident", "--ttl", "1e3"), 2, "usage"), (("--account", "resident", "--ttl", "2678401"), 2, "usage"),
    (("--account", "resident", "extra"), 2, "usage"), (("--account",), 2, "usage"), (("--colour", "red"), 2, "usage"),
])
def test_token_refused(cli, args, code, says):
    cli("keys", "new")
    before = cli.sql("select count(*) from identity.session")
    got, out, why = cli("token", *args)
    assert (got, out) == (code, "") and says in why
    assert cli.sql("select count(*) from identity.session") == before


def test_token_without_keys(cli):
    code, out, why = cli("token", "--account", "resident")
    assert (code, out) == (1, "") and "keys" in why


# user -----------------------------------------------------------------------

def test_user_life(cli):
    code, out, why = cli("user", "add", "--login", "Wang.Fang", "--name", "王芳", "--password-stdin",
                         stdin="correct horse\n")
    assert (code, why) == (0, "")
    login, name, digest = cli.sql("select login, display_name, password_hash from identity.account where id = %s",
                                  out.strip())[0]
    assert (login, name) == ("wang.fang", "王芳")
    assert digest.startswith("$argon2id$v=19$m=65536,t=2,p=1$")  # as strong as the stand-in for unknown logins
    assert cli("user", "add", "--login", "wang.fang", "--name", "x")[0] == 1
    cli("keys", "new")
    assert cli("token", "--account", "wang.fang")[0] == 1
    assert cli("user", "grant", "--login", "wang.fang", "--role", "community", "--street", "1", "--path", "1/1/")[0] == 0
    assert cli("token", "--account", "wang.fang")[0] == 0
    code, out, _ = cli("user", "password", "--login", "wang.fang", "--password-stdin", stdin="another one\n")
    assert (code, out) == (0, "1\n")  # one session ended
    assert cli.sql("select password_hash from identity.account where login = 'wang.fang'")[0][0] != digest
    assert cli("token", "--account", "wang.fang")[0] == 0
    assert cli("user", "disable", "--login", "wang.fang")[:2] == (0, "1\n")
    assert "account_disabled" in cli("token", "--account", "wang.fang")[2]
    assert cli("user", "enable", "--login", "wang.fang")[0] == 0
    assert cli("token", "--account", "wang.fang")[0] == 0
    assert cli("user", "revoke", "--login", "wang.fang", "--role", "community", "--street", "1", "--path", "1/1/")[0] == 0
    assert "role_not_granted" in cli("token", "--account", "wang.fang")[2]


@pytest.mark.parametrize("args, stdin, code, says", [
    (("grant", "--login", "nobody", "--role", "street", "--street", "1"), "", 1, "account_unknown at /login"),
    (("grant", "--login", "resident", "--role", "street", "--street", "9"), "", 1, "grid_not_found at /path"),
    (("disable", "--login", "nobody"), "", 1, "account_unknown"),
    (("add", "--login", "resident", "--name", "x"), "", 1, "there already"),
    (("add", "--login", "a b", "--name", "x"), "", 1, "not allowed"),
    (("add", "--login", "new", "--name", "x", "--password-stdin"), "short\n", 1, "8 to 256"),
    (("add", "--login", "new", "--name", "x", "--password-stdin"), "", 1, "8 to 256"),
    (("add", "--login", "new", "--name", "x", "--password-stdin"), "x" * 257, 1, "8 to 256"),
    ((), "", 2, "usage"), (("remove",), "", 2, "usage"), (("add", "--login", "x"), "", 2, "usage"),
    (("add", "--login", "x", "--name", "y", "--role", "street"), "", 2, "usage"),
    (("password", "--login", "resident"), "", 2, "usage"),
    (("grant", "--login", "resident", "--role", "king", "--street", "1"), "", 2, "usage"),
    (("grant", "--login", "resident", "--role", "street", "--street", "x"), "", 2, "usage"),
    (("disable", "--login", "resident", "more"), "", 2, "usage"),
    (("disable", "resident"), "", 2, "usage"),
])
def test_user_refused(cli, args, stdin, code, says):
    accounts = cli.sql("select count(*), count(disabled_at) from identity.account")
    got, out, why = cli("user", *args, stdin=stdin)
    assert (got, out) == (code, "") and says in why
    assert cli.sql("select count(*), count(disabled_at) from identity.account") == accounts


def test_database_away(cli, tmp_path):
    cli("keys", "new")
    conf = (tmp_path / "linlid.conf")
    conf.write_text(conf.read_text() + 'database_owner = "host=/nonexistent user=linli_owner"\n')
    for args in (("token", "--account", "resident"), ("user", "disable", "--login", "resident")):
        code, out, why = cli(*args)
        assert (code, out) == (1, "") and "database is away" in why


@pytest.mark.parametrize("args", [(), ("load",), ("old", "x"), ("load", "x", "y"), ("load", "x", "--at", "2026-01-01")])
def test_regions_usage(cli, args):
    code, out, why = cli("regions", *args)
    assert (code, out) == (2, "") and why.startswith("usage: linlid regions")


def test_regions_says_what_it_cannot_read(cli, tmp_path):
    (tmp_path / "empty").write_text("")
    (tmp_path / "binary").write_bytes(b"code,level,name\n\0")
    for name in ("missing", "empty", "binary"):
        code, out, why = cli("regions", "load", str(tmp_path / name))
        assert (code, out) == (1, "") and "cannot be read" in why


@pytest.mark.parametrize("args", [(), ("load",), ("old", "x"), ("load", "x", "y")])
def test_calendar_usage(cli, args):
    code, out, why = cli("calendar", *args)
    assert (code, out) == (2, "") and why.startswith("usage: linlid calendar")


def test_a_year_is_loaded(cli, tmp_path):
    (tmp_path / "2027.csv").write_text("date,name,off\n2026-12-31,元旦,1\n2027-01-01,元旦,1\n2027-01-09,元旦,0\n")
    assert cli("calendar", "load", str(tmp_path / "2027.csv"))[:2] == (0, "3 days, 3 changed; published: 2027; 0 clocks reckoned anew\n")
    assert cli.sql("select clock.add_working_days('2026-12-30', 1)::text, clock.is_provisional('2026-12-31', '2027-12-31')") \
        == [("2027-01-04", False)]
    (tmp_path / "2027.csv").write_text("date,name,off\n2027-01-01,元旦,yes\n")
    code, out, why = cli("calendar", "load", str(tmp_path / "2027.csv"))
    assert (code, out) == (1, "") and "calendar_line_invalid at 2" in why
