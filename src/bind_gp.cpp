// The Gaussian process and its hyperparameters.
#include <pybind11/stl.h>

#include "arrays.hpp"
#include "bind.hpp"
#include "hpt/blas.hpp"
#include "hpt/gaussian_process.hpp"
#include "hpt/subset.hpp"

namespace hpt::python {
namespace {

using Items = std::vector<Coordinate>;

Hyperparameters hyperparameters(const Array& length_scales, double amplitude, double noise, double mean,
                                double mixing, const std::optional<Array>& warp_a,
                                const std::optional<Array>& warp_b, double tail_limit) {
  const auto vector = [](const Array& array, const char* name) {
    const VectorView view = vector_view(array, name);
    return Vector(view.begin(), view.end());
  };
  return {vector(length_scales, "length_scales"),
          amplitude,
          noise,
          mean,
          mixing,
          warp_a ? vector(*warp_a, "warp_a") : Vector(),
          warp_b ? vector(*warp_b, "warp_b") : Vector(),
          tail_limit};
}

GaussianProcess fit(const Items& space, const Array& X, const Array& y, int iterations,
                    const std::optional<Hyperparameters>& start, bool warping, int threads,
                    double tail_limit) {
  const MatrixView points = matrix_view(X, "X");
  const VectorView targets = vector_view(y, "y");
  const py::gil_scoped_release release;
  const SingleThreadedBlas single;
  return GaussianProcess::fit(Coordinates(space), points, targets,
                              {iterations, warping, start, threads, tail_limit});
}

py::tuple fit_targets_of(const Items& space, const Array& X, const Array& y,
                         const std::optional<Hyperparameters>& start, bool warping, int threads,
                         double tail_limit, Index limit) {
  const MatrixView points = matrix_view(X, "X");
  const VectorView targets = vector_view(y, "y");
  Fit found;
  {
    const py::gil_scoped_release release;
    const SingleThreadedBlas single;
    FitOptions options;
    options.warping = warping;
    options.start = start;
    options.threads = threads;
    options.tail_limit = tail_limit;
    options.limit = limit;
    found = fit_targets(Coordinates(space), points, targets, options);
  }
  return py::make_tuple(found.at, found.density);
}

GaussianProcess construct(const Items& space, const Array& X, const Array& y, const Hyperparameters& at,
                          int threads, std::optional<Index> base) {
  const MatrixView points = matrix_view(X, "X");
  const VectorView targets = vector_view(y, "y");
  const py::gil_scoped_release release;
  const SingleThreadedBlas single;
  return GaussianProcess(Coordinates(space), points, targets, at, threads, base.value_or(points.rows()));
}

GaussianProcess extend(const GaussianProcess& self, const Array& X, const Array& y) {
  const MatrixView points = matrix_view(X, "X");
  const VectorView targets = vector_view(y, "y");
  const py::gil_scoped_release release;
  const SingleThreadedBlas single;
  return self.extend(points, targets);
}

GaussianProcess imagine(const GaussianProcess& self, const Array& pending, Index draws, std::uint64_t seed,
                        std::uint64_t trial) {
  const MatrixView points = matrix_view(pending, "pending");
  const py::gil_scoped_release release;
  const SingleThreadedBlas single;
  return self.imagine(points, draws, Stream(seed, trial, Use::fantasies));
}

GaussianProcess imagine_further(const GaussianProcess& self, const Array& pending) {
  const MatrixView points = matrix_view(pending, "pending");
  const py::gil_scoped_release release;
  const SingleThreadedBlas single;
  return self.imagine_further(points);
}

Array standardized_means(const GaussianProcess& self, const Array& X) {
  const MatrixView points = matrix_view(X, "X");
  self.space().check(points);
  Vector mean(static_cast<std::size_t>(points.rows()));
  {
    const py::gil_scoped_release release;
    self.predict_mean(points, mean);
  }
  return to_array(VectorView(mean));
}

Array covariance(const GaussianProcess& self, const Array& X) {
  const MatrixView points = matrix_view(X, "X");
  self.space().check(points);
  Matrix out;
  {
    const py::gil_scoped_release release;
    const SingleThreadedBlas single;
    out = self.covariance(points);
  }
  return to_array(out);
}

GaussianProcess condition_on(const GaussianProcess& self, const Array& X, const Array& y) {
  const MatrixView points = matrix_view(X, "X");
  const VectorView targets = vector_view(y, "y");
  const py::gil_scoped_release release;
  const SingleThreadedBlas single;
  return self.condition_on(points, targets);
}

py::tuple predict(const GaussianProcess& self, const Array& X) {
  const MatrixView points = matrix_view(X, "X");
  Vector mean(static_cast<std::size_t>(points.rows())), variance(mean.size());
  {
    const py::gil_scoped_release release;
    const SingleThreadedBlas single;
    self.predict(points, mean, variance);
  }
  return py::make_tuple(to_array(VectorView(mean)), to_array(VectorView(variance)));
}

py::tuple predict_band(const GaussianProcess& self, const Array& X, double width) {
  const MatrixView points = matrix_view(X, "X");
  Vector lower(static_cast<std::size_t>(points.rows())), upper(lower.size());
  {
    const py::gil_scoped_release release;
    const SingleThreadedBlas single;
    self.predict_band(points, width, lower, upper);
  }
  return py::make_tuple(to_array(VectorView(lower)), to_array(VectorView(upper)));
}

py::tuple predict_with_slopes(const GaussianProcess& self, const Array& x) {
  const VectorView point = vector_view(x, "x");
  self.space().check(MatrixView(point.data(), 1, static_cast<Index>(point.size())));
  GaussianProcess::Slopes at;
  {
    const py::gil_scoped_release release;
    const SingleThreadedBlas single;
    at = self.predict_with_slopes(point);
  }
  return py::make_tuple(to_array(VectorView(at.mean)), at.variance, to_array(at.dmean),
                        to_array(VectorView(at.dvariance)));
}

py::tuple posterior_gradient(const Items& items, const Array& X, const Array& y, const Array& theta) {
  const Coordinates space(items);
  const MatrixView points = matrix_view(X, "X");
  const VectorView targets = vector_view(y, "y"), at = vector_view(theta, "theta");
  space.check(points);
  require(points.rows() == static_cast<Index>(targets.size()),
          "X and y differ in their number of observations");
  Vector gradient(at.size());
  double value = 0.0;
  {
    const py::gil_scoped_release release;
    const SingleThreadedBlas single;
    value = negative_log_posterior(space, points, targets, at, gradient);
  }
  return py::make_tuple(value, to_array(VectorView(gradient)));
}

}  // namespace

void bind_gp(py::module_& module) {
  py::class_<Hyperparameters>(module, "Hyperparameters")
      .def(py::init(&hyperparameters), py::arg("length_scales").noconvert(), py::arg("amplitude") = 1.0,
           py::arg("noise") = 1e-3, py::arg("mean") = 0.0, py::arg("mixing") = 0.5,
           py::arg("warp_a") = py::none(), py::arg("warp_b") = py::none(),
           py::arg("tail_limit") = default_tail_limit)
      .def_property_readonly(
          "length_scales",
          [](const Hyperparameters& self) { return to_array(VectorView(self.length_scales)); })
      .def_readonly("amplitude", &Hyperparameters::amplitude)
      .def_readonly("noise", &Hyperparameters::noise)
      .def_readonly("mean", &Hyperparameters::mean)
      .def_readonly("mixing", &Hyperparameters::mixing)
      .def_readonly("tail_limit", &Hyperparameters::tail_limit)
      .def_property_readonly("warp_a",
                             [](const Hyperparameters& self) { return to_array(VectorView(self.warp_a)); })
      .def_property_readonly("warp_b",
                             [](const Hyperparameters& self) { return to_array(VectorView(self.warp_b)); });

  py::class_<GaussianProcess>(module, "GaussianProcess")
      .def(py::init(&construct), py::arg("space"), py::arg("X").noconvert(), py::arg("y").noconvert(),
           py::arg("hyperparameters"), py::arg("threads") = 1, py::arg("base") = py::none())
      .def_static("fit", &fit, py::arg("space"), py::arg("X").noconvert(), py::arg("y").noconvert(),
                  py::arg("iterations") = 25, py::arg("start") = py::none(), py::arg("warping") = true,
                  py::arg("threads") = 1, py::arg("tail_limit") = FitOptions().tail_limit)
      .def("extend", &extend, py::arg("X").noconvert(), py::arg("y").noconvert())
      .def("imagine", &imagine, py::arg("pending").noconvert(), py::arg("draws"), py::arg("seed"),
           py::arg("trial"))
      .def("imagine_further", &imagine_further, py::arg("pending").noconvert())
      .def("standardized_means", &standardized_means, py::arg("X").noconvert())
      .def_property_readonly("transform", [](const GaussianProcess& self) { return self.transform(); })
      .def("covariance", &covariance, py::arg("X").noconvert())
      .def("condition_on", &condition_on, py::arg("X").noconvert(), py::arg("y").noconvert())
      .def("predict", &predict, py::arg("X").noconvert())
      .def("predict_band", &predict_band, py::arg("X").noconvert(), py::arg("width"))
      .def("predict_with_slopes", &predict_with_slopes, py::arg("x").noconvert())
      .def("log_marginal_likelihood", &GaussianProcess::log_marginal_likelihood)
      .def_property_readonly("hyperparameters", &GaussianProcess::hyperparameters)
      .def_property_readonly("observed", &GaussianProcess::observed)
      .def_property_readonly("jitter", &GaussianProcess::jitter)
      .def_property_readonly("density", &GaussianProcess::density);

  py::class_<TargetTransform>(module, "TargetTransform")
      .def(py::init([](const Array& y, double tail_limit) {
             return TargetTransform(vector_view(y, "y"), tail_limit);
           }),
           py::arg("y").noconvert(), py::arg("tail_limit") = default_tail_limit)
      .def("forward", py::vectorize(&TargetTransform::forward), py::arg("y"))
      .def("inverse", py::vectorize(&TargetTransform::inverse), py::arg("z"))
      .def("slope", py::vectorize(&TargetTransform::slope), py::arg("z"))
      .def_property_readonly("power", [](const TargetTransform& self) { return self.compression().power(); });

  module.def(
      "prior_mode", [](const Items& space) { return prior_mode(Coordinates(space)); }, py::arg("space"));
  module.def(
      "pack",
      [](const Items& space, const Hyperparameters& at) {
        return to_array(VectorView(pack(Coordinates(space), at)));
      },
      py::arg("space"), py::arg("hyperparameters"));
  module.def("negative_log_posterior", &posterior_gradient, py::arg("space"), py::arg("X").noconvert(),
             py::arg("y").noconvert(), py::arg("theta").noconvert());
  module.def("fit_targets", &fit_targets_of, py::arg("space"), py::arg("X").noconvert(),
             py::arg("y").noconvert(), py::arg("start"), py::arg("warping"), py::arg("threads"),
             py::arg("tail_limit"), py::arg("limit"));
  module.def(
      "representative",
      [](const Items& items, const Array& X, const Array& y, Index limit) {
        const MatrixView points = matrix_view(X, "X");
        const VectorView targets = vector_view(y, "y");
        const py::gil_scoped_release release;
        return representative(Coordinates(items), points, targets, limit);
      },
      py::arg("space"), py::arg("X").noconvert(), py::arg("y").noconvert(), py::arg("limit"));
  module.def(
      "kernel",
      [](const Items& items, const Hyperparameters& at, const Array& A, const Array& B) {
        const Coordinates space(items);
        const MatrixView a = matrix_view(A, "A"), b = matrix_view(B, "B");
        space.check(a);
        space.check(b);
        return to_array(Kernel(space, at).cross(a, b));
      },
      py::arg("space"), py::arg("hyperparameters"), py::arg("A").noconvert(), py::arg("B").noconvert());
}

}  // namespace hpt::python
