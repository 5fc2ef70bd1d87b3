-- care: 和事佬, 迎江小法庭. Cases of mediation, known to who mediates, to the
-- parties and to the community, and to nobody else.

create function care.may_see_case(path text, accounts uuid[]) returns boolean
language sql stable parallel safe
return case core.role()
	when 'community' then path ^@ any (core.scopes())
	when 'grid_lead' then core.actor() = any (accounts) and cardinality(core.scopes()) > 0
	when 'resident' then core.actor() = any (accounts)
	else core.role() = 'system' end;
comment on function care.may_see_case(text, uuid[]) is
	'Who knows of a case: the community, and whose account is among accounts: the mediator, the parties and their guardians.';

create table care.mediation (
	street_id integer not null,
	id uuid not null,
	grid_id uuid not null,
	path text collate "C" not null,
	accounts uuid[] not null default '{}',
	kind text not null check (kind in ('neighbour', 'family', 'property', 'money', 'other')),
	title text not null,
	text text not null,
	ticket_id uuid,
	mediator_id uuid,
	mediator_name text,
	state text not null default 'opened' check (state in
		('opened', 'accepted', 'in_session', 'agreed', 'failed', 'follow_up', 'closed', 'withdrawn')),
	agreement text,
	outcome text,
	follow_up_on date,
	follow_up text,
	kept boolean,
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	created_by uuid,
	updated_at timestamptz not null default core.now(),
	closed_at timestamptz,
	primary key (street_id, id),
	constraint mediation_ticket_key unique (street_id, ticket_id),
	foreign key (street_id, grid_id) references grid.grid (street_id, id),
	foreign key (street_id, ticket_id) references ticket.ticket (street_id, id)
);
create index mediation_path on care.mediation (street_id, path, id);
comment on table care.mediation is
	'class: street. 矛盾调解. accounts: the mediator''s, the parties'' and their guardians''. agreement is sealed by the daemon. follow_up_on: when somebody looks whether it holds.';

create table care.party (
	street_id integer not null,
	id uuid not null,
	mediation_id uuid not null,
	path text collate "C" not null,
	accounts uuid[] not null default '{}',
	person_id uuid,
	name text not null check (name ~ '[^[:space:]]'),
	side text not null check (side in ('applicant', 'respondent', 'other')),
	primary key (street_id, id),
	constraint party_once unique (street_id, mediation_id, person_id),
	foreign key (street_id, mediation_id) references care.mediation (street_id, id),
	foreign key (street_id, person_id) references people.person (street_id, id)
);
create index party_mediation on care.party (street_id, mediation_id, id);
create index party_person on care.party (street_id, person_id) where person_id is not null;
comment on table care.party is 'class: street. Who is in a case: a person, or somebody of elsewhere by name.';

create table care.session (
	street_id integer not null,
	id uuid not null,
	mediation_id uuid not null,
	path text collate "C" not null,
	accounts uuid[] not null default '{}',
	held_at timestamptz not null,
	place text,
	note text,
	primary key (street_id, id),
	foreign key (street_id, mediation_id) references care.mediation (street_id, id)
);
create index session_mediation on care.session (street_id, mediation_id, held_at);
comment on table care.session is 'class: street. When the parties sat together; the note is the mediator''s and the community''s.';

alter table care.mediation enable row level security;
alter table care.mediation force row level security;
create policy reach on care.mediation using (street_id = core.street() and care.may_see_case(path, accounts));
alter table care.party enable row level security;
alter table care.party force row level security;
create policy reach on care.party using (street_id = core.street() and care.may_see_case(path, accounts));
alter table care.session enable row level security;
alter table care.session force row level security;
create policy reach on care.session using (street_id = core.street() and care.may_see_case(path, accounts));

---------------------------------------------------------------- the machine
-- Its roles are what somebody is in the case: care.capacities().
insert into core.transition (machine, from_state, action, to_state, roles)
select 'mediation', f, a, coalesce(t, f), r::text[] from (values
	('{opened}', 'accept', 'accepted', '{mediator}'),
	('{opened}', 'decline', 'opened', '{mediator}'),
	('{opened,accepted,in_session}', 'assign', 'opened', '{community}'),
	('{opened,accepted,in_session}', 'add_party', null, '{mediator,community}'),
	('{accepted,in_session}', 'hold', 'in_session', '{mediator}'),
	('{in_session}', 'agree', 'agreed', '{mediator}'),
	('{accepted,in_session}', 'fail', 'failed', '{mediator}'),
	('{agreed,failed,follow_up}', 'follow_up', 'follow_up', '{mediator,community}'),
	('{follow_up}', 'close', 'closed', '{mediator,community}'),
	('{opened,accepted,in_session}', 'withdraw', 'withdrawn', '{party,community}')) x (froms, a, t, r),
	unnest(froms::text[]) f;

