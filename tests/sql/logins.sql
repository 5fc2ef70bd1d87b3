-- identity: codes, second factors, WeChat's token, events: what holds whoever calls.
\ir world.psql
select account_id as resident from who where login = 'zz-resident' \gset

-- security 46: events stay
set local role linli_owner;
select throws_ok($$update identity.event set ok = true$$, '42501', null, 'nobody changes an event');
select identity.log('login', null, true, null) \g /dev/null
delete from identity.event;
select cmp_ok((select count(*) from identity.event), '>', 0::bigint, 'nor takes a young one away');
select throws_ok($$truncate identity.event$$, '42501', null, 'nor all');
reset role;

-- security 15: a code's five tries, ten minutes, one use, one purpose
set local role linli_app;
select is((select verdict from identity.sms_begin(pg_temp.u(1), repeat('a', 64), 'login', repeat('c', 64), '192.0.2.1', 0)), 'ok', 'a code is kept');
select is(array(select t.verdict from unnest(array[repeat('d', 64), repeat('c', 64)]) h,
	identity.sms_try(pg_temp.u(1), repeat('a', 64), 'login', h, 'x') t), '{wrong,ok}'::text[], 'a wrong try, a right one');
select is(array(select t.verdict from (values (repeat('b', 64), 'login'), (repeat('a', 64), 'bind')) v (p, u),
	identity.sms_try(pg_temp.u(1), v.p, v.u, repeat('c', 64), 'x') t), '{wrong,wrong}'::text[], 'another phone, another purpose');
select is((select verdict from identity.sms_try(pg_temp.u(1), repeat('a', 64), 'login', repeat('c', 64), 'x')), 'ok', 'the fifth try');
select is((select verdict from identity.sms_try(pg_temp.u(1), repeat('a', 64), 'login', repeat('c', 64), 'x')), 'wrong', 'there is no sixth');
select throws_ok($$select identity.sms_session(pg_temp.u(1), repeat('d', 64), repeat('a', 64), 's', 'm', null, null, null, null, false,
	pg_temp.u(2), repeat('e', 64), 60, 'x')$$, 'LN401', 'code_wrong', 'a session wants the code itself');
select is((select role from identity.sms_session(pg_temp.u(1), repeat('c', 64), repeat('a', 64), 's', 'm', null, null, null, null, false,
	pg_temp.u(2), repeat('e', 64), 60, 'x')), 'visitor', 'and makes a visitor');
select throws_ok($$select identity.sms_session(pg_temp.u(1), repeat('c', 64), repeat('a', 64), 's', 'm', null, null, null, null, false,
	pg_temp.u(3), repeat('f', 64), 60, 'x')$$, 'LN401', 'code_wrong', 'once');

-- limits: what a narrow one refuses a wider one does not count
select is(array(select b.retry_after > 0 from generate_series(11, 14) n,
	identity.sms_begin(pg_temp.u(n), repeat('b', 64), 'login', repeat('c', 64), '192.0.2.1', 0) b),
	'{f,t,t,t}'::boolean[], 'one a minute');
reset role;
select is((select count from identity.attempt where kind = 'sms_hour' and key = repeat('b', 64)), 1, 'the refused are not counted on');
select identity.sms_unsent(pg_temp.u(11)) \g /dev/null
select is_empty($$select from identity.sms_code where id = pg_temp.u(11)$$, 'what was not sent is void');
select is_empty($$select from identity.attempt where kind = 'sms_minute' and key = repeat('b', 64)$$, 'and its minute forgiven');

-- the second factor: each step once, none older
insert into identity.totp (account_id, secret, confirmed_at) values (:'resident', 'sealed', now());
insert into identity.recovery_code values (:'resident', repeat('1', 64));
set local role linli_owner;
select throws_ok(format('select identity.second_step(%L, null, null)', :'resident'), 'LN401', 'totp_required', 'it is due');
select is(identity.second_step(:'resident', 100, null), true, 'a step');
select throws_ok(format('select identity.second_step(%L, 100, null)', :'resident'), 'LN401', 'totp_wrong', 'not twice');
select throws_ok(format('select identity.second_step(%L, 99, null)', :'resident'), 'LN401', 'totp_wrong', 'nor one before');
select is(identity.second_step(:'resident', null, repeat('1', 64)), true, 'a recovery code');
select throws_ok(format('select identity.second_step(%L, null, %L)', :'resident', repeat('1', 64)), 'LN401', 'totp_wrong', 'once');
select is(identity.second_step((select account_id from who where login = 'zz-lead'), null, null), false, 'others have none');

-- WeChat's token: one fetches, the others wait or use the old one
select is((select verdict from identity.wechat_token('app', null)), 'refresh', 'the first fetches');
select is((select verdict from identity.wechat_token('app', null)), 'wait', 'the second waits');
select is(identity.wechat_token_put('app', null, 0), 0, 'there was none to be had');
select is((select verdict from identity.wechat_token('app', null)), 'refresh', 'so the next one tries');
select is(identity.wechat_token_put('app', 'sealed', 7200), 1, 'a token');
select is((select row(verdict, sealed, generation) from identity.wechat_token('app', null)), row('ok'::text, 'sealed'::text, 1), 'for all');
select is((select verdict from identity.wechat_token('app', 1)), 'refresh', 'refused by WeChat it is fetched anew');
select is((select verdict from identity.wechat_token('app', 1)), 'wait', 'by one');
select is((select verdict from identity.wechat_token('app', 0)), 'ok', 'who knew an older one takes this');
select is(identity.wechat_token_put('app', 'next', 200), 2, 'the next');
select is((select verdict from identity.wechat_token('app', null)), 'refresh', 'near its end one fetches');
select is((select row(verdict, sealed) from identity.wechat_token('app', null)), row('ok'::text, 'next'::text), 'while the others go on');

-- what visitors did under a key goes like everybody's
reset role;
insert into core.idempotency (street_id, actor_id, key, hash, status, created_at)
values (0, :'resident', 'old', 'h', 200, now() - interval '25 hours'), (0, :'resident', 'new', 'h', 200, now());
set local role linli_owner;
select cmp_ok(core.idem_sweep_all(), '>=', 1, 'dead keys go');
reset role;
select is(array(select key from core.idempotency where street_id = 0), '{new}'::text[], 'also those of no street');

select * from finish(true);
rollback;
