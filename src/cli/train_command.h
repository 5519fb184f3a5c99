// `tacet train`: carries out what its arguments come to.
#pragma once

#include "cli/arguments.h"

namespace tacet {

// Returns the exit code. Throws UserError and PeerLost.
int cmd_train(const TrainArguments& arguments);

}  // namespace tacet
