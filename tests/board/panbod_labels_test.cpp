// What a client says that a BO is for, as the name of its dma-buf: where the kernel shows it.
#include <fstream>

#include <panbo.h>

#include "tests/board/panbod_rig.h"

namespace panbo::test {
namespace {

constexpr uint64_t kSize = 64 * 1024;

/// As fdinfo has it, for this process's fd; empty: it has none.
std::string name_of(panbo_bo* bo) {
  std::ifstream info("/proc/self/fdinfo/" + std::to_string(panbo_bo_get_fd(bo)));
  constexpr std::string_view kField = "name:\t";
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with(kField)) return line.substr(kField.size());
  }
  return {};
}

class Labels : public PanbodOnPanfrost {
 protected:
  panbo_bo* alloc(const char* label) {
    const panbo_alloc_request request{.struct_size = sizeof(request), .size = kSize, .label = label};
    panbo_bo* bo = nullptr;
    EXPECT_EQ(panbo_bo_alloc(client_.get(), &request, &bo), 0);
    return bo;
  }
  void release(panbo_bo* bo) {
    client_.release(bo);
    await_ready(1);
  }

  Client client_{"client"};
};

TEST_F(Labels, NameTheDmaBuf) {
  EXPECT_EQ(name_of(alloc("texture")), "texture");
  EXPECT_EQ(name_of(alloc(nullptr)), "");
}

TEST_F(Labels, AreThoseOfThePresentLease) {
  panbo_bo* bo = alloc("texture");
  const uint64_t inode = inode_of(bo);
  release(bo);
  for (const char* label : {"shader", static_cast<const char*>(nullptr), "shader"}) {
    bo = alloc(label);
    ASSERT_EQ(inode_of(bo), inode);
    EXPECT_EQ(name_of(bo), label != nullptr ? label : "");
    release(bo);
  }
}

TEST_F(Labels, AreCutBetweenCharactersWhereTheKernelHasNoRoom) {
  EXPECT_EQ(name_of(alloc("0123456789012345678901234567890")), "0123456789012345678901234567890");
  EXPECT_EQ(name_of(alloc("01234567890123456789012345678901")), "0123456789012345678901234567890");
  EXPECT_EQ(name_of(alloc("012345678901234567890123456789\xc3\xbc")), "012345678901234567890123456789");
}

TEST_F(Labels, DoNothingToATerminal) {
  EXPECT_EQ(name_of(alloc("\x1b[2Jred\n")), "?[2Jred?");
}

TEST_F(Labels, AreInTheListOfAllDmaBufs) {
  alloc("seen in bufinfo");
  std::ifstream list("/sys/kernel/debug/dma_buf/bufinfo");
  const std::string text(std::istreambuf_iterator<char>(list), {});
  EXPECT_NE(text.find("seen in bufinfo"), std::string::npos) << text;
}

}  // namespace
}  // namespace panbo::test
