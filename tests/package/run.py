#!/usr/bin/env python3
"""Kaon installed and used as somebody outside would. Works below build/package with what build/release holds.

    tests/package/run.py [WORD...]     cases with one of the words in their name; without words those that compile little
    tests/package/run.py --full        all
"""

import concurrent.futures
import importlib
import os
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import kit  # noqa: E402


def cases():
    for path in sorted(Path(__file__).parent.glob("cases/*.py")):
        for name, function in vars(importlib.import_module(f"cases.{path.stem}")).items():
            if name.startswith("test_"):
                yield f"{path.stem}.{name.removeprefix('test_')}", function


def run_case(name, function):
    start = time.monotonic()
    try:
        verdict, detail = "ok", f"{function() or ''} {time.monotonic() - start:.1f} s"
    except kit.Skip as why:
        verdict, detail = "skip", str(why)
    except kit.Problem as problem:
        verdict, detail = "fail", str(problem)
    except Exception:  # pylint: disable=broad-except
        verdict, detail = "fail", traceback.format_exc()
    print(verdict, name, " | ".join(detail.strip().replace("\t", " ").split("\n")), sep="\t", flush=True)
    return verdict != "fail"


def main():
    words = [word for word in sys.argv[1:] if word != "--full"]
    full = "--full" in sys.argv
    passed = os.environ.get("KAON_PASSED", "").split("\n")

    def wanted(name, function):
        return any(word in name for word in words) if words else full or not hasattr(function, "full")

    chosen = [(name, function) for name, function in cases() if name not in passed and wanted(name, function)]
    kit.HOME.mkdir(parents=True, exist_ok=True)
    link = kit.fresh("build") / "user"  # the guide builds there
    link.symlink_to(kit.RELEASE)
    if not run_case("install", install):
        return 1
    # The longest first.
    chosen.sort(key=lambda case: not hasattr(case[1], "long"))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return 0 if all(list(pool.map(lambda case: run_case(*case), chosen))) else 1


def install():
    kit.sh(f"rm -rf {kit.PREFIX}")
    kit.sh(kit.guide("cmake --install build/user --prefix ~/kaon"))


if __name__ == "__main__":
    sys.exit(main())
