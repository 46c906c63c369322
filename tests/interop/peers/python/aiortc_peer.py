"""aiortc as a peer; see ../README.md. It gathers before it describes, so that it never tells candidates one by one."""

import array
import asyncio
import fractions
import sys
import time

import av
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.sdp import candidate_from_sdp

import data
from frames import Received, Samples, Tone, mark_of
from protocol import Lines, parse_options, refuse


class Endpoint:
    def __init__(self, lines):
        self.lines = lines
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))  # none of others by default
        self.early = []
        self.on_connected = lambda: None
        self.pc.on("connectionstatechange", self.on_state)

    def on_state(self):
        if self.pc.connectionState == "connected":
            self.lines.event("connected")
            self.on_connected()
        elif self.pc.connectionState == "failed":
            self.lines.error("the connection failed")

    async def describe(self, description):
        await self.pc.setLocalDescription(description)
        local = self.pc.localDescription
        self.lines.write({"description": {"type": local.type, "sdp": local.sdp}})
        self.lines.write({"candidate": None})

    async def offer(self):
        await self.describe(await self.pc.createOffer())

    async def handle(self, line):
        if description := line.get("description"):
            await self.pc.setRemoteDescription(RTCSessionDescription(description["sdp"], description["type"]))
            for candidate in self.early:
                await self.add(candidate)
            self.early = []
            if description["type"] == "offer":
                await self.describe(await self.pc.createAnswer())
        elif candidate := line.get("candidate"):
            if self.pc.remoteDescription:
                await self.add(candidate)
            else:
                self.early.append(candidate)

    async def add(self, candidate):
        parsed = candidate_from_sdp(candidate["candidate"].removeprefix("candidate:"))
        parsed.sdpMid = candidate.get("sdpMid") or "0"
        await self.pc.addIceCandidate(parsed)


class DataCase:
    def __init__(self, endpoint, options):
        self.endpoint, self.lines = endpoint, endpoint.lines
        if options["role"] == "offerer":
            label, protocol, ordered, limit = data.Offerer.channel_options(options)
            channel = endpoint.pc.createDataChannel(label, protocol=protocol, ordered=ordered, maxRetransmits=limit)
            side = data.Offerer(self.lines, options, channel)
            channel.on("open", side.on_open)
            self.attach(channel, side)
        else:
            endpoint.pc.on("datachannel", self.answer)

    def answer(self, channel):
        self.lines.event("open")
        self.attach(channel, data.Answerer(self.lines, channel, {
            "label": channel.label, "protocol": channel.protocol, "ordered": channel.ordered,
            "maxRetransmits": channel.maxRetransmits}))

    def attach(self, channel, side):
        channel.on("message", side.on_message)
        channel.on("close", side.on_close)


class SampleTrack(MediaStreamTrack):
    """Frames that are encoded already: aiortc puts them into packets as they are."""

    def __init__(self, samples, received):
        super().__init__()
        self.kind = samples.kind
        self.samples, self.received = samples, received
        self.start = None

    async def recv(self):
        self.start = self.start or time.monotonic()
        number = self.received.sent
        await asyncio.sleep(self.start + number * self.samples.seconds() - time.monotonic())
        packet = av.Packet(self.samples.frame(number))
        packet.pts = number * self.samples.duration
        packet.time_base = fractions.Fraction(1, self.samples.clock_rate)
        self.received.sent += 1
        return packet


class MediaCase:
    def __init__(self, endpoint, options):
        samples = Samples(options["media"])
        receives = options.get("receive", "1") != "0"
        form = "pictures" if samples.kind == "video" else "tone"
        self.received = Received(endpoint.lines, int(options.get("frames", 45)), form)
        self.tone = Tone()
        sends = options.get("send", "1") != "0"
        track = SampleTrack(samples, self.received) if sends else None
        if options["role"] == "offerer":
            direction = "sendrecv" if sends and receives else "sendonly" if sends else "recvonly"
            transceiver = endpoint.pc.addTransceiver(track or samples.kind, direction=direction)
            wanted = f"{samples.kind}/{samples.codec}".lower()
            transceiver.setCodecPreferences([codec for codec in RTCRtpSender.getCapabilities(samples.kind).codecs
                                             if codec.mimeType.lower() == wanted])
        elif track:
            endpoint.pc.addTrack(track)
        endpoint.pc.on("track", lambda remote: asyncio.ensure_future(self.receive(remote)))
        if not receives:
            endpoint.on_connected = self.received.tell

    async def receive(self, track):
        while True:
            frame = await track.recv()
            if track.kind == "video":
                self.received.add(mark_of(b"".join(rows(plane) for plane in frame.planes)))
            else:
                self.hear(frame)

    def hear(self, frame):
        """Interleaved samples of 16 bits."""
        sound = array.array("h", bytes(frame.planes[0])[:2 * frame.samples * len(frame.layout.channels)])
        self.tone.add(sound[::len(frame.layout.channels)], frame.sample_rate)
        self.received.more = {"toneHz": self.tone.hz()}
        self.received.add("")


def rows(plane):
    """Without what pads each row."""
    all_bytes = bytes(plane)
    return b"".join(all_bytes[y * plane.line_size:y * plane.line_size + plane.width] for y in range(plane.height))


CASES = {"data": DataCase, "media": MediaCase}


async def main():
    options = parse_options()
    if options.get("case") not in CASES:
        refuse(f"--case is one of: {' '.join(CASES)}")
    lines, loop, queue = Lines(), asyncio.get_running_loop(), asyncio.Queue()
    endpoint = Endpoint(lines)
    CASES[options["case"]](endpoint, options)
    lines.read(lambda line: loop.call_soon_threadsafe(queue.put_nowait, line))
    try:
        if options["role"] == "offerer":
            await endpoint.offer()
        while not (line := await queue.get()).get("stop"):
            await endpoint.handle(line)
    except Exception as error:
        lines.error(f"{type(error).__name__}: {error}")
        raise
    await asyncio.wait_for(endpoint.pc.close(), 2)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except asyncio.TimeoutError:
        sys.exit(1)
