"""`kaon turn` from outside: what it relays over each transport, what it refuses, and how it ends."""

import json
import socket
import struct
import tempfile
import time
from pathlib import Path

from cases.command_line import certificate, one_line
from cases.doctor import free_port
from kaon import run, until
from turn_client import ALLOCATE, BINDING, MAPPED, PEER, PERMISSION, REFRESH, RELAYED, TRANSPORT, UDP, Message
from turn_client import DATA_INDICATION, ICMP, TurnClient, TurnServer, read_address, xor_address


class Peer:
    """A UDP socket that a relay is to reach."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.address = self.socket.getsockname()


def relay_both_ways(server, protocol):
    peer = Peer()
    with TurnClient(server, protocol) as client:
        answer = client.allocate()
        assert answer.error == 0, answer.error
        relayed = read_address(answer.attributes[RELAYED])
        assert read_address(answer.attributes[MAPPED]) == client.socket.getsockname()
        assert client.bind(0x4001, peer.address) == 0
        for size in (0, 1, 5, 1200, 9000):
            data = bytes(i % 251 for i in range(size))
            client.send(0x4001, data)
            received, source = peer.socket.recvfrom(65536)
            assert received == data and source == relayed, f"{len(received)} bytes from {source}"
            peer.socket.sendto(data, relayed)
            back = client.receive()
            assert back[:4] == struct.pack("!HH", 0x4001, size) and back[4:] == data, f"{len(back)} bytes back"
        assert client.ask(REFRESH, (0x000D, bytes(4))).error == 0
    until(lambda: server.metrics()["kaon_turn_allocations"] == 0, "the allocation's end")


def test_udp_is_relayed_both_ways():
    with TurnServer() as server:
        relay_both_ways(server, "udp")


def test_tcp_is_relayed_both_ways():
    with TurnServer() as server:
        relay_both_ways(server, "tcp")


def test_tls_is_relayed_both_ways():
    with tempfile.TemporaryDirectory() as folder:
        cert, key = certificate(folder)
        with TurnServer("--cert", cert, "--key", key, listeners=("tls",)) as server:
            relay_both_ways(server, "tls")


def test_a_burst_to_one_peer_arrives_whole_and_in_order():
    peer = Peer()
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    with TurnServer() as server, TurnClient(server, "tcp") as client:
        client.allocate()
        assert client.bind(0x4001, peer.address) == 0
        packets = [struct.pack("!H", i) + bytes(1000 if i % 10 else 300) for i in range(200)]
        stream = b"".join(struct.pack("!HH", 0x4001, len(p)) + p + bytes(-len(p) % 4) for p in packets)
        client.socket.sendall(stream)
        for i, packet in enumerate(packets):
            assert peer.socket.recv(2000) == packet, f"packet {i}"


def test_b5_a_stream_may_be_split_anywhere():
    with TurnServer() as server, TurnClient(server, "tcp") as client:
        client.allocate()
        message = client.write(REFRESH)
        for split in range(1, len(message)):
            message = client.write(REFRESH)
            client.socket.sendall(message[:split])
            client.socket.sendall(message[split:])
            assert Message(client.receive()).error == 0, split
        # And all in one.
        client.socket.sendall(client.write(REFRESH) + client.write(BINDING) + client.write(REFRESH))
        assert [Message(client.receive()).error for _ in range(3)] == [0, 0, 0]


def test_b5_what_is_no_turn_ends_the_connection():
    with TurnServer() as server:
        for bytes_ in (b"GET / HTTP/1.1\r\n\r\n", bytes([0, 1, 0, 3]), bytes([0, 1, 0, 0, 1, 2, 3, 4]), bytes([200] * 4)):
            with TurnClient(server, "tcp") as client:
                client.socket.sendall(bytes_)
                assert client.socket.recv(100) == b"", bytes_
        assert server.metrics()['kaon_turn_connections_refused_total{reason="not_turn"}'] == 4


def test_b5_a_slow_message_ends_the_connection():
    with TurnServer() as server, TurnClient(server, "tcp") as client:
        client.socket.settimeout(15)
        begun = time.monotonic()
        client.socket.sendall(client.write(BINDING)[:10])
        assert client.socket.recv(100) == b""
        assert 9 < time.monotonic() - begun < 13, time.monotonic() - begun


test_b5_a_slow_message_ends_the_connection.background = True


def test_a_connection_that_ends_takes_its_allocation_along():
    with TurnServer() as server:
        with TurnClient(server, "tcp") as client:
            assert client.allocate().error == 0
            assert server.metrics()["kaon_turn_allocations"] == 1
        until(lambda: server.metrics()["kaon_turn_allocations"] == 0, "the allocation's end")


def test_wrong_credentials_are_refused():
    with TurnServer() as server:
        for user, password in (("u", "q"), ("v", "p"), ("", "")):
            with TurnClient(server, user=user, password=password) as client:
                assert client.allocate().error == 401, user
        assert server.metrics()["kaon_turn_allocations"] == 0
        assert 'refused client="udp/127.0.0.1' in server.errors() and 'error="401"' in server.errors()


def test_b1_peers_inside_are_refused_by_default():
    with TurnServer("--ports", "61000-61999", allow=None) as server, TurnClient(server) as client:
        assert client.allocate().error == 0
        for ip in ("10.0.0.1", "127.0.0.2", "169.254.169.254", "192.168.0.1", "0.0.0.0", "224.0.0.1"):
            assert client.bind(0x4001, (ip, 80)) == 403, ip
            assert client.ask(PERMISSION, (PEER, xor_address((ip, 80)))).error == 403, ip
        # Our own address is one of a relay too; but only ports of relays are reached there.
        assert client.bind(0x4001, ("127.0.0.1", server.ports["udp"])) == 403
        assert client.bind(0x4001, ("8.8.8.8", 80)) == 0


def test_two_clients_meet_from_relay_to_relay():
    with TurnServer(allow=None) as server, TurnClient(server) as one, TurnClient(server, "tcp") as two:
        first = read_address(one.allocate().attributes[RELAYED])
        second = read_address(two.allocate().attributes[RELAYED])
        assert one.bind(0x4001, second) == 0 and two.bind(0x4002, first) == 0
        one.send(0x4001, b"hello")
        assert two.receive() == struct.pack("!HH", 0x4002, 5) + b"hello"
        two.send(0x4002, b"there")
        assert one.receive() == struct.pack("!HH", 0x4001, 5) + b"there"


def test_what_icmp_says_of_a_peer_is_told_to_the_client():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = closed.getsockname()
    peer = Peer()
    with TurnServer() as server, TurnClient(server) as client:
        client.allocate()
        assert client.bind(0x4001, nobody) == 0 and client.bind(0x4002, peer.address) == 0
        client.send(0x4001, b"to nobody")
        told = Message(client.receive())
        assert told.type == DATA_INDICATION, hex(told.type)
        assert told.attributes[ICMP] == bytes([0, 0, 3 << 1, 3, 0, 0, 0, 0]), told.attributes[ICMP].hex()
        client.send(0x4002, b"to somebody")
        assert peer.socket.recv(100) == b"to somebody"
        assert server.metrics()["kaon_turn_peer_errors_total"] == 1


def test_relays_stay_within_their_ports():
    with TurnServer("--ports", "47000-47003") as server:
        clients = [TurnClient(server) for _ in range(5)]
        answers = [client.allocate() for client in clients]
        ports = [read_address(a.attributes[RELAYED])[1] for a in answers if a.error == 0]
        assert sorted(ports) == [47000, 47001, 47002, 47003], ports
        assert [a.error for a in answers].count(508) == 1
        assert clients[0].ask(REFRESH, (0x000D, bytes(4))).error == 0
        assert clients[4].ask(ALLOCATE, (TRANSPORT, UDP)).error == 0, "the port is free again"


def test_quotas_hold():
    with TurnServer("--user-allocations", 2, "--max-allocations", 3, users=("u:p", "v:q")) as server:
        codes = []
        for user, password in (("u", "p"), ("u", "p"), ("u", "p"), ("v", "q"), ("v", "q")):
            codes.append(TurnClient(server, user=user, password=password).allocate().error)
        assert codes == [0, 0, 486, 0, 508], codes


def test_time_limited_credentials_work_with_both_secrets():
    import base64
    import hashlib
    import hmac
    with TurnServer("--secret", "new", "--secret", "old", users=()) as server:
        for secret, seconds, code in (("new", 60, 0), ("old", 60, 0), ("other", 60, 401), ("new", -60, 401)):
            user = f"{int(time.time()) + seconds}:someone"
            password = base64.b64encode(hmac.new(secret.encode(), user.encode(), hashlib.sha1).digest()).decode()
            with TurnClient(server, user=user, password=password) as client:
                assert client.allocate().error == code, (secret, seconds)


def ask_with_doctor(server, protocol="udp", scheme="turn", host="127.0.0.1", user="u,p", **env):
    """What Kaon's own client has to tell of a TURN server: (the trial, the problems)."""
    transport = {"tcp": "?transport=tcp", "dtls": "?transport=udp"}.get(protocol, "")
    url = f"{scheme}:{host}:{server.ports[protocol]}{transport}"
    status, out, err = run("doctor", "--json", "--ice-server", f"{url},{user}", env=env, seconds=60)
    assert err == "" and status in (0, 1), err
    report = json.loads(out)
    return report["servers"][0], report["problems"]


