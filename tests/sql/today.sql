-- today: what is shown to whom and in what order; and that it is found by index
-- alone, however much is over.
\ir care_world.psql

create function pg_temp.day(person text, most integer default 50) returns setof json language plpgsql as $$
begin
	perform pg_temp.as_app(person);
	return query select row_to_json(d) from duty.today(most) d;
	reset role;
end $$;
create function pg_temp.items(person text) returns text language sql as
$$select coalesce(string_agg(i ->> 'kind' || ' ' || (i ->> 'title') || ' ' || coalesce(i ->> 'colour', '-') || ' ' || (i ->> 'mine'), '; ' order by n), '')
	from pg_temp.day(person) d, json_array_elements(d -> 'items') with ordinality x (i, n)$$;

select is(pg_temp.items('lead'), '', 'nothing waits');
select is((d ->> 'total') || (d ->> 'overdue') || json_array_length(d -> 'counts'), '009', 'and nine kinds of nothing are counted') from pg_temp.day('lead') d;

-- One of each kind, on the ground of lead, beside things that are over or not yet due.
select set_config('t.ticket', pg_temp.submit('reporter', '{"title": "井盖坏了"}')::text, true) \g /dev/null
select pg_temp.submit('reporter', '{"title": "已撤回"}') as gone \gset
select pg_temp.act('reporter', :'gone', 'withdraw', '{"reason": "好了"}') \g /dev/null
select pg_temp.person('独居者') as elder \gset
select pg_temp.as_app('system') \g /dev/null
insert into care.visit (street_id, id, path, place, household_id, kind, theme, state, due_on)
select 60001, gen_random_uuid(), '60001/1/1/1/', '60001/1/1/1/', pg_temp.home(:'elder'), 'other', t, s, core.today() + n
from (values ('迟', 'refused', -1), ('周内', 'planned', 7), ('远', 'planned', 8), ('完', 'done', 0)) v (t, s, n);
insert into care.alarm (street_id, id, person_id, path, seen_at, state, raised_at) values
	(60001, gen_random_uuid(), :'elder', '60001/1/1/1/', core.now() - interval '9 days', 'open', core.now() - interval '3 days'),
	(60001, gen_random_uuid(), :'elder', '60001/1/1/1/', core.now() - interval '30 days', 'cleared', core.now());
insert into field.equipment (street_id, id, kind, serial, place, grid_id, path, expires_on, status) select 60001, gen_random_uuid(),
	'extinguisher', n || s, '一楼' || n, pg_temp.u(111), '60001/1/1/1/', core.today() + n, s from (values (30, 'in_use'), (31, 'in_use'), (1, 'retired')) v (n, s);
insert into care.mediation (street_id, id, grid_id, path, kind, title, text, mediator_id, accounts, state, follow_up_on)
select 60001, gen_random_uuid(), pg_temp.u(111), '60001/1/1/1/', 'neighbour', t, '事', m, array_remove(array[m], null), s, core.today() + n
from (values ('回访', pg_temp.account('lead'), 'follow_up', 0), ('别人的', pg_temp.account('next'), 'opened', null), ('了结', pg_temp.account('lead'), 'closed', 0)) v (t, m, s, n);
reset role;
select is(pg_temp.items('lead'), 'alarm 独居者 red false; visit 独居者 · 迟 red false; mediation 回访 yellow true; equipment 灭火器 一楼30 yellow false; '
	|| 'ticket 井盖坏了 green false; visit 独居者 · 周内 green false', 'red before yellow before green, then what is due first; nothing that is over or far');
