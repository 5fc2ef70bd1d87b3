-- Outside issuers. Hooks: src/domain/issuers.c.

-- helper: issuerFind
select jwks_url, audience, acr, claims from identity.find_issuer(:issuer::text);

-- Hook binds: issuer, subject_index, subject (sealed), name, claims (of the
-- token, those that matter), second (factor), refresh_hash, refresh_seconds,
-- street_totp.
-- name: createOidcSession
select verdict, session_id, account_id, name_ as name, role, street_id, epoch, expires_at
from identity.oidc_session(:issuer::text, :subject_index::text, :subject::text, :name::text, :claims::jsonb,
	:role::text, :street_id::int, :second::boolean, :street_totp::boolean, :new_id::uuid, :refresh_hash::text,
	:refresh_seconds::int, :client_address::text);
