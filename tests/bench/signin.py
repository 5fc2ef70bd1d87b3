"""Does the time of a refused sign-in tell whether the account exists? Both are
asked in turn; security 16 wants no difference to be seen in 200 of each."""

import http.client
import json
import math
import statistics
import time

ROUNDS = 200
PER_WINDOW = 9  # attempts on one login before it is throttled


def refused(connection, login):
    """ms of one sign-in with a wrong password."""
    body = json.dumps({"login": login, "password": "wrong"})
    begin = time.perf_counter()
    connection.request("POST", "/v1/sessions", body, {"Content-Type": "application/json"})
    reply = connection.getresponse()
    reply.read()
    taken = (time.perf_counter() - begin) * 1000
    if reply.status != 401:
        raise RuntimeError(f"sign-in of {login}: {reply.status}")
    return taken


def mann_whitney(a, b):
    """Two-sided p that both come from one distribution; for many samples, no ties."""
    ranks = {v: i for i, v in enumerate(sorted(a + b), 1)}
    u = sum(ranks[v] for v in a) - len(a) * (len(a) + 1) / 2
    mean = len(a) * len(b) / 2
    deviation = math.sqrt(len(a) * len(b) * (len(a) + len(b) + 1) / 12)
    return math.erfc(abs(u - mean) / deviation / math.sqrt(2))


def timing(port, known, forgive):
    """(median ms of known, of unknown, p); forgive() empties the throttle."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    times = {known: [], "nobody-here": []}
    for n in range(ROUNDS):
        if n % PER_WINDOW == 0:
            forgive()
        for login in sorted(times, reverse=n % 2):
            times[login].append(refused(connection, login))
    connection.close()
    a, b = times.values()
    return statistics.median(a), statistics.median(b), mann_whitney(a, b)