create function care.capacities(m care.mediation) returns text[]
language sql stable
return array_remove(array[
	case when core.role() = 'community' and m.path ^@ any (core.scopes()) then 'community' end,
	case when core.actor() = m.mediator_id then 'mediator' end,
	case when core.actor() = any (m.accounts) and core.actor() is distinct from m.mediator_id then 'party' end], null);
comment on function care.capacities(care.mediation) is 'What the caller is in a case: community, mediator, party.';

create function care.case_of(p_id uuid, p_action text) returns care.mediation
language plpgsql
as $$
declare
	m care.mediation;
begin
	select x.* into m from care.mediation x where x.street_id = core.street() and x.id = p_id for update;
	if not found then
		perform core.fail(404, 'not_found');
	elsif not exists (select from core.transition t where t.machine = 'mediation' and t.action = p_action
		and t.roles && care.capacities(m)) then
		perform core.fail(403, 'role_not_allowed');
	elsif not exists (select from core.transition t where t.machine = 'mediation' and t.action = p_action
		and t.from_state = m.state and t.roles && care.capacities(m)) then
		perform core.fail(409, 'wrong_state');
	end if;
	return m;
end
$$;
comment on function care.case_of(uuid, text) is
	'A case in which the caller may do this now, locked. LN404 not_found, LN403 role_not_allowed, LN409 wrong_state.';

