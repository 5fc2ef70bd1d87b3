-- Mediation: cases for those who have a part in them. No hooks.

-- name: listMediations
select m.*, m.id as _cursor
from care.cases(null, :state::text, :due::text, :ticket_id::uuid, :under::uuid, :updated_after::timestamptz, :after::uuid,
	:limit::int + 1) m;

-- name: openMediation
select care.open_case(:new_id::uuid, :body::jsonb);
select m.*, '/v1/mediations/' || m.id as _location from care.cases(:new_id::uuid, null, null, null, null, null, null, 1) m;

-- name: getMediation
select care.view_case(:id::uuid);
select * from care.cases(:id::uuid, null, null, null, null, null, null, 1);

-- name: addMediationParty
select care.add_party(:id::uuid, :body::jsonb);
select * from care.cases(:id::uuid, null, null, null, null, null, null, 1);

-- name: assignMediator
select care.act_case(:id::uuid, 'assign', :body::jsonb);
select * from care.cases(:id::uuid, null, null, null, null, null, null, 1);

-- name: acceptMediation
select care.act_case(:id::uuid, 'accept');
select * from care.cases(:id::uuid, null, null, null, null, null, null, 1);

-- name: declineMediation
select care.act_case(:id::uuid, 'decline');

-- name: holdMediation
select care.act_case(:id::uuid, 'hold', :body::jsonb);
select * from care.cases(:id::uuid, null, null, null, null, null, null, 1);

-- name: agreeMediation
select care.act_case(:id::uuid, 'agree', jsonb_build_object('agreement', :agreement::text, 'follow_up_on', :follow_up_on::date));
select * from care.cases(:id::uuid, null, null, null, null, null, null, 1);

-- name: failMediation
select care.act_case(:id::uuid, 'fail', :body::jsonb);
select * from care.cases(:id::uuid, null, null, null, null, null, null, 1);

-- name: followUpMediation
select care.act_case(:id::uuid, 'follow_up', :body::jsonb);
select * from care.cases(:id::uuid, null, null, null, null, null, null, 1);

-- name: closeMediation
select care.act_case(:id::uuid, 'close');
select * from care.cases(:id::uuid, null, null, null, null, null, null, 1);

-- name: withdrawMediation
select care.act_case(:id::uuid, 'withdraw', :body::jsonb);
select * from care.cases(:id::uuid, null, null, null, null, null, null, 1);
