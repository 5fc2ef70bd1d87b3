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

---------------------------------------------------------------- redrawing
-- Every change of boundaries, an import and the move of one line alike, is a
-- redraw: previewed, then committed whole. It sets boundaries of grids, adds
-- grids and closes grids, all on one day.
create table grid.redraw (
	street_id integer not null,
	id uuid not null,
	path text collate "C" not null,
	state text not null check (state in ('preview', 'scheduled', 'done', 'cancelled')),
	from_on date not null,
	crs text not null check (crs in ('wgs84', 'gcj02')),
	note text not null,
	needs_street boolean not null,
	fingerprint text not null,
	grids json not null,
	moves json not null,
	leads json not null,
	gaps json not null,
	created_at timestamptz not null default core.now(),
	created_by uuid,
	committed_at timestamptz,
	committed_by uuid,
	done_at timestamptz,
	updated_at timestamptz not null default core.now(),
	primary key (street_id, id)
);
create index redraw_due on grid.redraw (street_id, from_on) where state = 'scheduled';
create index redraw_old on grid.redraw (street_id, created_at) where state = 'preview';
comment on table grid.redraw is
	'class: street. A change of boundaries on a day: what it would do (preview), waits for its day (scheduled) or has done. path = the grid all of it lies in. fingerprint changes when the ground it was reckoned on does.';
alter table grid.redraw enable row level security;
alter table grid.redraw force row level security;
create policy staff on grid.redraw
	using (street_id = core.street() and (core.may_see_private(path, null) or created_by = core.actor()));

create table grid.redraw_item (
	street_id integer not null,
	redraw_id uuid not null,
	n integer not null,
	change text not null check (change in ('set', 'create', 'close')),
	grid_id uuid not null,
	kind text not null,
	path text collate "C",
	parent_id uuid,
	parent_path text collate "C",
	properties jsonb not null default '{}',
	predecessors uuid[] not null default '{}',
	was public.geometry(MultiPolygon, 4326),
	geom public.geometry(MultiPolygon, 4326),
	primary key (street_id, redraw_id, n),
	unique (street_id, redraw_id, grid_id),
	foreign key (street_id, redraw_id) references grid.redraw (street_id, id) on delete cascade,
	check ((change = 'close') = (geom is null)),
	check ((change = 'create') = (path is null))
);
comment on table grid.redraw_item is
	'class: street. One grid of a redraw: its boundary before and after; a created grid has no path before the commit. predecessors: the grids whose place it takes.';
alter table grid.redraw_item enable row level security;
alter table grid.redraw_item force row level security;
create policy street on grid.redraw_item using (street_id = core.street());

create function grid.boundary_of(p_grid uuid, p_on date) returns public.geometry
language plpgsql stable
as $$
begin
	return (select b.geom from grid.boundary b where b.street_id = core.street()
		and b.grid_id = p_grid and b.from_on <= p_on and (b.to_on is null or b.to_on > p_on));
end
$$;
comment on function grid.boundary_of(uuid, date) is 'The boundary of a grid of the caller''s street on a day, or null.';

create function grid.may_propose(kind text, path text) returns boolean
language sql stable parallel safe
return grid.may_maintain(kind, path) or (core.role() = 'grid_lead' and kind in ('micro', 'special')
	and core.path_head(path, 2) = any (array(select core.path_head(s, 2) from unnest(core.scopes()) s)));
comment on function grid.may_propose(text, text) is
	'Whose grids somebody may put into a preview: those they maintain, a lead the micro-grids and special grids of the community.';

create function grid.to_redraw(p_grid uuid, p_pointer text) returns grid.grid
language plpgsql stable
as $$
declare
	g grid.grid;
begin
	select x.* into g from grid.grid x where x.street_id = core.street() and x.id = p_grid;
	if not found or not grid.may_propose(g.kind, g.path) then
		perform core.fail(422, 'grid_not_found', p_pointer);
	elsif g.valid_to is not null then
		perform core.fail(409, 'grid_closed', p_pointer);
	end if;
	return g;
end
$$;
comment on function grid.to_redraw(uuid, text) is
	'A grid the caller may redraw, or propose to, and that stays open, or LN422 grid_not_found, LN409 grid_closed at the pointer.';

create function grid.merged_boundary(p_own public.geometry, p_predecessors uuid[], p_on date) returns public.geometry
language plpgsql stable
as $$
begin
	return (select public.st_multi(public.st_collectionextract(
			public.st_reduceprecision(public.st_union(x.geom), 1e-7), 3))
		from (select p_own as geom
			union all select grid.boundary_of(p, p_on) from unnest(p_predecessors) p) x);
end
$$;
comment on function grid.merged_boundary(public.geometry, uuid[], date) is
	'What a feature without geometry stands for: its own ground and that of its predecessors.';

