-- Staff: who administers whom, what may be given to whom, and what becomes of
-- the work of somebody who goes.
\ir world.psql
select account_id as lead from who where login = 'zz-lead' \gset
select account_id as community from who where login = 'zz-community' \gset
select account_id as community2 from who where login = 'zz-community2' \gset
select account_id as street from who where login = 'zz-street' \gset
select account_id as far from who where login = 'zz-far' \gset
create function pg_temp.reached(person text) returns text[] language sql as $$
	select pg_temp.enter(person);
	select array(select s.login from identity.staff(null, null, 100, null, null) s where s.login ^@ 'zz-' order by 1)$$;
create function pg_temp.give(person text, account uuid, role text, grid uuid default null, org uuid default null, to_on date default null) returns void language plpgsql as $$
begin
	perform pg_temp.enter(person), identity.grant_staff_role(gen_random_uuid(), account, role, grid, org, null, to_on);
end $$;
create function pg_temp.take(person text, account uuid, role text) returns void language plpgsql as $$
declare
	held uuid;
begin
	perform pg_temp.enter('zz-street');
	held := (select (r ->> 'id')::uuid from identity.staff(account, null, 1, null, null) s, json_array_elements(s.roles) r where r ->> 'role' = take.role);
	perform pg_temp.enter(person), identity.end_staff_role(held);
end $$;
set local role linli_app;
select pg_temp.enter('zz-community') \g /dev/null
select grid.assign(pg_temp.u(901), pg_temp.u(111), 'zz-lead', 'micro', null, null) \g /dev/null

-- reach
select is(pg_temp.reached(p), logins, p || ' reaches') from (values
	('zz-community', '{zz-community,zz-lead}'::text[]), ('zz-community2', '{zz-community2}'),
	('zz-street', '{zz-community,zz-community2,zz-lead,zz-street}'), ('zz-far', '{zz-far}'),
	('zz-lead', '{}'), ('zz-resident', '{}')) x (p, logins);

-- giving
select pg_temp.enter('zz-street') \g /dev/null
select identity.put_org(pg_temp.u(801), null, 'department', 'D1', '综合执法队', null, false), identity.put_org(pg_temp.u(802), null, 'merchant', 'M1', '粮油店', null, false) \g /dev/null
select throws_ok(format('select pg_temp.give(%L, %L, %L, %L, %L, %L)', person, account, role, g, org, to_on), status, code, what) from (values
	('zz-community', :'lead'::uuid, 'community', pg_temp.u(1), null::uuid, null::date, 'LN403', 'role_not_allowed', 'a community gives no role but grid_lead'),
	('zz-community', :'community2', 'grid_lead', pg_temp.u(111), null, null, 'LN404', 'not_found', 'to nobody of another community'),
	('zz-street', :'far', 'community', pg_temp.u(1), null, null, 'LN404', 'not_found', 'nor of another street'),
	('zz-street', :'lead', 'community', pg_temp.u(11), null, null, 'LN422', 'grid_kind_mismatch', 'a community has a master grid'),
	('zz-street', :'lead', 'community', pg_temp.u(5), null, null, 'LN422', 'grid_not_found', 'of this street'),
	('zz-street', :'lead', 'department', null, pg_temp.u(802), null, 'LN422', 'org_not_found', 'a partner is no department'),
	('zz-street', :'lead', 'merchant', null, pg_temp.u(801), null, 'LN422', 'org_not_found', 'nor the other way'),
	('zz-street', :'lead', 'department', null, null, null, 'LN422', 'org_not_found', 'and there must be one'),
	('zz-street', :'lead', 'community', pg_temp.u(1), null, '2020-01-01', 'LN422', 'dates_invalid', 'a term ends after it begins')) t (person, account, role, g, org, to_on, status, code, what);
select lives_ok(format('select pg_temp.give(%L, %L, %L, null, %L)', 'zz-street', :'lead', 'department', pg_temp.u(801)), 'a lead acts for a department too');

-- taking
select throws_ok(format('select pg_temp.take(%L, %L, %L)', 'zz-street', :'street', 'street'), 'LN403', 'role_not_allowed', 'nobody takes the street''s own');
select throws_ok(format('select pg_temp.take(%L, %L, %L)', 'zz-community2', :'lead', 'grid_lead'), 'LN404', 'not_found', 'another community''s lead is not found');
select throws_ok(format('select pg_temp.take(%L, %L, %L)', 'zz-community', :'lead', 'department'), 'LN404', 'not_found', 'what the street gave a community does not take');
select throws_ok(format('select pg_temp.enter(%L), identity.bar_staff(%L, true, null)', 'zz-street', :'far'), 'LN404', 'not_found', 'who works elsewhere only is not found');
select lives_ok(format('select pg_temp.take(%L, %L, %L)', 'zz-community', :'lead', 'grid_lead'), 'its own lead it lets go');
reset role;
select isnt_empty(format('select from identity.session where account_id = %L and role = %L and revoked_at is not null', :'lead', 'grid_lead'), 'which ends the session');
select is((select to_on from grid.assignment where street_id = 60001 and id = pg_temp.u(901)), core.today(), 'and the assignment');
set local role linli_app;
select throws_ok($$select pg_temp.enter('zz-lead')$$, 'LN401', 'session_revoked', 'at once');

-- posts: one at a time
select pg_temp.enter('zz-street') \g /dev/null
select identity.put_staff_post(gen_random_uuid(), :'community', p, g, d::date) from (values ('主办', 2, '2025-01-01'), ('主任', 5, '2026-01-01'), ('副主任', 4, '2026-01-01')) x (p, g, d) \g /dev/null
select results_eq(format('select position, grade, from_on, to_on from identity.posts(%L) order by from_on', :'community'),
	$$values ('主办', 2, date '2025-01-01', date '2026-01-01'), ('副主任', 4, '2026-01-01', null)$$, 'what is said anew of a day replaces the rest');
select throws_ok(format('select identity.posts(%L)', :'far'), 'LN404', 'not_found', 'of those in reach');

-- an organisation
select throws_ok($$select identity.put_org(gen_random_uuid(), null, 'merchant', 'M1', 'x', null, false)$$, 'LN409', 'org_code_taken', 'a code is one''s own');
select throws_ok($$select identity.put_org(pg_temp.u(801), '1', 'merchant', 'D1', 'x', null, false)$$, 'LN422', 'org_kind_fixed', 'a department stays one');
select throws_ok($$select identity.put_org(pg_temp.u(801), '7', 'department', 'D1', 'x', null, false)$$, 'LN412', 'version_conflict', 'in its version');
select identity.put_org(pg_temp.u(801), '1', 'department', 'D1', '综合执法队', null, true) \g /dev/null
reset role;
select is_empty(format('select from identity.account_role where org_id = %L and (to_on is null or to_on > core.today())', pg_temp.u(801)), 'nobody acts for a closed one');

select * from finish(true);
rollback;
