-- field: safety teams (安全监督员). A team of a community is complete when all four
-- kinds of member are there: professionals of enterprises, the street's emergency
-- office, the community's grid staff, micro-grid members who know the trade.

create table field.safety_team (
	street_id integer not null,
	id uuid not null,
	name text not null check (name ~ '[^[:space:]]' and length(name) <= 64),
	grid_id uuid not null,
	path text collate "C" not null,
	members jsonb not null,
	accounts uuid[] not null,
	closed boolean not null default false,
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	updated_by uuid,
	primary key (street_id, id),
	foreign key (street_id, grid_id) references grid.grid (street_id, id)
);
comment on table field.safety_team is
	'class: street. A safety team of a community; members are {account_id, name, kind, qualification}, accounts theirs, who see it too.';
create index safety_team_path on field.safety_team (street_id, path, id);
alter table field.safety_team enable row level security;
alter table field.safety_team force row level security;
create policy visible on field.safety_team
	using (street_id = core.street() and (core.may_see_private(path, null) or core.actor() = any (accounts)));

create table field.safety_inspection (
	street_id integer not null,
	id uuid not null,
	team_id uuid not null,
	path text collate "C" not null,
	accounts uuid[] not null,
	grid_id uuid not null,
	place text not null,
	note text,
	hazard_count integer not null,
	account_id uuid not null,
	role text not null,
	created_at timestamptz not null default core.now(),
	primary key (street_id, id),
	foreign key (street_id, team_id) references field.safety_team (street_id, id)
);
comment on table field.safety_inspection is
	'class: street. A team was at a place; the hazards it found name the inspection as their source.';
create index safety_inspection_team on field.safety_inspection (street_id, team_id, id);
alter table field.safety_inspection enable row level security;
alter table field.safety_inspection force row level security;
create policy visible on field.safety_inspection
	using (street_id = core.street() and (core.may_see_private(path, null) or core.actor() = any (accounts)));

create function field.stands_for(p_account uuid, p_kind text) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
	if p_kind in ('grid_staff', 'micro_member') and exists (select from grid.assignment a
		where a.street_id = core.street() and a.account_id = p_account
			and (a.lead_kind = 'general') = (p_kind = 'grid_staff')
			and a.from_on <= core.today() and (a.to_on is null or a.to_on > core.today())) then
		return true;
	end if;
	return exists (select from identity.account_role r
		where r.account_id = p_account and r.street_id = core.street()
			and r.role = any (case p_kind when 'enterprise' then '{merchant}'::text[]
				when 'emergency_office' then '{street,department}' when 'grid_staff' then '{community}' else '{}' end)
			and r.from_on <= core.today() and (r.to_on is null or r.to_on > core.today()));
end
$$;
comment on function field.stands_for(uuid, text) is
	'Does somebody hold today what makes them this kind of member: enterprise who acts for a partner, emergency_office for the street or a department, grid_staff who leads a general grid or works for a community, micro_member who leads a micro-grid or special grid.';

create function field.missing_kinds(p_members jsonb) returns text[]
language plpgsql stable
as $$
begin
	return array(select k from unnest('{enterprise,emergency_office,grid_staff,micro_member}'::text[]) k
		where not exists (select from jsonb_array_elements(p_members) m
			where m ->> 'kind' = k and field.stands_for((m ->> 'account_id')::uuid, k)));
end
$$;
comment on function field.missing_kinds(jsonb) is 'Kinds of member nobody of a team is today.';

create view field.safety_team_view with (security_invoker = true) as
select t.street_id as _street_id, t.path as _path, t.version || '-' || left(md5(m.missing::text), 8) as _etag,
	t.id, t.name, t.grid_id, g.name as grid_name, t.members::json as members, to_json(m.missing) as missing,
	m.missing = '{}' as complete, core.actor() = any (t.accounts) as mine, t.closed, t.updated_at
from field.safety_team t
left join grid.grid g on g.street_id = t.street_id and g.id = t.grid_id
cross join lateral (select field.missing_kinds(t.members) as missing offset 0) m;
comment on view field.safety_team_view is 'class: street. SafetyTeam: with the kinds of member it lacks today.';

create view field.safety_inspection_view with (security_invoker = true) as
select i.street_id as _street_id, i.team_id as _team_id, i.id, i.grid_id, i.place, i.note, i.hazard_count, i.role,
	i.account_id = core.actor() as mine, i.created_at
from field.safety_inspection i;
comment on view field.safety_inspection_view is 'class: street. SafetyInspection.';

