// Reads whatever the fuzzer makes as a table, comma- and tab-separated. The records, written with every field in quotes,
// must be read again as they were.
#include <cstring>
#include <vector>

#include "data/files/lines.h"
#include "data/files/table.h"
#include "fuzz/input.h"

namespace {

using Records = std::vector<std::vector<std::string>>;

Records records_of(const std::string& path, char separator) {
  Records all;
  tacet::for_each_record(path, separator, [&](const std::vector<std::string>& f, int64_t) { all.push_back(f); });
  return all;
}

std::string written(const Records& records) {
  std::string text;
  for (const auto& record : records)
    for (size_t k = 0; k < record.size(); ++k) {
      text += k > 0 ? ",\"" : "\"";
      for (const char c : record[k]) text += c == '"' ? "\"\"" : std::string(1, c);
      text += k + 1 < record.size() ? "\"" : "\"\n";
    }
  return text;
}

}  // namespace

int fuzz_table(const uint8_t* data, size_t size) {
  const tacet::test::InputFile file(data, size);
  for (const char separator : {',', '\t'})
    tacet::test::expect_answer([&] {
      const Records records = records_of(file.path(), separator);
      if (records.empty()) return;
      const std::string text = written(records);
      const tacet::test::InputFile again(reinterpret_cast<const uint8_t*>(text.data()), text.size());
      if (records_of(again.path(), ',') != records) __builtin_trap();
    });
  return tacet::test::expect_answer([&] {
    tacet::for_each_row(file.path(), {{"text", "data.column.text"}}, [](const auto&, int64_t) {});
  });
}
