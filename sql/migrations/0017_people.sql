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