create function field.put_team(p_id uuid, p_if_match text, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	t field.safety_team;
	g grid.grid;
	x record;
	a identity.account;
	list jsonb := '[]';
	ids uuid[] := '{}';
begin
	if core.role() not in ('community', 'street') then
		perform core.fail(403, 'role_not_allowed');
	end if;
	if p_if_match is not null then
		select y.* into t from field.safety_team y where y.street_id = core.street() and y.id = p_id for update;
		if not found then
			perform core.fail(404, 'not_found');
		elsif core.is_stale(t.version, p_if_match) then
			perform core.fail(412, 'version_conflict');
		end if;
	end if;
	g := field.own_grid((b ->> 'grid_id')::uuid);
	if g.kind <> 'master' then
		perform core.fail(422, 'grid_kind_mismatch', '/grid_id');
	end if;
	for x in select m, n - 1 as n from jsonb_array_elements(b -> 'members') with ordinality y (m, n) loop
		select y.* into a from identity.account y where y.login = lower(x.m ->> 'login') and y.disabled_at is null;
		if not found or a.id = any (ids) then
			perform core.fail(422, 'account_unknown', '/members/' || x.n || '/login');
		elsif not field.stands_for(a.id, x.m ->> 'kind') then
			perform core.fail(422, 'member_kind_mismatch', '/members/' || x.n || '/kind');
		elsif x.m ->> 'kind' = 'micro_member' and x.m ->> 'qualification' is null then
			perform core.fail(422, 'qualification_required', '/members/' || x.n || '/qualification');
		end if;
		ids := ids || a.id;
		list := list || jsonb_build_object('account_id', a.id, 'name', a.display_name, 'kind', x.m ->> 'kind',
			'qualification', x.m ->> 'qualification');
	end loop;
	insert into field.safety_team as y (street_id, id, name, grid_id, path, members, accounts, closed, updated_by)
	values (core.street(), p_id, b ->> 'name', g.id, g.path, list, ids, coalesce((b ->> 'closed')::boolean, false), core.actor())
	on conflict on constraint safety_team_pkey do update set name = excluded.name, grid_id = excluded.grid_id,
		path = excluded.path, members = excluded.members, accounts = excluded.accounts, closed = excluded.closed,
		version = y.version + 1, updated_at = core.now(), updated_by = excluded.updated_by;
	perform core.put_event('safety_team', p_id, case when p_if_match is null then 'create' else 'update' end, null, null,
		g.path, null, false);
end
$$;
comment on function field.put_team(uuid, text, jsonb) is
	'A team of a community with its members, each of whom is what they are entered as. LN404, LN412, LN422 grid_not_found, grid_kind_mismatch, account_unknown, member_kind_mismatch, qualification_required.';

create function field.inspect_by_team(p_id uuid, p_team uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	t field.safety_team;
	g grid.grid;
	found_things constant jsonb := coalesce(nullif(b -> 'hazards', 'null'), '[]');
begin
	select x.* into t from field.safety_team x where x.street_id = core.street() and x.id = p_team;
	if not found then
		perform core.fail(404, 'not_found');
	elsif not coalesce(core.actor() = any (t.accounts), false) then
		perform core.fail(403, 'not_assigned');
	elsif t.closed or field.missing_kinds(t.members) <> '{}' then
		perform core.fail(409, 'team_incomplete');
	end if;
	select x.* into g from grid.grid x where x.street_id = t.street_id and x.id = (b ->> 'grid_id')::uuid and x.path ^@ t.path
		and x.kind in ('micro', 'special') and (x.valid_to is null or x.valid_to > core.today());
	if not found then
		perform core.fail(422, 'grid_not_found', '/grid_id');
	end if;
	insert into field.safety_inspection (street_id, id, team_id, path, accounts, grid_id, place, note, hazard_count, account_id, role)
	values (t.street_id, p_id, t.id, t.path, t.accounts, g.id, b ->> 'place', b ->> 'note', jsonb_array_length(found_things),
		core.actor(), core.role());
	perform core.put_event('safety_team', t.id, 'inspect', null, null, t.path, null, false,
		json_build_object('inspection_id', p_id, 'hazards', jsonb_array_length(found_things)));
	-- A member sees what the team finds wherever in the community it lies.
	perform field.team_finds(p_id, core.new_id(t.street_id), g, core.actor(), core.role(), x || jsonb_build_object('address', b ->> 'place'))
	from jsonb_array_elements(found_things) x;
end
$$;
comment on function field.inspect_by_team(uuid, uuid, jsonb) is
	'A complete team has inspected a place in its community; what it found is on its way. LN404, LN403 not_assigned, LN409 team_incomplete, LN422 grid_not_found.';

-- As system: a member who leads one micro-grid may inspect another.
create function field.team_finds(p_inspection uuid, p_id uuid, g grid.grid, p_actor uuid, p_role text, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
begin
	perform field.put_hazard(p_id, g, 'inspection', p_inspection,
		case when p_role in ('merchant', 'department') then p_actor end, b);
	update field.hazard h set found_role = p_role where h.street_id = core.street() and h.id = p_id;
end
$$;
comment on function field.team_finds(uuid, uuid, grid.grid, uuid, text, jsonb) is
	'A hazard found by a safety team. Not for the app.';

create function field.follow_teams(p_redraw uuid) returns void
language plpgsql
as $$
declare
	st constant integer := core.street();
	t field.safety_team;
begin
	for t in update field.safety_team x set grid_id = coalesce(g.id, x.grid_id), path = coalesce(g.path, x.path),
			closed = x.closed or g.id is null, version = x.version + 1, updated_at = core.now()
		from grid.heirs(p_redraw) c
		left join grid.grid g on g.street_id = st and g.id = c.heirs[1]
		where x.street_id = st and x.grid_id = c.grid_id returning x.*
	loop
		update field.safety_inspection i set path = t.path where i.street_id = st and i.team_id = t.id;
		perform core.put_event('safety_team', t.id, 'transfer', null, null, t.path, null, false,
			json_build_object('to_grid_id', t.grid_id));
	end loop;
end
$$;
comment on function field.follow_teams(uuid) is
	'The team of a community that a redraw closes goes with its inspections to the first that comes after it, and is closed where none does. In role system.';

grant select on field.safety_team, field.safety_team_view, field.safety_inspection, field.safety_inspection_view to linli_app;
grant execute on function field.stands_for(uuid, text), field.missing_kinds(jsonb), field.put_team(uuid, text, jsonb),
	field.inspect_by_team(uuid, uuid, jsonb) to linli_app;
