#!/usr/bin/env python3
"""Every sample of testdata/media through `kaon whip`, `kaon serve` and `kaon record`, and back: the recorded frames must be
the sample's, byte for byte, and ffmpeg must decode the recording without a word.

KAON names the program (default: build/release/apps/kaon/kaon). Prints "ok|fail<TAB>name<TAB>detail" per case."""

import hashlib
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
MEDIA = ROOT / "testdata" / "media"
KAON = os.environ.get("KAON", str(ROOT / "build/release/apps/kaon/kaon"))
LIMIT = 40  # seconds for one command


def ivf_frames(data):
    position = struct.unpack_from("<H", data, 6)[0]
    frames = []
    while position + 12 <= len(data):
        size = struct.unpack_from("<I", data, position)[0]
        frames.append(data[position + 12 : position + 12 + size])
        position += 12 + size
    return frames


def ogg_packets(data):
    packets, current, position = [], b"", 0
    while position + 27 <= len(data):
        assert data[position : position + 4] == b"OggS", f"no page at byte {position}"
        count = data[position + 26]
        lacing = data[position + 27 : position + 27 + count]
        position += 27 + count
        for size in lacing:
            current += data[position : position + size]
            position += size
            if size < 255:
                packets.append(current)
                current = b""
    return packets[2:]  # without OpusHead and OpusTags


def nal_units(data):
    """Of an Annex B file; which of the two start codes stands before each is not compared."""
    units = data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
    return [unit for unit in units if unit]


READERS = {".ivf": ivf_frames, ".ogg": ogg_packets, ".h264": nal_units}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __enter__(self):
        self.url = f"http://127.0.0.1:{free_port()}"
        address = self.url.removeprefix("http://")
        self.process = subprocess.Popen(
            [KAON, "serve", "--http", address, "--udp", "0", "--log", "warning"], stdout=subprocess.DEVNULL
        )
        for _ in range(100):
            try:
                urllib.request.urlopen(self.url + "/api/status", timeout=1).read()
                return self
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the server does not answer")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


def finish(process, what):
    try:
        output, _ = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise AssertionError(f"{what} does not end")
    if process.returncode != 0:
        raise AssertionError(f"{what} ended with {process.returncode}: {output.strip()}")


def start(*arguments):
    return subprocess.Popen([KAON, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def different(sent, received):
    if sent == received:
        return None
    for index, (a, b) in enumerate(zip(sent, received)):
        if a != b:
            return f"frame {index} differs: {len(a)} bytes, sha256 {digest(a)} sent; {len(b)} bytes, {digest(b)} recorded"
    return f"{len(sent)} frames sent, {len(received)} recorded"


def digest(data):
    return hashlib.sha256(data).hexdigest()[:12]


def decode(path):
    if shutil.which("ffmpeg") is None:
        return
    result = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(path), "-f", "null", "-"], capture_output=True, text=True, timeout=LIMIT
    )
    assert result.returncode == 0 and not result.stderr, f"ffmpeg: {result.stderr.strip()[:200]}"


def round_trip(server, sample, folder):
    """The sender waits a little with its first frame, so that the recorder sees it. The recording ends with the stream."""
    name = sample.name.replace(".", "-")
    out = folder / sample.name
    recorder = start("record", f"{server.url}/whep/{name}", out, "--wait", 20)
    try:
        finish(start("whip", sample, f"{server.url}/whip/{name}", "--fps", 15, "--delay", 2), "whip")
        finish(recorder, "record")
    finally:
        if recorder.poll() is None:
            recorder.kill()
            recorder.communicate()
    reader = READERS[sample.suffix]
    sent, received = reader(sample.read_bytes()), reader(out.read_bytes())
    problem = different(sent, received)
    assert problem is None, problem
    decode(out)
    return f"{len(sent)} frames"


def unsupported(server):
    """What the server does not forward is refused in one line."""
    return refused(["whip", MEDIA / "x265.h265", f"{server.url}/whip/h265"])


