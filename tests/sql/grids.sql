-- grid: the tree's integrity, who may change what, assignments, groups.
\ir world.psql

-- the tree holds by constraint, however a row comes in
set local role linli_owner;
select core.enter_system(60001);
create function pg_temp.row_in(parent uuid, kind text, serial int, path text) returns void language sql as
$$insert into grid.grid (street_id, id, parent_id, kind, serial, path, name)
	values (60001, gen_random_uuid(), parent, kind, serial, path, 'x')$$;
select throws_ok(format('select pg_temp.row_in(%L, %L, %s, %L)', parent, kind, serial, path), code, null, what)
from (values
	(pg_temp.u(1), 'micro', 5, '60001/1/5/', '23503', 'a micro-grid not under a community'),
	(pg_temp.u(11), 'special', 5, '60001/1/1/5/', '23503', 'a special grid not under a general one'),
	(pg_temp.u(111), 'micro', 5, '60001/1/1/1/5/', '23503', 'nothing under a micro-grid'),
	(pg_temp.u(19), 'micro', 5, '60001/1/9/5/', '23503', 'nor under a special one'),
	(pg_temp.u(1), 'general', 5, '60001/2/5/', '23503', 'no path but the parent''s'),
	(pg_temp.u(1), 'general', 5, '60001/1/6/', '23514', 'and the own serial'),
	(pg_temp.u(1), 'general', 1, '60001/1/1/', '23505', 'no serial twice'),
	(pg_temp.u(5), 'general', 5, '60001/1/5/', '23503', 'no parent in another street'),
	(null, 'general', 5, '60001/1/5/', '23514', 'no grid without a parent'),
	(null, 'street', 60001, '60001/', '23505', 'no second root'),
	(pg_temp.u(1), 'general', 5, '60001/1/5', '23514', 'no path without its last slash')) t (parent, kind, serial, path, code, what);
select lives_ok($$select pg_temp.row_in(pg_temp.u(1), 'general', 5, '60001/1/5/')$$, 'the right row goes in');
select throws_ok(format('select core.enter_system(60001); update grid.grid set path = %L where id = pg_temp.u(1)', '60001/7/'), '23514', null, 'a grid with its serial does not move');
select throws_ok($$update grid.grid set path = '60001/7/', serial = 7 where id = pg_temp.u(1)$$, '23503', null, 'nor from its children');
select throws_ok($$insert into grid.grid (street_id, id, parent_id, kind, serial, path, name) values
	(60002, gen_random_uuid(), pg_temp.u(5), 'general', 5, '60002/1/5/', 'x')$$, '42501', null, 'no row for a street one is not in');

-- reading: everyone of the street, nobody else
reset role;
create function pg_temp.grids_of(person text) returns text language plpgsql as $$
begin
	perform pg_temp.enter(person);
	return (select string_agg(g.name, ' ' order by g.name) from grid.grid g where g.name in ('甲一社区', '甲二一一', '乙一一一'));
end $$;
set local role linli_app;
select is(pg_temp.grids_of(login), names, login || ' reads the whole street and no other')
from (values ('zz-resident', '甲一社区 甲二一一'), ('zz-lead', '甲一社区 甲二一一'), ('zz-community', '甲一社区 甲二一一'),
	('zz-street', '甲一社区 甲二一一'), ('zz-far', '乙一一一')) t (login, names);
select pg_temp.enter('zz-resident');
select results_eq($$select household_range from grid.grid_view where id in (pg_temp.u(11), pg_temp.u(111), pg_temp.u(112), pg_temp.u(21), pg_temp.u(19)) order by _path$$,
	array['below', 'within', 'above', null, 'within'], 'the rule''s figures are told, not enforced');
select pg_temp.leave();
select is_empty('select from grid.grid', 'without a context no grid');

-- creating: street everywhere, community below its own master grid
reset role;
create function pg_temp.make(person text, parent uuid, kind text, serial int default null, id uuid default gen_random_uuid()) returns void language plpgsql as $$
begin
	perform pg_temp.enter(person), grid.create_grid(id, parent, kind, '新', serial, null, 96, 240, null, null);
end $$;
set local role linli_app;
select throws_ok(format('select pg_temp.make(%L, %L, %L)', login, parent, kind), code, message, what)
from (values
	('zz-resident', pg_temp.u(11), 'micro', 'LN422', 'grid_not_found', 'a resident makes no grid'),
	('zz-lead', pg_temp.u(11), 'micro', 'LN422', 'grid_not_found', 'nor a lead'),
	('zz-community2', pg_temp.u(11), 'micro', 'LN422', 'grid_not_found', 'nor another community'),
	('zz-far', pg_temp.u(11), 'micro', 'LN422', 'grid_not_found', 'nor another street'),
	('zz-community', null, 'master', 'LN422', 'grid_not_found', 'no grid without a parent'),
	('zz-community', pg_temp.u(1), 'micro', 'LN422', 'grid_kind_mismatch', 'nor of the wrong kind'),
	('zz-street', pg_temp.u(1), 'master', 'LN422', 'grid_kind_mismatch', 'whoever it is')) t (login, parent, kind, code, message, what);
