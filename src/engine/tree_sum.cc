// See tree_sum.h.
#include "engine/tree_sum.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <numeric>
#include <utility>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

namespace tacet {
namespace {

// A vector travels in chunks of its slices. While one is on its way the one before is finished, and data that wait to be
// added up stay in the cache. Between hosts a chunk has to be long against the network's delay.
constexpr int64_t kChunk = 1 << 15, kFarChunk = 1 << 24;  // floats

void add_to(float* left, const float* right, int64_t n) {
  at::parallel_for(0, n, 1 << 18, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) left[i] += right[i];
  });
}

void copy_to(float* left, const float* right, int64_t n) {
  if (left == right) return;
  at::parallel_for(0, n, 1 << 18, [&](int64_t first, int64_t last) {
    std::memcpy(left + first, right + first, static_cast<size_t>(last - first) * sizeof(float));
  });
}

void divide(float* out, const float* v, int64_t n, float divisor) {
  if (divisor == 1) return copy_to(out, v, n);
  at::parallel_for(0, n, 1 << 18, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) out[i] = v[i] / divisor;
  });
}

// Walks the tree over [first, first + width), cut off at `leaves`, and adds the maximal subtrees in [lo, hi) to `found`.
void cover(int64_t first, int64_t width, int64_t leaves, int64_t lo, int64_t hi, std::vector<Subtree>& found) {
  const int64_t last = std::min(first + width, leaves);
  if (first >= last || last <= lo || first >= hi) return;
  if (lo <= first && last <= hi) {
    found.push_back({first, last});
    return;
  }
  cover(first, width / 2, leaves, lo, hi, found);
  cover(first + width / 2, width / 2, leaves, lo, hi, found);
}

// The sum over one subtree, `size` floats of it.
struct Part {
  Subtree tree;
  float* data;
};

// Adds up the subtree over [first, first + width) from the given parts. The sum lands in the leftmost part's memory.
float* finish(const std::vector<Part>& parts, size_t& next, int64_t first, int64_t width, int64_t leaves, int64_t size) {
  const int64_t last = std::min(first + width, leaves);
  if (first >= last) return nullptr;
  if (parts[next].tree == Subtree{first, last}) return parts[next++].data;
  float* left = finish(parts, next, first, width / 2, leaves, size);
  const float* right = finish(parts, next, first + width / 2, width / 2, leaves, size);
  if (right) add_to(left, right, size);
  return left;
}

int64_t tree_width(int64_t leaves) { return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(leaves))); }

struct Range {
  int64_t first = 0, last = 0;
  int64_t size() const { return last - first; }
};

// Returns block k of `ranks` balanced blocks of a range.
Range block_of(Range range, int k, int ranks) {
  return {range.first + range.size() * k / ranks, range.first + range.size() * (k + 1) / ranks};
}

// A rank's place in its host, and its host's place among the hosts.
struct Place {
  int hosts = 1, ranks = 1;  // number of hosts; ranks of each
  int host = 0, local = 0;   // this rank's host; its place there
  int rank_at(int h, int l) const { return h * ranks + l; }
};

// Returns the place where all hosts have equally many consecutive ranks. Otherwise every rank counts as a host.
Place place_in(const Group& group) {
  const std::vector<int> host = group.hosts();
  const int size = group.size();
  int ranks = 1;
  while (ranks < size && host[ranks] == host[0]) ++ranks;
  bool even = size % ranks == 0;
  for (int q = 0; even && q < size; ++q) even = host[q] == host[q - q % ranks];
  if (!even) ranks = 1;
  return {size / ranks, ranks, group.rank() / ranks, group.rank() % ranks};
}

// One call of tree_sum().
class Sum {
 public:
  Sum(Group& group, const std::vector<int64_t>& bounds, const SumShape& shape, SumBuffers& buffers)
      : group_(group),
        bounds_(bounds),
        shape_(shape),
        buffers_(buffers),
        leaves_(bounds.back()),
        size_(std::accumulate(shape.parts.begin(), shape.parts.end(), int64_t{0})),
        at_(place_in(group)) {
    assert(leaves_ >= 1 && bounds.front() == 0 && static_cast<int>(bounds.size()) == group.size() + 1);
  }

