-- hazards: every state × act × person against the machine of domain.md, written
-- out by hand below, not read from core.transition.
\ir hazards_world.psql

create temporary table state as select unnest('{found,confirmed,notice_issued,rectifying,submitted_for_recheck,recheck_failed,escalated,verified,closed,dismissed}'::text[]) as state;
-- Who may, when; bound to a party and more says who then is refused how.
create temporary table allowed (act text, persons text[], states text[], becomes text);
insert into allowed values
	('confirm', '{lead,community}', '{found}', 'confirmed'),
	('dismiss', '{community}', '{found,confirmed}', 'dismissed'),
	('issue_notice', '{lead,community}', '{confirmed}', 'notice_issued'),
	('issue_notice', '{street,bureau}', '{escalated}', 'notice_issued'),
	('assign', '{street}', '{escalated}', 'escalated'),
	('start', '{duty}', '{notice_issued,recheck_failed}', 'rectifying'),
	('submit', '{duty}', '{rectifying}', 'submitted_for_recheck'),
	('submit', '{duty,bureau}', '{escalated}', 'submitted_for_recheck'),
	('verify', '{lead,community,street}', '{submitted_for_recheck}', 'verified'),
	('fail_recheck', '{lead,community,street}', '{submitted_for_recheck}', 'recheck_failed'),
	('close', '{community,street}', '{verified}', 'closed'),
	('regrade', '{community}', '{confirmed,notice_issued,rectifying,recheck_failed}', null),
	('report_authority', '{community,street}', '{confirmed,notice_issued,rectifying,submitted_for_recheck,recheck_failed,escalated,verified,closed}', null),
	('escalate_immediate', '{system}', '{confirmed,notice_issued,rectifying,recheck_failed}', 'escalated'),
	('escalate_overdue', '{system}', '{notice_issued,rectifying,recheck_failed}', 'escalated'),
	('escalate_failed', '{system}', '{recheck_failed}', 'escalated');
-- Put to a party: then duty and bureau (in charge of it) see it.
create temporary table sees (person text, states text[]);
insert into sees select p, array(select state from state)
	from unnest('{reporter,lead,community,street,system}'::text[]) p
	union all select p, '{notice_issued,rectifying,submitted_for_recheck,recheck_failed,escalated,verified,closed}'
	from unnest('{duty,bureau}'::text[]) p;

create temporary table triple as
select a.act, p.person, s.state from (select distinct act from allowed) a, state s,
	unnest('{reporter,neighbour,lead,next,community,community2,street,duty,rival,bureau,bureau2,system}'::text[]) p (person);
alter table triple add want text, add got text;
update triple t set want = coalesce(
	case when not exists (select from sees s where s.person = t.person and t.state = any (s.states)) then 'gone' end,
	(select coalesce(a.becomes, t.state) from allowed a
		where a.act = t.act and t.person = any (a.persons) and t.state = any (a.states)),
	case
	-- the role has nothing to do with this act; a department may be the duty party too
	when t.person <> 'bureau' and not exists (select from allowed a where a.act = t.act and t.person = any (a.persons))
		or t.person = 'bureau' and t.act not in ('start', 'submit', 'issue_notice') then 'role_not_allowed'
	when not exists (select from allowed a where a.act = t.act and t.state = any (a.states)) then 'wrong_state'
	when t.person = 'bureau' and t.act in ('start', 'submit') then 'not_duty_party'
	else 'role_not_allowed' end);

create function pg_temp.try(t triple) returns text language plpgsql as $$
declare
	x uuid := pg_temp.find('reporter');
	done boolean;
	args jsonb := jsonb_build_object('reason', '有理由', 'note', '已处理', 'grade', 'general', 'authority', '区应急管理局',
		'org_id', pg_temp.u(case t.act when 'assign' then 803 else 801 end), 'due_at', now() + interval '3 days');
begin
	if t.act = 'submit' and t.person in ('duty', 'bureau') then
		args := args || jsonb_build_object('photo_ids', pg_temp.evidence(t.person));
	end if;
	reset role;
	update field.hazard f set status = t.state, at_business = true,
		grade = case t.act when 'escalate_immediate' then 'immediate' else 'general' end,
		due_at = case t.act when 'escalate_overdue' then now() else now() + interval '1 second' end,
		failed_count = case t.act when 'escalate_failed' then 2 else 0 end, noticed_at = now(),
		rectified_by = pg_temp.account('duty'), rectified_org = pg_temp.u(801),
		org_id = case when t.state = any (s.states) then pg_temp.u(801) end,
		enforcer_id = case when t.state = any (s.states) then pg_temp.u(803) end
	from sees s where f.id = x and s.person = 'duty';
	perform pg_temp.as_app(t.person);
	done := field.act(x, t.act, args);
	reset role;
	raise exception using errcode = 'ZZ000', message = case when done then pg_temp.state_of(x) else 'gone' end;
exception
	when sqlstate 'ZZ000' then return sqlerrm;
	when sqlstate 'LN403' or sqlstate 'LN409' or sqlstate 'LN422' then return sqlerrm;
end $$;
reset role;
update triple t set got = pg_temp.try(t);
reset role;

