-- visits: domain rule 14 with its own figures, every state × outcome × role, who
-- sees what, alarms once, and that the job does each thing once.
\ir care_world.psql

-- 30 difficult + 50 Party + 10 dispute + 20 special with 15 overlaps are 95.
create temporary table house as
select n, pg_temp.person('住户' || n) as person from generate_series(1, 95) n;
grant select on house to linli_app, linli_owner;
select pg_temp.tag(person, 'difficult') from house where n <= 30 \g /dev/null
select pg_temp.tag(person, 'party', n % 2 = 0) from house where n between 16 and 65 \g /dev/null
select pg_temp.tag(person, 'dispute') from house where n between 66 and 75 \g /dev/null
select pg_temp.tag(person, 'special_group') from house where n between 76 and 95 \g /dev/null
select pg_temp.person('无标签') \g /dev/null
select pg_temp.as_app('community') \g /dev/null
select care.create_plan(pg_temp.u(500), jsonb_build_object('name', '四必去', 'grid_id', pg_temp.u(111), 'to_on', core.today() + 30)) \g /dev/null
reset role;
create function pg_temp.plan(person text, field text, plan uuid default pg_temp.u(500)) returns text language plpgsql as $$
begin
	return pg_temp.see(person, format('select %I::text from care.plans(%L, null, null, null, null, 1)', field, plan));
end $$;
select is(pg_temp.plan('lead', 'households'), '95', 'a household counts once, however many tags it carries');
select is((select count(*) from people.tag where street_id = 60001 and cleared_at is null), 110::bigint, 'where 110 tags are set');
select is(pg_temp.plan('lead', 'tags'), '["difficult","party","dispute","special_group"]', 'the four of 四必去 when nothing is said');

create function pg_temp.visit(household uuid, plan uuid default pg_temp.u(500)) returns uuid language sql as
$$select v.id from care.visit v where v.street_id = 60001 and v.plan_id = plan and v.household_id = household$$;
create function pg_temp.report(person text, visit uuid, outcome text) returns text language sql as
$$select pg_temp.try(person, format('select care.report(%L, %L)', visit, jsonb_build_object('outcome', outcome)))$$;
select pg_temp.report('lead', pg_temp.visit(pg_temp.home(person)), case when n <= 76 then 'done' when n <= 82 then 'refused'
	when n <= 88 then 'by_phone' when n <= 92 then 'not_home' else 'done' end) from house where n <= 92 \g /dev/null
select is(pg_temp.plan('lead', 'visited'), '76', '76 visited in the period');
select is(pg_temp.plan('lead', 'coverage'), '80', 'are 80.0 %: a call and a refused door are no visit');
select is(array[pg_temp.plan('lead', f), pg_temp.plan('community', f), pg_temp.plan('street', f)], array[w, w, w], f || ' as all see it')
from (values ('refused', '6'), ('by_phone', '6'), ('not_home', '4'), ('planned', '3'), ('overdue', '0')) x (f, w);
select is(pg_temp.plan('next', 'households'), null, 'the next grid''s lead does not see the plan');
select is(care.share(a, b), w::float8, n) from (values (76, 95, 80, 'per cent'), (0, 0, null, 'of nothing there is none'),
	(2, 3, 66.7, 'with one decimal')) x (a, b, w, n);

-- Another plan over the same ground has what was done already; a visit beside
-- the plans counts for both, once.
select pg_temp.as_app('community') \g /dev/null
select care.create_plan(pg_temp.u(501), jsonb_build_object('name', '党员户', 'grid_id', pg_temp.u(11), 'to_on', core.today() + 30, 'tags', '["party","special_group"]'::jsonb)) \g /dev/null
reset role;
select is(pg_temp.plan('community', 'households', pg_temp.u(501)), '70', 'the second plan');
select is(pg_temp.plan('community', 'visited', pg_temp.u(501)), '51', 'what was visited before it was made counts');
select pg_temp.as_app('lead') \g /dev/null
select care.create_visit(pg_temp.u(600), jsonb_build_object('household_id', pg_temp.home(person), 'outcome', 'done')) from house where n = 95 \g /dev/null
reset role;
select is(pg_temp.plan('community', 'visited', p), w, 'the visit beside them counts in each plan')
from (values (pg_temp.u(500), '77'), (pg_temp.u(501), '52')) x (p, w);
select is((select count(*) from care.visit where street_id = 60001 and state = 'done' and settled_by is null), 77::bigint, 'and was made once');
select is(pg_temp.see('lead', 'select visits from care.summary(null, null, null, null)'), '77', 'person-times are visits made');
select is(pg_temp.report('lead', pg_temp.visit(pg_temp.home(person)), 'done'), 'wrong_state', 'nothing is left to do') from house where n = 95;

