"""Packets of frames, for who sends RTP himself: RFC 3550, 7741 (VP8), 6184 (H.264), 7587 (Opus)."""

import re
import struct

MTU = 1100


def chunks(content):
    return [content[at:at + MTU] for at in range(0, len(content), MTU)]


def h264_payloads(frame):
    for nal in re.split(rb"\x00\x00\x00?\x01", frame)[1:]:
        if len(nal) <= MTU:
            yield nal
            continue
        parts = chunks(nal[1:])
        for i, part in enumerate(parts):  # FU-A
            edge = 0x80 * (i == 0) | 0x40 * (i == len(parts) - 1)
            yield bytes((nal[0] & 0x60 | 28, edge | nal[0] & 0x1f)) + part


PAYLOADS = {
    "VP8": lambda frame: [bytes((0x10 * (i == 0),)) + part for i, part in enumerate(chunks(frame))],
    "H264": lambda frame: list(h264_payloads(frame)),
    "opus": lambda frame: [frame],
}


def packets(samples, number, sequence, payload_type, ssrc):
    """Those of one frame; the first has the given sequence number."""
    payloads = PAYLOADS[samples.codec](samples.frame(number))
    for i, payload in enumerate(payloads):
        marker = 0x80 * (number == 0 if samples.channels else i == len(payloads) - 1)
        yield struct.pack(">BBHII", 0x80, marker | payload_type, sequence + i & 0xffff, number * samples.duration, ssrc) + payload
