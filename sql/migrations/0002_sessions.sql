-- identity: accounts, the roles they hold, sessions, the login throttle.
-- Passwords are verified in C (argon2id); the database keeps hashes only.
create schema identity;
grant usage on schema identity to linli_app, linli_job;

---------------------------------------------------------------- tables
-- Key tables are read and written by the functions below alone: the one
-- policy of each names linli_owner, so any other role sees no row.

create table identity.account (
	id uuid primary key,
	login text collate "C" unique
		check (login = lower(login) and login ~ '^[^[:space:][:cntrl:]]{2,64}$'),
	display_name text not null check (display_name ~ '[^[:space:]]' and length(display_name) <= 64),
	password_hash text,
	password_at timestamptz,
	created_at timestamptz not null default core.now(),
	disabled_at timestamptz
);
comment on table identity.account is 'class: key. A person who can sign in: by login and password where there are these, and by what identity.login (0014) holds.';
alter table identity.account enable row level security;
alter table identity.account force row level security;
create policy functions on identity.account to linli_owner using (true);

create table identity.account_role (
	id uuid primary key default core.new_id(0),
	account_id uuid not null references identity.account (id),
	role text not null check (role in ('resident', 'grid_lead', 'community', 'street',
		'department', 'merchant', 'client')),
	street_id integer not null,
	path text collate "C" not null,
	org_id uuid,
	from_on date not null default core.today(),
	to_on date check (to_on >= from_on),
	constraint account_role_key unique nulls not distinct (account_id, role, street_id, path, org_id),
	check (path ^@ (street_id || '/') and path ~ '^([0-9]+/)+$'),
	check (case when role in ('department', 'merchant') then org_id is not null
		else org_id is null or role = 'client' end)
);
create index account_role_street on identity.account_role (street_id, role);
comment on table identity.account_role is
	'class: key. A role held in a part of a street, from from_on until before to_on. A grid_lead''s reach is not here but in grid.assignment.';
comment on column identity.account_role.org_id is 'The department or partner (identity.org) it is held for';
alter table identity.account_role enable row level security;
alter table identity.account_role force row level security;
create policy functions on identity.account_role to linli_owner using (true);

create table identity.session (
	id uuid primary key,
	account_id uuid not null references identity.account (id),
	role text not null,
	street_id integer not null,
	path text collate "C" not null,
	org_id uuid,
	epoch integer not null default 1,
	second_factor boolean not null default false,
	address text,
	created_at timestamptz not null default core.now(),
	expires_at timestamptz not null,
	revoked_at timestamptz,
	revoked_why text,
	-- For core.enter(), which says why.
	claim text not null generated always as
		(account_id::text || ' ' || role || ' ' || street_id::text || ' ' || epoch::text) stored,
	actor_text text not null generated always as (account_id::text) stored,
	street_text text not null generated always as (street_id::text) stored,
	-- An array of one path needs no quotes.
	scopes_text text not null generated always as ('{' || path || '}') stored,
	by_place boolean not null generated always as
		(role not in ('grid_lead', 'department', 'merchant', 'client')) stored
);
create index session_account on identity.session (account_id) where revoked_at is null;
create index session_expires on identity.session (expires_at);
comment on table identity.session is
	'class: key. One sign-in = one family of refresh tokens, in one role. core.enter() reads it in every request: revoked_at or another epoch ends the access tokens at once.';
comment on column identity.session.by_place is 'What its role sees lies below path; not so for leads, who see what is assigned to them, nor for those who see thing by thing';
comment on column identity.session.expires_at is 'End of the last refresh token, or of the role, whichever comes first';
alter table identity.session enable row level security;
alter table identity.session force row level security;
create policy functions on identity.session to linli_owner using (true);

create table identity.refresh_token (
	hash text collate "C" primary key check (hash ~ '^[0-9a-f]{64}$'),
	session_id uuid not null references identity.session (id) on delete cascade,
	issued_at timestamptz not null default core.now(),
	expires_at timestamptz not null,
	spent_at timestamptz
);
create index refresh_token_session on identity.refresh_token (session_id);
comment on table identity.refresh_token is
	'class: key. SHA-256 in hex of each refresh token; each is good once, spending a spent one ends its family.';
alter table identity.refresh_token enable row level security;
alter table identity.refresh_token force row level security;
create policy functions on identity.refresh_token to linli_owner using (true);

