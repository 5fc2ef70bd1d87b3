"""An SMS gateway: takes what it is sent and keeps it."""

import json

from fakes.server import Fake


class Gateway(Fake):
    def answer(self, path, query, body):
        return 200, {"result": "accepted"}

    def codes(self):
        return [json.loads(body) for _, _, body, _ in self.asked]
