-- What the operator needs to see: how far the jobs are behind.
create function core.backlog() returns table (queue text, waiting bigint, overdue float8)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
	s integer;
	n bigint;
	present constant timestamptz := core.now();
	oldest timestamptz;
	sums bigint[] := '{0,0,0,0}';
	late float8[] := '{0,0,0,0}';
begin
	for s in select x.id from grid.street x loop
		perform core.enter_system(s);
		select count(*), min(f.created_at) + interval '24 hours' into n, oldest from ticket.photo f
			where f.street_id = s and f.subject is null;
		sums[1] := sums[1] + n;
		late[1] := greatest(late[1], extract(epoch from core.now() - oldest));
		select count(*), min(t.replied_at) + ticket.silence() into n, oldest from ticket.ticket t
			where t.street_id = s and t.status = 'replied'
				and t.replied_at <= core.now() - ticket.silence();
		sums[2] := sums[2] + n;
		late[2] := greatest(late[2], extract(epoch from core.now() - oldest));
		select min(i.created_at) + interval '24 hours' into oldest from core.idempotency i
			where i.street_id = s;
		late[3] := greatest(late[3], extract(epoch from core.now() - oldest));
		select count(*), min(c.next_at) into n, oldest from clock.clock c
			where c.street_id = s and c.next_at <= present;
		sums[4] := sums[4] + n;
		late[4] := greatest(late[4], extract(epoch from core.now() - oldest));
	end loop;
	return query select 'photos_unattached'::text, sums[1], late[1]
		union all select 'tickets_silent', sums[2], late[2]
		union all select 'idempotency_keys', (late[3] > 0)::integer::bigint, late[3]
		union all select 'clocks', sums[4], late[4];
end
$$;
comment on function core.backlog() is
	'What waits for a job in all streets, and for how many seconds the oldest is overdue: photos without a ticket, tickets whose reporter stays silent, dead keys (whether there are any), deadlines and warnings.';

grant execute on function core.backlog() to linli_job;
