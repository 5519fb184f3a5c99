// See fetch.h. libcurl transfers, libarchive unpacks.
#include "cli/fetch.h"

#include <archive.h>
#include <archive_entry.h>
#include <curl/curl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/digest.h"
#include "cli/output.h"
#include "tacet/error.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

// Returns the checksum of a file, of the kind that `like` ("md5:…") has; empty when the file can't be read.
std::string checksum_of(const std::string& path, const std::string& like) {
  const std::string kind = like.substr(0, like.find(':'));
  const auto digest = file_digest(path, kind == "md5" ? DigestKind::md5 : DigestKind::sha256);
  return digest ? kind + ":" + *digest : "";
}

struct Transfer {
  std::FILE* file;
  std::string name;
  int64_t before, bytes;  // bytes that are there already, and in all
  Clock::time_point said = Clock::now();
};

size_t write_piece(char* data, size_t, size_t size, void* user) {
  return std::fwrite(data, 1, size, static_cast<Transfer*>(user)->file);
}

int show_progress(void* user, curl_off_t, curl_off_t now, curl_off_t, curl_off_t) {
  auto& t = *static_cast<Transfer*>(user);
  if (since(t.said) > 2) {
    t.said = Clock::now();
    const auto done = static_cast<double>(t.before + now);
    to_stderr("{}: {:.1f} of {:.1f} MB\n", t.name, done / 1e6, static_cast<double>(t.bytes) / 1e6);
  }
  return 0;
}

int64_t size_of(const std::string& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? 0 : static_cast<int64_t>(size);
}

// Unpacks an archive into a folder and writes nothing outside it. Returns an empty text, or what went wrong. Links on the
// way to the folder, or to the data set's subfolder in it, are the user's and are followed; those of the archive are not.
std::string unpack(const std::string& path, const fs::path& folder, const std::string& subfolder) {
  std::error_code error;
  const fs::path into = fs::canonical(folder, error);
  if (error) return folder.string() + ": can't be read: " + error.message();
  const fs::path home = fs::canonical(folder / subfolder, error);
  if (error) return (folder / subfolder).string() + ": can't be read: " + error.message();
  const auto place_of = [&](const std::string& name) {
    const fs::path below = fs::path(name).lexically_normal().lexically_relative(subfolder);
    if (below.empty() || *below.begin() == "..") return into / name;
    return below == "." ? home : home / below;
  };
  const std::unique_ptr<archive, int (*)(archive*)> in(archive_read_new(), archive_read_free);
  const std::unique_ptr<archive, int (*)(archive*)> out(archive_write_disk_new(), archive_write_free);
  archive_read_support_format_tar(in.get());
  archive_read_support_format_zip(in.get());
  archive_read_support_filter_gzip(in.get());
  archive_write_disk_set_options(out.get(), ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_SYMLINKS);
  const auto reason = [](archive* a) {
    const char* text = archive_error_string(a);
    return std::string(text ? text : "unknown reason");
  };
  if (archive_read_open_filename(in.get(), path.c_str(), 1 << 16) != ARCHIVE_OK)
    return path + ": can't be unpacked: " + reason(in.get());
  while (true) {
    archive_entry* entry = nullptr;
    const int next = archive_read_next_header(in.get(), &entry);
    if (next == ARCHIVE_EOF) return "";
    if (next < ARCHIVE_WARN) return path + ": can't be unpacked: " + reason(in.get());
    const std::string name = archive_entry_pathname(entry);
    if (name.empty() || name[0] == '/' || name.find("..") != std::string::npos)
      return path + ": can't be unpacked: the name \"" + name + "\" leads out of its folder";
    const std::string place = place_of(name).string();
    archive_entry_set_pathname(entry, place.c_str());
    if (archive_write_header(out.get(), entry) < ARCHIVE_WARN) return place + ": can't be written: " + reason(out.get());
    const void* data = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    int got = ARCHIVE_OK;
    while ((got = archive_read_data_block(in.get(), &data, &size, &offset)) == ARCHIVE_OK)
      if (archive_write_data_block(out.get(), data, size, offset) < ARCHIVE_WARN)
        return place + ": can't be written: " + reason(out.get());
    if (got != ARCHIVE_EOF) return path + ": can't be unpacked: " + reason(in.get());
    if (archive_write_finish_entry(out.get()) < ARCHIVE_WARN) return place + ": can't be written: " + reason(out.get());
  }
}

}  // namespace

