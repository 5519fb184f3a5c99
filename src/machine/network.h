// The addresses of this machine, and those that its name has for others. Only looked up, nothing is connected here.
#pragma once

#include <string>
#include <vector>

namespace tacet {

struct NetworkInterface {
  std::string name, address;  // numeric IPv4
  double bits = 0;            // a second, as its driver says; 0: unknown
  bool loopback = false;
};

// Returns the interfaces that are up, one for each IPv4 address.
std::vector<NetworkInterface> network_interfaces();

// A name and the IPv4 addresses that the system's resolver has for it.
struct HostName {
  std::string name;
  std::vector<std::string> addresses;
  bool answered = true;  // false: the resolver did not answer in time
};

// Asks the resolver and waits at most `limit` seconds.
HostName resolve_host(const std::string& name, double limit);

// Returns this machine's name.
std::string own_host_name();

}  // namespace tacet
