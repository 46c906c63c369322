"""GStreamer's webrtcbin as a peer; see ../README.md. Wants Debian's python3-gst-1.0 and the plugins of tools/deps.sh interop."""

import re

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstApp, GstSdp, GstWebRTC  # noqa: E402, F401

import data  # noqa: E402
from frames import Received, Samples, mark_of  # noqa: E402
from protocol import Lines, parse_options, refuse  # noqa: E402

# How encoded frames go into packets and come out of them.
PAYLOADS = {
    "VP8": ("video/x-vp8", "rtpvp8pay picture-id-mode=15-bit", "rtpvp8depay", ""),
    "H264": ("video/x-h264,stream-format=byte-stream,alignment=au", "h264parse ! rtph264pay aggregate-mode=zero-latency",
             "rtph264depay", "! video/x-h264,stream-format=byte-stream,alignment=au"),
    "opus": ("audio/x-opus,channels=2,channel-mapping-family=0", "rtpopuspay", "rtpopusdepay", ""),
}


def later(function, *arguments):
    """On the main loop: elements call from threads of their own."""
    GLib.idle_add(lambda: function(*arguments) and False)


class Endpoint:
    def __init__(self, lines):
        self.lines = lines
        self.pipeline = Gst.Pipeline.new()
        self.bin = Gst.ElementFactory.make("webrtcbin")
        self.bin.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.pipeline.add(self.bin)
        self.early = []
        self.described = False
        self.on_connected = lambda: None
        self.on_offer = lambda sdp: None  # before it is set
        self.bin.connect("on-ice-candidate", self.on_candidate)
        self.bin.connect("notify::connection-state", lambda *_: later(self.on_state))

    def start(self, offers):
        self.pipeline.set_state(Gst.State.PLAYING)
        if offers:
            self.create("create-offer", "offer")

    def on_candidate(self, _, index, candidate):
        if candidate:
            self.lines.write({"candidate": {"candidate": candidate, "sdpMLineIndex": index}})

    def on_state(self):
        state = self.bin.get_property("connection-state")
        if state == GstWebRTC.WebRTCPeerConnectionState.CONNECTED:
            self.lines.event("connected")
            self.on_connected()
        elif state == GstWebRTC.WebRTCPeerConnectionState.FAILED:
            self.lines.error("the connection failed")

    def create(self, signal, kind):
        def created(promise, *_):
            reply = promise.get_reply()
            if not reply or not reply.has_field(kind):
                self.lines.error(f"{signal}: {reply.to_string() if reply else 'no reply'}")
                return
            later(self.set_local, kind, reply.get_value(kind).sdp.as_text())
        self.bin.emit(signal, None, Gst.Promise.new_with_change_func(created, None))

    def set_local(self, kind, sdp):
        self.lines.write({"description": {"type": kind, "sdp": sdp}})
        self.bin.emit("set-local-description", description(kind, sdp), Gst.Promise.new())

    def handle(self, line):
        if remote := line.get("description"):
            if remote["type"] == "offer":
                self.on_offer(remote["sdp"])
            promise = Gst.Promise.new_with_change_func(lambda *_: later(self.on_described, remote["type"]), None)
            self.bin.emit("set-remote-description", description(remote["type"], remote["sdp"]), promise)
        elif candidate := line.get("candidate"):
            if self.described:
                self.add(candidate)
            else:
                self.early.append(candidate)

    def on_described(self, kind):
        self.described = True
        if kind == "offer":
            self.create("create-answer", "answer")
        for candidate in self.early:
            self.add(candidate)
        self.early = []

    def add(self, candidate):
        # All sections are one bundle.
        self.bin.emit("add-ice-candidate", 0, candidate["candidate"])


def description(kind, sdp):
    """Made of text: the binding loses what is in a description that it is given."""
    _, message = GstSdp.SDPMessage.new_from_text(sdp)
    return GstWebRTC.WebRTCSessionDescription.new(getattr(GstWebRTC.WebRTCSDPType, kind.upper()), message)


class Channel:
    """A data channel as data.py wants it."""

    def __init__(self, channel):
        self.channel = channel

    def attach(self, side):
        self.channel.connect("on-message-string", lambda _, text: later(side.on_message, text or ""))
        self.channel.connect("on-message-data", lambda _, content: later(side.on_message, content.get_data()))
        self.channel.connect("on-close", lambda _: later(side.on_close))

    def send(self, message):
        if isinstance(message, str):
            self.channel.emit("send-string", message)
        else:
            self.channel.emit("send-data", GLib.Bytes.new(message))

    def close(self):
        self.channel.emit("close")


