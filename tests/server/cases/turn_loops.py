"""`kaon turn --loops N` from outside: clients are spread, each is served whole on its loop, and quotas are for all loops together."""

import socket
import time

from cases.turn import Peer
from kaon import until
from turn_client import CONNECT, PEER, REFRESH, TCP, TurnClient, TurnServer, xor_address
from turn_client import RELAYED, read_address

EVEN_PORT, TICKET = 0x0018, 0x8030


def loops_of(server):
    metrics = server.metrics()
    return [value for name, value in metrics.items() if name.startswith("kaon_turn_loop_allocations")]


def spread(protocol):
    """200 clients on four loops, each of which relays both ways and refreshes; how many each loop has."""
    peer = Peer()
    with TurnServer("--loops", "4", "--user-allocations", "200") as server:
        clients = [TurnClient(server, protocol) for _ in range(200)]
        relays = set()
        for client in clients:
            answer = client.allocate()
            assert answer.error == 0, answer.error
            relays.add(read_address(answer.attributes[RELAYED]))
        assert len(relays) == 200, f"{len(relays)} relays"
        for number, client in enumerate(clients):
            assert client.bind(0x4001, peer.address) == 0
            for i in range(5):
                client.send(0x4001, data := f"{number} {i}".encode())
                got, source = peer.socket.recvfrom(100)
                assert got == data and source in relays
                peer.socket.sendto(got, source)
                assert client.receive()[4:] == data
            assert client.ask(REFRESH).error == 0
        loops = loops_of(server)
        assert len(loops) == 4 and sum(loops) == 200 and min(loops) > 10, loops
        with TurnClient(server, protocol) as one_more:
            assert one_more.allocate().error == 486, "the quota is for all loops together"
        for client in clients[:50]:
            assert client.ask(REFRESH, (0x000D, bytes(4))).error == 0
        with TurnClient(server, protocol) as one_more:
            assert one_more.allocate().error == 0, "what has ended makes room on every loop"
        for client in clients:
            client.socket.close()
    return f"{loops} allocations"


def test_two_hundred_clients_over_udp_are_spread_over_four_loops():
    return spread("udp")


def test_two_hundred_clients_over_tcp_are_spread_over_four_loops():
    return spread("tcp")


def test_all_is_bounded_over_all_loops():
    with TurnServer("--loops", "4", "--max-allocations", "7") as server:
        clients = [TurnClient(server) for _ in range(12)]
        errors = [client.allocate().error for client in clients]
        assert errors == [0] * 7 + [508] * 5, errors


def test_what_wants_one_loop_is_refused_or_kept_on_the_first():
    with TurnServer("--loops", "3", "--tcp-relays") as server:
        with TurnClient(server) as client:
            assert client.allocate((TICKET, b"")).error == 405, "no mobility"
            assert client.allocate((EVEN_PORT, b"\x80")).error == 508, "no reservation"
            assert client.allocate((EVEN_PORT, b"\x00")).error == 0
            assert client.ask(REFRESH, (0x000D, bytes(4))).error == 0  # or it would count on whichever loop it is
        with socket.create_server(("127.0.0.1", 0)) as listener:
            for _ in range(10):
                with TurnClient(server, "tcp") as client:
                    assert client.allocate(transport=TCP).error == 0
                    assert loops_of(server)[0] == 1
                    answer = client.ask(CONNECT, (PEER, xor_address(listener.getsockname())))
                    assert answer.error == 0, answer.error
                until(lambda: loops_of(server)[0] == 0, "the allocation's end")


def test_another_program_may_not_share_the_port():
    with TurnServer("--loops", "2") as server:
        for kind, protocol in ((socket.SOCK_DGRAM, "udp"), (socket.SOCK_STREAM, "tcp")):
            with socket.socket(socket.AF_INET, kind) as other:
                try:
                    other.bind(("127.0.0.1", server.ports[protocol]))
                except OSError:
                    continue
                raise AssertionError(f"{protocol} was bound twice")


def refuses(server):
    """Whether it gives nothing new. What it gave is given back, or it would wait for that."""
    with TurnClient(server) as client:
        error = client.allocate().error
        if error == 0:
            client.ask(REFRESH, (0x000D, bytes(4)))
        return error == 508


def test_draining_waits_for_all_loops():
    with TurnServer("--loops", "4", "--drain", "20") as server:
        clients = [TurnClient(server) for _ in range(20)]
        assert all(client.allocate().error == 0 for client in clients)
        server.process.terminate()
        until(lambda: refuses(server), "draining")
        time.sleep(0.3)
        assert server.process.poll() is None, "it has not waited"
        for client in clients:
            assert client.ask(REFRESH, (0x000D, bytes(4))).error == 0
        assert server.process.wait(5) == 0
