-- Exports. Hooks: src/domain/exports.c.

-- name: createExport
select transfer.request_export(:new_id::uuid, :session::uuid, :body::jsonb);
select e.*, '/v1/exports/' || e.id as _location from transfer.export_view e
where e._street_id = :street::int and e.id = :new_id::uuid;

-- name: listExports
select e.*, e.id as _cursor from transfer.export_view e
where e._street_id = :street::int
	and e.id > case when :after::text is null then '00000000-0000-0000-0000-000000000000' else :after::uuid end
	and (:updated_after::timestamptz is null or e.updated_at > :updated_after::timestamptz)
order by e.id
limit :limit::int + 1;

-- name: getExport
select * from transfer.export_view e
where e._street_id = :street::int and e.id = :id::uuid;

-- The hook sends the file.
-- name: downloadExport
select f.file, f.format, f.name from transfer.fetch_export(:id::uuid) f;

-- name: deleteExport
select transfer.drop_export(:id::uuid);

-- What was written of the one at hand, and what comes next.
-- helper: jobExport
select s.id, s.format, s.phase, s.rows, s.bytes, s.cursor, s.line, s.title
from transfer.export_step(:done::jsonb) s;

-- Files nobody needs any more: names is what lies in the folder.
-- helper: jobSweepExports
select name from transfer.stray_exports(:names::text[]) name;
