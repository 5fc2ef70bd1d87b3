-- care: 走访. Who is to be visited because of which marks, who was, and who has
-- not been seen for too long. Doors, pairings, diary and mediation follow.
create schema care;
grant usage on schema care to linli_app, linli_job;

---------------------------------------------------------------- visibility
create function care.may_see(path text, health boolean) returns boolean
language sql stable parallel safe
return case when health then people.may_see_health(path, null) else people.may_see(path, null) end;
comment on function care.may_see(text, boolean) is
	'Who sees a visit: community and leads in scope, and where it tells of health no neighbours. Residents none, the street counts only.';

create function care.may_see_plan(path text) returns boolean
language sql stable parallel safe
return case core.role()
	when 'community' then path ^@ any (core.scopes()) or strpos(' ' || array_to_string(core.scopes(), ' '), ' ' || path) > 0
	when 'grid_lead' then path ^@ any (core.scopes()) or strpos(' ' || array_to_string(core.scopes(), ' '), ' ' || path) > 0
	else core.role() in ('street', 'system') end;
comment on function care.may_see_plan(text) is
	'Who sees a plan or campaign, in which nobody is named: who answers for ground in it, or for ground around it, and the street.';

create function care.open_states() returns text[]
language sql immutable parallel safe
return array['planned', 'refused', 'not_home', 'by_phone'];
comment on function care.open_states() is 'A visit that is still to be made: a call or a refused door is none.';

create function care.share(part bigint, whole bigint) returns float8
language sql immutable parallel safe
return round(100.0 * part / nullif(whole, 0), 1)::float8;
comment on function care.share(bigint, bigint) is 'Per cent with one decimal; null of nothing.';

---------------------------------------------------------------- tables
create table care.plan (
	street_id integer not null,
	id uuid not null,
	grid_id uuid not null,
	path text collate "C" not null,
	name text not null check (name ~ '[^[:space:]]' and length(name) <= 64),
	tags text[] not null check (cardinality(tags) > 0),
	from_on date not null,
	to_on date not null,
	due_on date not null,
	repeats text not null check (repeats in ('no', 'month', 'quarter', 'half_year', 'year')),
	state text not null default 'active' check (state in ('active', 'ended')),
	filled_on date not null default core.today(),
	previous_id uuid,
	created_at timestamptz not null default core.now(),
	created_by uuid,
	updated_at timestamptz not null default core.now(),
	primary key (street_id, id),
	constraint plan_dates_check check (to_on > from_on and due_on >= from_on and due_on < to_on),
	foreign key (street_id, grid_id) references grid.grid (street_id, id)
);
create index plan_path on care.plan (street_id, path, id);
create index plan_filled on care.plan (street_id, filled_on) where state = 'active';
comment on table care.plan is
	'class: street. 四必去 and the like: each household of the ground with one of the tags is to be visited from from_on until before to_on. filled_on: when its visits were last held against the tags.';

-- due_on is the plan's day for all of its visits and no clock of clock.*: nothing
-- happens on it by itself; who is late is read, and missed ends with the plan.
create table care.visit (
	street_id integer not null,
	id uuid not null,
	path text collate "C" not null,
	place text collate "C" not null,
	household_id uuid,
	person_id uuid,
	plan_id uuid,
	pairing_id uuid,
	kind text not null check (kind in ('plan', 'pairing', 'other')),
	health boolean not null default false,
	theme text,
	state text not null default 'planned' check (state in
		('planned', 'done', 'refused', 'not_home', 'by_phone', 'missed', 'cancelled')),
	due_on date not null,
	attempts integer not null default 0,
	note text,
	reason text,
	reported_at timestamptz,
	reported_by uuid,
	reported_name text,
	settled_by uuid,
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	created_by uuid,
	updated_at timestamptz not null default core.now(),
	primary key (street_id, id),
	constraint visit_plan_key unique (street_id, plan_id, household_id),
	check (num_nonnulls(household_id, person_id) > 0),
	foreign key (street_id, household_id) references people.household (street_id, id),
	foreign key (street_id, person_id) references people.person (street_id, id),
	foreign key (street_id, plan_id) references care.plan (street_id, id)
);
create index visit_path on care.visit (street_id, path, due_on, id);
create index visit_place on care.visit (street_id, place);
create index visit_household on care.visit (street_id, household_id, reported_at);
create index visit_person on care.visit (street_id, person_id, reported_at) where person_id is not null;
create index visit_pairing on care.visit (street_id, pairing_id) where pairing_id is not null;
comment on table care.visit is
	'class: street. A visit to be made or made. path is where they live and moves with them; place is what it counts for, and stays once it is over. health: only because of a tag of health, not for neighbours.';
