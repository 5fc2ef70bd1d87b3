-- Door-knock campaigns. No hooks.

-- name: listDoorCampaigns
select c.*, c.id as _cursor
from care.campaigns(null, :state::text, :under::uuid, :updated_after::timestamptz, :after::uuid, :limit::int + 1) c;

-- name: createDoorCampaign
select care.create_campaign(:new_id::uuid, jsonb_build_object('name', :name::text, 'purpose', :purpose::text,
	'grid_id', :grid_id::uuid, 'from_on', :from_on::date, 'to_on', :to_on::date));
select c.*, '/v1/door-campaigns/' || c.id as _location from care.campaigns(:new_id::uuid, null, null, null, null, 1) c;

-- name: getDoorCampaign
select * from care.campaigns(:id::uuid, null, null, null, null, 1);

-- name: endDoorCampaign
select care.end_campaign(:id::uuid);
select * from care.campaigns(:id::uuid, null, null, null, null, 1);

-- name: listDoorKnocks
select core.must(exists (select from care.campaign c
	where c.street_id = :street::int and c.id = :id::uuid), 404, 'not_found');
select k.*, k.dwelling_id as _cursor from care.knocks(:id::uuid, null, :outcome::text, :after::uuid, :limit::int + 1) k;

-- name: recordDoorKnock
select care.knock(:id::uuid, :body::jsonb);
select * from care.knocks(:id::uuid, :dwelling_id::uuid, null, null, 1);
