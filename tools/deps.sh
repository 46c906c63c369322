#!/usr/bin/env bash
# Installs what a part of the project needs from Debian's packages, and nothing that is there already:
#   tools/deps.sh build|test|lint|sanitize|browser ...
set -euo pipefail

declare -A GROUPS_OF=(
  [build]="g++ cmake ninja-build ccache libssl-dev libboost1.81-dev libcli11-dev libspdlog-dev"
  [test]="g++ cmake ninja-build ccache libssl-dev libboost1.81-dev libcli11-dev libspdlog-dev libgtest-dev libgmock-dev libgnutls28-dev libusrsctp-dev openssl python3 ffmpeg git"
  [lint]="clang-19 clang-format-19 clang-tidy-19 python3"
  [sanitize]="clang-19 lld-19 llvm-19 libclang-rt-19-dev"
  [browser]="chromium firefox-esr fonts-dejavu-core iproute2 ca-certificates"
)

missing=()
for group in "$@"; do
  for package in ${GROUPS_OF[$group]:?"unknown group '$group': build, test, lint, sanitize or browser"}; do
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
