// The names of a run's keys at the rendezvous. Nothing is cleared there at a run's end, so each of several runs that meet at
// one rendezvous, one after the other, has keys of its own. Those of membership.cc, behind the run's beginning:
//   ids, joins            counters of the workers that came, and of those that found a term under way
//   left/ID               set by the rendezvous when the connection of worker ID ends (a will)
//   join/N                the N-th that found a term under way
//   heard/ID              a worker of the term under way knows that ID waits to join
//   term                  the number of the latest term that was decided
//   eT/came, eT/slot/N    counter and workers that came to term T, in the order of their coming
//   eT/members            the workers of term T, written once, by the first worker that decides
//   eT/losses             the workers of term T−1 that are not in T, in words
//   eT/broken             term T is over
//   eT/alive/ID           ID knows that term T−1 is over and is on its way
//   done                  the run is done
#pragma once

#include <cstdint>
#include <string>

namespace tacet {

// The key of the number of the latest run that all workers have come to; none where the runs have no numbers.
inline constexpr const char* kLatestRun = "tacet/run";

// Returns the beginning of all keys of a run (GlooOptions::run).
inline std::string keys_of_run(int run) { return run > 0 ? "tacet/run" + std::to_string(run) : "tacet"; }

// The names of one run's keys.
struct RunKeys {
  std::string begin;
  std::string operator()(const std::string& what) const { return begin + "/" + what; }
  std::string operator()(int64_t term, const std::string& what) const {
    return begin + "/e" + std::to_string(term) + "/" + what;
  }
  std::string left(int64_t id) const { return begin + "/left/" + std::to_string(id); }
  std::string heard(int64_t id) const { return begin + "/heard/" + std::to_string(id); }
};

}  // namespace tacet
