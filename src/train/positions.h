// The checkpointed form of each client's place in its own samples.
#pragma once

#include "data/client_batches.h"
#include "tacet/algorithm.h"

namespace tacet {

// Shows the place (pass, offset) of every client that has drawn under the name "position", and takes what is put back.
// `saved` lives as long as the batches.
void visit_positions(StateVisitor& visitor, ClientBatches& batches, PerClient& saved);

}  // namespace tacet
