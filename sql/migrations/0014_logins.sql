-- identity: phone and WeChat beside the password, second factors, joining a
-- community. What identifies a person (phone, openid) is kept as a keyed blind
-- index, and sealed; the keys never reach the database.

---------------------------------------------------------------- tables
create table identity.login (
	id uuid primary key,
	account_id uuid not null references identity.account (id),
	kind text not null check (kind in ('phone', 'wechat', 'oidc')),
	subject text collate "C" not null check (subject ~ '^[0-9a-f]{64}$'),
	union_subject text collate "C" check (union_subject ~ '^[0-9a-f]{64}$'),
	sealed text not null,
	label text not null,
	created_at timestamptz not null default core.now(),
	constraint login_subject_key unique (kind, subject)
);
create index login_account on identity.login (account_id);
create index login_union on identity.login (union_subject) where union_subject is not null;
comment on table identity.login is
	'class: key. How an account signs in beside its password: subject is the blind index of phone, openid or issuer and sub; sealed the thing itself; label what its owner recognises it by (a masked phone).';
comment on column identity.login.union_subject is 'WeChat''s unionid: the same person in another app of ours';
alter table identity.login enable row level security;
alter table identity.login force row level security;
create policy functions on identity.login to linli_owner using (true);

create table identity.sms_code (
	id uuid primary key,
	phone_index text collate "C" not null,
	purpose text not null check (purpose in ('login', 'bind', 'reset')),
	code_hash text collate "C" not null check (code_hash ~ '^[0-9a-f]{64}$'),
	tries integer not null default 0,
	created_at timestamptz not null default core.now(),
	expires_at timestamptz not null,
	spent_at timestamptz
);
create index sms_code_expires on identity.sms_code (expires_at);
comment on table identity.sms_code is
	'class: key. Codes sent by SMS, as a keyed hash over request and code: good once, five tries, ten minutes, for one phone and one purpose.';
alter table identity.sms_code enable row level security;
alter table identity.sms_code force row level security;
create policy functions on identity.sms_code to linli_owner using (true);

create table identity.wechat_token (
	app text primary key,
	sealed text,
	generation integer not null default 0,
	expires_at timestamptz,
	lease_until timestamptz
);
comment on table identity.wechat_token is
	'class: key. WeChat''s access_token of an app: one for all workers, for a new one voids the old. Who holds the lease fetches the next.';
alter table identity.wechat_token enable row level security;
alter table identity.wechat_token force row level security;
create policy functions on identity.wechat_token to linli_owner using (true);

create table identity.totp (
	account_id uuid primary key references identity.account (id),
	secret text not null,
	created_at timestamptz not null default core.now(),
	confirmed_at timestamptz,
	used_step bigint not null default 0
);
comment on table identity.totp is
	'class: key. The second factor: its sealed secret, good once confirmed; used_step is the last 30 s step a code was taken of.';
alter table identity.totp enable row level security;
alter table identity.totp force row level security;
create policy functions on identity.totp to linli_owner using (true);

create table identity.recovery_code (
	account_id uuid not null references identity.totp (account_id) on delete cascade,
	hash text collate "C" not null check (hash ~ '^[0-9a-f]{64}$'),
	primary key (account_id, hash)
);
comment on table identity.recovery_code is
	'class: key. Keyed hashes of the codes that stand in for a lost second factor; each goes with its use.';
alter table identity.recovery_code enable row level security;
alter table identity.recovery_code force row level security;
create policy functions on identity.recovery_code to linli_owner using (true);

create table identity.claim (
	id uuid primary key,
	account_id uuid not null references identity.account (id),
	street_id integer not null,
	path text collate "C" not null,
	grid_id uuid,
	compound_id uuid,
	place text not null,
	name text not null,
	address text not null,
	tenure text not null check (tenure in ('owner', 'tenant', 'family', 'other')),
	status text not null default 'pending' check (status in ('pending', 'approved', 'rejected', 'withdrawn')),
	reason text,
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	decided_by uuid,
	check (path ^@ (street_id || '/'))
);
create unique index claim_pending on identity.claim (account_id, street_id) where status = 'pending';
create index claim_account on identity.claim (account_id, id);
create index claim_street on identity.claim (street_id, id);
comment on table identity.claim is
	'class: key. Somebody says they live here: path is the micro-grid''s they name, or that of their compound''s community. Approved by the lead or the community it makes them a resident there.';
alter table identity.claim enable row level security;
alter table identity.claim force row level security;
create policy functions on identity.claim to linli_owner using (true);

---------------------------------------------------------------- second factor
create function identity.totp_live(account uuid) returns table (secret text, used_step bigint)
language sql stable rows 1
as $$select t.secret, t.used_step from identity.totp t where t.account_id = $1 and t.confirmed_at is not null$$;
comment on function identity.totp_live(uuid) is 'The account''s second factor, if it has one.';

