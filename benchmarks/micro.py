"""What one packet costs without a network, and how large the programs are."""

import subprocess
import tempfile
from pathlib import Path

from base import Bench, Unavailable
from peers import BUILD
from stacks import Broken


class Micro(Bench):
    name = "micro"

    def settings(self, arguments):
        return {"payload": 1200, "seconds_each": self.seconds(arguments), "runs": arguments.runs}

    def summary(self, arguments):
        return "nanoseconds and allocations per packet; SRTP with 1,200 bytes of payload beside the bare cipher"

    @staticmethod
    def seconds(arguments):
        return min(0.5, arguments.seconds / 16)

    def run(self, peer, arguments):
        try:
            return {metric: (value, unit) for metric, value, unit in peer.micro(self.seconds(arguments))}
        except Broken as why:
            raise Unavailable(str(why)) from None


class Size(Bench):
    name = "size"

    def settings(self, _arguments):
        return {}

    def summary(self, _arguments):
        return "bytes of the stripped programs"

    def run(self, _peer, _arguments):
        built = subprocess.run(["ninja", "-C", BUILD, "kaon_command_static"], text=True, capture_output=True, check=False)
        if built.returncode != 0:
            raise Unavailable(" ".join(built.stdout.splitlines()[-3:]))
        found = {"kaon_static_bytes": BUILD / "static" / "kaon", "libkaon_so_bytes": BUILD / "libkaon.so"}
        rows = {}
        for metric, path in found.items():
            if path.exists():
                rows[metric] = (self.stripped(path), "bytes")
            else:
                print(f"{path.name}: not built")
        if not rows:
            raise Unavailable("nothing is built")
        return rows

    @staticmethod
    def stripped(path):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / path.name
            subprocess.run(["strip", "-o", copy, path], check=True)
            return copy.stat().st_size
