// See picture.h. libjpeg-turbo and libpng decode, ATen resizes.
#include "data/files/picture.h"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <vector>

#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/from_blob.h>

#include "base/mapped_file.h"
#include "tacet/error.h"

namespace tacet {
namespace {

struct Size {
  int64_t height, width;
};
struct Region {
  double top, left, height, width;  // in pixels of the whole picture
};

// The picture as bytes [height, width, 3], perhaps at a part of its size.
struct Pixels {
  Size size;
  std::vector<uint8_t> rgb;
};

class Jpeg {
 public:
  Jpeg(const std::string& path, const MappedFile& file) : path_(path), file_(file), handle_(tjInitDecompress(), tjDestroy) {
    int height = 0, width = 0, subsampling = 0;
    if (tjDecompressHeader3(handle_.get(), file_.data(), static_cast<unsigned long>(file_.size()), &width, &height,
                            &subsampling, &colours_) != 0)
      check();
    if (height <= 0 || width <= 0) throw UserError(path_ + ": can't be decoded as JPEG: its header gives no size");
    size_ = {height, width};
  }
  Size size() const { return size_; }

  // At 1/divisor of the size, rounded up; divisor 1, 2, 4 or 8.
  Pixels decode(int divisor) {
    Pixels p{{(size_.height + divisor - 1) / divisor, (size_.width + divisor - 1) / divisor}, {}};
    const bool inks = colours_ == TJCS_CMYK || colours_ == TJCS_YCCK;
    const int64_t channels = inks ? 4 : 3;
    p.rgb.resize(static_cast<size_t>(p.size.height * p.size.width * channels));
    if (tjDecompress2(handle_.get(), file_.data(), static_cast<unsigned long>(file_.size()), p.rgb.data(),
                      static_cast<int>(p.size.width), 0, static_cast<int>(p.size.height), inks ? TJPF_CMYK : TJPF_RGB,
                      TJFLAG_ACCURATEDCT) != 0)
      check();
    if (inks) {  // such files hold the inks inverted, as Adobe's programs write them
      const auto count = static_cast<size_t>(p.size.height * p.size.width);
      for (size_t k = 0; k < count; ++k)
        for (size_t c = 0; c < 3; ++c) p.rgb[3 * k + c] = static_cast<uint8_t>(p.rgb[4 * k + c] * p.rgb[4 * k + 3] / 255);
      p.rgb.resize(3 * count);
    }
    return p;
  }

 private:
  // Many published pictures have odd extra bytes, which is only a warning; a missing end is more than that.
  void check() const {
    const std::string what = tjGetErrorStr2(handle_.get());
    if (tjGetErrorCode(handle_.get()) == TJERR_WARNING && what.find("Premature end") == std::string::npos) return;
    throw UserError(path_ + ": can't be decoded as JPEG: " + what);
  }

