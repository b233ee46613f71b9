#include "tests/replay/chart.h"
namespace panbo::replay {
std::string chart_of(const std::vector<TraceResult>&) { return ""; }
}
