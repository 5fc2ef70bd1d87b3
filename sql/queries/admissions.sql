-- 准入: what departments and offices want of the grids. No hooks.

-- name: createAdmission
select duty.propose(:new_id::uuid, :body::jsonb);
select a.*, '/v1/admissions/' || a.id as _location from duty.admission_view a where a._street_id = :street::int and a.id = :new_id::uuid;

-- name: listAdmissions
select a.*, a.id as _cursor from duty.admission_view a
where a._street_id = :street::int and (:after::uuid is null or a.id > :after::uuid)
	and (:status::text is null or a.status = :status::text)
order by a.id limit :limit::int + 1;

-- name: getAdmission
select * from duty.admission_view a where a._street_id = :street::int and a.id = :id::uuid;

-- name: approveAdmission
select duty.act_admission(:id::uuid, 'approve');
select * from duty.admission_view a where a._street_id = :street::int and a.id = :id::uuid;

-- name: refuseAdmission
select duty.act_admission(:id::uuid, 'refuse', :reason::text);
select * from duty.admission_view a where a._street_id = :street::int and a.id = :id::uuid;

-- name: withdrawAdmission
select duty.act_admission(:id::uuid, 'withdraw', :reason::text);
select * from duty.admission_view a where a._street_id = :street::int and a.id = :id::uuid;

-- name: listGridTasks
select t.*, t.id as _cursor from duty.grid_task_view t
where t._street_id = :street::int and (:after::uuid is null or t.id > :after::uuid)
	and (:admission_id::uuid is null or t.admission_id = :admission_id::uuid) and (:status::text is null or t.status = :status::text)
	and (:under::uuid is null or t._path ^@ (select g.path from grid.grid g where g.street_id = :street::int and g.id = :under::uuid))
order by t.id limit :limit::int + 1;

-- name: getGridTask
select * from duty.grid_task_view t where t._street_id = :street::int and t.id = :id::uuid;

-- name: finishGridTask
select duty.finish_task(:id::uuid, :body::jsonb);
select * from duty.grid_task_view t where t._street_id = :street::int and t.id = :id::uuid;

-- name: listTaskLoads
select l.*, (duty.limit_now()).per_lead as "limit", l.lead_id as _cursor from duty.loads(null) l
where (:after::uuid is null or l.lead_id > :after::uuid)
order by l.lead_id limit :limit::int + 1;

-- name: getTaskLimit
select l.per_lead, l.updated_at, l.version as _etag from duty.limit_now() l;

-- name: putTaskLimit
select duty.put_limit(:if_match::text, :per_lead::int);
select l.per_lead, l.updated_at, l.version as _etag from duty.limit_now() l;
