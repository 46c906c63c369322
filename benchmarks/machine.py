"""What the figures were measured on, and whether it had anything else to do."""

import os
import platform
import time
from pathlib import Path

START_LOAD = os.getloadavg()[0]
BUSY_LOAD_PER_CORE = 0.25


def cores():
    return len(os.sched_getaffinity(0))


def describe():
    model = "unknown"
    memory = 0
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("MemTotal"):
            memory = round(int(line.split()[1]) / 2**20)
    release = platform.freedesktop_os_release()
    return {"date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "cpu": model, "cores": cores(),
            "memory_gib": memory, "kernel": platform.release(), "system": release.get("PRETTY_NAME", "Linux")}


def busy():
    """A sentence if other work was under way when the run began; empty otherwise."""
    load = os.getloadavg()[0]
    if load < BUSY_LOAD_PER_CORE * cores():
        return ""
    return f"the machine is busy (load {load:.1f} on {cores()} cores at the start): times are too long, ratios less sure"


def resident_kib(pid):
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1])
    raise RuntimeError(f"no Rss of process {pid}")
