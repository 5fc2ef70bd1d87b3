-- identity: departments and partners, who works in a street, and what is handed
-- over when a lead leaves. A community administers the leads in it, the street
-- all but its own kind; whoever acts for a street is appointed by linlid user.

---------------------------------------------------------------- organisations
create table identity.org (
	street_id integer not null,
	id uuid not null,
	kind text not null check (kind in ('department', 'merchant', 'social_org',
		'property', 'enterprise', 'school', 'platform', 'other')),
	code text,
	name text not null check (name ~ '[^[:space:]]' and length(name) <= 128),
	address text,
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	updated_by uuid,
	closed_at timestamptz,
	primary key (street_id, id),
	constraint org_code_key unique (street_id, code)
);
comment on table identity.org is
	'class: street. Departments (for the role department) and partners of every other kind (for the role merchant). Once closed nobody acts for it.';
alter table identity.org enable row level security;
alter table identity.org force row level security;
create policy street on identity.org using (street_id = core.street());

create view identity.org_view with (security_invoker = true) as
select o.street_id as _street_id, o.version::text as _etag,
	o.id, o.kind, o.code, o.name, o.address, o.closed_at is not null as closed, o.updated_at
from identity.org o;
comment on view identity.org_view is 'class: street. Org: a department or partner.';

create function identity.put_org(id uuid, if_match text, kind text, code text, name text, address text, closed boolean) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	street constant integer := core.street();
	old record;
	held record;
begin
	if $2 is not null then
		select o.kind, o.version into old from identity.org o
		where o.street_id = street and o.id = $1 for update;
		if not found then
			perform core.fail(404, 'not_found');
		elsif old.version::text <> $2 then
			perform core.fail(412, 'version_conflict');
		elsif old.kind <> $3 and 'department' in (old.kind, $3) then
			-- Its people hold a role that would no longer fit.
			perform core.fail(422, 'org_kind_fixed', '/kind');
		end if;
	end if;
	insert into identity.org as o (street_id, id, kind, code, name, address, updated_by, closed_at)
	values (street, $1, $3, $4, $5, $6, core.actor(), case when $7 then core.now() end)
	on conflict on constraint org_pkey do update set kind = excluded.kind, code = excluded.code,
		name = excluded.name, address = excluded.address, version = o.version + 1,
		updated_at = core.now(), updated_by = excluded.updated_by,
		closed_at = case when $7 then coalesce(o.closed_at, core.now()) end;
	if $7 then
		for held in select r.id from identity.account_role r
			where r.street_id = street and r.org_id = $1 and (r.to_on is null or r.to_on > core.today())
		loop
			perform identity.close_role(held.id);
		end loop;
	end if;
exception when unique_violation then
	perform core.fail(409, 'org_code_taken', '/code');
end
$$;
comment on function identity.put_org(uuid, text, text, text, text, text, boolean) is
	'Creates (if_match null) or replaces an organisation of the caller''s street; closing it ends the roles held for it. LN404 not_found, LN412 version_conflict, LN409 org_code_taken, LN422 org_kind_fixed.';

---------------------------------------------------------------- posts
create table identity.post (
	street_id integer not null,
	id uuid not null,
	account_id uuid not null,
	position text not null check (position ~ '[^[:space:]]' and length(position) <= 64),
	grade integer check (grade between 1 and 30),
	from_on date not null,
	to_on date check (to_on >= from_on),
	created_at timestamptz not null default core.now(),
	created_by uuid,
	primary key (street_id, id),
	constraint post_overlap exclude using gist (street_id with =, account_id with =,
		daterange(from_on, to_on, '[)') with &&)
);
comment on table identity.post is
	'class: street. Position and grade of somebody who works for the street, from from_on until before to_on: one at a time, the older ones are the record of promotion.';
alter table identity.post enable row level security;
alter table identity.post force row level security;
create policy street on identity.post using (street_id = core.street());

create function identity.put_post(id uuid, account uuid, post text, grade integer, from_on date) returns void
language plpgsql
as $$
declare
	street constant integer := core.street();
	first_day constant date := coalesce($5, core.today());
begin
	-- What is said anew of a day replaces what was said of it.
	delete from identity.post p where p.street_id = street and p.account_id = $2 and p.from_on >= first_day;
	update identity.post p set to_on = first_day
	where p.street_id = street and p.account_id = $2 and (p.to_on is null or p.to_on > first_day);
	insert into identity.post (street_id, id, account_id, position, grade, from_on, created_by)
	values (street, $1, $2, $3, $4, first_day, core.actor());
