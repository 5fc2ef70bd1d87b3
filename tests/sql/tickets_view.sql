-- tickets: who sees what of them, lists, search, near-duplicates, places, feed.
\ir tickets_world.psql

-- coordinates
select cmp_ok(core.metres(v.lon2, v.lat2, g.gcj_lon, g.gcj_lat), '<', 0.01::float8, 'WGS-84 to GCJ-02 as the public implementations have it, ' || place)
from (values ('Shanghai', 121.5272106, 31.1774276, 121.531541859215, 31.17530398364597),
	('Shenzhen', 113.912316, 22.543847, 113.9171764808363, 22.540796131694766),
	('Beijing', 116.377817, 39.911954, 116.38404722455657, 39.91334545536069)) v (place, lon, lat, lon2, lat2),
	core.wgs84_to_gcj02(v.lon, v.lat) g;
select cmp_ok(max(core.metres(lon, lat, w.wgs_lon, w.wgs_lat)), '<', 0.01::float8, 'there and back is within a centimetre all over China')
from (select 74 + i * 2.9 as lon, 19 + j * 2.9 as lat from generate_series(0, 20) i, generate_series(0, 11) j) p,
	core.wgs84_to_gcj02(lon, lat) g, core.gcj02_to_wgs84(g.gcj_lon, g.gcj_lat) w;
select cmp_ok(core.metres(104.06, 30.67, g.gcj_lon, g.gcj_lat), '>', 300::float8, 'in Chengdu they are hundreds of metres apart')
from core.wgs84_to_gcj02(104.06, 30.67) g;
select is(row(g.*), row(2.35::float8, 48.85::float8), 'outside China nothing moves') from core.wgs84_to_gcj02(2.35, 48.85) g;
select cmp_ok(abs(core.metres(104, 30, 104, 31) - 111195), '<', 1::float8, 'a degree of latitude');

-- what each sees of a public and of a private ticket
select pg_temp.submit('reporter', '{"title": "找13812345678", "description": "6号院2单元", "contact_name": "陈秀英", "contact_phone": "v1.sealed", "contact_phone_mask": "138****5678", "address": "6号院2单元3号", "building": "2单元", "compound_id": "00000000-0000-8a61-8e00-000000000901", "position": {"lon": 104.0, "lat": 30.6, "crs": "gcj02"}, "answers": {"hours": "夜间"}}') as pub,
	pg_temp.submit('reporter', '{"public": false, "contact_name": "陈秀英", "address": "6号院"}') as priv \gset
create temporary table sight (person text, pub text, priv text);
insert into sight select p,
	pg_temp.see(p, format($$select (contact_name is not null) || ' ' || title from ticket.detail where id = %L$$, :'pub')),
	pg_temp.see(p, format($$select (contact_name is not null)::text from ticket.detail where id = %L$$, :'priv'))
from unnest('{reporter,neighbour,lead,general,next,other,community,community2,street,far}'::text[]) p;
select results_eq('select person, pub, priv from sight order by 1', $$values
	('community', 'true 找13812345678', 'true'), ('community2', null, null), ('far', null, null),
	('general', 'true 找13812345678', 'true'), ('lead', 'true 找13812345678', 'true'),
	('neighbour', 'false 找138****5678', null), ('next', null, null), ('other', null, null),
	('reporter', 'true 找13812345678', 'true'), ('street', 'true 找13812345678', 'true')$$, 'public, private, and whose');
select is(pg_temp.see('neighbour', format($$select count(x.value) from ticket.detail d, json_each(row_to_json(d)) x
	where d.id = %L and x.key in ('contact_name', 'contact_phone_mask', 'address', 'compound_id', 'building', 'position',
		'position_gcj02', 'answers', 'on_behalf_note', 'rating') and x.value::text <> 'null'$$, :'pub')), '0', 'the public sees none of the private fields');
