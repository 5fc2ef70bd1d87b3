-- The demo's places: 万年场街道 with 双福路社区 on the article's figures, a
-- second community, and 柳江街道. Division codes are the real ones; compounds
-- and all people are invented. The same every time.
--
-- Run by psql as superuser in one transaction with the files after it.

-- An id that depends only on what it is for; its time is 2026-01-01.
create function pg_temp.demo_id(street integer, what text) returns uuid
language sql immutable
as $$
	select ('019b7681-d000-8' || lpad(to_hex(street & 4095), 3, '0') || '-'
		|| to_hex(128 | ((street >> 12) << 2) | (('x' || left(h, 1))::bit(4)::integer & 3))
		|| substr(h, 2, 2) || '-' || substr(h, 4, 12))::uuid
	from md5(what) h
$$;
-- A number from 0 to n-1 that only looks like chance.
create function pg_temp.pick(what text, n integer) returns integer
language sql immutable
as $$select (('x' || left(md5(what), 7))::bit(28)::integer) % n$$;

insert into core.region (code, level, name) values
	('510104', 'district', '锦江区'),
	('510104036', 'street', '柳江街道'),
	('510104036008', 'community', '棬子树社区居委会'),
	('510108', 'district', '成华区'),
	('510108011', 'street', '万年场街道'),
	('510108011005', 'community', '槐树店社区居委会'),
	('510108011009', 'community', '双福路社区居委会')
on conflict do nothing;

insert into grid.street (id, code, name, prefix) values
	(1, '510108011', '万年场街道', 'WNC'),
	(2, '510104036', '柳江街道', 'LJ');

-- One row a community: how many micro-grids and people, and its compounds.
create temp table demo_community (street integer, serial integer, code text, name text,
	micro integer, persons integer, lon float8, lat float8, compounds text[]) on commit drop;
insert into demo_community values
	(1, 1, '510108011009', '双福路社区', 118, 34000, 104.1142, 30.6571,
		'{双福苑,锦云里,万象名庭,福源小区,双庆路12号院,金茂府邸,槐荫新居,二环路东三段7号院,星光华庭,福临门公寓,长天苑}'),
	(1, 2, '510108011005', '槐树店社区', 24, 6900, 104.1213, 30.6627,
		'{槐树店路8号院,槐香苑,东景苑}'),
	(2, 1, '510104036008', '棬子树社区', 40, 11500, 104.1102, 30.6012,
		'{棬子树新居一期,棬子树新居二期,和善苑,锦江畔}');

-- Four micro-grids make a general grid of some 400 households; what is left over
-- makes the last ones five.
create temp table demo_micro on commit drop as
select c.street, c.serial as community, m.n,
	case when m.n <= whole * 4 then (m.n - 1) / 4 else whole + (m.n - whole * 4 - 1) / 5 end + 1 as general,
	1 + (m.n - 1) * cardinality(c.compounds) / c.micro as compound,
	98 + m.n % 3 as households,
	c.persons / c.micro + (m.n <= c.persons % c.micro)::integer as persons
from demo_community c
cross join lateral (select c.micro / 4 - c.micro % 4) w (whole)
cross join lateral generate_series(1, c.micro) m (n);

insert into grid.compound (street_id, id, path, name, address, household_count)
select c.street, pg_temp.demo_id(c.street, 'compound ' || c.serial || ' ' || k.n),
	c.street || '/' || c.serial || '/', k.name, c.name || k.name,
	(select coalesce(sum(m.households), 0) from demo_micro m
	where m.street = c.street and m.community = c.serial and m.compound = k.n)
from demo_community c, unnest(c.compounds) with ordinality k (name, n);

insert into grid.grid (street_id, id, parent_id, kind, serial, path, code, name,
	household_count, person_count, valid_from)
select s.id, pg_temp.demo_id(s.id, 'grid ' || s.id || '/'), null, 'street', s.id, s.id || '/',
	s.code, s.name, sum(m.households), sum(m.persons), '2026-01-01'
from grid.street s join demo_micro m on m.street = s.id
group by s.id;

insert into grid.grid (street_id, id, parent_id, kind, serial, path, code, name,
	household_count, person_count, valid_from)
select c.street, pg_temp.demo_id(c.street, 'grid ' || p.path), pg_temp.demo_id(c.street, 'grid ' || c.street || '/'),
	'master', c.serial, p.path, c.code, c.name || '总网格', sum(m.households), sum(m.persons), '2026-01-01'
from demo_community c
cross join lateral (select c.street || '/' || c.serial || '/') p (path)
join demo_micro m on m.street = c.street and m.community = c.serial
group by c.street, c.serial, c.code, c.name, p.path;

insert into grid.grid (street_id, id, parent_id, kind, serial, path, code, name,
	household_count, person_count, valid_from)
