// See environment.h.
#include "launch/environment.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "base/files.h"
#include "base/places.h"
#include "tacet/error.h"

namespace tacet {
namespace {

constexpr int kMostProcesses = 2000;  // as many as the rendezvous has connections for (StoreLimits)
// The ports for jobs, below those that Linux gives to outgoing connections and above those of services.
constexpr int kFirstPort = 20000, kPorts = 10000;
constexpr int kMostAncestors = 64;  // between a rank and Hydra's helper

bool is_set(const char* name) { return std::getenv(name) != nullptr; }

// Returns "RANK=0, WORLD_SIZE=4" for those of the variables that are set.
std::string shown(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names)
    if (is_set(name.c_str())) text += (text.empty() ? "" : ", ") + name + "=" + variable(name.c_str());
  return text;
}

int number_from_environment(const char* name, int lowest, int highest) {
  const std::string allowed = std::string("environment: ") + name + " must be a whole number from " +
                              std::to_string(lowest) + " to " + std::to_string(highest);
  if (!is_set(name)) {
    const std::string others = shown({"RANK", "WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"});
    throw UserError(allowed + ", but it is not set" + (others.empty() ? "" : ", though " + others + " is"));
  }
  const std::string text = variable(name);
  int value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < lowest || value > highest) {
    throw UserError(allowed + ", got '" + text + "'");
  }
  return value;
}

// Returns a port that is equal for all processes of a job, and most likely another for another job.
int port_of_job(const std::string& job) {
  uint32_t hash = 2166136261;  // FNV-1a
  for (const char c : job) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619;
  return kFirstPort + static_cast<int>(hash % kPorts);
}

// Returns true if the process was started with a rank of Hydra's. Returns false as well where /proc does not tell.
bool has_hydras_rank(pid_t process) {
  std::ifstream variables("/proc/" + std::to_string(process) + "/environ");
  for (std::string one; std::getline(variables, one, '\0');)
    if (one.rfind("PMI_RANK=", 0) == 0) return true;
  return false;
}

// Returns the process that started another one; 0 where /proc does not tell.
pid_t parent_of(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("PPid:", 0) == 0) return std::stoi(line.substr(5));
  return 0;
}

// Returns Hydra's helper, which started all ranks of this machine: the nearest ancestor without a rank. Those between are
// the rank's own, such as the shell of a script that runs the command. Where /proc can't be read it is the parent.
pid_t hydras_helper() {
  pid_t process = ::getppid();
  for (int k = 0; k < kMostAncestors && has_hydras_rank(process); ++k) {
    const pid_t parent = parent_of(process);
    if (parent <= 0) break;
    process = parent;
  }
  return process;
}

// Returns the first address that is not loopback in "714997760.0;tcp://192.168.1.5,10.0.0.5:44989;tcp6://…".
std::string address_in_uri(const std::string& uri) {
  const size_t begin = uri.find("tcp://");
  if (begin == std::string::npos) return "";
  const std::string list = uri.substr(begin + 6, uri.find_first_of(":;", begin + 6) - begin - 6);
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    const std::string address = list.substr(at, end - at);
    if (!is_loopback(address)) return address;
    at = end + 1;
  }
  return "";
}

// Rank and size as a launcher names them, and the place to meet as far as it tells.
struct Job {
  const char* rank;
  const char* size;
  bool one_machine;
  std::string address, id;  // empty: not told
};

std::optional<Job> job_from_environment() {
  if (is_set("OMPI_COMM_WORLD_RANK"))
    return Job{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
               variable("OMPI_COMM_WORLD_LOCAL_SIZE") == variable("OMPI_COMM_WORLD_SIZE"),
               address_in_uri(variable("OMPI_MCA_orte_hnp_uri")), variable("PMIX_NAMESPACE")};
  // Hydra may itself start its helpers with srun, whose variables then say nothing about ranks. All ranks of one machine
  // come from one such helper.
  if (is_set("PMI_RANK") && is_set("MPI_LOCALNRANKS"))
    return Job{"PMI_RANK", "PMI_SIZE", variable("MPI_LOCALNRANKS") == variable("PMI_SIZE"), "",
               std::to_string(hydras_helper())};
  if (is_set("SLURM_PROCID") && is_set("SLURM_STEP_ID")) {
    const std::string nodes =
        variable("SLURM_STEP_NODELIST").empty() ? variable("SLURM_JOB_NODELIST") : variable("SLURM_STEP_NODELIST");
    const std::string count = is_set("SLURM_STEP_NUM_NODES") ? variable("SLURM_STEP_NUM_NODES") : variable("SLURM_NNODES");
    const std::string first = first_host(nodes);
    return Job{"SLURM_PROCID", is_set("SLURM_STEP_NUM_TASKS") ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS", count == "1",
               first.empty() ? variable("SLURM_LAUNCH_NODE_IPADDR") : first,
               variable("SLURM_JOB_ID") + "." + variable("SLURM_STEP_ID")};
  }
  return std::nullopt;
}

std::optional<Placement> placement_in_job() {
  const auto job = job_from_environment();
  if (!job) return std::nullopt;
  Placement p;
  p.from = job->rank;
  p.size = number_from_environment(job->size, 1, kMostProcesses);
  p.rank = number_from_environment(job->rank, 0, p.size - 1);
  if (p.size == 1) return std::nullopt;
  p.names = {job->rank};
  p.told = shown({job->rank, job->size, "MASTER_ADDR", "MASTER_PORT"});
  p.address = is_set("MASTER_ADDR") ? variable("MASTER_ADDR") : job->one_machine ? "127.0.0.1" : job->address;
  if (p.address.empty())
    throw UserError(std::string("environment: MASTER_ADDR must be the address of rank 0's machine, since ") + job->rank +
                    "'s launcher does not tell it, but it is not set");
  if (is_set("MASTER_PORT")) {
    p.port = number_from_environment("MASTER_PORT", 1, 65535);
  } else if (job->id.empty() || (!job->one_machine && p.from == "PMI_RANK")) {
    throw UserError(std::string("environment: MASTER_PORT must be a free port of rank 0's machine, since ") + job->rank +
                    "'s launcher gives the job no number, but it is not set");
  } else {
    p.port = port_of_job(job->id);
  }
  return p;
}

