-- core: who is asking, errors, ids, clock, numbers, idempotency, events.
-- Run by linli_owner, one statement at a time.
create schema if not exists core;

-- Nothing is anybody's by default: each grant below is written out.
alter default privileges revoke execute on functions from public;
grant usage on schema core to linli_app, linli_job, linli_matcher;

---------------------------------------------------------------- context
-- Transaction-local settings, made by core.enter(). A setting once made reads
-- '' in later transactions of the connection, hence nullif. All of these are
-- inlined by the planner; keep them single SELECTs.

create function core.actor() returns uuid
language sql stable parallel safe
return nullif(current_setting('linli.actor', true), '')::uuid;
comment on function core.actor() is 'Account of the caller; null outside a context and for system.';

create function core.role() returns text
language sql stable parallel safe
return nullif(current_setting('linli.role', true), '');
comment on function core.role() is 'visitor | resident | grid_lead | community | street | department | merchant | client | system; null outside a context.';

create function core.org() returns uuid
language sql stable parallel safe
return nullif(current_setting('linli.org', true), '')::uuid;
comment on function core.org() is 'Department or partner (identity.org) the caller acts for; null for all others and outside a context.';

create function core.street() returns integer
language sql stable parallel safe
return nullif(current_setting('linli.street', true), '')::integer;
comment on function core.street() is 'Street number (grid.street.id) of the caller; null outside a context.';

create function core.scopes() returns text[]
language sql stable parallel safe
return nullif(current_setting('linli.scopes', true), '')::text[];
comment on function core.scopes() is 'Grid paths the caller answers for, each ending in /; null outside a context.';

create function core.systems() returns text[]
language sql stable parallel safe
return nullif(current_setting('linli.systems', true), '')::text[];
comment on function core.systems() is 'Outside systems a program speaks for, whose numbers it brings; null for everybody else.';

create function core.path_end(path text) returns text
language sql immutable strict parallel safe
return left(path, -1) || '0';
comment on function core.path_end(text) is
	'Exclusive upper bound of the subtree of a path: path >= p and path < core.path_end(p), in C collation (''/'' + 1 = ''0'').';

create function core.path_head(path text, n integer) returns text
language sql immutable strict parallel safe
return substring(path from '^(?:[0-9]+/){1,' || n || '}');
comment on function core.path_head(text, integer) is 'The first n steps of a grid path (all when it is shorter).';

create function core.scope_ranges() returns table (lo text, hi text)
language sql stable parallel safe rows 2
as $$select s, left(s, -1) || '0' from unnest(nullif(current_setting('linli.scopes', true), '')::text[]) s$$;
comment on function core.scope_ranges() is
	'The caller''s scopes as half-open path ranges, to join laterally: an index path that policies cannot give.';

-- The fewer operators, the cheaper: each is set up again in every statement
-- that reads a table with the policy. Without a context there is no scope.
create function core.may_see(path text, owner_id uuid, is_public boolean) returns boolean
language sql stable parallel safe
return case current_setting('linli.role', true)
	when 'resident' then is_public or owner_id = current_setting('linli.actor', true)::uuid
	when 'street' then true
	when 'system' then true
	when 'client' then owner_id = current_setting('linli.actor', true)::uuid
	else path ^@ any (nullif(current_setting('linli.scopes', true), '')::text[]) end;
comment on function core.may_see(text, uuid, boolean) is
	'The one rule of visibility inside a street, for policies (beside street_id = core.street()): street and system all, community and grid_lead their subtrees, a resident what is public or their own, a client its own; department and merchant nothing.';

create function core.may_see_private(path text, owner_id uuid) returns boolean
language sql stable parallel safe
return case current_setting('linli.role', true)
	when 'resident' then owner_id = current_setting('linli.actor', true)::uuid
	when 'street' then true
	when 'system' then true
	when 'client' then owner_id = current_setting('linli.actor', true)::uuid
	else path ^@ any (nullif(current_setting('linli.scopes', true), '')::text[]) end;
comment on function core.may_see_private(text, uuid) is
	'As core.may_see, for what is never public: staff in scope, or the owner.';

---------------------------------------------------------------- clock
create function core.now() returns timestamptz
language sql stable parallel safe
return now() + coalesce(nullif(current_setting('linli.clock_offset', true), '')::interval, interval '0');
comment on function core.now() is
	'The only clock: start of the transaction, moved by the interval in setting linli.clock_offset (tests).';