-- The tags go on changing: once a day the plan follows.
select pg_temp.as_app('community') \g /dev/null
reset role;
select people.clear_tag(t.id, '搬走') from people.tag t join house h on t.household_id = pg_temp.home(h.person) where h.n in (93, 94) \g /dev/null
reset role;
select pg_temp.tag(pg_temp.person('新困难户'), 'difficult') \g /dev/null
select is(pg_temp.plan('lead', 'households'), '95', 'not at once');
select set_config('linli.clock_offset', '1 day', true) \g /dev/null
select pg_temp.as_app('system') \g /dev/null
select is(care.turn(100), 2, 'the next day both plans turn');
select is(care.turn(100), 0, 'once');
reset role;
select is(pg_temp.plan('lead', 'households'), '94', 'two have the tag no longer, one has it now');
select is(pg_temp.plan('lead', 'visited'), '77', 'and who was visited stays visited');
select set_config('linli.clock_offset', '40 days', true) \g /dev/null
select is(pg_temp.plan('lead', 'overdue'), '17', 'past their day and still to be made');
select pg_temp.report('lead', pg_temp.visit(pg_temp.home(person)), 'done') from house where n = 77 \g /dev/null
select is(array[pg_temp.plan('lead', 'visited'), pg_temp.plan('lead', 'late')], '{77,1}', 'a visit after the period is late and does not cover');
select set_config('linli.clock_offset', '', true) \g /dev/null

-- What repeats goes on by itself, once.
select pg_temp.as_app('community') \g /dev/null
select care.create_plan(pg_temp.u(502), jsonb_build_object('name', '每月', 'grid_id', pg_temp.u(111), 'from_on', '2026-01-31', 'to_on', core.today() + 1,
	'tags', '["difficult"]'::jsonb, 'repeats', 'month')) \g /dev/null
select set_config('linli.clock_offset', '1 day', true) \g /dev/null
reset role;
select pg_temp.as_app('system') \g /dev/null
select care.turn(100) \g /dev/null
select care.turn(100) \g /dev/null
select pg_temp.as_app('system') \g /dev/null
select is((select array_agg(state order by created_at, id) from care.plan where name = '每月'), '{ended,active}', 'one after the other');
select is((select array[from_on, to_on] from care.plan where name = '每月' and state = 'active'),
	array[core.today(), (core.today() + interval '1 month')::date], 'from where it ended');
select is((select count(*) from care.visit v where v.plan_id = pg_temp.u(502) and v.state = any (care.open_states())), 0::bigint, 'what was not made is missed');
select set_config('linli.clock_offset', '', true) \g /dev/null
reset role;

-- every state × outcome × role, by hand
create temporary table allowed (act text, roles text[], becomes text);
insert into allowed values ('done', '{lead,general,community}', 'done'), ('refused', '{lead,general,community}', 'refused'),
	('not_home', '{lead,general,community}', 'not_home'), ('by_phone', '{lead,general,community}', 'by_phone'), ('cancel', '{community}', 'cancelled');
create temporary table triple as
select a.act, r.role, s.state, case when r.role in ('next', 'other', 'community2', 'street') then 'not_found'
		when r.role = any (a.roles) and s.open then a.becomes
		when r.role in ('reporter', 'department') then 'not_found'
		when not r.role = any (a.roles) then 'role_not_allowed' else 'wrong_state' end as want, null::text as got
