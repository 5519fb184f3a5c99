// The interface of objectives whose units of the training set are batches of text that can start from a fixed state. A model
// that carries state from batch to batch is else given another one at another x. As its gradient goes back to a batch's
// begin only, unit_gradient() is then the gradient of no function of x. Probes ask for it.
#pragma once

namespace tacet {

class FreshBatches {
 public:
  virtual ~FreshBatches() = default;
  // Makes every batch of a unit_gradient() start as the unit's first one does, from this call on. Returns true if that
  // changes anything.
  virtual bool start_batches_afresh() = 0;
};

}  // namespace tacet
