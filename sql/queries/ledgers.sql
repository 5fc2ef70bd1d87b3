-- Ledgers: how a street wants them, what stands in them, what is missing. No hooks.

-- name: getLedgers
select l.ledgers, left(md5(l.ledgers::text), 16) as _etag from (select duty.ledgers() as ledgers offset 0) l;

-- name: putLedgers
select duty.put_ledgers(:if_match::text, :ledgers::jsonb);
select l.ledgers, left(md5(l.ledgers::text), 16) as _etag from (select duty.ledgers() as ledgers offset 0) l;

-- name: listLedgerVersions
select v.* from duty.ledger_version_view v
where v._street_id = :street::int and (:ledger::text is null or v.ledger = :ledger::text)
	and (:after::text is null or v._cursor > :after::text)
order by v._cursor limit :limit::int + 1;

-- name: listLedgerRows
select r.cells, r._cursor from duty.ledger_rows(:ledger::text, :under::uuid, :from_on::date, :to_on::date, :after::text, :limit::int + 1) r;

-- name: getLedgerCompleteness
select c.month, c.grids, c.complete, c.coverage, c.ledgers, c.items from duty.completeness(:under::uuid, :month::text) c;
