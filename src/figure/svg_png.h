// A drawing as a PNG file, for programs that show no SVG. The drawing is made elsewhere.
#pragma once

#include <string>

namespace tacet {

// Makes a PNG of an SVG file by librsvg's own program, at twice its size. Returns false where that is missing or fails.
bool write_png(const std::string& svg, const std::string& png);

// Says in the words of an error that no PNG was made.
inline constexpr const char* kNoPng = "no PNG: rsvg-convert (Debian's librsvg2-bin) is missing or has failed";

}  // namespace tacet
