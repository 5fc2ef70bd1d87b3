-- care: 绿丝带. Who cares for whom, and what is done for them in each season.

create table care.pairing_rule (
	code text primary key,
	name_zh text not null,
	name_en text not null,
	most integer not null check (most > 0)
);
comment on table care.pairing_rule is 'class: reference. Kinds of pairing, and how many one helper may care for.';
insert into care.pairing_rule (code, name_zh, name_en, most) values ('green_ribbon', '绿丝带', 'Green ribbon', 5);

create table care.season (
	code text primary key check (code in ('spring', 'summer', 'autumn', 'winter')),
	month integer not null unique check (month in (3, 6, 9, 12)),
	theme_zh text not null,
	theme_en text not null,
	visits integer not null check (visits between 1 and 30)
);
comment on table care.season is 'class: reference. 四季关爱: the three months from month on, what they are for and how often somebody is visited in them.';
insert into care.season (code, month, theme_zh, theme_en, visits) values
	('spring', 3, '春送健康', 'Spring: health', 1), ('summer', 6, '夏送清凉', 'Summer: relief from the heat', 1),
	('autumn', 9, '秋送关怀', 'Autumn: company', 1), ('winter', 12, '冬送温暖', 'Winter: warmth', 1);

create table care.pairing (
	street_id integer not null,
	id uuid not null,
	path text collate "C" not null,
	kind text not null references care.pairing_rule (code),
	helper_id uuid not null,
	recipient_id uuid not null,
	visits_per_season integer check (visits_per_season between 1 and 30),
	state text not null default 'active' check (state in ('active', 'ended')),
	planned_until date not null,
	ended_at timestamptz,
	ended_reason text,
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	created_by uuid,
	updated_at timestamptz not null default core.now(),
	primary key (street_id, id),
	check (helper_id <> recipient_id),
	check ((state = 'ended') = (ended_at is not null)),
	foreign key (street_id, helper_id) references people.person (street_id, id),
	foreign key (street_id, recipient_id) references people.person (street_id, id)
);
create unique index pairing_live on care.pairing (street_id, helper_id, recipient_id) where state = 'active';
create index pairing_recipient on care.pairing (street_id, recipient_id);
create index pairing_path on care.pairing (street_id, path, id);
create index pairing_season on care.pairing (street_id, planned_until) where state = 'active';
comment on table care.pairing is
	'class: street. 结对: a helper and a recipient, whose path it has. planned_until: up to when the visits of the seasons are planned.';
alter table care.pairing enable row level security;
alter table care.pairing force row level security;
create policy reach on care.pairing using (street_id = core.street() and care.may_see(path, false));
alter table care.visit add foreign key (street_id, pairing_id) references care.pairing (street_id, id);

insert into core.transition (machine, from_state, action, to_state, roles) values
	('pairing', 'active', 'end', 'ended', '{grid_lead,community,system}');

---------------------------------------------------------------- seasons
create function care.season_at(day date) returns table (code text, theme text, visits integer, from_on date, to_on date)
language sql stable
as $$
	select s.code, s.theme_zh, s.visits, f.d, (f.d + interval '3 months')::date
	from (select (date_trunc('month', $1) - make_interval(months => extract(month from $1)::integer % 3))::date as d) f
	join care.season s on s.month = extract(month from f.d)::integer
$$;
comment on function care.season_at(date) is 'The season of a day: from March, June, September or December on.';

create function care.plan_season(p care.pairing) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
declare
	s record;
	v care.visit;
	n integer := 0;
	home uuid;
begin
	select x.* into s from care.season_at(core.today()) x;
	home := (select x.household_id from people.person x where x.street_id = p.street_id and x.id = p.recipient_id);
	-- Spread over what is left of the season, the last on its last day.
	for v in insert into care.visit as x (street_id, id, path, place, household_id, person_id, pairing_id, kind, theme, due_on, created_by)
		select p.street_id, core.new_id(p.street_id), p.path, p.path, home, p.recipient_id, p.id, 'pairing', s.theme,
			s.to_on - 1 - (s.to_on - 1 - core.today()) * (k - i) / k, p.created_by
		from (select coalesce(p.visits_per_season, s.visits) as k) c, generate_series(1, c.k) i returning x.* loop
		perform care.tell(v, 'plan', null, 'planned');
		n := n + 1;
	end loop;
	update care.pairing x set planned_until = s.to_on where x.street_id = p.street_id and x.id = p.id;
	return n;
