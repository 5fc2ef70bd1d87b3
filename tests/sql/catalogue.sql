-- What must hold of every table, view, function, policy and role: read from
-- the catalogue, so that new objects are held to it unasked.
\set ON_ERROR_STOP 1
begin;
set local client_min_messages = warning;
create extension if not exists pgtap schema public;
select * from no_plan();

create temporary view ours as
select oid, nspname from pg_namespace
where nspname !~ '^(pg_|information_schema$|public$)';
create temporary view relation as
select c.oid, n.nspname || '.' || c.relname as name, c.relkind, c.relrowsecurity,
	c.relforcerowsecurity, c.reloptions, c.relowner, c.relacl,
	(regexp_match(obj_description(c.oid, 'pg_class'), '^class: (street|reference|key|local)\.'))[1] as class
from pg_class c join ours n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S');
create temporary view routine as
select p.oid, p.oid::regprocedure::text as name, p.prosecdef, p.proconfig, p.proowner, p.proacl,
	p.prokind, p.proleakproof, n.nspname
from pg_proc p join ours n on n.oid = p.pronamespace;
-- The columns of every unique, exclusion or primary key index, first first.
create temporary view unique_index as
select r.name, r.class, i.indexrelid::regclass::text as index, (
	select array_agg(a.attname order by k.n) from unnest(i.indkey::int2[]) with ordinality k (attnum, n)
	left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum) as columns
from pg_index i join relation r on r.oid = i.indrelid
where i.indisunique or i.indisexclusion;

select cmp_ok(count(*), '>=', 12::bigint, 'the tables are found') from relation where relkind = 'r';
select cmp_ok(count(*), '>=', 50::bigint, 'the functions are found') from routine;

-- classes; security 43, as all that follows
select is_empty($$select name from relation where relkind <> 'S' and class is null$$,
	'every table and view declares its class');
select is_empty($$select name from relation where relkind not in ('r', 'v')$$,
	'no materialized views, sequences, foreign or partitioned tables');
select is_empty($$select name from relation where relkind = 'r' and class in ('street', 'key')
	and not (relrowsecurity and relforcerowsecurity)$$,
	'row-level security is on and forced on every street and key table');
select is_empty($$select name, index, columns from unique_index where class = 'street' and columns[1] is distinct from 'street_id'$$,
	'street_id leads every primary key, unique and exclusion of a street table');
select is_empty($$select r.name from relation r where r.relkind = 'r'
	and not exists (select from pg_constraint c where c.conrelid = r.oid and c.contype = 'p')$$,
	'every table has a primary key');
select is_empty($$
	select c.conname, r.name, f.name from pg_constraint c
	join relation r on r.oid = c.conrelid join relation f on f.oid = c.confrelid
	where c.contype = 'f' and case
		when f.class = 'street' then r.class <> 'street'
			or (select attname from pg_attribute where attrelid = c.conrelid and attnum = c.conkey[1]) <> 'street_id'
			or (select attname from pg_attribute where attrelid = c.confrelid and attnum = c.confkey[1]) <> 'street_id'
		when f.class = 'key' then r.class <> 'key'
		else false end$$,
	'foreign keys to street tables come from street tables by street_id, those to key tables from key tables');
select is_empty($$select conname from pg_constraint c join ours n on n.oid = c.connamespace where condeferrable$$,
	'no constraint is deferrable');
select is_empty($$select r.name, a.attname from relation r join pg_attribute a on a.attrelid = r.oid
	where a.attnum > 0 and a.attidentity <> ''$$, 'no identity columns');
select is_empty($$select name from relation where relkind = 'v'
	and not coalesce('security_invoker=true' = any (reloptions), false)$$,
	'every view reads as its caller');
select is_empty($$select r.name from relation r where r.relkind = 'v' and r.class in ('street', 'key')
	and not exists (select from pg_depend d join pg_rewrite w on w.oid = d.objid
		join relation t on t.oid = d.refobjid and t.class = r.class and t.relkind = 'r'
		where d.classid = 'pg_rewrite'::regclass and w.ev_class = r.oid)$$,
	'a view has the class of a table it reads');