  at::Tensor run(const Leaf& leaf) {
    result_ = buffers_.result(size_);
    out_ = result_.data_ptr<float>();
    add_own_leaves(leaf);
    if (group_.size() == 1) {
      divide(out_, out_, shape_.divided, shape_.divisor);
    } else {
      exchange();
    }
    return std::move(result_);
  }

 private:
  // ---- within a rank ----

  // The sum over a subtree of this rank. Its parts lie in our memory or, for a leaf that no other follows, in the leaf's.
  struct Own {
    Subtree tree;
    std::vector<const float*> parts;
  };

  float* next_scratch() { return buffers_.vector(vectors_used_++, size_); }

  void gather(const std::vector<const float*>& parts, float* out, void (*take)(float*, const float*, int64_t)) const {
    for (size_t k = 0; k < parts.size(); out += shape_.parts[k++]) take(out, parts[k], shape_.parts[k]);
  }

  void add_own_leaves(const Leaf& leaf) {
    const int64_t end = bounds_[group_.rank() + 1];
    bool free = true;  // the result's memory is free
    for (const Subtree& tree : whole_subtrees(bounds_[group_.rank()], end, leaves_)) {
      if (group_.size() > 1 && tree.last == end && tree.last - tree.first == 1) {
        mine_.push_back({tree, leaf(tree.first)});
        continue;
      }
      float* sum = std::exchange(free, false) ? out_ : next_scratch();
      // A subtree's width is the power of two that reaches its end or the tree's end.
      sum_subtree(leaf, tree, tree.first, tree_width(tree.last - tree.first), sum);
      mine_.push_back({tree, {}});
      const float* part = sum;
      for (const int64_t n : shape_.parts) mine_.back().parts.push_back(part), part += n;
    }
  }

  // Leaves are added pairwise on a stack no deeper than the tree, so memory is O(log S) vectors.
  void sum_subtree(const Leaf& leaf, Subtree tree, int64_t first, int64_t width, float* sum) {
    if (width == 1) return gather(leaf(first), sum, copy_to);
    const int64_t middle = first + width / 2;
    sum_subtree(leaf, tree, first, width / 2, sum);
    if (middle >= tree.last) return;
    if (width == 2) return gather(leaf(middle), sum, add_to);
    const size_t before = vectors_used_;
    float* right = next_scratch();
    sum_subtree(leaf, tree, middle, width / 2, right);
    add_to(sum, right, size_);
    vectors_used_ = before;
  }

  // ---- between ranks ----
  //
  // Rank l of every host has slice l of the vector, and every host has a block of each chunk of that slice. A chunk takes
  // four exchanges. (1) The ranks of a host send their sums, and the host's are finished. (2) The hosts send theirs, and the
  // total is finished. (3) The hosts send their blocks of it. (4) The ranks of a host send their slices of it. Exchange k
  // does this for chunks k, k−1, k−2 and k−3 at once. One host needs no (2) and (3), hosts of one rank no (1) and (4).

  Range chunk_of(int l, int64_t c) const {
    const Range slice = block_of({0, size_}, l, at_.ranks);
    return {std::min(slice.first + c * chunk_, slice.last), std::min(slice.first + (c + 1) * chunk_, slice.last)};
  }
  bool shares_host() const { return at_.ranks > 1; }
  bool far() const { return at_.hosts > 1; }
  int rank_of(int h, int l) const { return at_.rank_at(h, l); }

  // Returns the subtrees that a block of ranks owns whole.
  std::vector<Subtree> owned(int first_rank, int last_rank) const {
    return whole_subtrees(bounds_[first_rank], bounds_[last_rank], leaves_);
  }

  // Cuts a range of a vector where its parts meet. Both ends of an exchange do so.
  template <class Each>
  void cut(Range range, const Each& each) const {
    int64_t start = 0;
    for (size_t k = 0; k < shape_.parts.size(); start += shape_.parts[k++]) {
      const int64_t first = std::max(range.first, start), last = std::min(range.last, start + shape_.parts[k]);
      if (first < last) each(k, first - start, Range{first, last});
    }
  }
  void put_own(const Own& own, Range range, std::vector<Piece>& pieces) const {
    // A piece to send is not written to.
    cut(range, [&](size_t k, int64_t at, Range r) { pieces.push_back({const_cast<float*>(own.parts[k]) + at, r.size()}); });
  }

