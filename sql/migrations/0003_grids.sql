-- grid: streets, the tree of grids, compounds, who is assigned where, groups.
create schema grid;
grant usage on schema grid to linli_app, linli_job, linli_matcher;

---------------------------------------------------------------- tables
create table grid.street (
	id integer primary key check (id between 1 and 65535),
	code text not null,
	name text not null,
	prefix text not null unique check (prefix ~ '^[A-Z]{2,6}$')
);
comment on table grid.street is
	'class: reference. Streets (街道) by their number inside every id; prefix leads what people read: WNC-2026-000123.';

create table grid.compound (
	street_id integer not null references grid.street (id),
	id uuid not null,
	path text collate "C" not null,
	name text not null,
	address text not null,
	household_count integer not null check (household_count >= 0),
	updated_at timestamptz not null default core.now(),
	primary key (street_id, id)
);
create index compound_path on grid.compound (street_id, path, id);
comment on table grid.compound is
	'class: street. 小区/院落, under the path of its community.';
alter table grid.compound enable row level security;
alter table grid.compound force row level security;
create policy street on grid.compound using (street_id = core.street());

-- A node never moves: kind, serial and path stay for life, so that what was
-- filed under a path remains there. Another boundary is another grid.
create table grid.grid (
	street_id integer not null references grid.street (id),
	id uuid not null,
	parent_id uuid,
	kind text not null check (kind in ('street', 'master', 'general', 'micro', 'special')),
	serial integer not null check (serial > 0),
	path text collate "C" not null,
	code text,
	name text not null check (name ~ '[^[:space:]]' and length(name) <= 64),
	household_count integer not null default 0 check (household_count >= 0),
	person_count integer not null default 0 check (person_count >= 0),
	compound_id uuid,
	version integer not null default 1,
	valid_from date not null default core.today(),
	valid_to date,
	updated_at timestamptz not null default core.now(),
	updated_by uuid,
	parent_kind text generated always as (case kind when 'master' then 'street'
		when 'general' then 'master' when 'special' then 'master'
		when 'micro' then 'general' end) stored,
	parent_path text collate "C" generated always as
		(nullif(regexp_replace(path, '[0-9]+/$', ''), '')) stored,
	primary key (street_id, id),
	constraint grid_path_key unique (street_id, path),
	constraint grid_code_key unique (street_id, code),
	constraint grid_node_key unique (street_id, id, path, kind),
	-- A child stands under a parent of the right kind, at its parent's path
	-- and its own serial, however the row came in.
	constraint grid_parent_fkey foreign key (street_id, parent_id, parent_path, parent_kind)
		references grid.grid (street_id, id, path, kind),
	constraint grid_compound_fkey foreign key (street_id, compound_id)
		references grid.compound (street_id, id),
	constraint grid_root_check check ((kind = 'street') = (parent_id is null)
		and (kind <> 'street' or (serial = street_id and path = street_id || '/'))
		and path ^@ (street_id || '/')),
	constraint grid_path_check check (path ~ '^([1-9][0-9]*/)+$'
		and path = coalesce(regexp_replace(path, '[0-9]+/$', ''), '') || serial || '/'),
	-- Statistical codes of what is a division; 12 digits + 3 of a grid, and two
	-- more of a micro-grid where a city numbers those. Other codes are free.
	constraint grid_code_check check (code !~ '^[0-9]+$' or length(code) = any (case kind
		when 'street' then array[length(code)] when 'master' then '{12}'::integer[]
		when 'micro' then '{15,17}'::integer[] else '{15}'::integer[] end)),
	constraint grid_dates_check check (valid_to >= valid_from)
);
create index grid_parent on grid.grid (street_id, parent_id, serial);
create index grid_compound on grid.grid (street_id, compound_id) where compound_id is not null;
comment on table grid.grid is
	'class: street. The tree 街道 (street) → 社区/总网格 (master) → 一般网格 (general) → 微网格 (micro), 专属网格 (special) under the master. path = serials from the root, each with /: 1/9/3/12/. A grid holds from valid_from until before valid_to.';
