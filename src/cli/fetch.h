// Downloads of data sets: a file at a time, continued where an earlier try stopped, checked, then put in place. The lists of
// files are in data/catalog/sources.h.
#pragma once

#include <string>

#include "data/catalog/sources.h"

namespace tacet {

// Brings every file of the source into FOLDER/SUBFOLDER (archives: unpacked into FOLDER) and says on stdout what it did.
// Keeps files that are there with the right checksum. `address` replaces the source's own unless it is empty. Throws
// UserError when there is no network, no room or a wrong checksum; its text lists every missing file, its address and its
// place.
void fetch(const Source& source, const std::string& folder, const std::string& address);

// Downloads `url` to `path` by way of path.part, which a later call continues. Returns an empty text, or what went wrong.
std::string download(const std::string& url, const std::string& path, const SourceFile& expected);

}  // namespace tacet
