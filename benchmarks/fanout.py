"""One publisher, many viewers, through the server. The viewers are one process with a connection each."""

import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

from base import Bench, Process, Unavailable
from machine import cpu_seconds
from peers import BUILD

LINE_BREAK = "\x1f"
STREAM = "bench"
FRAME_SIZE = 10300
WARM_UP = 2.0


class Signalling:
    """Takes the offers of a process to the server and brings back the answers."""

    def __init__(self, url):
        self.url = url
        self.ours, self.theirs = socket.socketpair()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        for line in self.ours.makefile("r", newline="\n", encoding="utf-8"):
            kind, index, text = line.rstrip("\n").split(" ", 2)
            if kind != "offer":
                continue  # the server finds the way back by the checks it gets
            request = urllib.request.Request(self.url, data=text.replace(LINE_BREAK, "\n").encode(), method="POST",
                                             headers={"Content-Type": "application/sdp"})
            try:
                with urllib.request.urlopen(request, timeout=20) as reply:
                    answer = reply.read().decode().replace("\n", LINE_BREAK)
            except (urllib.error.URLError, TimeoutError) as error:
                print(f"fanout: the server refused an offer: {error}", flush=True)
                continue
            self.ours.sendall(f"answer {index} {answer}\n".encode())


class Server:
    def __init__(self):
        self.child = subprocess.Popen(
            [BUILD / "apps" / "kaon" / "kaon", "serve", "--http", "127.0.0.1:0", "--udp", "0", "--log", "info"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.address = None
        for line in self.child.stdout:
            if match := re.search(r"http://[^\s/]+:(\d+)", line):
                self.address = f"http://127.0.0.1:{match[1]}"
                break
        if self.address is None:
            raise Unavailable("kaon serve did not start")
        threading.Thread(target=self.child.stdout.read, daemon=True).start()

    def end(self):
        self.child.terminate()
        self.child.wait()


class Fanout(Bench):
    name = "fanout"

    def settings(self, arguments):
        return {"viewers": arguments.count or 500, "frame_size": FRAME_SIZE, "frames_per_second": 30,
                "seconds": arguments.seconds, "runs": arguments.runs}

    def summary(self, arguments):
        return (f"one publisher of 2.5 Mbit/s H.264, {self.settings(arguments)['viewers']} viewers through kaon serve "
                "(no other server beside it yet)")

    def run(self, peer, arguments):
        viewers = self.settings(arguments)["viewers"]
        server = Server()
        publisher = Signalling(f"{server.address}/whip/{STREAM}")
        audience = Signalling(f"{server.address}/whep/{STREAM}")
        processes = []
        try:
            processes.append(Process([*peer.command(), "offer", "--video"], publisher.theirs))
            processes.append(Process([*peer.command(), "offer", "--watch"], audience.theirs))
            for process in processes:
                process.hear("ready")
            processes[0].say("open 1 1")
            processes[0].hear("open")
            processes[0].say("send")
            processes[1].say(f"open {viewers} 10")
            for _ in range(viewers):
                processes[1].hear("open")
            time.sleep(WARM_UP)
            return self.measure(server, processes, viewers, arguments.seconds)
        finally:
            for process in processes:
                process.end()
            server.end()

    @staticmethod
    def measure(server, processes, viewers, seconds):
        before = [process.sample() for process in processes]
        cpu = cpu_seconds(server.child.pid)
        time.sleep(seconds)
        cpu = cpu_seconds(server.child.pid) - cpu
        after = [process.sample() for process in processes]
        packets = after[1]["packets"] - before[1]["packets"]
        sent = after[0]["sent_units"] - before[0]["sent_units"]
        got = after[1]["received_units"] - before[1]["received_units"]
        if sent <= 0:
            raise Unavailable("nothing was sent")
        if packets <= 0 or "delay_ms_p50" not in after[1]:
            raise Unavailable("nothing arrived")
        window = after[1]["at"] - before[1]["at"]
        return {"us_per_packet": (cpu / packets * 1e6, "us"), "server_cpu_percent": (cpu / window * 100, "%"),
                "delay_ms_p50": (after[1]["delay_ms_p50"], "ms"), "delay_ms_p99": (after[1]["delay_ms_p99"], "ms"),
                "loss": (max(0.0, 1 - got / (sent * viewers)) * 100, "% of frames")}
