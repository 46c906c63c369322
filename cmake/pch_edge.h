// What the edge uses most: the standard headers and Boost.Asio, which is slow to compile.
#pragma once
#include <boost/asio.hpp>
#include "pch_core.h"
