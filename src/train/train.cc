// The driver: one loop over rounds, from a recipe to a run folder. What a round does is the algorithm's; this file decides
// when it happens, with which rates, and what is written down.
#include "tacet/train.h"

#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>
#include <set>

#include <torch/version.h>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "core/tree_mean.h"
#include "data/client_sampling.h"
#include "data/safetensors.h"
#include "kernels/recurrent.h"
#include "tacet/algorithm.h"
#include "tacet/catalog.h"
#include "tacet/error.h"
#include "tacet/group.h"
#include "train/checkpoint.h"
#include "train/client_state.h"
#include "train/evaluate.h"
#include "train/fingerprint.h"
#include "train/run_folder.h"
#include "train/schedule.h"
#include "train/tensorboard.h"
#include "train/threads.h"
#include "train/timed_group.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Everything of the driver that lives across rounds. Counts are doubles, exact up to 2^53, so that one visitor serves all.
struct State {
  Vec x;
  double round = 0, iteration = 0, samples = 0, seconds = 0;
  double communications = 0, client_bytes = 0, bytes_sent = 0;
  double epoch_loss = 0, epoch_losses = 0,
         last_epoch_loss = nan;               // training loss of the epoch under way; of the last whole one
  double next_eval = 0, next_checkpoint = 0;  // epochs
  Vec average;                                // NT-ASGD: defined once triggered
  double averaged = 0;                        // iterates in it
  Vec selection_losses;                       // float64: the selecting split's loss at every evaluation
  double best_loss = nan, best_accuracy = nan, best_epoch = nan, best_round = nan;
  double eval_loss = nan, eval_accuracy = nan, eval_round = -1;  // the last evaluation of the selecting split
  double metrics_bytes = 0;
  double skipped = 0;  // gradients that were not finite

  void visit(StateVisitor& v) {
    v.global("x", x);
    v.global("average", average);
    v.global("selection_losses", selection_losses);
    for (auto [name, value] : std::initializer_list<std::pair<const char*, double*>>{{"round", &round},
                                                                                     {"iteration", &iteration},
                                                                                     {"samples", &samples},
                                                                                     {"seconds", &seconds},
                                                                                     {"communications", &communications},
                                                                                     {"client_bytes", &client_bytes},
                                                                                     {"bytes_sent", &bytes_sent},
                                                                                     {"epoch_loss", &epoch_loss},
                                                                                     {"epoch_losses", &epoch_losses},
                                                                                     {"last_epoch_loss", &last_epoch_loss},
                                                                                     {"next_eval", &next_eval},
                                                                                     {"next_checkpoint", &next_checkpoint},
                                                                                     {"averaged", &averaged},
                                                                                     {"best_loss", &best_loss},
                                                                                     {"best_accuracy", &best_accuracy},
                                                                                     {"best_epoch", &best_epoch},
                                                                                     {"best_round", &best_round},
                                                                                     {"eval_loss", &eval_loss},
                                                                                     {"eval_accuracy", &eval_accuracy},
                                                                                     {"eval_round", &eval_round},
                                                                                     {"metrics_bytes", &metrics_bytes},
                                                                                     {"skipped", &skipped}})
      v.number(name, *value);
  }
};

class Trainer {
 public:
  Trainer(const Recipe& recipe, Group& group, const TrainOptions& options, Observer& observer, Objective* given)
      : recipe_(recipe),
        group_(group),
        timed_(group),
        options_(options),
        observer_(observer),
        method_(find_method(recipe.algorithm.text("name"))),
        clients_(static_cast<int>(recipe.clients.has("count") ? recipe.clients.integer("count") : group.size())),
        sampling_(client_sampling(recipe.clients, clients_)),
        seed_(static_cast<uint64_t>(recipe.run.integer("seed"))),
        schedule_(make_schedule(recipe.schedule, recipe.algorithm, clients_)),
        checkpoints_(options.out, static_cast<int>(recipe.run.integer("checkpoint_keep"))) {
    recipe_.clients.set("count", int64_t{clients_});
    if (method_.single_client && clients_ != 1)
      throw UserError("algorithm.name: " + method_.name + " runs on one client, clients.count is " +
                      std::to_string(clients_));
    if (method_.every_client && sampling_.participating != clients_)
      throw UserError("clients.participating must be clients.count = " + std::to_string(clients_) + " for " + method_.name +
                      ", where every client takes part in every step, got " + std::to_string(sampling_.participating));
    set_threads(static_cast<int>(recipe.run.integer("threads")));
    keep_large_blocks();
    if (!given) own_objective_ = make_objective(recipe_, clients_);
    objective_ = given ? given : own_objective_.get();
    algorithm_ = method_.make(recipe_.algorithm);
  }

