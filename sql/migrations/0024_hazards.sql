-- field: hazards (隐患) and who must put them right. The machine is data in
-- core.transition, as tickets' is.
-- Run by linli_owner, one statement at a time.
create schema field;
grant usage on schema field to linli_app, linli_job;

create function field.may_see(path text, owner_id uuid, org_id uuid, enforcer_id uuid) returns boolean
language sql stable parallel safe
return case current_setting('linli.role', true)
	when 'resident' then owner_id = current_setting('linli.actor', true)::uuid
	when 'street' then true
	when 'system' then true
	when 'merchant' then org_id = core.org() or owner_id = current_setting('linli.actor', true)::uuid
	when 'department' then core.org() in (org_id, enforcer_id) or owner_id = current_setting('linli.actor', true)::uuid
	else path ^@ any (nullif(current_setting('linli.scopes', true), '')::text[]) end;
comment on function field.may_see(text, uuid, uuid, uuid) is
	'For policies, beside street_id = core.street(): staff in scope, who reported it, the party it is put to, and the department it was handed to.';

---------------------------------------------------------------- tables
create table field.hazard (
	street_id integer not null,
	id uuid not null,
	number text not null,
	kind text not null check (kind in ('fire', 'gas', 'electricity', 'ebike', 'structure', 'falling',
		'water', 'traffic', 'equipment', 'other')),
	grade text check (grade in ('general', 'serious', 'immediate')),
	status text not null default 'found' check (status in ('found', 'confirmed', 'notice_issued', 'rectifying',
		'submitted_for_recheck', 'recheck_failed', 'escalated', 'verified', 'closed', 'dismissed')),
	is_open boolean not null generated always as (status not in ('closed', 'dismissed')) stored,
	title text not null,
	description text not null,
	address text,
	grid_id uuid not null,
	path text collate "C" not null,
	lon float8,
	lat float8 check ((lon is null) = (lat is null)),
	source text not null default 'report' check (source in ('report', 'ticket', 'equipment', 'inspection', 'patrol', 'sensor')),
	source_id uuid check ((source = 'report') = (source_id is null)),
	owner_id uuid,
	found_by uuid,
	found_role text not null,
	at_business boolean not null default false,
	reported_at timestamptz,
	reported_to text,
	org_id uuid,
	enforcer_id uuid,
	noticed_at timestamptz,
	due_at timestamptz,
	failed_count integer not null default 0,
	rectified_by uuid,
	rectified_org uuid,
	escalated_for text check (escalated_for in ('immediate', 'overdue', 'failed_twice')),
	escalated_at timestamptz,
	photo_count integer not null default 0,
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	closed_at timestamptz,
	primary key (street_id, id),
	unique (street_id, number),
	check ((status in ('found', 'dismissed')) or grade is not null),
	check (status not in ('notice_issued', 'rectifying', 'recheck_failed') or num_nulls(org_id, due_at) = 0),
	foreign key (street_id, grid_id) references grid.grid (street_id, id),
	foreign key (street_id, org_id) references identity.org (street_id, id),
	foreign key (street_id, enforcer_id) references identity.org (street_id, id)
);
comment on table field.hazard is
	'class: street. A hazard from being found to being verified and closed, or dismissed.';
comment on column field.hazard.owner_id is 'Account of the resident who reported it (or the ticket it came from), or of who found it for an organisation';
comment on column field.hazard.source_id is 'The ticket, piece of equipment (sensor: that told of it), inspection or check-in it came from';
comment on column field.hazard.at_business is 'Found at a business: it shall be reported to the authority (安全生产法 art. 75)';
comment on column field.hazard.org_id is 'Duty party: who has to put it right';
comment on column field.hazard.enforcer_id is 'Department the street has handed an escalated one to';
create index hazard_street on field.hazard (street_id, created_at, id);
create index hazard_path on field.hazard (street_id, path, created_at, id);
create index hazard_org on field.hazard (street_id, org_id, created_at, id) where org_id is not null;
create index hazard_owner on field.hazard (street_id, owner_id) where owner_id is not null;
-- One thing is one hazard at a time, whoever is quicker.
create unique index hazard_source_key on field.hazard (street_id, source, source_id)
	where is_open and source in ('ticket', 'equipment', 'sensor');
