"""The table a person reads."""

import statistics
import sys

NAMES = {
    "linlid": "linlid", "go": "Go net/http + pgx", "fastify": "Fastify + node-postgres",
    "evhttp": "bare evhttp", "city": "linlid, a city's data",
    "pgbench 8": "pgbench, 8 clients", "pgbench 32": "pgbench, 32 clients",
}


def median(rounds, key):
    return statistics.median(r[key] for r in rounds)


def ratio(ours, theirs, key="rate"):
    """Of the rounds side by side: the median of their ratios, and the span."""
    each = sorted(a[key] / b[key] for a, b in zip(ours, theirs))
    return {"median": statistics.median(each), "lowest": each[0], "highest": each[-1]}


def verdicts(row, promises):
    """Ours against each promise; of several alike (pgbench) the fastest."""
    ours, found = row["linlid"], []
    for prefix, least in promises.items():
        rivals = [n for n in row if n.startswith(prefix)]
        if not rivals:
            found.append({"against": prefix, "least": least, "ok": None})
            continue
        best = max(rivals, key=lambda n: median(row[n], "rate"))
        r = ratio(ours, row[best])
        found.append({"against": best, "least": least, **r, "ok": r["median"] >= least})
    return found


def mark(ok):
    return {True: "ok", False: "SHORT", None: "not measured"}[ok]


def print_row(title, row, found):
    print(f"\n{title}")
    print(f"  {'':28}{'per s':>9}{'p50 ms':>9}{'p99 ms':>9}{'µs server':>11}{'µs PostgreSQL':>15}"
          f"{'linlid is':>11}{'span':>14}{'least':>7}")
    for name, rounds in row.items():
        line = f"  {NAMES.get(name, name):28}{median(rounds, 'rate'):9.0f}{median(rounds, 'p50'):9.2f}" \
               f"{median(rounds, 'p99'):9.2f}{median(rounds, 'server') or 0:11.0f}{median(rounds, 'postgres'):15.0f}"
        for v in found:
            if v["against"] == name:
                span = f"{v['lowest']:.2f}–{v['highest']:.2f}"
                line += f"{v['median']:10.2f}×{span:>14}{v['least']:7.2f}  {mark(v['ok'])}"
        print(line)
    for v in found:
        if v["ok"] is None:
            print(f"  {NAMES.get(v['against'], v['against']):28}not measured")
    sys.stdout.flush()


def print_growth(growth):
    print("\ngrowth: p50 with a city's data against one street's")
    for name, (street, city) in growth.items():
        g = ratio(city, street, "p50")
        print(f"  {name:28}{median(street, 'p50'):9.2f} ms → {median(city, 'p50'):.2f} ms"
              f"{g['median']:10.2f}×   at most 1.3  {mark(g['median'] <= 1.3)}")


def print_facts(facts):
    print()
    for what, value, unit, most in facts:
        bound = f"   at most {most:g}  {mark(value <= most)}" if most else ""
        print(f"{what:58}{value:10.2f} {unit}{bound}")
