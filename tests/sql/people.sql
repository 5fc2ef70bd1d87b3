-- people: ages to the day, masks, and that every way to find somebody among
-- 30,000 reads little more than its page, as linli_app.
\ir world.psql

-- domain rule 9: under 14 through the 14th birthday itself, in Chengdu.
select is(people.turns('2012-11-22', 14), date '2026-11-23', 'the day after the birthday');
select is(people.turns('2012-02-29', 14), date '2026-03-01', 'a birthday that the year lacks is the end of its month');
select is(people.turns('2012-02-29', 16), date '2028-03-01', 'and in a leap year the day itself');
select is(people.turns('2008-12-31', 18), date '2027-01-01', 'over the turn of the year');
create function pg_temp.under(born date, years integer, at timestamptz) returns boolean language plpgsql as $$
begin
	perform pg_temp.clock(at);
	return people.is_under(born, years);
end $$;
select is(pg_temp.under('2012-11-22', 14, '2026-11-22 15:59:59Z'), true, 'to the last second of the birthday in Chengdu');
select is(pg_temp.under('2012-11-22', 14, '2026-11-22 16:00:01Z'), false, 'and no longer');
select is(pg_temp.under('2012-02-29', 14, '2026-02-28 15:59:59Z'), true, 'born on 29 February: to the end of February');
select is(pg_temp.under('2012-02-29', 14, '2026-02-28 16:00:01Z'), false, 'and no longer');
select is(pg_temp.under('2008-11-22', 18, '2026-11-22 08:00:00Z'), true, 'so too at 18');
select is(pg_temp.under(null, 14, '2026-11-22 08:00:00Z'), null, 'nobody knows without a day of birth');
select pg_temp.clock(null) \g /dev/null

select is(people.mask_name(n), m, 'a name masked') from (values
	('张三', '张*'), ('张小三', '张*三'), ('欧阳小三', '欧**三'), ('张', '张*')) x (n, m);
select is(people.plain_name(n), m, 'a name as it is searched') from (values
	(' 张 三', '张三'), ('阿依古丽·买买提', '阿依古丽买买提'), ('ＬＩ Wei', 'liwei')) x (n, m);
select is_empty($$select v, f from unnest('{self,guardian,lead_micro,lead_special,lead_general,community,street}'::text[]) v,
	unnest('{name,sex,born_on,phone,id_number,health}'::text[]) f
	except select viewer, field from people.field_rule$$, 'every viewer has a rule for every field');
select is_empty($$select * from people.field_rule where viewer in ('lead_micro', 'lead_special')
	and field in ('id_number', 'health') and (sight <> 'none' or edit or unmask <> 'no')$$,
	'a neighbour learns nothing of ID numbers and health');

-- Thirty thousand people in 600 micro-grids.
set local role linli_owner;
select core.enter_system(60001) \g /dev/null
create temporary table spot as
select c, m, core.new_id(60001) as id, core.new_id(60001) as dwelling, format('60001/%s/1/%s/', c, m) as path
from generate_series(101, 140) c, generate_series(1, 15) m;
insert into grid.compound (street_id, id, path, name, address, household_count) values (60001, pg_temp.u(90), '60001/1/', '甲苑', '甲路', 0);
insert into grid.building (street_id, id, compound_id, path, name, serial) values (60001, pg_temp.u(91), pg_temp.u(90), '60001/1/', '1栋', 1);
insert into grid.dwelling (street_id, id, building_id, number, grid_id, path)
select 60001, dwelling, pg_temp.u(91), c || '-' || m, pg_temp.u(111), path from spot;
insert into people.person (street_id, id, path, dwelling_id, name, born_on)
select 60001, core.new_id(60001), s.path, s.dwelling, substr('王李张刘陈杨黄赵吴周', i % 10 + 1, 1)
	|| substr('秀建国淑文志玉春晓雨', i / 10 % 10 + 1, 1) || substr('英华芳平军琴珍梅霞强', i / 100 % 10 + 1, 1), '1970-01-01'
from generate_series(1, 30000) i join (select *, row_number() over (order by c, m) - 1 n from spot) s on s.n = i / 50 % 600;
insert into people.secret (street_id, person_id, path, phone_index, id_number_index)
select 60001, id, path, md5(id::text), md5(id::text || 'i') from people.person where street_id = 60001;
insert into people.gram (street_id, gram, path, person_id)
select 60001, substr(p.name, i, 2), p.path, p.id from people.person p, generate_series(1, 2) i where p.street_id = 60001;
insert into people.tag (street_id, id, code, person_id, path)
select 60001, core.new_id(60001), 'veteran', id, path from (select *, row_number() over (order by id) n from people.person
	where street_id = 60001) p where n % 100 = 0;
