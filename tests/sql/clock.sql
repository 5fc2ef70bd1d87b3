-- clock: the calendar, with the numbers of domain.md's rules 5 to 7. Random
-- ones, against a model of their own, are in tests/test_calendar.py.
\ir world.psql

-- rule 6: the day it starts on is not counted, a make-up Saturday is
select is(clock.add_working_days(d, n), due, format('rule 6: %s + %s working days', d, n)),
	is(clock.working_days(d, due), n, 'and counted between')
from (values (date '2026-09-30', 3, date '2026-10-10'), ('2026-09-30', 7, '2026-10-15'),
	('2026-09-30', 15, '2026-10-27'), ('2026-02-13', 3, '2026-02-25'),
	('2026-04-30', 7, '2026-05-13'), ('2025-09-26', 2, '2025-09-29')) v (d, n, due);
select is(clock.add_working_days('2026-10-10', -1), date '2026-10-09', 'backwards');
select is(clock.add_working_days('2026-10-05', -1), date '2026-09-30', 'backwards over a holiday');
select is(clock.add_working_days('2026-10-01', 0), date '2026-10-01', 'none are no move');
select throws_ok($$select clock.add_working_days('2050-12-20', 15)$$, 'LN422', 'beyond_calendar', 'the calendar ends');
select throws_ok($$select clock.working_days('2019-12-31', '2026-01-01')$$, 'LN422', 'beyond_calendar', 'and has a beginning');

