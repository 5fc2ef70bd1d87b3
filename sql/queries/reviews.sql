-- Reviews of grids and what becomes of suggestions. No hooks.

-- name: startReviewCampaign
select duty.start_campaign(:new_id::uuid, :body::jsonb);
select c.* from duty.review_campaign_view c where c._street_id = core.street() and c.id = :new_id::uuid;

-- name: listReviewCampaigns
select c.*, c.id as _cursor from duty.review_campaign_view c
where c._street_id = core.street() and (:after::uuid is null or c.id > :after::uuid)
order by c.id limit :limit::int + 1;

-- name: getReviewCampaign
select c.* from duty.review_campaign_view c where c._street_id = core.street() and c.id = :id::uuid;

-- name: updateReviewCampaign
select duty.edit_campaign(:id::uuid, :if_match::text, :body::jsonb);
select c.* from duty.review_campaign_view c where c._street_id = core.street() and c.id = :id::uuid;

-- name: endReviewCampaign
select duty.end_campaign(:id::uuid);
select c.* from duty.review_campaign_view c where c._street_id = core.street() and c.id = :id::uuid;

-- name: listGridReviews
select v.*, v.id as _cursor from duty.review_view v
where v._street_id = core.street() and (:after::uuid is null or v.id > :after::uuid)
	and (:campaign_id::uuid is null or v.campaign_id = :campaign_id::uuid) and (:state::text is null or v.state = :state::text)
	and (:under::uuid is null or v._path ^@ (select g.path from grid.grid g where g.street_id = core.street() and g.id = :under::uuid))
order by v.id limit :limit::int + 1;

-- name: getGridReview
select v.* from duty.review_view v where v._street_id = core.street() and v.id = :id::uuid;

-- name: writeGridReview
select duty.write_review(:id::uuid, :if_match::text, :body::jsonb);
select v.* from duty.review_view v where v._street_id = core.street() and v.id = :id::uuid;

-- name: submitGridReview
select duty.act_review(:id::uuid, 'submit');
select v.* from duty.review_view v where v._street_id = core.street() and v.id = :id::uuid;

-- name: returnGridReview
select duty.act_review(:id::uuid, 'return', :body::jsonb);
select v.* from duty.review_view v where v._street_id = core.street() and v.id = :id::uuid;

-- name: confirmGridReview
select duty.act_review(:id::uuid, 'confirm');
select v.* from duty.review_view v where v._street_id = core.street() and v.id = :id::uuid;

-- name: settleGridReview
select duty.act_review(:id::uuid, 'settle', :body::jsonb);
select v.* from duty.review_view v where v._street_id = core.street() and v.id = :id::uuid;

-- name: takeSuggestion
select duty.take_suggestion(:id::uuid, :body::jsonb);
select s.* from duty.suggestion_view s where s._street_id = core.street() and s.id = :id::uuid;

-- name: listSuggestions
select s.*, s.id as _cursor from duty.suggestion_view s
where s._street_id = core.street() and (:after::uuid is null or s.id > :after::uuid)
	and (:becomes::text is null or s.becomes = :becomes::text)
order by s.id limit :limit::int + 1;
