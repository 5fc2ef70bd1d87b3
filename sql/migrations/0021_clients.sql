-- identity: programs that call with a token of their own (OAuth 2.0 client
-- credentials). A client is an account with the role client in one street; its
-- token is a session like any other, so core.enter() stays one look-up.

---------------------------------------------------------------- tables
create table identity.client (
	account_id uuid primary key references identity.account (id),
	street_id integer not null,
	org_id uuid,
	scopes text[] not null,
	systems text[] not null default '{}',
	nets cidr[] not null default '{}',
	per_minute integer not null check (per_minute between 1 and 60000),
	burst integer not null check (burst between 1 and 10000),
	jwks json,
	disabled_at timestamptz,
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	updated_by uuid
);
create index client_street on identity.client (street_id, account_id);
comment on table identity.client is
	'class: key. What a program may do (scopes, of ClientScope in the contract), whose numbers it brings (systems), from where (empty nets: from anywhere), how often; with jwks it proves itself by a key, else by a secret.';
alter table identity.client enable row level security;
alter table identity.client force row level security;
create policy functions on identity.client to linli_owner using (true);

create table identity.client_secret (
	id uuid primary key,
	account_id uuid not null references identity.client (account_id),
	hash text collate "C" not null unique check (hash ~ '^[0-9a-f]{64}$'),
	created_at timestamptz not null default core.now(),
	revoked_at timestamptz
);
create index client_secret_account on identity.client_secret (account_id);
comment on table identity.client_secret is
	'class: key. SHA-256 in hex of 256 random bits: nothing to guess, so no slow hash. Two may live at once, to change over.';
alter table identity.client_secret enable row level security;
alter table identity.client_secret force row level security;
create policy functions on identity.client_secret to linli_owner using (true);

create table identity.client_assertion (
	account_id uuid not null references identity.client (account_id),
	jti text collate "C" not null,
	expires_at timestamptz not null,
	primary key (account_id, jti)
);
comment on table identity.client_assertion is
	'class: key. Assertions taken, until they are dead anyway: each is good once.';
alter table identity.client_assertion enable row level security;
alter table identity.client_assertion force row level security;
create policy functions on identity.client_assertion to linli_owner using (true);

---------------------------------------------------------------- tokens
create function identity.client_keys(client uuid) returns table (jwks json)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
	return query select c.jwks from identity.client c where c.account_id = $1 and c.disabled_at is null
		union all select null limit 1;
end
$$;
comment on function identity.client_keys(uuid) is 'The public keys a client proves itself by; one row, null when there are none.';

create function identity.client_claims(client uuid)
returns table (scope text, nets text, per_minute integer, burst integer)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
	select array_to_string(c.scopes, ' '), array_to_string(c.nets, ' '), c.per_minute, c.burst
	from identity.client c where c.account_id = $1
$$;
comment on function identity.client_claims(uuid) is 'What a token of the client says of it.';

create function identity.client_token(client uuid, secret_hash text, jti text, jti_end bigint, wanted_scope text[],
	session uuid, seconds integer, address text)
