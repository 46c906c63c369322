"""Source that other people keep in crates, by cargo."""

import json
import re
import subprocess
from pathlib import Path


class Broken(Exception):
    """Something that should be there or work does not."""


def run(command, folder):
    """What the command prints; Broken with the end of its output if it fails."""
    done = subprocess.run(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise Broken(f"{' '.join(map(str, command))}: {(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


def fetch(folder, name, version, checksum):
    """The crate's folder. `folder` is for what cargo wants beside it."""
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


# Its BoringSSL is that of 2026-05-27 (dc899e6a85df). The last release whose runner Go 1.26 compiles.
BORINGSSL = ("boring-sys", "5.2.0", "6993efa9d9f0ebf3b0c02c8e868cfe37d0854cd021d51204480a91ce23d6e444")
# wolfSSL 5.9.4.
WOLFSSL = ("wolfssl-sys", "5.3.0", "e04fb531435ec8ba1852ee9df66ab351cdb1e3aec1da4013787ae93efa3adac6")