select is(pg_temp.items(p), '', p || ' leads other ground') from unnest('{other,community2}'::text[]) p;
select is(pg_temp.items('next'), 'mediation 别人的 - true', 'a case comes to its mediator, not to whose ground it is on');
select is((d ->> 'total') || ' ' || (d ->> 'overdue') || ' ' || json_array_length(d -> 'items'), '6 2 1', 'all is counted, the most urgent shown') from pg_temp.day('lead', 1) d;
select is((select string_agg(c ->> 'kind' || (c ->> 'total') || (c ->> 'overdue'), ' ') from json_array_elements(d -> 'counts') c),
	'ticket10 dispatch00 task00 hazard00 visit21 alarm11 patrol00 equipment10 mediation20', 'by kind, for the community') from pg_temp.day('community') d;
select is((select string_agg(i ->> 'kind' || (i ->> 'actions'), ' ' order by i ->> 'kind') from json_array_elements(d -> 'items') i
	where i ->> 'kind' in ('ticket', 'alarm', 'mediation')), w, p || ' is offered what the machines allow')
from (values ('lead', 'alarm[] mediation["close", "follow_up"] ticket' || (pg_temp.see('lead', format('select actions from ticket.detail where id = %L', current_setting('t.ticket'))))),
	('next', 'mediation["accept", "add_party", "decline"]')) v (p, w), pg_temp.day(p) d;
select is(pg_temp.act('lead', current_setting('t.ticket')::uuid, 'accept'), 'ok', 'accepted');
select is((select i ->> 'mine' from json_array_elements(d -> 'items') i where i ->> 'kind' = 'ticket'), 'true', 'it is the lead''s own') from pg_temp.day('lead') d;
select is(pg_temp.act('lead', current_setting('t.ticket')::uuid, 'start') || pg_temp.act('lead', current_setting('t.ticket')::uuid, 'resolve', '{"note": "已修"}'), 'okok', 'resolved');
select is(pg_temp.items('lead') ~ 'ticket', pg_temp.see('lead', format('select actions from ticket.detail where id = %L', current_setting('t.ticket'))) <> '[]',
	'what the lead can do nothing with is not of their day');

-- Thousands that are over, of each kind, on the same ground.
select pg_temp.as_app('system') \g /dev/null
insert into ticket.ticket (street_id, id, number, kind, category, urgency, status, title, description, grid_id, path, submitted_by, is_public)
select 60001, gen_random_uuid(), 'ZZB-' || i, 'problem', 'noise', 'normal', 'closed', '旧', '旧', pg_temp.u(111), '60001/1/1/1/', gen_random_uuid(), true from generate_series(1, 5000) i;
insert into field.hazard (street_id, id, number, kind, grade, status, title, description, grid_id, path, found_role)
select 60001, gen_random_uuid(), 'ZZH-' || i, 'fire', 'general', 'closed', '旧', '旧', pg_temp.u(111), '60001/1/1/1/', 'community' from generate_series(1, 5000) i;
insert into care.visit (street_id, id, path, place, household_id, kind, state, due_on)
select 60001, gen_random_uuid(), '60001/1/1/1/', '60001/1/1/1/', pg_temp.home(:'elder'), 'other', 'done', core.today() - i % 300 from generate_series(1, 5000) i;
insert into care.alarm (street_id, id, person_id, path, seen_at, state)
select 60001, gen_random_uuid(), :'elder', '60001/1/1/1/', core.now() - i * interval '61 minutes' - interval '1 second', 'ended' from generate_series(1, 5000) i;
insert into field.equipment (street_id, id, kind, serial, place, grid_id, path, expires_on, status)
select 60001, gen_random_uuid(), 'hydrant', 'z' || i, '旧', pg_temp.u(111), '60001/1/1/1/', core.today() - 1, 'retired' from generate_series(1, 5000) i;
insert into care.mediation (street_id, id, grid_id, path, kind, title, text, state)
select 60001, gen_random_uuid(), pg_temp.u(111), '60001/1/1/1/', 'neighbour', '旧', '旧', 'closed' from generate_series(1, 5000) i;
select core.new_id(60001) as route \gset
insert into field.route (street_id, id, grid_id, path, name, checkpoints) values (60001, :'route', pg_temp.u(111), '60001/1/1/1/', '院', '[]');
insert into field.patrol_plan (street_id, id, route_id, name, path, rule, on_holiday, start_on, from_minute, to_minute, assignees, planned_to)
values (60001, pg_temp.u(950), :'route', '嬢嬢日', '60001/1/1/1/', 'FREQ=WEEKLY;BYDAY=TU', 'keep', core.today(), 0, 1440, '{}', core.today());
insert into field.patrol_task (street_id, id, plan_id, route_id, name, path, nominal_on, on_day, provisional, opens_at, closes_at, assignees, checkpoints, status)
select 60001, gen_random_uuid(), pg_temp.u(950), :'route', '嬢嬢日', '60001/1/1/1/', core.today() - i, core.today() - i, false,
	duty.end_of(core.today() - i - 1), duty.end_of(core.today() - i), '{}', '[]', case i when 0 then 'open' else 'done' end from generate_series(0, 5000) i;
