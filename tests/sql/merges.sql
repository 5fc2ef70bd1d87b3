-- merges: whatever names a person is moved when two records become one; and it
-- stands in the copy of one's data.
\set ON_ERROR_STOP 1
\set QUIET 1
\pset format unaligned
\pset tuples_only on
begin;
set local client_min_messages = warning;
create extension if not exists pgtap schema public;
select * from no_plan();
-- Told by the schema, so that a new table is held to it unasked.
create temporary view names as
select r.relname || '.' || a.attname as part, c.conrelid::regclass::text as relation
from pg_constraint c join pg_class r on r.oid = c.conrelid
join pg_attribute a on a.attrelid = r.oid and a.attnum = c.conkey[2]
where c.contype = 'f' and c.confrelid = 'people.person'::regclass
	-- the record itself, what is derived from it, and what tells of merges
	and c.conrelid not in ('people.person'::regclass, 'people.secret'::regclass, 'people.gram'::regclass,
		'people.merge'::regclass, 'people.not_same'::regclass, 'care.watch'::regclass);
select cmp_ok(count(*), '>=', 14::bigint, 'they are found') from names;
select is_empty('select part, relation from names except select part, relation from people.naming', 'a merge knows each column that names a person');
select is_empty('select part, relation from people.naming except select part, relation from names', 'and no other');
-- What a request is about, who asked, and where a file's line came from is no more than the record says.
select is_empty($$select distinct relation from names where relation not in ('people.approval', 'people.data_request', 'transfer.import_row')
	and strpos(pg_get_functiondef('people.copy'::regproc) || pg_get_functiondef('people.traces'::regproc)
		|| pg_get_functiondef('people.tags_of'::regproc), relation) = 0$$, 'the copy of one''s data knows each table that names a person');
select * from finish(true);
rollback;
