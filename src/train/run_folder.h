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

// Cuts metrics.jsonl behind the lines of `round`, for a resume from its checkpoint, and returns its bytes. `evaluated` says
// that the checkpoint is behind that round's evaluation. `bytes` is the length of the log at the checkpoint. A later leader
// may have written these rounds again, in lines of other lengths, so rounds decide. The file is copied and renamed, so that
// a worker that still writes into the old one does no harm. Throws UserError when lines are missing.
int64_t cut_log(const std::string& path, int64_t bytes, int64_t round, bool evaluated);

// Returns a number for JSON, null when it is not finite.
nlohmann::json finite(double value);

}  // namespace tacet
