// Makes a folder of classes as the fuzzer says and lists it. Each line is an entry: "f PATH" a file, with the first bytes of
// a picture for "p PATH", "d PATH" a folder, "l PATH TARGET" a link. Every file must be listed, left out by its name, or
// counted.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <unistd.h>

#include "data/images/class_folders.h"
#include "fuzz/input.h"

namespace {

namespace fs = std::filesystem;

// Returns a path below the folder. No part of it leads out of it.
fs::path below(const fs::path& folder, const std::string& name) {
  fs::path path = folder;
  std::istringstream parts(name);
  for (std::string part; std::getline(parts, part, '/');)
    if (!part.empty() && part != "." && part != ".." && part.size() < 60 && part.find('\0') == std::string::npos)
      path /= part;
  return path;
}

void make(const fs::path& folder, const std::string& text) {
  std::istringstream lines(text);
  int made = 0;
  for (std::string line; std::getline(lines, line) && made < 40; ++made) {
    if (line.size() < 3 || line[1] != ' ') continue;
    const fs::path path = below(folder, line.substr(2, line.find(' ', 2) - 2));
    std::error_code ignored;
    if (std::distance(path.begin(), path.end()) > 12) continue;
    fs::create_directories(path.parent_path(), ignored);
    if (line[0] == 'd') fs::create_directories(path, ignored);
    if (line[0] == 'l' && line.find(' ', 2) != std::string::npos)
      fs::create_symlink(below(folder, line.substr(line.find(' ', 2) + 1)), path, ignored);
    if (line[0] == 'f' || line[0] == 'p') std::ofstream(path) << (line[0] == 'p' ? "\xff\xd8\xff\xe0" : "text");
  }
}

// Returns the number of files that no rule on names leaves out, where there are no links.
int64_t files_in(const fs::path& folder) {
  int64_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (tacet::left_out_by_name(entry.path().filename().string())) continue;
    if (entry.is_symlink()) return -1;
    const int64_t below = entry.is_directory() ? files_in(entry.path()) : 1;
    if (below < 0) return -1;
    count += below;
  }
  return count;
}

int64_t told_by(const tacet::LeftOut& left_out) { return std::atoll(left_out.told().c_str()); }

}  // namespace

int fuzz_folders(const uint8_t* data, size_t size) {
  const fs::path folder = fs::temp_directory_path() / ("tacet-fuzz-" + std::to_string(::getpid()));
  fs::remove_all(folder);
  fs::create_directories(folder);
  make(folder, std::string(reinterpret_cast<const char*>(data), size));
  const int answer = tacet::test::expect_answer([&] {
    tacet::LeftOut left_out;
    const auto all = tacet::pictures_below(folder.string(), "", left_out);
    const int64_t files = files_in(folder);
    if (files >= 0 && static_cast<int64_t>(all.size()) + told_by(left_out) != files) __builtin_trap();
    const auto classes = tacet::class_folders(folder.string());
    const tacet::PictureList list = tacet::list_by_class(folder.string(), classes, false);
    if (list.files.size() != list.labels.size() || !std::is_sorted(list.labels.begin(), list.labels.end())) __builtin_trap();
  });
  fs::remove_all(folder);
  return answer;
}