comment on column care.visit.settled_by is 'The visit that was this one too: both plans have it, it was made once';

alter table care.plan enable row level security;
alter table care.plan force row level security;
create policy reach on care.plan using (street_id = core.street() and care.may_see_plan(path));
alter table care.visit enable row level security;
alter table care.visit force row level security;
create policy reach on care.visit using (street_id = core.street() and care.may_see(path, health));
---------------------------------------------------------------- the machines
insert into core.transition (machine, from_state, action, to_state, roles)
select 'visit', f, a, a, '{grid_lead,community}' from unnest('{planned,refused,not_home,by_phone}'::text[]) f,
	unnest('{done,refused,not_home,by_phone}'::text[]) a;
insert into core.transition (machine, from_state, action, to_state, roles)
select 'visit', f, a, t, r::text[] from unnest('{planned,refused,not_home,by_phone}'::text[]) f,
	(values ('cancel', 'cancelled', '{community}'), ('lapse', 'missed', '{system}')) x (a, t, r);
insert into core.transition (machine, from_state, action, to_state, roles) values
	('visit_plan', 'active', 'end', 'ended', '{grid_lead,community,system}');

create function care.permit(p_machine text, p_state text, p_action text) returns text
language plpgsql stable
as $$
declare
	t core.transition;
begin
	if not exists (select from core.transition x where x.machine = p_machine and x.action = p_action
		and core.role() = any (x.roles)) then
		perform core.fail(403, 'role_not_allowed');
	end if;
	select x.* into t from core.transition x
	where x.machine = p_machine and x.from_state = p_state and x.action = p_action;
	if not found then
		perform core.fail(409, 'wrong_state');
	elsif core.role() <> all (t.roles) then
		perform core.fail(403, 'role_not_allowed');
	end if;
	return t.to_state;
end
$$;
comment on function care.permit(text, text, text) is
	'The state after an act by the caller. LN403 role_not_allowed, LN409 wrong_state.';

create function care.offers(p_machine text, p_state text) returns json
language sql stable
as $$select coalesce(json_agg(x.action order by x.action), '[]') from core.transition x
	where x.machine = $1 and x.from_state = $2 and core.role() = any (x.roles)$$;
comment on function care.offers(text, text) is 'What the caller''s role may do in a state.';

create function care.tell(v care.visit, p_action text, p_from text, p_to text) returns void
language plpgsql
as $$
begin
	perform core.put_event('visit', v.id, p_action, p_from, p_to,
		case when v.health then regexp_replace(v.path, '[0-9]+/$', '') else v.path end, null, false);
end
$$;
comment on function care.tell(care.visit, text, text, text) is
	'The event of a visit; what tells of health stands one step up, where neighbours do not see it.';

---------------------------------------------------------------- plans
create function care.ground(p_grid uuid) returns grid.grid
language plpgsql stable
as $$
declare
	g grid.grid;
begin
	select x.* into g from grid.grid x where x.street_id = core.street() and x.id = p_grid
		and x.path ^@ any (core.scopes()) and (x.valid_to is null or x.valid_to > core.today());
	if not found then
		perform core.fail(422, 'grid_not_found', '/grid_id');
	end if;
	return g;
end
$$;
comment on function care.ground(uuid) is 'A grid the caller answers for. LN422 grid_not_found.';

