// Stands in for live_server_httplib.cc where cpp-httplib was not there when tacet was configured.
#include "cli/live_server.h"
#include "tacet/error.h"

namespace tacet {

int serve_live(const LiveOptions&) {
  throw UserError(
      "--watch needs cpp-httplib (Debian's libcpp-httplib-dev), which was not there when this program was configured: "
      "install it, configure and build again");
}

}  // namespace tacet
