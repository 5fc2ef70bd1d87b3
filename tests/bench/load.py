"""Load and what it costs: wrk, pgbench, processor time, memory, idle clients."""

import contextlib
import json
import os
import pathlib
import re
import resource
import selectors
import signal
import socket
import statistics
import subprocess
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
TICK = 1e6 / os.sysconf("SC_CLK_TCK")
WARM = 1  # seconds that pgbench gets to connect and prepare before it counts


def family(pid):
    """A process and all below it."""
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # ended since
            for child in task.read_text().split():
                found += family(int(child))
    return found


def cpu_us(root):
    """Processor time of a process tree so far, those that ended included."""
    total = 0
    for pid in family(root):
        try:
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue  # ended since: its parent's sum has it
        total += sum(int(x) for x in stat.rsplit(")", 1)[1].split()[11:15])
    return total * TICK


def kilobytes(pid, field):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB", text, re.M).group(1))


class Result(dict):
    """One round: rate, p50 and p99 in ms, µs of server and PostgreSQL."""

    def __init__(self, count, seconds, p50, p99, server, postgres):
        super().__init__(rate=count / seconds, p50=p50, p99=p99,
                         server=server / count, postgres=postgres / count)


def wrk(url, requests, clients, seconds, first, server, postgres, refused=False):
    """The Lua file's requests; refused: an error reply is the one expected."""
    before = cpu_us(server), cpu_us(postgres)
    done = subprocess.run(
        ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "10s", "-s",
         str(HERE / "load.lua"), url, "--", str(requests), str(first)],
        capture_output=True, text=True, timeout=seconds + 60)
    after = cpu_us(server), cpu_us(postgres)
    if done.returncode:
        raise RuntimeError(f"wrk: {done.stdout}{done.stderr}")
    r = json.loads(done.stdout.strip().splitlines()[-1])
    if r["lost"] or not r["requests"] or (r["refused"] > 0) != refused:
        raise RuntimeError(f"wrk {url} {requests}: {done.stdout}")
    return Result(r["requests"], r["us"] / 1e6, r["p50"] / 1e3, r["p99"] / 1e3,
                  after[0] - before[0], after[1] - before[1])


def percentiles(folder, since):
    """p50 and p99 in ms of pgbench's sampled log, from a time on."""
    found = []
    for log in folder.glob("pgbench*"):
        for line in log.read_text().splitlines():
            f = line.split()  # client, number, µs, script, s, µs; the last may be cut
            if len(f) == 6 and int(f[4]) + int(f[5]) / 1e6 >= since:
                found.append(int(f[2]) / 1e3)
        log.unlink()
    cuts = statistics.quantiles(found, n=100)
    return cuts[49], cuts[98]


def pgbench(conninfo, script, clients, seconds, variables, postgres, folder):
    """Rate from its progress lines after the warm-up, so that connecting,
    preparing and planning do not count."""
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        ["pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", "600",
         "-P", "1", "-f", str(script), "-l", f"--log-prefix={folder}/pgbench",
         "--sampling-rate=0.5", *(f"-D{k}={v}" for k, v in variables.items()), conninfo],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PGOPTIONS": "-c jit=off -c plan_cache_mode=force_generic_plan"})
    said, count, last, begin = [], 0, 0.0, None
    try:
        for line in process.stderr:
            said.append(line)
            m = re.match(r"progress: ([\d.]+) s, ([\d.]+) tps.* (\d+) failed", line)
            if not m:
                continue
            at = float(m.group(1))
            if begin:
                count += float(m.group(2)) * (at - last)
            elif at >= WARM:
                begin = at, time.time(), cpu_us(process.pid), cpu_us(postgres)
            last = at
            if begin and at >= begin[0] + seconds:
                break
        cpu = cpu_us(postgres)
        process.send_signal(signal.SIGALRM)  # as if the 600 s were over
        said += process.stderr.readlines()
        process.wait(20)
    finally:
        process.kill()
    if process.returncode or not begin or not count:
        raise RuntimeError("pgbench: " + "".join(said[-5:]))
    p50, p99 = percentiles(folder, begin[1])
    return Result(count, last - begin[0], p50, p99, 0, cpu - begin[3])


def idle_clients(port, wanted, measure):
    """That many keep-alive connections, each after one answered request, held
    while measure() looks; returns how many and what it saw."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = min(wanted, hard - 200)
    request = b"GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n"
    held = []
    try:
        while len(held) < wanted:
            batch = [socket.create_connection(("127.0.0.1", port), timeout=10)
                     for _ in range(min(100, wanted - len(held)))]
            held += batch
            for s in batch:
                s.sendall(request)
            for s in batch:
                if not s.recv(4096).startswith(b"HTTP/1.1 200"):
                    raise RuntimeError("an idle client was refused")
        seen = measure()
        with selectors.DefaultSelector() as selector:
            for s in held:
                selector.register(s, selectors.EVENT_READ)
            if selector.select(0):
                raise RuntimeError("an idle client was hung up on")
        return len(held), seen
    finally:
        for s in held:
            s.close()


def slow_clients(port, wanted, measure):
    """That many connections, each sending a request's head a byte a second, and
    coming again when it is hung up on, while measure() looks; returns what it saw."""
    head = b"GET /healthz HTTP/1.1\r\nHost: bench\r\nX-Slow: " + b"x" * 4000
    over, held = threading.Event(), [None] * wanted

    def drip():
        sent = [0] * wanted
        while not over.wait(1):
            for i, s in enumerate(held):
                try:
                    s.send(head[sent[i] % len(head):][:1])
                    sent[i] += 1
                except OSError:
                    s.close()
                    held[i], sent[i] = socket.create_connection(("127.0.0.1", port), timeout=10), 0
    thread = threading.Thread(target=drip)
    try:
        for i in range(wanted):
            held[i] = socket.create_connection(("127.0.0.1", port), timeout=10)
        thread.start()
        return measure()
    finally:
        over.set()
        if thread.ident:
            thread.join()
        for s in held:
            if s:
                s.close()
