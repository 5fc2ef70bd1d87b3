-- What the job looks for each second: among twenty thousand of each that are
-- not due it reads none but those that are, and it acts on each of these once.
\ir world.psql
set local session_replication_role = replica; -- what is made here hangs on nothing
insert into care.watch (street_id, person_id, path, days, seen_at, due_at)
select 60001, pg_temp.u(100000 + i), '60001/1/1/1/', 7, now(), now() + i * interval '1 minute' from generate_series(1, 20000) i;
insert into field.equipment (street_id, id, kind, serial, place, grid_id, path, expires_on)
select 60001, pg_temp.u(100000 + i), 'aed', i::text, 'x', pg_temp.u(111), '60001/1/1/1/', core.today() + 31 + i / 10 from generate_series(1, 20000) i;
insert into care.plan (street_id, id, grid_id, path, name, tags, from_on, to_on, due_on, repeats)
select 60001, pg_temp.u(100000 + i), pg_temp.u(111), '60001/1/1/1/', 'x', '{party}', core.today(), core.today() + 9, core.today(), 'no' from generate_series(1, 20000) i;
insert into care.pairing (street_id, id, path, kind, helper_id, recipient_id, visits_per_season, planned_until)
select 60001, pg_temp.u(100000 + i), '60001/1/1/1/', 'green_ribbon', pg_temp.u(i), pg_temp.u(50000 + i), 1, core.today() + 1 + i / 1000 from generate_series(1, 20000) i;
insert into field.patrol_plan (street_id, id, route_id, name, path, rule, on_holiday, start_on, from_minute, to_minute, assignees, planned_to)
select 60001, pg_temp.u(100000 + i), pg_temp.u(1), 'x', '60001/1/1/1/', 'FREQ=DAILY', 'keep', core.today(), 0, 1440, '{}', core.today() + 7 from generate_series(1, 20000) i;
insert into field.patrol_task (street_id, id, plan_id, route_id, name, path, nominal_on, on_day, provisional, opens_at, closes_at, assignees, checkpoints)
select 60001, pg_temp.u(100000 + i), pg_temp.u(i), pg_temp.u(1), 'x', '60001/1/1/1/', core.today(), core.today(), false, now(), now() + i * interval '1 minute', '{}', '[]'
from generate_series(1, 20000) i;
analyze care.watch, field.equipment, care.plan, care.pairing, field.patrol_plan, field.patrol_task;

create temporary table job (call text, called text, due text);
insert into job values
	('care.raise_alarms(50)', 'care.watch', 'update care.watch x set due_at = now() where person_id = any (%L)'),
	('field.remind(50)', 'field.equipment', 'update field.equipment x set expires_on = core.today() + 30 where id = any (%L)'),
	('care.turn_plans(50)', 'care.plan', 'update care.plan x set filled_on = core.today() - 1 where id = any (%L)'),
	('care.turn_seasons(50)', 'care.pairing', 'update care.pairing x set planned_until = core.today() where id = any (%L)'),
	('field.plan_patrols(50)', 'field.patrol_plan', 'update field.patrol_plan x set planned_to = core.today() + 6 where id = any (%L)'),
	('field.miss_patrols(50)', 'field.patrol_task', 'update field.patrol_task x set closes_at = now() where id = any (%L)');
-- Rows of the job's table it reads, and what it returns.
create function pg_temp.run(j job, out done integer, out read bigint) language plpgsql as $$
declare
	before bigint;
begin
	set local role linli_owner;
	perform core.enter_system(60001);
	before := (select s.seq_tup_read + s.idx_tup_fetch from pg_stat_xact_user_tables s where s.relid = j.called::regclass);
	execute 'select ' || j.call into done;
	read := (select s.seq_tup_read + s.idx_tup_fetch from pg_stat_xact_user_tables s where s.relid = j.called::regclass) - before;
	reset role;
end $$;
select is(r.done, 0, call || ' has nothing to do'), cmp_ok(r.read, '<=', 2::bigint, 'and reads nothing') from job j, lateral pg_temp.run(j) r;
-- Three of them are.
do $$
declare
	j job;
begin
	for j in select * from job loop
		execute format(j.due, array(select pg_temp.u(100000 + i) from generate_series(1, 3) i));
	end loop;
end $$;
select is(r.done, 3, call || ' acts on what is due'), cmp_ok(r.read, '<=', 60::bigint, 'and reads little else') from job j, lateral pg_temp.run(j) r;
select is(r.done, 0, call || ' does so once') from job j, lateral pg_temp.run(j) r;

select * from finish(true);
rollback;
