#include <iostream>

#include "client/cli/command_line.h"

int main(int argc, char** argv) {
  return panbo::cli::run_panboctl(argc, argv, std::cout, std::cerr);
}
