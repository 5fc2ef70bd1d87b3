-- clocks: moments, policies, the clocks of a ticket, the job that announces.
\ir tickets_world.psql

update identity.session set expires_at = 'infinity';
create function pg_temp.cd(t timestamptz) returns text language sql as
$$select to_char(t at time zone 'Asia/Shanghai', 'MM-DD HH24:MI')$$;
create function pg_temp.at(t text) returns void language sql as
$$select pg_temp.clock((t || '+08')::timestamptz)$$;
create function pg_temp.clocks(x uuid) returns text[] language plpgsql as $$
begin
	reset role;
	return array(select concat_ws(' ', c.stage, c.state, pg_temp.cd(c.due_at), pg_temp.cd(c.stopped_at))
		from clock.clock c where c.subject_id = x order by c.id);
end $$;
create function pg_temp.tick(batch integer default 100) returns integer language plpgsql as $$
declare
	n integer;
begin
	perform pg_temp.leave();
	set local role linli_job;
	n := clock.tick(batch);
	reset role;
	return n;
end $$;
create function pg_temp.fired(x uuid) returns text[] language plpgsql as $$
begin
	return array(select concat_ws(' ', e.action, e.data ->> 'stage', e.data ->> 'mark', e.data ->> 'raised_to')
		from core.event e where e.subject_id = x and e.action ~ '^(clock|overdue)' order by e.id);
end $$;

-- moments: half, three quarters, all; rule 7: a suspension of three working
-- hours moves what is due by three working hours
select is(array[pg_temp.cd(m.half_at), pg_temp.cd(m.late_at), pg_temp.cd(m.due_at)], want::text[], format('%s %s from %s %s', n, unit, a, pauses))
from (values ('working_minutes', 120, '2026-11-20 11:30', '{}', '{11-20 13:30,11-20 14:00,11-20 14:30}'),
	('working_days', 1, '2026-11-20 11:00', '{}', '{11-23 10:00,11-23 14:00,11-23 17:00}'),
	('working_days', 3, '2026-09-30 16:00', '{}', '{10-09 12:00,10-10 10:30,10-10 17:00}'),
	('working_days', 0, '2026-11-20 11:00', '{}', '{11-20 14:30,11-20 15:45,11-20 17:00}'),
	('wall_minutes', 4, '2026-11-20 23:45', '{}', '{11-20 23:47,11-20 23:48,11-20 23:49}'),
	('wall_minutes', 0, '2026-11-20 23:45', '{}', '{11-20 23:45,11-20 23:45,11-20 23:45}'),
	('working_minutes', 240, '2026-11-20 09:00', '{["2026-11-20 15:00+08","2026-11-23 11:00+08")}', '{11-20 11:00,11-20 12:00,11-20 14:00}'),
	('working_minutes', 240, '2026-11-20 09:00', '{["2026-11-20 11:00+08","2026-11-20 15:00+08")}', '{11-20 11:00,11-20 16:00,11-20 17:00}'),
	('working_days', 2, '2026-11-19 09:00', '{["2026-11-19 10:00+08","2026-11-19 14:00+08")}', '{11-20 16:30,11-23 14:45,11-24 12:00}'),
	('working_days', 2, '2026-11-19 09:00', '{["2026-11-19 10:00+08","2026-11-19 12:00+08"),["2026-11-20 16:30+08","2026-11-23 09:30+08")}', '{11-20 15:30,11-23 14:45,11-24 12:00}'),
	('wall_minutes', 60, '2026-11-20 09:00', '{["2026-11-20 09:10+08","2026-11-20 12:10+08")}', '{11-20 12:30,11-20 12:45,11-20 13:00}')) v (unit, n, a, pauses, want),
	clock.moments(60001, unit, n, (a || '+08')::timestamptz, pauses::tstzmultirange) m;
select is((clock.moments(60001, unit, 3, '2026-12-30 09:00+08', '{}')).provisional, p, unit || ' into an unpublished year')
from (values ('working_days', true), ('working_minutes', false), ('wall_minutes', false)) v (unit, p);

-- policies: the one that says most, a street's own first
insert into clock.policy (street_id, subject, stage, category, urgency, class, unit, amount) values
	(60001, 'ticket', 'resolve', '', '', '', 'working_days', 4), (60001, 'ticket', 'resolve', 'noise', '', '', 'working_days', 5),
	(60001, 'ticket', 'resolve', 'noise', 'urgent', '', 'working_days', 6);
