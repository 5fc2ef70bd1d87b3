-- rate: 三率. What became of each dispatched ticket, by its reporter's own
-- verdict, reckoned from the events.
--
-- rate.reckon() is the rule: one ticket's events and clocks to its share. The
-- job follows the feed by (xact, id), reckons anew every ticket an event is
-- about and moves the tally by the difference, in one transaction with its
-- mark. So what is late, merged or reopened corrects itself, and a kill leaves
-- either all of a step or nothing.
create schema if not exists rate;
grant usage on schema rate to linli_app, linli_job;

---------------------------------------------------------------- call-backs and appeals
create table rate.callback (
	street_id integer not null,
	id uuid not null,
	ticket_id uuid not null,
	path text collate "C" not null,
	account_id uuid not null,
	reached boolean not null,
	resolved boolean,
	satisfied boolean,
	note text,
	created_at timestamptz not null default core.now(),
	primary key (street_id, id),
	check (reached = (resolved is not null) and reached = (satisfied is not null)),
	foreign key (street_id, ticket_id) references ticket.ticket (street_id, id)
);
create index callback_ticket on rate.callback (street_id, ticket_id, created_at, id);
comment on table rate.callback is
	'class: street. 回访: the community asks a reporter who has not rated: who called, was anybody reached, and what they said.';
alter table rate.callback enable row level security;
alter table rate.callback force row level security;
create policy staff on rate.callback using (street_id = core.street() and core.may_see_private(path, null));

create table rate.appeal (
	street_id integer not null,
	ticket_id uuid not null,
	path text collate "C" not null,
	state text not null default 'filed' check (state in ('filed', 'upheld', 'refused')),
	reason text not null,
	filed_by uuid not null,
	created_at timestamptz not null default core.now(),
	answer text,
	decided_by uuid,
	decided_at timestamptz check ((decided_at is null) = (state = 'filed')),
	primary key (street_id, ticket_id),
	foreign key (street_id, ticket_id) references ticket.ticket (street_id, id)
);
create index appeal_list on rate.appeal (street_id, created_at, ticket_id);
comment on table rate.appeal is
	'class: street. 申诉剔除: the community finds a verdict unfair, the street decides. One a ticket.';
alter table rate.appeal enable row level security;
alter table rate.appeal force row level security;
create policy staff on rate.appeal using (street_id = core.street() and core.may_see_private(path, null));

insert into core.transition (machine, from_state, action, to_state, roles, guard) values
	('appeal', '', 'appeal', 'filed', '{community}', 'verdict'),
	('appeal', 'filed', 'uphold', 'upheld', '{street}', null),
	('appeal', 'filed', 'refuse', 'refused', '{street}', null);

create view rate.callback_view with (security_invoker = true) as
select c.street_id as _street_id, c.id, c.ticket_id, c.account_id, c.reached, c.resolved, c.satisfied, c.note, c.created_at
from rate.callback c;
comment on view rate.callback_view is 'class: street. Callback.';

create view rate.appeal_view with (security_invoker = true) as
select a.street_id as _street_id, a.path as _path, a.ticket_id, t.number as ticket_number, a.state, a.reason, a.filed_by,
	a.created_at, a.answer, a.decided_by, a.decided_at, (select coalesce(json_agg(x.action order by x.action), '[]')
		from core.transition x where x.machine = 'appeal' and x.from_state = a.state and core.role() = any (x.roles)) as actions
from rate.appeal a
join ticket.ticket t on t.street_id = a.street_id and t.id = a.ticket_id;
comment on view rate.appeal_view is 'class: street. Appeal.';

create function rate.tell(t ticket.ticket, p_action text, p_data json) returns void
language plpgsql
as $$
begin
	perform core.put_event('ticket', t.id, p_action, null, null, t.path, null, false, p_data);
end
$$;
comment on function rate.tell(ticket.ticket, text, json) is 'An event on the ticket''s timeline, for the staff.';