def test_clients_are_sent_to_another_server_and_go_there():
    for protocol in ("udp", "tcp"):
        with TurnServer() as there, TurnServer("--max-allocations", 0, "--alternate", f"127.0.0.1:{there.ports[protocol]}") as here:
            with TurnClient(here, protocol) as client:
                assert client.allocate().error == 300
            trial, problems = ask_with_doctor(here, protocol)
            assert trial["ok"] and problems == [], problems
            assert there.metrics()["kaon_turn_allocations_total"] == 1, there.metrics()
            assert here.metrics()["kaon_turn_allocations_total"] == 0


def test_clients_are_not_sent_around_in_a_circle():
    port = free_port()
    with TurnServer("--max-allocations", 0, "--alternate", f"127.0.0.1:{port}") as here:
        with TurnServer("--max-allocations", 0, "--udp", f"127.0.0.1:{port}", "--alternate", f"127.0.0.1:{here.ports['udp']}",
                        listeners=()) as there:
            trial, problems = ask_with_doctor(here)
            assert trial["error"] == 300 and "circle" in problems[0], problems
            for server in (here, there):  # a challenge and the redirection
                assert server.metrics()["kaon_turn_errors_total"] == 2, server.metrics()


def test_over_tls_clients_check_who_they_are_sent_to():
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        certificates = {name: certificate(folder, "IP:127.0.0.1") for name, folder in (("first", one), ("second", two))}
        for last, works in (("first", True), ("second", False)):
            cert, key = certificates[last]
            with TurnServer("--cert", cert, "--key", key, listeners=("tls",)) as there:
                cert, key = certificates["first"]
                with TurnServer("--cert", cert, "--key", key, "--max-allocations", 0, "--alternate",
                                f"127.0.0.1:{there.ports['tls']}", listeners=("tls",)) as here:
                    trial, problems = ask_with_doctor(here, "tls", "turns", SSL_CERT_FILE=str(cert))
                    assert trial["ok"] == works, (last, trial, problems)
                    assert there.metrics()["kaon_turn_allocations_total"] == works