select is(pg_temp.see('neighbour', 'select count(*) from ticket.private'), '0', 'nor a row of the private table');
select is(pg_temp.see('reporter', format('select round((position_gcj02 ->> ''lon'')::numeric, 5) || '' '' || round((position ->> ''lon'')::numeric, 2) || (position ->> ''crs'') from ticket.detail where id = %L', :'pub')),
	'104.00000 104.00wgs84', 'a position comes back as it was given, and in WGS-84');
select isnt(pg_temp.see('reporter', format('select position ->> ''lon'' from ticket.detail where id = %L', :'pub')), '104.000000', 'which is another figure');
select is(pg_temp.see('neighbour', format('select d.similar::text from ticket.detail d where id = %L', :'pub')), '[]', 'nothing is near a hidden place');
select pg_temp.as_app('neighbour') \g /dev/null
select throws_ok('select contact_phone from ticket.private', '42501', null, 'the app cannot select the sealed phone');
reset role;

-- the contact in full
select is(pg_temp.see('lead', format('select contact_name || contact_phone from ticket.contact(%L)', :'pub')), '陈秀英v1.sealed', 'the lead gets the phone');
select is(pg_temp.refusal(p, format('select ticket.contact(%L)', :'pub')), want, p || ' and the phone')
from (values ('reporter', 'LN403 role_not_allowed'), ('street', 'LN403 role_not_allowed')) v (p, want);
select is(pg_temp.see('next', format('select count(*) from ticket.contact(%L)', :'pub')), '0', 'another lead gets nothing');
select is(pg_temp.see(p, format('select count(*) from core.event_view where subject_id = %L and action = ''contact_viewed''', :'pub')), n, p || ' and the trace of it')
from (values ('community', '1'), ('reporter', '0'), ('neighbour', '0')) v (p, n);

-- comments
select pg_temp.refusal('neighbour', format('select ticket.add_comment(core.new_id(60001), %L, ''打13912345678'', false, null)', :'pub')),
	pg_temp.refusal('lead', format('select ticket.add_comment(core.new_id(60001), %L, ''报告人情绪激动'', true, null)', :'pub')) \g /dev/null
select is(pg_temp.see(p, format('select string_agg(text, '' '' order by id) from ticket.comment_view where _ticket_id = %L', :'pub')), want, p || ' reads the comments')
from (values ('reporter', '打13912345678'), ('neighbour', '打13912345678'), ('third', '打139****5678'),
	('lead', '打13912345678 报告人情绪激动'), ('next', null), ('far', null)) v (p, want);

-- events: the public reads roles, not people
select pg_temp.drive(:'pub', 'accept'), pg_temp.act('neighbour', :'pub', 'support') \g /dev/null
select is(pg_temp.see(p, format('select string_agg(action || (actor_id is not null), '' '' order by id) from core.event_view where subject_id = %L', :'pub')), want, p || ' reads the timeline')
from (values ('third', 'submitfalse commentfalse acceptfalse supportfalse'), ('reporter', 'submittrue commentfalse acceptfalse supportfalse'),
	('neighbour', 'submitfalse commenttrue acceptfalse supporttrue'),
	('street', 'submittrue contact_viewedtrue commenttrue comment_internaltrue accepttrue supporttrue'), ('other', null)) v (p, want);
select is(pg_temp.see('third', format('select count(data) from core.event_view where subject_id = %L', :'pub')), '0', 'and no words but of reply and thanks');

-- lists: scopes, filters, paging
create function pg_temp.list(p text, args text) returns text language sql as
$$select pg_temp.see(p, format($q$select coalesce(string_agg(substr(title, 3), ' ' order by n), '')
	from (select b.title, row_number() over () n from ticket.list(%s) b where b.title ~ '^甲:') x$q$, args))$$;
-- Six tickets, an hour apart, the last submitted first in every list.
create function pg_temp.at(n int, p text, more jsonb) returns uuid language plpgsql as $$
declare
	id uuid;
begin
	perform pg_temp.clock(timestamptz '2026-03-01 00:00+00' + n * interval '1 hour');
	id := pg_temp.submit(p, more || jsonb_build_object('title', '甲:' || n));
	perform pg_temp.clock(null);
	return id;