class DataCase:
    def __init__(self, endpoint, options):
        self.lines = endpoint.lines
        if options["role"] == "offerer":
            label, protocol, ordered, limit = data.Offerer.channel_options(options)
            init = Gst.Structure.new_empty("options")
            init.set_value("protocol", protocol)
            init.set_value("ordered", ordered)
            init.set_value("max-retransmits", -1 if limit is None else limit)
            endpoint.pipeline.set_state(Gst.State.READY)  # there are no channels before
            channel = endpoint.bin.emit("create-data-channel", label, init)
            wrapped = Channel(channel)
            side = data.Offerer(self.lines, options, wrapped)
            channel.connect("on-open", lambda _: later(side.on_open))
            wrapped.attach(side)
        else:
            endpoint.bin.connect("on-data-channel", self.answer)

    def answer(self, _, channel):
        self.lines.event("open")
        limit = channel.get_property("max-retransmits")
        wrapped = Channel(channel)
        wrapped.attach(data.Answerer(self.lines, wrapped, {
            "label": channel.get_property("label"), "protocol": channel.get_property("protocol") or "",
            "ordered": channel.get_property("ordered"), "maxRetransmits": None if limit < 0 else limit}))


class MediaCase:
    def __init__(self, endpoint, options):
        self.endpoint, self.samples = endpoint, Samples(options["media"])
        self.caps, self.pay, self.depay, self.after = PAYLOADS[self.samples.codec]
        self.received = Received(endpoint.lines, int(options.get("frames", 45)), "encoded")
        sends, receives = options.get("send", "1") != "0", options.get("receive", "1") != "0"
        self.payload_type = 111 if self.samples.channels else 96
        if sends:
            if options["role"] == "offerer":
                self.add_source()
            else:
                endpoint.on_offer = self.answer_with_source
            endpoint.on_connected = self.start
        elif options["role"] == "offerer":
            caps = Gst.Caps.from_string(self.rtp_caps())
            endpoint.bin.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, caps)
        if sends and not receives:
            endpoint.on_connected = lambda: (self.start(), self.received.tell())
        endpoint.bin.connect("pad-added", self.on_pad)

    def rtp_caps(self):
        caps = f"application/x-rtp,media={self.samples.kind},encoding-name={self.samples.codec.upper()}," \
               f"clock-rate={self.samples.clock_rate},payload={self.payload_type}"
        return caps + (",encoding-params=(string)2" if self.samples.channels else "")

    def answer_with_source(self, sdp):
        """An answer wants the number that the offer gave the codec."""
        numbers = re.findall(rf"^a=rtpmap:(\d+) {self.samples.codec}/", sdp, re.M | re.I)
        if self.samples.codec == "H264":
            numbers = [n for n in numbers if re.search(rf"^a=fmtp:{n} .*packetization-mode=1", sdp, re.M)]
        self.payload_type = int(numbers[0])
        self.add_source()

    def add_source(self):
        source = Gst.parse_bin_from_description(
            f'appsrc name=source format=time is-live=true do-timestamp=false caps="{self.caps}" ! {self.pay} mtu=1200 '
            f'pt={self.payload_type} ! capsfilter caps="{self.rtp_caps()}"', True)
        self.source = source.get_by_name("source")
        self.endpoint.pipeline.add(source)
        source.link(self.endpoint.bin)
        source.sync_state_with_parent()

    def start(self):
        self.began = GLib.get_monotonic_time()
        GLib.timeout_add(max(1, int(500 * self.samples.seconds())), self.send)

    def send(self):
        frame_time = int(self.samples.seconds() * Gst.SECOND)
        while GLib.get_monotonic_time() - self.began >= self.received.sent * self.samples.seconds() * 1e6:
            buffer = Gst.Buffer.new_wrapped(self.samples.frame(self.received.sent))
            buffer.pts = buffer.dts = self.received.sent * frame_time
            buffer.duration = frame_time
            self.source.emit("push-buffer", buffer)
            self.received.sent += 1
        return True

    def on_pad(self, _, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        sink = Gst.parse_bin_from_description(
            f"queue ! {self.depay} {self.after} ! appsink name=sink emit-signals=true sync=false", True)
        sink.get_by_name("sink").connect("new-sample", self.on_sample)
        self.endpoint.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))

    def on_sample(self, sink):
        buffer = sink.emit("pull-sample").get_buffer()
        later(self.received.add, mark_of(buffer.extract_dup(0, buffer.get_size())))
        return Gst.FlowReturn.OK


CASES = {"data": DataCase, "media": MediaCase}


def main():
    Gst.init(None)
    options = parse_options()
    if options.get("case") not in CASES:
        refuse(f"--case is one of: {' '.join(CASES)}")
    lines, loop = Lines(), GLib.MainLoop()
    endpoint = Endpoint(lines)
    case = CASES[options["case"]](endpoint, options)  # noqa: F841: kept for its handlers
    endpoint.start(options["role"] == "offerer")
    lines.read(lambda line: later(loop.quit if line.get("stop") else lambda: endpoint.handle(line)))
    loop.run()
    endpoint.pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    main()