def test_both_families_are_relayed_by_one_allocation():
    both = ("127.0.0.1", "::1")
    with TurnServer("--allow-peer", "::1/128", relay_ips=both) as server:
        trial, problems = ask_with_doctor(server)
        assert problems == [] and trial["relayed"].startswith("127.0.0.1:"), (trial, problems)
        assert trial["relayed_v6"].startswith("[::1]:") and server.metrics()["kaon_turn_allocations_total"] == 1
    with TurnServer(relay_ips=("::1",)) as server:
        trial, problems = ask_with_doctor(server)
        assert problems == [] and trial["relayed"].startswith("[::1]:") and "relayed_v6" not in trial, trial


def test_kaons_client_uses_every_transport():
    with tempfile.TemporaryDirectory() as folder:
        cert, key = certificate(folder, "IP:127.0.0.1")
        with TurnServer("--cert", cert, "--key", key, listeners=("udp", "tcp", "tls", "dtls")) as server:
            for protocol, scheme in (("udp", "turn"), ("tcp", "turn"), ("tls", "turns"), ("dtls", "turns")):
                trial, problems = ask_with_doctor(server, protocol, scheme, SSL_CERT_FILE=str(cert))
                assert trial["ok"] and trial["protocol"] == protocol, (trial, problems)
            trial, problems = ask_with_doctor(server, "dtls", "turns")
            assert not trial["ok"] and "certificate" in problems[0], problems


