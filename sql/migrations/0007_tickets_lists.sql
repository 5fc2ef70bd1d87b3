-- ticket: lists, and what the job does.
-- Run by linli_owner, one statement at a time.

---------------------------------------------------------------- lists
-- A cursor is the time and the id of a row, with ':' between (_cursor_by).
create function ticket.cursor_at(cursor text) returns timestamptz
language sql stable strict parallel safe
return left(cursor, -37)::timestamptz;
comment on function ticket.cursor_at(text) is 'The time in a cursor.';

create function ticket.cursor_id(cursor text) returns uuid
language sql immutable strict parallel safe
return right(cursor, 36)::uuid;
comment on function ticket.cursor_id(text) is 'The id in a cursor.';

create function ticket.words(list json) returns text[]
language sql immutable strict parallel safe
return array(select json_array_elements_text(list));
comment on function ticket.words(json) is 'A JSON array of strings as text[]; null stays null.';

create function ticket.reach(p_grid uuid) returns text[]
language plpgsql stable
as $$
declare
	scopes constant text[] := case when core.role() in ('resident', 'street')
		then array[core.street() || '/'] else core.scopes() end;
	top text collate "C";
begin
	if p_grid is null then
		return scopes;
	end if;
	select g.path into top from grid.grid g where g.street_id = core.street() and g.id = p_grid;
	return array(select distinct case when top ^@ s then top else s end
		from unnest(scopes) s where top ^@ s or s ^@ top);
end
$$;
comment on function ticket.reach(uuid) is
	'The subtrees a list runs over: the caller''s scopes (residents and the street: all of it) within a grid, if one is named.';

create function ticket.fits(b_status text, b_kind text, b_category text, b_urgency text,
	b_grams bigint[], b_text text, p_status text[], p_kind text, p_category text,
	p_urgency text, p_grams bigint[], p_terms text[]) returns boolean
language sql stable parallel safe
return (p_status is null or b_status = any (p_status)) and (p_kind is null or b_kind = p_kind)
	and (p_category is null or b_category = p_category)
	and (p_urgency is null or b_urgency = p_urgency)
	and (p_terms is null or (b_grams @> p_grams and ticket.has_terms(b_text, p_terms)));
comment on function ticket.fits(text, text, text, text, bigint[], text, text[], text, text, text, bigint[], text[]) is
	'The filters that need no index of their own; inlined into each list.';

create function ticket.leaves(p_reach text[]) returns text[]
language plpgsql stable
as $$
begin
	if ticket.path_depth(p_reach[1]) < 3 then
		return p_reach;
	end if;
	return array(select unnest(p_reach) union
		select g.path from unnest(p_reach) s
		join grid.grid up on up.street_id = core.street() and up.path = s collate "C"
		join grid.grid g on g.street_id = core.street() and g.parent_id = up.id
		where ticket.path_depth(s) = 3);
end
$$;
comment on function ticket.leaves(text[]) is
	'Subtrees with each general grid replaced by itself and its micro-grids: tickets then lie exactly on the paths below the communities, and an index gives them in order.';

-- Row-level security filters what an index scan meets, so the scan itself must
-- already be the caller's own and in the order wanted. The planner cannot know
-- how few rows a page takes from it and would rather sort: hence the settings.
-- Filters that rarely hold make a walk long; those people use all day (what is
-- open, whose it is, since when, where) have an index.
create function ticket.list_walk(p_leaves text[], p_hi timestamptz, p_hi_id uuid, p_lo timestamptz,
	p_status text[], p_kind text, p_category text, p_urgency text, p_grams bigint[],
	p_terms text[], p_limit integer) returns setof ticket.brief
language plpgsql stable rows 20
set enable_sort = off set enable_bitmapscan = off set enable_seqscan = off
set plan_cache_mode = force_generic_plan set jit = off
as $$
declare
	st constant integer := core.street();
