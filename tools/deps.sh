#!/usr/bin/env bash
# Installs what a part of the project needs from Debian's packages, and nothing that is there already:
#   tools/deps.sh build|test|lint|sanitize|browser|interop|dtls|mlkem|wide|turn|nat|package|bench|docs ...
set -euo pipefail

declare -A GROUPS_OF=(
  [build]="g++ cmake ninja-build ccache libssl-dev libboost1.81-dev libcli11-dev libspdlog-dev"
  [test]="g++ cmake ninja-build ccache libssl-dev libboost1.81-dev libcli11-dev libspdlog-dev libgtest-dev libgmock-dev libbenchmark-dev binutils libgnutls28-dev libusrsctp-dev openssl python3 ffmpeg git iproute2 tshark"
  [lint]="clang-19 clang-format-19 clang-tidy-19 python3"
  [sanitize]="clang-19 lld-19 llvm-19 libclang-rt-19-dev"
  [package]="binutils pkg-config python3-venv dpkg-dev systemd mmdebstrap strace iproute2 clang-19"
  [docs]="doxygen"
  [bench]="g++ cmake ninja-build ccache libssl-dev libboost1.81-dev libcli11-dev libspdlog-dev libgtest-dev libgmock-dev libbenchmark-dev binutils iproute2 python3 git"
  [browser]="chromium firefox-esr fonts-dejavu-core iproute2 ca-certificates"
  # What coturn links, which itself is unpacked and not installed, because its package starts a server.
  [turn]="openssl python3 libevent-core-2.1-7 libevent-extra-2.1-7 libevent-openssl-2.1-7 libevent-pthreads-2.1-7 libhiredis0.14 libmariadb3 libpq5"
  [mlkem]="gcc make perl python3"
  [wide]="libipsec-mb-dev"
  [nat]="iproute2 nftables openssl procps python3"
  # Firefox's package has the NSS that knows DTLS 1.3.
  [dtls]="libssl-dev libgnutls28-dev libmbedtls-dev libnss3-dev firefox-esr openssl python3"
  # What the peers of tests/interop link, and what Janus needs, which itself is unpacked and not installed (stacks.py).
  [interop]="ffmpeg python3 python3-venv libssl-dev pkg-config ca-certificates python3-gst-1.0 gir1.2-gst-plugins-base-1.0 gir1.2-gst-plugins-bad-1.0 gstreamer1.0-nice gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad libconfig9 libcurl4 libjansson4 libmicrohttpd12 libnice10 libsrtp2-1 libusrsctp2"
)

missing=()
for group in "$@"; do
  for package in ${GROUPS_OF[$group]:?"unknown group '$group': ${!GROUPS_OF[*]}"}; do
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)" = "ii " ] || missing+=("$package")
  done
done
needs_node=
for group in "$@"; do [ "$group" = browser ] && ! command -v node >/dev/null && needs_node=1; done
[ -n "$needs_node" ] && missing+=(nodejs npm)
[ ${#missing[@]} -eq 0 ] && exit 0

command -v apt-get >/dev/null || { echo "kaon: please install by hand: ${missing[*]}" >&2; exit 1; }
as_root=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "kaon: as root, run: apt-get install ${missing[*]}" >&2; exit 1; }
  as_root=sudo
fi
echo "kaon: installing ${missing[*]}"
log=$(mktemp)
if ! { $as_root apt-get -qq update && DEBIAN_FRONTEND=noninteractive $as_root apt-get -o DPkg::Lock::Timeout=900 install -y -qq \
  --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -20 "$log" >&2
  echo "kaon: installing failed; the whole output is in $log" >&2
  exit 1
fi
rm -f "$log"
