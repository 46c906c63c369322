#!/usr/bin/env python3
"""Starts `kaon serve` as systemd or a container engine would, as far as that goes without either, and looks at it from outside.
Needs root, and a network and mounts of its own (unshare --net --mount).

    service.py ROOT                    the command of ROOT's kaon.service
    service.py --container ROOT        the entry point of the container file, in ROOT
    service.py --trace FILE PROGRAM    PROGRAM with HTTPS and a little traffic, its system calls written to FILE
"""

import argparse
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

DYNAMIC_USER = 61184  # the first of systemd's range
CONTAINER_USER = 7878
MEDIA = Path(__file__).resolve().parent.parent.parent / "testdata/media/vp8.ivf"


def unit_lines(path):
    return [tuple(line.split("=", 1)) for line in path.read_text(encoding="utf-8").splitlines() if re.match(r"\w+=", line)]


def allowed_calls(unit, told):
    """System calls that the unit's filter leaves, from what systemd-analyze tells about its groups."""
    groups = {name: words.split() for name, words in re.findall(r"^(@\S+)\n((?: .*\n|\n)*)", re.sub(r"#.*", "", told), re.M)}

    def members(name):
        return set().union(*map(members, groups[name])) if name in groups else {name}

    allowed = set()
    for key, value in unit_lines(unit):
        if key == "SystemCallFilter":
            calls = set().union(*map(members, value.lstrip("~").split()))
            allowed = allowed - calls if value.startswith("~") else allowed | calls
    return allowed


class Running:
    """A server that is ready to be asked; ends by SIGTERM and must end well."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
        said = []
        for line in self.process.stdout:
            said.append(line)
            if line.startswith("Media over UDP port"):
                break
        else:
            sys.exit(f"{command} ended with {self.process.wait()}:\n{''.join(said)}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        status = self.process.wait(timeout=20)
        if status != 0:
            sys.exit(f"after SIGTERM it ended with {status}")

    def status(self):
        return Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")


def get(url):
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(url, timeout=10, context=trusting) as answer:
        return answer.read()


def demand(truth, what):
    if not truth:
        sys.exit(what)


def confine(root, writable):
    """The system read-only but for one folder; /proc as the program expects it."""
    for line in (["mount", "--bind", root, root], ["mount", "-t", "proc", "proc", root / "proc"],
                 ["mount", "--bind", writable, writable], ["mount", "-o", "remount,bind,ro", root]):
        subprocess.run(line, check=True)


def in_root(root, user, environment, command):
    """The command in ROOT as `user`, without any privilege that it could take or give."""
    return ["chroot", root, "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs",
            "--bounding-set=-all", "--inh-caps=-all", "env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin",
            *(f"{name}={value}" for name, value in environment.items()), *command]


def run_service(root):
    unit = unit_lines(root / "usr/lib/systemd/system/kaon.service")
    values = dict(unit)
    demand(values["DynamicUser"] == "yes", "the service has no user of its own")
    state = root / "var/lib/private" / values["StateDirectory"]
    shutil.rmtree(root / "var/lib" / values["StateDirectory"], ignore_errors=True)
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    (root / "var/lib" / values["StateDirectory"]).symlink_to(f"private/{values['StateDirectory']}")
    os.chmod(state.parent, 0o755)  # systemd shows the service this folder by a mount
    os.chown(state, DYNAMIC_USER, DYNAMIC_USER)
    os.chmod(state, 0o700)
    credentials = root / "run/credentials/kaon.service"
    credentials.mkdir(parents=True, exist_ok=True)
    for name, source in (value.split(":", 1) for key, value in unit if key == "LoadCredential"):
        text = (root / source.lstrip("/")).read_text(encoding="utf-8")
        (credentials / name).write_text(text + '\nhttps = "127.0.0.1:8443"\n', encoding="utf-8")
        os.chown(credentials / name, DYNAMIC_USER, DYNAMIC_USER)
        os.chmod(credentials / name, 0o400)
    environment = {"CREDENTIALS_DIRECTORY": "/run/credentials/kaon.service"}
    environment.update(value.split("=", 1) for key, value in unit if key == "Environment")
    command = [re.sub(r"\$\{(\w+)\}", lambda m: environment[m[1]], word) for word in values["ExecStart"].split()]
    confine(root, state)
    certificates = set()
    for _ in range(2):
        with Running(in_root(root, DYNAMIC_USER, environment, command)) as server:
            demand(b"kaon 0.1" in get("http://127.0.0.1:8080/api/status"), "it does not tell its state")
            demand(b"<html" in get("https://127.0.0.1:8443/"), "it does not serve its page")
            status = server.status()
            demand(re.search(rf"Uid:\s+{DYNAMIC_USER}\s", status), "it has another user")
            demand(re.search(r"CapEff:\s+0+\n", status) and re.search(r"CapBnd:\s+0+\n", status), "it has capabilities")
        certificates.add((state / "certificate.pem").read_bytes())
    demand(len(certificates) == 1, "after a restart it has another certificate")
    demand((state / "key.pem").stat().st_mode & 0o77 == 0, "others may read its key")
    print(f"user {DYNAMIC_USER}, no capabilities, the same certificate after a restart")


def run_container(root):
    home = root / "var/lib/kaon"
    if home.is_symlink():
        home.unlink()
        home.mkdir()
        os.chown(home, CONTAINER_USER, CONTAINER_USER)
    confine(root, home)
    command = ["kaon", "serve", "--https", "127.0.0.1:8443"]
    with Running(in_root(root, CONTAINER_USER, {"XDG_STATE_HOME": "/var/lib"}, command)) as server:
        demand(b"<html" in get("http://127.0.0.1:8080/"), "it does not serve its page")
        demand(b"kaon 0.1" in get("https://127.0.0.1:8443/api/status"), "it does not tell its state")
        demand(re.search(rf"Uid:\s+{CONTAINER_USER}\s", server.status()), "it has another user")
    print("serves HTTP and HTTPS")


def run_traced(log, program):
    state = Path(log).parent
    with Running(["strace", "-D", "-f", "-q", "-o", log, program, "serve", "--https", "127.0.0.1:8443", "--loops", "2"],
                 env=dict(os.environ, XDG_STATE_HOME=str(state))) as server:
        get("https://127.0.0.1:8443/api/status")
        sender = subprocess.Popen([program, "whip", "--loop", MEDIA, "http://127.0.0.1:8080/whip/trace"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run([program, "record", "--seconds", "2", "--wait", "10", "http://127.0.0.1:8080/whep/trace", state / "out.ivf"],
                       check=True, timeout=60)
        sender.terminate()
        sender.wait(timeout=20)
    # strace is not our child (-D), so that the server's signals reach the server; it has the last word.
    for _ in range(100):
        if re.search(rf"^{server.process.pid} +\+\+\+ exited", Path(log).read_text(encoding="utf-8", errors="replace"), re.M):
            return
        time.sleep(0.1)
    sys.exit("the trace has no end")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--container", action="store_true")
    parser.add_argument("--trace", metavar="FILE")
    parser.add_argument("where", type=Path)
    asked = parser.parse_args()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    if asked.trace:
        run_traced(asked.trace, asked.where)
    else:
        (run_container if asked.container else run_service)(asked.where)


if __name__ == "__main__":
    main()
