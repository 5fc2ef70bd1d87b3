-- Calendar, time limits, clocks. No hooks.

-- name: getCalendar
select c.* from clock.calendar(coalesce(:year::int, extract(year from core.today())::int)) c;

-- name: setOfficeHours
select clock.put_hours(:from_on::date, :spans::jsonb);
select c.* from clock.calendar(extract(year from :from_on::date)::int) c;

-- name: getClockPolicies
select clock.rules(:street::int) as rules, clock.rules(0) as defaults, clock.rules_tag(:street::int) as _etag;

-- name: putClockPolicies
select clock.put_policies(:if_match::text, :rules::jsonb);
select clock.rules(:street::int) as rules, clock.rules(0) as defaults, clock.rules_tag(:street::int) as _etag;

-- name: listClocks
select c.*, 'due_at,id' as _cursor_by
from clock.list(:under::uuid, :subject_id::uuid, :stage::text, :overdue::boolean, :after::text,
	:limit::int + 1) c;

-- name: getClock
select * from clock.clock_view c where c._street_id = :street::int and c.id = :id::uuid;

-- name: requestExtension
select clock.extend(:id::uuid, 'request_extension', :amount::int, :reason::text);
select * from clock.clock_view c where c._street_id = :street::int and c.id = :id::uuid;

-- name: grantExtension
select clock.extend(:id::uuid, 'grant_extension', null, null);
select * from clock.clock_view c where c._street_id = :street::int and c.id = :id::uuid;

-- name: refuseExtension
select clock.extend(:id::uuid, 'refuse_extension', null, :reason::text);
select * from clock.clock_view c where c._street_id = :street::int and c.id = :id::uuid;

-- helper: jobClocks
select clock.tick(3000) as fired;
