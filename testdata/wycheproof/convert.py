#!/usr/bin/env python3
"""Makes the files of this folder out of Wycheproof's: convert.py FOLDER, with its JSON files."""

import hashlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
AEADS = ("aes_gcm", "aes_ccm", "chacha20_poly1305")
HASHES = ("sha1", "sha256", "sha384", "sha512")
SIGNATURES = ("ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ed25519", "rsa_signature_2048_sha256",
              "rsa_signature_2048_sha384", "rsa_signature_2048_sha512", "rsa_pss_2048_sha256_mgf1_32",
              "rsa_pss_2048_sha384_mgf1_48", "rsa_pss_4096_sha512_mgf1_64")


def aead(name, group):
    """Kaon has nonces of 12 bytes, and of CCM keys of 16."""
    keys = {"aes_gcm": (128, 256), "aes_ccm": (128,), "chacha20_poly1305": (256,)}[name]
    tags = (64, 128) if name == "aes_ccm" else (128,)
    if group["keySize"] not in keys or group["ivSize"] != 96 or group["tagSize"] not in tags:
        return
    for test in group["tests"]:
        yield test, test["key"], test["iv"], test["aad"], test["msg"], test["ct"] + test["tag"]


def hmac(_, group):
    for test in group["tests"]:
        yield test, test["key"], test["msg"], test["tag"]


def hkdf(_, group):
    """Without those of more output than HKDF can give, which is a caller's mistake here."""
    for test in group["tests"]:
        if test["result"] == "valid":
            yield test, test["ikm"], test["salt"], test["info"], test["okm"]


def exchange(_, group):
    for test in group["tests"]:
        yield test, test["public"], test["private"], test["shared"]


def encapsulation(_, group):
    """Of the ciphertext its hash, which is as good and shorter."""
    for test in group["tests"]:
        ciphertext = test["c"] and hashlib.sha256(bytes.fromhex(test["c"])).hexdigest()
        yield test, test["ek"], test["m"], ciphertext, test["K"]


def decapsulation(_, group):
    """Without those of a seed of another length, which is a caller's mistake here."""
    for test in group["tests"]:
        if len(test["seed"]) == 128:
            yield test, test["seed"], test["c"], test["K"]


def signature(_, group):
    for test in group["tests"]:
        yield test, group["publicKeyDer"], test["msg"], test["sig"]


def convert(source, name, kind, file=None):
    lines, key = [], None
    for group in json.loads((source / f"{file or name}_test.json").read_text())["testGroups"]:
        for test, *fields in kind(name, group):
            if kind is signature and fields[0] != key:
                key = fields[0]
                lines.append(f"key {key}")
            if kind is signature:
                fields = fields[1:]
            lines.append(" ".join([str(test["tcId"]), test["result"], *(field or "-" for field in fields)]))
    (HERE / f"{name}.txt").write_text("\n".join(lines) + "\n")


def main():
    source = Path(sys.argv[1])
    for name in AEADS:
        convert(source, name, aead)
    for name in HASHES:
        convert(source, f"hmac_{name}", hmac)
        convert(source, f"hkdf_{name}", hkdf)
    for curve in ("secp256r1", "secp384r1"):
        convert(source, f"ecdh_{curve}", exchange, f"ecdh_{curve}_ecpoint")
    convert(source, "x25519", exchange)
    convert(source, "mlkem_768_encaps", encapsulation)
    convert(source, "mlkem_768_decaps", decapsulation, "mlkem_768")
    for name in SIGNATURES:
        convert(source, name, signature)


if __name__ == "__main__":
    main()
