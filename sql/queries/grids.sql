-- Grids: the tree, who leads what, compounds, groups. No hooks.
--
-- Cursors are compared through CASE, not COALESCE: that one is not leakproof
-- for the planner, which then scans from the first row.

-- name: listGrids
select g.*, g._path as _cursor
from grid.grid_view g
where g._street_id = :street::int
	and g._path > case when :after::text is null then '' else :after::text end
	and (:parent_id::uuid is null or g.parent_id = :parent_id::uuid)
	and (:kind::text is null or g.kind = :kind::text)
	and (:compound_id::uuid is null or g.compound_id = :compound_id::uuid)
	and (:under::uuid is null or g._path ^@ (select u.path from grid.grid u
		where u.street_id = :street::int and u.id = :under::uuid))
	and (:updated_after::timestamptz is null or g.updated_at > :updated_after::timestamptz)
	and (:closed::boolean or g.valid_to is null or g.valid_to > core.today())
order by g._path
limit :limit::int + 1;

-- name: getGrid
select * from grid.grid_view g
where g._street_id = :street::int and g.id = :id::uuid;

-- name: createGrid
select grid.create_grid(:new_id::uuid, :parent_id::uuid, :kind::text, :name::text,
	:serial::int, :code::text, :household_count::int, :person_count::int,
	:compound_id::uuid, :valid_from::date);
select g.*, '/v1/grids/' || g.id as _location from grid.grid_view g
where g._street_id = :street::int and g.id = :new_id::uuid;

-- name: updateGrid
select grid.update_grid(:id::uuid, :if_match::text, :name::text, :code::text,
	:household_count::int, :person_count::int, :compound_id::uuid, :valid_to::date);
select * from grid.grid_view g
where g._street_id = :street::int and g.id = :id::uuid;

-- Staff see who is assigned within their own scopes.
-- name: listAssignments
select core.must(exists (select from grid.grid g where g.street_id = :street::int
	and g.id = :id::uuid and g.path ^@ any (core.scopes())), 404, 'not_found');
select a.*, a.id as _cursor
from grid.assignment_view a
where a._street_id = :street::int and a.grid_id = :id::uuid
	and a.id > case when :after::text is null
		then '00000000-0000-0000-0000-000000000000' else :after::uuid end
	and (:active::boolean is null or a.active = :active::boolean)
	and (:updated_after::timestamptz is null or a.updated_at > :updated_after::timestamptz)
order by a.id
limit :limit::int + 1;

-- name: createAssignment
select grid.assign(:new_id::uuid, :id::uuid, :login::text, :lead_kind::text,
	:from_on::date, :to_on::date);
select * from grid.assignment_view a
where a._street_id = :street::int and a.id = :new_id::uuid;

-- name: endAssignment
select grid.end_assignment(:id::uuid);
select * from grid.assignment_view a
where a._street_id = :street::int and a.id = :id::uuid;

-- name: listCompounds
select c.*, c.id as _cursor
from grid.compound_view c
where c._street_id = :street::int
	and c.id > case when :after::text is null
		then '00000000-0000-0000-0000-000000000000' else :after::uuid end
	and (:under::uuid is null or c._path ^@ (select u.path from grid.grid u
		where u.street_id = :street::int and u.id = :under::uuid))
	and (:updated_after::timestamptz is null or c.updated_at > :updated_after::timestamptz)
order by c.id
limit :limit::int + 1;

-- name: listGridGroups
select u.*, u.id as _cursor
from grid.grid_group_view u
where u._street_id = :street::int
	and u.id > case when :after::text is null
		then '00000000-0000-0000-0000-000000000000' else :after::uuid end
	and (:grid_id::uuid is null or exists (select from grid.grid_group_member m
		where m.street_id = :street::int and m.group_id = u.id and m.grid_id = :grid_id::uuid))
	and (:under::uuid is null or u._path ^@ (select g.path from grid.grid g
		where g.street_id = :street::int and g.id = :under::uuid))
	and (:updated_after::timestamptz is null or u.updated_at > :updated_after::timestamptz)
order by u.id
limit :limit::int + 1;

-- name: getGridGroup
select * from grid.grid_group_view u
where u._street_id = :street::int and u.id = :id::uuid;

-- name: createGridGroup
select grid.put_group(:new_id::uuid, null, :name::text, :purpose::text, :grid_ids::jsonb);
select u.*, '/v1/grid-groups/' || u.id as _location from grid.grid_group_view u
where u._street_id = :street::int and u.id = :new_id::uuid;

-- name: updateGridGroup
select grid.put_group(:id::uuid, :if_match::text, :name::text, :purpose::text, :grid_ids::jsonb);
select * from grid.grid_group_view u
where u._street_id = :street::int and u.id = :id::uuid;
