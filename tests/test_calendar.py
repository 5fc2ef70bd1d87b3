"""The calendar against a model of its own: day by day, minute by minute, as one
would count on the fingers. The model knows only the published days off."""

import calendar
import contextlib
import datetime as dt
import random
import re

import pytest

import harness

DAY = dt.timedelta(days=1)
WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
USUAL = [(540, 720), (780, 1020)]


class Model:
    """Reads the days out of the migration's text, not through the functions under test."""

    def __init__(self, hours):
        text = (harness.TOP / "sql/migrations/0023_calendar.sql").read_text()
        self.named = {dt.date.fromisoformat(d): off == "0"
                      for d, off in re.findall(r"^(\d{4}-\d\d-\d\d),\S+?,([01])$", text, re.M)}
        assert len(self.named) == 180
        self.hours = hours  # [(first day, spans)], newest first

    def works(self, day):
        return self.named.get(day, day.weekday() < 5)

    def add_days(self, day, n):
        while n:
            day += DAY
            n -= self.works(day)
        return day

    def minutes(self, day):
        """The worked minutes of a day, one by one, each by its begin."""
        spans = next(s for since, s in self.hours if since <= day) if self.works(day) else []
        return [dt.datetime.combine(day, dt.time()) + dt.timedelta(minutes=m)
                for first, last in spans for m in range(first, last)]

    def add_minutes(self, at, n):
        day = at.date()
        while True:
            left = [m for m in self.minutes(day) if m >= at]
            if len(left) >= n:
                return left[n - 1] + dt.timedelta(minutes=1)
            n -= len(left)
            day += DAY

    def hits(self, rule, start, day):
        part = dict(p.split("=") for p in rule.split(";"))
        step, freq = int(part.get("INTERVAL", 1)), part["FREQ"]
        last = calendar.monthrange(day.year, day.month)[1]
        apart = {"DAILY": (day - start).days, "YEARLY": day.year - start.year,
                 "WEEKLY": ((day - day.weekday() * DAY) - (start - start.weekday() * DAY)).days // 7,
                 "MONTHLY": (day.year - start.year) * 12 + day.month - start.month}[freq]
        if apart % step:
            return False
        months = part.get("BYMONTH") or (str(start.month) if freq == "YEARLY" else None)
        if months and str(day.month) not in months.split(","):
            return False
        weekdays, days = part.get("BYDAY"), part.get("BYMONTHDAY")
        if freq == "WEEKLY" and not weekdays:
            weekdays = WEEKDAYS[start.weekday()]
        if freq in ("MONTHLY", "YEARLY") and not weekdays and not days:
            days = str(start.day)
        if weekdays:
            own = WEEKDAYS[day.weekday()]
            names = {own, f"{(day.day - 1) // 7 + 1}{own}", f"-{(last - day.day) // 7 + 1}{own}"}
            if not names & set(weekdays.split(",")):
                return False
        if days:
            wanted = {min(int(d), last) if int(d) > 0 else max(last + int(d) + 1, 1) for d in days.split(",")}
            if day.day not in wanted:
                return False
        return True

    def occurrences(self, rule, start, first, last, on_holiday):
        part = dict(p.split("=") for p in rule.split(";"))
        until = dt.datetime.strptime(part["UNTIL"], "%Y%m%d").date() if "UNTIL" in part else dt.date.max
        count, out, day = int(part.get("COUNT", 10**6)), set(), start
        while day <= min(last + 60 * DAY, until) and count:
            if self.hits(rule, start, day):
                count -= 1
                moved = day
                while on_holiday != "keep" and not self.works(moved):
                    moved += DAY if on_holiday == "next_workday" else -DAY
                if first <= moved <= last:
                    out.add(moved)
            day += DAY
        return sorted(out)


@pytest.fixture(scope="module")
def days(site):
    """A database with a street whose hours change."""
    name = site.cluster.fresh()
    with contextlib.closing(site.cluster.connect(name)) as c, c.cursor() as cur:
        cur.execute("insert into clock.office_hours (street_id, from_on, spans, minutes) values"
                    " (7, '2024-06-01', '{[510,690),[840,1080)}', 420), (7, '2025-05-02', '{[600,720)}', 120)")

        def ask(sql, *args):
            cur.execute(sql, args)
            return [row[0] for row in cur.fetchall()]
        yield ask
    site.cluster.drop(name)


HOURS = {0: [(dt.date.min, USUAL)],
         7: [(dt.date(2025, 5, 2), [(600, 720)]), (dt.date(2024, 6, 1), [(510, 690), (840, 1080)]), (dt.date.min, USUAL)]}


def test_working_days_are_those_of_the_model(days):
    """Rule 6, for each day of five years."""
    model = Model(HOURS[0])
    dice = random.Random(6)
    cases = [(dt.date(2022, 1, 1) + i * DAY, dice.randint(0, 40)) for i in range(5 * 365 - 60)]
    got = days("select clock.add_working_days(d, n) from unnest(%s::date[], %s::int[]) x (d, n)",
               *map(list, zip(*cases)))
    assert got == [model.add_days(*c) for c in cases]


