"""HTTP byte by byte: for what an ordinary client refuses to send, and for
headers exactly as they came."""

import socket
from urllib.parse import urlsplit


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        found = [v for n, v in self.headers if n.lower() == name.lower()]
        assert len(found) <= 1, f"{name} came {len(found)} times"
        return found[0] if found else None


class Connection:
    def __init__(self, url, timeout=20):
        parts = urlsplit(url)
        self.host = parts.netloc
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout)
        self.data = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def request(self, method, target, headers=None, body=b""):
        lines = {"Host": self.host, "Content-Length": str(len(body)), **(headers or {})}
        if method in ("GET", "HEAD", "OPTIONS") and not body:
            del lines["Content-Length"]
        head = "".join(f"{k}: {v}\r\n" for k, v in lines.items())
        if isinstance(target, str):
            target = target.encode()
        self.send(method.encode() + b" " + target + b" HTTP/1.1\r\n" + head.encode() + b"\r\n" + body)
        return self.read(method)

    def more(self):
        data = self.socket.recv(65536)
        self.data += data
        return data

    def closed(self):
        """True when the server ends the connection without another byte."""
        try:
            return not self.data and self.more() == b""
        except ConnectionResetError:
            return True

    def read(self, method="GET"):
        """The next reply; None when the connection ends before one."""
        while b"\r\n\r\n" not in self.data:
            if not self.more():
                assert not self.data, f"half a head: {self.data[:200]}"
                return None
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [tuple(line.split(": ", 1)) for line in lines]
        status = int(first.split(" ")[1])
        reply = Reply(status, headers, b"")
        if method != "HEAD" and status not in (204, 304) and status >= 200:
            reply.body = self.read_body(reply)
        return reply

    def read_body(self, reply):
        if (reply.header("Transfer-Encoding") or "").lower() == "chunked":
            return self.read_chunks()
        if reply.header("Content-Length") is None:
            while self.more():
                pass
            body, self.data = self.data, b""
            return body
        return self.take(int(reply.header("Content-Length")))

    def take(self, length):
        while len(self.data) < length:
            assert self.more(), "the body ended early"
        body, self.data = self.data[:length], self.data[length:]
        return body

    def read_chunks(self):
        body = b""
        while True:
            while b"\r\n" not in self.data:
                assert self.more(), "the chunks ended early"
            size, self.data = self.data.split(b"\r\n", 1)
            body += self.take(int(size, 16))
            self.take(2)
            if size == b"0":
                return body


def exchange(url, method, target, headers=None, body=b""):
    with Connection(url) as c:
        return c.request(method, target, {"Connection": "close", **(headers or {})}, body)
