"""What is asked: the same people, tickets and statements for everybody."""

import base64
import collections
import hashlib
import json
import random
import re
import secrets

from stack import TOP, harness

GROUND = 103.79, 30.39, 104.21, 30.81  # west, south, east, north of what is asked for
ENTER = "select core.enter(:session::uuid, :claim::text)"
# Of what takes a number: it commits early and settles (include/query.h).
EARLY = ENTER.replace("select ", "select set_config('synchronous_commit', 'off', true), core.hold(:actor::uuid), ")
TOPICS = [
    ("problem", "noise", "夜间施工噪声", "晚上十点以后还在施工，老人和孩子都睡不着。", None),
    ("problem", "pets", "遛狗不牵绳", "院坝里有人遛狗不牵绳，孩子被吓到。", None),
    ("problem", "drain_blocked", "下水管道反水", "一楼厨房下水反水，味道很大。", {"overflowing": True, "households": 12}),
    ("problem", "ebike_parking", "电动车在楼道充电", "有人把电动车推进楼道充电，很危险。", {"indoors": True, "charging": True}),
    ("problem", "street_light", "路灯不亮", "小区东门的两盏路灯坏了一个星期。", None),
    ("suggestion", "community_life", "希望院里办一次坝坝会", "想请大家一起商量休闲座椅放在哪里。", None),
]


class Actor(collections.namedtuple("Actor", "login token sid sub role street epoch")):
    @property
    def claim(self):
        return f"{self.sub} {self.role} {self.street} {self.epoch}"


def actors(settings, logins):
    """Residents by login and street number, each with a session of its own."""
    found = []
    for login, street in logins:
        token = harness.run_linlid(settings, "token", "--account", login, "--role", "resident",
                                   "--street", str(street), "--ttl", "86400").strip()
        piece = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(piece + "=" * (-len(piece) % 4)))
        found.append(Actor(login, token, *(claims[k] for k in Actor._fields[2:])))
    return found


def residents(cluster, database, streets, each):
    """So many of each street, spread over its micro-grids."""
    return cluster.execute(database, """
        select login, street_id from (select a.login, r.street_id, row_number() over
                (partition by r.street_id order by md5(a.login)) as n
            from identity.account_role r join identity.account a on a.id = r.account_id
            where r.role = 'resident' and r.street_id = any (%s)) x
        where n <= %s order by n, street_id""", streets, each)


def sign_in(cluster, database, whom, limit=None):
    """Sessions without tokens of their own, by account; their ids."""
    return [row[0] for row in cluster.execute(database, f"""
        insert into identity.session (id, account_id, role, street_id, path, expires_at)
        select core.new_id(r.street_id), r.account_id, r.role, r.street_id, r.path, now() + interval '1 day'
        from identity.account_role r where {whom} order by md5(r.account_id::text) limit %s
        returning id::text""", limit)]


def tickets(cluster, database, street, n):
    """Ids of public tickets: what any resident of the street may read."""
    return [row[0] for row in cluster.execute(database, """
        select id::text from ticket.ticket where street_id = %s and is_public
        order by md5(id::text) limit %s""", street, n)]


def bodies(n):
    """New tickets, as far apart as a street's are, so that few are alike."""
    chance = random.Random(1)
    for i in range(n):
        kind, category, title, description, answers = TOPICS[i % len(TOPICS)]
        body = {"kind": kind, "category": category, "title": title, "description": description,
                "contact_name": "张三", "address": f"{i % 9 + 1}栋{i % 4 + 1}单元",
                "position": {"lon": round(103.8 + 0.4 * chance.random(), 6),
                             "lat": round(30.4 + 0.4 * chance.random(), 6), "crs": "gcj02"}}
        yield {**body, "answers": answers} if answers else body


