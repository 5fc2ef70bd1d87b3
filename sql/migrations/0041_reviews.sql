-- duty: 全域网格提能行动. A campaign asks of every grid of some ground what hurts
-- there, what is to be done about it, by whom and by when; and 金点子, what
-- becomes of a suggestion.

create table duty.review_campaign (
	street_id integer not null,
	id uuid not null,
	grid_id uuid not null,
	path text collate "C" not null,
	name text not null check (name ~ '[^[:space:]]' and length(name) <= 64),
	grid_kind text not null check (grid_kind in ('general', 'micro', 'special')),
	due_on date not null,
	questions jsonb not null,
	state text not null default 'open' check (state in ('open', 'ended')),
	ended_at timestamptz check ((ended_at is null) = (state = 'open')),
	version integer not null default 1,
	created_at timestamptz not null default core.now(),
	created_by uuid,
	updated_at timestamptz not null default core.now(),
	primary key (street_id, id),
	foreign key (street_id, grid_id) references grid.grid (street_id, id)
);
create index review_campaign_path on duty.review_campaign (street_id, path, id);
comment on table duty.review_campaign is 'class: street. A round of reviews over all grids of a kind under one. questions: what each is asked, {id, text}.';

create table duty.review (
	street_id integer not null,
	id uuid not null,
	campaign_id uuid not null,
	grid_id uuid not null,
	path text collate "C" not null,
	state text not null default 'planned' check (state in ('planned', 'submitted', 'returned', 'confirmed', 'missed')),
	problems jsonb not null default '[]',
	reason text,
	version integer not null default 1,
	updated_at timestamptz not null default core.now(),
	updated_by uuid,
	primary key (street_id, id),
	constraint review_once unique (street_id, campaign_id, grid_id),
	foreign key (street_id, campaign_id) references duty.review_campaign (street_id, id),
	foreign key (street_id, grid_id) references grid.grid (street_id, id)
);
create index review_path on duty.review (street_id, path, id);
comment on table duty.review is
	'class: street. What one grid answers; problems: each {id, question_id, problem, advice, owner, due_on, help, ticket_id, done, note}. reason: why it was returned. missed: the campaign ended without it.';

create table duty.suggestion (
	street_id integer not null,
	ticket_id uuid not null,
	path text collate "C" not null,
	becomes text not null check (becomes in ('review', 'project')),
	review_id uuid check ((review_id is null) = (becomes = 'project')),
	note text,
	decided_at timestamptz not null default core.now(),
	decided_by uuid,
	primary key (street_id, ticket_id),
	foreign key (street_id, ticket_id) references ticket.ticket (street_id, id),
	foreign key (street_id, review_id) references duty.review (street_id, id)
);
comment on table duty.suggestion is 'class: street. 金点子: a suggestion became a problem of its grid''s review, or waits for a project; once.';

alter table duty.review_campaign enable row level security;
alter table duty.review_campaign force row level security;
create policy reach on duty.review_campaign using (street_id = core.street() and care.may_see_plan(path));
alter table duty.review enable row level security;
alter table duty.review force row level security;
create policy staff on duty.review using (street_id = core.street() and core.may_see_private(path, null));
alter table duty.suggestion enable row level security;
alter table duty.suggestion force row level security;
create policy staff on duty.suggestion using (street_id = core.street() and core.may_see_private(path, null));

insert into core.transition (machine, from_state, action, to_state, roles, guard) values
	('grid_review', 'planned', 'write', 'planned', '{grid_lead,community}', null),
	('grid_review', 'returned', 'write', 'returned', '{grid_lead,community}', null),
	('grid_review', 'planned', 'submit', 'submitted', '{grid_lead,community}', 'complete'),
	('grid_review', 'returned', 'submit', 'submitted', '{grid_lead,community}', 'complete'),
	('grid_review', 'submitted', 'return', 'returned', '{community,street}', null),
	('grid_review', 'submitted', 'confirm', 'confirmed', '{community,street}', null),
	('grid_review', 'confirmed', 'settle', 'confirmed', '{grid_lead,community}', null),
	('grid_review', 'planned', 'lapse', 'missed', '{system}', null),
	('grid_review', 'returned', 'lapse', 'missed', '{system}', null),
	('review_campaign', 'open', 'edit', 'open', '{community,street}', null),
	('review_campaign', 'open', 'end', 'ended', '{community,street}', null);

