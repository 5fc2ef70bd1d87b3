-- tickets: what the acts do: submitting, families, handing over, photos, time.
\ir tickets_world.psql
select pg_temp.account('reporter') as reporter, pg_temp.account('lead') as lead \gset

-- submit
select pg_temp.submit('reporter', '{"title": "找13812345678", "description": "我家电话028-85551234，证件510104199001011234", "contact_phone": "v1.x", "contact_phone_mask": "138****5678", "address": "6号院"}') as a \gset
select is(pg_temp.see('reporter', format('select row(number, status, grid_id, mine, on_behalf, public)::text from ticket.detail where id = %L', :'a')),
	format('(ZZA-%s-000001,submitted,%s,t,f,t)', extract(year from core.today()), pg_temp.u(111)),
	'a resident''s ticket gets the year''s number and the home micro-grid');
select is(pg_temp.see('reporter', format('select title || description || contact_phone_mask || address from ticket.detail where id = %L', :'a')),
	'找13812345678我家电话028-85551234，证件510104199001011234138****56786号院', 'the reporter reads it as written, the phone masked');
select is(t.title || t.description, '找138****5678我家电话028****1234，证件510***************', 'what others read is masked in the row itself')
from ticket.ticket t where t.id = :'a';
select is(pg_temp.see('reporter', format('select number from ticket.detail where id = %L', pg_temp.submit('reporter'))) like '%-000002', true, 'numbers count on');
select is(pg_temp.see(p, format('select public::text from ticket.detail where id = %L', pg_temp.submit('reporter', m))), want, what)
from (values ('reporter', '{"public": null}'::jsonb, 'false', 'noise is not public unless said'),
	('reporter', '{"public": null, "category": "street_light"}', 'true', 'a lamp is'),
	('reporter', '{"public": null, "kind": "dispute", "category": "street_light"}', 'false', 'a dispute never'))
	v (p, m, want, what);
select is(pg_temp.refusal(p, format('select ticket.submit(core.new_id(60001), %L)',
	'{"kind": "problem", "category": "noise", "urgency": "normal", "title": "tt", "description": "dd"}'::jsonb || m)), want, want)
from (values
	('reporter', '{"kind": "dispute", "public": true}'::jsonb, 'LN422 dispute_not_public /public'),
	('reporter', '{"category": "nonsense"}', 'LN422 category_unknown /category'),
	('reporter', '{"grid_id": "00000000-0000-8a61-8e00-000000000011"}', 'LN422 grid_not_for_tickets /grid_id'),
	('reporter', '{"grid_id": "00000000-0000-8a61-8e00-000000000511"}', 'LN422 grid_not_found /grid_id'),
	('reporter', '{"compound_id": "00000000-0000-8a61-8e00-000000000902"}', 'LN422 compound_not_found /compound_id'),
	('reporter', '{"on_behalf": {"name": "王婆婆"}}', 'LN422 on_behalf_not_allowed /on_behalf'),
	('lead', '{}', 'LN422 on_behalf_required /on_behalf'),
	('lead', '{"on_behalf": {"name": "王婆婆"}, "grid_id": "00000000-0000-8a61-8e00-000000000112"}', 'LN422 grid_not_found /grid_id'),
	('general', '{"on_behalf": {"name": "王婆婆"}}', 'LN422 grid_required /grid_id'),
	('community', '{}', 'LN403 role_not_allowed'),
	('reporter', '{"category": "drain_blocked"}', 'LN422 answer_required /answers/overflowing'),
	('reporter', '{"category": "drain_blocked", "answers": {"overflowing": "yes"}}', 'LN422 answer_invalid /answers/overflowing'),
	('reporter', '{"category": "drain_blocked", "answers": {"overflowing": true, "households": 0}}', 'LN422 answer_invalid /answers/households'),
	('reporter', '{"category": "drain_blocked", "answers": {"overflowing": true, "households": 1.5}}', 'LN422 answer_invalid /answers/households'),
	('reporter', '{"category": "drain_blocked", "answers": {"overflowing": true, "households": "9"}}', 'LN422 answer_invalid /answers/households'),
	('reporter', '{"category": "drain_blocked", "answers": {"overflowing": true, "place": "月球"}}', 'LN422 answer_invalid /answers/place'),
	('reporter', '{"category": "drain_blocked", "answers": {"overflowing": null}}', 'LN422 answer_invalid /answers/overflowing'),
	('reporter', '{"category": "drain_blocked", "answers": {"overflowing": true, "a/b~c": 1}}', 'LN422 answer_unknown /answers/a~1b~0c'),
	('reporter', '{"answers": {"colour": "red"}}', 'LN422 answer_unknown /answers/colour'))
	v (p, m, want);