def interrupted(server, folder):
    """Ctrl-C while the stream goes on: the file is complete and plays."""
    out = folder / "interrupted.ivf"
    sender = start("whip", MEDIA / "vp8.ivf", f"{server.url}/whip/endless", "--loop")
    recorder = start("record", f"{server.url}/whep/endless", out)
    time.sleep(3)
    recorder.send_signal(signal.SIGINT)
    finish(recorder, "record")
    sender.send_signal(signal.SIGINT)
    finish(sender, "whip")
    data = out.read_bytes()
    frames = len(ivf_frames(data))
    assert frames > 5, f"{frames} frames in 3 seconds"
    assert struct.unpack_from("<I", data, 24)[0] == frames, "the header does not tell the number of frames"
    decode(out)
    return f"{frames} frames"


def full_disk(server, folder):
    """One clear line and exit status 1, and what was recorded plays."""
    limit = 40_000
    out = folder / "full.ivf"
    sender = start("whip", MEDIA / "vp8.ivf", f"{server.url}/whip/full", "--loop")
    command = f"ulimit -f {limit // 1024}; trap '' XFSZ; exec {KAON} record {server.url}/whep/full {out}"
    recorder = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=LIMIT)
    sender.send_signal(signal.SIGINT)
    finish(sender, "whip")
    assert recorder.returncode == 1, f"exit status {recorder.returncode}"
    assert recorder.stderr.count("\n") == 1, recorder.stderr
    decode(out)
    return recorder.stderr.strip()


def refused(arguments):
    result = subprocess.run([KAON, *map(str, arguments)], capture_output=True, text=True, timeout=LIMIT)
    assert result.returncode == 1, f"exit status {result.returncode}: {result.stderr}"
    assert result.stderr.startswith("kaon: ") and result.stderr.count("\n") == 1, result.stderr
    return result.stderr.strip()


def bad_inputs(server, folder):
    truncated = folder / "truncated.ivf"
    truncated.write_bytes((MEDIA / "vp8.ivf").read_bytes()[:5000])
    text = folder / "text.ivf"
    text.write_text("This is no video.")
    whip = f"{server.url}/whip/bad"
    yield "truncated-file", lambda: refused(["whip", truncated, whip])
    yield "no-media-file", lambda: refused(["whip", text, whip])
    yield "missing-file", lambda: refused(["whip", folder / "missing.ivf", whip])
    yield "no-server", lambda: refused(["whip", MEDIA / "vp8.ivf", f"http://127.0.0.1:{free_port()}/whip/x"])
    yield "nobody-publishes", lambda: refused(["record", f"{server.url}/whep/nobody", folder / "x.ivf", "--wait", 1])
    yield "unknown-ending", lambda: refused(["record", f"{server.url}/whep/nobody", folder / "x.mp4"])
    yield "no-such-folder", lambda: refused(["record", f"{server.url}/whep/nobody", folder / "no" / "x.ivf"])
    yield "no-url", lambda: refused(["whip", MEDIA / "vp8.ivf", "example.org"])


def cases(server, folder):
    for sample in sorted(p for p in MEDIA.iterdir() if p.suffix in READERS):
        yield f"round-trip {sample.name}", lambda s=sample: round_trip(server, s, folder)
    yield "refused x265.h265", lambda: unsupported(server)
    yield "record interrupted", lambda: interrupted(server, folder)
    yield "record full-disk", lambda: full_disk(server, folder)
    for name, case in bad_inputs(server, folder):
        yield f"bad-input {name}", case


def main():
    wanted = sys.argv[1:]
    failed = 0
    with tempfile.TemporaryDirectory() as folder, Server() as server:
        for name, case in cases(server, pathlib.Path(folder)):
            if wanted and not any(word in name for word in wanted):
                continue
            try:
                print(f"ok\t{name}\t{case()}", flush=True)
            except Exception as error:  # one case must not hide the others
                failed += 1
                print(f"fail\t{name}\t{' '.join(str(error).split())}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
