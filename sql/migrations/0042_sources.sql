-- ticket: outside numbers. One ticket may be known to many systems (12345,
-- WeCom, Open311, 综治平台), to each under numbers of its own. A program brings
-- the numbers of the systems it speaks for (core.systems()) and never reads
-- ticket.ticket by them: what became of the ticket it is told here.

---------------------------------------------------------------- tables
create table ticket.source (
	street_id integer not null,
	id uuid not null,
	system text collate "C" not null check (system ~ '^[a-z0-9][a-z0-9_-]{0,31}$'),
	source_id text collate "C" not null,
	ticket_id uuid not null,
	path text collate "C" not null,
	outside_status text,
	outside_at timestamptz,
	created_at timestamptz not null default core.now(),
	created_by uuid not null,
	primary key (street_id, id),
	constraint source_once unique (street_id, source_id, system),
	foreign key (street_id, ticket_id) references ticket.ticket (street_id, id)
);
comment on table ticket.source is
	'class: street. An outside number: as what a ticket is known in another system, once there; where the ticket goes (another grid, one it is merged into) it goes along.';
comment on column ticket.source.outside_status is 'What the system last said of it, by its own clock (outside_at)';
create index source_ticket on ticket.source (street_id, ticket_id);

create table ticket.source_update (
	street_id integer not null,
	id uuid not null,
	source uuid not null,
	update_id text collate "C" not null,
	system text collate "C" not null,
	ticket_id uuid not null,
	path text collate "C" not null,
	kind text not null check (kind in ('status', 'supplement', 'reply')),
	status text,
	text text,
	at timestamptz not null,
	files jsonb not null,
	created_at timestamptz not null default core.now(),
	created_by uuid not null,
	primary key (street_id, id),
	constraint update_once unique (street_id, source, update_id),
	foreign key (street_id, source) references ticket.source (street_id, id),
	foreign key (street_id, ticket_id) references ticket.ticket (street_id, id)
);
comment on table ticket.source_update is
	'class: street. What a system said of a number later, once under each id of its own; files: {name, media_type, bytes, url, sha256}, which we never fetch.';
create index source_update_ticket on ticket.source_update (street_id, ticket_id, id);

alter table ticket.source enable row level security;
alter table ticket.source force row level security;
create policy own_or_staff on ticket.source using (street_id = core.street()
	and case core.role() when 'client' then system = any (core.systems()) else core.may_see_private(path, null) end);
alter table ticket.source_update enable row level security;
alter table ticket.source_update force row level security;
create policy own_or_staff on ticket.source_update using (street_id = core.street()
	and case core.role() when 'client' then system = any (core.systems()) else core.may_see_private(path, null) end);

---------------------------------------------------------------- what happens to them
create function ticket.own_system(p_system text) returns text
language plpgsql stable
as $$
declare
	mine constant text[] := core.systems();
begin
	if core.role() <> 'client' then
		perform core.fail(403, 'role_not_allowed');
	elsif p_system is null and cardinality(mine) = 1 then
		return mine[1];
	elsif p_system is null or not coalesce(p_system = any (mine), false) then
		perform core.fail(422, 'system_not_yours', '/system');
	end if;
	return p_system;
end
$$;
comment on function ticket.own_system(text) is
	'The system a program brings something of: the one it names, else its only one. LN403 role_not_allowed, LN422 system_not_yours.';

create function ticket.move_sources(p_from uuid, p_to uuid, p_path text) returns void
language plpgsql
as $$
begin
	update ticket.source s set ticket_id = p_to, path = p_path
	where s.street_id = core.street() and s.ticket_id = p_from;
	update ticket.source_update u set ticket_id = p_to, path = p_path
	where u.street_id = core.street() and u.ticket_id = p_from;
end
$$;
comment on function ticket.move_sources(uuid, uuid, text) is 'Of a merge: whoever knows the one by a number now knows the other by it.';

