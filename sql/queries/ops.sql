-- The server itself. Hooks: src/domain/ops.c.

-- Every 15 s; only looks.
-- helper: jobLookAtBacklog
select b.queue, b.waiting, b.overdue from core.backlog() b;
