-- care: 民情日记. What a lead hears and sees from door to door, and the ticket
-- that can come of it.

create table care.diary (
	street_id integer not null,
	id uuid not null,
	grid_id uuid not null,
	path text collate "C" not null,
	on_date date not null,
	topic text not null check (topic in ('care', 'hazard', 'dispute', 'service', 'opinion', 'other')),
	text text not null check (text ~ '[^[:space:]]'),
	person_id uuid,
	author_id uuid not null,
	author_name text,
	ticket_id uuid,
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	updated_at timestamptz not null default core.now(),
	primary key (street_id, id),
	constraint diary_ticket_key unique (street_id, ticket_id),
	foreign key (street_id, grid_id) references grid.grid (street_id, id),
	foreign key (street_id, person_id) references people.person (street_id, id),
	foreign key (street_id, ticket_id) references ticket.ticket (street_id, id)
);
create index diary_path on care.diary (street_id, path, on_date, id);
create index diary_person on care.diary (street_id, person_id) where person_id is not null;
comment on table care.diary is
	'class: street. 民情日记, phones and ID numbers masked as a ticket''s. It stays with the grid it was heard in; the author may change it on the day it was written.';

create function care.may_see_diary(path text, author uuid) returns boolean
language sql stable parallel safe
return people.may_see(path, null) and (author = core.actor() or people.may_see_health(path, null));
comment on function care.may_see_diary(text, uuid) is
	'Who reads an entry: its author on ground they lead, the leads above, the community; not those who lead the same micro-grid.';

alter table care.diary enable row level security;
alter table care.diary force row level security;
create policy reach on care.diary using (street_id = core.street() and care.may_see_diary(path, author_id));

create function care.note_event(d care.diary, p_action text) returns void
language plpgsql
as $$
begin
	perform core.put_event('diary', d.id, p_action, null, null, regexp_replace(d.path, '[0-9]+/$', ''), null, false);
end
$$;
comment on function care.note_event(care.diary, text) is 'The event of an entry, one step up: for those who read it.';

create function care.about(p_id uuid) returns people.person
language plpgsql stable
as $$
declare
	p people.person;
begin
	if p_id is null then
		return null;
	end if;
	select x.* into p from people.person x where x.street_id = core.street() and x.id = p_id and x.status = 'active';
	if not found then
		perform core.fail(422, 'person_not_found', '/person_id');
	elsif people.is_under(p.born_on, 18) and not people.approved(p.id) then
		perform core.fail(403, 'approval_required', '/person_id');
	end if;
	return p;
end
$$;
comment on function care.about(uuid) is 'Somebody the caller sees; null of null. LN422 person_not_found, LN403 approval_required (a minor).';

create function care.raise(d care.diary, b jsonb) returns uuid
language plpgsql
as $$
declare
	made constant uuid := core.new_id(d.street_id);
	who text := b -> 'on_behalf' ->> 'name';
	t ticket.ticket;
begin
	if d.ticket_id is not null then
		perform core.fail(409, 'ticket_raised');
	end if;
	who := coalesce(who, (select s.name from people.person p, people.show(p) s where p.street_id = d.street_id and p.id = d.person_id));
	perform ticket.submit(made, b || jsonb_build_object('grid_id', d.grid_id, 'urgency', coalesce(b ->> 'urgency', 'normal'), 'description', coalesce(b ->> 'description', d.text),
		'on_behalf', case when who is not null then jsonb_build_object('name', who,
			'note', coalesce(b -> 'on_behalf' ->> 'note', '民情日记')) end));
	update care.diary x set ticket_id = made, version = x.version + 1, updated_at = core.now()
	where x.street_id = d.street_id and x.id = d.id;
	select x.* into t from ticket.ticket x where x.street_id = d.street_id and x.id = made;
	perform ticket.tell(t, 'from_diary', null, core.role(), json_build_object('diary_id', d.id), true);
	return made;
end
$$;
comment on function care.raise(care.diary, jsonb) is
	'A ticket out of an entry, in the name of the person it is about or of on_behalf; each knows the other. LN409 ticket_raised and as ticket.submit().';