create function duty.is_complete(problems jsonb, questions jsonb) returns boolean
language sql immutable parallel safe
as $$select jsonb_array_length(problems) > 0 and not exists (select from jsonb_array_elements(problems) p
	where p ->> 'advice' is null or p ->> 'owner' is null or p ->> 'due_on' is null)
	and not exists (select from jsonb_array_elements(questions) q
		where not exists (select from jsonb_array_elements(problems) p where p ->> 'question_id' = q ->> 'id'))$$;
comment on function duty.is_complete(jsonb, jsonb) is 'At least one problem, each with advice, owner and day, and one to each question.';

create function duty.questions(p_new jsonb, p_old jsonb) returns jsonb
language sql volatile
return (select coalesce(jsonb_agg(jsonb_build_object('id', coalesce(o.q ->> 'id', core.new_id(core.street())::text),
		'text', core.mask_text(x.q ->> 'text')) order by x.n), '[]')
	from jsonb_array_elements(coalesce(nullif(p_new, 'null'), '[]')) with ordinality x (q, n)
	left join jsonb_array_elements(p_old) o (q) on o.q ->> 'id' = x.q ->> 'id');
comment on function duty.questions(jsonb, jsonb) is 'Questions as asked now; those with a known id stay the same one.';

create function duty.start_campaign(p_id uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	g constant grid.grid := field.own_grid((b ->> 'grid_id')::uuid);
begin
	if core.role() not in ('community', 'street') then
		perform core.fail(403, 'role_not_allowed');
	elsif (b ->> 'due_on')::date < core.today() then
		perform core.fail(422, 'date_passed', '/due_on');
	end if;
	insert into duty.review_campaign (street_id, id, grid_id, path, name, grid_kind, due_on, questions, created_by)
	values (g.street_id, p_id, g.id, g.path, b ->> 'name', b ->> 'grid_kind', (b ->> 'due_on')::date,
		duty.questions(b -> 'questions', '[]'), core.actor());
	insert into duty.review (street_id, id, campaign_id, grid_id, path)
	select x.street_id, core.new_id(x.street_id), p_id, x.id, x.path from grid.grid x
	where x.street_id = g.street_id and x.path ^@ g.path and x.kind = b ->> 'grid_kind'
		and (x.valid_to is null or x.valid_to > core.today());
	if not found then
		perform core.fail(422, 'grid_not_found', '/grid_kind');
	end if;
	perform core.put_event('review_campaign', p_id, 'start', null, null, g.path, null, false);
end
$$;
comment on function duty.start_campaign(uuid, jsonb) is
	'A review of every grid of a kind that is there today. LN403 role_not_allowed, LN422 grid_not_found, date_passed.';

create function duty.campaign_for(p_id uuid, p_action text) returns duty.review_campaign
language plpgsql
as $$
declare
	c duty.review_campaign;
begin
	select x.* into c from duty.review_campaign x where x.street_id = core.street() and x.id = p_id
		and x.path ^@ any (core.scopes()) for update;
	if not found then
		perform core.fail(404, 'not_found');
	end if;
	perform care.permit('review_campaign', c.state, p_action);
	return c;
end
$$;
comment on function duty.campaign_for(uuid, text) is 'A campaign on the caller''s ground, locked, with which they may do this now. LN404, LN409 wrong_state, LN403 role_not_allowed.';

create function duty.edit_campaign(p_id uuid, p_if_match text, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	c constant duty.review_campaign := duty.campaign_for(p_id, 'edit');
	asked constant jsonb := duty.questions(b -> 'questions', c.questions);
begin
	if core.is_stale(c.version, p_if_match) then
		perform core.fail(412, 'version_conflict');
	elsif (b ->> 'due_on')::date < least(core.today(), c.due_on) then
		perform core.fail(422, 'date_passed', '/due_on');
	elsif exists (select from duty.review v, jsonb_array_elements(v.problems) p
		where v.street_id = c.street_id and v.campaign_id = p_id and p ->> 'question_id' is not null
			and not exists (select from jsonb_array_elements(asked) q where q ->> 'id' = p ->> 'question_id')) then
		perform core.fail(409, 'question_answered', '/questions');
	end if;
	update duty.review_campaign x set name = b ->> 'name', due_on = (b ->> 'due_on')::date, questions = asked,
		version = x.version + 1, updated_at = core.now()
	where x.street_id = c.street_id and x.id = p_id;
	perform core.put_event('review_campaign', p_id, 'edit', c.state, c.state, c.path, null, false);
end
$$;
comment on function duty.edit_campaign(uuid, text, jsonb) is
	'Name, day and questions anew; what was answered stays asked, and answers confirmed stay so. As duty.campaign_for(); LN412, LN422 date_passed, LN409 question_answered.';

create function duty.end_campaign(p_id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	c constant duty.review_campaign := duty.campaign_for(p_id, 'end');
	v duty.review;
begin
	for v in select x.* from duty.review x where x.street_id = c.street_id and x.campaign_id = p_id
		and x.state <> 'confirmed' order by x.id for update loop
		-- Somebody waits to hear: the leads of a verdict, who suggested what becomes of it.
		if v.state = 'submitted' then
			perform core.fail(409, 'reviews_waiting');
		elsif exists (select from jsonb_array_elements(v.problems) p where p ->> 'ticket_id' is not null) then
			perform core.fail(409, 'suggestions_waiting');
		end if;
		perform duty.turn_review(v, 'lapse', v.problems);
	end loop;
	update duty.review_campaign x set state = 'ended', ended_at = core.now(), version = x.version + 1, updated_at = core.now()
	where x.street_id = c.street_id and x.id = p_id;
	perform core.put_event('review_campaign', p_id, 'end', c.state, 'ended', c.path, null, false);
end
$$;
comment on function duty.end_campaign(uuid) is
	'No more answers: what is confirmed is kept and its problems may still be settled, what was not submitted is missed, with what was written. As duty.campaign_for(); LN409 reviews_waiting, suggestions_waiting.';

create function duty.review_for(p_id uuid, p_action text, p_if_match text default null) returns duty.review
language plpgsql
as $$
declare
	v duty.review;
	tr core.transition;
	asked jsonb;
begin
	-- Before the review, as who ends the campaign does.
	select c.questions into asked from duty.review x join duty.review_campaign c on c.street_id = x.street_id and c.id = x.campaign_id
	where x.street_id = core.street() and x.id = p_id for share of c;
	select x.* into v from duty.review x where x.street_id = core.street() and x.id = p_id for update;
	if not found then
		perform core.fail(404, 'not_found');
	end if;
	select t.* into tr from core.transition t
	where t.machine = 'grid_review' and t.from_state = v.state and t.action = p_action;
	if not found then
		perform core.fail(409, 'wrong_state');
	elsif not core.role() = any (tr.roles) then
		perform core.fail(403, 'role_not_allowed');
	elsif core.is_stale(v.version, p_if_match) then
		perform core.fail(412, 'version_conflict');
	elsif tr.guard = 'complete' and not duty.is_complete(v.problems, asked) then
		perform core.fail(409, 'review_incomplete');
	end if;
	return v;
end
$$;
comment on function duty.review_for(uuid, text, text) is
	'A review, locked, of which the caller may do this now. LN404, LN409 wrong_state, review_incomplete, LN403 role_not_allowed, LN412.';

create function duty.turn_review(v duty.review, p_action text, p_problems jsonb, p_reason text default null) returns void
language plpgsql
as $$
declare
	become constant text := (select t.to_state from core.transition t
		where t.machine = 'grid_review' and t.from_state = v.state and t.action = p_action);
begin
	update duty.review x set state = become, problems = p_problems, reason = case when p_action = 'submit' then null else coalesce(p_reason, x.reason) end,
		version = x.version + 1, updated_at = core.now(), updated_by = core.actor()
	where x.street_id = v.street_id and x.id = v.id;
	perform core.put_event('grid_review', v.id, p_action, v.state, become, v.path, null, false);
end
$$;
comment on function duty.turn_review(duty.review, text, jsonb, text) is 'Moves a review and tells of it.';

create function duty.problem(b jsonb, p_old jsonb) returns jsonb
language sql volatile
return jsonb_build_object('id', coalesce(p_old ->> 'id', core.new_id(core.street())::text),
	'question_id', b ->> 'question_id', 'problem', core.mask_text(b ->> 'problem'),
	'advice', core.mask_text(b ->> 'advice'), 'owner', b ->> 'owner', 'due_on', b ->> 'due_on', 'help', core.mask_text(b ->> 'help'),
	'ticket_id', p_old ->> 'ticket_id', 'done', coalesce((p_old ->> 'done')::boolean, false), 'note', p_old ->> 'note');
comment on function duty.problem(jsonb, jsonb) is 'A problem as written now; what is the database''s own is kept from before.';

create function duty.write_review(p_id uuid, p_if_match text, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	v constant duty.review := duty.review_for(p_id, 'write', p_if_match);
	gone text;
begin
	-- Somebody waits to hear what became of their suggestion.
	gone := (select min(o ->> 'id') from jsonb_array_elements(v.problems) o where o ->> 'ticket_id' is not null
		and not exists (select from jsonb_array_elements(b -> 'problems') x where x ->> 'id' = o ->> 'id'));
	if gone is not null then
		perform core.fail(409, 'suggestion_kept');
	end if;
	perform core.must(not exists (select from jsonb_array_elements(b -> 'problems') x join duty.review_campaign c
		on c.street_id = v.street_id and c.id = v.campaign_id where x ->> 'question_id' is not null
			and not exists (select from jsonb_array_elements(c.questions) q where q ->> 'id' = x ->> 'question_id')),
		422, 'question_unknown', '/problems');
	perform duty.turn_review(v, 'write', (select coalesce(jsonb_agg(duty.problem(x.p, o.p) order by x.n), '[]')
		from jsonb_array_elements(b -> 'problems') with ordinality x (p, n)
		left join jsonb_array_elements(v.problems) o (p) on o.p ->> 'id' = x.p ->> 'id'));
end
$$;
comment on function duty.write_review(uuid, text, jsonb) is
	'The problems of a grid as a whole; those with a known id stay the same one. As duty.review_for(); LN409 suggestion_kept, LN422 question_unknown.';

create function duty.act_review(p_id uuid, p_action text, b jsonb default '{}') returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	v constant duty.review := duty.review_for(p_id, p_action);
begin
	if p_action = 'settle' and not exists (select from jsonb_array_elements(v.problems) p where p ->> 'id' = b ->> 'problem_id') then
		perform core.fail(422, 'problem_unknown', '/problem_id');
	end if;
	perform duty.turn_review(v, p_action, case p_action when 'settle' then (
		select jsonb_agg(case when p ->> 'id' = b ->> 'problem_id'
			then p || jsonb_build_object('done', true, 'note', core.mask_text(b ->> 'note')) else p end order by n)
		from jsonb_array_elements(v.problems) with ordinality x (p, n)) else v.problems end, core.mask_text(b ->> 'reason'));
end
$$;
comment on function duty.act_review(uuid, text, jsonb) is
	'submit, return, confirm a review, settle a problem of one. As duty.review_for(); LN422 problem_unknown.';

create function duty.take_suggestion(p_ticket uuid, b jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	t ticket.ticket;
	v duty.review;
begin
	if core.role() not in ('grid_lead', 'community') then
		perform core.fail(403, 'role_not_allowed');
	end if;
	select x.* into t from ticket.ticket x where x.street_id = core.street() and x.id = p_ticket for update;
	if not found then
		perform core.fail(404, 'not_found');
	elsif t.kind <> 'suggestion' then
		perform core.fail(409, 'not_a_suggestion');
	end if;
	if b ->> 'becomes' = 'review' then
		select x.* into v from duty.review x where x.street_id = t.street_id and x.id = (b ->> 'review_id')::uuid
			and t.path ^@ x.path;
		if not found then
			perform core.fail(422, 'review_not_found', '/review_id');
		end if;
		v := duty.review_for(v.id, 'write');
		perform duty.turn_review(v, 'write', v.problems || (duty.problem(b || jsonb_build_object('problem', coalesce(b ->> 'problem', t.title)), null)
			|| jsonb_build_object('ticket_id', t.id)));
	end if;
	insert into duty.suggestion (street_id, ticket_id, path, becomes, review_id, note, decided_by)
	values (t.street_id, t.id, t.path, b ->> 'becomes', v.id, core.mask_text(b ->> 'note'), core.actor());
	perform ticket.tell(t, 'suggestion', null, core.role(), json_build_object('becomes', b ->> 'becomes'), false);
exception when unique_violation then
	perform core.fail(409, 'suggestion_taken');
end
$$;
comment on function duty.take_suggestion(uuid, jsonb) is
	'A 金点子 becomes a problem of the review of its grid, or is marked for a later project; the reporter hears of it. LN404, LN403, LN409 not_a_suggestion, suggestion_taken, wrong_state, LN422 review_not_found.';

---------------------------------------------------------------- what clients read
create view duty.review_view with (security_invoker = true) as
select v.street_id as _street_id, v.path as _path, v.version as _etag, v.id, v.campaign_id, v.grid_id, g.name as grid_name, v.state,
	(select coalesce(json_agg(p || jsonb_build_object('overdue', not (p ->> 'done')::boolean and coalesce((p ->> 'due_on')::date < core.today(), false)) order by n), '[]')
		from jsonb_array_elements(v.problems) with ordinality x (p, n)) as problems, v.reason, v.updated_at,
	(select coalesce(json_agg(t.action order by t.action), '[]') from core.transition t where t.machine = 'grid_review' and t.from_state = v.state
		and core.role() = any (t.roles) and (t.guard is null or duty.is_complete(v.problems, c.questions))) as actions
from duty.review v
join duty.review_campaign c on c.street_id = v.street_id and c.id = v.campaign_id
left join grid.grid g on g.street_id = v.street_id and g.id = v.grid_id;
comment on view duty.review_view is 'class: street. GridReview.';

-- The figures are of the reviews the reader sees: a lead's are those of their ground.
create view duty.review_campaign_view with (security_invoker = true) as
select c.street_id as _street_id, c.version as _etag, c.id, c.name, c.grid_id, c.grid_kind, c.due_on, c.questions, c.state, f.grids, f.submitted,
	f.covered, f.missed, care.share(f.covered, f.grids) as coverage, f.problems, f.done, f.help, c.created_at, c.updated_at, c.ended_at,
	case when c.path ^@ any (core.scopes()) then care.offers('review_campaign', c.state) else '[]' end as actions
from duty.review_campaign c cross join lateral (
	select count(*) as grids, count(*) filter (where v.state in ('submitted', 'confirmed')) as submitted,
		count(*) filter (where v.state = 'confirmed') as covered, count(*) filter (where v.state = 'missed') as missed,
		coalesce(sum(jsonb_array_length(v.problems)), 0)::integer as problems,
		coalesce(sum((select count(*) from jsonb_array_elements(v.problems) p where (p ->> 'done')::boolean)), 0)::integer as done,
		coalesce(sum((select count(*) from jsonb_array_elements(v.problems) p where p ->> 'help' is not null)), 0)::integer as help
	from duty.review v where v.street_id = c.street_id and v.campaign_id = c.id) f;
comment on view duty.review_campaign_view is 'class: street. ReviewCampaign: how many grids have answered, and are covered: confirmed.';

create view duty.suggestion_view with (security_invoker = true) as
select s.street_id as _street_id, s.ticket_id as id, t.number, t.title, t.grid_id, s.becomes, s.review_id, s.note, s.decided_at
from duty.suggestion s join ticket.ticket t on t.street_id = s.street_id and t.id = s.ticket_id;
comment on view duty.suggestion_view is 'class: street. TakenSuggestion.';

create function duty.follow_reviews(p_redraw uuid) returns void
language plpgsql
as $$
declare
	r record;
	heir uuid;
begin
	for r in select v as old, g.id, g.path, h.n from grid.heirs(p_redraw) c
		join duty.review v on v.street_id = core.street() and v.grid_id = c.grid_id and v.state in ('planned', 'returned')
		join duty.review_campaign k on k.street_id = v.street_id and k.id = v.campaign_id and k.state = 'open',
		unnest(c.heirs) with ordinality h (id, n)
		join grid.grid g on g.street_id = core.street() and g.id = h.id
		order by v.id, h.n desc
	loop
		select o.id into heir from duty.review o where o.street_id = (r.old).street_id
			and o.campaign_id = (r.old).campaign_id and o.grid_id = r.id;
		if r.n > 1 then
			insert into duty.review (street_id, id, campaign_id, grid_id, path)
			select (r.old).street_id, core.new_id((r.old).street_id), (r.old).campaign_id, r.id, r.path
			on conflict on constraint review_once do nothing;
		elsif heir is null then
			update duty.review x set grid_id = r.id, path = r.path, version = x.version + 1, updated_at = core.now()
			where x.street_id = (r.old).street_id and x.id = (r.old).id;
			perform core.put_event('grid_review', (r.old).id, 'transfer', null, null, r.path, null, false);
		else
			-- One a grid: what hurts in both is told in one.
			update duty.review x set problems = x.problems || (r.old).problems, version = x.version + 1, updated_at = core.now()
			where x.street_id = (r.old).street_id and x.id = heir;
			update duty.suggestion x set review_id = heir where x.street_id = (r.old).street_id and x.review_id = (r.old).id;
			delete from duty.review x where x.street_id = (r.old).street_id and x.id = (r.old).id;
		end if;
	end loop;
end
$$;
comment on function duty.follow_reviews(uuid) is
	'What a grid that a redraw closes has not answered yet, each that comes after it answers. In role system.';

grant select on duty.review_campaign, duty.review, duty.suggestion, duty.review_view, duty.review_campaign_view, duty.suggestion_view to linli_app;
grant execute on function care.share(bigint, bigint), duty.is_complete(jsonb, jsonb), care.offers(text, text),
	duty.start_campaign(uuid, jsonb), duty.edit_campaign(uuid, text, jsonb), duty.end_campaign(uuid), duty.write_review(uuid, text, jsonb),
	duty.act_review(uuid, text, jsonb), duty.take_suggestion(uuid, jsonb) to linli_app;