-- policies
select is_empty($$select polrelid::regclass, polname from pg_policy
	where concat(polqual::text, polwithcheck::text) ~ 'SUBLINK|QUERY'$$,
	'no policy holds a sub-query');
select is_empty($$
	select polrelid::regclass, polname, p.oid::regprocedure from pg_policy y
	cross join lateral regexp_matches(concat(polqual::text, polwithcheck::text), ':(?:funcid|opfuncid) (\d+)', 'g') m
	join pg_proc p on p.oid = m[1]::oid
	where p.pronamespace <> 'pg_catalog'::regnamespace and (p.prosecdef or p.provolatile = 'v' or p.proconfig is not null
		or p.prolang <> (select oid from pg_language where lanname = 'sql')
		or pg_get_functiondef(p.oid) ~* '\mfrom\M')$$,
	'policies call only functions the planner inlines, which read no table');
select is_empty($$select name from relation r where class = 'street' and relkind = 'r' and exists (
	select from pg_policy y where y.polrelid = r.oid
	and concat(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) !~ 'street_id = ')$$,
	'every policy of a street table asks for the street');
select is_empty($$select polrelid::regclass, polname from pg_policy y join relation r on r.oid = y.polrelid
	where r.class = 'key' and polroles <> array['linli_owner'::regrole::oid]$$,
	'key tables open to linli_owner''s functions only');
select is_empty($$select polrelid::regclass, polname from pg_policy where not polpermissive$$, 'all policies are permissive, to be read one by one');

-- privileges
create temporary view privilege as
select r.name, x.grantee, x.privilege_type from relation r,
	aclexplode(coalesce(r.relacl, acldefault('r', r.relowner))) x
union all
select r.name || '.' || a.attname, x.grantee, x.privilege_type from relation r
	join pg_attribute a on a.attrelid = r.oid, aclexplode(a.attacl) x
union all
select f.name, x.grantee, x.privilege_type from routine f,
	aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) x
union all
select n.nspname, x.grantee, x.privilege_type from pg_namespace n join ours o on o.oid = n.oid,
	aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) x;
select is_empty($$select * from privilege where grantee = 0$$, 'PUBLIC has nothing');
select is_empty($$select name, grantee::regrole, privilege_type from privilege
	where grantee in ('linli_app'::regrole, 'linli_job'::regrole)
	and privilege_type not in ('SELECT', 'EXECUTE', 'USAGE')$$,
	'the daemon''s roles have SELECT, EXECUTE and USAGE, nothing else');
select is_empty($$select distinct grantee::regrole from privilege where grantee not in (0, 'linli_owner'::regrole,
	'linli_app'::regrole, 'linli_job'::regrole, 'linli_matcher'::regrole)$$, 'nobody else has anything');
select is_empty($$select n.nspname, rolname, p from pg_namespace n, pg_roles,
	unnest('{linli_app,linli_job,linli_matcher}'::name[]) who, unnest('{CREATE,CREATE WITH GRANT OPTION}'::text[]) p
	where rolname = who and n.nspname !~ '^pg_' and has_schema_privilege(rolname, n.oid, p)$$,
	'the daemon''s roles create in no schema');
-- security 46
select is_empty($$select rolname, p from pg_roles, unnest('{UPDATE,DELETE,TRUNCATE,TRIGGER,REFERENCES}'::text[]) p, unnest('{core.event,audit.entry}'::text[]) t
	where not rolsuper and rolname !~ '^pg_' and rolname <> 'linli_owner' and has_table_privilege(rolname, t, p)
	union all select 'linli_owner', p from unnest('{UPDATE,DELETE,TRUNCATE}'::text[]) p, unnest('{core.event,audit.entry}'::text[]) t
	where has_table_privilege('linli_owner', t, p)$$, 'nobody may rewrite the events, nor the audit log');
select is_empty($$select name from relation r where class = 'key' and has_any_column_privilege('linli_app', r.oid, 'SELECT')$$,
	'the app reads no key table');
