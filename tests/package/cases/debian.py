"""The Debian packages, the service in them, and the container file, in a plain Debian of their own."""

import os
import re
import shlex
import shutil
import sys
import threading

import service
from kit import HERE, RELEASE, ROOT, WORK, Problem, Skip, expect, fresh, guide, run_once, sh
from venv_tools import container_file

CONTAINER_FILE = ROOT / "Containerfile"
SYSTEM = WORK / "debian"
UNIT = ROOT / "packaging/kaon.service"
in_turn = threading.Lock()  # the service and the container share the state folder
MAX_EXPOSURE = 15  # tenths, as systemd-analyze counts: 0 is perfect, 100 hopeless


@run_once
def packages():
    """The three packages by name; cpack strips and compresses what build/release holds."""
    sh("rm -rf build/deb && " + guide("cpack --config build/user/CPackConfig.cmake -B build/deb"))
    found = {path.name.split("_")[0]: path for path in (WORK / "build/deb").glob("*.deb")}
    expect(set(found) == {"kaon", "libkaon0.1", "libkaon-dev"}, f"cpack made {sorted(found)}")
    return found


def field(package, name):
    return sh(f"dpkg-deb -f {packages()[package]} {name}").strip()


def files(package):
    return re.findall(r" \.(/\S*[^/\s])(?: -> \S+)?\n", sh(f"dpkg-deb -c {packages()[package]}"))


def test_packages_depend_on_what_their_programs_load():
    depends = {entry.split()[0] for entry in field("kaon", "Depends").split(", ")}
    expect({"libc6", "libssl3", "libstdc++6"} <= depends, f"kaon depends on {depends}")
    expect(not any(name.startswith(("libkaon", "libboost")) for name in depends), f"kaon depends on {depends}")
    depends = {entry.split()[0] for entry in field("libkaon0.1", "Depends").split(", ")}
    expect(depends == {"libc6", "libgcc-s1", "libssl3", "libstdc++6"}, f"libkaon0.1 depends on {depends}")
    expect(field("libkaon-dev", "Depends").startswith("libkaon0.1 (= "), field("libkaon-dev", "Depends"))
    return ", ".join(f"{name} {path.stat().st_size / 1e6:.1f} MB" for name, path in sorted(packages().items()))


def test_packages_hold_what_belongs_there():
    expect({"/usr/bin/kaon", "/usr/lib/systemd/system/kaon.service", "/etc/kaon/kaon.toml"} <= set(files("kaon")), str(files("kaon")))
    rest = [name for name in files("libkaon0.1") if not re.match(r"/usr/(lib/\S*libkaon\.so\.0\.1|share/doc/)", name)]
    expect(not rest, f"libkaon0.1 has {rest}")
    expect(any(name.endswith("libkaon.so") for name in files("libkaon-dev")), "libkaon-dev has no libkaon.so")
    expect("/etc/kaon/kaon.toml" in sh(f"dpkg-deb -I {packages()['kaon']} conffiles"), "kaon.toml is no conffile")
    line = re.search(r"(\S+) +(\S+) .*/etc/kaon/kaon\.toml", sh(f"dpkg-deb -c {packages()['kaon']}"))
    expect(line[1] == "-rw-------" and line[2] == "root/root", f"kaon.toml is {line[1]} of {line[2]}")


@run_once
def system():
    """A Debian with nothing but apt, in which the last stage of the container file has been carried out."""
    if os.geteuid() != 0:
        raise Skip("making a Debian in a folder needs root")
    plain = WORK / "debian.tar"
    if not plain.exists():
        try:
            sh(f"mmdebstrap -q --variant=apt bookworm {WORK}/part.tar && mv {WORK}/part.tar {plain}")
        except Problem as problem:
            raise Skip(f"Debian's archive cannot be reached: {problem}") from problem
    fresh("debian")
    sh(f"tar -xf {plain} -C {SYSTEM} --exclude=./dev && cp /etc/resolv.conf {SYSTEM}/etc/")
    sh(f"mkdir -p {SYSTEM}/dev && mknod -m 666 {SYSTEM}/dev/null c 1 3 && mknod -m 666 {SYSTEM}/dev/urandom c 1 9")
    for step in stages()[-1][1:]:
        if step["cmd"] == "COPY":
            expect(step["flags"] == ["--from=build"] and step["value"][0] == "/kaon/build/deb/kaon_*.deb", f"unexpected: {step}")
            shutil.copy(packages()["kaon"], SYSTEM / step["value"][-1].lstrip("/"))
        elif step["cmd"] == "RUN":
            sh(f"DEBIAN_FRONTEND=noninteractive chroot {SYSTEM} /bin/sh -c {shlex.quote(step['value'][0])}")
    return SYSTEM


