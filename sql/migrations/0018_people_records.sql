-- people: records written, kept in step, and opened.
-- Run by linli_owner, one statement at a time.

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
	perform field.move_equipment(array(select e.id from field.equipment e where e.street_id = core.street() and e.dwelling_id = any (p_ids)),
		(select g.id from grid.grid g where g.street_id = core.street() and g.path = p_path), p_path);
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
