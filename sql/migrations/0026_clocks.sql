-- clock: 时限. How long somebody has for what they owe, as data, and the
-- clocks that run. A clock belongs to a stage of a subject (accept of a ticket,
-- verify of a hazard …). Whoever moves a subject starts and stops its clocks in
-- the same transaction, holding the subject's row:
--
--   clock.start(subject, id, stage, path, owner, public, kind, category, urgency, class)
--   clock.start_until(subject, id, stage, path, owner, due)    where somebody names the deadline
--   clock.stop(id, stage)     what was owed is done; in time or late stays known
--   clock.drop(id, stage)     it is owed no longer: neither in time nor late
--   clock.pause(id, stage)    clock.resume(id, stage)      a stage null: all
--   clock.reopen(id, stage)   the same clock runs on as if it had never stopped
--   clock.nearest(id)         what to show: when is it due, when does it turn yellow
--
-- and adds a branch to clock.hold() (lock the subject), clock.tell() (its rows'
-- copies of due_at) and clock.lapse() (what follows when a deadline passes).

---------------------------------------------------------------- policies
create table clock.policy (
	street_id integer not null,
	subject text not null check (subject ~ '^[a-z_]{1,20}$'),
	stage text not null check (stage ~ '^[a-z_]{1,30}$'),
	kind text not null default '',
	category text not null default '',
	urgency text not null default '',
	class text not null default '',
	unit text not null check (unit in ('wall_minutes', 'working_minutes', 'working_days')),
	amount integer not null check (amount between 0 and 525600),
	on_overdue text not null default '' check (on_overdue in ('', 'community', 'street')),
	primary key (street_id, subject, stage, kind, category, urgency, class)
);
comment on table clock.policy is
	'class: reference. How long a stage may take; street 0 is everybody''s default. An empty field fits all; of those that fit the one that says most counts (class, then category, kind, urgency), a street''s own before the default.';
comment on column clock.policy.class is 'Class of the hotline 12345, or what another subject is told apart by';
comment on column clock.policy.on_overdue is 'Who hears of it when it was not done in time';

-- 武侯: 普通 2 days, 加急 1 day, 特急 at once, around the clock. 12345: 咨询 3,
-- 求助与建议 7, 投诉举报 15 working days (四川省12345政务服务便民热线).
insert into clock.policy (street_id, subject, stage, urgency, class, unit, amount, on_overdue) values
	(0, 'ticket', 'accept', '', '', 'working_minutes', 240, 'community'),
	(0, 'ticket', 'accept', 'urgent', '', 'working_minutes', 60, 'community'),
	(0, 'ticket', 'accept', 'critical', '', 'wall_minutes', 5, 'community'),
	(0, 'ticket', 'first_contact', '', '', 'working_days', 1, 'community'),
	(0, 'ticket', 'first_contact', 'urgent', '', 'working_minutes', 120, 'community'),
	(0, 'ticket', 'first_contact', 'critical', '', 'wall_minutes', 15, 'community'),
	(0, 'ticket', 'resolve', '', '', 'working_days', 2, 'street'),
	(0, 'ticket', 'resolve', 'urgent', '', 'working_days', 1, 'street'),
	(0, 'ticket', 'resolve', 'critical', '', 'wall_minutes', 60, 'street'),
	(0, 'ticket', 'resolve', '', 'consult', 'working_days', 3, 'street'),
	(0, 'ticket', 'resolve', '', 'help', 'working_days', 7, 'street'),
	(0, 'ticket', 'resolve', '', 'complaint', 'working_days', 15, 'street'),
	(0, 'ticket', 'resolve', 'critical', 'consult', 'wall_minutes', 60, 'street'),
	(0, 'ticket', 'resolve', 'critical', 'help', 'wall_minutes', 60, 'street'),
	(0, 'ticket', 'resolve', 'critical', 'complaint', 'wall_minutes', 60, 'street'),
	(0, 'ticket', 'reply', '', '', 'working_days', 1, 'street'),
	(0, 'ticket', 'reply', 'urgent', '', 'working_minutes', 120, 'street'),
	(0, 'ticket', 'reply', 'critical', '', 'wall_minutes', 30, 'street'),
	(0, 'ticket', 'report_in', '', '', 'working_days', 1, 'street'),
	(0, 'ticket', 'report_in', 'urgent', '', 'working_minutes', 60, 'street'),
	(0, 'ticket', 'report_in', 'critical', '', 'wall_minutes', 30, 'street'),
	-- how long a department may give back what it was sent
	(0, 'ticket', 'return', '', '', 'working_days', 5, '');

create function clock.policy_for(p_street integer, p_subject text, p_stage text, p_kind text,
	p_category text, p_urgency text, p_class text) returns clock.policy
