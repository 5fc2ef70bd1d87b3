-- 网格呼叫、街道处置、部门报到. Hooks: src/domain/photos.c sends the pictures.

-- name: callTicket
select ticket.act(:id::uuid, 'call', :body::jsonb);
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: dispatchTicket
select ticket.act(:id::uuid, 'dispatch', :body::jsonb);
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: listDispatches
select d.*, 'created_at,id' as _cursor_by
from ticket.parts(:ticket_id::uuid, :status::text, :after::text, :limit::int + 1) d;

-- name: getDispatch
select * from ticket.dispatch_view d
where d._street_id = :street::int and d.id = :id::uuid;

-- name: reportInDispatch
select ticket.act_part(:id::uuid, 'report_in', coalesce(:body::jsonb, '{}'));
select * from ticket.dispatch_view d
where d._street_id = :street::int and d.id = :id::uuid;

-- name: startDispatch
select ticket.act_part(:id::uuid, 'start');
select * from ticket.dispatch_view d
where d._street_id = :street::int and d.id = :id::uuid;

-- name: finishDispatch
select ticket.act_part(:id::uuid, 'finish', :body::jsonb);
select * from ticket.dispatch_view d
where d._street_id = :street::int and d.id = :id::uuid;

-- name: returnDispatch
select ticket.act_part(:id::uuid, 'return', :body::jsonb);
select * from ticket.dispatch_view d
where d._street_id = :street::int and d.id = :id::uuid;

-- name: upholdDispatchReturn
select ticket.act_part(:id::uuid, 'uphold', :body::jsonb);
select * from ticket.dispatch_view d
where d._street_id = :street::int and d.id = :id::uuid;

-- name: refuseDispatchReturn
select ticket.act_part(:id::uuid, 'refuse', :body::jsonb);
select * from ticket.dispatch_view d
where d._street_id = :street::int and d.id = :id::uuid;

-- name: evaluateDispatch
select ticket.act_part(:id::uuid, 'evaluate', :body::jsonb);
select * from ticket.dispatch_view d
where d._street_id = :street::int and d.id = :id::uuid;

-- name: listDispatchPhotos
select core.must(exists (select from ticket.dispatch d
	where d.street_id = :street::int and d.id = :id::uuid), 404, 'not_found');
select p.*, p.id as _cursor from ticket.photo_view p
join ticket.dispatch d on d.street_id = p._street_id and d.ticket_id = p._ticket_id
where d.street_id = :street::int and d.id = :id::uuid and p.stage in ('report', 'resolve')
	and p.id > coalesce(:after::uuid, '00000000-0000-0000-0000-000000000000')
order by p.id
limit :limit::int + 1;

-- name: downloadDispatchPhoto
select case :size::text when 'thumb' then p._thumb_hash else p._hash end as hash
from ticket.photo_view p
join ticket.dispatch d on d.street_id = p._street_id and d.ticket_id = p._ticket_id
where d.street_id = :street::int and d.id = :id::uuid and p.id = :photo_id::uuid and p.stage in ('report', 'resolve');

-- name: getTicketRoute
select r.known, r.org_id, r.org_name, r.team_id, r.team_name, r.team_missing, r.own_staff, r.co_orgs from ticket.route_of(:id::uuid) r;

-- name: getTicketRoutes
select r.rules, left(md5(r.rules::text), 16) as _etag from (select ticket.routes(:street::int) as rules offset 0) r;

-- name: putTicketRoutes
select ticket.put_routes(:if_match::text, :rules::jsonb);
select r.rules, left(md5(r.rules::text), 16) as _etag from (select ticket.routes(:street::int) as rules offset 0) r;