comment on column grid.grid.code is 'Official code where there is one: the 12-digit division code of a master, 15 digits of a grid';
alter table grid.grid enable row level security;
alter table grid.grid force row level security;
create policy street on grid.grid using (street_id = core.street());

create table grid.assignment (
	street_id integer not null,
	id uuid not null,
	grid_id uuid not null,
	grid_kind text not null,
	path text collate "C" not null,
	account_id uuid not null,
	name text not null,
	lead_kind text not null check (lead_kind in ('general', 'micro', 'special')),
	from_on date not null,
	to_on date,
	created_at timestamptz not null default core.now(),
	created_by uuid,
	updated_at timestamptz not null default core.now(),
	ended_by uuid,
	released_at timestamptz,
	primary key (street_id, id),
	foreign key (street_id, grid_id, path, grid_kind) references grid.grid (street_id, id, path, kind),
	constraint assignment_dates_check check (to_on >= from_on),
	constraint assignment_kind_check check (case lead_kind
		when 'general' then grid_kind in ('master', 'general')
		else grid_kind = lead_kind end),
	constraint assignment_overlap exclude using gist (street_id with =, grid_id with =,
		account_id with =, daterange(from_on, to_on, '[)') with &&)
);
create index assignment_account on grid.assignment (street_id, account_id);
create index assignment_grid on grid.assignment (street_id, grid_id, from_on);
create index assignment_due on grid.assignment (street_id, to_on) where released_at is null and to_on is not null;
comment on table grid.assignment is
	'class: street. Who leads a grid, from from_on until before to_on (null = open; to_on = from_on: never). core.enter() takes a lead''s scopes from here. name is the account''s, copied; released_at says when the open work went back to the grid or on to somebody else.';
alter table grid.assignment enable row level security;
alter table grid.assignment force row level security;
create policy street on grid.assignment using (street_id = core.street());

create table grid.grid_group (
	street_id integer not null,
	id uuid not null,
	path text collate "C" not null,
	name text not null check (name ~ '[^[:space:]]' and length(name) <= 64),
	purpose text not null default '',
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	updated_by uuid,
	primary key (street_id, id)
);
create index grid_group_path on grid.grid_group (street_id, path);
comment on table grid.grid_group is
	'class: street. 联合体: several micro-grids acting together. path = their community''s, or the street''s when they belong to several.';
alter table grid.grid_group enable row level security;
alter table grid.grid_group force row level security;
create policy street on grid.grid_group using (street_id = core.street());

create table grid.grid_group_member (
	street_id integer not null,
	group_id uuid not null,
	grid_id uuid not null,
	primary key (street_id, group_id, grid_id),
	foreign key (street_id, group_id) references grid.grid_group (street_id, id),
	foreign key (street_id, grid_id) references grid.grid (street_id, id)
);
create index grid_group_member_grid on grid.grid_group_member (street_id, grid_id);
comment on table grid.grid_group_member is 'class: street. Micro-grids of a group.';
alter table grid.grid_group_member enable row level security;
alter table grid.grid_group_member force row level security;
create policy street on grid.grid_group_member using (street_id = core.street());

---------------------------------------------------------------- what clients read
-- One view = one schema of the contract: its columns are the fields, those
-- with _ are for conditions and headers. The ETag covers all that is shown;
-- If-Match only compares the version before the dash.

create view grid.grid_view with (security_invoker = true) as
select g.street_id as _street_id, g.path as _path,
	g.version || '-' || left(md5(l.leads::text), 8) as _etag,
	g.id, g.parent_id, g.kind, g.serial, g.code, g.name, g.household_count, g.person_count,
	-- Figures of the rules, reported and never enforced.
	case when g.kind not in ('micro', 'general') then null
		when g.household_count < case g.kind when 'micro' then 30 else 300 end then 'below'
		when g.household_count > case g.kind when 'micro' then 100 else 500 end then 'above'
		else 'within' end as household_range,
	g.compound_id, l.leads, g.valid_from, g.valid_to, g.updated_at
