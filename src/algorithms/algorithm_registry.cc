// The table of methods: those of this folder first, then whatever a program adds.
#include <deque>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>

#include "algorithms/builtin_algorithms.h"
#include "engine/auto_interval.h"
#include "engine/sparse_options.h"
#include "tacet/error.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

// Holds the values of options that the driver reads.
struct Shared {
  double eta = 0, gamma = 0;
  std::optional<int64_t> local_epochs;
  std::string message;
  SparseOptions sparse;
};

// Binds interval, and where a larger one saves messages what measures it.
void add_interval(OptionList& o, const AlgorithmInfo& row) {
  int64_t unused = 1;
  const bool measured = saves_messages(row);
  std::string doc = row.draws_steps ? "local steps I in a round, on average" : "local steps I in a round";
  if (measured) doc += "; auto: as many as the run's own times ask for, which interval_file alone repeats";
  Option& interval = o.integer("interval", unused, 1, within(1, 1e9), doc);
  if (measured) interval.one_of = {"auto"};
  IntervalOptions keys;
  if (measured) keys.options(o);
  if (!row.own_steps) return;
  for (Option& option : o.all())
    if (option.name.starts_with("interval")) option.not_with.push_back({"local_epochs"});
}

// Lists the row's options: eta, gamma, interval and local_epochs, those that the method binds itself, message and its own.
std::vector<Option> all_options(const AlgorithmInfo& row) {
  Shared unused;
  OptionList o;
  o.number("eta", unused.eta, {}, above(0), "step size η");
  if (row.clips != Clips::never)
    o.number("gamma", unused.gamma,
             row.clips == Clips::always ? std::nullopt : std::optional(std::numeric_limits<double>::infinity()),
             above_or_infinite(0), "clipping parameter γ: the longest step; inf never clips");
  if (!row.single_client) add_interval(o, row);
  if (row.own_steps)
    o.maybe_integer("local_epochs", unused.local_epochs, within(1, 1e6),
                    "local epochs E in a round, in place of interval: a client takes ⌈E n/b⌉ steps, with n its samples and "
                    "b = data.batch_size");
  row.create()->options(o);
  if (row.single_client) return o.all();
  o.text("message", unused.message, row.message, {"f32", "bf16", "int8", "topk"},
         "what a value of a client's vectors is on its way: f32, 4 bytes; bf16, 2 bytes; int8, 1 byte and a scale for "
         "256 values, where the client adds what was left out to its next message; topk, nothing unless it is one of the "
         "largest of its chunk");
  unused.sparse.options(o);
  return o.all();
}

void add(std::deque<AlgorithmInfo>& table, AlgorithmInfo row) {
  const auto wrong = [&](const std::string& what) {
    return std::logic_error("add_algorithm: \"" + row.name + "\" " + what);
  };
  if (row.name.empty() || !row.create) throw wrong("must have a name and a function `create`");
  for (const AlgorithmInfo& other : table)
    if (other.name == row.name) throw wrong("is the name of an algorithm already");
  row.options = all_options(row);
  std::set<std::string> keys;
  for (const Option& o : row.options)
    if (!keys.insert(o.name).second) throw wrong("has the option \"" + o.name + "\" twice");
  table.push_back(std::move(row));
}

std::deque<AlgorithmInfo>& table() {
  static std::deque<AlgorithmInfo> rows = [] {
    std::deque<AlgorithmInfo> builtin;
    for (AlgorithmInfo& row : builtin_algorithms()) add(builtin, std::move(row));
    return builtin;
  }();
  return rows;
}

}  // namespace

void add_algorithm(AlgorithmInfo row) { add(table(), std::move(row)); }

const std::deque<AlgorithmInfo>& algorithms() { return table(); }

const AlgorithmInfo& find_algorithm(const std::string& name) {
  std::vector<std::string> names;
  for (const AlgorithmInfo& row : table()) {
    if (row.name == name) return row;
    names.push_back(row.name);
  }
  const auto near = nearest(name, names);
  throw UserError("algorithm.name: there is no method \"" + name + "\"" +
                  (near ? "; did you mean \"" + *near + "\"?" : "; `tacet algorithms` lists them"));
}

}  // namespace tacet
