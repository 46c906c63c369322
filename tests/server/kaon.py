"""The program under test: `kaon serve` as a child process, and HTTP requests to it."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = Path(os.environ.get("KAON", ROOT / "build/release/apps/kaon/kaon")).resolve()
SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
END_SECONDS = 2  # from SIGTERM to the exit


def offer(name):
    """A recorded offer of testdata/sdp as it was on the wire."""
    return (ROOT / f"testdata/sdp/{name}.offer.sdp").read_text().replace("\n", "\r\n")


PUBLISH = "chromium156/av-data-plain"
WATCH = "chromium156/recvonly"


def until(condition, what, seconds=10):
    """The first true value of condition()."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.05)


class Response:
    """Status, headers in any letter case, and the body as text."""

    def __init__(self, answer):
        self.status = answer.status
        self.headers = answer.headers
        self.type = answer.headers.get("Content-Type")
        self.body = answer.read().decode()

    def expect(self, status):
        assert self.status == status, f"{self.status} instead of {status}: {self.body[:300]}"
        if status >= 400:
            sentence = self.body.strip()
            assert self.type.startswith("text/plain"), self.type
            assert sentence and "\n" not in sentence, f"not one sentence: {sentence!r}"
        return self


def run(*arguments, env=None, seconds=20):
    """Runs the program to its end: (exit status, stdout, stderr)."""
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=seconds,
                          env=dict(os.environ, **(env or {})))
    return done.returncode, done.stdout, done.stderr


class Server:
    """`kaon serve` on free ports, until the end of the with block. It must then end in time and with status 0."""

    def __init__(self, *arguments, http="127.0.0.1:0", udp=0, env=None):
        self.log = tempfile.TemporaryFile(mode="w+")
        address = ["--http", http] if http else []
        self.process = subprocess.Popen([PROGRAM, "serve", *address, "--udp", str(udp), *map(str, arguments)], text=True,
                                        stdout=subprocess.PIPE, stderr=self.log, env=dict(os.environ, **(env or {})))
        self.greeting = ""
        self.https_port = None
        for line in self.process.stdout:
            self.greeting += line
            if found := re.search(r"(https?)://[^/]*:(\d+)/", line):
                setattr(self, "port" if found[1] == "http" else "https_port", int(found[2]))
            if found := re.search(r"UDP port (\d+)", line):
                self.udp_port = int(found[1])
                break
        else:
            raise AssertionError(f"kaon serve ended with {self.process.wait()}: {self.errors()}")

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        try:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
            status = self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = f"no end within {END_SECONDS} s of SIGTERM"
        finally:
            self.process.stdout.close()
        if kind is None:
            assert status == 0, f"exit status {status}: {self.errors()[-2000:]}"
        elif status != 0:
            error.add_note(f"the server's exit status: {status}") if hasattr(error, "add_note") else None

    def errors(self):
        self.log.seek(0)
        return self.log.read()

    def memory(self):
        """Resident, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    # -- HTTP --------------------------------------------------------------------------------------------------------

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)

    def request(self, method, path, body=None, **headers):
        """One request on a connection of its own. Content_Type=... becomes Content-Type: ..."""
        connection = self.connect()
        try:
            connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
            return Response(connection.getresponse())
        finally:
            connection.close()

    def post(self, path, sdp, **headers):
        return self.request("POST", path, sdp, **{"Content_Type": SDP, **headers})

    def patch(self, path, fragment, **headers):
        return self.request("PATCH", path, fragment, **{"Content_Type": FRAGMENT, **headers})

    def publish(self, name="live", sdp=None):
        return self.post(f"/whip/{name}", sdp or offer(PUBLISH)).expect(201)

    def watch(self, name="live", sdp=None):
        return self.post(f"/whep/{name}", sdp or offer(WATCH)).expect(201)

    def api(self, what):
        return json.loads(self.request("GET", f"/api/{what}").expect(200).body)

    def raw(self, data, seconds=5):
        """Everything that comes back for these bytes, until the server ends the connection or `seconds` have passed."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            try:
                connection.sendall(data)
                while part := connection.recv(65536):
                    answer += part
            except (ConnectionError, TimeoutError):
                pass
        return answer


def in_parallel(count, action):
    """The results of action(0..count-1), each on a thread of its own; raises the first exception."""
    results = [None] * count

    def call(i):
        try:
            results[i] = action(i)
        except Exception as error:  # told by the caller's thread
            results[i] = error

    threads = [threading.Thread(target=call, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results