from allowed a, unnest('{reporter,lead,general,next,other,community,community2,street}'::text[]) r (role),
	(values ('planned', true), ('refused', true), ('not_home', true), ('by_phone', true), ('done', false), ('missed', false), ('cancelled', false)) s (state, open);
create function pg_temp.try(t triple, visit_id uuid) returns text language plpgsql as $$
declare
	got text;
begin
	reset role;
	update care.visit set state = t.state where id = visit_id;
	got := pg_temp.try(t.role, case when t.act = 'cancel' then format('select care.cancel_visit(%L, %L)', visit_id, '有理由')
		else format('select care.report(%L, %L)', visit_id, jsonb_build_object('outcome', t.act)) end);
	reset role;
	raise exception using errcode = 'ZZ000', message = case got when 'ok' then (select v.state from care.visit v where v.id = visit_id) else got end;
exception when sqlstate 'ZZ000' then
	return sqlerrm;
end $$;
select pg_temp.visit(pg_temp.home(person)) as spare from house where n = 80 \gset
update triple t set got = pg_temp.try(t, :'spare');
select is((select count(*) from triple), 5 * 8 * 7::bigint, 'every triple of the visit machine is tried');
select is_empty($$select act, role, state, got, want from triple where got is distinct from want$$, 'each comes to what it must');
reset role;
select results_eq($$select distinct from_state, action from core.transition where machine = 'visit' and 'system' <> all (roles) order by 1, 2$$,
	$$select s, act from allowed, unnest(care.open_states()) s order by 1, 2$$, 'and the table holds no other');
reset role;
select is(pg_temp.try(r, format('select care.end_plan(%L)', pg_temp.u(501))), w, 'who ends a plan: ' || r)
from (values ('reporter', 'not_found'), ('street', 'role_not_allowed'), ('lead', 'not_found'), ('community2', 'not_found'), ('general', 'ok'), ('general', 'wrong_state')) x (r, w);

-- health: what only a tag of health has brought is not for neighbours
select pg_temp.person('zzill') as ill \gset
select pg_temp.tag(:'ill', 'disabled', true) \g /dev/null
select pg_temp.as_app('community') \g /dev/null
select care.create_plan(pg_temp.u(503), jsonb_build_object('name', '残疾人', 'grid_id', pg_temp.u(111), 'to_on', core.today() + 9, 'tags', '["disabled","difficult"]'::jsonb)) \g /dev/null
reset role;
create function pg_temp.seen(person text) returns bigint language plpgsql as $$
begin
	return pg_temp.see(person, format('select count(*) from care.visits(null, null, null, null, %L, null, null, null, null, null, null, 1000) where name = %L', pg_temp.u(503), 'zzill'));
end $$;
select is(pg_temp.seen(r), w, 'who sees the visit of somebody ill: ' || r)
from (values ('lead', 0::bigint), ('next', 0), ('general', 1), ('community', 1), ('community2', 0), ('street', 0)) x (r, w);
select is(pg_temp.plan('lead', 'households', pg_temp.u(503))::int + 1, pg_temp.plan('general', 'households', pg_temp.u(503))::int, 'nor counts it');
select is(pg_temp.see('lead', format('select count(*) from core.event e where e.subject_id = %L', pg_temp.visit(pg_temp.home(:'ill'), pg_temp.u(503)))), '0', 'nor hears of it');
select is(pg_temp.see('general', format('select count(*) from core.event e where e.subject_id = %L', pg_temp.visit(pg_temp.home(:'ill'), pg_temp.u(503)))), '1', 'as the general lead does');
select is(pg_temp.refusal('lead', format('select care.create_plan(%L, %L)', pg_temp.u(504), jsonb_build_object('name', 'x', 'grid_id', pg_temp.u(111),
	'to_on', core.today() + 9, 'tags', '["disabled"]'::jsonb))), 'LN403 field_not_allowed /tags', 'a neighbour cannot even plan it');
