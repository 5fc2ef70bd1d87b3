-- reviews: every state × action × role against a table written by hand.
\ir tickets_world.psql

create temporary table may (state text, action text, roles text, becomes text);
insert into may values
	('planned', 'write', 'lead general community', 'planned'), ('returned', 'write', 'lead general community', 'returned'),
	('planned', 'submit', 'lead general community', 'submitted'), ('returned', 'submit', 'lead general community', 'submitted'),
	('submitted', 'return', 'community street', 'returned'), ('submitted', 'confirm', 'community street', 'confirmed'),
	('confirmed', 'settle', 'lead general community', 'confirmed');
select pg_temp.as_app('community') \g /dev/null
select duty.start_campaign(pg_temp.u(700), jsonb_build_object('name', '提能', 'grid_id', pg_temp.u(1), 'grid_kind', 'micro', 'due_on', core.today())) \g /dev/null
reset role;
select is(pg_temp.see(p, 'select grids::text from duty.review_campaign_view'), n, p || ' counts the grids of their ground')
from (values ('lead', '1'), ('general', '2'), ('community', '2'), ('street', '2'), ('other', null), ('community2', null), ('reporter', null)) v (p, n);

create function pg_temp.put(state text, problems text) returns uuid language plpgsql as $$
declare
	id uuid;
begin
	perform pg_temp.as_app('system');
	update duty.review v set state = put.state, problems = put.problems::jsonb where v.path = '60001/1/1/1/' returning v.id into id;
	reset role;
	return id;
end $$;
create function pg_temp.try(person text, id uuid, action text, questions text default '[]') returns text language plpgsql as $$
declare
	x text;
begin
	perform pg_temp.as_app('system');
	update duty.review_campaign c set questions = try.questions::jsonb;
	perform pg_temp.as_app(person);
	if action = 'write' then
		perform duty.write_review(id, null, '{"problems": []}');
	else
		perform duty.act_review(id, action, jsonb_build_object('problem_id', pg_temp.u(1), 'reason', 'x', 'note', 'x'));
	end if;
	select v.state into x from duty.review v where v.id = try.id;
	reset role;
	return x;
exception when others then
	if sqlstate !~ '^LN' then raise; end if;
	return sqlerrm;
end $$;
create temporary view whole as select jsonb_build_array(jsonb_build_object('id', pg_temp.u(1), 'problem', 'x', 'advice', 'x', 'owner', 'x', 'due_on', '2099-01-01', 'done', false))::text as it;
select is(pg_temp.try(p, pg_temp.put(s, (select it from whole)), a), case when p in ('next', 'other', 'community2', 'reporter') then 'not_found'
	when m.roles is null then 'wrong_state' when p = any (string_to_array(m.roles, ' ')) then m.becomes else 'role_not_allowed' end, concat_ws(' ', s, a, p))
from unnest('{planned,submitted,returned,confirmed,missed}'::text[]) s, unnest('{write,submit,return,confirm,settle}'::text[]) a,
	unnest('{lead,general,community,street,next,other,community2,reporter}'::text[]) p
left join lateral (select * from may where may.state = s and may.action = a) m on true;
select is(pg_temp.try('lead', pg_temp.put('planned', x), 'submit'), 'review_incomplete', 'nobody submits ' || x)
from unnest(array['[]', '[{"problem": "x", "advice": "x", "owner": "x"}]', '[{"problem": "x", "owner": "x", "due_on": "2099-01-01"}]']) x;
select is(pg_temp.try('lead', pg_temp.put('planned', (select it from whole)), 'submit', '[{"id": "q", "text": "?"}]'), 'review_incomplete', 'nobody submits without an answer to each question');
select is((select array_agg(action order by action) from core.transition where machine = 'grid_review' and from_state = s and roles <> '{system}'),
	(select array_agg(action order by action) from may where may.state = s), 'the rows of ' || s) from unnest('{planned,submitted,returned,confirmed,missed}'::text[]) s;

-- campaigns: who may edit and end one of a community, in each state
create function pg_temp.round(person text, state text, action text, reviews text) returns text language plpgsql as $$
declare
	x text;
begin
	perform pg_temp.as_app('system');
	update duty.review_campaign c set state = round.state, ended_at = case when round.state = 'ended' then core.now() end where c.id = pg_temp.u(700);
	update duty.review v set state = 'planned', problems = '[]' where v.campaign_id = pg_temp.u(700);
	update duty.review v set state = reviews, problems = case when reviews = 'returned' then '[{"ticket_id": "x"}]' else '[]' end::jsonb
	where v.campaign_id = pg_temp.u(700) and v.path = '60001/1/1/1/';
	perform pg_temp.as_app(person);
	if action = 'edit' then
		perform duty.edit_campaign(pg_temp.u(700), null, jsonb_build_object('name', 'x', 'due_on', core.today(), 'questions', '[]'::jsonb));
	else
		perform duty.end_campaign(pg_temp.u(700));
	end if;
	perform pg_temp.as_app('system');
	select c.state || ' ' || (select string_agg(v.state, ' ' order by v.path) from duty.review v where v.campaign_id = c.id) into x
	from duty.review_campaign c where c.id = pg_temp.u(700);
	reset role;
	return x;
exception when others then
	if sqlstate !~ '^LN' then raise; end if;
	return sqlerrm;
end $$;
select is(pg_temp.round(p, s, a, 'confirmed'), case when p not in ('community', 'street') then w when s = 'ended' then 'wrong_state'
	when a = 'edit' then 'open confirmed planned' else 'ended confirmed missed' end, concat_ws(' ', s, a, p))
from (values ('community', null), ('street', null), ('lead', 'not_found'), ('general', 'not_found'), ('other', 'not_found'),
	('community2', 'not_found'), ('reporter', 'not_found')) v (p, w), unnest('{open,ended}'::text[]) s, unnest('{edit,end}'::text[]) a;
select is(pg_temp.round('community', 'open', 'end', r), w, 'with one ' || r) from (values ('planned', 'ended missed missed'),
	('submitted', 'reviews_waiting'), ('returned', 'suggestions_waiting'), ('confirmed', 'ended confirmed missed')) v (r, w);
select * from finish(true);
rollback;
