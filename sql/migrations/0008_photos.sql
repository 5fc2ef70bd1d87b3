-- ticket.photo: pictures of tickets and of other things, re-encoded and stored by
-- the daemon under the hash of their content; here is who may reach which.
create table ticket.photo (
	street_id integer not null,
	id uuid not null,
	subject text,
	subject_id uuid,
	ticket_id uuid generated always as (case subject when 'ticket' then subject_id end) stored,
	comment_id uuid,
	uploader_id uuid not null,
	owner_id uuid,
	path text collate "C",
	orgs uuid[],
	is_public boolean not null default false,
	internal boolean not null default false,
	stage text check (stage in ('report', 'resolve', 'reply', 'comment', 'rectify', 'recheck', 'inspect', 'check_in')),
	hash text collate "C" not null check (hash ~ '^[0-9a-f]{64}$'),
	thumb_hash text collate "C" not null check (thumb_hash ~ '^[0-9a-f]{64}$'),
	width integer not null check (width > 0),
	height integer not null check (height > 0),
	bytes integer not null check (bytes > 0),
	created_at timestamptz not null default core.now(),
	attached_at timestamptz,
	primary key (street_id, id),
	check (num_nulls(subject, subject_id, path, stage) in (0, 4)),
	foreign key (street_id, ticket_id) references ticket.ticket (street_id, id),
	foreign key (street_id, comment_id) references ticket.comment (street_id, id)
);
comment on table ticket.photo is
	'class: street. A photo; until it is attached to something only its uploader sees it, and after a day it goes.';
comment on column ticket.photo.subject is 'What it shows: ticket, hazard …';
comment on column ticket.photo.orgs is 'Departments and partners that see it too';
comment on column ticket.photo.internal is 'On an internal comment: between staff';
create index photo_ticket on ticket.photo (street_id, ticket_id, id) where ticket_id is not null;
create index photo_subject on ticket.photo (street_id, subject_id, id) where subject_id is not null;
create index photo_unattached on ticket.photo (street_id, uploader_id, created_at) where subject is null;
create index photo_stale on ticket.photo (street_id, created_at) where subject is null;
create index photo_hash on ticket.photo (street_id, hash);
create index photo_thumb_hash on ticket.photo (street_id, thumb_hash);

alter table ticket.photo enable row level security;
alter table ticket.photo force row level security;
create policy visible on ticket.photo
	using (street_id = core.street() and case
		when subject is null then uploader_id = core.actor() or core.role() = 'system'
		when internal then core.may_see_private(path, null)
		else core.may_see(path, owner_id, is_public) or core.org() = any (orgs) end);

create function ticket.photo_quota() returns integer
language sql immutable parallel safe
return 20;
comment on function ticket.photo_quota() is 'Unattached photos an account may hold.';

