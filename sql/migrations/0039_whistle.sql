-- ticket: 网格呼叫、街道处置、部门报到. What the street makes of a call: one part
-- for each department, or for its own staff, each with a small machine of its
-- own; the ticket moves with them, by its own rows in core.transition, and is
-- resolved when all parts are done. A department reads its parts here and
-- never ticket.ticket, so that the policies of tickets know nothing of it.

---------------------------------------------------------------- tables
create table ticket.dispatch (
	street_id integer not null,
	id uuid not null,
	ticket_id uuid not null,
	path text collate "C" not null,
	org_id uuid,
	lead boolean not null,
	status text not null default 'dispatched' check (status in ('dispatched', 'return_asked',
		'reported_in', 'in_progress', 'done', 'returned', 'cancelled')),
	at_work boolean not null generated always as
		(status in ('dispatched', 'return_asked', 'reported_in', 'in_progress')) stored,
	settled boolean not null default false,
	again boolean not null,
	note text,
	dispatched_by uuid,
	return_by timestamptz not null,
	due_at timestamptz,
	warn_at timestamptz,
	reported_at timestamptz,
	report_note text,
	lon float8,
	lat float8 check ((lon is null) = (lat is null)),
	distance integer,
	done_at timestamptz,
	done_note text,
	returned_at timestamptz,
	return_reason text,
	ruling text check (ruling in ('upheld', 'refused')),
	ruling_reason text,
	stars integer check (stars between 1 and 5),
	verdict text,
	evaluated_at timestamptz,
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	primary key (street_id, id),
	foreign key (street_id, ticket_id) references ticket.ticket (street_id, id),
	foreign key (street_id, org_id) references identity.org (street_id, id)
);
comment on table ticket.dispatch is
	'class: street. A part of a ticket: what one department, or the street''s own staff (org_id null), was sent to do.';
comment on column ticket.dispatch.settled is 'Its round is over: what was returned went to somebody else, or the ticket was reopened or withdrawn';
comment on column ticket.dispatch.again is 'Somebody has given the ticket back before: who does so now must ask';
comment on column ticket.dispatch.return_by is 'Until when it may be given back';
comment on column ticket.dispatch.due_at is 'When it must have reported in';
comment on column ticket.dispatch.distance is 'Metres between where it reported in and where the ticket says';
create unique index dispatch_open on ticket.dispatch (street_id, ticket_id,
	coalesce(org_id, '00000000-0000-0000-0000-000000000000')) where at_work;
create unique index dispatch_lead on ticket.dispatch (street_id, ticket_id) where at_work and lead;
create index dispatch_ticket on ticket.dispatch (street_id, ticket_id, created_at, id);
create index dispatch_org on ticket.dispatch (street_id, org_id, created_at, id) where org_id is not null;
create index dispatch_org_work on ticket.dispatch (street_id, org_id) where at_work and org_id is not null;
create index dispatch_path_unrated on ticket.dispatch (street_id, path) where status = 'done' and evaluated_at is null;
create index dispatch_street on ticket.dispatch (street_id, created_at, id);
create index dispatch_path on ticket.dispatch (street_id, path, created_at, id);
alter table ticket.dispatch enable row level security;
alter table ticket.dispatch force row level security;
create policy own_or_staff on ticket.dispatch
	using (street_id = core.street() and case core.role() when 'department' then org_id = core.org()
		when 'client' then org_id = core.org() when 'resident' then false else core.may_see_private(path, null) end);

---------------------------------------------------------------- the machine
insert into core.transition (machine, from_state, action, to_state, roles, guard) values
	('dispatch', '', 'dispatch', 'dispatched', '{street}', null),
	('dispatch', 'dispatched', 'report_in', 'reported_in', '{department,street}', 'own_part ticket_at_work'),
	('dispatch', 'reported_in', 'start', 'in_progress', '{department,street}', 'own_part ticket_at_work'),
	('dispatch', 'in_progress', 'finish', 'done', '{department,street}', 'own_part ticket_at_work'),
	-- Given back once it goes to the street at once; whoever gives the ticket
	-- back after that asks, and the street rules.
	('dispatch', 'dispatched', 'return', 'returned', '{department}', 'own_part ticket_at_work not_ruled in_time first_return'),
	('dispatch', 'dispatched', 'ask_return', 'return_asked', '{department}', 'own_part ticket_at_work not_ruled in_time second_return'),
	('dispatch', 'return_asked', 'uphold', 'returned', '{street}', 'ticket_at_work'),
	('dispatch', 'return_asked', 'refuse', 'dispatched', '{street}', 'ticket_at_work'),
	('dispatch', 'done', 'evaluate', 'done', '{community}', 'not_evaluated');

