-- Places: boundaries, addresses, regions, Party organisations. No hooks.

-- name: locateGrid
select p.*, ticket.position_json(l.lon, l.lat, 'wgs84') as position,
	ticket.position_json(l.lon, l.lat, 'gcj02') as position_gcj02
from grid.here(:lon::float8, :lat::float8, :crs::text) l
join grid.place_view p on p._street_id = :street::int and p.grid_id = l.grid_id;

-- name: listGridBoundaries
select core.must(exists (select from grid.grid g
	where g.street_id = :street::int and g.id = :id::uuid), 404, 'not_found');
select 'FeatureCollection' as type, f.features, f.truncated, md5(f.features::text) as _etag
from grid.features(:crs::text, :zoom::int, null, null, null, null, :id::uuid, 2000) f;

-- name: listBoundaries
select 'FeatureCollection' as type, f.features, f.truncated, md5(f.features::text) as _etag
from grid.features(:crs::text, :zoom::int, :kind::text, :under::uuid, :on_date::date,
	:bbox::jsonb, null, :limit::int) f;

-- name: previewBoundaries
select grid.preview_redraw(:new_id::uuid, :crs::text, :body::jsonb);
select r.*, '/v1/redraws/' || r.id as _location from grid.redraw_view r
where r._street_id = :street::int and r.id = :new_id::uuid;

-- name: commitBoundaries
select grid.commit_redraw(:preview_id::uuid, :fingerprint::text);
select * from grid.redraw_view r
where r._street_id = :street::int and r.id = :preview_id::uuid;

-- name: listRedraws
select r.*, r.id as _cursor
from grid.redraw_view r
where r._street_id = :street::int
	and r.id > case when :after::text is null
		then '00000000-0000-0000-0000-000000000000' else :after::uuid end
	and (:state::text is null or r.state = :state::text)
	and (:updated_after::timestamptz is null or r._updated_at > :updated_after::timestamptz)
order by r.id
limit :limit::int + 1;

-- name: getRedraw
select * from grid.redraw_view r
where r._street_id = :street::int and r.id = :id::uuid;

-- name: cancelRedraw
select grid.cancel_redraw(:id::uuid);
select * from grid.redraw_view r
where r._street_id = :street::int and r.id = :id::uuid;

-- name: listBuildings
select core.must(exists (select from grid.compound c
	where c.street_id = :street::int and c.id = :id::uuid), 404, 'not_found');
select b.*, b.serial as _cursor
from grid.building_view b
where b._street_id = :street::int and b.compound_id = :id::uuid
	and b.serial > case when :after::text is null then 0 else :after::int end
order by b.serial
limit :limit::int + 1;

-- name: createBuilding
select grid.put_building(:new_id::uuid, :id::uuid, null, :name::text, :serial::int, :position::jsonb);
select b.*, '/v1/buildings/' || b.id as _location from grid.building_view b
where b._street_id = :street::int and b.id = :new_id::uuid;

-- name: getBuilding
select * from grid.building_view b
where b._street_id = :street::int and b.id = :id::uuid;

-- name: updateBuilding
select grid.put_building(:id::uuid, null, :if_match::text, :name::text, :serial::int, :position::jsonb);
select * from grid.building_view b
where b._street_id = :street::int and b.id = :id::uuid;

-- name: fillBuilding
select f.created, f.kept
from grid.fill_building(:id::uuid, jsonb_build_object('units', :units::int, 'floors', :floors::int,
	'per_floor', :per_floor::int, 'area', :area::int, 'use', :use::text,
	'ownership_kind', :ownership_kind::text, 'grid_id', :grid_id::uuid)) f;

-- Staff see what they answer for: the bounds spare the walk to it.
-- name: listDwellings
select d.*, d._path || ' ' || d.id as _cursor
from grid.dwelling_view d
where d._street_id = :street::int
	and d._path >= (select min(lo) from core.scope_ranges())
	and d._path < (select max(hi) from core.scope_ranges())
	and (d._path, d.id) > (case when :after::text is null then '' else split_part(:after::text, ' ', 1) end,
		case when :after::text is null then '00000000-0000-0000-0000-000000000000'
			else split_part(:after::text, ' ', 2)::uuid end)
	and (:building_id::uuid is null or d.building_id = :building_id::uuid)
	and (:compound_id::uuid is null or d.compound_id = :compound_id::uuid)
	and (:under::uuid is null or d._path ^@ (select u.path from grid.grid u
		where u.street_id = :street::int and u.id = :under::uuid))
	and (:use::text is null or d.use = :use::text)
	and (:updated_after::timestamptz is null or d.updated_at > :updated_after::timestamptz)
