// The life of a BO in six steps, with a real panbod on the simulated device and two client processes. Each step says
// what happened, and ends the demonstration if something else did.

#include <fmt/format.h>
#include <panbo.h>

#include <cstdio>
#include <stdexcept>

#include "tests/demo/demo_client.h"
#include "tests/support/await.h"
#include "tests/support/panbod_process.h"
#include "tests/support/wire_peer.h"

namespace panbo::demo {
namespace {

constexpr uint64_t kBytes = 1'000'000;
constexpr const char* kText = "drawn by painter";

std::string name_of(uint32_t origin) {
  switch (origin) {
    case PANBO_ORIGIN_FRESH:
      return "fresh";
    case PANBO_ORIGIN_CACHED:
      return "cached";
    case PANBO_ORIGIN_WAITED:
      return "waited";
    default:
      return "from elsewhere";
  }
}

void expect(bool happened, const std::string& what) {
  if (!happened) throw std::runtime_error("this did not happen: " + what);
}

class Demo {
 public:
  void run() {
    fmt::print("panbod runs on the simulated device, pid {}, socket {}\n", daemon_.pid(), daemon_.socket_path());
    fmt::print("two clients are connected: painter, pid {}, and viewer, pid {}\n", painter_.pid(), viewer_.pid());

    step("painter asks for {} bytes: the cache is empty, so the kernel makes a BO", kBytes);
    const ClientBo first = alloc("painter", painter_);
    expect(first.origin == PANBO_ORIGIN_FRESH, "a fresh BO");

    step("painter writes into it and passes its fd on; viewer reads the same memory");
    painter_.write(kText);
    const std::string seen = viewer_.read_shared(painter_.share());
    say("viewer  read \"{}\"", seen);
    expect(seen == kText, "the text that painter wrote");

    step("a GPU job starts on it, and painter releases it: it drains, and is not lent again");
    ctl("sim job --inode {}", first.inode);
    painter_.release();
    await("the BO drains", [this] { return admin_.stats().draining().count() == 1; });
    const ClientBo other = alloc("viewer", viewer_);
    expect(other.origin == PANBO_ORIGIN_FRESH && other.inode != first.inode, "another BO, a fresh one");
    viewer_.release();
    await("it is ready", [this] { return admin_.stats().ready().count() == 1; });
    ctl("evict --all");

    step("the job ends: the kernel says so, the BO is ready, and viewer gets it from the cache");
    ctl("sim job-end --inode {}", first.inode);
    await("the BO is ready", [this] { return admin_.stats().ready().count() == 1; });
    const ClientBo again = alloc("viewer", viewer_);
    expect(again.origin == PANBO_ORIGIN_CACHED && again.inode == first.inode, "the same BO, from the cache");
    const std::string left = viewer_.read();
    say("viewer  read \"{}\": within one user old data may be seen, PANBO_BO_ZEROED avoids it", left);
    expect(left == kText, "the text that painter left");

    step("viewer releases it, and an administrator takes the cache's memory back");
    viewer_.release();
    await("the BO is ready", [this] { return admin_.stats().ready().count() == 1; });
    ctl("evict --all");
    expect(admin_.stats().ready().count() == 0, "an empty cache");

    step("what the daemon has counted");
    ctl("stats");
  }

 private:
  template <class... Args>
  void step(fmt::format_string<Args...> format, Args&&... args) {
    fmt::print("\n{}. {}\n", ++step_, fmt::format(format, std::forward<Args>(args)...));
  }

  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    fmt::print("   {}\n", fmt::format(format, std::forward<Args>(args)...));
  }

  ClientBo alloc(const char* name, DemoClient& client) {
    const ClientBo bo = client.alloc(kBytes);
    say("{:<7} got {}: fd {}, inode {}, {} bytes", name, name_of(bo.origin), bo.fd, bo.inode, bo.size);
    return bo;
  }

  /// Runs the real panboctl, which prints by itself.
  template <class... Args>
  void ctl(fmt::format_string<Args...> format, Args&&... args) {
    const std::string arguments = fmt::format(format, std::forward<Args>(args)...);
    say("$ panboctl {}", arguments);
    std::fflush(stdout);
    const std::string command = fmt::format("'{}/panboctl' --admin-socket '{}' {}", executable_directory(),
                                            daemon_.admin_socket_path(), arguments);
    expect(std::system(command.c_str()) == 0, "panboctl " + arguments);
  }

  PanbodProcess daemon_;
  WirePeer admin_{daemon_.admin_socket_path()};
  DemoClient painter_{"painter", daemon_.socket_path()};
  DemoClient viewer_{"viewer", daemon_.socket_path()};
  int step_ = 0;
};

}  // namespace
}  // namespace panbo::demo

int main() {
  try {
    panbo::demo::Demo().run();
    return 0;
  } catch (const std::exception& error) {
    std::fflush(stdout);
    std::fprintf(stderr, "panbo-demo: %s\n", error.what());
    return 1;
  }
}
