-- The demo's people, all invented. Residents sign in where the walk needs them;
-- the other accounts have no password, only a name and a home.

create function pg_temp.name_of(what text) returns text
language sql immutable
as $$
	select substr('王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈',
			1 + pg_temp.pick(what || 'a', 50), 1)
		|| substr('秀建国淑文志玉春晓雨子思佳家俊海明永桂兰天一小若欣雅浩宇泽', 1 + pg_temp.pick(what || 'b', 29), 1)
		|| case when pg_temp.pick(what || 'd', 5) = 0 then '' else
			substr('英华芳平军琴珍梅霞强波涛玲燕辉丽杰勇敏静洋怡然轩涵琪瑞宁', 1 + pg_temp.pick(what || 'c', 28), 1) end
$$;

-- argon2id of "linli-demo": a demo's password is no secret.
create function pg_temp.demo_password() returns text
language sql immutable
return '$argon2id$v=19$m=65536,t=2,p=1$Sdv3B1tBJiTdTMeAne03Dw$+SKSPq4CxiRE/DTgfO+iwhWZey9PQZ/nqzaljZekdzQ';

-- Who signs in during the walk; `at` is where they live or work.
create temp table demo_login (login text, name text, role text, street integer, at text) on commit drop;
insert into demo_login values
	('resident', '周敏', 'resident', 1, '1/1/1/1/'),
	('resident2', '何志平', 'resident', 1, '1/1/1/1/'),
	('resident_far', '罗雨涵', 'resident', 2, '2/1/1/1/'),
	('lead', '李春燕', 'grid_lead', 1, '1/1/1/1/'),
	('lead2', '陈国强', 'grid_lead', 1, '1/1/1/1/'),
	('lead_next', '杨秀珍', 'grid_lead', 1, '1/1/1/2/'),
	('lead_far', '田玉英', 'grid_lead', 2, '2/1/1/1/'),
	('community', '双福路社区值班', 'community', 1, '1/1/'),
	('community2', '槐树店社区值班', 'community', 1, '1/2/'),
	('community_far', '棬子树社区值班', 'community', 2, '2/1/'),
	('street', '万年场街道治理办', 'street', 1, '1/'),
	('street_far', '柳江街道治理办', 'street', 2, '2/');

-- Every person of a micro-grid has an account; those above take the first
-- places of their grid, so that the figures stay what they are.
create temp table demo_person on commit drop as
select g.street_id as street, g.path, p.n,
	coalesce(l.login, 'r' || g.street_id || lpad((row_number() over (partition by g.street_id
		order by g.path, p.n))::text, 6, '0')) as login,
	coalesce(l.name, pg_temp.name_of(g.path || p.n)) as name, l.login is not null as signs_in
from grid.grid g
cross join lateral generate_series(1, g.person_count) p (n)
left join (select d.*, row_number() over (partition by d.at order by d.login) as n
	from demo_login d where d.role = 'resident') l on l.at = g.path and l.n = p.n
where g.kind = 'micro';

insert into identity.account (id, login, display_name, password_hash, password_at)
select pg_temp.demo_id(p.street, 'account ' || p.login), p.login, p.name,
	case when p.signs_in then pg_temp.demo_password() end, case when p.signs_in then core.now() end
from demo_person p;
insert into identity.account_role (account_id, role, street_id, path, from_on)
select pg_temp.demo_id(p.street, 'account ' || p.login), 'resident', p.street, p.path, '2026-01-01'
from demo_person p;

-- Staff and leads: a 微网格员 for each micro-grid, a 网格员 for each general one.
create temp table demo_lead on commit drop as
select d.street, d.at as path, d.login, d.name, 'micro' as lead_kind, true as signs_in
from demo_login d where d.role = 'grid_lead'
union all
select g.street_id, g.path, 'w' || replace(rtrim(g.path, '/'), '/', '-'),
	pg_temp.name_of('lead ' || g.path), g.kind, false
from grid.grid g
where g.kind in ('general', 'micro', 'special')
	and not exists (select from demo_login d where d.role = 'grid_lead' and d.at = g.path);

insert into identity.account (id, login, display_name, password_hash, password_at)
select pg_temp.demo_id(l.street, 'account ' || l.login), l.login, l.name,
	case when l.signs_in then pg_temp.demo_password() end, case when l.signs_in then core.now() end
from demo_lead l
union all
select pg_temp.demo_id(d.street, 'account ' || d.login), d.login, d.name, pg_temp.demo_password(), core.now()
from demo_login d where d.role in ('community', 'street');

insert into identity.account_role (account_id, role, street_id, path, from_on)
select pg_temp.demo_id(l.street, 'account ' || l.login), 'grid_lead', l.street, l.street || '/', date '2026-01-01'
from demo_lead l
union all
select pg_temp.demo_id(d.street, 'account ' || d.login), d.role, d.street, d.at, '2026-01-01'
from demo_login d where d.role in ('community', 'street');

insert into grid.assignment (street_id, id, grid_id, grid_kind, path, account_id, name, lead_kind, from_on)
select l.street, pg_temp.demo_id(l.street, 'assignment ' || l.login), g.id, g.kind, g.path,
	pg_temp.demo_id(l.street, 'account ' || l.login), l.name, l.lead_kind, '2026-01-01'
from demo_lead l join grid.grid g on g.street_id = l.street and g.path = l.path;
