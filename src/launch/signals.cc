// See signals.h.
#include "launch/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

namespace tacet {

Signals::Signals() {
  sigemptyset(&mine_);
  for (const int s : {SIGINT, SIGTERM, SIGCHLD}) {
    struct sigaction now {};
    ::sigaction(s, nullptr, &now);
    // Somebody who started us with these ignored (nohup, a shell's background job) wants them ignored.
    if (s == SIGCHLD || now.sa_handler != SIG_IGN) sigaddset(&mine_, s);
  }
  ::pthread_sigmask(SIG_BLOCK, &mine_, &before_);
  struct sigaction normal {};
  normal.sa_handler = SIG_DFL;  // ignored SIGCHLD would take the workers' exit codes from us
  ::sigaction(SIGCHLD, &normal, &child_before_);
  struct sigaction ignored {};
  ignored.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignored, &pipe_before_);
  file_ = Fd(::signalfd(-1, &mine_, SFD_CLOEXEC | SFD_NONBLOCK));
}

Signals::~Signals() {
  while (next() != 0) {
  }
  ::sigaction(SIGCHLD, &child_before_, nullptr);
  ::sigaction(SIGPIPE, &pipe_before_, nullptr);
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

int Signals::next() const {
  signalfd_siginfo info{};
  const bool got = ::read(file_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info);
  return got ? static_cast<int>(info.ssi_signo) : 0;
}

}  // namespace tacet
