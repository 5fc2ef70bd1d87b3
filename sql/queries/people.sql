-- People: persons, households, who lives where, tags, consent, requests about
-- one's data. No hooks.

-- name: searchPersons
select r.*, s.path || ' ' || s.id as _cursor
from people.search(jsonb_build_object('q', :q::text, 'phone_index', :phone_index::text,
	'id_number_index', :id_number_index::text, 'address', :address::text, 'tag', :tag::text,
	'dwelling_id', :dwelling_id::uuid, 'under', :under::uuid, 'updated_after', :updated_after::timestamptz),
	:after::text, :limit::int + 1) s
cross join lateral people.read(s.id) r
order by s.path, s.id;

-- name: createPerson
select people.create_person(:new_id::uuid, jsonb_build_object('name', :name::text, 'sex', :sex::text, 'born_on', :born_on::date,
	'phone', :phone::text, 'phone_mask', :phone_mask::text, 'phone_index', :phone_index::text,
	'id_number', :id_number::text, 'id_number_mask', :id_number_mask::text, 'id_number_index', :id_number_index::text,
	'id_number_born', :id_number_born::text, 'id_number_sex', :id_number_sex::text,
	'dwelling_id', :dwelling_id::uuid, 'household_id', :household_id::uuid, 'kind', :kind::text, 'from_on', :from_on::date,
	'verified', :verified::text, 'source', :source::text, 'source_id', :source_id::text,
	'guardian_id', :guardian_id::uuid, 'kinship', :kinship::text, 'consent_text', :consent_text::text));
select s.*, '/v1/persons/' || s.id as _location from people.read(:new_id::uuid) s;

-- name: getPerson
select * from people.view(:id::uuid);

-- name: updatePerson
select people.update_person(:id::uuid, :if_match::text, jsonb_build_object('name', :name::text, 'sex', :sex::text, 'born_on', :born_on::date,
	'phone', :phone::text, 'phone_mask', :phone_mask::text, 'phone_index', :phone_index::text,
	'id_number', :id_number::text, 'id_number_mask', :id_number_mask::text, 'id_number_index', :id_number_index::text,
	'id_number_born', :id_number_born::text, 'id_number_sex', :id_number_sex::text, 'verified', :verified::text));
select * from people.read(:id::uuid);

-- name: unmaskPerson
select * from people.unmask(:id::uuid, array(select json_array_elements_text(:fields::json)), :reason::text);

-- name: getPersonSummary
select * from people.summary(:under::uuid);

-- name: listMyPersons
select r.*, p.id as _cursor
from people.person p cross join lateral people.read(p.id) r
where p.street_id = :street::int
	and p.id > case when :after::text is null then '00000000-0000-0000-0000-000000000000' else :after::uuid end
	and (:updated_after::timestamptz is null or r.updated_at > :updated_after::timestamptz)
order by p.id
limit :limit::int + 1;

-- name: listMyAccesses
select a.*, a.seq as _cursor from people.accesses(:after::bigint, :limit::int + 1) a;

-- name: createWard
select people.add_ward(:new_id::uuid, jsonb_build_object('name', :name::text, 'sex', :sex::text, 'born_on', :born_on::date,
	'phone', :phone::text, 'phone_mask', :phone_mask::text, 'phone_index', :phone_index::text,
	'id_number', :id_number::text, 'id_number_mask', :id_number_mask::text, 'id_number_index', :id_number_index::text,
	'id_number_born', :id_number_born::text, 'id_number_sex', :id_number_sex::text,
	'kinship', :kinship::text, 'consent_text', :consent_text::text));
select s.*, '/v1/persons/' || s.id as _location from people.read(:new_id::uuid) s;

-- name: takeOverPerson
select r.* from people.take_over(:id::uuid, jsonb_build_object('id_number_index', :id_number_index::text, 'name', :name::text,
	'household_id', :household_id::uuid, 'kind', :kind::text, 'from_on', :from_on::date, 'reason', :reason::text)) t,
	people.read(t) r;

-- name: movePerson
select people.move(:id::uuid, jsonb_build_object('dwelling_id', :dwelling_id::uuid, 'household_id', :household_id::uuid,
	'kind', :kind::text, 'from_on', :from_on::date));
select * from people.read(:id::uuid);

-- name: moveOutPerson
select people.move_out(:id::uuid, :on_date::date);
select * from people.read(:id::uuid);

-- name: linkPerson
select people.attach_account(:id::uuid, :account_id::uuid);
select * from people.read(:id::uuid);

-- name: createHousehold
select people.put_household(:new_id::uuid, null, :id::uuid, :kind::text, null);
select h.*, '/v1/households/' || h.id as _location from people.household_view(:new_id::uuid) h;

-- name: getHousehold
select * from people.household_view(:id::uuid);

-- name: updateHousehold
select people.put_household(:id::uuid, :if_match::text, null, :kind::text, :head_id::uuid);
select * from people.household_view(:id::uuid);

-- name: listDwellingResidents
select core.must(exists (select from grid.dwelling d
	where d.street_id = :street::int and d.id = :id::uuid), 404, 'not_found');
select r.*, s.path || ' ' || s.id as _cursor
from people.search(jsonb_build_object('dwelling_id', :id::uuid), :after::text, :limit::int + 1) s
cross join lateral people.read(s.id) r
order by s.path, s.id;

