#!/usr/bin/env python3
"""Measures Kaon beside other stacks; see ./bench and docs/benchmarks.md."""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import cases  # noqa: E402
import openssl35  # noqa: E402
import peers  # noqa: E402
from base import Unavailable, better_is_higher  # noqa: E402
from crates import Broken  # noqa: E402
from machine import busy, describe  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
NAMESPACE = "KAON_BENCH_NAMESPACE"
# Why peers could not be prepared, for the process in the namespace.
MISSING = "KAON_BENCH_MISSING"


def enter_namespace():
    """Runs again in a network of its own with two addresses, so that every peer has the same few candidates."""
    if os.environ.get(NAMESPACE) or os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        return
    # An end of a cable, because some peers leave out what stands on the loopback interface; packets to an address of
    # one's own never leave by it. The route leads nowhere: Firefox takes the address that it would send from.
    setup = ("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 2>/dev/null; ip link set lo up && "
             "ip link add bench0 type veth peer name bench1 && ip link set bench0 up && ip link set bench1 up && "
             "ip address add 10.9.9.1/24 dev bench0 && ip route add default dev bench0 && exec \"$@\"")
    if subprocess.run(["unshare", "--net", "true"], stderr=subprocess.DEVNULL).returncode == 0:
        environment = dict(os.environ, **{NAMESPACE: "1"})
        os.execvpe("unshare", ["unshare", "--net", "sh", "-c", setup, "sh", sys.executable, *sys.argv], environment)


def collect(bench, chosen, arguments):
    """Interleaved repetitions: metric -> peer -> one figure per run."""
    figures = {}
    units = {}
    for repetition in range(arguments.runs):
        for peer in list(chosen):
            try:
                rows = bench.run(peer, arguments)
            except Unavailable as why:
                print(f"{peer.name} left out of {bench.name}: {why}", flush=True)
                chosen.remove(peer)
                continue
            for metric, (value, unit) in rows.items():
                units[metric] = unit
                figures.setdefault(metric, {}).setdefault(peer.name, []).append(value)
    return figures, units


def table(figures, units, names):
    """Prints the medians and Kaon's ratio to the best other peer."""
    others = [name for name in names if peers.PEERS[name].rival]
    wide = max(38, *(len(f"{metric} [{units[metric]}]") + 2 for metric in figures))
    print(f"{'':{wide}}" + "".join(f"{name:>16}" for name in names) + (f"{'kaon/best':>12}" if others else ""))
    for metric, by_peer in figures.items():
        medians = {name: statistics.median(runs) for name, runs in by_peer.items()}
        line = f"{metric + ' [' + units[metric] + ']':{wide}}"
        line += "".join(f"{medians[name]:16.4g}" if name in medians else f"{'-':>16}" for name in names)
        rivals = [medians[name] for name in others if name in medians]
        if rivals and "kaon" in medians:
            best = max(rivals) if better_is_higher(metric) else min(rivals)
            line += f"{medians['kaon'] / best:12.2f}" if best else f"{'-':>12}"
        print(line, flush=True)


def rows_of(figures, units):
    return [{"peer": name, "metric": metric, "value": statistics.median(runs), "unit": units[metric], "runs": runs}
            for metric, by_peer in figures.items() for name, runs in by_peer.items()]


def parse():
    known = " ".join(cases.BENCHES)
    parser = argparse.ArgumentParser(prog="./bench", description="Measures Kaon beside other stacks.",
                                     epilog=f"benches: {known}; peers: {' '.join(peers.PEERS)}")
    parser.add_argument("benches", nargs="*", metavar="NAME", help=f"one of: {known}")
    parser.add_argument("--peers", help="who is measured, with commas; those that have a part in it if not said")
    parser.add_argument("--json", metavar="FILE", help="write the figures there; {} stands for the name of the bench")
    parser.add_argument("--runs", type=int, default=3, help="repetitions, interleaved over the peers")
    parser.add_argument("--count", type=int, help="connections, or viewers")
    parser.add_argument("--seconds", type=float, default=8, help="length of the measured window")
    parser.add_argument("--burst", type=int, help="setup: this many connections at once instead of one after another")
    parser.add_argument("--cached-certificate", action="store_true", help="setup: one certificate for all connections")
    parser.add_argument("--openssl35", action="store_true",
                        help="roundtrips: with ML-KEM too, of an OpenSSL 3.5 that is built for it (tests/openssl35.py)")
    parser.add_argument("--message-size", type=int, default=65536, help="datachannel: bytes of a message")
    parser.add_argument("--channels", type=int, default=1, help="datachannel: channels at once")
    parser.add_argument("--latency", action="store_true",
                        help="datachannel: the round trip of a small message beside a bulk transfer, simulated")
    parser.add_argument("--unordered", action="store_true", help="datachannel: without order")
    # The wrong word first, then what would have been right.
    arguments, unknown = parser.parse_known_args()
    if unknown:
        options = " ".join(sorted(o for a in parser._actions for o in a.option_strings if o.startswith("--")))
        parser.exit(2, f"unknown option {unknown[0]}; the options are: {options}\n")
    for name in arguments.benches:
        if name not in cases.BENCHES:
            parser.exit(2, f"unknown bench '{name}'; the benches are: {known}\n")
    benches = set(arguments.benches or cases.BENCHES)
    able = [name for name, peer in peers.PEERS.items() if benches & (peer.benches | peer.refusals.keys())]
    arguments.peers = arguments.peers.split(",") if arguments.peers else able
    for name in arguments.peers:
        if name not in peers.PEERS:
            parser.exit(2, f"unknown peer '{name}'; the peers are: {' '.join(peers.PEERS)}\n")
    if not arguments.benches:
        arguments.benches = list(cases.BENCHES)
    if arguments.json and len(arguments.benches) > 1 and "{}" not in arguments.json:
        parser.exit(2, "several benches: the file's name needs {} for the name of the bench\n")
    return arguments


def main():
    arguments = parse()
    # Before the network is left behind: peers come from package registries.
    if not os.environ.get(NAMESPACE):
        for name in arguments.peers:
            peers.PEERS[name].prepare()
        if arguments.openssl35:
            with contextlib.suppress(openssl35.ToolMissing, Broken):  # the bench says it
                openssl35.build()
        os.environ[MISSING] = json.dumps({name: peers.PEERS[name].why_missing for name in arguments.peers})
    enter_namespace()
    for name, why in json.loads(os.environ.get(MISSING, "{}")).items():
        peers.PEERS[name].why_missing = why
    status = 0
    for name in arguments.benches:
        bench = cases.BENCHES[name]
        print(f"\n{name}: {bench.summary(arguments)}", flush=True)
        warning = busy()
        if warning:
            print(warning, flush=True)
        chosen = []
        for peer in (peers.PEERS[n] for n in arguments.peers):
            why = peer.missing() or bench.refuses(peer)
            if why:
                print(f"{peer.name} left out of {name}: {why}", flush=True)
            else:
                chosen.append(peer)
        figures, units = collect(bench, chosen, arguments)
        if not figures:
            status = 1
            continue
        table(figures, units, [peer.name for peer in chosen])
        if arguments.json:
            result = {"bench": name, "machine": describe(), "settings": bench.settings(arguments),
                      "busy": warning, "versions": {peer.name: peer.version() for peer in chosen},
                      "rows": rows_of(figures, units)}
            Path(arguments.json.replace("{}", name)).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
