-- duty: 准入. A department, or an office of the street, may not push work to the
-- grids as it likes: it proposes, the street admits it, and only then the leads
-- see it, each grid as a task of its own. How much one lead may have is limited.

---------------------------------------------------------------- tables
create table duty.admission (
	street_id integer not null,
	id uuid not null,
	org_id uuid,
	title text not null,
	description text not null,
	grid_kind text not null check (grid_kind in ('general', 'micro', 'special')),
	grid_ids uuid[] not null,
	due_on date not null,
	status text not null default 'proposed' check (status in ('proposed', 'approved', 'refused', 'withdrawn', 'done')),
	reason text,
	proposed_by uuid not null,
	decided_by uuid,
	decided_at timestamptz,
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	primary key (street_id, id),
	foreign key (street_id, org_id) references identity.org (street_id, id)
);
comment on table duty.admission is
	'class: street. Work that somebody wants of the grids: of a department, or of the street''s own offices (org_id null); for all grids of a kind at or below grid_ids.';
create index admission_org on duty.admission (street_id, org_id, id);

create table duty.grid_task (
	street_id integer not null,
	id uuid not null,
	admission_id uuid not null,
	grid_id uuid not null,
	path text collate "C" not null,
	org_id uuid,
	title text not null,
	description text not null,
	due_on date not null,
	status text not null default 'open' check (status in ('open', 'done', 'withdrawn')),
	note text,
	done_at timestamptz,
	done_by uuid,
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	primary key (street_id, id),
	constraint task_once unique (street_id, admission_id, grid_id),
	foreign key (street_id, admission_id) references duty.admission (street_id, id),
	foreign key (street_id, grid_id) references grid.grid (street_id, id)
);
comment on table duty.grid_task is
	'class: street. What one grid has to do of an admission, in the words that were admitted.';
create index grid_task_path on duty.grid_task (street_id, path, id);
create index grid_task_open on duty.grid_task (street_id, path) where status = 'open';
create index grid_task_org on duty.grid_task (street_id, org_id, id) where org_id is not null;

create table duty.task_limit (
	street_id integer primary key,
	per_lead integer not null check (per_lead between 0 and 1000),
	version integer not null default 1,
	updated_at timestamptz not null default core.now(),
	updated_by uuid
);
comment on table duty.task_limit is 'class: street. How many open tasks one lead may have; without a row duty.usual_limit().';

alter table duty.admission enable row level security;
alter table duty.admission force row level security;
create policy proposer_or_street on duty.admission using (street_id = core.street()
	and case core.role() when 'department' then org_id = core.org() else core.role() in ('street', 'system') end);
alter table duty.grid_task enable row level security;
alter table duty.grid_task force row level security;
create policy proposer_or_staff on duty.grid_task using (street_id = core.street()
	and case core.role() when 'department' then org_id = core.org() else core.may_see_private(path, null) end);
alter table duty.task_limit enable row level security;
alter table duty.task_limit force row level security;
create policy street on duty.task_limit using (street_id = core.street());

insert into core.transition (machine, from_state, action, to_state, roles, guard) values
	('admission', '', 'propose', 'proposed', '{department,street}', null),
	('admission', 'proposed', 'approve', 'approved', '{street}', 'not_own within_limit'),
	('admission', 'proposed', 'refuse', 'refused', '{street}', null),
	('admission', 'proposed', 'withdraw', 'withdrawn', '{department,street}', 'own_office'),
	('admission', 'approved', 'withdraw', 'withdrawn', '{department,street}', null),
	('admission', 'approved', 'finish', 'done', '{system}', null),
	('grid_task', '', 'admit', 'open', '{street}', null),
	('grid_task', 'open', 'finish', 'done', '{grid_lead,community}', null),
	('grid_task', 'open', 'withdraw', 'withdrawn', '{department,street}', null);

---------------------------------------------------------------- loads
create function duty.usual_limit() returns integer
language sql immutable parallel safe
return 5;
comment on function duty.usual_limit() is 'Open tasks of one lead, where the street has said nothing else.';

