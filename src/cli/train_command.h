// `tacet train`: takes the step that train_plan.h decides on.
#pragma once

#include "cli/arguments.h"

namespace tacet {

// Runs the command and returns the exit code. Throws UserError and PeerLost.
int cmd_train(const TrainArguments& arguments);

}  // namespace tacet
