-- audit: who looked at what of whom, and why. Append-only, one hash chain a
-- street; the heads leave the database (jobAuditHeads), so that a chain written
-- anew, or its tail cut off, shows too.
create schema audit;
grant usage on schema audit to linli_app, linli_job;

create table audit.entry (
	street_id integer not null,
	seq bigint not null check (seq > 0),
	at timestamptz not null,
	actor_id uuid,
	actor_role text not null,
	path text collate "C" not null,
	action text not null,
	subject text not null,
	subject_id uuid,
	person_id uuid,
	fields text[] not null,
	reason text,
	data json,
	prev text collate "C" not null,
	hash text collate "C" not null,
	primary key (street_id, seq)
);
create index entry_person on audit.entry (street_id, person_id, seq) where person_id is not null;
create index entry_actor on audit.entry (street_id, actor_id, seq);
comment on table audit.entry is
	'class: street. Accesses in the order of seq, without gaps; hash covers the row and the hash before it. Holds ids, never what was read.';
alter table audit.entry enable row level security;
alter table audit.entry force row level security;
create policy read on audit.entry for select
	using (street_id = core.street() and case core.role()
		when 'street' then true
		when 'system' then true
		when 'community' then path ^@ any (core.scopes())
		else false end);
create policy append on audit.entry for insert
	with check (street_id = core.street());
-- Not even the owner's own functions may rewrite it.
revoke update, delete, truncate on audit.entry from linli_owner;

create table audit.chain (
	street_id integer primary key,
	seq bigint not null,
	hash text collate "C" not null
);
comment on table audit.chain is
	'class: street. The last entry of each street; its row is held from the entry to the commit, so the chain never forks.';
alter table audit.chain enable row level security;
alter table audit.chain force row level security;
create policy street on audit.chain using (street_id = core.street());

create function audit.digest(e audit.entry) returns text
language sql stable strict parallel safe
return encode(sha256(convert_to(json_build_array(e.prev, e.street_id, e.seq,
	(extract(epoch from e.at) * 1000000)::bigint, e.actor_id, e.actor_role, e.path, e.action,
	e.subject, e.subject_id, e.person_id, array_to_json(e.fields), e.reason, e.data::text)::text,
	'UTF8')), 'hex');
comment on function audit.digest(audit.entry) is
	'What the hash of an entry must be: SHA-256 of all its other columns, prev among them, as a JSON array.';

create function audit.put(p_action text, p_subject text, p_subject_id uuid, p_person_id uuid,
	p_fields text[], p_reason text default null, p_data json default null, p_path text default null) returns void
language plpgsql
as $$
declare
	e audit.entry;
begin
	-- The caller's own ground stands in for a subject that has none.
	e.path := coalesce(p_path, (core.scopes())[1], core.street() || '/');
	e.street_id := core.street();
	e.actor_id := core.actor();
	e.actor_role := core.role();
	e.action := p_action;
	e.subject := p_subject;
	e.subject_id := p_subject_id;
	e.person_id := p_person_id;
	e.fields := p_fields;
	e.reason := core.mask_text(p_reason);
	e.data := p_data;
	insert into audit.chain as c (street_id, seq, hash) values (e.street_id, 1, '')
	on conflict on constraint chain_pkey do update set seq = c.seq + 1
	returning seq, hash into e.seq, e.prev;
	-- Under the lock: times never run against the order.
	e.at := core.now() + (clock_timestamp() - now());
	e.hash := audit.digest(e);
	insert into audit.entry select e.*;
	update audit.chain c set hash = e.hash where c.street_id = e.street_id;
end
$$;
comment on function audit.put(text, text, uuid, uuid, text[], text, json, text) is
	'Logs an access in its own transaction: what cannot be logged does not happen. path null = where the caller is at home. For functions owned by linli_owner; holds the street''s chain until commit, so call it last.';

create function audit.verify(p_street integer) returns table (seq bigint, fault text)
language plpgsql
as $$
declare
	last record;
begin
	perform core.enter_system(p_street);
	return query select w.seq, case
			when w.digest <> w.hash then 'altered'
			when w.seq <> w.last + 1 then 'follows a gap: what stood after ' || w.last || ' is deleted'
			else 'does not follow the row before it' end
		from (select x.seq, x.hash, x.prev, audit.digest(x) as digest,
				lag(x.seq, 1, 0::bigint) over o as last, lag(x.hash, 1, '') over o as before
			from audit.entry x where x.street_id = p_street
			window o as (order by x.seq)) w
		where w.digest <> w.hash or w.seq <> w.last + 1 or w.prev <> w.before
		order by w.seq;
	-- One statement, one snapshot: others may be writing.
	select coalesce(max(x.seq), 0) as seq, coalesce((select c.seq from audit.chain c
		where c.street_id = p_street), 0) as counted into last
	from audit.entry x where x.street_id = p_street;
	if last.seq <> last.counted then
		return query select last.seq, 'is the last row, but the chain counts ' || last.counted;
	end if;
end
$$;
comment on function audit.verify(integer) is
	'The faults of a street''s chain, row by row; no row when it is whole. Leaves the system context. For linli_owner.';

create function audit.hold_against(p_heads text) returns table (street_id integer, seq bigint, fault text)
language plpgsql
as $$
declare
	h text[];
	got text;
begin
	for h in select string_to_array(l, ' ') from regexp_split_to_table(p_heads, E'\n') l where l <> '' loop
		perform core.enter_system(h[1]::integer);
		street_id := h[1]::integer;
		seq := h[2]::bigint;
		got := (select e.hash from audit.entry e where e.street_id = h[1]::integer and e.seq = h[2]::bigint);
		fault := case when got is null then 'is missing: its head was kept'
			when got <> h[3] then 'is not the one whose head was kept' end;
		if fault is not null then
			return next;
		end if;
	end loop;
end
$$;
comment on function audit.hold_against(text) is
	'Rows that are not what kept heads ("street seq hash …", a line each) say of them, a cut tail among them. For linli_owner.';

create function audit.heads() returns table (street_id integer, seq bigint, hash text, at bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	s integer;
begin
	for s in select g.id from grid.street g order by g.id loop
		perform core.enter_system(s);
		return query select c.street_id, c.seq, c.hash, extract(epoch from core.now())::bigint
			from audit.chain c where c.street_id = s;
	end loop;
end
$$;
comment on function audit.heads() is 'Job: the head of every chain, to be kept outside the database.';

create view audit.entry_view with (security_invoker = true) as
select e.street_id as _street_id,
	e.seq, e.at, e.actor_id, identity.name_of(e.actor_id) as actor_name, e.actor_role, e.action,
	e.subject, e.subject_id, e.person_id, array_to_json(e.fields) as fields, e.reason, e.data, e.hash
from audit.entry e;
comment on view audit.entry_view is 'class: street. AuditEntry: with the name of who it was.';

grant select on audit.entry, audit.entry_view to linli_app;
grant execute on function audit.heads() to linli_job;
