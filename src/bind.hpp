// The groups of bindings, one function a file.
#pragma once

#include <pybind11/pybind11.h>

namespace hpt::python {

void bind_gp(pybind11::module_& module);
void bind_acquisition(pybind11::module_& module);
void bind_sampling(pybind11::module_& module);
void bind_score(pybind11::module_& module);

}  // namespace hpt::python
