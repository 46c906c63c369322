"""Package managers: Conan's recipe is run, vcpkg's manifest is read."""

import json
import re

from kit import GUIDE, RELEASE, ROOT, WORK, expect, fresh, project, sh
from venv_tools import conan

VERSION = re.search(r"project\(kaon VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"))[1]


def test_vcpkg_manifest_has_what_a_port_needs():
    manifest = json.loads((ROOT / "vcpkg.json").read_text(encoding="utf-8"))
    for field in ("name", "version-semver", "description", "license", "dependencies", "supports"):
        expect(manifest.get(field), f"vcpkg.json has no {field}")
    expect(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", manifest["name"]), "the name is not what vcpkg allows")
    expect(manifest["version-semver"] == VERSION, f"vcpkg.json says {manifest['version-semver']}, CMakeLists.txt {VERSION}")
    for feature, content in manifest["features"].items():
        expect(content.get("description") and content.get("dependencies"), f"the feature {feature} lacks a field")
    listed = [*manifest["dependencies"], *(d for f in manifest["features"].values() for d in f["dependencies"])]
    names = {entry if isinstance(entry, str) else entry["name"] for entry in listed}
    included = {match for path in [*ROOT.glob("kaon/*/*.cc"), *ROOT.glob("kaon/*/internal/*.*")] if "test" not in path.name
                for match in re.findall(r"#include <boost/(asio|beast|json)\b", path.read_text(encoding="utf-8"))}
    wanted = {f"boost-{name}" for name in included} | {"openssl", "cli11", "spdlog", "gtest"}
    expect(wanted <= names, f"vcpkg.json does not list {wanted - names}")


def test_conan_recipe():
    told = json.loads(conan(f"inspect {ROOT} --format=json"))
    expect(told["name"] == "kaon" and told["version"] == VERSION, f"conan reads {told['name']} {told['version']}")
    conan(f"export {ROOT}")
    expect(f"kaon/{VERSION}" in conan("list 'kaon/*'"), "the exported recipe is not in the cache")


def test_conan_package():
    """Packages what build/release holds, and compiles a program with it."""
    for linkage in ("static", "shared"):
        (fresh(f"conan-made-{linkage}/build") / "release").symlink_to(RELEASE)
        conan(f"export-pkg {ROOT} -s compiler.cppstd=23 -o '&:shared={linkage == 'shared'}' -of {WORK}/conan-made-{linkage}")
        folder = project(f"conan-{linkage}", like="sans-io")
        (folder / "conanfile.txt").write_text(f"[requires]\nkaon/{VERSION}\n[generators]\nCMakeDeps\nCMakeToolchain\n")
        conan(f"install {folder} -s compiler.cppstd=23 -o 'kaon/*:shared={linkage == 'shared'}' -of {folder}/conan")
        sh("cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_TOOLCHAIN_FILE=conan/conan_toolchain.cmake", folder)
        sh("cmake --build build", folder)
        expect("hello without I/O" in sh("./build/sans-io", folder), "the program does not run")
    expect("conan create . -s compiler.cppstd=23" in GUIDE, "the guide says otherwise")
