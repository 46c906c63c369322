"""Kaon's DTLS against libraries in one process and in virtual time: see README.md."""

import concurrent.futures
import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import crates  # noqa: E402

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
DRIVER = Path(os.environ.get("KAON_DTLS_DRIVER", ROOT / "build/release/tests/interop/dtls/stacks/interop_dtls_driver"))
FROM_CRATES = ROOT / "build/interop/dtls-stacks"
SECONDS = 120
# Firefox's NSS is found only when the loader is told of it, its modules and what these need.
ENVIRONMENT = {"nss": dict(os.environ, LD_LIBRARY_PATH="/usr/lib/firefox-esr")}

MTUS, LOSSES = (256, 576, 900, 1200, 1500), (0, 10, 30, 50)
SHORT_MTUS, SHORT_LOSSES = (256, 1200), (0, 10, 30)
SEEDS, SHORT_SEEDS = 20, 4
STACKS = {
    "openssl": ("1.2",),
    "gnutls": ("1.2",),
    "mbedtls": ("1.2",),
    "wolfssl": ("1.3", "1.2"),
    "nss": ("1.3", "1.2"),
    "boringssl": ("1.3", "1.2"),
}
# What a library ends connections with that it need not end, and nothing of ours brings about.
KNOWN = {"wolfssl": ("peer: Out of order message, fatal", "peer: Duplicate HandShake message Error")}


@dataclasses.dataclass
class Cell:
    """`seeds` handshakes over paths that lose `loss` percent each way and, with `disorder`, also reorder and double."""
    stack: str
    version: str
    role: str  # the library's
    mtu: int
    loss: int
    disorder: bool
    seeds: int

    @property
    def name(self):
        return (f"dtls{self.version}.{self.stack}-{self.role}.mtu{self.mtu}.loss{self.loss}"
                + (".disorder" if self.disorder else ""))


@dataclasses.dataclass
class Result:
    library: str = ""
    connected: int = 0
    in_time: int = 0  # of these, within the handshake timeout that Kaon has by itself
    median: int = 0  # milliseconds
    longest: int = 0
    ended: str = ""  # what somebody's patience has ended
    faults: str = ""


def cells(full):
    for stack, versions in STACKS.items():
        for version in versions:
            for role in ("client", "server"):
                for mtu in MTUS if full else SHORT_MTUS:
                    for loss in LOSSES if full else SHORT_LOSSES:
                        for disorder in (False, True):
                            yield Cell(stack, version, role, mtu, loss, disorder, SEEDS if full else SHORT_SEEDS)


def object_of(stack):
    folder = FROM_CRATES if stack in ("boringssl", "wolfssl") else DRIVER.parent
    return folder / f"{stack}.so"


def build_from_crates():
    """BoringSSL's and wolfSSL's, once."""
    sources = {"BORINGSSL": crates.fetch(FROM_CRATES / "fetch-boringssl", *crates.BORINGSSL) / "deps/boringssl",
               "WOLFSSL": crates.fetch(FROM_CRATES / "fetch-wolfssl", *crates.WOLFSSL) / "wolfssl-src"}
    launcher = [f"-DCMAKE_{language}_COMPILER_LAUNCHER=ccache" for language in ("C", "CXX") if shutil.which("ccache")]
    crates.run(["cmake", "-G", "Ninja", "-S", HERE / "crates", "-B", FROM_CRATES, "-DCMAKE_BUILD_TYPE=Release", *launcher,
                *(f"-D{name}={folder}" for name, folder in sources.items())], ROOT)
    crates.run(["ninja", "-C", FROM_CRATES, "stack_boringssl", "stack_wolfssl"], ROOT)


def run_cell(cell):
    command = [DRIVER, object_of(cell.stack), cell.role, cell.version, cell.mtu, cell.loss, int(cell.disorder),
               f"1-{cell.seeds}"]
    try:
        done = subprocess.run([str(word) for word in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=SECONDS, env=ENVIRONMENT.get(cell.stack))
    except subprocess.TimeoutExpired:
        return Result(faults=f"no end after {SECONDS} s")
    fields = done.stdout.removesuffix("\n").split("\t")
    if done.returncode != 0 or len(fields) != 7:
        return Result(faults=f"the driver ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    library, connected, in_time, median, longest, ended, broken = fields
    result = Result(library, int(connected), int(in_time), int(median), int(longest), ended, broken)
    if broken and all(any(why in each for why in KNOWN.get(cell.stack, ())) for each in broken.split("; ")):
        return dataclasses.replace(result, faults="", ended=broken)
    if not broken and cell.loss <= 10 and ended:
        result.faults = f"ended at {cell.loss} % loss: {ended}"
    if not broken and result.connected == 0:
        result.faults = f"never connected: {ended}"
    return result


def table(results):
    """Lines of a summary: what of each library and role came of the handshakes at each loss."""
    rows = {}
    for cell, result in results:
        rows.setdefault((result.library, cell.version, cell.role), {}).setdefault(cell.loss, []).append((cell, result))
    for (library, version, role), losses in rows.items():
        columns = []
        for loss, some in sorted(losses.items()):
            connected, in_time = sum(r.connected for _, r in some), sum(r.in_time for _, r in some)
            longest = max(r.longest for _, r in some) / 1000
            columns.append(f"{connected} of {sum(c.seeds for c, _ in some)}, {in_time} in 30 s, longest {longest:.1f} s")
        yield f"| {library} | {version} | {role} | " + " | ".join(columns) + " |"


def run_cells(chosen, tell):
    """Tells each cell; whether all are well."""
    missing = {}
    if any(object_of(cell.stack).parent == FROM_CRATES for cell in chosen):
        absent = [tool for tool in ("cargo", "cmake", "ninja") if shutil.which(tool) is None]
        try:
            if not absent:
                build_from_crates()
        except crates.Broken as why:
            tell("fail", "libraries.build", str(why).replace("\n", " | "))
            return False
        missing = {stack: f"no {absent[0]} here" for stack in ("boringssl", "wolfssl") if absent}
    for stack in STACKS:
        if stack not in missing and not object_of(stack).exists():
            missing[stack] = "its package is not installed"
    for stack in sorted({cell.stack for cell in chosen} & set(missing)):
        tell("skip", stack, missing[stack])
    chosen = [cell for cell in chosen if cell.stack not in missing]
    results = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for cell, result in zip(chosen, pool.map(run_cell, chosen)):
            results.append((cell, result))
            detail = f"{result.connected} of {cell.seeds}, median {result.median} ms, longest {result.longest} ms"
            tell("fail" if result.faults else "ok", cell.name, result.faults or " | ".join(filter(None, [detail, result.ended])))
    for line in table(results):
        print(line, flush=True)
    return all(not result.faults for _, result in results)
