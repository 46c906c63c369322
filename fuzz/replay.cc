// Runs every input of fuzz/corpus as an ordinary test, one case per target:
//   kaon_fuzz_replay [options of GoogleTest]
//   kaon_fuzz_replay TARGET FILE...            these inputs only
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz/fuzz.h"

namespace {

namespace fs = std::filesystem;

std::vector<uint8_t> read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Names the input that was running, because a broken invariant ends the process.
std::string g_running;
void on_broken_invariant(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: broken invariant %s\nwith the input %s\n", file, line, condition, g_running.c_str());
  std::abort();
}

void run(const kaon::fuzz::Target& target, const fs::path& path) {
  g_running = path.string();
  const std::vector<uint8_t> input = read(path);
  target.run(input);
}

class Replay : public testing::Test {
 public:
  explicit Replay(const kaon::fuzz::Target& target) : target_(target) {}
  void TestBody() override {
    size_t inputs = 0;
    const fs::path folder = fs::path(KAON_FUZZ_CORPUS) / target_.name;
    for (const auto& entry : fs::directory_iterator(folder)) run(target_, entry.path()), ++inputs;
    EXPECT_GT(inputs, 0u) << folder;
  }

 private:
  const kaon::fuzz::Target& target_;
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  kaon::set_assert_hook(on_broken_invariant);
  const auto& all = kaon::fuzz::targets();
  if (argc > 1) {
    for (const auto& target : all) {
      if (target.name != argv[1]) continue;
      for (int i = 2; i < argc; ++i) run(target, argv[i]);
      return 0;
    }
    std::fprintf(stderr, "no target '%s'; there are:", argv[1]);
    for (const auto& target : all) std::fprintf(stderr, " %s", std::string(target.name).c_str());
    std::fprintf(stderr, "\n");
    return 2;
  }
  for (const auto& target : all) {
    testing::RegisterTest("FuzzCorpus", std::string(target.name).c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [&target]() -> testing::Test* { return new Replay(target); });
  }
  return RUN_ALL_TESTS();
}