begin
	if p_status <@ ticket.statuses_open() then
		return query select b.* from unnest(p_leaves) s (path), lateral (
			(select (b.brief).* from ticket.listed b
			where ticket.path_depth(s.path) = 1 and b.is_open and b.street_id = st
				and (b.created_at, b.id) < (p_hi, p_hi_id) and b.created_at >= p_lo
				and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
					p_status, p_kind, p_category, p_urgency, p_grams, p_terms)
			order by b.created_at desc, b.id desc limit p_limit)
			union all
			(select (b.brief).* from ticket.listed b
			where ticket.path_depth(s.path) = 2 and b.is_open and b.street_id = st
				and b.community = s.path
				and (b.created_at, b.id) < (p_hi, p_hi_id) and b.created_at >= p_lo
				and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
					p_status, p_kind, p_category, p_urgency, p_grams, p_terms)
			order by b.created_at desc, b.id desc limit p_limit)
			union all
			(select (b.brief).* from ticket.listed b
			where ticket.path_depth(s.path) > 2 and b.is_open and b.street_id = st
				and b.path = s.path
				and (b.created_at, b.id) < (p_hi, p_hi_id) and b.created_at >= p_lo
				and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
					p_status, p_kind, p_category, p_urgency, p_grams, p_terms)
			order by b.created_at desc, b.id desc limit p_limit)) b
		order by b.created_at desc, b.id desc limit p_limit;
	else
		return query select b.* from unnest(p_leaves) s (path), lateral (
			(select (b.brief).* from ticket.listed b
			where ticket.path_depth(s.path) = 1 and b.street_id = st
				and (b.created_at, b.id) < (p_hi, p_hi_id) and b.created_at >= p_lo
				and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
					p_status, p_kind, p_category, p_urgency, p_grams, p_terms)
			order by b.created_at desc, b.id desc limit p_limit)
			union all
			(select (b.brief).* from ticket.listed b
			where ticket.path_depth(s.path) = 2 and b.street_id = st
				and b.community = s.path
				and (b.created_at, b.id) < (p_hi, p_hi_id) and b.created_at >= p_lo
				and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
					p_status, p_kind, p_category, p_urgency, p_grams, p_terms)
			order by b.created_at desc, b.id desc limit p_limit)
			union all
			(select (b.brief).* from ticket.listed b
			where ticket.path_depth(s.path) > 2 and b.street_id = st
				and b.path = s.path
				and (b.created_at, b.id) < (p_hi, p_hi_id) and b.created_at >= p_lo
				and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
					p_status, p_kind, p_category, p_urgency, p_grams, p_terms)
			order by b.created_at desc, b.id desc limit p_limit)) b
		order by b.created_at desc, b.id desc limit p_limit;
	end if;
end
$$;
comment on function ticket.list_walk(text[], timestamptz, uuid, timestamptz, text[], text, text,
	text, bigint[], text[], integer) is
	'The usual part of ticket.list(): newest first below each path.';

create function ticket.list_updated(p_scopes text[], p_updated timestamptz, p_after text, p_status text[],
	p_kind text, p_category text, p_urgency text, p_grams bigint[], p_terms text[], p_mine boolean,
	p_supported boolean, p_from timestamptz, p_to timestamptz, p_limit integer) returns setof ticket.brief
language plpgsql stable rows 20
set enable_sort = off set enable_bitmapscan = off set enable_seqscan = off
set plan_cache_mode = force_generic_plan set jit = off
as $$
declare
	st constant integer := core.street();
	-- Rows after (lo, lo_id), oldest change first.
	lo timestamptz := p_updated;
	lo_id uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
begin
	if ticket.cursor_at(p_after) > lo then
		lo := ticket.cursor_at(p_after);
		lo_id := ticket.cursor_id(p_after);
	end if;
	return query select b.* from unnest(p_scopes) s (path), lateral (
		(select (b.brief).* from ticket.listed b
		where ticket.path_depth(s.path) < 3 and b.street_id = st
			and (b.updated_at, b.id) > (lo, lo_id)
			and (p_from is null or b.created_at >= p_from) and (p_to is null or b.created_at < p_to) and b.path ^@ s.path
			and (p_mine is not true or b.submitted_by = core.actor())
			and (p_supported is not true or exists (select from ticket.supporter x
				where x.street_id = st and x.ticket_id = b.id and x.account_id = core.actor()))
			and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
				p_status, p_kind, p_category, p_urgency, p_grams, p_terms)
		order by b.updated_at, b.id limit p_limit)
		union all
		-- A small grid's are fetched and sorted.
		(select (b.brief).* from (select b.* from ticket.listed b
			where ticket.path_depth(s.path) > 2 and b.street_id = st and b.path = s.path
			offset 0) b
		where (b.updated_at, b.id) > (lo, lo_id)
			and (p_from is null or b.created_at >= p_from) and (p_to is null or b.created_at < p_to)
			and (p_mine is not true or b.submitted_by = core.actor())
			and (p_supported is not true or exists (select from ticket.supporter x
				where x.street_id = st and x.ticket_id = b.id and x.account_id = core.actor()))
			and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
				p_status, p_kind, p_category, p_urgency, p_grams, p_terms)
		order by b.updated_at, b.id limit p_limit)) b
	order by b.updated_at, b.id limit p_limit;
