// The place of a worker among the others, as torchrun, mpirun, srun or tacet's launcher put it into the environment. Nothing
// is started or connected here.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace tacet {

// A worker's place among the others, and the place to meet.
struct Placement {
  int rank = 0;                       // 0 … size−1
  int size = 1;                       // ≥ 1
  std::string address = "127.0.0.1";  // the rendezvous'
  int port = 0;
  bool hosted = false;          // somebody else (the launcher, torchrun's agent) serves the rendezvous
  std::string store = "tacet";  // kind of the rendezvous, see GlooOptions::store
  bool launched = false;        // started by launch_local
  // This machine's own address on the way to `address`: the only one to listen on.
  std::string interface_address = "127.0.0.1";
  std::string from = "RANK";  // the variable that decided
  // The variables that gave rank, size and address, with their values; empty for workers of --workers, who got no variables
  // from the user.
  std::string told;
  std::vector<std::string> names;  // the variables to unset so that nothing places this worker
};

// The variable by which a launcher hands `told` on to its workers, whose own variables are the launcher's.
inline constexpr const char* kToldVariable = "TACET_PLACED_BY";

// Returns what to add to the message of a worker that has waited in vain: the variables that it believed, and how its
// address can be one that the others do not reach. Empty for workers of --workers.
std::string how_placed(const Placement& place);

// Returns the place by the first of these whose variables are set; nothing when none is.
//   RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT: torchrun, our own launchers, by hand. Where torchrun's agent serves a
//     TCPStore, TORCHELASTIC_USE_AGENT_STORE is "True".
//   OMPI_COMM_WORLD_RANK, …_SIZE: Open MPI's mpirun.  PMI_RANK, PMI_SIZE: mpirun of MPICH and its relatives.
//   SLURM_PROCID, SLURM_STEP_NUM_TASKS or SLURM_NTASKS, within a step: srun. (A batch script that runs no srun has no step.)
// Where there is one process alone, the last three are ignored, so that --workers decides. For them MASTER_ADDR and
// MASTER_PORT are taken where they are set; else the address is 127.0.0.1 when all processes are on this machine, the
// address of mpirun's machine (Open MPI) or the first host of the step (srun), and the port follows from the job's number:
// 20000 … 29999. Throws UserError naming the variable when one is missing, not a number or out of range.
std::optional<Placement> placement_from_environment();

// Returns the first host of a SLURM node list: "node[003-007,010],login" → "node003". Empty for an empty list.
// Throws UserError when brackets don't match.
std::string first_host(const std::string& list);

// Returns the one of this machine's addresses that the kernel would choose on the way to `address`. Throws UserError when
// there is no way.
std::string own_address_towards(const std::string& address, int port);

// Returns true if a numeric IPv4 address is one that only this machine can reach (127.0.0.0/8).
bool is_loopback(const std::string& address);

}  // namespace tacet