end
$$;
comment on function identity.put_post(uuid, uuid, text, integer, date) is
	'A new position and grade from a day on (null = today).';

---------------------------------------------------------------- reach
create function identity.staff_reach(account uuid) returns setof uuid
language plpgsql stable rows 100
as $$
begin
	if core.role() = 'street' then
		return query select distinct r.account_id from identity.account_role r
			where r.street_id = core.street() and ($1 is null or r.account_id = $1)
				and r.role in ('grid_lead', 'community', 'street', 'department', 'merchant');
	elsif core.role() = 'community' then
		return query select r.account_id from identity.account_role r
			where r.street_id = core.street() and ($1 is null or r.account_id = $1)
				and r.role = 'community' and r.path ^@ any (core.scopes())
			union select a.account_id from grid.assignment a
			where a.street_id = core.street() and ($1 is null or a.account_id = $1)
				and a.path ^@ any (core.scopes());
	end if;
end
$$;
comment on function identity.staff_reach(uuid) is
	'Who the caller administers (null), or the account if it is of them: for a community its own staff and who leads or led a grid in it, for a street all who hold or held a role other than resident.';

create function identity.must_reach(account uuid) returns void
language plpgsql stable
as $$
begin
	if not exists (select from identity.staff_reach($1)) then
		perform core.fail(404, 'not_found');
	end if;
end
$$;
comment on function identity.must_reach(uuid) is 'LN404 not_found unless the caller administers the account.';

create function identity.must_own(account uuid) returns void
language plpgsql stable
as $$
begin
	perform identity.must_reach($1);
	if exists (select from identity.account_role r where r.account_id = $1
			and (r.to_on is null or r.to_on > core.today())
			and (r.role = 'street' or r.role <> 'resident' and r.street_id <> core.street())) then
		perform core.fail(403, 'staff_elsewhere');
	end if;
end
$$;
comment on function identity.must_own(uuid) is
	'LN404 unless the caller administers the account, LN403 staff_elsewhere when it also acts for a street or works in another one: what concerns all of an account is not this caller''s.';

create function identity.staff(wanted uuid, after uuid, most integer, q text, wanted_role text)
returns table (id uuid, login text, name text, disabled boolean, "position" text, grade integer, post_since date, roles json, assignments json)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
	street constant integer := core.street();
	today constant date := core.today();
	scopes constant text[] := core.scopes();
begin
	return query select a.id, a.login, a.display_name, a.disabled_at is not null, p.position, p.grade, p.from_on,
		(select coalesce(json_agg(json_build_object('id', r.id, 'role', r.role, 'grid_id', g.id, 'grid_name', g.name,
				'org_id', r.org_id, 'org_name', o.name, 'from_on', r.from_on, 'to_on', r.to_on,
				'active', r.from_on <= today and (r.to_on is null or r.to_on > today)) order by r.from_on, r.id), '[]')
			from identity.account_role r
			left join grid.grid g on g.street_id = street and g.path = r.path
			left join identity.org o on o.street_id = street and o.id = r.org_id
			where r.account_id = a.id and r.street_id = street and r.role <> 'resident'
				and (core.role() = 'street' or r.role = 'grid_lead' or r.path ^@ any (scopes))),
		(select coalesce(json_agg(json_build_object('id', x.id, 'grid_id', x.grid_id, 'grid_name', g.name,
				'lead_kind', x.lead_kind, 'from_on', x.from_on, 'to_on', x.to_on,
				'active', x.from_on <= today and (x.to_on is null or x.to_on > today)) order by x.from_on, x.id), '[]')
			from grid.assignment x
			join grid.grid g on g.street_id = street and g.id = x.grid_id
			where x.street_id = street and x.account_id = a.id and x.path ^@ any (scopes))
	from identity.staff_reach($1) s
	join identity.account a on a.id = s
	left join identity.post p on p.street_id = street and p.account_id = a.id
		and p.from_on <= today and (p.to_on is null or p.to_on > today)
	where ($2 is null or a.id > $2)
		and ($4 is null or position(lower($4) in a.login) > 0 or position($4 in a.display_name) > 0)
		and ($5 is null or exists (select from identity.account_role r
			where r.account_id = a.id and r.street_id = street and r.role = $5
				and (core.role() = 'street' or r.role = 'grid_lead' or r.path ^@ any (scopes))
				and r.from_on <= today and (r.to_on is null or r.to_on > today)))
	order by a.id limit $3;
