// Sheets of panels: marks stand where their numbers are, texts fit, and what an axis has no place for is left out.
#include "figure/panel_sheet.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <regex>

#include "figure/svg_parts.h"
#include "support/error_of.h"

namespace tacet {
namespace {

size_t times(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

Panel small_panel() {
  return {.title = "a < b",
          .x_label = "x",
          .y_label = "y",
          .series = {{.label = "measured", .x = {0, 5, 10}, .y = {0, 1, 2}},
                     {.label = "fit", .mark = PanelMark::line, .x = {0, 10}, .y = {0, 2}, .colour = 1}}};
}

// x from 0 to 10 is widened to 10.4, and lies from 64 to 626 on a sheet of one column: 5 stands at 64 + 562·5/10.4.
TEST(Panels, HaveTheirMarksWhereTheNumbersAre) {
  const std::string svg = panels_svg({.title = "t", .panels = {small_panel()}});
  EXPECT_NE(svg.find("M64.0 "), std::string::npos) << svg;
  EXPECT_NE(svg.find("M334.2 "), std::string::npos) << svg;
  EXPECT_EQ(times(svg, "class=\"points c0\""), 1u);
  EXPECT_EQ(times(svg, "class=\"line c1\""), 1u);
  EXPECT_EQ(times(svg, "h0"), 3u);
  EXPECT_NE(svg.find(">a &lt; b<"), std::string::npos);
  EXPECT_NE(svg.find("prefers-color-scheme: dark"), std::string::npos);
}

TEST(Panels, OfBarsStandOnZero) {
  const Panel p{.title = "h",
                .x_label = "x",
                .y_label = "n",
                .series = {{.label = "", .mark = PanelMark::bars, .x = {1, 2, 3}, .y = {2, 4, 8}}}};
  const std::string svg = panels_svg({.title = "t", .panels = {p}});
  ASSERT_EQ(times(svg, "class=\"bar c0\""), 3u);
  std::vector<double> heights;
  const std::regex height("class=\"bar c0\"[^>]* height=\"([0-9.]+)\"");
  for (std::sregex_iterator i(svg.begin(), svg.end(), height), end; i != end; ++i)
    heights.push_back(std::atof((*i)[1].str().c_str()));
  ASSERT_EQ(heights.size(), 3u);
  EXPECT_NEAR(heights[1], 2 * heights[0], 0.2);
  EXPECT_NEAR(heights[2], 4 * heights[0], 0.4);
}

TEST(Panels, LeaveOutWhatAnAxisHasNoPlaceFor) {
  Panel p = small_panel();
  p.log_x = p.log_y = true;
  p.series[0].y[1] = std::numeric_limits<double>::quiet_NaN();
  const std::string svg = panels_svg({.title = "t", .panels = {p}});
  EXPECT_EQ(times(svg, "h0"), 1u);  // 0 and nan have no place
  EXPECT_EQ(times(svg, "nan") + times(svg, "inf"), 0u);
  p.series = {{.label = "", .x = {0}, .y = {0}}};
  EXPECT_EQ(test::error_of([&] { (void)panels_svg({.title = "t", .panels = {p}}); }),
            "the figure has nothing to draw: x has no finite value above 0");
}

// Every text lies within its panel: by the width that letters are taken to have, and cut where it would not.
TEST(Panels, HaveTextsThatFit) {
  Panel p = small_panel();
  p.title = std::string(300, 'm');
  p.notes = {std::string(200, 'n')};
  p.series[0].label = std::string(150, 'l');
  p.x_label = std::string(150, 'x');
  PanelSheet sheet{.title = std::string(500, 't'), .panels = {p, p, p, p}, .columns = 3};
  const std::string svg = panels_svg(sheet);
  const std::regex text("<text x=\"([0-9.]+)\"[^>]*font-size=\"([0-9.]+)\"([^>]*)>([^<]*)</text>");
  size_t count = 0;
  for (std::sregex_iterator i(svg.begin(), svg.end(), text), end; i != end; ++i, ++count) {
    if ((*i)[3].str().find("rotate") != std::string::npos) continue;
    const double x = std::atof((*i)[1].str().c_str()), size = std::atof((*i)[2].str().c_str());
    const std::string words = std::regex_replace((*i)[4].str(), std::regex("…|&[a-z]+;"), "_");
    const double wide = kSvgGlyph * size * static_cast<double>(words.size());
    const std::string more = (*i)[3].str();
    const double from = more.find("middle") != std::string::npos    ? x - wide / 2
                        : more.find("\"end\"") != std::string::npos ? x - wide
                                                                    : x;
    const double room = words[0] == 't' ? 3 * 340 : 340;
    EXPECT_GE(from, 0) << words;
    EXPECT_LE(from + wide, room) << words;
  }
  EXPECT_GT(count, 20u);
  EXPECT_EQ(times(svg, "class=\"panel\""), 4u);
}

TEST(Panels, HaveAllTheirNumbersInATable) {
  const std::string csv = panels_csv({.title = "t", .panels = {small_panel()}});
  EXPECT_EQ(csv,
            "panel,series,mark,x,y\na < b,measured,points,0,0\na < b,measured,points,5,1\na < b,measured,points,10,2\n"
            "a < b,fit,line,0,0\na < b,fit,line,10,2\n");
}

// 5 stands at 334.2, as above. The guide has its label beside it and no line in the legend.
TEST(Panels, HaveGuidesFromTopToBottom) {
  Panel p = small_panel();
  p.series.push_back({.label = "I ≤ 5", .mark = PanelMark::guide, .x = {5}, .colour = kPanelGrey});
  const PanelSheet sheet{.title = "t", .panels = {p}};
  const std::string svg = panels_svg(sheet);
  EXPECT_EQ(times(svg, "class=\"guide c4\" d=\"M334.2 "), 1u) << svg;
  EXPECT_EQ(times(svg, ">I ≤ 5<"), 1u);
  EXPECT_EQ(times(svg, "rotate(-90 346.2"), 1u);
  const std::string csv = panels_csv(sheet);
  EXPECT_EQ(csv.substr(csv.find("a < b,I")), "a < b,I ≤ 5,guide,5,\n");
  p.log_x = true;
  p.series.back().x = {0};
  EXPECT_EQ(times(panels_svg({.title = "t", .panels = {p}}), "class=\"guide"), 0u) << "a log axis has no 0";
}

TEST(Panels, HaveDotsOverTheirLines) {
  Panel p = small_panel();
  p.series[0].mark = PanelMark::dots;
  const PanelSheet sheet{.title = "t", .panels = {p}};
  const std::string svg = panels_svg(sheet);
  EXPECT_GT(svg.find("class=\"dots c0\""), svg.find("class=\"line c1\"")) << "what comes later lies over it";
  EXPECT_EQ(times(svg, "class=\"dots c0\"") + times(svg, "h0"), 4u);
  EXPECT_NE(panels_csv(sheet).find("a < b,measured,dots,5,1\n"), std::string::npos);
}

TEST(Panels, NameALabelOnceInTheLegend) {
  Panel p = small_panel();
  p.series[1].label = p.series[0].label;
  EXPECT_EQ(times(panels_svg({.title = "t", .panels = {p}}), ">measured<"), 1u);
}

TEST(SvgFitted, CutsBetweenCharacters) {
  EXPECT_EQ(svg_fitted("κκκκ", 4 * kSvgGlyph * 10 + 1, 10), "κκκκ");
  EXPECT_EQ(svg_fitted("κκκκκ", 4 * kSvgGlyph * 10 + 1, 10), "κκκ…");
}

}  // namespace
}  // namespace tacet
