-- people: two records of one person become one, and two again when that was
-- wrong. All that was moved, set aside or overwritten stands in a journal.
create table people.merge (
	street_id integer not null,
	id uuid not null,
	merged_id uuid not null,
	survivor_id uuid not null,
	path text collate "C" not null,
	fields text[] not null,
	reason text not null,
	merged_at timestamptz not null default core.now(),
	merged_by uuid,
	undone_at timestamptz,
	undone_by uuid,
	undone_reason text,
	primary key (street_id, id),
	foreign key (street_id, merged_id) references people.person (street_id, id),
	foreign key (street_id, survivor_id) references people.person (street_id, id)
);
create unique index merge_live on people.merge (street_id, merged_id) where undone_at is null;
create index merge_survivor on people.merge (street_id, survivor_id);
comment on table people.merge is 'class: street. Who was merged into whom, taking which fields over, and why.';
alter table people.merge enable row level security;
alter table people.merge force row level security;
create policy reach on people.merge using (street_id = core.street() and people.may_see(path, null));

create table people.merge_row (
	street_id integer not null,
	merge_id uuid not null,
	part text not null,
	row_id uuid not null,
	before jsonb not null,
	after jsonb,
	primary key (street_id, merge_id, part, row_id),
	foreign key (street_id, merge_id) references people.merge (street_id, id)
);
comment on table people.merge_row is
	'class: street. Journal of a merge. part is table.column of a row that now names the survivor; table alone: a row set aside (before), which both had; person, secret: of either, before and after. No role but the functions here reads it.';
alter table people.merge_row enable row level security;
alter table people.merge_row force row level security;
create policy functions on people.merge_row using (street_id = core.street() and core.role() = 'system');

create table people.naming (
	part text primary key,
	relation text not null,
	name text not null,
	unless text not null default 'false'
);
comment on table people.naming is
	'class: reference. Columns that name a person, as people.merge_row tells them: in a merge they name the survivor ($3 for $2 in street $1 of row x), unless that stands there already. Not household.head_id, which may also become nobody.';
insert into people.naming (part, relation, name) values
	('residence.person_id', 'people.residence', 'person_id'),
	('ownership.person_id', 'people.ownership', 'person_id'),
	('guardianship.person_id', 'people.guardianship', 'person_id'),
	('guardianship.guardian_id', 'people.guardianship', 'guardian_id'),
	('tag.person_id', 'people.tag', 'person_id'),
	('health_tag.person_id', 'people.health_tag', 'person_id'),
	('consent.person_id', 'people.consent', 'person_id'),
	('consent.given_by', 'people.consent', 'given_by'),
	('approval.person_id', 'people.approval', 'person_id'),
	('data_request.person_id', 'people.data_request', 'person_id'),
	('visit.person_id', 'care.visit', 'person_id'),
	('diary.person_id', 'care.diary', 'person_id');
insert into people.naming (part, relation, name, unless) values
	('alarm.person_id', 'care.alarm', 'person_id',
		'exists (select from care.alarm y where y.street_id = $1 and y.person_id = $3 and y.seen_at = x.seen_at)'),
	-- Who is in a case as both stays in it as both.
	('party.person_id', 'care.party', 'person_id',
		'exists (select from care.party y where y.street_id = $1 and y.mediation_id = x.mediation_id and y.person_id = $3)'),
	('pairing.helper_id', 'care.pairing', 'helper_id', 'x.recipient_id = $3'),
	('pairing.recipient_id', 'care.pairing', 'recipient_id', 'x.helper_id = $3');

create table people.not_same (
	street_id integer not null,
	a_id uuid not null,
	b_id uuid not null,
	path text collate "C" not null,
	reason text,
	decided_at timestamptz not null default core.now(),
	decided_by uuid,
	primary key (street_id, a_id, b_id),
	check (a_id < b_id),
	foreign key (street_id, a_id) references people.person (street_id, id),
	foreign key (street_id, b_id) references people.person (street_id, id)
);
comment on table people.not_same is 'class: street. Two records that look like one person and are two: somebody has looked.';
alter table people.not_same enable row level security;
alter table people.not_same force row level security;
create policy reach on people.not_same using (street_id = core.street() and people.may_see(path, null));

