-- Four months of tickets, made by the functions that every request uses, on a
-- clock set back: so the demo's timelines, numbers and counts are what the
-- API itself would have written.

create temp table demo_topic (n integer, category text, kind text, title text,
	description text, reply text, answers jsonb) on commit drop;
insert into demo_topic values
	(0, 'noise', 'problem', '夜间施工噪声', '晚上十点以后还在施工，老人和孩子都睡不着。', '已约谈施工方，晚十点后停工，网格员连续三晚回访。', null),
	(1, 'neighbour_dispute', 'dispute', '楼道堆放杂物引起争执', '对门长期在楼道堆放纸箱，沟通几次没有结果。', '经两次上门调解，双方达成一致，杂物已清走。', null),
	(2, 'policy_question', 'consultation', '高龄津贴怎么申请', '父亲今年满八十岁，想了解高龄津贴的办理流程。', '带身份证和社保卡到社区党群服务中心即可办理，也可由网格员上门代办。', null),
	(3, 'pets', 'problem', '遛狗不牵绳', '院坝里有人遛狗不牵绳，孩子被吓到。', '已上门提醒养犬人，并在院坝增设文明养犬提示。', null),
	(4, 'elder_care', 'problem', '独居老人需要送餐', '楼上老人最近腿脚不便，买菜做饭困难。', '已联系社区食堂每日送餐，并安排志愿者每周探访。', null),
	(5, 'community_life', 'suggestion', '希望院里办一次坝坝会', '想请大家一起商量休闲座椅放在哪里。', '已列入本月议事会议题，时间地点另行通知。', null),
	(6, 'drain_blocked', 'problem', '下水管道反水', '一楼厨房下水反水，味道很大。', '管道已疏通并冲洗，物业每季度清掏一次。', '{"overflowing": true, "place": "室内"}'),
	(7, 'oil_smoke', 'problem', '楼下餐馆油烟扰民', '楼下餐馆油烟直排，家里不敢开窗。', '餐馆已加装油烟净化器，综合执法队复查达标。', '{"hours": "晚"}'),
	(8, 'fire_hazard', 'problem', '楼道灭火器过期', '三楼的灭火器压力指针在红区。', '物业已更换全部过期灭火器。', '{"kind": "灭火器过期"}'),
	(9, 'ebike_parking', 'problem', '电动车在楼道充电', '一单元有人把电动车推进楼道充电，很危险。', '车辆已劝离，院内新增充电桩八个。', '{"indoors": true, "charging": true}'),
	(10, 'street_light', 'problem', '路灯不亮', '小区东门的两盏路灯坏了一个星期。', '路灯已修复。', null),
	(11, 'waste_sorting', 'problem', '垃圾桶满溢', '分类投放点的桶经常满溢，没有及时清运。', '清运由每日一次改为两次。', null),
	(12, 'community_life', 'praise', '感谢网格员帮忙', '网格员帮我把走失的老人送回家，谢谢！', '感谢您的肯定，我们会继续做好服务。', null);

-- The picture of a finished work: photo.jpg.b64, which run.sh puts into the photo
-- store under the hash of its bytes.
create function pg_temp.demo_photo(street integer, uploader uuid, what text) returns text
language sql
as $$
	insert into ticket.photo (street_id, id, uploader_id, hash, thumb_hash, width, height, bytes)
	values (street, pg_temp.demo_id(street, 'photo ' || what), uploader,
		'7ea2da71de7da3b4d6953a51f4d8e7ea6ac3af09d2d31f099b980e9e0d99b2bc', '7ea2da71de7da3b4d6953a51f4d8e7ea6ac3af09d2d31f099b980e9e0d99b2bc', 160, 120, 720)
	returning id::text
$$;

create function pg_temp.act_as(street integer, role text, actor uuid, scope text, ago interval) returns void
language sql
as $$
	select set_config('linli.street', street::text, true), set_config('linli.role', role, true),
		set_config('linli.actor', actor::text, true), set_config('linli.scopes', array[scope]::text, true),
		set_config('linli.clock_offset', (-ago)::text, true)
$$;

-- Every tenth person reports something now and then.
create temp table demo_person_numbered on commit drop as
select p.street, p.path, p.n, p.login, p.name, p.signs_in,
	row_number() over (partition by p.street order by p.path, p.n)::integer as no
from demo_person p where p.n % 10 = 1;
create index on demo_person_numbered (street, no);
analyze demo_person_numbered, demo_lead;

