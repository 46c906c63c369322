#!/usr/bin/env python3
"""Runs the fuzzers of a sanitizer build (see fuzz/README.md) and tells "ok|fail<TAB>target<TAB>detail" of each.

What a run finds stays in build/fuzz: new inputs in corpus/TARGET, which the next run starts from, and failing ones in
crashes. Without --minutes a run is short and the same each time: the committed inputs and a fixed number of mutations
from a fixed seed. --merge takes into fuzz/corpus what adds coverage, in the smallest form. A run with --minutes is added to
fuzz/record.json, from which the table in fuzz/README.md is written."""

import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "fuzz/corpus"
FOUND = ROOT / "build/fuzz/corpus"
CRASHES = ROOT / "build/fuzz/crashes"
RECORD = ROOT / "fuzz/record.json"
PAGE = ROOT / "fuzz/README.md"
AIM_MINUTES = 30  # of CPU, per target
# Mutations of a short run; fewer where one takes long.
SHORT_RUNS = 2000
SHORT_RUNS_OF = {"datachannel_channels": 300, "dtls_connection": 100, "ice_agent": 300, "peer_connection": 50,
                 "peer_negotiation": 400, "http_server": 0}  # whose sockets and clock are real: no two runs are the same
# An input of a state machine is a list of operations: long ones only repeat themselves.
MAX_BYTES = {"peer_connection": 2048, "dtls_connection": 2048, "ice_agent": 2048, "sctp_association": 2048,
             "datachannel_channels": 2048, "peer_negotiation": 4096, "container_ivf": 8192, "container_ogg": 8192}
ENVIRONMENT = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:allocator_may_return_null=1",
                   UBSAN_OPTIONS="print_stacktrace=1")


def options(name):
    return [f"-max_len={MAX_BYTES.get(name, 4096)}", "-timeout=20", "-rss_limit_mb=2048", "-malloc_limit_mb=256",
            "-len_control=20"]