class Work:
    """One database's people and tickets, written out for wrk and pgbench."""

    def __init__(self, folder, people, ids):
        folder.mkdir(exist_ok=True)
        self.folder, self.people, self.ids = folder, people, ids
        self.bodies = list(bodies(64))
        chance = random.Random(2)
        pairs = [(p, chance.choice(ids[p.street])) for _ in range(32) for p in people]
        token = [p.token for p in people]
        self.files = {
            "ticket": self.write("ticket", [("GET", f"/v1/tickets/{i}", p.token, "")
                                            for p, i in pairs]),
            "list": self.write("list", [("GET", "/v1/tickets?limit=20", t, "") for t in token]),
            "create": self.write("create", [
                ("POST", "/v1/tickets", token[i % len(token)], json.dumps(b, ensure_ascii=False))
                for i, b in enumerate(bodies(32768))]),
            "locate": self.write("locate", [
                ("GET", "/v1/grids/locate?lon={lon}&lat={lat}&crs={crs}".format(**b["position"]), token[i % len(token)], "")
                for i, b in enumerate(bodies(512))]),
            "refused": self.write("refused", [("GET", "/v1/tickets?limit=0", t, "") for t in token]),
            "health": self.write("health", [("GET", "/healthz", t, "") for t in token]),
        }

    def signs_in(self, cluster, database, logins, password):
        """The rows of signing in: by password, and by refresh tokens, of which
        each run wants fresh ones."""
        self.files["login"] = self.write("login", [("POST", "/v1/sessions", "", json.dumps(
            {"login": login, "password": password})) for login in logins])
        self.fresh = lambda: self.refreshing(cluster, database)

    def refreshing(self, cluster, database, count=64):
        tokens = [secrets.token_urlsafe(32) for _ in range(count)]
        cluster.execute(database, """
            insert into identity.refresh_token (hash, session_id, expires_at)
            select hash, session::uuid, now() + interval '1 day' from unnest(%s, %s) t (hash, session)""",
                        [hashlib.sha256(t.encode()).hexdigest() for t in tokens],
                        sign_in(cluster, database, "r.role = 'resident'", count))
        return self.write("refresh", [("POST", "/v1/sessions/refresh", "", json.dumps({"refresh_token": t})) for t in tokens])

    def write(self, name, requests):
        path = self.folder / f"{name}.requests"
        path.write_text("".join("\t".join(r) + "\n" for r in requests))
        return path

    # pgbench has no text variables to choose from: an array and a number do.
    @staticmethod
    def one_of(values, number, kind="text"):
        def quoted(v):
            return "null" if v is None else "'" + str(v).replace("'", "''") + "'"
        return f"((array[{','.join(quoted(v) for v in values)}]::{kind}[])[:{number}])"

    def context(self):
        return {"session": self.one_of([p.sid for p in self.people], "a", "uuid"),
                "actor": self.one_of([p.sub for p in self.people], "a", "uuid"),
                "claim": self.one_of([p.claim for p in self.people], "a"),
                "street": str(self.people[0].street)}

    def script(self, name, operation, values, sets, wrap="{}", enter=ENTER, after=()):
        """BEGIN, the context, the operation's statements, COMMIT."""
        values = {**self.context(), **values}
        several = statements(operation)
        several[-1] = wrap.format(several[-1])
        lines = [f"\\set a random(1, {len(self.people)})", *sets, "begin;"]
        lines += [fill(s, values) + ";" for s in [enter, *several]]
        path = self.folder / f"{name}.pgbench"
        path.write_text("\n".join([*lines, "commit;", *after, ""]))
        return path

    def scripts(self):
        ids = self.ids[self.people[0].street]

        def field(key):
            return self.one_of([json.dumps(b[key], ensure_ascii=False) if isinstance(b.get(key), dict)
                                else b.get(key) for b in self.bodies], "b")
        # As the daemon's ids: time (of the run), then what tells them apart.
        new_id = ("(lpad(to_hex(:base::bigint), 12, '0') || '80018' || lpad(to_hex(:client_id::int), 3, '0')"
                  " || lpad(to_hex(:s::bigint), 12, '0'))::uuid")
        keys = ("kind", "category", "title", "description", "contact_name", "address", "answers")
        # A place of its own to each, as the bodies have: what lies at a place
        # already is looked for, and read, at every submit.
        place = ("json_build_object('lon', 103.8 + :x::int / 1e6, 'lat', 30.4 + :y::int / 1e6,"
                 " 'crs', 'gcj02')::text")
        return {
            "ticket": self.script("ticket", "getTicket", {"id": self.one_of(ids, "i", "uuid")},
                                  [f"\\set i random(1, {len(ids)})"]),
            "list": self.script("list", "listTickets", {"limit": "20"}, [],
                "select json_agg(row_to_json(x)) from ({}) x"),
            "locate": self.script("locate", "locateGrid", {
                "lon": self.one_of([b["position"]["lon"] for b in self.bodies], "b", "float8"),
                "lat": self.one_of([b["position"]["lat"] for b in self.bodies], "b", "float8"),
                "crs": "'gcj02'"}, ["\\set b random(1, 64)"]),
            "create": self.script("create", "submitTicket", {
                **{k: field(k) for k in keys}, "urgency": "'normal'", "new_id": new_id,
                "position": place},
                ["\\set b random(1, 64)", "\\set s :s + 1", "\\set x random(0, 400000)",
                 "\\set y random(0, 400000)"], enter=EARLY, after=["select core.settle();"]),
        }


def statements(operation, case=1):
    """An operation's statements as they stand in sql/queries; those of the
    first case for residents, if they have their own: everybody here is one."""
    for path in sorted((TOP / "sql/queries").glob("*.sql")):
        m = re.search(rf"^-- name: {operation}(?: numbered)?\n(.*?)(?=^-- (?:name|helper): |\Z)", path.read_text(), re.M | re.S)
        if m:
            text = re.split(r"^-- for: .*\bresident\b.*\n", m.group(1), flags=re.M)[:case + 1][-1].split("\n-- for: ")[0]
            return [s.strip() for s in re.sub(r"^--.*\n", "", text, flags=re.M).split(";") if s.strip()]
    raise KeyError(operation)


def fill(sql, values):
    """Each :name by its value; what the request does not say is null."""
    return re.sub(r"(?<!:):([a-z_]\w*)", lambda m: values.get(m.group(1), "null"), sql)


def peer_sql():
    """The same statements with $n, and all columns named, as a client library
    wants them. linlid's own view has two columns more, for headers."""
    schema = schemas()["Ticket"]
    columns = ", ".join(["t._etag", *("t." + c for c in schema["required"])])
    get = statements("getTicket")[0].replace("select *", f"select {columns}", 1)
    return {
        "enter": fill(ENTER, {"session": "$1", "claim": "$2"}),
        "getTicket": fill(get, {"street": "$1", "id": "$2"}),
        "listTickets": fill(statements("listTickets")[0], {"street": "$1", "limit": "$2"}),
        "listTicketsAfter": fill(statements("listTickets", 2)[0], {"after": "$1", "limit": "$2"}),
    }


def schemas():
    """Reply schemas of the contract with their references resolved."""
    contract = json.loads((TOP / "build/openapi.json").read_text())["components"]["schemas"]

    def resolve(node):
        if isinstance(node, dict) and "$ref" in node:
            return resolve(contract[node["$ref"].rsplit("/", 1)[1]])
        if isinstance(node, dict):
            return {k: resolve(v) for k, v in node.items()}
        return [resolve(v) for v in node] if isinstance(node, list) else node
    return {name: resolve(contract[name]) for name in ("Ticket", "TicketList")}