alter table field.hazard enable row level security;
alter table field.hazard force row level security;
create policy visible on field.hazard
	using (street_id = core.street() and field.may_see(path, owner_id, org_id, enforcer_id));

---------------------------------------------------------------- the machine
insert into core.transition (machine, from_state, action, to_state, roles, guard) values
	('hazard', '', 'report', 'found', '{resident,grid_lead,community,street}', null),
	('hazard', 'found', 'confirm', 'confirmed', '{grid_lead,community}', null),
	('hazard', 'found', 'dismiss', 'dismissed', '{community}', null),
	('hazard', 'confirmed', 'dismiss', 'dismissed', '{community}', null),
	('hazard', 'confirmed', 'issue_notice', 'notice_issued', '{grid_lead,community}', null),
	('hazard', 'notice_issued', 'start', 'rectifying', '{merchant,department}', 'duty_party'),
	('hazard', 'recheck_failed', 'start', 'rectifying', '{merchant,department}', 'duty_party'),
	('hazard', 'rectifying', 'submit', 'submitted_for_recheck', '{merchant,department}', 'duty_party'),
	('hazard', 'submitted_for_recheck', 'verify', 'verified', '{grid_lead,community,street}', 'not_rectifier'),
	('hazard', 'submitted_for_recheck', 'fail_recheck', 'recheck_failed', '{grid_lead,community,street}', 'not_rectifier'),
	('hazard', 'verified', 'close', 'closed', '{community,street}', null),
	-- It escalates by itself: at once, late, or when two rechecks have failed.
	('hazard', 'confirmed', 'escalate_immediate', 'escalated', '{system}', 'immediate'),
	('hazard', 'notice_issued', 'escalate_immediate', 'escalated', '{system}', 'immediate'),
	('hazard', 'rectifying', 'escalate_immediate', 'escalated', '{system}', 'immediate'),
	('hazard', 'recheck_failed', 'escalate_immediate', 'escalated', '{system}', 'immediate'),
	('hazard', 'notice_issued', 'escalate_overdue', 'escalated', '{system}', 'overdue'),
	('hazard', 'rectifying', 'escalate_overdue', 'escalated', '{system}', 'overdue'),
	('hazard', 'recheck_failed', 'escalate_overdue', 'escalated', '{system}', 'overdue'),
	('hazard', 'recheck_failed', 'escalate_failed', 'escalated', '{system}', 'failed_twice'),
	-- The street, or the department it hands the hazard to, orders anew; who
	-- has put it right meanwhile may still say so.
	('hazard', 'escalated', 'assign', 'escalated', '{street}', null),
	('hazard', 'escalated', 'issue_notice', 'notice_issued', '{street,department}', 'enforcer'),
	('hazard', 'escalated', 'submit', 'submitted_for_recheck', '{merchant,department}', 'in_charge');

insert into core.transition (machine, from_state, action, to_state, roles, guard)
select 'hazard_aside', s, a, s, r::text[], g
from (values
	('regrade', '{confirmed,notice_issued,rectifying,recheck_failed}', '{community}', null),
	('report_authority', '{confirmed,notice_issued,rectifying,submitted_for_recheck,recheck_failed,escalated,verified,closed}',
		'{community,street}', 'at_business unreported')) v (a, f, r, g),
	unnest(f::text[]) s;

create function field.acts_for(p_org uuid) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
	return exists (select from identity.account_role r
		where r.account_id = core.actor() and r.street_id = core.street() and r.org_id = p_org
			and r.from_on <= core.today() and (r.to_on is null or r.to_on > core.today()));