create function care.write_diary(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	d care.diary;
	g grid.grid;
	day constant date := coalesce((b ->> 'on_date')::date, core.today());
begin
	if b ->> 'grid_id' is not null then
		g := care.ground((b ->> 'grid_id')::uuid);
	elsif cardinality(core.scopes()) <> 1 then
		perform core.fail(422, 'grid_required', '/grid_id');
	else
		select x.* into g from grid.grid x where x.street_id = core.street() and x.path = (core.scopes())[1];
	end if;
	if day > core.today() then
		perform core.fail(422, 'date_in_future', '/on_date');
	end if;
	insert into care.diary (street_id, id, grid_id, path, on_date, topic, text, person_id, author_id, author_name)
	values (core.street(), p_id, g.id, g.path, day, b ->> 'topic', core.mask_text(b ->> 'text'),
		(care.about((b ->> 'person_id')::uuid)).id, core.actor(), identity.name_of(core.actor()))
	returning * into d;
	perform care.note_event(d, 'create');
	if jsonb_typeof(b -> 'ticket') = 'object' then
		perform care.raise(d, b -> 'ticket');
	end if;
end
$$;
comment on function care.write_diary(uuid, jsonb) is
	'An entry by a lead, with a ticket in the same breath if asked. LN422 grid_required, grid_not_found, date_in_future, person_not_found, LN403 approval_required and as care.raise().';

create function care.my_diary(p_id uuid, p_if_match text default null) returns care.diary
language plpgsql
as $$
declare
	d care.diary;
begin
	select x.* into d from care.diary x where x.street_id = core.street() and x.id = p_id for update;
	if not found then
		perform core.fail(404, 'not_found');
	elsif d.author_id <> core.actor() then
		perform core.fail(403, 'not_author');
	elsif core.is_stale(d.version, p_if_match) then
		perform core.fail(412, 'version_conflict');
	end if;
	return d;
end
$$;
comment on function care.my_diary(uuid, text) is 'An entry of the caller''s to be changed. LN404 not_found, LN403 not_author, LN412 version_conflict.';

create function care.edit_diary(p_id uuid, p_if_match text, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	d care.diary := care.my_diary(p_id, p_if_match);
begin
	if (d.created_at at time zone 'Asia/Shanghai')::date <> core.today() then
		perform core.fail(409, 'diary_closed');
	elsif (b ->> 'on_date')::date > core.today() then
		perform core.fail(422, 'date_in_future', '/on_date');
	end if;
	update care.diary x set topic = b ->> 'topic', text = core.mask_text(b ->> 'text'),
		on_date = coalesce((b ->> 'on_date')::date, x.on_date), person_id = (care.about((b ->> 'person_id')::uuid)).id,
		version = x.version + 1, updated_at = core.now()
	where x.street_id = d.street_id and x.id = p_id;
	perform care.note_event(d, 'update');
end
$$;
comment on function care.edit_diary(uuid, text, jsonb) is
	'The author writes an entry anew, on the day it was written. LN409 diary_closed, LN422 date_in_future, person_not_found and as care.my_diary().';

create function care.raise_diary(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	perform care.raise(care.my_diary(p_id), b);
end
$$;
comment on function care.raise_diary(uuid, jsonb) is 'A ticket out of an entry of the caller''s, on whatever day. As care.my_diary() and care.raise().';

create function care.diaries(p_id uuid, p_from date, p_to date, p_topic text, p_q text, p_author uuid, p_person uuid,
	p_ticket uuid, p_under uuid, p_updated timestamptz, p_after text, p_most integer)
returns table (id uuid, grid_id uuid, on_date date, topic text, text text, person_id uuid, name text, author_id uuid,
	author_name text, ticket_id uuid, ticket_number text, ticket_status text, created_at timestamptz,
	updated_at timestamptz, actions json, _etag integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp set jit = off set plan_cache_mode = force_custom_plan
as $$
declare
	last_on constant date := coalesce(split_part(p_after, ' ', 1)::date, 'infinity');
	last_id constant uuid := coalesce(split_part(p_after, ' ', 2), 'ffffffff-ffff-ffff-ffff-ffffffffffff')::uuid;
	terms constant text[] := nullif(ticket.terms(p_q), '{}');
begin
	return query select d.id, d.grid_id, d.on_date, d.topic, d.text, d.person_id, s.name, d.author_id, d.author_name,
		t.id, t.number, t.status, d.created_at, d.updated_at, case when d.author_id = core.actor() then to_json(array_remove(array[
			case when (d.created_at at time zone 'Asia/Shanghai')::date = core.today() then 'edit' end,
			case when d.ticket_id is null then 'raise' end], null)) else '[]' end, d.version
	from (
		select x.* from (select s.lo, s.hi from core.scope_ranges() s offset 0) r
		join care.diary x on x.street_id = core.street() and x.path >= r.lo and x.path < r.hi
		where (x.on_date, x.id) < (last_on, last_id)
			and (p_id is null or x.id = p_id) and (p_from is null or x.on_date >= p_from) and (p_to is null or x.on_date < p_to)
			and (p_topic is null or x.topic = p_topic) and (terms is null or ticket.has_terms(x.text, terms))
			and (p_author is null or x.author_id = p_author) and (p_person is null or x.person_id = p_person)
			and (p_ticket is null or x.ticket_id = p_ticket) and (p_updated is null or x.updated_at > p_updated)
			and (p_under is null or x.path ^@ (select g.path from grid.grid g where g.street_id = x.street_id and g.id = p_under))
		order by x.on_date desc, x.id desc limit p_most) d
	left join people.person p on p.street_id = d.street_id and p.id = d.person_id
	left join lateral people.show(p) s on p.id is not null
	left join ticket.ticket t on t.street_id = d.street_id and t.id = d.ticket_id
	order by d.on_date desc, d.id desc;
end
$$;
comment on function care.diaries(uuid, date, date, text, text, uuid, uuid, uuid, uuid, timestamptz, text, integer) is
	'DiaryEntry: one by id, or a page, the latest first; p_q: words that all occur. The person and the ticket as the caller may see them.';

create function care.forget_diary(p people.person, p_alias text) returns void
language plpgsql
as $$
begin
	update ticket.ticket t set title = replace(t.title, p.name, p_alias), description = replace(t.description, p.name, p_alias),
		reply = replace(t.reply, p.name, p_alias), version = t.version + 1, updated_at = core.now()
	from care.diary d where d.street_id = p.street_id and d.person_id = p.id and t.street_id = p.street_id and t.id = d.ticket_id;
	update ticket.private t set title = replace(t.title, p.name, p_alias), description = replace(t.description, p.name, p_alias),
		reply = replace(t.reply, p.name, p_alias), contact_name = p_alias, contact_phone = null, contact_phone_mask = null,
		contact_phone_index = null, on_behalf_note = replace(t.on_behalf_note, p.name, p_alias), address = null
	from care.diary d where d.street_id = p.street_id and d.person_id = p.id and t.street_id = p.street_id and t.ticket_id = d.ticket_id;
	update ticket.comment c set text = replace(c.text, p.name, p_alias)
	from care.diary d where d.street_id = p.street_id and d.person_id = p.id and c.street_id = p.street_id and c.ticket_id = d.ticket_id;
	update core.event e set data = replace(e.data::text, p.name, p_alias)::json
	from care.diary d where d.street_id = p.street_id and d.person_id = p.id and e.street_id = p.street_id
		and e.subject_id = d.ticket_id and e.data is not null;
	update care.diary d set text = replace(d.text, p.name, p_alias) where d.street_id = p.street_id and d.person_id = p.id;
end
$$;
comment on function care.forget_diary(people.person, text) is 'In entries about somebody and in the tickets that came of them the pseudonym stands. In role system.';

grant execute on function care.write_diary(uuid, jsonb), care.edit_diary(uuid, text, jsonb), care.raise_diary(uuid, jsonb),
	care.diaries(uuid, date, date, text, text, uuid, uuid, uuid, uuid, timestamptz, text, integer) to linli_app;
