-- transfer: what comes in from other systems, and how. An import is read into
-- rows of its own, judged, shown, and then committed or dropped.

insert into core.transition (machine, from_state, action, to_state, roles) values
	('import', '', 'upload', 'reading', '{community,street,client}'),
	('import', 'reading', 'read', 'checking', '{system}'),
	('import', 'reading', 'fail', 'failed', '{system}'),
	('import', 'checking', 'report', 'ready', '{system}'),
	('import', 'ready', 'commit', 'committing', '{community,street,client}'),
	('import', 'committing', 'finish', 'done', '{system}'),
	('import', 'reading', 'drop', 'dropped', '{community,street,client}'),
	('import', 'checking', 'drop', 'dropped', '{community,street,client}'),
	('import', 'ready', 'drop', 'dropped', '{community,street,client}'),
	('import', 'ready', 'expire', 'dropped', '{system}');

create table transfer.import (
	street_id integer not null,
	id uuid not null,
	path text collate "C" not null,
	account_id uuid not null,
	account_name text,
	source text not null,
	file_name text,
	bytes integer not null check (bytes > 0),
	given json,
	columns json,
	state text not null default 'reading' check (state in
		('reading', 'checking', 'ready', 'committing', 'done', 'dropped', 'failed')),
	problem text,
	problem_detail text,
	attempts integer not null default 0,
	rows integer not null default 0,
	checked integer not null default 0,
	committed integer not null default 0,
	counts json not null default '{"new":0,"changed":0,"unchanged":0,"duplicate":0,"error":0}',
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	primary key (street_id, id),
	check ((state = 'failed') = (problem is not null))
);
create index import_path on transfer.import (street_id, path, id);
create index import_open on transfer.import (street_id, state, id) where state in ('reading', 'checking', 'ready', 'committing');
create index import_old on transfer.import (street_id, updated_at);
comment on table transfer.import is
	'class: street. A file of persons from another system: rows says how many are staged, checked and committed how far the job has come.';
comment on column transfer.import.path is 'The ground whose dwellings it may fill';
alter table transfer.import enable row level security;
alter table transfer.import force row level security;
create policy staff on transfer.import
	using (street_id = core.street() and core.may_see_private(path, account_id));

-- A row keeps what it says of somebody only until it is judged unfit or is
-- committed; of who is under 14 it never keeps anything.
create table transfer.import_row (
	street_id integer not null,
	import_id uuid not null,
	n integer not null,
	path text collate "C" not null,
	account_id uuid not null,
	line integer not null,
	source_id text,
	outcome text check (outcome in ('new', 'changed', 'unchanged', 'duplicate', 'error')),
	field text,
	code text,
	person_id uuid,
	of_line integer,
	why text,
	fields text[],
	applied boolean not null default false,
	digest text collate "C",
	name text,
	sex text,
	born_on date,
	phone text,
	phone_mask text,
	phone_index text collate "C",
	id_number text,
	id_number_mask text,
	id_number_index text collate "C",
	place text collate "C",
	dwelling_id uuid,
	kind text,
	from_on date,
	tags text[],
	tag_reason text,
	primary key (street_id, import_id, n),
	foreign key (street_id, import_id) references transfer.import (street_id, id)
) with (fillfactor = 50);
comment on table transfer.import_row is
	'class: street. A row of an import and what becomes of it; phone and ID number sealed, as in people.secret.';
alter table transfer.import_row enable row level security;
alter table transfer.import_row force row level security;
create policy staff on transfer.import_row
	using (street_id = core.street() and core.may_see_private(path, account_id));

create table transfer.import_place (
	street_id integer not null,
	import_id uuid not null,
	place text collate "C" not null,
	path text collate "C" not null,
	dwelling_id uuid,
	primary key (street_id, import_id, place),
	foreign key (street_id, import_id) references transfer.import (street_id, id)
);
comment on table transfer.import_place is
	'class: street. The addresses of an import''s ground as its rows write them; without dwelling_id several dwellings have this one.';
alter table transfer.import_place enable row level security;
alter table transfer.import_place force row level security;
create policy staff on transfer.import_place
	using (street_id = core.street() and core.may_see_private(path, null));

