// Reads GIF with giflib, which gives the indices into the palette that the file holds. See picture_formats.h.
#include <gif_lib.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "data/files/picture_formats.h"

namespace tacet {
namespace {

// giflib's reader of one file in memory.
class GifReader {
 public:
  explicit GifReader(const PictureBytes& file) : file_(file), left_(file.size), gif_(nullptr) {
    int error = 0;
    gif_ = DGifOpen(this, read, &error);
    if (!gif_) fail(error);
  }
  ~GifReader() { DGifCloseFile(gif_, nullptr); }
  GifReader(const GifReader&) = delete;
  GifReader& operator=(const GifReader&) = delete;

  // Goes to the first frame's pixels.
  void find_frame() {
    GifRecordType next = UNDEFINED_RECORD_TYPE;
    while (next != IMAGE_DESC_RECORD_TYPE) {
      check(DGifGetRecordType(gif_, &next));
      if (next == EXTENSION_RECORD_TYPE) read_extension();
      if (next == TERMINATE_RECORD_TYPE) file_.fail("it holds no frame");
    }
    check(DGifGetImageDesc(gif_));
  }
  const GifImageDesc& frame() const { return gif_->Image; }
  // Returns the size of the picture that shows the frame.
  PictureSize size() const {
    return {std::max(gif_->SHeight, frame().Top + frame().Height), std::max(gif_->SWidth, frame().Left + frame().Width)};
  }
  void next_row(std::vector<GifPixelType>& row) { check(DGifGetLine(gif_, row.data(), static_cast<int>(row.size()))); }

  // Writes a colour of the frame's palette, or of the picture's. Without either, indices are grey levels.
  void write_colour(int index, uint8_t* rgb) const {
    const ColorMapObject* palette = frame().ColorMap ? frame().ColorMap : gif_->SColorMap;
    if (palette && index >= palette->ColorCount)
      file_.fail("a pixel has colour " + std::to_string(index) + " of a palette of " + std::to_string(palette->ColorCount));
    const auto grey = static_cast<uint8_t>(index);
    const GifColorType c = palette ? palette->Colors[index] : GifColorType{grey, grey, grey};
    rgb[0] = c.Red, rgb[1] = c.Green, rgb[2] = c.Blue;
  }
  int transparent() const { return transparent_; }

 private:
  static int read(GifFileType* gif, GifByteType* out, int n) {
    auto& from = *static_cast<GifReader*>(gif->UserData);
    const size_t taken = std::min(from.left_, static_cast<size_t>(n));
    std::memcpy(out, from.file_.data + (from.file_.size - from.left_), taken);
    from.left_ -= taken;
    return static_cast<int>(taken);
  }
  void read_extension() {
    int code = 0;
    GifByteType* block = nullptr;  // begins with its length
    check(DGifGetExtension(gif_, &code, &block));
    if (code == GRAPHICS_EXT_FUNC_CODE && block && block[0] >= 4 && (block[1] & 1)) transparent_ = block[4];
    while (block) check(DGifGetExtensionNext(gif_, &block));
  }
  void check(int result) const {
    if (result != GIF_OK) fail(gif_->Error);
  }
  [[noreturn]] void fail(int error) const {
    const char* text = GifErrorString(error);
    file_.fail(left_ == 0 ? "it is cut off" : text ? text : "it is damaged");
  }

  const PictureBytes& file_;
  size_t left_;
  GifFileType* gif_;
  int transparent_ = 0;
};

// Returns the places of the rows in the order in which the file holds them.
std::vector<int64_t> row_order(const GifImageDesc& frame) {
  std::vector<int64_t> order;
  if (!frame.Interlace) {
    for (int y = 0; y < frame.Height; ++y) order.push_back(y);
    return order;
  }
  constexpr int kPasses[][2] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}};  // first row and step
  for (const auto& [first, step] : kPasses)
    for (int y = first; y < frame.Height; y += step) order.push_back(y);
  return order;
}

}  // namespace

Pixels decode_gif(const PictureBytes& file) {
  GifReader gif(file);
  gif.find_frame();
  Pixels p = file.blank(gif.size());
  const GifImageDesc& frame = gif.frame();
  if (frame.Width == 0 || frame.Height == 0) file.fail("its first frame has no size");
  if (frame.Width < p.size.width || frame.Height < p.size.height)
    for (size_t k = 0; k < p.rgb.size(); k += 3) gif.write_colour(gif.transparent(), p.rgb.data() + k);
  std::vector<GifPixelType> row(static_cast<size_t>(frame.Width));
  for (const int64_t y : row_order(frame)) {
    gif.next_row(row);
    uint8_t* out = p.rgb.data() + 3 * ((frame.Top + y) * p.size.width + frame.Left);
    for (const GifPixelType index : row) gif.write_colour(index, std::exchange(out, out + 3));
  }
  return p;
}

}  // namespace tacet
