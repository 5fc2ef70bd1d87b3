-- people: homes, tags, consent, deletion.
-- Run by linli_owner, one statement at a time.

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

create function people.has_guardian_here(p_id uuid) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
begin
	return exists (select from people.guardianship g
		join people.person x on x.street_id = g.street_id and x.id = g.guardian_id and x.path ^@ any (core.scopes())
		where g.street_id = core.street() and g.person_id = p_id and g.to_on is null);
end
$$;
comment on function people.has_guardian_here(uuid) is 'Does a guardian of somebody, seen or not, live on the caller''s ground.';

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
	elsif people.is_under(p.born_on, 18) and not people.has_guardian_here(p.id) then
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
	elsif p.account_id <> p_account then
		-- Whose it was would no longer see it, and not know why.
		perform core.fail(409, 'person_linked');
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
	'A person is a resident''s account (null: no longer any), which sees it and its wards from now on. LN422 account_unknown, LN409 person_linked (another account is tied: untie it first), account_linked and as people.locked().';

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
		perform people.forget_traces(p.account_id, p.name, alias);
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
	update core.event e set data = core.mask_json(replace(e.data::text, p_name, p_alias))
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
		perform people.forget_signature(p_account, p_alias);
	end if;
end
$$;
comment on function people.forget_account(uuid, text, text) is 'Somebody''s logins, sessions and claims go; the account bears the pseudonym and is closed.';

grant update (path, is_public, data) on core.event to linli_owner;