  Result run() {
    require_same(group_, fingerprint_of(recipe_, *objective_, clients_));
    restore();
    try {
      open();
      loop();
    } catch (const std::exception& error) {
      failed(error.what());
      throw;
    }
    return finish();
  }

 private:
  bool first() const { return group_.rank() == 0; }
  bool writes() const { return first() && !options_.out.empty(); }
  std::string file(const char* name) const { return (fs::path(options_.out) / name).string(); }
  double epoch() const { return s_.samples / static_cast<double>(objective_->training_samples()); }
  double every(const char* key) const { return recipe_.run.number(key); }

  void visit_all(StateVisitor& v) {
    s_.visit(v);
    algorithm_->state(v);
    objective_->state(v);
  }

  // Reads only: whatever is wrong with a checkpoint is found before a file is touched.
  void restore() {
    s_.x = objective_->initial();
    if (recipe_.run.text("client_state") == "file") {
      if (options_.out.empty()) throw UserError("run.client_state: file needs a run folder (--out)");
      const auto homes = block_bounds(clients_, group_.size());
      SpillClientState spill(options_.out, static_cast<int>(homes[group_.rank()]),
                             static_cast<int>(homes[group_.rank() + 1]));
      algorithm_->state(spill);
    }
    if (options_.resume) {
      if (first()) check_same_run();
      const auto passed_over = load_checkpoint(options_.out, group_, clients_, [&](StateVisitor& v) { visit_all(v); });
      for (const std::string& why : passed_over) observer_.warning(why);
      if (!passed_over.empty())
        observer_.warning("the run goes on from the checkpoint before, of round " +
                          std::to_string(static_cast<int64_t>(s_.round)));
    } else {
      s_.selection_losses = at::empty({0}, at::kDouble);
      s_.next_eval = every("eval_every");
      s_.next_checkpoint = every("checkpoint_every");
    }
  }

  void open() {
    if (writes()) {
      std::error_code error;
      fs::create_directories(options_.out, error);
      if (error) throw UserError("--out: " + options_.out + " can't be created: " + error.message());
      write_file(file("recipe.toml"), to_toml(recipe_));
      log_ = MetricsLog(file("metrics.jsonl"), static_cast<int64_t>(s_.metrics_bytes));
      events_ = TensorBoardLog(options_.out);
      write_summary("running", json::object());
    }
    if (!options_.resume) {
      Round everyone(begin_setting());
      algorithm_->begin(everyone, s_.x);
      account(everyone);
    }
  }

  // A resumed run must be the run that was stopped; only its length and what is recorded when may be another.
  void check_same_run() const {
    const Recipe before = load_recipe(file("recipe.toml"));
    const auto compare = [&](const char* table, const Values& then, const Values& now, const std::set<std::string>& free) {
      std::set<std::string> keys;
      for (const Values* values : {&then, &now})
        for (const auto& [key, value] : values->all()) keys.insert(key);
      for (const std::string& key : keys) {
        const std::string was = then.has(key) ? to_toml(then.all().at(key)) : "absent";
        const std::string is = now.has(key) ? to_toml(now.all().at(key)) : "absent";
        if (was != is && !free.count(key))
          throw UserError("--resume: " + std::string(table) + "." + key + " must be as in " + file("recipe.toml") + " (" +
                          was + "), got " + is);
      }
    };
    compare("data", before.data, recipe_.data, {"root"});
    compare("model", before.model, recipe_.model, {"init"});
    compare("algorithm", before.algorithm, recipe_.algorithm, {});
    compare("clients", before.clients, recipe_.clients, {});
    if (recipe_.schedule.flag("cosine"))  // its end is part of the schedule
      compare("schedule", before.schedule, recipe_.schedule, {"iterations"});
    else
      compare("schedule", before.schedule, recipe_.schedule, {"epochs", "rounds", "iterations"});
    compare("run", before.run, recipe_.run,
            {"eval_every", "checkpoint_every", "checkpoint_keep", "log_every", "peer_timeout", "exchange", "client_state",
             "non_finite"});
  }

