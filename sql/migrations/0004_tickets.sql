-- ticket: 诉求. The loop 居民列单 → 网格接单 → 社区回单, its machine as data.
-- Run by linli_owner, one statement at a time.
create schema if not exists ticket;
grant usage on schema ticket to linli_app, linli_job, linli_matcher;

---------------------------------------------------------------- coordinates
-- Chinese maps and phones speak GCJ-02, hundreds of metres off WGS-84; what is
-- stored is WGS-84. x, y below are degrees from 105° E, 35° N.

create function core.gcj02_shift(lon float8, lat float8, out dlon float8, out dlat float8)
language plpgsql immutable strict parallel safe
as $$
declare
	-- Few operators, since each is set up again in every transaction; what is
	-- in brackets of its own is a constant to the planner.
	x float8 := lon - 105.0;
	y float8 := lat - 35.0;
	wave float8 := (sin((6.0 * pi()) * x) + sin((2.0 * pi()) * x)) * (40.0 / 3.0);
	magic float8 := 1 - 0.00669342162296594323 * sind(lat) ^ 2;
begin
	dlat := -100.0 + 2.0 * x + y * (3.0 + 0.2 * y + 0.1 * x) + 0.2 * sqrt(abs(x)) + wave
		+ (sin(pi() * y) + 2.0 * sin((pi() / 3.0) * y)
			+ 8.0 * sin((pi() / 12.0) * y) + 16.0 * sin((pi() / 30.0) * y)) * (40.0 / 3.0);
	dlon := 300.0 + 2.0 * y + x * (1.0 + 0.1 * x + 0.1 * y) + 0.1 * sqrt(abs(x)) + wave
		+ (sin(pi() * x) + 2.0 * sin((pi() / 3.0) * x)
			+ 7.5 * sin((pi() / 12.0) * x) + 15.0 * sin((pi() / 30.0) * x)) * (40.0 / 3.0);
	dlat := dlat * magic * sqrt(magic) * (180.0 / (6378245.0 * (1 - 0.00669342162296594323) * pi()));
	dlon := dlon * sqrt(magic) / cosd(lat) * (180.0 / (6378245.0 * pi()));
end
$$;
comment on function core.gcj02_shift(float8, float8) is
	'Offset in degrees of GCJ-02 from WGS-84 at a point (of either: it varies by under 2 m between them).';

create function core.wgs84_to_gcj02(lon float8, lat float8, out gcj_lon float8, out gcj_lat float8)
language plpgsql immutable strict parallel safe
as $$
declare
	s record;
begin
	gcj_lon := lon;
	gcj_lat := lat;
	if lon between 72.004 and 137.8347 and lat between 0.8293 and 55.8271 then
		s := core.gcj02_shift(lon, lat);
		gcj_lon := lon + s.dlon;
		gcj_lat := lat + s.dlat;
	end if;
end
$$;
comment on function core.wgs84_to_gcj02(float8, float8) is 'WGS-84 to GCJ-02; outside China unchanged.';

create function core.gcj02_to_wgs84(lon float8, lat float8, out wgs_lon float8, out wgs_lat float8)
language plpgsql immutable strict parallel safe
as $$
declare
	g record;
begin
	wgs_lon := lon;
	wgs_lat := lat;
	-- Each turn shrinks the error about a hundredfold: three are millimetres.
	for i in 1..3 loop
		g := core.wgs84_to_gcj02(wgs_lon, wgs_lat);
		wgs_lon := wgs_lon + lon - g.gcj_lon;
		wgs_lat := wgs_lat + lat - g.gcj_lat;
	end loop;
end
$$;
comment on function core.gcj02_to_wgs84(float8, float8) is 'GCJ-02 to WGS-84 by fixed-point iteration.';

create function ticket.position_json(lon float8, lat float8, crs text) returns json
language plpgsql immutable strict parallel safe
as $$
declare
	g record;
begin
	if crs = 'gcj02' then
		g := core.wgs84_to_gcj02(lon, lat);
		lon := g.gcj_lon;
		lat := g.gcj_lat;
	end if;
	return json_build_object('lon', round(lon::numeric, 6), 'lat', round(lat::numeric, 6), 'crs', crs);
end
$$;
comment on function ticket.position_json(float8, float8, text) is
	'A stored (WGS-84) position as clients read it, to a decimetre, in either system.';

create function core.metres(lon1 float8, lat1 float8, lon2 float8, lat2 float8) returns float8
language sql immutable parallel safe
return 2 * 6371008.8 * asin(least(1, sqrt(sind((lat2 - lat1) / 2) ^ 2
	+ cosd(lat1) * cosd(lat2) * sind((lon2 - lon1) / 2) ^ 2)));
comment on function core.metres(float8, float8, float8, float8) is
	'Great-circle distance of two WGS-84 points.';

---------------------------------------------------------------- small pure functions
create function ticket.silence() returns interval
language sql immutable parallel safe
return interval '7 days';
comment on function ticket.silence() is 'How long a replied ticket waits for its reporter before it closes.';

create function ticket.statuses_open() returns text[]
language sql immutable parallel safe
return array['submitted', 'accepted', 'in_progress', 'escalated_community',
	'called', 'dispatched', 'reported_in', 'suspended', 'resolved', 'reopened'];
comment on function ticket.statuses_open() is 'Statuses in which somebody on the staff still owes an act.';

create function ticket.path_depth(path text) returns integer
language sql immutable strict parallel safe
return length(path) - length(replace(path, '/', ''));
comment on function ticket.path_depth(text) is '1 street, 2 community, 3 general or special, 4 micro.';

create function ticket.plain(t text) returns text
language sql immutable strict parallel safe
return lower(normalize(t, NFKC));
comment on function ticket.plain(text) is 'Text as search compares it: lower case, full-width folded.';

create function ticket.grams(street integer, t text) returns bigint[]
language plpgsql immutable strict parallel safe
as $$
declare
	chars constant text[] := string_to_array(ticket.plain(t), null);
begin
	return (select coalesce(array_agg((street::bigint << 42) | (ascii(a)::bigint << 21) | ascii(b)), '{}')
		from unnest(chars, chars[2:]) u (a, b)
		where a > ' ' collate "C" and b > ' ' collate "C");
end
$$;
comment on function ticket.grams(integer, text) is
	'Pairs of neighbouring characters, each with its street in one number: two-character Chinese words need no dictionary, and a street''s search never wades through another''s.';

create function ticket.terms(q text) returns text[]
language sql immutable strict parallel safe
return array_remove(regexp_split_to_array(ticket.plain(q), '\s+'), '');
comment on function ticket.terms(text) is 'The words of a search; all must occur.';

create function ticket.has_terms(hay text, terms text[]) returns boolean
language plpgsql immutable strict parallel safe
as $$
declare
	text constant text := ticket.plain(hay);
	term text;
begin
	foreach term in array terms loop
		if strpos(text, term) = 0 then
			return false;
		end if;
	end loop;
	return true;
end
$$;
comment on function ticket.has_terms(text, text[]) is 'Do all terms occur in the text.';

create function ticket.cell(lon float8, lat float8) returns bigint
language sql immutable strict parallel safe
return floor(lat * 1000)::bigint * 1000000 + floor(lon * 500)::bigint;
comment on function ticket.cell(float8, float8) is
	'Number of a cell of 0.001° by 0.002°: more than 100 m both ways up to 63° of latitude, so what is within 100 m lies in the 3 × 3 around.';

---------------------------------------------------------------- categories
create table ticket.category (
	code text primary key check (code ~ '^[a-z][a-z0-9_]{1,39}$'),
	name_zh text not null,
	name_en text not null,
	physical boolean not null,
	extra_questions json,
	handled_by text not null check (handled_by in ('grid_lead', 'community', 'street',
		'property', 'sanitation', 'fire', 'urban_management', 'utilities', 'mediation', 'volunteers')),
	default_public boolean not null,
	sort integer not null default 100,
	active boolean not null default true
);
comment on table ticket.category is
	'class: reference. What tickets are about: physical ones are resolved with a photo; extra_questions is a JSON Schema of flat answers; handled_by says who does the work.';

insert into ticket.category (code, name_zh, name_en, physical, extra_questions, handled_by, default_public, sort) values
	('drain_blocked', '管道堵塞与化粪池', 'Blocked drains and septic tanks', true,
		'{"type":"object","properties":{"overflowing":{"type":"boolean","title":"是否外溢"},"households":{"type":"integer","title":"受影响户数","minimum":1,"maximum":10000},"place":{"type":"string","title":"位置","enum":["室内","楼道","院落","道路"]}},"required":["overflowing"]}',
		'community', true, 10),
	('oil_smoke', '餐饮油烟扰民', 'Oil smoke from kitchens', true,
		'{"type":"object","properties":{"shop":{"type":"string","title":"店铺名称","maxLength":60},"hours":{"type":"string","title":"主要时段","enum":["早","中","晚","全天"]}},"required":[]}',
		'urban_management', true, 20),
	('fire_hazard', '消防隐患与灭火器', 'Fire hazards and extinguishers', true,
		'{"type":"object","properties":{"kind":{"type":"string","title":"隐患类型","enum":["灭火器过期","通道堵塞","消防栓","私拉电线","其他"]},"expires_on":{"type":"string","title":"灭火器有效期","maxLength":20}},"required":["kind"]}',
		'property', true, 30),
	('ebike_parking', '电动车停放与充电', 'E-bike parking and charging', true,
		'{"type":"object","properties":{"indoors":{"type":"boolean","title":"是否在楼内"},"charging":{"type":"boolean","title":"是否正在充电"}},"required":["indoors"]}',
		'grid_lead', true, 40),
	('waste_sorting', '垃圾清运与分类', 'Rubbish and sorting', true, null, 'sanitation', true, 50),
	('noise', '噪声扰民', 'Noise', false,
		'{"type":"object","properties":{"hours":{"type":"string","title":"主要时段","enum":["白天","晚间","夜间"]}},"required":[]}',
		'grid_lead', false, 60),
	('car_parking', '机动车停放', 'Car parking', true, null, 'property', true, 70),
	('street_light', '路灯与公共设施', 'Street lights and public facilities', true, null, 'community', true, 80),
	('greening', '绿化养护', 'Greenery', true, null, 'property', true, 90),
	('illegal_building', '违章搭建', 'Unauthorised construction', true, null, 'urban_management', false, 100),
	('pets', '宠物与流浪动物', 'Pets and strays', false, null, 'grid_lead', true, 110),
	('utilities', '供水供电供气', 'Water, power and gas', true,
		'{"type":"object","properties":{"supply":{"type":"string","title":"种类","enum":["水","电","气","网络"]},"whole_building":{"type":"boolean","title":"是否整栋"}},"required":["supply"]}',
		'utilities', true, 120),
	('neighbour_dispute', '邻里纠纷', 'Disputes between neighbours', false, null, 'mediation', false, 130),
	('property_service', '物业服务', 'Property management', false, null, 'property', true, 140),
	('elder_care', '关爱老人与困难群众', 'Care for the elderly and those in need', false, null, 'volunteers', false, 150),
	('policy_question', '政策咨询', 'Questions on policy', false, null, 'community', true, 160),
	('community_life', '社区活动与建议', 'Community life and ideas', false, null, 'community', true, 170),
	('other', '其他', 'Anything else', false, null, 'grid_lead', false, 999);

