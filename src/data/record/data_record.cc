// See data_record.h. The file's format is in docs/reference/run-files.md.
#include "data/record/data_record.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/files.h"
#include "base/utf8.h"
#include "tacet/error.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int format_version = 1;
constexpr size_t most_single = 256;                // files that are marked one by one
constexpr int64_t most_read = int64_t{256} << 20;  // bytes that are read whole
constexpr int64_t block = 64 << 10, blocks = most_read / block;

// ---- JSON ----

std::string bytes_of(std::string_view hex, const std::string& place) {
  std::string bytes;
  const auto digit = [&](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    throw UserError(place + ": subwords must be hexadecimal digits, two a byte");
  };
  for (size_t k = 0; k + 1 < hex.size(); k += 2) bytes += static_cast<char>(digit(hex[k]) << 4 | digit(hex[k + 1]));
  return bytes;
}

Json to_json(const FileMark& mark) {
  Json file = {{"name", mark.name}};
  if (mark.files != 1) file["files"] = mark.files;
  file["bytes"] = mark.bytes;
  file[mark.sha256.empty() ? "digest" : "sha256"] = mark.sha256.empty() ? mark.digest : mark.sha256;
  return file;
}

FileMark mark_from(const Json& file) {
  return {file.at("name").get<std::string>(), file.value("files", int64_t{1}), file.at("bytes").get<int64_t>(),
          file.value("sha256", std::string()), file.value("digest", std::string())};
}

template <class List>
void put(Json& json, const char* key, const List& list) {
  if (!list.empty()) json[key] = list;
}

template <class List>
void take(const Json& json, const char* key, List& list) {
  if (json.contains(key)) list = json[key].get<List>();
}

// ---- marks ----

// A file on its way to a mark.
struct Marked {
  std::string name, path;
  int64_t bytes = 0;
};

// Adds those of the evenly spaced blocks over all `total` bytes that begin in this file, whose first byte is `first` of
// them.
void add_blocks(Digest& digest, const Marked& file, int64_t first, int64_t total) {
  std::ifstream in(file.path, std::ios::binary);
  std::string bytes(block, '\0');
  const auto start = [&](int64_t k) { return total * k / blocks; };
  for (int64_t k = (first * blocks + total - 1) / total; k < blocks && start(k) < first + file.bytes; ++k) {
    in.clear();  // a block behind the last one may have met the end
    in.seekg(start(k) - first);
    in.read(bytes.data(), block);
    if (!in && in.gcount() == 0) throw UserError(file.path + ": can't be read");
    digest.add({bytes.data(), static_cast<size_t>(in.gcount())});
  }
}

void add_whole(Digest& digest, const Marked& file) {
  std::ifstream in(file.path, std::ios::binary);
  if (!in) throw UserError(file.path + ": can't be read");
  std::string bytes(block, '\0');
  while (in) {
    in.read(bytes.data(), block);
    digest.add({bytes.data(), static_cast<size_t>(in.gcount())});
  }
  if (in.bad()) throw UserError(file.path + ": can't be read");
}

std::string name_below(const fs::path& root, const fs::path& path) {
  const fs::path below = path.lexically_normal().lexically_relative(root.lexically_normal());
  return below.empty() || *below.begin() == ".." ? path.filename().string() : below.string();
}

std::vector<Marked> measured(const std::string& root, std::vector<std::string> paths) {
  std::vector<Marked> files;
  for (std::string& path : paths) {
    std::error_code error;
    const auto size = fs::file_size(path, error);
    if (error) throw UserError(path + ": can't be read: " + error.message());
    files.push_back({visible(name_below(root, path)), std::move(path), static_cast<int64_t>(size)});
  }
  std::sort(files.begin(), files.end(), [](const Marked& a, const Marked& b) { return a.name < b.name; });
  files.erase(std::unique(files.begin(), files.end(), [](const Marked& a, const Marked& b) { return a.path == b.path; }),
              files.end());
  return files;
}

