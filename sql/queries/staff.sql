-- Staff: departments and partners, accounts and roles in the caller's reach,
-- posts, handing over. Hooks: src/domain/staff.c.

-- name: listOrgs
select o.*, o.id as _cursor from identity.org_view o
where o._street_id = :street::int
	and o.id > case when :after::text is null
		then '00000000-0000-0000-0000-000000000000' else :after::uuid end
	and (:kind::text is null or o.kind = :kind::text)
	and (:q::text is null or position(:q::text in o.name) > 0)
	and (:closed::boolean or not o.closed)
order by o.id limit :limit::int + 1;

-- name: getOrg
select * from identity.org_view o where o._street_id = :street::int and o.id = :id::uuid;

-- name: createOrg
select identity.put_org(:new_id::uuid, null, :kind::text, :code::text, :name::text, :address::text, :closed::boolean);
select o.*, '/v1/orgs/' || o.id as _location from identity.org_view o
where o._street_id = :street::int and o.id = :new_id::uuid;

-- name: updateOrg
select identity.put_org(:id::uuid, :if_match::text, :kind::text, :code::text, :name::text, :address::text, :closed::boolean);
select * from identity.org_view o where o._street_id = :street::int and o.id = :id::uuid;

-- name: listStaff
select s.*, s.id as _cursor
from identity.staff(null, :after::uuid, :limit::int + 1, :q::text, :staff_role::text) s;

-- name: getStaff
select s.* from identity.staff(:id::uuid, null, 1, null, null) s;

-- Hook binds: password_hash, of a password it draws.
-- name: createStaff
select account_id, account_login from identity.create_staff(:new_id::uuid, :login::text, :name::text, :password_hash::text,
	:staff_role::text, :grid_id::uuid, :org_id::uuid, :from_on::date, :to_on::date, coalesce(:post::jsonb, 'null'),
	:client_address::text);

-- name: resetStaffPassword
select account_id, account_login from identity.reset_staff_password(:id::uuid, :password_hash::text, :client_address::text);

-- name: grantStaffRole
select identity.grant_staff_role(:new_id::uuid, :id::uuid, :staff_role::text, :grid_id::uuid, :org_id::uuid,
	:from_on::date, :to_on::date);
select s.* from identity.staff(:id::uuid, null, 1, null, null) s;

-- Who led nothing but what ends here stays in reach: an assignment was there.
-- name: endStaffRole
select identity.end_staff_role(:id::uuid) as _ended;

-- name: disableStaff
select identity.bar_staff(:id::uuid, true, :client_address::text);
select s.* from identity.staff(:id::uuid, null, 1, null, null) s;

-- name: enableStaff
select identity.bar_staff(:id::uuid, false, :client_address::text);
select s.* from identity.staff(:id::uuid, null, 1, null, null) s;

-- name: listStaffPosts
select p.*, p.from_on as _cursor from identity.posts(:id::uuid) p
where :after::text is null or p.from_on > :after::date
order by p.from_on limit :limit::int + 1;

-- name: putStaffPost
select identity.put_staff_post(:new_id::uuid, :id::uuid, :position::text, :grade::int, :from_on::date);
select s.* from identity.staff(:id::uuid, null, 1, null, null) s;

-- name: handOverAssignment
select grid.hand_over(:id::uuid, :new_id::uuid, :to_account::uuid) as tickets;

-- helper: jobReleaseDue
select ticket.release_due();
