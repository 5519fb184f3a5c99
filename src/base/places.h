// Places of the file system that the environment names: the home folder, tacet's cache, the folder of data sets, and this
// program's own file. Their contents are not known here.
#pragma once

#include <string>
#include <vector>

namespace tacet {

// Returns an environment variable; empty where it is not set.
std::string variable(const char* name);

// Returns the path with a leading ~/ replaced by the home folder, where there is one.
std::string expand_home(const std::string& path);

// Returns ~/.cache/tacet; empty where there is no home folder.
std::string cache_folder();

// Returns $TACET_DATA as an absolute path, else cache_folder().
std::string data_folder();

// Returns the file name of the program that this process runs.
std::string program_name();

// Returns the first of `names` that exists in `folder`, as a path; empty when none does. "" never matches.
std::string first_existing(const std::string& folder, const std::vector<std::string>& names);

}  // namespace tacet
