// Reads Netpbm's PBM, PGM and PPM, in text (P1, P2, P3) and binary (P4, P5, P6). The format is a few numbers and then
// values. Libraries in reach take the greatest value for 255 or end the program at an error. See picture_formats.h.
#include <algorithm>
#include <cctype>

#include "data/files/picture_formats.h"

namespace tacet {
namespace {

class PnmReader {
 public:
  explicit PnmReader(const PictureBytes& file) : file_(file) {}

  // Returns the next number of the text. Blanks and comments, from # to the line's end, may stand before it.
  uint64_t number() {
    skip_blanks();
    if (!is_digit()) file_.fail(at_ == file_.size ? "it is cut off" : "a number must stand at byte " + std::to_string(at_));
    uint64_t n = 0;
    for (; is_digit(); ++at_) n = std::min<uint64_t>(10 * n + file_.data[at_] - '0', 1'000'000'000);
    return n;
  }
  // Returns the next 0 or 1 of a text, which may stand without blanks between.
  uint64_t bit() {
    skip_blanks();
    if (at_ == file_.size) file_.fail("it is cut off");
    const uint8_t c = file_.data[at_++];
    if (c != '0' && c != '1') file_.fail("0 or 1 must stand at byte " + std::to_string(at_ - 1));
    return c - '0';
  }
  // Takes the one blank between header and binary values, and returns these.
  const uint8_t* binary(uint64_t bytes) {
    expect(bytes + 1);
    if (!std::isspace(file_.data[at_])) file_.fail("a blank must stand at byte " + std::to_string(at_));
    return file_.data + at_ + 1;
  }
  // Throws where the file has less than that many bytes left.
  void expect(uint64_t bytes) const {
    if (file_.size - at_ < bytes) file_.fail("it is cut off");
  }

 private:
  bool is_digit() const { return at_ < file_.size && std::isdigit(file_.data[at_]); }
  void skip_blanks() {
    for (; at_ < file_.size && (std::isspace(file_.data[at_]) || file_.data[at_] == '#'); ++at_)
      if (file_.data[at_] == '#')
        at_ = static_cast<size_t>(std::find(file_.data + at_, file_.data + file_.size, '\n') - file_.data) - 1;
  }

  const PictureBytes& file_;
  size_t at_ = 2;
};

// Values are read row by row, each at most `most`; grey ones three times.
struct PnmLayout {
  char kind;  // '1' … '6'
  PictureSize size;
  uint64_t most;
  bool text() const { return kind <= '3'; }
  bool bits() const { return kind == '1' || kind == '4'; }
  uint64_t channels() const { return kind == '3' || kind == '6' ? 3 : 1; }
  uint64_t row_values() const { return static_cast<uint64_t>(size.width) * channels(); }
  uint64_t row_bytes() const { return bits() ? (row_values() + 7) / 8 : row_values() * (most > 255 ? 2 : 1); }
};

// Returns value k of a row of binary values. A set bit is black.
uint64_t binary_value(const PnmLayout& layout, const uint8_t* row, uint64_t k) {
  if (layout.bits()) return 1 - (row[k / 8] >> (7 - k % 8) & 1);
  return layout.most > 255 ? uint64_t{row[2 * k]} << 8 | row[2 * k + 1] : row[k];
}

}  // namespace

Pixels decode_pnm(const PictureBytes& file) {
  PnmReader in(file);
  PnmLayout layout{static_cast<char>(file.data[1]), {}, 1};
  layout.size.width = static_cast<int64_t>(in.number());
  layout.size.height = static_cast<int64_t>(in.number());
  if (!layout.bits()) layout.most = in.number();
  if (layout.most < 1 || layout.most > 65535)
    file.fail("its greatest value must be 1 … 65535, is " + std::to_string(layout.most));
  file.check_size(layout.size);
  const auto height = static_cast<uint64_t>(layout.size.height), values = layout.row_values();
  const uint8_t* rows = nullptr;
  if (layout.text())
    in.expect(height * values * (layout.bits() ? 1 : 2));  // a digit, and a blank before it
  else
    rows = in.binary(height * layout.row_bytes());
  Pixels p = file.blank(layout.size);
  uint8_t* out = p.rgb.data();
  for (uint64_t y = 0; y < height; ++y)
    for (uint64_t k = 0; k < values; ++k) {
      const uint64_t value = !layout.text()  ? binary_value(layout, rows + y * layout.row_bytes(), k)
                             : layout.bits() ? 1 - in.bit()
                                             : in.number();
      if (value > layout.most)
        file.fail("a value is " + std::to_string(value) + ", above its header's " + std::to_string(layout.most));
      const uint64_t times = 3 / layout.channels();
      out = std::fill_n(out, times, as_byte(value, layout.most));
    }
  return p;
}

}  // namespace tacet