---------------------------------------------------------------- tables
create table ticket.ticket (
	street_id integer not null,
	id uuid not null,
	number text not null,
	kind text not null check (kind in ('problem', 'suggestion', 'dispute', 'consultation', 'praise')),
	category text not null references ticket.category (code),
	urgency text not null check (urgency in ('normal', 'urgent', 'critical')),
	status text not null default 'submitted' check (status in ('submitted', 'accepted',
		'in_progress', 'escalated_community', 'called', 'dispatched', 'reported_in', 'suspended',
		'resolved', 'replied', 'closed', 'reopened', 'rejected', 'withdrawn', 'merged')),
	title text not null,
	description text not null,
	grid_id uuid not null,
	path text collate "C" not null,
	community text collate "C" not null generated always as
		(split_part(path, '/', 1) || '/' || split_part(path, '/', 2) || '/') stored,
	owner_id uuid,
	submitted_by uuid not null,
	handler_id uuid,
	is_public boolean not null check (not (is_public and kind = 'dispute')),
	-- As ticket.statuses_open() says; spelled out, for a function here would
	-- be planned at every update.
	is_open boolean not null generated always as (status in ('submitted', 'accepted',
		'in_progress', 'escalated_community', 'called', 'dispatched', 'reported_in', 'suspended',
		'resolved', 'reopened')) stored,
	reply text,
	stars integer check (stars between 1 and 5),
	support_count integer not null default 0 check (support_count >= 0),
	comment_count integer not null default 0,
	thank_count integer not null default 0,
	photo_count integer not null default 0,
	merged_into uuid,
	merged_count integer not null default 0,
	reopened_count integer not null default 0,
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	accepted_at timestamptz,
	resolved_at timestamptz,
	replied_at timestamptz,
	closed_at timestamptz,
	-- Of its clocks (clock.clock) the one due first, so that lists need no other table.
	due_at timestamptz,
	warn_at timestamptz,
	hotline_class text check (hotline_class in ('consult', 'help', 'complaint')),
	urged_count integer not null default 0,
	supervised_at timestamptz,
	version integer not null default 1,
	grams bigint[] not null generated always as
		(ticket.grams(street_id, title || ' ' || description)) stored,
	primary key (street_id, id),
	unique (street_id, number),
	foreign key (street_id, grid_id) references grid.grid (street_id, id),
	foreign key (street_id, merged_into) references ticket.ticket (street_id, id)
);
comment on table ticket.ticket is
	'class: street. A ticket as everybody who may see it sees it; title, description and reply with phones and ID numbers masked. What is not for the public stands in ticket.private.';
comment on column ticket.ticket.owner_id is 'Account of the reporter; null when a lead wrote it down for somebody without one';
comment on column ticket.ticket.submitted_by is 'Account that wrote it';
comment on column ticket.ticket.handler_id is 'Account of the lead who accepted it or was handed it';
comment on column ticket.ticket.hotline_class is '12345: 咨询 consult, 求助/建议 help, 投诉举报 complaint; null when it did not come by the hotline';
comment on column ticket.ticket.community is 'Path of the community, for lists in order of time';

create index ticket_street on ticket.ticket (street_id, created_at, id);
create index ticket_street_open on ticket.ticket (street_id, created_at, id) where is_open;
create index ticket_community on ticket.ticket (street_id, community, created_at, id);
create index ticket_community_open on ticket.ticket (street_id, community, created_at, id) where is_open;
create index ticket_path on ticket.ticket (street_id, path, created_at, id);
create index ticket_path_open on ticket.ticket (street_id, path, created_at, id) where is_open;
create index ticket_submitted_by on ticket.ticket (street_id, submitted_by, created_at, id);
create index ticket_updated on ticket.ticket (street_id, updated_at, id);
create index ticket_merged on ticket.ticket (street_id, merged_into) where merged_into is not null;
create index ticket_silent on ticket.ticket (street_id, replied_at) where status = 'replied';
create index ticket_grams on ticket.ticket using gin (grams) with (gin_pending_list_limit = 128);

create table ticket.private (
	street_id integer not null,
	ticket_id uuid not null,
	path text collate "C" not null,
	owner_id uuid,
	is_public boolean not null,
	category text not null,
	created_at timestamptz not null,
	title text not null,
	description text not null,
	reply text,
	contact_name text,
	contact_phone text,
	contact_phone_mask text,
	contact_phone_index text,
	on_behalf_note text,
	address text,
	compound_id uuid,
	building text,
	lon float8,
	lat float8 check ((lon is null) = (lat is null)),
	cell bigint generated always as (ticket.cell(lon, lat)) stored,
	position json generated always as (ticket.position_json(lon, lat, 'wgs84')) stored,
	position_gcj02 json generated always as (ticket.position_json(lon, lat, 'gcj02')) stored,
	answers json,
	primary key (street_id, ticket_id),
	foreign key (street_id, ticket_id) references ticket.ticket (street_id, id),
	foreign key (street_id, compound_id) references grid.compound (street_id, id)
);
comment on table ticket.private is
	'class: street. Of a ticket, what only its reporter and the staff in scope may see: texts as written, the contact (phone sealed by the daemon), the place.';
create index private_cell on ticket.private (street_id, category, cell, created_at) where cell is not null;
create index private_building on ticket.private (street_id, category, compound_id, building, created_at)
	where compound_id is not null and building is not null;
create index private_phone on ticket.private (street_id, contact_phone_index)
	where contact_phone_index is not null;

create table ticket.supporter (
	street_id integer not null,
	ticket_id uuid not null,
	account_id uuid not null,
	path text collate "C" not null,
	owner_id uuid,
	is_public boolean not null,
	created_at timestamptz not null default core.now(),
	primary key (street_id, ticket_id, account_id),
	foreign key (street_id, ticket_id) references ticket.ticket (street_id, id)
);
comment on table ticket.supporter is 'class: street. Who else has the same trouble; people see only themselves, staff all.';
create index supporter_account on ticket.supporter (street_id, account_id, ticket_id);

create table ticket.thanks (
	street_id integer not null,
	ticket_id uuid not null,
	account_id uuid not null,
	path text collate "C" not null,
	owner_id uuid,
	is_public boolean not null,
	text text,
	created_at timestamptz not null default core.now(),
	primary key (street_id, ticket_id, account_id),
	foreign key (street_id, ticket_id) references ticket.ticket (street_id, id)
);
comment on table ticket.thanks is 'class: street. One thank-you a resident and ticket.';

create table ticket.rating (
	street_id integer not null,
	ticket_id uuid not null,
	account_id uuid not null,
	path text collate "C" not null,
	owner_id uuid,
	is_public boolean not null,
	stars integer not null check (stars between 1 and 5),
	resolved boolean not null,
	satisfied boolean not null,
	text text,
	created_at timestamptz not null default core.now(),
	primary key (street_id, ticket_id),
	foreign key (street_id, ticket_id) references ticket.ticket (street_id, id)
);
comment on table ticket.rating is 'class: street. The reporter''s own verdict, which closes the ticket; the public sees only the stars.';

create table ticket.comment (
	street_id integer not null,
	id uuid not null,
	ticket_id uuid not null,
	author_id uuid not null,
	author_role text not null,
	path text collate "C" not null,
	owner_id uuid,
	is_public boolean not null,
	internal boolean not null,
	text text not null,
	created_at timestamptz not null default core.now(),
	primary key (street_id, id),
	foreign key (street_id, ticket_id) references ticket.ticket (street_id, id)
);
comment on table ticket.comment is 'class: street. What people say on a ticket; internal ones are between staff.';
create index comment_ticket on ticket.comment (street_id, ticket_id, id);

---------------------------------------------------------------- row-level security
-- A CASE here and for ticket.private: beside a query's own "street_id = :street"
-- a plain comparison would put a node of its own above every scan.
alter table ticket.ticket enable row level security;
alter table ticket.ticket force row level security;
create policy visible on ticket.ticket
	using (case when street_id = core.street() then core.may_see(path, owner_id, is_public) end);

alter table ticket.private enable row level security;
alter table ticket.private force row level security;
create policy private on ticket.private
	using (case when street_id = core.street() then core.may_see_private(path, owner_id) end);

alter table ticket.rating enable row level security;
alter table ticket.rating force row level security;
create policy private on ticket.rating
	using (street_id = core.street() and core.may_see_private(path, owner_id));

alter table ticket.supporter enable row level security;
alter table ticket.supporter force row level security;
create policy staff_or_self on ticket.supporter
	using (street_id = core.street()
		and (account_id = core.actor() or core.may_see_private(path, null)));

alter table ticket.thanks enable row level security;
alter table ticket.thanks force row level security;
create policy staff_or_self on ticket.thanks
	using (street_id = core.street()
		and (account_id = core.actor() or core.may_see_private(path, null)));

alter table ticket.comment enable row level security;
alter table ticket.comment force row level security;
create policy visible on ticket.comment
	using (street_id = core.street()
		and ((not internal and core.may_see(path, owner_id, is_public))
			or core.may_see_private(path, null)));

-- A ticket handed to another grid, or no longer public, takes its history
-- along; what happened can still not be rewritten.
grant update (path, is_public) on core.event to linli_owner;
create policy restamp on core.event for update
	using (street_id = core.street() and core.role() = 'system');
create index event_path on core.event (street_id, path, xact, id);

---------------------------------------------------------------- the machine
-- Read at every read of a ticket, so it is a constant in a function's body:
-- "status role bars" to the actions as JSON text, for each set of bars that
-- ticket.bars() can give. Only residents' acts have any.
create function ticket.offers() returns jsonb
language sql immutable parallel safe
as $$select '{}'::jsonb$$;
comment on function ticket.offers() is
	'Derived from core.transition by ticket.gather_offers(): what may be done in a status by a role with these bars.';

create function ticket.bar_sets() returns setof text[]
language sql immutable parallel safe rows 36
as $$
	select array_remove(array[s, t, o, f, j, h], null)
	from unnest(array['supported', 'not_supported']) s, unnest(array[null, 'not_thanked']) t,
		unnest(array['reporter', 'not_own']) o, unnest(array[null, 'first_reopen']) f,
		unnest(array[null, 'nobody_joined']) j, unnest(array[null, 'not_handler']) h
	where o = 'not_own' or num_nonnulls(f, j, h) = 0
$$;
comment on function ticket.bar_sets() is 'Every result of ticket.bars(), in its order.';

create function ticket.plain_offers() returns jsonb
language sql immutable parallel safe
as $$select '{}'::jsonb$$;
comment on function ticket.plain_offers() is
	'Of ticket.offers(), by status, what a resident may do with a ticket of somebody else that nobody supports or gave thanks for and that no clock runs for: most that residents read.';

create function ticket.gather_offers() returns trigger
language plpgsql
as $$
declare
	offers jsonb := (select coalesce(jsonb_object_agg(concat_ws(' ', o.status, o.role, o.bars), o.actions), '{}')
		from (select x.from_state as status, r as role,
				case r when 'resident' then array_to_string(b, ' ') end as bars,
				json_agg(x.action order by x.action)::text as actions
			from core.transition x, unnest(x.roles) r, ticket.bar_sets() b
			where x.machine in ('ticket', 'ticket_aside')
				and (r = 'resident' or b = '{supported,reporter}')
				and not coalesce(string_to_array(x.guard, ' ') && b and r = 'resident', false)
			group by 1, 2, 3) o);
	plain jsonb := (select coalesce(jsonb_object_agg(split_part(key, ' ', 1), value), '{}')
		from jsonb_each(offers) where key ~ '^\S+ resident supported reporter$');
begin
	execute format('create or replace function ticket.offers() returns jsonb '
		'language sql immutable parallel safe as %L', format('select %L::jsonb', offers));
	execute format('create or replace function ticket.plain_offers() returns jsonb '
		'language sql immutable parallel safe as %L', format('select %L::jsonb', plain));
	return null;
