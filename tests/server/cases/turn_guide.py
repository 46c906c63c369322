"""The command lines of docs/guide/turn.md that stand for the examples of another TURN server: each is run and does what that does."""

import base64
import hashlib
import hmac
import re
import shlex
import shutil
import tempfile
import time
from pathlib import Path

from cases.command_line import certificate
from cases.turn import Peer, ask_with_doctor
from kaon import ROOT
from turn_client import BINDING, MAPPED, RELAYED, TurnClient, TurnServer, read_address

SOFTWARE = 0x8022
PUBLIC = "203.0.113.7"
# Of the guide, and what stands for it here.
HERE = ((r"(0\.0\.0\.0| ):\d+", " 127.0.0.1:0"), (r"\[::\]:\d+", "[::1]:0"), (r"2001:db8::7", "::1"), (r'"\$SECRET"', "shared"))


def lines():
    """The table: the names of a row's examples, and its command line."""
    text = (ROOT / "docs/guide/turn.md").read_text()
    table = text[text.index("## From Pion's examples"):]
    return {tuple(names.split(", ")): line for names, line in re.findall(r"^\| ([^|]+) \| `kaon turn ([^`]+)` \|", table, re.M)}


def start(line, folder, *more):
    for pattern, here in HERE:
        line = re.sub(pattern, here, line)
    if "--relay-ip" not in line:
        more += ("--relay-ip", "127.0.0.1")
    return TurnServer(*shlex.split(line), *more, listeners=(), users=(), allow=None, relay_ips=(), folder=folder)


def alice(server, protocol="udp", **more):
    return TurnClient(server, protocol, user="alice", password="secret", **more)


def relays(server, protocol="udp", **more):
    """It relays, from the address that is announced."""
    peer = Peer()
    with alice(server, protocol, **more) as client:
        relayed = read_address(client.allocate().attributes[RELAYED])
        assert relayed[0] == PUBLIC, relayed
        assert client.bind(0x4001, peer.address) == 0
        client.send(0x4001, b"hello")
        assert peer.socket.recv(100) == b"hello"


def simple(line, folder):
    with start(line, folder, "--allow-peer", "127.0.0.0/8") as server:
        relays(server)


def multithreaded(line, folder):
    with start(line, folder, "--allow-peer", "127.0.0.0/8") as server:
        for _ in range(8):
            relays(server)
        assert len([name for name in server.metrics() if "loop_allocations" in name]) == 4


def simple_quota(line, folder):
    with start(line, folder) as server:
        clients = [alice(server) for _ in range(3)]
        assert [client.allocate().error for client in clients] == [0, 0, 486]


def bw_quota(line, folder):
    peer = Peer()
    with start(line, folder, "--allow-peer", "127.0.0.0/8") as server, alice(server) as client:
        client.allocate()
        assert client.bind(0x4001, peer.address) == 0
        for _ in range(200):  # 1.6 Mbit
            client.send(0x4001, bytes(1000))
        assert client.bind(0x4002, ("127.0.0.1", 9)) == 0
        assert server.metrics()['kaon_turn_dropped_total{reason="over_rate"}'] > 50, server.metrics()


def port_range(line, folder):
    with start(line, folder) as server:
        ports = {read_address(alice(server).allocate().attributes[RELAYED])[1] for _ in range(5)}
        assert len(ports) == 5 and all(50000 <= port <= 50099 for port in ports), ports


def perm_filter(line, folder):
    with start(line, folder) as server, alice(server) as client:
        client.allocate()
        assert client.bind(0x4001, ("8.8.8.8", 80)) == 403
        assert client.bind(0x4001, ("198.51.100.9", 80)) == 403, "refused by default"
        assert client.bind(0x4001, ("8.8.4.4", 80)) == 0


def tcp(line, folder):
    with start(line, folder, "--allow-peer", "127.0.0.0/8") as server:
        relays(server, "tcp")


def tls(line, folder):
    own_certificate(folder)
    with start(line, folder, "--allow-peer", "127.0.0.0/8") as server:
        relays(server, "tls")


def mutual_tls(line, folder):
    own_certificate(folder)
    client = Path(folder, "client")
    client.mkdir()
    known = certificate(client)
    shutil.copy(known[0], Path(folder, "ca.pem"))
    with start(line, folder, "--allow-peer", "127.0.0.0/8") as server:
        relays(server, "tls", certificate=known)
        for other in (None, (Path(folder, "cert.pem"), Path(folder, "key.pem"))):
            try:
                with alice(server, "tls", certificate=other) as stranger:
                    stranger.allocate()
            except (OSError, EOFError):
                continue
            raise AssertionError(f"let in with {other}")


def own_certificate(folder):
    for file, name in zip(certificate(folder, "IP:127.0.0.1"), ("cert.pem", "key.pem")):
        file.rename(Path(folder, name))


def ipv6(line, folder):
    with start(line, folder) as server:
        trial, problems = ask_with_doctor(server, host="[::1]", user="alice,secret")
        assert problems == [] and trial["relayed"].startswith("[::1]:") and trial["mapped"].startswith("[::1]:"), trial


def credentials(line, folder):
    def password(user):
        return base64.b64encode(hmac.new(b"shared", user.encode(), hashlib.sha1).digest()).decode()
    with start(line, folder) as server:
        for user, error in ((f"{int(time.time()) + 60}", 0), (f"{int(time.time()) + 60}:alice", 0),
                            (f"{int(time.time()) - 60}:alice", 401)):
            with TurnClient(server, user=user, password=password(user)) as client:
                assert client.allocate().error == error, user


def software(line, folder):
    with start(line, folder) as server, alice(server) as client:
        assert client.allocate().attributes[SOFTWARE] == b"CustomTURNServer"


def log(line, folder):
    with start(line, folder) as server, alice(server) as client:
        client.allocate()
        assert '"allocation-opened"' in server.process.stdout.readline()


def stun_only(line, folder):
    with start(line, folder) as server, alice(server) as client:
        answer = client.ask(BINDING)
        assert read_address(answer.attributes[MAPPED]) == client.socket.getsockname()
        assert client.allocate().error == 508


CHECKS = {
    ("simple",): simple,
    ("simple-multithreaded",): multithreaded,
    ("simple-quota",): simple_quota,
    ("bw-quota",): bw_quota,
    ("port-range",): port_range,
    ("perm-filter",): perm_filter,
    ("tcp",): tcp,
    ("tls",): tls,
    ("tls-auth", "mutual-tls-auth"): mutual_tls,
    ("ipv6",): ipv6,
    ("lt-cred", "lt-cred-turn-rest"): credentials,
    ("add-software-attribute",): software,
    ("log",): log,
    ("stun-only-server",): stun_only,
}


def test_every_line_of_the_guide_does_what_it_stands_for():
    table = lines()
    assert set(table) == set(CHECKS), set(table) ^ set(CHECKS)
    for names, check in CHECKS.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                check(table[names], folder)
            except Exception as error:
                raise AssertionError(f"{names[0]}: {type(error).__name__}: {error}") from error
    return f"{len(table)} lines"
