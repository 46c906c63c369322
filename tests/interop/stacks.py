"""The stacks that Kaon is set against: how each is had, started and called."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

import sizes

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).resolve().parent / "peers"
BUILD = ROOT / "build" / "interop"


class Missing(Exception):
    """The stack cannot be had on this machine; the text says why."""


class Broken(Exception):
    """Our program around the stack does not build."""


def run(command, folder, error, env=None):
    try:
        done = subprocess.run(command, cwd=folder, text=True, errors="replace", stdout=subprocess.PIPE, timeout=900,
                              stderr=subprocess.STDOUT, env=dict(os.environ, **(env or {})))
    except subprocess.TimeoutExpired:
        raise error(f"{' '.join(map(str, command))}: no end after 15 minutes") from None
    if done.returncode != 0:
        raise error(f"{' '.join(map(str, command))}: " + " ".join(done.stdout.splitlines()[-3:]))
    return done.stdout


def need(program):
    if not shutil.which(program):
        raise Missing(f"there is no '{program}' on this machine")


def prepare_go():
    need("go")
    env = {"GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"}
    run(["go", "mod", "download"], PEERS / "pion", Missing, env)
    run(["go", "build", "-o", BUILD / "pion", "."], PEERS / "pion", Broken, env)


def prepare_node():
    need("node")
    need("npm")
    wanted = (PEERS / "node/package-lock.json").read_bytes()
    stamp = PEERS / "node/node_modules/.installed"
    if stamp.exists() and stamp.read_bytes() == wanted:
        return
    run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], PEERS / "node", Missing)
    stamp.write_bytes(wanted)


def prepare_rust():
    need("cargo")
    env = {"CARGO_TARGET_DIR": str(BUILD / "rust")}
    run(["cargo", "fetch", "--quiet", "--locked"], PEERS / "rust", Missing, env)
    run(["cargo", "build", "--quiet", "--locked"], PEERS / "rust", Broken, env)


def prepare_gstreamer():
    need("/usr/bin/python3")
    code = "import gi; gi.require_version('GstWebRTC', '1.0'); from gi.repository import Gst, GstWebRTC; Gst.init(None); " \
           "assert all(map(Gst.ElementFactory.find, ('webrtcbin', 'nicesrc', 'rtpvp8pay', 'appsrc', 'h264parse')))"
    run(["/usr/bin/python3", "-c", code], ROOT, Missing)


def prepare_python():
    need("python3")
    stamp = BUILD / "venv/installed"
    wanted = (PEERS / "python/requirements.txt").read_bytes()
    if stamp.exists() and stamp.read_bytes() == wanted:
        return
    run(["python3", "-m", "venv", "--clear", BUILD / "venv"], ROOT, Missing)
    run([BUILD / "venv/bin/pip", "install", "--quiet", "--only-binary", ":all:", "-r", PEERS / "python/requirements.txt"], ROOT,
        Missing)
    stamp.write_bytes(wanted)


def unpack(name):
    """A package of Debian below build/interop, not installed: its service would listen to the world from then on."""
    need("apt-get")
    download = BUILD / "download"
    download.mkdir(parents=True, exist_ok=True)
    run(["apt-get", "download", name], download, Missing)
    package = max(download.glob(f"{name}_*.deb"), key=lambda path: path.stat().st_mtime)
    run(["dpkg-deb", "-x", package, BUILD / name], ROOT, Missing)


JANUS = BUILD / "janus"


def prepare_janus():
    if not (JANUS / "usr/bin/janus").exists():
        unpack("janus")


def janus_version():
    packages = sorted((BUILD / "download").glob("janus_*.deb"))
    return packages[-1].name.split("_")[1] if packages else "?"


def go_version(module):
    return re.search(rf"{re.escape(module)} v(\S+)", (PEERS / "pion/go.mod").read_text())[1]


def npm_version(package):
    return json.loads((PEERS / "node/package.json").read_text())["dependencies"][package]


def cargo_version(crate):
    return re.search(rf'^{crate} = .*"=(\S+)"', (PEERS / "rust/Cargo.toml").read_text(), re.M)[1]


def debian_version(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
    return done.stdout or "?"


def pip_version(package):
    return re.search(rf"^{package}==(\S+)", (PEERS / "python/requirements.txt").read_text(), re.M)[1]


def node_command(stack):
    return ["node", PEERS / "node/main.mjs", "--stack", stack]


@dataclass(frozen=True)
class Media:
    """What a stack does with a kind of media."""
    sends: bool = True
    receives: bool = True
    # It encodes by itself, so that what comes is not what we gave it.
    encodes: bool = False
    # It cannot tell what it received, but sends it back as answerer; as offerer it only sends.
    echoes: bool = False

    def receives_as(self, role):
        return self.receives and not (self.echoes and role == "offerer")


DATA = ("data", "data-label", "data-partial", "data-sizes", "data-loss")
ROLES = ("offerer", "answerer")
CHANNEL = frozenset({"label", "protocol", "ordered", "maxRetransmits"})
ENCODED = {name: Media() for name in ("vp8", "h264", "opus")}


@dataclass(frozen=True)
class Stack:
    name: str
    title: str
    version: Callable
    # Stacks with the same function are prepared together.
    prepare: Callable
    command: list
    data: bool = True
    # Its program can make channels of every kind.
    kinds: bool = False
    media: dict = field(default_factory=dict)
    # What it cannot tell of a channel that it did not make.
    untold: frozenset = frozenset()
    # What it announces wrongly of a channel that it makes: a known fault of `data-partial`, not looked at where many kinds are tried.
    mistold: frozenset = frozenset()
    # Cases that it can do in one role only, and which, and those that are only for some stacks, with both.
    only: dict = field(default_factory=dict)
    # Options of both programs that differ from those of the case, by its name.
    options: dict = field(default_factory=dict)
    # Options of Kaon's program because of this stack, by the name of the case.
    kaon_options: dict = field(default_factory=dict)
    # What its program or these options work around, so that the rest can be tried: sentences for docs/interop.md.
    around: tuple = ()


STACKS = [
    Stack("pion", "Pion", lambda: go_version("github.com/pion/webrtc/v4"), prepare_go, [BUILD / "pion"], kinds=True, media=ENCODED,
          only={"cryptex": ROLES}),
    Stack("libwebrtc", "libwebrtc (@roamhq/wrtc)", lambda: npm_version("@roamhq/wrtc"), prepare_node,
          node_command("wrtc"), media={"vp8": Media(encodes=True), "opus": Media(encodes=True)}),
    Stack("libdatachannel", "libdatachannel (node-datachannel)", lambda: npm_version("node-datachannel"), prepare_node,
          node_command("ndc"), media=ENCODED, untold=frozenset({"ordered", "maxRetransmits"}), around=(
              "An offerer that gets checks before it has set the answer may finish DTLS without a fingerprint and fail "
              "([#1612](https://github.com/paullouisageneau/libdatachannel/pull/1612)). Its candidates are held back until "
              "the answer is set.",)),
    Stack("aiortc", "aiortc", lambda: pip_version("aiortc"), prepare_python,
          [BUILD / "venv/bin/python", PEERS / "python/aiortc_peer.py"], media=ENCODED),
    Stack("str0m", "str0m", lambda: cargo_version("str0m"), prepare_rust, [BUILD / "rust/debug/str0m-peer"], media=ENCODED,
          options={"data-sizes": {"sizes": sizes.around_boundaries(1, 131072)}},
          around=("It sends no messages without a byte, and none that its buffer of 128 KiB does not hold.",)),
    Stack("gstreamer", "GStreamer webrtcbin", lambda: debian_version("gstreamer1.0-plugins-bad"), prepare_gstreamer,
          ["/usr/bin/python3", PEERS / "python/gstreamer_peer.py"], media=ENCODED,
          options={"data-sizes": {"sizes": sizes.around_boundaries(1, 65536)}},
          around=("Its channel ends when it is to send a message without a byte, and it gets none above 65,536 bytes, as it says.",)),
    Stack("janus", "Janus", janus_version, prepare_janus,
          ["python3", PEERS / "python/janus_peer.py", "--janus", JANUS],
          media={name: Media(echoes=True) for name in ENCODED}, untold=CHANNEL | {"messages", "bytes"},
          # Its offers are made by other plugins: textroom has a case of its own, streaming only sends.
          only={**{name: "answerer" for name in DATA}, "textroom": "offerer"},
          options={"data": {"sizes": "1,1200,1201,16384"}, "data-loss": {"sizes": "1,1159,1160,1163,1164,16384"},
                   "data-sizes": {"sizes": sizes.around_boundaries(1, 16384)}},
          kaon_options={name: {"echo-prefix": "Janus EchoTest here! You wrote: "} for name in DATA}, around=(
              "Its echotest plugin puts a sentence before texts and counts the sum in 16 bits, so that a text of 65,535 bytes "
              "comes back as one of 31. It gets messages up to 16,384 bytes.",)),
    Stack("werift", "werift", lambda: npm_version("werift"), prepare_node, node_command("werift"), kinds=True, media=ENCODED,
          mistold=frozenset({"ordered"}),
          options={"data-sizes": {"sizes": sizes.around_boundaries(1, 65536)}},
          kaon_options={name: {"setup": "active", "path-mtu-discovery": 0} for name in DATA}, around=(
              "It sends no messages without a byte, and gets none above 65,536 bytes, as it says.",
              "It chooses even or odd streams by its ICE role; RFC 8832 §6 wants the DTLS role, and tells the other side to "
              "refuse channels on the wrong half, which Kaon does. In the data cases Kaon answers `setup:active`, with which "
              "both roles agree.",
              "It throws at a chunk it does not know, such as the PAD of a path MTU probe, where RFC 9260 §3.2 wants it "
              "skipped. In the data cases Kaon does not probe (`max_probed_packet_size = 0`), which a program that talks to "
              "werift should do too.")),
]

# Faults of a stack that make a case fail, by (stack, case, role of the stack): the reason, with a link if there is one.
KNOWN_FAULTS = {
    ("werift", "data-label", "offerer"):
        "counts the characters of a label where RFC 8832 §5.1 wants the bytes of its UTF-8",
    ("aiortc", "data-label", "offerer"):
        "counts the characters of a label where RFC 8832 §5.1 wants the bytes of its UTF-8",
    ("werift", "data-partial", "offerer"):
        "announces a channel that is unordered and partially reliable as ordered "
        "([#714](https://github.com/shinyoshiaki/werift-webrtc/issues/714))",
}
