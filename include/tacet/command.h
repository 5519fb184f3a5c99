// The whole `tacet` command as a function: train with --workers, --resume and --hosts, compare, report, eval, … A program
// with algorithms, models, data sets or objectives of its own adds them (registry.h), then calls it:
//
//   int main(int argc, char** argv) {
//     tacet::add_algorithm(slowmo());
//     return tacet::command(argc, argv);
//   }
//
// Training without a command line is in train.h.
#pragma once

namespace tacet {

// Runs the subcommand that argv names and returns the exit code for main(). Messages go to stderr. The workers of a run are
// started as this same program with other arguments, so whatever is added before the call is there in each of them.
// REQUIRES: it is called once, early in main(), from a process without other threads.
int command(int argc, char** argv);

}  // namespace tacet
