-- duty: 三本两表一册. Ledgers are read from what was entered elsewhere, so that
-- nothing is typed twice; which of their columns a street wants, under which
-- title, is data; and what each micro-grid still owes them in a month.
insert into transfer.export_kind (code, roles, filters, fields, titles, words, personal) values
	('diary', '{community}', '{grid_id,from,to}',
		'{on_date,grid,topic,text,name,author_name,ticket_number}', '{日期,网格,主题,内容,涉及居民,记录人,诉求编号}',
		'{"care": "关爱", "hazard": "隐患", "dispute": "纠纷", "service": "服务", "opinion": "民意", "other": "其他"}', true),
	('rounds', '{community}', '{grid_id,from,to}',
		'{on_date,grid,sort,name,address,theme,state,count,done_at,done_by,note}',
		'{日期,网格,类别,对象,地址,主题,结果,次数或点数,完成时间,完成人,记录}',
		'{"planned": "待访", "open": "待巡", "done": "完成", "missed": "未完成", "refused": "拒访", "not_home": "不在家", "by_phone": "电话联系", "cancelled": "取消"}', true),
	('worklog', '{community}', '{grid_id,from,to}',
		'{on_date,grid,name,tickets,numbers,visits,patrols,diary,hazards,mediations,others,first_at,last_at}',
		'{日期,网格,网格长,诉求,诉求编号,走访,巡查,日记,隐患,调解,其他,最早,最晚}', '{}', false),
	('grids', '{community}', '{grid_id}',
		'{name,code,kind,leads,dwellings,households,persons,open_tickets,open_hazards,visits_due}',
		'{网格,编码,类别,网格长,房屋,户,人,未结诉求,未结隐患,待访户}',
		'{"master": "总网格", "general": "一般网格", "micro": "微网格", "special": "专属网格"}', true),
	('checks', '{community}', '{grid_id,from,to}',
		'{sort,number,grid,name,kind,grade,status,address,org_name,found_at,due_at,overdue,closed_at}',
		'{类别,编号,网格,名称,类型,等级,状态,地址,整改单位,发现时间,整改期限,逾期,办结时间}',
		'{"fire": "消防", "gas": "燃气", "electricity": "用电", "ebike": "电动车", "structure": "房屋", "falling": "高空坠物", "water": "水患", "traffic": "交通", "equipment": "设备", "other": "其他", "general": "一般", "serious": "较大", "immediate": "紧急", "found": "待确认", "confirmed": "已确认", "notice_issued": "已通知", "rectifying": "整改中", "submitted_for_recheck": "待复查", "recheck_failed": "复查未过", "escalated": "已上报", "verified": "复查通过", "closed": "已办结", "dismissed": "不成立", "true": "是", "false": "否"}', true);

create table duty.ledger (
	code text primary key references transfer.export_kind (code),
	n integer not null unique,
	part text not null check (part in ('book', 'form', 'register')),
	name text not null,
	monthly integer not null check (monthly >= 0)
);
comment on table duty.ledger is
	'class: reference. 三本 (book), 两表 (form), 一册 (register): rows of an export kind. monthly: how many entries each micro-grid owes a book in a month, unless the street says otherwise; more is owed where more was planned.';
insert into duty.ledger (code, n, part, name, monthly) values
	('diary', 1, 'book', '民情日记本', 4),
	('rounds', 2, 'book', '巡查走访本', 0),
	('worklog', 3, 'book', '工作日志本', 8),
	('grids', 4, 'form', '网格基本情况表', 0),
	('checks', 5, 'form', '重点人群、隐患排查表', 0),
	('persons', 6, 'register', '居民花名册', 0);

create table duty.ledger_template (
	street_id integer not null,
	code text not null references duty.ledger (code),
	version integer not null check (version > 0),
	title text not null check (title ~ '[^[:space:]]'),
	columns text[] not null check (cardinality(columns) > 0),
	headings text[] not null check (cardinality(headings) = cardinality(columns)),
	monthly integer not null check (monthly >= 0),
	written_at timestamptz not null default core.now(),
	written_by uuid,
	written_name text,
	primary key (street_id, code, version)
);
comment on table duty.ledger_template is 'class: street. How a street wants a ledger to look; the greatest version holds, the others say what was before.';
alter table duty.ledger_template enable row level security;
alter table duty.ledger_template force row level security;
create policy staff on duty.ledger_template
	using (street_id = core.street() and core.role() in ('grid_lead', 'community', 'street', 'system'));