end
$$;
comment on function identity.staff(uuid, uuid, integer, text, text) is
	'Whom the caller administers, with what they hold within the caller''s reach. A null filters nothing.';

create function identity.posts(account uuid)
returns table (id uuid, "position" text, grade integer, from_on date, to_on date)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
	perform identity.must_reach($1);
	return query select p.id, p.position, p.grade, p.from_on, p.to_on from identity.post p
		where p.street_id = core.street() and p.account_id = $1;
end
$$;
comment on function identity.posts(uuid) is 'Positions and grades of somebody the caller administers. LN404 not_found.';

---------------------------------------------------------------- appointing
create function identity.close_role(role_id uuid) returns void
language plpgsql
as $$
declare
	r identity.account_role;
begin
	update identity.account_role x set to_on = greatest(x.from_on, core.today())
	where x.id = $1 returning x.* into r;
	perform identity.revoke(s.id, 'role_ended') from identity.session s
	where s.account_id = r.account_id and s.revoked_at is null and s.role = r.role
		and s.street_id = r.street_id and s.path = r.path and s.org_id is not distinct from r.org_id;
	perform identity.log('role_ended', r.account_id, true, null, json_build_object(
		'role', r.role, 'street_id', r.street_id, 'path', r.path, 'org_id', r.org_id, 'by', core.actor()));
end
$$;
comment on function identity.close_role(uuid) is 'Ends a role today and its sessions at once.';

create function identity.grant_staff(assignment uuid, account uuid, role text, grid uuid, org uuid, from_on date, to_on date) returns void
language plpgsql
as $$
declare
	street constant integer := core.street();
	first_day constant date := coalesce($6, core.today());
	place record;
	o record;
begin
	if core.role() <> 'street' and role <> 'grid_lead' then
		perform core.fail(403, 'role_not_allowed');
	elsif $7 <= first_day then
		perform core.fail(422, 'dates_invalid', '/to_on');
	elsif role in ('grid_lead', 'community') then
		select g.kind, g.path into place from grid.grid g
		where g.street_id = street and g.id = $4 and g.path ^@ any (core.scopes());
		if not found then
			perform core.fail(422, 'grid_not_found', '/grid_id');
		elsif place.kind <> 'master' and role = 'community' or place.kind = 'street' then
			perform core.fail(422, 'grid_kind_mismatch', '/grid_id');
		elsif org is not null then
			perform core.fail(422, 'org_not_found', '/org_id');
		end if;
	else
		select x.kind into o from identity.org x
		where x.street_id = street and x.id = $5 and x.closed_at is null;
		if not found or (o.kind = 'department') <> (role = 'department') then
			perform core.fail(422, 'org_not_found', '/org_id');
		elsif grid is not null then
			perform core.fail(422, 'grid_not_found', '/grid_id');
		end if;
		select street || '/' as path into place;
	end if;
	if role = 'grid_lead' then
		perform grid.appoint($1, $4, null, $2,
			case place.kind when 'master' then 'general' else place.kind end, $6, $7);
	else
		insert into identity.account_role as r (account_id, role, street_id, path, org_id, from_on, to_on)
		values ($2, $3, street, place.path, $5, first_day, $7)
		on conflict on constraint account_role_key do update
			set from_on = least(r.from_on, excluded.from_on), to_on = excluded.to_on;
	end if;
	perform identity.log('role_granted', $2, true, null, json_build_object('role', $3,
		'street_id', street, 'path', place.path, 'org_id', $5, 'by', core.actor()));
end
$$;
comment on function identity.grant_staff(uuid, uuid, text, uuid, uuid, date, date) is
	'A role for an account: grid_lead with the grid to lead, community with its master grid, department and merchant with their organisation. LN403 role_not_allowed, LN422 dates_invalid, grid_not_found, grid_kind_mismatch, org_not_found, and what grid.appoint says.';

create function identity.grant_staff_role(assignment uuid, account uuid, role text, grid uuid, org uuid, from_on date, to_on date) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	perform identity.must_reach($2);
	perform identity.grant_staff($1, $2, $3, $4, $5, $6, $7);
