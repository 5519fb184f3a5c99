// See live_server.h. The only file that includes cpp-httplib.
#include "cli/live_server.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include <fmt/format.h>
#include <httplib.h>

#include "base/utf8.h"
#include "cli/output.h"
#include "launch/environment.h"
#include "report/live_page.h"
#include "tacet/error.h"
#include "tacet/options.h"

namespace tacet {
namespace {

constexpr int kLiveThreads = 4;  // connections at once; browsers ask for one small text every two seconds

// Blocks the signals that end the server, for this thread and all that it starts, as long as this lives.
class EndingSignals {
 public:
  EndingSignals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  ~EndingSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  EndingSignals(const EndingSignals&) = delete;
  EndingSignals& operator=(const EndingSignals&) = delete;

  void wait() const {
    int signal = 0;
    sigwait(&set_, &signal);
  }

 private:
  sigset_t set_, before_;
};

// Returns the token that a request brings, in its address or its header.
std::string token_of(const httplib::Request& request) {
  if (request.has_param("token")) return request.get_param_value("token");
  const std::string header = request.get_header_value("Authorization"), begin = "Bearer ";
  return header.starts_with(begin) ? header.substr(begin.size()) : "";
}

void add_answers(httplib::Server& server, LivePage& live, const std::string& token, const std::string& address) {
  server.set_default_headers(
      {{"Cache-Control", "no-store"}, {"Referrer-Policy", "no-referrer"}, {"X-Frame-Options", "DENY"}});
  server.set_pre_routing_handler([token, address](const httplib::Request& request, httplib::Response& response) {
    if (admitted(token, token_of(request), request.get_header_value("Host"), address))
      return httplib::Server::HandlerResponse::Unhandled;
    response.status = 403;
    response.set_content(
        token.empty() ? "The page is for this machine: ask for it by localhost, 127.0.0.1 or the address that was printed.\n"
                      : "The page is for those who know its token: add ?token=… to the address.\n",
        "text/plain; charset=utf-8");
    return httplib::Server::HandlerResponse::Handled;
  });
  server.Get("/", [&live](const httplib::Request&, httplib::Response& response) {
    const std::string page = live.page();
    if (const std::string trouble = live.new_trouble(); !trouble.empty()) to_stderr("{}\n", visible(trouble));
    response.set_content(page, "text/html; charset=utf-8");
  });
  server.Get("/mark", [&live](const httplib::Request&, httplib::Response& response) {
    response.set_content(live.mark(), "text/plain; charset=utf-8");
  });
}

// Binds the server and returns its port. Another server's port is not shared, as it would be with the library's own options.
int bind_live(httplib::Server& server, const LiveOptions& options) {
  server.set_socket_options([](int socket) {
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  const int port = options.port == 0                                    ? server.bind_to_any_port(options.address)
                   : server.bind_to_port(options.address, options.port) ? options.port
                                                                        : -1;
  if (port > 0) return port;
  throw UserError(fmt::format("--address and --port must be an address of this machine and a free port, got {} and {}",
                              options.address, options.port));
}

}  // namespace

int serve_live(const LiveOptions& options) {
  // The token is a part of the address that is printed, in which other characters mean something else.
  if (options.token.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~") !=
      std::string::npos)
    throw UserError("--token must have only letters, digits and -._~, as it stands in an address, got " +
                    describe_given(Value(options.token)));
  LivePage live(options.dirs);
  const bool open = !is_loopback(options.address) && options.address != "localhost" && options.address != "::1";
  const std::string token = options.token.empty() && open ? random_token() : options.token;
  const EndingSignals signals;
  httplib::Server server;
  server.set_keep_alive_max_count(1);  // a connection that is kept would hold a thread while its browser waits
  server.new_task_queue = [] { return new httplib::ThreadPool(kLiveThreads); };
  add_answers(server, live, token, options.address);
  const int port = bind_live(server, options);
  std::thread serving([&] { server.listen_after_bind(); });
  const bool colons = options.address.find(':') != std::string::npos;
  fmt::print("http://{}{}{}:{}/{}\n", colons ? "[" : "", options.address, colons ? "]" : "", port,
             token.empty() ? "" : "?token=" + token);
  std::fflush(stdout);
  signals.wait();
  // stop() does nothing before the thread has begun to listen.
  for (int tries = 0; !server.is_running() && tries < 1000; ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  server.stop();
  serving.join();
  return 0;
}

}  // namespace tacet
