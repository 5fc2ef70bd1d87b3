-- pairings: never oneself, never the own household, not more than the kind
-- allows; the visits of each season planned once; doors of a campaign.
\ir care_world.psql

select is(day || ' ' || (select s.code || ' ' || s.from_on || ' ' || s.to_on from care.season_at(day) s), day || ' ' || w, 'the season')
from (values (date '2026-03-01', 'spring 2026-03-01 2026-06-01'), ('2026-02-28', 'winter 2025-12-01 2026-03-01'),
	('2026-12-31', 'winter 2026-12-01 2027-03-01'), ('2026-11-30', 'autumn 2026-09-01 2026-12-01'),
	('2028-02-29', 'winter 2027-12-01 2028-03-01'), ('2026-07-15', 'summer 2026-06-01 2026-09-01')) x (day, w);

select pg_temp.clock('2026-09-01 02:00:00Z') \g /dev/null
select pg_temp.person('帮手') as helper, pg_temp.person('孩子', born => '2012-01-01') as child \gset
create temporary table elder as select n, pg_temp.person('老人' || n) as person from generate_series(1, 6) n;
select pg_temp.person('同户') as kin \gset
update people.person k set household_id = h.household_id from people.person h where h.id = :'helper' and k.id = :'kin';
create function pg_temp.pair(who text, helper uuid, recipient uuid, id uuid default core.new_id(60001)) returns text language sql as
$$select pg_temp.try(who, format('select care.pair(%L, %L)', id, jsonb_build_object('helper_id', helper, 'recipient_id', recipient)))$$;
select is(pg_temp.pair('lead', :'helper', :'helper'), 'pairing_self', 'not oneself');
select is(pg_temp.pair('lead', :'helper', :'kin'), 'pairing_household', 'not the own household');
select is(pg_temp.pair('lead', :'child', :'helper'), 'helper_minor', 'no child helps');
select is(pg_temp.pair('next', :'helper', person), 'person_not_found', 'nobody of other ground') from elder where n = 1;
select is(pg_temp.pair('lead', :'helper', person, pg_temp.u(700 + n)), case when n <= 5 then 'ok' else 'helper_full' end, 'five at most: ' || n) from elder order by n;
select is(pg_temp.pair('lead', :'helper', person), 'pairing_exists', 'not twice') from elder where n = 1;
update care.pairing_rule set most = 6;
select is(pg_temp.pair('community', :'helper', person, pg_temp.u(706)), 'ok', 'six where six may be') from elder where n = 6;

create function pg_temp.planned(n int) returns text language sql as
$$select string_agg(v.theme || ' ' || v.due_on || ' ' || v.state, ', ' order by v.due_on) from care.visit v where v.pairing_id = pg_temp.u(700 + n)$$;
select is(pg_temp.planned(1), '秋送关怀 2026-11-30 planned', 'the visit of this season');
create function pg_temp.turn(at timestamptz) returns integer language plpgsql as $$
declare
	n integer;
begin
	perform pg_temp.clock(at);
	perform pg_temp.as_app('system');
	n := care.turn_seasons(100);
	reset role;
	return n;
end $$;
select is(pg_temp.turn('2026-11-30 15:59:00Z'), 0, 'to the last minute of autumn nothing new');
select is(pg_temp.turn('2026-11-30 16:01:00Z'), 6, 'with the winter');
select is(pg_temp.turn('2026-12-24 16:01:00Z'), 0, 'once');
select is(pg_temp.planned(1), '秋送关怀 2026-11-30 planned, 冬送温暖 2027-02-28 planned', 'the next');
select pg_temp.clock('2026-12-01 02:00:00Z') \g /dev/null
select pg_temp.person('另一帮手') as other, pg_temp.person('高龄') as old \gset
select pg_temp.as_app('lead') \g /dev/null
select care.pair(pg_temp.u(710), jsonb_build_object('helper_id', :'other', 'recipient_id', :'old', 'visits_per_season', 3)) \g /dev/null
reset role;
select is((select array_agg(due_on order by due_on) from care.visit where pairing_id = pg_temp.u(710)),
	'{2026-12-31,2027-01-30,2027-02-28}'::date[], 'three are spread over the season');

-- every state × act × role
create function pg_temp.state(id uuid) returns text language plpgsql as $$
begin
	reset role;
	return (select p.state from care.pairing p where p.id = $1);
end $$;
create function pg_temp.end_as(who text, was text) returns text language plpgsql as $$
declare
	got text;
begin
	reset role;
	update care.pairing set state = was, ended_at = case was when 'ended' then now() end where id = pg_temp.u(701);
	got := pg_temp.try(who, format('select care.end_pairing(%L, %L)', pg_temp.u(701), '搬家'));
	raise exception using errcode = 'ZZ000', message = case got when 'ok' then pg_temp.state(pg_temp.u(701)) else got end;
exception when sqlstate 'ZZ000' then
	return sqlerrm;
end $$;
select is(pg_temp.end_as(r, s), case when r not in ('lead', 'general', 'community') then 'not_found' when s = 'active' then 'ended' else 'wrong_state' end,
	'end by ' || r || ' when ' || s)
from unnest('{reporter,lead,general,next,other,community,community2,street}'::text[]) r, unnest('{active,ended}'::text[]) s;
select is((select count(*) from core.transition where machine = 'pairing'), 1::bigint, 'and there is no other act');

