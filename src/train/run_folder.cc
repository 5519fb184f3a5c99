// See run_folder.h.
#include "train/run_folder.h"

#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include <nlohmann/json.hpp>

#include "data/safetensors.h"
#include "tacet/error.h"
#include "tacet/train.h"

namespace tacet {

namespace fs = std::filesystem;

void check_run_folder(const std::string& out, bool resume) {
  std::error_code error;
  const auto status = fs::status(out, error);
  if (resume) {
    // checkpoint.old is what a crash between the two renames of a new one leaves.
    if (!fs::exists(fs::path(out) / "checkpoint" / "state.json", error) &&
        !fs::exists(fs::path(out) / "checkpoint.old" / "state.json", error))
      throw UserError("--resume: " + out + " has no checkpoint to continue from");
    return;
  }
  if (fs::exists(status) && !fs::is_directory(status)) throw UserError("--out: " + out + " is not a folder");
  if (fs::exists(status) && !fs::is_empty(out, error))
    throw UserError("--out: " + out +
                    " is not empty and is never written over: give a new name, or --resume to continue the run in it");
  // The nearest folder that exists must allow writing; nothing is created here.
  fs::path place = fs::absolute(out);
  while (!fs::exists(place, error) && place.has_parent_path() && place != place.parent_path()) place = place.parent_path();
  if (!fs::is_directory(place, error)) throw UserError("--out: " + place.string() + " is not a folder");
  if (::access(place.c_str(), W_OK | X_OK) != 0)
    throw UserError("--out: " + place.string() + " can't be written to: " + std::strerror(errno));
}

nlohmann::json finite(double value) { return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr); }

std::vector<std::string> read_lines(const std::string& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line) && !in.eof();) lines.push_back(line);
  return lines;
}

void replace_file(const std::string& path, const std::string& text) {
  write_file(path + ".part", text);
  std::error_code error;
  fs::rename(path + ".part", path, error);
  if (error) throw UserError(path + ": can't be put in place: " + error.message());
}

MetricsLog::MetricsLog(const std::string& path, int64_t keep) : bytes_(keep), path_(path) {
  std::error_code error;
  if (fs::exists(path, error)) fs::resize_file(path, static_cast<uintmax_t>(keep), error);
  file_ = std::fopen(path.c_str(), "ab");
  if (!file_ || error) throw UserError(path + ": can't be written: " + (error ? error.message() : std::strerror(errno)));
}

MetricsLog::~MetricsLog() {
  if (file_) std::fclose(file_);
}

MetricsLog::MetricsLog(MetricsLog&& other) noexcept { *this = std::move(other); }

MetricsLog& MetricsLog::operator=(MetricsLog&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(bytes_, other.bytes_);
  std::swap(path_, other.path_);
  return *this;
}

void MetricsLog::write(const nlohmann::json& line) {
  if (!file_) return;
  const std::string text = line.dump() + "\n";
  if (std::fwrite(text.data(), 1, text.size(), file_) != text.size() || std::fflush(file_) != 0)
    throw UserError(path_ + ": can't be written: " + std::strerror(errno));
  bytes_ += static_cast<int64_t>(text.size());
}

}  // namespace tacet