end
$$;
create trigger gather_offers after insert or update or delete on core.transition
for each statement execute function ticket.gather_offers();
insert into core.transition (machine, from_state, action, to_state, roles, guard) values
	('ticket', '', 'submit', 'submitted', '{resident,grid_lead}', null),
	('ticket', 'submitted', 'accept', 'accepted', '{grid_lead}', null),
	('ticket', 'reopened', 'accept', 'accepted', '{grid_lead}', null),
	('ticket', 'submitted', 'overdue', 'escalated_community', '{system}', 'overdue'),
	('ticket', 'reopened', 'overdue', 'escalated_community', '{system}', 'overdue'),
	('ticket', 'submitted', 'reject', 'rejected', '{grid_lead,community}', null),
	('ticket', 'submitted', 'transfer', 'submitted', '{grid_lead,community}', null),
	('ticket', 'submitted', 'merge', 'merged', '{community}', null),
	('ticket', 'accepted', 'start', 'in_progress', '{grid_lead}', null),
	('ticket', 'accepted', 'escalate', 'escalated_community', '{grid_lead}', null),
	('ticket', 'in_progress', 'escalate', 'escalated_community', '{grid_lead}', null),
	('ticket', 'escalated_community', 'start', 'in_progress', '{community}', null),
	-- 网格呼叫, 街道处置, 部门报到. Departments act on their parts (ticket.dispatch),
	-- which move the ticket by these rows, whoever does the street's own part.
	('ticket', 'escalated_community', 'call', 'called', '{community}', null),
	('ticket', 'called', 'dispatch', 'dispatched', '{street}', null),
	('ticket', 'dispatched', 'dispatch', 'dispatched', '{street}', null),
	('ticket', 'reported_in', 'dispatch', 'reported_in', '{street}', null),
	('ticket', 'in_progress', 'dispatch', 'in_progress', '{street}', null),
	('ticket', 'dispatched', 'report_in', 'reported_in', '{department}', null),
	('ticket', 'reported_in', 'start', 'in_progress', '{department}', null),
	('ticket', 'in_progress', 'parts_done', 'resolved', '{department}', null),
	('ticket', 'dispatched', 'hand_back', 'called', '{department}', null),
	('ticket', 'in_progress', 'hand_back', 'called', '{department}', null),
	('ticket', 'in_progress', 'suspend', 'suspended', '{community}', null),
	('ticket', 'suspended', 'resume', 'in_progress', '{community}', null),
	('ticket', 'in_progress', 'resolve', 'resolved', '{grid_lead,community}', 'photo_if_physical'),
	('ticket', 'resolved', 'send_back', 'in_progress', '{community}', null),
	('ticket', 'resolved', 'reply', 'replied', '{community}', null),
	('ticket', 'replied', 'rate', 'closed', '{resident}', 'reporter not_handler'),
	('ticket', 'replied', 'reopen', 'reopened', '{resident}', 'reporter first_reopen'),
	('ticket', 'replied', 'close', 'closed', '{system}', 'silent'),
	('ticket', 'submitted', 'withdraw', 'withdrawn', '{resident}', 'reporter nobody_joined'),
	('ticket', 'accepted', 'withdraw', 'withdrawn', '{resident}', 'reporter nobody_joined'),
	('ticket', 'in_progress', 'withdraw', 'withdrawn', '{resident}', 'reporter nobody_joined'),
	('ticket', 'escalated_community', 'withdraw', 'withdrawn', '{resident}', 'reporter nobody_joined'),
	('ticket', 'called', 'withdraw', 'withdrawn', '{resident}', 'reporter nobody_joined'),
	('ticket', 'dispatched', 'withdraw', 'withdrawn', '{resident}', 'reporter nobody_joined'),
	('ticket', 'reported_in', 'withdraw', 'withdrawn', '{resident}', 'reporter nobody_joined'),
	('ticket', 'suspended', 'withdraw', 'withdrawn', '{resident}', 'reporter nobody_joined'),
	('ticket', 'reopened', 'withdraw', 'withdrawn', '{resident}', 'reporter nobody_joined');

-- What people do beside the machine, without moving the ticket.
insert into core.transition (machine, from_state, action, to_state, roles, guard)
select 'ticket_aside', s, a, s, r::text[], g
from (values
	('edit', '{submitted}', '{resident}', 'reporter'),
	('support', '{submitted,accepted,in_progress,escalated_community,called,dispatched,reported_in,suspended,reopened}',
		'{resident}', 'not_own not_supported'),
	('unsupport', '{submitted,accepted,in_progress,escalated_community,called,dispatched,reported_in,suspended,reopened}',
		'{resident}', 'supported'),
	('urge', '{submitted,accepted,in_progress,escalated_community,called,dispatched,reported_in,resolved,reopened}',
		'{resident}', 'reporter'),
	('supervise', '{submitted,accepted,in_progress,escalated_community,called,dispatched,reported_in,suspended,resolved,reopened}',
		'{street}', null),
	('thank', '{resolved,replied,closed}', '{resident}', 'not_thanked'),
	('comment', '{submitted,accepted,in_progress,escalated_community,called,dispatched,reported_in,suspended,resolved,replied,closed,reopened,rejected,withdrawn,merged}',
		'{resident,grid_lead,community,street}', null),
	('contact', '{submitted,accepted,in_progress,escalated_community,called,dispatched,reported_in,suspended,resolved,replied,closed,reopened,rejected,withdrawn,merged}',
		'{grid_lead,community}', null)) v (a, f, r, g),
	unnest(f::text[]) s;

create function ticket.supported(p_id uuid) returns boolean
language plpgsql stable
as $$
begin
	return exists (select from ticket.supporter s
		where s.street_id = core.street() and s.ticket_id = p_id and s.account_id = core.actor());
end
$$;
comment on function ticket.supported(uuid) is 'Does the caller support it.';

create function ticket.thanked(p_id uuid) returns boolean
language plpgsql stable
as $$
begin
	return exists (select from ticket.thanks s
		where s.street_id = core.street() and s.ticket_id = p_id and s.account_id = core.actor());
end
$$;
comment on function ticket.thanked(uuid) is 'Has the caller said thanks for it.';

-- Counts are looked at before rows: most tickets have none.
create function ticket.bars(t ticket.ticket) returns text[]
language plpgsql stable
as $$
declare
	bars text[] := array[
		case when t.support_count > 0 and ticket.supported(t.id) then 'not_supported' else 'supported' end];
begin
	if t.thank_count > 0 and ticket.thanked(t.id) then
		bars := bars || text 'not_thanked';
	end if;
	if t.owner_id is distinct from core.actor() then
		return bars || text 'reporter';
	end if;
	-- What only the reporter is asked.
	bars := bars || text 'not_own';
	if t.reopened_count > 0 then
		bars := bars || text 'first_reopen';
	end if;
	if t.merged_count > 0 and exists (select from ticket.ticket x
		where x.street_id = core.street() and x.merged_into = t.id and x.status = 'merged') then
		bars := bars || text 'nobody_joined';
	end if;
	-- Who may not rate is asked where there is something to rate.
	if t.status = 'replied' and exists (select from core.event e
		where e.street_id = core.street() and e.subject_id = t.id and e.actor_id = core.actor()
			and e.actor_role in ('grid_lead', 'community', 'street')) then
		bars := bars || text 'not_handler';
	end if;
	return bars;
end
$$;
comment on function ticket.bars(ticket.ticket) is
	'Names of the guards in core.transition that bar the caller now; photo_if_physical, silent and overdue depend on the act itself: ticket.act() looks.';

create function ticket.why(p_bar text) returns text
language sql immutable strict parallel safe
return case p_bar
	when 'reporter' then '403 not_reporter'
	when 'not_own' then '409 own_ticket'
	when 'first_reopen' then '409 reopen_used'
	when 'nobody_joined' then '409 others_joined'
	when 'not_handler' then '403 handler_cannot_rate'
	when 'supported' then '409 not_supported'
	when 'not_supported' then '409 already_supported'
	when 'not_thanked' then '409 already_thanked' end;
comment on function ticket.why(text) is 'Status and code of a guard that bars.';

create function ticket.permit(t ticket.ticket, p_action text) returns core.transition
language plpgsql stable
as $$
declare
	tr core.transition;
	why text;
begin
	if not exists (select from core.transition x
		where x.machine in ('ticket', 'ticket_aside') and x.action = p_action
			and core.role() = any (x.roles)) then
		perform core.fail(403, 'role_not_allowed');
	end if;
	select x.* into tr from core.transition x
	where x.machine in ('ticket', 'ticket_aside') and x.from_state = t.status and x.action = p_action;
	if not found then
		perform core.fail(409, case when p_action = 'accept' and t.status = 'accepted'
			then 'already_accepted' else 'wrong_state' end);
	elsif core.role() <> all (tr.roles) then
		perform core.fail(403, 'role_not_allowed');
	end if;
	why := (select ticket.why(g.bar) from unnest(string_to_array(tr.guard, ' ')) with ordinality g (bar, n)
		where g.bar = any (ticket.bars(t)) order by g.n limit 1);
	if why is not null then
		perform core.fail(left(why, 3)::integer, substr(why, 5));
	end if;
	return tr;
end
$$;
comment on function ticket.permit(ticket.ticket, text) is
	'The transition of an act by the caller on a ticket, or the reason against it: role 403, state 409, guard.';

---------------------------------------------------------------- parts of acts
create function ticket.pointer(base text, key text) returns text
language sql immutable parallel safe
return base || '/' || replace(replace(key, '~', '~0'), '/', '~1');
comment on function ticket.pointer(text, text) is 'JSON pointer of a member (RFC 6901).';

create function ticket.check_answers(p_category text, p_answers jsonb) returns void
language plpgsql stable
as $$
declare
	q jsonb;
	k text;
	v jsonb;
	s jsonb;
begin
	select c.extra_questions::jsonb into q from ticket.category c where c.code = p_category;
	if q is null and p_answers is null then
		return;
	end if;
	for k, v in select * from jsonb_each(coalesce(p_answers, '{}')) loop
		s := q -> 'properties' -> k;
		if s is null then
			perform core.fail(422, 'answer_unknown', ticket.pointer('/answers', k));
		elsif not ticket.answer_fits(s, v) then
			perform core.fail(422, 'answer_invalid', ticket.pointer('/answers', k));
		end if;
	end loop;
	for k in select jsonb_array_elements_text(coalesce(q -> 'required', '[]')) loop
		if not coalesce(p_answers, '{}') ? k then
			perform core.fail(422, 'answer_required', ticket.pointer('/answers', k));
		end if;
	end loop;
end
$$;
comment on function ticket.check_answers(text, jsonb) is
	'Answers against the extra questions of their category: unknown, type, bounds, enum, required.';

create function ticket.answer_fits(s jsonb, v jsonb) returns boolean
language plpgsql immutable
as $$
declare
	n numeric;
