#!/usr/bin/env python3
"""Checks that hold for every file: one line per check, "ok<TAB>name" or "fail<TAB>name<TAB>what and where"."""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
EDGE = {"io", "webrtc", "capture", "sfu", "c", "adapters"}
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 80

# Below io/ nobody owns a socket, a file, a thread or a clock, and nobody but crypto/ knows libcrypto.
FORBIDDEN_HEADERS = re.compile(
    r'#include\s*[<"](sys/|netinet/|arpa/|unistd\.h|fcntl\.h|poll\.h|pthread|thread|mutex|shared_mutex|condition_variable|future|'
    r'fstream|iostream|random|ctime|time\.h|boost/)')
FORBIDDEN_WORDS = re.compile(
    r'\b(steady_clock|system_clock|high_resolution_clock|std::thread|std::mutex|thread_local|gettimeofday|clock_gettime|'
    r'std::rand|srand|random_device|mt19937|getenv|fopen)\b|\brand\(\)')
# stdio for the assertion message, the count of SharedBuffer and the seed to replay are the only exceptions.
ALLOWED = {"kaon/base/assert.cc", "kaon/base/buffer.h", "kaon/base/buffer.cc", "kaon/sim/seed.cc"}
PUBLIC_FORBIDDEN = re.compile(r'#include\s*[<"](openssl/|boost/|libav|sys/|netinet/|arpa/|unistd\.h|linux/)')


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns], cwd=ROOT, text=True,
                         capture_output=True, check=True).stdout
    return [line for line in out.splitlines() if (ROOT / line).exists()]


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def without_comments(text):
    text = re.sub(r'/\*.*?\*/', lambda m: re.sub(r'[^\n]', '', m.group()), text, flags=re.S)
    return re.sub(r'//[^\n]*', '', text)


def module_of(path):
    parts = path.split("/")
    return parts[1] if len(parts) > 2 and parts[0] == "kaon" else None


def is_test(path):
    """Tests and what they share: x_test.cc, test_pair.h, connection_test_support.h."""
    return "test" in path.rsplit("/", 1)[-1]


def layers():
    edges = {}
    for line in (ROOT / "tests/lint/layers.txt").read_text().splitlines():
        if match := re.match(r'^([a-z]+):(.*)$', line):
            edges[match[1]] = set(match[2].split())
    return edges


def check_layers(sources):
    edges = layers()
    for path in sources:
        module = module_of(path)
        if module is None:
            continue
        if module not in edges:
            yield f"{path}: module '{module}' is not in layers.txt"
            continue
        # A test may use the simulated network, its addresses, and media files.
        extra = {"sim", "crypto", "net", "container"} if is_test(path) else set()
        for number, line in enumerate(read(path).splitlines(), 1):
            match = re.match(r'#include "kaon/([a-z]+)/(internal/)?', line)
            if not match:
                continue
            other = match[1]
            if other != module and other not in edges[module] | extra:
                yield f"{path}:{number}: {module} may not include {other}"
            if match[2] and other != module:
                yield f"{path}:{number}: {other}/internal belongs to {other} alone"


def check_no_world_below_io(sources):
    for path in sources:
        module = module_of(path)
        if module is None or module in EDGE or path in ALLOWED or is_test(path):
            continue
        for number, line in enumerate(without_comments(read(path)).splitlines(), 1):
            if FORBIDDEN_HEADERS.search(line) or FORBIDDEN_WORDS.search(line):
                yield f"{path}:{number}: not below io/: {line.strip()}"
            if "#include <openssl/" in line and module != "crypto":
                yield f"{path}:{number}: only crypto/ may call libcrypto"


def check_public_headers_hide_the_system(sources):
    for path in sources:
        if path.startswith("kaon/") and path.endswith(".h") and "/internal/" not in path and "/adapters/" not in path:
            for number, line in enumerate(read(path).splitlines(), 1):
                if PUBLIC_FORBIDDEN.search(line):
                    yield f"{path}:{number}: not in a public header: {line}"


def functions(text):
    """(first line, lines) of every brace block that follows a parameter list at function level; a rough measure."""
    depth, start, starts = 0, 0, []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        opens_scope = re.match(r'^(inline\s+)?(namespace|class|struct|union|enum|extern)\b', stripped) and \
            not stripped.endswith(";")
        for c in re.sub(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])\'', '', line):
            if c == "{":
                starts.append((number, bool(opens_scope), depth))
                depth += 1
            elif c == "}" and starts:
                start, scope, _ = starts.pop()
                depth -= 1
                if not scope and all(s[1] for s in starts):
                    yield start, number - start + 1


def check_sizes(sources):
    for path in sources:
        if not path.startswith(("kaon/", "apps/", "examples/", "fuzz/", "benchmarks/")):
            continue
        text = read(path)
        lines = text.count("\n")
        if lines > MAX_FILE_LINES:
            yield f"{path}: {lines} lines, at most {MAX_FILE_LINES}: split it by topic"
        for start, length in functions(without_comments(text)):
            if length > MAX_FUNCTION_LINES and not is_test(path):
                yield f"{path}:{start}: a function of {length} lines, at most {MAX_FUNCTION_LINES}"


def check_web_loads_nothing_foreign(_):
    for path in tracked("web/*"):
        for number, line in enumerate(read(path).splitlines(), 1):
            if re.search(r'(src|href|import|url|fetch)\s*[=(]?\s*\(?["\']?(https?:)?//', line) and "w3.org" not in line:
                yield f"{path}:{number}: loads from another host: {line.strip()}"