create function grid.take_feature(p_redraw uuid, p_n integer, p_on date, p_crs text, f jsonb) returns void
language plpgsql
as $$
declare
	street constant integer := core.street();
	here constant text := '/features/' || p_n;
	props constant jsonb := coalesce(nullif(f -> 'properties', 'null'), '{}');
	old constant uuid[] := array(select jsonb_array_elements_text(
		coalesce(nullif(props -> 'predecessors', 'null'), '[]'))::uuid);
	target uuid := (f ->> 'id')::uuid;
	g grid.grid;
	own public.geometry;
	drawn public.geometry;
begin
	if target is null and props ->> 'code' is not null then
		select x.id into target from grid.grid x where x.street_id = street and x.code = props ->> 'code';
	end if;
	if target is not null then
		g := grid.to_redraw(target, here || '/id');
		own := grid.boundary_of(target, p_on);
	else
		g := grid.new_grid(props, here || '/properties');
	end if;
	if exists (select from unnest(old) o where (grid.to_redraw(o, here || '/properties/predecessors')).id is null) then
		perform core.fail(422, 'grid_not_found', here || '/properties/predecessors');
	end if;
	if jsonb_typeof(f -> 'geometry') = 'object' then
		drawn := grid.read_geojson(f -> 'geometry', p_crs, here || '/geometry');
	else
		drawn := grid.merged_boundary(own, old, p_on);
	end if;
	if drawn is null then
		perform core.fail(422, 'boundary_malformed', here || '/geometry');
	end if;
	insert into grid.redraw_item (street_id, redraw_id, n, change, grid_id, kind, path,
		parent_id, parent_path, properties, predecessors, was, geom)
	values (street, p_redraw, p_n, case when target is null then 'create' else 'set' end,
		coalesce(target, core.new_id(street)), g.kind, g.path, g.parent_id,
		-- new_grid() leaves the parent's path where it will be generated.
		coalesce(g.parent_path, (select x.path from grid.grid x
			where x.street_id = street and x.id = g.parent_id)),
		props, old, own, drawn);
exception when unique_violation then
	perform core.fail(422, 'feature_repeated', here || '/id');
end
$$;
comment on function grid.take_feature(uuid, integer, date, text, jsonb) is
	'One GeoJSON feature becomes an item of a redraw: by its id or code a grid there is, else a new one under properties.parent_id.';

create function grid.new_grid(props jsonb, p_pointer text) returns grid.grid
language plpgsql stable
as $$
declare
	g grid.grid;
	parent record;
begin
	select p.path, p.kind, p.valid_to into parent from grid.grid p
	where p.street_id = core.street() and p.id = (props ->> 'parent_id')::uuid;
	g.kind := props ->> 'kind';
	if not found or not grid.may_propose(g.kind, parent.path) then
		perform core.fail(422, 'grid_not_found', p_pointer || '/parent_id');
	elsif parent.valid_to is not null then
		perform core.fail(409, 'grid_closed', p_pointer || '/parent_id');
	elsif parent.kind is distinct from (case g.kind when 'master' then 'street'
		when 'general' then 'master' when 'special' then 'master' when 'micro' then 'general' end) then
		perform core.fail(422, 'grid_kind_mismatch', p_pointer || '/kind');
	elsif props ->> 'name' is null or props ->> 'name' !~ '[^[:space:]]' then
		perform core.fail(422, 'grid_name_required', p_pointer || '/name');
	end if;
	g.parent_id := (props ->> 'parent_id')::uuid;
	return g;
end
$$;
comment on function grid.new_grid(jsonb, text) is
	'Kind and parent of a grid that a redraw adds; LN422 grid_not_found, grid_kind_mismatch, grid_name_required, LN409 grid_closed.';

create function grid.ground_after(p_redraw uuid, p_on date)
	returns table (n integer, grid_id uuid, kind text, path text, parent_path text, geom public.geometry)
language plpgsql stable
as $$
begin
	return query select i.n, i.grid_id, i.kind, i.path, i.parent_path, i.geom::public.geometry
	from grid.redraw_item i
	where i.street_id = core.street() and i.redraw_id = p_redraw and i.change <> 'close'
	union all
	select null, b.grid_id, b.kind, b.path, g.parent_path, b.geom::public.geometry
	from grid.boundary b
	join grid.grid g on g.street_id = b.street_id and g.id = b.grid_id
		and (g.valid_to is null or g.valid_to > p_on)
	where b.street_id = core.street() and b.from_on <= p_on and (b.to_on is null or b.to_on > p_on)
		and not exists (select from grid.redraw_item i where i.street_id = b.street_id
			and i.redraw_id = p_redraw and i.grid_id = b.grid_id);
end
$$;
comment on function grid.ground_after(uuid, date) is
	'All boundaries of the street as they would be after a redraw; n = number of its feature.';

create function grid.check_redraw(p_redraw uuid, p_on date) returns void
language plpgsql stable
as $$
declare
	street constant integer := core.street();
	bad integer;
	why text;