create table identity.attempt (
	kind text not null check (kind in ('login', 'address', 'totp', 'sms_minute', 'sms_hour', 'sms_day', 'sms_address', 'sms_all')),
	key text collate "C" not null,
	since timestamptz not null,
	count integer not null,
	primary key (kind, key)
);
create index attempt_since on identity.attempt (since);
comment on table identity.attempt is
	'class: key. What is counted so that nobody tries on and on: sign-ins without success per login (hashed: people type passwords there) and per address, codes sent per phone (its blind index), in windows that begin with the first.';
alter table identity.attempt enable row level security;
alter table identity.attempt force row level security;
create policy functions on identity.attempt to linli_owner using (true);

---------------------------------------------------------------- events
create table identity.event (
	id uuid primary key,
	at timestamptz not null default core.now(),
	account_id uuid,
	kind text not null,
	ok boolean not null,
	address text,
	data json
);
create index event_account on identity.event (account_id, id);
create index event_at on identity.event using brin (at);
comment on table identity.event is
	'class: key. Append-only: every sign-in and refusal, and what was done to logins, roles and second factors. Neither phone nor openid nor password in it.';
alter table identity.event enable row level security;
alter table identity.event force row level security;
create policy functions on identity.event for select to linli_owner using (true);
create policy log on identity.event for insert to linli_owner with check (true);
-- Network logs stay for six months at least (网络安全法 21), whatever a rule says.
create policy old on identity.event for delete to linli_owner using (at < core.now() - interval '6 months');
revoke update, truncate on identity.event from linli_owner;

create function identity.log(kind text, account uuid, ok boolean, address text, data json default null) returns void
language plpgsql
as $$
begin
	insert into identity.event (id, account_id, kind, ok, address, data)
	values (core.new_id(0), account, $1, $3, $4, $5);
end
$$;
comment on function identity.log(text, uuid, boolean, text, json) is
	'Appends an event; account null: of nobody we know.';

---------------------------------------------------------------- throttle
create function identity.login_key(login text) returns text
language sql immutable strict parallel safe
return encode(sha256(convert_to(lower(login), 'UTF8')), 'hex');
comment on function identity.login_key(text) is 'What the throttle keeps of a login name.';

create function identity.count_attempt(kind text, key text, most integer,
	length interval default interval '15 minutes') returns integer
language plpgsql
as $$
declare
	a record;
begin
	insert into identity.attempt as t (kind, key, since, count)
	values ($1, $2, core.now(), 1)
	on conflict on constraint attempt_pkey do update set
		since = case when t.since <= core.now() - length then core.now() else t.since end,
		count = case when t.since <= core.now() - length then 1 else t.count + 1 end
	returning t.since, t.count into a;
	return case when a.count > most
		then ceil(extract(epoch from a.since + length - core.now()))::integer
		else 0 end;
end
$$;
comment on function identity.count_attempt(text, text, integer, interval) is
	'Counts one attempt; 0, or the seconds until the window ends when there were more than most.';

