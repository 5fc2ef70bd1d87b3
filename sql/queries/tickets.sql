-- Tickets: 居民列单 → 网格接单 → 社区回单. No hooks.

-- name: listCategories
select c.code, c.name_zh, c.name_en, c.physical, c.extra_questions, c.handled_by, c.default_public
from ticket.category c
where c.active
order by c.sort, c.code;

-- name: listTickets
select b.*, case when :updated_after::timestamptz is null then 'created_at,id' else 'updated_at,id' end as _cursor_by
from ticket.list(ticket.words(:status::json), :kind::text, :category::text, :urgency::text,
	:under::uuid, :mine::boolean, :supported::boolean, :created_from::timestamptz,
	:created_to::timestamptz, :updated_after::timestamptz, :q::text, :after::text,
	:limit::int + 1) b;

-- What they look at all day: the first page, and all others.
-- for: resident street without status under updated_after q mine supported kind category urgency created_from created_to after
select (b.brief).*, 'created_at,id' as _cursor_by
from ticket.listed b
where b.street_id = :street::int
order by b.created_at desc, b.id desc
limit :limit::int + 1;

-- for: resident street without status under updated_after q mine supported
select b.*, 'created_at,id' as _cursor_by
from ticket.list_street(:kind::text, :category::text, :urgency::text, :created_from::timestamptz,
	:created_to::timestamptz, :after::text, :limit::int + 1) b;

-- name: getTicketSummary
select s.total, s.open, s.by_status, s.by_grid
from ticket.summary(:under::uuid, :kind::text, :category::text, :urgency::text,
	:created_from::timestamptz, :created_to::timestamptz) s;

-- name: listSimilarTickets
select core.must(num_nulls(:lon::float8, :lat::float8, :crs::text) in (0, 3),
	422, 'position_incomplete', '/lon');
select s.id, s.number, s.title, s.status, s.support_count, s.created_at, s.distance, s.same_building
from ticket.similar_at(:category::text, :lon::float8, :lat::float8, :crs::text,
	:compound_id::uuid, :building::text) s;

-- name: submitTicket numbered
select ticket.submit(:new_id::uuid, jsonb_build_object('kind', :kind::text,
	'category', :category::text, 'urgency', :urgency::text, 'title', :title::text,
	'description', :description::text, 'grid_id', :grid_id::uuid, 'public', :public::boolean,
	'on_behalf', :on_behalf::jsonb, 'hotline_class', :hotline_class::text, 'contact_name', :contact_name::text,
	'contact_phone', :contact_phone::text, 'contact_phone_mask', :contact_phone_mask::text,
	'contact_phone_index', :contact_phone_index::text, 'address', :address::text,
	'compound_id', :compound_id::uuid, 'building', :building::text,
	'position', :position::jsonb, 'answers', :answers::jsonb, 'photo_ids', :photo_ids::jsonb));
select t.*, '/v1/tickets/' || t.id as _location from ticket.detail t
where t._street_id = :street::int and t.id = :new_id::uuid;

-- name: getTicket
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: updateTicket
select ticket.edit(:id::uuid, :if_match::text, jsonb_build_object('kind', :kind::text,
	'category', :category::text, 'urgency', :urgency::text, 'title', :title::text,
	'description', :description::text, 'public', :public::boolean,
	'contact_name', :contact_name::text, 'contact_phone', :contact_phone::text,
	'contact_phone_mask', :contact_phone_mask::text,
	'contact_phone_index', :contact_phone_index::text, 'address', :address::text,
	'compound_id', :compound_id::uuid, 'building', :building::text,
	'position', :position::jsonb, 'answers', :answers::jsonb, 'photo_ids', :photo_ids::jsonb));
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: acceptTicket
select ticket.act(:id::uuid, 'accept');
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: rejectTicket
select ticket.act(:id::uuid, 'reject', :body::jsonb);
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- The ticket may leave the caller's reach, so the answer is no whole ticket.
-- name: transferTicket
select id, number, status, grid_id, grid_name
from ticket.transfer(:id::uuid, :body::jsonb);

-- name: mergeTicket
select ticket.act(:id::uuid, 'merge', :body::jsonb);
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: startTicket
select ticket.act(:id::uuid, 'start');
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: escalateTicket
select ticket.act(:id::uuid, 'escalate', :body::jsonb);
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: suspendTicket
select ticket.act(:id::uuid, 'suspend', :body::jsonb);
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: resumeTicket
select ticket.act(:id::uuid, 'resume');
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: resolveTicket
select ticket.act(:id::uuid, 'resolve', :body::jsonb);
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: sendBackTicket
select ticket.act(:id::uuid, 'send_back', :body::jsonb);
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: replyTicket
select ticket.act(:id::uuid, 'reply', :body::jsonb);
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: rateTicket
select ticket.act(:id::uuid, 'rate', :body::jsonb);
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: reopenTicket
select ticket.act(:id::uuid, 'reopen', :body::jsonb);
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: withdrawTicket
select ticket.act(:id::uuid, 'withdraw', coalesce(:body::jsonb, '{}'));
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: supportTicket
select ticket.act(:id::uuid, 'support');
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: unsupportTicket
select ticket.act(:id::uuid, 'unsupport');
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: urgeTicket
select ticket.act(:id::uuid, 'urge', coalesce(:body::jsonb, '{}'));
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: superviseTicket
select ticket.act(:id::uuid, 'supervise', :body::jsonb);
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: thankTicket
select ticket.act(:id::uuid, 'thank', coalesce(:body::jsonb, '{}'));
select * from ticket.detail t
where t._street_id = :street::int and t.id = :id::uuid;

-- name: listTicketComments
select core.must(exists (select from ticket.ticket t
	where t.street_id = :street::int and t.id = :id::uuid), 404, 'not_found');
select c.*, c.id as _cursor from ticket.comment_view c
where c._street_id = :street::int and c._ticket_id = :id::uuid
	and c.id > coalesce(:after::uuid, '00000000-0000-0000-0000-000000000000')
order by c.id
limit :limit::int + 1;

-- name: addTicketComment
select ticket.add_comment(:new_id::uuid, :id::uuid, :text::text, :internal::boolean,
	:photo_ids::jsonb);
select * from ticket.comment_view c
where c._street_id = :street::int and c._ticket_id = :id::uuid and c.id = :new_id::uuid;

-- The timeline. handed_over is for the grid a ticket left, in the feed.
-- name: listTicketEvents
select core.must(exists (select from ticket.ticket t
	where t.street_id = :street::int and t.id = :id::uuid), 404, 'not_found');
select e.*, e._xact || ':' || e.id as _cursor from core.event_view e
where e._street_id = :street::int and e.subject_id = :id::uuid and e.subject = 'ticket'
	and e.action <> 'handed_over'
	and (e._xact, e.id) > (coalesce(split_part(:after::text, ':', 1), '0')::xid8,
		coalesce(split_part(:after::text, ':', 2), '00000000-0000-0000-0000-000000000000')::uuid)
order by e._xact, e.id
limit :limit::int + 1;

-- name: getTicketContact
select contact_name, contact_phone from ticket.contact(:id::uuid);

-- helper: jobCloseSilent
select ticket.close_silent(200) as closed;
