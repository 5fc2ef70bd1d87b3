-- The small machines of people, care and imports: every state × act × person
-- against the table written out here. Those with more to them have a file each.
\ir care_world.psql
-- client, client2: two programs; the import is the first one's.
set local role linli_owner;
select identity.add_account('zt-' || login, login, null) from unnest('{client,client2}'::text[]) login \g /dev/null
insert into identity.account_role (account_id, role, street_id, path)
select a.id, 'client', 60001, '60001/' from identity.account a where a.login ^@ 'zt-client';
insert into identity.client (account_id, street_id, scopes, per_minute, burst)
select a.id, 60001, '{people:import}', 60, 10 from identity.account a where a.login ^@ 'zt-client';
insert into who (login, session_id, account_id, role, street_id, epoch)
select a.login, s.session_id, s.account_id, s.role, s.street_id, s.epoch
from identity.account a, identity.start_session(gen_random_uuid(), a.id, 'client', 60001, 3600, null) s where a.login ^@ 'zt-client';
reset role;

-- not_found: to them it is not there; the rest of the people: role_not_allowed,
-- or whatever the machine says of everybody who sees it (refused).
create temporary table allowed (machine text, act text, persons text[], states text[], becomes text);
insert into allowed values
	('visit_plan', 'end', '{lead,general,community,system}', '{active}', 'ended'),
	('visit_alarm', 'dismiss', '{community}', '{open}', 'dismissed'),
	('door_campaign', 'knock', '{lead,general,next,community}', '{active}', 'active'),
	('door_campaign', 'end', '{community}', '{active}', 'ended'),
	('data_request', 'verify', '{community}', '{filed}', 'identity_verified'),
	('data_request', 'start', '{community}', '{identity_verified}', 'processing'),
	('data_request', 'fulfil', '{community}', '{processing}', 'fulfilled'),
	('data_request', 'refuse', '{community}', '{filed,identity_verified,processing}', 'refused'),
	('data_request', 'release', '{system}', '{restricted}', 'fulfilled'),
	('import', 'read', '{system}', '{reading}', 'checking'),
	('import', 'fail', '{system}', '{reading}', 'failed'),
	('import', 'report', '{system}', '{checking}', 'ready'),
	('import', 'commit', '{community,street,client}', '{ready}', 'committing'),
	('import', 'finish', '{system}', '{committing}', 'done'),
	('import', 'drop', '{community,street,client}', '{reading,checking,ready}', 'dropped'),
	('import', 'expire', '{system}', '{ready}', 'dropped');
create temporary table subject (machine text, act text, states text[], sees text[], refused text, role_first boolean);
insert into subject values
	('visit_plan', 'end', '{active,ended}', '{lead,general,community,street,system}', 'role_not_allowed', true),
	('visit_alarm', 'dismiss', '{open,cleared,dismissed,ended}', '{lead,general,community,system}', 'role_not_allowed', true),
	-- A lead of a part of the ground knocks there, and ends nothing.
	('door_campaign', 'knock', '{active,ended}', '{lead,general,next,community,street,system}', 'role_not_allowed', true),
	('door_campaign', 'end', '{active,ended}', '{general,community,street,system}', 'role_not_allowed', true),
	-- Whose data it is sees it too, and who filed it does not decide it.
	('data_request', null, '{filed,identity_verified,processing,fulfilled,refused,restricted}', '{neighbour,community,system}', 'wrong_state', false),
	('import', null, '{reading,checking,ready,committing,done,dropped,failed}', '{community,street,client,system}', 'wrong_state', false);

create temporary table triple as
select a.machine, a.act, p.person, x.state, case
	when p.person <> all (s.sees) then 'not_found'
	when p.person <> all (a.persons) and s.role_first then s.refused
	when x.state <> all (a.states) then 'wrong_state'
	when p.person <> all (a.persons) then s.refused
	else a.becomes end as want, null::text as got
from allowed a join subject s on s.machine = a.machine and coalesce(s.act, a.act) = a.act,
	unnest('{reporter,neighbour,far,lead,next,general,other,community,community2,street,department,client,client2,system}'::text[]) p (person),
	unnest(s.states) x (state);
-- The door is in the other lead's part.
update triple set want = 'dwelling_not_found' where act = 'knock' and person = 'next' and state = 'active';