create function ticket.part_bars(d ticket.dispatch, p_ticket_status text) returns text[]
language plpgsql stable
as $$
begin
	return array_remove(array[
		case when case core.role() when 'department' then d.org_id is distinct from core.org()
			else d.org_id is not null end then 'own_part' end,
		case when p_ticket_status not in ('dispatched', 'reported_in', 'in_progress') then 'ticket_at_work' end,
		case when d.ruling is not null then 'not_ruled' end,
		case when d.return_by <= core.now() then 'in_time' end,
		case when d.again then 'first_return' else 'second_return' end,
		case when d.evaluated_at is not null then 'not_evaluated' end], null);
end
$$;
comment on function ticket.part_bars(ticket.dispatch, text) is
	'Names of the guards in core.transition that bar the caller from a part now.';

create function ticket.part_why(p_bar text) returns text
language sql immutable strict parallel safe
return case p_bar
	when 'own_part' then '403 not_your_part'
	when 'in_time' then '409 return_too_late'
	when 'not_ruled' then '409 return_ruled'
	when 'not_evaluated' then '409 already_evaluated'
	else '409 wrong_state' end;
comment on function ticket.part_why(text) is 'Status and code of a guard that bars.';

create function ticket.part_actions(d ticket.dispatch, p_ticket_status text) returns json
language plpgsql stable
as $$
declare
	bars constant text[] := ticket.part_bars(d, p_ticket_status);
begin
	return (select coalesce(json_agg(distinct case x.action when 'ask_return' then 'return' else x.action end), '[]')
		from core.transition x
		where x.machine = 'dispatch' and x.from_state = d.status and core.role() = any (x.roles)
			and not coalesce(string_to_array(x.guard, ' ') && bars, false));
end
$$;
comment on function ticket.part_actions(ticket.dispatch, text) is 'What the caller may do with a part now.';

create function ticket.permit_part(d ticket.dispatch, p_ticket_status text, p_action text) returns core.transition
language plpgsql stable
as $$
declare
	bars constant text[] := ticket.part_bars(d, p_ticket_status);
	act constant text := case when p_action = 'return' and 'first_return' = any (bars) then 'ask_return' else p_action end;
	tr core.transition;
	why text;
begin
	if not exists (select from core.transition x where x.machine = 'dispatch' and x.action = act
			and core.role() = any (x.roles)) then
		perform core.fail(403, 'role_not_allowed');
	end if;
	select x.* into tr from core.transition x
	where x.machine = 'dispatch' and x.from_state = d.status and x.action = act;
	if not found then
		perform core.fail(409, 'wrong_state');
	end if;
	select ticket.part_why(g.bar) into why
	from unnest(string_to_array(tr.guard, ' ')) with ordinality g (bar, n)
	where g.bar = any (bars) order by g.n limit 1;
	if why is not null then
		perform core.fail(left(why, 3)::integer, substr(why, 5));
	end if;
	return tr;
end
$$;
comment on function ticket.permit_part(ticket.dispatch, text, text) is
	'The transition of an act by the caller on a part, or the reason against it: role 403, state 409, guard.';

---------------------------------------------------------------- dispatching
create function ticket.share_photos(p_ticket uuid) returns void
language plpgsql
as $$
begin
	update ticket.photo f set orgs = (select array_agg(distinct d.org_id) from ticket.dispatch d
		where d.street_id = f.street_id and d.ticket_id = p_ticket and (d.at_work or d.status = 'done') and d.org_id is not null)
	where f.street_id = core.street() and f.ticket_id = p_ticket and f.stage in ('report', 'resolve') and not f.internal;
end
$$;
comment on function ticket.share_photos(uuid) is
	'The pictures of a case are its departments'' too, as long as they have a part in it.';

create function ticket.tell_part(d ticket.dispatch, p_action text, p_from text, p_to text, p_role text, p_data json) returns void
language plpgsql
as $$
begin
	insert into core.event (street_id, id, subject, subject_id, action, from_state, to_state, actor_id, actor_role, path, org_id, data)
	values (d.street_id, core.new_id(d.street_id), 'dispatch', d.id, p_action, p_from, p_to, core.actor(), p_role, d.path, d.org_id,
		jsonb_build_object('ticket_id', d.ticket_id) || coalesce(p_data::jsonb, '{}'));
