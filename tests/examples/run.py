#!/usr/bin/env python3
"""Runs one example against a peer and checks what comes of it: run.py NAME BUILD_FOLDER. Silent and 0 if all is well."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
MEDIA = ROOT / "testdata" / "media"
LIMIT = 80  # seconds for one test

sys.path.insert(0, str(ROOT / "tests" / "server"))
from round_trip import READERS  # noqa: E402


class Program:
    """A program with pipes on both ends; its standard error gathers in a file."""

    def __init__(self, command):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True, cwd=World.folder)

    def say(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def line(self):
        line = self.process.stdout.readline()
        assert line, f"{self.process.args[0]} ended: {self.error_text()}"
        return line.rstrip("\r\n")

    def description(self):
        lines = []
        while line := self.line():
            lines.append(line)
        return "\n".join(lines) + "\n"

    def error_text(self):
        self.errors.seek(0)
        return self.errors.read()

    def end(self):
        """Closes its input and waits; what it said on standard output that was not read yet."""
        out, _ = self.process.communicate()
        assert self.process.returncode == 0, f"{self.process.args} ended with {self.process.returncode}: {self.error_text()}"
        return out


class World:
    build = pathlib.Path()
    folder = pathlib.Path()
    programs = []


def start(name, *arguments):
    folder = "tests/examples" if name == "example_test_peer" else "examples/bin"
    program = Program([World.build / folder / name, *arguments])
    World.programs.append(program)
    return program


def start_tool(*command):
    program = Program(command)
    World.programs.append(program)
    return program


def run(name, *arguments):
    return start(name, *arguments).end()


def peer(*arguments):
    return start("example_test_peer", *arguments)


def connect(offerer, answerer):
    """Carries offer and answer across; the answer."""
    answerer.say(offerer.description())
    answer = answerer.description()
    offerer.say(answer)
    return answer


def frames(path):
    path = pathlib.Path(path)
    return READERS[path.suffix](path.read_bytes())


def decode(path, *options):
    """ffmpeg decodes it without a word."""
    done = subprocess.run(["ffmpeg", "-v", "warning", "-i", path, *options, "-f", "null", "-"], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, f"{path}: {done.stderr}"


def check_equal(path, source):
    got, wanted = frames(path), frames(source)
    assert got == wanted, f"{path}: {len(got)} frames, {len(wanted)} in {source}, and they differ"
    decode(path)


def check_part(path, source, least):
    """Frames of a file that was played round and round: from one of its key frames on, none missing."""
    got, wanted = frames(path), frames(source)
    assert len(got) >= least, f"{path}: {len(got)} frames, {least} wanted"
    rounds = wanted * (len(got) // len(wanted) + 2)
    assert any(rounds[i:i + len(got)] == got for i in range(len(wanted))), f"{path}: these are not the frames of {source}"
    decode(path)


def free_udp_port():
    """Even, with the odd one behind it free as well: ffmpeg takes that for RTCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as low, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as high:
            low.bind(("127.0.0.1", 0))
            port = low.getsockname()[1]
            if port % 2 == 1:
                continue
            try:
                high.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


# -- one function per example --------------------------------------------------------------------------------------------


def data_channels():
    assert run("data-channels") == "echo: hello\n"


def data_channels_flow_control():
    last = run("data-channels-flow-control", 50).splitlines()[-1]
    figures = re.fullmatch(r"50000000 bytes in .* Mbit/s; never more than (\d+) kB waited\.", last)
    assert figures and 0 < int(figures[1]) <= 1115, last


def data_channels_detach():
    """Many messages, so that both sides wait for each other; and one that the reader takes in parts."""
    echo, maker = start("data-channels-detach"), start("data-channels-detach-create", 20000)
    connect(maker, echo)
    maker.end()
    echo.end()
    assert maker.error_text().splitlines()[:20000] == [f"got number {i}" for i in range(1, 20001)]
    assert echo.error_text().splitlines()[:2] == ["Channel: data", "Message: number 1"]


data_channels_detach_create = data_channels_detach


