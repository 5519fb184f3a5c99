// See places.h.
#include "base/places.h"

#include <cstdlib>
#include <filesystem>

namespace tacet {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string expand_home(const std::string& path) {
  const std::string home = variable("HOME");
  return path.starts_with("~/") && !home.empty() ? home + path.substr(1) : path;
}

std::string cache_folder() {
  const std::string home = variable("HOME");
  return home.empty() ? "" : (fs::path(home) / ".cache" / "tacet").string();
}

std::string data_folder() {
  const std::string folder = variable("TACET_DATA");
  return folder.empty() ? cache_folder() : fs::absolute(folder).string();
}

std::string program_name() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored).filename().string();
}

std::string first_existing(const std::string& folder, const std::vector<std::string>& names) {
  std::error_code ignored;
  for (const std::string& name : names)
    if (!name.empty() && fs::exists(fs::path(folder) / name, ignored)) return (fs::path(folder) / name).string();
  return "";
}

}  // namespace tacet
