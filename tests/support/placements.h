// Runs the same work on P endpoints of a threads group and hands back every rank's result.
#pragma once

#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "tacet/group.h"

namespace tacet::test {

template <class Result>
std::vector<Result> on_ranks(int ranks, const std::function<Result(Group&)>& work) {
  auto groups = thread_groups(ranks, 20);
  std::vector<Result> results(static_cast<size_t>(ranks));
  std::vector<std::exception_ptr> errors(static_cast<size_t>(ranks));
  std::vector<std::thread> threads;
  for (size_t r = 0; r < groups.size(); ++r)
    threads.emplace_back([&, r] {
      try {
        results[r] = work(*groups[r]);
      } catch (...) {
        errors[r] = std::current_exception();
        groups[r].reset();  // the others must not wait for this one
      }
    });
  for (auto& t : threads) t.join();
  for (auto& e : errors)
    if (e) std::rethrow_exception(e);
  return results;
}

}  // namespace tacet::test