std::optional<Placement> placement_by_name() {
  if (!is_set("RANK") && !is_set("WORLD_SIZE")) return std::nullopt;
  Placement p;
  p.from = is_set("RANK") ? "RANK" : "WORLD_SIZE";
  p.names = {"RANK", "WORLD_SIZE"};
  p.told = is_set(kToldVariable) ? variable(kToldVariable) : shown({"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"});
  p.size = number_from_environment("WORLD_SIZE", 1, kMostProcesses);
  p.rank = number_from_environment("RANK", 0, p.size - 1);
  p.port = number_from_environment("MASTER_PORT", 1, 65535);
  p.address = variable("MASTER_ADDR");
  if (p.address.empty()) {
    throw UserError("environment: MASTER_ADDR must be the address of the rendezvous, but it is " +
                    std::string(is_set("MASTER_ADDR") ? "empty" : "not set"));
  }
  if (variable("TORCHELASTIC_USE_AGENT_STORE") == "True") {
    p.hosted = true;
    p.store = "tcpstore";
  }
  return p;
}

// Returns the IPv4 addresses of a name, to be freed by the caller; null when it has none.
addrinfo* resolved(const std::string& address, int port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_DGRAM;
  return ::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) == 0 ? found : nullptr;
}

// Returns the name's first IPv4 address in digits; empty when it has none.
std::string digits_of(const std::string& address, int port) {
  addrinfo* found = resolved(address, port);
  if (found == nullptr) return "";
  char text[INET_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(found->ai_addr)->sin_addr, text, sizeof text);
  ::freeaddrinfo(found);
  return text;
}

// Returns what may be wrong with the place to meet: loopback, which other machines do not reach.
std::string doubt_about(const Placement& place) {
  const std::string digits = digits_of(place.address, place.port);
  if (is_loopback(place.address))
    return "; " + place.address +
           " is reached from this machine only: where workers are on other machines, MASTER_ADDR must "
           "be an address of worker 0's machine that they reach";
  if (is_loopback(digits))
    return "; on this machine \"" + place.address + "\" is " + digits +
           ", a loopback address that other machines do not reach: give the machine's own address in MASTER_ADDR (hostname "
           "-I shows it), or take the name from the line of " +
           digits + " in /etc/hosts";
  if (place.rank > 0 && place.address != digits)
    return "; here \"" + place.address + "\" is " + digits +
           ", but on worker 0's machine it may be a loopback address "
           "(127.0.1.1 in its /etc/hosts), where nobody else reaches it: give that machine's own address in MASTER_ADDR";
  return "";
}

}  // namespace

std::string how_placed(const Placement& place) {
  if (place.told.empty()) return "";
  return " (this is worker " + std::to_string(place.rank) + " of " + std::to_string(place.size) + " by " + place.told +
         ", to meet at " + place.address + ":" + std::to_string(place.port) +
         "; where nobody started the others, unset these variables)" + doubt_about(place);
}

std::string first_host(const std::string& list) {
  const size_t bracket = list.find('['), comma = list.find(',');
  if (bracket == std::string::npos || comma < bracket) return list.substr(0, comma);
  const size_t close = list.find(']', bracket);
  if (close == std::string::npos)
    throw UserError("environment: SLURM's list of nodes must have a ] for every [, got '" + list + "'");
  const size_t end = list.find_first_of(",-]", bracket);
  const size_t rest = list.find(',', close);
  const std::string tail = list.substr(close + 1, rest == std::string::npos ? rest : rest - close - 1);
  return list.substr(0, bracket) + list.substr(bracket + 1, end - bracket - 1) + first_host(tail);
}

// Connecting a datagram socket sends nothing.
std::string own_address_towards(const std::string& address, int port) {
  addrinfo* found = resolved(address, port);
  if (found == nullptr)
    throw UserError("environment: MASTER_ADDR must be an IPv4 address or a name that has one, got \"" + address + "\"");
  sockaddr_in own{};
  socklen_t size = sizeof own;
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const bool ok = socket.get() >= 0 && ::connect(socket.get(), found->ai_addr, found->ai_addrlen) == 0 &&
                  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&own), &size) == 0;
  ::freeaddrinfo(found);
  char text[INET_ADDRSTRLEN] = "";
  if (!ok || ::inet_ntop(AF_INET, &own.sin_addr, text, sizeof text) == nullptr)
    throw UserError("environment: MASTER_ADDR: there is no way from here to \"" + address + "\"");
  return text;
}

bool is_loopback(const std::string& address) { return address.rfind("127.", 0) == 0; }

std::optional<Placement> placement_from_environment() {
  auto p = placement_by_name();
  if (!p) p = placement_in_job();
  if (!p) return std::nullopt;
  // torchrun names its machine even where all workers are on it; they need not listen to others then.
  const bool one_machine =
      p->store == "tcpstore" && is_set("LOCAL_WORLD_SIZE") && variable("LOCAL_WORLD_SIZE") == variable("WORLD_SIZE");
  if (!one_machine) p->interface_address = own_address_towards(p->address, p->port);
  return p;
}

}  // namespace tacet
