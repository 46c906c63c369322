"""The source of a crate, by cargo, at a pinned version and checksum."""

import json
import re
import subprocess
from pathlib import Path


class Broken(Exception):
    pass


def run(command, folder):
    """What the command prints; Broken with the end of its errors if it fails."""
    done = subprocess.run(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise Broken(f"{' '.join(map(str, command))}: {done.stderr[-2000:]}")
    return done.stdout


def fetch(folder, name, version, checksum):
    """The crate's folder; `folder` holds what cargo needs to find it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lib.rs").write_text("")
    (folder / "Cargo.toml").write_text(f'[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n'
                                       f'[lib]\npath = "lib.rs"\n[dependencies]\n{name} = "={version}"\n[workspace]\n')
    run(["cargo", "fetch", "--quiet"], folder)
    lock = (folder / "Cargo.lock").read_text()
    found = re.search(rf'name = "{name}"\nversion = "{re.escape(version)}(?:\+[^"]*)?"\n.*\nchecksum = "(\w+)"', lock)
    if not found or found[1] != checksum:
        raise Broken(f"{name} {version} is not the one that this was written for")
    packages = json.loads(run(["cargo", "metadata", "--format-version", "1", "--offline"], folder))["packages"]
    return next(Path(each["manifest_path"]).parent for each in packages if each["name"] == name)
