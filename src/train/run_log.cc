// See run_log.h.
#include "train/run_log.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <sstream>
#include <utility>

#include <torch/version.h>

#include "base/digest.h"
#include "base/files.h"
#include "data/files/safetensors.h"
#include "kernels/convolution/convolution.h"
#include "kernels/product/product.h"
#include "kernels/recurrent/recurrent.h"
#include "tacet/error.h"
#include "tacet/group.h"
#include "tacet/registry.h"
#include "train/round_noise.h"
#include "train/round_smoothness.h"
#include "train/run_privacy.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kMostRecent = 256;

// Adds what the run trains: its own objective, or a model and its data.
void add_subject(const Recipe& recipe, json& summary) {
  const std::pair<const char*, const Values*> tables[] = {
      {"objective", &recipe.objective}, {"model", &recipe.model}, {"data", &recipe.data}};
  for (const auto& [key, values] : tables)
    if (values->has("name")) summary[key] = values->text("name");
}

double ratio(int64_t part, int64_t whole) { return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0; }

// Returns true for a language model, whose samples are tokens.
bool counts_tokens(const Recipe& recipe) {
  return recipe.data.has("name") && find_dataset(recipe.data.text("name")).task == "language-model";
}

json or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

json paths_of(const KernelReport& report) {
  json all = json::array();
  for (const KernelPath& p : report.paths)
    all.push_back({{"kernel", p.kernel}, {"path", p.path}, {"checks", p.checks}, {"refused", or_null(p.refused)}});
  return all;
}

// Returns loss, perplexity and accuracy, as far as the objective has them.
json figures_of(const Objective& objective, const Evaluation& e, const std::string& prefix) {
  json j = {{prefix + "loss", finite(e.loss)}};
  if (objective.has_perplexity()) j[prefix + "perplexity"] = finite(std::exp(e.loss));
  if (objective.has_accuracy()) j[prefix + "accuracy"] = finite(e.accuracy);
  return j;
}

json final_figures(const Training& run, const Result& result) {
  json j = {{"round", result.rounds},
            {"iteration", result.iterations},
            {"epoch", result.epoch},
            {"train_loss", finite(result.train_loss)}};
  const auto splits = run.objective->splits();
  for (const auto& [split, of] : run.evaluated) {
    const std::string prefix = split == splits.front() ? "eval_" : split == "train" ? "train_set_" : split + "_";
    j.update(figures_of(*run.objective, of.evaluation, prefix));
    for (const auto& [name, value] : of.further) j[prefix + name] = finite(value);
  }
  return j;
}

json best_figures(const Training& run) {
  const RunState& s = run.state;
  json j = {{"round", s.best_round < 0 ? json(nullptr) : json(s.best_round)}, {"epoch", finite(s.best_epoch)}};
  j.update(figures_of(*run.objective, {s.best_loss, s.best_accuracy}, "eval_"));
  return j;
}

}  // namespace

RunLog::RunLog(Training& run, std::string folder, bool keeps_recent)
    : run_(run), folder_(std::move(folder)), keeps_recent_(keeps_recent), counts_tokens_(counts_tokens(run.recipe)) {}

bool RunLog::writes() const { return on() && group_ && group_->rank() == 0; }
std::string RunLog::file(const char* name) const { return (fs::path(folder_) / name).string(); }

// ---- the files ----

void RunLog::open(bool resume) {
  opened_ = true;
  if (!writes()) return;
  RunState& s = run_.state;
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) throw UserError("--out: " + folder_ + " can't be created: " + error.message());
  write_atomically(file("recipe.toml"), to_toml(run_.recipe));
  if (!run_.data_record.empty()) write_atomically(file("data.json"), run_.data_record);
  const std::string path = file("metrics.jsonl");
  log_ = MetricsLog(path,
                    resume ? cut_log(path, s.metrics_bytes, {s.round, s.eval_round == s.round, s.gradient_round == s.round})
                           : s.metrics_bytes);
  s.metrics_bytes = log_.bytes();
  events_ = TensorBoardLog(folder_, read_lines(path));
  write_intervals();
  write_summary("running", json::object());
}

void RunLog::acquire() {
  opened_ = true;
  const std::string path = file("metrics.jsonl");
  std::vector<std::string> lines = read_lines(path);  // first of all, as nothing is written where that fails
  if (static_cast<int64_t>(lines.size()) > lines_) lines.resize(static_cast<size_t>(lines_));
  const int64_t missing = lines_ - static_cast<int64_t>(lines.size());
  if (missing > static_cast<int64_t>(recent_.size()))
    throw UserError(path + ": lost lines while this worker took it over, and has " + std::to_string(lines.size()) +
                    " now: another program is changing it");
  lines.insert(lines.end(), recent_.end() - missing, recent_.end());
  std::error_code error;
  fs::create_directories(folder_, error);
  write_atomically(file("recipe.toml"), to_toml(run_.recipe));
  if (!run_.data_record.empty()) write_atomically(file("data.json"), run_.data_record);
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  close();
  write_atomically(path, text);
  log_ = MetricsLog(path, static_cast<int64_t>(text.size()));
  run_.state.metrics_bytes = log_.bytes();
  events_ = TensorBoardLog(folder_, lines);
  write_intervals();
  write_summary("running", json::object());
}