end $$;
select pg_temp.at(1, 'reporter', '{"description": "污水外溢"}') as l1, pg_temp.at(2, 'neighbour', '{"description": "油烟很大", "category": "oil_smoke", "public": false}') as l2,
	pg_temp.at(3, 'reporter', jsonb_build_object('grid_id', pg_temp.u(112), 'description', '楼上漏水，烟味', 'urgency', 'critical')) as l3,
	pg_temp.at(4, 'reporter', jsonb_build_object('grid_id', pg_temp.u(19), 'description', '饭堂油烟ＡＢＣ', 'kind', 'praise')) as l4,
	pg_temp.at(5, 'reporter', jsonb_build_object('grid_id', pg_temp.u(211), 'description', '路灯 100% 不亮')) as l5,
	pg_temp.at(6, 'lead', '{"on_behalf": {"name": "王婆婆"}, "description": "烟油烟囱"}') as l6 \gset
select pg_temp.drive(:'l1', 'accept') \g /dev/null
create temporary table args (what text, args text);
insert into args values ('all', 'null,null,null,null,null,false,false,null,null,null,null,null,21');
select is(pg_temp.list(p, (select args from args)), want, p || ' lists')
from (values ('reporter', '6 5 4 3 1'), ('neighbour', '6 5 4 3 2 1'), ('lead', '6 2 1'), ('next', '3'), ('general', '6 3 2 1'),
	('community', '6 4 3 2 1'), ('community2', '5'), ('other', '5'), ('street', '6 5 4 3 2 1'), ('far', '')) v (p, want);
