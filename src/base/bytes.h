// Plain values as bytes, for messages and packed state. The bytes are those of memory, which is little-endian wherever tacet
// is built.
#pragma once

#include <bit>
#include <cassert>
#include <cstring>
#include <string>
#include <type_traits>

namespace tacet {

static_assert(std::endian::native == std::endian::little, "messages and packed state are little-endian");

// Appends the bytes of a plain value.
template <typename T>
void put(std::string& out, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Returns the value that lies at `bytes`, aligned or not.
template <typename T>
T value_at(const char* bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

// Returns the value at bytes[at] and moves `at` behind it. REQUIRES: it lies within `bytes`.
template <typename T>
T take(const std::string& bytes, size_t& at) {
  assert(at + sizeof(T) <= bytes.size());
  at += sizeof(T);
  return value_at<T>(bytes.data() + at - sizeof(T));
}

}  // namespace tacet
