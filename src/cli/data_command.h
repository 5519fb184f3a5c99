// `tacet data info` and `tacet data fetch`: a data set's origin, its files, and the shares that a partition gives its
// clients.
#pragma once

#include <string>
#include <vector>

namespace tacet {

// Prints origin, files, their place, sizes and the histogram of labels. With a recipe, or where clients.count is set, also
// prints each client's samples by label. With `json` prints one JSON object instead of the text. Returns the exit code.
// Where files are missing, throws UserError after printing what is known without them.
int cmd_data_info(const std::string& name, const std::string& recipe, const std::vector<std::string>& sets, bool json);

// Downloads a data set into `folder` (empty: $TACET_DATA, else ~/.cache/tacet) from `address` (empty: the data set's own).
// Returns the exit code. Throws UserError.
int cmd_data_fetch(const std::string& name, const std::string& folder, const std::string& address);

// Returns one character a number, taller for larger: the share of `largest` in eighths, a blank for 0.
std::string bars(const std::vector<int64_t>& counts, int64_t largest);

}  // namespace tacet