language plpgsql stable parallel safe
as $$
declare
	r clock.policy;
begin
	select p.* into r from clock.policy p
	where p.street_id in (0, p_street) and p.subject = p_subject and p.stage = p_stage
		and p.kind in ('', p_kind) and p.category in ('', p_category)
		and p.urgency in ('', p_urgency) and p.class in ('', p_class)
	order by p.class desc, p.category desc, p.kind desc, p.urgency desc, p.street_id desc limit 1;
	return r;
end
$$;
comment on function clock.policy_for(integer, text, text, text, text, text, text) is
	'The rule that holds in a street for a stage of a subject; null when it has no time limit.';

---------------------------------------------------------------- clocks
create table clock.clock (
	street_id integer not null,
	id uuid not null,
	subject text not null,
	subject_id uuid not null,
	stage text not null,
	path text collate "C" not null,
	owner_id uuid,
	state text not null default 'running' check (state in ('running', 'paused', 'stopped', 'dropped')),
	unit text not null,
	amount integer not null,
	extra integer not null default 0,
	on_overdue text not null,
	started_at timestamptz not null,
	pauses tstzmultirange not null default '{}',
	half_at timestamptz not null,
	late_at timestamptz not null,
	due_at timestamptz not null,
	provisional boolean not null,
	-- how many of the three moments above have been announced
	mark integer not null default 0 check (mark between 0 and 3),
	next_at timestamptz generated always as (case when state = 'running' then
		case mark when 0 then half_at when 1 then late_at when 2 then due_at end end) stored,
	stopped_at timestamptz check ((stopped_at is null) = (state in ('running', 'paused'))),
	asked_at timestamptz,
	asked_by uuid,
	asked_role text,
	asked_amount integer,
	asked_reason text,
	answer text check (answer in ('granted', 'refused')),
	answered_at timestamptz,
	answered_by uuid,
	answer_reason text,
	primary key (street_id, id)
);
comment on table clock.clock is
	'class: street. What is or was owed on a subject. All moments follow from unit, amount + extra, started_at, pauses and the calendar; who asked for more time and what the answer was.';
create unique index clock_subject on clock.clock (street_id, subject_id, stage) where state in ('running', 'paused');
create index clock_history on clock.clock (street_id, subject_id);
create index clock_next on clock.clock (street_id, next_at) where next_at is not null;
create index clock_due on clock.clock (street_id, due_at, id) where state = 'running';
create index clock_path on clock.clock (street_id, path, due_at) where state = 'running';
alter table clock.clock enable row level security;
alter table clock.clock force row level security;
create policy private on clock.clock
	using (case when street_id = core.street() then core.may_see_private(path, owner_id) end);

create table clock.mark (
	street_id integer not null,
	clock_id uuid not null,
	mark integer not null check (mark between 1 and 3),
	due_at timestamptz not null,
	fired_at timestamptz not null,
	primary key (street_id, clock_id, mark),
	foreign key (street_id, clock_id) references clock.clock (street_id, id)
);
comment on table clock.mark is
	'class: street. What has been announced, and when: half (1), three quarters (2), due (3). Its key is what makes each announced once.';
alter table clock.mark enable row level security;
alter table clock.mark force row level security;
create policy street on clock.mark using (street_id = core.street());

create function clock.moments(p_street integer, p_unit text, p_amount integer, p_started timestamptz,
	p_pauses tstzmultirange, out half_at timestamptz, out late_at timestamptz, out due_at timestamptz,
	out provisional boolean)
language plpgsql stable parallel safe
as $$
declare
	wall constant boolean := p_unit = 'wall_minutes';
	-- on the line of working time, or of time
	begun constant bigint := case when wall then extract(epoch from p_started)::numeric * 1000000
		else clock.worked(p_street, p_started) end;
	length constant bigint := case p_unit when 'working_days'
		then greatest(0, clock.worked(p_street, clock.closing(p_street,
			clock.add_working_days((p_started at time zone 'Asia/Shanghai')::date, p_amount))) - begun)
		else p_amount * 60000000::bigint end;
	goals bigint[] := array[begun + length / 2, begun + length * 3 / 4, begun + length];
	at timestamptz[];
	goal bigint;
	stood bigint;
	p tstzrange;
