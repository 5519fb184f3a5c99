// A StoreClient in the shape that c10d asks for. Only gloo.cc includes it.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "comm/gloo/store.h"

namespace tacet {

class C10dStore : public c10d::Store {
 public:
  C10dStore(std::shared_ptr<StoreClient> client, std::chrono::milliseconds timeout)
      : c10d::Store(timeout), client_(std::move(client)) {}

  using Bytes = std::vector<uint8_t>;
  void set(const std::string& key, const Bytes& value) override { client_->set(key, text(value)); }
  Bytes compareSet(const std::string& key, const Bytes& expected, const Bytes& desired) override {
    return bytes(client_->compare_set(key, text(expected), text(desired)));
  }
  Bytes get(const std::string& key) override { return bytes(client_->get(key, timeout_)); }
  int64_t add(const std::string& key, int64_t amount) override { return client_->add(key, amount); }
  bool deleteKey(const std::string& key) override { return client_->remove(key); }
  bool check(const std::vector<std::string>& keys) override { return client_->check(keys); }
  int64_t getNumKeys() override { return client_->count(); }
  void wait(const std::vector<std::string>& keys) override { client_->wait(keys, timeout_); }
  void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds& limit) override {
    client_->wait(keys, limit);
  }

 private:
  static std::string text(const Bytes& value) { return {value.begin(), value.end()}; }
  static Bytes bytes(const std::string& value) { return {value.begin(), value.end()}; }

  std::shared_ptr<StoreClient> client_;
};

}  // namespace tacet