select is_empty($$select distinct grantee::regrole from pg_namespace n, aclexplode(n.nspacl) x
	where n.nspname = 'public' and x.privilege_type = 'CREATE' and grantee <> n.nspowner and grantee <> 'pg_database_owner'::regrole$$,
	'nobody creates in public');
select is_empty($$select rolname from pg_roles where rolname in ('linli_owner', 'linli_app', 'linli_job')
	and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication or not rolcanlogin)$$,
	'the roles that log in have no attribute beyond that');
select is((select row(rolsuper, rolbypassrls, rolcanlogin) from pg_roles where rolname = 'linli_matcher'),
	row(false, true, false), 'the matcher passes row-level security and cannot log in');
select is_empty($$select roleid::regrole, member::regrole from pg_auth_members
	where member in ('linli_app'::regrole, 'linli_job'::regrole, 'linli_matcher'::regrole)$$,
	'the daemon''s roles are members of nothing');

-- functions
select is_empty($$select name from routine where prosecdef and name <> 'core.enter(uuid,text)'
	and not coalesce('search_path=pg_catalog, pg_temp' = any (proconfig), false)$$,
	'every SECURITY DEFINER function has the fixed search_path');
-- That one is called by every request and names everything with its schema
-- instead: no other word may stand before a bracket, no operator bare, no cast.
select is_empty($$
	select m[1] from pg_proc p, regexp_replace(p.prosrc, 'operator\(pg_catalog\.[^ )]+\)', '', 'g') body,
		regexp_matches(body, '([-+*/<>=~!@#%^&|`?:]+|(?<![\w.])\w+\s*\(|\m(?:like|ilike|similar|between|in|any|some|all|nullif|case|distinct|array)\M)', 'g') m
	where p.oid = 'core.enter(uuid,text)'::regprocedure
	union all
	select m[1] from pg_proc p, regexp_matches(p.prosrc, '(?:from|join|perform)\s+(\w+)(?![\w.])', 'g') m
	where p.oid = 'core.enter(uuid,text)'::regprocedure$$, 'core.enter() names nothing without its schema');
