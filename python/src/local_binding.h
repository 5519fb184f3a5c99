// tacet.optim's compiled part: a LocalLoop and the groups that it may use.
#pragma once

#include <pybind11/pybind11.h>

namespace tacet {

// Adds Group, LocalLoop and what makes groups to the module.
void add_local_loop(pybind11::module_& module);

}  // namespace tacet
