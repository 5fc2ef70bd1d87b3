-- identity: entering a context, refresh families, the throttle, revocation.
\ir world.psql
select account_id as resident, session_id as session from who where login = 'zz-resident' \gset
select account_id as lead from who where login = 'zz-lead' \gset

-- core.enter(): every part of the claim must fit
set local role linli_app;
select lives_ok($$select pg_temp.enter('zz-resident')$$, 'a live session enters');
select is(row(core.actor(), core.role(), core.street(), core.scopes()),
	row(:'resident'::uuid, 'resident'::text, 60001, '{60001/1/1/1/}'::text[]), 'and is the context');
select throws_ok(format('select core.enter(%L, %L, %L, %s, %s)', s, a, r, n, e), 'LN401', 'session_revoked', what)
from (values
	(gen_random_uuid(), :'resident'::uuid, 'resident', 60001, 1, 'an unknown session'),
	(:'session', :'lead', 'resident', 60001, 1, 'another account'),
	(:'session', :'resident', 'street', 60001, 1, 'another role'),
	(:'session', :'resident', 'resident', 60002, 1, 'another street'),
	(:'session', :'resident', 'resident', 60001, 2, 'another epoch')) t (s, a, r, n, e, what);
select pg_temp.clock(now() + interval '59 minutes 59 seconds');
select lives_ok($$select pg_temp.enter('zz-resident')$$, 'to the last second');
select pg_temp.clock(now() + interval '1 hour');
select throws_ok($$select pg_temp.enter('zz-resident')$$, 'LN401', 'session_revoked', 'not after its end');
select pg_temp.clock(null);

-- a lead acts only while assigned, by days in Chengdu
reset role;
insert into grid.assignment (street_id, id, grid_id, grid_kind, path, account_id, name, lead_kind, from_on, to_on)
values (60001, pg_temp.u(801), pg_temp.u(111), 'micro', '60001/1/1/1/', :'lead', 'x', 'micro', '2027-03-01', '2027-03-03'),
	(60001, pg_temp.u(802), pg_temp.u(112), 'micro', '60001/1/1/2/', :'lead', 'x', 'micro', '2027-03-02', '2027-03-02');
update identity.session set expires_at = '2030-01-01';
create function pg_temp.scopes_at(t timestamptz) returns text[] language plpgsql as $$
begin
	perform pg_temp.clock(t), pg_temp.enter('zz-lead');
	return core.scopes();
end $$;
set local role linli_app;
select is(pg_temp.scopes_at('2027-02-28 15:59:59+00'), '{}', 'before the first day a lead has no scope');
select is(pg_temp.scopes_at('2027-02-28 16:00+00'), '{60001/1/1/1/}', 'from its first moment one');
select is(pg_temp.scopes_at('2027-03-02 15:59:59+00'), '{60001/1/1/1/}', 'to the last; an empty span gives none');
select is(pg_temp.scopes_at('2027-03-02 16:00+00'), '{}', 'to_on is the first day without');
select pg_temp.clock(null);

-- sign-in
set local role linli_app;
select pg_temp.leave();
select is(row(verdict, account_id, password_hash), row('ok'::text, :'resident'::uuid, 'hash of zz-resident'::text), 'a login gives its hash, in any case')
from identity.login_begin('ZZ-Resident', '192.0.2.1');
select ok(verdict = 'ok' and account_id is null and password_hash like '$argon2id$v=19$m=65536,t=2,p=1$%', 'an unknown login gives nobody''s')
from identity.login_begin('zz-nobody', '192.0.2.1');
select is(row(account_id, role, street_id, name), row(:'resident'::uuid, 'resident'::text, 60001, '居民甲'::text), 'a session begins')
from identity.create_session(:'resident', 'hash of zz-resident', null, null, pg_temp.u(701), repeat('a', 64), 3600, '192.0.2.1');
select throws_ok(format($$select identity.create_session(%L, 'hash of zz-resident', %L, %L, pg_temp.u(702), repeat('b', 64), 60, 'x')$$,
	:'resident', r, s), 'LN403', 'role_not_granted', what)
