-- Imports of persons. Hooks: src/domain/imports.c.

-- Asked before a file is stored.
-- helper: importRoom
select transfer.may_import(:grid_id::uuid);

-- Hook binds: file_name, bytes, given (columns), when the file is stored.
-- name: uploadImport
select transfer.begin_import(:new_id::uuid, :grid_id::uuid, :source::text, :file_name::text, :bytes::int, :given::json);
select i.*, '/v1/imports/' || i.id as _location from transfer.import_view i
where i._street_id = :street::int and i.id = :new_id::uuid;

-- name: listImports
select i.*, i.id as _cursor from transfer.import_view i
where i._street_id = :street::int
	and i.id > case when :after::text is null then '00000000-0000-0000-0000-000000000000' else :after::uuid end
	and (:updated_after::timestamptz is null or i.updated_at > :updated_after::timestamptz)
order by i.id
limit :limit::int + 1;

-- name: getImport
select * from transfer.import_view i where i._street_id = :street::int and i.id = :id::uuid;

-- name: listImportRows
select core.must(exists (select from transfer.import i
	where i.street_id = :street::int and i.id = :id::uuid), 404, 'not_found');
select r.*, r._n as _cursor from transfer.row_view r
where r._street_id = :street::int and r._import_id = :id::uuid and r._n > coalesce(:after::int, 0)
	and (:outcome::text is null or r.outcome = :outcome::text)
order by r._n
limit :limit::int + 1;

-- name: commitImport
select transfer.act_import(:id::uuid, 'commit');
select * from transfer.import_view i where i._street_id = :street::int and i.id = :id::uuid;

-- name: dropImport
select transfer.act_import(:id::uuid, 'drop');
select * from transfer.import_view i where i._street_id = :street::int and i.id = :id::uuid;

-- What is to be read, while nothing is; given up after so many attempts.
-- helper: jobNextImport
select id, street_id, rows, given from transfer.next_import(:attempts::int);

-- helper: jobStageImport
select taken, reading from transfer.stage(:rows::json);

-- helper: jobWorkImports
select transfer.work(2000) as rows;

-- helper: jobSweepImports
select transfer.sweep(5000) as swept;

-- Files whose import is read, dropped or was never entered: ids is what lies
-- in the vault.
-- helper: jobSweepVault
select id from transfer.unowned(:ids::uuid[]) id;