end
$$;
comment on function field.acts_for(uuid) is 'Does the caller''s account, in whatever role, act for this organisation today.';

create function field.bars(h field.hazard) returns text[]
language plpgsql stable
as $$
declare
	org constant uuid := core.org();
begin
	return array_remove(array[
		case when org is distinct from h.org_id then 'duty_party' end,
		case when coalesce(org not in (h.org_id, h.enforcer_id), true) then 'in_charge' end,
		case when core.role() = 'department' and org is distinct from h.enforcer_id then 'enforcer' end,
		case when h.status = 'submitted_for_recheck'
			and (h.rectified_by = core.actor() or field.acts_for(h.rectified_org)) then 'not_rectifier' end,
		case when not h.at_business then 'at_business' end,
		case when h.reported_at is not null then 'unreported' end,
		case when h.grade is distinct from 'immediate' then 'immediate' end,
		case when coalesce(h.due_at > core.now(), true) then 'overdue' end,
		case when h.failed_count < 2 then 'failed_twice' end], null);
end
$$;
comment on function field.bars(field.hazard) is 'Names of the guards in core.transition that bar the caller now.';

create function field.why(p_bar text) returns text
language sql immutable strict parallel safe
return case p_bar
	when 'duty_party' then '403 not_duty_party'
	when 'in_charge' then '403 not_duty_party'
	when 'enforcer' then '403 not_duty_party'
	when 'not_rectifier' then '403 rectifier_cannot_recheck'
	when 'at_business' then '409 not_at_business'
	when 'unreported' then '409 authority_told'
	else '409 wrong_state' end;
comment on function field.why(text) is 'Status and code of a guard that bars.';

create function field.hazard_actions(h field.hazard) returns json
language plpgsql stable
as $$
declare
	bars constant text[] := field.bars(h);
begin
	return (select coalesce(json_agg(x.action order by x.action), '[]') from core.transition x
		where x.machine in ('hazard', 'hazard_aside') and x.from_state = h.status and core.role() = any (x.roles)
			and not coalesce(string_to_array(x.guard, ' ') && bars, false));
end
$$;
comment on function field.hazard_actions(field.hazard) is 'What the caller may do now.';

create function field.permit(h field.hazard, p_action text) returns core.transition
language plpgsql stable
as $$
declare
	tr core.transition;
	why text;
begin
	if not exists (select from core.transition x where x.machine in ('hazard', 'hazard_aside')
			and x.action = p_action and core.role() = any (x.roles)) then
		perform core.fail(403, 'role_not_allowed');
	end if;
	select x.* into tr from core.transition x
	where x.machine in ('hazard', 'hazard_aside') and x.from_state = h.status and x.action = p_action;
	if not found then
		perform core.fail(409, 'wrong_state');
	elsif core.role() <> all (tr.roles) then
		perform core.fail(403, 'role_not_allowed');
	end if;
	select field.why(g.bar) into why
	from unnest(string_to_array(tr.guard, ' ')) with ordinality g (bar, n)
	where g.bar = any (field.bars(h)) order by g.n limit 1;
	if why is not null then
		perform core.fail(left(why, 3)::integer, substr(why, 5));
	end if;
	return tr;
end
$$;
comment on function field.permit(field.hazard, text) is
	'The transition of an act by the caller on a hazard, or the reason against it: role 403, state 409, guard.';

---------------------------------------------------------------- finding
create function field.place(p_grid uuid, p_position jsonb) returns grid.grid
language plpgsql stable
as $$
declare
	w constant record := core.wgs84((p_position ->> 'lon')::float8, (p_position ->> 'lat')::float8, p_position ->> 'crs');
	g constant grid.grid := ticket.place_grid(p_grid, w.lon, w.lat);
begin
	if core.role() = 'community' and not g.path ^@ any (core.scopes()) then
		perform core.fail(422, 'grid_not_found', '/grid_id');
	end if;
	return g;
