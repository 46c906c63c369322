"""A libcrypto and libssl with ML-KEM, which distributions do not have yet: OpenSSL 3.5, built once under build/mlkem out of a crate
that holds its source. Programs that were built with the system's libraries are started with these in their place."""

import os
import shutil
from pathlib import Path

from crates import Broken, fetch, run

BUILD = Path(__file__).resolve().parents[1] / "build/mlkem"
# The first line of OpenSSL with ML-KEM, which is maintained until 2030.
OPENSSL = "3.5.5"
CRATE, VERSION = "openssl-src", "300.5.5"
CHECKSUM = "3f1787d533e03597a7934fd0a765f0d28e94ecc5fb7789f8053b1e699a56f709"
# The crate leaves out what shared libraries are made with, so they are made out of the archives.
OPTIONS = ["no-shared", "no-module", "no-tests", "no-docs", "no-apps", "no-engine", "no-quic", "no-legacy", "--libdir=lib"]
TOOLS = ("cargo", "perl", "make", "cc")


class ToolMissing(Exception):
    """One of TOOLS is not installed."""


def build():
    """The folder with libcrypto.so.3 and libssl.so.3; ToolMissing or Broken if there can be none."""
    folder, libraries = BUILD / f"openssl-{VERSION}", BUILD / f"lib-{VERSION}"
    if (libraries / "libssl.so.3").exists():
        return libraries
    for tool in TOOLS:
        if shutil.which(tool) is None:
            raise ToolMissing(f"{tool} is not installed")
    source = fetch(BUILD / "fetch", CRATE, VERSION, CHECKSUM) / "openssl"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "Makefile").exists():
        run(["perl", source / "Configure", *OPTIONS], folder)
    run(["make", f"-j{os.cpu_count() or 1}", "build_libs"], folder)
    made = BUILD / "lib.new"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    # Programs ask for versions of symbols; a library without any serves them all.
    for name, needs in (("libcrypto", []), ("libssl", ["-L.", "-l:libcrypto.so.3"])):
        run(["cc", "-shared", "-o", f"{name}.so.3", f"-Wl,-soname,{name}.so.3", "-Wl,-Bsymbolic", "-Wl,--whole-archive",
             folder / f"{name}.a", "-Wl,--no-whole-archive", *needs, "-ldl", "-pthread"], made)
    shutil.rmtree(libraries, ignore_errors=True)
    made.rename(libraries)
    return libraries


def environment():
    """The environment that programs are started in; exceptions as of build()."""
    return dict(os.environ, LD_LIBRARY_PATH=str(build()))
