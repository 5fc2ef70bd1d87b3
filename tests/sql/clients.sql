-- Clients: what a program gives for a token, what it gets, and what it sees.
\ir world.psql
select account_id as street from who where login = 'zz-street' \gset
create function pg_temp.put(n integer, nets text default '[]', etag text default null, scopes text default '["grids:read","tickets:write"]') returns void language sql as
$$select identity.put_client(pg_temp.u(n), etag, '平台', null, scopes::jsonb, '["12345"]', nets::jsonb, 60, 10, 'null')$$;
create function pg_temp.token(c integer, hash text, address text default '192.0.2.7', scope text[] default null, jti text default null, session uuid default gen_random_uuid()) returns text language sql as
$$select t.verdict from identity.client_token(pg_temp.u(c), hash, jti, extract(epoch from now())::bigint + 60, scope, session, 900, address) t$$;
create function pg_temp.program() returns void language sql as $$select core.enter(pg_temp.u(721), pg_temp.u(702), 'client', 60001, 1)$$;
create function pg_temp.bring(n integer, source text) returns void language sql as
$$select ticket.submit_source(pg_temp.u(n), jsonb_build_object('source_id', source, 'kind', 'problem', 'category', 'noise', 'urgency', 'normal', 'title', '噪声', 'description', '施工噪声', 'grid_id', pg_temp.u(111)))$$;
set local role linli_app;
select pg_temp.enter('zz-street') \g /dev/null
select lives_ok($$select pg_temp.put(701, '["192.0.2.0/24"]'), pg_temp.put(702)$$, 'two programs');
select throws_ok(format('select pg_temp.put(703, %L)', n), 'LN422', 'net_invalid', n || ' is no net') from (values ('["0.0.0.0/0"]'), ('["::/0"]'), ('["10.0.0.1/8"]'), ('["x"]')) x (n);
select throws_ok($$select pg_temp.put(701, '[]', '7')$$, 'LN412', 'version_conflict', 'written in its version');
select throws_ok(format('select identity.put_client(%L, %L, %L, null, %L, %L, %L, 60, 10, %L)', :'street', '1', 'x', '[]', '[]', '[]', 'null'), 'LN404', 'not_found', 'an account of somebody is none');
select lives_ok($$select identity.add_client_secret(pg_temp.u(n), pg_temp.u(c), repeat(h, 64)) from (values (1, 701, 'a'), (2, 701, 'b'), (3, 702, 'c')) x (n, c, h)$$, 'secrets');
select throws_ok($$select identity.add_client_secret(pg_temp.u(4), pg_temp.u(701), repeat('d', 64))$$, 'LN409', 'two_secrets_live', 'two at a time');
select pg_temp.enter('zz-far') \g /dev/null
select is_empty('select from identity.clients(null)', 'another street''s are not seen');
select throws_ok($$select identity.add_client_secret(pg_temp.u(4), pg_temp.u(701), repeat('d', 64))$$, 'LN404', 'not_found', 'nor touched');
select pg_temp.enter('zz-community') \g /dev/null
select is_empty('select from identity.clients(null)', 'nor by a community');
select pg_temp.leave() \g /dev/null

-- tokens
select is(pg_temp.token(c, repeat(h, 64), a, s), verdict, what) from (values
	(701, 'a', '192.0.2.7', null::text[], 'ok', 'a secret'), (701, 'b', '192.0.2.7', null, 'ok', 'or the other'),
	(701, 'c', '192.0.2.7', null, 'invalid_client', 'not another''s'), (799, 'a', '192.0.2.7', null, 'invalid_client', 'nobody''s'),
	(701, 'a', '192.0.3.7', null, 'unauthorized_client', 'from its own net'), (701, 'a', 'local', null, 'unauthorized_client', 'and no socket'),
	(702, 'c', '203.0.113.1', null, 'ok', 'without nets from anywhere'),
	(702, 'c', 'x', '{grids:read}', 'ok', 'less than it has'), (702, 'c', 'x', '{grids:read,changes:read}', 'invalid_scope', 'nothing more')) t (c, h, a, s, verdict, what);
select is(pg_temp.token(702, null, 'x', null, 'jti-1'), 'ok', 'an assertion');
select is(pg_temp.token(702, null, 'x', null, 'jti-1'), 'invalid_client', 'once');
select is(pg_temp.token(701, null, '192.0.2.7', null, 'jti-1'), 'ok', 'each client''s own');

-- what it sees: what it brought
select pg_temp.token(702, repeat('c', 64), 'x', null, null, pg_temp.u(721)) \g /dev/null
select pg_temp.enter('zz-resident') \g /dev/null
select ticket.submit(pg_temp.u(731), '{"kind":"problem","category":"noise","urgency":"normal","title":"噪声","description":"施工噪声"}') \g /dev/null
select pg_temp.program() \g /dev/null
select lives_ok($$select pg_temp.bring(732, 'one')$$, 'a program brings a ticket');
select lives_ok($$select pg_temp.bring(733, 'one')$$, 'once, however often');
select results_eq('select id from ticket.ticket', $$values (pg_temp.u(732))$$, 'and sees that one');
select results_eq('select distinct subject_id from core.event', $$values (pg_temp.u(732))$$, 'and what happened to it');
select is((select count(*) from ticket.private) + (select count(*) from ticket.source), 2::bigint, 'with what belongs to it');
select is_empty(format('select from %s', t), t || ' is not for programs') from unnest('{grid.dwelling,people.person,people.consent,grid.redraw,grid.duty_area}'::text[]) t;
reset role;
select results_eq('select people.crowd(n) from generate_series(0, 5) n', 'values (0::bigint), (null), (null), (null), (null), (5)', 'fewer than five are nobody');

-- what ends
set local role linli_app;
select pg_temp.enter('zz-street') \g /dev/null
select identity.end_client_secret(pg_temp.u(3)) \g /dev/null
select is(pg_temp.token(702, repeat('c', 64), 'x'), 'invalid_client', 'a secret taken away');
select throws_ok('select pg_temp.program()', 'LN401', 'session_revoked', 'ends its tokens');
select pg_temp.enter('zz-street') \g /dev/null
select identity.bar_client(pg_temp.u(701), true) \g /dev/null
select is(pg_temp.token(701, repeat('a', 64)), 'invalid_client', 'who is barred gets none');

select * from finish(true);
rollback;