begin
	foreach goal in array goals loop
		if not isempty(p_pauses) then
			for p in select x from unnest(p_pauses) x order by x loop
				stood := case when wall then extract(epoch from lower(p))::numeric * 1000000
					else clock.worked(p_street, lower(p)) end;
				goal := goal + case when goal <= stood then 0
					when wall then (extract(epoch from upper(p) - lower(p))::numeric * 1000000)::bigint
					else clock.worked(p_street, upper(p)) - stood end;
			end loop;
		end if;
		at := at || case when goal <= begun then p_started
			when wall then p_started + (goal - begun) * interval '1 microsecond'
			else clock.worked_at(p_street, goal) end;
	end loop;
	half_at := at[1];
	late_at := at[2];
	due_at := at[3];
	provisional := not wall and clock.is_provisional((p_started at time zone 'Asia/Shanghai')::date,
		(due_at at time zone 'Asia/Shanghai')::date);
end
$$;
comment on function clock.moments(integer, text, integer, timestamptz, tstzmultirange) is
	'When half, three quarters and all of a time limit are over. Days: the start''s own is not counted, and the last ends with the office. While a clock pauses no working time (or, by wall_minutes, no time) goes by on it.';

create function clock.start(p_subject text, p_id uuid, p_stage text, p_path text, p_owner uuid,
	p_kind text default '', p_category text default '', p_urgency text default '', p_class text default '',
	p_started timestamptz default core.now()) returns clock.clock
language plpgsql
as $$
declare
	st constant integer := core.street();
	p constant clock.policy := clock.policy_for(st,
		case p_subject when 'dispatch' then 'ticket' else p_subject end, p_stage, coalesce(p_kind, ''),
		coalesce(p_category, ''), coalesce(p_urgency, ''), coalesce(p_class, ''));
	m record;
	c clock.clock;
begin
	if p.stage is null then
		return null;
	end if;
	m := clock.moments(st, p.unit, p.amount, p_started, '{}');
	insert into clock.clock as x (street_id, id, subject, subject_id, stage, path, owner_id, unit, amount,
		on_overdue, started_at, half_at, late_at, due_at, provisional)
	values (st, core.new_id(st), p_subject, p_id, p_stage, p_path, p_owner, p.unit, p.amount,
		p.on_overdue, p_started, m.half_at, m.late_at, m.due_at, m.provisional)
	on conflict (street_id, subject_id, stage) where state in ('running', 'paused') do nothing
	returning x.* into c;
	return c;
end
$$;
comment on function clock.start(text, uuid, text, text, uuid, text, text, text, text, timestamptz) is
	'Starts the clock of a stage by the policy that fits; null when there is none, or it runs already. path and owner are the subject''s: who may see it, may see its clocks.';

create function clock.start_until(p_subject text, p_id uuid, p_stage text, p_path text, p_owner uuid,
	p_due timestamptz, p_on_overdue text) returns timestamptz
language plpgsql
as $$
declare
	st constant integer := core.street();
	n constant integer := ceil(extract(epoch from p_due - core.now()) / 60);
	m record;
begin
	m := clock.moments(st, 'wall_minutes', n, core.now(), '{}');
	insert into clock.clock (street_id, id, subject, subject_id, stage, path, owner_id, unit, amount,
		on_overdue, started_at, half_at, late_at, due_at, provisional)
	values (st, core.new_id(st), p_subject, p_id, p_stage, p_path, p_owner, 'wall_minutes', n,
		p_on_overdue, core.now(), m.half_at, m.late_at, m.due_at, false);
	return m.due_at;
end
$$;
comment on function clock.start_until(text, uuid, text, text, uuid, timestamptz, text) is
	'Starts a clock on a deadline somebody has named, in whole minutes from now: when it is due.';

create function clock.stop(p_id uuid, p_stage text, p_state text default 'stopped') returns void
language plpgsql
as $$
begin
	perform clock.resume(p_id, p_stage);
	update clock.clock c set state = p_state, stopped_at = core.now()
	where c.street_id = core.street() and c.subject_id = p_id and c.state = 'running'
		and (p_stage is null or c.stage = p_stage);
end
$$;
comment on function clock.stop(uuid, text, text) is
	'Stops the running or pausing clock of a stage (null: all of the subject), if there is one.';

create function clock.drop(p_id uuid, p_stage text default null) returns void
language plpgsql
as $$
begin
	perform clock.stop(p_id, p_stage, 'dropped');
end
$$;
comment on function clock.drop(uuid, text) is 'What it measured is owed no longer.';

create function clock.pause(p_id uuid, p_stage text default null) returns void
language plpgsql
as $$
begin
	update clock.clock c set state = 'paused', pauses = c.pauses + tstzmultirange(tstzrange(core.now(), null))
	where c.street_id = core.street() and c.subject_id = p_id and c.state = 'running'
		and (p_stage is null or c.stage = p_stage);
end
$$;
comment on function clock.pause(uuid, text) is 'Until clock.resume() no time goes by on it.';

create function clock.set_moments(c clock.clock) returns void
language plpgsql
as $$
declare
	m constant record := clock.moments(c.street_id, c.unit, c.amount + c.extra, c.started_at, c.pauses);
