-- Photos. Hooks: src/domain/photos.c.

-- Asked before a picture is re-encoded and stored: bytes of an upload that is
-- refused afterwards would only be in the way.
-- helper: uploadRoom
select core.must((select count(*) from ticket.photo f
	where f.street_id = core.street() and f.uploader_id = core.actor()
		and f.subject is null) < ticket.photo_quota(), 409, 'photo_quota');

-- Hook binds: photo_hash, thumb_hash, width, height, bytes, when the picture
-- is re-encoded and stored.
-- name: uploadPhoto
select ticket.add_photo(:new_id::uuid, :photo_hash::text, :thumb_hash::text,
	:width::int, :height::int, :bytes::int);
select * from ticket.photo_view p
where p._street_id = :street::int and p.id = :new_id::uuid;

-- name: listTicketPhotos
select core.must(exists (select from ticket.ticket t
	where t.street_id = :street::int and t.id = :id::uuid), 404, 'not_found');
select p.*, p.id as _cursor from ticket.photo_view p
where p._street_id = :street::int and p._ticket_id = :id::uuid
	and p.id > coalesce(:after::uuid, '00000000-0000-0000-0000-000000000000')
order by p.id
limit :limit::int + 1;

-- The hook sends the bytes stored under hash.
-- name: downloadPhoto
select case :size::text when 'thumb' then p._thumb_hash else p._hash end as hash
from ticket.photo_view p
where p._street_id = :street::int and p._ticket_id = :id::uuid and p.id = :photo_id::uuid
	and exists (select from ticket.ticket t
		where t.street_id = p._street_id and t.id = p._ticket_id);

-- Bytes whose hash no row names any more. One may be stored anew at any
-- moment: delete only files not touched within the hour.
-- helper: jobDropPhotos
select hash from ticket.drop_photos(200);

-- Bytes stored for an upload that then failed: hashes is what lies in a folder.
-- helper: jobSweepPhotos
select hash from ticket.unnamed_photos(:hashes::text[]) hash;
