-- ledgers: who reads what of a lead's day; and that what is missing in a month
-- is found without reading the years before.
\ir care_world.psql

select pg_temp.as_app('system') \g /dev/null
insert into core.event (street_id, id, at, subject, subject_id, action, actor_id, actor_role, path)
select 60001, core.new_id(60001), core.now(), s, gen_random_uuid(), 'x', pg_temp.account(l), 'grid_lead', p from (values
	('lead', 'visit', '60001/1/1/1/'), ('lead', 'visit', '60001/1/1/1/'), ('lead', 'diary', '60001/1/1/'), ('lead', 'mediation', '60001/1/'),
	('next', 'ticket', '60001/1/1/2/'), ('general', 'patrol_task', '60001/1/1/'), ('other', 'ticket', '60001/2/1/1/')) v (l, s, p);
insert into core.event (street_id, id, at, subject, subject_id, action, actor_id, actor_role, path)
values (60001, core.new_id(60001), core.now(), 'visit', gen_random_uuid(), 'x', pg_temp.account('lead'), 'resident', '60001/1/1/1/');
reset role;
-- name: tickets visits patrols diary mediations
select is(pg_temp.see(p, $$select string_agg(concat_ws(' ', cells ->> 2 || ':', cells ->> 3, cells ->> 5, cells ->> 6, cells ->> 7, cells ->> 9), '; ' order by cells ->> 2)
	from duty.ledger_rows('worklog', null, null, null, null, 100)$$), w, p || ' reads of a day what is theirs to know')
from (values ('lead', 'lead: 0 2 0 1 1'), ('next', 'next: 1 0 0 0 0'), ('other', 'other: 1 0 0 0 0'), ('community2', 'other: 1 0 0 0 0'),
	('general', 'general: 0 0 1 0 0; lead: 0 2 0 1 0; next: 1 0 0 0 0'),
	('community', 'general: 0 0 1 0 0; lead: 0 2 0 1 1; next: 1 0 0 0 0')) v (p, w);
select throws_ok(format('select pg_temp.see(%L, %L)', p, q), 'LN403', 'role_not_allowed', p || ' reads no ' || q) from (values
	('reporter', 'select cells from duty.ledger_rows(''worklog'', null, null, null, null, 1)'), ('street', 'select cells from duty.ledger_rows(''persons'', null, null, null, null, 1)'),
	('reporter', 'select month from duty.completeness(null, null)')) v (p, q);
select is(pg_temp.see(p, $$select string_agg(i ->> 'name', ' ' order by i ->> 'name') from duty.completeness(null, null) c, json_array_elements(c.items) i$$), w,
	p || ' counts the micro-grids of their ground') from (values ('lead', '甲一一一'), ('general', '甲一一一 甲一一二'), ('community', '甲一一一 甲一一二'),
	('community2', '甲二一一'), ('street', '甲一一一 甲一一二 甲二一一')) v (p, w);

-- Years of it.
select pg_temp.person('老人') as elder \gset
select pg_temp.as_app('system') \g /dev/null
insert into core.event (street_id, id, at, subject, subject_id, action, actor_id, actor_role, path)
select 60001, core.new_id(60001), core.now() - i * interval '7 hours' - interval '40 days', 'visit', gen_random_uuid(), 'x', pg_temp.account('lead'), 'grid_lead', '60001/1/1/1/' from generate_series(1, 5000) i;
insert into care.diary (street_id, id, grid_id, path, on_date, topic, text, author_id)
select 60001, gen_random_uuid(), pg_temp.u(111), '60001/1/1/1/', core.today() - 40 - i % 900, 'care', '旧', pg_temp.account('lead') from generate_series(1, 5000) i;
insert into care.visit (street_id, id, path, place, household_id, kind, state, due_on)
select 60001, gen_random_uuid(), '60001/1/1/1/', '60001/1/1/1/', pg_temp.home(:'elder'), 'other', 'done', core.today() - 40 - i % 900 from generate_series(1, 5000) i;
reset role;
set local max_parallel_workers_per_gather = 0;
analyze core.event, care.diary, care.visit;
create temporary table meter as select unnest('{core.event,care.diary,care.visit}'::regclass[]) as o;
create function pg_temp.meter() returns bigint language sql as
$$select sum(pg_stat_get_xact_tuples_returned(o) + (select coalesce(sum(pg_stat_get_xact_tuples_returned(indexrelid)), 0)
	from pg_index where indrelid = o))::bigint from meter$$;
create function pg_temp.used(person text, sql text) returns bigint language plpgsql as $$
declare
	before constant bigint := pg_temp.meter();
	n bigint;
begin
	perform pg_temp.as_app(person);
	execute sql into n;
	reset role;
	return pg_temp.meter() - before;
end $$;
select cmp_ok(pg_temp.used('system', 'select count(*) from care.diary where author_name is null'), '>=', 5000::bigint, 'the meter sees a whole scan');
select cmp_ok(pg_temp.used(p, 'select grids from duty.completeness(null, null)'), '<=', 200::bigint, p || ' reads a month, not the years before')
from unnest('{lead,community,street}'::text[]) p;
select cmp_ok(pg_temp.used('community', 'select count(*) from duty.ledger_rows(''worklog'', null, core.today(), null, null, 20)'), '<=', 400::bigint, 'a day of the log costs a day');
select * from finish(true);
rollback;
