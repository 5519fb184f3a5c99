// See client_batches.h.
#include "data/clients/client_batches.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <string>

#include "tacet/error.h"

namespace tacet {

namespace {

constexpr int64_t most_remembered = 1 << 24;  // numbers of samples, of 4 bytes each

UserError without_samples(int client, bool every_round) {
  return UserError("data.partition gives client " + std::to_string(client) +
                   " no training samples, and each client must have one: give a smaller clients.count" +
                   (every_round ? ", or leave data.partition.every_round out, which deals to a round's own clients only"
                                : ", or another data.partition"));
}

}  // namespace

ClientBatches::ClientBatches(Shares shares, int64_t batch_size) : shares_(std::move(shares)), batch_size_(batch_size) {
  for (const auto& share : shares_) samples_ += static_cast<int64_t>(share.size());
}

ClientBatches::ClientBatches(Deal deal, int clients, int64_t samples, int64_t batch_size)
    : deal_(std::move(deal)), shares_(static_cast<size_t>(clients)), samples_(samples), batch_size_(batch_size) {}

ClientBatches::ClientBatches(int64_t batch_size, std::vector<int32_t> common)
    : ClientBatches(Shares{std::move(common)}, batch_size) {
  common_ = true;
  most_shuffles_ = static_cast<int>(std::clamp<int64_t>(most_remembered / samples_, 4, most_remembered));
}

ClientBatches ClientBatches::shared(std::vector<int32_t> samples, int clients, int64_t batch_size) {
  if (samples.empty()) throw UserError("clients.count must be <= the 0 training samples, got " + std::to_string(clients));
  return {batch_size, std::move(samples)};
}

double ClientBatches::client_weight(int client) const {
  if (deal_ || common_) return 1;
  return static_cast<double>(shares_.at(static_cast<size_t>(client)).size()) * static_cast<double>(shares_.size()) /
         static_cast<double>(samples_);
}

const std::vector<int32_t>& ClientBatches::order(const BatchKey& draw, int64_t pass) {
  Order& o = orders_[common_ ? draw.client % most_shuffles_ : draw.client];
  const int64_t round = deal_ ? draw.round : 0;
  if (o.client == draw.client && o.round == round && o.pass == pass) return o.samples;
  o = {draw.client, round, pass, share(draw.client)};
  if (o.samples.empty()) throw without_samples(draw.client, static_cast<bool>(deal_));
  Stream s = deal_ ? Stream(draw.seed, draw.client, Purpose::shuffle, round, pass)
                   : Stream(draw.seed, draw.client, Purpose::shuffle, pass, 0);
  for (size_t i = o.samples.size(); i > 1; --i) std::swap(o.samples[i - 1], o.samples[s.below(i)]);
  return o.samples;
}

void ClientBatches::deal_for(int64_t round) {
  if (dealt_round_ == round) return;
  shares_ = deal_(round);
  dealt_round_ = round;
}

ClientPass ClientBatches::pass(int client, int64_t round) {
  if (deal_) deal_for(round);
  return {static_cast<int64_t>(share(client).size()), batch_size_};
}

std::vector<int32_t> ClientBatches::next(const BatchKey& draw) {
  Position p;
  if (deal_) {
    deal_for(draw.round);
    const auto size = static_cast<int64_t>(share(draw.client).size());
    if (size == 0) throw without_samples(draw.client, static_cast<bool>(deal_));
    p = {draw.step * batch_size_ / size, draw.step * batch_size_ % size};
  } else {
    p = position(draw.client);
  }
  std::vector<int32_t> batch;
  while (static_cast<int64_t>(batch.size()) < batch_size_) {
    const std::vector<int32_t>& samples = order(draw, p.pass);
    const auto size = static_cast<int64_t>(samples.size());
    const int64_t take = std::min(size - p.offset, batch_size_ - static_cast<int64_t>(batch.size()));
    batch.insert(batch.end(), samples.begin() + p.offset, samples.begin() + p.offset + take);
    p.offset += take;
    if (p.offset == size) p = {p.pass + 1, 0};
  }
  if (!deal_) move_to(draw.client, p);
  return batch;
}

std::vector<int32_t> ClientBatches::peek(const BatchKey& draw) {
  if (deal_) {  // next() moves nothing on
    const bool has_some = dealt_round_ == draw.round && !share(draw.client).empty();
    return has_some ? next(draw) : std::vector<int32_t>{};
  }
  if (positions_.all().count(draw.client) == 0) return {};
  const Position here = position(draw.client);
  auto batch = next(draw);
  move_to(draw.client, here);
  return batch;
}

ClientBatches::Position ClientBatches::position(int client) {
  const auto found = positions_.all().find(client);
  if (found == positions_.all().end()) return {};
  const int64_t* p = found->second.data_ptr<int64_t>();
  return {p[0], p[1]};
}

void ClientBatches::move_to(int client, Position position) {
  Vec& v = positions_.all()[client];
  if (!v.defined()) v = at::empty({2}, at::kLong);
  v.data_ptr<int64_t>()[0] = position.pass;
  v.data_ptr<int64_t>()[1] = position.offset;
}

void ClientBatches::state(StateVisitor& visitor) { visitor.clients("position", positions_); }

}  // namespace tacet
