// `tacet report --watch`: serves the page of runs while they go on. live_server_httplib.cc does it with cpp-httplib;
// live_server_absent.cc stands in its place where that was not there when tacet was configured.
#pragma once

#include <string>
#include <vector>

namespace tacet {

struct LiveOptions {
  std::vector<std::string> dirs;
  std::string address = "127.0.0.1";
  int port = 0;       // 0: a free one
  std::string token;  // asked of each request; empty: a new one where the address is not loopback, else none
};

// Prints the page's address and serves it until SIGINT or SIGTERM. Returns 0. Throws UserError where the runs can't be read,
// the address can't be used, or tacet was built without the library.
int serve_live(const LiveOptions& options);

}  // namespace tacet
