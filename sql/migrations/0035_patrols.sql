-- field: patrols. Routes with checkpoints, plans that recur, a task a day of
-- theirs, and proof that somebody was there.

---------------------------------------------------------------- tables
create table field.route (
	street_id integer not null,
	id uuid not null,
	name text not null check (name ~ '[^[:space:]]' and length(name) <= 64),
	grid_id uuid not null,
	path text collate "C" not null,
	checkpoints jsonb not null,
	closed boolean not null default false,
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	updated_by uuid,
	primary key (street_id, id),
	foreign key (street_id, grid_id) references grid.grid (street_id, id)
);
comment on table field.route is
	'class: street. A way to walk; checkpoints in order, each {id, name, lon, lat, radius}, WGS-84 and metres.';
create index route_path on field.route (street_id, path, id);
alter table field.route enable row level security;
alter table field.route force row level security;
create policy staff on field.route
	using (street_id = core.street() and core.may_see_private(path, null));

create table field.patrol_plan (
	street_id integer not null,
	id uuid not null,
	route_id uuid not null,
	name text not null check (name ~ '[^[:space:]]' and length(name) <= 64),
	path text collate "C" not null,
	rule text not null check (clock.is_rule(rule)),
	on_holiday text not null check (on_holiday in ('keep', 'next_workday', 'prev_workday')),
	start_on date not null,
	end_on date check (end_on >= start_on),
	from_minute integer not null check (from_minute >= 0),
	to_minute integer not null check (to_minute > from_minute and to_minute <= 1440),
	assignees uuid[] not null check (cardinality(assignees) <= 50),
	planned_to date not null,
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	updated_by uuid,
	primary key (street_id, id),
	foreign key (street_id, route_id) references field.route (street_id, id)
);
comment on table field.patrol_plan is
	'class: street. When a route is walked: a rule of RFC 5545 from start_on, the minutes of the day between which, and who; nobody named means whoever leads there.';
comment on column field.patrol_plan.planned_to is 'The tasks of all days up to this one exist';
create index patrol_plan_path on field.patrol_plan (street_id, path, id);
create index patrol_plan_next on field.patrol_plan (street_id, planned_to);
alter table field.patrol_plan enable row level security;
alter table field.patrol_plan force row level security;
create policy staff on field.patrol_plan
	using (street_id = core.street() and core.may_see_private(path, null));

create table field.patrol_task (
	street_id integer not null,
	id uuid not null,
	plan_id uuid not null,
	route_id uuid not null,
	name text not null,
	path text collate "C" not null,
	nominal_on date not null,
	on_day date not null,
	provisional boolean not null,
	opens_at timestamptz not null,
	closes_at timestamptz not null,
	assignees uuid[] not null,
	checkpoints jsonb not null,
	status text not null default 'open' check (status in ('open', 'done', 'missed')),
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	primary key (street_id, id),
	constraint patrol_task_once unique (street_id, plan_id, nominal_on),
	foreign key (street_id, plan_id) references field.patrol_plan (street_id, id),
	foreign key (street_id, route_id) references field.route (street_id, id)
);
comment on table field.patrol_task is
	'class: street. One walk of a plan, one for each nominal day; route, people and checkpoints as they were when it was made.';
create index patrol_task_day on field.patrol_task (street_id, on_day, id);
create index patrol_task_open on field.patrol_task (street_id, closes_at) where status = 'open';
alter table field.patrol_task enable row level security;
alter table field.patrol_task force row level security;
create policy visible on field.patrol_task
	using (street_id = core.street() and (core.may_see_private(path, null) or core.actor() = any (assignees)));

create table field.check_in (
	street_id integer not null,
	id uuid not null,
	task_id uuid not null,
	checkpoint_id uuid not null,
	path text collate "C" not null,
	assignees uuid[] not null,
	account_id uuid not null,
	at timestamptz not null,
	received_at timestamptz not null default core.now(),
	lon float8 not null,
	lat float8 not null,
	distance integer not null,
	offline boolean not null,
	too_far boolean not null,
	note text,
	primary key (street_id, id),
	foreign key (street_id, task_id) references field.patrol_task (street_id, id)
);
comment on table field.check_in is
	'class: street. Somebody was at a checkpoint, so many metres from its middle; those synced later carry their own time, and those too far away do not count.';
