-- people: what other domains keep of somebody, for the copy they may ask for
-- and for the pseudonym that takes their place.

create function people.traces(p people.person) returns table (tickets json, comments json, hazards json, visits json,
	alarms json, pairings json, diary json, mediations json, check_ins json)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set jit = off set linli.role = 'system'
as $$
declare
	st constant integer := p.street_id;
	me constant uuid := p.account_id;
begin
	return query select
		(select coalesce(json_agg(json_build_object('number', t.number, 'kind', t.kind, 'title', x.title, 'description', x.description,
			'status', t.status, 'contact_name', x.contact_name, 'contact_phone_mask', x.contact_phone_mask, 'address', x.address,
			'created_at', t.created_at) order by t.created_at), '[]')
			from ticket.ticket t join ticket.private x on x.street_id = st and x.ticket_id = t.id where t.street_id = st and t.owner_id = me),
		(select coalesce(json_agg(json_build_object('text', c.text, 'created_at', c.created_at) order by c.created_at), '[]')
			from ticket.comment c where c.street_id = st and c.author_id = me),
		(select coalesce(json_agg(json_build_object('number', h.number, 'kind', h.kind, 'title', h.title, 'description', h.description,
			'status', h.status, 'address', h.address, 'created_at', h.created_at) order by h.created_at), '[]')
			from field.hazard h where h.street_id = st and h.owner_id = me),
		-- Of a visit to the household the note is not theirs alone.
		(select coalesce(json_agg(json_build_object('due_on', v.due_on, 'kind', v.kind, 'theme', v.theme, 'state', v.state,
			'reported_at', v.reported_at, 'note', case when v.person_id = p.id then v.note end) order by v.due_on, v.id), '[]')
			from care.visit v where v.street_id = st and (v.person_id = p.id or v.person_id is null and v.household_id = p.household_id)),
		(select coalesce(json_agg(json_build_object('state', a.state, 'seen_at', a.seen_at, 'raised_at', a.raised_at,
			'closed_at', a.closed_at, 'reason', a.reason) order by a.raised_at), '[]')
			from care.alarm a where a.street_id = st and a.person_id = p.id),
		(select coalesce(json_agg(json_build_object('kind', x.kind, 'as', case p.id when x.helper_id then 'helper' else 'recipient' end,
			'state', x.state, 'created_at', x.created_at, 'ended_at', x.ended_at) order by x.created_at), '[]')
			from care.pairing x where x.street_id = st and p.id in (x.helper_id, x.recipient_id)),
		(select coalesce(json_agg(json_build_object('on_date', d.on_date, 'topic', d.topic, 'text', d.text) order by d.on_date, d.id), '[]')
			from care.diary d where d.street_id = st and d.person_id = p.id),
		-- That there is a case and what they are in it: the rest is the other party's too.
		(select coalesce(json_agg(json_build_object('id', m.id, 'kind', m.kind, 'side', x.side, 'state', m.state,
			'created_at', m.created_at, 'closed_at', m.closed_at, 'kept', m.kept) order by m.created_at), '[]')
			from care.party x join care.mediation m on m.street_id = st and m.id = x.mediation_id
			where x.street_id = st and x.person_id = p.id),
		(select coalesce(json_agg(json_build_object('at', i.at, 'lon', i.lon, 'lat', i.lat, 'note', i.note) order by i.at), '[]')
			from field.check_in i where i.street_id = st and i.account_id = me);
end
$$;
comment on function people.traces(people.person) is
	'What they reported and said, and what was done for and noted of them, without what is others'' too. For people.copy(), which says whose.';

create function people.forget_traces(p_account uuid, p_name text, p_alias text) returns void
language plpgsql
as $$
declare
	st constant integer := core.street();
	mine constant uuid[] := array(select t.id from ticket.ticket t where t.street_id = st and p_account in (t.owner_id, t.submitted_by));
	near constant uuid[] := mine || array(select h.id from field.hazard h where h.street_id = st and h.owner_id = p_account);
begin
	update ticket.dispatch d set note = replace(d.note, p_name, p_alias), report_note = replace(d.report_note, p_name, p_alias),
		done_note = replace(d.done_note, p_name, p_alias), return_reason = replace(d.return_reason, p_name, p_alias),
		ruling_reason = replace(d.ruling_reason, p_name, p_alias)
	where d.street_id = st and d.ticket_id = any (mine);
	update ticket.source_update u set text = core.mask_text(replace(u.text, p_name, p_alias))
	where u.street_id = st and u.ticket_id = any (mine);
	update clock.clock c set asked_reason = replace(c.asked_reason, p_name, p_alias), answer_reason = replace(c.answer_reason, p_name, p_alias)
	where c.street_id = st and c.subject_id = any (near);
	update rate.callback c set note = replace(c.note, p_name, p_alias) where c.street_id = st and c.ticket_id = any (mine);
	update rate.appeal a set reason = replace(a.reason, p_name, p_alias), answer = replace(a.answer, p_name, p_alias)
	where a.street_id = st and a.ticket_id = any (mine);
	update duty.review v set problems = replace(v.problems::text, p_name, p_alias)::jsonb
	from duty.suggestion s where s.street_id = st and s.ticket_id = any (mine) and v.street_id = st and v.id = s.review_id;
	update duty.suggestion s set note = replace(s.note, p_name, p_alias) where s.street_id = st and s.ticket_id = any (mine);
	update field.check_in i set note = replace(i.note, p_name, p_alias) where i.street_id = st and i.account_id = p_account;
	update field.safety_team t set members = replace(t.members::text, p_name, p_alias)::jsonb
	where t.street_id = st and p_account = any (t.accounts);
end
$$;
comment on function people.forget_traces(uuid, text, text) is
	'In what departments, callers, patrols and reviews wrote of what somebody reported the pseudonym stands. In role system.';

create function people.forget_signature(p_account uuid, p_alias text) returns void
language plpgsql
as $$
declare
	st constant integer := core.street();
begin
	update care.visit x set reported_name = p_alias where x.street_id = st and x.reported_by = p_account;
	update care.knock x set knocked_name = p_alias where x.street_id = st and x.knocked_by = p_account;
	update care.diary x set author_name = p_alias where x.street_id = st and x.author_id = p_account;
	update care.mediation x set mediator_name = p_alias where x.street_id = st and x.mediator_id = p_account;
	update people.tag x set set_by_name = p_alias where x.street_id = st and x.set_by = p_account;
	update people.health_tag x set set_by_name = p_alias where x.street_id = st and x.set_by = p_account;
	update grid.assignment x set name = p_alias where x.street_id = st and x.account_id = p_account;
	update duty.ledger_template x set written_name = p_alias where x.street_id = st and x.written_by = p_account;
end
$$;
comment on function people.forget_signature(uuid, text) is
	'Who works here no more has signed by the pseudonym, wherever the name was copied to. In role system.';
