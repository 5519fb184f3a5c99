// See lines.h.
#include "data/files/lines.h"

#include <zlib.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include "data/text/corpus.h"
#include "tacet/error.h"

namespace tacet {
namespace fs = std::filesystem;
namespace {

constexpr unsigned chunk = 1 << 20;
constexpr size_t longest_open = 1 << 16;  // bytes of a record that goes on in the next line: beyond, a quote is astray
constexpr auto patience = std::chrono::seconds(4);  // between two reports

struct Close {
  void operator()(gzFile file) const { gzclose(file); }
};
using File = std::unique_ptr<gzFile_s, Close>;

File open(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) throw UserError(path + ": can't be read: No such file or directory");
  if (fs::is_directory(status)) throw UserError(path + ": must be a text file, is a folder");
  if (!fs::is_regular_file(status)) throw UserError(path + ": must be a plain text file, is a device, pipe or socket");
  File file(gzopen(path.c_str(), "rbe"));
  if (!file) throw UserError(path + ": can't be read: " + std::strerror(errno));
  gzbuffer(file.get(), chunk);
  return file;
}

// Tells how far a long read has come.
class Progress {
 public:
  explicit Progress(const std::string& path) : path_(path), next_(Clock::now() + patience) {
    const char* rank = std::getenv("RANK");
    silent_ = rank && std::string_view(rank) != "0";
  }
  void at(gzFile file) {
    if (silent_ || Clock::now() < next_) return;
    next_ = Clock::now() + patience;
    std::error_code error;
    const double size = static_cast<double>(fs::file_size(path_, error));
    if (!error && size > 0)
      std::fprintf(stderr, "reading %s: %.0f %%\n", path_.c_str(), 100 * static_cast<double>(gzoffset(file)) / size);
  }

 private:
  using Clock = std::chrono::steady_clock;
  const std::string& path_;
  Clock::time_point next_;
  bool silent_;
};

bool is_ascii(std::string_view s) {
  for (const char c : s)
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  return true;
}

std::string from_latin1(std::string_view s) {
  std::string out;
  for (const char c : s) {
    const auto b = static_cast<unsigned char>(c);
    if (b < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xC0 | b >> 6);
      out += static_cast<char>(0x80 | (b & 0x3F));
    }
  }
  return out;
}

std::string home() {
  const char* folder = std::getenv("HOME");
  return folder ? folder : "";
}

UserError never_closed(const std::string& path, int64_t line) {
  return UserError(path + ":" + std::to_string(line) + ": a quoted field is never closed");
}

// Takes the fields out of one record of a comma-separated file. Returns false when it ends inside quotes, so that it goes on
// in the next line.
bool split_quoted(std::string_view record, char separator, std::vector<std::string>& fields, const std::string& where) {
  fields.assign(1, "");
  for (size_t i = 0; i < record.size();) {
    if (record[i] == '"' && fields.back().empty()) {
      for (++i;; ++i) {
        if (i >= record.size()) return false;
        if (record[i] == '"' && (i + 1 >= record.size() || record[i + 1] != '"')) break;
        if (record[i] == '"') ++i;
        fields.back() += record[i];
      }
      if (++i < record.size() && record[i] != separator)
        throw UserError(where + ": a quoted field must be followed by the separator, got \"" + record[i] + "\"");
    } else {
      while (i < record.size() && record[i] != separator) fields.back() += record[i++];
    }
    if (i < record.size()) {
      fields.emplace_back();
      ++i;  // the separator
    }
  }
  return true;
}

}  // namespace

void for_each_line(const std::string& path, const std::function<void(std::string_view, int64_t)>& f, Charset charset) {
  const File file = open(path);
  Progress progress(path);
  std::vector<char> buffer(chunk);
  std::string line;
  int64_t number = 0, offset = 0;
  const auto hand_over = [&] {
    const auto size = static_cast<int64_t>(line.size());
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (++number == 1 && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
    if (charset == Charset::utf8_or_latin1 && !is_ascii(line) && !is_utf8(line)) line = from_latin1(line);
    check_text(line, path, number, offset);
    f(line, number);
    offset += size + 1;
    line.clear();
  };
  while (true) {
    const int n = gzread(file.get(), buffer.data(), chunk);
    int code = Z_OK;
    const char* why = gzerror(file.get(), &code);
    if (n < 0 || (code != Z_OK && code != Z_STREAM_END))
      throw UserError(path + ": can't be read: " +
                      (code == Z_ERRNO       ? std::strerror(errno)
                       : code == Z_BUF_ERROR ? "the compressed file is cut off"
                                             : why));
    if (n == 0) break;
    std::string_view rest(buffer.data(), static_cast<size_t>(n));
    while (true) {
      const size_t end = rest.find('\n');
      line.append(rest.substr(0, end));
      if (end == std::string_view::npos) break;
      hand_over();
      rest.remove_prefix(end + 1);
    }
    progress.at(file.get());
  }
  if (!line.empty()) hand_over();
  if (number == 0) throw UserError(path + ": must hold text, is empty");
}

void for_each_record(const std::string& path, char separator,
                     const std::function<void(const std::vector<std::string>&, int64_t)>& f, Charset charset) {
  std::vector<std::string> fields;
  std::string open_record;
  int64_t first = 0;
  for_each_line(
      path,
      [&](std::string_view line, int64_t number) {
        if (separator == '\t') {
          if (line.empty()) return;
          fields.clear();
          for (size_t i = 0;; ++i) {
            const size_t end = line.find('\t', i);
            fields.emplace_back(line.substr(i, end - i));
            if (end == std::string_view::npos) break;
            i = end;
          }
          f(fields, number);
          return;
        }
        if (first == 0) {
          if (line.empty()) return;
          first = number;
        } else {
          open_record += '\n';
        }
        open_record += line;
        if (!split_quoted(open_record, separator, fields, path + ":" + std::to_string(first))) {
          if (open_record.size() > longest_open) throw never_closed(path, first);
          return;
        }
        f(fields, first);
        open_record.clear();
        first = 0;
      },
      charset);
  if (first != 0) throw never_closed(path, first);
}

std::string first_existing(const std::string& folder, const std::vector<std::string>& names) {
  std::error_code ignored;
  for (const std::string& name : names)
    if (!name.empty() && fs::exists(fs::path(folder) / name, ignored)) return (fs::path(folder) / name).string();
  return "";
}

std::string expand_home(const std::string& path) {
  return path.starts_with("~/") && !home().empty() ? home() + path.substr(1) : path;
}

}  // namespace tacet
