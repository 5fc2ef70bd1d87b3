-- field: the register of extinguishers and other equipment, with what is due on
-- each piece, and its inspections.

create function field.ahead() returns integer
language sql immutable parallel safe
return 30;
comment on function field.ahead() is 'Days before its expiry on which a piece of equipment is first spoken of.';

create function field.inspect_on(inspected_on date, installed_on date, entered_on date, days integer) returns date
language sql immutable parallel safe
return coalesce(inspected_on, installed_on, entered_on) + days;
comment on function field.inspect_on(date, date, date, integer) is
	'The day of the next inspection: so many days after the last, else after it was installed or entered.';

create function field.remind_on(expires_on date, inspect_on date, told_expiring date, told_expired date, told_inspection date) returns date
language sql immutable parallel safe
return least(case when expires_on is distinct from told_expiring then expires_on - field.ahead() end,
	case when expires_on is distinct from told_expired then expires_on + 1 end,
	case when inspect_on is distinct from told_inspection then inspect_on end);
comment on function field.remind_on(date, date, date, date, date) is
	'The first day on which something is to be told that was not: told_… is the date it was last told of.';

---------------------------------------------------------------- tables
-- Days as they are printed on the thing, and no clocks of clock.*: they hold on
-- holidays too, nothing pauses or extends them but an inspection or a new piece,
-- and what is told of them is told on its day.
create table field.equipment (
	street_id integer not null,
	id uuid not null,
	kind text not null check (kind in ('extinguisher', 'hydrant', 'smoke_alarm', 'gas_alarm', 'emergency_light',
		'ebike_charger', 'lift', 'aed', 'water_sensor', 'door_sensor', 'manhole_sensor', 'sos_button', 'other')),
	serial text not null check (serial ~ '[^[:space:]]' and length(serial) <= 64),
	place text not null,
	grid_id uuid not null,
	path text collate "C" not null,
	lon float8,
	lat float8 check ((lon is null) = (lat is null)),
	org_id uuid,
	dwelling_id uuid,
	client_id uuid,
	made_on date,
	installed_on date check (installed_on >= made_on),
	expires_on date check (expires_on > made_on),
	inspect_days integer check (inspect_days between 1 and 3660),
	inspected_on date,
	inspected_ok boolean,
	entered_on date not null default core.today(),
	status text not null default 'in_use' check (status in ('in_use', 'replaced', 'retired')),
	replaced_by uuid check ((replaced_by is null) = (status <> 'replaced')),
	inspect_on date generated always as
		(field.inspect_on(inspected_on, installed_on, entered_on, inspect_days)) stored,
	due_on date not null generated always as (coalesce(least(expires_on,
		field.inspect_on(inspected_on, installed_on, entered_on, inspect_days)), 'infinity')) stored,
	told_expiring date,
	told_expired date,
	told_inspection date,
	remind_on date generated always as (case status when 'in_use' then field.remind_on(expires_on,
		field.inspect_on(inspected_on, installed_on, entered_on, inspect_days),
		told_expiring, told_expired, told_inspection) end) stored,
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	updated_by uuid,
	primary key (street_id, id),
	constraint equipment_serial_key unique (street_id, kind, serial),
	foreign key (street_id, grid_id) references grid.grid (street_id, id),
	foreign key (street_id, org_id) references identity.org (street_id, id),
	foreign key (street_id, dwelling_id) references grid.dwelling (street_id, id),
	foreign key (street_id, replaced_by) references field.equipment (street_id, id)
);
comment on table field.equipment is
	'class: street. A piece of equipment: good through expires_on, to be inspected by inspect_on. org_id is whose it is: they see it, and what is wrong with it is theirs to put right. client_id: the program that reports its readings, under its serial.';
create index equipment_due on field.equipment (street_id, due_on, id);
create index equipment_path on field.equipment (street_id, path, due_on, id);
create index equipment_org on field.equipment (street_id, org_id, due_on, id) where org_id is not null;
create unique index equipment_device on field.equipment (street_id, client_id, serial) where client_id is not null and status = 'in_use';
create index equipment_dwelling on field.equipment (street_id, dwelling_id) where dwelling_id is not null;
create index equipment_remind on field.equipment (street_id, remind_on) where remind_on is not null;
alter table field.equipment enable row level security;
alter table field.equipment force row level security;
create policy visible on field.equipment
	using (street_id = core.street() and field.may_see(path, null, org_id, null));