begin
	update clock.clock x set unit = c.unit, amount = c.amount, extra = c.extra, on_overdue = c.on_overdue,
		state = c.state, pauses = c.pauses, half_at = m.half_at, late_at = m.late_at, due_at = m.due_at,
		provisional = m.provisional
	where x.street_id = c.street_id and x.id = c.id;
end
$$;
comment on function clock.set_moments(clock.clock) is 'Writes a clock back whose terms have changed. What was announced stays so.';

create function clock.resume(p_id uuid, p_stage text default null) returns void
language plpgsql
as $$
declare
	c clock.clock;
begin
	for c in select x.* from clock.clock x
		where x.street_id = core.street() and x.subject_id = p_id and x.state = 'paused'
			and (p_stage is null or x.stage = p_stage)
	loop
		c.state := 'running';
		c.pauses := c.pauses * tstzmultirange(tstzrange(null, core.now()));
		perform clock.set_moments(c);
	end loop;
end
$$;
comment on function clock.resume(uuid, text) is 'Ends a pause; its moments move by the working time that went by meanwhile.';

create function clock.reopen(p_id uuid, p_stage text) returns boolean
language plpgsql
as $$
begin
	update clock.clock c set state = 'running', stopped_at = null
	where c.street_id = core.street() and c.id = (select x.id from clock.clock x
		where x.street_id = core.street() and x.subject_id = p_id and x.stage = p_stage and x.state = 'stopped'
		order by x.started_at desc limit 1)
		and not exists (select from clock.clock x where x.street_id = core.street() and x.subject_id = p_id
			and x.stage = p_stage and x.state in ('running', 'paused'));
	return found;
end
$$;
comment on function clock.reopen(uuid, text) is
	'What was done turned out not to be: the original clock of the stage, with its original deadline. False when there is none, or it runs.';

create function clock.revise(p_id uuid, p_stage text, p_kind text, p_category text, p_urgency text,
	p_class text) returns void
language plpgsql
as $$
declare
	c clock.clock;
	p clock.policy;
begin
	select x.* into c from clock.clock x where x.street_id = core.street() and x.subject_id = p_id
		and x.stage = p_stage and x.state in ('running', 'paused');
	p := clock.policy_for(c.street_id, c.subject, c.stage, coalesce(p_kind, ''), coalesce(p_category, ''),
		coalesce(p_urgency, ''), coalesce(p_class, ''));
	if p.stage is not null then
		c.unit := p.unit;
		c.amount := p.amount;
		c.on_overdue := p.on_overdue;
		perform clock.set_moments(c);
	end if;
end
$$;
comment on function clock.revise(uuid, text, text, text, text, text) is
	'The subject is not what it was said to be: the policy that fits now, from the original start.';

create function clock.nearest(p_id uuid, out due_at timestamptz, out warn_at timestamptz)
language plpgsql stable
as $$
begin
	select c.due_at, c.half_at into due_at, warn_at from clock.clock c
	where c.street_id = core.street() and c.subject_id = p_id and c.state = 'running'
	order by c.due_at limit 1;
end
$$;
comment on function clock.nearest(uuid) is
	'Of a subject''s running clocks the one due first: when that is, and since when it is yellow; nulls when none runs.';

---------------------------------------------------------------- subjects
create function clock.hold(p_subject text, p_id uuid, p_wait boolean) returns boolean
language plpgsql
as $$
begin
	case p_subject
	when 'ticket' then
		if p_wait then
			perform from ticket.ticket t where t.street_id = core.street() and t.id = p_id for update;
		else
			perform from ticket.ticket t where t.street_id = core.street() and t.id = p_id for update skip locked;
		end if;
		return found;
	when 'hazard' then
		if p_wait then
			perform from field.hazard h where h.street_id = core.street() and h.id = p_id for update;
		else
			perform from field.hazard h where h.street_id = core.street() and h.id = p_id for update skip locked;
		end if;
		return found;
	when 'dispatch' then
		return clock.hold('ticket', (select d.ticket_id from ticket.dispatch d
			where d.street_id = core.street() and d.id = p_id), p_wait);
	else
		return true;
	end case;
end
$$;
comment on function clock.hold(text, uuid, boolean) is
	'Locks a subject before its clocks are touched from outside, in the order of everybody else; false when it is busy and one does not wait.';

