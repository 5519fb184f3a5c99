// See picture.h. JPEG is decoded here, as a part of its size may do; ATen resizes.
#include "data/files/picture.h"

#include <turbojpeg.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/from_blob.h>

#include "base/mapped_file.h"
#include "data/files/picture_formats.h"
#include "tacet/error.h"

namespace tacet {
namespace {

struct Region {
  double top, left, height, width;  // in pixels of the whole picture
};

class Jpeg {
 public:
  explicit Jpeg(const PictureBytes& file) : file_(file), handle_(tjInitDecompress(), tjDestroy) {
    int height = 0, width = 0, subsampling = 0;
    if (tjDecompressHeader3(handle_.get(), file_.data, static_cast<unsigned long>(file_.size), &width, &height, &subsampling,
                            &colours_) != 0)
      check();
    size_ = {height, width};
    file_.check_size(size_);
  }
  PictureSize size() const { return size_; }

  // At 1/divisor of the size, rounded up; divisor 1, 2, 4 or 8.
  Pixels decode(int divisor) {
    Pixels p{{(size_.height + divisor - 1) / divisor, (size_.width + divisor - 1) / divisor}, {}};
    const bool inks = colours_ == TJCS_CMYK || colours_ == TJCS_YCCK;
    const int64_t channels = inks ? 4 : 3;
    p.rgb.resize(static_cast<size_t>(p.size.height * p.size.width * channels));
    if (tjDecompress2(handle_.get(), file_.data, static_cast<unsigned long>(file_.size), p.rgb.data(),
                      static_cast<int>(p.size.width), 0, static_cast<int>(p.size.height), inks ? TJPF_CMYK : TJPF_RGB,
                      TJFLAG_ACCURATEDCT) != 0)
      check();
    if (inks) {  // such files hold the inks inverted, as Adobe's programs write them
      const auto count = static_cast<size_t>(p.size.height * p.size.width);
      for (size_t k = 0; k < count; ++k)
        for (size_t c = 0; c < 3; ++c)
          p.rgb[3 * k + c] = as_byte(uint64_t{p.rgb[4 * k + c]} * p.rgb[4 * k + 3], uint64_t{255} * 255);
      p.rgb.resize(3 * count);
    }
    return p;
  }

 private:
  // Many published pictures have odd extra bytes, which is only a warning; a missing end is more than that. Only the first
  // warning is told, so the end is looked for as well.
  void check() const {
    const std::string what = tjGetErrorStr2(handle_.get());
    if (tjGetErrorCode(handle_.get()) != TJERR_WARNING || what.find("remature end") != std::string::npos) file_.fail(what);
    if (!has_end()) file_.fail(what + "; the end of the picture is missing");
  }

  // Returns true where an end-of-image marker follows the last scan. Within a scan's data FF is never followed by DA or D9.
  bool has_end() const {
    const std::string_view bytes(reinterpret_cast<const char*>(file_.data), file_.size);
    const size_t scan = bytes.rfind("\xFF\xDA");
    return scan != std::string_view::npos && bytes.find("\xFF\xD9", scan) != std::string_view::npos;
  }

