// See local_loop.h.
#include "local_loop.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include <ATen/Parallel.h>
#include <ATen/ops/zeros.h>

#include "averages.h"
#include "comm/collectives.h"
#include "engine/auto_interval.h"
#include "tacet/error.h"
#include "tacet/objective.h"
#include "tacet/registry.h"
#include "train/state_codec.h"

namespace tacet {
namespace {

// The exceptions by which the method's thread leaves a round that the program gives up. They never leave run().
struct Ending {};
struct Cutting {};

int interval_of(const Values& algorithm) {
  const auto fixed = interval_options(algorithm).fixed;
  if (!fixed)
    throw UserError(
        "algorithm.interval must be an integer in a loop of one's own, got \"auto\": tacet.train measures what it asks for");
  return static_cast<int>(*fixed);
}

// Throws UserError for a method whose clients are not at the common model between rounds. A loop's model is the common one
// there: it is what synchronize() and a saved state leave behind.
void require_common_models(const AlgorithmInfo& row) {
  if (!row.keeps_models && !row.own_models) return;
  throw UserError(
      "algorithm: " + row.name +
      " keeps a model of each client between rounds, which a loop of one's own can't follow: tacet.train runs it");
}

// Throws UserError for an option that only whole runs implement, as it would do nothing here.
void require_loop_options(const Values& algorithm) {
  const auto refuse = [](const std::string& key, const std::string& allowed, const Value& given, const std::string& why) {
    throw UserError("algorithm." + key + " must be " + allowed + " in a loop of one's own, " + why + ", got " +
                    to_toml(given) + ": whole runs have it");
  };
  const auto is_on = [&](const char* key) { return algorithm.has(key) && algorithm.flag(key); };
  if (algorithm.has("local_epochs"))
    refuse("local_epochs", "absent", algorithm.integer("local_epochs"), "which does not know a pass of the data");
  if (is_on("average_at_pass_end"))
    refuse("average_at_pass_end", "false", true, "which does not know where a pass of the data ends");
  if (is_on("weighted")) refuse("weighted", "false", true, "which does not know the clients' shares of the data");
  if (algorithm.has("message") && algorithm.text("message") != "f32")
    refuse("message", "\"f32\"", algorithm.text("message"), "whose messages are not coded");
  if (algorithm.has("noise_source") && algorithm.text("noise_source") != "keyed")
    refuse("noise_source", "\"keyed\"", algorithm.text("noise_source"), "which accounts for no privacy");
}

// Throws UserError on all workers where one's rates are not rank 0's: their models would drift apart. Collective.
void require_equal_rates(Group& group, Rates mine) {
  const std::vector<Rates> all = all_gather_value(group, mine);
  const auto shown = [&](size_t q) {
    return to_toml(all[q].eta) + " and " + to_toml(all[q].gamma) + " on worker " + std::to_string(q);
  };
  for (size_t q = 1; q < all.size(); ++q)
    if (all[q].eta != all[0].eta || all[q].gamma != all[0].gamma)
      throw UserError("the group's lr and gamma must be the same on all workers, but they are " + shown(0) + ", and " +
                      shown(q));
}

}  // namespace

// The objective of the method's thread.
class LocalLoop::Handover : public Objective {
 public:
  Handover(LocalLoop& loop, std::vector<Layer> layers, Vec parameters, Vec gradients)
      : loop_(loop), layers_(std::move(layers)), parameters_(std::move(parameters)), gradients_(std::move(gradients)) {}

  const std::vector<Layer>& layers() const override { return layers_; }
  Vec initial() override { return parameters_.clone(); }
  Vec workspace() override { return parameters_; }
  Vec buffers() override { return none_; }
  Vec gradient_buffer() override { return gradients_; }
  int64_t training_samples() const override { return 1; }

  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    if (y.data_ptr() != parameters_.data_ptr()) parameters_.copy_(y);
    loop_.asked_ = {draw.round, draw.step, draw.iteration};
    loop_.hand_over();
    return {0, 1};
  }

 private:
  LocalLoop& loop_;
  const std::vector<Layer> layers_;
  Vec parameters_, gradients_, none_ = at::zeros({0});
};

LocalLoop::LocalLoop(const Recipe& recipe, std::vector<Layer> layers, Vec parameters, Vec gradients,
                     std::shared_ptr<Group> group)
    : recipe_(with_clients(recipe, group->size())),
      row_(find_algorithm(recipe.algorithm.text("name"))),
      interval_(interval_of(recipe.algorithm)),
      seed_(static_cast<uint64_t>(recipe.run.integer("seed"))),
      group_(std::move(group)),
      objective_(std::make_unique<Handover>(*this, std::move(layers), parameters, std::move(gradients))),
      threads_(at::get_num_threads()),
      parameters_(std::move(parameters)),
      algorithm_(row_.make(recipe_.algorithm)) {
  require_common_models(row_);
  require_loop_options(recipe_.algorithm);
}