select is(pg_temp.see('reporter', format('select answers ->> ''households'' from ticket.detail where id = %L',
	pg_temp.submit('reporter', '{"category": "drain_blocked", "answers": {"overflowing": true, "households": 96, "place": "院落"}}'))), '96', 'right answers are kept');
select pg_temp.submit('lead', '{"on_behalf": {"name": "王婆婆", "note": "上门时说的"}}') as onb \gset
select is(pg_temp.see('lead', format('select row(on_behalf, mine, contact_name, on_behalf_note)::text from ticket.detail where id = %L', :'onb')),
	'(t,f,王婆婆,上门时说的)', 'a lead writes down what somebody without a phone says');
select is((select owner_id from ticket.ticket where id = :'onb'), null, 'nobody owns it');

-- edit
select pg_temp.submit('reporter') as e \gset
create function pg_temp.edit(p text, id uuid, tag text, more jsonb default '{}') returns text language sql as
$$select pg_temp.refusal(p, format('select ticket.edit(%L, %L, %L)', id, tag,
	'{"kind": "problem", "category": "noise", "urgency": "urgent", "title": "改过", "description": "新的说法"}'::jsonb || more))$$;
select is(pg_temp.edit('reporter', :'e', '7-aa'), 'LN412 version_conflict', 'another version');
select is(pg_temp.edit('reporter', :'e', '1-deadbeef'), 'done', 'the version at hand');
select is(pg_temp.edit('reporter', :'e', '1-deadbeef'), 'LN412 version_conflict', 'is then past');
select is(pg_temp.see('reporter', format('select row(title, urgency, public)::text from ticket.detail where id = %L', :'e')), '(改过,urgent,f)', 'all is rewritten');
select is((select count(*) from core.event where subject_id = :'e' and is_public), 0::bigint, 'what is no longer public takes its events along');

-- two accept, one wins; the timeline
select pg_temp.submit('reporter') as t \gset
select is(pg_temp.act('lead', :'t', 'accept'), 'ok', 'the lead accepts');
select is(pg_temp.act('general', :'t', 'accept'), 'already_accepted', 'the second is told so');
select pg_temp.drive(:'t', 'start');
select is(pg_temp.act('lead', :'t', 'resolve', '{"note": "劝停了"}'), 'ok', 'what is not physical needs no photo');
select pg_temp.drive(:'t', 'reply rate');
select results_eq(format('select action, from_state, to_state, actor_role from core.event where subject_id = %L order by id', :'t'),
	$$values ('submit', null, 'submitted', 'resident'), ('accept', 'submitted', 'accepted', 'grid_lead'),
		('start', 'accepted', 'in_progress', 'grid_lead'), ('resolve', 'in_progress', 'resolved', 'grid_lead'),
		('reply', 'resolved', 'replied', 'community'), ('rate', 'replied', 'closed', 'resident')$$, 'every act is one event');
select is(row(t.stars, t.closed_at is not null, t.version), row(5, true, 6), 'rated and closed') from ticket.ticket t where t.id = :'t';

-- the one who worked on it does not rate it
select pg_temp.submit('reporter') as h \gset
select pg_temp.drive(:'h', 'accept start resolve reply');
update core.event set actor_id = :'reporter' where subject_id = :'h' and action = 'resolve';
select is(pg_temp.act('reporter', :'h', 'rate', '{"stars": 5, "resolved": true, "satisfied": true}'), 'handler_cannot_rate', 'a handler does not rate');