from grid.grid g
cross join lateral (
	select coalesce(json_agg(json_build_object('name', a.name, 'lead_kind', a.lead_kind)
		order by a.from_on, a.id), '[]') as leads
	from grid.assignment a
	where a.street_id = g.street_id and a.grid_id = g.id and a.from_on <= core.today()
		and (a.to_on is null or a.to_on > core.today())) l;
comment on view grid.grid_view is 'class: street. Grid: with the names of those who lead it today.';

create view grid.assignment_view with (security_invoker = true) as
select a.street_id as _street_id, a.path as _path,
	a.id, a.grid_id, a.account_id, a.name, a.lead_kind, a.from_on, a.to_on,
	a.from_on <= core.today() and (a.to_on is null or a.to_on > core.today()) as active,
	a.updated_at
from grid.assignment a;
comment on view grid.assignment_view is 'class: street. Assignment: and whether it holds today.';

create view grid.grid_group_view with (security_invoker = true) as
select u.street_id as _street_id, u.path as _path,
	u.version || '-' || left(md5(m.grids::text), 8) as _etag,
	u.id, u.name, u.purpose, m.grids, m.household_count, u.updated_at
from grid.grid_group u
cross join lateral (
	select coalesce(json_agg(json_build_object('id', g.id, 'name', g.name,
			'household_count', g.household_count) order by g.path), '[]') as grids,
		coalesce(sum(g.household_count), 0)::integer as household_count
	from grid.grid_group_member x
	join grid.grid g on g.street_id = x.street_id and g.id = x.grid_id
	where x.street_id = u.street_id and x.group_id = u.id) m;
comment on view grid.grid_group_view is 'class: street. GridGroup: with its micro-grids.';

create view grid.compound_view with (security_invoker = true) as
select c.street_id as _street_id, c.path as _path,
	c.id, c.name, c.address, c.household_count, g.id as community_id, c.updated_at
from grid.compound c
left join grid.grid g on g.street_id = c.street_id and g.path = c.path;
comment on view grid.compound_view is 'class: street. Compound: with the grid of its community.';

---------------------------------------------------------------- rules
create function grid.may_maintain(kind text, path text) returns boolean
language sql stable parallel safe
return case core.role()
	when 'street' then true
	when 'system' then true
	when 'community' then kind in ('general', 'micro', 'special') and path ^@ any (core.scopes())
	else false end;
comment on function grid.may_maintain(text, text) is
	'The street decides about every grid; a community maintains what stands under its own master grid.';

create function grid.check_code(p_id uuid) returns void
language plpgsql stable
as $$
begin
	-- A code made of digits begins with that of the division it lies in.
	if exists (select from grid.grid g
		join grid.grid o on o.street_id = g.street_id and o.code ~ '^[0-9]+$'
			and case when o.kind = 'street' then g.kind = 'master' else o.kind = 'master' and g.kind <> 'street' end
			and g.path ^@ o.path and g.path <> o.path
		where g.street_id = core.street() and p_id in (g.id, o.id) and g.code ~ '^[0-9]+$' and not g.code ^@ o.code) then
		perform core.fail(422, 'grid_code_foreign', '/code');
	end if;
end
$$;
comment on function grid.check_code(uuid) is
	'LN422 grid_code_foreign when a grid''s code does not begin with its community''s (a community''s with its street''s), or one below not with its own.';

create function grid.add_street(id integer, code text, name text, prefix text) returns uuid
language plpgsql
as $$
declare
	root uuid := core.new_id($1);
begin
	insert into grid.street (id, code, name, prefix) values ($1, $2, $3, $4);
	perform core.enter_system($1);
	insert into grid.grid (street_id, id, kind, serial, path, code, name)
	values ($1, root, 'street', $1, $1 || '/', $2, $3);
	return root;