  void exchange() {
    chunk_ = shape_.chunk > 0 ? shape_.chunk : far() ? kFarChunk / at_.ranks : kChunk;
    const int64_t slice = (size_ + at_.ranks - 1) / at_.ranks;
    const int64_t chunks = (slice + chunk_ - 1) / chunk_;
    for (int l = 0; l < at_.ranks; ++l) near_rooms_ += owned(rank_of(at_.host, l), rank_of(at_.host, l) + 1).size();
    for (int64_t step = 0; step < chunks + 3; ++step) {
      to_.assign(group_.size(), {});
      from_.assign(group_.size(), {});
      const auto with = [&](int64_t c, void (Sum::*post)(int64_t)) {
        if (c >= 0 && c < chunks) (this->*post)(c);
      };
      with(step, &Sum::post_own);
      if (far()) with(step - 1, &Sum::post_hosts);
      if (far()) with(step - 2, &Sum::post_blocks);
      if (shares_host()) with(step - 3, &Sum::post_slices);
      group_.exchange(to_, from_);
      with(step, &Sum::finish_host);
      with(step - 1, &Sum::finish_total);
    }
  }

  // Returns memory for a chunk of the k-th sum of the host's ranks. There are two rooms for each sum, since a chunk is
  // received while the host's sum of the chunk before is sent.
  float* near_room(int64_t c, size_t k) { return buffers_.chunk(2 * k + static_cast<size_t>(c % 2), chunk_); }
  float* far_room(size_t k) { return buffers_.chunk(2 * near_rooms_ + k, chunk_); }

  void post_own(int64_t c) {
    const Range here = chunk_of(at_.local, c);
    near_parts_.clear();
    size_t rooms = 0;
    for (int l = 0; l < at_.ranks; ++l) {
      const int q = rank_of(at_.host, l);
      if (l == at_.local) {
        for (const Own& own : mine_) near_parts_.push_back({own.tree, near_room(c, rooms++)});
        continue;
      }
      for (const Own& own : mine_) put_own(own, chunk_of(l, c), to_[q]);
      for (const Subtree& tree : owned(q, q + 1)) {
        float* in = near_room(c, rooms++);
        near_parts_.push_back({tree, in});
        cut(here, [&](size_t, int64_t, Range r) { from_[q].push_back({in + (r.first - here.first), r.size()}); });
      }
    }
  }

  // Moves a chunk of this rank's own sums to memory that can be added to.
  void fetch_own(int64_t c) {
    const Range here = chunk_of(at_.local, c);
    size_t k = 0;
    while (near_parts_[k].tree.first < mine_.front().tree.first) ++k;
    for (const Own& own : mine_) {
      float* in = near_parts_[k++].data;
      cut(here, [&](size_t p, int64_t at, Range r) { copy_to(in + (r.first - here.first), own.parts[p] + at, r.size()); });
    }
  }

  void finish_host(int64_t c) {
    const Range here = chunk_of(at_.local, c);
    if (!mine_.empty()) fetch_own(c);
    auto& host = host_parts_[c % 2];
    host.clear();
    size_t next = 0;
    for (const Subtree& tree : owned(rank_of(at_.host, 0), rank_of(at_.host, at_.ranks - 1) + 1)) {
      host.push_back(
          {tree, finish(near_parts_, next, tree.first, tree_width(tree.last - tree.first), leaves_, here.size())});
    }
    assert(next == near_parts_.size());
  }

  void post_hosts(int64_t c) {
    const Range here = chunk_of(at_.local, c), block = block_of(here, at_.host, at_.hosts);
    far_parts_.clear();
    size_t rooms = 0;
    for (int h = 0; h < at_.hosts; ++h) {
      const int q = rank_of(h, at_.local);
      if (h == at_.host) {
        for (const Part& part : host_parts_[c % 2])
          far_parts_.push_back({part.tree, part.data + (block.first - here.first)});
        continue;
      }
      const Range theirs = block_of(here, h, at_.hosts);
      for (const Part& part : host_parts_[c % 2]) to_[q].push_back({part.data + (theirs.first - here.first), theirs.size()});
      for (const Subtree& tree : owned(rank_of(h, 0), rank_of(h, at_.ranks - 1) + 1)) {
        far_parts_.push_back({tree, far_room(rooms++)});
        from_[q].push_back({far_parts_.back().data, block.size()});
      }
    }
  }

