"""The recorded media of testdata/media as lists of encoded frames, and what decoders make of them."""

import hashlib
import json
import re
import struct
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MEDIA = ROOT / "testdata/media"
FOLDER = ROOT / "build/interop/samples"
VIDEOS = {"vp8": MEDIA / "vp8.ivf", "h264": MEDIA / "x264_slices_aud.h264"}
WIDTH, HEIGHT = 128, 96
PICTURE = WIDTH * HEIGHT * 3 // 2  # bytes, as I420


def ivf_frames(data):
    """The frames of an IVF file: 32 bytes of header, then frames behind their length and time (12 bytes)."""
    position = 32
    while position < len(data):
        size, = struct.unpack_from("<I", data, position)
        yield data[position + 12:position + 12 + size]
        position += 12 + size


def h264_access_units(data):
    """The access units of a byte stream that has delimiters (NAL unit type 9), which are left out: RTP does not carry
    them everywhere. Each NAL unit is behind a start code of four bytes."""
    unit = b""
    for nal in re.split(rb"\x00\x00\x00?\x01", data)[1:]:
        if nal[0] & 31 != 9:
            unit += b"\x00\x00\x00\x01" + nal
        elif unit:
            yield unit
            unit = b""
    yield unit


def ogg_packets(data):
    """The packets of an Ogg file with one stream (RFC 3533 §6)."""
    position, packet = 0, b""
    while position < len(data):
        segments = data[position + 27:position + 27 + data[position + 26]]
        position += 27 + len(segments)
        for size in segments:
            packet += data[position:position + size]
            position += size
            if size < 255:
                yield packet
                packet = b""


SAMPLES = {
    "vp8": lambda: {"codec": "VP8", "clockRate": 90000, "channels": 0, "fmtp": "", "duration": 3000,
                    "frames": ivf_frames(VIDEOS["vp8"].read_bytes())},
    "h264": lambda: {"codec": "H264", "clockRate": 90000, "channels": 0, "duration": 3000,
                     "fmtp": "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
                     "frames": h264_access_units(VIDEOS["h264"].read_bytes())},
    # Behind OpusHead and OpusTags.
    "opus": lambda: {"codec": "opus", "clockRate": 48000, "channels": 2, "duration": 960,
                     "fmtp": "minptime=10;useinbandfec=1", "frames": list(ogg_packets((MEDIA / "opus.ogg").read_bytes()))[2:]},
}


@cache
def frames(name):
    return list(SAMPLES[name]()["frames"])


@cache
def sample_file(name):
    """What a peer's option --media names; see peers/README.md."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.json"
    sample = {**SAMPLES[name](), "frames": [frame.hex() for frame in frames(name)]}
    if name in VIDEOS:
        sample["decoded"] = {"file": f"{name}.i420", "width": WIDTH, "height": HEIGHT}
        (FOLDER / f"{name}.i420").write_bytes(b"".join(pictures(name)))
    path.write_text(json.dumps(sample))
    return path


def mark(frame):
    return hashlib.sha256(frame).hexdigest()[:16]


@cache
def marks(name):
    return [mark(frame) for frame in frames(name)]


@cache
def pictures(name):
    """The decoded pictures of a video, I420, as ffmpeg makes them: decoding VP8 and H.264 is exact."""
    done = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", VIDEOS[name], "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"],
                          stdout=subprocess.PIPE, check=True)
    return [done.stdout[at:at + PICTURE] for at in range(0, len(done.stdout), PICTURE)]