create function ticket.add_photo(p_id uuid, p_hash text, p_thumb_hash text,
	p_width integer, p_height integer, p_bytes integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	if (select count(*) from ticket.photo f
		where f.street_id = core.street() and f.uploader_id = core.actor()
			and f.subject is null) >= ticket.photo_quota() then
		perform core.fail(409, 'photo_quota');
	end if;
	insert into ticket.photo (street_id, id, uploader_id, hash, thumb_hash, width, height, bytes)
	values (core.street(), p_id, core.actor(), p_hash, p_thumb_hash, p_width, p_height, p_bytes);
end
$$;
comment on function ticket.add_photo(uuid, text, text, integer, integer, integer) is
	'Records a photo whose bytes are already stored.';

create function ticket.attach(p_ids jsonb, p_subject text, p_subject_id uuid, p_stage text, p_path text,
	p_owner uuid, p_public boolean default false, p_orgs uuid[] default null,
	p_comment uuid default null, p_internal boolean default false) returns integer
language plpgsql
as $$
declare
	x record;
	n integer := 0;
begin
	if jsonb_typeof(p_ids) is distinct from 'array' then
		return 0;
	end if;
	for x in select i.id::uuid, i.n from jsonb_array_elements_text(p_ids) with ordinality i (id, n)
		order by i.id
	loop
		update ticket.photo f set subject = p_subject, subject_id = p_subject_id, comment_id = p_comment,
			stage = p_stage, path = p_path, owner_id = p_owner, orgs = p_orgs, internal = p_internal,
			is_public = p_public and not p_internal, attached_at = core.now()
		where f.street_id = core.street() and f.id = x.id
			and f.subject is null and f.uploader_id = core.actor();
		if not found then
			perform core.fail(422, 'photo_unknown', '/photo_ids/' || x.n - 1);
		end if;
		n := n + 1;
	end loop;
	return n;
end
$$;
comment on function ticket.attach(jsonb, text, uuid, text, text, uuid, boolean, uuid[], uuid, boolean) is
	'Ties the caller''s own unattached photos to something at a path; returns how many. LN422 photo_unknown names the first that is not one.';

create function ticket.attach_photos(p_ticket uuid, p_ids jsonb, p_stage text,
	p_comment uuid default null, p_internal boolean default false) returns void
language plpgsql
as $$
declare
	t ticket.ticket;
	n integer;
begin
	if jsonb_typeof(p_ids) <> 'array' then
		return;
	end if;
	select x.* into t from ticket.ticket x where x.street_id = core.street() and x.id = p_ticket;
	n := ticket.attach(p_ids, 'ticket', p_ticket, p_stage, t.path, t.owner_id, t.is_public,
		null, p_comment, p_internal);
	if n > 0 and not p_internal then
		update ticket.ticket x set photo_count = x.photo_count + n
		where x.street_id = core.street() and x.id = p_ticket;
	end if;
end
$$;
comment on function ticket.attach_photos(uuid, jsonb, text, uuid, boolean) is
	'ticket.attach for a ticket (and comment).';

create view ticket.photo_view with (security_invoker = true) as
select f.street_id as _street_id, f.ticket_id as _ticket_id, f.subject as _subject, f.subject_id as _subject_id, f.hash as _hash,
	f.thumb_hash as _thumb_hash, f.id, f.stage, f.comment_id, f.width, f.height, f.bytes,
	f.uploader_id = core.actor() as mine, f.created_at
from ticket.photo f;
comment on view ticket.photo_view is 'class: street. Photo: what is known of a picture, without its bytes.';

create view ticket.comment_view with (security_invoker = true) as
select c.street_id as _street_id, c.ticket_id as _ticket_id, c.owner_id as _owner_id,
	c.id, c.author_role, coalesce(c.author_id = core.actor(), false) as mine,
	coalesce(c.owner_id = c.author_id and c.author_role = 'resident', false) as by_reporter,
	case when core.role() <> 'resident' or core.actor() in (c.author_id, c.owner_id)
		then c.text else core.mask_text(c.text) end as text,
	c.internal, (select coalesce(json_agg(f.id order by f.id), '[]') from ticket.photo f
		where f.street_id = c.street_id and f.ticket_id = c.ticket_id and f.comment_id = c.id) as photo_ids,
	c.created_at
from ticket.comment c;
comment on view ticket.comment_view is
	'class: street. Comment: phones and ID numbers masked for all but staff, author and reporter.';

create function ticket.unnamed_photos(p_hashes text[]) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	s integer;
	gone text[] := p_hashes;
begin
	-- The same picture may live on in any street.
	for s in select x.id from grid.street x where gone <> '{}' order by x.id loop
		perform core.enter_system(s);
		gone := array(select distinct h from unnest(gone) h
			where not exists (select from ticket.photo f where f.street_id = s and f.hash = h)
				and not exists (select from ticket.photo f where f.street_id = s and f.thumb_hash = h));
	end loop;
	return query select unnest(gone);
end
$$;
comment on function ticket.unnamed_photos(text[]) is
	'Job: which of these hashes no row of any street names.';

create function ticket.drop_photos(batch integer) returns table (hash text)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	s integer;
	gone text[] := '{}';
	more text[];
begin
	for s in select x.id from grid.street x order by x.id loop
		perform core.enter_system(s);
		with d as (
			delete from ticket.photo f
			where f.street_id = s and f.id in (select y.id from ticket.photo y
				where y.street_id = s and y.subject is null
					and y.created_at <= core.now() - interval '24 hours'
				order by y.created_at limit batch for update skip locked)
			returning f.hash, f.thumb_hash)
		select array_agg(h) into more from (select d.hash from d union select d.thumb_hash from d) u (h);
		gone := gone || coalesce(more, '{}');
	end loop;
	return query select ticket.unnamed_photos(gone);
end
$$;
comment on function ticket.drop_photos(integer) is
	'Job: forgets photos nobody attached within a day; returns the hashes no row names any more, whose bytes may go. Bytes stored again meanwhile must stay: delete only files not touched within the hour.';

grant select on ticket.photo, ticket.photo_view, ticket.comment_view to linli_app;
grant execute on function ticket.photo_quota(), ticket.add_photo(uuid, text, text, integer, integer, integer) to linli_app;
grant execute on function ticket.drop_photos(integer), ticket.unnamed_photos(text[]) to linli_job;