std::string shown(const FileMark& mark) {
  return fmt::format("{}{} bytes, {}", mark.files == 1 ? "" : fmt::format("{} files, ", mark.files), mark.bytes,
                     mark.sha256.empty() ? "digest " + mark.digest.substr(0, 12) : "sha256 " + mark.sha256.substr(0, 12));
}

std::string short_digest(std::string_view bytes) {
  Digest digest;
  digest.add(bytes);
  return digest.hex().substr(0, 12);
}

std::optional<std::string> file_difference(const DataRecord& saved, const DataRecord& now) {
  const auto same = [](const FileMark& a, const FileMark& b) {
    return a.files == b.files && a.bytes == b.bytes && a.sha256 == b.sha256 && a.digest == b.digest;
  };
  const auto named = [](const DataRecord& record, const std::string& name) {
    const auto found =
        std::find_if(record.files.begin(), record.files.end(), [&](const FileMark& m) { return m.name == name; });
    return found == record.files.end() ? nullptr : &*found;
  };
  for (const FileMark& mark : now.files) {
    const FileMark* before = named(saved, mark.name);
    if (!before) return mark.name + " is not among the files of " + saved.place;
    if (!same(*before, mark)) return mark.name + " has " + shown(mark) + ", in " + saved.place + " " + shown(*before);
  }
  for (const FileMark& mark : saved.files)
    if (!named(now, mark.name)) return mark.name + " of " + saved.place + " is not there";
  return std::nullopt;
}

// Tells if means and deviations are alike but for the last digits. Earlier versions summed in an order that depended on
// the processor, and their runs must stay resumable.
bool same_figures(const DataRecord& a, const DataRecord& b) {
  const size_t channels = a.mean.size();
  if (b.mean.size() != channels || a.deviation.size() != channels || b.deviation.size() != channels) return false;
  for (size_t c = 0; c < channels; ++c) {
    const double most = 1e-12 * (std::abs(a.mean[c]) + a.deviation[c]);
    if (!(std::abs(a.mean[c] - b.mean[c]) <= most && std::abs(a.deviation[c] - b.deviation[c]) <= most)) return false;
  }
  return true;
}

}  // namespace

std::string to_json(const DataRecord& r) {
  Json json = {{"format", format_version}, {"data", r.data_set}};
  Json files = Json::array();
  for (const FileMark& mark : r.files) files.push_back(to_json(mark));
  json["files"] = files;
  put(json, "image", r.image);
  if (r.class_count > 0) json["class_count"] = r.class_count;
  put(json, "classes", r.classes);
  put(json, "mean", r.mean);
  put(json, "deviation", r.deviation);
  put(json, "vocabulary", r.vocabulary);
  put(json, "subwords", hexadecimal(r.subwords));
  put(json, "users", r.users);
  try {
    return json.dump(1) + "\n";
  } catch (const nlohmann::json::type_error&) {
    throw UserError("data.name: the names of words, classes, users and files of \"" + r.data_set + "\" must be UTF-8");
  }
}

DataRecord parse_data_record(const std::string& text, const std::string& path) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("format"))
    throw UserError(path + ": must be the record of a run's data, as tacet writes it");
  DataRecord r;
  r.place = path;
  try {
    if (const int format = json["format"].get<int>(); format > format_version)
      throw UserError(
          fmt::format("{}: format must be at most {}, got {}: a newer tacet wrote it", path, format_version, format));
    r.data_set = json.value("data", "");
    for (const Json& file : json.value("files", Json::array())) r.files.push_back(mark_from(file));
    take(json, "image", r.image);
    r.class_count = json.value("class_count", int64_t{0});
    take(json, "classes", r.classes);
    take(json, "mean", r.mean);
    take(json, "deviation", r.deviation);
    take(json, "vocabulary", r.vocabulary);
    take(json, "users", r.users);
    std::string hex;
    take(json, "subwords", hex);
    r.subwords = bytes_of(hex, path);
  } catch (const nlohmann::json::exception& error) {
    throw UserError(path + ": must be the record of a run's data, as tacet writes it: " + error.what());
  }
  return r;
}

DataRecord read_data_record(const std::string& path) { return parse_data_record(read_file(path), path); }

