-- tickets: every state × act × person against the table of domain.md, written
-- out by hand below, not read from core.transition.
\ir tickets_world.psql

create temporary table allowed (act text, persons text[], states text[], becomes text);
insert into allowed values
	('accept', '{lead}', '{submitted,reopened}', 'accepted'),
	('reject', '{lead,community}', '{submitted}', 'rejected'),
	('transfer', '{lead,community}', '{submitted}', 'submitted'),
	('merge', '{community}', '{submitted}', 'merged'),
	('start', '{lead}', '{accepted}', 'in_progress'),
	('start', '{community}', '{escalated_community}', 'in_progress'),
	('escalate', '{lead}', '{accepted,in_progress}', 'escalated_community'),
	('call', '{community}', '{escalated_community}', 'called'),
	('dispatch', '{street}', '{called}', 'dispatched'),
	('dispatch', '{street}', '{dispatched,reported_in,in_progress}', null),
	('suspend', '{community}', '{in_progress}', 'suspended'),
	('resume', '{community}', '{suspended}', 'in_progress'),
	('resolve', '{lead,community}', '{in_progress}', 'resolved'),
	('send_back', '{community}', '{resolved}', 'in_progress'),
	('reply', '{community}', '{resolved}', 'replied'),
	('rate', '{reporter}', '{replied}', 'closed'),
	('reopen', '{reporter}', '{replied}', 'reopened'),
	('withdraw', '{reporter}', '{submitted,accepted,in_progress,escalated_community,called,dispatched,reported_in,suspended,reopened}', 'withdrawn'),
	('close', '{system}', '{replied}', 'closed'),
	('support', '{neighbour}', '{submitted,accepted,in_progress,escalated_community,called,dispatched,reported_in,suspended,reopened}', null),
	('unsupport', '{neighbour}', '{submitted,accepted,in_progress,escalated_community,called,dispatched,reported_in,suspended,reopened}', null),
	('thank', '{reporter,neighbour}', '{resolved,replied,closed}', null),
	('overdue', '{system}', '{submitted,reopened}', 'escalated_community'),
	('urge', '{reporter}', '{submitted,accepted,in_progress,escalated_community,called,dispatched,reported_in,resolved,reopened}', null),
	('supervise', '{street}', '{submitted,accepted,in_progress,escalated_community,called,dispatched,reported_in,suspended,resolved,reopened}', null),
	('edit', '{reporter}', '{submitted}', null),
	('comment', '{reporter,neighbour,lead,community,street}', '{submitted,accepted,in_progress,escalated_community,called,dispatched,reported_in,suspended,resolved,replied,closed,reopened,rejected,withdrawn,merged}', null),
	('contact', '{lead,community}', '{submitted,accepted,in_progress,escalated_community,called,dispatched,reported_in,suspended,resolved,replied,closed,reopened,rejected,withdrawn,merged}', null);

create temporary table triple as
select a.act, p.person, s.state, case p.person when 'reporter' then 'resident'
	when 'neighbour' then 'resident' else p.person end as role
from (select distinct act from allowed) a,
	unnest('{reporter,neighbour,lead,community,street,department,system}'::text[]) p (person),
	unnest('{submitted,accepted,in_progress,escalated_community,called,dispatched,reported_in,suspended,resolved,replied,closed,reopened,rejected,withdrawn,merged}'::text[]) s (state);
-- Beside the machine the system has no business.
delete from triple where person in ('system', 'department') and act in ('edit', 'comment', 'contact');
alter table triple add want text, add got text;
update triple t set want = coalesce(
	(select coalesce(a.becomes, t.state) from allowed a
		where a.act = t.act and t.person = any (a.persons) and t.state = any (a.states)),
	case
	-- no ticket is a department's to see: it acts on its part
	when t.role = 'department' then 'gone'
	-- the role has nothing to do with this act
	when not exists (select from allowed a, unnest(a.persons) p where a.act = t.act
		and t.role = case when p in ('reporter', 'neighbour') then 'resident' else p end) then 'role_not_allowed'
	-- a department's turn, by its part
	when t.act = 'start' and t.state = 'reported_in' then 'role_not_allowed'
	-- nobody may do it now
	when not exists (select from allowed a where a.act = t.act and t.state = any (a.states)) then
		case when t.act = 'accept' and t.state = 'accepted' then 'already_accepted' else 'wrong_state' end
	-- others may
	when t.role <> 'resident' then 'role_not_allowed'
	when t.act = 'support' then 'own_ticket'
	when t.act = 'unsupport' then 'not_supported'
	else 'not_reporter' end);