end
$$;
comment on function field.place(uuid, jsonb) is
	'As ticket.place_grid, and a community stays within its own grids.';

create function field.put_hazard(p_id uuid, g grid.grid, p_source text, p_source_id uuid, p_owner uuid, b jsonb) returns field.hazard
language plpgsql
as $$
declare
	w record;
	h field.hazard;
	n constant integer := core.next_number(core.street(), 'hazard');
begin
	if jsonb_typeof(b -> 'position') = 'object' then
		select x.lon, x.lat into w from core.wgs84((b -> 'position' ->> 'lon')::float8,
			(b -> 'position' ->> 'lat')::float8, b -> 'position' ->> 'crs') x;
	else
		select (b ->> 'lon')::float8 as lon, (b ->> 'lat')::float8 as lat into w;
	end if;
	insert into field.hazard as x (street_id, id, number, kind, title, description, address, grid_id, path,
		lon, lat, source, source_id, owner_id, found_by, found_role)
	select s.id, p_id, s.prefix || '-YH-' || extract(year from core.today()) || '-'
			|| lpad(n::text, greatest(6, length(n::text)), '0'),
		b ->> 'kind', b ->> 'title', b ->> 'description', nullif(btrim(b ->> 'address'), ''), g.id, g.path,
		w.lon, w.lat, p_source, p_source_id, p_owner, core.actor(), core.role()
	from grid.street s where s.id = core.street()
	returning x.* into h;
	h.photo_count := ticket.attach(b -> 'photo_ids', 'hazard', p_id, 'report', h.path, h.owner_id);
	update field.hazard x set photo_count = h.photo_count where x.street_id = h.street_id and x.id = h.id;
	perform core.put_event('hazard', p_id, 'report', null, 'found', h.path, h.owner_id, false,
		json_strip_nulls(json_build_object('source', p_source, 'source_id', p_source_id)));
	return h;
exception when unique_violation then
	perform core.fail(409, 'hazard_open');
end
$$;
comment on function field.put_hazard(uuid, grid.grid, text, uuid, uuid, jsonb) is
	'A new hazard, found; lon and lat of the body are WGS-84. LN409 hazard_open when the ticket or piece of equipment has one already.';