insert into identity.account_role (account_id, role, street_id, path) select account_id, 'community', 60001, '60001/120/' from who where login = 'zz-community2';
update identity.session s set path = '60001/120/' from who w where w.login = 'zz-community2' and s.id = w.session_id;
select pg_temp.leave() \g /dev/null
reset role;
set local max_parallel_workers_per_gather = 0;
analyze people.person, people.gram, people.secret, people.tag;

-- Rows of these tables touched so far: sequential, by bitmap, and by index.
create function pg_temp.touched() returns bigint language sql as $$
	select sum(pg_stat_get_xact_tuples_returned(t) + pg_stat_get_xact_tuples_fetched(t))::bigint
		+ sum((select sum(pg_stat_get_xact_tuples_fetched(i.indexrelid)) from pg_index i where i.indrelid = t))::bigint
	from unnest('{people.person,people.gram,people.secret,people.tag}'::regclass[]) r (t)$$;
create function pg_temp.costs(asked jsonb, after text) returns bigint language plpgsql as $$
declare
	before bigint := pg_temp.touched();
begin
	perform people.search(asked, after, 21);
	return pg_temp.touched() - before;
end $$;
create temporary table one as select p.id, p.path, p.name from people.person p where p.path ^@ '60001/120/1/8/' order by p.id limit 1;
grant select on one to linli_app;
set local role linli_app;
select pg_temp.enter('zz-community2') \g /dev/null
select is((select count(*) from people.search(jsonb_build_object('q', o.name), null, 1000) s where s.id = o.id), 1::bigint,
	'the name finds them') from one o;
select is((select count(*) from people.search(jsonb_build_object('q', o.name), null, 1000) s where not s.path ^@ '60001/120/'), 0::bigint,
	'and nobody on other ground') from one o;
select pg_temp.costs(b, a) from one o, (values ('{}'::jsonb, null::text)) x (b, a) \g /dev/null
-- As in a session that has asked often: the plan knows no values.
set local plan_cache_mode = force_generic_plan;
select cmp_ok(pg_temp.costs(x.asked, x.after), '<=', x.most::bigint, x.what) from one o, lateral (values
	('by a name of three', jsonb_build_object('q', o.name), null, 60),
	('by two characters', jsonb_build_object('q', right(o.name, 2)), null, 60),
	('by a phone', jsonb_build_object('phone_index', md5(o.id::text)), null, 10),
	('by an ID number', jsonb_build_object('id_number_index', md5(o.id::text || 'i')), null, 10),
	('by a dwelling', (select jsonb_build_object('dwelling_id', p.dwelling_id) from people.person p where p.id = o.id), null, 60),
	('by a tag', '{"tag":"veteran"}'::jsonb, null, 60),
	('the first page of all', '{}'::jsonb, null, 60),
	('a page from the middle', '{}'::jsonb, o.path || ' ' || o.id, 60)) x (what, asked, after, most);
reset role;

-- Who may be the same: each once, by the surest sign.
set local role linli_owner;
select core.enter_system(60001) \g /dev/null
insert into people.person (street_id, id, path, dwelling_id, name) select 60001, pg_temp.u(700 + n), '60001/120/1/8/', s.dwelling, name
from spot s, (values (1, '欧阳 春晓'), (2, '欧阳春晓'), (3, '欧阳春晓'), (4, '欧阳春晓'), (5, '欧阳春晓')) x (n, name) where s.path = '60001/120/1/8/';
insert into people.secret (street_id, person_id, path, phone_index, id_number_index) values
	(60001, pg_temp.u(701), '60001/120/1/8/', 'phone', null), (60001, pg_temp.u(702), '60001/120/1/8/', 'phone', 'id'),
	(60001, pg_temp.u(703), '60001/120/1/8/', 'phone', 'other id'), (60001, pg_temp.u(704), '60001/120/1/8/', null, null),
	(60001, pg_temp.u(705), '60001/120/1/8/', null, 'other');
update people.person set status = 'restricted' where street_id = 60001 and id = pg_temp.u(705);
select results_eq(format('select right(person_id::text, 1), why from people.likely_same(%L, %L, %s, %L) order by 1',
		'欧阳春晓', 'phone', x.id, (select dwelling from spot where path = '60001/120/1/8/')), x.want, 'likely the same ' || x.what)
from (values ($$'id'$$, $$values ('1', 'phone_name'), ('2', 'id_number'), ('4', 'address_name')$$, 'by all three, but who has another number'),
	('null', $$values ('1', 'phone_name'), ('2', 'phone_name'), ('3', 'phone_name'), ('4', 'address_name')$$, 'without a number'),
	($$'other'$$, $$values ('1', 'phone_name'), ('4', 'address_name')$$, 'and never who is restricted')) x (id, want, what);
select is_empty($$select * from people.likely_same('某某', 'phone', null, (select dwelling from spot where path = '60001/120/1/8/'))$$,
	'another name is another person');
select pg_temp.leave() \g /dev/null
reset role;

select * from finish(true);
rollback;
