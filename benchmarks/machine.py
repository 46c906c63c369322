"""What the figures were measured on, and whether it had anything else to do."""

import os
import platform
import time
from pathlib import Path

BUSY_SHARE = 0.1
SAMPLE_SECONDS = 0.5


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
    """A sentence if other work is under way as the run begins; empty otherwise. Not the load average: it still tells of the last run."""
    before = cpu_times()
    time.sleep(SAMPLE_SECONDS)
    idle, total = (after - was for after, was in zip(cpu_times(), before))
    share = 1 - idle / max(total, 1)
    if share < BUSY_SHARE:
        return ""
    return f"the machine is busy ({share:.0%} of {cores()} cores before the start): times are too long, ratios less sure"


def cpu_times():
    """Idle ticks and all ticks of all cores."""
    ticks = [int(field) for field in Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def cpu_seconds(pid):
    """User and system time of a process and all its threads: what clock_getcpuclockid() gives the clock of."""
    return time.clock_gettime(~pid << 3 | 2)


def resident_kib(pid):
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1])
    raise RuntimeError(f"no Rss of process {pid}")