-- reopen once, same number
select pg_temp.submit('reporter') as r \gset
select pg_temp.drive(:'r', 'accept start resolve reply reopen accept start resolve reply');
select is(pg_temp.act('reporter', :'r', 'reopen', '{"reason": "还是不行"}'), 'reopen_used', 'reopened once only');
select is(row(t.reopened_count, t.status)::text, '(1,replied)', 'it stays replied') from ticket.ticket t where t.id = :'r';
select is(pg_temp.act('reporter', :'r', 'rate', '{"stars": 1, "resolved": false, "satisfied": false}'), 'ok', 'and can still be rated');

-- photos
create function pg_temp.photo(p text) returns uuid language plpgsql as $$
declare
	id uuid := core.new_id(60001);
begin
	perform pg_temp.as_app(p);
	perform ticket.add_photo(id, repeat(left(md5(id::text), 16), 4), repeat('0', 64), 640, 480, 1000);
	reset role;
	return id;
end $$;
select pg_temp.submit('reporter', '{"category": "street_light"}') as lamp \gset
select pg_temp.drive(:'lamp', 'accept start');
select is(pg_temp.act('lead', :'lamp', 'resolve', '{"note": "修好了"}'), 'photo_required', 'a physical thing is resolved with a photo');
select pg_temp.photo('lead') as f1, pg_temp.photo('reporter') as f2, pg_temp.photo('reporter') as f4 \gset
select is(pg_temp.refusal('lead', format('select ticket.act(%L, ''resolve'', ''{"note": "n", "photo_ids": ["%s", "%s"]}'')', :'lamp', :'f1', :'f2')),
	'LN422 photo_unknown /photo_ids/1', 'of one''s own');
select is(pg_temp.act('lead', :'lamp', 'resolve', format('{"note": "修好了", "photo_ids": ["%s"]}', :'f1')::jsonb), 'ok', 'with it, it is');
select is(pg_temp.see('neighbour', format('select stage from ticket.photo_view where id = %L', :'f1')), 'resolve', 'all who may see the ticket see it');
select is(pg_temp.see('lead', format('select count(*) from ticket.photo_view where id = %L', :'f2')), '0', 'an unattached photo is its uploader''s');
select is(pg_temp.see('reporter', format('select count(*) from ticket.photo_view where id = %L', :'f2')), '1', 'only');
select is(pg_temp.refusal('lead', format('select ticket.add_comment(core.new_id(60001), %L, ''t'', false, ''["%s"]'')', :'lamp', :'f1')),
	'LN422 photo_unknown /photo_ids/0', 'a photo is used once');
select pg_temp.photo('lead') as f3 \gset
select is(pg_temp.refusal('lead', format('select ticket.add_comment(core.new_id(60001), %L, ''内部'', true, ''["%s"]'')', :'lamp', :'f3')), 'done', 'an internal photo');
select is(pg_temp.see(p, format('select count(*) from ticket.photo_view where id = %L', :'f3')), n, p || ' and the internal photo')
from (values ('reporter', '0'), ('neighbour', '0'), ('community', '1'), ('community2', '0')) v (p, n);
select count(pg_temp.photo('fifth')) from generate_series(1, 20) \g /dev/null
select is(pg_temp.refusal('fifth', format('select ticket.add_photo(core.new_id(60001), %L, %L, 1, 1, 1)', repeat('a', 64), repeat('b', 64))),
	'LN409 photo_quota', 'twenty unused photos are enough');
update ticket.photo f set hash = repeat('c', 64), thumb_hash = repeat('d', 64) where f.id in (:'f1', :'f2', :'f4');
update ticket.photo f set created_at = now() - interval '24 hours', hash = case f.id when :'f2' then repeat('e', 64) else repeat('c', 64) end where f.id in (:'f2', :'f4');
create temporary table gone as select * from ticket.drop_photos(100);
select results_eq('select hash from gone', array[repeat('e', 64)], 'after a day an unused photo goes; a hash in use stays');
select is((select count(*) from ticket.photo where id in (:'f2', :'f4')), 0::bigint, 'the rows are gone');