  const PictureBytes& file_;
  std::unique_ptr<void, int (*)(tjhandle)> handle_;
  PictureSize size_{};
  int colours_ = 0;
};

Region centred(const PictureSize& s, double part) {
  const double side = std::max(1.0, std::round(static_cast<double>(std::min(s.height, s.width)) * part));
  return {(static_cast<double>(s.height) - side) / 2, (static_cast<double>(s.width) - side) / 2, side, side};
}

Region random_region(const PictureSize& s, double least_area, Stream& random) {
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

// A format whose pictures are read. Its decoder is null for JPEG, which is decoded here.
struct PictureFormat {
  const char* kind;
  const char* name;  // in messages
  Pixels (*decode)(const PictureBytes&);
  std::vector<std::string> ends;  // of files' names
};

const std::vector<PictureFormat>& formats() {
  static const std::vector<PictureFormat> all = {{"jpg", "JPEG", nullptr, {"jpg", "jpeg"}},
                                                 {"png", "PNG", decode_png, {"png"}},
                                                 {"webp", "WebP", decode_webp, {"webp"}},
                                                 {"tiff", "TIFF", decode_tiff, {"tif", "tiff"}},
                                                 {"gif", "GIF", decode_gif, {"gif"}},
                                                 {"bmp", "BMP", decode_bmp, {"bmp"}},
                                                 {"pnm", "PNM", decode_pnm, {"pbm", "pgm", "ppm", "pnm"}}};
  return all;
}

const PictureFormat* format_of(const std::string& kind) {
  for (const PictureFormat& f : formats())
    if (f.kind == kind) return &f;
  return nullptr;
}

// Tells if a file begins with the name and a header of a bitmap, not with a text like "BMW".
bool is_bmp(const uint8_t* p, int64_t size) {
  if (size < 18 || p[0] != 'B' || p[1] != 'M' || p[15] != 0 || p[16] != 0 || p[17] != 0) return false;
  const int header = p[14];
  return header == 12 || header == 40 || header == 52 || header == 56 || header == 64 || header == 108 || header == 124;
}

// Tells if a file begins with "P6 8 8" and the like, not with a text like "P1 is faster".
bool is_pnm(const uint8_t* p, int64_t size) {
  if (size < 4 || p[0] != 'P' || p[1] < '1' || p[1] > '6') return false;
  int64_t k = 2;
  while (k < std::min(size, kPictureMark) && (p[k] == ' ' || (p[k] >= '\t' && p[k] <= '\r'))) ++k;
  return k > 2 && k < size && (p[k] == '#' || (p[k] >= '0' && p[k] <= '9'));
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
               {"tiff", 0, {"II+\0\b\0\0\0", 8}},
               {"tiff", 0, {"MM\0+\0\b\0\0", 8}},
               {"avif", 4, "ftypavif"},
               {"heic", 4, "ftypheic"},
               {"heic", 4, "ftypmif1"},
               {"psd", 0, "8BPS"},
               {"jp2", 0, {"\0\0\0\x0cjP  ", 8}}};
  for (const auto& m : marks) {
    const auto n = static_cast<int64_t>(m.bytes.size());
    if (size >= m.at + n && std::memcmp(p + m.at, m.bytes.data(), m.bytes.size()) == 0) return m.kind;
  }
  return is_bmp(p, size) ? "bmp" : is_pnm(p, size) ? "pnm" : "";
}

std::string picture_kind_of_name(const std::string& end) {
  for (const PictureFormat& f : formats())
    if (std::find(f.ends.begin(), f.ends.end(), end) != f.ends.end()) return f.kind;
  return "";
}

bool reads_picture_kind(const std::string& kind) { return format_of(kind) != nullptr; }

std::string picture_formats() {
  std::vector<std::string> names;
  for (const PictureFormat& f : formats()) names.emplace_back(f.name);
  return fmt::format("{} or {}", fmt::join(names.begin(), names.end() - 1, ", "), names.back());
}

void PictureBytes::fail(const std::string& why) const {
  throw UserError(path + ": can't be decoded as " + format + ": " + why);
}

void PictureBytes::check_size(const PictureSize& s) const {
  if (s.height <= 0 || s.width <= 0) fail("its header gives no size");
  const double pixels = static_cast<double>(s.height) * static_cast<double>(s.width);
  if (pixels > 1e8 && pixels > 1000 * static_cast<double>(size))
    fail(fmt::format("its header gives {} × {} pixels, too many for {} bytes", s.width, s.height, size));
}

Pixels PictureBytes::blank(const PictureSize& s) const {
  check_size(s);
  return {s, std::vector<uint8_t>(static_cast<size_t>(3 * s.height * s.width))};
}

void read_picture(const std::string& path, const PictureCrop& crop, Stream* random, uint8_t* out) {
  const MappedFile mapped(path);
  const auto region = [&](const PictureSize& s) {
    return random ? random_region(s, crop.least_area, *random) : centred(s, crop.centre);
  };
  const std::string kind = picture_kind(mapped.data(), mapped.size());
  const PictureFormat* format = format_of(kind);
  if (!format)
    throw UserError(fmt::format("{}: must be a picture ({}), {}", path, picture_formats(),
                                mapped.size() == 0 ? "is empty"
                                : kind.empty()     ? "starts with other bytes"
                                                   : "is " + kind));
  const PictureBytes file{path, format->name, mapped.data(), static_cast<size_t>(mapped.size())};
  if (format->decode) {
    const Pixels p = format->decode(file);
    resize(p, region(p.size), 1, crop.side, out);
    return;
  }
  Jpeg jpeg(file);
  const Region r = region(jpeg.size());
  int divisor = 1;
  while (divisor < 8 && std::min(r.height, r.width) >= static_cast<double>(2 * divisor * crop.side)) divisor *= 2;
  resize(jpeg.decode(divisor), r, divisor, crop.side, out);
}

}  // namespace tacet