returns table (verdict text, session_id uuid, account_id uuid, role text, street_id integer, epoch integer,
	scope text, nets text, per_minute integer, burst integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	c identity.client;
	fresh boolean;
	granted text[];
begin
	-- Locked, so that disabling waits for us and then finds the session.
	select x.* into c from identity.client x where x.account_id = $1 for share;
	granted := array(select s from unnest(c.scopes) s where $5 is null or s = any ($5));
	if c.account_id is null or c.disabled_at is not null then
		verdict := 'invalid_client';
	elsif $3 is not null then
		insert into identity.client_assertion (account_id, jti, expires_at)
		values ($1, $3, to_timestamp($4)) on conflict on constraint client_assertion_pkey do nothing;
		fresh := found;
		verdict := case when fresh then 'ok' else 'invalid_client' end;
	elsif not exists (select from identity.client_secret s
			where s.account_id = $1 and s.hash = $2 and s.revoked_at is null) then
		verdict := 'invalid_client';
	end if;
	if coalesce(verdict, 'ok') = 'ok' and cardinality(c.nets) > 0
		and not exists (select from unnest(c.nets) n where $8 <> 'local' and $8::inet <<= n) then
		verdict := 'unauthorized_client';
	elsif coalesce(verdict, 'ok') = 'ok' and (granted = '{}' or not $5 <@ c.scopes) then
		verdict := 'invalid_scope';
	end if;
	verdict := coalesce(verdict, 'ok');
	if verdict = 'ok' then
		select s.session_id, s.account_id, s.role, s.street_id, s.epoch
		into client_token.session_id, client_token.account_id, client_token.role, client_token.street_id, client_token.epoch
		from identity.start_session($6, $1, 'client', c.street_id, $7, $8) s;
		scope := array_to_string(granted, ' ');
		nets := array_to_string(c.nets, ' ');
		per_minute := c.per_minute;
		burst := c.burst;
	end if;
	perform identity.log('client_token', case when c.account_id is not null then $1 end, verdict = 'ok', $8,
		json_build_object('verdict', verdict, 'session', session_id, 'how', case when $3 is null then 'secret' else 'key' end));
	return next;
end
$$;
comment on function identity.client_token(uuid, text, text, bigint, text[], uuid, integer, text) is
	'A session for a client that gives one of its secrets, or the jti of an assertion verified. One row always (commit it): verdict ok, or the error code of RFC 6749.';

---------------------------------------------------------------- administration, by the street
create function identity.clients(wanted uuid)
returns table (_etag text, id uuid, name text, org_id uuid, scopes json, systems json, nets json, per_minute integer, burst integer,
	jwks json, disabled boolean, secrets json, created_at timestamptz, updated_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
	return query select c.version::text, c.account_id, a.display_name, c.org_id, to_json(c.scopes), to_json(c.systems), to_json(c.nets::text[]),
		c.per_minute, c.burst, c.jwks, c.disabled_at is not null,
		(select coalesce(json_agg(json_build_object('id', s.id, 'created_at', s.created_at) order by s.id), '[]')
			from identity.client_secret s where s.account_id = c.account_id and s.revoked_at is null),
		c.created_at, c.updated_at
	from identity.client c join identity.account a on a.id = c.account_id
	where c.street_id = core.street() and core.role() = 'street' and ($1 is null or c.account_id = $1);
end
$$;
comment on function identity.clients(uuid) is 'The clients of the caller''s street, or one; never a secret.';

create function identity.own_client(client uuid) returns identity.client
language plpgsql
as $$
declare
	c identity.client;
begin
	select x.* into c from identity.client x
	where x.account_id = $1 and x.street_id = core.street() and core.role() = 'street' for update;
	if not found then
		perform core.fail(404, 'not_found');
	end if;
	return c;
end
$$;
comment on function identity.own_client(uuid) is 'A client the caller administers, locked. LN404 not_found.';

create function identity.put_client(id uuid, if_match text, name text, org uuid, scopes jsonb, systems jsonb, nets jsonb,
	per_minute integer, burst integer, jwks jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	street constant integer := core.street();
	c identity.client;
	places cidr[];
begin
	begin
		places := array(select n::cidr from jsonb_array_elements_text($7) n);
	exception when invalid_text_representation then
		perform core.fail(422, 'net_invalid', '/nets');
	end;
	if 0 = any (select masklen(p) from unnest(places) p) then
		perform core.fail(422, 'net_invalid', '/nets');
	end if;
	if $4 is not null and not exists (select from identity.org o
			where o.street_id = street and o.id = $4 and o.closed_at is null) then
		perform core.fail(422, 'org_not_found', '/org_id');
	end if;
	if $2 is null then
		insert into identity.account (id, display_name) values ($1, $3);
		insert into identity.account_role (account_id, role, street_id, path)
		values ($1, 'client', street, street || '/');
		perform identity.log('created', $1, true, null, json_build_object('by', core.actor(), 'street_id', street));
	else
		c := identity.own_client($1);
		if c.version::text <> $2 then
			perform core.fail(412, 'version_conflict');
		end if;
		update identity.account a set display_name = $3 where a.id = $1;
		-- Its tokens say what was allowed so far.
		perform identity.revoke_all($1, 'client_changed');
		perform identity.log('client_changed', $1, true, null, json_build_object('by', core.actor()));
	end if;
	insert into identity.client as x (account_id, street_id, org_id, scopes, systems, nets, per_minute, burst, jwks, updated_by)
	values ($1, street, $4, array(select jsonb_array_elements_text($5)), array(select jsonb_array_elements_text($6)), places, $8, $9,
		nullif($10, 'null')::json, core.actor())
	on conflict on constraint client_pkey do update set org_id = excluded.org_id, scopes = excluded.scopes,
		systems = excluded.systems, nets = excluded.nets, per_minute = excluded.per_minute, burst = excluded.burst, jwks = excluded.jwks,
		version = x.version + 1, updated_at = core.now(), updated_by = excluded.updated_by;
	update identity.account_role r set org_id = $4 where r.account_id = $1 and r.role = 'client';
end
$$;
comment on function identity.put_client(uuid, text, text, uuid, jsonb, jsonb, jsonb, integer, integer, jsonb) is
	'Creates a client (if_match null) or writes all of it, which ends its tokens. LN404 not_found, LN412 version_conflict, LN422 net_invalid, org_not_found.';

create function identity.add_client_secret(id uuid, client uuid, hash text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	perform identity.own_client($2);
	if (select count(*) from identity.client_secret s where s.account_id = $2 and s.revoked_at is null) >= 2 then
		perform core.fail(409, 'two_secrets_live');
	end if;
	insert into identity.client_secret (id, account_id, hash) values ($1, $2, $3);
	perform identity.log('client_secret_added', $2, true, null, json_build_object('secret', $1, 'by', core.actor()));
end
$$;
comment on function identity.add_client_secret(uuid, uuid, text) is
	'One more secret, of which two may live. LN404 not_found, LN409 two_secrets_live.';

create function identity.end_client_secret(id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	client uuid;
begin
	select s.account_id into client from identity.client_secret s where s.id = $1 and s.revoked_at is null;
	perform identity.own_client(client);
	update identity.client_secret s set revoked_at = core.now() where s.id = $1;
	-- Whoever has the secret may have tokens.
	perform identity.revoke_all(client, 'secret_revoked');
	perform identity.log('client_secret_revoked', client, true, null, json_build_object('secret', $1, 'by', core.actor()));
end
$$;
comment on function identity.end_client_secret(uuid) is 'Ends a secret, and the tokens of its client, at once. LN404 not_found.';

create function identity.bar_client(client uuid, barred boolean) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	perform identity.own_client($1);
	update identity.client c set disabled_at = case when $2 then coalesce(c.disabled_at, core.now()) end,
		version = c.version + 1, updated_at = core.now(), updated_by = core.actor()
	where c.account_id = $1;
	if $2 then
		perform identity.revoke_all($1, 'client_disabled');
	end if;
	perform identity.log(case when $2 then 'disabled' else 'enabled' end, $1, true, null, json_build_object('by', core.actor()));
end
$$;
comment on function identity.bar_client(uuid, boolean) is 'Bars a client and ends its tokens, or lets it in again. LN404 not_found.';

create function identity.sweep_assertions() returns integer
language plpgsql
as $$
declare
	n integer;
begin
	-- An hour more than any clock difference we forgive.
	delete from identity.client_assertion x where x.expires_at < core.now() - interval '1 hour';
	get diagnostics n = row_count;
	return n;
end
$$;
comment on function identity.sweep_assertions() is 'Of identity.sweep(): assertions long dead.';

---------------------------------------------------------------- grants
grant execute on function identity.client_keys(uuid),
	identity.client_token(uuid, text, text, bigint, text[], uuid, integer, text), identity.clients(uuid),
	identity.put_client(uuid, text, text, uuid, jsonb, jsonb, jsonb, integer, integer, jsonb),
	identity.add_client_secret(uuid, uuid, text), identity.end_client_secret(uuid),
	identity.bar_client(uuid, boolean) to linli_app;
