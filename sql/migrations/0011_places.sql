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

---------------------------------------------------------------- geometry
-- PostGIS lives in schema public and is always named with it. Everything stored
-- is WGS-84, to 7 decimals (a centimetre).

create function grid.sliver() returns float8
language sql immutable parallel safe
return 0.2;
comment on function grid.sliver() is
	'The one tolerance, in metres: an overlap, gap or overhang that is on average narrower is how people draw, not what they mean.';

create function grid.broad(g public.geometry) returns public.geometry
language plpgsql immutable strict parallel safe
as $$
begin
	-- Twice the area by the perimeter is the mean width of a long thin thing.
	return (select public.st_multi(public.st_collect(d.geom))
		from public.st_dump(public.st_collectionextract(g, 3)) d
		where 2 * public.st_area(d.geom::public.geography)
			> grid.sliver() * public.st_perimeter(d.geom::public.geography));
end
$$;
comment on function grid.broad(public.geometry) is
	'The parts of a surface that are no slivers; null when there is none.';

create function grid.area(g public.geometry) returns bigint
language sql immutable strict parallel safe
return round(public.st_area(g::public.geography));
comment on function grid.area(public.geometry) is 'In m².';

create function grid.converted(g public.geometry, crs text) returns public.geometry
language plpgsql immutable strict parallel safe
as $$
declare
	part public.geometry;
	rings public.geometry[];
	parts public.geometry[] := '{}';
begin
	for part in select d.geom from public.st_dump(g) d loop
		select array_agg(s.line order by s.n) into rings from (
			select r.path[1] as n, public.st_makeline(array_agg(
				public.st_setsrid(public.st_makepoint(c.lon, c.lat), 4326) order by p.path[1])) as line
			from public.st_dumprings(part) r,
				public.st_dumppoints(public.st_exteriorring(r.geom)) p,
				core.gcj02_converted(public.st_x(p.geom), public.st_y(p.geom), crs) c
			group by r.path[1]) s;
		parts := parts || public.st_makepolygon(rings[1], rings[2:]);
	end loop;
	return public.st_multi(public.st_collect(parts));
end
$$;
comment on function grid.converted(public.geometry, text) is
	'Polygons of the other system (WGS-84, GCJ-02) in this one, point by point.';

create function core.gcj02_converted(x float8, y float8, crs text, out lon float8, out lat float8)
language plpgsql immutable strict parallel safe
as $$
begin
	if crs = 'gcj02' then
		select g.gcj_lon, g.gcj_lat into lon, lat from core.wgs84_to_gcj02(x, y) g;
	else
		select w.wgs_lon, w.wgs_lat into lon, lat from core.gcj02_to_wgs84(x, y) w;
	end if;
end
$$;
comment on function core.gcj02_converted(float8, float8, text) is
	'A position of the other system (WGS-84, GCJ-02) in this one.';

create function core.wgs84(x float8, y float8, crs text, out lon float8, out lat float8)
language plpgsql immutable parallel safe
as $$
declare
	w record;
begin
	-- Of no place a strict function gives no record at all.
	if crs = 'gcj02' and x is not null and y is not null then
		w := core.gcj02_to_wgs84(x, y);
		x := w.wgs_lon;
		y := w.wgs_lat;
	end if;
	lon := x;
	lat := y;
end
$$;
comment on function core.wgs84(float8, float8, text) is 'A position given in either system, in WGS-84.';

-- How maps of four scales want their lines: the tolerance is under a pixel.
create function grid.detail(zoom integer) returns integer
language sql immutable parallel safe
return case when zoom >= 16 then 0 when zoom >= 13 then 1 when zoom >= 10 then 2 else 3 end;
comment on function grid.detail(integer) is 'Which of the four simplifications serves a zoom level of web maps.';

create function grid.simplified(g public.geometry, detail integer) returns public.geometry
language sql immutable strict parallel safe
return case detail when 0 then g
	else public.st_simplifypreservetopology(g, (array[0.00004, 0.0003, 0.002])[detail]) end;
comment on function grid.simplified(public.geometry, integer) is
	'As of grid.detail(): by 0, 4, 30, 200 m.';