end
$$;
comment on function identity.grant_staff_role(uuid, uuid, text, uuid, uuid, date, date) is
	'identity.grant_staff for somebody the caller administers already. LN404 not_found.';

create function identity.create_staff(id uuid, login text, name text, password_hash text, role text, grid uuid, org uuid,
	from_on date, to_on date, post jsonb, from_address text) returns table (account_id uuid, account_login text)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	if exists (select from identity.account a where a.login = lower($2)) then
		perform core.fail(409, 'login_name_taken', '/login');
	end if;
	account_login := lower($2);
	account_id := identity.add_account($2, $3, $4);
	perform identity.log('created', account_id, true, $11, json_build_object('by', core.actor(), 'street_id', core.street()));
	perform identity.grant_staff($1, account_id, $5, $6, $7, $8, $9);
	if $10 <> 'null' then
		perform identity.put_post(core.new_id(core.street()), account_id, $10 ->> 'position', ($10 ->> 'grade')::integer, $8);
	end if;
	return next;
end
$$;
comment on function identity.create_staff(uuid, text, text, text, text, uuid, uuid, date, date, jsonb, text) is
	'A new account with a role and perhaps a post; id becomes the assignment of a grid_lead. LN409 login_name_taken, and as identity.grant_staff.';

create function identity.end_staff_role(role_id uuid) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	r identity.account_role;
	a record;
begin
	select x.* into r from identity.account_role x
	where x.id = $1 and x.street_id = core.street() and x.role not in ('resident', 'client') for update;
	if not found or not exists (select from identity.staff_reach(r.account_id))
		or core.role() <> 'street' and not (r.role = 'grid_lead' or r.path ^@ any (core.scopes())) then
		perform core.fail(404, 'not_found');
	elsif r.role = 'street' or core.role() <> 'street' and r.role <> 'grid_lead' then
		perform core.fail(403, 'role_not_allowed');
	elsif r.to_on <= core.today() then
		perform core.fail(409, 'role_ended');
	end if;
	if r.role = 'grid_lead' then
		for a in select x.id, x.path from grid.assignment x
			where x.street_id = r.street_id and x.account_id = r.account_id
				and (x.to_on is null or x.to_on > core.today())
		loop
			if not a.path ^@ any (core.scopes()) then
				perform core.fail(409, 'assigned_elsewhere');
			end if;
			perform grid.end_assignment(a.id);
		end loop;
	end if;
	perform identity.close_role($1);
	return r.account_id;
end
$$;
comment on function identity.end_staff_role(uuid) is
	'Ends a role of somebody the caller administers, with the assignments of a lead, at once; returns whose. LN404 not_found, LN403 role_not_allowed, LN409 role_ended, assigned_elsewhere.';

