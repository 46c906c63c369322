#!/usr/bin/env bash
# The API reference from the public headers: tools/api-docs.sh [FOLDER] writes FOLDER/html/index.html (build/api if not given).
# It fails if a docstring is wrong anywhere, or if a public name of kaon/webrtc has none.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-build/api}
tools/deps.sh docs
rm -rf "$folder"
mkdir -p "$folder"

# A group per module, described by the first paragraph of its README.
modules=$(sed -nE 's/^([a-z]+):.*/\1/p' tests/lint/layers.txt)
for module in $modules; do
  [ -d "kaon/$module" ] || continue
  namespace=kaon::$module
  [ "$module" = base ] && namespace=kaon
  printf '/** @defgroup %s %s\n' "$module" "$module"
  # Without its links, which lead to other files of the repository.
  [ -f "kaon/$module/README.md" ] && awk 'NR > 1 && /^$/ && seen { exit } NR > 1 && NF { print; seen = 1 }' "kaon/$module/README.md" |
    sed -E 's/\[([^]]*)\]\([^)]*\)/\1/g'
  printf '*/\n/** @namespace %s\n@ingroup %s\n@brief The module @ref %s.\n*/\n' "$namespace" "$module" "$module"
done >"$folder/modules.dox"

{ cat docs/api/Doxyfile; echo "INPUT = docs/api $folder/modules.dox kaon"; echo "OUTPUT_DIRECTORY = $folder"; } |
  doxygen - >/dev/null 2>"$folder/warnings"
# Doxygen 1.9 does not understand specialisations of std::hash in a namespace of ours.
sed -i '/scope for class std::hash</d' "$folder/warnings"
undocumented='is not documented\.$'
elsewhere=$(grep -E "$undocumented" "$folder/warnings" | grep -vc '/kaon/webrtc/' || true)
if grep -vE "$undocumented" "$folder/warnings" || grep -E "$undocumented" "$folder/warnings" | grep '/kaon/webrtc/'; then
  exit 1
fi >&2
echo "$folder/html/index.html; public names without a docstring outside kaon/webrtc: $elsewhere"
