// The files of a run (docs/reference/run-files.md): who may write where, and the two that describe the run. Rank 0 only.
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
  // Opens for appending after the first `keep` bytes; what follows them is dropped (a resume repeats those rounds).
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

// For a resume from the checkpoint of `round`: leaves of metrics.jsonl what was written up to it, and returns that many
// bytes. `evaluated`: the evaluation of that round was written before. `bytes` is how long the log was then; a worker that
// took the log over since may have written the same rounds anew, in lines of other lengths, so rounds decide. The file is
// copied and renamed, so that whoever still writes into the old one does no harm. Throws UserError when lines are missing.
int64_t cut_log(const std::string& path, int64_t bytes, int64_t round, bool evaluated);

// A number for JSON: null when it is not finite.
nlohmann::json finite(double value);

}  // namespace tacet
