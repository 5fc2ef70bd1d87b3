-- people: 人房. Persons, households, who lives where and owns what, guardians,
-- tags; who may see which field of them; consent, minors, requests.
-- Nobody but the functions here reads a person's fields: linli_app sees of
-- people.person where somebody stands, and asks people.read() for the rest.
create schema people;
grant usage on schema people to linli_app, linli_job;

---------------------------------------------------------------- visibility
-- Read from path and accounts alone, as all policies. A lead's kind shows in
-- the path: a general lead's grid stands above the person's own, a micro
-- lead's is the person's own.
create function people.may_see(path text, accounts uuid[]) returns boolean
language sql stable parallel safe
return case core.role()
	when 'resident' then core.actor() = any (accounts)
	when 'community' then path ^@ any (core.scopes())
	when 'grid_lead' then path ^@ any (core.scopes())
	when 'system' then true
	else false end;
comment on function people.may_see(text, uuid[]) is
	'The one rule of who reaches a person: community and leads in scope, residents themselves and their wards; the street counts only, and reads what is approved.';

create function people.may_see_health(path text, accounts uuid[]) returns boolean
language sql stable parallel safe
return case core.role()
	when 'grid_lead' then regexp_replace(path, '[0-9]+/$', '') ^@ any (core.scopes())
	else people.may_see(path, accounts) end;
comment on function people.may_see_health(text, uuid[]) is
	'As people.may_see, without the leads of the micro-grid or special grid itself: neighbours.';

create function people.viewer(path text, accounts uuid[], account uuid) returns text
language sql stable parallel safe
return case core.role()
	when 'resident' then case when core.actor() = account then 'self'
		when core.actor() = any (accounts) then 'guardian' end
	when 'grid_lead' then case when regexp_replace(path, '[0-9]+/$', '') ^@ any (core.scopes()) then 'lead_general'
		when not path ^@ any (core.scopes()) then null
		when path ~ '^([0-9]+/){3}$' then 'lead_special' else 'lead_micro' end
	when 'community' then case when path ^@ any (core.scopes()) then 'community' end
	when 'street' then 'street'
	when 'system' then 'community' end;
comment on function people.viewer(text, uuid[], uuid) is
	'As what the caller looks at a person: the row of people.field_rule; null = not at all.';

create table people.field_rule (
	viewer text not null check (viewer in
		('self', 'guardian', 'lead_micro', 'lead_special', 'lead_general', 'community', 'street')),
	field text not null check (field in ('name', 'sex', 'born_on', 'phone', 'id_number', 'health')),
	sight text not null check (sight in ('plain', 'masked', 'none')),
	unmask text not null check (unmask in ('no', 'reason', 'approval')),
	edit boolean not null,
	primary key (viewer, field)
);
comment on table people.field_rule is
	'class: reference. Who sees which field of a person, may unmask it (with a reason; with an approval too) and write it. Masked: 张*三, the year of birth, 138****5678, 510***.';
insert into people.field_rule (viewer, field, sight, unmask, edit)
select v.viewer, f.field, f.sight, case when f.sight = 'plain' then 'no' else v.unmask end, f.field = any (v.edits)
from (values
	('self', 'no', '{}'::text[], '{plain,plain,plain,masked,masked,plain}'::text[]),
	('guardian', 'no', '{}', '{plain,plain,plain,masked,masked,plain}'),
	('lead_micro', 'no', '{sex,phone}', '{plain,plain,masked,masked,none,none}'),
	('lead_special', 'no', '{sex,phone}', '{plain,plain,masked,masked,none,none}'),
	('lead_general', 'no', '{name,sex,phone}', '{plain,plain,masked,masked,masked,plain}'),
	('community', 'reason', '{name,sex,born_on,phone,id_number,health}', '{plain,plain,plain,masked,masked,plain}'),
	('street', 'approval', '{}', '{masked,plain,masked,masked,masked,none}')) v (viewer, unmask, edits, sights)
cross join lateral (select x.* from unnest('{name,sex,born_on,phone,id_number,health}'::text[], v.sights) x (field, sight)) f;

---------------------------------------------------------------- ages
create function people.turns(born date, years integer) returns date
language sql immutable strict parallel safe
return (born + make_interval(years => years))::date + 1;
comment on function people.turns(date, integer) is
	'The first day on which somebody is no longer under so many years: the day after the birthday (Civil Code 200–202: counted from the next day; born on 29 February, to the end of February).';

create function people.is_under(born date, years integer) returns boolean
language sql stable strict parallel safe
return core.today() < people.turns(born, years);
comment on function people.is_under(date, integer) is 'Under so many years today, in Chengdu; null without a day of birth.';

create function people.mask_name(name text) returns text
language sql immutable strict parallel safe
return case when length(name) < 3 then left(name, 1) || '*'
	else left(name, 1) || repeat('*', length(name) - 2) || right(name, 1) end;
comment on function people.mask_name(text) is '张三 → 张*, 张小三 → 张*三, 欧阳小三 → 欧**三.';

---------------------------------------------------------------- tables
create table people.household (
	street_id integer not null,
	id uuid not null,
	dwelling_id uuid not null,
	path text collate "C" not null,
	kind text not null default 'family' check (kind in ('family', 'collective')),
	head_id uuid,
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	updated_by uuid,
	primary key (street_id, id),
	foreign key (street_id, dwelling_id) references grid.dwelling (street_id, id)
);
create index household_dwelling on people.household (street_id, dwelling_id);
create index household_path on people.household (street_id, path, id);
comment on table people.household is 'class: street. 户 in a dwelling; tags and visits go by it.';

create table people.person (
	street_id integer not null,
	id uuid not null,
	path text collate "C" not null,
	dwelling_id uuid not null,
	household_id uuid,
	account_id uuid,
	accounts uuid[] not null default '{}',
	name text not null check (name ~ '[^[:space:]]' and length(name) <= 64),
	sex text check (sex in ('male', 'female')),
	born_on date check (born_on > '1800-01-01'),
	adult_on date generated always as (people.turns(born_on, 18)) stored,
	phone_mask text,
	id_number_mask text,
	status text not null default 'active' check (status in ('active', 'restricted', 'erased', 'merged')),
	merged_into uuid,
	verified text not null default 'unverified' check (verified in ('unverified', 'verified', 'doubtful')),
	verified_on date,
	verified_by uuid,
	source text,
	source_id text check (source_id is null or source is not null),
	source_digest text collate "C",
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	created_by uuid,
	updated_at timestamptz not null default core.now(),
	updated_by uuid,
	primary key (street_id, id),
	check ((status = 'merged') = (merged_into is not null)),
	constraint person_source_key unique (street_id, source, source_id),
	foreign key (street_id, merged_into) references people.person (street_id, id),
	foreign key (street_id, dwelling_id) references grid.dwelling (street_id, id),
	foreign key (street_id, household_id) references people.household (street_id, id)
);
create index person_path on people.person (street_id, path, id);
create index person_dwelling on people.person (street_id, dwelling_id);
create index person_household on people.person (street_id, household_id) where household_id is not null;
create index person_away on people.person (street_id, updated_at) where household_id is null and status = 'active';
create index person_merged on people.person (street_id, merged_into) where merged_into is not null;
create unique index person_account on people.person (street_id, account_id) where account_id is not null;
comment on table people.person is
	'class: street. 居民, one record for all uses. path is that of the dwelling they live in (last lived in; own); accounts are their own and their guardians''.';
comment on column people.person.source_digest is 'Keyed hash of what the source said last: an import that says the same again changes nothing, whatever was corrected here since';
comment on column people.person.status is 'restricted: kept because it must be, hidden and used for nothing else; erased: a pseudonym; merged: another record (merged_into) stands for them';

create table people.secret (
	street_id integer not null,
	person_id uuid not null,
	path text collate "C" not null,
	accounts uuid[] not null default '{}',
	phone text,
	phone_index text collate "C",
	id_number text,
	id_number_index text collate "C",
	primary key (street_id, person_id),
	constraint secret_id_number_key unique (street_id, id_number_index),
	foreign key (street_id, person_id) references people.person (street_id, id)
);
create index secret_phone on people.secret (street_id, phone_index) where phone_index is not null;
comment on table people.secret is 'class: street. Phone and ID number, sealed by the daemon, and their blind indexes; no role but the functions here reads it.';

create table people.gram (
	street_id integer not null,
	gram text collate "C" not null,
	path text collate "C" not null,
	person_id uuid not null,
	accounts uuid[] not null default '{}',
	primary key (street_id, gram, path, person_id)
);
create index gram_person on people.gram (street_id, person_id);
comment on table people.gram is
	'class: street. Pairs of neighbouring characters of the names of those who may be found: a plain index serves them under row-level security. Derived, and written beside the person only: a foreign key would look each of them up again.';

create table people.residence (
	street_id integer not null,
	id uuid not null,
	person_id uuid not null,
	dwelling_id uuid not null,
	household_id uuid,
	path text collate "C" not null,
	accounts uuid[] not null default '{}',
	kind text not null check (kind in ('owner', 'family', 'tenant', 'guest')),
	from_on date not null,
	to_on date,
	primary key (street_id, id),
	constraint residence_dates_check check (to_on >= from_on),
	constraint residence_overlap exclude using gist (street_id with =, person_id with =,
		daterange(from_on, to_on, '[)') with &&),
	foreign key (street_id, person_id) references people.person (street_id, id),
	foreign key (street_id, dwelling_id) references grid.dwelling (street_id, id)
);
create index residence_dwelling on people.residence (street_id, dwelling_id, from_on);
comment on table people.residence is 'class: street. Who lives where, from from_on until before to_on (null = still).';

create table people.ownership (
	street_id integer not null,
	id uuid not null,
	person_id uuid not null,
	dwelling_id uuid not null,
	path text collate "C" not null,
	accounts uuid[] not null default '{}',
	share integer not null check (share > 0),
	shares integer not null check (shares between share and 10000),
	from_on date not null,
	to_on date,
	primary key (street_id, id),
	constraint ownership_dates_check check (to_on >= from_on),
	constraint ownership_overlap exclude using gist (street_id with =, person_id with =,
		dwelling_id with =, daterange(from_on, to_on, '[)') with &&),
	foreign key (street_id, person_id) references people.person (street_id, id),
	foreign key (street_id, dwelling_id) references grid.dwelling (street_id, id)
);
create index ownership_dwelling on people.ownership (street_id, dwelling_id, from_on);
comment on table people.ownership is 'class: street. Who owns share/shares of a dwelling, and since when.';

create table people.guardianship (
	street_id integer not null,
	id uuid not null,
	person_id uuid not null,
	guardian_id uuid not null,
	path text collate "C" not null,
	accounts uuid[] not null default '{}',
	kinship text not null check (kinship in ('parent', 'grandparent', 'sibling', 'spouse', 'child', 'committee', 'other')),
	from_on date not null,
	to_on date,
	until_on date,
	primary key (street_id, id),
	check (person_id <> guardian_id),
	constraint guardianship_overlap exclude using gist (street_id with =, person_id with =,
		guardian_id with =, daterange(from_on, to_on, '[)') with &&),
	foreign key (street_id, person_id) references people.person (street_id, id),
	foreign key (street_id, guardian_id) references people.person (street_id, id)
);
create index guardianship_person on people.guardianship (street_id, person_id);
create index guardianship_guardian on people.guardianship (street_id, guardian_id);
create index guardianship_until on people.guardianship (street_id, until_on) where to_on is null;
comment on table people.guardianship is 'class: street. Whose ward a person (person_id) is; the guardian''s account sees what the ward would. That of a minor ends on until_on, when they are grown.';

create table people.tag_kind (
	code text primary key check (code ~ '^[a-z][a-z0-9_]{1,39}$'),
	name_zh text not null,
	name_en text not null,
	of text not null check (of in ('person', 'household', 'both')),
	sensitive boolean not null,
	health boolean not null check (sensitive or not health),
	must_visit boolean not null,
	sort integer not null
);
comment on table people.tag_kind is
	'class: reference. What people and households are marked with; sensitive needs a reason, health is not for neighbours, must_visit are the 四必去.';
