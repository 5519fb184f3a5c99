// The work of recurrent cells and of the softmax of a vocabulary between matrix products, a row at a time, forward and
// backward, vectorised. exp and tanh are polynomials within 2 units in the last place of libm's. Widths H are counts of
// floats; the gates of a step lie one after the other, H each, in torch's order.
#pragma once

#include <cstdint>

namespace tacet {

// gates [4H] (i, f, g, o): on entry their sums without bias, on return the gates. c, h [H] ← the step's; c_before may be c.
void lstm_step(int64_t width, float* gates, const float* bias, const float* c_before, float* c, float* h);
// dh [H]: gradient of h; dc [H]: of c, replaced by that of c_before. d_sums [4H] ← gradient of the sums.
void lstm_step_backward(int64_t width, const float* gates, const float* c_before, const float* c, const float* dh, float* dc,
                        float* d_sums);

// gates [3H] (r, z, n): on entry the input's sums without bias, on return the gates. state_sums [3H]: W_hh h without bias.
// state_new [H] ← W_hn h + b_hn. h [H] ← the step's.
void gru_step(int64_t width, float* gates, const float* bias_ih, const float* state_sums, const float* bias_hh,
              const float* h_before, float* state_new, float* h);
// dh [H]: gradient of h, replaced by what of it reaches h_before directly. d_sums, d_state_sums [3H] ← gradients of both
// sums.
void gru_step_backward(int64_t width, const float* gates, const float* state_new, const float* h_before, float* dh,
                       float* d_sums, float* d_state_sums);

// h [H] ← tanh(h + bias).
void rnn_step(int64_t width, float* h, const float* bias);
// d_sums [H] ← gradient of the sum, from dh [H] of h.
void rnn_step_backward(int64_t width, const float* h, const float* dh, float* d_sums);

// A row of V scores, without their bias (which may be null), becomes `scale` times the gradient of its cross-entropy with
// class `wanted`, which is returned.
double entropy_row(int64_t vocabulary, float* scores, const float* bias, int64_t wanted, float scale);

}  // namespace tacet