begin
	if exists (select from grid.redraw_item i join grid.boundary b
			on b.street_id = i.street_id and b.grid_id = i.grid_id
				and (b.from_on > p_on or (b.from_on = p_on and p_on > core.today()))
			where i.street_id = street and i.redraw_id = p_redraw) then
		perform core.fail(409, 'redraw_before_another', '/from_on');
	elsif exists (select from grid.redraw_item i join grid.grid c
			on c.street_id = i.street_id and c.parent_id = i.grid_id and c.valid_to is null
			where i.street_id = street and i.redraw_id = p_redraw and i.change = 'close'
				and not exists (select from grid.redraw_item j where j.street_id = street
					and j.redraw_id = p_redraw and j.grid_id = c.id and j.change = 'close'))
		or exists (select from grid.redraw_item i join grid.redraw_item p
			on p.street_id = i.street_id and p.redraw_id = i.redraw_id and p.grid_id = i.parent_id
			where i.street_id = street and i.redraw_id = p_redraw and p.change = 'close' and i.change <> 'close') then
		perform core.fail(422, 'grid_has_children', '/close');
	end if;
	with ground as materialized (select * from grid.ground_after(p_redraw, p_on))
	select v.n, v.code into bad, why from (
		select i.n, 'boundary_overlaps' as code from ground i
		join ground o on o.kind = i.kind and o.grid_id <> i.grid_id and (o.n is null or o.n < i.n)
			and o.geom operator(public.&&) i.geom
			and grid.broad(public.st_intersection(i.geom, o.geom, 1e-7)) is not null
		where i.n is not null
		union all
		select i.n, 'boundary_outside_parent' from ground i
		cross join lateral (select p.geom from ground p
			where i.parent_path ^@ p.path order by p.path desc limit 1) above
		where i.n is not null and grid.broad(public.st_difference(i.geom, above.geom, 1e-7)) is not null
		union all
		select i.n, 'boundary_leaves_child' from ground i
		join ground c on c.n is null and c.path ^@ i.path and c.path <> i.path
			and grid.broad(public.st_difference(c.geom, i.geom, 1e-7)) is not null
		where i.n is not null and i.kind <> 'micro') v
	order by v.n limit 1;
	if bad is not null then
		perform core.fail(422, why, '/features/' || bad || '/geometry');
	end if;
end
$$;
comment on function grid.check_redraw(uuid, date) is
	'The rules of boundaries on the day of a redraw: LN422 boundary_overlaps (a grid of the same kind), boundary_outside_parent (the nearest grid above that has one), boundary_leaves_child, grid_has_children; LN409 redraw_before_another.';

create function grid.gaps(p_redraw uuid, p_on date, p_crs text) returns json
language plpgsql stable
as $$
begin
	return (with ground as materialized (select * from grid.ground_after(p_redraw, p_on)),
		open as (
			select p.grid_id, p.path, grid.broad(public.st_difference(p.geom, public.st_union(c.geom), 1e-7)) as geom
			from ground p
			join ground c on c.parent_path = p.path
			where p.path in (select i.parent_path from grid.redraw_item i
				where i.street_id = core.street() and i.redraw_id = p_redraw
				union select i.path from grid.redraw_item i
				where i.street_id = core.street() and i.redraw_id = p_redraw)
			group by p.grid_id, p.path, p.geom)
		select coalesce(json_agg(json_build_object('grid_id', o.grid_id, 'name', g.name,
			'area_m2', grid.area(o.geom), 'geometry', grid.geojson(o.geom, p_crs, 0)) order by o.path), '[]')
		from open o
		join grid.grid g on g.street_id = core.street() and g.id = o.grid_id
		where o.geom is not null);
end
$$;
comment on function grid.gaps(uuid, date, text) is
	'Ground of the grids above that would belong to none below, slivers aside.';

create function grid.redraw_moves(p_redraw uuid)
	returns table (what text, id uuid, from_grid uuid, to_grid uuid)
language plpgsql stable
as $$
declare
	street constant integer := core.street();
