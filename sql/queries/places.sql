-- Places: boundaries, addresses, regions, Party organisations. No hooks.

-- name: locateGrid
select core.must(exists (select from grid.locate(:lon::float8, :lat::float8, :crs::text)),
	404, 'no_grid_here');
select p.*, ticket.position_json(l.lon, l.lat, 'wgs84') as position,
	ticket.position_json(l.lon, l.lat, 'gcj02') as position_gcj02
from grid.locate(:lon::float8, :lat::float8, :crs::text) l
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

-- helper: jobRedraw
select grid.run_redraws() as ran;
