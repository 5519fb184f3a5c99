// An objective that passes everything on to another: what tests derive from to watch a run.
#pragma once

#include "tacet/objective.h"

namespace tacet::test {

struct PassOn : Objective {
  explicit PassOn(Objective& objective) : inner(objective) {}
  const std::vector<Layer>& layers() const override { return inner.layers(); }
  Vec initial() override { return inner.initial(); }
  Vec workspace() override { return inner.workspace(); }
  Vec buffers() override { return inner.buffers(); }
  Vec gradient_buffer() override { return inner.gradient_buffer(); }
  double rate_scale(uint64_t seed, int64_t iteration) const override { return inner.rate_scale(seed, iteration); }
  std::vector<std::string> notes() const override { return inner.notes(); }
  std::string batch_fault() const override { return inner.batch_fault(); }
  std::string data_record() const override { return inner.data_record(); }
  int64_t training_samples() const override { return inner.training_samples(); }
  double client_weight(int client) const override { return inner.client_weight(client); }
  void state(StateVisitor& v) override { inner.state(v); }
  BatchLoss gradient(const BatchKey& draw, const Vec& y) override { return inner.gradient(draw, y); }
  Objective& inner;
};

}  // namespace tacet::test
