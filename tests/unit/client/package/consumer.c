/* That it links with what was installed, and that the library is the one that the header describes. */
#include <panbo.h>

int main(void) {
  return panbo_version() == (PANBO_VERSION_MAJOR << 16 | PANBO_VERSION_MINOR << 8 | PANBO_VERSION_PATCH) ? 0 : 1;
}
