"""Who is measured: how each is built, and what it can do."""

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A build of one's own is used as it is.
OWN_BUILD = os.environ.get("KAON_BENCH_BUILD")
BUILD = Path(OWN_BUILD or ROOT / "build" / "release").resolve()
sys.path.extend([str(ROOT / "tests"), str(ROOT / "tests" / "interop")])

import stacks  # noqa: E402

ALL_PAIRS = {"setup", "datachannel", "memory", "rtp"}


class Peer:
    """A stack with a program that speaks the protocol of benchmarks/README.md."""

    name = ""
    # Kaon's figures are divided by the best rival's.
    rival = True
    benches = ALL_PAIRS
    refusals = {}
    most_connections = 1 << 30
    # How many of them keep up with 100 Mbit/s on a machine of two cores.
    full_tunnels = 3
    # In a tunnel before the machine's other work: a sender that waits for the processor with its socket locked answers for milliseconds
    # of acknowledgements at once, which overflows a short queue.
    priority = ("chrt", "--fifo", "1")
    simulated = False

    why_missing = ""

    def prepare(self):
        """Builds or fetches what it needs; missing() tells if that did not work."""
        try:
            self.make()
        except (stacks.Missing, stacks.Broken) as why:
            self.why_missing = str(why)

    def make(self):
        raise NotImplementedError

    def missing(self):
        return self.why_missing

    def command(self):
        raise NotImplementedError

    def version(self):
        raise NotImplementedError


class Kaon(Peer):
    name = "kaon"
    rival = False
    benches = ALL_PAIRS | {"fanout", "micro", "size", "turn", "longpath", "roundtrips", "tunnel", "browser", "ice", "mux"}
    controllers = "cubic,delay-cubic"

    def turn_command(self, ip, port, _folder):
        return [BUILD / "apps/kaon/kaon", "turn", "--udp", f"{ip}:{port}", "--relay-ip", ip, "--allow-peer", ip, "--user", "u:p",
                "--user-allocations", "20000", "--log", "off"]

    def ice_command(self):
        return [BUILD / "benchmarks/ice_server"]

    def micro(self, seconds):
        """Rows of metric, value and unit."""
        command = [BUILD / "benchmarks/kaon_micro", "--benchmark_format=json", f"--benchmark_min_time={seconds}"]
        done = subprocess.run(command, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise stacks.Broken(done.stderr[-500:])
        for case in json.loads(done.stdout)["benchmarks"]:
            if case.get("error_occurred"):
                raise stacks.Broken(f"{case['name']}: {case['error_message']}")
            name = case["name"].replace("/", "_")
            yield f"{name}_ns", case["cpu_time"], "ns"
            yield f"{name}_allocations", round(case["allocations"], 3), "per packet"

    def make(self):
        if OWN_BUILD:
            return
        print("building Kaon (the first time takes some minutes)", flush=True)
        stacks.run(["cmake", "--preset", "release"], ROOT, stacks.Broken)
        stacks.run(["ninja", "-C", BUILD, "kaon_benchmarks"], ROOT, stacks.Broken)

    def command(self):
        return [str(BUILD / "benchmarks" / "kaon_bench_peer")]

    def version(self):
        done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, text=True, capture_output=True)
        return done.stdout.strip() or "unknown"