-- security 43: what runs with its owner's rights is named here, so that a new
-- one is thought about.
select is_empty($$select name from routine where prosecdef and split_part(name, '(', 1) not in (
	'care.alarms', 'care.campaigns', 'care.cancel_visit', 'care.create_campaign', 'care.create_plan', 'care.create_visit',
	'care.dismiss_alarm', 'care.doors', 'care.end_campaign', 'care.end_pairing', 'care.end_plan', 'care.figures_whole', 'care.fill',
	'care.helped', 'care.knock', 'care.knocks', 'care.lapse', 'care.count_visits_whole', 'care.pair', 'care.pairings', 'care.plan_season',
	'care.plans', 'care.raise_alarms', 'care.report', 'care.seen', 'care.summary', 'care.turn', 'care.view_visit', 'care.visits',
	'care.diaries', 'care.edit_diary', 'care.raise_diary', 'care.write_diary',
	'care.act_case', 'care.add_party', 'care.add_reporter', 'care.cases', 'care.check_mediator', 'care.open_case', 'care.put_mediator',
	'care.stamp', 'care.view_case',
	'duty.act_admission', 'duty.act_review', 'duty.finish_task', 'duty.propose', 'duty.put_limit', 'duty.turn_admission', 'duty.completeness', 'duty.ledger_rows', 'duty.owed', 'duty.put_ledgers', 'duty.work', 'duty.edit_campaign', 'duty.end_campaign', 'duty.start_campaign', 'duty.take_suggestion', 'duty.today', 'duty.write_review', 'field.act', 'field.acts_for', 'field.from_equipment', 'field.hazard_on_patrol', 'field.miss_patrols', 'field.plan_patrols',
	'field.put_check_in', 'field.put_plan', 'field.put_route', 'field.ticket_on_patrol',
	'field.inspect_by_team', 'field.put_team', 'field.stands_for', 'field.team_finds', 'field.from_ticket', 'field.inspect_equipment', 'field.keep_time',
	'field.org_timeline', 'field.put_equipment', 'field.read_sensor', 'field.take_reading', 'field.remind', 'field.replace_equipment', 'field.report', 'field.retire_equipment',
	'audit.heads', 'clock.extend', 'clock.put_hours', 'clock.put_policies', 'clock.tick', 'core.backlog', 'core.changed_streets', 'core.enter', 'core.era_fits', 'core.horizon', 'core.idem_put',
	'core.idem_sweep', 'core.idem_sweep_all', 'core.newest_event', 'grid.assign', 'grid.at', 'grid.cancel_redraw',
	'grid.commit_redraw', 'grid.create_grid', 'grid.describe_moves', 'grid.end_assignment', 'grid.execute_redraw',
	'grid.fill_building', 'grid.move_dwellings', 'grid.preview_redraw', 'grid.put_building', 'grid.put_duty_area',
	'grid.put_dwelling', 'grid.put_group', 'grid.put_party_org', 'grid.run_redraws', 'grid.update_grid',
	'identity.bind_login', 'identity.change_password', 'identity.claims', 'identity.confirm_totp',
	'identity.create_session', 'identity.decide_claim', 'identity.drop_my_totp', 'identity.end_others',
	'identity.end_session', 'identity.enrol_totp', 'identity.login_begin', 'identity.login_refused',
	'identity.find_issuer', 'identity.oidc_session', 'identity.add_client_secret', 'identity.bar_client', 'identity.client_claims', 'identity.client_keys',
	'identity.client_token', 'identity.clients', 'identity.end_client_secret', 'identity.put_client',
	'grid.hand_over', 'identity.bar_staff', 'identity.create_staff', 'identity.end_staff_role', 'identity.grant_staff_role',
	'identity.posts', 'identity.put_org', 'identity.put_staff_post', 'identity.reset_staff_password', 'identity.staff',
	'identity.me', 'identity.my_events', 'identity.my_logins', 'identity.my_password',
	'identity.my_roles', 'identity.my_sessions', 'identity.my_totp', 'identity.name_of',
	'identity.places', 'identity.refresh_session', 'identity.reset_password', 'identity.sms_begin',
	'identity.sms_session', 'identity.sms_try', 'identity.sms_unsent', 'identity.submit_claim',
	'identity.sweep', 'identity.switch_session', 'identity.unbind_login', 'identity.wechat_begin',
	'identity.wechat_session', 'identity.wechat_token', 'identity.wechat_token_put',
	'people.accesses', 'people.accesses_of', 'people.act_request', 'people.has_guardian_here', 'people.of_number', 'people.resettle', 'people.take_over', 'people.add_owner', 'people.add_ward', 'people.address_of', 'people.attach_account',
	'people.clear_tag', 'people.copy', 'people.counts', 'people.create_person', 'people.decide_approval', 'people.drop_health',
	'people.end_guardian', 'people.end_owner', 'people.file_request', 'people.read', 'people.give_consent', 'people.household_view',
	'people.move', 'people.move_out', 'people.name_guardian', 'people.owners', 'people.put_household', 'people.refresh',
	'people.remove', 'people.request_approval', 'people.restrict', 'people.search', 'people.secret_of', 'people.set_tag',
	'people.somebody', 'people.summary', 'people.traces', 'people.sweep', 'people.unmask', 'people.update_person', 'people.view',
	'people.withdraw_consent',
	'rate.appeal', 'rate.blocks', 'rate.board', 'rate.call_back', 'rate.decide', 'rate.follow', 'rate.read', 'rate.sums', 'rate.voices',
	'transfer.act_import', 'transfer.begin_import', 'transfer.may_import', 'transfer.next_import', 'transfer.stage',
	'transfer.sweep', 'transfer.unowned', 'transfer.work',
	'ticket.act', 'ticket.act_part', 'ticket.case_of', 'ticket.end_round', 'ticket.lock_case', 'ticket.move_part', 'ticket.put_routes', 'ticket.read_case', 'ticket.add_comment', 'ticket.add_photo',
	'ticket.adopt', 'ticket.close_silent', 'ticket.contact', 'ticket.drop_photos', 'ticket.edit',
	'ticket.hand_over', 'ticket.is_rare', 'ticket.match', 'ticket.release_due', 'ticket.restamp', 'ticket.add_source', 'ticket.join_number', 'ticket.join_source', 'ticket.known_as', 'ticket.note_update', 'ticket.outcome_of', 'ticket.program_feed', 'ticket.pick_sources', 'ticket.read_outcome', 'ticket.sources', 'ticket.submit_source', 'ticket.update_source', 'ticket."similar"',
	'ticket.similar_to', 'ticket.submit', 'ticket.tell_merged', 'ticket.transfer', 'ticket.unnamed_photos',
	'people.duplicates', 'people.join_records', 'people.join_rows', 'people.merge_persons', 'people.part_records',
	'people.part_rows', 'people.tell_apart', 'people.unmerge_person',
	'transfer.drop_export', 'transfer.export_step', 'transfer.fetch_export', 'transfer.request_export', 'transfer.stray_exports')$$,
	'every SECURITY DEFINER function is on the list');