insert into people.tag_kind (code, name_zh, name_en, of, sensitive, health, must_visit, sort) values
	('difficult', '困难户', 'Household in difficulty', 'household', true, false, true, 10),
	('party', '党员户', 'Party members'' household', 'both', false, false, true, 20),
	('dispute', '矛盾纠纷户', 'Household in a dispute', 'household', true, false, true, 30),
	('special_group', '特殊人群户', 'Household of a special group', 'both', true, false, true, 40),
	('solitary_elder', '独居老人', 'Elder living alone', 'person', false, false, false, 50),
	('empty_nest', '空巢老人', 'Empty-nest elder', 'both', false, false, false, 60),
	('disabled', '残疾人', 'Person with a disability', 'person', true, true, false, 70),
	('chronic_illness', '慢性病', 'Chronic illness', 'person', true, true, false, 80),
	('mental_health', '精神障碍', 'Mental disorder', 'person', true, true, false, 90),
	('left_behind_child', '留守儿童', 'Left-behind child', 'person', true, false, false, 100),
	('newcomer', '新居民', 'Newcomer', 'both', false, false, false, 110),
	('new_employment', '新就业群体', 'New-employment group', 'person', false, false, false, 120),
	('veteran', '退役军人', 'Veteran', 'person', false, false, false, 130),
	('volunteer', '志愿者', 'Volunteer', 'person', false, false, false, 140);

create table people.tag (
	street_id integer not null,
	id uuid not null,
	code text not null references people.tag_kind (code),
	person_id uuid,
	household_id uuid,
	path text collate "C" not null,
	accounts uuid[] not null default '{}',
	reason text,
	set_at timestamptz not null default core.now(),
	set_by uuid,
	set_by_name text,
	cleared_at timestamptz,
	cleared_by uuid,
	cleared_reason text,
	primary key (street_id, id),
	check ((person_id is null) <> (household_id is null)),
	foreign key (street_id, person_id) references people.person (street_id, id),
	foreign key (street_id, household_id) references people.household (street_id, id)
);
create unique index tag_person on people.tag (street_id, person_id, code) where cleared_at is null and person_id is not null;
create unique index tag_household on people.tag (street_id, household_id, code) where cleared_at is null and household_id is not null;
create index tag_code on people.tag (street_id, code, path, person_id, household_id) where cleared_at is null;
comment on table people.tag is 'class: street. Tags of persons and households, but those of health; who set them and why.';

create table people.health_tag (like people.tag including defaults including constraints);
alter table people.health_tag add primary key (street_id, id),
	add foreign key (code) references people.tag_kind (code),
	add foreign key (street_id, person_id) references people.person (street_id, id),
	add foreign key (street_id, household_id) references people.household (street_id, id);
create unique index health_tag_person on people.health_tag (street_id, person_id, code) where cleared_at is null;
create index health_tag_code on people.health_tag (street_id, code, path, person_id) where cleared_at is null;
comment on table people.health_tag is 'class: street. As people.tag, what tells of somebody''s health: with a policy of its own.';

create table people.consent (
	street_id integer not null,
	id uuid not null,
	person_id uuid not null,
	path text collate "C" not null,
	accounts uuid[] not null default '{}',
	purpose text not null check (purpose in ('record', 'minor', 'health', 'share', 'contact')),
	recipient text,
	text_version text not null,
	channel text not null check (channel in ('online', 'paper')),
	given_by uuid not null,
	given_at timestamptz not null default core.now(),
	recorded_by uuid,
	withdrawn_at timestamptz,
	withdrawn_by uuid,
	primary key (street_id, id),
	check ((purpose = 'share') = (recipient is not null)),
	foreign key (street_id, person_id) references people.person (street_id, id),
	foreign key (street_id, given_by) references people.person (street_id, id)
);
create index consent_person on people.consent (street_id, person_id, id);
create index consent_withdrawn on people.consent (street_id, withdrawn_at) where withdrawn_at is not null;
create unique index consent_live on people.consent (street_id, person_id, purpose, coalesce(recipient, ''))
	where withdrawn_at is null;
comment on table people.consent is
	'class: street. To what a person (or their guardian: given_by) has agreed: purpose and version of the text; to share a consent of its own for each recipient.';

create table people.approval (
	street_id integer not null,
	id uuid not null,
	person_id uuid not null,
	path text collate "C" not null,
	accounts uuid[] not null default '{}',
	requested_by uuid not null,
	requested_role text not null,
	requested_name text,
	fields text[] not null,
	reason text not null,
	state text not null default 'requested' check (state in ('requested', 'approved', 'refused')),
	created_at timestamptz not null default core.now(),
	decided_at timestamptz,
	decided_by uuid,
	expires_at timestamptz,
	primary key (street_id, id),
	foreign key (street_id, person_id) references people.person (street_id, id)
);
create index approval_person on people.approval (street_id, person_id, requested_by);
create index approval_old on people.approval (street_id, created_at);
create index approval_path on people.approval (street_id, path, id);
comment on table people.approval is
	'class: street. A manager''s leave to see a minor''s record, or for the street to unmask: asked for by one person of the staff, given by another, for a time.';

create table people.data_request (
	street_id integer not null,
	id uuid not null,
	person_id uuid not null,
	path text collate "C" not null,
	accounts uuid[] not null default '{}',
	kind text not null check (kind in ('copy', 'correct', 'delete', 'restrict')),
	state text not null default 'filed' check (state in
		('filed', 'identity_verified', 'processing', 'fulfilled', 'refused', 'restricted')),
	wish text,
	refused_reason text,
	filed_by uuid not null,
	filed_at timestamptz not null default core.now(),
	due_on date not null,
	verified_by uuid,
	done_at timestamptz,
	done_by uuid,
	updated_at timestamptz not null default core.now(),
	primary key (street_id, id),
	check ((state = 'refused') = (refused_reason is not null)),
	foreign key (street_id, person_id) references people.person (street_id, id)
);
create index data_request_person on people.data_request (street_id, person_id, id);
create index data_request_path on people.data_request (street_id, path, id);
create index data_request_done on people.data_request (street_id, done_at) where done_at is not null;
create index data_request_waiting on people.data_request (street_id, id) where state = 'restricted';
comment on table people.data_request is
	'class: street. What somebody asks about their own data: a copy, a correction, deletion, restriction (PIPL 45–47), with its clock.';

create table people.retention_rule (
	code text primary key,
	months integer not null check (months > 0),
	basis text not null
);
comment on table people.retention_rule is 'class: reference. How long what is kept when its purpose is over; the job people.sweep() goes by it.';
insert into people.retention_rule (code, months, basis) values
	('consent', 36, 'PIPL 55–56: records of processing are kept for three years'),
	('data_request', 36, 'PIPL 50: how a request was answered'),
	('approval', 36, '未成年人网络保护条例 36: accesses to minors'' data'),
	('moved_away', 24, '[J] a person without residence or ownership'),
	('login_event', 12, '网络安全法 21: six months at least');

---------------------------------------------------------------- row-level security
alter table people.household enable row level security;
alter table people.household force row level security;
create policy reach on people.household using (street_id = core.street() and people.may_see(path, null));
alter table people.person enable row level security;
alter table people.person force row level security;
create policy reach on people.person using (street_id = core.street() and people.may_see(path, accounts));
alter table people.secret enable row level security;
alter table people.secret force row level security;
create policy reach on people.secret using (street_id = core.street() and people.may_see(path, accounts));
alter table people.gram enable row level security;
alter table people.gram force row level security;
create policy reach on people.gram using (street_id = core.street() and people.may_see(path, accounts));
alter table people.residence enable row level security;
alter table people.residence force row level security;
create policy reach on people.residence using (street_id = core.street() and people.may_see(path, accounts));
alter table people.ownership enable row level security;
alter table people.ownership force row level security;
create policy reach on people.ownership using (street_id = core.street() and people.may_see(path, accounts));
alter table people.guardianship enable row level security;
alter table people.guardianship force row level security;
create policy reach on people.guardianship using (street_id = core.street() and people.may_see(path, accounts));
alter table people.tag enable row level security;
alter table people.tag force row level security;
create policy reach on people.tag using (street_id = core.street() and people.may_see(path, accounts));
alter table people.health_tag enable row level security;
alter table people.health_tag force row level security;
create policy reach on people.health_tag using (street_id = core.street() and people.may_see_health(path, accounts));
alter table people.consent enable row level security;
alter table people.consent force row level security;
create policy reach on people.consent using (street_id = core.street() and people.may_see(path, accounts));
alter table people.approval enable row level security;
alter table people.approval force row level security;
create policy reach on people.approval using (street_id = core.street()
	and case core.role() when 'resident' then false when 'community' then path ^@ any (core.scopes())
		when 'system' then true else requested_by = core.actor() end);
alter table people.data_request enable row level security;
alter table people.data_request force row level security;
create policy reach on people.data_request using (street_id = core.street() and core.role() <> 'grid_lead'
	and people.may_see(path, accounts));

---------------------------------------------------------------- reading
create function people.approved(p_id uuid) returns boolean
language sql stable
as $$select exists (select from people.approval a where a.street_id = core.street() and a.person_id = $1
	and a.requested_by = core.actor() and a.state = 'approved' and a.expires_at > core.now())$$;
comment on function people.approved(uuid) is 'Has the caller a manager''s leave for this person now.';

create function people.sight(viewer text, field text) returns text
language sql stable
as $$select r.sight from people.field_rule r where r.viewer = $1 and r.field = $2$$;
comment on function people.sight(text, text) is 'plain, masked or none.';

create function people.address_of(dwelling uuid) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$select c.name || b.name || coalesce(u.name, '') || d.number
	from grid.dwelling d
	join grid.building b on b.street_id = d.street_id and b.id = d.building_id
	join grid.compound c on c.street_id = b.street_id and c.id = b.compound_id
	left join grid.unit u on u.street_id = d.street_id and u.id = d.unit_id
	where d.street_id = core.street() and d.id = $1$$;
comment on function people.address_of(uuid) is '双福苑3栋2单元502, of somebody or a household the caller sees: residents see no dwelling but know where they live.';

create function people.tags_of(person uuid, household uuid) returns json
language sql stable
as $$
	select coalesce(json_agg(json_build_object('id', t.id, 'code', t.code, 'name', k.name_zh,
		'sensitive', k.sensitive, 'reason', t.reason, 'set_at', t.set_at, 'set_by', t.set_by_name)
		order by k.sort, t.code), '[]')
	from (select id, code, reason, set_at, set_by_name from people.tag x
			where x.street_id = core.street() and x.cleared_at is null and (x.person_id = $1 or x.household_id = $2)
		union all select id, code, reason, set_at, set_by_name from people.health_tag x
			where x.street_id = core.street() and x.cleared_at is null and x.person_id = $1) t
	join people.tag_kind k on k.code = t.code
$$;
comment on function people.tags_of(uuid, uuid) is 'Live tags of a person or a household, as far as the caller sees them.';

create type people.shown as (id uuid, name text, sex text, born_on date, birth_year integer, is_minor boolean,
	withheld boolean, phone_mask text, id_number_mask text, verified text, verified_on date, has_account boolean,
	grid_id uuid, dwelling_id uuid, household_id uuid, address text, tags json, updated_at timestamptz,
	_etag integer, _path text, _viewer text);

create function people.show(p people.person) returns people.shown
language plpgsql
as $$
declare
	s people.shown;
	sights jsonb;
begin
	s._viewer := people.viewer(p.path, p.accounts, p.account_id);
	if p.id is null or s._viewer is null or p.status in ('erased', 'merged')
		or (p.status = 'restricted' and s._viewer not in ('self', 'guardian')) then
		return null;
	end if;
	s.id := p.id;
	s._etag := p.version;
	s._path := p.path;
	s.is_minor := coalesce(people.is_under(p.born_on, 18), false);
	s.withheld := s.is_minor and s._viewer not in ('self', 'guardian') and core.role() <> 'system'
		and not people.approved(p.id);
	s.dwelling_id := p.dwelling_id;
	s.household_id := p.household_id;
	s.grid_id := (select g.id from grid.grid g where g.street_id = p.street_id and g.path = p.path);
	s.updated_at := p.updated_at;
	s.tags := '[]';
	if s.withheld then
		return s;
	end if;
	sights := (select jsonb_object_agg(r.field, r.sight) from people.field_rule r where r.viewer = s._viewer);
	s.name := case sights ->> 'name' when 'plain' then p.name when 'masked' then people.mask_name(p.name) end;
	s.sex := case sights ->> 'sex' when 'plain' then p.sex end;
	s.born_on := case sights ->> 'born_on' when 'plain' then p.born_on end;
	s.birth_year := case when sights ->> 'born_on' <> 'none' then extract(year from p.born_on) end;
	s.phone_mask := case when sights ->> 'phone' <> 'none' then p.phone_mask end;
	s.id_number_mask := case when sights ->> 'id_number' <> 'none' then p.id_number_mask end;
	s.verified := p.verified;
	s.verified_on := p.verified_on;
	s.has_account := p.account_id is not null;
	s.address := people.address_of(p.dwelling_id);
	s.tags := people.tags_of(p.id, p.household_id);
	if s.is_minor and s._viewer not in ('self', 'guardian') then
		perform audit.put('view', 'person', p.id, p.id, people.filled(s), null, '{"minor":true}', p.path);
	end if;
	return s;