def test_package_installs_on_a_plain_debian():
    version = sh(f"chroot {system()} kaon --version")
    expect(version.startswith("kaon 0.1.0"), version)
    expect("install ok installed" in sh(f"chroot {system()} dpkg -s kaon"), "dpkg does not think that kaon is installed")
    return version.strip()


test_package_installs_on_a_plain_debian.long = True


def test_service_unit_is_valid_and_confined():
    unit = fresh("unit") / "kaon.service"
    text = UNIT.read_text(encoding="utf-8")
    unit.write_text(text.replace("ExecStart=kaon ", f"ExecStart={RELEASE}/apps/kaon/kaon "), encoding="utf-8")
    said = sh(f"systemd-analyze verify --man=no {unit}")
    expect("kaon.service" not in said, said)
    score = sh(f"systemd-analyze security --offline=true --threshold={MAX_EXPOSURE} --no-pager {unit}")
    return re.search(r"Overall exposure level for kaon\.service: .*", score)[0]


def test_service_runs_as_its_unit_says():
    """The unit's command with its environment, user, credentials and read-only system, as systemd would start it."""
    with in_turn:
        return sh(f"unshare --net --mount {sys.executable} {HERE}/service.py {system()}").strip()


def test_service_calls_only_what_its_filter_lets_through():
    if os.geteuid() != 0:
        raise Skip("a network of its own needs root")
    log = fresh("strace") / "calls"
    sh(f"unshare --net {sys.executable} {HERE}/service.py --trace {log} {RELEASE}/apps/kaon/kaon")
    used = set(re.findall(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed)", log.read_text(encoding="utf-8", errors="replace"), re.M))
    allowed = service.allowed_calls(UNIT, sh("systemd-analyze syscall-filter --no-pager"))
    expect(used > {"recvmmsg", "sendmmsg", "accept"} or len(used) > 30, f"the trace is too short: {sorted(used)}")
    expect(used <= allowed, f"the service's filter forbids {sorted(used - allowed)}")
    return f"{len(used)} system calls"


@run_once
def stages():
    found = []
    for step in container_file(CONTAINER_FILE):
        if step["cmd"] == "FROM":
            found.append([])
        found[-1].append(step)
    return found


def test_container_file_is_sound():
    build, last = stages()
    expect(build[0]["value"][1:] == ["AS", "build"] and build[0]["value"][0] == last[0]["value"][0], "the stages differ in their base")
    for step in build:
        if step["cmd"] == "COPY":
            for source in step["value"][:-1]:
                expect((ROOT / source).exists(), f"{source} is not there to be copied")
        if step["cmd"] == "RUN":
            guide(step["value"][0])
    for step in build + last:
        if step["cmd"] == "RUN":
            sh(f"sh -n -c {shlex.quote(step['value'][0])}")
    told = sh(f"{RELEASE}/apps/kaon/kaon serve --help")
    for port in (value.split("/")[0] for step in last if step["cmd"] == "EXPOSE" for value in step["value"]):
        expect(port in told, f"port {port} is no default of kaon serve")
    expect(next(step["value"] for step in last if step["cmd"] == "USER") == ["7878:7878"], "the container runs as root")
    expect(last[-1]["cmd"] == "ENTRYPOINT" and last[-1]["value"] == ["kaon", "serve"], "it does not start the server")


def test_container_starts():
    """The entry point in what the last stage made, with its user and environment."""
    with in_turn:
        return sh(f"unshare --net --mount {sys.executable} {HERE}/service.py --container {system()}").strip()