create function clock.tell(p_subject text, p_id uuid) returns void
language plpgsql
as $$
begin
	case p_subject
	when 'ticket' then
		update ticket.ticket t set due_at = n.due_at, warn_at = n.warn_at,
			version = t.version + 1, updated_at = core.now()
		from clock.nearest(p_id) n
		where t.street_id = core.street() and t.id = p_id
			and (t.due_at, t.warn_at) is distinct from (n.due_at, n.warn_at);
	when 'dispatch' then
		update ticket.dispatch d set due_at = n.due_at, warn_at = n.warn_at, version = d.version + 1, updated_at = core.now()
		from clock.nearest(p_id) n where d.street_id = core.street() and d.id = p_id;
	when 'hazard' then
		update field.hazard h set due_at = n.due_at, version = h.version + 1, updated_at = core.now()
		from clock.nearest(p_id) n
		where h.street_id = core.street() and h.id = p_id and n.due_at is not null and h.due_at <> n.due_at;
	else
		null;
	end case;
end
$$;
comment on function clock.tell(text, uuid) is 'A subject learns of a deadline that was moved from outside.';

create function clock.put_event(c clock.clock, p_action text, p_owner boolean, p_data json) returns void
language plpgsql
as $$
begin
	if c.subject = 'dispatch' then
		perform ticket.tell_part(d, p_action, null, null, core.role(), p_data) from ticket.dispatch d
		where d.street_id = c.street_id and d.id = c.subject_id;
		-- It is a hop of its ticket, too.
		p_data := (p_data::jsonb || jsonb_build_object('dispatch_id', c.subject_id))::json;
		c.subject := 'ticket';
		c.subject_id := (select d.ticket_id from ticket.dispatch d where d.street_id = c.street_id and d.id = c.subject_id);
	end if;
	insert into core.event (street_id, id, subject, subject_id, action, actor_id, actor_role, path, owner_id, data)
	values (c.street_id, core.new_id(c.street_id), c.subject, c.subject_id, p_action, core.actor(), core.role(),
		c.path, case when p_owner then c.owner_id end, p_data);
end
$$;
comment on function clock.put_event(clock.clock, text, boolean, json) is
	'An event on the subject''s timeline, for the staff and, if so said, its owner.';

create function clock.lapse(c clock.clock) returns void
language plpgsql
as $$
begin
	case c.subject || ' ' || c.stage
	when 'ticket accept' then
		if c.on_overdue = 'community' and exists (select from ticket.ticket t
			where t.street_id = c.street_id and t.id = c.subject_id and t.status in ('submitted', 'reopened')) then
			perform ticket.act(c.subject_id, 'overdue');
		end if;
	when 'hazard rectify' then
		perform field.act(c.subject_id, 'escalate_overdue');
	else
		null;
	end case;
end
$$;
comment on function clock.lapse(clock.clock) is
	'What follows by itself when a deadline passes, the subject locked: what no lead accepted in time is the community''s, a hazard not put right the street''s.';

