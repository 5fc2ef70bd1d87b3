-- Who looked at what. Heads of the chains: src/domain/audit.c.

-- name: listAudit
select e.*, e.seq as _cursor
from audit.entry_view e
where e._street_id = :street::int
	and e.seq < case when :after::text is null then 9223372036854775807 else :after::bigint end
	and (:person_id::uuid is null or e.person_id = :person_id::uuid)
	and (:subject_id::uuid is null or e.subject_id = :subject_id::uuid)
	and (:actor_id::uuid is null or e.actor_id = :actor_id::uuid)
	and (:action::text is null or e.action = :action::text)
	and (:updated_after::timestamptz is null or e.at > :updated_after::timestamptz)
order by e.seq desc
limit :limit::int + 1;

-- Once a minute; only looks.
-- helper: jobAuditHeads
select h.street_id, h.seq, h.hash, h.at from audit.heads() h;
