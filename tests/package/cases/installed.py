"""What is installed, and programs that find it."""

import re
import subprocess
import urllib.request

from kit import GUIDE, HELLO, PREFIX, ROOT, WORK, expect, fresh, guide, megabytes, needed, project, sh, stripped_size

MODULES = sorted(path.parent.name for path in ROOT.glob("kaon/*/CMakeLists.txt"))
LIBRARY = PREFIX / "lib/libkaon.so"
MAX_LIBRARY = 4_500_000  # a quarter of it is sfu; the aim is 2 MB
MAX_COMMAND = 10_000_000
THE_LANGUAGES = {"libc", "libm", "libstdc++", "libgcc_s", "ld-linux-x86-64"}


def configure_and_build(folder, options=""):
    sh(guide("cmake -S . -B build -DCMAKE_PREFIX_PATH=$HOME/kaon") + f" -G Ninja -DCMAKE_BUILD_TYPE=Release {options}", folder)
    sh(guide("cmake --build build"), folder)


def says_hello(program):
    expect("echo: hello" in sh(str(program)), f"{program} opened no data channel")


def serves(program):
    """Starts the server program and asks it for its state."""
    with subprocess.Popen([program], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        try:
            address = server.stdout.readline().strip()
            with urllib.request.urlopen(f"{address}api/status", timeout=10) as answer:
                expect(b"embedded" in answer.read(), "the server does not tell its version")
        finally:
            server.communicate("\n", timeout=10)
    expect(server.returncode == 0, f"the server ended with {server.returncode}")


def exported():
    return sh(f"nm -D --defined-only --format=posix {LIBRARY}").split("\n")


def test_shared_library_exports_kaon_alone():
    names = [line.split()[0] for line in exported() if line]
    foreign = [name for name in names if not re.match(r"_Z(T[VTIS])?N[KRO]*4kaon", name)]
    inner = [name for name in names if re.match(r"_Z(T[VTIS])?N[KRO]*4kaon\d+[a-z]+8internal", name)]
    expect(len(names) > 500, f"only {len(names)} symbols are exported")
    expect(not foreign, f"foreign symbols are exported: {foreign[:5]}")
    expect(not inner, f"internal symbols are exported: {inner[:5]}")
    return f"{len(names)} symbols"


def test_shared_library_is_small_and_needs_openssl_alone():
    expect(needed(LIBRARY) <= THE_LANGUAGES | {"libcrypto", "libssl"}, f"libkaon.so needs {needed(LIBRARY)}")
    expect("[libkaon.so.0.1]" in sh(f"readelf -d {LIBRARY}"), "the soname is not libkaon.so.0.1")
    size = stripped_size(LIBRARY.resolve())
    expect(size < MAX_LIBRARY, f"libkaon.so has {size} bytes, at most {MAX_LIBRARY}")
    return megabytes(size)


def test_command_is_small():
    size = stripped_size(PREFIX / "bin/kaon")
    expect(size < MAX_COMMAND, f"kaon has {size} bytes, at most {MAX_COMMAND}")
    return megabytes(size)


def test_headers_are_complete_and_ask_for_nothing():
    """Each public header is installed; all of them together compile with nothing of Boost or OpenSSL."""
    folder = fresh("headers")
    headers = sorted(path.relative_to(PREFIX / "include") for path in (PREFIX / "include").rglob("*.h"))
    public = {path.relative_to(ROOT) for path in ROOT.glob("kaon/*/*.h") if "test" not in path.name}
    missing = public - set(headers) - {(ROOT / "kaon/io/asio.h").relative_to(ROOT)}
    expect(not missing, f"not installed: {sorted(map(str, missing))}")
    (folder / "all.cc").write_text("".join(f'#include "{header}"\n' for header in headers))
    read = sh(f"g++ -std=c++23 -I{PREFIX}/include -M all.cc", folder)
    foreign = re.findall(r"\S*/(?:boost|openssl)/\S*", read)
    expect(not foreign, f"public headers include {foreign[:3]}")
    for compiler in ("g++", "clang++-19"):
        sh(f"{compiler} -std=c++23 -Wall -Wextra -Werror -fsyntax-only -I{PREFIX}/include all.cc", folder)
    return f"{len(headers)} headers"


def test_find_package_static():
    folder = project("find-package", HELLO)
    configure_and_build(folder)
    says_hello(folder / "build/hello")
    expect("libkaon" not in needed(folder / "build/hello"), "it is not linked statically")


def test_find_package_shared():
    folder = project("find-package-shared", HELLO, like="find-package")
    configure_and_build(folder, "-DBUILD_SHARED_LIBS=ON")
    guide("cmake -S . -B build -DCMAKE_PREFIX_PATH=$HOME/kaon -DBUILD_SHARED_LIBS=ON")
    says_hello(folder / "build/hello")
    expect(needed(folder / "build/hello") <= THE_LANGUAGES | {"libkaon"}, "it needs more than libkaon.so")


def test_core_without_exceptions_needs_libcrypto_alone():
    for linkage, libraries in (("static", {"libcrypto"}), ("shared", {"libkaon"})):
        folder = project(f"sans-io-{linkage}", like="sans-io")
        configure_and_build(folder, f"-Dkaon_SHARED_LIBS={linkage == 'shared'}")
        text = sh(str(folder / "build/sans-io"))
        expect(re.match(r"hello without I/O, after [1-9]\d* lines of log", text), text)
        found = needed(folder / "build/sans-io") - THE_LANGUAGES
        expect(found == libraries, f"{linkage}: it needs {found}")


def test_media_server_inside_another_program():
    for linkage in ("static", "shared"):
        folder = project(f"server-{linkage}", like="server")
        configure_and_build(folder, f"-Dkaon_SHARED_LIBS={linkage == 'shared'}")
        serves(folder / "build/server")


def test_every_module_is_a_target():
    folder = fresh("modules")
    for linkage in ("static", "shared"):
        (folder / "CMakeLists.txt").write_text(
            f"cmake_minimum_required(VERSION 3.25)\nproject(modules CXX)\nfind_package(kaon REQUIRED {linkage})\n"
            f"foreach(name {' '.join(MODULES)} core kaon)\n  if(NOT TARGET kaon::${{name}})\n"
            "    message(FATAL_ERROR \"no kaon::${name}\")\n  endif()\nendforeach()\n")
        sh(f"cmake -S . -B {linkage} -G Ninja -DCMAKE_PREFIX_PATH={PREFIX}", folder)
    return f"{len(MODULES)} modules"


def test_wrong_versions_and_components_are_refused():
    folder = fresh("refused")
    for asked, words in (("0.2", "version: 0.1"), ("0.1 COMPONENTS turbo", "static and shared"), ("1.0", "version: 0.1")):
        (folder / "CMakeLists.txt").write_text(
            f"cmake_minimum_required(VERSION 3.25)\nproject(refused CXX)\nfind_package(kaon {asked} REQUIRED)\n")
        text = sh(f"! cmake -S . -B build -G Ninja -DCMAKE_PREFIX_PATH={PREFIX}", folder)
        expect(words in " ".join(text.split()), f"asked for {asked} it does not say '{words}':\n{text}")


def test_pkg_config():
    folder = project("pkg-config", HELLO, like="find-package")
    for line in re.findall(r"^(g\+\+ .*|export PKG_CONFIG_PATH.*)$", GUIDE, re.M)[:3]:
        if line.startswith("g++"):
            sh(f"{guide('export PKG_CONFIG_PATH=$HOME/kaon/lib/pkgconfig')}\n{line}", folder)
    says_hello(folder / "hello")
    says_hello(folder / "hello-static")
    expect("libkaon" in needed(folder / "hello"), "hello does not use the shared library")
    expect("statically linked" in sh(f"ldd {folder}/hello-static 2>&1 || echo statically linked"), "hello-static is not static")
    sans_io = project("pkg-config-core", like="sans-io")
    sh(f"{guide('export PKG_CONFIG_PATH=$HOME/kaon/lib/pkgconfig')}\n"
       + guide("g++ -std=c++23 -fno-exceptions main.cc -o sans-io $(pkg-config --cflags --libs kaon-core)"), sans_io)
    expect("hello without I/O" in sh("./sans-io", sans_io), "the program without I/O does not run")
    return f"a static program of {megabytes(stripped_size(folder / 'hello-static'))}"


def test_installed_tree_may_be_moved():
    moved = WORK / "moved"
    sh(f"rm -rf {moved} && cp -a {PREFIX} {moved}")
    foreign = sh(f"grep -rIl {ROOT} {moved} || true").split()
    expect(not foreign, f"these files name the folder they were built in: {foreign}")
    flags = sh("pkg-config --cflags kaon", PKG_CONFIG_PATH=moved / "lib/pkgconfig")
    expect("/moved/" in flags or "moved/lib/pkgconfig" in flags, f"pkg-config still points elsewhere: {flags}")
