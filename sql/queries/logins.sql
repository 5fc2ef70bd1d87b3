-- Logins by SMS and WeChat, second factors, own sessions, joining a community.
-- Hooks: src/domain/{sms,wechat,second,passwords,logins}.c.

-- Steps of those hooks; each is a transaction of its own, so that what it
-- counts stays counted.

-- helper: smsBegin
select verdict, retry_after
from identity.sms_begin(:sms_id::uuid, :phone_index::text, :purpose::text, :code_hash::text,
	:client_address::text, :sms_per_hour::int);

-- helper: smsUnsent
select identity.sms_unsent(:sms_id::uuid);

-- helper: smsTry
select verdict, retry_after, account_id, totp_secret, totp_used
from identity.sms_try(:sms_id::uuid, :phone_index::text, :purpose::text, :code_hash::text, :client_address::text);

-- helper: wechatToken
select verdict, sealed, generation
from identity.wechat_token(:app::text, :stale::int);

-- helper: wechatTokenPut
select identity.wechat_token_put(:app::text, :token::text, :token_seconds::int) as generation;

-- helper: wechatBegin
select retry_after, account_id, totp_secret, totp_used
from identity.wechat_begin(:openid_index::text, :union_index::text, :wechat_phone_index::text);

-- helper: totpBegin
select retry_after, totp_secret, totp_used from identity.my_totp(:confirmed::boolean);

-- helper: passwordBegin
select verdict, retry_after, account_id, password_hash
from identity.my_password(:client_address::text);

-- Sign-in ----------------------------------------------------------------

-- name: createSmsSession
select session_id, account_id, name, role, street_id, epoch, expires_at
from identity.sms_session(:code_id::uuid, :code_hash::text, :phone_index::text, :phone::text, :phone_mask::text,
	:role::text, :street_id::int, :totp_step::bigint, :recovery::text, :street_totp::boolean,
	:new_id::uuid, :refresh_hash::text, :refresh_seconds::int, :client_address::text);

-- name: createWechatSession
select session_id, account_id, name, role, street_id, epoch, expires_at
from identity.wechat_session(:openid_index::text, :openid::text, :union_index::text, :wechat_phone_index::text,
	:wechat_phone::text, :wechat_phone_mask::text, :role::text, :street_id::int, :totp_step::bigint,
	:recovery::text, :street_totp::boolean, :new_id::uuid, :refresh_hash::text, :refresh_seconds::int,
	:client_address::text);

-- name: switchSession
select session_id, account_id, name, role, street_id, epoch, expires_at
from identity.switch_session(:wanted_role::text, :street_id::int, :grid_id::uuid, :org_id::uuid, :street_totp::boolean,
	:session::uuid, :new_id::uuid, :refresh_hash::text, :refresh_seconds::int, :client_address::text);

-- Logins -----------------------------------------------------------------

-- name: listMyLogins
select l.*, l.id as _cursor from identity.my_logins() l
where l.id > case when :after::text is null
	then '00000000-0000-0000-0000-000000000000' else :after::uuid end
order by l.id limit :limit::int + 1;

-- name: bindPhone
select * from identity.bind_login('phone', :phone_index::text, null, :phone::text, :phone_mask::text,
	:code_id::uuid, :code_hash::text);

-- name: bindWechat
select * from identity.bind_login('wechat', :openid_index::text, :union_index::text, :openid::text, '微信');

-- name: bindWechatPhone
select * from identity.bind_login('phone', :wechat_phone_index::text, null, :wechat_phone::text,
	:wechat_phone_mask::text);

-- name: unbindLogin
select identity.unbind_login(:id::uuid, :client_address::text) as _unbound;

-- name: changePassword
select identity.change_password(:password_hash::text, :new_hash::text, :session::uuid, :client_address::text) as _changed;

-- name: resetPassword
select identity.reset_password(:code_id::uuid, :code_hash::text, :account::uuid, :new_hash::text,
	:client_address::text) as _changed;

-- name: enrolTotp
select identity.enrol_totp(:totp_secret::text);

-- name: confirmTotp
select identity.confirm_totp(:totp_step::bigint, :recovery_hashes::text[], :session::uuid, :client_address::text);

-- name: dropTotp
select identity.drop_my_totp(:totp_step::bigint, :recovery::text, :client_address::text) as _dropped;

-- Sessions ---------------------------------------------------------------

-- name: listMySessions
select s.*, s.id = :session::uuid as current, s.id as _cursor from identity.my_sessions() s
where s.id > case when :after::text is null
	then '00000000-0000-0000-0000-000000000000' else :after::uuid end
order by s.id limit :limit::int + 1;

-- name: revokeSession
select core.must(identity.end_session(:id::uuid, :client_address::text) is not null, 404, 'not_found') as _revoked;

-- name: revokeOtherSessions
select identity.end_others(:session::uuid, :client_address::text) as revoked;

-- name: listMyRoles
select r.*, :role::text = r.role and :street::int = r.street_id as current from identity.my_roles() r;

-- Newest first.
-- name: listMyEvents
select e.*, e.id as _cursor from identity.my_events() e
where :after::text is null or e.id < :after::uuid
order by e.id desc limit :limit::int + 1;

-- Joining ----------------------------------------------------------------

-- name: listStreets
select s.id, s.name, s.code from grid.street s order by s.id;

-- name: listJoinableGrids
select p.id, p.kind, p.name, p.compound_id, p.compound_name, p.community_name, p.path as _cursor
from identity.places(coalesce(:street_id::int, :street::int), :q::text, :after::text, :limit::int + 1) p order by p.path;

-- name: submitClaim
select identity.submit_claim(:new_id::uuid, :street_id::int, :grid_id::uuid, :compound_id::uuid,
	:name::text, :address::text, :tenure::text, :client_address::text, :position::json);
select c.* from identity.claims(true, :new_id::uuid) c;

-- name: listMyClaims
select c.*, c.id as _cursor from identity.claims(true) c
where c.id > case when :after::text is null
	then '00000000-0000-0000-0000-000000000000' else :after::uuid end
order by c.id limit :limit::int + 1;

-- name: withdrawClaim
select identity.decide_claim(:id::uuid, 'withdrawn', null, null);
select c.* from identity.claims(true, :id::uuid) c;

-- name: listClaims
select c.*, c.id as _cursor from identity.claims(false) c
where c.id > case when :after::text is null
		then '00000000-0000-0000-0000-000000000000' else :after::uuid end
	and (:status::text is null or c.status = :status::text)
	and (:updated_after::timestamptz is null or c.updated_at > :updated_after::timestamptz)
order by c.id limit :limit::int + 1;

-- name: approveClaim
select identity.decide_claim(:id::uuid, 'approved', :grid_id::uuid, :reason::text, :person_id::uuid);
select c.* from identity.claims(false, :id::uuid) c;

-- name: rejectClaim
select identity.decide_claim(:id::uuid, 'rejected', null, :reason::text);
select c.* from identity.claims(false, :id::uuid) c;
