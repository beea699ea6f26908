// The types that may cross between Python and the core, named once, and their conversions.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <optional>
#include <string>

#include "hpt/error.hpp"
#include "hpt/view.hpp"

namespace hpt::python {

namespace py = pybind11;

// C-contiguous float64, never converted silently: hpt/search/core.py passes exactly this.
using Array = py::array_t<double, py::array::c_style>;

inline VectorView vector_view(const Array& array, const char* name) {
  if (array.ndim() != 1) throw InvalidArgument(std::string(name) + ": one dimension is needed");
  return {array.data(), static_cast<std::size_t>(array.shape(0))};
}

inline MatrixView matrix_view(const Array& array, const char* name) {
  if (array.ndim() != 2) throw InvalidArgument(std::string(name) + ": two dimensions are needed");
  return {array.data(), array.shape(0), array.shape(1)};
}

inline Array to_array(VectorView values) {
  Array out(static_cast<py::ssize_t>(values.size()));
  std::copy(values.begin(), values.end(), out.mutable_data());
  return out;
}

inline Array to_array(const Matrix& values) {
  Array out({values.rows(), values.cols()});
  std::copy_n(values.data(), values.rows() * values.cols(), out.mutable_data());
  return out;
}

inline py::object to_optional_array(const std::optional<Vector>& values) {
  if (!values) return py::none();
  return to_array(VectorView(*values));
}

}  // namespace hpt::python