create function identity.login_begin(login text, address text)
returns table (verdict text, retry_after integer, account_id uuid, password_hash text,
	totp_secret text, totp_used bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	-- login before address, always: rivals queue, they do not deadlock.
	retry_after := greatest(
		identity.count_attempt('login', identity.login_key(login_begin.login), 10),
		identity.count_attempt('address', login_begin.address, 100));
	verdict := case when retry_after > 0 then 'throttled' else 'ok' end;
	if verdict = 'ok' then
		select a.id, a.password_hash into login_begin.account_id, login_begin.password_hash
		from identity.account a
		where a.login = lower(login_begin.login) and a.password_hash is not null;
		if not found then
			-- Nobody's password; verifying against it costs what a real one does.
			password_hash := '$argon2id$v=19$m=65536,t=2,p=1'
				|| '$3bFRtz+bkARS2QAjgQt/nw$ODYeGg0cXaoDj+oF8QKRoBTO07iMMktis7VXjLgo6Wo';
		end if;
		select t.secret, t.used_step into totp_secret, totp_used
		from identity.totp_live(login_begin.account_id) t;
	else
		perform identity.log('login', null, false, login_begin.address, '{"how": "password", "why": "throttled"}');
	end if;
	return next;
end
$$;
comment on function identity.login_begin(text, text) is
	'Counts the attempt (at most 10 a login and 100 an address in 15 minutes; commit it whatever follows). verdict ok | throttled with retry_after in seconds; a hash also for unknown logins, with a null account: sign-in fails then, whatever the hash says. totp_secret (sealed) when a one-time password is due too, newer than step totp_used.';

create function identity.login_refused(account uuid, how text, why text, address text) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$select identity.log('login', $1, false, $4, json_build_object('how', $2, 'why', $3))$$;
comment on function identity.login_refused(uuid, text, text, text) is
	'Records a sign-in refused after its begin; account null when there is none.';

---------------------------------------------------------------- sessions
create function identity.role_end(account uuid, role text, street integer, path text, org uuid, seconds integer) returns timestamptz
language sql stable
as $$
	select core.now() + make_interval(secs => $6) where $2 = 'visitor'
	union all
	select least(core.now() + make_interval(secs => $6), r.to_on::timestamp at time zone 'Asia/Shanghai')
	from identity.account_role r
	where r.account_id = $1 and r.role = $2 and r.street_id = $3 and r.path = $4
		and r.org_id is not distinct from $5
		and r.from_on <= core.today() and (r.to_on is null or r.to_on > core.today())
$$;
comment on function identity.role_end(uuid, text, integer, text, uuid, integer) is
	'When a session begun now for so many seconds must end; null when the role does not hold today.';

create function identity.pick_role(account uuid, wanted_role text, wanted_street integer,
	wanted_path text default null, wanted_org uuid default null)
returns table (role text, street_id integer, path text, org_id uuid)
language sql stable
as $$
	select r.role, r.street_id, r.path, r.org_id from identity.account_role r
	where r.account_id = $1 and ($2 is null or r.role = $2) and ($3 is null or r.street_id = $3)
		and ($4 is null or r.path = $4) and ($5 is null or r.org_id = $5) and r.from_on <= core.today() and (r.to_on is null or r.to_on > core.today())
	order by array_position('{street,community,department,grid_lead,merchant,resident}', r.role),
		r.street_id, r.path, r.org_id
	limit 1
$$;
comment on function identity.pick_role(uuid, text, integer, text, uuid) is
	'The role to sign in with: of those asked for the widest, street over community over department over grid_lead over merchant over resident.';

create function identity.start_session(session uuid, account uuid, wanted_role text, wanted_street integer,
	seconds integer, address text, wanted_path text default null, second boolean default false, second_due boolean default false,
	wanted_org uuid default null)
returns table (session_id uuid, account_id uuid, name text, role text, street_id integer, epoch integer, expires_at timestamptz)
language plpgsql
as $$
declare
	held record;
	person record;
begin
	-- Locked, so that disabling waits for us and then finds the session.
	select a.id, a.display_name, a.disabled_at into person
	from identity.account a where a.id = start_session.account for share;
	if not found then
		perform core.fail(401, 'login_failed');
	elsif person.disabled_at is not null then
		perform core.fail(403, 'account_disabled');
	end if;
	if wanted_role = 'visitor' then
		select 'visitor' as role, 0 as street_id, '0/' as path, null::uuid as org_id into held;
	else
		select p.* into held from identity.pick_role(start_session.account, wanted_role, wanted_street,
			wanted_path, wanted_org) p;
	end if;
	if held.role is null then
		perform core.fail(403, 'role_not_granted');
	elsif held.role = 'street' and second_due and not second then
		perform core.fail(403, 'totp_not_enrolled');
	end if;
	return query insert into identity.session as s (id, account_id, role, street_id, path, org_id, address, second_factor, expires_at)
	values (start_session.session, person.id, held.role, held.street_id, held.path, held.org_id, start_session.address, second,
		identity.role_end(person.id, held.role, held.street_id, held.path, held.org_id, start_session.seconds))
	returning s.id, s.account_id, person.display_name, s.role, s.street_id, s.epoch, s.expires_at;
end
$$;
comment on function identity.start_session(uuid, uuid, text, integer, integer, text, text, boolean, boolean, uuid) is
	'Inserts a session in the role asked for (null = pick_role; visitor = no role at all, which everybody may be: one''s own account and joining a community). LN401 login_failed, LN403 account_disabled, role_not_granted, and for the role street totp_not_enrolled when a second factor is due.';

create function identity.begin_session(account uuid, wanted_role text, wanted_street integer, session uuid,
	refresh_hash text, seconds integer, address text, how text, totp_step bigint, recovery text, street_totp boolean,
	or_visitor boolean)
returns table (session_id uuid, account_id uuid, name text, role text, street_id integer, epoch integer, expires_at timestamptz)
language plpgsql
as $$
declare
	second boolean := identity.second_step($1, totp_step, recovery);
	started record;
begin
	if or_visitor and wanted_role is null
		and not exists (select from identity.pick_role($1, null, wanted_street)) then
		wanted_role := 'visitor';
	end if;
	select s.* into started from identity.start_session(begin_session.session, $1, wanted_role, wanted_street,
		begin_session.seconds, begin_session.address, null, second, street_totp) s;
	insert into identity.refresh_token (hash, session_id, expires_at)
	values (begin_session.refresh_hash, started.session_id, started.expires_at);
	perform identity.log('login', $1, true, begin_session.address, json_build_object('how', how,
		'session', started.session_id, 'role', started.role, 'street_id', started.street_id));
	return query select started.session_id, started.account_id, started.name,
		started.role, started.street_id, started.epoch, started.expires_at;
end
$$;
comment on function identity.begin_session(uuid, text, integer, uuid, text, integer, text, text, bigint, text, boolean, boolean) is
	'What every sign-in ends with: second factor, session, first refresh token, event. Errors as start_session and second_step.';

create function identity.create_session(account uuid, password_hash text, wanted_role text, wanted_street integer,
	session uuid, refresh_hash text, seconds integer, address text, totp_step bigint default null,
	recovery text default null, street_totp boolean default false)
returns table (session_id uuid, account_id uuid, name text, role text, street_id integer, epoch integer, expires_at timestamptz)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	started record;
	login_key text;
begin
	select s.* into started from identity.begin_session(create_session.account, wanted_role, wanted_street,
		create_session.session, create_session.refresh_hash, create_session.seconds, create_session.address,
		'password', totp_step, recovery, street_totp, false) s;
	-- The password may have been changed while the old one was verified.
	select identity.login_key(a.login) into login_key from identity.account a
	where a.id = create_session.account and a.password_hash = create_session.password_hash;
	if not found then
		perform core.fail(401, 'login_failed');
	end if;
	-- A success forgives the login; the address only this one attempt.
	delete from identity.attempt t where t.kind = 'login' and t.key = login_key;
	update identity.attempt t set count = t.count - 1
	where t.kind = 'address' and t.key = create_session.address and t.count > 0;
	return query select started.session_id, started.account_id, started.name,
		started.role, started.street_id, started.epoch, started.expires_at;
end
$$;
comment on function identity.create_session(uuid, text, text, integer, uuid, text, integer, text, bigint, text, boolean) is
	'After the password was verified: session, first refresh token (SHA-256 hex) for so many seconds, throttle forgiven. totp_step: of the one-time password verified, or recovery: the index of a recovery code. Errors as begin_session.';

create function identity.revoke(session uuid, why text) returns boolean
language plpgsql
as $$
begin
	update identity.session s
	set revoked_at = core.now(), revoked_why = revoke.why, epoch = s.epoch + 1
	where s.id = revoke.session and s.revoked_at is null;
	return found;
end
$$;
comment on function identity.revoke(uuid, text) is 'Ends one session; false when it had ended.';

create function identity.refresh_session(refresh_hash text, new_refresh_hash text, seconds integer, address text default null)
returns table (verdict text, session_id uuid, account_id uuid, name text, role text, street_id integer, epoch integer, expires_at timestamptz)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	token record;
	s record;
	until timestamptz;
begin
	select t.session_id, t.expires_at, t.spent_at into token from identity.refresh_token t
	where t.hash = refresh_session.refresh_hash for update;
	if not found then
		verdict := 'unknown';
		return next;
		return;
	end if;
	select x.*, a.display_name, a.disabled_at into s
	from identity.session x join identity.account a on a.id = x.account_id
	where x.id = token.session_id for update of x;
	until := identity.role_end(s.account_id, s.role, s.street_id, s.path, s.org_id, refresh_session.seconds);
	if s.revoked_at is not null then
		verdict := 'revoked';
	elsif token.spent_at > clock_timestamp() - interval '5 seconds' then
		verdict := 'repeated';
	elsif token.spent_at is not null then
		verdict := 'reused';
		perform identity.revoke(s.id, 'refresh_reused');
		perform identity.log('refresh_reused', s.account_id, false, refresh_session.address,
			json_build_object('session', s.id));
	elsif token.expires_at <= core.now() then
		verdict := 'expired';
		-- For good: it must not live again when the clock is set back.
		perform identity.revoke(s.id, 'expired');
	elsif s.disabled_at is not null or until is null then
		verdict := 'revoked';
		perform identity.revoke(s.id, 'role_ended');
	else
		verdict := 'ok';
		update identity.refresh_token t set spent_at = clock_timestamp()
		where t.hash = refresh_session.refresh_hash;
		insert into identity.refresh_token (hash, session_id, expires_at)
		values (refresh_session.new_refresh_hash, s.id, until);
		update identity.session x set expires_at = until where x.id = s.id;
		session_id := s.id;
		account_id := s.account_id;
		name := s.display_name;
		role := s.role;
		street_id := s.street_id;
		epoch := s.epoch;
		expires_at := until;
	end if;
	return next;
end
$$;
comment on function identity.refresh_session(text, text, integer, text) is
	'Spends a refresh token. One row always (commit it): verdict ok with the session; unknown; expired; revoked; reused = spent before, the family is dead now; repeated = spent within the last 5 s, an honest client''s double call: refused, the family lives.';

create function identity.end_session(session uuid, address text default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	ended boolean;
begin
	select identity.revoke(s.id, 'logout') into ended from identity.session s
	where s.id = $1 and s.account_id = core.actor();
	if ended then
		perform identity.log('logout', core.actor(), true, $2, json_build_object('session', $1));
	end if;
	return ended;
end
$$;
comment on function identity.end_session(uuid, text) is 'Logout of one of the caller''s own sessions; null when it is not theirs.';

create function identity.me() returns table (account_id uuid, login text, name text)
language sql stable security definer set search_path = pg_catalog, pg_temp rows 1
as $$select a.id, a.login, a.display_name from identity.account a where a.id = core.actor()$$;
comment on function identity.me() is 'The caller''s own account.';

create function identity.name_of(account uuid) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
	select a.display_name from identity.account a
	where a.id = $1 and (a.id = core.actor() or exists (
		select from identity.account_role r
		where r.account_id = a.id and r.street_id = core.street()))
$$;
comment on function identity.name_of(uuid) is
	'Display name of the caller or of somebody who holds or held a role in the caller''s street, else null. To be copied into what is written (events, assignments), not joined in lists.';

---------------------------------------------------------------- administration
-- For linli_owner (linlid user, linlid token) and functions of other domains.

create function identity.account_of(login text) returns uuid
language plpgsql stable
as $$
declare
	found_id uuid;
begin
	select a.id into found_id from identity.account a where a.login = lower($1) or a.login is null and a.id::text = lower($1);
	if not found then
		perform core.fail(422, 'account_unknown', '/login');
	end if;
	return found_id;
end
$$;
comment on function identity.account_of(text) is 'Account id of a login, or of an account without one, who is called by it; LN422 account_unknown.';

create function identity.add_account(login text, name text, password_hash text) returns uuid
language sql
as $$insert into identity.account (id, login, display_name, password_hash, password_at)
	values (core.new_id(0), lower($1), $2, $3, case when $3 is not null then core.now() end)
	returning id$$;
comment on function identity.add_account(text, text, text) is
	'New account; password_hash null = cannot sign in by password. unique_violation when the login is taken.';

create function identity.grant_role(login text, role text, street integer, path text default null) returns void
language plpgsql
as $$
declare
	account uuid := identity.account_of($1);
	place text := coalesce($4, $3 || '/');
begin
	perform core.enter_system($3);
	if not exists (select from grid.grid g where g.street_id = $3 and g.path = place) then
		perform core.fail(422, 'grid_not_found', '/path');
	end if;
	insert into identity.account_role as r (account_id, role, street_id, path)
	values (account, $2, $3, place)
	on conflict on constraint account_role_key do update
		set from_on = least(r.from_on, core.today()), to_on = null;
	perform identity.log('role_granted', account, true, null,
		json_build_object('role', $2, 'street_id', $3, 'path', place));
end
$$;
comment on function identity.grant_role(text, text, integer, text) is
	'Gives a role from today, again if it had ended; path null = the whole street. Sets the system context of the street. LN422 account_unknown, grid_not_found.';

create function identity.revoke_all(account uuid, why text, role text default null, street integer default null, path text default null) returns integer
language plpgsql
as $$
declare
	n integer;
begin
	select count(*) filter (where identity.revoke(s.id, $2)) into n from identity.session s
	where s.account_id = $1 and s.revoked_at is null and ($3 is null or s.role = $3)
		and ($4 is null or s.street_id = $4) and ($5 is null or s.path = $5);
	return n;
end
$$;
comment on function identity.revoke_all(uuid, text, text, integer, text) is
	'Ends an account''s sessions, all or those of a role; returns how many. Access tokens fail from the next request on.';

create function identity.end_role(login text, role text, street integer, path text default null) returns boolean
language plpgsql
as $$
declare
	account uuid := identity.account_of($1);
	place text := coalesce($4, $3 || '/');
	ended boolean;
begin
	update identity.account_role r set to_on = greatest(r.from_on, core.today())
	where r.account_id = account and r.role = $2 and r.street_id = $3 and r.path = place
		and (r.to_on is null or r.to_on > core.today());
	ended := found;
	perform identity.revoke_all(account, 'role_ended', $2, $3, place);
	perform identity.log('role_ended', account, true, null,
		json_build_object('role', $2, 'street_id', $3, 'path', place));
	return ended;
end
$$;
comment on function identity.end_role(text, text, integer, text) is
	'Takes a role away from today and ends its sessions; false when it was not held.';

create function identity.disable(login text) returns integer
language plpgsql
as $$
declare
	account uuid := identity.account_of($1);
begin
	update identity.account a set disabled_at = coalesce(a.disabled_at, core.now()) where a.id = account;
	perform identity.log('disabled', account, true, null);
	return identity.revoke_all(account, 'account_disabled');
end
$$;
comment on function identity.disable(text) is 'Bars an account and ends its sessions; returns how many those were.';

create function identity.enable(login text) returns void
language plpgsql
as $$
declare
	account uuid := identity.account_of($1);
begin
	update identity.account a set disabled_at = null where a.id = account;
	perform identity.log('enabled', account, true, null);
	delete from identity.attempt t where t.kind = 'login' and t.key = identity.login_key($1);
end
$$;
comment on function identity.enable(text) is 'Lets a barred account in again and forgives its failed attempts.';

create function identity.set_password(login text, password_hash text) returns integer
language plpgsql
as $$
declare
	account uuid := identity.account_of($1);
begin
	update identity.account a set password_hash = $2, password_at = core.now() where a.id = account;
	perform identity.log('password_set', account, true, null);
	return identity.revoke_all(account, 'password_changed');
end
$$;
comment on function identity.set_password(text, text) is 'New password hash; ends all sessions, returns how many.';

create function identity.open_session(login text, wanted_role text, wanted_street integer, seconds integer)
returns table (session_id uuid, account_id uuid, name text, role text, street_id integer, epoch integer, expires_at timestamptz)
language plpgsql
as $$
begin
	return query select s.* from identity.start_session(core.new_id(coalesce($3, 0)),
		identity.account_of($1), $2, $3, $4, 'local') s;
end
$$;
comment on function identity.open_session(text, text, integer, integer) is
	'A session without refresh token, for linlid token; role or street null = as pick_role. Errors as start_session, account_unknown.';

create function identity.sweep() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	swept integer;
begin
	delete from identity.attempt t where t.since < core.now() - interval '1 day';
	delete from identity.sms_code c where c.expires_at < core.now() - interval '1 day';
	perform identity.sweep_assertions();
	-- Kept a while after their end: a stolen old token shows itself as reused.
	delete from identity.session s where s.expires_at < core.now() - interval '30 days';
	get diagnostics swept = row_count;
	return swept;
end
$$;
comment on function identity.sweep() is 'Job: deletes attempts of yesterday and sessions dead for 30 days; returns how many sessions.';

---------------------------------------------------------------- grants
grant execute on function identity.login_begin(text, text),
	identity.login_refused(uuid, text, text, text),
	identity.create_session(uuid, text, text, integer, uuid, text, integer, text, bigint, text, boolean),
	identity.refresh_session(text, text, integer, text), identity.end_session(uuid, text),
	identity.me(), identity.name_of(uuid) to linli_app;
grant execute on function identity.sweep() to linli_job;