create table field.equipment_inspection (
	street_id integer not null,
	id uuid not null,
	equipment_id uuid not null,
	path text collate "C" not null,
	org_id uuid,
	on_day date not null,
	ok boolean not null,
	note text,
	account_id uuid not null,
	role text not null,
	created_at timestamptz not null default core.now(),
	primary key (street_id, id),
	foreign key (street_id, equipment_id) references field.equipment (street_id, id)
);
comment on table field.equipment_inspection is 'class: street. What somebody found when they looked at a piece of equipment.';
create index equipment_inspection_of on field.equipment_inspection (street_id, equipment_id, id);
alter table field.equipment_inspection enable row level security;
alter table field.equipment_inspection force row level security;
create policy visible on field.equipment_inspection
	using (street_id = core.street() and field.may_see(path, null, org_id, null));

create view field.equipment_view with (security_invoker = true) as
select e.street_id as _street_id, e.path as _path, e.due_on as _due_on,
	e.version || '-' || case when core.today() > e.expires_on then 'x' else 'v' end as _etag,
	e.id, e.kind, e.serial, e.place, e.grid_id, g.name as grid_name,
	ticket.position_json(e.lon, e.lat, 'wgs84') as position, ticket.position_json(e.lon, e.lat, 'gcj02') as position_gcj02,
	e.org_id, o.name as org_name, case when core.role() in ('grid_lead', 'community', 'street') then e.dwelling_id end as dwelling_id,
	e.client_id, e.made_on, e.installed_on, e.expires_on, e.inspect_days, e.inspect_on,
	e.inspected_on, e.inspected_ok, e.status, e.replaced_by,
	coalesce(e.status = 'in_use' and core.today() > e.expires_on, false) as expired,
	coalesce(e.status = 'in_use' and core.today() > e.inspect_on, false) as inspection_overdue,
	e.created_at, e.updated_at
from field.equipment e
left join grid.grid g on g.street_id = e.street_id and g.id = e.grid_id
left join identity.org o on o.street_id = e.street_id and o.id = e.org_id;
comment on view field.equipment_view is 'class: street. Equipment: with what is wrong with it today.';

create view field.equipment_inspection_view with (security_invoker = true) as
select i.street_id as _street_id, i.equipment_id as _equipment_id, i.id, i.on_day, i.ok, i.note, i.role,
	i.account_id = core.actor() as mine, i.created_at
from field.equipment_inspection i;
comment on view field.equipment_inspection_view is 'class: street. EquipmentInspection: by role, not by name.';

