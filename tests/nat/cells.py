"""What is tried between peers behind NATs. A cell is a name, what it needs, and a coroutine that
gives back a line of figures."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from lab import (BLOCKED, FULL, KINDS, PASSWORD, PORT, PORT_RESTRICTED, ROOT, SERVER, SYMMETRIC, TLS_PORT, USER, Lab,
                 ask_server)

sys.path.append(str(ROOT / "tests/interop"))
from session import Fault, run_pair  # noqa: E402
from stacks import BUILD  # noqa: E402

KAON_PEER = Path(os.environ.get("KAON_PEER", ROOT / "build/release/tests/interop/peers/kaon/interop_kaon"))
COMMANDS = {"kaon": [KAON_PEER], "pion": [BUILD / "pion"], "chromium": ["node", ROOT / "tests/browser/peer.mjs"]}
SECONDS = 40
UDP, TCP, TLS = f"turn:{SERVER}:{PORT}", f"turn:{SERVER}:{PORT}?transport=tcp", f"turns:{SERVER}:{TLS_PORT}?transport=tcp"
STUN = f"stun:{SERVER}:{PORT}"
FRAME_MS = 20  # between two frames of a call
SETTLED = 0.7  # seconds in which a better path than the first is taken


@dataclass(frozen=True)
class Cell:
    name: str
    run: Callable  # of the cell's name for namespaces, and a folder
    needs: frozenset = frozenset()
    # Run also when the run is not a full one.
    short: bool = False


def passes(a, b):
    """Whether two NATs let a direct path be found (RFC 4787); tests/scenario asks the same of simulated ones. A mapping that
    depends on the port is learned only by who lets everybody in."""
    if BLOCKED in (a, b):
        return False
    return SYMMETRIC not in (a, b) or FULL in (a, b)


def start_of(lab, stack, host, urls, more):
    """Command and options of a peer on that host."""
    options = {"case": "call", "ice-servers": ",".join(urls), "ice-user": USER, "ice-password": PASSWORD, **more}
    if stack == "chromium":  # its driver stays outside
        return COMMANDS[stack], {**options, "prefix": " ".join(lab.inside(host))}
    return [*lab.inside(host), "env", f"SSL_CERT_FILE={lab.certificate}", *COMMANDS[stack]], options


async def call(lab, stacks, urls, script, seconds=SECONDS, change=lambda sender, line: line, options=None):
    """A call from the host A to the host B; `stacks` and `urls` are those of A and of B. What `script` gives back."""
    starts = [start_of(lab, stack, host, own, options or {}) for stack, host, own in zip(stacks, "AB", urls)]
    return await run_pair([command for command, _ in starts], [options for _, options in starts], seconds, script, change)


class Clock:
    """When the answer was on its way, from which on both know each other."""

    def __init__(self, change=lambda sender, line: line):
        self.answered, self.also = None, change

    def __call__(self, sender, line):
        if self.answered is None and line.get("description", {}).get("type") == "answer":
            self.answered = asyncio.get_running_loop().time()
        return self.also(sender, line)


async def connected(offerer, answerer, clock):
    """Milliseconds from the answer until both sides are connected."""
    events = await asyncio.gather(offerer.event("connected"), answerer.event("connected"))
    return max(0, round((max(event["at"] for event in events) - clock.answered) * 1000))


async def reports(*peers):
    return await asyncio.gather(*(peer.ask("report") for peer in peers))


def path_of(report):
    """As "host>srflx udp"."""
    if "local" not in report:
        return "no path"
    local, remote = report["local"], report["remote"]
    protocol = local.get("relayProtocol") or local["protocol"]
    return f"{local['type']}>{remote['type']} {protocol}"


def over_relay(report):
    return "relay" in (report["local"]["type"], report["remote"]["type"])


def must(condition, text):
    if not condition:
        raise Fault(text)


def flows(told, seconds):
    for report in told:
        enough = report["received"] >= seconds * 1000 / FRAME_MS * 0.7
        must(enough, f"only {report['received']} frames in {seconds} s: {report}")


def nat_cell(stacks, server, kinds, blocked_by=None, short=False):
    """`blocked_by` is the transport to the server of those who may not use UDP: "tcp" or "tls"."""
    name = f"{'-'.join(stacks)}.{'-'.join(kinds)}{f'.{blocked_by}' if blocked_by else ''}.{server}"

    async def run(prefix, folder):
        with Lab(prefix, {"A": [kinds[0]], "B": [kinds[1]]}, folder) as lab:
            lab.serve(server)
            blocked = [TCP if blocked_by == "tcp" else TLS]
            urls = [blocked if kind == BLOCKED else [STUN, UDP] for kind in kinds]
            clock = Clock()

            async def script(offerer, answerer):
                ms = await connected(offerer, answerer, clock)
                await asyncio.sleep(SETTLED)
                await reports(offerer, answerer)
                await asyncio.sleep(0.3)
                return ms, await reports(offerer, answerer)

            ms, told = await call(lab, stacks, urls, script, change=clock)
        paths = [path_of(report) for report in told]
        flows(told, 0.3)
        for report, path in zip(told, paths):
            must(over_relay(report) != passes(*kinds), f"{path}, where {'no' if passes(*kinds) else 'a'} relay is expected")
        # Who may not use UDP can only be at its own relay, and it tells how it speaks to it if it tells that at all.
        for kind, report in zip(kinds, told):
            if kind == BLOCKED:
                must(report["local"]["type"] == "relay", f"{path_of(report)}, where UDP is blocked")
                transport = report["local"].get("relayProtocol", blocked_by)
                must(transport == blocked_by, f"{path_of(report)}, not over {blocked_by}")
        return f"{ms} ms, {paths[0]}, {paths[1]}"

    return Cell(name, run, frozenset({server, *stacks} - {"kaon"}), short)


def routers_cell():
    """That the routers translate as they are called."""

    async def run(prefix, folder):
        for kind, wanted in KINDS.items():
            with Lab(prefix, {"A": [kind]}, folder) as lab:
                found = ask_server(lab, "A")
                must(found == wanted, f"{kind}: mapping and filtering are {found}, not {wanted}")
        return f"{len(KINDS)} kinds"

    return Cell("routers", run, short=True)


OPEN = (FULL, PORT_RESTRICTED, SYMMETRIC)
KAON = ("kaon", "kaon")
SHORT = {(PORT_RESTRICTED, PORT_RESTRICTED), (FULL, SYMMETRIC), (PORT_RESTRICTED, SYMMETRIC), (SYMMETRIC, SYMMETRIC)}


def cells():
    yield routers_cell()
    for server in ("kaon", "coturn"):
        first = server == "kaon"
        for a in OPEN:
            for b in OPEN:
                if first or a == b:
                    short = (a, b) in SHORT if first else a == b == SYMMETRIC
                    yield nat_cell(KAON, server, (a, b), short=short)
        for blocked_by in ("tcp", "tls"):
            yield nat_cell(KAON, server, (BLOCKED, PORT_RESTRICTED), blocked_by, short=first)
            yield nat_cell(KAON, server, (SYMMETRIC, BLOCKED), blocked_by)
            yield nat_cell(KAON, server, (BLOCKED, BLOCKED), blocked_by, short=first and blocked_by == "tls")
    for stacks in (("kaon", "pion"), ("pion", "kaon")):
        for kinds in sorted(SHORT):
            yield nat_cell(stacks, "kaon", kinds)
        for blocked_by in ("tcp", "tls"):
            yield nat_cell(stacks, "kaon", (BLOCKED, BLOCKED), blocked_by)
        yield nat_cell(stacks, "coturn", (SYMMETRIC, SYMMETRIC))
    for stacks in (("kaon", "chromium"), ("chromium", "kaon")):
        yield nat_cell(stacks, "kaon", (SYMMETRIC, SYMMETRIC))
        yield nat_cell(stacks, "kaon", (BLOCKED, BLOCKED), "tls")
    yield nat_cell(("kaon", "chromium"), "coturn", (SYMMETRIC, SYMMETRIC))
    yield nat_cell(("chromium", "kaon"), "kaon", (FULL, SYMMETRIC))