select throws_ok(format('select pg_temp.make(%L, %L, %L)', 'zz-community', :'root_a', 'master'), 'LN422', 'grid_not_found', 'a community makes no community');
select lives_ok(format('select pg_temp.make(%L, %L, %L)', 'zz-street', :'root_a', 'master'), 'the street does');
select lives_ok($$select pg_temp.make('zz-community', pg_temp.u(11), 'micro', null, pg_temp.u(113))$$, 'a community makes micro-grids');
select is((select row(path, serial, household_count, version) from grid.grid where id = pg_temp.u(113)),
	row('60001/1/1/3/'::text collate "C", 3, 96, 1), 'numbered on');
select throws_ok($$select pg_temp.make('zz-community', pg_temp.u(11), 'micro', 2)$$, 'LN409', 'grid_serial_taken', 'no number twice');
select is((select count(*) from core.event where subject = 'grid' and subject_id = pg_temp.u(113) and action = 'create'
	and actor_id = (select account_id from who where login = 'zz-community')), 1::bigint, 'and it is on record');

-- changing
reset role;
create function pg_temp.change(person text, grid uuid, etag text, valid_to date default null, code text default null, compound uuid default null) returns void language plpgsql as $$
begin
	perform pg_temp.enter(person), grid.update_grid(grid, etag, '改', code, 97, 241, compound, valid_to);
end $$;
set local role linli_app;
select throws_ok(format('select pg_temp.change(%L, %L, %L, %L, %L, %L)', login, grid, etag, valid_to, null, compound), code, message, what)
from (values
	('zz-lead', pg_temp.u(113), '1', null::date, null::uuid, 'LN404', 'not_found', 'a lead changes nothing'),
	('zz-community2', pg_temp.u(113), '1', null, null, 'LN404', 'not_found', 'another community neither'),
	('zz-community', pg_temp.u(1), '1', null, null, 'LN404', 'not_found', 'a community not its own master grid'),
	('zz-far', pg_temp.u(113), '1', null, null, 'LN404', 'not_found', 'another street neither'),
	('zz-community', pg_temp.u(113), '2', null, null, 'LN412', 'version_conflict', 'nobody another version'),
	('zz-community', pg_temp.u(113), '1', '2020-01-01', null, 'LN422', 'dates_invalid', 'no end before the beginning'),
	('zz-community', pg_temp.u(113), '1', null, pg_temp.u(1), 'LN422', 'compound_not_found', 'no compound that is none')) t (login, grid, etag, valid_to, compound, code, message, what);
select pg_temp.enter('zz-community');
select _etag as etag from grid.grid_view where id = pg_temp.u(113) \gset
select lives_ok(format('select pg_temp.change(%L, %L, %L)', 'zz-community', pg_temp.u(113), :'etag'), 'the shown ETag fits');
select is((select row(name, household_count, version) from grid.grid where id = pg_temp.u(113)), row('改'::text, 97, 2), 'and the grid is changed');
select lives_ok($$select pg_temp.change('zz-street', pg_temp.u(1), '1', null, '999001000009')$$, 'the street changes communities');
select throws_ok($$select pg_temp.change('zz-street', pg_temp.u(2), '1', null, '999001000009')$$, 'LN409', 'grid_code_taken', 'no code twice');
select lives_ok($$select pg_temp.change('zz-community', pg_temp.u(11), '1', core.today())$$, 'a general grid is closed');
select throws_ok($$select pg_temp.make('zz-community', pg_temp.u(11), 'micro')$$, 'LN409', 'grid_closed', 'and takes no more children');

-- assigning
reset role;
create function pg_temp.assign(person text, grid uuid, login text, kind text, from_on date default null, to_on date default null, id uuid default gen_random_uuid()) returns void language plpgsql as $$
begin
	perform pg_temp.enter(person), grid.assign(id, grid, login, kind, from_on, to_on);
end $$;
set local role linli_app;
select throws_ok(format('select pg_temp.assign(%L, %L, %L, %L, %L, %L)', person, grid, login, kind, from_on, to_on), code, message, what)
from (values
	('zz-lead', pg_temp.u(111), 'zz-lead', 'micro', null::date, null::date, 'LN404', 'not_found', 'a lead assigns nobody'),
	('zz-community2', pg_temp.u(111), 'zz-lead', 'micro', null, null, 'LN404', 'not_found', 'nor another community'),
	('zz-far', pg_temp.u(111), 'zz-lead', 'micro', null, null, 'LN404', 'not_found', 'nor another street'),
	('zz-community', pg_temp.u(111), 'zz-lead', 'general', null, null, 'LN422', 'lead_kind_mismatch', 'no general lead of a micro-grid'),
	('zz-community', pg_temp.u(1), 'zz-lead', 'micro', null, null, 'LN422', 'lead_kind_mismatch', 'no micro lead of a community'),
	('zz-community', pg_temp.u(111), 'zz-none', 'micro', null, null, 'LN422', 'account_unknown', 'not nobody'),
	('zz-community', pg_temp.u(11), 'zz-lead', 'general', null, null, 'LN409', 'grid_closed', 'not to a closed grid'),
	('zz-community', pg_temp.u(111), 'zz-lead', 'micro', '2027-03-02', '2027-03-02', 'LN422', 'dates_invalid', 'not for no day')) t (person, grid, login, kind, from_on, to_on, code, message, what);
