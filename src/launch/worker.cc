// See worker.h.
#include "launch/worker.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace tacet {
namespace {

// Lines on a worker's stderr are held back this long, so that the last ones, before it ends with a user mistake, can be
// dropped when another worker has said the same. Unloading libtorch alone may take a worker half a second after its last
// line.
constexpr double kHoldSeconds = 3;
// A line that is longer is shown in parts.
constexpr size_t kLongestLine = 64 << 10;

struct Pipe {
  Fd out, in;
};

Pipe make_pipe(const std::string& program) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw no_start(program, errno);
  return {Fd(ends[0]), Fd(ends[1])};
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

// Reads the number that a child writes when it can't run its program; 0 at the end of the pipe.
int error_in(const Fd& pipe) {
  int error = 0;
  ssize_t n;
  do {
    n = ::read(pipe.get(), &error, sizeof error);
  } while (n < 0 && errno == EINTR);
  return n == static_cast<ssize_t>(sizeof error) ? error : 0;
}

// Runs the program's function in this process, a copy of the launcher's. The launcher's own connections must not live on in
// it: their end tells of a worker's end.
int run_function(const Program& program, char** environment) {
  for (const int file : open_files())
    if (file > STDERR_FILENO && std::find(program.files.begin(), program.files.end(), file) == program.files.end())
      ::close(file);
  environ = environment;
  return program.work();
}

}  // namespace

std::vector<int> open_files() {
  std::vector<int> files;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    files.push_back(std::stoi(entry.path().filename().string()));
  return files;
}

UserError no_start(const std::string& program, int error) {
  return UserError("can't start the workers (" + program + "): " + std::strerror(error));
}

void Worker::start(Program program, const sigset_t& mask) {
  streams_.clear();
  Pipe out, err;
  if (rank_ > 0) {
    out = make_pipe(program.path);
    err = make_pipe(program.path);
  }
  Pipe failure = make_pipe(program.path);  // carries errno when the program can't be run, and closes when it runs

  // Everything that needs memory comes before fork(): the rendezvous' thread may hold the allocator's lock.
  const std::vector<char*> arguments = pointers(program.arguments);
  std::vector<char*> environment = pointers(program.environment);
  const pid_t parent = ::getpid();

  const pid_t pid = program.fork();
  if (pid < 0) throw no_start(program.path, errno);
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(kPeerLost);  // the launcher died before it could be watched
    if (rank_ > 0) {
      ::dup2(out.in.get(), STDOUT_FILENO);
      ::dup2(err.in.get(), STDERR_FILENO);
    }
    ::signal(SIGINT, SIG_IGN);
    ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
    if (program.work) ::_exit(run_function(program, environment.data()));
    ::signal(SIGPIPE, SIG_DFL);  // the launcher's own choice, which a program would inherit
    ::execve(program.path.c_str(), arguments.data(), environment.data());
    const int error = errno;
    [[maybe_unused]] const auto n = ::write(failure.in.get(), &error, sizeof error);
    ::_exit(kPeerLost);
  }
  failure.in.reset();
  if (const int error = error_in(failure.out); error != 0) {
    ::waitpid(pid, nullptr, 0);
    throw no_start(program.path, error);
  }
  pid_ = pid;
  running_ = true;
  if (rank_ == 0) return;
  for (auto* pipe : {&out, &err}) {
    ::fcntl(pipe->out.get(), F_SETFL, O_NONBLOCK);
    streams_.push_back({std::move(pipe->out), pipe == &out ? STDOUT_FILENO : STDERR_FILENO, "", {}});
  }
}

bool Worker::reap() {
  if (!running_ || ::waitpid(pid_, &status_, WNOHANG) != pid_) return false;
  running_ = false;
  return true;
}

void Worker::wait() {
  if (running_) ::waitpid(pid_, &status_, 0);
}

void Worker::stop(int signal) {
  if (!running_) return;
  stopped_ = true;
  ::kill(pid_, signal);
  // A worker that was stopped (SIGSTOP, ^Z) has to run to end.
  ::kill(pid_, SIGCONT);
}

bool Worker::killed() const { return !running_ && WIFSIGNALED(status_); }

bool Worker::ended_with(int code) const { return !running_ && WIFEXITED(status_) && WEXITSTATUS(status_) == code; }

std::string Worker::how_it_ended() const {
  return WIFSIGNALED(status_) ? "was killed by signal " + std::to_string(WTERMSIG(status_))
                              : "ended with exit code " + std::to_string(WEXITSTATUS(status_));
}

void Worker::print(int target, const std::string& line) const {
  // Where nobody reads, nothing is lost: the workers' results do not depend on it.
  (void)write_all(target, "[" + std::to_string(rank_) + "] " + line + "\n");
}

void Worker::read(Stream& stream) {
  char bytes[16 << 10];
  // Not more than a pipe holds at a time, so that a worker that never stops writing does not stop the others.
  for (int k = 0; k < 4 && stream.pipe.get() >= 0; ++k) {
    const ssize_t n = ::read(stream.pipe.get(), bytes, sizeof bytes);
    if (n > 0) {
      stream.partial.append(bytes, static_cast<size_t>(n));
    } else if (n == 0) {
      stream.pipe.reset();
    } else if (errno != EINTR) {
      break;
    }
  }
}

void Worker::split(Stream& stream, bool all) {
  size_t begin = 0;
  for (;;) {
    size_t end = stream.partial.find('\n', begin);
    size_t next = end + 1;
    if (end == std::string::npos) {
      const size_t left = stream.partial.size() - begin;
      if (left == 0 || (left < kLongestLine && stream.pipe.get() >= 0 && !all)) break;
      next = end = begin + std::min(left, kLongestLine);
    }
    const std::string line = stream.partial.substr(begin, end - begin);
    begin = next;
    if (stream.target == STDERR_FILENO) {
      stream.held.push_back({line, after(kHoldSeconds)});
    } else {
      print(stream.target, line);
    }
  }
  stream.partial.erase(0, begin);
}

void Worker::show(bool all) {
  for (Stream& stream : streams_) {
    read(stream);
    split(stream, all);
    // The last words of a worker that has ended wait until it is known how the run ended.
    const auto now = Clock::now();
    size_t shown = 0;
    while (shown < stream.held.size() && (all || (running_ && stream.held[shown].show_at <= now)))
      print(stream.target, stream.held[shown++].text);
    stream.held.erase(stream.held.begin(), stream.held.begin() + static_cast<int64_t>(shown));
  }
}

void Worker::drop_repeated(std::set<std::string>& said) {
  for (Stream& stream : streams_) {
    if (!stream.partial.empty()) stream.held.push_back({std::exchange(stream.partial, ""), Clock::now()});
    std::erase_if(stream.held, [&](const auto& line) { return !said.insert(line.text).second; });
  }
}

void Worker::drop_held() {
  for (Stream& stream : streams_) {
    stream.partial.clear();
    stream.held.clear();
  }
}

void Worker::wait_for(std::vector<int>& files, Clock::time_point& until) const {
  for (const Stream& stream : streams_) {
    files.push_back(stream.pipe.get());  // poll() passes a negative one over
    if (running_ && !stream.held.empty()) until = std::min(until, stream.held.front().show_at);
  }
}

}  // namespace tacet