  Round::Setting begin_setting() {
    std::vector<int> all(static_cast<size_t>(clients_));
    std::iota(all.begin(), all.end(), 0);
    Round::Setting setting = round_setting(std::move(all));
    setting.first_draw = int64_t{1} << 31;
    return setting;
  }

  Round::Setting round_setting(std::vector<int> sampled) {
    rates_ = schedule_.at(epoch(), static_cast<int64_t>(s_.round));
    Round::Setting setting;
    setting.objective = objective_;
    setting.group = &timed_;
    setting.buffers = &buffers_;
    setting.seed = seed_;
    setting.number = static_cast<int64_t>(s_.round);
    setting.first_iteration = static_cast<int64_t>(s_.iteration);
    setting.interval = interval();
    setting.clients = clients_;
    setting.sampled = std::move(sampled);
    setting.stop = options_.stop;
    setting.skip_non_finite = recipe_.run.text("non_finite") == "skip";
    setting.rates = [rates = rates_](int) { return rates; };
    return setting;
  }

  int interval() const {
    return recipe_.algorithm.has("interval") ? static_cast<int>(recipe_.algorithm.integer("interval")) : 1;
  }

  void account(const Round& r) {
    const Counters& c = r.counters();
    s_.samples += c.samples;
    s_.epoch_loss += c.loss;
    s_.epoch_losses += c.losses;
    s_.skipped += c.skipped;
    s_.communications += r.collectives();
    s_.client_bytes += static_cast<double>(r.client_bytes());
  }

  double fraction() const {
    double done = 0;
    if (recipe_.schedule.has("epochs")) done = std::max(done, epoch() / recipe_.schedule.number("epochs"));
    if (recipe_.schedule.has("rounds"))
      done = std::max(done, s_.round / static_cast<double>(recipe_.schedule.integer("rounds")));
    if (recipe_.schedule.has("iterations"))
      done = std::max(done, s_.iteration / static_cast<double>(recipe_.schedule.integer("iterations")));
    return std::min(done, 1.0);
  }

  void loop() {
    const int64_t bytes_before = group_.bytes_sent();
    const double bytes_so_far = s_.bytes_sent;
    double eval_bytes = 0;  // exchanged for evaluations and checkpoints, which are not the method's
    const auto uncounted = [&](const auto& work) {
      const int64_t before = group_.bytes_sent();
      work();
      eval_bytes += static_cast<double>(group_.bytes_sent() - before);
    };
    bool stop = false;
    while (true) {
      // Before the next round rather than after the last one: a run that was stopped in between makes up for it when it is
      // resumed.
      uncounted([&] { evaluate_if_due(); });
      if (fraction() >= 1) break;
      const auto start = Clock::now();
      const double epoch_before = epoch();
      Round r(round_setting(sample_clients(sampling_, seed_, static_cast<int64_t>(s_.round))));
      algorithm_->round(r, s_.x);
      account(r);
      s_.round += 1;
      s_.iteration += r.I;
      if (s_.average.defined()) {
        s_.averaged += 1;
        s_.average.add_(s_.x - s_.average, 1 / s_.averaged);
      }
      s_.seconds += since(start);
      s_.bytes_sent = bytes_so_far + static_cast<double>(group_.bytes_sent() - bytes_before) - eval_bytes;
      record_round(r);
      if (std::floor(epoch() + 1e-9) > std::floor(epoch_before + 1e-9)) record_epoch();
      stop = r.counters().stop > 0;
      if (stop || due("checkpoint_every", s_.next_checkpoint)) uncounted([&] { checkpoint(); });
      warn_of_checkpoints();
      if (stop) break;
    }
    status_ = stop && fraction() < 1 ? "interrupted" : "done";
  }

