-- transfer: tables that leave as files. A row says what was asked for; the job
-- process asks export_step() for some lines at a time, in the context of who
-- asked, and makes the file of them.
create schema transfer;
grant usage on schema transfer to linli_app, linli_job;

create table transfer.export_kind (
	code text primary key,
	roles text[] not null,
	filters text[] not null,
	fields text[] not null,
	titles text[] not null,
	words jsonb not null default '{}',
	personal boolean not null default true,
	per_day integer not null default 20 check (per_day > 0),
	keep_hours integer not null default 24 check (keep_hours > 0),
	check (cardinality(fields) = cardinality(titles))
);
comment on table transfer.export_kind is
	'class: reference. What may be exported by whom and narrowed how; the columns, and words that stand for codes in them; whether it tells of persons; how many an account may ask for in 24 hours, and how long the file is kept. The rows are a branch of transfer.export_lines(), those of ledgers of duty.ledger_lines().';
insert into transfer.export_kind (code, roles, filters, fields, titles, words, personal) values
	('persons', '{community}', '{grid_id,tag}',
		'{id,name,sex,born_on,birth_year,phone_mask,id_number_mask,verified,verified_on,address,grid,tags,is_minor,withheld,has_account,household_id,updated_at}',
		'{编号,姓名,性别,出生日期,出生年份,手机,身份证号,核实状态,核实日期,地址,网格,标签,未成年人,未成年人信息未授权,有账号,户编号,更新时间}',
		'{"male": "男", "female": "女", "verified": "已核实", "unverified": "未核实", "doubtful": "存疑", "true": "是", "false": "否"}', true),
	('households', '{community}', '{grid_id}',
		'{id,kind,address,grid,members,member_count,tags,updated_at}',
		'{编号,类别,地址,网格,成员,人数,标签,更新时间}',
		'{"family": "家庭户", "collective": "集体户"}', true),
	('dwellings', '{community,street}', '{grid_id}',
		'{id,building,unit,number,floor,area,use,ownership_kind,grid,updated_at}',
		'{编号,楼栋,单元,房号,楼层,面积（平方米）,用途,产权,网格,更新时间}',
		'{"residence": "住宅", "commerce": "商业", "office": "办公", "storage": "仓储", "parking": "车位", "public": "公共", "other": "其他", "private": "私有", "public_rental": "公租", "work_unit": "单位", "collective": "集体", "developer": "开发商", "state": "国有", "unknown": "不详"}', false),
	('tickets', '{community,street}', '{grid_id,status,from,to}',
		'{number,kind,category,urgency,status,title,grid,on_behalf,contact_name,contact_phone_mask,address,stars,created_at,updated_at}',
		'{编号,类型,类别,紧急程度,状态,标题,网格,代报,联系人,联系电话,地址,评分,提交时间,更新时间}',
		'{"problem": "问题", "suggestion": "建议", "dispute": "纠纷", "consultation": "咨询", "praise": "表扬", "normal": "一般", "urgent": "紧急", "critical": "特急", "true": "是", "false": "否"}', true);

create table transfer.export (
	street_id integer not null,
	id uuid not null,
	path text collate "C" not null,
	scopes text[] not null,
	account_id uuid not null,
	for_role text not null,
	session_id uuid not null,
	epoch integer not null,
	what text not null references transfer.export_kind (code),
	format text not null check (format in ('csv', 'xlsx')),
	filter jsonb not null,
	reason text not null,
	fields text[] not null,
	titles text[] not null,
	title text,
	state text not null default 'waiting' check (state in ('waiting', 'running', 'done', 'refused', 'failed', 'dropped')),
	rows bigint not null default 0,
	bytes bigint not null default 0,
	cursor text,
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	done_at timestamptz,
	expires_at timestamptz,
	downloads integer not null default 0,
	primary key (street_id, id)
);
create index export_open on transfer.export (street_id, created_at) where state in ('waiting', 'running');
create index export_account on transfer.export (street_id, account_id, created_at);
comment on table transfer.export is
	'class: street. A file somebody asked for: rows and bytes of it so far and the cursor after them. For their eyes in that role alone.';
comment on column transfer.export.fields is
	'Columns as they were when it was asked for: the kind''s, or those of the street''s template of a ledger';
