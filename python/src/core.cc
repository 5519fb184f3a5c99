// The module tacet._core: recipes, lists of methods, reading of runs, and the two errors. Training is in training.cc. Users
// call the functions of python/tacet, which are documented there.
#include <string>
#include <vector>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <torch/version.h>
#include <nlohmann/json.hpp>

#include "local_binding.h"
#include "module_objective.h"
#include "report/compare.h"
#include "report/compare_json.h"
#include "report/page.h"
#include "report/runs.h"
#include "tacet/algorithm.h"
#include "tacet/error.h"
#include "tacet/recipe.h"
#include "tacet/registry.h"
#include "tacet/train.h"
#include "training.h"

namespace py = pybind11;

namespace tacet {
namespace {

py::object python_of(const Value& value) {
  return std::visit([](const auto& v) -> py::object { return py::cast(v); }, value);
}

py::dict python_of(const Option& option) {
  py::dict all;
  all["name"] = option.name;
  all["default"] = option.fallback ? python_of(*option.fallback) : py::none();
  all["allowed"] = describe(option);
  all["meaning"] = option.doc;
  return all;
}

py::list python_of(const std::vector<Option>& options) {
  py::list all;
  for (const Option& option : options) all.append(python_of(option));
  return all;
}

py::list algorithm_list() {
  py::list all;
  for (const AlgorithmInfo& row : algorithms()) {
    py::dict one;
    one["name"] = row.name;
    one["paper"] = row.paper;
    one["summary"] = row.summary;
    one["use"] = row.use;
    one["options"] = python_of(row.options);
    all.append(one);
  }
  return all;
}

py::dict python_of(const Values& values) {
  py::dict all;
  for (const auto& [key, value] : values.all()) all[py::str(key)] = python_of(value);
  return all;
}

// Makes the exception classes. PeerLost has the attribute `rank`, −1 where nobody knows it.
void add_errors(py::module_& m) {
  static PyObject* user_error = PyErr_NewExceptionWithDoc(
      "tacet.UserError", "A mistake in the input: the text names the place, what is allowed and what was given.",
      PyExc_ValueError, nullptr);
  static PyObject* peer_lost =
      PyErr_NewExceptionWithDoc("tacet.PeerLost", "Another worker is gone or silent, and the run can't go on without it.",
                                PyExc_ConnectionError, nullptr);
  m.attr("UserError") = py::handle(user_error);
  m.attr("PeerLost") = py::handle(peer_lost);
  py::register_exception_translator([](std::exception_ptr error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const UserError& e) {
      PyErr_SetString(user_error, e.what());
    } catch (const PeerLost& e) {
      py::object lost = py::handle(peer_lost)(e.what());
      lost.attr("rank") = e.rank;
      PyErr_SetObject(peer_lost, lost.ptr());
    }
  });
}

void add_recipes(py::module_& m) {
  py::class_<Recipe>(m, "Recipe")
      .def_readonly("source", &Recipe::source)
      .def("toml", [](const Recipe& r) { return to_toml(r); })
      .def("clients", [](const Recipe& r, int workers) { return clients_of(r, workers); })
      .def("values", [](const Recipe& r) {
        py::dict all;
        all["data"] = python_of(r.data);
        all["model"] = python_of(r.model);
        all["algorithm"] = python_of(r.algorithm);
        all["clients"] = python_of(r.clients);
        all["schedule"] = python_of(r.schedule);
        all["run"] = python_of(r.run);
        return all;
      });
  m.def("load_recipe", &load_recipe, py::arg("path"), py::arg("sets"));
  m.def("parse_recipe", &parse_recipe, py::arg("toml"), py::arg("source"), py::arg("sets"));
}

}  // namespace
}  // namespace tacet

PYBIND11_MODULE(_core, m) {
  using namespace tacet;
  m.doc() = "The compiled part of tacet. Its functions are private; call those of the package.";
  add_errors(m);
  add_python_rows();
  add_recipes(m);
  add_training(m);
  add_local_loop(m);
  m.attr("version") = version();
  m.attr("torch_version") = TORCH_VERSION;
  m.def("algorithms", &algorithm_list);
  m.def("compare_json", [](const std::vector<std::string>& folders) { return compare_json(read_runs(folders)).dump(); });
  m.def("compare_text",
        [](const std::vector<std::string>& folders, int width) { return compare_table(read_runs(folders), width); });
  m.def("write_report",
        [](const std::vector<std::string>& folders, const std::string& path) { write_report(read_runs(folders), path); });
}
