-- Patrols: routes, plans, tasks, check-ins. No hooks.

-- name: listPatrolRoutes
select r.*, r.id as _cursor from field.route_view r
where r._street_id = :street::int
	and r.id > case when :after::text is null then '00000000-0000-0000-0000-000000000000' else :after::uuid end
	and (:updated_after::timestamptz is null or r.updated_at > :updated_after::timestamptz)
	and (:under::uuid is null or exists (select from grid.grid u
		where u.street_id = :street::int and u.id = :under::uuid and r._path ^@ u.path))
order by r.id limit :limit::int + 1;

-- name: createPatrolRoute
select field.put_route(:new_id::uuid, null, :body::jsonb);
select r.*, '/v1/patrol-routes/' || r.id as _location from field.route_view r
where r._street_id = :street::int and r.id = :new_id::uuid;

-- name: getPatrolRoute
select * from field.route_view r where r._street_id = :street::int and r.id = :id::uuid;

-- name: updatePatrolRoute
select field.put_route(:id::uuid, :if_match::text, :body::jsonb);
select * from field.route_view r where r._street_id = :street::int and r.id = :id::uuid;

-- name: listPatrolPlans
select p.*, p.id as _cursor from field.patrol_plan_view p
where p._street_id = :street::int
	and p.id > case when :after::text is null then '00000000-0000-0000-0000-000000000000' else :after::uuid end
	and (:updated_after::timestamptz is null or p.updated_at > :updated_after::timestamptz)
	and (:under::uuid is null or exists (select from grid.grid u
		where u.street_id = :street::int and u.id = :under::uuid and p._path ^@ u.path))
order by p.id limit :limit::int + 1;

-- name: createPatrolPlan
select field.put_plan(:new_id::uuid, null, :body::jsonb || jsonb_build_object('on_holiday', :on_holiday::text));
select p.*, '/v1/patrol-plans/' || p.id as _location from field.patrol_plan_view p
where p._street_id = :street::int and p.id = :new_id::uuid;

-- name: getPatrolPlan
select * from field.patrol_plan_view p where p._street_id = :street::int and p.id = :id::uuid;

-- name: updatePatrolPlan
select field.put_plan(:id::uuid, :if_match::text, :body::jsonb || jsonb_build_object('on_holiday', :on_holiday::text));
select * from field.patrol_plan_view p where p._street_id = :street::int and p.id = :id::uuid;

-- name: listPatrolTasks
select t.*, t.on_day || ' ' || t.id as _cursor from field.patrol_task_view t
where t._street_id = :street::int
	and (t.on_day, t.id) > (case when :after::text is null then '-infinity' else split_part(:after::text, ' ', 1)::date end,
		case when :after::text is null then '00000000-0000-0000-0000-000000000000' else split_part(:after::text, ' ', 2)::uuid end)
	and (:status::text is null or t.status = :status::text) and (:plan_id::uuid is null or t.plan_id = :plan_id::uuid)
	and (:from_on::date is null or t.on_day >= :from_on::date) and (:to_on::date is null or t.on_day <= :to_on::date)
	and (t.mine or not :mine::boolean)
	and (:under::uuid is null or exists (select from grid.grid u
		where u.street_id = :street::int and u.id = :under::uuid and t._path ^@ u.path))
order by t.on_day, t.id limit :limit::int + 1;

-- name: getPatrolTask
select * from field.patrol_task_view t where t._street_id = :street::int and t.id = :id::uuid;

-- name: checkInPatrol
select field.put_check_in(:new_id::uuid, :id::uuid, :body::jsonb);
select * from field.patrol_task_view t where t._street_id = :street::int and t.id = :id::uuid;

-- name: createHazardFromPatrol
select field.hazard_on_patrol(:new_id::uuid, :id::uuid, :body::jsonb);
select h.*, '/v1/hazards/' || h.id as _location from field.hazard_view h
where h._street_id = :street::int and h.id = :new_id::uuid;

-- name: createTicketFromPatrol
select field.ticket_on_patrol(:new_id::uuid, :id::uuid, :body::jsonb
	|| jsonb_build_object('kind', 'problem', 'urgency', :urgency::text));
select t.*, '/v1/tickets/' || t.id as _location from ticket.detail t
where t._street_id = :street::int and t.id = :new_id::uuid;

-- helper: jobPlanPatrols
select field.plan_patrols(100) as planned;

-- helper: jobMissPatrols
select field.miss_patrols(200) as missed;