create function identity.second_step(account uuid, step bigint, recovery text) returns boolean
language plpgsql
as $$
declare
	used bigint;
begin
	select t.used_step into used from identity.totp t
	where t.account_id = $1 and t.confirmed_at is not null for update;
	if not found then
		return false;
	elsif $2 is null and $3 is null then
		perform core.fail(401, 'totp_required');
	elsif $2 > used then
		update identity.totp t set used_step = $2 where t.account_id = $1;
	else
		delete from identity.recovery_code c where c.account_id = $1 and c.hash = $3;
		if not found then
			perform core.fail(401, 'totp_wrong');
		end if;
		perform identity.log('recovery_code_used', $1, true, null);
	end if;
	delete from identity.attempt t where t.kind = 'totp' and t.key = $1::text;
	return true;
end
$$;
comment on function identity.second_step(uuid, bigint, text) is
	'Takes the step of a verified one-time password, each once and never an older one, or a recovery code: true. False: the account has no second factor. LN401 totp_required, totp_wrong.';

create function identity.second_begin(account uuid, out retry_after integer, out totp_secret text, out totp_used bigint)
language plpgsql
as $$
begin
	select t.secret, t.used_step into totp_secret, totp_used from identity.totp_live($1) t;
	retry_after := 0;
	if totp_secret is not null then
		retry_after := identity.count_attempt('totp', $1::text, 10);
	end if;
end
$$;
comment on function identity.second_begin(uuid) is
	'Counts a try at the second factor, at most 10 in 15 minutes; retry_after > 0: too many.';

