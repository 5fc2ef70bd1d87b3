-- admissions: every state × action × person, of proposals and of their tasks,
-- against tables written by hand; what a lead sees, and how much they may have.
\ir tickets_world.psql

create function pg_temp.propose(person text, grid integer default 111, kind text default 'micro') returns uuid language plpgsql as $$
declare
	x uuid := core.new_id(60001);
begin
	perform pg_temp.as_app(person);
	perform duty.propose(x, jsonb_build_object('title', '排查', 'description', '逐户排查', 'grid_kind', kind,
		'grid_ids', jsonb_build_array(pg_temp.u(grid)), 'due_on', core.today()));
	reset role;
	return x;
end $$;
create function pg_temp.act_on(person text, id uuid, action text) returns text language plpgsql as $$
begin
	perform pg_temp.as_app(person);
	perform duty.act_admission(id, action, '原因');
	reset role;
	return (select a.status from duty.admission a where a.id = act_on.id);
exception when others then
	if sqlstate !~ '^LN' then raise; end if;
	return sqlerrm;
end $$;
-- Undone with its block: hence nothing is done in declare.
create function pg_temp.try(person text, whose text, state text, action text) returns text language plpgsql as $$
declare
	x uuid;
	found text;
begin
	x := pg_temp.propose(whose);
	if state in ('approved', 'done') then
		found := pg_temp.act_on(case whose when 'street' then 'second' else 'street' end, x, 'approve');
	end if;
	update duty.admission a set status = state where a.id = x;
	found := pg_temp.act_on(person, x, action);
	reset role;
	raise exception using errcode = 'ZZ000', message = found;
exception when sqlstate 'ZZ000' then
	reset role;
	return sqlerrm;
end $$;
create function pg_temp.try_task(person text, state text) returns text language plpgsql as $$
declare
	x uuid;
	found text;
	task uuid;
begin
	x := pg_temp.propose('department');
	found := pg_temp.act_on('street', x, 'approve');
	update duty.grid_task t set status = state where t.admission_id = x returning t.id into task;
	begin
		perform pg_temp.as_app(person);
		perform duty.finish_task(task, '{"note": "已查"}');
		reset role;
		found := (select t.status from duty.grid_task t where t.id = task);
	exception when sqlstate 'LN403' or sqlstate 'LN404' or sqlstate 'LN409' then
		found := sqlerrm;
	end;
	reset role;
	raise exception using errcode = 'ZZ000', message = found;
exception when sqlstate 'ZZ000' then
	reset role;
	return sqlerrm;
end $$;
set local role linli_owner;
select identity.add_account('zt-second', '街道乙', null), identity.grant_role('zt-second', 'street', 60001) \g /dev/null
insert into who select a.login, s.* from identity.account a, identity.open_session(a.login, null, null, 3600) s where a.login = 'zt-second';
reset role;

-- who: of the department's proposal, and of one of the street's office made by "street"
create temporary table may (action text, state text, whose text, persons text, becomes text);
insert into may values
	('approve', 'proposed', 'department', 'street second', 'approved'), ('approve', 'proposed', 'street', 'second', 'approved'),
	('refuse', 'proposed', 'department', 'street second', 'refused'), ('refuse', 'proposed', 'street', 'street second', 'refused'),
	('withdraw', 'proposed', 'department', 'department', 'withdrawn'), ('withdraw', 'proposed', 'street', 'street second', 'withdrawn'),
	('withdraw', 'approved', 'department', 'department street second', 'withdrawn'), ('withdraw', 'approved', 'street', 'street second', 'withdrawn');
create temporary table triple as
select p.person, w.whose, s.state, a.action, pg_temp.try(p.person, w.whose, s.state, a.action) as got,
	case when m.persons ~ ('\m' || p.person || '\M') then m.becomes
		-- it is not there for them
		when p.person not in ('street', 'second', 'department') or p.person = 'department' and w.whose = 'street' then 'not_found'
		when p.person = 'department' and a.action <> 'withdraw' then 'role_not_allowed'
		when m.action is null then 'wrong_state'
		when a.action = 'approve' then 'own_proposal' else 'not_your_proposal' end as want
from unnest('{street,second,department,water,community,lead,general,next,reporter}'::text[]) p (person),
	unnest('{department,street}'::text[]) w (whose), unnest('{proposed,approved,refused,withdrawn,done}'::text[]) s (state),
	unnest('{approve,refuse,withdraw}'::text[]) a (action)
left join lateral (select * from may m where m.action = a.action and m.state = s.state and m.whose = w.whose) m on true;
select is((select count(*) from triple), (9 * 2 * 5 * 3)::bigint, 'every triple is tried');
select results_eq(format('select person, whose, state, got from triple where action = %L order by 1, 2, 3', a),
	format('select person, whose, state, want from triple where action = %L order by 1, 2, 3', a), a || ': all states and people')
