-- Visits: plans of 四必去, visits, alarms about who lives alone. No hooks.

-- name: listVisitPlans
select p.*, p.id as _cursor
from care.plans(null, :state::text, :under::uuid, :updated_after::timestamptz, :after::uuid, :limit::int + 1) p;

-- name: createVisitPlan
select care.create_plan(:new_id::uuid, jsonb_build_object('name', :name::text, 'grid_id', :grid_id::uuid, 'tags', :tags::jsonb,
	'from_on', :from_on::date, 'to_on', :to_on::date, 'due_on', :due_on::date, 'repeats', :repeats::text));
select p.*, '/v1/visit-plans/' || p.id as _location from care.plans(:new_id::uuid, null, null, null, null, 1) p;

-- name: getVisitPlan
select * from care.plans(:id::uuid, null, null, null, null, 1);

-- name: endVisitPlan
select care.end_plan(:id::uuid);
select * from care.plans(:id::uuid, null, null, null, null, 1);

-- name: listVisits
select v.*, v.due_on || ' ' || v.id as _cursor
from care.visits(null, :state::text, :due::text, :kind::text, :plan_id::uuid, :pairing_id::uuid, :person_id::uuid,
	:under::uuid, :lead_id::uuid, :updated_after::timestamptz, :after::text, :limit::int + 1) v;

-- name: createVisit
select care.create_visit(:new_id::uuid, jsonb_build_object('household_id', :household_id::uuid, 'person_id', :person_id::uuid,
	'pairing_id', :pairing_id::uuid, 'due_on', :due_on::date, 'outcome', :outcome::text, 'note', :note::text,
	'health', :health::boolean, 'at', :at::timestamptz));
select v.*, '/v1/visits/' || v.id as _location
from care.visits(:new_id::uuid, null, null, null, null, null, null, null, null, null, null, 1) v;

-- name: getVisitSummary
select * from care.summary(:under::uuid, :from_on::date, :to_on::date, :kind::text);

-- name: getVisit
select care.view_visit(:id::uuid);
select * from care.visits(:id::uuid, null, null, null, null, null, null, null, null, null, null, 1);

-- name: reportVisit
select care.report(:id::uuid, :body::jsonb);
select * from care.visits(:id::uuid, null, null, null, null, null, null, null, null, null, null, 1);

-- name: cancelVisit
select care.cancel_visit(:id::uuid, :reason::text);
select * from care.visits(:id::uuid, null, null, null, null, null, null, null, null, null, null, 1);

-- name: listVisitAlarms
select a.*, a.id as _cursor
from care.alarms(null, :state::text, :under::uuid, :updated_after::timestamptz, :after::uuid, :limit::int + 1) a;

-- name: getVisitAlarm
select * from care.alarms(:id::uuid, null, null, null, null, 1);

-- name: dismissVisitAlarm
select care.dismiss_alarm(:id::uuid, :reason::text);
select * from care.alarms(:id::uuid, null, null, null, null, 1);

-- helper: jobAlarms
select care.raise_alarms(200) as raised;

-- helper: jobCare
select care.turn(50) as turned;
