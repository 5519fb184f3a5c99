// `--hosts a,b,c`: one worker a host, started over ssh. The parent is launch_local's; what it starts here are processes that
// turn into ssh. The token travels through ssh's standard input, never on a command line.
#pragma once

#include <string>
#include <vector>

namespace tacet {

struct HostsOptions {
  std::vector<std::string> hosts;  // [user@]name; the first is rank 0's, and its name is where the others find it
  std::string ssh = "ssh";         // command and its options, split at spaces; "HOST COMMAND" is put behind it
  int port = 0;                    // the rendezvous' on the first host; 0: made from this process's number
};

// Splits "a,b,c". Throws UserError for an empty name.
std::vector<std::string> split_hosts(const std::string& list);

// Runs `tacet` with `arguments` (those of `tacet train`, without the subcommand) on every host, in this folder and with this
// program's path, which must be the same there. Forwards output, ends all when one ends or at Ctrl-C. Returns the exit code
// as launch_local does.
int launch_hosts(const HostsOptions& options, const std::vector<std::string>& arguments);

// Becomes ssh to host number $RANK, in a process that launch_hosts has started.
[[noreturn]] void become_ssh(const HostsOptions& options, const std::vector<std::string>& arguments);

// Returns the command for a remote shell; every word is quoted.
std::string remote_command(const HostsOptions& options, const std::string& folder, const std::string& program, int rank,
                           const std::vector<std::string>& arguments);

// Reads the token, the first line of standard input, in a worker that launch_hosts has started. From then on this process
// gets SIGTERM at the input's end, which comes when the launcher ends or the connection is lost.
std::string token_from_input();

}  // namespace tacet
