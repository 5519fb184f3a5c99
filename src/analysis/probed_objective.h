// An objective that lets a probe look at the common model of each round, and else is another one. The run goes on bit by bit
// as without it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/pass_ends.h"
#include "tacet/objective.h"

namespace tacet {

class ProbedObjective : public Objective, public PassEnds {
 public:
  // Takes the round and the common model before the round's first gradient. It must leave the objective as it was. What it
  // throws ends the run.
  using Visit = std::function<void(int64_t round, const Vec& x)>;

  // Runs before every gradient. What it throws ends the run.
  using Guard = std::function<void()>;

  // Borrows the inner objective. The run starts at `start`, or at the inner one's start where that is not defined. It is
  // handed on and not kept, so a run of this objective can't be begun a second time. It has no splits: a probed run is not
  // evaluated.
  ProbedObjective(
      Objective& inner, Vec start, Visit visit, Guard guard = [] {})
      : inner_(inner), start_(std::move(start)), visit_(std::move(visit)), guard_(std::move(guard)) {}

  // Runs before every gradient, behind the visit of its round.
  using Before = std::function<void(const BatchKey& draw, const Vec& y)>;
  // Runs behind every gradient, whose buffer it may read.
  using After = std::function<void(const BatchKey& draw, const Vec& y, const BatchLoss& loss)>;
  void watch(Before before, After after) {
    before_ = std::move(before);
    after_ = std::move(after);
  }

  const std::vector<Layer>& layers() const override { return inner_.layers(); }
  Vec initial() override;
  Vec workspace() override { return inner_.workspace(); }
  Vec buffers() override { return inner_.buffers(); }
  std::vector<Layer> buffer_layers() const override { return inner_.buffer_layers(); }
  BatchLoss gradient(const BatchKey& draw, const Vec& y) override;
  Vec gradient_buffer() override { return inner_.gradient_buffer(); }
  std::string batch_fault() const override { return inner_.batch_fault(); }
  double rate_scale(uint64_t seed, int64_t iteration) const override { return inner_.rate_scale(seed, iteration); }
  std::vector<std::string> notes() const override { return inner_.notes(); }
  std::string data_record() const override { return inner_.data_record(); }
  int64_t training_samples() const override { return inner_.training_samples(); }
  double client_weight(int client) const override { return inner_.client_weight(client); }
  ClientPass client_pass(int client, int64_t round) override { return inner_.client_pass(client, round); }
  int64_t steps_to_pass_end(uint64_t seed, int64_t iteration) override {
    return tacet::steps_to_pass_end(inner_, seed, iteration);
  }
  int units(const std::string& split) const override { return inner_.units(split); }
  Score evaluate(const std::string& split, int unit, const Vec& x) override { return inner_.evaluate(split, unit, x); }
  std::vector<std::pair<std::string, double>> figures(const Vec& x) override { return inner_.figures(x); }
  bool has_accuracy() const override { return inner_.has_accuracy(); }
  bool evaluates_training() const override { return inner_.evaluates_training(); }
  int gradient_units() const override { return inner_.gradient_units(); }
  Score unit_gradient(int unit, const Vec& x) override { return inner_.unit_gradient(unit, x); }
  bool has_perplexity() const override { return inner_.has_perplexity(); }
  void evaluated(const std::string& split, const Score& total) override { inner_.evaluated(split, total); }
  void state(StateVisitor& visitor) override { inner_.state(visitor); }

 private:
  Objective& inner_;
  Vec start_;
  Visit visit_;
  Guard guard_;
  Before before_;
  After after_;
  bool given_ = false;  // `start` was handed on
  int64_t seen_ = -1;   // the last round that was visited
};

}  // namespace tacet