from (values ('street', null, 'not in a role one does not hold'), ('resident', 60002, 'nor in another street')) t (r, s, what);
select throws_ok(format($$select identity.create_session(%L, 'an older hash', null, null, pg_temp.u(702), repeat('b', 64), 60, 'x')$$, :'resident'),
	'LN401', 'login_failed', 'nor with a password changed meanwhile');
select throws_ok($$select identity.create_session(null, 'x', null, null, pg_temp.u(702), repeat('b', 64), 60, 'x')$$,
	'LN401', 'login_failed', 'nor without an account');

-- throttle
select is(array(select l.verdict from generate_series(1, 12), identity.login_begin('zz-target', '192.0.2.' || generate_series + 10) l),
	array_fill('ok'::text, array[10]) || '{throttled,throttled}'::text[], 'ten attempts a login, from wherever');
select is(row(verdict, retry_after, account_id, password_hash), row('throttled'::text, 900, null::uuid, null::text), 'then no hash, and how long to wait')
from identity.login_begin('zz-target', '192.0.2.9');
select is(verdict, 'ok', 'others are not held up') from identity.login_begin('zz-resident', '192.0.2.9');
select is(count(*) filter (where l.verdict = 'ok'), 98::bigint, 'a hundred attempts an address, less those that failed before')
from generate_series(1, 110) i, identity.login_begin('zz-many-' || i, '192.0.2.9') l;
select is(verdict, 'throttled', 'whoever it is') from identity.login_begin('zz-resident', '192.0.2.9');
select pg_temp.clock(now() + interval '15 minutes');
select is(verdict, 'ok', 'after the window all is well') from identity.login_begin('zz-target', '192.0.2.9');
select pg_temp.clock(null);
reset role;
select is(count(*), 0::bigint, 'no login name is kept') from identity.attempt where key like '%zz-%';
set local role linli_app;
select count(*) from generate_series(50, 58) i, identity.login_begin('zz-resident', left('192.0.2.' || i, 9) || '0') \g /dev/null
select from identity.create_session(:'resident', 'hash of zz-resident', null, null, pg_temp.u(703), repeat('c', 64), 3600, '192.0.2.50');
reset role;
select is_empty($$select from identity.attempt where kind = 'login' and key = identity.login_key('zz-resident')$$, 'a success forgives the login');
select is((select count from identity.attempt where kind = 'address' and key = '192.0.2.50'), 8, 'but the address only that attempt');

-- refresh: each token once; a second use ends the family
set local role linli_app;
select is(row(verdict, session_id, account_id, role, street_id, epoch), row('ok'::text, pg_temp.u(701), :'resident'::uuid, 'resident'::text, 60001, 1), 'a token is traded')
from identity.refresh_session(repeat('a', 64), repeat('1', 64), 3600);
select is(verdict, 'repeated', 'a double call is refused') from identity.refresh_session(repeat('a', 64), repeat('2', 64), 3600);
select is(verdict, 'ok', 'and the family lives') from identity.refresh_session(repeat('1', 64), repeat('3', 64), 3600);
select is(verdict, 'unknown', 'an unknown token') from identity.refresh_session(repeat('f', 64), repeat('4', 64), 3600);
reset role;
select is(count(*), 1::bigint, 'one token is live') from identity.refresh_token
where session_id = pg_temp.u(701) and spent_at is null;
update identity.refresh_token set spent_at = spent_at - interval '1 minute' where session_id = pg_temp.u(701);
set local role linli_app;
select is(row(verdict, session_id), row('reused'::text, null::uuid), 'a spent token comes again')
from identity.refresh_session(repeat('a', 64), repeat('5', 64), 3600);
select is(verdict, 'revoked', 'and the family is dead') from identity.refresh_session(repeat('3', 64), repeat('6', 64), 3600);
select throws_ok(format('select core.enter(pg_temp.u(701), %L, %L, 60001, 1)', :'resident', 'resident'), 'LN401', 'session_revoked', 'its access tokens too');
select is(verdict, 'ok', 'another family of the same person lives') from identity.refresh_session(repeat('c', 64), repeat('7', 64), 3600);
select pg_temp.clock(now() + interval '1 hour');
select is(verdict, 'expired', 'a token ends with its time') from identity.refresh_session(repeat('7', 64), repeat('8', 64), 3600);
select pg_temp.clock(null);
-- security 42
select is(verdict, 'revoked', 'and does not begin again with the clock') from identity.refresh_session(repeat('7', 64), repeat('8', 64), 3600);