std::string data_record_beside(const std::string& model_file) {
  return (fs::path(model_file).parent_path() / "data.json").string();
}

std::vector<FileMark> marks_of(const std::string& root, std::vector<std::string> paths) {
  const std::vector<Marked> files = measured(root, std::move(paths));
  int64_t total = 0;
  for (const Marked& file : files) total += file.bytes;
  const bool single = files.size() <= most_single, whole = total <= most_read;
  struct Sum {
    FileMark mark{.files = 0};
    Digest digest;
  };
  std::map<std::string, Sum> sums;
  int64_t first = 0;
  for (const Marked& file : files) {
    const std::string folder = fs::path(file.name).parent_path().string();
    Sum& sum = sums[single ? file.name : folder.empty() ? "." : folder];
    sum.mark.files += 1;
    sum.mark.bytes += file.bytes;
    if (!single || !whole) sum.digest.add(fmt::format("{} {}\n", file.name, file.bytes));
    whole ? add_whole(sum.digest, file) : add_blocks(sum.digest, file, first, total);
    first += file.bytes;
  }
  std::vector<FileMark> marks;
  for (auto& [name, sum] : sums) {
    sum.mark.name = name;
    (single && whole ? sum.mark.sha256 : sum.mark.digest) = sum.digest.hex();
    marks.push_back(std::move(sum.mark));
  }
  return marks;
}

FileMark mark_of(const std::string& name, const std::string& path) {
  FileMark mark = marks_of("", {path}).front();
  mark.name = name;
  return mark;
}

FileMark mark_of_numbers(const std::string& name, const std::vector<int32_t>& numbers) {
  const std::string_view bytes(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(int32_t));
  Digest digest;
  digest.add(bytes);
  return {.name = name, .bytes = static_cast<int64_t>(bytes.size()), .digest = digest.hex()};
}

std::optional<std::string> difference(const DataRecord& saved, const DataRecord& now) {
  if (saved.data_set != now.data_set)
    return "data.name is \"" + now.data_set + "\", in " + saved.place + " \"" + saved.data_set + "\"";
  if (const auto files = file_difference(saved, now)) return files;
  DataRecord before = saved;
  if (same_figures(saved, now)) before.mean = now.mean, before.deviation = now.deviation;
  const auto was = facts_of(before), is = facts_of(now);
  const auto [a, b] = std::mismatch(was.begin(), was.end(), is.begin(), is.end());
  if (a == was.end() && b == is.end()) return std::nullopt;
  const std::string what = b == is.end() ? a->first : b->first;
  const auto value = [&](const auto& facts) {
    for (const auto& [name, text] : facts)
      if (name == what) return text;
    return std::string("nothing");
  };
  return "the data's " + what + " is " + value(is) + ", in " + saved.place + " " + value(was);
}

std::vector<std::pair<std::string, std::string>> facts_of(const DataRecord& r) {
  std::vector<std::pair<std::string, std::string>> facts;
  for (const FileMark& mark : r.files) facts.emplace_back("file " + mark.name, shown(mark));
  const auto add = [&](const char* name, const auto& list) {
    if (list.empty()) return;
    const std::string text = Json(list).dump();
    facts.emplace_back(name,
                       text.size() <= 200 ? text : fmt::format("{} entries, sha256 {}", list.size(), short_digest(text)));
  };
  add("image", r.image);
  facts.emplace_back("number of classes", std::to_string(r.class_count));
  add("classes", r.classes);
  add("mean", r.mean);
  add("deviation", r.deviation);
  add("vocabulary", r.vocabulary);
  add("users", r.users);
  if (!r.subwords.empty()) facts.emplace_back("subwords", "sha256 " + short_digest(r.subwords));
  return facts;
}

WordIndex::WordIndex(const std::vector<std::string>& words) {
  int32_t number = 0;
  for (const std::string& word : words) index_.emplace(word, number++);
}

int32_t WordIndex::find(std::string_view word) const {
  const auto found = index_.find(word);
  return found == index_.end() ? -1 : found->second;
}

}  // namespace tacet
