// Text files line by line, plain or gzip-compressed, a line at a time in memory, and records of comma- or tab-separated
// files on top of them. Headers are read elsewhere (table.h). The callers interpret the lines. Word-level corpora are read
// elsewhere (data/text/corpus.h).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tacet {

enum class Charset {
  utf8,            // anything else is the user's mistake
  utf8_or_latin1,  // a line that is no UTF-8 is taken as Latin-1 and handed over as UTF-8 (Sentiment140 mixes both)
};

enum class LineEnds {
  any,      // \n, \r\n and \r alone, as Python reads text
  newline,  // \n and \r\n; a \r elsewhere is a character of its line
};

// Calls f(line, number) for every line of the file, numbers from 1. Lines come without their end; the last one may lack it;
// a byte order mark in front of the first is dropped. A file in gzip's format is unpacked on the way, whatever its name.
// Reads that take more than some seconds report their progress on stderr (from worker 0). Throws UserError with the file,
// and where it makes sense the line, when the file is missing, no plain file, cut off, no text or empty.
void for_each_line(const std::string& path, const std::function<void(std::string_view line, int64_t number)>& f,
                   Charset charset = Charset::utf8, LineEnds ends = LineEnds::any);

// Calls f(fields, number) for every record; number is that of the record's first line. Blank lines between records are
// passed over. Fields follow RFC 4180: they may stand in double quotes, a doubled quote inside them is one quote, and they
// may hold separators and line ends, in any number. Throws UserError for a quote that is never closed, or that closes in the
// middle of a field.
// Tab-separated files come with and without quoting. Their quotes are RFC 4180's where all of the file's are, as Python's
// csv and pandas write them, and plain characters otherwise. Where both readings give every line of the file its fields,
// quotes around a tab or a line end are plain characters.
void for_each_record(const std::string& path, char separator,
                     const std::function<void(const std::vector<std::string>& fields, int64_t number)>& f,
                     Charset charset = Charset::utf8);

}  // namespace tacet
