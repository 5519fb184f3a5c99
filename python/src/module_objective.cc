// See module_objective.h.
#include "module_objective.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ops/empty.h>
#include <pybind11/stl.h>

#include "data/clients/client_batches.h"
#include "data/clients/partition.h"
#include "data/record/data_record.h"
#include "models/layer_roles.h"
#include "tacet/algorithm.h"
#include "tacet/error.h"
#include "tacet/registry.h"
#include "tasks/client_shares.h"
#include "tensors.h"

namespace tacet {
namespace {

namespace py = pybind11;

constexpr const char* kName = "python";

struct PythonData {
  int64_t batch_size = 32, eval_batch = 1000;
  PartitionOptions partition;
  void options(OptionList& o) {
    o.integer("batch_size", batch_size, batch_size, within(1, 1e6), "samples in a mini-batch of a client");
    o.integer("eval_batch", eval_batch, eval_batch, within(1, 1e9), "samples in a batch of an evaluation").free_on_resume =
        true;
    partition.options(o, true, false);
  }
};

struct PythonModel {
  std::string module, fingerprint, start;
  std::optional<std::string> frozen;
  void options(OptionList& o) {
    o.text("module", module, {}, {}, "class of the module");
    o.text("fingerprint", fingerprint, {}, {}, "digest of the names, shapes and kinds of its parameters and buffers");
    o.text("start", start, {}, {}, "digest of its initial weights; nothing of a resumed run depends on them")
        .free_on_resume = true;
    o.maybe_text("frozen", frozen, {}, "digest of its frozen parameters and integer buffers, which no checkpoint has")
        .added_later = true;
  }
};

// One kind of the host's tensors: names, shapes and the flat vector behind them.
struct Flat {
  std::vector<Layer> layers;
  Vec vector;
};

Flat flat_of(const py::object& host, const char* tensors, const char* layers) {
  Flat flat;
  for (const py::handle item : host.attr(layers)) {
    const auto [name, shape] = item.cast<std::pair<std::string, std::vector<int64_t>>>();
    Layer layer{name, 0, 1, shape};
    if (!flat.layers.empty()) layer.offset = flat.layers.back().offset + flat.layers.back().size;
    for (const int64_t n : shape) layer.size *= n;
    flat.layers.push_back(std::move(layer));
  }
  give_roles(flat.layers);  // nobody asks for those of buffers
  flat.vector = tensor_of(host.attr("capsule")(tensors).cast<py::capsule>());
  return flat;
}

// Returns a label for each sample. Throws UserError where the partition goes by labels and the program has none.
std::vector<int32_t> labels_of(const py::object& host, const Recipe& recipe) {
  const py::object labels = host.attr("labels");
  if (!labels.is_none()) return labels.cast<std::vector<int32_t>>();
  const std::string& kind = recipe.data.text("partition.kind");
  if (kind != "iid" && kind != "percent" && kind != "shared")
    throw UserError("data.partition.kind: \"" + kind +
                    "\" deals samples by their labels: give labels=, whole numbers >= 0, one a sample, as data= has none");
  return std::vector<int32_t>(host.attr("samples").cast<size_t>(), 0);
}

// Returns the marks by which other data are noticed when the run is resumed, and on other workers.
std::string record_of(const py::object& host) {
  DataRecord record;
  record.data_set = kName;
  for (const py::handle item : host.attr("marks")) {
    const auto [name, numbers] = item.cast<std::pair<std::string, std::vector<int32_t>>>();
    record.files.push_back(mark_of_numbers(name, numbers));
  }
  return to_json(record);
}

// Returns how the samples are shared out: as the program's list of data sets says, or by [data] partition.
ClientBatches batches_of(const py::object& host, const Recipe& recipe, int clients) {
  const auto sizes = host.attr("sizes").cast<std::vector<int64_t>>();  // of each client's data set; empty: there is one
  if (sizes.empty()) return make_client_batches(recipe, labels_of(host, recipe), {}, clients);
  Shares shares;
  int32_t next = 0;
  for (const int64_t size : sizes) {
    shares.emplace_back();
    for (int64_t k = 0; k < size; ++k) shares.back().push_back(next++);
  }
  return {std::move(shares), recipe.data.integer("batch_size")};
}

class ModuleObjective : public Objective {
 public:
  ModuleObjective(py::object host, const Recipe& recipe, int clients)
      : host_(std::move(host)),
        batches_(batches_of(host_, recipe, clients)),
        parameters_(flat_of(host_, "parameters", "layers")),
        gradients_(flat_of(host_, "gradients", "layers")),
        buffers_(flat_of(host_, "buffers", "buffer_layers")),
        start_(parameters_.vector.clone()),
        compute_(host_.attr("gradient")),
        evaluate_(host_.attr("evaluate")),
        record_(record_of(host_)),
        figures_(host_.attr("figures").cast<std::vector<std::string>>()),
        accuracy_(host_.attr("has_accuracy").cast<bool>()) {
    for (const py::handle split : host_.attr("splits")) {
      splits_.push_back(split.cast<std::string>());
      units_.push_back(host_.attr("units")(split).cast<int>());
    }
  }
  ~ModuleObjective() override {
    const py::gil_scoped_acquire gil;
    host_ = compute_ = evaluate_ = py::object();
  }