def check_notes(sources):
    for path in sources + tracked("web/*", "tests/*.py", "tests/*.mjs"):
        if path == "tests/lint/lint.py":
            continue
        for number, line in enumerate(read(path).splitlines(), 1):
            if re.search(r'\b(TODO|FIXME|XXX|HACK)\b', line):
                yield f"{path}:{number}: open note: {line.strip()}"


def check_readme_program(_):
    if read("examples/data-channels/main.cc") not in read("README.md"):
        yield "README.md: its program is not examples/data-channels/main.cc, which a test runs"


def check_guide_snippets(_):
    """Code in guides that name an example above it is in that example, but for the indentation."""
    for path in tracked("docs/guide/*.md"):
        for name, snippet in re.findall(r"<!-- (examples/\S+) -->\n```cpp\n(.*?)```", read(path), re.S):
            def plain(text):
                return "\n".join(line.strip() for line in text.splitlines())
            if not (ROOT / name).exists() or plain(snippet) not in plain(read(name)):
                yield f"{path}: not in {name}: {snippet.splitlines()[0]}"


def check_named_tests(_):
    """Tests that docs/security.md names are there, and each attack has one, or nothing to attack."""
    tests = set(re.findall(r"^(?:TYPED_)?TEST(?:_[FP])?\(([^)]+)\)", "\n".join(map(read, tracked("kaon/*.cc", "tests/*.cc"))), re.M))
    tests = {re.sub(r",\s*", ".", test) for test in tests}
    tests |= set(re.findall(r"^def (test_\w+)", "\n".join(map(read, tracked("tests/server/cases/*.py"))), re.M))
    for number, line in enumerate(read("docs/security.md").splitlines(), 1):
        named = re.findall(r"`([A-Z]\w+\.[A-Za-z]\w+|test_\w+)`", line)
        for test in named:
            if test not in tests:
                yield f"docs/security.md:{number}: there is no test {test}"
        if re.match(r"\| [CE–]", line) and not named and "nothing to attack" not in line and not line.endswith("| |"):
            yield f"docs/security.md:{number}: no test: {line[:60]}"


def check_api_reference(_):
    """Docstrings that Doxygen understands; a docstring for each public name of kaon/webrtc."""
    done = subprocess.run(["tools/api-docs.sh"], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        yield from done.stdout.splitlines()


def check_format(sources):
    done = subprocess.run(["clang-format-19", "--dry-run", "-Werror", *sources], cwd=ROOT, text=True,
                          capture_output=True, check=False)
    for line in done.stderr.splitlines():
        if "error:" in line:
            yield line


def check_headers_compile_alone(sources):
    headers = [p for p in sources if p.startswith("kaon/") and p.endswith(".h") and "/internal/" not in p]

    def compile_one(path):
        flags = [] if module_of(path) in EDGE else ["-fno-exceptions", "-fno-rtti"]
        done = subprocess.run(["clang++-19", "-std=c++23", "-fsyntax-only", "-I.", *flags, "-x", "c++", "-include", path, "/dev/null"],
                              cwd=ROOT, text=True, capture_output=True, check=False)
        return path, done

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, done in pool.map(compile_one, headers):
            if done.returncode != 0:
                yield f"{path} does not compile alone: {done.stderr.splitlines()[0] if done.stderr else ''}"


def tidy_files(full, sources):
    if full:
        return [p for p in sources if p.endswith(".cc")]
    base = subprocess.run(["git", "merge-base", "origin/main", "HEAD"], cwd=ROOT, text=True, capture_output=True, check=False)
    if base.returncode != 0:
        return []
    changed = subprocess.run(["git", "diff", "--name-only", base.stdout.strip()], cwd=ROOT, text=True,
                             capture_output=True, check=True).stdout.split()
    return [p for p in changed if p.endswith(".cc") and p in sources]


def tidy(files):
    """(file, what clang-tidy finds in it), one after the other. Its own build tree is without precompiled headers, because
    nothing is compiled in it."""
    database = ROOT / "build/tidy"
    if files:
        configured = subprocess.run(["cmake", "--preset", "tidy"], cwd=ROOT, text=True, capture_output=True, check=False)
        if configured.returncode != 0:
            yield "configuring", [configured.stderr]
            return

    def tidy_one(path):
        done = subprocess.run(["clang-tidy-19", "-p", database, "--quiet", path], cwd=ROOT, text=True,
                              capture_output=True, check=False)
        found = [line for line in done.stdout.splitlines() if "warning:" in line or "error:" in line]
        return path, found or ([done.stderr] if done.returncode != 0 else [])

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(tidy_one, files)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="clang-tidy over the whole tree, not the changed files")
    full = parser.parse_args().full
    sources = tracked("*.h", "*.cc")
    checks = {
        "layers": check_layers, "no_world_below_io": check_no_world_below_io,
        "public_headers_hide_the_system": check_public_headers_hide_the_system, "sizes": check_sizes,
        "web_loads_nothing_foreign": check_web_loads_nothing_foreign, "no_open_notes": check_notes,
        "readme_program": check_readme_program, "guide_snippets": check_guide_snippets, "named_tests": check_named_tests,
        "format": check_format, "headers_compile_alone": check_headers_compile_alone, "api_reference": check_api_reference,
    }
    failed = False

    def tell(name, problems):
        nonlocal failed
        failed = failed or bool(problems)
        print("\t".join(["fail" if problems else "ok", name, *problems[:40]]).replace("\n", " | "), flush=True)

    for name, check in checks.items():
        tell(name, list(check(sources)))
    passed = os.environ.get("KAON_PASSED", "").splitlines()
    for path, problems in tidy([p for p in tidy_files(full, sources) if f"clang_tidy.{p}" not in passed]):
        tell(f"clang_tidy.{path}", problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
