-- Places in the database: geometry, the one grid of a point, redraws, addresses.
\ir world.psql

-- a map of street A: two micro-grids side by side in one general grid
create function pg_temp.box(w float8, s float8, e float8, n float8) returns public.geometry language sql as
$$select st_multi(st_makeenvelope(w, s, e, n, 4326))$$;
select core.enter_system(60001);
select is((select count(*) from (select grid.put_boundary(pg_temp.u(n), '2026-01-01', pg_temp.box(w, 30.0, e, 30.01), null)
	from (values (1, 104.0, 104.02), (11, 104.0, 104.02), (111, 104.0, 104.01), (112, 104.01, 104.02)) v (n, w, e)) x), 4::bigint, 'a map is drawn');

-- both systems
select cmp_ok(max(core.metres(x, y, w.lon, w.lat)), '<', 0.01::float8, 'to GCJ-02 and back is less than a centimetre, all over China')
from generate_series(74, 134, 3) x, generate_series(19, 52, 3) y,
	core.gcj02_converted(x::float8, y::float8, 'gcj02') g, core.gcj02_converted(g.lon, g.lat, 'wgs84') w;
select cmp_ok(st_hausdorffdistance(g, grid.converted(grid.converted(g, 'gcj02'), 'wgs84')), '<', 1e-7::float8, 'polygons with holes and parts too')
from (select st_collect(array[st_difference(st_makeenvelope(104, 30, 104.01, 30.01, 4326), st_makeenvelope(104.002, 30.002, 104.004, 30.004, 4326)),
	st_makeenvelope(104.02, 30, 104.03, 30.01, 4326)])::geometry g) x;
select is(st_nrings(grid.converted(st_difference(pg_temp.box(104, 30, 104.01, 30.01), pg_temp.box(104.002, 30.002, 104.004, 30.004)), 'gcj02')), 2, 'holes stay holes');

-- the tolerance
select is(grid.broad(pg_temp.box(104, 30, 104 + 1.5e-6, 30.01)), null, '15 cm wide and a kilometre long is a sliver');
select isnt(grid.broad(pg_temp.box(104, 30, 104 + 3e-6, 30.01)), null, '30 cm wide is none');
select is(st_npoints(grid.broad(st_collect(pg_temp.box(104, 30, 104 + 1e-6, 30.01), pg_temp.box(104.1, 30, 104.11, 30.01)))), 5, 'only what is broad remains');

-- GeoJSON as RFC 7946 has it
select is(json_extract_path_text(grid.geojson(b.geom, 'wgs84', 0), 'type') || (grid.geojson(b.geom, 'wgs84', 0)::jsonb ? 'crs')::text, 'MultiPolygonfalse', 'no crs member')
from grid.boundary b where b.grid_id = pg_temp.u(111);
select ok(st_ispolygonccw(st_geomfromgeojson(grid.geojson(st_forcepolygoncw(b.geom), c, d)::text)), format('shells run counter-clockwise, %s %s', c, d))
from grid.boundary b, unnest('{wgs84,gcj02}'::text[]) c, generate_series(0, 3) d where b.grid_id = pg_temp.u(111);
select is(grid.fault_of(reason), code, reason) from (values ('Valid Geometry', null), ('Self-intersection[104.1 30.2]', 'boundary_crosses_itself'),
	('Ring Self-intersection[1 2]', 'boundary_crosses_itself'), ('Hole lies outside shell[1 2]', 'boundary_rings_misplaced'),
	('Nested shells[1 2]', 'boundary_rings_misplaced'), ('Interior is disconnected[1 2]', 'boundary_crosses_itself'),
	('Too few points in geometry component[1 2]', 'boundary_malformed'), ('IllegalArgumentException: Points of LinearRing do not form a closed linestring', 'boundary_open_ring')) v (reason, code);

-- the one grid of a point
select is((select path from grid.at(60001, lon, 30.005, '2026-06-01')), path, what) from (values
	(104.005, '60001/1/1/1/', 'inside'), (104.01, '60001/1/1/1/', 'on the shared edge: the lower path'),
	(104.0, '60001/1/1/1/', 'on the outer edge'), (104.02, '60001/1/1/2/', 'on the other outer edge'),
	(104.0201, null, 'outside')) v (lon, path, what);
select is((select count(*) from grid.at(60002, 104.005, 30.005, '2026-06-01')), 0::bigint, 'a street has its own map');
select is((select count(*) from grid.at(60001, 104.005, 30.005, '2025-12-31')), 0::bigint, 'not before its first day');
select grid.put_boundary(pg_temp.u(112), '2026-03-01', pg_temp.box(104.005, 30.0, 104.02, 30.01), null),
	grid.put_boundary(pg_temp.u(111), '2026-03-01', pg_temp.box(104.0, 30.0, 104.005, 30.01), null) \g /dev/null
select is(array(select path::text from unnest('{2026-02-28,2026-03-01}'::date[]) d, grid.at(60001, 104.0075, 30.005, d)),
	'{60001/1/1/1/,60001/1/1/2/}', 'and from day to day');