comment on column transfer.export.state is
	'refused: who asked may no longer; failed: told in the log; dropped: somebody of that ground was erased since';
alter table transfer.export enable row level security;
alter table transfer.export force row level security;
create policy own on transfer.export using (street_id = core.street()
	and (core.role() = 'system' or (account_id = core.actor() and for_role = core.role())));

---------------------------------------------------------------- asking
create function transfer.request_export(p_id uuid, p_session uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	k transfer.export_kind;
	f constant jsonb := jsonb_strip_nulls(coalesce(b -> 'filter', '{}'));
	odd text;
begin
	select x.* into k from transfer.export_kind x where x.code = b ->> 'what';
	if not core.role() = any (k.roles) then
		perform core.fail(403, 'export_not_allowed', '/what');
	end if;
	odd := (select min(x) from jsonb_object_keys(f) x where not x = any (k.filters));
	if odd is not null then
		perform core.fail(422, 'filter_unfit', '/filter/' || odd);
	elsif f ? 'grid_id' and not exists (select from grid.grid g where g.street_id = core.street()
		and g.id = (f ->> 'grid_id')::uuid and g.path ^@ any (core.scopes())) then
		perform core.fail(422, 'grid_not_found', '/filter/grid_id');
	elsif f ? 'tag' and not exists (select from people.tag_kind t where t.code = f ->> 'tag') then
		perform core.fail(422, 'tag_unknown', '/filter/tag');
	end if;
	-- One after the other, so that they count each other.
	perform from identity.account a where a.id = core.actor() for no key update;
	if (select count(*) from transfer.export x where x.street_id = core.street() and x.account_id = core.actor()
		and x.created_at > core.now() - interval '24 hours') >= k.per_day then
		perform core.fail(429, 'exports_exhausted');
	end if;
	insert into transfer.export (street_id, id, path, scopes, account_id, for_role, session_id, epoch, what, format, filter, reason,
		fields, titles, title)
	select core.street(), p_id, (core.scopes())[1], core.scopes(), core.actor(), core.role(), s.id, s.epoch,
		k.code, b ->> 'format', f, core.mask_text(b ->> 'reason'), coalesce(t.columns, k.fields), coalesce(t.headings, k.titles), t.title
	from identity.session s left join duty.template_of(k.code) t on true where s.id = p_session
	returning fields into k.fields;
	perform audit.put('export_request', 'export', p_id, null, k.fields, b ->> 'reason',
		json_build_object('what', k.code, 'format', b ->> 'format', 'filter', f));
end
$$;
comment on function transfer.request_export(uuid, uuid, jsonb) is
	'The caller asks for a file. LN403 export_not_allowed, LN422 filter_unfit, grid_not_found, tag_unknown, LN429 exports_exhausted.';

create view transfer.export_view with (security_invoker = true) as
select e.street_id as _street_id, e.id, e.what, e.format, e.filter, e.reason,
	case when e.state = 'done' and e.expires_at <= core.now() then 'expired' else e.state end as state,
	e.rows, case when e.state = 'done' then e.bytes end as bytes, e.downloads, e.created_at, e.updated_at, e.done_at, e.expires_at
from transfer.export e;
comment on view transfer.export_view is 'class: street. Export.';

create function transfer.fetch_export(p_id uuid) returns table (file text, format text, name text)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	e transfer.export;
begin
	select x.* into e from transfer.export x where x.street_id = core.street() and x.id = p_id for update;
	if not found then
		perform core.fail(404, 'not_found');
	elsif e.state in ('waiting', 'running') then
		perform core.fail(409, 'export_not_ready');
	elsif e.state <> 'done' or e.expires_at <= core.now() then
		perform core.fail(410, 'export_gone');
	elsif not transfer.covers(e) then
		perform core.fail(403, 'export_out_of_scope');
	end if;
	update transfer.export x set downloads = x.downloads + 1 where x.street_id = e.street_id and x.id = p_id;
	perform audit.put('export_download', 'export', p_id, null, e.fields, e.reason,
		json_build_object('what', e.what, 'format', e.format, 'rows', e.rows), e.path);
	return query select e.id::text, e.format,
		e.what || to_char(e.done_at at time zone 'Asia/Shanghai', '-YYYYMMDD-HH24MI') || '.' || e.format;
end
$$;
comment on function transfer.fetch_export(uuid) is
	'The file of a finished export, logged. LN404 not_found, LN409 export_not_ready, LN410 export_gone, LN403 export_out_of_scope.';

create function transfer.covers(e transfer.export) returns boolean
language sql stable
return core.role() = e.for_role and not exists (select from unnest(e.scopes) s where not s ^@ any (core.scopes()));
comment on function transfer.covers(transfer.export) is 'Does the caller still answer for all that this export was asked for.';

create function transfer.drop_export(p_id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	delete from transfer.export x where x.street_id = core.street() and x.id = p_id;
	if not found then
		perform core.fail(404, 'not_found');
	end if;
	perform audit.put('export_delete', 'export', p_id, null, '{}');
end
$$;
comment on function transfer.drop_export(uuid) is 'Forgets an export of the caller''s; its file goes with the next round of the job process. LN404 not_found.';

---------------------------------------------------------------- erasure
-- A batch is read under the shared lock, somebody is erased under the other:
-- so each batch either stands in a row that the erasure finds, or holds the
-- pseudonym already.
create function transfer.gate(street integer, alone boolean) returns void
language plpgsql
as $$
begin
	if alone then
		perform pg_advisory_xact_lock(-1802, street);
	else
		perform pg_advisory_xact_lock_shared(-1802, street);
	end if;
end
$$;
comment on function transfer.gate(integer, boolean) is 'Held until commit: shared by who writes lines of persons into files, alone by who erases one.';

create function transfer.forget() returns void
language plpgsql
as $$
begin
	perform transfer.gate(core.street(), true);
	update transfer.export e set state = 'dropped', updated_at = core.now()
	from transfer.export_kind k
	where e.street_id = core.street() and e.state in ('waiting', 'running', 'done') and k.code = e.what and k.personal;
end
$$;
comment on function transfer.forget() is
	'Somebody is erased or restricted: every export of the street that may hold them goes, wherever they have lived. In role system.';

---------------------------------------------------------------- rows
create function transfer.time_text(at timestamptz) returns text
language sql stable parallel safe
return to_char(at at time zone 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI:SS');
comment on function transfer.time_text(timestamptz) is 'A time as it stands in a table for people: of Chengdu.';

create function transfer.day_of(at text) returns date
language sql stable parallel safe
return (at::timestamptz at time zone 'Asia/Shanghai')::date;
comment on function transfer.day_of(text) is 'The day of Chengdu of a time in a filter.';

create function transfer.tag_names(tags json) returns text
language sql stable parallel safe
return (select string_agg(t ->> 'name', '、') from json_array_elements(tags) t);
comment on function transfer.tag_names(json) is 'Names of the tags of people.tags_of().';

create function transfer.export_lines(e transfer.export, p_most integer) returns table (line jsonb, cursor text)
language plpgsql
as $$
declare
	street constant integer := core.street();
	w constant jsonb := (select k.words from transfer.export_kind k where k.code = e.what);
	place constant text := (select g.path from grid.grid g where g.street_id = core.street() and g.id = (e.filter ->> 'grid_id')::uuid);
	lo text collate "C" := coalesce(place, (select min(r.lo) from core.scope_ranges() r));
	hi constant text collate "C" := coalesce(core.path_end(place), (select max(r.hi) from core.scope_ranges() r));
	last uuid := '00000000-0000-0000-0000-000000000000';
begin
	if e.cursor is not null and e.what in ('households', 'dwellings') then
		lo := split_part(e.cursor, ' ', 1);
		last := split_part(e.cursor, ' ', 2)::uuid;
	end if;
	case e.what
		when 'persons' then
			-- The very functions of the API: what it withholds is withheld here.
			return query select case when r.id is not null then jsonb_build_array(r.id, r.name, coalesce(w ->> r.sex, r.sex), r.born_on, r.birth_year,
					r.phone_mask, r.id_number_mask, w ->> r.verified, r.verified_on, r.address,
					(select g.name from grid.grid g where g.street_id = street and g.id = r.grid_id), transfer.tag_names(r.tags),
					w ->> r.is_minor::text, w ->> r.withheld::text, w ->> r.has_account::text, r.household_id,
					transfer.time_text(r.updated_at)) end, s.path || ' ' || s.id
				from people.search(jsonb_strip_nulls(jsonb_build_object('under', e.filter -> 'grid_id', 'tag', e.filter -> 'tag')),
					e.cursor, p_most) s
				left join lateral people.read(s.id) r on true
				order by s.path, s.id;
		when 'households' then
			return query select jsonb_build_array(v.id, w ->> v.kind, v.address,
					(select g.name from grid.grid g where g.street_id = street and g.id = v.grid_id),
					(select string_agg(coalesce(m ->> 'name', '＊'), '、') from json_array_elements(v.members) m),
					json_array_length(v.members), transfer.tag_names(v.tags), transfer.time_text(v.updated_at)), h.path || ' ' || h.id
				from (select x.path, x.id from people.household x where x.street_id = street and (x.path, x.id) > (lo, last)
					and x.path < hi order by x.path, x.id limit p_most) h
				left join lateral people.household_view(h.id) v on true
				order by h.path, h.id;
		when 'dwellings' then
			return query select jsonb_build_array(d.id, d.building_name, d.unit, d.number, d.floor, d.area / 100.0, coalesce(w ->> d.use, d.use),
					coalesce(w ->> d.ownership_kind, d.ownership_kind), d.grid_name, transfer.time_text(d.updated_at)), d._path || ' ' || d.id
				from grid.dwelling_view d
				where d._street_id = street and (d._path, d.id) > (lo, last) and d._path < hi
				order by d._path, d.id limit p_most;
		when 'tickets' then
			return query select jsonb_build_array(b.number, coalesce(w ->> b.kind, b.kind), coalesce(c.name_zh, b.category), w ->> b.urgency,
					b.status, coalesce(p.title, b.title), g.name, w ->> b.on_behalf::text, p.contact_name,
					p.contact_phone_mask, p.address, b.stars, transfer.time_text(b.created_at), transfer.time_text(b.updated_at)),
					b.created_at || ':' || b.id
				from ticket.list(ticket.words((e.filter -> 'status')::json), null, null, null, (e.filter ->> 'grid_id')::uuid, false, false,
					(e.filter ->> 'from')::timestamptz, (e.filter ->> 'to')::timestamptz, null, null, e.cursor, p_most) b
				left join ticket.private p on p.street_id = street and p.ticket_id = b.id
				left join ticket.category c on c.code = b.category
				left join grid.grid g on g.street_id = street and g.id = b.grid_id
				order by b.created_at desc, b.id desc;
		else return query select * from duty.ledger_lines(e, p_most);
	end case;
end
$$;
comment on function transfer.export_lines(transfer.export, integer) is
	'The next lines of an export as JSON arrays in the order of its kind''s fields, each with the cursor after it; a null line is none. In the context of who asked.';

create function transfer.cut(line jsonb, kind text[], wanted text[]) returns jsonb
language sql immutable parallel safe
return case when line is not null then
	(select jsonb_agg(line -> (array_position(kind, f) - 1) order by n) from unnest(wanted) with ordinality x (f, n)) end;
comment on function transfer.cut(jsonb, text[], text[]) is 'Of a line in the order of its kind''s fields the ones wanted, in that order.';

---------------------------------------------------------------- the job
create function transfer.enter_as(e transfer.export) returns boolean
language plpgsql
as $$
begin
	begin
		perform core.enter(e.session_id, e.account_id, e.for_role, e.street_id, e.epoch);
	exception when sqlstate 'LN401' then
		null; -- undone: role system still
	end;
	if transfer.covers(e) then
		return true;
	end if;
	perform core.enter_system(e.street_id);
	update transfer.export x set state = 'refused', updated_at = core.now()
	where x.street_id = e.street_id and x.id = e.id;
	return false;
end
$$;
comment on function transfer.enter_as(transfer.export) is
	'Context of who asked for it, from the session they asked in; false, and it is refused, when that is over or reaches less far.';

create function transfer.note_export(p_street integer, p_done jsonb) returns void
language plpgsql
as $$
declare
	e transfer.export;
begin
	select x.* into e from transfer.export x where x.street_id = p_street and x.id = (p_done ->> 'id')::uuid
		and x.state in ('waiting', 'running') for update;
	if not found then
		return;
	elsif p_done ? 'failed' then
		update transfer.export x set state = 'failed', updated_at = core.now() where x.street_id = p_street and x.id = e.id;
	elsif not p_done ? 'made' then
		update transfer.export x set state = 'running', rows = (p_done ->> 'rows')::bigint, bytes = (p_done ->> 'bytes')::bigint,
			cursor = p_done ->> 'cursor', updated_at = core.now()
		where x.street_id = p_street and x.id = e.id;
	elsif transfer.enter_as(e) then
		update transfer.export x set state = 'done', bytes = (p_done ->> 'made')::bigint, done_at = core.now(), updated_at = core.now(),
			expires_at = core.now() + make_interval(hours => k.keep_hours)
		from transfer.export_kind k where x.street_id = p_street and x.id = e.id and k.code = e.what;
		perform audit.put('export', 'export', e.id, null, e.fields, e.reason,
			json_build_object('what', e.what, 'format', e.format, 'filter', e.filter, 'rows', e.rows), e.path);
	end if;
end
$$;
comment on function transfer.note_export(integer, jsonb) is
	'What the job process tells of {id}: rows, bytes and cursor it has written so far (all 0: begin again), the bytes of the file it made, or that it failed.';

create function transfer.export_step(p_done jsonb)
returns table (id uuid, format text, phase text, rows bigint, bytes bigint, cursor text, line text, title text)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	hand constant uuid := (p_done ->> 'id')::uuid;
	most constant integer := 1000;
	s integer;
	e transfer.export;
	n integer;
begin
	for s in select g.id from grid.street g order by g.id = core.street_of(hand) desc nulls last, g.id loop
		perform core.enter_system(s);
		if not exists (select from transfer.export x where x.street_id = s and x.state in ('waiting', 'running')) then
			continue;
		end if;
		perform transfer.gate(s, false);
		if core.street_of(hand) = s then
			perform transfer.note_export(s, p_done);
			perform core.enter_system(s);
		end if;
		select x.* into e from transfer.export x where x.street_id = s and x.state in ('waiting', 'running')
			order by x.id = hand desc nulls last, x.created_at limit 1 for update skip locked;
		if not found or not transfer.enter_as(e) then
			continue;
		end if;
		begin
			return query select e.id, e.format, 'lines'::text, e.rows, e.bytes, l.cursor, transfer.cut(l.line, k.fields, e.fields)::text, null::text
				from transfer.export_kind k, transfer.export_lines(e, most) l where k.code = e.what;
			get diagnostics n = row_count;
		exception when deadlock_detected or serialization_failure then
			raise;
		when others or query_canceled then
			raise warning 'export % failed: %', e.id, sqlerrm;
			perform core.enter_system(s);
			perform transfer.note_export(s, jsonb_build_object('id', e.id, 'failed', true));
			continue;
		end;
		if n = 0 then
			return query select e.id, e.format, 'make'::text, e.rows, e.bytes, e.cursor, array_to_json(e.titles)::text, e.title;
		end if;
		return;
	end loop;
end
$$;
comment on function transfer.export_step(jsonb) is
	'Job: takes note of what was done ({} = nothing yet) and hands out what is next of one export: lines to add after so many bytes, or, when there are no more, the titles of the columns and of all (phase make).';

create function transfer.stray_exports(p_names text[]) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	s integer;
	gone text[] := p_names;
begin
	for s in select g.id from grid.street g order by g.id loop
		perform core.enter_system(s);
		gone := array(select n from unnest(gone) n where not exists (select from transfer.export e
			where e.street_id = s and e.id::text = split_part(n, '.', 1) and (e.state in ('waiting', 'running')
				or (e.state = 'done' and e.expires_at > core.now() and e.format = split_part(n, '.', 2)))));
		delete from transfer.export e where e.street_id = s and e.created_at < core.now() - interval '30 days';
	end loop;
	return query select unnest(gone);
end
$$;
comment on function transfer.stray_exports(text[]) is
	'Job: which of these files (id.csv, id.xlsx, id.lines) no export needs any more; forgets exports of a month ago.';

grant select on transfer.export, transfer.export_view to linli_app;
grant execute on function transfer.request_export(uuid, uuid, jsonb), transfer.fetch_export(uuid), transfer.drop_export(uuid) to linli_app;
grant execute on function transfer.export_step(jsonb), transfer.stray_exports(text[]) to linli_job;
