-- Sources: who sees an outside number, and what a second arrival makes of it.
\ir tickets_world.psql
set local role linli_owner;
select core.enter_system(60001) \g /dev/null
insert into identity.account (id, display_name) values (pg_temp.u(971), '热线'), (pg_temp.u(972), '综治');
insert into identity.account_role (account_id, role, street_id, path) select pg_temp.u(n), 'client', 60001, '60001/' from unnest('{971,972}'::int[]) n;
insert into identity.client (account_id, street_id, scopes, systems, per_minute, burst) values
	(pg_temp.u(971), 60001, '{tickets:write}', '{12345}', 60, 10), (pg_temp.u(972), 60001, '{tickets:write}', '{zongzhi,wecom}', 60, 10);
select identity.start_session(pg_temp.u(n + 10), pg_temp.u(n), 'client', 60001, 900, 'local') from unnest('{971,972}'::int[]) n \g /dev/null
reset role;
create function pg_temp.program(n integer) returns void language plpgsql as $$
begin
	set local role linli_app;
	perform core.enter(pg_temp.u(n + 10), pg_temp.u(n), 'client', 60001, 1);
end $$;
create function pg_temp.bring(n integer, system text, source text) returns void language sql as
$$select ticket.submit_source(pg_temp.u(n), jsonb_build_object('system', system, 'source_id', source, 'kind', 'problem', 'category', 'noise',
	'urgency', 'normal', 'title', '噪声', 'description', '施工噪声', 'grid_id', pg_temp.u(111)))$$;

select pg_temp.program(971) \g /dev/null
select is(core.systems(), '{12345}', 'a program speaks for its systems');
select lives_ok($$select pg_temp.bring(n, null, 'one') from unnest('{801,802}'::int[]) n$$, 'a number, twice');
select results_eq($$select ticket_id from ticket.source$$, $$values (pg_temp.u(801))$$, 'is one ticket');
select throws_ok($$select pg_temp.bring(803, 'zongzhi', 'one')$$, 'LN422', 'system_not_yours', 'not for another system');
select is_empty($$select from ticket.ticket where id <> pg_temp.u(801)$$, 'nothing is left of what came second');
select pg_temp.program(972) \g /dev/null
select is_empty('select from ticket.source', 'another system''s numbers are not seen');
select throws_ok($$select pg_temp.bring(803, null, 'one')$$, 'LN422', 'system_not_yours', 'of two systems one must be named');
select lives_ok($$select ticket.join_source(pg_temp.u(811), '{"system": "zongzhi", "source_id": "Z", "same_as": {"system": "12345", "source_id": "one"}}')$$, 'it joins');
select is((ticket.outcome_of(pg_temp.u(811))).status, 'submitted', 'and is told how it stands');
select is((ticket.outcome_of(id)).status, null, 'by no number but its own') from (select pg_temp.u(812)) x (id);
select is_empty('select from ticket.ticket', 'and sees no ticket for it');
select is_empty('select from ticket.private', 'nor what is private of it');
select lives_ok($$select ticket.update_source(pg_temp.u(n), '{"system": "zongzhi", "source_id": "Z", "update_id": "1", "kind": "status", "status": "已收"}')
	from unnest('{821,822}'::int[]) n$$, 'an update, twice');
select is((select count(*) from ticket.source_update), 1::bigint, 'is one');
reset role;
select is(pg_temp.status(pg_temp.u(801)), 'submitted', 'and moves nothing');

-- who sees them
create function pg_temp.seen(person text) returns bigint language plpgsql as $$
begin
	perform pg_temp.as_app(person);
	return (select count(*) from ticket.source) + (select count(*) from ticket.source_update);
end $$;
select is(pg_temp.seen(person), n::bigint, person || ' sees ' || n) from (values ('reporter', 0), ('lead', 3), ('next', 0), ('community', 3),
	('community2', 0), ('street', 3), ('department', 0)) x (person, n);
reset role;
select pg_temp.as_app('lead') \g /dev/null
select throws_ok(format('select %s', f), 'LN403', 'role_not_allowed', f || ' is for programs') from unnest(array[
	'pg_temp.bring(804, ''12345'', ''x'')', 'ticket.update_source(pg_temp.u(823), ''{"text": "x"}'')',
	'ticket.join_source(pg_temp.u(823), ''{"same_as": {"number": "x"}}'')']) f;
select throws_ok($$select ticket.join_number(pg_temp.u(823), pg_temp.u(801), 'wecom', 'x')$$, 'LN403', 'role_not_allowed', 'a lead enters no number');
select throws_ok(format('select ticket.%s', f), '42501', null, f || ' is not for the app') from unnest(array[
	'read_outcome(pg_temp.u(801))', 'known_as(''x'', null, null)', 'add_source(pg_temp.u(1), pg_temp.u(801), ''a'', ''b'', ''street'')',
	'pick_sources(null, ''{60001/}'', null, null, null, null, null, 9)']) f;
reset role;
select * from finish(true);
rollback;