-- One of each.
select pg_temp.person('当事人') as person, pg_temp.person('独居') as alone \gset
update people.person set account_id = pg_temp.account('neighbour') where id = :'person';
select pg_temp.as_app('system') \g /dev/null
select people.refresh(array[:'person'::uuid]) \g /dev/null
insert into care.alarm (street_id, id, person_id, path, seen_at) values (60001, pg_temp.u(801), :'alone', '60001/1/1/1/', now());
insert into people.data_request (street_id, id, person_id, path, accounts, kind, filed_by, due_on)
values (60001, pg_temp.u(803), :'person', '60001/1/1/1/', array[pg_temp.account('neighbour')], 'copy', pg_temp.account('reporter'), core.today() + 9);
insert into transfer.import (street_id, id, path, account_id, source, bytes) values (60001, pg_temp.u(804), '60001/1/', pg_temp.account('client'), 'x', 1);
select pg_temp.as_app('community') \g /dev/null
select care.create_plan(pg_temp.u(800), jsonb_build_object('name', 'x', 'grid_id', pg_temp.u(111), 'to_on', core.today() + 9, 'tags', '["party"]'::jsonb)) \g /dev/null
select care.create_campaign(pg_temp.u(802), jsonb_build_object('name', 'x', 'purpose', 'x', 'grid_id', pg_temp.u(11), 'to_on', core.today() + 9)) \g /dev/null
reset role;
create function pg_temp.put(machine text, state text) returns void language plpgsql as $$
begin
	reset role;
	case machine
	when 'visit_plan' then update care.plan x set state = put.state where x.id = pg_temp.u(800);
	when 'visit_alarm' then update care.alarm x set state = put.state where x.id = pg_temp.u(801);
	when 'door_campaign' then update care.campaign x set state = put.state where x.id = pg_temp.u(802);
	when 'data_request' then update people.data_request x set state = put.state, refused_reason = case put.state when 'refused' then 'x' end where x.id = pg_temp.u(803);
	when 'import' then update transfer.import x set state = put.state, problem = case put.state when 'failed' then 'x' end where x.id = pg_temp.u(804);
	end case;
end $$;
create function pg_temp.state(machine text) returns text language sql as
$$select case machine when 'visit_plan' then (select state from care.plan where id = pg_temp.u(800))
	when 'visit_alarm' then (select state from care.alarm where id = pg_temp.u(801))
	when 'door_campaign' then (select state from care.campaign where id = pg_temp.u(802))
	when 'data_request' then (select state from people.data_request where id = pg_temp.u(803))
	when 'import' then (select state from transfer.import where id = pg_temp.u(804)) end$$;
create function pg_temp.attempt(t triple, dwelling uuid) returns text language plpgsql as $$
declare
	became text;
begin
	perform pg_temp.put(t.machine, t.state);
	perform pg_temp.as_app(t.person);
	case
	when t.machine = 'visit_plan' then perform care.end_plan(pg_temp.u(800));
	when t.machine = 'visit_alarm' then perform care.dismiss_alarm(pg_temp.u(801), '住院');
	when t.machine = 'door_campaign' and t.act = 'end' then perform care.end_campaign(pg_temp.u(802));
	when t.machine = 'door_campaign' then perform care.knock(pg_temp.u(802), jsonb_build_object('dwelling_id', dwelling, 'outcome', 'answered'));
	when t.machine = 'data_request' then perform people.act_request(pg_temp.u(803), t.act, case t.act when 'refuse' then '有理由' end);
	-- What only the job does has no function that people could call.
	when t.act in ('commit', 'drop') then perform transfer.act_import(pg_temp.u(804), t.act);
	else
		set local role linli_owner;
		if not exists (select from transfer.import i where i.id = pg_temp.u(804)) then
			perform core.fail(404, 'not_found');
		end if;
		became := transfer.move_import(i, t.act) from transfer.import i where i.id = pg_temp.u(804);
	end case;
	reset role;
	raise exception using errcode = 'ZZ000', message = coalesce(became, pg_temp.state(t.machine));
exception when others then
	if sqlstate !~ '^(LN|ZZ)' then raise; end if;
	return sqlerrm;
end $$;
select p.dwelling_id as dwelling from people.person p where p.id = :'alone' \gset
update triple t set got = pg_temp.attempt(t, :'dwelling');
reset role;
select is((select count(*) from triple), 14 * (2 + 4 + 2 * 2 + 5 * 6 + 7 * 7)::bigint, 'every triple is tried');
select is_empty(format('select person, state, got, want from triple where machine = %L and act = %L and got is distinct from want', machine, act),
	machine || ' ' || act || ': all states and people') from allowed order by machine, act;
select results_eq($$select machine, action, from_state, to_state from core.transition
		where machine in (select machine from allowed) and from_state <> '' order by 1, 2, 3$$,
	$$select machine, act, s, becomes from allowed, unnest(states) s order by 1, 2, 3$$, 'and the machines have no other');
select is_empty($$select t.machine, t.action, t.roles, a.persons from core.transition t join allowed a on a.machine = t.machine and a.act = t.action
	where (select array_agg(r order by r) from unnest(t.roles) r)
		<> (select array_agg(distinct case when p in ('lead', 'general', 'next') then 'grid_lead' else p end) from unnest(a.persons) p)$$, 'nor other roles');

-- How they begin is told by their own stories; who may is in the contract.
select is((select array_agg(machine || ' ' || action || ' ' || to_state || ' ' || roles::text order by machine) from core.transition
	where machine in (select machine from allowed) and from_state = ''),
	array['data_request file filed {resident,community}', 'import upload reading {community,street,client}'], 'what the machines begin with');

-- who filed a request does not decide it
select pg_temp.put('data_request', 'filed') \g /dev/null
update people.data_request set filed_by = pg_temp.account('community') where id = pg_temp.u(803);
select is(pg_temp.try('community', format('select people.act_request(%L, %L)', pg_temp.u(803), 'verify')), 'own_request', 'nobody decides what they filed');

select * from finish(true);
rollback;