def last(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def fuzz(program, seconds):
    """Line about one target, and what the record takes of it. A short run if `seconds` is 0."""
    name = program.name.removeprefix("fuzz_")
    seeds = CORPUS / name
    with tempfile.TemporaryDirectory() as nothing, tempfile.TemporaryFile("w+", errors="replace") as output:
        found = FOUND / name if seconds else Path(nothing)
        for folder in (found, seeds, CRASHES):
            folder.mkdir(parents=True, exist_ok=True)
        inputs = sum(1 for _ in seeds.iterdir())
        length = [f"-max_total_time={seconds}"] if seconds else \
            ["-seed=1", f"-runs={inputs + SHORT_RUNS_OF.get(name, SHORT_RUNS)}"]
        child = subprocess.Popen([program, *options(name), *length, "-print_final_stats=1",
                                  f"-artifact_prefix={CRASHES}/{name}-", found, seeds], cwd=ROOT, stdout=output,
                                 stderr=subprocess.STDOUT, env=ENVIRONMENT)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    executions = last(r"stat::number_of_executed_units: (\d+)", text)
    inputs, coverage = last(r"corp: (\d+)", text), last(r"cov: (\d+)", text)
    detail = f"{executions} executions, {inputs} inputs, coverage {coverage}"
    spent = {"cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1), "executions": executions, "coverage": coverage}
    if child.returncode == 0:
        return f"ok\t{name}\t{detail}", spent
    return f"fail\t{name}\t{detail}\t{crash(program, name, text)}", spent


def remember(name, spent):
    """Adds a run to the record."""
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    old = record.get(name, {"cpu_seconds": 0, "executions": 0})
    record[name] = {"cpu_seconds": round(old["cpu_seconds"] + spent["cpu_seconds"], 1),
                    "executions": old["executions"] + spent["executions"], "coverage": spent["coverage"],
                    "last": time.strftime("%Y-%m-%d")}
    RECORD.write_text(json.dumps(dict(sorted(record.items())), indent=1) + "\n", encoding="utf-8")


def page():
    """fuzz/README.md with the table of the record and of the committed corpora."""
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    rows = ["| Target | CPU minutes | Executions | Edges | Inputs | Bytes | Last run |", "|---|---:|---:|---:|---:|---:|---|"]
    for folder in sorted(path for path in CORPUS.iterdir() if path.is_dir()):
        sizes = [file.stat().st_size for file in folder.iterdir()]
        run = record.get(folder.name, {"cpu_seconds": 0, "executions": 0, "coverage": 0, "last": ""})
        rows.append(f"| `{folder.name}` | {run['cpu_seconds'] / 60:.1f} | {run['executions']:,} | {run['coverage']:,} | "
                    f"{len(sizes)} | {sum(sizes):,} | {run['last']} |")
    before, rest = PAGE.read_text(encoding="utf-8").split("<!-- table: written by tests/fuzz.py -->", 1)
    return f"{before}<!-- table: written by tests/fuzz.py -->\n" + "\n".join(rows) + "\n" + rest[rest.index("<!-- end of table"):]


def check_page():
    """Line about the table."""
    if page() == PAGE.read_text(encoding="utf-8"):
        return "ok\ttable\tfuzz/README.md has the figures of fuzz/record.json"
    return "fail\ttable\tfuzz/README.md: its table is not that of fuzz/record.json; tests/fuzz.py --table writes it"


def crash(program, name, text):
    """What went wrong, and how to see it again."""
    wrong = [line for line in text.splitlines() if re.search(r"broken invariant|ERROR: |runtime error|SUMMARY", line)]
    kept = re.findall(r"Test unit written to (\S+)", text)
    again = [f"replay: {program.relative_to(ROOT)} {file}" for file in kept]
    return "\t".join((wrong or text.splitlines()[-5:]) + again)


def merge(program):
    """fuzz/corpus/TARGET anew: of all inputs there are, few and short ones that reach every edge that all reach."""
    name = program.name.removeprefix("fuzz_")
    with tempfile.TemporaryDirectory() as fresh:
        folders = [folder for folder in (CORPUS / name, FOUND / name) if folder.exists()]
        done = subprocess.run([program, *options(name), "-merge=1", "-use_counters=0", fresh, *folders], cwd=ROOT, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENVIRONMENT)
        kept = list(Path(fresh).iterdir())
        if done.returncode != 0 or not kept:
            return f"fail\t{name}\t{crash(program, name, done.stdout)}"
        shutil.rmtree(CORPUS / name, ignore_errors=True)
        shutil.copytree(fresh, CORPUS / name)
        return f"ok\t{name}\t{len(kept)} inputs, {sum(file.stat().st_size for file in kept)} bytes"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, default=ROOT / "build/asan-ubsan/fuzz", help="where the fuzzers are")
    parser.add_argument("--minutes", type=float, help="per target; a short run if not given")
    parser.add_argument("--target", action="append", default=[], help="these only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--full", action="store_true", help="two minutes per target")
    parser.add_argument("--merge", action="store_true", help="minimise fuzz/corpus with what was found")
    parser.add_argument("--table", action="store_true", help="write the table of fuzz/README.md only")
    parser.add_argument("--short-of-aim", action="store_true", help=f"only targets with less than {AIM_MINUTES} CPU minutes yet")
    args = parser.parse_args()
    if args.table:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    programs = {path.name.removeprefix("fuzz_"): path.resolve() for path in sorted(args.programs.glob("fuzz_*"))
                if path.is_file() and os.access(path, os.X_OK)}
    unknown = [name for name in args.target if name not in programs]
    if unknown or not programs:
        print(f"fail\t{unknown[0] if unknown else 'build'}\tno such target; there are: {' '.join(programs)}")
        return 1
    names = args.target or list(programs)
    if args.short_of_aim:
        record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
        names = [name for name in names if record.get(name, {"cpu_seconds": 0})["cpu_seconds"] < AIM_MINUTES * 60]
    lines = merge_all(names, programs, args.jobs) if args.merge else fuzz_all(names, programs, args)
    failed = False
    for line in lines:
        failed |= line.startswith("fail")
        print(line, flush=True)
    return 1 if failed else 0


def fuzz_all(names, programs, args):
    """A line per target as they end."""
    seconds = round(args.minutes * 60) if args.minutes else 120 if args.full else 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        running = {pool.submit(fuzz, programs[name], seconds): name for name in names}
        for done in concurrent.futures.as_completed(running):
            line, spent = done.result()
            if args.minutes:
                remember(running[done], spent)
            yield line
    if args.minutes:
        PAGE.write_text(page(), encoding="utf-8")
    yield check_page()


def merge_all(names, programs, jobs):
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(merge, [programs[name] for name in names])
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
