// The progress of a run, for a person: one live line on a terminal, plain lines otherwise. It goes to stderr; standard
// output is for results.
#pragma once

#include <chrono>
#include <memory>

#include "tacet/train.h"

namespace tacet {

class TerminalProgress : public Observer {
 public:
  // `quiet` prints warnings only.
  explicit TerminalProgress(bool quiet);
  ~TerminalProgress() override;
  void progress(const Progress& p) override;
  void message(const std::string& line) override;
  void warning(const std::string& line) override;  // also when quiet

 private:
  void clear();
  bool quiet_, terminal_, drawn_ = false;
  std::chrono::steady_clock::time_point start_, last_;
  double first_fraction_ = -1;
  double smooth_loss_ = 0, smooth_clipped_ = 0, smooth_weight_ = 0;
};

// Returns a size in decimal units: "1.5 MB", "12.0 GB".
std::string human_bytes(double bytes);
// Returns a figure with so many digits behind the point. A figure that is not finite says so in words.
std::string figure(double value, int digits = 4);
// Returns a duration, rounded up to seconds: "1:05", "2:03:04".
std::string human_time(double seconds);

}  // namespace tacet
