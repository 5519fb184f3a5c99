// See recurrent_layer.h.
#include "kernels/recurrent/recurrent_layer.h"

#include <algorithm>

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "kernels/product/product.h"
#include "kernels/recurrent/cells.h"

namespace tacet {
namespace {

// Where the rows of packed sequences lie, and in which order a direction visits them.
class Walk {
 public:
  Walk(const std::vector<int64_t>& sizes, bool backward) : sizes_(sizes), backward_(backward) {
    int64_t row = 0;
    for (const int64_t size : sizes_) {
      first_.push_back(row);
      row += size;
    }
  }
  int64_t steps() const { return static_cast<int64_t>(sizes_.size()); }
  int64_t batch() const { return sizes_.front(); }
  // The step-th time step that is visited.
  int64_t time(int64_t step) const { return backward_ ? steps() - 1 - step : step; }
  int64_t first(int64_t time) const { return first_[static_cast<size_t>(time)]; }  // its first row
  int64_t size(int64_t time) const { return time >= 0 && time < steps() ? sizes_[static_cast<size_t>(time)] : 0; }
  // The row of the same sequence that is visited before or after this one; -1: there is none.
  int64_t before(int64_t time, int64_t column) const { return neighbour(backward_ ? time + 1 : time - 1, column); }
  int64_t after(int64_t time, int64_t column) const { return neighbour(backward_ ? time - 1 : time + 1, column); }

 private:
  int64_t neighbour(int64_t time, int64_t column) const { return column < size(time) ? first(time) + column : -1; }
  const std::vector<int64_t>& sizes_;
  bool backward_;
  std::vector<int64_t> first_;
};

// A contiguous matrix of floats.
struct RowsAt {
  explicit RowsAt(const at::Tensor& t) : data(t.data_ptr<float>()), width(t.size(-1)) {}
  float* operator()(int64_t row) const { return data + row * width; }
  float* data;
  int64_t width;
};

// do_row(column) for each, spread over threads when a step's work is worth it.
template <class Do>
void for_columns(int64_t count, int64_t width, Do do_row) {
  const int64_t grain = std::max<int64_t>(1, 16384 / width);
  at::parallel_for(0, count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t column = begin; column < end; ++column) do_row(column);
  });
}

void copy_row(const float* from, float* to, int64_t width) { std::copy_n(from, width, to); }

// The values that the forward pass leaves for the backward one. gates [N, G·H]. before [N, H] is the h that a row's step
// started from. cells [N, H] is the c of an LSTM after the step, W_hn h + b_hn of a GRU.
struct Kept {
  at::Tensor gates, before, cells;
};