insert into duty.admission (street_id, id, title, description, grid_kind, grid_ids, due_on, proposed_by)
select 60001, pg_temp.u(20000 + i), '旧', '旧', 'micro', '{}', core.today(), pg_temp.u(1) from generate_series(1, 5000) i;
insert into duty.grid_task (street_id, id, admission_id, grid_id, path, title, description, due_on, status)
select 60001, gen_random_uuid(), pg_temp.u(20000 + i), pg_temp.u(111), '60001/1/1/1/', '旧', '旧', core.today(), 'done' from generate_series(1, 5000) i;
insert into ticket.dispatch (street_id, id, ticket_id, path, org_id, lead, status, again, return_by, done_at, evaluated_at)
select 60001, gen_random_uuid(), :'gone', '60001/1/1/1/', pg_temp.u(951), false, case i % 2 when 0 then 'done' else 'returned' end, false, core.now(),
	core.now(), core.now() from generate_series(1, 5000) i;
reset role;
set local max_parallel_workers_per_gather = 0;
analyze duty.grid_task, ticket.dispatch, ticket.ticket, field.hazard, care.visit, care.alarm, field.equipment, care.mediation, field.patrol_task, clock.clock;

create temporary table meter as select unnest('{ticket.ticket,field.hazard,care.visit,care.alarm,field.equipment,care.mediation,field.patrol_task,clock.clock,duty.grid_task,ticket.dispatch}'::regclass[]) as o;
-- Whole scans, and rows touched.
create function pg_temp.meter() returns bigint[] language sql as
$$select array[sum(pg_stat_get_xact_numscans(o)), sum(pg_stat_get_xact_tuples_returned(o) + (select coalesce(sum(pg_stat_get_xact_tuples_fetched(indexrelid)), 0)
	from pg_index where indrelid = o))]::bigint[] from meter$$;
create function pg_temp.used(person text, sql text, times integer) returns bigint[] language plpgsql as $$
declare
	before bigint[];
	n bigint;
	x bigint[];
begin
	perform pg_temp.as_app(person);
	for i in 1..times loop
		reset role;
		before := pg_temp.meter();
		perform pg_temp.as_app(person);
		execute sql into n;
		reset role;
		x := pg_temp.meter();
	end loop;
	return array[x[1] - before[1], x[2] - before[2]];
end $$;
select cmp_ok((pg_temp.used('system', 'select count(*) from care.visit where coalesce(note, reason) is null', 2))[2], '>=', 5000::bigint, 'the meter sees a whole scan');
select ok(u[1] = 0 and u[2] <= 100, format('%s, run %s: %s whole scans, %s rows', p, n, u[1], u[2]))
from unnest('{lead,general,community,department}'::text[]) p, unnest('{2,8}'::integer[]) n, lateral (select pg_temp.used(p, 'select total from duty.today(50)', n) as u) x;
select matches(pg_temp.items('lead'), 'patrol 嬢嬢日 yellow false', 'the patrol of today');
select * from finish(true);
rollback;
