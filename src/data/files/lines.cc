// See lines.h.
#include "data/files/lines.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>

#include "base/clock.h"
#include "base/files.h"
#include "base/places.h"
#include "base/utf8.h"
#include "data/files/unpacked.h"
#include "tacet/error.h"

namespace tacet {
namespace fs = std::filesystem;
namespace {

constexpr size_t chunk = 1 << 20;
constexpr auto patience = std::chrono::seconds(4);  // between two reports

// Tells how far a long read has come.
class Progress {
 public:
  explicit Progress(const std::string& path) : path_(path), next_(Clock::now() + patience) {
    const std::string rank = variable("RANK");
    silent_ = !rank.empty() && rank != "0";
  }
  void at(double part) {
    if (silent_ || Clock::now() < next_) return;
    next_ = Clock::now() + patience;
    std::fprintf(stderr, "reading %s: %.0f %%\n", path_.c_str(), 100 * part);
  }

 private:
  const std::string& path_;
  Clock::time_point next_;
  bool silent_;
};

// Calls f(line, end, number) for every line until f returns false. `end` is what ended the line, empty at the end of the
// file.
using EachLine = std::function<bool(std::string_view line, std::string_view end, int64_t number)>;

// Hands over the lines of one file.
class Lines {
 public:
  Lines(const std::string& path, Charset charset, LineEnds ends, const EachLine& f)
      : path_(path), charset_(charset), ends_(ends), f_(f) {}

  // Takes what lies between two \n, without them; `end` is "\n" or, at the end of the file, empty. Returns false where no
  // more is wanted.
  bool take(std::string_view text, std::string_view end) {
    if (!end.empty() && text.ends_with('\r')) {
      text.remove_suffix(1);
      end = "\r\n";
    }
    while (ends_ == LineEnds::any) {
      const size_t stop = text.find('\r');
      if (stop == std::string_view::npos) break;
      if (!hand_over(text.substr(0, stop), "\r")) return false;
      text.remove_prefix(stop + 1);
    }
    return (text.empty() && end.empty()) || hand_over(text, end);
  }
  int64_t count() const { return number_; }

 private:
  bool hand_over(std::string_view line, std::string_view end) {
    const size_t whole = line.size() + end.size();
    if (++number_ == 1) line = without_mark(line);
    const auto at = offset_ + static_cast<int64_t>(whole - line.size() - end.size());
    if (charset_ == Charset::utf8_or_latin1 && !is_ascii(line) && !is_utf8(line)) line = converted_ = from_latin1(line);
    check_text(line, path_, number_, at, end.empty());
    offset_ += static_cast<int64_t>(whole);
    return f_(line, end, number_);
  }

  const std::string& path_;
  const Charset charset_;
  const LineEnds ends_;
  const EachLine& f_;
  std::string converted_;
  int64_t number_ = 0, offset_ = 0;
};

void read_lines_of(const std::string& path, Charset charset, LineEnds ends, const EachLine& f) {
  UnpackedFile file(path);
  Progress progress(path);
  Lines lines(path, charset, ends, f);
  std::vector<char> buffer(chunk);
  std::string begun;
  while (true) {
    const size_t n = file.read(buffer.data(), buffer.size());
    if (n == 0) break;
    std::string_view rest(buffer.data(), n);
    for (size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      begun.append(rest.substr(0, end));
      if (!lines.take(begun, "\n")) return;
      begun.clear();
      rest.remove_prefix(end + 1);
    }
    begun.append(rest);
    progress.at(file.part_read());
  }
  if (!lines.take(begun, "")) return;
  if (lines.count() == 0) throw UserError(path + ": must hold text, is empty");
}

// Puts a record together from its lines.
class Record {
 public:
  Record(char separator, bool quoting) : separator_(separator), quoting_(quoting) {}