-- 400 visits to 133 elders
create temporary table cared as select n, pg_temp.person('受助' || n) as elder, pg_temp.person('志愿' || n) as helper, core.new_id(60001) as pairing
from generate_series(1, 133) n;
grant select on cared to linli_app;
select pg_temp.pair('lead', helper, elder, pairing) from cared \g /dev/null
select pg_temp.as_app('lead') \g /dev/null
select care.create_visit(core.new_id(60001), jsonb_build_object('pairing_id', c.pairing, 'outcome', 'done'))
from cared c, generate_series(1, 4) i where i <= 3 or n = 1 \g /dev/null
select care.create_visit(core.new_id(60001), jsonb_build_object('pairing_id', c.pairing, 'outcome', o)) from cared c, unnest('{refused,by_phone}'::text[]) o where n <= 9 \g /dev/null
reset role;
select is(pg_temp.see('lead', 'select array[visits, persons] from care.summary(null, null, null, ''pairing'')'), '{400,133}', '400 person-times are 133 elders');
select is(pg_temp.see('street', 'select array[visits, persons] from care.summary(null, null, null, ''pairing'')'), '{400,133}', 'as the street counts them');
select is(pg_temp.see('lead', format('select visits from care.pairings(%L, null, null, null, null, null, null, 1)', (select pairing from cared where n = 1))), '4', 'and each pairing its own');

-- ending takes the open visits along; who is forgotten leaves no pairing
select pg_temp.try('lead', format('select care.end_pairing(%L, %L)', pg_temp.u(702), '志愿者搬家')) \g /dev/null
select is(pg_temp.planned(2), '秋送关怀 2026-11-30 cancelled, 冬送温暖 2027-02-28 cancelled', 'its visits end too');
select is(pg_temp.try('lead', format('select care.create_visit(%L, %L)', core.new_id(60001), jsonb_build_object('pairing_id', pg_temp.u(702), 'outcome', 'done'))),
	'pairing_not_found', 'nobody visits under it');
select pg_temp.as_app('system') \g /dev/null
select people.remove(:'helper') \g /dev/null
reset role;
select is_empty(format('select id from care.pairing where %L in (helper_id, recipient_id) and state = %L', :'helper', 'active'), 'those of somebody forgotten end');

-- doors
select pg_temp.clock(null) \g /dev/null
select pg_temp.as_app('community') \g /dev/null
select care.create_campaign(pg_temp.u(800), jsonb_build_object('name', '敲门行动', 'grid_id', pg_temp.u(11), 'to_on', core.today() + 2)) \g /dev/null
reset role;
create temporary table door as select d.id, d.path, row_number() over (order by d.id) n from grid.dwelling d where d.street_id = 60001 and d.path = '60001/1/1/1/' limit 40;
select pg_temp.person('隔壁', '60001/1/1/2/') as nextdoor \gset
create function pg_temp.knock(who text, dwelling uuid, outcome text) returns text language sql as
$$select pg_temp.try(who, format('select care.knock(%L, %L)', pg_temp.u(800), jsonb_build_object('dwelling_id', dwelling, 'outcome', outcome)))$$;
select is(pg_temp.knock('lead', id, 'answered'), 'ok', 'the lead knocks') from door where n = 1;
select is(pg_temp.knock('next', id, 'answered'), 'dwelling_not_found', 'nobody on other ground') from door where n = 2;
select pg_temp.knock('lead', id, case when n <= 20 then 'answered' when n <= 25 then 'refused' when n <= 28 then 'nobody' else 'vacant' end) from door where n between 2 and 32 \g /dev/null
select pg_temp.knock('lead', id, 'nobody') from door where n = 3 \g /dev/null
create function pg_temp.camp(who text, field text) returns text language sql as
$$select pg_temp.see(who, format('select %I::text from care.campaigns(%L, null, null, null, null, 1)', field, pg_temp.u(800)))$$;
select is(array[pg_temp.camp('lead', 'answered'), pg_temp.camp('lead', 'refused'), pg_temp.camp('lead', 'nobody'), pg_temp.camp('lead', 'vacant')],
	'{20,5,3,4}', 'a door that was answered stays so');
select is(pg_temp.camp('lead', 'coverage')::float8, round(100.0 * 20 / (count(*) - 4), 1)::float8, 'coverage of doors behind which somebody lives')
from grid.dwelling where street_id = 60001 and path = '60001/1/1/1/';
select is(pg_temp.camp('next', 'dwellings'), '1', 'each lead''s own ground');
select is(pg_temp.camp('street', 'dwellings')::int, pg_temp.camp('lead', 'dwellings')::int + 1, 'the street all');
select is(pg_temp.camp('community2', 'name'), null, 'and no other community''s');
select is(pg_temp.try(r, format('select care.end_campaign(%L)', pg_temp.u(800))), w, 'who ends it: ' || r)
from (values ('reporter', 'not_found'), ('street', 'role_not_allowed'), ('lead', 'not_found'), ('general', 'role_not_allowed'), ('community2', 'not_found'), ('community', 'ok'), ('community', 'wrong_state')) x (r, w);
select is(pg_temp.knock(r, id, 'answered'), w, 'knocking when it is over: ' || r) from door, (values ('lead', 'wrong_state'), ('community', 'wrong_state'), ('community2', 'not_found')) x (r, w) where n = 1;

select * from finish(true);
rollback;
