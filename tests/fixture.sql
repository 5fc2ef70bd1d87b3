-- A small world for the tests, on a freshly migrated database, by a superuser:
-- two real streets, a few grids each, invented people. Every password is
-- linli-demo, hashed by libsodium's crypto_pwhash_str_alg() with opslimit 1
-- and memlimit 8192 so that tests are quick. Tickets come through the API.
--
-- An id says what it is: …-800S- the street, then 1 grid, 2 compound, 3 person,
-- 4 assignment, 5 group, 6 organisation, and a number.
\set ON_ERROR_STOP 1
set client_min_messages = warning;
begin;
insert into core.region (code, level, name, valid_from) values
	('510108', 'district', '成华区', '2020-01-01'),
	('510104', 'district', '锦江区', '2020-01-01'),
	('510108011', 'street', '万年场街道', '2020-01-01'),
	('510104036', 'street', '柳江街道', '2020-01-01'),
	('510108011009', 'community', '双福路社区', '2020-01-01'),
	('510108011008', 'community', '红桥社区', '2020-01-01'),
	('510104036008', 'community', '棬子树社区', '2020-01-01'),
	('510104036009', 'community', '锦逸社区', '2020-01-01')
on conflict do nothing;

insert into grid.street (id, code, name, prefix) values
	(1, '510108011', '万年场街道', 'WNC'),
	(2, '510104036', '柳江街道', 'LJ');

-- What a community holds stands below its path.
insert into grid.compound (street_id, id, path, name, address, household_count) values
	(1, '01900000-0000-8001-8000-200000000001', '1/1/', '双福苑', '双福路1号', 480),
	(1, '01900000-0000-8001-8000-200000000002', '1/1/', '福林小区', '双福路33号', 320),
	(1, '01900000-0000-8001-8000-200000000003', '1/2/', '红桥佳苑', '红桥路8号', 260),
	(2, '01900000-0000-8002-8000-200000000001', '2/1/', '巷子里', '棬子树街6号', 410),
	(2, '01900000-0000-8002-8000-200000000002', '2/2/', '锦逸苑', '锦逸路2号', 150);

create temporary table g (street_id int, n int, parent int, kind text, path text, code text,
	name text, households int, compound int);
insert into g values
	(1, 1, null, 'street', '1/', '510108011', '万年场街道', 13600, null),
	(1, 10, 1, 'master', '1/1/', '510108011009', '双福路社区', 1200, null),
	(1, 11, 10, 'general', '1/1/1/', null, '第一网格', 360, null),
	(1, 12, 11, 'micro', '1/1/1/1/', null, '双福苑一微网格', 60, 1), -- A, the resident's
	(1, 13, 11, 'micro', '1/1/1/2/', null, '双福苑二微网格', 72, 1), -- B, next to it
	(1, 14, 10, 'general', '1/1/2/', null, '第二网格', 320, null),
	(1, 15, 14, 'micro', '1/1/2/1/', null, '福林一微网格', 48, 2),   -- C
	(1, 16, 10, 'special', '1/1/3/', null, '银龄网格', 30, null),
	(1, 20, 1, 'master', '1/2/', '510108011008', '红桥社区', 800, null),
	(1, 21, 20, 'general', '1/2/1/', null, '第一网格', 310, null),
	(1, 22, 21, 'micro', '1/2/1/1/', null, '红桥一微网格', 52, 3),   -- D
	(1, 23, 21, 'micro', '1/2/1/2/', null, '红桥二微网格', 58, 3),
	(2, 1, null, 'street', '2/', '510104036', '柳江街道', 9000, null),
	(2, 10, 1, 'master', '2/1/', '510104036008', '棬子树社区', 700, null),
	(2, 11, 10, 'general', '2/1/1/', null, '第一网格', 330, null),
	(2, 12, 11, 'micro', '2/1/1/1/', null, '巷子里一微网格', 44, 1),
	(2, 13, 11, 'micro', '2/1/1/2/', null, '巷子里二微网格', 46, 1),
	(2, 20, 1, 'master', '2/2/', '510104036009', '锦逸社区', 500, null),
	(2, 21, 20, 'general', '2/2/1/', null, '第一网格', 300, null),
	(2, 22, 21, 'micro', '2/2/1/1/', null, '锦逸一微网格', 40, 2);

