-- field: sensors. A program tells what a piece of equipment of its tells: smoke,
-- water, a manhole that is open, a door that was not opened. It becomes a hazard
-- where the piece hangs, or an alarm about who is watched over there.

create table field.reading (
	street_id integer not null,
	id uuid not null,
	equipment_id uuid not null,
	client_id uuid not null,
	device_id text collate "C" not null,
	event_id text collate "C" not null,
	path text collate "C" not null,
	org_id uuid,
	state text not null check (state in ('alarm', 'clear')),
	at timestamptz not null,
	text text,
	outcome text not null check (outcome in ('hazard', 'alarm', 'noted')),
	hazard_id uuid check ((hazard_id is not null) = (outcome = 'hazard')),
	created_at timestamptz not null default core.now(),
	primary key (street_id, id),
	constraint reading_once unique (street_id, client_id, device_id, event_id),
	foreign key (street_id, equipment_id) references field.equipment (street_id, id),
	foreign key (street_id, hazard_id) references field.hazard (street_id, id)
);
create index reading_of on field.reading (street_id, equipment_id, id);
comment on table field.reading is
	'class: street. What a sensor told, once under each id of the program''s, and what came of it: a hazard (new, or the open one of this sensor), alarms about who is watched over where it hangs, or nothing.';
alter table field.reading enable row level security;
alter table field.reading force row level security;
create policy visible on field.reading using (street_id = core.street()
	and case core.role() when 'client' then client_id = core.actor() else field.may_see(path, null, org_id, null) end);

create function field.sound_alarm(e field.equipment) returns boolean
language plpgsql
as $$
declare
	w care.watch;
	made uuid;
	known boolean := false;
begin
	for w in select x.* from care.watch x join people.person p on p.street_id = x.street_id and p.id = x.person_id
		where x.street_id = e.street_id and p.dwelling_id = e.dwelling_id and p.status = 'active' order by x.person_id for update of x loop
		known := true;
		continue when w.alarm_id is not null;
		made := core.new_id(w.street_id);
		insert into care.alarm (street_id, id, person_id, path, cause, seen_at) values (w.street_id, made, w.person_id, w.path, 'sensor', w.seen_at);
		update care.watch x set alarm_id = made where x.street_id = w.street_id and x.person_id = w.person_id;
		perform core.put_event('visit_alarm', made, 'raise', null, 'open', w.path, null, false);
	end loop;
	return known;
end
$$;
comment on function field.sound_alarm(field.equipment) is
	'Alarms about those who are watched over where it hangs, unless one is on; false when nobody is. In role system.';

create function field.sensed_hazard(e field.equipment, p_role text, p_text text) returns uuid
language plpgsql
as $$
declare
	h field.hazard;
	g grid.grid;
	made constant uuid := core.new_id(e.street_id);
begin
	select x.* into h from field.hazard x where x.street_id = e.street_id and x.source = 'sensor' and x.source_id = e.id and x.is_open;
	if found then
		perform core.put_event('hazard', h.id, 'sensor', null, null, h.path, null, false, json_strip_nulls(json_build_object('text', p_text)));
		return h.id;
	end if;
	select x.* into g from grid.grid x where x.street_id = e.street_id and x.id = e.grid_id;
	perform field.put_hazard(made, g, 'sensor', e.id, null, jsonb_build_object(
		'kind', case e.kind when 'smoke_alarm' then 'fire' when 'gas_alarm' then 'gas' when 'water_sensor' then 'water'
			when 'manhole_sensor' then 'traffic' when 'ebike_charger' then 'ebike' when 'door_sensor' then 'other'
			when 'sos_button' then 'other' else 'equipment' end,
		'title', field.kind_name(e.kind) || '报警', 'description', concat_ws('，', e.place, '编号' || e.serial, p_text),
		'address', e.place, 'lon', e.lon, 'lat', e.lat));
	update field.hazard x set found_role = p_role where x.street_id = e.street_id and x.id = made;
	return made;
end
$$;
comment on function field.sensed_hazard(field.equipment, text, text) is
	'The open hazard of a sensor, told of again, or a new one, where it hangs. In role system.';

create function field.take_reading(p_id uuid, p_role text, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	said constant text := core.mask_text(b ->> 'text');
	e field.equipment;
	came text := 'noted';
	hazard uuid;
begin
	-- One after the other of each sensor.
	select x.* into e from field.equipment x where x.street_id = core.street() and x.client_id = core.actor()
		and x.serial = b ->> 'device_id' and x.status = 'in_use' for update;
	perform core.must(found, 422, 'device_unknown', '/device_id');
	perform core.must((b ->> 'at')::timestamptz <= core.now() + interval '5 minutes', 422, 'time_in_future', '/at');
	if exists (select from field.reading r where r.street_id = e.street_id and r.client_id = e.client_id
		and r.device_id = e.serial and r.event_id = b ->> 'event_id') then
		return;
	end if;
	if b ->> 'state' = 'alarm' and e.kind in ('door_sensor', 'sos_button') and field.sound_alarm(e) then
		came := 'alarm';
	elsif b ->> 'state' = 'alarm' then
		came := 'hazard';
		hazard := field.sensed_hazard(e, p_role, said);
	end if;
	insert into field.reading (street_id, id, equipment_id, client_id, device_id, event_id, path, org_id, state, at, text,
		outcome, hazard_id)
	values (e.street_id, p_id, e.id, e.client_id, e.serial, b ->> 'event_id', e.path, e.org_id, b ->> 'state', (b ->> 'at')::timestamptz,
		said, came, hazard);
end
$$;
comment on function field.take_reading(uuid, text, jsonb) is 'As field.read_sensor(), which says who may.';

create function field.read_sensor(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	perform core.must(core.role() = 'client', 403, 'role_not_allowed');
	perform field.take_reading(p_id, core.role(), b);
end
$$;
comment on function field.read_sensor(uuid, jsonb) is
	'A program tells what a sensor of its tells; the same event again changes nothing. LN403 role_not_allowed, LN422 device_unknown, time_in_future.';

create view field.reading_view with (security_invoker = true) as
select r.street_id as _street_id, r.equipment_id as _equipment_id, r.client_id as _client_id, r.id, r.device_id, r.event_id, r.state,
	r.at, r.text, r.outcome, case when core.role() <> 'client' then r.hazard_id end as hazard_id, r.created_at
from field.reading r;
comment on view field.reading_view is 'class: street. Reading: a program does not learn whose hazard it became.';

grant select on field.reading, field.reading_view to linli_app;
grant execute on function field.read_sensor(uuid, jsonb) to linli_app;