begin
	if s ? 'enum' and not (s -> 'enum') @> v then
		return false;
	end if;
	case s ->> 'type'
	when 'string' then
		return jsonb_typeof(v) = 'string'
			and length(v #>> '{}') between coalesce((s ->> 'minLength')::integer, 1)
				and coalesce((s ->> 'maxLength')::integer, 200);
	when 'boolean' then
		return jsonb_typeof(v) = 'boolean';
	when 'integer' then
		if jsonb_typeof(v) <> 'number' then
			return false;
		end if;
		n := (v #>> '{}')::numeric;
		return n = trunc(n) and n between coalesce((s ->> 'minimum')::numeric, -2147483648)
			and coalesce((s ->> 'maximum')::numeric, 2147483647);
	end case;
end
$$;
comment on function ticket.answer_fits(jsonb, jsonb) is 'One answer against its question.';

create function ticket.place_grid(p_grid uuid, p_lon float8, p_lat float8) returns grid.grid
language plpgsql stable
as $$
declare
	g grid.grid;
	home text := (core.scopes())[1];
begin
	if p_grid is null and p_lon is not null then
		select a.grid_id into p_grid from grid.at(core.street(), p_lon, p_lat, core.today()) a;
		-- A street without a map falls back on where people live.
		if p_grid is null and grid.has_map() then
			perform core.fail(422, 'position_outside', '/position');
		end if;
	end if;
	if p_grid is null and cardinality(core.scopes()) <> 1 then
		perform core.fail(422, 'grid_required', '/grid_id');
	end if;
	if p_grid is null then
		select x.* into g from grid.grid x
		where x.street_id = core.street() and x.path = home;
	else
		select x.* into g from grid.grid x
		where x.street_id = core.street() and x.id = p_grid;
	end if;
	if g.id is null or g.valid_to <= core.today() or g.valid_from > core.today() then
		perform core.fail(422, 'grid_not_found', '/grid_id');
	elsif g.kind not in ('micro', 'special') then
		perform core.fail(422, case when p_grid is null then 'grid_required'
			else 'grid_not_for_tickets' end, '/grid_id');
	elsif core.role() = 'grid_lead' and not g.path ^@ any (core.scopes()) then
		perform core.fail(422, 'grid_not_found', '/grid_id');
	end if;
	return g;
end
$$;
comment on function ticket.place_grid(uuid, float8, float8) is
	'The grid of a new ticket: the one named whatever the position, else the one of the position, else the caller''s own when there is just one.';

create function ticket.write_private(t ticket.ticket, b jsonb, x float8, y float8) returns void
language plpgsql
as $$
declare
	said jsonb := nullif(b -> 'answers', 'null');
begin
	if b ->> 'compound_id' is not null and not exists (select from grid.compound c
		where c.street_id = t.street_id and c.id = (b ->> 'compound_id')::uuid) then
		perform core.fail(422, 'compound_not_found', '/compound_id');
	end if;
	perform ticket.check_answers(b ->> 'category', said);
	-- Two statements: ON CONFLICT would be set up at every submit.
	if t.version > 1 then
		update ticket.private p set is_public = t.is_public, category = t.category,
			title = b ->> 'title', description = b ->> 'description',
			contact_name = coalesce(b -> 'on_behalf' ->> 'name', b ->> 'contact_name'),
			-- The full number is never given back, so silence keeps it.
			contact_phone = coalesce(b ->> 'contact_phone', p.contact_phone),
			contact_phone_mask = coalesce(b ->> 'contact_phone_mask', p.contact_phone_mask),
			contact_phone_index = coalesce(b ->> 'contact_phone_index', p.contact_phone_index),
			address = b ->> 'address', compound_id = (b ->> 'compound_id')::uuid,
			building = nullif(btrim(b ->> 'building'), ''), lon = x, lat = y,
			answers = said::json
		where p.street_id = t.street_id and p.ticket_id = t.id;
		return;
	end if;
	insert into ticket.private (street_id, ticket_id, path, owner_id, is_public,
		category, created_at, title, description, contact_name, contact_phone,
		contact_phone_mask, contact_phone_index, on_behalf_note, address,
		compound_id, building, lon, lat, answers)
	values (t.street_id, t.id, t.path, t.owner_id, t.is_public, t.category, t.created_at,
		b ->> 'title', b ->> 'description',
		coalesce(b -> 'on_behalf' ->> 'name', b ->> 'contact_name'), b ->> 'contact_phone',
		b ->> 'contact_phone_mask', b ->> 'contact_phone_index', b -> 'on_behalf' ->> 'note',
		b ->> 'address', (b ->> 'compound_id')::uuid, nullif(btrim(b ->> 'building'), ''),
		x, y, said::json);
end
$$;
comment on function ticket.write_private(ticket.ticket, jsonb, float8, float8) is
	'Checks and writes the private half of a ticket just written from the body of submit or edit; x and y are its position in WGS-84.';

create function ticket.position_of(b jsonb, out lon float8, out lat float8)
language plpgsql immutable parallel safe
as $$
declare
	w record := core.wgs84((b #>> '{position,lon}')::float8, (b #>> '{position,lat}')::float8, b #>> '{position,crs}');
begin
	lon := w.lon;
	lat := w.lat;
end
$$;
comment on function ticket.position_of(jsonb) is 'The position in the body of submit or edit, in WGS-84; nulls when there is none.';

create function ticket.publicity(b jsonb) returns boolean
language plpgsql stable
as $$
declare
	usual boolean;
begin
	select c.default_public into usual from ticket.category c
	where c.code = b ->> 'category' and c.active;
	if not found then
		perform core.fail(422, 'category_unknown', '/category');
	elsif b ->> 'kind' = 'dispute' then
		if (b ->> 'public')::boolean then
			perform core.fail(422, 'dispute_not_public', '/public');
		end if;
		return false;
	end if;
	return coalesce((b ->> 'public')::boolean, usual);
end
$$;
comment on function ticket.publicity(jsonb) is
	'Is a ticket of this body public: as said, else as usual in its category; a dispute never.';

---------------------------------------------------------------- submit and edit
create function ticket.submit(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	g grid.grid;
	t ticket.ticket;
	due timestamptz;
	warn timestamptz;
	shown boolean := ticket.publicity(b);
	own boolean := core.role() in ('resident', 'client');
	owner uuid := case when own then core.actor() end;
	on_behalf boolean := jsonb_typeof(b -> 'on_behalf') = 'object';
	place constant record := ticket.position_of(b);
begin
	if core.role() not in ('resident', 'grid_lead', 'client') then
		perform core.fail(403, 'role_not_allowed');
	elsif own and on_behalf then
		perform core.fail(422, 'on_behalf_not_allowed', '/on_behalf');
	elsif not own and on_behalf is not true then
		perform core.fail(422, 'on_behalf_required', '/on_behalf');
	elsif own and b ->> 'hotline_class' is not null then
		perform core.fail(422, 'staff_only', '/hotline_class');
	end if;
	g := ticket.place_grid((b ->> 'grid_id')::uuid, place.lon, place.lat);
	select c.due_at, c.half_at into due, warn
	from clock.start('ticket', p_id, 'accept', g.path, owner,
		b ->> 'kind', b ->> 'category', b ->> 'urgency', b ->> 'hotline_class') c;
	perform core.put_event('ticket', p_id, 'submit', null, 'submitted', g.path, owner, shown);
	-- As late as can be: who has the next number has the street's counter
	-- until commit.
	insert into ticket.ticket as x (street_id, id, number, kind, category, urgency,
		title, description, grid_id, path, owner_id, submitted_by, is_public,
		due_at, warn_at, hotline_class)
	select s.id, p_id, s.prefix || '-' || extract(year from core.today()) || '-'
			|| lpad(n::text, greatest(6, length(n::text)), '0'),
		b ->> 'kind', b ->> 'category', b ->> 'urgency',
		core.mask_text(b ->> 'title'), core.mask_text(b ->> 'description'),
		g.id, g.path, owner, core.actor(), shown,
		due, warn, b ->> 'hotline_class'
	from grid.street s, core.next_number(s.id, 'ticket') n
	where s.id = core.street()
	returning x.* into t;
	perform ticket.write_private(t, b, place.lon, place.lat);
	perform ticket.attach_photos(p_id, b -> 'photo_ids', 'report');
end
$$;
comment on function ticket.submit(uuid, jsonb) is
	'列单: a new ticket by a resident, or by a lead for somebody without a phone. The body is the request''s, checked, its phone sealed.';

create function ticket.edit(p_id uuid, p_if_match text, b jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	t ticket.ticket;
	shown boolean;
	was_shown boolean;
	place constant record := ticket.position_of(b);
begin
	select x.* into t from ticket.ticket x
	where x.street_id = core.street() and x.id = p_id for update;
	if not found then
		return false;
	end if;
	perform ticket.permit(t, 'edit');
	if core.is_stale(t.version, p_if_match) then
		perform core.fail(412, 'version_conflict');
	end if;
	shown := ticket.publicity(b);
	was_shown := t.is_public;
	update ticket.ticket x set kind = b ->> 'kind', category = b ->> 'category',
		urgency = b ->> 'urgency', title = core.mask_text(b ->> 'title'),
		description = core.mask_text(b ->> 'description'), is_public = shown,
		version = x.version + 1, updated_at = core.now()
	where x.street_id = t.street_id and x.id = t.id
	returning x.* into t;
	perform clock.revise(t.id, 'accept', t.kind, t.category, t.urgency, t.hotline_class);
	update ticket.ticket x set due_at = n.due_at, warn_at = n.warn_at from clock.nearest(t.id) n
	where x.street_id = t.street_id and x.id = t.id;
	perform ticket.write_private(t, b, place.lon, place.lat);
	perform ticket.attach_photos(p_id, b -> 'photo_ids', 'report');
	perform core.put_event('ticket', p_id, 'edit', null, null, t.path, t.owner_id, shown);
	if shown <> was_shown then
		perform ticket.restamp(p_id, t.path, shown);
	end if;
	return true;
end
$$;
comment on function ticket.edit(uuid, text, jsonb) is
	'The reporter rewrites a ticket nobody took up yet; false when it is not to be seen.';

---------------------------------------------------------------- the family, as system
-- These reach beyond the caller's scope (the new grid, the children of a
-- merged family), so they run as role system inside the street, after the
-- caller's right was checked. The app may not call them.
create function ticket.restamp(p_id uuid, p_path text, p_public boolean) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
begin
	update ticket.private set path = p_path, is_public = p_public
	where street_id = core.street() and ticket_id = p_id;
	update ticket.supporter set path = p_path, is_public = p_public
	where street_id = core.street() and ticket_id = p_id;
	update ticket.thanks set path = p_path, is_public = p_public
	where street_id = core.street() and ticket_id = p_id;
	update ticket.rating set path = p_path, is_public = p_public
	where street_id = core.street() and ticket_id = p_id;
	update ticket.comment set path = p_path, is_public = p_public
	where street_id = core.street() and ticket_id = p_id;
	update ticket.photo set path = p_path, is_public = p_public and not internal
	where street_id = core.street() and ticket_id = p_id;
	update ticket.dispatch set path = p_path
	where street_id = core.street() and ticket_id = p_id;
	update clock.clock set path = p_path
	where street_id = core.street() and subject_id in (select p_id
		union all select d.id from ticket.dispatch d where d.street_id = core.street() and d.ticket_id = p_id);
	-- handed_over stays: it tells the grid before that the ticket left.
	update core.event set path = p_path,
		is_public = p_public and action not in ('comment_internal', 'contact_viewed')
			and action !~ '^(clock|extension)_'
	where street_id = core.street() and subject_id = p_id
		and subject = 'ticket' and action <> 'handed_over';
end
$$;
comment on function ticket.restamp(uuid, text, boolean) is
	'Carries a ticket''s path and publicity over to all its rows and events.';

create function ticket.hand_over(p_id uuid, p_grid uuid, p_path text, p_role text, p_text text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	t ticket.ticket;
begin
	for t in select x.* from ticket.ticket x
		where x.street_id = core.street()
			and (x.id = p_id or x.merged_into = p_id and x.status = 'merged')
		order by x.id <> p_id, x.id for update
	loop
		update ticket.ticket x set grid_id = p_grid, path = p_path, handler_id = null,
			version = x.version + 1, updated_at = core.now()
		where x.street_id = t.street_id and x.id = t.id;
		perform ticket.restamp(t.id, p_path, t.is_public);
		perform ticket.tell(t, 'handed_over', null, p_role, null, true);
		t.path := p_path;
		perform ticket.tell(t, 'transfer', t.status, p_role,
			json_build_object('text', p_text, 'from_grid_id', t.grid_id, 'to_grid_id', p_grid), false);
	end loop;
end
$$;
comment on function ticket.hand_over(uuid, uuid, text, text, text) is
	'Moves a ticket, and those merged into it, to another grid: the old grid keeps one event handed_over.';

create function ticket.tell(t ticket.ticket, p_action text, p_to text, p_role text,
	p_data json, p_internal boolean) returns void
language plpgsql
as $$
begin
	insert into core.event (street_id, id, subject, subject_id, action, from_state,
		to_state, actor_id, actor_role, path, owner_id, is_public, data)
	values (t.street_id, core.new_id(t.street_id), 'ticket', t.id, p_action,
		case when p_to is not null then t.status end, p_to, core.actor(), p_role, t.path,
		case when not p_internal then t.owner_id end, t.is_public and not p_internal, p_data);
end
$$;
comment on function ticket.tell(ticket.ticket, text, text, text, json, boolean) is
	'An event written as system in the name of the caller''s own role; internal ones reach staff only.';

create function ticket.tell_merged(p_id uuid, p_action text, p_to text, p_role text,
	p_text text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	t ticket.ticket;
begin
	for t in select x.* from ticket.ticket x
		where x.street_id = core.street() and x.merged_into = p_id and x.status = 'merged'
		order by x.id for update
	loop
		update ticket.ticket x set status = p_to, version = x.version + 1, updated_at = core.now(),
			reply = case p_to when 'replied' then core.mask_text(p_text) end,
			replied_at = case p_to when 'replied' then core.now() end,
			closed_at = case p_to when 'rejected' then core.now() end
		where x.street_id = t.street_id and x.id = t.id;
		if p_to = 'replied' then
			update ticket.private set reply = p_text
			where street_id = t.street_id and ticket_id = t.id;
		end if;
		perform ticket.tell(t, p_action, p_to, p_role,
			json_build_object('text', p_text, 'merged_into', p_id), false);
	end loop;
end
$$;
comment on function ticket.tell_merged(uuid, text, text, text, text) is
	'Each ticket merged into this one gets its own reply (or rejection).';

create function ticket.adopt(p_from uuid, p_into uuid, p_role text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	t ticket.ticket;
	n integer := 0;
begin
	for t in select x.* from ticket.ticket x
		where x.street_id = core.street() and x.merged_into = p_from and x.status = 'merged'
		order by x.id for update
	loop
		update ticket.ticket x set merged_into = p_into, version = x.version + 1, updated_at = core.now()
		where x.street_id = t.street_id and x.id = t.id;
		perform ticket.tell(t, 'merge', 'merged', p_role, json_build_object('target_id', p_into), false);
		n := n + 1;
	end loop;
	return n;
end
$$;
comment on function ticket.adopt(uuid, uuid, text) is
	'Those merged into a ticket that is itself merged move up to its target; returns how many.';

---------------------------------------------------------------- acts
create function ticket.merge_into(t ticket.ticket, p_target uuid) returns void
language plpgsql
as $$
declare
	goal ticket.ticket;
	n integer;
begin
	if p_target = t.id then
		perform core.fail(422, 'target_unknown', '/target_id');
	end if;
	select x.* into goal from ticket.ticket x
	where x.street_id = t.street_id and x.id = p_target;
	if not found then
		perform core.fail(422, 'target_unknown', '/target_id');
	elsif not goal.is_open then
		perform core.fail(409, 'target_not_open', '/target_id');
	end if;
	n := 1 + ticket.adopt(t.id, p_target, core.role());
	update ticket.ticket x set merged_into = p_target, merged_count = 0
	where x.street_id = t.street_id and x.id = t.id;
	update ticket.ticket x set merged_count = x.merged_count + n,
		version = x.version + 1, updated_at = core.now()
	where x.street_id = t.street_id and x.id = p_target;
	perform core.put_event('ticket', p_target, 'merged_here', null, null, goal.path, goal.owner_id,
		goal.is_public, json_build_object('source_id', t.id, 'count', n));
end
$$;
comment on function ticket.merge_into(ticket.ticket, uuid) is
	'Effect of merge, both rows locked: the target answers for this ticket and for those merged into it before.';

create function ticket.transfer_grid(t ticket.ticket, p_grid uuid) returns grid.grid
language plpgsql stable
as $$
declare
	g grid.grid;
begin
	select x.* into g from grid.grid x
	where x.street_id = t.street_id and x.id = p_grid
		and (x.valid_to is null or x.valid_to > core.today());
	if not found or (core.role() = 'grid_lead' and not g.path ^@ t.community) then
		perform core.fail(422, 'grid_not_found', '/grid_id');
	elsif g.kind not in ('micro', 'special') then
		perform core.fail(422, 'grid_not_for_tickets', '/grid_id');
	elsif g.id = t.grid_id then
		perform core.fail(422, 'same_grid', '/grid_id');
	end if;
	return g;
end
$$;
comment on function ticket.transfer_grid(ticket.ticket, uuid) is
	'Where a ticket may be handed to: a lead within the own community, a community within the street.';

create function ticket.effect(t ticket.ticket, p_action text, a jsonb) returns void
language plpgsql
as $$
declare
	g grid.grid;
begin
	case p_action
	when 'transfer' then
		g := ticket.transfer_grid(t, (a ->> 'grid_id')::uuid);
		perform ticket.hand_over(t.id, g.id, g.path, core.role(), a ->> 'reason');
	when 'merge' then
		perform ticket.merge_into(t, (a ->> 'target_id')::uuid);
	when 'reject' then
		perform ticket.tell_merged(t.id, 'reject', 'rejected', core.role(), a ->> 'reason');
	when 'dispatch' then
		perform ticket.dispatch_to(t, a);
	when 'escalate' then
		perform ticket.must_be_free(t.id);
	when 'send_back', 'reopen', 'withdraw' then
		perform ticket.end_round(t.id, p_action);
	when 'resolve' then
		perform ticket.must_be_free(t.id);
		perform ticket.attach_photos(t.id, a -> 'photo_ids', 'resolve');
		-- Each time: the photo of the first repair does not show the second.
		if (select c.physical from ticket.category c where c.code = t.category)
			and coalesce(nullif(a -> 'photo_ids', 'null'), '[]') = '[]' then
			perform core.fail(422, 'photo_required', '/photo_ids');
		end if;
	when 'reply' then
		perform ticket.attach_photos(t.id, a -> 'photo_ids', 'reply');
		update ticket.private set reply = a ->> 'text'
		where street_id = t.street_id and ticket_id = t.id;
		perform ticket.tell_merged(t.id, 'reply', 'replied', core.role(), a ->> 'text');
	when 'rate' then
		insert into ticket.rating (street_id, ticket_id, account_id, path, owner_id,
			is_public, stars, resolved, satisfied, text)
		values (t.street_id, t.id, core.actor(), t.path, t.owner_id, t.is_public,
			(a ->> 'stars')::integer, (a ->> 'resolved')::boolean,
			(a ->> 'satisfied')::boolean, a ->> 'text');
	when 'close' then
		if t.replied_at > core.now() - ticket.silence() then
			perform core.fail(409, 'wrong_state');
		end if;
	when 'overdue' then
		if not exists (select from clock.clock c where c.street_id = t.street_id and c.subject_id = t.id
			and c.stage = 'accept' and c.state = 'running' and c.due_at <= core.now()) then
			perform core.fail(409, 'wrong_state');
		end if;
	when 'urge' then
		if exists (select from core.event e where e.street_id = t.street_id and e.subject_id = t.id
			and e.action = 'urge' and e.at > core.now() - interval '24 hours') then
			perform core.fail(409, 'urged_already');
		end if;
	when 'support' then
		insert into ticket.supporter (street_id, ticket_id, account_id, path, owner_id, is_public)
		values (t.street_id, t.id, core.actor(), t.path, t.owner_id, t.is_public);
	when 'unsupport' then
		delete from ticket.supporter
		where street_id = t.street_id and ticket_id = t.id and account_id = core.actor();
	when 'thank' then
		insert into ticket.thanks (street_id, ticket_id, account_id, path, owner_id, is_public, text)
		values (t.street_id, t.id, core.actor(), t.path, t.owner_id, t.is_public, a ->> 'text');
	else
		null;
	end case;
end
$$;
comment on function ticket.effect(ticket.ticket, text, jsonb) is
	'What an act does beside moving the ticket; runs within ticket.act().';

create function ticket.keep_time(t ticket.ticket, p_action text, out due_at timestamptz, out warn_at timestamptz)
language plpgsql
as $$
declare
	stage text;
begin
	case p_action
	when 'accept' then
		perform clock.stop(t.id, 'accept');
		stage := 'first_contact';
	when 'overdue' then
		perform clock.stop(t.id, 'accept');
	when 'start' then
		null; -- by the community: what nobody had accepted
	when 'contacted' then
		perform clock.stop(t.id, 'first_contact');
	when 'resolve' then
		perform clock.stop(t.id, 'first_contact'), clock.stop(t.id, 'resolve');
		stage := 'reply';
	when 'reply' then
		perform clock.stop(t.id, 'reply');
	when 'send_back' then
		perform clock.drop(t.id, 'reply');
	when 'reopen' then
		stage := 'accept';
	when 'reject' then
		perform clock.stop(t.id, 'accept'), clock.drop(t.id);
	when 'merge', 'withdraw' then
		perform clock.drop(t.id);
	when 'suspend' then
		perform clock.pause(t.id);
	when 'resume' then
		perform clock.resume(t.id);
	else
		due_at := t.due_at;
		warn_at := t.warn_at;
		return;
	end case;
	if stage is not null then
		perform clock.start('ticket', t.id, stage, t.path, t.owner_id, t.kind, t.category, t.urgency, t.hotline_class);
	end if;
	-- Once it is somebody's, or was called done and is not, it is due again:
	-- by the clock it had from the first, whoever works on it.
	if p_action in ('accept', 'overdue', 'start', 'send_back', 'reopen') and not exists (select from clock.clock c
		where c.street_id = t.street_id and c.subject_id = t.id and c.stage = 'resolve'
			and c.state in ('running', 'paused')) and not clock.reopen(t.id, 'resolve') then
		perform clock.start('ticket', t.id, 'resolve', t.path, t.owner_id, t.kind, t.category, t.urgency, t.hotline_class);
	end if;
	select n.due_at, n.warn_at into due_at, warn_at from clock.nearest(t.id) n;
end
$$;
comment on function ticket.keep_time(ticket.ticket, text) is
	'What an act means to the ticket''s clocks (accept, first_contact, resolve, reply), and what is due next.';

create function ticket.contacted(t ticket.ticket) returns void
language plpgsql
as $$
begin
	if core.role() <> 'resident' and exists (select from clock.clock c where c.street_id = t.street_id
		and c.subject_id = t.id and c.stage = 'first_contact' and c.state in ('running', 'paused')) then
		-- Before the clock, as everybody locks them.
		perform from ticket.ticket x where x.street_id = t.street_id and x.id = t.id for update;
		update ticket.ticket x set due_at = k.due_at, warn_at = k.warn_at
		from ticket.keep_time(t, 'contacted') k
		where x.street_id = t.street_id and x.id = t.id;
	end if;
end
$$;
comment on function ticket.contacted(ticket.ticket) is
	'The staff has turned to the reporter: by a comment they can read, or by opening their number.';

create function ticket.act(p_id uuid, p_action text, a jsonb default '{}') returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	t ticket.ticket;
	tr core.transition;
	k record;
	moves boolean;
begin
	-- Two rows are always locked in the order of their ids.
	perform from ticket.ticket x
	where x.street_id = core.street() and x.id in (p_id, (a ->> 'target_id')::uuid)
	order by x.id for update;
	select x.* into t from ticket.ticket x where x.street_id = core.street() and x.id = p_id;
	if not found then
		return false;
	end if;
	tr := ticket.permit(t, p_action);
	perform ticket.effect(t, p_action, a);
	if p_action = 'transfer' then
		return true; -- hand_over() wrote all of it: the row may be out of reach now
	end if;
	k := ticket.keep_time(t, p_action);
	moves := tr.machine = 'ticket';
	update ticket.ticket x set status = tr.to_state, due_at = k.due_at, warn_at = k.warn_at,
		version = x.version + 1, updated_at = core.now(),
		accepted_at = case p_action when 'accept' then core.now() else x.accepted_at end,
		handler_id = case p_action when 'accept' then core.actor() else x.handler_id end,
		resolved_at = case p_action when 'resolve' then core.now() else x.resolved_at end,
		replied_at = case p_action when 'reply' then core.now() else x.replied_at end,
		reply = case p_action when 'reply' then core.mask_text(a ->> 'text') else x.reply end,
		stars = case p_action when 'rate' then (a ->> 'stars')::integer else x.stars end,
		closed_at = case when moves and tr.to_state in ('closed', 'rejected', 'withdrawn')
			then core.now() else x.closed_at end,
		reopened_count = x.reopened_count + (p_action = 'reopen')::integer,
		support_count = x.support_count + (p_action = 'support')::integer
			- (p_action = 'unsupport')::integer,
		thank_count = x.thank_count + (p_action = 'thank')::integer,
		urged_count = x.urged_count + (p_action = 'urge')::integer,
		supervised_at = case p_action when 'supervise' then core.now() else x.supervised_at end
	where x.street_id = t.street_id and x.id = t.id;
	perform core.put_event('ticket', t.id, p_action, case when moves then t.status end,
		case when moves then tr.to_state end, t.path, t.owner_id, t.is_public,
		nullif(json_strip_nulls(json_build_object(
			'text', coalesce(a ->> 'text', a ->> 'note', a ->> 'reason'),
			'departments', case p_action when 'dispatch' then ticket.part_names(t.id) end,
			'target_id', a ->> 'target_id', 'stars', (a ->> 'stars')::integer,
			'resolved', (a ->> 'resolved')::boolean,
			'satisfied', (a ->> 'satisfied')::boolean))::text, '{}')::json);
	return true;
end
$$;
comment on function ticket.act(uuid, text, jsonb) is
	'Every act on a ticket: lock, transition by data, role, state, guard, effect, event. False when it is not to be seen.';

create function ticket.transfer(p_id uuid, a jsonb)
	returns table (id uuid, number text, status text, grid_id uuid, grid_name text)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	-- Read before: afterwards it may be out of the caller's reach.
	return query select t.id, t.number, t.status, g.id, g.name
		from ticket.ticket t
		left join grid.grid g on g.street_id = t.street_id and g.id = (a ->> 'grid_id')::uuid
		where t.street_id = core.street() and t.id = p_id;
	perform ticket.act(p_id, 'transfer', a);
end
$$;
comment on function ticket.transfer(uuid, jsonb) is
	'The act transfer, answering with where the ticket went; no row when it is not to be seen.';

create function ticket.add_comment(p_new uuid, p_id uuid, p_text text, p_internal boolean,
	p_photos jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	t ticket.ticket;
begin
	select x.* into t from ticket.ticket x
	where x.street_id = core.street() and x.id = p_id for update;
	if not found then
		return false;
	end if;
	perform ticket.permit(t, 'comment');
	if p_internal and core.role() = 'resident' then
		perform core.fail(422, 'staff_only', '/internal');
	end if;
	insert into ticket.comment (street_id, id, ticket_id, author_id, author_role,
		path, owner_id, is_public, internal, text)
	values (t.street_id, p_new, t.id, core.actor(), core.role(),
		t.path, t.owner_id, t.is_public, p_internal, p_text);
	perform ticket.attach_photos(p_id, p_photos, 'comment', p_new, p_internal);
	update ticket.ticket x set version = x.version + 1, updated_at = core.now(),
		comment_count = x.comment_count + (not p_internal)::integer
	where x.street_id = t.street_id and x.id = t.id;
	if not p_internal then
		perform ticket.contacted(t);
	end if;
	perform ticket.tell(t, case when p_internal then 'comment_internal' else 'comment' end,
		null, core.role(), json_build_object('comment_id', p_new), p_internal);
	return true;
end
$$;
comment on function ticket.add_comment(uuid, uuid, text, boolean, jsonb) is
	'A comment; false when the ticket is not to be seen.';

create function ticket.contact(p_id uuid) returns table (contact_name text, contact_phone text)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	t ticket.ticket;
begin
	select x.* into t from ticket.ticket x where x.street_id = core.street() and x.id = p_id;
	if not found then
		return;
	end if;
	perform ticket.permit(t, 'contact');
	perform ticket.contacted(t);
	perform ticket.tell(t, 'contact_viewed', null, core.role(), null, true);
	perform audit.put('contact', 'ticket', t.id, null, '{contact_name,contact_phone}', p_path => t.path);
	return query select p.contact_name, p.contact_phone from ticket.private p
	where p.street_id = t.street_id and p.ticket_id = t.id;
end
$$;
comment on function ticket.contact(uuid) is 'The contact in full (phone still sealed), and an event that says who looked.';

---------------------------------------------------------------- near-duplicates
create function ticket.match(p_street integer, p_category text, p_lon float8, p_lat float8,
	p_compound uuid, p_building text, p_except uuid, p_since timestamptz)
	returns table (id uuid, metres float8, same_building boolean)
language plpgsql stable rows 10 security definer set search_path = pg_catalog, pg_temp
as $$
declare
	c constant bigint := ticket.cell(p_lon, p_lat);
	cells bigint[];
begin
	-- Each half is a plan of its own, set up only where it can find something.
	if p_lon is not null then
		cells := array[c - 1000001, c - 1000000, c - 999999, c - 1, c, c + 1, c + 999999, c + 1000000, c + 1000001];
		return query select p.ticket_id, core.metres(p_lon, p_lat, p.lon, p.lat),
			coalesce(p.compound_id = p_compound and p.building = p_building, false)
		from ticket.private p
		where p.street_id = p_street and p.category = p_category and p.cell is not null
			and p.cell = any (cells) and p.created_at > p_since
			and p.ticket_id is distinct from p_except
			and core.metres(p_lon, p_lat, p.lon, p.lat) <= 100
		order by p.created_at desc limit 100;
	end if;
	if p_compound is not null and p_building is not null then
		return query select p.ticket_id, case when p_lon is not null and p.lon is not null
			then core.metres(p_lon, p_lat, p.lon, p.lat) end, true
		from ticket.private p
		where p.street_id = p_street and p.category = p_category
			and p.compound_id = p_compound and p.building = p_building
			and p.compound_id is not null and p.building is not null
			and p.created_at > p_since and p.ticket_id is distinct from p_except
		order by p.created_at desc limit 100;
	end if;
end
$$;
comment on function ticket.match(integer, text, float8, float8, uuid, text, uuid, timestamptz) is
	'Tickets of a category within 100 m or in the same building (those in both come twice), in whatever scope: ids and distances for ticket.similar() alone, which shows only what the caller may see.';
grant select (street_id, ticket_id, category, created_at, compound_id, building, lon, lat, cell)
	on ticket.private to linli_matcher;
grant execute on function core.metres(float8, float8, float8, float8), ticket.cell(float8, float8)
	to linli_matcher;
grant create on schema ticket to linli_matcher;
alter function ticket.match(integer, text, float8, float8, uuid, text, uuid, timestamptz) owner to linli_matcher;
revoke create on schema ticket from linli_matcher;

create function ticket.similar(p_category text, p_lon float8, p_lat float8,
	p_compound uuid, p_building text, p_except uuid)
	returns table (id uuid, number text, title text, status text, support_count integer,
		created_at timestamptz, distance integer, same_building boolean)
language plpgsql stable rows 5 security definer set search_path = pg_catalog, pg_temp
as $$
declare
	ids uuid[];
	far float8[];
	same boolean[];
begin
	select array_agg(m.id), array_agg(m.metres), array_agg(m.same_building) into ids, far, same
	from ticket.match(core.street(), p_category, p_lon, p_lat, p_compound, p_building,
		p_except, core.now() - interval '30 days') m;
	if ids is null then
		return; -- mostly
	end if;
	-- A resident learns "near", never how near: three distances are a position.
	return query select t.id, t.number, t.title, t.status, t.support_count, t.created_at,
		case when core.role() <> 'resident' then round(m.metres)::integer end, m.same
	from (select u.id, min(u.metres) as metres, bool_or(u.same) as same
		from unnest(ids, far, same) u (id, metres, same) group by u.id) m
	join ticket.ticket t on t.street_id = core.street() and t.id = m.id
	where t.status not in ('merged', 'withdrawn', 'rejected')
	order by t.is_open desc, t.created_at desc, t.id
	limit 5;
end
$$;
comment on function ticket.similar(text, float8, float8, uuid, text, uuid) is
	'What the caller may see of the last 30 days, of the same category, within 100 m or in the same building.';

create function ticket.similar_at(p_category text, p_lon float8, p_lat float8, p_crs text,
	p_compound uuid, p_building text)
	returns table (id uuid, number text, title text, status text, support_count integer,
		created_at timestamptz, distance integer, same_building boolean)
language sql stable rows 5
as $$
	select s.* from (select (core.gcj02_to_wgs84(p_lon, p_lat)).* where p_crs = 'gcj02'
			union all select p_lon, p_lat where p_crs is distinct from 'gcj02') w (lon, lat),
		ticket.similar(p_category, w.lon, w.lat, p_compound, nullif(btrim(p_building), ''), null) s
$$;
comment on function ticket.similar_at(text, float8, float8, text, uuid, text) is
	'Near-duplicates of what is about to be submitted.';

create function ticket.similar_to(p_id uuid) returns json
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
	p record;
begin
	-- No row for those to whom the place is hidden: then nothing is near it.
	select x.category, x.lon, x.lat, x.compound_id, x.building into p
	from ticket.private x where x.street_id = core.street() and x.ticket_id = p_id
		and (x.lon is not null or (x.compound_id is not null and x.building is not null));
	if not found then
		return '[]';
	end if;
	return (select coalesce(json_agg(json_build_object('id', s.id, 'number', s.number,
			'title', s.title, 'status', s.status, 'support_count', s.support_count,
			'created_at', to_char(s.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
			'distance', s.distance, 'same_building', s.same_building)), '[]')
		from ticket.similar(p.category, p.lon, p.lat, p.compound_id, p.building, p_id) s);
end
$$;
comment on function ticket.similar_to(uuid) is 'Near-duplicates of a ticket, as JSON.';

---------------------------------------------------------------- what clients read
-- One view = one schema of the contract: its columns are the fields, those
-- with _ are for conditions, cursors and headers.

create type ticket.brief as (
	id uuid, number text, kind text, category text, urgency text, status text, title text,
	grid_id uuid, public boolean, on_behalf boolean, mine boolean, support_count integer,
	comment_count integer, photo_count integer, thank_count integer, merged_count integer,
	stars integer, due_at timestamptz, colour text, created_at timestamptz, updated_at timestamptz);
comment on type ticket.brief is 'TicketBrief: a ticket in a list.';

create view ticket.listed with (security_invoker = true) as
select t.street_id, t.path, t.community, t.is_open, t.submitted_by, t.grams,
	t.title || ' ' || t.description as text, t.id, t.number, t.kind, t.category, t.urgency, t.title,
	t.status, t.created_at, t.updated_at,
	row(t.id, t.number, t.kind, t.category, t.urgency, t.status, t.title, t.grid_id, t.is_public,
		t.owner_id is null, coalesce(t.owner_id = (select core.actor()), false), t.support_count,
		t.comment_count, t.photo_count, t.thank_count, t.merged_count, t.stars, t.due_at,
		case when t.due_at is not null then core.colour(t.due_at, t.warn_at, (select core.now())) end,
		t.created_at, t.updated_at)::ticket.brief as brief
from ticket.ticket t;
comment on view ticket.listed is
	'class: street. What lists filter by, and the TicketBrief, of which the planner keeps only the fields a query takes.';

create type ticket.own as (
	title text, description text, reply text, contact_name text, contact_phone_mask text,
	on_behalf_note text, address text, compound_id uuid, building text, position json,
	position_gcj02 json, answers json);
comment on type ticket.own is 'Of ticket.private, what its reporter and the staff in scope read.';

create type ticket.stand as (
	own ticket.own, actions json, etag text, supported boolean, thanked boolean, merged_into uuid,
	rating json, near json, colour text);
comment on type ticket.stand is 'What a ticket is to its reader.';

-- What a ticket is to its reader. In one PL/pgSQL function, for each join and
-- sub-query in the view would be set up at every read, and most tickets need
-- none.
create function ticket.standing(t ticket.ticket) returns ticket.stand
language plpgsql stable
as $$
declare
	reader constant text := core.role();
	stranger constant boolean := t.owner_id is distinct from core.actor();
	bars text[] := '{supported,reporter}'; -- what bars strangers from a ticket nobody joined
	offer text;
	own ticket.own;
	x ticket.stand;
begin
	if t.support_count > 0 or t.thank_count > 0 or not stranger then
		bars := ticket.bars(t);
	end if;
	x.supported := t.support_count > 0 and 'not_supported' = any (bars);
	x.thanked := 'not_thanked' = any (bars);
	offer := coalesce(ticket.offers() ->> concat_ws(' ', t.status, reader,
		case reader when 'resident' then array_to_string(bars, ' ') end), '[]');
	x.actions := offer;
	x.near := '[]';
	-- From other residents policies hide these rows: no need to ask.
	if reader <> 'resident' or not stranger then
		select p.title, p.description, p.reply, p.contact_name, p.contact_phone_mask, p.on_behalf_note,
			p.address, p.compound_id, p.building, p.position, p.position_gcj02, p.answers into own
		from ticket.private p where p.street_id = t.street_id and p.ticket_id = t.id;
		x.own := own;
		if t.is_open and (own.position is not null or own.building is not null) then
			x.near := ticket.similar_to(t.id);
		end if;
		if t.stars is not null then
			x.rating := (select json_build_object('stars', r.stars, 'resolved', r.resolved,
					'satisfied', r.satisfied, 'text', r.text)
				from ticket.rating r where r.street_id = t.street_id and r.ticket_id = t.id);
		end if;
	end if;
	if t.merged_into is not null then
		x.merged_into := (select m.id from ticket.ticket m
			where m.street_id = t.street_id and m.id = t.merged_into);
	end if;
	x.colour := core.colour(t.due_at, t.warn_at, core.now());
	x.etag := t.version || '-' || left(md5(concat(offer, x.near, x.colour)), 8);
	return x;
end
$$;
comment on function ticket.standing(ticket.ticket) is
	'What the caller may do now, whether they support it or said thanks; the private half, what it was merged into and how it was rated if they may see that; near-duplicates while it is open and its place known. The ETag covers what changes without a new version; If-Match only compares the version before the dash.';

-- A function with a node of its own would keep its row in a store. To a
-- neighbour most tickets are plain (ticket.plain_offers()): then it is not even
-- called.
create view ticket.detail with (security_invoker = true) as
select t.street_id as _street_id,
	coalesce((x.it).etag, t.version::text || ('-' || left(md5(ticket.plain_offers()::text), 8))) as _etag,
	t.id, t.number, t.kind, t.category, t.urgency, t.status,
	coalesce(((x.it).own).title, t.title) as title,
	coalesce(((x.it).own).description, t.description) as description,
	t.grid_id, (select g.name from grid.grid g
		where g.street_id = t.street_id and g.id = t.grid_id) as grid_name,
	t.is_public as public, t.owner_id is null as on_behalf, ((x.it).own).on_behalf_note,
	coalesce(t.owner_id = core.actor(), false) as mine,
	((x.it).own).contact_name, ((x.it).own).contact_phone_mask, ((x.it).own).address, ((x.it).own).compound_id,
	((x.it).own).building, ((x.it).own).position, ((x.it).own).position_gcj02, ((x.it).own).answers,
	coalesce(((x.it).own).reply, t.reply) as reply,
	case when core.role() <> 'resident' then t.handler_id end as handler_id,
	t.stars, (x.it).rating, t.support_count, coalesce((x.it).supported, false) as supported,
	t.thank_count, coalesce((x.it).thanked, false) as thanked,
	t.comment_count, t.photo_count, (x.it).merged_into,
	t.merged_count, t.reopened_count, t.due_at, (x.it).colour, t.hotline_class, t.urged_count,
	t.supervised_at, t.created_at, t.updated_at, t.accepted_at, t.resolved_at, t.replied_at, t.closed_at,
	coalesce((x.it).actions, coalesce(ticket.plain_offers() ->> t.status, '[]')::json) as actions,
	coalesce((x.it).near, '[]') as similar
from ticket.ticket t cross join lateral (select case when core.role() = 'resident'
		and t.owner_id is distinct from core.actor() and t.support_count + t.thank_count = 0
		and t.merged_into is null and t.due_at is null then null else ticket.standing(t) end as it offset 0) x;
comment on view ticket.detail is
	'class: street. Ticket: what stands in ticket.private is null for those to whom it is hidden.';

---------------------------------------------------------------- lists
-- A cursor is the time and the id of a row, with ':' between (_cursor_by).
create function ticket.cursor_at(cursor text) returns timestamptz
language sql stable strict parallel safe
return left(cursor, -37)::timestamptz;
comment on function ticket.cursor_at(text) is 'The time in a cursor.';

create function ticket.cursor_id(cursor text) returns uuid
language sql immutable strict parallel safe
return right(cursor, 36)::uuid;
comment on function ticket.cursor_id(text) is 'The id in a cursor.';

create function ticket.words(list json) returns text[]
language sql immutable strict parallel safe
return array(select json_array_elements_text(list));
comment on function ticket.words(json) is 'A JSON array of strings as text[]; null stays null.';

create function ticket.reach(p_grid uuid) returns text[]
language plpgsql stable
as $$
declare
	scopes constant text[] := case when core.role() in ('resident', 'street')
		then array[core.street() || '/'] else core.scopes() end;
	top text collate "C";
begin
	if p_grid is null then
		return scopes;
	end if;
	select g.path into top from grid.grid g where g.street_id = core.street() and g.id = p_grid;
	return array(select distinct case when top ^@ s then top else s end
		from unnest(scopes) s where top ^@ s or s ^@ top);
end
$$;
comment on function ticket.reach(uuid) is
	'The subtrees a list runs over: the caller''s scopes (residents and the street: all of it) within a grid, if one is named.';

create function ticket.fits(b_status text, b_kind text, b_category text, b_urgency text,
	b_grams bigint[], b_text text, p_status text[], p_kind text, p_category text,
	p_urgency text, p_grams bigint[], p_terms text[]) returns boolean
language sql stable parallel safe
return (p_status is null or b_status = any (p_status)) and (p_kind is null or b_kind = p_kind)
	and (p_category is null or b_category = p_category)
	and (p_urgency is null or b_urgency = p_urgency)
	and (p_terms is null or (b_grams @> p_grams and ticket.has_terms(b_text, p_terms)));
comment on function ticket.fits(text, text, text, text, bigint[], text, text[], text, text, text, bigint[], text[]) is
	'The filters that need no index of their own; inlined into each list.';

create function ticket.leaves(p_reach text[]) returns text[]
language plpgsql stable
as $$
begin
	if ticket.path_depth(p_reach[1]) < 3 then
		return p_reach;
	end if;
	return array(select unnest(p_reach) union
		select g.path from unnest(p_reach) s
		join grid.grid up on up.street_id = core.street() and up.path = s collate "C"
		join grid.grid g on g.street_id = core.street() and g.parent_id = up.id
		where ticket.path_depth(s) = 3);
end
$$;
comment on function ticket.leaves(text[]) is
	'Subtrees with each general grid replaced by itself and its micro-grids: tickets then lie exactly on the paths below the communities, and an index gives them in order.';

-- Row-level security filters what an index scan meets, so the scan itself must
-- already be the caller's own and in the order wanted. The planner cannot know
-- how few rows a page takes from it and would rather sort: hence the settings.
-- Filters that rarely hold make a walk long; those people use all day (what is
-- open, whose it is, since when, where) have an index.
create function ticket.list_walk(p_leaves text[], p_hi timestamptz, p_hi_id uuid, p_lo timestamptz,
	p_status text[], p_kind text, p_category text, p_urgency text, p_grams bigint[],
	p_terms text[], p_limit integer) returns setof ticket.brief
language plpgsql stable rows 20
set enable_sort = off set enable_bitmapscan = off set enable_seqscan = off
set plan_cache_mode = force_generic_plan set jit = off
as $$
declare
	st constant integer := core.street();
begin
	if p_status <@ ticket.statuses_open() then
		return query select b.* from unnest(p_leaves) s (path), lateral (
			(select (b.brief).* from ticket.listed b
			where ticket.path_depth(s.path) = 1 and b.is_open and b.street_id = st
				and (b.created_at, b.id) < (p_hi, p_hi_id) and b.created_at >= p_lo
				and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
					p_status, p_kind, p_category, p_urgency, p_grams, p_terms)
			order by b.created_at desc, b.id desc limit p_limit)
			union all
			(select (b.brief).* from ticket.listed b
			where ticket.path_depth(s.path) = 2 and b.is_open and b.street_id = st
				and b.community = s.path
				and (b.created_at, b.id) < (p_hi, p_hi_id) and b.created_at >= p_lo
				and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
					p_status, p_kind, p_category, p_urgency, p_grams, p_terms)
			order by b.created_at desc, b.id desc limit p_limit)
			union all
			(select (b.brief).* from ticket.listed b
			where ticket.path_depth(s.path) > 2 and b.is_open and b.street_id = st
				and b.path = s.path
				and (b.created_at, b.id) < (p_hi, p_hi_id) and b.created_at >= p_lo
				and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
					p_status, p_kind, p_category, p_urgency, p_grams, p_terms)
			order by b.created_at desc, b.id desc limit p_limit)) b
		order by b.created_at desc, b.id desc limit p_limit;
	else
		return query select b.* from unnest(p_leaves) s (path), lateral (
			(select (b.brief).* from ticket.listed b
			where ticket.path_depth(s.path) = 1 and b.street_id = st
				and (b.created_at, b.id) < (p_hi, p_hi_id) and b.created_at >= p_lo
				and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
					p_status, p_kind, p_category, p_urgency, p_grams, p_terms)
			order by b.created_at desc, b.id desc limit p_limit)
			union all
			(select (b.brief).* from ticket.listed b
			where ticket.path_depth(s.path) = 2 and b.street_id = st
				and b.community = s.path
				and (b.created_at, b.id) < (p_hi, p_hi_id) and b.created_at >= p_lo
				and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
					p_status, p_kind, p_category, p_urgency, p_grams, p_terms)
			order by b.created_at desc, b.id desc limit p_limit)
			union all
			(select (b.brief).* from ticket.listed b
			where ticket.path_depth(s.path) > 2 and b.street_id = st
				and b.path = s.path
				and (b.created_at, b.id) < (p_hi, p_hi_id) and b.created_at >= p_lo
				and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
					p_status, p_kind, p_category, p_urgency, p_grams, p_terms)
			order by b.created_at desc, b.id desc limit p_limit)) b
		order by b.created_at desc, b.id desc limit p_limit;
	end if;
end
$$;
comment on function ticket.list_walk(text[], timestamptz, uuid, timestamptz, text[], text, text,
	text, bigint[], text[], integer) is
	'The usual part of ticket.list(): newest first below each path.';

create function ticket.list_updated(p_scopes text[], p_updated timestamptz, p_after text, p_status text[],
	p_kind text, p_category text, p_urgency text, p_grams bigint[], p_terms text[], p_mine boolean,
	p_supported boolean, p_from timestamptz, p_to timestamptz, p_limit integer) returns setof ticket.brief
language plpgsql stable rows 20
set enable_sort = off set enable_bitmapscan = off set enable_seqscan = off
set plan_cache_mode = force_generic_plan set jit = off
as $$
declare
	st constant integer := core.street();
	-- Rows after (lo, lo_id), oldest change first.
	lo timestamptz := p_updated;
	lo_id uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
begin
	if ticket.cursor_at(p_after) > lo then
		lo := ticket.cursor_at(p_after);
		lo_id := ticket.cursor_id(p_after);
	end if;
	return query select b.* from unnest(p_scopes) s (path), lateral (
		(select (b.brief).* from ticket.listed b
		where ticket.path_depth(s.path) < 3 and b.street_id = st
			and (b.updated_at, b.id) > (lo, lo_id)
			and (p_from is null or b.created_at >= p_from) and (p_to is null or b.created_at < p_to) and b.path ^@ s.path
			and (p_mine is not true or b.submitted_by = core.actor())
			and (p_supported is not true or exists (select from ticket.supporter x
				where x.street_id = st and x.ticket_id = b.id and x.account_id = core.actor()))
			and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
				p_status, p_kind, p_category, p_urgency, p_grams, p_terms)
		order by b.updated_at, b.id limit p_limit)
		union all
		-- A small grid's are fetched and sorted.
		(select (b.brief).* from (select b.* from ticket.listed b
			where ticket.path_depth(s.path) > 2 and b.street_id = st and b.path = s.path
			offset 0) b
		where (b.updated_at, b.id) > (lo, lo_id)
			and (p_from is null or b.created_at >= p_from) and (p_to is null or b.created_at < p_to)
			and (p_mine is not true or b.submitted_by = core.actor())
			and (p_supported is not true or exists (select from ticket.supporter x
				where x.street_id = st and x.ticket_id = b.id and x.account_id = core.actor()))
			and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
				p_status, p_kind, p_category, p_urgency, p_grams, p_terms)
		order by b.updated_at, b.id limit p_limit)) b
	order by b.updated_at, b.id limit p_limit;
end
$$;
comment on function ticket.list_updated(text[], timestamptz, text, text[], text, text, text, bigint[], text[],
	boolean, boolean, timestamptz, timestamptz, integer) is
	'The part of ticket.list() that follows changes.';

create function ticket.is_rare(p_grams bigint[]) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
begin
	return (select count(*) <= 2000 from (select from ticket.ticket t
		where t.street_id = core.street() and t.grams @> p_grams limit 2001) x);
end
$$;
comment on function ticket.is_rare(bigint[]) is
	'Do few enough tickets of the street hold these pairs to fetch them all. Counts beyond the caller''s scope, since what it counts is the work of the index; it says only yes or no.';

create function ticket.list(p_status text[], p_kind text, p_category text, p_urgency text,
	p_grid uuid, p_mine boolean, p_supported boolean, p_from timestamptz, p_to timestamptz,
	p_updated timestamptz, p_q text, p_after text, p_limit integer) returns setof ticket.brief
language plpgsql stable rows 20
as $$
declare
	st constant integer := core.street();
	leaves constant text[] := ticket.leaves(ticket.reach(p_grid));
	terms text[];
	pairs bigint[] := '{}';
	lo constant timestamptz := coalesce(p_from, '-infinity');
	-- Rows before (hi, hi_id), newest first.
	hi timestamptz := coalesce(p_to, 'infinity');
	hi_id uuid := '00000000-0000-0000-0000-000000000000';
begin
	if p_q is not null then
		terms := nullif(ticket.terms(p_q), '{}');
		pairs := array(select distinct x from unnest(terms) w, unnest(ticket.grams(st, w)) x);
	end if;
	if p_updated is not null then
		return query select * from ticket.list_updated(leaves, p_updated, p_after, p_status,
			p_kind, p_category, p_urgency, pairs, terms, p_mine, p_supported, p_from, p_to, p_limit);
		return;
	end if;
	if ticket.cursor_at(p_after) < hi then
		hi := ticket.cursor_at(p_after);
		hi_id := ticket.cursor_id(p_after);
	end if;
	if p_supported then
		return query select (b.brief).* from ticket.supporter s
			join ticket.listed b on b.street_id = st and b.id = s.ticket_id
			where s.street_id = st and s.account_id = core.actor()
				and (b.created_at, b.id) < (hi, hi_id) and b.created_at >= lo
				and b.path ^@ any (leaves) and (p_mine is not true or b.submitted_by = core.actor())
				and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
					p_status, p_kind, p_category, p_urgency, pairs, terms)
			order by b.created_at desc, b.id desc limit p_limit;
	elsif p_mine then
		return query select (b.brief).* from ticket.listed b
			where b.street_id = st and b.submitted_by = core.actor()
				and (b.created_at, b.id) < (hi, hi_id) and b.created_at >= lo
				and b.path ^@ any (leaves)
				and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
					p_status, p_kind, p_category, p_urgency, pairs, terms)
			order by b.created_at desc, b.id desc limit p_limit;
	elsif p_q ~ '^\s*[A-Za-z]{2,6}-[0-9]{4}-[0-9]{6,9}\s*$' then
		return query select (b.brief).* from ticket.listed b
			where b.street_id = st and b.number = upper(btrim(p_q))
				and (b.created_at, b.id) < (hi, hi_id) and b.created_at >= lo
				and b.path ^@ any (leaves)
				and ticket.fits(b.status, b.kind, b.category, b.urgency, null, null,
					p_status, p_kind, p_category, p_urgency, null, null);
	-- What staff look at all day, each by its own index. For a whole street
	-- that is ticket.list_street().
	elsif p_status is null and terms is null and cardinality(leaves) = 1
		and ticket.path_depth(leaves[1]) > 1 then
		if ticket.path_depth(leaves[1]) = 2 then
			return query select (b.brief).* from ticket.listed b
				where b.street_id = st and b.community = leaves[1]
					and (b.created_at, b.id) < (hi, hi_id) and b.created_at >= lo
					and ticket.fits(b.status, b.kind, b.category, b.urgency, null, null,
						null, p_kind, p_category, p_urgency, null, null)
				order by b.created_at desc, b.id desc limit p_limit;
		else
			return query select (b.brief).* from ticket.listed b
				where b.street_id = st and b.path = leaves[1]
					and (b.created_at, b.id) < (hi, hi_id) and b.created_at >= lo
					and ticket.fits(b.status, b.kind, b.category, b.urgency, null, null,
						null, p_kind, p_category, p_urgency, null, null)
				order by b.created_at desc, b.id desc limit p_limit;
		end if;
	-- A rare word is found by its pairs of characters; a common one is soon
	-- met on the walk, and below a micro-grid the walk is short anyway.
	elsif pairs <> '{}' and ticket.path_depth(leaves[1]) < 3 and ticket.is_rare(pairs) then
		return query select (b.brief).* from (select b.* from ticket.listed b
				where b.street_id = st and b.grams @> pairs offset 0) b
			where (b.created_at, b.id) < (hi, hi_id) and b.created_at >= lo
				and b.path ^@ any (leaves)
				and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
					p_status, p_kind, p_category, p_urgency, pairs, terms)
			order by b.created_at desc, b.id desc limit p_limit;
	else
		return query select * from ticket.list_walk(leaves, hi, hi_id, lo, p_status, p_kind,
			p_category, p_urgency, pairs, terms, p_limit);
	end if;