end
$$;
comment on function grid.add_street(integer, text, text, text) is
	'A new street with its root grid, whose id it returns; leaves the system context of the street. For linli_owner.';

create function grid.create_grid(id uuid, parent_id uuid, kind text, name text, serial integer,
	code text, household_count integer, person_count integer, compound_id uuid, valid_from date) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	street constant integer := core.street();
	parent record;
	broken text;
begin
	-- The parent's lock makes the next serial ours.
	select p.path, p.kind, p.valid_to into parent from grid.grid p
	where p.street_id = street and p.id = create_grid.parent_id for update;
	if not found or not grid.may_maintain($3, parent.path) then
		perform core.fail(422, 'grid_not_found', '/parent_id');
	elsif parent.valid_to <= core.today() then
		perform core.fail(409, 'grid_closed');
	end if;
	insert into grid.grid (street_id, id, parent_id, kind, serial, path, code, name,
		household_count, person_count, compound_id, valid_from, updated_by)
	select street, $1, $2, $3, n, parent.path || n || '/', $6, $4, $7, $8, $9,
		coalesce($10, core.today()), core.actor()
	from coalesce($5, (select coalesce(max(g.serial), 0) + 1 from grid.grid g
		where g.street_id = street and g.parent_id = $2)) n;
	perform grid.check_code($1);
	perform core.put_event('grid', $1, 'create', null, 'open', g.path, null, true)
	from grid.grid g where g.street_id = street and g.id = $1;
exception when unique_violation or foreign_key_violation or check_violation then
	get stacked diagnostics broken = constraint_name;
	perform grid.fail_constraint(broken);
	raise;
end
$$;
comment on function grid.create_grid(uuid, uuid, text, text, integer, text, integer, integer, uuid, date) is
	'A grid under a parent; serial null = the next, valid_from null = today. LN422 grid_not_found /parent_id (unknown, or not the caller''s to maintain), grid_kind_mismatch, grid_code_invalid, grid_code_foreign, compound_not_found; LN409 grid_closed, grid_code_taken, grid_serial_taken.';

create function grid.fail_constraint(name text) returns void
language plpgsql
as $$
begin
	-- Citus appends a shard number to the names.
	if name ^@ 'grid_path_key' then
		perform core.fail(409, 'grid_serial_taken', '/serial');
	elsif name ^@ 'grid_code_key' then
		perform core.fail(409, 'grid_code_taken', '/code');
	elsif name ^@ 'grid_code_check' then
		perform core.fail(422, 'grid_code_invalid', '/code');
	elsif name ^@ 'grid_parent_fkey' then
		perform core.fail(422, 'grid_kind_mismatch', '/kind');
	elsif name ^@ 'grid_compound_fkey' then
		perform core.fail(422, 'compound_not_found', '/compound_id');
	end if;
end
$$;
comment on function grid.fail_constraint(text) is
	'What a broken constraint of grid.grid means to the caller; returns when it means nothing.';

create function grid.update_grid(id uuid, if_match text, name text, code text,
	household_count integer, person_count integer, compound_id uuid, valid_to date) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	street constant integer := core.street();
	old record;
	broken text;
begin
	select g.kind, g.path, g.version, g.valid_from into old from grid.grid g
	where g.street_id = street and g.id = $1 for update;
	if not found or not grid.may_maintain(old.kind, old.path) then
		perform core.fail(404, 'not_found');
	elsif core.is_stale(old.version, $2) then
		perform core.fail(412, 'version_conflict');
	elsif $8 < old.valid_from then
		perform core.fail(422, 'dates_invalid', '/valid_to');
	end if;
	update grid.grid g set name = $3, code = $4, household_count = $5, person_count = $6,
		compound_id = $7, valid_to = $8, version = g.version + 1,
		updated_at = core.now(), updated_by = core.actor()
	where g.street_id = street and g.id = $1;
	perform grid.check_code($1);
	perform core.put_event('grid', $1, 'update', null, null, old.path, null, true);