end
$$;
comment on function ticket.tell_part(ticket.dispatch, text, text, text, text, json) is
	'An event of a part itself, which its department follows; the timeline of the ticket has its own.';

create function ticket.add_part(t ticket.ticket, p_org uuid, p_lead boolean, p_note text, p_pointer text) returns void
language plpgsql
as $$
declare
	rule constant clock.policy := clock.policy_for(t.street_id, 'ticket', 'return', t.kind, t.category, t.urgency, coalesce(t.hotline_class, ''));
	part constant uuid := core.new_id(t.street_id);
	c clock.clock;
	made ticket.dispatch;
begin
	if p_org is not null and not ticket.is_department(p_org) then
		perform core.fail(422, 'org_not_found', p_pointer);
	end if;
	c := clock.start('dispatch', part, 'report_in', t.path, null, t.kind, t.category, t.urgency, t.hotline_class);
	insert into ticket.dispatch (street_id, id, ticket_id, path, org_id, lead, again, note, dispatched_by, return_by, due_at, warn_at)
	values (t.street_id, part, t.id, t.path, p_org, p_lead, exists (select from ticket.dispatch d
			where d.street_id = t.street_id and d.ticket_id = t.id and d.status = 'returned'), p_note, core.actor(),
		(clock.moments(t.street_id, rule.unit, rule.amount, core.now(), '{}')).due_at, c.due_at, c.half_at)
	returning * into made;
	perform ticket.tell_part(made, 'dispatch', null, made.status, core.role(), json_strip_nulls(json_build_object('text', core.mask_text(p_note))));
exception when unique_violation then
	perform core.fail(409, 'already_dispatched', p_pointer);
end
$$;
comment on function ticket.add_part(ticket.ticket, uuid, boolean, text, text) is
	'One more part of a ticket. LN422 org_not_found, LN409 already_dispatched.';

create function ticket.dispatch_to(t ticket.ticket, a jsonb) returns void
language plpgsql
as $$
declare
	own constant boolean := coalesce((a ->> 'own_staff')::boolean, false);
	lead uuid := (a ->> 'org_id')::uuid;
	x record;
begin
	if own and lead is not null or not own and lead is null and not exists (select from ticket.dispatch d
			where d.street_id = t.street_id and d.ticket_id = t.id and d.at_work and d.lead)
		or not own and lead is null and coalesce(nullif(a -> 'co_org_ids', 'null'), '[]') = '[]' then
		perform core.fail(422, 'dispatch_lead_required', '/org_id');
	end if;
	if own or lead is not null then
		-- There is one at a time.
		update ticket.dispatch d set lead = false, version = d.version + 1, updated_at = core.now()
		where d.street_id = t.street_id and d.ticket_id = t.id and d.at_work and d.lead;
		perform ticket.add_part(t, lead, true, a ->> 'note', '/org_id');
	end if;
	for x in select o.id, o.n from jsonb_array_elements_text(coalesce(nullif(a -> 'co_org_ids', 'null'), '[]'))
		with ordinality o (id, n)
	loop
		perform ticket.add_part(t, x.id::uuid, false, a ->> 'note', format('/co_org_ids/%s', x.n - 1));
	end loop;
	update ticket.dispatch d set settled = true
	where d.street_id = t.street_id and d.ticket_id = t.id and d.status = 'returned';
	perform ticket.share_photos(t.id);
end
$$;
comment on function ticket.dispatch_to(ticket.ticket, jsonb) is
	'Effect of dispatch: parts for the lead department (or the street''s own staff) and the co-handlers; what was returned before is settled by it. LN422 dispatch_lead_required.';

create function ticket.part_names(p_ticket uuid) returns json
language plpgsql stable
as $$
begin
	return (select json_agg(coalesce(o.name, '') order by d.lead desc, d.id)
		from ticket.dispatch d left join identity.org o on o.street_id = d.street_id and o.id = d.org_id
		where d.street_id = core.street() and d.ticket_id = p_ticket and d.at_work);
end
$$;
comment on function ticket.part_names(uuid) is
	'Whom a ticket is with now, the lead department first; an empty name is the street''s own staff.';