struct RecurrentLayer : torch::autograd::Function<RecurrentLayer> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                                                const at::Tensor& h, const at::Tensor& c, const at::Tensor& w_ih,
                                                const at::Tensor& w_hh, const at::Tensor& b_ih, const at::Tensor& b_hh,
                                                const std::vector<int64_t>& sizes, int64_t cell_number, bool backward,
                                                int64_t precision_number) {
    const auto cell = static_cast<Cell>(cell_number);
    const auto precision = static_cast<Precision>(precision_number);
    const Walk walk(sizes, backward);
    const int64_t rows = x.size(0), width = w_hh.size(1), batch = walk.batch();
    const at::Tensor input = x.contiguous(), h0 = h.contiguous(), c0 = c.contiguous();
    const auto empty = [&](int64_t n, int64_t m) { return at::empty({n, m}, x.options()); };
    Kept kept{empty(rows, gates(cell) * width), empty(rows, width), cell == Cell::rnn ? at::Tensor() : empty(rows, width)};
    const at::Tensor output = empty(rows, width), last_h = empty(batch, width),
                     last_c = cell == Cell::lstm ? empty(batch, width) : at::Tensor();
    product(input, w_ih.t(), kept.gates, /*add=*/false, precision);
    const SharedFactor recurrent(w_hh.t(), batch, precision);
    const at::Tensor bias = cell == Cell::gru ? b_ih.contiguous() : b_ih + b_hh, state_bias = b_hh.contiguous();
    const at::Tensor state_sums = cell == Cell::gru ? empty(batch, 3 * width) : at::Tensor();
    const RowsAt gate(kept.gates), before(kept.before), out(output), start(h0), end(last_h);
    for (int64_t step = 0; step < walk.steps(); ++step) {
      const int64_t t = walk.time(step), first = walk.first(t), size = walk.size(t);
      for (int64_t column = 0; column < size; ++column)
        if (walk.before(t, column) < 0) copy_row(start(column), before(first + column), width);
      if (cell == Cell::gru)
        recurrent.multiply(before(first), size, state_sums.data_ptr<float>(), /*add=*/false);
      else
        recurrent.multiply(before(first), size, gate(first), /*add=*/true);
      for_columns(size, width, [&](int64_t column) {
        const int64_t row = first + column, previous = walk.before(t, column), next = walk.after(t, column);
        switch (cell) {
          case Cell::lstm: {
            const RowsAt cells(kept.cells);
            lstm_step(width, gate(row), bias.data_ptr<float>(), previous < 0 ? RowsAt(c0)(column) : cells(previous),
                      cells(row), out(row));
            if (next < 0) copy_row(cells(row), RowsAt(last_c)(column), width);
            break;
          }
          case Cell::gru:
            gru_step(width, gate(row), bias.data_ptr<float>(), RowsAt(state_sums)(column), state_bias.data_ptr<float>(),
                     before(row), RowsAt(kept.cells)(row), out(row));
            break;
          case Cell::rnn:
            rnn_step(width, gate(row), bias.data_ptr<float>());
            copy_row(gate(row), out(row), width);
            break;
        }
        copy_row(out(row), next < 0 ? end(column) : before(next), width);
      });
    }
    context->save_for_backward({input, c0, w_ih, w_hh, kept.gates, kept.before, kept.cells});
    context->saved_data["sizes"] = sizes;
    context->saved_data["cell"] = cell_number;
    context->saved_data["backward"] = backward;
    context->saved_data["precision"] = precision_number;
    if (cell == Cell::lstm) return {output, last_h, last_c};
    return {output, last_h};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &c0 = saved[1], &w_ih = saved[2], &w_hh = saved[3];
    const Kept kept{saved[4], saved[5], saved[6]};
    const std::vector<int64_t> sizes = context->saved_data["sizes"].toIntVector();
    const auto cell = static_cast<Cell>(context->saved_data["cell"].toInt());
    const auto precision = static_cast<Precision>(context->saved_data["precision"].toInt());
    const Walk walk(sizes, context->saved_data["backward"].toBool());
    const int64_t width = w_hh.size(1), batch = walk.batch();
    const at::Tensor d_output = gradients[0].contiguous();
    const at::Tensor dh = gradients[1].clone(at::MemoryFormat::Contiguous),
                     dc = cell == Cell::lstm ? gradients[2].clone(at::MemoryFormat::Contiguous) : at::Tensor();
    const at::Tensor d_sums = at::empty_like(kept.gates), d_state_sums = cell == Cell::gru ? at::empty_like(d_sums) : d_sums;
    const SharedFactor recurrent(w_hh, batch, precision);
    const RowsAt gate(kept.gates), d_out(d_output), d_h(dh), d_sum(d_sums), d_state_sum(d_state_sums);
    for (int64_t step = walk.steps() - 1; step >= 0; --step) {
      const int64_t t = walk.time(step), first = walk.first(t), size = walk.size(t);
      for_columns(size, width, [&](int64_t column) {
        const int64_t row = first + column;
        float* const d = d_h(column);
        const float* const from_output = d_out(row);
        for (int64_t k = 0; k < width; ++k) d[k] += from_output[k];
        switch (cell) {
          case Cell::lstm: {
            const RowsAt cells(kept.cells);
            const int64_t previous = walk.before(t, column);
            lstm_step_backward(width, gate(row), previous < 0 ? RowsAt(c0)(column) : cells(previous), cells(row), d,
                               RowsAt(dc)(column), d_sum(row));
            break;
          }
          case Cell::gru:
            gru_step_backward(width, gate(row), RowsAt(kept.cells)(row), RowsAt(kept.before)(row), d, d_sum(row),
                              d_state_sum(row));
            break;
          case Cell::rnn:
            rnn_step_backward(width, gate(row), d, d_sum(row));
            break;
        }
      });
      recurrent.multiply(d_state_sum(first), size, dh.data_ptr<float>(), /*add=*/cell == Cell::gru);
    }
    const auto multiplied = [&](bool needed, const at::Tensor& a, const at::Tensor& b) {
      if (!needed) return at::Tensor();
      const at::Tensor y = at::empty({a.size(0), b.size(1)}, x.options());
      product(a, b, y, /*add=*/false, precision);
      return y;
    };
    const at::Tensor d_bias = d_sums.sum(0), d_state_bias = cell == Cell::gru ? d_state_sums.sum(0) : d_bias.clone();
    return {multiplied(context->needs_input_grad(0), d_sums, w_ih),
            dh,
            dc,
            multiplied(true, d_sums.t(), x),
            multiplied(true, d_state_sums.t(), kept.before),
            d_bias,
            d_state_bias,
            {},
            {},
            {},
            {}};
  }
};

}  // namespace

DirectionOutput run_direction(Cell cell, const at::Tensor& x, const std::vector<int64_t>& sizes, bool backward,
                              const at::Tensor& h, const at::Tensor& c, const RecurrentWeights& w, Precision precision) {
  // autograd::Function takes no undefined tensors; an empty one stands for the c that only an LSTM has.
  const auto out =
      RecurrentLayer::apply(x, h, cell == Cell::lstm ? c : at::empty({0}, x.options()), w.w_ih, w.w_hh, w.b_ih, w.b_hh,
                            sizes, static_cast<int64_t>(cell), backward, static_cast<int64_t>(precision));
  return {out[0], out[1], cell == Cell::lstm ? out[2] : at::Tensor()};
}

}  // namespace tacet