-- RFC 7946: lon/lat, shells counter-clockwise, no crs.
create function grid.geojson(g public.geometry, crs text, detail integer) returns json
language plpgsql immutable strict parallel safe
as $$
declare
	s public.geometry := grid.simplified(g, detail);
begin
	if crs = 'gcj02' then
		s := grid.converted(s, crs);
	end if;
	return public.st_asgeojson(public.st_multi(public.st_forcepolygonccw(s)), 7, 0)::json;
end
$$;
comment on function grid.geojson(public.geometry, text, integer) is 'A stored boundary as clients read it.';

create function grid.read_geojson(p_geometry jsonb, p_crs text, p_pointer text) returns public.geometry
language plpgsql immutable
as $$
declare
	g public.geometry;
	why text;
begin
	if coalesce(p_geometry ->> 'type', '') not in ('Polygon', 'MultiPolygon') or p_geometry ? 'crs'
		or jsonb_path_exists(p_geometry, '$.coordinates.** ? (@.type() != "number" && @.type() != "array")') then
		perform core.fail(422, 'boundary_malformed', p_pointer);
	end if;
	begin
		g := public.st_multi(public.st_force2d(public.st_setsrid(
			public.st_geomfromgeojson(p_geometry::text), 4326)));
		why := case when g is null or public.st_isempty(g) then 'boundary_malformed'
			when public.st_npoints(g) > 5000 then 'boundary_too_detailed'
			when public.st_xmin(g) < -180 or public.st_xmax(g) > 180
				or public.st_ymin(g) < -85 or public.st_ymax(g) > 85 then 'boundary_malformed'
			else grid.fault_of(public.st_isvalidreason(g)) end;
	exception when internal_error or invalid_parameter_value or data_exception then
		why := case when sqlerrm ~* 'clos' then 'boundary_open_ring' else 'boundary_malformed' end;
	end;
	if why is not null then
		perform core.fail(422, why, p_pointer);
	elsif p_crs = 'gcj02' then
		g := grid.converted(g, 'wgs84');
	end if;
	g := public.st_multi(public.st_collectionextract(public.st_reduceprecision(g, 1e-7), 3));
	if public.st_isempty(g) then
		perform core.fail(422, 'boundary_malformed', p_pointer);
	end if;
	return g;
end
$$;
comment on function grid.read_geojson(jsonb, text, text) is
	'A GeoJSON Polygon or MultiPolygon as it is stored, or LN422 at the pointer: boundary_malformed, boundary_open_ring, boundary_too_detailed, boundary_crosses_itself, boundary_rings_misplaced.';

create function grid.fault_of(reason text) returns text
language sql immutable strict parallel safe
return case when reason ~ '^Valid Geometry' then null
	when reason ~* 'clos' then 'boundary_open_ring'
	when reason ~* '^(Ring )?Self-intersection|disconnected|duplicate' then 'boundary_crosses_itself'
	when reason ~* 'hole|nested' then 'boundary_rings_misplaced'
	else 'boundary_malformed' end;
comment on function grid.fault_of(text) is 'What ST_IsValidReason says, as a code people get a sentence for; null when all is well.';

---------------------------------------------------------------- boundaries
create table grid.boundary (
	street_id integer not null,
	grid_id uuid not null,
	from_on date not null,
	to_on date,
	kind text not null,
	path text collate "C" not null,
	geom public.geometry(MultiPolygon, 4326) not null,
	min_lon float8 generated always as (public.st_xmin(geom)) stored,
	min_lat float8 generated always as (public.st_ymin(geom)) stored,
	max_lon float8 generated always as (public.st_xmax(geom)) stored,
	max_lat float8 generated always as (public.st_ymax(geom)) stored,
	area bigint not null,
	redraw_id uuid,
	created_at timestamptz not null default core.now(),
	primary key (street_id, grid_id, from_on),
	foreign key (street_id, grid_id, path, kind) references grid.grid (street_id, id, path, kind),
	constraint boundary_dates_check check (to_on > from_on),
	constraint boundary_overlap exclude using gist (street_id with =, grid_id with =,
		daterange(from_on, to_on, '[)') with &&)
);
create index boundary_at on grid.boundary using gist (street_id, geom)
	where kind in ('micro', 'special');
create index boundary_path on grid.boundary (street_id, path, from_on);
comment on table grid.boundary is
	'class: street. The boundary of a grid from from_on until before to_on (null = still), in WGS-84; area in m². Written by grid.commit_redraw() alone.';