create function ticket.submit_source(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	own constant text := ticket.own_system(b ->> 'system');
begin
	if exists (select from ticket.source s where s.street_id = core.street() and s.system = own and s.source_id = b ->> 'source_id') then
		return;
	end if;
	perform ticket.submit(p_id, b);
	insert into ticket.source (street_id, id, system, source_id, ticket_id, path, created_by)
	select t.street_id, core.new_id(t.street_id), own, b ->> 'source_id', t.id, t.path, core.actor()
	from ticket.ticket t where t.street_id = core.street() and t.id = p_id;
exception when unique_violation then
	-- Somebody was faster with the same number: theirs is the ticket, ours is
	-- undone.
	perform core.must(exists (select from ticket.source s where s.street_id = core.street() and s.system = own
		and s.source_id = b ->> 'source_id'), 409, 'source_id_taken', '/source_id');
end
$$;
comment on function ticket.submit_source(uuid, jsonb) is
	'A ticket brought by a program: one for each number, however often and from how many places it comes. As ticket.submit.';

-- As system: a program need not see the ticket it tells of, and who joins one
-- was looked at before. The app may not call these.
create function ticket.add_source(p_id uuid, p_ticket uuid, p_system text, p_source text, p_role text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	t constant ticket.ticket := ticket.lock_case(p_ticket);
begin
	insert into ticket.source (street_id, id, system, source_id, ticket_id, path, created_by)
	values (t.street_id, p_id, p_system, p_source, t.id, t.path, core.actor())
	on conflict on constraint source_once do nothing;
	if not found then
		perform core.must((select s.ticket_id = t.id from ticket.source s where s.street_id = t.street_id
			and s.source_id = p_source and s.system = p_system), 409, 'source_id_taken', '/source_id');
		return;
	end if;
	perform core.must(t.is_open, 409, 'target_not_open');
	update ticket.ticket x set version = x.version + 1, updated_at = core.now()
	where x.street_id = t.street_id and x.id = t.id;
	perform ticket.tell(t, 'outside_number', null, p_role, json_build_object('system', p_system, 'source_id', p_source), true);
end
$$;
comment on function ticket.add_source(uuid, uuid, text, text, text) is
	'One more number of an open ticket; the same again changes nothing. LN409 source_id_taken, target_not_open.';

create function ticket.known_as(p_number text, p_system text, p_source text) returns uuid
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
begin
	if p_number is not null then
		return (select coalesce(t.merged_into, t.id) from ticket.ticket t
			where t.street_id = core.street() and t.number = p_number);
	end if;
	return (select s.ticket_id from ticket.source s
		where s.street_id = core.street() and s.source_id = p_source and s.system = p_system);
end
$$;
comment on function ticket.known_as(text, text, text) is 'The ticket of our own number, or of another system''s.';

create function ticket.note_update(p_id uuid, s ticket.source, p_role text, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	t constant ticket.ticket := ticket.lock_case(s.ticket_id);
	said constant timestamptz := coalesce((b ->> 'at')::timestamptz, core.now());
begin
	-- Merged while we waited.
	select x.* into s from ticket.source x where x.street_id = t.street_id and x.id = s.id for update;
	insert into ticket.source_update (street_id, id, source, update_id, system, ticket_id, path, kind, status, text, at, files, created_by)
	values (s.street_id, p_id, s.id, b ->> 'update_id', s.system, s.ticket_id, s.path, b ->> 'kind', b ->> 'status', b ->> 'text',
		said, coalesce(nullif(b -> 'files', 'null'), '[]'), core.actor())
	on conflict on constraint update_once do nothing;
	if not found then
		return;
	end if;
	-- What was said earlier and comes later is no news.
	if b ->> 'status' is not null and said >= coalesce(s.outside_at, '-infinity') then
		update ticket.source x set outside_status = b ->> 'status', outside_at = said
		where x.street_id = s.street_id and x.id = s.id;
	end if;
	update ticket.ticket x set version = x.version + 1, updated_at = core.now()
	where x.street_id = s.street_id and x.id = s.ticket_id;
	perform ticket.tell(x, 'outside_' || (b ->> 'kind'), null, p_role, json_strip_nulls(json_build_object('update_id', p_id, 'system', s.system,
		'source_id', s.source_id, 'status', b ->> 'status', 'text', core.mask_text(b ->> 'text'),
		'files', nullif(jsonb_array_length(coalesce(nullif(b -> 'files', 'null'), '[]')), 0))), true)
	from ticket.ticket x where x.street_id = s.street_id and x.id = s.ticket_id;
end
$$;
comment on function ticket.note_update(uuid, ticket.source, text, jsonb) is
	'What a system says of a number, once under each id, on the timeline of the ticket for the staff: it may be of other people than its reporter.';

create function ticket.update_source(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	own constant text := ticket.own_system(b ->> 'system');
	s ticket.source;
begin
	perform core.must(num_nonnulls(b ->> 'status', b ->> 'text') + coalesce(jsonb_array_length(nullif(b -> 'files', 'null')), 0) > 0,
		422, 'update_empty', '/text');
	perform core.must(coalesce((b ->> 'at')::timestamptz <= core.now() + interval '5 minutes', true), 422, 'time_in_future', '/at');
	select x.* into s from ticket.source x
	where x.street_id = core.street() and x.source_id = b ->> 'source_id' and x.system = own;
	perform core.must(found, 422, 'source_unknown', '/source_id');
	perform ticket.note_update(p_id, s, core.role(), b);
end
$$;
comment on function ticket.update_source(uuid, jsonb) is
	'A status, supplement or reply from outside to a number of the caller''s system. LN422 system_not_yours, source_unknown, update_empty, time_in_future.';

create function ticket.join_source(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	own constant text := ticket.own_system(b ->> 'system');
	same constant jsonb := b -> 'same_as';
	goal uuid;
begin
	perform core.must(case when same ->> 'number' is null then num_nulls(same ->> 'system', same ->> 'source_id') = 0
		else num_nonnulls(same ->> 'system', same ->> 'source_id') = 0 end, 422, 'same_as_unclear', '/same_as');
	goal := ticket.known_as(same ->> 'number', same ->> 'system', same ->> 'source_id');
	perform core.must(goal is not null, 422, 'target_unknown', '/same_as');
	perform ticket.add_source(p_id, goal, own, b ->> 'source_id', core.role());
end
$$;
comment on function ticket.join_source(uuid, jsonb) is
	'A program knows that its number is of a ticket that is there: by ours, or by another system''s. LN422 system_not_yours, same_as_unclear, target_unknown, LN409 source_id_taken, target_not_open.';

create function ticket.join_number(p_new uuid, p_ticket uuid, p_system text, p_source text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	perform core.must(core.role() in ('community', 'street'), 403, 'role_not_allowed');
	if not exists (select from ticket.ticket t where t.street_id = core.street() and t.id = p_ticket) then
		return false;
	end if;
	perform ticket.add_source(p_new, p_ticket, p_system, p_source, core.role());
	return true;
end
$$;
comment on function ticket.join_number(uuid, uuid, text, text) is
	'Staff enter a number of a ticket; false when it is not to be seen. LN403 role_not_allowed, LN409 source_id_taken, target_not_open.';

---------------------------------------------------------------- what clients read
create type ticket.outcome as (number text, status text, grid_id uuid, reply text, due_at timestamptz, resolved_at timestamptz,
	replied_at timestamptz, closed_at timestamptz, updated_at timestamptz);
comment on type ticket.outcome is 'Of a ticket, what a system that knows it by a number is told: nothing of people.';

create function ticket.read_outcome(p_ticket uuid) returns ticket.outcome
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	x ticket.outcome;
begin
	select t.number, t.status, t.grid_id, t.reply, t.due_at, t.resolved_at, t.replied_at, t.closed_at, t.updated_at into x
	from ticket.ticket t where t.street_id = core.street() and t.id = p_ticket;
	return x;
end
$$;
comment on function ticket.read_outcome(uuid) is 'For ticket.outcome_of() alone, which looks whether the caller may.';

create function ticket.outcome_of(p_source uuid) returns ticket.outcome
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
	return (select ticket.read_outcome(s.ticket_id) from ticket.source s
		where s.street_id = core.street() and s.id = p_source);
end
$$;
comment on function ticket.outcome_of(uuid) is 'What became of the ticket of a number the caller may see; nulls for any other.';

create view ticket.source_view with (security_invoker = true) as
select s.street_id as _street_id, s.id as _id, s.system, s.source_id, s.ticket_id, (x.it).number, (x.it).status, (x.it).grid_id,
	(x.it).reply, s.outside_status, s.outside_at, (x.it).due_at, (x.it).resolved_at, (x.it).replied_at, (x.it).closed_at,
	s.created_at, (x.it).updated_at
from ticket.source s cross join lateral (select ticket.outcome_of(s.id) as it offset 0) x;
comment on view ticket.source_view is 'class: street. SourceTicket: a number, and what became of its ticket.';

create function ticket.pick_sources(p_systems text[], p_scopes text[], p_system text, p_source text, p_ticket uuid,
	p_updated timestamptz, p_after uuid, p_limit integer) returns uuid[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
	set plan_cache_mode = force_custom_plan
as $$
begin
	return array(select s.id from ticket.source s
		where s.street_id = core.street() and s.id > coalesce(p_after, '00000000-0000-0000-0000-000000000000')
			and case when p_systems is null then s.path ^@ any (p_scopes) else s.system = any (p_systems) end
			and (p_source is null or s.source_id = p_source) and (p_system is null or s.system = p_system)
			and (p_ticket is null or s.ticket_id = p_ticket)
			and (p_updated is null or exists (select from ticket.ticket t
				where t.street_id = s.street_id and t.id = s.ticket_id and t.updated_at > p_updated))
		order by s.id limit p_limit);
end
$$;
comment on function ticket.pick_sources(text[], text[], text, text, uuid, timestamptz, uuid, integer) is
	'For ticket.sources() alone. As system: whether a ticket has changed a program may know without seeing it.';

create function ticket.sources(p_system text, p_source text, p_ticket uuid, p_updated timestamptz, p_after uuid, p_limit integer)
	returns setof ticket.source_view
language plpgsql stable rows 20 security definer set search_path = pg_catalog, pg_temp
as $$
begin
	return query select v.* from unnest(ticket.pick_sources(core.systems(), core.scopes(), p_system, p_source, p_ticket,
			p_updated, p_after, p_limit)) i
		join ticket.source_view v on v._street_id = core.street() and v._id = i order by i;
end
$$;
comment on function ticket.sources(text, text, uuid, timestamptz, uuid, integer) is
	'A page of the numbers the caller may see: a program those of its systems, staff those of their grids.';

-- As system: a joined number is of a ticket the program does not see.
create function ticket.program_feed(p_xact xid8, p_id uuid, p_horizon xid8, p_limit integer) returns setof core.event_view
language plpgsql stable rows 20 security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	st constant integer := core.street();
	me constant uuid := core.actor();
	org constant uuid := core.org();
	mine constant text[] := core.systems();
begin
	return query select e.street_id, e.xact, e.path, e.id, e.at, e.subject, e.subject_id, e.action, e.from_state, e.to_state,
			e.actor_role, case when e.owner_id = me or e.org_id = org then e.actor_id end,
			case when e.owner_id = me or e.org_id = org then e.data when e.action = 'reply'
				then json_build_object('text', core.mask_text(e.data ->> 'text')) end
		from core.event e
		where e.street_id = st and (e.xact, e.id) > (p_xact, p_id) and e.xact < p_horizon
			and (e.owner_id = me or e.org_id = org or e.subject = 'ticket' and not ticket.is_internal(e.action)
				and exists (select from ticket.source s where s.street_id = st and s.ticket_id = e.subject_id and s.system = any (mine)))
		order by e.xact, e.id limit p_limit;
end
$$;
comment on function ticket.program_feed(xid8, uuid, xid8, integer) is
	'core.feed() for a program: of what it brought and of its department''s parts all, of tickets its systems know by a number what moved them, and the reply.';

create view ticket.source_update_view with (security_invoker = true) as
select u.street_id as _street_id, u.id, u.update_id, u.system, s.source_id, u.ticket_id, u.kind, u.status, u.text, u.at,
	u.files::json as files, u.created_at
from ticket.source_update u join ticket.source s on s.street_id = u.street_id and s.id = u.source;
comment on view ticket.source_update_view is 'class: street. SourceUpdate.';

grant select on ticket.source, ticket.source_view, ticket.source_update, ticket.source_update_view to linli_app;
grant execute on function ticket.submit_source(uuid, jsonb), ticket.update_source(uuid, jsonb), ticket.join_source(uuid, jsonb),
	ticket.join_number(uuid, uuid, text, text), ticket.program_feed(xid8, uuid, xid8, integer), ticket.outcome_of(uuid), ticket.own_system(text),
	ticket.sources(text, text, uuid, timestamptz, uuid, integer) to linli_app;