  // Whether the epoch that `next` waits for has come; then `next` moves on.
  bool due(const char* key, double& next) const {
    const double step = every(key);
    if (step == 0 || epoch() + 1e-9 < next) return false;
    while (next <= epoch() + 1e-9) next += step;
    return true;
  }

  void evaluate_if_due() {
    if (due("eval_every", s_.next_eval)) evaluate_selecting();
  }

  // ---- what is written down ----

  json counters(const char* event) const {
    return {{"event", event},
            {"round", s_.round},
            {"iteration", s_.iteration},
            {"epoch", epoch()},
            {"seconds", s_.seconds},
            {"communications", s_.communications},
            {"bytes_sent", s_.bytes_sent},
            {"client_bytes", s_.client_bytes}};
  }

  void write(json line) {
    // Whole counts are written as integers.
    for (const char* key : {"round", "iteration", "communications", "bytes_sent", "client_bytes"})
      if (line.contains(key)) line[key] = static_cast<int64_t>(line[key].get<double>());
    log_.write(line);
    events_.write(line);
    s_.metrics_bytes = static_cast<double>(log_.bytes());
  }

  void record_round(const Round& r) {
    const Counters& c = r.counters();
    const double loss = c.losses > 0 ? c.loss / c.losses : nan;
    const double clipped = c.steps > 0 ? c.clipped / c.steps : 0;
    if (writes() && static_cast<int64_t>(s_.round) % recipe_.run.integer("log_every") == 0) {
      json line = counters("round");
      line["exchange_seconds"] = timed_.take_seconds();
      line["train_loss"] = finite(loss);
      line["clipped_fraction"] = clipped;
      line["gradient_norm"] = finite(c.norms > 0 ? c.norm / c.norms : nan);
      line["eta"] = rates_.eta;
      line["gamma"] = finite(rates_.gamma);
      if (c.skipped > 0) line["skipped"] = c.skipped;
      for (const auto& [name, value] : r.notes()) line[name] = finite(value);
      write(std::move(line));
    }
    if (first())
      observer_.progress({.fraction = fraction(),
                          .epoch = epoch(),
                          .round = static_cast<int64_t>(s_.round),
                          .iteration = static_cast<int64_t>(s_.iteration),
                          .train_loss = loss,
                          .eval_loss = s_.eval_loss,
                          .clipped_fraction = clipped,
                          .communications = static_cast<int64_t>(s_.communications),
                          .bytes_sent = static_cast<int64_t>(s_.bytes_sent),
                          .seconds = s_.seconds,
                          .perplexity = objective_->has_perplexity()});
  }

  void record_epoch() {
    s_.last_epoch_loss = s_.epoch_losses > 0 ? s_.epoch_loss / s_.epoch_losses : nan;
    s_.epoch_loss = s_.epoch_losses = 0;
    if (!writes()) return;
    json line = counters("epoch");
    line["epoch_finished"] = static_cast<int64_t>(epoch() + 1e-9);
    line["train_loss"] = finite(s_.last_epoch_loss);
    write(std::move(line));
  }

  const Vec& model() const { return s_.average.defined() ? s_.average : s_.x; }

  Evaluation evaluate(const std::string& split, const char* event) {
    const Score score = evaluate_all(*objective_, group_, split, model());
    const Evaluation e{score.loss / score.count, objective_->has_accuracy() ? score.correct / score.count : nan};
    evaluated_[split] = e;
    further_[split] = objective_->figures(model());
    if (writes()) {
      json line = counters(event);
      line["split"] = split;
      line["averaged"] = s_.average.defined();
      line.update(figures(e, "eval_"));
      for (const auto& [name, value] : further_[split]) line["eval_" + name] = finite(value);
      write(std::move(line));
    }
    return e;
  }

  json figures(const Evaluation& e, const std::string& prefix) const {
    json j = {{prefix + "loss", finite(e.loss)}};
    if (objective_->has_perplexity()) j[prefix + "perplexity"] = finite(std::exp(e.loss));
    if (objective_->has_accuracy()) j[prefix + "accuracy"] = finite(e.accuracy);
    return j;
  }