alter table grid.boundary enable row level security;
alter table grid.boundary force row level security;
create policy street on grid.boundary using (street_id = core.street());

-- What maps read is made when a boundary is written, not when it is asked for.
create table grid.boundary_shape (
	street_id integer not null,
	grid_id uuid not null,
	from_on date not null,
	crs text not null check (crs in ('wgs84', 'gcj02')),
	detail integer not null check (detail between 0 and 3),
	shape json not null,
	primary key (street_id, grid_id, from_on, crs, detail),
	foreign key (street_id, grid_id, from_on)
		references grid.boundary (street_id, grid_id, from_on) on delete cascade
);
comment on table grid.boundary_shape is
	'class: street. Boundaries as GeoJSON in both systems, for the four scales of grid.detail().';
alter table grid.boundary_shape enable row level security;
alter table grid.boundary_shape force row level security;
create policy street on grid.boundary_shape using (street_id = core.street());

create function grid.put_boundary(p_grid uuid, p_from date, p_geom public.geometry, p_redraw uuid) returns void
language plpgsql
as $$
declare
	street constant integer := core.street();
begin
	delete from grid.boundary b
	where b.street_id = street and b.grid_id = p_grid and b.from_on >= p_from;
	update grid.boundary b set to_on = p_from
	where b.street_id = street and b.grid_id = p_grid and (b.to_on is null or b.to_on > p_from);
	if p_geom is null then
		return;
	end if;
	insert into grid.boundary (street_id, grid_id, from_on, kind, path, geom, area, redraw_id)
	select street, g.id, p_from, g.kind, g.path, p_geom, grid.area(p_geom), p_redraw
	from grid.grid g where g.street_id = street and g.id = p_grid;
	insert into grid.boundary_shape (street_id, grid_id, from_on, crs, detail, shape)
	select street, p_grid, p_from, c, d, grid.geojson(p_geom, c, d)
	from unnest('{wgs84,gcj02}'::text[]) c, generate_series(0, 3) d;
end
$$;
comment on function grid.put_boundary(uuid, date, public.geometry, uuid) is
	'The boundary of a grid from a day on (null: it has none any more); earlier versions end there, later ones go. Checks nothing.';

-- Owned by linli_matcher: geometry uses its index only where no policy stands
-- before it, so the street is a condition here.
create function grid.at(p_street integer, p_lon float8, p_lat float8, p_on date)
	returns table (grid_id uuid, path text, kind text)
language plpgsql stable rows 1 security definer set search_path = pg_catalog, pg_temp
as $$
declare
	here constant public.geometry := public.st_setsrid(public.st_makepoint(p_lon, p_lat), 4326);
begin
	return query select b.grid_id, b.path, b.kind from grid.boundary b
	join grid.grid g on g.street_id = b.street_id and g.id = b.grid_id
		and g.valid_from <= p_on and (g.valid_to is null or g.valid_to > p_on)
	where b.street_id = p_street and b.kind in ('micro', 'special')
		and b.geom operator(public.&&) here and public.st_intersects(b.geom, here)
		and b.from_on <= p_on and (b.to_on is null or b.to_on > p_on)
	order by b.kind, b.path
	limit 1;
end
$$;
comment on function grid.at(integer, float8, float8, date) is
	'The one grid of a point (WGS-84) on a day: a micro-grid, else a special grid; on a shared edge, the one of the lowest path.';
grant select (street_id, grid_id, path, kind, from_on, to_on, geom) on grid.boundary to linli_matcher;
grant select (street_id, id, valid_from, valid_to) on grid.grid to linli_matcher;
grant create on schema grid to linli_matcher;
alter function grid.at(integer, float8, float8, date) owner to linli_matcher;
revoke create on schema grid from linli_matcher;

create function grid.locate(p_lon float8, p_lat float8, p_crs text,
	out grid_id uuid, out path text, out lon float8, out lat float8)
language plpgsql stable
as $$
begin
	lon := p_lon;
	lat := p_lat;
	if p_crs = 'gcj02' then
		select w.wgs_lon, w.wgs_lat into lon, lat from core.gcj02_to_wgs84(p_lon, p_lat) w;
	end if;
	select a.grid_id, a.path into grid_id, path from grid.at(core.street(), lon, lat, core.today()) a;
