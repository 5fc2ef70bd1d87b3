-- Outside numbers of tickets. No hooks.

-- name: submitSourceTicket numbered
select ticket.submit_source(:new_id::uuid, jsonb_build_object('system', :system::text, 'source_id', :source_id::text,
	'kind', :kind::text, 'category', :category::text, 'urgency', :urgency::text, 'hotline_class', :hotline_class::text, 'title', :title::text,
	'description', :description::text, 'grid_id', :grid_id::uuid, 'contact_name', :contact_name::text,
	'contact_phone', :contact_phone::text, 'contact_phone_mask', :contact_phone_mask::text,
	'contact_phone_index', :contact_phone_index::text, 'address', :address::text,
	'position', :position::jsonb, 'answers', :answers::jsonb));
select s.*, '/v1/tickets/' || s.ticket_id as _location
from ticket.sources(ticket.own_system(:system::text), :source_id::text, null, null, null, 1) s;

-- name: joinSourceTicket
select ticket.join_source(:new_id::uuid, :body::jsonb);
select s.* from ticket.sources(ticket.own_system(:system::text), :source_id::text, null, null, null, 1) s;

-- name: joinTicketNumber
select core.must(ticket.join_number(:new_id::uuid, :id::uuid, :system::text, :source_id::text), 404, 'not_found');
select s.* from ticket.sources(:system::text, :source_id::text, null, null, null, 1) s;

-- name: listSourceTickets
select s.*, s._id as _cursor
from ticket.sources(:system::text, :source_id::text, :ticket_id::uuid, :updated_after::timestamptz, :after::uuid,
	:limit::int + 1) s;

-- name: updateSourceTicket
select ticket.update_source(:new_id::uuid, :body::jsonb);
select u.* from ticket.source_update_view u
where u._street_id = :street::int and u.source_id = :source_id::text
	and u.system = ticket.own_system(:system::text) and u.update_id = :update_id::text;

-- name: listSourceUpdates
select u.*, u.id as _cursor from ticket.source_update_view u
where u._street_id = :street::int and u.id > coalesce(:after::uuid, '00000000-0000-0000-0000-000000000000')
	and (:system::text is null or u.system = :system::text) and (:source_id::text is null or u.source_id = :source_id::text)
	and (:ticket_id::uuid is null or u.ticket_id = :ticket_id::uuid)
order by u.id limit :limit::int + 1;
