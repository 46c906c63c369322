// Keeps a Core alive, and marks it, while its handlers run.
#pragma once

#include <memory>

#include "kaon/webrtc/internal/core.h"

namespace kaon::webrtc::internal {

class Core::Dispatch {
 public:
  explicit Dispatch(Core& core) : core_(core.shared_from_this()) { ++core.dispatching_; }
  ~Dispatch() { --core_->dispatching_; }
  Dispatch(const Dispatch&) = delete;
  Dispatch& operator=(const Dispatch&) = delete;

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace kaon::webrtc::internal
