// The texts that every report page carries; assets.cc is generated from the files by CMakeLists.txt.
#pragma once

#include <string_view>

namespace tacet {

extern const std::string_view kPageCss;       // page.css
extern const std::string_view kSeriesJs;      // page_series.js
extern const std::string_view kPageJs;        // page.js
extern const std::string_view kUplotCss;      // uPlot.min.css
extern const std::string_view kUplotJs;       // uPlot.iife.min.js
extern const std::string_view kUplotLicense;  // MIT

}  // namespace tacet
