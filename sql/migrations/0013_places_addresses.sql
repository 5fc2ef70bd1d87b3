-- grid: addresses kept, division codes, the Party's side.
-- Run by linli_owner, one statement at a time.

---------------------------------------------------------------- keeping addresses
create view grid.building_view with (security_invoker = true) as
select b.street_id as _street_id, b.path as _path, b.version as _etag,
	b.id, b.compound_id, c.name as compound_name, b.name, b.serial,
	case when b.lon is not null then ticket.position_json(b.lon, b.lat, 'wgs84') end as position,
	u.units, b.updated_at
from grid.building b
join grid.compound c on c.street_id = b.street_id and c.id = b.compound_id
cross join lateral (select coalesce(json_agg(json_build_object('id', u.id, 'name', u.name)
		order by length(u.name), u.name), '[]') as units
	from grid.unit u where u.street_id = b.street_id and u.building_id = b.id) u;
comment on view grid.building_view is 'class: street. Building: with its units.';

create view grid.dwelling_view with (security_invoker = true) as
select d.street_id as _street_id, d.path as _path, d.version as _etag,
	d.id, b.compound_id, d.building_id, b.name as building_name, u.name as unit, d.number, d.floor,
	d.area, d.use, d.ownership_kind, d.grid_id, g.name as grid_name,
	case when coalesce(d.lon, b.lon) is not null then
		ticket.position_json(coalesce(d.lon, b.lon), coalesce(d.lat, b.lat), 'wgs84') end as position,
	h.grids, d.updated_at
from grid.dwelling d
join grid.building b on b.street_id = d.street_id and b.id = d.building_id
join grid.grid g on g.street_id = d.street_id and g.id = d.grid_id
left join grid.unit u on u.street_id = d.street_id and u.id = d.unit_id
cross join lateral (select json_agg(json_build_object('grid_id', o.grid_id, 'from_on', o.from_on,
		'to_on', o.to_on) order by o.from_on) as grids
	from grid.dwelling_grid o where o.street_id = d.street_id and o.dwelling_id = d.id) h;
comment on view grid.dwelling_view is 'class: street. Dwelling: with the grids it has belonged to, as far as the reader answers for them.';

create function grid.fail_address(name text) returns void
language plpgsql
as $$
begin
	if name ^@ 'building_serial_key' then
		perform core.fail(409, 'building_serial_taken', '/serial');
	elsif name ^@ 'building_name_key' then
		perform core.fail(409, 'building_name_taken', '/name');
	elsif name ^@ 'dwelling_number_key' then
		perform core.fail(409, 'dwelling_number_taken', '/number');
	end if;
end
$$;
comment on function grid.fail_address(text) is
	'What a broken constraint of an address means to the caller; returns when it means nothing.';

