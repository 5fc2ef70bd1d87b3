-- What the day brings: departments the street sends, a shop that answers for its
-- extinguishers, rounds, visits, a hazard, a diary. As if entered by its people,
-- and so that the demo's lead finds something to do this morning.

---------------------------------------------------------------- departments
select pg_temp.act_as(1, 'street', pg_temp.demo_id(1, 'account street'), '1/', '30 days');
select identity.put_org(pg_temp.demo_id(1, 'org drains'), null, 'department', 'SZ-PS', '市政排水所', null, false);
select identity.put_org(pg_temp.demo_id(1, 'org order'), null, 'department', 'ZHZF', '综合行政执法队', null, false);
select identity.put_org(pg_temp.demo_id(1, 'org shop'), null, 'merchant', null, '双福便民超市', '双福苑1栋底商', false);
insert into identity.account (id, login, display_name, password_hash, password_at)
select pg_temp.demo_id(1, 'account ' || d.login), d.login, d.name, pg_temp.demo_password(), core.now()
from (values ('department', '排水所值班'), ('merchant', '双福便民超市')) d (login, name);
insert into identity.account_role (account_id, role, street_id, path, org_id, from_on) values
	(pg_temp.demo_id(1, 'account department'), 'department', 1, '1/', pg_temp.demo_id(1, 'org drains'), '2026-01-01'),
	(pg_temp.demo_id(1, 'account merchant'), 'merchant', 1, '1/1/', pg_temp.demo_id(1, 'org shop'), '2026-01-01');
select ticket.put_routes(left(md5(ticket.routes(1)::text), 16), jsonb_build_array(jsonb_build_object(
	'category', 'drain_blocked', 'org_id', pg_temp.demo_id(1, 'org drains'), 'co_org_ids', '[]'::jsonb)));

---------------------------------------------------------------- the lead's micro-grid
create temp table demo_here on commit drop as
select g.id, g.path, (b.min_lon + b.max_lon) / 2 as lon, (b.min_lat + b.max_lat) / 2 as lat
from grid.grid g join grid.boundary b on b.street_id = g.street_id and b.grid_id = g.id and b.to_on is null
where g.street_id = 1 and g.path = '1/1/1/1/';

select pg_temp.act_as(1, 'grid_lead', pg_temp.demo_id(1, 'account lead'), '1/1/1/1/', '20 days');
-- One extinguisher is good for two years, the shop's runs out next week.
select field.put_equipment(pg_temp.demo_id(1, 'extinguisher ' || e.n), null, jsonb_strip_nulls(jsonb_build_object(
	'kind', 'extinguisher', 'serial', 'SF-2021-00' || e.n, 'place', e.place, 'grid_id', h.id, 'org_id', e.org,
	'made_on', core.today() - 1800, 'installed_on', core.today() - 1790, 'expires_on', core.today() + e.days, 'inspect_days', 30)))
from demo_here h, (values (1, '3栋1单元一层', 730, null), (2, '收银台旁', 27, pg_temp.demo_id(1, 'org shop'))) e (n, place, days, org);
select field.put_route(pg_temp.demo_id(1, 'route'), null, jsonb_build_object('name', '双福苑院内', 'grid_id', h.id,
	'checkpoints', (select jsonb_agg(jsonb_build_object('name', c.name, 'radius', 60,
		'position', jsonb_build_object('lon', h.lon + c.east, 'lat', h.lat, 'crs', 'wgs84')) order by c.n)
	from (values (1, '大门', -0.0002), (2, '电动车充电棚', 0), (3, '3栋消防通道', 0.0002)) c (n, name, east))))
from demo_here h;
select field.put_plan(pg_temp.demo_id(1, 'plan ' || p.n), null, jsonb_build_object('route_id', pg_temp.demo_id(1, 'route'),
	'name', p.name, 'rule', p.rule, 'on_holiday', p.on_holiday, 'start_on', core.today(), 'from_minute', p.begins, 'to_minute', p.ends,
	'assignees', '[]'::jsonb))
from (values (1, '平安嬢嬢日', 'FREQ=WEEKLY;BYDAY=TU', 'next_workday', 540, 720),
	(2, '晚间巡查', 'FREQ=DAILY', 'keep', 0, 1440)) p (n, name, rule, on_holiday, begins, ends);
select care.write_diary(pg_temp.demo_id(1, 'diary ' || d.n), jsonb_build_object('grid_id', h.id, 'on_date', core.today() - d.n, 'topic', d.topic, 'text', d.text))
from demo_here h, (values (1, 'opinion', '几位老人想在院坝里添两张长椅，晒太阳好坐。'),
	(2, 'hazard', '充电棚又有人飞线充电，已劝走，等下周巡查再看。')) d (n, topic, text);

---------------------------------------------------------------- its community's plans
select pg_temp.act_as(1, 'community', pg_temp.demo_id(1, 'account community'), '1/1/', '10 days');
select care.create_plan(pg_temp.demo_id(1, 'visits'), jsonb_build_object('name', '四必去·本季度', 'grid_id', h.id,
	'from_on', core.today(), 'to_on', core.today() + 91, 'tags', '["solitary_elder"]'::jsonb, 'repeats', 'quarter'))
from demo_here h;
select care.pair(pg_temp.demo_id(1, 'ribbon'), jsonb_build_object('helper_id', pg_temp.demo_id(1, 'head 1'),
	'recipient_id', pg_temp.demo_id(1, 'head 4'), 'visits_per_season', 3));
select field.report(pg_temp.demo_id(1, 'hazard'), jsonb_build_object('kind', 'fire', 'title', '楼道堆放纸箱，堵住消防通道',
	'description', '3栋1单元二层至三层，约两米', 'grid_id', h.id, 'address', '3栋1单元'))
from demo_here h;

-- The walks of the coming days, as the job process would make them in its first second.
select set_config('linli.clock_offset', '0', true);
select field.plan_patrols(100);
