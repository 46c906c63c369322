"""What one packet costs without a network, and how large the programs are."""

import json
import subprocess
import tempfile
from pathlib import Path

from base import Bench, Unavailable
from peers import BUILD


class Micro(Bench):
    name = "micro"

    def settings(self, arguments):
        return {"payload": 1200, "seconds_each": self.seconds(arguments), "runs": arguments.runs}

    def summary(self, arguments):
        return "nanoseconds and allocations per packet; SRTP with 1,200 bytes of payload beside the bare cipher"

    @staticmethod
    def seconds(arguments):
        return min(0.5, arguments.seconds / 16)

    def run(self, _peer, arguments):
        command = [BUILD / "benchmarks" / "kaon_micro", "--benchmark_format=json",
                   f"--benchmark_min_time={self.seconds(arguments)}"]
        done = subprocess.run(command, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise Unavailable(done.stderr[-500:])
        rows = {}
        for case in json.loads(done.stdout)["benchmarks"]:
            if case.get("error_occurred"):
                raise Unavailable(f"{case['name']}: {case['error_message']}")
            name = case["name"].replace("/", "_")
            rows[f"{name}_ns"] = (case["cpu_time"], "ns")
            rows[f"{name}_allocations"] = (round(case["allocations"], 3), "per packet")
        return rows


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