select pg_temp.submit('reporter') as target \gset
create function pg_temp.try(t triple, target uuid) returns text language plpgsql as $$
declare
	x uuid;
	args jsonb := jsonb_build_object('reason', '有理由', 'note', '已处理', 'text', '回复', 'stars', 5,
		'resolved', true, 'satisfied', true, 'grid_id', pg_temp.u(112), 'org_id', pg_temp.u(951));
begin
	x := pg_temp.submit('reporter');
	if t.act = 'unsupport' then
		perform pg_temp.act('neighbour', x, 'support');
	end if;
	reset role;
	update ticket.ticket f set status = t.state, replied_at = now() - interval '8 days' where f.id = x;
	update clock.clock c set due_at = now() - interval '1 minute' where c.subject_id = x and t.act = 'overdue';
	perform pg_temp.as_app(t.person);
	if t.act = 'edit' then
		perform ticket.edit(x, (select version::text from ticket.ticket f where f.id = x),
			'{"kind": "problem", "category": "noise", "urgency": "normal", "title": "改", "description": "改了"}');
	elsif t.act = 'comment' then
		perform ticket.add_comment(core.new_id(60001), x, '说一句', false, null);
	elsif t.act = 'contact' then
		perform ticket.contact(x);
	elsif not ticket.act(x, t.act, args || case when t.act = 'merge'
			then jsonb_build_object('target_id', target) else '{}' end) then
		reset role;
		raise exception using errcode = 'ZZ000', message = 'gone';
	end if;
	reset role;
	raise exception using errcode = 'ZZ000', message = pg_temp.status(x);
exception
	when sqlstate 'ZZ000' then return sqlerrm;
	when sqlstate 'LN403' or sqlstate 'LN409' or sqlstate 'LN422' then return sqlerrm;
end $$;
reset role;
update triple t set got = pg_temp.try(t, :'target');
reset role;

select is((select count(*) from triple), (26 * 7 - 6) * 15::bigint, 'every triple is tried');
select results_eq(format('select person, state, got from triple where act = %L order by 1, 2', act),
	format('select person, state, want from triple where act = %L order by 1, 2', act),
	act || ': all states and people') from (select distinct act from allowed) a order by act;
select is(count(*), 15::bigint, 'each status of the contract is some state')
from unnest(ticket.statuses_open() || '{replied,closed,rejected,withdrawn,merged}') s;

-- what a reader is told they may do is what they then may do
create temporary table told (person text, state text, actions jsonb);
create function pg_temp.told(person text, state text) returns jsonb language plpgsql as $$
declare
	x uuid := pg_temp.submit('reporter');
	seen jsonb;
begin
	reset role;
	update ticket.ticket f set status = state where f.id = x;
	perform pg_temp.as_app(person);
	select d.actions::jsonb into seen from ticket.detail d where d._street_id = 60001 and d.id = x;
	reset role;
	return seen;
end $$;
insert into told select p, s, pg_temp.told(p, s)
from unnest('{reporter,neighbour,lead,community,street}'::text[]) p,
	unnest('{submitted,accepted,in_progress,escalated_community,called,dispatched,reported_in,suspended,resolved,replied,closed,reopened,rejected,withdrawn,merged}'::text[]) s;
reset role;
select results_eq($$select person, state, a from told, jsonb_array_elements_text(actions) a order by 1, 2, 3$$,
	$$select p, s, act from allowed, unnest(persons) p, unnest(states) s
		where p <> 'system' and act <> 'unsupport' order by 1, 2, 3$$,
	'actions lists exactly what is allowed');
select is_empty($$select x.action, g from core.transition x, string_to_table(x.guard, ' ') g
		where x.machine in ('ticket', 'ticket_aside') and x.roles <> '{resident}' and ticket.why(g) is not null$$,
	'what ticket.offers() leaves out: guards that bar stand on residents'' acts only');
select is_empty($$select x.action, g from core.transition x, string_to_table(x.guard, ' ') g
		where x.machine in ('ticket', 'ticket_aside') and ticket.why(g) is not null
			and not exists (select from ticket.bar_sets() b where g = any (b))$$,
	'and each of them is in ticket.bar_sets()');
select is_empty($$select distinct status, is_open from ticket.ticket
		where street_id = 60001 and is_open <> (status = any (ticket.statuses_open()))$$,
	'the column is_open and ticket.statuses_open() agree on every status');

select * from finish(true);
rollback;