from unnest('{approve,refuse,withdraw}'::text[]) a;
select is(pg_temp.try_task(p, s), case when p in ('next', 'community2', 'reporter', 'water') then case when p in ('next', 'community2') then 'not_found' else 'role_not_allowed' end
	when p in ('street', 'department') then 'role_not_allowed' when s = 'open' then 'done' else 'wrong_state' end, concat_ws(' ', 'finish a task', s, p))
from unnest('{open,done,withdrawn}'::text[]) s, unnest('{lead,general,community,street,department,water,next,community2,reporter}'::text[]) p;
select throws_ok(format('select pg_temp.propose(%L)', p), 'LN403', 'role_not_allowed', p || ' proposes nothing')
from unnest('{lead,general,community,reporter}'::text[]) p;
reset role;

-- what is told is what may be done
create function pg_temp.told(person text, whose text, state text) returns text language plpgsql as $$
declare
	x uuid;
	seen text;
begin
	x := pg_temp.propose(whose);
	update duty.admission a set status = state where a.id = x;
	perform pg_temp.as_app(person);
	select array_to_string(array(select json_array_elements_text(v.actions)), ' ') into seen from duty.admission_view v where v.id = x;
	reset role;
	raise exception using errcode = 'ZZ000', message = coalesce(seen, '');
exception when sqlstate 'ZZ000' then
	reset role;
	return sqlerrm;
end $$;
select is_empty($$select person, whose, state from (select person, whose, state, string_agg(action, ' ' order by action)
		filter (where want !~ '^(not_found|role_not_allowed|wrong_state|own_proposal|not_your_proposal)$') as can from triple group by 1, 2, 3) t
	where pg_temp.told(person, whose, state) <> coalesce(can, '')$$, 'actions lists exactly what is allowed');

-- before it is admitted no lead sees it; then each their own
select pg_temp.propose('department', 1) as it \gset
select is(pg_temp.see(p, 'select count(*)::text from duty.grid_task') || ' ' || pg_temp.see(p, 'select count(*)::text from duty.admission'), '0 0', p || ' sees nothing yet')
from unnest('{lead,general,community}'::text[]) p;
select is(pg_temp.act_on('street', :'it', 'approve'), 'approved', 'admitted');
select is(pg_temp.see(p, 'select count(*)::text from duty.grid_task') || ' ' || pg_temp.see(p, 'select count(*)::text from duty.admission'), n, p || ' sees ' || n)
from (values ('lead', '1 0'), ('next', '1 0'), ('general', '2 0'), ('community', '2 0'), ('street', '2 1'), ('department', '2 1'),
	('water', '0 0'), ('other', '0 0'), ('community2', '0 0'), ('reporter', '0 0')) v (p, n);
select pg_temp.as_app('lead') \g /dev/null
select duty.finish_task(t.id, '{"note": "请打13812345678"}') from duty.grid_task t \g /dev/null
select is(pg_temp.see('department', 'select grids || '' '' || done || '' '' || completion || '' '' || status from duty.admission_view'), '2 1 50 approved', 'half done');
select is(pg_temp.see('department', $$select note from duty.grid_task_view where status = 'done'$$), '请打138****5678', 'without telephones');
select pg_temp.as_app('next') \g /dev/null
select duty.finish_task(t.id, '{"note": "已查"}') from duty.grid_task t \g /dev/null
select is(pg_temp.see('department', 'select done || '' '' || status from duty.admission_view'), '2 done', 'done with the last');
reset role;

-- how much one lead may have
select pg_temp.as_app('street') \g /dev/null
select throws_ok('select duty.put_limit(''7'', 2)', 'LN412', 'version_conflict', 'the limit is written in its version');
select lives_ok('select duty.put_limit(''0'', 2)', 'two at a time');
reset role;
select is(pg_temp.act_on('street', pg_temp.propose('department'), 'approve'), w, 'the ' || n || ' for one lead')
from (values (1, 'approved'), (2, 'approved'), (3, 'lead_overloaded')) v (n, w);
select is(pg_temp.see('street', $$select over_limit -> 0 ->> 'name' || (over_limit -> 0 ->> 'load') || (over_limit -> 0 ->> 'more') || (over_limit -> 0 ->> 'limit')
	|| actions from duty.admission_view where status = 'proposed'$$), 'lead212["refuse"]', 'says for whom, and is not offered');
select is(pg_temp.act_on('street', pg_temp.propose('department', 112), 'approve'), 'approved', 'the neighbour has room');
select is(pg_temp.act_on('street', pg_temp.propose('department', 11), 'approve'), 'lead_overloaded', 'both would not');
select is(pg_temp.see('community', 'select string_agg(load::text, '' '' order by load) from duty.loads(null)'), '0 1 2', 'loads, of their own ground');
select pg_temp.as_app('lead') \g /dev/null
select duty.finish_task(t.id, '{"note": "已查"}') from duty.grid_task t where t.status = 'open' limit 1 \g /dev/null
reset role;
select is(pg_temp.act_on('street', a.id, 'approve'), 'approved', 'with one done there is room again') from (select id from duty.admission where status = 'proposed' order by id limit 1) a;
select * from finish(true);
rollback;