void RunLog::write_intervals() {
  if (!run_.measures_interval()) return;
  write_interval_record(file("interval.json"), {run_.first_interval(), decisions_in(run_.state.intervals)},
                        run_.state.round);
}

std::optional<IntervalDecision> RunLog::interval_decision(int64_t round) const {
  return writes() ? decision_in_file(file("interval.json"), round) : std::nullopt;
}

void RunLog::write_summary(const std::string& status, const json& more) {
  if (!writes()) return;
  int64_t parameters = 0;
  for (const Layer& l : run_.objective->layers()) parameters += l.size;
  json j = {{"status", status},
            {"algorithm", run_.method.name},
            {"interval", run_.local_epochs > 0 ? json(nullptr) : json(run_.interval())},
            {"parameters", parameters},
            {"workers", group_->size()},
            {"clients", run_.clients},
            {"participating", run_.sampling.participating},
            {"threads", run_.options.threads},
            {"backend", group_->backend()},
            {"recurrent_path", recurrent_path()},
            {"convolution_path", fast_convolutions() ? "onednn" : "libtorch"},
            {"kernels", paths_of(run_.kernels)},
            {"versions", {{"tacet", version()}, {"torch", TORCH_VERSION}, {"onednn", or_null(onednn_version())}}}};
  if (run_.local_epochs > 0) j["local_epochs"] = run_.local_epochs;
  if (run_.measures_interval())
    j["interval_auto"] = {{"first", run_.first_interval()},
                          {"decisions", decisions_in(run_.state.intervals).size()},
                          {"repeated", run_.repeated.has_value()}};
  add_subject(run_.recipe, j);
  const FaultTotals& f = run_.state.faults;
  if (status != "running")
    j["faults"] = {{"groups", f.groups}, {"lost", f.lost}, {"rounds_repeated", f.rounds_repeated}, {"seconds", f.seconds}};
  if (const auto claim = privacy_summary(run_, status == "running")) j["privacy"] = *claim;
  if (const auto scale = noise_summary(run_); scale && status != "running") j["noise_scale"] = *scale;
  if (const auto pairs = smoothness_summary(run_); pairs && status != "running") j["smoothness"] = *pairs;
  j.update(more);
  write_atomically(file("summary.json"), j.dump(1) + "\n");
}

void RunLog::failed(const std::string& why) {
  try {
    if (opened_) write_summary("failed", {{"error", why}, {"rounds", run_.state.round}});
  } catch (const std::exception&) {
    // The disk may have failed. Only the first error is reported.
  }
}

void RunLog::finish(Result& result, double page_faults) {
  if (!writes()) return;
  Objective& objective = *run_.objective;
  if (result.status == "done") {
    const std::string path = file("model.safetensors");
    save_model(path, objective.layers(), result.x, objective.buffer_layers(), objective.buffers());
    result.model_sha256 = sha256_file(path);
  }
  write_summary(result.status, {{"final", final_figures(run_, result)},
                                {"best", best_figures(run_)},
                                {"rounds", result.rounds},
                                {"iterations", result.iterations},
                                {"epochs", result.epoch},
                                {"extra_samples", result.extra_samples},
                                {"warnings", run_.warnings()},
                                {"communications", result.communications},
                                {"bytes_sent", result.bytes_sent},
                                {"client_bytes", result.client_bytes},
                                {"skipped", run_.state.skipped},
                                {"late", run_.state.late},
                                {"seconds", result.seconds},
                                {"data_wait_seconds", run_.data_wait_seconds()},
                                {"page_faults_per_step", page_faults < 0 ? json(nullptr) : json(page_faults)},
                                {"averaged", run_.state.average.defined()},
                                {"model_sha256", or_null(result.model_sha256)}});
}

// ---- the lines ----

json RunLog::line(const char* event) const {
  const RunState& s = run_.state;
  json line = {{"event", event},
               {"round", s.round},
               {"iteration", s.iteration},
               {"epoch", run_.epoch()},
               {"extra_samples", s.extra_samples},
               {"seconds", s.seconds},
               {"communications", s.communications},
               {"bytes_sent", s.bytes_sent},
               {"client_bytes", s.client_bytes}};
  if (counts_tokens_) line["tokens"] = s.samples;
  return line;
}

bool RunLog::wants_round() const { return on() && run_.state.round % run_.options.log_every == 0; }

