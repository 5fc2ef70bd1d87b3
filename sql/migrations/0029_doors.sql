-- care: 敲门行动. Campaigns that knock at every door of some ground, and how far
-- they have come in each grid.

create table care.campaign (
	street_id integer not null,
	id uuid not null,
	grid_id uuid not null,
	path text collate "C" not null,
	name text not null check (name ~ '[^[:space:]]' and length(name) <= 64),
	purpose text,
	from_on date not null,
	to_on date not null,
	state text not null default 'active' check (state in ('active', 'ended')),
	created_at timestamptz not null default core.now(),
	created_by uuid,
	updated_at timestamptz not null default core.now(),
	primary key (street_id, id),
	constraint campaign_dates_check check (to_on > from_on),
	foreign key (street_id, grid_id) references grid.grid (street_id, id)
);
create index campaign_path on care.campaign (street_id, path, id);
comment on table care.campaign is 'class: street. 敲门行动: every dwelling of some ground, from from_on until before to_on.';

create table care.knock (
	street_id integer not null,
	campaign_id uuid not null,
	dwelling_id uuid not null,
	path text collate "C" not null,
	outcome text not null check (outcome in ('answered', 'refused', 'nobody', 'vacant')),
	attempts integer not null default 1,
	note text,
	knocked_at timestamptz not null default core.now(),
	knocked_by uuid,
	knocked_name text,
	primary key (street_id, campaign_id, dwelling_id),
	foreign key (street_id, campaign_id) references care.campaign (street_id, id),
	foreign key (street_id, dwelling_id) references grid.dwelling (street_id, id)
);
create index knock_dwelling on care.knock (street_id, dwelling_id);
comment on table care.knock is 'class: street. How a door was last met in a campaign; one that was answered stays so.';

alter table care.campaign enable row level security;
alter table care.campaign force row level security;
create policy reach on care.campaign using (street_id = core.street() and care.may_see_plan(path));
alter table care.knock enable row level security;
alter table care.knock force row level security;
create policy reach on care.knock using (street_id = core.street() and care.may_see(path, false));

insert into core.transition (machine, from_state, action, to_state, roles) values
	('door_campaign', 'active', 'knock', 'active', '{grid_lead,community}'),
	('door_campaign', 'active', 'end', 'ended', '{community}');

