// A StoreClient in the shape that c10d asks for. Only gloo.cc includes it.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "comm/rendezvous/store.h"
#include "tacet/error.h"

namespace tacet {

class C10dStore : public c10d::Store {
 public:
  // `over` returns true if waiting has become useless; it may be empty.
  C10dStore(std::shared_ptr<StoreClient> client, std::chrono::milliseconds timeout, std::function<bool()> over = {})
      : c10d::Store(timeout), client_(std::move(client)), over_(std::move(over)) {}

  using Bytes = std::vector<uint8_t>;
  void set(const std::string& key, const Bytes& value) override { client_->set(key, text(value)); }
  Bytes compareSet(const std::string& key, const Bytes& expected, const Bytes& desired) override {
    return bytes(client_->compare_set(key, text(expected), text(desired)));
  }
  Bytes get(const std::string& key) override {
    wait({key});
    return bytes(client_->get(key, timeout_));
  }
  int64_t add(const std::string& key, int64_t amount) override { return client_->add(key, amount); }
  bool deleteKey(const std::string& key) override { return client_->remove(key); }
  bool check(const std::vector<std::string>& keys) override { return client_->check(keys); }
  int64_t getNumKeys() override { return client_->count(); }
  // Overrides where libtorch has it, from 2.7 on.
  c10::intrusive_ptr<c10d::Store> clone() { return c10::make_intrusive<C10dStore>(client_, timeout_, over_); }
  void wait(const std::vector<std::string>& keys) override { wait(keys, timeout_); }
  void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds& limit) override {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      try {
        return client_->wait(keys, std::clamp(left, std::chrono::milliseconds(0), over_ ? kSlice : limit));
      } catch (const StoreTimeout&) {
        if (over_ && over_()) throw PeerLost(-1, "a worker was lost while the workers were being connected");
        if (std::chrono::steady_clock::now() >= deadline) throw;
      }
    }
  }

 private:
  static std::string text(const Bytes& value) { return {value.begin(), value.end()}; }
  static Bytes bytes(const std::string& value) { return {value.begin(), value.end()}; }

  static constexpr std::chrono::milliseconds kSlice{100};
  std::shared_ptr<StoreClient> client_;
  std::function<bool()> over_;
};

}  // namespace tacet
