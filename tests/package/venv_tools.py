"""Tools from PyPI in an environment of their own: Conan, and the parser of container files that Docker itself uses."""

import json
import re
import threading

from kit import WORK, sh

PACKAGES = "conan==2.34.0 dockerfile==3.4.0"
VENV = WORK / "venv"
# Conan is not to fetch what the system has.
PROFILE = """include(default)
[settings]
compiler.cppstd=23
build_type=Release
[platform_requires]
openssl/{openssl}
boost/{boost}
"""
ready = threading.Lock()


def environment():
    with ready:
        stamp = VENV / "packages"
        if not stamp.exists() or stamp.read_text() != PACKAGES:
            sh(f"rm -rf {VENV}; python3 -m venv {VENV} && {VENV}/bin/pip --disable-pip-version-check -q install {PACKAGES}")
            stamp.write_text(PACKAGES)
            prepare_conan()
    return VENV / "bin"


def prepare_conan():
    home = f"CONAN_HOME={VENV}/conan {VENV}/bin/conan"
    sh(f"{home} profile detect --force && {home} remote disable '*'")
    openssl = sh("openssl version").split()[1]
    boost = re.search(r"Version: ([\d.]+)", sh("dpkg -s libboost1.81-dev"))[1].rstrip(".")
    (VENV / "conan/profiles/system").write_text(PROFILE.format(openssl=openssl, boost=boost))


def conan(arguments):
    profile = "" if arguments.startswith(("inspect", "export ", "list")) else " -pr system"
    return sh(f"{environment()}/conan {arguments}{profile} 2>{WORK}/conan.log || {{ cat {WORK}/conan.log; exit 1; }}",
              CONAN_HOME=VENV / "conan")


def container_file(path):
    """Its instructions, each with `cmd`, `flags` and `value`."""
    script = ("import dockerfile, json, sys; print(json.dumps([{'cmd': c.cmd.upper(), 'flags': c.flags, 'value': c.value} "
              "for c in dockerfile.parse_file(sys.argv[1])]))")
    return json.loads(sh(f"{environment()}/python3 -c \"{script}\" {path}"))