end
$$;
comment on function ticket.list_updated(text[], timestamptz, text, text[], text, text, text, bigint[], text[],
	boolean, boolean, timestamptz, timestamptz, integer) is
	'The part of ticket.list() that follows changes.';

create function ticket.is_rare(p_grams bigint[]) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
begin
	return (select count(*) <= 2000 from (select from ticket.ticket t
		where t.street_id = core.street() and t.grams @> p_grams limit 2001) x);
end
$$;
comment on function ticket.is_rare(bigint[]) is
	'Do few enough tickets of the street hold these pairs to fetch them all. Counts beyond the caller''s scope, since what it counts is the work of the index; it says only yes or no.';

create function ticket.list(p_status text[], p_kind text, p_category text, p_urgency text,
	p_grid uuid, p_mine boolean, p_supported boolean, p_from timestamptz, p_to timestamptz,
	p_updated timestamptz, p_q text, p_after text, p_limit integer) returns setof ticket.brief
language plpgsql stable rows 20
as $$
declare
	st constant integer := core.street();
	leaves constant text[] := ticket.leaves(ticket.reach(p_grid));
	terms text[];
	pairs bigint[] := '{}';
	lo constant timestamptz := coalesce(p_from, '-infinity');
	-- Rows before (hi, hi_id), newest first.
	hi timestamptz := coalesce(p_to, 'infinity');
	hi_id uuid := '00000000-0000-0000-0000-000000000000';
begin
	if p_q is not null then
		terms := nullif(ticket.terms(p_q), '{}');
		pairs := array(select distinct x from unnest(terms) w, unnest(ticket.grams(st, w)) x);
	end if;
	if p_updated is not null then
		return query select * from ticket.list_updated(leaves, p_updated, p_after, p_status,
			p_kind, p_category, p_urgency, pairs, terms, p_mine, p_supported, p_from, p_to, p_limit);
		return;
	end if;
	if ticket.cursor_at(p_after) < hi then
		hi := ticket.cursor_at(p_after);
		hi_id := ticket.cursor_id(p_after);
	end if;
	if p_supported then
		return query select (b.brief).* from ticket.supporter s
			join ticket.listed b on b.street_id = st and b.id = s.ticket_id
			where s.street_id = st and s.account_id = core.actor()
				and (b.created_at, b.id) < (hi, hi_id) and b.created_at >= lo
				and b.path ^@ any (leaves) and (p_mine is not true or b.submitted_by = core.actor())
				and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
					p_status, p_kind, p_category, p_urgency, pairs, terms)
			order by b.created_at desc, b.id desc limit p_limit;
	elsif p_mine then
		return query select (b.brief).* from ticket.listed b
			where b.street_id = st and b.submitted_by = core.actor()
				and (b.created_at, b.id) < (hi, hi_id) and b.created_at >= lo
				and b.path ^@ any (leaves)
				and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
					p_status, p_kind, p_category, p_urgency, pairs, terms)
			order by b.created_at desc, b.id desc limit p_limit;
	elsif p_q ~ '^\s*[A-Za-z]{2,6}-[0-9]{4}-[0-9]{6,9}\s*$' then
		return query select (b.brief).* from ticket.listed b
			where b.street_id = st and b.number = upper(btrim(p_q))
				and (b.created_at, b.id) < (hi, hi_id) and b.created_at >= lo
				and b.path ^@ any (leaves)
				and ticket.fits(b.status, b.kind, b.category, b.urgency, null, null,
					p_status, p_kind, p_category, p_urgency, null, null);
	-- What staff look at all day, each by its own index. For a whole street
	-- that is ticket.list_street().
	elsif p_status is null and terms is null and cardinality(leaves) = 1
		and ticket.path_depth(leaves[1]) > 1 then
		if ticket.path_depth(leaves[1]) = 2 then
			return query select (b.brief).* from ticket.listed b
				where b.street_id = st and b.community = leaves[1]
					and (b.created_at, b.id) < (hi, hi_id) and b.created_at >= lo
					and ticket.fits(b.status, b.kind, b.category, b.urgency, null, null,
						null, p_kind, p_category, p_urgency, null, null)
				order by b.created_at desc, b.id desc limit p_limit;
		else
			return query select (b.brief).* from ticket.listed b
				where b.street_id = st and b.path = leaves[1]
					and (b.created_at, b.id) < (hi, hi_id) and b.created_at >= lo
					and ticket.fits(b.status, b.kind, b.category, b.urgency, null, null,
						null, p_kind, p_category, p_urgency, null, null)
				order by b.created_at desc, b.id desc limit p_limit;
		end if;
	-- A rare word is found by its pairs of characters; a common one is soon
	-- met on the walk, and below a micro-grid the walk is short anyway.
	elsif pairs <> '{}' and ticket.path_depth(leaves[1]) < 3 and ticket.is_rare(pairs) then
		return query select (b.brief).* from (select b.* from ticket.listed b
				where b.street_id = st and b.grams @> pairs offset 0) b
			where (b.created_at, b.id) < (hi, hi_id) and b.created_at >= lo
				and b.path ^@ any (leaves)
				and ticket.fits(b.status, b.kind, b.category, b.urgency, b.grams, b.text,
					p_status, p_kind, p_category, p_urgency, pairs, terms)
			order by b.created_at desc, b.id desc limit p_limit;
	else
		return query select * from ticket.list_walk(leaves, hi, hi_id, lo, p_status, p_kind,
			p_category, p_urgency, pairs, terms, p_limit);
	end if;
