-- People of one building in the walk's micro-grid, entered by its community as
-- anybody would: a dozen households, elders alone, a child whose mother signed.
-- Without phones: those are sealed by the daemon, with a key that is not here.
select pg_temp.act_as(1, 'community', pg_temp.demo_id(1, 'account community'), '1/1/', '20 days');
select grid.put_building(pg_temp.demo_id(1, 'house 3'), g.compound_id, null, '3栋', 3, null)
from grid.grid g where g.street_id = 1 and g.path = '1/1/1/1/';
select f.created from grid.grid g, grid.fill_building(pg_temp.demo_id(1, 'house 3'),
	jsonb_build_object('units', 1, 'floors', 6, 'per_floor', 2, 'area', 8650, 'use', 'residence',
		'ownership_kind', 'private', 'grid_id', g.id)) f
where g.street_id = 1 and g.path = '1/1/1/1/';

create temp table demo_home on commit drop as
select d.id, row_number() over (order by length(d.number), d.number)::integer as n
from grid.dwelling d where d.street_id = 1 and d.building_id = pg_temp.demo_id(1, 'house 3');
-- Heads; the first of them is the walk's resident.
select people.create_person(pg_temp.demo_id(1, 'head ' || h.n), jsonb_build_object(
	'name', case h.n when 1 then '周敏' else pg_temp.name_of('head ' || h.n) end,
	'sex', case when h.n % 2 = 1 then 'female' else 'male' end, 'dwelling_id', h.id, 'kind', 'owner',
	'born_on', make_date(case when h.n % 4 = 0 then 1945 else 1978 end + h.n, 1 + h.n % 12, 3 + h.n),
	'from_on', '2019-05-01', 'verified', 'verified'))
from demo_home h;
select people.create_person(pg_temp.demo_id(1, 'spouse ' || h.n), jsonb_build_object(
	'name', pg_temp.name_of('spouse ' || h.n), 'sex', case when h.n % 2 = 1 then 'male' else 'female' end,
	'dwelling_id', h.id, 'household_id', p.household_id, 'kind', 'family',
	'born_on', make_date(1977 + h.n, 1 + h.n % 12, 5 + h.n)))
from demo_home h
join people.person p on p.street_id = 1 and p.id = pg_temp.demo_id(1, 'head ' || h.n)
where h.n % 4 <> 0;
select people.create_person(pg_temp.demo_id(1, 'child 1'), jsonb_build_object('name', '周小满', 'sex', 'female',
	'dwelling_id', p.dwelling_id, 'household_id', p.household_id, 'kind', 'family',
	'born_on', core.today() - 3400, 'guardian_id', p.id, 'kinship', 'parent', 'consent_text', 'minor-2026-1'))
from people.person p where p.street_id = 1 and p.id = pg_temp.demo_id(1, 'head 1');
select people.attach_account(pg_temp.demo_id(1, 'head 1'), pg_temp.demo_id(1, 'account resident'));
select people.add_owner(pg_temp.demo_id(1, 'share ' || h.n), h.id, jsonb_build_object(
	'person_id', pg_temp.demo_id(1, 'head ' || h.n), 'share', 1, 'shares', 1, 'from_on', '2019-05-01'))
from demo_home h;
select people.set_tag(pg_temp.demo_id(1, 'tag ' || h.n), pg_temp.demo_id(1, 'head ' || h.n), null, 'solitary_elder', '子女在外地')
from demo_home h where h.n % 4 = 0;
