// The entry of libFuzzer: one target per program.
#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kaon::fuzz::targets().front().run({data, size});
  return 0;
}
