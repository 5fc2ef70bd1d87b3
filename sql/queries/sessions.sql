-- Sessions: sign-in, refresh, logout, who am I. Hooks: src/domain/sessions.c.

-- Body: login. Context: client_address. First step of createSession, in a transaction
-- of its own, so that the attempt counts whatever follows. One row: verdict
-- ok | throttled (then retry_after, seconds), account_id (null: unknown login,
-- fail after verifying all the same), password_hash.
-- helper: loginBegin
select verdict, retry_after, account_id, password_hash, totp_secret, totp_used
from identity.login_begin(:login::text, :client_address::text);

-- A sign-in that failed in C, in a transaction of its own, whatever the kind.
-- helper: loginRefused
select identity.login_refused(:account::uuid, :how::text, :why::text, :client_address::text);

-- Body: role, street_id. Hook binds: account, password_hash (both as loginBegin
-- gave them), refresh_hash (SHA-256 of the new refresh token, hex),
-- refresh_seconds, totp_step or recovery, street_totp. Context: new_id becomes the session. One row for the
-- token; LN401 login_failed, LN403 account_disabled, role_not_granted.
-- name: createSession
select session_id, account_id, name, role, street_id, epoch, expires_at
from identity.create_session(:account::uuid, :password_hash::text, :role::text,
	:street_id::int, :new_id::uuid, :refresh_hash::text, :refresh_seconds::int, :client_address::text,
	:totp_step::bigint, :recovery::text, :street_totp::boolean);

-- Hook binds: refresh_hash (of the token in the body), new_refresh_hash,
-- refresh_seconds. One row always: verdict ok with the rest filled;
-- unknown → token_invalid, expired → token_expired, revoked and reused →
-- session_revoked, repeated → refresh_repeated.
-- name: refreshSession
select verdict, session_id, account_id, name, role, street_id, epoch, expires_at
from identity.refresh_session(:refresh_hash::text, :new_refresh_hash::text, :refresh_seconds::int,
	:client_address::text);

-- name: deleteSession
select true as _ended where identity.end_session(:session::uuid, :client_address::text);

-- name: getMe
select m.account_id, m.login, m.name, :role::text as role,
	:street::int as street_id, s.name as street_name, o.id as org_id, o.name as org_name,
	(select coalesce(json_agg(json_build_object('grid_id', g.id, 'kind', g.kind,
			'name', g.name) order by g.path), '[]')
		from grid.grid g
		where g.street_id = :street::int and g.path = any (core.scopes())) as scopes,
	(select coalesce(json_agg(distinct a.lead_kind), '[]')
		from grid.assignment_view a
		where a._street_id = :street::int and a.account_id = :actor::uuid
			and a.active and :role::text = 'grid_lead') as lead_kinds
from identity.me() m
left join grid.street s on s.id = :street::int
left join identity.org o on o.street_id = :street::int and o.id = core.org();