end
$$;
comment on function grid.locate(float8, float8, text) is
	'The grid of the caller''s street at a position today, null outside all of them, and the position in WGS-84.';

create function grid.here(p_lon float8, p_lat float8, p_crs text,
	out grid_id uuid, out path text, out lon float8, out lat float8)
language plpgsql stable
as $$
begin
	select l.* into grid_id, path, lon, lat from grid.locate(p_lon, p_lat, p_crs) l;
	if grid_id is null then
		perform core.fail(404, 'no_grid_here');
	end if;
end
$$;
comment on function grid.here(float8, float8, text) is 'As grid.locate(), or LN404 no_grid_here.';

create function grid.has_map() returns boolean
language plpgsql stable
as $$
begin
	return exists (select from grid.boundary b where b.street_id = core.street()
		and b.kind in ('micro', 'special') and b.from_on <= core.today()
		and (b.to_on is null or b.to_on > core.today()));
end
$$;
comment on function grid.has_map() is 'Has any grid of the caller''s street a boundary today that positions could be held against.';

create view grid.place_view with (security_invoker = true) as
select g._street_id, g.id as grid_id, g.kind, g.serial, g.name, g.code,
	g.parent_id, g.leads, u.above
from grid.grid_view g
cross join lateral (
	select json_agg(json_build_object('grid_id', a.id, 'kind', a.kind, 'name', a.name)
		order by a.path) as above
	from grid.grid a where a.street_id = g._street_id
		and g._path ^@ a.path and a.path <> g._path) u;
comment on view grid.place_view is 'class: street. Place: a grid with its leads and all that it stands in.';

create function grid.features(p_crs text, p_zoom integer, p_kind text, p_under uuid, p_on date,
	p_bbox jsonb, p_grid uuid, p_most integer) returns table (features json, truncated boolean)
language plpgsql stable rows 1
as $$
declare
	street constant integer := core.street();
	day constant date := coalesce(p_on, core.today());
	place text := street || '/';
	lo record;
	hi record;
begin
	if p_under is not null then
		select g.path into place from grid.grid g where g.street_id = street and g.id = p_under;
	end if;
	lo := core.wgs84((p_bbox ->> 0)::float8, (p_bbox ->> 1)::float8, p_crs);
	hi := core.wgs84((p_bbox ->> 2)::float8, (p_bbox ->> 3)::float8, p_crs);
	return query with found as materialized (
		select b.grid_id, b.from_on, b.to_on, b.area, b.path
		from grid.boundary b
		join grid.grid g on g.street_id = street and g.id = b.grid_id
			and (p_grid is not null or g.valid_to is null or g.valid_to > day)
		where b.street_id = street and b.path >= place and b.path < core.path_end(place)
			and (p_kind is null or b.kind = p_kind)
			and (case when p_grid is null then b.from_on <= day and (b.to_on is null or b.to_on > day)
				else b.grid_id = p_grid end)
			and (p_bbox is null or (b.min_lon <= hi.lon and b.max_lon >= lo.lon
				and b.min_lat <= hi.lat and b.max_lat >= lo.lat))
		order by b.path, b.from_on limit p_most + 1)
	select coalesce(json_agg(json_build_object('type', 'Feature', 'id', g.id,
			'geometry', s.shape, 'properties', json_build_object('kind', g.kind, 'name', g.name,
				'serial', g.serial, 'code', g.code, 'parent_id', g.parent_id, 'area_m2', f.area,
				'from_on', f.from_on, 'to_on', f.to_on)) order by f.path, f.from_on), '[]'),
		(select count(*) > p_most from found)
	from (select * from found order by path, from_on limit p_most) f
	join grid.grid g on g.street_id = street and g.id = f.grid_id
	join grid.boundary_shape s on s.street_id = street and s.grid_id = f.grid_id
		and s.from_on = f.from_on and s.crs = p_crs and s.detail = grid.detail(p_zoom);
end
$$;
comment on function grid.features(text, integer, text, uuid, date, jsonb, uuid, integer) is
	'Boundaries of the caller''s street on a day (or all versions of one grid) as GeoJSON features, at most so many, in the order of the tree.';
