// `tacet report`: one HTML page with tables and figures of some runs. The page is a single file, asks nothing of any
// network, and shows nothing that isn't in the runs' own files.
#pragma once

#include <string>
#include <vector>

#include "report/runs.h"

namespace tacet {

// The page. All text of the runs is escaped. Works for one run or many, with or without rounds and evaluations.
std::string report_page(const std::vector<Run>& runs);

// Returns the page of runs that may have been shortened; `each` has the run_data (page_data.h) of every run.
std::string report_page(const std::vector<Run>& runs, std::vector<nlohmann::json> each);

// Reads the runs one at a time and returns their page, so that of each only what the page shows is kept. Throws UserError as
// read_runs does.
std::string report_page_of(const std::vector<std::string>& dirs);

// Returns the page for a server that answers "mark" beside it: it looks every two seconds whether the mark still is the one
// given here, and then takes the new page's tables and figures. `mark` must have been taken before this call, so that no
// change of the files is missed.
std::string live_page_of(const std::vector<std::string>& dirs, const std::string& mark);

// Writes the page beside `path` and renames it into place, so an older page stays whole until the new one is.
// Throws UserError when the file can't be written.
void write_report(const std::vector<Run>& runs, const std::string& path);

// `tacet report DIR... [-o FILE]`: an empty `out` means report.html in the run's folder for one run, in the working folder
// for several. Prints the path. Returns the exit code; throws UserError as read_runs and write_report do.
int cmd_report(const std::vector<std::string>& dirs, const std::string& out);

}  // namespace tacet