select c.street, pg_temp.demo_id(c.street, 'grid ' || p.path || m.general || '/'),
	pg_temp.demo_id(c.street, 'grid ' || p.path), 'general', m.general, p.path || m.general || '/',
	c.code || lpad(m.general::text, 3, '0'), c.name || '第' || m.general || '网格',
	sum(m.households), sum(m.persons), '2026-01-01'
from demo_community c
cross join lateral (select c.street || '/' || c.serial || '/') p (path)
join demo_micro m on m.street = c.street and m.community = c.serial
group by c.street, c.code, c.name, p.path, m.general;

insert into grid.grid (street_id, id, parent_id, kind, serial, path, code, name,
	household_count, person_count, compound_id, valid_from)
select c.street, pg_temp.demo_id(c.street, 'grid ' || p.path || m.serial || '/'),
	pg_temp.demo_id(c.street, 'grid ' || p.path), 'micro', m.serial, p.path || m.serial || '/',
	c.code || lpad(m.general::text, 3, '0') || lpad(m.serial::text, 2, '0'),
	c.name || '第' || m.general || '网格' || m.serial || '号微网格',
	m.households, m.persons, pg_temp.demo_id(c.street, 'compound ' || c.serial || ' ' || m.compound),
	'2026-01-01'
from demo_community c
join (select d.*, row_number() over (partition by street, community, general order by n) as serial
	from demo_micro d) m on m.street = c.street and m.community = c.serial
cross join lateral (select c.street || '/' || c.serial || '/' || m.general || '/') p (path);

-- A map: each community a rectangle around its real place, its general grids in
-- rows from north to south, their micro-grids side by side from west to east.
create temp table demo_map on commit drop as
with box as (
	select c.street, c.serial, c.lon - k * 0.00475 as west, c.lat + k * 0.004 as north,
		k * 0.0095 as width, k * 0.008 as height, g.n as generals, ceil(sqrt(g.n))::integer as columns
	from demo_community c
	cross join lateral (select sqrt(c.micro / 118.0)) k (k)
	cross join lateral (select max(m.general)::integer as n from demo_micro m
		where m.street = c.street and m.community = c.serial) g),
general as (
	select b.*, g.n as general, (g.n - 1) / b.columns as row_no, (g.n - 1) % b.columns as column_no,
		ceil(b.generals::numeric / b.columns)::integer as rows_, -- the last row is as wide as the others
		least(b.columns, b.generals - (g.n - 1) / b.columns * b.columns) as beside
	from box b cross join lateral generate_series(1, b.generals) g (n)),
cell as (
	select g.*, g.west + g.column_no * g.width / g.beside as x, g.width / g.beside as w,
		g.north - (g.row_no + 1) * g.height / g.rows_ as y, g.height / g.rows_ as h
	from general g),
micro as (
	select c.*, s.serial as micro, count(*) over (partition by c.street, c.serial, c.general) as of
	from cell c
	join (select street, community, general, row_number() over (partition by street, community, general
		order by n) as serial from demo_micro) s
		on s.street = c.street and s.community = c.serial and s.general = c.general)
select street, street || '/' || serial || '/' as path,
	st_makeenvelope(west, north - height, west + width, north, 4326) as geom from box
union all
select street, street || '/' || serial || '/' || general || '/', st_makeenvelope(x, y, x + w, y + h, 4326) from cell
union all
select street, street || '/' || serial || '/' || general || '/' || micro || '/',
	st_makeenvelope(x + (micro - 1) * w / of, y, x + micro * w / of, y + h, 4326) from micro;
insert into demo_map
select street, street || '/', st_expand(st_extent(geom)::geometry, 0.002) from demo_map group by street;
select core.enter_system(g.street_id), grid.put_boundary(g.id, '2026-01-01',
	st_multi(st_reduceprecision(st_setsrid(m.geom, 4326), 1e-7)), null)
from demo_map m join grid.grid g on g.street_id = m.street and g.path = m.path
order by m.path collate "C";

-- 专属网格 hang beside the general grids.
insert into grid.grid (street_id, id, parent_id, kind, serial, path, name, household_count, person_count, valid_from)
select 1, pg_temp.demo_id(1, 'grid 1/1/' || x.serial || '/'), pg_temp.demo_id(1, 'grid 1/1/'), 'special',
	x.serial, '1/1/' || x.serial || '/', x.name, 0, x.persons, '2026-01-01'
from (values (101, '双福路社区商务楼宇专属网格', 2600), (102, '双福路社区银龄网格', 310)) x (serial, name, persons);

insert into grid.grid_group (street_id, id, path, name, purpose)
values (1, pg_temp.demo_id(1, 'group 1'), '1/1/', '双福苑微网格联合体', '共用一个院坝的三个微网格，一起议事、一起出力');
insert into grid.grid_group_member (street_id, group_id, grid_id)
select 1, pg_temp.demo_id(1, 'group 1'), pg_temp.demo_id(1, 'grid 1/1/1/' || m || '/')
from generate_series(1, 3) m;