-- Of a lead's day; the feed has it by place.
create index event_lead on core.event (street_id, actor_id, at) include (subject, subject_id, path, owner_id, org_id, is_public)
	where actor_role = 'grid_lead';
create index person_roll on people.person (street_id, path, verified) include (accounts)
	where status = 'active' and household_id is not null;

---------------------------------------------------------------- templates
create function duty.template_of(p_code text) returns table (title text, columns text[], headings text[], monthly integer,
	version integer, written_at timestamptz, written_name text)
language plpgsql stable
as $$
begin
	return query select coalesce(t.title, l.name), coalesce(t.columns, k.fields), coalesce(t.headings, k.titles),
		coalesce(t.monthly, l.monthly), coalesce(t.version, 0), t.written_at, t.written_name
	from duty.ledger l
	join transfer.export_kind k on k.code = l.code
	left join lateral (select x.* from duty.ledger_template x where x.street_id = core.street() and x.code = l.code
		order by x.version desc limit 1) t on true
	where l.code = p_code;
end
$$;
comment on function duty.template_of(text) is 'How the street wants a ledger; version 0 is as it comes. No row when it is none.';

create function duty.columns_json(p_columns text[], p_headings text[]) returns json
language sql stable parallel safe
return (select json_agg(json_build_object('field', f, 'heading', h) order by n)
	from unnest(p_columns, p_headings) with ordinality x (f, h, n));
comment on function duty.columns_json(text[], text[]) is 'Columns of a ledger as clients read and write them.';

