-- duty: the day of who leads. What is due, late, theirs or planned on their
-- ground, of whatever kind, in one read; nothing here is stored.
create schema duty;
grant usage on schema duty to linli_app;

-- What is over piles up and is never read for today.
create index hazard_path_open on field.hazard (street_id, path) where is_open;
create index visit_path_open on care.visit (street_id, path, due_on) where state in ('planned', 'refused', 'not_home', 'by_phone');
create index alarm_path_open on care.alarm (street_id, path) where state = 'open';
create index equipment_path_open on field.equipment (street_id, path, due_on) where status = 'in_use';
create index mediation_path_open on care.mediation (street_id, path) where state not in ('closed', 'withdrawn');
create index mediation_mediator on care.mediation (street_id, mediator_id) where state not in ('closed', 'withdrawn');

create function duty.ahead() returns integer
language sql immutable parallel safe
return 7;
comment on function duty.ahead() is 'Visits and follow-ups are of today so many days before they are due; equipment as its owner is reminded, field.ahead().';

create function duty.end_of(day date) returns timestamptz
language sql stable parallel safe
return case when isfinite(day) then (day + 1)::timestamp at time zone 'Asia/Shanghai' end;
comment on function duty.end_of(date) is 'When a day of Chengdu is over.';

create function duty.patrol_actions(t field.patrol_task) returns json
language sql stable
as $$select case when t.opens_at <= core.now() and core.now() < t.closes_at
	and (core.actor() = any (t.assignees) or t.assignees = '{}') then
	case core.role() when 'grid_lead' then '["check_in", "hazard", "ticket"]' else '["check_in", "hazard"]' end else '[]' end::json$$;
comment on function duty.patrol_actions(field.patrol_task) is 'What the caller may do on a patrol now.';

create function duty.equipment_actions(e field.equipment) returns json
language sql stable
as $$select case when (e.expires_on < core.today() or e.inspected_ok is false) and not exists (
	select from field.hazard h where h.street_id = e.street_id and h.source = 'equipment' and h.source_id = e.id and h.is_open)
	then '["hazard", "inspect", "replace", "retire"]' else '["inspect", "replace", "retire"]' end::json$$;
comment on function duty.equipment_actions(field.equipment) is 'What staff may do with a piece in use; hazard where something is wrong that nobody has put to its owner.';

create function duty.case_actions(m care.mediation) returns json
language sql stable
as $$select coalesce(json_agg(t.action order by t.action), '[]') from core.transition t
	where t.machine = 'mediation' and t.from_state = m.state and t.roles && care.capacities(m)$$;
comment on function duty.case_actions(care.mediation) is 'What the caller may do in a case.';

create function duty.today(p_most integer) returns table (on_date date, total integer, overdue integer, counts json, items json)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
	st constant integer := core.street();
	me constant uuid := core.actor();
	today constant date := core.today();
	at constant timestamptz := core.now();
	soon constant date := core.today() + duty.ahead();
	offers constant jsonb := ticket.offers();
	reader constant text := core.role();