exception when unique_violation or foreign_key_violation or check_violation then
	get stacked diagnostics broken = constraint_name;
	perform grid.fail_constraint(broken);
	raise;
end
$$;
comment on function grid.update_grid(uuid, text, text, text, integer, integer, uuid, date) is
	'All that may change of a grid, when if_match is its version; valid_to closes it. LN404 not_found (unknown, or not the caller''s to maintain), LN412 version_conflict, LN422 dates_invalid, grid_code_invalid, grid_code_foreign, compound_not_found, LN409 grid_code_taken.';

---------------------------------------------------------------- assignments
create function grid.appoint(id uuid, grid_id uuid, login text, account uuid, lead_kind text, from_on date, to_on date) returns void
language plpgsql
as $$
declare
	street constant integer := core.street();
	target record;
	first_day constant date := coalesce($6, core.today());
begin
	select g.kind, g.path, g.valid_to into target from grid.grid g
	where g.street_id = street and g.id = $2 for share;
	if not found or not (grid.may_maintain(target.kind, target.path)
		-- A community also appoints those who work for all of itself.
		or (core.role() = 'community' and target.path ^@ any (core.scopes()))) then
		perform core.fail(404, 'not_found');
	elsif target.valid_to <= core.today() then
		perform core.fail(409, 'grid_closed');
	elsif not (case $5 when 'general' then target.kind in ('master', 'general') else target.kind = $5 end) then
		perform core.fail(422, 'lead_kind_mismatch', '/lead_kind');
	elsif $7 <= first_day then
		perform core.fail(422, 'dates_invalid', '/to_on');
	end if;
	account := coalesce(account, identity.account_of($3));
	insert into identity.account_role as r (account_id, role, street_id, path, from_on)
	values (account, 'grid_lead', street, street || '/', least(first_day, core.today()))
	on conflict on constraint account_role_key do update
		set from_on = least(r.from_on, excluded.from_on), to_on = null;
	insert into grid.assignment (street_id, id, grid_id, grid_kind, path, account_id,
		name, lead_kind, from_on, to_on, created_by)
	select street, $1, $2, target.kind, target.path, account,
		a.display_name, $5, first_day, $7, core.actor()
	from identity.account a where a.id = appoint.account;
	perform core.put_event('assignment', $1, 'create', null, 'open', target.path, account, false);
exception when exclusion_violation then
	perform core.fail(409, 'assignment_overlaps');
end
$$;
comment on function grid.appoint(uuid, uuid, text, uuid, text, date, date) is
	'Puts the person of an account, or else of a login, in charge of a grid, from from_on (null = today) until before to_on (null = open), giving the role grid_lead. LN404 not_found, LN409 grid_closed, assignment_overlaps, LN422 lead_kind_mismatch, dates_invalid, account_unknown.';

create function grid.assign(id uuid, grid_id uuid, login text, lead_kind text, from_on date, to_on date) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$select grid.appoint($1, $2, $3, null, $4, $5, $6)$$;
comment on function grid.assign(uuid, uuid, text, text, date, date) is 'grid.appoint by login.';

create function grid.close_assignment(id uuid) returns grid.assignment
language plpgsql
as $$
declare
	old grid.assignment;
begin
	select a.* into old from grid.assignment a
	where a.street_id = core.street() and a.id = $1 for update;
	if not found or not (core.role() in ('street', 'system')
		or (core.role() = 'community' and old.path ^@ any (core.scopes()))) then
		perform core.fail(404, 'not_found');
	elsif old.to_on <= core.today() then
		perform core.fail(409, 'assignment_ended');
	end if;
	update grid.assignment a set to_on = greatest(core.today(), a.from_on),
		updated_at = core.now(), ended_by = core.actor()
	where a.street_id = core.street() and a.id = $1;
	perform core.put_event('assignment', $1, 'end', 'open', 'ended', old.path, old.account_id, false);
	return old;