-- logout
select pg_temp.enter('zz-community');
select is(identity.end_session(pg_temp.u(703)), null, 'nobody ends another''s session');
select is(identity.end_session((select session_id from who where login = 'zz-community')), true, 'one''s own');
select throws_ok($$select pg_temp.enter('zz-community')$$, 'LN401', 'session_revoked', 'logout bites at once');
select throws_ok(format('select core.enter(%L, %L, %L, %s, %s)', session_id, account_id, role, street_id, epoch + 1),
	'LN401', 'session_revoked', 'and no guess at the next epoch helps') from who where login = 'zz-community';

-- who is who
select pg_temp.enter('zz-resident');
select is((select login from identity.me()), 'zz-resident', 'me');
select is(identity.name_of(:'lead'), '网格员甲', 'a name of the street');
select is(identity.name_of((select account_id from who where login = 'zz-far')), null, 'no name of another street');

-- administration, as the owner
set local role linli_owner;
select throws_ok($$select identity.grant_role('zz-nobody', 'resident', 60001)$$, 'LN422', 'account_unknown', 'no role for nobody');
select throws_ok($$select identity.grant_role('zz-far', 'community', 60001, '60001/77/')$$, 'LN422', 'grid_not_found', 'nor in no place');
select throws_ok($$select identity.add_account('ZZ-Resident', 'x', null)$$, '23505', null, 'logins differ in more than case');
select is(identity.end_role('zz-street', 'street', 60001), true, 'a role ends');
select throws_ok($$select pg_temp.enter('zz-street')$$, 'LN401', 'session_revoked', 'and its sessions with it');
select throws_ok($$select identity.open_session('zz-street', null, null, 60)$$, 'LN403', 'role_not_granted', 'and no new one begins');
select identity.grant_role('zz-street', 'street', 60001);
select lives_ok($$select identity.open_session('zz-street', 'street', 60001, 60)$$, 'until it is given again');
select is(identity.set_password('zz-community2', 'new hash'), 1, 'a new password ends the sessions');
select throws_ok($$select pg_temp.enter('zz-community2')$$, 'LN401', 'session_revoked', 'at once');
select is(identity.disable('zz-resident'), 1, 'disabling ends the sessions');
select throws_ok($$select pg_temp.enter('zz-resident')$$, 'LN401', 'session_revoked', 'at once too');
select throws_ok($$select identity.open_session('zz-resident', null, null, 60)$$, 'LN403', 'account_disabled', 'and bars the account');
set local role linli_app;
select is(verdict, 'revoked', 'also from refreshing') from identity.refresh_session(repeat('7', 64), repeat('9', 64), 3600);

-- a role that ends on a day ends the session then
reset role;
update identity.account_role set to_on = core.today() + 1 where role = 'street' and street_id = 60002;
set local role linli_owner;
select is((select expires_at from identity.open_session('zz-far', null, null, 86400 * 7)),
	(core.today() + 1)::timestamp at time zone 'Asia/Shanghai', 'no session outlives its role');
-- the widest role comes first
select identity.grant_role('zz-community2', 'resident', 60001), identity.grant_role('zz-community2', 'grid_lead', 60001) \g /dev/null
select is((select role from identity.open_session('zz-community2', null, null, 60)), 'community', 'without a wish the widest role');
select is((select role from identity.open_session('zz-community2', 'resident', null, 60)), 'resident', 'with a wish that one');

-- sweep
reset role;
update identity.session set expires_at = now() - interval '31 days' where id = pg_temp.u(703);
set local role linli_job;
select cmp_ok(identity.sweep(), '>=', 1, 'long dead sessions go');
reset role;
select is_empty('select from identity.refresh_token where session_id = pg_temp.u(703)', 'with their tokens');
select is(count(*), 1::bigint, 'the others stay') from identity.session where id = pg_temp.u(701);

select * from finish(true);
rollback;
