-- The change feed over core.event, and what wakes those who wait on it.
--
-- Order is (xact, id), and only transactions older than every one still
-- running are shown: what is shown can never be preceded later.

create view core.event_view with (security_invoker = true) as
select e.street_id as _street_id, e.xact as _xact, e.path as _path,
	e.id, e.at, e.subject, e.subject_id, e.action, e.from_state, e.to_state, e.actor_role,
	-- Staff see who did it, everybody sees their own; the reporter of a ticket
	-- does not see which neighbour supports it.
	case when core.role() <> 'resident' or e.actor_id = core.actor() then e.actor_id end as actor_id,
	case when core.role() <> 'resident' or core.actor() in (e.owner_id, e.actor_id) then e.data
		when e.action in ('reply', 'thank') and e.data ->> 'text' is not null
		then json_build_object('text', core.mask_text(e.data ->> 'text')) end as data
from core.event e;
comment on view core.event_view is
	'class: street. Event: the public reads the role instead of the person, and of the texts only reply and thanks, masked.';

create function core.feed(p_after text, p_limit integer) returns setof core.event_view
language plpgsql stable rows 20
as $$
declare
	st constant integer := core.street();
	x xid8 := coalesce(nullif(split_part(p_after, ':', 1), ''), '0')::xid8;
	i uuid := coalesce(nullif(split_part(p_after, ':', 2), ''), '00000000-0000-0000-0000-000000000000')::uuid;
	horizon constant xid8 := core.event_horizon();
begin
	-- Their part of the street's events may be small: walk it grid by grid.
	if core.role() in ('grid_lead', 'community') then
		return query select v.* from core.scope_ranges() s
			join grid.grid g on g.street_id = st and g.path >= s.lo and g.path < s.hi,
			lateral (select v.* from core.event_view v
				where v._street_id = st and v._path = g.path
					and (v._xact, v.id) > (x, i) and v._xact < horizon
				order by v._xact, v.id limit p_limit) v
			order by v._xact, v.id limit p_limit;
		return;
	end if;
	if core.role() = 'department' then
		-- Nothing but what names it, by an index of its own.
		return query select e.street_id, e.xact, e.path, e.id, e.at, e.subject, e.subject_id, e.action, e.from_state,
				e.to_state, e.actor_role, case when e.actor_id = core.actor() then e.actor_id end, e.data
			from core.event e
			where e.street_id = st and e.org_id = core.org() and (e.xact, e.id) > (x, i) and e.xact < horizon
			order by e.xact, e.id limit p_limit;
		return;
	elsif core.role() = 'client' then
		return query select * from ticket.program_feed(x, i, horizon, p_limit);
		return;
	end if;
	return query select v.* from core.event_view v
		where v._street_id = st and (v._xact, v.id) > (x, i) and v._xact < horizon
		order by v._xact, v.id limit p_limit;
end
$$;
comment on function core.feed(text, integer) is
	'Events the caller may see after a cursor "xact:id" (null = from the beginning), in order.';

-- Not the horizon itself: numbers above the last commit may be given out again
-- after a crash, and an event with such a one would stand before the cursor.
create function core.horizon() returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
	set linli.role = 'system'
as $$
begin
	return coalesce((select e.xact::text::numeric + 1 from core.event e
		where e.street_id = core.street() and e.xact < core.event_horizon()
		order by e.xact desc, e.id desc limit 1), 0)::text
		|| ':00000000-0000-0000-0000-000000000000';
end
$$;
comment on function core.horizon() is
	'Cursor of now: right behind the last settled event of the caller''s street.';

create function core.changed_streets(since xid8) returns table (street_id integer, mark text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
	set linli.street = '' set linli.role = 'system'
as $$
declare
	horizon constant xid8 := core.event_horizon();
	s integer;
begin
	return query select null::integer, horizon::text;
	if horizon < since then
		-- A crash gave numbers out again: what came since may be below the mark.
		return query select x.id, horizon::text from grid.street x;
	elsif horizon > since then
		for s in select x.id from grid.street x loop
			perform set_config('linli.street', s::text, true);
			if exists (select from core.event e
				where e.street_id = s and e.xact >= since and e.xact < horizon) then
				return query select s, horizon::text;
			end if;
		end loop;
	end if;
end
$$;
comment on function core.changed_streets(xid8) is
	'First a row without street: the mark for the next call. Then the streets with events that became visible since the mark, or may have.';

create function core.newest_event() returns xid8
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
	set linli.street = '' set linli.role = 'system'
as $$
declare
	newest xid8 := '0';
	x xid8;
	s integer;
begin
	for s in select y.id from grid.street y loop
		perform set_config('linli.street', s::text, true);
		select e.xact into x from core.event e where e.street_id = s order by e.xact desc limit 1;
		if x > newest then
			newest := x;
		end if;
	end loop;
	return newest;
end
$$;
comment on function core.newest_event() is 'The highest number in the feed, of all streets.';

create function core.era_fits() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
return core.newest_event()::text::bigint
	< pg_snapshot_xmax(pg_current_snapshot())::text::bigint + core.era();
comment on function core.era_fits() is
	'False when events are ahead of this cluster: they were restored from another''s dump.';

create function core.era_begin() returns boolean
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
	if core.era_fits() then
		return false;
	end if;
	-- Far enough that no cursor handed out before the loss lies ahead.
	execute format('create or replace function core.era() returns bigint'
		' language sql stable parallel safe return %s::bigint',
		core.newest_event()::text::bigint + 4294967296);
	return true;
end
$$;
comment on function core.era_begin() is
	'After a restore: lets the feed go on above all it had. True when that was due.';

create function core.idem_sweep_all() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	s integer;
	n integer := 0;
begin
	-- 0: what visitors did, who have no street yet
	for s in select 0 union all select x.id from grid.street x order by 1 loop
		perform core.enter_system(s);
		n := n + core.idem_sweep();
	end loop;
	return n;
end
$$;
comment on function core.idem_sweep_all() is 'Job: core.idem_sweep() in every street.';

grant select on core.event_view to linli_app;
grant execute on function core.feed(text, integer), core.horizon(), core.changed_streets(xid8) to linli_app;
grant execute on function core.idem_sweep_all() to linli_job;
grant execute on function core.era(), core.event_xact(), core.event_horizon(), core.era_fits()
	to linli_app, linli_job;
