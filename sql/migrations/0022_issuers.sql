-- identity: outside issuers whose people may sign in here (OpenID Connect), and
-- which of their claims give which role. Written by linli_owner alone.

create table identity.issuer (
	issuer text collate "C" primary key,
	audience text not null,
	jwks_url text not null check (jwks_url ~ '^https?://[^/@?#]+(/|$)'),
	label text not null,
	acr text,
	created_at timestamptz not null default core.now(),
	disabled_at timestamptz
);
comment on table identity.issuer is
	'class: key. iss and aud of tokens we take, and where the keys they are signed with are; label is how people call it, acr what its tokens say after a second factor (null: amr tells).';
alter table identity.issuer enable row level security;
alter table identity.issuer force row level security;
create policy functions on identity.issuer to linli_owner using (true);

create table identity.issuer_role (
	issuer text collate "C" not null references identity.issuer (issuer),
	claim text not null,
	value text not null,
	role text not null check (role in ('community', 'street', 'department', 'merchant')),
	street_id integer not null,
	path text collate "C" not null check (path ^@ (street_id || '/')),
	org_id uuid check ((org_id is not null) = (role in ('department', 'merchant'))),
	primary key (issuer, claim, value, role, street_id, path)
);
comment on table identity.issuer_role is
	'class: key. Who has this value in this claim (a text, or one of a list) has this role.';
alter table identity.issuer_role enable row level security;
alter table identity.issuer_role force row level security;
create policy functions on identity.issuer_role to linli_owner using (true);

create table identity.issued_role (
	role_id uuid primary key references identity.account_role (id) on delete cascade,
	issuer text collate "C" not null references identity.issuer (issuer)
);
comment on table identity.issued_role is
	'class: key. Roles an issuer gave, which it takes away by no longer saying so; those given here stay.';
alter table identity.issued_role enable row level security;
alter table identity.issued_role force row level security;
create policy functions on identity.issued_role to linli_owner using (true);

create function identity.put_issuer(issuer text, audience text, jwks_url text, label text, acr text default null) returns void
language sql
as $$
	insert into identity.issuer as i (issuer, audience, jwks_url, label, acr) values ($1, $2, $3, $4, $5)
	on conflict on constraint issuer_pkey do update set audience = excluded.audience,
		jwks_url = excluded.jwks_url, label = excluded.label, acr = excluded.acr, disabled_at = null
$$;
comment on function identity.put_issuer(text, text, text, text, text) is 'An issuer, new or changed. For linli_owner.';

create function identity.end_issuer(issuer text) returns void
language plpgsql
as $$
begin
	update identity.issuer i set disabled_at = coalesce(i.disabled_at, core.now()) where i.issuer = $1;
	if not found then
		perform core.fail(422, 'issuer_unknown', '/issuer');
	end if;
	perform identity.close_role(x.id) from identity.account_role x join identity.issued_role r on r.role_id = x.id
	where r.issuer = $1 and (x.to_on is null or x.to_on > core.today());
end
$$;
comment on function identity.end_issuer(text) is
	'Its people sign in no more, and the roles it gave end with their sessions. LN422 issuer_unknown. For linli_owner.';

create function identity.list_issuers() returns table (issuer text, audience text, jwks_url text, label text, state text, gives text)
language sql stable
as $$
	select i.issuer, i.audience, i.jwks_url, i.label, case when i.disabled_at is null then 'on' else 'off' end,
		r.claim || '=' || r.value || ' → ' || r.role || ' ' || r.path || coalesce(' ' || r.org_id, '')
	from identity.issuer i left join identity.issuer_role r on r.issuer = i.issuer
	order by i.issuer, r.claim, r.value, r.path
$$;
comment on function identity.list_issuers() is 'Issuers, a line for each claim that gives a role. For linli_owner.';

create function identity.map_claim(issuer text, claim text, value text, role text, street integer, path text, org uuid) returns void
language plpgsql
as $$
declare
	place constant text := coalesce($6, $5 || '/');
begin
	perform core.enter_system($5);
	if not exists (select from identity.issuer i where i.issuer = $1) then
		perform core.fail(422, 'issuer_unknown', '/issuer');
	elsif not exists (select from grid.grid g where g.street_id = $5 and g.path = place) then
		perform core.fail(422, 'grid_not_found', '/path');
	elsif $7 is not null and not exists (select from identity.org o where o.street_id = $5 and o.id = $7) then
		perform core.fail(422, 'org_not_found', '/org');
	end if;
	insert into identity.issuer_role (issuer, claim, value, role, street_id, path, org_id)
	values ($1, $2, $3, $4, $5, place, $7) on conflict on constraint issuer_role_pkey do update set org_id = excluded.org_id;
end
$$;
comment on function identity.map_claim(text, text, text, text, integer, text, uuid) is
	'What a claim of an issuer gives; path null = the whole street. LN422 issuer_unknown, grid_not_found, org_not_found. For linli_owner.';