select throws_ok(format('insert into grid.boundary (street_id, grid_id, from_on, to_on, kind, path, geom, area) select street_id, grid_id, %L, null, kind, path, geom, area from grid.boundary where grid_id = %L and to_on is null', day, pg_temp.u(111)),
	'23P01', null, 'one boundary at a time') from (values ('2026-02-01'), ('2027-01-01')) v (day);
insert into grid.grid (street_id, id, parent_id, kind, serial, path, name)
select 60001, pg_temp.u(20000 + i), pg_temp.u(11), 'micro', i, '60001/1/1/' || i || '/', '远' || i from generate_series(101, 1100) i;
insert into grid.boundary (street_id, grid_id, from_on, kind, path, geom, area)
select 60001, id, '2026-01-01', 'micro', path, pg_temp.box(105 + serial * 0.001, 30, 105.001 + serial * 0.001, 30.01), 1
from grid.grid where serial > 100 and kind = 'micro';
analyze grid.boundary;
create function pg_temp.plan(q text) returns setof text language plpgsql as $$begin return query execute 'explain ' || q; end$$;
select ok(exists (select from pg_temp.plan($$select from grid.boundary b where b.street_id = 60001 and b.kind in ('micro', 'special')
	and b.geom && st_setsrid(st_makepoint(104, 30), 4326)$$) p where p ~ 'boundary_at'), 'points are looked up by the index');

-- numbers run from north to south, in each row from west to east
insert into grid.redraw (street_id, id, path, state, from_on, crs, note, needs_street, fingerprint, grids, moves, leads, gaps)
values (60001, pg_temp.u(7001), '60001/1/', 'preview', core.today(), 'wgs84', '', false, '', '[]', '[]', '[]', '[]');
insert into grid.redraw_item (street_id, redraw_id, n, change, grid_id, kind, parent_id, parent_path, geom)
select 60001, pg_temp.u(7001), n, 'create', pg_temp.u(7100 + n), 'micro', pg_temp.u(11), '60001/1/1/',
	pg_temp.box(104 + x * 0.001, 30 + y * 0.001, 104.001 + x * 0.001, 30.001 + y * 0.001)
from (values (0, 1, 0), (1, 0, 1), (2, 0, 0), (3, 1, 1.2)) v (n, x, y);
select is(array(select n from grid.reading_order(pg_temp.u(7001)) order by place), '{1,3,2,0}', 'a row need not be straight');

-- dwellings move with their history
insert into grid.compound (street_id, id, path, name, address, household_count) values (60001, pg_temp.u(901), '60001/1/', '6号院', '6号', 2);
select pg_temp.enter('zz-community');
set local role linli_app;
select lives_ok($$select grid.put_building(pg_temp.u(902), pg_temp.u(901), null, '1栋', null, '{"lon": 104.002, "lat": 30.005, "crs": "wgs84"}')$$, 'a community adds a building');
select is((select created from grid.fill_building(pg_temp.u(902), '{"units": 2, "floors": 3, "per_floor": 4, "use": "residence", "ownership_kind": "private"}')), 24, 'and all its dwellings');
select is((select array[min(number), max(number)] from grid.dwelling), '{101,304}', 'numbered by floor');
select throws_ok($$select grid.move_dwellings('{}', pg_temp.u(112), core.today())$$, '42501', null, 'the app moves none by itself');
select throws_ok(format('select %s', call), '42501', null, call) from unnest('{"grid.execute_redraw(pg_temp.u(1))","grid.put_boundary(pg_temp.u(1), core.today(), null, null)","grid.describe_moves(pg_temp.u(1))","core.load_regions('''', null)"}'::text[]) call;
reset role;
select core.enter_system(60001);
select pg_temp.clock('2026-05-01 10:00+08') \g /dev/null
update grid.dwelling_grid set from_on = '2026-01-01';
select is(grid.move_dwellings(array(select id from grid.dwelling where number = '101'), pg_temp.u(112), '2026-05-01'), 2, 'two of them move');
select is((select array_agg(path || from_on || coalesce(to_on::text, '') order by from_on) from grid.dwelling_grid
	where dwelling_id = (select min(id::text)::uuid from grid.dwelling where number = '101')),
	'{60001/1/1/1/2026-01-012026-05-01,60001/1/1/2/2026-05-01}', 'and their past stays');
select is(grid.move_dwellings(array(select id from grid.dwelling where number = '101'), pg_temp.u(112), '2026-05-01'), 0, 'nobody moves to where they are');

-- who sees dwellings
create function pg_temp.homes(person text) returns bigint language plpgsql as $$
begin
	perform pg_temp.enter(person);
	set local role linli_app;
	return (select count(*) from grid.dwelling_view);
end $$;
select set_config('linli.clock_offset', '', true) \g /dev/null
select is(pg_temp.homes(who), n::bigint, who || ' sees ' || n) from (values ('zz-resident', 0), ('zz-community', 24), ('zz-community2', 0),
	('zz-street', 24), ('zz-far', 0)) v (who, n);

reset role;
select * from finish(true);
rollback;
