#!/usr/bin/env python3
"""Writes the tables of docs/benchmarks.md and README.md and the plot of long paths from the committed figures:
benchmarks/tables.py [--check]"""

import json
import sys
from pathlib import Path

import plot
from base import better_is_higher
from peers import PEERS

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
# Of the README: file, metric, what people call it, digits.
SHORT = [
    ("setup", "setup_ms_median", "a connection set up, new certificate, median", "ms"),
    ("setup", "setup_cpu_ms_offerer", "the same, CPU of the offering side", "ms"),
    ("roundtrips", "dtls13_sped_snap_loss0_rtts_to_data", "an open data channel after the offer, simulated", "round trips"),
    ("datachannel", "mbit_s", "one data channel, messages of 64 KiB", "Mbit/s"),
    ("datachannel", "cpu_s_per_gb_sender", "the same, CPU of the sender", "s/GB"),
    ("datachannel", "cpu_s_per_gb_receiver", "the same, CPU of the receiver", "s/GB"),
    ("memory", "kib_per_connection_offerer", "an idle connection", "KiB"),
    ("rtp", "us_per_packet_sender", "a video packet sent, 100 connections", "µs of CPU"),
    ("rtp", "us_per_packet_receiver", "the same, received", "µs of CPU"),
    ("fanout", "us_per_packet", "a video packet from the server to one of 500 viewers", "µs of CPU"),
    ("fanout", "delay_ms_p99", "the same, delay of a frame, 99 of 100", "ms"),
    ("size", "kaon_static_bytes", "the command with everything inside", "bytes"),
    ("size", "libkaon_so_bytes", "libkaon.so", "bytes"),
]


def results():
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}


def figures(result):
    """metric -> (unit, peer -> median), in the order of the file."""
    by_metric = {}
    for row in result["rows"]:
        by_metric.setdefault(row["metric"], (row["unit"], {}))[1][row["peer"]] = row["value"]
    return by_metric


def number(value):
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def ratio(metric, values):
    """Kaon's figure over the best other peer's."""
    rivals = [value for peer, value in values.items() if PEERS[peer].rival]
    if "kaon" not in values or not rivals:
        return ""
    best = max(rivals) if better_is_higher(metric) else min(rivals)
    return f"{values['kaon'] / best:.2f}" if best else ""


def full_table(name, result):
    machine = result["machine"]
    peers = list(result["versions"])
    settings = ", ".join(f"{key} {value}" for key, value in result["settings"].items())
    lines = [f"### {name}", "",
             f"{machine['date']}, {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
             f"{machine['system']}, Linux {machine['kernel']}. Settings: {settings or 'none'}. "
             + "Versions: " + ", ".join(f"{peer} {version}" for peer, version in result["versions"].items()) + "."]
    if result["busy"]:
        lines.append(f"At that time {result['busy']}.")
    compares = len(peers) > 1
    models = {"tcp", "tcp-cubic"} <= set(peers)
    head = peers + ["kaon / best"] * compares + ["tcp-cubic / tcp"] * models
    lines += ["", f"| | {' | '.join(head)} |", "|---|" + "---:|" * len(head)]
    for metric, (unit, values) in figures(result).items():
        cells = [number(values[peer]) if peer in values else "" for peer in peers]
        if compares:
            cells.append(ratio(metric, values))
        if models:
            cells.append(f"{values['tcp-cubic'] / values['tcp']:.2f}")
        lines.append(f"| {metric} ({unit}) | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def short_table(all_results):
    peers = []
    for name, *_ in SHORT:
        for peer in all_results.get(name, {"versions": {}})["versions"]:
            if peer not in peers:
                peers.append(peer)
    lines = ["| | " + " | ".join(peers) + " | kaon / best |", "|---|" + "---:|" * (len(peers) + 1)]
    for name, metric, words, unit in SHORT:
        if name not in all_results:
            continue
        values = figures(all_results[name]).get(metric, ("", {}))[1]
        cells = [number(values[peer]) if peer in values else "" for peer in peers]
        lines.append(f"| {words} ({unit}) | " + " | ".join(cells) + f" | {ratio(metric, values)} |")
    return "\n".join(lines)


def replaced(text, mark, table):
    start, end = f"<!-- {mark}: written by benchmarks/tables.py -->", f"<!-- end of {mark} -->"
    before, rest = text.split(start, 1)
    return before + start + "\n" + table + "\n" + rest[rest.index(end):]


def main():
    all_results = results()
    pages = {
        ROOT / "docs" / "benchmarks.md": ("figures", "\n\n".join(full_table(n, r) for n, r in all_results.items())),
        ROOT / "README.md": ("short figures", short_table(all_results)),
    }
    new = {path: replaced(path.read_text(encoding="utf-8"), mark, table) for path, (mark, table) in pages.items()}
    if "tunnel" in all_results:
        new[ROOT / "docs" / "images" / "longpath.svg"] = plot.draw(all_results["tunnel"])
    status = 0
    for path, text in new.items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if "--check" in sys.argv:
            print(f"{path.relative_to(ROOT)}: it is not what benchmarks/results gives")
            status = 1
        else:
            path.write_text(text, encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
