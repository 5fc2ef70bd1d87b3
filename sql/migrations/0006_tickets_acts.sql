-- ticket: acts on a ticket, and what clients read of it.
-- Run by linli_owner, one statement at a time.

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
	perform ticket.move_sources(t.id, goal.id, goal.path);
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
		core.colour(t.due_at, t.warn_at, (select core.now())),
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
	own ticket.own, mine boolean, handler_id uuid, actions json, etag text, supported boolean,
	thanked boolean, merged_into uuid, rating json, near json);
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
	x.mine := coalesce(t.owner_id = core.actor(), false);
	if reader <> 'resident' then
		x.handler_id := t.handler_id;
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
	x.etag := t.version || '-' || left(md5(concat(offer, x.near)), 8);
	return x;
end
$$;
comment on function ticket.standing(ticket.ticket) is
	'What the caller may do now, whether they support it or said thanks; the private half, what it was merged into and how it was rated if they may see that; near-duplicates while it is open and its place known. The ETag covers, with the colour, what changes without a new version; If-Match only compares the version before the dash.';

-- To a neighbour most tickets are plain (ticket.plain_offers()): then the
-- function is not even called. A security barrier, so that it is called once a
-- row and not once a field, and without a node of its own.
create view ticket.stood with (security_invoker = true, security_barrier = true) as
select t.*, core.colour(t.due_at, t.warn_at, core.now()) as colour,
	case when current_setting('linli.role', true) = 'resident'
		and t.owner_id is distinct from current_setting('linli.actor', true)::uuid
		and t.support_count + t.thank_count = 0 and t.merged_into is null then null
		else ticket.standing(t) end as it
from ticket.ticket t;
comment on view ticket.stood is 'class: street. A ticket and what it is to its reader.';

-- Few operators, for each is set up at every read; a grid's name by a join, for
-- a sub-query makes PostgreSQL walk the whole statement at every read.
create view ticket.detail with (security_invoker = true) as
select t.street_id as _street_id,
	coalesce((t.it).etag, t.version::text || ('-' || left(md5(ticket.plain_offers()::text), 8)))
		|| coalesce(left(t.colour, 1), '') as _etag,
	t.id, t.number, t.kind, t.category, t.urgency, t.status,
	coalesce(((t.it).own).title, t.title) as title,
	coalesce(((t.it).own).description, t.description) as description,
	t.grid_id, g.name as grid_name,
	t.is_public as public, t.owner_id is null as on_behalf, ((t.it).own).on_behalf_note,
	coalesce((t.it).mine, false) as mine,
	((t.it).own).contact_name, ((t.it).own).contact_phone_mask, ((t.it).own).address, ((t.it).own).compound_id,
	((t.it).own).building, ((t.it).own).position, ((t.it).own).position_gcj02, ((t.it).own).answers,
	coalesce(((t.it).own).reply, t.reply) as reply,
	(t.it).handler_id, t.stars, (t.it).rating, t.support_count, coalesce((t.it).supported, false) as supported,
	t.thank_count, coalesce((t.it).thanked, false) as thanked,
	t.comment_count, t.photo_count, (t.it).merged_into,
	t.merged_count, t.reopened_count, t.due_at, t.colour, t.hotline_class, t.urged_count,
	t.supervised_at, t.created_at, t.updated_at, t.accepted_at, t.resolved_at, t.replied_at, t.closed_at,
	coalesce((t.it).actions, coalesce(ticket.plain_offers() ->> t.status, '[]')::json) as actions,
	coalesce((t.it).near, '[]') as similar
from ticket.stood t left join grid.grid g on g.street_id = t.street_id and g.id = t.grid_id;
comment on view ticket.detail is
	'class: street. Ticket: what stands in ticket.private is null for those to whom it is hidden.';