-- Those that see more than their caller: each is here because its author
-- thought about what it hands out.
select is_empty($$select name, proconfig from routine
	where exists (select from unnest(proconfig) s where s ~ '^linli')
	and split_part(name, '(', 1) not in ('care.add_reporter', 'care.check_mediator', 'care.put_mediator', 'care.stamp', 'care.count_visits_whole', 'care.doors', 'care.figures_whole', 'care.fill', 'care.helped', 'care.lapse',
		'care.plan_season', 'care.seen', 'core.changed_streets', 'core.horizon', 'core.newest_event', 'duty.owed', 'duty.work', 'field.keep_time', 'field.org_timeline', 'field.take_reading', 'field.team_finds', 'grid.describe_moves', 'grid.execute_redraw', 'grid.move_dwellings', 'people.accesses_of', 'people.address_of', 'people.counts', 'people.drop_health', 'people.has_guardian_here', 'people.join_records', 'people.join_rows', 'people.of_number', 'people.part_records', 'people.part_rows', 'people.refresh', 'people.remove', 'people.resettle', 'people.restrict', 'people.secret_of', 'people.somebody', 'people.traces',
		'rate.blocks', 'rate.sums', 'rate.voices', 'ticket.adopt', 'ticket.end_round', 'ticket.hand_over', 'ticket.is_rare', 'ticket.lock_case', 'ticket.move_part', 'ticket.read_case',
		'ticket.restamp', 'ticket.tell_merged', 'ticket.add_source', 'ticket.known_as', 'ticket.note_update', 'ticket.pick_sources', 'ticket.program_feed', 'ticket.read_outcome', 'duty.turn_admission')$$, 'no other function widens its context');
select is_empty($$select name from routine where proowner = 'linli_matcher'::regrole
	and not (prosecdef and split_part(name, '(', 1) in ('grid.at', 'ticket.match'))$$,
	'the matcher owns two functions, which pass row-level security');
select is_empty($$select name from routine where proowner not in ('linli_owner'::regrole, 'linli_matcher'::regrole)$$,
	'functions belong to the owner or the matcher');
select is_empty($$select name from relation where relowner <> 'linli_owner'::regrole$$, 'tables belong to the owner');
select is_empty($$select name from routine r where prokind = 'f' and obj_description(r.oid, 'pg_proc') is null
	and not exists (select from pg_trigger t where t.tgfoid = r.oid)$$, 'every function says what it does');
select is_empty($$select name from routine where proleakproof$$, 'none of ours is marked leakproof');
select ok(proleakproof, oid::regprocedure || ' is marked leakproof')
from pg_proc where oid = 'pg_catalog.arraycontains(anyarray,anyarray)'::regprocedure;

