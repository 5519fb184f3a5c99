// The lines of metrics.jsonl as TensorBoard's event file. The record is metrics.jsonl. Where a run goes on, the folder's
// event files are replaced by one that has the lines that metrics.jsonl has kept, so that every step has one point.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace tacet {

class TensorBoardLog {
 public:
  TensorBoardLog() = default;  // writes nothing
  // Opens folder/events.out.tfevents.* with the points of `lines`, those of metrics.jsonl so far, and removes older event
  // files. Their points keep the times at which they were written.
  explicit TensorBoardLog(const std::string& folder, const std::vector<std::string>& lines = {});
  void write(const nlohmann::json& line);  // writes every number of a metrics line, by its event and key

 private:
  std::ofstream out_;
};

// Returns the CRC-32C (Castagnoli), as the records need it.
uint32_t crc32c(const std::string& bytes);

}  // namespace tacet
