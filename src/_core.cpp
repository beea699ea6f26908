// The extension module hpt._core: takes the BLAS table, registers the exceptions and calls the bind_*
// functions.
#include <pybind11/pybind11.h>

#include "bind.hpp"
#include "hpt/blas.hpp"
#include "hpt/error.hpp"

namespace py = pybind11;

namespace {

void set_not_positive_definite(const hpt::NotPositiveDefinite& error) {
  const py::object type = py::module_::import("hpt.errors").attr("NotPositiveDefiniteError");
  const py::object value = type(error.what(), error.order, error.jitter);
  PyErr_SetObject(type.ptr(), value.ptr());
}

void translate(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const hpt::NotPositiveDefinite& error) {
    set_not_positive_definite(error);
  } catch (const hpt::InvalidArgument& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  }
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "The numerical core of hpt; hpt/search/core.py is its only interface.";
  const py::capsule table = py::module_::import("hpt._blas").attr("table");
  hpt::install_blas(*table.get_pointer<hpt::BlasTable>());
  py::register_local_exception_translator(translate);
  hpt::python::bind_sampling(module);
  hpt::python::bind_gp(module);
  hpt::python::bind_acquisition(module);
  hpt::python::bind_score(module);
}