end
$$;
comment on function ticket.list(text[], text, text, text, uuid, boolean, boolean, timestamptz,
	timestamptz, timestamptz, text, text, integer) is
	'A page of tickets, newest first, before a cursor; with p_updated those changed since, oldest change first.';

create function ticket.list_street(p_kind text, p_category text, p_urgency text, p_from timestamptz,
	p_to timestamptz, p_after text, p_limit integer) returns setof ticket.brief
language sql stable rows 20
as $$
	-- least() and greatest(), which skip nulls: with coalesce() in it a
	-- condition may not use an index under row-level security.
	select (b.brief).* from ticket.listed b
	where b.street_id = core.street()
		and (b.created_at, b.id) < (least(p_to, ticket.cursor_at(p_after), 'infinity'),
			case when ticket.cursor_at(p_after) < least(p_to, 'infinity') then ticket.cursor_id(p_after)
				else '00000000-0000-0000-0000-000000000000' end)
		and b.created_at >= greatest(p_from, '-infinity')
		and ticket.fits(b.status, b.kind, b.category, b.urgency, null, null,
			null, p_kind, p_category, p_urgency, null, null)
	order by b.created_at desc, b.id desc
	limit p_limit
$$;
comment on function ticket.list_street(text, text, text, timestamptz, timestamptz, text, integer) is
	'What residents and the street look at all day: the newest of the whole street. Inlined, so that a request is one plain scan of one index.';

create function ticket.summary(p_grid uuid, p_kind text, p_category text, p_urgency text,
	p_from timestamptz, p_to timestamptz)
	returns table (total integer, open integer, by_status json, by_grid json)
language plpgsql stable rows 1 set enable_sort = off set jit = off
as $$
declare
	st constant integer := core.street();
begin
	return query with counted as materialized (
		select c.status, core.path_head(c.path, ticket.path_depth(s.path) + 1) as path, sum(c.n) as n
		from (select x as path, core.path_end(x) as path_end from unnest(ticket.reach(p_grid)) x offset 0) s,
		lateral (
			(select t.status, t.path, count(*) as n from ticket.ticket t
			where ticket.path_depth(s.path) = 1 and t.street_id = st
				and (p_from is null or t.created_at >= p_from) and (p_to is null or t.created_at < p_to)
				and (p_kind is null or t.kind = p_kind) and (p_category is null or t.category = p_category)
				and (p_urgency is null or t.urgency = p_urgency)
			group by t.status, t.path)
			union all
			(select t.status, t.path, count(*) from ticket.ticket t
			where ticket.path_depth(s.path) > 1 and t.street_id = st
				and t.path >= s.path and t.path < s.path_end
				and (p_from is null or t.created_at >= p_from) and (p_to is null or t.created_at < p_to)
				and (p_kind is null or t.kind = p_kind) and (p_category is null or t.category = p_category)
				and (p_urgency is null or t.urgency = p_urgency)
			group by t.status, t.path)) c
		group by 1, 2)
	select coalesce(sum(n), 0)::integer,
		coalesce(sum(n) filter (where status = any (ticket.statuses_open())), 0)::integer,
		(select coalesce(json_agg(json_build_object('status', x.status, 'count', x.n)
			order by x.n desc, x.status), '[]')
		from (select c.status, sum(c.n)::integer as n from counted c group by c.status) x),
		(select coalesce(json_agg(json_build_object('grid_id', g.id, 'name', g.name,
			'kind', g.kind, 'count', x.n, 'open', x.open) order by g.path), '[]')
		from (select c.path, sum(c.n)::integer as n, coalesce(sum(c.n)
					filter (where c.status = any (ticket.statuses_open())), 0)::integer as open
			from counted c group by c.path) x
		join grid.grid g on g.street_id = st and g.path = x.path collate "C")
	from counted;