-- nothing is seen without a context, whoever asks
create function pg_temp.seen(who name) returns setof text language plpgsql as $$
declare
	t record;
	n bigint;
begin
	for t in select name from relation r where class in ('street', 'key')
		and has_schema_privilege(who, split_part(name, '.', 1), 'USAGE')
		and has_any_column_privilege(who, r.oid, 'SELECT') order by name
	loop
		execute format('set local role %I', who);
		execute 'select count(*) from ' || t.name into n;
		reset role;
		return next t.name || ': ' || case n when 0 then 'none' else n::text end;
	end loop;
end $$;
-- security 44
select is_empty(format('select seen from pg_temp.seen(%L) seen where seen !~ %L', who, ': none$'),
	who || ' sees no row outside a context')
from unnest('{linli_app,linli_job}'::text[]) who;
select cmp_ok(count(*), '>=', 8::bigint, 'of tables it may select from') from pg_temp.seen('linli_app');
select cmp_ok((select count(*) from grid.grid), '>', 0::bigint, 'where there are rows');
-- a visitor stands in no street, and their session is good for nothing else
set local role linli_owner;
select session_id as visitor, account_id as account from identity.open_session('resident', 'visitor', null, 3600) \gset
select session_id as resident from identity.open_session('resident', 'resident', null, 3600) \gset
reset role;
select throws_ok(format('select core.enter(%L, %L, %L, %s, 1)', session, :'account', role, street), 'LN401', 'session_revoked', what)
from (values (:'visitor'::uuid, 'resident', 0, 'a visitor''s session is no resident''s'),
	(:'visitor', 'visitor', 1, 'nor of a street'), (:'resident', 'visitor', 0, 'nor the other way round'),
	(gen_random_uuid(), 'visitor', 0, 'and without a session nobody is one')) t (session, role, street, what);
-- whoever could lay a trap of such names would not catch it
create schema trap;
create function trap.yes(uuid, uuid) returns boolean language sql return true;
create function trap.yes(text, text) returns boolean language sql return true;
create function trap.set_config(text, text, boolean) returns text language plpgsql as $$begin raise 'caught'; end$$;
create operator trap.= (function = trap.yes, leftarg = uuid, rightarg = uuid);
create operator trap.= (function = trap.yes, leftarg = text, rightarg = text);
create function pg_temp.trapped(session uuid, claim text) returns text language plpgsql
set search_path = trap, pg_catalog as $$
begin
	perform core.enter(session, claim);
	return core.role();
exception when others then
	return sqlstate || ' ' || sqlerrm;
end $$;
select is(pg_temp.trapped(gen_random_uuid(), 'nobody resident 1 1'), 'LN401 session_revoked', 'an unknown session does not enter');
select is(pg_temp.trapped(:'visitor', concat_ws(' ', :'account', 'street', 1, 1)), 'LN401 session_revoked', 'nor one with another claim');
select is(pg_temp.trapped(:'visitor', concat_ws(' ', :'account', 'visitor', 0, 1)), 'visitor', 'and who may enter does');
select core.enter(:'visitor', :'account', 'visitor', 0, 1) \g /dev/null
select is(array[core.role(), core.street()::text, core.scopes()::text], '{visitor,0,"{0/}"}'::text[], 'street 0 is nobody''s');
select is_empty($$select seen from pg_temp.seen('linli_app') seen where seen !~ ': none$'$$, 'a visitor sees no row of any street');
select set_config(n, '', true) from unnest('{linli.actor,linli.role,linli.street,linli.scopes}'::text[]) n \g /dev/null

-- machines: each has a table written by hand in this folder; whoever adds one
-- writes that and names it here.
select is_empty($$select distinct machine from core.transition where machine <> all
	('{admission,appeal,data_request,dispatch,door_campaign,grid_review,grid_task,hazard,hazard_aside,import,mediation,pairing,review_campaign,ticket,ticket_aside,visit,visit_alarm,visit_plan}')$$,
	'every state, act and person of every machine is tried');

select * from finish(true);
rollback;
