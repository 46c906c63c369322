#include "samples.h"

#include <array>
#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>

#include "kaon/crypto/hash.h"
#include "kaon/packetizer/h26x.h"

namespace kaon::interop {
namespace {

std::vector<uint8_t> from_hex(std::string_view digits) {
  std::vector<uint8_t> bytes(digits.size() / 2);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(std::stoul(std::string(digits.substr(2 * i, 2)), nullptr, 16));
  }
  return bytes;
}

/// Start codes of four bytes throughout, which is what other stacks write; ours are as short as they may be.
std::vector<uint8_t> with_long_start_codes(ByteView frame) {
  constexpr std::array<uint8_t, 4> kStartCode = {0, 0, 0, 1};
  std::vector<uint8_t> out;
  packetizer::NalReader nals(frame);
  while (const auto nal = nals.next()) {
    out.insert(out.end(), kStartCode.begin(), kStartCode.end());
    out.insert(out.end(), nal->begin(), nal->end());
  }
  return out;
}

}  // namespace

Samples Samples::load(const std::string& path) try {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const boost::json::object object = boost::json::parse(text).as_object();
  Samples samples;
  samples.codec = packetizer::codec_from_name(std::string_view(object.at("codec").as_string())).value();
  samples.duration = object.at("duration").to_number<uint32_t>();
  for (const auto& frame : object.at("frames").as_array()) samples.frames.push_back(from_hex(frame.as_string()));
  return samples;
} catch (const std::exception& error) {
  std::cerr << "kaon peer: " << path << ": " << error.what() << "\n";
  std::exit(2);
}

std::string mark_of(packetizer::Codec codec, ByteView frame) {
  std::vector<uint8_t> as_others_write;
  if (codec == packetizer::Codec::H264) {
    as_others_write = with_long_start_codes(frame);
    frame = as_others_write;
  }
  return to_hex(crypto::hash(crypto::HashAlgorithm::Sha256, frame).view()).substr(0, 16);
}

}  // namespace kaon::interop
