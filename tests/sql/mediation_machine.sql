-- mediation: every state × act × person against the table written out here, and
-- who may mediate.
\ir care_world.psql

create temporary table allowed (act text, persons text[], states text[], becomes text);
insert into allowed values
	('accept', '{mediator}', '{opened}', 'accepted'),
	('decline', '{mediator}', '{opened}', 'opened'),
	('assign', '{community}', '{opened,accepted,in_session}', 'opened'),
	('add_party', '{mediator,community}', '{opened,accepted,in_session}', null),
	('hold', '{mediator}', '{accepted,in_session}', 'in_session'),
	('agree', '{mediator}', '{in_session}', 'agreed'),
	('fail', '{mediator}', '{accepted,in_session}', 'failed'),
	('follow_up', '{mediator,community}', '{agreed,failed,follow_up}', 'follow_up'),
	('close', '{mediator,community}', '{follow_up}', 'closed'),
	('withdraw', '{party,community}', '{opened,accepted,in_session}', 'withdrawn');

-- third mediates; reporter is a party, and so is somebody of elsewhere.
select pg_temp.person('当事人') as side_a, pg_temp.person('调解员本人') as himself \gset
update people.person set account_id = pg_temp.account('reporter') where id = :'side_a';
update people.person set account_id = pg_temp.account('third') where id = :'himself';
select pg_temp.as_app('system') \g /dev/null
select people.refresh(array[:'side_a', :'himself']::uuid[]) \g /dev/null
select pg_temp.as_app('community') \g /dev/null
select care.open_case(pg_temp.u(900), jsonb_build_object('kind', 'neighbour', 'grid_id', pg_temp.u(111), 'title', '滴水', 'text', '空调滴水',
	'mediator_id', pg_temp.account('third'), 'parties', jsonb_build_array(jsonb_build_object('person_id', :'side_a', 'side', 'applicant'),
		jsonb_build_object('name', '楼上住户', 'side', 'respondent')))) \g /dev/null
reset role;

create function pg_temp.who(person text) returns text language sql as
$$select case person when 'mediator' then 'third' when 'party' then 'reporter' else person end$$;
create temporary table triple as
select a.act, p.person, s.state, null::text as want, null::text as got from (select distinct act from allowed) a,
	unnest('{mediator,party,neighbour,lead,next,general,other,community,community2,street,far}'::text[]) p (person),
	unnest('{opened,accepted,in_session,agreed,failed,follow_up,closed,withdrawn}'::text[]) s (state);
update triple t set want = case
	when person not in ('mediator', 'party', 'community') then 'not_found'
	when not exists (select from allowed a where a.act = t.act and t.person = any (a.persons)) then 'role_not_allowed'
	else coalesce((select coalesce(a.becomes, t.state) from allowed a where a.act = t.act and t.state = any (a.states)), 'wrong_state') end;
create function pg_temp.attempt(t triple) returns text language plpgsql as $$
declare
	got text;
begin
	reset role;
	update care.mediation set state = t.state where id = pg_temp.u(900);
	got := pg_temp.try(pg_temp.who(t.person), case t.act
		when 'add_party' then format('select care.add_party(%L, %L)', pg_temp.u(900), '{"name": "物业", "side": "other"}')
		else format('select care.act_case(%L, %L, %L)', pg_temp.u(900), t.act, jsonb_build_object('reason', '有理由', 'agreement', 'x', 'kept', true)
			|| case t.act when 'assign' then jsonb_build_object('mediator_id', pg_temp.account('third')) else '{}' end) end);
	reset role;
	raise exception using errcode = 'ZZ000', message = case got when 'ok' then (select m.state from care.mediation m where m.id = pg_temp.u(900)) else got end;
exception when sqlstate 'ZZ000' then
	return sqlerrm;
end $$;
update triple t set got = pg_temp.attempt(t);
select is((select count(*) from triple), 10 * 11 * 8::bigint, 'every triple is tried');
select is_empty(format('select person, state, got, want from triple where act = %L and got is distinct from want', act), act || ': all states and people')
from (select distinct act from allowed) a order by act;
select results_eq($$select action, from_state, to_state, roles from core.transition where machine = 'mediation' order by 1, 2$$,
	$$select act, s, coalesce(becomes, s), persons from allowed, unnest(states) s order by 1, 2$$, 'and the machine has no other');

-- what a reader is told they may do is that
create function pg_temp.told(person text, state text) returns text language plpgsql as $$
begin
	reset role;
	update care.mediation m set state = told.state where m.id = pg_temp.u(900);
	return pg_temp.see(pg_temp.who(person), format('select actions::text from care.cases(%L, null, null, null, null, null, null, 1)', pg_temp.u(900)));