create function identity.bar_staff(account uuid, barred boolean, from_address text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	login_key text;
begin
	perform identity.must_own($1);
	update identity.account a set disabled_at = case when $2 then coalesce(a.disabled_at, core.now()) end
	where a.id = $1 returning identity.login_key(a.login) into login_key;
	if $2 then
		perform identity.revoke_all($1, 'account_disabled');
	else
		delete from identity.attempt t where t.kind = 'login' and t.key = login_key;
	end if;
	perform identity.log(case when $2 then 'disabled' else 'enabled' end, $1, true, $3, json_build_object('by', core.actor()));
end
$$;
comment on function identity.bar_staff(uuid, boolean, text) is
	'Bars an account and ends its sessions, or lets it in again. Errors as identity.must_own.';

create function identity.reset_staff_password(account uuid, new_hash text, from_address text) returns table (account_id uuid, account_login text)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	perform identity.must_own($1);
	update identity.account a set password_hash = $2, password_at = core.now()
	where a.id = $1 and a.login is not null returning a.id, a.login into account_id, account_login;
	if not found then
		perform core.fail(409, 'login_missing');
	end if;
	perform identity.revoke_all($1, 'password_changed');
	perform identity.log('password_set', $1, true, $3, json_build_object('by', core.actor()));
	return next;
end
$$;
comment on function identity.reset_staff_password(uuid, text, text) is
	'A new password for somebody the caller administers; ends all their sessions. LN409 login_missing, and as identity.must_own.';

create function identity.put_staff_post(id uuid, account uuid, post text, grade integer, from_on date) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	perform identity.must_reach($2);
	perform identity.put_post($1, $2, $3, $4, $5);
end
$$;
comment on function identity.put_staff_post(uuid, uuid, text, integer, date) is
	'identity.put_post for somebody the caller administers. LN404 not_found.';

---------------------------------------------------------------- handing over
create function ticket.pass_on(path text, from_account uuid, to_account uuid) returns integer
language plpgsql
as $$
declare
	t ticket.ticket;
	n integer := 0;
begin
	for t in select x.* from ticket.ticket x
		where x.street_id = core.street() and x.is_open and x.path ^@ $1 and x.handler_id = $2
			and ($3 is not null or not exists (select from grid.assignment a where a.street_id = x.street_id
				and a.account_id = $2 and x.path ^@ a.path
				and a.from_on <= core.today() and (a.to_on is null or a.to_on > core.today())))
		order by x.id for update
	loop
		update ticket.ticket x set handler_id = $3, version = x.version + 1, updated_at = core.now()
		where x.street_id = t.street_id and x.id = t.id;
		perform ticket.tell(t, 'pass_on', null, core.role(),
			json_build_object('from_account', $2, 'to_account', $3), true);
		n := n + 1;
	end loop;
	return n;
end
$$;
comment on function ticket.pass_on(text, uuid, uuid) is
	'Open tickets below a path that one lead has accepted become another''s, each with an event for the staff, or for null nobody''s, so that any lead of the grid goes on with them, unless the one still leads there; returns how many.';

create function ticket.release(a grid.assignment) returns integer
language plpgsql
as $$
begin
	update grid.assignment x set released_at = core.now() where x.street_id = a.street_id and x.id = a.id;
	return ticket.pass_on(a.path, a.account_id, null);
end
$$;
comment on function ticket.release(grid.assignment) is
	'What somebody whose assignment has ended still has in hand goes back to the grid; returns how many tickets.';

create function ticket.release_due() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	s integer;
	a grid.assignment;
	n integer := 0;
begin
	for s in select g.id from grid.street g order by g.id loop
		perform core.enter_system(s);
		for a in select x.* from grid.assignment x where x.street_id = s and x.released_at is null
			and x.to_on <= core.today() order by x.to_on limit 100 for update skip locked
		loop
			n := n + ticket.release(a);
		end loop;
	end loop;
	return n;
end
$$;
comment on function ticket.release_due() is
	'Job: ticket.release() for assignments whose term is over; returns how many tickets.';

create function grid.hand_over(id uuid, new_id uuid, to_account uuid) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	street constant integer := core.street();
	old grid.assignment;
begin
	old := grid.close_assignment($1);
	update grid.assignment a set released_at = core.now() where a.street_id = street and a.id = $1;
	if not exists (select from identity.account_role r join identity.account a on a.id = r.account_id
			where r.account_id = $3 and r.street_id = street and a.disabled_at is null) then
		perform core.fail(422, 'account_unknown', '/to_account');
	elsif old.account_id = $3 then
		perform core.fail(422, 'same_person', '/to_account');
	end if;
	-- Who leads the grid already beside them only takes the work.
	if not exists (select from grid.assignment a where a.street_id = street and a.grid_id = old.grid_id
			and a.account_id = $3 and a.from_on <= core.today() and (a.to_on is null or a.to_on > core.today())) then
		perform grid.appoint($2, old.grid_id, null, $3, old.lead_kind, null, null);
	end if;
	return ticket.pass_on(old.path, old.account_id, $3);
end
$$;
comment on function grid.hand_over(uuid, uuid, uuid) is
	'Ends an assignment today and gives grid and open work to another person of the street, whole or not at all; returns how many tickets. LN404, LN409 as grid.close_assignment, LN422 account_unknown, same_person, and what grid.appoint says.';

---------------------------------------------------------------- grants
grant select on identity.org, identity.org_view to linli_app;
grant execute on function identity.put_org(uuid, text, text, text, text, text, boolean),
	identity.staff(uuid, uuid, integer, text, text), identity.posts(uuid),
	identity.grant_staff_role(uuid, uuid, text, uuid, uuid, date, date),
	identity.create_staff(uuid, text, text, text, text, uuid, uuid, date, date, jsonb, text),
	identity.end_staff_role(uuid), identity.bar_staff(uuid, boolean, text),
	identity.reset_staff_password(uuid, text, text), identity.put_staff_post(uuid, uuid, text, integer, date),
	grid.hand_over(uuid, uuid, uuid) to linli_app;
grant execute on function ticket.release_due() to linli_job;