select is((clock.policy_for(st, 'ticket', 'resolve', 'problem', cat, urg, cls)).amount, want, format('%s %s %s %s', st, cat, urg, cls))
from (values (60001, 'noise', 'normal', '', 5), (60001, 'noise', 'urgent', '', 6), (60001, 'noise', 'critical', '', 5), (60001, 'pets', 'normal', '', 4),
	(60001, 'pets', 'urgent', '', 1), (60002, 'noise', 'normal', '', 2), (60002, 'noise', 'urgent', '', 1), (60002, 'noise', 'critical', '', 60),
	(60002, 'noise', 'normal', 'consult', 3), (60002, 'noise', 'urgent', 'help', 7), (60002, 'noise', 'normal', 'complaint', 15),
	(60002, 'noise', 'critical', 'complaint', 60), (60001, 'noise', 'urgent', 'complaint', 15)) v (st, cat, urg, cls, want);
select is(clock.policy_for(60001, 'hazard', 'resolve', '', '', '', '') is null, true, 'there may be none');
delete from clock.policy where street_id = 60001;

-- a ticket's clocks through the whole loop, with rule 6's dates
select pg_temp.at('2026-09-30 09:00');
select pg_temp.submit('reporter') as t \gset
select is(pg_temp.clocks(:'t'), '{accept running 09-30 14:00}', 'half a working day to accept');
select is(pg_temp.see('lead', format('select concat_ws('' '', pg_temp.cd(due_at), colour) from ticket.detail d where d.id = %L', :'t')), '09-30 14:00 green', 'the ticket says so');
select pg_temp.at('2026-09-30 11:00');
select is(pg_temp.see(p, format('select (brief).colour from ticket.listed d where d.id = %L', :'t')), 'yellow', 'yellow from half of the time on, in lists of ' || p)
from unnest('{reporter,neighbour,lead,community,street}'::text[]) p;
select pg_temp.at('2026-09-30 13:59');
select pg_temp.drive(:'t', 'accept');
select is(pg_temp.clocks(:'t'), '{"accept stopped 09-30 14:00 09-30 13:59","first_contact running 10-08 17:00","resolve running 10-09 17:00"}', 'accepted: 普通 2 days');
select is(pg_temp.act('lead', :'t', 'start'), 'ok');
select pg_temp.at('2026-09-30 15:00');
select ok(ticket.add_comment(core.new_id(60001), :'t', '说一句', i, null)) from (select pg_temp.as_app('lead')) l, unnest('{t}'::boolean[]) i;
select is((pg_temp.clocks(:'t'))[2], 'first_contact running 10-08 17:00', 'words among staff are no contact');
select ok(ticket.add_comment(core.new_id(60001), :'t', '您好，明天上门看', false, null)) from (select pg_temp.as_app('lead')) l;
select is((pg_temp.clocks(:'t'))[2], 'first_contact stopped 10-08 17:00 09-30 15:00', 'those to the reporter are');
-- rule 7 in the loop
select pg_temp.at('2026-10-08 10:00'), pg_temp.act('community', :'t', 'suspend', '{"reason": "等设备"}');
select is(pg_temp.see('lead', format('select concat(due_at, colour) from ticket.detail d where d.id = %L', :'t')), '', 'nothing is due while it is suspended');
select is(pg_temp.tick(), 0, 'and nothing is announced'), pg_temp.at('2026-10-08 14:00'), pg_temp.act('community', :'t', 'resume');
select is((pg_temp.clocks(:'t'))[3], 'resolve running 10-10 12:00', 'rule 7: three working hours later');
select pg_temp.at('2026-10-09 10:00'), pg_temp.drive(:'t', 'resolve');
select is(pg_temp.clocks(:'t'), '{"accept stopped 09-30 14:00 09-30 13:59","first_contact stopped 10-08 17:00 09-30 15:00","resolve stopped 10-10 12:00 10-09 10:00","reply running 10-10 17:00"}', 'resolved: a working day to reply');
select pg_temp.drive(:'t', 'send_back');
select is((pg_temp.clocks(:'t'))[3:4], '{"resolve running 10-10 12:00","reply dropped 10-10 17:00 10-09 10:00"}', 'sent back: the original clock');
select pg_temp.drive(:'t', 'resolve reply');
select is(pg_temp.see('reporter', format('select concat(due_at, colour) from ticket.detail d where d.id = %L', :'t')), '', 'replied: nobody owes anything');
-- rule 15
select pg_temp.at('2026-10-12 09:00'), pg_temp.drive(:'t', 'reopen');
select is((pg_temp.clocks(:'t'))[3], 'resolve running 10-10 12:00', 'rule 15: reopened, it keeps its original clock'),
	is((pg_temp.clocks(:'t'))[6], 'accept running 10-12 14:00', 'and somebody has to take it on again');
