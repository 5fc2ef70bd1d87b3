-- What the operator needs: a feed that survives a restore into another
-- cluster, and how far the jobs are behind.
--
-- Events are ordered by transaction number, which belongs to a cluster: those
-- of a restored dump may be ahead of all the new one gives out for years, and
-- would be invisible for so long. So numbers count from the begin of an era.
-- It is a constant in a function's body: reading it costs nothing.

create function core.era() returns bigint
language sql stable parallel safe
return 0;
comment on function core.era() is
	'What is added to this cluster''s transaction numbers; core.era_begin() writes it anew.';

create function core.event_xact() returns xid8
language sql volatile
return (pg_current_xact_id()::text::bigint + core.era())::text::xid8;
comment on function core.event_xact() is 'The number of this transaction in the feed.';

create function core.event_horizon() returns xid8
language sql stable
return (pg_snapshot_xmin(pg_current_snapshot())::text::bigint + core.era())::text::xid8;
comment on function core.event_horizon() is 'All below it in the feed is settled.';

alter table core.event alter column xact set default core.event_xact();
comment on table core.event is
	'class: street. Append-only: every state change, one row, in its transaction. Feeds order by (xact, id) and deliver only xact < core.event_horizon().';

create or replace function core.feed(p_after text, p_limit integer) returns setof core.event_view
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
	return query select v.* from core.event_view v
		where v._street_id = st and (v._xact, v.id) > (x, i) and v._xact < horizon
		order by v._xact, v.id limit p_limit;
end
$$;

-- Not the horizon itself: numbers above the last commit may be given out again
-- after a crash, and an event with such a one would stand before the cursor.
create or replace function core.horizon() returns text
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

create or replace function core.changed_streets(since xid8) returns table (street_id integer, mark text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
	set linli.street = '' set linli.role = 'system'
as $$
declare
	horizon constant xid8 := core.event_horizon();
	s integer;
begin
	return query select null::integer, horizon::text;
	if horizon > since then
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

create function core.backlog() returns table (queue text, waiting bigint, overdue float8)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	s integer;
	n bigint;
	oldest timestamptz;
	sums bigint[] := '{0,0,0}';
	late float8[] := '{0,0,0}';
begin
	for s in select x.id from grid.street x loop
		perform core.enter_system(s);
		select count(*), min(f.created_at) + interval '24 hours' into n, oldest from ticket.photo f
			where f.street_id = s and f.ticket_id is null;
		sums[1] := sums[1] + n;
		late[1] := greatest(late[1], extract(epoch from core.now() - oldest));
		select count(*), min(t.replied_at) + ticket.silence() into n, oldest from ticket.ticket t
			where t.street_id = s and t.status = 'replied'
				and t.replied_at <= core.now() - ticket.silence();
		sums[2] := sums[2] + n;
		late[2] := greatest(late[2], extract(epoch from core.now() - oldest));
		select min(i.created_at) + interval '24 hours' into oldest from core.idempotency i
			where i.street_id = s;
		late[3] := greatest(late[3], extract(epoch from core.now() - oldest));
	end loop;
	return query select 'photos_unattached'::text, sums[1], late[1]
		union all select 'tickets_silent', sums[2], late[2]
		union all select 'idempotency_keys', (late[3] > 0)::integer::bigint, late[3];
end
$$;
comment on function core.backlog() is
	'What waits for a job in all streets, and for how many seconds the oldest is overdue: photos without a ticket, tickets whose reporter stays silent, dead keys (whether there are any).';

grant execute on function core.era(), core.event_xact(), core.event_horizon(), core.era_fits()
	to linli_app, linli_job;
grant execute on function core.backlog() to linli_job;