create function grid.put_building(p_id uuid, p_compound uuid, p_if_match text, p_name text,
	p_serial integer, p_position jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	street constant integer := core.street();
	old grid.building;
	compound grid.compound;
	w record;
	broken text;
begin
	if p_if_match is not null then
		select b.* into old from grid.building b where b.street_id = street and b.id = p_id for update;
	end if;
	-- The compound's lock makes the next serial ours.
	select c.* into compound from grid.compound c
	where c.street_id = street and c.id = coalesce(p_compound, old.compound_id) for no key update;
	if not found or not grid.may_maintain('micro', compound.path) then
		perform core.fail(404, 'not_found');
	elsif core.is_stale(old.version, p_if_match) then
		perform core.fail(412, 'version_conflict');
	end if;
	w := core.wgs84((p_position ->> 'lon')::float8, (p_position ->> 'lat')::float8, p_position ->> 'crs');
	insert into grid.building as b (street_id, id, compound_id, path, name, serial, lon, lat, updated_by)
	values (street, p_id, compound.id, compound.path, p_name, coalesce(p_serial, old.serial,
		(select coalesce(max(x.serial), 0) + 1 from grid.building x
			where x.street_id = street and x.compound_id = compound.id)), w.lon, w.lat, core.actor())
	on conflict on constraint building_pkey do update set name = excluded.name, serial = excluded.serial,
		lon = excluded.lon, lat = excluded.lat, version = b.version + 1,
		updated_at = core.now(), updated_by = excluded.updated_by;
	perform core.put_event('building', p_id, case when p_if_match is null then 'create' else 'update' end,
		null, null, compound.path, null, true);
exception when unique_violation then
	get stacked diagnostics broken = constraint_name;
	perform grid.fail_address(broken);
	raise;
end
$$;
comment on function grid.put_building(uuid, uuid, text, text, integer, jsonb) is
	'A new building of a compound (if_match null) or a building as it shall be; serial null: as it was, or the next. LN404 not_found, LN412 version_conflict, LN409 building_serial_taken, building_name_taken.';

create function grid.dwelling_home(p_building grid.building, p_grid uuid, p_lon float8, p_lat float8) returns grid.grid
language plpgsql stable
as $$
declare
	g grid.grid;
begin
	select x.* into g from grid.grid x
	where x.street_id = core.street() and x.id = coalesce(p_grid, (select a.grid_id
		from grid.at(core.street(), coalesce(p_lon, p_building.lon), coalesce(p_lat, p_building.lat), core.today()) a));
	if not found and p_grid is null then
		perform core.fail(422, 'grid_required', '/grid_id');
	elsif g.id is null or g.valid_to <= core.today() or not grid.may_maintain(g.kind, g.path) then
		perform core.fail(422, 'grid_not_found', '/grid_id');
	elsif g.kind not in ('micro', 'special') then
		perform core.fail(422, 'grid_not_for_tickets', '/grid_id');
	end if;
	return g;
end
$$;
comment on function grid.dwelling_home(grid.building, uuid, float8, float8) is
	'The grid of a dwelling: the one named, else that of its position or its building''s. LN422 grid_required, grid_not_found, grid_not_for_tickets.';

create function grid.unit_of(p_building uuid, p_name text) returns uuid
language plpgsql
as $$
declare
	found_id uuid;
begin
	if p_name is null then
		return null;
	end if;
	insert into grid.unit (street_id, id, building_id, name)
	values (core.street(), core.new_id(core.street()), p_building, p_name)
	on conflict on constraint unit_name_key do nothing;
	select u.id into found_id from grid.unit u
	where u.street_id = core.street() and u.building_id = p_building and u.name = p_name;
	return found_id;
end
$$;
comment on function grid.unit_of(uuid, text) is 'The unit of a building by its name, made when there is none; null for no name.';

create function grid.put_dwelling(p_id uuid, p_building uuid, p_if_match text, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	street constant integer := core.street();
	old grid.dwelling;
	house grid.building;
	home grid.grid;
	w record;
	broken text;
begin
	if p_if_match is not null then
		select d.* into old from grid.dwelling d where d.street_id = street and d.id = p_id for update;
	end if;
	select x.* into house from grid.building x
	where x.street_id = street and x.id = coalesce(p_building, old.building_id) for share;
	if not found or not grid.may_maintain('micro', house.path) then
		perform core.fail(404, 'not_found');
	elsif core.is_stale(old.version, p_if_match) then
		perform core.fail(412, 'version_conflict');
	end if;
	w := core.wgs84((b -> 'position' ->> 'lon')::float8, (b -> 'position' ->> 'lat')::float8, b -> 'position' ->> 'crs');
	home := grid.dwelling_home(house, coalesce((b ->> 'grid_id')::uuid, old.grid_id), w.lon, w.lat);
	insert into grid.dwelling as d (street_id, id, building_id, unit_id, number, floor, area, use,
		ownership_kind, grid_id, path, lon, lat, updated_by)
	values (street, p_id, house.id, grid.unit_of(house.id, b ->> 'unit'), b ->> 'number',
		(b ->> 'floor')::integer, (b ->> 'area')::integer, b ->> 'use', b ->> 'ownership_kind',
		coalesce(old.grid_id, home.id), coalesce(old.path, home.path), w.lon, w.lat, core.actor())
	on conflict on constraint dwelling_pkey do update set unit_id = excluded.unit_id,
		number = excluded.number, floor = excluded.floor, area = excluded.area, use = excluded.use,
		ownership_kind = excluded.ownership_kind, lon = excluded.lon, lat = excluded.lat,
		version = d.version + 1, updated_at = core.now(), updated_by = excluded.updated_by;
	if p_if_match is null then
		insert into grid.dwelling_grid (street_id, dwelling_id, grid_id, path, from_on)
		values (street, p_id, home.id, home.path, core.today());
	elsif home.id <> old.grid_id then
		perform grid.move_dwellings(array[p_id], home.id, core.today());
	end if;
	perform core.put_event('dwelling', p_id, case when p_if_match is null then 'create' else 'update' end,
		null, null, home.path, null, false);
exception when unique_violation then
	get stacked diagnostics broken = constraint_name;
	perform grid.fail_address(broken);
	raise;
end
$$;
comment on function grid.put_dwelling(uuid, uuid, text, jsonb) is
	'A new dwelling of a building (if_match null) or a dwelling as it shall be; without grid_id it stays where it was, a new one goes by its position. LN404 not_found, LN412 version_conflict, LN409 dwelling_number_taken, LN422 as grid.dwelling_home().';

create function grid.fill_building(p_building uuid, b jsonb) returns table (created integer, kept integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	street constant integer := core.street();
	house grid.building;
	home grid.grid;
	units uuid[];
	wanted constant integer := (b ->> 'units')::integer * (b ->> 'floors')::integer * (b ->> 'per_floor')::integer;
begin
	select x.* into house from grid.building x where x.street_id = street and x.id = p_building for update;
	if not found or not grid.may_maintain('micro', house.path) then
		perform core.fail(404, 'not_found');
	elsif wanted > 2000 then
		perform core.fail(422, 'too_many_dwellings', '/floors');
	end if;
	home := grid.dwelling_home(house, (b ->> 'grid_id')::uuid, null, null);
	units := array(select grid.unit_of(p_building, n || '单元')
		from generate_series(1, (b ->> 'units')::integer) n order by n);
	with made as (
		insert into grid.dwelling (street_id, id, building_id, unit_id, number, floor, area, use,
			ownership_kind, grid_id, path, updated_by)
		select street, core.new_id(street), p_building, u, f || lpad(k::text, 2, '0'), f,
			(b ->> 'area')::integer, b ->> 'use', b ->> 'ownership_kind', home.id, home.path, core.actor()
		from unnest(units) with ordinality u (u, n), generate_series(1, (b ->> 'floors')::integer) f,
			generate_series(1, (b ->> 'per_floor')::integer) k
		order by u.n, f, k
		on conflict on constraint dwelling_number_key do nothing
		returning id),
	dated as (
		insert into grid.dwelling_grid (street_id, dwelling_id, grid_id, path, from_on)
		select street, m.id, home.id, home.path, core.today() from made m returning 1)
	select count(*) into created from dated;
	kept := wanted - created;
	perform core.put_event('building', p_building, 'fill', null, null, house.path, null, true,
		json_build_object('created', created));
	return next;
end
$$;
comment on function grid.fill_building(uuid, jsonb) is
	'All dwellings of a building at once: 1单元 101 … as units × floors × per_floor say; those there are stay as they are. LN404 not_found, LN422 too_many_dwellings and as grid.dwelling_home().';

---------------------------------------------------------------- region codes
create view core.region_view with (security_invoker = true) as
select r.code, r.level, r.name,
	case r.level when 'street' then left(r.code, 6) when 'community' then left(r.code, 9) end as parent_code,
	r.valid_from, r.valid_to
from core.region r;
comment on view core.region_view is 'class: reference. Region.';

create function core.load_regions(p_csv text, p_on date, out added integer, out renamed integer,
	out ended integer, out kept integer)
language plpgsql
as $$
declare
	day constant date := coalesce(p_on, core.today());
	lines constant text[] := array_remove(string_to_array(translate(p_csv, E'\r\uFEFF', ''), E'\n'), '');
	new core.region;
	old core.region;
	i integer;
begin
	added := 0;
	renamed := 0;
	kept := 0;
	if lines[1] is distinct from 'code,level,name' then
		perform core.fail(422, 'region_line_invalid', '1');
	end if;
	create temporary table loaded (code text primary key) on commit drop;
	for i in 2..coalesce(cardinality(lines), 1) loop
		new.code := split_part(lines[i], ',', 1);
		new.level := split_part(lines[i], ',', 2);
		new.name := split_part(lines[i], ',', 3);
		if new.code !~ '^[0-9]+$' or new.name !~ '[^[:space:]]' or lines[i] ~ '"|,.*,.*,'
			or length(new.code) is distinct from (case new.level
				when 'district' then 6 when 'street' then 9 when 'community' then 12 end)
			or exists (select from loaded l where l.code = new.code) then
			perform core.fail(422, 'region_line_invalid', i::text);
		end if;
		insert into loaded (code) values (new.code);
		select r.* into old from core.region r
		where r.code = new.code and (r.valid_to is null or r.valid_to > day)
		order by r.valid_from desc limit 1;
		if not found then
			insert into core.region (code, level, name, valid_from) values (new.code, new.level, new.name, day);
			added := added + 1;
		elsif old.name = new.name then
			kept := kept + 1;
		elsif old.valid_from >= day then
			update core.region r set name = new.name where r.code = old.code and r.valid_from = old.valid_from;
			renamed := renamed + 1;
		else
			update core.region r set valid_to = day where r.code = old.code and r.valid_from = old.valid_from;
			insert into core.region (code, level, name, valid_from) values (new.code, new.level, new.name, day);
			renamed := renamed + 1;
		end if;
	end loop;
	-- A file speaks of whole districts: what it leaves out of one is no more.
	update core.region r set valid_to = day
	where r.valid_to is null and r.valid_from < day
		and left(r.code, 6) in (select left(l.code, 6) from loaded l)
		and not exists (select from loaded l where l.code = r.code);
	get diagnostics ended = row_count;
	drop table loaded;
end
$$;
comment on function core.load_regions(text, date, out integer, out integer, out integer, out integer) is
	'Division codes (CSV: code,level,name) that hold from a day on: new ones begin, renamed ones get another version, those that a district lacks end. LN422 region_line_invalid with the number of the line. For linli_owner.';

---------------------------------------------------------------- the Party's side, and who answers
-- 总网格党委 — 网格党支部 — 微网格党小组: at most one a grid, of the kind the
-- grid asks for.
create table grid.party_org (
	street_id integer not null,
	grid_id uuid not null,
	path text collate "C" not null,
	grid_kind text not null,
	kind text not null check (kind in ('committee', 'branch', 'group')),
	name text not null check (name ~ '[^[:space:]]' and length(name) <= 64),
	member_count integer not null default 0 check (member_count >= 0),
	founded_on date,
	version integer not null default 1,
	updated_at timestamptz not null default core.now(),
	updated_by uuid,
	primary key (street_id, grid_id),
	foreign key (street_id, grid_id, path, grid_kind) references grid.grid (street_id, id, path, kind),
	constraint party_org_fits_check check (kind = case grid_kind when 'street' then 'committee'
		when 'master' then 'committee' when 'general' then 'branch' when 'special' then 'branch' else 'group' end)
);
create index party_org_path on grid.party_org (street_id, path);
comment on table grid.party_org is
	'class: street. Party organisation of a grid: 党委 committee (street, master), 党支部 branch (general, special), 党小组 group (micro).';
alter table grid.party_org enable row level security;
alter table grid.party_org force row level security;
create policy street on grid.party_org using (street_id = core.street());

create view grid.party_org_view with (security_invoker = true) as
select p.street_id as _street_id, p.path as _path, p.version as _etag,
	p.grid_id, g.name as grid_name, p.grid_kind, p.kind, p.name, p.member_count, p.founded_on,
	a.grid_id as parent_grid_id, p.updated_at
from grid.party_org p
join grid.grid g on g.street_id = p.street_id and g.id = p.grid_id
left join lateral (select x.grid_id from grid.party_org x
	where x.street_id = p.street_id and p.path ^@ x.path and x.path <> p.path
	order by x.path desc limit 1) a on true;
comment on view grid.party_org_view is 'class: street. PartyOrg: with the one above it.';

create function grid.put_party_org(p_grid uuid, p_if_match text, p_name text, p_members integer,
	p_founded date) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	street constant integer := core.street();
	g grid.grid;
	held integer;
begin
	select x.* into g from grid.grid x where x.street_id = street and x.id = p_grid for no key update;
	if not found or not (grid.may_maintain(g.kind, g.path)
		-- A community keeps its own committee too.
		or (core.role() = 'community' and g.path = any (core.scopes()))) then
		perform core.fail(404, 'not_found');
	end if;
	select p.version into held from grid.party_org p where p.street_id = street and p.grid_id = p_grid;
	-- None there is version 0: the first one is written with If-Match: "0".
	if core.is_stale(coalesce(held, 0), p_if_match) then
		perform core.fail(412, 'version_conflict');
	elsif g.valid_to <= core.today() then
		perform core.fail(409, 'grid_closed');
	end if;
	insert into grid.party_org as p (street_id, grid_id, path, grid_kind, kind, name, member_count,
		founded_on, updated_by)
	values (street, g.id, g.path, g.kind, case when g.kind in ('street', 'master') then 'committee'
		when g.kind in ('general', 'special') then 'branch' else 'group' end,
		p_name, p_members, p_founded, core.actor())
	on conflict on constraint party_org_pkey do update set name = excluded.name,
		member_count = excluded.member_count, founded_on = excluded.founded_on,
		version = p.version + 1, updated_at = core.now(), updated_by = excluded.updated_by;
	perform core.put_event('party_org', p_grid, case when held is null then 'create' else 'update' end,
		null, null, g.path, null, true);
end
$$;
comment on function grid.put_party_org(uuid, text, text, integer, date) is
	'The Party organisation of a grid as it shall be, of the kind the grid has; if_match 0 = there is none yet. LN404 not_found, LN412 version_conflict, LN409 grid_closed.';

-- 两委包片: a member of the committees answers for some general grids.
create table grid.duty_area (
	street_id integer not null,
	id uuid not null,
	path text collate "C" not null,
	account_id uuid not null,
	name text not null,
	grid_ids uuid[] not null check (cardinality(grid_ids) between 1 and 50),
	note text not null default '',
	from_on date not null,
	to_on date check (to_on >= from_on),
	version integer not null default 1,
	updated_at timestamptz not null default core.now(),
	updated_by uuid,
	primary key (street_id, id)
);
create index duty_area_path on grid.duty_area (street_id, path, id);
comment on table grid.duty_area is
	'class: street. 两委包片: which general and special grids of a community an account answers for, from from_on until before to_on. It gives no right: grid.assignment does. name is the account''s, copied.';
alter table grid.duty_area enable row level security;
alter table grid.duty_area force row level security;
create policy staff on grid.duty_area
	using (street_id = core.street() and core.may_see_private(path, null));

create view grid.duty_area_view with (security_invoker = true) as
select d.street_id as _street_id, d.path as _path, d.version as _etag,
	d.id, d.account_id, d.name, g.grids, d.note, d.from_on, d.to_on,
	d.from_on <= core.today() and (d.to_on is null or d.to_on > core.today()) as active, d.updated_at
from grid.duty_area d
cross join lateral (select json_agg(json_build_object('grid_id', g.id, 'kind', g.kind, 'name', g.name)
		order by g.path) as grids
	from grid.grid g where g.street_id = d.street_id and g.id = any (d.grid_ids)) g;
comment on view grid.duty_area_view is 'class: street. DutyArea: with its grids.';

create function grid.put_duty_area(p_id uuid, p_if_match text, p_login text, p_grids jsonb, p_note text,
	p_from date, p_to date) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	street constant integer := core.street();
	ids constant uuid[] := array(select x::uuid from jsonb_array_elements_text(p_grids) x);
	held grid.duty_area;
	goal record;
	account uuid;
begin
	if p_if_match is not null then
		select d.* into held from grid.duty_area d
		where d.street_id = street and d.id = p_id for update;
		if not found then
			perform core.fail(404, 'not_found');
		elsif core.is_stale(held.version, p_if_match) then
			perform core.fail(412, 'version_conflict');
		end if;
	end if;
	select count(*) as n, min(core.path_head(g.path, 2)) as place,
		bool_and(g.kind in ('general', 'special')) as fits, bool_and(grid.may_maintain(g.kind, g.path)) as ours,
		count(distinct core.path_head(g.path, 2)) as places
	into goal from grid.grid g where g.street_id = street and g.id = any (ids);
	if goal.n < cardinality(ids) or not goal.ours or goal.places > 1 then
		perform core.fail(422, 'grid_not_found', '/grid_ids');
	elsif not goal.fits then
		perform core.fail(422, 'grid_not_general', '/grid_ids');
	elsif p_to < coalesce(p_from, held.from_on, core.today()) then
		perform core.fail(422, 'dates_invalid', '/to_on');
	end if;
	account := identity.account_of(p_login);
	insert into grid.duty_area as d (street_id, id, path, account_id, name, grid_ids, note, from_on, to_on, updated_by)
	select street, p_id, goal.place, a.id, a.display_name, ids, coalesce(p_note, ''),
		coalesce(p_from, held.from_on, core.today()), p_to, core.actor()
	from identity.account a where a.id = account
	on conflict on constraint duty_area_pkey do update set path = excluded.path, account_id = excluded.account_id,
		name = excluded.name, grid_ids = excluded.grid_ids, note = excluded.note, from_on = excluded.from_on,
		to_on = excluded.to_on, version = d.version + 1, updated_at = core.now(), updated_by = excluded.updated_by;
	perform core.put_event('duty_area', p_id, case when p_if_match is null then 'create' else 'update' end,
		null, null, goal.place, account, false);
end
$$;
comment on function grid.put_duty_area(uuid, text, text, jsonb, text, date, date) is
	'Who answers for which general and special grids of one community; if_match null = new. LN404 not_found, LN412 version_conflict, LN422 grid_not_found, grid_not_general, dates_invalid, account_unknown.';

---------------------------------------------------------------- grants
grant select on grid.building, grid.unit, grid.dwelling, grid.dwelling_grid, grid.place_view,
	grid.redraw, grid.redraw_view, grid.building_view, grid.dwelling_view,
	core.region_view, grid.party_org, grid.party_org_view, grid.duty_area, grid.duty_area_view to linli_app;
grant select (street_id, grid_id, from_on, to_on, kind, path, min_lon, min_lat, max_lon, max_lat, area)
	on grid.boundary to linli_app;
grant select on grid.boundary_shape to linli_app;
grant execute on function core.gcj02_converted(float8, float8, text), core.wgs84(float8, float8, text),
	grid.detail(integer), grid.at(integer, float8, float8, date), grid.locate(float8, float8, text), grid.here(float8, float8, text),
	grid.features(text, integer, text, uuid, date, jsonb, uuid, integer),
	grid.preview_redraw(uuid, text, jsonb), grid.commit_redraw(uuid, text),
	grid.cancel_redraw(uuid), grid.put_building(uuid, uuid, text, text, integer, jsonb),
	grid.put_dwelling(uuid, uuid, text, jsonb), grid.fill_building(uuid, jsonb),
	grid.put_party_org(uuid, text, text, integer, date),
	grid.put_duty_area(uuid, text, text, jsonb, text, date, date) to linli_app;
grant execute on function grid.run_redraws() to linli_job;
