-- The change feed. Hooks: src/domain/changes.c, which waits while this gives
-- no row.
--
-- What was committed early (include/query.h) may not have settled when it is
-- read here. After a crash it would be gone, and others have its number, which
-- whoever read it would never ask for again. So reading is a commit that waits
-- for the disk, and so for all it has read.

-- name: listChanges
select core.settle();
select e.*, e._xact || ':' || e.id as _cursor
from core.feed(:after::text, :limit::int) e;

-- name: getChangesHead
select core.settle();
select rtrim(translate(encode(convert_to(core.horizon(), 'UTF8'), 'base64'),
	E'+/\n', '-_'), '=') as next;

-- One row at least: _mark is what the next call gives as mark (null at first);
-- the others name streets with events that became visible since.
-- helper: changesMark
select street_id, mark as _mark from core.changed_streets(:mark::xid8);

-- helper: jobDropIdempotency
select core.idem_sweep_all() as dropped;
