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