end
$$;
comment on function ticket.list(text[], text, text, text, uuid, boolean, boolean, timestamptz,
	timestamptz, timestamptz, text, text, integer) is
	'A page of tickets, newest first, before a cursor; with p_updated those changed since, oldest change first.';

create function ticket.list_street(p_kind text, p_category text, p_urgency text, p_from timestamptz,
	p_to timestamptz, p_after text, p_limit integer) returns setof ticket.brief
language sql stable rows 20
as $$
	-- least() and greatest(), which skip nulls: with coalesce() in it a
	-- condition may not use an index under row-level security.
	select (b.brief).* from ticket.listed b
	where b.street_id = core.street()
		and (b.created_at, b.id) < (least(p_to, ticket.cursor_at(p_after), 'infinity'),
			case when ticket.cursor_at(p_after) < least(p_to, 'infinity') then ticket.cursor_id(p_after)
				else '00000000-0000-0000-0000-000000000000' end)
		and b.created_at >= greatest(p_from, '-infinity')
		and ticket.fits(b.status, b.kind, b.category, b.urgency, null, null,
			null, p_kind, p_category, p_urgency, null, null)
	order by b.created_at desc, b.id desc
	limit p_limit
$$;
comment on function ticket.list_street(text, text, text, timestamptz, timestamptz, text, integer) is
	'What residents and the street look at all day: the newest of the whole street. Inlined, so that a request is one plain scan of one index.';