@pytest.mark.parametrize("street", [0, 7])
def test_working_minutes_are_those_of_the_model(days, street):
    """Rule 7: sums and differences, at any minute of any day, while hours change."""
    model, dice = Model(HOURS[street]), random.Random(7 + street)
    cases = [(dt.datetime(2024, 1, 1) + dt.timedelta(minutes=dice.randrange(2 * 366 * 1440)),
              dice.choice([1, 30, 60, 120, 180, 420, dice.randint(1, 4000)])) for _ in range(400)]
    want = [model.add_minutes(*c) for c in cases]
    begins, counts = map(list, zip(*cases))
    assert days("select clock.add_working_minutes(%s, t at time zone 'Asia/Shanghai', n) at time zone 'Asia/Shanghai'"
                " from unnest(%s::timestamp[], %s::int[]) x (t, n)", street, begins, counts) == want
    assert days("select clock.working_minutes(%s, a at time zone 'Asia/Shanghai', b at time zone 'Asia/Shanghai')::int"
                " from unnest(%s::timestamp[], %s::timestamp[]) x (a, b)", street, begins, want) == counts


def moments(model, unit, amount, start, pauses):
    """Half, three quarters and all of a time limit, counted minute by minute."""
    minute = dt.timedelta(minutes=1)
    in_pause = lambda m: any(a <= m < b for a, b in pauses)  # noqa: E731
    day_of = lambda day: (model.minutes(day) if unit != "wall_minutes" else  # noqa: E731
                          [dt.datetime.combine(day, dt.time()) + m * minute for m in range(1440)])
    if unit == "working_days":
        last, day, amount = model.add_days(start.date(), amount), start.date(), 0
        while day <= last:
            amount += sum(m >= start for m in day_of(day))
            day += DAY
    goals, found, counted, day = [amount / 2, amount * 3 / 4, amount], [], 0, start.date()
    while len(found) < 3:
        for m in day_of(day):
            while len(found) < 3 and goals[len(found)] == 0:
                found.append(start)
            if m >= start and not in_pause(m):
                while len(found) < 3 and goals[len(found)] <= counted + 1:
                    found.append(m + (goals[len(found)] - counted) * minute)
                counted += 1
        day += DAY
    return found


@pytest.mark.parametrize("street", [0, 7])
def test_moments_are_those_of_the_model(days, street):
    """Rules 6 and 7: while a clock pauses no working time goes by on it, and by
    the wall no time; half and three quarters are of what counts."""
    model, dice = Model(HOURS[street]), random.Random(17 + street)
    for _ in range(120):
        unit = dice.choice(["wall_minutes", "working_minutes", "working_days"])
        amount = dice.randint(0, 12) if unit == "working_days" else dice.choice([0, 1, 120, dice.randint(1, 3000)])
        start = at = dt.datetime(2024, 1, 1) + dt.timedelta(minutes=dice.randrange(2 * 366 * 1440))
        pauses = []
        for _ in range(dice.randrange(4)):
            begin = at + dt.timedelta(minutes=dice.randrange(3000))
            at = begin + dt.timedelta(minutes=dice.choice([1, 180, dice.randrange(1, 6000)]))
            pauses.append((begin, at))
            at += dt.timedelta(minutes=dice.randrange(1, 600))
        if unit == "working_days" and model.works(start.date()) and start.time() >= dt.time(17):
            continue  # after hours an amount of 0 days is over at once; told in tests/sql/clocks.sql
        got = days("select array[half_at, late_at, due_at]::timestamptz[] from clock.moments(%s, %s, %s, %s::timestamp at time zone"
                   " 'Asia/Shanghai', (select coalesce(range_agg(tstzrange(a at time zone 'Asia/Shanghai', b at time zone 'Asia/Shanghai')), '{}')"
                   " from unnest(%s::timestamp[], %s::timestamp[]) x (a, b)))", street, unit, amount, start,
                   [a for a, _ in pauses], [b for _, b in pauses])[0]
        got = [g.astimezone(dt.timezone(dt.timedelta(hours=8))).replace(tzinfo=None) for g in got]
        assert got == moments(model, unit, amount, start, pauses), (unit, amount, start, pauses)


def random_rule(dice):
    freq = dice.choice(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])
    rule = "FREQ=" + freq
    if dice.random() < 0.4:
        rule += f";INTERVAL={dice.randint(1, 5)}"
    if dice.random() < 0.6 and freq != "DAILY":
        ordinal = (lambda: dice.choice(["", "1", "2", "-1", "5"])) if freq == "MONTHLY" else lambda: ""
        rule += ";BYDAY=" + ",".join(ordinal() + d for d in dice.sample(WEEKDAYS, dice.randint(1, 3)))
    elif freq in ("MONTHLY", "YEARLY") and dice.random() < 0.8:
        rule += ";BYMONTHDAY=" + ",".join(str(dice.choice([1, 15, 20, 28, 29, 30, 31, -1, -30])) for _ in range(dice.randint(1, 2)))
    if freq == "YEARLY" or dice.random() < 0.2:
        rule += f";BYMONTH={dice.randint(1, 12)}"
    if dice.random() < 0.3:
        rule += dice.choice([f";COUNT={dice.randint(1, 12)}", f";UNTIL=2025{dice.randint(1, 12):02}15"])
    return rule


def test_occurrences_are_those_of_the_model(days):
    """Rule 5: random rules, kept or moved; the days due in a window."""
    model, dice, some = Model(HOURS[0]), random.Random(5), 0
    for _ in range(300):
        start = dt.date(2023, 6, 1) + dice.randrange(500) * DAY
        first = start + dice.randrange(300) * DAY
        case = (random_rule(dice), start, first, first + dice.randrange(400) * DAY,
                dice.choice(["keep", "next_workday", "prev_workday"]))
        want = model.occurrences(*case)
        assert days("select day from clock.occurrences(%s, %s, %s, %s, %s)", *case) == want, case
        some += bool(want)
    assert some > 150