create function care.create_campaign(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	g grid.grid := care.ground((b ->> 'grid_id')::uuid);
	since constant date := coalesce((b ->> 'from_on')::date, core.today());
	ends constant date := (b ->> 'to_on')::date;
begin
	if ends <= since then
		perform core.fail(422, 'dates_invalid', '/to_on');
	elsif ends <= core.today() then
		perform core.fail(422, 'date_passed', '/to_on');
	end if;
	insert into care.campaign (street_id, id, grid_id, path, name, purpose, from_on, to_on, created_by)
	values (core.street(), p_id, g.id, g.path, b ->> 'name', b ->> 'purpose', since, ends, core.actor());
	perform core.put_event('door_campaign', p_id, 'create', null, 'active', g.path, null, false);
end
$$;
comment on function care.create_campaign(uuid, jsonb) is 'A campaign on ground of the caller''s. LN422 grid_not_found, dates_invalid, date_passed.';

create function care.end_campaign(p_id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	c care.campaign;
begin
	select x.* into c from care.campaign x where x.street_id = core.street() and x.id = p_id
		and x.path ^@ any (core.scopes()) for update;
	if not found then
		perform core.fail(404, 'not_found');
	end if;
	perform care.permit('door_campaign', c.state, 'end');
	update care.campaign x set state = 'ended', updated_at = core.now() where x.street_id = c.street_id and x.id = p_id;
	perform core.put_event('door_campaign', p_id, 'end', 'active', 'ended', c.path, null, false);
end
$$;
comment on function care.end_campaign(uuid) is 'A campaign is over before its time. LN404 not_found, LN409 wrong_state.';

create function care.knock(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	c care.campaign;
	d grid.dwelling;
begin
	select x.* into c from care.campaign x where x.street_id = core.street() and x.id = p_id;
	if not found then
		perform core.fail(404, 'not_found');
	end if;
	perform care.permit('door_campaign', c.state, 'knock');
	if core.today() < c.from_on or core.today() >= c.to_on then
		perform core.fail(409, 'wrong_state');
	end if;
	select x.* into d from grid.dwelling x where x.street_id = core.street() and x.id = (b ->> 'dwelling_id')::uuid
		and x.path ^@ c.path and x.path ^@ any (core.scopes());
	if not found then
		perform core.fail(422, 'dwelling_not_found', '/dwelling_id');
	end if;
	insert into care.knock as k (street_id, campaign_id, dwelling_id, path, outcome, note, knocked_at, knocked_by, knocked_name)
	values (c.street_id, p_id, d.id, d.path, b ->> 'outcome', core.mask_text(b ->> 'note'), care.moment(b), core.actor(),
		identity.name_of(core.actor()))
	on conflict on constraint knock_pkey do update set attempts = k.attempts + 1,
		outcome = case when k.outcome = 'answered' then 'answered' else excluded.outcome end,
		note = coalesce(excluded.note, k.note), path = excluded.path, knocked_at = excluded.knocked_at,
		knocked_by = excluded.knocked_by, knocked_name = excluded.knocked_name;
	perform core.put_event('door_campaign', p_id, 'knock', null, null, d.path, null, false,
		json_build_object('dwelling_id', d.id, 'outcome', b ->> 'outcome'));
end
$$;
comment on function care.knock(uuid, jsonb) is
	'Somebody knocked at a door of the caller''s ground. LN404 not_found, LN409 wrong_state (also before and after its days), LN422 dwelling_not_found, date_in_future.';

create function care.doors(p_campaign care.campaign) returns table (place text, dwellings bigint, answered bigint,
	refused bigint, nobody bigint, vacant bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set linli.role = 'system'
as $$
begin
	return query select d.path, count(*), count(*) filter (where k.outcome = 'answered'),
		count(*) filter (where k.outcome = 'refused'), count(*) filter (where k.outcome = 'nobody'),
		count(*) filter (where k.outcome = 'vacant')
	from grid.dwelling d
	left join care.knock k on k.street_id = d.street_id and k.dwelling_id = d.id and k.campaign_id = p_campaign.id
	where d.street_id = p_campaign.street_id and d.path >= p_campaign.path and d.path < core.path_end(p_campaign.path)
	group by d.path;
end
$$;
comment on function care.doors(care.campaign) is 'How far a campaign has come in each grid: figures only, for care.campaigns() which gives the caller their own.';

create function care.campaigns(p_id uuid, p_state text, p_under uuid, p_updated timestamptz, p_after uuid, p_most integer)
returns table (id uuid, name text, purpose text, grid_id uuid, from_on date, to_on date, state text, dwellings bigint,
	answered bigint, refused bigint, nobody bigint, vacant bigint, coverage float8, by_grid json, created_at timestamptz,
	updated_at timestamptz, actions json)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set jit = off
as $$
begin
	return query select c.id, c.name, c.purpose, c.grid_id, c.from_on, c.to_on, c.state, f.dwellings, f.answered, f.refused,
		f.nobody, f.vacant, care.share(f.answered, f.dwellings - f.vacant), f.by_grid, c.created_at, c.updated_at,
		case when c.path ^@ any (core.scopes()) then care.offers('door_campaign', c.state) else
			case when core.role() = 'grid_lead' then '["knock"]'::json else '[]' end end
	from care.campaign c,
	lateral (select coalesce(sum(x.dwellings), 0)::bigint as dwellings, coalesce(sum(x.answered), 0)::bigint as answered,
			coalesce(sum(x.refused), 0)::bigint as refused, coalesce(sum(x.nobody), 0)::bigint as nobody,
			coalesce(sum(x.vacant), 0)::bigint as vacant, coalesce(json_agg(json_build_object('grid_id', g.id, 'name', g.name,
				'dwellings', x.dwellings, 'answered', x.answered, 'refused', x.refused, 'nobody', x.nobody, 'vacant', x.vacant,
				'coverage', care.share(x.answered, x.dwellings - x.vacant)) order by g.path), '[]') as by_grid
		from care.doors(c) x
		join grid.grid g on g.street_id = c.street_id and g.path = x.place
		where x.place ^@ any (core.scopes())) f
	where c.street_id = core.street() and (p_id is null or c.id = p_id) and (p_after is null or c.id > p_after)
		and (p_state is null or c.state = p_state) and (p_updated is null or c.updated_at > p_updated)
		and (p_under is null or c.path ^@ (select g.path from grid.grid g where g.street_id = c.street_id and g.id = p_under))
	order by c.id limit p_most;
end
$$;
comment on function care.campaigns(uuid, text, uuid, timestamptz, uuid, integer) is
	'DoorCampaign: one by id, or a page; coverage of the caller''s ground: doors answered among those where somebody lives.';

create function care.knocks(p_id uuid, p_dwelling uuid, p_outcome text, p_after uuid, p_most integer) returns table (dwelling_id uuid,
	grid_id uuid, address text, outcome text, attempts integer, note text, knocked_at timestamptz, knocked_name text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set jit = off
as $$
begin
	return query select d.id, d.grid_id, people.address_of(d.id), coalesce(k.outcome, 'waiting'), coalesce(k.attempts, 0),
		k.note, k.knocked_at, k.knocked_name
	from care.campaign c
	join grid.dwelling d on d.street_id = c.street_id and d.path ^@ c.path and d.path ^@ any (core.scopes())
	left join care.knock k on k.street_id = c.street_id and k.campaign_id = c.id and k.dwelling_id = d.id
	where c.street_id = core.street() and c.id = p_id and (p_after is null or d.id > p_after)
		and (p_dwelling is null or d.id = p_dwelling) and (p_outcome is null or coalesce(k.outcome, 'waiting') = p_outcome)
	order by d.id limit p_most;
end
$$;
comment on function care.knocks(uuid, uuid, text, uuid, integer) is 'DoorKnock: the doors of the caller''s ground in a campaign, waiting where nobody has knocked.';

create function care.follow_campaigns(p_redraw uuid) returns void
language plpgsql
as $$
declare
	st constant integer := core.street();
	r record;
	goal uuid;
begin
	for r in select c.id as campaign_id, g.id, g.path, h.n from grid.heirs(p_redraw) x
		join care.campaign c on c.street_id = st and c.grid_id = x.grid_id and c.state = 'active'
		left join lateral unnest(x.heirs) with ordinality h (id, n) on true
		left join grid.grid g on g.street_id = st and g.id = h.id
		order by c.id, h.n desc
	loop
		if r.n is null then
			update care.campaign c set state = 'ended', updated_at = core.now() where c.street_id = st and c.id = r.campaign_id;
			perform core.put_event('door_campaign', r.campaign_id, 'end', 'active', 'ended', c.path, null, false)
			from care.campaign c where c.street_id = st and c.id = r.campaign_id;
		elsif r.n = 1 then
			update care.campaign c set grid_id = r.id, path = r.path, updated_at = core.now() where c.street_id = st and c.id = r.campaign_id;
			perform core.put_event('door_campaign', r.campaign_id, 'transfer', null, null, r.path, null, false,
				json_build_object('to_grid_id', r.id));
		else
			insert into care.campaign (street_id, id, grid_id, path, name, purpose, from_on, to_on, created_by)
			select st, core.new_id(st), r.id, r.path, c.name, c.purpose, c.from_on, c.to_on, c.created_by
			from care.campaign c where c.street_id = st and c.id = r.campaign_id returning id into goal;
			update care.knock k set campaign_id = goal where k.street_id = st and k.campaign_id = r.campaign_id and k.path ^@ r.path;
			perform core.put_event('door_campaign', goal, 'create', null, 'active', r.path, null, false);
		end if;
	end loop;
end
$$;
comment on function care.follow_campaigns(uuid) is
	'The campaign of a grid that a redraw closes goes on in each that comes after it, with the doors there. In role system.';

grant select (street_id, id) on care.campaign to linli_app;
grant execute on function care.may_see_plan(text), care.create_campaign(uuid, jsonb), care.end_campaign(uuid),
	care.knock(uuid, jsonb), care.campaigns(uuid, text, uuid, timestamptz, uuid, integer),
	care.knocks(uuid, uuid, text, uuid, integer) to linli_app;
