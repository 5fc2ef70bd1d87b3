-- places: standard addresses, boundaries and how they change, region codes,
-- Party organisations and who answers for which grids.

---------------------------------------------------------------- addresses
-- 小区 → 楼栋 → 单元 → 房屋. Everybody of the street reads buildings and units
-- like compounds; dwellings are for the staff in charge of their grid.
create table grid.building (
	street_id integer not null,
	id uuid not null,
	compound_id uuid not null,
	path text collate "C" not null,
	name text not null check (name ~ '[^[:space:]]' and length(name) <= 64),
	serial integer not null check (serial > 0),
	lon float8,
	lat float8 check ((lon is null) = (lat is null)),
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	updated_by uuid,
	primary key (street_id, id),
	constraint building_serial_key unique (street_id, compound_id, serial),
	constraint building_name_key unique (street_id, compound_id, name),
	foreign key (street_id, compound_id) references grid.compound (street_id, id)
);
create index building_path on grid.building (street_id, path, id);
comment on table grid.building is
	'class: street. 楼栋 of a compound, under the path of its community; lon and lat (WGS-84) hold for its dwellings that have none of their own.';
alter table grid.building enable row level security;
alter table grid.building force row level security;
create policy street on grid.building using (street_id = core.street());

create table grid.unit (
	street_id integer not null,
	id uuid not null,
	building_id uuid not null,
	name text not null check (name ~ '[^[:space:]]' and length(name) <= 64),
	primary key (street_id, id),
	constraint unit_name_key unique (street_id, building_id, name),
	constraint unit_building_key unique (street_id, building_id, id),
	foreign key (street_id, building_id) references grid.building (street_id, id)
);
comment on table grid.unit is 'class: street. 单元 of a building.';
alter table grid.unit enable row level security;
alter table grid.unit force row level security;
create policy street on grid.unit using (street_id = core.street());

create table grid.dwelling (
	street_id integer not null,
	id uuid not null,
	building_id uuid not null,
	unit_id uuid,
	number text not null check (number ~ '[^[:space:]]' and length(number) <= 32),
	floor integer,
	area integer check (area > 0),
	use text not null default 'residence' check (use in
		('residence', 'commerce', 'office', 'storage', 'parking', 'public', 'other')),
	ownership_kind text not null default 'unknown' check (ownership_kind in
		('private', 'public_rental', 'work_unit', 'collective', 'developer', 'state', 'unknown')),
	grid_id uuid not null,
	path text collate "C" not null,
	lon float8,
	lat float8 check ((lon is null) = (lat is null)),
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	updated_by uuid,
	primary key (street_id, id),
	constraint dwelling_number_key unique nulls not distinct (street_id, building_id, unit_id, number),
	foreign key (street_id, building_id) references grid.building (street_id, id),
	foreign key (street_id, building_id, unit_id) references grid.unit (street_id, building_id, id),
	foreign key (street_id, grid_id) references grid.grid (street_id, id)
);
create index dwelling_path on grid.dwelling (street_id, path, id);
create index dwelling_grid_id on grid.dwelling (street_id, grid_id);
comment on table grid.dwelling is
	'class: street. 房屋: area in 0.01 m²; grid_id and path are those of the micro-grid (or special grid) it belongs to today.';
alter table grid.dwelling enable row level security;
alter table grid.dwelling force row level security;
create policy staff on grid.dwelling
	using (street_id = core.street() and core.may_see_private(path, null));

create table grid.dwelling_grid (
	street_id integer not null,
	dwelling_id uuid not null,
	grid_id uuid not null,
	path text collate "C" not null,
	from_on date not null,
	to_on date,
	primary key (street_id, dwelling_id, from_on),
	foreign key (street_id, dwelling_id) references grid.dwelling (street_id, id),
	foreign key (street_id, grid_id) references grid.grid (street_id, id),
	constraint dwelling_grid_dates_check check (to_on > from_on),
	constraint dwelling_grid_overlap exclude using gist (street_id with =,
		dwelling_id with =, daterange(from_on, to_on, '[)') with &&)
);
create index dwelling_grid_grid on grid.dwelling_grid (street_id, grid_id, from_on);
comment on table grid.dwelling_grid is
	'class: street. Which grid a dwelling belongs to, from from_on until before to_on (null = still).';
alter table grid.dwelling_grid enable row level security;
alter table grid.dwelling_grid force row level security;
create policy staff on grid.dwelling_grid
	using (street_id = core.street() and core.may_see_private(path, null));

-- What else stands under a dwelling's path moves with it in the same
-- transaction: a later migration that keeps such rows replaces this function.
create function grid.follow_dwellings(p_ids uuid[], p_path text) returns void
language plpgsql
as $$
begin
	null;
end
$$;
comment on function grid.follow_dwellings(uuid[], text) is
	'Called with dwellings of one street that now stand under a path, as role system; replaced by whoever keeps rows under their paths.';

create function grid.move_dwellings(p_ids uuid[], p_grid uuid, p_on date) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	street constant integer := core.street();
	place text;
	moved uuid[];
begin
	select g.path into strict place from grid.grid g where g.street_id = street and g.id = p_grid;
	with d as (
		update grid.dwelling x set grid_id = p_grid, path = place, version = x.version + 1,
			updated_at = core.now()
		where x.street_id = street and x.id = any (p_ids) and x.grid_id <> p_grid
		returning x.id)
	select array_agg(d.id) into moved from d;
	-- Who moves twice in a day was never in between.
	delete from grid.dwelling_grid o
	where o.street_id = street and o.dwelling_id = any (moved) and o.to_on is null and o.from_on >= p_on;
	update grid.dwelling_grid o set to_on = p_on
	where o.street_id = street and o.dwelling_id = any (moved) and o.to_on is null;
	insert into grid.dwelling_grid (street_id, dwelling_id, grid_id, path, from_on)
	select street, m, p_grid, place, p_on from unnest(moved) m;
	perform grid.follow_dwellings(moved, place);
	return coalesce(cardinality(moved), 0);
end
$$;
comment on function grid.move_dwellings(uuid[], uuid, date) is
	'Puts dwellings of the caller''s street under a grid from a day not in the future; returns how many were elsewhere. Not for the app: its callers have checked the right to do so.';

---------------------------------------------------------------- grants
grant select on grid.building, grid.unit, grid.dwelling, grid.dwelling_grid to linli_app;
