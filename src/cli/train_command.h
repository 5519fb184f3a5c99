// `tacet train` and `tacet eval`: from command-line values to a call of train(). Argument parsing is in main.cc.
#pragma once

#include <string>
#include <vector>

namespace tacet {

constexpr int kWorkersAuto = -1;

struct TrainCommand {
  std::string recipe;
  std::string out;                // empty: runs/<recipe's name>, with a number behind it when that is taken
  std::vector<std::string> sets;  // table.key=value
  int workers = 0;                // 0: not given; kWorkersAuto: one for each core that a client can use
  bool resume = false, quiet = false, dry_run = false;
  bool launched = false;  // started by launch_local, which serves the rendezvous
  bool rejoin = false;    // started by it in the middle of a run
  std::string hosts;      // a,b,c; empty: not given
  std::string ssh = "ssh";
  int port = 0;                   // on the first of the hosts; 0: not given
  std::string join_token;         // a file; empty: the environment decides
  bool token_from_input = false;  // started by launch_hosts
};

// Returns the exit code; throws UserError and PeerLost.
int cmd_train(const TrainCommand& command);

// `model`: a run's folder or a safetensors file; `recipe` may be empty for a run's folder.
int cmd_eval(const std::string& model, const std::string& recipe, const std::vector<std::string>& sets);

}  // namespace tacet