select is(pg_temp.see('lead', format('select colour from ticket.detail d where d.id = %L', :'t')), 'red', 'it is late at once');
select is(pg_temp.tick(), 3, 'what had passed is announced'), is(pg_temp.fired(:'t'), '{"clock_warning resolve half","clock_warning resolve three_quarters","clock_overdue resolve due street"}', 'to the street, the warnings before it');
select pg_temp.drive(:'t', 'withdraw');
select is((select count(*) from clock.clock where subject_id = :'t' and state in ('running', 'paused')), 0::bigint, 'withdrawn: all are dropped');

-- each moment once
select pg_temp.at('2026-11-20 09:00');
select pg_temp.submit('reporter') as t \gset
select pg_temp.at(at), is(pg_temp.tick(), n, 'at ' || at), is(pg_temp.tick(), 0, 'and not again')
from (values ('2026-11-20 10:59:59', 0), ('2026-11-20 11:00', 1), ('2026-11-20 11:59:59', 0), ('2026-11-20 12:00', 1),
	('2026-11-20 11:00', 0), ('2026-11-20 13:59:59', 0), ('2026-11-20 14:00', 1), ('2026-11-20 13:00', 0)) v (at, n);
select is(pg_temp.fired(:'t'), '{"clock_warning accept half","clock_warning accept three_quarters","clock_overdue accept due community",overdue}', 'half, three quarters, due'),
	is(pg_temp.status(:'t'), 'escalated_community', 'what nobody accepted in time is the community''s');
select is((pg_temp.clocks(:'t'))[2], 'resolve running 11-24 17:00', 'who has the usual time for it');
select is(pg_temp.act('community', :'t', 'start'), 'ok');
select is(count(*), 3::bigint, 'each has one mark') from clock.mark m join clock.clock c on c.id = m.clock_id where c.subject_id = :'t' and c.stage = 'accept';
select throws_ok(format('insert into clock.mark select street_id, clock_id, mark, due_at, fired_at from clock.mark where clock_id = %L limit 1', c.id), '23505', null, 'which is unique')
from clock.clock c where c.subject_id = :'t' and c.stage = 'accept';
select is(pg_temp.see(p, format('select array_agg(e.action order by e.id) from core.event_view e where e.subject_id = %L', :'t')), want, p || ' reads on the timeline')
from (values ('reporter', '{submit,clock_overdue,overdue,start}'), ('neighbour', '{submit,overdue,start}'),
	('lead', '{submit,clock_warning,clock_warning,clock_overdue,overdue,start}')) v (p, want);
-- a job that was down says all, once, and at most so many at a time
select pg_temp.submit('reporter') as a \gset
select pg_temp.submit('reporter') as b \gset
select pg_temp.at('2027-02-20 09:00');
select pg_temp.tick(1);
select is((select count(distinct subject_id) from core.event where subject_id in (:'a', :'b') and action ~ '^clock'), 1::bigint, 'one at a time');
select cmp_ok(pg_temp.tick(), '>=', 6, 'then the rest'), is(pg_temp.tick(), 0, 'once');
select is(array_agg(distinct pg_temp.status(x)), '{escalated_community}', 'both are overdue') from unnest(array[:'a', :'b']::uuid[]) x;

-- a policy that says otherwise
insert into clock.policy (street_id, subject, stage, unit, amount) values (60001, 'ticket', 'accept', 'wall_minutes', 10);
select pg_temp.submit('reporter') as t \gset
select pg_temp.at('2027-02-20 09:10'), pg_temp.tick();
select is(pg_temp.status(:'t'), 'submitted', 'it stays with the lead'), is(pg_temp.act('lead', :'t', 'accept'), 'ok', 'who accepts late');
select is(pg_temp.see('lead', format('select in_time from clock.clock_view v where v.subject_id = %L and v.stage = ''accept''', :'t')), 'false', 'and late it was');
delete from clock.policy where street_id = 60001;

