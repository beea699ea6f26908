// Random numbers, Sobol' points and the typed coordinates.
#include <pybind11/stl.h>

#include "arrays.hpp"
#include "bind.hpp"
#include "hpt/coordinates.hpp"
#include "hpt/random.hpp"
#include "hpt/warping.hpp"

namespace hpt::python {
namespace {

Scale scale_of(const std::string& name) {
  if (name == "linear") return Scale::linear;
  if (name == "logarithmic") return Scale::logarithmic;
  if (name == "reverselogarithmic") return Scale::reverse_logarithmic;
  throw InvalidArgument("scale '" + name + "' is not linear, logarithmic or reverselogarithmic");
}

Array sobol(Index count, Index dimension, std::optional<std::uint64_t> seed, std::uint64_t trial) {
  require(count >= 0, "count must not be negative");
  const Sobol sequence =
      seed ? Sobol(dimension, Stream(*seed, trial, Use::design_scramble)) : Sobol(dimension);
  Matrix points(count, dimension);
  for (Index i = 0; i < count; ++i) sequence.point(static_cast<std::uint64_t>(i), points.row(i));
  return to_array(points);
}

Array draws(const std::string& kind, Index count, std::uint64_t seed, std::uint64_t trial,
            std::uint64_t use) {
  require(count >= 0, "count must not be negative");
  require(kind == "uniform" || kind == "normal", "kind must be uniform or normal");
  Stream stream(seed, trial, static_cast<Use>(use));
  Vector out(static_cast<std::size_t>(count));
  for (double& value : out) value = kind == "normal" ? stream.normal() : stream.uniform();
  return to_array(VectorView(out));
}

}  // namespace

void bind_sampling(py::module_& module) {
  py::class_<Coordinate>(module, "Coordinate")
      .def_static(
          "continuous", [](const std::string& scale) { return Coordinate::continuous(scale_of(scale)); },
          py::arg("scale") = "linear")
      .def_static(
          "integer",
          [](std::int64_t low, std::int64_t high, const std::string& scale) {
            return Coordinate::integer(low, high, scale_of(scale));
          },
          py::arg("low"), py::arg("high"), py::arg("scale") = "linear")
      .def_static("categorical", &Coordinate::categorical, py::arg("count"))
      .def("snap", &Coordinate::snap, py::arg("x"))
      .def("level", &Coordinate::level, py::arg("x"));

  module.def("sobol", &sobol, py::arg("count"), py::arg("dimension"), py::arg("seed") = py::none(),
             py::arg("trial") = 0);
  module.def("draws", &draws, py::arg("kind"), py::arg("count"), py::arg("seed"), py::arg("trial"),
             py::arg("use"));
  module.def("philox", &philox, py::arg("counter"), py::arg("key"));
  module.def(
      "kumaraswamy", [](double x, double a, double b) { return warp(x, a, b).value; }, py::arg("x"),
      py::arg("a"), py::arg("b"));
}

}  // namespace hpt::python