end
$$;
comment on function care.plan_season(care.pairing) is 'The visits of the season that is now, of one pairing; returns how many.';

create function care.turn_seasons(batch integer) returns integer
language plpgsql
as $$
declare
	today constant date := core.today();
	p care.pairing;
	n integer := 0;
begin
	for p in select x.* from care.pairing x
		where x.street_id = core.street() and x.state = 'active' and x.planned_until <= today
		order by x.planned_until, x.id limit batch for update skip locked loop
		perform care.plan_season(p);
		n := n + 1;
	end loop;
	return n;
end
$$;
comment on function care.turn_seasons(integer) is 'A season has begun: its visits, for at most batch pairings; returns for how many. In role system.';

---------------------------------------------------------------- pairing
create function care.helped(p_helper uuid) returns bigint
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
begin
	return (select count(*) from care.pairing x where x.street_id = core.street() and x.helper_id = p_helper and x.state = 'active');
end
$$;
comment on function care.helped(uuid) is 'How many somebody cares for, wherever they live.';

create function care.pair(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	h people.person;
	r people.person;
	made care.pairing;
	rule care.pairing_rule;
	broken text;
begin
	select x.* into rule from care.pairing_rule x where x.code = coalesce(b ->> 'kind', 'green_ribbon');
	-- The helper's lock makes the count ours.
	select x.* into h from people.person x
	where x.street_id = core.street() and x.id = (b ->> 'helper_id')::uuid and x.status = 'active' for no key update;
	if not found then
		perform core.fail(422, 'person_not_found', '/helper_id');
	end if;
	select x.* into r from people.person x
	where x.street_id = core.street() and x.id = (b ->> 'recipient_id')::uuid and x.status = 'active';
	if not found then
		perform core.fail(422, 'person_not_found', '/recipient_id');
	elsif h.id = r.id then
		perform core.fail(422, 'pairing_self', '/helper_id');
	elsif h.household_id = r.household_id then
		perform core.fail(422, 'pairing_household', '/helper_id');
	elsif h.adult_on > core.today() then
		perform core.fail(422, 'helper_minor', '/helper_id');
	elsif people.is_under(r.born_on, 18) and not people.approved(r.id) then
		perform core.fail(403, 'approval_required', '/recipient_id');
	elsif exists (select from care.pairing x where x.street_id = h.street_id and x.helper_id = h.id
		and x.recipient_id = r.id and x.state = 'active') then
		perform core.fail(409, 'pairing_exists');
	elsif care.helped(h.id) >= rule.most then
		perform core.fail(409, 'helper_full', '/helper_id');
	end if;
	insert into care.pairing (street_id, id, path, kind, helper_id, recipient_id, visits_per_season, planned_until, created_by)
	values (core.street(), p_id, r.path, rule.code, h.id, r.id, (b ->> 'visits_per_season')::integer, core.today(), core.actor())
	returning * into made;
	perform core.put_event('pairing', p_id, 'pair', null, 'active', r.path, null, false);
	perform care.plan_season(made);
end
$$;
comment on function care.pair(uuid, jsonb) is
	'Somebody cares for somebody from now on. LN422 person_not_found, pairing_self, pairing_household, helper_minor, LN403 approval_required (a minor), LN409 pairing_exists, helper_full.';

create function care.end_pairing(p_id uuid, p_reason text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	p care.pairing;
	v care.visit;
begin
	select x.* into p from care.pairing x where x.street_id = core.street() and x.id = p_id for update;
	if not found then
		perform core.fail(404, 'not_found');
	end if;
	perform care.permit('pairing', p.state, 'end');
	update care.pairing x set state = 'ended', ended_at = core.now(), ended_reason = core.mask_text(p_reason),
		version = x.version + 1, updated_at = core.now()
	where x.street_id = p.street_id and x.id = p_id;
	for v in update care.visit x set state = 'cancelled', version = x.version + 1, updated_at = core.now()
		where x.street_id = p.street_id and x.pairing_id = p_id and x.state = any (care.open_states()) returning x.* loop
		perform care.tell(v, 'drop', null, 'cancelled');
	end loop;
	perform core.put_event('pairing', p_id, 'end', 'active', 'ended', p.path, null, false);
end
$$;
comment on function care.end_pairing(uuid, text) is 'A pairing ends with a reason, and its visits with it. LN404 not_found, LN409 wrong_state.';

create function care.recipient(p_pairing uuid) returns uuid
language plpgsql stable
as $$
declare
	who uuid;
begin
	select x.recipient_id into who from care.pairing x
	where x.street_id = core.street() and x.id = p_pairing and x.state = 'active';
	if not found then
		perform core.fail(422, 'pairing_not_found', '/pairing_id');
	end if;
	return who;
end
$$;
comment on function care.recipient(uuid) is 'Who is visited under a live pairing the caller sees. LN422 pairing_not_found.';

create function care.pairings(p_id uuid, p_state text, p_helper uuid, p_recipient uuid, p_under uuid, p_updated timestamptz,
	p_after uuid, p_most integer)
returns table (id uuid, kind text, state text, helper_id uuid, helper_name text, recipient_id uuid, recipient_name text,
	address text, grid_id uuid, visits_per_season integer, visits bigint, next_due_on date, overdue boolean,
	created_at timestamptz, ended_at timestamptz, ended_reason text, updated_at timestamptz, actions json)
language plpgsql security definer set search_path = pg_catalog, pg_temp set jit = off
as $$
begin
	return query select p.id, p.kind, p.state, p.helper_id, people.mask_name((people.somebody(p.helper_id)).name),
		p.recipient_id, s.name, s.address, s.grid_id, p.visits_per_season, f.visits, f.next_due_on, f.next_due_on < core.today(),
		p.created_at, p.ended_at, p.ended_reason, p.updated_at, care.offers('pairing', p.state)
	from (
		select x.* from care.pairing x
		where x.street_id = core.street() and (p_id is null or x.id = p_id) and (p_after is null or x.id > p_after)
			and (p_state is null or x.state = p_state) and (p_helper is null or x.helper_id = p_helper)
			and (p_recipient is null or x.recipient_id = p_recipient) and (p_updated is null or x.updated_at > p_updated)
			and (p_under is null or x.path ^@ (select g.path from grid.grid g where g.street_id = x.street_id and g.id = p_under))
		order by x.id limit p_most) p
	join people.person r on r.street_id = p.street_id and r.id = p.recipient_id
	left join lateral people.show(r) s on true,
	lateral (select count(*) filter (where v.state = 'done') as visits,
			min(v.due_on) filter (where v.state = any (care.open_states())) as next_due_on
		from care.visit v where v.street_id = p.street_id and v.pairing_id = p.id) f
	order by p.id;
end
$$;
comment on function care.pairings(uuid, text, uuid, uuid, uuid, timestamptz, uuid, integer) is
	'Pairing: one by id, or a page. The helper''s name is masked, for they may live on other ground.';

create function care.forget_pairings(p people.person, p_alias text) returns void
language plpgsql
as $$
begin
	perform care.end_pairing(x.id, '') from care.pairing x
	where x.street_id = p.street_id and p.id in (x.helper_id, x.recipient_id) and x.state = 'active';
	update care.pairing x set ended_reason = replace(x.ended_reason, p.name, p_alias)
	where x.street_id = p.street_id and p.id in (x.helper_id, x.recipient_id);
end
$$;
comment on function care.forget_pairings(people.person, text) is 'The pairings of somebody who is to be forgotten end. In role system.';

grant select on care.pairing_rule, care.season to linli_app;
grant execute on function care.pair(uuid, jsonb), care.end_pairing(uuid, text),
	care.pairings(uuid, text, uuid, uuid, uuid, timestamptz, uuid, integer) to linli_app;