create function core.today() returns date
language sql stable parallel safe
return (core.now() at time zone 'Asia/Shanghai')::date;
comment on function core.today() is 'Today''s date in Chengdu.';

create function core.colour(due_at timestamptz, warn_at timestamptz, now timestamptz) returns text
language sql immutable parallel safe
return case when due_at is not null then
	(array['green', 'yellow', 'red'])[1 + width_bucket(now, array[warn_at, due_at])] end;
comment on function core.colour(timestamptz, timestamptz, timestamptz) is
	'Of what is due: green, yellow from the first warning on, red when the time is over; null when nothing is. Written to be inlined, which a strict function with an array is not, nor one that names twice what may be a sub-query.';

---------------------------------------------------------------- errors
-- The path is fixed because core.enter() comes here with its owner's rights.
create function core.fail(status integer, code text, pointer text default null) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
	if pointer is null then
		raise exception using errcode = 'LN' || status, message = code;
	end if;
	raise exception using errcode = 'LN' || status, message = code, hint = pointer;
end
$$;
comment on function core.fail(integer, text, text) is
	'Ends the request: HTTP status, code of openapi/problems.yaml, JSON pointer of the field at fault.';

create function core.must(ok boolean, status integer, code text, pointer text default null) returns void
language plpgsql
as $$
begin
	if ok is not true then
		perform core.fail(status, code, pointer);
	end if;
end
$$;
comment on function core.must(boolean, integer, text, text) is
	'core.fail unless ok: select core.must(exists (select …), 404, ''not_found'') before a list.';

---------------------------------------------------------------- versions
create function core.is_stale(version integer, if_match text) returns boolean
language sql immutable parallel safe
return version::text <> split_part(if_match, '-', 1);
comment on function core.is_stale(integer, text) is
	'Was somebody faster: if_match is an ETag without its quotes, whose version stands before a dash; null when nothing was asked for. The caller fails with LN412 version_conflict.';

---------------------------------------------------------------- ids
-- PL/pgSQL, here and wherever a function cannot be inlined: it keeps its plan,
-- a LANGUAGE sql body is planned again in every statement that calls it.
create function core.new_id(street integer) returns uuid
language plpgsql volatile parallel safe
as $$
declare
	us constant bigint := date_part('epoch', clock_timestamp()) * 1000000;
begin
	return (lpad(to_hex(((us / 1000) << 16) | 32768 | (street & 4095)), 16, '0')
		|| to_hex(32768 | (((street >> 12) & 15) << 10) | (us % 1000)::integer)
		|| right(gen_random_uuid()::text, 12))::uuid;
end
$$;
comment on function core.new_id(integer) is
	'UUIDv8: 48 bits Unix ms; street number, 12 low bits after the version, 4 high bits after the variant; 10 bits µs of the ms, so that ids made one after the other sort so; 48 random bits. As uuid_make() in C.';

create function core.street_of(id uuid) returns integer
language sql immutable strict parallel safe
return ('x' || translate(substr(id::text, 16, 3), '-', ''))::bit(12)::integer
	| (((('x' || substr(id::text, 20, 2))::bit(8)::integer >> 2) & 15) << 12);
comment on function core.street_of(uuid) is 'Street number inside an id.';

---------------------------------------------------------------- personal text
create function core.mask_text(t text) returns text
language sql immutable strict parallel safe
return regexp_replace(regexp_replace(regexp_replace(t,
	'(?<![0-9０-９])([1-9１-９][0-9０-９]{2})[0-9０-９]{3}(?:[1１][9９]|[2２][0０])[0-9０-９]{9}[0-9０-９XxＸｘ](?![0-9０-９])',
	'\1***************', 'g'),
	'(?<![0-9０-９])([1１][3-9３-９][0-9０-９])[ -]?[0-9０-９]{4}[ -]?([0-9０-９]{4})(?![0-9０-９])',
	'\1****\2', 'g'),
	'(?<![0-9０-９])([0０][0-9０-９]{2,3})[ -]?[0-9０-９]{3,4}([0-9０-９]{4})(?![0-9０-９])',
	'\1****\2', 'g');
comment on function core.mask_text(text) is
	'Free text with mainland mobile numbers (138****5678), landlines and resident ID numbers masked, full-width digits too.';

