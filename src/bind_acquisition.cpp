// Expected improvement, first points and the search for the next point.
#include <pybind11/stl.h>

#include <limits>
#include <optional>

#include "arrays.hpp"
#include "bind.hpp"
#include "hpt/acquisition.hpp"
#include "hpt/blas.hpp"
#include "hpt/design.hpp"
#include "hpt/maximize.hpp"

namespace hpt::python {
namespace {

// Points that many proposals skip, sorted once.
struct KnownPoints {
  KnownPoints(const std::vector<Coordinate>& items, const Array& X)
      : space(items), points(matrix_view(X, "X")), tried(space) {
    const py::gil_scoped_release release;
    space.check(points);
    tried.add(points);
  }
  KnownPoints(const KnownPoints&) = delete;
  KnownPoints& operator=(const KnownPoints&) = delete;
  Coordinates space;
  Matrix points;
  Tried tried;
};

py::object design(const std::vector<Coordinate>& space, const Array& tried, std::uint64_t seed,
                  std::uint64_t trial) {
  const MatrixView points = matrix_view(tried, "tried");
  std::optional<Vector> found;
  {
    const py::gil_scoped_release release;
    found = design_point(Coordinates(space), points, seed, trial);
  }
  return to_optional_array(found);
}

py::object next_point(const GaussianProcess& model, const Array& pending, const Array& tried,
                      std::uint64_t seed, std::uint64_t trial, const SearchOptions& options,
                      const GaussianProcess* labels, const KnownPoints* known,
                      const std::optional<Array>& away, double correlation) {
  const MatrixView running = matrix_view(pending, "pending"), points = matrix_view(tried, "tried");
  SearchOptions further = options;
  if (away) {
    const MatrixView centres = matrix_view(*away, "away");
    for (Index i = 0; i < centres.rows(); ++i) further.away.append_row(centres.row(i));
    further.correlation = correlation;
  }
  std::optional<Vector> found;
  {
    const py::gil_scoped_release release;
    const SingleThreadedBlas single;
    found = propose(model, running, points, seed, trial, further, labels,
                    known == nullptr ? nullptr : &known->tried);
  }
  return to_optional_array(found);
}

Array log_improvement(const GaussianProcess& model, const Array& X) {
  const MatrixView points = matrix_view(X, "X");
  model.space().check(points);
  Vector out;
  {
    const py::gil_scoped_release release;
    const SingleThreadedBlas single;
    out = LogExpectedImprovement(model)(points);
  }
  return to_array(VectorView(out));
}

py::tuple log_improvement_slopes(const GaussianProcess& model, const Array& x,
                                 const GaussianProcess* labels) {
  const VectorView point = vector_view(x, "x");
  model.space().check(MatrixView(point.data(), 1, static_cast<Index>(point.size())));
  Vector gradient(model.space().continuous().size());
  double value = 0.0;
  {
    const py::gil_scoped_release release;
    const SingleThreadedBlas single;
    value =
        LogExpectedImprovement(model, std::numeric_limits<double>::infinity(), 1.0, labels)(point, gradient);
  }
  return py::make_tuple(value, to_array(VectorView(gradient)));
}

}  // namespace

void bind_acquisition(py::module_& module) {
  py::enum_<Criterion>(module, "Criterion")
      .value("improvement", Criterion::improvement)
      .value("augmented_improvement", Criterion::augmented_improvement)
      .value("noisy_improvement", Criterion::noisy_improvement)
      .value("confidence_bound", Criterion::confidence_bound)
      .value("thompson", Criterion::thompson);
  py::class_<SearchOptions>(module, "SearchOptions")
      .def(py::init<>())
      .def_readwrite("candidates", &SearchOptions::candidates)
      .def_readwrite("local", &SearchOptions::local)
      .def_readwrite("starts", &SearchOptions::starts)
      .def_readwrite("steps", &SearchOptions::steps)
      .def_readwrite("rounds", &SearchOptions::rounds)
      .def_readwrite("fantasies", &SearchOptions::fantasies)
      .def_readwrite("enumerable", &SearchOptions::enumerable)
      .def_readwrite("many", &SearchOptions::many)
      .def_readwrite("means", &SearchOptions::means)
      .def_readwrite("variances", &SearchOptions::variances)
      .def_readwrite("landmarks", &SearchOptions::landmarks)
      .def_readwrite("exact", &SearchOptions::exact)
      .def_readwrite("nearest", &SearchOptions::nearest)
      .def_readwrite("many_starts", &SearchOptions::many_starts)
      .def_readwrite("many_steps", &SearchOptions::many_steps)
      .def_readwrite("many_rounds", &SearchOptions::many_rounds)
      .def_readwrite("finalists", &SearchOptions::finalists)
      .def_readwrite("incumbent", &SearchOptions::incumbent)
      .def_readwrite("doubling", &SearchOptions::doubling)
      .def_readwrite("criterion", &SearchOptions::criterion)
      .def_readwrite("beta", &SearchOptions::beta)
      .def_readwrite("incumbent_points", &SearchOptions::incumbent_points)
      .def_readwrite("incumbent_draws", &SearchOptions::incumbent_draws)
      .def_readwrite("samples", &SearchOptions::samples)
      .def_property(
          "held", [](const SearchOptions& options) { return to_array(VectorView(options.held)); },
          [](SearchOptions& options, const Array& held) {
            const VectorView values = vector_view(held, "held");
            options.held.assign(values.begin(), values.end());
          })
      .def_readwrite("threads", &SearchOptions::threads);

  py::class_<KnownPoints>(module, "KnownPoints")
      .def(py::init<const std::vector<Coordinate>&, const Array&>(), py::arg("space"),
           py::arg("X").noconvert());

  module.def("expected_improvement", py::vectorize(&expected_improvement), py::arg("mean"),
             py::arg("deviation"), py::arg("incumbent"));
  module.def("log_expected_improvement", py::vectorize([](double mean, double deviation, double incumbent) {
               return log_expected_improvement(mean, deviation, incumbent).value;
             }),
             py::arg("mean"), py::arg("deviation"), py::arg("incumbent"));
  module.def("log_improvement", &log_improvement, py::arg("model"), py::arg("X").noconvert());
  module.def("log_improvement_slopes", &log_improvement_slopes, py::arg("model"), py::arg("x").noconvert(),
             py::arg("labels") = py::none());
  module.def("design_point", &design, py::arg("space"), py::arg("tried").noconvert(), py::arg("seed"),
             py::arg("trial"));
  module.def("propose", &next_point, py::arg("model"), py::arg("pending").noconvert(),
             py::arg("tried").noconvert(), py::arg("seed"), py::arg("trial"), py::arg("options"),
             py::arg("labels") = py::none(), py::arg("known") = py::none(), py::arg("away") = py::none(),
             py::arg("correlation") = 1.0);
}

}  // namespace hpt::python
