-- The change feed. Hooks: src/domain/changes.c, which waits while this gives
-- no row.

-- name: listChanges
select e.*, e._xact || ':' || e.id as _cursor
from core.feed(:after::text, :limit::int) e;

-- name: getChangesHead
select rtrim(translate(encode(convert_to(core.horizon(), 'UTF8'), 'base64'),
	E'+/\n', '-_'), '=') as next;

-- One row at least: _mark is what the next call gives as mark (null at first);
-- the others name streets with events that became visible since.
-- helper: changesMark
select street_id, mark as _mark from core.changed_streets(:mark::xid8);

-- helper: jobDropIdempotency
select core.idem_sweep_all() as dropped;
