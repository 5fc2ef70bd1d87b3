"""What a database connection carries from one request to the next: nothing.
And what of the database's own words gets out: nothing."""

import json
import random
import uuid

import pytest

import harness
import raw
import samples
from conftest import World

# Reads, as the caller finds them when a request's first statement begins:
# the settings of its session, and how many rows it could see.
WATCH = """
create table public.found (pid integer, who text, settings text, rows bigint);
create function public.note(who text, settings text, rows bigint) returns void language sql security definer
	as 'insert into public.found values (pg_backend_pid(), $1, $2, $3)';
alter function core.enter(uuid, text) set schema public;
create function core.enter(session uuid, claim text) returns void
language plpgsql as $$
declare
	name text;
	n bigint;
	total bigint := 0;
begin
	for name in select c.oid::regclass from pg_catalog.pg_class c
		where c.relkind = 'r' and c.relrowsecurity and pg_catalog.has_table_privilege(c.oid, 'select') loop
		execute 'select count(*) from ' || name into n;
		total := total + n;
	end loop;
	perform public.note(
		concat(current_setting('linli.actor', true), current_setting('linli.role', true),
			current_setting('linli.street', true), current_setting('linli.scopes', true)),
		(select md5(string_agg(s.name || s.setting, ',' order by s.name)) from pg_settings s
			where s.name not like 'linli.%' and s.source not in ('default', 'override')), total);
	perform public.enter($1, $2);
end $$;
grant execute on function core.enter(uuid, text) to linli_app;
"""


@pytest.fixture
def watched(site, spec, tmp_path):
    world = World(site, spec, tmp_path)
    samples.ticket(world)
    world.sql(WATCH)
    world.set_clock("0 s")
    yield world
    world.close()


def test_between_requests_a_connection_is_nobody(watched):
    """security 44: looked at from inside, at the begin of each of 400 requests on
    the daemon's own connections: good ones, refused ones, some cut off."""
    rng = random.Random(44)
    people = sorted(n for n, (_, role) in harness.PEOPLE.items() if role in ("resident", "grid_lead", "community", "street"))
    ticket = samples.ticket(watched)
    refused = 0
    for n in range(400):
        name, kind = rng.choice(people), rng.randrange(8)
        client = getattr(watched, name)
        if kind == 0:
            client.post("/v1/tickets", samples.TICKET, headers={"Idempotency-Key": uuid.uuid4().hex})
        elif kind == 1:
            refused += client.post(f"/v1/tickets/{ticket}/accept").status_code >= 400
        elif kind == 2:
            refused += client.get(f"/v1/tickets/{uuid.uuid4()}").status_code == 404
        elif kind == 3:
            refused += client.post("/v1/grids", {"kind": "micro", "name": "x", "parent_id": str(uuid.uuid4())}).status_code >= 400
        elif kind == 4:
            with raw.Connection(watched.server.url) as c:
                c.send(f"GET /v1/tickets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.token}\r\n\r\n".encode())
        else:
            reply = client.get(("/v1/tickets", "/v1/me", f"/v1/grids/{samples.GRID}")[kind - 5])
            assert reply.status_code == (404 if kind == 7 and name.endswith("_far") else 200)
    rows = watched.sql("select count(*), count(distinct pid), count(distinct settings), max(rows),"
                       " array_agg(distinct who) from public.found")[0]
    assert rows[0] > 200 and rows[1] >= 2 and refused > 50
    assert rows[2:] == (1, 0, [""])
    harness.wait_for(lambda: {s for s, in watched.sql(
        "select state from pg_stat_activity where datname = %s and usename = 'linli_app'", watched.database)} == {"idle"},
        "idle connections")


# What an error says -----------------------------------------------------------------

CANARY = "zqcanary"
STATES = ["P0001", "XX000", "XX001", "22012", "22P02", "22001", "23505", "23514", "23503", "23502", "40001", "40P01", "42P01", "42501",
          "42883", "53100", "53200", "53300", "55P03", "57014", "57P01", "57P03", "58030", "25006", "25P02", "08006", "0A000", "2D000",
          "F0000", "HV000", "LN500", "LN999", "LN4", "LN200", "LN404"]
