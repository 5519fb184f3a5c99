// The objective of a Python program: its module, loss and data. Python computes losses and gradients. The samples of a
// mini-batch, the seed of its randomness and all that lives across rounds are decided here, as for tacet's own tasks.
#pragma once

#include <memory>

#include <pybind11/pybind11.h>

#include "tacet/objective.h"
#include "tacet/recipe.h"

namespace tacet {

// Adds the model and the data set "python", and their task, to the tables. A recipe that names them is trained by
// make_module_objective's result. Called once.
void add_python_rows();

// Returns the objective of `host`, an object of the class ModuleHost in python/tacet/_host.py. The recipe's [data] says how
// samples become mini-batches. Throws UserError.
std::unique_ptr<Objective> make_module_objective(const pybind11::object& host, const Recipe& recipe, int clients);

}  // namespace tacet
