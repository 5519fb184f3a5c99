// See progress.h.
#include "cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/clock.h"
#include "base/terminal.h"

namespace tacet {
namespace {

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

std::string human_bytes(double b) {
  const char* units[] = {"B", "kB", "MB", "GB", "TB"};
  int k = 0;
  while (b >= 999.5 && k < 4) b /= 1000, ++k;
  return k == 0 ? fmt::format("{:.0f} B", b) : fmt::format("{:.3g} {}", b, units[k]);
}

std::string figure(double value, int digits) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, digits) : fmt::format("not finite ({})", value);
}

std::string human_time(double s) {
  const auto t = static_cast<int64_t>(std::ceil(std::max(0.0, s)));
  if (t >= 3600) return fmt::format("{}:{:02}:{:02}", t / 3600, t / 60 % 60, t % 60);
  return fmt::format("{}:{:02}", t / 60, t % 60);
}

TerminalProgress::TerminalProgress(bool quiet)
    : quiet_(quiet), terminal_(is_terminal(STDERR_FILENO)), start_(Clock::now()), last_(start_) {}

TerminalProgress::~TerminalProgress() { clear(); }

void TerminalProgress::clear() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void TerminalProgress::message(const std::string& line) {
  if (quiet_) return;
  clear();
  std::fprintf(stderr, "%s\n", line.c_str());
}

void TerminalProgress::warning(const std::string& line) {
  clear();
  std::fprintf(stderr, "tacet: warning: %s\n", line.c_str());
}

void TerminalProgress::progress(const Progress& p) {
  const auto now = Clock::now();
  if (first_fraction_ < 0) first_fraction_ = p.fraction;
  // The losses shown are a moving average over about fifty rounds, since single rounds of a language model are noisy.
  if (std::isfinite(p.train_loss)) {
    smooth_loss_ = 0.98 * smooth_loss_ + 0.02 * p.train_loss;
    smooth_clipped_ = 0.98 * smooth_clipped_ + 0.02 * p.clipped_fraction;
    smooth_weight_ = 0.98 * smooth_weight_ + 0.02;
  }
  if (quiet_ || seconds(now - last_) < (terminal_ ? 0.1 : 10)) return;
  last_ = now;
  const double elapsed = seconds(now - start_), done = p.fraction - first_fraction_;
  const std::string eta = done > 0 && p.fraction < 1 ? human_time(elapsed * (1 - p.fraction) / done) : "-:--";
  const double loss = smooth_weight_ > 0 ? smooth_loss_ / smooth_weight_ : p.train_loss;
  const double clipped = smooth_weight_ > 0 ? smooth_clipped_ / smooth_weight_ : 0;

  // The most important part comes first. A narrow terminal cuts from the end.
  std::vector<std::string> parts = {fmt::format("{:3.0f}%", 100 * p.fraction), fmt::format("epoch {:.2f}", p.epoch),
                                    fmt::format("loss {:.3f}", loss)};
  if (p.perplexity) parts.push_back(fmt::format("ppl {:.1f}", std::exp(loss)));
  parts.push_back("ETA " + eta);
  parts.push_back(fmt::format("clipped {:.0f}%", 100 * clipped));
  parts.push_back(fmt::format("round {}", p.round));
  parts.push_back("sent " + human_bytes(static_cast<double>(p.bytes_sent)));
  if (!terminal_) {
    std::fprintf(stderr, "%s\n", fmt::format("{}", fmt::join(parts, "  ")).c_str());
    return;
  }
  const auto width = static_cast<size_t>(std::max(20, terminal_width(STDERR_FILENO) - 1));
  std::string line;
  for (const auto& part : parts) {
    if (line.size() + 2 + part.size() > width) break;
    line += (line.empty() ? "" : "  ") + part;
  }
  if (line.size() + 14 < width) {
    const size_t bar = std::min<size_t>(24, width - line.size() - 4);
    const auto full = static_cast<size_t>(p.fraction * static_cast<double>(bar));
    line = "[" + std::string(full, '#') + std::string(bar - full, '.') + "] " + line;
  }
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace tacet
