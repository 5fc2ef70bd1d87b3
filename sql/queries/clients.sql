-- Clients: programs with tokens of their own. Hooks: src/domain/oauth.c.

-- The keys a client that brings an assertion proves itself by.
-- helper: clientKeys
select jwks from identity.client_keys(:client::uuid);

-- Hook binds: client, and secret_hash or jti and jti_end; wanted_scope.
-- name: issueToken
select verdict, session_id, account_id, role, street_id, epoch, scope, nets, per_minute, burst
from identity.client_token(:client::uuid, :secret_hash::text, :jti::text, :jti_end::bigint, :wanted_scope::text[],
	:new_id::uuid, :token_seconds::int, :client_address::text);

-- name: listClients
select c.*, c.id as _cursor from identity.clients(null) c
where c.id > case when :after::text is null
	then '00000000-0000-0000-0000-000000000000' else :after::uuid end
order by c.id limit :limit::int + 1;

-- name: getClient
select * from identity.clients(:id::uuid);

-- name: createClient
select identity.put_client(:new_id::uuid, null, :name::text, :org_id::uuid, :scopes::jsonb, :systems::jsonb, :nets::jsonb,
	:per_minute::int, :burst::int, coalesce(:jwks::jsonb, 'null'));
select c.*, '/v1/clients/' || c.id as _location from identity.clients(:new_id::uuid) c;

-- name: updateClient
select identity.put_client(:id::uuid, :if_match::text, :name::text, :org_id::uuid, :scopes::jsonb, :systems::jsonb, :nets::jsonb,
	:per_minute::int, :burst::int, coalesce(:jwks::jsonb, 'null'));
select * from identity.clients(:id::uuid);

-- Hook binds: secret_hash, of a secret it draws.
-- name: addClientSecret
select identity.add_client_secret(:new_id::uuid, :id::uuid, :secret_hash::text);
select :new_id::uuid as id, :id::uuid as client_id;

-- name: revokeClientSecret
select identity.end_client_secret(:id::uuid) is not null as _ended;

-- name: disableClient
select identity.bar_client(:id::uuid, true);
select * from identity.clients(:id::uuid);

-- name: enableClient
select identity.bar_client(:id::uuid, false);
select * from identity.clients(:id::uuid);