end $$;
select is(pg_temp.told(p, s), (select coalesce(json_agg(a.act order by a.act), '[]')::text from allowed a where p = any (a.persons) and s = any (a.states)), p || ' when ' || s)
from unnest('{mediator,party,community}'::text[]) p, unnest('{opened,accepted,in_session,agreed,failed,follow_up,closed,withdrawn}'::text[]) s;
select is(pg_temp.told(p, 'opened'), null, p || ' knows of nothing') from unnest('{neighbour,lead,next,general,other,community2,street,far}'::text[]) p;
select is(pg_temp.see(p, format('select count(*) from core.event e where e.subject_id = %L', pg_temp.u(900))), n, p || ' and the feed')
from (values ('lead', '0'), ('general', '0'), ('neighbour', '0'), ('community2', '0'), ('community', '1')) x (p, n);

-- who may mediate
create function pg_temp.open(who text, mediator uuid, more jsonb default '{}') returns text language sql as
$$select pg_temp.try(who, format('select care.open_case(%L, %L)', core.new_id(60001), jsonb_build_object('kind', 'family', 'grid_id', pg_temp.u(111),
	'title', '争执', 'text', '为了停车', 'mediator_id', mediator) || more))$$;
create function pg_temp.with(person uuid) returns jsonb language sql as
$$select jsonb_build_object('parties', jsonb_build_array(jsonb_build_object('person_id', person, 'side', 'respondent')))$$;
select pg_temp.person('同户亲属') as kin, pg_temp.person('被监护人') as ward, pg_temp.person('路人') as stranger \gset
update people.person k set household_id = h.household_id from people.person h where h.id = :'himself' and k.id = :'kin';
insert into people.guardianship (street_id, id, person_id, guardian_id, path, kinship, from_on) values (60001, core.new_id(60001), :'ward', :'himself', '60001/1/1/1/', 'other', '2024-01-01');
select is(pg_temp.open('community', pg_temp.account('third'), pg_temp.with(:'himself')), 'mediator_party', 'no party');
select is(pg_temp.open('community', pg_temp.account('third'), pg_temp.with(:'kin')), 'mediator_kin', 'nobody of the household of one');
select is(pg_temp.open('community', pg_temp.account('third'), pg_temp.with(:'ward')), 'mediator_kin', 'no guardian of one');
select is(pg_temp.open('community', pg_temp.account('third'), pg_temp.with(:'stranger')), 'ok', 'a stranger');
update people.guardianship set person_id = :'himself', guardian_id = :'ward' where person_id = :'ward';
select is(pg_temp.open('community', pg_temp.account('third'), pg_temp.with(:'ward')), 'mediator_kin', 'nor the ward of one');
update people.guardianship set to_on = '2025-01-01' where guardian_id = :'ward';
select is(pg_temp.open('community', pg_temp.account('third'), pg_temp.with(:'ward')), 'ok', 'who was one is none any more');
select is(pg_temp.open('community', pg_temp.account('far')), 'account_unknown', 'nobody of another street');
select is(pg_temp.open('lead', null, pg_temp.with(:'stranger')), 'ok', 'a lead who opens one mediates');
select is((select mediator_id from care.mediation order by created_at desc, id desc limit 1), pg_temp.account('lead'), 'themselves');
update care.mediation set state = 'opened' where id = pg_temp.u(900);
select is(pg_temp.try('community', format('select care.add_party(%L, %L)', pg_temp.u(900), jsonb_build_object('person_id', :'kin', 'side', 'other'))), 'mediator_kin', 'nor one who comes later');
select is(pg_temp.try('community', format('select care.add_party(%L, %L)', pg_temp.u(900), jsonb_build_object('person_id', :'side_a', 'side', 'other'))), 'party_already', 'nobody twice');
select is(pg_temp.try('community', format('select care.add_party(%L, %L)', pg_temp.u(900), '{"side": "other"}')), 'party_unclear', 'nor nobody');
select is(pg_temp.try('community', format('select care.act_case(%L, %L, %L)', pg_temp.u(900), 'assign', jsonb_build_object('mediator_id', pg_temp.account('reporter')))), 'mediator_party', 'nor is one made the mediator');

-- the parties' accounts are those they have now
update people.person set account_id = null where id = :'side_a';
update people.person set account_id = pg_temp.account('fourth') where id = :'stranger';
select pg_temp.as_app('system') \g /dev/null
select people.refresh(array[:'side_a', :'stranger']::uuid[]) \g /dev/null
reset role;
select is(pg_temp.told('reporter', 'opened'), null, 'who is no longer the party sees no longer');
select cmp_ok(pg_temp.see('fourth', 'select count(*) from care.cases(null, null, null, null, null, null, null, 100)')::int, '>', 0, 'who now is does');
select is(people.bound(p), 'open_case', 'a party stays while the case is open') from people.person p where p.id = :'stranger';

select * from finish(true);
rollback;