begin
	return query with item as materialized (
		select i.* from grid.redraw_item i where i.street_id = street and i.redraw_id = p_redraw),
	thing as (
		select 'dwelling' as what, d.id, d.grid_id, coalesce(d.lon, b.lon) as lon, coalesce(d.lat, b.lat) as lat
		from grid.dwelling d
		join grid.building b on b.street_id = d.street_id and b.id = d.building_id
		where d.street_id = street and d.grid_id in (select i.grid_id from item i where i.change <> 'create')
		union all
		select 'ticket', t.id, t.grid_id, p.lon, p.lat
		from ticket.ticket t
		join ticket.private p on p.street_id = t.street_id and p.ticket_id = t.id
		where t.street_id = street and t.is_open
			and t.path = any (array(select i.path from item i where i.change <> 'create'))
		union all
		select 'hazard', h.id, h.grid_id, h.lon, h.lat
		from field.hazard h
		where h.street_id = street and h.is_open
			and h.path = any (array(select i.path from item i where i.change <> 'create'))
		union all
		select 'equipment', e.id, e.grid_id, e.lon, e.lat
		from field.equipment e
		where e.street_id = street and e.path = any (array(select i.path from item i where i.change <> 'create')))
	select x.what, x.id, x.grid_id, x.goal
	from (select t.what, t.id, t.grid_id, case
			-- Only what the line itself passes over moves; a grid that closes
			-- leaves nothing behind.
			when old.change = 'close' then coalesce(after.grid_id, heir.grid_id)
			when before.grid_id <> after.grid_id then after.grid_id end as goal, old.change
		from thing t
		join item old on old.grid_id = t.grid_id
		cross join lateral (select public.st_setsrid(public.st_makepoint(t.lon, t.lat), 4326) as here) p
		left join lateral (select i.grid_id from item i
			where i.kind in ('micro', 'special') and public.st_intersects(i.was, p.here)
			order by i.kind, i.path limit 1) before on true
		left join lateral (select i.grid_id from item i
			where i.kind in ('micro', 'special') and public.st_intersects(i.geom, p.here)
			order by i.kind, i.path nulls last, i.n limit 1) after on true
		left join lateral (select i.grid_id from item i
			where i.change <> 'close' and t.grid_id = any (i.predecessors)
			order by i.n limit 1) heir on old.change = 'close') x
	where x.change = 'close' or x.goal <> x.grid_id;
end
$$;
comment on function grid.redraw_moves(uuid) is
	'Dwellings, equipment, open tickets and hazards that a redraw puts under another grid: those on ground that changes hands, and all of a closed grid. to_grid null: a closed grid with nobody to take over. As role system.';

create function grid.household_count(p_dwellings uuid[]) returns integer
language plpgsql stable
as $$
begin
	return (select count(*) from grid.dwelling d
		where d.street_id = core.street() and d.id = any (p_dwellings) and d.use = 'residence');
end
$$;
comment on function grid.household_count(uuid[]) is
	'How many households live in dwellings: one a residence, until people are recorded; replaced by whoever records them.';

create function grid.describe_moves(p_redraw uuid) returns json
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	found json;
begin
	with m as materialized (select * from grid.redraw_moves(p_redraw)),
	pair as (
		select m.from_grid, m.to_grid, count(*) filter (where m.what = 'dwelling') as dwellings,
			count(*) filter (where m.what = 'ticket') as tickets,
			coalesce(array_agg(m.id) filter (where m.what = 'dwelling'), '{}') as ids
		from m group by m.from_grid, m.to_grid)
	select coalesce(json_agg(json_build_object('from_grid_id', p.from_grid, 'from_name', a.name,
			'to_grid_id', p.to_grid, 'to_name', coalesce(i.properties ->> 'name', b.name),
			'dwellings', p.dwellings, 'households', grid.household_count(p.ids),
			'open_tickets', p.tickets) order by a.path, i.n), '[]')
	into found
	from pair p
	join grid.grid a on a.street_id = core.street() and a.id = p.from_grid
	left join grid.redraw_item i on i.street_id = core.street() and i.redraw_id = p_redraw and i.grid_id = p.to_grid
	left join grid.grid b on b.street_id = core.street() and b.id = p.to_grid;
	return found;
end
$$;
comment on function grid.describe_moves(uuid) is
	'What a redraw of the caller''s moves, counted by pairs of grids; what lies beyond the caller''s sight is only counted.';

create function grid.describe_leads(p_redraw uuid, p_on date, p_moves json) returns json
language plpgsql stable
as $$
begin
	return (select coalesce(json_agg(json_build_object('grid_id', a.grid_id, 'name', a.name,
			'lead_kind', a.lead_kind, 'effect', e.effect) order by a.path, a.from_on, a.id), '[]')
		from grid.redraw_item i
		join grid.assignment a on a.street_id = i.street_id and a.grid_id = i.grid_id
			and a.from_on <= p_on and (a.to_on is null or a.to_on > p_on)
		cross join lateral (select case
			when i.change = 'close' then case when exists (select from grid.redraw_item k
				where k.street_id = i.street_id and k.redraw_id = i.redraw_id
					and i.grid_id = any (k.predecessors) and (k.properties -> 'keep_leads') = 'true'
					and k.kind = i.kind) then 'follows' else 'ends' end
			when exists (select from json_array_elements(p_moves) m
				where m ->> 'from_grid_id' = i.grid_id::text) then 'loses'
			when exists (select from json_array_elements(p_moves) m
				where m ->> 'to_grid_id' = i.grid_id::text) then 'gains'
			else 'keeps' end as effect) e
		where i.street_id = core.street() and i.redraw_id = p_redraw);
end
$$;
comment on function grid.describe_leads(uuid, date, json) is
	'Who leads the grids of a redraw on its day, and what it does to them.';

