"""The stacks that Kaon is set against: how each is had, started and called."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).resolve().parent / "peers"
BUILD = ROOT / "build" / "interop"


class Missing(Exception):
    """The stack cannot be had on this machine; the text says why."""


class Broken(Exception):
    """Our program around the stack does not build."""


def run(command, folder, error, env=None):
    done = subprocess.run(command, cwd=folder, text=True, errors="replace", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=dict(os.environ, **(env or {})))
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


def go_version(module):
    return re.search(rf"{re.escape(module)} v(\S+)", (PEERS / "pion/go.mod").read_text())[1]


def npm_version(package):
    return json.loads((PEERS / "node/package.json").read_text())["dependencies"][package]


def node_command(stack):
    return ["node", PEERS / "node/main.mjs", "--stack", stack]


@dataclass(frozen=True)
class Stack:
    name: str
    title: str
    version: Callable
    # Stacks with the same function are prepared together.
    prepare: Callable
    command: list
    can: frozenset
    # Options that differ from those of the case, by the name of the case.
    options: dict = field(default_factory=dict)


STACKS = [
    Stack("pion", "Pion", lambda: go_version("github.com/pion/webrtc/v4"), prepare_go, [BUILD / "pion"],
          frozenset({"data"})),
    Stack("libwebrtc", "libwebrtc (@roamhq/wrtc)", lambda: npm_version("@roamhq/wrtc"), prepare_node,
          node_command("wrtc"), frozenset({"data"})),
    Stack("libdatachannel", "libdatachannel (node-datachannel)", lambda: npm_version("node-datachannel"), prepare_node,
          node_command("ndc"), frozenset({"data"})),
    Stack("werift", "werift", lambda: npm_version("werift"), prepare_node, node_command("werift"),
          frozenset({"data"})),
]

# Faults of a stack that make a case fail, by (stack, case, role of the stack): the reason with a link.
KNOWN_FAULTS = {}
