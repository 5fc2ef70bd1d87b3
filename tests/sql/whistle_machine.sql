-- whistle: every state of a part × act × person against a table written by
-- hand, and what an act on a part makes of its ticket.
\ir tickets_world.psql

create temporary table allowed (act text, persons text[], states text[], becomes text, own text);
insert into allowed values
	('report_in', '{department}', '{dispatched}', 'reported_in'),
	('start', '{department}', '{reported_in}', 'in_progress'),
	('finish', '{department}', '{in_progress}', 'done'),
	('return', '{department}', '{dispatched}', 'returned'),
	('uphold', '{street}', '{return_asked}', 'returned'),
	('refuse', '{street}', '{return_asked}', 'dispatched'),
	('evaluate', '{community}', '{done}', 'done');
-- Acts the street has too, on its own part only.
update allowed set own = 'street' where act in ('report_in', 'start', 'finish');

create temporary table triple as
select a.act, p.person, s.state, o.own
from (select distinct act from allowed) a,
	unnest('{reporter,lead,next,community,community2,street,department,water,system}'::text[]) p (person),
	unnest('{dispatched,return_asked,reported_in,in_progress,done,returned,cancelled}'::text[]) s (state),
	unnest('{f,t}'::boolean[]) o (own);
alter table triple add want text, add got text;
update triple t set want = (select case
	-- whose part it is not, to them it is not there
	when t.person in ('reporter', 'next', 'community2', 'water') or t.own and t.person = 'department' then 'gone'
	when t.person <> all (a.persons) and t.person is distinct from a.own then 'role_not_allowed'
	when t.state <> all (a.states) then 'wrong_state'
	when a.own = t.person and not t.own then 'not_your_part'
	else a.becomes end from allowed a where a.act = t.act);

select pg_temp.submit('reporter') as target \gset
select pg_temp.drive(:'target', 'accept escalate call') is null as driven \gset
create function pg_temp.part(ticket uuid, p_own boolean) returns uuid language plpgsql as $$
declare
	x uuid;
begin
	perform pg_temp.as_app('street');
	perform ticket.act(ticket, 'dispatch', case when p_own then '{"own_staff": true}'
		else jsonb_build_object('org_id', pg_temp.u(951)) end);
	reset role;
	select d.id into x from ticket.dispatch d where d.ticket_id = ticket;
	return x;
end $$;
create function pg_temp.try(t triple, ticket uuid) returns text language plpgsql as $$
declare
	x uuid;
begin
	-- Within the block, so that it is undone with it.
	x := pg_temp.part(ticket, t.own);
	reset role;
	update ticket.dispatch d set status = t.state where d.id = x;
	perform pg_temp.as_app(t.person);
	if not ticket.act_part(x, t.act, '{"note": "到场处置", "reason": "不属本单位", "stars": 4}') then
		reset role;
		raise exception using errcode = 'ZZ000', message = 'gone';
	end if;
	reset role;
	raise exception using errcode = 'ZZ000', message = (select d.status from ticket.dispatch d where d.id = x);
exception
	when sqlstate 'ZZ000' then return sqlerrm;
	when sqlstate 'LN403' or sqlstate 'LN409' or sqlstate 'LN422' then return sqlerrm;
end $$;
reset role;
update triple t set got = pg_temp.try(t, :'target');
reset role;
select is((select count(*) from triple), (7 * 9 * 7 * 2)::bigint, 'every triple is tried');
select results_eq(format('select person, state, own, got from triple where act = %L order by 1, 2, 3', act),
	format('select person, state, own, want from triple where act = %L order by 1, 2, 3', act),
	act || ': all states and people') from allowed order by act;

-- what a reader is told is what they then may do
create function pg_temp.told(t triple, ticket uuid) returns boolean language plpgsql as $$
declare
	x uuid;
	seen boolean;
begin
	-- Within the block, so that it is undone with it.
	x := pg_temp.part(ticket, t.own);
	update ticket.dispatch d set status = t.state where d.id = x;
	perform pg_temp.as_app(t.person);
	select d.actions::jsonb ? t.act into seen from ticket.dispatch_view d where d._street_id = 60001 and d.id = x;
	reset role;
	raise exception using errcode = 'ZZ000', message = coalesce(seen, false);
exception when sqlstate 'ZZ000' then return sqlerrm::boolean;
end $$;
select is_empty(format('select act, person, state, own from triple t where person <> ''system'''
	' and pg_temp.told(t, %L) <> (want !~ ''^(gone|role_not_allowed|wrong_state|not_your_part)$'')', :'target'),
	'actions lists exactly what is allowed');

-- while the ticket stands still, so do its parts
create function pg_temp.try_at(ticket uuid, p_status text) returns text language plpgsql as $$
declare
	x uuid;
begin
	-- Within the block, so that it is undone with it.
	x := pg_temp.part(ticket, false);
	update ticket.ticket t set status = p_status where t.id = ticket;
	perform pg_temp.as_app('department');
	perform ticket.act_part(x, 'report_in');
	reset role;
	raise exception using errcode = 'ZZ000', message = pg_temp.status(ticket);
exception
	when sqlstate 'ZZ000' then return sqlerrm;
	when sqlstate 'LN409' then return sqlerrm;
end $$;
select is(pg_temp.try_at(:'target', s), case s when 'dispatched' then 'reported_in' when 'reported_in' then s
	when 'in_progress' then s else 'wrong_state' end, 'report_in, the ticket ' || s)
from unnest('{submitted,accepted,in_progress,escalated_community,called,dispatched,reported_in,suspended,resolved,replied,closed,reopened,rejected,withdrawn,merged}'::text[]) s;
reset role;

-- a department's few events are found among the street's many
select pg_temp.as_app('system') \g /dev/null
insert into core.event (street_id, id, xact, subject, subject_id, action, actor_role, path, org_id)
select 60001, core.new_id(60001), (1 + i % 100)::text::xid8, case i % 5000 when 0 then 'dispatch' else 'ticket' end, pg_temp.u(1), 'x', 'street', '60001/1/',
	case i % 5000 when 0 then pg_temp.u(951) when 1 then pg_temp.u(952) end from generate_series(1, 20000) i;
reset role;
analyze core.event;
create function pg_temp.fetched() returns bigint language sql as
$$select pg_stat_get_xact_tuples_returned('core.event'::regclass) + sum(pg_stat_get_xact_tuples_fetched(indexrelid))::bigint
	from pg_index where indrelid = 'core.event'::regclass$$;
create function pg_temp.fed(person text) returns text language plpgsql as $$
declare
	before bigint;
	n bigint;
begin
	perform pg_temp.as_app(person);
	for i in 1..2 loop
		reset role;
		before := pg_temp.fetched();
		perform pg_temp.as_app(person);
		select count(*) into n from core.feed(null, 20);
		reset role;
	end loop;
	return n || case when pg_temp.fetched() - before <= 50 then ' by index' else ' among ' || pg_temp.fetched() - before end;
end $$;
select is(pg_temp.fed(p), '4 by index', p || ' follows its own') from unnest('{department,water}'::text[]) p;

select * from finish(true);
rollback;
