-- Hazards: found, put to who must rectify, rechecked, closed. Hooks:
-- src/domain/photos.c sends the pictures.

-- name: listHazards
select h.*, 'created_at,id' as _cursor_by
from field.hazards(ticket.words(:status::json), :grade::text, :kind::text, :under::uuid, :org_id::uuid, :source_id::uuid,
	:overdue::boolean, :report_outstanding::boolean, :updated_after::timestamptz, :after::text, :limit::int + 1) h;

-- name: reportHazard numbered
select field.report(:new_id::uuid, jsonb_build_object('kind', :kind::text, 'title', :title::text,
	'description', :description::text, 'grid_id', :grid_id::uuid, 'address', :address::text,
	'position', :position::jsonb, 'photo_ids', :photo_ids::jsonb));
select h.*, '/v1/hazards/' || h.id as _location from field.hazard_view h
where h._street_id = :street::int and h.id = :new_id::uuid;

-- The last statement finds nothing where there was no ticket.
-- name: createHazardFromTicket
select field.from_ticket(:new_id::uuid, :id::uuid, :body::jsonb);
select h.*, '/v1/hazards/' || h.id as _location from field.hazard_view h
where h._street_id = :street::int and h.id = :new_id::uuid;

-- name: getHazard
select * from field.hazard_view h
where h._street_id = :street::int and h.id = :id::uuid;

-- name: confirmHazard
select field.act(:id::uuid, 'confirm', :body::jsonb);
select * from field.hazard_view h
where h._street_id = :street::int and h.id = :id::uuid;

-- name: regradeHazard
select field.act(:id::uuid, 'regrade', :body::jsonb);
select * from field.hazard_view h
where h._street_id = :street::int and h.id = :id::uuid;

-- name: dismissHazard
select field.act(:id::uuid, 'dismiss', :body::jsonb);
select * from field.hazard_view h
where h._street_id = :street::int and h.id = :id::uuid;

-- name: issueHazardNotice
select field.act(:id::uuid, 'issue_notice', :body::jsonb);
select * from field.hazard_view h
where h._street_id = :street::int and h.id = :id::uuid;

-- name: assignHazard
select field.act(:id::uuid, 'assign', :body::jsonb);
select * from field.hazard_view h
where h._street_id = :street::int and h.id = :id::uuid;

-- name: startHazard
select field.act(:id::uuid, 'start');
select * from field.hazard_view h
where h._street_id = :street::int and h.id = :id::uuid;

-- name: submitHazard
select field.act(:id::uuid, 'submit', :body::jsonb);
select * from field.hazard_view h
where h._street_id = :street::int and h.id = :id::uuid;

-- name: verifyHazard
select field.act(:id::uuid, 'verify', coalesce(:body::jsonb, '{}'));
select * from field.hazard_view h
where h._street_id = :street::int and h.id = :id::uuid;

-- name: failHazard
select field.act(:id::uuid, 'fail_recheck', :body::jsonb);
select * from field.hazard_view h
where h._street_id = :street::int and h.id = :id::uuid;

-- name: closeHazard
select field.act(:id::uuid, 'close');
select * from field.hazard_view h
where h._street_id = :street::int and h.id = :id::uuid;

-- name: reportHazardToAuthority
select field.act(:id::uuid, 'report_authority', :body::jsonb);
select * from field.hazard_view h
where h._street_id = :street::int and h.id = :id::uuid;

-- name: listHazardEvents
select core.must(exists (select from field.hazard h
	where h.street_id = :street::int and h.id = :id::uuid), 404, 'not_found');
select e.*, e._xact || ':' || e.id as _cursor from field.timeline(:id::uuid) e
where (e._xact, e.id) > (coalesce(split_part(:after::text, ':', 1), '0')::xid8,
	coalesce(split_part(:after::text, ':', 2), '00000000-0000-0000-0000-000000000000')::uuid)
order by e._xact, e.id
limit :limit::int + 1;

-- name: listHazardPhotos
select core.must(exists (select from field.hazard h
	where h.street_id = :street::int and h.id = :id::uuid), 404, 'not_found');
select p.*, p.id as _cursor from ticket.photo_view p
where p._street_id = :street::int and p._subject_id = :id::uuid and p._subject = 'hazard'
	and p.id > coalesce(:after::uuid, '00000000-0000-0000-0000-000000000000')
order by p.id
limit :limit::int + 1;

-- name: downloadHazardPhoto
select case :size::text when 'thumb' then p._thumb_hash else p._hash end as hash
from ticket.photo_view p
where p._street_id = :street::int and p._subject_id = :id::uuid and p._subject = 'hazard' and p.id = :photo_id::uuid
	and exists (select from field.hazard h
		where h.street_id = p._street_id and h.id = p._subject_id);
