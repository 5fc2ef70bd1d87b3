"""170,000 persons from a file, twice, while others work; then finding them.
Times are wall times: they tell something on a machine that does nothing else."""

import csv
import http.client
import io
import json
import random
import threading
import time

PERSONS = 170000
BEDS = 3  # persons in a dwelling
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余"
NAMES = "秀建国淑文志玉春晓雨英华芳平军琴珍梅霞强明丽红伟刚勇静艳娟敏超涛"
SEARCHES = 300


def id_number(n):
    head = f"510108{1940 + n % 60}{n // 60 % 12 + 1:02d}{n // 720 % 28 + 1:02d}{n // 20160 % 1000:03d}"
    rest = 0
    for c in head:
        rest = (rest + int(c)) * 2 % 11
    return head + "0123456789X"[(12 - rest) % 11]


def file_of(persons):
    chance, out = random.Random(1), io.StringIO()
    write = csv.writer(out).writerow
    write(["人员编号", "姓名", "手机号码", "身份证号码", "小区", "楼栋", "房号", "居住类型", "标签"])
    for n in range(persons):
        home = n // BEDS
        write([n, chance.choice(SURNAMES) + chance.choice(NAMES) + chance.choice(NAMES), f"13{n:09d}", id_number(n), "导入苑",
               home // 100 + 1, f"{home % 100 // 10 + 1}{home % 10:02d}", "家属" if n % BEDS else "业主", "" if n % 50 else "退役军人"])
    return out.getvalue().encode()


def build(cluster, database, persons):
    """Dwellings for them in the first micro-grid of the first community."""
    cluster.psql(database, "-c", f"""with c as (insert into grid.compound (street_id, id, path, name, address, household_count)
            values (1, core.new_id(1), '1/1/', '导入苑', '导入路', 0) returning id),
        b as (insert into grid.building (street_id, id, compound_id, path, name, serial)
            select 1, core.new_id(1), c.id, '1/1/', n || '栋', n from c, generate_series(1, {persons // BEDS // 100 + 1}) n returning id)
        insert into grid.dwelling (street_id, id, building_id, number, grid_id, path)
        select 1, core.new_id(1), b.id, n / 10 + 1 || lpad((n % 10)::text, 2, '0'), g.id, g.path
        from b, generate_series(0, 99) n, (select g.id, g.path from grid.grid g where g.street_id = 1 and g.kind = 'micro'
            and g.path ^@ '1/1/' order by g.path limit 1) g""", "-c", "vacuum analyze grid.dwelling", "-c", "checkpoint")


class Caller:
    def __init__(self, port, token):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.headers = {"Authorization": "Bearer " + token}

    def __call__(self, method, path, body=None, kind="application/json"):
        self.connection.request(method, path, body, {**self.headers, **({"Content-Type": kind} if body else {})})
        reply = self.connection.getresponse()
        text = reply.read()
        if reply.status >= 300:
            raise RuntimeError(f"{method} {path}: {reply.status} {text.decode()}")
        return json.loads(text)


def p99(times):
    return sorted(times)[len(times) * 99 // 100] * 1000


def reads(port, token, path, until):
    """Seconds each of one GET after another took."""
    ask, times = Caller(port, token), []
    while not until(len(times)):
        begin = time.perf_counter()
        ask("GET", path)
        times.append(time.perf_counter() - begin)
        time.sleep(0.002)
    return times


def import_file(ask, data):
    """Seconds to the report, and of the commit; the counts."""
    def wait(state):
        while (it := ask("GET", path))["state"] != state:
            if it["state"] == "failed":
                raise RuntimeError(f"import: {it['problem']}")
            time.sleep(0.2)
        return it
    begin = time.monotonic()
    path = "/v1/imports/" + ask("POST", "/v1/imports?source=bench", data, "text/csv")["id"]
    wait("ready")
    reported = time.monotonic()
    ask("POST", path + "/commit")
    counts = wait("done")["counts"]
    return reported - begin, time.monotonic() - reported, counts


def imports(port, community, resident, ticket):
    """(name, seconds to the report, of the commit), each; and p99 of others' reads: alone, meanwhile."""
    data, ask, found, meanwhile = file_of(PERSONS), Caller(port, community), [], []
    alone = p99(reads(port, resident, ticket, lambda n: n >= 2000))
    done = threading.Event()
    other = threading.Thread(target=lambda: meanwhile.extend(reads(port, resident, ticket, lambda n: done.is_set())))
    other.start()
    try:
        for name in ("new", "unchanged"):
            report, commit, counts = import_file(ask, data)
            if counts[name] != PERSONS:
                raise RuntimeError(f"import: {counts}")
            found.append((name, report, commit))
    finally:
        done.set()
        other.join()
    return found, alone, p99(meanwhile)


def searches(port, community, grid):
    """p99 in ms of a search by each way."""
    ask, chance = Caller(port, community), random.Random(2)
    ways = {
        "two characters of a name": lambda n: {"q": chance.choice(NAMES) + chance.choice(NAMES)},
        "a name": lambda n: {"q": chance.choice(SURNAMES) + chance.choice(NAMES) + chance.choice(NAMES)},
        "phone": lambda n: {"phone": f"13{n:09d}"}, "ID number": lambda n: {"id_number": id_number(n)},
        "address": lambda n: {"address": f"导入苑{n // BEDS // 100 + 1}栋"}, "tag": lambda n: {"tag": "veteran"},
        "grid": lambda n: {"under": grid}}
    found = {}
    for way, make in ways.items():
        times = []
        for _ in range(SEARCHES):
            body = json.dumps(make(chance.randrange(PERSONS))).encode()
            begin = time.perf_counter()
            ask("POST", "/v1/search/persons", body)
            times.append(time.perf_counter() - begin)
        found[way] = p99(times)
    return found