begin
	return query
	with found (kind, id, path, title, status, due_at, warn_at, mine, born, visit, person, actions) as materialized (
		select 'ticket', t.id, t.path, t.title, t.status, t.due_at, t.warn_at, t.handler_id is not distinct from me, t.created_at,
			null::uuid, null::uuid, (offers ->> (t.status || ' ' || reader))::json
		from core.scope_ranges() r, lateral (select x.* from ticket.ticket x
			where x.street_id = st and x.path >= r.lo and x.path < r.hi and x.is_open) t
		where offers ->> (t.status || ' ' || reader) is not null
		union all
		select 'hazard', (h.it).id, (h.it).path, (h.it).title, (h.it).status, coalesce(c.due_at, (h.it).due_at),
			coalesce(c.half_at, (h.it).due_at), (h.it).found_by is not distinct from me, (h.it).created_at, null, null,
			field.hazard_actions(h.it)
		from core.scope_ranges() r cross join lateral (select x as it from field.hazard x
			where x.street_id = st and x.path >= r.lo and x.path < r.hi and x.is_open) h
		left join lateral (select min(k.due_at) as due_at, min(k.half_at) as half_at from clock.clock k
			where k.street_id = st and k.subject_id = (h.it).id and k.state = 'running') c on true
		union all
		select 'visit', v.id, v.path, coalesce(v.theme, ''), v.state, duty.end_of(v.due_on), duty.end_of(v.due_on - 1), false, v.created_at,
			v.household_id, v.person_id, care.offers('visit', v.state)
		from core.scope_ranges() r, lateral (select x.* from care.visit x
			where x.street_id = st and x.path >= r.lo and x.path < r.hi and x.due_on <= soon
				and x.state in ('planned', 'refused', 'not_home', 'by_phone')) v
		union all
		select 'alarm', a.id, a.path, '', a.state, a.raised_at, a.raised_at, false, a.raised_at, null, a.person_id,
			care.offers('visit_alarm', a.state)
		from core.scope_ranges() r, lateral (select x.* from care.alarm x
			where x.street_id = st and x.path >= r.lo and x.path < r.hi and x.state = 'open') a
		union all
		select 'patrol', p.id, p.path, p.name, p.status, p.closes_at, p.opens_at, coalesce(me = any (p.assignees), false),
			p.created_at, null, null, duty.patrol_actions(p)
		from field.patrol_task p
		where p.street_id = st and p.status = 'open' and p.closes_at < duty.end_of(today + 1)
			and (me = any (p.assignees) or (p.path ^@ any (core.scopes())
				and (reader = 'community' or cardinality(p.assignees) = 0)))
		union all
		select 'equipment', (e.it).id, (e.it).path, field.kind_name((e.it).kind) || ' ' || (e.it).place, (e.it).status,
			duty.end_of((e.it).due_on), duty.end_of((e.it).due_on - field.ahead() - 1), false, (e.it).created_at, null, null,
			duty.equipment_actions(e.it)
		from core.scope_ranges() r, lateral (select x as it from field.equipment x
			where x.street_id = st and x.path >= r.lo and x.path < r.hi and x.due_on <= today + field.ahead()
				and x.status = 'in_use') e
		union all
		select 'mediation', (m.it).id, (m.it).path, (m.it).title, (m.it).state, duty.end_of((m.it).follow_up_on),
			duty.end_of((m.it).follow_up_on - 1), (m.it).mediator_id is not distinct from me, (m.it).created_at, null, null,
			duty.case_actions(m.it)
		from (select x.it from core.scope_ranges() r, lateral (select y as it from care.mediation y
				where reader = 'community' and y.street_id = st and y.path >= r.lo and y.path < r.hi
					and y.state not in ('closed', 'withdrawn')) x
			union all
			select x from care.mediation x where reader <> 'community' and x.street_id = st and x.mediator_id = me
				and x.state not in ('closed', 'withdrawn')) m
		where (m.it).follow_up_on is null or (m.it).follow_up_on <= soon
		union all
		select 'task', k.id, k.path, k.title, k.status, duty.end_of(k.due_on), duty.end_of(k.due_on - 1), false, k.created_at,
			null, null, '["finish"]'
		from core.scope_ranges() r, lateral (select x.* from duty.grid_task x
			where x.street_id = st and x.path >= r.lo and x.path < r.hi and x.status = 'open') k
		union all
		select 'dispatch', d.id, d.path, (c.it).title, d.status, d.due_at, d.warn_at, true, d.created_at, null, null,
			ticket.part_actions(d, (c.it).status)
		from ticket.dispatch d cross join lateral (select ticket.case_of(d.id) as it offset 0) c
		where reader = 'department' and d.street_id = st and d.org_id = core.org() and d.at_work and d.status <> 'return_asked'
		union all
		select 'dispatch', (d.it).id, (d.it).path, t.title, (d.it).status, null, null, false, (d.it).created_at, null, null,
			ticket.part_actions(d.it, t.status)
		from core.scope_ranges() r cross join lateral (select x as it from ticket.dispatch x
			where reader = 'community' and x.street_id = st and x.path >= r.lo and x.path < r.hi and x.status = 'done'
				and x.evaluated_at is null and x.done_at > at - duty.ahead() * interval '1 day') d
		join ticket.ticket t on t.street_id = st and t.id = (d.it).ticket_id
	), coloured as (
		select f.*, core.colour(f.due_at, f.warn_at, at) as colour, coalesce(f.due_at <= at, false) as late from found f
	), first as (
		select c.*, row_number() over (order by array_position('{red,yellow,green}', c.colour), c.due_at, not c.mine, c.born, c.id) as n
		from coloured c
		order by n limit p_most
	)
	select today, (select count(*)::integer from coloured), (select count(*)::integer from coloured c where c.late),
		(select json_agg(json_build_object('kind', k.kind, 'total', coalesce(c.total, 0), 'overdue', coalesce(c.late, 0)) order by k.n)
			from unnest('{ticket,dispatch,task,hazard,visit,alarm,patrol,equipment,mediation}'::text[]) with ordinality k (kind, n)
			left join (select x.kind, count(*) as total, count(*) filter (where x.late) as late from coloured x group by 1) c
				on c.kind = k.kind),
		(select coalesce(json_agg(json_build_object('kind', f.kind, 'id', f.id,
			'title', coalesce(nullif(concat_ws(' · ', s.name, nullif(f.title, '')), ''), '＊'), 'status', f.status,
			'due_at', to_char(f.due_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'colour', f.colour,
			'overdue', f.late, 'mine', f.mine, 'grid_id', g.id, 'grid_name', g.name, 'actions', f.actions) order by f.n), '[]')
		from first f
		left join grid.grid g on g.street_id = st and g.path = f.path
		left join people.household h on h.street_id = st and h.id = f.visit
		left join people.person p on p.street_id = st and p.id = coalesce(f.person, h.head_id)
		left join lateral people.show(p) s on p.id is not null);
end
$$;
comment on function duty.today(integer) is
	'What is due, late, assigned or planned on the caller''s ground: all of it counted, the p_most most urgent shown. In the reader''s context: policies hold.';

grant execute on function duty.today(integer) to linli_app;
