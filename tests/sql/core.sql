-- core: ids, clock, masks, numbers, idempotency, events, errors.
\ir world.psql

-- ids
select is(substr(core.new_id(1)::text, 15, 1), '8', 'an id is a UUIDv8');
select is(count(*), 0::bigint, 'an id carries its street, whatever the number')
from (values (1), (4095), (4096), (60001), (65535)) s (n), generate_series(1, 20)
where core.street_of(core.new_id(n)) <> n or substr(core.new_id(n)::text, 20, 1) not in ('8', '9', 'a', 'b');
select is(core.street_of('01900000-0000-8a61-b800-000000000000'), 60001, 'street bits stand where uuid_make() puts them');
select ok(abs(('x' || replace(left(core.new_id(1)::text, 13), '-', ''))::bit(48)::bigint
	- extract(epoch from clock_timestamp()) * 1000) < 5000, 'an id begins with the time in ms');
select is(count(distinct core.new_id(1)), 1000::bigint, 'ids differ') from generate_series(1, 1000);
select ok(bool_and(left(a::text, 23) <= left(b::text, 23)), 'ids made one after the other sort so')
from (select id, lead(id) over (order by n) from (select n, core.new_id(1) as id
	from generate_series(1, 1000) n) x) y (a, b) where b is not null;

-- clock
select is(core.now(), now(), 'core.now() is the transaction''s time');
select pg_temp.clock(now() + interval '2 days 1 hour');
select is(core.now(), now() + interval '2 days 1 hour', 'linli.clock_offset moves it');
select pg_temp.clock(timestamptz '2026-02-28 16:00+00');
select is(core.today(), date '2026-03-01', 'a day begins at 16:00 UTC');
select pg_temp.clock(timestamptz '2026-02-28 15:59:59+00');
select is(core.today(), date '2026-02-28', 'and not a second before');

-- masks
select is(core.mask_text(a), b, a) from (values
	('打13812345678找我', '打138****5678找我'),
	('138 1234 5678 / 138-1234-5678', '138****5678 / 138****5678'),
	('１３８１２３４５６７８', '１３８****５６７８'),
	('座机028-85551234', '座机028****1234'),
	('证件51010419900101123X。', '证件510***************。'),
	('510104199001011234', '510***************'),
	('工单WNC-2026-000123，96户', '工单WNC-2026-000123，96户'),
	('流水202611220000123456', '流水202611220000123456')) t (a, b);

-- These ids hold what looks like a landline and a mobile number.
select is(core.mask_json(a)::text, b, a) from (values
	('{"id":"01a20754-47f7-8001-81f6-060663049705","text":"打13812345678","ids":["01a20754-47f7-8001-81f6-a13812345678","a13812345678"]}',
		'{"id":"01a20754-47f7-8001-81f6-060663049705","text":"打138****5678","ids":["01a20754-47f7-8001-81f6-a13812345678","a138****5678"]}'),
	('{}', '{}'), ('"01a20754-47f7-8001-81f6-060663049705"', '"01a20754-47f7-8001-81f6-060663049705"'), (null, null)) t (a, b);

-- paths
select is(core.path_end('1/9/'), '1/90', 'a subtree ends before its last slash plus one');
select ok('1/9/12/' collate "C" < core.path_end('1/9/') and not '1/90/' collate "C" < core.path_end('1/9/'),
	'1/9/12/ is inside 1/9/, 1/90/ is not');

-- errors
select throws_ok($$select core.fail(409, 'wrong_state')$$, 'LN409', 'wrong_state', 'fail raises status and code');
select throws_ok($$select core.must(null, 404, 'not_found')$$, 'LN404', 'not_found', 'must takes null for no');
select lives_ok($$select core.must(true, 404, 'not_found')$$, 'must lets the true pass');
do $$
declare
	h text;
begin
	perform core.fail(422, 'photo_required', '/photo_ids');
exception when sqlstate 'LN422' then
	get stacked diagnostics h = pg_exception_hint;
	perform set_config('test.hint', h, true);
end $$;
select is(current_setting('test.hint'), '/photo_ids', 'the pointer travels as hint');