-- rule 7: working minutes, 09 to 12 and 13 to 17
create function pg_temp.cd(t timestamptz) returns text language sql as
$$select to_char(t at time zone 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI')$$;
select is(pg_temp.cd(clock.add_working_minutes(60001, (a || '+08')::timestamptz, n)), b, format('rule 7: %s + %s', a, n)),
	is(clock.working_minutes(60001, (a || '+08')::timestamptz, (b || '+08')::timestamptz), n::numeric, 'and between')
from (values ('2026-09-30 16:30', 120, '2026-10-08 10:30'), ('2026-11-20 11:30', 120, '2026-11-20 14:30'),
	('2026-11-20 09:00', 180, '2026-11-20 12:00'), ('2026-11-20 09:00', 420, '2026-11-20 17:00'),
	('2026-11-20 09:00', 421, '2026-11-23 09:01'), ('2026-11-20 12:30', 1, '2026-11-20 13:01'),
	('2026-11-21 03:00', 60, '2026-11-23 10:00'), ('2026-11-20 23:45', 3, '2026-11-23 09:03')) v (a, n, b);
select is(clock.add_working_minutes(60001, '2026-11-20 12:30+08', 0), '2026-11-20 12:30+08'::timestamptz, 'none are no move');
select is(pg_temp.cd(clock.add_working_minutes(60001, '2026-10-08 10:30+08', -120)), '2026-09-30 16:30', 'backwards');
select is(pg_temp.cd(clock.closing(60001, '2026-11-20')), '2026-11-20 17:00', 'an office closes at five');
insert into clock.office_hours (street_id, from_on, spans, minutes) values
	(60001, '2026-11-23', '{[510,690),[840,1080)}', 420), (60001, '2026-11-30', '{[600,720)}', 120);
select is(pg_temp.cd(clock.add_working_minutes(s, (a || '+08')::timestamptz, n)), b, format('hours that change: %s + %s', a, n)),
	is(clock.working_minutes(s, (a || '+08')::timestamptz, (b || '+08')::timestamptz), n::numeric, 'and between')
from (values (60001, '2026-11-20 16:30', 60, '2026-11-23 09:00'), (60002, '2026-11-20 16:30', 60, '2026-11-23 09:30'),
	(60001, '2026-11-27 17:00', 60, '2026-11-27 18:00'), (60001, '2026-11-27 17:00', 61, '2026-11-30 10:01'),
	(60001, '2026-11-20 09:00', 420 * 6 + 240, '2026-12-01 12:00')) v (s, a, n, b);
select is(pg_temp.cd(clock.closing(60001, d)), d || c, 'and then') from (values (date '2026-11-22', ' 17:00'),
	('2026-11-23', ' 18:00'), ('2026-11-30', ' 12:00')) v (d, c);

-- rule 5: the 20th of each month
select is(array(select day::text from clock.occurrences('FREQ=MONTHLY;BYMONTHDAY=20', '2025-12-20', '2026-01-01', '2026-12-31', how)),
	want::text[], 'rule 5: the 20th, ' || how)
from (values ('keep', '{2026-01-20,2026-02-20,2026-03-20,2026-04-20,2026-05-20,2026-06-20,2026-07-20,2026-08-20,2026-09-20,2026-10-20,2026-11-20,2026-12-20}'),
	('next_workday', '{2026-01-20,2026-02-24,2026-03-20,2026-04-20,2026-05-20,2026-06-22,2026-07-20,2026-08-20,2026-09-20,2026-10-20,2026-11-20,2026-12-21}'),
	('prev_workday', '{2026-01-20,2026-02-14,2026-03-20,2026-04-20,2026-05-20,2026-06-18,2026-07-20,2026-08-20,2026-09-20,2026-10-20,2026-11-20,2026-12-18}')) v (how, want);
select is(array(select row(nominal, day)::text from clock.occurrences('FREQ=WEEKLY;BYDAY=TU', '2026-01-06', '2026-02-03', '2026-03-03', how)),
	want::text[], 'rule 5: Tuesdays over the Spring Festival, ' || how)
from (values ('keep', '{"(2026-02-03,2026-02-03)","(2026-02-10,2026-02-10)","(2026-02-17,2026-02-17)","(2026-02-24,2026-02-24)","(2026-03-03,2026-03-03)"}'),
	('next_workday', '{"(2026-02-03,2026-02-03)","(2026-02-10,2026-02-10)","(2026-02-24,2026-02-24)","(2026-03-03,2026-03-03)"}'),
	('prev_workday', '{"(2026-02-03,2026-02-03)","(2026-02-10,2026-02-10)","(2026-02-17,2026-02-14)","(2026-02-24,2026-02-24)","(2026-03-03,2026-03-03)"}')) v (how, want);
select is(array(select day::text from clock.occurrences(rule, '2026-01-31', '2026-01-01', '2026-05-31')), want::text[], rule)
from (values ('FREQ=MONTHLY;BYMONTHDAY=31', '{2026-01-31,2026-02-28,2026-03-31,2026-04-30,2026-05-31}'),
	('FREQ=MONTHLY', '{2026-01-31,2026-02-28,2026-03-31,2026-04-30,2026-05-31}'),
	('FREQ=MONTHLY;BYMONTHDAY=29,30,31;COUNT=4', '{2026-01-31,2026-02-28,2026-03-29,2026-03-30}'),
	('FREQ=MONTHLY;BYDAY=-1FR,2TU;UNTIL=20260331', '{2026-02-10,2026-02-27,2026-03-10,2026-03-27}'),
	('FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=-1', '{2026-01-31,2026-03-31,2026-05-31}'),
	('FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;COUNT=3', '{2026-02-01,2026-02-09,2026-02-15}'),
	('FREQ=DAILY;INTERVAL=40', '{2026-01-31,2026-03-12,2026-04-21,2026-05-31}'),
	('FREQ=YEARLY;BYMONTH=2;BYDAY=1MO', '{2026-02-02}')) v (rule, want);
select is(array(select provisional from clock.occurrences('FREQ=MONTHLY;BYMONTHDAY=1;COUNT=3', '2026-11-01', '2026-11-01', '2027-12-31', how)),
	want::boolean[], 'an unpublished year may move it, ' || how) from (values ('keep', '{f,f,f}'), ('next_workday', '{f,f,t}')) v (how, want);
select throws_ok(format('select * from clock.occurrences(%L, current_date, current_date, current_date)', r), 'LN422', 'rule_unknown', r)
from unnest('{FREQ=HOURLY,BYDAY=TU,FREQ=DAILY;BYDAY=XX,FREQ=WEEKLY;BYDAY=2TU,FREQ=DAILY;COUNT=2;UNTIL=20260101,FREQ=DAILY;COUNT=0,FREQ=DAILY;COUNT=1;COUNT=2,FREQ=MONTHLY;BYMONTHDAY=32,FREQ=DAILY;X=1}'::text[]) r;

-- published and unpublished years
select is(array(select year from clock.year order by 1), '{2022,2023,2024,2025,2026}', 'five years are built in');
select is((select count(*) from clock.day where name is not null), 180::bigint, 'with all their days');
select is(clock.is_provisional(a::date, b::date), p, format('%s to %s', a, b)) from (values
	('2026-11-22', '2026-12-31', false), ('2026-12-31', '2027-01-01', true), ('2021-12-31', '2022-01-01', true)) v (a, b, p);
set local role linli_owner;
select is(row(l.*)::text, '(6,6,{2027})', 'a year is loaded') from clock.load(E'\uFEFFdate,name,off\r\n2026-12-31,元旦,1\r\n2027-01-01,元旦,1\n2027-01-09,元旦,0\n2027-02-05,春节,1\n2027-02-08,春节,1\n2027-02-14,春节,0\n') l;
select is(clock.is_provisional('2026-12-31', '2027-06-01'), false, 'and is published');
select is(clock.add_working_days('2026-12-30', 1), date '2027-01-04', 'a notice speaks of the last days of the year before');
select is(clock.add_working_days('2027-02-04', 2), date '2027-02-10', 'days after it move');
select is(row(l.*)::text, '(1,4,{2027})', 'loaded again, the file stands for the whole year') from clock.load(E'date,name,off\n2027-01-01,元旦,1') l;
select is(row(l.*)::text, '(1,38,{2026})', 'the year before too') from clock.load(E'date,name,off\n2026-01-01,元旦,1') l;
select is(array(select day::text from clock.day where name is not null and extract(year from day) = 2026 order by day),
	'{2026-01-01,2026-12-31}', 'but it keeps what the notice of the next one said of it');
select throws_ok(format('select clock.load(%L)', E'date,name,off\n2027-01-01,元旦,1\n' || l), 'LN422', 'calendar_line_invalid', l)
from unnest('{"2027-02-30,元旦,1","2027-01-01,元旦,1","2027-01-02,元旦,2","2027-01-02,元旦","2027-01-02,,1","2051-01-01,元旦,1"}'::text[]) l;
select throws_ok($$select clock.load('day,name')$$, 'LN422', 'calendar_line_invalid', 'a file begins with its heading');
reset role;

select * from finish(true);
rollback;