  const std::string& path_;
  const MappedFile& file_;
  std::unique_ptr<void, int (*)(tjhandle)> handle_;
  Size size_{};
  int colours_ = 0;
};

// libpng's reader of one file in memory. It leaves an error by longjmp, so it is called through tried().
struct PngReader {
  explicit PngReader(const MappedFile& file) : data(file.data()), left(static_cast<size_t>(file.size())) {
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

Pixels decode_png(const std::string& path, const MappedFile& file) {
  PngReader r(file);
  const auto fail = [&](const std::string& what) { throw UserError(path + ": can't be decoded as PNG: " + what); };
  if (!tried(r, [&] { ask_for_rgb(r); })) fail(r.error);
  Pixels p{{png_get_image_height(r.png, r.info), png_get_image_width(r.png, r.info)}, {}};
  // deflate can't shrink anything to less than a 1,032nd, so a header that claims more is found before memory is taken.
  if (static_cast<double>(png_get_rowbytes(r.png, r.info)) * static_cast<double>(p.size.height) >
      1032.0 * static_cast<double>(file.size()))
    fail("the file is cut off");
  if (!tried(r, [&] { png_read_update_info(r.png, r.info); })) fail(r.error);
  if (png_get_rowbytes(r.png, r.info) != static_cast<size_t>(3 * p.size.width)) fail("its pixels are of an unknown kind");
  p.rgb.resize(static_cast<size_t>(3 * p.size.height * p.size.width));
  std::vector<png_bytep> rows;
  for (int64_t y = 0; y < p.size.height; ++y) rows.push_back(p.rgb.data() + 3 * y * p.size.width);
  if (!tried(r, [&] { png_read_image(r.png, rows.data()); })) fail(r.error);
  return p;
}

Region centred(const Size& s, double part) {
  const double side = std::max(1.0, std::round(static_cast<double>(std::min(s.height, s.width)) * part));
  return {(static_cast<double>(s.height) - side) / 2, (static_cast<double>(s.width) - side) / 2, side, side};
}

Region random_region(const Size& s, double least_area, Stream& random) {
  const auto height = static_cast<double>(s.height), width = static_cast<double>(s.width);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = height * width * (least_area + (1 - least_area) * random.uniform());
    const double aspect = std::exp(std::log(3.0 / 4) + std::log(16.0 / 9) * random.uniform());
    const double w = std::round(std::sqrt(area * aspect)), h = std::round(std::sqrt(area / aspect));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const auto top = static_cast<double>(random.below(static_cast<uint64_t>(height - h) + 1));
    const auto left = static_cast<double>(random.below(static_cast<uint64_t>(width - w) + 1));
    return {top, left, h, w};
  }
  return centred(s, 1);
}

// The region, given in pixels of a picture `divisor` times as large, resized to side × side planes.
void resize(const Pixels& p, const Region& r, int divisor, int64_t side, uint8_t* out) {
  const auto part = [divisor](double from, double length, int64_t whole) {
    const int64_t size = std::clamp<int64_t>(std::llround(length / divisor), 1, whole);
    return std::pair(std::clamp<int64_t>(static_cast<int64_t>(std::floor(from / divisor)), 0, whole - size), size);
  };
  const auto [top, height] = part(r.top, r.height, p.size.height);
  const auto [left, width] = part(r.left, r.width, p.size.width);
  at::Tensor planes = at::from_blob(const_cast<uint8_t*>(p.rgb.data()), {1, p.size.height, p.size.width, 3}, at::kByte)
                          .narrow(1, top, height)
                          .narrow(2, left, width)
                          .permute({0, 3, 1, 2});
  if (height != side || width != side)
    planes = at::_upsample_bilinear2d_aa(planes.to(at::kFloat).contiguous(), {side, side}, false)
                 .round_()
                 .clamp_(0, 255)
                 .to(at::kByte);
  const at::Tensor result = planes.contiguous();
  std::memcpy(out, result.data_ptr<uint8_t>(), static_cast<size_t>(3 * side * side));
}

}  // namespace

std::string picture_kind(const uint8_t* p, int64_t size) {
  static const struct {
    const char* kind;
    int64_t at;
    std::string_view bytes;
  } marks[] = {{"png", 0, "\x89PNG\r\n\x1a\n"},
               {"jpg", 0, "\xff\xd8\xff"},
               {"gif", 0, "GIF8"},
               {"webp", 8, "WEBP"},
               {"tiff", 0, {"II*\0", 4}},
               {"tiff", 0, {"MM\0*", 4}},
               {"avif", 4, "ftypavif"},
               {"heic", 4, "ftypheic"},
               {"heic", 4, "ftypmif1"},
               {"psd", 0, "8BPS"},
               {"jp2", 0, {"\0\0\0\x0cjP  ", 8}}};
  for (const auto& m : marks) {
    const auto n = static_cast<int64_t>(m.bytes.size());
    if (size >= m.at + n && std::memcmp(p + m.at, m.bytes.data(), m.bytes.size()) == 0) return m.kind;
  }
  return "";
}

void read_picture(const std::string& path, const PictureCrop& crop, Stream* random, uint8_t* out) {
  const MappedFile file(path);
  const auto region = [&](const Size& s) {
    return random ? random_region(s, crop.least_area, *random) : centred(s, crop.centre);
  };
  const std::string kind = picture_kind(file.data(), file.size());
  if (kind == "png") {
    const Pixels p = decode_png(path, file);
    resize(p, region(p.size), 1, crop.side, out);
    return;
  }
  if (kind != "jpg")
    throw UserError(path + ": must be a JPEG or PNG picture, " +
                    (file.size() == 0 ? "is empty"
                     : kind.empty()   ? "starts with other bytes"
                                      : "is " + kind));
  Jpeg jpeg(path, file);
  const Region r = region(jpeg.size());
  int divisor = 1;
  while (divisor < 8 && std::min(r.height, r.width) >= static_cast<double>(2 * divisor * crop.side)) divisor *= 2;
  resize(jpeg.decode(divisor), r, divisor, crop.side, out);
}

}  // namespace tacet