-- numbers
set local role linli_owner;
select core.enter_system(60001);
select pg_temp.clock(timestamptz '2026-12-31 15:59:59+00');
select results_eq($$select core.next_number(60001, 't') from generate_series(1, 3)$$, array[1, 2, 3], 'numbers count from 1');
select is(core.next_number(60001, 'u'), 1, 'each series by itself');
select pg_temp.clock(timestamptz '2026-12-31 16:00+00');
select is(core.next_number(60001, 't'), 1, 'a new year in Chengdu begins again');
select throws_ok($$select core.next_number(60002, 't')$$, '42501', null, 'no number for another street');
select pg_temp.clock(null);

-- idempotency
set local role linli_app;
select pg_temp.enter('zz-resident');
select lives_ok($$select core.idem_check('k', 'h1')$$, 'an unknown key passes');
select core.idem_put('k', 'h1', 201, '{"b": 1, "a": 1.0}');
select lives_ok($$select core.idem_check('k', 'h1')$$, 'the same request passes');
select throws_ok($$select core.idem_check('k', 'h2')$$, 'LN422', 'idempotency_mismatch', 'another request does not');
select throws_ok($$select core.idem_put('k', 'h1', 201, '{}')$$, '23505', null, 'a live key is not written twice');
select results_eq($$select status, reply::text from core.idempotency where key = 'k'$$,
	$$values (201, '{"b": 1, "a": 1.0}')$$, 'the reply is kept as it was');
select pg_temp.enter('zz-community');
select lives_ok($$select core.idem_check('k', 'h2')$$, 'another''s key is another key');
select is_empty('select from core.idempotency', 'and cannot be read');
select lives_ok($$select core.idem_put('k', 'h2', 200, '{}')$$, 'or got in the way of');
select pg_temp.clock(now() + interval '24 hours 1 second');
-- a session of an hour is over by then: the context is set by hand
select from who, set_config('linli.actor', account_id::text, true) where login = 'zz-resident';
-- security 38
select lives_ok($$select core.idem_check('k', 'h2')$$, 'after 24 hours a key is free');
select lives_ok($$select core.idem_put('k', 'h2', 200, '{}')$$, 'to be taken again');
select throws_ok($$select core.idem_put('k', 'h2', 200, '{}')$$, '23505', null, 'once');
set local role linli_job;
select core.enter_system(60001);
select is(core.idem_sweep(), 1, 'the sweep takes the dead key, not the new one');
select core.enter_system(60002);
select is(core.idem_sweep(), 0, 'and stays in its street');
select pg_temp.clock(null);

-- events
set local role linli_owner;
select core.enter_system(60001);
select from core.put_event('test', pg_temp.u(900), 'private', null, null, '60001/1/1/1/', (select account_id from who where login = 'zz-resident'), false);
select from core.put_event('test', pg_temp.u(901), 'public', null, null, '60001/2/1/1/', null, true);
select from core.put_event('test', pg_temp.u(902), 'private', null, null, '60001/2/1/1/', null, false);
select is((select xact from core.event where subject_id = pg_temp.u(900)), pg_current_xact_id(), 'an event knows its transaction');
-- security 46
select throws_ok('update core.event set action = $$x$$', '42501', null, 'history is not updated, even by the owner');
select throws_ok('delete from core.event', '42501', null, 'nor deleted');
select throws_ok('truncate core.event', '42501', null, 'nor truncated');
insert into grid.assignment (street_id, id, grid_id, grid_kind, path, account_id, name, lead_kind, from_on)
select 60001, pg_temp.u(800), pg_temp.u(111), 'micro', '60001/1/1/1/', account_id, 'x', 'micro', core.today()
from who where login = 'zz-lead';
reset role;
create function pg_temp.sees(person text) returns text language plpgsql as $$
begin
	perform pg_temp.enter(person);
	return (select string_agg(right(subject_id::text, 3), ' ' order by subject_id) from core.event where subject = 'test');
end $$;
set local role linli_app;
select is(pg_temp.sees('zz-resident'), '900 901', 'a resident sees their own and what is public');
select is(pg_temp.sees('zz-lead'), '900', 'a lead the grid');
select is(pg_temp.sees('zz-community'), '900', 'a community its subtree');
select is(pg_temp.sees('zz-community2'), '901 902', 'and no other');
select is(pg_temp.sees('zz-street'), '900 901 902', 'the street all');
select is(pg_temp.sees('zz-far'), null, 'another street nothing');
select pg_temp.leave();
select is_empty('select from core.event', 'nobody nothing');

select * from finish(true);
rollback;