end
$$;
comment on function people.show(people.person) is
	'A person as the caller may see them, by people.field_rule; null when not at all. A minor is withheld from staff without leave, and each look with it is logged.';

create function people.filled(s people.shown) returns text[]
language sql immutable
return array(select f from unnest('{name,sex,born_on,birth_year,phone_mask,id_number_mask,address,tags}'::text[],
		array[s.name, s.sex, s.born_on::text, s.birth_year::text, s.phone_mask, s.id_number_mask, s.address,
			nullif(s.tags::text, '[]')]) x (f, v)
	where v is not null);
comment on function people.filled(people.shown) is 'The fields of it that tell something.';

create function people.read(p_id uuid) returns setof people.shown
language plpgsql security definer set search_path = pg_catalog, pg_temp rows 1
as $$
declare
	s people.shown;
begin
	select x.* into s from people.person p, people.show(p) x where p.street_id = core.street() and p.id = p_id;
	if s.id is not null then
		return next s;
	end if;
end
$$;
comment on function people.read(uuid) is 'people.show() by id; no row when there is nothing to see.';

create function people.view(p_id uuid) returns setof people.shown
language plpgsql security definer set search_path = pg_catalog, pg_temp rows 1
as $$
declare
	s people.shown;
begin
	select x.* into s from people.read(p_id) x;
	if not found then
		perform people.tell_merged(p_id);
		return;
	end if;
	-- A minor's was logged already.
	if s._viewer not in ('self', 'guardian') and not s.withheld and not s.is_minor then
		perform audit.put('view', 'person', p_id, p_id, people.filled(s), null, null, s._path);
	end if;
	return next s;
end
$$;
comment on function people.view(uuid) is 'One person on purpose: as people.read(), and staff''s look is logged.';

create function people.of_account(account uuid) returns people.person
language sql stable
as $$select p.* from people.person p where p.street_id = core.street() and p.account_id = $1$$;
comment on function people.of_account(uuid) is 'The person of an account in the caller''s street, as far as the caller sees them.';