create function ticket.must_be_free(p_ticket uuid) returns void
language plpgsql
as $$
begin
	if exists (select from ticket.dispatch d where d.street_id = core.street() and d.ticket_id = p_ticket
			and (d.at_work or d.status = 'returned' and not d.settled)) then
		perform core.fail(409, 'parts_open');
	end if;
end
$$;
comment on function ticket.must_be_free(uuid) is
	'LN409 parts_open while a department has not done its part, or gave it back and nobody else has it.';

create function ticket.end_round(p_ticket uuid, p_action text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	d ticket.dispatch;
begin
	for d in select x.* from ticket.dispatch x where x.street_id = core.street() and x.ticket_id = p_ticket
		and not x.settled for update
	loop
		if p_action = 'send_back' then
			-- Who led last goes on.
			update ticket.dispatch x set status = 'in_progress', done_at = null, version = x.version + 1, updated_at = core.now()
			where x.street_id = d.street_id and x.id = d.id and d.id = (select y.id from ticket.dispatch y
				where y.street_id = d.street_id and y.ticket_id = d.ticket_id and y.lead and y.status = 'done' and not y.settled
				order by y.created_at desc, y.id desc limit 1);
			if found then
				perform ticket.tell_part(d, p_action, d.status, 'in_progress', 'system', null);
				exit;
			end if;
			continue;
		end if;
		perform clock.drop(d.id);
		update ticket.dispatch x set settled = true, due_at = null, warn_at = null,
			status = case when x.at_work then 'cancelled' else x.status end, version = x.version + 1, updated_at = core.now()
		where x.street_id = d.street_id and x.id = d.id;
		if d.at_work then
			perform ticket.tell_part(d, 'cancel', d.status, 'cancelled', 'system', null);
		end if;
	end loop;
	perform ticket.share_photos(p_ticket);
end
$$;
comment on function ticket.end_round(uuid, text) is
	'What sending back, reopening or withdrawing a ticket means to its parts: the one that led last goes on, or all are over.';

---------------------------------------------------------------- acts
-- As system: a department sees neither the ticket nor its clocks. The caller's
-- right was checked. The app may not call these.
create function ticket.lock_case(p_ticket uuid) returns ticket.ticket
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	t ticket.ticket;
begin
	select x.* into t from ticket.ticket x where x.street_id = core.street() and x.id = p_ticket for update;
	return t;
end
$$;
comment on function ticket.lock_case(uuid) is 'The ticket of a part, locked.';

create function ticket.part_effect(d ticket.dispatch, t ticket.ticket, p_action text, a jsonb) returns ticket.dispatch
language plpgsql
as $$
declare
	place record;
begin
	case p_action
	when 'report_in' then
		perform clock.stop(d.id, 'report_in');
		d.reported_at := core.now();
		d.report_note := a ->> 'note';
		select w.lon, w.lat into d.lon, d.lat from core.wgs84((a -> 'position' ->> 'lon')::float8,
			(a -> 'position' ->> 'lat')::float8, a -> 'position' ->> 'crs') w
		where jsonb_typeof(a -> 'position') = 'object';
		select p.lon, p.lat into place from ticket.private p where p.street_id = t.street_id and p.ticket_id = t.id;
		d.distance := round(core.metres(d.lon, d.lat, place.lon, place.lat));
	when 'finish' then
		if (select c.physical from ticket.category c where c.code = t.category)
			and coalesce(nullif(a -> 'photo_ids', 'null'), '[]') = '[]' then
			perform core.fail(422, 'photo_required', '/photo_ids');
		end if;
		perform ticket.attach_photos(t.id, a -> 'photo_ids', 'resolve');
		d.done_at := core.now();
		d.done_note := a ->> 'note';
	when 'return' then
		perform clock.drop(d.id);
		d.returned_at := core.now();
		d.return_reason := a ->> 'reason';
	when 'ask_return' then
		perform clock.pause(d.id);
		d.return_reason := a ->> 'reason';
	when 'uphold' then
		perform clock.drop(d.id);
		d.returned_at := core.now();
		d.ruling := 'upheld';
		d.ruling_reason := a ->> 'reason';
	when 'refuse' then
		perform clock.resume(d.id);
		d.ruling := 'refused';
		d.ruling_reason := a ->> 'reason';
	when 'evaluate' then
		d.stars := (a ->> 'stars')::integer;
		d.verdict := a ->> 'text';
		d.evaluated_at := core.now();
	else
		null;
	end case;
	select n.due_at, n.warn_at into d.due_at, d.warn_at from clock.nearest(d.id) n;
	return d;
end
$$;
comment on function ticket.part_effect(ticket.dispatch, ticket.ticket, text, jsonb) is
	'What an act makes of a part beside moving it, and what it refuses.';

create function ticket.hop(t ticket.ticket, p_action text) returns text
language plpgsql stable
as $$
declare
	waits boolean;
begin
	if p_action in ('report_in', 'start') then
		return p_action;
	elsif p_action not in ('return', 'uphold', 'finish') or exists (select from ticket.dispatch d
			where d.street_id = t.street_id and d.ticket_id = t.id and d.at_work) then
		return null;
	end if;
	waits := exists (select from ticket.dispatch d where d.street_id = t.street_id and d.ticket_id = t.id
		and d.status = 'returned' and not d.settled);
	return case when waits then 'hand_back' else 'parts_done' end;
end
$$;
comment on function ticket.hop(ticket.ticket, text) is
	'Which act on the ticket an act on one of its parts amounts to: the last part makes it resolved, or the street''s again when something was given back.';

create function ticket.move_part(p_part uuid, t ticket.ticket, tr core.transition, p_role text, a jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	d ticket.dispatch;
	to_state text;
	k record;
begin
	select x.* into d from ticket.dispatch x where x.street_id = t.street_id and x.id = p_part;
	perform ticket.tell_part(d, tr.action, d.status, tr.to_state, p_role, json_strip_nulls(json_build_object(
		'text', core.mask_text(coalesce(a ->> 'note', a ->> 'reason', a ->> 'text')), 'stars', (a ->> 'stars')::integer)));
	d := ticket.part_effect(d, t, tr.action, a);
	update ticket.dispatch x set status = tr.to_state, due_at = d.due_at, warn_at = d.warn_at,
		reported_at = d.reported_at, report_note = d.report_note, lon = d.lon, lat = d.lat, distance = d.distance,
		done_at = d.done_at, done_note = d.done_note, returned_at = d.returned_at, return_reason = d.return_reason,
		ruling = d.ruling, ruling_reason = d.ruling_reason, stars = d.stars, verdict = d.verdict,
		evaluated_at = d.evaluated_at, version = x.version + 1, updated_at = core.now()
	where x.street_id = d.street_id and x.id = d.id;
	if tr.to_state = 'returned' then
		update ticket.dispatch x set again = true
		where x.street_id = d.street_id and x.ticket_id = t.id and x.at_work;
	end if;
	select x.to_state into to_state from core.transition x
	where x.machine = 'ticket' and x.from_state = t.status and x.action = ticket.hop(t, tr.action);
	select t.due_at, t.warn_at into k;
	if to_state = 'resolved' then
		k := ticket.keep_time(t, 'resolve');
	end if;
	update ticket.ticket x set status = coalesce(to_state, x.status), due_at = k.due_at, warn_at = k.warn_at,
		resolved_at = case when to_state = 'resolved' then core.now() else x.resolved_at end,
		version = x.version + 1, updated_at = core.now()
	where x.street_id = t.street_id and x.id = t.id;
	perform ticket.share_photos(t.id);
	perform ticket.tell(t, tr.action, to_state, p_role, json_strip_nulls(json_build_object('dispatch_id', d.id,
		'department', (select o.name from identity.org o where o.street_id = d.street_id and o.id = d.org_id),
		'text', coalesce(a ->> 'note', a ->> 'reason', a ->> 'text'), 'stars', (a ->> 'stars')::integer,
		'distance', case tr.action when 'report_in' then d.distance end)), false);
end
$$;
comment on function ticket.move_part(uuid, ticket.ticket, core.transition, text, jsonb) is
	'Effect and rows of an act on a part that is permitted, what it means to the ticket, and the hop on its timeline.';

create function ticket.act_part(p_id uuid, p_action text, a jsonb default '{}') returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	d ticket.dispatch;
	t ticket.ticket;
begin
	select x.* into d from ticket.dispatch x where x.street_id = core.street() and x.id = p_id;
	if not found then
		return false;
	end if;
	-- The ticket first, as everybody; then the part as it is now.
	t := ticket.lock_case(d.ticket_id);
	select x.* into d from ticket.dispatch x where x.street_id = core.street() and x.id = p_id for update;
	perform ticket.move_part(d.id, t, ticket.permit_part(d, t.status, p_action), core.role(), a);
	return true;
end
$$;
comment on function ticket.act_part(uuid, text, jsonb) is
	'Every act on a part: lock, transition by data, role, state, guard, effect, event. False when it is not to be seen.';

---------------------------------------------------------------- what clients read
create type ticket.case_sheet as (
	number text, kind text, category text, urgency text, status text, title text, description text,
	grid_id uuid, address text, building text, position json, position_gcj02 json, answers json);
comment on type ticket.case_sheet is 'Of a ticket, what whoever works on a part of it needs: nothing of people.';

create function ticket.read_case(p_ticket uuid) returns ticket.case_sheet
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	x ticket.case_sheet;
begin
	select t.number, t.kind, t.category, t.urgency, t.status, t.title, t.description, t.grid_id,
		core.mask_text(p.address), core.mask_text(p.building), p.position, p.position_gcj02, p.answers into x
	from ticket.ticket t join ticket.private p on p.street_id = t.street_id and p.ticket_id = t.id
	where t.street_id = core.street() and t.id = p_ticket;
	return x;
end
$$;
comment on function ticket.read_case(uuid) is 'For ticket.case_of() alone, which looks whether the caller may.';

create function ticket.case_of(p_part uuid) returns ticket.case_sheet
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
	d ticket.dispatch;
	x ticket.case_sheet;
begin
	select y.* into d from ticket.dispatch y where y.street_id = core.street() and y.id = p_part;
	if found then
		x := ticket.read_case(d.ticket_id);
		-- Who gave it back, or was called off, has no business at the place.
		if core.role() in ('department', 'client') and d.status in ('returned', 'cancelled') then
			x.address := null;
			x.building := null;
			x.position := null;
			x.position_gcj02 := null;
			x.answers := null;
		end if;
	end if;
	return x;
end
$$;
comment on function ticket.case_of(uuid) is 'The case of a part the caller may see; nulls for any other.';

create view ticket.dispatch_view with (security_invoker = true) as
select d.street_id as _street_id, d.path as _path,
	d.version || '-' || left(md5(concat(x.actions, c.it, x.colour)), 8) as _etag,
	d.id, d.ticket_id, (c.it).number, (c.it).kind, (c.it).category, (c.it).urgency, (c.it).status as ticket_status,
	(c.it).title, (c.it).description, (c.it).grid_id, (c.it).address, (c.it).building, (c.it).position,
	(c.it).position_gcj02, (c.it).answers,
	d.org_id, (select o.name from identity.org o where o.street_id = d.street_id and o.id = d.org_id) as org_name,
	d.lead, d.status, d.note, d.return_by, d.due_at, x.colour, d.reported_at, d.report_note,
	ticket.position_json(d.lon, d.lat, 'wgs84') as reported_position, d.distance, d.done_at, d.done_note,
	d.returned_at, d.return_reason, d.ruling, d.ruling_reason, d.stars, d.verdict, d.created_at, d.updated_at, x.actions
from ticket.dispatch d cross join lateral (select ticket.case_of(d.id) as it offset 0) c
cross join lateral (select ticket.part_actions(d, (c.it).status) as actions,
	core.colour(d.due_at, d.warn_at, core.now()) as colour offset 0) x;
comment on view ticket.dispatch_view is 'class: street. Dispatch: a part, with what of the case is needed to work on it.';

create function ticket.parts(p_ticket uuid, p_status text, p_after text, p_limit integer) returns setof ticket.dispatch_view
language plpgsql stable rows 20
as $$
declare
	st constant integer := core.street();
	org constant uuid := core.org();
	-- Rows before (hi, hi_id), newest first; each reader's by its own index.
	hi constant timestamptz := coalesce(ticket.cursor_at(p_after), 'infinity');
	hi_id constant uuid := coalesce(ticket.cursor_id(p_after), 'ffffffff-ffff-ffff-ffff-ffffffffffff');
	ids uuid[];
begin
	if p_ticket is not null then
		ids := array(select d.id from ticket.dispatch d where d.street_id = st and d.ticket_id = p_ticket
			and (d.created_at, d.id) < (hi, hi_id) and (p_status is null or d.status = p_status)
			order by d.created_at desc, d.id desc limit p_limit);
	elsif core.role() in ('department', 'client') then
		ids := array(select d.id from ticket.dispatch d where d.street_id = st and d.org_id = org
			and (d.created_at, d.id) < (hi, hi_id) and (p_status is null or d.status = p_status)
			order by d.created_at desc, d.id desc limit p_limit);
	elsif core.role() = 'street' then
		ids := array(select d.id from ticket.dispatch d where d.street_id = st
			and (d.created_at, d.id) < (hi, hi_id) and (p_status is null or d.status = p_status)
			order by d.created_at desc, d.id desc limit p_limit);
	else
		ids := array(select d.id from core.scope_ranges() r (bottom, top), ticket.dispatch d
			where d.street_id = st and d.path >= r.bottom and d.path < r.top
				and (d.created_at, d.id) < (hi, hi_id) and (p_status is null or d.status = p_status)
			order by d.created_at desc, d.id desc limit p_limit);
	end if;
	return query select v.* from unnest(ids) with ordinality i (id, n)
		join ticket.dispatch_view v on v._street_id = st and v.id = i.id order by i.n;
end
$$;
comment on function ticket.parts(uuid, text, text, integer) is 'A page of the parts the caller may see, newest first.';

---------------------------------------------------------------- routing
create table ticket.route (
	street_id integer not null,
	path text collate "C" not null,
	category text not null default '',
	urgency text not null default '',
	grid_id uuid,
	org_id uuid,
	team_id uuid check (team_id is null or org_id is null),
	co_org_ids uuid[] not null default '{}',
	n integer not null,
	primary key (street_id, path, category, urgency),
	foreign key (street_id, grid_id) references grid.grid (street_id, id),
	foreign key (street_id, org_id) references identity.org (street_id, id),
	foreign key (street_id, team_id) references field.safety_team (street_id, id)
);
comment on table ticket.route is
	'class: street. Whom a ticket is usually for: by place (path, and all below), category and urgency, empty fits all; a department or a safety team, neither is the street''s own staff.';
alter table ticket.route enable row level security;
alter table ticket.route force row level security;
create policy street on ticket.route using (street_id = core.street());

create function ticket.routes(p_street integer) returns json
language plpgsql stable
as $$
begin
	return (select coalesce(json_agg(json_strip_nulls(json_build_object('grid_id', r.grid_id, 'category', nullif(r.category, ''),
			'urgency', nullif(r.urgency, ''), 'org_id', r.org_id, 'team_id', r.team_id, 'co_org_ids', to_json(r.co_org_ids))) order by r.n), '[]')
		from ticket.route r where r.street_id = p_street);
end
$$;
comment on function ticket.routes(integer) is 'A street''s routing rules, in the order they were put.';

create function ticket.is_department(p_org uuid) returns boolean
language plpgsql stable
as $$
begin
	return exists (select from identity.org o where o.street_id = core.street() and o.id = p_org
		and o.kind = 'department' and o.closed_at is null);
end
$$;
comment on function ticket.is_department(uuid) is 'Is it a department of the street that is not closed.';

create function ticket.is_team(p_team uuid) returns boolean
language plpgsql stable
as $$
begin
	return exists (select from field.safety_team t where t.street_id = core.street() and t.id = p_team and not t.closed);
end
$$;
comment on function ticket.is_team(uuid) is 'Is it a safety team of the street that is not closed.';

create function ticket.put_routes(p_if_match text, p_rules jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	st constant integer := core.street();
	r record;
	o record;
	top text;
begin
	perform core.must(core.role() = 'street', 403, 'role_not_allowed');
	perform from grid.street s where s.id = st for no key update;
	if p_if_match <> left(md5(ticket.routes(st)::text), 16) then
		perform core.fail(412, 'version_conflict');
	end if;
	delete from ticket.route x where x.street_id = st;
	for r in select j.rule, j.n - 1 as i from jsonb_array_elements(p_rules) with ordinality j (rule, n) loop
		top := st || '/';
		if r.rule ->> 'grid_id' is not null then
			select g.path into top from grid.grid g where g.street_id = st and g.id = (r.rule ->> 'grid_id')::uuid;
			perform core.must(found, 422, 'grid_not_found', format('/rules/%s/grid_id', r.i));
		end if;
		perform core.must(r.rule ->> 'category' is null or exists (select from ticket.category c where c.code = r.rule ->> 'category'),
			422, 'category_unknown', format('/rules/%s/category', r.i));
		perform core.must(r.rule ->> 'org_id' is null or ticket.is_department((r.rule ->> 'org_id')::uuid),
			422, 'org_not_found', format('/rules/%s/org_id', r.i));
		perform core.must(r.rule ->> 'team_id' is null or ticket.is_team((r.rule ->> 'team_id')::uuid),
			422, 'team_not_found', format('/rules/%s/team_id', r.i));
		perform core.must(num_nonnulls(r.rule ->> 'org_id', r.rule ->> 'team_id') < 2,
			422, 'target_twice', format('/rules/%s/team_id', r.i));
		for o in select c.id::uuid, c.n - 1 as i
			from jsonb_array_elements_text(coalesce(nullif(r.rule -> 'co_org_ids', 'null'), '[]')) with ordinality c (id, n)
		loop
			perform core.must(ticket.is_department(o.id), 422, 'org_not_found', format('/rules/%s/co_org_ids/%s', r.i, o.i));
		end loop;
		insert into ticket.route (street_id, path, category, urgency, grid_id, org_id, team_id, co_org_ids, n)
		values (st, top, coalesce(r.rule ->> 'category', ''), coalesce(r.rule ->> 'urgency', ''), (r.rule ->> 'grid_id')::uuid,
			(r.rule ->> 'org_id')::uuid, (r.rule ->> 'team_id')::uuid, array(select jsonb_array_elements_text(coalesce(nullif(r.rule -> 'co_org_ids', 'null'), '[]'))::uuid), r.i)
		on conflict do nothing;
		perform core.must(found, 422, 'rule_twice', format('/rules/%s', r.i));
	end loop;
	perform core.put_event('ticket_route', core.new_id(st), 'put', null, null, st || '/', null, false,
		json_build_object('rules', jsonb_array_length(p_rules)));
end
$$;
comment on function ticket.put_routes(text, jsonb) is
	'The street''s routing rules, all at once. LN412 version_conflict, LN422 grid_not_found, category_unknown, org_not_found, team_not_found, target_twice, rule_twice.';

create function ticket.route_of(p_id uuid)
	returns table (known boolean, org_id uuid, org_name text, team_id uuid, team_name text, team_missing json, own_staff boolean, co_orgs json)
language plpgsql stable
as $$
declare
	t ticket.ticket;
	r ticket.route;
begin
	select x.* into t from ticket.ticket x where x.street_id = core.street() and x.id = p_id;
	if not found then
		return;
	end if;
	-- The nearest place first, then what says more of the ticket.
	select x.* into r from ticket.route x
	where x.street_id = t.street_id and t.path ^@ x.path and x.category in ('', t.category)
		and x.urgency in ('', t.urgency) and (x.org_id is null or ticket.is_department(x.org_id))
		and (x.team_id is null or ticket.is_team(x.team_id))
	order by length(x.path) desc, x.category desc, x.urgency desc limit 1;
	return query select r.street_id is not null, r.org_id,
		(select o.name from identity.org o where o.street_id = t.street_id and o.id = r.org_id),
		r.team_id, (select f.name from field.safety_team f where f.street_id = t.street_id and f.id = r.team_id),
		(select to_json(field.missing_kinds(f.members)) from field.safety_team f where f.street_id = t.street_id and f.id = r.team_id),
		r.street_id is not null and num_nonnulls(r.org_id, r.team_id) = 0,
		(select coalesce(json_agg(json_build_object('id', o.id, 'name', o.name) order by array_position(r.co_org_ids, o.id)), '[]')
			from identity.org o where o.street_id = t.street_id and o.id = any (r.co_org_ids) and o.closed_at is null);
end
$$;
comment on function ticket.route_of(uuid) is
	'Whom the rules would send a ticket to: the rule of the nearest place counts, then the one with the category, then with the urgency. No row when the ticket is not to be seen.';

grant select on ticket.dispatch, ticket.route, ticket.dispatch_view to linli_app;
grant execute on function ticket.act_part(uuid, text, jsonb), ticket.case_of(uuid),
	ticket.part_bars(ticket.dispatch, text), ticket.part_actions(ticket.dispatch, text),
	ticket.parts(uuid, text, text, integer), ticket.routes(integer), ticket.is_department(uuid), ticket.is_team(uuid), ticket.put_routes(text, jsonb),
	ticket.route_of(uuid) to linli_app;