  // The first split decides what is best and triggers NT-ASGD: when its loss is worse than the best one more than `nonmono`
  // evaluations ago, averaging starts and goes on to the end (Merity et al. 2018, Algorithm 1).
  void evaluate_selecting() {
    if (objective_->splits().empty()) return;
    const Evaluation e = evaluate(objective_->splits().front(), "eval");
    s_.eval_loss = e.loss;
    s_.eval_accuracy = e.accuracy;
    s_.eval_round = s_.round;
    if (!(e.loss >= s_.best_loss))
      s_.best_loss = e.loss, s_.best_accuracy = e.accuracy, s_.best_epoch = epoch(), s_.best_round = s_.round;
    const auto nonmono = recipe_.schedule.integer("nonmono");
    const int64_t past = s_.selection_losses.numel();
    if (recipe_.schedule.flag("nt_asgd") && !s_.average.defined() && past > nonmono &&
        e.loss > s_.selection_losses.narrow(0, 0, past - nonmono).min().item<double>()) {
      s_.average = s_.x.clone();
      s_.averaged = 1;
      if (first()) observer_.message("NT-ASGD was triggered: from here on the models of all rounds are averaged");
    }
    s_.selection_losses = at::cat({s_.selection_losses, at::full({1}, e.loss, at::kDouble)});
    if (first()) observer_.message(describe(e, objective_->splits().front()));
  }

  std::string describe(const Evaluation& e, const std::string& split) const {
    char text[200];
    int n = std::snprintf(text, sizeof text, "epoch %.2f  train loss %.4f  %s loss %.4f", epoch(),
                          std::isnan(s_.last_epoch_loss) ? s_.epoch_loss / s_.epoch_losses : s_.last_epoch_loss,
                          split.c_str(), e.loss);
    if (objective_->has_perplexity()) n += std::snprintf(text + n, sizeof text - n, "  ppl %.2f", std::exp(e.loss));
    if (objective_->has_accuracy()) n += std::snprintf(text + n, sizeof text - n, "  accuracy %.2f %%", 100 * e.accuracy);
    if (s_.average.defined()) std::snprintf(text + n, sizeof text - n, "  (NT-ASGD)");
    std::string line = text;
    for (const auto& [name, value] : further_.at(split)) {
      std::snprintf(text, sizeof text, "  %s %.6g", name.c_str(), value);
      line += text;
    }
    return line;
  }

  void checkpoint() {
    if (options_.out.empty()) return;
    checkpoints_.save(static_cast<int64_t>(s_.round), group_, clients_, [&](StateVisitor& v) { visit_all(v); });
  }

  // A checkpoint that can't be written is a warning: the older one is still there, and the run goes on.
  void warn_of_checkpoints() {
    const std::string trouble = checkpoints_.trouble();
    if (!trouble.empty()) observer_.warning(trouble);
  }

  void write_summary(const std::string& status, const json& more) {
    if (!writes()) return;
    int64_t parameters = 0;
    for (const Layer& l : objective_->layers()) parameters += l.size;
    json j = {{"status", status},
              {"algorithm", method_.name},
              {"interval", interval()},
              {"model", recipe_.model.text("name")},
              {"data", recipe_.data.text("name")},
              {"parameters", parameters},
              {"workers", group_.size()},
              {"clients", clients_},
              {"participating", sampling_.participating},
              {"threads", recipe_.run.integer("threads")},
              {"backend", group_.backend()},
              {"recurrent_path", recurrent_path()},
              {"versions", {{"tacet", version()}, {"torch", TORCH_VERSION}}}};
    j.update(more);
    write_file(file("summary.json"), j.dump(1) + "\n");
  }

  void failed(const std::string& why) {
    try {
      write_summary("failed", {{"error", why}, {"rounds", static_cast<int64_t>(s_.round)}});
    } catch (const std::exception&) {
      // The disk may be what failed; the first error is the one to report.
    }
  }