create index check_in_task on field.check_in (street_id, task_id);
create unique index check_in_once on field.check_in (street_id, task_id, checkpoint_id) where not too_far;
alter table field.check_in enable row level security;
alter table field.check_in force row level security;
create policy visible on field.check_in
	using (street_id = core.street() and (core.may_see_private(path, null) or core.actor() = any (assignees)));

---------------------------------------------------------------- routes and plans
create function field.checkpoint_json(c jsonb) returns json
language sql immutable strict parallel safe
return json_build_object('id', c ->> 'id', 'name', c ->> 'name', 'radius', (c ->> 'radius')::integer,
	'position', ticket.position_json((c ->> 'lon')::float8, (c ->> 'lat')::float8, 'wgs84'),
	'position_gcj02', ticket.position_json((c ->> 'lon')::float8, (c ->> 'lat')::float8, 'gcj02'));
comment on function field.checkpoint_json(jsonb) is 'A checkpoint as clients read it.';

create view field.route_view with (security_invoker = true) as
select r.street_id as _street_id, r.path as _path, r.version as _etag, r.id, r.name, r.grid_id, g.name as grid_name,
	(select json_agg(field.checkpoint_json(c) order by n)
		from jsonb_array_elements(r.checkpoints) with ordinality x (c, n)) as checkpoints,
	r.closed, r.updated_at
from field.route r
left join grid.grid g on g.street_id = r.street_id and g.id = r.grid_id;
comment on view field.route_view is 'class: street. PatrolRoute: with its checkpoints.';

create view field.patrol_plan_view with (security_invoker = true) as
select p.street_id as _street_id, p.path as _path, p.version as _etag, p.id, p.route_id, p.name, p.rule, p.on_holiday,
	p.start_on, p.end_on, p.from_minute, p.to_minute, to_json(p.assignees) as assignees, p.planned_to, p.updated_at
from field.patrol_plan p;
comment on view field.patrol_plan_view is 'class: street. PatrolPlan.';

create view field.patrol_task_view with (security_invoker = true) as
select t.street_id as _street_id, t.path as _path, t.version as _etag, t.id, t.plan_id, t.route_id, t.name, t.on_day,
	t.nominal_on, t.provisional, t.opens_at, t.closes_at,
	to_json(case when core.role() = 'resident' then array[core.actor()] else t.assignees end) as assignees, t.status,
	(core.actor() = any (t.assignees)) as mine, c.checkpoints, c.done, jsonb_array_length(t.checkpoints) as total, t.updated_at
