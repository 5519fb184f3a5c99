// Implements turn_sum.h.
#include "engine/turn_sum.h"

#include <algorithm>

#include "engine/counter_floats.h"

namespace tacet {
namespace {

// Moves the parts to `out`, times w.
void scale(std::vector<const float*>& parts, const std::vector<int64_t>& sizes, float w, float* out) {
  for (size_t k = 0; k < parts.size(); out += sizes[k++]) {
    for (int64_t i = 0; i < sizes[k]; ++i) out[i] = w * parts[k][i];
    parts[k] = out;
  }
}

}  // namespace

SumShape shape_of(int count, int64_t d, int64_t b, int64_t places, int64_t divisor) {
  SumShape shape;
  shape.parts.assign(static_cast<size_t>(count), d);
  shape.parts.insert(shape.parts.end(), {b, counter_floats + places + 1});
  if (divisor > 0) {
    shape.divided = count * d + b;
    shape.divisor = static_cast<float>(divisor);
  }
  return shape;
}

MessageCoder* coded_messages(const RoundSetup& s) {
  return s.clients > 1 && s.messages && s.messages->kind != MessageKind::f32 ? s.messages : nullptr;
}

Coding coding_of(const RoundSetup& s, int count, const Vec& reference, std::span<const Layer> layers, int part) {
  MessageCoder* messages = count > 0 ? coded_messages(s) : nullptr;
  if (!messages) return {nullptr, {.count = count, .reference = reference}};
  return {messages, {count, reference, message_layout(messages->kind, messages->sparse, layers), part}};
}

int64_t words_of(const RoundSetup& s, std::span<const Layer> layers) {
  if (s.messages) return message_layout(s.messages->kind, s.messages->sparse, layers).words();
  return message_layout(MessageKind::f32, {}, layers).words();
}

at::Tensor sum_of(Group& group, const std::vector<int64_t>& bounds, const SumShape& shape, const Coding& coding,
                  const std::function<Sent(int64_t position)>& sent, SumBuffers& memory) {
  const int64_t b = shape.parts[shape.parts.size() - 2], tail = shape.parts.back();
  if (coding.messages && travels_coded(group, bounds)) {
    std::vector<float> rest(static_cast<size_t>(b + tail));
    const auto leaf = [&](int64_t position) {
      const Sent s = sent(position);
      const float w = s.tail[tail - 1];
      for (int64_t i = 0; i < b; ++i) rest[i] = w == 1 ? s.buffers[i] : w * s.buffers[i];
      std::copy_n(s.tail, tail, rest.begin() + b);
      return CodedLeaf{coding.messages->code(s.client, *s.vectors, coding.of, w != 0), rest.data()};
    };
    return message_sum(group, bounds, shape, coding.of.layout, coding.of.count, leaf, memory);
  }
  const auto leaf = [&](int64_t position) {
    const Sent s = sent(position);
    const float w = s.tail[tail - 1];
    std::vector<const float*> parts;
    for (const Vec& v : *s.vectors) parts.push_back(v.data_ptr<float>());
    if (coding.messages) {
      coding.messages->code(s.client, *s.vectors, coding.of, w != 0);
      const float* arrived = coding.messages->decoded(coding.of);
      for (int k = 0; k < coding.of.count; ++k) parts[k] = arrived + k * shape.parts.front();
    }
    parts.push_back(s.buffers);
    const int64_t weighted = coding.of.count * shape.parts.front() + b;
    if (w != 1.0f) scale(parts, shape.parts, w, memory.weighted(weighted));
    parts.push_back(s.tail);
    return parts;
  };
  return tree_sum(group, bounds, shape, leaf, memory);
}

}  // namespace tacet
