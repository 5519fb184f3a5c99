// See run_folder.h.
#include "train/run_folder.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "tacet/error.h"
#include "tacet/train.h"
#include "train/checkpoint.h"
#include "train/run_claim.h"

namespace tacet {

namespace fs = std::filesystem;

namespace {

// Returns true if there is nothing in the folder but a claim.
bool holds_nothing(const std::string& folder) {
  std::error_code error;
  const fs::directory_iterator entries(folder, error);
  return !error && std::all_of(begin(entries), end(entries),
                               [](const fs::directory_entry& entry) { return entry.path().filename() == kClaimName; });
}

// Throws UserError for a folder from which a run without a checkpoint can't begin: another program's, or a finished run's.
void check_begun_folder(const std::string& out) {
  std::error_code error;
  const std::string mistake = "--resume: " + out + " has no checkpoint to continue from, and ";
  if (!fs::exists(fs::path(out) / "recipe.toml", error) || !fs::exists(fs::path(out) / "metrics.jsonl", error))
    throw UserError(mistake + "it is not empty and no run's folder: it must be new, empty or hold this run");
  if (fs::exists(fs::path(out) / "model.safetensors", error))
    throw UserError(mistake + "it holds the model of a finished run, which is never written over");
}

}  // namespace

void check_run_folder(const std::string& out, bool resume) {
  check_contents(out, resume);
  if (const std::string holder = claimed_by(out); !holder.empty()) throw in_use(out, holder);
}

void check_contents(const std::string& out, bool resume) {
  std::error_code error;
  const auto status = fs::status(out, error);
  if (resume && has_checkpoint(out)) return;
  if (resume && fs::is_directory(status) && !holds_nothing(out)) return check_begun_folder(out);
  if (fs::exists(status) && !fs::is_directory(status)) throw UserError("--out: " + out + " is not a folder");
  if (fs::exists(status) && !holds_nothing(out))
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

int64_t cut_log(const std::string& path, int64_t bytes, const LogEnd& end) {
  std::string text;
  bool reached = end.round == 0;
  for (const std::string& line : read_lines(path)) {
    const nlohmann::json j = nlohmann::json::parse(line, nullptr, false);
    if (!j.is_object()) continue;
    const auto at = j.value("round", int64_t{0});
    const std::string event = j.value("event", "");
    const bool after_it = event == "test" || ((event == "eval" || event == "train") && !end.evaluated) ||
                          (event == "gradient" && !end.measured);
    if (at > end.round || (at == end.round && after_it)) continue;
    reached = reached || at == end.round;
    text += line + "\n";
  }
  std::error_code error;
  if (!reached && bytes > 0 && (!fs::exists(path, error) || fs::file_size(path, error) < static_cast<uintmax_t>(bytes)))
    throw UserError(path + ": must have the " + std::to_string(bytes) +
                    " bytes that it had when its checkpoint was written, but lines are missing");
  write_atomically(path, text);
  return static_cast<int64_t>(text.size());
}

MetricsLog::MetricsLog(const std::string& path, int64_t keep) : bytes_(keep), path_(path) {
  std::error_code error;
  if (keep > 0 && (!fs::exists(path, error) || fs::file_size(path, error) < static_cast<uintmax_t>(keep)))
    throw UserError(path + ": must have the " + std::to_string(keep) +
                    " bytes that it had when its checkpoint was written, but lines are missing");
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