select pg_temp.tag(:'ill', 'difficult') \g /dev/null
select pg_temp.as_app('system') \g /dev/null
select care.fill(pg_temp.u(503)) \g /dev/null
reset role;
select is(pg_temp.seen('lead'), 1::bigint, 'with a tag that is no secret the visit is none');
select is(pg_temp.see('lead', format('select tags::text from care.visits(null, null, null, null, %L, null, null, null, null, null, null, 1000) where name = %L', pg_temp.u(503), 'zzill')) ~ 'disabled', false, 'but the tag of health stays one');
select is(pg_temp.see('general', format('select tags::text from care.visits(null, null, null, null, %L, null, null, null, null, null, null, 1000) v where name = %L', pg_temp.u(503), 'zzill')) ~ 'difficult', true, 'of the tags one sees');

-- alarms
select pg_temp.person('zzalone') as alone \gset
select pg_temp.tag(:'alone', 'solitary_elder', true) \g /dev/null
create function pg_temp.turn(after interval) returns integer language plpgsql as $$
declare
	n integer;
begin
	perform set_config('linli.clock_offset', after::text, true);
	perform pg_temp.as_app('system');
	n := care.raise_alarms(100);
	reset role;
	return n;
end $$;
create function pg_temp.alarm() returns text language sql as
$$select string_agg(state, ' ' order by raised_at) from care.alarm$$;
select is(pg_temp.turn('7 days -1 second'), 0, 'a second before a week there is no alarm');
select is(pg_temp.turn('7 days'), 1, 'then there is');
select is(pg_temp.turn('8 days'), 0, 'once');
select is(pg_temp.alarm(), 'open', 'one');
select pg_temp.as_app('lead') \g /dev/null
select care.create_visit(pg_temp.u(610), jsonb_build_object('person_id', :'alone', 'outcome', 'by_phone')) \g /dev/null
reset role;
select is(pg_temp.alarm(), 'open', 'a call does not end it');
select is(pg_temp.report('lead', pg_temp.u(610), 'done'), 'ok', 'a visit');
select is(pg_temp.alarm(), 'cleared', 'does');
select is(pg_temp.turn('15 days -1 second'), 0, 'and the week begins anew');
select is(pg_temp.turn('15 days'), 1, 'with the visit');
select is(pg_temp.try(r, format('select care.dismiss_alarm(%L, %L)', (select id from care.alarm where state = 'open'), '住院')), w, 'who dismisses: ' || r)
from (values ('reporter', 'not_found'), ('street', 'not_found'), ('lead', 'role_not_allowed'), ('community2', 'not_found'), ('community', 'ok')) x (r, w);
select is(pg_temp.try('community', format('select care.dismiss_alarm(%L, %L)', id, '住院')), 'wrong_state', 'what is over: ' || state) from care.alarm;
select is(pg_temp.turn('22 days'), 1, 'a week later again');
select pg_temp.as_app('community') \g /dev/null
reset role;
select people.clear_tag(t.id, '同住') from people.tag t where t.person_id = :'alone' \g /dev/null
reset role;
select is(pg_temp.alarm(), 'cleared dismissed ended', 'who lives alone no longer is not watched');
select is(pg_temp.turn('60 days'), 0, 'any more');
select is_empty('select person_id from care.watch', 'nor kept in mind');
select set_config('linli.clock_offset', '', true) \g /dev/null

-- moving: what is to be done goes along, what was done counts where it was
select pg_temp.as_app('system') \g /dev/null
update people.person set path = '60001/1/1/2/' where id = :'alone' and street_id = 60001;
select people.refresh(array[:'alone'::uuid]) \g /dev/null
select is((select path || ' ' || place from care.visit where id = pg_temp.u(610)), '60001/1/1/2/ 60001/1/1/1/', 'the visit stands by where it was');
reset role;
select is(array[pg_temp.see('lead', format('select count(*) from care.visits(%L, null, null, null, null, null, null, null, null, null, null, 1)', pg_temp.u(610))),
	pg_temp.see('next', format('select count(*) from care.visits(%L, null, null, null, null, null, null, null, null, null, null, 1)', pg_temp.u(610)))],
	'{0,1}', 'and is seen where they live');

select * from finish(true);
rollback;