---------------------------------------------------------------- entering
create function field.put_equipment(p_id uuid, p_if_match text, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	street constant integer := core.street();
	e field.equipment;
	g grid.grid;
	w record;
	violated text;
begin
	if core.role() not in ('grid_lead', 'community', 'street') then
		perform core.fail(403, 'role_not_allowed');
	end if;
	if p_if_match is not null then
		e := field.equipment_in_use(p_id);
		if core.is_stale(e.version, p_if_match) then
			perform core.fail(412, 'version_conflict');
		end if;
	end if;
	if (b ->> 'installed_on')::date < (b ->> 'made_on')::date then
		perform core.fail(422, 'dates_invalid', '/installed_on');
	elsif (b ->> 'expires_on')::date <= (b ->> 'made_on')::date then
		perform core.fail(422, 'dates_invalid', '/expires_on');
	end if;
	if b ->> 'dwelling_id' is not null then
		select x.* into g from grid.dwelling d join grid.grid x on x.street_id = d.street_id and x.id = d.grid_id
		where d.street_id = street and d.id = (b ->> 'dwelling_id')::uuid and d.path ^@ any (core.scopes());
		perform core.must(found, 422, 'dwelling_not_found', '/dwelling_id');
	else
		g := field.place((b ->> 'grid_id')::uuid, b -> 'position');
	end if;
	perform core.must(b ->> 'client_id' is null or exists (select from identity.client c
		where c.street_id = street and c.account_id = (b ->> 'client_id')::uuid), 422, 'client_unknown', '/client_id');
	if b ->> 'org_id' is not null then
		perform field.duty_party((b ->> 'org_id')::uuid, '/org_id');
	end if;
	w := core.wgs84((b -> 'position' ->> 'lon')::float8, (b -> 'position' ->> 'lat')::float8, b -> 'position' ->> 'crs');
	insert into field.equipment as x (street_id, id, kind, serial, place, grid_id, path, lon, lat, org_id, dwelling_id, client_id, made_on,
		installed_on, expires_on, inspect_days, updated_by)
	values (street, p_id, b ->> 'kind', b ->> 'serial', b ->> 'place', g.id, g.path, w.lon, w.lat, (b ->> 'org_id')::uuid,
		(b ->> 'dwelling_id')::uuid, (b ->> 'client_id')::uuid, (b ->> 'made_on')::date, (b ->> 'installed_on')::date, (b ->> 'expires_on')::date,
		(b ->> 'inspect_days')::integer, core.actor())
	on conflict on constraint equipment_pkey do update set kind = excluded.kind, serial = excluded.serial,
		place = excluded.place, grid_id = excluded.grid_id, path = excluded.path, lon = excluded.lon, lat = excluded.lat,
		org_id = excluded.org_id, dwelling_id = excluded.dwelling_id, client_id = excluded.client_id, made_on = excluded.made_on, installed_on = excluded.installed_on,
		expires_on = excluded.expires_on, inspect_days = excluded.inspect_days, version = x.version + 1,
		updated_at = core.now(), updated_by = excluded.updated_by
	returning x.* into e;
	perform core.put_event('equipment', p_id, case when p_if_match is null then 'create' else 'update' end, null,
		null, e.path, null, false);
exception when unique_violation then
	get stacked diagnostics violated = constraint_name;
	perform core.fail(409, 'serial_taken', '/serial');
end
$$;
comment on function field.put_equipment(uuid, text, jsonb) is
	'Enters (if_match null) or replaces a record of a piece of equipment in use. LN404, LN412, LN409 serial_taken, equipment_not_in_use, LN422 dates_invalid, org_not_found, dwelling_not_found, client_unknown and as ticket.place_grid. In a dwelling it is where that is.';

create function field.equipment_in_use(p_id uuid) returns field.equipment
language plpgsql
as $$
declare
	e field.equipment;
begin
	select x.* into e from field.equipment x where x.street_id = core.street() and x.id = p_id for update;
	if not found then
		perform core.fail(404, 'not_found');
	elsif e.status <> 'in_use' then
		perform core.fail(409, 'equipment_not_in_use');
	end if;
	return e;
end
$$;
comment on function field.equipment_in_use(uuid) is 'A piece of equipment, locked. LN404 not_found, LN409 equipment_not_in_use.';

create function field.retire_equipment(p_id uuid, p_reason text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	e constant field.equipment := field.equipment_in_use(p_id);
begin
	update field.equipment x set status = 'retired', version = x.version + 1, updated_at = core.now(), updated_by = core.actor()
	where x.street_id = e.street_id and x.id = e.id;
	perform core.put_event('equipment', p_id, 'retire', 'in_use', 'retired', e.path, null, false,
		json_build_object('text', p_reason));
end
$$;
comment on function field.retire_equipment(uuid, text) is 'It is there no more. LN404, LN409 as field.equipment_in_use.';

create function field.replace_equipment(p_id uuid, p_new uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	e constant field.equipment := field.equipment_in_use(p_id);
begin
	if (b ->> 'expires_on')::date <= coalesce((b ->> 'made_on')::date, core.today()) then
		perform core.fail(422, 'dates_invalid', '/expires_on');
	end if;
	insert into field.equipment (street_id, id, kind, serial, place, grid_id, path, lon, lat, org_id, dwelling_id, made_on,
		installed_on, expires_on, inspect_days, updated_by)
	values (e.street_id, p_new, e.kind, b ->> 'serial', e.place, e.grid_id, e.path, e.lon, e.lat, e.org_id, e.dwelling_id,
		(b ->> 'made_on')::date, core.today(), (b ->> 'expires_on')::date, e.inspect_days, core.actor());
	update field.equipment x set status = 'replaced', replaced_by = p_new, version = x.version + 1,
		updated_at = core.now(), updated_by = core.actor()
	where x.street_id = e.street_id and x.id = e.id;
	perform core.put_event('equipment', p_id, 'replace', 'in_use', 'replaced', e.path, null, false,
		json_build_object('replaced_by', p_new, 'text', b ->> 'note'));
	perform core.put_event('equipment', p_new, 'create', null, null, e.path, null, false,
		json_build_object('replaces', p_id));
exception
	when unique_violation then
		perform core.fail(409, 'serial_taken', '/serial');
	when check_violation then
		perform core.fail(422, 'dates_invalid', '/made_on');
end
$$;
comment on function field.replace_equipment(uuid, uuid, jsonb) is
	'A new piece hangs where the old one did, installed today. LN404, LN409 as field.equipment_in_use, serial_taken, LN422 dates_invalid.';

create function field.inspect_equipment(p_id uuid, p_equipment uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	e constant field.equipment := field.equipment_in_use(p_equipment);
	day constant date := coalesce((b ->> 'on_day')::date, core.today());
	good constant boolean := (b ->> 'ok')::boolean;
begin
	if day > core.today() then
		perform core.fail(422, 'time_ahead', '/on_day');
	end if;
	insert into field.equipment_inspection (street_id, id, equipment_id, path, org_id, on_day, ok, note, account_id, role)
	values (e.street_id, p_id, e.id, e.path, e.org_id, day, good, b ->> 'note', core.actor(), core.role());
	perform ticket.attach(b -> 'photo_ids', 'equipment', e.id, 'inspect', e.path, null, false, array_remove(array[e.org_id], null));
	-- One entered late does not undo a newer one.
	update field.equipment x set inspected_on = day, inspected_ok = good, version = x.version + 1, updated_at = core.now()
	where x.street_id = e.street_id and x.id = e.id and (x.inspected_on is null or x.inspected_on <= day);
	perform core.put_event('equipment', e.id, 'inspect', null, null, e.path, null, false,
		json_strip_nulls(json_build_object('inspection_id', p_id, 'ok', good, 'text', b ->> 'note')));
end
$$;
comment on function field.inspect_equipment(uuid, uuid, jsonb) is
	'Somebody has looked at it. LN404, LN409 as field.equipment_in_use, LN422 time_ahead, photo_unknown.';

create function field.kind_name(kind text) returns text
language sql immutable strict parallel safe
return case kind when 'extinguisher' then '灭火器' when 'hydrant' then '消火栓' when 'smoke_alarm' then '烟感报警器'
	when 'gas_alarm' then '燃气报警器' when 'emergency_light' then '应急照明' when 'ebike_charger' then '电动车充电设施'
	when 'lift' then '电梯' when 'aed' then 'AED' when 'water_sensor' then '水浸传感器' when 'door_sensor' then '门磁'
	when 'manhole_sensor' then '井盖传感器' when 'sos_button' then '求助按钮' else '设备' end;
comment on function field.kind_name(text) is 'What a kind of equipment is called in the title of a hazard.';

create function field.from_equipment(p_id uuid, p_equipment uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	e field.equipment;
	g grid.grid;
	late boolean;
begin
	if core.role() not in ('grid_lead', 'community') then
		perform core.fail(403, 'role_not_allowed');
	end if;
	e := field.equipment_in_use(p_equipment);
	late := coalesce(core.today() > e.expires_on, false);
	if not late and e.inspected_ok is not false then
		perform core.fail(409, 'equipment_in_order');
	end if;
	select x.* into g from grid.grid x where x.street_id = e.street_id and x.id = e.grid_id;
	perform field.put_hazard(p_id, g, 'equipment', e.id, null, jsonb_build_object(
		'kind', case when e.kind in ('extinguisher', 'hydrant', 'smoke_alarm', 'emergency_light') then 'fire'
			when e.kind = 'gas_alarm' then 'gas' when e.kind = 'ebike_charger' then 'ebike' else 'equipment' end,
		'title', field.kind_name(e.kind) || case when late then '过期' else '检查不合格' end,
		'description', concat_ws('，', e.place, '编号' || e.serial, '有效期至' || e.expires_on,
			'检查不合格于' || case when not late then e.inspected_on end),
		'address', e.place, 'lon', e.lon, 'lat', e.lat, 'photo_ids', b -> 'photo_ids'));
	perform field.act(p_id, 'confirm', b);
	perform field.act(p_id, 'issue_notice', jsonb_build_object('org_id', coalesce((b ->> 'org_id')::uuid, e.org_id),
		'due_at', b ->> 'due_at', 'note', b ->> 'note'));
	perform core.put_event('equipment', e.id, 'hazard', null, null, e.path, null, false,
		json_build_object('hazard_id', p_id));
end
$$;
comment on function field.from_equipment(uuid, uuid, jsonb) is
	'What is expired, or failed its last inspection, becomes a hazard put to its owner in one call. LN404, LN409 equipment_not_in_use, equipment_in_order, hazard_open, LN422 org_not_found, deadline_past.';

create function field.equipment_list(p_kind text, p_status text, p_under uuid, p_org uuid, p_expired boolean,
	p_due_before date, p_updated timestamptz, p_q text, p_after text, p_limit integer) returns setof field.equipment_view
language sql stable rows 20
as $$
	select v.* from field.equipment_view v
	where v._street_id = core.street()
		and (v._due_on, v.id) > (coalesce(split_part(p_after, ' ', 1)::date, '-infinity'),
			coalesce(split_part(p_after, ' ', 2)::uuid, '00000000-0000-0000-0000-000000000000'))
		and (p_kind is null or v.kind = p_kind) and (p_status is null or v.status = p_status)
		and (p_org is null or v.org_id = p_org) and (p_expired is null or v.expired = p_expired)
		and (p_due_before is null or v._due_on < p_due_before)
		and (p_updated is null or v.updated_at > p_updated)
		and (p_q is null or strpos(v.serial, p_q) > 0 or strpos(v.place, p_q) > 0)
		and (p_under is null or exists (select from grid.grid u where u.street_id = core.street()
			and u.id = p_under and v._path ^@ u.path))
	order by v._due_on, v.id
	limit p_limit
$$;
comment on function field.equipment_list(text, text, uuid, uuid, boolean, date, timestamptz, text, text, integer) is
	'A page of the register, what is due first before the rest; a null filters nothing.';

create function field.move_equipment(p_ids uuid[], p_grid uuid, p_path text) returns void
language plpgsql
as $$
begin
	update field.equipment e set grid_id = p_grid, path = p_path, version = e.version + 1, updated_at = core.now()
	where e.street_id = core.street() and e.id = any (p_ids);
	update field.equipment_inspection i set path = p_path
	where i.street_id = core.street() and i.equipment_id = any (p_ids);
	update field.reading r set path = p_path
	where r.street_id = core.street() and r.equipment_id = any (p_ids);
	update ticket.photo f set path = p_path
	where f.street_id = core.street() and f.subject_id = any (p_ids) and f.subject = 'equipment';
end
$$;
comment on function field.move_equipment(uuid[], uuid, text) is
	'Equipment on ground that changes hands, with its inspections, readings and photos. In role system.';

---------------------------------------------------------------- reminders
create function field.remind(batch integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	today constant date := core.today();
	s integer;
	e field.equipment;
	n integer := 0;
begin
	for s in select x.id from grid.street x order by x.id loop
		perform core.enter_system(s);
		for e in select x.* from field.equipment x
			where x.street_id = s and x.remind_on <= today
			order by x.remind_on limit batch - n for update skip locked
		loop
			if today > e.expires_on and e.told_expired is distinct from e.expires_on then
				perform core.put_event('equipment', e.id, 'expired', null, null, e.path, null, false,
					json_build_object('expires_on', e.expires_on));
			elsif today >= e.expires_on - field.ahead() and e.told_expiring is distinct from e.expires_on then
				perform core.put_event('equipment', e.id, 'expiring', null, null, e.path, null, false,
					json_build_object('expires_on', e.expires_on));
			end if;
			if today >= e.inspect_on and e.told_inspection is distinct from e.inspect_on then
				perform core.put_event('equipment', e.id, 'inspection_due', null, null, e.path, null, false,
					json_build_object('inspect_on', e.inspect_on));
			end if;
			update field.equipment x set
				told_expiring = case when today >= e.expires_on - field.ahead() then e.expires_on else x.told_expiring end,
				told_expired = case when today > e.expires_on then e.expires_on else x.told_expired end,
				told_inspection = case when today >= e.inspect_on then e.inspect_on else x.told_inspection end
			where x.street_id = s and x.id = e.id;
			n := n + 1;
		end loop;
		exit when n >= batch;
	end loop;
	return n;
end
$$;
comment on function field.remind(integer) is
	'Job: an event for what expires soon, has expired or is due for inspection, once for each of these dates, at most batch pieces; returns how many.';

---------------------------------------------------------------- grants
grant select on field.equipment, field.equipment_view, field.equipment_inspection, field.equipment_inspection_view to linli_app;
grant execute on function field.put_equipment(uuid, text, jsonb), field.retire_equipment(uuid, text),
	field.replace_equipment(uuid, uuid, jsonb), field.inspect_equipment(uuid, uuid, jsonb),
	field.from_equipment(uuid, uuid, jsonb),
	field.equipment_list(text, text, uuid, uuid, boolean, date, timestamptz, text, text, integer) to linli_app;
grant execute on function field.remind(integer) to linli_job;
