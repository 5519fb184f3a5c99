// Products of few rows with a matrix that is read from cache or memory each time: what a recurrent layer with a small batch
// does at every time step. oneDNN reads the matrix at about two thirds of this speed. Beside its naive twin, oneDNN's
// product.
#pragma once

#include <cstdint>

namespace tacet {

// A right factor b [k, n] in panels of 64 columns, zeros beyond the last; oneDNN's order BA16a64b, or BA16a64b2a of bf16
// pairs.
struct Panels {
  const void* data;
  int64_t k, n;
  bool bf16;
  // Not null, floats only: each panel holds what is not zero, line by line, and these bits say where it belongs, [panels, k]
  // of 64 bits. Half the bytes of a matrix with dropped weights.
  const uint64_t* kept = nullptr;
};

// Returns true if this processor has AVX-512, which multiply_panels needs, and its bf16 products if asked. Constant in a
// process.
bool has_panels(bool bf16);

// Return the room for the panels of b [k, n], in floats, and for the words of `kept`.
int64_t panel_floats(int64_t k, int64_t n);
int64_t panel_lines(int64_t k, int64_t n);

// A matrix of floats with any distance between its rows and between its columns, one of the two 1.
struct Strided {
  const float* data;
  int64_t row, column;
};

// Brings b [k, n] into panels of floats. kept not null: without zeros if enough of them are there, and returns whether so.
bool pack_panels(const Strided& b, int64_t k, int64_t n, float* panels, uint64_t* kept);

// The most rows for which panels without zeros are faster: those that share one look at a line.
constexpr int64_t rows_at_once = 6;

// y [rows, n] = a [rows, k] · b, or y += a · b. a: floats, or bf16 numbers with an even distance between rows, ⌈k/2⌉·2, and
// 0 in what that adds. last_first: visits the panels from the last to the first, so that a second product finds in the cache
// what the first left there; the result is the same.
void multiply_panels(const void* a, int64_t rows, const Panels& b, float* y, bool add, bool last_first);

// a [rows, k] rounded to bf16, nearest and ties to even, in the form multiply_panels takes.
void round_to_pairs(const float* a, int64_t rows, int64_t k, uint16_t* out);

}  // namespace tacet
