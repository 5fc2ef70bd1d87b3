-- tickets: at 30,000 of them every list still reads little more than its page:
-- rows fetched are counted, as linli_app, not milliseconds.
\ir tickets_world.psql

-- Forty more communities of fifteen micro-grids, most tickets long closed.
create temporary table spot as
select c, m, core.new_id(60001) as id, format('60001/%s/1/%s/', c, m) as path from generate_series(101, 140) c, generate_series(1, 15) m;
insert into grid.grid (street_id, id, parent_id, kind, serial, path, name)
select 60001, pg_temp.u(c * 10), (select id from grid.grid where path = '60001/'), 'master', c, format('60001/%s/', c), 'c' from generate_series(101, 140) c;
insert into grid.grid (street_id, id, parent_id, kind, serial, path, name)
select 60001, pg_temp.u(c * 10 + 1), pg_temp.u(c * 10), 'general', 1, format('60001/%s/1/', c), 'g' from generate_series(101, 140) c;
insert into grid.grid (street_id, id, parent_id, kind, serial, path, name)
select 60001, id, pg_temp.u(c * 10 + 1), 'micro', m, path, 'm' from spot;
insert into ticket.ticket (street_id, id, number, kind, category, urgency, status, title, description,
	grid_id, path, owner_id, submitted_by, is_public, created_at, updated_at)
select 60001, core.new_id(60001), 'ZZA-2020-' || lpad(i::text, 6, '0'), 'problem',
	case when i % 15 = 0 then 'pets' else 'noise' end, 'normal',
	case when i % 100 = 7 then 'submitted' when i % 3000 = 8 then 'suspended' else 'closed' end,
	case when i % 3000 = 9 then '罕见' when i % 20 = 3 then '油烟' else '噪声' end, '扰民' || i,
	s.id, s.path, o.id, o.id, i % 5 < 3, now() - i * interval '1 hour', now() - i * interval '1 hour'
from generate_series(1, 30000) i
join (select *, row_number() over (order by c, m) - 1 n from spot) s on s.n = i % 600,
	lateral (select md5((i % 7000)::text)::uuid) o (id);
insert into identity.account_role (account_id, role, street_id, path) select account_id, 'community', 60001, '60001/120/' from who where login = 'zt-community2';
update identity.session s set path = '60001/120/' from who w where w.login = 'zt-community2' and s.id = w.session_id;
update grid.assignment a set grid_id = s.id, path = s.path from spot s where a.account_id = pg_temp.account('other') and s.c = 120 and s.m = 8;
update grid.assignment a set grid_id = pg_temp.u(1201), path = '60001/120/1/', grid_kind = 'general', lead_kind = 'general' where a.account_id = pg_temp.account('general');
set local max_parallel_workers_per_gather = 0; -- workers count for themselves
analyze ticket.ticket, grid.grid;

-- Rows of ticket.ticket touched so far: by index (charged to the index), by
-- bitmap and by sequential scan.
create function pg_temp.touched() returns bigint language sql as
$$select pg_stat_get_xact_tuples_returned('ticket.ticket'::regclass) + sum(pg_stat_get_xact_tuples_fetched(o))::bigint
	from (select 'ticket.ticket'::regclass::oid union all
		select indexrelid from pg_index where indrelid = 'ticket.ticket'::regclass) x (o)$$;
-- And by one statement, after its plans are made.
create function pg_temp.touched_by(p text, sql text) returns bigint language plpgsql as $$
declare
	before bigint;
	n bigint;
begin
	perform pg_temp.as_app(p);
	for i in 1..2 loop
		before := pg_temp.touched();
		execute sql into n;
		n := pg_temp.touched() - before;
	end loop;
	reset role;
	return n;
end $$;
create function pg_temp.fetched(p text, args text) returns bigint language sql as
$$select pg_temp.touched_by(p, format('select count(*) from ticket.list(%s)', args))$$;
select cmp_ok(pg_temp.touched_by('street', 'select count(*) from ticket.ticket where title || status = ''x'''), '>=', 30000::bigint, 'the meter sees a whole scan');
select cmp_ok(pg_temp.fetched(p, format(a, s)), '<=', most::bigint, p || ': ' || what || ', ' || left(s, 30))
from (values ('reporter', 60), ('other', 60), ('general', 400), ('community2', 60), ('street', 60)) v (p, most),
	(values ('newest', '%snull,null,null,null,false,false,null,null,null,null,null,21'),
		('next page', '%snull,null,null,null,false,false,null,null,null,null,concat_ws('':'', now() - interval ''3000 hours'', pg_temp.u(1)),21'),
		('since', '%snull,null,null,null,false,false,now() - interval ''2 hours'',null,null,null,null,21'),
		('a month', '%snull,null,null,null,false,false,now() - interval ''9000 hours'',now() - interval ''8000 hours'',null,null,null,21'),
		('mine', '%snull,null,null,null,true,false,null,null,null,null,null,21')) w (what, a),
	unnest('{"null,","array[''submitted''],"}'::text[]) s;
select cmp_ok(pg_temp.touched_by(p, format('select count(*) from ticket.list_street(null,null,null,%s,21)', a)), '<=', 60::bigint, p || ', whole street: ' || a)
from unnest('{reporter,street}'::text[]) p, unnest(array['null,null,null', 'null,null,concat_ws('':'', now() - interval ''3000 hours'', pg_temp.u(1))',
	'now() - interval ''9000 hours'',now() - interval ''8000 hours'',null']) a;
select cmp_ok(pg_temp.fetched(p, a), '<=', most::bigint, p || ': ' || what)
from (values ('reporter'), ('other'), ('general'), ('community2'), ('street')) v (p),
	(values ('few are suspended', 'array[''suspended''],null,null,null,null,false,false,null,null,null,null,null,21', 400),
		('one category', 'null,null,''pets'',null,null,false,false,null,null,null,null,null,21', 800),
		('a rare word', 'null,null,null,null,null,false,false,null,null,null,''罕见'',null,21', 800),
		('a common word', 'null,null,null,null,null,false,false,null,null,null,''油烟'',null,21', 3500),
		('no such word', 'null,null,null,null,null,false,false,null,null,null,''没有此词'',null,21', 800),
		('a number', 'null,null,null,null,null,false,false,null,null,null,''ZZA-2020-000123'',null,21', 5),
		('changed today', 'null,null,null,null,null,false,false,null,null,now() - interval ''1 day'',null,null,21', 800),
		('changed ever', 'null,null,null,null,null,false,false,null,null,''2000-01-01'',null,null,21', 1000)) w (what, a, most);

select * from finish(true);
rollback;