select is((select count(*) from triple), 14 * 12 * 10::bigint, 'every triple is tried');
select results_eq(format('select person, state, got from triple where act = %L order by 1, 2', act),
	format('select person, state, want from triple where act = %L order by 1, 2', act),
	act || ': all states and people') from (select distinct act from allowed) a order by act;
select bag_eq($$select distinct x.from_state from core.transition x where x.machine ^@ 'hazard' and x.from_state <> ''
		union select x.to_state from core.transition x where x.machine ^@ 'hazard'$$, 'select state from state',
	'the states of the machine are those of domain.md');

-- what a reader is told they may do is what they then may do
create function pg_temp.told(person text, state text) returns jsonb language plpgsql as $$
declare
	x uuid := pg_temp.find('reporter');
	seen jsonb;
begin
	reset role;
	update field.hazard f set status = state, at_business = true, grade = 'general', due_at = now() + interval '1 day',
		noticed_at = now(), rectified_by = pg_temp.account('duty'), rectified_org = pg_temp.u(801),
		org_id = case when state = any (s.states) then pg_temp.u(801) end,
		enforcer_id = case when state = any (s.states) then pg_temp.u(803) end
	from sees s where f.id = x and s.person = 'duty';
	perform pg_temp.as_app(person);
	select v.actions::jsonb into seen from field.hazard_view v where v._street_id = 60001 and v.id = x;
	reset role;
	return seen;
end $$;
create temporary table told as
select s.person, t.state, pg_temp.told(s.person, t.state) as actions
from sees s, state t where s.person <> 'system' and t.state = any (s.states);
reset role;
select results_eq($$select person, state, a from told, jsonb_array_elements_text(actions) a order by 1, 2, 3$$,
	$$select p, s, act from allowed, unnest(persons) p, unnest(states) s where p <> 'system' order by 1, 2, 3$$,
	'actions lists exactly what is allowed');

-- guards
select pg_temp.find('lead') as h \gset
select is(pg_temp.haz('lead', :'h', 'confirm', '{"grade": "general"}'), 'ok', 'a hazard is confirmed');
select is(pg_temp.haz('community', :'h', 'report_authority', '{"authority": "区应急管理局"}'), 'not_at_business',
	'what is not at a business need not be reported');
select is(pg_temp.haz('system', :'h', 'escalate_immediate'), 'wrong_state', 'a general one does not go to the street');
select is(pg_temp.haz('lead', :'h', 'issue_notice', jsonb_build_object('org_id', pg_temp.u(801), 'due_at', now())), 'deadline_past',
	'a deadline lies ahead');
select is(pg_temp.haz('lead', :'h', 'issue_notice', jsonb_build_object('org_id', core.new_id(60001), 'due_at', now() + interval '1 day')),
	'org_not_found', 'the duty party exists');
select is(pg_temp.haz('lead', :'h', 'issue_notice', jsonb_build_object('org_id', pg_temp.u(803), 'due_at', now() + interval '1 day')), 'ok',
	'a department may be the duty party');
select is(pg_temp.haz('bureau', :'h', 'start'), 'ok', 'and begins');
select is(pg_temp.haz('bureau2', :'h', 'start'), 'gone', 'another does not see it');
select is(pg_temp.haz('system', :'h', 'escalate_overdue'), 'wrong_state', 'before its deadline it is not overdue');
select is(pg_temp.haz('bureau', :'h', 'submit', '{"note": "好了"}'), 'photo_required', 'evidence is a photo');
select is(pg_temp.haz('bureau', :'h', 'submit', jsonb_build_object('note', '好了', 'photo_ids', pg_temp.evidence('duty'))), 'photo_unknown',
	'of one''s own');
select is(pg_temp.haz('bureau', :'h', 'submit', jsonb_build_object('note', '好了', 'photo_ids', pg_temp.evidence('bureau'))), 'ok', 'then it is taken');
-- who works for the department in the morning and leads the grid at night
insert into identity.account_role (account_id, role, street_id, path, org_id)
values (pg_temp.account('lead'), 'department', 60001, '60001/', pg_temp.u(803));
select is(pg_temp.haz('lead', :'h', 'verify'), 'rectifier_cannot_recheck', 'nobody rechecks the work of their own organisation');
select is(pg_temp.haz('lead', :'h', 'fail_recheck', jsonb_build_object('reason', '不行', 'due_at', now() + interval '1 day')),
	'rectifier_cannot_recheck', 'nor fails it');
update identity.account_role r set to_on = core.today() where r.account_id = pg_temp.account('lead') and r.org_id = pg_temp.u(803);
select is(pg_temp.haz('lead', :'h', 'fail_recheck', jsonb_build_object('reason', '不行', 'due_at', now() + interval '1 day')), 'ok',
	'who no longer works there does');
select is(pg_temp.haz('system', :'h', 'escalate_failed'), 'wrong_state', 'once is not twice');

-- who reported it is erased, the hazard stays
select pg_temp.find('reporter', '{"title": "欧阳春晓家门口堆着液化气瓶", "description": "打13812345678"}') as mine \gset
select pg_temp.as_app('system');
select field.forget(pg_temp.account('reporter'), '欧阳春晓', '居民A1B2C3');
reset role;
select results_eq(format('select title, description, status from field.hazard where id = %L', :'mine'),
	$$values ('居民A1B2C3家门口堆着液化气瓶', '打138****5678', 'found')$$, 'without a name and a number');

select * from finish(true);
rollback;