LocalLoop::~LocalLoop() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    if (turn_ == Turn::program) turn_ = Turn::method;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool LocalLoop::between_rounds() const { return asked_.round < 0 || (asked_.round == round_ && asked_.draw == 0); }

LoopState LocalLoop::state() const { return thread_.joinable() ? saved_ : begin_from_; }

void LocalLoop::restore(const LoopState& state) {
  begin_from_ = state;
  figures_.rounds = state.round;
  figures_.communications = state.communications;
  figures_.bytes_sent = state.bytes_sent;
}

bool LocalLoop::step(Rates rates) {
  rates_ = rates;
  if (!thread_.joinable()) begin();
  const Asked before = asked_;
  {
    const std::lock_guard lock(mutex_);
    if (error_) std::rethrow_exception(error_);
    turn_ = Turn::method;
  }
  changed_.notify_all();
  wait_for_request();
  return asked_.iteration != before.iteration;  // it goes on with local steps alone
}

void LocalLoop::synchronize() {
  if (!thread_.joinable() || between_rounds()) return;
  {
    const std::lock_guard lock(mutex_);
    if (error_) std::rethrow_exception(error_);
    cutting_ = true;
    turn_ = Turn::method;
  }
  changed_.notify_all();
  wait_for_request();
}

// Starts the method's thread, and waits for its first request. It is a request at the parameters as they stand.
void LocalLoop::begin() {
  turn_ = Turn::method;
  thread_ = std::thread([this] { run(); });
  wait_for_request();
}

void LocalLoop::wait_for_request() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return turn_ != Turn::method; });
  if (error_) std::rethrow_exception(error_);
}

// ---- on the method's thread ----

void LocalLoop::hand_over() {
  std::unique_lock lock(mutex_);
  turn_ = Turn::program;
  changed_.notify_all();
  changed_.wait(lock, [&] { return turn_ == Turn::method; });
  if (ending_) throw Ending{};
  if (std::exchange(cutting_, false)) throw Cutting{};
}

void LocalLoop::run() {
  try {
    at::set_num_threads(threads_);
    x_ = parameters_.clone();
    round_ = begin_from_.round;
    iteration_ = begin_from_.iteration;
    const Visit visit = [this](StateVisitor& v) { algorithm_->state(v); };
    if (!begin_from_.numbers.empty() || !begin_from_.globals.empty() || !begin_from_.clients.empty()) {
      unpack_numbers(visit, begin_from_.numbers);
      unpack_globals(visit, begin_from_.globals);
      put_clients(visit, unpack(begin_from_.clients), true);
    } else if (round_ == 0) {
      const int64_t before = group_->bytes_sent();
      RoundSetup s = setup();
      s.first_draw = begin_draws;
      Round everyone(std::move(s));
      algorithm_->begin(everyone, x_);
      figures_.communications += everyone.report().collectives;
      figures_.bytes_sent += group_->bytes_sent() - before;
    }
    save();
    for (;;) run_round();
  } catch (const Ending&) {
  } catch (...) {
    error_ = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  turn_ = Turn::over;
  changed_.notify_all();
}

void LocalLoop::run_round() {
  const int64_t before = group_->bytes_sent();
  RoundSetup parts = setup();
  const int I = parts.interval;
  Round r(std::move(parts));
  const RoundReport& report = r.report();
  try {
    algorithm_->round(r, x_);
    const Counters& c = report.counters;
    figures_.gradient_norm = c.norms > 0 ? c.norm / c.norms : 0;
    figures_.clipped_fraction = c.steps > 0 ? c.clipped / c.steps : 0;
    figures_.notes = report.notes;
  } catch (const Cutting&) {
    x_ = mean_of_workers(*group_, parameters_, buffers_);
    if (group_->size() > 1) figures_.communications += 1;
  }
  figures_.communications += report.collectives;
  figures_.bytes_sent += group_->bytes_sent() - before;
  require_equal_rates(*group_, rates_);
  round_ += 1;
  iteration_ += I;
  figures_.rounds = round_;
  save();
}

RoundSetup LocalLoop::setup() {
  RoundSetup s;
  s.objective = objective_.get();
  s.group = group_.get();
  s.buffers = &buffers_;
  s.seed = seed_;
  s.number = round_;
  s.first_iteration = iteration_;
  s.interval = algorithm_->draw_steps({seed_, Stream::everyone, Purpose::round_length, round_, 0}, interval_);
  s.mean_interval = interval_;
  s.clients = group_->size();
  s.sampled.resize(static_cast<size_t>(group_->size()));
  std::iota(s.sampled.begin(), s.sampled.end(), 0);
  s.rates = [this](int) { return rates_; };
  return s;
}

void LocalLoop::save() {
  const Visit visit = [this](StateVisitor& v) { algorithm_->state(v); };
  saved_.round = round_;
  saved_.iteration = iteration_;
  saved_.numbers = pack_numbers(visit);
  saved_.globals = pack_globals(visit);
  saved_.clients = pack(copy_clients(visit, {group_->rank()}));
  saved_.communications = figures_.communications;
  saved_.bytes_sent = figures_.bytes_sent;
}

}  // namespace tacet