-- 特急 around the clock: 23:45, answered 23:48
select pg_temp.at('2026-11-20 23:45');
select pg_temp.submit('reporter', '{"urgency": "critical"}') as t \gset
select pg_temp.at('2026-11-20 23:48'), pg_temp.drive(:'t', 'accept');
select is(pg_temp.clocks(:'t'), '{"accept stopped 11-20 23:50 11-20 23:48","first_contact running 11-21 00:03","resolve running 11-21 00:48"}', 'rule 7: in the night');
select is(pg_temp.see('lead', format('select count(*) from ticket.contact(%L)', :'t')), '1');
select is((pg_temp.clocks(:'t'))[2], 'first_contact stopped 11-21 00:03 11-20 23:48', 'who opens the number has turned to the reporter');
-- what it was said to be may change
select pg_temp.at('2026-11-20 09:00');
select pg_temp.submit('reporter') as t \gset
select pg_temp.at('2026-11-20 09:30'), pg_temp.as_app('reporter');
select ok(ticket.edit(:'t', '1', '{"kind": "problem", "category": "noise", "urgency": "urgent", "title": "夜里太吵", "description": "更吵了"}'));
select is(pg_temp.clocks(:'t'), '{"accept running 11-20 10:00"}', 'urgent after all: from when it was submitted');
-- the hotline's classes; rule 6: accepted 2026-09-30
select pg_temp.at('2026-09-30 15:00');
create temporary table hot as select c, pg_temp.submit('lead', jsonb_build_object('hotline_class', c, 'on_behalf', '{"name": "来电人"}'::jsonb)) as t
from unnest('{consult,help,complaint}'::text[]) c;
select pg_temp.drive(t, 'accept') from hot;
select is((pg_temp.clocks(t))[3], 'resolve running ' || d || ' 17:00', 'rule 6: 12345 ' || c)
from hot join (values ('consult', '10-10'), ('help', '10-15'), ('complaint', '10-27')) v (c, d) using (c);
select is(pg_temp.refusal('reporter', $$select ticket.submit(core.new_id(60001), '{"kind": "problem", "category": "noise", "urgency": "normal", "title": "吵吵", "description": "吵", "hotline_class": "help"}')$$),
	'LN422 staff_only /hotline_class', 'residents do not say so');
-- an act ends it otherwise
select pg_temp.submit('reporter') as t \gset
select pg_temp.submit('reporter') as u \gset
select is(pg_temp.act('lead', :'t', 'reject', '{"reason": "不属实"}'), 'ok'), is(pg_temp.act('community', :'u', 'merge', jsonb_build_object('target_id', (select t from hot limit 1))), 'ok');
select is(array[pg_temp.clocks(:'t'), pg_temp.clocks(:'u')], '{{"accept stopped 10-08 11:00 09-30 15:00"},{"accept dropped 10-08 11:00 09-30 15:00"}}', 'rejected in time; merged, owed no longer');
-- who may see the ticket may see its clocks
select pg_temp.submit('reporter') as t \gset
select is(pg_temp.act('lead', :'t', 'transfer', jsonb_build_object('grid_id', pg_temp.u(112), 'reason', '隔壁')), 'ok');
select is(pg_temp.see(p, format('select count(*) from clock.clock_view v where v.subject_id = %L', :'t')), n, p)
from (values ('reporter', '1'), ('neighbour', '0'), ('lead', '0'), ('next', '1'), ('general', '1'), ('other', '0'), ('community', '1'), ('community2', '0'), ('street', '1'), ('far', '0')) v (p, n);

-- more time: asked for before it is due, granted one level up, once
select pg_temp.at('2026-09-30 09:00');
select pg_temp.submit('reporter') as t \gset
select pg_temp.drive(:'t', 'accept');
select id as c from clock.clock where subject_id = :'t' and stage = 'resolve' \gset
create function pg_temp.ask(person text, c uuid, what text, n integer default 1) returns text language sql as
$$select pg_temp.refusal(person, format('select core.must(clock.extend(%L, %L, %s, ''有理由''), 404, ''not_found'')', c, what, n))$$;
select is(pg_temp.ask(p, :'c', what), want, format('rule 15: %s %s', p, what)) from (values
	(1, 'community', 'grant_extension', 'LN409 extension_not_requested'), (2, 'reporter', 'request_extension', 'LN404 not_found'),
	(3, 'street', 'request_extension', 'LN403 role_not_allowed'), (4, 'next', 'request_extension', 'LN404 not_found'),
	(5, 'lead', 'request_extension', 'done'), (6, 'lead', 'request_extension', 'LN409 extension_used'), (7, 'lead', 'grant_extension', 'LN403 role_not_allowed'),
	(8, 'street', 'grant_extension', 'LN403 role_not_allowed'), (9, 'community2', 'grant_extension', 'LN404 not_found'),
	(10, 'community', 'grant_extension', 'done'), (11, 'community', 'refuse_extension', 'LN409 extension_used'),
	(12, 'community', 'request_extension', 'LN409 extension_used')) v (i, p, what, want) order by i;
