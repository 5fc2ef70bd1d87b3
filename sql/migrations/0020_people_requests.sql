-- people: requests about one's data, finding somebody, the job.
-- Run by linli_owner, one statement at a time.

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
	id_number text, address text, residences json, ownerships json, guardians json, tags json, consents json, accesses bigint,
	tickets json, comments json, hazards json, visits json, alarms json, pairings json, diary json, mediations json, check_ins json)
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
		(select count(*) from people.accesses(null, 1000000000) a where a.person_id = p.id), t.*
	from people.traces(p) t;
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
	-- The buildings first (offset 0 keeps it so): a compound has many dwellings.
	select d.id from (
		select b.street_id, b.id, substr(p_address, length(c.name || b.name) + 1) as rest
		from grid.compound c
		join grid.building b on b.street_id = c.street_id and b.compound_id = c.id
		where c.street_id = core.street() and p_address ^@ c.name
			and (p_address ^@ (c.name || b.name) or (c.name || b.name) ^@ p_address) offset 0) b
	join grid.dwelling d on d.street_id = b.street_id and d.building_id = b.id
	left join grid.unit u on b.rest <> '' and u.street_id = d.street_id and u.id = d.unit_id
	where b.rest = '' or (coalesce(u.name, '') || d.number) ^@ b.rest
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
		-- Many may live there: put in order first (offset 0 keeps it so),
		-- then asked one after the other until the page is full.
		return query select (x.p).id, (x.p).path from (
				select p from people.dwellings_at(b ->> 'address') d (id)
				join people.person p on p.street_id = street and p.dwelling_id = d.id
				where (p.path, p.id) > (lo, last) order by p.path, p.id offset 0) x
			where people.fits(x.p, b) limit p_most;
	elsif b ? 'dwelling_id' then
		return query select p.id, p.path from people.person p
			where p.street_id = street and p.dwelling_id = (b ->> 'dwelling_id')::uuid
				and (p.path, p.id) > (lo, last) and people.fits(p, b)
			order by p.path, p.id limit p_most;
	elsif b ? 'tag' then
		-- Put in order by what the tags say of path and person; then each is
		-- looked at, until the page is full.
		return query select p.id, p.path from (select x.path, x.person_id from (
				select t.path, t.person_id from people.tag t where t.street_id = street and t.code = b ->> 'tag'
					and t.cleared_at is null and t.path >= lo and t.path < hi and t.person_id is not null
				union select m.path, m.id from people.tag t join people.person m on m.street_id = t.street_id
					and m.household_id = t.household_id where t.street_id = street and t.code = b ->> 'tag'
					and t.cleared_at is null and t.path >= lo and t.path < hi
				union select t.path, t.person_id from people.health_tag t where t.street_id = street and t.code = b ->> 'tag'
					and t.cleared_at is null and t.path >= lo and t.path < hi) x
				where (x.path, x.person_id) > (lo, last) order by x.path, x.person_id offset 0) x
			cross join lateral (select y.* from people.person y where y.street_id = street and y.id = x.person_id offset 0) p
			where people.fits(p, b) order by x.path, x.person_id limit p_most;
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