create table transfer.fault (
	code text primary key,
	zh text not null,
	en text not null
);
comment on table transfer.fault is 'class: reference. What is wrong with a row or a file, as people read it.';
insert into transfer.fault (code, zh, en) values
	('address_ambiguous', '有不止一套房屋是这个地址。', 'More than one dwelling has this address.'),
	('approval_required', '未成年人的资料不能通过导入修改，需社区负责人批准后逐条办理。', 'A minor''s record is not changed by an import: a manager has to approve each.'),
	('born_in_future', '出生日期不能晚于今天。', 'The day of birth must not be in the future.'),
	('born_on_required', '新登记的人需要出生日期或身份证号码。', 'Somebody new needs a day of birth or an ID number.'),
	('cell_invalid', '内容过长或含有换行等字符。', 'The cell is too long or holds line breaks or the like.'),
	('cell_required', '不能为空。', 'The cell must not be empty.'),
	('date_in_future', '日期不能晚于今天。', 'The date must not be in the future.'),
	('date_invalid', '日期写法不正确，例如 2024-03-01。', 'This is no date. Please write 2024-03-01.'),
	('dwelling_not_found', '本辖区没有这个房屋。', 'There is no such dwelling on your ground.'),
	('guardian_consent_required', '不满十四周岁，须先取得监护人同意；本行内容没有保存。', 'Under 14 the guardian has to consent first; nothing of this row was kept.'),
	('id_number_invalid', '身份证号码不正确（18 位，含校验码）。', 'This is no ID number (18 characters with its check character).'),
	('id_number_mismatch', '与身份证号码不一致。', 'This is not what the ID number says.'),
	('import_cell_too_long', '有单元格超过 1024 字节。', 'A cell holds more than 1024 bytes.'),
	('import_column_missing', '缺少这一列（可用 columns 说明表头对应的字段）。', 'The table lacks this column (columns may say which header it is).'),
	('import_column_twice', '有两列是同一个字段。', 'Two columns are the same field.'),
	('import_csv_quotes', 'CSV 的引号没有成对。', 'The quotes of the CSV are not closed.'),
	('import_empty', '文件里没有数据行。', 'The file holds no rows.'),
	('import_encoding', '文字编码应为 UTF-8 或 GB18030。', 'The text must be UTF-8 or GB18030.'),
	('import_old_excel', '请另存为不加密的 XLSX 或 CSV。', 'Please save it as XLSX without a password, or as CSV.'),
	('import_too_many_rows', '每个文件最多 300000 行。', 'A file holds 300,000 rows at most.'),
	('import_too_wide', '最多 64 列。', 'A table has 64 columns at most.'),
	('import_unpacks_too_large', '文件解压后过大。', 'The file unpacks to more than is accepted.'),
	('import_unreadable', '文件无法读取，可能已损坏。', 'The file cannot be read. It may be damaged.'),
	('kind_unknown', '居住类型应为业主、家属、租户或借住。', 'Please write owner, family, tenant or guest.'),
	('person_exists', '此号码在本次导入范围之外已有登记。', 'This number belongs to a record that this import does not reach.'),
	('phone_invalid', '电话号码不正确。', 'This is no phone number.'),
	('sex_unknown', '性别应为男或女。', 'Please write male or female.'),
	('source_id_repeated', '同一编号在文件中出现过。', 'The file holds this source id before.'),
	('tag_health', '健康类标签不能通过导入设置。', 'Tags of health are not set by an import.'),
	('tag_unknown', '没有这个标签。', 'There is no such tag.');

---------------------------------------------------------------- small parts
create function transfer.plain_place(address text) returns text
language sql immutable strict parallel safe
return lower(regexp_replace(replace(replace(translate(normalize(address, nfkc), E' \t', ''), '幢', '栋'), '号楼', '栋'), '(室|号)$', ''));
comment on function transfer.plain_place(text) is '双福苑 3号楼2单元502室 → 双福苑3栋2单元502: an address as addresses are compared.';

create function transfer.move_import(p_import transfer.import, p_action text) returns text
language plpgsql
as $$
declare
	goal constant text := (select t.to_state from core.transition t where t.machine = 'import'
		and t.from_state = p_import.state and t.action = p_action and core.role() = any (t.roles));
begin
	if goal is null then
		perform core.fail(409, 'wrong_state');
	end if;
	update transfer.import x set state = goal, updated_at = core.now()
	where x.street_id = p_import.street_id and x.id = p_import.id and goal <> 'failed';
	perform core.put_event('import', p_import.id, p_action, p_import.state, goal, p_import.path, p_import.account_id, false);
	return goal;
end
$$;
comment on function transfer.move_import(transfer.import, text) is
	'An import goes on by core.transition, and its event; failed needs its problem, which the caller writes. LN409 wrong_state.';

---------------------------------------------------------------- people's side
create function transfer.ground(p_grid uuid) returns text
language plpgsql stable
as $$
declare
	-- A program has no ground of its own: the street has let it in.
	ground constant text[] := case core.role() when 'client' then array[core.street() || '/'] else core.scopes() end;
	place text := ground[1];
begin
	if p_grid is not null then
		place := (select g.path from grid.grid g where g.street_id = core.street() and g.id = p_grid
			and g.kind in ('street', 'master') and g.path ^@ any (ground)
			and (g.valid_to is null or g.valid_to > core.today()));
	end if;
	if place is null then
		perform core.fail(422, 'grid_not_found', '/grid_id');
	end if;
	return place;
end
$$;
comment on function transfer.ground(uuid) is 'The path of a community or street of the caller''s, null = their own, a program''s the street. LN422 grid_not_found.';

create function transfer.may_import(p_grid uuid) returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
	perform transfer.ground(p_grid);
	if (select count(*) from transfer.import i where i.street_id = core.street() and i.account_id = core.actor()
		and i.state in ('reading', 'checking', 'ready', 'committing')) >= 3 then
		perform core.fail(409, 'import_quota');
	end if;
end
$$;
comment on function transfer.may_import(uuid) is 'Asked before a file is stored. LN422 grid_not_found, LN409 import_quota: three open ones an account.';

