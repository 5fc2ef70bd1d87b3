"""Fixtures. `world` gives a test a fresh database and daemon; `shared` one per
module, for tests that only add and read."""

import os
import shutil
import time

import pytest

import contract
import fakes.issuer
import fakes.wechat
import harness


@pytest.fixture(scope="session")
def site():
    """Cluster, template, keys and tokens: made by check.py, or made here."""
    given = os.environ.get("LINLI_SITE")
    made = harness.make_site(given or harness.temporary_folder())
    yield made
    if not given:
        made.cluster.stop()
        shutil.rmtree(made.folder)


@pytest.fixture(scope="session")
def spec():
    return contract.Contract(harness.TOP / "build/openapi.json")


@pytest.fixture(scope="session")
def wechat():
    """One for all; nobody breaks it: who wants a bad one makes their own."""
    fake = fakes.wechat.Wechat()
    yield fake
    fake.stop()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Days are Chengdu's: a test that counts them begins and ends on one."""
    left = 86400 - (time.time() + 8 * 3600) % 86400
    if left < 90:
        time.sleep(left + 1)


@pytest.hookimpl(hookwrapper=True)
def pytest_fixture_setup():
    """What a fixture has started that then failed, nobody else would end."""
    before = len(harness.Server.started)
    outcome = yield
    if outcome.excinfo:
        for server in harness.Server.started[before:]:
            server.kill()


class World:
    """A database, its daemon, and everybody's client."""

    issuer = None

    def __init__(self, site, spec, folder, env=None, **settings):
        self.site, self.spec = site, spec
        self.database = site.cluster.fresh()
        self.settings = harness.Settings(folder, site.cluster, self.database, site.keys, **settings)
        self.folder = folder
        self.server = harness.Server(self.settings, folder / "log", env)

    def sql(self, text, *args):
        return self.site.cluster.execute(self.database, text, *args)

    def client(self, name=None):
        token = self.site.tokens[name] if name else None
        return harness.Client(self.server.url, token, self.spec.check_reply)

    def __getattr__(self, name):
        if name in harness.PEOPLE:
            client = self.client(name)
            setattr(self, name, client)
            return client
        raise AttributeError(name)

    def backends(self):
        """Pids of the database's ends of the workers' connections."""
        return {pid for pid, in self.sql("select pid from pg_stat_activity where datname = %s"
                                         " and usename = 'linli_app'", self.database)}

    def set_clock(self, offset):
        """Moves core.now(); the daemon's connections pick it up anew."""
        old = self.backends()
        self.sql(f"alter database {self.database} set linli.clock_offset = '{offset}'")
        self.sql("select pg_terminate_backend(pid) from pg_stat_activity"
                 " where datname = %s and pid <> pg_backend_pid()", self.database)
        # or more: a daemon just started had not opened all of them
        harness.wait_for(lambda: len(self.backends() - old) >= len(old), "as many new connections")

    def settle(self):
        """Until the change feed holds all that happened: it waits for every
        older transaction, and the cluster's other databases have some too."""
        mine, = self.sql("select pg_current_xact_id()::text")[0]
        harness.wait_for(lambda: self.sql(
            "select pg_snapshot_xmin(pg_current_snapshot()) > %s::xid8", mine)[0][0],
            "older transactions to end")

    def close(self):
        try:
            code = self.server.stop()
            assert code == 0, f"linlid ended with {code}:\n" + self.server.tail()
        finally:
            self.site.cluster.drop(self.database)


@pytest.fixture(scope="session")
def issuer():
    """As wechat: one for all that nobody breaks."""
    fake = fakes.issuer.Issuer()
    yield fake
    fake.stop()


@pytest.fixture
def world(site, spec, tmp_path, wechat, issuer):
    made = World(site, spec, tmp_path, wechat_url=wechat.url, wechat_app_id=wechat.app)
    made.issuer = issuer
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(site, spec, tmp_path_factory, wechat, issuer):
    made = World(site, spec, tmp_path_factory.mktemp("shared"), wechat_url=wechat.url,
                 wechat_app_id=wechat.app)
    made.issuer = issuer
    yield made
    made.close()
