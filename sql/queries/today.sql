-- The day of who leads. No hooks.

-- name: getToday
select * from duty.today(:limit::int);
