// See hosts.h.
#include "launch/hosts.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <thread>

#include "base/digest.h"
#include "base/places.h"
#include "comm/rendezvous/handshake.h"
#include "launch/launch.h"
#include "tacet/error.h"

namespace tacet {
namespace {

constexpr const char* kToken = "TACET_JOIN_TOKEN";
constexpr size_t kLongestToken = 4096;

std::string quoted(const std::string& word) {
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::string name_of(const std::string& host) { return host.substr(host.find('@') + 1); }

}  // namespace

std::vector<std::string> split_hosts(const std::string& list) {
  std::vector<std::string> hosts;
  for (size_t at = 0; at <= list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    hosts.push_back(list.substr(at, end - at));
    // A name that begins with a dash would be an option of ssh.
    if (name_of(hosts.back()).empty() || hosts.back()[0] == '-' || hosts.back().find_first_of(" \t") != std::string::npos)
      throw UserError("--hosts must be names with commas between them, got '" + list + "'");
    at = end + 1;
  }
  return hosts;
}

std::string remote_command(const HostsOptions& options, const std::string& folder, const std::string& program, int rank,
                           const std::vector<std::string>& arguments) {
  std::string command = "cd " + quoted(folder) + " && exec env RANK=" + std::to_string(rank) +
                        " WORLD_SIZE=" + std::to_string(options.hosts.size()) +
                        " MASTER_ADDR=" + quoted(name_of(options.hosts[0])) + " MASTER_PORT=" + std::to_string(options.port);
  if (const char* data = std::getenv("TACET_DATA")) command += " TACET_DATA=" + quoted(data);
  command += " " + quoted(program) + " train";
  for (const std::string& word : arguments) command += " " + quoted(word);
  return command + " --token-from-input";
}

int launch_hosts(const HostsOptions& options, const std::vector<std::string>& arguments) {
  if (words_of(options.ssh).empty()) throw UserError("--ssh must be a command, got ''");
  // Without a token of the user's the launcher makes one, as only its own workers have to know it.
  if (std::getenv(kToken) == nullptr) ::setenv(kToken, hexadecimal(random_challenge()).c_str(), 1);
  std::string list;
  for (const std::string& host : options.hosts) list += (list.empty() ? "" : ",") + host;
  const int port = options.port > 0 ? options.port : 20000 + static_cast<int>(::getpid() % 10000);
  std::vector<std::string> argv = {program_name(), "train"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  argv.insert(argv.end(), {"--hosts", list, "--ssh", options.ssh, "--port", std::to_string(port)});
  for (size_t rank = 0; rank < options.hosts.size(); ++rank)
    std::fprintf(stderr, "tacet: worker %zu is on %s\n", rank, options.hosts[rank].c_str());
  return launch_local(argv, static_cast<int>(options.hosts.size()));
}

void become_ssh(const HostsOptions& options, const std::vector<std::string>& arguments) {
  const auto rank = static_cast<size_t>(placement_from_environment().value().rank);
  const std::string command =
      remote_command(options, std::filesystem::current_path().string(),
                     std::filesystem::read_symlink("/proc/self/exe").string(), static_cast<int>(rank), arguments);
  // ssh's input is a pipe whose other end only ssh itself holds, so it ends exactly when ssh does.
  int ends[2];
  const std::string line = read_token("") + "\n";
  if (line.size() > kLongestToken) throw UserError("$TACET_JOIN_TOKEN must have at most 4096 bytes");
  if (::pipe(ends) != 0 || ::write(ends[1], line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
      ::dup2(ends[0], STDIN_FILENO) < 0)
    throw UserError(std::string("--hosts: no pipe to ssh: ") + std::strerror(errno));
  ::close(ends[0]);
  for (const char* name : {kToken, kToldVariable, "RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"})
    ::unsetenv(name);
  std::vector<std::string> words = words_of(options.ssh);
  words.insert(words.end(), {options.hosts[rank], command});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  throw UserError("--ssh: " + words[0] + " can't be run: " + std::strerror(errno));
}

std::string token_from_input() {
  std::string token;
  char c = 0;
  while (token.size() < kLongestToken && ::read(STDIN_FILENO, &c, 1) == 1 && c != '\n') token += c;
  // The signal is for another thread: the launcher's, which reads it from a file, or the worker's.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  std::thread([] {
    char bytes[256];
    for (;;) {
      const ssize_t n = ::read(STDIN_FILENO, bytes, sizeof bytes);
      if (n == 0 || (n < 0 && errno != EINTR)) break;
    }
    ::kill(::getpid(), SIGTERM);
  }).detach();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return token;
}

}  // namespace tacet
