"""TCP relays of `kaon turn` (RFC 6062) from outside: bytes both ways, peers that come, who does not read, and what is refused."""

import contextlib
import hashlib
import re
import socket
import tempfile
import threading
import time
from pathlib import Path

from cases.command_line import certificate
from kaon import until
from turn_client import CONNECT, CONNECTION_ATTEMPT, CONNECTION_BIND, CONNECTION_ID, PEER, PERMISSION, REFRESH, RELAYED, TCP
from turn_client import Message, TurnClient, TurnServer, read_address, xor_address

MB = bytes(range(256)) * 4096


@contextlib.contextmanager
def control(server, protocol="tcp"):
    """A client with a TCP relay, and its address."""
    with TurnClient(server, protocol) as client:
        answer = client.allocate(transport=TCP)
        assert answer.error == 0, answer.error
        yield client, read_address(answer.attributes[RELAYED])


@contextlib.contextmanager
def listening():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        yield listener


def data_connection(server, client, connection_id):
    """The client's second connection, bound: a socket."""
    data = TurnClient(server, client.protocol)
    data.realm, data.nonce = client.realm, client.nonce
    answer = data.ask(CONNECTION_BIND, (CONNECTION_ID, connection_id))
    assert answer.error == 0, answer.error
    return data.socket


@contextlib.contextmanager
def connected(server, client, relayed):
    """To a peer of ours: the client's socket and the peer's."""
    with listening() as listener:
        answer = client.ask(CONNECT, (PEER, xor_address(listener.getsockname())))
        assert answer.error == 0, answer.error
        peer, source = listener.accept()
        assert source == relayed, f"from {source}, not {relayed}"
        with peer, data_connection(server, client, answer.attributes[CONNECTION_ID]) as data:
            peer.settimeout(5)
            yield data, peer


def read_all(sock):
    out = bytearray()
    while more := sock.recv(65536):
        out += more
    return bytes(out)


def both_ways(data, peer, half_close):
    """A megabyte each way at once; with `half_close` the one that has sent all says so, and still reads."""
    got = {}

    def receive(name, sock):
        if half_close:
            got[name] = read_all(sock)
            return
        out = bytearray()
        while len(out) < len(MB):
            out += sock.recv(65536)
        got[name] = bytes(out)

    readers = [threading.Thread(target=receive, args=pair) for pair in (("peer", peer), ("client", data))]
    for reader in readers:
        reader.start()
    for sock in (data, peer):
        sock.sendall(MB)
        if half_close:
            sock.shutdown(socket.SHUT_WR)
    for reader in readers:
        reader.join(10)
    assert got == {"peer": MB, "client": MB}, {name: len(bytes_) for name, bytes_ in got.items()}


def test_bytes_go_both_ways_and_each_end_is_passed_on():
    with TurnServer("--tcp-relays") as server, control(server) as (client, relayed):
        with connected(server, client, relayed) as (data, peer):
            both_ways(data, peer, half_close=True)
        until(lambda: server.metrics()["kaon_turn_peer_connections"] == 0, "the connection's end")
        metrics = server.metrics()
        for to in ("peer", "client"):
            assert metrics[f'kaon_turn_relayed_bytes_total{{to="{to}"}}'] == len(MB), metrics


def test_bytes_go_both_ways_over_tls():
    with tempfile.TemporaryDirectory() as folder:
        cert, key = certificate(folder)
        with TurnServer("--tcp-relays", "--cert", cert, "--key", key, listeners=("tls",)) as server:
            with control(server, "tls") as (client, relayed), connected(server, client, relayed) as (data, peer):
                both_ways(data, peer, half_close=False)
                peer.sendall(b"the last words")
                peer.close()
                assert read_all(data) == b"the last words"
            until(lambda: server.metrics()["kaon_turn_peer_connections"] == 0, "the connection's end")