def http(method, url, body=None, content_type="application/sdp"):
    """Status, headers and body."""
    request = urllib.request.Request(url, body.encode() if body else None, {"Content-Type": content_type}, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read().decode()


def join(url):
    """A program that chats, connected by one request; the headers of the answer."""
    guest = start("kaon-to-kaon", "--offer")
    status, headers, answer = http("POST", url, guest.description())
    assert status == 201 and headers["Content-Type"] == "application/sdp", (status, answer)
    guest.say(answer)
    return guest, headers


def data_channels_simple():
    server = start("data-channels-simple", 0, ROOT / "examples/data-channels-simple/page.html")
    url = server.line()
    status, _, page = http("GET", url)
    assert status == 200 and "createDataChannel" in page
    assert http("GET", url + "other")[0] == 404 and http("POST", url + "offer", "no offer")[0] == 400
    guest, _ = join(url + "offer")
    assert server.line() == "channel chat"
    assert guest.line() == "Say something."
    guest.say("good day")
    assert server.line() == "message good day"
    assert guest.line() == "You said: good day"
    guest.end()
    assert server.line() == "gone"
    server.end()


def data_channels_whip_whep_like():
    server = start("data-channels-whip-whep-like")
    room = server.line()
    assert http("GET", room)[0] == 405 and http("POST", room, "x", "text/plain")[0] == 415
    assert http("POST", room, "no offer")[0] == 400
    guests = []
    for i in range(3):
        guests.append(join(room))
        assert server.line() == f"joined, {i + 1} here"
    guests[0][0].say("hello to both")
    for guest, _ in guests[1:]:
        assert guest.line() == "hello to both"
    leaving = urllib.parse.urljoin(room, guests[1][1]["Location"])
    assert http("DELETE", leaving)[0] == 200 and http("DELETE", leaving)[0] == 404
    assert server.line() == "left, 2 stay"
    guests[2][0].say("to the first alone")
    assert guests[0][0].line() == "to the first alone"
    for guest, _ in guests:
        assert guest.end() == ""
    server.end()


def data_channels_interleaving_inspect():
    for off in ([], ["--off"]):
        sender, receiver = start("data-channels-interleaving-inspect", "--offer", *off), start("data-channels-interleaving-inspect")
        connect(sender, receiver)
        messages = [receiver.line(), receiver.line()]
        assert messages == sorted(["large, 250000 bytes", "small, 5 bytes"], reverse=not off), messages
        data, interleaved = map(int, re.fullmatch(r"(\d+) DATA chunks, (\d+) I-DATA chunks\n", receiver.end()).groups())
        assert (data > 100 and interleaved == 0) if off else (data == 0 and interleaved > 100), (data, interleaved)
        said = receiver.error_text()
        assert "out  interleaving" in said and ("in  interleaving" in said) != bool(off), said
        sender.end()


def trickle_ice():
    lines = run("trickle-ice").splitlines()
    for name in ("alice", "bob"):
        assert any(line.startswith(f"{name}: candidate:") for line in lines) and f"{name}: no more" in lines, lines
    assert lines[-1] == "connected", lines


def ice_restart():
    assert run("ice-restart") == "before\nnew credentials\nafter\n"


def ice_tcp():
    assert run("ice-tcp") == "hello over tcp\n"


def ice_proxy():
    os.environ["KAON"] = str(World.build / "apps/kaon/kaon")
    from http_proxy import HttpProxy
    from turn_client import TurnServer
    with HttpProxy("me:secret") as proxy, TurnServer() as turn:
        url = f"turn:127.0.0.1:{turn.ports['tcp']}?transport=tcp"
        words = ["ice-proxy", "127.0.0.1", proxy.port, url, "u", "p", "me"]
        assert run(*words, "secret") == "hello through the proxy\n"
        assert proxy.targets == [f"127.0.0.1:{turn.ports['tcp']}"] * 2 and proxy.refused == 0, proxy.targets
        refused = start(*words, "wrong")
        assert refused.process.wait() == 1
        told = refused.error_text()
        assert f"proxy 127.0.0.1:{proxy.port} answers 407" in told and "wants other credentials" in told, told


def turn_own_relay():
    """Two clients, whose relays are on the addresses that were named, talk to each other by them."""
    from turn_client import RELAYED, TurnClient, read_address
    server = start("turn-own-relay", "127.0.0.1:0", "u", "p", "127.0.0.2", "127.0.0.3")
    server.ports = {"udp": int(server.line().rpartition(":")[2])}
    with TurnClient(server) as alice, TurnClient(server) as bob:
        relays = [read_address(client.allocate().attributes[RELAYED]) for client in (alice, bob)]
        assert [ip for ip, port in relays] == ["127.0.0.2", "127.0.0.3"], relays
        assert [server.line() for _ in relays] == [f"u has {ip}:{port}" for ip, port in relays]
        assert alice.bind(0x4001, relays[1]) == bob.bind(0x4002, relays[0]) == 0
        alice.send(0x4001, b"hello")
        assert bob.receive() == b"\x40\x02\0\5hello"
        bob.send(0x4002, b"and back")
        assert alice.receive() == b"\x40\x01\0\x08and back"
        assert alice.bind(0x4003, ("127.0.0.1", server.ports["udp"])) == 403, "not this machine's other addresses"


def turn_tcp():
    """To a peer, which is silent where it should be, and from one; and what is refused."""
    os.environ["KAON"] = str(World.build / "apps/kaon/kaon")
    from turn_client import TurnServer, until_connected
    with TurnServer("--tcp-relays") as server, socket.create_server(("127.0.0.1", 0)) as listener:
        words = ["turn-tcp", f"127.0.0.1:{server.ports['tcp']}", "u"]
        program = start(*words, "p", "to", f"127.0.0.1:{listener.getsockname()[1]}", "a question")
        connection, source = listener.accept()
        assert program.line() == f"relayed: {source[0]}:{source[1]}"
        with connection:
            assert connection.recv(100) == b"a question"
            connection.sendall(b"an answer" * 100000)
        assert program.end() == "an answer" * 100000
        program = start(*words, "p", "from", "127.0.0.1")
        host, _, port = program.line().removeprefix("relayed: ").rpartition(":")
        with until_connected((host, int(port))) as peer:
            peer.sendall(b"echo this")
            assert peer.recv(100) == b"echo this"
        assert program.end() == "echo this"
        for password, target, told in (("wrong", "127.0.0.1:1", "user or password refused"), ("p", "10.0.0.1:1", "error 403"),
                                       ("p", "127.0.0.1:1", "error 447")):
            program = start(*words, password, "to", target, "x")
            assert program.process.wait() == 1 and told in program.error_text(), program.error_text()


def play(offers, *files):
    out = ["out" + pathlib.Path(f).suffix for f in files]
    sources = [MEDIA / f for f in files]
    player = start("play-from-disk", *(["--offer"] if offers else []), *sources)
    recorder = start("save-to-disk", *([] if offers else ["--offer"]), *out)
    connect(*((player, recorder) if offers else (recorder, player)))
    player.end()
    recorder.end()
    for path, source in zip(out, sources):
        check_equal(World.folder / path, source)


def play_from_disk():
    play(True, "vp8.ivf", "opus.ogg")
    play(False, "x264.h264")


def save_to_disk():
    play(False, "vp9.ivf", "opus_60ms_stereo.ogg")
    play(True, "av1_svt.ivf")


def play_from_disk_renegotiation():
    player = start("play-from-disk-renegotiation")
    viewer = peer("--offer", "--signal", "--record", "a.ivf", "--record", "b.h264", "--frames", 20)
    connect(viewer, player)
    for count, file in enumerate(("vp8.ivf", "x264.h264"), 1):
        player.say(f"add {MEDIA / file}")
        assert viewer.line() == f"{count} tracks"
    assert viewer.line() == "all frames"
    player.say("remove")
    assert viewer.line() == "1 tracks"
    player.end()
    viewer.end()
    check_part(World.folder / "a.ivf", MEDIA / "vp8.ivf", 20)
    decode(World.folder / "b.h264")


def reflect():
    sender = peer("--offer", "--play", MEDIA / "vp8.ivf", "--play", MEDIA / "opus.ogg", "--record", "a.ivf", "--record",
                  "b.ogg", "--frames", 12)
    mirror = start("reflect")
    connect(sender, mirror)
    sender.end()
    mirror.end()
    assert frames(World.folder / "a.ivf") == frames(MEDIA / "vp8.ivf")[:12]
    assert frames(World.folder / "b.ogg") == frames(MEDIA / "opus.ogg")[:12]


def broadcast():
    server = start("broadcast")
    publisher = peer("--offer", "--repeat", "--play", MEDIA / "vp8.ivf", "--play", MEDIA / "opus.ogg")
    connect(publisher, server)
    viewers = [peer("--offer", "--record", f"{i}.ivf", "--record", f"{i}.ogg", "--frames", 20) for i in range(3)]
    for viewer in viewers:
        connect(viewer, server)
    for i, viewer in enumerate(viewers):
        viewer.end()
        check_part(World.folder / f"{i}.ivf", MEDIA / "vp8.ivf", 20)
        check_part(World.folder / f"{i}.ogg", MEDIA / "opus.ogg", 20)
    server.end()


def rtp_forwarder():
    video, audio = free_udp_port(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    audio.bind(("127.0.0.1", 0))
    sdp = (ROOT / "examples/rtp-forwarder/video.sdp").read_text().replace("4000", str(video))
    (World.folder / "video.sdp").write_text(sdp)
    player = start_tool("ffmpeg", "-v", "error", "-protocol_whitelist", "file,udp,rtp", "-i", "video.sdp", "-c", "copy",
                        "-frames:v", "20", "out.ivf")
    forwarder = start("rtp-forwarder", video, audio.getsockname()[1])
    sender = peer("--offer", "--repeat", "--play", MEDIA / "vp8.ivf", "--play", MEDIA / "opus.ogg")
    connect(sender, forwarder)
    packets = frames(MEDIA / "opus.ogg")
    for _ in range(20):
        packet = audio.recv(2000)
        assert packet[0] == 0x80 and packet[1] & 127 == 111 and packet[12:] in packets
    player.end()
    check_part(World.folder / "out.ivf", MEDIA / "vp8.ivf", 20)


def rtp_to_webrtc():
    loop = ["-stream_loop", "-1", "-i", MEDIA / "vp8.ivf", "-c", "copy"]
    encode = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=15", "-c:v", "libx264", "-preset", "ultrafast", "-tune",
              "zerolatency", "-pix_fmt", "yuv420p", "-g", "10"]
    for codec, source, out in (("VP8", loop, "out.ivf"), ("H264", encode, "out.h264")):
        port = free_udp_port()
        gateway = start("rtp-to-webrtc", codec, port)
        viewer = peer("--offer", "--record", out, "--frames", 20)
        connect(viewer, gateway)
        start_tool("ffmpeg", "-v", "error", "-re", *source, "-f", "rtp", f"rtp://127.0.0.1:{port}?pkt_size=1200")
        viewer.end()
        gateway.end()
        decode(World.folder / out)
    check_part(World.folder / "out.ivf", MEDIA / "vp8.ivf", 20)


def kaon_to_kaon():
    one, other = start("kaon-to-kaon", "--offer"), start("kaon-to-kaon")
    connect(one, other)
    one.say("good day")
    assert other.line() == "good day"
    other.say("and to you")
    assert one.line() == "and to you"
    one.end()
    other.end()


def ice_single_port():
    server = start("ice-single-port")
    clients = [start("kaon-to-kaon", "--offer") for _ in range(6)]
    ports = set()
    for client in clients:
        answer = connect(client, server)
        ports.update(re.findall(r"^a=candidate:\S+ 1 udp \d+ \S+ (\d+) typ host", answer, re.M | re.I))
    assert len(ports) == 1, f"the answers name the ports {ports}"
    for i, client in enumerate(clients):
        client.say(f"I am {i}")
    for i, client in enumerate(clients):
        assert client.line() == f"I am {i}"
        client.end()
    server.end()


def insertable_streams():
    for file, password, opened in (("vp8.ivf", "open sesame", True), ("opus.ogg", "open sesame", True),
                                   ("vp8.ivf", "open barley", False)):
        out = World.folder / ("out" + pathlib.Path(file).suffix)
        sender = start("insertable-streams", "--offer", "open sesame", "send", MEDIA / file)
        receiver = start("insertable-streams", password, "receive", out)
        connect(sender, receiver)
        sender.end()
        receiver.end()
        count = len(frames(MEDIA / file))
        if opened:
            check_equal(out, MEDIA / file)
            assert f"{count} frames written, 0 could not be opened." in receiver.error_text()
        else:
            assert f"0 frames written, {count} could not be opened." in receiver.error_text()
            assert not out.exists()
        out.unlink(missing_ok=True)


def swap_tracks():
    sources = []
    for i, change in enumerate(("null", "negate", "hflip")):
        sources.append(World.folder / f"{i}.ivf")
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size=128x96:rate=15,{change}", "-t", "1",
                        "-c:v", "libvpx", "-g", "5", sources[-1]], check=True)
    files = [word for source in sources for word in ("--play", source)]
    sender = peer("--offer", "--repeat", *files, "--record", "out.ivf", "--frames", 60)
    switch = start("swap-tracks", 0.6)
    connect(sender, switch)
    sender.end()
    switch.end()
    parts = []  # which source, frame for frame
    known = [set(frames(source)) for source in sources]
    assert not known[0] & known[1] | known[1] & known[2] | known[0] & known[2], "the sources have frames in common"
    for frame in frames(World.folder / "out.ivf"):
        parts.append(next(i for i, source in enumerate(known) if frame in source))
        if len(parts) == 1 or parts[-1] != parts[-2]:
            assert frame[0] & 1 == 0, "a source must begin with a key frame"
    assert set(parts) == {0, 1, 2}, f"the sources in turn: {parts}"
    # At a change two frames may be closer together than ffmpeg's output wants them.
    decode(World.folder / "out.ivf", "-vf", "setpts=N/15/TB", "-r", "15")