std::string download(const std::string& url, const std::string& path, const SourceFile& expected) {
  const std::string part = path + ".part";
  if (size_of(part) > expected.bytes) std::remove(part.c_str());
  if (size_of(part) < expected.bytes) {
    const int64_t before = size_of(part);
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(part.c_str(), "ab"), std::fclose);
    if (!file) return part + ": can't be written: " + std::strerror(errno);
    const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
    Transfer transfer{file.get(), fs::path(path).filename().string(), before, expected.bytes};
    char reason[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https,file");
    curl_easy_setopt(curl.get(), CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl.get(), CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, 20L);
    curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_LIMIT, 100L);  // bytes a second, for so many seconds:
    curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(curl.get(), CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(before));
    curl_easy_setopt(curl.get(), CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(expected.bytes));
    curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, write_piece);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, show_progress);
    curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, &transfer);
    const CURLcode code = curl_easy_perform(curl.get());
    if (code != CURLE_OK) return url + ": " + (*reason ? reason : curl_easy_strerror(code));
  }
  if (const int64_t size = size_of(part); size != expected.bytes)
    return fmt::format("{}: must have {} bytes, got {}", part, expected.bytes, size);
  if (const std::string got = checksum_of(part, expected.checksum); got != expected.checksum) {
    std::remove(part.c_str());
    return fmt::format("{}: must have the checksum {}, got {}", url, expected.checksum, got);
  }
  if (std::rename(part.c_str(), path.c_str()) != 0) return path + ": can't be put in place: " + std::strerror(errno);
  return "";
}

void fetch(const Source& source, const std::string& folder, const std::string& address) {
  const std::string from = address.empty() ? source.address : address.back() == '/' ? address : address + "/";
  const fs::path home = fs::path(folder) / source.subfolder;
  std::error_code error;
  fs::create_directories(home, error);
  if (error) throw UserError(home.string() + ": can't be created: " + error.message());
  std::string missing, first;
  for (const SourceFile& file : source.files) {
    const std::string path = ((file.is_archive ? fs::path(folder) : home) / file.name).string();
    // An archive is removed once it is unpacked. This file remembers that it was.
    const std::string mark = (home / (".unpacked-" + file.name)).string();
    std::string wrong;
    if (file.is_archive && fs::exists(mark, error)) {
      fmt::print("{}: is there\n", home.string());
      continue;
    }
    if (checksum_of(path, file.checksum) == file.checksum) {
      if (!file.is_archive) {
        fmt::print("{}: is there\n", path);
        continue;
      }
    } else {
      wrong = download(from + file.name, path, file);
    }
    if (wrong.empty() && file.is_archive) {
      wrong = unpack(path, folder, source.subfolder);
      if (wrong.empty()) {
        std::ofstream(mark) << file.checksum << "\n";
        std::remove(path.c_str());
      }
    }
    if (wrong.empty()) {
      fmt::print("{}: done\n", file.is_archive ? home.string() : path);
      continue;
    }
    if (first.empty()) first = wrong;
    missing += fmt::format("\n  {}{} ({} bytes, {}) {} {}", from, file.name, file.bytes, file.checksum,
                           file.is_archive ? "unpacked in" : "as", file.is_archive ? folder : path);
  }
  if (!missing.empty())
    throw UserError(first + "\nThe data set is complete with these files; they may also be put there by hand:" + missing);
}

}  // namespace tacet
