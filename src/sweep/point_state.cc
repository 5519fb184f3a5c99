// See point_state.h.
#include "sweep/point_state.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/system_random.h"
#include "tacet/error.h"
#include "tacet/recipe.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Returns a JSON object of a file; an empty one where there is none.
json object_in(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return json::object();
  const json value = json::parse(read_file(path), nullptr, false);
  return value.is_object() ? value : json::object();
}

std::string word_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

bool has_checkpoint_in(const fs::path& run) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run, error))
    if (const std::string name = entry.path().filename().string();
        name.starts_with("checkpoint") && !name.ends_with(".part") && fs::is_directory(entry.path(), error))
      return true;
  return false;
}

void make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!fs::is_directory(path)) throw UserError("--out: " + path + " can't be made: " + error.message());
}

// Returns true if the key may differ between two sweeps of one folder.
bool varies(const std::string& key, const std::set<std::string>& axes) {
  const bool method = key.starts_with("algorithm.") && axes.count("algorithm.name") != 0;
  return key == "run.seed" || method || axes.count(key) != 0;
}

void compare_plans(const std::string& path, const json& before, const SweepPlan& plan, std::set<std::string>& axes) {
  const json old_axes = before.value("axes", json::array()), old_base = before.value("recipe", json::object());
  for (const json& axis : old_axes)
    if (axis.is_string()) axes.insert(axis.get<std::string>());
  std::map<std::string, std::string> was;
  for (const auto& [key, value] : old_base.items())
    if (value.is_string()) was[key] = value.get<std::string>();
  const auto text = [](const auto& values, const std::string& key) {
    const auto found = values.find(key);
    return found == values.end() ? std::string("its default") : found->second;
  };
  std::set<std::string> keys;
  for (const auto& [key, value] : was) keys.insert(key);
  for (const auto& [key, value] : plan.base) keys.insert(key);
  for (const std::string& key : keys)
    if (!varies(key, axes) && text(was, key) != text(plan.base, key))
      throw UserError("--out: " + path + " holds a sweep with " + key + " = " + text(was, key) + ", and this one has " +
                      text(plan.base, key) + ": give another --out, or make " + key + " an axis");
}

// Returns true if the folder has files of others. A sweep that begins at this moment makes its own folders before its plan.
bool has_foreign_files(const std::string& folder) {
  const std::set<std::string> own = {"logs", "failures", "claims"};
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (own.count(name) == 0 && !name.starts_with("plan.json")) return true;
  }
  return false;
}

std::string plan_file(const SweepFolder& folder) { return folder.path + "/plan.json"; }

// Returns the axes of the plan and of the one that the folder was begun with. Throws UserError where they don't go together.
std::set<std::string> axes_of_both(const SweepFolder& folder, const SweepPlan& plan) {
  std::error_code error;
  if (!fs::exists(plan_file(folder), error) && has_foreign_files(folder.path))
    throw UserError("--out: " + folder.path + " is not empty and holds no sweep: give a new name, or that of a sweep");
  std::set<std::string> axes(plan.axes.begin(), plan.axes.end());
  const json before = object_in(plan_file(folder));
  if (!before.empty()) compare_plans(folder.path, before, plan, axes);
  return axes;
}

// Throws UserError where the folder can't be made because something on the way to it is no folder.
void require_way_to(const std::string& path) {
  std::error_code error;
  fs::path place = path;
  while (!place.empty() && !fs::exists(place, error)) place = place.parent_path();
  if (!place.empty() && !fs::is_directory(place, error))
    throw UserError("--out: " + path + " can't be made: " + std::make_error_code(std::errc::not_a_directory).message());
}

}  // namespace

std::string state_name(PointState::Kind kind) {
  switch (kind) {
    case PointState::Kind::open:
      return "open";
    case PointState::Kind::done:
      return "done";
    case PointState::Kind::diverged:
      return "diverged";
    case PointState::Kind::failed:
      return "failed";
  }
  return "";
}

