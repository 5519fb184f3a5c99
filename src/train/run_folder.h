// Parts of a run's files (docs/reference/run-files.md): metrics.jsonl, and numbers for JSON. Only rank 0 uses them.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace tacet {

// metrics.jsonl: one JSON object a line, flushed line by line, so that a reader never waits and a crash loses nothing.
class MetricsLog {
 public:
  MetricsLog() = default;
  // Opens the file for appending after the first `keep` bytes and drops the rest, whose rounds a resume repeats. Throws
  // UserError.
  MetricsLog(const std::string& path, int64_t keep);
  ~MetricsLog();
  MetricsLog(const MetricsLog&) = delete;
  MetricsLog& operator=(const MetricsLog&) = delete;
  MetricsLog(MetricsLog&& other) noexcept;
  MetricsLog& operator=(MetricsLog&& other) noexcept;

  void write(const nlohmann::json& line);  // throws UserError when the disk is full
  int64_t bytes() const { return bytes_; }

 private:
  std::FILE* file_ = nullptr;
  int64_t bytes_ = 0;
  std::string path_;
};

// The place of a checkpoint in the log.
struct LogEnd {
  int64_t round = 0;
  bool evaluated = false;  // the checkpoint is behind that round's evaluation …
  bool measured = false;   // … and behind the measurement of its gradient
};

// Throws UserError for a folder in which the run can't begin, or with `resume` go on, because of what is in it or where it
// is. Does not ask for its claim (run_claim.h).
void check_contents(const std::string& out, bool resume);

// Cuts metrics.jsonl behind the lines of a checkpoint, for a resume from it, and returns its bytes. `bytes` is the length of
// the log at the checkpoint. A later leader may have written these rounds again, in lines of other lengths, so rounds
// decide. The file is copied and renamed, so that a worker that still writes into the old one does no harm. Throws UserError
// when lines are missing or can't be read.
int64_t cut_log(const std::string& path, int64_t bytes, const LogEnd& end);

// Returns a number for JSON, null when it is not finite.
nlohmann::json finite(double value);

}  // namespace tacet
