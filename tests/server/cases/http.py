"""HTTP itself: what is not well-formed, what is too slow or too big, and connections that stay."""

import re
import socket
import time

from kaon import PUBLISH, in_parallel, offer, until


def status_of(answer):
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else None


def test_garbage_gets_400_or_is_cut(kaon):
    for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), b"\r\n" * 10_000, b"GET\r\n\r\n", bytes(1000),
                 b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"\xff" * 5000,
                 b"POST /whip/x HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                 b"POST /whip/x HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
                 b"POST /whip/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"):
        answer = kaon.raw(data)
        assert status_of(answer) in (400, 413, None), answer[:200]
        assert kaon.request("GET", "/api/status").status == 200, data[:50]


def test_malformed_request_is_told_so(kaon):
    assert status_of(kaon.raw(b"GET / HTTP/1.1\r\nno colon\r\n\r\n")) == 400


def test_headers_over_16_kib_are_431(kaon):
    answer = kaon.raw(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n")
    assert status_of(answer) == 431, answer[:200]
    answer = kaon.raw(b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status_of(answer) == 431, answer[:200]


def test_headers_of_12_kib_are_fine(kaon):
    kaon.request("GET", "/api/status", X="x" * 12_000).expect(200)


def test_connection_stays_for_many_requests(kaon):
    connection = kaon.connect()
    own = None
    for i in range(50):
        connection.request("GET", "/api/status")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        own = own or connection.sock.getsockname()
        assert connection.sock.getsockname() == own, f"reconnected for request {i}"
    connection.request("POST", "/whip/live", offer(PUBLISH), {"Content-Type": "text/plain"})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 415 and connection.sock.getsockname() == own, "an error ends no connection"
    connection.close()


def test_pipelined_requests_are_answered_in_order(kaon):
    requests = b"GET /api/status HTTP/1.1\r\n\r\n" + b"GET /whip/%zz HTTP/1.1\r\n\r\n"
    answer = kaon.raw(requests * 5 + b"GET /api/none HTTP/1.1\r\nConnection: close\r\n\r\n")
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]
    assert statuses == [200, 400] * 5 + [404], statuses


def test_http_1_0_and_connection_close_are_closed_after_the_answer(kaon):
    for request in (b"GET /api/status HTTP/1.0\r\n\r\n", b"GET /api/status HTTP/1.1\r\nConnection: close\r\n\r\n"):
        start = time.monotonic()
        assert b" 200 OK\r\n" in kaon.raw(request)
        assert time.monotonic() - start < 2, "the connection stayed open"


def test_request_sent_byte_by_byte_is_answered(kaon):
    with socket.create_connection(("127.0.0.1", kaon.port), timeout=5) as connection:
        for byte in b"GET /api/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":
            connection.sendall(bytes([byte]))
            time.sleep(0.005)
        assert status_of(connection.recv(65536)) == 200


def test_slow_and_silent_clients_do_not_hinder_others_and_are_cut(kaon):
    slow = [socket.create_connection(("127.0.0.1", kaon.port), timeout=45) for _ in range(200)]
    for i, connection in enumerate(slow):
        connection.sendall([b"", b"GET / HT", b"POST /whip/x HTTP/1.1\r\nContent-Length: 1000\r\n\r\nv=0"][i % 3])
    start = time.monotonic()
    kaon.request("GET", "/api/status").expect(200)
    assert time.monotonic() - start < 1, "slow clients hold up others"
    for connection in slow:
        while connection.recv(65536):
            pass
        connection.close()
    assert time.monotonic() - start < 45


test_slow_and_silent_clients_do_not_hinder_others_and_are_cut.background = True


def test_clients_that_leave_in_the_middle_do_no_harm(kaon):
    request = f"POST /whip/live HTTP/1.1\r\nContent-Type: application/sdp\r\nContent-Length: {len(offer(PUBLISH))}\r\n\r\n"
    whole = (request + offer(PUBLISH)).encode()
    for cut in [*range(0, len(whole), 499), len(whole)]:
        with socket.create_connection(("127.0.0.1", kaon.port)) as connection:
            connection.sendall(whole[:cut])
    until(lambda: kaon.api("status")["streams"] == 1, "the offer that came whole")


def test_more_connections_than_allowed_are_closed_and_then_let_in_again(kaon):
    crowd = [socket.create_connection(("127.0.0.1", kaon.port), timeout=5) for _ in range(1100)]
    time.sleep(0.3)
    for connection in crowd:
        connection.close()
    until(lambda: kaon.request("GET", "/api/status").status == 200, "an answer after the crowd has gone")


def test_hundred_requests_at_once_are_all_answered(kaon):
    paths = ["/", "/api/streams", "/api/connections", "/api/status", "/whep/live"]
    statuses = in_parallel(100, lambda i: kaon.request("GET", paths[i % len(paths)]).status)
    assert set(statuses) == {200}, statuses


def test_head_has_the_length_of_get_and_no_body(kaon):
    for path in ("/", "/api/status", "/app.js"):
        head, whole = kaon.request("HEAD", path).expect(200), kaon.request("GET", path).expect(200)
        assert head.body == "" and whole.body
        assert head.type == whole.type
        difference = abs(int(head.headers["Content-Length"]) - len(whole.body.encode()))
        assert difference <= (8 if path == "/api/status" else 0), path


def test_paths_outside_the_page_are_404(kaon):
    for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/index.htm", "/api/", "/api/nothing",
                 "/whip", "/whipx/live"):
        kaon.request("GET", path).expect(404)


def test_page_files_have_types_and_a_policy_that_loads_nothing_from_elsewhere(kaon):
    for path, kind in (("/", "text/html"), ("/app.js", "text/javascript"), ("/style.css", "text/css"),
                       ("/logo.svg", "image/svg+xml")):
        answer = kaon.request("GET", path).expect(200)
        assert answer.type.startswith(kind), answer.type
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_pages_take_no_post(kaon):
    for path in ("/", "/api/status", "/api/streams"):
        kaon.request("POST", path, "x").expect(405)