create function identity.enrol_totp(secret text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	insert into identity.totp as t (account_id, secret) values (core.actor(), $1)
	on conflict on constraint totp_pkey do update set secret = excluded.secret, created_at = core.now()
		where t.confirmed_at is null;
	if not found then
		perform core.fail(409, 'totp_enrolled');
	end if;
	return true;
end
$$;
comment on function identity.enrol_totp(text) is
	'Keeps the caller''s new sealed secret, not yet in force. LN409 totp_enrolled.';

create function identity.my_totp(confirmed boolean) returns table (retry_after integer, totp_secret text, totp_used bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	retry_after := identity.count_attempt('totp', core.actor()::text, 10);
	select t.secret, t.used_step into totp_secret, totp_used from identity.totp t
	where t.account_id = core.actor() and (t.confirmed_at is not null) = my_totp.confirmed;
	return next;
end
$$;
comment on function identity.my_totp(boolean) is
	'The caller''s secret, in force or still to be confirmed, to verify a code with; counts a try.';

create function identity.confirm_totp(step bigint, hashes text[], session uuid, address text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	update identity.totp t set confirmed_at = core.now(), used_step = $1
	where t.account_id = core.actor() and t.confirmed_at is null;
	if not found then
		perform core.fail(409, 'totp_enrolled');
	end if;
	insert into identity.recovery_code (account_id, hash)
	select core.actor(), h from unnest($2) h;
	delete from identity.attempt t where t.kind = 'totp' and t.key = core.actor()::text;
	update identity.session s set second_factor = true where s.id = $3;
	perform identity.revoke_others('totp_confirmed', $3);
	perform identity.log('totp_confirmed', core.actor(), true, $4);
	return true;
end
$$;
comment on function identity.confirm_totp(bigint, text[], uuid, text) is
	'Puts the caller''s second factor into force with its recovery codes; ends the other sessions. LN409 totp_enrolled.';

create function identity.drop_my_totp(step bigint, recovery text, address text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	if not identity.second_step(core.actor(), $1, $2) then
		perform core.fail(409, 'totp_not_enrolled_yet');
	end if;
	delete from identity.totp t where t.account_id = core.actor();
	update identity.session s set second_factor = false where s.account_id = core.actor();
	perform identity.log('totp_dropped', core.actor(), true, $3);
	return true;
end
$$;
comment on function identity.drop_my_totp(bigint, text, text) is
	'Ends the caller''s second factor, proven once more. Errors as second_step, LN409 totp_not_enrolled_yet.';

create function identity.drop_totp(login text) returns integer
language plpgsql
as $$
declare
	account uuid := identity.account_of($1);
begin
	delete from identity.totp t where t.account_id = account;
	perform identity.log('totp_dropped', account, true, null);
	return identity.revoke_all(account, 'totp_dropped');
end
$$;
comment on function identity.drop_totp(text) is
	'For who lost phone and recovery codes, by an administrator: no second factor, no session; returns how many those were.';

---------------------------------------------------------------- codes by SMS
create function identity.sms_begin(id uuid, phone_index text, purpose text, code_hash text, address text, hourly integer)
returns table (verdict text, retry_after integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	c record;
begin
	-- In this order always: rivals queue, they do not deadlock. What one limit
	-- refuses the wider ones do not count, or anybody could use up a phone's day.
	retry_after := 0;
	for c in select * from (values ('sms_minute', $2, 1, interval '1 minute'), ('sms_hour', $2, 5, '1 hour'),
		('sms_day', $2, 10, '1 day'), ('sms_address', $5, 100, '1 hour'), ('sms_all', '', $6, '1 hour')) l (kind, key, most, span)
		where most > 0
	loop
		retry_after := identity.count_attempt(c.kind, c.key, c.most, c.span);
		exit when retry_after > 0;
	end loop;
	verdict := case when retry_after > 0 then 'throttled' else 'ok' end;
	if verdict = 'ok' then
		insert into identity.sms_code (id, phone_index, purpose, code_hash, expires_at)
		values ($1, $2, $3, $4, core.now() + interval '10 minutes');
	end if;
	perform identity.log('code_requested', null, verdict = 'ok', $5,
		json_build_object('purpose', $3, 'request', $1));
	return next;
end
$$;
comment on function identity.sms_begin(uuid, text, text, text, text, integer) is
	'Counts a request for a code (a phone: 1 in a minute, 5 in an hour, 10 in a day; an address: 100 in an hour; all: hourly) and keeps the code''s hash. verdict ok | throttled; to be committed whatever follows. Who the phone belongs to is not looked at.';

create function identity.sms_unsent(id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	phone text;
begin
	delete from identity.sms_code c where c.id = $1 returning c.phone_index into phone;
	delete from identity.attempt t where t.kind = 'sms_minute' and t.key = phone;
end
$$;
comment on function identity.sms_unsent(uuid) is
	'The gateway did not take it: the code is void and the phone need not wait out its minute.';

create function identity.phone_account(phone_index text) returns uuid
language sql stable
as $$select l.account_id from identity.login l where l.kind = 'phone' and l.subject = $1$$;
comment on function identity.phone_account(text) is 'Whose phone it is; null: nobody''s.';

create function identity.sms_try(id uuid, phone_index text, purpose text, code_hash text, address text)
returns table (verdict text, retry_after integer, account_id uuid, totp_secret text, totp_used bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	good boolean;
begin
	update identity.sms_code c set tries = c.tries + 1
	where c.id = $1 and c.tries < 5 and c.spent_at is null and c.expires_at > core.now()
	returning c.phone_index = $2 and c.purpose = $3 and c.code_hash = $4 into good;
	retry_after := 0;
	if good then
		account_id := identity.phone_account($2);
		if purpose = 'login' then
			select b.retry_after, b.totp_secret, b.totp_used
			into sms_try.retry_after, sms_try.totp_secret, sms_try.totp_used
			from identity.second_begin(account_id) b;
		end if;
	end if;
	verdict := case when good is not true then 'wrong' when retry_after > 0 then 'throttled' else 'ok' end;
	if verdict <> 'ok' then
		perform identity.log('code_tried', account_id, false, $5,
			json_build_object('purpose', $3, 'request', $1, 'why', verdict));
	end if;
	return next;
end
$$;
comment on function identity.sms_try(uuid, text, text, text, text) is
	'Counts a try at a code, five at most whatever it says; to be committed. verdict ok (then who has the phone, and the second factor due) | wrong | throttled.';

create function identity.sms_spend(id uuid, code_hash text) returns void
language plpgsql
as $$
begin
	update identity.sms_code c set spent_at = core.now()
	where c.id = $1 and c.code_hash = $2 and c.spent_at is null and c.expires_at > core.now();
	if not found then
		perform core.fail(401, 'code_wrong');
	end if;
end
$$;
comment on function identity.sms_spend(uuid, text) is 'Uses a code up, in the transaction of its effect. LN401 code_wrong.';

---------------------------------------------------------------- logins
create function identity.put_login(account uuid, kind text, subject text, union_subject text, sealed text, label text) returns boolean
language plpgsql
as $$
begin
	insert into identity.login (id, account_id, kind, subject, union_subject, sealed, label)
	values (core.new_id(0), $1, $2, $3, $4, $5, $6)
	on conflict on constraint login_subject_key do nothing;
	if found then
		perform identity.log('login_bound', $1, true, null, json_build_object('kind', $2));
		return true;
	end if;
	return exists (select from identity.login l where l.kind = $2 and l.subject = $3 and l.account_id = $1);
end
$$;
comment on function identity.put_login(uuid, text, text, text, text, text) is
	'Ties a login to an account; false when it is somebody else''s.';

create function identity.login_account(kind text, subject text, union_subject text, sealed text, label text, name text) returns uuid
language plpgsql
as $$
declare
	account uuid;
begin
	select l.account_id into account from identity.login l
	where l.kind = $1 and (l.subject = $2 or l.union_subject = $3)
	order by l.subject = $2 desc limit 1;
	if account is null then
		account := core.new_id(0);
		insert into identity.account (id, display_name) values (account, $6);
	end if;
	-- A rival may have been quicker; then the new account is nobody's.
	if not identity.put_login(account, $1, $2, $3, $4, $5) then
		delete from identity.account a where a.id = account;
		select l.account_id into account from identity.login l where l.kind = $1 and l.subject = $2;
	end if;
	return account;
end
$$;
comment on function identity.login_account(text, text, text, text, text, text) is
	'Whose login it is; the first time a new account with it.';

create function identity.sms_session(request uuid, code_hash text, phone_index text, phone text, phone_mask text,
	wanted_role text, wanted_street integer, totp_step bigint, recovery text, street_totp boolean,
	session uuid, refresh_hash text, seconds integer, address text)
returns table (session_id uuid, account_id uuid, name text, role text, street_id integer, epoch integer, expires_at timestamptz)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	perform identity.sms_spend(request, sms_session.code_hash);
	return query select s.* from identity.begin_session(identity.login_account('phone', sms_session.phone_index, null,
			phone, phone_mask, phone_mask),
		wanted_role, wanted_street, sms_session.session, sms_session.refresh_hash, sms_session.seconds,
		sms_session.address, 'phone', totp_step, recovery, street_totp, true) s;
end
$$;
comment on function identity.sms_session(uuid, text, text, text, text, text, integer, bigint, text, boolean, uuid, text, integer, text) is
	'After sms_try: uses the code up and signs in who has the phone, a new account if nobody has. Errors as sms_spend, begin_session.';

create function identity.wechat_begin(openid_index text, union_index text, phone_index text)
returns table (retry_after integer, account_id uuid, totp_secret text, totp_used bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	select l.account_id into wechat_begin.account_id from identity.login l
	where l.kind = 'wechat' and (l.subject = $1 or l.union_subject = $2)
	order by l.subject = $1 desc limit 1;
	account_id := coalesce(account_id, identity.phone_account($3));
	select b.retry_after, b.totp_secret, b.totp_used
	into wechat_begin.retry_after, wechat_begin.totp_secret, wechat_begin.totp_used
	from identity.second_begin(account_id) b;
	return next;
end
$$;
comment on function identity.wechat_begin(text, text, text) is
	'Whose openid or unionid it is, or else whose phone, and the second factor due.';

create function identity.wechat_session(openid_index text, openid text, union_index text, wechat_phone_index text,
	wechat_phone text, wechat_phone_mask text, wanted_role text, wanted_street integer, totp_step bigint, recovery text,
	street_totp boolean, session uuid, refresh_hash text, seconds integer, address text)
returns table (session_id uuid, account_id uuid, name text, role text, street_id integer, epoch integer, expires_at timestamptz)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	account uuid := identity.phone_account(wechat_phone_index);
begin
	-- Who has the phone gets this WeChat beside it, unless it is somebody's.
	if account is not null and not exists (select from identity.login l where l.kind = 'wechat'
			and (l.subject = $1 or l.union_subject = $3)) then
		perform identity.put_login(account, 'wechat', $1, $3, openid, '微信');
	end if;
	account := identity.login_account('wechat', $1, $3, openid, '微信', '微信用户');
	if wechat_phone_index is not null then
		perform identity.put_login(account, 'phone', wechat_phone_index, null, wechat_phone, wechat_phone_mask);
	end if;
	return query select s.* from identity.begin_session(account, wanted_role, wanted_street,
		wechat_session.session, wechat_session.refresh_hash, wechat_session.seconds, wechat_session.address,
		'wechat', totp_step, recovery, street_totp, true) s;
end
$$;
comment on function identity.wechat_session(text, text, text, text, text, text, text, integer, bigint, text, boolean, uuid, text, integer, text) is
	'Signs in whose openid it is; the first time who has the phone WeChat vouches for, else a new account. Errors as begin_session.';

create function identity.my_logins()
returns table (id uuid, kind text, label text, created_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
	select a.id, 'password'::text, a.login, coalesce(a.password_at, a.created_at) from identity.account a
	where a.id = core.actor() and a.login is not null and a.password_hash is not null
	union all
	select l.id, l.kind, l.label, l.created_at from identity.login l where l.account_id = core.actor()
$$;
comment on function identity.my_logins() is 'How the caller can sign in.';

create function identity.bind_login(p_kind text, subject text, union_subject text, sealed text, p_label text,
	request uuid default null, code_hash text default null)
returns table (id uuid, kind text, label text, created_at timestamptz)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	if request is not null then
		perform identity.sms_spend(request, bind_login.code_hash);
	end if;
	if not identity.put_login(core.actor(), $1, $2, $3, $4, $5) then
		perform core.fail(409, 'login_taken');
	end if;
	return query select l.id, l.kind, l.label, l.created_at from identity.login l
		where l.kind = $1 and l.subject = $2;
end
$$;
comment on function identity.bind_login(text, text, text, text, text, uuid, text) is
	'Adds a login to the caller''s; request and code_hash: the SMS code that proves it, used up. LN401 code_wrong, LN409 login_taken.';

create function identity.unbind_login(id uuid, address text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	gone text;
begin
	-- Locked, so that of two at once the second finds what the first left.
	perform from identity.account a where a.id = core.actor() for update;
	delete from identity.login l where l.id = $1 and l.account_id = core.actor() returning l.kind into gone;
	if not found then
		perform core.fail(404, 'not_found');
	elsif not exists (select from identity.my_logins()) then
		perform core.fail(409, 'last_login');
	end if;
	perform identity.log('login_unbound', core.actor(), true, $2, json_build_object('kind', gone));
	return true;
end
$$;
comment on function identity.unbind_login(uuid, text) is
	'Takes a login from the caller''s, never the last. LN404 not_found, LN409 last_login.';

---------------------------------------------------------------- WeChat's token
create function identity.wechat_token(app text, stale integer)
returns table (verdict text, sealed text, generation integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	t record;
	usable boolean;
begin
	insert into identity.wechat_token (app) values ($1) on conflict on constraint wechat_token_pkey do nothing;
	select w.* into t from identity.wechat_token w where w.app = $1 for update;
	usable := t.expires_at > clock_timestamp() and t.generation is distinct from $2;
	verdict := 'ok';
	if (usable is not true or t.expires_at < clock_timestamp() + interval '5 minutes')
		and (t.lease_until is null or t.lease_until < clock_timestamp()) then
		update identity.wechat_token w set lease_until = clock_timestamp() + interval '15 seconds' where w.app = $1;
		verdict := 'refresh';
	elsif usable is not true then
		verdict := 'wait';
	end if;
	sealed := t.sealed;
	generation := t.generation;
	return next;
end
$$;
comment on function identity.wechat_token(text, integer) is
	'The app''s access_token. verdict ok: use it; refresh: fetch the next, nobody else does for 15 s (five minutes before the end of one, too); wait: somebody is fetching it. stale: the generation that WeChat did not take.';

create function identity.wechat_token_put(app text, sealed text, seconds integer) returns integer
language sql security definer set search_path = pg_catalog, pg_temp
as $$update identity.wechat_token w set sealed = coalesce($2, w.sealed), lease_until = null,
	expires_at = case when $2 is null then w.expires_at else clock_timestamp() + make_interval(secs => $3) end,
	generation = w.generation + case when $2 is null then 0 else 1 end
	where w.app = $1 returning w.generation$$;
comment on function identity.wechat_token_put(text, text, integer) is
	'Ends the lease with the next token; sealed null: there was none to be had.';

---------------------------------------------------------------- own password
create function identity.my_password(address text)
returns table (verdict text, retry_after integer, account_id uuid, password_hash text)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	a record;
begin
	select x.login, x.password_hash into a from identity.account x where x.id = core.actor();
	if a.login is null or a.password_hash is null then
		perform core.fail(409, 'password_not_set');
	end if;
	return query select b.verdict, b.retry_after, b.account_id, b.password_hash
		from identity.login_begin(a.login, $1) b;
end
$$;
comment on function identity.my_password(text) is
	'The caller''s password hash, to verify the old one with; counts as a sign-in. LN409 password_not_set.';

create function identity.revoke_others(why text, session uuid) returns integer
language sql
as $$select count(*) filter (where identity.revoke(s.id, $1))::integer from identity.session s
	where s.account_id = core.actor() and s.revoked_at is null and s.id <> $2$$;
comment on function identity.revoke_others(text, uuid) is 'Ends the caller''s sessions but one; returns how many.';

create function identity.change_password(old_hash text, new_hash text, session uuid, address text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	login_key text;
begin
	update identity.account a set password_hash = $2, password_at = core.now()
	where a.id = core.actor() and a.password_hash = $1 returning identity.login_key(a.login) into login_key;
	if not found then
		perform core.fail(401, 'login_failed');
	end if;
	delete from identity.attempt t where t.kind = 'login' and t.key = login_key;
	perform identity.revoke_others('password_changed', $3);
	perform identity.log('password_changed', core.actor(), true, $4);
	return true;
end
$$;
comment on function identity.change_password(text, text, uuid, text) is
	'The caller''s new password; ends the other sessions. LN401 login_failed when it was changed meanwhile.';

create function identity.reset_password(request uuid, code_hash text, account uuid, new_hash text, address text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	login_key text;
begin
	perform identity.sms_spend($1, $2);
	update identity.account a set password_hash = $4, password_at = core.now()
	where a.id = $3 and a.password_hash is not null and a.login is not null
	returning identity.login_key(a.login) into login_key;
	if not found then
		-- As for a wrong code: whether a phone has a password is its owner's.
		perform core.fail(401, 'code_wrong');
	end if;
	delete from identity.attempt t where t.kind = 'login' and t.key = login_key;
	perform identity.revoke_all($3, 'password_changed');
	perform identity.log('password_reset', $3, true, $5);
	return true;
end
$$;
comment on function identity.reset_password(uuid, text, uuid, text, text) is
	'After sms_try: a new password for the account of the phone; ends all its sessions. LN401 code_wrong.';

---------------------------------------------------------------- own sessions
create function identity.my_sessions()
returns table (id uuid, role text, street_id integer, second_factor boolean, address text, created_at timestamptz, used_at timestamptz, expires_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
	select s.id, s.role, s.street_id, s.second_factor, s.address, s.created_at,
		coalesce((select max(t.issued_at) from identity.refresh_token t where t.session_id = s.id), s.created_at), s.expires_at
	from identity.session s
	where s.account_id = core.actor() and s.revoked_at is null and s.expires_at > core.now()
$$;
comment on function identity.my_sessions() is 'The caller''s living sessions; used_at: last refreshed.';

create function identity.end_others(session uuid, address text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	n integer := identity.revoke_others('revoked', $1);
begin
	perform identity.log('sessions_revoked', core.actor(), true, $2, json_build_object('count', n));
	return n;
end
$$;
comment on function identity.end_others(uuid, text) is 'The caller ends all own sessions but this one; returns how many.';

create function identity.my_events()
returns table (id uuid, at timestamptz, kind text, ok boolean, address text, data json)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$select e.id, e.at, e.kind, e.ok, e.address, e.data from identity.event e where e.account_id = core.actor()$$;
comment on function identity.my_events() is 'What happened to the caller''s account.';

create function identity.my_roles()
returns table (role text, street_id integer, street_name text, grid_id uuid, grid_name text, org_id uuid, org_name text,
	from_on date, to_on date)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
	mine constant text := current_setting('linli.street', true);
	r record;
begin
	for r in select x.* from identity.account_role x where x.account_id = core.actor()
		and x.from_on <= core.today() and (x.to_on is null or x.to_on > core.today())
		order by x.street_id, x.path, x.role, x.org_id
	loop
		perform set_config('linli.street', r.street_id::text, true);
		return query select r.role, r.street_id, s.name, g.id, g.name, r.org_id, o.name, r.from_on, r.to_on
			from grid.street s left join grid.grid g on g.street_id = s.id and g.path = r.path
			left join identity.org o on o.street_id = s.id and o.id = r.org_id
			where s.id = r.street_id;
	end loop;
	perform set_config('linli.street', mine, true);
end
$$;
comment on function identity.my_roles() is
	'The roles the caller holds today, in every street, with the grid each is held in.';

create function identity.switch_session(wanted_role text, wanted_street integer, grid uuid, org uuid, street_totp boolean,
	old_session uuid, session uuid, refresh_hash text, seconds integer, address text)
returns table (session_id uuid, account_id uuid, name text, role text, street_id integer, epoch integer, expires_at timestamptz)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	second boolean;
	place text;
	started record;
begin
	if grid is not null then
		select r.path into place from identity.my_roles() m
		join identity.account_role r on r.account_id = core.actor() and r.role = m.role and r.street_id = m.street_id
		where m.grid_id = grid and m.role = wanted_role
			and r.path = identity.grid_path(m.street_id, grid);
		if not found then
			perform core.fail(403, 'role_not_granted');
		end if;
	end if;
	select s.second_factor into second from identity.session s where s.id = old_session;
	select s.* into started from identity.start_session(switch_session.session, core.actor(), wanted_role, wanted_street,
		switch_session.seconds, switch_session.address, place, second, street_totp, org) s;
	insert into identity.refresh_token (hash, session_id, expires_at)
	values (switch_session.refresh_hash, started.session_id, started.expires_at);
	perform identity.revoke(old_session, 'switched');
	perform identity.log('switched', core.actor(), true, switch_session.address, json_build_object(
		'session', started.session_id, 'from', old_session, 'role', started.role, 'street_id', started.street_id));
	return query select started.session_id, started.account_id, started.name,
		started.role, started.street_id, started.epoch, started.expires_at;
end
$$;
comment on function identity.switch_session(text, integer, uuid, uuid, boolean, uuid, uuid, text, integer, text) is
	'Another role of the caller''s in a new session; the old family ends with it. Errors as start_session.';

create function identity.grid_path(street integer, grid uuid) returns text
language plpgsql
as $$
declare
	mine constant text := current_setting('linli.street', true);
	found_path text;
begin
	perform set_config('linli.street', $1::text, true);
	select g.path into found_path from grid.grid g where g.street_id = $1 and g.id = $2;
	perform set_config('linli.street', mine, true);
	return found_path;
end
$$;
comment on function identity.grid_path(integer, uuid) is 'Path of a grid of any street.';

---------------------------------------------------------------- joining
create function identity.places(street integer, q text, after text, most integer)
returns table (id uuid, kind text, name text, compound_id uuid, compound_name text, community_name text, path text)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
	mine constant text := current_setting('linli.street', true);
begin
	perform set_config('linli.street', $1::text, true);
	return query select g.id, g.kind, g.name, c.id, c.name, m.name, g.path
		from grid.grid g
		join grid.grid m on m.street_id = $1 and m.kind = 'master' and g.path ^@ m.path
		left join grid.compound c on c.street_id = $1 and c.id = g.compound_id
		where g.street_id = $1 and g.kind in ('micro', 'special')
			and (g.valid_to is null or g.valid_to > core.today())
			and g.path > coalesce($3, '')
			and ($2 is null or position($2 in g.name) > 0 or position($2 in c.name) > 0
				or position($2 in c.address) > 0 or position($2 in m.name) > 0)
		order by g.path limit $4;
	perform set_config('linli.street', mine, true);
end
$$;
comment on function identity.places(integer, text, text, integer) is
	'The micro and special grids of a street by name, for who wants to join one: nothing of its people.';

create function identity.claim_row(c identity.claim)
returns table (id uuid, account_id uuid, street_id integer, grid_id uuid, compound_id uuid, place text, name text,
	address text, tenure text, status text, reason text, created_at timestamptz, updated_at timestamptz)
language sql immutable rows 1
as $$select c.id, c.account_id, c.street_id, c.grid_id, c.compound_id, c.place, c.name, c.address, c.tenure,
	c.status, c.reason, c.created_at, c.updated_at$$;
comment on function identity.claim_row(identity.claim) is 'What is shown of a claim.';

create function identity.claims(mine boolean, wanted uuid default null)
returns table (id uuid, account_id uuid, street_id integer, grid_id uuid, compound_id uuid, place text, name text,
	address text, tenure text, status text, reason text, created_at timestamptz, updated_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
	select r.* from identity.claim c, identity.claim_row(c) r
	where case when $1 then c.account_id = core.actor()
		else c.street_id = core.street() and core.role() in ('grid_lead', 'community', 'street')
			and c.path ^@ any (core.scopes()) end
		and ($2 is null or c.id = $2)
$$;
comment on function identity.claims(boolean, uuid) is
	'The caller''s own claims, or those of the caller''s grids.';

create function identity.claim_event(c identity.claim, action text, from_state text) returns void
language plpgsql
as $$
declare
	mine constant text := current_setting('linli.street', true);
begin
	perform set_config('linli.street', c.street_id::text, true);
	perform core.put_event('claim', c.id, action, from_state, c.status, c.path, c.account_id, false);
	perform set_config('linli.street', mine, true);
end
$$;
comment on function identity.claim_event(identity.claim, text, text) is
	'Appends what happened to a claim to the feed of its street, whoever does it from where.';

create function identity.submit_claim(id uuid, street integer, grid uuid, compound uuid, name text, address text, tenure text, from_address text, pos json)
returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	mine constant text := current_setting('linli.street', true);
	place record;
begin
	if num_nonnulls(grid, compound, pos) <> 1 then
		perform core.fail(422, 'claim_place', '/grid_id');
	end if;
	perform set_config('linli.street', street::text, true);
	if pos is not null then
		select l.grid_id into grid from grid.locate((pos ->> 'lon')::float8, (pos ->> 'lat')::float8, pos ->> 'crs') l;
	end if;
	if grid is not null then
		select g.path, g.name into place from grid.grid g where g.street_id = street and g.id = grid
			and g.kind in ('micro', 'special') and (g.valid_to is null or g.valid_to > core.today());
	else
		select c.path, c.name into place from grid.compound c where c.street_id = street and c.id = compound;
	end if;
	perform set_config('linli.street', mine, true);
	if place.path is null then
		perform core.fail(422, 'claim_place_unknown', case when pos is not null then '/position' when grid is null then '/compound_id' else '/grid_id' end);
	end if;
	begin
		insert into identity.claim (id, account_id, street_id, path, grid_id, compound_id, place, name, address, tenure)
		values ($1, core.actor(), $2, place.path, $3, $4, place.name, $5, $6, $7);
	exception when unique_violation then
		perform core.fail(409, 'claim_pending');
	end;
	perform identity.claim_event(c, 'submit', null) from identity.claim c where c.id = $1;
	perform identity.log('claim_submitted', core.actor(), true, $8, json_build_object('claim', $1, 'street_id', $2));
	return $1;
end
$$;
comment on function identity.submit_claim(uuid, integer, uuid, uuid, text, text, text, text, json) is
	'The caller says they live in a grid, at a position or in a compound of a street. LN422 claim_place, claim_place_unknown, LN409 claim_pending.';

create function identity.decide_claim(id uuid, verdict text, grid uuid, reason text, person uuid default null) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	c record;
	place text;
begin
	select x.* into c from identity.claim x where x.id = $1 and case when verdict = 'withdrawn'
			then x.account_id = core.actor()
			else x.street_id = core.street() and x.path ^@ any (core.scopes()) end
		for update;
	if not found then
		perform core.fail(404, 'not_found');
	elsif c.status <> 'pending' then
		perform core.fail(409, 'wrong_state');
	elsif verdict <> 'withdrawn' and c.account_id = core.actor() then
		perform core.fail(403, 'own_claim');
	elsif person is not null and core.role() <> 'community' then
		-- From then on the account reads all of that record.
		perform core.fail(403, 'role_not_allowed', '/person_id');
	end if;
	if verdict = 'approved' then
		select g.path into place from grid.grid g where g.street_id = core.street()
			and g.id = coalesce(grid, c.grid_id) and g.kind in ('micro', 'special')
			and (g.valid_to is null or g.valid_to > core.today()) and g.path ^@ any (core.scopes());
		if not found then
			perform core.fail(422, 'grid_not_found', '/grid_id');
		end if;
		insert into identity.account_role as r (account_id, role, street_id, path)
		values (c.account_id, 'resident', c.street_id, place)
		on conflict on constraint account_role_key do update
			set from_on = least(r.from_on, core.today()), to_on = null;
		update identity.account a set display_name = c.name
		where a.id = c.account_id and a.login is null;
		perform identity.log('role_granted', c.account_id, true, null,
			json_build_object('role', 'resident', 'street_id', c.street_id, 'path', place, 'by', core.actor()));
		if person is not null then
			if not exists (select from people.person p where p.street_id = c.street_id and p.id = person) then
				perform core.fail(422, 'person_not_found', '/person_id');
			end if;
			perform people.attach_account(person, c.account_id);
		end if;
	end if;
	update identity.claim x set status = verdict, reason = decide_claim.reason, grid_id = coalesce(grid, x.grid_id),
		updated_at = core.now(), decided_by = core.actor()
	where x.id = $1;
	perform identity.claim_event(x, case verdict when 'approved' then 'approve' when 'rejected' then 'reject'
		else 'withdraw' end, 'pending') from identity.claim x where x.id = $1;
	perform identity.log('claim_' || verdict, c.account_id, true, null, json_build_object('claim', $1));
	return $1;
end
$$;
comment on function identity.decide_claim(uuid, text, uuid, text, uuid) is
	'approved: makes the claimant a resident of the grid (the claim''s, or one within the caller''s reach) under the claim''s name, and for a community with person theirs; rejected; withdrawn by the claimant. LN404, LN409 wrong_state, LN403 own_claim, role_not_allowed, LN422 grid_not_found, person_not_found, and what people.attach_account says.';

---------------------------------------------------------------- grants
grant execute on function identity.enrol_totp(text), identity.my_totp(boolean),
	identity.confirm_totp(bigint, text[], uuid, text), identity.drop_my_totp(bigint, text, text),
	identity.sms_begin(uuid, text, text, text, text, integer), identity.sms_unsent(uuid),
	identity.sms_try(uuid, text, text, text, text),
	identity.sms_session(uuid, text, text, text, text, text, integer, bigint, text, boolean, uuid, text, integer, text),
	identity.wechat_begin(text, text, text),
	identity.wechat_session(text, text, text, text, text, text, text, integer, bigint, text, boolean, uuid, text, integer, text),
	identity.my_logins(), identity.bind_login(text, text, text, text, text, uuid, text),
	identity.unbind_login(uuid, text), identity.wechat_token(text, integer),
	identity.wechat_token_put(text, text, integer), identity.my_password(text),
	identity.change_password(text, text, uuid, text), identity.reset_password(uuid, text, uuid, text, text),
	identity.my_sessions(), identity.end_others(uuid, text), identity.my_events(), identity.my_roles(),
	identity.switch_session(text, integer, uuid, uuid, boolean, uuid, uuid, text, integer, text),
	identity.places(integer, text, text, integer), identity.claims(boolean, uuid),
	identity.submit_claim(uuid, integer, uuid, uuid, text, text, text, text, json),
	identity.decide_claim(uuid, text, uuid, text, uuid) to linli_app;
