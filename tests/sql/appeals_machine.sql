-- appeals against a verdict and call-backs: every state × act × person against
-- the tables written out here.
\ir tickets_world.psql

-- ------------------------------------------------------------------- appeals
-- unheard: nobody has said yet what they think of it; '': somebody has.
create temporary table allowed (act text, persons text[], states text[], becomes text);
insert into allowed values
	('appeal', '{community}', '{""}', 'filed'),
	('uphold', '{street}', '{filed}', 'upheld'),
	('refuse', '{street}', '{filed}', 'refused');
create temporary table triple as
select a.act, p.person, s.state, null::text as want, null::text as got from allowed a,
	unnest('{reporter,neighbour,far,lead,general,next,other,community,community2,street,department}'::text[]) p (person),
	unnest('{unheard,"",filed,upheld,refused}'::text[]) s (state);
update triple t set want = (select case
	-- whose ground it is not on; whoever reported it knows of it, but not of an appeal
	when t.person in ('far', 'next', 'other', 'community2', 'department', 'neighbour') then 'not_found'
	when t.person = 'reporter' then case t.act when 'appeal' then 'role_not_allowed' else 'not_found' end
	when t.act = 'appeal' and t.person <> all (a.persons) then 'role_not_allowed'
	when t.act = 'appeal' and t.state = 'unheard' then 'nothing_to_appeal'
	when t.act = 'appeal' and t.state <> all (a.states) then 'appeal_exists'
	when t.state in ('unheard', '') and t.act <> 'appeal' then 'not_found'
	when t.state <> all (a.states) then 'wrong_state'
	when t.person <> all (a.persons) then 'role_not_allowed'
	else a.becomes end from allowed a where a.act = t.act);

select pg_temp.submit('reporter', '{"public": false}') as ticket, pg_temp.submit('reporter', '{"public": false}') as silent \gset
select pg_temp.drive(:'ticket', 'accept start resolve reply rate') is null, pg_temp.drive(:'silent', 'accept start resolve reply') is null \g /dev/null
create function pg_temp.put(ticket uuid, p_state text) returns void language plpgsql as $$
begin
	perform pg_temp.as_app('system');
	delete from rate.appeal;
	insert into rate.appeal (street_id, ticket_id, path, state, reason, filed_by, decided_at)
	select 60001, put.ticket, '60001/1/1/1/', p_state, '有理由', pg_temp.account('community'), case p_state when 'filed' then null else now() end
	where p_state not in ('unheard', '');
	reset role;
end $$;
create function pg_temp.try(t triple, rated uuid, silent uuid) returns text language plpgsql as $$
declare
	x constant uuid := case t.state when 'unheard' then silent else rated end;
begin
	perform pg_temp.put(x, t.state);
	perform pg_temp.as_app(t.person);
	if t.act = 'appeal' then
		perform rate.appeal(x, '不公');
	else
		perform rate.decide(x, t.act, '查过了');
	end if;
	reset role;
	raise exception using errcode = 'ZZ000', message = (select a.state from rate.appeal a where a.ticket_id = x);
exception when others then
	if sqlstate !~ '^(LN|ZZ)' then raise; end if;
	return sqlerrm;
end $$;
update triple t set got = pg_temp.try(t, :'ticket', :'silent');
select is((select count(*) from triple), 3 * 11 * 5::bigint, 'every triple of an appeal is tried');
select is_empty(format('select person, state, got, want from triple where act = %L and got is distinct from want', act), act || ': all states and people')
from allowed order by act;
select results_eq($$select action, from_state, to_state, roles from core.transition where machine = 'appeal' order by 1, 2$$,
	$$select act, s, becomes, persons from allowed, unnest(states) s order by 1, 2$$, 'and the machine has no other');

-- what a reader is told they may do is that, and who is not told knows of none
create function pg_temp.told(person text, ticket uuid, state text) returns text language plpgsql as $$
begin
	perform pg_temp.put(ticket, state);
	return pg_temp.see(person, 'select actions::text from rate.appeal_view');
end $$;
select is(pg_temp.told(p, :'ticket', s), case when p in ('lead', 'general', 'community', 'street') then
	(select coalesce(json_agg(a.act order by a.act), '[]')::text from allowed a where p = any (a.persons) and s = any (a.states)) end, p || ' when ' || s)
from unnest('{reporter,neighbour,far,lead,general,next,other,community,community2,street,department}'::text[]) p, unnest('{filed,upheld,refused}'::text[]) s;
select pg_temp.put(:'ticket', '') \g /dev/null

-- ------------------------------------------------------------------- call-backs
-- In replied and closed, as long as nobody has got a verdict since the reply; by
-- the community, but not by who did the work. failed: somebody called in vain.
create temporary table called as
select p.person, s.status, h.heard, r.reached, null::text as want, null::text as got from
	unnest('{reporter,neighbour,far,lead,general,next,other,community,community2,street,department}'::text[]) p (person),
	unnest('{submitted,accepted,in_progress,escalated_community,called,dispatched,reported_in,suspended,resolved,replied,closed,reopened,rejected,withdrawn,merged}'::text[]) s (status),
	unnest('{nothing,failed,reached,before,rated,own_work}'::text[]) h (heard), unnest('{f,t}'::boolean[]) r (reached);
update called set want = case
	when person in ('far', 'next', 'other', 'community2', 'department', 'neighbour') then 'not_found'
	when person <> 'community' then 'role_not_allowed'
	when status not in ('replied', 'closed') then 'wrong_state'
	when heard in ('reached', 'rated') then 'verdict_given'
	when heard = 'own_work' then 'handler_cannot_rate'
	else 'ok' end;
create function pg_temp.try(c called, ticket uuid) returns text language plpgsql as $$
begin
	perform pg_temp.as_app('system');
	update ticket.ticket t set status = c.status where t.id = ticket;
	insert into rate.callback (street_id, id, ticket_id, path, account_id, reached, resolved, satisfied, created_at)
	select 60001, core.new_id(60001), ticket, '60001/1/1/1/', pg_temp.account('community'), c.heard <> 'failed', case when c.heard <> 'failed' then true end,
		case when c.heard <> 'failed' then true end, t.replied_at + case c.heard when 'before' then interval '-1 second' else interval '1 second' end
	from ticket.ticket t where t.id = ticket and c.heard in ('failed', 'reached', 'before');
	insert into ticket.rating (street_id, ticket_id, path, is_public, stars, resolved, satisfied, account_id)
	select 60001, ticket, '60001/1/1/1/', false, 5, true, true, pg_temp.account('reporter') where c.heard = 'rated';
	if c.heard = 'own_work' then
		perform pg_temp.as_app('community');
		set local role linli_owner;
		perform core.put_event('ticket', ticket, 'resolve', 'in_progress', 'resolved', '60001/1/1/1/', null, false);
	end if;
	perform pg_temp.as_app(c.person);
	perform rate.call_back(core.new_id(60001), ticket, case when c.reached then '{"reached": true, "resolved": true, "satisfied": false}'
		else '{"reached": false}' end::jsonb);
	reset role;
	raise exception using errcode = 'ZZ000', message = 'ok';
exception when others then
	if sqlstate !~ '^(LN|ZZ)' then raise; end if;
	return sqlerrm;
end $$;
update called c set got = pg_temp.try(c, :'silent');
select is((select count(*) from called), 11 * 15 * 6 * 2::bigint, 'every call is tried');
select is_empty(format('select person, heard, reached, got, want from called where status = %L and got is distinct from want', s), 'calls when ' || s)
from (select distinct status as s from called) x order by s;

select * from finish(true);
rollback;
