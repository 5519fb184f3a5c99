// Where the original files of data sets can be had, with their sizes and checksums. Downloading is not here
// (src/cli/fetch.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tacet {

struct SourceFile {
  std::string name;         // the file's
  int64_t bytes = 0;        // the file's size
  std::string checksum;     // "sha256:…", or "md5:…" where that is all its author publishes; lower-case hexadecimal
  bool is_archive = false;  // to be unpacked
};

struct Source {
  std::string dataset;
  std::string address;    // URL of the folder that the files are in, ending in a slash
  std::string subfolder;  // place of the files, or of the archive's contents, in $TACET_DATA
  std::vector<SourceFile> files;
};

// The source of a data set, or null where there is none that needs no account.
const Source* find_source(const std::string& dataset);

}  // namespace tacet
