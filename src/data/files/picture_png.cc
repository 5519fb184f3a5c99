// Reads PNG with libpng. See picture_formats.h.
#include <png.h>

#include <csetjmp>
#include <cstring>
#include <new>

#include "data/files/picture_formats.h"

namespace tacet {
namespace {

// libpng's reader of one file in memory. It leaves an error by longjmp, so it is called through tried().
struct PngReader {
  explicit PngReader(const PictureBytes& file) : data(file.data), left(file.size) {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, give_up, [](png_structp, png_const_charp) {});
    if (png) info = png_create_info_struct(png);
    if (!info) throw std::bad_alloc();
    png_set_read_fn(png, this, read);
    png_set_benign_errors(png, 1);  // odd colour profiles are common and harmless
  }
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  static void read(png_structp png, png_bytep out, size_t n) {
    auto& from = *static_cast<PngReader*>(png_get_io_ptr(png));
    if (n > from.left) png_error(png, "the file is cut off");
    std::memcpy(out, from.data, n);
    from.data += n;
    from.left -= n;
  }
  [[noreturn]] static void give_up(png_structp png, png_const_charp what) {
    static_cast<PngReader*>(png_get_error_ptr(png))->error = what;
    png_longjmp(png, 1);
  }

  const uint8_t* data;
  size_t left;
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::string error;
};

// Takes a step of reading and returns false where libpng gave up. REQUIRES: nothing in `step` needs a destructor.
template <class Step>
bool tried(PngReader& reader, const Step& step) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  step();
  return true;
}

// Asks for 8-bit RGB with the file's own values: no gamma, no alpha, 16 bits rounded to 8.
void ask_for_rgb(PngReader& r) {
  png_read_info(r.png, r.info);
  png_set_expand(r.png);
  png_set_scale_16(r.png);
  png_set_gray_to_rgb(r.png);
  png_set_strip_alpha(r.png);
  png_set_interlace_handling(r.png);
}

}  // namespace

Pixels decode_png(const PictureBytes& file) {
  PngReader r(file);
  if (!tried(r, [&] { ask_for_rgb(r); })) file.fail(r.error);
  const PictureSize size{png_get_image_height(r.png, r.info), png_get_image_width(r.png, r.info)};
  // deflate can't shrink anything to less than a 1,032nd, so a header that claims more is found before memory is taken.
  if (static_cast<double>(png_get_rowbytes(r.png, r.info)) * static_cast<double>(size.height) >
      1032.0 * static_cast<double>(file.size))
    file.fail("the file is cut off");
  if (!tried(r, [&] { png_read_update_info(r.png, r.info); })) file.fail(r.error);
  if (png_get_rowbytes(r.png, r.info) != static_cast<size_t>(3 * size.width)) file.fail("its pixels are of an unknown kind");
  Pixels p = file.blank(size);
  std::vector<png_bytep> rows;
  for (int64_t y = 0; y < size.height; ++y) rows.push_back(p.rgb.data() + 3 * y * size.width);
  if (!tried(r, [&] { png_read_image(r.png, rows.data()); })) file.fail(r.error);
  return p;
}

}  // namespace tacet