---------------------------------------------------------------- who may be the same
create function people.duplicates(p_after text, p_most integer)
returns table (id uuid, other_id uuid, why text, person json, other json)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	street constant integer := core.street();
begin
	return query with mine as materialized (
		select p.id, p.name, people.plain_name(p.name) as plain, p.dwelling_id, s.phone_index, s.id_number_index
		from core.scope_ranges() r join people.person p on p.path >= r.lo and p.path < r.hi
		join people.secret s on s.street_id = p.street_id and s.person_id = p.id
		where p.street_id = street and p.status = 'active'),
	twice as (
		select m.id from (select x.id, count(*) over (partition by x.phone_index) as n from mine x where x.phone_index is not null) m where m.n > 1
		union select m.id from (select x.id, count(*) over (partition by x.dwelling_id, x.plain) as n from mine x) m where m.n > 1),
	pair as (
		select m.id as a, l.person_id as b, l.why from mine m join twice t on t.id = m.id
		cross join lateral people.likely_same(m.name, m.phone_index, m.id_number_index, m.dwelling_id) l
		where l.person_id > m.id and (p_after is null
			or (m.id, l.person_id) > (split_part(p_after, ' ', 1)::uuid, split_part(p_after, ' ', 2)::uuid))
			and not exists (select from people.not_same n where n.street_id = street and n.a_id = m.id and n.b_id = l.person_id)
		order by m.id, l.person_id limit p_most)
	select p.a, p.b, p.why, people.in_short(p.a), people.in_short(p.b) from pair p order by p.a, p.b;
end
$$;
comment on function people.duplicates(text, integer) is
	'Pairs of records on the caller''s ground that may be one person (people.likely_same), without those of which somebody has said no.';

create function people.in_short(p_id uuid) returns json
language sql
as $$select json_build_object('id', r.id, 'name', r.name, 'sex', r.sex, 'birth_year', r.birth_year, 'is_minor', r.is_minor,
	'phone_mask', r.phone_mask, 'id_number_mask', r.id_number_mask, 'verified', r.verified, 'address', r.address)
	from people.read(p_id) r$$;
comment on function people.in_short(uuid) is 'What of a person helps to tell them from another, as the caller may see it.';