create function duty.limit_now(out per_lead integer, out version integer, out updated_at timestamptz)
language plpgsql stable
as $$
begin
	select l.per_lead, l.version, l.updated_at into per_lead, version, updated_at
	from duty.task_limit l where l.street_id = core.street();
	per_lead := coalesce(per_lead, duty.usual_limit());
	version := coalesce(version, 0);
end
$$;
comment on function duty.limit_now() is 'The street''s limit; version 0 as long as it has set none.';

create function duty.put_limit(p_if_match text, p_per_lead integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	perform core.must(core.role() = 'street', 403, 'role_not_allowed');
	perform from grid.street s where s.id = core.street() for no key update;
	perform core.must(not core.is_stale((duty.limit_now()).version, p_if_match), 412, 'version_conflict');
	insert into duty.task_limit as l (street_id, per_lead, updated_by) values (core.street(), p_per_lead, core.actor())
	on conflict on constraint task_limit_pkey do update set per_lead = excluded.per_lead, version = l.version + 1,
		updated_at = core.now(), updated_by = excluded.updated_by;
	perform core.put_event('task_limit', core.new_id(core.street()), 'put', null, null, core.street() || '/', null, false,
		json_build_object('per_lead', p_per_lead));
end
$$;
comment on function duty.put_limit(text, integer) is 'How many open tasks one lead may have. LN403 role_not_allowed, LN412 version_conflict.';

create type duty.load as (lead_id uuid, name text, load integer, grids integer);
comment on type duty.load is 'A lead: open tasks, and in how many grids.';

create function duty.loads(p_of uuid[]) returns setof duty.load
language plpgsql stable rows 100
as $$
begin
	return query select a.account_id, min(a.name), count(t.id)::integer, count(distinct a.grid_id)::integer
	from grid.assignment a
	left join duty.grid_task t on t.street_id = a.street_id and t.path = a.path and t.status = 'open'
	where a.street_id = core.street() and a.from_on <= core.today() and (a.to_on is null or a.to_on > core.today())
		and a.path ^@ any (core.scopes()) and (p_of is null or a.account_id = any (p_of))
	group by a.account_id;
end
$$;
comment on function duty.loads(uuid[]) is 'What leads have to do now, all or these, in grids of the caller''s that they themselves lead.';

create function duty.targets(p_ids uuid[], p_kind text) returns setof grid.grid
language plpgsql stable rows 100
as $$
begin
	return query select distinct on (g.path) g.* from grid.grid top
		join grid.grid g on g.street_id = top.street_id and g.path ^@ top.path and g.kind = p_kind
			and (g.valid_to is null or g.valid_to > core.today())
	where top.street_id = core.street() and top.id = any (p_ids) order by g.path;
end
$$;
comment on function duty.targets(uuid[], text) is 'The grids of a kind that are there today, at or below some.';

create function duty.over_limit(a duty.admission) returns json
language plpgsql stable
as $$
declare
	most constant integer := (duty.limit_now()).per_lead;
begin
	return (with more as (select x.account_id, count(*)::integer as n from duty.targets(a.grid_ids, a.grid_kind) g
			join grid.assignment x on x.street_id = g.street_id and x.grid_id = g.id
				and x.from_on <= core.today() and (x.to_on is null or x.to_on > core.today())
			group by 1)
		select coalesce(json_agg(json_build_object('lead_id', l.lead_id, 'name', l.name, 'load', l.load, 'more', m.n, 'limit', most)
			order by l.lead_id), '[]')
		from more m join duty.loads((select array_agg(account_id) from more)) l on l.lead_id = m.account_id
		where l.load + m.n > most);
end
$$;
comment on function duty.over_limit(duty.admission) is 'Leads who would have more than they may, were it admitted now.';

---------------------------------------------------------------- acts
create function duty.admission_bars(a duty.admission) returns text[]
language plpgsql stable
as $$
begin
	return array_remove(array[
		case when a.proposed_by = core.actor() then 'not_own' end,
		case when core.role() = 'street' and a.org_id is not null then 'own_office' end,
		case when core.role() = 'street' and a.status = 'proposed' and duty.over_limit(a)::text <> '[]' then 'within_limit' end], null);
end
$$;
comment on function duty.admission_bars(duty.admission) is 'Names of the guards in core.transition that bar the caller now.';

create function duty.admission_for(p_id uuid, p_action text) returns duty.admission
language plpgsql
as $$
declare
	a duty.admission;
	tr core.transition;
	bar text;
begin
	select x.* into a from duty.admission x where x.street_id = core.street() and x.id = p_id for update;
	perform core.must(found, 404, 'not_found');
	select t.* into tr from core.transition t where t.machine = 'admission' and t.from_state = a.status and t.action = p_action;
	perform core.must(exists (select from core.transition t where t.machine = 'admission' and t.action = p_action
		and core.role() = any (t.roles)), 403, 'role_not_allowed');
	perform core.must(tr.action is not null, 409, 'wrong_state');
	bar := (select g.bar from unnest(string_to_array(tr.guard, ' ')) with ordinality g (bar, n)
		where g.bar = any (duty.admission_bars(a)) order by g.n limit 1);
	perform core.must(bar is distinct from 'not_own', 403, 'own_proposal');
	perform core.must(bar is distinct from 'own_office', 403, 'not_your_proposal');
	perform core.must(bar is distinct from 'within_limit', 409, 'lead_overloaded');
	return a;
end
$$;
comment on function duty.admission_for(uuid, text) is
	'An admission, locked, of which the caller may do this now. LN404, LN403 role_not_allowed, own_proposal, not_your_proposal, LN409 wrong_state, lead_overloaded.';

create function duty.propose(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	ids constant uuid[] := array(select jsonb_array_elements_text(b -> 'grid_ids')::uuid);
	st constant integer := core.street();
	org constant uuid := case core.role() when 'department' then core.org() end;
	unknown integer;
begin
	perform core.must(core.role() in ('department', 'street'), 403, 'role_not_allowed');
	perform core.must((b ->> 'due_on')::date >= core.today(), 422, 'date_passed', '/due_on');
	select min(i.n) - 1 into unknown from unnest(ids) with ordinality i (id, n)
	where not exists (select from grid.grid g where g.street_id = st and g.id = i.id);
	perform core.must(unknown is null, 422, 'grid_not_found', format('/grid_ids/%s', unknown));
	perform core.must(exists (select from duty.targets(ids, b ->> 'grid_kind')), 422, 'grid_not_found', '/grid_kind');
	insert into duty.admission (street_id, id, org_id, title, description, grid_kind, grid_ids, due_on, proposed_by)
	values (st, p_id, org, b ->> 'title', b ->> 'description', b ->> 'grid_kind', ids, (b ->> 'due_on')::date, core.actor());
	perform core.put_event('admission', p_id, 'propose', null, 'proposed', st || '/', null, false, null, org);
end
$$;
comment on function duty.propose(uuid, jsonb) is
	'Work a department, or an office of the street, wants of grids. LN403 role_not_allowed, LN422 date_passed, grid_not_found.';

create function duty.act_admission(p_id uuid, p_action text, p_reason text default null) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	a duty.admission;
	become text;
begin
	-- Two of them admitted at once would each find room for itself alone.
	perform from grid.street s where s.id = core.street() for no key update;
	a := duty.admission_for(p_id, p_action);
	select t.to_state into become from core.transition t where t.machine = 'admission' and t.from_state = a.status and t.action = p_action;
	update duty.admission x set status = become, reason = core.mask_text(p_reason), decided_by = core.actor(), decided_at = core.now(),
		version = x.version + 1, updated_at = core.now()
	where x.street_id = a.street_id and x.id = a.id;
	perform core.put_event('admission', a.id, p_action, a.status, become, a.street_id || '/', null, false,
		json_strip_nulls(json_build_object('text', core.mask_text(p_reason))), a.org_id);
	if p_action = 'approve' then
		insert into duty.grid_task (street_id, id, admission_id, grid_id, path, org_id, title, description, due_on)
		select a.street_id, core.new_id(a.street_id), a.id, g.id, g.path, a.org_id, a.title, a.description, a.due_on
		from duty.targets(a.grid_ids, a.grid_kind) g;
	else
		update duty.grid_task t set status = 'withdrawn', version = t.version + 1, updated_at = core.now()
		where t.street_id = a.street_id and t.admission_id = a.id and t.status = 'open';
	end if;
	perform core.put_event('grid_task', t.id, case p_action when 'approve' then 'admit' else p_action end,
		case p_action when 'withdraw' then 'open' end, t.status, t.path, null, false, json_build_object('admission_id', a.id), a.org_id)
	from duty.grid_task t where t.street_id = a.street_id and t.admission_id = a.id and t.updated_at = core.now()
		and t.status = case p_action when 'approve' then 'open' else 'withdrawn' end;
end
$$;
comment on function duty.act_admission(uuid, text, text) is
	'approve, refuse, withdraw: admitted, each grid has a task; withdrawn, those still open are over. As duty.admission_for().';

-- As system: a lead sees the task and not what it is of.
create function duty.turn_admission(p_id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	a duty.admission;
begin
	select x.* into a from duty.admission x where x.street_id = core.street() and x.id = p_id for update;
	if a.status = 'approved' and not exists (select from duty.grid_task t where t.street_id = a.street_id
			and t.admission_id = a.id and t.status = 'open') then
		update duty.admission x set status = 'done', version = x.version + 1, updated_at = core.now()
		where x.street_id = a.street_id and x.id = a.id;
		perform core.put_event('admission', a.id, 'finish', 'approved', 'done', a.street_id || '/', null, false, null, a.org_id);
	end if;
end
$$;
comment on function duty.turn_admission(uuid) is
	'Locks the admission of a task, which is done when the last of them is. Said before a task is locked, and after it is done.';

create function duty.finish_task(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	t duty.grid_task;
begin
	perform core.must(core.role() in ('grid_lead', 'community'), 403, 'role_not_allowed');
	select x.* into t from duty.grid_task x where x.street_id = core.street() and x.id = p_id;
	perform core.must(found, 404, 'not_found');
	perform duty.turn_admission(t.admission_id);
	select x.* into t from duty.grid_task x where x.street_id = core.street() and x.id = p_id for update;
	perform core.must(t.status = 'open', 409, 'wrong_state');
	update duty.grid_task x set status = 'done', note = core.mask_text(b ->> 'note'), done_at = core.now(), done_by = core.actor(),
		version = x.version + 1, updated_at = core.now()
	where x.street_id = t.street_id and x.id = t.id;
	perform core.put_event('grid_task', t.id, 'finish', 'open', 'done', t.path, null, false,
		json_build_object('admission_id', t.admission_id, 'text', core.mask_text(b ->> 'note')), t.org_id);
	perform duty.turn_admission(t.admission_id);
end
$$;
comment on function duty.finish_task(uuid, jsonb) is 'A grid has done its task. LN403 role_not_allowed, LN404, LN409 wrong_state.';

-- As system, of grid.execute_redraw().
create function duty.follow_tasks(p_redraw uuid) returns void
language plpgsql
as $$
declare
	t record;
	g grid.grid;
	made duty.grid_task;
	taken boolean;
begin
	for t in select x as it, h.heirs from grid.heirs(p_redraw) h
		join duty.grid_task x on x.street_id = core.street() and x.grid_id = h.grid_id and x.status = 'open' order by x.id for update of x
	loop
		taken := false;
		for g in select y.* from unnest(t.heirs) with ordinality h (id, n)
			join grid.grid y on y.street_id = core.street() and y.id = h.id
			where not exists (select from duty.grid_task z where z.street_id = y.street_id
				and z.admission_id = (t.it).admission_id and z.grid_id = y.id) order by h.n
		loop
			if not taken then
				taken := true;
				update duty.grid_task x set grid_id = g.id, path = g.path, version = x.version + 1, updated_at = core.now()
				where x.street_id = g.street_id and x.id = (t.it).id returning x.* into made;
			else
				insert into duty.grid_task (street_id, id, admission_id, grid_id, path, org_id, title, description, due_on)
				values (g.street_id, core.new_id(g.street_id), (t.it).admission_id, g.id, g.path, (t.it).org_id, (t.it).title,
					(t.it).description, (t.it).due_on) returning * into made;
			end if;
			perform core.put_event('grid_task', made.id, 'transfer', null, null, g.path, null, false,
				json_build_object('admission_id', made.admission_id, 'to_grid_id', g.id), made.org_id);
		end loop;
		if not taken then
			update duty.grid_task x set status = 'withdrawn', version = x.version + 1, updated_at = core.now()
			where x.street_id = core.street() and x.id = (t.it).id;
			perform core.put_event('grid_task', (t.it).id, 'withdraw', 'open', 'withdrawn', (t.it).path, null, false,
				json_build_object('admission_id', (t.it).admission_id), (t.it).org_id);
			perform duty.turn_admission((t.it).admission_id);
		end if;
	end loop;
end
$$;
comment on function duty.follow_tasks(uuid) is
	'Open tasks of a closed grid are those of each that comes after it and has none of the admission; with nobody there they are over.';

---------------------------------------------------------------- what clients read
create view duty.admission_view with (security_invoker = true) as
select a.street_id as _street_id, a.version || '-' || left(md5(concat(n.grids, n.done, x.over, x.bars)), 8) as _etag, a.id, a.org_id, o.name as org_name,
	a.title, a.description, a.grid_kind, to_json(a.grid_ids) as grid_ids, a.due_on, a.status, a.reason, a.decided_at,
	n.grids, n.done, care.share(n.done, n.grids) as completion, x.over as over_limit, a.created_at, a.updated_at,
	(select coalesce(json_agg(t.action order by t.action), '[]') from core.transition t where t.machine = 'admission'
		and t.from_state = a.status and core.role() = any (t.roles)
		and not coalesce(string_to_array(t.guard, ' ') && x.bars, false)) as actions
from duty.admission a left join identity.org o on o.street_id = a.street_id and o.id = a.org_id
cross join lateral (select count(*) filter (where t.status <> 'withdrawn' or a.status = 'withdrawn') as grids,
		count(*) filter (where t.status = 'done') as done
	from duty.grid_task t where t.street_id = a.street_id and t.admission_id = a.id) n
cross join lateral (select duty.admission_bars(a) as bars,
	case when a.status = 'proposed' and core.role() = 'street' then duty.over_limit(a) else '[]' end as over offset 0) x;
comment on view duty.admission_view is 'class: street. Admission: with how many of its grids are done, and whom it would be too much for.';

create view duty.grid_task_view with (security_invoker = true) as
select t.street_id as _street_id, t.path as _path, t.version::text as _etag, t.id, t.admission_id, t.grid_id, g.name as grid_name, t.org_id,
	o.name as org_name, t.title, t.description, t.due_on, t.status = 'open' and t.due_on < core.today() as overdue, t.status, t.note, t.done_at,
	t.created_at, t.updated_at,
	(select coalesce(json_agg(x.action order by x.action), '[]') from core.transition x where x.machine = 'grid_task'
		and x.from_state = t.status and x.action = 'finish' and core.role() = any (x.roles)) as actions
from duty.grid_task t left join grid.grid g on g.street_id = t.street_id and g.id = t.grid_id
left join identity.org o on o.street_id = t.street_id and o.id = t.org_id;
comment on view duty.grid_task_view is 'class: street. GridTask.';

grant select on duty.admission, duty.grid_task, duty.task_limit, duty.admission_view, duty.grid_task_view to linli_app;
grant execute on function duty.limit_now(), duty.loads(uuid[]), duty.over_limit(duty.admission), duty.targets(uuid[], text), duty.usual_limit(),
	duty.admission_bars(duty.admission), duty.put_limit(text, integer), duty.propose(uuid, jsonb),
	duty.act_admission(uuid, text, text), duty.finish_task(uuid, jsonb) to linli_app;