create function ticket.summary(p_grid uuid, p_kind text, p_category text, p_urgency text,
	p_from timestamptz, p_to timestamptz)
	returns table (total integer, open integer, by_status json, by_grid json)
language plpgsql stable rows 1 set enable_sort = off set jit = off
as $$
declare
	st constant integer := core.street();
begin
	return query with counted as materialized (
		select c.status, core.path_head(c.path, ticket.path_depth(s.path) + 1) as path, sum(c.n) as n
		from (select x as path, core.path_end(x) as path_end from unnest(ticket.reach(p_grid)) x offset 0) s,
		lateral (
			(select t.status, t.path, count(*) as n from ticket.ticket t
			where ticket.path_depth(s.path) = 1 and t.street_id = st
				and (p_from is null or t.created_at >= p_from) and (p_to is null or t.created_at < p_to)
				and (p_kind is null or t.kind = p_kind) and (p_category is null or t.category = p_category)
				and (p_urgency is null or t.urgency = p_urgency)
			group by t.status, t.path)
			union all
			(select t.status, t.path, count(*) from ticket.ticket t
			where ticket.path_depth(s.path) > 1 and t.street_id = st
				and t.path >= s.path and t.path < s.path_end
				and (p_from is null or t.created_at >= p_from) and (p_to is null or t.created_at < p_to)
				and (p_kind is null or t.kind = p_kind) and (p_category is null or t.category = p_category)
				and (p_urgency is null or t.urgency = p_urgency)
			group by t.status, t.path)) c
		group by 1, 2)
	select coalesce(sum(n), 0)::integer,
		coalesce(sum(n) filter (where status = any (ticket.statuses_open())), 0)::integer,
		(select coalesce(json_agg(json_build_object('status', x.status, 'count', x.n)
			order by x.n desc, x.status), '[]')
		from (select c.status, sum(c.n)::integer as n from counted c group by c.status) x),
		(select coalesce(json_agg(json_build_object('grid_id', g.id, 'name', g.name,
			'kind', g.kind, 'count', x.n, 'open', x.open) order by g.path), '[]')
		from (select c.path, sum(c.n)::integer as n, coalesce(sum(c.n)
					filter (where c.status = any (ticket.statuses_open())), 0)::integer as open
			from counted c group by c.path) x
		join grid.grid g on g.street_id = st and g.path = x.path collate "C")
	from counted;
