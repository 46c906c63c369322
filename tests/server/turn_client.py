"""`kaon turn` as a child process, and a TURN client of a few lines: enough to allocate, to send, and to do it wrongly."""

import hashlib
import hmac
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import time

from kaon import PROGRAM

COOKIE = 0x2112A442
ALLOCATE, REFRESH, PERMISSION, CHANNEL, BINDING, SEND = 0x003, 0x004, 0x008, 0x009, 0x001, 0x016
USERNAME, ERROR, LIFETIME, PEER, DATA, REALM, NONCE, RELAYED, TRANSPORT, MAPPED, NUMBER, INTEGRITY = (
    0x0006, 0x0009, 0x000D, 0x0012, 0x0013, 0x0014, 0x0015, 0x0016, 0x0019, 0x0020, 0x000C, 0x0008)
ICMP, DATA_INDICATION = 0x8004, 0x0017
UDP, TCP = bytes([17, 0, 0, 0]), bytes([6, 0, 0, 0])
CONNECT, CONNECTION_BIND, CONNECTION_ATTEMPT, CONNECTION_ID = 0x000A, 0x000B, 0x001C, 0x002A


class TurnServer:
    """On free ports of 127.0.0.1, with the user "u" and the password "p"; relays to 127.0.0.0/8 unless told otherwise. Works in
    `folder`, if that is given."""

    def __init__(self, *arguments, listeners=("udp", "tcp"), allow="127.0.0.0/8", users=("u:p",),
                 relay_ips=("127.0.0.1",), folder=None):
        options = [*(o for ip in relay_ips for o in ("--relay-ip", ip)), "--realm", "example.org", "--metrics", "127.0.0.1:0"]
        for listener in listeners:
            options += [f"--{listener}", "127.0.0.1:0"]
        for user in users:
            options += ["--user", user]
        if allow:
            options += ["--allow-peer", allow]
        self.log = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen([PROGRAM, "turn", *options, *map(str, arguments)], text=True, cwd=folder,
                                        stdout=subprocess.PIPE, stderr=self.log)
        self.ports = {}
        for line in self.process.stdout:
            if found := re.search(r"TURN over (\w+): .*:(\d+)$", line.strip()):
                self.ports[found[1].lower()] = int(found[2])
            if found := re.search(r"Metrics: http://.*:(\d+)/metrics", line):
                self.metrics_port = int(found[1])
            if "ready" in line:
                break
        else:
            raise AssertionError(f"kaon turn ended with {self.process.wait()}: {self.errors()}")

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = "no end within 5 s of SIGTERM"
        self.process.stdout.close()
        if kind is None:
            assert status == 0, f"exit status {status}: {self.errors()[-2000:]}"

    def errors(self):
        self.log.seek(0)
        return self.log.read()

    def metrics(self):
        """The counters by name, labels included."""
        import urllib.request
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5).read().decode()
        pairs = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name: int(value) for name, value in pairs}


def until_connected(address):
    """To a relay: it refuses peers until their permission is there, which a busy machine lets wait."""
    for _ in range(200):
        peer = socket.create_connection(address, 5)
        peer.settimeout(0.2)
        try:
            if peer.recv(1) != b"":
                raise AssertionError("the peer speaks first")
        except TimeoutError:
            peer.settimeout(20)
            return peer
        except ConnectionResetError:
            pass
        peer.close()
        time.sleep(0.05)
    raise AssertionError("the relay lets nobody in")


def xor_address(address):
    ip, port = address
    return struct.pack("!BBHI", 0, 1, port ^ (COOKIE >> 16), struct.unpack("!I", socket.inet_aton(ip))[0] ^ COOKIE)


def xor_address6(address):
    """The value for a given transaction."""
    ip, port = socket.inet_pton(socket.AF_INET6, address[0]), address[1]
    def value(transaction):
        key = struct.pack("!I", COOKIE) + transaction
        return struct.pack("!BBH", 0, 2, port ^ (COOKIE >> 16)) + bytes(a ^ b for a, b in zip(ip, key))
    return value


def read_address(value):
    port, ip = struct.unpack("!xxHI", value)
    return socket.inet_ntoa(struct.pack("!I", ip ^ COOKIE)), port ^ (COOKIE >> 16)


class Message:
    """One that was received."""

    def __init__(self, bytes_):
        self.type, length = struct.unpack("!HH", bytes_[:4])
        assert length == len(bytes_) - 20, "length"
        self.attributes, at = {}, 20
        while at < len(bytes_):
            kind, size = struct.unpack("!HH", bytes_[at:at + 4])
            self.attributes.setdefault(kind, bytes_[at + 4:at + 4 + size])
            at += 4 + (size + 3) // 4 * 4

    @property
    def error(self):
        """The number of the error, 0 for success."""
        value = self.attributes.get(ERROR)
        return value[2] * 100 + value[3] if value else 0


class TurnClient:
    def __init__(self, server, protocol="udp", user="u", password="p", source=None, certificate=None):
        self.protocol, self.user, self.password = protocol, user, password
        self.realm = self.nonce = None
        address = ("127.0.0.1", server.ports[protocol])
        if protocol == "udp":
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, 5)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if protocol == "tls":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if certificate:
                context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket)
        self.socket.settimeout(5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def write(self, method, *attributes):
        transaction, body = os.urandom(12), b""
        for kind, value in [*attributes, *self.signature()]:
            value = value(transaction) if callable(value) else value
            body += struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)
        head = struct.pack("!HHI", method, len(body) + (24 if self.nonce else 0), COOKIE) + transaction
        if not self.nonce:
            return head + body
        key = hashlib.md5(f"{self.user}:{self.realm}:{self.password}".encode()).digest()
        return head + body + struct.pack("!HH", INTEGRITY, 20) + hmac.new(key, head + body, hashlib.sha1).digest()

    def signature(self):
        if not self.nonce:
            return []
        return [(USERNAME, self.user.encode()), (REALM, self.realm.encode()), (NONCE, self.nonce)]

    def receive(self):
        """One message as bytes."""
        if self.protocol == "udp":
            return self.socket.recv(65536)
        head = self.exactly(4)
        size = struct.unpack("!H", head[2:])[0]
        if head[0] < 4:
            return head + self.exactly(size + 16)
        return (head + self.exactly((size + 3) // 4 * 4))[:4 + size]

    def exactly(self, size):
        out = b""
        while len(out) < size:
            more = self.socket.recv(size - len(out))
            if not more:
                raise EOFError("the server has closed the connection")
            out += more
        return out

    def ask(self, method, *attributes):
        self.socket.sendall(self.write(method, *attributes))
        return Message(self.receive())

    def allocate(self, *attributes, transport=UDP):
        """Learns the nonce and allocates: the answer."""
        self.nonce = None
        challenge = self.ask(ALLOCATE, (TRANSPORT, transport))
        assert challenge.error == 401, challenge.error
        self.realm, self.nonce = challenge.attributes[REALM].decode(), challenge.attributes[NONCE]
        return self.ask(ALLOCATE, (TRANSPORT, transport), *attributes)

    def bind(self, channel, peer):
        return self.ask(CHANNEL, (NUMBER, struct.pack("!HH", channel, 0)), (PEER, xor_address(peer))).error

    def send(self, channel, data):
        padding = b"" if self.protocol == "udp" else bytes(-len(data) % 4)
        self.socket.sendall(struct.pack("!HH", channel, len(data)) + data + padding)