create function rate.call_back(p_new uuid, p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	t ticket.ticket;
	reached constant boolean := (b ->> 'reached')::boolean;
begin
	select x.* into t from ticket.ticket x where x.street_id = core.street() and x.id = p_id for update;
	if not found then
		perform core.fail(404, 'not_found');
	elsif core.role() <> 'community' then
		perform core.fail(403, 'role_not_allowed');
	elsif t.status not in ('replied', 'closed') then
		perform core.fail(409, 'wrong_state');
	elsif reached <> (b ->> 'resolved' is not null) then
		perform core.fail(422, 'verdict_invalid', '/resolved');
	elsif reached <> (b ->> 'satisfied' is not null) then
		perform core.fail(422, 'verdict_invalid', '/satisfied');
	elsif exists (select from ticket.rating r where r.street_id = t.street_id and r.ticket_id = t.id)
		or exists (select from rate.callback c where c.street_id = t.street_id and c.ticket_id = t.id
			and c.reached and c.created_at >= t.replied_at) then
		perform core.fail(409, 'verdict_given');
	-- Who did the work does not ask whether it was well done.
	elsif exists (select from core.event e where e.street_id = t.street_id and e.subject_id = t.id
		and e.actor_id = core.actor() and e.action in ('accept', 'start', 'resolve')) then
		perform core.fail(403, 'handler_cannot_rate');
	end if;
	insert into rate.callback (street_id, id, ticket_id, path, account_id, reached, resolved, satisfied, note)
	values (t.street_id, p_new, t.id, t.path, core.actor(), reached, (b ->> 'resolved')::boolean,
		(b ->> 'satisfied')::boolean, core.mask_text(b ->> 'note'));
	perform rate.tell(t, 'callback', json_strip_nulls(json_build_object('callback_id', p_new, 'reached', reached,
		'resolved', (b ->> 'resolved')::boolean, 'satisfied', (b ->> 'satisfied')::boolean)));
end
$$;
comment on function rate.call_back(uuid, uuid, jsonb) is
	'Writes down a call to a reporter. LN404, LN409 wrong_state, verdict_given, LN403 handler_cannot_rate, LN422 verdict_invalid.';

create function rate.appeal(p_id uuid, p_reason text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	t ticket.ticket;
begin
	select x.* into t from ticket.ticket x where x.street_id = core.street() and x.id = p_id for update;
	if not found then
		perform core.fail(404, 'not_found');
	elsif core.role() <> 'community' then
		perform core.fail(403, 'role_not_allowed');
	elsif not exists (select from core.event e where e.street_id = t.street_id and e.subject_id = t.id
		and (e.action in ('rate', 'reopen') or e.action = 'callback' and (e.data ->> 'reached')::boolean)) then
		perform core.fail(409, 'nothing_to_appeal');
	end if;
	insert into rate.appeal (street_id, ticket_id, path, reason, filed_by)
	values (t.street_id, t.id, t.path, core.mask_text(p_reason), core.actor())
	on conflict do nothing;
	if not found then
		perform core.fail(409, 'appeal_exists');
	end if;
	perform rate.tell(t, 'appeal', json_build_object('text', p_reason));
end
$$;
comment on function rate.appeal(uuid, text) is
	'The community appeals against a verdict, once a ticket. LN404, LN409 nothing_to_appeal, appeal_exists.';

create function rate.decide(p_id uuid, p_action text, p_text text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	t ticket.ticket;
	a rate.appeal;
	tr core.transition;
begin
	select x.* into t from ticket.ticket x where x.street_id = core.street() and x.id = p_id for update;
	select x.* into a from rate.appeal x where x.street_id = core.street() and x.ticket_id = p_id for update;
	if not found then
		perform core.fail(404, 'not_found');
	end if;
	select x.* into tr from core.transition x
	where x.machine = 'appeal' and x.from_state = a.state and x.action = p_action;
	if not found then
		perform core.fail(409, 'wrong_state');
	elsif core.role() <> all (tr.roles) then
		perform core.fail(403, 'role_not_allowed');
	end if;
	update rate.appeal x set state = tr.to_state, answer = core.mask_text(p_text), decided_by = core.actor(),
		decided_at = core.now()
	where x.street_id = a.street_id and x.ticket_id = a.ticket_id;
	perform rate.tell(t, 'appeal_' || tr.to_state, json_build_object('text', p_text));
end
$$;
comment on function rate.decide(uuid, text, text) is
	'The street upholds an appeal (the verdict counts no more) or refuses it. LN404, LN409 wrong_state, LN403.';

---------------------------------------------------------------- what a ticket comes to
-- org_id: zero is the ticket itself, else its share in what a department did.
create function rate.nobody() returns uuid
language sql immutable parallel safe
return '00000000-0000-0000-0000-000000000000'::uuid;
comment on function rate.nobody() is 'org_id of what is counted once a ticket, whoever worked on it.';

create table rate.share (
	street_id integer not null,
	ticket_id uuid not null,
	day date not null,
	path text collate "C" not null,
	category text not null,
	org_id uuid not null,
	part text not null check (part in ('dispatch', 'verdict')),
	dispatched integer not null default 0,
	contacted integer not null default 0,
	answered integer not null default 0,
	seconds bigint not null default 0,
	called integer not null default 0,
	reached integer not null default 0,
	resolved integer not null default 0,
	satisfied integer not null default 0,
	struck integer not null default 0,
	primary key (street_id, ticket_id, org_id, part)
);
comment on table rate.share is
	'class: street. What one ticket puts into the tally: its dispatch on the day and in the grid of that, its verdict on the day and in the grid of that.';

create table rate.tally (
	street_id integer not null,
	grain smallint not null check (grain in (0, 1, 2, 3, 4, 11, 12, 13, 14)),
	from_on date not null,
	path text collate "C" not null,
	category text not null check ((category = '') = (grain between 1 and 4)),
	org_id uuid not null,
	dispatched bigint not null,
	contacted bigint not null,
	answered bigint not null,
	seconds bigint not null,
	called bigint not null,
	reached bigint not null,
	resolved bigint not null,
	satisfied bigint not null,
	struck bigint not null,
	primary key (street_id, grain, from_on, path, category, org_id)
);
comment on table rate.tally is
	'class: street. The sum of rate.share by grid as it was then, department and, of grain 0, day and category; 1 to 4, the month below the first steps of the path (4: all of it); 11 to 14, the same by category. contacted: in time; answered and seconds: contacted at all, and after how long in sum; struck: out by an upheld appeal.';

create table rate.voice (
	street_id integer not null,
	ticket_id uuid not null,
	account_id uuid not null,
	day date not null,
	path text collate "C" not null,
	primary key (street_id, ticket_id, account_id, day, path)
);
create index voice_path on rate.voice (street_id, path, day, account_id);
comment on table rate.voice is 'class: street. Who reported, supported or rated, on which day, in which grid.';

create table rate.mark (
	street_id integer primary key,
	xact xid8 not null default '0',
	event_id uuid not null default '00000000-0000-0000-0000-000000000000'
);
comment on table rate.mark is 'class: street. The last event of the street that is in the tally.';

-- The app counts by rate.read(), which keeps to the caller's ground.
alter table rate.share enable row level security;
alter table rate.share force row level security;
create policy system on rate.share using (street_id = core.street() and core.role() = 'system');
alter table rate.tally enable row level security;
alter table rate.tally force row level security;
create policy system on rate.tally using (street_id = core.street() and core.role() = 'system');
alter table rate.voice enable row level security;
alter table rate.voice force row level security;
create policy system on rate.voice using (street_id = core.street() and core.role() = 'system');
alter table rate.mark enable row level security;
alter table rate.mark force row level security;
create policy system on rate.mark using (street_id = core.street() and core.role() = 'system');

create function rate.day_of(at timestamptz) returns date
language sql immutable strict parallel safe
return (at at time zone 'Asia/Shanghai')::date;
comment on function rate.day_of(timestamptz) is 'The day of a moment in Chengdu.';

create function rate.contact(p_ticket uuid, out at timestamptz, out in_time boolean)
language plpgsql stable
as $$
declare
	st constant integer := core.street();
	taken clock.clock;
	c clock.clock;
begin
	-- Of the first round: a reopened ticket is not dispatched again.
	select x.* into taken from clock.clock x
	where x.street_id = st and x.subject_id = p_ticket and x.stage = 'accept' order by x.started_at, x.id limit 1;
	select x.* into c from clock.clock x
	where x.street_id = st and x.subject_id = p_ticket and x.stage = 'first_contact' order by x.started_at, x.id limit 1;
	if c.state = 'stopped' then
		at := c.stopped_at;
		in_time := c.stopped_at < c.due_at and taken.stopped_at < taken.due_at;
	else
		-- Nobody took it up in time, and so no clock ran for it; or it was rejected.
		select min(e.at), bool_or(e.action = 'reject' and e.at < taken.due_at) into at, in_time from core.event e
		where e.street_id = st and e.subject_id = p_ticket
			and e.actor_role in ('grid_lead', 'community', 'street', 'department')
			and e.action in ('comment', 'contact_viewed', 'resolve', 'parts_done', 'reply', 'reject');
	end if;
	in_time := coalesce(in_time, false);
end
$$;
comment on function rate.contact(uuid, out timestamptz, out boolean) is
	'When the staff first turned to the reporter, and was that in time: both taken up and contacted before it was due; a rejection, with its reason, is an answer.';

create function rate.parts(p_ticket uuid) returns table (org_id uuid, born timestamptz, at timestamptz, in_time boolean)
language plpgsql stable
as $$
begin
	return query select distinct on (d.org_id) d.org_id, d.created_at, d.reported_at,
		coalesce(c.state = 'stopped' and c.stopped_at < c.due_at, d.reported_at is not null and c.id is null)
	from ticket.dispatch d
	left join clock.clock c on c.street_id = core.street() and c.subject_id = d.id and c.stage = 'report_in'
	where d.street_id = core.street() and d.ticket_id = p_ticket and d.org_id is not null
		and d.status not in ('returned', 'cancelled')
	order by d.org_id, d.created_at, d.id;
end
$$;
comment on function rate.parts(uuid) is
	'Departments a ticket was dispatched to and that did not give it back, each of which it counts for: their contact is their reporting in.';

create function rate.reckon(p_id uuid) returns void
language plpgsql
as $$
declare
	t ticket.ticket;
	e core.event;
	d rate.share; -- dispatch
	v rate.share; -- verdict
	c record;
	-- Its paths one after the other; its events carry only the last one, but
	-- what a grid keeps of a ticket that left it has the path of before.
	paths text[];
	i integer := 1;
	merged_at timestamptz;
	born timestamptz;
	reopened boolean := false;
begin
	select x.* into t from ticket.ticket x where x.street_id = core.street() and x.id = p_id;
	paths := array(select x.path from core.event x where x.street_id = t.street_id and x.subject_id = p_id
		and x.action = 'handed_over' order by x.xact, x.id) || t.path::text;
	for e in select x.* from core.event x where x.street_id = t.street_id and x.subject_id = p_id
		and x.subject = 'ticket' order by x.xact, x.id
	loop
		case e.action
		when 'submit' then
			born := e.at;
			d.day := rate.day_of(e.at);
			d.path := paths[i];
		when 'handed_over' then
			i := i + 1;
			-- Handed on by people, it is the next grid's from the first; a new
			-- boundary leaves with the old grid what was.
			if e.actor_role <> 'system' then
				d.path := paths[i];
			end if;
		when 'merge' then
			merged_at := coalesce(merged_at, e.at);
		when 'callback' then
			v.called := 1;
			if (e.data ->> 'reached')::boolean then
				v.reached := 1;
				v.resolved := ((e.data ->> 'resolved')::boolean and not reopened)::integer;
				v.satisfied := (e.data ->> 'satisfied')::boolean::integer;
			end if;
		when 'rate' then
			v.called := 1;
			v.reached := 1;
			v.resolved := ((e.data ->> 'resolved')::boolean and not reopened)::integer;
			v.satisfied := (e.data ->> 'satisfied')::boolean::integer;
		when 'reopen' then
			reopened := true;
			v.called := 1;
			v.reached := 1;
			v.resolved := 0;
			v.satisfied := 0;
		when 'appeal_upheld' then
			v.struck := 1;
		else
			null;
		end case;
		if e.action in ('rate', 'reopen') or e.action = 'callback' and (v.day is null or (e.data ->> 'reached')::boolean) then
			v.day := rate.day_of(e.at);
			v.path := paths[i];
		end if;
		if e.actor_id is not null and (e.action in ('support', 'rate') or e.action = 'submit' and e.actor_id = t.owner_id) then
			insert into rate.voice values (t.street_id, t.id, e.actor_id, rate.day_of(e.at), paths[i]) on conflict do nothing;
		elsif e.action = 'unsupport' then
			delete from rate.voice x where x.street_id = t.street_id and x.ticket_id = t.id and x.account_id = e.actor_id;
		end if;
	end loop;
	for c in select rate.nobody() as org_id, born, k.at, k.in_time from rate.contact(coalesce(t.merged_into, p_id)) k
		union all select p.org_id, p.born, p.at, p.in_time from rate.parts(coalesce(t.merged_into, p_id)) p
	loop
		-- Withdrawn before anything came of it, it was none.
		if d.day is not null and (t.status <> 'withdrawn' or v.called = 1) then
			insert into rate.share (street_id, ticket_id, day, path, category, org_id, part, dispatched, contacted, answered, seconds)
			values (t.street_id, t.id, greatest(d.day, rate.day_of(c.born)), d.path, t.category, c.org_id, 'dispatch', 1,
				c.in_time::integer, (c.at is not null)::integer,
				coalesce(extract(epoch from greatest(c.at, merged_at, c.born) - c.born), 0)::bigint);
		end if;
		if v.called = 1 then
			insert into rate.share (street_id, ticket_id, day, path, category, org_id, part, called, reached, resolved, satisfied,
				struck)
			select t.street_id, t.id, v.day, v.path, t.category, c.org_id, 'verdict', 1, n * coalesce(v.reached, 0),
				n * coalesce(v.resolved, 0), n * coalesce(v.satisfied, 0), 1 - n
			from (select 1 - coalesce(v.struck, 0)) x (n);
		end if;
	end loop;
end
$$;
comment on function rate.reckon(uuid) is
	'Writes a ticket''s shares from its events; those before were taken away. One caller counts once: the last verdict holds, but what was reopened stays unresolved; one merged into another is contacted when that is.';

create function rate.steps(p_by text) returns integer
language sql immutable parallel safe
return case p_by when 'street' then 1 when 'community' then 2 when 'grid' then 3 when 'micro' then 4 end;
comment on function rate.steps(text) is
	'How many steps the path of a grid has among those one counts by, 4 for all of them; null when one counts by something else.';

create function rate.key(p_steps integer, path text) returns text
language sql immutable parallel safe
-- As core.path_head(), whose regular expression costs twenty times as much.
return case p_steps when 4 then path when 1 then split_part(path, '/', 1) || '/'
	when 2 then rtrim(split_part(path, '/', 1) || '/' || split_part(path, '/', 2), '/') || '/'
	when 3 then rtrim(split_part(path, '/', 1) || '/' || split_part(path, '/', 2) || '/' || split_part(path, '/', 3), '/') || '/' end;
comment on function rate.key(integer, text) is 'The grid among those one counts by that a grid belongs to; null of null.';

create function rate.lines(p_tickets uuid[]) returns setof rate.tally
language plpgsql stable
as $$
begin
	return query select s.street_id, g.grain, case g.grain when 0 then s.day else date_trunc('month', s.day)::date end,
		case g.grain when 0 then s.path else rate.key(g.grain % 10, s.path) end,
		case when g.grain between 1 and 4 then '' else s.category end, s.org_id, sum(s.dispatched), sum(s.contacted),
		sum(s.answered), sum(s.seconds)::bigint, sum(s.called), sum(s.reached), sum(s.resolved), sum(s.satisfied), sum(s.struck)
	from rate.share s, unnest('{0,1,2,3,4,11,12,13,14}'::smallint[]) g (grain)
	where s.street_id = core.street() and s.ticket_id = any (p_tickets)
	group by 1, 2, 3, 4, 5, 6;
end
$$;
comment on function rate.lines(uuid[]) is 'The lines of the tally as if there were these tickets alone.';

create function rate.move(p_old rate.tally[], p_new rate.tally[]) returns void
language plpgsql
as $$
begin
	insert into rate.tally as y
	select x.street_id, x.grain, x.from_on, x.path, x.category, x.org_id, sum(n * x.dispatched), sum(n * x.contacted),
		sum(n * x.answered), sum(n * x.seconds), sum(n * x.called), sum(n * x.reached), sum(n * x.resolved),
		sum(n * x.satisfied), sum(n * x.struck)
	from (select -1 as n, o.* from unnest(p_old) o union all select 1, o.* from unnest(p_new) o) x
	group by 1, 2, 3, 4, 5, 6
	having count(*) = 1 or min(x.dispatched) < max(x.dispatched) or min(x.contacted) < max(x.contacted)
		or min(x.answered) < max(x.answered) or min(x.seconds) < max(x.seconds) or min(x.called) < max(x.called)
		or min(x.reached) < max(x.reached) or min(x.resolved) < max(x.resolved) or min(x.satisfied) < max(x.satisfied)
		or min(x.struck) < max(x.struck)
	on conflict on constraint tally_pkey do update set dispatched = y.dispatched + excluded.dispatched,
		contacted = y.contacted + excluded.contacted, answered = y.answered + excluded.answered,
		seconds = y.seconds + excluded.seconds, called = y.called + excluded.called, reached = y.reached + excluded.reached,
		resolved = y.resolved + excluded.resolved, satisfied = y.satisfied + excluded.satisfied,
		struck = y.struck + excluded.struck;
	-- A line of nothing would stand where a tally made from scratch has none.
	delete from rate.tally y using unnest(p_old) o where y.dispatched = 0 and y.called = 0
		and (y.street_id, y.grain, y.from_on, y.path, y.category, y.org_id)
			= (o.street_id, o.grain, o.from_on, o.path, o.category, o.org_id);
end
$$;
comment on function rate.move(rate.tally[], rate.tally[]) is 'Takes lines out of the tally and adds others: writes what is different.';

create function rate.settle(p_tickets uuid[]) returns void
language plpgsql
as $$
declare
	st constant integer := core.street();
	whole constant uuid[] := array(select t.id from ticket.ticket t where t.street_id = st
		and (t.id = any (p_tickets) or t.merged_into = any (p_tickets)));
	old constant rate.tally[] := array(select x from rate.lines(whole) x);
	id uuid;
begin
	delete from rate.share s where s.street_id = st and s.ticket_id = any (whole);
	delete from rate.voice s where s.street_id = st and s.ticket_id = any (whole);
	foreach id in array whole loop
		perform rate.reckon(id);
	end loop;
	perform rate.move(old, array(select x from rate.lines(whole) x));
end
$$;
comment on function rate.settle(uuid[]) is
	'Reckons tickets, and those merged into them, anew and moves the tally by the difference.';

create function rate.follow(batch integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
	set plan_cache_mode = force_generic_plan set jit = off
as $$
declare
	horizon constant xid8 := core.event_horizon();
	s integer;
	m rate.mark;
	r record;
	n integer := 0;
	made text;
begin
	perform core.enter_system(0);
	for s in select x.id from grid.street x order by x.id loop
		made := set_config('linli.street', s::text, true);
		made := set_config('linli.scopes', '{' || s || '/}', true);
		select x.* into m from rate.mark x where x.street_id = s for update skip locked;
		if not found then
			insert into rate.mark (street_id) values (s) on conflict do nothing returning * into m;
			continue when not found; -- another job is at it
		end if;
		select count(*) as n, array_agg(distinct e.subject_id) filter (where e.subject = 'ticket') as tickets,
			(array_agg(e.xact order by e.xact desc, e.id desc))[1] as xact,
			(array_agg(e.id order by e.xact desc, e.id desc))[1] as id into r
		from (select x.* from core.event x
			where x.street_id = s and (x.xact, x.id) > (m.xact, m.event_id) and x.xact < horizon
			order by x.xact, x.id limit batch - n) e;
		continue when r.n = 0;
		perform rate.settle(coalesce(r.tickets, '{}'));
		update rate.mark x set xact = r.xact, event_id = r.id where x.street_id = s;
		n := n + r.n;
		exit when n >= batch;
	end loop;
	return n;
end
$$;
comment on function rate.follow(integer) is
	'Job: brings the tally of all streets up to the feed, batch events at most; returns how many. One probe of an index a street when there is nothing.';

create function rate.forget() returns void
language plpgsql
as $$
begin
	delete from rate.mark m where m.street_id = core.street();
	delete from rate.tally t where t.street_id = core.street();
	delete from rate.share x where x.street_id = core.street();
	delete from rate.voice x where x.street_id = core.street();
end
$$;
comment on function rate.forget() is
	'For linli_owner: the job begins the street''s tally from scratch, and comes to the same.';

---------------------------------------------------------------- reading
create function rate.percent(part bigint, whole bigint) returns numeric
language sql immutable parallel safe
return round(100.0 * part / nullif(whole, 0), 2);
comment on function rate.percent(bigint, bigint) is 'Per cent to two decimals, halves up; null of nothing, not 100.';

create type rate.sum as (key text, dispatched bigint, contacted bigint, answered bigint, seconds bigint, called bigint,
	reached bigint, resolved bigint, satisfied bigint, struck bigint);

create function rate.sums(p_reach text[], p_by text, p_from date, p_to date) returns setof rate.sum
language plpgsql stable rows 50 security definer set search_path = pg_catalog, pg_temp
	set linli.role = 'system' set jit = off set plan_cache_mode = force_custom_plan
as $$
declare
	st constant integer := core.street();
	steps constant integer := rate.steps(p_by);
	-- The whole months in between, and the days before and after them.
	lo constant date := date_trunc('month', p_from + interval '1 month - 1 day');
	hi constant date := greatest(lo, date_trunc('month', p_to));
	months constant date[] := array(select generate_series(lo, hi - 1, interval '1 month')::date);
	days constant date[] := array(select generate_series(p_from, least(lo, p_to) - 1, interval '1 day')::date
		union all select generate_series(hi, p_to - 1, interval '1 day')::date);
begin
	return query with reach as materialized (
		select x as lo, core.path_end(x) as hi, least(4, greatest(coalesce(steps, 1), ticket.path_depth(x)))
			+ case p_by when 'category' then 10 else 0 end as grain
		from unnest(p_reach) x),
	line as (
		select t.* from reach r join rate.tally t on t.street_id = st and t.grain = r.grain and t.from_on = any (months)
			and t.path >= r.lo and t.path < r.hi
		union all
		select t.* from reach r join rate.tally t on t.street_id = st and t.grain = 0 and t.from_on = any (days)
			and t.path >= r.lo and t.path < r.hi),
	-- Few are left before their key is worked out.
	plain as materialized (
		select case p_by when 'category' then t.category when 'department' then t.org_id::text
				when 'month' then to_char(t.from_on, 'YYYY-MM') else t.path end as k,
			sum(t.dispatched) as a, sum(t.contacted) as b, sum(t.answered) as c, sum(t.seconds) as d, sum(t.called) as e,
			sum(t.reached) as f, sum(t.resolved) as g, sum(t.satisfied) as h, sum(t.struck) as i
		from line t where (t.org_id = rate.nobody()) = (p_by <> 'department')
		group by 1)
	select case when steps is null then p.k else rate.key(steps, p.k) end,
		sum(p.a)::bigint, sum(p.b)::bigint, sum(p.c)::bigint, sum(p.d)::bigint, sum(p.e)::bigint, sum(p.f)::bigint,
		sum(p.g)::bigint, sum(p.h)::bigint, sum(p.i)::bigint
	from plain p group by 1;
end
$$;
comment on function rate.sums(text[], text, date, date) is
	'The tally below these paths, from a day until before another, by street, community, grid, micro, category, department or month. Beyond the caller''s scope: for rate.read() alone.';

create type rate.voices as (key text, voices bigint, residents bigint);

create function rate.voices(p_reach text[], p_by text, p_from date, p_to date) returns setof rate.voices
language plpgsql stable rows 50 security definer set search_path = pg_catalog, pg_temp
	set linli.role = 'system' set jit = off set enable_sort = off set plan_cache_mode = force_custom_plan
as $$
declare
	st constant integer := core.street();
	steps constant integer := rate.steps(p_by);
	-- One range, which the planner knows; most often there is one path.
	lo constant text := (select min(x collate "C") from unnest(p_reach) x);
	hi constant text := (select max(core.path_end(x) collate "C") from unnest(p_reach) x);
begin
	return query with heard as materialized (select rate.key(steps, v.path) as k, v.account_id
		from rate.voice v where v.street_id = st and v.path >= lo and v.path < hi and v.path ^@ any (p_reach)
			and v.day >= p_from and v.day < p_to group by 1, 2),
	homes as materialized (select rate.key(steps, p.path) as k, count(*) as n
		from people.person p where p.street_id = st and p.path >= lo and p.path < hi and p.path ^@ any (p_reach)
			and p.status in ('active', 'restricted') group by 1)
	select x.k, max(x.heard), max(x.homes) from (
		select h.k, count(*) as heard, 0::bigint as homes from heard h where steps is not null group by 1
		union all
		select h.k, 0, h.n from homes h where steps is not null
		union all
		select null, (select count(*) from (select from heard h group by h.account_id) y),
			(select coalesce(sum(h.n), 0)::bigint from homes h)) x
	group by 1;
end
$$;
comment on function rate.voices(text[], text, date, date) is
	'Who took part below these paths and how many residents are registered there: by place, when one counts by that, and, without a key, all together. Beyond the caller''s scope: for rate.read() alone.';

create function rate.figures(s rate.sum, base rate.sum, v rate.voices) returns json
language sql immutable
return json_build_object(
	'dispatched', coalesce(s.dispatched, 0), 'contacted', coalesce(s.contacted, 0), 'called', coalesce(s.called, 0),
	'reached', coalesce(s.reached, 0), 'resolved', coalesce(s.resolved, 0), 'satisfied', coalesce(s.satisfied, 0),
	'excluded', coalesce(s.struck, 0),
	'response_rate', rate.percent(s.contacted, s.dispatched), 'resolution_rate', rate.percent(s.resolved, s.reached),
	'satisfaction_rate', rate.percent(s.satisfied, s.reached),
	'response_minutes', round(s.seconds / 60.0 / nullif(s.answered, 0), 2),
	'baseline_minutes', round(base.seconds / 60.0 / nullif(base.answered, 0), 2),
	-- How much faster: base time / time - 1, by cross-multiplication.
	'speed_up', round(100.0 * base.seconds * s.answered / nullif(base.answered * s.seconds, 0) - 100, 2),
	'participants', v.voices, 'residents', v.residents, 'participation_rate', rate.percent(v.voices, v.residents));
comment on function rate.figures(rate.sum, rate.sum, rate.voices) is 'The counts of a line, its rates, and how much faster it is than the baseline.';

create function rate.reach(p_under uuid) returns text[]
language plpgsql stable
as $$
declare
	own constant text[] := case core.role() when 'street' then array[core.street() || '/']
		-- The ledger of one's community is open to all who live there.
		when 'resident' then array(select distinct core.path_head(s, 2) from unnest(core.scopes()) s)
		else core.scopes() end;
	top text collate "C";
begin
	if p_under is null then
		return own;
	end if;
	select g.path into top from grid.grid g where g.street_id = core.street() and g.id = p_under;
	return array(select distinct case when top ^@ s then top else s end from unnest(own) s where top ^@ s or s ^@ top);
end
$$;
comment on function rate.reach(uuid) is 'What the caller may count: the street all of it, staff their ground, a resident their community; within a grid, if one is named.';

create function rate.total(p_lines rate.sum[]) returns rate.sum
language plpgsql immutable
as $$
begin
	return (select row(null, sum(x.dispatched), sum(x.contacted), sum(x.answered), sum(x.seconds), sum(x.called),
		sum(x.reached), sum(x.resolved), sum(x.satisfied), sum(x.struck))::rate.sum from unnest(p_lines) x);
end
$$;
comment on function rate.total(rate.sum[]) is 'All lines in one.';

create function rate.read(p_by text, p_from date, p_to date, p_under uuid, p_base_from date, p_base_to date)
	returns table ("by" text, from_on date, to_on date, items json, total json)
language plpgsql stable rows 1 security definer set search_path = pg_catalog, pg_temp
as $$
declare
	reach constant text[] := rate.reach(p_under);
	by_place constant boolean := rate.steps(p_by) is not null;
	sums rate.sum[];
	before rate.sum[];
	voices rate.voices[];
begin
	"by" := p_by;
	from_on := coalesce(p_from, date_trunc('year', core.today())::date);
	to_on := coalesce(p_to, core.today() + 1);
	if (p_base_from is null) <> (p_base_to is null) or p_base_from >= p_base_to then
		perform core.fail(422, 'baseline_invalid', '/base_to');
	end if;
	sums := array(select x from rate.sums(reach, p_by, from_on, to_on) x);
	before := array(select x from rate.sums(reach, p_by, p_base_from, p_base_to) x where p_base_to is not null);
	voices := array(select x from rate.voices(reach, p_by, from_on, to_on) x);
	items := (select coalesce(json_agg(x.line order by x.key), '[]') from (
		select k.key, json_build_object('key', k.key, 'grid_id', g.id, 'name', coalesce(g.name, c.name_zh, o.name),
			'figures', rate.figures(n, b, row(k.key, case when by_place then coalesce(v.voices, 0) end,
				case when by_place then coalesce(v.residents, 0) end)::rate.voices)) as line
		from unnest(sums) n
		full join (select x.* from unnest(voices) x where x.key is not null) v on v.key = n.key
		cross join lateral (select coalesce(n.key, v.key) as key) k
		left join unnest(before) b on b.key = k.key
		left join grid.grid g on by_place and g.street_id = core.street() and g.path = k.key collate "C"
		left join ticket.category c on p_by = 'category' and c.code = k.key
		left join identity.org o on p_by = 'department' and o.street_id = core.street() and o.id::text = k.key) x);
	-- What several departments worked on counts once in all.
	if p_by = 'department' then
		sums := array(select x from rate.sums(reach, 'street', from_on, to_on) x);
		before := array(select x from rate.sums(reach, 'street', p_base_from, p_base_to) x where p_base_to is not null);
	end if;
	total := (select rate.figures(rate.total(sums), rate.total(before), v) from unnest(voices) v where v.key is null);
	return next;
end
$$;
comment on function rate.read(text, date, date, uuid, date, date) is
	'三率 from a day until before another, what the caller may count. LN422 baseline_invalid.';

---------------------------------------------------------------- 五个在网格
create function rate.board(p_id uuid) returns table (grid_id uuid, name text, kind text, party json, feelings json,
	services json, resources json, disputes json)
language plpgsql stable rows 1 security definer set search_path = pg_catalog, pg_temp
as $$
declare
	g grid.grid;
begin
	select x.* into g from grid.grid x where x.street_id = core.street() and x.id = p_id;
	if not found or core.role() not in ('grid_lead', 'community', 'street')
		or core.role() <> 'street' and not g.path ^@ any (core.scopes()) then
		perform core.fail(404, 'not_found');
	end if;
	return query select g.id, g.name, g.kind, x.* from rate.blocks(g.path) x;
end
$$;
comment on function rate.board(uuid) is
	'五个在网格 of a grid and all below it: counts of what is there, for the staff in whose ground it lies. LN404.';

create function rate.blocks(p_path text, out party json, out feelings json, out services json, out resources json, out disputes json)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set linli.role = 'system' set jit = off
as $$
declare
	st constant integer := core.street();
	lo constant text collate "C" := p_path;
	hi constant text collate "C" := core.path_end(p_path);
	since constant timestamptz := core.now() - interval '30 days';
begin
	party := (select json_build_object('organisations', count(*), 'members', coalesce(sum(p.member_count), 0),
			'own', max(p.name) filter (where p.path = lo))
		from grid.party_org p where p.street_id = st and p.path >= lo and p.path < hi);
	feelings := (select json_build_object('tickets_open', count(*) filter (where t.is_open),
			'tickets_recent', count(*) filter (where t.created_at >= since),
			'suggestions_recent', count(*) filter (where t.created_at >= since and t.kind = 'suggestion'),
			'diary_recent', (select count(*) from care.diary d where d.street_id = st and d.path >= lo and d.path < hi
				and d.on_date >= since::date))
		from ticket.ticket t where t.street_id = st and t.path >= lo and t.path < hi and (t.is_open or t.created_at >= since));
	services := (select json_build_object('visits_recent', count(*) filter (where v.state = 'done' and v.reported_at >= since),
			'visits_due', count(*) filter (where v.state = 'planned' and v.due_on >= core.today()),
			'visits_overdue', count(*) filter (where v.state = 'planned' and v.due_on < core.today()),
			'pairings', (select count(*) from care.pairing p where p.street_id = st and p.path >= lo and p.path < hi
				and p.state = 'active'))
		from care.visit v where v.street_id = st and v.path >= lo and v.path < hi
			and (v.state = 'planned' or v.reported_at >= since));
	resources := json_build_object(
		'leads', (select count(distinct a.account_id) from grid.assignment a where a.street_id = st and a.path >= lo and a.path < hi
			and a.from_on <= core.today() and (a.to_on is null or a.to_on > core.today())),
		'residents', (select count(*) from people.person p where p.street_id = st and p.path >= lo and p.path < hi
			and p.status in ('active', 'restricted')),
		'equipment', (select count(*) from field.equipment e where e.street_id = st and e.path >= lo and e.path < hi
			and e.status = 'in_use'),
		'equipment_expired', (select count(*) from field.equipment e where e.street_id = st and e.path >= lo and e.path < hi
			and e.status = 'in_use' and e.expires_on < core.today()),
		'routes', (select count(*) from field.route r where r.street_id = st and r.path >= lo and r.path < hi
			and not r.closed),
		'teams', (select count(*) from field.safety_team t where t.street_id = st and t.path >= lo and t.path < hi
			and not t.closed));
	disputes := (select json_build_object('open', count(*) filter (where m.state not in ('closed', 'withdrawn')),
			'agreed', count(*) filter (where m.agreement is not null),
			'failed', count(*) filter (where m.state = 'failed' or m.state in ('follow_up', 'closed') and m.agreement is null),
			'tickets_open', (select count(*) from ticket.ticket t where t.street_id = st and t.path >= lo and t.path < hi
				and t.kind = 'dispute' and t.is_open),
			'hazards_open', (select count(*) from field.hazard h where h.street_id = st and h.path >= lo and h.path < hi
				and h.is_open))
		from care.mediation m where m.street_id = st and m.path >= lo and m.path < hi);
end
$$;
comment on function rate.blocks(text, out json, out json, out json, out json, out json) is
	'The five blocks below a path, as counts, beyond the caller''s scope: for rate.board() alone.';

---------------------------------------------------------------- grants
grant select on rate.callback, rate.callback_view, rate.appeal, rate.appeal_view to linli_app;
grant execute on function rate.call_back(uuid, uuid, jsonb), rate.appeal(uuid, text), rate.decide(uuid, text, text),
	rate.read(text, date, date, uuid, date, date), rate.board(uuid) to linli_app;
grant execute on function rate.follow(integer) to linli_job;
