-- ticket: what may be done in which state, and a new ticket.
-- Run by linli_owner, one statement at a time.

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
	'Of ticket.offers(), by status, what a resident may do with a ticket of somebody else that nobody supports or gave thanks for: most that residents read.';

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
	elsif core.role() = 'resident' and b ->> 'hotline_class' is not null then
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
	-- Mostly there are none, and a call is not free.
	if jsonb_typeof(b -> 'photo_ids') = 'array' then
		perform ticket.attach_photos(p_id, b -> 'photo_ids', 'report');
	end if;
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
create function ticket.is_internal(action text) returns boolean
language sql immutable strict parallel safe
return action in ('comment_internal', 'contact_viewed', 'handed_over') or action ~ '^(clock|extension|outside)_';
comment on function ticket.is_internal(text) is 'Is an event of a ticket between staff.';

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
	update ticket.source set path = p_path
	where street_id = core.street() and ticket_id = p_id;
	update ticket.source_update set path = p_path
	where street_id = core.street() and ticket_id = p_id;
	update clock.clock set path = p_path
	where street_id = core.street() and subject_id in (select p_id
		union all select d.id from ticket.dispatch d where d.street_id = core.street() and d.ticket_id = p_id);
	-- handed_over stays: it tells the grid before that the ticket left.
	update core.event set path = p_path, is_public = p_public and not ticket.is_internal(action)
	where street_id = core.street() and subject_id = p_id
		and subject = 'ticket' and action <> 'handed_over';
	update core.event e set path = p_path from ticket.dispatch d
	where d.street_id = core.street() and d.ticket_id = p_id and e.street_id = d.street_id and e.subject_id = d.id
		and e.subject = 'dispatch';
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