def refuses_newcomers(server):
    """Another client each time, which gives back what it still got: with an allocation it would be told 437."""
    with TurnClient(server) as late:
        error = late.allocate().error
        if error == 0:
            late.ask(REFRESH, (0x000D, bytes(4)))
        return error == 508


def test_draining_waits_for_allocations_and_lets_nobody_in():
    with TurnServer("--drain", "30") as server, TurnClient(server) as client:
        assert client.allocate().error == 0
        server.process.terminate()
        until(lambda: refuses_newcomers(server), "draining")
        assert server.process.poll() is None
        assert client.ask(REFRESH, (0x000D, bytes(4))).error == 0
        until(lambda: server.process.poll() is not None, "the end after the last allocation")
        assert server.process.returncode == 0


def test_a_second_signal_ends_draining():
    with TurnServer("--drain", "30") as server, TurnClient(server) as client:
        assert client.allocate().error == 0
        server.process.terminate()
        until(lambda: refuses_newcomers(server), "draining")
        server.process.terminate()
        until(lambda: server.process.poll() is not None, "the end")


def test_events_as_json():
    with TurnServer("--json") as server, TurnClient(server, user='u"\n') as bad, TurnClient(server) as client:
        assert bad.allocate().error == 401
        assert client.allocate().error == 0
        events = [json.loads(server.process.stdout.readline()) for _ in range(2)]
        assert events[0]["event"] == "refused" and events[0]["user"] == 'u"\n', events[0]
        assert events[1]["event"] == "allocation-opened" and events[1]["user"] == "u", events[1]


def test_mistakes_are_told_in_one_line():
    for arguments, word in (
            ((), "--user or --secret"), (("--user", "u"), "NAME:PASSWORD"), (("--user", "u:p", "--udp", "x"), "--udp"),
            (("--user", "u:p", "--ports", "5-4"), "--ports"), (("--user", "u:p", "--tls", "127.0.0.1:0"), "--cert"),
            (("--user", "u:p", "--allow-peer", "10.0.0.0/33"), "--allow-peer"),
            (("--user", "u:p", "--relay-ip", "0.0.0.0"), "--relay-ip"),
            (("--user", "u:p", "--udp", "203.0.113.1:1"), "203.0.113.1:1")):
        assert word in one_line(*run("turn", *arguments), 1), arguments


def test_mistakes_in_the_configuration_are_told_with_file_and_line():
    for text, line in (('user = "u:p"\n\nport = "x"\n', 3), ('# x\nmax-lifetime = 5\n', 2), ('log = "loud"\n', 1)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "turn.toml")
            path.write_text(text)
            status, out, err = run("turn", "--config", path)
            assert status == 2 and f"{path}:{line}: " in err, f"{status} {err!r}"


def test_a_configuration_file_holds_lists():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "turn.toml")
        path.write_text('user = ["u:p", "v:q"]\nsecret = ["new", "old"]\nrealm = "example.net"\n')
        with TurnServer("--config", path, users=()) as server, TurnClient(server, user="v", password="q") as client:
            assert client.allocate().error == 0
            assert client.realm == "example.org", "the command line wins"
