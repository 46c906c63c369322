"""Captures, key logs, traces and `kaon inspect`: what docs/guide/debugging.md promises, with tshark as the judge."""

import collections
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from kaon import PROGRAM, ROOT, Server, run, until

MEDIA = ROOT / "testdata/media"
GOLDEN = Path(__file__).parent.parent / "golden"
EXAMPLE = PROGRAM.parent.parent.parent / "examples/bin/tracing"
SECONDS = 40


def tool(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=SECONDS, **options)
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stderr[-500:]}"
    return done.stdout


def fields(file, *names, show="", port=None, options=()):
    """The fields that tshark finds, one tuple per packet. With `port`, RTP in the clear is looked for there; DTLS must not
    be looked at then, because a handshake with use_srtp makes tshark take all that follows for SRTP."""
    command = ["tshark", "-n", "-r", file, *options, "-T", "fields", "-E", "occurrence=a"]
    command += ["-d", f"udp.port=={port},rtp", "--disable-protocol", "dtls"] if port else []
    command += ["-Y", show] if show else []
    for name in names:
        command += ["-e", name]
    return [tuple(line.split("\t")) for line in tool(*command).splitlines()]


def protocols(file, port=None):
    return collections.Counter(name for name, in fields(file, "_ws.col.Protocol", port=port))


def events(file):
    """(header, events) of a trace; every line must be an object."""
    lines = [json.loads(line) for line in Path(file).read_text().splitlines()]
    return lines[0], lines[1:]


def send_and_record(server, folder, *record_options):
    """A picture file through the server into another file, with a capture of what the sender sent."""
    url = f"http://127.0.0.1:{server.port}"
    sender = subprocess.Popen([PROGRAM, "whip", "--delay", "2", "--capture", folder / "sender.pcapng", MEDIA / "vp8.ivf",
                               f"{url}/whip/live"], stdout=subprocess.DEVNULL)
    try:
        until(lambda: server.api("streams")["streams"], "a stream")
        status, out, err = run("record", *record_options, f"{url}/whep/live", folder / "out.ivf")
        assert status == 0, out + err
        assert sender.wait(SECONDS) == 0
    finally:
        sender.kill()
        sender.wait()


def test_captures_hold_what_was_sent_in_the_clear_and_as_it_was():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clear, wire, keys, trace = (folder / file for file in ("clear.pcapng", "wire.pcapng", "keys.txt", "events.jsonl"))
        with Server("--max-dtls", "1.2", "--no-sped", "--capture", clear, "--capture-wire", wire, "--trace", trace, "--loops", 2,
                    env={"SSLKEYLOGFILE": str(keys)}) as server:
            port = server.udp_port
            send_and_record(server, folder)
        counts = protocols(clear, port)
        assert set(counts) == {"STUN", "RTP", "RTCP"}, counts
        assert protocols(clear)["DTLSv1.2"] >= 6, protocols(clear)

        # The server received, decrypted, what the sender sent before encryption; a viewer gets as much again.
        sent = {row for row in fields(folder / "sender.pcapng", "rtp.ssrc", "rtp.seq", "rtp.payload", show="rtp.version == 2 && !rtcp",
                                      port=port) if row[2]}
        received = set(fields(clear, "rtp.ssrc", "rtp.seq", "rtp.payload", show=f"rtp.version == 2 && !rtcp && udp.dstport=={port}",
                              port=port))
        forwarded = fields(clear, "rtp.payload", show=f"rtp.version == 2 && !rtcp && udp.srcport=={port}", port=port)
        assert len(sent) >= 10 and sent <= received, f"{len(sent)} sent, {len(received)} received"
        assert {payload for _, _, payload in sent} == {payload for payload, in forwarded}
        # On the wire the same packets are there, but nobody can read them.
        packed = fields(wire, "rtp.ssrc", "rtp.seq", "rtp.payload", show="rtp.version == 2 && !rtcp", port=port)
        assert len(packed) == len(received) + len(forwarded), f"{len(packed)} on the wire"
        assert not {payload for _, _, payload in sent} & {payload for _, _, payload in packed}

        decrypts_with_the_key_log(wire, keys)
        header, told = events(trace)
        assert header["schema"] == "kaon-trace-1"
        names = collections.Counter(event["name"] for event in told)
        assert names["dtls:connected"] == 2 and names["ice:pair"] >= 2, names
        connections = {event["connection"] for event in told}
        assert len(connections) == 2 and set(fields(clear, "frame.comment")) == {(f"connection {c}",) for c in connections}
        states = [event["data"]["state"] for event in told if event["name"] == "connection:state"]
        assert states.count("connected") == 2 and states.count("closed") == 2, states
        times = [event["time"] for event in told]
        assert min(times) >= 0 and max(times) < 60_000
        return " ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def decrypts_with_the_key_log(wire, keys):
    """Finished messages can be read with the key log and not without; not all of them, because tshark loses a handshake in which
    something was sent again."""
    finished = "dtls.handshake.type == 20"
    assert fields(wire, "frame.number", show=finished) == []
    with_keys = fields(wire, "frame.number", show=finished, options=["-o", f"tls.keylog_file:{keys}"])
    assert with_keys, "no Finished could be read"


