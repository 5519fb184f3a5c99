# cmake -DSOURCE=DIR -DOUT=FILE -P commit.cmake: writes a source file that holds the commit of DIR, and only where that has changed.
# It is "unknown" where DIR is not the top of a checkout, as in an unpacked archive, or where there is no git.
set(commit "unknown")
find_program(git git)
if(git)
  execute_process(COMMAND ${git} -C ${SOURCE} rev-parse --show-toplevel OUTPUT_VARIABLE top ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  file(REAL_PATH ${SOURCE} here)
  if(top STREQUAL here)
    execute_process(COMMAND ${git} -C ${SOURCE} describe --always --exclude=* --abbrev=12 --dirty=+changes
      OUTPUT_VARIABLE described RESULT_VARIABLE failed ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT failed)
      set(commit ${described})
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT [[
// Written by the build (cmake/commit.cmake).
#include "cli/versions.h"

namespace tacet {

std::string built_commit() { return "@commit@"; }

}  // namespace tacet
]] @ONLY)