create function grid.fingerprint(p_redraw uuid, p_on date) returns text
language plpgsql stable
as $$
declare
	street constant integer := core.street();
	reach public.geometry;
begin
	select public.st_envelope(public.st_collect(array[i.g])) into reach
	from (select public.st_collect(x) as g from grid.redraw_item i,
			unnest(array[i.was, i.geom]::public.geometry[]) x
		where i.street_id = street and i.redraw_id = p_redraw and x is not null) i;
	return left(md5(concat(p_on,
		(select string_agg(concat(b.grid_id, b.from_on, b.to_on, b.redraw_id), ',' order by b.path)
			from grid.boundary b where b.street_id = street and b.from_on <= p_on
				and (b.to_on is null or b.to_on > p_on) and b.geom operator(public.&&) reach),
		(select string_agg(g.id::text || g.version, ',' order by g.path) from grid.grid g
			where g.street_id = street and g.id in (select unnest(array[i.grid_id, i.parent_id] || i.predecessors)
				from grid.redraw_item i where i.street_id = street and i.redraw_id = p_redraw)))), 16);
end
$$;
comment on function grid.fingerprint(uuid, date) is
	'What a redraw was reckoned on: the boundaries around it and the versions of its grids.';

create function grid.preview_redraw(p_id uuid, p_crs text, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	street constant integer := core.street();
	day constant date := coalesce((b ->> 'from_on')::date, core.today());
	shut constant uuid[] := array(select jsonb_array_elements_text(
		coalesce(nullif(b -> 'close', 'null'), '[]'))::uuid);
	features constant jsonb := b -> 'features';
	-- What a lead proposes lies with the community, who decides.
	whose constant text := case core.role() when 'grid_lead' then core.path_head((core.scopes())[1], 2)
		else (core.scopes())[1] end;
begin
	if whose is null then
		perform core.fail(403, 'role_not_allowed');
	elsif day < core.today() then
		perform core.fail(422, 'date_passed', '/from_on');
	elsif jsonb_array_length(features) + cardinality(shut) = 0 then
		perform core.fail(422, 'redraw_empty', '/features');
	elsif jsonb_typeof(b -> 'crs') = 'object' and (b -> 'crs')::text !~ '(CRS84|EPSG:+4326)"' then
		perform core.fail(422, 'boundary_crs', '/crs');
	end if;
	insert into grid.redraw (street_id, id, path, state, from_on, crs, note, needs_street,
		fingerprint, grids, moves, leads, gaps, created_by)
	values (street, p_id, whose, 'preview', day, p_crs, coalesce(b ->> 'note', ''), false,
		'', '[]', '[]', '[]', '[]', core.actor());
	perform grid.take_feature(p_id, (f.n - 1)::integer, day, p_crs, f.f)
	from jsonb_array_elements(features) with ordinality f (f, n);
	insert into grid.redraw_item (street_id, redraw_id, n, change, grid_id, kind, path,
		parent_id, parent_path, was)
	select street, p_id, jsonb_array_length(features) + c.n - 1, 'close', g.id, g.kind, g.path,
		g.parent_id, g.parent_path, grid.boundary_of(g.id, day)
	from unnest(shut) with ordinality c (id, n),
		grid.to_redraw(c.id, '/close/' || c.n - 1) g
	order by c.n;
	perform grid.check_redraw(p_id, day);
	perform grid.describe_redraw(p_id);
	if exists (select from grid.redraw r, json_array_elements(r.moves) m
			where r.street_id = street and r.id = p_id and m ->> 'to_grid_id' is null) then
		perform core.fail(422, 'successor_missing', '/close');
	end if;
exception when unique_violation then
	perform core.fail(422, 'feature_repeated', '/close');
end
$$;
comment on function grid.preview_redraw(uuid, text, jsonb) is
	'A redraw as it would be: b is a GeoJSON FeatureCollection with the members from_on, note and close. Changes nothing but the preview itself. LN422, LN409 as its parts say, date_passed, redraw_empty, boundary_crs, feature_repeated, successor_missing.';

create function grid.describe_redraw(p_id uuid) returns void
language plpgsql
as $$
declare
	street constant integer := core.street();
	r grid.redraw;
	moved constant json := grid.describe_moves(p_id);
begin
	select x.* into r from grid.redraw x where x.street_id = street and x.id = p_id;
	update grid.redraw x set moves = moved,
		leads = grid.describe_leads(p_id, r.from_on, moved),
		gaps = grid.gaps(p_id, r.from_on, r.crs),
		fingerprint = grid.fingerprint(p_id, r.from_on),
		needs_street = (select bool_or(i.kind not in ('micro', 'special')) from grid.redraw_item i
			where i.street_id = street and i.redraw_id = p_id),
		grids = (select json_agg(json_build_object('grid_id', i.grid_id, 'change', i.change, 'kind', i.kind,
				'name', coalesce(g.name, i.properties ->> 'name'), 'area_before_m2', grid.area(i.was),
				'area_m2', grid.area(i.geom)) order by i.n)
			from grid.redraw_item i
			left join grid.grid g on g.street_id = i.street_id and g.id = i.grid_id
			where i.street_id = street and i.redraw_id = p_id)
	where x.street_id = street and x.id = p_id;
end
$$;
comment on function grid.describe_redraw(uuid) is 'Writes into a redraw what it does.';

-- The numbers people expect on a map: rows from north to south, in each from
-- west to east. A row is as high as the grids are on average.
create function grid.reading_order(p_redraw uuid) returns table (n integer, place integer)
language plpgsql stable
as $$
begin
	return query select x.n, (row_number() over (partition by x.parent_id order by x.row_no, x.lon, x.n))::integer
	from (select i.n, i.parent_id, public.st_x(c.mid) as lon,
			round((max(public.st_y(c.mid)) over w - public.st_y(c.mid))
				/ nullif(avg(public.st_ymax(i.geom) - public.st_ymin(i.geom)) over w, 0)) as row_no
		from grid.redraw_item i
		cross join lateral (select public.st_centroid(i.geom) as mid) c
		where i.street_id = core.street() and i.redraw_id = p_redraw and i.change = 'create'
			and coalesce(nullif(i.properties -> 'serial', 'null'), 'null') = 'null'
		window w as (partition by i.parent_id)) x;
end
$$;
comment on function grid.reading_order(uuid) is
	'In which order the new grids of a redraw that name no serial are numbered under each parent.';

create function grid.commit_redraw(p_id uuid, p_fingerprint text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	street constant integer := core.street();
	r grid.redraw;
	i grid.redraw_item;
begin
	select x.* into r from grid.redraw x where x.street_id = street and x.id = p_id for update;
	if not found then
		perform core.fail(422, 'preview_unknown', '/preview_id');
	elsif r.state <> 'preview' then
		perform core.fail(409, 'redraw_committed');
	elsif r.needs_street and core.role() = 'community' then
		perform core.fail(403, 'redraw_needs_street');
	end if;
	-- One redraw of a street at a time: what is checked here stays true.
	perform from grid.grid g where g.street_id = street and g.path = street || '/' for no key update;
	if r.from_on < core.today() or r.fingerprint <> p_fingerprint
		or r.fingerprint <> grid.fingerprint(p_id, r.from_on) then
		perform core.fail(409, 'redraw_stale');
	end if;
	perform grid.check_redraw(p_id, r.from_on);
	for i in select x.* from grid.redraw_item x
		left join grid.reading_order(p_id) o on o.n = x.n
		where x.street_id = street and x.redraw_id = p_id
		order by x.change <> 'create', o.place, x.n
	loop
		if i.change = 'create' then
			perform grid.create_grid(i.grid_id, i.parent_id, i.kind, i.properties ->> 'name',
				(i.properties ->> 'serial')::integer, i.properties ->> 'code',
				coalesce((i.properties ->> 'household_count')::integer, 0),
				coalesce((i.properties ->> 'person_count')::integer, 0),
				(i.properties ->> 'compound_id')::uuid, r.from_on);
		elsif i.change = 'close' then
			update grid.grid g set valid_to = greatest(r.from_on, g.valid_from), version = g.version + 1,
				updated_at = core.now(), updated_by = core.actor()
			where g.street_id = street and g.id = i.grid_id;
			perform core.put_event('grid', i.grid_id, 'close', 'open', 'closed', i.path, null, true,
				json_build_object('on', r.from_on));
		end if;
		perform grid.put_boundary(i.grid_id, r.from_on, i.geom, p_id);
	end loop;
	update grid.redraw x set state = 'scheduled', committed_at = core.now(),
		committed_by = core.actor(), updated_at = core.now()
	where x.street_id = street and x.id = p_id;
	perform core.put_event('redraw', p_id, 'commit', 'preview', 'scheduled', r.path, null, false,
		json_build_object('from_on', r.from_on));
	if r.from_on <= core.today() then
		perform grid.execute_redraw(p_id);
	end if;
end
$$;
comment on function grid.commit_redraw(uuid, text) is
	'Makes a previewed redraw so: grids and boundaries from its day on, and on the day itself, today or by the job, all that moves. LN422 preview_unknown, LN409 redraw_committed, redraw_stale, LN403 redraw_needs_street, and what grid.check_redraw() says.';

create function grid.execute_redraw(p_id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	street constant integer := core.street();
	r grid.redraw;
	m record;
begin
	select x.* into r from grid.redraw x where x.street_id = street and x.id = p_id;
	perform grid.describe_redraw(p_id);
	for m in select x.to_grid, g.path, array_agg(x.id) filter (where x.what = 'dwelling') as dwellings,
			coalesce(array_agg(x.id) filter (where x.what = 'ticket'), '{}') as tickets,
			coalesce(array_agg(x.id) filter (where x.what = 'hazard'), '{}') as hazards,
			coalesce(array_agg(x.id) filter (where x.what = 'equipment'), '{}') as equipment
		from grid.redraw_moves(p_id) x
		join grid.grid g on g.street_id = street and g.id = x.to_grid
		group by x.to_grid, g.path order by g.path
	loop
		perform grid.move_dwellings(m.dwellings, m.to_grid, r.from_on);
		perform ticket.hand_over(t, m.to_grid, m.path, 'system', r.note) from unnest(m.tickets) t;
		perform field.hand_over(h, m.to_grid, m.path) from unnest(m.hazards) h;
		perform field.move_equipment(m.equipment, m.to_grid, m.path);
	end loop;
	perform grid.follow_leads(p_id, r.from_on);
	perform grid.follow_offices(p_id);
	update grid.redraw x set state = 'done', done_at = core.now(), updated_at = core.now()
	where x.street_id = street and x.id = p_id;
	perform core.put_event('redraw', p_id, 'done', 'scheduled', 'done', r.path, null, false);
end
$$;
comment on function grid.execute_redraw(uuid) is
	'On the day of a redraw: dwellings, equipment, open tickets and hazards go to their new grid, leads of closed grids end or follow. Its callers have it locked and scheduled. Not for the app.';

create function grid.follow_leads(p_id uuid, p_on date) returns void
language plpgsql
as $$
declare
	street constant integer := core.street();
	c record;
begin
	insert into grid.assignment (street_id, id, grid_id, grid_kind, path, account_id, name, lead_kind,
		from_on, to_on, created_by)
	select distinct on (k.grid_id, a.account_id) street, core.new_id(street), k.grid_id, k.kind, g.path,
		a.account_id, a.name, a.lead_kind, p_on, a.to_on, core.actor()
	from grid.redraw_item k
	join grid.grid g on g.street_id = street and g.id = k.grid_id
	join grid.assignment a on a.street_id = street and a.grid_id = any (k.predecessors)
		and a.grid_kind = k.kind and a.from_on <= p_on and (a.to_on is null or a.to_on > p_on)
	where k.street_id = street and k.redraw_id = p_id and (k.properties -> 'keep_leads') = 'true'
		and not exists (select from grid.assignment o where o.street_id = street and o.grid_id = k.grid_id
			and o.account_id = a.account_id and (o.to_on is null or o.to_on > p_on))
	order by k.grid_id, a.account_id, a.from_on;
	for c in select i.grid_id, i.path, heir.path as heir from grid.redraw_item i
		left join lateral (select g.path from grid.redraw_item k
			join grid.grid g on g.street_id = street and g.id = k.grid_id
			where k.street_id = street and k.redraw_id = p_id and i.grid_id = any (k.predecessors)
			order by k.n limit 1) heir on true
		where i.street_id = street and i.redraw_id = p_id and i.change = 'close'
	loop
		update grid.assignment a set to_on = greatest(p_on, a.from_on), updated_at = core.now(), ended_by = core.actor()
		where a.street_id = street and a.grid_id = c.grid_id and (a.to_on is null or a.to_on > p_on);
		if c.heir is not null then
			perform identity.move_home(street, c.path, c.heir);
		end if;
	end loop;
end
$$;
comment on function grid.follow_leads(uuid, date) is
	'Of the grids a redraw closes: their leads go on in those that keep leads, end where they were, and residents at home there are at home in the first successor.';

create function grid.follow_offices(p_id uuid) returns void
language plpgsql
as $$
declare
	street constant integer := core.street();
	c record;
begin
	for c in select i.grid_id, h.heirs, h.alike from grid.redraw_item i
		cross join lateral (select array_agg(k.grid_id order by k.n) as heirs,
				(array_agg(k.grid_id order by k.n) filter (where k.kind = i.kind))[1] as alike
			from grid.redraw_item k where k.street_id = street and k.redraw_id = p_id
				and i.grid_id = any (k.predecessors)) h
		where i.street_id = street and i.redraw_id = p_id and i.change = 'close' and h.heirs is not null
	loop
		-- One organisation a grid: that of the heir stays where there is one.
		update grid.party_org p set grid_id = g.id, path = g.path, version = p.version + 1,
			updated_at = core.now(), updated_by = core.actor()
		from grid.grid g
		where p.street_id = street and p.grid_id = c.grid_id and g.street_id = street and g.id = c.alike
			and not exists (select from grid.party_org o where o.street_id = street and o.grid_id = c.alike);
		update grid.duty_area d set version = d.version + 1, updated_at = core.now(), updated_by = core.actor(),
			grid_ids = (select array_agg(distinct x order by x)
				from unnest(array_remove(d.grid_ids, c.grid_id) || c.heirs) x
				join grid.grid g on g.street_id = street and g.id = x and g.kind in ('general', 'special'))
		where d.street_id = street and c.grid_id = any (d.grid_ids) and c.alike is not null
			and (d.to_on is null or d.to_on > core.today());
		insert into grid.grid_group_member (street_id, group_id, grid_id)
		select street, m.group_id, g.id from grid.grid_group_member m, grid.grid g
		where m.street_id = street and m.grid_id = c.grid_id and g.street_id = street and g.id = any (c.heirs) and g.kind = 'micro'
		on conflict on constraint grid_group_member_pkey do nothing;
		delete from grid.grid_group_member m
		where m.street_id = street and m.grid_id = c.grid_id and exists (select from grid.grid_group_member o
			where o.street_id = street and o.group_id = m.group_id and o.grid_id = any (c.heirs));
	end loop;
end
$$;
comment on function grid.follow_offices(uuid) is
	'Of the grids a redraw closes: the Party organisation goes to the first successor of the same kind, areas of duty and grid groups take all successors in their place.';

create function identity.move_home(p_street integer, p_from text, p_to text) returns void
language plpgsql
as $$
begin
	insert into identity.account_role (account_id, role, street_id, path, from_on, to_on)
	select r.account_id, r.role, r.street_id, p_to, r.from_on, r.to_on from identity.account_role r
	where r.street_id = p_street and r.role = 'resident' and r.path = p_from
	on conflict on constraint account_role_key do nothing;
	delete from identity.account_role r
	where r.street_id = p_street and r.role = 'resident' and r.path = p_from;
	update identity.session s set path = p_to
	where s.street_id = p_street and s.role = 'resident' and s.path = p_from and s.revoked_at is null;
end
$$;
comment on function identity.move_home(integer, text, text) is
	'Residents at home in one grid are at home in another, in their open sessions too.';

create function grid.cancel_redraw(p_id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	street constant integer := core.street();
	r grid.redraw;
	i grid.redraw_item;
begin
	select x.* into r from grid.redraw x where x.street_id = street and x.id = p_id for update;
	if not found then
		perform core.fail(404, 'not_found');
	elsif r.state not in ('preview', 'scheduled') then
		perform core.fail(409, 'redraw_over');
	elsif r.needs_street and core.role() = 'community' and r.state = 'scheduled' then
		perform core.fail(403, 'redraw_needs_street');
	end if;
	perform from grid.grid g where g.street_id = street and g.path = street || '/' for no key update;
	if r.state = 'scheduled' then
		if exists (select from grid.redraw_item x join grid.boundary b
				on b.street_id = x.street_id and b.grid_id = x.grid_id and b.from_on > r.from_on
				where x.street_id = street and x.redraw_id = p_id) then
			perform core.fail(409, 'redraw_before_another');
		end if;
		delete from grid.boundary b where b.street_id = street and b.redraw_id = p_id;
		for i in select x.* from grid.redraw_item x where x.street_id = street and x.redraw_id = p_id loop
			update grid.boundary b set to_on = null
			where b.street_id = street and b.grid_id = i.grid_id and b.to_on = r.from_on;
			update grid.grid g set valid_to = case i.change when 'create' then g.valid_from end,
				version = g.version + 1, updated_at = core.now(), updated_by = core.actor()
			where g.street_id = street and g.id = i.grid_id and i.change <> 'set';
		end loop;
	end if;
	update grid.redraw x set state = 'cancelled', updated_at = core.now()
	where x.street_id = street and x.id = p_id;
	perform core.put_event('redraw', p_id, 'cancel', r.state, 'cancelled', r.path, null, false);
end
$$;
comment on function grid.cancel_redraw(uuid) is
	'Takes a redraw back before its day. LN404 not_found, LN409 redraw_over, redraw_before_another, LN403 redraw_needs_street.';

create function grid.run_redraws() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	s integer;
	r uuid;
	n integer := 0;
begin
	for s in select x.id from grid.street x order by x.id loop
		perform core.enter_system(s);
		for r in select x.id from grid.redraw x
			where x.street_id = s and x.state = 'scheduled' and x.from_on <= core.today()
			order by x.from_on, x.id for update skip locked
		loop
			perform grid.execute_redraw(r);
			n := n + 1;
		end loop;
		delete from grid.redraw x where x.street_id = s and x.state = 'preview'
			and x.created_at < core.now() - interval '7 days';
	end loop;
	return n;
end
$$;
comment on function grid.run_redraws() is
	'Job: executes the redraws whose day has come and drops previews of a week ago; returns how many ran.';

create view grid.redraw_view with (security_invoker = true) as
select r.street_id as _street_id, r.updated_at as _updated_at, r.id, r.state, r.from_on, r.crs, r.note, r.needs_street, r.fingerprint,
	r.grids, r.moves, r.leads, r.gaps, r.created_at, r.created_by, r.committed_at, r.committed_by, r.done_at
from grid.redraw r;
comment on view grid.redraw_view is 'class: street. Redraw.';

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