def test_data_channels_are_dissected_by_tshark():
    with tempfile.TemporaryDirectory() as folder:
        name = Path(folder, "call")
        keys = Path(folder, "keys.txt")
        assert "written" in tool(EXAMPLE, name, env=dict(os.environ, SSLKEYLOGFILE=str(keys)))
        clear, wire = f"{name}.pcapng", f"{name}.wire.pcapng"
        counts = protocols(clear)
        assert set(counts) <= {"STUN", "DTLSv1.2", "DTLS", "SCTP", "RTCDC"} and counts["SCTP"] > 5, counts
        assert "chat" in [label for label, in fields(clear, "rtcdc.label", show="rtcdc.label")]
        bad = fields(clear, "frame.number", show="sctp.checksum.status == 0", options=["-o", "sctp.checksum:CRC32C"])
        assert bad == [], f"checksums of packets {bad}"
        types = {kind for kinds, in fields(clear, "sctp.chunk_type", show="sctp") for kind in kinds.split(",")}
        assert {"64", "1", "2", "3", "10", "11"} <= types, types  # I-DATA, INIT, INIT ACK, SACK, COOKIE ECHO, COOKIE ACK
        data = "".join(text for text, in fields(clear, "data.data", show="data.data"))
        assert "hello".encode().hex() in data and b"echo: hello".hex() in data and "78" * 900 in data, data[:300]
        decrypts_with_the_key_log(wire, keys)
        names = {event["name"] for event in events(f"{name}.jsonl")[1]}
        assert {"connection:state", "ice:state", "ice:candidate", "ice:pair", "dtls:connected", "sctp:metrics"} <= names
        inspected = tool(PROGRAM, "inspect", clear)
        assert 'DCEP OPEN label "chat", protocol "text", ordered, reliable' in inspected, inspected[:2000]
        assert 'text "hello"' in inspected and "COOKIE-ECHO" in inspected and "ClientHello" in inspected
        assert "! " not in inspected, [line for line in inspected.splitlines() if "! " in line]
        return " ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def test_log_lines_at_trace_level_become_a_capture():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Server("--log", "trace") as server:
            send_and_record(server, folder)
            log = server.errors()
        lines = re.findall(r"trace (?:rtp|rtcp): ([IO] \S+ 0000 .*) #", log)
        assert len(lines) >= 20, log[:500]
        (folder / "rtp.txt").write_text("".join(line + "\n" for line in lines))
        tool("text2pcap", "-q", "-D", "-t", "%H:%M:%S.%f", "-u", "7878,7879", folder / "rtp.txt", folder / "rtp.pcapng")
        counts = protocols(folder / "rtp.pcapng", 7878)
        assert set(counts) == {"RTP", "RTCP"} and sum(counts.values()) == len(lines), counts


def test_trace_file_that_cannot_be_written_is_one_clear_line():
    for option in ("--capture", "--capture-wire", "--trace"):
        status, out, err = run("serve", "--http", "127.0.0.1:0", "--udp", 0, option, "/nonexistent/file")
        assert status == 1 and out == "" and err.startswith("kaon: ") and "/nonexistent/file" in err, err
        assert err.count("\n") == 1, err


# -- inspect ---------------------------------------------------------------------------------------------------------

INSPECTED = {
    "chromium_rtp": "testdata/rtp/chromium.hex",
    "chromium_offer": "testdata/sdp/chromium156/av-data.offer.sdp",
    "firefox_simulcast": "testdata/sdp/firefox153esr/simulcast.offer.sdp",
    "stun_rfc5769": "tests/server/golden/stun_rfc5769.hex",
    "dtls_sctp": "tests/server/golden/dtls_sctp.hex",
}


