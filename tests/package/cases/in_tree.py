"""Programs that compile Kaon along with themselves."""

from kit import HELLO, ROOT, expect, fresh, guide, project, run_once, sh

# Unoptimised, because it is compiled only to see that it does.
OPTIONS = "-G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O0 -DCMAKE_CXX_COMPILER_LAUNCHER=ccache"


@run_once
def archive():
    """The committed sources."""
    file = fresh("archive") / "kaon.tar.gz"
    sh(f"{guide('git archive --prefix=kaon/ -o kaon.tar.gz HEAD')} && mv kaon.tar.gz {file}", ROOT)
    return file


def build(folder, target="all"):
    sh(f"cmake -S . -B build {OPTIONS} && cmake --build build --target {target}", folder,
       CCACHE_SLOPPINESS="pch_defines,time_macros,include_file_mtime,include_file_ctime")
    unwanted = [*folder.glob("build/**/kaon_*_test"), *folder.glob("build/**/apps/kaon/kaon"), *folder.glob("build/**/*.so")]
    expect(not unwanted, f"built without need: {unwanted}")


def test_add_subdirectory_of_one_module():
    folder = project("add-subdirectory-one", HELLO, like="add-subdirectory")
    sh(f"tar -xf {archive()}", folder)
    build(folder, "kaon_rtp")
    expect(list(folder.glob("build/**/libkaon_rtp.a")), "the module is not built")
    planned = sh("ninja -C build -t commands hello", folder)
    expect("webrtc/peer_connection.cc" in planned and "sfu/server.cc" not in planned, "hello is not built of what it uses")


def test_add_subdirectory():
    """Compiles everything that a connection needs."""
    folder = project("add-subdirectory", HELLO)
    sh(f"tar -xf {archive()}", folder)
    build(folder)
    expect("echo: hello" in sh("./build/hello", folder), "it opened no data channel")


def test_fetch_content_of_one_module():
    folder = project("fetch-content", archive())
    build(folder)
    text = sh("./build/rtp-line", folder)
    expect("deadbeef" in text.lower() or "3735928559" in text, text)
    expect("payload of 4 bytes" in text, text)
    expect(not list(folder.glob("build/**/dtls/**/*.o")), "modules are compiled that the program does not use")


def test_sources_configure_as_the_guide_says():
    folder = fresh("configure")
    sh(f"tar -xf {archive()} --strip-components=1", folder)
    for options in ("", " -DKAON_BUILD_APPS=OFF"):
        sh(guide("cmake -S . -B build/user -G Ninja -DCMAKE_BUILD_TYPE=Release -DKAON_BUILD_TESTS=OFF") + options, folder)
        planned = sh("ninja -C build/user -t commands", folder)
        expect(("-o apps/kaon/kaon " in planned) == (not options), "the command is built when it should not be, or the other way")
        expect("_test.cc" not in planned, "tests are built too")


test_add_subdirectory.long = test_add_subdirectory.full = True
