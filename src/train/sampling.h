// Which clients take part in a round: a pure function, so that whoever needs to know S_r agrees without talking.
#pragma once

#include <cstdint>
#include <vector>

namespace tacet {

// S_r as ascending client ids: `sampled` of `clients`, drawn anew for every round (fixed: always the first ones).
std::vector<int> sampled_clients(uint64_t seed, int64_t round, int clients, int sampled, bool fixed);

}  // namespace tacet
