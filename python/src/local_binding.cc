// See local_binding.h.
#include "local_binding.h"

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <pybind11/stl.h>

#include "averages.h"
#include "comm/check_exchange.h"
#include "comm/rendezvous/handshake.h"
#include "launch/environment.h"
#include "launch/meeting.h"
#include "local_loop.h"
#include "models/layer_roles.h"
#include "tacet/error.h"
#include "tacet/group.h"
#include "tensors.h"

namespace tacet {
namespace {

namespace py = pybind11;

// A group whose messages a Python object carries, such as torch.distributed: carry(to, from) gets lists of memoryviews for
// each rank.
class CarriedGroup : public Group {
 public:
  CarriedGroup(int rank, int size, std::string name, py::object carry)
      : rank_(rank), size_(size), name_(std::move(name)), carry_(std::move(carry)) {}
  ~CarriedGroup() override {
    const py::gil_scoped_acquire gil;
    carry_ = py::object();
  }
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string backend() const override { return name_; }
  int64_t bytes_sent() const override { return sent_; }

  void exchange(const std::vector<std::vector<Piece>>& to, const std::vector<std::vector<Piece>>& from) override {
    check_exchange(rank_, size_, to, from);
    const py::gil_scoped_acquire gil;
    try {
      carry_(views(to), views(from));
    } catch (py::error_already_set& error) {
      if (error.matches(py::module_::import("tacet._core").attr("PeerLost")))
        throw PeerLost(error.value().attr("rank").cast<int>(), py::str(error.value()).cast<std::string>());
      // A loop throws an error of its method again at every later call. A Python error can be raised once only.
      if (error.matches(PyExc_Exception)) throw std::runtime_error(error.what());
      throw;
    }
    for (const auto& pieces : to)
      for (const Piece& piece : pieces) sent_ += piece.bytes;
  }

 private:
  static py::list views(const std::vector<std::vector<Piece>>& all) {
    py::list ranks;
    for (const auto& pieces : all) {
      py::list views;
      for (const Piece& piece : pieces)
        if (piece.bytes > 0) views.append(py::memoryview::from_memory(piece.data, static_cast<py::ssize_t>(piece.bytes)));
      ranks.append(views);
    }
    return ranks;
  }

  const int rank_, size_;
  const std::string name_;
  py::object carry_;
  int64_t sent_ = 0;
};

// Returns the group of the workers that a launcher placed, or of this process alone.
std::shared_ptr<Group> placed_group(double timeout) {
  auto place = placement_from_environment();
  if (!place || place->size == 1) return single_group();
  const Meeting meeting = placed_meeting(std::move(*place), "auto", timeout, 1);
  const py::gil_scoped_release no_gil;
  return fixed_group(meeting);
}

using Named = std::vector<std::pair<std::string, std::vector<int64_t>>>;  // names and shapes

// Ends a loop without the interpreter's lock, which the method's thread may wait for.
struct WithoutLock {
  void operator()(LocalLoop* loop) const {
    const py::gil_scoped_release no_gil;
    delete loop;
  }
};
using Loop = std::unique_ptr<LocalLoop, WithoutLock>;

Loop make_loop(const Recipe& recipe, const Named& named, const py::capsule& parameters, const py::capsule& gradients,
               std::shared_ptr<Group> group) {
  std::vector<Layer> layers;
  int64_t next = 0;
  for (const auto& [name, shape] : named) {
    Layer layer{name, next, 1, shape};
    for (const int64_t n : shape) layer.size *= n;
    next += layer.size;
    layers.push_back(std::move(layer));
  }
  give_roles(layers);
  return Loop(new LocalLoop(recipe, std::move(layers), tensor_of(parameters), tensor_of(gradients), std::move(group)));
}

py::dict python_of(const LoopFigures& f) {
  py::dict all;
  all["rounds"] = f.rounds;
  all["communications"] = f.communications;
  all["bytes_sent"] = f.bytes_sent;
  all["gradient_norm"] = f.gradient_norm;
  all["clipped_fraction"] = f.clipped_fraction;
  for (const auto& [name, value] : f.notes) all[py::str(name)] = value;
  return all;
}

py::tuple python_of(const LoopState& s) {
  return py::make_tuple(s.round, s.iteration, py::bytes(s.numbers), py::bytes(s.globals), py::bytes(s.clients),
                        s.communications, s.bytes_sent);
}

LoopState state_of(const py::tuple& t) {
  const auto total = [&](size_t k) { return k < t.size() ? t[k].cast<int64_t>() : int64_t{0}; };  // an older state has none
  return {t[0].cast<int64_t>(),
          t[1].cast<int64_t>(),
          t[2].cast<std::string>(),
          t[3].cast<std::string>(),
          t[4].cast<std::string>(),
          total(5),
          total(6)};
}

// Averages one vector over the workers of a group.
struct Average {
  explicit Average(std::shared_ptr<Group> workers) : group(std::move(workers)) {}
  std::shared_ptr<Group> group;
  SumBuffers buffers = {};

  void spread(const py::capsule& capsule) {
    at::Tensor vector = tensor_of(capsule);
    const py::gil_scoped_release no_gil;
    spread_from_first(*group, vector);
  }
  void mean(const py::capsule& capsule) {
    const at::Tensor vector = tensor_of(capsule);
    const py::gil_scoped_release no_gil;
    vector.copy_(mean_of_workers(*group, vector, buffers));
  }
};

}  // namespace

void add_local_loop(py::module_& m) {
  py::class_<Group, std::shared_ptr<Group>>(m, "Group")
      .def_property_readonly("rank", &Group::rank)
      .def_property_readonly("size", &Group::size)
      .def_property_readonly("backend", &Group::backend);
  m.def("single_group", []() -> std::shared_ptr<Group> { return single_group(); });
  m.def("placed_group", &placed_group, py::arg("timeout"));
  m.def("carried_group", [](int rank, int size, std::string name, py::object carry) -> std::shared_ptr<Group> {
    return std::make_shared<CarriedGroup>(rank, size, std::move(name), std::move(carry));
  });
  py::class_<Average>(m, "Average")
      .def(py::init<std::shared_ptr<Group>>())
      .def("spread", &Average::spread)
      .def("mean", &Average::mean);
  const auto no_gil = py::call_guard<py::gil_scoped_release>();
  py::class_<LocalLoop, Loop>(m, "LocalLoop")
      .def(py::init(&make_loop), py::arg("recipe"), py::arg("layers"), py::arg("parameters"), py::arg("gradients"),
           py::arg("group"))
      .def(
          "step",
          [](LocalLoop& loop, double eta, double gamma) {
            return loop.step({eta, gamma});
          },
          py::arg("eta"), py::arg("gamma"), no_gil)
      .def("synchronize", &LocalLoop::synchronize, no_gil)
      .def_property_readonly("between_rounds", &LocalLoop::between_rounds)
      .def("figures", [](const LocalLoop& loop) { return python_of(loop.figures()); })
      .def("state", [](const LocalLoop& loop) { return python_of(loop.state()); })
      .def("restore", [](LocalLoop& loop, const py::tuple& state) { loop.restore(state_of(state)); });
}

}  // namespace tacet