def stats():
    player = start("play-from-disk", "--offer", MEDIA / "vp8.ivf", MEDIA / "opus.ogg")
    watcher = start("stats")
    connect(player, watcher)
    player.end()
    report = json.loads(watcher.end())
    transport = next(s for s in report.values() if s["type"] == "transport")
    assert report[transport["selectedCandidatePairId"]]["state"] == "succeeded"
    streams = {s["kind"]: s for s in report.values() if s["type"] == "inbound-rtp"}
    assert streams["video"]["framesReceived"] > 0 and streams["audio"]["packetsReceived"] > 0
    assert report[streams["video"]["codecId"]]["mimeType"] == "video/VP8"
    assert re.search(r"video \d+: \d+ frames", watcher.error_text())


def custom_logger():
    lines = run("custom-logger").splitlines()
    assert all(re.match(r" +\d+\.\d{3} (debug|info|warning) +\w+ +\S", line) for line in lines), lines
    assert any("a line of our own, about 2 connections" in line for line in lines)
    assert any(line.split()[2] != "main" for line in lines), "nothing of the library"


def simulated_network():
    one, again, other = run("simulated-network", 7), run("simulated-network", 7), run("simulated-network", 8)
    assert one == again and one != other
    assert "got message 100\n" in one and one.splitlines()[-1].startswith("All messages arrived in order")


def main():
    name, World.build = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    signal.alarm(LIMIT)
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError(f"no end after {LIMIT} s")))
    with tempfile.TemporaryDirectory() as folder:
        World.folder = pathlib.Path(folder)
        try:
            globals()[name.replace("-", "_")]()
        except BaseException:
            for program in World.programs:
                print(f"--- {program.process.args}\n{program.error_text()}", file=sys.stderr)
            raise
        finally:
            for program in World.programs:
                program.process.kill()
                program.process.wait()


if __name__ == "__main__":
    main()
