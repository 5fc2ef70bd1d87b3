-- Pairings: who cares for whom. No hooks.

-- name: listCareSeasons
select s.code, s.month, s.theme_zh, s.theme_en, s.visits, s.month as _cursor
from care.season s
where :after::text is null or s.month > :after::int
order by s.month
limit :limit::int + 1;

-- name: listPairings
select p.*, p.id as _cursor
from care.pairings(null, :state::text, :helper_id::uuid, :recipient_id::uuid, :under::uuid, :updated_after::timestamptz,
	:after::uuid, :limit::int + 1) p;

-- name: createPairing
select care.pair(:new_id::uuid, jsonb_build_object('helper_id', :helper_id::uuid, 'recipient_id', :recipient_id::uuid,
	'kind', :kind::text, 'visits_per_season', :visits_per_season::int));
select p.*, '/v1/pairings/' || p.id as _location from care.pairings(:new_id::uuid, null, null, null, null, null, null, 1) p;

-- name: getPairing
select * from care.pairings(:id::uuid, null, null, null, null, null, null, 1);

-- name: endPairing
select care.end_pairing(:id::uuid, :reason::text);
select * from care.pairings(:id::uuid, null, null, null, null, null, null, 1);
