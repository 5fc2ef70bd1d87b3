-- Issuers: what their claims give and take, and how sure a street wants to be.
\ir world.psql
create function pg_temp.sign_in(claims text, second boolean default false, due boolean default false, wanted text default null, session uuid default gen_random_uuid()) returns text language sql as
$$select s.verdict || coalesce(' ' || s.role, '') from identity.oidc_session('https://id', repeat('a', 64), 'sealed', '余文心', claims::jsonb, wanted, null,
	second, due, session, md5(session::text) || md5(session::text), 3600, '192.0.2.1') s$$;
set local role linli_owner;
select identity.put_issuer('https://id', 'aud', 'https://id/keys', '统一身份') \g /dev/null
select throws_ok(format('select identity.put_issuer(%L, %L, %L, %L)', 'https://x', 'aud', u, 'x'), '23514', null, u || ' is no place for keys')
from unnest('{ftp://x/k,https://user@x/k,https://x?k,//x/k,x}'::text[]) u;
select throws_ok(format('select identity.map_claim(%L, %L, %L, %L, 60001, %L, %L)', i, 'g', 'v', r, p, o), s, m, what) from (values
	('https://no', 'street', null, null::uuid, 'LN422', 'issuer_unknown', 'an issuer there is'),
	('https://id', 'community', '60001/77/', null, 'LN422', 'grid_not_found', 'a grid there is'),
	('https://id', 'department', null, pg_temp.u(801), 'LN422', 'org_not_found', 'an organisation there is'),
	('https://id', 'department', null, null, '23514', null, 'and a department has one'),
	('https://id', 'grid_lead', null, null, '23514', null, 'leads are appointed, not claimed')) x (i, r, p, o, s, m, what);
select identity.map_claim('https://id', 'groups', 'street', 'street', 60001, null, null),
	identity.map_claim('https://id', 'unit', 'one', 'community', 60001, '60001/1/', null) \g /dev/null
select is((select row(f.jwks_url, f.audience, f.claims::jsonb) from identity.find_issuer('https://id') f), row('https://id/keys'::text, 'aud'::text, '["groups", "unit"]'::jsonb), 'found');
select is((select f.jwks_url from identity.find_issuer('https://no') f), null, 'or not');

select is(pg_temp.sign_in(c, s, d, w), said, what) from (values
	('{"groups":["street"]}', false, false, null::text, 'ok street', 'a claim in a list'),
	('{"groups":"street","unit":"one"}', false, false, null, 'ok street', 'or alone; the widest'),
	('{"groups":"street","unit":"one"}', false, false, 'community', 'ok community', 'or the one asked for'),
	('{"groups":{"street":true}}', false, false, null, 'none', 'but no key of an object'),
	('{}', false, false, null, 'none', 'nothing is nothing'),
	('{"groups":"street","unit":"one"}', false, true, null, 'weak', 'where it is due a street wants a second factor'),
	('{"groups":"street","unit":"one"}', false, true, 'community', 'ok community', 'a community does not'),
	('{"groups":"street"}', true, true, null, 'ok street', 'with one')) x (c, s, d, w, said, what);
select account_id as who from identity.login where subject = repeat('a', 64) \gset

-- what it no longer says
select is(pg_temp.sign_in('{"groups":"street","unit":"one"}', true, true, 'community', pg_temp.u(1)), 'ok community', 'a community');
select is(pg_temp.sign_in('{"groups":"street"}'), 'ok street', 'then the street only');
select isnt((select revoked_at from identity.session where id = pg_temp.u(1)), null, 'its session has ended');
insert into identity.account_role (account_id, role, street_id, path) values (:'who', 'community', 60001, '60001/2/');
select is(pg_temp.sign_in('{"unit":"two"}'), 'none', 'when it says nothing');
select results_eq(format('select path from identity.account_role where account_id = %L and (to_on is null or to_on > core.today())', :'who'), $$values ('60001/2/' collate "C")$$, 'what was given here stays');
select is(pg_temp.sign_in('{"groups":"street"}'), 'ok street', 'and what it says again is there again');

select identity.unmap_claim('https://id', 'groups', 'street', 'street', 60001, null) \g /dev/null
select throws_ok($$select identity.unmap_claim('https://id', 'groups', 'street', 'street', 60001, null)$$, 'LN422', 'claim_unmapped', 'once');
select identity.map_claim('https://id', 'groups', 'street', 'street', 60001, null, null), identity.end_issuer('https://id') \g /dev/null
select is((select f.jwks_url from identity.find_issuer('https://id') f), null, 'an issuer taken out is not found');
select is_empty(format('select from identity.account_role where account_id = %L and role = %L and (to_on is null or to_on > core.today())', :'who', 'street'), 'and gives nothing');
select throws_ok($$select identity.end_issuer('https://no')$$, 'LN422', 'issuer_unknown', 'that there was');

select * from finish(true);
rollback;
