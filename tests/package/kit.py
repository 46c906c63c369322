"""What the cases of the package tests share: a fresh place to work in, and commands that the guide names."""

import functools
import os
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent
RELEASE = ROOT / "build/release"
WORK = ROOT / "build/package"
HOME = WORK / "home"
PREFIX = HOME / "kaon"
GUIDE = (ROOT / "docs/guide/install.md").read_text(encoding="utf-8")
MAX_SECONDS = 900
HELLO = ROOT / "examples/data-channels/main.cc"


class Problem(Exception):
    """What is wrong, for a person."""


class Skip(Exception):
    """Why a case cannot be run on this machine."""


def expect(truth, what):
    if not truth:
        raise Problem(what)


def sh(line, cwd=WORK, **env):
    """Output of a shell line, which must succeed. Its home is ours, so that ~/kaon is where we have installed."""
    ccache = os.environ.get("CCACHE_DIR", os.path.expanduser("~/.cache/ccache"))
    env = {**os.environ, "HOME": str(HOME), "CCACHE_DIR": ccache, **{k: str(v) for k, v in env.items()}}
    with subprocess.Popen(["bash", "-ec", line], cwd=cwd, env=env, text=True, errors="replace", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True) as shell:
        try:
            said, _ = shell.communicate(timeout=MAX_SECONDS)
        except subprocess.TimeoutExpired as late:
            os.killpg(shell.pid, signal.SIGKILL)  # what it has started too
            raise Problem(f"no end after {MAX_SECONDS} s: {line}") from late
    expect(shell.returncode == 0, f"{line}\n{said[-4000:]}")
    return said


def run_once(function):
    """Cases run side by side: the first to ask does the work."""
    lock, cached = threading.RLock(), functools.cache(function)

    def locked():
        with lock:
            return cached()

    return locked


def guide(line):
    """The line, which must stand in the guide."""
    expect(line in GUIDE.splitlines(), f"docs/guide/install.md does not say: {line}")
    return line


def project(name, *sources, like=None):
    """A fresh copy of tests/package/LIKE, whose CMakeLists.txt the guide shows, with the sources beside it."""
    original = HERE / (like or name)
    text = (original / "CMakeLists.txt").read_text(encoding="utf-8")
    expect(original.name == "server" or text in GUIDE, f"docs/guide/install.md does not show {original}/CMakeLists.txt")
    folder = fresh(name)
    shutil.copytree(original, folder, dirs_exist_ok=True)
    for source in sources:
        shutil.copy(source, folder)
    return folder


def fresh(name):
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def needed(program):
    """Names of the shared libraries that a program or library asks for by itself, without version."""
    return set(re.findall(r"\(NEEDED\).*\[(\w+(?:\+\+)?)\.", sh(f"readelf -d {program}")))


def stripped_size(file):
    copy = WORK / f"{file.name}.stripped"
    sh(f"strip -o {copy} {file}")
    return copy.stat().st_size


def megabytes(size):
    return f"{size / 1e6:.2f} MB"
