-- 三率, call-backs, appeals, the board of a grid. No hooks.

-- name: getRates
select * from rate.read(:by::text, :from_on::date, :to_on::date, :under::uuid, :base_from::date, :base_to::date);

-- name: createCallback
select rate.call_back(:new_id::uuid, :id::uuid, :body::jsonb);
select * from rate.callback_view c where c._street_id = :street::int and c.id = :new_id::uuid;

-- name: listCallbacks
select core.must(exists (select from ticket.ticket t where t.street_id = :street::int and t.id = :id::uuid), 404, 'not_found');
select c.*, 'created_at,id' as _cursor_by
from rate.callback_view c
where c._street_id = :street::int and c.ticket_id = :id::uuid
	and (:after::text is null or (c.created_at, c.id) > (ticket.cursor_at(:after::text), ticket.cursor_id(:after::text)))
order by c.created_at, c.id
limit :limit::int + 1;

-- name: listAppeals
select a.*, 'created_at,ticket_id' as _cursor_by
from rate.appeal_view a
where a._street_id = :street::int and (:state::text is null or a.state = :state::text)
	and (:after::text is null or (a.created_at, a.ticket_id) > (ticket.cursor_at(:after::text), ticket.cursor_id(:after::text)))
order by a.created_at, a.ticket_id
limit :limit::int + 1;

-- name: appealRating
select rate.appeal(:id::uuid, :reason::text);
select * from rate.appeal_view a where a._street_id = :street::int and a.ticket_id = :id::uuid;

-- name: getAppeal
select * from rate.appeal_view a where a._street_id = :street::int and a.ticket_id = :id::uuid;

-- name: upholdAppeal
select rate.decide(:id::uuid, 'uphold', :reason::text);
select * from rate.appeal_view a where a._street_id = :street::int and a.ticket_id = :id::uuid;

-- name: refuseAppeal
select rate.decide(:id::uuid, 'refuse', :reason::text);
select * from rate.appeal_view a where a._street_id = :street::int and a.ticket_id = :id::uuid;

-- name: getGridBoard
select * from rate.board(:id::uuid);

-- helper: jobRates
select rate.follow(3000) as followed;
