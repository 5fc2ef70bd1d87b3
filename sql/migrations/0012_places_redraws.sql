-- grid: boundaries redrawn: previewed, then committed.
-- Run by linli_owner, one statement at a time.

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
		where e.street_id = street and e.path = any (array(select i.path from item i where i.change <> 'create'))
		union all
		select 'route', r.id, r.grid_id, (c ->> 'lon')::float8, (c ->> 'lat')::float8
		from field.route r, jsonb_array_elements(r.checkpoints) c
		where r.street_id = street and not r.closed
			and r.path = any (array(select i.path from item i where i.change <> 'create'))),
	-- A route goes where most of its checkpoints are.
	point as (
		select t.what, t.id, t.grid_id, case
			-- Only what the line itself passes over moves; a grid that closes
			-- leaves nothing behind.
			when old.change = 'close' then coalesce(after.grid_id, heir.grid_id)
			when before.grid_id <> after.grid_id then after.grid_id else t.grid_id end as goal, old.change
		from thing t
		join item old on old.grid_id = t.grid_id
		cross join lateral (select public.st_setsrid(public.st_makepoint(t.lon, t.lat), 4326) as here) p
		cross join lateral (select case when t.what = 'route' and old.kind in ('general', 'master') then array[old.kind]
			else '{micro,special}' end as kinds) k
		left join lateral (select i.grid_id from item i
			where i.kind = any (k.kinds) and public.st_intersects(i.was, p.here)
			order by i.kind, i.path limit 1) before on true
		left join lateral (select i.grid_id from item i
			where i.kind = any (k.kinds) and public.st_intersects(i.geom, p.here)
			order by i.kind, i.path nulls last, i.n limit 1) after on true
		left join lateral (select i.grid_id from item i
			where i.change <> 'close' and t.grid_id = any (i.predecessors)
			order by i.n limit 1) heir on old.change = 'close')
	select x.what, x.id, x.grid_id, x.goal
	from (select distinct on (y.what, y.id) y.* from (
			select o.what, o.id, o.grid_id, o.goal, o.change, count(*) as points from point o group by 1, 2, 3, 4, 5) y
		order by y.what, y.id, y.points desc, y.goal = y.grid_id desc nulls last, y.goal) x
	where x.change = 'close' or x.goal <> x.grid_id;
end
$$;
comment on function grid.redraw_moves(uuid) is
	'Dwellings, equipment, routes, open tickets and hazards that a redraw puts under another grid: those on ground that changes hands, and all of a closed grid. to_grid null: a closed grid with nobody to take over. As role system.';

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
			coalesce(array_agg(x.id) filter (where x.what = 'equipment'), '{}') as equipment,
			coalesce(array_agg(x.id) filter (where x.what = 'route'), '{}') as routes
		from grid.redraw_moves(p_id) x
		join grid.grid g on g.street_id = street and g.id = x.to_grid
		group by x.to_grid, g.path order by g.path
	loop
		perform grid.move_dwellings(m.dwellings, m.to_grid, r.from_on);
		perform ticket.hand_over(t, m.to_grid, m.path, 'system', r.note) from unnest(m.tickets) t;
		perform field.hand_over(h, m.to_grid, m.path) from unnest(m.hazards) h;
		perform field.move_equipment(m.equipment, m.to_grid, m.path);
		perform field.move_routes(m.routes, m.to_grid, m.path);
	end loop;
	perform grid.follow_leads(p_id, r.from_on);
	perform grid.follow_offices(p_id);
	perform field.follow_teams(p_id);
	perform care.follow_plans(p_id);
	perform care.follow_campaigns(p_id);
	perform duty.follow_tasks(p_id);
	perform duty.follow_reviews(p_id);
	update grid.redraw x set state = 'done', done_at = core.now(), updated_at = core.now()
	where x.street_id = street and x.id = p_id;
	perform core.put_event('redraw', p_id, 'done', 'scheduled', 'done', r.path, null, false);
end
$$;
comment on function grid.execute_redraw(uuid) is
	'On the day of a redraw: dwellings, equipment, routes, open tickets and hazards go to their new grid, leads, teams and plans of closed grids end or follow. Its callers have it locked and scheduled. Not for the app.';

create function grid.heirs(p_redraw uuid) returns table (grid_id uuid, heirs uuid[])
language plpgsql stable
as $$
begin
	return query with item as materialized (
		select i.* from grid.redraw_item i where i.street_id = core.street() and i.redraw_id = p_redraw)
	select c.grid_id, coalesce(
		(select array_agg(k.grid_id order by k.n) from item k where k.change <> 'close' and k.kind = c.kind and c.grid_id = any (k.predecessors)),
		(select array_agg(k.grid_id order by k.n) from item k where k.change <> 'close' and c.grid_id = any (k.predecessors)),
		(select array_agg(x.grid_id order by public.st_area(x.shared) desc, x.n) from (
			select k.n, k.grid_id, grid.broad(public.st_intersection(k.geom, c.was, 1e-7)) as shared
			from item k where k.change <> 'close' and k.kind = c.kind and k.geom operator(public.&&) c.was) x
			where x.shared is not null), '{}')
	from item c where c.change = 'close';
end
$$;
comment on function grid.heirs(uuid) is
	'Who comes after the grids a redraw closes: those of their kind that name them as predecessors, else any that do, else those of their kind that stand on their ground, the most of it first.';

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
