#include <iostream>

#include "client/interpose/command_line.h"

int main(int argc, char** argv) {
  return panbo::interpose::run_program(argc, argv, std::cout, std::cerr);
}
