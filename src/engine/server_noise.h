// Gaussian noise that a round adds at the server, with equal bits on all ranks. Noise of clients' gradients is not here.
#pragma once

#include <cstdint>

#include "tacet/vector.h"

namespace tacet {

class Group;

// Returns n numbers of N(0, 1) that are functions of seed and round alone. Whoever knows the seed can take them away again.
Vec keyed_normals(uint64_t seed, int64_t round, int64_t n);

// Returns n numbers of N(0, 1) that rank 0 draws from the system's random numbers and sends to the others. Collective.
Vec system_normals(Group& group, int64_t n);

}  // namespace tacet
