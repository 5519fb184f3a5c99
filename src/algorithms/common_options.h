// The options that methods share, and the usual costs of a round, for the rows of table.cc.
#pragma once

#include <limits>
#include <string>
#include <utility>

#include "tacet/options.h"

namespace tacet::method_options {

inline constexpr double infinity = std::numeric_limits<double>::infinity();

inline Option eta() {
  return {.name = "eta", .kind = Kind::number, .doc = "step size η", .min = 0, .min_open = true, .max_open = true};
}
inline Option gamma() {
  return {.name = "gamma",
          .kind = Kind::number,
          .doc = "clipping parameter γ: the longest step; inf never clips",
          .min = 0,
          .min_open = true};
}
inline Option interval() {
  return {.name = "interval",
          .kind = Kind::integer,
          .fallback = int64_t{1},
          .doc = "local steps I in a round",
          .min = 1,
          .max = 1e9};
}
inline Option gamma_or_none() {
  Option o = gamma();
  o.fallback = infinity;
  return o;
}
inline Option beta(std::string name, double fallback, std::string doc) {
  return {.name = std::move(name),
          .kind = Kind::number,
          .fallback = fallback,
          .doc = std::move(doc),
          .min = 0,
          .max = 1,
          .max_open = true};
}
inline Option momentum(double fallback = 0) { return beta("momentum", fallback, "heavy-ball momentum μ of the step"); }
inline Option beta1(double fallback) { return beta("beta1", fallback, "β₁ of the first moment"); }
inline Option beta2(double fallback) { return beta("beta2", fallback, "β₂ of the second moment"); }
inline Option at_least_zero(std::string name, double fallback, std::string doc) {
  return {.name = std::move(name),
          .kind = Kind::number,
          .fallback = fallback,
          .doc = std::move(doc),
          .min = 0,
          .max_open = true};
}
inline Option positive(std::string name, double fallback, std::string doc) {
  Option o = at_least_zero(std::move(name), fallback, std::move(doc));
  o.min_open = true;
  return o;
}
inline Option weight_decay() {
  return at_least_zero("weight_decay", 0, "λ: λx is added to the step's direction, after the norm was taken");
}
inline Option server_eta() { return positive("server_eta", 0.01, "step size η_s of the server"); }
inline Option flag(std::string name, bool fallback, std::string doc) {
  return {.name = std::move(name), .kind = Kind::flag, .fallback = fallback, .doc = std::move(doc)};
}
inline Option delay() {
  return {
      .name = "delay",
      .kind = Kind::integer,
      .fallback = int64_t{1},
      .doc =
          "local steps of a round before the mean of the models it began with has to be there, at most interval; 0 waits "
          "at once",
      .min = 0,
      .max = 1e9};
}
// Of every method that talks.
inline Option message() {
  return {.name = "message",
          .kind = Kind::text,
          .fallback = std::string("f32"),
          .doc =
              "what a value of a client's vectors is on its way: f32, 4 bytes; bf16, 2 bytes; int8, 1 byte and a scale for "
              "256 values, where the client adds what was left out to its next message",
          .one_of = {"f32", "bf16", "int8"}};
}

inline double none(int) { return 0; }
inline double one(int) { return 1; }
inline double two(int) { return 2; }
inline double every(int I) { return I; }

}  // namespace tacet::method_options
