"""Who is measured: how each is built, and what it can do."""

import json
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"
PROGRAMS = ROOT / "tests" / "interop" / "peers"
ALL_PAIRS = {"setup", "datachannel", "memory", "rtp"}


class Peer:
    """A stack with a program that speaks the protocol of benchmarks/README.md."""

    name = ""
    benches = ALL_PAIRS
    refusals = {}
    most_connections = 1 << 30

    def prepare(self):
        """Builds or fetches what it needs; missing() tells if that did not work."""

    def missing(self):
        return ""

    def command(self):
        raise NotImplementedError

    def version(self):
        raise NotImplementedError


class Kaon(Peer):
    name = "kaon"
    benches = ALL_PAIRS | {"fanout", "micro", "size"}

    def command(self):
        return [str(BUILD / "benchmarks" / "kaon_bench_peer")]

    def missing(self):
        return "" if (BUILD / "benchmarks" / "kaon_bench_peer").exists() else "it is not built"

    def version(self):
        done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, text=True, capture_output=True)
        return done.stdout.strip() or "unknown"


class Pion(Peer):
    name = "pion"
    program = BUILD / "pion_bench"
    folder = PROGRAMS / "pion"
    why = ""

    def prepare(self):
        if not shutil.which("go"):
            return
        BUILD.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["go", "build", "-o", self.program, "./bench"], cwd=self.folder, text=True,
                              capture_output=True)
        if done.returncode != 0:
            self.program.unlink(missing_ok=True)
            print(done.stderr[-2000:])

    def missing(self):
        if not shutil.which("go"):
            return "the Go toolchain is not installed"
        return "" if self.program.exists() else "its Go module could not be built"

    def command(self):
        return [str(self.program)]

    def version(self):
        done = subprocess.run(["go", "list", "-m", "-f", "{{.Version}}", "github.com/pion/webrtc/v4"], cwd=self.folder,
                              text=True, capture_output=True)
        return done.stdout.strip()


class Node(Peer):
    """A library with a binding for Node.js."""

    package = ""
    folder = PROGRAMS / "node"

    def prepare(self):
        if shutil.which("npm") and not (self.folder / "node_modules").exists():
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=self.folder, capture_output=True, check=False)

    def missing(self):
        if not shutil.which("node"):
            return "Node.js is not installed"
        if not (self.folder / "node_modules" / self.package).exists():
            return f"the package {self.package} could not be had"
        return ""

    def command(self):
        return ["node", str(self.folder / "bench.mjs"), self.name]

    def version(self):
        about = json.loads((self.folder / "node_modules" / self.package / "package.json").read_text(encoding="utf-8"))
        return f"{self.package} {about['version']}"


class Libwebrtc(Node):
    name = "libwebrtc"
    package = "@roamhq/wrtc"
    benches = ALL_PAIRS - {"rtp"}
    refusals = {"rtp": "through its binding it sends only video that it encodes itself"}
    most_connections = 100  # two threads each


class Libdatachannel(Node):
    name = "libdatachannel"
    package = "node-datachannel"


PEERS = {peer.name: peer for peer in (Kaon(), Pion(), Libwebrtc(), Libdatachannel())}
