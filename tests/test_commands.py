"""linlid by hand: help, check, migrate, and the starts it refuses."""

import contextlib
import os
import re
import signal
import socket
import subprocess

import pytest

import harness
import raw

COMMANDS = ("serve", "migrate", "check", "token", "keys", "user", "issuer", "regions", "calendar", "audit", "version")


class Program:
    """linlid with settings and a database of its own."""

    def __init__(self, site, folder, database):
        self.site, self.database = site, database
        self.settings = harness.Settings(folder, site.cluster, database, site.keys)
        self.env = {**os.environ, "LINLI_CONFIG": str(self.settings.path),
                    "ASAN_OPTIONS": "detect_leaks=0"}  # one that gives up frees nothing

    def set(self, **values):
        self.settings.values.update(values)
        self.settings.write()

    def start(self, *args, prefix=(), **kw):
        return subprocess.Popen([*harness.TIED, *prefix, str(harness.LINLID), *args], env=self.env, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)

    def __call__(self, *args, **kw):
        return self.end(self.start(*args, **kw))

    @staticmethod
    def end(process):
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
        assert "Sanitizer" not in err and "runtime error" not in err, err
        return process.returncode, out, err

    def sql(self, text, *args):
        return self.site.cluster.execute(self.database, text, *args)


@pytest.fixture(scope="module")
def database(site):
    """For those who do not change it."""
    name = site.cluster.fresh()
    yield name
    site.cluster.drop(name)


@pytest.fixture
def linlid(site, tmp_path, database):
    return Program(site, tmp_path, database)


@pytest.fixture
def migrated(site, tmp_path):
    """To be tampered with."""
    name = site.cluster.fresh()
    yield Program(site, tmp_path, name)
    site.cluster.drop(name)


@pytest.fixture
def unmigrated(site, tmp_path):
    """A database of which only the superuser's step is done."""
    name = f"empty{os.getpid()}"
    site.cluster.create(name, "template0")
    subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", site.cluster.superuser(name),
                    "-f", str(harness.TOP / "sql/setup.sql")], check=True, timeout=60, capture_output=True)
    yield Program(site, tmp_path, name)
    site.cluster.drop(name)


# Help -------------------------------------------------------------------------------

@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(linlid, flag):
    """All commands, and all settings with their defaults; needs no settings file."""
    linlid.env["LINLI_CONFIG"] = "/nonexistent"
    code, out, err = linlid(flag)
    assert (code, err) == (0, "")
    assert re.findall(r"^  (\w+)", out, re.M) == list(COMMANDS)
    for setting in linlid.settings.values:
        assert re.search(rf"^#?\s*{setting} = ", out, re.M), setting
    for command in COMMANDS:
        code, out, err = linlid(command, flag)
        assert (code, err) == (0, "") and out.startswith(f"  {command}"), command


@pytest.mark.parametrize("args, says", [
    ((), "COMMAND"), (("sevre",), "unknown command sevre"), (("serve", "now"), "unknown argument now"),
    (("check", "all"), "takes no arguments"), (("migrate", "back"), "migrate [--status]"),
])
def test_wrong_usage(linlid, args, says):
    code, out, err = linlid(*args)
    assert (code, out) == (2, "") and says in err


def test_config_may_stand_anywhere_and_wins(linlid, tmp_path):
    other = tmp_path / "other.conf"
    other.write_text("nosuch = 1\n")
    for args in (("--config", str(other), "check"), ("check", "--config", str(other))):
        code, _, err = linlid(*args)
        assert code == 1 and f"{other}:1: no such option 'nosuch'" in err
    linlid.env["LINLI_CONFIG"] = str(other)
    assert linlid("check", "--config", str(linlid.settings.path))[0] == 0
    code, _, err = linlid("serve", "--config")
    assert code == 1 and "--config needs a file name" in err


# check ------------------------------------------------------------------------------

def test_check(linlid):
    assert linlid("check") == (0, "contract, queries, keys and database agree\n", "")
    linlid.set(database="host=/nonexistent user=linli_app")
    code, out, err = linlid("check")
    assert (code, out) == (1, "") and "the database is away" in err


# migrate ----------------------------------------------------------------------------

def applied(program):
    return program.sql("select version, name from core.migration order by version")


def files():
    return sorted((harness.TOP / "sql/migrations").glob("*.sql"))


def test_status_before_and_after(unmigrated):
    names = [f.stem for f in files()]
    code, out, _ = unmigrated("migrate", "--status")
    assert code == 1, "something is pending"
    assert [re.fullmatch(r"(\d+) (\w+) +pending", line).groups() for line in out.splitlines()] == \
        [tuple(n.split("_", 1)) for n in names]
    assert unmigrated.sql("select to_regclass('core.migration')") == [(None,)], "only looked"
    assert unmigrated("user", "disable", "--login", "lead") == \
        (1, "", 'linlid: the database: schema "identity" does not exist\n')
    code, out, err = unmigrated("migrate")
    assert (code, err) == (0, "") and out.splitlines() == ["applied " + n.replace("_", " ", 1) for n in names]
    code, out, _ = unmigrated("migrate", "--status")
    assert code == 0
    assert all(re.search(r" \d{4}-\d\d-\d\dT[\d:]{8}Z$", line) for line in out.splitlines())
    assert unmigrated("migrate") == (0, "", ""), "a second time there is nothing to do"


def test_two_at_once_apply_each_migration_once(unmigrated):
    both = [unmigrated.start("migrate") for _ in range(2)]
    done = [unmigrated.end(p) for p in both]
    assert [code for code, _, _ in done] == [0, 0], done
    said = sorted(line for _, out, _ in done for line in out.splitlines())
    assert said == ["applied " + f.stem.replace("_", " ", 1) for f in files()]


