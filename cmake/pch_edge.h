// What the edge uses most: the standard headers and Boost.Asio, which is slow to compile.
#pragma once
#include "pch_core.h"
#include <boost/asio.hpp>
