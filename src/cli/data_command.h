// `tacet data info` and `tacet data fetch`: what a data set is, where its files are, and what a partition makes of it.
#pragma once

#include <string>
#include <vector>

namespace tacet {

// Prints origin, files, where they are expected and found, sizes and the histogram of labels. With a recipe, or where
// clients.count is set, also how many samples of which label each client has. Returns the exit
// code; where the files are missing or unfit, throws UserError after what is known was printed.
int cmd_data_info(const std::string& name, const std::string& recipe, const std::vector<std::string>& sets);

// Downloads into `folder` (empty: $TACET_DATA, else ~/.cache/tacet), from `address` (empty: the data set's own).
int cmd_data_fetch(const std::string& name, const std::string& folder, const std::string& address);

// One character a number, taller for larger: the share of `largest` in eighths; a blank for 0.
std::string bars(const std::vector<int64_t>& counts, int64_t largest);

}  // namespace tacet