select is((pg_temp.clocks(:'t'))[3], 'resolve running 10-10 17:00', 'a day more is a working day');
select is(pg_temp.cd(due_at), '10-08 17:00', 'what is due first stays that') from ticket.ticket where id = :'t';
select pg_temp.submit('reporter') as t \gset
select pg_temp.drive(:'t', 'accept');
select id as c from clock.clock where subject_id = :'t' and stage = 'resolve' \gset
select is(pg_temp.ask('community', :'c', 'request_extension'), 'done'), is(pg_temp.ask('community', :'c', 'grant_extension'), 'LN403 role_not_allowed', 'not by the one who asked'),
	is(pg_temp.ask('street', :'c', 'refuse_extension'), 'done', 'a community''s goes to the street');
select is((pg_temp.clocks(:'t'))[3], 'resolve running 10-09 17:00', 'refused');
select pg_temp.submit('reporter') as t \gset
select pg_temp.drive(:'t', 'accept');
select id as c from clock.clock where subject_id = :'t' and stage = 'resolve' \gset
select pg_temp.at('2026-10-09 17:00');
select is(pg_temp.ask('lead', :'c', 'request_extension'), 'LN409 clock_overdue', 'rule 15: not after it was due');

-- 催办, 督办
select is(pg_temp.act('reporter', :'t', 'urge', '{"text": "请快些"}'), 'ok'), is(pg_temp.act('reporter', :'t', 'urge'), 'urged_already', 'once a day');
select pg_temp.at('2026-10-10 17:01'), is(pg_temp.act('reporter', :'t', 'urge'), 'ok', 'and again the next'), is(pg_temp.act('street', :'t', 'supervise', '{"reason": "今天到场"}'), 'ok');
select is(urged_count, 2), is(pg_temp.cd(supervised_at), '10-10 17:01') from ticket.ticket where id = :'t';

-- a calendar that changes
select pg_temp.at('2026-12-30 10:00');
select pg_temp.submit('reporter') as t \gset
select pg_temp.drive(:'t', 'accept');
select is((pg_temp.clocks(:'t'))[3], 'resolve running 01-01 17:00', 'as the week goes'), is(c.provisional, true, 'and says so') from clock.clock c where c.subject_id = :'t' and stage = 'resolve';
set local role linli_owner;
select is(array[l.days, l.changed]::text, '{2,2}', 'a notice'), ok(l.moved > 0) from clock.publish(E'date,name,off\n2027-01-01,元旦,1\n2027-01-03,元旦,1') l;
reset role;
select is((pg_temp.clocks(:'t'))[3], 'resolve running 01-04 17:00', 'moves it'), is(c.provisional, false, 'and is final') from clock.clock c where c.subject_id = :'t' and stage = 'resolve';
select is(pg_temp.refusal(p, format('select clock.put_hours(%L, %L)', d, s)), want, d || s) from (values
	(1, 'community', '2027-01-01', '[{"from": "09:00", "to": "12:00"}]', 'LN403 role_not_allowed'),
	(2, 'street', '2026-12-30', '[{"from": "09:00", "to": "12:00"}]', 'LN422 day_past /from_on'),
	(3, 'street', '2027-01-01', '[{"from": "12:00", "to": "09:00"}]', 'LN422 hours_invalid /spans/0'),
	(4, 'street', '2027-01-01', '[{"from": "09:00", "to": "12:00"}, {"from": "11:00", "to": "13:00"}]', 'LN422 hours_invalid /spans/1'),
	(5, 'street', '2027-01-01', '[{"from": "14:00", "to": "18:00"}, {"from": "09:00", "to": "12:00"}]', 'done')) v (i, p, d, s, want) order by i;
select is((pg_temp.clocks(:'t'))[3], 'resolve running 01-04 18:00', 'office hours move it too');

-- between deadlines: one probe of an index, however many run
insert into clock.clock (street_id, id, subject, subject_id, stage, path, unit, amount, on_overdue, started_at, half_at, late_at, due_at, provisional)
select 60001, pg_temp.u(50000 + i), 'drill', pg_temp.u(50000 + i), 'x', '60001/1/1/1/', 'wall_minutes', 1, '', now(), m, m, m, false
from generate_series(1, 20000) i, lateral (select '2030-01-01'::timestamptz + i * interval '1 minute' as m) x;
analyze clock.clock;
create function pg_temp.plan(q text) returns setof text language plpgsql as $$begin return query execute 'explain ' || q; end$$;
set local role linli_owner;
select core.enter_system(60001);
select ok(exists (select from pg_temp.plan('select x.id, x.subject, x.subject_id from clock.clock x where x.street_id = 60001 and x.next_at <= now() order by x.next_at limit 100') p
	where p ~ 'Index Scan using clock_next'), 'the job goes by its index');

select * from finish(true);
rollback;