  Result finish() {
    if (status_ == "done") {
      const auto splits = objective_->splits();
      const auto bytes = s_.bytes_sent;
      if (!splits.empty() && s_.eval_round != s_.round) evaluate_selecting();
      if (!splits.empty()) evaluated_[splits.front()] = {s_.eval_loss, s_.eval_accuracy};
      checkpoint();  // before the last figures: a resume of a finished run only repeats those
      for (size_t k = 1; k < splits.size(); ++k) {
        const Evaluation e = evaluate(splits[k], "test");
        if (first()) observer_.message(describe(e, splits[k]));
      }
      s_.bytes_sent = bytes;
    }
    checkpoints_.wait();
    warn_of_checkpoints();
    Result result;
    result.status = status_;
    result.x = model();
    result.rounds = static_cast<int64_t>(s_.round);
    result.iterations = static_cast<int64_t>(s_.iteration);
    result.communications = static_cast<int64_t>(s_.communications);
    result.bytes_sent = static_cast<int64_t>(s_.bytes_sent);
    result.client_bytes = static_cast<int64_t>(s_.client_bytes);
    result.epoch = epoch();
    result.seconds = s_.seconds;
    result.train_loss = std::isnan(s_.last_epoch_loss) ? s_.epoch_loss / s_.epoch_losses : s_.last_epoch_loss;
    result.perplexity = objective_->has_perplexity();
    result.final = evaluated_;
    if (writes()) {
      if (status_ == "done") {
        save_model(file("model.safetensors"), objective_->layers(), result.x, objective_->buffer_layers(),
                   objective_->buffers());
        result.model_sha256 = sha256_file(file("model.safetensors"));
      }
      json final = {{"round", result.rounds},
                    {"iteration", result.iterations},
                    {"epoch", result.epoch},
                    {"train_loss", finite(result.train_loss)}};
      const auto splits = objective_->splits();
      for (const auto& [split, e] : evaluated_) {
        const std::string prefix = split == splits.front() ? "eval_" : split + "_";
        final.update(figures(e, prefix));
        for (const auto& [name, value] : further_[split]) final[prefix + name] = finite(value);
      }
      json best = {{"round", std::isnan(s_.best_round) ? json(nullptr) : json(static_cast<int64_t>(s_.best_round))},
                   {"epoch", finite(s_.best_epoch)}};
      best.update(figures({s_.best_loss, s_.best_accuracy}, "eval_"));
      write_summary(status_, {{"final", final},
                              {"best", best},
                              {"rounds", result.rounds},
                              {"iterations", result.iterations},
                              {"epochs", result.epoch},
                              {"communications", result.communications},
                              {"bytes_sent", result.bytes_sent},
                              {"client_bytes", result.client_bytes},
                              {"skipped", static_cast<int64_t>(s_.skipped)},
                              {"seconds", result.seconds},
                              {"averaged", s_.average.defined()},
                              {"model_sha256", result.model_sha256.empty() ? json(nullptr) : json(result.model_sha256)}});
    }
    return result;
  }

  Recipe recipe_;
  Group& group_;
  TimedGroup timed_;  // what rounds exchange through
  const TrainOptions& options_;
  Observer& observer_;
  const Method& method_;
  const int clients_;
  const ClientSampling sampling_;
  const uint64_t seed_;
  const Schedule schedule_;
  CheckpointWriter checkpoints_;
  std::unique_ptr<Objective> own_objective_;
  Objective* objective_ = nullptr;
  std::unique_ptr<Algorithm> algorithm_;
  MetricsLog log_;
  TensorBoardLog events_;
  State s_;
  std::map<std::string, Evaluation> evaluated_;
  std::map<std::string, std::vector<std::pair<std::string, double>>> further_;  // Objective::figures, by split
  SumBuffers buffers_;
  Rates rates_{};  // of the round under way
  std::string status_;
};

}  // namespace

Result train(const Recipe& recipe, Group& group, const TrainOptions& options, Observer& observer) {
  if (!options.out.empty() && group.rank() == 0) check_run_folder(options.out, options.resume);
  return Trainer(recipe, group, options, observer, nullptr).run();
}

Result train(const Recipe& recipe, Objective& objective, Group& group, const TrainOptions& options, Observer& observer) {
  if (!options.out.empty() && group.rank() == 0) check_run_folder(options.out, options.resume);
  return Trainer(recipe, group, options, observer, &objective).run();
}

std::string version() { return TACET_VERSION; }

}  // namespace tacet
