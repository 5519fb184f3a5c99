// A folder for the files of one test, removed with everything in it when the object goes away.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>

namespace tacet::test {

class TempFolder {
 public:
  // Makes a folder with a name of its own below `place`.
  explicit TempFolder(const std::filesystem::path& place = std::filesystem::temp_directory_path())
      : path_((place / "tacet-test-XXXXXX").string()) {
    if (!::mkdtemp(path_.data())) throw std::runtime_error("no temporary folder below " + place.string());
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }
  // Returns the path of something in the folder, whether it exists or not.
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  // Writes a file, makes the folders on the way to it, and returns its path.
  std::string write(const std::string& name, const std::string& bytes) const {
    const std::filesystem::path file = *this / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream out(file, std::ios::binary);
    if (!(out << bytes).flush()) throw std::runtime_error("can't write " + file.string());
    return file.string();
  }

 private:
  std::string path_;
};

}  // namespace tacet::test