def test_a_peer_with_permission_comes_and_what_it_said_first_is_kept():
    with TurnServer("--tcp-relays") as server, control(server) as (client, relayed):
        with socket.create_connection(relayed, 5) as stranger:
            stranger.settimeout(5)
            assert stranger.recv(1) == b"", "without permission it is closed"
        assert client.ask(PERMISSION, (PEER, xor_address(("127.0.0.1", 0)))).error == 0
        with socket.create_connection(relayed, 5) as peer:
            peer.sendall(b"first words")
            attempt = Message(client.receive())
            assert attempt.type == CONNECTION_ATTEMPT
            assert read_address(attempt.attributes[PEER]) == peer.getsockname()
            with data_connection(server, client, attempt.attributes[CONNECTION_ID]) as data:
                assert data.recv(100) == b"first words"
                data.sendall(b"and back")
                assert peer.recv(100) == b"and back"


def memory(server):
    """Resident bytes of the process."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


def stop_reading(server, sender, reader):
    """`sender` fills all that is between it and `reader`, and is stopped; then everything arrives. Bytes that fitted."""
    before = memory(server)
    sender.setblocking(False)
    sent, digest, quiet = 0, hashlib.sha256(), 0
    while quiet < 20:
        try:
            size = sender.send(MB)
            digest.update(MB[:size])
            sent, quiet = sent + size, 0
        except BlockingIOError:
            time.sleep(0.02)  # it may be on its way still
            quiet += 1
        assert sent < 100 * len(MB), "nobody stops the sender"
    assert memory(server) - before < 4 << 20, f"{memory(server) - before} bytes more for {sent} bytes unread"
    with TurnClient(server) as other:
        assert other.allocate().error == 0, "others are served meanwhile"
    received, left = hashlib.sha256(), sent
    while left:
        more = reader.recv(65536)
        received.update(more)
        left -= len(more)
    assert received.digest() == digest.digest()
    sender.settimeout(5)
    return sent


def test_b5_who_does_not_read_stops_the_sender_and_nobody_else():
    with TurnServer("--tcp-relays") as server, control(server) as (client, relayed):
        with connected(server, client, relayed) as (data, peer):
            to_client = stop_reading(server, peer, data)
            to_peer = stop_reading(server, data, peer)
        return f"{to_client} bytes to the client and {to_peer} to the peer wait in the system's buffers"


def listens(address):
    try:
        socket.create_connection(address, 1).close()
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:  # it was on its way
        pass
    return True


def test_the_end_of_an_allocation_ends_its_connections():
    with TurnServer("--tcp-relays") as server:
        for end in (lambda client: client.ask(REFRESH, (0x000D, bytes(4))), lambda client: client.socket.close()):
            with control(server) as (client, relayed), connected(server, client, relayed) as (data, peer):
                data.sendall(b"x")
                assert peer.recv(10) == b"x"
                end(client)
                assert data.recv(1) == b"" and peer.recv(1) == b""
            until(lambda: not listens(relayed), "the relay's end")


def test_relays_for_tcp_are_asked_for_by_an_option_and_stay_out_of_the_network_inside():
    with TurnServer() as server, TurnClient(server, "tcp") as client:
        assert client.allocate(transport=TCP).error == 442
    with TurnServer("--tcp-relays", allow=None) as server, control(server) as (client, relayed):
        for inside in (("127.0.0.1", server.ports["tcp"]), ("10.0.0.1", 80), ("169.254.169.254", 80), relayed):
            assert client.ask(CONNECT, (PEER, xor_address(inside))).error == 403, inside
    with TurnServer("--tcp-relays") as server:
        with TurnClient(server) as client:
            assert client.allocate(transport=TCP).error == 400, "over UDP"
        with control(server) as (client, relayed), listening() as listener:
            address = listener.getsockname()
            listener.close()
            assert client.ask(CONNECT, (PEER, xor_address(address))).error == 447, "nobody listens"


def test_bytes_beyond_the_rate_wait():
    with TurnServer("--tcp-relays", "--user-rate", "8000") as server, control(server) as (client, relayed):
        with connected(server, client, relayed) as (data, peer):
            start = time.monotonic()
            peer.sendall(MB)
            peer.shutdown(socket.SHUT_WR)
            assert read_all(data) == MB
            seconds = time.monotonic() - start
            # A megabyte a second, and the burst of a quarter.
            assert 0.6 < seconds < 3, seconds
            return f"{seconds:.1f} s for a megabyte at 8 Mbit/s"