def micro_of(program, seconds):
    """What a program that measures SRTP alone tells."""
    done = subprocess.run([program, str(seconds)], text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise stacks.Broken(done.stderr[-500:])
    for name, nanoseconds in json.loads(done.stdout).items():
        yield f"{name}_ns", nanoseconds, "ns"


class Pion(Peer):
    name = "pion"
    benches = ALL_PAIRS | {"micro", "turn", "tunnel", "ice", "mux"}
    full_tunnels = 1
    priority = ("nice", "--adjustment=-15")  # its threads would leave no time for anybody
    program = stacks.BUILD / "pion_bench"
    turn_server = stacks.BUILD / "pion_turnserver"
    ice_bench = stacks.BUILD / "pion_icebench"
    srtp_bench = stacks.BUILD / "pion_srtpbench"

    def make(self):
        stacks.need("go")
        env = {"GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"}
        stacks.run(["go", "mod", "download"], stacks.PEERS / "pion", stacks.Missing, env)
        for program, package in ((self.program, "./bench"), (self.turn_server, "./turnserver"), (self.ice_bench, "./icebench"),
                                 (self.srtp_bench, "./srtpbench")):
            stacks.run(["go", "build", "-o", program, package], stacks.PEERS / "pion", stacks.Broken, env)

    def command(self):
        return [str(self.program)]

    def turn_command(self, ip, port, _folder):
        return [self.turn_server, ip, str(port), "u", "p"]

    def ice_command(self):
        return [self.ice_bench, "serve"]

    def ice_path_command(self):
        return [self.ice_bench, "path"]

    def micro(self, seconds):
        return micro_of(self.srtp_bench, seconds)

    def version(self):
        return "v" + stacks.go_version("github.com/pion/webrtc/v4")


class Node(Peer):
    """A library with a binding for Node.js."""

    package = ""

    def make(self):
        stacks.prepare_node()

    def command(self):
        return ["node", str(stacks.PEERS / "node" / "bench.mjs"), self.name]

    def version(self):
        return f"{self.package} {stacks.npm_version(self.package)}"


class Libwebrtc(Node):
    name = "libwebrtc"
    package = "@roamhq/wrtc"
    benches = ALL_PAIRS - {"rtp"}
    refusals = {"rtp": "through its binding it sends only video that it encodes itself"}
    most_connections = 100  # two threads each


class Libdatachannel(Node):
    name = "libdatachannel"
    package = "node-datachannel"


class TcpCubic(Kaon):
    """A model of the TCP of Linux, in the same program."""

    name = "tcp-cubic"
    rival = True
    benches = {"longpath", "tunnel"}
    controllers = "tcp-cubic"
    simulated = True

    def version(self):
        return "model"


class Tcp(Kaon):
    """The kernel's, with CUBIC."""

    name = "tcp"
    rival = True
    benches = {"tunnel"}

    def command(self):
        return [sys.executable, str(ROOT / "benchmarks" / "tcp_peer.py")]

    def version(self):
        return f"CUBIC of Linux {platform.release()}"


class Browser(Peer):
    """Debian's, headless, driven by tests/browser."""

    benches = {"browser"}
    folder = ROOT / "tests" / "browser"

    def __init__(self, name, package):
        self.name, self.package = name, package

    def make(self):
        stacks.need(self.package)
        stacks.need("npm")
        if not (self.folder / "node_modules").exists():
            stacks.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], self.folder, stacks.Missing)

    def command(self):
        return ["node", str(ROOT / "benchmarks" / "browser.mjs"), self.name]

    def version(self):
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", self.package], capture_output=True, text=True, check=False)
        return done.stdout or "unknown"


BROWSERS = {name: Browser(name, package) for name, package in (("chromium", "chromium"), ("firefox", "firefox-esr"))}
COTURN = stacks.BUILD / "coturn"


class Coturn(Peer):
    """A TURN server only. Unpacked, because the installed package starts it."""

    name = "coturn"
    benches = {"turn"}

    def program(self):
        return shutil.which("turnserver", path=f"{COTURN}/usr/bin:{os.environ['PATH']}")

    def make(self):
        if self.program():
            return
        stacks.run([ROOT / "tools/deps.sh", "turn"], ROOT, stacks.Missing)
        stacks.unpack("coturn")

    def turn_command(self, ip, port, folder):
        return [self.program(), "-n", "--no-cli", "-L", ip, "-E", ip, "-p", str(port), "--no-tls", "--no-dtls", "-r", "kaon", "-a",
                "-u", "u:p", "--allow-loopback-peers", "--log-file", "/dev/null", "--userdb", f"{folder}/db", "--pidfile",
                f"{folder}/pid"]

    def version(self):
        done = subprocess.run([self.program(), "--version"], capture_output=True, text=True)
        return done.stdout.strip()


class Libsrtp(Peer):
    """SRTP only, as Debian builds it. Unpacked, because nothing else wants its headers."""

    name = "libsrtp"
    benches = {"micro"}
    program = stacks.BUILD / "libsrtp_micro"

    def make(self):
        stacks.need("c++")
        for package in ("libsrtp2-1", "libsrtp2-dev"):
            if not (stacks.BUILD / package).exists():
                stacks.unpack(package)
        library = next((stacks.BUILD / "libsrtp2-1").rglob("libsrtp2.so.1"))
        stacks.run(["c++", "-O2", "-I", stacks.BUILD / "libsrtp2-dev/usr/include", ROOT / "benchmarks/libsrtp.cc", library,
                    f"-Wl,-rpath,{library.parent}", "-Wl,--allow-shlib-undefined", "-o", self.program], ROOT, stacks.Missing)

    def micro(self, seconds):
        return micro_of(self.program, seconds)

    def version(self):
        packages = sorted((stacks.BUILD / "download").glob("libsrtp2-1_*.deb"))
        return packages[-1].name.split("_")[1] if packages else "?"


class Floor(Kaon):
    """No server but its system calls: what relaying costs at least on this machine."""

    name = "floor"
    benches = {"turn"}

    def turn_command(self, ip, port, _folder):
        return [BUILD / "benchmarks/turn_floor", f"{ip}:{port}"]

    def version(self):
        return "system calls only"


PEERS = {peer.name: peer for peer in (Kaon(), Pion(), Libwebrtc(), Libdatachannel(), Libsrtp(), Coturn(), Floor(), Tcp(), TcpCubic(),
                                      *BROWSERS.values())}
