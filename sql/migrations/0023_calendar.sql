-- clock: 工作日历. Which days are worked, from when to when, and what follows
-- from it: working days, working time, recurrences.
create schema if not exists clock;
grant usage on schema clock to linli_app, linli_job;

---------------------------------------------------------------- days
create table clock.day (
	day date primary key,
	works boolean not null,
	name text,
	nth integer not null
);
create index day_nth on clock.day (nth) where works;
comment on table clock.day is
	'class: reference. Every day of 2020 to 2050. name: the holiday it is off for or made up for; null where the week alone decides.';
comment on column clock.day.nth is 'How many working days there are before it: what makes arithmetic with working days two look-ups';

create table clock.year (
	year integer primary key
);
comment on table clock.year is
	'class: reference. Years whose holidays the State Council has published. Of the others only the weekends are known: what is reckoned with them is provisional.';

create function clock.load(p_csv text, out days integer, out changed integer, out years integer[])
language plpgsql
as $$
declare
	lines constant text[] := array_remove(string_to_array(translate(p_csv, E'\r\uFEFF', ''), E'\n'), '');
	i integer;
begin
	if lines[1] is distinct from 'date,name,off' then
		perform core.fail(422, 'calendar_line_invalid', '1');
	end if;
	create temporary table loaded (day date primary key, name text, works boolean) on commit drop;
	for i in 2..cardinality(lines) loop
		begin
			if lines[i] !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2},[^",[:cntrl:]]{1,40},[01]$' then
				raise data_exception;
			end if;
			insert into loaded values (split_part(lines[i], ',', 1)::date,
				split_part(lines[i], ',', 2), split_part(lines[i], ',', 3) = '0');
			perform from clock.day c where c.day = split_part(lines[i], ',', 1)::date;
			if not found then
				raise data_exception;
			end if;
		exception when data_exception or unique_violation then
			perform core.fail(422, 'calendar_line_invalid', i::text);
		end;
	end loop;
	-- Notices name some days of the year before (31 December), but only the
	-- one of a year names its 1 January, and that one speaks of all of it.
	years := array(select extract(year from l.day)::integer from loaded l
		where to_char(l.day, 'MMDD') = '0101' order by 1);
	days := (select count(*) from loaded);
	insert into clock.year select unnest(years) on conflict do nothing;
	with new as (
		select c.day, coalesce(l.works, extract(isodow from c.day) < 6) as works, l.name
		from clock.day c left join loaded l on l.day = c.day
		where l.day is not null or (extract(year from c.day) = any (years)
			-- what the next year's notice said of this one's last days
			and not (to_char(c.day, 'MMDD') >= '1229' and exists (select from clock.year y
				where y.year = extract(year from c.day) + 1 and y.year <> all (load.years)))))
	update clock.day c set works = n.works, name = n.name
	from new n where n.day = c.day and (c.works, c.name) is distinct from (n.works, n.name);
	get diagnostics changed = row_count;
	perform clock.number_days();
	drop table loaded;
end
$$;
comment on function clock.load(text, out integer, out integer, out integer[]) is
	'Public holidays (off 1) and make-up working days (off 0), CSV: date,name,off. A file replaces the whole of each year whose 1 January it names, and publishes it; of others just the days it names. LN422 calendar_line_invalid with the number of the line. For linli_owner, who calls clock.publish().';

create function clock.number_days() returns void
language sql
as $$
	update clock.day c set nth = x.n
	from (select day, (count(*) filter (where works) over (order by day) - works::integer)::integer as n
		from clock.day) x
	where x.day = c.day and c.nth <> x.n
$$;
comment on function clock.number_days() is 'Counts the working days anew.';

insert into clock.day (day, works, nth)
select d, extract(isodow from d) < 6, 0 from generate_series(date '2020-01-01', date '2050-12-31', '1 day') d;
-- As published by the General Office of the State Council.
select clock.load('date,name,off
2022-01-01,元旦,1
2022-01-02,元旦,1
2022-01-03,元旦,1
2022-01-29,春节,0
2022-01-30,春节,0
2022-01-31,春节,1
2022-02-01,春节,1
2022-02-02,春节,1
2022-02-03,春节,1
2022-02-04,春节,1
2022-02-05,春节,1
2022-02-06,春节,1
2022-04-02,清明节,0
2022-04-03,清明节,1
2022-04-04,清明节,1
2022-04-05,清明节,1
2022-04-24,劳动节,0
2022-04-30,劳动节,1
2022-05-01,劳动节,1
2022-05-02,劳动节,1
2022-05-03,劳动节,1
2022-05-04,劳动节,1
2022-05-07,劳动节,0
2022-06-03,端午节,1
2022-06-04,端午节,1
2022-06-05,端午节,1
2022-09-10,中秋节,1
2022-09-11,中秋节,1
2022-09-12,中秋节,1
2022-10-01,国庆节,1
2022-10-02,国庆节,1
2022-10-03,国庆节,1
2022-10-04,国庆节,1
2022-10-05,国庆节,1
2022-10-06,国庆节,1
2022-10-07,国庆节,1
2022-10-08,国庆节,0
2022-10-09,国庆节,0
2022-12-31,元旦,1
2023-01-01,元旦,1
2023-01-02,元旦,1
2023-01-21,春节,1
2023-01-22,春节,1
2023-01-23,春节,1
2023-01-24,春节,1
2023-01-25,春节,1
2023-01-26,春节,1
2023-01-27,春节,1
2023-01-28,春节,0
2023-01-29,春节,0
2023-04-05,清明节,1
2023-04-23,劳动节,0
2023-04-29,劳动节,1
2023-04-30,劳动节,1
2023-05-01,劳动节,1
2023-05-02,劳动节,1
2023-05-03,劳动节,1
2023-05-06,劳动节,0
2023-06-22,端午节,1
2023-06-23,端午节,1
2023-06-24,端午节,1
2023-06-25,端午节,0
2023-09-29,中秋节、国庆节,1
2023-09-30,中秋节、国庆节,1
2023-10-01,中秋节、国庆节,1
2023-10-02,中秋节、国庆节,1
2023-10-03,中秋节、国庆节,1
2023-10-04,中秋节、国庆节,1
2023-10-05,中秋节、国庆节,1
2023-10-06,中秋节、国庆节,1
2023-10-07,中秋节、国庆节,0
2023-10-08,中秋节、国庆节,0
2024-01-01,元旦,1
2024-02-04,春节,0
2024-02-10,春节,1
2024-02-11,春节,1
2024-02-12,春节,1
2024-02-13,春节,1
2024-02-14,春节,1
2024-02-15,春节,1
2024-02-16,春节,1
2024-02-17,春节,1
2024-02-18,春节,0
2024-04-04,清明节,1
2024-04-05,清明节,1
2024-04-06,清明节,1
2024-04-07,清明节,0
2024-04-28,劳动节,0
2024-05-01,劳动节,1
2024-05-02,劳动节,1
2024-05-03,劳动节,1
2024-05-04,劳动节,1
2024-05-05,劳动节,1
2024-05-11,劳动节,0
2024-06-10,端午节,1
2024-09-14,中秋节,0
2024-09-15,中秋节,1
2024-09-16,中秋节,1
2024-09-17,中秋节,1
2024-09-29,国庆节,0
2024-10-01,国庆节,1
2024-10-02,国庆节,1
2024-10-03,国庆节,1
2024-10-04,国庆节,1
2024-10-05,国庆节,1
2024-10-06,国庆节,1
2024-10-07,国庆节,1
2024-10-12,国庆节,0
2025-01-01,元旦,1
2025-01-26,春节,0
2025-01-28,春节,1
2025-01-29,春节,1
2025-01-30,春节,1
2025-01-31,春节,1
2025-02-01,春节,1
2025-02-02,春节,1
2025-02-03,春节,1
2025-02-04,春节,1
2025-02-08,春节,0
2025-04-04,清明节,1
2025-04-05,清明节,1
2025-04-06,清明节,1
2025-04-27,劳动节,0
2025-05-01,劳动节,1
2025-05-02,劳动节,1
2025-05-03,劳动节,1
2025-05-04,劳动节,1
2025-05-05,劳动节,1
2025-05-31,端午节,1
2025-06-01,端午节,1
2025-06-02,端午节,1
2025-09-28,国庆节、中秋节,0
2025-10-01,国庆节、中秋节,1
2025-10-02,国庆节、中秋节,1
2025-10-03,国庆节、中秋节,1
2025-10-04,国庆节、中秋节,1
2025-10-05,国庆节、中秋节,1
2025-10-06,国庆节、中秋节,1
2025-10-07,国庆节、中秋节,1
2025-10-08,国庆节、中秋节,1
2025-10-11,国庆节、中秋节,0
2026-01-01,元旦,1
2026-01-02,元旦,1
2026-01-03,元旦,1
2026-01-04,元旦,0
2026-02-14,春节,0
2026-02-15,春节,1
2026-02-16,春节,1
2026-02-17,春节,1
2026-02-18,春节,1
2026-02-19,春节,1
2026-02-20,春节,1
2026-02-21,春节,1
2026-02-22,春节,1
2026-02-23,春节,1
2026-02-28,春节,0
2026-04-04,清明节,1
2026-04-05,清明节,1
2026-04-06,清明节,1
2026-05-01,劳动节,1
2026-05-02,劳动节,1
2026-05-03,劳动节,1
2026-05-04,劳动节,1
2026-05-05,劳动节,1
2026-05-09,劳动节,0
2026-06-19,端午节,1
2026-06-20,端午节,1
2026-06-21,端午节,1
2026-09-20,国庆节,0
2026-09-25,中秋节,1
2026-09-26,中秋节,1
2026-09-27,中秋节,1
2026-10-01,国庆节,1
2026-10-02,国庆节,1
2026-10-03,国庆节,1
2026-10-04,国庆节,1
2026-10-05,国庆节,1
2026-10-06,国庆节,1
2026-10-07,国庆节,1
2026-10-10,国庆节,0
');

---------------------------------------------------------------- working days
create function clock.day_of(d date) returns clock.day
language plpgsql stable parallel safe
as $$
declare
	c clock.day;
begin
	select x.* into c from clock.day x where x.day = d;
	if not found and d is not null then
		perform core.fail(422, 'beyond_calendar');
	end if;
	return c;
end
$$;
comment on function clock.day_of(date) is 'A day, or LN422 beyond_calendar.';

create function clock.working_day(n integer) returns date
language plpgsql stable parallel safe
as $$
declare
	d date;
begin
	select x.day into d from clock.day x where x.works and x.nth = n;
	if not found and n is not null then
		perform core.fail(422, 'beyond_calendar');
	end if;
	return d;
end
$$;
comment on function clock.working_day(integer) is 'The working day with n before it.';

create function clock.add_working_days(d date, n integer) returns date
language plpgsql stable strict parallel safe
as $$
declare
	c constant clock.day := clock.day_of(d);
begin
	return case when n = 0 then d
		when n > 0 then clock.working_day(c.nth + c.works::integer + n - 1)
		else clock.working_day(c.nth + n) end;
end
$$;
comment on function clock.add_working_days(date, integer) is
	'The n-th working day after a day, which is not counted itself; before it when n is negative.';

create function clock.working_days(a date, b date) returns integer
language plpgsql stable strict parallel safe
as $$
declare
	x constant clock.day := clock.day_of(a);
	y constant clock.day := clock.day_of(b);
begin
	return y.nth + y.works::integer - x.nth - x.works::integer;
end
$$;
comment on function clock.working_days(date, date) is
	'Working days after a up to and with b: the n of clock.add_working_days(a, n) = b.';

create function clock.is_provisional(a date, b date) returns boolean
language plpgsql stable strict parallel safe
as $$
begin
	return exists (select from generate_series(extract(year from a)::integer, extract(year from b)::integer) y
		where not exists (select from clock.year p where p.year = y));
end
$$;
comment on function clock.is_provisional(date, date) is
	'Does anything from a to b rest on a year that is not published yet.';

---------------------------------------------------------------- office hours
create table clock.office_hours (
	street_id integer not null,
	from_on date not null,
	-- minutes of the day
	spans int4multirange not null check (not isempty(spans) and spans <@ int4range(0, 1440)),
	minutes integer not null check (minutes > 0),
	set_at timestamptz not null default core.now(),
	set_by uuid,
	primary key (street_id, from_on)
);
comment on table clock.office_hours is
	'class: reference. When a street works, from a day on; 09:00 to 12:00 and 13:00 to 17:00 where it has not said.';

-- Working time is measured along one line: µs worked by a street since the
-- calendar began. To add working time is to add on that line.
create function clock.worked(p_street integer, t timestamptz) returns bigint
language plpgsql stable strict parallel safe
as $$
declare
	here constant timestamp := t at time zone 'Asia/Shanghai';
	c constant clock.day := clock.day_of(here::date);
	spans int4multirange := '{[540,720),[780,1020)}';
	minutes integer := 420;
	since integer := 0;
	sum bigint := 0;
	us bigint;
	h record;
begin
	for h in select o.spans, o.minutes, d.nth from clock.office_hours o
		join clock.day d on d.day = o.from_on
		where o.street_id = p_street and o.from_on <= c.day order by o.from_on
	loop
		sum := sum + (h.nth - since)::bigint * minutes;
		spans := h.spans;
		minutes := h.minutes;
		since := h.nth;
	end loop;
	sum := (sum + (c.nth - since)::bigint * minutes) * 60000000;
	if c.works then
		us := extract(epoch from here - c.day)::numeric * 1000000;
		sum := sum + (select coalesce(sum(least(upper(r) * 60000000::bigint, us)
				- lower(r) * 60000000::bigint), 0)
			from unnest(spans) r where lower(r) * 60000000::bigint < us);
	end if;
	return sum;
end
$$;
comment on function clock.worked(integer, timestamptz) is
	'Working time of a street up to a moment, in µs since 2020: the difference of two is the working time between them.';

create function clock.worked_at(p_street integer, w bigint) returns timestamptz
language plpgsql stable strict parallel safe
as $$
declare
	spans int4multirange := '{[540,720),[780,1020)}';
	day_us bigint := 420 * 60000000::bigint;
	since integer := 0;
	rest bigint := greatest(w, 1);
	n bigint;
	length_us bigint;
	h record;
	r int4range;
begin
	for h in select o.spans, o.minutes, d.nth from clock.office_hours o
		join clock.day d on d.day = o.from_on
		where o.street_id = p_street order by o.from_on
	loop
		exit when rest <= (h.nth - since) * day_us;
		rest := rest - (h.nth - since) * day_us;
		spans := h.spans;
		day_us := h.minutes * 60000000::bigint;
		since := h.nth;
	end loop;
	-- A day's last moment belongs to that day, not to the next one's first.
	n := (rest - 1) / day_us;
	rest := rest - n * day_us;
	for r in select x from unnest(spans) x order by x loop
		length_us := (upper(r) - lower(r)) * 60000000::bigint;
		if rest <= length_us then
			return (clock.working_day((since + n)::integer) + lower(r) * interval '1 minute'
				+ rest * interval '1 microsecond') at time zone 'Asia/Shanghai';
		end if;
		rest := rest - length_us;
	end loop;
end
$$;
comment on function clock.worked_at(integer, bigint) is
	'The first moment at which a street has worked that long: the inverse of clock.worked().';

create function clock.add_working_minutes(p_street integer, t timestamptz, n integer) returns timestamptz
language plpgsql stable strict parallel safe
as $$
begin
	return case when n = 0 then t
		else clock.worked_at(p_street, clock.worked(p_street, t) + n * 60000000::bigint) end;
end
$$;
comment on function clock.add_working_minutes(integer, timestamptz, integer) is
	'n working minutes after a moment; before it when n is negative.';

create function clock.working_minutes(p_street integer, a timestamptz, b timestamptz) returns numeric
language plpgsql stable strict parallel safe
as $$
begin
	return (clock.worked(p_street, b) - clock.worked(p_street, a)) / 60000000.0;
end
$$;
comment on function clock.working_minutes(integer, timestamptz, timestamptz) is
	'Working minutes from a to b.';

create function clock.closing(p_street integer, d date) returns timestamptz
language plpgsql stable strict parallel safe
as $$
begin
	return (d + interval '1 minute' * coalesce((select upper(o.spans) from clock.office_hours o
		where o.street_id = p_street and o.from_on <= d order by o.from_on desc limit 1), 1020))
		at time zone 'Asia/Shanghai';
end
$$;
comment on function clock.closing(integer, date) is
	'When an office closes: where there are business hours a period of days ends with them (Civil Code, art. 203).';

---------------------------------------------------------------- recurrences
-- A part of RFC 5545: enough for every rule people make of days, short enough
-- to read. Where a month has no 31st it is the last day that is meant.
create function clock.rule_part(p_rule text, p_key text) returns text
language sql immutable parallel safe
return (regexp_match(p_rule, '(?:^|;)' || p_key || '=([^;]*)'))[1];
comment on function clock.rule_part(text, text) is 'The value of a part of a recurrence rule.';

create function clock.is_rule(p_rule text) returns boolean
language sql immutable parallel safe
return coalesce(p_rule ~ '^FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)(;(INTERVAL=[1-9][0-9]{0,2}|COUNT=[1-9][0-9]{0,3}|UNTIL=[0-9]{8}|BYDAY=([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)(,([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU))*|BYMONTHDAY=-?([1-9]|[12][0-9]|3[01])(,-?([1-9]|[12][0-9]|3[01]))*|BYMONTH=([1-9]|1[0-2])(,([1-9]|1[0-2]))*))*$'
	and p_rule !~ '(^|;)([A-Z]+)=.*;\2='
	and not (p_rule ~ 'COUNT=' and p_rule ~ 'UNTIL=')
	-- "the second Tuesday" of what: only months have ordinals here
	and not (p_rule ~ 'BYDAY=[^;]*[0-9]' and p_rule !~ 'FREQ=MONTHLY|FREQ=YEARLY.*BYMONTH=|BYMONTH=.*FREQ=YEARLY')
	and not (p_rule ~ 'FREQ=WEEKLY' and p_rule ~ 'BYMONTHDAY='), false);
comment on function clock.is_rule(text) is
	'Is it a recurrence rule of the part of RFC 5545 known here: FREQ, INTERVAL, COUNT or UNTIL, BYDAY, BYMONTHDAY, BYMONTH.';

create function clock.occurrences(p_rule text, p_start date, p_from date, p_to date,
	p_on_holiday text default 'keep') returns table (nominal date, day date, provisional boolean)
language plpgsql stable strict rows 20
as $$
declare
	freq constant text := clock.rule_part(p_rule, 'FREQ');
	step constant integer := coalesce(clock.rule_part(p_rule, 'INTERVAL')::integer, 1);
	until constant date := coalesce(to_date(clock.rule_part(p_rule, 'UNTIL'), 'YYYYMMDD'), 'infinity');
	times constant integer := clock.rule_part(p_rule, 'COUNT');
	months constant integer[] := coalesce(string_to_array(clock.rule_part(p_rule, 'BYMONTH'), ',')::integer[],
		case freq when 'YEARLY' then array[extract(month from p_start)::integer] end);
	weekdays text[] := string_to_array(translate(clock.rule_part(p_rule, 'BYDAY'), '+', ''), ',');
	month_days integer[] := string_to_array(clock.rule_part(p_rule, 'BYMONTHDAY'), ',');
begin
	if not clock.is_rule(p_rule) or p_on_holiday not in ('keep', 'next_workday', 'prev_workday') then
		perform core.fail(422, 'rule_unknown');
	end if;
	if freq = 'WEEKLY' then
		weekdays := coalesce(weekdays, array[left(upper(to_char(p_start, 'DY')), 2)]);
	elsif freq <> 'DAILY' and weekdays is null then
		month_days := coalesce(month_days, array[extract(day from p_start)::integer]);
	end if;
	return query
	with d as (
		select c.*, left(upper(to_char(c.day, 'DY')), 2) as weekday, extract(day from c.day)::integer as n,
			extract(day from date_trunc('month', c.day) + interval '1 month - 1 day')::integer as last,
			(extract(year from c.day) * 12 + extract(month from c.day)
				- extract(year from p_start) * 12 - extract(month from p_start))::integer as month
		-- one that is moved back lies ahead of its own day
		from clock.day c where c.day between p_start and least(p_to + 60, until)),
	hit as (
		select d.*, row_number() over (order by d.day) as number from d
		where case freq when 'DAILY' then (d.day - p_start) % step = 0
				when 'WEEKLY' then (date_trunc('week', d.day)::date - date_trunc('week', p_start)::date) / 7 % step = 0
				when 'MONTHLY' then d.month % step = 0
				else (extract(year from d.day) - extract(year from p_start))::integer % step = 0 end
			and (months is null or extract(month from d.day) = any (months))
			and (weekdays is null or d.weekday = any (weekdays)
				or (d.n + 6) / 7 || d.weekday = any (weekdays)
				or (d.n - d.last - 7) / 7 || d.weekday = any (weekdays))
			and (month_days is null or exists (select from unnest(month_days) m
				where d.n = case when m > 0 then least(m, d.last) else greatest(d.last + m + 1, 1) end))),
	moved as (
		select h.day as nominal, case when h.works or p_on_holiday = 'keep' then h.day
				when p_on_holiday = 'next_workday' then clock.working_day(h.nth)
				else clock.working_day(h.nth - 1) end as day
		from hit h where times is null or h.number <= times)
	-- Moved onto a day that has one of its own, it is that one.
	select distinct on (m.day) m.nominal, m.day,
		p_on_holiday <> 'keep' and clock.is_provisional(least(m.nominal, m.day), greatest(m.nominal, m.day))
	from moved m where m.day between p_from and p_to
	order by m.day, m.nominal <> m.day, m.nominal desc;
end
$$;
comment on function clock.occurrences(text, date, date, date, text) is
	'The days of a recurrence rule that began on p_start, from p_from to p_to: the day it is due (moved off holidays by keep, next_workday or prev_workday), the nominal one, and whether an unpublished year may move it. One that is moved shifts no other. LN422 rule_unknown.';

grant select on clock.day, clock.year, clock.office_hours to linli_app, linli_job;
grant execute on function clock.day_of(date), clock.working_day(integer), clock.add_working_days(date, integer),
	clock.working_days(date, date), clock.is_provisional(date, date), clock.worked(integer, timestamptz),
	clock.worked_at(integer, bigint), clock.add_working_minutes(integer, timestamptz, integer),
	clock.working_minutes(integer, timestamptz, timestamptz), clock.closing(integer, date),
	clock.rule_part(text, text), clock.is_rule(text),
	clock.occurrences(text, date, date, date, text) to linli_app, linli_job;