create function pg_temp.id(street int, kind int, n int) returns uuid language sql as
$$select ('01900000-0000-800' || $1 || '-8000-' || $2 || lpad($3::text, 11, '0'))::uuid$$;

insert into grid.grid (street_id, id, parent_id, kind, serial, path, code, name,
	household_count, person_count, compound_id, valid_from)
select street_id, pg_temp.id(street_id, 1, n), pg_temp.id(street_id, 1, parent), kind,
	(regexp_match(path, '(\d+)/$'))[1]::int, path, code, name, households, households * 5 / 2,
	pg_temp.id(street_id, 2, compound), '2024-01-01'
from g order by path;

-- A map of both streets in rectangles (WGS-84). The special grid lies north of
-- the general ones.
create temporary table m (street_id int, n int, west float8, south float8, east float8, north float8);
insert into m values
	(1, 1, 104.08, 30.655, 104.125, 30.675), (1, 10, 104.08, 30.655, 104.11, 30.675),
	(1, 11, 104.08, 30.655, 104.1, 30.67), (1, 12, 104.08, 30.655, 104.0925, 30.67),
	(1, 13, 104.0925, 30.655, 104.1, 30.67), (1, 14, 104.1, 30.655, 104.11, 30.67),
	(1, 15, 104.1, 30.655, 104.11, 30.67), (1, 16, 104.08, 30.67, 104.11, 30.675),
	(1, 20, 104.11, 30.655, 104.125, 30.675), (1, 21, 104.11, 30.655, 104.125, 30.675),
	(1, 22, 104.11, 30.655, 104.1175, 30.675), (1, 23, 104.1175, 30.655, 104.125, 30.675),
	(2, 1, 104.1, 30.59, 104.115, 30.6), (2, 10, 104.1, 30.59, 104.11, 30.6),
	(2, 11, 104.1, 30.59, 104.11, 30.6), (2, 12, 104.1, 30.59, 104.105, 30.6),
	(2, 13, 104.105, 30.59, 104.11, 30.6), (2, 20, 104.11, 30.59, 104.115, 30.6),
	(2, 21, 104.11, 30.59, 104.115, 30.6), (2, 22, 104.11, 30.59, 104.115, 30.6);
select core.enter_system(s), grid.put_boundary(pg_temp.id(s, 1, n), '2024-01-01',
	st_multi(st_makeenvelope(west, south, east, north, 4326)), null)
from generate_series(1, 2) s, m where m.street_id = s;

-- Who they are; a grid_lead's reach comes from the assignments below.
create temporary table p (n int, login text, name text, role text, street_id int, path text);
insert into p values
	(1, 'resident', '陈淑芳', 'resident', 1, '1/1/1/1/'),
	(2, 'resident2', '何建国', 'resident', 1, '1/1/1/1/'),
	(3, 'lead', '彭晓敏', 'grid_lead', 1, '1/'),
	(4, 'lead2', '蒋明华', 'grid_lead', 1, '1/'),
	(5, 'lead_next', '罗玉琴', 'grid_lead', 1, '1/'),
	(6, 'lead_general', '苏长青', 'grid_lead', 1, '1/'),
	(7, 'lead_ended', '邓秀英', 'grid_lead', 1, '1/'),
	(8, 'community', '李文静', 'community', 1, '1/1/'),
	(9, 'community2', '周海燕', 'community', 1, '1/2/'),
	(10, 'street', '吴志强', 'street', 1, '1/'),
	(11, 'resident_far', '曾德福', 'resident', 2, '2/1/1/1/'),
	(12, 'lead_far', '凌小红', 'grid_lead', 2, '2/'),
	(13, 'community_far', '钟世平', 'community', 2, '2/1/'),
	(14, 'street_far', '黄永贵', 'street', 2, '2/'),
	(15, 'newcomer', '谢天宇', 'resident', 1, '1/1/1/2/'),
	-- lives nowhere yet
	(16, 'visitor', '白一凡', null, null, null),
	-- act for an organisation or as a program, and see nothing by place
	(17, 'department', '段文博', 'department', 1, '1/'),
	(18, 'merchant', '商小满', 'merchant', 1, '1/'),
	(19, 'program', '城运平台', 'client', 1, '1/');

