// The Boost.Asio context of a loop, for modules of the edge that run Asio's own objects on it (HTTP servers). Not
// installed.
#pragma once

namespace boost::asio {
class io_context;
}

namespace kaon::io {

class Loop;

/// Objects of this context are the loop's: use them on its thread, destroy them before it. They work on loops with a
/// thread; poll_fd() of a stepped loop does not see them.
boost::asio::io_context& asio_context(Loop& loop);

}  // namespace kaon::io