-- One ticket and its life: how far it got depends on its age and on chance.
create function pg_temp.demo_ticket(p_street integer, n integer, ago interval) returns void
language plpgsql
as $$
declare
	what text := 'ticket ' || p_street || ' ' || n;
	topic demo_topic;
	who demo_person_numbered;
	lead demo_lead;
	community demo_login;
	id uuid := pg_temp.demo_id(p_street, what);
	me uuid;
	lead_id uuid;
	community_id uuid;
	far integer := pg_temp.pick(what || 'far', 100);
	photo jsonb := '[]';
	spot integer := pg_temp.pick(what || 'spot', 1000);
begin
	select * into topic from demo_topic t where t.n = pg_temp.pick(what || 'topic', 13);
	select * into who from demo_person_numbered p
	where p.street = p_street and p.no = 1 + pg_temp.pick(what || 'who', case p_street when 1 then 4100 else 1150 end);
	select * into lead from demo_lead l where l.path = who.path order by l.login limit 1;
	select * into community from demo_login d where d.role = 'community' and who.path ^@ d.at;
	me := pg_temp.demo_id(p_street, 'account ' || who.login);
	lead_id := pg_temp.demo_id(p_street, 'account ' || lead.login);
	community_id := pg_temp.demo_id(p_street, 'account ' || community.login);

	perform pg_temp.act_as(p_street, 'resident', me, who.path, ago);
	perform ticket.submit(id, jsonb_build_object('kind', topic.kind, 'category', topic.category,
		'urgency', (array['normal', 'normal', 'normal', 'urgent', 'critical'])[1 + pg_temp.pick(what || 'u', 5)],
		'title', topic.title, 'description', topic.description, 'contact_name', who.name,
		'address', 1 + pg_temp.pick(what || 'b', 9) || '栋' || 1 + pg_temp.pick(what || 'u', 4) || '单元',
		'answers', topic.answers, 'position', (select jsonb_build_object('crs', 'wgs84',
			'lon', b.min_lon + (b.max_lon - b.min_lon) * (0.05 + spot * 0.0009),
			'lat', b.min_lat + (b.max_lat - b.min_lat) * (0.05 + spot % 97 * 0.009))
		from grid.boundary b where b.street_id = p_street and b.path = who.path)));
	if far < 4 then
		if far < 2 then
			perform pg_temp.act_as(p_street, 'resident', me, who.path, ago - interval '3 hours');
			perform ticket.act(id, 'withdraw', '{"reason": "已经自己解决了"}');
		end if;
		return;
	end if;
	perform pg_temp.act_as(p_street, 'grid_lead', lead_id, who.path, ago - interval '25 minutes');
	if far < 6 then
		perform ticket.act(id, 'reject', '{"reason": "不属于社区事务，已告知拨打相应热线"}');
		return;
	end if;
	perform ticket.act(id, 'accept');
	if ago < interval '12 hours' then return; end if;
	if far < 30 then
		perform ticket.act(id, 'escalate', '{"note": "需要社区协调物业和商户"}');
		perform pg_temp.act_as(p_street, 'community', community_id, community.at, ago - interval '3 hours');
		perform ticket.act(id, 'start');
	else
		perform pg_temp.act_as(p_street, 'grid_lead', lead_id, who.path, ago - interval '2 hours');
		perform ticket.act(id, 'start');
	end if;
	if ago < interval '2 days' or far in (30, 31) then return; end if;
	if (select c.physical from ticket.category c where c.code = topic.category) then
		photo := jsonb_build_array(pg_temp.demo_photo(p_street,
			case when far < 30 then community_id else lead_id end, what));
	end if;
	perform set_config('linli.clock_offset', (interval '30 hours' - ago)::text, true);
	perform ticket.act(id, 'resolve', jsonb_build_object('note', '已处理完毕，现场已复查', 'photo_ids', photo));
	if far in (32, 33) then return; end if;
	perform pg_temp.act_as(p_street, 'community', community_id, community.at, ago - interval '36 hours');
	perform ticket.act(id, 'reply', jsonb_build_object('text', topic.reply));
	if far < 70 then
		perform pg_temp.act_as(p_street, 'resident', me, who.path, ago - interval '44 hours');
		perform ticket.act(id, 'rate', jsonb_build_object('stars', 3 + pg_temp.pick(what || 's', 3),
			'resolved', true, 'satisfied', pg_temp.pick(what || 's', 3) > 0));
	elsif far < 72 then
		perform pg_temp.act_as(p_street, 'resident', me, who.path, ago - interval '44 hours');
		perform ticket.act(id, 'reopen', '{"reason": "过了两天又出现了"}');
	end if;
end
$$;

select pg_temp.demo_ticket(1, n, interval '120 days' * (800 - n) / 800 + interval '2 hours')
from generate_series(1, 800) n;
select pg_temp.demo_ticket(2, n, interval '120 days' * (200 - n) / 200 + interval '2 hours')
from generate_series(1, 200) n;
select set_config('linli.clock_offset', '', true);
select ticket.close_silent(10000);
analyze;