FAILING = """begin
	raise exception using errcode = '{state}', message = '{canary} relation "ticket.ticket" does not exist',
		detail = '{canary} Key (login)=(x) already exists', hint = '{canary} /var/lib/postgresql/15/main',
		table = '{canary}', schema = '{canary}', column = '{canary}', constraint = '{canary}';
end """


@pytest.fixture(scope="module")
def failing(site, spec, tmp_path_factory):
    world = World(site, spec, tmp_path_factory.mktemp("failing"))
    yield world
    world.close()


def says_nothing(reply, statuses):
    """A problem with its trace id, and no word of the database's."""
    problem = json.loads(reply.body)
    assert reply.status in statuses, f"{reply.status} {reply.body}"
    assert reply.header("Content-Type") == "application/problem+json"
    ids = set() if reply.status == 404 else {"instance", "trace_id"}
    assert set(problem) == {"type", "title", "status", "code"} | ids, problem
    text = str(reply.headers) + reply.body.decode()
    for word in (CANARY, "relation", "already exists", "postgres", "SQL", "core.", "ticket.", "P0001", "XX000", "57P01", "ERROR", ".c:"):
        assert word not in text, f"{word} in {text}"
    return problem


def test_errors_of_the_database_say_nothing(failing):
    """security 48: whatever it raises: a class of our own, or a trace id."""
    good, = failing.sql("select pg_get_functiondef(oid) from pg_proc where proname = 'act'"
                        " and pronamespace = 'ticket'::regnamespace")[0]
    head, _, tail = good.split("$function$")
    ticket, auth = samples.ticket(failing), {"Authorization": "Bearer " + failing.site.tokens["lead"]}
    for state in STATES:
        failing.sql(head + "$$" + FAILING.format(state=state, canary=CANARY) + "$$" + tail)
        reply = raw.exchange(failing.server.url, "POST", f"/v1/tickets/{ticket}/accept", auth)
        problem = says_nothing(reply, (400, 403, 404, 409, 422, 500, 503))
        if problem["code"] == "internal_error":
            line = harness.wait_for(lambda: [e for e in failing.server.lines("request")
                                             if e["req"] == problem["instance"].removeprefix("urn:uuid:")], "the log line")[0]
            assert line["trace"] == problem["trace_id"] and line["status"] == 500
    assert sum(CANARY in e.get("message", "") for e in failing.server.lines("sql_error")) > 5, "the log says what it was"
    failing.sql(good)
    assert raw.exchange(failing.server.url, "POST", f"/v1/tickets/{ticket}/accept", auth).status == 200


def test_a_backend_killed_in_the_middle_says_nothing(failing):
    """security 48: of a read and of a write, while they wait for a lock."""
    ticket = samples.ticket(failing)
    for method, target in (("GET", "/v1/tickets"), ("POST", f"/v1/tickets/{ticket}/accept")):
        with failing.site.cluster.connect(failing.database) as lock, lock.cursor() as cur:
            lock.autocommit = False
            cur.execute("lock table ticket.ticket in access exclusive mode")
            with raw.Connection(failing.server.url) as c:
                c.send(f"{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nAuthorization: Bearer "
                       f"{failing.site.tokens['lead']}\r\n\r\n".encode())
                harness.wait_for(lambda: failing.sql(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = %s"
                    " and wait_event_type = 'Lock' and usename = 'linli_app'", failing.database)[0][0], "the wait")
                reply = c.read()
            lock.rollback()
        problem = says_nothing(reply, (503,))
        assert problem["code"] in ("database_unavailable", "outcome_unknown", "overloaded") and reply.header("Retry-After")
    harness.wait_for(lambda: failing.lead.get("/v1/tickets").status_code == 200, "its return")