  // Adds a line. Returns true when the record is whole; the next line then begins another one. After a fault the rest of the
  // line is not looked at.
  bool add(std::string_view line, std::string_view end, int64_t number) {
    if (!open_) {
      fields.assign(1, "");
      first = number;
    }
    for (size_t i = 0;; ++i) {
      if (open_ || (quoting_ && i < line.size() && line[i] == '"')) {
        if (!add_quoted(line, i, number)) {
          fields.back() += end;
          return false;
        }
      } else {
        const size_t stop = std::min(line.find(separator_, i), line.size());
        fields.back() = line.substr(i, stop - i);
        stray = stray || (quoting_ && fields.back().find('"') != std::string::npos);
        i = stop;
      }
      if (i >= line.size()) return true;
      if (line[i] != separator_) {
        fault = line[i];
        return true;
      }
      fields.emplace_back();
    }
  }
  // Returns true where the record ended inside quotes, so that it goes on in the next line.
  bool open() const { return open_; }

  std::vector<std::string> fields;
  int64_t first = 0, opened = 0;      // lines: of the record's begin, and of the last quoted field's
  std::optional<char> fault;          // the character after a closing quote where the separator should be
  bool stray = false, spans = false;  // any record so far had a quote inside an unquoted field; a line end or separator
                                      // inside a quoted one

 private:
  // Adds the quoted field that begins at line[i], or goes on there, and moves i behind its closing quote. Returns false
  // where the line ends before.
  bool add_quoted(std::string_view line, size_t& i, int64_t number) {
    if (!open_) {
      open_ = true;
      opened = number;
      ++i;
    }
    while (true) {
      const size_t quote = line.find('"', i);
      fields.back() += line.substr(i, quote - i);
      if (quote == std::string_view::npos) return false;
      i = quote + 1;
      if (i >= line.size() || line[i] != '"') break;
      fields.back() += '"';
      ++i;
    }
    open_ = false;
    spans = spans || opened != number || fields.back().find(separator_) != std::string::npos;
    return true;
  }

  const char separator_;
  const bool quoting_;
  bool open_ = false;
};

// Returns true where a tab-separated file's quotes are RFC 4180's; see lines.h.
bool has_quoted_fields(const std::string& path, Charset charset) {
  Record record('\t', true);
  bool plain_fits = true, any = false;
  int64_t tabs = -1;
  read_lines_of(path, charset, LineEnds::any, [&](std::string_view line, std::string_view end, int64_t number) {
    if (!line.empty()) {
      const int64_t n = std::count(line.begin(), line.end(), '\t');
      plain_fits = plain_fits && (tabs < 0 || n == tabs);
      tabs = n;
      any = any || line.find('"') != std::string_view::npos;
    }
    if (!line.empty() || record.open()) record.add(line, end, number);
    return !record.stray && !record.fault;
  });
  const bool well_formed = !record.stray && !record.fault && !record.open();
  return any && well_formed && !(plain_fits && record.spans);
}

}  // namespace

void for_each_line(const std::string& path, const std::function<void(std::string_view, int64_t)>& f, Charset charset,
                   LineEnds ends) {
  read_lines_of(path, charset, ends, [&](std::string_view line, std::string_view, int64_t number) {
    f(line, number);
    return true;
  });
}

void for_each_record(const std::string& path, char separator,
                     const std::function<void(const std::vector<std::string>&, int64_t)>& f, Charset charset) {
  const auto at = [&](int64_t line) { return path + ":" + std::to_string(line) + ": "; };
  Record record(separator, separator != '\t' || has_quoted_fields(path, charset));
  read_lines_of(path, charset, LineEnds::any, [&](std::string_view line, std::string_view end, int64_t number) {
    if (line.empty() && !record.open()) return true;
    const bool whole = record.add(line, end, number);
    if (record.fault)
      throw UserError(at(number) + "a quoted field must be followed by the separator, got " +
                      in_quotes(std::string(1, *record.fault)) +
                      (record.opened == number ? "" : "; the field begins in line " + std::to_string(record.opened)));
    if (whole) f(record.fields, record.first);
    return true;
  });
  if (record.open()) throw UserError(at(record.opened) + "a quoted field is never closed");
}

}  // namespace tacet
