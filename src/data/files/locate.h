// The folder of a data set: data.root, else $TACET_DATA, else the cache folder, else where the system's packages put it. The
// files' formats are not known here.
#pragma once

#include <string>
#include <vector>

#include "tacet/error.h"
#include "tacet/options.h"

namespace tacet {

// Files of a data set are not there, as against wrong.
struct DataMissing : UserError {
  using UserError::UserError;
};

// Returns the first of these folders that holds one of the files (or folders) `wanted`: data.root or its subfolder
// `subfolder` when data.root is given (a leading ~/ means the home folder), else $TACET_DATA/<subfolder>, $TACET_DATA,
// ~/.cache/tacet/<subfolder> and then `system`. Throws DataMissing naming data set, files and every folder that was looked
// at.
std::string find_folder(const Values& data, const std::string& dataset, const std::string& subfolder,
                        const std::vector<std::string>& wanted, const std::vector<std::string>& system = {});

// Returns the only one of `names` that exists in the folder, as a path; empty where none does. Throws UserError where two
// do, since the other one would be left out without a word; `remedy` ends the message. For files of one's own: the names of
// a published data set say what is in them.
std::string only_existing(const std::string& folder, const std::vector<std::string>& names, const std::string& remedy = "");

// Returns the folders in which the system's packages put a data set; none where no package has it.
std::vector<std::string> system_folders(const std::string& dataset);

// Returns the key that names a data set's folder.
Option root_option();

}  // namespace tacet