select is(pg_temp.list(p, a), want, what) from (values
	('street', '''{accepted}'',null,null,null,null,false,false,null,null,null,null,null,21', '1', 'by status'),
	('street', '''{accepted,closed}'',null,null,null,null,false,false,null,null,null,null,null,21', '1', 'by statuses, not all open'),
	('community', '''{submitted}'',null,null,null,null,false,false,null,null,null,null,null,21', '6 4 3 2', 'open ones of a community'),
	('lead', '''{submitted}'',null,null,null,null,false,false,null,null,null,null,null,21', '6 2', 'open ones of a lead'),
	('street', 'null,''praise'',null,null,null,false,false,null,null,null,null,null,21', '4', 'by kind'),
	('street', 'null,null,''oil_smoke'',null,null,false,false,null,null,null,null,null,21', '2', 'by category'),
	('street', 'null,null,null,''critical'',null,false,false,null,null,null,null,null,21', '3', 'by urgency'),
	('street', 'null,null,null,null,pg_temp.u(1),false,false,null,null,null,null,null,21', '6 4 3 2 1', 'below a community'),
	('street', 'null,null,null,null,pg_temp.u(11),false,false,null,null,null,null,null,21', '6 3 2 1', 'below a general grid'),
	('street', 'null,null,null,null,pg_temp.u(112),false,false,null,null,null,null,null,21', '3', 'below a micro-grid'),
	('neighbour', 'null,null,null,null,pg_temp.u(112),false,false,null,null,null,null,null,21', '3', 'a resident, too'),
	('lead', 'null,null,null,null,pg_temp.u(1),false,false,null,null,null,null,null,21', '6 2 1', 'a lead stays within the own grids'),
	('lead', 'null,null,null,null,pg_temp.u(112),false,false,null,null,null,null,null,21', '', 'and sees nothing in another'),
	('lead', 'null,null,null,null,pg_temp.u(511),false,false,null,null,null,null,null,21', '', 'nor in another street''s'),
	('reporter', 'null,null,null,null,null,true,false,null,null,null,null,null,21', '5 4 3 1', 'mine'),
	('lead', 'null,null,null,null,null,true,false,null,null,null,null,null,21', '6', 'those a lead wrote down'),
	('street', 'null,null,null,null,null,false,false,''2026-03-01 03:00Z'',''2026-03-01 05:00Z'',null,null,null,21', '4 3', 'from a time, before a time'),
	('street', 'null,null,null,null,null,false,false,null,null,null,''油烟'',null,21', '6 4 2', 'two characters are a word'),
	('community', 'null,null,null,null,null,false,false,null,null,null,''油烟'',null,21', '6 4 2', 'for a community'),
	('lead', 'null,null,null,null,null,false,false,null,null,null,''油烟'',null,21', '6 2', 'for a lead'),
	('reporter', 'null,null,null,null,null,false,false,null,null,null,''油烟'',null,21', '6 4', 'nobody finds what is hidden'),
	('street', 'null,null,null,null,null,false,false,null,null,null,''烟油烟囱'',null,21', '6', 'a longer word as it stands'),
	('street', 'null,null,null,null,null,false,false,null,null,null,''油烟油'',null,21', '', 'not its pairs in any order'),
	('street', 'null,null,null,null,null,false,false,null,null,null,''烟味　漏水'',null,21', '3', 'several words, all of them'),
	('street', 'null,null,null,null,null,false,false,null,null,null,''abc'',null,21', '4', 'full-width and case do not matter'),
	('street', 'null,null,null,null,null,false,false,null,null,null,''100%'',null,21', '5', 'a percent sign is one'),
	('street', 'null,null,null,null,null,false,false,null,null,null,''油%'',null,21', '', 'and no wildcard'),
	('street', 'null,null,null,null,null,false,false,null,null,null,''%%'',null,21', '', 'nor two'),
	('street', 'null,null,null,null,null,false,false,null,null,null,''\(((['',null,21', '', 'nor is anything a pattern'),
	('reporter', 'null,null,null,null,null,true,false,null,null,null,''油烟'',null,21', '4', 'mine with a word')) v (p, a, want, what);
select is(pg_temp.list('street', format('null,null,null,null,null,false,false,null,null,null,%L,null,21', lower(t.number))), '2', 'by its number')
from ticket.ticket t where t.id = :'l2';
select is(pg_temp.list('neighbour', 'null,null,null,null,null,false,true,null,null,null,null,null,21'), '', 'no support yet');
select pg_temp.act('neighbour', :'l3', 'support'), pg_temp.act('neighbour', :'l1', 'support') \g /dev/null
select is(pg_temp.list('neighbour', 'null,null,null,null,null,false,true,null,null,null,null,null,21'), '3 1', 'supported');
update ticket.ticket set updated_at = timestamptz '2026-04-01 00:00+00' + (substr(title, 3)::int * 7 % 6) * interval '1 hour' where title ~ '^甲:';
select is(pg_temp.list(p, 'null,null,null,null,null,false,false,null,null,''2026-04-01 01:00Z'',null,null,21'), want, p || ': changed since, oldest change first')
from (values ('street', '2 3 4 5'), ('community', '2 3 4'), ('general', '2 3'), ('lead', '2'), ('reporter', '3 4 5')) v (p, want);

-- every page, no row twice, none missed, whatever the role and the order
create function pg_temp.pages(p text, changed boolean) returns text language plpgsql as $$
declare
	cur text;
	got text[];
	seen text := '';
begin
	for i in 1..20 loop
		perform pg_temp.as_app(p);
		select array_agg(x.t order by x.n), (array_agg(x.c order by x.n desc))[1] into got, cur from (
			select b.title t, concat_ws(':', case when changed then b.updated_at else b.created_at end, b.id) c, row_number() over () n
			from ticket.list(null, null, null, null, null, false, false, null, '2026-03-02',
				case when changed then timestamptz '2000-01-01' end, null, cur, 2) b) x;
		reset role;
		exit when got is null;
		seen := seen || array_to_string(got, ',') || ' | ';
	end loop;
	return replace(seen, '甲:', '');
end $$;
update ticket.ticket set created_at = '2026-03-01 03:00Z' where title in ('甲:2', '甲:3', '甲:4');
select is(regexp_replace(pg_temp.pages(p, c), '[^0-9]', '', 'g'), pg_temp.see(p, format($q$
	select string_agg(substr(title, 3), '' order by case when %L::boolean then updated_at end,
		case when %1$L::boolean then id end, created_at desc, id desc) from ticket.listed where title ~ '^甲:'$q$, c)),
	p || ': pages join up' || case when c then ' by change' else '' end)
from unnest('{street,community,general,lead,neighbour}'::text[]) p, unnest('{f,t}'::boolean[]) c;
-- What is only the newest of a whole street has a function of its own.
select is(pg_temp.see(p, format('select array_agg(id)::text from ticket.list_street(%s, null, null, %s, %s, %s, 3)', kind, since, until, after)),
	pg_temp.see(p, format('select array_agg(id)::text from ticket.list(null, %s, null, null, null, false, false, %s, %s, null, null, %s, 3)',
		kind, since, until, after)), format('%s: the whole street, %s %s %s %s', p, kind, since, until, after))
from unnest('{street,neighbour,third}'::text[]) p, unnest(array['null', '''problem''']) kind, unnest(array['null', '''2026-03-01 02:30Z''']) since,
	unnest(array['null', '''2026-03-01 04:30Z''']) until,
	unnest(array['null', '''2026-03-01 03:00Z:'' || (select id from ticket.listed where title = ''甲:3'')']) after;

-- counts
select is(pg_temp.see('community', $$select row(total, open, by_status, (select json_agg(x ->> 'count') from json_array_elements(by_grid) x))::text
	from ticket.summary(null, null, null, null, '2026-03-01', '2026-03-02')$$),
	'(5,5,"[{""status"" : ""submitted"", ""count"" : 4}, {""status"" : ""accepted"", ""count"" : 1}]","[""4"", ""1""]")', 'a community counts its general and special grids');
select is(pg_temp.see(p, $$select total || ' ' || (select string_agg(x ->> 'count', ',') from json_array_elements(by_grid) x)
	from ticket.summary(null, null, null, null, '2026-03-01', '2026-03-02')$$), want, p || ' counts') from (values
	('street', '6 5,1'), ('lead', '3 3'), ('general', '4 3,1'), ('reporter', '5 4,1'), ('other', '1 1')) v (p, want);
select is(pg_temp.see('far', 'select total::text from ticket.summary(null, null, null, null, null, null)'), '0', 'another street counts none of them');

-- near-duplicates
create function pg_temp.near(p text, category text, lat float8, compound uuid default null, building text default null) returns text language sql as
$$select coalesce(pg_temp.see(p, format('select string_agg(title || coalesce(distance::text, ''-''), '' '' order by title) from ticket.similar_at(%L, 104.5, %L, ''wgs84'', %L, %L)',
	category, lat, compound, building)), '')$$;
select pg_temp.submit('reporter', '{"title": "近", "category": "pets", "position": {"lon": 104.5, "lat": 30.5, "crs": "wgs84"}}') as n1,
	pg_temp.submit('reporter', '{"title": "私", "public": false, "category": "pets", "position": {"lon": 104.5, "lat": 30.5, "crs": "wgs84"}}') as n2,
	pg_temp.submit('reporter', '{"title": "同栋", "category": "pets", "compound_id": "00000000-0000-8a61-8e00-000000000901", "building": "3栋"}') as n3 \gset
select is(pg_temp.near('community', 'pets', 30.5 + 99.9 / 111195.08), '私100 近100', 'within 100 m');
select is(pg_temp.near('community', 'pets', 30.5 + 100.1 / 111195.08), '', 'not beyond');
select is(pg_temp.near('community', 'pets', 30.5 - 99.9 / 111195.08), '私100 近100', 'south of it, too');
select is(pg_temp.near('community', 'noise', 30.5), '', 'of the same category');
select is(pg_temp.near('community2', 'pets', 30.5), '', 'in the caller''s scope');
select is(pg_temp.near('neighbour', 'pets', 30.5), '近-', 'a resident is offered what is public, and not how far it is');
select is(pg_temp.near('neighbour', 'pets', 31, pg_temp.u(901), ' 3栋 '), '同栋-', 'in the same building');
select is(pg_temp.near('community', 'pets', 31, pg_temp.u(901), '3栋'), '同栋-', 'nobody knows how far, where no position was given');
select is(pg_temp.near('neighbour', 'pets', 31, pg_temp.u(901), '4栋'), '', 'of the compound');
update ticket.private set created_at = now() - interval '30 days' + interval '1 minute' where ticket_id = :'n1';
select is(pg_temp.near('neighbour', 'pets', 30.5), '近-', 'of the last 30 days');
update ticket.private set created_at = now() - interval '30 days' where ticket_id = :'n1';
select is(pg_temp.near('neighbour', 'pets', 30.5), '', 'not older');
select is(pg_temp.see('community', format('select string_agg(x ->> ''title'', '','') from ticket.detail d, json_array_elements(d.similar) x where d.id = %L', :'n2')), null, 'a ticket is not like itself');
update ticket.private set created_at = now() where ticket_id = :'n1';
select is(pg_temp.see('community', format('select string_agg(x ->> ''title'', '','') from ticket.detail d, json_array_elements(d.similar) x where d.id = %L', :'n2')), '近', 'but like its neighbour');

-- the feed: settled transactions only, in their order, within scope
create function pg_temp.feed(p text, after text default null, n int default 100) returns text language sql as
$$select coalesce(pg_temp.see(p, format('select string_agg(action, '' '' order by n) from (select f.action, row_number() over () n from core.feed(%L, %s) f where f.subject_id = %L) x',
	after, n, current_setting('test.subject'))), '')$$;
select set_config('test.subject', :'pub', true) \g /dev/null
select is(pg_temp.feed('street'), '', 'what the running transaction did is not yet told');
update core.event set xact = '5' where subject_id = :'pub' and action = 'accept';
update core.event set xact = '4' where subject_id = :'pub' and action in ('support', 'comment');
update core.event set xact = '6' where subject_id = :'pub' and action in ('submit', 'contact_viewed');
select is(pg_temp.feed(p), want, p || ' follows') from (values
	('street', 'comment support accept submit contact_viewed'), ('community', 'comment support accept submit contact_viewed'),
	('lead', 'comment support accept submit contact_viewed'), ('general', 'comment support accept submit contact_viewed'),
	('reporter', 'comment support accept submit'), ('third', 'comment support accept submit'), ('next', ''), ('community2', ''), ('far', '')) v (p, want);
select is(pg_temp.feed('lead', '4:ffffffff-ffff-ffff-ffff-ffffffffffff'), 'accept submit contact_viewed', 'after a transaction');
select is(pg_temp.feed('street', '4:' || id), 'support accept submit contact_viewed', 'after an event') from core.event where subject_id = :'pub' and action = 'comment';
select ok(core.horizon() ~ '^[0-9]+:0{8}-', 'the head of the feed is a cursor');
select is(pg_temp.see('street', $$select string_agg(coalesce(street_id::text, 'mark'), ' ') from core.changed_streets('4')$$), 'mark 60001', 'a changed street is named, after the mark');
select is(pg_temp.see('street', $$select string_agg(coalesce(street_id::text, 'mark'), ' ') from core.changed_streets(pg_snapshot_xmin(pg_current_snapshot()))$$), 'mark', 'none when nothing settled since');
select is(pg_temp.see('street', $$select bool_or(street_id = 60001)::text from core.changed_streets((pg_snapshot_xmin(pg_current_snapshot())::text::bigint + 9)::text::xid8)$$), 'true', 'after a crash a mark may be ahead: all are named');
select is(pg_temp.see('street', $$select core.street() || core.role() from core.changed_streets('4') limit 1$$), '60001street', 'asking does not widen the asker''s context');

select * from finish(true);
rollback;
