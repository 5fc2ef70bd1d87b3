"""RFC 6238 as an authenticator app does it."""

import base64
import hashlib
import hmac
import struct
import time
import urllib.parse


def secret(uri):
    """The secret of an otpauth URI."""
    text = urllib.parse.parse_qs(urllib.parse.urlsplit(uri).query)["secret"][0]
    return base64.b32decode(text + "=" * (-len(text) % 8))


def code(key, steps=0):
    """What the app shows now, or so many steps from now."""
    mac = hmac.digest(key, struct.pack(">q", int(time.time()) // 30 + steps), hashlib.sha1)
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff) % 10**6:06d}"
