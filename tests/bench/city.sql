-- A city's data for the growth row of the bench: the 261 streets and 3,047
-- communities of Chengdu by their codes (city.csv, National Bureau of
-- Statistics, 2023), 126,000 micro-grids, their leads, two residents in each,
-- and :tickets tickets of two years. The same every time.
--
--   psql -v tickets=1000000 -v csv="$(cat city.csv)" -f city.sql    as superuser
\set ON_ERROR_STOP 1
set session_replication_role = replica; -- what is made here refers to itself
set synchronous_commit = off;
set work_mem = '256MB';
set maintenance_work_mem = '1GB';

create function pg_temp.city_id(street integer, ms bigint, what text) returns uuid
language sql immutable
as $$
	select (lpad(to_hex(ms), 12, '0') || '8' || lpad(to_hex(street), 3, '0')
		|| '8' || left(md5(what), 15))::uuid
$$;
create function pg_temp.pick(what text, n integer) returns integer
language sql immutable
as $$select (('x' || left(md5(what), 7))::bit(28)::integer) % n$$;

create temp table street as
select row_number() over (order by line)::integer as id, split_part(line, ',', 1) as code,
	split_part(line, ',', 2) as name, split_part(line, ',', 3) as communities
from regexp_split_to_table(:'csv', '\n') line where line ~ '^[0-9]';
create temp table community as
select s.id as street, (s.id || '/' || n || '/') as path, n as serial,
	s.code || lpad(n::text, 3, '0') as code, row_number() over (order by s.id, n)::integer as no
from street s, regexp_split_to_table(s.communities, ' ') r,
	generate_series(split_part(r, '-', 1)::integer, coalesce(nullif(split_part(r, '-', 2), ''), r)::integer) n;
-- 126,000 micro-grids: 41 in each community, 42 in the first 1,073; four make
-- a general grid.
create temp table micro as
select c.street, c.path || (m + 3) / 4 || '/' as general, c.path || (m + 3) / 4 || '/' || (m - 1) % 4 + 1 || '/' as path,
	c.path as community, (m - 1) % 4 + 1 as serial, c.code || lpad(((m + 3) / 4)::text, 3, '0') as general_code,
	row_number() over (order by c.no, m)::integer as no
from community c, generate_series(1, 41 + (c.no <= 1073)::integer) m;

insert into core.region (code, level, name)
select code, 'street', name from street
union all
select code, 'community', serial || '社区' from community;

insert into grid.street (id, code, name, prefix)
select id, code, name, 'C' || translate(lpad(id::text, 3, '0'), '0123456789', 'ABCDEFGHIJ') from street;

insert into grid.grid (street_id, id, parent_id, kind, serial, path, code, name, household_count, person_count, valid_from)
select id, pg_temp.city_id(id, 0, id || '/'), null::uuid, 'street', id, id || '/', code, name, 0, 0, '2020-01-01'::date from street
union all
select street, pg_temp.city_id(street, 0, path), pg_temp.city_id(street, 0, street || '/'), 'master', serial, path,
	code, serial || '社区总网格', 0, 0, '2020-01-01' from community
union all
select distinct on (general) street, pg_temp.city_id(street, 0, general), pg_temp.city_id(street, 0, community), 'general',
	split_part(general, '/', 3)::integer, general, general_code, '第' || split_part(general, '/', 3) || '网格', 400, 1150, '2020-01-01'
from micro
union all
select street, pg_temp.city_id(street, 0, path), pg_temp.city_id(street, 0, general), 'micro', serial, path,
	general_code || lpad(serial::text, 2, '0'), serial || '号微网格', 100, 288, '2020-01-01' from micro;

-- n 0 leads the micro-grid, 1 and 2 live there.
create temp table person as
select m.street, m.path, m.no, n, case n when 0 then 'w' else 'r' end || lpad(m.no::text, 6, '0') || n as login
from micro m, generate_series(0, 2) n;
insert into identity.account (id, login, display_name)
select pg_temp.city_id(street, 1, login), login, '居民' || login from person;
insert into identity.account_role (account_id, role, street_id, path, from_on)
select pg_temp.city_id(street, 1, login), case n when 0 then 'grid_lead' else 'resident' end, street,
	case n when 0 then street || '/' else path end, '2020-01-01' from person;
insert into grid.assignment (street_id, id, grid_id, grid_kind, path, account_id, name, lead_kind, from_on)
select street, pg_temp.city_id(street, 2, login), pg_temp.city_id(street, 0, path), 'micro', path,
	pg_temp.city_id(street, 1, login), '居民' || login, 'micro', '2020-01-01' from person where n = 0;

