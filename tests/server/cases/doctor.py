"""`kaon doctor` and `kaon stun`: what they find, and what they say when something is wrong."""

import email.utils
import http.server
import json
import re
import socket
import threading
import time

from cases.command_line import one_line
from kaon import Server, run
from turn_client import TurnServer

KNOWN = {"interfaces", "servers", "problems", "server"}


def doctor(*arguments):
    """(exit status, the report)."""
    status, out, err = run("doctor", "--json", *arguments, seconds=60)
    assert err == "", err
    report = json.loads(out)
    assert set(report) <= KNOWN and report["interfaces"], report
    for problem in report["problems"]:
        assert problem.endswith((".", "?")) and "\n" not in problem, problem
    assert status == (1 if report["problems"] else 0), (status, report)
    return report


def free_port(kind=socket.SOCK_DGRAM):
    with socket.socket(socket.AF_INET, kind) as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def only_problem(report, *words):
    assert len(report["problems"]) == 1, report["problems"]
    for word in words:
        assert word in report["problems"][0], report["problems"]


class Front:
    """A proxy before `kaon serve` whose clock is an hour behind; media ports are others than it says, on both sides."""

    def __init__(self, server):
        front, closed = self, free_port()
        self.server = server

        def elsewhere(sdp):
            return re.sub(r" \d+ typ host", f" {closed} typ host", sdp)

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_any(self):
                body = elsewhere(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
                kept = {name.replace("-", "_"): value for name, value in self.headers.items() if name == "Content-Type"}
                answer = front.server.request(self.command, self.path, body, **kept)
                text = elsewhere(answer.body).encode()
                self.send_response_only(answer.status)
                self.send_header("Date", email.utils.formatdate(time.time() - 3600, usegmt=True))
                for name in ("Content-Type", "Location"):
                    if answer.headers.get(name):
                        self.send_header(name, answer.headers[name])
                self.send_header("Content-Length", len(text))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_port

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()


def test_doctor_finds_nothing_wrong_where_nothing_is():
    with TurnServer() as turn, Server() as server:
        report = doctor(f"http://127.0.0.1:{server.port}/", "--ice-server", f"stun:127.0.0.1:{turn.ports['udp']}",
                        "--ice-server", f"turn:127.0.0.1:{turn.ports['udp']},u,p",
                        "--ice-server", f"turn:127.0.0.1:{turn.ports['tcp']}?transport=tcp,u,p")
        assert report["problems"] == [], report
        assert [trial["ok"] for trial in report["servers"]] == [True] * 3
        assert all(0 < trial["rtt_ms"] < 5000 and trial["mapped"].startswith("127.0.0.1:") for trial in report["servers"])
        assert "relayed" not in report["servers"][0] and report["servers"][1]["relayed"].startswith("127.0.0.1:")
        assert abs(report["server"]["clock_error_seconds"]) < 10
        assert str(server.udp_port) in report["server"]["path"] and report["server"]["connect_ms"] > 0


def test_doctor_speaks_in_sentences_without_json():
    status, out, err = run("doctor")
    assert status == 0 and err == "" and "Interfaces" in out and "No problem found." in out, out + err


def test_doctor_names_a_wrong_password():
    with TurnServer() as turn:
        report = doctor("--ice-server", f"turn:127.0.0.1:{turn.ports['udp']},u,wrong")
        only_problem(report, "refuses user and password", "turn:127.0.0.1")
        assert report["servers"][0]["error"] == 401 and "wrong" not in json.dumps(report)


def test_doctor_names_a_dead_server():
    report = doctor("--ice-server", f"stun:127.0.0.1:{free_port()}")
    only_problem(report, "does not answer", "firewall")
    assert report["servers"][0]["error"] == 701


def test_doctor_tells_blocked_udp_from_a_dead_server():
    with TurnServer() as turn:
        report = doctor("--ice-server", f"stun:127.0.0.1:{free_port()}",
                        "--ice-server", f"turn:127.0.0.1:{turn.ports['tcp']}?transport=tcp,u,p")
        assert any("block UDP" in problem for problem in report["problems"]), report
        assert [trial["ok"] for trial in report["servers"]] == [False, True]


def test_doctor_names_a_refused_tcp_connection():
    report = doctor("--ice-server", f"turn:127.0.0.1:{free_port(socket.SOCK_STREAM)}?transport=tcp,u,p")
    only_problem(report, "turn:127.0.0.1")


def test_doctor_names_a_server_that_is_not_there():
    report = doctor(f"http://127.0.0.1:{free_port(socket.SOCK_STREAM)}/")
    only_problem(report, "cannot be reached", "Is the server running")


def test_doctor_names_an_unreachable_port_and_a_wrong_clock():
    with Server() as server, Front(server) as front:
        report = doctor(f"http://127.0.0.1:{front.port}/")
        assert len(report["problems"]) == 2, report["problems"]
        assert "ahead of the server's" in report["problems"][0] and "--public-ip" in report["problems"][1], report
        assert report["server"]["path"] == ""


test_doctor_names_an_unreachable_port_and_a_wrong_clock.background = True


def test_doctor_asks_for_the_token():
    with Server("--token", "secret") as server:
        only_problem(doctor(f"http://127.0.0.1:{server.port}/"), "--token")
        assert doctor(f"http://127.0.0.1:{server.port}/", "--token", "secret")["problems"] == []


def test_doctor_refuses_what_it_cannot_read():
    one_line(*run("doctor", "nonsense"), 1)
    one_line(*run("doctor", "--ice-server", "http://x"), 1)


def test_stun_tells_our_address():
    with TurnServer() as turn:
        status, out, err = run("stun", f"127.0.0.1:{turn.ports['udp']}")
        assert status == 0 and err == "", err
        assert "Our address:  127.0.0.1:" in out and "Round trip:" in out and "none, this machine" in out, out


def test_stun_says_that_nobody_answers():
    one_line(*run("stun", f"127.0.0.1:{free_port()}"), 1)
    assert "no HOST[:PORT]" in one_line(*run("stun", ":"), 1)
