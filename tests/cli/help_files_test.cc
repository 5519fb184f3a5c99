// The manual page and the completions of a command that is made up, with texts that shells and roff would take amiss.
#include "cli/help_files.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

namespace tacet {
namespace {

struct SmallCommand {
  CLI::App app{".begins with a point"};
  std::string name, size;
  bool hidden = false;
  SmallCommand() {
    auto* data = app.add_subcommand("data", "don't \\fBtouch\\fR: $(echo no)");
    auto* info = data->add_subcommand("info", "sizes");
    info->add_option("name", name, "a data set")->required()->option_text("NAME");
    info->add_option("--size,-s", size, "how many; 'all' or a number")->option_text("N");
    info->add_flag("--hidden", hidden)->group("");
  }
};

TEST(Manual, KeepsTextsAwayFromRoff) {
  const SmallCommand c;
  const std::string page = manual_page(c.app, "small", "1.2.3");
  EXPECT_NE(page.find(".TH SMALL 1 \"\" \"small 1.2.3\""), std::string::npos) << page;
  EXPECT_NE(page.find("small \\- \\&.begins"), std::string::npos) << page;
  EXPECT_NE(page.find(".SS \\fBsmall data info\\fR \\fINAME\\fR"), std::string::npos) << page;
  EXPECT_NE(page.find("\\fB\\-\\-size\\fR, \\fB\\-s\\fR \\fIN\\fR"), std::string::npos) << page;
  EXPECT_EQ(page.find("hidden"), std::string::npos);
}

TEST(Completion, QuotesTextsForItsShell) {
  const SmallCommand c;
  for (const char* shell : {"zsh", "fish"}) {
    const std::string script = completion_script(c.app, "small", shell);
    EXPECT_NE(script.find("don'\\''t \\fBtouch\\fR: $(echo no)'"), std::string::npos) << script;
    EXPECT_EQ(script.find("hidden"), std::string::npos);
  }
  const std::string bash = completion_script(c.app, "small", "bash");
  EXPECT_NE(bash.find("\"/data\") group=1 words='info --help -h'"), std::string::npos) << bash;
  EXPECT_NE(bash.find("\"/data/info\") words='--help -h --size -s'"), std::string::npos) << bash;
  EXPECT_THROW(completion_script(c.app, "small", "tcsh"), std::logic_error);
}

}  // namespace
}  // namespace tacet
