// See lines.h.
#include "data/files/lines.h"

#include <zlib.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "base/clock.h"
#include "base/files.h"
#include "base/places.h"
#include "base/utf8.h"
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
  size_t size = 0;
  Fd plain = open_plain_file(path, size);
  File file(gzdopen(plain.get(), "rb"));
  if (!file) throw UserError(path + ": can't be read: " + std::strerror(errno));
  plain.release();
  gzbuffer(file.get(), chunk);
  return file;
}

// Tells how far a long read has come.
class Progress {
 public:
  explicit Progress(const std::string& path) : path_(path), next_(Clock::now() + patience) {
    const std::string rank = variable("RANK");
    silent_ = !rank.empty() && rank != "0";
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
  const std::string& path_;
  Clock::time_point next_;
  bool silent_;
};

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
    if (++number == 1) line = without_mark(line);
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

}  // namespace tacet