insert into identity.account (id, login, display_name, password_hash, password_at)
select pg_temp.id(0, 3, n), login, name,
	'$argon2id$v=19$m=8,t=1,p=1$BCJdM45acefCDPaQwsilAQ$xQJr+RLHOv3sGR6UWAzqr1AXfP9lpho5JC8fRwVKerw',
	now()
from p;

insert into identity.org (street_id, id, kind, name) values
	(1, '01900000-0000-8001-8000-600000000001', 'department', '综合执法队'),
	(1, '01900000-0000-8001-8000-600000000002', 'merchant', '双福路粮油店'),
	(2, '01900000-0000-8002-8000-600000000001', 'department', '环卫所');

insert into identity.account_role (account_id, role, street_id, path, org_id, from_on)
select pg_temp.id(0, 3, n), role, street_id, path, case role
	when 'department' then '01900000-0000-8001-8000-600000000001'::uuid
	when 'client' then '01900000-0000-8001-8000-600000000001'
	when 'merchant' then '01900000-0000-8001-8000-600000000002' end, '2024-01-01'
from p where role is not null;

insert into identity.client (account_id, street_id, org_id, scopes, systems, per_minute, burst) values
	(pg_temp.id(0, 3, 19), 1, '01900000-0000-8001-8000-600000000001', '{grids:read,tickets:read,tickets:write,tickets:join,sensors:write,changes:read,people:aggregate,people:import}', '{12345}', 60000, 10000);

insert into grid.assignment (street_id, id, grid_id, grid_kind, path, account_id, name,
	lead_kind, from_on, to_on)
select a.street_id, pg_temp.id(a.street_id, 4, a.n), g.id, g.kind, g.path,
	pg_temp.id(0, 3, p.n), p.name, a.lead_kind, '2024-01-01', a.to_on
from (values
	(1, 1, 'lead', '1/1/1/1/', 'micro', null::date),
	(1, 2, 'lead2', '1/1/1/1/', 'micro', null),
	(1, 3, 'lead_next', '1/1/1/2/', 'micro', null),
	(1, 4, 'lead_general', '1/1/1/', 'general', null),
	(1, 5, 'lead_ended', '1/1/1/1/', 'micro', '2025-01-01'),
	(2, 1, 'lead_far', '2/1/1/1/', 'micro', null)
) a (street_id, n, login, path, lead_kind, to_on)
join p on p.login = a.login
join grid.grid g on g.street_id = a.street_id and g.path = a.path;

insert into grid.grid_group (street_id, id, path, name, purpose) values
	(1, '01900000-0000-8001-8000-500000000001', '1/1/', '双福苑联合体', '共用花园的管护'),
	(2, '01900000-0000-8002-8000-500000000001', '2/1/', '巷子里联合体', '停车与晾晒');
insert into grid.grid_group_member (street_id, group_id, grid_id) values
	(1, '01900000-0000-8001-8000-500000000001', '01900000-0000-8001-8000-100000000012'),
	(1, '01900000-0000-8001-8000-500000000001', '01900000-0000-8001-8000-100000000013'),
	(2, '01900000-0000-8002-8000-500000000001', '01900000-0000-8002-8000-100000000012'),
	(2, '01900000-0000-8002-8000-500000000001', '01900000-0000-8002-8000-100000000013');
commit;
analyze;