---------------------------------------------------------------- keeping in step
create function people.refresh(p_ids uuid[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	street constant integer := core.street();
begin
	update people.person p set accounts = coalesce(w.accounts, '{}')
	from (select x.id, (select array_agg(distinct a.account_id order by a.account_id) from (
			select x.account_id union all
			select g.account_id from people.guardianship s
			join people.person g on g.street_id = s.street_id and g.id = s.guardian_id
			where s.street_id = street and s.person_id = x.id
				and s.from_on <= core.today() and (s.to_on is null or s.to_on > core.today())) a
			where a.account_id is not null) as accounts
		from people.person x where x.street_id = street and x.id = any (p_ids)) w
	where p.street_id = street and p.id = w.id and p.accounts <> coalesce(w.accounts, '{}');
	-- Who was merged into somebody is theirs: the log of accesses is.
	update people.person x set accounts = p.accounts from people.person p
	where x.street_id = street and x.merged_into = any (p_ids) and p.street_id = street and p.id = x.merged_into;
	update people.secret x set path = p.path, accounts = p.accounts from people.person p
	where x.street_id = street and x.person_id = any (p_ids) and p.street_id = street and p.id = x.person_id;
	update people.residence x set path = p.path, accounts = p.accounts from people.person p
	where x.street_id = street and x.person_id = any (p_ids) and p.street_id = street and p.id = x.person_id;
	update people.ownership x set path = d.path, accounts = p.accounts from people.person p, grid.dwelling d
	where x.street_id = street and x.person_id = any (p_ids) and p.street_id = street and p.id = x.person_id
		and d.street_id = street and d.id = x.dwelling_id;
	update people.guardianship x set path = p.path, accounts = p.accounts from people.person p
	where x.street_id = street and x.person_id = any (p_ids) and p.street_id = street and p.id = x.person_id;
	update people.tag x set path = p.path, accounts = p.accounts from people.person p
	where x.street_id = street and x.person_id = any (p_ids) and p.street_id = street and p.id = x.person_id;
	update people.health_tag x set path = p.path, accounts = p.accounts from people.person p
	where x.street_id = street and x.person_id = any (p_ids) and p.street_id = street and p.id = x.person_id;
	update people.consent x set path = p.path, accounts = p.accounts from people.person p
	where x.street_id = street and x.person_id = any (p_ids) and p.street_id = street and p.id = x.person_id;
	update people.approval x set path = p.path, accounts = p.accounts from people.person p
	where x.street_id = street and x.person_id = any (p_ids) and p.street_id = street and p.id = x.person_id;
	update people.data_request x set path = p.path, accounts = p.accounts from people.person p
	where x.street_id = street and x.person_id = any (p_ids) and p.street_id = street and p.id = x.person_id;
	perform care.refresh(p_ids);
	delete from people.gram x where x.street_id = street and x.person_id = any (p_ids);
	insert into people.gram (street_id, gram, path, person_id, accounts)
	select street, g.gram, p.path, p.id, p.accounts
	from people.person p, people.grams_of(p.name) g (gram)
	where p.street_id = street and p.id = any (p_ids) and p.status = 'active';
end
$$;
comment on function people.refresh(uuid[]) is
	'Whatever hangs on these persons gets their path and accounts, and their names are to be found again: after they moved, got an account or a guardian, or changed name or status.';

create function people.plain_name(name text) returns text
language sql immutable strict parallel safe
return lower(regexp_replace(normalize(name, nfkc), '[[:space:]·•]', '', 'g'));
comment on function people.plain_name(text) is 'A name as it is searched: one width, no case, no dots or spaces.';

create function people.grams_of(name text) returns setof text
language sql immutable strict parallel safe rows 2
as $$select distinct substr(n.name, i, 2) from people.plain_name($1) n (name), generate_series(1, greatest(length(n.name) - 1, 1)) i$$;
comment on function people.grams_of(text) is 'The pairs of neighbouring characters of a name, or its only one.';

-- The seam of boundaries: what stands under a dwelling moves with it.
create function people.follow_dwelling(p_ids uuid[], p_path text) returns void
language plpgsql
as $$
declare
	moved uuid[];
begin
	update people.household h set path = p_path, updated_at = core.now()
	where h.street_id = core.street() and h.dwelling_id = any (p_ids);
	update people.tag t set path = p_path from people.household h
	where t.street_id = core.street() and h.street_id = core.street() and h.dwelling_id = any (p_ids)
		and t.household_id = h.id;
	perform care.follow_households(p_ids, p_path);
	with m as (update people.person p set path = p_path, version = p.version + 1, updated_at = core.now()
		where p.street_id = core.street() and p.dwelling_id = any (p_ids) returning p.id)
	select array_agg(m.id) into moved from m;
	perform people.refresh(moved || array(select o.person_id from people.ownership o
		where o.street_id = core.street() and o.dwelling_id = any (p_ids)));
	perform core.put_event('person', m, 'moved', null, null, p_path, null, false) from unnest(moved) m;
end
$$;
comment on function people.follow_dwelling(uuid[], text) is
	'Households and persons of these dwellings stand under a path from now on, and so does all that hangs on them. In role system.';

create or replace function grid.follow_dwellings(p_ids uuid[], p_path text) returns void
language plpgsql
as $$
begin
	perform people.follow_dwelling(p_ids, p_path);
end
$$;
comment on function grid.follow_dwellings(uuid[], text) is
	'Called with dwellings of one street that now stand under a path, as role system: people go along.';

create or replace function grid.household_count(p_dwellings uuid[]) returns integer
language plpgsql stable
as $$
begin
	return (select coalesce(sum(greatest(1, (select count(*) from people.household h
			where h.street_id = d.street_id and h.dwelling_id = d.id))), 0)
		from grid.dwelling d where d.street_id = core.street() and d.id = any (p_dwellings) and d.use = 'residence');
end
$$;
comment on function grid.household_count(uuid[]) is
	'How many households live in dwellings: those recorded, one in a residence of which nothing is.';

create function people.tell(p people.person, p_action text, p_data json default null) returns void
language plpgsql
as $$
begin
	perform core.put_event('person', p.id, p_action, null, null, p.path, p.account_id, false, p_data);
end
$$;
comment on function people.tell(people.person, text, json) is 'The event of a change to a person; never holds what changed.';

---------------------------------------------------------------- writing persons
create function people.may_edit(viewer text, b jsonb) returns void
language plpgsql stable
as $$
declare
	f text;
begin
	for f in select r.field from people.field_rule r where r.viewer = $1 and not r.edit
		and b -> r.field is not null and b ->> r.field is not null order by r.field loop
		perform core.fail(403, 'field_not_allowed', '/' || f);
	end loop;
end
$$;
comment on function people.may_edit(text, jsonb) is 'LN403 field_not_allowed for the first field given that this viewer may not write.';

create function people.guardian(p_id uuid, p_pointer text) returns people.person
language plpgsql stable
as $$
declare
	g people.person;
begin
	select x.* into g from people.person x where x.street_id = core.street() and x.id = p_id and x.status = 'active';
	if not found or people.is_under(g.born_on, 18) then
		perform core.fail(422, 'guardian_not_found', p_pointer);
	end if;
	return g;
end
$$;
comment on function people.guardian(uuid, text) is 'An adult the caller sees. LN422 guardian_not_found.';

create function people.checked(b jsonb) returns jsonb
language plpgsql stable
as $$
begin
	if b ->> 'born_on' <> b ->> 'id_number_born' then
		perform core.fail(422, 'id_number_mismatch', '/born_on');
	elsif b ->> 'sex' <> b ->> 'id_number_sex' then
		perform core.fail(422, 'id_number_mismatch', '/sex');
	elsif (coalesce(b ->> 'born_on', b ->> 'id_number_born'))::date > core.today() then
		perform core.fail(422, 'born_in_future', '/born_on');
	elsif (coalesce(b ->> 'born_on', b ->> 'id_number_born'))::date <= '1800-01-01' then
		perform core.fail(422, 'dates_invalid', '/born_on');
	end if;
	return b || jsonb_build_object('born_on', coalesce(b ->> 'born_on', b ->> 'id_number_born'),
		'sex', coalesce(b ->> 'sex', b ->> 'id_number_sex'));
end
$$;
comment on function people.checked(jsonb) is
	'Fields of a person with what the ID number says of birth and sex. LN422 id_number_mismatch, born_in_future, dates_invalid.';

create function people.insert_person(p_id uuid, p_dwelling uuid, p_household uuid, p_path text, p_accounts uuid[], b jsonb) returns people.person
language plpgsql
as $$
declare
	p people.person;
begin
	insert into people.person (street_id, id, path, dwelling_id, household_id, accounts, name, sex, born_on,
		phone_mask, id_number_mask, verified, verified_on, verified_by, source, source_id, created_by, updated_by)
	values (core.street(), p_id, p_path, p_dwelling, p_household, p_accounts, b ->> 'name', b ->> 'sex',
		(b ->> 'born_on')::date, b ->> 'phone_mask', b ->> 'id_number_mask', coalesce(b ->> 'verified', 'unverified'),
		case when b ->> 'verified' = 'verified' then core.today() end,
		case when b ->> 'verified' = 'verified' then core.actor() end,
		b ->> 'source', b ->> 'source_id', core.actor(), core.actor())
	returning * into p;
	insert into people.secret (street_id, person_id, path, accounts, phone, phone_index, id_number, id_number_index)
	values (p.street_id, p_id, p_path, p_accounts, b ->> 'phone', b ->> 'phone_index', b ->> 'id_number', b ->> 'id_number_index');
	insert into people.residence (street_id, id, person_id, dwelling_id, household_id, path, accounts, kind, from_on)
	values (p.street_id, core.new_id(p.street_id), p_id, p_dwelling, p_household, p_path, p_accounts,
		coalesce(b ->> 'kind', 'family'), coalesce((b ->> 'from_on')::date, core.today()));
	return p;
end
$$;
comment on function people.insert_person(uuid, uuid, uuid, text, uuid[], jsonb) is 'The rows of a new person who lives in a dwelling.';

create function people.fail_constraint(name text) returns void
language plpgsql
as $$
begin
	if name ^@ 'secret_id_number_key' then
		perform core.fail(409, 'person_exists', '/id_number');
	elsif name ^@ 'person_source_key' then
		perform core.fail(409, 'person_exists', '/source_id');
	elsif name ^@ 'residence_overlap' or name ^@ 'residence_dates_check' then
		perform core.fail(409, 'residence_overlaps', '/from_on');
	elsif name ^@ 'ownership_overlap' then
		perform core.fail(409, 'ownership_overlaps', '/person_id');
	elsif name ^@ 'guardianship_overlap' then
		perform core.fail(409, 'guardian_already', '/guardian_id');
	elsif name ^@ 'person_account' then
		perform core.fail(409, 'account_linked', '/account_id');
	elsif name ^@ 'consent_live' then
		perform core.fail(409, 'consent_given', '/purpose');
	elsif name ^@ 'tag_' or name ^@ 'health_tag_' then
		perform core.fail(409, 'tag_set', '/code');
	end if;
end
$$;
comment on function people.fail_constraint(text) is 'What a broken constraint means to the caller; returns when it means nothing.';

create function people.dwelling(p_id uuid, p_pointer text) returns grid.dwelling
language plpgsql stable
as $$
declare
	d grid.dwelling;
begin
	select x.* into d from grid.dwelling x where x.street_id = core.street() and x.id = p_id;
	if not found then
		perform core.fail(case when p_pointer is null then 404 else 422 end,
			case when p_pointer is null then 'not_found' else 'dwelling_not_found' end, p_pointer);
	end if;
	return d;
end
$$;
comment on function people.dwelling(uuid, text) is 'A dwelling the caller answers for; without a pointer LN404 not_found, with one LN422 dwelling_not_found.';

create function people.household_of(p_id uuid, p_dwelling grid.dwelling, p_head uuid) returns uuid
language plpgsql
as $$
declare
	h uuid := core.new_id(core.street());
begin
	if p_id is null then
		insert into people.household (street_id, id, dwelling_id, path, head_id, updated_by)
		values (core.street(), h, p_dwelling.id, p_dwelling.path, p_head, core.actor());
		return h;
	end if;
	if not exists (select from people.household x where x.street_id = core.street() and x.id = p_id
		and x.dwelling_id = p_dwelling.id) then
		perform core.fail(422, 'household_not_found', '/household_id');
	end if;
	return p_id;
end
$$;
comment on function people.household_of(uuid, grid.dwelling, uuid) is 'A household of that dwelling, or for null a new one with this head. LN422 household_not_found.';

create function people.create_person(p_id uuid, p_body jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	b constant jsonb := people.checked(p_body);
	d grid.dwelling := people.dwelling((b ->> 'dwelling_id')::uuid, '/dwelling_id');
	young boolean;
	g people.person;
	p people.person;
	broken text;
begin
	perform people.may_edit(people.viewer(d.path, '{}', null), p_body - '{name,born_on}'::text[]);
	if b ->> 'born_on' is null then
		perform core.fail(422, 'born_on_required', '/born_on');
	end if;
	young := people.is_under((b ->> 'born_on')::date, 14);
	if b ->> 'guardian_id' is not null then
		g := people.guardian((b ->> 'guardian_id')::uuid, '/guardian_id');
	end if;
	if young and (g.id is null or b ->> 'consent_text' is null) then
		perform core.fail(403, 'guardian_consent_required', '/guardian_id');
	end if;
	p := people.insert_person(p_id, d.id, people.household_of((b ->> 'household_id')::uuid, d, p_id), d.path, '{}', b);
	if g.id is not null then
		perform people.add_guardian(p, g, coalesce(b ->> 'kinship', 'other'));
	end if;
	if young then
		perform people.add_consent(core.new_id(p.street_id), p, g.id, 'minor', null, b ->> 'consent_text', 'paper');
	end if;
	perform people.refresh(array[p_id]);
	perform people.tell(p, 'create');
exception when unique_violation or exclusion_violation then
	get stacked diagnostics broken = constraint_name;
	perform people.fail_constraint(broken);
	raise;
end
$$;
comment on function people.create_person(uuid, jsonb) is
	'A person who lives in a dwelling of the caller''s ground; household_id null = a household of their own. LN403 guardian_consent_required (under 14, and then nothing is stored), field_not_allowed, LN409 person_exists, LN422 dwelling_not_found, household_not_found, guardian_not_found, born_on_required and as people.checked().';

create function people.add_guardian(p people.person, g people.person, p_kinship text) returns uuid
language plpgsql
as $$
declare
	made constant uuid := core.new_id(p.street_id);
begin
	insert into people.guardianship (street_id, id, person_id, guardian_id, path, accounts, kinship, from_on, until_on)
	values (p.street_id, made, p.id, g.id, p.path, p.accounts, p_kinship, core.today(),
		case when p.adult_on > core.today() then p.adult_on end);
	return made;
end
$$;
comment on function people.add_guardian(people.person, people.person, text) is 'From today g is guardian of p, of a minor until they are grown.';

create function people.add_consent(p_id uuid, p people.person, p_giver uuid, p_purpose text, p_recipient text,
	p_text text, p_channel text) returns void
language plpgsql
as $$
begin
	insert into people.consent (street_id, id, person_id, path, accounts, purpose, recipient, text_version,
		channel, given_by, recorded_by)
	values (p.street_id, p_id, p.id, p.path, p.accounts, p_purpose, p_recipient, p_text, p_channel, p_giver, core.actor());
	perform people.tell(p, 'consent', json_build_object('purpose', p_purpose));
end
$$;
comment on function people.add_consent(uuid, people.person, uuid, text, text, text, text) is 'The record of a consent given now.';

create function people.add_ward(p_id uuid, p_body jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	b constant jsonb := people.checked(p_body);
	me people.person := people.of_account(core.actor());
	p people.person;
	broken text;
begin
	if me.id is null or me.status <> 'active' then
		perform core.fail(409, 'person_unknown');
	elsif b ->> 'born_on' is null then
		perform core.fail(422, 'born_on_required', '/born_on');
	elsif not people.is_under((b ->> 'born_on')::date, 18) then
		perform core.fail(422, 'not_a_minor', '/born_on');
	elsif people.is_under(me.born_on, 18) then
		perform core.fail(403, 'guardian_consent_required');
	end if;
	p := people.insert_person(p_id, me.dwelling_id, me.household_id, me.path, array[core.actor()], b);
	perform people.add_guardian(p, me, b ->> 'kinship');
	perform people.add_consent(core.new_id(p.street_id), p, me.id, 'minor', null, b ->> 'consent_text', 'online');
	perform people.refresh(array[p_id]);
	perform people.tell(p, 'create');
exception when unique_violation then
	get stacked diagnostics broken = constraint_name;
	perform people.fail_constraint(broken);
	raise;
end
$$;
comment on function people.add_ward(uuid, jsonb) is
	'A guardian enters a child of their household and consents. LN409 person_unknown (the account is nobody''s here), person_exists, LN422 not_a_minor, born_on_required.';

create function people.locked(p_id uuid, p_if_match text default null) returns people.person
language plpgsql
as $$
declare
	p people.person;
begin
	select x.* into p from people.person x where x.street_id = core.street() and x.id = p_id for update;
	if p.status = 'merged' then
		perform people.tell_merged(p_id);
	end if;
	if p.id is null or p.status in ('erased', 'merged') or (p.status = 'restricted' and core.role() not in ('resident', 'system')) then
		perform core.fail(404, 'not_found');
	elsif core.is_stale(p.version, p_if_match) then
		perform core.fail(412, 'version_conflict');
	elsif core.role() not in ('resident', 'system') and people.is_under(p.born_on, 18) and not people.approved(p_id) then
		perform core.fail(403, 'approval_required');
	end if;
	return p;
end
$$;
comment on function people.locked(uuid, text) is
	'A person to be changed. LN404 not_found, LN410 person_merged, LN412 version_conflict, LN403 approval_required (staff and a minor).';

create function people.update_person(p_id uuid, p_if_match text, p_body jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	b constant jsonb := people.checked(p_body);
	p people.person := people.locked(p_id, p_if_match);
	broken text;
begin
	perform people.may_edit(people.viewer(p.path, p.accounts, p.account_id), jsonb_strip_nulls(p_body)
		- case when p_body ->> 'name' = p.name then 'name' else '' end
		- case when p_body ->> 'born_on' = p.born_on::text then 'born_on' else '' end);
	-- Younger than thought: then the guardian must have been asked.
	if people.is_under((b ->> 'born_on')::date, 14) and not exists (select from people.consent c
		where c.street_id = p.street_id and c.person_id = p_id and c.purpose = 'minor' and c.withdrawn_at is null) then
		perform core.fail(403, 'guardian_consent_required', '/born_on');
	end if;
	update people.secret s set phone = coalesce(b ->> 'phone', s.phone), phone_index = coalesce(b ->> 'phone_index', s.phone_index),
		id_number = coalesce(b ->> 'id_number', s.id_number), id_number_index = coalesce(b ->> 'id_number_index', s.id_number_index)
	where s.street_id = p.street_id and s.person_id = p_id;
	update people.person x set name = b ->> 'name', sex = coalesce(b ->> 'sex', x.sex),
		born_on = coalesce((b ->> 'born_on')::date, x.born_on),
		phone_mask = coalesce(b ->> 'phone_mask', x.phone_mask),
		id_number_mask = coalesce(b ->> 'id_number_mask', x.id_number_mask),
		verified = coalesce(b ->> 'verified', x.verified),
		verified_on = case when b ->> 'verified' = 'verified' then core.today() else x.verified_on end,
		verified_by = case when b ->> 'verified' = 'verified' then core.actor() else x.verified_by end,
		version = x.version + 1, updated_at = core.now(), updated_by = core.actor()
	where x.street_id = p.street_id and x.id = p_id;
	perform people.refresh(array[p_id]);
	perform people.tell(p, 'update');
exception when unique_violation then
	get stacked diagnostics broken = constraint_name;
	perform people.fail_constraint(broken);
	raise;
end
$$;
comment on function people.update_person(uuid, text, jsonb) is
	'A person as they shall be; phone, ID number, birth and sex stay when not given. Errors as people.locked(), LN403 field_not_allowed, guardian_consent_required, LN409 person_exists.';

---------------------------------------------------------------- unmasking and approval
create function people.somebody(p_id uuid) returns people.person
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	p people.person;
begin
	select x.* into p from people.person x
	where x.street_id = core.street() and x.id = p_id and x.status = 'active';
	return p;
end
$$;
comment on function people.somebody(uuid) is 'Any person of the caller''s street who may be processed, seen or not. For functions that decide by themselves.';

create function people.secret_of(p_id uuid) returns people.secret
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	s people.secret;
begin
	select x.* into s from people.secret x where x.street_id = core.street() and x.person_id = p_id;
	return s;
end
$$;
comment on function people.secret_of(uuid) is 'The sealed fields of somebody. As people.somebody().';

create function people.unmask(p_id uuid, p_fields text[], p_reason text)
returns table (id uuid, name text, born_on date, phone text, id_number text)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	p people.person := people.somebody(p_id);
	s people.secret := people.secret_of(p_id);
	seer constant text := people.viewer(p.path, p.accounts, p.account_id);
	f text;
begin
	if p.id is null or seer is null then
		perform core.fail(404, 'not_found');
	end if;
	foreach f in array p_fields loop
		case (select case r.sight when 'plain' then 'plain' else r.unmask end from people.field_rule r
			where r.viewer = seer and r.field = f)
			when 'plain', 'reason' then null;
			when 'approval' then
				if not exists (select from people.approval a where a.street_id = p.street_id and a.person_id = p_id
					and a.requested_by = core.actor() and a.state = 'approved' and a.expires_at > core.now()
					and f = any (a.fields)) then
					perform core.fail(403, 'approval_required', '/fields');
				end if;
			else perform core.fail(403, 'field_not_allowed', '/fields');
		end case;
	end loop;
	if people.is_under(p.born_on, 18) and not people.approved(p_id) then
		perform core.fail(403, 'approval_required');
	end if;
	perform audit.put('unmask', 'person', p_id, p_id, p_fields,
		replace(p_reason, p.name, people.mask_name(p.name)), null, p.path);
	return query select p_id, case when 'name' = any (p_fields) then p.name end,
		case when 'born_on' = any (p_fields) then p.born_on end,
		case when 'phone' = any (p_fields) then s.phone end,
		case when 'id_number' = any (p_fields) then s.id_number end;
end
$$;
comment on function people.unmask(uuid, text[], text) is
	'Fields in full (phone and ID number still sealed), logged with the reason. LN404 not_found, LN403 field_not_allowed, approval_required.';

create function people.request_approval(p_id uuid, p_person uuid, p_fields text[], p_reason text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	p people.person := people.somebody(p_person);
begin
	if p.id is null or people.viewer(p.path, p.accounts, p.account_id) is null then
		perform core.fail(404, 'not_found');
	end if;
	insert into people.approval (street_id, id, person_id, path, accounts, requested_by, requested_role,
		requested_name, fields, reason)
	values (p.street_id, p_id, p_person, p.path, p.accounts, core.actor(), core.role(),
		identity.name_of(core.actor()), p_fields, replace(p_reason, p.name, people.mask_name(p.name)));
	perform core.put_event('approval', p_id, 'request', null, 'requested', p.path, null, false);
end
$$;
comment on function people.request_approval(uuid, uuid, text[], text) is
	'The caller asks a manager for leave to see somebody. LN404 not_found.';

create function people.decide_approval(p_id uuid, p_state text, p_hours integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	a people.approval;
begin
	select x.* into a from people.approval x where x.street_id = core.street() and x.id = p_id for update;
	if not found then
		perform core.fail(404, 'not_found');
	elsif a.requested_by = core.actor() then
		perform core.fail(403, 'own_request');
	elsif a.state <> 'requested' then
		perform core.fail(409, 'wrong_state');
	end if;
	update people.approval x set state = p_state, decided_at = core.now(), decided_by = core.actor(),
		expires_at = case when p_state = 'approved' then core.now() + make_interval(hours => p_hours) end
	where x.street_id = a.street_id and x.id = p_id;
	perform core.put_event('approval', p_id, p_state, 'requested', p_state, a.path, null, false);
	perform audit.put(p_state, 'approval', p_id, a.person_id, a.fields, a.reason, null, a.path);
end
$$;
comment on function people.decide_approval(uuid, text, integer) is
	'approved for so many hours, or refused, by another than who asked. LN404 not_found, LN403 own_request, LN409 wrong_state.';

create view people.approval_view with (security_invoker = true) as
select a.street_id as _street_id, a.id, a.person_id, a.requested_by, a.requested_name, a.requested_role,
	array_to_json(a.fields) as fields, a.reason, a.state, a.created_at, a.decided_at, a.expires_at
from people.approval a;
comment on view people.approval_view is 'class: street. Approval.';

---------------------------------------------------------------- where they live, what they own
create function people.move(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	p people.person := people.locked(p_id);
	d grid.dwelling := people.dwelling((b ->> 'dwelling_id')::uuid, '/dwelling_id');
	since constant date := coalesce((b ->> 'from_on')::date, core.today());
	h uuid;
	broken text;
begin
	if since > core.today() then
		perform core.fail(422, 'date_in_future', '/from_on');
	end if;
	h := people.household_of((b ->> 'household_id')::uuid, d, p_id);
	update people.residence r set to_on = since
	where r.street_id = p.street_id and r.person_id = p_id and r.to_on is null;
	insert into people.residence (street_id, id, person_id, dwelling_id, household_id, path, accounts, kind, from_on)
	values (p.street_id, core.new_id(p.street_id), p_id, d.id, h, d.path, p.accounts, b ->> 'kind', since);
	update people.person x set dwelling_id = d.id, household_id = h, path = d.path, version = x.version + 1,
		updated_at = core.now(), updated_by = core.actor()
	where x.street_id = p.street_id and x.id = p_id;
	perform people.refresh(array[p_id]);
	perform people.tell(p, 'move_in');
exception when exclusion_violation or check_violation then
	get stacked diagnostics broken = constraint_name;
	perform people.fail_constraint(broken);
	raise;
end
$$;
comment on function people.move(uuid, jsonb) is
	'They live in a dwelling of the caller''s ground since a day, and no longer where they did; household_id null = a new household. LN422 dwelling_not_found, household_not_found, date_in_future, LN409 residence_overlaps and as people.locked().';

create function people.of_number(p_index text) returns people.person
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	p people.person;
begin
	select x.* into p from people.secret s
	join people.person x on x.street_id = s.street_id and x.id = s.person_id
	where s.street_id = core.street() and s.id_number_index = p_index and x.status = 'active';
	return p;
end
$$;
comment on function people.of_number(text) is 'Whose ID number that is, seen or not. As people.somebody().';

create function people.resettle(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
begin
	perform people.move(p_id, b);
end
$$;
comment on function people.resettle(uuid, jsonb) is 'people.move() of somebody the caller does not see yet.';

create function people.take_over(p_dwelling uuid, b jsonb) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	d grid.dwelling := people.dwelling(p_dwelling, null);
	p people.person := people.of_number(b ->> 'id_number_index');
	place text;
begin
	-- Who they are must be known already: number and name.
	if p.id is null or people.plain_name(p.name) <> people.plain_name(b ->> 'name') then
		perform core.fail(422, 'person_not_found', '/id_number');
	elsif people.is_under(p.born_on, 18) and not exists (select from people.guardianship g
		join people.person x on x.street_id = g.street_id and x.id = g.guardian_id and x.path ^@ any (core.scopes())
		where g.street_id = p.street_id and g.person_id = p.id and g.to_on is null) then
		perform core.fail(403, 'approval_required');
	end if;
	perform people.resettle(p.id, b || jsonb_build_object('dwelling_id', p_dwelling));
	-- In the log of those who lose them, and of those who have them now.
	foreach place in array array[p.path, d.path] loop
		perform audit.put('take_over', 'person', p.id, p.id, '{name,id_number}',
			replace(b ->> 'reason', p.name, people.mask_name(p.name)), null, place);
	end loop;
	return p.id;
end
$$;
comment on function people.take_over(uuid, jsonb) is
	'Somebody of another community has moved into a dwelling of the caller''s: named by ID number and name they are the caller''s from now on, and no longer the other''s; a minor only after a guardian. LN404 not_found, LN422 person_not_found, LN403 approval_required, and as people.move().';

create function people.move_out(p_id uuid, p_on date) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	p people.person := people.locked(p_id);
	broken text;
begin
	update people.residence r set to_on = coalesce(p_on, core.today())
	where r.street_id = p.street_id and r.person_id = p_id and r.to_on is null;
	if not found then
		perform core.fail(409, 'not_resident');
	end if;
	update people.person x set household_id = null, version = x.version + 1, updated_at = core.now(), updated_by = core.actor()
	where x.street_id = p.street_id and x.id = p_id;
	perform people.tell(p, 'move_out');
exception when exclusion_violation or check_violation then
	get stacked diagnostics broken = constraint_name;
	perform people.fail_constraint(broken);
	raise;
end
$$;
comment on function people.move_out(uuid, date) is 'They live there no longer. LN409 not_resident, residence_overlaps and as people.locked().';

create function people.add_owner(p_id uuid, p_dwelling uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	d grid.dwelling := people.dwelling(p_dwelling, null);
	p people.person;
	o record;
	num bigint := (b ->> 'share')::bigint;
	den bigint := (b ->> 'shares')::bigint;
	common bigint;
	broken text;
begin
	if num > den then
		perform core.fail(409, 'shares_exceed', '/share');
	end if;
	-- The dwelling's lock makes the sum ours.
	perform from grid.dwelling x where x.street_id = core.street() and x.id = p_dwelling for no key update;
	select x.* into p from people.person x
	where x.street_id = core.street() and x.id = (b ->> 'person_id')::uuid and x.status = 'active';
	if not found then
		perform core.fail(422, 'person_not_found', '/person_id');
	end if;
	for o in select x.share, x.shares from people.ownership x
		where x.street_id = core.street() and x.dwelling_id = p_dwelling and x.to_on is null loop
		num := num * o.shares + o.share * den;
		den := den * o.shares;
		common := gcd(num, den);
		num := num / common;
		den := den / common;
	end loop;
	if num > den then
		perform core.fail(409, 'shares_exceed', '/share');
	end if;
	insert into people.ownership (street_id, id, person_id, dwelling_id, path, accounts, share, shares, from_on)
	values (core.street(), p_id, p.id, p_dwelling, d.path, p.accounts, (b ->> 'share')::integer,
		(b ->> 'shares')::integer, coalesce((b ->> 'from_on')::date, core.today()));
	perform people.tell(p, 'owner');
exception when exclusion_violation then
	get stacked diagnostics broken = constraint_name;
	perform people.fail_constraint(broken);
	raise;
end
$$;
comment on function people.add_owner(uuid, uuid, jsonb) is
	'A share of a dwelling for somebody; all shares together are one at most. LN404 not_found, LN422 person_not_found, LN409 shares_exceed, ownership_overlaps.';

create function people.end_owner(p_id uuid, p_on date) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	update people.ownership o set to_on = greatest(o.from_on, coalesce(p_on, core.today()))
	where o.street_id = core.street() and o.id = p_id and o.to_on is null;
	if not found then
		perform core.fail(404, 'not_found');
	end if;
	perform core.put_event('ownership', o.id, 'end', null, null, o.path, null, false)
	from people.ownership o where o.street_id = core.street() and o.id = p_id;
end
$$;
comment on function people.end_owner(uuid, date) is 'A share ends. LN404 not_found.';

create function people.name_guardian(p_id uuid, p_person uuid, p_guardian uuid, p_kinship text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	p people.person := people.locked(p_person);
	g people.person := people.guardian(p_guardian, '/guardian_id');
	made uuid;
	broken text;
begin
	if p.id = g.id then
		perform core.fail(422, 'guardian_not_found', '/guardian_id');
	end if;
	made := people.add_guardian(p, g, p_kinship);
	update people.guardianship x set id = p_id where x.street_id = p.street_id and x.id = made;
	perform people.refresh(array[p.id]);
	perform people.tell(p, 'guardian');
exception when exclusion_violation then
	get stacked diagnostics broken = constraint_name;
	perform people.fail_constraint(broken);
	raise;
end
$$;
comment on function people.name_guardian(uuid, uuid, uuid, text) is 'Somebody becomes a person''s guardian. LN422 guardian_not_found, LN409 guardian_already and as people.locked().';

create function people.end_guardian(p_id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	who uuid;
begin
	update people.guardianship x set to_on = greatest(x.from_on, core.today())
	where x.street_id = core.street() and x.id = p_id and x.to_on is null
	returning x.person_id into who;
	if not found then
		perform core.fail(404, 'not_found');
	end if;
	perform people.refresh(array[who]);
	perform people.tell(p, 'guardian_end') from people.person p where p.street_id = core.street() and p.id = who;
end
$$;
comment on function people.end_guardian(uuid) is 'A guardianship ends. LN404 not_found.';

create function people.attach_account(p_person uuid, p_account uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	p people.person := people.locked(p_person);
	broken text;
begin
	if p_account is not null and not exists (select from identity.account_role r where r.account_id = p_account
		and r.role = 'resident' and r.street_id = p.street_id
		and (core.role() = 'system' or r.path ^@ any (core.scopes()))
		and r.from_on <= core.today() and (r.to_on is null or r.to_on > core.today())) then
		perform core.fail(422, 'account_unknown', '/account_id');
	end if;
	update people.person x set account_id = p_account, version = x.version + 1, updated_at = core.now(), updated_by = core.actor()
	where x.street_id = p.street_id and x.id = p_person;
	perform people.refresh(array[p_person] || array(select g.person_id from people.guardianship g
		where g.street_id = p.street_id and g.guardian_id = p_person));
	perform people.tell(p, 'account');
exception when unique_violation then
	get stacked diagnostics broken = constraint_name;
	perform people.fail_constraint(broken);
	raise;
end
$$;
comment on function people.attach_account(uuid, uuid) is
	'A person is a resident''s account (null: no longer any), which sees it and its wards from now on. LN422 account_unknown, LN409 account_linked and as people.locked().';

---------------------------------------------------------------- tags
create function people.set_tag(p_id uuid, p_person uuid, p_household uuid, p_code text, p_reason text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	k people.tag_kind;
	p people.person;
	h people.household;
	place text;
	broken text;
begin
	if p_person is not null then
		p := people.locked(p_person);
		place := p.path;
	else
		select x.* into h from people.household x where x.street_id = core.street() and x.id = p_household for no key update;
		if not found then
			perform core.fail(404, 'not_found');
		end if;
		place := h.path;
	end if;
	select x.* into k from people.tag_kind x where x.code = p_code;
	if not found or k.of = (case when p_person is null then 'person' else 'household' end) then
		perform core.fail(422, 'tag_unknown', '/code');
	elsif k.sensitive and coalesce(p_reason, '') !~ '[^[:space:]]' then
		perform core.fail(422, 'reason_required', '/reason');
	elsif k.health and not (select r.edit from people.field_rule r
		where r.viewer = people.viewer(place, '{}', null) and r.field = 'health') then
		perform core.fail(403, 'field_not_allowed', '/code');
	elsif k.health and not exists (select from people.consent c where c.street_id = core.street()
		and c.person_id = p_person and c.purpose = 'health' and c.withdrawn_at is null) then
		perform core.fail(403, 'consent_required', '/code');
	end if;
	if k.health then
		insert into people.health_tag (street_id, id, code, person_id, path, accounts, reason, set_by, set_by_name)
		values (core.street(), p_id, p_code, p_person, place, coalesce(p.accounts, '{}'), p_reason, core.actor(),
			identity.name_of(core.actor()));
	else
		insert into people.tag (street_id, id, code, person_id, household_id, path, accounts, reason, set_by, set_by_name)
		values (core.street(), p_id, p_code, p_person, p_household, place, coalesce(p.accounts, '{}'), p_reason, core.actor(),
			identity.name_of(core.actor()));
	end if;
	perform core.put_event(case when p_person is null then 'household' else 'person' end,
		coalesce(p_person, p_household), 'tag', null, null, place, null, false,
		case when not k.health then json_build_object('code', p_code) end);
exception when unique_violation then
	get stacked diagnostics broken = constraint_name;
	perform people.fail_constraint(broken);
	raise;
end
$$;
comment on function people.set_tag(uuid, uuid, uuid, text, text) is
	'Marks a person or a household. LN404 not_found, LN403 field_not_allowed (health, by a lead), consent_required (health: PIPL 29), LN409 tag_set, LN422 tag_unknown, reason_required.';

create function people.clear_tag(p_id uuid, p_reason text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	t record;
begin
	update people.tag x set cleared_at = core.now(), cleared_by = core.actor(), cleared_reason = p_reason
	where x.street_id = core.street() and x.id = p_id and x.cleared_at is null
	returning x.person_id, x.household_id, x.path into t;
	if not found then
		update people.health_tag x set cleared_at = core.now(), cleared_by = core.actor(), cleared_reason = p_reason
		where x.street_id = core.street() and x.id = p_id and x.cleared_at is null
			and (select r.edit from people.field_rule r where r.viewer = people.viewer(x.path, '{}', null) and r.field = 'health')
		returning x.person_id, x.household_id, x.path into t;
	end if;
	if not found then
		perform core.fail(404, 'not_found');
	end if;
	perform core.put_event(case when t.person_id is null then 'household' else 'person' end,
		coalesce(t.person_id, t.household_id), 'untag', null, null, t.path, null, false);
end
$$;
comment on function people.clear_tag(uuid, text) is 'A tag holds no longer. LN404 not_found.';

---------------------------------------------------------------- consent
create function people.give_consent(p_id uuid, p_person uuid, p_purpose text, p_recipient text, p_text text, p_giver uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	p people.person;
	giver uuid := p_giver;
	broken text;
begin
	select x.* into p from people.person x where x.street_id = core.street() and x.id = p_person and x.status = 'active';
	if not found then
		perform core.fail(404, 'not_found');
	elsif (p_purpose = 'share') <> (p_recipient is not null) then
		perform core.fail(422, 'recipient_required', '/recipient');
	end if;
	if core.role() = 'resident' then
		giver := (people.of_account(core.actor())).id;
	end if;
	-- Under 14 the guardian agrees, nobody else.
	if giver is null or ((people.is_under(p.born_on, 14) or giver <> p.id)
		and not exists (select from people.guardianship g where g.street_id = p.street_id and g.person_id = p.id
			and g.guardian_id = giver and g.to_on is null)) then
		perform core.fail(403, 'guardian_consent_required', '/given_by');
	end if;
	perform people.add_consent(p_id, p, giver, p_purpose, p_recipient, p_text,
		case core.role() when 'resident' then 'online' else 'paper' end);
exception when unique_violation then
	get stacked diagnostics broken = constraint_name;
	perform people.fail_constraint(broken);
	raise;
end
$$;
comment on function people.give_consent(uuid, uuid, text, text, text, uuid) is
	'Somebody agrees, or their guardian for them; staff record it from paper. LN404 not_found, LN403 guardian_consent_required, LN409 consent_given, LN422 recipient_required.';

create function people.withdraw_consent(p_id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	c people.consent;
	p people.person;
begin
	update people.consent x set withdrawn_at = core.now(), withdrawn_by = core.actor()
	where x.street_id = core.street() and x.id = p_id and x.withdrawn_at is null returning x.* into c;
	if not found then
		perform core.fail(404, 'not_found');
	end if;
	select x.* into p from people.person x where x.street_id = core.street() and x.id = c.person_id;
	perform people.tell(p, 'consent_withdrawn', json_build_object('purpose', c.purpose));
	case
		when c.purpose = 'minor' and people.is_under(p.born_on, 14) then
			perform people.remove(c.person_id);
		when c.purpose = 'health' then
			perform people.drop_health(c.person_id);
		when c.purpose = 'contact' then
			update people.secret s set phone = null, phone_index = null where s.street_id = p.street_id and s.person_id = p.id;
			update people.person x set phone_mask = null, version = x.version + 1, updated_at = core.now()
			where x.street_id = p.street_id and x.id = p.id;
		else null;
	end case;
end
$$;
comment on function people.withdraw_consent(uuid) is
	'What was agreed to ends with all that rested on it: the record of a child under 14, health tags, the phone. LN404 not_found.';

create function people.drop_health(p_id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
begin
	delete from people.health_tag t where t.street_id = core.street() and t.person_id = p_id;
end
$$;
comment on function people.drop_health(uuid) is 'Forgets somebody''s health tags.';

---------------------------------------------------------------- deletion
create function people.bound(p people.person) returns text
language plpgsql stable
as $$
begin
	return case
		-- A reply still waits for the reporter's word.
		when exists (select from ticket.ticket t where t.street_id = p.street_id and t.owner_id = p.account_id
				and (t.is_open or t.status = 'replied'))
			or care.binds(p) then 'open_case'
		when exists (select from people.guardianship g
			join people.person w on w.street_id = g.street_id and w.id = g.person_id and w.status = 'active'
			where g.street_id = p.street_id and g.guardian_id = p.id and g.to_on is null) then 'guardian'
	end;
end
$$;
comment on function people.bound(people.person) is 'Why somebody''s data must stay for now; null when nothing holds them. In role system.';

create function people.remove(p_id uuid) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	p people.person;
begin
	select x.* into p from people.person x where x.street_id = core.street() and x.id = p_id for update;
	if people.bound(p) is null then
		perform people.erase(p);
		return 'fulfilled';
	end if;
	perform transfer.forget();
	update people.person x set status = 'restricted', version = x.version + 1, updated_at = core.now()
	where x.street_id = p.street_id and x.id = p_id;
	perform people.refresh(array[p_id]);
	return 'restricted';
end
$$;
comment on function people.remove(uuid) is 'Erases somebody, or restricts them while something must be kept: fulfilled or restricted.';

create function people.erase(p people.person) returns void
language plpgsql
as $$
declare
	alias constant text := '居民' || upper(right(p.id::text, 6));
begin
	perform transfer.forget();
	perform people.forget_merges(p.id);
	if p.account_id is not null then
		perform core.hold_alone(p.account_id);
		perform people.forget_tickets(p.account_id, p.name, alias);
		perform field.forget(p.account_id, p.name, alias);
		perform people.forget_account(p.account_id, p.name, alias);
	end if;
	delete from core.idempotency i where i.street_id = p.street_id
		and (i.actor_id = p.account_id or strpos(i.reply::text, p.id::text) > 0 or strpos(i.reply::text, p.name) > 0);
	perform care.forget(p, alias);
	delete from people.secret x where x.street_id = p.street_id and x.person_id = p.id;
	delete from people.tag x where x.street_id = p.street_id and x.person_id = p.id;
	delete from people.health_tag x where x.street_id = p.street_id and x.person_id = p.id;
	update people.residence x set to_on = greatest(x.from_on, core.today()) where x.street_id = p.street_id
		and x.person_id = p.id and x.to_on is null;
	update people.ownership x set to_on = greatest(x.from_on, core.today()) where x.street_id = p.street_id
		and x.person_id = p.id and x.to_on is null;
	update people.guardianship x set to_on = greatest(x.from_on, core.today()) where x.street_id = p.street_id
		and (x.person_id = p.id or x.guardian_id = p.id) and x.to_on is null;
	update people.consent x set withdrawn_at = coalesce(x.withdrawn_at, core.now())
	where x.street_id = p.street_id and x.person_id = p.id;
	update people.approval x set reason = '', expires_at = least(x.expires_at, core.now())
	where x.street_id = p.street_id and x.person_id = p.id;
	update people.data_request x set wish = null where x.street_id = p.street_id and x.person_id = p.id;
	update people.household x set head_id = null where x.street_id = p.street_id and x.head_id = p.id;
	update people.person x set name = alias, sex = null, born_on = null, phone_mask = null, id_number_mask = null,
		account_id = null, household_id = null, source = null, source_id = null, source_digest = null,
		status = 'erased', merged_into = null,
		version = x.version + 1, updated_at = core.now()
	where x.street_id = p.street_id and x.id = p.id;
	perform people.refresh(array[p.id]);
end
$$;
comment on function people.erase(people.person) is
	'A pseudonym takes somebody''s place everywhere: record, account, sessions, closed tickets with their photos, kept replies, events; exports that may hold them go. In role system.';

create function people.forget_tickets(p_account uuid, p_name text, p_alias text) returns void
language plpgsql
as $$
declare
	street constant integer := core.street();
	mine uuid[] := array(select t.id from ticket.ticket t
		where t.street_id = street and p_account in (t.owner_id, t.submitted_by));
	said uuid[] := array(select c.ticket_id from ticket.comment c where c.street_id = street and c.author_id = p_account
		union select c.ticket_id from ticket.thanks c where c.street_id = street and c.account_id = p_account
		union select unnest(mine));
begin
	update ticket.ticket t set title = replace(t.title, p_name, p_alias),
		description = replace(t.description, p_name, p_alias), reply = replace(t.reply, p_name, p_alias),
		photo_count = 0, version = t.version + 1, updated_at = core.now()
	where t.street_id = street and t.id = any (mine);
	update ticket.private t set title = core.mask_text(replace(t.title, p_name, p_alias)),
		description = core.mask_text(replace(t.description, p_name, p_alias)),
		reply = core.mask_text(replace(t.reply, p_name, p_alias)),
		contact_name = p_alias, contact_phone = null, contact_phone_mask = null, contact_phone_index = null,
		on_behalf_note = null, address = null, building = null, compound_id = null, lon = null, lat = null, answers = null
	where t.street_id = street and t.ticket_id = any (mine);
	update ticket.comment c set text = core.mask_text(replace(c.text, p_name, p_alias))
	where c.street_id = street and c.ticket_id = any (said);
	update ticket.thanks c set text = core.mask_text(replace(c.text, p_name, p_alias))
	where c.street_id = street and c.ticket_id = any (said);
	update ticket.rating c set text = core.mask_text(replace(c.text, p_name, p_alias))
	where c.street_id = street and c.ticket_id = any (mine);
	update core.event e set data = core.mask_text(replace(e.data::text, p_name, p_alias))::json
	where e.street_id = street and e.subject_id = any (said) and e.data is not null;
	-- The job that drops what nobody attached takes rows and files.
	update ticket.photo f set subject = null, subject_id = null, orgs = null, comment_id = null, path = null, stage = null, attached_at = null,
		is_public = false, created_at = core.now() - interval '2 days'
	where f.street_id = street and (f.uploader_id = p_account or f.ticket_id = any (mine));
end
$$;
comment on function people.forget_tickets(uuid, text, text) is
	'In what somebody reported and said, the name becomes the pseudonym, phones are masked, contact and place go, and the photos.';

create function people.forget_account(p_account uuid, p_name text, p_alias text) returns void
language plpgsql
as $$
begin
	delete from identity.login l where l.account_id = p_account;
	delete from identity.session s where s.account_id = p_account;
	update identity.claim c set name = p_alias, address = '', place = '', reason = null where c.account_id = p_account;
	-- Who also works here stays as such, under the name of the work.
	if not exists (select from identity.account_role r where r.account_id = p_account and r.role <> 'resident'
		and (r.to_on is null or r.to_on > core.today())) then
		update identity.account a set display_name = p_alias, login = 'erased-' || a.id, password_hash = null,
			disabled_at = coalesce(a.disabled_at, core.now())
		where a.id = p_account;
		update identity.account_role r set to_on = greatest(r.from_on, core.today())
		where r.account_id = p_account and r.to_on is null;
	end if;
end
$$;
comment on function people.forget_account(uuid, text, text) is 'Somebody''s logins, sessions and claims go; the account bears the pseudonym and is closed.';

grant update (path, is_public, data) on core.event to linli_owner;

---------------------------------------------------------------- requests about one's data
insert into core.transition (machine, from_state, action, to_state, roles) values
	('data_request', '', 'file', 'filed', '{resident,community}'),
	('data_request', 'filed', 'verify', 'identity_verified', '{community}'),
	('data_request', 'identity_verified', 'start', 'processing', '{community}'),
	('data_request', 'processing', 'fulfil', 'fulfilled', '{community}'),
	('data_request', 'filed', 'refuse', 'refused', '{community}'),
	('data_request', 'identity_verified', 'refuse', 'refused', '{community}'),
	('data_request', 'processing', 'refuse', 'refused', '{community}'),
	('data_request', 'restricted', 'release', 'fulfilled', '{system}');

create function people.file_request(p_id uuid, p_person uuid, p_kind text, p_wish text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	p people.person;
begin
	select x.* into p from people.person x where x.street_id = core.street() and x.id = p_person and x.status not in ('erased', 'merged');
	if not found then
		perform core.fail(404, 'not_found');
	elsif exists (select from people.data_request r where r.street_id = p.street_id and r.person_id = p_person
		and r.kind = p_kind and r.state in ('filed', 'identity_verified', 'processing', 'restricted')) then
		perform core.fail(409, 'request_pending');
	end if;
	-- 15 working days [J]; natural days until there is a calendar of working days.
	insert into people.data_request (street_id, id, person_id, path, accounts, kind, wish, filed_by, due_on)
	values (p.street_id, p_id, p_person, p.path, p.accounts, p_kind, p_wish, core.actor(), core.today() + 15);
	perform core.put_event('data_request', p_id, 'file', null, 'filed', p.path, core.actor(), false);
end
$$;
comment on function people.file_request(uuid, uuid, text, text) is 'Somebody asks about their own or their ward''s data. LN404 not_found, LN409 request_pending.';

create function people.act_request(p_id uuid, p_action text, p_reason text default null) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	r people.data_request;
	goal text;
begin
	select x.* into r from people.data_request x where x.street_id = core.street() and x.id = p_id for update;
	if not found then
		perform core.fail(404, 'not_found');
	elsif r.filed_by = core.actor() then
		perform core.fail(403, 'own_request');
	end if;
	goal := (select t.to_state from core.transition t where t.machine = 'data_request' and t.from_state = r.state
		and t.action = p_action and core.role() = any (t.roles));
	if goal is null then
		perform core.fail(409, 'wrong_state');
	end if;
	update people.data_request x set state = goal, refused_reason = p_reason, updated_at = core.now(),
		verified_by = case goal when 'identity_verified' then core.actor() else x.verified_by end,
		done_at = case when goal in ('fulfilled', 'refused') then core.now() end,
		done_by = case when goal in ('fulfilled', 'refused') then core.actor() end
	where x.street_id = r.street_id and x.id = p_id;
	if goal = 'fulfilled' and r.kind = 'delete' then
		goal := people.remove(r.person_id);
	elsif goal = 'fulfilled' and r.kind = 'restrict' then
		perform people.restrict(r.person_id);
	end if;
	if goal = 'restricted' then
		update people.data_request x set state = goal, done_at = null, done_by = null
		where x.street_id = r.street_id and x.id = p_id;
	end if;
	perform core.put_event('data_request', p_id, p_action, r.state, goal, r.path, r.filed_by, false);
	perform audit.put(p_action, 'data_request', p_id, r.person_id, '{}', null, json_build_object('kind', r.kind), r.path);
end
$$;
comment on function people.act_request(uuid, text, text) is
	'verify, start, fulfil or refuse a request; a deletion that must wait ends as restricted. LN404 not_found, LN403 own_request, LN409 wrong_state.';

create function people.restrict(p_id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
begin
	perform transfer.forget();
	update people.person x set status = 'restricted', version = x.version + 1, updated_at = core.now()
	where x.street_id = core.street() and x.id = p_id;
	perform people.refresh(array[p_id]);
end
$$;
comment on function people.restrict(uuid) is 'Kept, and used for nothing.';

create function people.copy(p_request uuid) returns table (id uuid, name text, sex text, born_on date, phone text,
	id_number text, address text, residences json, ownerships json, guardians json, tags json, consents json, accesses bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	r people.data_request;
	p people.person;
	s people.secret;
begin
	select x.* into r from people.data_request x where x.street_id = core.street() and x.id = p_request
		and x.kind = 'copy' and x.state = 'fulfilled' and x.done_at > core.now() - interval '30 days';
	if not found then
		return;
	end if;
	select x.* into p from people.person x where x.street_id = r.street_id and x.id = r.person_id;
	s := people.secret_of(r.person_id);
	perform audit.put('copy', 'person', p.id, p.id, '{name,phone,id_number}', null, null, p.path);
	return query select p.id, p.name, p.sex, p.born_on, s.phone, s.id_number, people.address_of(p.dwelling_id),
		(select coalesce(json_agg(json_build_object('dwelling_id', x.dwelling_id, 'kind', x.kind, 'from_on', x.from_on,
			'to_on', x.to_on) order by x.from_on), '[]') from people.residence x where x.street_id = p.street_id and x.person_id = p.id),
		(select coalesce(json_agg(json_build_object('dwelling_id', x.dwelling_id, 'share', x.share, 'shares', x.shares,
			'from_on', x.from_on, 'to_on', x.to_on) order by x.from_on), '[]') from people.ownership x
			where x.street_id = p.street_id and x.person_id = p.id),
		(select coalesce(json_agg(json_build_object('person_id', x.guardian_id, 'kinship', x.kinship, 'from_on', x.from_on,
			'to_on', x.to_on) order by x.from_on), '[]') from people.guardianship x
			where x.street_id = p.street_id and x.person_id = p.id),
		people.tags_of(p.id, null),
		(select coalesce(json_agg(json_build_object('purpose', x.purpose, 'recipient', x.recipient, 'text_version',
			x.text_version, 'given_at', x.given_at, 'withdrawn_at', x.withdrawn_at) order by x.given_at), '[]')
			from people.consent x where x.street_id = p.street_id and x.person_id = p.id),
		(select count(*) from people.accesses(null, 1000000000) a where a.person_id = p.id);
end
$$;
comment on function people.copy(uuid) is 'All that is kept of somebody, for 30 days after the request was fulfilled; no row else.';

create function people.accesses(p_before bigint, p_most integer)
returns table (seq bigint, at timestamptz, person_id uuid, by_name text, by_role text, action text, fields json, reason text)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	return query select * from people.accesses_of(array(select p.id from people.person p
		where p.street_id = core.street()), p_before, p_most);
end
$$;
comment on function people.accesses(bigint, integer) is
	'Who looked at the caller and the caller''s wards, newest first, before a number. For residents: what they see of people.person are these.';

create function people.accesses_of(p_ids uuid[], p_before bigint, p_most integer)
returns table (seq bigint, at timestamptz, person_id uuid, by_name text, by_role text, action text, fields json, reason text)
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
begin
	return query select e.seq, e.at, e.person_id, identity.name_of(e.actor_id), e.actor_role, e.action,
		array_to_json(e.fields), e.reason
	from audit.entry e
	where e.street_id = core.street() and e.person_id = any (p_ids) and (p_before is null or e.seq < p_before)
	order by e.seq desc limit p_most;
end
$$;
comment on function people.accesses_of(uuid[], bigint, integer) is 'Entries of the audit log about these persons, newest first.';

---------------------------------------------------------------- finding
create function people.dwellings_at(p_address text) returns setof uuid
language sql stable
as $$
	select d.id from grid.compound c
	join grid.building b on b.street_id = c.street_id and b.compound_id = c.id
	join grid.dwelling d on d.street_id = b.street_id and d.building_id = b.id
	left join grid.unit u on u.street_id = d.street_id and u.id = d.unit_id
	where c.street_id = core.street() and p_address ^@ c.name
		and (b.name ^@ substr(p_address, length(c.name) + 1) or
			(substr(p_address, length(c.name) + 1) ^@ b.name
			and (coalesce(u.name, '') || d.number) ^@ substr(p_address, length(c.name || b.name) + 1)))
$$;
comment on function people.dwellings_at(text) is 'Dwellings whose address begins so: compound, building, unit, number.';

create function people.likely_same(p_name text, p_phone_index text, p_id_number_index text, p_dwelling uuid)
returns table (person_id uuid, why text)
language sql stable
as $$
	select p.id, 'id_number' from people.secret s
	join people.person p on p.street_id = s.street_id and p.id = s.person_id and p.status = 'active'
	where s.street_id = core.street() and s.id_number_index = $3
	union all
	select p.id, 'phone_name' from people.secret s
	join people.person p on p.street_id = s.street_id and p.id = s.person_id and p.status = 'active'
	where s.street_id = core.street() and s.phone_index = $2 and (s.id_number_index = $3) is null
		and people.plain_name(p.name) = people.plain_name($1)
	union all
	select p.id, 'address_name' from people.person p
	join people.secret s on s.street_id = p.street_id and s.person_id = p.id
	where p.street_id = core.street() and p.dwelling_id = $4 and p.status = 'active'
		and (s.id_number_index = $3) is null and (s.phone_index = $2) is not true
		and people.plain_name(p.name) = people.plain_name($1)
$$;
comment on function people.likely_same(text, text, text, uuid) is
	'Who may be somebody of this name, phone, ID number (blind indexes) and dwelling, each person once: by id_number, phone_name or address_name. Another ID number is another person. Sees as far as its caller; inlined by the planner, so join it laterally.';

create function people.fits(p people.person, b jsonb) returns boolean
language plpgsql stable
as $$
begin
	return p.status = 'active'
		-- Nobody finds a minor by what they may not read of them.
		and (p.adult_on <= core.today() or p.adult_on is null or people.approved(p.id)
			or not b ?| '{q,phone_index,id_number_index,tag}')
		and (b ->> 'q' is null or strpos(people.plain_name(p.name), people.plain_name(b ->> 'q')) > 0)
		and (b ->> 'id_number_index' is null
			or people.sight(people.viewer(p.path, p.accounts, p.account_id), 'id_number') <> 'none')
		and (b ->> 'under' is null or p.path ^@ (select g.path from grid.grid g
			where g.street_id = p.street_id and g.id = (b ->> 'under')::uuid))
		and (b ->> 'dwelling_id' is null or p.dwelling_id = (b ->> 'dwelling_id')::uuid)
		and (b ->> 'updated_after' is null or p.updated_at > (b ->> 'updated_after')::timestamptz)
		and (b ->> 'tag' is null or exists (select from people.tag t where t.street_id = p.street_id
				and t.code = b ->> 'tag' and t.cleared_at is null and (t.person_id = p.id or t.household_id = p.household_id))
			or exists (select from people.health_tag t where t.street_id = p.street_id
				and t.code = b ->> 'tag' and t.cleared_at is null and t.person_id = p.id));
end
$$;
comment on function people.fits(people.person, jsonb) is 'Does somebody answer to all that a search asks.';

create function people.search(p_body jsonb, p_after text, p_most integer) returns table (id uuid, path text)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	street constant integer := core.street();
	b constant jsonb := jsonb_strip_nulls(p_body);
	q constant text := people.plain_name(b ->> 'q');
	of_phone constant text := b ->> 'phone_index';
	of_number constant text := b ->> 'id_number_index';
	lo text := (select min(r.lo) from core.scope_ranges() r);
	hi constant text := (select max(r.hi) from core.scope_ranges() r);
	last uuid := '00000000-0000-0000-0000-000000000000';
begin
	if p_after is not null then
		lo := split_part(p_after, ' ', 1);
		last := split_part(p_after, ' ', 2)::uuid;
	end if;
	-- One way in, by an index; the rest is asked of what it finds.
	if b ?| '{phone_index,id_number_index}' then
		-- Who looks for a number has it, and learns whose it is: that is a look.
		for id, path in select p.id, p.path from (
				select x.person_id from people.secret x where x.street_id = street and x.id_number_index = of_number
					and (of_phone is null or x.phone_index = of_phone)
				union all select x.person_id from people.secret x where x.street_id = street and x.phone_index = of_phone
					and of_number is null) s
			join people.person p on p.street_id = street and p.id = s.person_id
			where (p.path, p.id) > (lo, last) and people.fits(p, b)
			order by p.path, p.id limit p_most loop
			perform audit.put('search', 'person', id, id,
				array[case when b ? 'id_number_index' then 'id_number' else 'phone' end], p_path => path);
			return next;
		end loop;
	elsif length(q) >= 2 then
		return query select p.id, p.path from people.gram g
			join people.person p on p.street_id = g.street_id and p.id = g.person_id
			where g.street_id = street and g.gram = right(q, 2) and (g.path, g.person_id) > (lo, last)
				and g.path < hi and people.fits(p, b)
			order by g.path, g.person_id limit p_most;
	elsif b ? 'address' then
		return query select p.id, p.path from people.dwellings_at(b ->> 'address') d (id)
			join people.person p on p.street_id = street and p.dwelling_id = d.id
			where (p.path, p.id) > (lo, last) and people.fits(p, b)
			order by p.path, p.id limit p_most;
	elsif b ? 'dwelling_id' then
		return query select p.id, p.path from people.person p
			where p.street_id = street and p.dwelling_id = (b ->> 'dwelling_id')::uuid
				and (p.path, p.id) > (lo, last) and people.fits(p, b)
			order by p.path, p.id limit p_most;
	elsif b ? 'tag' then
		return query select p.id, p.path from (
				select t.person_id from people.tag t where t.street_id = street and t.code = b ->> 'tag'
					and t.cleared_at is null and t.path >= lo and t.path < hi and t.person_id is not null
				union select m.id from people.tag t join people.person m on m.street_id = t.street_id
					and m.household_id = t.household_id where t.street_id = street and t.code = b ->> 'tag'
					and t.cleared_at is null and t.path >= lo and t.path < hi
				union select t.person_id from people.health_tag t where t.street_id = street and t.code = b ->> 'tag'
					and t.cleared_at is null and t.path >= lo and t.path < hi) x
			join people.person p on p.street_id = street and p.id = x.person_id
			where (p.path, p.id) > (lo, last) and people.fits(p, b)
			order by p.path, p.id limit p_most;
	else
		return query select p.id, p.path from people.person p
			where p.street_id = street and (p.path, p.id) > (lo, last) and p.path < hi and people.fits(p, b)
			order by p.path, p.id limit p_most;
	end if;
end
$$;
comment on function people.search(jsonb, text, integer) is
	'Persons of the caller''s ground by name (two characters), phone or ID number (blind index), address, dwelling, tag, grid; in the order of path and id. Who is found by a number, that is logged.';

create function people.household_view(p_id uuid) returns table (id uuid, dwelling_id uuid, grid_id uuid, kind text,
	head_id uuid, address text, members json, tags json, updated_at timestamptz, _etag integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	return query select h.id, h.dwelling_id, d.grid_id, h.kind, h.head_id, people.address_of(h.dwelling_id),
		(select coalesce(json_agg(json_build_object('id', s.id, 'name', s.name, 'sex', s.sex, 'birth_year', s.birth_year,
			'is_minor', s.is_minor, 'phone_mask', s.phone_mask) order by p.created_at, p.id), '[]')
			from people.person p, people.show(p) s
			where p.street_id = h.street_id and p.household_id = h.id and s.id is not null),
		people.tags_of(null, h.id), h.updated_at, h.version
	from people.household h
	join grid.dwelling d on d.street_id = h.street_id and d.id = h.dwelling_id
	where h.street_id = core.street() and h.id = p_id;
end
$$;
comment on function people.household_view(uuid) is 'A household with its members as the caller may see them.';

create function people.put_household(p_id uuid, p_if_match text, p_dwelling uuid, p_kind text, p_head uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	d grid.dwelling;
	h people.household;
begin
	if p_if_match is null then
		d := people.dwelling(p_dwelling, null);
		insert into people.household (street_id, id, dwelling_id, path, kind, updated_by)
		values (core.street(), p_id, d.id, d.path, p_kind, core.actor());
	else
		select x.* into h from people.household x where x.street_id = core.street() and x.id = p_id for update;
		if not found then
			perform core.fail(404, 'not_found');
		elsif core.is_stale(h.version, p_if_match) then
			perform core.fail(412, 'version_conflict');
		elsif p_head is not null and not exists (select from people.person p where p.street_id = h.street_id
			and p.id = p_head and p.household_id = p_id) then
			perform core.fail(422, 'person_not_found', '/head_id');
		end if;
		update people.household x set kind = p_kind, head_id = p_head, version = x.version + 1,
			updated_at = core.now(), updated_by = core.actor()
		where x.street_id = h.street_id and x.id = p_id;
		d.path := h.path;
	end if;
	perform core.put_event('household', p_id, case when p_if_match is null then 'create' else 'update' end,
		null, null, d.path, null, false);
end
$$;
comment on function people.put_household(uuid, text, uuid, text, uuid) is
	'A new household in a dwelling (if_match null) or one as it shall be. LN404 not_found, LN412 version_conflict, LN422 person_not_found.';

create function people.owners(p_dwelling uuid) returns table (id uuid, person_id uuid, name text, share integer,
	shares integer, from_on date, to_on date)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
	return query select o.id, o.person_id, people.mask_name((people.somebody(o.person_id)).name), o.share, o.shares, o.from_on, o.to_on
	from people.ownership o where o.street_id = core.street() and o.dwelling_id = p_dwelling
	order by o.from_on, o.id;
end
$$;
comment on function people.owners(uuid) is 'Who owns or owned a dwelling; names masked, for an owner may live on other ground.';

create function people.crowd(n bigint) returns bigint
language sql immutable parallel safe
return case when n = 0 or n >= 5 then n end;
comment on function people.crowd(bigint) is 'A number of people, null when they are too few to stay unknown (k = 5).';

create function people.summary(p_under uuid) returns table (grid_id uuid, persons bigint, households bigint, minors bigint,
	verified bigint, tags json)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
	place text := (select g.path from grid.grid g where g.street_id = core.street() and g.id = p_under);
begin
	if p_under is null then
		place := coalesce((core.scopes())[1], core.street() || '/');
	elsif place is null or not (core.role() in ('street', 'client') or place ^@ any (core.scopes())) then
		perform core.fail(422, 'grid_not_found', '/under');
	end if;
	if core.role() <> 'client' then
		return query select p_under, c.* from people.counts(place) c;
		return;
	end if;
	-- A program counts nobody who could be told from four others, and what is
	-- told of few people is told of none of them.
	return query select p_under, x.all_, case when x.all_ is not null then people.crowd(c.households) end,
		case when x.all_ is not null then people.crowd(c.minors) end,
		case when x.all_ is not null then people.crowd(c.verified) end,
		(select coalesce(json_agg(t), '[]') from json_array_elements(c.tags) t
			where x.all_ is not null and people.crowd((t ->> 'count')::bigint) is not null)
	from people.counts(place) c, people.crowd(c.persons) x (all_);
end
$$;
comment on function people.summary(uuid) is 'Figures of a grid of the caller''s ground, null = the first of it; for a program only what people.crowd() lets through. LN422 grid_not_found.';

create function people.counts(p_path text) returns table (persons bigint, households bigint, minors bigint, verified bigint, tags json)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	street constant integer := core.street();
begin
	return query select count(*) filter (where p.household_id is not null),
		(select count(*) from people.household h where h.street_id = street and h.path >= p_path and h.path < core.path_end(p_path)),
		count(*) filter (where p.adult_on > core.today()), count(*) filter (where p.verified = 'verified'),
		(select coalesce(json_agg(json_build_object('code', x.code, 'count', x.n) order by x.code), '[]') from (
			select t.code, count(*) as n from people.tag t where t.street_id = street and t.cleared_at is null
				and t.path >= p_path and t.path < core.path_end(p_path) group by t.code) x)
	from people.person p where p.street_id = street and p.status not in ('erased', 'merged')
		and p.path >= p_path and p.path < core.path_end(p_path);
end
$$;
comment on function people.counts(text) is 'Figures below a path: no names, and none of health.';

---------------------------------------------------------------- the job
create function people.sweep() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	s integer;
	r record;
	n integer := 0;
	m integer;
begin
	for s in select g.id from grid.street g order by g.id loop
		perform core.enter_system(s);
		for r in select x.id, x.person_id, x.path, x.filed_by from people.data_request x
			where x.street_id = s and x.state = 'restricted' limit 100 loop
			if people.remove(r.person_id) = 'fulfilled' then
				update people.data_request x set state = 'fulfilled', done_at = core.now(), updated_at = core.now()
				where x.street_id = s and x.id = r.id;
				perform core.put_event('data_request', r.id, 'release', 'restricted', 'fulfilled', r.path, r.filed_by, false);
				n := n + 1;
			end if;
		end loop;
		n := n + people.grow_up(s) + people.keep_no_longer(s);
	end loop;
	delete from identity.event e where e.at < core.now() - (select make_interval(months => k.months)
		from people.retention_rule k where k.code = 'login_event');
	get diagnostics m = row_count;
	return n + m;
end
$$;
comment on function people.sweep() is
	'Job: deletions that waited for a case are done when it is closed, who is grown has no guardian any more, and people.retention_rule is obeyed; returns how many of all.';

create function people.grow_up(street integer) returns integer
language plpgsql
as $$
declare
	grown uuid[];
begin
	with g as (update people.guardianship x set to_on = x.until_on
		where x.street_id = street and x.to_on is null and x.until_on <= core.today() returning x.person_id)
	select array_agg(g.person_id) into grown from g;
	if grown is not null then
		perform people.refresh(grown);
	end if;
	return coalesce(cardinality(grown), 0);
end
$$;
comment on function people.grow_up(integer) is 'Ends the guardianships of those who are 18 now; returns how many.';

create function people.keep_no_longer(street integer) returns integer
language plpgsql
as $$
declare
	k people.retention_rule;
	p people.person;
	n integer := 0;
	m integer := 0;
	since timestamptz;
begin
	for k in select x.* from people.retention_rule x loop
		since := core.now() - make_interval(months => k.months);
		case k.code
			when 'consent' then delete from people.consent c where c.street_id = street and c.withdrawn_at < since;
			when 'data_request' then delete from people.data_request c where c.street_id = street and c.done_at < since;
			when 'approval' then delete from people.approval c where c.street_id = street
				and c.created_at < since and coalesce(c.expires_at, c.created_at) < since;
			else null;
		end case;
		if k.code <> 'moved_away' then
			get diagnostics m = row_count;
			n := n + m;
			continue;
		end if;
		for p in select x.* from people.person x where x.street_id = street and x.status = 'active'
			and x.household_id is null and x.updated_at < since
			and not exists (select from people.ownership o where o.street_id = street and o.person_id = x.id and o.to_on is null)
			and not exists (select from people.residence o where o.street_id = street and o.person_id = x.id
				and (o.to_on is null or o.to_on > since::date)) limit 100 loop
			n := n + (people.remove(p.id) = 'fulfilled')::integer;
		end loop;
	end loop;
	return n;
end
$$;
comment on function people.keep_no_longer(integer) is 'Deletes what has been kept for as long as its rule says; returns how many rows.';

create view people.request_view with (security_invoker = true) as
select r.street_id as _street_id, r.id, r.person_id, r.kind, r.state, r.wish, r.refused_reason, r.filed_at, r.due_on,
	r.state not in ('fulfilled', 'refused') and r.due_on < core.today() as overdue, r.done_at, r.updated_at
from people.data_request r;
comment on view people.request_view is 'class: street. DataRequest: and whether it is overdue.';

---------------------------------------------------------------- grants
grant select on people.request_view, people.tag_kind, people.field_rule, people.approval, people.approval_view, people.consent,
	people.data_request, people.guardianship to linli_app;
grant select (street_id, id, path, dwelling_id, household_id, status, version) on people.person to linli_app;
grant execute on function people.read(uuid), people.view(uuid), people.create_person(uuid, jsonb), people.add_ward(uuid, jsonb),
	people.update_person(uuid, text, jsonb), people.unmask(uuid, text[], text),
	people.request_approval(uuid, uuid, text[], text), people.decide_approval(uuid, text, integer),
	people.move(uuid, jsonb), people.take_over(uuid, jsonb), people.move_out(uuid, date), people.add_owner(uuid, uuid, jsonb), people.end_owner(uuid, date),
	people.name_guardian(uuid, uuid, uuid, text), people.end_guardian(uuid), people.attach_account(uuid, uuid),
	people.set_tag(uuid, uuid, uuid, text, text), people.clear_tag(uuid, text),
	people.give_consent(uuid, uuid, text, text, text, uuid), people.withdraw_consent(uuid),
	people.file_request(uuid, uuid, text, text), people.act_request(uuid, text, text), people.copy(uuid),
	people.accesses(bigint, integer), people.search(jsonb, text, integer), people.household_view(uuid),
	people.put_household(uuid, text, uuid, text, uuid), people.owners(uuid), people.summary(uuid),
	people.may_see(text, uuid[]), people.may_see_health(text, uuid[]) to linli_app;
grant execute on function people.sweep() to linli_job;