create function care.stamp(p_id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	street constant integer := core.street();
	who uuid[];
begin
	select coalesce(array_agg(distinct a order by a), '{}') into who from (
		select m.mediator_id as a from care.mediation m where m.street_id = street and m.id = p_id
		union all
		select unnest(p.accounts) from care.party x join people.person p on p.street_id = x.street_id and p.id = x.person_id
		where x.street_id = street and x.mediation_id = p_id) u where a is not null;
	update care.mediation m set accounts = who where m.street_id = street and m.id = p_id and m.accounts <> who;
	update care.party x set accounts = who where x.street_id = street and x.mediation_id = p_id and x.accounts <> who;
	update care.session x set accounts = who where x.street_id = street and x.mediation_id = p_id and x.accounts <> who;
end
$$;
comment on function care.stamp(uuid) is 'Whose accounts a case concerns now, in all its rows.';

create function care.check_mediator(p_id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	m care.mediation;
	p people.person;
begin
	select x.* into m from care.mediation x where x.street_id = core.street() and x.id = p_id;
	select x.* into p from people.person x where x.street_id = m.street_id and x.account_id = m.mediator_id;
	if exists (select from care.party x join people.person y on y.street_id = x.street_id and y.id = x.person_id
		where x.street_id = m.street_id and x.mediation_id = p_id and y.account_id = m.mediator_id) then
		perform core.fail(409, 'mediator_party');
	elsif exists (select from care.party x join people.person y on y.street_id = x.street_id and y.id = x.person_id
		where x.street_id = m.street_id and x.mediation_id = p_id and (y.household_id = p.household_id
			or exists (select from people.guardianship g where g.street_id = m.street_id and g.to_on is null
				and ((g.person_id = y.id and g.guardian_id = p.id) or (g.person_id = p.id and g.guardian_id = y.id))))) then
		perform core.fail(409, 'mediator_kin');
	end if;
end
$$;
comment on function care.check_mediator(uuid) is
	'A mediator is no party and no kin of one: of the same household, guardian or ward. LN409 mediator_party, mediator_kin.';

create function care.put_party(m care.mediation, b jsonb, p_pointer text) returns void
language plpgsql
as $$
declare
	p people.person;
begin
	if num_nonnulls(b ->> 'person_id', b ->> 'name') <> 1 then
		perform core.fail(422, 'party_unclear', p_pointer);
	elsif b ->> 'person_id' is not null then
		select x.* into p from people.person x where x.street_id = m.street_id and x.id = (b ->> 'person_id')::uuid and x.status = 'active';
		if not found then
			perform core.fail(422, 'person_not_found', p_pointer);
		elsif people.is_under(p.born_on, 18) and not people.approved(p.id) then
			perform core.fail(403, 'approval_required', p_pointer);
		elsif exists (select from care.party x where x.street_id = m.street_id and x.mediation_id = m.id and x.person_id = p.id) then
			perform core.fail(409, 'party_already', p_pointer);
		end if;
	end if;
	insert into care.party (street_id, id, mediation_id, path, accounts, person_id, name, side)
	values (m.street_id, core.new_id(m.street_id), m.id, m.path, m.accounts, p.id, coalesce(p.name, b ->> 'name'), b ->> 'side');
end
$$;
comment on function care.put_party(care.mediation, jsonb, text) is
	'Somebody becomes a party: person_id or name. LN422 party_unclear, person_not_found, LN403 approval_required (a minor), LN409 party_already.';

create function care.add_reporter(m care.mediation, t ticket.ticket) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	p people.person;
begin
	select x.* into p from people.person x where x.street_id = m.street_id and x.account_id = t.owner_id and x.status = 'active';
	if p.id is not null and exists (select from care.party x where x.street_id = m.street_id and x.mediation_id = m.id and x.person_id = p.id) then
		return;
	end if;
	insert into care.party (street_id, id, mediation_id, path, accounts, person_id, name, side)
	select m.street_id, core.new_id(m.street_id), m.id, m.path, m.accounts, p.id, coalesce(p.name, x.contact_name, '诉求人'), 'applicant'
	from ticket.private x where x.street_id = t.street_id and x.ticket_id = t.id;
end
$$;
comment on function care.add_reporter(care.mediation, ticket.ticket) is 'Who reported the dispute is a party of its case.';

create function care.put_mediator(p_id uuid, p_account uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
begin
	if p_account is not null and not exists (select from identity.account_role r where r.account_id = p_account
		and r.street_id = core.street() and r.role in ('resident', 'grid_lead', 'community')
		and r.from_on <= core.today() and (r.to_on is null or r.to_on > core.today())) then
		perform core.fail(422, 'account_unknown', '/mediator_id');
	end if;
	update care.mediation x set mediator_id = p_account, mediator_name = identity.name_of(p_account)
	where x.street_id = core.street() and x.id = p_id;
	perform care.check_mediator(p_id);
	perform care.stamp(p_id);
end
$$;
comment on function care.put_mediator(uuid, uuid) is
	'Somebody of the street mediates a case, or for null nobody yet. LN422 account_unknown and as care.check_mediator().';

create function care.tell_case(m care.mediation, p_action text, p_from text, p_to text) returns void
language plpgsql
as $$
begin
	perform core.put_event('mediation', m.id, p_action, p_from, p_to, core.path_head(m.path, 2), null, false);
end
$$;
comment on function care.tell_case(care.mediation, text, text, text) is
	'The event of a case, which holds nothing of it; at the community, for no lead is to hear of it.';

create function care.open_case(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	m care.mediation;
	t ticket.ticket;
	x record;
begin
	if b ->> 'ticket_id' is not null then
		select y.* into t from ticket.ticket y where y.street_id = core.street() and y.id = (b ->> 'ticket_id')::uuid
			and y.path ^@ any (core.scopes());
		if not found then
			perform core.fail(422, 'target_unknown', '/ticket_id');
		elsif t.kind <> 'dispute' then
			perform core.fail(422, 'not_a_dispute', '/ticket_id');
		end if;
		m.grid_id := t.grid_id;
		m.path := t.path;
	else
		select g.id, g.path into m.grid_id, m.path from care.ground((b ->> 'grid_id')::uuid) g;
	end if;
	m.title := coalesce(b ->> 'title', t.title);
	m.text := coalesce(b ->> 'text', t.description);
	if m.title is null or m.text is null then
		perform core.fail(422, 'case_unclear', case when m.title is null then '/title' else '/text' end);
	end if;
	insert into care.mediation (street_id, id, grid_id, path, accounts, kind, title, text, ticket_id, created_by)
	values (core.street(), p_id, m.grid_id, m.path, array[core.actor()], b ->> 'kind', core.mask_text(m.title),
		core.mask_text(m.text), t.id, core.actor())
	returning * into m;
	for x in select y.party, y.n from jsonb_array_elements(coalesce(nullif(b -> 'parties', 'null'), '[]')) with ordinality y (party, n) loop
		perform care.put_party(m, x.party, '/parties/' || x.n - 1);
	end loop;
	if t.id is not null then
		perform care.add_reporter(m, t);
	end if;
	perform care.put_mediator(p_id, case when core.role() = 'grid_lead' then core.actor() else (b ->> 'mediator_id')::uuid end);
	perform care.tell_case(m, 'open', null, 'opened');
exception when unique_violation then
	perform core.fail(409, 'mediation_open', '/ticket_id');
end
$$;
comment on function care.open_case(uuid, jsonb) is
	'A case, out of a dispute ticket if it names one, whose reporter is then a party. A lead who opens it mediates; else the community says who does. LN422 target_unknown, not_a_dispute, grid_not_found, case_unclear, LN409 mediation_open and as care.put_party(), care.put_mediator().';

create function care.add_party(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	m care.mediation := care.case_of(p_id, 'add_party');
begin
	perform care.put_party(m, b, '');
	perform care.check_mediator(p_id);
	perform care.stamp(p_id);
	perform care.touch_case(m, 'add_party', m.state, '{}');
end
$$;
comment on function care.add_party(uuid, jsonb) is 'Another party. As care.case_of(), care.put_party(), care.check_mediator().';

create function care.touch_case(m care.mediation, p_action text, p_to text, b jsonb) returns void
language plpgsql
as $$
begin
	update care.mediation x set state = p_to, version = x.version + 1, updated_at = core.now(),
		agreement = coalesce(b ->> 'agreement', x.agreement), outcome = coalesce(core.mask_text(b ->> 'reason'), x.outcome),
		follow_up_on = case when b ? 'follow_up_on' then (b ->> 'follow_up_on')::date else x.follow_up_on end,
		follow_up = coalesce(core.mask_text(b ->> 'note'), x.follow_up), kept = coalesce((b ->> 'kept')::boolean, x.kept),
		closed_at = case when p_to in ('closed', 'withdrawn') then core.now() end
	where x.street_id = m.street_id and x.id = m.id;
	perform care.tell_case(m, p_action, case when p_to <> m.state then m.state end, case when p_to <> m.state then p_to end);
end
$$;
comment on function care.touch_case(care.mediation, text, text, jsonb) is 'What an act writes into the case, and its event.';

create function care.act_case(p_id uuid, p_action text, b jsonb default '{}') returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	m care.mediation := care.case_of(p_id, p_action);
	after constant text := (select t.to_state from core.transition t
		where t.machine = 'mediation' and t.from_state = m.state and t.action = p_action);
begin
	if (b ->> 'follow_up_on')::date < core.today() then
		perform core.fail(422, 'date_passed', '/follow_up_on');
	elsif p_action = 'agree' and (select count(*) from care.party x where x.street_id = m.street_id and x.mediation_id = p_id) < 2 then
		perform core.fail(409, 'parties_missing');
	elsif p_action = 'hold' then
		insert into care.session (street_id, id, mediation_id, path, accounts, held_at, place, note)
		values (m.street_id, core.new_id(m.street_id), p_id, m.path, m.accounts, care.moment(b), b ->> 'place', core.mask_text(b ->> 'note'));
		b := b - 'note';
	end if;
	perform care.touch_case(m, p_action, after, b);
	-- Last: who declines may not look afterwards.
	if p_action in ('decline', 'assign') then
		perform care.put_mediator(p_id, (b ->> 'mediator_id')::uuid);
	end if;
end
$$;
comment on function care.act_case(uuid, text, jsonb) is
	'An act of the machine. As care.case_of(); LN409 parties_missing (an agreement of one), LN422 date_passed, date_in_future, as care.put_mediator().';

create function care.cases(p_id uuid, p_state text, p_due text, p_ticket uuid, p_under uuid, p_updated timestamptz,
	p_after uuid, p_most integer)
returns table (id uuid, kind text, title text, text text, state text, grid_id uuid, mediator_id uuid, mediator_name text,
	ticket_id uuid, parties json, sessions json, agreement text, outcome text, follow_up_on date, overdue boolean,
	follow_up text, kept boolean, created_at timestamptz, updated_at timestamptz, closed_at timestamptz, actions json)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set jit = off
as $$
begin
	return query select m.id, m.kind, m.title, case when c.inside then m.text end, m.state, m.grid_id,
		case when c.inside then m.mediator_id end, m.mediator_name,
		case when c.inside then m.ticket_id end,
		(select coalesce(json_agg(json_build_object('id', x.id, 'side', x.side, 'name', x.name,
			'person_id', case when c.inside then x.person_id end) order by x.id), '[]')
			from care.party x where x.street_id = m.street_id and x.mediation_id = m.id),
		(select coalesce(json_agg(json_build_object('id', x.id, 'held_at', x.held_at, 'place', x.place,
			'note', case when c.inside then x.note end) order by x.held_at, x.id), '[]')
			from care.session x where x.street_id = m.street_id and x.mediation_id = m.id),
		m.agreement, case when c.inside then m.outcome end, m.follow_up_on,
		m.state in ('agreed', 'failed', 'follow_up') and m.follow_up_on < core.today(),
		case when c.inside then m.follow_up end, m.kept, m.created_at, m.updated_at, m.closed_at,
		(select coalesce(json_agg(t.action order by t.action), '[]') from core.transition t
			where t.machine = 'mediation' and t.from_state = m.state and t.roles && c.roles)
	from care.mediation m,
	lateral (select k.roles, k.roles && '{community,mediator}' as inside from (select care.capacities(m) as roles) k) c
	where m.street_id = core.street() and (p_id is null or m.id = p_id) and (p_after is null or m.id > p_after)
		and (p_state is null or m.state = p_state) and (p_ticket is null or (m.ticket_id = p_ticket and c.inside))
		and (p_due is null or (m.state in ('agreed', 'failed', 'follow_up')
			and case p_due when 'overdue' then m.follow_up_on < core.today() else m.follow_up_on >= core.today() end))
		and (p_updated is null or m.updated_at > p_updated)
		and (p_under is null or m.path ^@ (select g.path from grid.grid g where g.street_id = m.street_id and g.id = p_under))
	order by m.id limit p_most;
end
$$;
comment on function care.cases(uuid, text, text, uuid, uuid, timestamptz, uuid, integer) is
	'Mediation: one by id, or a page. Parties read the frame and the agreement (still sealed), not what was noted of them.';

create function care.view_case(p_id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
	perform audit.put('view', 'mediation', m.id, null, '{text,agreement}', p_path => m.path)
	from care.mediation m where m.street_id = core.street() and m.id = p_id and core.role() = 'community';
end
$$;
comment on function care.view_case(uuid) is 'Logs that the community looks at a case on purpose.';

---------------------------------------------------------------- following people
create function care.refresh_cases(p_ids uuid[]) returns void
language plpgsql
as $$
begin
	perform care.stamp(x.id) from (select distinct p.mediation_id as id from care.party p
		where p.street_id = core.street() and p.person_id = any (p_ids)) x;
end
$$;
comment on function care.refresh_cases(uuid[]) is 'Cases of these persons concern the accounts these have now. In role system.';

create function care.forget_cases(p people.person, p_alias text) returns void
language plpgsql
as $$
begin
	update care.session s set note = replace(s.note, p.name, p_alias)
	from care.party x where x.street_id = p.street_id and x.person_id = p.id and s.street_id = p.street_id and s.mediation_id = x.mediation_id;
	update care.mediation m set title = replace(m.title, p.name, p_alias), text = replace(m.text, p.name, p_alias),
		outcome = replace(m.outcome, p.name, p_alias), follow_up = replace(m.follow_up, p.name, p_alias)
	from care.party x where x.street_id = p.street_id and x.person_id = p.id and m.street_id = p.street_id and m.id = x.mediation_id;
	update care.party x set name = p_alias where x.street_id = p.street_id and x.person_id = p.id;
end
$$;
comment on function care.forget_cases(people.person, text) is
	'In closed cases the pseudonym stands for a party; the agreement stays as it is, sealed: it is the other party''s too. In role system.';

grant execute on function care.open_case(uuid, jsonb), care.add_party(uuid, jsonb), care.act_case(uuid, text, jsonb), care.view_case(uuid),
	care.cases(uuid, text, text, uuid, uuid, timestamptz, uuid, integer) to linli_app;