-- a family of five
select pg_temp.submit('reporter') as p \gset
select pg_temp.submit('neighbour') as c1, pg_temp.submit('third') as c2, pg_temp.submit('fourth') as c3, pg_temp.submit('fifth') as c4 \gset
select is(pg_temp.act('community', :'c2', 'merge', jsonb_build_object('target_id', :'c1')), 'ok', 'one into another');
select is(pg_temp.act('community', :'c1', 'merge', jsonb_build_object('target_id', :'p')), 'ok', 'that into a third');
select is(pg_temp.act('community', id, 'merge', jsonb_build_object('target_id', :'p')), 'ok', 'and more') from unnest(array[:'c3', :'c4']::uuid[]) id;
select is((select merged_into from ticket.ticket where id = :'c2'), :'p', 'grandchildren move up');
select is((select row(merged_count, status)::text from ticket.ticket where id = :'p'), '(4,submitted)', 'the target answers for four');
select is(pg_temp.act('community', :'p', 'merge', jsonb_build_object('target_id', :'p')), 'target_unknown', 'not into itself');
select is(pg_temp.act('community', :'p', 'merge', jsonb_build_object('target_id', :'c1')), 'target_not_open', 'nor into what was merged');
select is(pg_temp.act('community', :'p', 'merge', jsonb_build_object('target_id', pg_temp.submit('reporter', jsonb_build_object('grid_id', pg_temp.u(211))))),
	'target_unknown', 'nor into another community''s');
select is(pg_temp.act('reporter', :'p', 'withdraw'), 'others_joined', 'the one others joined is not withdrawn');
select is(pg_temp.act('reporter', pg_temp.submit('reporter'), 'withdraw'), 'ok', 'another is');
select pg_temp.drive(:'p', 'accept start resolve reply');
select is(count(*), 5::bigint, 'each of the five has the reply') from ticket.ticket t
where t.id in (:'p', :'c1', :'c2', :'c3', :'c4') and t.status = 'replied' and t.reply = '回复如下' and t.replied_at is not null;
select is(count(*), 5::bigint, 'and an event of its own') from core.event e
where e.subject_id in (:'p', :'c1', :'c2', :'c3', :'c4') and e.action = 'reply' and e.actor_role = 'community'
	and e.actor_id = pg_temp.account('community') and e.to_state = 'replied';
select is(pg_temp.act('neighbour', :'c1', 'rate', '{"stars": 4, "resolved": true, "satisfied": true}'), 'ok', 'a child''s reporter rates their own');
select is(pg_temp.act('third', :'c2', 'reopen', '{"reason": "我家还堵"}'), 'ok', 'another reopens their own');
select is(pg_temp.act('lead', :'c2', 'accept'), 'ok', 'which goes round again by itself');
select is(pg_temp.status(:'p'), 'replied', 'the parent is not touched');
select pg_temp.submit('reporter') as p2, pg_temp.submit('neighbour') as k \gset
select pg_temp.act('community', :'k', 'merge', jsonb_build_object('target_id', :'p2')) \g /dev/null
select is(pg_temp.act('lead', :'p2', 'reject', '{"reason": "不受理"}'), 'ok', 'a ticket with children is rejected');
select is(pg_temp.status(:'k'), 'rejected', 'its children with it');

-- handing over
select pg_temp.submit('reporter') as w, pg_temp.submit('neighbour') as wk \gset
select pg_temp.act('community', :'wk', 'merge', jsonb_build_object('target_id', :'w')),
	pg_temp.act('neighbour', :'w', 'support'),
	pg_temp.refusal('lead', format('select ticket.add_comment(core.new_id(60001), %L, ''内部'', true, null)', :'w')) \g /dev/null
select is(pg_temp.act('lead', :'w', 'transfer', jsonb_build_object('reason', 'r', 'grid_id', g)), want, want || ' ' || what)
from (values (pg_temp.u(111), 'same_grid', ''), (pg_temp.u(211), 'grid_not_found', 'in another community'),
	(pg_temp.u(11), 'grid_not_for_tickets', ''), (pg_temp.u(511), 'grid_not_found', 'in another street')) v (g, want, what);
select is(pg_temp.see('lead', format($$select row(grid_id, grid_name, status)::text from ticket.transfer(%L, '{"reason": "隔壁的", "grid_id": "%s"}')$$, :'w', pg_temp.u(112))),
	format('(%s,甲一一二,submitted)', pg_temp.u(112)), 'the lead hands it to the next micro-grid');