end
$$;
comment on function ticket.summary(uuid, text, text, text, timestamptz, timestamptz) is
	'How many tickets the caller may see, by status and by the next grids down.';

---------------------------------------------------------------- jobs
create function ticket.close_silent(batch integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	s integer;
	t uuid;
	n integer := 0;
begin
	for s in select x.id from grid.street x order by x.id loop
		perform core.enter_system(s);
		for t in select x.id from ticket.ticket x
			where x.street_id = s and x.status = 'replied'
				and x.replied_at <= core.now() - ticket.silence()
			order by x.replied_at limit batch - n for update skip locked
		loop
			perform ticket.act(t, 'close');
			n := n + 1;
		end loop;
		exit when n >= batch;
	end loop;
	return n;
end
$$;
comment on function ticket.close_silent(integer) is
	'Job: closes what was replied and not answered for ticket.silence(), at most batch; returns how many.';

---------------------------------------------------------------- grants
-- Columns the app has no use for (the sealed phone and its index, the cell)
-- are not granted.
grant select on ticket.category, ticket.listed, ticket.detail to linli_app;
-- A ticket whole: functions take it as a row, and a column that the next
-- version adds must not stop this one.
grant select on ticket.ticket to linli_app;
grant select (street_id, ticket_id, title, description, reply, contact_name,
	contact_phone_mask, on_behalf_note, address, compound_id, building, lon, lat, position, position_gcj02, answers)
	on ticket.private to linli_app;
grant select (street_id, ticket_id, account_id) on ticket.supporter, ticket.thanks to linli_app;
grant select (street_id, ticket_id, stars, resolved, satisfied, text) on ticket.rating to linli_app;
grant select on ticket.comment to linli_app;
grant execute on function core.gcj02_shift(float8, float8), core.wgs84_to_gcj02(float8, float8),
	core.gcj02_to_wgs84(float8, float8), ticket.statuses_open(),
	ticket.path_depth(text), ticket.plain(text), ticket.grams(integer, text), ticket.terms(text),
	ticket.has_terms(text, text[]), ticket.offers(), ticket.bars(ticket.ticket), ticket.supported(uuid),
	ticket.thanked(uuid), ticket.plain_offers(), ticket.standing(ticket.ticket),
	ticket.position_json(float8, float8, text),
	ticket.submit(uuid, jsonb), ticket.edit(uuid, text, jsonb), ticket.act(uuid, text, jsonb),
	ticket.transfer(uuid, jsonb), ticket.add_comment(uuid, uuid, text, boolean, jsonb),
	ticket.contact(uuid), ticket.similar(text, float8, float8, uuid, text, uuid),
	ticket.similar_at(text, float8, float8, text, uuid, text), ticket.similar_to(uuid),
	ticket.cursor_at(text), ticket.cursor_id(text), ticket.words(json),
	ticket.reach(uuid), ticket.leaves(text[]),
	ticket.fits(text, text, text, text, bigint[], text, text[], text, text, text, bigint[], text[]),
	ticket.list(text[], text, text, text, uuid, boolean, boolean, timestamptz, timestamptz,
		timestamptz, text, text, integer), ticket.is_rare(bigint[]),
	ticket.list_street(text, text, text, timestamptz, timestamptz, text, integer),
	ticket.list_walk(text[], timestamptz, uuid, timestamptz, text[], text, text, text, bigint[],
		text[], integer),
	ticket.list_updated(text[], timestamptz, text, text[], text, text, text, bigint[], text[],
		boolean, boolean, timestamptz, timestamptz, integer),
	ticket.summary(uuid, text, text, text, timestamptz, timestamptz) to linli_app;
grant execute on function ticket.close_silent(integer) to linli_job;
