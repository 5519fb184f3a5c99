// The lines of metrics.jsonl once more, as TensorBoard's event file. Nothing reads it back: metrics.jsonl is the record, and
// after a resume a new event file begins where the run continues.
#pragma once

#include <fstream>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace tacet {

class TensorBoardLog {
 public:
  TensorBoardLog() = default;                          // writes nothing
  explicit TensorBoardLog(const std::string& folder);  // opens folder/events.out.tfevents.*
  void write(const nlohmann::json& line);              // every number of a metrics line, by its event and key

 private:
  void record(const std::string& bytes);
  std::ofstream out_;
};

// CRC-32C (Castagnoli), as the records need it.
uint32_t crc32c(const std::string& bytes);

}  // namespace tacet
