-- Safety teams and their inspections. No hooks.

-- name: listSafetyTeams
select t.*, t.id as _cursor from field.safety_team_view t
where t._street_id = :street::int
	and t.id > case when :after::text is null then '00000000-0000-0000-0000-000000000000' else :after::uuid end
	and (:complete::boolean is null or t.complete = :complete::boolean)
order by t.id limit :limit::int + 1;

-- name: createSafetyTeam
select field.put_team(:new_id::uuid, null, :body::jsonb);
select t.*, '/v1/safety-teams/' || t.id as _location from field.safety_team_view t
where t._street_id = :street::int and t.id = :new_id::uuid;

-- name: getSafetyTeam
select * from field.safety_team_view t where t._street_id = :street::int and t.id = :id::uuid;

-- name: updateSafetyTeam
select field.put_team(:id::uuid, :if_match::text, :body::jsonb);
select * from field.safety_team_view t where t._street_id = :street::int and t.id = :id::uuid;

-- name: listSafetyInspections
select core.must(exists (select from field.safety_team t
	where t.street_id = :street::int and t.id = :id::uuid), 404, 'not_found');
select i.*, i.id as _cursor from field.safety_inspection_view i
where i._street_id = :street::int and i._team_id = :id::uuid
	and i.id > case when :after::text is null then '00000000-0000-0000-0000-000000000000' else :after::uuid end
order by i.id limit :limit::int + 1;

-- name: inspectBySafetyTeam
select field.inspect_by_team(:new_id::uuid, :id::uuid, :body::jsonb);
select * from field.safety_inspection_view i where i._street_id = :street::int and i.id = :new_id::uuid;
