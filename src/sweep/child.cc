// See child.h.
#include "sweep/child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

#include "base/files.h"
#include "machine/processor.h"
#include "tacet/error.h"

namespace tacet {
namespace {

// The begins of variables by which launchers place a process.
constexpr std::array<std::string_view, 14> kPlacing = {
    "RANK=",         "WORLD_SIZE=",       "LOCAL_RANK=",      "MASTER_ADDR=", "MASTER_PORT=",
    "TORCHELASTIC_", "TACET_JOIN_TOKEN=", "TACET_PLACED_BY=", "OMPI_",        "PMI_",
    "PMIX_",         "MPI_LOCAL",         "SLURM_PROCID=",    "SLURM_STEP_"};

std::vector<char*> own_environment() {
  std::vector<char*> out;
  for (char** entry = environ; *entry; ++entry) {
    bool places = false;
    for (const std::string_view begin : kPlacing) places = places || std::string_view(*entry).starts_with(begin);
    if (!places) out.push_back(*entry);
  }
  out.push_back(nullptr);
  return out;
}

std::vector<pid_t> children_of(pid_t pid) {
  const std::string number = std::to_string(pid);
  std::ifstream in("/proc/" + number + "/task/" + number + "/children");
  std::vector<pid_t> out;
  for (pid_t child; in >> child;) out.push_back(child);
  return out;
}

}  // namespace

void Child::start(std::vector<std::string> argv, const std::string& log, const sigset_t& mask) {
  const Fd output(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  const Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (output.get() < 0) throw WriteError(log + ": can't be written: " + std::strerror(errno));
  std::vector<char*> arguments;
  for (std::string& word : argv) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::vector<char*> environment = own_environment();
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) throw UserError(std::string("a run can't be started: ") + std::strerror(errno));
  if (child > 0) {
    pid_ = child;
    return;
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // the sweep died before it could be watched
  ::setpgid(0, 0);
  ::dup2(nothing.get(), STDIN_FILENO);
  ::dup2(output.get(), STDOUT_FILENO);
  ::dup2(output.get(), STDERR_FILENO);
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  ::execve("/proc/self/exe", arguments.data(), environment.data());
  ::_exit(1);
}

bool Child::reap() {
  if (pid_ <= 0) return true;
  const pid_t ended = ::waitpid(pid_, &status_, WNOHANG);
  if (ended == 0 || (ended < 0 && errno == EINTR)) return false;
  pid_ = 0;  // the number may be another process's from now on
  return true;
}

void Child::wait() {
  while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
}

void Child::send(int signal) const {
  if (pid_ <= 0) return;  // kill() would take 0 and -1 for groups of other processes
  // The group exists only once the child has made it.
  if (::kill(-pid_, signal) != 0) ::kill(pid_, signal);
}

int Child::exit_code() const { return WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_); }

std::string Child::how_it_ended() const {
  if (!WIFSIGNALED(status_)) return "ended with exit code " + std::to_string(WEXITSTATUS(status_));
  const int signal = WTERMSIG(status_);
  return "was killed by signal " + std::to_string(signal) +
         (signal == SIGKILL ? ", as the system does when memory is out" : "");
}

double Child::peak_memory() const {
  double bytes = proc_bytes("/proc/" + std::to_string(pid_) + "/status", "VmHWM");
  for (const pid_t child : children_of(pid_)) bytes += proc_bytes("/proc/" + std::to_string(child) + "/status", "VmHWM");
  return bytes;
}

}  // namespace tacet