create function core.mask_json(j text) returns json
language sql immutable strict parallel safe
return (select string_agg(core.mask_text(x.part) || coalesce(x.id, ''), '' order by x.n)
	from unnest(regexp_split_to_array(j, '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'),
		array(select m[1] from regexp_matches(j, '([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})', 'g') m))
	with ordinality x (part, id, n))::json;
comment on function core.mask_json(text) is
	'JSON as text, masked, but for its ids: one in 500 holds what looks like a telephone number.';

---------------------------------------------------------------- region
create table core.region (
	code text not null,
	level text not null check (level in ('district', 'street', 'community')),
	name text not null,
	valid_from date not null default '2000-01-01',
	valid_to date check (valid_to > valid_from),
	primary key (code, valid_from)
);
comment on table core.region is
	'class: reference. Statistical division codes (6, 9 or 12 digits); codes change, so rows hold from valid_from until before valid_to.';

---------------------------------------------------------------- transitions
create table core.transition (
	machine text not null,
	from_state text not null default '',
	action text not null,
	to_state text not null,
	roles text[] not null,
	guard text,
	primary key (machine, from_state, action)
);
comment on table core.transition is
	'class: reference. State machines as data. from_state '''' = creation; to_state = from_state means no move; guard names a rule the function of the action checks.';

---------------------------------------------------------------- counters
create table core.counter (
	street_id integer not null,
	name text not null,
	year integer not null,
	value integer not null check (value > 0),
	primary key (street_id, name, year)
);
comment on table core.counter is
	'class: street. Last number given per street, series and year (Asia/Shanghai).';
alter table core.counter enable row level security;
alter table core.counter force row level security;
create policy street on core.counter using (street_id = core.street());

create function core.next_number(street integer, name text) returns integer
language plpgsql volatile
as $$
declare
	n integer;
begin
	insert into core.counter as c (street_id, name, year, value)
	values ($1, $2, extract(year from core.today())::integer, 1)
	on conflict on constraint counter_pkey do update set value = c.value + 1
	returning c.value into n;
	return n;
end
$$;
comment on function core.next_number(integer, text) is
	'Next number of a series in the current year, from 1, without gaps among committed rows; holds the counter row until commit.';

---------------------------------------------------------------- idempotency
create table core.idempotency (
	street_id integer not null,
	actor_id uuid not null,
	key text collate "C" not null check (key ~ '^[A-Za-z0-9_-]{1,64}$'),
	hash text collate "C" not null,
	status integer not null,
	reply json,
	created_at timestamptz not null default core.now(),
	primary key (street_id, actor_id, key)
);
create index idempotency_created on core.idempotency (street_id, created_at);
comment on table core.idempotency is
	'class: street. Replies by Idempotency-Key, written in the transaction of the effect; live for 24 hours.';
alter table core.idempotency enable row level security;
alter table core.idempotency force row level security;
create policy own on core.idempotency using (street_id = core.street()
	and (actor_id = core.actor() or core.role() = 'system'));

create function core.settle() returns void
language plpgsql
as $$
begin
	if not pg_is_in_recovery() then
		perform pg_logical_emit_message(true, 'settle', '');
	end if;
end
$$;
comment on function core.settle() is
	'Makes of a transaction that only reads one whose commit waits for the disk, and for a standby, as that of a writer: what it has read is there to stay when it is answered. A standby is sent nothing else.';

create function core.idem_check(key text, hash text) returns void
language plpgsql
as $$
declare
	found_hash text;
begin
	select i.hash into found_hash from core.idempotency i
	where i.street_id = core.street() and i.actor_id = core.actor() and i.key = $1
		and i.created_at > core.now() - interval '24 hours';
	if found_hash <> $2 then
		perform core.fail(422, 'idempotency_mismatch');
	end if;
	if found_hash is not null then
		-- The reply may be of a commit that never reached the standby it
		-- waited for.
		perform core.settle();
	end if;
end
$$;
comment on function core.idem_check(text, text) is
	'LN422 idempotency_mismatch when the caller''s key lives with another request''s hash; else a replay is as durable as what it replays.';

create function core.idem_put(key text, hash text, status integer, reply json) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	-- Waits for a rival with the same key; READ COMMITTED then sees its row.
	insert into core.idempotency as i (street_id, actor_id, key, hash, status, reply)
	values (core.street(), core.actor(), $1, $2, $3, $4)
	on conflict on constraint idempotency_pkey do update
		set hash = excluded.hash, status = excluded.status,
			reply = excluded.reply, created_at = excluded.created_at
		where i.created_at <= core.now() - interval '24 hours';
	if not found then
		raise unique_violation using constraint = 'idempotency_pkey',
			message = 'idempotency key taken';
	end if;
end
$$;
comment on function core.idem_put(text, text, integer, json) is
	'Stores the reply of the caller''s key; unique_violation (23505) when a live row holds it: roll back and replay.';

create function core.idem_sweep() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	n integer;
begin
	delete from core.idempotency i
	where i.street_id = core.street() and i.created_at <= core.now() - interval '24 hours';
	get diagnostics n = row_count;
	return n;
end
$$;
comment on function core.idem_sweep() is 'Job: deletes the street''s dead keys, returns how many.';

---------------------------------------------------------------- events
-- Events are ordered by transaction number, which belongs to a cluster: those
-- of a restored dump may be ahead of all the new one gives out for years, and
-- would be invisible for so long. So numbers count from the begin of an era.
-- It is a constant in a function's body: reading it costs nothing.
create function core.era() returns bigint
language sql stable parallel safe
return 0;
comment on function core.era() is
	'What is added to this cluster''s transaction numbers; core.era_begin() writes it anew.';

create function core.event_xact() returns xid8
language sql volatile
return (pg_current_xact_id()::text::bigint + core.era())::text::xid8;
comment on function core.event_xact() is 'The number of this transaction in the feed.';

create function core.event_horizon() returns xid8
language sql stable
return (pg_snapshot_xmin(pg_current_snapshot())::text::bigint + core.era())::text::xid8;
comment on function core.event_horizon() is 'All below it in the feed is settled.';

create table core.event (
	street_id integer not null,
	id uuid not null,
	xact xid8 not null default core.event_xact(),
	at timestamptz not null default core.now(),
	subject text not null,
	subject_id uuid not null,
	action text not null,
	from_state text,
	to_state text,
	actor_id uuid,
	actor_role text not null,
	path text collate "C" not null,
	owner_id uuid,
	is_public boolean not null default false,
	org_id uuid,
	data json,
	primary key (street_id, id)
);
create index event_feed on core.event (street_id, xact, id);
create index event_subject on core.event (street_id, subject_id, xact, id);
create index event_org on core.event (street_id, org_id, xact, id) where org_id is not null;
comment on table core.event is
	'class: street. Append-only: every state change, one row, in its transaction. Feeds order by (xact, id) and deliver only xact < core.event_horizon().';
comment on column core.event.path is 'Grid path of the subject at the time, for visibility';
comment on column core.event.owner_id is 'The resident who may always see it';
comment on column core.event.org_id is 'The department whose own part or proposal it is of, which sees it too';
alter table core.event enable row level security;
alter table core.event force row level security;
create policy read on core.event for select
	using (street_id = core.street() and (core.may_see(path, owner_id, is_public) or org_id = core.org()));
create policy append on core.event for insert
	with check (street_id = core.street());
-- Not even the owner's own functions may rewrite history.
revoke update, delete, truncate on core.event from linli_owner;

create function core.put_event(subject text, subject_id uuid, action text,
	from_state text, to_state text, path text, owner_id uuid,
	is_public boolean, data json default null, org uuid default null) returns uuid
language plpgsql
as $$
declare
	new_id uuid := core.new_id(core.street());
begin
	insert into core.event (street_id, id, subject, subject_id, action,
		from_state, to_state, actor_id, actor_role, path, owner_id, is_public, data, org_id)
	values (core.street(), new_id, $1, $2, $3, $4, $5,
		core.actor(), core.role(), $6, $7, $8, $9, $10);
	return new_id;
end
$$;
comment on function core.put_event(text, uuid, text, text, text, text, uuid, boolean, json, uuid) is
	'Appends the event of a state change by the caller; returns its id. For functions owned by linli_owner.';

---------------------------------------------------------------- entering
-- Reads identity.session, grid.assignment and identity.client of later
-- migrations: PL/pgSQL binds those names when it first runs.
-- Paid by every request. So it reads columns that hold what is compared and set
-- as text already, does all in one statement for most (each operator, cast and
-- expression of PL/pgSQL costs more to set up than to run), and has no SET
-- search_path, which costs as much as reading the session: all it names, it
-- names with its schema instead (tests/sql/catalogue.sql).
create function core.enter(session uuid, claim text) returns void
language plpgsql security definer
as $$
declare
	by_place boolean;
begin
	select pg_catalog.set_config('linli.actor', s.actor_text, true) is not null
		and pg_catalog.set_config('linli.role', s.role, true) is not null
		and pg_catalog.set_config('linli.street', s.street_text, true) is not null
		and pg_catalog.set_config('linli.scopes', s.scopes_text, true) is not null
		and s.by_place into by_place
	from identity.session s
	where s.id operator(pg_catalog.=) enter.session and s.claim operator(pg_catalog.=) enter.claim
		and s.revoked_at is null and s.expires_at operator(pg_catalog.>) core.now();
	if by_place then
		return;
	elsif by_place is null then
		perform core.fail(401, 'session_revoked');
	end if;
	perform core.enter_apart(enter.session);
end
$$;
comment on function core.enter(uuid, text) is
	'First statement of every request''s transaction: sets the context from a live session, or LN401 session_revoked. The claim is account, role, street and epoch, with a space between.';

create function core.enter(session uuid, actor uuid, role text, street integer, epoch integer) returns void
language sql
return core.enter(session, concat_ws(' ', actor, role, street, epoch));
comment on function core.enter(uuid, uuid, text, integer, integer) is 'The same for who has the parts of the claim.';

create function core.enter_apart(session uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
	org uuid;
	made text;
begin
	if core.role() = 'grid_lead' then
		-- A lead acts only while assigned: never from what the session says.
		-- A grid within another of theirs adds nothing: lists walk each scope.
		with mine as materialized (
			select a.path from grid.assignment a
			where a.street_id = core.street() and a.account_id = core.actor()
				and a.from_on <= core.today() and (a.to_on is null or a.to_on > core.today()))
		select set_config('linli.scopes', coalesce(array_agg(m.path), '{}')::text, true) into made
		from mine m
		where not exists (select from mine x where x.path <> m.path and m.path ^@ x.path);
		return;
	end if;
	-- Nothing by place: what they may see is granted thing by thing.
	select s.org_id, set_config('linli.scopes', '{}', true) into org, made
	from identity.session s where s.id = enter_apart.session;
	made := set_config('linli.org', coalesce(org::text, ''), true);
	if core.role() = 'client' then
		select set_config('linli.systems', c.systems::text, true) into made
		from identity.client c where c.account_id = core.actor();
	end if;
end
$$;
comment on function core.enter_apart(uuid) is
	'The rest of core.enter() for those who do not see by their session''s path (identity.session.by_place).';

create function core.hold(account uuid) returns void
language plpgsql
as $$
begin
	perform pg_advisory_xact_lock_shared(hashtextextended(hold.account::text, 0));
end
$$;
comment on function core.hold(uuid) is
	'Said before core.enter() by what writes: until its transaction ends nobody erases the account, so that nothing it says is written after the erasure looked (core.hold_alone()).';

create function core.hold_alone(account uuid) returns void
language plpgsql
as $$
begin
	perform pg_advisory_xact_lock(hashtextextended(hold_alone.account::text, 0));
end
$$;
comment on function core.hold_alone(uuid) is
	'Waits until the account writes nothing, and lets it write nothing more before this transaction ends; what comes then finds no session.';

create function core.enter_system(street integer) returns void
language plpgsql
as $$
begin
	perform set_config('linli.actor', '', true),
		set_config('linli.role', 'system', true),
		set_config('linli.street', enter_system.street::text, true),
		set_config('linli.scopes', array[enter_system.street || '/']::text, true);
end
$$;
comment on function core.enter_system(integer) is
	'Context of job functions and loaders: role system in one street.';

---------------------------------------------------------------- grants
grant select on core.region, core.transition, core.event, core.idempotency to linli_app;
grant execute on function core.actor(), core.role(), core.org(), core.street(), core.scopes(), core.systems(),
	core.path_end(text), core.path_head(text, integer), core.scope_ranges(), core.may_see(text, uuid, boolean),
	core.may_see_private(text, uuid), core.now(), core.today(),
	core.colour(timestamptz, timestamptz, timestamptz),
	core.fail(integer, text, text), core.must(boolean, integer, text, text),
	core.new_id(integer), core.street_of(uuid),
	core.mask_text(text) to linli_app, linli_job, linli_matcher;
grant execute on function core.hold(uuid), core.enter(uuid, text), core.enter(uuid, uuid, text, integer, integer),
	core.settle(), core.idem_check(text, text), core.idem_put(text, text, integer, json) to linli_app;
grant execute on function core.enter_system(integer), core.idem_sweep() to linli_job;
