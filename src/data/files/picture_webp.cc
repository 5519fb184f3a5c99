// Reads WebP with libwebp. See picture_formats.h.
#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "data/files/picture_formats.h"

namespace tacet {
namespace {

// A frame within its file.
struct WebpFrame : WebPIterator {
  WebpFrame() : WebPIterator{} {}
  ~WebpFrame() { WebPDemuxReleaseIterator(this); }
  WebpFrame(const WebpFrame&) = delete;
  WebpFrame& operator=(const WebpFrame&) = delete;
};

}  // namespace

Pixels decode_webp(const PictureBytes& file) {
  const WebPData bytes{file.data, file.size};
  const std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)> parts(WebPDemux(&bytes), WebPDemuxDelete);
  WebpFrame frame;
  if (!parts || !WebPDemuxGetFrame(parts.get(), 1, &frame)) file.fail("it is damaged or cut off");
  Pixels p =
      file.blank({WebPDemuxGetI(parts.get(), WEBP_FF_CANVAS_HEIGHT), WebPDemuxGetI(parts.get(), WEBP_FF_CANVAS_WIDTH)});
  // A frame of an animation may be smaller than the picture; the rest then stays black.
  if (frame.x_offset + int64_t{frame.width} > p.size.width || frame.y_offset + int64_t{frame.height} > p.size.height)
    file.fail("its first frame is larger than the picture");
  const auto begin = static_cast<size_t>(3 * (frame.y_offset * p.size.width + frame.x_offset));
  if (!WebPDecodeRGBInto(frame.fragment.bytes, frame.fragment.size, p.rgb.data() + begin, p.rgb.size() - begin,
                         static_cast<int>(3 * p.size.width)))
    file.fail("it is damaged or cut off");
  return p;
}

}  // namespace tacet