select lives_ok($$select pg_temp.assign('zz-community', pg_temp.u(111), 'zz-resident', 'micro', null, null, pg_temp.u(801))$$, 'a community makes a neighbour lead');
select throws_ok($$select pg_temp.assign('zz-street', pg_temp.u(111), 'zz-resident', 'micro', '2030-01-01')$$, 'LN409', 'assignment_overlaps', 'not twice at a time');
select lives_ok($$select pg_temp.assign('zz-community', pg_temp.u(111), 'zz-lead', 'micro')$$, 'but two people at a time');
select lives_ok($$select pg_temp.assign('zz-community', pg_temp.u(1), 'zz-lead', 'general')$$, 'and one in two grids');
select is((select leads::jsonb from grid.grid_view where id = pg_temp.u(111)),
	'[{"name": "居民甲", "lead_kind": "micro"}, {"name": "网格员甲", "lead_kind": "micro"}]', 'whose names the grid shows');
select isnt((select _etag from grid.grid_view where id = pg_temp.u(111)), '1-' || left(md5('[]'), 8), 'and its ETag tells');
set local role linli_owner;
select is((select role from identity.open_session('zz-resident', 'grid_lead', 60001, 60)), 'grid_lead', 'who now may sign in as lead');
set local role linli_app;
select pg_temp.enter('zz-lead');
select is(core.scopes(), '{60001/1/}', 'a lead''s scopes are the assignments, without what lies in another');
reset role;
create function pg_temp.stop(person text, id uuid) returns void language plpgsql as $$
begin
	perform pg_temp.enter(person), grid.end_assignment(id);
end $$;
set local role linli_app;
select throws_ok(format('select pg_temp.stop(%L, pg_temp.u(801))', person), 'LN404', 'not_found', person || ' does not end it')
from unnest('{zz-lead,zz-community2,zz-far}'::text[]) person;
select lives_ok($$select pg_temp.stop('zz-community', pg_temp.u(801))$$, 'the community does');
select throws_ok($$select pg_temp.stop('zz-community', pg_temp.u(801))$$, 'LN409', 'assignment_ended', 'once');
select is((select active from grid.assignment_view where id = pg_temp.u(801)), false, 'at once, on the very first day');
select lives_ok($$select pg_temp.assign('zz-community', pg_temp.u(111), 'zz-resident', 'micro')$$, 'and a new one may begin the same day');

-- groups
reset role;
create function pg_temp.group(person text, etag text, ids int[], id uuid default pg_temp.u(601)) returns void language plpgsql as $$
begin
	perform pg_temp.enter(person), grid.put_group(id, etag, '联合体', '', to_jsonb(array(select pg_temp.u(x) from unnest(ids) x)));
end $$;
set local role linli_app;
select throws_ok(format('select pg_temp.group(%L, %L, %L)', person, etag, ids), code, message, what)
from (values
	('zz-lead', null, '{111,112}', 'LN422', 'grid_not_found', 'a lead forms no group'),
	('zz-community', null, '{111,211}', 'LN422', 'grid_not_found', 'a community not with another''s grid'),
	('zz-community', null, '{111,511}', 'LN422', 'grid_not_found', 'nor with another street''s'),
	('zz-community', null, '{111,19}', 'LN422', 'grid_not_micro', 'nor but of micro-grids')) t (person, etag, ids, code, message, what);
select lives_ok($$select pg_temp.group('zz-community', null, '{111,112}')$$, 'a community groups its own');
select is((select row(_path, household_count) from grid.grid_group_view where id = pg_temp.u(601)), row('60001/1/'::text collate "C", 131), 'the group is the community''s');
select throws_ok($$select pg_temp.group('zz-community2', '1', '{211,212}')$$, 'LN404', 'not_found', 'another community does not find it');
select throws_ok($$select pg_temp.group('zz-community', '9', '{111,112}')$$, 'LN412', 'version_conflict', 'nobody changes another version');
select lives_ok($$select pg_temp.group('zz-street', '1-x', '{111,211}')$$, 'the street joins communities');
select is((select row(_path, household_count, (select count(*) from grid.grid_group_member where group_id = pg_temp.u(601)))
	from grid.grid_group_view where id = pg_temp.u(601)), row('60001/'::text collate "C", 90, 2::bigint), 'and it is the street''s now');
select throws_ok($$select pg_temp.group('zz-community', '2', '{111,112}')$$, 'LN404', 'not_found', 'no community''s any more');

select * from finish(true);
rollback;
