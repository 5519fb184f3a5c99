// GoogleTest's main with one more switch: --update rewrites the generated parts of docs/reference/recipes.md instead of
// testing.
#include <cstring>
#include <fstream>
#include <iostream>

#include <gtest/gtest.h>

#include "recipe/docs.h"

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--update") == 0) {
    const std::string updated = tacet::regenerated(tacet::recipe_docs());
    std::ofstream(tacet::recipe_docs_path, std::ios::binary) << updated;
    std::cout << "wrote " << tacet::recipe_docs_path << '\n';
    return 0;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
