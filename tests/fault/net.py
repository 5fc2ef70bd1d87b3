"""A network of one's own: a namespace behind a pair of interfaces, and packets
that vanish on the way without a word."""

import itertools
import os
import subprocess

NUMBERS = itertools.count(os.getpid() % 60 * 4)


def run(*command):
    subprocess.run(command, check=True, capture_output=True, timeout=20)


class Namespace:
    """with Namespace() as ns: ns.here and ns.there reach each other."""

    def __init__(self):
        n = next(NUMBERS) % 250
        self.name = f"linli{os.getpid()}n{n}"
        self.link = f"ll{os.getpid() % 100000}n{n}"[:15]
        self.here, self.there = f"10.213.{n}.1", f"10.213.{n}.2"

    def __enter__(self):
        run("ip", "netns", "add", self.name)
        try:
            run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "far", "netns", self.name)
            run("ip", "addr", "add", self.here + "/30", "dev", self.link)
            run("ip", "link", "set", self.link, "up")
            for command in (("ip", "addr", "add", self.there + "/30", "dev", "far"),
                            ("ip", "link", "set", "far", "up"), ("ip", "link", "set", "lo", "up")):
                run(*self.inside, *command)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        run("ip", "netns", "del", self.name)

    @property
    def inside(self):
        return ("ip", "netns", "exec", self.name)

    def drop(self, hook="input output"):
        """From now on packets vanish, in both directions or one."""
        run(*self.inside, "nft", "add", "table", "inet", "cut")
        for h in hook.split():
            run(*self.inside, "nft", "add", "chain", "inet", "cut", h,
                f"{{ type filter hook {h} priority 0; policy drop; }}")

    def lose(self, percent):
        run(*self.inside, "nft", "add", "table", "inet", "cut")
        run(*self.inside, "nft", "add", "chain", "inet", "cut", "input",
            "{ type filter hook input priority 0; }")
        run(*self.inside, "nft", "add", "rule", "inet", "cut", "input", "numgen", "random", "mod", "100",
            "<", str(percent), "drop")

    def heal(self):
        run(*self.inside, "nft", "delete", "table", "inet", "cut")