order by d._path, d.id
limit :limit::int + 1;

-- name: createDwelling
select grid.put_dwelling(:new_id::uuid, :id::uuid, null, jsonb_build_object('unit', :unit::text,
	'number', :number::text, 'floor', :floor::int, 'area', :area::int, 'use', :use::text,
	'ownership_kind', :ownership_kind::text, 'grid_id', :grid_id::uuid, 'position', :position::jsonb));
select d.*, '/v1/dwellings/' || d.id as _location from grid.dwelling_view d
where d._street_id = :street::int and d.id = :new_id::uuid;

-- name: getDwelling
select * from grid.dwelling_view d
where d._street_id = :street::int and d.id = :id::uuid;

-- name: updateDwelling
select grid.put_dwelling(:id::uuid, null, :if_match::text, jsonb_build_object('unit', :unit::text,
	'number', :number::text, 'floor', :floor::int, 'area', :area::int, 'use', :use::text,
	'ownership_kind', :ownership_kind::text, 'grid_id', :grid_id::uuid, 'position', :position::jsonb));
select * from grid.dwelling_view d
where d._street_id = :street::int and d.id = :id::uuid;

-- Codes come again when they are renamed: the day tells versions apart.
-- name: listRegions
select r.*, r.code || ' ' || r.valid_from as _cursor
from core.region_view r
where (r.code, r.valid_from) > (case when :after::text is null then '' else split_part(:after::text, ' ', 1) end,
		case when :after::text is null then '-infinity'::date else split_part(:after::text, ' ', 2)::date end)
	and (:level::text is null or r.level = :level::text)
	and (:parent_code::text is null or r.parent_code = :parent_code::text)
	and (:q::text is null or r.code ^@ :q::text or strpos(r.name, :q::text) > 0)
	and r.valid_from <= coalesce(:on_date::date, core.today())
	and (r.valid_to is null or r.valid_to > coalesce(:on_date::date, core.today()))
order by r.code, r.valid_from
limit :limit::int + 1;

-- name: listPartyOrgs
select p.*, p._path as _cursor
from grid.party_org_view p
where p._street_id = :street::int
	and p._path > case when :after::text is null then '' else :after::text end
	and (:under::uuid is null or p._path ^@ (select u.path from grid.grid u
		where u.street_id = :street::int and u.id = :under::uuid))
	and (:updated_after::timestamptz is null or p.updated_at > :updated_after::timestamptz)
order by p._path
limit :limit::int + 1;

-- name: getPartyOrg
select * from grid.party_org_view p
where p._street_id = :street::int and p.grid_id = :id::uuid;

-- name: putPartyOrg
select grid.put_party_org(:id::uuid, :if_match::text, :name::text, :member_count::int, :founded_on::date);
select * from grid.party_org_view p
where p._street_id = :street::int and p.grid_id = :id::uuid;

-- name: listDutyAreas
select d.*, d.id as _cursor
from grid.duty_area_view d
where d._street_id = :street::int
	and d.id > case when :after::text is null
		then '00000000-0000-0000-0000-000000000000' else :after::uuid end
	and (:active::boolean is null or d.active = :active::boolean)
	and (:updated_after::timestamptz is null or d.updated_at > :updated_after::timestamptz)
order by d.id
limit :limit::int + 1;

-- name: createDutyArea
select grid.put_duty_area(:new_id::uuid, null, :login::text, :grid_ids::jsonb, :note::text,
	:from_on::date, :to_on::date);
select d.*, '/v1/duty-areas/' || d.id as _location from grid.duty_area_view d
where d._street_id = :street::int and d.id = :new_id::uuid;

-- name: getDutyArea
select * from grid.duty_area_view d
where d._street_id = :street::int and d.id = :id::uuid;

-- name: updateDutyArea
select grid.put_duty_area(:id::uuid, :if_match::text, :login::text, :grid_ids::jsonb, :note::text,
	:from_on::date, :to_on::date);
select * from grid.duty_area_view d
where d._street_id = :street::int and d.id = :id::uuid;

-- helper: jobRedraw
select grid.run_redraws() as ran;