from field.patrol_task t
cross join lateral (
	select json_agg(json_build_object('id', x.c ->> 'id', 'name', x.c ->> 'name', 'radius', (x.c ->> 'radius')::integer,
			'position', ticket.position_json((x.c ->> 'lon')::float8, (x.c ->> 'lat')::float8, 'wgs84'),
			'position_gcj02', ticket.position_json((x.c ->> 'lon')::float8, (x.c ->> 'lat')::float8, 'gcj02'),
			'checked_at', to_char(i.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
			'distance', i.distance, 'offline', i.offline) order by x.n) as checkpoints,
		count(i.id)::integer as done
	from jsonb_array_elements(t.checkpoints) with ordinality x (c, n)
	left join field.check_in i on i.street_id = t.street_id and i.task_id = t.id and not i.too_far
		and i.checkpoint_id = (x.c ->> 'id')::uuid) c;
comment on view field.patrol_task_view is 'class: street. PatrolTask: which checkpoints are done, when and from how far.';

create function field.own_grid(p_grid uuid) returns grid.grid
language plpgsql stable
as $$
declare
	g grid.grid;
begin
	select x.* into g from grid.grid x where x.street_id = core.street() and x.id = p_grid
		and (x.valid_to is null or x.valid_to > core.today()) and x.path ^@ any (core.scopes());
	if not found then
		perform core.fail(422, 'grid_not_found', '/grid_id');
	end if;
	return g;
end
$$;
comment on function field.own_grid(uuid) is 'A grid of any kind within the caller''s. LN422 grid_not_found.';

create function field.put_route(p_id uuid, p_if_match text, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	r field.route;
	g grid.grid;
	points jsonb;
begin
	if core.role() not in ('grid_lead', 'community', 'street') then
		perform core.fail(403, 'role_not_allowed');
	end if;
	if p_if_match is not null then
		select x.* into r from field.route x where x.street_id = core.street() and x.id = p_id for update;
		if not found then
			perform core.fail(404, 'not_found');
		elsif core.is_stale(r.version, p_if_match) then
			perform core.fail(412, 'version_conflict');
		end if;
	end if;
	g := field.own_grid((b ->> 'grid_id')::uuid);
	select jsonb_agg(jsonb_build_object('id', core.new_id(core.street()), 'name', c ->> 'name', 'lon', w.lon, 'lat', w.lat,
		'radius', coalesce((c ->> 'radius')::integer, 50)) order by n) into points
	from jsonb_array_elements(b -> 'checkpoints') with ordinality x (c, n)
	cross join lateral core.wgs84((c -> 'position' ->> 'lon')::float8, (c -> 'position' ->> 'lat')::float8,
		c -> 'position' ->> 'crs') w;
	insert into field.route as x (street_id, id, name, grid_id, path, checkpoints, closed, updated_by)
	values (core.street(), p_id, b ->> 'name', g.id, g.path, points, coalesce((b ->> 'closed')::boolean, false), core.actor())
	on conflict on constraint route_pkey do update set name = excluded.name, grid_id = excluded.grid_id,
		path = excluded.path, checkpoints = excluded.checkpoints, closed = excluded.closed, version = x.version + 1,
		updated_at = core.now(), updated_by = excluded.updated_by;
	perform core.put_event('patrol_route', p_id, case when p_if_match is null then 'create' else 'update' end, null, null,
		g.path, null, false);
end
$$;
comment on function field.put_route(uuid, text, jsonb) is
	'A route in a grid of the caller''s; tasks that exist keep the checkpoints they have. LN404, LN412, LN422 grid_not_found.';

create function field.logins(p_logins jsonb) returns uuid[]
language plpgsql stable
as $$
declare
	x record;
	ids uuid[] := '{}';
	account uuid;
begin
	for x in select l, n from jsonb_array_elements_text(coalesce(nullif(p_logins, 'null'), '[]')) with ordinality y (l, n) loop
		select a.id into account from identity.account a
		where a.login = lower(x.l) and a.disabled_at is null and exists (select from identity.account_role r
			where r.account_id = a.id and r.street_id = core.street()
				and r.from_on <= core.today() and (r.to_on is null or r.to_on > core.today()));
		if account is null then
			perform core.fail(422, 'account_unknown', '/assignees/' || x.n - 1);
		end if;
		ids := ids || account;
	end loop;
	return ids;
end
$$;
comment on function field.logins(jsonb) is 'Accounts by their logins, of people who hold a role in the street. LN422 account_unknown.';

create function field.put_plan(p_id uuid, p_if_match text, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	p field.patrol_plan;
	r field.route;
begin
	if core.role() not in ('grid_lead', 'community', 'street') then
		perform core.fail(403, 'role_not_allowed');
	end if;
	if p_if_match is not null then
		select x.* into p from field.patrol_plan x where x.street_id = core.street() and x.id = p_id for update;
		if not found then
			perform core.fail(404, 'not_found');
		elsif core.is_stale(p.version, p_if_match) then
			perform core.fail(412, 'version_conflict');
		end if;
	end if;
	select x.* into r from field.route x where x.street_id = core.street() and x.id = (b ->> 'route_id')::uuid and not x.closed;
	if not found then
		perform core.fail(422, 'route_unknown', '/route_id');
	elsif not clock.is_rule(b ->> 'rule') then
		perform core.fail(422, 'rule_unknown', '/rule');
	elsif (b ->> 'end_on')::date < (b ->> 'start_on')::date then
		perform core.fail(422, 'dates_invalid', '/end_on');
	elsif (b ->> 'to_minute')::integer <= (b ->> 'from_minute')::integer then
		perform core.fail(422, 'dates_invalid', '/to_minute');
	end if;
	-- What nobody began is planned anew, what has begun stays.
	delete from field.patrol_task t where t.street_id = core.street() and t.plan_id = p_id and t.status = 'open'
		and t.opens_at > core.now()
		and not exists (select from field.check_in c where c.street_id = t.street_id and c.task_id = t.id);
	insert into field.patrol_plan as x (street_id, id, route_id, name, path, rule, on_holiday, start_on, end_on, from_minute,
		to_minute, assignees, planned_to, updated_by)
	values (core.street(), p_id, r.id, b ->> 'name', r.path, b ->> 'rule', b ->> 'on_holiday', (b ->> 'start_on')::date,
		(b ->> 'end_on')::date, (b ->> 'from_minute')::integer, (b ->> 'to_minute')::integer,
		field.logins(b -> 'assignees'), greatest((b ->> 'start_on')::date, core.today()) - 1, core.actor())
	on conflict on constraint patrol_plan_pkey do update set route_id = excluded.route_id, name = excluded.name,
		path = excluded.path, rule = excluded.rule, on_holiday = excluded.on_holiday, start_on = excluded.start_on,
		end_on = excluded.end_on, from_minute = excluded.from_minute, to_minute = excluded.to_minute,
		assignees = excluded.assignees, planned_to = excluded.planned_to, version = x.version + 1,
		updated_at = core.now(), updated_by = excluded.updated_by;
	perform core.put_event('patrol_plan', p_id, case when p_if_match is null then 'create' else 'update' end, null, null,
		r.path, null, false);
end
$$;
comment on function field.put_plan(uuid, text, jsonb) is
	'When a route is walked, from today on at the earliest. LN404, LN412, LN422 route_unknown, rule_unknown, dates_invalid, account_unknown.';

---------------------------------------------------------------- walking
create function field.sync_limit() returns interval
language sql immutable parallel safe
return interval '72 hours';
comment on function field.sync_limit() is 'How long after its time a check-in made offline is still taken.';

create function field.walked(p_id uuid) returns field.patrol_task
language plpgsql
as $$
declare
	t field.patrol_task;
begin
	select x.* into t from field.patrol_task x where x.street_id = core.street() and x.id = p_id for update;
	if not found then
		perform core.fail(404, 'not_found');
	elsif not (core.actor() = any (t.assignees)
			or t.assignees = '{}' and core.role() in ('grid_lead', 'community')) then
		perform core.fail(403, 'not_assigned');
	end if;
	return t;
end
$$;
comment on function field.walked(uuid) is
	'A task, locked, that the caller walks: one of those named, or where nobody is, whoever leads there. LN404 not_found, LN403 not_assigned.';

create function field.put_check_in(p_id uuid, p_task uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	t constant field.patrol_task := field.walked(p_task);
	off constant boolean := coalesce((b ->> 'offline')::boolean, false);
	moment constant timestamptz := case when off then (b ->> 'at')::timestamptz else core.now() end;
	c jsonb;
	w record;
	metres integer;
	far boolean;
	n integer;
begin
	if off and moment is null then
		perform core.fail(422, 'time_outside', '/at');
	elsif off and (moment > core.now() or moment < core.now() - field.sync_limit()) then
		perform core.fail(422, 'time_outside', '/at');
	elsif moment < t.opens_at or moment >= t.closes_at then
		if off then
			perform core.fail(422, 'time_outside', '/at');
		end if;
		perform core.fail(409, 'patrol_not_now');
	end if;
	select x into c from jsonb_array_elements(t.checkpoints) x where (x ->> 'id')::uuid = (b ->> 'checkpoint_id')::uuid;
	if not found then
		perform core.fail(422, 'checkpoint_unknown', '/checkpoint_id');
	end if;
	w := core.wgs84((b -> 'position' ->> 'lon')::float8, (b -> 'position' ->> 'lat')::float8, b -> 'position' ->> 'crs');
	metres := round(core.metres(w.lon, w.lat, (c ->> 'lon')::float8, (c ->> 'lat')::float8));
	far := metres > (c ->> 'radius')::integer;
	-- Who is there can walk up to it; who was there then cannot any more.
	if far and not off then
		perform core.fail(422, 'too_far', '/position');
	end if;
	insert into field.check_in (street_id, id, task_id, checkpoint_id, path, assignees, account_id, at, lon, lat, distance,
		offline, too_far, note)
	values (t.street_id, p_id, t.id, (c ->> 'id')::uuid, t.path, t.assignees, core.actor(), moment, w.lon, w.lat, metres,
		off, far, b ->> 'note');
	perform core.put_event('patrol_task', t.id, 'check_in', null, null, t.path, core.actor(), false,
		json_build_object('checkpoint_id', c ->> 'id', 'at', moment, 'offline', off, 'too_far', far));
	select count(*) into n from field.check_in i where i.street_id = t.street_id and i.task_id = t.id and not i.too_far;
	if n = jsonb_array_length(t.checkpoints) then
		update field.patrol_task x set status = 'done' where x.street_id = t.street_id and x.id = t.id;
		perform core.put_event('patrol_task', t.id, 'complete', t.status, 'done', t.path, null, false);
	end if;
	update field.patrol_task x set version = x.version + 1, updated_at = core.now()
	where x.street_id = t.street_id and x.id = t.id;
exception when unique_violation then
	perform core.fail(409, 'already_checked_in');
end
$$;
comment on function field.put_check_in(uuid, uuid, jsonb) is
	'Proof of presence. Too far away is refused, and of what was made offline kept and flagged without counting. The last checkpoint completes the task, be it missed meanwhile. LN404, LN403 not_assigned, LN409 patrol_not_now, already_checked_in, LN422 time_outside, checkpoint_unknown, too_far.';

create function field.hazard_on_patrol(p_id uuid, p_task uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	t constant field.patrol_task := field.walked(p_task);
begin
	perform field.put_hazard(p_id, field.place((b ->> 'grid_id')::uuid, b -> 'position'), 'patrol', t.id,
		case when core.role() = 'resident' then core.actor() end, b);
	perform core.put_event('patrol_task', t.id, 'hazard', null, null, t.path, core.actor(), false,
		json_build_object('hazard_id', p_id));
end
$$;
comment on function field.hazard_on_patrol(uuid, uuid, jsonb) is 'A hazard found on the way. As field.walked and field.report.';

create function field.ticket_on_patrol(p_id uuid, p_task uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	t constant field.patrol_task := field.walked(p_task);
begin
	perform ticket.submit(p_id, b || case core.role() when 'grid_lead'
		then jsonb_build_object('on_behalf', jsonb_build_object('name', left(t.name, 40), 'note', '巡查发现')) else '{}' end);
	perform core.put_event('patrol_task', t.id, 'ticket', null, null, t.path, core.actor(), false,
		json_build_object('ticket_id', p_id));
end
$$;
comment on function field.ticket_on_patrol(uuid, uuid, jsonb) is 'A ticket about what was found on the way. As field.walked and ticket.submit.';

create function field.move_routes(p_ids uuid[], p_grid uuid, p_path text) returns void
language plpgsql
as $$
declare
	st constant integer := core.street();
	r field.route;
begin
	for r in update field.route x set grid_id = p_grid, path = p_path, version = x.version + 1, updated_at = core.now()
		where x.street_id = st and x.id = any (p_ids) returning x.*
	loop
		perform core.put_event('patrol_route', r.id, 'transfer', null, null, p_path, null, false,
			json_build_object('to_grid_id', p_grid));
	end loop;
	update field.patrol_plan p set path = p_path, version = p.version + 1, updated_at = core.now()
	where p.street_id = st and p.route_id = any (p_ids);
	-- What was walked was walked there.
	update field.patrol_task t set path = p_path, version = t.version + 1, updated_at = core.now()
	where t.street_id = st and t.route_id = any (p_ids) and t.status = 'open';
	update field.check_in c set path = p_path from field.patrol_task t
	where t.street_id = st and t.route_id = any (p_ids) and t.status = 'open' and c.street_id = st and c.task_id = t.id;
end
$$;
comment on function field.move_routes(uuid[], uuid, text) is
	'Routes on ground that changes hands, with their plans and the walks that are still to be made. In role system.';

---------------------------------------------------------------- jobs
create function field.plan_patrols(batch integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	goal constant date := core.today() + 7;
	s integer;
	p field.patrol_plan;
	o record;
	made uuid;
	n integer := 0;
begin
	for s in select x.id from grid.street x order by x.id loop
		perform core.enter_system(s);
		for p in select x.* from field.patrol_plan x
			where x.street_id = s and x.planned_to < goal
			order by x.planned_to limit batch - n for update skip locked
		loop
			for o in select * from clock.occurrences(p.rule, p.start_on, p.planned_to + 1, goal, p.on_holiday)
				where p.end_on is null or nominal <= p.end_on
			loop
				made := null;
				insert into field.patrol_task (street_id, id, plan_id, route_id, name, path, nominal_on, on_day, provisional,
					opens_at, closes_at, assignees, checkpoints)
				select s, core.new_id(s), p.id, p.route_id, p.name, p.path, o.nominal, o.day, o.provisional,
					(o.day + p.from_minute * interval '1 minute') at time zone 'Asia/Shanghai',
					(o.day + p.to_minute * interval '1 minute') at time zone 'Asia/Shanghai', p.assignees, r.checkpoints
				from field.route r where r.street_id = s and r.id = p.route_id and not r.closed
				on conflict on constraint patrol_task_once do nothing
				returning id into made;
				if made is not null then
					perform core.put_event('patrol_task', made, 'planned', null, 'open', p.path, null, false,
						json_build_object('plan_id', p.id, 'on_day', o.day));
				end if;
			end loop;
			update field.patrol_plan x set planned_to = goal where x.street_id = s and x.id = p.id;
			n := n + 1;
		end loop;
		exit when n >= batch;
	end loop;
	return n;
end
$$;
comment on function field.plan_patrols(integer) is
	'Job: the tasks of the next seven days, each once, of at most batch plans; returns of how many.';

create function field.miss_patrols(batch integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	present constant timestamptz := core.now();
	s integer;
	t field.patrol_task;
	n integer := 0;
begin
	for s in select x.id from grid.street x order by x.id loop
		perform core.enter_system(s);
		for t in select x.* from field.patrol_task x
			where x.street_id = s and x.status = 'open' and x.closes_at <= present
			order by x.closes_at limit batch - n for update skip locked
		loop
			update field.patrol_task x set status = 'missed', version = x.version + 1, updated_at = core.now()
			where x.street_id = s and x.id = t.id;
			perform core.put_event('patrol_task', t.id, 'miss', 'open', 'missed', t.path, null, false);
			n := n + 1;
		end loop;
		exit when n >= batch;
	end loop;
	return n;
end
$$;
comment on function field.miss_patrols(integer) is
	'Job: tasks whose time is over are missed, at most batch; returns how many. What was made offline in time still completes them.';

---------------------------------------------------------------- grants
grant select on field.route, field.route_view, field.patrol_plan, field.patrol_plan_view, field.patrol_task,
	field.patrol_task_view, field.check_in to linli_app;
grant execute on function field.checkpoint_json(jsonb), field.put_route(uuid, text, jsonb), field.put_plan(uuid, text, jsonb),
	field.put_check_in(uuid, uuid, jsonb), field.hazard_on_patrol(uuid, uuid, jsonb),
	field.ticket_on_patrol(uuid, uuid, jsonb) to linli_app;
grant execute on function field.plan_patrols(integer), field.miss_patrols(integer) to linli_job;