create function duty.ledgers() returns json
language plpgsql stable
as $$
begin
	return (select json_agg(json_build_object('ledger', l.code, 'part', l.part, 'name', l.name, 'title', t.title,
			'columns', duty.columns_json(t.columns, t.headings), 'fields', duty.columns_json(k.fields, k.titles),
			'filters', k.filters, 'monthly', t.monthly, 'version', t.version, 'written_at',
			to_char(t.written_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'written_name', t.written_name) order by l.n)
		from duty.ledger l join transfer.export_kind k on k.code = l.code, duty.template_of(l.code) t);
end
$$;
comment on function duty.ledgers() is 'All ledgers as the street wants them, each with the columns it could have.';

create function duty.put_ledgers(p_if_match text, p_ledgers jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	st constant integer := core.street();
	r record;
	c record;
	fields text[];
	part text;
	t record;
begin
	perform core.must(core.role() = 'street', 403, 'role_not_allowed');
	perform from grid.street s where s.id = st for no key update;
	if p_if_match <> left(md5(duty.ledgers()::text), 16) then
		perform core.fail(412, 'version_conflict');
	end if;
	for r in select x.b, x.n - 1 as i, x.b ->> 'ledger' as code, array(select y ->> 'field' from jsonb_array_elements(x.b -> 'columns') y) as columns,
			array(select y ->> 'heading' from jsonb_array_elements(x.b -> 'columns') y) as headings
		from jsonb_array_elements(p_ledgers) with ordinality x (b, n)
	loop
		select k.fields, l.part into fields, part from duty.ledger l join transfer.export_kind k on k.code = l.code where l.code = r.code;
		perform core.must(part = 'book' or (r.b ->> 'monthly')::integer = 0, 422, 'monthly_unfit', format('/ledgers/%s/monthly', r.i));
		for c in select y.f, y.n - 1 as i from unnest(r.columns) with ordinality y (f, n) loop
			perform core.must(c.f = any (fields), 422, 'column_unknown', format('/ledgers/%s/columns/%s/field', r.i, c.i));
			perform core.must(not c.f = any (r.columns[:c.i]), 422, 'column_twice', format('/ledgers/%s/columns/%s/field', r.i, c.i));
		end loop;
		select x.* into t from duty.template_of(r.code) x;
		continue when (t.title, t.columns, t.headings, t.monthly) = (r.b ->> 'title', r.columns, r.headings, (r.b ->> 'monthly')::integer);
		insert into duty.ledger_template (street_id, code, version, title, columns, headings, monthly, written_by, written_name)
		values (st, r.code, t.version + 1, r.b ->> 'title', r.columns, r.headings, (r.b ->> 'monthly')::integer,
			core.actor(), identity.name_of(core.actor()));
		perform core.put_event('ledger', core.new_id(st), 'put', null, null, st || '/', null, false,
			json_build_object('ledger', r.code, 'version', t.version + 1));
	end loop;
end
$$;
comment on function duty.put_ledgers(text, jsonb) is
	'The ledgers named shall look so; the others stay. What is the same makes no version. LN412 version_conflict, LN422 column_unknown, column_twice, monthly_unfit (of a book only).';

create view duty.ledger_version_view with (security_invoker = true) as
select t.street_id as _street_id, lpad(t.version::text, 9, '0') || ' ' || t.code as _cursor, t.code as ledger, t.version, t.title,
	duty.columns_json(t.columns, t.headings) as columns, t.monthly, t.written_at, t.written_by, t.written_name
from duty.ledger_template t;
comment on view duty.ledger_version_view is 'class: street. LedgerVersion: who wanted a ledger how, and when.';

---------------------------------------------------------------- lines
create function duty.work(p_from date, p_to date, p_place text, p_after text, p_most integer, p_reader text)
returns table (on_date date, account_id uuid, grids text, name text, tickets bigint, numbers text, visits bigint, patrols bigint,
	diary bigint, hazards bigint, mediations bigint, others bigint, first_at timestamptz, last_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set jit = off set linli.role = 'system'
as $$
declare
	st constant integer := core.street();
	me constant uuid := core.actor();
	mine constant text[] := core.scopes();
	lo date := greatest(p_from, split_part(p_after, ' ', 1)::date);
	hi constant date := least(p_to, core.today() + 1);
	after uuid := split_part(p_after, ' ', 2)::uuid;
	who constant uuid[] := array(select distinct a.account_id from grid.assignment a where a.street_id = st
		and a.path ^@ any (mine) and (p_place is null or a.path ^@ p_place)
		and a.from_on < hi and (a.to_on is null or lo is null or a.to_on > lo));
	got integer := 0;
	n integer;
begin
	lo := greatest(lo, (select (min(x.at) at time zone 'Asia/Shanghai')::date from unnest(who) w,
		lateral (select e.at from core.event e where e.street_id = st and e.actor_id = w and e.actor_role = 'grid_lead'
			order by e.at limit 1) x));
	-- Day by day, so that a page costs a page.
	while lo < hi and got < p_most loop
		return query select lo, e.actor_id, l.grids, l.name, count(distinct e.subject_id) filter (where e.subject = 'ticket'),
			(select string_agg(t.number, '、' order by t.number) from ticket.ticket t where t.street_id = st and t.path ^@ any (mine)
				and t.id = any (array_agg(e.subject_id) filter (where e.subject = 'ticket'))),
			count(distinct e.subject_id) filter (where e.subject = 'visit') + count(*) filter (where e.subject = 'door_campaign'),
			count(distinct e.subject_id) filter (where e.subject = 'patrol_task'),
			count(distinct e.subject_id) filter (where e.subject = 'diary'),
			count(distinct e.subject_id) filter (where e.subject in ('hazard', 'equipment', 'safety_team')),
			count(distinct e.subject_id) filter (where e.subject = 'mediation'),
			count(distinct e.subject_id) filter (where e.subject not in ('ticket', 'visit', 'door_campaign', 'patrol_task', 'diary',
				'hazard', 'equipment', 'safety_team', 'mediation')), min(e.at), max(e.at)
		from core.event e
		join lateral (select string_agg(g.name, '、' order by a.path) as grids, max(a.name) as name
			from grid.assignment a join grid.grid g on g.street_id = st and g.id = a.grid_id
			where a.street_id = st and a.account_id = e.actor_id and a.path ^@ any (mine) and (p_place is null or a.path ^@ p_place)
				and a.from_on <= lo and (a.to_on is null or a.to_on > lo)) l on l.name is not null
		where e.street_id = st and e.actor_id = any (who) and e.actor_role = 'grid_lead'
			and e.at >= lo::timestamp at time zone 'Asia/Shanghai' and e.at < (lo + 1)::timestamp at time zone 'Asia/Shanghai'
			and (p_reader <> 'grid_lead' or e.actor_id = me or e.path ^@ any (mine))
			and (after is null or e.actor_id > after)
		group by e.actor_id, l.grids, l.name order by e.actor_id;
		get diagnostics n = row_count;
		got := got + n;
		lo := lo + 1;
		after := null;
	end loop;
end
$$;
comment on function duty.work(date, date, text, text, integer, text) is
	'工作日志: what each lead of the caller''s ground did on a day, as their own events tell; leads read of the others what the feed shows them. At least p_most lines where there are so many.';

create function duty.round_lines(p_lo date, p_hi date, p_under uuid, p_place text, p_after text, p_most integer, w jsonb)
returns table (line jsonb, cursor text)
language plpgsql
as $$
declare
	st constant integer := core.street();
	since constant text := coalesce(p_after, (p_lo - 1) || ' ffffffff-ffff-ffff-ffff-ffffffffffff');
	last_on constant date := coalesce(split_part(since, ' ', 1)::date, '-infinity');
	last_id constant uuid := coalesce(split_part(since, ' ', 2), '00000000-0000-0000-0000-000000000000')::uuid;
begin
	return query select r.line, r.day || ' ' || r.id from (
		select jsonb_build_array(v.due_on, (select g.name from grid.grid g where g.street_id = st and g.id = v.grid_id), '走访',
			v.name, v.address, v.theme, w ->> v.state, v.attempts, transfer.time_text(v.reported_at), v.reported_name, v.note) as line,
			v.due_on as day, v.id
		from care.visits(null, null, null, null, null, null, null, p_under, null, null, since, p_most) v where p_hi is null or v.due_on < p_hi
		union all
		select jsonb_build_array(t.on_day, (select g.name from grid.grid g where g.street_id = st and g.path = t._path), '巡查',
			t.name, null, null, w ->> t.status, t.done || '/' || t.total, transfer.time_text(c.at), c.names, c.notes), t.on_day, t.id
		from (select x.* from field.patrol_task_view x where x._street_id = st and (x.on_day, x.id) > (last_on, last_id)
			and (p_hi is null or x.on_day < p_hi) and x._path ^@ any (core.scopes()) and (p_place is null or x._path ^@ p_place)
			order by x.on_day, x.id limit p_most) t
		cross join lateral (select max(i.at) as at, string_agg(distinct identity.name_of(i.account_id), '、') as names,
			string_agg(i.note, '；' order by i.at) as notes
			from field.check_in i where i.street_id = st and i.task_id = t.id and not i.too_far) c) r
	order by r.day, r.id limit p_most;
end
$$;
comment on function duty.round_lines(date, date, uuid, text, text, integer, jsonb) is '巡查走访本: visits and patrols by day, of ledger_lines().';

create function duty.check_lines(e transfer.export, p_place text, p_most integer, w jsonb) returns table (line jsonb, cursor text)
language plpgsql
as $$
declare
	st constant integer := core.street();
	lo constant timestamptz := coalesce((e.filter ->> 'from')::timestamptz, '-infinity');
	hi constant timestamptz := coalesce((e.filter ->> 'to')::timestamptz, 'infinity');
	codes constant text[] := array(select k.code from people.tag_kind k where k.must_visit or k.sensitive
		or exists (select from care.watch_rule r where r.code = k.code));
	last_path constant text collate "C" := split_part(e.cursor, ' ', 1);
	n integer := 0;
begin
	-- People first; of a household its head. A colon marks the cursor of a hazard.
	if e.cursor is null or strpos(e.cursor, ':') = 0 then
		return query select case when s.id is not null then jsonb_build_array('重点人群', null,
				(select g.name from grid.grid g where g.street_id = st and g.id = s.grid_id), s.name, x.tags, null, null, s.address,
				null, transfer.time_text(x.set_at), null, null, null) end, x.path || ' ' || x.id
			from (select p.path, p.id, string_agg(distinct k.name_zh, '、') as tags, min(t.set_at) as set_at
				from (select y.code, y.person_id as id, y.set_at from people.tag y
					where y.street_id = st and y.code = any (codes) and y.cleared_at is null and y.person_id is not null
					union all select y.code, y.person_id, y.set_at from people.health_tag y
					where y.street_id = st and y.code = any (codes) and y.cleared_at is null
					union all select y.code, coalesce(h.head_id, (select m.id from people.person m where m.street_id = st
						and m.household_id = h.id order by m.id limit 1)), y.set_at
					from people.tag y join people.household h on h.street_id = st and h.id = y.household_id
					where y.street_id = st and y.code = any (codes) and y.cleared_at is null) t
				join people.person p on p.street_id = st and p.id = t.id and p.status = 'active'
				join people.tag_kind k on k.code = t.code
				where (e.cursor is null or (p.path, p.id) > (last_path, split_part(e.cursor, ' ', 2)::uuid))
					and (p_place is null or p.path ^@ p_place) and t.set_at >= lo and t.set_at < hi
				group by p.path, p.id order by p.path, p.id limit p_most) x
			left join lateral people.read(x.id) s on true
			order by x.path, x.id;
		get diagnostics n = row_count;
	end if;
	return query select jsonb_build_array('隐患', h.number, h.grid_name, h.title, w ->> h.kind, w ->> h.grade, w ->> h.status, h.address,
			h.org_name, transfer.time_text(h.created_at), transfer.time_text(h.due_at), w ->> h.overdue::text, transfer.time_text(h.closed_at)),
			h.created_at || ':' || h.id
		from field.hazard_view h
		where h._street_id = st and h._path ^@ any (core.scopes()) and (p_place is null or h._path ^@ p_place)
			and (h.created_at, h.id) < (coalesce(case when strpos(e.cursor, ':') > 0 then ticket.cursor_at(e.cursor) end, 'infinity'),
				coalesce(case when strpos(e.cursor, ':') > 0 then ticket.cursor_id(e.cursor) end, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
			and h.created_at >= lo and h.created_at < hi
		order by h.created_at desc, h.id desc limit p_most - n;
end
$$;
comment on function duty.check_lines(transfer.export, text, integer, jsonb) is
	'重点人群、隐患排查表: who is to be looked after, as the caller may see them, then hazards, the latest first; of ledger_lines().';

create function duty.ledger_lines(e transfer.export, p_most integer) returns table (line jsonb, cursor text)
language plpgsql
as $$
declare
	street constant integer := core.street();
	w constant jsonb := (select k.words from transfer.export_kind k where k.code = e.what);
	under constant uuid := (e.filter ->> 'grid_id')::uuid;
	place constant text := (select g.path from grid.grid g where g.street_id = core.street() and g.id = (e.filter ->> 'grid_id')::uuid);
	lo constant date := transfer.day_of(e.filter ->> 'from');
	hi constant date := transfer.day_of(e.filter ->> 'to');
begin
	case e.what
		when 'diary' then
			return query select jsonb_build_array(d.on_date, (select g.name from grid.grid g where g.street_id = street and g.id = d.grid_id),
					w ->> d.topic, d.text, d.name, d.author_name, d.ticket_number), d.on_date || ' ' || d.id
				from care.diaries(null, lo, hi, null, null, null, null, null, under, null, e.cursor, p_most) d
				order by d.on_date desc, d.id desc;
		when 'rounds' then
			return query select * from duty.round_lines(lo, hi, under, place, e.cursor, p_most, w);
		when 'worklog' then
			return query select jsonb_build_array(d.on_date, d.grids, d.name, d.tickets, d.numbers, d.visits, d.patrols, d.diary,
					d.hazards, d.mediations, d.others, to_char(d.first_at at time zone 'Asia/Shanghai', 'HH24:MI'),
					to_char(d.last_at at time zone 'Asia/Shanghai', 'HH24:MI')), d.on_date || ' ' || d.account_id
				from duty.work(lo, hi, place, e.cursor, p_most, core.role()) d
				order by d.on_date, d.account_id limit p_most;
		when 'checks' then
			return query select * from duty.check_lines(e, place, p_most, w);
		when 'grids' then
			return query select jsonb_build_array(g.name, g.code, w ->> g.kind,
					(select string_agg(a.name, '、' order by a.name) from grid.assignment a where a.street_id = street and a.grid_id = g.id
						and a.from_on <= core.today() and (a.to_on is null or a.to_on > core.today())),
					(select count(*) from grid.dwelling x where x.street_id = street and x.path ^@ g.path),
					(select count(*) from people.household x where x.street_id = street and x.path ^@ g.path),
					(select count(*) from people.person x where x.street_id = street and x.path ^@ g.path and x.status = 'active'),
					(select count(*) from ticket.ticket x where x.street_id = street and x.path ^@ g.path and x.is_open),
					(select count(*) from field.hazard x where x.street_id = street and x.path ^@ g.path and x.is_open),
					(select count(*) from care.visit x where x.street_id = street and x.path ^@ g.path
						and x.state = any (care.open_states()))), g.path || ' ' || g.id
				from grid.grid g
				where g.street_id = street and g.path ^@ any (core.scopes()) and (place is null or g.path ^@ place)
					and (e.cursor is null or (g.path, g.id) > (split_part(e.cursor, ' ', 1), split_part(e.cursor, ' ', 2)::uuid))
					and (g.valid_to is null or g.valid_to > core.today())
				order by g.path, g.id limit p_most;
	end case;
end
$$;
comment on function duty.ledger_lines(transfer.export, integer) is 'As transfer.export_lines(), which calls it for the ledgers.';

create function duty.ledger_rows(p_ledger text, p_under uuid, p_from date, p_to date, p_after text, p_most integer)
returns table (cells json, _cursor text)
language plpgsql security definer set search_path = pg_catalog, pg_temp set jit = off
as $$
declare
	e transfer.export;
	k transfer.export_kind;
	t record;
begin
	perform core.must(core.role() in ('grid_lead', 'community'), 403, 'role_not_allowed');
	select x.* into k from transfer.export_kind x where x.code = p_ledger;
	select x.* into t from duty.template_of(p_ledger) x;
	if p_under is not null and not exists (select from grid.grid g where g.street_id = core.street() and g.id = p_under
		and g.path ^@ any (core.scopes())) then
		perform core.fail(422, 'grid_not_found', '/under');
	end if;
	perform core.must(p_from is null or 'from' = any (k.filters), 422, 'filter_unfit', '/from_on');
	perform core.must(p_to is null or 'to' = any (k.filters), 422, 'filter_unfit', '/to_on');
	e.what := p_ledger;
	e.cursor := p_after;
	e.filter := jsonb_strip_nulls(jsonb_build_object('grid_id', p_under, 'from', p_from::timestamp at time zone 'Asia/Shanghai',
		'to', p_to::timestamp at time zone 'Asia/Shanghai'));
	return query select (select json_agg(c order by n) from jsonb_array_elements_text(transfer.cut(l.line, k.fields, t.columns))
			with ordinality x (c, n)), l.cursor
		from transfer.export_lines(e, p_most) l where l.line is not null;
end
$$;
comment on function duty.ledger_rows(text, uuid, date, date, text, integer) is
	'LedgerRow: a page of a ledger of the caller''s ground, in the columns the street wants. LN403 role_not_allowed, LN422 grid_not_found, filter_unfit.';

---------------------------------------------------------------- completeness
create function duty.owed(p_reach text[], p_from date, p_to date)
returns table (grid_id uuid, name text, path text, code text, wanted bigint, entered bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set jit = off set linli.role = 'system'
as $$
declare
	st constant integer := core.street();
	since constant timestamptz := p_from::timestamp at time zone 'Asia/Shanghai';
	till constant timestamptz := p_to::timestamp at time zone 'Asia/Shanghai';
	monthly constant jsonb := (select jsonb_object_agg(l.code, t.monthly) from duty.ledger l, duty.template_of(l.code) t);
begin
	return query
	with micro as (select g.id, g.name, g.path from grid.grid g where g.street_id = st and g.kind = 'micro' and g.path ^@ any (p_reach)
		and g.valid_from < p_to and (g.valid_to is null or g.valid_to > p_from))
	select g.id, g.name, g.path, x.code, greatest(x.planned, (monthly ->> x.code)::bigint), x.done
	from micro g cross join lateral (
		select 'diary', 0::bigint, count(*) from care.diary d
		where d.street_id = st and d.path = g.path and d.on_date >= p_from and d.on_date < p_to
		union all
		select 'rounds', sum(y.n)::bigint, sum(y.done)::bigint from (
			select count(*) as n, count(*) filter (where v.state = 'done') as done from care.visit v
			where v.street_id = st and v.path = g.path and v.due_on >= p_from and v.due_on < p_to and v.state <> 'cancelled'
			union all select count(*), count(*) filter (where t.status = 'done') from field.patrol_task t
			where t.street_id = st and t.path = g.path and t.on_day >= p_from and t.on_day < p_to) y
		union all
		-- Of each lead these days alone: only bounds without a column go to the index, past the policy.
		select 'worklog', 0, count(distinct d.on_date) from grid.assignment a
		cross join lateral (select (e.at at time zone 'Asia/Shanghai')::date as on_date from core.event e
			where e.street_id = st and e.actor_id = a.account_id and e.actor_role = 'grid_lead'
				and e.at >= since and e.at < till offset 0) d
		where a.street_id = st and a.grid_id = g.id and d.on_date >= a.from_on and (a.to_on is null or d.on_date < a.to_on)
		union all
		select 'grids', 3, (exists (select from grid.assignment a where a.street_id = st and a.grid_id = g.id
				and a.from_on < p_to and (a.to_on is null or a.to_on >= p_to)))::integer
			+ (exists (select from grid.boundary b where b.street_id = st and b.grid_id = g.id and b.from_on < p_to
				and (b.to_on is null or b.to_on >= p_to)))::integer
			+ (exists (select from grid.dwelling d where d.street_id = st and d.path = g.path))::integer
		union all
		select 'checks', sum(y.n)::bigint, sum(y.done)::bigint from (
			select count(*) as n, count(*) filter (where h.status in ('verified', 'closed')) as done from field.hazard h
			where h.street_id = st and h.path = g.path and h.due_at >= since and h.due_at < till and h.status <> 'dismissed'
			union all select count(*), count(*) filter (where a.state <> 'open') from care.alarm a
			where a.street_id = st and a.path = g.path and a.raised_at >= since and a.raised_at < till) y
		union all
		select 'persons', count(*), count(*) filter (where p.verified = 'verified') from people.person p
		where p.street_id = st and p.path = g.path and p.status = 'active' and p.household_id is not null) x (code, planned, done);
end
$$;
comment on function duty.owed(text[], date, date) is
	'What each micro-grid owes its ledgers in these days and what was entered: entries of the diary; visits and patrols planned; days on which a lead did something; lead, boundary and dwellings; hazards that were to be put right and alarms; residents verified. Figures only, for duty.completeness().';

create function duty.completeness(p_under uuid, p_month text)
returns table (month text, grids bigint, complete bigint, coverage float8, ledgers json, items json)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set jit = off
as $$
declare
	since constant date := coalesce(to_date(p_month, 'YYYY-MM'), date_trunc('month', core.today())::date);
begin
	perform core.must(core.role() in ('grid_lead', 'community', 'street'), 403, 'role_not_allowed');
	return query with owed as materialized (
		select o.*, greatest(o.wanted - o.entered, 0) as missing from duty.owed(rate.reach(p_under), since, (since + interval '1 month')::date) o
	), grid_of as (
		select o.grid_id, o.name, o.path, bool_and(o.missing = 0) as whole, json_agg(json_build_object('ledger', o.code,
			'wanted', o.wanted, 'entered', o.entered, 'missing', o.missing) order by l.n) as books
		from owed o join duty.ledger l on l.code = o.code group by o.grid_id, o.name, o.path
	)
	select to_char(since, 'YYYY-MM'), count(*), count(*) filter (where g.whole), care.share(count(*) filter (where g.whole), count(*)),
		(select json_agg(json_build_object('ledger', l.code, 'title', t.title, 'complete',
			(select count(*) from owed o where o.code = l.code and o.missing = 0)) order by l.n) from duty.ledger l, duty.template_of(l.code) t),
		coalesce(json_agg(json_build_object('grid_id', g.grid_id, 'name', g.name, 'complete', g.whole, 'ledgers', g.books)
			order by g.path collate "C"), '[]')
	from grid_of g;
end
$$;
comment on function duty.completeness(uuid, text) is
	'Which micro-grids of the caller''s ground have their 三本两表一册 together in a month, and what is missing where; all in one read. LN403 role_not_allowed.';

grant select on transfer.export_kind, duty.ledger, duty.ledger_template, duty.ledger_version_view to linli_app;
grant execute on function duty.template_of(text), duty.columns_json(text[], text[]), duty.ledgers(), duty.put_ledgers(text, jsonb),
	duty.ledger_rows(text, uuid, date, date, text, integer), duty.completeness(uuid, text) to linli_app;