std::string SweepFolder::run(const Point& point) const {
  const std::string own = path + "/" + point.name;
  std::error_code error;
  if (fs::exists(own, error)) return own;
  for (const auto& entry : fs::directory_iterator(path, error))
    if (entry.path().filename().string().ends_with("-" + point.digest)) return entry.path().string();
  return own;
}

std::string SweepFolder::log(const Point& point) const { return path + "/logs/" + point.digest + ".txt"; }
std::string SweepFolder::failure(const Point& point) const { return path + "/failures/" + point.digest + ".json"; }
std::string SweepFolder::claims() const { return path + "/claims"; }

void write_shared(const std::string& path, const std::string& text) {
  AtomicFile file(path, path + "." + std::to_string(system_random_word()) + ".part");
  file.write(text);
  file.commit();
}

PointState state_of(const SweepFolder& folder, const Point& point) {
  if (word_of(object_in(folder.run(point) + "/summary.json"), "status") == "done") return {PointState::Kind::done, ""};
  const json failure = object_in(folder.failure(point));
  const std::string kind = word_of(failure, "state"), reason = word_of(failure, "reason");
  if (kind == "diverged") return {PointState::Kind::diverged, reason};
  if (kind == "failed") return {PointState::Kind::failed, reason};
  return {};
}

void require_same_values(const SweepFolder& folder, const Point& point) {
  const std::string path = folder.run(point) + "/recipe.toml";
  std::error_code error;
  if (!fs::exists(path, error)) return;
  const std::map<std::string, std::string> now = shared_values(parse_recipe(point.recipe, point.name));
  for (const auto& [key, was] : shared_values(load_recipe(path))) {
    const auto is = now.find(key);
    if (is == now.end() || is->second == was) continue;
    throw UserError("--out: " + path + " has " + key + " = " + was + ", and the point " + point.name + " has " + is->second +
                    ": another version of tacet with another default has made it; give another --out, or set " + key);
  }
}

void keep_failure(const SweepFolder& folder, const Point& point, const PointState& state) {
  const json value = {{"point", point.name}, {"state", state_name(state.kind)}, {"reason", state.reason}};
  write_shared(folder.failure(point), value.dump(1, ' ', false, json::error_handler_t::replace) + "\n");
}

void forget_failure(const SweepFolder& folder, const Point& point) {
  std::error_code ignored;
  fs::remove(folder.failure(point), ignored);
}

bool move_stuck_run(const SweepFolder& folder, const Point& point) {
  const fs::path run = folder.run(point);
  std::error_code error;
  if (!fs::is_directory(run, error) || fs::is_empty(run, error) || has_checkpoint_in(run)) return false;
  const bool begun = fs::exists(run / "recipe.toml", error) && fs::exists(run / "metrics.jsonl", error);
  if (begun && !fs::exists(run / "model.safetensors", error)) return false;
  make_folder(folder.path + "/aside");
  for (int k = 1;; ++k) {
    const fs::path place = fs::path(folder.path) / "aside" / (point.digest + "." + std::to_string(k));
    if (fs::exists(place, error)) continue;
    fs::rename(run, place, error);
    if (error) throw UserError(run.string() + ": can't be moved to " + place.string() + ": " + error.message());
    return true;
  }
}

void open_sweep_folder(const SweepFolder& folder, const SweepPlan& plan) {
  const std::set<std::string> axes = axes_of_both(folder, plan);
  for (const std::string& part : {folder.path, folder.path + "/logs", folder.path + "/failures", folder.claims()})
    make_folder(part);
  const json value = {{"recipe", plan.base}, {"axes", axes}};
  write_shared(plan_file(folder), value.dump(1) + "\n");
}

void require_sweep_folder(const SweepFolder& folder, const SweepPlan& plan, const std::vector<Point>& points) {
  require_way_to(folder.path);
  (void)axes_of_both(folder, plan);
  for (const Point& point : points)
    if (state_of(folder, point).kind == PointState::Kind::done) require_same_values(folder, point);
}

}  // namespace tacet
