// Test runner: doctest's main over the reference BLAS table.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest.h>

#include "hpt/blas.hpp"
#include "reference_blas.hpp"

int main(int argc, char** argv) {
  hpt::install_blas(hpt::reference::table());
  doctest::Context context(argc, argv);
  return context.run();
}
