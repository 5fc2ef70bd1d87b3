-- Records of one person. No hooks.

-- name: listDuplicates
select d.*, d.id || ' ' || d.other_id as _cursor
from people.duplicates(:after::text, :limit::int + 1) d;

-- name: tellPersonsApart
select people.tell_apart(:id::uuid, :other_id::uuid, :reason::text);

-- name: mergePerson
select people.merge_persons(:new_id::uuid, :id::uuid, :into::uuid,
	array(select json_array_elements_text(:fields::json)), :reason::text);
select * from people.read(:into::uuid);

-- name: unmergePerson
select u.id, u.survivor_id, u.conflicts from people.unmerge_person(:id::uuid, :reason::text) u;
