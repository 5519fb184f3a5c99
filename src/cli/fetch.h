// Downloads of data sets: a file at a time, continued where an earlier try stopped, checked, then put in place. What belongs
// to a data set is in data/sources.h.
#pragma once

#include <string>

#include "data/catalog/sources.h"

namespace tacet {

// Brings every file of the source into FOLDER/SUBFOLDER (archives: unpacked into FOLDER) and says on stdout what it did.
// Files that are there with the right checksum are kept. `address` replaces the source's own unless empty. Throws UserError
// when there is no network, no room or a wrong checksum; it then lists every file that is missing, its address and where it
// belongs.
void fetch(const Source& source, const std::string& folder, const std::string& address);

// One file: downloads `url` to `path` by way of path.part, which a later call continues. Returns an empty text, or what went
// wrong.
std::string download(const std::string& url, const std::string& path, const SourceFile& expected);

}  // namespace tacet
