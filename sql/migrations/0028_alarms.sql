-- care: 关爱. Who lives alone is watched over: when nobody has visited for too
-- long there is an alarm, once. And how all of care follows people and plans.
create table care.watch_rule (
	code text primary key references people.tag_kind (code),
	days integer not null check (days > 0)
);
comment on table care.watch_rule is 'class: reference. Who has to be seen how often: without a visit for so many days there is an alarm.';
insert into care.watch_rule (code, days) values ('solitary_elder', 7);

-- A date of its own and no clock of clock.*: days and nights count alike, for who
-- lives alone is alone on holidays too; each visit moves it, nobody pauses it or
-- asks for more, and nothing is announced before it has passed.
create table care.watch (
	street_id integer not null,
	person_id uuid not null,
	path text collate "C" not null,
	days integer not null,
	seen_at timestamptz not null,
	due_at timestamptz not null,
	alarm_id uuid,
	primary key (street_id, person_id),
	foreign key (street_id, person_id) references people.person (street_id, id)
);
create index watch_due on care.watch (street_id, due_at) where alarm_id is null;
comment on table care.watch is 'class: street. Who is watched over (care.watch_rule), when they were last seen, and the alarm that is on.';

create table care.alarm (
	street_id integer not null,
	id uuid not null,
	person_id uuid not null,
	path text collate "C" not null,
	cause text not null default 'unseen' check (cause in ('unseen', 'sensor')),
	state text not null default 'open' check (state in ('open', 'cleared', 'dismissed', 'ended')),
	seen_at timestamptz not null,
	raised_at timestamptz not null default core.now(),
	closed_at timestamptz,
	closed_by uuid,
	visit_id uuid,
	reason text,
	updated_at timestamptz not null default core.now(),
	primary key (street_id, id),
	constraint alarm_once unique (street_id, person_id, seen_at),
	foreign key (street_id, person_id) references people.person (street_id, id)
);
create index alarm_path on care.alarm (street_id, path, id);
comment on table care.alarm is
	'class: street. Somebody watched over was not visited in time, or a sensor where they live told; once for each time they were last seen. cleared by a visit, dismissed by the community, ended with the tag.';

alter table care.watch enable row level security;
alter table care.watch force row level security;
create policy reach on care.watch using (street_id = core.street() and care.may_see(path, false));
alter table care.alarm enable row level security;
alter table care.alarm force row level security;
create policy reach on care.alarm using (street_id = core.street() and care.may_see(path, false));

insert into core.transition (machine, from_state, action, to_state, roles) values
	('visit_alarm', 'open', 'dismiss', 'dismissed', '{community}');

---------------------------------------------------------------- following the tags
create function care.follow_tag() returns trigger
language plpgsql
as $$
declare
	t people.tag := case when tg_op = 'DELETE' then old else new end;
	r care.watch_rule;
	a care.alarm;
begin
	select x.* into r from care.watch_rule x where x.code = t.code;
	if not found or t.person_id is null then
		return null;
	end if;
	if tg_op <> 'DELETE' and t.cleared_at is null then
		insert into care.watch (street_id, person_id, path, days, seen_at, due_at)
		values (t.street_id, t.person_id, t.path, r.days, t.set_at, t.set_at + make_interval(days => r.days))
		on conflict (street_id, person_id) do nothing;
		return null;
	end if;
	delete from care.watch w where w.street_id = t.street_id and w.person_id = t.person_id;
	for a in update care.alarm x set state = 'ended', closed_at = core.now(), closed_by = core.actor(), updated_at = core.now()
		where x.street_id = t.street_id and x.person_id = t.person_id and x.state = 'open' returning x.* loop
		perform core.put_event('visit_alarm', a.id, 'end', 'open', 'ended', a.path, null, false);
	end loop;
	return null;
end
$$;
create trigger follow_tag after insert or update of cleared_at, person_id or delete on people.tag
for each row execute function care.follow_tag();

