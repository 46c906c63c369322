"""Janus as a peer; see ../README.md. Each peer is a Janus of its own, with its plugins on loopback ports.

As answerer its echotest plugin sends back what comes; as offerer its streaming plugin sends what this program feeds it, and
its textroom plugin offers a data channel. --janus names the folder where its package lies.
"""

import json
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import rtp
from frames import Samples
from protocol import Lines, parse_options, refuse

PLUGINS = ("echotest", "streaming", "textroom")


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A Janus process; end() ends it."""

    def __init__(self, package):
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="kaon-janus-")
        root, package = Path(self.folder.name), Path(package)
        libraries = next(package.glob("usr/lib/*/janus"))
        # Only what is used: the others want more libraries.
        for kind, names in (("plugins", PLUGINS), ("transports", ["http"])):
            (root / kind).mkdir()
            for name in names:
                (root / kind / f"libjanus_{name}.so").symlink_to(libraries / kind / f"libjanus_{name}.so")
        for kind in ("events", "loggers"):
            (root / kind).mkdir()
        folders = "".join(f'{kind}_folder = "{root / kind}"\n' for kind in ("plugins", "transports", "events", "loggers"))
        (root / "janus.jcfg").write_text(f'general: {{ configs_folder = "{root}"\n{folders}debug_level = 3 }}\n'
                                         'media: { rtp_port_range = "20000-29999" }\nnat: { ice_tcp = false }\n')
        (root / "janus.transport.http.jcfg").write_text(
            f'general: {{ json = "plain" base_path = "/janus" http = true port = {self.port} ip = "127.0.0.1" https = false }}\n'
            'admin: { admin_http = false }\n')
        for name in PLUGINS:
            (root / f"janus.plugin.{name}.jcfg").write_text("general: { }\n")
        self.process = subprocess.Popen([package / "usr/bin/janus", "-F", root, "-o"], stdin=subprocess.DEVNULL,
                                        stdout=open(root / "log", "wb"), stderr=subprocess.STDOUT)
        self.url = f"http://127.0.0.1:{self.port}/janus"

    def wait(self):
        for _ in range(100):
            try:
                return self.request("/info")
            except OSError:
                time.sleep(0.1)
        raise TimeoutError("Janus does not answer: " + (Path(self.folder.name) / "log").read_text()[-500:])

    def request(self, path, body=None):
        content = None if body is None else json.dumps({"transaction": "t", **body}).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, content), timeout=40) as answer:
            return json.load(answer)

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()


class Handle:
    """A session with one plugin attached; `on_event` gets what it tells, on a thread of its own."""

    def __init__(self, server, plugin, on_event):
        self.server, self.on_event = server, on_event
        self.session = f"/{server.request('', {'janus': 'create'})['data']['id']}"
        attached = server.request(self.session, {"janus": "attach", "plugin": f"janus.plugin.{plugin}"})
        self.path = f"{self.session}/{attached['data']['id']}"
        threading.Thread(target=self.poll, daemon=True).start()

    def poll(self):
        while True:
            try:
                self.on_event(self.server.request(f"{self.session}?maxev=1"))
            except (OSError, ValueError):
                return  # ended

    def message(self, body, jsep=None):
        return self.server.request(self.path, {"janus": "message", "body": body, **({"jsep": jsep} if jsep else {})})

    def trickle(self, candidate):
        self.server.request(self.path, {"janus": "trickle", "candidate": candidate or {"completed": True}})


class Peer:
    def __init__(self, lines, options, server):
        self.lines, self.server = lines, server
        self.samples = Samples(options["media"]) if options["case"] == "media" else None
        self.plugin = "echotest" if options["role"] == "answerer" else "streaming" if self.samples else "textroom"
        self.early, self.described = [], False
        self.running = True
        self.sent = 0
        self.handle = Handle(server, self.plugin, self.on_event)
        if self.plugin == "streaming":
            self.watch()
        elif self.plugin == "textroom":
            self.handle.message({"request": "create", "room": 1, "permanent": False})
            self.handle.message({"request": "setup"})

    def watch(self):
        """A mount point of one stream, fed on a loopback port; watching it makes Janus offer."""
        self.feed = free_port(socket.SOCK_DGRAM)
        payload_type = 111 if self.samples.channels else 96
        media = {"type": self.samples.kind, "mid": "0", "port": self.feed, "pt": payload_type,
                 "codec": self.samples.codec.lower()}
        if self.samples.fmtp:
            media["fmtp"] = self.samples.fmtp
        self.handle.message({"request": "create", "type": "rtp", "id": 1, "media": [media]})
        self.handle.message({"request": "watch", "id": 1})

    def on_event(self, event):
        if jsep := event.get("jsep"):
            self.lines.write({"description": {"type": jsep["type"], "sdp": jsep["sdp"]}})
            self.lines.write({"candidate": None})
        if error := event.get("plugindata", {}).get("data", {}).get("error"):
            self.lines.error(f"{self.plugin}: {error}")
        if event.get("janus") == "webrtcup":
            self.lines.event("connected")
            # What came it cannot tell; what went back tells.
            self.lines.result({})
            if self.plugin == "streaming":
                threading.Thread(target=self.stream, daemon=True).start()

    def stream(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            start, sequence = time.monotonic(), 0
            while self.running:
                for packet in rtp.packets(self.samples, self.sent, sequence, 111 if self.samples.channels else 96, 1):
                    out.sendto(packet, ("127.0.0.1", self.feed))
                    sequence += 1
                self.sent += 1
                time.sleep(max(0, start + self.sent * self.samples.seconds() - time.monotonic()))

    def handle_line(self, line):
        if description := line.get("description"):
            if self.plugin == "echotest":
                self.handle.message({"audio": True, "video": True}, description)
            else:
                request = "start" if self.plugin == "streaming" else "ack"
                self.handle.message({"request": request}, description)
            self.described = True
            for candidate in self.early:
                self.handle.trickle(candidate)
        elif "candidate" in line:
            if self.described:
                self.handle.trickle(line["candidate"])
            else:
                self.early.append(line["candidate"])


def main():
    options = parse_options()
    if options.get("case") not in ("data", "media", "textroom"):
        refuse("--case is one of: data media textroom")
    lines = Lines()
    server = Server(options["janus"])
    try:
        server.wait()
        peer = Peer(lines, options, server)
        queue, some = [], threading.Condition()

        def arrived(line):
            with some:
                queue.append(line)
                some.notify()
        lines.read(arrived)
        while True:
            with some:
                some.wait_for(lambda: queue)
                line = queue.pop(0)
            if line.get("stop"):
                break
            peer.handle_line(line)
        peer.running = False
    except Exception as error:
        lines.error(f"{type(error).__name__}: {error}")
        raise
    finally:
        server.end()


if __name__ == "__main__":
    main()