create function care.goals(p care.plan) returns table (household_id uuid, path text, health boolean)
language sql stable
as $$
	select h.id, h.path, bool_and(x.health)
	from (
		select t.household_id as id, false as health from people.tag t
		where t.street_id = p.street_id and t.code = any (p.tags) and t.cleared_at is null
			and t.path >= p.path and t.path < core.path_end(p.path) and t.household_id is not null
		union all
		select m.household_id, false from people.tag t
		join people.person m on m.street_id = t.street_id and m.id = t.person_id and m.status = 'active'
		where t.street_id = p.street_id and t.code = any (p.tags) and t.cleared_at is null
			and t.path >= p.path and t.path < core.path_end(p.path)
		union all
		select m.household_id, true from people.health_tag t
		join people.person m on m.street_id = t.street_id and m.id = t.person_id and m.status = 'active'
		where t.street_id = p.street_id and t.code = any (p.tags) and t.cleared_at is null
			and t.path >= p.path and t.path < core.path_end(p.path)) x
	join people.household h on h.street_id = p.street_id and h.id = x.id
	where h.path >= p.path and h.path < core.path_end(p.path)
	group by h.id, h.path
$$;
comment on function care.goals(care.plan) is
	'The households a plan is for, each once, however many tags it and its members carry. In role system.';

create function care.fill(p_plan uuid) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	p care.plan;
	v care.visit;
	n integer := 0;
begin
	update care.plan x set filled_on = core.today() where x.street_id = core.street() and x.id = p_plan returning x.* into strict p;
	update care.visit x set health = g.health from care.goals(p) g
	where x.street_id = p.street_id and x.plan_id = p.id and x.household_id = g.household_id and x.health <> g.health;
	for v in insert into care.visit as x (street_id, id, path, place, household_id, plan_id, kind, health, due_on,
			state, settled_by, reported_at, reported_by, reported_name, created_by)
		select p.street_id, core.new_id(p.street_id), g.path, g.path, g.household_id, p.id, 'plan', g.health, p.due_on,
			case when o.id is null then 'planned' else 'done' end, o.id, o.reported_at, o.reported_by, o.reported_name, core.actor()
		from care.goals(p) g
		left join lateral (select y.* from care.visit y where y.street_id = p.street_id and y.household_id = g.household_id
			and y.state = 'done' and y.settled_by is null and care.within(y.reported_at, p) order by y.reported_at limit 1) o on true
		on conflict on constraint visit_plan_key do nothing returning x.* loop
		perform care.tell(v, 'plan', null, v.state);
		n := n + 1;
	end loop;
	for v in update care.visit x set state = 'cancelled', version = x.version + 1, updated_at = core.now()
		where x.street_id = p.street_id and x.plan_id = p.id and x.state = any (care.open_states())
			and not exists (select from care.goals(p) g where g.household_id = x.household_id) returning x.* loop
		perform care.tell(v, 'drop', null, 'cancelled');
		n := n + 1;
	end loop;
	return n;
end
$$;
comment on function care.fill(uuid) is
	'Holds the visits of a plan against the tags: who has one now is to be visited, who has none any more is not; a visit made in the period already counts. Returns how many changed.';

create function care.within(at timestamptz, p care.plan) returns boolean
language sql immutable parallel safe
return at >= (p.from_on::timestamp at time zone 'Asia/Shanghai') and at < (p.to_on::timestamp at time zone 'Asia/Shanghai');
comment on function care.within(timestamptz, care.plan) is 'Is it in the period of a plan, by days of Chengdu.';