create function people.tell_apart(p_id uuid, p_other uuid, p_reason text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	p people.person := people.here(p_id, null);
	o people.person := people.here(p_other, '/other_id');
begin
	if p.id = o.id then
		perform core.fail(422, 'person_not_found', '/other_id');
	end if;
	insert into people.not_same (street_id, a_id, b_id, path, reason, decided_by)
	values (p.street_id, least(p.id, o.id), greatest(p.id, o.id), p.path, core.mask_text(p_reason), core.actor())
	on conflict do nothing;
	perform people.tell(p, 'not_same', json_build_object('other_id', o.id));
end
$$;
comment on function people.tell_apart(uuid, uuid, text) is 'These are two persons: the pair is no longer listed. LN404 not_found, LN422 person_not_found.';

create function people.here(p_id uuid, p_pointer text) returns people.person
language plpgsql
as $$
declare
	p people.person;
begin
	select x.* into p from people.person x where x.street_id = core.street() and x.id = p_id and x.status = 'active';
	if not found and p_pointer is null then
		perform people.tell_merged(p_id);
		perform core.fail(404, 'not_found');
	elsif not found then
		perform core.fail(422, 'person_not_found', p_pointer);
	end if;
	return p;
end
$$;
comment on function people.here(uuid, text) is
	'A record in use on the caller''s ground; without a pointer LN404 not_found or LN410 person_merged, with one LN422 person_not_found.';

create function people.tell_merged(p_id uuid) returns void
language plpgsql
as $$
declare
	p people.person;
begin
	select x.* into p from people.person x where x.street_id = core.street() and x.id = p_id;
	if p.status is distinct from 'merged' then
		return;
	end if;
	while p.status = 'merged' loop
		select x.* into p from people.person x where x.street_id = core.street() and x.id = p.merged_into;
	end loop;
	-- No row when it stands on other ground by now.
	if p.status = 'active' then
		perform core.fail(410, 'person_merged', '/v1/persons/' || p.id);
	end if;
end
$$;
comment on function people.tell_merged(uuid) is
	'LN410 person_merged, naming the record that stands for this one, when it was merged into one the caller sees; else nothing.';

---------------------------------------------------------------- merging
create function people.merge_persons(p_merge uuid, p_id uuid, p_into uuid, p_fields text[], p_reason text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	m people.person := people.here(p_id, null);
	s people.person := people.here(p_into, '/into');
	broken text;
begin
	if m.id = s.id then
		perform core.fail(422, 'person_not_found', '/into');
	end if;
	-- In one order, so that of two merges of the same two one waits; then as
	-- they are now. Minors need the leave that any change of theirs needs.
	perform from people.person x where x.street_id = m.street_id and x.id in (m.id, s.id) order by x.id for update;
	m := people.here(p_id, null);
	s := people.here(p_into, '/into');
	m := people.locked(p_id);
	s := people.locked(p_into);
	if m.account_id is not null and s.account_id is not null then
		perform core.fail(409, 'both_have_accounts');
	elsif (people.secret_of(m.id)).id_number_index <> (people.secret_of(s.id)).id_number_index then
		perform core.fail(409, 'id_numbers_differ');
	end if;
	insert into people.merge (street_id, id, merged_id, survivor_id, path, fields, reason, merged_by)
	values (s.street_id, p_merge, m.id, s.id, s.path, p_fields, replace(core.mask_text(p_reason), m.name, people.mask_name(m.name)), core.actor());
	perform people.join_rows(p_merge, m.id, s.id, 'residence' = any (p_fields));
	perform people.join_records(p_merge, m.id, s.id, p_fields);
	perform people.tell(m, 'merge', json_build_object('into', s.id));
	perform people.tell(s, 'merge', json_build_object('merged', m.id));
	perform audit.put('merge', 'person', m.id, s.id, p_fields, x.reason, json_build_object('into', s.id), s.path)
	from people.merge x where x.street_id = s.street_id and x.id = p_merge;
exception when unique_violation or exclusion_violation then
	get stacked diagnostics broken = constraint_name;
	perform people.fail_constraint(broken);
	raise;
end
$$;
comment on function people.merge_persons(uuid, uuid, uuid, text[], text) is
	'One record stands for both from now on, with these fields of the one that goes, and those that only it had. LN404 not_found, LN410 person_merged, LN422 person_not_found, LN409 both_have_accounts, id_numbers_differ, guardian_of_each_other, paired_alike, ownership_overlaps, LN403 approval_required.';

create function people.rename(p_merge uuid, p_part text, p_from uuid, p_into uuid) returns void
language plpgsql
as $$
declare
	n constant people.naming := (select x from people.naming x where x.part = p_part);
begin
	execute format('with moved as (update %s x set %I = $3 where x.street_id = $1 and x.%2$I = $2 and not (%s) returning x.id)
		insert into people.merge_row select $1, $4, $5, g.id, ''{}'' from moved g', n.relation, n.name, n.unless)
	using core.street(), p_from, p_into, p_merge, p_part;
end
$$;
comment on function people.rename(uuid, text, uuid, uuid) is
	'Rows that name one person in this column name the other, and the journal says which.';

create function people.rename_back(p_merge uuid, p_part text, p_from uuid, p_into uuid) returns void
language plpgsql
as $$
declare
	n constant people.naming := (select x from people.naming x where x.part = p_part);
begin
	execute format('update %s x set %I = $2 from people.merge_row j where j.street_id = $1 and j.merge_id = $4
		and j.part = $5 and x.street_id = $1 and x.id = j.row_id and x.%2$I = $3', n.relation, n.name)
	using core.street(), p_from, p_into, p_merge, p_part;
end
$$;
comment on function people.rename_back(uuid, text, uuid, uuid) is
	'Those of the journal that still name the survivor name the other again.';

create function people.join_rows(p_merge uuid, p_from uuid, p_into uuid, p_theirs boolean) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	st constant integer := core.street();
	-- Of two residences at one time one gives way: whose?
	loser constant uuid := case when p_theirs then p_into else p_from end;
	winner constant uuid := case when p_theirs then p_from else p_into end;
begin
	if exists (select from people.guardianship g where g.street_id = st and g.to_on is null
		and ((g.person_id = p_from and g.guardian_id = p_into) or (g.person_id = p_into and g.guardian_id = p_from))) then
		perform core.fail(409, 'guardian_of_each_other');
	elsif exists (select from care.pairing x join care.pairing y on y.street_id = st and y.state = 'active'
		and ((y.helper_id = p_into and y.recipient_id = x.recipient_id) or (y.recipient_id = p_into and y.helper_id = x.helper_id)
			or (x.id = y.id and p_into in (y.helper_id, y.recipient_id)))
		where x.street_id = st and x.state = 'active' and p_from in (x.helper_id, x.recipient_id)) then
		perform core.fail(409, 'paired_alike');
	end if;
	-- Before the tags, which care follows.
	perform people.rename(p_merge, 'alarm.person_id', p_from, p_into);
	with gone as (delete from care.watch x where x.street_id = st and x.person_id = p_from returning x.*)
	insert into people.merge_row select st, p_merge, 'watch', g.person_id, to_jsonb(g) from gone g;
	-- What both have is set aside.
	with gone as (delete from people.residence x where x.street_id = st and x.person_id = loser and exists (
		select from people.residence y where y.street_id = st and y.person_id = winner
			and daterange(y.from_on, y.to_on, '[)') && daterange(x.from_on, x.to_on, '[)')) returning x.*)
	insert into people.merge_row select st, p_merge, 'residence', g.id, to_jsonb(g) from gone g;
	with gone as (delete from people.guardianship x where x.street_id = st and ((x.person_id = p_from and (x.guardian_id = p_into or exists (
			select from people.guardianship y where y.street_id = st and y.person_id = p_into and y.guardian_id = x.guardian_id
				and daterange(y.from_on, y.to_on, '[)') && daterange(x.from_on, x.to_on, '[)'))))
		or (x.guardian_id = p_from and (x.person_id = p_into or exists (
			select from people.guardianship y where y.street_id = st and y.guardian_id = p_into and y.person_id = x.person_id
				and daterange(y.from_on, y.to_on, '[)') && daterange(x.from_on, x.to_on, '[)'))))) returning x.*)
	insert into people.merge_row select st, p_merge, 'guardianship', g.id, to_jsonb(g) from gone g;
	with gone as (delete from people.tag x where x.street_id = st and x.person_id = p_from and x.cleared_at is null and exists (
		select from people.tag y where y.street_id = st and y.person_id = p_into and y.code = x.code and y.cleared_at is null) returning x.*)
	insert into people.merge_row select st, p_merge, 'tag', g.id, to_jsonb(g) from gone g;
	with gone as (delete from people.health_tag x where x.street_id = st and x.person_id = p_from and x.cleared_at is null and exists (
		select from people.health_tag y where y.street_id = st and y.person_id = p_into and y.code = x.code and y.cleared_at is null) returning x.*)
	insert into people.merge_row select st, p_merge, 'health_tag', g.id, to_jsonb(g) from gone g;
	with gone as (delete from people.consent x where x.street_id = st and x.person_id = p_from and x.withdrawn_at is null and exists (
		select from people.consent y where y.street_id = st and y.person_id = p_into and y.purpose = x.purpose
			and y.recipient is not distinct from x.recipient and y.withdrawn_at is null) returning x.*)
	insert into people.merge_row select st, p_merge, 'consent', g.id, to_jsonb(g) from gone g;
	-- The rest names the survivor.
	perform people.rename(p_merge, n.part, p_from, p_into) from people.naming n where n.part <> 'alarm.person_id' order by n.part;
	with moved as (update people.household x set head_id = case when p_theirs or x.id = (select p.household_id from people.person p
			where p.street_id = st and p.id = p_into) then p_into end
		where x.street_id = st and x.head_id = p_from returning x.id)
	insert into people.merge_row select st, p_merge, 'household.head_id', g.id, '{}' from moved g;
	-- Who was seen as either was seen.
	update care.watch x set seen_at = w.seen_at, due_at = w.seen_at + make_interval(days => x.days), alarm_id = coalesce(x.alarm_id, w.alarm_id)
	from people.merge_row j, jsonb_populate_record(null::care.watch, j.before) w
	where j.street_id = st and j.merge_id = p_merge and j.part = 'watch' and x.street_id = st and x.person_id = p_into
		and w.seen_at > x.seen_at;
end
$$;
comment on function people.join_rows(uuid, uuid, uuid, boolean) is
	'All that names one person names the other, on whatever ground. Where both have the same (a residence at one time, a tag, a consent, a guardian) the survivor''s stays; p_theirs: of residences the other''s. LN409 guardian_of_each_other, paired_alike.';

create function people.join_records(p_merge uuid, p_from uuid, p_into uuid, p_fields text[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	st constant integer := core.street();
	m people.person;
	s people.person;
	old people.person;
	ms people.secret;
	ss people.secret;
	olds people.secret;
	f text[] := p_fields;
begin
	select x.* into m from people.person x where x.street_id = st and x.id = p_from;
	select x.* into s from people.person x where x.street_id = st and x.id = p_into;
	ms := people.secret_of(p_from);
	ss := people.secret_of(p_into);
	old := s;
	olds := ss;
	-- What only the other has comes along. A number tells birth and sex.
	f := f || case when ss.id_number is null and ms.id_number is not null then '{id_number}'::text[] else '{}' end
		|| case when ss.phone is null and ms.phone is not null then '{phone}'::text[] else '{}' end;
	s.name := case when 'name' = any (f) then m.name else s.name end;
	if f && '{sex,id_number}' or s.sex is null then
		s.sex := coalesce(m.sex, s.sex);
	end if;
	if f && '{born_on,id_number}' or s.born_on is null then
		s.born_on := coalesce(m.born_on, s.born_on);
	end if;
	if 'phone' = any (f) and ms.phone is not null then
		s.phone_mask := m.phone_mask;
		ss.phone := ms.phone;
		ss.phone_index := ms.phone_index;
	end if;
	if 'id_number' = any (f) and ms.id_number is not null then
		s.id_number_mask := m.id_number_mask;
		ss.id_number := ms.id_number;
		ss.id_number_index := ms.id_number_index;
	end if;
	if 'verified' = any (f) then
		s.verified := m.verified;
		s.verified_on := m.verified_on;
		s.verified_by := m.verified_by;
	end if;
	if 'residence' = any (f) then
		s.dwelling_id := m.dwelling_id;
		s.household_id := m.household_id;
		s.path := m.path;
	end if;
	s.account_id := coalesce(s.account_id, m.account_id);
	-- Who is imported again is found under the name they came with.
	if s.source is null then
		s.source := m.source;
		s.source_id := m.source_id;
		s.source_digest := m.source_digest;
	end if;
	delete from people.secret x where x.street_id = st and x.person_id = p_from;
	update people.person x set status = 'merged', merged_into = p_into, account_id = null, household_id = null,
		source = case when old.source is not null then x.source end, source_id = case when old.source is not null then x.source_id end,
		source_digest = case when old.source is not null then x.source_digest end,
		version = x.version + 1, updated_at = core.now(), updated_by = core.actor()
	where x.street_id = st and x.id = p_from;
	update people.person x set name = s.name, sex = s.sex, born_on = s.born_on, phone_mask = s.phone_mask,
		id_number_mask = s.id_number_mask, verified = s.verified, verified_on = s.verified_on, verified_by = s.verified_by,
		dwelling_id = s.dwelling_id, household_id = s.household_id, path = s.path, account_id = s.account_id,
		source = s.source, source_id = s.source_id, source_digest = s.source_digest, version = x.version + 1, updated_at = core.now(), updated_by = core.actor()
	where x.street_id = st and x.id = p_into;
	update people.secret x set phone = ss.phone, phone_index = ss.phone_index, id_number = ss.id_number,
		id_number_index = ss.id_number_index
	where x.street_id = st and x.person_id = p_into;
	insert into people.merge_row (street_id, merge_id, part, row_id, before, after) values
		(st, p_merge, 'person', p_from, to_jsonb(m), null), (st, p_merge, 'secret', p_from, to_jsonb(ms), null),
		(st, p_merge, 'person', p_into, to_jsonb(old), to_jsonb(s)), (st, p_merge, 'secret', p_into, to_jsonb(olds), to_jsonb(ss));
	perform people.refresh(array[p_from, p_into] || people.wards_of(p_into));
end
$$;
comment on function people.join_records(uuid, uuid, uuid, text[]) is
	'The fields of two records become one''s; those of both as they were go to the journal.';

create function people.wards_of(p_id uuid) returns uuid[]
language sql stable
as $$select coalesce(array_agg(g.person_id), '{}') from people.guardianship g where g.street_id = core.street() and g.guardian_id = p_id$$;
comment on function people.wards_of(uuid) is 'Whose guardian somebody is or was.';

---------------------------------------------------------------- and back
create function people.unmerge_person(p_id uuid, p_reason text)
returns table (id uuid, survivor_id uuid, conflicts json)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	m people.person;
	s people.person;
	x people.merge;
	told jsonb;
begin
	select p.* into m from people.person p where p.street_id = core.street() and p.id = p_id;
	if not found or m.status in ('erased', 'restricted') then
		perform core.fail(404, 'not_found');
	elsif m.status <> 'merged' then
		perform core.fail(409, 'not_merged');
	end if;
	perform from people.person p where p.street_id = m.street_id and p.id in (m.id, m.merged_into) order by p.id for update;
	select p.* into m from people.person p where p.street_id = m.street_id and p.id = p_id;
	select p.* into s from people.person p where p.street_id = m.street_id and p.id = m.merged_into;
	if m.status <> 'merged' then
		perform core.fail(409, 'not_merged');
	elsif s.id is null then
		perform core.fail(404, 'not_found');
	elsif s.status = 'merged' then
		perform core.fail(409, 'merged_further');
	end if;
	s := people.locked(s.id);
	update people.merge y set undone_at = core.now(), undone_by = core.actor(), undone_reason = core.mask_text(p_reason)
	where y.street_id = s.street_id and y.merged_id = p_id and y.undone_at is null returning y.* into x;
	told := people.part_records(x.id, m.id, s.id) || people.part_rows(x.id, m.id, s.id);
	perform people.tell(m, 'unmerge', json_build_object('from', s.id));
	perform people.tell(s, 'unmerge', json_build_object('merged', m.id));
	perform audit.put('unmerge', 'person', m.id, s.id, x.fields, x.undone_reason, json_build_object('from', s.id), s.path);
	return query select m.id, s.id, told::json;
end
$$;
comment on function people.unmerge_person(uuid, text) is
	'Two records again, each as it was; what came since stays with the survivor, and what therefore could not go back is told. LN404 not_found, LN409 not_merged, merged_further (the survivor was merged itself: that first), LN403 approval_required.';

create function people.part_rows(p_merge uuid, p_from uuid, p_into uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	st constant integer := core.street();
	told jsonb;
begin
	perform people.rename_back(p_merge, n.part, p_from, p_into) from people.naming n order by n.part;
	update people.household x set head_id = p_from from people.merge_row j where j.street_id = st and j.merge_id = p_merge
		and j.part = 'household.head_id' and x.street_id = st and x.id = j.row_id and coalesce(x.head_id, p_into) = p_into;
	-- What was set aside, unless something came in its place.
	insert into people.residence select r.* from people.merge_row j, jsonb_populate_record(null::people.residence, j.before) r
		where j.street_id = st and j.merge_id = p_merge and j.part = 'residence' on conflict do nothing;
	insert into people.guardianship select r.* from people.merge_row j, jsonb_populate_record(null::people.guardianship, j.before) r
		where j.street_id = st and j.merge_id = p_merge and j.part = 'guardianship' on conflict do nothing;
	insert into people.tag select r.* from people.merge_row j, jsonb_populate_record(null::people.tag, j.before) r
		where j.street_id = st and j.merge_id = p_merge and j.part = 'tag' on conflict do nothing;
	insert into people.health_tag select r.* from people.merge_row j, jsonb_populate_record(null::people.health_tag, j.before) r
		where j.street_id = st and j.merge_id = p_merge and j.part = 'health_tag' on conflict do nothing;
	insert into people.consent select r.* from people.merge_row j, jsonb_populate_record(null::people.consent, j.before) r
		where j.street_id = st and j.merge_id = p_merge and j.part = 'consent' on conflict do nothing;
	update care.watch x set seen_at = w.seen_at, due_at = w.due_at, alarm_id = w.alarm_id
	from people.merge_row j, jsonb_populate_record(null::care.watch, j.before) w
	where j.street_id = st and j.merge_id = p_merge and j.part = 'watch' and x.street_id = st and x.person_id = p_from;
	delete from care.watch x where x.street_id = st and x.person_id = p_into and not exists (select from people.tag t
		join care.watch_rule r on r.code = t.code where t.street_id = st and t.person_id = p_into and t.cleared_at is null);
	told := (select coalesce(jsonb_agg(jsonb_build_object('what', j.part, 'id', j.row_id) order by j.part, j.row_id), '[]')
		from people.merge_row j where j.street_id = st and j.merge_id = p_merge and case j.part
			when 'residence' then not exists (select from people.residence x where x.street_id = st and x.id = j.row_id)
			when 'guardianship' then not exists (select from people.guardianship x where x.street_id = st and x.id = j.row_id)
			when 'tag' then not exists (select from people.tag x where x.street_id = st and x.id = j.row_id)
			when 'health_tag' then not exists (select from people.health_tag x where x.street_id = st and x.id = j.row_id)
			when 'consent' then not exists (select from people.consent x where x.street_id = st and x.id = j.row_id)
			else false end);
	delete from people.merge_row j where j.street_id = st and j.merge_id = p_merge;
	perform people.refresh(array[p_from, p_into] || people.wards_of(p_from) || people.wards_of(p_into));
	return told;
end
$$;
comment on function people.part_rows(uuid, uuid, uuid) is
	'Rows that the journal says were the other''s are theirs again; returns which of those set aside found their place taken.';

create function people.part_records(p_merge uuid, p_from uuid, p_into uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	st constant integer := core.street();
	j people.merge_row;
	now_ jsonb;
	f text[];
	told jsonb := '[]';
	r people.person;
	x people.secret;
begin
	-- The survivor: each field that nobody has changed since is as before.
	now_ := (select to_jsonb(p) || to_jsonb(s) || jsonb_build_object('path', p.path) from people.person p
		join people.secret s on s.street_id = st and s.person_id = p_into where p.street_id = st and p.id = p_into);
	select y.street_id, y.merge_id, y.part, y.row_id, y.before || z.before, y.after || z.after into j
	from people.merge_row y join people.merge_row z on z.street_id = st and z.merge_id = p_merge and z.part = 'secret' and z.row_id = p_into
	where y.street_id = st and y.merge_id = p_merge and y.part = 'person' and y.row_id = p_into;
	foreach f slice 1 in array array[['name', null, null], ['sex', null, null], ['born_on', null, null],
		['phone_index', 'phone', 'phone_mask'], ['id_number_index', 'id_number', 'id_number_mask'],
		['verified', 'verified_on', 'verified_by'], ['dwelling_id', 'household_id', null], ['account_id', null, null],
		['source_id', 'source', 'source_digest']] loop
		if now_ -> f[1] = j.after -> f[1] then
			now_ := now_ || (select jsonb_object_agg(k, j.before -> k) from unnest(f) k where k is not null);
		elsif j.before -> f[1] <> j.after -> f[1] then
			told := told || jsonb_build_object('what', f[1], 'id', p_into);
		end if;
	end loop;
	r := jsonb_populate_record(null::people.person, now_);
	x := jsonb_populate_record(null::people.secret, now_);
	update people.person p set name = r.name, sex = r.sex, born_on = r.born_on, phone_mask = r.phone_mask,
		id_number_mask = r.id_number_mask, verified = r.verified, verified_on = r.verified_on, verified_by = r.verified_by,
		dwelling_id = r.dwelling_id, household_id = r.household_id, account_id = r.account_id,
		source = r.source, source_id = r.source_id, source_digest = r.source_digest, path = (select d.path from grid.dwelling d where d.street_id = st and d.id = r.dwelling_id),
		version = p.version + 1, updated_at = core.now(), updated_by = core.actor()
	where p.street_id = st and p.id = p_into;
	update people.secret s set phone = x.phone, phone_index = x.phone_index, id_number = x.id_number, id_number_index = x.id_number_index
	where s.street_id = st and s.person_id = p_into;
	-- The other: but for what is somebody else's by now.
	r := jsonb_populate_record(null::people.person, (select y.before from people.merge_row y
		where y.street_id = st and y.merge_id = p_merge and y.part = 'person' and y.row_id = p_from));
	x := jsonb_populate_record(null::people.secret, (select y.before from people.merge_row y
		where y.street_id = st and y.merge_id = p_merge and y.part = 'secret' and y.row_id = p_from));
	if exists (select from people.person p where p.street_id = st and p.account_id = r.account_id) then
		told := told || jsonb_build_object('what', 'account_id', 'id', p_from);
		r.account_id := null;
	end if;
	if exists (select from people.secret s where s.street_id = st and s.id_number_index = x.id_number_index) then
		told := told || jsonb_build_object('what', 'id_number', 'id', p_from);
		x.id_number := null;
		x.id_number_index := null;
		r.id_number_mask := null;
	end if;
	insert into people.secret select x.*;
	update people.person p set status = 'active', merged_into = null, account_id = r.account_id, household_id = r.household_id,
		source = r.source, source_id = r.source_id, source_digest = r.source_digest, id_number_mask = r.id_number_mask, version = p.version + 1, updated_at = core.now(), updated_by = core.actor()
	where p.street_id = st and p.id = p_from;
	return replace(told::text, '_index"', '"')::jsonb;
end
$$;
comment on function people.part_records(uuid, uuid, uuid) is
	'The fields of both records as the journal has them; returns which stay because they were changed since.';

create function people.forget_merges(p_id uuid) returns void
language plpgsql
as $$
declare
	p people.person;
begin
	delete from people.merge_row j using people.merge x where x.street_id = core.street() and p_id in (x.merged_id, x.survivor_id)
		and j.street_id = x.street_id and j.merge_id = x.id;
	delete from people.merge x where x.street_id = core.street() and p_id in (x.merged_id, x.survivor_id);
	update people.not_same x set reason = null where x.street_id = core.street() and p_id in (x.a_id, x.b_id);
	for p in select y.* from people.person y where y.street_id = core.street() and y.merged_into = p_id loop
		perform people.erase(p);
	end loop;
end
$$;
comment on function people.forget_merges(uuid) is 'Who was merged into somebody is erased with them, and so is the journal. In role system.';

grant select on people.merge, people.not_same to linli_app;
grant execute on function people.duplicates(text, integer), people.tell_apart(uuid, uuid, text),
	people.merge_persons(uuid, uuid, uuid, text[], text), people.unmerge_person(uuid, text) to linli_app;
