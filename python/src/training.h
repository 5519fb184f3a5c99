// Whole runs of a Python program, in this process or in workers that it starts.
#pragma once

#include <pybind11/pybind11.h>

namespace tacet {

// Adds train, launch and what belongs to them to the module.
void add_training(pybind11::module_& module);

}  // namespace tacet