---------------------------------------------------------------- the job
create function clock.fire(c clock.clock) returns clock.clock
language plpgsql
as $$
begin
	insert into clock.mark (street_id, clock_id, mark, due_at, fired_at)
	values (c.street_id, c.id, c.mark + 1, c.next_at, core.now() + (clock_timestamp() - now()));
	update clock.clock x set mark = x.mark + 1
	where x.street_id = c.street_id and x.id = c.id returning x.* into c;
	perform clock.put_event(c, case c.mark when 3 then 'clock_overdue' else 'clock_warning' end, c.mark = 3,
		json_build_object('stage', c.stage, 'mark', (array['half', 'three_quarters', 'due'])[c.mark],
			'due_at', to_char(c.due_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
			'raised_to', case when c.mark = 3 then nullif(c.on_overdue, '') end));
	if c.mark = 3 then
		perform clock.lapse(c);
	end if;
	return c;
end
$$;
comment on function clock.fire(clock.clock) is 'Announces the next moment of a clock, its row and its subject locked.';

create function clock.tick(batch integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
	set plan_cache_mode = force_generic_plan set jit = off
as $$
declare
	-- A value, for beside a policy an expression with coalesce() finds no index.
	present constant timestamptz := core.now();
	s integer;
	due record;
	c clock.clock;
	n integer := 0;
	made text; -- assignments: PL/pgSQL runs those without a query
begin
	perform core.enter_system(0);
	for s in select x.id from grid.street x order by x.id loop
		made := set_config('linli.street', s::text, true);
		made := set_config('linli.scopes', '{' || s || '/}', true);
		for due in select x.id, x.subject, x.subject_id from clock.clock x
			where x.street_id = s and x.next_at <= present
			order by x.next_at limit batch - n
		loop
			continue when not clock.hold(due.subject, due.subject_id, false);
			-- As it is now, under the lock.
			select x.* into c from clock.clock x
			where x.street_id = s and x.id = due.id for update skip locked;
			while c.next_at <= present loop
				c := clock.fire(c);
				n := n + 1;
			end loop;
		end loop;
		exit when n >= batch;
	end loop;
	return n;
end
$$;
comment on function clock.tick(integer) is
	'Job: announces what has come due in all streets, about batch moments at most; what is locked waits for the next call. Returns how many. One probe of an index a street when there is nothing.';

---------------------------------------------------------------- a calendar that changes
create function clock.recompute() returns integer
language plpgsql
as $$
declare
	c clock.clock;
	n integer := 0;
	m record;
begin
	for c in select x.* from clock.clock x
		where x.street_id = core.street() and x.state = 'running' and x.unit <> 'wall_minutes'
		order by x.subject_id
	loop
		m := clock.moments(c.street_id, c.unit, c.amount + c.extra, c.started_at, c.pauses);
		continue when (c.half_at, c.late_at, c.due_at, c.provisional)
			= (m.half_at, m.late_at, m.due_at, m.provisional);
		perform clock.hold(c.subject, c.subject_id, true);
		select x.* into c from clock.clock x
		where x.street_id = c.street_id and x.id = c.id and x.state = 'running' for update;
		continue when not found;
		perform clock.set_moments(c);
		perform clock.tell(c.subject, c.subject_id);
		n := n + 1;
	end loop;
	return n;
end
$$;
comment on function clock.recompute() is
	'The street''s running clocks after a change of calendar or hours; returns how many moved or are final now.';

create function clock.publish(p_csv text, out days integer, out changed integer, out years integer[], out moved integer)
language plpgsql
as $$
declare
	s integer;
begin
	select l.days, l.changed, l.years into days, changed, years from clock.load(p_csv) l;
	moved := 0;
	for s in select x.id from grid.street x order by x.id loop
		perform core.enter_system(s);
		moved := moved + clock.recompute();
	end loop;
end
$$;
comment on function clock.publish(text, out integer, out integer, out integer[], out integer) is
	'clock.load(), and all running clocks reckoned anew. For linli_owner.';

---------------------------------------------------------------- more time
create function clock.offers(c clock.clock) returns text[]
language sql stable parallel safe
return case when c.state <> 'running' or c.due_at <= core.now() or c.subject = 'dispatch' then '{}'::text[]
	when c.asked_at is null and core.role() in ('grid_lead', 'community') then '{request_extension}'
	when c.answer is null and core.role() = case c.asked_role when 'grid_lead' then 'community' when 'community' then 'street' end
		then '{grant_extension,refuse_extension}'
	else '{}' end;
comment on function clock.offers(clock.clock) is
	'What the caller may do now: ask for more time once, before it is due; one level up says yes or no, before it is due.';

create function clock.extend(p_id uuid, p_action text, p_amount integer, p_reason text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	c clock.clock;
begin
	select x.* into c from clock.clock x where x.street_id = core.street() and x.id = p_id;
	if not found or core.role() not in ('grid_lead', 'community', 'street') then
		return false;
	end if;
	perform clock.hold(c.subject, c.subject_id, true);
	select x.* into c from clock.clock x where x.street_id = core.street() and x.id = p_id for update;
	if p_action <> all (clock.offers(c)) then
		if c.state <> 'running' then
			perform core.fail(409, 'wrong_state');
		elsif c.due_at <= core.now() then
			perform core.fail(409, 'clock_overdue');
		elsif p_action = 'request_extension' and c.asked_at is not null or c.answer is not null then
			perform core.fail(409, 'extension_used');
		elsif p_action <> 'request_extension' and c.asked_at is null then
			perform core.fail(409, 'extension_not_requested');
		end if;
		perform core.fail(403, 'role_not_allowed');
	end if;
	if p_action = 'request_extension' then
		update clock.clock x set asked_at = core.now(), asked_by = core.actor(), asked_role = core.role(),
			asked_amount = p_amount, asked_reason = p_reason
		where x.street_id = c.street_id and x.id = c.id;
		perform clock.put_event(c, 'extension_requested', false,
			json_build_object('stage', c.stage, 'amount', p_amount, 'unit', c.unit, 'text', p_reason));
		return true;
	end if;
	update clock.clock x set answer = case p_action when 'grant_extension' then 'granted' else 'refused' end,
		answered_at = core.now(), answered_by = core.actor(), answer_reason = p_reason
	where x.street_id = c.street_id and x.id = c.id;
	if p_action = 'refuse_extension' then
		perform clock.put_event(c, 'extension_refused', false, json_build_object('stage', c.stage, 'text', p_reason));
		return true;
	end if;
	c.extra := c.asked_amount;
	perform clock.set_moments(c);
	perform clock.tell(c.subject, c.subject_id);
	perform clock.put_event(c, 'extension_granted', true, json_build_object('stage', c.stage,
		'amount', c.asked_amount, 'unit', c.unit, 'text', c.asked_reason));
	return true;
end
$$;
comment on function clock.extend(uuid, text, integer, text) is
	'Asks for more time on a clock, or answers; false when it is not to be seen.';

---------------------------------------------------------------- what clients read
create view clock.clock_view with (security_invoker = true) as
select c.street_id as _street_id, c.path as _path, c.id, c.subject, c.subject_id, c.stage, c.state,
	case when c.state = 'running' then core.colour(c.due_at, c.half_at, core.now()) end as colour,
	c.unit, c.amount, c.extra, c.started_at, c.half_at as warn_at, c.due_at, c.stopped_at,
	case when c.state = 'stopped' then c.stopped_at < c.due_at when c.state <> 'dropped' and c.due_at <= core.now()
		and c.state = 'running' then false end as in_time,
	c.provisional, case when c.mark = 3 then nullif(c.on_overdue, '') end as raised_to,
	case when c.asked_at is not null then json_build_object('amount', c.asked_amount, 'reason', c.asked_reason,
		'asked_role', c.asked_role, 'asked_at', to_char(c.asked_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
		'answer', c.answer, 'answer_reason', c.answer_reason) end as extension,
	to_json(clock.offers(c)) as actions
from clock.clock c;
comment on view clock.clock_view is 'class: street. Clock.';

create function clock.list(p_under uuid, p_subject uuid, p_stage text, p_overdue boolean, p_after text,
	p_limit integer) returns setof clock.clock_view
language plpgsql stable rows 20
as $$
declare
	st constant integer := core.street();
	reach constant text[] := ticket.reach(p_under);
	lo constant timestamptz := coalesce(ticket.cursor_at(p_after), '-infinity');
	lo_id constant uuid := coalesce(ticket.cursor_id(p_after), '00000000-0000-0000-0000-000000000000');
	hi constant timestamptz := case when p_overdue then core.now() else 'infinity' end;
begin
	if p_subject is not null then
		return query select v.* from clock.clock_view v
			where v._street_id = st and v.subject_id = p_subject and (v.due_at, v.id) > (lo, lo_id)
				and v.due_at <= hi and (p_stage is null or v.stage = p_stage)
			order by v.due_at, v.id limit p_limit;
	elsif reach = array[st || '/'] then
		return query select v.* from clock.clock_view v
			where v._street_id = st and v.state = 'running' and (v.due_at, v.id) > (lo, lo_id)
				and v.due_at <= hi and (p_stage is null or v.stage = p_stage)
			order by v.due_at, v.id limit p_limit;
	else
		return query select v.* from unnest(reach) r, lateral (select x.* from clock.clock_view x
				where x._street_id = st and x.state = 'running' and x._path >= r and x._path < core.path_end(r)
					and (x.due_at, x.id) > (lo, lo_id) and x.due_at <= hi
					and (p_stage is null or x.stage = p_stage)) v
			order by v.due_at, v.id limit p_limit;
	end if;
end
$$;
comment on function clock.list(uuid, uuid, text, boolean, text, integer) is
	'Running clocks in the caller''s reach, due soonest first; or all of one subject.';

---------------------------------------------------------------- what a street sets
create function clock.rules(p_street integer) returns json
language plpgsql stable
as $$
begin
	return (select coalesce(json_agg(json_strip_nulls(json_build_object('subject', p.subject, 'stage', p.stage,
			'kind', nullif(p.kind, ''), 'category', nullif(p.category, ''), 'urgency', nullif(p.urgency, ''),
			'class', nullif(p.class, ''), 'unit', p.unit, 'amount', p.amount, 'on_overdue', nullif(p.on_overdue, '')))
		order by p.subject, p.stage, p.class, p.category, p.kind, p.urgency), '[]')
		from clock.policy p where p.street_id = p_street);
end
$$;
comment on function clock.rules(integer) is 'The rules a street has of its own; of street 0, everybody''s defaults.';

create function clock.rules_tag(p_street integer) returns text
language plpgsql stable
as $$
begin
	return left(md5(concat(clock.rules(p_street), clock.rules(0))), 16);
end
$$;
comment on function clock.rules_tag(integer) is 'ETag of both.';

create function clock.put_policies(p_if_match text, p_rules jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	st constant integer := core.street();
	r jsonb;
	i integer := 0;
begin
	perform core.must(core.role() = 'street', 403, 'role_not_allowed');
	perform from grid.street s where s.id = st for no key update;
	if p_if_match <> clock.rules_tag(st) then
		perform core.fail(412, 'version_conflict');
	end if;
	delete from clock.policy p where p.street_id = st;
	for r in select * from jsonb_array_elements(p_rules) loop
		if r ->> 'category' is not null and not exists (select from ticket.category c where c.code = r ->> 'category') then
			perform core.fail(422, 'category_unknown', format('/rules/%s/category', i));
		end if;
		insert into clock.policy (street_id, subject, stage, kind, category, urgency, class, unit, amount, on_overdue)
		values (st, r ->> 'subject', r ->> 'stage', coalesce(r ->> 'kind', ''), coalesce(r ->> 'category', ''),
			coalesce(r ->> 'urgency', ''), coalesce(r ->> 'class', ''), r ->> 'unit', (r ->> 'amount')::integer,
			coalesce(r ->> 'on_overdue', ''))
		on conflict do nothing;
		if not found then
			perform core.fail(422, 'rule_twice', format('/rules/%s', i));
		end if;
		i := i + 1;
	end loop;
	perform core.put_event('clock_policy', core.new_id(st), 'put', null, null, st || '/', null, false,
		json_build_object('rules', i));
end
$$;
comment on function clock.put_policies(text, jsonb) is
	'The street''s own rules, all at once; they hold for clocks that start from now on.';

create function clock.hour_list(p_street integer) returns json
language plpgsql stable
as $$
begin
	return (select coalesce(json_agg(json_build_object('from_on', o.from_on, 'spans', (select json_agg(json_build_object(
			'from', to_char(lower(r) * interval '1 minute', 'HH24:MI'),
			'to', case upper(r) when 1440 then '24:00' else to_char(upper(r) * interval '1 minute', 'HH24:MI') end)
			order by r) from unnest(o.spans) r)) order by o.from_on), '[]')
		from clock.office_hours o where o.street_id = p_street);
end
$$;
comment on function clock.hour_list(integer) is 'A street''s office hours as it has set them, oldest first.';

create function clock.calendar(p_year integer)
	returns table (year integer, published boolean, days json, office_hours json, _etag text)
language plpgsql stable
as $$
begin
	year := p_year;
	published := exists (select from clock.year y where y.year = p_year);
	days := (select coalesce(json_agg(json_build_object('day', c.day, 'name', c.name, 'works', c.works) order by c.day), '[]')
		from clock.day c where c.name is not null and c.day between make_date(p_year, 1, 1) and make_date(p_year, 12, 31));
	office_hours := clock.hour_list(core.street());
	_etag := left(md5(concat(published, days, office_hours)), 16);
	return next;
end
$$;
comment on function clock.calendar(integer) is 'Calendar: what the week does not say of a year, and the street''s hours.';

create function clock.put_hours(p_from date, p_spans jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	st constant integer := core.street();
	spans int4multirange := '{}';
	sum integer := 0;
	s jsonb;
	a integer;
	b integer;
	i integer := 0;
begin
	perform core.must(core.role() = 'street', 403, 'role_not_allowed');
	-- What has been worked has been worked.
	perform core.must(p_from > core.today(), 422, 'day_past', '/from_on'), clock.day_of(p_from);
	for s in select * from jsonb_array_elements(p_spans) loop
		a := left(s ->> 'from', 2)::integer * 60 + right(s ->> 'from', 2)::integer;
		b := left(s ->> 'to', 2)::integer * 60 + right(s ->> 'to', 2)::integer;
		if a >= b or b > 1440 or spans && int4range(a, b) then
			perform core.fail(422, 'hours_invalid', format('/spans/%s', i));
		end if;
		spans := spans + int4multirange(int4range(a, b));
		sum := sum + b - a;
		i := i + 1;
	end loop;
	insert into clock.office_hours as o (street_id, from_on, spans, minutes, set_by)
	values (st, p_from, spans, sum, core.actor())
	on conflict on constraint office_hours_pkey do update
		set spans = excluded.spans, minutes = excluded.minutes, set_by = excluded.set_by, set_at = excluded.set_at;
	perform core.put_event('office_hours', core.new_id(st), 'put', null, null, st || '/', null, false,
		json_build_object('from_on', p_from, 'spans', p_spans));
	perform clock.recompute();
end
$$;
comment on function clock.put_hours(date, jsonb) is
	'When the street works from a day to come on; its running clocks are reckoned anew.';

grant select on clock.clock_view to linli_app;
-- Whole: offers() takes it as a row.
grant select on clock.clock to linli_app;
grant execute on function clock.offers(clock.clock), clock.extend(uuid, text, integer, text),
	clock.list(uuid, uuid, text, boolean, text, integer), clock.rules(integer), clock.put_policies(text, jsonb),
	clock.hour_list(integer), clock.rules_tag(integer), clock.calendar(integer), clock.put_hours(date, jsonb) to linli_app;
grant select on clock.policy to linli_app;
grant execute on function clock.tick(integer) to linli_job;
