// Ranking the candidates of multiple models.
#include <pybind11/stl.h>

#include <vector>

#include "arrays.hpp"
#include "bind.hpp"
#include "hpt/blas.hpp"
#include "hpt/score.hpp"

namespace hpt::python {
namespace {

using Models = std::vector<const GaussianProcess*>;

double incumbent(const Models& models) {
  const py::gil_scoped_release release;
  const SingleThreadedBlas single;
  return common_incumbent(models);
}

std::vector<Array> ranked(const Models& models, const std::vector<Array>& pending,
                          const std::vector<Array>& candidates, const std::vector<std::uint64_t>& seeds,
                          const std::vector<std::uint64_t>& trials, Index fantasies) {
  require(pending.size() == models.size() && candidates.size() == models.size() &&
              seeds.size() == models.size() && trials.size() == models.size(),
          "models, pending, candidates, seeds and trials differ in their number");
  std::vector<Contender> contenders;
  for (std::size_t k = 0; k < models.size(); ++k) {
    contenders.push_back({models[k], matrix_view(pending[k], "pending"),
                          matrix_view(candidates[k], "candidates"), seeds[k], trials[k]});
  }
  std::vector<Vector> scores;
  {
    const py::gil_scoped_release release;
    const SingleThreadedBlas single;
    scores = score(contenders, fantasies);
  }
  std::vector<Array> out;
  for (const Vector& each : scores) out.push_back(to_array(VectorView(each)));
  return out;
}

}  // namespace

void bind_score(py::module_& module) {
  module.def("common_incumbent", &incumbent, py::arg("models"));
  module.def("score", &ranked, py::arg("models"), py::arg("pending"), py::arg("candidates"), py::arg("seeds"),
             py::arg("trials"), py::arg("fantasies") = 8);
}

}  // namespace hpt::python