---------------------------------------------------------------- alarms
create function care.dismiss_alarm(p_id uuid, p_reason text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	a care.alarm;
begin
	select x.* into a from care.alarm x where x.street_id = core.street() and x.id = p_id
		and x.path ^@ any (core.scopes()) for update;
	if not found then
		perform core.fail(404, 'not_found');
	end if;
	perform care.permit('visit_alarm', a.state, 'dismiss');
	update care.alarm x set state = 'dismissed', reason = core.mask_text(p_reason), closed_at = core.now(),
		closed_by = core.actor(), updated_at = core.now()
	where x.street_id = a.street_id and x.id = p_id;
	-- They are well somewhere else: the time begins anew.
	update care.watch w set seen_at = core.now(), due_at = core.now() + make_interval(days => w.days), alarm_id = null
	where w.street_id = a.street_id and w.person_id = a.person_id;
	perform core.put_event('visit_alarm', p_id, 'dismiss', 'open', 'dismissed', a.path, null, false);
end
$$;
comment on function care.dismiss_alarm(uuid, text) is
	'The community knows better: in hospital, with the children. LN404 not_found, LN403 role_not_allowed, LN409 wrong_state.';

create function care.alarms(p_id uuid, p_state text, p_under uuid, p_updated timestamptz, p_after uuid, p_most integer)
returns table (id uuid, person_id uuid, name text, address text, grid_id uuid, cause text, state text, seen_at timestamptz,
	raised_at timestamptz, closed_at timestamptz, visit_id uuid, reason text, updated_at timestamptz, actions json)
language plpgsql security definer set search_path = pg_catalog, pg_temp set jit = off
as $$
begin
	return query select a.id, a.person_id, s.name, s.address, s.grid_id, a.cause, a.state, a.seen_at, a.raised_at, a.closed_at,
		a.visit_id, a.reason, a.updated_at, care.offers('visit_alarm', a.state)
	from (
		select x.* from care.alarm x
		where x.street_id = core.street() and x.path ^@ any (core.scopes()) and (p_id is null or x.id = p_id)
			and (p_after is null or x.id > p_after) and (p_state is null or x.state = p_state)
			and (p_updated is null or x.updated_at > p_updated)
			and (p_under is null or x.path ^@ (select g.path from grid.grid g where g.street_id = x.street_id and g.id = p_under))
		order by x.id limit p_most) a
	join people.person p on p.street_id = a.street_id and p.id = a.person_id
	left join lateral people.show(p) s on true
	order by a.id;
end
$$;
comment on function care.alarms(uuid, text, uuid, timestamptz, uuid, integer) is 'VisitAlarm: one by id, or a page.';

---------------------------------------------------------------- following people
create function care.refresh(p_ids uuid[]) returns void
language plpgsql
as $$
declare
	street constant integer := core.street();
begin
	update care.visit x set path = p.path, place = case when x.state = any (care.open_states()) then p.path else x.place end,
		household_id = case when x.state = any (care.open_states()) then coalesce(p.household_id, x.household_id) else x.household_id end
	from people.person p
	where x.street_id = street and x.person_id = any (p_ids) and p.street_id = street and p.id = x.person_id;
	update care.watch x set path = p.path from people.person p
	where x.street_id = street and x.person_id = any (p_ids) and p.street_id = street and p.id = x.person_id;
	update care.alarm x set path = p.path from people.person p
	where x.street_id = street and x.person_id = any (p_ids) and p.street_id = street and p.id = x.person_id;
	update care.pairing x set path = p.path from people.person p
	where x.street_id = street and x.recipient_id = any (p_ids) and p.street_id = street and p.id = x.recipient_id;
	perform care.refresh_cases(p_ids);
end
$$;
comment on function care.refresh(uuid[]) is 'What is for these persons goes where they live now; what is over counts where it was. In role system.';

create function care.follow_households(p_dwellings uuid[], p_path text) returns void
language plpgsql
as $$
begin
	update care.visit x set path = p_path, place = case when x.state = any (care.open_states()) then p_path else x.place end
	from people.household h
	where x.street_id = core.street() and x.person_id is null
		and h.street_id = core.street() and h.dwelling_id = any (p_dwellings) and x.household_id = h.id;
	update care.knock x set path = p_path where x.street_id = core.street() and x.dwelling_id = any (p_dwellings);
end
$$;
comment on function care.follow_households(uuid[], text) is 'As care.refresh(), of visits to households in these dwellings, and of knocks at their doors.';

create function care.follow_plan(p care.plan, p_heirs uuid[]) returns void
language plpgsql
as $$
declare
	g grid.grid;
	goal uuid;
	taken boolean := false;
begin
	for g in select x.* from unnest(p_heirs) with ordinality h (id, n)
		join grid.grid x on x.street_id = p.street_id and x.id = h.id order by h.n
	loop
		select q.id into goal from care.plan q where q.street_id = p.street_id and q.grid_id = g.id and q.state = 'active'
			and q.tags @> p.tags and q.tags <@ p.tags and q.from_on <= core.today() and q.to_on > core.today() order by q.id limit 1;
		if goal is null and not taken then
			taken := true;
			goal := p.id;
			update care.plan x set grid_id = g.id, path = g.path, updated_at = core.now() where x.street_id = p.street_id and x.id = p.id;
			perform core.put_event('visit_plan', p.id, 'transfer', null, null, g.path, null, false, json_build_object('to_grid_id', g.id));
		elsif goal is null then
			insert into care.plan (street_id, id, grid_id, path, name, tags, from_on, to_on, due_on, repeats, previous_id, created_by)
			values (p.street_id, core.new_id(p.street_id), g.id, g.path, p.name, p.tags, p.from_on, p.to_on, p.due_on, p.repeats, p.id, p.created_by)
			returning id into goal;
			perform core.put_event('visit_plan', goal, 'create', null, 'active', g.path, null, false);
		end if;
		-- Their path has gone along with the dwellings, also of those that were made.
		update care.visit v set plan_id = goal where v.street_id = p.street_id and v.plan_id = p.id and v.path ^@ g.path
			and not exists (select from care.visit o where o.street_id = v.street_id and o.plan_id = goal and o.household_id = v.household_id);
		perform care.fill(goal);
	end loop;
	if not taken then
		perform care.end_plan(p.id);
	end if;
end
$$;
comment on function care.follow_plan(care.plan, uuid[]) is
	'A plan of a grid that is no more: each grid that comes after it has the plan with the visits to who lives there, its own for the same tags if there is one. In role system.';

create function care.follow_plans(p_redraw uuid) returns void
language plpgsql
as $$
declare
	st constant integer := core.street();
	r record;
	v care.visit;
begin
	for r in select p, c.heirs from grid.heirs(p_redraw) c
		join care.plan p on p.street_id = st and p.grid_id = c.grid_id and p.state = 'active' order by p.id
	loop
		perform care.follow_plan(r.p, r.heirs);
	end loop;
	-- Who a line has moved out of a plan's ground is still to be visited: by the
	-- plan there for the same tags, else on its own.
	for r in select x.id, q.id as plan_id from grid.redraw_item i
		join care.plan p on p.street_id = st and p.grid_id = i.grid_id and p.state = 'active'
		join care.visit x on x.street_id = st and x.plan_id = p.id and x.state = any (care.open_states()) and not x.path ^@ p.path
		left join lateral (select y.id from care.plan y where y.street_id = st and y.state = 'active' and x.path ^@ y.path
				and y.tags @> p.tags and y.tags <@ p.tags and y.from_on <= core.today() and y.to_on > core.today()
				and not exists (select from care.visit o where o.street_id = st and o.plan_id = y.id and o.household_id = x.household_id)
			order by length(y.path) desc, y.id limit 1) q on true
		where i.street_id = st and i.redraw_id = p_redraw and i.change = 'set'
	loop
		update care.visit x set plan_id = r.plan_id, kind = case when r.plan_id is null then 'other' else 'plan' end,
			version = x.version + 1, updated_at = core.now()
		where x.street_id = st and x.id = r.id returning x.* into v;
		perform care.tell(v, 'transfer', null, null);
	end loop;
end
$$;
comment on function care.follow_plans(uuid) is 'Plans and their visits after a redraw, when the dwellings have moved. In role system.';

create function care.binds(p people.person) returns boolean
language plpgsql stable
as $$
begin
	return exists (select from care.diary d join ticket.ticket t on t.street_id = d.street_id and t.id = d.ticket_id
		where d.street_id = p.street_id and d.person_id = p.id and t.is_open)
		or exists (select from care.party x join care.mediation m on m.street_id = x.street_id and m.id = x.mediation_id
			where x.street_id = p.street_id and x.person_id = p.id and m.state not in ('closed', 'withdrawn'));
end
$$;
comment on function care.binds(people.person) is 'Is there an open case about somebody: a ticket that came of a diary, a mediation. In role system.';

create function care.forget(p people.person, p_alias text) returns void
language plpgsql
as $$
begin
	update care.visit x set note = replace(x.note, p.name, p_alias), reason = replace(x.reason, p.name, p_alias)
	where x.street_id = p.street_id and (x.person_id = p.id or x.household_id = p.household_id);
	update care.visit x set state = 'cancelled', updated_at = core.now()
	where x.street_id = p.street_id and x.person_id = p.id and x.state = any (care.open_states());
	update care.alarm x set reason = replace(x.reason, p.name, p_alias) where x.street_id = p.street_id and x.person_id = p.id;
	update care.knock x set note = replace(x.note, p.name, p_alias) where x.street_id = p.street_id and x.dwelling_id = p.dwelling_id;
	perform care.forget_pairings(p, p_alias);
	perform care.forget_diary(p, p_alias);
	perform care.forget_cases(p, p_alias);
end
$$;
comment on function care.forget(people.person, text) is 'In what care keeps of somebody the pseudonym stands. In role system, before the person is no more.';

---------------------------------------------------------------- the job
-- In these functions moments and days are values: beside a policy an expression
-- finds no index.
create function care.raise_alarms(batch integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	present constant timestamptz := core.now();
	s integer;
	w care.watch;
	alarm uuid;
	n integer := 0;
begin
	for s in select g.id from grid.street g order by g.id loop
		perform core.enter_system(s);
		for w in select x.* from care.watch x
			where x.street_id = s and x.alarm_id is null and x.due_at <= present
			order by x.due_at limit batch - n for update skip locked
		loop
			alarm := core.new_id(s);
			insert into care.alarm (street_id, id, person_id, path, seen_at) values (s, alarm, w.person_id, w.path, w.seen_at);
			update care.watch x set alarm_id = alarm where x.street_id = s and x.person_id = w.person_id;
			perform core.put_event('visit_alarm', alarm, 'raise', null, 'open', w.path, null, false);
			n := n + 1;
		end loop;
		exit when n >= batch;
	end loop;
	return n;
end
$$;
comment on function care.raise_alarms(integer) is 'Job: alarms about whom nobody visited in time, at most batch; returns how many.';

create function care.turn_plans(batch integer) returns integer
language plpgsql
as $$
declare
	today constant date := core.today();
	p care.plan;
	n integer := 0;
begin
	for p in select x.* from care.plan x
		where x.street_id = core.street() and x.state = 'active' and x.filled_on < today
		order by x.filled_on, x.id limit batch for update skip locked loop
		if p.repeats <> 'no' and p.to_on <= today then
			perform care.renew(p);
		elsif p.to_on > today then
			perform care.fill(p.id);
		else
			-- Over: who has a tag now was not meant.
			update care.plan x set filled_on = 'infinity' where x.street_id = p.street_id and x.id = p.id;
		end if;
		n := n + 1;
	end loop;
	return n;
end
$$;
comment on function care.turn_plans(integer) is 'Once a day each plan is held against the tags, and what repeats goes on; returns how many plans. In role system.';

create function care.turn(batch integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	s integer;
	n integer := 0;
begin
	for s in select g.id from grid.street g order by g.id loop
		perform core.enter_system(s);
		n := n + care.turn_plans(batch - n);
		n := n + care.turn_seasons(batch - n);
		exit when n >= batch;
	end loop;
	return n;
end
$$;
comment on function care.turn(integer) is 'Job: plans whose day has come and seasons that begin, at most batch of them; returns how many.';

grant execute on function care.alarms(uuid, text, uuid, timestamptz, uuid, integer), care.dismiss_alarm(uuid, text) to linli_app;
grant execute on function care.raise_alarms(integer), care.turn(integer) to linli_job;