  const std::vector<Layer>& layers() const override { return parameters_.layers; }
  Vec initial() override { return start_.clone(); }
  Vec workspace() override { return parameters_.vector; }
  Vec buffers() override { return buffers_.vector; }
  std::vector<Layer> buffer_layers() const override { return buffers_.layers; }
  Vec gradient_buffer() override { return gradients_.vector; }
  std::string data_record() const override { return record_; }
  int64_t training_samples() const override { return batches_.samples(); }
  double client_weight(int client) const override { return batches_.client_weight(client); }

  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    load(y);
    const std::vector<int32_t> samples = batches_.next(draw);
    gradients_.vector.zero_();
    // A tensor, as an array of numpy made here would need pybind11 and numpy to fit: 2.10 and numpy 2 do not, without a
    // word.
    const Vec indices = at::empty({static_cast<int64_t>(samples.size())}, at::kLong);
    std::copy(samples.begin(), samples.end(), indices.data_ptr<int64_t>());
    const py::gil_scoped_acquire gil;
    const auto loss = compute_(draw.client, draw.round, draw.step, seed_of(draw), capsule_of(indices)).cast<double>();
    return {loss, static_cast<int64_t>(samples.size())};
  }

  std::vector<std::string> splits() const override { return splits_; }
  int units(const std::string& split) const override {
    const auto found = std::find(splits_.begin(), splits_.end(), split);
    return found == splits_.end() ? 0 : units_[static_cast<size_t>(found - splits_.begin())];
  }
  bool has_accuracy() const override { return accuracy_; }
  Score evaluate(const std::string& split, int unit, const Vec& x) override {
    load(x);
    const py::gil_scoped_acquire gil;
    const auto sums = evaluate_(split, unit).cast<std::vector<double>>();  // loss, correct, count, further sums
    return {sums.at(0), sums.at(1), sums.at(2), {sums.begin() + 3, sums.end()}};
  }
  void evaluated(const std::string&, const Score& total) override {
    shown_.clear();
    for (size_t k = 0; k < figures_.size() && total.count > 0; ++k)
      shown_.emplace_back(figures_[k], total.more.at(k) / total.count);
  }
  std::vector<std::pair<std::string, double>> figures(const Vec&) override { return shown_; }

  void state(StateVisitor& visitor) override {
    batches_.state(visitor);
    if (buffers_.vector.numel() == 0) return;
    Vec saved = buffers_.vector.clone();
    visitor.global("buffers", saved);
    if (saved.defined()) buffers_.vector.copy_(saved);
  }

 private:
  void load(const Vec& y) {
    if (y.data_ptr() != parameters_.vector.data_ptr()) parameters_.vector.copy_(y);
  }

  // Returns the seed of everything random in a gradient: dropout, augmentation. It has 63 bits, as torch takes them.
  static int64_t seed_of(const BatchKey& draw) {
    Stream stream = draw.stream(Purpose::hidden_dropout);
    const uint64_t high = stream.bits(), low = stream.bits();
    return static_cast<int64_t>((high << 32 | low) >> 1);
  }

  py::object host_;
  ClientBatches batches_;
  Flat parameters_, gradients_, buffers_;
  const Vec start_;
  py::object compute_, evaluate_;
  const std::string record_;
  std::vector<std::string> splits_;
  std::vector<int> units_;                  // by split
  const std::vector<std::string> figures_;  // names of the loss's own figures, besides "correct"
  const bool accuracy_;
  std::vector<std::pair<std::string, double>> shown_;  // figures of the split evaluated last
};

}  // namespace

void add_python_rows() {
  add_dataset({.name = kName,
               .paper = "the program",
               .summary = "the data sets of a Python program (tacet.train)",
               .task = kName,
               .options = options_of<PythonData>()});
  add_model({.name = kName,
             .paper = "the program",
             .summary = "the module of a Python program (tacet.train)",
             .task = kName,
             .options = options_of<PythonModel>()});
  add_task(kName, [](const Recipe& recipe, int) -> std::unique_ptr<Objective> {
    throw UserError(
        recipe.source +
        ": data.name = \"python\" is the data of a Python program: give the program's own module, loss and data to "
        "tacet.train(recipe, model=…, loss=…, data=…)");
  });
}

std::unique_ptr<Objective> make_module_objective(const py::object& host, const Recipe& recipe, int clients) {
  return std::make_unique<ModuleObjective>(host, recipe, clients);
}

}  // namespace tacet