create function care.create_plan(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	g grid.grid := care.ground((b ->> 'grid_id')::uuid);
	codes text[] := array(select jsonb_array_elements_text(nullif(b -> 'tags', 'null')));
	since constant date := coalesce((b ->> 'from_on')::date, core.today());
	ends constant date := (b ->> 'to_on')::date;
	due constant date := coalesce((b ->> 'due_on')::date, ends - 1);
begin
	if codes = '{}' then
		codes := array(select k.code from people.tag_kind k where k.must_visit order by k.sort);
	elsif (select count(*) from people.tag_kind k where k.code = any (codes)) < cardinality(codes) then
		perform core.fail(422, 'tag_unknown', '/tags');
	elsif g.kind in ('micro', 'special') and not people.may_see_health(g.path, null)
		and exists (select from people.tag_kind k where k.code = any (codes) and k.health) then
		perform core.fail(403, 'field_not_allowed', '/tags');
	end if;
	if ends <= since then
		perform core.fail(422, 'dates_invalid', '/to_on');
	elsif ends <= core.today() then
		perform core.fail(422, 'date_passed', '/to_on');
	elsif due < since or due >= ends then
		perform core.fail(422, 'dates_invalid', '/due_on');
	end if;
	insert into care.plan (street_id, id, grid_id, path, name, tags, from_on, to_on, due_on, repeats, created_by)
	values (core.street(), p_id, g.id, g.path, b ->> 'name', codes, since, ends, due, coalesce(b ->> 'repeats', 'no'), core.actor());
	perform care.fill(p_id);
	perform core.put_event('visit_plan', p_id, 'create', null, 'active', g.path, null, false);
end
$$;
comment on function care.create_plan(uuid, jsonb) is
	'A plan for ground of the caller''s with its visits; tags null = the 四必去. LN422 grid_not_found, tag_unknown, dates_invalid, date_passed, LN403 field_not_allowed (health, by a neighbour).';

create function care.end_plan(p_id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	p care.plan;
begin
	select x.* into p from care.plan x where x.street_id = core.street() and x.id = p_id
		and (core.role() = 'system' or x.path ^@ any (core.scopes())) for update;
	if not found then
		perform core.fail(404, 'not_found');
	end if;
	perform care.permit('visit_plan', p.state, 'end');
	update care.plan x set state = 'ended', updated_at = core.now() where x.street_id = p.street_id and x.id = p_id;
	perform care.lapse(p_id);
	perform core.put_event('visit_plan', p_id, 'end', 'active', 'ended', p.path, null, false);
end
$$;
comment on function care.end_plan(uuid) is 'No more visits under this plan; what was not made is missed. LN404 not_found, LN409 wrong_state.';

create function care.lapse(p_plan uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	v care.visit;
begin
	for v in update care.visit x set state = 'missed', version = x.version + 1, updated_at = core.now()
		where x.street_id = core.street() and x.plan_id = p_plan and x.state = any (care.open_states()) returning x.* loop
		perform care.tell(v, 'lapse', null, 'missed');
	end loop;
end
$$;
comment on function care.lapse(uuid) is 'What is open of a plan is missed.';

create function care.renew(p care.plan) returns void
language plpgsql
as $$
declare
	made constant uuid := core.new_id(p.street_id);
	step constant interval := case p.repeats when 'month' then interval '1 month' when 'quarter' then interval '3 months'
		when 'half_year' then interval '6 months' else interval '1 year' end;
	ends constant date := (p.to_on + step)::date;
begin
	perform care.end_plan(p.id);
	insert into care.plan (street_id, id, grid_id, path, name, tags, from_on, to_on, due_on, repeats, previous_id, created_by)
	values (p.street_id, made, p.grid_id, p.path, p.name, p.tags, p.to_on, ends, ends - (p.to_on - p.due_on),
		p.repeats, p.id, p.created_by);
	perform care.fill(made);
	perform core.put_event('visit_plan', made, 'create', null, 'active', p.path, null, false);
end
$$;
comment on function care.renew(care.plan) is 'A plan that repeats is over: it ends, and that of the next period begins. In role system.';

create function care.figures(p care.plan) returns table (households bigint, visited bigint, late bigint, refused bigint,
	not_home bigint, by_phone bigint, planned bigint, missed bigint, overdue bigint)
language plpgsql stable
as $$
begin
	return query select count(*), count(*) filter (where v.state = 'done' and care.within(v.reported_at, p)),
		count(*) filter (where v.state = 'done' and not care.within(v.reported_at, p)),
		count(*) filter (where v.state = 'refused'), count(*) filter (where v.state = 'not_home'),
		count(*) filter (where v.state = 'by_phone'), count(*) filter (where v.state = 'planned'),
		count(*) filter (where v.state = 'missed'),
		count(*) filter (where v.state = any (care.open_states()) and v.due_on < core.today())
	from care.visit v where v.street_id = p.street_id and v.plan_id = p.id and v.state <> 'cancelled';
end
$$;
comment on function care.figures(care.plan) is 'Coverage of a plan, as far as the caller sees its visits: a household counts once, a visit in the period alone covers.';

create function care.figures_whole(p care.plan) returns table (households bigint, visited bigint, late bigint, refused bigint,
	not_home bigint, by_phone bigint, planned bigint, missed bigint, overdue bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set jit = off set linli.role = 'system'
as $$
begin
	return query select * from care.figures(p);
end
$$;
comment on function care.figures_whole(care.plan) is 'As care.figures() of all its visits: figures for the street, which sees none.';

create function care.plans(p_id uuid, p_state text, p_under uuid, p_updated timestamptz, p_after uuid, p_most integer)
returns table (id uuid, name text, grid_id uuid, tags json, from_on date, to_on date, due_on date, repeats text,
	state text, households bigint, visited bigint, coverage float8, late bigint, refused bigint, not_home bigint,
	by_phone bigint, planned bigint, missed bigint, overdue bigint, created_at timestamptz, updated_at timestamptz, actions json)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set jit = off
as $$
begin
	return query select p.id, p.name, p.grid_id, array_to_json(p.tags), p.from_on, p.to_on, p.due_on, p.repeats, p.state,
		f.households, f.visited, care.share(f.visited, f.households), f.late, f.refused, f.not_home, f.by_phone,
		f.planned, f.missed, f.overdue, p.created_at, p.updated_at,
		case when p.path ^@ any (core.scopes()) then care.offers('visit_plan', p.state) else '[]' end
	from care.plan p,
	lateral (select * from care.figures(p) where core.role() <> 'street'
		union all select * from care.figures_whole(p) where core.role() = 'street') f
	where p.street_id = core.street() and (p_id is null or p.id = p_id) and (p_after is null or p.id > p_after)
		and (p_state is null or p.state = p_state) and (p_updated is null or p.updated_at > p_updated)
		and (p_under is null or p.path ^@ (select g.path from grid.grid g where g.street_id = p.street_id and g.id = p_under))
	order by p.id limit p_most;
end
$$;
comment on function care.plans(uuid, text, uuid, timestamptz, uuid, integer) is 'VisitPlan: one by id, or a page.';

---------------------------------------------------------------- visits
create function care.visits(p_id uuid, p_state text, p_due text, p_kind text, p_plan uuid, p_pairing uuid, p_person uuid,
	p_under uuid, p_lead uuid, p_updated timestamptz, p_after text, p_most integer)
returns table (id uuid, kind text, state text, due_on date, overdue boolean, theme text, plan_id uuid, pairing_id uuid,
	grid_id uuid, household_id uuid, person_id uuid, name text, address text, tags json, health boolean, attempts integer,
	note text, reason text, reported_at timestamptz, reported_name text, settled_by uuid, created_at timestamptz,
	updated_at timestamptz, actions json, _path text)
language plpgsql security definer set search_path = pg_catalog, pg_temp set jit = off set plan_cache_mode = force_custom_plan
as $$
declare
	last_on constant date := coalesce(split_part(p_after, ' ', 1)::date, '-infinity');
	last_id constant uuid := coalesce(split_part(p_after, ' ', 2), '00000000-0000-0000-0000-000000000000')::uuid;
begin
	return query select v.id, v.kind, v.state, v.due_on, v.state = any (care.open_states()) and v.due_on < core.today(),
		v.theme, v.plan_id, v.pairing_id, d.grid_id, v.household_id, v.person_id, s.name, people.address_of(d.id),
		case when s.withheld then '[]' else people.tags_of(v.person_id, v.household_id) end, v.health, v.attempts,
		v.note, v.reason, v.reported_at, v.reported_name, v.settled_by, v.created_at, v.updated_at,
		care.offers('visit', v.state), v.path
	from (
		select x.* from (select s.lo, s.hi from core.scope_ranges() s offset 0) r
		join care.visit x on x.street_id = core.street() and x.path >= r.lo and x.path < r.hi
		where (x.due_on, x.id) > (last_on, last_id)
			and (p_id is null or x.id = p_id) and (p_state is null or x.state = p_state)
			and (p_due is null or (x.state = any (care.open_states())
				and case p_due when 'overdue' then x.due_on < core.today() else x.due_on >= core.today() end))
			and (p_kind is null or x.kind = p_kind) and (p_plan is null or x.plan_id = p_plan)
			and (p_pairing is null or x.pairing_id = p_pairing) and (p_person is null or x.person_id = p_person)
			and (p_updated is null or x.updated_at > p_updated)
			and (p_under is null or x.path ^@ (select g.path from grid.grid g where g.street_id = x.street_id and g.id = p_under))
			and (p_lead is null or exists (select from grid.assignment a where a.street_id = x.street_id
				and a.account_id = p_lead and x.path ^@ a.path and a.from_on <= core.today()
				and (a.to_on is null or a.to_on > core.today())))
		order by x.due_on, x.id limit p_most) v
	left join people.household h on h.street_id = v.street_id and h.id = v.household_id
	left join people.person p on p.street_id = v.street_id and p.id = coalesce(v.person_id, h.head_id)
	left join lateral people.show(p) s on p.id is not null
	left join grid.dwelling d on d.street_id = v.street_id and d.id = coalesce(p.dwelling_id, h.dwelling_id)
	order by v.due_on, v.id;
end
$$;
comment on function care.visits(uuid, text, text, text, uuid, uuid, uuid, uuid, uuid, timestamptz, text, integer) is
	'Visit: one by id, or a page, the next due first; names and tags as the caller may see them. p_due: due or overdue; p_lead: on ground of this lead''s.';

create function care.visit_of(p_id uuid) returns care.visit
language plpgsql
as $$
declare
	v care.visit;
begin
	select x.* into v from care.visit x where x.street_id = core.street() and x.id = p_id
		and x.path ^@ any (core.scopes()) for update;
	if not found then
		perform core.fail(404, 'not_found');
	end if;
	return v;
end
$$;
comment on function care.visit_of(uuid) is 'A visit to be changed. LN404 not_found.';

create function care.view_visit(p_id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	perform audit.put('view', 'visit', v.id, v.person_id, '{name,address,tags}', p_path => v.path)
	from care.visit v where v.street_id = core.street() and v.id = p_id and v.person_id is not null;
end
$$;
comment on function care.view_visit(uuid) is 'Logs that staff look at the visit of a person on purpose.';

create function care.moment(b jsonb) returns timestamptz
language plpgsql stable
as $$
begin
	if (b ->> 'at')::timestamptz > core.now() then
		perform core.fail(422, 'date_in_future', '/at');
	end if;
	return coalesce((b ->> 'at')::timestamptz, core.now());
end
$$;
comment on function care.moment(jsonb) is 'When it was, now if not said. LN422 date_in_future.';

create function care.create_visit(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	v care.visit;
	p people.person;
	ill constant boolean := coalesce((b ->> 'health')::boolean, false);
begin
	if num_nonnulls(b ->> 'household_id', b ->> 'person_id', b ->> 'pairing_id') <> 1 then
		perform core.fail(422, 'visit_subject');
	end if;
	v.person_id := (b ->> 'person_id')::uuid;
	if b ->> 'pairing_id' is not null then
		v.pairing_id := (b ->> 'pairing_id')::uuid;
		v.person_id := care.recipient(v.pairing_id);
	end if;
	if v.person_id is not null then
		select x.* into p from people.person x where x.street_id = core.street() and x.id = v.person_id and x.status = 'active';
		if not found then
			perform core.fail(422, 'person_not_found', '/person_id');
		elsif people.is_under(p.born_on, 18) and not people.approved(p.id) then
			perform core.fail(403, 'approval_required', '/person_id');
		end if;
		v.household_id := p.household_id;
		v.path := p.path;
	else
		select x.id, x.path into v.household_id, v.path from people.household x
		where x.street_id = core.street() and x.id = (b ->> 'household_id')::uuid;
		if not found then
			perform core.fail(422, 'household_not_found', '/household_id');
		end if;
	end if;
	if ill and not people.may_see_health(v.path, null) then
		perform core.fail(403, 'field_not_allowed', '/health');
	elsif b ->> 'outcome' is null and (b ->> 'due_on')::date < core.today() then
		perform core.fail(422, 'date_passed', '/due_on');
	end if;
	insert into care.visit (street_id, id, path, place, household_id, person_id, pairing_id, kind, health, due_on, created_by)
	values (core.street(), p_id, v.path, v.path, v.household_id, v.person_id, v.pairing_id,
		case when v.pairing_id is null then 'other' else 'pairing' end, ill,
		coalesce((b ->> 'due_on')::date, (care.moment(b) at time zone 'Asia/Shanghai')::date), core.actor())
	returning * into v;
	perform care.tell(v, 'plan', null, 'planned');
	if b ->> 'outcome' is not null then
		perform care.report(p_id, b);
	end if;
end
$$;
comment on function care.create_visit(uuid, jsonb) is
	'A visit to be made, or with an outcome one just tried: to a household, a person or under a pairing. LN422 visit_subject, person_not_found, household_not_found, pairing_not_found, date_passed, date_in_future, LN403 approval_required (a minor), field_not_allowed.';

create function care.report(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	v care.visit := care.visit_of(p_id);
	after constant text := care.permit('visit', v.state, b ->> 'outcome');
	since constant text := v.state;
begin
	update care.visit x set state = after, attempts = x.attempts + 1, place = x.path,
		note = coalesce(core.mask_text(b ->> 'note'), x.note), reported_at = care.moment(b), reported_by = core.actor(),
		reported_name = identity.name_of(core.actor()), version = x.version + 1, updated_at = core.now()
	where x.street_id = v.street_id and x.id = p_id returning x.* into v;
	perform care.tell(v, b ->> 'outcome', since, after);
	if after = 'done' then
		perform care.seen(v);
	end if;
end
$$;
comment on function care.report(uuid, jsonb) is
	'How a visit went: done, refused, not_home or by_phone, of which only the first is one. LN404 not_found, LN403 role_not_allowed, LN409 wrong_state, LN422 date_in_future.';

create function care.cancel_visit(p_id uuid, p_reason text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	v care.visit := care.visit_of(p_id);
	since constant text := v.state;
begin
	perform care.permit('visit', v.state, 'cancel');
	update care.visit x set state = 'cancelled', reason = core.mask_text(p_reason), version = x.version + 1, updated_at = core.now()
	where x.street_id = v.street_id and x.id = p_id returning x.* into v;
	perform care.tell(v, 'cancel', since, 'cancelled');
end
$$;
comment on function care.cancel_visit(uuid, text) is 'A visit is not to be made. LN404 not_found, LN403 role_not_allowed, LN409 wrong_state.';

create function care.seen(v care.visit) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	o care.visit;
	a record;
	who constant uuid[] := array(select p.id from people.person p where p.street_id = v.street_id
		and (p.id = v.person_id or (p.household_id = v.household_id and v.person_id is null)));
begin
	for o in update care.visit x set state = 'done', settled_by = v.id, place = x.path, reported_at = v.reported_at,
			reported_by = v.reported_by, reported_name = v.reported_name, version = x.version + 1, updated_at = core.now()
		from care.plan p
		where x.street_id = v.street_id and x.household_id = v.household_id and x.id <> v.id
			and x.state = any (care.open_states())
			and p.street_id = x.street_id and p.id = x.plan_id and care.within(v.reported_at, p) returning x.* loop
		perform care.tell(o, 'done', null, 'done');
	end loop;
	update care.watch w set seen_at = v.reported_at, due_at = v.reported_at + make_interval(days => w.days),
		alarm_id = case when v.reported_at + make_interval(days => w.days) <= core.now() then w.alarm_id end
	where w.street_id = v.street_id and w.person_id = any (who) and w.seen_at < v.reported_at;
	for a in update care.alarm x set state = 'cleared', visit_id = v.id, closed_at = core.now(), closed_by = v.reported_by,
			updated_at = core.now()
		where x.street_id = v.street_id and x.person_id = any (who) and x.state = 'open'
			and exists (select from care.watch w where w.street_id = x.street_id and w.person_id = x.person_id
				and w.alarm_id is null) returning x.* loop
		perform core.put_event('visit_alarm', a.id, 'clear', 'open', 'cleared', a.path, null, false);
	end loop;
end
$$;
comment on function care.seen(care.visit) is
	'A visit was made: other plans that wanted it have it, and alarms about whom it saw are over.';

---------------------------------------------------------------- figures
create function care.count_visits(p_path text, p_from date, p_to date, p_kind text) returns table (visits bigint, persons bigint,
	households bigint, refused bigint, not_home bigint, by_phone bigint, planned bigint, overdue bigint, by_grid json, by_lead json)
language plpgsql stable
as $$
declare
	lo constant timestamptz := coalesce(p_from, '-infinity')::timestamp at time zone 'Asia/Shanghai';
	hi constant timestamptz := coalesce(p_to, 'infinity')::timestamp at time zone 'Asia/Shanghai';
begin
	return query with v as materialized (
		select x.place, x.path, x.state, x.due_on, coalesce(x.person_id, x.household_id) as who, x.person_id, x.household_id,
			case when x.reported_at >= lo and x.reported_at < hi and x.settled_by is null then x.state end as came,
			x.state = any (care.open_states()) as waits
		from care.visit x
		where x.street_id = core.street() and (p_kind is null or x.kind = p_kind)
			and x.place >= p_path and x.place < core.path_end(p_path))
	select count(*) filter (where v.came = 'done'), count(distinct v.person_id) filter (where v.came = 'done'),
		count(distinct v.household_id) filter (where v.came = 'done'), count(*) filter (where v.came = 'refused'),
		count(*) filter (where v.came = 'not_home'), count(*) filter (where v.came = 'by_phone'),
		count(*) filter (where v.waits), count(*) filter (where v.waits and v.due_on < core.today()),
		(select coalesce(json_agg(json_build_object('grid_id', g.id, 'name', g.name, 'visits', c.done, 'planned', c.planned,
			'overdue', c.overdue) order by g.path), '[]')
		from (select y.place, count(*) filter (where y.came = 'done') as done, count(*) filter (where y.waits) as planned,
				count(*) filter (where y.waits and y.due_on < core.today()) as overdue from v y group by y.place) c
		join grid.grid g on g.street_id = core.street() and g.path = c.place),
		(select coalesce(json_agg(json_build_object('account_id', c.account_id, 'name', c.name, 'planned', c.planned,
			'overdue', c.overdue) order by c.overdue desc, c.name, c.account_id), '[]')
		from (select a.account_id, max(a.name) as name, count(*) as planned, count(*) filter (where y.due_on < core.today()) as overdue
			from v y join grid.assignment a on a.street_id = core.street() and a.path = y.path and a.from_on <= core.today()
				and (a.to_on is null or a.to_on > core.today())
			where y.waits group by a.account_id) c)
	from v;
end
$$;
comment on function care.count_visits(text, date, date, text) is
	'Visits made below a path from a day until before another (person-times), whom they saw (persons), and what waits; as far as the caller sees them.';

create function care.count_visits_whole(p_path text, p_from date, p_to date, p_kind text) returns table (visits bigint,
	persons bigint, households bigint, refused bigint, not_home bigint, by_phone bigint, planned bigint, overdue bigint,
	by_grid json, by_lead json)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
begin
	return query select * from care.count_visits(p_path, p_from, p_to, p_kind);
end
$$;
comment on function care.count_visits_whole(text, date, date, text) is 'As care.count_visits() of all: figures for the street, which sees none.';

create function care.summary(p_under uuid, p_from date, p_to date, p_kind text) returns table (grid_id uuid, visits bigint,
	persons bigint, households bigint, refused bigint, not_home bigint, by_phone bigint, planned bigint, overdue bigint,
	by_grid json, by_lead json)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set jit = off
as $$
declare
	place text := (select g.path from grid.grid g where g.street_id = core.street() and g.id = p_under);
begin
	if p_under is null then
		place := coalesce((core.scopes())[1], core.street() || '/');
	elsif place is null or not (core.role() = 'street' or place ^@ any (core.scopes())) then
		perform core.fail(422, 'grid_not_found', '/under');
	end if;
	if core.role() = 'street' then
		return query select p_under, c.* from care.count_visits_whole(place, p_from, p_to, p_kind) c;
	else
		return query select p_under, c.* from care.count_visits(place, p_from, p_to, p_kind) c;
	end if;
end
$$;
comment on function care.summary(uuid, date, date, text) is 'Figures of a grid of the caller''s ground, null = the first of it. LN422 grid_not_found.';

grant execute on function care.create_plan(uuid, jsonb), care.end_plan(uuid),
	care.plans(uuid, text, uuid, timestamptz, uuid, integer),
	care.visits(uuid, text, text, text, uuid, uuid, uuid, uuid, uuid, timestamptz, text, integer),
	care.view_visit(uuid), care.create_visit(uuid, jsonb), care.report(uuid, jsonb), care.cancel_visit(uuid, text),
	care.summary(uuid, date, date, text) to linli_app;
