// The arguments of `tacet train`: declared for the command line, and written as a command line again for the workers that a
// launcher starts. Nothing is carried out here.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace tacet {

inline constexpr int kWorkersAuto = -1;

struct TrainArguments {
  std::string recipe;
  std::string out;                // empty: runs/<recipe's name>, with a number behind it when that is taken
  std::vector<std::string> sets;  // "table.key=value"
  int workers = 0;                // 0: not given; kWorkersAuto: one for each core that a client can use
  bool resume = false, quiet = false, dry_run = false, json = false;
  std::string hosts;  // "a,b,c"; empty: not given
  std::string ssh = "ssh";
  int port = 0;            // on the first of the hosts; 0: not given
  std::string join_token;  // a file; empty: the environment decides
  // Flags that launchers give to workers.
  bool launched = false;          // started by launch_local, which serves the rendezvous
  bool rejoin = false;            // started by launch_local in the middle of a run
  bool token_from_input = false;  // started by launch_hosts

  bool operator==(const TrainArguments&) const = default;
};

// Adds the options of `tacet train` to its subcommand.
void declare(CLI::App& command, TrainArguments& arguments);

// Returns the words behind "tacet train" that give these arguments.
std::vector<std::string> words(const TrainArguments& arguments);

// Returns the arguments of the workers of a run in the folder `out`, without those that say how many there are and where.
TrainArguments for_workers(const TrainArguments& arguments, const std::string& out);

// Returns the words of an error where `text` is no whole number from `first` to `last`, or nothing. CLI11's own words differ
// from one version to the next and leave out the kind of number.
std::string outside(const std::string& text, int first, int last);
// Does so for a number; `last` may be infinite.
std::string outside_number(const std::string& text, double first, double last);

// Adds --json to a subcommand, and returns it.
CLI::Option* declare_json(CLI::App& command, bool& json);

// Adds --set to a subcommand; several have it.
void declare_sets(CLI::App& command, std::vector<std::string>& sets, const std::string& text);

}  // namespace tacet