  void finish_total(int64_t c) {
    const Range here = chunk_of(at_.local, c), block = block_of(here, at_.host, at_.hosts);
    if (!far()) {
      far_parts_ = host_parts_[c % 2];
    }
    size_t next = 0;
    const float* total = finish(far_parts_, next, 0, tree_width(leaves_), leaves_, block.size());
    assert(next == far_parts_.size());
    const int64_t divided = std::clamp<int64_t>(shape_.divided - block.first, 0, block.size());
    divide(out_ + block.first, total, divided, shape_.divisor);
    copy_to(out_ + block.first + divided, total + divided, block.size() - divided);
  }

  void post_blocks(int64_t c) {
    const Range here = chunk_of(at_.local, c), block = block_of(here, at_.host, at_.hosts);
    for (int h = 0; h < at_.hosts; ++h) {
      if (h == at_.host) continue;
      const int q = rank_of(h, at_.local);
      const Range theirs = block_of(here, h, at_.hosts);
      to_[q].push_back({out_ + block.first, block.size()});
      from_[q].push_back({out_ + theirs.first, theirs.size()});
    }
  }

  void post_slices(int64_t c) {
    const Range here = chunk_of(at_.local, c);
    for (int l = 0; l < at_.ranks; ++l) {
      if (l == at_.local) continue;
      const int q = rank_of(at_.host, l);
      const Range theirs = chunk_of(l, c);
      to_[q].push_back({out_ + here.first, here.size()});
      from_[q].push_back({out_ + theirs.first, theirs.size()});
    }
  }

  Group& group_;
  const std::vector<int64_t>& bounds_;
  const SumShape& shape_;
  SumBuffers& buffers_;
  const int64_t leaves_, size_;
  const Place at_;
  at::Tensor result_;
  float* out_ = nullptr;
  size_t vectors_used_ = 0;
  std::vector<Own> mine_;
  size_t near_rooms_ = 0;
  int64_t chunk_ = 0;
  std::vector<std::vector<Piece>> to_, from_;
  std::vector<Part> near_parts_, host_parts_[2], far_parts_;
};

float* grown(std::vector<at::Tensor>& all, size_t k, int64_t size) {
  if (all.size() <= k) all.resize(k + 1);
  if (!all[k].defined() || all[k].numel() < size) all[k] = at::empty({size});
  return all[k].data_ptr<float>();
}

}  // namespace

std::vector<Subtree> whole_subtrees(int64_t first, int64_t last, int64_t leaves) {
  std::vector<Subtree> found;
  if (first < last) cover(0, tree_width(leaves), leaves, first, last, found);
  return found;
}

std::vector<int64_t> block_bounds(int64_t count, int ranks) {
  std::vector<int64_t> bounds;
  for (int64_t q = 0; q <= ranks; ++q) bounds.push_back(count * q / ranks);
  return bounds;
}

at::Tensor SumBuffers::result(int64_t size) {
  const auto free = [](const at::Tensor& t) { return t.storage().use_count() == 1; };
  for (const at::Tensor& t : results_)
    if (t.numel() == size && free(t)) return t.detach();
  std::erase_if(results_, free);  // free results of another size
  results_.push_back(at::empty({size}));
  return results_.back().detach();
}

float* SumBuffers::vector(size_t k, int64_t size) { return grown(vectors_, k, size); }
float* SumBuffers::chunk(size_t k, int64_t size) { return grown(chunks_, k, size); }
float* SumBuffers::weighted(int64_t size) { return grown(weighted_, 0, size); }
SumBuffers& SumBuffers::aside() {
  if (!aside_) aside_ = std::make_unique<SumBuffers>();
  return *aside_;
}

at::Tensor tree_sum(Group& group, const std::vector<int64_t>& bounds, const SumShape& shape, const Leaf& leaf,
                    SumBuffers& buffers) {
  return Sum(group, bounds, shape, buffers).run(leaf);
}

}  // namespace tacet
