-- Equipment: the register, inspections, replacement. Hooks: src/domain/photos.c
-- sends the pictures.

-- name: listEquipment
select e.*, e._due_on || ' ' || e.id as _cursor
from field.equipment_list(:kind::text, :status::text, :under::uuid, :org_id::uuid, :expired::boolean, :due_before::date,
	:updated_after::timestamptz, :q::text, :after::text, :limit::int + 1) e;

-- name: createEquipment
select field.put_equipment(:new_id::uuid, null, :body::jsonb);
select e.*, '/v1/equipment/' || e.id as _location from field.equipment_view e
where e._street_id = :street::int and e.id = :new_id::uuid;

-- name: getEquipment
select * from field.equipment_view e
where e._street_id = :street::int and e.id = :id::uuid;

-- name: updateEquipment
select field.put_equipment(:id::uuid, :if_match::text, :body::jsonb);
select * from field.equipment_view e
where e._street_id = :street::int and e.id = :id::uuid;

-- name: retireEquipment
select field.retire_equipment(:id::uuid, :reason::text);
select * from field.equipment_view e
where e._street_id = :street::int and e.id = :id::uuid;

-- name: replaceEquipment
select field.replace_equipment(:id::uuid, :new_id::uuid, :body::jsonb);
select e.*, '/v1/equipment/' || e.id as _location from field.equipment_view e
where e._street_id = :street::int and e.id = :new_id::uuid;

-- name: listEquipmentInspections
select core.must(exists (select from field.equipment e
	where e.street_id = :street::int and e.id = :id::uuid), 404, 'not_found');
select i.*, i.id as _cursor from field.equipment_inspection_view i
where i._street_id = :street::int and i._equipment_id = :id::uuid
	and i.id > coalesce(:after::uuid, '00000000-0000-0000-0000-000000000000')
order by i.id
limit :limit::int + 1;

-- name: inspectEquipment
select field.inspect_equipment(:new_id::uuid, :id::uuid, :body::jsonb);
select * from field.equipment_inspection_view i
where i._street_id = :street::int and i.id = :new_id::uuid;

-- name: listEquipmentPhotos
select core.must(exists (select from field.equipment e
	where e.street_id = :street::int and e.id = :id::uuid), 404, 'not_found');
select p.*, p.id as _cursor from ticket.photo_view p
where p._street_id = :street::int and p._subject_id = :id::uuid and p._subject = 'equipment'
	and p.id > coalesce(:after::uuid, '00000000-0000-0000-0000-000000000000')
order by p.id
limit :limit::int + 1;

-- name: downloadEquipmentPhoto
select case :size::text when 'thumb' then p._thumb_hash else p._hash end as hash
from ticket.photo_view p
where p._street_id = :street::int and p._subject_id = :id::uuid and p._subject = 'equipment' and p.id = :photo_id::uuid
	and exists (select from field.equipment e
		where e.street_id = p._street_id and e.id = p._subject_id);

-- name: createHazardFromEquipment
select field.from_equipment(:new_id::uuid, :id::uuid, :body::jsonb || jsonb_build_object('grade', :grade::text));
select h.*, '/v1/hazards/' || h.id as _location from field.hazard_view h
where h._street_id = :street::int and h.id = :new_id::uuid;

-- name: reportReading
select field.read_sensor(:new_id::uuid, :body::jsonb);
select r.* from field.reading_view r
where r._street_id = :street::int and r._client_id = :actor::uuid and r.device_id = :device_id::text and r.event_id = :event_id::text;

-- name: listReadings
select core.must(exists (select from field.equipment e
	where e.street_id = :street::int and e.id = :id::uuid), 404, 'not_found');
select r.*, r.id as _cursor from field.reading_view r
where r._street_id = :street::int and r._equipment_id = :id::uuid
	and r.id > coalesce(:after::uuid, '00000000-0000-0000-0000-000000000000')
order by r.id
limit :limit::int + 1;

-- helper: jobRemindEquipment
select field.remind(200) as reminded;
