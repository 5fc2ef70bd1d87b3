"""A server of somebody else's, on loopback, that can also be bad: slow, silent,
gone, wrong, endless. What it was asked is kept in order."""

import contextlib
import http.server
import json
import ssl
import threading
import time
import urllib.parse


class Fake:
    """answer(path, query, body) → (status, bytes or JSON value). fault: None,
    silent (never answers), slow (a byte now and then), huge, garbage, status
    (500), redirect, drop (closes without a word)."""

    def __init__(self, certificate=None):
        self.fault = None
        self.asked = []
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                fake.serve(self)

            do_POST = do_GET

        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        # a client that gives up, or does not trust us, is no news
        self.httpd.handle_error = lambda *args: None
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.httpd.socket = context.wrap_socket(self.httpd.socket, server_side=True,
                                                    do_handshake_on_connect=False)
        self.url = f"http{'s' if certificate else ''}://localhost:{self.httpd.server_port}"
        self.thread = threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def serve(self, handler):
        parts = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        with self.lock:
            self.asked.append((parts.path, query, body, dict(handler.headers)))
        with contextlib.suppress(OSError):
            self.reply(handler, parts.path, query, body)

    def reply(self, handler, path, query, body):
        fault = self.fault
        if fault == "silent":
            self.stopped.wait(60)
        if fault in ("silent", "drop"):
            handler.close_connection = True
            return
        status, answer = self.answer(path, query, body)
        if fault == "status":
            status, answer = 500, {"error": "broken"}
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        data = {"garbage": b"<html>\xff not what was wanted", "huge": b"[" + b" " * 5_000_000}.get(fault, data)
        handler.send_response(302 if fault == "redirect" else status)
        if fault == "redirect":
            handler.send_header("Location", self.url + "/elsewhere")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        if fault != "slow":
            handler.wfile.write(data)
            return
        for byte in data:
            handler.wfile.write(bytes([byte]))
            if self.stopped.wait(0.3):
                return

    def stop(self):
        self.stopped.set()
        self.httpd.shutdown()
        self.thread.join()
        self.httpd.server_close()
