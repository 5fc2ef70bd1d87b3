-- The diary of leads. No hooks.

-- name: listDiary
select d.*, d.on_date || ' ' || d.id as _cursor
from care.diaries(null, :from_on::date, :to_on::date, :topic::text, :q::text, :author_id::uuid, :person_id::uuid,
	:ticket_id::uuid, :under::uuid, :updated_after::timestamptz, :after::text, :limit::int + 1) d;

-- name: writeDiary
select care.write_diary(:new_id::uuid, :body::jsonb);
select d.*, '/v1/diary/' || d.id as _location
from care.diaries(:new_id::uuid, null, null, null, null, null, null, null, null, null, null, 1) d;

-- name: getDiary
select * from care.diaries(:id::uuid, null, null, null, null, null, null, null, null, null, null, 1);

-- name: updateDiary
select care.edit_diary(:id::uuid, :if_match::text, :body::jsonb);
select * from care.diaries(:id::uuid, null, null, null, null, null, null, null, null, null, null, 1);

-- name: raiseDiary
select care.raise_diary(:id::uuid, :body::jsonb);
select * from care.diaries(:id::uuid, null, null, null, null, null, null, null, null, null, null, 1);