void RunLog::record_round(const RoundReport& report, Rates rates, double exchange_seconds,
                          const std::map<std::string, double>& more) {
  const Counters& c = report.counters;
  json line = this->line("round");
  line["exchange_seconds"] = exchange_seconds;
  const double waited = run_.data_wait_seconds();
  line["data_wait_seconds"] = waited - std::exchange(data_wait_written_, waited);
  line["train_loss"] = finite(c.losses > 0 ? c.loss / c.losses : RunState::nan);
  if (c.judged > 0) line["train_accuracy"] = c.correct / c.judged;
  line["clipped_fraction"] = c.steps > 0 ? c.clipped / c.steps : 0;
  line["gradient_norm"] = finite(c.norms > 0 ? c.norm / c.norms : RunState::nan);
  line["eta"] = rates.eta;
  line["gamma"] = finite(rates.gamma);
  if (c.skipped > 0) line["skipped"] = c.skipped;
  if (!run_.overlong_round().empty()) line["round_epochs"] = run_.round_epochs();
  if (run_.has_deadline()) {
    line["came"] = run_.sampling.participating - static_cast<int>(report.late.size());
    line["late"] = report.late;
  }
  for (const auto& [name, value] : report.notes) line[name] = finite(value);
  for (const auto& [name, value] : more) line[name] = finite(value);
  pending_.push_back(std::move(line));
}

void RunLog::record_straggler(int worker, double waited) {
  for (json& line : pending_) {
    if (line["event"] != "round") continue;
    line["slowest"] = worker;
    line["waited"] = waited;
  }
}

void RunLog::record_epoch() {
  if (!on()) return;
  json line = this->line("epoch");
  line["epoch_finished"] = static_cast<int64_t>(run_.epoch() + 1e-9);
  const RunState& s = run_.state;
  line["train_loss"] = finite(s.last_epoch_loss);
  line["clipped_fraction"] = ratio(s.epoch_clipped, s.epoch_steps);
  if (s.epoch_judged > 0) line["train_accuracy"] = ratio(s.epoch_correct, s.epoch_judged);
  pending_.push_back(std::move(line));
}

void RunLog::record_evaluation(const char* event, const std::string& split) {
  if (!on()) return;
  const SplitFigures& of = run_.evaluated.at(split);
  json line = this->line(event);
  line["split"] = split;
  line["averaged"] = run_.state.average.defined();
  line.update(figures_of(*run_.objective, of.evaluation, "eval_"));
  for (const auto& [name, value] : of.further) line["eval_" + name] = finite(value);
  pending_.push_back(std::move(line));
}

void RunLog::record(const char* event, const std::map<std::string, double>& figures) {
  if (!on()) return;
  json line = this->line(event);
  for (const auto& [name, value] : figures) line[name] = finite(value);
  pending_.push_back(std::move(line));
}

void RunLog::record_interval(const IntervalDecision& d, int before, bool repeated) {
  if (!on()) return;
  json line = this->line("interval");
  line.update({{"old", before}, {"new", d.interval}, {"repeated", repeated}});
  line.update({{"step_seconds", d.step_seconds}, {"exchange_seconds", d.exchange_seconds}});
  pending_.push_back(std::move(line));
}

void RunLog::record_membership(int64_t term, const std::vector<std::string>& lost, double seconds, int64_t repeated) {
  if (!on()) return;
  json line = this->line("membership");
  line["membership"] = term;
  line["workers"] = group_->size();
  line["lost"] = lost;
  line["recovery_seconds"] = seconds;
  line["rounds_repeated"] = repeated;
  pending_.push_back(std::move(line));
}

void RunLog::flush() {
  for (const json& line : pending_) {
    lines_ += 1;
    if (keeps_recent_) recent_.push_back(line.dump());
    if (!writes()) continue;
    log_.write(line);
    events_.write(line);
    run_.state.metrics_bytes = log_.bytes();
    if (line["event"] == "interval") write_intervals();
  }
  pending_.clear();
  if (recent_.size() > kMostRecent) recent_.erase(recent_.begin(), recent_.end() - kMostRecent);
}

void RunLog::commit() {
  flush();
  mark();
}

void RunLog::roll_back() {
  forget_pending();
  for (; lines_ > marked_; --lines_)
    if (!recent_.empty()) recent_.pop_back();
}

int64_t RunLog::lines_in_file() const {
  return writes() ? static_cast<int64_t>(read_lines(file("metrics.jsonl")).size()) : 0;
}

int64_t RunLog::drop_lost(int64_t there) {
  const int64_t most = std::min(lines_, there + static_cast<int64_t>(recent_.size()));
  const int64_t lost = lines_ - most;
  set_lines(most);
  return lost;
}

std::string RunLog::recent() const {
  std::string text;
  for (const std::string& line : recent_) text += line + "\n";
  return text;
}

void RunLog::set_lines(int64_t lines) {
  lines_ = lines;
  mark();
}

void RunLog::set_recent(const std::string& text) {
  recent_.clear();
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) recent_.push_back(line);
}

}  // namespace tacet
