// Addresses of ours and of Asio.
#pragma once

#include <boost/asio/ip/udp.hpp>

#include "kaon/net/address.h"

namespace kaon::io {

inline boost::asio::ip::address to_asio(const net::IpAddress& ip) {
  if (ip.is_v4()) return boost::asio::ip::address_v4(load_be32(ip.bytes().data()));
  boost::asio::ip::address_v6::bytes_type bytes{};
  std::copy(ip.bytes().begin(), ip.bytes().end(), bytes.begin());
  return boost::asio::ip::address_v6(bytes, ip.scope());
}

inline boost::asio::ip::udp::endpoint to_asio(const net::Endpoint& endpoint) {
  return {to_asio(endpoint.ip), endpoint.port};
}

inline net::IpAddress from_asio(const boost::asio::ip::address& address) {
  if (address.is_v4()) return net::IpAddress::v4(address.to_v4().to_uint());
  const auto bytes = address.to_v6().to_bytes();
  return net::IpAddress::from_bytes(bytes, static_cast<uint32_t>(address.to_v6().scope_id()));
}

inline net::Endpoint from_asio(const boost::asio::ip::udp::endpoint& endpoint) {
  return {from_asio(endpoint.address()), endpoint.port()};
}

}  // namespace kaon::io
