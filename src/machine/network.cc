// See network.h.
#include "machine/network.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <memory>
#include <mutex>
#include <thread>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

namespace tacet {
namespace {

std::string numeric(const in_addr& address) {
  char text[INET_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET, &address, text, sizeof text);
  return text;
}

std::vector<std::string> ask_resolver(const std::string& name) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  std::vector<std::string> addresses;
  if (::getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return addresses;
  for (const addrinfo* a = found; a; a = a->ai_next) {
    const std::string address = numeric(reinterpret_cast<const sockaddr_in*>(a->ai_addr)->sin_addr);
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) addresses.push_back(address);
  }
  ::freeaddrinfo(found);
  return addresses;
}

// An answer that may come after nobody waits for it any more.
struct Answer {
  std::mutex mutex;
  std::condition_variable came;
  bool here = false;
  std::vector<std::string> addresses;
};

}  // namespace

std::vector<NetworkInterface> network_interfaces() {
  std::vector<NetworkInterface> all;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return all;
  for (const ifaddrs* i = list; i; i = i->ifa_next) {
    if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_UP)) continue;
    NetworkInterface one{i->ifa_name, numeric(reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr), 0,
                         (i->ifa_flags & IFF_LOOPBACK) != 0};
    double megabits = 0;  // −1 where the driver doesn't say
    if (std::ifstream("/sys/class/net/" + one.name + "/speed") >> megabits && megabits > 0) one.bits = 1e6 * megabits;
    all.push_back(one);
  }
  ::freeifaddrs(list);
  return all;
}

HostName resolve_host(const std::string& name, double limit) {
  // The system's resolver has no limit of its own that suits, so it is asked on a thread that may be left behind.
  const auto answer = std::make_shared<Answer>();
  std::thread([answer, name] {
    std::vector<std::string> addresses = ask_resolver(name);
    const std::lock_guard lock(answer->mutex);
    answer->addresses = std::move(addresses);
    answer->here = true;
    answer->came.notify_one();
  }).detach();
  std::unique_lock lock(answer->mutex);
  const bool came = answer->came.wait_for(lock, std::chrono::duration<double>(limit), [&] { return answer->here; });
  return {name, came ? answer->addresses : std::vector<std::string>(), came};
}

std::string own_host_name() {
  char name[256] = "";
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

}  // namespace tacet