select is(pg_temp.see(p, format('select count(*) from ticket.ticket where id = %L', x)), n, p || ' now')
from (values ('lead', :'w', '0'), ('next', :'w', '1'), ('next', :'wk', '1'), ('reporter', :'w', '1'), ('lead', :'wk', '0')) v (p, x, n);
select is(pg_temp.see('next', format('select string_agg(action, '' '' order by id) from core.event_view where subject_id = %L', :'w')),
	'submit merged_here support comment_internal transfer', 'the new lead reads the whole timeline');
select is(pg_temp.see('lead', format('select string_agg(action, '' '' order by id) from core.event_view where subject_id = %L', :'w')),
	'handed_over', 'the old one that it left');
select is(count(*), 0::bigint, 'no row of it stays under the old path') from (
	select path, ticket_id from ticket.private union all select path, ticket_id from ticket.supporter
	union all select path, ticket_id from ticket.comment) x
where x.ticket_id in (:'w', :'wk') and x.path <> '60001/1/1/2/';
select is(pg_temp.act('community', :'w', 'transfer', jsonb_build_object('reason', 'r', 'grid_id', pg_temp.u(211))), 'ok', 'a community hands on to another');
select is(pg_temp.act('community', :'w', 'accept'), 'gone', 'and then does not see it');
select is(pg_temp.act('other', :'w', 'accept'), 'ok', 'the lead there takes it');
select pg_temp.as_app('lead') \g /dev/null
select throws_ok(format('select ticket.restamp(%L, ''60001/1/1/1/'', true)', :'w'), '42501', null, 'the app cannot move paths by itself');
reset role;

-- silence
select pg_temp.submit('reporter') as q, pg_temp.submit('lead', '{"on_behalf": {"name": "王婆婆"}}') as q2 \gset
update ticket.ticket set replied_at = now() + interval '1 year' where status = 'replied';
select pg_temp.drive(:'q', 'accept start resolve reply'), pg_temp.drive(:'q2', 'accept start resolve reply') \g /dev/null
select pg_temp.clock(now() + interval '7 days' - interval '1 second');
select is(ticket.close_silent(100), 0, 'a second short of seven days nothing closes');
select pg_temp.clock(now() + interval '7 days');
set local role linli_job;
select is(ticket.close_silent(1), 1, 'then one by one');
select is(ticket.close_silent(100), 1, 'and the rest');
reset role;
select is(row(t.status, e.actor_id, e.actor_role)::text, '(closed,,system)', 'closed by the system')
from ticket.ticket t join core.event e on e.subject_id = t.id and e.action = 'close' where t.id = :'q';
select pg_temp.clock(null) \g /dev/null

-- support, thanks
select pg_temp.submit('reporter') as s \gset
select is(pg_temp.act(p, :'s', a), want, p || ' ' || a || ': ' || want) from (values
	(1, 'neighbour', 'support', 'ok'), (2, 'neighbour', 'support', 'already_supported'), (3, 'third', 'support', 'ok'),
	(4, 'reporter', 'support', 'own_ticket'), (5, 'third', 'unsupport', 'ok'), (6, 'third', 'unsupport', 'not_supported'),
	(7, 'neighbour', 'thank', 'wrong_state')) v (n, p, a, want) order by n;
select is((select support_count from ticket.ticket where id = :'s'), 1, 'counted');
select pg_temp.drive(:'s', 'accept start resolve');
select is(pg_temp.act('neighbour', :'s', 'thank', '{"text": "谢谢，打13812345678"}'), 'ok', 'a neighbour thanks');
select is(pg_temp.act('neighbour', :'s', 'thank'), 'already_thanked', 'once');
select is(pg_temp.see('third', format('select data::text from core.event_view where subject_id = %L and action = ''thank''', :'s')),
	'{"text" : "谢谢，打138****5678"}', 'others read the words, masked');
select is(pg_temp.refusal('neighbour', format('select ticket.add_comment(core.new_id(60001), %L, ''t'', true, null)', :'s')),
	'LN422 staff_only /internal', 'internal comments are for staff');

select * from finish(true);
rollback;