TRAP = """create function trap() returns event_trigger language plpgsql as $$
begin
	if exists (select from pg_event_trigger_ddl_commands() where object_identity = 'identity.account') then
		alter table identity.account rename display_name to gone;
	end if;
end $$;
alter function trap() owner to postgres; alter function trap() security definer;
create event trigger trap on ddl_command_end when tag in ('CREATE TABLE') execute function trap()"""


def test_a_failing_migration_says_where_and_leaves_nothing(unmigrated):
    """The server counts characters from the statement's begin, people lines of
    the file; without a count it is the statement's first line."""
    unmigrated.sql(TRAP)
    code, out, err = unmigrated("migrate")
    file, line = re.match(r"linlid: migrations/(\S+):(\d+): ERROR: +column \S*display_name\S* does not", err).groups()
    text = (harness.TOP / "sql/migrations" / file).read_text().splitlines()
    assert code == 1 and "display_name" in text[int(line) - 1] and "create" not in text[int(line) - 1], err
    assert [f"applied {v:04} {n}" for v, n in applied(unmigrated)] == out.splitlines()
    assert applied(unmigrated)[-1][0] == int(file[:4]) - 1
    unmigrated.sql("drop event trigger trap")
    assert unmigrated("migrate")[0] == 0
    last = files()[-1]
    unmigrated.sql("delete from core.migration where version = %s", int(last.name[:4]))
    code, out, err = unmigrated("migrate")
    line, name = re.match(rf"linlid: migrations/{last.name}:(\d+): ERROR: +\w+ \"(\w+)\" already", err).groups()
    assert (code, out) == (1, "")
    assert re.match(rf"create .*\b{name}\b", last.read_text().splitlines()[int(line) - 1]), err


def test_a_database_of_another_program_is_refused(migrated):
    last = applied(migrated)[-1][0]
    migrated.sql("insert into core.migration (version, name, checksum) values (%s, 'later', 'x')", last + 1)
    code, _, err = migrated("migrate")
    assert code == 1 and "use the newer program" in err
    migrated.sql("delete from core.migration where version in (3, %s)", last + 1)
    code, _, err = migrated("migrate")
    assert code == 1 and "lacks migration 0003" in err


def test_migrate_without_a_database(linlid):
    linlid.set(database_owner="host=/nonexistent user=linli_owner")
    code, out, err = linlid("migrate")
    assert (code, out) == (1, "") and "/nonexistent" in err


def test_a_lock_is_waited_for_without_holding_others_up(migrated):
    """Who came first applies it; the second sees that it is done."""
    last, = migrated.sql("select version, name, checksum from core.migration order by version desc limit 1")
    migrated.sql("delete from core.migration where version = %s", last[0])
    first = migrated.site.cluster.connect(migrated.database)
    with first.cursor() as cur:
        cur.execute("begin")
        cur.execute("lock table core.migration in exclusive mode")
        second = migrated.start("migrate")
        assert "waiting for a lock" in second.stderr.readline()
        cur.execute("insert into core.migration (version, name, checksum) values (%s, %s, %s)", last)
        cur.execute("commit")
    first.close()
    assert migrated.end(second)[:2] == (0, "")
    assert applied(migrated)[-1][0] == last[0]


# Listening ----------------------------------------------------------------------------

@pytest.mark.parametrize("listen, says", [
    ("8080", "is not host:port"), ("h" * 256 + ":80", "is not host:port"),
    ("127.0.0.1:http", "cannot listen on 127.0.0.1:http"),
    ("192.0.2.1:0", "cannot listen on 192.0.2.1:0"),
    ("unix:/nonexistent/linli", "cannot listen on /nonexistent/linli"),
    ("unix:/tmp/" + "x" * 108, "has at most 107 bytes"),
])
def test_addresses_that_cannot_be(linlid, listen, says):
    linlid.set(listen=listen)
    code, _, err = linlid("serve")
    assert code == 1 and says in err


def test_a_socket_file_of_the_dead_is_taken_over_of_the_living_not(linlid, tmp_path):
    path = harness.temporary_folder() / "s"
    linlid.set(listen=f"unix:{path}")
    first = harness.Server(linlid.settings, tmp_path / "log1")
    code, _, err = linlid("serve")
    assert code == 1 and "another program is already listening" in err
    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait()
    assert path.exists()
    second = harness.Server(linlid.settings, tmp_path / "log2")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 200")
    assert second.stop() == 0 and not path.exists()
    path.parent.rmdir()


def test_one_socket_is_enough(linlid):
    script = 'exec 3</dev/null 4</dev/null; LISTEN_PID=$$ LISTEN_FDS=2 exec "$0" "$@"'
    code, _, err = linlid("serve", prefix=("sh", "-c", script))
    assert code == 1 and "systemd handed over 2 sockets; one is expected" in err


def test_one_socket_for_both_kinds_of_address_counts_them_apart(linlid, tmp_path):
    linlid.set(listen="[::]:0", max_connections_per_address=2, workers=1)
    server = harness.Server(linlid.settings, tmp_path / "log")
    assert server.url.startswith("http://[::]:")
    with contextlib.ExitStack() as stack:
        for host in ("[::1]", "127.0.0.1"):
            three = [stack.enter_context(raw.Connection(server.url.replace("[::]", host))) for _ in range(3)]
            assert sorted(c.request("GET", "/healthz").status for c in three) == [200, 200, 503], host
    assert server.stop() == 0