create function field.report(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	if core.role() not in ('resident', 'grid_lead', 'community', 'street') then
		perform core.fail(403, 'role_not_allowed');
	end if;
	perform field.put_hazard(p_id, field.place((b ->> 'grid_id')::uuid, b -> 'position'), 'report', null,
		case when core.role() = 'resident' then core.actor() end, b);
end
$$;
comment on function field.report(uuid, jsonb) is 'Somebody has found a hazard. LN422 as ticket.place_grid.';

create function field.from_ticket(p_id uuid, p_ticket uuid, b jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	t ticket.ticket;
	p ticket.private;
	g grid.grid;
begin
	if core.role() not in ('grid_lead', 'community') then
		perform core.fail(403, 'role_not_allowed');
	end if;
	select x.* into t from ticket.ticket x where x.street_id = core.street() and x.id = p_ticket for update;
	if not found then
		return false;
	elsif not t.is_open then
		perform core.fail(409, 'wrong_state');
	end if;
	select x.* into p from ticket.private x where x.street_id = t.street_id and x.ticket_id = t.id;
	select x.* into g from grid.grid x where x.street_id = t.street_id and x.id = t.grid_id;
	perform field.put_hazard(p_id, g, 'ticket', t.id, t.owner_id, jsonb_build_object(
		'kind', b ->> 'kind', 'title', coalesce(b ->> 'title', p.title),
		'description', coalesce(b ->> 'description', p.description),
		'address', concat_ws(' ', p.address, p.building), 'lon', p.lon, 'lat', p.lat, 'photo_ids', b -> 'photo_ids'));
	perform ticket.tell(t, 'hazard', null, core.role(), json_build_object('hazard_id', p_id), false);
	if b ->> 'grade' is not null then
		perform field.act(p_id, 'confirm', b);
	end if;
	return true;
end
$$;
comment on function field.from_ticket(uuid, uuid, jsonb) is
	'A ticket turns out to be about a hazard: found where the ticket is, confirmed at once when a grade is given; both name each other, and the reporter follows both. False when the ticket is not to be seen. LN409 wrong_state, hazard_open.';

---------------------------------------------------------------- acts
create function field.duty_party(p_org uuid, p_pointer text) returns identity.org
language plpgsql stable
as $$
declare
	o identity.org;
begin
	select x.* into o from identity.org x
	where x.street_id = core.street() and x.id = p_org and x.closed_at is null;
	if not found then
		perform core.fail(422, 'org_not_found', p_pointer);
	end if;
	return o;
end
$$;
comment on function field.duty_party(uuid, text) is 'An organisation of the street that is not closed. LN422 org_not_found.';

create function field.deadline(a jsonb) returns timestamptz
language plpgsql stable
as $$
begin
	if coalesce((a ->> 'due_at')::timestamptz <= core.now(), true) then
		perform core.fail(422, 'deadline_past', '/due_at');
	end if;
	return (a ->> 'due_at')::timestamptz;
end
$$;
comment on function field.deadline(jsonb) is 'The deadline in the body of an act, which must lie ahead. LN422 deadline_past.';

-- The row as it shall be; h is as it is.
create function field.effect(h field.hazard, p_action text, a jsonb) returns field.hazard
language plpgsql
as $$
declare
	o identity.org;
begin
	case p_action
	when 'confirm', 'regrade' then
		h.grade := a ->> 'grade';
		h.at_business := coalesce((a ->> 'at_business')::boolean, h.at_business);
	when 'issue_notice' then
		o := field.duty_party(coalesce((a ->> 'org_id')::uuid, h.org_id), '/org_id');
		h.due_at := field.deadline(a);
		if h.org_id is distinct from o.id then
			h.org_id := o.id;
			h.noticed_at := core.now();
			-- What the first party failed at is not the second's fault.
			h.failed_count := 0;
		end if;
		h.at_business := h.at_business or o.kind in ('merchant', 'enterprise');
	when 'assign' then
		o := field.duty_party((a ->> 'org_id')::uuid, '/org_id');
		if o.kind <> 'department' then
			perform core.fail(422, 'org_not_found', '/org_id');
		end if;
		h.enforcer_id := o.id;
	when 'submit' then
		h.rectified_by := core.actor();
		h.rectified_org := core.org();
		if coalesce(nullif(a -> 'photo_ids', 'null'), '[]') = '[]' then
			perform core.fail(422, 'photo_required', '/photo_ids');
		end if;
	when 'fail_recheck' then
		h.failed_count := h.failed_count + 1;
		h.due_at := field.deadline(a);
	when 'report_authority' then
		h.reported_to := a ->> 'authority';
		h.reported_at := coalesce((a ->> 'at')::timestamptz, core.now());
		if h.reported_at > core.now() then
			perform core.fail(422, 'time_ahead', '/at');
		end if;
	when 'escalate_immediate', 'escalate_overdue', 'escalate_failed' then
		h.escalated_for := case p_action when 'escalate_failed' then 'failed_twice' else substr(p_action, 10) end;
		h.escalated_at := core.now();
	else
		null;
	end case;
	return h;
end
$$;
comment on function field.effect(field.hazard, text, jsonb) is
	'What an act makes of a hazard beside moving it, and what it refuses; runs within field.move().';

-- As system: the duty party, which stops it, does not see the clock.
create function field.keep_time(p_id uuid, p_action text, p_path text, p_owner uuid, p_due timestamptz) returns timestamptz
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
begin
	if p_action in ('issue_notice', 'fail_recheck') then
		perform clock.drop(p_id, 'rectify');
		return clock.start_until('hazard', p_id, 'rectify', p_path, p_owner, p_due, 'street');
	elsif p_action in ('submit', 'escalate_overdue') then
		perform clock.stop(p_id, 'rectify');
	elsif p_action in ('escalate_immediate', 'escalate_failed') then
		perform clock.drop(p_id, 'rectify');
	end if;
	return p_due;
end
$$;
comment on function field.keep_time(uuid, text, text, uuid, timestamptz) is
	'The clock of a rectification (0026), which warns at half and three quarters and escalates when it is due: starts and ends with the acts; returns the deadline.';

create function field.move(h field.hazard, tr core.transition, p_role text, a jsonb) returns field.hazard
language plpgsql
as $$
declare
	moves constant boolean := tr.machine = 'hazard';
	was constant text := h.status;
	text constant text := coalesce(a ->> 'reason', a ->> 'note');
	acts constant boolean := p_role = core.role();
begin
	h := field.effect(h, tr.action, a);
	if moves then
		h.due_at := field.keep_time(h.id, tr.action, h.path, h.owner_id, h.due_at);
	end if;
	update field.hazard x set status = tr.to_state, grade = h.grade, at_business = h.at_business, org_id = h.org_id,
		enforcer_id = h.enforcer_id, noticed_at = h.noticed_at, due_at = h.due_at, failed_count = h.failed_count,
		rectified_by = h.rectified_by, rectified_org = h.rectified_org, reported_at = h.reported_at,
		reported_to = h.reported_to, escalated_for = h.escalated_for, escalated_at = h.escalated_at,
		photo_count = x.photo_count + ticket.attach(a -> 'photo_ids', 'hazard', h.id,
			case tr.action when 'submit' then 'rectify' else 'recheck' end, h.path, h.owner_id, false,
			array_remove(array[h.org_id, h.enforcer_id], null)),
		version = x.version + 1, updated_at = core.now(),
		closed_at = case when tr.to_state in ('closed', 'dismissed') then core.now() end
	where x.street_id = h.street_id and x.id = h.id
	returning x.* into h;
	-- Whom it is put to now sees the pictures of it.
	if tr.action in ('issue_notice', 'assign') then
		update ticket.photo f set orgs = array_remove(array[h.org_id, h.enforcer_id], null)
		where f.street_id = h.street_id and f.subject_id = h.id and f.subject = 'hazard';
	end if;
	insert into core.event (street_id, id, subject, subject_id, action, from_state, to_state,
		actor_id, actor_role, path, owner_id, data)
	values (h.street_id, core.new_id(h.street_id), 'hazard', h.id, tr.action,
		case when moves then was end, case when moves then h.status end,
		case when acts then core.actor() end, p_role, h.path, h.owner_id,
		nullif(json_strip_nulls(json_build_object('text', text,
			'grade', case when tr.action in ('confirm', 'regrade') then h.grade end,
			'org_id', case tr.action when 'issue_notice' then h.org_id when 'assign' then h.enforcer_id end,
			'due_at', case when tr.action in ('issue_notice', 'fail_recheck') then h.due_at end,
			'authority', case tr.action when 'report_authority' then h.reported_to end,
			'reported_at', case tr.action when 'report_authority' then h.reported_at end))::text, '{}')::json);
	return h;
end
$$;
comment on function field.move(field.hazard, core.transition, text, jsonb) is
	'Effect, row and event of an act that is permitted, in the name of a role.';

create function field.act(p_id uuid, p_action text, a jsonb default '{}') returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	h field.hazard;
	tr core.transition;
	next_act text;
begin
	-- Of two who come at once, the second finds the state of the first.
	select x.* into h from field.hazard x where x.street_id = core.street() and x.id = p_id for update;
	if not found then
		return false;
	end if;
	tr := field.permit(h, p_action);
	h := field.move(h, tr, core.role(), a);
	next_act := case
		when p_action in ('confirm', 'regrade') and h.grade = 'immediate' then 'escalate_immediate'
		when p_action = 'fail_recheck' and h.failed_count >= 2 then 'escalate_failed' end;
	if next_act is not null then
		select x.* into strict tr from core.transition x
		where x.machine = 'hazard' and x.from_state = h.status and x.action = next_act;
		perform field.move(h, tr, 'system', '{}');
	end if;
	return true;
end
$$;
comment on function field.act(uuid, text, jsonb) is
	'Every act on a hazard: lock, transition by data, role, state, guard, effect, event, and what follows by itself. False when it is not to be seen.';

create function field.hand_over(p_id uuid, p_grid uuid, p_path text) returns void
language plpgsql
as $$
declare
	h field.hazard;
begin
	select x.* into h from field.hazard x where x.street_id = core.street() and x.id = p_id for update;
	update field.hazard x set grid_id = p_grid, path = p_path, version = x.version + 1, updated_at = core.now()
	where x.street_id = h.street_id and x.id = h.id;
	update ticket.photo f set path = p_path
	where f.street_id = h.street_id and f.subject_id = h.id and f.subject = 'hazard';
	update clock.clock c set path = p_path where c.street_id = h.street_id and c.subject_id = h.id;
	update core.event e set path = p_path where e.street_id = h.street_id and e.subject_id = h.id;
	perform core.put_event('hazard', h.id, 'transfer', null, null, p_path, h.owner_id, false,
		json_build_object('from_grid_id', h.grid_id, 'to_grid_id', p_grid));
end
$$;
comment on function field.hand_over(uuid, uuid, text) is
	'An open hazard on ground that changes hands goes to the new grid with all that hangs on it. In role system.';

create function field.forget(p_account uuid, p_name text, p_alias text) returns void
language plpgsql
as $$
begin
	update core.event e set data = core.mask_json(replace(e.data::text, p_name, p_alias))
	where e.street_id = core.street() and e.subject = 'hazard' and e.subject_id in (select h.id from field.hazard h
		where h.street_id = core.street() and h.owner_id = p_account);
	update field.hazard h set title = core.mask_text(replace(h.title, p_name, p_alias)),
		description = core.mask_text(replace(h.description, p_name, p_alias)), address = replace(h.address, p_name, p_alias),
		version = h.version + 1, updated_at = core.now()
	where h.street_id = core.street() and h.owner_id = p_account;
end
$$;
comment on function field.forget(uuid, text, text) is
	'Hazards stay when who reported them is erased, without name and phone. In role system.';

---------------------------------------------------------------- what clients read
create view field.hazard_view with (security_invoker = true) as
select h.street_id as _street_id, h.path as _path, h.is_open as _is_open,
	h.version || '-' || left(md5(a.actions::text || o.overdue), 8) as _etag,
	h.id, h.number, h.kind, h.grade, h.status,
	case when core.role() in ('merchant', 'department') then core.mask_text(h.title) else h.title end as title,
	case when core.role() in ('merchant', 'department') then core.mask_text(h.description) else h.description end as description,
	h.address, h.grid_id, g.name as grid_name,
	ticket.position_json(h.lon, h.lat, 'wgs84') as position, ticket.position_json(h.lon, h.lat, 'gcj02') as position_gcj02,
	h.source, h.source_id, coalesce(h.owner_id = core.actor(), false) as mine,
	h.at_business, h.at_business and h.reported_at is null and h.status not in ('found', 'dismissed') as report_outstanding,
	h.reported_at, h.reported_to, h.org_id, d.name as org_name, h.enforcer_id, e.name as enforcer_name,
	h.due_at, o.overdue, h.failed_count, h.escalated_for, h.escalated_at, h.photo_count,
	h.created_at, h.updated_at, h.closed_at, a.actions
from field.hazard h
left join grid.grid g on g.street_id = h.street_id and g.id = h.grid_id
left join identity.org d on d.street_id = h.street_id and d.id = h.org_id
left join identity.org e on e.street_id = h.street_id and e.id = h.enforcer_id
cross join lateral (select coalesce(h.status in ('notice_issued', 'rectifying', 'recheck_failed')
	and h.due_at <= core.now(), false) as overdue) o
cross join lateral (select field.hazard_actions(h) as actions offset 0) a;
comment on view field.hazard_view is
	'class: street. Hazard: phones and ID numbers in the texts masked for the party it is put to.';

create function field.hazards(p_status text[], p_grade text, p_kind text, p_under uuid, p_org uuid, p_source uuid,
	p_overdue boolean, p_outstanding boolean, p_updated timestamptz, p_after text, p_limit integer)
returns setof field.hazard_view
language sql stable rows 20
as $$
	select v.* from field.hazard_view v
	where v._street_id = core.street()
		and (v.created_at, v.id) < (coalesce(ticket.cursor_at(p_after), 'infinity'),
			coalesce(ticket.cursor_id(p_after), 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
		and (p_status is null or v.status = any (p_status)) and (p_grade is null or v.grade = p_grade)
		and (p_kind is null or v.kind = p_kind) and (p_org is null or p_org in (v.org_id, v.enforcer_id))
		and (p_source is null or v.source_id = p_source) and (p_overdue is null or v.overdue = p_overdue)
		and (p_outstanding is null or v.report_outstanding = p_outstanding)
		and (p_updated is null or v.updated_at > p_updated)
		and (p_under is null or exists (select from grid.grid u where u.street_id = core.street()
			and u.id = p_under and v._path ^@ u.path))
	order by v.created_at desc, v.id desc
	limit p_limit
$$;
comment on function field.hazards(text[], text, text, uuid, uuid, uuid, boolean, boolean, timestamptz, text, integer) is
	'A page of the hazards the caller may see, newest first; a null filters nothing.';

create function field.org_timeline(p_id uuid, p_org uuid, p_actor uuid) returns setof core.event_view
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
begin
	return query select e._street_id, e._xact, e._path, e.id, e.at, e.subject, e.subject_id, e.action,
			e.from_state, e.to_state, e.actor_role, case when e.actor_id = p_actor then e.actor_id end,
			core.mask_json(e.data::text)
		from core.event_view e
		join field.hazard h on h.street_id = e._street_id and h.id = e.subject_id
		where e._street_id = core.street() and e.subject_id = p_id and e.subject = 'hazard'
			and p_org in (h.org_id, h.enforcer_id)
			and (p_org = h.enforcer_id or e.action not in ('assign', 'report_authority')
				-- ids tell the order of what one transaction did
				and e.id >= (select n.id from core.event n where n.street_id = h.street_id
					and n.subject_id = h.id and n.action = 'issue_notice' and n.at >= h.noticed_at
					order by n.id limit 1));
end
$$;
comment on function field.org_timeline(uuid, uuid, uuid) is
	'What the party a hazard is put to may read of it: since the notice, without people; the department in charge, all of it.';

create function field.timeline(p_id uuid) returns setof core.event_view
language plpgsql stable
as $$
begin
	if core.role() in ('merchant', 'department') then
		return query select x.* from field.org_timeline(p_id, core.org(), core.actor()) x;
	else
		return query select e.* from core.event_view e
			where e._street_id = core.street() and e.subject_id = p_id and e.subject = 'hazard';
	end if;
end
$$;
comment on function field.timeline(uuid) is 'The events of a hazard, as far as the caller may read them.';

---------------------------------------------------------------- grants
grant select on field.hazard, field.hazard_view to linli_app;
grant execute on function field.may_see(text, uuid, uuid, uuid), field.acts_for(uuid), field.bars(field.hazard),
	field.hazard_actions(field.hazard), field.report(uuid, jsonb), field.from_ticket(uuid, uuid, jsonb),
	field.act(uuid, text, jsonb), field.timeline(uuid), field.org_timeline(uuid, uuid, uuid),
	field.hazards(text[], text, text, uuid, uuid, uuid, boolean, boolean, timestamptz, text, integer) to linli_app;