create function transfer.begin_import(p_id uuid, p_grid uuid, p_source text, p_name text, p_bytes integer, p_given json) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	i transfer.import;
begin
	perform transfer.may_import(p_grid);
	insert into transfer.import (street_id, id, path, account_id, account_name, source, file_name, bytes, given)
	values (core.street(), p_id, transfer.ground(p_grid), core.actor(), identity.name_of(core.actor()), p_source, p_name, p_bytes, p_given)
	returning * into i;
	perform core.put_event('import', p_id, 'upload', null, i.state, i.path, i.account_id, false);
	perform audit.put('import_upload', 'import', p_id, null, '{}', null,
		json_build_object('source', p_source, 'bytes', p_bytes), i.path);
end
$$;
comment on function transfer.begin_import(uuid, uuid, text, text, integer, json) is
	'An import whose file is stored under its id; the job reads it. As transfer.may_import().';

create function transfer.act_import(p_id uuid, p_action text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	i transfer.import;
begin
	select x.* into i from transfer.import x where x.street_id = core.street() and x.id = p_id for update;
	if not found then
		perform core.fail(404, 'not_found');
	end if;
	perform transfer.move_import(i, p_action);
	perform audit.put('import_' || p_action, 'import', p_id, null,
		array(select distinct c.value from json_each_text(i.columns) c where c.value is not null order by c.value), null,
		json_build_object('source', i.source, 'rows', i.rows, 'counts', i.counts), i.path);
end
$$;
comment on function transfer.act_import(uuid, text) is 'commit or drop. LN404 not_found, LN409 wrong_state.';

create view transfer.import_view with (security_invoker = true) as
select i.street_id as _street_id, i.id, (select g.id from grid.grid g where g.street_id = i.street_id and g.path = i.path) as grid_id,
	i.source, i.file_name, i.bytes, i.account_name as by_name, i.state, i.problem, i.problem_detail, f.zh as problem_zh, f.en as problem_en,
	i.columns, i.rows, i.checked, i.committed, i.counts, i.created_at, i.updated_at
from transfer.import i
left join transfer.fault f on f.code = i.problem;
comment on view transfer.import_view is 'class: street. Import.';

create view transfer.row_view with (security_invoker = true) as
select r.street_id as _street_id, r.import_id as _import_id, r.n as _n, r.line, r.source_id, r.outcome, r.field, r.code,
	f.zh as message_zh, f.en as message_en,
	-- Of whom, if that is anybody the reader may know of.
	(select p.id from people.person p where p.street_id = r.street_id and p.id = r.person_id) as person_id,
	r.of_line, r.why, array_to_json(r.fields) as fields, r.applied
from transfer.import_row r
left join transfer.fault f on f.code = r.code;
comment on view transfer.row_view is 'class: street. ImportRow: with the sentence of its fault.';

---------------------------------------------------------------- reading
create function transfer.fail_import(i transfer.import, p_problem text, p_detail text) returns void
language plpgsql
as $$
begin
	update transfer.import x set state = transfer.move_import(i, 'fail'), problem = p_problem, problem_detail = p_detail,
		updated_at = core.now()
	where x.street_id = i.street_id and x.id = i.id;
end
$$;
comment on function transfer.fail_import(transfer.import, text, text) is 'The file cannot be read: problem code and what it is about.';

create function transfer.next_import(p_attempts integer) returns table (id uuid, street_id integer, rows integer, given json)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	s integer;
	i transfer.import;
begin
	for s in select g.id from grid.street g order by g.id loop
		perform core.enter_system(s);
		select x.* into i from transfer.import x where x.street_id = s and x.state = 'reading'
		order by x.id limit 1 for update skip locked;
		if found and i.attempts >= p_attempts then
			perform transfer.fail_import(i, 'import_unreadable', null);
		elsif found then
			update transfer.import x set attempts = x.attempts + 1 where x.street_id = s and x.id = i.id;
			return query select i.id, s, i.rows, i.given;
			return;
		end if;
	end loop;
end
$$;
comment on function transfer.next_import(integer) is
	'Job: the oldest file to be read, and how many of its rows are there already. One that ends its reader so many times without another row is given up.';

create function transfer.stage(p json, out taken boolean, out reading boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	s constant integer := (p ->> 'street')::integer;
	i transfer.import;
	today date;
	m integer;
begin
	perform core.enter_system(s);
	today := core.today();
	select x.* into i from transfer.import x where x.street_id = s and x.id = (p ->> 'import')::uuid for update;
	taken := i.state = 'reading' and i.rows = (p ->> 'from')::integer;
	reading := i.state = 'reading';
	if taken is not true then
		return;
	end if;
	insert into transfer.import_row (street_id, import_id, n, path, account_id, line, source_id, outcome, field, code, person_id, digest,
		name, sex, born_on, phone, phone_mask, phone_index, id_number, id_number_mask, id_number_index,
		place, dwelling_id, kind, from_on, tags, tag_reason)
	select s, i.id, i.rows + r.n, i.path, i.account_id, r.line, r.source_id, v.outcome, v.field, v.code, c.id, d.digest,
		d.name, d.sex, d.born_on, d.phone, d.phone_mask, d.phone_index, d.id_number, d.id_number_mask, d.id_number_index,
		transfer.plain_place(d.place), d.dwelling_id, d.kind, d.from_on, t.codes, d.tag_reason
	from rows from (json_to_recordset(p -> 'rows') as (line integer, source_id text, field text, code text, digest text, name text,
			sex text, born_on date, phone text, phone_mask text, phone_index text, id_number text, id_number_mask text,
			id_number_index text, place text, dwelling_id uuid, kind text, from_on date, tags json, tag_reason text))
		with ordinality r (line, source_id, field, code, digest, name, sex, born_on, phone, phone_mask, phone_index,
			id_number, id_number_mask, id_number_index, place, dwelling_id, kind, from_on, tags, tag_reason, n)
	left join lateral (select array_agg(distinct k.code) as codes, bool_or(k.code is null) as unknown, bool_or(k.health) as health
		from json_array_elements_text(r.tags) w (word)
		left join people.tag_kind k on btrim(w.word) in (k.code, k.name_zh, k.name_en)) t on r.tags is not null
	-- A child whose guardian has consented, and is known by this very key.
	left join people.person c on today < people.turns(r.born_on, 14) and c.street_id = s and c.source = i.source
		and c.source_id = r.source_id and c.status = 'active' and c.path ^@ i.path and exists (select from people.consent k
			where k.street_id = s and k.person_id = c.id and k.purpose = 'minor' and k.withdrawn_at is null)
	cross join lateral (select * from (values
			(r.code is not null, 'error', r.field, r.code),
			(r.born_on > today, 'error', 'born_on', 'born_in_future'),
			(r.born_on <= '1800-01-01', 'error', 'born_on', 'date_invalid'),
			(c.source_digest = r.digest, 'unchanged', null, null),
			(c.id is not null, 'error', 'born_on', 'approval_required'),
			(today < people.turns(r.born_on, 14), 'error', 'born_on', 'guardian_consent_required'),
			(t.health, 'error', 'tags', 'tag_health'),
			(t.unknown, 'error', 'tags', 'tag_unknown'),
			(r.from_on > today, 'error', 'from_on', 'date_in_future'),
			(true, null, null, null)) x (holds, outcome, field, code) where x.holds limit 1) v
	left join lateral (select r.*) d on v.outcome is null;
	get diagnostics m = row_count;
	update transfer.import x set rows = x.rows + m, attempts = 0, columns = coalesce(p -> 'columns', x.columns), updated_at = core.now()
	where x.street_id = s and x.id = i.id;
	if p ->> 'problem' is not null or (p ->> 'last' = 'true' and i.rows + m = 0) then
		perform transfer.fail_import(i, coalesce(p ->> 'problem', 'import_empty'), p ->> 'detail');
		reading := false;
	elsif p ->> 'last' = 'true' then
		perform transfer.move_import(i, 'read');
		reading := false;
	end if;
end
$$;
comment on function transfer.stage(json, out boolean, out boolean) is
	'Job: the next rows of a file, if they follow on those there are (taken) and somebody still wants them (reading). Of children nothing is kept but that the row was theirs.';

---------------------------------------------------------------- judging
create function transfer.places(i transfer.import) returns void
language plpgsql
as $$
begin
	insert into transfer.import_place (street_id, import_id, place, path, dwelling_id)
	select i.street_id, i.id, x.place, i.path, case when count(*) = 1 then min(x.id::text)::uuid end
	from (select d.id, transfer.plain_place(c.name || b.name || coalesce(u.name, '') || d.number) as place
		from grid.dwelling d
		join grid.building b on b.street_id = d.street_id and b.id = d.building_id
		join grid.compound c on c.street_id = b.street_id and c.id = b.compound_id
		left join grid.unit u on u.street_id = d.street_id and u.id = d.unit_id
		where d.street_id = i.street_id and d.path >= i.path and d.path < core.path_end(i.path)) x
	group by x.place;
end
$$;
comment on function transfer.places(transfer.import) is 'Writes down the addresses of an import''s ground, to be found by its rows.';

create function transfer.repeats(i transfer.import) returns void
language plpgsql set work_mem = '64MB' set enable_hashjoin = off set enable_mergejoin = off set enable_material = off
as $$
begin
	update transfer.import_row w set outcome = case when v.why = 'source_id' then 'error' else 'duplicate' end,
		field = case when v.why = 'source_id' then 'source_id' end, code = case when v.why = 'source_id' then 'source_id_repeated' end,
		why = nullif(v.why, 'source_id'), of_line = case v.why when 'source_id' then v.by_source when 'id_number' then v.by_number
			when 'phone_name' then v.by_phone else v.by_place end
	from (select f.*, case when f.by_source < f.line then 'source_id'
			when f.known then null
			when f.by_number < f.line and f.id_number_index is not null then 'id_number'
			when f.by_phone < f.line and f.phone_index is not null and (f.id_number_index <> f.phone_number) is not true then 'phone_name'
			when f.by_place < f.line and f.place is not null and (f.id_number_index <> f.place_number) is not true then 'address_name' end as why
		from (select r.n, r.line, r.id_number_index, r.phone_index, coalesce(r.dwelling_id::text, r.place) as place, exists (
					select from people.person p where p.street_id = i.street_id and p.source = i.source and p.source_id = r.source_id) as known,
				first_value(r.line) over s as by_source, first_value(r.line) over d as by_number,
				first_value(r.line) over t as by_phone, first_value(r.id_number_index) over t as phone_number,
				first_value(r.line) over l as by_place, first_value(r.id_number_index) over l as place_number
			from transfer.import_row r
			where r.street_id = i.street_id and r.import_id = i.id and r.outcome is null
			window s as (partition by r.source_id order by r.n), d as (partition by r.id_number_index order by r.n),
				t as (partition by r.phone_index, r.name order by r.n),
				l as (partition by coalesce(r.dwelling_id::text, r.place), r.name order by r.n)) f) v
	where v.why is not null and w.street_id = i.street_id and w.import_id = i.id and w.n = v.n;
end
$$;
comment on function transfer.repeats(transfer.import) is 'Rows that tell of somebody whom a row before them tells of, by the signs of people.likely_same().';

-- A batch is small, whatever it is held against may be large, and of both the
-- planner may know nothing yet: each row goes by indexes, one row a time, and
-- a plan made for an empty table is never used for a full one.
create function transfer.judge(i transfer.import, lo integer, hi integer) returns void
language plpgsql set plan_cache_mode = force_custom_plan set enable_hashjoin = off set enable_mergejoin = off
	set enable_seqscan = off set enable_material = off
as $$
declare
	today constant date := core.today();
begin
	update transfer.import_row w set outcome = v.outcome, field = v.field, code = v.code, why = v.why,
		person_id = v.about, fields = v.fields, dwelling_id = v.home
	from (select r.n, x.outcome, x.field, x.code, d.id as home, case when x.outcome = 'changed' then f.fields end as fields,
			case when x.outcome = 'duplicate' then l.why end as why,
			case x.outcome when 'duplicate' then l.person_id when 'error' then null else p.id end as about
		from transfer.import_row r
		left join lateral (select y.* from transfer.import_place y where y.street_id = i.street_id and y.import_id = i.id
			and y.place = r.place and r.dwelling_id is null limit 1) a on true
		-- Not coalesce(): row-level security takes it for leaky, and uses no index.
		left join lateral (select y.id from grid.dwelling y where y.street_id = i.street_id and y.path ^@ i.path
			and y.id = case when r.dwelling_id is null then a.dwelling_id else r.dwelling_id end limit 1) d on true
		left join lateral (select y.* from people.person y where y.street_id = i.street_id and y.source = i.source
			and y.source_id = r.source_id limit 1) p on true
		left join lateral (select y.phone_index, y.id_number_index from people.secret y where y.street_id = i.street_id
			and y.person_id = p.id limit 1) s on true
		left join lateral (select y.person_id from people.secret y where y.street_id = i.street_id
			and y.id_number_index = r.id_number_index limit 1) o on true
		left join lateral (select * from people.likely_same(r.name, r.phone_index, r.id_number_index, d.id) y
			where p.id is null order by y.why <> 'id_number', y.why, y.person_id limit 1) l on true
		left join lateral (select array_remove(array[
			case when r.name <> p.name then 'name' end,
			case when r.sex <> p.sex or (p.sex is null and r.sex is not null) then 'sex' end,
			case when r.born_on <> p.born_on or (p.born_on is null and r.born_on is not null) then 'born_on' end,
			case when r.phone_index <> s.phone_index or (s.phone_index is null and r.phone_index is not null) then 'phone' end,
			case when r.id_number_index <> s.id_number_index or (s.id_number_index is null and r.id_number_index is not null) then 'id_number' end,
			case when d.id <> p.dwelling_id or (d.id is not null and p.household_id is null) then 'address' end,
			case when r.kind <> (select y.kind from people.residence y where y.street_id = p.street_id and y.person_id = p.id
				and y.to_on is null) then 'kind' end,
			case when r.tags <> '{}' and exists (select from unnest(r.tags) g (code) where not exists (select from people.tag y
				where y.street_id = p.street_id and y.code = g.code and y.cleared_at is null
					and (y.person_id = p.id or y.household_id = p.household_id))) then 'tags' end], null) as fields
			where p.source_digest is distinct from r.digest and p.id is not null) f on true
		cross join lateral (select * from (values
			(p.id is not null and (p.status <> 'active' or not p.path ^@ i.path), 'error', 'source_id', 'person_exists'),
			(p.source_digest = r.digest, 'unchanged', null, null),
			(r.place is not null and d.id is null and a.place is not null and a.dwelling_id is null, 'error', 'address', 'address_ambiguous'),
			(d.id is null and coalesce(r.place, r.dwelling_id::text) is not null, 'error',
				case when r.dwelling_id is null then 'address' else 'dwelling_id' end, 'dwelling_not_found'),
			(d.id is null and p.id is null, 'error', 'address', 'cell_required'),
			(l.person_id is not null, 'duplicate', null, null),
			(o.person_id is not null and o.person_id is distinct from p.id, 'error', 'id_number', 'person_exists'),
			(p.id is null and r.born_on is null, 'error', 'born_on', 'born_on_required'),
			(p.id is null, 'new', null, null),
			(f.fields = '{}', 'unchanged', null, null),
			(p.adult_on > today, 'error', 'born_on', 'approval_required'),
			(true, 'changed', null, null)) y (holds, outcome, field, code) where y.holds limit 1) x
		where r.street_id = i.street_id and r.import_id = i.id and r.n > lo and r.n <= hi
			and not r.applied and (r.outcome is null or r.outcome in ('new', 'changed'))) v
	where w.street_id = i.street_id and w.import_id = i.id and w.n = v.n
		and (w.outcome, w.field, w.code, w.why, w.person_id, w.fields, w.dwelling_id)
			is distinct from (v.outcome, v.field, v.code, v.why, v.about, v.fields, v.home);
	-- What will not be used is not kept.
	update transfer.import_row w set digest = null, name = null, sex = null, born_on = null, phone = null, phone_mask = null,
		phone_index = null, id_number = null, id_number_mask = null, id_number_index = null, place = null, dwelling_id = null,
		kind = null, from_on = null, tags = null, tag_reason = null
	where w.street_id = i.street_id and w.import_id = i.id and w.n > lo and w.n <= hi
		and w.outcome in ('unchanged', 'duplicate', 'error') and w.name is not null;
end
$$;
comment on function transfer.judge(transfer.import, integer, integer) is
	'What becomes of the rows from lo (not with it) to hi: new, changed in which fields, unchanged, duplicate of whom, error in which field. In role system.';

---------------------------------------------------------------- committing
-- Executed as text, planned for each batch: plan_cache_mode, set for the
-- function, would have each check of a foreign key planned anew for each row.
create function transfer.settle(i transfer.import, lo integer, hi integer) returns void
language plpgsql set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off
as $$
begin
	execute $query$
	insert into people.household (street_id, id, dwelling_id, path, updated_by)
	select ($1).street_id, core.new_id(($1).street_id), x.dwelling_id, d.path, ($1).account_id
	from (select distinct r.dwelling_id from transfer.import_row r where r.street_id = ($1).street_id and r.import_id = ($1).id
		and r.n > $2 and r.n <= $3 and not r.applied and (r.outcome = 'new' or 'address' = any (r.fields))) x
	join grid.dwelling d on d.street_id = ($1).street_id and d.id = x.dwelling_id
	where not exists (select from people.household h where h.street_id = ($1).street_id and h.dwelling_id = x.dwelling_id
		and h.kind = 'family')
	$query$ using i, lo, hi;
end
$$;
comment on function transfer.settle(transfer.import, integer, integer) is 'A household in each dwelling that gets somebody and has none.';

create function transfer.household(street integer, dwelling uuid) returns uuid
language sql stable
as $$select h.id from people.household h where h.street_id = $1 and h.dwelling_id = $2 and h.kind = 'family'
	order by h.created_at, h.id limit 1$$;
comment on function transfer.household(integer, uuid) is 'The household whom an import finds in a dwelling.';

create function transfer.add_new(i transfer.import, lo integer, hi integer) returns void
language plpgsql set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off
as $$
begin
	execute $query$
	with r as materialized (
		select x.*, core.new_id(($1).street_id) as id, d.path as home, h.id as household
		from transfer.import_row x
		join grid.dwelling d on d.street_id = ($1).street_id and d.id = x.dwelling_id
		left join lateral (select y.id from people.household y where y.street_id = ($1).street_id and y.dwelling_id = x.dwelling_id
			and y.kind = 'family' order by y.created_at, y.id limit 1) h on true
		where x.street_id = ($1).street_id and x.import_id = ($1).id and x.n > $2 and x.n <= $3 and x.outcome = 'new' and not x.applied),
	person as (
		insert into people.person (street_id, id, path, dwelling_id, household_id, name, sex, born_on, phone_mask, id_number_mask,
			source, source_id, source_digest, created_by, updated_by)
		select ($1).street_id, r.id, r.home, r.dwelling_id, r.household, r.name, r.sex, r.born_on, r.phone_mask, r.id_number_mask,
			($1).source, r.source_id, r.digest, ($1).account_id, ($1).account_id from r),
	secret as (
		insert into people.secret (street_id, person_id, path, phone, phone_index, id_number, id_number_index)
		select ($1).street_id, r.id, r.home, r.phone, r.phone_index, r.id_number, r.id_number_index from r),
	residence as (
		insert into people.residence (street_id, id, person_id, dwelling_id, household_id, path, kind, from_on)
		select ($1).street_id, core.new_id(($1).street_id), r.id, r.dwelling_id, r.household, r.home, coalesce(r.kind, 'family'),
			coalesce(r.from_on, core.today()) from r),
	gram as (
		insert into people.gram (street_id, gram, path, person_id)
		select ($1).street_id, g.gram, r.home, r.id from r, people.grams_of(r.name) g (gram)),
	event as (
		insert into core.event (street_id, id, subject, subject_id, action, actor_id, actor_role, path, data)
		select ($1).street_id, core.new_id(($1).street_id), 'person', r.id, 'create', ($1).account_id, core.role(), r.home,
			json_build_object('import', ($1).id) from r)
	update transfer.import_row w set person_id = r.id from r
	where w.street_id = ($1).street_id and w.import_id = ($1).id and w.n = r.n
	$query$ using i, lo, hi;
end
$$;
comment on function transfer.add_new(transfer.import, integer, integer) is 'The persons of the new rows among these, with all that belongs to each.';

create function transfer.change_known(i transfer.import, lo integer, hi integer) returns void
language plpgsql set plan_cache_mode = force_custom_plan set enable_hashjoin = off
	set enable_mergejoin = off set enable_seqscan = off
as $$
declare
	r record;
	since date;
	ids uuid[] := '{}';
begin
	for r in select x.*, d.path as home, transfer.household(i.street_id, x.dwelling_id) as household from transfer.import_row x
		left join grid.dwelling d on d.street_id = i.street_id and d.id = x.dwelling_id
		where x.street_id = i.street_id and x.import_id = i.id and x.n > lo and x.n <= hi and x.outcome = 'changed' and not x.applied
		order by x.person_id loop
		update people.person p set name = r.name, sex = coalesce(r.sex, p.sex), born_on = coalesce(r.born_on, p.born_on),
			phone_mask = coalesce(r.phone_mask, p.phone_mask), id_number_mask = coalesce(r.id_number_mask, p.id_number_mask),
			source_digest = r.digest, version = p.version + 1, updated_at = core.now(), updated_by = i.account_id
		where p.street_id = i.street_id and p.id = r.person_id;
		update people.secret s set phone = coalesce(r.phone, s.phone), phone_index = coalesce(r.phone_index, s.phone_index),
			id_number = coalesce(r.id_number, s.id_number), id_number_index = coalesce(r.id_number_index, s.id_number_index)
		where s.street_id = i.street_id and s.person_id = r.person_id;
		if 'address' = any (r.fields) then
			since := (select greatest(coalesce(r.from_on, core.today()), max(y.from_on), max(y.to_on)) from people.residence y
				where y.street_id = i.street_id and y.person_id = r.person_id);
			update people.residence y set to_on = since
			where y.street_id = i.street_id and y.person_id = r.person_id and y.to_on is null;
			insert into people.residence (street_id, id, person_id, dwelling_id, household_id, path, kind, from_on)
			values (i.street_id, core.new_id(i.street_id), r.person_id, r.dwelling_id, r.household, r.home, coalesce(r.kind, 'family'), since);
			update people.person p set dwelling_id = r.dwelling_id, household_id = r.household, path = r.home
			where p.street_id = i.street_id and p.id = r.person_id;
		elsif 'kind' = any (r.fields) then
			update people.residence y set kind = r.kind
			where y.street_id = i.street_id and y.person_id = r.person_id and y.to_on is null;
		end if;
		perform core.put_event('person', r.person_id, 'update', null, null, p.path, p.account_id, false, json_build_object('import', i.id))
		from people.person p where p.street_id = i.street_id and p.id = r.person_id;
		ids := ids || r.person_id;
	end loop;
	if ids <> '{}' then
		perform people.refresh(ids);
	end if;
end
$$;
comment on function transfer.change_known(transfer.import, integer, integer) is
	'What the changed rows among these say anew of known persons; what they leave out stays.';

create function transfer.add_tags(i transfer.import, lo integer, hi integer) returns void
language plpgsql set plan_cache_mode = force_custom_plan set enable_hashjoin = off
	set enable_mergejoin = off set enable_seqscan = off
as $$
begin
	insert into people.tag (street_id, id, code, person_id, household_id, path, accounts, reason, set_by, set_by_name)
	select i.street_id, core.new_id(i.street_id), k.code, case when k.of <> 'household' then p.id end,
		case when k.of = 'household' then p.household_id end, p.path, case when k.of <> 'household' then p.accounts else '{}' end,
		coalesce(r.tag_reason, '由“' || i.source || '”导入'), i.account_id, i.account_name
	from transfer.import_row r
	cross join unnest(r.tags) t (code)
	join people.tag_kind k on k.code = t.code
	join people.person p on p.street_id = i.street_id and p.id = r.person_id
	where r.street_id = i.street_id and r.import_id = i.id and r.n > lo and r.n <= hi and not r.applied
		and r.outcome in ('new', 'changed') and r.tags <> '{}'
	on conflict do nothing;
end
$$;
comment on function transfer.add_tags(transfer.import, integer, integer) is 'The tags of these rows, where they are not set yet.';

create function transfer.commit_rows(i transfer.import, lo integer, hi integer) returns void
language plpgsql
as $$
begin
	-- Time has passed since the report.
	perform transfer.judge(i, lo, hi);
	perform transfer.settle(i, lo, hi);
	perform transfer.add_new(i, lo, hi);
	perform transfer.change_known(i, lo, hi);
	perform transfer.add_tags(i, lo, hi);
	update transfer.import_row w set applied = true, digest = null, name = null, sex = null, born_on = null, phone = null,
		phone_mask = null, phone_index = null, id_number = null, id_number_mask = null, id_number_index = null, place = null,
		dwelling_id = null, kind = null, from_on = null, tags = null, tag_reason = null
	where w.street_id = i.street_id and w.import_id = i.id and w.n > lo and w.n <= hi
		and w.outcome in ('new', 'changed') and not w.applied;
end
$$;
comment on function transfer.commit_rows(transfer.import, integer, integer) is
	'These rows become persons, in one transaction: whoever looks sees each whole or not at all.';

---------------------------------------------------------------- the job
create function transfer.count(i transfer.import) returns json
language sql stable
as $$select json_object_agg(o.outcome, coalesce(c.n, 0) order by o.k)
	from unnest('{new,changed,unchanged,duplicate,error}'::text[]) with ordinality o (outcome, k)
	left join (select r.outcome, count(*) as n from transfer.import_row r
		where r.street_id = $1.street_id and r.import_id = $1.id group by r.outcome) c on c.outcome = o.outcome$$;
comment on function transfer.count(transfer.import) is 'How many rows of an import are what.';

create function transfer.is_news(p_table regclass, p_rows integer) returns boolean
language sql stable
as $$select c.reltuples < p_rows from pg_class c where c.oid = p_table$$;
comment on function transfer.is_news(regclass, integer) is 'Would so many rows more than double what the planner knows of a table?';

create function transfer.go_on(i transfer.import, batch integer) returns integer
language plpgsql
as $$
declare
	lo constant integer := case i.state when 'checking' then i.checked else i.committed end;
	-- The first rows show the planner what the tables are like.
	hi constant integer := least(case when lo = 0 then 200 else lo + batch end, i.rows);
begin
	if i.state = 'checking' and lo = 0 then
		perform transfer.places(i);
		analyze transfer.import_row, transfer.import_place;
		perform transfer.repeats(i);
	end if;
	if i.state = 'checking' then
		perform transfer.judge(i, lo, hi);
		update transfer.import x set checked = hi, updated_at = core.now() where x.street_id = i.street_id and x.id = i.id;
	else
		perform transfer.commit_rows(i, lo, hi);
		if lo = 0 and transfer.is_news('people.person', i.rows) then
			analyze people.household, people.person, people.secret, people.residence, people.gram;
		end if;
		update transfer.import x set committed = hi, updated_at = core.now() where x.street_id = i.street_id and x.id = i.id;
	end if;
	if hi = i.rows then
		update transfer.import x set counts = transfer.count(i) where x.street_id = i.street_id and x.id = i.id;
		perform transfer.move_import(i, case i.state when 'checking' then 'report' else 'finish' end);
	end if;
	return hi - lo;
end
$$;
comment on function transfer.go_on(transfer.import, integer) is 'The next rows of an import are judged, or committed; returns how many.';

create function transfer.work(batch integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	s integer;
	i transfer.import;
begin
	for s in select g.id from grid.street g order by g.id loop
		perform core.enter_system(s);
		select x.* into i from transfer.import x where x.street_id = s and x.state in ('checking', 'committing')
		order by x.state = 'checking', x.id limit 1 for update skip locked;
		if found then
			return transfer.go_on(i, batch);
		end if;
	end loop;
	return 0;
end
$$;
comment on function transfer.work(integer) is 'Job: goes on with one import by so many rows; returns how many. 0 = nothing to do.';

create function transfer.sweep(batch integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	s integer;
	i transfer.import;
	n integer;
	swept integer := 0;
begin
	for s in select g.id from grid.street g order by g.id loop
		perform core.enter_system(s);
		for i in select x.* from transfer.import x where x.street_id = s and x.state = 'ready'
			and x.updated_at < core.now() - interval '7 days' for update skip locked loop
			perform transfer.move_import(i, 'expire');
			swept := swept + 1;
		end loop;
		for i in select x.* from transfer.import x where x.street_id = s and x.state in ('dropped', 'failed', 'done')
			and x.updated_at < core.now() - case x.state when 'done' then interval '30 days' else interval '0' end
			and (exists (select from transfer.import_row r where r.street_id = s and r.import_id = x.id)
				or exists (select from transfer.import_place r where r.street_id = s and r.import_id = x.id)) limit 1 loop
			delete from transfer.import_place r where r.street_id = s and r.import_id = i.id;
			delete from transfer.import_row r where r.street_id = s and r.import_id = i.id
				and r.n in (select y.n from transfer.import_row y where y.street_id = s and y.import_id = i.id order by y.n limit batch);
			get diagnostics n = row_count;
			swept := swept + greatest(n, 1);
		end loop;
		delete from transfer.import x where x.street_id = s and x.state in ('done', 'dropped', 'failed')
			and x.updated_at < core.now() - interval '36 months'
			and not exists (select from transfer.import_row r where r.street_id = s and r.import_id = x.id);
		get diagnostics n = row_count;
		swept := swept + n;
	end loop;
	return swept;
end
$$;
comment on function transfer.sweep(integer) is
	'Job: who does not commit within a week has dropped; rows of what is dropped or failed go at once, reports after 30 days, and that there was an import after three years. Returns how many.';

create function transfer.unowned(p_ids uuid[]) returns setof uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	id uuid;
begin
	foreach id in array p_ids loop
		perform core.enter_system(core.street_of(id));
		if not exists (select from transfer.import i where i.street_id = core.street() and i.id = unowned.id and i.state = 'reading') then
			return next id;
		end if;
	end loop;
end
$$;
comment on function transfer.unowned(uuid[]) is 'Job: which of these files nobody needs any more.';

---------------------------------------------------------------- grants
grant select on transfer.import, transfer.import_row, transfer.fault, transfer.import_view, transfer.row_view to linli_app;
grant execute on function transfer.may_import(uuid), transfer.begin_import(uuid, uuid, text, text, integer, json),
	transfer.act_import(uuid, text) to linli_app;
grant execute on function transfer.next_import(integer), transfer.stage(json, out boolean, out boolean), transfer.work(integer),
	transfer.sweep(integer), transfer.unowned(uuid[]) to linli_job;