end
$$;
comment on function grid.close_assignment(uuid) is
	'Ends an assignment today, at once, and returns what it was; what becomes of the open work is the caller''s to say. LN404 not_found, LN409 assignment_ended.';

create function grid.end_assignment(id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	perform ticket.release(grid.close_assignment($1));
end
$$;
comment on function grid.end_assignment(uuid) is
	'Ends an assignment today; the open work goes back to the grid. Errors as grid.close_assignment.';

---------------------------------------------------------------- groups
create function grid.put_group(id uuid, if_match text, name text, purpose text, grid_ids jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	street constant integer := core.street();
	old record;
	ids constant uuid[] := array(select x::uuid from jsonb_array_elements_text($5) x);
	members record;
	place text;
begin
	if $2 is not null then
		select u.path, u.version into old from grid.grid_group u
		where u.street_id = street and u.id = $1 for update;
		if not found or not grid.may_maintain('micro', old.path) then
			perform core.fail(404, 'not_found');
		elsif core.is_stale(old.version, $2) then
			perform core.fail(412, 'version_conflict');
		end if;
	end if;
	select count(*) as n, bool_and(grid.may_maintain('micro', g.path)) as ours,
		bool_and(g.kind = 'micro') as micro, bool_or(g.valid_to <= core.today()) as closed,
		min(split_part(g.path, '/', 2)) as first, max(split_part(g.path, '/', 2)) as last
	into members from grid.grid g where g.street_id = street and g.id = any (ids);
	if members.n < cardinality(ids) or not members.ours then
		perform core.fail(422, 'grid_not_found', '/grid_ids');
	elsif not members.micro then
		perform core.fail(422, 'grid_not_micro', '/grid_ids');
	elsif members.closed then
		perform core.fail(409, 'grid_closed', '/grid_ids');
	end if;
	place := street || '/' || (case when members.first = members.last then members.first || '/' else '' end);
	insert into grid.grid_group as u (street_id, id, path, name, purpose, updated_by)
	values (street, $1, place, $3, $4, core.actor())
	on conflict on constraint grid_group_pkey do update set path = excluded.path,
		name = excluded.name, purpose = excluded.purpose, version = u.version + 1,
		updated_at = core.now(), updated_by = excluded.updated_by;
	delete from grid.grid_group_member m
	where m.street_id = street and m.group_id = $1 and m.grid_id <> all (ids);
	insert into grid.grid_group_member (street_id, group_id, grid_id)
	select street, $1, x from unnest(ids) x
	on conflict on constraint grid_group_member_pkey do nothing;
	perform core.put_event('grid_group', $1, case when $2 is null then 'create' else 'update' end,
		null, null, place, null, true);
end
$$;
comment on function grid.put_group(uuid, text, text, text, jsonb) is
	'Creates a group (if_match null) or replaces it when if_match is its version; grid_ids = JSON array of micro-grids. LN404 not_found, LN412 version_conflict, LN422 grid_not_found, grid_not_micro, LN409 grid_closed.';

---------------------------------------------------------------- grants
grant select on grid.street, grid.compound, grid.grid, grid.assignment, grid.grid_group,
	grid.grid_group_member, grid.grid_view, grid.assignment_view, grid.grid_group_view,
	grid.compound_view to linli_app;
grant select on grid.street, grid.grid to linli_job;
grant execute on function grid.may_maintain(text, text),
	grid.create_grid(uuid, uuid, text, text, integer, text, integer, integer, uuid, date),
	grid.update_grid(uuid, text, text, text, integer, integer, uuid, date),
	grid.assign(uuid, uuid, text, text, date, date), grid.end_assignment(uuid),
	grid.put_group(uuid, text, text, text, jsonb) to linli_app;