-- name: listDwellingOwners
select core.must(exists (select from grid.dwelling d
	where d.street_id = :street::int and d.id = :id::uuid), 404, 'not_found');
select o.*, o.from_on || ' ' || o.id as _cursor
from people.owners(:id::uuid) o
where :after::text is null or (o.from_on, o.id) > (split_part(:after::text, ' ', 1)::date, split_part(:after::text, ' ', 2)::uuid)
order by o.from_on, o.id
limit :limit::int + 1;

-- name: createOwnership
select people.add_owner(:new_id::uuid, :id::uuid, jsonb_build_object('person_id', :person_id::uuid,
	'share', :share::int, 'shares', :shares::int, 'from_on', :from_on::date));
select o.* from people.owners(:id::uuid) o where o.id = :new_id::uuid;

-- name: endOwnership
select people.end_owner(:id::uuid, :on_date::date);

-- name: createGuardianship
select people.name_guardian(:new_id::uuid, :id::uuid, :guardian_id::uuid, :kinship::text);
select g.id, g.person_id, g.guardian_id, g.kinship, g.from_on, g.to_on
from people.guardianship g
where g.street_id = :street::int and g.id = :new_id::uuid;

-- name: endGuardianship
select people.end_guardian(:id::uuid);

-- name: listTagKinds
select k.code, k.name_zh, k.name_en, k.of, k.sensitive, k.health, k.must_visit, k.code as _cursor
from people.tag_kind k
where :after::text is null or k.code > :after::text
order by k.code
limit :limit::int + 1;

-- name: tagPerson
select people.set_tag(:new_id::uuid, :id::uuid, null, :code::text, :reason::text);
select * from people.read(:id::uuid);

-- name: tagHousehold
select people.set_tag(:new_id::uuid, null, :id::uuid, :code::text, :reason::text);
select * from people.household_view(:id::uuid);

-- name: clearTag
select people.clear_tag(:id::uuid, :reason::text);

-- name: listConsents
select core.must(exists (select from people.read(:id::uuid)), 404, 'not_found');
select c.id, c.person_id, c.purpose, c.recipient, c.text_version, c.channel, c.given_by, c.given_at, c.withdrawn_at, c.id as _cursor
from people.consent c
where c.street_id = :street::int and c.person_id = :id::uuid
	and c.id > case when :after::text is null then '00000000-0000-0000-0000-000000000000' else :after::uuid end
order by c.id
limit :limit::int + 1;

-- name: giveConsent
select people.give_consent(:new_id::uuid, :id::uuid, :purpose::text, :recipient::text, :text_version::text, :given_by::uuid);
select c.id, c.person_id, c.purpose, c.recipient, c.text_version, c.channel, c.given_by, c.given_at, c.withdrawn_at
from people.consent c where c.street_id = :street::int and c.id = :new_id::uuid;

-- name: withdrawConsent
select people.withdraw_consent(:id::uuid);

-- name: requestApproval
select people.request_approval(:new_id::uuid, :id::uuid, array(select json_array_elements_text(:fields::json)), :reason::text);
select * from people.approval_view a where a._street_id = :street::int and a.id = :new_id::uuid;

-- name: listApprovals
select a.*, a.id as _cursor
from people.approval_view a
where a._street_id = :street::int
	and a.id > case when :after::text is null then '00000000-0000-0000-0000-000000000000' else :after::uuid end
	and (:state::text is null or a.state = :state::text)
	and (:updated_after::timestamptz is null or coalesce(a.decided_at, a.created_at) > :updated_after::timestamptz)
order by a.id
limit :limit::int + 1;

-- name: approveApproval
select people.decide_approval(:id::uuid, 'approved', :hours::int);
select * from people.approval_view a where a._street_id = :street::int and a.id = :id::uuid;

-- name: refuseApproval
select people.decide_approval(:id::uuid, 'refused', null);
select * from people.approval_view a where a._street_id = :street::int and a.id = :id::uuid;

-- name: fileDataRequest
select people.file_request(:new_id::uuid, :id::uuid, :kind::text, :wish::text);
select * from people.request_view r where r._street_id = :street::int and r.id = :new_id::uuid;

-- name: listDataRequests
select r.*, r.id as _cursor
from people.request_view r
where r._street_id = :street::int
	and r.id > case when :after::text is null then '00000000-0000-0000-0000-000000000000' else :after::uuid end
	and (:state::text is null or r.state = :state::text)
	and (:updated_after::timestamptz is null or r.updated_at > :updated_after::timestamptz)
order by r.id
limit :limit::int + 1;

-- name: getDataRequest
select * from people.request_view r where r._street_id = :street::int and r.id = :id::uuid;

-- name: getDataCopy
select * from people.copy(:id::uuid);

-- name: verifyDataRequest
select people.act_request(:id::uuid, 'verify');
select * from people.request_view r where r._street_id = :street::int and r.id = :id::uuid;

-- name: startDataRequest
select people.act_request(:id::uuid, 'start');
select * from people.request_view r where r._street_id = :street::int and r.id = :id::uuid;

-- name: fulfilDataRequest
select people.act_request(:id::uuid, 'fulfil');
select * from people.request_view r where r._street_id = :street::int and r.id = :id::uuid;

-- name: refuseDataRequest
select people.act_request(:id::uuid, 'refuse', :reason::text);
select * from people.request_view r where r._street_id = :street::int and r.id = :id::uuid;

-- helper: jobSweepPeople
select people.sweep() as swept;
