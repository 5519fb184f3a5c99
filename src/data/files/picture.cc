// See picture.h. libjpeg-turbo and libpng decode, ATen resizes.
#include "data/files/picture.h"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
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

Pixels decode_png(const std::string& path, const MappedFile& file) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  const std::unique_ptr<png_image, void (*)(png_image*)> guard(&image, png_image_free);
  const auto fail = [&] { throw UserError(path + ": can't be decoded as PNG: " + image.message); };
  if (!png_image_begin_read_from_memory(&image, file.data(), static_cast<size_t>(file.size()))) fail();
  image.format = PNG_FORMAT_RGB;
  Pixels p{{image.height, image.width}, std::vector<uint8_t>(PNG_IMAGE_SIZE(image))};
  const png_color black{0, 0, 0};
  if (!png_image_finish_read(&image, &black, p.rgb.data(), 0, nullptr) || image.warning_or_error > 1) fail();
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

void read_picture(const std::string& path, const PictureCrop& crop, Stream* random, uint8_t* out) {
  const MappedFile file(path);
  const auto region = [&](const Size& s) {
    return random ? random_region(s, crop.least_area, *random) : centred(s, crop.centre);
  };
  if (file.size() >= 8 && png_sig_cmp(file.data(), 0, 8) == 0) {
    const Pixels p = decode_png(path, file);
    resize(p, region(p.size), 1, crop.side, out);
    return;
  }
  if (file.size() < 3 || file.data()[0] != 0xff || file.data()[1] != 0xd8)
    throw UserError(path + ": must be a JPEG or PNG picture, " +
                    (file.size() == 0 ? std::string("is empty") : "starts with other bytes"));
  Jpeg jpeg(path, file);
  const Region r = region(jpeg.size());
  int divisor = 1;
  while (divisor < 8 && std::min(r.height, r.width) >= static_cast<double>(2 * divisor * crop.side)) divisor *= 2;
  resize(jpeg.decode(divisor), r, divisor, crop.side, out);
}

}  // namespace tacet