end
$$;
comment on function ticket.summary(uuid, text, text, text, timestamptz, timestamptz) is
	'How many tickets the caller may see, by status and by the next grids down.';

---------------------------------------------------------------- jobs
create function ticket.close_silent(batch integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	s integer;
	t uuid;
	n integer := 0;
begin
	for s in select x.id from grid.street x order by x.id loop
		perform core.enter_system(s);
		for t in select x.id from ticket.ticket x
			where x.street_id = s and x.status = 'replied'
				and x.replied_at <= core.now() - ticket.silence()
			order by x.replied_at limit batch - n for update skip locked
		loop
			perform ticket.act(t, 'close');
			n := n + 1;
		end loop;
		exit when n >= batch;
	end loop;
	return n;
end
$$;
comment on function ticket.close_silent(integer) is
	'Job: closes what was replied and not answered for ticket.silence(), at most batch; returns how many.';

---------------------------------------------------------------- grants
-- Columns the app has no use for (the sealed phone and its index, the cell)
-- are not granted.
grant select on ticket.category, ticket.listed, ticket.stood, ticket.detail to linli_app;
-- A ticket whole: functions take it as a row, and a column that the next
-- version adds must not stop this one.
grant select on ticket.ticket to linli_app;
grant select (street_id, ticket_id, title, description, reply, contact_name,
	contact_phone_mask, on_behalf_note, address, compound_id, building, lon, lat, position, position_gcj02, answers)
	on ticket.private to linli_app;
grant select (street_id, ticket_id, account_id) on ticket.supporter, ticket.thanks to linli_app;
grant select (street_id, ticket_id, stars, resolved, satisfied, text) on ticket.rating to linli_app;
grant select on ticket.comment to linli_app;
grant execute on function core.gcj02_shift(float8, float8), core.wgs84_to_gcj02(float8, float8),
	core.gcj02_to_wgs84(float8, float8), ticket.statuses_open(),
	ticket.path_depth(text), ticket.plain(text), ticket.grams(integer, text), ticket.terms(text),
	ticket.has_terms(text, text[]), ticket.offers(), ticket.bars(ticket.ticket), ticket.supported(uuid),
	ticket.thanked(uuid), ticket.plain_offers(), ticket.standing(ticket.ticket),
	ticket.position_json(float8, float8, text),
	ticket.submit(uuid, jsonb), ticket.edit(uuid, text, jsonb), ticket.act(uuid, text, jsonb),
	ticket.transfer(uuid, jsonb), ticket.add_comment(uuid, uuid, text, boolean, jsonb),
	ticket.contact(uuid), ticket.similar(text, float8, float8, uuid, text, uuid),
	ticket.similar_at(text, float8, float8, text, uuid, text), ticket.similar_to(uuid),
	ticket.cursor_at(text), ticket.cursor_id(text), ticket.words(json),
	ticket.reach(uuid), ticket.leaves(text[]),
	ticket.fits(text, text, text, text, bigint[], text, text[], text, text, text, bigint[], text[]),
	ticket.list(text[], text, text, text, uuid, boolean, boolean, timestamptz, timestamptz,
		timestamptz, text, text, integer), ticket.is_rare(bigint[]),
	ticket.list_street(text, text, text, timestamptz, timestamptz, text, integer),
	ticket.list_walk(text[], timestamptz, uuid, timestamptz, text[], text, text, text, bigint[],
		text[], integer),
	ticket.list_updated(text[], timestamptz, text, text[], text, text, text, bigint[], text[],
		boolean, boolean, timestamptz, timestamptz, integer),
	ticket.summary(uuid, text, text, text, timestamptz, timestamptz) to linli_app;
grant execute on function ticket.close_silent(integer) to linli_job;
