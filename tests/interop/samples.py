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
I420 = ("-f", "rawvideo", "-pix_fmt", "yuv420p")
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


def ffmpeg(arguments, content=b""):
    """What it writes when it reads `content`."""
    done = subprocess.run(["ffmpeg", "-v", "error", *arguments, "-"], input=content, capture_output=True)
    if done.returncode != 0 or done.stderr:
        raise ValueError(f"ffmpeg: {done.stderr.decode(errors='replace')[:300]}")
    return done.stdout


def cut(content):
    return [content[at:at + PICTURE] for at in range(0, len(content), PICTURE)]


def decode_vp8(frames):
    header = struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, b"VP80", WIDTH, HEIGHT, 30, 1, len(frames), 0)
    file = header + b"".join(struct.pack("<IQ", len(frame), i) + frame for i, frame in enumerate(frames))
    return cut(ffmpeg(["-f", "ivf", "-i", "-", *I420], file))


def ogg_crc(page):
    """RFC 3533 section 6, field 7."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04c11db7 if crc & 0x80000000 else crc << 1) & 0xffffffff
    return crc


def decode_opus(frames):
    """The samples of one channel at 48 kHz, of packets of 20 ms."""
    packets = [struct.pack("<8sBBHIHB", b"OpusHead", 1, 1, 0, 48000, 0, 0), struct.pack("<8sII", b"OpusTags", 0, 0), *frames]
    file = b""
    for number, packet in enumerate(packets):
        lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
        flags = 2 if number == 0 else 4 if number == len(packets) - 1 else 0
        parts = struct.pack("<4sBBqII", b"OggS", 0, flags, max(0, number - 1) * 960, 1, number), struct.pack(
            "<B", len(lacing)) + lacing + packet
        file += parts[0] + struct.pack("<I", ogg_crc(parts[0] + bytes(4) + parts[1])) + parts[1]
    sound = ffmpeg(["-f", "ogg", "-i", "-", "-f", "s16le", "-ac", "1", "-ar", "48000"], file)
    return struct.unpack(f"<{len(sound) // 2}h", sound)


def tone(sound):
    """The frequency of a tone at 48 kHz: the median over pieces of 100 ms."""
    pieces = [sound[at:at + 4800] for at in range(0, len(sound) - 4799, 4800)]
    found = sorted(10 * sum(a < 0 <= b for a, b in zip(piece, piece[1:])) for piece in pieces)
    return found[len(found) // 2] if found else 0


@cache
def pictures(name):
    """The decoded pictures of a video, I420, as ffmpeg makes them: decoding VP8 and H.264 is exact."""
    return cut(ffmpeg(["-i", VIDEOS[name], *I420]))