def test_inspect_says_what_it_always_said():
    """Golden outputs; KAON_GOLDEN=write makes them anew."""
    for name, file in INSPECTED.items():
        source = (ROOT / file).read_text()
        if name == "chromium_rtp":
            # "rtp 90ef…" per line: the kind goes, and an offset begins each packet.
            source = "".join(f"0000 {' '.join(re.findall('..', line.split()[1]))}\n" for line in source.splitlines())
        done = subprocess.run([PROGRAM, "inspect", "-"], input=source, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 0, f"{name}: {done.stderr}"
        golden = GOLDEN / f"{name}.txt"
        if os.environ.get("KAON_GOLDEN") == "write":
            golden.write_text(done.stdout)
        assert done.stdout == golden.read_text(), f"{name}: the output has changed; see the docstring"


GARBAGE = [  # input, what the one line must say
    (b"", "byte 0: expected a packet, a capture or a session description, found nothing"),
    (b"hello", "byte 0: expected STUN (0 to 3)"),
    (b"\xff" * 40, "byte 0: expected STUN (0 to 3)"),
    (b"\x00\x01\x00\x08\x21\x12\xa4\x42" + b"\0" * 12 + b"\x80\x22\x00\x09kaon", "byte 22: expected an attribute of at most 4 bytes"),
    (b"\x00\x01\x00\x00\xde\xad\xbe\xef" + b"\0" * 12, "byte 4: expected the magic cookie"),
    (b"\x16\xfe\xff" + b"\0" * 8 + b"\x00\x20short", "byte 11: expected a record of at most 5 bytes, found 32"),
    (b"\x16\x03\x03" + b"\0" * 10, "byte 1: expected a DTLS version"),
    (b"\x90\x60\0\1" + b"\0" * 8 + b"\xbe\xde\0\7aa", "byte 14: expected extensions of at most 0 words, found 7"),
    (b"\x8f\x60\0\1" + b"\0" * 8, "byte 12: expected 15 contributing sources"),
    (b"\x80\xc8\0\x06" + b"\0" * 8, "byte 2: expected a length of at most 2 words, found 6"),
    (b"\x80\xc8\0\x01" + b"\0" * 4, "byte 4: expected fields of packet type 200"),
    (b"\x13\x88\x13\x88" + b"\1" * 8 + b"\0\3\0\2", "byte 8: expected the CRC-32C"),
    (b"80 60 zz", "byte 6: expected a hexadecimal digit"),
    (b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio x\r\n", "line 5"),
    (b"\x0a\x0d\x0d\x0a\x1c\0\0\0nope" + b"\0" * 16, "byte 8: expected the byte-order magic"),
    (b"\xd4\xc3\xb2\xa1\x02\0\x04\0" + b"\0" * 12 + b"\x65\0\0\0" + b"\0" * 8 + b"\xff\0\0\0\xff\0\0\0abc",
     "byte 43: expected 252 more bytes of a packet"),
]


def test_inspect_of_garbage_says_at_which_byte_what_was_expected():
    for data, expected in GARBAGE:
        done = subprocess.run([PROGRAM, "inspect", "-"], input=data, capture_output=True, timeout=SECONDS)
        err = done.stderr.decode()
        assert done.returncode == 1 and err.count("\n") == 1, f"{data[:20]}: {done.returncode} {err}"
        assert err.startswith("kaon: -: byte ") and expected in err, f"{data[:20]}: {err}"
    status, out, err = run("inspect", "/nonexistent/file")
    assert status == 1 and "/nonexistent/file cannot be read" in err


def packets_of(name):
    return [bytes.fromhex(line[5:]) for line in (GOLDEN / name).read_text().splitlines() if line.startswith("0000 ")]


def test_inspect_survives_every_prefix_and_every_changed_byte():
    rtp = [bytes.fromhex(line.split()[1]) for line in (ROOT / "testdata/rtp/chromium.hex").read_text().splitlines()]
    broken = []
    for packet in packets_of("stun_rfc5769.hex") + packets_of("dtls_sctp.hex") + rtp[:12]:
        broken += [packet[:size] for size in range(len(packet))]
        broken += [packet[:at] + bytes([packet[at] ^ 0xFF]) + packet[at + 1:] for at in range(len(packet))]
    dump = "".join(f"0000 {packet.hex(' ')}\n" for packet in broken)
    done = subprocess.run([PROGRAM, "inspect", "-"], input=dump, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1, f"{done.returncode}: {done.stderr[-500:]}"
    assert len(re.findall("^#", done.stdout, re.M)) == len(broken)


# -- the guide -------------------------------------------------------------------------------------------------------


def test_every_command_of_the_guide_runs():
    guide = (ROOT / "docs/guide/debugging.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", guide, re.S | re.M)
    assert len(blocks) >= 5, f"{len(blocks)} blocks"
    with tempfile.TemporaryDirectory() as folder:
        for file, name in ((MEDIA / "vp8.ivf", "camera.ivf"), (ROOT / "testdata/sdp/chromium156/av-data.offer.sdp", "offer.sdp")):
            Path(folder, name).write_bytes(file.read_bytes())
        with Server() as server:  # for two ports that are free now
            ports = server.port, server.udp_port
        script = "set -e\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n"
        for number, block in enumerate(blocks):
            script += f"echo '--- block {number}' >&2\n" + block
        script = script.replace("8080", str(ports[0])).replace("7878", str(ports[1]))
        environment = dict(os.environ, PATH=f"{PROGRAM.parent}:{os.environ['PATH']}")
        done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{done.returncode}: {done.stderr[-1500:]}"
        for word in re.findall(r"<!-- shows: (.*?) -->", guide):
            assert word in done.stdout, f"nothing shows '{word}': {done.stdout[:3000]}"
