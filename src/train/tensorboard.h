// The lines of metrics.jsonl as TensorBoard's event file. Nothing reads it back; the record is metrics.jsonl. After a resume
// a new event file begins where the run continues.
#pragma once

#include <fstream>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace tacet {

class TensorBoardLog {
 public:
  TensorBoardLog() = default;                          // writes nothing
  explicit TensorBoardLog(const std::string& folder);  // opens folder/events.out.tfevents.*
  void write(const nlohmann::json& line);              // writes every number of a metrics line, by its event and key

 private:
  void record(const std::string& bytes);
  std::ofstream out_;
};

// Returns the CRC-32C (Castagnoli), as the records need it.
uint32_t crc32c(const std::string& bytes);

}  // namespace tacet