create temp table ticket as
select m.street, m.path, pg_temp.city_id(m.street, 0, m.path) as grid_id,
	pg_temp.city_id(m.street, 1, 'r' || lpad(m.no::text, 6, '0') || 1 + i % 2) as owner_id,
	pg_temp.city_id(m.street, floor(extract(epoch from t.at) * 1000)::bigint, 'ticket ' || i) as id,
	t.at, c.code as category, c.default_public as is_public, c.name_zh as title, t.age,
	row_number() over (partition by m.street order by t.at, i) as number,
	-- A street has about 8 km²; a ticket of one kind is seldom near another.
	103.6 + m.street % 17 * 0.06 + pg_temp.pick('lon' || i, 30000) / 1e6 as lon,
	30.2 + m.street / 17 * 0.06 + pg_temp.pick('lat' || i, 26000) / 1e6 as lat,
	case when t.age > interval '30 days' then case pg_temp.pick('end' || i, 25) when 0 then 'rejected' when 1 then 'withdrawn' else 'closed' end
		else (array['submitted', 'accepted', 'in_progress', 'escalated_community', 'resolved', 'replied', 'closed', 'closed'])[1 + pg_temp.pick('state' || i, 8)] end as status
from generate_series(1, :tickets) i
join micro m on m.no = 1 + i::bigint * 7919 % 126000
join lateral (select x, now() - x from (select interval '730 days' * (pg_temp.pick('age' || i, 100000000) / 1e8)) y (x)) t (age, at) on true
join (select *, row_number() over (order by sort, code) - 1 as n from ticket.category) c on c.n = pg_temp.pick('category' || i, 18);

select pg_get_indexdef('ticket.ticket_grams'::regclass) as make_grams \gset
drop index ticket.ticket_grams;
insert into ticket.ticket (street_id, id, number, kind, category, urgency, status, title, description, grid_id, path,
	owner_id, submitted_by, is_public, reply, stars, created_at, updated_at, accepted_at, resolved_at, replied_at, closed_at)
select t.street, t.id, s.prefix || '-' || extract(year from t.at) || '-' || lpad(t.number::text, 6, '0'), 'problem', t.category,
	'normal', t.status, t.title, t.title || '，已经好几天了，请尽快处理，谢谢。', t.grid_id, t.path, t.owner_id, t.owner_id, t.is_public,
	case when t.status in ('replied', 'closed') then '已处理完毕，感谢您的意见。' end, case t.status when 'closed' then 5 end,
	t.at, t.at + least(t.age, interval '3 days'), t.at + least(t.age, interval '30 minutes'),
	case when t.status in ('resolved', 'replied', 'closed') then t.at + least(t.age, interval '2 days') end,
	case when t.status in ('replied', 'closed') then t.at + least(t.age, interval '2 days') end,
	case when t.status in ('closed', 'rejected', 'withdrawn') then t.at + least(t.age, interval '3 days') end
from ticket t join grid.street s on s.id = t.street
order by t.at;
:make_grams;
insert into ticket.private (street_id, ticket_id, path, owner_id, is_public, category, created_at, title, description,
	contact_name, address, lon, lat)
select street, id, path, owner_id, is_public, category, at, title, title || '，已经好几天了，请尽快处理，谢谢。',
	'居民', '3栋2单元', lon, lat
from ticket order by at;
-- Three events each: reported, answered, done.
insert into core.event (street_id, id, at, subject, subject_id, action, from_state, to_state, actor_id, actor_role, path, owner_id, is_public)
select t.street, pg_temp.city_id(t.street, floor(extract(epoch from t.at) * 1000)::bigint + e.n, 'event ' || t.id || e.n),
	t.at + e.n * interval '1 hour', 'ticket', t.id, e.action, e.from_state, e.to_state, t.owner_id, e.role, t.path, t.owner_id, t.is_public
from ticket t, (values (0, 'submit', null, 'submitted', 'resident'), (1, 'accept', 'submitted', 'accepted', 'grid_lead'),
	(2, 'start', 'accepted', 'in_progress', 'grid_lead')) e (n, action, from_state, to_state, role)
where e.n = 0 or t.status not in ('submitted', 'rejected', 'withdrawn')
order by t.at;
-- The tally has followed them all along: no job has a year to catch up with.
insert into rate.mark (street_id, xact, event_id)
select id, pg_current_xact_id(), 'ffffffff-ffff-ffff-ffff-ffffffffffff' from grid.street
on conflict (street_id) do update set xact = excluded.xact, event_id = excluded.event_id;
insert into core.counter (street_id, name, year, value)
select street, 'ticket', extract(year from core.today()), max(number) from ticket group by street;
vacuum analyze;