create function identity.unmap_claim(issuer text, claim text, value text, role text, street integer, path text) returns void
language plpgsql
as $$
begin
	delete from identity.issuer_role r where r.issuer = $1 and r.claim = $2 and r.value = $3 and r.role = $4
		and r.street_id = $5 and r.path = coalesce($6, $5 || '/');
	if not found then
		perform core.fail(422, 'claim_unmapped', '/claim');
	end if;
end
$$;
comment on function identity.unmap_claim(text, text, text, text, integer, text) is
	'It gives that no longer: who has it keeps it until the next sign-in. LN422 claim_unmapped. For linli_owner.';

create function identity.find_issuer(issuer text) returns table (jwks_url text, audience text, acr text, claims json)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
	select i.jwks_url, i.audience, i.acr, (select coalesce(json_agg(distinct r.claim), '[]')
		from identity.issuer_role r where r.issuer = i.issuer)
	into find_issuer.jwks_url, find_issuer.audience, find_issuer.acr, find_issuer.claims
	from identity.issuer i where i.issuer = $1 and i.disabled_at is null;
	return next;
end
$$;
comment on function identity.find_issuer(text) is
	'Where an issuer''s keys are, for whom its tokens must be, which claims matter; one row, null when we do not know it.';

create function identity.take_roles(account uuid, issuer text, claims jsonb) returns integer
language plpgsql
as $$
declare
	m record;
	held uuid;
	holding uuid[] := '{}';
begin
	for m in select r.* from identity.issuer_role r where r.issuer = $2
		and jsonb_typeof($3 -> r.claim) in ('string', 'array') and ($3 -> r.claim) ? r.value
	loop
		select x.id into held from identity.account_role x
		where x.account_id = $1 and x.role = m.role and x.street_id = m.street_id and x.path = m.path
			and x.org_id is not distinct from m.org_id and (x.to_on is null or x.to_on > core.today());
		if not found then
			insert into identity.account_role as x (account_id, role, street_id, path, org_id)
			values ($1, m.role, m.street_id, m.path, m.org_id)
			on conflict on constraint account_role_key do update set to_on = null
			returning x.id into held;
			insert into identity.issued_role (role_id, issuer) values (held, $2)
			on conflict on constraint issued_role_pkey do update set issuer = excluded.issuer;
			perform identity.log('role_granted', $1, true, null, json_build_object('role', m.role,
				'street_id', m.street_id, 'path', m.path, 'org_id', m.org_id, 'issuer', $2));
		end if;
		holding := holding || held;
	end loop;
	perform identity.close_role(x.id) from identity.account_role x join identity.issued_role i on i.role_id = x.id
	where x.account_id = $1 and i.issuer = $2 and x.id <> all (holding) and (x.to_on is null or x.to_on > core.today());
	return cardinality(holding);
end
$$;
comment on function identity.take_roles(uuid, text, jsonb) is
	'Gives an account what its issuer says today, takes away what it said before; returns how many roles it says.';

create function identity.oidc_session(issuer text, subject_index text, subject text, name text, claims jsonb,
	wanted_role text, wanted_street integer, second boolean, street_totp boolean, session uuid, refresh_hash text, seconds integer, address text)
returns table (verdict text, session_id uuid, account_id uuid, name_ text, role text, street_id integer, epoch integer, expires_at timestamptz)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	account uuid;
	started record;
begin
	account := identity.login_account('oidc', $2, null, $3,
		(select i.label from identity.issuer i where i.issuer = $1), $4);
	if identity.take_roles(account, $1, $5) = 0 then
		verdict := 'none';
		perform identity.log('login', account, false, address, '{"how": "oidc", "why": "role_not_granted"}');
		return next;
		return;
	elsif street_totp and not second
		and exists (select from identity.pick_role(account, wanted_role, wanted_street) p where p.role = 'street') then
		verdict := 'weak';
		perform identity.log('login', account, false, address, '{"how": "oidc", "why": "second_factor_missing"}');
		return next;
		return;
	end if;
	-- No code of ours: a second factor is the issuer's to ask for.
	select s.* into started from identity.start_session(session, account, wanted_role, wanted_street, seconds, address,
		null, second, street_totp) s;
	insert into identity.refresh_token (hash, session_id, expires_at) values (refresh_hash, started.session_id, started.expires_at);
	perform identity.log('login', account, true, address, json_build_object('how', 'oidc', 'issuer', $1,
		'session', started.session_id, 'role', started.role, 'street_id', started.street_id));
	return query select 'ok', started.session_id, started.account_id, started.name, started.role,
		started.street_id, started.epoch, started.expires_at;
end
$$;
comment on function identity.oidc_session(text, text, text, text, jsonb, text, integer, boolean, boolean, uuid, text, integer, text) is
	'After the token was verified: account (new the first time), roles as the issuer says, session. One row (commit it): verdict ok, none when it says no role, or weak when a second factor is due and it does not tell of one. Errors as start_session.';

grant execute on function identity.find_issuer(text),
	identity.oidc_session(text, text, text, text, jsonb, text, integer, boolean, boolean, uuid, text, integer, text) to linli_app;
